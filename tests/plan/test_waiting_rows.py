"""Rows that wait whole: for a required relation, for a key that another one holds, for a unique value (R6, I7, A4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.plan.known import all_keys, link, link_gone
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Badge, Currency, House, Person, Price, Product, Room

Sync = Callable[..., Report]
BOTH = pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy], ids=["basic", "ordered"])


def employees() -> dict[str, str | None]:
    return dict(Person.objects.values_list("first_name", "employee_id"))


# --- a relation that the object needs -------------------------------------------------------------------------------

ROOMS = (
    "HR",
    "testapp.Room",
    "external_key,action_flags,match_on,name,house=>address\nr1,cu*,name,Hall,Manor\nr2,c,name,Attic,Manor\n",
)
HOUSES = ("HR", "testapp.House", "external_key,action_flags,match_on,address\nh1,cu*,address,Manor\n")


@BOTH
def test_a_required_relation_waits_and_the_row_does_all_it_asks_for(sync_texts: Sync, policy: Any) -> None:
    """R6, R5: the object, its relation and its mapping; the second time nothing changes."""
    report, again = sync_texts(ROOMS, HOUSES, policy=policy), sync_texts(ROOMS, HOUSES, policy=policy)

    assert set(House.objects.get().rooms.values_list("name", flat=True)) == {"Hall", "Attic"}
    assert {key for _, _, key in all_keys()} == {"r1", "r2", "h1"}
    assert codes(report) == []
    assert (outcomes(report), outcomes(again)) == ({"created": 3}, {"unchanged": 3})


@BOTH
def test_a_required_relation_that_never_comes_is_a_row_error(sync_texts: Sync, policy: Any) -> None:
    """R5, R6, T4: every such row is reported, nothing of them is applied, nothing is committed."""
    house = ("HR", "testapp.House", "external_key,action_flags,match_on,address\nh1,c,address,Elsewhere\n")

    report = sync_texts(ROOMS, house, policy=policy)

    assert codes(report) == [(2, "missing-reference", "house=>address"), (3, "missing-reference", "house=>address")]
    assert outcomes(report) == {"failed": 2, "created": 1}
    assert not report.committed
    assert not House.objects.exists()


@BOTH
def test_of_rows_that_wait_the_good_ones_are_applied(sync_texts: Sync, policy: Any) -> None:
    """R6, T4: --on-error skip."""
    rooms = ("HR", Room, "action_flags,match_on,name,house=>address\nc,name,Cell,Nowhere\nc,name,Hall,Manor\n")

    report = sync_texts(rooms, HOUSES, on_error="skip", policy=policy)

    assert codes(report) == [(2, "missing-reference", "house=>address")]
    assert outcomes(report) == {"failed": 1, "created": 2}
    assert Room.objects.get().name == "Hall"
    assert report.exit_code == 3


def test_two_required_relations_wait_for_both(sync_texts: Sync) -> None:
    """R6: settled only when the second is there, too."""
    report = sync_texts(
        ("HR", "testapp.Price", "action_flags,match_on,amount,currency,product=>name\ncu*,amount,1,EUR,Spoon\n"),
        ("HR", "testapp.Currency", "action_flags,match_on,code\nc,code,EUR\n"),
        ("HR", "testapp.Product", "action_flags,match_on,sku,name\nc,sku,S1,Spoon\n"),
        policy=BasicSyncPolicy,
    )

    price = Price.objects.get()
    assert (price.currency, price.product) == (Currency.objects.get(), Product.objects.get())
    assert outcomes(report) == {"created": 3}


def test_rows_in_between_do_not_see_a_row_that_waits(sync_texts: Sync) -> None:
    """R6, T1: it is applied after the last row, so that an update before that finds nothing."""
    report = sync_texts(
        ("HR", Room, "action_flags,match_on,name,house=>address\nc,name,Hall,Manor\nu*,name,Hall,Manor\n"),
        HOUSES,
        policy=BasicSyncPolicy,
    )

    assert outcomes(report) == {"created": 2, "unmatched": 1}


@BOTH
def test_two_rows_that_wait_to_create_one_object_create_it_once(sync_texts: Sync, policy: Any) -> None:
    """R6, A1: tried in file order, the second finds what the first made."""
    report = sync_texts(
        ("HR", Room, "action_flags,match_on,name,house=>address\ncu*,name,Hall,Manor\ncu*,name,Hall,Manor\n"),
        HOUSES,
        policy=policy,
    )

    assert Room.objects.count() == 1
    assert outcomes(report) == {"created": 2, "unchanged": 1}


def test_a_row_that_waits_and_then_fails_fails_once(sync_texts: Sync) -> None:
    """R6, O1: its house comes, and the database refuses the row for something else."""
    person = Person.objects.create(first_name="Alfred")
    Badge.objects.create(code="B1", person=person)

    report = sync_texts(
        ("HR", Badge, "action_flags,match_on,code,person=>first_name\nc,code,B2,Bruce\nc,code,B3,Bruce\n"),
        ("HR", Person, "action_flags,match_on,first_name\nc,first_name,Bruce\n"),
        policy=BasicSyncPolicy,
        on_error="skip",
    )

    assert outcomes(report) == {"failed": 1, "created": 2}
    assert codes(report) == [(3, "unique", "person=>first_name")]
    assert set(Badge.objects.values_list("code", flat=True)) == {"B1", "B2"}


# --- --on-missing-reference error -----------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("flags", ["c", "cu*", "u*"])
def test_under_error_a_row_waits_whole(sync_texts: Sync, policy: Any, flags: str) -> None:
    """R5, R6: and does all that it asks for when its reference comes."""
    if flags == "u*":
        House.objects.create(address="Manor")

    report = sync_texts(
        (
            "HR",
            House,
            f"external_key,action_flags,match_on,address,floors,owner=>first_name\nh1,{flags},address,Manor,3,Bruce\n",
        ),
        ("HR", Person, "action_flags,match_on,first_name\nc,first_name,Bruce\n"),
        policy=policy,
        on_missing_reference="error",
    )

    house = House.objects.get()
    assert (house.floors, house.owner.first_name) == (3, "Bruce")
    assert keys_of(house) == {("HR", "h1")}
    assert outcomes(report) == ({"created": 2} if flags != "u*" else {"created": 1, "updated": 1})
    assert codes(report) == []


def test_under_error_a_row_may_not_refer_to_itself_when_it_is_new(sync_text: Sync) -> None:
    """R5, R6: it waits whole, so that it never finds itself; two rows say it: create, then relate."""
    report = sync_text(
        "action_flags,match_on,code,name,parent=>code\nc,code,1,root,\nu*,code,1,root,1\nc,code,2,leaf,2\n",
        "testapp.Node",
        on_missing_reference="error",
        on_error="skip",
    )

    assert outcomes(report) == {"failed": 1, "created": 1, "updated": 1}
    assert codes(report) == [(4, "missing-reference", "parent=>code")]


# --- a key that another key of the same system holds (I7) -----------------------------------------------------------

RENAMED = "external_key,action_flags,match_on,first_name,employee_id\n"


@BOTH
def test_a_new_key_waits_until_the_old_one_lets_go(sync_text: Sync, policy: Any) -> None:
    """I7, R6: the employee id went from k1 to k2, and the row of k2 stands first."""
    bruce = Person.objects.create(first_name="Bruce", employee_id="1")
    link(bruce, "k1")

    report = sync_text(RENAMED + "k2,cu*,employee_id,Dick,1\nk1,u*,employee_id,Bruce,2\n", policy=policy)

    assert employees() == {"Bruce": "2", "Dick": "1"}
    assert keys_of(bruce) == {("HR", "k1")}
    assert outcomes(report) == {"created": 1, "updated": 1}
    assert codes(report) == []


@BOTH
@pytest.mark.parametrize("flags", ["c", "u", "u*", "cu", "cu*"])
def test_a_key_that_nobody_frees_is_shared_in_the_end(sync_text: Sync, policy: Any, flags: str) -> None:
    """I7, O1: with one warning."""
    bruce = Person.objects.create(first_name="Bruce", employee_id="1")
    link(bruce, "k1")

    report = sync_text(RENAMED + f"k2,{flags},employee_id,Bruce,1\n", policy=policy)

    assert keys_of(bruce) == {("HR", "k1"), ("HR", "k2")}
    assert outcomes(report) == {"linked": 1}
    assert report.warnings == {"shared-object": 1}
    assert report.exit_code == 0


def test_a_stale_key_waits_too(sync_text: Sync) -> None:
    """I7, I1: until a later row releases the object, which a third system keeps."""
    bruce = Person.objects.create(first_name="Bruce", employee_id="1")
    link(bruce, "k1")
    link(bruce, "e1", "ERP")
    link_gone(Person, "k2")

    report = sync_text(RENAMED + "k2,u*,employee_id,Dick,1\nk1,d,,,\n")

    assert employees() == {"Dick": "1"}
    assert keys_of(bruce) == {("ERP", "e1"), ("HR", "k2")}
    assert outcomes(report) == {"updated": 1, "released": 1}
    assert codes(report) == [(3, "held-by", "")]


def test_a_key_of_another_system_does_not_make_a_row_wait(sync_text: Sync) -> None:
    """I7, M1: two systems may map to one object."""
    bruce = Person.objects.create(first_name="Bruce", employee_id="1")
    link(bruce, "k1", "ERP")

    report = sync_text(RENAMED + "k2,c,employee_id,Bruce,1\n")

    assert keys_of(bruce) == {("ERP", "k1"), ("HR", "k2")}
    assert codes(report) == []


@BOTH
def test_a_chain_of_keys_that_let_go_is_settled(sync_text: Sync, policy: Any) -> None:
    """I7, R6: three ids move on by one, the last row frees the first."""
    for number in (1, 2):
        link(Person.objects.create(first_name=f"P{number}", employee_id=str(number)), f"k{number}")

    report = sync_text(
        RENAMED + "k3,cu*,employee_id,P3,2\nk2,u*,employee_id,P2,1\nk1,u*,employee_id,P1,9\n", policy=policy
    )

    assert employees() == {"P1": "9", "P2": "1", "P3": "2"}
    assert codes(report) == []
    assert outcomes(report) == {"created": 1, "updated": 2}


# --- a unique value that another key of the same system holds (A4) --------------------------------------------------


@BOTH
@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3)], ids=str)
def test_unique_values_that_move_on_are_settled_in_any_order(
    sync_text: Sync, policy: Any, order: tuple[int, ...]
) -> None:
    """A4, R6: 1 gets 2's id, 2 gets 3's, 3 gets a new one; nobody is displaced."""
    for number in order:
        link(Person.objects.create(first_name=f"P{number}", employee_id=str(number)), f"k{number}")
    lines = [f"k{number},u*,employee_id,P{number},{number + 1}\n" for number in order]

    report = sync_text(RENAMED + "".join(lines), policy=policy)

    assert employees() == {"P1": "2", "P2": "3", "P3": "4"}
    assert outcomes(report) == {"updated": 3}
    assert report.displaced == 0
    assert report.errors == {}


@BOTH
def test_a_swap_of_two_unique_values_is_a_row_error_that_names_the_holder(sync_text: Sync, policy: Any) -> None:
    """A4, R6: neither can go first."""
    bruce, dick = (Person.objects.create(first_name=f"P{number}", employee_id=str(number)) for number in (1, 2))
    link(bruce, "k1")
    link(dick, "k2")

    report = sync_text(RENAMED + "k1,u*,employee_id,P1,2\nk2,u*,employee_id,P2,1\n", policy=policy)

    assert [code for _, code, _ in codes(report)] == ["unique", "unique"]
    messages = [problem.message for entry in report.details() for problem in entry.problems]
    assert f"person {dick.pk}" in messages[0]
    assert "'k2'" in messages[0]
    assert "'k1'" in messages[1]
    assert employees() == {"P1": "1", "P2": "2"}


def test_a_unique_value_that_nobody_maps_displaces_and_does_not_wait(sync_text: Sync) -> None:
    """A4: the match holds no key of the run's system."""
    link(Person.objects.create(first_name="P1", employee_id="1"), "k1")
    Person.objects.create(first_name="P2", employee_id="2")

    report = sync_text(RENAMED + "k1,u*,employee_id,P1,2\n")

    assert employees() == {"P1": "2"}
    assert (outcomes(report), report.displaced) == ({"updated": 1}, 1)


def test_delete_rows_do_not_wait(sync_text: Sync) -> None:
    """I7, A5: a forced delete of a new key deletes what it matches, though another key holds it."""
    bruce = Person.objects.create(first_name="Bruce", employee_id="1")
    link(bruce, "k1")

    report = sync_text(RENAMED + "k2,d*,employee_id,Bruce,1\n")

    assert not Person.objects.exists()
    assert all_keys() == {}
    assert outcomes(report) == {"deleted": 1}


def test_what_waits_in_an_ordered_run_is_tried_before_deletions(sync_text: Sync) -> None:
    """R6, I7, T2: the deletion of k1 comes too late to free the object, so that it is shared, then released."""
    bruce = Person.objects.create(first_name="Bruce", employee_id="1")
    link(bruce, "k1")

    report = sync_text(RENAMED + "k2,cu*,employee_id,Bruce,1\nk1,d,employee_id,Bruce,1\n", policy=OrderedSyncPolicy)

    assert keys_of(bruce) == {("HR", "k2")}
    assert outcomes(report) == {"released": 1, "linked": 1}
    assert [code for _, code, _ in codes(report)] == ["shared-object", "held-by"]
