"""Writer: what puts planned changes into the database; and which one a run uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from django.db.models import Model, signals

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
    name = model._meta.label
    found = [f"{name}.{method}() is overridden" for method in ("save", "delete") if _is_overridden(model, method)]
    for signal in ("pre_save", "post_save", "pre_delete", "post_delete"):
        found += [f"{signal} of {name} has receivers"] * getattr(signals, signal).has_listeners(model)
    found += [f"{name}.{attribute} is a property" for attribute in properties]
    return found


def _is_overridden(model: type[Model], method: str) -> bool:
    return getattr(model, method) is not getattr(Model, method)
