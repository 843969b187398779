"""The shape that nearly all lines of a JSON Lines file have: a pattern takes their values in a fraction of the time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from types import NoneType
from typing import Final

WIDEST: Final = 200  # keys: a pattern of more takes long to compile
# A value whose text, as `nsync.read.records.text_of` gives it, is what stands in the line; or null, whose text is "".
_TEXT: Final = r'(?:"([^"\\\x00-\x1f]*+)"|null)'
_NUMBER: Final = r"(?:(-?(?:0|[1-9][0-9]{0,17}+)\.(?=0*+[1-9])[0-9]{1,6}+|0|-?[1-9][0-9]{0,17}+)|null)"
_TRUTH: Final = "(?:(true|false)|null)"


class Shape:
    """
    Objects with just these keys in just this order, with texts, numbers or truth values and nothing to unescape.

    Args:
        kinds: For each key, in their order, the types of its values, as far as they are known.
    """

    def __init__(self, kinds: Mapping[str, set[type]]) -> None:
        pairs = ", ?+".join(f"{_key(key)}: ?+{_pattern(types)}" for key, types in kinds.items())
        self._lines = re.compile(rf"^(?:\{{{pairs}\}}\r?+|(.*+))\n", re.MULTILINE)

    def texts(self, lines: str) -> list[Sequence[str]]:
        """
        Take lines apart, each of which ends with a newline.

        Returns:
            For each of them the texts of its values, and ""; or, if it is of another shape, "" for each value, and the
            line.
        """
        rows: list[Sequence[str]] = self._lines.findall(lines)
        return rows


def _pattern(kinds: set[type]) -> str:
    kinds = kinds - {NoneType}
    if kinds == {bool}:
        return _TRUTH
    return _NUMBER if kinds and kinds <= {int, Decimal} else _TEXT


def _key(key: str) -> str:
    spellings = dict.fromkeys((json.dumps(key, ensure_ascii=False), json.dumps(key)))
    return f"(?:{'|'.join(map(re.escape, spellings))})"
