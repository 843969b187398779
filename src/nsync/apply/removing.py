"""Removing objects as Django would, in its order, without a signal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Model, QuerySet, sql
from django.db.models.deletion import Collector

from nsync.changes import ObjectId
from nsync.fields import held_field
from nsync.rowsin import RowsIn, slices


def objects_with(model: type[Model], keys: Sequence[object], using: str) -> Iterator[QuerySet[Model]]:
    """Give the objects with these primary keys, in as many querysets as there must be."""
    field = held_field(model._meta.pk)
    for part in slices([keys], [field], using):
        yield model._base_manager.using(using).filter(RowsIn(["pk"], [field], part))


def remove_objects(model: type[Model], targets: Iterable[ObjectId], using: str) -> None:
    """
    Delete objects of one model with all that goes along.

    Queries: one to read them, one per relation that points to the models concerned, one per model and hundred rows.
    """
    keys = [target.pk for target in targets]
    delete_rows([instance for rows in objects_with(model, keys, using) for instance in rows], using)


def delete_rows(instances: Sequence[Model], using: str) -> None:
    """Delete objects of one model, and what Django would delete with them."""
    collector: Any = Collector(using)
    collector.collect(instances)
    collector.sort()
    for queryset in collector.fast_deletes:
        raw_delete(queryset, using)
    for (field, value), groups in collector.field_updates.items():
        for objects in groups:
            for rows in objects_with(field.model, [other.pk for other in objects], using):
                rows.update(**{field.name: value})
    for model, objects in collector.data.items():
        sql.DeleteQuery(model).delete_batch([other.pk for other in objects], using)


def raw_delete(queryset: QuerySet[Any], using: str) -> int:
    """Delete rows and nothing else; give their number."""
    return int(queryset._raw_delete(using) or 0)
