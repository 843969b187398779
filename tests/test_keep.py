"""``NSYNC["KEEP"]``: once a run is over, history goes that was kept long enough."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from nsync import SyncOptions, sync
from nsync.errors import ConfigError
from nsync.kept import Kept, kept_for
from nsync.models import RecordedChange, RowOutcome, Run
from nsync.record.pruning import prune, prune_expired
from nsync.record.report import Report
from nsync.undo import undo
from tests.commands.test_syncprune import run_of
from tests.test_concurrency import elsewhere
from tests.testapp.models import House

pytestmark = pytest.mark.django_db
committed = pytest.mark.django_db(transaction=True)

TEXT = "external_key,action_flags,match_on,address,floors\nnew,cu*,address,New Street,1\n"


def days(number: float) -> timedelta:
    return timedelta(days=number)


def expired(changes: float | None, runs: float | None, **options: Any) -> bool:
    """Prune what is older than so many days."""
    changed, began = (None if age is None else timezone.now() - days(age) for age in (changes, runs))
    return prune_expired("default", changed, began, **{"is_enough": lambda: False, **options})


def kept() -> dict[int, tuple[str, int, int]]:
    """Give of each run what it says is kept, and how many changes and row outcomes are."""
    return {run.pk: (run.recorded, run.changes.count(), run.row_outcomes.count()) for run in Run.objects.order_by("pk")}


@pytest.fixture
def runs(settings: Any) -> list[Run]:
    """Make runs of 800, 100, 80 and 0 days ago, none of which prunes those before."""
    settings.NSYNC = {"KEEP": {"changes": None, "runs": None}}
    return [run_of(number, days(age)) for number, age in enumerate((800, 100, 80, 0))]


def again(**options: Any) -> Report:
    """Sync something, whose run is the last."""
    return sync(io.StringIO(TEXT), "testapp.House", system="HR", options=SyncOptions(record="changes", **options))


@contextmanager
def failing(error: type[BaseException], start: str = "DELETE FROM") -> Iterator[None]:
    """Let the removal of changes fail."""

    def fail(execute: Callable[..., object], sql: str, *others: object) -> object:
        if sql.startswith(start) and "nsync_recordedchange" in sql:
            raise error("no")
        return execute(sql, *others)

    with connection.execute_wrapper(fail):
        yield


def test_changes_go_first_and_runs_later(runs: list[Run]) -> None:
    assert expired(90, 730)

    assert kept() == {
        runs[1].pk: ("rows", 0, 1),
        runs[2].pk: ("changes", 2, 1),
        runs[3].pk: ("changes", 2, 1),
    }
    assert House.objects.count() == 4


@pytest.mark.parametrize(
    ("changes", "whole", "left"),
    [
        (None, None, ["changes"] * 4),
        (90, None, ["rows", "rows", "changes", "changes"]),
        (None, 730, ["changes"] * 3),
        (90, 90, ["changes"] * 2),
        (900, 1000, ["changes"] * 4),
    ],
)
def test_what_has_no_age_stays_for_ever(
    runs: list[Run], changes: float | None, whole: float | None, left: list[str]
) -> None:
    assert expired(changes, whole)

    assert [recorded for recorded, *_ in kept().values()] == left


def test_where_nothing_is_old_it_takes_one_query(runs: list[Run], django_assert_num_queries: Any) -> None:
    expired(90, 730)

    with django_assert_num_queries(1):
        assert expired(90, 730)
    with django_assert_num_queries(0):
        assert expired(None, None)


def test_a_run_that_wrote_nothing_is_looked_at_once(django_assert_num_queries: Any) -> None:
    run = run_of(7, days(100))
    run.changes.all().delete()

    expired(90, 730)

    assert Run.objects.get(pk=run.pk).recorded == "rows"
    with django_assert_num_queries(1):
        expired(90, 730)


def test_it_stops_when_it_is_enough_and_goes_on_the_next_time(runs: list[Run]) -> None:
    """What is half gone is undone by nobody, and does not claim to be all there."""
    RecordedChange.objects.bulk_create(
        RecordedChange(run=runs[1], kind="insert", model="testapp.House", object_id=str(pk)) for pk in range(28)
    )
    asked = iter([False] * 3)  # before the run, and before each batch

    is_all = expired(90, None, is_enough=lambda: next(asked, True), batch_size=1)

    assert not is_all
    assert list(kept().values())[:2] == [("part", 1, 1), ("changes", 30, 1)]
    with pytest.raises(ConfigError, match="pruned: only part"):
        undo(runs[0].pk)
    assert expired(90, None)
    assert [kept()[run.pk][:2] for run in runs[:2]] == [("rows", 0), ("rows", 0)]
    assert [kept()[run.pk][0] for run in runs[2:]] == ["changes", "changes"]


def test_a_run_that_goes_on_and_one_that_is_being_undone_stay(runs: list[Run]) -> None:
    Run.objects.filter(pk=runs[0].pk).update(status=Run.Status.RUNNING)
    undoing = Run.objects.create(undoes=runs[1], status=Run.Status.RUNNING)
    before = kept()

    assert not expired(90, 730)

    assert kept() == before
    undoing.delete()
    assert expired(90, 730)
    assert kept()[runs[1].pk] == ("rows", 0, 1)


@pytest.mark.parametrize(
    ("meanwhile", "why"), [({"recorded": "part"}, "is pruned: only part"), ({"status": "undone"}, "is undone already")]
)
def test_an_undo_whose_run_changes_while_it_waits_gives_up(meanwhile: dict[str, str], why: str) -> None:
    """It was whole when the undo looked first; by halves, or twice, it must not be undone."""
    again()
    run = Run.objects.latest("pk")

    def prune_then(execute: Callable[..., object], sql: str, *others: object) -> object:
        result = execute(sql, *others)
        if sql.startswith("INSERT INTO") and "nsync_run" in sql:
            Run.objects.filter(pk=run.pk).update(**meanwhile)
        return result

    with connection.execute_wrapper(prune_then), pytest.raises(ConfigError, match=why):
        undo(run.pk)

    assert House.objects.count() == 1
    assert run.undone_by.get().status == Run.Status.FAILED


# --- after a run --------------------------------------------------------------------------------------------------


@committed
def test_a_run_removes_what_is_old_when_it_is_over(runs: list[Run], settings: Any) -> None:
    settings.NSYNC = {}

    report = again()

    assert report.committed
    assert [recorded for recorded, *_ in kept().values()] == ["rows", "changes", "changes", "changes"]
    assert Run.objects.order_by("pk").values_list("pk", flat=True)[0] == runs[1].pk


@committed
def test_so_does_an_undo(runs: list[Run], settings: Any) -> None:
    settings.NSYNC = {"KEEP": {"changes": None, "runs": None}}
    again()
    settings.NSYNC = {}

    undo(Run.objects.latest("pk").pk)

    assert [recorded for recorded, *_ in kept().values()] == ["rows", *["changes"] * 4]


@committed
@pytest.mark.parametrize("what", ["dry run", "kept for ever", "rollback"])
def test_nothing_is_removed(runs: list[Run], settings: Any, what: str) -> None:
    """By a dry run; with None; and in a transaction of the caller that is rolled back."""
    settings.NSYNC = {"KEEP": {"changes": None, "runs": None}} if what == "kept for ever" else {}
    before = kept()

    with transaction.atomic():
        again(dry_run=what == "dry run")
        transaction.set_rollback(what == "rollback")

    assert {pk: kept()[pk] for pk in before} == before


@committed
def test_in_a_transaction_of_the_caller_it_waits_for_the_commit(runs: list[Run], settings: Any) -> None:
    settings.NSYNC = {}
    with transaction.atomic():
        again()
        assert len(kept()) == 5

    assert [recorded for recorded, *_ in kept().values()] == ["rows", "changes", "changes", "changes"]


@committed
def test_what_a_run_tells_of_itself_does_not_count_it(settings: Any) -> None:
    found = []
    for keep in ({}, {"changes": None, "runs": None}):
        settings.NSYNC = {"KEEP": keep}
        again()  # the first makes the house
        with CaptureQueriesContext(connection) as queries:
            report = again()
        found.append((report.queries, sum("started" in query["sql"].partition("WHERE")[2] for query in queries)))

    (counted, asked), (the_same, never) = found
    assert counted == the_same
    assert (asked, never) == (1, 0)


@committed
def test_a_database_that_refuses_does_not_fail_the_run(
    runs: list[Run], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.NSYNC = {}
    with failing(OperationalError), caplog.at_level(logging.WARNING, "nsync"):
        report = again()

    assert (report.status, report.exit_code, report.error) == ("applied", 0, "")
    assert "old history could not be removed" in caplog.text
    assert Run.objects.latest("pk").status == "applied"
    assert len(kept()) == 5
    again()
    assert len(kept()) == 5  # one came, and one went


@committed
def test_who_ends_it_meanwhile_is_told_that_the_run_is_applied(runs: list[Run], settings: Any) -> None:
    settings.NSYNC = {}
    with failing(KeyboardInterrupt), pytest.raises(KeyboardInterrupt) as caught:
        again()

    assert caught.value.__notes__ == ["the run itself had ended before; old history was being removed"]
    assert Run.objects.latest("pk").status == "applied"


@committed
def test_a_setting_that_makes_no_sense_removes_nothing(
    runs: list[Run], settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """It might have been meant to keep what would go."""
    settings.NSYNC = {"KEEP": {"run": None}}
    with caplog.at_level(logging.WARNING, "nsync"):
        report = again()

    assert report.exit_code == 0
    assert """NSYNC["KEEP"] has an unknown key: 'run'""" in caplog.text
    assert len(kept()) == 5


@committed
@pytest.mark.database("postgresql", "mariadb")
def test_who_prune_at_once_take_turns(runs: list[Run]) -> None:
    """Two runs of other models, and ``syncprune`` by hand."""
    for run in runs[:2]:
        RecordedChange.objects.bulk_create(
            RecordedChange(run=run, kind="insert", model="testapp.House", object_id=str(pk)) for pk in range(200)
        )
    before, failed = timezone.now() - days(90), []

    def work(what: Callable[[], object]) -> Callable[[], None]:
        def run() -> None:
            try:
                what()
            except Exception as error:
                failed.append(error)

        return run

    works = [lambda: expired(90, 90, batch_size=7)] * 2
    works.append(lambda: prune("default", before, None, changes_only=False, batch_size=7))
    threads = [elsewhere(work(what)) for what in works]
    for thread in threads:
        thread.join(60)

    assert failed == []
    assert list(kept()) == [run.pk for run in runs[2:]]
    assert RecordedChange.objects.count() == RowOutcome.objects.count() * 2 == 4


# --- the setting --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("keep", "changes", "whole"),
    [
        ({}, days(90), days(730)),
        ({"changes": "8w"}, days(56), days(730)),
        ({"changes": "12h", "runs": None}, days(0.5), None),
        ({"changes": None, "runs": None}, None, None),
        ({"runs": "30d"}, days(30), days(30)),
        ({"runs": None}, days(90), None),
        ({"runs": days(400)}, days(90), days(400)),
        ({"changes": "2y", "runs": "2y"}, days(730), days(730)),
    ],
)
def test_the_setting_says_how_long(settings: Any, keep: object, changes: object, whole: object) -> None:
    settings.NSYNC = {"KEEP": keep}

    assert kept_for() == Kept(changes, whole)


def test_an_age_before_all_time_is_for_ever(settings: Any, runs: list[Run]) -> None:
    settings.NSYNC = {"KEEP": {"changes": "9999y", "runs": "9999y"}}
    with transaction.atomic():
        assert again().committed
