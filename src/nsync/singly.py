"""Singly: rows that are saved one by one, and which of them can be planned together all the same."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from nsync.actions import EMPTY, Place
from nsync.changes import Change, ChangeKind, New
from nsync.columns import KEPT
from nsync.fields import computed_defaults
from nsync.plan.rowplan import Plan

if TYPE_CHECKING:
    from nsync.steps import Step
    from nsync.watching import Watch

_SEEN = frozenset({ChangeKind.INSERT, ChangeKind.UPDATE, ChangeKind.MAP})


class Singly(Protocol):
    """Writes steps by themselves, and lets them keep account of it; see `nsync.executor.Executor`."""

    watch: Watch | None

    def alone(self, step: Step, plan: Plan | None = None) -> None:
        """Plan, unless it is planned, and write a step."""

    def as_planned(self, step: Step, plan: Plan, keys: dict[New, object]) -> bool:
        """Write a step inside `recorded`; whether nothing else was written. Raises Changed."""

    def recorded(self, changes: Sequence[Change]) -> AbstractContextManager[dict[New, object]]:
        """Record what is written; gives where primary keys are collected."""


def is_seen(plan: Plan) -> bool:
    """Whether a watch tells what a plan writes from all other writes."""
    return all(change.kind in _SEEN for change in plan.changes)


def is_computed(step: Step, plan: Plan, *, was_asked_for: bool) -> bool:
    """
    Whether a new object gets a default that code of the project computes, perhaps from the rows before it.

    With ``--engine bulk`` that is accepted of columns that the source does not have (rule T10); not of empty cells.
    """
    models = {change.target.model for change in plan.changes if change.kind is ChangeKind.INSERT}
    names = {name for model in models for name in computed_defaults(model)}
    if not names:
        return False
    given: dict[str, object] = {}
    for action in step.actions:
        given.update({ref.relation.attname: ref.lookups or EMPTY for ref in action.references})
        given.update(action.values)
    return any(given.get(name, KEPT if was_asked_for else EMPTY) is EMPTY for name in names)


def is_own(plan: Plan, place: Place) -> bool:
    """Whether a plan names no object that another row makes: each gets its primary key as it is saved."""
    targets = [
        plan.result,
        plan.blocker,
        *(change.target for change in plan.changes),
        *(target for target, _, _ in plan.named),
    ]
    named = [target.pk for target in targets if target is not None]
    for change in plan.changes:
        named += change.after.values()
    return all(pk == New(place.source, place.ordinal) for pk in named if isinstance(pk, New))
