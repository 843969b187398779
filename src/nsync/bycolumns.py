"""ByColumns: rows read, decided and written by whole columns, as if one after the other. Part of the conductor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence

from django.core.exceptions import FieldError

from nsync.accounts import Accounts
from nsync.actions import Kind, kinds_asked
from nsync.apply.base import Changed
from nsync.apply.columns import ColumnWriter
from nsync.columns import Columns, Wanted
from nsync.decode.columns import ColumnReader
from nsync.decode.decoder import Decoder
from nsync.errors import RowError
from nsync.fields import concrete_model
from nsync.plan import columnremoval
from nsync.plan.columnfacts import ColumnFacts
from nsync.plan.columnremoval import decide_removal
from nsync.plan.columns import ColumnRules, can_match
from nsync.plan.resolve import Resolver
from nsync.recording import Recorder
from nsync.rows import RowBatch

_FEW = 2  # peculiar rows that never make a whole batch peculiar
_SHARE = 100  # nor does one of so many

Ahead = Callable[[int], Sequence[RowBatch]]  # gives at most so many batches that follow
Rest = Callable[[int, int], None]  # first row, and the one after the last


class ByColumns:
    """
    Runs the rows of one source.

    Args:
        number: Of the source in the run.
        decoder: Of the source.
        resolver: Asks the database.
        accounts: Of the run.
        recorder: Is told what was written, if anybody is.
    """

    def __init__(
        self, number: int, decoder: Decoder, resolver: Resolver, accounts: Accounts, recorder: Recorder | None
    ) -> None:
        layout = decoder.layout
        model = concrete_model(layout.model)
        self._source = number
        self._model = model
        self._accounts = accounts
        self.asked: set[Kind] = set()  # what ordinary rows have asked for
        self._can_remove = not columnremoval.unfit(model)
        self._ahead: Ahead | None = None
        self._expects_new = False  # whether the rows before were all new
        self._expects_lone = True  # whether the objects that rows before have deleted all went alone
        self._reader = ColumnReader(decoder)
        self._facts = ColumnFacts(resolver, model, layout.system)
        self._rules = ColumnRules(model, folds_text=resolver.folds_text)
        self._writer = ColumnWriter(resolver.identities, model, layout.system, number, recorder)

    def start(self, ahead: Ahead | None) -> None:
        """
        Begin a phase: what other sources and phases have done lies in between.

        Args:
            ahead: Gives batches that follow; None: what their references find may change before it is their turn.
        """
        self._facts.forget()
        self._ahead = ahead if self._facts.looks_ahead else None

    def run(self, batch: RowBatch, kinds: Collection[Kind], rest: Rest, tell: Callable[[int], None]) -> None:
        """
        Run consecutive rows, in order: ordinary ones by columns, peculiar ones as `rest` does.

        Args:
            batch: The rows.
            kinds: Of the actions that this phase runs.
            rest: Runs some of the rows one by one, and tells of them.
            tell: Called with a number of rows that were run.
        """
        start = 0
        while start < len(batch):
            done, peculiar = self._run(batch.part(start, len(batch)) if start else batch, kinds)
            if done:
                tell(done)
            start += done
            if peculiar:
                rest(start, start + peculiar)
                self._facts.forget()
            start += peculiar

    def _run(self, batch: RowBatch, kinds: Collection[Kind]) -> tuple[int, int]:
        """Run rows up to the first that is peculiar; give their number, and that of the rows up to the last such."""
        count = len(batch)
        columns = self._reader.read(batch)
        if columns is not None:
            self.asked |= kinds_asked(columns.flags)
        if columns is None or self._is_awaited(columns) or not can_match(self._model, columns.match):
            return 0, count
        ordinals = batch.ordinals
        columns.peculiar |= self._accounts.ledger.out_of(self._source, ordinals)
        if _is_much(columns.peculiar, count):
            return 0, count
        if columns.flags.delete:
            return self._remove(columns, batch, kinds)
        creates = columns.flags.create and Kind.CREATE in kinds
        updates = columns.flags.update and Kind.UPDATE in kinds
        if not creates and not updates:
            return self._pass_over(ordinals, columns)
        try:
            self._facts.foresee(columns.wanted, self._wanted_later if self._ahead else None)
        except (FieldError, OverflowError, ValueError):  # a value that no database can be asked for
            return 0, count
        done = None
        if self._expects_new and self._facts.can_assume_new(columns):
            done = self._apply(columns, batch, creates, updates, assumes_new=True)
        if done is None:
            done = self._apply(columns, batch, creates, updates, assumes_new=False)
        return done or (0, count)

    def _wanted_later(self, count: int) -> Iterator[Sequence[Wanted]]:
        """Give the references of at most so many batches that follow."""
        return map(self._reader.wanted, self._ahead(count) if self._ahead else ())

    def _remove(self, columns: Columns, batch: RowBatch, kinds: Collection[Kind]) -> tuple[int, int]:
        """Run rows that delete."""
        ordinals = batch.ordinals
        if Kind.DELETE not in kinds:
            return self._pass_over(ordinals, columns)
        if not columns.keys or not self._can_remove:
            return 0, columns.count
        if self._remove_alone(columns, batch.lines):
            self._accounts.note_removed(self._source, ordinals, self._model)
            return columns.count, 0
        try:
            removed, peculiar = decide_removal(columns, self._facts.ask_of_removed(columns))
        except (FieldError, OverflowError, ValueError):  # a value that no database can be asked for
            return 0, columns.count
        if _is_much(peculiar, columns.count):
            return 0, columns.count
        stop = min(peculiar, default=columns.count)
        if stop:
            try:
                self._writer.remove(removed, columns.names, batch.lines)
            except (Changed, RowError):
                return 0, columns.count
            self._accounts.note_removed(self._source, ordinals[:stop], self._model)
        self._expects_lone = not peculiar
        return _extent(stop, peculiar)

    def _remove_alone(self, columns: Columns, lines: Sequence[int]) -> bool:
        """Delete what goes alone, if all does; this asks less than to decide for each row."""
        if not self._expects_lone or columns.peculiar or (columns.match and not columns.flags.force):
            return False
        self._expects_lone = False
        try:
            removed = self._facts.ask_of_lone(columns)
            if removed is None:
                return False
            line_of = dict(zip(columns.keys, lines, strict=True))
            self._writer.remove_alone(removed, [line_of[key] for key in removed.keys])
        except (Changed, RowError, FieldError, OverflowError, ValueError):
            return False
        self._expects_lone = True
        return True

    def _apply(
        self, columns: Columns, batch: RowBatch, creates: bool, updates: bool, *, assumes_new: bool
    ) -> tuple[int, int] | None:
        """Decide and write; None if that cannot be done by columns, or not on this assumption."""
        try:
            facts = self._facts.assume_new(columns) if assumes_new else self._facts.ask(columns)
        except (FieldError, OverflowError, ValueError):  # a value that no database can be asked for
            return None
        decided = self._rules.decide(columns, facts, creates=creates, updates=updates)
        peculiar = decided.peculiar
        if _is_much(peculiar, columns.count):
            return None
        stop = min(peculiar, default=columns.count)
        if peculiar:
            decided = decided.before(stop)
        try:
            if decided.changes_something:
                self._writer.write(decided, columns.keys[:stop], batch.lines[:stop])
        except (Changed, RowError):
            self._expects_new = False
            return None
        self._expects_new = len(decided.new.rows) == columns.count
        if stop:
            self._accounts.note_columns(self._source, batch.ordinals[:stop], decided, self._model)
        return _extent(stop, peculiar)

    def _pass_over(self, ordinals: Sequence[int], columns: Columns) -> tuple[int, int]:
        """Rows that this phase does nothing for."""
        peculiar = columns.peculiar
        stop = min(peculiar, default=columns.count)
        if stop:
            self._accounts.ledger.see_many(self._source, ordinals[stop - 1] + 1)
        return _extent(stop, peculiar)

    def _is_awaited(self, columns: Columns) -> bool:
        """Whether rows before these wait for relations that these speak of (rule R6)."""
        return any(self._accounts.waiting.knows(wanted.relation.name) for wanted in columns.wanted)


def _is_much(peculiar: Collection[int], count: int) -> bool:
    """Whether there are so many peculiar rows that all are better planned one by one."""
    return len(peculiar) > max(_FEW, count // _SHARE)


def _extent(stop: int, peculiar: Collection[int]) -> tuple[int, int]:
    """Give how many rows come before the first that is peculiar, and how many from it to the last such."""
    return stop, max(peculiar) + 1 - stop if peculiar else 0
