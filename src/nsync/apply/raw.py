"""RawWriter: the same rows without ``save()``, signals or property setters; for dry runs (rule O4)."""

from __future__ import annotations

from typing import Any

from django.db.models import Model, QuerySet, sql
from django.db.models.deletion import Collector

from nsync.apply.common import RowWriter
from nsync.changes import Change, ChangeKind
from nsync.fields import field_of, is_refilled


class RawWriter(RowWriter):
    """
    Writes rows so that the rows after them see them, and nothing but the database notices.

    A row with a changed property counts as changed: what its setter would do is not known without calling it.
    """

    name = "raw"

    def _insert(self, change: Change) -> None:
        instance = self._new_instance(change)
        self._validate(instance)
        _insert_rows(instance, type(instance)._meta.concrete_model or type(instance), self.using)
        self._inserted(change, instance)

    def _update(self, change: Change) -> None:
        instance = self._current(change)
        for attname, value in change.after.items():
            setattr(instance, attname, self._known(value))
        self._validate(instance)
        values = {field_of(change.target.model, name).name: getattr(instance, name) for name in change.after}
        for field in instance._meta.concrete_fields:
            if is_refilled(field):
                values[field.name] = field.pre_save(instance, add=False)
        if change.after:
            change.target.model._base_manager.using(self.using).filter(pk=instance.pk).update(**values)
        self._made.append(change)

    def _delete(self, change: Change) -> None:
        _delete_rows(self._current(change), self.using)
        self._made.append(change)

    def _relate(self, change: Change) -> None:
        relation = change.relation
        assert relation is not None  # every RELATE and UNRELATE carries one
        assert relation.through is not None
        own, keys = self._pk(change.target), [self._known(other.pk) for other in change.others]
        rows = relation.through._base_manager.using(self.using)
        columns = (f"{relation.through_source}_id", f"{relation.through_target}_id")
        # A symmetrical relation has each pair twice, once from either side.
        directions = [columns, columns[::-1]] if relation.field.remote_field.symmetrical else [columns]
        for source, target in directions:
            if change.kind is ChangeKind.RELATE:
                pairs = [relation.through(**{source: own, target: key}) for key in keys]
                rows.bulk_create(pairs, ignore_conflicts=True)
            else:
                _raw_delete(rows.filter(**{source: own, f"{target}__in": keys}), self.using)

    def _unmap(self, change: Change) -> None:
        _raw_delete(self._mapping_rows(change), self.using)
        self._made.append(change)


def _insert_rows(instance: Model, model: type[Model], using: str) -> None:
    """Insert the row of a model, the rows of its parents first; sets the primary key that the database gave."""
    meta = model._meta
    for parent, link in meta.parents.items():
        if link is not None:
            _insert_rows(instance, parent, using)
            setattr(instance, link.attname, getattr(instance, parent._meta.pk.attname))
    numbered = meta.auto_field if meta.auto_field and getattr(instance, meta.auto_field.attname) is None else None
    fields = [field for field in meta.local_concrete_fields if not field.generated and field is not numbered]
    query: Any = sql.InsertQuery(model)
    query.insert_values(fields, [instance])
    rows = query.get_compiler(using=using).execute_sql([numbered] if numbered else [])
    if numbered:
        setattr(instance, numbered.attname, rows[0][0])


def _delete_rows(instance: Model, using: str) -> None:
    """Delete what Django would delete, in its order, without a signal."""
    collector: Any = Collector(using)
    collector.collect([instance])
    collector.sort()
    for queryset in collector.fast_deletes:
        _raw_delete(queryset, using)
    for (field, value), groups in collector.field_updates.items():
        for objects in groups:
            keys = [other.pk for other in objects]
            field.model._base_manager.using(using).filter(pk__in=keys).update(**{field.name: value})
    for objects in collector.data.values():
        for other in objects:
            sql.DeleteQuery(type(other)).delete_batch([other.pk], using)


def _raw_delete(queryset: QuerySet[Any], using: str) -> None:
    queryset._raw_delete(using)
