"""Records become rows: line numbers, short and long rows, blank lines, byte order marks, rejects files."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.base import Source, open_source
from nsync.read.csvfile import RECORD_LIMIT
from nsync.rows import MISSING, Row

from .conftest import OpenBytes


def numbers_and_values(source: Source) -> list[tuple[int, tuple[object, ...]]]:
    return [(row.number, row.values) for row in source]


def test_rows_share_the_header_and_carry_the_line_where_they_start(open_bytes: OpenBytes) -> None:
    source = open_bytes("address,city\nWayne Manor,Gotham\n742 Evergreen Terrace,Springfield\n")

    rows = list(source)

    assert rows == [
        Row(2, ("address", "city"), ("Wayne Manor", "Gotham")),
        Row(3, ("address", "city"), ("742 Evergreen Terrace", "Springfield")),
    ]
    assert rows[0].header is rows[1].header is source.header


def test_a_source_can_be_read_three_times_over(open_bytes: OpenBytes) -> None:
    source = open_bytes("a,b\n1,2\n3,4\n")

    first, second, third = list(source), list(source), list(source)

    assert len(first) == 2
    assert first == second == third


def test_two_readings_may_go_on_at_once(open_bytes: OpenBytes) -> None:
    source = open_bytes("a\n1\n2\n")

    assert [(one.values, other.values) for one, other in zip(source, source, strict=True)] == [
        (("1",), ("1",)),
        (("2",), ("2",)),
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_whatever_ends_them(open_bytes: OpenBytes, end: str) -> None:
    source = open_bytes(end.join(["a,b", "1,2", f'"two{end}lines",3', "", "4,5"]))

    assert numbers_and_values(source) == [(2, ("1", "2")), (3, (f"two{end}lines", "3")), (6, ("4", "5"))]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_the_dialect_tells_how_lines_end(open_bytes: OpenBytes, end: str) -> None:
    assert open_bytes(f"a,b{end}1,2{end}").dialect.line_ending == end


def test_tsv_is_csv_with_tabs_unless_a_delimiter_is_named(open_bytes: OpenBytes) -> None:
    assert [row.values for row in open_bytes('a\tb\n1,5\t"x\ty"\n', name="a.TSV")] == [("1,5", "x\ty")]
    assert open_bytes("a;b\n", name="a.tab", delimiter=";").header == ("a", "b")
    assert open_bytes("a\tb\n", name="a.txt", format="tsv").dialect.delimiter == "\t"


def test_a_header_in_brackets_is_not_taken_for_json(open_bytes: OpenBytes) -> None:
    assert open_bytes("[id],{name}\n1,x\n").header == ("[id]", "{name}")


def test_a_header_may_span_lines(open_bytes: OpenBytes) -> None:
    source = open_bytes('"first\nname",age\nBruce,40\n')

    assert source.header == ("first\nname", "age")
    assert numbers_and_values(source) == [(3, ("Bruce", "40"))]


def test_c1_header_names_lose_surrounding_blanks_and_cells_keep_theirs(open_bytes: OpenBytes) -> None:
    source = open_bytes(" address ,\tcity\u00a0\n Wayne Manor , Gotham\n")

    assert source.header == ("address", "city")
    assert numbers_and_values(source) == [(2, (" Wayne Manor ", " Gotham"))]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("first", ["key", '"key"', '" key"'])
@pytest.mark.parametrize("mark", ["", "\ufeff", "\ufeff\ufeff"])
def test_c1_the_header_loses_its_byte_order_mark(open_bytes: OpenBytes, encoding: str, first: str, mark: str) -> None:
    source = open_bytes(f"{mark}{first},b\n1,2\n", encoding=encoding)

    assert source.header == ("key", "b")
    assert source.dialect.encoding == ("utf-8-sig" if mark else "utf-8")
    assert numbers_and_values(source) == [(2, ("1", "2"))]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_wide_encodings_are_read_when_named(open_bytes: OpenBytes, encoding: str) -> None:
    mark = "" if encoding in ("utf-16", "utf-32") else "\ufeff"  # Python writes it itself for these two
    source = open_bytes(f'{mark}"key",name\r\n1,Zoë\r\n2,日本\r\n'.encode(encoding), encoding=encoding)

    assert source.header == ("key", "name")
    assert numbers_and_values(source) == [(2, ("1", "Zoë")), (3, ("2", "日本"))]
    assert source.dialect.encoding == encoding


def test_c4_a_short_row_lacks_cells(open_bytes: OpenBytes) -> None:
    assert numbers_and_values(open_bytes("a,b,c\n1\n2,\n")) == [(2, ("1", MISSING, MISSING)), (3, ("2", "", MISSING))]


def test_c4_extra_cells_are_cut_only_if_all_are_empty(open_bytes: OpenBytes) -> None:
    source = open_bytes("a,b\n1,2,, \n1,2,,x\n")

    assert numbers_and_values(source) == [(2, ("1", "2")), (3, ("1", "2", "", "x"))]


def test_c4_blank_lines_and_rows_of_empty_cells_do_not_count(open_bytes: OpenBytes) -> None:
    source = open_bytes('\n  \n,,\na,b\n\n1,2\n,\n " " , \n"",""\n,,,\n\t\n3,4\n\n')

    assert source.header == ("a", "b")
    assert numbers_and_values(source)[0] == (6, ("1", "2"))
    assert numbers_and_values(source)[-1] == (12, ("3", "4"))


def test_c4_a_header_without_rows_gives_no_rows(open_bytes: OpenBytes) -> None:
    source = open_bytes("a,b")

    assert source.header == ("a", "b")
    assert list(source) == []


@pytest.mark.parametrize("content", ["\n\n", "\ufeff", " \n,,\n"])
def test_a_file_of_blank_lines_has_no_header(open_bytes: OpenBytes, content: str) -> None:
    with pytest.raises(SourceError, match="no header row"):
        open_bytes(content)


def test_names_given_by_the_caller_make_line_one_a_row(open_bytes: OpenBytes) -> None:
    source = open_bytes("\ufeff1,2\n3,4\n", header=("a ", "b", "c"))

    assert source.header == ("a", "b", "c")
    assert numbers_and_values(source) == [(1, ("1", "2", MISSING)), (2, ("3", "4", MISSING))]


def test_a_nul_character_in_a_cell_is_passed_on(open_bytes: OpenBytes) -> None:
    assert numbers_and_values(open_bytes("a,b\n1,x\0y\n")) == [(2, ("1", "x\0y"))]


@pytest.mark.parametrize(
    ("content", "line", "reason"),
    [
        ('a,b\n1,2\n"three,4\n5,6\n', 3, "never closed"),
        ('a,b\n1,2\n1,"two\nlines\n', 3, "never closed"),
        ('a,b\n\n\n"abc"def,1\n', 4, "text follows a closing quote; .*twice"),
        ('a,b\n1,"open\nstill open"x\n', 2, "text follows a closing quote on line 3"),
        ('a,"b\n1,2\n', 1, "never closed"),
    ],
)
def test_a_broken_quote_is_an_error_where_its_record_starts(
    open_bytes: OpenBytes, content: str, line: int, reason: str
) -> None:
    with pytest.raises(SourceError, match=reason) as caught:
        list(open_bytes(content))

    assert caught.value.args[2] == line


def test_rows_before_a_broken_quote_are_given_first(open_bytes: OpenBytes) -> None:
    rows = iter(open_bytes('a\n1\n2\n"3\n'))

    assert [next(rows).values, next(rows).values] == [("1",), ("2",)]
    with pytest.raises(SourceError):
        next(rows)


def test_a_cell_of_a_megabyte_is_read(open_bytes: OpenBytes) -> None:
    rows = list(open_bytes('a,b\n1,"' + "x\n" * 500_000 + '"\n2,3\n'))

    assert [(row.number, len(str(row.values[1]))) for row in rows] == [(2, 1_000_000), (500_003, 1)]


def test_a_cell_of_300_mb_is_an_error_and_never_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    with path.open("wb") as file:
        file.write(b"a\n1\nx")
        file.truncate(300_000_000)  # NUL bytes, which take no room on disk
    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"houses\.csv:3: a record of more than 16,777,216 characters"):
            list(open_source(path, SyncOptions()))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert peak < 6 * RECORD_LIMIT


@pytest.mark.parametrize("line", [b"x" * 999 + b"\n", b"x" * 999 + b'","\n'], ids=["one cell", "many cells"])
def test_a_quote_left_open_does_not_swallow_the_rest_of_a_file(tmp_path: Path, line: bytes) -> None:
    path = tmp_path / "houses.csv"
    path.write_bytes(b'a,b\n1,2\n1,"' + line * (20_000_000 // len(line)) + b"\n")
    before = csv.field_size_limit(10**9)  # as other code in the process may have set it
    try:
        with pytest.raises(SourceError, match="is a quote not closed") as caught:
            list(open_source(path, SyncOptions()))
    finally:
        csv.field_size_limit(before)

    assert caught.value.args[2] == 3


def test_the_position_moves_from_zero_to_the_size_in_each_pass(open_bytes: OpenBytes) -> None:
    source = open_bytes("a,b\n" + "1,2\n" * 100_000)
    assert (source.position, source.size) == (0, 400_004)

    for _ in range(2):
        positions = [source.position for row in source if row.number % 20_000 == 0]

        assert positions == sorted(set(positions))
        assert positions[0] < source.size / 3
        assert source.position == source.size


def test_rows_that_were_read_are_not_kept_in_memory(open_bytes: OpenBytes) -> None:
    source = open_bytes("a,b\n" + "1,2\n" * 60_000)
    tracemalloc.start()
    try:
        count = sum(1 for _ in source)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert count == 60_000
    assert peak < 2_000_000


REJECTS_HEADER = "address,city,nsync_line,nsync_code,nsync_message\n"


def test_o3_a_rejects_file_gives_back_the_cells_that_were_rejected(open_bytes: OpenBytes) -> None:
    source = open_bytes(
        REJECTS_HEADER + "'=1+1,''quoted,2,too-long,'-x\n1',',3,required,m\n,'',4,c,m,extra,'+more\nx,y\n"
    )

    assert source.dialect.is_rejects
    assert numbers_and_values(source) == [
        (2, ("=1+1", "'quoted", "2", "too-long", "-x")),
        (3, ("1'", MISSING, "3", "required", "m")),
        (4, ("", "'", "4", "c", "m", "extra", "+more")),
        (5, ("x", "y", MISSING, MISSING, MISSING)),
    ]


def test_o3_header_cells_of_a_rejects_file_are_not_touched(open_bytes: OpenBytes) -> None:
    source = open_bytes("'a," + REJECTS_HEADER)

    assert source.header[0] == "'a"


@pytest.mark.parametrize("header", ["nsync_line,nsync_code,nsync_message,a", "a,nsync_code,nsync_message", "a"])
def test_o3_any_other_file_keeps_its_quotes(open_bytes: OpenBytes, header: str) -> None:
    source = open_bytes(f"{header}\n'x\n'\n")

    assert not source.dialect.is_rejects
    assert [row.values[0] for row in source] == ["'x", "'"]


def line_of(text: str) -> int:
    """The number of the line that follows a text."""
    return 1 + len(re.findall("\r\n|\r|\n", text))


cells = st.text(st.characters(codec="utf-8"), max_size=8) | st.text(st.sampled_from(" ,;\"\r\n\t'x\0\ufeff\u2028"))
tables = st.lists(st.lists(cells, min_size=3, max_size=3), max_size=8)


@settings(max_examples=150, deadline=None)
@given(
    table=tables,
    end=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    bare=st.booleans(),
)
def test_what_the_csv_module_writes_comes_back_the_same(
    table: list[list[str]], end: str, delimiter: str, encoding: str, bare: bool
) -> None:
    text = io.StringIO(newline="")
    # Before Python 3.13 csv.writer leaves a lone "\r" bare where lines end in "\n".
    writer = csv.writer(
        text,
        delimiter=delimiter,
        lineterminator=end,
        quoting=csv.QUOTE_MINIMAL if bare and end == "\r\n" else csv.QUOTE_ALL,
    )
    writer.writerow(["a", "b", "c"])
    expected = []
    for row in table:
        if any(map(str.strip, row)):
            expected.append((line_of(text.getvalue()), tuple(row)))
        writer.writerow(row)

    source = open_source(
        io.BytesIO(text.getvalue().encode(encoding)), SyncOptions(delimiter=delimiter, encoding=encoding)
    )

    assert numbers_and_values(source) == expected
    assert source.dialect.line_ending == end
    source.close()


def guarded(cell: object) -> str:
    """Write a cell as rule O3 has it in a rejects file."""
    if cell is MISSING:
        return "'"
    return f"'{cell}" if str(cell).startswith(("=", "+", "-", "@", "\t", "\r", "'")) else str(cell)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        # A NUL right after the header is an error of its own: the file is no text.
        st.lists(
            cells.filter(lambda cell: "\0" not in cell) | st.just(MISSING) | st.sampled_from("=+-@'"),
            min_size=2,
            max_size=2,
        ),
        max_size=5,
    )
)
def test_o3_what_a_rejects_file_guards_comes_back_the_same(table: list[list[object]]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(REJECTS_HEADER.strip().split(","))
    writer.writerows([*map(guarded, row), "2", "too-long", guarded("=message")] for row in table)

    source = open_source(io.BytesIO(text.getvalue().encode()), SyncOptions())

    assert [row.values for row in source] == [(*row, "2", "too-long", "=message") for row in table]
    source.close()


def test_o3_a_rejects_file_is_read_by_its_own_header_whatever_header_is_given(open_bytes: OpenBytes) -> None:
    text = "b,a,nsync_line,nsync_code,nsync_message\n1,2,7,bad,'=x\n"

    for header in (("a", "b"), ("a", "b", "nsync_line", "nsync_code", "nsync_message")):
        source = open_bytes(text, header=header)

        assert source.header == ("b", "a", "nsync_line", "nsync_code", "nsync_message")
        assert [row.values[:2] for row in source] == [("1", "2")]


@pytest.mark.parametrize("name", ["p.rejects.csv", "p.rejects.tsv", "P.Rejects.CSV", "p.rejects.txt"])
def test_o3_rejects_of_another_format_are_csv(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("a,b,nsync_line,nsync_code,nsync_message\n1,2,7,bad,no\n")

    source = open_source(tmp_path / name, SyncOptions(format="jsonl", encoding="utf-16", delimiter=";"))

    assert [row.values[:2] for row in source] == [("1", "2")]


def test_a_file_that_is_called_like_rejects_in_the_format_that_is_wanted_has_it(tmp_path: Path) -> None:
    (tmp_path / "p.rejects.jsonl").write_text('{"a": "1"}\n')

    assert open_source(tmp_path / "p.rejects.jsonl", SyncOptions(format="jsonl")).header == ("a",)
