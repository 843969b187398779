"""
The limit: what a script of plain SQL takes that is written for these very tables.

It loads the file into a temporary table and does the rest with a handful of statements; ``benchmarks/limit`` has them.
It does the work of nsync (lookup by mapping and by match, new objects, what differs, mappings, all or nothing) on the
same tables, indexes and foreign keys; but it knows the file, reports nothing, and stops at the first bad cell.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.workloads import Workload

LARGEST = 0
LARGEST_QUICK = 0
REPEATS = True
SAVES_CHANGES_ONLY = True
MAPS = True
NEEDS_MATCH = False
UNDOES = False

_SCRIPTS = {
    "new": "people.sql",
    "again": "people.sql",
    "10 % changed": "people.sql",
    "references": "houses.sql",
    "deletes": "deletes.sql",
}
_FOLDER = Path(__file__).resolve().parent.parent / "limit"


def cannot(workload: Workload, database: str) -> str:
    """Nobody has written the other scripts."""
    return "" if workload.name in _SCRIPTS else "there is no script for it"


def load(workload: Workload, path: Path) -> Callable[[], dict[str, Any]]:
    """Read the script."""
    from django.db import connection, transaction

    folder = {"mysql": "mariadb"}.get(connection.vendor, connection.vendor)
    statements = list(_statements(_FOLDER / folder / _SCRIPTS[workload.name]))

    def run() -> dict[str, Any]:
        with transaction.atomic(), connection.cursor() as cursor:
            for statement in statements:
                _execute(cursor, statement, path)
        return {"engine": "SQL", "queries": len(statements)}

    return run


def _statements(script: Path) -> Iterator[str]:
    """Give the statements of a script, without its comments. No value in it contains a semicolon or two dashes."""
    lines = script.read_text(encoding="utf-8").splitlines()
    for statement in "\n".join(line.partition("--")[0] for line in lines).split(";"):
        if statement.strip():
            yield statement.strip()


def _execute(cursor: Any, statement: str, path: Path) -> None:
    """Execute one statement; the one that loads the file gets it in the way of its database."""
    if statement.startswith("COPY"):
        with path.open("rb") as file, cursor.copy(statement) as copy:
            while block := file.read(1 << 20):
                copy.write(block)
    elif "(?" in statement:
        with path.open(encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows)
            cursor.connection.executemany(statement, rows)
    elif statement.startswith("LOAD DATA"):
        cursor.execute(statement, [str(path)])
    else:
        cursor.execute(statement)


def told() -> str:
    """Say what it is."""
    return "plain SQL"
