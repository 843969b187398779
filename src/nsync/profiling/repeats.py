"""Keys and matches that occur more than once in a file; and what a file itself holds of that to which it refers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, NamedTuple

from nsync.actions import EMPTY, Action, Combined, Match, Operand
from nsync.profiling.findings import MOST_EXAMPLES
from nsync.spool import Spool

KEY: Final = 0  # kinds of values; those from FIRST_FIELD on are values of fields
MATCH: Final = 1
MAPPED: Final = 2  # keys that rows map to objects
FIRST_FIELD: Final = 3

# On disk beyond some megabytes; nothing of it outlives the process.
SCHEMA: Final = """
PRAGMA journal_mode = OFF;
CREATE TABLE seen (
    kind INTEGER, value BLOB, first INTEGER, last INTEGER, times INTEGER, PRIMARY KEY (kind, value)
) WITHOUT ROWID;
"""
_ADD: Final = """
INSERT INTO seen VALUES (?, ?, ?, ?, 1)
ON CONFLICT (kind, value) DO UPDATE SET last = excluded.last, times = times + 1
"""
_REPEATED: Final = "SELECT value, first, last, times FROM seen WHERE kind = ? AND times > 1 ORDER BY first LIMIT ?"
_HAS: Final = "SELECT 1 FROM seen WHERE kind = ? AND value = ? AND times >= ?"


class Repeat(NamedTuple):
    """A value that several rows have."""

    value: str
    first: int  # lines
    last: int
    times: int


class Repeats:
    """Notes the keys and matches of rows, on disk."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    def add(self, action: Action) -> None:
        """Note key and match of a row."""
        line = action.place.line
        if action.key:
            self.hold(KEY, action.key, line)
        if action.match is not None:
            self.hold(MATCH, text_of_match(action.match), line)

    def has(self, action: Action, times: int = 1) -> bool:
        """Whether the key or the match of a row was noted so many times."""
        found = [(KEY, action.key)] if action.key else []
        if action.match is not None:
            found.append((MATCH, text_of_match(action.match)))
        return any(self._spool.execute(_HAS, (kind, pack_text(value), times)).fetchone() for kind, value in found)

    def hold(self, kind: int, value: str, line: int) -> None:
        """Note a value; raises TransientError if the disk is full."""
        packed = pack_text(value)
        self._spool.execute(_ADD, (kind, packed, line, line))

    def count(self, kind: int) -> int:
        """Give how many values occur more than once."""
        (count,) = self._spool.execute("SELECT count(*) FROM seen WHERE kind = ? AND times > 1", (kind,)).fetchone()
        return int(count)

    def examples(self, kind: int) -> Iterator[Repeat]:
        """Give the first values that occur more than once."""
        for value, first, last, times in self._spool.execute(_REPEATED, (kind, MOST_EXAMPLES)):
            yield Repeat(unpack_text(value), first, last, times)


def pack_text(text: str) -> bytes:
    """Give text as the temporary database holds it, also one that is no Unicode, as JSON may have it."""
    return text.encode("utf-8", "surrogatepass")


def unpack_text(packed: bytes) -> str:
    """Give back what `pack_text` was given."""
    return packed.decode("utf-8", "surrogatepass")


def text_of_value(value: object) -> str:
    """Give one text for all values that are equal."""
    if value is EMPTY:
        return ""
    return format(value.normalize(), "f") if isinstance(value, Decimal) else str(value)


def text_of_match(match: Match | None) -> str:
    """Give the values that a match compares with, from left to right; "" if there is none."""
    return ", ".join(lookup.key if lookup else text_of_value(one.value) for one, lookup in operands_of(match))


def operands_of(match: Match | None) -> Iterator[Operand]:
    """Give the leaves of a match, from left to right."""
    if isinstance(match, Combined):
        for node in match.nodes:
            yield from operands_of(node)
    elif match is not None:
        yield match
