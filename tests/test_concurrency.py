"""The application lives on while a run goes: what it changes between planning and writing is not lost (rule T8)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections, transaction

from nsync.record.report import Report
from tests.plan.known import link
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Employee, House, Person

Sync = Callable[..., Report]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql", "mariadb")]


def elsewhere(work: Callable[[], Any]) -> threading.Thread:
    """Do something through another connection, as another process would; it is done when the thread ends."""

    def run() -> None:
        try:
            work()
        finally:
            connections.close_all()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


@contextmanager
def meanwhile(work: Callable[[], Any], table: str, times: int = 1) -> Iterator[None]:
    """Have something done elsewhere just before the run locks a row of a table; that is after it was planned."""
    left = times

    def interfere(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal left
        if left and sql.startswith("SELECT") and "FOR UPDATE" in sql and table in sql:
            left -= 1
            elsewhere(work).join(10)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(interfere):
        yield
    assert left == 0, "the run has locked no row"


@pytest.fixture
def bruce(transactional_db: None) -> Person:
    # Else the run makes it, and who maps an object meanwhile waits for the run's end.
    ContentType.objects.get_for_model(Person)
    return Person.objects.create(first_name="Bruce")


def update(bruce: Person, **values: Any) -> Callable[[], Any]:
    return lambda: Person.objects.filter(pk=bruce.pk).update(**values)


@pytest.mark.parametrize("options", [{}, {"as_transaction": False}], ids=["one transaction", "in batches"])
@pytest.mark.parametrize(
    ("flags", "values", "expected", "outcome"),
    [
        pytest.param("u", {"age": 50}, {"age": 50, "last_name": ""}, "unchanged", id="filled: kept"),
        pytest.param("u", {"last_name": "W"}, {"age": 41, "last_name": "W"}, "updated", id="another column: both"),
        pytest.param("u*", {"age": 50}, {"age": 41, "last_name": ""}, "updated", id="forced: overwritten"),
        pytest.param("u*", {"age": 41}, {"age": 41, "last_name": ""}, "unchanged", id="the same value: unchanged"),
        pytest.param("cu*", {"last_name": "W"}, {"age": 41, "last_name": "W"}, "updated", id="created and updated"),
        pytest.param("u*", {"first_name": "X"}, {"first_name": "X", "age": None}, "unmatched", id="no match now"),
    ],
)
def test_an_object_that_changes_after_it_was_planned_is_planned_again(
    sync_text: Sync,
    bruce: Person,
    options: dict[str, Any],
    flags: str,
    values: dict[str, Any],
    expected: dict[str, Any],
    outcome: str,
) -> None:
    """T8, A3, A7: only what the row changes is written, over what the application has written meanwhile."""
    with meanwhile(update(bruce, **values), "testapp_person"):
        report = sync_text(f"action_flags,match_on,first_name,age\n{flags},first_name,Bruce,41\n", **options)

    bruce.refresh_from_db()
    assert {name: getattr(bruce, name) for name in expected} == expected
    assert outcomes(report) == {outcome: 1}


@pytest.mark.parametrize(("flags", "outcome"), [("u*", "unmatched"), ("cu*", "created")])
@pytest.mark.parametrize("identity", ["key", "match"])
def test_an_object_that_goes_after_it_was_planned_is_not_there(
    sync_text: Sync, bruce: Person, identity: str, flags: str, outcome: str
) -> None:
    """T8, I1: a mapping is stale then, and a row that creates makes a new object."""
    link(bruce, "b")
    key, match_on = ("b", "") if identity == "key" else ("", "first_name")

    with meanwhile(bruce.delete, "testapp_person"):
        report = sync_text(f"external_key,action_flags,match_on,first_name,age\n{key},{flags},{match_on},Bruce,41\n")

    assert outcomes(report) == {outcome: 1}
    assert Person.objects.count() == (1 if flags == "cu*" else 0)


@pytest.mark.parametrize(
    ("values", "outcome", "code"),
    [({"age": 2}, "released", ["match-differs"]), ({"last_name": "W"}, "deleted", [])],
    ids=["no match now", "still a match"],
)
def test_an_object_that_changes_before_its_deletion_is_judged_again(
    sync_text: Sync, bruce: Person, values: dict[str, Any], outcome: str, code: list[str]
) -> None:
    """T8, A6: an unforced deletion needs the match."""
    link(bruce, "b")
    Person.objects.update(age=1)

    with meanwhile(update(bruce, **values), "testapp_person"):
        report = sync_text("external_key,action_flags,match_on,age\nb,d,age,1\n")

    assert outcomes(report) == {outcome: 1}
    assert [code for _, code, _ in codes(report)] == code
    assert Person.objects.exists() == (outcome == "released")


def test_the_parent_row_of_a_child_is_read_again_too(sync_text: Sync) -> None:
    """T8: it holds columns of the child."""
    alfred = Employee.objects.create(first_name="Alfred", staff_number="S1")

    with meanwhile(update(alfred.person_ptr, age=70), "testapp_person"):
        report = sync_text("action_flags,match_on,staff_number,age,last_name\nu,staff_number,S1,1,P\n", Employee)

    alfred.refresh_from_db()
    assert (alfred.age, alfred.last_name) == (70, "P")
    assert outcomes(report) == {"updated": 1}


def test_related_objects_are_read_again_too(sync_text: Sync, bruce: Person) -> None:
    """T8, R3: the house that the row takes was given to somebody else, and the row is not forced."""
    dick = Person.objects.create(first_name="Dick")
    house = House.objects.create(address="Manor")

    with meanwhile(lambda: House.objects.filter(pk=house.pk).update(owner=dick), "testapp_house"):
        report = sync_text("action_flags,match_on,first_name,houses=>address\nu,first_name,Bruce,Manor\n")

    house.refresh_from_db()
    assert house.owner == dick
    assert outcomes(report) == {"unchanged": 1}


@pytest.mark.database(
    "postgresql"
)  # InnoDB keeps a lock when it rolls back to a savepoint, so that the next try succeeds
@pytest.mark.parametrize(("engine", "attempts"), [("objects", 5), ("bulk", 11)])  # in a batch five times, and alone
def test_an_object_that_never_keeps_still_is_a_row_error(
    sync_text: Sync, bruce: Person, engine: str, attempts: int
) -> None:
    """T8: after a few attempts; the rows after it are applied."""
    ages = iter(range(100))

    def change() -> None:
        update(bruce, age=next(ages))()

    text = "action_flags,match_on,first_name,last_name\nu*,first_name,Bruce,W\nc,first_name,Dick,G\n"
    with meanwhile(change, "testapp_person", times=attempts):
        report = sync_text(text, on_error="skip", engine=engine)

    assert codes(report) == [(2, "refused", "")]
    assert outcomes(report) == {"failed": 1, "created": 1}


def test_a_row_that_was_written_is_locked_until_the_run_ends(sync_text: Sync, bruce: Person) -> None:
    """T8: the application's change comes after the run's, and is not overwritten by it."""
    threads: list[threading.Thread] = []
    was_alive: list[bool] = []

    def interfere(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if not threads and sql.startswith("SELECT") and "FOR UPDATE" in sql:
            threads.append(elsewhere(update(bruce, age=50)))
            threads[0].join(0.3)
            was_alive.append(threads[0].is_alive())
        return result

    with connection.execute_wrapper(interfere):
        sync_text("action_flags,match_on,first_name,age,last_name\nu*,first_name,Bruce,41,W\n")
    threads[0].join(10)

    bruce.refresh_from_db()
    assert was_alive == [True]
    assert (bruce.age, bruce.last_name) == (50, "W")


def test_a_key_that_somebody_else_maps_meanwhile_is_no_traceback(sync_text: Sync, bruce: Person) -> None:
    """T8, T4: whoever comes second, each key has one mapping in the end."""
    dick = Person.objects.create(first_name="Dick")

    def map_it() -> None:
        with transaction.atomic():
            link(dick, "b", "ERP")

    with meanwhile(map_it, "testapp_person"):
        report = sync_text("external_key,action_flags,match_on,first_name,age\nb,u*,first_name,Bruce,41\n", system="HR")

    assert keys_of(bruce) == {("HR", "b")}
    assert keys_of(dick) == {("ERP", "b")}
    assert report.committed
