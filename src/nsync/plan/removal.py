"""Removing objects: forced and unforced deletes, displaced objects, and the mappings that go along (A4 to A6, A8)."""

from __future__ import annotations

from nsync.actions import Action
from nsync.changes import ChangeKind, KeyMapping, ObjectId, OutcomeKind
from nsync.errors import Problem, RowError
from nsync.fields import concrete_model
from nsync.plan.rowplan import RowPlan
from nsync.plan.state import Cascade


def plan_delete(plan: RowPlan, action: Action) -> None:
    """Rules A5 and A6."""
    if action.match is None and not action.is_match_empty and not action.key:
        raise RowError(Problem("no-identity", "neither a key nor a match; fill external_key or match_on"))
    if action.flags.force:
        _delete_forced(plan, action)
    else:
        _delete_unforced(plan, action)


def _delete_forced(plan: RowPlan, action: Action) -> None:
    """Rule A5: the linked, else the matched object, with every mapping of any system."""
    mapping = plan.state.linked(action.system, concrete_model(action.model), action.key)
    if mapping is not None and mapping.target is not None:
        _remove(plan, action, mapping.target)
        return plan.end(OutcomeKind.DELETED)
    if action.is_match_empty and mapping is None:
        raise RowError(Problem("empty-match", "all values to match by are empty; fill one, or give a mapped key"))
    found = plan.matches(action)
    if mapping is not None:
        _unmap_stale(plan, mapping)
    if len(found) > 1:
        return plan.end(OutcomeKind.AMBIGUOUS, "several-matches", "several objects fit; none was deleted")
    if found:
        _remove(plan, action, found[0])
        return plan.end(OutcomeKind.DELETED)
    if mapping is None:
        plan.end(OutcomeKind.UNMATCHED, "no-match", "no object fits; nothing to delete")
    return None


def _delete_unforced(plan: RowPlan, action: Action) -> None:
    """Rule A6: the mapping always goes; the object only if nobody else holds it."""
    if not action.key:
        if action.is_match_empty:
            raise RowError(Problem("empty-match", "all values to match by are empty, and there is no key"))
        return plan.end(
            OutcomeKind.IGNORED, "delete-without-key", "an unforced delete needs a key; give one, or force it: d*"
        )
    mapping = plan.state.linked(action.system, concrete_model(action.model), action.key)
    if mapping is None:
        return plan.end(OutcomeKind.UNMATCHED, "no-mapping", f"{action.system} has no object with this key")
    if mapping.target is None:
        return _unmap_stale(plan, mapping)
    if _is_kept(plan, action, mapping, mapping.target):
        _unmap(plan, mapping)
        return plan.end(OutcomeKind.RELEASED)
    _remove(plan, action, mapping.target)
    return plan.end(OutcomeKind.DELETED)


def release(plan: RowPlan, action: Action) -> None:
    """Remove the mapping of a key, and leave its object."""
    mapping = plan.state.linked(action.system, concrete_model(action.model), action.key)
    if mapping is None:
        return plan.end(OutcomeKind.UNMATCHED, "no-mapping", f"{action.system} has no object with this key")
    _unmap(plan, mapping)
    return plan.end(OutcomeKind.RELEASED)


def _is_kept(plan: RowPlan, action: Action, mapping: KeyMapping, target: ObjectId) -> bool:
    """Whether an unforced delete leaves the object; says why (rule A6)."""
    if action.match is not None:
        found = plan.matches(action)
        if len(found) > 1:
            plan.warn("ambiguous-match", "several objects fit the match; the linked object was kept")
            return True
        if found != (target,):
            what = "another object" if found else "nothing"
            plan.warn("match-differs", f"the match finds {what}; the linked object was kept")
            return True
    holders = [other for other in plan.state.mappings_of(target) if other != mapping]
    if not holders:
        cascade = plan.state.cascade_of(target)
        holders = [other for other in cascade.mappings if other != mapping and other.system != action.system]
    if holders:
        holder = holders[0]
        name = holder.model._meta.verbose_name
        plan.warn("held-by", f"kept: {holder.system} holds {name} with key {holder.key!r}", value=action.key)
    return bool(holders)


def _remove(plan: RowPlan, action: Action, target: ObjectId) -> None:
    """Delete an object with the mappings of all that goes along (rules A5, A8)."""
    cascade = _allowed_cascade(plan, target)
    for mapping in cascade.mappings:
        _unmap(plan, mapping)
    _delete(plan, action, cascade, target)


def _delete(plan: RowPlan, action: Action, cascade: Cascade, target: ObjectId) -> None:
    stored = plan.state.values(target)
    plan.add(ChangeKind.DELETE, target, model=action.model, before=stored, stored=stored, others=cascade.removed)


def _unmap(plan: RowPlan, mapping: KeyMapping) -> None:
    target = mapping.target or ObjectId(mapping.model, None)
    plan.add(ChangeKind.UNMAP, target, mapping=mapping)


def _unmap_stale(plan: RowPlan, mapping: KeyMapping) -> None:
    _unmap(plan, mapping)
    plan.end(OutcomeKind.RELEASED, "stale-mapping", "the object was gone already; its mapping was removed")


def _allowed_cascade(plan: RowPlan, target: ObjectId) -> Cascade:
    cascade = plan.state.cascade_of(target)
    if cascade.refusal:
        raise RowError(Problem("protected", cascade.refusal))
    return cascade


def plan_displacement(plan: RowPlan, action: Action, linked: ObjectId, found: tuple[ObjectId, ...]) -> None:
    """Rule A4: a forced update removes the matched object that is not the linked one."""
    if len(found) > 1:
        plan.warn("ambiguous-match", "several objects fit the match; none was displaced")
        return
    if not found or found[0] == linked:
        return
    matched = found[0]
    mappings = plan.state.mappings_of(matched)
    held = next((mapping for mapping in mappings if mapping.system == action.system), None)
    name = matched.model._meta.verbose_name
    if held is not None:
        plan.warn("match-held", f"the matched {name} ({matched.pk}) has key {held.key!r} of {held.system}; it stays")
        plan.blocker = matched
    elif plan.options.on_displaced == "error":
        raise RowError(Problem("displaced", f"{name} {matched.pk} has the match values too, and would be removed"))
    elif plan.options.on_displaced == "keep":
        plan.warn("displaced-kept", f"{name} {matched.pk} has the match values too; it was kept")
    else:
        _displace(plan, action, linked, matched, mappings)


def _displace(plan: RowPlan, action: Action, linked: ObjectId, matched: ObjectId, own: tuple[KeyMapping, ...]) -> None:
    """Remove the matched object; mappings of other systems move to the linked one."""
    cascade = _allowed_cascade(plan, matched)
    if linked in cascade.removed:
        name = matched.model._meta.verbose_name
        raise RowError(Problem("protected", f"removing {name} {matched.pk} would take this row's own object along"))
    for mapping in cascade.mappings:
        is_own = mapping in own and issubclass(linked.model, mapping.model)
        if is_own:
            heir = ObjectId(mapping.model, linked.pk)
            plan.add(ChangeKind.MAP, heir, mapping=mapping._replace(target=heir))
        else:
            _unmap(plan, mapping)
    _delete(plan, action, cascade, matched)
    plan.displaced += 1
