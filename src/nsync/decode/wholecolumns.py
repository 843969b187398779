"""Whole columns of cells converted at once: the same values as cell by cell, in a fraction of the time (V1 to V4)."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from django.db import models

from nsync.actions import EMPTY
from nsync.decode.cells import CellError, Converter, check_text
from nsync.decode.values import column_field, max_length_of, range_of
from nsync.fields import is_text
from nsync.options import SyncOptions


class Converted(NamedTuple):
    """The values of a column."""

    values: Sequence[object]
    has_empty: bool  # whether EMPTY is among them
    refused: Sequence[int] = ()  # positions of the cells that do not convert; their values mean nothing


ColumnConverter = Callable[[Sequence[str]], Converted]


def column_converter(field: Any, convert: Converter, options: SyncOptions) -> ColumnConverter:
    """
    Make what converts a column of texts.

    Args:
        field: What the column holds; a foreign key: what it points to.
        convert: Converts one cell.
        options: As for `nsync.decode.values.converter`.

    A column that is all right, as nearly all are, is checked as one long text; any other, and columns of other types,
    are converted value by value, each different value once.
    """
    one_by_one = distinct_converter(convert)
    field = column_field(field)
    is_djangos = getattr(type(field).to_python, "__module__", "").startswith("django.db.models.")
    if field.choices or not is_djangos:
        return one_by_one
    if is_text(field):
        return _text_converter(max_length_of(field), one_by_one)
    if isinstance(field, models.IntegerField) and not options.decimal_comma:
        return _integer_converter(range_of(field), one_by_one)
    return one_by_one


def distinct_converter(convert: Converter) -> ColumnConverter:
    """Make what converts each different cell of a column once."""

    def read(cells: Sequence[str]) -> Converted:
        values: dict[str, object] = {}
        refused = set()
        for cell in set(cells):
            try:
                values[cell] = convert(cell)
            except CellError:
                refused.add(cell)
        has_empty = any(value is EMPTY for value in values.values())
        if refused:
            positions = [position for position, cell in enumerate(cells) if cell in refused]
            return Converted(list(map(values.get, cells)), has_empty, positions)
        return Converted(list(map(values.__getitem__, cells)), has_empty)

    return read


def _text_converter(longest: int | None, one_by_one: ColumnConverter) -> ColumnConverter:
    def read(cells: Sequence[str]) -> Converted:
        try:
            check_text("".join(cells))
        except CellError:
            return one_by_one(cells)
        if longest is not None and max(map(len, cells), default=0) > longest:
            return one_by_one(cells)
        if "" in cells:
            return Converted([cell or EMPTY for cell in cells], True)
        return Converted(cells, False)

    return read


def _integer_converter(limits: tuple[int, int], one_by_one: ColumnConverter) -> ColumnConverter:
    low, high = limits

    def read(cells: Sequence[str]) -> Converted:
        text = "".join(cells)
        if not (text.isascii() and text.isdigit()) or "" in cells or max(map(len, cells)) > len(str(high)):
            return one_by_one(cells)
        values = list(map(int, cells))
        if min(values) < low or max(values) > high:
            return one_by_one(cells)
        return Converted(values, False)

    return read
