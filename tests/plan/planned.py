"""Changes that rows of a batch have planned, and what the database holds before them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import Model

from nsync.actions import Condition, Lookup, Operand, Place
from nsync.changes import Change, ChangeKind, KeyMapping, New, ObjectId
from nsync.fields import attnames
from nsync.plan.batchstate import BatchState
from nsync.plan.state import Cascade, CascadeOf, Found, Matched, Stored
from tests.testapp.models import House, Person, Tag

BRUCE, DICK, ALFRED = (ObjectId(Person, pk) for pk in (1, 2, 3))
MANOR = ObjectId(House, 7)
RED = ObjectId(Tag, 5)
ROBIN = ObjectId(Person, New(0, 9))  # created by the tenth row


def of(model: type[Model], **values: object) -> dict[str, object]:
    """Give the values of an object; those that are not named are NULL."""
    return {**dict.fromkeys(attnames(model)), **values}


STORED: dict[ObjectId, Mapping[str, object]] = {
    BRUCE: of(Person, id=1, first_name="Bruce", employee_id="1", company_id=4),
    DICK: of(Person, id=2, first_name="Dick", employee_id="2", manager_id=1),
    ALFRED: of(Person, id=3, first_name="Alfred", employee_id="3"),
    MANOR: of(House, id=7, address="Manor", owner_id=1),
}


def update(target: ObjectId, line: int = 2, stored: Mapping[str, object] | None = None, **after: object) -> Change:
    held = STORED[target] if stored is None else stored
    before = {name: held[name] for name in after}
    place = Place(0, line, line)
    return Change(ChangeKind.UPDATE, target, place, target.model, before=before, after=after, stored=held)


def insert(target: ObjectId, line: int = 2, **after: object) -> Change:
    return Change(ChangeKind.INSERT, target, Place(0, line, line), target.model, after=after)


def delete(target: ObjectId, *along: ObjectId, stored: Mapping[str, object] | None = None) -> Change:
    held = STORED[target] if stored is None else stored
    return Change(
        ChangeKind.DELETE, target, Place(0, 2, 2), target.model, before=held, stored=held, others=(target, *along)
    )


def mapping(key: str, target: ObjectId, system: str = "HR") -> KeyMapping:
    return KeyMapping(system, target.model, key, target)


def record(kind: ChangeKind, key: str, target: ObjectId) -> Change:
    return Change(kind, target, Place(0, 2, 2), target.model, mapping=mapping(key, target))


def where(path: str, value: object, lookup: str = "exact") -> Operand:
    return Operand(Condition(path, lookup, value, True, path))


def matched(path: str, value: object, lookup: str = "exact", model: type[Model] = Person) -> Matched:
    return Matched(model, where(path, value, lookup))


def found(model: type[Model], path: str, value: object, *without: ObjectId) -> Found:
    return Found(Lookup(model, (Condition(path, "exact", value, True, path),)), frozenset(without))


def after(answers: Mapping[Any, Any], *changes: Change) -> BatchState:
    """Give the state once rows have planned these changes."""
    known: dict[Any, Any] = {Stored(target): values for target, values in STORED.items()}
    known |= {CascadeOf(target): Cascade((target,), ()) for target in STORED}
    state = BatchState({**known, **answers})
    for change in changes:
        state.absorb([change])
    return state
