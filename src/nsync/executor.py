"""Executor: one row at a time through plan, apply and record; and the rows that wait. Part of the conductor."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Model

from nsync.actions import Action, Place
from nsync.apply.base import Changed, Written, choose_writer
from nsync.changes import REASON_CODES, Change, ChangeKind, New, ObjectId, Outcome, OutcomeKind
from nsync.errors import Problem, RowError
from nsync.identities import Identities
from nsync.options import SyncOptions
from nsync.plan.planner import plan_relations, plan_row
from nsync.plan.resolve import Answers, Resolver
from nsync.plan.rowplan import Circumstances, Plan, Wait
from nsync.plan.state import State, Unanswered
from nsync.record.details import ERROR, REASON, WARNING, Details
from nsync.record.ledger import Ledger
from nsync.record.report import FieldDiff
from nsync.rows import Row
from nsync.waiting import WaitingRelation, WaitingRoom, WaitingRow, name_of

_ATTEMPTS = 5  # how often a row is planned anew because somebody else changed its object (rule T8)
_FEW = 500  # objects whose waiting rows are asked for at once: databases limit the parameters of a query
_DIFFS = 20  # fields that a dry run shows old → new

Decode = Callable[[Row, Place], Sequence[Action]]


class Stop(Exception):
    """Enough rows have failed: the run ends (rule T4)."""


class Executor:
    """
    Applies the actions of one row after the other, and keeps account of each.

    Args:
        identities: Knows the database of the run.
        options: What the run was asked to do.
        properties: Concrete model → names of its property columns.
        sources: How many sources the run has.
    """

    def __init__(
        self,
        identities: Identities,
        options: SyncOptions,
        properties: Mapping[type[Model], tuple[str, ...]],
        sources: int,
    ) -> None:
        self.options = options
        self.resolver = Resolver(identities, properties)
        self.writer = choose_writer(options, identities)
        self.ledger = Ledger(sources)
        self.details = Details()
        self.waiting = WaitingRoom()
        self.displaced = 0
        self.failed = 0
        self.writes = False
        self._changed: set[str] = set()  # names of the objects that were written lately, up to a few
        self.diffs: list[FieldDiff] = []
        self.changed_fields: Counter[str] = Counter()

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
        if self.is_out(first.place):
            return None
        try:
            plan, written = self._attempt(actions, Circumstances(was_created=self._was_created(first.place)))
        except RowError as error:
            self.fail(first.place, first.row, error, first.columns)
            return None
        except Wait as wait:
            self.ledger.wait(first.place, True)
            self._let_wait(first, wait)
            return None
        return self._record(first, plan, written)

    def is_out(self, place: Place) -> bool:
        """Whether a row takes no part in what comes: it failed, or it waits whole."""
        return self.ledger.kind(place) is OutcomeKind.FAILED or self.ledger.waits(place)

    def _let_wait(self, action: Action, wait: Wait) -> None:
        problem = _told(wait.problem, action.columns)
        self.waiting.add_row(action.place, action.row, problem, is_key=wait.is_key, blocker=wait.blocker)

    def _was_created(self, place: Place) -> bool:
        return self.ledger.kind(place) is OutcomeKind.CREATED

    def _attempt(self, actions: Sequence[Action], circumstances: Circumstances) -> tuple[Plan, Written]:
        def plan_it(state: State) -> Plan:
            return plan_row(actions, state, self.options, circumstances)

        return self._plan_and_write(plan_it)

    def _plan_and_write(self, plan_it: Callable[[State], Plan]) -> tuple[Plan, Written]:
        """Plan and write, again if somebody else changed the object in between (rule T8)."""
        for _ in range(_ATTEMPTS):
            plan = self._plan(plan_it)
            if not plan.changes:
                return plan, Written({}, ())
            try:
                return plan, self.writer.write(plan.changes)
            except Changed:
                continue
            except RowError as error:
                if plan.blocker is not None and error.problems[0].code == "unique":
                    raise Wait(error.problems[0], blocker=plan.blocker) from None
                raise
        raise RowError(Problem("refused", "others keep changing the object while it is synced; run again"))

    def _plan(self, plan_it: Callable[[State], Plan]) -> Plan:
        """Plan, asking the database whenever the planner lacks an answer."""
        answers: Answers = {}
        while True:
            try:
                return plan_it(State(answers))
            except Unanswered as unanswered:
                self.resolver.answer(unanswered.question, answers)

    def _record(self, action: Action, plan: Plan, written: Written) -> ObjectId | None:
        """Keep account of an applied row."""
        place = action.place
        self._note(Outcome(place, _real_outcome(plan, written), plan.problems, plan.displaced))
        for target, relation, sign in plan.named:
            self.waiting.hear(place, _real(target, written), relation, sign)
        for pending in plan.pending:
            target = _real(pending.target, written)
            self.waiting.add_relation(
                place, action.row, target, pending.relation, pending.sign, pending.force, pending.problem
            )
        for change in written.changes:
            self._note_change(change)
        return _real(plan.result, written) if plan.result else None

    def _note(self, outcome: Outcome) -> None:
        """Hand an outcome over to the ledger and the details."""
        self.ledger.note(outcome.place, outcome.kind)
        for problem in outcome.problems:
            level = REASON if problem.code in REASON_CODES else WARNING
            self.details.note(outcome.place, ERROR if outcome.kind is OutcomeKind.FAILED else level, problem)
        self.displaced += outcome.displaced

    def _note_change(self, change: Change) -> None:
        self.writes = True
        if len(self._changed) <= _FEW:
            self._changed.add(name_of(change.target))
        if not self.options.dry_run or change.kind is not ChangeKind.UPDATE:
            return
        for name, new in {**change.after, **change.properties}.items():
            label = change.target.model._meta.label
            self.changed_fields[f"{label}.{name}"] += 1
            if len(self.diffs) < _DIFFS:
                target = f"{change.target.model._meta.verbose_name} {change.target.pk}"
                place = change.place
                self.diffs.append(FieldDiff(place.source, place.line, target, name, change.before.get(name), new))

    def fail(self, place: Place, row: Row, error: RowError, columns: Mapping[str, str]) -> None:
        """
        Keep account of a row that cannot be applied.

        Raises:
            Stop: It was one too many (rule T4).
        """
        problems = tuple(_told(problem, columns) for problem in error.problems)
        self._note(Outcome(place, OutcomeKind.FAILED, problems))
        self.ledger.wait(place, False)
        self.details.reject(place, row)
        self.failed += 1
        limit = self.options.error_limit
        if self.options.on_error == "stop" or (limit is not None and self.failed >= limit):
            raise Stop

    def settle(self, decode: Decode) -> None:
        """
        Try again what waits, in file order, until a pass settles nothing; then say what is left (rule R6).

        Raises:
            Stop: One row too many failed.
        """
        self._settle_passes(decode, accept_shared=False)
        if self._settle_shared(decode):
            self._settle_passes(decode, accept_shared=True)
        for waiting in self.waiting.rows():
            self.waiting.forget_row(waiting.place)
            self.fail(waiting.place, waiting.row, RowError(waiting.problem), {})
        for relation in self.waiting.relations():
            self.waiting.forget_relation(relation.place, relation.relation)
            self.details.note(relation.place, WARNING, relation.problem)

    def _settle_passes(self, decode: Decode, *, accept_shared: bool) -> None:
        """
        Pass over all that waits until that settles nothing.

        In between, only the rows whose blocker has just changed: a chain of rows in the wrong order would
        otherwise cost a pass over everything for each of its links.
        """
        is_moving = True
        while is_moving:
            self._changed.clear()
            is_moving = False
            for waiting in self._all_waiting():
                if isinstance(waiting, WaitingRow):
                    is_moving |= self._retry_row(waiting, decode, accept_shared=accept_shared)
                else:
                    is_moving |= self._retry_relation(waiting, decode)
            while 0 < len(self._changed) <= _FEW:
                blockers = self._changed.copy()
                self._changed.clear()
                for waiting in self.waiting.rows(blockers):
                    self._retry_row(waiting, decode, accept_shared=accept_shared)

    def _all_waiting(self) -> Iterator[WaitingRow | WaitingRelation]:
        def by_place(waiting: Any) -> Place:
            return waiting.place  # type: ignore[no-any-return]  # heapq.merge wants one type for both

        streams: list[Iterator[Any]] = [self.waiting.rows(), self.waiting.relations()]
        return heapq.merge(*streams, key=by_place)

    def _settle_shared(self, decode: Decode) -> bool:
        """Rule I7, at the end: the object gets both keys."""
        settled = [
            self._retry_row(waiting, decode, accept_shared=True) for waiting in self.waiting.rows() if waiting.is_key
        ]
        return any(settled)

    def _retry_row(self, waiting: WaitingRow, decode: Decode, *, accept_shared: bool) -> bool:
        """Try a row again, whole; tell whether that settled it."""
        actions = decode(waiting.row, waiting.place)
        place = waiting.place
        circumstances = Circumstances(was_created=self._was_created(place), accept_shared=accept_shared)
        try:
            plan, written = self._attempt(actions, circumstances)
        except Wait as wait:
            self._let_wait(actions[0], wait)
            return False
        except RowError as error:
            self.waiting.forget_row(place)
            self.fail(place, waiting.row, error, actions[0].columns)
            return True
        self.waiting.forget_row(place)
        self.ledger.wait(place, False)
        self._record(actions[0], plan, written)
        return True

    def _retry_relation(self, waiting: WaitingRelation, decode: Decode) -> bool:
        """Try to set one relation that a row had to leave; tell whether that settled it."""
        action = decode(waiting.row, waiting.place)[-1]
        wanted = {waiting.relation: waiting.force}
        place = waiting.place

        def plan_it(state: State) -> Plan:
            return plan_relations(action, waiting.target, wanted, state, self.options)

        try:
            plan = self._plan(plan_it)
            if plan.pending:
                return False
            written = Written({}, ())
            if not waiting.superseded:
                plan, written = self._plan_and_write(plan_it)
        except Wait:  # --on-missing-reference error waits whole; a relation waits only under warn
            return False
        except RowError as error:
            self.waiting.forget_relation(place, waiting.relation)
            if self.is_out(place):  # another relation of the row has failed before
                return True
            self.fail(place, waiting.row, error, action.columns)
            return True
        self.waiting.forget_relation(place, waiting.relation)
        if not waiting.superseded:
            self._record(action, plan._replace(named=()), written)
        return True


def _told(problem: Problem, columns: Mapping[str, str]) -> Problem:
    """Name the column as the file does: planning and databases know only fields."""
    header = columns.get(problem.column) or columns.get(f"{problem.column}_id") or problem.column
    return problem._replace(column=header)


def _real(target: ObjectId, written: Written) -> ObjectId:
    """Give an object by the primary key that it got."""
    return ObjectId(target.model, written.keys[target.pk]) if isinstance(target.pk, New) else target


def _real_outcome(plan: Plan, written: Written) -> OutcomeKind:
    """Rule V6: a property that was set may have changed no field; then nothing was saved."""
    if plan.outcome is not OutcomeKind.UPDATED or plan.displaced:
        return plan.outcome
    kinds = {change.kind for change in written.changes}
    if kinds - {ChangeKind.MAP}:
        return plan.outcome
    return OutcomeKind.LINKED if kinds else OutcomeKind.UNCHANGED
