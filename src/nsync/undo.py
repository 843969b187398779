"""Undo: what a run wrote is taken back. Part of the conductor; ``undo()`` gives an UndoReport."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from django.db import DatabaseError, connections, transaction

from nsync.apply.restoring import Left
from nsync.changes import ERROR_CODES
from nsync.conductor import database_error
from nsync.conf import hidden_columns
from nsync.errors import ConfigError, NsyncError
from nsync.expiring import expire
from nsync.history import end_run, insert_into, is_of_others, keep_outcomes, start_run, told_by
from nsync.locks import locked
from nsync.models import RecordedChange
from nsync.models import Run as RunRecord
from nsync.opening import choose_database
from nsync.options import SyncOptions
from nsync.record.journal import Journal, model_of
from nsync.record.report import VEILED
from nsync.rowsin import by_index
from nsync.unwinding import DONE as DONE
from nsync.unwinding import Progress, Unwinding


@dataclass(frozen=True)
class UndoReport:
    """What an undo did."""

    run: int  # that was undone
    undo: int | None  # the undo itself, which is a run too; None: a dry run
    done: dict[str, Counter[str]]  # label of a model → "removed", "brought back", "set back" → rows of its table
    left: list[Left]
    seconds: float

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing was changed."""
        return self.undo is None

    @property
    def exit_code(self) -> int:
        """Give the exit code of a command that ends with this report (rule T7)."""
        return 3 if self.left else 0

    def veiled(self) -> UndoReport:
        """Give the same without values of columns that are not to be kept."""
        hidden = hidden_columns()
        return replace(self, left=[_veiled(one, hidden) for one in self.left])


def undo(
    run: int,
    *,
    database: str = "",
    force: bool = False,
    dry_run: bool = False,
    only: Collection[tuple[str, str]] = (),
    progress: Progress | None = None,
    command: str = "",
    wait: float = 0,
) -> UndoReport:
    """
    Take back what a run wrote, in reverse order, in one transaction, raw: no ``save()``, no ``auto_now``.

    What somebody else changed since is left, and so is what others refer to now: see ``docs/explanation/undo.rst``.

    Args:
        run: Primary key of the run; it may be an undo.
        database: Alias of the database; "" as for a run.
        force: Values that somebody changed since are overwritten.
        dry_run: Say what would be done, and leave everything as it is.
        only: Label and primary key, as text, of the objects that are put back; none: all.
        progress: Told how far it has come.
        command: What the history tells of how the undo was asked for.
        wait: Seconds, for another run at one of the models to end.

    Raises:
        ConfigError: There is no such run, or it cannot be undone. Nothing was written.
        Locked, NsyncError: Another run has one of the models; the database gave up. Nothing was written.

    Queries: those of `nsync.apply.restoring.Restorer` for every five thousand rows of a table.
    """
    using = choose_database((), SyncOptions(database=database))
    record = _undoable(run, using)
    mine = None if dry_run else _start(record, using, command, force=force, only=only)
    try:
        with ExitStack() as stack:
            _enter(stack, record, mine, using, wait)
            report = _unwind(record, mine, using, only, progress, force=force)
            if mine is None:
                transaction.set_rollback(True, using=using)
            else:
                _finish(record, mine, using, report, is_whole=not only)
    except BaseException as error:
        _give_up(mine, using, error)
        raise
    if mine is not None:
        expire(using, report.seconds)
    return report


def _unwind(
    record: RunRecord,
    mine: RunRecord | None,
    using: str,
    only: Collection[tuple[str, str]],
    progress: Progress | None,
    *,
    force: bool,
) -> UndoReport:
    started = time.monotonic()
    journal = None if mine is None else Journal(mine.pk, insert_into(using), hidden_columns())
    unwinding = Unwinding(record.pk, using, journal, only, progress, force=force)
    with by_index(using):  # of tables that were filled a moment ago PostgreSQL does not know how large they are
        unwinding.run()
    if journal is not None:
        journal.flush()
    if only and not (unwinding.done or unwinding.left):
        raise ConfigError(f"run {record.pk} did nothing to {', '.join(f'{label}:{pk}' for label, pk in only)}")
    number, seconds = None if mine is None else mine.pk, time.monotonic() - started
    return UndoReport(record.pk, number, unwinding.done, unwinding.left, seconds)


def _enter(stack: ExitStack, record: RunRecord, mine: RunRecord | None, using: str, wait: float) -> None:
    """Begin the transaction, with the locks of the models that the run has written; then look at the run again."""
    labels = RecordedChange._base_manager.using(using).filter(run_id=record.pk).values_list("model", flat=True)
    models = [model for label in labels.distinct() if (model := model_of(label)) is not None]
    is_inside = connections[using].vendor == "postgresql"
    run = None if mine is None else mine.pk
    locks = locked(models, using, run=run, wait=wait, in_transaction=is_inside)
    if not is_inside:
        stack.enter_context(locks)
    stack.enter_context(transaction.atomic(using=using))
    if is_inside:
        stack.enter_context(locks)
    _undoable(record.pk, using)  # meanwhile another undo may have come first, or its changes are being pruned


def _give_up(mine: RunRecord | None, using: str, error: BaseException) -> None:
    """Say in the history why nothing was undone, and raise what others cannot be expected to know."""
    if mine is not None:
        why = VEILED if hidden_columns() and is_of_others(error) else f"{type(error).__name__}: {error}"
        end_run(mine.pk, using, RunRecord.Status.FAILED, error=why)
        error.add_note(told_by(mine))
    if isinstance(error, DatabaseError):
        raise NsyncError(database_error(error)) from error


def _undoable(run: int, using: str) -> RunRecord:
    """Give a run whose changes are there, and still in force."""
    found: RunRecord | None = RunRecord._base_manager.using(using).filter(pk=run).first()
    if found is None:
        last = RunRecord._base_manager.using(using).order_by("-pk").values_list("pk", flat=True).first()
        raise ConfigError(f"there is no run {run}; {f'the last is {last}' if last else 'there are none'} (syncruns)")
    status = RunRecord.Status
    if found.status == status.UNDONE:
        undoers = found.undone_by.using(using).exclude(status__in=(status.RUNNING, status.FAILED))
        by = undoers.order_by("-pk").values_list("pk", flat=True).first()
        raise ConfigError(f"run {run} is undone already{f', by run {by}: undo that to have it back' if by else ''}")
    if found.status == status.RUNNING:
        raise ConfigError(f"run {run} is still running; stop it, or wait for its end")
    is_whole = found.status in (status.APPLIED, status.WITH_REJECTS)
    if not is_whole and not found.changes.using(using).exists():  # it may have committed batches before it failed
        raise ConfigError(f"run {run} is {found.status}: it left nothing to undo")
    if found.recorded != "changes":
        raise ConfigError(f"what run {run} wrote was not recorded, or is pruned: only {found.recorded or 'nothing'}")
    return found


def _start(record: RunRecord, using: str, command: str, *, force: bool, only: Collection[tuple[str, str]]) -> RunRecord:
    options = {"force": force} if force else {}
    named = {"only": [f"{label}:{pk}" for label, pk in only]} if only else {}
    return start_run(
        using,
        command=command,
        system=record.system,
        model=record.model,
        options={**options, **named},
        recorded="changes",
        undoes=record,
    )


def _finish(record: RunRecord, mine: RunRecord, using: str, report: UndoReport, *, is_whole: bool) -> None:
    """Say what became of both runs."""
    status = RunRecord.Status
    keep_outcomes(
        using,
        (
            (
                mine.pk,
                one.row.source,
                one.row.line,
                "left",
                one.code,
                f"{one.row.label}.{one.field}".rstrip("."),
                "",
                told(one),
            )
            for one in report.veiled().left
        ),
    )
    outcomes: Counter[str] = Counter()
    for counts in report.done.values():
        outcomes += counts
    outcomes["left"] = len(report.left)
    ended = status.WITH_REJECTS if report.left else status.APPLIED
    end_run(mine.pk, using, ended, outcomes=+outcomes, seconds=report.seconds)
    if is_whole and not report.left:
        runs = RunRecord._base_manager.using(using)
        runs.filter(pk=record.pk).update(status=status.UNDONE)
        if record.undoes_id is not None:  # an undo of an undo: the first run is in force again
            first = runs.get(pk=record.undoes_id)
            is_clean = not (first.outcomes.get("failed") or first.outcomes.get("left") or first.error)
            first_status = status.APPLIED if is_clean else status.WITH_REJECTS
            runs.filter(pk=first.pk, status=status.UNDONE).update(status=first_status)


def _veiled(left: Left, hidden: Mapping[str, Collection[str]]) -> Left:
    """Leave out values that are not to be kept."""
    names = hidden.get(left.row.label, ())
    is_hidden = left.field in names or (bool(names) and left.code in ERROR_CODES)
    return left._replace(reason=ERROR_CODES.get(left.code, "it was changed since")) if is_hidden else left


def told(left: Left) -> str:
    """Say in words what was left, and why."""
    row = left.row
    model = model_of(row.label)
    name = model._meta.verbose_name if model else row.label
    column = f", {left.field}" if left.field else ""
    return f"{name} {row.pk}{column}: {left.reason}"
