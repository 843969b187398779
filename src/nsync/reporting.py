"""Reporting: a run is told from its accounts, and what the database says of it. Part of the conductor."""

from __future__ import annotations

from itertools import chain

from nsync.apply.refusals import lock_cure
from nsync.engines import unforeseen
from nsync.errors import Problem
from nsync.history import History
from nsync.options import SyncOptions
from nsync.record.report import Report, SourceReport
from nsync.run import Run, Task


def report_of(
    run: Run,
    options: SyncOptions,
    history: History,
    state: str,
    *,
    is_committed: bool,
    error: str,
    guard: str,
    seconds: float,
    queries: int,
) -> Report:
    """
    Say what a run did.

    Args:
        run, options, history: Which; what was asked for; its record.
        state: Its status, as `nsync.record.report` names them.
        is_committed: Whether its transaction was committed; of batches that are committed one by one, the last.
        error, guard: What ended it early; which limit stopped it.
        seconds, queries: That it took.
    """
    accounts = run.executor.accounts
    has_batches = bool(run.last_committed) and not is_committed
    is_partly = has_batches and not run.options.dry_run
    return Report(
        status=state,
        committed=is_committed or is_partly,
        dry_run=options.dry_run,
        sources=tuple(_source_report(run, task, history, error) for task in run.tasks),
        displaced=accounts.displaced,
        seconds=seconds,
        queries=queries,
        retries=run.retrying.retries,
        ledger=accounts.ledger,
        spool=accounts.details,
        error=error,
        last_committed=run.last_committed if is_partly else "",
        writes=accounts.writes,
        diffs=tuple(accounts.diffs),
        changed_fields=dict(accounts.changed_fields.most_common()),
        unforeseen=_unforeseen(run) if options.dry_run else (),
        skips_errors=options.on_error == "skip",
        would_keep_batches=has_batches and options.dry_run and not guard,
        snapshots=tuple(_source_report(run, task, history, error) for task in run.snapshots),
        guard=guard,
        withheld=run.is_withheld,
    )


def _source_report(run: Run, task: Task, history: History, error: str) -> SourceReport:
    layout, engine = task.decoder.layout, run.executor.engines[task.number]
    ledger = run.executor.accounts.ledger
    outcomes = ledger.counts(task.number)
    # Of a snapshot that goes on, what had been put off before is numbered anew.
    rows = sum(outcomes.values()) if task.is_snapshot else ledger.rows(task.number)
    columns = layout.notes
    if not (rows or error or task.is_snapshot):
        columns = (*columns, Problem("no-rows", "the source has a header and no row"))
    return SourceReport(
        name=task.source.name,
        system=task.system,
        target=task.model._meta.label,
        size=task.source.size,
        rows=rows,
        outcomes=outcomes,
        notes=task.source.notes,
        columns=columns,
        header=task.source.header,
        dialect=task.source.dialect,
        engine=engine.name,
        engine_hint=engine.hint,
        engine_reasons=engine.reasons,
        hidden=history.hidden_headers(task),
    )


def _unforeseen(run: Run) -> tuple[str, ...]:
    reasons = (unforeseen(task.decoder.layout) for task in (*run.tasks, *run.snapshots))
    return tuple(dict.fromkeys(chain.from_iterable(reasons)))


def database_error(error: Exception, cure: str = "") -> str:
    """Say that the database refuses, and what helps."""
    cure = lock_cure(error) or cure
    return f"the database refuses: {' '.join(str(error).split())}{f' ({cure})' if cure else ''}"
