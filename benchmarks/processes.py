"""Processes that do one task each, in the virtual environment and on the database that it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class TaskError(Exception):
    """A process ended with an error; the text is the end of what it said."""


class Place(NamedTuple):
    """A database of this run."""

    database: str  # sqlite, postgresql or mariadb
    name: str

    @classmethod
    def of(cls, database: str, folder: Path) -> Place:
        """Name a database that no other run uses."""
        return cls(database, f"{folder}/bench.sqlite3" if database == "sqlite" else f"nsync_bench_{os.getpid()}")


def ask(
    task: dict[str, Any],
    place: Place | None = None,
    python: Path | None = None,
    *,
    module: str = "benchmarks.measuring",
    settings: str = "benchmarks.settings",
) -> Any:
    """
    Do a task in a process; give what it prints.

    Args:
        task: What to do; see `benchmarks.measuring`.
        place: The database; none: Django is not set up.
        python: The interpreter of another virtual environment; none: this one, which has nsync.
        module: What to run.
        settings: Django's settings.

    Raises:
        TaskError: It failed.
    """
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [ROOT] if python else [ROOT, ROOT / "src"]))}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    if place:
        environment |= {
            "DJANGO_SETTINGS_MODULE": settings,
            "NSYNC_TEST_DB": place.database,
            "NSYNC_BENCH_DATABASE": place.database,
            "NSYNC_BENCH_NAME": place.name,
        }
    command = [str(python or sys.executable), "-W", "ignore", "-m", module, json.dumps(task)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment, check=False)
    if done.returncode:
        raise TaskError(done.stderr.strip()[-2000:])
    return json.loads(done.stdout.splitlines()[-1])
