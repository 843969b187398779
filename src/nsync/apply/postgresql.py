"""What PostgreSQL does faster than other databases: primary keys for many rows at once, and COPY."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.db.models import Model

from nsync.copying import can_copy, copy_in
from nsync.fields import prepared
from nsync.pgtext import copied, is_written


def can_copy_rows(model: type[Model], connection: Any) -> bool:
    """Whether `copy_rows` can write rows of a model."""
    return can_copy(connection) and _has_copied_columns(model)


@cache
def _has_copied_columns(model: type[Model]) -> bool:
    fields: list[Any] = [field for field in model._meta.local_concrete_fields if not field.generated]
    return all(map(is_written, fields))


def sequence_of(field: Any, connection: Any) -> str:
    """
    Name the sequence that a numbered primary key takes its numbers from; "" if that is not told.

    A column may take them from another sequence than the one that it owns.

    Queries: one.
    """
    table = connection.ops.quote_name(field.model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN attidentity <> '' THEN pg_get_serial_sequence(%s, %s)"
            " ELSE replace(substring(pg_get_expr(adbin, adrelid) from %s), %s, %s) END"
            " FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum"
            " WHERE attrelid = %s::regclass AND attname = %s",
            [table, field.column, r"^nextval\('(.*)'::regclass\)$", "''", "'", table, field.column],
        )
        found = cursor.fetchone()
    return (found and found[0]) or ""


def next_numbers(sequence: str, count: int, connection: Any) -> Sequence[int]:
    """
    Take numbers for new objects from a sequence; a range, unless somebody else takes some as well.

    Queries: one.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT nextval(%s::regclass) FROM generate_series(1, %s)", [sequence, count])
        numbers = [number for (number,) in cursor.fetchall()]
    consecutive = range(numbers[0], numbers[0] + count)
    return consecutive if numbers == list(consecutive) else numbers


def copy_rows(model: type[Model], fields: Sequence[Any], values: Sequence[Sequence[Any]], connection: Any) -> None:
    """
    Insert rows with COPY; columns that are not named get what the database gives them.

    Args:
        model: One that `can_copy_rows`.
        fields: Of the columns.
        values: One sequence per column.
        connection: To the database.

    Queries: one.
    """
    quote = connection.ops.quote_name
    names = ", ".join(quote(field.column) for field in fields)
    columns = [copied(prepared(field, column, connection)) for field, column in zip(fields, values, strict=True)]
    statement = f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN"
    copy_in(connection, statement, ["".join(f"{row}\n" for row in map("\t".join, zip(*columns, strict=True)))])
