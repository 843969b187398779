"""Files of the same two people that other programs wrote: DuckDB 2.0, polars 2.1, pandas 3.1, fastparquet 2026.9."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from nsync import SyncOptions
from nsync.read.base import open_source
from tests.read.typed import check_blocks, typed_rows

FILES = Path(__file__).parent / "files"
FIRST = {"employee_id": "0012", "first_name": 'Zoë "Z"', "age": 41, "active": True}
SECOND = {"employee_id": "12", "first_name": None, "age": None, "active": False}
DAY, MOMENT = date(1984, 2, 29), datetime.fromisoformat("2024-01-02T03:04:05.000006")
AS_TEXT = {
    "birthday": "1984-02-29",
    "moment": "2024-01-02 03:04:05.000006",
    "zoned": "2024-01-02 02:04:05+00",
    "clock": "10:30:15",
    "small": Decimal("0.10000000149011612"),  # a float of four bytes, as DuckDB writes it
    "salary": Decimal("1234.5"),
}
DUCKDB = {
    "ratio": 12345,
    "salary": Decimal("1234.50"),
    "birthday": DAY,
    "moment": MOMENT,
    "zoned": datetime(2024, 1, 2, 2, 4, 5, tzinfo=UTC),
    "clock": time(10, 30, 15),
    "uid": "3f2504e0-4f89-41d3-9a0c-0305e82c3301",
    "items": "[1, null]",
    "part": '{"x": "é", "y": "2024-01-01"}',
    "small": 0.1,
}


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("duckdb.parquet", {**DUCKDB, "photo": "AP8="}),
        ("duckdb.json", {**DUCKDB, **AS_TEXT}),
        ("duckdb.jsonl", {**DUCKDB, **AS_TEXT}),
        (
            "polars.parquet",
            {
                "salary": Decimal("1234.50"),
                "birthday": DAY,
                "at": MOMENT,
                "clock": time(10, 30, 15),
                "took": "1 00:00:05.000000",
                "kind": "a",
                "items": "[1, null]",
            },
        ),
        ("polars.jsonl", {"salary": "1234.50", "kind": "a", "items": "[1, null]"}),
        ("pandas.json", {"at": 1704164645000, "kind": "a"}),
        ("pandas.jsonl", {"at": 1704164645000, "kind": "a"}),
        ("fastparquet.parquet", {"index": 5, "at": MOMENT, "kind": "a"}),
    ],
)
def test_what_another_program_wrote_is_read(name: str, more: dict[str, Any]) -> None:
    source = open_source(FILES / name, SyncOptions())
    first, second = (dict(zip(source.header, values, strict=True)) for _, values in typed_rows(source))

    assert first | FIRST | more == first
    assert second | SECOND == second
    assert check_blocks(source)
