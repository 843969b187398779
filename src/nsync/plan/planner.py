"""
The rules of synchronisation, row by row; pure: no query, nothing written.

Rules are cited by the names that ``docs/reference/semantics.rst`` gives them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nsync.actions import EMPTY, Action, Kind
from nsync.changes import ChangeKind, KeyMapping, ObjectId, OutcomeKind
from nsync.errors import Problem, RowError
from nsync.fields import concrete_model
from nsync.options import SyncOptions
from nsync.plan.filling import changed_properties, changed_values, new_values, primary_key_error
from nsync.plan.relations import relate, resolve_forward
from nsync.plan.removal import plan_delete, plan_displacement, release
from nsync.plan.rowplan import LEAVE, Circumstances, Plan, RowPlan, Wait
from nsync.plan.state import State

_HERE = Circumstances()


def plan_row(
    actions: Sequence[Action], state: State, options: SyncOptions, circumstances: Circumstances = _HERE
) -> Plan:
    """
    Decide what one row does: all of its actions that this phase runs, in order, or none of them.

    Args:
        actions: One or two actions of one row, create before update (rule T2).
        state: What is known of the database; absorbs each planned change.
        options: What the run was asked to do.
        circumstances: Where the run stands with this row.

    Raises:
        RowError: The row cannot be applied.
        Wait: A later row may settle what is in its way (rules I7, R5, R6).
        Unanswered: State lacks an answer; answer it and plan the row again, on a fresh State.

    Queries: none.
    """
    plan = RowPlan(state, options, circumstances, actions[0].place)
    for action in actions:
        if action.kind is Kind.CREATE:
            _create(plan, action)
        elif action.kind is Kind.UPDATE:
            _update(plan, action)
        else:
            plan_delete(plan, action)
    return plan.finish()


def plan_relations(
    action: Action, target: ObjectId, wanted: Mapping[str, bool], state: State, options: SyncOptions
) -> Plan:
    """
    Decide again what a row does to the relations that it had to leave, and to nothing else (rule R6).

    Args:
        action: The last create or update action of the row.
        target: The object whose relations were left; if it is gone, nothing changes.
        wanted: Name of the relation → whether the row may overwrite it.
        state: What is known of the database; absorbs each planned change.
        options: What the run was asked to do.

    Returns:
        A plan whose outcome is UPDATED if something changes. Relations that still find nothing are in
        `Plan.pending`.
    """
    plan = RowPlan(state, options, _HERE, action.place)
    plan.end(OutcomeKind.UNCHANGED)
    plan.result = target
    if state.stored(target) is None:
        return plan.finish()
    for ref in action.references:
        if ref.relation.name in wanted:
            _change(plan, action._replace(references=(ref,)), target, {}, {}, force=wanted[ref.relation.name])
    if plan.changes:
        plan.end(OutcomeKind.UPDATED)
    return plan.finish()


def plan_release(action: Action, state: State, options: SyncOptions, warning: Problem | None = None) -> Plan:
    """
    Let go of an object: its mapping is removed, and nothing else.

    Args:
        action: Names the key.
        state: What is known of the database; absorbs each planned change.
        options: What the run was asked to do.
        warning: Why the object is not deleted, if it was to be.
    """
    plan = RowPlan(state, options, _HERE, action.place)
    release(plan, action)
    if warning is not None:
        plan.warn(*warning)
    return plan.finish()


def _identify(plan: RowPlan, action: Action) -> tuple[ObjectId, ...]:
    """Find the matched objects of an action that has no linked object (rules I3, I5)."""
    if action.match is None:
        if action.is_match_empty and not (action.key and action.flags.create):
            raise RowError(Problem("empty-match", "all values to match by are empty; fill one, or give a mapped key"))
        if not action.key:
            raise RowError(Problem("no-identity", "neither a key nor a match; fill external_key or match_on"))
    return plan.matches(action)


def _several(plan: RowPlan) -> None:
    """Rule I4."""
    plan.end(OutcomeKind.AMBIGUOUS, "several-matches", "several objects fit; match on more columns, or give a key")


def _create(plan: RowPlan, action: Action) -> None:
    """Rule A1."""
    mapping = plan.state.linked(action.system, concrete_model(action.model), action.key)
    if mapping is not None and mapping.target is not None:
        plan.result = mapping.target
        return plan.end(OutcomeKind.UNCHANGED)
    found = _identify(plan, action)
    if len(found) > 1:
        return _several(plan)
    if found:
        plan.result = found[0]
        is_linked = _link(plan, action, found[0])
        return plan.end(OutcomeKind.LINKED if is_linked else OutcomeKind.UNCHANGED)
    _insert(plan, action)
    return plan.end(OutcomeKind.CREATED)


def _insert(plan: RowPlan, action: Action) -> None:
    """Rule A1: a new object gets every column, then the mapping, then its other relations (R7)."""
    target = plan.new_id(action)
    plan.name(target, action)
    values = {
        ref.relation.attname: resolve_forward(plan, ref, target, force=True)
        for ref in action.references
        if ref.relation.kind == "forward"
    }
    plan.add(
        ChangeKind.INSERT,
        target,
        model=action.model,
        after=new_values(action, values),
        properties={name: text for name, text in action.properties.items() if text},
    )
    plan.result = target
    _link(plan, action, target)
    for ref in action.references:
        if ref.relation.kind != "forward":
            relate(plan, ref, target, force=True)


def _update(plan: RowPlan, action: Action) -> None:
    """Rule A2: acts on the linked object, else on the matched one."""
    state = plan.state
    force = action.flags.force
    if plan.inserted is not None and _says_all(action):
        return plan.end(OutcomeKind.UNCHANGED)  # the object has just been given all that the row says
    mapping = state.linked(action.system, concrete_model(action.model), action.key)
    # An object that this row just created needs no looking for.
    target = plan.inserted or (mapping.target if mapping is not None else None)
    if target is None:
        found = _identify(plan, action)
        if len(found) > 1:
            return _several(plan)
        if not found:
            return plan.end(OutcomeKind.UNMATCHED, "no-match", "no object fits; nothing to update")
        target = found[0]
    elif force and plan.inserted is None:
        plan_displacement(plan, action, target, plan.matches(action))
    plan.result = target
    is_linked = _link(plan, action, target)
    before = len(plan.changes)
    stored = state.values(target)
    after = changed_values(plan, action, target, stored, force=force)
    _change(plan, action, target, after, changed_properties(plan, action, stored, force), force=force)
    if len(plan.changes) > before or plan.displaced:
        return plan.end(OutcomeKind.UPDATED)
    return plan.end(OutcomeKind.LINKED if is_linked else OutcomeKind.UNCHANGED)


def _says_all(action: Action) -> bool:
    """Whether every cell of a row has a value: an empty one may mean another thing on update than on create (V3)."""
    has_empty = any(value is EMPTY for value in action.values.values())
    return not has_empty and all(ref.lookups for ref in action.references)


def _change(
    plan: RowPlan,
    action: Action,
    target: ObjectId,
    after: dict[str, object],
    properties: dict[str, str],
    *,
    force: bool,
) -> None:
    """Plan the update of the object's own columns, foreign keys among them, then its other relations (R7)."""
    plan.name(target, action)
    stored = plan.state.values(target)
    for ref in action.references:
        relation = ref.relation
        if relation.kind == "forward" and (force or stored.get(relation.attname) is None):
            value = resolve_forward(plan, ref, target, force=force)
            if value is not LEAVE and value != stored.get(relation.attname):
                if relation.field.primary_key:
                    raise primary_key_error(relation.field, stored.get(relation.attname), relation.columns[0], ref.text)
                after[relation.attname] = value
    if after or properties:
        plan.update(target, after, properties, model=action.model)
    for ref in action.references:
        if ref.relation.kind != "forward":
            relate(plan, ref, target, force=force)


def _link(plan: RowPlan, action: Action, target: ObjectId) -> bool:
    """Record the mapping of the row's key, if it has one that is new or stale (rules I1, I7)."""
    if not action.key:
        return False
    model = concrete_model(action.model)
    mapping = plan.state.linked(action.system, model, action.key)
    if mapping is not None and mapping.target == target:
        return False
    others = [
        other.key
        for other in plan.state.mappings_of(target)
        if other.target == target and other.system == action.system and other.key != action.key
    ]
    if others:
        message = f"key {others[0]!r} of {action.system} points to the same object"
        if not plan.circumstances.accept_shared:
            raise Wait(Problem("shared-object", message, value=action.key), is_key=True)
        plan.warn("shared-object", message, value=action.key)
    plan.add(ChangeKind.MAP, target, mapping=KeyMapping(action.system, model, action.key, target))
    return True
