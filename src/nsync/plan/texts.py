"""
Whether a cell's text and a stored value are the same, said in SQL, for PostgreSQL, SQLite and MariaDB.

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

_ZONES = ("Z", "+00:00")
_TRUE = "('true', 'yes', 'on', 't', 'y', '1')"
_FALSE = "('false', 'no', 'off', 'f', 'n', '0')"
_RANGES = BaseDatabaseOperations.integer_field_ranges  # as V4
_BLANKS = "".join(filter(str.isspace, map(chr, range(0x3001))))
EXACT = "utf8mb4_nopad_bin"  # MariaDB's collation that takes neither "A" nor "a " for "a"
_NUMBERS = (models.FloatField, models.DecimalField)


def quoted(text: str, connection: Any) -> str:
    """Give a text as a literal, in a statement that has parameters."""
    if connection.vendor == "mysql":  # what a backslash means there is a matter of settings
        return f"(_utf8mb4 X'{text.encode(errors='surrogatepass').hex()}' COLLATE {EXACT})"
    return "'" + text.replace("'", "''").replace("%", "%%") + "'"


def is_trimmed(cell: str, connection: Any) -> str:
    """Give the condition that a cell has no blanks around it; faster than to take them off."""
    blanks = ", ".join(quoted(blank, connection) for blank in _BLANKS)
    # To SQLite, left() and right() are words of joins.
    ends = ("substr({}, 1, 1)", "substr({}, -1)") if connection.vendor == "sqlite" else ("left({}, 1)", "right({}, 1)")
    return " AND ".join(f"{end.format(cell)} NOT IN ({blanks})" for end in ends)


def trimmed(cell: str, connection: Any) -> str:
    """Give the expression for a cell without surrounding blanks, as ``str.strip`` takes them off."""
    if connection.vendor == "mysql":
        return f"regexp_replace({cell}, {quoted(f'^[{_BLANKS}]+|[{_BLANKS}]+$', connection)}, '')"
    name = "btrim" if connection.vendor == "postgresql" else "trim"
    return f"{name}({cell}, {quoted(_BLANKS, connection)})"


def same_text(field: Any, column: str, cell: str, connection: Any, options: SyncOptions) -> str:
    """
    Give the expression that a cell says what a column holds; "" if there is none.

    Args:
        field: Of the column.
        column: The column in SQL, qualified.
        cell: The cell in SQL: text, never NULL.
        connection: To the database.
        options: How numbers and dates are written.
    """
    field = held_field(field)
    if connection.vendor == "postgresql":
        found = _postgresql(field, column, cell, options)
    elif connection.vendor == "sqlite":
        found = _sqlite(field, column, cell, connection)
    else:
        found = _mariadb(field, column, cell, connection, options)
    if found and field.choices:
        choices = [str(value) for value, _ in field.flatchoices if value is not None]
        found = f"({found} AND {cell} IN ({', '.join(quoted(choice, connection) for choice in [*choices, ''])}))"
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
        return f"({_datetime(_with_zones(texts), column, cell)} AND {_is_pythons(column)})"
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
        return _datetime(_with_zones([f"replace({column}, ' ', 'T')", column]), column, cell)
    if isinstance(field, models.DateField | models.TimeField):  # held as text
        return f"coalesce({column}, '') = {cell}"
    if isinstance(field, models.IntegerField):  # and numbers of any size
        return f"(coalesce(CAST({column} AS TEXT), '') = {cell} AND {_is_in_range(field, column)})"
    if isinstance(field, models.UUIDField):  # held as 32 digits
        form = f"{cell} GLOB '????????-????-????-????-????????????'"
        return f"(({column} IS NULL AND {cell} = '') OR ({column} = replace({cell}, '-', '') AND {form}))"
    return ""  # SQLite writes floating point numbers, and decimals as such, not to the last bit


def _is_in_range(field: Any, column: str) -> str:
    """Give the condition that a number is one that a cell may say (V4), though the column holds others."""
    low, high = _RANGES.get(field.get_internal_type(), _RANGES["BigIntegerField"])
    return f"({column} IS NULL OR {column} BETWEEN {low} AND {high})"


def exact(text: str) -> str:
    """Give text of MariaDB, of any character set and collation, as what compares letter for letter."""
    return f"(CONVERT({text} USING utf8mb4) COLLATE {EXACT})"


def _mariadb(field: Any, column: str, cell: str, connection: Any, options: SyncOptions) -> str:
    text = exact(f"CAST({column} AS CHAR)")
    if is_text(field):
        return f"coalesce({exact(column)}, '') = {cell}"
    if isinstance(field, models.BooleanField):  # a number, of which Django takes 0 and 1
        return f"({_boolean(column, cell)} AND ({column} IS NULL OR {column} IN (0, 1)))"
    if isinstance(field, models.DateTimeField):
        if connection.timezone_name != "UTC":
            return ""
        to_the_second = f"IF(MICROSECOND({column}) = 0, {column}, NULL)"
        texts = [f"DATE_FORMAT({column}, '{form}.%%f{zone}')" for form in _MARIADB_FORMS for zone in _ZONES]
        texts += [f"DATE_FORMAT({to_the_second}, '{form}{zone}')" for form in _MARIADB_FORMS for zone in _ZONES]
        return f"({_datetime(list(map(exact, texts)), column, cell)} AND {_is_date(column)})"
    if isinstance(field, models.DateField):
        return f"(coalesce({text}, '') = {cell} AND {_is_date(column)})"
    if isinstance(field, models.TimeField):  # of any length, and of either sign
        to_the_second = f"IF(MICROSECOND({column}) = 0, {column}, NULL)"
        texts = [f"TIME_FORMAT({column}, '%%H:%%i:%%s.%%f')", f"TIME_FORMAT({to_the_second}, '%%H:%%i:%%s')"]
        is_pythons = f"{column} >= 0 AND {column} < '24:00:00'"
        return f"(({column} IS NULL AND {cell} = '') OR ({_is_one_of(texts, cell)} AND {is_pythons}))"
    if isinstance(field, models.DecimalField) and not options.decimal_comma:
        texts = [f"CAST({column} AS CHAR)"]
        if field.decimal_places:
            texts.append(f"TRIM(TRAILING '.' FROM TRIM(TRAILING '0' FROM CAST({column} AS CHAR)))")
        return f"(({column} IS NULL AND {cell} = '') OR {_is_one_of(texts, cell)})"
    if isinstance(field, models.IntegerField):  # an unsigned column holds twice as many
        return f"(coalesce({text}, '') = {cell} AND {_is_in_range(field, column)})"
    is_native = isinstance(field, models.UUIDField) and connection.features.has_native_uuid_field
    return f"coalesce({text}, '') = {cell}" if is_native else ""


def _is_one_of(texts: list[str], cell: str) -> str:
    return f"{cell} IN ({', '.join(map(exact, texts))})"


_MARIADB_FORMS = ("%%Y-%%m-%%dT%%H:%%i:%%s", "%%Y-%%m-%%d %%H:%%i:%%s")


def _is_date(column: str) -> str:
    """Give the condition that Python has such a date: MariaDB has a year, a month and a day 0, and 31 February."""
    parts = " AND ".join(f"{part}({column}) > 0" for part in ("YEAR", "MONTH", "DAY"))
    return f"({column} IS NULL OR ({parts} AND DAY({column}) <= DAY(LAST_DAY({column}))))"


def _boolean(column: str, cell: str) -> str:
    said = f"(({column} AND lower({cell}) IN {_TRUE}) OR (NOT {column} AND lower({cell}) IN {_FALSE}))"
    return f"({said} OR ({column} IS NULL AND {cell} = ''))"


def _datetime(texts: list[str], column: str, cell: str) -> str:
    """Give the ways to write a moment with its zone; without one, the time zone of the run decides what it means."""
    if not settings.USE_TZ:
        return ""
    return f"({cell} IN ({', '.join(texts)}) OR ({column} IS NULL AND {cell} = ''))"


def _with_zones(texts: list[str]) -> list[str]:
    return [f"{text} || '{zone}'" for text in texts for zone in _ZONES]
