"""Rows that a sync would refuse, each counted once, whatever is wrong with it."""

from __future__ import annotations

from typing import Final

from nsync.spool import Spool

SCHEMA: Final = "CREATE TABLE failed (ordinal INTEGER PRIMARY KEY);"
_ADD: Final = "INSERT OR IGNORE INTO failed VALUES (?)"


class Failing:
    """Notes the numbers of rows, on disk."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def add(self, ordinal: int) -> None:
        """Note a row."""
        self._spool.execute(_ADD, (ordinal,))

    def add_all(self, query: str) -> None:
        """Note the rows whose numbers a query gives."""
        self._spool.execute(f"INSERT OR IGNORE INTO failed {query}")

    def count(self) -> int:
        """Give how many rows were noted."""
        (count,) = self._spool.execute("SELECT count(*) FROM failed").fetchone()
        return int(count)
