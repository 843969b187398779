"""Ledger: one byte per row. What became of it, and whether it waits."""

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from nsync.actions import Place
from nsync.changes import OutcomeKind

_KINDS = tuple(OutcomeKind)  # strongest first (rule O1)
_NUMBERS = {kind: number for number, kind in enumerate(_KINDS, start=1)}  # 0: nothing yet
_KIND = 0x0F
_WAITS = 0x10
_PARTLY = 0x20
_AT_ONCE = 1_000_000  # rows that are given together
# Outcomes that leave something in the database: a later phase that fails makes the row partly applied (T2).
_APPLIED = frozenset(
    {OutcomeKind.CREATED, OutcomeKind.DELETED, OutcomeKind.UPDATED, OutcomeKind.RELEASED, OutcomeKind.LINKED}
)


def number_of(kind: OutcomeKind) -> int:
    """Give the number by which the ledger keeps an outcome."""
    return _NUMBERS[kind]


class Part(NamedTuple):
    """What a ledger kept of some rows."""

    source: int
    start: int  # the first of them
    rows: bytes
    read: int  # rows of the source that were read then


class Ledger:
    """Keeps the outcome of every row of a run: a byte each, in one array per source."""

    def __init__(self, sources: int) -> None:
        self._rows = [bytearray() for _ in range(sources)]
        self.forget_news()

    def _index(self, place: Place) -> bytearray:
        """Give the array of a row's source, long enough to hold it; something of the row is about to be noted."""
        source, ordinal, _ = place
        rows = self._rows[source]
        if len(rows) <= ordinal:
            rows.extend(bytes(ordinal + 1 - len(rows)))
        self._freshen(source, ordinal)
        return rows

    def _freshen(self, source: int, ordinal: int) -> None:
        if ordinal < self._first_new[source]:
            self._first_new[source] = ordinal
        if ordinal > self._last_new[source]:
            self._last_new[source] = ordinal

    def news(self) -> Iterator[tuple[int, int, bytes]]:
        """Give what is new since `forget_news`: a source, the first row, and what is noted from there on."""
        for source, (start, last) in enumerate(zip(self._first_new, self._last_new, strict=True)):
            for first in range(start, last + 1, _AT_ONCE):
                yield source, first, bytes(self._rows[source][first : min(first + _AT_ONCE, last + 1)])

    def forget_news(self) -> None:
        """From now on nothing is new."""
        self._first_new = [sys.maxsize] * len(self._rows)
        self._last_new = [-1] * len(self._rows)

    def put_back(self, source: int, first: int, noted: bytes) -> None:
        """Take what `news` gave."""
        rows = self._rows[source]
        rows.extend(bytes(max(0, first - len(rows))))
        rows[first : first + len(noted)] = noted

    def see(self, place: Place) -> None:
        """Count a row as read."""
        self._index(place)

    def note(self, place: Place, kind: OutcomeKind) -> None:
        """Note an outcome; of several outcomes of a row the strongest counts (rule O1)."""
        rows = self._index(place)
        byte = rows[place.ordinal]
        number = _NUMBERS[kind]
        held = byte & _KIND
        if kind is OutcomeKind.FAILED and held and _KINDS[held - 1] in _APPLIED:
            byte |= _PARTLY
        if not held or number < held:
            rows[place.ordinal] = byte & ~_KIND | number

    def see_many(self, source: int, count: int) -> None:
        """Count as many rows of a source as read, from the first."""
        if count:
            self._index(Place(source, count - 1, 0))

    def note_all(self, source: int, first: int, stop: int, kind: OutcomeKind) -> None:
        """Note one outcome of consecutive rows, none of which failed or waits."""
        self.note_many(source, range(first, stop), bytearray([_NUMBERS[kind]]) * (stop - first))

    def note_many(self, source: int, ordinals: Sequence[int], kinds: bytearray) -> None:
        """
        Note the outcomes of rows, none of which failed or waits.

        Args:
            source: Whose rows.
            ordinals: Of the rows, ascending; not none.
            kinds: One `number_of` each.
        """
        self.see_many(source, ordinals[-1] + 1)
        rows = self._rows[source]
        first, stop = ordinals[0], ordinals[-1] + 1
        self._freshen(source, first)
        if stop - first == len(kinds) and not any(rows[first:stop]):
            rows[first:stop] = kinds
            return
        for ordinal, number in zip(ordinals, kinds, strict=True):  # an earlier phase may have said more
            rows[ordinal] = min(number, rows[ordinal] or number)

    def out_of(self, source: int, ordinals: Sequence[int]) -> set[int]:
        """Give those of some rows that take no part any more, by their place among them: failed, or waiting."""
        rows = self._rows[source]
        if not ordinals or not any(rows[ordinals[0] : ordinals[-1] + 1]):
            return set()
        failed = _NUMBERS[OutcomeKind.FAILED]
        held = ((place, rows[ordinal]) for place, ordinal in enumerate(ordinals) if ordinal < len(rows))
        return {place for place, byte in held if byte & _KIND == failed or byte & _WAITS}

    def kind(self, place: Place) -> OutcomeKind | None:
        """Give the outcome of a row so far; this does not count it as read."""
        number = self._byte(place) & _KIND
        return _KINDS[number - 1] if number else None

    def wait(self, place: Place, waits: bool) -> None:
        """Note that a row waits whole, or no longer does (rule R6)."""
        rows = self._index(place)
        rows[place.ordinal] = rows[place.ordinal] | _WAITS if waits else rows[place.ordinal] & ~_WAITS

    def waits(self, place: Place) -> bool:
        """Whether a row waits whole: it takes no part in the phases before it is settled."""
        return bool(self._byte(place) & _WAITS)

    def _byte(self, place: Place) -> int:
        rows = self._rows[place.source]
        return rows[place.ordinal] if place.ordinal < len(rows) else 0

    def is_partly_applied(self, source: int, ordinal: int) -> bool:
        """Whether an earlier phase of a failed row was applied (rule T2)."""
        return bool(self._rows[source][ordinal] & _PARTLY)

    def copy(self, source: int, start: int, stop: int) -> Part:
        """Copy what is kept of some rows of a source."""
        rows = self._rows[source]
        return Part(source, start, bytes(rows[start:stop]), len(rows))

    def restore(self, part: Part) -> None:
        """Let rows be as they were when they were copied; later ones, and those not read then, were never read."""
        rows = self._rows[part.source]
        del rows[part.read :]
        rows[part.start : part.start + len(part.rows)] = part.rows

    def rows(self, source: int) -> int:
        """Give the number of rows read from a source."""
        return len(self._rows[source])

    def untouched(self, source: int) -> Iterator[int]:
        """Give the ordinals of the rows that have no outcome: no phase ran them, or they still wait."""
        rows = self._rows[source]
        for byte in (0, _WAITS):
            ordinal = rows.find(byte)
            while ordinal != -1:
                yield ordinal
                ordinal = rows.find(byte, ordinal + 1)

    def counts(self, source: int | None = None) -> dict[OutcomeKind, int]:
        """Count the outcomes of one source, or of all; only those that occur, strongest first."""
        numbers: Counter[int] = Counter()
        for rows in self._rows if source is None else [self._rows[source]]:
            numbers.update(rows)
        found: Counter[OutcomeKind] = Counter()
        for byte, count in numbers.items():
            if byte & _KIND:
                found[_KINDS[(byte & _KIND) - 1]] += count
        return {kind: found[kind] for kind in _KINDS if found[kind]}
