"""Values as PostgreSQL reads them in text: in COPY, and as the items of an array. Values only."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any, Final

from django.db import models

from nsync.fields import held_field, is_untouched

# Fields whose values have a text that PostgreSQL reads as Python wrote it.
_WRITTEN = (
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
_COPY_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
COPY_NULL: Final = "\\N"
# https://www.postgresql.org/docs/current/arrays.html, "Array Input and Output Syntax"
_ARRAY_ESCAPES: Final = str.maketrans({"\\": "\\\\", '"': '\\"'})


def is_written(field: Any) -> bool:
    """Whether the values of a field have a text that PostgreSQL reads as they are meant."""
    held = held_field(field)
    return isinstance(held, _WRITTEN) and is_untouched(field) and is_untouched(held)


def copied(values: Sequence[Any]) -> Sequence[str]:
    """Give the values of a column as COPY reads them."""
    kinds = set(map(type, values))
    if kinds == {str}:
        return _escaped(values, _COPY_ESCAPES)
    if kinds == {int}:
        return list(map(str, values))
    return [COPY_NULL if value is None else _text(value).translate(_COPY_ESCAPES) for value in values]


def array(values: Sequence[Any]) -> str:
    """
    Give the values of a column as one text for an array.

    As a list, psycopg would need many times as long: it looks at each item by itself.
    """
    kinds = set(map(type, values))
    if kinds == {str}:
        return '{"' + '","'.join(_escaped(values, _ARRAY_ESCAPES)) + '"}'
    if kinds <= {int, NoneType}:
        return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"
    items = ["NULL" if value is None else f'"{_text(value).translate(_ARRAY_ESCAPES)}"' for value in values]
    return f"{{{','.join(items)}}}"


def _escaped(values: Sequence[str], escapes: dict[int, str]) -> Sequence[str]:
    together = "".join(values)
    if not any(chr(code) in together for code in escapes):
        return values
    return [value.translate(escapes) for value in values]


def _text(value: Any) -> str:
    """Give the text of a value, which may be of a class of its own, such as TextChoices."""
    kind = next((kind for kind in type(value).__mro__ if kind in _WRITERS), None)
    if kind is None:
        raise ValueError(f"{type(value).__name__} has no text for PostgreSQL")
    return str(_WRITERS[kind](value))


_WRITERS: dict[type, Callable[[Any], Any]] = {
    str: str.__str__,
    bool: lambda value: "t" if value else "f",
    int: int.__repr__,
    float: repr,
    Decimal: str,
    uuid.UUID: str,
    datetime.date: datetime.date.isoformat,
    datetime.datetime: datetime.datetime.isoformat,
    datetime.time: datetime.time.isoformat,
}
