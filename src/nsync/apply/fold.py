"""Fold: the changes of many rows, so that each object, pair and mapping is written once."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db.models import Model

from nsync.actions import Relation
from nsync.changes import Change, ChangeKind, New, ObjectId

Values = Mapping[str, object]
Keys = Mapping[New, object]  # primary keys of the objects that were created


class Update(NamedTuple):
    """New values of one object."""

    after: Values
    stored: Values  # the whole object, as it was planned upon


class Named(NamedTuple):
    """What tells one mapping from all others."""

    system: str
    model: type[Model]
    key: str


class Between(NamedTuple):
    """The table of a many-to-many relation, as seen from one of its sides."""

    through: type[Model]
    source: str
    target: str


@dataclass(slots=True, eq=False, repr=False)
class Folded:
    """What is to be written; primary keys and values may be `New`."""

    inserts: dict[ObjectId, Values] = field(default_factory=dict)
    updates: dict[type[Model], dict[ObjectId, Update]] = field(default_factory=dict)
    pairs: dict[Between, dict[tuple[object, object], bool]] = field(default_factory=dict)  # whether it will be there
    mappings: dict[Named, ObjectId | None] = field(default_factory=dict)  # None: to be removed
    deleted: dict[type[Model], list[ObjectId]] = field(default_factory=dict)
    present: set[ObjectId] = field(default_factory=set)  # objects that were there, and change or go

    def generations(self) -> list[dict[type[Model], dict[ObjectId, Values]]]:
        """Give the new objects by generation and model: those of one refer only to objects of those before it."""
        ages: dict[object, int] = {}
        found: list[dict[type[Model], dict[ObjectId, Values]]] = []
        for target, after in self.inserts.items():
            age = 1 + max((ages.get(value, -1) for value in after.values() if type(value) is New), default=-1)
            ages[target.pk] = age
            if age == len(found):
                found.append({})
            found[age].setdefault(target.model, {})[target] = after
        return found


def fold(changes: Iterable[Change]) -> Folded:
    """Bring together what the changes of a batch do to each object."""
    folded = Folded()
    for change in changes:
        if change.kind is ChangeKind.INSERT:
            folded.inserts[change.target] = change.after
        elif change.kind is ChangeKind.UPDATE:
            _fold_update(folded, change)
        elif change.kind is ChangeKind.DELETE:
            folded.present.add(change.target)
            folded.updates.get(change.target.model, {}).pop(change.target, None)
            folded.deleted.setdefault(change.target.model, []).append(change.target)
        elif change.mapping is not None:
            mapping = change.mapping
            is_kept = change.kind is ChangeKind.MAP
            named = Named(mapping.system, mapping.model, mapping.key)
            folded.mappings[named] = change.target if is_kept else None
        else:
            _fold_pairs(folded, change)
    return folded


def _fold_update(folded: Folded, change: Change) -> None:
    target = change.target
    updates = folded.updates.setdefault(target.model, {})
    refers_to_new = any(isinstance(value, New) for value in change.after.values())
    if target in folded.inserts and target not in updates and not refers_to_new:
        folded.inserts[target] = {**folded.inserts[target], **change.after}
        return
    if not isinstance(target.pk, New):
        folded.present.add(target)
    earlier: Any = updates.get(target, Update({}, change.stored))
    updates[target] = Update({**earlier.after, **change.after}, earlier.stored)


def _fold_pairs(folded: Folded, change: Change) -> None:
    for between, pair in pairs_of(change):
        folded.pairs.setdefault(between, {})[pair] = change.kind is ChangeKind.RELATE


def pairs_of(change: Change) -> Iterator[tuple[Between, tuple[object, object]]]:
    """Give the rows of a many-to-many relation that a change adds or removes."""
    relation: Relation | None = change.relation
    assert relation is not None  # every RELATE and UNRELATE carries one
    assert relation.through is not None  # and it is many-to-many
    columns = (relation.through_source, relation.through_target)
    # A symmetrical relation has each pair twice, once from either side.
    is_symmetrical = relation.field.remote_field.symmetrical
    for own, other in ((change.target.pk, other.pk) for other in change.others):
        ends = [(own, other), (other, own)] if is_symmetrical else [(own, other)]
        for pair in ends:
            ordered = sorted(zip(columns, pair, strict=True), key=lambda end: end[0])
            yield Between(relation.through, ordered[0][0], ordered[1][0]), (ordered[0][1], ordered[1][1])


def known(value: object, keys: Keys) -> object:
    """Give the primary key of an object that was created, any other value as it is."""
    return keys.get(value, value) if type(value) is New else value
