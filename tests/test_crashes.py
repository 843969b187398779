"""A run that is cut off: its connection is lost, or the disk is full; nothing is half done, and the record says so."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import CommandError, call_command
from django.db import connection, connections
from django.db.models.signals import post_save

from nsync import SyncOptions, sync
from nsync.locks import DEAD
from nsync.models import Run as RunRecord
from nsync.record.report import Report
from tests.conflicting import disturbed, people, wipe, writes_person
from tests.telling import outcomes
from tests.test_locks import cut, is_free
from tests.testapp.models import Person

pytestmark = [pytest.mark.django_db(transaction=True)]
both = pytest.mark.parametrize("as_transaction", [True, False], ids=["one transaction", "in batches"])
engines = pytest.mark.parametrize("engine", ["bulk", "objects"])

HEAD = "external_key,action_flags,match_on,employee_id,first_name,age\n"
TEXT = HEAD + "".join(f"{number},cu*,employee_id,{number},P{number},{number}\n" for number in range(1, 7))


@pytest.fixture(autouse=True)
def _start_and_leave_clean(transactional_db: None) -> Iterator[None]:
    wipe()
    yield
    ContentType.objects.clear_cache()
    connection.close()


def run(text: str = TEXT, **options: Any) -> Report:
    chosen: dict[str, Any] = {"batch_size": 2, "record": "changes", **options}
    return sync(io.StringIO(text), Person, system="HR", options=SyncOptions(**chosen))


def check_end(report: Report, as_transaction: bool) -> None:
    """What was committed is whole batches, and what the record and the report say is that, too."""
    found = RunRecord.objects.get()
    assert report.error
    assert found.error == report.error
    assert report.errors == {}
    assert sum(outcomes(report).values()) == report.rows
    if as_transaction:
        assert people() == []
        assert (report.committed, report.exit_code, found.status) == (False, 1, "failed")
        assert not found.changes.exists()
    else:
        assert [row[0] for row in people()] == ["1", "2"]
        assert (report.committed, report.exit_code, found.status) == (True, 3, "applied with rejects")
        assert report.last_committed.endswith(":3")
        assert {change.line for change in found.changes.all()} <= {0, 2, 3}
    assert is_free([Person], "default")
    rest = run()
    assert rest.status == "applied"
    assert [row[0] for row in people()] == [str(number) for number in range(1, 7)]
    assert outcomes(rest) == ({"created": 6} if as_transaction else {"created": 4, "unchanged": 2})


# --- the connection ---------------------------------------------------------------------------------------------------


@pytest.mark.database("postgresql", "mariadb")
@both
@engines
def test_a_connection_that_is_lost_while_a_batch_is_written_leaves_nothing_half_done(
    engine: str, as_transaction: bool
) -> None:
    """T4: what the server had not committed is gone; the end of the run is recorded over another connection."""
    skip = 2 if engine == "objects" else 1
    with disturbed(writes_person, lambda: cut("default"), skip=skip):
        report = run(engine=engine, as_transaction=as_transaction)

    assert "run again" in report.error
    assert report.is_transient
    check_end(report, as_transaction)


@pytest.mark.database("postgresql", "mariadb")
@both
def test_a_connection_that_is_lost_while_a_batch_is_looked_up_leaves_nothing_half_done(as_transaction: bool) -> None:
    """T4."""

    def asks(sql: str, params: Any) -> bool:
        return sql.startswith("SELECT") and "employee_id" in sql and "testapp_person" in sql and "'3'" in repr(params)

    with disturbed(asks, lambda: cut("default")):
        report = run(engine="objects", as_transaction=as_transaction)

    assert "run again" in report.error
    check_end(report, as_transaction)


@pytest.mark.database("postgresql", "mariadb")
@pytest.mark.parametrize(("arguments", "code"), [((), 1), (("--no-as-transaction", "--batch-size", "2"), 3)])
def test_the_command_says_that_the_connection_is_lost(
    arguments: tuple[str, ...], code: int, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """T7."""
    path = tmp_path / "persons.csv"
    path.write_text(TEXT)
    command = ("syncfile", "HR", "testapp", "Person", str(path), "--engine", "objects", *arguments)

    with disturbed(writes_person, lambda: cut("default"), skip=2), pytest.raises((CommandError, SystemExit)) as ended:
        call_command(*command)

    assert getattr(ended.value, "returncode", getattr(ended.value, "code", 0)) == code
    said = f"{ended.value}{capsys.readouterr().err}"
    assert "run again" in said
    assert "Traceback" not in said
    assert len(people()) == (0 if code == 1 else 2)


@pytest.mark.database("postgresql", "mariadb")
def test_the_file_of_a_feed_whose_connection_is_lost_stays_for_the_next_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not the file that has failed."""
    monkeypatch.chdir(tmp_path)
    path = Path("persons.csv")
    path.write_text(TEXT)
    feed = ["[feeds.persons]", 'system = "HR"', 'model = "testapp.Person"', 'files = "*.csv"', 'archive = "done"']
    Path("nsync.toml").write_text("\n".join(feed))

    with disturbed(writes_person, lambda: cut("default"), skip=2), pytest.raises(CommandError, match="run again"):
        call_command("syncfeed", "persons", "--engine", "objects", "-v", "0")

    assert path.exists()
    assert not Path("failed").exists()
    call_command("syncfeed", "persons", "-v", "0")
    assert not path.exists()
    assert len(people()) == 6


@pytest.mark.database("postgresql", "mariadb")
@both
def test_a_server_that_does_not_come_back_is_no_traceback_and_the_next_run_marks_the_record(
    as_transaction: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """T4: nobody can write down the end of the run."""
    port = connection.settings_dict["PORT"]

    def go_away() -> None:
        cut("default")
        connection.settings_dict["PORT"] = "1"

    try:
        with disturbed(writes_person, go_away, skip=2):
            report = run(engine="objects", as_transaction=as_transaction)
    finally:
        connection.settings_dict["PORT"] = port

    assert report.error
    assert (report.committed, report.exit_code) == ((False, 1) if as_transaction else (True, 3))
    assert any("could not be recorded" in message for message in caplog.messages)
    assert len(people()) == (0 if as_transaction else 2)
    assert RunRecord.objects.get().status == "running"
    run()
    first, second = RunRecord.objects.order_by("pk")
    assert (first.status, first.error, second.status) == ("failed", DEAD, "applied")
    assert len(people()) == 6


@pytest.mark.database("postgresql", "mariadb")
@both
def test_code_of_the_project_that_catches_a_lost_connection_does_not_make_it_a_row_error(as_transaction: bool) -> None:
    """T4: the row, and those after it, are no worse than others."""

    def lose(instance: Person, **_: Any) -> None:
        if instance.employee_id == "3":
            cut("default")
            with suppress(Exception):
                Person.objects.count()

    post_save.connect(lose, sender=Person)
    try:
        report = run(as_transaction=as_transaction, on_error="skip")
    finally:
        post_save.disconnect(lose, sender=Person)

    assert "run again" in report.error
    check_end(report, as_transaction)


# --- the disk ---------------------------------------------------------------------------------------------------------


@contextmanager
def little_room(pages: int) -> Iterator[None]:
    """Let SQLite's database grow by a few pages and no more, as a full disk does."""
    with connections["default"].cursor() as cursor:
        cursor.execute("VACUUM")
        cursor.execute("PRAGMA page_count")
        (count,) = cursor.fetchone()
        cursor.execute(f"PRAGMA max_page_count = {count + pages}")
    try:
        yield
    finally:
        with connections["default"].cursor() as cursor:
            cursor.execute("PRAGMA max_page_count = 1000000")


@pytest.mark.database("sqlite")
@both
@engines
def test_a_disk_that_is_full_leaves_nothing_half_done(engine: str, as_transaction: bool) -> None:
    """T4: SQLite ends the transaction by itself; nobody goes on in it."""
    rows = 400
    text = HEAD + "".join(f"{n},cu*,employee_id,{n},{'x' * 50},1\n" for n in range(rows))
    options: dict[str, Any] = {"engine": engine, "as_transaction": as_transaction, "batch_size": 20}

    with little_room(8):
        report = run(text, record="summary", **options)

    assert "full" in report.error
    assert report.errors == {}
    assert report.exit_code == (1 if as_transaction else 3)
    assert (len(people()) == 0) == as_transaction
    if not as_transaction:
        assert len(people()) == int(report.last_committed.rpartition(":")[2]) - 1
        assert len(people()) % 20 == 0
    assert run(text, **options).status == "applied"
    assert len(people()) == rows
    assert not RunRecord.objects.filter(status="running").exists()


@pytest.mark.database("postgresql")
def test_a_proof_that_finds_no_room_for_temporary_files_is_given_up() -> None:
    """T10: the rows are then looked at; temp_file_limit refuses as a full disk does."""
    text = HEAD + "".join(f"{n},cu*,employee_id,{n},{'x' * 50},1\n" for n in range(6_000))
    run(text, batch_size=2_000, record="summary")

    with connection.cursor() as cursor:
        cursor.execute("SET temp_file_limit = '8kB'")
        cursor.execute("SET work_mem = '64kB'")
    report = run(text.replace("17,cu*,employee_id,17,x", "17,cu*,employee_id,17,y"), batch_size=2_000)

    assert outcomes(report) == {"updated": 1, "unchanged": 5_999}
