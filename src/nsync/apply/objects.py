"""ObjectWriter: one object at a time through ``save()`` and ``delete()``, with every signal."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from django.db.models import Model

from nsync.apply.base import overrides
from nsync.apply.common import RowWriter
from nsync.changes import Change, ChangeKind
from nsync.equality import same
from nsync.errors import Problem, RowError
from nsync.fields import field_of, is_refilled, is_text


class ObjectWriter(RowWriter):
    """Writes as the application itself would."""

    name = "objects"

    def _insert(self, change: Change) -> None:
        instance = self._new_instance(change)
        for name, text in change.properties.items():
            setattr(instance, name, text)
        if change.properties:
            _check_lengths(instance, _columns(instance))
        self._validate(instance)
        if overrides(type(instance), "save"):
            self._refuse_taken_key(instance)
            instance.save()
        else:
            instance.save(using=self.using, force_insert=True)
        if instance.pk is None:
            raise RowError(Problem("refused", f"the save() of {instance._meta.verbose_name} did not save it"))
        self._inserted(change, instance)

    def _refuse_taken_key(self, instance: Model) -> None:
        """Its ``save()`` may not take ``force_insert``, without which Django would overwrite a present object."""
        rows = type(instance)._base_manager.using(self.using)
        if instance.pk is not None and rows.filter(pk=instance.pk).exists():
            message = f"{instance._meta.verbose_name} {instance.pk} exists already"
            raise RowError(Problem("unique", message, instance._meta.pk.attname, str(instance.pk)))

    def _update(self, change: Change) -> None:
        instance = self._current(change)
        before = _columns(instance)
        if change.properties:  # a setter may change a list or a dict in place
            before = {name: _copied(value) for name, value in before.items()}
        for attname, value in change.after.items():
            setattr(instance, attname, self._known(value))
        for name, text in change.properties.items():
            setattr(instance, name, text)
        after = {
            attname: value
            for attname, value in _columns(instance).items()
            if not same(field_of(change.target.model, attname), before[attname], value)
        }
        if not after:  # a property that changed no field: nothing to save (rules A7, V6)
            return
        if change.properties:
            _check_lengths(instance, after)
        self._validate(instance)
        if overrides(type(instance), "save"):
            instance.save()
        else:
            instance.save(using=self.using, update_fields=[*_names(instance, after), *_self_filled(instance)])
        self._made.append(change._replace(before={name: before[name] for name in after}, after=after))

    def _delete(self, change: Change) -> None:
        instance = self._current(change)
        if overrides(type(instance), "delete"):
            instance.delete()
        else:
            instance.delete(using=self.using)
        self._made.append(change)

    def _relate(self, change: Change) -> None:
        assert change.relation is not None  # every RELATE and UNRELATE carries one
        instance = self._instances.get(change.target)
        if instance is None:
            instance = change.target.model._base_manager.using(self.using).get(pk=self._pk(change.target))
        manager: Any = getattr(instance, change.relation.accessor)
        keys = [self._known(other.pk) for other in change.others]
        if change.kind is ChangeKind.RELATE:
            manager.add(*keys)
        else:
            manager.remove(*keys)


def _columns(instance: Model) -> dict[str, Any]:
    """Give the values of the columns that saving can write."""
    deferred = instance.get_deferred_fields()
    return {
        field.attname: getattr(instance, field.attname)
        for field in instance._meta.concrete_fields
        if not field.generated and field.attname not in deferred
    }


def _copied(value: Any) -> Any:
    return deepcopy(value) if isinstance(value, (dict, list, set)) else value


def _check_lengths(instance: Model, columns: dict[str, Any]) -> None:
    """Refuse text that a setter made longer than its column: SQLite would take it (rule V4)."""
    for attname, value in columns.items():
        field = field_of(type(instance), attname)
        limit = field.max_length if is_text(field) and field.get_internal_type() != "TextField" else None
        if limit is not None and isinstance(value, str) and len(value) > limit:
            message = f"{field.name} gets {len(value)} characters from a property; it holds {limit}"
            raise RowError(Problem("too-long", message, attname))


def _names(instance: Model, attnames: dict[str, Any]) -> list[str]:
    """Give the field names of columns, as ``save(update_fields=…)`` wants them."""
    return [field_of(type(instance), attname).name for attname in attnames]


def _self_filled(instance: Model) -> list[str]:
    """Name the fields that fill themselves at each save, such as ``auto_now`` (rule A7)."""
    return [field.name for field in instance._meta.concrete_fields if is_refilled(field)]
