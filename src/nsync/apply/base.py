"""Writer: what puts planned changes into the database; and which one a run uses."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from django.db.models import CASCADE, Model, signals

from nsync.actions import Relation
from nsync.changes import Change, New
from nsync.fields import fills_itself, has_computed_default, is_stamped
from nsync.identities import Identities
from nsync.options import SyncOptions
from nsync.recording import Recorder


class Changed(Exception):
    """An object is no longer what the planner saw: plan the row again (rule T8)."""


class Written(NamedTuple):
    """What a writer did."""

    keys: Mapping[New, object]  # primary keys of the objects that were created
    changes: tuple[Change, ...]  # as they really were: a property may have changed other fields, or none


class Writer(Protocol):
    """Puts the changes of one batch into the database, all of them or none."""

    name: str  # as the report calls it

    def write(self, changes: Sequence[Change], *, records: bool = True) -> Written:
        """
        Write, inside a savepoint of its own.

        Args:
            changes: Of one row, in order.
            records: Whether the recorder, if there is one, is told; else somebody else tells it.

        Raises:
            RowError: The database or the model's own code refuses a change; nothing was written.
            Changed: Somebody changed an object since it was read; nothing was written.
            TransientError: The database gave up for now.
        """
        ...


def row_writer(
    identities: Identities, options: SyncOptions, recorder: Recorder | None = None, *, is_raw: bool
) -> Writer:
    """
    Give the writer of single rows.

    Args:
        identities: Knows the database.
        options: Of the run.
        recorder: Is told what was written, if anybody is.
        is_raw: No ``save()``, no signals: in a dry run, which writes and rolls back (rule O4), and among rows that
            are written in bulk.
    """
    if is_raw:
        from nsync.apply.raw import RawWriter

        return RawWriter(identities, options, recorder)
    from nsync.apply.objects import ObjectWriter

    return ObjectWriter(identities, options, recorder)


def blockers(model: type[Model]) -> list[str]:
    """
    Say, in words, which code expects to be called for each object of a model that is written or deleted.

    Args:
        model: A model that a run writes.
    """
    found = [*_own_code(model, "save"), *_own_code(model, "delete"), *_receivers(model, "init")]
    for other in _deleted_along(model):
        found += _receivers(other, "delete")
    return found


def fillers(model: type[Model], given: Collection[str]) -> list[str]:
    """
    Say which code of the project gives values to columns, and may look at other objects to do so.

    Args:
        model: A model that a run writes.
        given: Columns whose values the source gives, by attname.
    """
    found = []
    for field in model._meta.concrete_fields:
        name = f"{model._meta.label}.{field.name}"
        if fills_itself(field) and not is_stamped(field):
            found.append(f"{name} has a pre_save() of its own")
        elif field.attname not in given and has_computed_default(field):
            found.append(f"{name} has a default that the project computes")
    return found


def related_blockers(relation: Relation) -> list[str]:
    """Say the same of what a relation column writes: objects on its other side, or the rows between."""
    if relation.kind in ("reverse", "reverse_one"):
        return _own_code(relation.related_model, "save")
    if relation.through is not None and signals.m2m_changed.has_listeners(relation.through):
        return [f"m2m_changed of {relation.through._meta.label} has receivers"]
    return []


def obstacles(model: type[Model]) -> list[str]:
    """Say, in words, why objects of a model cannot be written many at once."""
    meta = model._meta
    found = []
    if any(parent._meta.concrete_model is not meta.concrete_model for parent in meta.get_parent_list()):
        found.append(f"{meta.label} has rows in several tables (it inherits from another model)")
    if meta.order_with_respect_to is not None:
        found.append(f"{meta.label} numbers each object as it is saved (order_with_respect_to)")
    return found


def related_obstacles(relation: Relation) -> list[str]:
    """Say the same of what a relation column writes."""
    if relation.kind in ("reverse", "reverse_one"):
        return obstacles(relation.related_model)
    if relation.through is None:
        return []
    ends: list[Any] = [
        relation.through._meta.get_field(name) for name in (relation.through_source, relation.through_target)
    ]
    found = obstacles(relation.through)
    if not all(end.target_field.primary_key for end in ends):
        found.append(f"{relation.through._meta.label} refers to something else than primary keys (to_field)")
    return found


def overrides(model: type[Model], method: str) -> bool:
    """Whether a model has a ``save()`` or ``delete()`` of its own, which may not take our arguments."""
    return getattr(model, method) is not getattr(Model, method)


def _own_code(model: type[Model], method: str) -> list[str]:
    names = ("save", "save_base") if method == "save" else (method,)
    own = [f"{model._meta.label}.{name}() is overridden" for name in names if overrides(model, name)]
    return own + _receivers(model, method)


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
        cascades |= {field.related_model for field in meta.private_fields if hasattr(field, "bulk_related_objects")}
        new = sorted({*meta.get_parent_list(), *cascades} - {model, *found}, key=lambda other: other._meta.label)
        found.update(dict.fromkeys(new))
        left += new
    return [other for other in found if not other._meta.auto_created]
