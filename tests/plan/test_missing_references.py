"""When a relation is touched, and what happens if a reference finds no object or several (rules R4, R5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.plan.known import row
from tests.telling import codes, outcomes
from tests.testapp.models import House, Passport, Person, Room, Tag

Sync = Callable[..., Report]
HOUSE = {"action_flags": "c", "match_on": "address", "address": "Manor"}


def waynes() -> Person:
    """Make two persons that share a last name, and give Bruce."""
    Person.objects.create(first_name="Thomas", last_name="Wayne")
    return Person.objects.create(first_name="Bruce", last_name="Wayne")


def owner_of(address: str) -> Person | None:
    return House.objects.get(address=address).owner


# --- R4: when a relation is touched ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "before", "after"),
    [
        ("u", None, "Bruce"),
        ("u", "Thomas", "Thomas"),
        ("u*", None, "Bruce"),
        ("u*", "Thomas", "Bruce"),
        ("cu", "Thomas", "Thomas"),
        ("cu*", "Thomas", "Bruce"),
        ("c", None, None),
        ("c*", "Thomas", "Thomas"),
    ],
)
def test_an_unforced_update_sets_a_foreign_key_only_while_it_is_null(
    sync_text: Sync, flags: str, before: str | None, after: str | None
) -> None:
    """R4, A1: and a create leaves an object that is there as it is."""
    waynes()
    House.objects.create(address="Manor", owner=Person.objects.get(first_name=before) if before else None)

    report = sync_text(row({**HOUSE, "action_flags": flags, "owner=>first_name": "Bruce"}), House)

    owner = owner_of("Manor")
    assert (owner.first_name if owner else None) == after
    assert outcomes(report) == {"unchanged" if before == after else "updated": 1}


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("tags=>+name", "new"),
        ("tags=>=name", "new"),
        ("tags=>-name", "old"),
        ("houses=>address", "New"),
        ("passport=>number", "2"),
    ],
)
@pytest.mark.parametrize("is_empty", [True, False], ids=["empty", "filled"])
def test_an_unforced_update_touches_related_objects_only_while_there_is_none(
    sync_text: Sync, header: str, cell: str, is_empty: bool
) -> None:
    """R4: many-to-many relations and reverse sides, too."""
    bruce = Person.objects.create(first_name="Bruce")
    old, new = Tag.objects.create(name="old"), Tag.objects.create(name="new")
    House.objects.create(address="New")
    Passport.objects.create(number="2")
    if not is_empty:
        bruce.tags.add(old)
        House.objects.create(address="Old", owner=bruce)
        Passport.objects.create(number="1", person=bruce)

    report = sync_text(row({"action_flags": "u", "match_on": "first_name", "first_name": "Bruce", header: cell}))

    is_set = is_empty and header != "tags=>-name"
    assert outcomes(report) == {"updated" if is_set else "unchanged": 1}
    if not is_empty:
        assert set(bruce.tags.all()) == {old}
        assert {house.address for house in bruce.houses.all()} == {"Old"}
        assert Passport.objects.get(person=bruce).number == "1"
    elif header.startswith("tags"):
        assert set(bruce.tags.all()) == ({new} if is_set else set())
    elif header.startswith("houses"):
        assert {house.address for house in bruce.houses.all()} == {"New"}
    else:
        assert Passport.objects.get(person=bruce).number == "2"


# --- R5: none, or several -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last_name", "code"), [("Kent", "missing-reference"), ("Wayne", "ambiguous-reference")], ids=["none", "several"]
)
@pytest.mark.parametrize("flags", ["c", "cu", "cu*", "u", "u*"])
def test_the_row_is_applied_without_a_relation_that_is_not_found(
    sync_text: Sync, flags: str, last_name: str, code: str
) -> None:
    """R5, O1: one warning, even if the row both creates and updates."""
    waynes()
    if "c" not in flags:
        House.objects.create(address="Manor")

    report = sync_text(row({**HOUSE, "action_flags": flags, "floors": "3", "owner=>last_name": last_name}), House)

    house = House.objects.get()
    assert (house.floors, house.owner) == (3, None)
    assert codes(report) == [(2, code, "owner=>last_name")]
    assert report.warnings == {code: 1}
    assert report.committed
    assert report.exit_code == 0


def test_a_warning_names_what_was_looked_for(sync_text: Sync) -> None:
    """R5: the object that is wanted, and the cell's text."""
    report = sync_text(row({**HOUSE, "owner=>first_name": "Homer", "owner=>age": "41"}), House)

    (entry,) = report.details()
    (problem,) = entry.problems
    assert "person" in problem.message
    assert "'Homer'" in problem.message
    assert "41" in problem.message
    assert problem.value == "Homer, 41"


def test_each_relation_that_is_not_found_has_its_own_warning(sync_text: Sync) -> None:
    """R5, O1: warnings stand once per row and column."""
    report = sync_text(
        "action_flags,match_on,first_name,company=>name,manager=>first_name,tags=>+name\n"
        "cu*,first_name,Bruce,Nowhere Inc,Nobody,nothing\n"
    )

    assert outcomes(report) == {"created": 1}
    assert set(codes(report)) == {
        (2, "missing-reference", "company=>name"),
        (2, "missing-reference", "manager=>first_name"),
        (2, "missing-reference", "tags=>+name"),
    }


def test_a_forced_update_keeps_the_old_relation_if_the_new_one_is_not_found(sync_text: Sync) -> None:
    """R5: "without that relation" is not "with none"."""
    bruce = waynes()
    House.objects.create(address="Manor", owner=bruce)

    sync_text(row({**HOUSE, "action_flags": "u*", "floors": "3", "owner=>first_name": "Nobody"}), House)

    assert owner_of("Manor") == bruce


@pytest.mark.parametrize(
    ("last_name", "code"), [("Kent", "missing-reference"), ("Wayne", "ambiguous-reference")], ids=["none", "several"]
)
def test_a_required_relation_that_is_not_found_is_a_row_error_on_create(
    sync_text: Sync, last_name: str, code: str
) -> None:
    """R5: with the code that says why."""
    for address in ("A", "B"):
        House.objects.create(address=address, country="Wayne")

    report = sync_text(
        row({"action_flags": "cu*", "match_on": "name", "name": "Hall", "house=>country": last_name}), Room
    )

    assert outcomes(report) == {"failed": 1}
    assert codes(report) == [(2, code, "house=>country")]
    assert not Room.objects.exists()


def test_a_required_relation_that_is_not_found_stays_on_update(sync_text: Sync) -> None:
    """R5: the object has one; only a create needs it."""
    house = House.objects.create(address="A")
    Room.objects.create(name="Hall", house=house)

    report = sync_text(
        row({"action_flags": "u*", "match_on": "name", "name": "Hall", "house=>address": "Nowhere"}), Room
    )

    assert Room.objects.get().house == house
    assert outcomes(report) == {"unchanged": 1}
    assert codes(report) == [(2, "missing-reference", "house=>address")]


def test_a_required_relation_without_a_value_is_a_row_error(sync_text: Sync) -> None:
    """R1, V3: an empty reference, and no reference at all."""
    report = sync_text("action_flags,match_on,name,house=>address\nc,name,Hall,\n", Room)
    absent = sync_text("action_flags,match_on,name\nc,name,Hall\n", Room)

    assert codes(report) == [(2, "required", "house=>address")]
    assert [code for _, code, _ in codes(absent)] == ["required"]


@pytest.mark.parametrize("flags", ["c", "cu*", "u*"])
def test_a_missing_reference_can_be_made_an_error(sync_text: Sync, flags: str) -> None:
    """R5: --on-missing-reference error; nothing of the row is applied."""
    if flags == "u*":
        House.objects.create(address="Manor")
    text = row({**HOUSE, "external_key": "1", "action_flags": flags, "floors": "3", "owner=>last_name": "Kent"})

    report = sync_text(text, House, on_missing_reference="error", on_error="skip")

    assert outcomes(report) == {"failed": 1}
    assert codes(report) == [(2, "missing-reference", "owner=>last_name")]
    assert not House.objects.filter(floors=3).exists()
    assert not ExternalKeyMapping.objects.exists()
