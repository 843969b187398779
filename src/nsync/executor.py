"""Executor: runs steps the way their source's engine does, and settles those that wait. Part of the conductor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING

from django.db.models import Model

from nsync.accounts import Accounts
from nsync.actions import Action
from nsync.apply.base import Changed, Writer, Written, row_writer
from nsync.changes import Change, New, ObjectId
from nsync.engines import ROW_BY_ROW, Engine
from nsync.errors import Problem, RowError
from nsync.identities import Identities
from nsync.options import SyncOptions
from nsync.plan.resolve import Answers, Resolver
from nsync.plan.rowplan import Plan, Wait
from nsync.plan.state import State, Unanswered
from nsync.recording import Recorder

if TYPE_CHECKING:
    from nsync.batches import Batches
    from nsync.steps import Step
    from nsync.watching import Watch

_ATTEMPTS = 5  # how often a row is planned anew because somebody else changed its object (rule T8)

PlanIt = Callable[[State], Plan]


def _tell_nobody() -> None:
    pass


class Executor:
    """
    Plans and writes what the rows of a run ask for.

    Args:
        identities: Knows the database of the run.
        options: What the run was asked to do.
        properties: Concrete model → names of its property columns.
        engines: Of each source, in order.
        recorder: Is told what is written, if anybody is.
    """

    def __init__(
        self,
        identities: Identities,
        options: SyncOptions,
        properties: Mapping[type[Model], tuple[str, ...]],
        engines: Sequence[Engine] = (ROW_BY_ROW,),
        recorder: Recorder | None = None,
    ) -> None:
        self.options = options
        self.engines = engines
        self.recorder = recorder
        self.accounts = Accounts(options, len(engines))
        self.resolver = Resolver(identities, properties)
        self._identities = identities
        self._writers: dict[bool, Writer] = {}
        self._batches: dict[Engine, Batches] = {}
        self.watch: Watch | None = None  # what rows write by themselves is compared with what was planned

    def apply(self, actions: Sequence[Action]) -> ObjectId | None:
        """
        Apply actions of one row: all of them, or none.

        Returns:
            The object that the row stands for, if there is one now.

        Raises:
            Stop: The row failed, and it was one too many.
            TransientError: The database gave up.
        """
        from nsync.steps import RowStep  # the planner, which rows that are decided by columns do not need

        first = actions[0]
        if self.accounts.is_out(first.place):
            return None
        step = RowStep(self.accounts, first.place, first.row, actions)
        self.alone(step)
        return step.result

    def run(
        self, steps: Iterable[Step], tell: Callable[[], None] = _tell_nobody, *, until_disturbed: bool = False
    ) -> None:
        """
        Run steps in their order, each seeing what those before it did (rule T1).

        Args:
            steps: Not more than a batch.
            tell: Called after each step.
            until_disturbed: End after the first that does something else than was planned for it, if there is a watch.

        Raises:
            Stop, TransientError: As `apply`.
        """
        for engine, group in groupby(steps, key=lambda step: self.engines[step.place.source]):
            if engine.reads_batches:
                self._batches_of(engine).run(list(group), tell, self._is_disturbed if until_disturbed else None)
                continue
            for step in group:
                if step.is_idle:
                    step.idle()
                else:
                    self.alone(step)
                tell()

    def end_batch(self, *, is_kept: bool) -> None:
        """Record what was written and is still held in memory, before it is committed; or forget it."""
        if self.recorder is None:
            return
        if is_kept:
            self.recorder.flush()
        else:
            self.recorder.discard()

    def _is_disturbed(self) -> bool:
        return self.watch is not None and self.watch.is_disturbed

    def _batches_of(self, engine: Engine) -> Batches:
        if engine not in self._batches:
            from nsync.batches import Batches  # many rows are only ever decided by columns

            writer = None
            if engine.writes_bulk:
                from nsync.apply.bulk import BulkWriter

                writer = BulkWriter(self._identities, self.recorder)
            size = self.options.batch_size
            self._batches[engine] = Batches(self.resolver, self, writer, size)
        return self._batches[engine]

    def _writer_of(self, step: Step) -> Writer:
        """Give the writer for one row: what the model's own code sees must not depend on its neighbours."""
        is_raw = self.options.dry_run or self.engines[step.place.source].writes_bulk
        if is_raw not in self._writers:
            self._writers[is_raw] = row_writer(self._identities, self.options, self.recorder, is_raw=is_raw)
        return self._writers[is_raw]

    def alone(self, step: Step, plan: Plan | None = None) -> None:
        """Plan, unless it is planned, and write one step, and let it keep account of that."""
        with self._judging() as done:
            done += self._accounted(step, partial(self._plan_and_write, step.plan, self._writer_of(step), plan))

    def as_planned(self, step: Step, plan: Plan, keys: dict[New, object]) -> bool:
        """
        Write one step, and let it keep account of that; `recorded` records it.

        Args:
            step: The step.
            plan: Its plan.
            keys: Is given the primary keys of objects that are created.

        Returns:
            Whether it was written, and nothing besides that a watch has seen.

        Raises:
            Changed: Somebody else changed the object in between. Nothing was done.
        """

        def write() -> tuple[Plan, Written]:
            written = self._write(plan, self._writer_of(step), records=False)
            keys.update(written.keys)
            return plan, written

        with self._judging() as done:
            done += self._accounted(step, write)
        return bool(done) and not self._is_disturbed()

    @contextmanager
    def recorded(self, changes: Sequence[Change]) -> Iterator[dict[New, object]]:
        """
        Record what is written `as_planned`; gives where primary keys are collected.

        Args:
            changes: All that may be written.
        """
        image = None
        if self.recorder is not None:
            from nsync.apply.images import Image  # by columns, what is written is known

            image = Image(changes, self._identities)
        keys: dict[New, object] = {}
        yield keys
        if self.recorder is not None and image is not None:
            self.recorder.take(image.compare(keys))

    @contextmanager
    def _judging(self) -> Iterator[list[Plan]]:
        """Have the watch compare what is written with the plan that was; none: it is undone."""
        done: list[Plan] = []
        try:
            yield done
        finally:
            if self.watch is not None and not done:
                self.watch.forget()
            elif self.watch is not None:
                self.watch.judge(done[0].changes)

    def _accounted(self, step: Step, write: Callable[[], tuple[Plan, Written]]) -> list[Plan]:
        """Let a step keep account of how it ended; give the plan that was written, if one was."""
        try:
            plan, written = write()
        except RowError as error:
            step.failed(error)
        except Wait as wait:
            step.waits(wait)
        else:
            step.applied(plan, written)
            return [plan]
        return []

    def _plan_and_write(self, plan_it: PlanIt, writer: Writer, plan: Plan | None) -> tuple[Plan, Written]:
        """Plan and write, again if somebody else changed the object in between (rule T8)."""
        for _ in range(_ATTEMPTS):
            if plan is None:
                plan = self._plan(plan_it)
            try:
                return plan, self._write(plan, writer)
            except Changed:
                plan = None
        raise RowError(Problem("refused", "others keep changing the object while it is synced; run again"))

    def _write(self, plan: Plan, writer: Writer, *, records: bool = True) -> Written:
        if not plan.changes:
            return Written({}, ())
        try:
            return writer.write(plan.changes, records=records)
        except RowError as error:
            if plan.blocker is not None and error.problems[0].code == "unique":
                raise Wait(error.problems[0], blocker=plan.blocker) from None
            raise

    def _plan(self, plan_it: PlanIt) -> Plan:
        """Plan, asking the database whenever the planner lacks an answer."""
        answers: Answers = {}
        while True:
            try:
                return plan_it(State(answers))
            except Unanswered as unanswered:
                self.resolver.answer(unanswered.question, answers)
