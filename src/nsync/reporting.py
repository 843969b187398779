"""What a report says of each source of a run. Part of the conductor."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from nsync.engines import unforeseen
from nsync.errors import Problem
from nsync.executor import Executor
from nsync.record.report import SourceReport
from nsync.run import Task


def source_report(task: Task, executor: Executor, *, has_error: bool) -> SourceReport:
    """
    Say what became of a source.

    Args:
        task: The source.
        executor: Of the run.
        has_error: The run ended early, so that it may not have come to the source.
    """
    layout, engine = task.decoder.layout, executor.engines[task.number]
    rows = executor.accounts.ledger.rows(task.number)
    columns = layout.notes
    if not rows and not has_error:
        columns = (*columns, Problem("no-rows", "the source has a header and no row"))
    return SourceReport(
        name=task.source.name,
        system=task.system,
        target=task.model._meta.label,
        size=task.source.size,
        rows=rows,
        outcomes=executor.accounts.ledger.counts(task.number),
        notes=task.source.notes,
        columns=columns,
        header=task.source.header,
        dialect=task.source.dialect,
        engine=engine.name,
        engine_hint=engine.hint,
        engine_reasons=engine.reasons,
    )


def all_unforeseen(tasks: Sequence[Task]) -> tuple[str, ...]:
    """Say what a dry run cannot know of its sources (rule O4)."""
    reasons = (unforeseen(task.decoder.layout) for task in tasks)
    return tuple(dict.fromkeys(chain.from_iterable(reasons)))
