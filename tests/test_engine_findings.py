"""Where engines once disagreed: keys and numbers that only the database knows, code that looks around, and the cost."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.agreeing import AUTO, EVERY, Example, File, Run, Variant, check
from tests.many import rows
from tests.pictures import EXPLICIT_KEYS
from tests.plan.known import link, link_gone
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import (
    Airport,
    Country,
    Currency,
    Journal,
    Person,
    Port,
    Post,
    Price,
    Product,
    Sailor,
    Small,
    Ticket,
)

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

NUMBER = EXPLICIT_KEYS[0]
EARLIER = "OLD"  # the system whose keys were there before


def agree(models: Sequence[str], *files: tuple[str, str], variants: Sequence[Variant] = EVERY, **options: Any) -> None:
    """Run files (model, text) with every engine, from what is there now."""
    sources = tuple(File(model, text, EARLIER) for model, text in files)
    check(Example((), (Run(sources, {"on_error": "skip", **options}),)), models, variants)


@contextmanager
def undone() -> Iterator[None]:
    """Undo what happens inside."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def costs(sync_text: Sync, text: str, model: Any = Person, **options: Any) -> dict[str, tuple[dict[str, int], int]]:
    """Give, for two engines, the outcomes of a file and the number of queries; nothing of it stays."""
    found = {}
    for engine in ("objects", "bulk"):
        with undone():
            report = sync_text(text, model, engine=engine, **options)
            found[engine] = outcomes(report), report.queries
    return found


# --- code that looks at other rows ----------------------------------------------------------------------------------


def test_a_field_that_looks_at_other_rows_is_saved_object_by_object(sync_text: Sync) -> None:
    """T10, T1: each slug knows the slugs of the rows before."""
    text = "action_flags,match_on,title,code\nc,code,Same Title,1\nc,code,Same Title,2\nc,code,Same Title,3\n"

    agree(["Post"], ("Post", f"{text}u*,code,Other,2\nc,code,Same Title,4\n"), variants=AUTO)

    report = sync_text(text, Post)

    assert (outcomes(report), report.engine) == ({"created": 3}, "batches")
    assert report.sources[0].engine_reasons == ("testapp.Post.slug has a pre_save() of its own",)
    assert list(Post.objects.order_by("code").values_list("slug", flat=True)) == [
        "same-title",
        "same-title-2",
        "same-title-3",
    ]


def test_a_default_that_the_project_computes_is_computed_object_by_object(sync_text: Sync) -> None:
    """T10, T1: each number is one more than the one before."""
    text = "action_flags,match_on,title\nc,title,A\nc,title,B\nc,title,C\n"

    agree(["Ticket"], ("Ticket", text), variants=AUTO)

    report = sync_text(text, Ticket)

    assert (outcomes(report), report.engine) == ({"created": 3}, "batches")
    assert report.sources[0].engine_reasons == ("testapp.Ticket.number has a default that the project computes",)
    assert list(Ticket.objects.order_by("title").values_list("title", "number")) == [("A", 1), ("B", 2), ("C", 3)]


def test_a_default_that_the_file_does_not_need_is_in_nobodys_way(sync_text: Sync) -> None:
    """T10: the file gives each number."""
    report = sync_text("action_flags,match_on,title,number\nc,title,A,5\nc,title,B,6\n", Ticket)

    assert (outcomes(report), report.engine, report.sources[0].engine_reasons) == ({"created": 2}, "columns", ())


def test_a_default_that_looks_at_nothing_but_the_clock_is_in_nobodys_way(sync_text: Sync) -> None:
    """T10: nor does one that is made at random."""
    report = sync_text("action_flags,match_on,text\nc,text,A\nc,text,B\n", Journal)

    assert (outcomes(report), report.engine, report.sources[0].engine_reasons) == ({"created": 2}, "columns", ())
    assert Journal.objects.values("ref").distinct().count() == 2


# --- keys and numbers -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("distance", [0, 1, 8])
def test_a_key_that_a_new_object_brings_to_life_means_it(distance: int) -> None:
    """I1: its mapping was stale until a file gave an object that number, some rows before."""
    link_gone(Person, "stale", EARLIER, NUMBER)
    link(Person.objects.create(first_name="o"), "old", EARLIER)
    text = (
        "id,external_key,action_flags,match_on,first_name,first_name__iexact\n"
        f",old,u*,,x,\n,,u*,first_name__iexact,z,X\n{NUMBER},,c,first_name,new,\n"
        + "".join(f",p{number},c,,f{number},\n" for number in range(distance))
        + ",stale,u*,,revived,\n"
    )

    agree(["Person"], ("Person", text), map=(("id", "id"),))


def test_an_object_shares_the_key_that_it_brings_to_life(sync_text: Sync) -> None:
    """I7: a new key for it is a second one, with a warning."""
    link_gone(Person, "stale", EARLIER, NUMBER)
    text = f"id,external_key,action_flags,match_on,first_name\n{NUMBER},,c,first_name,A\n,k2,u*,first_name,A\n"

    agree(["Person"], ("Person", text), map=(("id", "id"),))

    report = sync_text(text, system=EARLIER, map=(("id", "id"),), engine="bulk")
    assert (3, "shared-object", "") in codes(report)
    assert keys_of(Person.objects.get()) == {(EARLIER, "stale"), (EARLIER, "k2")}


@pytest.mark.parametrize("engine", ["objects", "bulk", "auto"])
def test_a_number_that_the_database_will_give_can_be_matched(sync_text: Sync, engine: str) -> None:
    """T1: by a row after the one that creates the object."""
    last = Small.objects.create(name="last").pk
    text = f"id,action_flags,match_on,name\n,c,name,A\n{last + 1},u*,id,B\n{last + 1},u*,id,C\n"

    report = sync_text(text, Small, map=(("id", "id"),), engine=engine)

    assert outcomes(report) == {"created": 1, "updated": 2}
    assert dict(Small.objects.values_list("pk", "name")) == {last: "last", last + 1: "C"}


@pytest.mark.parametrize("object_id", ["99999999999", "9" * 23, "-1", "abc", "1.5", " 1", "é"])
def test_a_mapping_to_what_no_primary_key_can_be_is_stale(object_id: str) -> None:
    """I1: and the run goes on."""
    link_gone(Small, "stale", EARLIER, object_id)
    text = "external_key,action_flags,match_on,name\nstale,cu*,name,A\nk2,cu*,name,B\n"

    agree(["Small"], ("Small", text))
    agree(["Small"], ("Small", "external_key,action_flags\nstale,d\nstale,d\n"))
    agree(["Small"], ("Small", "external_key,action_flags\nstale,d*\n"))


def test_a_match_value_that_no_primary_key_can_be_finds_nothing() -> None:
    """I3, V4."""
    text = "id,action_flags,match_on,name\n99999999999,u*,id,A\n" + "9" * 24 + ",u*,id,B\n,c,name,C\n"

    agree(["Small"], ("Small", text), map=(("id", "id"),))


# --- keys of text in another case -----------------------------------------------------------------------------------


def test_a_mapping_that_writes_a_key_in_another_case() -> None:
    """I1: it means the object only where the database says so."""
    Currency.objects.create(code="EUR")
    link_gone(Currency, "k1", EARLIER, "eur")

    agree(["Currency"], ("Currency", "external_key,action_flags,name\nk1,u*,x\n"))
    agree(["Currency"], ("Currency", "external_key,action_flags,match_on,code,name\nk1,cu*,code,EUR,x\nk1,d*,,,\n"))


def test_explicit_keys_that_some_databases_fold() -> None:
    """T1: EUR and eur are one key on MariaDB, two elsewhere."""
    Currency.objects.create(code="EUR")
    text = "external_key,action_flags,match_on,code,name\nk1,cu*,code,eur,x\nk2,c,code,USD,y\nk3,c,code,usd,z\n"

    agree(["Currency"], ("Currency", f"{text},u*,code,EUR,a\n,d*,code,usd,\n"))


@pytest.mark.database("mariadb")
def test_a_foreign_key_that_is_written_in_another_case() -> None:
    """T1: MariaDB holds it to be the same."""
    euro = Currency.objects.create(code="EUR")
    Price.objects.create(currency=euro, product=Product.objects.create(sku="s"), amount=1)
    Price.objects.update(currency_id="eur", product_id="S")
    models = ["Currency", "Product", "Price"]

    prices = "action_flags,match_on,currency=>code,product=>sku,amount\n"
    agree(models, ("Price", f"{prices}cu*,currency=>code product=>sku,EUR,s,2\nu*,product=>sku,EUR,s,3\n"))
    agree(models, ("Price", "action_flags,match_on,currency,product,amount\ncu*,currency product,EUR,s,2\n"))
    agree(models, ("Currency", "action_flags,match_on,code,name\nu*,code,EUR,x\nd*,code,EUR,\n"))
    agree(models, ("Product", "action_flags,match_on,sku,name\nu*,sku,s,x\nd*,sku,s,\n"))


@pytest.mark.database("mariadb")
@pytest.mark.parametrize("sign", ["+", "-", "="])
def test_a_pair_that_is_written_in_another_case(sign: str) -> None:
    """T1: so do the rows of many-to-many relations."""
    port = Port.objects.create(code="EUR")
    port.sailors.add(Sailor.objects.create(name="P"))
    Sailor.objects.create(name="Q")
    Port.sailors.through.objects.update(port_id="eur")
    models = ["Port", "Sailor"]

    agree(models, ("Port", f"action_flags,match_on,code,sailors=>{sign}name\nu*,code,EUR,P\nu*,code,EUR,Q\n"))
    agree(models, ("Sailor", f"action_flags,match_on,name,ports=>{sign}code\nu*,name,P,EUR\nu*,name,Q,EUR\n"))
    agree(models, ("Port", "action_flags,match_on,code\nd*,code,EUR\nc,code,EUR\n"))


# --- deletions ------------------------------------------------------------------------------------------------------


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("engine", ["objects", "bulk", "auto"])
def test_a_deletion_may_clear_more_references_than_a_statement_takes_parameters(sync_text: Sync, engine: str) -> None:
    """T1: here the database is told to take few of them."""
    country = Country.objects.create(code="XX")
    Airport.objects.bulk_create(Airport(icao=str(number), country=country) for number in range(400))
    usual = connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 150)
    try:
        report = sync_text("action_flags,match_on,code\nd*,code,XX\n", Country, engine=engine)
    finally:
        connection.connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, usual)

    assert outcomes(report) == {"deleted": 1}
    assert Airport.objects.filter(country=None).count() == 400


def _led(count: int) -> str:
    """Arrange pairs of manager and managed; write a file that deletes the one and then changes the other."""
    leads = [Person.objects.create(first_name=f"a{n}", employee_id=f"a{n}") for n in range(count)]
    for number, lead in enumerate(leads):
        Person.objects.create(first_name=f"b{number}", employee_id=f"b{number}", manager=lead)
    pairs = "".join(f"d*,employee_id,a{number},\nu*,employee_id,b{number},{number}\n" for number in range(count))
    return f"action_flags,match_on,employee_id,age\n{pairs}"


def test_what_a_deletion_clears_may_be_changed_by_the_next_row() -> None:
    """T1."""
    agree(["Person"], ("Person", _led(5)))


def test_rows_that_change_what_the_row_before_has_cleared_cost_less_than_row_by_row(sync_text: Sync) -> None:
    """T10."""
    found = costs(sync_text, _led(60))

    assert found["bulk"][0] == found["objects"][0] == {"deleted": 60, "updated": 60}
    assert found["bulk"][1] < found["objects"][1]


# --- what it costs --------------------------------------------------------------------------------------------------


def test_a_lookup_costs_about_one_query_for_each_row_as_row_by_row(sync_text: Sync) -> None:
    """T10: where nothing changes."""
    Person.objects.bulk_create(Person(first_name=f"p{number}", age=1) for number in range(400))
    cells = {"action_flags": "u*", "match_on": "first_name__iexact", "first_name__iexact": "P{}", "age": "1"}

    found = costs(sync_text, rows(cells, range(400)))

    assert found["bulk"][0] == found["objects"][0] == {"unchanged": 400}
    assert found["bulk"][1] <= found["objects"][1] + 10


@pytest.mark.parametrize("flags", ["c", "u*"])
def test_many_bad_rows_among_good_ones_fail_alone(sync_text: Sync, flags: str) -> None:
    """T4: every second one wants a value that is taken."""
    Person.objects.bulk_create(Person(first_name=f"p{number}", employee_id=f"{number}") for number in range(200))
    if flags == "u*":
        for number in range(200):
            link(Person.objects.create(first_name=f"q{number}"), f"K{number}")
    ids = (number if number % 2 else number + 1_000 for number in range(200))
    lines = "".join(f"K{number},{flags},q{number},{wanted}\n" for number, wanted in enumerate(ids))
    text = f"external_key,action_flags,first_name,employee_id\n{lines}"

    found = costs(sync_text, text, on_error="skip")

    done = {"c": "created", "u*": "updated"}[flags]
    assert found["bulk"][0] == found["objects"][0] == {"failed": 100, done: 100}
    assert found["bulk"][1] < 2 * found["objects"][1]
    bulk = sync_text(text, on_error="skip", engine="bulk")
    assert [(line, code) for line, code, _ in codes(bulk)] == [(number + 2, "unique") for number in range(1, 200, 2)]
    assert ExternalKeyMapping.objects.count() == (100 if flags == "c" else 200)


# --- what is said ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["objects", "bulk"])
def test_a_message_about_a_new_object_is_in_words(sync_text: Sync, engine: str) -> None:
    """O2: also while the object has no number yet."""
    link(Person.objects.create(first_name="A", employee_id="1"), "k1")
    text = "external_key,action_flags,match_on,employee_id,first_name\n,c,employee_id,2,B\nk1,u*,employee_id,2,A\n"

    report = sync_text(text, on_error="skip", on_displaced="error", engine=engine)

    (told,) = [problem.message for entry in report.details() for problem in entry.problems]
    assert told.startswith("person ")
    assert "New(" not in told
    assert "None" not in told
