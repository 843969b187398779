"""nsync as a project would call it: one call, with the options as they are by default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.workloads import Workload

if TYPE_CHECKING:
    from nsync.options import Record

LARGEST = 0
LARGEST_QUICK = 0
REPEATS = True
SAVES_CHANGES_ONLY = True
MAPS = True
NEEDS_MATCH = False
UNDOES = False


def cannot(workload: Workload, database: str) -> str:
    """It can do all of them."""
    return ""


def load(workload: Workload, path: Path, record: Record = "") -> Callable[[], dict[str, Any]]:
    """Prepare one call of ``sync()``; ``record``: how much is kept of it, by default what the settings say."""
    from nsync import SyncOptions, sync

    options = SyncOptions(record=record)

    def run() -> dict[str, Any]:
        report = sync(path, f"benchmarks.{workload.model}", system=workload.system, options=options)
        if not report.committed:
            raise SystemExit(f"nsync committed nothing: {report.error or next(report.details(), None)}")
        return {
            "engine": report.engine,
            "queries": report.queries,
            "outcomes": {kind.value: count for kind, count in report.counts.items()},
        }

    return run


def told() -> str:
    """Give its version."""
    import nsync

    return f"nsync {nsync.__version__}"
