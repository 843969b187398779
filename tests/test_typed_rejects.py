"""Values of typed files that are no numbers, and rejected rows of such files that are synced again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pytest
from pyarrow import parquet

from nsync import ConfigError, SyncOptions, sync
from nsync.models import ExternalKeyMapping
from tests.commands.conftest import Ran, command, in_folder
from tests.testapp.models import Person, Product

__all__ = ["command", "in_folder"]  # fixtures

Command = Callable[..., Ran]
PRODUCTS = ("syncfile", "Shop", "testapp", "Product")
AS_SAID = ("--match-on", "sku", "--action-flags", "cu*", "--on-error", "skip")


def write_lines(name: str, *records: dict[str, Any], encoding: str = "utf-8") -> None:
    text = "".join(json.dumps(one, ensure_ascii=False) + "\n" for one in records)
    Path(name).write_bytes(text.encode(encoding))


def test_o3_a_number_in_rejects_is_read_again_as_the_number_it_was(command: Command) -> None:
    write_lines("p.jsonl", {"sku": "a", "price": 1.234}, {"sku": "b", "price": 2.5, "weight": "x"})
    options = (*AS_SAID, "--decimal-comma", "--rejects")
    assert command(*PRODUCTS, "p.jsonl", *options, "p.rejects.csv").code == 3

    ran = command(*PRODUCTS, "p.rejects.csv", *options, "again.csv")

    assert ran.code == 3
    assert "decimals-lost" in ran.out
    assert not Product.objects.exists()


def test_o3_rejects_are_read_with_the_options_of_the_first_run(command: Command) -> None:
    write_lines("p.json", {"items": [{"sku": "a", "name": "Jürgen", "price": "x"}]}, encoding="cp1252")
    options = (*AS_SAID, "--records", "items")
    assert command(*PRODUCTS, "p.json", *options, "--encoding", "cp1252", "--rejects", "p.rejects.csv").code == 3
    path = Path("p.rejects.csv")
    path.write_text(path.read_text("utf-8-sig").replace(",x,", ",5,"), "utf-8-sig")

    wrong = command(*PRODUCTS, "p.rejects.csv", *options, "--encoding", "cp1252")
    right = command(*PRODUCTS, "p.rejects.csv", *options)

    assert (wrong.code, "say --encoding utf-8" in wrong.err) == (1, True)
    assert (right.code, Product.objects.get().name) == (0, "Jürgen")


def test_o3_rejects_of_a_file_whose_encoding_was_found_are_found_again(command: Command) -> None:
    rows = [f"{n},Größe {n} für Frau Müller" for n in range(40)]
    Path("p.csv").write_text("\n".join(["sku,name,price", *(f"{row},1" for row in rows), "x,Öl,y", ""]), "cp1252")
    options = (*AS_SAID, "--encoding", "auto")
    assert command(*PRODUCTS, "p.csv", *options, "--rejects", "p.rejects.csv").code == 3

    ran = command(*PRODUCTS, "p.rejects.csv", *options)

    assert ran.code == 3
    assert "invalid-decimal" in ran.out


def test_o3_a_cell_without_a_value_has_none_in_rejects_either(command: Command) -> None:
    book = openpyxl.Workbook()
    for row in (["sku", "name"], ["a", "#REF!"], ["b", "fine"]):
        book.active.append(row)
    book.active["B2"].data_type = "e"
    book.save("p.xlsx")
    assert command(*PRODUCTS, "p.xlsx", *AS_SAID, "--rejects", "p.rejects.csv").code == 3

    ran = command(*PRODUCTS, "p.rejects.csv", *AS_SAID)

    assert ran.code == 3
    assert "still has no value" in ran.out
    assert [one.sku for one in Product.objects.all()] == ["b"]


@pytest.mark.django_db
def test_i1_what_is_no_number_is_no_key(tmp_path: Path) -> None:
    """Else all rows without one would mean one object."""
    table = pa.table({"id": [1.0, float("nan"), float("inf")], "first_name": ["a", "b", "c"]})
    parquet.write_table(table, tmp_path / "p.parquet")
    options = SyncOptions(action_flags="cu*", external_key_column="id", on_error="skip")

    report = sync(tmp_path / "p.parquet", Person, system="HR", options=options)

    assert report.errors == {"invalid-value": 2}
    assert list(ExternalKeyMapping.objects.values_list("external_key", flat=True)) == ["1"]


@pytest.mark.django_db
@pytest.mark.parametrize("has_comma", [False, True])
def test_c5_the_null_marker_is_compared_with_numbers_too(tmp_path: Path, has_comma: bool) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"sku": "a", "weight": -1, "metadata": 1.5}\n')
    options = SyncOptions(action_flags="cu*", match_on="sku", null_marker="-1", decimal_comma=has_comma)

    assert sync(path, Product, system="Shop", options=options).failed == 0
    assert (Product.objects.get().weight, Product.objects.get().metadata) == (None, 1.5)


@pytest.mark.django_db(databases=["default", "other"])
def test_c2_names_of_columns_are_as_many_as_those_of_the_query() -> None:
    with pytest.raises(ConfigError, match="--header names 2 columns, and the query gives 1: sku"):
        sync("sql+other:SELECT 'a' AS sku", Product, system="S", options=SyncOptions(header=("sku", "name")))
