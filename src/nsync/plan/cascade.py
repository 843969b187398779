"""What Django would delete with an object: its collector, asked for everything and made to delete nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models
from django.db.models import Model, ProtectedError, RestrictedError
from django.db.models.deletion import Collector

from nsync.changes import ObjectId
from nsync.fields import concrete_model, is_plain, relations_to
from nsync.plan.state import Emptied

# Django 6.1 can have the database set it.
_SET_NULL = (models.SET_NULL, getattr(models, "DB_SET_NULL", models.SET_NULL))
_NAMED = 3  # how many objects that stand in the way a message names


class _Everything(Collector):
    """A collector that loads what it could have deleted unseen, and follows what the database cascades."""

    def __init__(self, using: str) -> None:
        super().__init__(using)
        self.force_collection = True  # Django 6.1: collect DB_CASCADE as CASCADE

    def can_fast_delete(self, objs: Any, from_field: Any = None) -> bool:
        """Never: fast deletes are querysets, and mappings of their objects must go too (rule A8)."""
        return False


def collect(target: ObjectId, using: str) -> tuple[tuple[ObjectId, ...], tuple[Emptied, ...], str]:
    """
    Give the objects that go with an object (itself among them) and the foreign keys to them that are emptied.

    The last of the three says why Django refuses, if it does.

    Queries: one per relation that points to the models concerned.
    """
    collector = _Everything(using)
    instance = target.model._base_manager.using(using).filter(pk=target.pk).first()
    if instance is None:
        return (), (), ""
    try:
        collector.collect([instance])
    except ProtectedError as error:
        return (), (), _refusal(target, error.protected_objects, "PROTECT")
    except RestrictedError as error:
        return (), (), _refusal(target, error.restricted_objects, "RESTRICT")
    removed = {
        ObjectId(concrete_model(model), other.pk): None for model, others in collector.data.items() for other in others
    }
    return tuple(removed), tuple(_emptied(collector.data)), ""


def _emptied(removed: Mapping[type[Model], Iterable[Model]]) -> Iterable[Emptied]:
    for model, others in removed.items():
        yield from emptied_by(model, [vars(other) for other in others])


def emptied_by(model: type[Model], removed: Iterable[Mapping[str, object]]) -> Iterable[Emptied]:
    """Give the foreign keys that the removal of objects, given by their values, sets to NULL."""
    for relation in relations_to(model):
        if relation.on_delete in _SET_NULL:
            field = relation.field
            values = frozenset(other[field.target_field.attname] for other in removed)
            yield Emptied(concrete_model(field.model), field.attname, values)


def takers(model: type[Model]) -> list[Any] | None:
    """
    Give the foreign keys through which other objects go with an object of the model, or forbid that it goes.

    None: there are other ways (inheritance, generic relations), which only Django's collector knows.
    """
    if model._meta.parents or any(hasattr(field, "bulk_related_objects") for field in model._meta.private_fields):
        return None
    fields = [
        relation.field for relation in relations_to(model) if relation.on_delete not in (*_SET_NULL, models.DO_NOTHING)
    ]
    return fields if all(is_plain(field) for field in fields) else None


def _refusal(target: ObjectId, others: set[Model], how: str) -> str:
    """Say what stands in the way: ``person 7 is needed by contract 3 (on_delete=PROTECT); …``."""
    ordered = sorted(others, key=lambda other: (other._meta.label, str(other.pk)))
    names = [f"{other._meta.verbose_name} {other.pk}" for other in ordered[:_NAMED]]
    if len(ordered) > _NAMED:
        names.append(f"{len(ordered) - _NAMED} more")
    name = target.model._meta.verbose_name
    return f"{name} {target.pk} is needed by {', '.join(names)} (on_delete={how}); delete or change that first"
