"""XML that means harm, or is merely broken: an error that says so, within little memory and time."""

from __future__ import annotations

import io
import os
import tracemalloc
from collections.abc import Iterable, Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsync import SyncOptions
from nsync.errors import NsyncError, SourceError
from nsync.read.base import open_source
from nsync.read.blocks import Unfit
from tests.read.typed import check_blocks

_EXAMPLES = int(300 * float(os.environ.get("NSYNC_EXAMPLES", "1")))
_MEGABYTE = 1024 * 1024


class Parts(io.RawIOBase):
    """A stream that is made while it is read."""

    def __init__(self, parts: Iterable[bytes]) -> None:
        self._parts = iter(parts)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return next(self._parts, b"")


def read_all(content: bytes | Iterable[bytes], **options: Any) -> list[tuple[object, ...]]:
    stream: Any = io.BytesIO(content) if isinstance(content, bytes) else Parts(content)
    source = open_source(stream, SyncOptions(**{"format": "xml", **options}))
    try:
        return [row.values for row in source]
    finally:
        source.close()


LAUGHS = b"".join(b'<!ENTITY a%d "%s">' % (number, b"&a%d;" % (number - 1) * 10) for number in range(1, 10))


@pytest.mark.parametrize(
    "text",
    [
        b'<?xml version="1.0"?><!DOCTYPE p [<!ENTITY a0 "ha">' + LAUGHS + b"]><p><q>&a9;</q></p>",
        b'<!DOCTYPE p [<!ENTITY a "' + b"x" * 100_000 + b'">]><p><q>' + b"&a;" * 100_000 + b"</q></p>",
        b'<!DOCTYPE p [<!ENTITY f SYSTEM "file:///etc/passwd">]><p><q>&f;</q></p>',
        b'<!DOCTYPE p SYSTEM "http://127.0.0.1:9/p.dtd"><p><q>1</q></p>',
        b'<!DOCTYPE p [<!ENTITY % f SYSTEM "file:///etc/passwd"> %f;]><p><q>1</q></p>',
        b'<!DOCTYPE p [<!ATTLIST q a CDATA "always">]><p><q>1</q></p>',
        '<!DOCTYPE p [<!ENTITY a "x">]><p><q>&a;</q></p>'.encode("utf-16"),
    ],
    ids=["billion laughs", "quadratic blowup", "a file", "an address", "a parameter", "a default", "in UTF-16"],
)
def test_a_dtd_is_refused_before_it_declares_anything(text: bytes) -> None:
    with pytest.raises(SourceError, match=r":1: has a DTD \(<!DOCTYPE p …>\)"):
        read_all(text)


def test_what_a_dtd_would_include_is_not_included_without_one(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    text = (
        f'<?xml-stylesheet href="{secret.as_uri()}"?><p xmlns:xi="http://www.w3.org/2001/XInclude">'
        f'<q><a>1</a><xi:include href="{secret.as_uri()}" parse="text"/></q></p>'
    )

    assert read_all(text.encode()) == [("1", secret.as_uri(), "text", "")]


def endless(head: bytes, part: bytes) -> Iterator[bytes]:
    yield head
    yield from repeat(part * (_MEGABYTE // len(part)), 1_000)


@pytest.mark.parametrize(
    ("head", "part", "said"),
    [
        (b"<p><q>\n<a>", b"x", "a record of more than 16,777,216 bytes; .*--record-element"),
        (b"<p><q>\n", b"<a>1</a>", "a record of more than 16,777,216 bytes"),
        (b"<p><q>", b"<a>", "beyond all measure: a/a/a"),
        (b"<p>", b"<a>", "nested deeper than 200"),
        (b"<p><q>\n<a>", b"a<b>b</b>", "a record of more than 16,777,216 bytes"),
        (b"<p><q>\n<a><![CDATA[", b"x", "a record of more than 16,777,216 bytes"),
        (b"<p><q>\n<a b='", b"x", "a record of more than 16,777,216 bytes"),
        (b"<p>\n<a b='", b"x", "a tag, or a comment, of more than 16,777,216 bytes"),
        (b"<p><!--", b"x", "a tag, or a comment, of more than 16,777,216 bytes"),
        (b"<p><?x ", b"x", "a tag, or a comment, of more than 16,777,216 bytes"),
        (b"<p><", b"x", "a tag, or a comment, of more than 16,777,216 bytes"),
    ],
    ids=lambda value: value[:20].decode() if isinstance(value, bytes) else "",
)
def test_what_never_ends_is_not_read_into_memory(head: bytes, part: bytes, said: str) -> None:
    if len(part) == 1:
        tracemalloc.start()  # which makes small parts slow
    try:
        with pytest.raises(SourceError, match=said):
            read_all(endless(head, part), record_element="q")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 100 * _MEGABYTE


def test_endless_attributes_are_no_columns() -> None:
    attributes = b"".join(b" a%d='1'" % number for number in range(200_000))

    with pytest.raises(SourceError, match=r"different names|more than 10,000 different elements"):
        read_all(b"<p><q" + attributes + b"/></p>")


def test_the_parser_does_not_gather_names_for_ever() -> None:
    names = (b"".join(b"<n%d-%d/>" % (part, number) for number in range(10_000)) for part in range(1_000))

    with pytest.raises(SourceError, match="more than 50,000 different names"):
        read_all((piece for pieces in ([b"<p><q><a>1</a></q>"], names) for piece in pieces), record_element="q")


def test_a_long_namespace_is_not_written_before_each_name() -> None:
    with pytest.raises(SourceError, match=":2: a namespace of more than 1,000 characters"):
        read_all(b"<p>\n<q xmlns='" + b"x" * 1_001 + b"'><a>1</a></q></p>")


def test_a_large_file_is_read_in_little_memory() -> None:
    record = b"<q id='1'><name>" + b"x" * 200 + b"</name><home><city>Wien</city></home></q>\n"
    parts = [b"<p>", *[record * 1_000] * 15, b"</p>"]
    source = open_source(Parts(parts), SyncOptions(format="xml"))  # type: ignore[arg-type]

    tracemalloc.start()
    try:
        assert sum(1 for _ in source) == 15_000
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        source.close()

    assert peak < 12 * _MEGABYTE


@pytest.mark.parametrize("size", range(1, 120))
def test_a_file_that_was_cut_off_is_an_error(size: int) -> None:
    whole = b"<?xml version='1.0'?>\n<p>\n<q id='1'><a>1</a><![CDATA[x]]></q><!-- c -->\n<q>Zo\xc3\xab</q>\n</p>"
    assert read_all(whole)

    if size < len(whole):
        with pytest.raises(SourceError):
            read_all(whole[:size])


VALID = (
    "<?xml version='1.0' encoding='UTF-8'?>\n<p xmlns:xsi='http://www.w3.org/2001/XMLSchema-instance' xmlns:m='urn:m'>"
    "<!-- c --><?pi x?>\n<q id='1'><a>Zoë &amp; &#65;</a><b xsi:nil='true'/><c><d m:x='y'>1</d><d>2</d></c>t</q>\n"
    "<q><a><![CDATA[<x>]]></a><m:a/></q></p>\n"
)
_PIECES = st.sampled_from(
    ("<", ">", "</", "/>", "<q>", "</q>", "<a>", "</a>", "&", ";", "&#0;", "<!DOCTYPE x [", "<!ENTITY a 'b'>", "]>",
     "<![CDATA[", "]]>", "<!--", "-->", "<?", "?>", " a='1'", " xmlns='u'", " xmlns:m=''", "m:", "xml:", "\0", "\ud800",
     "x" * 300, "<a>" * 250, "\ufeff", "é", "\n", "'", '"', "=", "encoding='utf-7'", "encoding='utf-16'", "{", "/", ".")
)  # fmt: skip
_OPTIONS = st.fixed_dictionaries(
    {},
    optional={
        "record_element": st.sampled_from(("q", "p/q", "a", "/", "x")),
        "header": st.sampled_from((("a",), ("a", "c/d", "{urn:m}a", "", "a"))),
        "encoding": st.sampled_from(("utf-8", "utf-16", "latin-1", "shift_jis", "utf-7", "unicode_escape")),
        "list_separator": st.sampled_from((",", "1")),
    },
)


def check(content: bytes, options: dict[str, Any]) -> None:
    """Only errors of ours come out, and blocks hold what the rows do."""
    try:
        source = open_source(io.BytesIO(content), SyncOptions(**{"format": "xml", **options}))
    except NsyncError:
        return
    try:
        numbers = [row.number for row in source]
    except SourceError:
        with pytest.raises(Unfit):
            list(source.blocks())
    else:
        assert check_blocks(source)
        assert sorted(set(numbers)) == numbers
    finally:
        source.close()


@settings(max_examples=_EXAMPLES, deadline=None)
@given(content=st.binary(min_size=1, max_size=200), options=_OPTIONS)
def test_any_bytes_are_read_or_refused(content: bytes, options: dict[str, Any]) -> None:
    check(content, options)
    check(b"<p>" + content + b"</p>", options)


@settings(max_examples=_EXAMPLES, deadline=None)
@given(data=st.data(), encoding=st.sampled_from(("utf-8", "utf-16", "utf-16-be")), options=_OPTIONS)
def test_any_change_of_a_valid_file_is_read_or_refused(data: st.DataObject, encoding: str, options: Any) -> None:
    text = VALID
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        length = data.draw(st.sampled_from((0, 0, 1, 2, 10)))
        text = text[:start] + data.draw(_PIECES) + text[start + length :]
    check(text.encode(encoding, "surrogatepass"), options)
