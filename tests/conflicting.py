"""What others do to a run: deadlocks and lost connections, made through a second connection, as processes make them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import connection, connections, transaction

from nsync.models import ExternalKeyMapping, ExternalSystem, RowOutcome
from nsync.models import Run as RunRecord
from nsync.record.journal import kept_rows
from nsync.record.report import Report
from tests.services import TEST_DATABASE
from tests.telling import codes, outcomes
from tests.test_concurrency import elsewhere
from tests.testapp.models import Company, Parcel, Person, Tag

When = Callable[[str, Any], bool]  # is told each statement with its parameters


def writes_person(sql: str, params: Any) -> bool:
    """Whether a statement inserts persons, however that is done."""
    return _inserts(sql, "testapp_person")


def writes_parcel(sql: str, params: Any) -> bool:
    """Whether a statement inserts parcels."""
    return _inserts(sql, "testapp_parcel")


def _inserts(sql: str, table: str) -> bool:
    return sql.startswith(("INSERT INTO", "COPY")) and table in sql.split("(")[0]


class Others:
    """
    Another process that deadlocks with the run, and wins.

    Args:
        first: What it writes first, which the run is about to write.
        then: What it writes next, which the run has written: it has to wait for the end of the run's transaction.
    """

    def __init__(self, first: Callable[[], Any], then: Callable[[], Any]) -> None:
        self._first = first
        self._then = then
        self._threads: list[threading.Thread] = []
        self.failures: list[BaseException] = []

    def begin(self) -> None:
        """Begin, and give back when the first thing is written."""
        is_ready = threading.Event()

        def work() -> None:
            try:
                with transaction.atomic():
                    self._grow_heavy()
                    self._first()
                    is_ready.set()
                    self._then()
                    transaction.set_rollback(True)
            except BaseException as error:
                self.failures.append(error)
            finally:
                is_ready.set()

        self._threads.append(elsewhere(work))
        assert is_ready.wait(10)

    def _grow_heavy(self) -> None:
        """Be the one that the server spares."""
        if TEST_DATABASE == "postgresql":  # who looks for a deadlock, and finds it, gives way
            with connections["default"].cursor() as cursor:
                cursor.execute("SET LOCAL deadlock_timeout = '60s'")
        else:  # who has written less gives way
            Tag.objects.bulk_create([Tag(name=f"heavy {number}") for number in range(2_000)])

    def end(self) -> None:
        """Wait for all that was begun."""
        for thread in self._threads:
            thread.join(20)
            assert not thread.is_alive()
        assert not self.failures, self.failures


@contextmanager
def disturbed(when: When, work: Callable[[], Any], times: int = 1, skip: int = 0) -> Iterator[None]:
    """
    Have something done just before the run sends a statement.

    Args:
        when: Which statement.
        work: What is done.
        times: How often.
        skip: How many of the statements are let pass first.
    """
    seen = 0

    def interfere(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal seen
        if when(sql, params):
            seen += 1
            if skip < seen <= skip + times:
                work()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(interfere):
        yield
    assert seen >= skip + times, "the run has sent no such statement"


@contextmanager
def deadlocked(first: Callable[[], Any], then: Callable[[], Any], when: When, times: int = 1, skip: int = 0) -> Any:
    """Have the run meet a deadlock; see `Others` and `disturbed`."""
    others = Others(first, then)
    with quick_to_find_deadlocks(), disturbed(when, others.begin, times, skip):
        yield
    others.end()


@contextmanager
def quick_to_find_deadlocks() -> Iterator[None]:
    """PostgreSQL looks for deadlocks after a second; a tenth will do here."""
    if TEST_DATABASE != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SET deadlock_timeout = '100ms'")
    yield
    with connection.cursor() as cursor:
        cursor.execute("RESET deadlock_timeout")


def wipe() -> None:
    """Leave no trace of earlier runs, the types of models included, which a run makes when it needs them."""
    for model in (ExternalKeyMapping, ExternalSystem, RunRecord, Person, Company, Tag, Parcel):
        model._base_manager.all().delete()
    ContentType.objects.filter(app_label="testapp").delete()
    ContentType.objects.clear_cache()
    if TEST_DATABASE == "mariadb":
        _sweep()


def _sweep() -> None:
    """Remove what was deleted; until InnoDB does that, too, who inserts the same value again locks its neighbours."""
    with connection.cursor() as cursor:
        cursor.execute("SET FOREIGN_KEY_CHECKS = 0")
        for model in (ExternalKeyMapping, Person, Parcel):
            cursor.execute(f"TRUNCATE TABLE {model._meta.db_table}")
        cursor.execute("SET FOREIGN_KEY_CHECKS = 1")


def people() -> list[tuple[Any, ...]]:
    """Give the persons, without what differs from run to run."""
    names = ("employee_id", "first_name", "age", "company__name", "manager__employee_id")
    return sorted(Person.objects.values_list(*names), key=str)


def picture(report: Report) -> dict[str, Any]:
    """Give all that a run has left, without what differs from run to run: numbers and times."""
    number = dict(Person.objects.values_list("pk", "employee_id")) or dict(Parcel.objects.values_list("pk", "code"))
    mappings = ExternalKeyMapping.objects.all()
    record = RunRecord.objects.latest("pk")
    rows = [row for change in record.changes.order_by("pk") for row in kept_rows(change)]
    told = RowOutcome.objects.filter(run=record).values_list("line", "outcome", "code", "column", "value")
    return {
        "people": people(),
        "parcels": sorted(Parcel.objects.values_list("code", "label", "pieces", "depot__name")),
        "keys": sorted((key, number[int(pk)]) for key, pk in mappings.values_list("external_key", "object_id")),
        "systems": list(ExternalSystem.objects.values_list("name", flat=True)),
        "changes": sorted(  # the mappings of a batch are kept in the order in which the database gives them
            (row.kind.value, row.label, row.line, str(row.after.get("age", row.after.get("pieces")))) for row in rows
        ),
        "outcomes": outcomes(report),
        "codes": codes(report),
        "report": (report.status, report.committed, report.rows, report.displaced, report.exit_code, report.error),
        "record": (record.status, record.error, record.outcomes, record.warnings, record.sources[0]["rows"]),
        "told": sorted(told),
    }
