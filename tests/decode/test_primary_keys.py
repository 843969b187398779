"""Primary key columns: numbered by the database, by others, and never changed (rule C3)."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from nsync.record.report import Report
from tests.telling import codes, notes, outcomes
from tests.testapp.models import Asset, Currency, Employee, Person

CU = {"action_flags": "cu*", "match_on": "first_name"}


@pytest.mark.parametrize("column", ["id", "pk"])
def test_a_primary_key_that_the_database_numbers_is_ignored_and_said(
    sync_text: Callable[..., Report], column: str
) -> None:
    """C3: other systems have an id of their own."""
    report = sync_text(f"{column},first_name\n4711,Bruce\nnonsense,Dick\n", **CU)

    assert outcomes(report) == {"created": 2}
    assert not Person.objects.filter(pk=4711).exists()
    assert notes(report) == [("primary-key-ignored", column)]
    assert "--map" in report.sources[0].columns[0].message


@pytest.mark.parametrize("target", ["id", "pk"])
def test_a_mapped_primary_key_is_taken_and_the_sequence_moved_past_it(
    sync_text: Callable[..., Report], target: str
) -> None:
    """C3: what the application creates next must not hit the numbers that the file took."""
    high = Person.objects.create(first_name="last").pk + 1
    text = f"number,first_name\n{high},Bruce\n{high + 7},Dick\n"

    assert outcomes(sync_text(text, map=(("number", target),), **CU)) == {"created": 2}
    assert Person.objects.get(pk=high).first_name == "Bruce"
    assert Person.objects.create(first_name="next").pk > high + 7
    assert outcomes(sync_text(text, map=(("number", target),), **CU)) == {"unchanged": 2}


def test_the_number_of_a_child_model_is_its_parents(sync_text: Callable[..., Report]) -> None:
    """C3: in multi-table inheritance the parent's sequence is moved."""
    high = Person.objects.create(first_name="last").pk + 1
    text = f"id,staff_number,first_name\n{high},S1,Bruce\n,S2,Dick\n"

    report = sync_text(text, Employee, map=(("id", "id"),), action_flags="cu*", match_on="staff_number")

    assert outcomes(report) == {"created": 2}
    assert Employee.objects.get(staff_number="S1").pk == Person.objects.get(first_name="Bruce").pk == high
    assert Person.objects.create(first_name="next").pk > high + 1


def test_a_sequence_never_goes_back(sync_text: Callable[..., Report]) -> None:
    """C3: the number of a row that is gone may still be known elsewhere."""
    low, gone = (Person.objects.create(first_name="gone") for _ in range(2))
    numbers = low.pk, gone.pk
    Person.objects.all().delete()

    sync_text(f"id,first_name\n{numbers[0]},Bruce\n", map=(("id", "id"),), **CU)

    assert Person.objects.create(first_name="next").pk > numbers[1]


def test_a_row_without_a_number_beside_rows_that_have_one(sync_text: Callable[..., Report]) -> None:
    """C3, V3: the database numbers it, on every database past the numbers that the file took."""
    high = Person.objects.create(first_name="last").pk + 1

    report = sync_text(f"id,first_name\n{high},Bruce\n,Dick\n{high + 5},Tim\n,Alfred\n", map=(("id", "id"),), **CU)

    assert outcomes(report) == {"created": 4}
    assert len(set(Person.objects.values_list("pk", flat=True))) == 5


def test_an_object_may_be_matched_by_its_mapped_primary_key(sync_text: Callable[..., Report]) -> None:
    """C3, I2: pk names the same field."""
    bruce = Person.objects.create(first_name="Bruce", age=40)
    text = f"id,age\n{bruce.pk},41\n{bruce.pk + 9},7\n"

    for match_on in ("id", "pk"):
        report = sync_text(text, map=(("id", match_on),), action_flags="u*", match_on=match_on)
        assert outcomes(report).get("unmatched") == 1
    assert outcomes(report) == {"unchanged": 1, "unmatched": 1}
    bruce.refresh_from_db()
    assert bruce.age == 41


def test_other_primary_keys_are_set_on_create(sync_text: Callable[..., Report]) -> None:
    """C3: text and UUID keys; a UUID that is absent or empty takes its default."""
    number = uuid.uuid4()

    assert outcomes(sync_text("code,name\nCHF,Swiss franc\n", Currency, action_flags="cu*", match_on="code")) == {
        "created": 1
    }
    report = sync_text(f"name,id\nTable,{number}\nChair,\nLamp\n", Asset, action_flags="cu*", match_on="name")

    assert Currency.objects.get().pk == "CHF"
    assert outcomes(report) == {"created": 3}
    assert Asset.objects.get(name="Table").pk == number
    assert len(set(Asset.objects.values_list("pk", flat=True))) == 3


@pytest.mark.parametrize(
    ("column", "flags", "cell", "outcome"),
    [
        ("code", "cu*", "EUR", "failed"),
        ("code", "u*", "chf", "failed"),
        ("pk", "u*", "EUR", "failed"),
        ("code", "u*", "CHF", "updated"),
        ("pk", "u*", "CHF", "updated"),
        ("code", "u", "EUR", "unchanged"),  # unforced: a primary key is never empty, so nothing is asked of it
        ("code", "c", "EUR", "unchanged"),
    ],
)
def test_an_update_never_changes_a_primary_key(
    sync_text: Callable[..., Report], column: str, flags: str, cell: str, outcome: str
) -> None:
    """C3: row error primary-key."""
    sync_text("external_key,code,name\nK,CHF,Franken\n", Currency, action_flags="c", match_on="code")

    report = sync_text(f"external_key,{column},name\nK,{cell},Swiss franc\n", Currency, action_flags=flags)

    assert outcomes(report) == {outcome: 1}
    assert codes(report) == ([(2, "primary-key", column)] if outcome == "failed" else [])
    assert Currency.objects.values_list("pk", "name").get() == (
        "CHF",
        "Swiss franc" if outcome == "updated" else "Franken",
    )
