"""XML: what its records say, and what is wrong with them."""

from __future__ import annotations

import os
from collections import deque
from typing import Any

import pytest

from nsync import SyncOptions
from nsync.errors import ConfigError, SourceError
from nsync.read.base import Source, open_source
from nsync.rows import MISSING
from tests.read.conftest import OpenBytes

XSI = 'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"'


@pytest.fixture
def read(open_bytes: OpenBytes) -> Any:
    def opened(text: str | bytes, name: str = "people.xml", **options: Any) -> Source:
        return open_bytes(text, name=name, **options)

    return opened


def rows(source: Source) -> list[tuple[int, tuple[object, ...]]]:
    return [(row.number, row.values) for row in source]


def values(source: Source) -> list[tuple[object, ...]]:
    return [row.values for row in source]


def cells(source: Source) -> list[dict[str, object]]:
    """Give what each row has, by column."""
    return [
        {name: value for name, value in zip(source.header, row.values, strict=True) if value is not MISSING}
        for row in source
    ]


def test_each_repeated_child_of_the_root_is_a_row(read: Any) -> None:
    source = read("<people>\n <person><name>Zoë</name></person>\n <person>\n  <age>4</age></person>\n</people>")

    assert source.header == ("name", "age")
    assert rows(source) == [(2, ("Zoë", MISSING)), (3, (MISSING, "4"))]
    assert source.notes == ("record element: people/person (found; --record-element says another)",)


def test_columns_are_the_paths_of_elements_and_attributes(read: Any) -> None:
    source = read('<p><q id="7"><home kind="x"><city>Wien</city></home><price currency="EUR">1</price></q></p>')

    assert cells(source) == [
        {"@id": "7", "home/@kind": "x", "home/city": "Wien", "price": "1", "price/@currency": "EUR"}
    ]


def test_an_absent_element_is_an_absent_cell_and_an_empty_one_an_empty_cell(read: Any) -> None:
    """C4."""
    source = read(
        f'<p {XSI}><q><a>1</a><b/></q><q><a></a><c>2</c></q><q><b xsi:nil="true"/><a xsi:nil="false">x</a></q></p>'
    )

    assert values(source) == [("1", "", MISSING), ("", MISSING, "2"), ("x", "", MISSING)]


def test_a_record_that_says_nothing_is_no_row(read: Any) -> None:
    """C4."""
    assert values(read(f'<p {XSI}><q><a>1</a></q><q/><q><a> </a></q><q xsi:nil="1"/></p>')) == [("1",)]


def test_repeated_elements_are_values_parted_by_the_list_separator(read: Any) -> None:
    """R3: as a cell of a many-to-many relation has them; empty ones say nothing."""
    text = "<p><q><t>a</t><t/><t>b</t></q><q><t/><t/></q><q><t>c</t></q><q><o><t>d</t></o><o><t>e</t></o></q></p>"
    source = read(text, record_element="q", list_separator=";")

    assert cells(source) == [{"t": "a;b"}, {"t": "c"}, {"o/t": "d;e"}]


def test_a_value_of_repeated_elements_that_has_the_separator_in_it_is_an_error(read: Any) -> None:
    text = "<p><q><t>a|b</t></q>\n<q><t>a|b</t><t>c</t></q></p>"

    with pytest.raises(SourceError, match=r"xml:2: t has '\|' in a value, .*choose another --list-separator"):
        read(text, record_element="q")
    assert values(read(text, record_element="q", list_separator=";")) == [("a|b",), ("a|b;c",)]


def test_text_is_taken_as_it_is(read: Any) -> None:
    text = "<p><q><a> x\r\n&#65;&lt;&#xe9; <!-- no --><![CDATA[<&> ]]><?pi no?>y </a><b c='a&#10;b\tc'/></q></p>"

    assert cells(read(text)) == [{"a": " x\nA<é <&> y ", "b": "", "b/@c": "a\nb c"}]


def test_text_beside_elements_is_a_cell_with_all_the_text(read: Any) -> None:
    source = read("<p><q><d>Hello <b>big <i>w</i></b>orld</d> </q><q>own <d>x</d></q></p>", record_element="q")

    assert cells(source) == [{"d/b/i": "w", "d/b": "big w", "d": "Hello big world"}, {"d": "x", ".": "own x"}]


def test_a_record_of_text_alone_has_a_column_of_its_own(read: Any) -> None:
    assert cells(read('<p><q code="AT">Austria</q></p>')) == [{"@code": "AT", ".": "Austria"}]


def test_names_are_local_names(read: Any) -> None:
    record = '<n:q><n:a xsi:type="t">1</n:a><b xmlns="urn:b" xml:lang="en"><c>2</c></b></n:q>'
    text = f'<n:p xmlns:n="urn:n" {XSI}>{record}</n:p>'

    assert cells(read(text)) == [{"a": "1", "b/@lang": "en", "b/c": "2"}]


def test_where_local_names_clash_those_of_other_namespaces_have_theirs(read: Any) -> None:
    """As in feeds of news: an element of the record's own namespace keeps its name, wherever it stands."""
    text = '<r xmlns:m="urn:m"><i><m:title>1</m:title><m:size m:u="2" u="3">4</m:size></i><i><title>5</title></i></r>'

    assert cells(read(text)) == [
        {"{urn:m}title": "1", "{urn:m}size/@{urn:m}u": "2", "{urn:m}size/@u": "3", "size": "4"},
        {"title": "5"},
    ]
    assert values(read(text, header=("title", "{urn:m}title", "{urn:m}size"))) == [
        (MISSING, "1", "4"),
        ("5", MISSING, MISSING),
    ]


def test_records_of_two_namespaces_are_not_taken_for_one(read: Any) -> None:
    with pytest.raises(SourceError, match="record elements are of two namespaces: 'q' and 'urn:n q'"):
        read('<p><q>1</q><q xmlns="urn:n">1</q></p>')


def test_the_header_option_says_which_paths_are_columns(read: Any) -> None:
    text = "<p><q><a>1</a><b>2</b></q>" + "<q><a>1</a></q>" * 1_000 + "<q><c><d>3</d></c></q></p>"
    source = read(text, header=("c/d", "a", "@x"), record_element="q")

    assert source.header == ("c/d", "a", "@x")
    assert values(source)[::1_001] == [(MISSING, "1", MISSING), ("3", MISSING, MISSING)]


def test_an_element_that_appears_late_is_a_cell_too_many(read: Any) -> None:
    """C4: nothing is lost in silence."""
    source = read("<p>" + "<q><a>1</a></q>\n" * 1_000 + "<q><a>1</a><late>x</late><late/><later/></q></p>")

    assert rows(source)[-1] == (1_001, ("1", "late: x"))


def test_the_option_names_the_element_that_is_a_record_wherever_it_stands(read: Any) -> None:
    text = "<p><m><q><a>0</a></q></m><x><y><q><a>1</a></q></y></x><q><a>2</a><q><a>3</a></q></q><z/></p>"

    assert cells(read(text, record_element="q")) == [{"a": "0"}, {"a": "1"}, {"a": "2", "q/a": "3"}]
    assert cells(read(text, record_element="y/q")) == cells(read(text, record_element="/y/ns:q")) == [{"a": "1"}]
    assert cells(read(text, record_element="p/q")) == [{"a": "2", "q/a": "3"}]
    assert cells(read(text, record_element="p")) == [{"m/q/a": "0", "x/y/q/a": "1", "q/a": "2", "q/q/a": "3", "z": ""}]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<p><a><x>1</x></a><b/></p>", "--record-element: p/a, p/b$"),
        ("<p><a/><b/><a/><b/><c/></p>", "--record-element: p/a, p/b$"),
        ("<rss><channel><item/><item/></channel></rss>", "--record-element: rss/channel, rss/channel/item$"),
        ("<p><h><x/><x/></h><a/><a/></p>", "--record-element: p/a, p/h/x$"),
    ],
)
def test_where_several_elements_may_be_records_it_asks_which(read: Any, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        read(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<p><a><x>1</x></a></p>", "p/a"),
        ("<p><v>1</v><a><x>1</x></a><a><x>1</x><x>2</x></a><end/></p>", "p/a"),
        ("<p><a><x>1</x><x>2</x></a><a/></p>", "p/a"),
    ],
)
def test_where_only_one_may_be_it_is_taken_and_said(read: Any, text: str, found: str) -> None:
    assert read(text).notes[0].startswith(f"record element: {found} (")


def test_a_file_without_records_needs_names_of_columns(read: Any) -> None:
    assert rows(read("<p/>", header=("a",))) == []
    assert rows(read("<p/>", header=("a",), record_element="q")) == []
    with pytest.raises(SourceError, match=r"has no element but its root; .*--header names the columns"):
        read("<p>text</p>")
    with pytest.raises(SourceError, match="has no record <x/y> with text"):
        read("<p><q>1</q></p>", record_element="x/y")


def test_records_on_one_line_are_counted_on_from_it(read: Any) -> None:
    text = "<p><q>1</q><q>1</q>\n<q>1</q>\n\n\n<q>1</q><q>1</q></p>"

    assert [number for number, _ in rows(read(text))] == [1, 2, 3, 5, 6]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252", "iso-8859-15"])
def test_the_file_says_its_encoding_itself(read: Any, encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    text = f'<?xml version="1.0" encoding="{declared}"?>\n<p><q>Zoë</q></p>'

    assert values(read(text.encode(encoding))) == [("Zoë",)]


@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis", "utf-32", "utf-16-le", "cp1252"])
def test_the_encoding_option_overrides_what_the_file_says(read: Any, encoding: str) -> None:
    text = '<?xml version="1.0" encoding="ascii"?>\n<p><q>¶</q></p>'

    assert values(read(text.encode(encoding), encoding=encoding)) == [("¶",)]


def test_an_encoding_that_the_parser_does_not_know(read: Any) -> None:
    text = '<?xml version="1.0" encoding="{}"?>\n<p><q>日</q></p>'
    for name, cure in [("shift_jis", "say --encoding shift_jis"), ("base64", "say with"), ("no-such", "say with")]:
        with pytest.raises(SourceError, match=rf":1: the parser does not know its encoding, '{name}'; {cure}"):
            read(text.format(name).encode("shift_jis"))
    with pytest.raises(ConfigError, match="--encoding utf9: no such encoding"):
        read(text, encoding="utf9")


def test_bytes_that_are_not_of_the_encoding(read: Any) -> None:
    text = "<p>\n<q>Café</q></p>".encode("cp1252")

    with pytest.raises(SourceError, match=r":2: not XML: not well-formed \(invalid token\).*say --encoding"):
        read(text)
    with pytest.raises(SourceError, match=":2: byte 0xe9 cannot be read as utf-8; --encoding cp1252 would read"):
        read(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<p><q>1</q>\n<q>", ":2: not XML: no element found, .*is the file cut off"),
        ("<p><q>1</q>\n<q>1</q></p><p/>", ":2: not XML: junk after document element"),
        ("<p>\n<q>1</w></p>", ":2: not XML: mismatched tag, at character 7$"),
        ("<p>\n<q>a & b</q></p>", ":2: not XML: not well-formed"),
        ("<p><q>&nbsp;</q></p>", ":1: not XML: undefined entity, .*XML by itself knows &amp;"),
        ("<p><x:q>1</x:q></p>", ":1: not XML: unbound prefix, .*declare its namespace"),
        ("<p><q a='1' a='2'/></p>", ":1: not XML: duplicate attribute"),
        ("name,age\nBob,41\n", "is not XML, which begins with <; say with --format what it is"),
        ('{"a": 1}', "is not XML, which begins with <"),
        ("<html><body>Please log in", "is a web page, not XML; often a login"),
        ("<!DOCTYPE html><html><body>Please log in", "is a web page, not XML; often a login"),
        (
            '<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "a" "b">\n<html/>',
            ":2: is a web page, not data; often a login",
        ),
        ("   ", "not XML: no element found"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(read: Any, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        rows(read(text))


def test_rows_before_an_error_are_given(read: Any) -> None:
    text = "<p>" + "<q><a>1</a></q>\n" * 12_000 + "<q></p>"
    found: list[int] = []
    source = read(text)

    with pytest.raises(SourceError, match=":12001: not XML: mismatched tag"):
        deque(map(found.append, (row.number for row in source)))
    assert found == list(range(1, 12_001))


def test_xml_that_is_named_otherwise_is_told_apart(read: Any) -> None:
    text = '<?xml version="1.0"?>\n<p><q><a>1</a></q></p>'

    with pytest.raises(SourceError, match=r"people\.csv: is XML; say --format xml"):
        read(text, name="people.csv")
    assert values(read(text, name="people.csv", format="xml")) == [("1",)]


def test_the_element_is_only_for_xml(read: Any) -> None:
    with pytest.raises(ConfigError, match="--record-element is for xml, and this is csv; leave it out"):
        read("a,b\n", name="people.csv", record_element="q")


def test_blocks_hold_the_texts_of_the_same_rows(read: Any) -> None:
    text = f'<p {XSI}>\n<q><a>1,5</a><b xsi:nil="true"/></q>\n<q><b>x</b></q></p>'
    (block,) = read(text, decimal_comma=True).blocks()

    assert list(block.lines) == [2, 3]
    assert list(block.rows) == [["1,5", ""], [MISSING, "x"]]


def test_it_can_be_read_again_and_tells_how_far_it_is(read: Any) -> None:
    source = read("<p><q>1</q><q>2</q></p>")

    assert values(source) == values(source) == [("1",), ("2",)]
    assert source.position == source.size == 23
    assert len(source.digest()) == 64


def test_rows_of_a_stream_are_given_before_it_ends() -> None:
    """T3: what is committed batch by batch need not wait for the whole of a slow feed."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as feed:
        feed.write(b"<p>" + b"<q><a>1</a></q>" * 1_001)
        source = open_source(stream, SyncOptions(format="xml", record_element="q"))
        first = next(iter(source))  # would wait for ever, if it wanted more than is there
        source.close()

    assert first.values == ("1",)
