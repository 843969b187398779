"""What is written in bulk: the same as save() writes, in few statements."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import django
import pytest
from django.db import connection

from nsync.record.report import Report
from tests.many import rows
from tests.services import TEST_DATABASE
from tests.telling import keys_of, outcomes
from tests.testapp.models import Asset, DbDefault, Person, Product, Slugged, Stamped, Tag

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2001, 2, 3, tzinfo=UTC)


class Statement(NamedTuple):
    """What was sent to the database."""

    sql: str
    params: Any
    is_many: bool

    @property
    def updated(self) -> list[str]:
        """Columns that it updates."""
        return re.findall(r"(\w+) = (?:%s|nsync_given)", self.sql.rpartition(" SET ")[2].partition(" WHERE ")[0])

    @property
    def row_count(self) -> int:
        """Rows that it updates: PostgreSQL is given all as one JSON text, MariaDB as a list with their keys."""
        if self.is_many:
            return len(self.params)
        if TEST_DATABASE == "mariadb":
            return len(self.params) // (len(self.updated) + 1)
        return len(json.loads(self.params[0]))


@contextmanager
def statements(*starts: str) -> Iterator[list[Statement]]:
    """Collect the statements that begin so, quotes left out; not those that say that there was a run."""
    found: list[Statement] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        plain = sql.replace('"', "").replace("`", "")
        if plain.startswith(starts) and "nsync_run" not in plain:
            found.append(Statement(plain, params, many))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found


# --- columns that fill themselves -----------------------------------------------------------------------------------


def test_auto_now_is_filled_where_something_changes_and_nowhere_else(sync_text: Sync) -> None:
    """A7."""
    cells = {"action_flags": "cu*", "match_on": "first_name", "first_name": "P{}", "age": "{}"}
    sync_text(rows(cells, range(20)))
    Person.objects.update(modified=LONG_AGO)
    Person.objects.filter(age__gte=15).update(age=99)
    began = datetime.now(tz=UTC) - timedelta(seconds=1)

    report = sync_text(rows(cells, range(25)))

    assert outcomes(report) == {"created": 5, "updated": 5, "unchanged": 15}
    assert Person.objects.filter(modified=LONG_AGO, age__lt=15).count() == 15
    assert Person.objects.filter(modified__gte=began, age__gte=15).count() == 10


@pytest.mark.parametrize("engine", ["bulk", "columns"])
def test_auto_now_add_is_filled_once(sync_text: Sync, engine: str) -> None:
    """A7."""
    cells = {"action_flags": "cu*", "match_on": "title", "title": "Long Title {}", "text": "x"}
    began = datetime.now(tz=UTC) - timedelta(seconds=1)
    assert outcomes(sync_text(rows(cells, range(10)), Stamped, engine=engine)) == {"created": 10}
    assert Stamped.objects.filter(added__gte=began).count() == 10
    Stamped.objects.update(added=LONG_AGO)

    report = sync_text(rows({**cells, "text": "y"}, range(10)), Stamped, engine=engine)

    assert (outcomes(report), report.engine) == ({"updated": 10}, engine)
    assert Stamped.objects.filter(added=LONG_AGO, text="y").count() == 10


def test_a_field_that_fills_itself_from_others_is_filled_as_save_fills_it(sync_text: Sync) -> None:
    """A7: a ``pre_save()`` of the project's own; also in bulk, if that is asked for."""
    text = "external_key,action_flags,title,text\na,c,First Title,x\nb,c,Second Title,x\n"
    assert sync_text(text, Slugged, engine="bulk").engine == "bulk"
    assert list(Slugged.objects.values_list("slug", flat=True)) == ["first-title", "second-title"]

    again = "external_key,action_flags,title,text\na,u*,New Title,x\nb,u*,Second Title,z\n"
    report = sync_text(again, Slugged, engine="bulk")

    assert (outcomes(report), report.engine) == ({"updated": 2}, "bulk")
    assert list(Slugged.objects.values_list("slug", "text")) == [("new-title", "x"), ("second-title", "z")]


@pytest.mark.parametrize("engine", ["bulk", "columns"])
def test_defaults_of_the_database_are_left_to_it(sync_text: Sync, engine: str) -> None:
    """V3: for columns that the file lacks; empty and given cells of others stand as they are."""
    text = "action_flags,match_on,name,colour,quantity\nc,name,a,red,2\nc,name,b,blue,3\nc,name,c,green,\n"
    short = "action_flags,match_on,name\nc,name,d\nc,name,e\n"
    with statements("INSERT INTO testapp_dbdefault", "COPY testapp_dbdefault") as inserts:
        reports = [sync_text(given, DbDefault, engine=engine) for given in (text, short)]

    assert [(outcomes(report), report.engine) for report in reports] == [
        ({"created": 3}, engine),
        ({"created": 2}, engine),
    ]
    assert list(DbDefault.objects.values_list("name", "colour", "quantity", "doubled")) == [
        ("a", "red", 2, 4),
        ("b", "blue", 3, 6),
        ("c", "green", 1, 2),
        ("d", "grey", 1, 2),
        ("e", "grey", 1, 2),
    ]
    assert not DbDefault.objects.filter(created=None).exists()
    odd = engine == "columns"  # an empty cell where the column holds no emptiness is no ordinary one
    assert len(inserts) == 2 + odd
    columns = [insert.sql.partition("VALUES")[0] for insert in inserts]
    assert not any("doubled" in names for names in columns)
    # Before 6.1, Django's bulk_create names the column all the same, and gives the default's own expression.
    is_named = TEST_DATABASE == "mariadb" and django.VERSION < (6, 1)
    assert is_named or not any("created" in names for names in columns)


@pytest.mark.parametrize("engine", ["bulk", "columns"])
def test_columns_that_the_database_computes_follow_in_bulk(sync_text: Sync, engine: str) -> None:
    """A7."""
    cells = {"action_flags": "cu*", "match_on": "name", "name": "N{}", "quantity": "{}"}
    sync_text(rows(cells, range(10)), DbDefault, engine=engine)

    report = sync_text(rows({**cells, "quantity": "1{}"}, range(10)), DbDefault, engine=engine)

    assert (outcomes(report), report.engine) == ({"updated": 10}, engine)
    assert list(DbDefault.objects.values_list("doubled", flat=True)) == [2 * number for number in range(10, 20)]


def test_a_primary_key_that_the_model_makes_is_known_to_mappings_and_references(sync_text: Sync) -> None:
    """A1, R1: none of them is asked for again."""
    report = sync_text("external_key,action_flags,name,parent=>external_key\na,c,A,\nb,c,B,a\nc,c,C,b\n", Asset)

    first, second, third = Asset.objects.order_by("name")
    assert (outcomes(report), report.engine) == ({"created": 3}, "bulk")
    assert (second.parent, third.parent) == (first, second)
    assert [keys_of(asset) for asset in (first, second, third)] == [{("HR", key)} for key in "abc"]


# --- which columns, in which statements -----------------------------------------------------------------------------


def test_only_changed_columns_are_written_by_one_statement_for_each_set_of_them(sync_text: Sync) -> None:
    """A7: never CASE WHEN, which is slower than saving objects one by one."""
    header = {"external_key": "K{}", "action_flags": "cu*", "first_name": "P{}", "age": "1", "email": "{}@x.org"}
    sync_text(rows(header, range(60)))
    lines = [",".join(header)]
    for number in range(60):
        age = 2 if number < 20 or number >= 50 else 1
        email = f"new{number}@x.org" if number >= 20 else f"{number}@x.org"
        lines.append(f"K{number},cu*,P{number},{age},{email}")

    with statements("UPDATE", "SET STATEMENT") as updates:
        report = sync_text("\n".join(lines) + "\n")

    assert outcomes(report) == {"updated": 60}
    assert [(one.updated, one.row_count) for one in updates] == [
        (["age", "modified"], 20),
        (["email", "modified"], 30),
        (["age", "email", "modified"], 10),
    ]
    assert not any("CASE" in one.sql for one in updates)
    assert Person.objects.filter(age=2).count() == 30
    assert Person.objects.filter(email__startswith="new").count() == 40


def test_what_the_application_writes_into_other_columns_stays(sync_text: Sync) -> None:
    """A7: it is changed before the run has read it, and not in the file."""
    cells = {"external_key": "K{}", "action_flags": "cu*", "first_name": "P{}", "age": "1"}
    sync_text(rows(cells, range(10)))
    Person.objects.update(nickname="kept", age=5)

    assert outcomes(sync_text(rows(cells, range(10)))) == {"updated": 10}

    assert set(Person.objects.values_list("nickname", "age")) == {("kept", 1)}


def test_an_object_that_several_rows_touch_is_written_once(sync_text: Sync) -> None:
    """T1: as the last of them leaves it."""
    sync_text("external_key,action_flags,first_name\nk,c,Bruce\n")
    text = "external_key,action_flags,first_name,age\nk,u*,B,1\nk,u*,B,2\nk,u*,Bruce,3\nk,u,Robin,4\n"

    with statements("UPDATE", "SET STATEMENT") as updates:
        report = sync_text(text)

    assert outcomes(report) == {"updated": 3, "unchanged": 1}
    assert [one.row_count for one in updates] == [1]
    assert list(Person.objects.values_list("first_name", "age")) == [("Bruce", 3)]


def test_an_object_that_is_made_and_changed_in_one_batch_is_inserted_as_it_will_be(sync_text: Sync) -> None:
    """T1."""
    with statements("UPDATE", "SET STATEMENT") as updates:
        report = sync_text("external_key,action_flags,first_name,age\nk,c,Bruce,1\nk,u*,Bruce,2\nk,u*,Robin,2\n")

    assert outcomes(report) == {"created": 1, "updated": 2}
    assert updates == []
    assert list(Person.objects.values_list("first_name", "age")) == [("Robin", 2)]


def test_pairs_of_a_many_to_many_relation_are_added_and_removed_together(sync_text: Sync) -> None:
    """R3."""
    Tag.objects.bulk_create(Tag(name=name) for name in "abc")
    cells = {"action_flags": "cu*", "match_on": "first_name", "first_name": "P{}", "tags=>=name": "a|b"}
    between = "testapp_person_tags"
    with statements(f"INSERT {'IGNORE ' if TEST_DATABASE == 'mariadb' else ''}INTO {between}") as inserts:
        sync_text(rows(cells, range(50)))
    with statements(f"DELETE FROM {between}") as deletes:
        report = sync_text(rows({**cells, "tags=>=name": "b|c"}, range(50)))

    assert (len(inserts), len(deletes)) == (1, 1)
    assert (outcomes(report), report.engine) == ({"updated": 50}, "bulk")
    pairs = Person.tags.through.objects.values_list("tag__name", flat=True)
    assert sorted(pairs) == ["b"] * 50 + ["c"] * 50


# --- sequences, and statements that grow too long -------------------------------------------------------------------


def test_the_database_numbers_on_after_keys_that_a_file_brings_along(sync_text: Sync) -> None:
    """C3: for the next file, and for the application."""
    last = Person.objects.create(first_name="F").pk
    text = f"id,action_flags,match_on,first_name\n{last + 50},c,first_name,A\n{last + 20},c,first_name,B\n"

    report = sync_text(text, map=(("id", "id"),))
    sync_text("action_flags,match_on,first_name\nc,first_name,C\nc,first_name,D\n")
    Person.objects.create(first_name="E")

    assert (outcomes(report), report.engine) == ({"created": 2}, "bulk")
    pks = dict(Person.objects.values_list("first_name", "pk"))
    assert (pks["A"], pks["B"]) == (last + 50, last + 20)
    assert pks["A"] < pks["C"] < pks["D"] < pks["E"]


def test_a_key_that_a_file_brings_along_may_be_the_next_number(sync_text: Sync) -> None:
    """C3, T1: rows of the same batch that bring none get others, as row by row."""
    last = Person.objects.create(first_name="F").pk
    text = f"id,action_flags,match_on,first_name\n{last + 1},c,first_name,A\n,c,first_name,B\n,c,first_name,C\n"

    report = sync_text(text, map=(("id", "id"),))

    assert (outcomes(report), report.engine) == ({"created": 3}, "bulk")
    assert Person.objects.get(first_name="A").pk == last + 1


@pytest.mark.parametrize("engine", ["bulk", "columns"])
@pytest.mark.parametrize(("size", "count"), [(5_000, 1_000), (20_000, 500)])
def test_large_texts_all_arrive(sync_text: Sync, size: int, count: int, engine: str) -> None:
    """MariaDB and MySQL limit the length of a statement (by default to 16 MiB): it is cut in several."""
    cells = {"external_key": "K{}", "action_flags": "cu*", "sku": "S{}", "notes": "é" * size + "{}"}
    with statements("INSERT INTO testapp_product") as inserts:
        report = sync_text(rows(cells, range(count)), Product, engine=engine)

    assert (outcomes(report), report.engine) == ({"created": count}, engine)
    if TEST_DATABASE != "sqlite":
        assert len(inserts) == size * count // 1_000_000
    assert all(
        notes == "é" * size + sku[1:] for sku, notes in Product.objects.order_by("pk").values_list("sku", "notes")
    )
    assert outcomes(sync_text(rows(cells, range(count)), Product, engine=engine)) == {"unchanged": count}
    longer = sync_text(rows({**cells, "notes": "ö" * size + "{}"}, range(count)), Product, engine=engine)
    assert outcomes(longer) == {"updated": count}
    assert not Product.objects.filter(notes__contains="é").exists() if TEST_DATABASE != "mariadb" else True


def test_large_json_arrives_too(sync_text: Sync) -> None:
    """As above: 20 MB of it."""
    cell = json.dumps({"text": "x" * 20_000}).replace('"', '""')
    text = "action_flags,match_on,sku,metadata\n" + "".join(f'c,sku,S{number},"{cell}"\n' for number in range(1_000))

    report = sync_text(text, Product)

    assert (report.error, outcomes(report)) == ("", {"created": 1_000})
    assert len(Product.objects.get(sku="S999").metadata["text"]) == 20_000
