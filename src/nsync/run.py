"""Run: the sources of a run, phase by phase, batch by batch, and what is committed. Part of the conductor."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from django.db import transaction
from django.db.models import Model

from nsync.actions import Action, Kind, Place
from nsync.bycolumns import ByColumns
from nsync.decode.decoder import Decoder
from nsync.errors import RowError, SourceError
from nsync.executor import Executor
from nsync.options import SyncOptions
from nsync.policies import Phase, kinds_of, phase_of, settling_phase
from nsync.proofs import Proofs
from nsync.read.base import Source
from nsync.rows import Row, RowBatch
from nsync.settling import settle
from nsync.signals import batch_applied
from nsync.steps import RowStep

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, int], None]  # rows read, bytes read, bytes to read
_TELL_EVERY = 100  # rows between two calls of a Progress


@dataclass(frozen=True, eq=False)
class Task:
    """One source of a run, ready to be read."""

    number: int
    source: Source
    model: type[Model]
    system: str
    decoder: Decoder
    is_snapshot: bool = False  # its rows are the keys that a snapshot does not name


class Aborted(Exception):
    """The transaction around must be rolled back: a dry run, or rows that failed (rule T4)."""


class Run:
    """
    Applies the rows of all sources.

    Args:
        tasks: The sources.
        executor: Applies and keeps account.
        options: What the run was asked to do.
        using: Alias of the database.
        phases: Of the policy.
        progress: Told every hundred rows how far the run has come.
        snapshots: What the sources turn out to lack, if each is the whole truth of its system.
    """

    def __init__(
        self,
        tasks: Sequence[Task],
        executor: Executor,
        options: SyncOptions,
        using: str,
        phases: Sequence[Phase],
        progress: Progress | None = None,
        snapshots: Sequence[Task] = (),
    ) -> None:
        self.tasks = tasks
        self.snapshots = snapshots
        self.executor = executor
        self.options = options
        self.using = using
        self.phases = phases
        self.last_committed = ""
        self.is_withheld = False  # whether snapshots were left, because rows failed
        self._kinds = kinds_of(phases) or []
        self._columns: dict[Task, ByColumns] = {}
        self._asked: dict[Task, set[Kind]] = {task: set() for task in tasks}  # by rows that were decoded one by one
        self._proofs: dict[Task, Proofs] = {}
        self._progress = progress
        self._rows_read = 0
        self._bytes_done = self._bytes_shown = 0
        self._bytes_total = self._sum_bytes()

    @property
    def commits_batches(self) -> bool:
        """Whether each batch is a transaction of its own (rule T3)."""
        return not self.options.as_transaction and not self.options.dry_run

    def execute(self) -> None:
        """
        Run every phase over every source.

        Raises:
            Stop: One row too many failed.
            Aborted: With a transaction per batch, a batch had failed rows, and they are not to be skipped.
            SourceError, TransientError: The run cannot go on.
        """
        settling = settling_phase(self.phases)
        for number in range(len(self.phases)):
            for task in self.tasks:
                if not number or self._is_asked(task, number):
                    self._run_source(task, number)
                else:
                    self._bytes_done += task.source.size
                    self._show(0)
            if number == settling:
                with self.boundary(lambda: ""):
                    settle(self.executor, self.decode)
        self.take_away()

    def take_away(self) -> None:
        """Take away what snapshots do not name, unless rows failed: those may be what it misses."""
        if self.snapshots and not self.phases:  # a policy that walks may have left rows unread, which may be wrong, too
            deque(self.walk(), maxlen=0)
        is_despite = self.options.on_error == "skip" and self.options.snapshot_despite_errors
        self.is_withheld = bool(self.snapshots and self.executor.accounts.failed) and not is_despite
        if self.snapshots and not self.is_withheld:
            from nsync.snapshots import take_away  # most runs have none

            take_away(self, self.snapshots)

    def _run_source(self, task: Task, number: int) -> None:
        proofs = self._proofs_of(task)
        count = position = 0
        batches = _Ahead(proofs.start(self._kinds[number] if self._kinds else frozenset()), task.source)
        if self.executor.engines[task.number].writes_columns:
            # The project's receivers, and other processes between commits, may change anything from batch to batch.
            is_alone = not self.commits_batches and not batch_applied.has_listeners()
            self.by_columns(task).start(batches.peek if is_alone else None)
        with proofs.watching():
            for batch in batches:
                told = _Told(self._tell_many, position, batches.position, len(batch))
                with self.boundary(partial(_last_line, task.source, batch, told)):
                    try:
                        self._run_batch(task, number, batch, told, until_disturbed=proofs.depends)
                    except BaseException:
                        proofs.note(batch.ordinals[: told.rows + 1])  # the next one ended the run
                        raise
                    self._tell_many(proofs.note(batch.ordinals[: told.rows]), batches.position)
                    if batch.error is not None and told.rows == len(batch):
                        raise batch.error
                position = batches.position
                count = batch.ordinals[told.rows - 1] + 1
                self._say_applied(task, count, number)
                if proofs.is_disturbed():
                    batches.go_on_with(proofs.give_up(count))
        if left := proofs.note_rest():
            self._tell_many(left, task.source.position)
            self._say_applied(task, count + left, number)
        self._bytes_done += task.source.size
        self._bytes_total = self._bytes_total or self._sum_bytes()  # by now the end of a stream may be known

    def _say_applied(self, task: Task, count: int, number: int) -> None:
        logger.debug("%s: %d rows, phase %d", task.source.name, count, number)
        batch_applied.send(sender=Run, source=task.source.name, rows=count, phase=number)

    def _run_batch(self, task: Task, number: int, batch: RowBatch, tell: _Told, *, until_disturbed: bool) -> None:
        if not batch or not self.executor.engines[task.number].writes_columns:
            self.executor.run(self._steps(task, number, batch), tell, until_disturbed=until_disturbed)
            return

        def rest(start: int, stop: int) -> None:
            self.executor.run(self._steps(task, number, batch.part(start, stop)), tell)

        self.by_columns(task).run(batch, self._kinds[number], rest, tell)

    def by_columns(self, task: Task) -> ByColumns:
        """Give what runs the rows of a source by columns."""
        if task not in self._columns:
            executor = self.executor
            self._columns[task] = ByColumns(
                task.number, task.decoder, executor.resolver, executor.accounts, executor.recorder
            )
        return self._columns[task]

    def _proofs_of(self, task: Task) -> Proofs:
        if task not in self._proofs:
            is_only = len(self.tasks) == 1
            self._proofs[task] = Proofs(task.number, task.source, task.decoder, self.executor, is_only=is_only)
        return self._proofs[task]

    def _is_asked(self, task: Task, number: int) -> bool:
        """Whether a row of a source, all of which an earlier phase has read, asks for what a phase does."""
        asked = self._asked[task] | self._proofs_of(task).asked
        if task in self._columns:
            asked |= self._columns[task].asked
        return not self._kinds or not asked.isdisjoint(self._kinds[number])

    def boundary(self, last: Callable[[], str]) -> AbstractContextManager[Any]:
        """Give the transaction around one batch, if each has its own; when it is done, ask what its last line was."""
        return _BatchBoundary(self, last) if self.commits_batches else nullcontext()

    def _steps(self, task: Task, number: int, batch: RowBatch) -> Iterator[RowStep]:
        """Give the rows of a batch, with the actions that belong to a phase."""
        asked = self._asked[task]
        for ordinal, row in batch:
            step = self._decoded(task, Place(task.number, ordinal, row.number), row)
            asked.update(action.kind for action in step.actions)
            step.actions = [action for action in step.actions if phase_of(self.phases, action) == number]
            yield step

    def _decoded(self, task: Task, place: Place, row: Row) -> RowStep:
        """Decode a row; one that failed, waits or asks for nothing has no actions."""
        accounts = self.executor.accounts
        if accounts.is_out(place):
            return RowStep(accounts, place, row, ())
        try:
            actions = task.decoder.decode(row, place)
        except RowError as error:
            return RowStep(accounts, place, row, (), error)
        return RowStep(accounts, place, row, actions, asks_for_nothing=not actions)

    def decode(self, row: Row, place: Place) -> list[Action]:
        """Give the create and update actions of a row that waited; what it asks for, all phases together."""
        actions = self.tasks[place.source].decoder.decode(row, place)
        return [action for action in actions if action.kind is not Kind.DELETE]

    def walk(self) -> Iterator[Action]:
        """Give the actions of all sources in file order, one by one, for a policy that walks them (rule P1)."""
        for task in self.tasks:
            for ordinal, row in enumerate(task.source):
                self._tell(task.source.position)
                step = self._decoded(task, Place(task.number, ordinal, row.number), row)
                self.executor.accounts.ledger.see(step.place)
                if step.error is not None:
                    step.failed(step.error)
                elif step.is_idle:
                    step.idle()
                yield from step.actions

    def _sum_bytes(self) -> int:
        """Give the bytes that all phases will read; 0 while the size of a source is not known."""
        if not all(task.source.size for task in self.tasks):
            return 0
        return sum(task.source.size for task in self.tasks) * max(len(self.phases), 1)

    def close_accounts(self) -> None:
        """Give an outcome to the rows that no phase has run, so that the counts add up (rule O1)."""
        for task in self.tasks:
            ledger = self.executor.accounts.ledger
            if next(ledger.untouched(task.number), None) is None:
                continue
            try:
                for ordinal, row in zip(range(ledger.rows(task.number)), task.source, strict=False):
                    self._ignore(Place(task.number, ordinal, row.number))
            except SourceError:  # it is what ended the run; the rows before it were read
                for ordinal in ledger.untouched(task.number):
                    self._ignore(Place(task.number, ordinal, 0))

    def _ignore(self, place: Place) -> None:
        if self.executor.accounts.ledger.kind(place) is None:
            message = "the run ended, or its policy passed over the row, before it was applied"
            self.executor.accounts.ignore(place, "not-executed", message)

    def _tell(self, position: int) -> None:
        """Count a row as run; from time to time, say so. The position is in bytes, in the current source."""
        self._tell_many(1, position)

    def _tell_many(self, count: int, position: int) -> None:
        before = self._rows_read // _TELL_EVERY
        self._rows_read += count
        if self._rows_read // _TELL_EVERY > before:
            self._show(position)

    def _show(self, position: int) -> None:
        if self._progress is not None:
            ledger = self.executor.accounts.ledger
            rows = sum(ledger.rows(task.number) for task in self.tasks)  # each once, whatever the phase
            # Where rows are looked at after all, their source is read from its start again.
            self._bytes_shown = max(self._bytes_shown, self._bytes_done + position)
            self._progress(rows, self._bytes_shown, self._bytes_total)


class _Ahead:
    """Batches of a source; those that follow can be seen before it is their turn."""

    def __init__(self, batches: Iterator[RowBatch], source: Source) -> None:
        self.position = 0  # in the source, where the batch given last ends
        self._batches = batches
        self._source = source
        self._held: deque[tuple[RowBatch, int]] = deque()

    def __iter__(self) -> Iterator[RowBatch]:
        while self._hold(1):
            batch, self.position = self._held.popleft()
            yield batch

    def go_on_with(self, batches: Iterator[RowBatch]) -> None:
        """Give other batches from now on."""
        self._held.clear()
        self._batches = batches

    def peek(self, count: int) -> list[RowBatch]:
        """Give the next batches: at most so many, and those only that can be read without an error."""
        self._hold(count)
        return [batch for batch, _ in islice(self._held, count) if batch.error is None]

    def _hold(self, count: int) -> bool:
        """Read on until so many batches are held; False if there are none."""
        while len(self._held) < count and (batch := next(self._batches, None)) is not None:
            self._held.append((batch, self._source.position))
        return bool(self._held)


class _Told:
    """
    How many rows of a batch were run, in order; called with a number of more rows.

    The whole batch is read before its first row is run: progress goes evenly over its rows, from one position in the
    source to the other.
    """

    def __init__(self, tell: Callable[[int, int], None], start: int, stop: int, count: int) -> None:
        self.rows = 0
        self._tell = tell
        self._start = start
        self._step = (stop - start) / max(count, 1)

    def __call__(self, rows: int = 1) -> None:
        self.rows += rows
        self._tell(rows, self._start + round(self.rows * self._step))


class _BatchBoundary:
    """The transaction around one batch, when each batch is committed by itself (rules T3, T4)."""

    def __init__(self, run: Run, last: Callable[[], str]) -> None:
        self._run = run
        self._last = last
        self._atomic = transaction.atomic(using=run.using)
        self._failed = run.executor.accounts.failed

    def __enter__(self) -> None:
        self._atomic.__enter__()

    def __exit__(self, *error: Any) -> None:
        try:
            self._end(is_kept=error[0] is None)
        except BaseException as ended:
            self._atomic.__exit__(type(ended), ended, ended.__traceback__)
            raise
        self._atomic.__exit__(*error)
        if error[0] is None and (last := self._last()):
            self._run.last_committed = last

    def _end(self, *, is_kept: bool) -> None:
        """Record what was written, before it is committed; raises Aborted if it must not be."""
        executor = self._run.executor
        is_refused = executor.accounts.failed > self._failed and self._run.options.on_error != "skip"
        executor.end_batch(is_kept=is_kept and not is_refused)
        if is_kept and is_refused:
            raise Aborted


def _last_line(source: Source, batch: RowBatch, told: _Told) -> str:
    """Name the last line of a batch that was run."""
    return f"{source.name}:{batch.lines[told.rows - 1] if told.rows else 0}"
