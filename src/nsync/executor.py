"""Executor: runs steps the way their source's engine does, and settles those that wait. Part of the conductor."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from django.db.models import Model

from nsync.accounts import Accounts
from nsync.actions import Action
from nsync.apply.base import Changed, Writer, Written, row_writer
from nsync.changes import ObjectId
from nsync.engines import ROW_BY_ROW, Engine
from nsync.errors import Problem, RowError
from nsync.identities import Identities
from nsync.options import SyncOptions
from nsync.plan.resolve import Answers, Resolver
from nsync.plan.rowplan import Plan, Wait
from nsync.plan.state import State, Unanswered
from nsync.steps import RowStep, Step

if TYPE_CHECKING:
    from nsync.batches import Batches
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
    """

    def __init__(
        self,
        identities: Identities,
        options: SyncOptions,
        properties: Mapping[type[Model], tuple[str, ...]],
        engines: Sequence[Engine] = (ROW_BY_ROW,),
    ) -> None:
        self.options = options
        self.engines = engines
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
        first = actions[0]
        if self.accounts.is_out(first.place):
            return None
        step = RowStep(self.accounts, first.place, first.row, actions)
        self._run_alone(step)
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
                    self._run_alone(step)
                tell()

    def _is_disturbed(self) -> bool:
        return self.watch is not None and self.watch.is_disturbed

    def _batches_of(self, engine: Engine) -> Batches:
        if engine not in self._batches:
            from nsync.batches import Batches  # many rows are only ever decided by columns

            writer = None
            if engine.writes_bulk:
                from nsync.apply.bulk import BulkWriter

                writer = BulkWriter(self._identities)
            size = self.options.batch_size
            self._batches[engine] = Batches(self.resolver, self._run_alone, writer, size, lambda: self.watch)
        return self._batches[engine]

    def _writer_of(self, step: Step) -> Writer:
        """Give the writer for one row: what the model's own code sees must not depend on its neighbours."""
        is_raw = self.options.dry_run or self.engines[step.place.source].writes_bulk
        if is_raw not in self._writers:
            self._writers[is_raw] = row_writer(self._identities, self.options, is_raw=is_raw)
        return self._writers[is_raw]

    def _run_alone(self, step: Step, plan: Plan | None = None) -> bool:
        """
        Plan, unless it is planned, and write one step, and let it keep account of that.

        Returns:
            Whether the plan given was written, and nothing besides that a watch has seen.
        """
        done = None
        try:
            done, written = self._plan_and_write(step.plan, self._writer_of(step), plan)
        except RowError as error:
            step.failed(error)
        except Wait as wait:
            step.waits(wait)
        else:
            step.applied(done, written)
        finally:
            if self.watch is not None and done is None:
                self.watch.forget()  # it is undone
            elif self.watch is not None and done is not None:
                self.watch.judge(done.changes)
        return done is not None and done is plan and not self._is_disturbed()

    def _plan_and_write(self, plan_it: PlanIt, writer: Writer, plan: Plan | None) -> tuple[Plan, Written]:
        """Plan and write, again if somebody else changed the object in between (rule T8)."""
        for _ in range(_ATTEMPTS):
            if plan is None:
                plan = self._plan(plan_it)
            if not plan.changes:
                return plan, Written({}, ())
            try:
                return plan, writer.write(plan.changes)
            except Changed:
                plan = None
            except RowError as error:
                if plan.blocker is not None and error.problems[0].code == "unique":
                    raise Wait(error.problems[0], blocker=plan.blocker) from None
                raise
        raise RowError(Problem("refused", "others keep changing the object while it is synced; run again"))

    def _plan(self, plan_it: PlanIt) -> Plan:
        """Plan, asking the database whenever the planner lacks an answer."""
        answers: Answers = {}
        while True:
            try:
                return plan_it(State(answers))
            except Unanswered as unanswered:
                self.resolver.answer(unanswered.question, answers)
