"""Row: what a source says, before anything is interpreted."""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple


class _Missing(Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing.MISSING  # an absent cell; an empty cell is "" and a database null is None
REJECTS_COLUMNS: Final = ("nsync_line", "nsync_code", "nsync_message")  # last in a rejects file (rule O3)


class Row(NamedTuple):
    """One record as the source gave it; nothing is interpreted yet."""

    number: int  # 1-based, as an editor shows it: the header of a CSV file is line 1
    header: tuple[str, ...]  # for CSV one tuple, shared by every row, so that a row stays small
    values: tuple[object, ...]  # str from CSV; MISSING for an absent cell; longer than header: extra cells
