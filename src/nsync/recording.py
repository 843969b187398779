"""Rows of tables that were written: what a writer tells a recorder. Values only."""

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from django.db.models import Model

from nsync.changes import ChangeKind


class WrittenRows(NamedTuple):
    """
    Rows of one table that were written in the same way, column by column.

    All sequences have one item per row; `before` and `after` have one such sequence per name.
    """

    kind: ChangeKind  # INSERT, UPDATE or DELETE
    model: type[Model]  # of the table: each parent by inheritance has its own
    names: tuple[str, ...]  # attnames of its own columns, those that are known; of an UPDATE those that changed
    pks: Sequence[object]
    before: Sequence[Sequence[object]]  # none for INSERT
    after: Sequence[Sequence[object]]  # none for DELETE
    source: int
    lines: Sequence[int]


class KeptRow(NamedTuple):
    """One row of a table as the journal has it; values by attname, as Django gives them."""

    change: int  # primary key of the RecordedChange
    kind: ChangeKind
    label: str  # of the model of the table
    pk: object  # as text, where the model is gone
    before: dict[str, Any]
    after: dict[str, Any]
    hidden: tuple[str, ...]  # columns that were written too, whose values are not kept
    source: int
    line: int


class KeptBlock(NamedTuple):
    """Rows of one table as the journal has them together, all inserted or all deleted, column by column."""

    change: int  # primary key of the RecordedChange
    kind: ChangeKind
    label: str  # of the model of the table
    pks: Sequence[object]
    names: tuple[str, ...]  # attnames of the columns that are kept
    columns: Sequence[Sequence[object]]
    hidden: tuple[str, ...]  # columns that were written too, whose values are not kept
    source: int
    lines: Sequence[int]

    def rows(self) -> list[KeptRow]:
        """Give each row, in the order in which they were written."""
        found = []
        values = zip(*self.columns, strict=True) if self.columns else iter([()] * len(self.pks))
        for pk, line, cells in zip(self.pks, self.lines, values, strict=True):
            row = dict(zip(self.names, cells, strict=True))
            before, after = ({}, row) if self.kind is ChangeKind.INSERT else (row, {})
            found.append(KeptRow(self.change, self.kind, self.label, pk, before, after, self.hidden, self.source, line))
        return found


class Recorder(Protocol):
    """Keeps what was written."""

    def take(self, written: Sequence[WrittenRows]) -> None:
        """Keep what was written together, in its order; perhaps in memory, for now."""

    def flush(self) -> None:
        """Write what is held in memory; before a transaction ends."""

    def discard(self) -> None:
        """Forget what is held in memory: its transaction is rolled back."""
