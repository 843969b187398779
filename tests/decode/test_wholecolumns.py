"""Whole columns give what their cells give one by one: the same values of the same types, the same refusals (V1-V4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import models
from hypothesis import given, settings
from hypothesis import strategies as st

from nsync.actions import EMPTY
from nsync.decode.values import CellError, converter
from nsync.decode.wholecolumns import Converted, column_converter, distinct_converter
from nsync.options import SyncOptions


class Colour(models.TextChoices):
    RED = "r", "Red"
    BLUE = "b", "Blue"


class Shouted(models.CharField):  # type: ignore[type-arg]  # it takes arguments only in the stubs
    def to_python(self, value: Any) -> Any:
        return value.upper() if isinstance(value, str) else value


PLAIN = SyncOptions()
FIELDS: dict[str, tuple[Any, SyncOptions]] = {
    "short text": (models.CharField(max_length=5), PLAIN),
    "text without end": (models.TextField(), PLAIN),
    "slug": (models.SlugField(max_length=8), PLAIN),
    "address of mail": (models.EmailField(), PLAIN),
    "text of a class of its own": (Shouted(max_length=5), PLAIN),
    "integer": (models.IntegerField(), PLAIN),
    "small integer": (models.SmallIntegerField(), PLAIN),
    "positive": (models.PositiveSmallIntegerField(), PLAIN),
    "big": (models.BigIntegerField(), PLAIN),
    "integer with grouped digits": (models.IntegerField(), SyncOptions(decimal_comma=True)),
    "decimal": (models.DecimalField(max_digits=5, decimal_places=2), PLAIN),
    "decimal, rounded": (models.DecimalField(max_digits=5, decimal_places=2), SyncOptions(round_decimals=True)),
    "decimal with a comma": (models.DecimalField(max_digits=5, decimal_places=2), SyncOptions(decimal_comma=True)),
    "float": (models.FloatField(), PLAIN),
    "boolean": (models.BooleanField(), PLAIN),
    "date": (models.DateField(), PLAIN),
    "date, day first": (models.DateField(), SyncOptions(date_order="dmy")),
    "datetime": (models.DateTimeField(), PLAIN),
    "time": (models.TimeField(), PLAIN),
    "duration": (models.DurationField(), PLAIN),
    "uuid": (models.UUIDField(), PLAIN),
    "choice of texts": (models.CharField(max_length=9, choices=Colour.choices), PLAIN),
    "choice of numbers": (models.IntegerField(choices=[(1, "One"), (2, "Two")]), PLAIN),
}
# Cells that are peculiar to some field, and whatever else there is.
_SOME = (
    *("", " ", "\t", " x ", "a\0b", "\0", "é", "ß", "日本語", "\U0001f600", "a,b", '"', "\\N", "\\", "a\nb", "\ud800"),
    *("0", "1", "7", "007", "-1", "+1", " 5 ", "32767", "32768", "65535", "2147483647", "2147483648", "-2147483648"),
    *("9223372036854775807", "9223372036854775808", "-9223372036854775808", "9" * 40, "٣", "1_0", "1 0", "1.0"),
    *("1.5", "1,5", "1.234,5", "12.345", "999.99", "1000", "1e3", "nan", "inf", "1e999", "-0", "0x1f", "²"),
    *("yes", "No", "TRUE", "f", "maybe", "r", "Red", "red", "One", "Two"),
    *("2024-02-29", "2023-02-29", "01/02/2024", "0999-12-31", "2024-10-27T02:30", "2024-03-31 02:30", "10:00"),
    *("2024-01-01T10:00Z", "2024-01-01T10:00+01:00", "23:59:59.999999", "1 02:03:04", "today"),
    *("00000000-0000-4000-8000-000000000001", "not a uuid", "abcde", "abcdef", "ab cde"),
)
_CELLS = st.sampled_from(_SOME) | st.text(max_size=7) | st.integers().map(str) | st.decimals().map(str)
_FINE = {  # cells of which whole columns are: the quick ways
    "integer": st.integers(0, 99_999).map(str),
    "short text": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=5),
}


def one_by_one(convert: Any, cells: Sequence[str]) -> list[object]:
    """Give the value of each cell, or `CellError` where there is none."""
    values: list[object] = []
    for cell in cells:
        try:
            values.append(convert(cell))
        except CellError:
            values.append(CellError)
    return values


def told(converted: Converted) -> list[object]:
    refused = set(converted.refused)
    return [CellError if place in refused else value for place, value in enumerate(converted.values)]


def both(name: str, cells: Sequence[str]) -> tuple[Converted, list[object]]:
    field, options = FIELDS[name]
    field.set_attributes_from_name("x")
    convert = converter(field, options)
    return column_converter(field, convert, options)(cells), one_by_one(convert, cells)


def check(name: str, cells: Sequence[str]) -> None:
    found, wanted = both(name, cells)
    assert [(type(value), repr(value)) for value in told(found)] == [(type(value), repr(value)) for value in wanted]
    assert len(found.values) == len(cells)
    assert found.has_empty == (EMPTY in wanted)
    assert list(found.refused) == sorted(set(found.refused))


@pytest.mark.parametrize("name", FIELDS)
@settings(max_examples=20)
@given(data=st.data())
def test_a_column_of_any_cells_gives_what_its_cells_give(name: str, data: Any) -> None:
    """V1 to V4."""
    check(name, data.draw(st.lists(_CELLS, min_size=1, max_size=6)))


@pytest.mark.parametrize("name", FIELDS)
def test_each_peculiar_cell_alone_gives_what_it_gives_among_others(name: str) -> None:
    """V1 to V4."""
    for cell in _SOME:
        check(name, [cell])
        check(name, [cell, cell])
    check(name, _SOME)


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("usual", _FINE)
@settings(max_examples=20)
@given(data=st.data())
def test_one_peculiar_cell_in_a_column_of_usual_ones_changes_none_of_them(name: str, usual: str, data: Any) -> None:
    """V1 to V4: the first, the last, or one in the middle."""
    cells = data.draw(st.lists(_FINE[usual], min_size=1, max_size=6))
    cells.insert(data.draw(st.integers(0, len(cells))), data.draw(_CELLS))
    check(name, cells)


@pytest.mark.parametrize("name", ["short text", "integer", "positive", "big"])
def test_a_column_that_is_all_right_refuses_nothing(name: str) -> None:
    """V1."""
    found, wanted = both(name, ["0", "17", "17", "99"])

    assert (list(found.values), found.has_empty, list(found.refused)) == (wanted, False, [])


def test_a_text_that_is_as_long_as_it_may_be_is_taken_and_a_longer_one_refused() -> None:
    """V4: characters count, not bytes."""
    found, _ = both("short text", ["ééééé", "éééééé", ""])

    assert list(found.refused) == [1]
    assert (found.values[0], found.values[2], found.has_empty) == ("ééééé", EMPTY, True)


def test_a_foreign_key_holds_what_it_points_to() -> None:
    """R1: a relation column without a sign gives primary keys."""
    from tests.testapp.models import Parcel, Price

    field: Any = Parcel._meta.get_field("depot")
    convert = converter(field, PLAIN)
    assert list(column_converter(field, convert, PLAIN)(["7", "08"]).values) == [7, 8]
    assert list(column_converter(field, convert, PLAIN)(["7", "x"]).refused) == [1]

    field = Price._meta.get_field("currency")
    assert list(column_converter(field, converter(field, PLAIN), PLAIN)(["EUR", "EURO"]).refused) == [1]


def test_a_cell_that_stands_often_is_converted_once() -> None:
    """V1: whatever a conversion costs."""
    seen = []

    def convert(cell: object) -> object:
        seen.append(cell)
        if cell == "bad":
            raise CellError("refused", "no")
        return EMPTY if cell == "" else str(cell).upper()

    found = distinct_converter(convert)(["a", "b", "a", "bad", "", "bad", "a"])

    assert sorted(map(str, seen)) == ["", "a", "b", "bad"]
    assert told(found) == ["A", "B", "A", CellError, EMPTY, CellError, "A"]
    assert (found.has_empty, list(found.refused)) == (True, [3, 5])
