"""RowPlan: what one row will do, collected rule by rule; and the two ways in which a row is put off."""

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final, NamedTuple

from nsync.actions import Action, Place, Reference
from nsync.changes import Change, ChangeKind, New, ObjectId, OutcomeKind
from nsync.errors import Problem
from nsync.fields import concrete_model
from nsync.options import SyncOptions
from nsync.plan.paths import models_of
from nsync.plan.state import State

_RANK = {kind: rank for rank, kind in enumerate(OutcomeKind)}  # strongest first (rule O1)


class _Leave(Enum):
    LEAVE = "leave"


LEAVE: Final = _Leave.LEAVE  # the column stays as it is


class Wait(Exception):
    """The row cannot be applied yet: a later row may settle what is in its way (rule R6)."""

    def __init__(self, problem: Problem, *, is_key: bool = False, blocker: ObjectId | None = None) -> None:
        super().__init__(problem, is_key, blocker)
        self.problem = problem  # the row error if nothing settles it
        self.is_key = is_key  # rule I7: at the end the row is applied all the same
        self.blocker = blocker  # rule A4: the object that, as far as is known, must change first


class Pending(NamedTuple):
    """A relation that a row left alone because nothing was found; tried again later (rules R5, R6)."""

    target: ObjectId
    relation: str
    sign: str  # of a many-to-many relation
    force: bool
    problem: Problem  # the warning if it stays so
    models: frozenset[str]  # labels of the models whose objects decide whether something is found


class Plan(NamedTuple):
    """What one row will do, and what becomes of it."""

    changes: tuple[Change, ...]
    outcome: OutcomeKind
    problems: tuple[Problem, ...]  # warnings and reasons
    displaced: int
    pending: tuple[Pending, ...]
    named: tuple[tuple[ObjectId, str, str], ...]  # relations that the row spoke of, and their signs (rule R6)
    blocker: ObjectId | None  # rule A4: holds match values; if it makes a unique constraint refuse, the row waits
    result: ObjectId | None  # the object that the row stands for, if there is one


class Circumstances(NamedTuple):
    """What the planner must know of a row beside the row: where the run stands."""

    was_created: bool = False  # an earlier phase of this row created the object: properties are set (V6)
    accept_shared: bool = False  # rule I7, at the end: two keys on one object


class RowPlan:
    """Collects the changes, warnings and outcomes of one row; absorbs each change into State at once."""

    def __init__(self, state: State, options: SyncOptions, circumstances: Circumstances, place: Place) -> None:
        self.state = state
        self.options = options
        self.circumstances = circumstances
        self.place = place
        self.changes: list[Change] = []
        self.outcomes: list[OutcomeKind] = []
        self.problems: dict[tuple[str, str], Problem] = {}  # once per code and column (rule O1)
        self.displaced = 0
        self.pending: dict[tuple[ObjectId, str], Pending] = {}
        self.named: list[tuple[ObjectId, str, str]] = []
        self.blocker: ObjectId | None = None
        self.result: ObjectId | None = None
        self.inserted: ObjectId | None = None

    def add(self, kind: ChangeKind, target: ObjectId, *, model: Any = None, **details: Any) -> None:
        """Plan a change; State sees it at once."""
        change = Change(kind, target, self.place, model or target.model, **details)
        self.state.absorb(change)
        self.changes.append(change)

    def update(
        self,
        target: ObjectId,
        after: Mapping[str, object],
        properties: Mapping[str, str] | None = None,
        model: Any = None,
    ) -> None:
        """Plan new values for some columns of an object."""
        stored = self.state.values(target)
        self.add(
            ChangeKind.UPDATE,
            target,
            model=model,
            before={name: stored.get(name) for name in (*after, *(properties or {}))},
            after=after,
            properties=properties or {},
            stored=stored,
        )

    def matches(self, action: Action) -> tuple[ObjectId, ...]:
        """Give the objects that the action's match finds; none if it names no match (rules I2, I3)."""
        return self.state.matched(action.model, action.match) if action.match is not None else ()

    def new_id(self, action: Action) -> ObjectId:
        """Give an identity to the object that the row creates."""
        self.inserted = ObjectId(concrete_model(action.model), New(self.place.source, self.place.ordinal))
        return self.inserted

    def name(self, target: ObjectId, action: Action) -> None:
        """Note the relations that the row speaks of: earlier rows no longer do (rule R6)."""
        self.named.extend((target, ref.relation.name, ref.sign) for ref in action.references)

    def warn(self, code: str, message: str, column: str = "", value: str = "") -> None:
        """Note a warning or a reason, once per code and column."""
        self.problems.setdefault((code, column), Problem(code, message, column, value))

    def end(self, outcome: OutcomeKind, code: str = "", message: str = "", column: str = "") -> None:
        """Note an outcome (the strongest one of a row counts) and its reason."""
        self.outcomes.append(outcome)
        if code:
            self.warn(code, message, column)

    def leave(self, target: ObjectId, ref: Reference, force: bool, problem: Problem) -> None:
        """Leave a relation alone for now (rule R5)."""
        name = ref.relation.name
        earlier = self.pending.get((target, name))
        force = force or (earlier is not None and earlier.force)
        models = frozenset().union(*map(models_of, ref.lookups))
        self.pending[target, name] = Pending(target, name, ref.sign, force, problem, models)

    def finish(self) -> Plan:
        """Give what was collected, as a value."""
        return Plan(
            changes=tuple(self.changes),
            outcome=min(self.outcomes, key=_RANK.__getitem__),
            problems=tuple(self.problems.values()),
            displaced=self.displaced,
            pending=tuple(self.pending.values()),
            named=tuple(self.named),
            blocker=self.blocker,
            result=self.result,
        )
