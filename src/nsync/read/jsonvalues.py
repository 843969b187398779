"""Values of JSON as cells: numbers exact, what is nested as JSON text, nothing taken that JSON does not know."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NoReturn

from nsync.errors import SourceError
from nsync.rows import MISSING

_NESTED: Final = frozenset({dict, list})
SHOWN: Final = 60  # characters of what a message quotes


def decoder() -> json.JSONDecoder:
    """Make a decoder whose ValueErrors say what is wrong: no doubled keys, no NaN, numbers to the last digit."""
    return json.JSONDecoder(
        parse_int=_integer, parse_float=Decimal, parse_constant=_refuse, object_pairs_hook=_without_doubles
    )


def check_object(record: Any, name: str, number: int) -> None:
    """Raise SourceError if a record is no object."""
    if type(record) is not dict:
        kind = {list: "a list", str: "text", type(None): "null"}.get(type(record), "a number or a truth value")
        raise SourceError(f'is {kind}, and not an object such as {{"name": "Wayne"}}', name, number)


def cells_of(record: Mapping[str, Any], header: Sequence[str]) -> list[Any]:
    """
    Give the cells of a record: MISSING for a key that it does not have.

    Args:
        record: What was decoded.
        header: The keys that are columns. Others follow the cells as ``key: value``, which are too many then (C4).
    """
    cells = [record.get(key, MISSING) for key in header]
    has_more = len(record) > len(cells) - cells.count(MISSING)
    if not _NESTED.isdisjoint(map(type, cells)):
        cells = [_text(cell) if type(cell) in _NESTED else cell for cell in cells]
    if has_more:
        known = frozenset(header)
        cells += [f"{key}: {value}"[:SHOWN] for key, value in record.items() if key not in known]
    return cells


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=float)


def _integer(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"the number {text[:SHOWN]}… has {len(text):,} digits") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {double[:SHOWN]!r} is there twice")
    return found
