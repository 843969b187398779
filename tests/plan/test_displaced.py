"""A forced update whose linked and matched objects differ removes the matched one (rule A4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.plan.known import all_keys, exists, link, link_gone
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import (
    Contract,
    House,
    Lease,
    LooseNote,
    Node,
    Person,
    Room,
    Stock,
)

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


@pytest.mark.parametrize("flags", ["u*", "cu*"])
@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_the_matched_object_is_removed_and_its_unique_value_taken(
    sync_text: Sync, anna: Person, other: Person, flags: str, policy: Any
) -> None:
    """A4: it goes before the update, so that a unique value is free; it is counted beside the outcomes."""
    text = FORCED.replace("u*", flags)

    report = sync_text(text, policy=policy)

    anna.refresh_from_db()
    assert (anna.employee_id, anna.first_name) == ("E2", "Anne")
    assert not exists(other)
    assert outcomes(report) == {"updated": 1}
    assert (report.displaced, report.warnings) == (1, {})
    again = sync_text(text, policy=policy)
    assert (outcomes(again), again.displaced) == ({"unchanged": 1}, 0)


def test_a_row_that_only_displaces_is_updated(sync_text: Sync, anna: Person, other: Person) -> None:
    """A4, O1: no field of the linked object changes, and yet something did."""
    report = sync_text("external_key,action_flags,match_on,employee_id__iexact\n1,u*,employee_id__iexact,e2\n")

    assert outcomes(report) == {"updated": 1}
    assert report.displaced == 1
    assert not exists(other)


@pytest.mark.parametrize("flags", ["c", "u", "cu"])
def test_only_a_forced_update_displaces(sync_text: Sync, anna: Person, other: Person, flags: str) -> None:
    """A4, A1, A3, I6."""
    report = sync_text(FORCED.replace("u*", flags))

    assert outcomes(report) == {"unchanged": 1}
    assert report.displaced == 0
    assert exists(other)


def test_a_new_or_stale_key_displaces_nothing(sync_text: Sync, other: Person) -> None:
    """A4, A2: without a linked object the matched one is the object."""
    link_gone(Person, "1")

    report = sync_text(FORCED)

    assert outcomes(report) == {"updated": 1}
    assert (report.displaced, keys_of(other)) == (0, {("HR", "1")})


@pytest.mark.parametrize("other_system_first", [True, False])
def test_mappings_of_other_systems_move_to_the_linked_object(
    sync_text: Sync, anna: Person, other: Person, other_system_first: bool
) -> None:
    """A4: each of them, though one of theirs links the linked object already (M1: two keys, one object)."""
    link(anna, "a", "ERP")
    for key, system in (("b", "ERP"), ("c", "CRM")):
        link(other, key, system)

    report = sync_text(FORCED)

    assert (report.displaced, report.warnings) == (1, {})
    assert keys_of(anna) == {("HR", "1"), ("ERP", "a"), ("ERP", "b"), ("CRM", "c")}
    assert len(all_keys()) == 4


def test_what_goes_with_a_displaced_object_loses_its_mappings(sync_text: Sync, anna: Person, other: Person) -> None:
    """A4, A5, A8: a displaced person's houses and rooms go, with keys of any system; another person's stay."""
    house = House.objects.create(address="Cave", owner=other)
    room = Room.objects.create(house=house, name="Lab")
    kept = House.objects.create(address="Manor", owner=anna)
    link(house, "h", "ERP")
    link(room, "r", "HR")
    link(kept, "k", "ERP")
    report_to = Person.objects.create(first_name="Cat", manager=other)

    report = sync_text(FORCED)

    assert report.displaced == 1
    assert set(all_keys()) == {("HR", "person", "1"), ("ERP", "house", "k")}
    assert (exists(house), exists(room), exists(kept)) == (False, False, True)
    report_to.refresh_from_db()
    assert report_to.manager is None


# --- what keeps the matched object ----------------------------------------------------------------------------------


def test_on_displaced_keep_leaves_the_object_and_says_so(sync_text: Sync, anna: Person) -> None:
    """A4: the linked object is updated all the same."""
    other = Person.objects.create(first_name="Anne")

    report = sync_text(
        "external_key,action_flags,match_on,first_name,age\n1,u*,first_name,Anne,3\n", on_displaced="keep"
    )

    anna.refresh_from_db()
    assert (anna.first_name, anna.age) == ("Anne", 3)
    assert exists(other)
    assert (report.displaced, report.warnings) == (0, {"displaced-kept": 1})


def test_on_displaced_keep_cannot_take_a_unique_value(sync_text: Sync, anna: Person, other: Person) -> None:
    """A4: the row error names the holder."""
    report = sync_text(FORCED, on_displaced="keep", on_error="skip")

    (entry,) = report.details()
    anna.refresh_from_db()
    assert (anna.employee_id, exists(other)) == ("E1", True)
    assert entry.problems[0].code == "unique"
    assert f"person {other.pk}" in entry.problems[0].message


def test_on_displaced_error_refuses_the_row(sync_text: Sync, anna: Person, other: Person) -> None:
    """A4: nothing of it is done, and the rows around it are not affected."""
    report = sync_text(f"{FORCED}2,c,employee_id,E3,Cat\n", on_displaced="error", on_error="skip")

    anna.refresh_from_db()
    assert outcomes(report) == {"failed": 1, "created": 1}
    assert codes(report) == [(2, "displaced", "")]
    assert (anna.first_name, exists(other), report.displaced) == ("Anna", True, 0)


@pytest.mark.parametrize("on_displaced", ["delete", "keep", "error"])
def test_several_matches_displace_nothing(sync_text: Sync, anna: Person, on_displaced: str) -> None:
    """A4: with the warning `ambiguous-match`; the linked object may be one of them."""
    for _ in range(2):
        Person.objects.create(first_name="Anne")

    text = "external_key,action_flags,match_on,first_name,age\n1,u*,first_name,Anne,3\n"
    report = sync_text(text, on_displaced=on_displaced)

    anna.refresh_from_db()
    assert (anna.first_name, anna.age) == ("Anne", 3)
    assert outcomes(report) == {"updated": 1}
    assert codes(report) == [(2, "ambiguous-match", "")]
    assert Person.objects.count() == 3
    again = sync_text(text, on_displaced=on_displaced)
    assert (outcomes(again), again.warnings) == ({"unchanged": 1}, {"ambiguous-match": 1})


def test_a_match_that_is_empty_or_finds_nothing_displaces_nothing(sync_text: Sync, anna: Person) -> None:
    """A4, I3."""
    nameless = Person.objects.create(first_name="")

    report = sync_text("external_key,action_flags,match_on,first_name\n1,u*,first_name,\n1,u*,first_name,Cat\n")

    assert outcomes(report) == {"updated": 2}
    assert (exists(nameless), report.displaced, report.warnings) == (True, 0, {})


@pytest.mark.parametrize(
    ("blocker", "word"),
    [
        (lambda other: Contract.objects.create(person=other, title="Trust"), "contract"),
        (lambda other: Lease.objects.create(house=House.objects.create(owner=other), tenant="T"), "lease"),
    ],
    ids=["PROTECT", "RESTRICT"],
)
def test_a_protected_object_is_not_displaced(
    sync_text: Sync, anna: Person, other: Person, blocker: Callable[[Person], Any], word: str
) -> None:
    """A4, A5: the row fails, and the mappings stay where they were."""
    blocker(other)
    link(other, "b", "ERP")

    report = sync_text(FORCED, on_error="skip")

    (entry,) = report.details()
    anna.refresh_from_db()
    assert entry.problems[0].code == "protected"
    assert word in entry.problems[0].message
    assert (anna.employee_id, keys_of(other)) == ("E1", {("ERP", "b")})


def test_what_the_database_alone_refuses_is_a_row_error(sync_text: Sync) -> None:
    """A4: DO_NOTHING."""
    linked, matched = House.objects.create(address="A"), House.objects.create(address="B")
    LooseNote.objects.create(house=matched, text="x")
    link(linked, "1")

    report = sync_text("external_key,action_flags,match_on,address\n1,u*,address,B\n", "testapp.House", on_error="skip")

    linked.refresh_from_db()
    assert codes(report) == [(2, "foreign-key", "")]
    assert (linked.address, exists(matched), report.displaced) == ("A", True, 0)


def test_a_row_that_fails_displaces_nothing(sync_text: Sync) -> None:
    """A4, T2: the row is all or nothing, and its displacement is not counted."""
    linked, matched = (Stock.objects.create(shelf="S", article=article) for article in "AB")
    link(linked, "1")
    link(matched, "b", "ERP")

    report = sync_text(
        "external_key,action_flags,match_on,shelf,article,quantity\n1,u*,shelf article,S,B,-1\n", Stock, on_error="skip"
    )

    assert codes(report) == [(2, "check", "")]
    assert (report.displaced, exists(matched), keys_of(matched)) == (0, True, {("ERP", "b")})


def test_an_object_is_not_displaced_with_the_rows_own(sync_text: Sync) -> None:
    """A4: the matched node is the linked one's grandparent, and its deletion would take both along."""
    root = Node.objects.create(name="root", code="R")
    middle = Node.objects.create(name="middle", code="M", parent=root)
    leaf = Node.objects.create(name="leaf", code="L", parent=middle)
    link(leaf, "1")

    report = sync_text("external_key,action_flags,match_on,code\n1,u*,code,R\n", "testapp.Node", on_error="skip")

    assert codes(report) == [(2, "protected", "")]
    assert Node.objects.count() == 3
    assert keys_of(leaf) == {("HR", "1")}


# --- another key of the same system holds the matched object --------------------------------------------------------


@pytest.mark.parametrize("on_displaced", ["delete", "keep", "error"])
def test_an_object_that_the_system_itself_knows_is_not_displaced(
    sync_text: Sync, anna: Person, on_displaced: str
) -> None:
    """A4: the warning `match-held` names its key, and the linked object is updated."""
    held = Person.objects.create(first_name="Anne")
    link(held, "2")

    text = "external_key,action_flags,match_on,first_name,age\n1,u*,first_name,Anne,3\n"
    report = sync_text(text, on_displaced=on_displaced)

    (entry,) = report.details()
    anna.refresh_from_db()
    assert (anna.first_name, anna.age) == ("Anne", 3)
    assert (exists(held), report.displaced) == (True, 0)
    assert entry.problems[0].code == "match-held"
    assert "'2'" in entry.problems[0].message


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_a_row_waits_for_a_unique_value_that_a_later_row_gives_up(
    sync_text: Sync, anna: Person, other: Person, policy: Any
) -> None:
    """A4, R6: settled, it carries no warning."""
    link(other, "2")

    report = sync_text(f"{FORCED}2,u*,employee_id,E3,Ben\n", policy=policy)

    anna.refresh_from_db()
    other.refresh_from_db()
    assert (anna.employee_id, other.employee_id) == ("E2", "E3")
    assert outcomes(report) == {"updated": 2}
    assert (report.displaced, report.warnings) == (0, {})


def test_a_row_that_waited_displaces_what_is_no_longer_held(sync_text: Sync, anna: Person, other: Person) -> None:
    """A4, A6, R6: a later row lets the matched object go, which another system keeps; then it is displaced."""
    link(other, "2")
    link(other, "b", "ERP")

    report = sync_text(f"{FORCED}2,d,,,\n")

    anna.refresh_from_db()
    assert outcomes(report) == {"updated": 1, "released": 1}
    assert (report.displaced, report.warnings) == (1, {"held-by": 1})
    assert (anna.employee_id, exists(other)) == ("E2", False)
    assert keys_of(anna) == {("HR", "1"), ("ERP", "b")}


def test_a_chain_of_unique_values_settles(sync_text: Sync) -> None:
    """A4, R6: in the order in which a file may well have them, whatever the number of passes."""
    for number in range(1, 7):
        link(Stock.objects.create(shelf="S", article=f"A{number}"), str(number))
    lines = [f"{number},u*,shelf article,S,A{number + 1}" for number in (1, 4, 2, 5, 3, 6)]

    text = "\n".join(["external_key,action_flags,match_on,shelf,article", *lines, ""])
    report = sync_text(text, Stock)

    assert outcomes(report) == {"updated": 6}
    assert {stock.article: keys_of(stock) for stock in Stock.objects.all()} == {
        f"A{number + 1}": {("HR", str(number))} for number in range(1, 7)
    }


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_a_swap_of_unique_values_names_the_holder_and_its_key(
    sync_text: Sync, anna: Person, other: Person, policy: Any
) -> None:
    """A4: no order settles it, so both rows fail, each saying who has its value."""
    link(other, "k-2")

    report = sync_text(f"{FORCED}k-2,u*,employee_id,E1,Ben\n", policy=policy, on_error="skip")

    first, second = report.details()
    assert outcomes(report) == {"failed": 2}
    assert [(problem.code, problem.column) for entry in (first, second) for problem in entry.problems] == [
        ("unique", "employee_id")
    ] * 2
    assert f"person {other.pk}" in first.problems[0].message
    assert "'k-2' of HR" in first.problems[0].message
    assert f"person {anna.pk}" in second.problems[0].message
    assert "'1' of HR" in second.problems[0].message
    anna.refresh_from_db()
    assert (anna.employee_id, anna.first_name) == ("E1", "Anna")


def test_only_unique_values_are_waited_for(sync_text: Sync) -> None:
    """A4: a check constraint refuses at once, and for good."""
    linked, held = (Stock.objects.create(shelf="S", article=article) for article in "AB")
    link(linked, "1")
    link(held, "2")

    report = sync_text(
        "external_key,action_flags,match_on,shelf,article,quantity\n1,u*,article,T,B,-1\n", Stock, on_error="skip"
    )

    assert outcomes(report) == {"failed": 1}
    assert report.errors == {"check": 1}
