"""What waits for a later row, and what becomes of it: relations that an applied row had to leave (rule R6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.plan.known import link
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Company, House, Node, Passport, Person, Tag

Sync = Callable[..., Report]
BOTH = pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy], ids=["basic", "ordered"])


def parents() -> dict[str, str | None]:
    return dict(Node.objects.values_list("code", "parent__code"))


def managers() -> dict[str, str | None]:
    return dict(Person.objects.values_list("first_name", "manager__first_name"))


@BOTH
@pytest.mark.parametrize("flags", ["c", "cu", "cu*"])
def test_a_reference_to_a_later_row_is_set_at_the_end(sync_text: Sync, policy: Any, flags: str) -> None:
    """R6, R5, A7: without a warning, and the row is created; the second time nothing changes."""
    text = (
        "action_flags,match_on,code,name,parent=>code\n"
        f"{flags},code,3,leaf,2\n"
        f"{flags},code,2,branch,1\n"
        f"{flags},code,1,root,\n"
    )

    report, again = sync_text(text, Node, policy=policy), sync_text(text, Node, policy=policy)

    assert parents() == {"1": None, "2": "1", "3": "2"}
    assert codes(report) == []
    assert (outcomes(report), outcomes(again)) == ({"created": 3}, {"unchanged": 3})


@BOTH
@pytest.mark.parametrize(
    ("model", "header", "later_model", "later_header"),
    [
        pytest.param("House", "match_on,address,owner=>first_name", "Person", "match_on,first_name", id="foreign key"),
        pytest.param("House", "match_on,address,owner=>external_key", "Person", "external_key,first_name", id="key"),
        pytest.param(
            "Passport", "match_on,number,person=>first_name", "Person", "match_on,first_name", id="one-to-one"
        ),
        pytest.param("Person", "match_on,first_name,houses=>address", "House", "match_on,address", id="reverse"),
        pytest.param("Person", "match_on,first_name,passport=>number", "Passport", "match_on,number", id="reverse one"),
        pytest.param("Person", "match_on,first_name,tags=>+name", "Tag", "match_on,name", id="add"),
        pytest.param("Person", "match_on,first_name,tags=>=name", "Tag", "match_on,name", id="set"),
        pytest.param("Tag", "match_on,name,persons=>=first_name", "Person", "match_on,first_name", id="reverse set"),
    ],
)
def test_every_kind_of_relation_waits(
    sync_texts: Sync, policy: Any, model: str, header: str, later_model: str, later_header: str
) -> None:
    """R6, R7: in a later file, too."""
    _, field, reference = header.split(",")
    later_control, later_field = later_header.split(",")
    later = "L" if later_control == "external_key" else later_field

    report = sync_texts(
        ("HR", f"testapp.{model}", f"action_flags,{header}\ncu*,{field},first,L\n"),
        ("HR", f"testapp.{later_model}", f"action_flags,{later_header}\ncu*,{later},L\n"),
        policy=policy,
    )

    assert outcomes(report) == {"created": 2}
    assert codes(report) == []
    related = {
        "owner": lambda: House.objects.get().owner,
        "person": lambda: Passport.objects.get().person,
        "houses": lambda: Person.objects.get().houses.get(),
        "passport": lambda: Person.objects.get().passport,
        "tags": lambda: Person.objects.get().tags.get(),
        "persons": lambda: Tag.objects.get().persons.get(),
    }
    assert related[reference.partition("=>")[0]]() is not None


def test_an_update_that_had_to_leave_a_relation_is_updated_in_the_end(sync_text: Sync) -> None:
    """R6, O1: what was unchanged so far; and with a new key, what was linked so far."""
    Node.objects.create(code="2", name="branch")
    Node.objects.create(code="3", name="leaf")

    report = sync_text(
        "external_key,action_flags,match_on,code,name,parent=>code\n"
        ",u*,code,2,branch,1\nk3,u,code,3,leaf,1\n,c,code,1,root,\n",
        Node,
    )

    assert parents() == {"1": None, "2": "1", "3": "1"}
    assert keys_of(Node.objects.get(code="3")) == {("HR", "k3")}
    assert outcomes(report) == {"created": 1, "updated": 2}


@BOTH
def test_of_two_relations_only_the_one_that_stays_missing_warns(sync_text: Sync, policy: Any) -> None:
    """R5, R6."""
    report = sync_text(
        "action_flags,match_on,first_name,manager=>first_name,company=>name\n"
        "cu*,first_name,Dick,Bruce,Nowhere\ncu*,first_name,Bruce,,\n",
        policy=policy,
    )

    assert managers() == {"Dick": "Bruce", "Bruce": None}
    assert codes(report) == [(2, "missing-reference", "company=>name")]


@BOTH
def test_a_list_is_set_once_all_of_it_is_there(sync_texts: Sync, policy: Any) -> None:
    """R6, R3: one value that stays missing leaves the whole relation."""
    report = sync_texts(
        (
            "HR",
            "testapp.Person",
            "action_flags,match_on,first_name,tags=>+name\nc,first_name,A,x|y\nc,first_name,B,x|z\n",
        ),
        ("HR", "testapp.Tag", "action_flags,match_on,name\nc,name,y\nc,name,x\n"),
        policy=policy,
    )

    assert {person.first_name: person.tags.count() for person in Person.objects.all()} == {"A": 2, "B": 0}
    assert codes(report) == [(3, "missing-reference", "tags=>+name")]


@BOTH
def test_what_waits_for_something_that_waits_is_settled_too(sync_text: Sync, policy: Any) -> None:
    """R6: passes go on until one settles nothing. Each row is found by the parent that a later row waits for."""
    Node.objects.create(code="0", name="n", parent=Node.objects.create(code="root", name="n"))

    report = sync_text(
        "action_flags,match_on,code,name,parent=>parent__code\n"
        "cu*,code,5,n,3\ncu*,code,4,n,2\ncu*,code,3,n,1\ncu*,code,2,n,0\ncu*,code,1,n,root\n",
        Node,
        policy=policy,
    )

    assert parents() == {"root": None, "0": "root", "1": "0", "2": "1", "3": "2", "4": "3", "5": "4"}
    assert outcomes(report) == {"created": 5}
    assert codes(report) == []


@BOTH
@pytest.mark.parametrize("file_order", ["rooms first", "houses first"])
def test_a_chain_over_three_models_is_settled(sync_texts: Sync, policy: Any, file_order: str) -> None:
    """R6, R5: the room waits whole for its house, which is found by the owner that it waits for itself."""
    rooms = ("HR", "testapp.Room", "external_key,action_flags,name,house=>owner__first_name\nr1,cu*,Hall,Bruce\n")
    houses = ("HR", "testapp.House", "external_key,action_flags,address,owner=>first_name\nh1,cu*,Manor,Bruce\n")
    persons = ("HR", "testapp.Person", "external_key,action_flags,first_name\np1,cu*,Bruce\n")
    first = [rooms, houses] if file_order == "rooms first" else [houses, rooms]

    report = sync_texts(*first, persons, policy=policy)

    room = House.objects.get().rooms.get()
    assert (room.name, room.house.owner.first_name) == ("Hall", "Bruce")
    assert keys_of(room) == {("HR", "r1")}
    assert outcomes(report) == {"created": 3}
    assert codes(report) == []


# --- a row that refers to itself ------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(
    ("header", "cells"),
    [
        ("match_on,code,parent=>code", "code,1,1"),
        ("external_key,code,parent=>external_key", "k1,1,k1"),
        ("match_on,code,parent=>external_key@HR,external_key", "code,1,k1,k1"),
        ("match_on,code,children=>code", "code,1,1"),
    ],
    ids=["field", "key", "key of a named system", "reverse"],
)
@pytest.mark.parametrize("flags", ["c", "cu", "cu*"])
def test_a_new_object_may_refer_to_itself(sync_text: Sync, policy: Any, flags: str, header: str, cells: str) -> None:
    """R6, R7."""
    report = sync_text(f"action_flags,name,{header}\n{flags},self,{cells}\n", Node, policy=policy)

    node = Node.objects.get()
    assert node.parent == node
    assert outcomes(report) == {"created": 1}
    assert codes(report) == []


# --- what came in between -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("second", "expected", "warned"),
    [
        pytest.param("u*,first_name,Dick,Alfred", "Alfred", [], id="a later row names another"),
        pytest.param("u,first_name,Dick,Alfred", "Alfred", [], id="a later unforced row names another"),
        pytest.param("u*,first_name,Dick,", "Late", [], id="a later row names none"),
        pytest.param("u*,first_name,Dick", "Late", [], id="a later row has no such cell"),
        pytest.param("u*,first_name,Dick,Never", None, [3], id="a later row names one that never comes"),
        pytest.param("u*,first_name,Dick,Late", "Late", [], id="a later row names the same"),
        pytest.param("u*,first_name,Alfred,Dick", "Late", [], id="a later row names one for another object"),
        pytest.param("u*,first_name,Nobody,Alfred", "Late", [], id="a later row finds no object"),
    ],
)
@pytest.mark.parametrize("flags", ["c", "cu*"])
def test_a_later_row_that_names_the_relation_is_the_one_that_counts(
    sync_text: Sync, flags: str, second: str, expected: str | None, warned: list[int]
) -> None:
    """R6."""
    Person.objects.create(first_name="Alfred")

    report = sync_text(
        "action_flags,match_on,first_name,manager=>first_name\n"
        f"{flags},first_name,Dick,Late\n{second}\nc,first_name,Late,\n"
    )

    assert managers()["Dick"] == expected
    assert [line for line, code, _ in codes(report) if code == "missing-reference"] == warned


def test_a_later_row_that_fails_names_nothing(sync_text: Sync) -> None:
    """R6: what was not applied cannot count."""
    Person.objects.create(first_name="Alfred")

    report = sync_text(
        "action_flags,match_on,first_name,age,manager=>first_name\n"
        "c,first_name,Dick,,Late\nu*,first_name,Dick,old,Alfred\nc,first_name,Late,,\n",
        on_error="skip",
    )

    assert managers()["Dick"] == "Late"
    assert outcomes(report) == {"created": 2, "failed": 1}


@pytest.mark.parametrize(("flags", "expected"), [("u", "Bruce"), ("u*", "Late")])
def test_a_relation_that_was_filled_from_its_other_side_is_overwritten_only_by_force(
    sync_texts: Sync, flags: str, expected: str
) -> None:
    """R6, R4: the person's row does not name the house's relation, but fills it."""
    House.objects.create(address="Manor")

    sync_texts(
        ("HR", "testapp.House", f"action_flags,match_on,address,owner=>first_name\n{flags},address,Manor,Late\n"),
        (
            "HR",
            "testapp.Person",
            "action_flags,match_on,first_name,houses=>address\nc,first_name,Bruce,Manor\nc,first_name,Late,\n",
        ),
        policy=BasicSyncPolicy,
    )

    assert House.objects.get().owner.first_name == expected


def test_only_the_relation_is_set_late(sync_text: Sync) -> None:
    """R6: later rows have changed the other columns, and that stays; match and key of the row are not asked again."""
    report = sync_text(
        "external_key,action_flags,match_on,code,name,parent=>code\n"
        "k2,cu*,code,2,old name,1\n"
        "k2,u*,,22,new name,\n"
        ",cu*,code,1,root,\n"
        ",cu*,code,2,another,\n",
        Node,
    )

    assert set(Node.objects.values_list("code", "name", "parent__code")) == {
        ("22", "new name", "1"),
        ("1", "root", None),
        ("2", "another", None),
    }
    assert outcomes(report) == {"created": 3, "updated": 1}


def test_an_object_that_is_gone_gets_nothing(sync_text: Sync) -> None:
    """R6: in the basic policy the deletion comes before what waits; the outcomes stay."""
    report = sync_text(
        "external_key,action_flags,code,name,parent=>code\nk2,cu*,2,leaf,1\nk2,d*,2,,\nk1,c,1,root,\n", Node
    )

    assert parents() == {"1": None}
    assert outcomes(report) == {"created": 2, "deleted": 1}


def test_an_object_that_was_made_again_is_another_one(sync_text: Sync) -> None:
    """R6: it has the same key and the same code, but it is not the object of the first row."""
    sync_text(
        "external_key,action_flags,code,name,parent=>code\nk2,cu*,2,leaf,1\nk2,d*,,,\nk2,c,2,leaf,\nk1,c,1,root,\n",
        Node,
    )

    assert parents() == {"1": None, "2": None}


@pytest.mark.parametrize(("policy", "warned"), [(BasicSyncPolicy, [2]), (OrderedSyncPolicy, [])])
def test_what_waits_is_tried_before_the_deletions_of_the_ordered_policy(
    sync_text: Sync, policy: Any, warned: list[int]
) -> None:
    """R6, T2: found while it is there, then deleted, and the relation with it; in file order it is gone too early."""
    report = sync_text(
        "external_key,action_flags,first_name,manager=>external_key\n1,c,Dick,2\n2,c,Bruce,\n2,d*,,\n", policy=policy
    )

    assert managers() == {"Dick": None}
    assert [line for line, code, _ in codes(report) if code == "missing-reference"] == warned


def test_several_found_later_are_ambiguous(sync_text: Sync) -> None:
    """R6, R5: what was missing is ambiguous in the end."""
    report = sync_text(
        "external_key,action_flags,first_name,manager=>first_name\n1,c,Dick,Bruce\n2,c,Bruce,\n3,c,Bruce,\n"
    )

    assert Person.objects.get(first_name="Dick").manager is None
    assert codes(report) == [(2, "ambiguous-reference", "manager=>first_name")]


def test_ambiguous_is_not_tried_again(sync_text: Sync) -> None:
    """R6: even though one of the two goes later."""
    for age in (1, 2):
        Person.objects.create(first_name="Bruce", age=age)

    report = sync_text(
        "external_key,action_flags,match_on,first_name,age,manager=>first_name\n1,c,,Dick,,Bruce\n,d*,age,,1,\n"
    )

    assert managers() == {"Dick": None, "Bruce": None}
    assert codes(report) == [(2, "ambiguous-reference", "manager=>first_name")]


def test_what_waits_in_a_committed_batch_is_set_at_the_end(sync_text: Sync) -> None:
    """R6, T3."""
    text = "action_flags,match_on,code,name,parent=>code\nc,code,3,c,1\nc,code,2,b,1\nc,code,1,a,\n"

    report = sync_text(text, Node, as_transaction=False, batch_size=1)

    assert parents() == {"3": "1", "2": "1", "1": None}
    assert report.committed


def test_hundreds_of_rows_may_wait(sync_text: Sync) -> None:
    """R6: one for another, in the worst order."""
    lines = [f"c,code,{number},n,{number + 1}" for number in range(300)]

    report = sync_text("action_flags,match_on,code,name,parent=>code\n" + "\n".join(lines) + "\n", Node)

    assert outcomes(report) == {"created": 300}
    assert codes(report) == [(301, "missing-reference", "parent=>code")]
    assert Node.objects.filter(parent=None).count() == 1


def test_a_relation_that_the_mapping_of_a_later_row_settles(sync_text: Sync) -> None:
    """R6, R2: the object was there all the time; a later row gives it its key."""
    Company.objects.create(name="unrelated")
    link(Person.objects.create(first_name="Alfred"), "erp", "ERP")
    Person.objects.create(first_name="Bruce")

    report = sync_text(
        "external_key,action_flags,match_on,first_name,manager=>external_key\n1,c,,Dick,2\n2,u,first_name,Bruce,\n"
    )

    assert managers()["Dick"] == "Bruce"
    assert outcomes(report) == {"created": 1, "linked": 1}
