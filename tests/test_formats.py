"""The same rows in any format, packed or not: the same database, and the same outcomes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from nsync import SyncOptions, sync
from nsync.models import ExternalSystem
from nsync.read.formats import FORMATS
from nsync.record.report import Report
from tests.testapp.models import Company, Person

pytestmark = pytest.mark.django_db

_KEYS: Final = ("external_key", "action_flags", "match_on")
HEADER: Final = (*_KEYS, "employee_id", "first_name", "age", "salary", "active", "birthday", "company=>name")
# Typed, as a format with types holds them; None: an empty cell.
Record = tuple[Any, ...]
FIRST: Final[list[Record]] = [
    ("K1", "cu*", "employee_id", "0012", "Zoë", 41, Decimal("1234.50"), True, date(1984, 2, 29), "Wayne"),
    ("K2", "cu*", "employee_id", "12", 'a "b", c', None, None, False, None, "Wayne"),
    ("K3", "cu*", "employee_id", "13", " x ", 0, Decimal("0.10"), None, date(2001, 12, 31), "Nobody"),  # R5
    ("K4", "cu*", "employee_id", "14", "two\nlines", -5, Decimal(-3), True, None, None),
    ("K5", "cu*", "employee_id", "15", "bad", None, Decimal("1.234"), True, None, None),  # V4: too many places
]
SECOND: Final[list[Record]] = [
    ("K1", "cu*", "employee_id", "0012", "Zoë", 41, Decimal("1234.50"), True, date(1984, 2, 29), "Wayne"),
    ("K2", "cu*", "employee_id", "12", "changed", 3, None, False, None, None),
    ("K3", "d", None, None, None, None, None, None, None, None),
    ("K6", "cu*", "employee_id", "16", "new", 70_000, Decimal("99999999.99"), True, date(1999, 9, 9), "Wayne"),
]


def _text(value: object) -> str:
    return "" if value is None else str(value)


def as_csv(records: Iterable[Record], delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    rows = csv.writer(text, delimiter=delimiter)
    rows.writerow(HEADER)
    rows.writerows([*map(_text, record)] for record in records)
    return text.getvalue().encode()


def as_json_lines(records: Iterable[Record]) -> bytes:
    return "".join(
        json.dumps(dict(zip(HEADER, record, strict=True)), default=_number) + "\n" for record in records
    ).encode()


def _number(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


WRITERS: Final[dict[str, Callable[[Iterable[Record]], bytes]]] = {
    "csv": as_csv,
    "tsv": lambda records: as_csv(records, "\t"),
    "jsonl": as_json_lines,
}


def run(folder: Path, suffix: str, records: list[Record], **options: Any) -> Report:
    path = folder / f"HR.{suffix}"
    path.write_bytes(WRITERS[suffix](records))
    return sync(path, Person, system="HR", options=SyncOptions(on_error="skip", **options))


def told(report: Report) -> tuple[Any, ...]:
    codes = [[problem.code for problem in entry.problems] for entry in report.spool.entries()]
    return report.counts, report.warnings, report.errors, codes


@pytest.mark.parametrize("options", [{}, {"engine": "objects"}, {"batch_size": 2}], ids=["auto", "objects", "proofs"])
@pytest.mark.parametrize("suffix", [suffix for suffix in WRITERS if suffix != "csv"])
def test_any_format_leaves_what_csv_leaves(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    found = []
    for kind in ("csv", suffix):
        Company.objects.create(name="Wayne")
        reports = [told(run(tmp_path, kind, records, **options)) for records in (FIRST, FIRST, SECOND, SECOND)]
        people = list(
            Person.objects.order_by("pk").values("first_name", "employee_id", "age", "salary", "active", "birthday")
        )
        found.append((reports, people, list(Person.objects.order_by("pk").values_list("company__name", flat=True))))
        Person.objects.all().delete()
        Company.objects.all().delete()
        ExternalSystem.objects.all().delete()

    assert found[0] == found[1]
    assert found[0][0][0][0]


def test_every_format_is_among_them() -> None:
    assert {
        name for name, one in FORMATS.items() if not {suffix[1:] for suffix in one.suffixes} & set(WRITERS)
    } == set()
