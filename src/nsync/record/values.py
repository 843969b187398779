"""Values of columns as JSON, and back: the same value in the same type, as Django's serializers have it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from json import JSONEncoder
from types import SimpleNamespace
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db.models import FileField, IntegerField, JSONField
from django.utils.duration import duration_iso_string

from nsync.equality import same
from nsync.fields import held_field, is_text, is_untouched

_AS_JSON = frozenset({bool, float, int, str, type(None)})
_TEXTS: dict[type, Callable[[Any], str]] = {
    Decimal: str,
    date: date.isoformat,
    datetime: datetime.isoformat,
    time: time.isoformat,
    timedelta: duration_iso_string,
    UUID: str,
}


def writer(field: Any) -> Callable[[Sequence[object]], Sequence[object]]:
    """
    Give what turns values of a column into what JSON has.

    Args:
        field: Of the column. What `reader` gives for it makes the values again.
    """

    def write(values: Sequence[object]) -> Sequence[object]:
        kinds = set(map(type, values))
        if kinds <= _AS_JSON:
            return values
        return [_written(field, value) for value in values]

    return partial(_plain_json, field) if isinstance(field, JSONField) else write


def reader(field: Any) -> Callable[[Any], object]:
    """Give what makes a value of a column of what `writer` made of it."""
    if isinstance(field, JSONField):
        return lambda written: json.loads(json.dumps(written), cls=field.decoder) if field.decoder else written
    if isinstance(field, FileField):
        return lambda written: written  # a name, which is what the column holds

    def read(written: Any) -> object:
        return None if written is None else field.to_python(written)

    return read


def column_reader(field: Any) -> Callable[[Sequence[Any]], Sequence[object]]:
    """Give what makes values of a column of what `writer` made of them, all at once."""
    read = reader(field)
    kind = _kind_of(field)

    def read_column(written: Sequence[Any]) -> Sequence[object]:
        # Most are what JSON has: a text of a text field is itself.
        if kind is not None and set(map(type, written)) <= {kind, type(None)}:
            return written
        return list(map(read, written))

    return read_column


def _kind_of(field: Any) -> type | None:
    """Give the type whose values of a field are the same in JSON; None if none is, or the field is not Django's."""
    held = held_field(field)
    if not (is_untouched(field) and is_untouched(held)) or isinstance(field, JSONField):
        return None
    if is_text(held):
        return str
    return int if isinstance(held, IntegerField) else None


def _written(field: Any, value: Any) -> object:
    kind = type(value)
    if kind in _AS_JSON:
        return value
    if kind in _TEXTS:
        return _TEXTS[kind](value)
    return field.value_to_string(SimpleNamespace(**{field.attname: value}))


def _plain_json(field: Any, values: Sequence[object]) -> Sequence[object]:
    """Give JSON as it stands; values that only its own encoder knows as that writes them."""
    if field.encoder is None:
        return list(values)
    return [json.loads(json.dumps(value, cls=field.encoder)) for value in values]


def survives(field: Any, values: Sequence[object], written: Sequence[object]) -> bool:
    """Whether `reader` makes the values of a field of the project's own again."""
    if is_untouched(field) or isinstance(field, JSONField):
        return True
    read = reader(field)
    try:
        return all(same(field, value, read(text)) for value, text in zip(values, written, strict=True))
    except (ValidationError, ValueError, TypeError):
        return False


_encode = JSONEncoder(separators=(",", ":"), default=str, ensure_ascii=False).encode
_encode_to_ascii = JSONEncoder(separators=(",", ":"), default=str).encode


def to_json(value: object) -> str:
    """Write JSON that every database holds: lone surrogates have no UTF-8 form."""
    text = _encode(value)
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return _encode_to_ascii(value)
    return text
