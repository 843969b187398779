"""``--contract``: what happens if a column is new or gone (C2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync import ConfigError
from nsync.record.report import Report
from tests.testapp.models import Person

Sync = Callable[..., Report]
MAP = (("Vorname", "first_name"), ("Nummer", "employee_id"), ("Buero", ""))
OPTIONS = {"action_flags": "cu*", "match_on": "employee_id", "map": MAP, "external_key_column": "{Werk}/{Id}"}
ROW = "Vorname,Nummer,Buero,Werk,Id\nHomer,E1,7G,A,1\n"


@pytest.mark.parametrize("contract", ["exact", "at-least", "any"])
def test_a_file_with_just_the_columns_that_are_named_fits_every_contract(sync_text: Sync, contract: str) -> None:
    assert sync_text(ROW, contract=contract, **OPTIONS).exit_code == 0
    assert Person.objects.get().first_name == "Homer"


@pytest.mark.parametrize(("contract", "is_refused"), [("exact", True), ("at-least", True), ("any", False)])
def test_a_column_that_is_gone(sync_text: Sync, contract: str, is_refused: bool) -> None:
    """C2: with ``any`` it is said in the report."""
    text = ROW.replace("Vorname,", "").replace("Homer,", "")
    Person.objects.create(first_name="Homer", employee_id="E1")
    if is_refused:
        with pytest.raises(ConfigError, match="--map: no column 'Vorname'"):
            sync_text(text, contract=contract, **OPTIONS)
        return

    report = sync_text(text, contract=contract, **OPTIONS)

    assert [(note.code, note.column) for note in report.sources[0].columns] == [("column-gone", "Vorname")]
    assert Person.objects.get().first_name == "Homer"


@pytest.mark.parametrize(("contract", "is_refused"), [("exact", True), ("at-least", False), ("any", False)])
def test_a_column_that_is_new(sync_text: Sync, contract: str, is_refused: bool) -> None:
    """C2, C3: unless the contract is exact, it is a field if it is called like one."""
    text = ROW.replace("Id\n", "Id,age\n").replace("1\n", "1,39\n")
    if is_refused:
        with pytest.raises(ConfigError, match="no option names the column 'age'"):
            sync_text(text, contract=contract, **OPTIONS)
        return

    sync_text(text, contract=contract, **OPTIONS)

    assert Person.objects.get().age == 39


def test_control_columns_rejects_columns_and_nameless_ones_are_never_new(sync_text: Sync) -> None:
    header = "Vorname,Nummer,Buero,Werk,Id,action_flags,match_on,,nsync_line,nsync_code,nsync_message\n"

    report = sync_text(f"{header}Homer,E1,7G,A,1,cu,employee_id,,2,x,y\n", contract="exact", **OPTIONS)

    assert report.exit_code == 0
    assert Person.objects.exists()


def test_only_columns_are_named_columns_too(sync_text: Sync) -> None:
    options = {"action_flags": "cu*", "match_on": "employee_id", "only_columns": ("employee_id", "first_name")}

    report = sync_text("employee_id,first_name\nE1,Homer\n", contract="exact", **options)

    assert report.exit_code == 0
    with pytest.raises(ConfigError, match="names the column 'age'"):
        sync_text("employee_id,first_name,age\nE1,Homer,3\n", contract="exact", **options)


def test_blanks_around_the_names_of_only_columns_do_not_matter(sync_text: Sync) -> None:
    sync_text(
        "first_name,age\nHomer,39\n", action_flags="c", match_on="first_name", only_columns=(" first_name", " age ")
    )

    assert Person.objects.get().age == 39
