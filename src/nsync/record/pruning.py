"""Pruning: history that nobody needs any more is removed, a little at a time."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db import connections, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet, Sum

from nsync.models import RecordedChange, RowOutcome, Run

_AT_ONCE: Final = 1_000  # rows that are removed together
_RUNS: Final = 1_000  # that are looked for after a run
_PART: Final = "part"  # of the changes is still there: their removal has begun
_KEPT: Final = ("", "summary", "rows", _PART, "changes")  # what `Run.recorded` may say, from nothing to all


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

    Queries: one for the runs; for each run a dozen at most, and three for each batch of what is kept of it.
    """
    done = Pruned(0, 0, 0)
    if before is None and keep is None:
        return done
    for pk in _old_runs(using, before, keep, changes_only):
        outcomes, changes = _rows(RowOutcome, using, pk), _rows(RecordedChange, using, pk)
        of_run = Pruned(1, 0 if changes_only else outcomes.count(), changes.aggregate(rows=Sum("count"))["rows"] or 0)
        if pk in _being_undone(using):
            continue
        if not dry_run and not _prune_run(using, pk, batch_size, changes_only=changes_only):
            continue
        done = Pruned(*map(sum, zip(done, of_run, strict=True)))
        if progress is not None:
            progress(done)
    return done


def prune_expired(
    using: str,
    changes: datetime | None,
    runs: datetime | None,
    *,
    is_enough: Callable[[], bool],
    batch_size: int = _AT_ONCE,
) -> bool:
    """
    Remove what runs changed, and runs with all that is kept of them, each from some time on.

    Args:
        using: Alias of the database.
        changes: When a run began that keeps its changes; None: none loses them.
        runs: When a run began that stays; None: all stay.
        is_enough: Asked before each batch whether to stop.
        batch_size: Rows removed in one transaction.

    Returns:
        Whether nothing is left to remove.

    Queries: one, or none if nothing is ever to go; for each run ten at most, and three for each batch.
    """
    found = _expired(using, changes, runs)
    is_all = len(found) < _RUNS
    for pk, changes_only in found:
        if is_enough():
            return False
        is_all &= _prune_run(using, pk, batch_size, is_enough, changes_only=changes_only)
    return is_all


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


def _expired(using: str, changes: datetime | None, runs: datetime | None) -> list[tuple[int, bool]]:
    """Give runs of which something is to go, the oldest first, and whether it is the changes only."""
    old = Q()  # each side names what is recorded, and so finds its rows by the index on that and the time
    if runs is not None:
        old |= Q(recorded__in=_KEPT, started__lt=runs)
    if changes is not None:
        old |= Q(recorded__in=(_PART, "changes"), started__lt=changes)
    found = _ended(using).filter(old).values_list("pk", "started")[:_RUNS] if old else ()
    return sorted((pk, runs is None or started >= runs) for pk, started in found)


def _being_undone(using: str) -> list[int]:
    undos = Run._base_manager.using(using).filter(status=Run.Status.RUNNING, undoes__isnull=False)
    return [run.undoes_id for run in undos.only("undoes") if run.undoes_id is not None]


def _ended(using: str) -> QuerySet[Run]:
    return Run._base_manager.using(using).exclude(status=Run.Status.RUNNING)


def _rows(model: Any, using: str, run: int) -> QuerySet[Any]:
    rows: QuerySet[Any] = model._base_manager.using(using).filter(run=run)
    return rows


def _prune_run(
    using: str, pk: int, batch_size: int, is_enough: Callable[[], bool] = lambda: False, *, changes_only: bool
) -> bool:
    """Remove a run, or only what it changed; False: it is being undone, or something is left."""
    if not _forget(using, pk, _PART if changes_only else "summary"):
        return False
    for model in (RecordedChange,) if changes_only else (RecordedChange, RowOutcome):
        if not _remove(_rows(model, using, pk), using, pk, batch_size, is_enough):
            return False
    with transaction.atomic(using=using):
        _lock(using, pk)
        _say_kept(using, pk, "rows" if changes_only else "")  # on SQLite, who begins with a write gets its turn
        if not changes_only:
            _ended(using).filter(pk=pk).delete()
    return True


def _forget(using: str, pk: int, recorded: str) -> bool:
    """Say that less is kept of a run, unless it is being undone; an undo that begins now sees it, and gives up."""
    with transaction.atomic(using=using):
        _lock(using, pk)
        _say_kept(using, pk, recorded)
        is_free = pk not in _being_undone(using)
        if not is_free:
            transaction.set_rollback(True, using=using)
    return is_free


def _say_kept(using: str, pk: int, recorded: str) -> None:
    """Say that less is kept; never that more is."""
    more = _KEPT[_KEPT.index(recorded) + 1 :]
    _ended(using).filter(pk=pk, recorded__in=more).update(recorded=recorded)


def _remove(rows: QuerySet[Any], using: str, run: int, batch_size: int, is_enough: Callable[[], bool]) -> bool:
    """Delete rows of a run, the oldest first, each batch in a transaction of its own; False: not all of them."""
    last = rows.order_by("pk").values_list("pk", flat=True)[batch_size - 1 : batch_size]
    while not is_enough():
        end = next(iter(last.all()), None)
        with transaction.atomic(using=using):
            _lock(using, run)
            (rows if end is None else rows.filter(pk__lte=end)).delete()
        if end is None:
            return True
    return False


def _lock(using: str, run: int) -> None:
    """
    Let those who prune one run take turns, a transaction each, in place of deadlocks; who begins to undo it waits.

    SQLite lets one connection write at a time anyway. A transaction that has read there may be refused when it wants
    to write, so it is not asked.
    """
    if connections[using].features.has_select_for_update:
        list(_ended(using).filter(pk=run).select_for_update().values_list("pk"))
