"""Temporary databases on disk, for what must not be held in memory: details, failed rows, waiting rows."""

from __future__ import annotations

import pickle
import sqlite3
from typing import Any, Final

from nsync.errors import TransientError

_FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN})


class Spool(sqlite3.Connection):
    """Closes itself with what it belongs to: a report can be asked for its details as long as it lives."""

    is_full = False  # there was no room on disk; what it holds cannot even be read any more

    def execute(self, *given: Any) -> sqlite3.Cursor:
        """
        Execute a statement.

        Raises:
            TransientError: There is no room on disk.
        """
        try:
            return super().execute(*given)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF not in _FULL:
                raise
            self.is_full = True
            what = "what is to be said of rows cannot be kept in a temporary file"
            raise TransientError(f"{what}: {error}; set SQLITE_TMPDIR to a folder with room, and run again") from error

    def mark(self) -> None:
        """Begin what `take_back` takes back; until `keep`."""
        self.execute("SAVEPOINT mark")

    def take_back(self) -> None:
        """Let all be as it was at the mark, which stays."""
        if self.in_transaction:  # it is over if the disk is full
            self.execute("ROLLBACK TO mark")

    def keep(self) -> None:
        """Remove the mark."""
        if self.in_transaction:
            self.execute("RELEASE mark")

    def __del__(self) -> None:
        self.close()


def open_spool(schema: str) -> Spool:
    """Give a new temporary database, which spills to disk by itself and goes when it is closed."""
    # "": a temporary file of its own. A report may be read, or end, in another thread than its run's. The journal of
    # such a file is in memory until it is large.
    spool = sqlite3.connect("", isolation_level=None, check_same_thread=False, factory=Spool)
    spool.executescript(schema)
    return spool


def pack(values: tuple[object, ...]) -> bytes:
    """Give values as bytes."""
    return pickle.dumps(tuple(values))


def unpack(packed: bytes) -> tuple[Any, ...]:
    """Give back what `pack` was given."""
    values: tuple[Any, ...] = pickle.loads(packed)  # noqa: S301  # pack() wrote it, in this process
    return values
