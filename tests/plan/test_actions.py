"""What creates and updates do, and that nothing is saved that did not change (rules A1, A2, A3, A7)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import m2m_changed, pre_save
from django.test.utils import CaptureQueriesContext

from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.plan.known import all_keys, link, row, table, written
from tests.services import LOCKS
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import DbDefault, Employee, House, Person, Product, Profile, Saved, Tag

Sync = Callable[..., Report]

LONG_AGO = datetime(2001, 2, 3, tzinfo=UTC)


@pytest.fixture
def saved() -> Iterator[list[tuple[str, Any]]]:
    """Give a list that gathers what was saved: the model's name, and ``update_fields``."""
    found: list[tuple[str, Any]] = []

    def on_save(sender: Any, update_fields: Any = None, **kwargs: Any) -> None:
        if sender._meta.app_label == "testapp":
            found.append((sender.__name__, update_fields and set(update_fields)))

    def on_relate(sender: Any, **kwargs: Any) -> None:
        found.append((sender.__name__, None))

    pre_save.connect(on_save)
    m2m_changed.connect(on_relate)
    yield found
    pre_save.disconnect(on_save)
    m2m_changed.disconnect(on_relate)


@pytest.fixture
def anna(db: None) -> Person:
    """Give a person with some values filled and some empty; it was last saved long ago."""
    person = Person.objects.create(first_name="Anna", last_name="", age=None, email="a@example.org", employee_id="E1")
    Person.objects.update(modified=LONG_AGO)
    return person


# --- create ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", ["c", "c*", "C *"])
@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_a_new_object_gets_every_column_and_then_its_mapping(sync_text: Sync, flags: str, policy: Any) -> None:
    """A1, F1: create is always forced; what a column does not say, the field's default says."""
    Tag.objects.create(name="tall")
    owner = Person.objects.create(first_name="Bruce", employee_id="E7")

    report = sync_text(
        row(
            {
                "external_key": "K",
                "action_flags": flags,
                "match_on": "employee_id",
                "employee_id": "E2",
                "first_name": "Ben",
                "age": "30",
                "salary": "12.5",
                "manager=>employee_id": "E7",
                "tags=>+name": "tall",
            }
        ),
        policy=policy,
    )

    ben = Person.objects.get(employee_id="E2")
    assert outcomes(report) == {"created": 1}
    assert (ben.first_name, ben.age, str(ben.salary), ben.hair_colour) == ("Ben", 30, "12.50", "Unknown")
    assert (ben.manager, [tag.name for tag in ben.tags.all()]) == (owner, ["tall"])
    assert keys_of(ben) == {("HR", "K")}


@pytest.mark.parametrize("flags", ["c", "c*"])
def test_a_create_changes_no_field_of_an_object_that_exists(
    sync_text: Sync, anna: Person, saved: list[Any], flags: str
) -> None:
    """A1: not even an empty one; the key is recorded, once."""
    text = f"external_key,action_flags,match_on,first_name,last_name,age\nK,{flags},first_name,Anna,Ode,30\n"

    assert outcomes(sync_text(text)) == {"linked": 1}
    assert outcomes(sync_text(text)) == {"unchanged": 1}

    anna.refresh_from_db()
    assert (anna.last_name, anna.age, anna.modified) == ("", None, LONG_AGO)
    assert keys_of(anna) == {("HR", "K")}
    assert saved == []


def test_a_create_without_a_key_makes_no_mapping(sync_text: Sync, anna: Person) -> None:
    """A1: neither for a new object nor for one that exists."""
    report = sync_text("action_flags,match_on,first_name\nc,first_name,Anna\nc,first_name,Ben\n")

    assert outcomes(report) == {"created": 1, "unchanged": 1}
    assert all_keys() == {}


def test_rows_see_what_the_rows_before_them_made(sync_text: Sync) -> None:
    """A1, T1: the same object twice in one file is one object."""
    report = sync_text(
        "action_flags,match_on,first_name,age\nc,first_name,Ben,1\nc,first_name,Ben,2\nu*,first_name,Ben,3\n"
    )

    assert outcomes(report) == {"created": 1, "updated": 1, "unchanged": 1}
    assert list(Person.objects.values_list("age", flat=True)) == [3]


# --- update ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", ["u", "u*"])
def test_an_update_that_finds_nothing_makes_nothing(sync_text: Sync, flags: str) -> None:
    """A2: and no mapping."""
    report = sync_text(f"external_key,action_flags,match_on,first_name\nK,{flags},first_name,Anna\n")

    assert outcomes(report) == {"unmatched": 1}
    assert codes(report) == [(2, "no-match", "")]
    assert all_keys() == {}


@pytest.mark.parametrize("flags", ["u", "u*"])
def test_an_update_records_the_mapping_though_it_changes_nothing(sync_text: Sync, anna: Person, flags: str) -> None:
    """A2."""
    text = f"external_key,action_flags,match_on,first_name\nK,{flags},first_name,Anna\n"

    assert outcomes(sync_text(text)) == {"linked": 1}
    assert keys_of(anna) == {("HR", "K")}
    assert outcomes(sync_text(text)) == {"unchanged": 1}


UPDATES: list[tuple[str, str, object, str, object, str]] = [
    # flags, field, stored, cell, stored then, outcome
    ("u", "age", None, "30", 30, "updated"),
    ("u", "age", 0, "30", 0, "unchanged"),
    ("u", "age", 20, "", 20, "unchanged"),
    ("u", "last_name", "", "Ode", "Ode", "updated"),
    ("u", "last_name", " ", "Ode", " ", "unchanged"),
    ("u", "last_name", "Bell", "Ode", "Bell", "unchanged"),
    ("u", "nickname", None, "A", "A", "updated"),
    ("u", "nickname", "", "A", "A", "updated"),
    ("u", "nickname", None, "", None, "unchanged"),
    ("u", "active", False, "true", False, "unchanged"),
    ("u*", "age", 20, "30", 30, "updated"),
    ("u*", "age", 20, "", None, "updated"),
    ("u*", "age", 20, " 020 ", 20, "unchanged"),
    ("u*", "last_name", "Bell", "", "", "updated"),
    ("u*", "last_name", "Ode", "ODE", "ODE", "updated"),
    ("u*", "last_name", "Ode", "Ode ", "Ode ", "updated"),
    ("u*", "last_name", "Ode", "Öde", "Öde", "updated"),
    ("u*", "nickname", "A", "", None, "updated"),
    ("u*", "nickname", None, "", None, "unchanged"),
    ("u*", "nickname", "", "", "", "unchanged"),
    ("u*", "active", True, "no", False, "updated"),
    ("u*", "active", False, "0", False, "unchanged"),
    ("u*", "salary", 12.5, "12.500", 12.5, "unchanged"),
    ("u*", "birthday", "1990-02-13", "13 Feb 1990", "1990-02-13", "unchanged"),
]


@pytest.mark.parametrize(("flags", "field", "stored", "cell", "then", "outcome"), UPDATES)
def test_an_update_writes_what_its_flags_allow(
    sync_text: Sync,
    saved: list[Any],
    flags: str,
    field: str,
    stored: object,
    cell: str,
    then: object,
    outcome: str,
) -> None:
    """A3, A7: unforced fills only None and '' and never writes an empty value; forced sets what differs."""
    person = Person.objects.create(first_name="Anna", **{field: stored})
    saved.clear()

    report = sync_text(row({"action_flags": flags, "match_on": "first_name", "first_name": "Anna", field: cell}))

    expected = Person(**{field: then})
    expected.clean_fields(exclude=[other.name for other in Person._meta.fields if other.name != field])
    person.refresh_from_db()
    assert getattr(person, field) == getattr(expected, field)
    assert outcomes(report) == {outcome: 1}
    assert saved == ([("Person", {field, "modified"})] if outcome == "updated" else [])


def test_a_forced_update_of_a_linked_object_sets_match_fields_too(sync_text: Sync, anna: Person) -> None:
    """A3, I6."""
    link(anna, "K")

    report = sync_text("external_key,action_flags,match_on,first_name\nK,u*,first_name,Anne\n")

    anna.refresh_from_db()
    assert outcomes(report) == {"updated": 1}
    assert anna.first_name == "Anne"


def test_an_unforced_update_leaves_the_match_fields_of_a_linked_object(sync_text: Sync, anna: Person) -> None:
    """A3, I6."""
    link(anna, "K")

    report = sync_text("external_key,action_flags,match_on,first_name\nK,u,first_name,Anne\n")

    anna.refresh_from_db()
    assert outcomes(report) == {"unchanged": 1}
    assert anna.first_name == "Anna"


# --- nothing is saved that did not change ---------------------------------------------------------------------------


@pytest.mark.parametrize("flags", ["c", "u", "u*", "cu", "cu*"])
@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_the_same_file_again_writes_nothing(sync_text: Sync, saved: list[Any], flags: str, policy: Any) -> None:
    """A7: no query that writes, no signal, no auto_now; relations included."""
    Tag.objects.create(name="tall")
    boss = Person.objects.create(first_name="Boss", employee_id="E0")
    house = House.objects.create(address="Manor", owner=boss)
    header = ["external_key", "action_flags", "match_on", "employee_id", "first_name", "nickname", "salary"]
    relations = ["manager=>employee_id", "tags=>=name", "houses=>address"]
    rows = [["1", "E1", "Anna", "", "1.50", "E0", "tall", "Manor"], ["2", "E2", "Ben", "Benny", "", "E1", "", ""]]
    sync_text(table([*header, *relations], *[[key, "cu*", "employee_id", *cells] for key, *cells in rows]))
    assert Person.objects.count() == 3
    house.refresh_from_db()
    assert house.owner != boss
    Person.objects.update(modified=LONG_AGO)
    saved.clear()

    with CaptureQueriesContext(connection) as queries:
        report = sync_text(
            table([*header, *relations], *[[key, flags, "employee_id", *cells] for key, *cells in rows]), policy=policy
        )

    assert outcomes(report) == {"unchanged": 2}
    assert not report.writes
    assert written(queries) == []
    assert saved == []
    assert not Person.objects.exclude(modified=LONG_AGO).exists()


def test_auto_now_moves_when_something_else_changes(sync_text: Sync, anna: Person, saved: list[Any]) -> None:
    """A7: and only what changed is written, beside it."""
    with CaptureQueriesContext(connection) as queries:
        sync_text("action_flags,match_on,first_name,last_name,age,email\nu*,first_name,Anna,Ode,,a@example.org\n")

    anna.refresh_from_db()
    assert anna.last_name == "Ode"
    assert anna.modified > LONG_AGO
    assert saved == [("Person", {"last_name", "modified"})]
    (update,) = [sql for sql in written(queries) if "testapp_person" in sql]
    assert "email" not in update
    assert "age" not in update


def test_auto_now_stays_when_only_the_mapping_is_new(sync_text: Sync, anna: Person, saved: list[Any]) -> None:
    """A7, A2."""
    report = sync_text("external_key,action_flags,match_on,first_name\nK,u*,first_name,Anna\n")

    anna.refresh_from_db()
    assert outcomes(report) == {"linked": 1}
    assert anna.modified == LONG_AGO
    assert saved == []


JSON = [
    ('{"a": 1}', '{"a": 1}', "unchanged"),
    ('{"a": 1, "b": 2}', '{"b": 2, "a": 1}', "unchanged"),
    ('{"a": 1}', '{"a": 1.0}', "updated"),
    ('{"a": 1}', '{"a": true}', "updated"),
    ('{"a": 0}', '{"a": false}', "updated"),
    ('{"a": null}', "{}", "updated"),
    ("[1, 2]", "[2, 1]", "updated"),
    ('[{"a": [1]}]', '[{"a": [true]}]', "updated"),
    ('"1"', "1", "updated"),
    ("{}", "[]", "updated"),
]


@pytest.mark.parametrize(("stored", "cell", "outcome"), JSON)
def test_json_is_compared_by_type_too(sync_text: Sync, stored: str, cell: str, outcome: str) -> None:
    """A7: and what was written compares equal the next time, though a database may keep it in its own way."""
    product = Product.objects.create(sku="A", metadata=json.loads(stored))
    text = row({"action_flags": "u*", "match_on": "sku", "sku": "A", "metadata": cell})

    report = sync_text(text, Product)

    product.refresh_from_db()
    assert outcomes(report) == {outcome: 1}
    assert json.dumps(product.metadata, sort_keys=True) == json.dumps(json.loads(cell), sort_keys=True)
    assert outcomes(sync_text(text, Product)) == {"unchanged": 1}


def test_a_product_of_every_kind_of_field_is_unchanged_the_second_time(sync_text: Sync, saved: list[Any]) -> None:
    """A7: whatever the database makes of dates, decimals, durations and floats."""
    text = row(
        {
            "action_flags": "cu*",
            "match_on": "sku",
            "sku": "A-1",
            "price": "1.5",
            "status": "On sale",
            "priority": "3",
            "metadata": '{"a": [1, 2.5, null, "ä"]}',
            "notes": "",
            "weight": "0.1",
            "released": "2024-03-31T03:30:00.123456+02:00",
            "opens": "08:30",
            "duration": "1 02:03:04.5",
            "ref": "12345678123456781234567812345678",
            "quantity": "7",
            "big": "9223372036854775807",
            "is_public": "yes",
        }
    )

    assert outcomes(sync_text(text, Product)) == {"created": 1}
    saved.clear()
    assert outcomes(sync_text(text, Product)) == {"unchanged": 1}
    assert saved == []


def test_a_child_and_its_parent_are_written_only_where_they_changed(sync_text: Sync, saved: list[Any]) -> None:
    """A7: multi-table inheritance; the second run writes to neither table, the third to one."""
    text = "external_key,action_flags,match_on,first_name,staff_number\n1,cu*,staff_number,{},S1\n"
    sync_text(text.format("Anna"), Employee)
    Person.objects.update(modified=LONG_AGO)
    saved.clear()

    assert outcomes(sync_text(text.format("Anna"), Employee)) == {"unchanged": 1}
    assert saved == []
    with CaptureQueriesContext(connection) as queries:
        assert outcomes(sync_text(text.format("Anne"), Employee)) == {"updated": 1}

    assert saved == [("Employee", {"first_name", "modified"})]
    assert not [sql for sql in written(queries) if "testapp_employee" in sql]
    assert Employee.objects.get().modified > LONG_AGO


def test_models_whose_save_interferes_are_saved_only_when_a_row_asks_for_a_change(
    sync_text: Sync, saved: list[Any]
) -> None:
    """A7, V6: an overridden save(), properties, and columns that the database fills."""
    Saved.objects.create(name="a", value="x")
    Profile.objects.create(login="l", first_name="Anna", last_name="Ode")
    DbDefault.objects.create(name="d", colour="red", quantity=2)
    saved.clear()

    texts = [
        ("action_flags,match_on,name,value\nu*,name,A,x\n", Saved),
        ("action_flags,match_on,login,full_name\nu*,login,l,Anna Ode\n", Profile),
        ("action_flags,match_on,name,colour,quantity\nu*,name,d,red,2\n", DbDefault),
    ]
    assert [outcomes(sync_text(text, model)) for text, model in texts] == [{"unchanged": 1}] * 3
    assert saved == []


def test_an_update_that_changes_nothing_reads_no_more_than_it_must(
    sync_text: Sync, anna: Person, django_assert_max_num_queries: Callable[..., Any]
) -> None:
    """A7: the savepoint of the run, its system and content type, its record and lock, the mapping, the object."""
    link(anna, "K")

    with django_assert_max_num_queries(9 + LOCKS):
        report = sync_text("external_key,action_flags,match_on,first_name,email\nK,u,first_name,Anna,\n")

    assert outcomes(report) == {"unchanged": 1}
