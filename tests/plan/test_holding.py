"""What keeps an object that an unforced delete names: other mappings, and a match that differs (rule A6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.plan.known import all_keys, exists, link
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Asset, Employee, House, Node, Person, Room

Sync = Callable[..., Report]

HEADER = "external_key,action_flags,match_on,first_name\n"


@pytest.fixture
def anna(db: None) -> Person:
    """Give a person whom HR calls 1."""
    person = Person.objects.create(first_name="Anna")
    link(person, "1")
    return person


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
@pytest.mark.parametrize(("key", "system"), [("A", "ERP"), ("1", "ERP"), ("other", "HR")])
def test_another_mapping_holds_the_object(sync_text: Sync, anna: Person, key: str, system: str, policy: Any) -> None:
    """A6: of another system, or another key of the same; the warning names it, and the row's own mapping goes."""
    link(anna, key, system)

    report = sync_text(f"{HEADER}1,d,first_name,Anna\n", policy=policy)

    (entry,) = report.details()
    assert outcomes(report) == {"released": 1}
    assert report.warnings == {"held-by": 1}
    assert repr(key) in entry.problems[0].message
    assert system in entry.problems[0].message
    assert keys_of(anna) == {(system, key)}


def test_the_last_system_that_lets_go_deletes(sync_texts: Sync, anna: Person) -> None:
    """A6: no order of the systems loses the object before all have let it go."""
    for key, system in (("A", "ERP"), ("C", "CRM")):
        link(anna, key, system)

    report = sync_texts(
        ("ERP", "testapp.Person", f"{HEADER}A,d,,\n"),
        ("HR", "testapp.Person", f"{HEADER}1,d,,\n"),
        ("CRM", "testapp.Person", f"{HEADER}C,d,,\n"),
    )

    assert outcomes(report) == {"released": 2, "deleted": 1}
    assert (exists(anna), all_keys()) == (False, {})


def test_two_keys_of_one_system_let_go_one_after_the_other(sync_text: Sync, anna: Person) -> None:
    """A6, T1: within one file."""
    link(anna, "2")

    report = sync_text(f"{HEADER}1,d,,\n2,d,,\n")

    assert outcomes(report) == {"released": 1, "deleted": 1}
    assert codes(report) == [(2, "held-by", "")]
    assert (exists(anna), all_keys()) == (False, {})


def test_a_mapping_of_another_kind_of_object_holds_nothing(sync_text: Sync) -> None:
    """A6, I1: a house that ERP knows has the same primary key."""
    anna = Person.objects.create(pk=5, first_name="Anna")
    house = House.objects.create(pk=5, address="Cave")
    link(anna, "1")
    link(house, "A", "ERP")

    report = sync_text(f"{HEADER}1,d,,\n")

    assert outcomes(report) == {"deleted": 1}
    assert keys_of(house) == {("ERP", "A")}


# --- parents and children -------------------------------------------------------------------------------------------

FAMILY = [
    # the row's model, the model of the other mapping, its system
    (Employee, Person, "ERP"),
    (Employee, Person, "HR"),
    (Person, Employee, "ERP"),
    (Person, Employee, "HR"),
]


@pytest.mark.parametrize(("model", "other", "system"), FAMILY)
def test_a_mapping_of_the_parent_or_child_row_holds_the_object(
    sync_text: Sync, model: Any, other: Any, system: str
) -> None:
    """A6: in multi-table inheritance they are one object, whichever of them a system maps."""
    employee = Employee.objects.create(first_name="Anna", staff_number="S1")
    link(employee, "1", model=model)
    link(employee, "x", system, model=other)
    text = "external_key,action_flags\n{},d\n"

    report = sync_text(text.format(1), model)

    assert outcomes(report) == {"released": 1}
    assert report.warnings == {"held-by": 1}
    assert set(all_keys()) == {(system, other.__name__.lower(), "x")}
    assert outcomes(sync_text(text.format("x"), other, system=system)) == {"deleted": 1}
    assert (Person.objects.count(), Employee.objects.count(), all_keys()) == (0, 0, {})


def test_a_person_is_not_held_by_an_employee_of_the_same_number(sync_text: Sync) -> None:
    """A6: Person 7 has no child row; a mapping to Employee 7 that is stale holds nothing but itself."""
    employee = Employee.objects.create(first_name="Ben", staff_number="S1")
    anna = Person.objects.create(first_name="Anna")
    link(anna, "1")
    link(employee, "e", "ERP")

    report = sync_text(f"{HEADER}1,d,,\n")

    assert outcomes(report) == {"deleted": 1}
    assert keys_of(employee) == {("ERP", "e")}


# --- what would go along --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("depth", ["house", "room"])
def test_what_would_go_along_and_another_system_maps_holds_the_object(
    sync_text: Sync, anna: Person, depth: str
) -> None:
    """A6: at any depth of the cascade; nothing of it is touched."""
    house = House.objects.create(address="Cave", owner=anna)
    room = Room.objects.create(house=house, name="Lab")
    link(house if depth == "house" else room, "x", "ERP")
    link(house, "own")

    report = sync_text(f"{HEADER}1,d,,\n")

    (entry,) = report.details()
    house.refresh_from_db()
    assert outcomes(report) == {"released": 1}
    assert report.warnings == {"held-by": 1}
    assert depth in entry.problems[0].message
    assert (exists(room), house.owner, keys_of(anna)) == (True, anna, set())
    assert ("HR", "house", "own") in all_keys()


def test_what_only_this_system_maps_goes_along(sync_text: Sync, anna: Person) -> None:
    """A6, A8."""
    house = House.objects.create(address="Cave", owner=anna)
    link(house, "h")

    report = sync_text(f"{HEADER}1,d,,\n")

    assert outcomes(report) == {"deleted": 1}
    assert (exists(house), all_keys()) == (False, {})


def test_what_is_let_go_rather_than_deleted_holds_nothing(sync_text: Sync) -> None:
    """A6: SET_NULL; a part that ERP maps loses its parent and stays."""
    parent = Asset.objects.create(name="Lamp")
    part = Asset.objects.create(name="Bulb", parent=parent)
    link(parent, "1")
    link(part, "p", "ERP")

    report = sync_text("external_key,action_flags\n1,d\n", Asset)

    part.refresh_from_db()
    assert outcomes(report) == {"deleted": 1}
    assert (part.parent, keys_of(part)) == (None, {("ERP", "p")})


def test_an_object_whose_descendant_is_a_child_model_is_held(sync_text: Sync) -> None:
    """A6: the cascade reaches the parent row of an object that another system maps as the child, or as the parent."""
    root = Node.objects.create(name="root", code="R")
    leaf = Node.objects.create(name="leaf", code="L", parent=Node.objects.create(name="mid", code="M", parent=root))
    link(root, "1")
    link(leaf, "L", "ERP")

    assert outcomes(sync_text("external_key,action_flags\n1,d\n", Node)) == {"released": 1}
    assert Node.objects.count() == 3


# --- a match that differs -------------------------------------------------------------------------------------------

DIFFERING = [
    ("first_name", "Nobody", "match-differs"),
    ("first_name", "Ben", "match-differs"),
    ("first_name", "Twin", "ambiguous-match"),
    ("first_name", "anna", "match-differs"),
    ("first_name ~", "Anna", "ambiguous-match"),
]


@pytest.mark.parametrize(("expression", "cell", "code"), DIFFERING)
def test_a_match_that_does_not_find_the_linked_object_keeps_it(
    sync_text: Sync, anna: Person, expression: str, cell: str, code: str
) -> None:
    """A6: the mapping goes, all objects stay, and the warning says why."""
    for name in ("Ben", "Twin", "Twin"):
        Person.objects.create(first_name=name)

    report = sync_text(f"{HEADER}1,d,{expression},{cell}\n")

    assert outcomes(report) == {"released": 1}
    assert codes(report) == [(2, code, "")]
    assert (Person.objects.count(), all_keys()) == (4, {})


def test_several_matches_keep_the_object_though_it_is_one_of_them(sync_text: Sync, anna: Person) -> None:
    """A6: `ambiguous-match`."""
    Person.objects.create(first_name="Anna")

    report = sync_text(f"{HEADER}1,d,first_name,Anna\n")

    assert outcomes(report) == {"released": 1}
    assert report.warnings == {"ambiguous-match": 1}
    assert (Person.objects.count(), all_keys()) == (2, {})


def test_a_match_of_a_child_finds_the_child(sync_text: Sync) -> None:
    """A6, I2: by a column of the parent's table."""
    employee = Employee.objects.create(first_name="Anna", staff_number="S1")
    Person.objects.create(first_name="Anna")
    link(employee, "1")

    report = sync_text(f"{HEADER}1,d,first_name,Anna\n", Employee)

    assert outcomes(report) == {"deleted": 1}
    assert Person.objects.count() == 1


# --- with other rows ------------------------------------------------------------------------------------------------


def test_the_update_of_a_row_before_decides_what_the_match_finds(sync_text: Sync, anna: Person) -> None:
    """A6, T1: the delete sees the new name."""
    report = sync_text(f"{HEADER}1,u*,,Anne\n1,d,first_name,Anna\n")

    assert outcomes(report) == {"updated": 1, "released": 1}
    assert report.warnings == {"match-differs": 1}
    assert Person.objects.get().first_name == "Anne"


@pytest.mark.parametrize(("policy", "expected"), [(BasicSyncPolicy, "deleted"), (OrderedSyncPolicy, "released")])
def test_a_mapping_that_this_run_makes_holds_the_object_from_then_on(
    sync_texts: Sync, anna: Person, policy: Any, expected: str
) -> None:
    """A6, T2: in file order the delete comes first; in an ordered run creates come first."""
    report = sync_texts(
        ("HR", "testapp.Person", f"{HEADER}1,d,,\n"),
        ("ERP", "testapp.Person", f"{HEADER}A,c,first_name,Anna\n"),
        policy=policy,
    )

    assert outcomes(report) == ({"deleted": 1, "created": 1} if expected == "deleted" else {"released": 1, "linked": 1})
    assert exists(anna) == (expected == "released")
    assert set(all_keys()) == {("ERP", "person", "A")}


def test_the_same_deletes_again_do_nothing(sync_text: Sync, anna: Person) -> None:
    """A6: they are unmatched, and what was released stays."""
    ben = Person.objects.create(first_name="Ben")
    link(ben, "2")
    link(ben, "B", "ERP")
    text = f"{HEADER}1,d,first_name,Anna\n2,d,first_name,Ben\n"

    assert outcomes(sync_text(text)) == {"deleted": 1, "released": 1}
    again = sync_text(text)
    assert outcomes(again) == {"unmatched": 2}
    assert not again.writes
    assert keys_of(ben) == {("ERP", "B")}
