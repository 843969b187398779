"""What a displaced object takes along and leaves behind: children, relations, hidden rows (rules A4, R3, R5)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync.record.report import Report
from tests.plan.known import all_keys, exists, link
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Employee, Hidden, House, Passport, Person

Sync = Callable[..., Report]

FORCED = "external_key,action_flags,match_on,employee_id,first_name\n1,u*,employee_id,E2,Anne\n"


@pytest.fixture
def anna(db: None) -> Person:
    """Give the linked object: HR's 1."""
    person = Person.objects.create(first_name="Anna", employee_id="E1")
    link(person, "1")
    return person


@pytest.fixture
def other(db: None) -> Person:
    """Give the matched object, which no key links."""
    return Person.objects.create(first_name="Ben", employee_id="E2")


def test_a_child_is_displaced_with_its_parent_row(sync_text: Sync) -> None:
    """A4, A8: another system's mappings of the child and of the parent move to the same object."""
    linked = Employee.objects.create(first_name="Anna", staff_number="S1")
    matched = Employee.objects.create(first_name="Ben", staff_number="S2")
    link(linked, "1")
    link(matched, "e", "ERP")
    link(matched, "p", "ERP", model=Person)

    report = sync_text("external_key,action_flags,match_on,staff_number\n1,u*,staff_number,S2\n", Employee)

    assert (outcomes(report), report.displaced) == ({"updated": 1}, 1)
    assert Person.objects.count() == 1
    assert all_keys() == {
        ("HR", "employee", "1"): str(linked.pk),
        ("ERP", "employee", "e"): str(linked.pk),
        ("ERP", "person", "p"): str(linked.pk),
    }


def test_a_parent_row_whose_child_the_system_knows_is_held(sync_text: Sync, anna: Person) -> None:
    """A4: the system calls them two objects, if under the name of the child."""
    matched = Employee.objects.create(first_name="Anne", staff_number="S2")
    link(matched, "e")

    report = sync_text("external_key,action_flags,match_on,first_name\n1,u*,first_name,Anne\n")

    assert (exists(matched), report.displaced, report.warnings) == (True, 0, {"match-held": 1})


def test_a_hidden_row_is_displaced_too(sync_text: Sync) -> None:
    """A4: else its unique value would be in the way, unseen."""
    linked = Hidden.objects.create(name="a")
    hidden = Hidden.objects.create(name="b", is_hidden=True)
    link(linked, "1")

    report = sync_text("external_key,action_flags,match_on,name\n1,u*,name,b\n", Hidden)

    assert (outcomes(report), report.displaced, exists(hidden)) == ({"updated": 1}, 1, False)


def test_relations_of_the_row_are_set_after_the_displacement(sync_text: Sync, anna: Person, other: Person) -> None:
    """A4, R3: the passport that went with the displaced person is not found; the one that stays is."""
    Passport.objects.create(number="gone", person=other)
    kept = Passport.objects.create(number="kept")

    report = sync_text("external_key,action_flags,match_on,employee_id,passport=>number\n1,u*,employee_id,E2,kept\n")

    kept.refresh_from_db()
    assert (outcomes(report), report.displaced) == ({"updated": 1}, 1)
    assert kept.person == anna
    assert Passport.objects.count() == 1


GOING = [
    ("houses=>address", "Cave"),  # goes with its owner
    ("passport=>number", "P"),
    ("manager=>first_name", "Ben"),  # is the displaced object
]


@pytest.mark.parametrize(("column", "cell"), GOING)
def test_what_goes_with_the_displaced_object_is_no_longer_found(
    sync_text: Sync, anna: Person, other: Person, column: str, cell: str
) -> None:
    """A4, R5: a reference to it is missing; it neither fails the row nor leaves a foreign key to nothing."""
    House.objects.create(address="Cave", owner=other)
    Passport.objects.create(number="P", person=other)

    report = sync_text(f"external_key,action_flags,match_on,employee_id,{column}\n1,u*,employee_id,E2,{cell}\n")

    anna.refresh_from_db()
    assert (outcomes(report), report.displaced) == ({"updated": 1}, 1)
    assert codes(report) == [(2, "missing-reference", column)]
    assert (anna.employee_id, anna.manager) == ("E2", None)


def test_a_relation_of_the_linked_object_to_the_displaced_one_is_emptied(
    sync_text: Sync, anna: Person, other: Person
) -> None:
    """A4: SET_NULL, through the deletion; the update of the same row goes on from there."""
    boss = Person.objects.create(first_name="Boss", manager=other)
    anna.manager = other
    anna.save()

    report = sync_text("external_key,action_flags,match_on,employee_id,manager=>first_name\n1,u*,employee_id,E2,Boss\n")

    anna.refresh_from_db()
    boss.refresh_from_db()
    assert (outcomes(report), report.displaced) == ({"updated": 1}, 1)
    assert (anna.manager, boss.manager) == (boss, None)


def test_a_relation_that_the_row_does_not_name_is_emptied_too(sync_text: Sync, anna: Person, other: Person) -> None:
    """A4."""
    anna.manager = other
    anna.save()

    report = sync_text(FORCED)

    anna.refresh_from_db()
    assert (outcomes(report), report.displaced) == ({"updated": 1}, 1)
    assert anna.manager is None
    assert (outcomes(sync_text(FORCED)), anna.first_name) == ({"unchanged": 1}, "Anne")


def test_a_dry_run_displaces_nothing_and_counts_it(sync_text: Sync, anna: Person, other: Person) -> None:
    """A4, O4."""
    link(other, "b", "ERP")

    report = sync_text(FORCED, dry_run=True)

    assert (outcomes(report), report.displaced) == ({"updated": 1}, 1)
    assert (exists(other), keys_of(other)) == (True, {("ERP", "b")})
