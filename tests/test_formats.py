"""The same rows in any format, packed or not: the same database, and the same outcomes."""

from __future__ import annotations

import bz2
import csv
import gzip
import io
import json
import lzma
import sys
import zipfile
from collections.abc import Callable, Iterable
from datetime import date
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Final
from xml.etree import ElementTree

import openpyxl
import pyarrow as pa
import pytest
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.teletype import addTextToElement
from odf.text import P
from pyarrow import parquet

from nsync import SyncOptions, sync
from nsync.errors import ConfigError
from nsync.models import ExternalSystem
from nsync.read.formats import FORMATS, source_class
from nsync.record.report import Report
from tests.read.conftest import ZSTD
from tests.servers import Web
from tests.testapp.models import Company, Person, Product

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


def as_json(records: Iterable[Record]) -> bytes:
    return b"[" + b",".join(as_json_lines(records).splitlines()) + b"]"


def as_parquet(records: Iterable[Record]) -> bytes:
    integers = pa.float64()  # as pandas makes of integers where some are missing
    kinds = dict.fromkeys(HEADER, pa.string()) | {"age": integers, "salary": pa.decimal128(12, 3)}
    kinds |= {"active": pa.bool_(), "birthday": pa.date32()}
    table = pa.Table.from_pylist([dict(zip(HEADER, record, strict=True)) for record in records], pa.schema(kinds))
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


def _number(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)


def zipped(records: Iterable[Record]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("export/people.jsonl", as_json_lines(records))
    return file.getvalue()


def as_xml(records: Iterable[Record]) -> bytes:
    root = ElementTree.Element("people")
    for record in records:
        person = ElementTree.SubElement(root, "person")
        for name, value in zip(HEADER, record, strict=True):
            parent, _, child = name.rpartition("=>")  # "=>" is no part of a name
            element = ElementTree.SubElement(person, parent or child)
            (ElementTree.SubElement(element, child) if parent else element).text = _text(value)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)


def as_fixed_width(records: Iterable[Record]) -> bytes:
    lines = ("".join(f"{_text(value):{_WIDTH}}" for value in record) for record in records)
    return "".join(line + "\n" for line in lines).encode()


_WIDTH: Final = 12
_COLUMNS: Final = tuple(
    f"{name}:{_WIDTH * position + 1}-{_WIDTH * position + _WIDTH}" for position, name in enumerate(HEADER)
)


def as_xlsx(records: Iterable[Record]) -> bytes:
    book = openpyxl.Workbook()
    for record in (HEADER, *records):
        book.active.append(record)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def as_ods(records: Iterable[Record]) -> bytes:
    table = Table(name="People")
    for record in (HEADER, *records):
        row = TableRow()
        for value in record:
            row.addElement(_ods_cell(value))
        table.addElement(row)
    document = OpenDocumentSpreadsheet()
    document.spreadsheet.addElement(table)
    file = io.BytesIO()
    document.write(file)
    return file.getvalue()


def _ods_cell(value: object) -> Any:
    if value is None:
        return TableCell()
    if isinstance(value, bool):
        return TableCell(valuetype="boolean", booleanvalue=str(value).lower())
    if isinstance(value, date):
        return TableCell(valuetype="date", datevalue=value.isoformat())
    if not isinstance(value, str):
        return TableCell(valuetype="float", value=str(value))
    cell = TableCell(valuetype="string")
    for line in value.split("\n"):
        paragraph = P()
        addTextToElement(paragraph, line)
        cell.addElement(paragraph)
    return cell


WRITERS: Final[dict[str, Callable[[Iterable[Record]], bytes]]] = {
    "csv": as_csv,
    "tsv": lambda records: as_csv(records, "\t"),
    "json": as_json,
    "jsonl": as_json_lines,
    "parquet": as_parquet,
    "csv.gz": lambda records: gzip.compress(as_csv(records)),
    "tsv.bz2": lambda records: bz2.compress(as_csv(records, "\t")),
    "jsonl.xz": lambda records: lzma.compress(as_json_lines(records)),
    "csv.zst": lambda records: ZSTD.compress(as_csv(records)),
    "zip": zipped,
    "fwf": as_fixed_width,
    "xml": as_xml,
    "ods": as_ods,
    "xlsx": as_xlsx,
}
# What a file must be told, because its format cannot say it.
OPTIONS: Final[dict[str, dict[str, Any]]] = {
    "fwf": {"fixed_columns": _COLUMNS},
    "xml": {"map": (("company/name", "company=>name"),)},
}


def fit_for(suffix: str, records: list[Record]) -> list[Record]:
    """Give records as a format can hold them: of fixed width without blanks around a text, and on one line."""
    if suffix != "fwf":
        return records
    return [
        tuple(value.strip().replace("\n", " ") if isinstance(value, str) else value for value in record)
        for record in records
    ]


def run(folder: Path, suffix: str, records: list[Record], **options: Any) -> Report:
    path = folder / f"HR.{suffix}"
    path.write_bytes(WRITERS[suffix](records))
    return sync(path, Person, system="HR", options=SyncOptions(on_error="skip", **OPTIONS.get(suffix, {}), **options))


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
    found = left_by(lambda records: run(tmp_path, suffix, fit_for(suffix, records), **options))

    assert found == left_by(lambda records: run(tmp_path, "csv", fit_for(suffix, records), **options))
    assert found[0][0][0]


@pytest.mark.parametrize("suffix", ["csv", "jsonl.xz", "zip"])
def test_so_does_a_file_that_is_fetched(tmp_path: Path, web: Web, suffix: str) -> None:
    assert left_by(partial(fetched, web, suffix)) == left_by(partial(run, tmp_path, "csv"))


@pytest.mark.parametrize("suffix", [suffix for suffix in WRITERS if suffix != "csv"])
def test_rows_that_change_nothing_cost_as_few_queries_as_those_of_csv(tmp_path: Path, suffix: str) -> None:
    """T10: the database finds them, whatever format they are in, also among a few that change something."""
    many = [(f"K{n}", "cu*", "employee_id", f"E{n}", f"First {n}", n, None, n % 2 > 0, None, None) for n in range(400)]
    changed = [(*one[:4], "Other", *one[5:]) if number % 40 == 0 else one for number, one in enumerate(many)]
    found = []
    for kind in ("csv", suffix):
        reports = [run(tmp_path, kind, records, batch_size=20) for records in (many, many, changed)]
        found.append([(report.counts, report.queries) for report in reports[1:]])
        Person.objects.all().delete()
        ExternalSystem.objects.all().delete()

    assert found[0] == found[1]


def test_keys_that_some_records_lack_leave_their_columns_alone(tmp_path: Path) -> None:
    """C4, T10: an absent cell touches nothing, also where the database is asked which rows are unchanged."""
    whole = [{"external_key": f"K{n}", "employee_id": f"E{n}", "first_name": f"F{n}", "age": n} for n in range(60)]
    sparse = [{key: one[key] for key in one if key != "age" or n % 3} for n, one in enumerate(whole)]
    sparse[30] |= {"first_name": "Other"}
    options = {"action_flags": "cu*", "match_on": "employee_id", "batch_size": 10}
    counts = []
    for records in (whole, sparse, sparse):
        path = tmp_path / "HR.jsonl"
        path.write_text("".join(json.dumps(one) + "\n" for one in records))
        report = sync(path, Person, system="HR", options=SyncOptions(**options))
        counts.append({kind.value: count for kind, count in report.counts.items()})

    assert counts == [{"created": 60}, {"updated": 1, "unchanged": 59}, {"unchanged": 60}]
    assert sorted(Person.objects.values_list("age", flat=True)) == list(range(60))


@pytest.mark.parametrize(
    "options", [{}, {"engine": "objects"}, {"decimal_comma": True}], ids=["auto", "objects", "rows"]
)
def test_json_columns_take_what_json_holds(tmp_path: Path, options: dict[str, Any]) -> None:
    """V1: however the rows are read."""
    values = [True, {"a": [1, 2.5, None, "x"], "b": {}}, [], 7]
    path = tmp_path / "Shop.jsonl"
    path.write_text("".join(json.dumps({"sku": f"S{n}", "metadata": one}) + "\n" for n, one in enumerate(values)))
    given = SyncOptions(action_flags="cu*", match_on="sku", **options)
    reports = [sync(path, Product, system="Shop", options=given) for _ in range(2)]

    assert [report.rows for report in reports] == [4, 4]
    assert list(Product.objects.order_by("sku").values_list("metadata", flat=True)) == values
    assert {kind.value: count for kind, count in reports[1].counts.items()} == {"unchanged": 4}


def test_every_format_is_among_them() -> None:
    assert {
        name for name, one in FORMATS.items() if not {suffix[1:] for suffix in one.suffixes} & set(WRITERS)
    } == set()


def test_a_format_whose_library_is_not_installed_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    for name in ("nsync.read.parquet", "nsync.read.parquetcells"):
        monkeypatch.delitem(sys.modules, name, raising=False)

    with pytest.raises(ConfigError, match=r'pyarrow is not installed, .*: pip install "django-nsync\[parquet\]"'):
        source_class("parquet")
