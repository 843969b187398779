"""XLSX: what the cells of a sheet say, and where its header stands."""

from __future__ import annotations

import datetime
import io
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import xlsxwriter

from nsync import SyncOptions
from nsync.errors import ConfigError, SourceError
from nsync.read.base import Source, open_source
from nsync.read.batches import row_batches
from nsync.read.blocks import Unfit
from nsync.rows import BadCell
from tests.read.conftest import OpenBytes
from tests.read.typed import check_blocks, typed_rows
from tests.read.workbooks import text_row, xlsx, xlsx_parts, zipped

FILES = Path(__file__).parent / "files"
_STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"


def moment(*parts: int) -> datetime.datetime:
    return datetime.datetime(*parts)  # type: ignore[arg-type]  # noqa: DTZ001


@pytest.fixture
def read(open_bytes: OpenBytes) -> Any:
    def opened(content: bytes, **options: Any) -> Source:
        return open_bytes(content, name="staff.xlsx", **options)

    return opened


def rows(source: Source) -> list[tuple[int, tuple[object, ...]]]:
    return typed_rows(source)


def one(source: Source) -> object:
    """Give the only cell of the only row."""
    ((_, (value,)),) = rows(source)
    return value


def cell(content: str, **given: Any) -> bytes:
    return xlsx(f"{text_row('a')}<row>{content}</row>", **given)


def reason(value: object) -> str:
    assert isinstance(value, BadCell)
    return value.reason


def test_what_libreoffice_has_saved_is_read_as_it_is_shown() -> None:
    source = open_source(FILES / "libreoffice.xlsx", SyncOptions(header_row=3))
    found = rows(source)
    source.close()

    assert source.notes == ("sheet: Staff list",)  # not the first, which is hidden
    assert source.header[:4] == ("key", "text", "whole", "part")
    assert [number for number, _ in found] == [4, 5, 6, 8, 9]  # the fifth is hidden, the seventh empty
    assert found[0][1][:12] == (
        *("0012", "  two\nlines  é", 12345, 3.3, 0.125, 1234.5, True, date(2024, 1, 31)),
        *(moment(2024, 1, 31), time(8, 30, 15), timedelta(hours=26, minutes=30), 12346),
    )
    assert found[1][1][1:3] == ("plain bold plain", -7)
    assert found[1][1][11] == "ab"
    assert reason(found[2][1][11]).startswith("cell L6 of sheet 'Staff list' holds the error #DIV/0!")
    assert found[3][1][1] == "_x000D_ & <b>"
    assert found[4][1] == ("K5", *[None] * 14)  # and a formula whose result is empty text


def test_what_openpyxl_writes_it_reads_as_openpyxl_does(read: Any) -> None:
    values = [
        *("a", " b ", "ü\n\t", 0, -1, 1.5, 1e-9, 10**14, True, False, date(1900, 3, 1), date(2024, 2, 29)),
        *(moment(2024, 1, 31, 12, 30), time(1, 2, 3), timedelta(days=2, hours=3), None),
    ]
    book = openpyxl.Workbook()
    book.active.append([f"c{number}" for number in range(len(values))])
    book.active.append(values)
    file = io.BytesIO()
    book.save(file)

    ((number, found),) = rows(read(file.getvalue()))

    assert (number, list(found)) == (2, values)
    assert list(map(type, found)) == list(map(type, values))


def test_the_first_row_that_is_not_empty_is_the_header(read: Any) -> None:
    source = read(
        xlsx('<row r="3"/>' + text_row(" a ", "", "b", number=' r="5"') + '<row r="9"><c r="C9"><v>1</v></c></row>')
    )

    assert source.header == ("a", "", "b")
    assert rows(source) == [(9, (None, None, 1))]


def test_the_header_row_may_be_named(read: Any) -> None:
    content = xlsx(text_row("Report of today") + text_row("a", "b") + text_row("1", "2"))

    assert rows(read(content, header_row=2)) == [(3, ("1", "2"))]
    for empty in (4, 9):
        with pytest.raises(SourceError, match=f"row {empty} of the sheet is empty: --header-row says"):
            read(content, header_row=empty)


def test_the_header_option_names_the_columns_of_a_sheet_without_header(read: Any) -> None:
    content = xlsx(text_row("1", "2"))

    assert rows(read(content, header=("a", "b"))) == [(1, ("1", "2"))]
    with pytest.raises(ConfigError, match="--header is for files that have no header row"):
        read(content, header=("a", "b"), header_row=1)


def test_headers_that_are_no_texts_are_written_out(read: Any) -> None:
    numbers = '<row><c><v>2024</v></c><c><v>0.5</v></c><c s="1"><v>45322</v></c><c t="b"><v>1</v></c></row>'

    assert read(xlsx(numbers, formats={14: ""})).header == ("2024", "0.5", "2024-01-31", "true")
    with pytest.raises(SourceError, match=r"staff\.xlsx:1: the header: cell B1 of sheet 'One' holds the error #REF!"):
        read(xlsx('<row><c><v>1</v></c><c t="e"><v>#REF!</v></c></row>'))


@pytest.mark.parametrize("rows", ["", "<row/>", '<row><c s="1"/></row>', text_row(" ", "")])
def test_a_sheet_without_header_is_an_error(read: Any, rows: str) -> None:
    with pytest.raises(SourceError, match="has no header row, only empty cells; another sheet may have: say --sheet"):
        read(xlsx(rows))


def several(states: dict[str, str]) -> bytes:
    file = io.BytesIO()
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, state in states.items():
        sheet = book.create_sheet(name)
        sheet.append(["name"])
        sheet.append([name])
        sheet.sheet_state = state
    book.create_chartsheet("Chart", 0)
    book.save(file)
    return file.getvalue()


@pytest.mark.parametrize(
    ("sheet", "found"),
    [("", "Two"), ("One", "One"), ("three", "Three"), ("2", "Two"), ("4", "2024"), ("2024", "2024")],
)
def test_a_sheet_has_a_name_or_a_number_and_by_default_is_the_first_in_sight(read: Any, sheet: str, found: str) -> None:
    content = several({"One": "hidden", "Two": "visible", "Three": "visible", "2024": "veryHidden"})

    assert one(read(content, sheet=sheet)) == found


@pytest.mark.parametrize("sheet", ["Four", "0", "3", "²"])
def test_a_sheet_that_is_not_there_is_an_error_that_names_those_that_are(read: Any, sheet: str) -> None:
    with pytest.raises(SourceError, match=r"has no sheet '.*'; there are 'One', 'Two'$"):
        read(several({"One": "visible", "Two": "visible"}), sheet=sheet)


def test_an_empty_cell_is_empty_and_what_stands_beside_the_header_is_too_much(read: Any) -> None:
    """C4."""
    content = xlsx(
        text_row("a", "b")
        + '<row><c r="B2"><v>1</v></c><c r="E2" s="1"/></row><row><c><v>1</v></c></row>'
        + '<row><c r="XFD4"><v>7</v></c></row>'
    )

    assert rows(read(content)) == [(2, (None, 1)), (3, (1, None)), (4, (None, None, 7))]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12345", 12345),
        ("12345.0", 12345),
        ("-3", -3),
        ("1E3", 1000),
        ("3.3000000000000003", 3.3),
        ("0.1", 0.1),
        ("-1.5E-7", -1.5e-7),
        ("123456789012345678", 123456789012345678),
        ("1E+300", 1e300),
        ("-0", 0),
    ],
)
def test_a_number_has_fifteen_digits_and_without_decimals_it_is_an_integer(read: Any, text: str, value: object) -> None:
    found = one(read(cell(f"<c><v>{text}</v></c>")))

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("code", "days", "value"),
    [
        ("yyyy-mm-dd", "45322", date(2024, 1, 31)),
        ("yyyy-mm-dd", "45322.5", moment(2024, 1, 31, 12)),
        ("[$-407]d. mmmm yyyy;@", "45322", date(2024, 1, 31)),
        ("yyyy-mm-dd hh:mm", "45322", moment(2024, 1, 31)),
        ("d/m/yy h:mm AM/PM", "45322.520833333336", moment(2024, 1, 31, 12, 30)),
        ("mmm", "45322", date(2024, 1, 31)),
        ("hh:mm:ss", "0.520833333333333", time(12, 30)),
        ("mm:ss.0", "0.000011574074074", time(0, 0, 1)),
        ("hh:mm", "45322.25", moment(2024, 1, 31, 6)),
        ("[h]:mm", "1.104166666666667", timedelta(hours=26, minutes=30)),
        ("[mm]:ss", "-0.5", timedelta(hours=-12)),
        ("yyyy-mm-dd", "1", date(1900, 1, 1)),
        ("yyyy-mm-dd", "59", date(1900, 2, 28)),
        ("yyyy-mm-dd", "61", date(1900, 3, 1)),
        ("yyyy-mm-dd", "2958465", date(9999, 12, 31)),
        ("yyyy-mm-dd", "45321.9999999999", date(2024, 1, 31)),
        ("0.00%", "0.125", 0.125),
        ("#,##0.00 &quot;days&quot;", "5", 5),
        ("[Red]0.0", "5", 5),
        ("General\\d", "5", 5),
        ("@", "5", 5),
    ],
)
def test_the_number_format_says_what_a_number_is(read: Any, code: str, days: str, value: object) -> None:
    found = one(read(cell(f'<c s="1"><v>{days}</v></c>', formats={164: code})))

    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("number", "value"),
    [
        (14, date(1900, 1, 2)),
        (30, date(1900, 1, 2)),
        (22, moment(1900, 1, 2)),
        (20, moment(1900, 1, 2)),
        (46, timedelta(2)),
        (9, 2),
    ],
)
def test_formats_that_every_program_knows_are_not_in_the_file(read: Any, number: int, value: object) -> None:
    assert one(read(cell('<c s="1"><v>2</v></c>', formats={number: ""}))) == value


def test_days_may_be_counted_from_1904(read: Any) -> None:
    def found(days: str) -> object:
        content = cell(f'<c s="1"><v>{days}</v></c>', formats={14: ""}, book='<workbookPr date1904="1"/>')
        return one(read(content))

    assert [found("0"), found("43860")] == [date(1904, 1, 1), date(2024, 1, 31)]


@pytest.mark.parametrize(
    ("days", "said"),
    [
        ("60", "is 29 February 1900, a day that there was not"),
        ("0", "is no date: Excel knows none before 1900"),
        ("-5", "is no date: Excel knows none before 1900"),
        ("2958466", "is no date: its year is not from 1900 to 9999"),
        ("1E300", "is no date: its year is not from 1900 to 9999"),
        ("NaN", "is no number"),
        ("1_000", "is no number"),
        ("1E999", "is too large a number"),
    ],
)
def test_a_number_that_is_no_date_is_no_value(read: Any, days: str, said: str) -> None:
    assert (
        reason(one(read(cell(f'<c s="1"><v>{days}</v></c>', formats={14: ""}))))
        == f"cell A2 of sheet 'One' {said}; mend it, or empty it"
    )


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('<c t="s"><v>1</v></c>', "one two"),
        ('<c t="s"><v>2</v></c>', "日本"),
        ('<c t="s"><v>0</v></c>', " 007\r\n"),
        ('<c t="inlineStr"><is><r><t>a</t></r><r><t> b</t></r></is></c>', "a b"),
        ('<c t="str"><f>A1</f><v>x</v></c>', "x"),
        ('<c t="b"><v>0</v></c>', False),
        ('<c t="d"><v>2024-01-31</v></c>', date(2024, 1, 31)),
        ('<c t="d"><v>2024-01-31T00:00:00</v></c>', moment(2024, 1, 31)),
        ('<c t="d" s="1"><v>2024-01-31T00:00:00</v></c>', date(2024, 1, 31)),
        ("<c><f>1+1</f><v>2</v></c>", 2),
    ],
)
def test_a_cell_has_a_type(read: Any, content: str, value: object) -> None:
    texts = (
        '<si><t xml:space="preserve"> 007_x000D_\n</t></si><si><r><rPr/><t>one</t></r><r><t> two</t></r></si>'
        "<si><t>日本</t><rPh><t>にほん</t></rPh></si>"
    )

    assert one(read(cell(content, texts=texts, formats={14: ""}))) == value


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("<c><f>1+1</f></c>", "cell A2 of sheet 'One' has a formula that was not calculated"),
        (
            '<c t="e"><v>#N/A</v></c>',
            "cell A2 of sheet 'One' holds the error #N/A; mend its formula, or empty the cell",
        ),
        ('<c t="e"><f>1/0</f><v>#DIV/0!</v></c>', "cell A2 of sheet 'One' holds the error #DIV/0!"),
        ('<c t="b"><v>yes</v></c>', "cell A2 of sheet 'One' holds nothing that its type allows for; mend it"),
        ('<c t="d"><v>31.1.2024</v></c>', "cell A2 of sheet 'One' holds nothing that its type allows for"),
        ('<c t="s"><v>-1</v></c>', "cell A2 of sheet 'One' holds nothing that its type allows for"),
        ('<c t="x"><v>1</v></c>', "cell A2 of sheet 'One' holds nothing that its type allows for"),
    ],
)
def test_a_cell_without_a_value_says_where_it_is_and_what_would_work(read: Any, content: str, said: str) -> None:
    assert reason(one(read(cell(content)))).startswith(said)


def test_what_a_formula_is_said_to_give_before_it_was_calculated_is_no_value(read: Any) -> None:
    """XlsxWriter writes 0 as the result of any formula, and has Excel calculate all when it opens the file."""
    file = io.BytesIO()
    with xlsxwriter.Workbook(file) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, ["a", "b"])
        sheet.write(1, 0, 7)
        sheet.write_formula(1, 1, "=A2*6")

    ((_, (first, second)),) = rows(read(file.getvalue()))

    assert first == 7
    assert "cell B2 of sheet 'Sheet1' has a formula that was not calculated" in reason(second)
    assert "open it in Excel, or in LibreOffice with Ctrl+Shift+F9, and save it" in reason(second)


def test_the_strict_variant_is_read_as_well(read: Any) -> None:
    assert one(read(zipped(xlsx_parts(text_row("a") + text_row("x"), namespace=_STRICT)))) == "x"


def test_names_of_parts_may_be_in_any_case(read: Any) -> None:
    parts = xlsx_parts(text_row("a") + text_row("x"))
    parts["XL/Workbook.xml"] = parts.pop("xl/workbook.xml")

    assert one(read(zipped(parts))) == "x"


def test_a_workbook_may_do_without_styles_and_texts(read: Any) -> None:
    parts = xlsx_parts(text_row("a") + text_row("x"))
    del parts["xl/styles.xml"], parts["xl/sharedStrings.xml"]

    assert one(read(zipped(parts))) == "x"


def test_it_can_be_read_again_and_tells_how_far_it_is(read: Any) -> None:
    content = xlsx(text_row("a") + text_row("x") * 3)
    source = read(content)

    assert source.position == 0
    assert rows(source) == rows(source) == [(number, ("x",)) for number in (2, 3, 4)]
    assert source.position == source.size == len(content)
    assert len(source.digest()) == 64


def test_two_passes_may_go_on_at_once(read: Any) -> None:
    texts = "".join(f"<si><t>{number}</t></si>" for number in range(5_000))
    content = xlsx(text_row("a") + "".join(f'<row><c t="s"><v>{n}</v></c></row>' for n in range(5_000)), texts=texts)
    source = read(content)

    assert all(one == other for one, other in zip(source, source, strict=True))


def test_texts_may_be_asked_for_in_any_order_and_be_many(read: Any) -> None:
    count = 8_000
    texts = "".join(f"<si><t>{number} {'é' * 300}</t></si>" for number in range(count))  # more than are kept in memory
    order = [*range(count - 1, 0, -7), *range(0, count, 5)]
    content = xlsx(text_row("a") + "".join(f'<row><c t="s"><v>{number}</v></c></row>' for number in order), texts=texts)

    assert [int(str(values[0]).split()[0]) for _, values in rows(read(content))] == order


def test_a_pipe_can_be_read() -> None:
    class Pipe(io.RawIOBase):
        """Cannot be sought in, and gives little at a time."""

        def __init__(self, content: bytes) -> None:
            self._content = io.BytesIO(content)

        def readable(self) -> bool:
            return True

        def read(self, size: int = -1) -> bytes:
            return self._content.read(1_000)

    source = open_source(Pipe(xlsx(text_row("a") + text_row("x") * 2)), SyncOptions(format="xlsx"))  # type: ignore[arg-type]

    assert rows(source) == rows(source) == [(2, ("x",)), (3, ("x",))]
    assert source.position == source.size
    source.close()


def test_blocks_hold_the_texts_of_the_same_rows(read: Any) -> None:
    content = xlsx(
        text_row("a", "b")
        + '<row><c><v>1</v></c><c s="1"><v>45322</v></c></row><row/>'
        + '<row><c s="2"><v>1.5</v></c><c t="b"><v>1</v></c></row>'
        + '<row><c s="2"><v>-0.25</v></c></row>',
        formats={14: "", 46: ""},
    )
    source = read(content)

    assert [list(row.values) for row in source] == [["1", "2024-01-31"], ["1 12:00:00", "true"], ["-1 18:00:00", ""]]
    assert check_blocks(source)


def test_a_cell_without_a_value_is_never_taken_for_its_text(read: Any) -> None:
    content = xlsx(text_row("a") + text_row("x") + '<row><c t="e"><v>#N/A</v></c></row>')

    with pytest.raises(Unfit):
        list(read(content).blocks())
    batches = list(row_batches(read(content), 1))
    assert [line for batch in batches for line in batch.lines] == [2, 3]
    assert isinstance(batches[1].records[0][0], BadCell)


def test_options_of_spreadsheets_are_refused_where_they_would_do_nothing(open_bytes: OpenBytes) -> None:
    with pytest.raises(ConfigError, match="--sheet is for ods and xlsx, and this is csv; leave it out"):
        open_bytes("a\n1\n", sheet="One")
    with pytest.raises(ConfigError, match="--header-row is for ods and xlsx, and this is jsonl; leave it out"):
        open_bytes("{}", name="x.jsonl", header_row=2)
