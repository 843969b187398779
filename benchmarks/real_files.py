"""
How long do the public files take, and how much memory?

``python -m benchmarks [database …] [--data FOLDER] [--once]``: syncs each file twice (the second time nothing changes),
each time in a process of its own, and prints what became of the rows, seconds, queries and peak memory.
"""

from __future__ import annotations

import argparse
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

DATA = Path(os.environ.get("NSYNC_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_LINE = "{:<18}{:<7}{:>7}{:>9}{:>8}{:>8}{:>9}{:>7}{:>5}  {}"


def main() -> int:
    """Measure on each database asked for that answers."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks")
    parser.add_argument("databases", nargs="*", metavar="database", help=", ".join(DATABASES))
    parser.add_argument("--data", type=Path, default=DATA, help="the folder of public files")
    parser.add_argument("--once", action="store_true", help="leave out the second run of each file")
    parser.add_argument("--measure", help=argparse.SUPPRESS)  # a process of our own: the name of the step
    options = parser.parse_args()
    if not options.data.is_dir():
        parser.error(f"there is no folder {options.data}; name that of the public files with --data")
    if options.measure:
        print(json.dumps(_measure(options.measure, options.data)))
        return 0
    for database in options.databases or DATABASES:
        why = why_absent(database) if database != "sqlite" else ""
        if why:
            print(f"{database}: left out, it does not answer ({why})")
        else:
            _bench(database, options)
    return 0


def _bench(database: str, options: argparse.Namespace) -> None:
    """Create a database, sync every file into it, and drop it."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["NSYNC_TEST_DB"] = database
        os.environ["NSYNC_BENCH_NAME"] = f"{folder}/bench.sqlite3" if database == "sqlite" else "test_nsync_bench"
        command = [sys.executable, "-m", "benchmarks", "--data", str(options.data), "--measure"]
        try:
            about = _child([*command, "create"])
            _print_head(about["database"])
            for name in about["steps"]:
                for turn in ("first",) if options.once else ("first", "again"):
                    _print_line(name, turn, _child([*command, name]))
        finally:
            _child([*command, "drop"])


def _child(command: list[str]) -> Any:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def _measure(name: str, data: Path) -> Any:
    """Do one thing in this process; give what there is to say of it."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "benchmarks.settings"
    import django
    from django.db import connection

    django.setup()
    from nsync import sync
    from tests.real_steps import STEPS

    if name == "create":
        # It leaves NAME as the settings have it, which is the name for tests.
        connection.creation.create_test_db(verbosity=0, autoclobber=True)
        return {"database": _database_version(), "steps": [step.name for step in STEPS]}
    if name == "drop":
        if connection.vendor != "sqlite":
            connection.creation._destroy_test_db(connection.settings_dict["NAME"], verbosity=0)
        return {}
    step = next(step for step in STEPS if step.name == name)
    started = time.process_time()
    report = sync(data / step.path, step.model, system=step.system, options=step.options)
    return {
        "rows": report.rows,
        "seconds": report.seconds,
        "cpu": time.process_time() - started,  # without what the database's own processes take
        "queries": report.queries,
        "peak": _peak_memory(),
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
    print(f"command: python -m {' '.join(['benchmarks', *sys.argv[1:]])}\n")
    print(
        _LINE.format(
            "file", "run", "rows", "seconds", "cpu", "ms/row", "queries", "/row", "MB", "what became of the rows"
        )
    )


def _print_line(name: str, turn: str, told: Any) -> None:
    rows = told["rows"]
    counts = ", ".join(f"{count} {kind}" for kind, count in {**told["outcomes"], **told["warnings"]}.items())
    print(
        _LINE.format(
            name,
            turn,
            rows,
            f"{told['seconds']:.1f}",
            f"{told['cpu']:.1f}",
            f"{told['seconds'] / rows * 1_000:.2f}",
            told["queries"],
            f"{told['queries'] / rows:.2f}",
            f"{told['peak']:.0f}",
            f"{counts} {told['error']}",
        ),
        flush=True,
    )
