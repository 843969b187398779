"""RawWriter: row by row without ``save()``, signals or setters; for dry runs, and for rows that stand alone."""

from __future__ import annotations

from nsync.apply.common import RowWriter
from nsync.apply.inserting import insert_row
from nsync.apply.removing import delete_rows, raw_delete
from nsync.changes import Change, ChangeKind
from nsync.equality import is_as_planned
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
        insert_row(instance, type(instance)._meta.concrete_model or type(instance), self.using)
        self._inserted(change, instance)

    def _update(self, change: Change) -> None:
        instance = self._current(change)
        before = {attname: getattr(instance, attname) for attname in change.after}
        for attname, value in change.after.items():
            setattr(instance, attname, self._known(value))
        after = {name: getattr(instance, name) for name in change.after}
        model = change.target.model
        if change.after and not change.properties and is_as_planned(model, before, after):
            return  # a field of the project's own has made it what it was
        self._validate(instance)
        values = {field_of(model, name).name: value for name, value in after.items()}
        for field in instance._meta.concrete_fields:
            if is_refilled(field):
                values[field.name] = field.pre_save(instance, add=False)
        if change.after:
            model._base_manager.using(self.using).filter(pk=instance.pk).update(**values)
        self._made.append(change._replace(after=after))

    def _delete(self, change: Change) -> None:
        delete_rows([self._current(change)], self.using)
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
                rows.bulk_create(pairs, ignore_conflicts=bool(relation.through._meta.auto_created))
            else:
                raw_delete(rows.filter(**{source: own, f"{target}__in": keys}), self.using)

    def _unmap(self, change: Change) -> None:
        raw_delete(self._mapping_rows(change), self.using)
        self._made.append(change)
