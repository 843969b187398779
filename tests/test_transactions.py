"""What is committed when rows fail or a source cannot be read on: one transaction, or one per batch (T3, T4)."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import OperationalError, connection

from nsync import SyncOptions, sync
from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.policies import OrderedSyncPolicy
from nsync.record.report import Report
from nsync.signals import batch_applied
from tests.old_policies import OldPolicy
from tests.telling import codes, outcomes
from tests.testapp.models import Node, Person

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db(transaction=True)  # so that COMMIT is a COMMIT

HEADER = "external_key,action_flags,first_name,age\n"
BAD_AT_3_AND_5 = HEADER + "a,c,A,1\nb,c,B,old\nc,c,C,3\nd,c,D,old\ne,c,E,5\n"


def names() -> str:
    return "".join(Person.objects.order_by("first_name").values_list("first_name", flat=True))


def lines_of_errors(report: Report) -> list[int]:
    return [line for line, code, _ in codes(report) if code == "invalid-integer"]


def test_rollback_reports_every_bad_row_and_commits_nothing(sync_text: Sync) -> None:
    """T3, T4, O2: not even the external system; the counts say what the rows would have become."""
    report = sync_text(BAD_AT_3_AND_5)

    assert names() == ""
    assert not ExternalKeyMapping.objects.exists()
    assert not ExternalSystem.objects.exists()
    assert lines_of_errors(report) == [3, 5]
    assert outcomes(report) == {"created": 3, "failed": 2}
    assert (report.status, report.committed, report.exit_code) == ("rolled back", False, 1)


def test_skip_commits_the_good_rows(sync_text: Sync) -> None:
    """T4."""
    report = sync_text(BAD_AT_3_AND_5, on_error="skip")

    assert names() == "ACE"
    assert ExternalKeyMapping.objects.count() == 3
    assert lines_of_errors(report) == [3, 5]
    assert (report.status, report.committed, report.exit_code) == ("applied with rejects", True, 3)


@pytest.mark.parametrize(
    ("options", "read", "bad"),
    [
        pytest.param({"on_error": "stop"}, 2, [3], id="stop"),
        pytest.param({"on_error": "stop", "max_errors": 2}, 2, [3], id="stop goes before the limit"),
        pytest.param({"max_errors": 1}, 2, [3], id="rollback, one error"),
        pytest.param({"max_errors": 2}, 4, [3, 5], id="rollback, two errors"),
        pytest.param({"on_error": "skip", "max_errors": 1}, 2, [3], id="skip, one error"),
        pytest.param({"on_error": "skip", "max_errors": 2}, 4, [3, 5], id="skip, two errors"),
    ],
)
@pytest.mark.parametrize("policy", [None, OldPolicy], ids=["basic", "old"])
def test_enough_errors_end_the_run_and_commit_nothing(
    sync_text: Sync, policy: Any, options: dict[str, Any], read: int, bad: list[int]
) -> None:
    """T4, O1: the counts add up to the rows read."""
    report = sync_text(BAD_AT_3_AND_5, policy=policy, **options)

    assert names() == ""
    assert lines_of_errors(report) == bad
    assert sum(outcomes(report).values()) == report.rows == read
    assert report.error
    assert (report.committed, report.exit_code) == (False, 1)


@pytest.mark.parametrize("on_error", ["rollback", "skip"])
def test_more_errors_than_rows_change_nothing(sync_text: Sync, on_error: str) -> None:
    """T4: the limit is not reached."""
    report = sync_text(BAD_AT_3_AND_5, on_error=on_error, max_errors=3)

    assert report.rows == 5
    assert report.error == ""


@pytest.mark.parametrize(("on_error", "failed"), [("rollback", 1000), ("skip", 1001)])
def test_without_a_limit_of_ones_own_a_thousand_errors_are_enough_to_roll_back(
    sync_text: Sync, on_error: str, failed: int
) -> None:
    """T4."""
    report = sync_text(HEADER + ",c,A,old\n" * 1001, on_error=on_error)

    assert outcomes(report) == {"failed": failed}


def test_a_limit_of_ones_own_may_be_higher(sync_text: Sync) -> None:
    """T4."""
    assert sync_text(HEADER + ",c,A,old\n" * 1001, max_errors=5000).failed == 1001


# --- a transaction per batch ----------------------------------------------------------------------------------------

IN_BATCHES: dict[str, Any] = {"as_transaction": False, "batch_size": 2}
BAD_AT_5 = HEADER + "a,c,A,1\nb,c,B,2\nc,c,C,3\nd,c,D,old\ne,c,E,5\n"


@pytest.mark.parametrize(
    "options", [{}, {"on_error": "stop"}, {"max_errors": 1}, {"on_error": "skip", "max_errors": 1}]
)
def test_in_batches_an_error_ends_the_run_and_earlier_batches_stay(
    sync_text: Sync, tmp_path: Path, options: dict[str, Any]
) -> None:
    """T3, T4, O1: the last committed row is named, exit code 3."""
    path = tmp_path / "persons.csv"
    path.write_text(BAD_AT_5)

    report = sync(path, Person, system="HR", options=SyncOptions(**IN_BATCHES, **options))

    assert names() == "AB"
    assert ExternalKeyMapping.objects.count() == 2
    assert report.last_committed.endswith("persons.csv:3")
    assert sum(outcomes(report).values()) == report.rows == 4
    assert lines_of_errors(report) == [5]
    assert (report.committed, report.exit_code) == (True, 3)


@pytest.mark.parametrize("options", [{}, {"on_error": "stop"}, {"max_errors": 1}])
def test_in_batches_an_error_in_the_first_one_commits_nothing(sync_text: Sync, options: dict[str, Any]) -> None:
    """T4: exit code 1."""
    report = sync_text(BAD_AT_3_AND_5, **IN_BATCHES, **options)

    assert names() == ""
    assert (report.last_committed, report.committed, report.exit_code) == ("", False, 1)


def test_in_batches_the_bad_rows_of_one_batch_are_all_reported(sync_text: Sync) -> None:
    """T4: the run goes on reading to the end of the batch that it rolls back."""
    report = sync_text(BAD_AT_3_AND_5, as_transaction=False, batch_size=4)

    assert lines_of_errors(report) == [3, 5]
    assert report.rows == 4


def test_in_batches_skip_goes_on_to_the_end(sync_text: Sync) -> None:
    """T4."""
    report = sync_text(BAD_AT_3_AND_5, **IN_BATCHES, on_error="skip")

    assert names() == "ACE"
    assert (report.rows, report.exit_code, report.last_committed) == (5, 3, "")


def test_in_batches_a_later_phase_may_fail_after_the_first_was_committed(sync_text: Sync) -> None:
    """T3, T4, T2: the ordered policy commits its creates; nothing of the batch with the bad update stays."""
    Person.objects.create(first_name="Z", employee_id="1")
    text = (
        "action_flags,match_on,first_name,employee_id,age\n"
        "c,first_name,A,2,\nc,first_name,B,3,\nu*,first_name,Z,1,7\nu*,first_name,A,1,\n"
    )

    report = sync_text(text, policy=OrderedSyncPolicy, **IN_BATCHES)

    assert names() == "ABZ"
    assert Person.objects.get(first_name="Z").age is None
    assert codes(report) == [(5, "unique", "employee_id")]
    assert (report.committed, report.exit_code) == (True, 3)


def test_a_policy_that_walks_has_no_batches_and_commits_nothing_after_an_error(sync_text: Sync) -> None:
    """T3, T4, P1."""
    report = sync_text(BAD_AT_5, policy=OldPolicy, **IN_BATCHES)

    assert names() == ""
    assert (report.status, report.committed, report.exit_code) == ("rolled back", False, 1)


def test_in_batches_what_waits_is_a_batch_of_its_own(sync_text: Sync) -> None:
    """T3, R6: a row that waits in vain takes nothing back but what was settled with it."""
    text = "action_flags,match_on,name,house=>address\nc,name,Hall,Nowhere\n"

    report = sync_text(text, "testapp.Room", **IN_BATCHES)

    assert codes(report) == [(2, "missing-reference", "house=>address")]
    assert sum(outcomes(report).values()) == report.rows == 1
    assert report.exit_code in (1, 3)


# --- a source that cannot be read on --------------------------------------------------------------------------------

UNCLOSED = HEADER + 'a,c,A,1\nb,c,B,2\nc,c,C,3\nd,c,"D,4\ne,c,E,5\n'


@pytest.mark.parametrize("options", [{}, {"on_error": "skip"}, {"on_error": "stop"}], ids=str)
@pytest.mark.parametrize("policy", [None, OrderedSyncPolicy, OldPolicy], ids=["basic", "ordered", "old"])
def test_an_unreadable_rest_ends_the_run_and_commits_nothing(
    sync_text: Sync, policy: Any, options: dict[str, Any]
) -> None:
    """T4, C6: no traceback; the rows before it are accounted for."""
    report = sync_text(UNCLOSED, policy=policy, **options)

    assert names() == ""
    assert not ExternalSystem.objects.exists()
    assert ":5" in report.error
    assert sum(outcomes(report).values()) == report.rows == 3
    assert (report.status, report.committed, report.exit_code) == ("failed", False, 1)


@pytest.mark.parametrize("on_error", ["rollback", "skip", "stop"])
@pytest.mark.parametrize(("size", "left"), [(1, "ABC"), (2, "AB"), (3, "ABC"), (4, "")])
def test_in_batches_an_unreadable_rest_leaves_the_batches_before_it(
    sync_text: Sync, on_error: str, size: int, left: str
) -> None:
    """T4, C6: whatever batch it falls into."""
    report = sync_text(UNCLOSED, as_transaction=False, batch_size=size, on_error=on_error)

    assert names() == left
    assert report.error
    assert report.last_committed.endswith({"ABC": ":4", "AB": ":3", "": ""}[left])
    assert (report.committed, report.exit_code) == ((True, 3) if left else (False, 1))
    assert sum(outcomes(report).values()) == report.rows == 3


@pytest.mark.parametrize("size", [1, 2, 100])
def test_a_bad_row_before_the_unreadable_one_is_reported_whatever_the_batches(sync_text: Sync, size: int) -> None:
    """T4, T1."""
    text = UNCLOSED.replace("A,1", "A,old")

    report = sync_text(text, batch_size=size)
    stopped = sync_text(text, batch_size=size, on_error="stop")

    assert lines_of_errors(report) == [2]
    assert outcomes(report) == {"failed": 1, "created": 2}
    assert ":5" in report.error
    assert "--on-error stop" in stopped.error
    assert stopped.rows == 1


@pytest.mark.parametrize("as_transaction", [True, False])
def test_an_undecodable_byte_far_into_the_file_ends_the_run(as_transaction: bool) -> None:
    """T4, C6: named by its line; in batches, those that were committed stay."""
    rows = [f"{number},c,person {number},{number}" for number in range(2, 1500)]
    content = (HEADER + "\n".join(rows)).encode() + b"\nx,c,\xff,1\n"

    options = SyncOptions(as_transaction=as_transaction, batch_size=10)
    report = sync(io.BytesIO(content), Person, system="HR", options=options)

    assert ":1500:" in report.error
    assert sum(outcomes(report).values()) == report.rows
    if as_transaction:
        assert not Person.objects.exists()
        assert report.exit_code == 1
    else:
        last = Person.objects.order_by("-pk")[0]
        assert report.last_committed.endswith(f":{last.age}")
        assert Person.objects.count() == last.age - 1
        assert report.exit_code == 3


# --- a database that gives up ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"on_error": "skip"}, IN_BATCHES, {**IN_BATCHES, "on_error": "skip"}], ids=str)
def test_a_database_that_gives_up_ends_the_run(sync_text: Sync, options: dict[str, Any]) -> None:
    """T4: a lost connection or a deadlock is no fault of a row, and the message says to run again."""

    def give_up(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("INSERT") and re.search("""['"]D['"]""", repr(params)):  # as a value of its own, or in JSON
            raise OperationalError("deadlock detected")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(give_up):
        report = sync_text(HEADER + "a,c,A,1\nb,c,B,2\nc,c,C,3\nd,c,D,4\n", **options)

    assert names() == ("AB" if "batch_size" in options else "")
    assert "deadlock detected" in report.error
    assert "run again" in report.error
    assert report.errors == {}
    assert sum(outcomes(report).values()) == report.rows
    assert report.exit_code == (3 if "batch_size" in options else 1)


def test_the_run_after_a_failed_one_starts_afresh(sync_text: Sync) -> None:
    """T3: nothing of a rolled back run is remembered: neither systems nor content types nor keys."""
    text = "external_key,action_flags,code,name,parent=>external_key\n1,cu*,1,a,2\n2,cu*,2,b,\n"

    failed = sync_text(text + "3,x,3,c,\n", Node)
    report = sync_text(text, Node)
    again = sync_text(text, Node)

    assert (failed.committed, report.committed) == (False, True)
    assert outcomes(report) == {"created": 2}
    assert outcomes(again) == {"unchanged": 2}
    assert Node.objects.get(code="1").parent == Node.objects.get(code="2")


def test_the_run_after_one_that_code_of_the_project_has_ended_starts_afresh(sync_text: Sync) -> None:
    """T3: content types too, which Django keeps in memory."""
    text = "external_key,action_flags,code,name\n1,cu*,1,a\n"

    def fail(**_: Any) -> None:
        raise ZeroDivisionError

    ContentType.objects.filter(app_label="testapp", model="node").delete()
    ContentType.objects.clear_cache()
    batch_applied.connect(fail)
    try:
        with pytest.raises(ZeroDivisionError):
            sync_text(text, Node)
    finally:
        batch_applied.disconnect(fail)

    assert outcomes(sync_text(text, Node)) == {"created": 1}
    assert ExternalKeyMapping.objects.get().content_object == Node.objects.get()
