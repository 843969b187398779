"""
What every benchmark shares: a database of its own, a process for each measurement, and how figures are printed.

Each benchmark is a module with ``steps()`` (the names of what it measures, in order) and ``run(name)`` (which does one
and gives its report); a database is made for it, and dropped afterwards.
"""

from __future__ import annotations

import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from tests.services import DATABASES, why_absent

_LINE = "{:<34}{:>8}{:>9}{:>8}{:>8}{:>9}{:>7}{:>6}  {}"


def measure_all(module: str, databases: list[str], environment: dict[str, str]) -> None:
    """Run a benchmark on each database asked for that answers."""
    os.environ.update(environment)
    for database in databases or list(DATABASES):
        why = why_absent(database) if database != "sqlite" else ""
        if why:
            print(f"{database}: left out, it does not answer ({why})")
        else:
            _bench(module, database)


def _bench(module: str, database: str) -> None:
    """Create a database, measure every step in it, and drop it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NSYNC_TEST_DB"] = database
        os.environ["NSYNC_BENCH_NAME"] = f"{folder}/bench.sqlite3" if database == "sqlite" else "test_nsync_bench"
        os.environ["NSYNC_BENCH_FOLDER"] = folder
        try:
            about = _child(module, "create")
            _print_head(about["database"])
            for name in about["steps"]:
                _print_line(name, _child(module, name))
        finally:
            _child(module, "drop")


def _child(module: str, name: str) -> Any:
    command = [sys.executable, "-m", "benchmarks.measuring", module, name]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _measure(module: str, name: str) -> Any:
    """Do one thing in this process; give what there is to say of it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    import django
    from django.db import connection

    django.setup()
    benchmark = importlib.import_module(module)
    if name == "create":
        # It leaves NAME as the settings have it, which is the name for tests.
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        return {"database": _database_version(), "steps": benchmark.steps()}
    if name == "drop":
        if connection.vendor != "sqlite":
            connection.creation._destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
        return {}
    started = time.process_time()
    report = benchmark.run(name)
    return {
        "rows": report.rows,
        "seconds": report.seconds,
        "cpu": time.process_time() - started,  # without what the database's own processes take
        "queries": report.queries,
        "peak": _peak_memory(),
        "engine": report.engine,
        "outcomes": {kind.value: count for kind, count in report.counts.items()},
        "warnings": report.warnings,
        "error": report.error,
    }


def _peak_memory() -> float:
    """Ask the kernel how many MB this process had at most; the first 50 are Python, Django and the models."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def _database_version() -> str:
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()" if connection.vendor == "sqlite" else "SELECT version()")
        return f"{connection.display_name} {cursor.fetchone()[0].split(' on ')[0]}"


def _print_head(database: str) -> None:
    cpu = next(
        (line.partition(": ")[2] for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    drivers = ", ".join(f"{name} {version(name)}" for name in ("psycopg", "PyMySQL"))
    print(f"\n{database}; Python {platform.python_version()}, Django {version('Django')}, {drivers}")
    print(f"{os.cpu_count()} × {cpu}; load {os.getloadavg()[0]:.1f}; {datetime.now(UTC):%Y-%m-%d}")
    print(f"command: python -m {' '.join([Path(sys.argv[0]).parent.name, *sys.argv[1:]])}\n")
    print(
        _LINE.format("what", "rows", "seconds", "cpu", "ms/row", "queries", "/row", "MB", "engine: what became of them")
    )


def _print_line(name: str, told: Any) -> None:
    rows = told["rows"]
    counts = ", ".join(f"{count} {kind}" for kind, count in {**told["outcomes"], **told["warnings"]}.items())
    print(
        _LINE.format(
            name,
            rows,
            f"{told['seconds']:.1f}",
            f"{told['cpu']:.1f}",
            f"{told['seconds'] / rows * 1_000:.2f}",
            told["queries"],
            f"{told['queries'] / rows:.2f}",
            f"{told['peak']:.0f}",
            f"{told['engine']}: {counts} {told['error']}",
        ),
        flush=True,
    )


if __name__ == "__main__":
    print(json.dumps(_measure(*sys.argv[1:])))
