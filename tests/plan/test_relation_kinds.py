"""Every kind of relation that a column can set: to one object, from its other side, many-to-many (rules R3, R7)."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nsync.record.report import Report
from tests.plan.known import link, row, written
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import (
    Asset,
    Badge,
    Club,
    Company,
    Contractor,
    Currency,
    Employee,
    House,
    Membership,
    Node,
    Passport,
    Person,
    Price,
    Product,
    Room,
    Tag,
    Team,
    TeamPlace,
    Tree,
)

Sync = Callable[..., Report]


@pytest.fixture
def bruce(db: None) -> Person:
    return Person.objects.create(first_name="Bruce", employee_id="1")


@pytest.fixture
def dick(db: None) -> Person:
    return Person.objects.create(first_name="Dick", employee_id="2")


def test_a_one_to_one_relation_is_set_like_a_foreign_key(sync_text: Sync, bruce: Person, dick: Person) -> None:
    """R3."""
    Passport.objects.create(number="P1", person=dick)

    report = sync_text(
        "action_flags,match_on,number,person=>first_name\ncu*,number,P1,Bruce\ncu*,number,P2,Dick\n", Passport
    )

    assert dict(Passport.objects.values_list("number", "person__first_name")) == {"P1": "Bruce", "P2": "Dick"}
    assert outcomes(report) == {"created": 1, "updated": 1}


def test_a_one_to_one_relation_that_another_object_holds_is_a_row_error(sync_text: Sync, bruce: Person) -> None:
    """R3: only the reverse side frees the previous holder."""
    Passport.objects.create(number="P1", person=bruce)

    report = sync_text("action_flags,match_on,number,person=>first_name\ncu*,number,P2,Bruce\n", Passport)

    assert codes(report) == [(2, "unique", "person=>first_name")]


# --- the other side of a foreign key --------------------------------------------------------------------------------


def test_the_house_that_a_person_names_gets_this_owner(sync_text: Sync, bruce: Person, dick: Person) -> None:
    """R3, O1: the person's other houses stay, and a row that changes only related objects is updated."""
    cave = House.objects.create(address="Cave", owner=bruce)
    flat = House.objects.create(address="Flat", owner=dick)

    report = sync_text("action_flags,match_on,first_name,houses=>address\nu*,first_name,Bruce,Flat\n")

    flat.refresh_from_db()
    cave.refresh_from_db()
    assert (flat.owner, cave.owner) == (bruce, bruce)
    assert outcomes(report) == {"updated": 1}


@pytest.mark.parametrize("name", ["membership", "membership_set"], ids=["query name", "accessor"])
def test_a_reverse_relation_has_two_names(sync_text: Sync, bruce: Person, dick: Person, name: str) -> None:
    """R3."""
    membership = Membership.objects.create(
        person=dick, club=Club.objects.create(name="Justice League"), since="2020-01-01"
    )

    sync_text(f"action_flags,match_on,first_name,{name}=>since\nu*,first_name,Bruce,2020-01-01\n")

    membership.refresh_from_db()
    assert membership.person == bruce


def test_a_required_foreign_key_is_set_from_its_other_side(sync_text: Sync) -> None:
    """R3: the room moves from one house to the other."""
    room = Room.objects.create(name="Hall", house=House.objects.create(address="Old"))

    report = sync_text("action_flags,match_on,address,rooms=>name\ncu*,address,New,Hall\n", House)

    room.refresh_from_db()
    assert room.house.address == "New"
    assert outcomes(report) == {"created": 1}


def test_a_forced_reverse_one_to_one_frees_the_previous_holder(sync_text: Sync, bruce: Person, dick: Person) -> None:
    """R3: Bruce's old passport has no holder then, and the new one is taken from Dick."""
    Passport.objects.create(number="P1", person=bruce)
    Passport.objects.create(number="P2", person=dick)

    report = sync_text("action_flags,match_on,first_name,passport=>number\nu*,first_name,Bruce,P2\n")

    assert dict(Passport.objects.values_list("number", "person__first_name")) == {"P1": None, "P2": "Bruce"}
    assert outcomes(report) == {"updated": 1}


def test_a_previous_holder_that_cannot_be_freed_is_a_row_error(sync_text: Sync, bruce: Person, dick: Person) -> None:
    """R3: a badge must have a person."""
    Badge.objects.create(code="B1", person=bruce)
    Badge.objects.create(code="B2", person=dick)

    report = sync_text("action_flags,match_on,first_name,badge=>code\nu*,first_name,Bruce,B2\n", on_error="skip")

    assert codes(report) == [(2, "required", "badge=>code")]
    assert dict(Badge.objects.values_list("code", "person__first_name")) == {"B1": "Bruce", "B2": "Dick"}


def test_a_required_one_to_one_moves_to_a_person_who_has_none(sync_text: Sync, bruce: Person, dick: Person) -> None:
    """R3: nobody has to be freed."""
    Badge.objects.create(code="B2", person=dick)

    report = sync_text("action_flags,match_on,first_name,badge=>code\nu*,first_name,Bruce,B2\n")

    assert Badge.objects.get().person == bruce
    assert outcomes(report) == {"updated": 1}


# --- what else a foreign key may point to ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("currency", "product"),
    [
        pytest.param(("currency", "EUR"), ("product", "S1"), id="plain columns"),
        pytest.param(("currency_id", "EUR"), ("product_id", "S1"), id="names of the columns in the database"),
        pytest.param(("currency=>code", "EUR"), ("product=>sku", "S1"), id="what they point to"),
        pytest.param(("currency=>name", "Euro"), ("product=>name", "Spoon"), id="something else"),
        pytest.param(("currency=>pk", "EUR"), ("product=>external_key", "p1"), id="primary key and mapping"),
        pytest.param(("currency=>external_key", "c1"), ("product=>slug__iexact", "SPOON"), id="mapping and lookup"),
    ],
)
@pytest.mark.parametrize("flags", ["c", "u*"])
def test_a_foreign_key_holds_what_it_points_to(
    sync_text: Sync, flags: str, currency: tuple[str, str], product: tuple[str, str]
) -> None:
    """R3, R1, R2: a text primary key, and a to_field that is not the primary key."""
    euro, pound = Currency.objects.create(code="EUR", name="Euro"), Currency.objects.create(code="GBP", name="Pound")
    spoon, fork = Product.objects.create(sku="S1", name="Spoon", slug="spoon"), Product.objects.create(sku="S2")
    link(spoon, "p1")
    link(euro, "c1")
    if flags == "u*":
        Price.objects.create(amount="1.50", currency=pound, product=fork)

    report = sync_text(
        row({"action_flags": flags, "match_on": "amount", "amount": "1.50", **dict([currency, product])}), Price
    )

    assert list(Price.objects.values_list("amount", "currency_id", "product_id")) == [(Decimal("1.50"), "EUR", "S1")]
    assert outcomes(report) == {"created" if flags == "c" else "updated": 1}
    assert codes(report) == []


def test_a_to_field_is_set_from_the_other_side(sync_text: Sync) -> None:
    """R3: also to the new value, if the row that names the price changes it."""
    euro = Currency.objects.create(code="EUR")
    price = Price.objects.create(amount=1, currency=euro, product=Product.objects.create(sku="S2"))
    spoon = Product.objects.create(sku="S1", name="Spoon")

    sync_text("action_flags,match_on,name,sku,prices=>amount\nu*,name,Spoon,S9,1\n", Product)

    price.refresh_from_db()
    assert price.product == spoon
    assert price.product_id == "S9"


def test_a_plain_column_resolves_like_a_reference(sync_text: Sync) -> None:
    """R1, R5: what is not there is missing, and what is no such key is a row error."""
    report = sync_text(
        "action_flags,match_on,address,floors,owner\nc,address,Manor,3,987654\nc,address,Cave,1,Bruce\n",
        House,
        on_error="skip",
    )

    assert list(House.objects.values_list("address", "owner")) == [("Manor", None)]
    assert codes(report) == [(2, "missing-reference", "owner"), (3, "invalid-integer", "owner")]


def test_uuid_keys_are_found_by_key_by_name_and_by_mapping(sync_text: Sync) -> None:
    """R3, R2, M1."""
    root = Asset.objects.create(name="root")
    link(root, "r1")

    report = sync_text(
        f"action_flags,match_on,name,external_key,parent\nc,name,a,k-a,{root.pk}\nc,name,b,k-b,{root.pk.hex.upper()}\n",
        Asset,
    )
    sync_text("action_flags,match_on,name,parent=>name\nc,name,c,root\n", Asset)
    sync_text("action_flags,match_on,name,parent=>external_key\nc,name,d,k-a\n", Asset)
    sync_text(f"action_flags,match_on,name,parent\nc,name,e,{uuid.uuid4()}\n", Asset)

    assert dict(Asset.objects.values_list("name", "parent__name")) == {
        **dict.fromkeys("abc", "root"),
        "root": None,
        "d": "a",
        "e": None,
    }
    assert outcomes(report) == {"created": 2}
    assert keys_of(Asset.objects.get(name="a")) == {("HR", "k-a")}


def test_a_self_reference_finds_rows_before_it(sync_text: Sync) -> None:
    """R3: a tree, parents first; read again it changes nothing."""
    text = "action_flags,match_on,code,name,parent=>code\ncu*,code,1,root,\ncu*,code,2,a,1\ncu*,code,3,b,2\n"

    report, again = sync_text(text, Node), sync_text(text, Node)

    assert dict(Node.objects.values_list("code", "parent__code")) == {"1": None, "2": "1", "3": "2"}
    assert (outcomes(report), outcomes(again)) == ({"created": 3}, {"unchanged": 3})


def test_the_other_side_of_a_self_reference_may_be_the_object_itself(sync_text: Sync) -> None:
    """R3, R7: only there once the object is written."""
    report = sync_text("action_flags,match_on,code,name,children=>code\nu*,code,1,root,1\ncu*,code,1,root,1\n", Node)

    node = Node.objects.get()
    assert node.parent == node
    assert outcomes(report) == {"created": 1, "unmatched": 1}


# --- models that inherit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", [Employee, Contractor])
def test_relations_of_the_parent_model_are_set_on_its_child(sync_text: Sync, model: Any) -> None:
    """R3, R7: foreign key, reverse foreign key, reverse one-to-one and many-to-many, of a new object."""
    company = Company.objects.create(name="Wayne Enterprises")
    boss = Person.objects.create(first_name="Bruce")
    House.objects.create(address="Flat")
    Passport.objects.create(number="P1")
    tag = Tag.objects.create(name="butler")
    cells = {
        "action_flags": "cu*",
        "match_on": "first_name",
        "first_name": "Alfred",
        "company=>name": company.name,
        "manager=>first_name": boss.first_name,
        "houses=>address": "Flat",
        "passport=>number": "P1",
        "tags=>=name": tag.name,
    }
    if model is Employee:
        cells["staff_number"] = "S1"

    report, again = sync_text(row(cells), model), sync_text(row(cells), model)

    alfred = model.objects.get(first_name="Alfred")
    assert (alfred.company, alfred.manager) == (company, boss)
    assert [house.address for house in alfred.houses.all()] == ["Flat"]
    assert alfred.passport.number == "P1"
    assert list(alfred.tags.all()) == [tag]
    assert codes(report) == []
    assert (outcomes(report), outcomes(again)) == ({"created": 1}, {"unchanged": 1})


def test_a_reference_path_may_go_through_a_child_model(sync_text: Sync) -> None:
    """R1, R3."""
    alfred = Employee.objects.create(first_name="Alfred", staff_number="S1")

    sync_text("action_flags,match_on,address,owner=>employee__staff_number\nc,address,Flat,S1\n", House)

    assert House.objects.get().owner_id == alfred.pk


# --- nothing twice --------------------------------------------------------------------------------------------------

SECOND_TIME = {
    "foreign key": ("testapp.House", {"match_on": "address", "address": "Flat", "owner=>first_name": "Bruce"}),
    "plain foreign key": ("testapp.Price", {"match_on": "amount", "amount": "1.5", "currency": "EUR", "product": "S"}),
    "reverse": ("testapp.Person", {"match_on": "first_name", "first_name": "Tim", "houses=>address": "Cave"}),
    "reverse one-to-one": ("testapp.Person", {"match_on": "first_name", "first_name": "Tim", "passport=>number": "P"}),
    "add": ("testapp.Person", {"match_on": "first_name", "first_name": "Tim", "tags=>+name": "x|y"}),
    "remove": ("testapp.Person", {"match_on": "first_name", "first_name": "Tim", "tags=>-name": "x"}),
    "set": ("testapp.Person", {"match_on": "first_name", "first_name": "Tim", "tags=>=name": "y|x"}),
    "through": ("testapp.Team", {"match_on": "name", "name": "A", "members=>=first_name": "Bruce"}),
    "symmetrical": ("testapp.Tree", {"match_on": "name", "name": "elm", "neighbours=>=name": "oak"}),
    "missing": ("testapp.House", {"match_on": "address", "address": "Flat", "owner=>first_name": "Nobody"}),
    "late": ("testapp.Node", {"match_on": "code", "code": "1", "name": "root", "parent=>code": "1"}),
}


@pytest.mark.parametrize(("model", "cells"), SECOND_TIME.values(), ids=SECOND_TIME)
def test_the_second_time_nothing_is_written(sync_text: Sync, bruce: Person, model: Any, cells: dict[str, str]) -> None:
    """A7, R3: by the same row, forced; not one query writes."""
    Currency.objects.create(code="EUR")
    Product.objects.create(sku="S")
    House.objects.create(address="Cave")
    Passport.objects.create(number="P")
    Tag.objects.bulk_create([Tag(name="x"), Tag(name="y")])
    Team.objects.create(name="B").members.add(bruce)
    Tree.objects.create(name="oak")
    text = row({"external_key": "1", "action_flags": "cu*", **cells})

    first = sync_text(text, model)
    with CaptureQueriesContext(connection) as queries:
        again = sync_text(text, model)

    assert outcomes(first) == {"created": 1}
    assert outcomes(again) == {"unchanged": 1}
    assert written(queries) == []
    assert not again.writes


def test_a_through_model_with_defaults_gets_them(sync_text: Sync, bruce: Person, dick: Person) -> None:
    """R3: from either side; a place that is there keeps its role."""
    team = Team.objects.create(name="A")
    TeamPlace.objects.create(team=team, person=dick, role="captain")

    sync_text("action_flags,match_on,name,members=>=first_name\nu*,name,A,Bruce|Dick\n", Team)
    sync_text("action_flags,match_on,first_name,teams=>+name\ncu*,first_name,Tim,A\n")

    places = TeamPlace.objects.filter(team=team).values_list("person__first_name", "role")
    assert sorted(places) == [("Bruce", "player"), ("Dick", "captain"), ("Tim", "player")]
