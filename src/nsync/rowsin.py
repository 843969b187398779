"""RowsIn: some columns hold one of many combinations of values; in as few statements as the database allows."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from django.core.exceptions import FieldError
from django.db import connections
from django.db.models import BooleanField, F, Func, IntegerField, Lookup

from nsync.fields import held_field, is_text, prepared
from nsync.pgtext import array, is_written

_AT_ONCE = 1_000  # combinations in one statement where each value is a parameter
_AT_ONCE_AS_ONE = 50_000  # … and where all of them are one
_IN_JSON = frozenset({int, str, UUID})
_TEXT_AT_ONCE = 1_000_000  # characters in one statement: MariaDB and MySQL limit its length, by default to 16 MB


Columns = Sequence[Sequence[Any]]  # one sequence per column, all of one length


def slices(columns: Columns, fields: Sequence[Any], using: str) -> Iterator[Columns]:
    """
    Give combinations of values in groups that one statement can take.

    Args:
        columns: The values, one sequence per column.
        fields: The field that compares each column.
        using: Alias of the database.
    """
    if not (columns and columns[0]):
        return
    size = _AT_ONCE_AS_ONE
    if not _is_one_parameter(fields, columns, using):
        limit = connections[using].features.max_query_params or _AT_ONCE
        # The statement has a few parameters more: systems, content types, empty values.
        size = max(min(_AT_ONCE, (limit - 20) // max(len(fields), 1)), 1)
    yield from parts_of_text(columns, size)


def parts_of_text(columns: Columns, size: int) -> Iterator[Columns]:
    """Give rows of columns in groups of at most so many, and of texts that are not too long for a statement."""
    count = len(columns[0])
    if count <= size and sum(map(_length, columns)) <= _TEXT_AT_ONCE:
        if count:
            yield columns
        return
    start = length = 0
    for stop, row in enumerate(zip(*columns, strict=True), start=1):
        length += sum(len(value) for value in row if isinstance(value, str))
        if stop - start == size or length > _TEXT_AT_ONCE or stop == count:
            yield [column[start:stop] for column in columns]
            start, length = stop, 0


def _length(values: Sequence[object]) -> int:
    """Give the characters of the texts among some values."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return len("".join(values))  # type: ignore[arg-type]  # they are all texts
    return sum(len(value) for value in values if isinstance(value, str)) if str in kinds else 0


def _is_one_parameter(fields: Sequence[Any], columns: Columns, using: str) -> bool:
    """Whether all values can be one parameter: an array for PostgreSQL, JSON for SQLite."""
    vendor = connections[using].vendor
    if vendor == "postgresql":
        return all(array_type(field, connections[using]) for field in fields)
    # JSON has text and numbers; SQLite reads the digits of floating point numbers not always to the last bit.
    return vendor == "sqlite" and all(_IN_JSON.issuperset(map(type, column)) for column in columns)


def can_hold(field: Any, value: object, using: str) -> bool:
    """Whether a column can hold a number: a database may refuse to compare it with others."""
    if type(value) is not int or not isinstance(field, IntegerField):
        return True
    low, high = connections[using].ops.integer_field_range(field.get_internal_type())
    return (low is None or low <= value) and (high is None or value <= high)


def array_type(field: Any, connection: Any) -> str:
    """Give the type of an array's items on PostgreSQL, "" if its values need more than a cast."""
    field = held_field(field)
    # Not the size of the column: to it, PostgreSQL would cut text and round numbers without a word.
    kind = "text" if is_text(field) else str(field.cast_db_type(connection) or "")
    return kind.partition("(")[0] if kind.startswith("numeric") else kind


@contextmanager
def by_index(using: str) -> Iterator[None]:
    """
    Have PostgreSQL look many values up by an index, if there is one.

    It would rather read a table of a million rows from end to end for each five thousand of them: it takes an index
    that is in memory for one on a slow disk (``random_page_cost``).

    Queries: on PostgreSQL two.
    """
    connection = connections[using]
    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('enable_seqscan'), set_config('enable_seqscan', 'off', true)")
        before = cursor.fetchone()[0]
        back = "SELECT set_config('enable_seqscan', %s, true)"
        try:
            yield  # if the database refuses, the transaction is at its end, and this with it
        except (FieldError, OverflowError, ValueError):
            cursor.execute(back, [before])
            raise
        cursor.execute(back, [before])


class _Columns(Func):
    """Some columns side by side: ``a`` or ``(a, b)``."""

    output_field = BooleanField()  # nobody asks; an expression must have one

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Give the columns, and the parameters that they need: none, but for paths through expressions."""
        parts = [compiler.compile(expression) for expression in self.source_expressions]
        names = ", ".join(sql for sql, _ in parts)
        return names if len(parts) == 1 else f"({names})", [value for _, params in parts for value in params]


class RowsIn(Lookup):
    """
    A condition: the columns hold one of these combinations of values.

    A lookup, not a mere expression: Django would compare that with true, and SQLite and MariaDB then use no index.

    Args:
        paths: Names of columns, as in a filter.
        fields: The field that compares each of them: of a foreign key, its target.
        columns: One sequence of values for each path; not more than `slices` gives.
    """

    prepare_rhs = False

    def __init__(self, paths: Sequence[str], fields: Sequence[Any], columns: Columns) -> None:
        super().__init__(_Columns(*map(F, paths)), columns)
        self._fields = fields
        self._columns = columns

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]  # no template
        """Compare with a list of parameters."""
        names, before = self._left(compiler)
        columns = self._prepared(connection)
        given = [value for row in zip(*columns, strict=True) for value in row]
        if len(self._fields) == 1:
            return f"{names} IN ({', '.join(['%s'] * len(given))})", [*before, *given]
        one = f"({', '.join(['%s'] * len(self._fields))})"
        rows = ", ".join([one] * len(columns[0]))
        values = f"VALUES {rows}" if connection.vendor == "sqlite" else rows
        return f"{names} IN ({values})", [*before, *given]

    def as_sqlite(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        """Compare with one parameter, a JSON array, if that has the types."""
        if not _is_one_parameter(self._fields, self._columns, connection.alias):
            return self.as_sql(compiler, connection)
        names, before = self._left(compiler)
        columns = self._prepared(connection)
        if len(columns) == 1:
            return f"{names} IN (SELECT value FROM json_each(%s))", [*before, json.dumps(list(columns[0]))]
        values = ", ".join(f"json_extract(value, '$[{number}]')" for number in range(len(self._fields)))
        return f"{names} IN (SELECT {values} FROM json_each(%s))", [
            *before,
            json.dumps(list(zip(*columns, strict=True))),
        ]

    def as_postgresql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        """Compare with one array for each column."""
        if not _is_one_parameter(self._fields, self._columns, connection.alias):
            return self.as_sql(compiler, connection)
        names, before = self._left(compiler)
        arrays = [
            array(column) if is_written(field) else list(column)
            for field, column in zip(self._fields, self._prepared(connection), strict=True)
        ]
        places = [f"%s::{array_type(field, connection)}[]" for field in self._fields]
        if len(arrays) == 1:
            return f"{names} = ANY({places[0]})", [*before, *arrays]
        return f"{names} IN (SELECT * FROM unnest({', '.join(places)}))", [*before, *arrays]

    def _left(self, compiler: Any) -> tuple[str, list[Any]]:
        names, params = compiler.compile(self.lhs)
        return names, list(params)

    def _prepared(self, connection: Any) -> list[Sequence[Any]]:
        return [prepared(field, column, connection) for field, column in zip(self._fields, self._columns, strict=True)]
