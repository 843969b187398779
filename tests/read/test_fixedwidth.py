"""Fixed width: what stands where, and what is wrong with it."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsync import SyncOptions
from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.read.base import Source, open_source
from nsync.read.blocks import Unfit
from nsync.rows import MISSING
from tests.read.conftest import OpenBytes
from tests.read.typed import check_blocks

_EXAMPLES = int(300 * float(os.environ.get("NSYNC_EXAMPLES", "1")))
COLUMNS = ("name:1-5", "age:6-8", "city:10-14")


@pytest.fixture
def read(open_bytes: OpenBytes) -> Any:
    def opened(text: str | bytes, columns: tuple[str, ...] = COLUMNS, **options: Any) -> Source:
        return open_bytes(text, name="people.fwf", fixed_columns=columns, **options)

    return opened


def rows(source: Source) -> list[tuple[int, tuple[object, ...]]]:
    return [(row.number, row.values) for row in source]


def values(source: Source) -> list[tuple[object, ...]]:
    return [row.values for row in source]


def test_each_line_is_a_row_whose_cells_lost_their_padding(read: Any) -> None:
    source = read("Zoë   41 Wien \nBob  007xLinz \n\n   \nA b        x  \n        -\n")  # the last between columns

    assert source.header == ("name", "age", "city")
    assert rows(source) == [(1, ("Zoë", "41", "Wien")), (2, ("Bob", "007", "Linz")), (5, ("A b", "", "x"))]


def test_a_column_may_be_one_character_or_go_on_to_the_end_of_the_line(read: Any) -> None:
    source = read("x12 and so on\ny\n", ("a:1", "b:2-3", "c:4-"))

    assert values(source) == [("x", "12", "and so on"), ("y", MISSING, MISSING)]


def test_what_a_short_line_does_not_reach_is_absent(read: Any) -> None:
    """C4: an editor that takes blanks off the ends of lines leaves the cells that it cuts."""
    assert values(read("Bob   41\nBo\nBob   41 \nBob   41 W\nBob   4\n")) == [
        ("Bob", "41", MISSING),
        ("Bo", MISSING, MISSING),
        ("Bob", "41", MISSING),
        ("Bob", "41", "W"),
        ("Bob", "4", MISSING),
    ]


def test_text_behind_the_last_column_is_a_cell_too_many_and_blanks_are_none(read: Any) -> None:
    """C4."""
    assert values(read("Bob   41 Wien  \nBob   41 Wien   x y \n")) == [
        ("Bob", "41", "Wien"),
        ("Bob", "41", "Wien", "x y"),
    ]


def test_a_file_that_ends_within_a_column_may_have_been_cut_off(read: Any) -> None:
    for whole in ("Bob   41 Wien ", "Bob   41", "Bob   41 ", "Bob  ", "Bob   41 Wien \n  "):
        assert rows(read(whole))
    for cut, column in (("Bob   4", r"age \(6-8\)"), ("Bo", r"name \(1-5\)"), ("Bob   41\nBob   41 W", "city")):
        with pytest.raises(SourceError, match=f"the file ends within {column}.*is it cut off"):
            rows(read(cut))
    assert values(read("x and", ("a:1", "b:2-"))) == [("x", "and")]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do_and_the_mark_at_the_end_of_dos_files(read: Any, end: str) -> None:
    for last in (end, f"{end}\x1a", "\x1a", f"{end}\x1a\x1a"):
        assert rows(read(f"Bob   41{end}{end}Zoë    4{last}")) == [
            (1, ("Bob", "41", MISSING)),
            (3, ("Zoë", "4", MISSING)),
        ]


def test_names_may_stand_in_the_first_row_instead(read: Any) -> None:
    source = read("\nname age city\nBob   41 Wien\n", ("1-5", "6-8", "10-"))

    assert source.header == ("name", "age", "city")
    assert rows(source) == rows(source) == [(3, ("Bob", "41", "Wien"))]


def test_names_may_be_given_by_the_header_option(read: Any) -> None:
    """C2."""
    source = read("Bob   41\n", ("1-5", "6-8"), header=("a", "b"))

    assert (source.header, values(source)) == (("a", "b"), [("Bob", "41")])


def test_names_may_hold_colons_and_commas(read: Any) -> None:
    assert read("x\n", ("a:b, c:1-5",)).header == ("a:b, c",)


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        ((), {}, "say where the columns are, such as --fixed-columns 'name:1-10,age:11-13'"),
        (("a",), {}, "'a' is no NAME:FROM-TO, such as"),
        (("a:",), {}, "'a:' is no NAME:FROM-TO"),
        (("a:1-2-3",), {}, "'a:1-2-3' is no NAME:FROM-TO"),
        (("a:1 2",), {}, "'a:1 2' is no NAME:FROM-TO"),
        (("a:-3",), {}, "'a:-3' is no NAME:FROM-TO"),
        (("a:1-999999999",), {}, "'a:1-999999999' is no NAME:FROM-TO"),
        (("",), {}, "'' is no NAME:FROM-TO"),
        (("a:0-3",), {}, "'a:0-3' is no range; characters are counted from 1"),
        (("a:5-3",), {}, "'a:5-3' is no range"),
        (("a:1-99999999",), {}, "'a:1-99999999' is no range"),
        (("a:1-5", "b:5-8"), {}, "'b:5-8' starts before 'a:1-5' ends"),
        (("a:5-8", "b:1-4"), {}, "'b:1-4' starts before 'a:5-8' ends; name the columns from left to right"),
        (("a:5-", "b:7-8"), {}, "'b:7-8' starts before 'a:5-' ends"),
        (("a:1-2", "3-4"), {}, "name all columns, or none"),
        (("a:1-2",), {"header": ("b",)}, "--header and --fixed-columns both name the columns"),
        (("1-2",), {"header": ("a", "b")}, "--header names 2 columns, --fixed-columns says where 1 are"),
    ],
)
def test_columns_that_make_no_sense(read: Any, columns: tuple[str, ...], options: Any, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read("Bob\n", columns, **options)

    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Bob   41\nBob\t41\n", r"fwf:2: a tab, which leaves no column in its place; .*expand"),
        ("x" * 17_000_000, ":1: a line of more than 16,777,216 characters"),
        (b"Bob   41\nZo\xeb   41\n", ":2: byte 0xeb cannot be read as utf-8; --encoding cp1252 would read 'Zoë"),
        (b"\xff\xfeB\0o\0b\0", "byte order mark of UTF-16, .*say --encoding utf-16"),
        (b"PK\x03\x04" + bytes(100), "is a zip archive"),
        ("<?xml version='1.0'?>\n", "is XML; say --format xml"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(read: Any, text: str | bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        rows(read(text))


def test_positions_are_only_for_fixed_width(read: Any, open_bytes: OpenBytes) -> None:
    with pytest.raises(ConfigError, match="--fixed-columns is for fixed, and this is csv; leave it out"):
        open_bytes("a,b\n", name="people.txt", fixed_columns=COLUMNS)


def test_blank_lines_alone_have_no_header_row(read: Any) -> None:
    assert rows(read("\n  \n")) == []
    with pytest.raises(SourceError, match="has no header row, only blank lines"):
        read("\n  \n", ("1-5",))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "shift_jis"])
def test_positions_count_characters_in_any_encoding(read: Any, encoding: str) -> None:
    text = "¶§   41\n" if encoding != "shift_jis" else "日本   41\n"

    assert values(read(text.encode(encoding), ("name:1-5", "age:6-7"), encoding=encoding)) == [(text[:2], "41")]


def test_blocks_hold_the_texts_of_the_same_rows(read: Any) -> None:
    (block,) = read("Bob  1,5\n\nZoë\n", decimal_comma=True).blocks()

    assert list(block.lines) == [1, 3]
    assert list(block.rows) == [["Bob", "1,5", MISSING], ["Zoë", MISSING, MISSING]]


def test_it_can_be_read_again_and_tells_how_far_it_is(read: Any) -> None:
    source = read("Bob   41\nZoe   42\n")

    assert rows(source) == rows(source)
    assert source.position == source.size == 18
    assert len(source.digest()) == 64


_PIECES = st.sampled_from(
    (
        "Bob  ",
        " 41",
        " ",
        "     ",
        "Wien ",
        "x",
        "\n",
        "\n",
        "\r\n",
        "\r",
        "\t",
        "\x1a",
        "\0",
        "é",
        "\ufeff",
        "日",
        "\x85",
    )
)


@settings(max_examples=_EXAMPLES, deadline=None)
@given(
    content=st.one_of(
        st.binary(min_size=1, max_size=100),
        st.lists(_PIECES, min_size=1, max_size=30).map(lambda some: "".join(some).encode()),
    ),
    columns=st.sampled_from((COLUMNS, ("1-5", "6-8"), ("a:2", "b:4-"), ("a:1-16777216",))),
    encoding=st.sampled_from(("utf-8-sig", "utf-16", "latin-1", "shift_jis", "utf-7")),
)
def test_any_bytes_are_read_or_refused(content: bytes, columns: tuple[str, ...], encoding: str) -> None:
    """Only errors of ours come out, and blocks hold what the rows do."""
    options = SyncOptions(format="fixed", fixed_columns=columns, encoding=encoding)
    try:
        source = open_source(io.BytesIO(content), options)
    except NsyncError:
        return
    try:
        found = [(row.number, list(row.values)) for row in source]
    except SourceError:
        with pytest.raises(Unfit):
            list(source.blocks())
    else:
        assert check_blocks(source)
        assert all(len(cells) >= len(columns) for _, cells in found)
    finally:
        source.close()
