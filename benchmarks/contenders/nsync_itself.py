"""nsync as a project would call it: one call, with the options as they are by default."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.workloads import Workload

LARGEST = 0
LARGEST_QUICK = 0
REPEATS = True
SAVES_CHANGES_ONLY = True
MAPS = True
NEEDS_MATCH = False


def cannot(workload: Workload, database: str) -> str:
    """It can do all of them."""
    return ""


def load(workload: Workload, path: Path) -> Callable[[], dict[str, Any]]:
    """Prepare one call of ``sync()``."""
    from nsync import sync

    def run() -> dict[str, Any]:
        report = sync(path, f"benchmarks.{workload.model}", system=workload.system)
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
