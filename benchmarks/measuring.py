"""
One task in a process of its own: ``python -m benchmarks.measuring '<task as JSON>'``; what there is to say is printed.

``write`` writes a file, ``prepare`` makes a fresh database and brings it into its state, ``measure`` runs a contender
and then checks what it did, ``drop`` drops the database. Only ``measure`` is measured, so that its memory is that of
the contender.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contenders import contender
from benchmarks.workloads import WORKLOADS, write


def _write(task: dict[str, Any]) -> None:
    write(WORKLOADS[task["workload"]], task["rows"], Path(task["path"]), with_match=task["with_match"])


def _prepare(task: dict[str, Any]) -> None:
    """Make the database anew, under the name that the settings have."""
    from django.db import connection

    from benchmarks import states

    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    workload = WORKLOADS[task["workload"]]
    if workload.before:
        states.fill(workload.before, task["rows"], maps=contender(task["contender"]).MAPS)
    states.settle()


def _drop(task: dict[str, Any]) -> None:
    """Drop the database, if there is one; SQLite's file goes with its folder."""
    from django.db import connection

    if connection.vendor != "sqlite":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {connection.ops.quote_name(connection.settings_dict['NAME'])}")


def _measure(task: dict[str, Any]) -> dict[str, Any]:
    """Run a contender; what is imported and connected before belongs to none of them."""
    from django.db import connection

    from benchmarks import checks
    from benchmarks.app import models

    workload, path, one = WORKLOADS[task["workload"]], Path(task["path"]), contender(task["contender"])
    run = one.load(workload, path)
    connection.ensure_connection()
    queries: Counter[str] = Counter()
    with connection.execute_wrapper(_counting(queries)):
        measured = measuring(run)
    told = {"queries": queries["all"], **measured, "saved": models.SAVED[workload.model], "problems": []}
    if task["check"]:
        told["problems"] = (
            checks.undone_problems(workload, task["rows"])
            if one.UNDOES
            else checks.database_problems(workload, path, maps=one.MAPS)
        )
    if one.SAVES_CHANGES_ONLY and told["saved"] != workload.saved(task["rows"]):
        told["problems"].append(f"{told['saved']} calls of the receiver, not {workload.saved(task['rows'])}")
    if "outcomes" in told:
        told["problems"] += filter(None, [checks.outcome_problem(workload, task["rows"], told["outcomes"])])
    return told


def measuring(run: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Call a function; give what it says, its seconds, and the most memory that this process ever had, in MB."""
    started, started_cpu = time.perf_counter(), time.process_time()
    told = run()
    seconds, cpu = time.perf_counter() - started, time.process_time() - started_cpu
    # cpu is without what the database's own processes take; the first 50 MB are Python, Django and the models.
    return {**told, "seconds": seconds, "cpu": cpu, "peak": _peak_memory()}


def _counting(queries: Counter[str]) -> Callable[..., Any]:
    def count(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        queries["all"] += 1
        return execute(sql, params, many, context)

    return count


def _peak_memory() -> float:
    """Ask the kernel for the peak of the resident memory (VmHWM)."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def _told(task: dict[str, Any]) -> str:
    return str(contender(task["contender"]).told())


_TASKS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "write": _write,
    "prepare": _prepare,
    "measure": _measure,
    "drop": _drop,
    "told": _told,
}


def main() -> None:
    """Do the task that the command line names."""
    task = json.loads(sys.argv[1])
    if os.environ.get("DJANGO_SETTINGS_MODULE"):
        import django

        django.setup()
    print(json.dumps(_TASKS[task["task"]](task)))


if __name__ == "__main__":
    main()
