"""The application lives on while many rows are written at once: what it changes in between is not lost (rule T8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import post_save

from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.many import listening, rows
from tests.telling import codes, outcomes
from tests.test_concurrency import elsewhere, meanwhile
from tests.testapp.models import Company, Person

Sync = Callable[..., Report]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql", "mariadb")]

MANY = 100
_CELLS = {"external_key": "K{}", "action_flags": "cu*", "first_name": "P{}", "age": "1"}


@contextmanager
def locks() -> Iterator[list[tuple[str, list[object]]]]:
    """Collect what is read under a lock: the table, and the parameters, lists of them spread out."""
    found: list[tuple[str, list[object]]] = []

    def note(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and "FOR UPDATE" in sql:
            table = sql.replace('"', " ").replace("`", " ").partition(" FROM ")[2].split()[0]
            found.append((table, list(_spread(params))))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield found


def _spread(params: Iterable[Any]) -> Iterator[object]:
    for param in params:
        if isinstance(param, list | tuple):
            yield from param
        elif isinstance(param, str) and param.startswith("{"):  # an array of PostgreSQL, of numbers
            yield from map(int, param.strip("{}").split(","))
        else:
            yield param


def file(changed: Iterable[int] = (), **others: str) -> str:
    """Write many rows, some of which change the age."""
    lines = rows({**_CELLS, **others}, range(MANY)).splitlines()
    for number in changed:
        lines[number + 1] = lines[number + 1].rpartition(",")[0] + ",2"
    return "\n".join(lines) + "\n"


@pytest.fixture
def people(sync_text: Sync, transactional_db: None) -> dict[int, Person]:
    sync_text(file())
    return dict(enumerate(Person.objects.order_by("pk")))


# --- what is locked -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["bulk", "batches"])
def test_only_rows_about_to_change_are_locked(sync_text: Sync, people: dict[int, Person], engine: str) -> None:
    """T8, A7: nothing of an unchanged file."""
    changed = [3, 50, 99]
    with listening(Person if engine == "batches" else Company, post_save), locks() as nothing:
        report = sync_text(file())
    assert (report.engine, nothing) == (engine, [])

    with listening(Person if engine == "batches" else Company, post_save), locks() as found:
        report = sync_text(file(changed))

    assert (report.engine, outcomes(report)) == (engine, {"updated": 3, "unchanged": MANY - 3})
    assert [table for table, _ in found] == ["testapp_person"] * (1 if engine == "bulk" else 3)
    pks = {person.pk for person in people.values()}
    locked = {param for _, params in found for param in params if type(param) is int} & pks
    assert locked - {1} == {people[number].pk for number in changed}  # LIMIT 1 of a single row


def test_the_application_may_change_other_rows_meanwhile(sync_text: Sync, people: dict[int, Person]) -> None:
    """T8: a lock on a few rows of a table is no lock on the table, as it would be if they were searched for."""
    was_alive: list[bool] = []

    def interfere(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if not was_alive and sql.startswith("SELECT") and "FOR UPDATE" in sql:
            thread = elsewhere(lambda: Person.objects.filter(pk=people[80].pk).update(nickname="free"))
            thread.join(2)
            was_alive.append(thread.is_alive())
        return result

    with connection.execute_wrapper(interfere):
        report = sync_text(file(range(40, 44)))

    people[80].refresh_from_db()
    assert outcomes(report) == {"updated": 4, "unchanged": MANY - 4}
    assert (was_alive, people[80].nickname) == ([False], "free")


def test_new_rows_and_new_keys_lock_nothing(sync_text: Sync, people: dict[int, Person]) -> None:
    """T8: there is nobody to wait for."""
    cells = {**_CELLS, "external_key": "L{}", "match_on": "first_name", "action_flags": "c"}
    ExternalKeyMapping.objects.all().delete()  # else the rows would wait for those keys to be freed (rule I7)
    with locks() as found:
        report = sync_text(rows(cells, range(MANY + 10)))

    assert (outcomes(report), found) == ({"created": 10, "linked": MANY}, [])


def test_rows_about_to_be_deleted_are_locked(sync_text: Sync, people: dict[int, Person]) -> None:
    """T8, A5."""
    with locks() as found:
        report = sync_text(rows({"external_key": "K{}", "action_flags": "d*"}, range(10, 13)))

    assert outcomes(report) == {"deleted": 3}
    ((table, params),) = found
    assert table == "testapp_person"
    assert {param for param in params if type(param) is int} == {people[number].pk for number in (10, 11, 12)}


# --- what changes in between ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"as_transaction": False}], ids=["one transaction", "in batches"])
@pytest.mark.parametrize(
    ("flags", "values", "expected", "outcome"),
    [
        pytest.param("u*", {"last_name": "W"}, {"age": 2, "last_name": "W"}, "updated", id="another column: both"),
        pytest.param("u*", {"age": 50}, {"age": 2, "last_name": ""}, "updated", id="forced: overwritten"),
        pytest.param("u*", {"age": 2}, {"age": 2, "last_name": ""}, "unchanged", id="the same value: unchanged"),
        pytest.param("u", {"age": 50}, {"age": 50, "last_name": ""}, "unchanged", id="unforced and filled: kept"),
    ],
)
def test_an_object_that_changes_after_it_was_planned_is_planned_again(
    sync_text: Sync,
    people: dict[int, Person],
    options: dict[str, Any],
    flags: str,
    values: dict[str, Any],
    expected: dict[str, Any],
    outcome: str,
) -> None:
    """T8: as if the run came after that; its neighbours are written as ever."""
    if flags == "u":
        Person.objects.update(age=None)
    target = people[41]

    with meanwhile(lambda: Person.objects.filter(pk=target.pk).update(**values), "testapp_person"):
        report = sync_text(file(range(30, 60), action_flags=flags), **options)

    target.refresh_from_db()
    assert {name: getattr(target, name) for name in expected} == expected
    others = {"u": {"updated": MANY - 1}, "u*": {"updated": 29, "unchanged": MANY - 30}}[flags]
    assert {**others, outcome: others.get(outcome, 0) + 1} == outcomes(report)
    assert Person.objects.filter(age=2).count() == 30 - (expected["age"] != 2)


@pytest.mark.parametrize(("flags", "outcome", "left"), [("u*", "unmatched", MANY - 1), ("cu*", "created", MANY)])
def test_an_object_that_goes_after_it_was_planned_is_not_there(
    sync_text: Sync, people: dict[int, Person], flags: str, outcome: str, left: int
) -> None:
    """T8, I1: its mapping is stale then, and a row that creates makes a new object."""
    with meanwhile(people[41].delete, "testapp_person"):
        report = sync_text(file(range(30, 60), action_flags=flags))

    assert outcomes(report) == {outcome: 1, "updated": 29, "unchanged": MANY - 30}
    assert Person.objects.count() == left
    assert Person.objects.filter(age=2).count() == (30 if outcome == "created" else 29)


def test_an_object_that_becomes_a_match_in_between_counts(sync_text: Sync, people: dict[int, Person]) -> None:
    """T8, I4: the rows are planned again with all that they ask, not only the changed object."""
    text = "action_flags,match_on,first_name,age\nu*,first_name,P1,7\nu*,first_name,P2,7\nu*,first_name,P3,7\n"

    with meanwhile(lambda: Person.objects.filter(pk=people[1].pk).update(first_name="P2"), "testapp_person"):
        report = sync_text(text)

    assert outcomes(report) == {"updated": 1, "unmatched": 1, "ambiguous": 1}
    assert set(Person.objects.filter(age=7).values_list("first_name", flat=True)) == {"P3"}


@pytest.mark.database(
    "postgresql"
)  # InnoDB keeps a lock when it rolls back to a savepoint, so that the next try succeeds
def test_an_object_that_never_keeps_still_fails_its_row_alone(sync_text: Sync, people: dict[int, Person]) -> None:
    """T8: the others of its batch are written."""
    ages = iter(range(100, 10_000))

    def interfere(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and "FOR UPDATE" in sql and people[41].pk in set(_spread(params)):
            elsewhere(lambda: Person.objects.filter(pk=people[41].pk).update(age=next(ages))).join(10)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(interfere):
        report = sync_text(file(range(40, 44)), on_error="skip")

    assert codes(report) == [(43, "refused", "")]
    assert outcomes(report) == {"failed": 1, "updated": 3, "unchanged": MANY - 4}
    assert Person.objects.filter(age=2).count() == 3


def test_rows_that_were_written_are_locked_until_the_run_ends(sync_text: Sync, people: dict[int, Person]) -> None:
    """T8: the application's change comes after the run's, and is not overwritten by it."""
    threads: list[Any] = []

    def interfere(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        result = execute(sql, params, many, context)
        if not threads and sql.startswith("SELECT") and "FOR UPDATE" in sql:
            threads.append(elsewhere(lambda: Person.objects.filter(pk=people[41].pk).update(age=50)))
            threads[0].join(0.3)
            threads.append(threads[0].is_alive())
        return result

    with connection.execute_wrapper(interfere):
        report = sync_text(file(range(40, 44)))
    threads[0].join(10)

    assert threads[1] is True
    assert outcomes(report) == {"updated": 4, "unchanged": MANY - 4}
    people[41].refresh_from_db()
    assert people[41].age == 50
