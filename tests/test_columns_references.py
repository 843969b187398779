"""References of whole columns: asked for many batches together, and never staler than what a constraint notices."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from nsync.plan.referenced import AHEAD
from nsync.record.report import Report
from nsync.signals import batch_applied
from tests.many import rows
from tests.plan.known import link
from tests.telling import codes, outcomes
from tests.testapp.models import Depot, Parcel

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db
BY_CODE = {"action_flags": "cu*", "match_on": "code"}


@contextmanager
def questions(table: str) -> Iterator[list[str]]:
    """Collect the queries that read a table."""
    found: list[str] = []

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("SELECT") and f"FROM {connection.ops.quote_name(table)}" in sql:
            found.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        yield found


def file(count: int, column: str = "depot=>name") -> str:
    """Write parcels, each for a depot of its own."""
    return rows({"external_key": "k{}", "code": "c{}", "label": "L", column: "V{}"}, range(count))


@pytest.fixture
def depots(db: None) -> list[Depot]:
    made = [Depot.objects.create(name=f"V{number}") for number in range(48)]
    for number, depot in enumerate(made):
        link(depot, f"V{number}")
    return made


@pytest.mark.parametrize("column", ["depot=>name", "depot=>external_key"])
@pytest.mark.parametrize("size", [2, 3, 7, 100])
def test_references_of_many_batches_all_find_their_objects(
    sync_text: Sync, depots: list[Depot], size: int, column: str
) -> None:
    """R1, R2; on PostgreSQL the depots are asked for once for ten batches, elsewhere once for each."""
    with questions("testapp_depot") as asked:
        report = sync_text(file(48, column), Parcel, batch_size=size, engine="columns", **BY_CODE)

    assert (outcomes(report), codes(report)) == ({"created": 48}, [])
    found = Parcel.objects.order_by("pk").values_list("code", "depot__name")
    assert list(found) == [(f"c{number}", f"V{number}") for number in range(48)]
    batches = -(-48 // size)
    assert len(asked) == (-(-batches // (AHEAD + 1)) if connection.vendor == "postgresql" else batches)


@pytest.mark.parametrize("engine", ["auto", "objects"])
def test_an_object_that_goes_in_the_meantime_is_missed(sync_text: Sync, depots: list[Depot], engine: str) -> None:
    """R5, T8: what was known of it when the rows before were run does not count."""

    def remove(rows: int, **_: Any) -> None:
        if rows == 4:
            Depot.objects.filter(name__in=["V7", "V9"]).delete()

    batch_applied.connect(remove)
    try:
        report = sync_text(file(12), Parcel, batch_size=2, engine=engine, **BY_CODE)
    finally:
        batch_applied.disconnect(remove)

    assert outcomes(report) == {"created": 12}
    assert [(line, code) for line, code, _ in codes(report)] == [(9, "missing-reference"), (11, "missing-reference")]
    assert set(Parcel.objects.filter(depot=None).values_list("code", flat=True)) == {"c7", "c9"}


@pytest.mark.parametrize("as_transaction", [True, False])
@pytest.mark.parametrize("engine", ["auto", "objects"])
def test_a_name_that_goes_over_in_the_meantime_means_the_other(
    sync_text: Sync, depots: list[Depot], engine: str, as_transaction: bool
) -> None:
    """T1: a receiver of the project changes what later rows refer to."""

    def move(rows: int, **_: Any) -> None:
        if rows == 2:
            Depot.objects.filter(name="V7").update(name="old")
            Depot.objects.filter(name="V40").update(name="V7")

    batch_applied.connect(move)
    try:
        sync_text(file(12), Parcel, batch_size=2, engine=engine, as_transaction=as_transaction, **BY_CODE)
    finally:
        batch_applied.disconnect(move)

    assert Parcel.objects.get(code="c7").depot == depots[40]


def test_a_batch_after_a_peculiar_row_asks_anew(sync_text: Sync, depots: list[Depot]) -> None:
    """T1, R5: a row that finds nothing is planned by itself, and those after it find theirs."""
    text = file(12).replace("V3\n", "nowhere\n")

    report = sync_text(text, Parcel, batch_size=2, **BY_CODE)

    assert (outcomes(report), codes(report)) == ({"created": 12}, [(5, "missing-reference", "depot=>name")])
    assert Parcel.objects.filter(depot=None).count() == 1


def test_an_error_in_the_file_does_not_hide_behind_the_rows_that_are_looked_ahead_at(
    sync_text: Sync, depots: list[Depot]
) -> None:
    """T3, T4: the batches before it are committed."""
    text = file(12).replace("k9,", 'k9,"x"y,')

    report = sync_text(text, Parcel, batch_size=2, **BY_CODE)

    assert (report.committed, "text follows a closing quote" in report.error) == (False, True)
    assert report.rows == 9
