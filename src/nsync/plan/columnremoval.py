"""
The rules of deletion for whole columns of ordinary rows (A5, A6); what is not ordinary is left to `nsync.plan.planner`.

An ordinary row has a key that is linked to an object that is there, which no other key means and no other object refers
to; if the deletion is not forced, and the row names a match, that finds this object and no other. Then the object goes
with its mapping, and nothing goes along. Rows that are decided together have different keys, and so different objects.
"""

from __future__ import annotations

from bisect import bisect_left

from django.db.models import Model

from nsync.columns import Columns, Removed
from nsync.fields import is_text, relations_to
from nsync.plan.columnfacts import RemovalFacts


def unfit(model: type[Model]) -> bool:
    """
    Whether objects of a model may be referred to in other ways than by foreign keys to their primary keys.

    Also if those are texts: some databases take others for the same.
    """
    has_generic = any(hasattr(field, "bulk_related_objects") for field in model._meta.private_fields)
    return (
        has_generic
        or is_text(model._meta.pk)
        or any(relation.field.target_field is not model._meta.pk for relation in relations_to(model))
    )


def decide_removal(columns: Columns, facts: RemovalFacts) -> tuple[Removed, set[int]]:
    """
    Decide which objects go, up to the first row that is peculiar.

    Returns:
        The objects, and the rows that are peculiar.

    Queries: none.
    """
    compared = [columns.values[columns.names.index(name)] for name in columns.match]
    matches = list(zip(*compared, strict=True)) if compared and not columns.flags.force else []
    peculiar = set(columns.peculiar)
    rows, keys, pks, read = [], [], [], []
    seen: set[object] = set()
    for row, key in enumerate(columns.keys):
        if row in peculiar:
            continue
        pk = facts.linked.get(key)
        is_matched = not matches or facts.found.get(matches[row]) == pk
        if pk not in facts.stored or pk in facts.held or pk in seen or not is_matched:
            peculiar.add(row)
            continue
        seen.add(pk)
        rows.append(row)
        keys.append(key)
        pks.append(pk)
        read.append(facts.stored[pk])
    kept = bisect_left(rows, min(peculiar, default=columns.count))
    return Removed(rows[:kept], keys[:kept], pks[:kept], read[:kept]), peculiar
