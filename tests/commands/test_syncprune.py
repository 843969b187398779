"""``syncprune``: history that nobody needs any more is removed, a little at a time."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from nsync import SyncOptions, sync
from nsync.models import ExternalKeyMapping, RecordedChange, RowOutcome, Run
from nsync.record.pruning import Pruned, prune
from tests.commands.conftest import Ran
from tests.testapp.models import House

Command = Callable[..., Ran]
HEADER = "external_key,action_flags,match_on,address,floors\n"


def run_of(number: int, age: timedelta = timedelta()) -> Run:
    """Make a run that creates one house and fails one row, so long ago."""
    text = f"{HEADER}{number},cu*,address,Street {number},{number}\nx{number},cu*,address,Bad,four\n"
    options = SyncOptions(record="changes", on_error="skip")
    sync(io.StringIO(text), "testapp.House", system="HR", options=options)
    run = Run.objects.latest("pk")
    run.started = timezone.now() - age
    run.save()
    return run


@pytest.fixture
def runs(db: None) -> list[Run]:
    """Make runs of 100, 50, 10 and 0 days ago."""
    return [run_of(number, timedelta(days=days)) for number, days in enumerate((100, 50, 10, 0))]


def left() -> list[int]:
    """Give the runs that are left, which must still have all that belongs to them."""
    runs = list(Run.objects.order_by("pk").values_list("pk", flat=True))
    assert sorted(set(RowOutcome.objects.values_list("run", flat=True))) == runs
    assert sorted(set(RecordedChange.objects.values_list("run", flat=True))) == runs
    return runs


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        (("--older-than", "99d"), 3),
        (("--older-than", "1000h"), 2),
        (("--older-than", "7w"), 2),
        (("--older-than", "1y"), 4),
        (("--keep", "3"), 3),
        (("--keep", "4"), 4),
        (("--keep", "40"), 4),
        (("--older-than", "1d", "--keep", "3"), 3),
        (("--older-than", "20d", "--keep", "1"), 2),
    ],
)
def test_old_runs_go_with_all_that_is_kept_of_them(
    command: Command, runs: list[Run], arguments: tuple[str, ...], kept: int
) -> None:
    ran = command("syncprune", *arguments)

    assert ran.code == 0, ran.err
    assert left() == [run.pk for run in runs[4 - kept :]]
    assert House.objects.count() == 4
    assert ExternalKeyMapping.objects.count() == 4


def test_it_says_what_it_removed(command: Command, runs: list[Run]) -> None:
    assert command("syncprune", "--keep", "3").out == "Removed 1 run, 1 row outcome and 3 changes.\n"
    assert command("syncprune", "--keep", "1").out == "Removed 2 runs, 2 row outcomes and 4 changes.\n"
    assert command("syncprune", "--keep", "1").out == "Removed 0 runs, 0 row outcomes and 0 changes.\n"
    assert command("syncprune", "--keep", "1", "-v", "0").out == ""


def test_a_dry_run_removes_nothing(command: Command, runs: list[Run]) -> None:
    ran = command("syncprune", "--keep", "3", "--dry-run")

    assert ran.out == "Would remove 1 run, 1 row outcome and 3 changes.\n"
    assert left() == [run.pk for run in runs]


def test_the_changes_alone_can_go(command: Command, runs: list[Run]) -> None:
    ran = command("syncprune", "--keep", "2", "--changes-only")

    assert ran.out == "Removed 5 changes of 2 runs; the runs stay.\n"
    assert list(Run.objects.order_by("pk").values_list("recorded", flat=True)) == ["rows", "rows", "changes", "changes"]
    assert RowOutcome.objects.count() == 4
    assert set(RecordedChange.objects.values_list("run", flat=True)) == {run.pk for run in runs[2:]}
    assert command("syncprune", "--keep", "2", "--changes-only").out == "Removed 0 changes of 0 runs; the runs stay.\n"


def test_a_run_of_which_less_is_kept_does_not_claim_more(command: Command, runs: list[Run]) -> None:
    Run.objects.filter(pk=runs[0].pk).update(recorded="summary")

    command("syncprune", "--keep", "1", "--changes-only")

    assert Run.objects.get(pk=runs[0].pk).recorded == "summary"


@pytest.mark.parametrize("options", [(), ("--changes-only",)])
def test_a_run_that_still_goes_on_stays(command: Command, runs: list[Run], options: tuple[str, ...]) -> None:
    Run.objects.filter(pk=runs[0].pk).update(status=Run.Status.RUNNING)

    command("syncprune", "--older-than", "1d", *options)

    run = Run.objects.get(pk=runs[0].pk)
    assert run.recorded == "changes"
    assert run.changes.count() == 3
    assert run.row_outcomes.count() == 1


def test_a_run_that_is_being_undone_stays(command: Command, runs: list[Run]) -> None:
    Run.objects.create(undoes=runs[0], status=Run.Status.RUNNING)

    command("syncprune", "--older-than", "40d")

    assert Run.objects.filter(pk=runs[0].pk).exists()
    assert not Run.objects.filter(pk=runs[1].pk).exists()


def test_an_undo_outlives_the_run_that_it_undid(command: Command, runs: list[Run]) -> None:
    undo = Run.objects.create(undoes=runs[0], status=Run.Status.APPLIED)

    command("syncprune", "--older-than", "40d")

    undo.refresh_from_db()
    assert undo.undoes is None


@pytest.mark.parametrize("changes_only", [True, False])
def test_rows_are_removed_in_batches_each_in_its_own_transaction(runs: list[Run], changes_only: bool) -> None:
    run = runs[0]
    RecordedChange.objects.bulk_create(
        RecordedChange(run=run, kind="insert", model="testapp.House", object_id=str(pk)) for pk in range(22)
    )
    deleted: list[int] = []
    transactions: set[str] = set()

    def watch(
        execute: Callable[..., object], sql: str, params: object, many: bool, context: dict[str, object]
    ) -> object:
        before = RecordedChange.objects.count() if sql.startswith("DELETE") else 0
        result = execute(sql, params, many, context)
        if before and (count := before - RecordedChange.objects.count()):
            deleted.append(count)
            transactions.add(connection.savepoint_ids[outer])
        return result

    outer = len(connection.savepoint_ids)
    with connection.execute_wrapper(watch):
        done = prune("default", None, 3, changes_only=changes_only, batch_size=10)

    assert deleted == [10, 10, 5]
    assert len(transactions) == 3
    assert done == Pruned(1, 0 if changes_only else 1, 25)


def test_who_is_interrupted_leaves_no_run_that_claims_to_have_all_its_changes(runs: list[Run]) -> None:
    """Half of the changes are enough for an undo to do harm."""

    class Interrupted(Exception):
        """Ctrl-C, in the middle."""

    def interrupt(execute: Callable[..., object], sql: str, *others: object) -> object:
        if sql.startswith("DELETE") and RecordedChange.objects.filter(run=runs[0]).count() < 3:
            raise Interrupted
        return execute(sql, *others)

    with pytest.raises(Interrupted), connection.execute_wrapper(interrupt):
        prune("default", None, 3, changes_only=False, batch_size=1)

    run = Run.objects.get(pk=runs[0].pk)
    assert (run.changes.count(), run.recorded) == (2, "summary")
    assert prune("default", None, 3, changes_only=False) == Pruned(1, 1, 2)
    assert not Run.objects.filter(pk=run.pk).exists()


def test_progress_is_told_on_standard_error(command: Command, runs: list[Run]) -> None:
    ran = command("syncprune", "--keep", "2", "-v", "2")

    assert ran.err.splitlines() == [
        "removed 1 run, 1 row outcome and 3 changes so far",
        "removed 2 runs, 2 row outcomes and 5 changes so far",
    ]
    assert command("syncprune", "--keep", "1").err == ""


def test_without_a_limit_nothing_is_removed(command: Command, runs: list[Run]) -> None:
    ran = command("syncprune")

    assert (ran.code, ran.err) == (2, "say which runs are to go: --older-than 90d, --keep 100, or both")
    assert prune("default", None, None, changes_only=False) == Pruned(0, 0, 0)
    assert left() == [run.pk for run in runs]


@pytest.mark.parametrize("age", ["90", "d", "-1d", "1.5d", "90 d", "3m", "１d", "9999999d"])
def test_an_age_that_is_none_is_refused(command: Command, age: str) -> None:
    ran = command("syncprune", f"--older-than={age}")

    assert ran.code != 0
    assert "is no time; write hours, days, weeks or years, such as 12h, 90d, 8w or 2y" in ran.err


@pytest.mark.parametrize("options", [{"older_than": "3m"}, {"older_than": "5000y"}, {"keep": 0}, {"keep": "x"}])
def test_call_command_refuses_what_the_command_line_refuses(command: Command, options: dict[str, object]) -> None:
    assert command("syncprune", **options).code == 2


def test_call_command_takes_values_as_the_command_line_writes_them(command: Command, runs: list[Run]) -> None:
    command("syncprune", older_than="20d", keep="3")

    assert left() == [run.pk for run in runs[1:]]


@pytest.fixture
def on_the_other_database(django_db_setup: None) -> Iterator[None]:
    """Let a test write to the second database, and take that back."""
    with transaction.atomic(using="other"):
        yield
        transaction.set_rollback(True, using="other")


@pytest.mark.django_db(databases=["default", "other"])
def test_only_the_database_that_is_named_is_pruned(
    command: Command, runs: list[Run], on_the_other_database: None
) -> None:
    options = SyncOptions(record="changes", database="other")
    for number in range(2):
        text = f"{HEADER}{number},cu*,address,Street {number},{number}\n"
        sync(io.StringIO(text), "testapp.House", system="HR", options=options)

    assert command("syncprune", "--keep", "1", "--database", "other").code == 0

    assert Run.objects.using("other").count() == 1
    assert left() == [run.pk for run in runs]
