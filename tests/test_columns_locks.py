"""The application lives on while rows are written by whole columns: what it does in between is not lost (rule T8)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from nsync.record.report import Report
from tests.many import rows
from tests.plan.known import link
from tests.telling import outcomes
from tests.test_concurrency import elsewhere, meanwhile
from tests.testapp.models import Depot, Parcel

Sync = Callable[..., Report]
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.database("postgresql", "mariadb")]


@pytest.mark.parametrize(
    ("flags", "meant", "expected"),
    [
        pytest.param("u", {"note": "theirs"}, ("theirs", "unchanged"), id="filled: kept"),
        pytest.param("u*", {"note": "theirs"}, ("ours", "updated"), id="forced: overwritten"),
        pytest.param("u*", {"note": "ours"}, ("ours", "unchanged"), id="the same value"),
    ],
)
def test_an_object_that_changes_after_it_was_read_is_planned_anew(
    sync_text: Sync, flags: str, meant: dict[str, str], expected: tuple[str, str]
) -> None:
    """T8: the others of the batch are as they would have been."""
    for number in range(9):
        link(Parcel.objects.create(code=f"{number}", note=""), f"K{number}")
    cells = {"external_key": "K{}", "action_flags": flags, "note": "ours"}

    with meanwhile(lambda: Parcel.objects.filter(code="4").update(**meant), "testapp_parcel"):
        report = sync_text(rows(cells, range(9)), Parcel)

    note, outcome = expected
    assert report.engine == "columns"
    assert outcomes(report) == ({"updated": 9} if outcome == "updated" else {"updated": 8, "unchanged": 1})
    assert dict(Parcel.objects.values_list("code", "note")) == {
        f"{number}": note if number == 4 else "ours" for number in range(9)
    }


def test_an_object_that_goes_after_it_was_read_is_not_there(sync_text: Sync) -> None:
    """T8, I1: its mapping is stale then, and the row makes a new object."""
    for number in range(9):
        link(Parcel.objects.create(code=f"{number}", note=""), f"K{number}")
    cells = {"external_key": "K{}", "action_flags": "cu*", "code": "{}", "note": "ours"}

    with meanwhile(lambda: Parcel.objects.filter(code="4").delete(), "testapp_parcel"):
        report = sync_text(rows(cells, range(9)), Parcel)

    assert (report.engine, outcomes(report)) == ("columns", {"updated": 8, "created": 1})
    assert Parcel.objects.filter(note="ours").count() == 9


@pytest.mark.database("mariadb")  # where it takes the whole transaction away
@pytest.mark.parametrize("engine", ["bulk", "columns"])
def test_a_run_that_a_deadlock_ends_is_started_again_and_keeps_what_others_wrote(sync_text: Sync, engine: str) -> None:
    """T3, T8: it is no fault of a row."""
    Depot.objects.bulk_create(Depot(name=f"d{number}") for number in range(200))
    for number in range(9):
        link(Parcel.objects.create(code=f"{number}", note=""), f"K{number}")
    is_held, others = threading.Event(), []

    def hold() -> None:
        with transaction.atomic():
            Depot.objects.update(city="x")  # who has written less has to go
            Parcel.objects.filter(code="8").update(remark="theirs")
            is_held.set()
            time.sleep(1)
            Parcel.objects.filter(code="0").update(remark="theirs")

    def interfere(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not others and sql.startswith("SELECT") and "FOR UPDATE" in sql and "testapp_parcel" in sql:
            others.append(elsewhere(hold))
            is_held.wait(10)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(interfere):
        report = sync_text(
            rows({"external_key": "K{}", "action_flags": "u*", "note": "ours"}, range(9)), Parcel, engine=engine
        )
    others[0].join(10)

    assert (report.engine, report.committed, report.retries) == (engine, True, 1)
    assert outcomes(report) == {"updated": 9}
    assert Parcel.objects.filter(note="ours").count() == 9
    assert Parcel.objects.filter(remark="theirs").count() == 2
