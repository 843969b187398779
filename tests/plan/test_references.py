"""Which object a reference column means (rules R1, R2)."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from nsync.errors import ConfigError
from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.record.report import Report
from tests.plan.known import link, link_gone, row, table
from tests.telling import codes, outcomes
from tests.testapp.models import (
    Company,
    Contractor,
    Employee,
    GenericNote,
    House,
    Person,
    Tag,
)

Sync = Callable[..., Report]


def wayne_family() -> tuple[Person, Person]:
    """Make two persons that share a last name, and differ in everything else."""
    company = Company.objects.create(name="Wayne Enterprises", city="Gotham")
    thomas = Person.objects.create(first_name="Thomas", last_name="Wayne", email="T@wayne.example", age=70)
    bruce = Person.objects.create(
        first_name="Bruce",
        last_name="Wayne",
        email="bruce@wayne.example",
        employee_id="E1",
        age=40,
        company=company,
        manager=thomas,
        birthday=datetime.date(1984, 2, 19),
        salary=Decimal("1.50"),
    )
    return thomas, bruce


def owner_of(address: str) -> Person | None:
    return House.objects.get(address=address).owner


# --- R1: which object -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "references",
    [
        pytest.param({"owner=>first_name": "Bruce"}, id="one column"),
        pytest.param({"owner=>first_name": "Bruce", "owner=>last_name": "Wayne"}, id="two columns"),
        pytest.param({"owner=>last_name": "Wayne", "owner=>age": "40"}, id="the second column decides"),
        pytest.param({"owner=>first_name": "", "owner=>age": "40"}, id="an empty column does not count"),
        pytest.param({"owner=>age": " 40 "}, id="blanks around a number"),
        pytest.param({"owner=>age": "   ", "owner=>employee_id": "E1"}, id="a blank number is empty"),
        pytest.param({"owner=>salary": "1.5"}, id="a decimal"),
        pytest.param({"owner=>birthday": "1984-02-19"}, id="a date"),
        pytest.param({"owner=>company__name": "Wayne Enterprises"}, id="over a relation"),
        pytest.param({"owner=>company__city__iexact": "GOTHAM"}, id="over a relation, with a lookup"),
        pytest.param({"owner=>manager__first_name": "Thomas"}, id="over a self reference"),
        pytest.param({"owner=>email__iexact": "BRUCE@WAYNE.EXAMPLE"}, id="a lookup"),
        pytest.param({"owner=>birthday__year": "1984"}, id="a transform"),
        pytest.param({"owner=>age__lt": "70", "owner=>last_name": "Wayne"}, id="a comparison"),
        pytest.param({" owner => first_name ": "Bruce"}, id="blanks in the header"),
    ],
)
def test_a_reference_finds_the_one_object_that_fits_all_its_columns(
    sync_text: Sync, references: dict[str, str]
) -> None:
    """R1."""
    _, bruce = wayne_family()

    report = sync_text(row({"action_flags": "c", "match_on": "address", "address": "Manor", **references}), House)

    assert owner_of("Manor") == bruce
    assert outcomes(report) == {"created": 1}
    assert codes(report) == []


@pytest.mark.parametrize(
    "references",
    [
        pytest.param({"owner=>first_name": ""}, id="one"),
        pytest.param({"owner=>first_name": "", "owner=>age": ""}, id="two"),
        pytest.param({"owner=>age": "  "}, id="blanks for a number"),
        pytest.param({"owner=>external_key": ""}, id="a key"),
        pytest.param({"owner=>external_key": "  "}, id="a blank key"),
        pytest.param({"owner": ""}, id="without an arrow"),
        pytest.param({"owner_id": " "}, id="the name of the column in the database"),
    ],
)
def test_empty_cells_leave_the_relation_alone(sync_text: Sync, references: dict[str, str]) -> None:
    """R1: even a forced update; nothing is said of it."""
    _, bruce = wayne_family()
    House.objects.create(address="Manor", owner=bruce)

    report = sync_text(row({"action_flags": "u*", "match_on": "address", "address": "Manor", **references}), House)

    assert owner_of("Manor") == bruce
    assert outcomes(report) == {"unchanged": 1}
    assert codes(report) == []


def test_an_absent_cell_leaves_the_relation_alone(sync_text: Sync) -> None:
    """R1, C4."""
    _, bruce = wayne_family()
    House.objects.create(address="Manor", owner=bruce)

    report = sync_text("action_flags,match_on,address,floors,owner=>first_name\nu*,address,Manor,3\n", House)

    assert owner_of("Manor") == bruce
    assert outcomes(report) == {"updated": 1}


@pytest.mark.parametrize("written", ["bruce", "Bruce ", " Bruce", "Brucé", "BRUCE", "Bruc", "Bruce%"])
def test_text_that_differs_at_all_finds_nothing(sync_text: Sync, written: str) -> None:
    """R1, I3: references without a lookup compare exactly, on every database."""
    wayne_family()

    report = sync_text(
        row({"action_flags": "c", "match_on": "address", "address": "Manor", "owner=>first_name": written}), House
    )

    assert owner_of("Manor") is None
    assert codes(report) == [(2, "missing-reference", "owner=>first_name")]


def test_a_cell_of_a_reference_that_does_not_convert_is_a_row_error(sync_text: Sync) -> None:
    """R1, V1: with the column as the file names it."""
    report = sync_text("action_flags,match_on,address,owner=>age\nc,address,Manor,old\n", House)

    assert outcomes(report) == {"failed": 1}
    assert codes(report) == [(2, "invalid-integer", "owner=>age")]


def test_a_reference_sees_the_rows_before_it(sync_text: Sync) -> None:
    """R1, T1: created, renamed and deleted in the same file."""
    report = sync_text(
        "action_flags,match_on,first_name,employee_id,manager=>first_name\n"
        "c,employee_id,Alfred,1,\n"
        "c,employee_id,Bruce,2,Alfred\n"
        "u*,employee_id,Penny,1,\n"
        "c,employee_id,Dick,3,Penny\n"
        "c,employee_id,Jason,4,Alfred\n"
    )

    assert dict(Person.objects.values_list("first_name", "manager__first_name")) == {
        "Penny": None,
        "Bruce": "Penny",
        "Dick": "Penny",
        "Jason": None,
    }
    assert codes(report) == [(6, "missing-reference", "manager=>first_name")]


@pytest.mark.parametrize(
    ("model", "headers"),
    [
        pytest.param(House, ["nobody=>first_name"], id="no such relation"),
        pytest.param(House, ["=>first_name"], id="no name"),
        pytest.param(House, ["address=>first_name"], id="a field that is no relation"),
        pytest.param(House, ["owner=>"], id="no path"),
        pytest.param(House, ["owner=>nothing"], id="no such field"),
        pytest.param(House, ["owner=>company__nothing"], id="no such field at the end of a path"),
        pytest.param(House, ["owner=>age__nothing"], id="no such lookup"),
        pytest.param(House, ["owner=>age__in"], id="a lookup of several values"),
        pytest.param(House, ["owner=>age__range"], id="a lookup of two values"),
        pytest.param(House, ["owner=>company__name__nothing"], id="no such lookup at the end of a path"),
        pytest.param(House, ["owner=>+first_name"], id="a sign on a foreign key"),
        pytest.param(Person, ["houses=>=address"], id="a sign on a reverse foreign key"),
        pytest.param(Person, ["passport=>-number"], id="a sign on a reverse one-to-one"),
        pytest.param(Person, ["tags=>name"], id="a many-to-many without a sign"),
        pytest.param(Tag, ["persons=>first_name"], id="a reverse many-to-many without a sign"),
        pytest.param(Person, ["tags=>*name"], id="a sign that does not exist"),
        pytest.param(Person, ["tags=>+"], id="a sign and no path"),
        pytest.param(Person, ["tags=>+name", "tags=>-pk"], id="different signs"),
        pytest.param(Person, ["tags=>+name", "tags=>-name"], id="different signs on one path"),
        pytest.param(Person, ["clubs=>+name"], id="a through model that requires more"),
        pytest.param("testapp.Club", ["members=>+first_name"], id="the same from its other side"),
        pytest.param(GenericNote, ["target=>text"], id="a generic relation"),
        pytest.param(Person, ["employee=>staff_number"], id="the link to a child row"),
        pytest.param(Employee, ["person_ptr=>first_name"], id="the link to a parent row"),
        pytest.param(House, ["owner=>external_key@Nobody"], id="a system that does not exist"),
        pytest.param(House, ["owner=>external_key@"], id="a system without a name"),
    ],
)
def test_a_reference_that_cannot_be_followed_is_a_configuration_error(
    sync_text: Sync, model: Any, headers: list[str]
) -> None:
    """R1, R3: nothing is written, not even the external system."""
    text = table(["external_key", "action_flags", *headers], ["1", "cu*", *["x" for _ in headers]])

    with pytest.raises(ConfigError, match="bad-reference"):
        sync_text(text, model)

    assert not ExternalSystem.objects.exists()


# --- R2: through the mappings ---------------------------------------------------------------------------------------

HOUSE = {"action_flags": "c", "match_on": "address", "address": "Manor"}


@pytest.mark.parametrize(
    ("header", "written", "is_found"),
    [
        pytest.param("owner=>external_key", "b1", True, id="the system of the run"),
        pytest.param("owner=>external_key", " b1 ", True, id="blanks around the key"),
        pytest.param("owner=>external_key", "B1", False, id="another case"),
        pytest.param("owner=>external_key", "b 1", False, id="an inner blank"),
        pytest.param("owner=>external_key", "erp-b1", False, id="a key of another system"),
        pytest.param("owner=>external_key@Old ERP", "erp-b1", True, id="of the system that is named"),
        pytest.param("owner=>external_key@Old ERP", "b1", False, id="the named system does not know it"),
        pytest.param("owner=>external_key@HR", "b1", True, id="the system of the run, by name"),
        pytest.param("owner=>external_key", "h1", False, id="a key of another model"),
        pytest.param("owner=>external_key", "gone", False, id="a stale mapping"),
        pytest.param("owner=>manager__first_name", "Thomas", True, id="not a key at all"),
    ],
)
def test_a_key_finds_the_object_that_the_system_maps(
    sync_text: Sync, header: str, written: str, is_found: bool
) -> None:
    """R2, I1."""
    _, bruce = wayne_family()
    link(bruce, "b1")
    link(bruce, "erp-b1", "Old ERP")
    link(House.objects.create(pk=bruce.pk, address="Elsewhere"), "h1")
    link_gone(Person, "gone")

    report = sync_text(row({**HOUSE, header: written}), House)

    assert owner_of("Manor") == (bruce if is_found else None)
    assert codes(report) == ([] if is_found else [(2, "missing-reference", header)])


@pytest.mark.parametrize("model", [Person, Employee, Contractor])
def test_keys_of_child_and_proxy_models_count(sync_text: Sync, model: Any) -> None:
    """R2."""
    extra = {"staff_number": "S1"} if model is Employee else {}
    alfred = model.objects.create(first_name="Alfred", **extra)
    link(alfred, "a1")

    sync_text(row({**HOUSE, "owner=>external_key": "a1"}), House)

    assert House.objects.get().owner_id == alfred.pk


def test_one_key_for_a_parent_and_a_child_row_is_one_object(sync_text: Sync) -> None:
    """R2."""
    alfred = Employee.objects.create(first_name="Alfred", staff_number="S1")
    link(alfred, "a1")
    link(alfred.person_ptr, "a1")

    report = sync_text(row({**HOUSE, "owner=>external_key": "a1"}), House)

    assert House.objects.get().owner_id == alfred.pk
    assert codes(report) == []


def test_one_key_for_a_person_and_another_employee_is_ambiguous(sync_text: Sync) -> None:
    """R2, R5: both models know the key, and mean two objects."""
    link(Employee.objects.create(first_name="Alfred", staff_number="S1"), "a1")
    link(Person.objects.create(first_name="Bruce"), "a1")

    report = sync_text(row({**HOUSE, "owner=>external_key": "a1"}), House)

    assert House.objects.get().owner is None
    assert codes(report) == [(2, "ambiguous-reference", "owner=>external_key")]


@pytest.mark.parametrize(("first_name", "is_found"), [("Bruce", True), ("Thomas", False), ("", True)])
def test_a_key_and_a_field_must_both_fit(sync_text: Sync, first_name: str, is_found: bool) -> None:
    """R1, R2."""
    _, bruce = wayne_family()
    link(bruce, "b1")

    sync_text(row({**HOUSE, "owner=>external_key": "b1", "owner=>first_name": first_name}), House)

    assert owner_of("Manor") == (bruce if is_found else None)


def test_a_key_that_a_row_before_recorded_is_found(sync_text: Sync) -> None:
    """R2, T1."""
    sync_text("external_key,action_flags,first_name,manager=>external_key\n1,c,Alfred,\n2,c,Bruce,1\n")

    assert Person.objects.get(first_name="Bruce").manager == Person.objects.get(first_name="Alfred")


def test_a_field_of_that_name_goes_before_the_mappings(sync_text: Sync) -> None:
    """R2: the related model has a field named external_key, so the plain form means that field."""
    other = ExternalSystem.objects.create(name="Other")
    mapping = link(Person.objects.create(first_name="Bruce"), "b1", "HR")
    name = ExternalKeyMapping._meta.get_field("external_system").remote_field.get_accessor_name()

    sync_text(
        row({"action_flags": "u*", "match_on": "name", "name": "Other", f"{name}=>external_key": "b1"}),
        ExternalSystem,
    )

    mapping.refresh_from_db()
    assert mapping.external_system == other
