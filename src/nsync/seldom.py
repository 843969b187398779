"""What few runs need: it is imported where one does, because each import costs a small file its time. Conductor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from nsync.conf import settings
from nsync.engines import Engine
from nsync.history import History
from nsync.identities import Identities
from nsync.opening import Input
from nsync.options import SyncOptions
from nsync.policies import Phase
from nsync.run import Run, Task

if TYPE_CHECKING:
    from nsync.guards import Guards
    from nsync.models import Run as RunRecord
    from nsync.resuming import Resuming


def snapshots_of(tasks: Sequence[Task], options: SyncOptions) -> list[Task]:
    """Give what a run's snapshots lack, if its sources are any; see `nsync.snapshots.open_snapshots`."""
    if not options.snapshot:
        return []
    from nsync.snapshots import open_snapshots

    return open_snapshots(tasks, [task.system for task in tasks], options)


def snapshot_engines(snapshots: Sequence[Task], options: SyncOptions, phases: Sequence[Phase] | None) -> list[Engine]:
    """Give the engines of snapshots; see `nsync.snapshots.choose_snapshot_engine`."""
    if not snapshots:
        return []
    from nsync.snapshots import choose_snapshot_engine

    return [choose_snapshot_engine(task, options, phases) for task in snapshots]


def check_snapshots(tasks: Sequence[Task], options: SyncOptions) -> None:
    """Refuse a snapshot without rows; see `nsync.snapshots.check_filled`."""
    if options.snapshot:
        from nsync.snapshots import check_filled

        check_filled(tasks)


def guards_of(options: SyncOptions, tasks: Sequence[Task], identities: Identities) -> Guards | None:
    """Give the guards of a run; None: there is no limit."""
    wanted = (options.max_deletes, options.max_changes, settings.MAX_DELETES, settings.MAX_CHANGES)
    if not options.snapshot and all(limit in ("", None) for limit in wanted):
        return None
    from nsync.guards import Guards

    guards = Guards(options, tasks, identities)
    return guards if guards.is_needed else None


def interrupted_run(inputs: Sequence[Input], options: SyncOptions, using: str) -> RunRecord | None:
    """Give the run that is to go on; None: a new one begins. See `nsync.resuming.find_interrupted`."""
    if options.resume is None:
        return None
    from nsync.resuming import find_interrupted

    return find_interrupted(inputs, options, using)


def resuming_of(
    inputs: Sequence[Input],
    options: SyncOptions,
    run: Run,
    history: History,
    guards: Guards | None,
    *,
    is_walked: bool,
) -> Resuming | None:
    """Give what keeps where a run stands; None: it is one transaction, and begins anew if it is interrupted."""
    if options.resume is None and (options.as_transaction or options.dry_run):
        return None
    from nsync.resuming import Resuming

    return Resuming(inputs, options, run, history, is_walked=is_walked, guards=guards)
