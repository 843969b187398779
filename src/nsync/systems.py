"""Systems: those that a run names and that there are not yet. Part of the conductor."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext

from django.db import transaction

from nsync.changes import ChangeKind
from nsync.errors import ConfigError
from nsync.executor import Executor
from nsync.models import ExternalSystem
from nsync.recording import WrittenRows


def create_systems(names: Iterable[str], executor: Executor) -> None:
    """
    Create the external systems that there are not yet (rule C6).

    Args:
        names: Of the systems of a run.
        executor: Of the run: it knows the database, and who is to be told.

    Raises:
        ConfigError: The database takes a name for that of another system.

    Queries: one for each system; two more, and a savepoint, to create one.
    """
    identities = executor.resolver.identities
    commits = not (executor.options.as_transaction or executor.options.dry_run)
    for name in dict.fromkeys(names):
        if identities.system(name):
            continue
        with transaction.atomic(using=identities.using) if commits else nullcontext():
            _create(name, executor)
            if commits and executor.recorder is not None:  # a run that goes on would not know that it is new
                executor.end_batch(is_kept=True)


def _create(name: str, executor: Executor) -> None:
    systems = ExternalSystem._base_manager.using(executor.resolver.identities.using)
    if executor.options.dry_run and not systems.filter(name=name).exists():
        systems.bulk_create([ExternalSystem(name=name, description=name)])  # no save(), no signal (rule O4)
    system, is_new = systems.get_or_create(name=name, defaults={"description": name})
    if is_new and executor.recorder is not None:
        executor.recorder.take([_written(system)])
    if system.name != name:  # MariaDB and MySQL fold case in a unique column
        raise ConfigError(f"this database takes {name!r} and the external system {system.name!r} for one name")


def _written(system: ExternalSystem) -> WrittenRows:
    names = tuple(field.attname for field in system._meta.concrete_fields)
    values = [[getattr(system, name)] for name in names]
    return WrittenRows(ChangeKind.INSERT, ExternalSystem, names, [system.pk], (), values, -1, [0])
