"""Writer: what puts planned changes into the database; and which one a run uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from django.db.models import CASCADE, Model, signals

from nsync.actions import Relation
from nsync.changes import Change, New
from nsync.identities import Identities
from nsync.options import SyncOptions


class Changed(Exception):
    """An object is no longer what the planner saw: plan the row again (rule T8)."""


class Written(NamedTuple):
    """What a writer did."""

    keys: Mapping[New, object]  # primary keys of the objects that were created
    changes: tuple[Change, ...]  # as they really were: a property may have changed other fields, or none


class Writer(Protocol):
    """Puts the changes of one batch into the database, all of them or none."""

    name: str  # as the report calls it

    def write(self, changes: Sequence[Change]) -> Written:
        """
        Write, inside a savepoint of its own.

        Raises:
            RowError: The database or the model's own code refuses a change; nothing was written.
            Changed: Somebody changed an object since it was read; nothing was written.
            TransientError: The database gave up for now.
        """
        ...


def choose_writer(options: SyncOptions, identities: Identities) -> Writer:
    """Give the writer of a run: a dry run writes raw, inside a transaction that is rolled back (rule O4)."""
    if options.dry_run:
        from nsync.apply.raw import RawWriter

        return RawWriter(identities, options)
    from nsync.apply.objects import ObjectWriter

    return ObjectWriter(identities, options)


def blockers(model: type[Model], properties: Sequence[str] = ()) -> list[str]:
    """
    Say, in words, why objects of a model must be written one by one, as the application would.

    Also what a dry run, which writes raw, cannot foresee (rule O4).

    Args:
        model: A model that a run writes.
        properties: Names of its property columns in the run.
    """
    found = [*_own_code(model, "save"), *_own_code(model, "delete")]
    for other in _deleted_along(model):
        found += _receivers(other, "delete")
    found += [f"{model._meta.label}.{attribute} is a property" for attribute in properties]
    return found


def related_blockers(relation: Relation) -> list[str]:
    """Say the same of what a relation column writes: objects on its other side, or the rows between."""
    if relation.kind in ("reverse", "reverse_one"):
        return _own_code(relation.related_model, "save")
    if relation.through is not None and signals.m2m_changed.has_listeners(relation.through):
        return [f"m2m_changed of {relation.through._meta.label} has receivers"]
    return []


def _own_code(model: type[Model], method: str) -> list[str]:
    is_overridden = getattr(model, method) is not getattr(Model, method)
    return [f"{model._meta.label}.{method}() is overridden"] * is_overridden + _receivers(model, method)


def _receivers(model: type[Model], method: str) -> list[str]:
    names = (f"pre_{method}", f"post_{method}")
    return [
        f"{name} of {model._meta.label} has receivers" for name in names if getattr(signals, name).has_listeners(model)
    ]


def _deleted_along(model: type[Model]) -> list[type[Model]]:
    """Give the models whose objects Django deletes, with signals, along with an object: parents and cascades."""
    found: dict[type[Model], None] = {}
    left = [model]
    while left:
        meta = left.pop()._meta
        fields: list[Any] = list(meta.get_fields(include_hidden=True))
        cascades = {field.related_model for field in fields if getattr(field, "on_delete", None) is CASCADE}
        new = sorted({*meta.get_parent_list(), *cascades} - {model, *found}, key=lambda other: other._meta.label)
        found.update(dict.fromkeys(new))
        left += new
    return [other for other in found if not other._meta.auto_created]
