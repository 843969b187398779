"""Rows of which it must be known whether their objects are there, to say whether they would fail."""

from __future__ import annotations

from typing import Final, NamedTuple

from nsync.actions import Action
from nsync.profiling.failing import Failing
from nsync.profiling.findings import Example, Notebook
from nsync.profiling.needed import Needed, needs_mapping
from nsync.profiling.repeats import KEY, Repeats, pack_text
from nsync.profiling.standing import Stand, Standing
from nsync.spool import Spool

SCHEMA: Final = "CREATE TABLE unmapped (ordinal INTEGER PRIMARY KEY, line INTEGER, key BLOB);"
_TAKE_REPEATED: Final = f"""
DELETE FROM unmapped WHERE EXISTS (SELECT 1 FROM seen WHERE kind = {KEY} AND value = unmapped.key AND times > 1)
"""
_AT_ONCE: Final = 2_000  # rows that the database is asked for together


class _Doubt(NamedTuple):
    action: Action
    missing: tuple[tuple[str, str], ...]  # header or field, why it is missing
    is_repeated: bool  # an earlier row may have made its object


class Doubts:
    """
    Notes rows without a value that a new object needs (rule V3), and such as need a mapping (I3, A5).

    Args:
        needed: What the rows must say.
        standing: Asks the database; None: it is not asked.
        repeats: Knows the keys and matches of all rows.
        spool: Where rows without a mapping are kept until all are read.
        notebook: Where findings go.
        failing: Where rows go that would fail.
    """

    def __init__(
        self,
        needed: Needed,
        standing: Standing | None,
        repeats: Repeats,
        spool: Spool,
        notebook: Notebook,
        failing: Failing,
    ) -> None:
        self._needed = needed
        self._standing = standing
        self._repeats = repeats
        self._spool = spool
        self._notebook = notebook
        self._failing = failing
        self._pending: list[_Doubt] = []

    def add(self, action: Action) -> None:
        """Take in a row, before its key and match are noted; asks the database now and then."""
        missing = tuple(self._needed.missing(action)) if action.flags.create else ()
        if missing or (needs_mapping(action) and self._standing is not None):
            self._pending.append(_Doubt(action, missing, bool(missing) and self._repeats.has(action)))
        if len(self._pending) >= _AT_ONCE:
            self._settle()

    def note(self) -> None:
        """Note what is left; after the last row."""
        self._settle()
        self._spool.execute(_TAKE_REPEATED)
        message = "all values to match by are empty, and the key is not mapped"
        for ordinal, line in self._spool.execute("SELECT ordinal, line FROM unmapped ORDER BY ordinal"):
            self._notebook.note("", "empty-match", Example(line, "", message), is_error=True)
            self._failing.add(ordinal)

    def _settle(self) -> None:
        pending, self._pending = self._pending, []
        stands: list[Stand] = [Stand()] * len(pending)
        if self._standing is not None:
            stands = self._standing.of([doubt.action for doubt in pending])
        for doubt, stand in zip(pending, stands, strict=True):
            if doubt.missing and not stand.is_there:
                self._note_missing(doubt)
            is_known = stand.is_mapped if doubt.action.flags.delete else stand.is_linked
            if needs_mapping(doubt.action) and not is_known:
                place = doubt.action.place
                row = (place.ordinal, place.line, pack_text(doubt.action.key))
                self._spool.execute("INSERT INTO unmapped VALUES (?, ?, ?)", row)

    def _note_missing(self, doubt: _Doubt) -> None:
        """Note an object that cannot be made; an error if none is there that keeps its value."""
        flags, place = doubt.action.flags, doubt.action.place
        is_error = not doubt.is_repeated and (self._standing is not None or not flags.update)
        for header, why in doubt.missing:
            self._notebook.note(header, "required", Example(place.line, "", why), is_error=is_error)
        if is_error:
            self._failing.add(place.ordinal)
