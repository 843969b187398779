"""
Run the tests on SQLite, then on each database that answers, and end with what was left out.

``python -m tests.everywhere [pytest arguments]``. It fails if any run fails, and, with ``NSYNC_REQUIRE_SERVICES=1``,
if a service does not answer.
"""

from __future__ import annotations

import os
import subprocess
import sys

from tests.services import DATABASES, PROBES, REQUIRE_SERVICES, why_absent


def run(database: str, arguments: list[str]) -> tuple[int, list[str]]:
    """Run pytest on a database, showing what it prints; give its exit code and the lines about what it left out."""
    print(f"\n=== {database} ===", flush=True)
    command = [sys.executable, "-m", "pytest", "-n", "2", *arguments]
    environment = {**os.environ, "NSYNC_TEST_DB": database}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True, bufsize=1) as pytest:
        assert pytest.stdout is not None
        left_out = []
        last = ""
        for line in pytest.stdout:
            print(line, end="", flush=True)
            if line.startswith("left out on "):
                left_out.append(line.strip())
            last = line.strip() or last
    verdict = "passed" if pytest.returncode == 0 else f"FAILED (pytest exit code {pytest.returncode})"
    return pytest.returncode, [f"{database}: {verdict}: {last.strip('= ')}", *left_out]


def main(arguments: list[str]) -> int:
    """Run everything that can be run; 1 if something failed, or is required and absent."""
    absent = {service: why for service in PROBES if (why := why_absent(service))}
    failed = False
    summary = []
    for database in DATABASES:
        if database not in absent:
            code, lines = run(database, arguments)
            failed |= code != 0
            summary += lines
    print("\n=== summary ===")
    print("\n".join(summary))
    for service, why in absent.items():
        print(f"left out: {service}, which does not answer ({why})")
    if absent and REQUIRE_SERVICES:
        print("FAILED: NSYNC_REQUIRE_SERVICES is set, and these services do not answer: " + ", ".join(absent))
        failed = True
    if not absent and not any(line.startswith("left out") for line in summary):
        print("nothing was left out")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
