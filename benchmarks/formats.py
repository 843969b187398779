"""The files of workloads in other formats: ``python -m benchmarks.formats FILE.csv FILE.jsonl``."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

_AT_ONCE = 50_000


def converted(path: Path, suffix: str) -> Path:
    """Give the file in another format; a process of its own writes it, whose memory is not measured."""
    target = path.with_suffix(suffix)
    if not target.exists():
        subprocess.run([sys.executable, "-m", "benchmarks.formats", str(path), str(target)], check=True)
    return target


def _records(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            yield {name: int(cell) if cell.isdigit() else cell or None for name, cell in row.items()}


def _write_jsonl(records: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(record) + "\n" for record in records)


def _write_json(records: Iterable[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for number, record in enumerate(records):
            file.write((",\n" if number else "[\n") + json.dumps(record))
        file.write("\n]\n")


def _write_parquet(records: Iterator[dict[str, Any]], path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    table = pyarrow.Table.from_pylist(list(islice(records, _AT_ONCE)))
    with parquet.ParquetWriter(path, table.schema) as writer:
        while len(table):
            writer.write_table(table)
            table = pyarrow.Table.from_pylist(list(islice(records, _AT_ONCE)), schema=table.schema)


_WRITERS = {".jsonl": _write_jsonl, ".json": _write_json, ".parquet": _write_parquet}


if __name__ == "__main__":
    _WRITERS[Path(sys.argv[2]).suffix](_records(Path(sys.argv[1])), Path(sys.argv[2]))
