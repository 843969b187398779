"""Claims: which constrained values the rows of a batch take and give up, where the order of writing decides."""

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from django.db import models
from django.db.models import CheckConstraint, Model, Q, UniqueConstraint

from nsync.actions import EMPTY, Place
from nsync.changes import Change, ChangeKind, ObjectId
from nsync.fields import concrete_model, field_of, is_assigned_as_given, is_plain, is_text, relations_to
from nsync.plan.simple import canonical
from nsync.plan.touched import Barrier

Columns = tuple[str, ...]
Claim = tuple["type[Model]", Columns, tuple[object, ...]]  # the unique columns of a model, and their values

# What Django does to the other side of a foreign key when an object goes, and planning foresees.
_FORESEEN = {
    getattr(models, name)
    for name in ("CASCADE", "PROTECT", "RESTRICT", "SET_NULL", "DO_NOTHING", "DB_CASCADE", "DB_SET_NULL")
    if hasattr(models, name)
}


class _Constraints(NamedTuple):
    """What the database checks of the columns of one model."""

    unique: tuple[Columns, ...]  # compared by memory
    odd: frozenset[
        str
    ]  # columns of unique constraints that memory cannot compare: conditions, expressions, folded text
    checked: frozenset[str]  # columns of any constraint: what they hold in between matters


class Claims:
    """
    Says when changes of several rows must not be written together.

    A writer may write the inserts of a batch first, then the updates in any order, then the deletions, and an object
    once instead of twice. That is as if row by row, unless a unique value goes from one object to another in the
    batch, or the database would have refused what an object held for a while.

    Args:
        folds_text: The database takes text that differs in case or accents for the same in unique columns.
    """

    def __init__(self, *, folds_text: bool) -> None:
        self._folds_text = folds_text
        self._taken: dict[Claim, ObjectId] = {}
        self._freed: dict[Claim, ObjectId] = {}
        self._held: dict[ObjectId, tuple[Place, frozenset[str]]] = {}  # who last wrote which constrained columns
        self._odd: dict[type[Model], bool] = {}  # True: an update is among them
        self._models: set[type[Model]] = set()  # of taken values
        self._swept: set[type[Model]] = set()  # objects of these went along with others

    def note(self, changes: Iterable[Change]) -> None:
        """
        Take note of the changes of one row.

        Raises:
            Barrier: They cannot be written together with those noted before.
        """
        for change in changes:
            constraints = _constraints(change.target.model, self._folds_text)
            if change.kind is ChangeKind.DELETE:
                self._note_removal(change, constraints)
            elif change.kind in (ChangeKind.INSERT, ChangeKind.UPDATE):
                self._note_values(change, constraints)

    def _note_values(self, change: Change, constraints: _Constraints) -> None:
        is_new = change.kind is ChangeKind.INSERT
        model, columns = change.target.model, frozenset(change.after)
        if checked := columns & constraints.checked:
            place, earlier = self._held.get(change.target, (change.place, frozenset()))
            if place != change.place and checked & earlier:
                raise Barrier
            self._held[change.target] = (change.place, earlier | checked)
        if columns & constraints.odd:
            if self._odd.get(model) or (not is_new and model in self._odd):
                raise Barrier
            self._odd[model] = not is_new
        for names in constraints.unique:
            if columns.isdisjoint(names):
                continue
            if not is_new:
                self._free(_claim(model, names, change.stored), change.target)
            self._take(_claim(model, names, {**change.stored, **change.after}), change.target)

    def _take(self, claim: Claim | None, target: ObjectId) -> None:
        if claim is None:
            return
        if claim[0] in self._swept or self._taken.get(claim, target) != target:
            raise Barrier
        if self._freed.get(claim, target) != target:
            raise Barrier
        self._taken[claim] = target
        self._models.add(claim[0])

    def _free(self, claim: Claim | None, target: ObjectId) -> None:
        if claim is None:
            return
        if self._taken.get(claim, target) != target:
            raise Barrier
        self._freed[claim] = target

    def _note_removal(self, change: Change, constraints: _Constraints) -> None:
        for names in constraints.unique:
            self._free(_claim(change.target.model, names, change.stored), change.target)
        along = {other.model for other in change.others if other != change.target}
        if along & self._models or along & set(self._odd) or self._odd.get(change.target.model):
            raise Barrier
        self._swept |= along


def must_stand_alone(changes: Sequence[Change], *, folds_text: bool) -> bool:
    """
    Whether the changes of one row must be written one by one, in their order, and by themselves.

    So it is if one of them takes what another gives up, such as the unique value of a displaced object (rule A4), if
    a deletion changes other objects in ways that are not foreseen, such as ``SET_DEFAULT``, if foreign keys of
    other objects hold a value that changes (``to_field``), and if a field of the project's own makes another value of
    what is assigned, perhaps the present one.
    """
    kinds = {change.kind for change in changes}
    if ChangeKind.DELETE in kinds and not kinds <= {ChangeKind.DELETE, ChangeKind.UNMAP}:
        return True
    if any(change.kind is ChangeKind.DELETE and _is_unforeseen(change.others) for change in changes):
        return True
    if any(change.kind is ChangeKind.UPDATE and (_is_referred_to(change) or _is_remade(change)) for change in changes):
        return True
    if folds_text and any(change.relation is not None and _has_text_key(change) for change in changes):
        return True
    if sum(change.kind in (ChangeKind.INSERT, ChangeKind.UPDATE, ChangeKind.DELETE) for change in changes) < 2:
        return False
    try:
        Claims(folds_text=folds_text).note(changes)
    except Barrier:
        return True
    return False


def _is_unforeseen(removed: Iterable[ObjectId]) -> bool:
    return any(
        relation.on_delete not in _FORESEEN
        for model in {other.model for other in removed}
        for relation in relations_to(model)
    )


def _is_referred_to(change: Change) -> bool:
    return any(relation.field.target_field.attname in change.after for relation in relations_to(change.target.model))


def _has_text_key(change: Change) -> bool:
    """A pair may be there already in other letters: what is taken away must go before what comes."""
    return any(isinstance(other.pk, str) for other in (change.target, *change.others))


def _is_remade(change: Change) -> bool:
    return not all(is_assigned_as_given(field_of(change.target.model, name)) for name in change.after)


def compared_columns(model: type[Model], *, folds_text: bool) -> frozenset[str]:
    """Give the columns whose values a constraint compares with those of other objects, by attname."""
    constraints = _constraints(model, folds_text)
    return constraints.odd.union(*constraints.unique)


def unique_columns(model: type[Model]) -> tuple[Columns, ...]:
    """Give the sets of columns, by attname, of which no two objects hold the same values, if none of them is NULL."""
    return _constraints(model, folds_text=False).unique


def _claim(model: type[Model], names: Columns, values: Mapping[str, object]) -> Claim | None:
    """Give the values that nobody else may have; None if there are none: NULL equals nothing."""
    held = tuple(values.get(name) for name in names)
    if None in held:
        return None
    return model, names, tuple("" if (value := canonical(one)) is EMPTY else value for one in held)


@cache
def _constraints(model: type[Model], folds_text: bool) -> _Constraints:
    meta = concrete_model(model)._meta
    unique: list[Columns] = [(field.attname,) for field in meta.concrete_fields if field.unique]
    groups: list[Any] = list(meta.unique_together)
    odd: set[str] = set()
    checked: set[str] = set()
    for constraint in meta.constraints:
        if isinstance(constraint, CheckConstraint):
            checked |= _named(meta, getattr(constraint.condition, "referenced_base_fields", None))
        elif isinstance(constraint, UniqueConstraint) and _is_simple(constraint):
            groups.append(constraint.fields)
        else:
            condition = getattr(constraint, "condition", None)
            fields = getattr(constraint, "fields", None)
            if getattr(constraint, "expressions", None) or not fields:
                odd |= _named(meta, None)
            else:
                odd |= _named(meta, {*fields, *getattr(condition, "referenced_base_fields", ())})
    unique += [tuple(meta.get_field(name).attname for name in group) for group in groups]  # type: ignore[union-attr]
    for names in list(unique):
        fields = [field_of(model, name) for name in names]
        if not all(is_plain(field) and not (folds_text and is_text(field)) for field in fields):
            unique.remove(names)
            odd.update(names)
    if any(field_of(model, name).generated for name in {*odd, *checked}.union(*unique)):
        odd |= _named(meta, None)  # what the database computes from any of them
    checked |= odd.union(*unique)
    return _Constraints(tuple(unique), frozenset(odd), frozenset(checked))


def _is_simple(constraint: UniqueConstraint) -> bool:
    return (
        bool(constraint.fields)
        and constraint.condition in (None, Q())
        and getattr(constraint, "nulls_distinct", None) is not False
        and not constraint.expressions
    )


def _named(meta: Any, names: Iterable[str] | None) -> set[str]:
    """Give columns by attname; without names: all of them."""
    fields = [field for field in meta.concrete_fields if names is None or field.name in names or field.attname in names]
    return {field.attname for field in fields}
