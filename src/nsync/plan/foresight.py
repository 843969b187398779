"""Foresight: what planning a row will ask, as far as can be told before, so that many rows ask together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsync.actions import Action, Kind
from nsync.changes import ObjectId
from nsync.fields import concrete_model
from nsync.plan.state import CascadeOf, Found, Linked, MappingsOf, Matched, Question, Related, Stored


def likely_questions(actions: Sequence[Action], known: Mapping[Question, Any]) -> list[Question]:
    """
    Give questions that planning a row will ask next.

    A question too many costs time, one too few a query more; neither changes what is planned.

    Args:
        actions: Of one row.
        known: The answers so far: what they are decides what is asked next.
    """
    if not actions:
        return []
    action = actions[-1]
    key = Linked(action.system, concrete_model(action.model), action.key) if action.key else None
    if key is not None and key not in known:
        return [key]
    mapping = known[key] if key is not None else None
    linked: ObjectId | None = mapping.target if mapping is not None else None
    if action.kind is Kind.DELETE:
        return _asked_by_delete(action, linked)
    force = action.flags.force
    asked: list[Question] = []
    if action.match is not None and (linked is None or (force and action.kind is Kind.UPDATE)):
        asked.append(Matched(action.model, action.match))
    if linked is not None and action.kind is Kind.CREATE:
        return asked
    target = linked or _only(known.get(asked[0]) if asked else None)
    if linked is None and target is not None and action.key:
        asked.append(MappingsOf(target))
    pk = concrete_model(action.model)._meta.pk.attname
    if target is None and pk in action.values:  # an object that is made with this key may have been known before
        asked.append(MappingsOf(ObjectId(concrete_model(action.model), action.values[pk])))
    for ref in action.references:
        is_forward = ref.relation.kind == "forward"
        if target is not None and not is_forward:
            asked.append(Related(target, ref.relation))
        if force or target is None or not is_forward or _is_open(known, target, ref.relation.attname):
            asked += [Found(lookup) for lookup in ref.lookups]
    return asked


def _only(found: Sequence[ObjectId] | None) -> ObjectId | None:
    return found[0] if found and len(found) == 1 else None


def _is_open(known: Mapping[Question, Any], target: ObjectId, attname: str) -> bool:
    """Whether an unforced update may set the column (rule R4)."""
    stored = known.get(Stored(target))
    return stored is not None and stored.get(attname) is None


def _asked_by_delete(action: Action, linked: ObjectId | None) -> list[Question]:
    asked: list[Question] = []
    if action.match is not None and (linked is None or not action.flags.force):
        asked.append(Matched(action.model, action.match))
    if linked is not None:
        asked += [CascadeOf(linked)] if action.flags.force else [MappingsOf(linked), CascadeOf(linked)]
    return asked


def likely_relation_questions(action: Action, target: ObjectId, relation: str) -> list[Question]:
    """Give what planning one relation of a row that waited will ask (rule R6)."""
    asked: list[Question] = [Stored(target)]
    for ref in action.references:
        if ref.relation.name == relation:
            asked += [Found(lookup) for lookup in ref.lookups]
            if ref.relation.kind != "forward":
                asked.append(Related(target, ref.relation))
    return asked
