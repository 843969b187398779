"""How values are written: in which order dates, and with which sign decimals; with the line that proves it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from django.db import models

from nsync.decode.cells import CellError
from nsync.decode.values import column_field, converter
from nsync.options import CHOICES, SyncOptions
from nsync.profiling.sample import SampledColumn

_ORDERS: Final = tuple(order for order in CHOICES["date_order"] if order)
_GROUPED: Final = re.compile(r"[+-]?[1-9][0-9]{0,2}(?:(?:,[0-9]{3})+|(?:\.[0-9]{3})+)")
_NUMBERS: Final = (models.IntegerField, models.DecimalField, models.FloatField)


class Unfit(NamedTuple):
    """A value that its field does not take."""

    line: int
    value: str
    code: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {self.value[:40]!r}: {self.message}"


class Way(NamedTuple):
    """How some values are written."""

    options: SyncOptions  # with it
    why: str
    candidates: tuple[str, ...] = ()  # what it may be, if nothing proves it


def unfit_values(column: SampledColumn, field: Any, options: SyncOptions) -> list[Unfit]:
    """Give the values of a column that a field does not take, in the order of the file."""
    convert = converter(field, options)
    found = []
    for value, line in column.values.items():
        try:
            convert(value)
        except CellError as error:
            found.append(Unfit(line, value, error.code, error.message))
    return found


def date_order(pairs: Sequence[tuple[SampledColumn, Any]], options: SyncOptions) -> Way | None:
    """
    Find the order of day, month and year.

    Args:
        pairs: Columns, and the fields that they seem to be.
        options: What is known so far.

    Returns:
        None: no date needs it, or the options say it.
    """
    moments = [(column, field) for column, field in pairs if isinstance(column_field(field), models.DateField)]
    doubtful = [
        unfit
        for column, field in moments
        for unfit in unfit_values(column, field, options)
        if unfit.code == "ambiguous-date"
    ]
    if options.date_order or not doubtful:
        return None
    refused: dict[str, Unfit] = {}  # order → a date that reads otherwise
    for order in _ORDERS:
        tried = replace(options, date_order=order)  # type: ignore[arg-type]
        before = {(field.name, unfit.value) for column, field in moments for unfit in _wrong(column, field, options)}
        for column, field in moments:
            worse = [one for one in _wrong(column, field, tried) if (field.name, one.value) not in before]
            if worse:
                refused.setdefault(order, worse[0])
    left = tuple(order for order in _ORDERS if order not in refused and _reads(doubtful, moments, options, order))
    if len(left) == 1:
        proof = max(refused.values(), key=lambda unfit: unfit.line, default=None)  # it rules out the last other order
        why = f"line {proof.line}: {proof.value!r} reads only so" if proof else "no other order reads all dates"
        return Way(replace(options, date_order=left[0]), why)  # type: ignore[arg-type]
    first = doubtful[0]
    why = f"line {first.line}: {first.value!r} reads in several ways, and no line proves one"
    return Way(options, why, left or _ORDERS)


def _wrong(column: SampledColumn, field: Any, options: SyncOptions) -> list[Unfit]:
    return [unfit for unfit in unfit_values(column, field, options) if unfit.code != "ambiguous-date"]


def _reads(
    doubtful: Sequence[Unfit], moments: Sequence[tuple[SampledColumn, Any]], options: SyncOptions, order: str
) -> bool:
    """Whether an order reads all dates that read in several ways."""
    tried = replace(options, date_order=order)  # type: ignore[arg-type]
    values = {unfit.value for unfit in doubtful}
    wrong = {unfit.value for column, field in moments for unfit in unfit_values(column, field, tried)}
    return not values & wrong


def decimal_comma(pairs: Sequence[tuple[SampledColumn, Any]], options: SyncOptions) -> Way | None:
    """
    Find out whether numbers are written as in 1.234,5.

    A number such as 1,500 or 1.500 proves nothing: it may also be grouped by thousands, or have three decimals.

    Args:
        pairs: Columns, and the fields that they seem to be.
        options: What is known so far.

    Returns:
        None: they are not, or the options say it.
    """
    if options.decimal_comma:
        return None
    tried = replace(options, decimal_comma=True)
    numbers = [(column, field) for column, field in pairs if isinstance(column_field(field), _NUMBERS)]
    if any(_has_point(value) for column, _ in numbers for value in column.values):
        return None
    only_so: list[Unfit] = []
    for column, field in numbers:
        without = unfit_values(column, field, options)
        still = {unfit.value for unfit in unfit_values(column, field, tried)}
        only_so += [unfit for unfit in without if unfit.value not in still]
        if not without and any("." in value for value in column.values):
            return None
    proof = next((unfit for unfit in only_so if not _GROUPED.fullmatch(unfit.value)), None)
    if proof:
        return Way(tried, f"line {proof.line}: {proof.value!r} is a number only so")
    if only_so:
        first = only_so[0]
        why = f"line {first.line}: {first.value!r} is a number so, but may be grouped by thousands; no line proves it"
        return Way(options, why, ("true",))
    return None


def _has_point(value: str) -> bool:
    """Whether a number is written as in 1,234.5 or 1,234,567."""
    return "." in value.partition(",")[2] or (value.count(",") > 1 and bool(_GROUPED.fullmatch(value)))
