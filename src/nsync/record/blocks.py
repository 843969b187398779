"""Blocks: columns of values, as JSON has them, compressed to a short text, and back."""

from __future__ import annotations

import json
import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any

from nsync.record.values import to_json

_COUNTABLE = frozenset({int, bool, type(None)})  # types whose equal values are the same
_LEVEL = 1  # of compression: a fifth of the size; better levels cost more time than the database
# How a column stands: its texts in lines; its first and last number; the same as texts; the one value that all have,
# and how many there are; as JSON.
_TEXT, _RANGE, _DIGITS, _SAME, _JSON = "t", "r", "d", "s", "j"


def pack_columns(columns: Sequence[Sequence[object]]) -> str:
    """
    Pack columns of equal length.

    Texts are joined and consecutive numbers left out: to write each value as JSON takes ten times as long. To look at
    the type of each value takes twice as long as to join them.
    """
    parts = [_column(column) for column in columns]
    head = to_json([[how, len(text)] for how, text in parts])
    content = "".join([head, "\n", *(text for _, text in parts)])
    return b64encode(zlib.compress(content.encode("utf-8", "surrogatepass"), _LEVEL)).decode("ascii")


def unpack_columns(packed: str) -> list[list[Any]]:
    """Give the columns that were packed."""
    content = zlib.decompress(b64decode(packed)).decode("utf-8", "surrogatepass")
    head, _, rest = content.partition("\n")
    columns, start = [], 0
    for how, length in json.loads(head):
        columns.append(_values(how, rest[start : start + length]))
        start += length
    return columns


def _column(values: Sequence[Any]) -> tuple[str, str]:
    if not values:
        return _JSON, "[]"
    if isinstance(values, range) and values.step == 1:
        return _RANGE, f"{values[0]} {values[-1]}"
    try:
        text = "\n".join(values)
    except TypeError:  # they are not all texts
        return _other_column(values)
    if _are_same(values):
        return _SAME, to_json([values[0], len(values)])
    if digits := _digits(values):
        return _DIGITS, digits
    return (_TEXT, text) if text.count("\n") == len(values) - 1 else (_JSON, to_json(list(values)))


def _other_column(values: Sequence[Any]) -> tuple[str, str]:
    kinds = set(map(type, values))
    if len(kinds) == 1 and kinds <= _COUNTABLE and _are_same(values):
        return _SAME, to_json([values[0], len(values)])
    if kinds == {int}:
        first, last = values[0], values[-1]
        if last - first == len(values) - 1 and list(values) == list(range(first, last + 1)):
            return _RANGE, f"{first} {last}"
    return _JSON, to_json(list(values))


def _are_same(values: Sequence[Any]) -> bool:
    """Whether all values equal the first."""
    return values[0] == values[-1] and values.count(values[0]) == len(values)


def _digits(values: Sequence[Any]) -> str:
    """Give the first and the last of consecutive numbers written as texts; "" if they are none."""
    first, last = values[0], values[-1]
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        return ""
    numbers = range(int(first), int(last) + 1)
    return f"{first} {last}" if len(numbers) == len(values) and list(map(str, numbers)) == list(values) else ""


def _values(how: str, text: str) -> list[Any]:
    if how == _TEXT:
        return text.split("\n")
    if how in (_RANGE, _DIGITS):
        first, last = map(int, text.split())
        return list(map(str, range(first, last + 1)) if how == _DIGITS else range(first, last + 1))
    if how == _SAME:
        value, count = json.loads(text)
        return [value] * count
    found: list[Any] = json.loads(text)
    return found
