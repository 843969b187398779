"""Pruning: history that nobody needs any more is removed, a little at a time."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple

from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Sum

from nsync.models import Checkpoint, RecordedChange, RowOutcome, Run

_AT_ONCE = 1_000  # rows that are removed together


class Pruned(NamedTuple):
    """What was removed."""

    runs: int  # under changes_only, runs whose changes are not kept any more
    outcomes: int  # of rows
    changes: int  # of rows of tables, as a run counts them


Progress = Callable[[Pruned], object]


def prune(
    using: str,
    before: datetime | None,
    keep: int | None,
    *,
    changes_only: bool,
    batch_size: int = _AT_ONCE,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> Pruned:
    """
    Remove runs and what is kept of them, the oldest first; those that still go on, or are being undone, stay.

    Args:
        using: Alias of the database.
        before: Only runs that began before; None: whenever.
        keep: So many of the newest runs stay, however old they are; None: none. With neither nothing is removed.
        changes_only: Leave the runs and their row outcomes, and remove what they changed.
        batch_size: Rows removed in one transaction.
        dry_run: Count, and remove nothing.
        progress: Called after each run with what was removed so far.

    Returns:
        What was removed; or would be.

    A run first says that its changes are not kept any more, so that nobody undoes it by half if this is interrupted.

    Queries: one for the runs; for each run five, and three for each batch of what is kept of it.
    """
    done = Pruned(0, 0, 0)
    if before is None and keep is None:
        return done
    for pk in _old_runs(using, before, keep, changes_only):
        if pk in _being_undone(using):
            continue
        outcomes, changes = _rows(RowOutcome, using, pk), _rows(RecordedChange, using, pk)
        of_run = Pruned(1, 0 if changes_only else outcomes.count(), changes.aggregate(rows=Sum("count"))["rows"] or 0)
        if not dry_run:
            _forget(using, pk, "rows" if changes_only else "summary")
            _remove(changes, using, batch_size)
            if not changes_only:
                _remove(outcomes, using, batch_size)
                _remove(_rows(Checkpoint, using, pk), using, batch_size)
                with transaction.atomic(using=using):
                    _ended(using).filter(pk=pk).delete()
        done = Pruned(*map(sum, zip(done, of_run, strict=True)))
        if progress is not None:
            progress(done)
    return done


def _old_runs(using: str, before: datetime | None, keep: int | None, changes_only: bool) -> list[int]:
    """Give the runs that are to go, the oldest first."""
    runs = _ended(using)
    if before is not None:
        runs = runs.filter(started__lt=before)
    if keep:
        newest = Run._base_manager.using(using).order_by("-pk").values_list("pk", flat=True)[keep - 1 : keep]
        runs = runs.filter(pk__lt=next(iter(newest), 0))
    if changes_only:
        runs = runs.filter(Exists(RecordedChange._base_manager.using(using).filter(run=OuterRef("pk"))))
    return list(runs.order_by("pk").values_list("pk", flat=True))


def _being_undone(using: str) -> list[int]:
    undos = Run._base_manager.using(using).filter(status=Run.Status.RUNNING, undoes__isnull=False)
    return [run.undoes_id for run in undos.only("undoes") if run.undoes_id is not None]


def _ended(using: str) -> QuerySet[Run]:
    return Run._base_manager.using(using).exclude(status=Run.Status.RUNNING)


def _rows(model: Any, using: str, run: int) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._base_manager.using(using).filter(run=run)
    return rows


def _forget(using: str, pk: int, recorded: str) -> None:
    """Say that less is kept of a run; never that more is."""
    less = ["changes"] if recorded == "rows" else ["changes", "rows"]
    with transaction.atomic(using=using):
        _ended(using).filter(pk=pk, recorded__in=less).update(recorded=recorded)


def _remove(rows: QuerySet[Any], using: str, batch_size: int) -> None:
    """Delete rows, the oldest first, each batch in a transaction of its own."""
    last = rows.order_by("pk").values_list("pk", flat=True)[batch_size - 1 : batch_size]
    while True:
        with transaction.atomic(using=using):
            end = next(iter(last.all()), None)
            (rows if end is None else rows.filter(pk__lte=end)).delete()
        if end is None:
            return
