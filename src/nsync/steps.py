"""Step: one thing to plan and to write as a whole: a row, or what is left of one that waited. Part of the conductor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from nsync.accounts import Accounts
from nsync.actions import Action, Place
from nsync.apply.base import Written
from nsync.changes import ObjectId
from nsync.errors import RowError
from nsync.plan.foresight import likely_questions, likely_relation_questions
from nsync.plan.planner import plan_relations, plan_row
from nsync.plan.rowplan import Circumstances, Plan, Wait
from nsync.plan.state import Question, State
from nsync.rows import Row
from nsync.waiting import WaitingRelation, WaitingRow


class Step(ABC):
    """
    Something to plan and to write; whoever does that says here how it ended.

    Args:
        accounts: Of the run.
        place: Of the row.
        row: What the source says.
        actions: What it asks for; none: there is nothing to plan.
    """

    def __init__(self, accounts: Accounts, place: Place, row: Row, actions: Sequence[Action]) -> None:
        self.accounts = accounts
        self.place = place
        self.row = row
        self.actions = actions

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to plan."""
        return not self.actions

    @abstractmethod
    def likely_questions(self, known: Mapping[Question, Any]) -> list[Question]:
        """Give what planning will ask next, as far as can be told from what is known."""

    @abstractmethod
    def plan(self, state: State) -> Plan:
        """Plan; raises RowError, Wait and Unanswered as `nsync.plan.planner.plan_row` does."""

    def idle(self) -> None:  # noqa: B027  # most have nothing to say
        """Take note that nothing had to be planned."""

    @abstractmethod
    def applied(self, plan: Plan, written: Written) -> None:
        """Take note that the plan was written."""

    @abstractmethod
    def failed(self, error: RowError) -> None:
        """Take note that it cannot be applied; may raise Stop."""

    @abstractmethod
    def waits(self, wait: Wait) -> None:
        """Take note that it cannot be applied yet."""


class RowStep(Step):
    """The actions of a row that one phase runs."""

    def __init__(
        self,
        accounts: Accounts,
        place: Place,
        row: Row,
        actions: Sequence[Action],
        error: RowError | None = None,
        *,
        asks_for_nothing: bool = False,
    ) -> None:
        super().__init__(accounts, place, row, actions)
        self.error = error  # a bad cell
        self.asks_for_nothing = asks_for_nothing
        self.result: ObjectId | None = None  # the object that the row stands for, once it is applied

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to plan."""
        return not self.actions and self.error is None

    def likely_questions(self, known: Mapping[Question, Any]) -> list[Question]:
        """Give what planning will ask next."""
        return likely_questions(self.actions, known)

    def plan(self, state: State) -> Plan:
        """Plan what the row does."""
        if self.error is not None:
            raise self.error
        circumstances = Circumstances(was_created=self.accounts.was_created(self.place))
        return plan_row(self.actions, state, self.accounts.options, circumstances)

    def idle(self) -> None:
        """Count the row; say so if it asks for nothing."""
        self.accounts.ledger.see(self.place)
        if self.asks_for_nothing:
            self.accounts.ignore(self.place, "no-action", "the flags cell is empty: nothing is asked for")

    def applied(self, plan: Plan, written: Written) -> None:
        """Keep account of the row."""
        self.result = self.accounts.note(self.actions[0], plan, written)

    def failed(self, error: RowError) -> None:
        """Keep account of the row."""
        self.accounts.fail(self.place, self.row, error, {} if error is self.error else self.actions[0].columns)

    def waits(self, wait: Wait) -> None:
        """Let it wait for the end of the run."""
        self.accounts.let_wait(self.actions[0], wait)


class RetriedRow(Step):
    """A row that waited whole; it does all that it asks for (rule R6)."""

    def __init__(
        self, accounts: Accounts, waiting: WaitingRow, actions: Sequence[Action], *, accept_shared: bool
    ) -> None:
        super().__init__(accounts, waiting.place, waiting.row, actions)
        self.is_settled = False
        self._accept_shared = accept_shared

    def likely_questions(self, known: Mapping[Question, Any]) -> list[Question]:
        """Give what planning will ask next."""
        return likely_questions(self.actions, known)

    def plan(self, state: State) -> Plan:
        """Plan what the row does."""
        was_created = self.accounts.was_created(self.place)
        circumstances = Circumstances(was_created=was_created, accept_shared=self._accept_shared)
        return plan_row(self.actions, state, self.accounts.options, circumstances)

    def applied(self, plan: Plan, written: Written) -> None:
        """Keep account of the row; it no longer waits."""
        self._forget()
        self.accounts.ledger.wait(self.place, False)
        self.accounts.note(self.actions[0], plan, written)

    def failed(self, error: RowError) -> None:
        """Keep account of the row; it no longer waits."""
        self._forget()
        self.accounts.fail(self.place, self.row, error, self.actions[0].columns)

    def waits(self, wait: Wait) -> None:
        """Let it wait on; perhaps for something else."""
        self.accounts.let_wait(self.actions[0], wait)

    def _forget(self) -> None:
        self.is_settled = True
        self.accounts.waiting.forget_row(self.place)


class RetriedRelation(Step):
    """A relation that an applied row had to leave: it is set, and nothing else (rule R6)."""

    def __init__(self, accounts: Accounts, waiting: WaitingRelation, action: Action) -> None:
        super().__init__(accounts, waiting.place, waiting.row, (action,))
        self.is_settled = False
        self._waiting = waiting

    def likely_questions(self, known: Mapping[Question, Any]) -> list[Question]:
        """Give what planning will ask next."""
        return likely_relation_questions(self.actions[0], self._waiting.target, self._waiting.relation)

    def plan(self, state: State) -> Plan:
        """Plan the relation; nothing is written if it still finds nothing, or if a later row has named it."""
        wanted = {self._waiting.relation: self._waiting.force}
        plan = plan_relations(self.actions[0], self._waiting.target, wanted, state, self.accounts.options)
        return plan._replace(changes=()) if plan.pending or self._waiting.superseded else plan

    def applied(self, plan: Plan, written: Written) -> None:
        """Keep account of the row, unless the relation waits on."""
        if plan.pending:
            return
        self._forget()
        if not self._waiting.superseded:
            self.accounts.note(self.actions[0], plan._replace(named=()), written)

    def failed(self, error: RowError) -> None:
        """Keep account of the row, unless another relation of it has failed before."""
        self._forget()
        if not self.accounts.is_out(self.place):
            self.accounts.fail(self.place, self.row, error, self.actions[0].columns)

    def waits(self, wait: Wait) -> None:
        """Let it wait on."""

    def _forget(self) -> None:
        self.is_settled = True
        self.accounts.waiting.forget_relation(self.place, self._waiting.relation)
