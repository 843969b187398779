"""References: what a row does to the relations of its object (rules R1 to R5, R7)."""

from __future__ import annotations

from collections.abc import Iterable

from nsync.actions import EMPTY, Lookup, Reference, Relation
from nsync.changes import ChangeKind, ObjectId
from nsync.errors import Problem, RowError
from nsync.plan.rowplan import LEAVE, RowPlan, Wait


def resolve_forward(plan: RowPlan, ref: Reference, target: ObjectId, *, force: bool) -> object:
    """
    Give the value of a foreign key column that a reference asks for, or LEAVE.

    Raises:
        Wait: The object cannot be created without the relation, or the options ask for it (R5).
        RowError: Several objects fit, and the object cannot be created without the relation.
    """
    is_creating = target == plan.inserted and plan.result is None
    if not ref.lookups:
        return _cleared(plan, ref, is_creating)
    is_required = is_creating and ref.relation.is_required
    found = _find_all(plan, ref, target, force=force, is_required=is_required)
    if found is None:
        return LEAVE
    return _held_value(plan, found[0], ref.relation)


def _cleared(plan: RowPlan, ref: Reference, is_creating: bool) -> object:
    """Rule C5: the null marker in a reference."""
    if ref.relation.field.null:
        return None
    if not is_creating:
        _keep(plan, ref.relation)
    return LEAVE


def _keep(plan: RowPlan, relation: Relation) -> None:
    plan.warn("empty-kept", f"{relation.name} cannot be empty; it stays", relation.columns[0])


def _held_value(plan: RowPlan, target: ObjectId, relation: Relation) -> object:
    """Give what a foreign key that points to the target holds: its primary key or its to_field."""
    if relation.target_attname == target.model._meta.pk.attname:
        return target.pk
    return plan.state.values(target)[relation.target_attname]


def _find_all(
    plan: RowPlan, ref: Reference, target: ObjectId, *, force: bool, is_required: bool = False
) -> tuple[ObjectId, ...] | None:
    """Find what a reference means; None if the relation is to be left, which is noted (rules R1, R5)."""
    found = []
    for lookup in ref.lookups:
        objects = plan.state.found(lookup)
        if len(objects) > 1:
            problem = _problem("ambiguous-reference", ref, lookup, "several objects", "; name one more column")
            if is_required:
                raise RowError(problem)
            plan.warn(*problem)
            return None
        if not objects:
            problem = _problem("missing-reference", ref, lookup, "no object", "")
            if is_required or plan.options.on_missing_reference == "error":
                raise Wait(problem)
            plan.leave(target, ref, force, problem)
            return None
        found.append(objects[0])
    plan.pending.pop((target, ref.relation.name), None)  # found by the update what the create had to leave
    return tuple(dict.fromkeys(found))


def _problem(code: str, ref: Reference, lookup: Lookup, what: str, cure: str) -> Problem:
    """Say what was looked for: ``no object: person with first_name 'Homer'``."""
    if lookup.key:
        wanted = f"key {lookup.key!r} of {lookup.system}"
    else:
        wanted = ", ".join(
            f"{condition.path}{'' if condition.lookup == 'exact' else '__' + condition.lookup} {condition.value!r}"
            for condition in lookup.conditions
            if condition.value is not EMPTY
        )
    message = f"{what}: {lookup.model._meta.verbose_name} with {wanted}{cure}"
    return Problem(code, message, ref.relation.columns[0], ref.text)


def relate(plan: RowPlan, ref: Reference, target: ObjectId, *, force: bool) -> None:
    """Plan what a reference does to other objects: reverse sides and many-to-many (rules R3, R4)."""
    relation = ref.relation
    current = plan.state.related(target, relation)
    if current and not force:
        return
    if not ref.lookups:
        _clear(plan, ref, target, current)
        return
    found = _find_all(plan, ref, target, force=force)
    if found is None:
        return
    if relation.kind == "many":
        _relate_many(plan, relation, target, current, ref.sign, found)
        return
    if relation.kind == "reverse_one":
        _free(plan, relation, sorted(current.difference(found), key=str))
    _give(plan, relation, target, found, force)


def _relate_many(
    plan: RowPlan,
    relation: Relation,
    target: ObjectId,
    current: frozenset[ObjectId],
    sign: str,
    found: tuple[ObjectId, ...],
) -> None:
    wanted = frozenset(found)
    removed = current & wanted if sign == "-" else current - wanted if sign == "=" else frozenset()
    added = tuple(other for other in found if other not in current) if sign != "-" else ()
    if removed:
        plan.add(ChangeKind.UNRELATE, target, relation=relation, others=tuple(sorted(removed, key=str)))
    if added:
        plan.add(ChangeKind.RELATE, target, relation=relation, others=added)


def _clear(plan: RowPlan, ref: Reference, target: ObjectId, current: frozenset[ObjectId]) -> None:
    """Rule C5: the null marker in a reverse or many-to-many reference."""
    relation = ref.relation
    if not current:
        return
    if relation.kind == "many":
        if ref.sign == "=":
            _relate_many(plan, relation, target, current, "=", ())
    elif relation.field.null:
        _free(plan, relation, sorted(current, key=str))
    else:
        _keep(plan, relation)


def _free(plan: RowPlan, relation: Relation, holders: Iterable[ObjectId]) -> None:
    """Rule R3: a forced reverse one-to-one frees its previous holder."""
    for holder in holders:
        if not relation.field.null:
            name = relation.related_model._meta.verbose_name
            message = f"the present {name} ({holder.pk}) cannot be without {relation.field.name}; delete it first"
            raise RowError(Problem("required", message, relation.columns[0]))
        plan.update(holder, {relation.attname: None})


def _give(plan: RowPlan, relation: Relation, target: ObjectId, others: Iterable[ObjectId], force: bool) -> None:
    """Let foreign keys of other objects point to the target; an unforced update takes nothing away (A3)."""
    values = plan.state.values(target)
    own = values.get(relation.target_attname, target.pk)
    for other in others:
        held = plan.state.values(other).get(relation.attname)
        if held != own and (force or held is None):
            plan.update(other, {relation.attname: own})
