"""The same rows in any format, packed or not: the same database, and the same outcomes."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import zipfile
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from nsync import SyncOptions, sync
from nsync.models import ExternalSystem
from nsync.read.formats import FORMATS
from nsync.record.report import Report
from tests.read.conftest import ZSTD
from tests.servers import Web
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


def zipped(records: Iterable[Record]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export/people.jsonl", as_json_lines(records))
    return file.getvalue()


WRITERS: Final[dict[str, Callable[[Iterable[Record]], bytes]]] = {
    "csv": as_csv,
    "tsv": lambda records: as_csv(records, "\t"),
    "jsonl": as_json_lines,
    "csv.gz": lambda records: gzip.compress(as_csv(records)),
    "tsv.bz2": lambda records: bz2.compress(as_csv(records, "\t")),
    "jsonl.xz": lambda records: lzma.compress(as_json_lines(records)),
    "csv.zst": lambda records: ZSTD.compress(as_csv(records)),
    "zip": zipped,
}


def run(folder: Path, suffix: str, records: list[Record], **options: Any) -> Report:
    path = folder / f"HR.{suffix}"
    path.write_bytes(WRITERS[suffix](records))
    return sync(path, Person, system="HR", options=SyncOptions(on_error="skip", **options))


def fetched(web: Web, suffix: str, records: list[Record]) -> Report:
    web.files[f"/HR.{suffix}"] = WRITERS[suffix](records)
    return sync(f"{web.url}/HR.{suffix}?sig=x", Person, system="HR", options=SyncOptions(on_error="skip"))


def told(report: Report) -> tuple[Any, ...]:
    codes = [[problem.code for problem in entry.problems] for entry in report.spool.entries()]
    return report.counts, report.warnings, report.errors, codes


def left_by(ran: Callable[[list[Record]], Report]) -> tuple[Any, ...]:
    """Give what four runs tell, and what they leave in an empty database."""
    Company.objects.create(name="Wayne")
    reports = [told(ran(records)) for records in (FIRST, FIRST, SECOND, SECOND)]
    names = ("first_name", "employee_id", "age", "salary", "active", "birthday", "company__name")
    people = list(Person.objects.order_by("pk").values(*names))
    for model in (Person, Company, ExternalSystem):
        model.objects.all().delete()
    return reports, people


@pytest.mark.parametrize("options", [{}, {"engine": "objects"}, {"batch_size": 2}], ids=["auto", "objects", "proofs"])
@pytest.mark.parametrize("suffix", [suffix for suffix in WRITERS if suffix != "csv"])
def test_any_format_leaves_what_csv_leaves(tmp_path: Path, suffix: str, options: dict[str, Any]) -> None:
    found = left_by(partial(run, tmp_path, suffix, **options))

    assert found == left_by(partial(run, tmp_path, "csv", **options))
    assert found[0][0][0]


@pytest.mark.parametrize("suffix", ["csv", "jsonl.xz", "zip"])
def test_so_does_a_file_that_is_fetched(tmp_path: Path, web: Web, suffix: str) -> None:
    assert left_by(partial(fetched, web, suffix)) == left_by(partial(run, tmp_path, "csv"))


def test_every_format_is_among_them() -> None:
    assert {
        name for name, one in FORMATS.items() if not {suffix[1:] for suffix in one.suffixes} & set(WRITERS)
    } == set()
