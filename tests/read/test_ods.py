"""ODS: what the cells of a sheet say."""

from __future__ import annotations

import datetime
from datetime import date, time, timedelta
from pathlib import Path
from typing import Any

import pytest

from nsync import SyncOptions
from nsync.errors import SourceError
from nsync.read.base import Source, open_source
from nsync.rows import BadCell
from tests.read.conftest import OpenBytes
from tests.read.typed import check_blocks, typed_rows
from tests.read.workbooks import ods, ods_parts, ods_row, ods_text, zipped

FILES = Path(__file__).parent / "files"


@pytest.fixture
def read(open_bytes: OpenBytes) -> Any:
    def opened(content: bytes, **options: Any) -> Source:
        return open_bytes(content, name="staff.ods", **options)

    return opened


def rows(source: Source) -> list[tuple[int, tuple[object, ...]]]:
    return typed_rows(source)


def one(read: Any, cell: str) -> object:
    ((_, (value,)),) = rows(read(ods(ods_row(ods_text("a")) + ods_row(cell))))
    return value


def value(kind: str, given: str, shown: str = "") -> str:
    name = "value" if kind in ("float", "percentage", "currency") else f"{kind}-value"
    return f'office:value-type="{kind}" office:{name}="{given}"><text:p>{shown}</text:p>'


def test_what_libreoffice_has_saved_is_read_as_it_is_shown() -> None:
    source = open_source(FILES / "libreoffice.ods", SyncOptions(header_row=3))
    found = rows(source)
    source.close()

    assert source.notes == ("sheet: Staff list",)  # not the first, which is hidden
    assert [number for number, _ in found] == [4, 5, 6, 8, 9]
    assert found[0][1][:12] == (
        *("0012", "  two\nlines  é", 12345, 3.3, 0.125, 1234.5, True, date(2024, 1, 31)),
        *(date(2024, 1, 31), time(8, 30, 15), timedelta(hours=26, minutes=30), 12346),
    )
    assert found[1][1][1:3] == ("plain bold plain", -7)
    assert found[1][1][11] == "ab"
    failed = found[2][1][11]
    assert isinstance(failed, BadCell)
    assert failed.reason.startswith("cell L6 of sheet 'Staff list' holds the error #DIV/0!")
    assert found[4][1] == ("K5", *[None] * 14)  # and a formula whose result is empty text


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (value("float", "12345"), 12345),
        (value("float", "12345.0"), 12345),
        (value("percentage", "0.125", "12.5 %"), 0.125),
        (value("currency", "1234.5", "1.234,50 €"), 1234.5),
        (value("boolean", "true"), True),
        (value("date", "2024-01-31"), date(2024, 1, 31)),
        (value("date", "2024-01-31T00:00:00", "31.01.24"), date(2024, 1, 31)),
        (value("date", "2024-01-31T00:00:00", "31.01.24 00:00"), datetime.datetime(2024, 1, 31)),  # noqa: DTZ001
        (value("date", "2024-01-31T12:30:00.5"), datetime.datetime(2024, 1, 31, 12, 30, 0, 500_000)),  # noqa: DTZ001
        (value("date", "0044-03-15"), date(44, 3, 15)),
        (value("time", "PT08H30M15S"), time(8, 30, 15)),
        (value("time", "PT26H30M00.5S"), timedelta(hours=26, minutes=30, milliseconds=500)),
        (value("time", "-PT1H"), timedelta(hours=-1)),
        (value("time", "PT999999999H"), timedelta(hours=999_999_999)),
        (ods_text("0012"), "0012"),
        ("><text:p>untyped</text:p>", "untyped"),
        (ods_text("a<text:s/>b<text:s text:c='3'/>c<text:tab/>d<text:line-break/>e"), "a b   c\td\ne"),
        (ods_text("a<text:span>b<text:a>c</text:a></text:span>d"), "abcd"),
        (ods_text("</text:p><text:p>second"), "\nsecond"),
        (ods_text("a</text:p><office:annotation><text:p>a comment</text:p></office:annotation><text:p>b"), "a\nb"),
        (ods_text("a<office:annotation><text:p>a comment</text:p></office:annotation>b"), "ab"),
        ('office:value-type="string" office:string-value="said"><text:p>shown</text:p>', "said"),
    ],
)
def test_a_cell_has_a_type(read: Any, cell: str, found: object) -> None:
    value = one(read, cell)

    assert (type(value), value) == (type(found), found)


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ('table:formula="of:=1+1"', "cell A2 of sheet 'One' has a formula that was not calculated"),
        (
            'table:formula="of:=NA()" office:value-type="string"><text:p>#N/A</text:p>',
            "cell A2 of sheet 'One' holds the error #N/A",
        ),
        (
            'calcext:value-type="error" office:value-type="float"><text:p>Err:502</text:p>',
            "cell A2 of sheet 'One' holds the error Err:",
        ),
        (value("float", "many"), "cell A2 of sheet 'One' has no value of its type, float; mend it"),
        (value("date", "31.1.2024"), "cell A2 of sheet 'One' has no value of its type, date"),
        (value("date", "-0044-03-15"), "cell A2 of sheet 'One' has no value of its type, date"),
        (value("time", "8:30"), "cell A2 of sheet 'One' has no value of its type, time"),
        (value("boolean", "perhaps"), "cell A2 of sheet 'One' has no value of its type, boolean"),
        ('office:value-type="date"', "cell A2 of sheet 'One' has no value of its type, date"),
        ('office:value-type="void"', "cell A2 of sheet 'One' has no value of its type, void"),
    ],
)
def test_a_cell_without_a_value_says_where_it_is_and_what_would_work(read: Any, cell: str, said: str) -> None:
    found = one(read, cell)

    assert isinstance(found, BadCell)
    assert found.reason.startswith(said)


def test_what_is_repeated_is_there_as_often(read: Any) -> None:
    content = ods(
        ods_row(times=3)
        + ods_row(ods_text("a"), 'table:number-columns-repeated="2"', ods_text("d"))
        + ods_row(f'table:number-columns-repeated="2" {ods_text("x")}', times=2)
        + ods_row('table:number-columns-repeated="16384"', times=5)
        + "<table:table-row-group>"
        + ods_row(ods_text("y"), 'table:number-columns-repeated="16383"')
        + "</table:table-row-group>"
        + ods_row('table:number-columns-repeated="16384"', times=99_999_999)  # more than there can be, and empty
    )
    source = read(content)

    assert source.header == ("a", "", "", "d")
    assert rows(source) == [
        (5, ("x", "x", None, None)),
        (6, ("x", "x", None, None)),
        (12, ("y", None, None, None)),
    ]


def test_a_covered_cell_is_a_cell(read: Any) -> None:
    cells = f"<table:table-cell {ods_text('x')}</table:table-cell><table:covered-table-cell/>"
    row = f"<table:table-row>{cells}</table:table-row>"

    assert rows(read(ods(ods_row(ods_text("a"), ods_text("b")) + row))) == [(2, ("x", None))]


@pytest.mark.parametrize(("sheet", "found"), [("", "Two"), ("One", "One"), ("three", "Three"), ("2", "Two")])
def test_a_sheet_has_a_name_or_a_number_and_by_default_is_the_first_in_sight(read: Any, sheet: str, found: str) -> None:
    properties = '<style:table-properties table:display="false"/>'
    styles = f'<style:style style:name="ta1" style:family="table">{properties}</style:style>'
    tables = "".join(
        f'<table:table table:name="{name}" table:style-name="{style}">'
        + ods_row(ods_text("a"))
        + ods_row(ods_text(name))
        + "</table:table>"
        for name, style in (("One", "ta1"), ("Two", "ta2"), ("Three", "ta2"))
    )
    content = zipped(ods_parts("<table:dde-link><table:table/></table:dde-link>" + tables, styles))

    assert rows(read(content, sheet=sheet)) == [(2, (found,))]
    with pytest.raises(SourceError, match="has no sheet 'Four'; there are 'One', 'Two', 'Three'"):
        read(content, sheet="Four")


def test_blocks_hold_the_texts_of_the_same_rows(read: Any) -> None:
    content = ods(ods_row(ods_text("a"), ods_text("b")) + ods_row(value("float", "1"), value("time", "PT30H")))
    source = read(content)

    assert [(row.number, row.values) for row in source] == [(2, ("1", "1 06:00:00"))]
    assert check_blocks(source)


def test_it_can_be_read_again_and_tells_how_far_it_is(read: Any) -> None:
    source = read(ods(ods_row(ods_text("a")) + ods_row(ods_text("x"), times=2)))

    assert rows(source) == rows(source) == [(2, ("x",)), (3, ("x",))]
    assert source.position == source.size > 0
