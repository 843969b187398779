"""
How long do the public files take, and how much memory? ``python -m benchmarks.real_files '<task as JSON>'``.

Each file is synced twice: the second time nothing changes. Unlike the workloads, they build on each other (runways
refer to airports), and so share one database.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("NSYNC_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_TURNS = ("first", "again")


def _measure(task: dict[str, Any]) -> dict[str, Any]:
    """Sync one file."""
    from benchmarks.measuring import measuring
    from nsync import sync
    from tests.real_steps import STEPS

    step = next(step for step in STEPS if task["step"].rpartition(", ")[0] == step.name)

    def run() -> dict[str, Any]:
        report = sync(Path(task["data"]) / step.path, step.model, system=step.system, options=step.options)
        return {
            "rows": report.rows,
            "engine": report.engine,
            "queries": report.queries,
            "outcomes": {kind.value: count for kind, count in report.counts.items()},
        }

    return measuring(run)


def main() -> None:
    """Do the task that the command line names."""
    import django
    from django.db import connection

    task = json.loads(sys.argv[1])
    django.setup()
    told: Any = None
    if task["task"] == "create":
        from tests.real_steps import STEPS

        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        told = [f"{step.name}, {turn}" for step in STEPS for turn in _TURNS]
    elif task["task"] == "measure":
        told = _measure(task)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
