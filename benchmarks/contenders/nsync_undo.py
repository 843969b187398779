"""nsync taking back what it has just done, as ``syncundo`` does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contenders import nsync_itself, nsync_recording
from benchmarks.workloads import Workload

LARGEST = 0
LARGEST_QUICK = 0
REPEATS = True
SAVES_CHANGES_ONLY = False
MAPS = True
NEEDS_MATCH = False
UNDOES = True

told = nsync_itself.told


def cannot(workload: Workload, database: str) -> str:
    """It is measured where there is something to take back."""
    return "" if workload.name in ("new", "10 % changed", "deletes") else "nothing is taken back"


def load(workload: Workload, path: Path) -> Callable[[], dict[str, Any]]:
    """Sync, which is not measured; prepare one call of ``undo()``."""
    from nsync.models import Run
    from nsync.undo import undo

    nsync_recording.load(workload, path)()
    run = Run.objects.latest("pk").pk

    def take_back() -> dict[str, Any]:
        report = undo(run)
        if report.left:
            raise SystemExit(f"the undo left something: {report.left[:3]}")
        return {"engine": "undo"}

    return take_back
