"""
Sync a generated file of many persons into a fresh SQLite database, twice, and say what it took.

``python -m tests.streaming_run FOLDER ROWS`` prints JSON; the peaks of memory are those of this process so far.
"""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path
from typing import Any

HEADER = "external_key,action_flags,match_on,employee_id,first_name,last_name,age,email\n"


def write_file(path: Path, count: int) -> None:
    """Write the persons, one a line, each with a key, a match and four more columns."""
    with path.open("w") as file:
        file.write(HEADER)
        for number in range(count):
            file.write(
                f"K{number},cu*,employee_id,E{number},First {number},Last {number},{number % 90},{number}@x.org\n"
            )


def peak() -> int:
    """Give the most memory that this process has had so far, in KB."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1])


def run(path: Path) -> dict[str, Any]:
    from nsync import sync

    started = time.monotonic()
    report = sync(path, "testapp.Person", system="HR")
    outcomes = {kind.value: number for kind, number in report.counts.items()}
    return {
        "outcomes": outcomes,
        "engine": report.engine,
        "peak": peak(),
        "seconds": round(time.monotonic() - started, 1),
        "queries": report.queries,
    }


def main(folder: Path, count: int) -> None:
    import django
    from django.conf import settings
    from django.core.management import call_command

    from tests import settings as of_tests

    chosen = {name: getattr(of_tests, name) for name in dir(of_tests) if name.isupper()}
    database = {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / f"{count}.sqlite3")}
    settings.configure(**{**chosen, "DATABASES": {"default": database}})
    django.setup()
    call_command("migrate", run_syncdb=True, verbosity=0)
    path = folder / f"{count}.csv"
    write_file(path, count)
    before = peak()
    print(json.dumps({"before": before, "new": run(path), "again": run(path)}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
