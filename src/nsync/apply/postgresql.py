"""What PostgreSQL does faster than other databases: primary keys for many rows at once, and COPY."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Sequence
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import Any

from django.db import models
from django.db.models import Model

from nsync.copying import can_copy, copy_in
from nsync.fields import held_field, is_untouched, prepared

# Fields whose values have a text that PostgreSQL reads as Python wrote it.
_COPIED = (
    models.BooleanField,
    models.CharField,
    models.DateField,
    models.DecimalField,
    models.FloatField,
    models.IntegerField,
    models.TextField,
    models.TimeField,
    models.UUIDField,
)
# https://www.postgresql.org/docs/current/sql-copy.html, "Text Format"
_ESCAPED = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NULL = "\\N"


def can_copy_rows(model: type[Model], connection: Any) -> bool:
    """Whether `copy_rows` can write rows of a model."""
    return can_copy(connection) and _has_copied_columns(model)


@cache
def _has_copied_columns(model: type[Model]) -> bool:
    fields: list[Any] = [field for field in model._meta.local_concrete_fields if not field.generated]
    return all(
        isinstance(held_field(one), _COPIED) and is_untouched(one) and is_untouched(held_field(one)) for one in fields
    )


def next_numbers(field: Any, count: int, connection: Any) -> list[object]:
    """
    Take numbers for new objects from the sequence of a numbered primary key.

    Returns:
        As many numbers; none if the column has no sequence of its own.

    Queries: one.
    """
    table = connection.ops.quote_name(field.model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(sequence::regclass) FROM pg_get_serial_sequence(%s, %s) AS sequence, "
            "generate_series(1, %s) WHERE sequence IS NOT NULL",
            [table, field.column, count],
        )
        return [number for (number,) in cursor.fetchall()]


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
    columns = [_texts(prepared(field, column, connection)) for field, column in zip(fields, values, strict=True)]
    statement = f"COPY {quote(model._meta.db_table)} ({names}) FROM STDIN"
    copy_in(connection, statement, ["\n".join(map("\t".join, zip(*columns, strict=True)))])


def _texts(values: Sequence[Any]) -> Sequence[str]:
    """Give values of a column as COPY reads them."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return _escaped(values)
    if kinds == {int}:
        return list(map(str, values))
    return [_text(value) for value in values]


def _text(value: Any) -> str:
    if isinstance(value, str):  # perhaps of a class of its own, such as TextChoices
        return str.__str__(value).translate(_ESCAPED)
    return str(_WRITERS[next(kind for kind in type(value).__mro__ if kind in _WRITERS)](value))


def _escaped(values: Sequence[str]) -> Sequence[str]:
    if _is_clean("".join(values)):
        return values
    return [value.translate(_ESCAPED) for value in values]


def _is_clean(text: str) -> bool:
    return not ("\\" in text or "\t" in text or "\n" in text or "\r" in text)


_WRITERS: dict[type, Any] = {
    NoneType: lambda value: _NULL,
    bool: lambda value: "t" if value else "f",
    int: int.__repr__,
    float: repr,
    Decimal: str,
    uuid.UUID: str,
    datetime.date: datetime.date.isoformat,
    datetime.datetime: datetime.datetime.isoformat,
    datetime.time: datetime.time.isoformat,
}
