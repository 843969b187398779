"""Temporary databases on disk, for what must not be held in memory: details, failed rows, waiting rows."""

from __future__ import annotations

import pickle
import sqlite3
from typing import Any


class _Spool(sqlite3.Connection):
    """Closes itself with what it belongs to: a report can be asked for its details as long as it lives."""

    def __del__(self) -> None:
        self.close()


def open_spool(schema: str) -> sqlite3.Connection:
    """Give a new temporary database, which spills to disk by itself and goes when it is closed."""
    # "": a temporary file of its own. A report may be read, or end, in another thread than its run's.
    spool = sqlite3.connect("", isolation_level=None, check_same_thread=False, factory=_Spool)
    spool.executescript("PRAGMA journal_mode = MEMORY;" + schema)
    return spool


def pack(values: tuple[object, ...]) -> bytes:
    """Give values as bytes."""
    return pickle.dumps(tuple(values))


def unpack(packed: bytes) -> tuple[Any, ...]:
    """Give back what `pack` was given."""
    values: tuple[Any, ...] = pickle.loads(packed)  # noqa: S301  # pack() wrote it, in this process
    return values
