"""What deletes remove, and what goes along (rules A5, A8, and A6 where nobody else holds the object)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType

from nsync.record.report import Report
from tests.plan.known import all_keys, exists, link, link_gone
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import (
    HAS_DB_CASCADE,
    Contract,
    House,
    Lease,
    LooseNote,
    Passport,
    Person,
    Room,
    Tag,
)

Sync = Callable[..., Report]

HEADER = "external_key,action_flags,match_on,first_name\n"


@pytest.fixture
def anna(db: None) -> Person:
    """Give a person whom HR calls 1."""
    person = Person.objects.create(first_name="Anna")
    link(person, "1")
    return person


# --- forced ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("match", ["first_name,Anna", "first_name,Nobody", "first_name,Ben", ",", "first_name,"])
def test_a_forced_delete_removes_the_linked_object(sync_text: Sync, anna: Person, match: str) -> None:
    """A5, I6: whatever the match says, with every mapping of any system."""
    ben = Person.objects.create(first_name="Ben")
    link(anna, "1b")
    link(anna, "A", "ERP")
    link(ben, "B", "ERP")

    report = sync_text(f"{HEADER}1,d*,{match}\n")

    assert outcomes(report) == {"deleted": 1}
    assert not exists(anna)
    assert all_keys() == {("ERP", "person", "B"): str(ben.pk)}


@pytest.mark.parametrize("key", ["", "unknown"])
def test_a_forced_delete_removes_the_matched_object(sync_text: Sync, anna: Person, key: str) -> None:
    """A5: without a linked object; its mappings go with it, this system's too."""
    link(anna, "A", "ERP")

    report = sync_text(f"{HEADER}{key},d*,first_name,Anna\n")

    assert outcomes(report) == {"deleted": 1}
    assert not exists(anna)
    assert all_keys() == {}


def test_a_forced_delete_that_finds_nothing_is_unmatched(sync_text: Sync, anna: Person) -> None:
    """A5."""
    report = sync_text(f"{HEADER},d*,first_name,Nobody\nunknown,d*,,\n")

    assert outcomes(report) == {"unmatched": 2}
    assert codes(report) == [(2, "no-match", ""), (3, "no-match", "")]
    assert keys_of(anna) == {("HR", "1")}


@pytest.mark.parametrize("flags", ["d", "d*"])
@pytest.mark.parametrize("match", ["first_name,Nobody", ",", "first_name,"])
def test_a_stale_mapping_is_removed(sync_text: Sync, flags: str, match: str) -> None:
    """A5, A6: outcome `released`; the second time there is no mapping."""
    link_gone(Person, "1")
    text = f"{HEADER}1,{flags},{match}\n"

    report = sync_text(text)

    assert outcomes(report) == {"released": 1}
    assert codes(report) == [(2, "stale-mapping", "")]
    assert all_keys() == {}
    again = sync_text(text, on_error="skip")
    expected = {"failed": 1} if (flags, match) == ("d*", "first_name,") else {"unmatched": 1}
    assert outcomes(again) == expected


def test_a_forced_delete_with_a_stale_mapping_removes_the_matched_object(sync_text: Sync, anna: Person) -> None:
    """A5: the linked, else the matched object; the stale mapping goes as well."""
    link_gone(Person, "2")

    report = sync_text(f"{HEADER}2,d*,first_name,Anna\n")

    assert outcomes(report) == {"deleted": 1}
    assert (exists(anna), all_keys()) == (False, {})


def test_an_unforced_delete_with_a_stale_mapping_leaves_the_matched_object(sync_text: Sync, anna: Person) -> None:
    """A6: only what the mapping pointed to could be removed."""
    link_gone(Person, "2")

    report = sync_text(f"{HEADER}2,d,first_name,Anna\n")

    assert outcomes(report) == {"released": 1}
    assert keys_of(anna) == {("HR", "1")}


# --- unforced, and nobody else holds the object ---------------------------------------------------------------------


@pytest.mark.parametrize("match", ["first_name,Anna", ",", "first_name,"])
def test_an_unforced_delete_removes_the_object_that_only_its_key_holds(
    sync_text: Sync, anna: Person, match: str
) -> None:
    """A6: the match finds it, or the row names none, or all its values are empty."""
    nameless = Person.objects.create(first_name="")

    report = sync_text(f"{HEADER}1,d,{match}\n")

    assert outcomes(report) == {"deleted": 1}
    assert report.warnings == {}
    assert (exists(anna), exists(nameless), all_keys()) == (False, True, {})


def test_an_unforced_delete_needs_a_key(sync_text: Sync, anna: Person) -> None:
    """A6: `ignored`, with a reason that says what would work."""
    report = sync_text(f"{HEADER},d,first_name,Anna\n")

    (entry,) = report.details()
    assert outcomes(report) == {"ignored": 1}
    assert codes(report) == [(2, "delete-without-key", "")]
    assert "d*" in entry.problems[0].message
    assert exists(anna)


@pytest.mark.parametrize("match", ["first_name,Anna", ","])
def test_an_unforced_delete_of_an_unknown_key_is_unmatched(sync_text: Sync, anna: Person, match: str) -> None:
    """A6: whatever the match finds; so the same file again deletes nothing more."""
    report = sync_text(f"{HEADER}2,d,{match}\n")

    assert outcomes(report) == {"unmatched": 1}
    assert codes(report) == [(2, "no-mapping", "")]
    assert keys_of(anna) == {("HR", "1")}


def test_a_delete_row_converts_only_its_key_and_match(sync_text: Sync, anna: Person) -> None:
    """A6, V1: what the other cells hold does not matter."""
    report = sync_text("external_key,action_flags,match_on,first_name,age\n1,d,first_name,Anna,old\n")

    assert outcomes(report) == {"deleted": 1}


# --- what goes along ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", ["d", "d*"])
def test_mappings_of_what_goes_along_go_too(sync_text: Sync, anna: Person, flags: str) -> None:
    """A5, A6, A8: of this system if unforced; SET_NULL and many-to-many rows let go."""
    house = House.objects.create(address="Cave", owner=anna)
    room = Room.objects.create(house=house, name="Lab")
    passport = Passport.objects.create(number="P", person=anna)
    kept = House.objects.create(address="Manor")
    report_to = Person.objects.create(first_name="Ben", manager=anna)
    tag = Tag.objects.create(name="tall")
    anna.tags.add(tag)
    for number, target in enumerate((house, room, passport, kept, report_to, tag)):
        link(target, str(number))
    content_types = ContentType.objects.count()

    report = sync_text(f"{HEADER}1,{flags},,\n")

    report_to.refresh_from_db()
    assert outcomes(report) == {"deleted": 1}
    assert [exists(target) for target in (anna, house, room, passport, kept, tag)] == [False] * 4 + [True] * 2
    assert report_to.manager is None
    assert set(all_keys()) == {("HR", "house", "3"), ("HR", "person", "4"), ("HR", "tag", "5")}
    assert ContentType.objects.count() == content_types


def test_a_mapping_to_another_kind_of_object_with_the_same_key_stays(sync_text: Sync) -> None:
    """A8, I1: primary keys are compared together with the content type."""
    person = Person.objects.create(pk=5, first_name="Anna")
    house = House.objects.create(pk=5, address="Cave")
    other = Person.objects.create(pk=55, first_name="Ben")
    link(person, "1")
    link(house, "1")
    link(other, "2")

    report = sync_text(f"{HEADER}1,d,,\n")

    assert outcomes(report) == {"deleted": 1}
    assert set(all_keys()) == {("HR", "house", "1"), ("HR", "person", "2")}


def test_a_cascade_of_many_objects_goes_with_their_mappings(sync_text: Sync) -> None:
    """A8: more of them than some databases take parameters."""
    house = House.objects.create(address="Cave")
    link(house, "1")
    Room.objects.bulk_create(Room(house=house, name=f"R{number}") for number in range(40_000))
    for room in Room.objects.filter(name__in=["R0", "R39999"]):
        link(room, room.name)

    report = sync_text("external_key,action_flags\n1,d*\n", House)

    assert outcomes(report) == {"deleted": 1}
    assert (Room.objects.count(), all_keys()) == (0, {})


@pytest.mark.skipif(not HAS_DB_CASCADE, reason="Django before 6.1 has no DB_CASCADE")
@pytest.mark.parametrize(
    ("flags", "other", "outcome"), [("d", "HR", "deleted"), ("d", "ERP", "released"), ("d*", "ERP", "deleted")]
)
def test_what_the_database_cascades_counts_too(sync_text: Sync, flags: str, other: str, outcome: str) -> None:
    """A5, A6, A8: DB_CASCADE, which Django's own collector leaves to the database."""
    from tests.testapp.models import Shed, Yard

    yard = Yard.objects.create(name="Y")
    shed = Shed.objects.create(yard=yard, name="S")
    link(yard, "1")
    link(shed, "s", other)

    report = sync_text(f"external_key,action_flags\n1,{flags}\n", Yard)

    assert outcomes(report) == {outcome: 1}
    is_kept = outcome == "released"
    assert (exists(yard), exists(shed)) == (is_kept, is_kept)
    assert set(all_keys()) == ({(other, "shed", "s")} if is_kept else set())


# --- what Django or the database refuses ----------------------------------------------------------------------------


@pytest.mark.parametrize("flags", ["d", "d*"])
@pytest.mark.parametrize(
    ("blocker", "word"),
    [
        (lambda anna: Contract.objects.create(person=anna, title="Trust"), "contract"),
        (lambda anna: Lease.objects.create(house=House.objects.create(owner=anna), tenant="T"), "lease"),
    ],
    ids=["PROTECT", "RESTRICT"],
)
def test_what_django_refuses_to_delete_is_a_row_error(
    sync_text: Sync, anna: Person, flags: str, blocker: Callable[[Person], Any], word: str
) -> None:
    """A5, A6: it says what stands in the way, and the mapping stays."""
    standing = blocker(anna)

    report = sync_text(f"{HEADER}1,{flags},,\n", on_error="skip")

    (entry,) = report.details()
    assert outcomes(report) == {"failed": 1}
    assert entry.problems[0].code == "protected"
    assert f"{word} {standing.pk}" in entry.problems[0].message
    assert (exists(anna), keys_of(anna)) == (True, {("HR", "1")})


@pytest.mark.parametrize("flags", ["d", "d*"])
def test_a_protected_object_that_is_held_is_released(sync_text: Sync, anna: Person, flags: str) -> None:
    """A6 before the refusal: what is not deleted cannot be protected; forced, it is a row error."""
    Contract.objects.create(person=anna, title="Trust")
    link(anna, "A", "ERP")

    report = sync_text(f"{HEADER}1,{flags},,\n", on_error="skip")

    assert outcomes(report) == ({"released": 1} if flags == "d" else {"failed": 1})
    assert keys_of(anna) == ({("ERP", "A")} if flags == "d" else {("HR", "1"), ("ERP", "A")})


@pytest.mark.parametrize("flags", ["d", "d*"])
def test_rows_that_would_point_to_nothing_are_a_row_error(sync_text: Sync, flags: str) -> None:
    """A5, A6, T4: DO_NOTHING; told for the row, on databases too that would find it only at the commit."""
    house = House.objects.create(address="Cave")
    LooseNote.objects.create(house=house, text="x")
    link(house, "1")
    free = House.objects.create(address="Free")
    link(free, "2")

    report = sync_text(f"external_key,action_flags\n1,{flags}\n2,{flags}\n", House, on_error="skip")

    assert outcomes(report) == {"failed": 1, "deleted": 1}
    assert codes(report) == [(2, "foreign-key", "")]
    assert (exists(house), keys_of(house), exists(free)) == (True, {("HR", "1")}, False)
