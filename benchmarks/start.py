"""
What starting costs: a file of a hundred rows, and, for comparison, a command of Django's own that only starts.

Both are whole processes: ``manage.py diffsettings`` and ``manage.py syncfile``, in a copy of the example project.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.figures import START, Figure
from benchmarks.processes import ROOT

ROWS = 100
TURNS = 11  # the median of so many, of each in turns
_FILE = "hundred.csv"
_SYNC = ("syncfile", "HR", "myapp", "Person", _FILE)
# What is measured → the commands before it, and the command.
_STEPS: dict[str, tuple[list[tuple[str, ...]], tuple[str, ...]]] = {
    "Django alone": ([], ("diffsettings",)),
    "all new": ([("flush", "--no-input")], _SYNC),
    "all unchanged": ([], _SYNC),
}


def figures(folder: Path, turns: int = TURNS) -> Iterator[Figure]:
    """Measure in a folder, which is empty."""
    project = folder / "start"
    shutil.copytree(ROOT / "example_project", project)
    lines = [f"K{number},cu*,last_name,First,Last {number}" for number in range(ROWS)]
    header = "external_key,action_flags,match_on,first_name,last_name"
    (project / _FILE).write_text("\n".join([header, *lines, ""]), encoding="utf-8")
    _run(project, ("migrate", "-v", "0"))
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in _STEPS}
    for turn in range(turns + 1):
        for name, (before, command) in _STEPS.items():
            for one in before:
                _run(project, one)
            measured = _run(project, command)
            if turn:  # the first has compiled what is imported
                told[name].append(measured)
    for name, results in told.items():
        yield Figure.of((f"{START}: {name}", "sqlite", "nsync", ROWS, ROWS), results)


def _run(project: Path, command: tuple[str, ...]) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "DJANGO_SETTINGS_MODULE": "project.settings"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what was compiled is kept, as of installed packages
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "manage.py", *command], cwd=project, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"manage.py {' '.join(command)}: exit code {process.returncode}")
    cpu, peak = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024
    return {"seconds": seconds, "cpu": cpu, "peak": peak, "queries": 0, "engine": ""}
