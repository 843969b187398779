"""Run: the sources of a run, phase by phase, batch by batch, and what is committed. Part of the conductor."""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from django.db.models import Model

from nsync.actions import Action, Kind, Place
from nsync.ahead import Ahead, Told
from nsync.boundary import BatchBoundary, Keeper
from nsync.bycolumns import ByColumns
from nsync.changes import OutcomeKind
from nsync.decode.decoder import Decoder
from nsync.ending import EndRequest
from nsync.errors import RowError, SourceError
from nsync.executor import Executor
from nsync.options import SyncOptions
from nsync.policies import Phase, kinds_of, phase_of, settling_phase
from nsync.proofs import Proofs
from nsync.read.base import Source
from nsync.record.checkpoint import Where
from nsync.retrying import Retrying
from nsync.rows import Row, RowBatch
from nsync.signals import batch_applied

if TYPE_CHECKING:
    from nsync.steps import RowStep

logger = logging.getLogger(__name__)

Progress = Callable[[int, int, int], None]  # rows read, bytes read, bytes to read
_TELL_EVERY = 100  # rows between two calls of a Progress
_T = TypeVar("_T")


class Task(NamedTuple):
    """One source of a run, ready to be read."""

    number: int
    source: Source
    model: type[Model]
    system: str
    decoder: Decoder
    is_snapshot: bool = False  # its rows are the keys that a snapshot does not name


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
        retrying: Tries batches again that are committed by themselves.
        ending: Asked between such batches whether the run is to end.
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
        *,
        retrying: Retrying,
        ending: EndRequest,
    ) -> None:
        self.tasks = tasks
        self.snapshots = snapshots
        self.executor = executor
        self.options = options
        self.using = using
        self.phases = phases
        self.retrying = retrying
        self.ending = ending
        self.last_committed = ""  # in a dry run the one that would be
        self.is_withheld = False  # whether snapshots were left, because rows failed
        self.keeper: Keeper | None = None  # if each batch is committed by itself
        self.start = Where(0, 0, 0)
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

    def go_on(self, where: Where, last_committed: str, asked: Sequence[Sequence[str]]) -> None:
        """
        Begin later than at the start.

        Args:
            where: Before that, all is done.
            last_committed: As it was there.
            asked: For each source the kinds of actions that its rows have asked for (`asked`).
        """
        self.start, self.last_committed = where, last_committed
        for task, kinds in zip(self.tasks, asked, strict=True):
            self._asked[task].update(map(Kind, kinds))

    def execute(self) -> None:
        """
        Run every phase over every source, from where the run has to go on.

        Raises:
            Stop: One row too many failed.
            Aborted: With a transaction per batch, a batch had failed rows, and they are not to be skipped.
            SourceError, TransientError: The run cannot go on.
            Ended: It was asked to end, between two batches that are committed by themselves.
        """
        settling = settling_phase(self.phases)
        for number in range(len(self.phases)):
            for task in self.tasks:
                if (number, task.number) >= self.start[:2] and (not number or self._is_asked(task, number)):
                    self._run_source(task, number)
                else:
                    self._bytes_done += task.source.size
                    self._show(0)
            if number == settling and number >= self.start.phase:
                self._settle(number)
        self.take_away()

    def take_away(self) -> None:
        """Take away what snapshots do not name, if there are any."""
        if self.snapshots:
            from nsync.snapshots import take_away  # most runs have none

            self.is_withheld = not take_away(self, self.snapshots)

    def _run_source(self, task: Task, number: int) -> None:
        if self.commits_batches:
            self.ending.check()
        proofs = self._proofs_of(task)
        count = self.start.row if (number, task.number) == self.start[:2] else 0
        position = 0
        kinds = self._kinds[number] if self._kinds else frozenset()
        batches = Ahead(proofs.start(kinds, count), task.source, count)
        if self.executor.engines[task.number].writes_columns:
            # The project's receivers, and other processes between commits, may change anything from batch to batch.
            is_alone = not self.commits_batches and not batch_applied.has_listeners()
            self.by_columns(task).start(batches.peek if is_alone else None)
        with proofs.watching():
            for batch in batches:
                tell = partial(Told, self._tell_many, position, batches.position, len(batch))
                told = self._tried(task, number, batch, tell)
                position = batches.position
                count = _where(number, task, batch, told).row
                self._say_applied(task, count, number)
                if proofs.is_disturbed():
                    batches.go_on_with(proofs.give_up(count))
        if left := proofs.note_rest():
            self._tell_many(left, task.source.position)
            self._say_applied(task, count + left, number)
        self._bytes_done += task.source.size
        self._bytes_total = self._bytes_total or self._sum_bytes()  # by now the end of a stream may be known

    def _tried(self, task: Task, number: int, batch: RowBatch, tell: Callable[[], Told]) -> Told:
        """Run a batch, again if it is a transaction of its own that meets a conflict."""
        proofs = self._proofs_of(task)
        noted = proofs.noted
        stop = batch.ordinals[-1] + 1 if batch else noted

        def forget() -> None:
            proofs.take_back(noted)
            if task in self._columns:
                self._columns[task].start(None)

        return self.committed(lambda: self._attempt(task, number, batch, tell()), [(task.number, noted, stop)], forget)

    def _attempt(self, task: Task, number: int, batch: RowBatch, told: Told) -> Told:
        """Run a batch, in a transaction if it has one of its own."""
        proofs = self._proofs_of(task)
        last = partial(_last_line, task.source, batch, told)
        with self.boundary(last, partial(_where, number, task, batch, told)):
            try:
                self._run_batch(task, number, batch, told, until_disturbed=proofs.depends)
            except BaseException:
                proofs.note(batch.ordinals[: told.rows + 1])  # the next one ended the run
                raise
            self._tell_many(proofs.note(batch.ordinals[: told.rows]), told.stop)
            if batch.error is not None and told.rows == len(batch):
                raise batch.error
        return told

    def _settle(self, number: int) -> None:
        """Try again what waits, which is a batch of its own."""
        if self.commits_batches and self.executor.accounts.waiting.is_empty:
            return

        def attempt() -> None:
            with self.boundary(lambda: "", partial(Where, number + 1, 0, 0)):
                self.settle()

        rows = ((task.number, 0, self.executor.accounts.ledger.rows(task.number)) for task in self.tasks)
        self.committed(attempt, rows, lambda: None)

    def committed(
        self, attempt: Callable[[], _T], rows: Iterable[tuple[int, int, int]], forget: Callable[[], None]
    ) -> _T:
        """
        Run a batch; if it is a transaction of its own, which others are in the way of, forget it and run it again.

        Args:
            attempt: Runs it, inside its boundary.
            rows: That it may touch, as `Accounts.mark` takes them.
            forget: Forgets what an attempt has noted elsewhere than in the accounts.
        """
        if not self.commits_batches:
            return attempt()
        accounts = self.executor.accounts
        mark = accounts.mark(rows)

        def take_back() -> None:
            accounts.take_back(mark)
            forget()

        try:
            return self.retrying.run(attempt, take_back)
        finally:
            accounts.keep()

    def _say_applied(self, task: Task, count: int, number: int) -> None:
        logger.debug("%s: %d rows, phase %d", task.source.name, count, number)
        batch_applied.send(sender=Run, source=task.source.name, rows=count, phase=number)

    def _run_batch(self, task: Task, number: int, batch: RowBatch, tell: Told, *, until_disturbed: bool) -> None:
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
        return not self._kinds or not self.asked(task).isdisjoint(self._kinds[number])

    def asked(self, task: Task) -> set[Kind]:
        """Give the kinds of actions that rows of a source have asked for."""
        asked = self._asked[task] | self._proofs_of(task).asked
        return asked | self._columns[task].asked if task in self._columns else asked

    def boundary(self, last: Callable[[], str], where: Callable[[], Where]) -> AbstractContextManager[None]:
        """
        Give the transaction around one batch, if each has its own.

        A dry run has it too, inside the one that is rolled back: it ends where the real run would (rule O4).

        Args:
            last: Asked for the last line, when the batch is done.
            where: And where the run stands then.
        """
        return nullcontext() if self.options.as_transaction else BatchBoundary(self, last, where)

    def _steps(self, task: Task, number: int, batch: RowBatch) -> Iterator["RowStep"]:
        """Give the rows of a batch, with the actions that belong to a phase."""
        asked = self._asked[task]
        for ordinal, row in batch:
            step = self._decoded(task, Place(task.number, ordinal, row.number), row)
            asked.update(action.kind for action in step.actions)
            step.actions = [action for action in step.actions if phase_of(self.phases, action) == number]
            yield step

    def _decoded(self, task: Task, place: Place, row: Row) -> "RowStep":
        """Decode a row; one that failed, waits or asks for nothing has no actions."""
        from nsync.steps import RowStep  # the planner, which rows that are decided by columns do not need

        accounts = self.executor.accounts
        if accounts.is_out(place):
            return RowStep(accounts, place, row, ())
        try:
            actions = task.decoder.decode(row, place)
        except RowError as error:
            return RowStep(accounts, place, row, (), error)
        return RowStep(accounts, place, row, actions, asks_for_nothing=not actions)

    def settle(self) -> None:
        """Try again what waits for a later row (rule R6)."""
        if not self.executor.accounts.waiting.is_empty:
            from nsync.settling import settle  # as above

            settle(self.executor, self.decode)

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

    def close_accounts(self, *, is_told: bool = True) -> None:
        """
        Give an outcome to the rows that no phase has run, so that the counts add up (rule O1).

        Args:
            is_told: Say why, too; for that there must be room on disk, or it raises TransientError.
        """
        for task in self.tasks:
            ledger = self.executor.accounts.ledger
            if next(ledger.untouched(task.number), None) is None:
                continue
            try:
                for ordinal, row in zip(range(ledger.rows(task.number)), task.source, strict=False):
                    self._ignore(Place(task.number, ordinal, row.number), is_told=is_told)
            except SourceError:  # it is what ended the run; the rows before it were read
                for ordinal in ledger.untouched(task.number):
                    self._ignore(Place(task.number, ordinal, 0), is_told=is_told)

    def _ignore(self, place: Place, *, is_told: bool) -> None:
        ledger = self.executor.accounts.ledger
        if ledger.kind(place) is None and not is_told:
            ledger.note(place, OutcomeKind.IGNORED)
        elif ledger.kind(place) is None:
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


def _where(number: int, task: Task, batch: RowBatch, told: Told) -> Where:
    """Say where a run stands after the rows of a batch that were run."""
    return Where(number, task.number, batch.ordinals[told.rows - 1] + 1)


def _last_line(source: Source, batch: RowBatch, told: Told) -> str:
    """Name the last line of a batch that was run."""
    return f"{source.name}:{batch.lines[told.rows - 1] if told.rows else 0}"
