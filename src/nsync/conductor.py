"""The conductor: ``sync()`` and ``sync_all()`` take sources in and give a Report."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, TextIO

from django.db.models import Model

from nsync.conducting import Conductor
from nsync.ending import EndRequest
from nsync.errors import ConfigError
from nsync.expiring import expire
from nsync.opening import Input
from nsync.options import SyncOptions
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy, Policy
from nsync.record.report import Report
from nsync.reporting import database_error
from nsync.run import Progress
from nsync.signals import run_finished, run_started

__all__ = ["Policy", "database_error", "sync", "sync_all"]

logger = logging.getLogger(__name__)
# What a policy raises is logged with its traceback: only where the project has set up logging, not on standard error.
logging.getLogger("nsync").addHandler(logging.NullHandler())


def sync(
    source: str | Path | BinaryIO | TextIO,
    model: type[Model] | str,
    *,
    system: str,
    options: SyncOptions | None = None,
    policy: Policy = BasicSyncPolicy,
    progress: Progress | None = None,
    command: str = "",
) -> Report:
    """
    Sync one source to one model, as ``manage.py syncfile`` does.

    Args:
        source: A path, ``"-"`` for standard input, an open file, or as text a URL, ``storage:alias:path`` or
            ``sql+alias:SELECT …``.
        model: The model, or its ``"app.Model"``.
        system: Name of the external system that the keys belong to; created if there is none.
        options: What the run is asked to do; see `SyncOptions`.
        policy: In which order; see `nsync.policies`.
        progress: Called every hundred rows with rows read, bytes read, and bytes to read (0 while nobody knows); from
            the beginning if the run is started again.
        command: What the history of runs tells of how the run was asked for.

    Returns:
        What became of every row. A run that had to stop (a source that cannot be read on, a database that
        gives up) says so in `Report.error`.

    Raises:
        ConfigError: The call, the options or the header are wrong. Nothing was written.
        Locked: Another run has one of the models (`nsync.locks`). Nothing was written.
        SourceError: The source cannot be opened. Nothing was written.
    """
    inputs = [Input(source, model, system)]
    return sync_all(inputs, options=options, policy=policy, progress=progress, command=command)


def sync_all(
    inputs: Sequence[Input],
    *,
    options: SyncOptions | None = None,
    policy: Policy = OrderedSyncPolicy,
    progress: Progress | None = None,
    command: str = "",
    ending: EndRequest | None = None,
) -> Report:
    """
    Sync several sources in one run, as ``manage.py syncfiles`` does.

    Args and errors are those of `sync`; the default policy runs all creates, then all updates, then all deletes. With
    batches that are committed by themselves, `ending` can ask for the end of the run.
    """
    options = options or SyncOptions()
    if not inputs:
        raise ConfigError("there is nothing to sync: name at least one source")
    with ExitStack() as stack:
        ending = ending or EndRequest("asked to end")
        conductor = Conductor(inputs, options, policy, progress, command, ending, stack)
        run_started.send(sender=sync_all, inputs=tuple(inputs), options=options)
        report = conductor.conduct()
    run_finished.send(sender=sync_all, report=report)
    logger.info("%s: %d rows, %.1f s", report.status, report.rows, report.seconds)
    if not options.dry_run:
        expire(conductor.using, report.seconds)
    return report
