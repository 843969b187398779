"""
Whether a cell's text and a stored value are the same, said in SQL, for PostgreSQL and SQLite.

An expression may be false for cells that mean the stored value in another way of writing (``042``): these are looked at
one by one. It is true only for cells that convert (rules V1 to V4), to what is stored (rule A7).
"""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.operations import BaseDatabaseOperations

from nsync.fields import held_field, is_text
from nsync.options import SyncOptions

_TRUE = "('true', 'yes', 'on', 't', 'y', '1')"
_FALSE = "('false', 'no', 'off', 'f', 'n', '0')"
_RANGES = BaseDatabaseOperations.integer_field_ranges  # as V4
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))
_NUMBERS = (models.FloatField, models.DecimalField)


def quoted(text: str) -> str:
    """Give a text as a literal, in a statement that has parameters."""
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


def trimmed(cell: str, connection: Any) -> str:
    """Give the expression for a cell without surrounding blanks, as ``str.strip`` takes them off."""
    name = "btrim" if connection.vendor == "postgresql" else "trim"
    return f"{name}({cell}, {quoted(_BLANKS)})"


def same_text(field: Any, column: str, cell: str, connection: Any, options: SyncOptions) -> str:
    """
    Give the expression that a cell says what a column holds; "" if there is none.

    Args:
        field: Of the column.
        column: The column in SQL, qualified.
        cell: The cell in SQL: text, never NULL.
        connection: To the database: PostgreSQL or SQLite.
        options: How numbers and dates are written.
    """
    field = held_field(field)
    is_postgresql = connection.vendor == "postgresql"
    found = _postgresql(field, column, cell, options) if is_postgresql else _sqlite(field, column, cell, connection)
    if found and field.choices:
        choices = [str(value) for value, _ in field.flatchoices if value is not None]
        found = f"({found} AND {cell} IN ({', '.join(map(quoted, [*choices, '']))}))"
    return found


def _postgresql(field: Any, column: str, cell: str, options: SyncOptions) -> str:
    if is_text(field):
        return f"coalesce({column}, '') = {cell} COLLATE \"C\""
    if isinstance(field, models.BooleanField):
        return _boolean(column, cell)
    if isinstance(field, _NUMBERS):
        if options.decimal_comma:
            return ""
        texts = [f"{column}::text"]
        if isinstance(field, models.DecimalField):
            texts.append(f"trim_scale({column})::text")
        written = " OR ".join(f"{cell} = {text}" for text in texts)
        return f"(({column} IS NULL AND {cell} = '') OR (({written}) AND {cell} !~ '[^0-9.eE+-]'))"
    if isinstance(field, models.DateTimeField):
        utc = f"{column} AT TIME ZONE 'UTC'"
        # Without its fraction only if there is none.
        to_the_second = f"CASE WHEN date_trunc('second', {column}) = {column} THEN {utc} END"
        texts = [f"to_char({utc}, '{form}.US')" for form in _FORMS]
        texts += [f"to_char({to_the_second}, '{form}')" for form in _FORMS]
        return f"({_datetime(texts, column, cell)} AND {_is_pythons(column)})"
    if isinstance(field, models.DateField):
        return f"(coalesce(to_char({column}, 'YYYY-MM-DD'), '') = {cell} AND {_is_pythons(column)})"
    if isinstance(field, models.IntegerField | models.TimeField | models.UUIDField):
        return f"coalesce({column}::text, '') = {cell}"
    return ""


def _is_pythons(column: str) -> str:
    """Give the condition that Python has such a date: not infinity, and not before Christ."""
    return f"({column} IS NULL OR (isfinite({column}) AND {column} >= '0001-01-01'))"


_FORMS = ('YYYY-MM-DD"T"HH24:MI:SS', "YYYY-MM-DD HH24:MI:SS")


def _sqlite(field: Any, column: str, cell: str, connection: Any) -> str:
    if is_text(field):  # SQLite holds texts of any length
        fits = f" AND length({cell}) <= {field.max_length}" if field.max_length else ""
        return f"(coalesce({column}, '') = {cell} COLLATE BINARY{fits})"
    if isinstance(field, models.BooleanField):
        return _boolean(column, cell)
    if isinstance(field, models.DateTimeField):  # held as text, in the time zone of the connection
        if connection.timezone_name != "UTC":
            return ""
        return _datetime([f"replace({column}, ' ', 'T')", column], column, cell)
    if isinstance(field, models.DateField | models.TimeField):  # held as text
        return f"coalesce({column}, '') = {cell}"
    if isinstance(field, models.IntegerField):  # and numbers of any size
        low, high = _RANGES.get(field.get_internal_type(), _RANGES["BigIntegerField"])
        fits = f"({column} IS NULL OR {column} BETWEEN {low} AND {high})"
        return f"(coalesce(CAST({column} AS TEXT), '') = {cell} AND {fits})"
    if isinstance(field, models.UUIDField):  # held as 32 digits
        form = f"{cell} GLOB '????????-????-????-????-????????????'"
        return f"(({column} IS NULL AND {cell} = '') OR ({column} = replace({cell}, '-', '') AND {form}))"
    return ""  # SQLite writes floating point numbers, and decimals as such, not to the last bit


def _boolean(column: str, cell: str) -> str:
    said = f"(({column} AND lower({cell}) IN {_TRUE}) OR (NOT {column} AND lower({cell}) IN {_FALSE}))"
    return f"({said} OR ({column} IS NULL AND {cell} = ''))"


def _datetime(texts: list[str], column: str, cell: str) -> str:
    """Give the ways to write a moment with its zone; without one, the time zone of the run decides what it means."""
    if not settings.USE_TZ:
        return ""
    zones = [f"{text} || '{zone}'" for text in texts for zone in ("Z", "+00:00")]
    return f"({cell} IN ({', '.join(zones)}) OR ({column} IS NULL AND {cell} = ''))"
