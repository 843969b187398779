"""
``python -m benchmarks [what …] [database …]``: what is ``files`` or ``people``; a database sqlite, postgresql, mariadb.

Each measurement has a process of its own; what became of the rows, seconds, queries and peak memory are printed.
"""

import argparse
import sys
from pathlib import Path

from benchmarks import real_files
from benchmarks.measuring import measure_all
from tests.services import DATABASES

BENCHMARKS = {"files": "benchmarks.real_files", "people": "benchmarks.people"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", choices=[*BENCHMARKS, *DATABASES, []], metavar="what|database")
    parser.add_argument("--data", type=Path, default=real_files.DATA, help="the folder of public files")
    parser.add_argument("--rows", type=int, default=200_000, help="how many people")
    parser.add_argument("--engine", default="auto", help="of the public files")
    options = parser.parse_args()
    environment = {
        "NSYNC_TEST_DATA": str(options.data),
        "NSYNC_BENCH_ROWS": str(options.rows),
        "NSYNC_BENCH_ENGINE": options.engine,
    }
    for name in [name for name in options.names if name in BENCHMARKS] or BENCHMARKS:
        if name == "files" and not options.data.is_dir():
            print(f"files: left out, there is no folder {options.data}; name that of the public files with --data")
            continue
        measure_all(BENCHMARKS[name], [one for one in options.names if one in DATABASES], environment)
    return 0


sys.exit(main())
