"""Converter of JSON columns (rules V1, V4)."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from typing import Any, NoReturn

from django.db import models

from nsync.actions import EMPTY
from nsync.decode.cells import CellError, Converter, check_text

# MariaDB 10.11 refuses 32 levels (measured: JSON_VALID); what one database cannot hold is an error on all (V4).
_MAX_DEPTH = 31


def json_converter(field: models.JSONField[Any, Any]) -> Converter:
    """
    Make the converter of a JSON column: text is parsed, other values are taken as they are.

    A ``null`` at the top is an empty cell where the field is nullable, and an error elsewhere.
    """

    def convert(cell: object) -> object:
        if isinstance(cell, Decimal):  # a number of JSON or of a table
            cell = str(cell)
        text = cell.strip() if isinstance(cell, str) else ""
        if cell is None or (isinstance(cell, str) and not text):
            return EMPTY
        value = _parse(text) if text else cell
        _check(value, is_any_type_encoded=field.encoder is not None)
        if value is None and not field.null:
            raise CellError("invalid-json", 'null has no place in this column; write a value such as {"size": 42}')
        if value is None:
            return EMPTY
        return _parse(text, field.decoder) if text and field.decoder else value

    return convert


def _parse(text: str, decoder: type[json.JSONDecoder] | None = None) -> object:
    """Parse JSON; with a decoder, as the field reads what is stored."""
    try:
        return json.loads(text, cls=decoder) if decoder else json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        raise CellError(
            "invalid-json", f'not JSON ({error}); write JSON such as {{"size": 42}}, text in quotes'
        ) from None
    except Exception as error:  # numbers of 10,000 digits, endless nesting, and whatever a decoder may raise
        raise CellError("invalid-json", f"not JSON that can be read: {error}") from None


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value; write a number or null")


def _check(value: object, *, is_any_type_encoded: bool) -> None:
    """Refuse what not every database keeps. Without recursion: the value may be nested deeper than Python recurses."""
    pending: list[tuple[object, int]] = [(value, 1)]
    while pending:
        each, depth = pending.pop()
        if isinstance(each, str):
            check_text(each)
        elif isinstance(each, float):
            if not math.isfinite(each):
                raise CellError("invalid-json", f"{each} is no JSON value, or the number is too large")
        elif isinstance(each, dict | list | tuple):
            if depth > _MAX_DEPTH:
                raise CellError("invalid-json", f"nested more than {_MAX_DEPTH} deep, which not every database holds")
            pending += [(item, depth + 1) for item in (each.values() if isinstance(each, dict) else each)]
            pending += [(name, depth + 1) for name in each] if isinstance(each, dict) else []
        elif not (each is None or isinstance(each, int) or is_any_type_encoded):
            raise CellError("invalid-json", f"a {type(each).__name__} is no JSON value")
