"""A new key whose object another key of the same system has: the row waits for a later row (rules I7, R6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.plan.known import all_keys, link, link_gone
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Node, Person

Sync = Callable[..., Report]

HEADER = "external_key,action_flags,match_on,first_name\n"


@pytest.fixture
def anna(db: None) -> Person:
    """Give a person whom HR calls 1."""
    person = Person.objects.create(first_name="Anna", employee_id="E1")
    link(person, "1")
    return person


@pytest.mark.parametrize("flags", ["c", "u", "u*", "cu", "cu*"])
def test_an_object_gets_both_keys_if_no_later_row_frees_it(sync_text: Sync, anna: Person, flags: str) -> None:
    """I7: with the warning `shared-object`, and only once."""
    text = f"{HEADER}2,{flags},first_name,Anna\n"

    report = sync_text(text)

    assert outcomes(report) == {"linked": 1}
    assert report.warnings == {"shared-object": 1}
    assert keys_of(anna) == {("HR", "1"), ("HR", "2")}
    again = sync_text(text)
    assert outcomes(again) == {"unchanged": 1}
    assert again.warnings == {}


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_a_shared_object_gets_what_its_waiting_row_asks_for(sync_text: Sync, anna: Person, policy: Any) -> None:
    """I7, R6: a row that was not applied does all that it asks for, in the end."""
    report = sync_text("external_key,action_flags,match_on,first_name,age\n2,cu*,first_name,Anna,30\n", policy=policy)

    anna.refresh_from_db()
    assert anna.age == 30
    assert outcomes(report) == {"updated": 1}
    assert codes(report) == [(2, "shared-object", "")]


def test_keys_of_two_systems_share_an_object_at_once(sync_text: Sync, anna: Person) -> None:
    """I7, M1: only keys of the same system wait."""
    report = sync_text(f"{HEADER}A,c,first_name,Anna\n", system="ERP")

    assert outcomes(report) == {"linked": 1}
    assert report.warnings == {}
    assert keys_of(anna) == {("HR", "1"), ("ERP", "A")}


def test_a_stale_key_waits_too(sync_text: Sync, anna: Person) -> None:
    """I7, I1."""
    link_gone(Person, "2")

    report = sync_text(f"{HEADER}2,c,first_name,Anna\n")

    assert report.warnings == {"shared-object": 1}
    assert keys_of(anna) == {("HR", "1"), ("HR", "2")}


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_a_later_row_that_renames_the_object_frees_it(sync_text: Sync, anna: Person, policy: Any) -> None:
    """I7, R6: the waiting row then creates an object of its own."""
    text = (
        "external_key,action_flags,match_on,first_name,employee_id\n"
        "2,cu*,employee_id,Berta,E1\n"
        "1,cu*,employee_id,Anna,E2\n"
    )

    report = sync_text(text, policy=policy)

    berta = Person.objects.get(first_name="Berta")
    assert outcomes(report) == {"created": 1, "updated": 1}
    assert report.warnings == {}
    assert (berta.employee_id, keys_of(berta)) == ("E1", {("HR", "2")})
    anna.refresh_from_db()
    assert (anna.employee_id, keys_of(anna)) == ("E2", {("HR", "1")})
    assert outcomes(sync_text(text, policy=policy)) == {"unchanged": 2}


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_rows_that_free_each_other_settle_in_turn(sync_text: Sync, policy: Any) -> None:
    """I7, A4, R6: each waits for the next one; passes go on until none of them settles anything."""
    for number in range(1, 5):
        link(Person.objects.create(first_name=f"P{number}", employee_id=f"E{number}"), str(number))
    text = (
        "external_key,action_flags,match_on,employee_id\n"
        "0,cu*,employee_id,E1\n"
        "1,cu*,employee_id,E2\n"
        "2,cu*,employee_id,E3\n"
        "3,cu*,employee_id,E4\n"
        "4,cu*,employee_id,E5\n"
    )

    report = sync_text(text, policy=policy)

    assert outcomes(report) == {"created": 1, "updated": 4}
    assert report.displaced == 0
    assert report.warnings == {}
    keys = {person.employee_id: keys_of(person) for person in Person.objects.all()}
    assert keys == {f"E{number + 1}": {("HR", str(number))} for number in range(5)}
    assert outcomes(sync_text(text, policy=policy)) == {"unchanged": 5}


def test_a_forced_delete_in_the_file_does_not_free_the_object_in_time(sync_text: Sync, anna: Person) -> None:
    """R6, T2: what waits is tried before the first delete of an ordered run, so the object was shared, and goes."""
    report = sync_text(f"{HEADER}2,c,first_name,Anna\n1,d*,,\n", policy=OrderedSyncPolicy)

    assert outcomes(report) == {"linked": 1, "deleted": 1}
    assert not Person.objects.exists()
    assert all_keys() == {}


def test_a_delete_before_the_end_frees_the_object_in_file_order(sync_text: Sync, anna: Person) -> None:
    """I7, R6: without phases, what waits is tried after the last row, whatever that was."""
    report = sync_text(f"{HEADER}2,c,first_name,Anna\n1,d*,,\n")

    assert outcomes(report) == {"created": 1, "deleted": 1}
    assert report.warnings == {}
    assert all_keys() == {("HR", "person", "2"): str(Person.objects.get().pk)}


def test_an_unforced_delete_frees_the_object_by_its_key(sync_text: Sync, anna: Person) -> None:
    """I7, A6: released, because another system holds it; then the waiting key takes it without a warning."""
    link(anna, "A", "ERP")

    report = sync_text(f"{HEADER}2,c,first_name,Anna\n1,d,,\n")

    assert outcomes(report) == {"linked": 1, "released": 1}
    assert report.warnings == {"held-by": 1}
    assert keys_of(anna) == {("HR", "2"), ("ERP", "A")}


@pytest.mark.parametrize(("flags", "expected", "stays"), [("d*", {"deleted": 1}, False), ("d", {"unmatched": 1}, True)])
def test_delete_rows_do_not_wait(
    sync_text: Sync, anna: Person, flags: str, expected: dict[str, int], stays: bool
) -> None:
    """I7, A5, A6: a forced one takes the matched object with its mapping, an unforced one knows no such key."""
    report = sync_text(f"{HEADER}2,{flags},first_name,Anna\n")

    assert outcomes(report) == expected
    assert Person.objects.exists() == stays
    assert keys_of(anna) == ({("HR", "1")} if stays else set())


def test_rows_that_wait_for_one_object_share_it_in_file_order(sync_text: Sync, anna: Person) -> None:
    """I7: the third key is a second sharing, and says so too."""
    report = sync_text(f"{HEADER}2,c,first_name,Anna\n3,c,first_name,Anna\n")

    assert outcomes(report) == {"linked": 2}
    assert codes(report) == [(2, "shared-object", ""), (3, "shared-object", "")]
    assert keys_of(anna) == {("HR", "1"), ("HR", "2"), ("HR", "3")}


def test_a_second_new_key_for_an_object_that_this_run_made_waits(sync_text: Sync) -> None:
    """I7, T1: the object of an earlier row is linked already, by a key of the same system."""
    report = sync_text(f"{HEADER}1,c,first_name,Anna\n2,c,first_name,Anna\n")

    assert outcomes(report) == {"created": 1, "linked": 1}
    assert codes(report) == [(3, "shared-object", "")]
    assert keys_of(Person.objects.get()) == {("HR", "1"), ("HR", "2")}


def test_a_row_that_waits_can_still_fail(sync_text: Sync, anna: Person) -> None:
    """I7, R6, T4: it is applied at the end, and the database refuses."""
    Person.objects.create(first_name="Ben", employee_id="E9")

    report = sync_text(
        "external_key,action_flags,match_on,first_name,employee_id\n2,u*,first_name,Anna,E9\n", on_error="skip"
    )

    anna.refresh_from_db()
    assert outcomes(report) == {"failed": 1}
    assert report.errors == {"unique": 1}
    assert (anna.employee_id, keys_of(anna)) == ("E1", {("HR", "1")})


def test_a_waiting_row_makes_its_object_for_the_references_of_others(sync_text: Sync) -> None:
    """I7, R6: the key that waited is what another row's reference waits for."""
    link(Node.objects.create(name="old", code="N1"), "1")

    report = sync_text(
        "external_key,action_flags,match_on,code,name,parent=>external_key\n"
        "3,cu*,code,N3,child,2\n"
        "2,cu*,code,N1,parent,\n"
        "1,cu*,code,N2,old,\n",
        "testapp.Node",
    )

    child = Node.objects.get(code="N3")
    assert outcomes(report) == {"created": 2, "updated": 1}
    assert report.warnings == {}
    assert child.parent is not None
    assert (child.parent.code, keys_of(child.parent)) == ("N1", {("HR", "2")})
