"""
How long do many people take: new, unchanged, and one in ten changed; in bulk, and object by object?

The file has a key, a match by a unique column, and four more columns; every person has a mapping. Object by object,
which takes many times as long, a tenth of the rows is synced.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

HEADER = "external_key,action_flags,match_on,employee_id,first_name,last_name,age,email\n"
_TURNS = {"new": 0, "again, unchanged": 0, "10 % changed": 1}  # → what is added to the age of every tenth person


def _rows() -> dict[str, int]:
    rows = int(os.environ.get("NSYNC_BENCH_ROWS", "200000"))
    return {"auto": rows, "objects": rows // 10}


def steps() -> list[str]:
    """Name the measurements."""
    return [f"people, {engine}, {turn}" for engine in _rows() for turn in _TURNS]


def run(name: str) -> Any:
    """Sync one file; give the report."""
    from nsync import SyncOptions, sync
    from tests.testapp.models import Person

    _, engine, turn = name.split(", ", 2)
    path = Path(os.environ["NSYNC_BENCH_FOLDER"]) / "people.csv"
    _write(path, engine, _rows()[engine], _TURNS[turn])
    return sync(path, Person, system=engine, options=SyncOptions(engine=engine))  # type: ignore[arg-type]  # one of them


def _write(path: Path, engine: str, rows: int, more: int) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(HEADER)
        for number in range(rows):
            age = number % 90 + (more if number % 10 == 0 else 0)
            file.write(
                f"K{number},cu*,employee_id,{engine}{number},First {number},Last {number},{age},{number}@x.org\n"
            )
