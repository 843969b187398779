"""What the database takes back because others are in the way is done again: a batch, or a run in one transaction."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, OperationalError, connection, connections, transaction
from django.db.models.signals import post_save

from nsync import SyncOptions, sync
from nsync.accounts import Accounts
from nsync.actions import Place
from nsync.changes import OutcomeKind
from nsync.conflicts import conflict_in, ends_transaction
from nsync.errors import Problem, RowError
from nsync.models import ExternalSystem
from nsync.models import Run as RunRecord
from nsync.policies import OrderedSyncPolicy
from nsync.record.details import WARNING
from nsync.record.report import Report
from nsync.rows import Row
from nsync.signals import batch_applied
from tests.conflicting import Others, deadlocked, disturbed, people, picture, wipe, writes_parcel, writes_person
from tests.old_policies import OldPolicy
from tests.services import TEST_DATABASE
from tests.telling import outcomes
from tests.test_concurrency import meanwhile
from tests.testapp.models import Parcel, Person

pytestmark = [pytest.mark.django_db(transaction=True)]
on_servers = pytest.mark.database("postgresql", "mariadb")
both = pytest.mark.parametrize("as_transaction", [True, False], ids=["one transaction", "in batches"])
engines = pytest.mark.parametrize("engine", ["bulk", "objects"])

HEAD = "external_key,action_flags,match_on,employee_id,first_name,age,company=>name\n"
# The first batch: a row that fails, one that changes Alfred, one with a warning. The second: two new persons.
TEXT = HEAD + (
    "a,cu*,employee_id,1,Bad,old,\n"
    "b,cu*,employee_id,2,Alfred,50,\n"
    "c,cu*,employee_id,3,Clark,51,Nowhere\n"
    "d,cu*,employee_id,4,Diana,52,\n"
    "e,cu*,employee_id,5,Edward,53,\n"
)


def start() -> None:
    """Have Alfred, who has neither key nor age, and nothing else."""
    wipe()
    Person.objects.create(employee_id="2", first_name="Alfred")


def run(text: str = TEXT, **options: Any) -> Report:
    chosen: dict[str, Any] = {"batch_size": 3, "on_error": "skip", "max_errors": 2, "record": "changes", **options}
    return sync(io.StringIO(text), Person, system="HR", options=SyncOptions(**chosen))


def claim(employee_id: str) -> Callable[[], Any]:
    """Give what writes a person whose number the run is about to write."""
    return lambda: Person.objects.create(employee_id=employee_id, first_name="Somebody")


def change_alfred() -> None:
    Person.objects.filter(employee_id="2").update(age=99)


def _driver(name: str, value: object) -> Exception:
    """Give an error as a driver would raise it, and Django from it."""
    cause = Exception("of the driver")
    setattr(cause, name, value)
    error = OperationalError(f"{name} {value}")
    error.__cause__ = cause
    return error


def deadlock(times: int = 1) -> Any:
    """Have the run change Alfred, and meet a deadlock when it writes Clark."""
    return deadlocked(claim("3"), change_alfred, writes_person, times)


@pytest.fixture(autouse=True)
def _leave_types_alone() -> Iterator[None]:
    yield
    ContentType.objects.clear_cache()


# --- deadlocks --------------------------------------------------------------------------------------------------------


@on_servers
@both
@engines
def test_after_a_deadlock_all_is_as_after_an_undisturbed_run(engine: str, as_transaction: bool) -> None:
    """
    T3: tables, keys, history, counts, and what is told of rows.

    A row that failed counts once, or the second error would end the run; and no row fails because of the deadlock.
    """
    start()
    undisturbed = picture(run(engine=engine, as_transaction=as_transaction))
    start()

    with deadlock():
        report = run(engine=engine, as_transaction=as_transaction)

    assert picture(report) == undisturbed
    assert (report.retries, report.failed, len(people())) == (1, 1, 4)


@on_servers
@both
def test_after_a_deadlock_by_columns_all_is_as_after_an_undisturbed_run(as_transaction: bool) -> None:
    """T3: as above, where no row is planned by itself."""
    head = "external_key,action_flags,match_on,code,label,pieces\n"
    text = head + "a,cu*,code,1,A,1\nb,cu*,code,2,B,2\nc,cu*,code,3,C,3\nd,cu*,code,4,D,4\n"

    def sync_parcels() -> Report:
        wipe()
        Parcel.objects.create(code="1", label="A")
        options = SyncOptions(batch_size=2, record="changes", engine="columns", as_transaction=as_transaction)
        return sync(io.StringIO(text), Parcel, system="HR", options=options)

    undisturbed = picture(sync_parcels())

    def claim_second() -> None:
        Parcel.objects.create(code="2", label="somebody's")

    def change_first() -> None:
        Parcel.objects.filter(code="1").update(label="theirs")

    with deadlocked(claim_second, change_first, writes_parcel, skip=1):  # the first is the one that is there before
        report = sync_parcels()

    assert picture(report) == undisturbed
    assert (report.retries, Parcel.objects.count()) == (1, 4)


@on_servers
@both
@pytest.mark.parametrize("receiver", [None, "saved"], ids=["by columns", "saved one by one"])
def test_rows_that_are_proved_unchanged_count_once_whatever_is_tried_again(
    receiver: str | None, as_transaction: bool
) -> None:
    """T10, O1: rows that no batch has are between those that it has."""
    head, count = "external_key,action_flags,match_on,code,label,pieces\n", 400
    old = "".join(f"k{number},cu*,code,{number:03},L,1\n" for number in range(count))
    new = "".join(f"k{number},cu*,code,{number:03},L,{1 + (number % 9 == 0)}\n" for number in range(count))
    options = SyncOptions(batch_size=30, record="changes", as_transaction=as_transaction)

    def listen(**_: Any) -> None: ...

    def sync_twice(others: Any) -> Report:
        wipe()
        sync(io.StringIO(head + old), Parcel, system="HR", options=options)
        with others:
            return sync(io.StringIO(head + new + "n,cu*,code,new,L,1\n"), Parcel, system="HR", options=options)

    def claim_new() -> None:
        Parcel.objects.create(code="new", label="somebody's")

    def change_last() -> None:
        Parcel.objects.filter(code="396").update(label="theirs")

    def writes_new(sql: str, params: Any) -> bool:
        return writes_parcel(sql, params) and "new" in repr(params)

    if receiver:
        post_save.connect(listen, sender=Parcel)
    try:
        undisturbed = picture(sync_twice(nullcontext()))
        report = sync_twice(deadlocked(claim_new, change_last, writes_new))
    finally:
        post_save.disconnect(listen, sender=Parcel)

    assert picture(report) == undisturbed
    assert outcomes(report) == {"created": 1, "updated": 45, "unchanged": count - 45}
    assert report.retries == 1


@on_servers
@both
def test_a_later_phase_that_meets_a_deadlock_leaves_what_the_earlier_one_noted(as_transaction: bool) -> None:
    """T2, T3: in one transaction all phases begin anew; else the batch of that phase."""

    def sync_ordered() -> Report:
        start()
        Person.objects.create(employee_id="5", first_name="Edward")
        options = SyncOptions(on_error="skip", record="changes", engine="objects", as_transaction=as_transaction)
        return sync(io.StringIO(TEXT), Person, system="HR", policy=OrderedSyncPolicy, options=options)

    def locks_person(sql: str, params: Any) -> bool:
        return "FOR UPDATE" in sql and "testapp_person" in sql

    undisturbed = picture(sync_ordered())
    with deadlocked(lambda: Person.objects.filter(employee_id="5").update(age=99), change_alfred, locks_person, skip=1):
        report = sync_ordered()

    assert picture(report) == undisturbed
    assert outcomes(report) == {"failed": 1, "created": 2, "updated": 2}
    assert report.retries == 1


@pytest.mark.parametrize(
    ("error", "is_conflict", "ends"),
    [
        (_driver("sqlstate", "40001"), True, True),
        (_driver("pgcode", "40P01"), True, True),
        (_driver("sqlstate", "23505"), False, False),
        (_driver("sqlstate", "55P03"), False, False),
        (_driver("sqlite_errorcode", 517), True, True),
        (_driver("sqlite_errorcode", 13), False, False),
        (OperationalError(1213, "Deadlock found"), True, True),
        (OperationalError(1020, "Record has changed"), True, True),
        (OperationalError(1205, "Lock wait timeout exceeded"), True, False),
        (OperationalError(1305, "SAVEPOINT s1 does not exist"), True, True),
        (OperationalError(1305, "PROCEDURE s1 does not exist"), False, False),
        (KeyError(1213), False, False),
    ],
    ids=str,
)
def test_which_errors_are_worth_another_try(error: Exception, is_conflict: bool, ends: bool) -> None:
    """T3: also if they are the cause of another."""
    other = ValueError("something else")
    other.__cause__ = error

    assert (conflict_in(error) is not None, ends_transaction(error)) == (is_conflict, ends)
    assert (conflict_in(other) is not None, ends_transaction(other)) == (is_conflict, ends)


@on_servers
@both
def test_a_deadlock_while_a_refused_batch_is_written_in_parts_is_no_row_error(as_transaction: bool) -> None:
    """T3, T1: halving finds whose row is refused; it does not go on after the deadlock."""
    text = HEAD + "b,cu*,employee_id,2,Alfred,50,\n"
    text += "".join(f"n{number},c,,n{number},New,{number},\n" for number in range(20)).replace(",n15,", ",0,")

    def sync_refused() -> Report:
        start()
        Person.objects.create(employee_id="0", first_name="T")
        return run(text, as_transaction=as_transaction, batch_size=50, engine="bulk")

    def writes_last(sql: str, params: Any) -> bool:
        return writes_person(sql, params) and "n19" in repr(params)

    undisturbed = picture(sync_refused())
    with deadlocked(claim("n19"), change_alfred, writes_last, skip=1):
        report = sync_refused()

    assert picture(report) == undisturbed
    assert (report.retries, report.errors) == (1, {"unique": 1})


@on_servers
def test_progress_begins_anew_with_the_run_and_comes_to_its_end() -> None:
    start()
    text = HEAD + "b,cu*,employee_id,2,Alfred,50,\n"
    text += "".join(f"n{number},c,,n{number},New,{number},\n" for number in range(299))
    told: list[tuple[int, int, int]] = []

    def writes_last(sql: str, params: Any) -> bool:
        return writes_person(sql, params) and "n298" in repr(params)

    with deadlocked(claim("n298"), change_alfred, writes_last):
        options = SyncOptions(batch_size=100)
        sync(io.BytesIO(text.encode()), Person, system="HR", options=options, progress=lambda *now: told.append(now))

    assert [rows for rows, _, _ in told] == [100, 200, 100, 200, 300]
    assert told[-1][1] == told[-1][2] == len(text)


# --- SQLite, which has one writer -------------------------------------------------------------------------------------


@pytest.fixture
def shared_file(tmp_path: Path) -> Iterator[Path]:
    """Have a database in a file with a log of what is written (WAL), which others can reach."""
    path = tmp_path / "db.sqlite3"
    memory, settings = connections["default"], connections.databases["default"]
    with connection.cursor() as cursor:
        cursor.execute("VACUUM INTO %s", [str(path)])
    connections.databases["default"] = {**settings, "NAME": str(path), "OPTIONS": {"timeout": 0.1}}
    connections["default"] = connections.create_connection("default")
    with connection.cursor() as cursor:
        cursor.execute("PRAGMA journal_mode = WAL")
    yield path
    connections["default"].close()
    connections["default"], connections.databases["default"] = memory, settings


@pytest.mark.database("sqlite")
@both
@engines
def test_a_write_after_others_have_written_since_it_was_read_is_tried_again(
    shared_file: Path, engine: str, as_transaction: bool
) -> None:
    """T3, T8: SQLITE_BUSY_SNAPSHOT, for which no time is waited; what others wrote is not lost."""
    start()

    def change() -> None:
        with closing(sqlite3.connect(shared_file)) as others, others:
            others.execute("UPDATE testapp_person SET hair_colour = 'grey'")

    def begins_to_write(sql: str, params: Any) -> bool:
        return sql.startswith("SAVEPOINT")

    with disturbed(begins_to_write, change):
        report = run(engine=engine, as_transaction=as_transaction)

    assert report.retries == 1
    assert [(row[0], row[2]) for row in people()] == [("2", 50), ("3", 51), ("4", 52), ("5", 53)]
    assert Person.objects.get(employee_id="2").hair_colour == "grey"
    assert (report.failed, report.exit_code) == (1, 3)


@pytest.mark.database("sqlite")
@both
def test_a_database_that_is_locked_for_a_while_is_tried_again(shared_file: Path, as_transaction: bool) -> None:
    """T3: SQLITE_BUSY, for which the run has waited as long as its connection is told to."""
    start()
    others = sqlite3.connect(shared_file, isolation_level=None, check_same_thread=False)
    seen: list[str] = []

    def lock(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not seen and sql.startswith("INSERT") and "nsync_run" not in sql:
            seen.append(sql)
            others.execute("BEGIN IMMEDIATE")
            try:
                return execute(sql, params, many, context)
            finally:
                others.execute("ROLLBACK")
        return execute(sql, params, many, context)

    ExternalSystem.objects.create(name="HR")
    with connection.execute_wrapper(lock):
        report = run(as_transaction=as_transaction)
    others.close()

    assert report.retries == 1
    assert [(row[0], row[2]) for row in people()] == [("2", 50), ("3", 51), ("4", 52), ("5", 53)]
    assert (report.failed, report.exit_code) == (1, 3)


@on_servers
@both
def test_a_dry_run_is_started_again_too(as_transaction: bool) -> None:
    start()
    expected = outcomes(run(dry_run=True))

    with deadlock():
        report = run(dry_run=True, as_transaction=as_transaction)

    assert (outcomes(report), report.retries, report.status) == (expected, 1, "dry run")
    assert people() == [("2", "Alfred", None, None, None)]
    assert not ExternalSystem.objects.exists()


@on_servers
@both
def test_a_deadlock_that_comes_four_times_ends_the_run(as_transaction: bool) -> None:
    """T4: what was committed before stays; in one transaction that is nothing."""
    start()
    Person.objects.bulk_create([Person(employee_id=number, first_name="Old") for number in "789"])
    before = people()
    text = HEAD + "z,u*,employee_id,7,,7,\ny,u*,employee_id,8,,8,\nx,u*,employee_id,9,,9,\n"

    with deadlock(times=4):
        report = run(text + TEXT.partition("\n")[2], as_transaction=as_transaction)

    assert "the database gave up, 4 times: " in report.error
    assert "run again" in report.error
    assert report.retries == 3
    assert sum(outcomes(report).values()) == report.rows
    found = RunRecord.objects.get()
    if as_transaction:
        assert people() == before
        assert (report.exit_code, report.last_committed, found.status) == (1, "", "failed")
    else:
        assert [(row[0], row[2]) for row in people()] == [("2", None), ("7", 7), ("8", 8), ("9", 9)]
        assert (report.exit_code, report.last_committed[-2:], found.status) == (3, ":4", "applied with rejects")
    assert found.error == report.error
    assert found.changes.exists() != as_transaction


@on_servers
@both
def test_a_run_in_a_transaction_of_the_callers_is_not_tried_again(as_transaction: bool) -> None:
    """T3: on MariaDB the server has ended that transaction; nobody goes on in it."""
    start()
    with deadlock(), transaction.atomic():
        report = run(as_transaction=as_transaction)
        assert connection.needs_rollback == (TEST_DATABASE == "mariadb")
        if TEST_DATABASE == "postgresql":
            assert people() == [("2", "Alfred", None, None, None)]

    assert "deadlock" in report.error.lower()
    assert (report.retries, report.committed) == (0, False)
    assert people() == [("2", "Alfred", None, None, None)]


@on_servers
def test_a_policy_that_walks_its_actions_is_not_executed_again() -> None:
    """P1: nobody knows what it does besides."""
    start()
    with deadlock():
        report = sync(io.StringIO(TEXT), Person, system="HR", policy=OldPolicy, options=SyncOptions(on_error="skip"))

    assert "deadlock" in report.error.lower()
    assert (report.retries, report.exit_code) == (0, 1)
    assert people() == [("2", "Alfred", None, None, None)]


@on_servers
@both
@pytest.mark.parametrize("how", ["swallows", "wraps"])
def test_code_of_the_project_that_catches_a_deadlock_does_not_go_on_in_an_ended_transaction(
    how: str, as_transaction: bool
) -> None:
    """T3: it is caught in a receiver, and noticed all the same; even after the last row, where only COMMIT is left."""

    def make_another(instance: Person, **_: Any) -> None:
        if instance.employee_id != "5":
            return
        try:
            Person.objects.bulk_create([Person(employee_id="L", first_name="Lost")])
        except DatabaseError as error:
            if how == "wraps":
                raise ValueError("this would be a row error") from error

    post_save.connect(make_another, sender=Person)
    try:
        start()
        undisturbed = picture(run(as_transaction=as_transaction))
        start()

        def writes_lost(sql: str, params: Any) -> bool:
            return writes_person(sql, params) and "Lost" in repr(params)

        with deadlocked(claim("L"), claim("4"), writes_lost):
            report = run(as_transaction=as_transaction)
    finally:
        post_save.disconnect(make_another, sender=Person)

    assert picture(report) == undisturbed
    assert (report.retries, report.errors.get("refused", 0)) == (1, 0)


@on_servers
def test_what_waits_is_tried_again_as_a_batch_of_its_own() -> None:
    """R6: the rows that wait are those that waited before the deadlock."""
    head = "external_key,action_flags,match_on,employee_id,first_name,manager=>employee_id\n"
    text = head + "a,c,,1,A,2\nb,c,,3,C,2\nc,c,,2,B,\nd,c,,4,D,5\n"
    options = {"as_transaction": False, "batch_size": 1, "engine": "objects"}
    wipe()
    undisturbed = picture(run(text, **options))
    wipe()

    def locks_person(sql: str, params: Any) -> bool:
        return "FOR UPDATE" in sql and "testapp_person" in sql

    def change(employee_id: str) -> Callable[[], Any]:
        return lambda: Person.objects.filter(employee_id=employee_id).update(age=99)

    with deadlocked(change("3"), change("1"), locks_person, skip=1):
        report = run(text, **options)

    assert picture(report) == undisturbed
    assert report.retries == 1
    assert [row[4] for row in people()] == ["2", None, "2", None]
    assert report.warnings == {"missing-reference": 1}


# --- serialization failures, and waiting in vain ----------------------------------------------------------------------


@on_servers
@both
@engines
def test_after_a_serialization_failure_all_is_done_on_what_is_there_now(engine: str, as_transaction: bool) -> None:
    start()
    undisturbed = picture(run(engine=engine, as_transaction=as_transaction))
    start()

    def change() -> None:
        Person.objects.filter(employee_id="2").update(hair_colour="grey")

    with _snapshots(), meanwhile(change, "testapp_person"):
        report = run(engine=engine, as_transaction=as_transaction)

    assert picture(report) == undisturbed
    assert report.retries == 1
    assert Person.objects.get(employee_id="2").hair_colour == "grey"


class _snapshots:  # noqa: N801  # a context manager that reads as one
    """Let the run see one state of the database, and be refused what others have changed since."""

    def __enter__(self) -> None:
        if TEST_DATABASE == "postgresql":
            self._say("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            return
        self._say("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        self._say("SET SESSION innodb_snapshot_isolation = ON")

    def __exit__(self, *_: Any) -> None:
        connection.close()

    def _say(self, sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql)


@pytest.mark.database("mariadb")
@both
def test_who_waited_in_vain_for_a_lock_tries_again(as_transaction: bool) -> None:
    start()
    undisturbed = picture(run(as_transaction=as_transaction))
    start()
    others = Others(claim("3"), lambda: connection.cursor().execute("SELECT SLEEP(1.5)"))

    with connection.cursor() as cursor:
        cursor.execute("SET SESSION innodb_lock_wait_timeout = 1")
    with disturbed(writes_person, others.begin):
        report = run(as_transaction=as_transaction)
    others.end()
    connection.close()

    assert picture(report) == undisturbed
    assert report.retries == 1


# --- what is not done again -------------------------------------------------------------------------------------------


class _Refusal(Exception):
    """As a driver would say it."""

    sqlstate = "40001"


def test_a_batch_that_is_committed_is_not_run_again_because_of_a_hook() -> None:
    """T3: what the project does after a commit has failed, and not the batch."""
    calls: list[int] = []

    def hook() -> None:
        calls.append(1)
        raise OperationalError("in a hook") from _Refusal()

    def register(**_: Any) -> None:
        transaction.on_commit(hook)

    wipe()
    post_save.connect(register, sender=Person)
    try:
        report = run(HEAD + "a,c,,1,A,,\nb,c,,2,B,,\n", as_transaction=False, batch_size=1)
    finally:
        post_save.disconnect(register, sender=Person)

    assert calls == [1]
    assert (report.retries, report.exit_code, report.last_committed[-2:]) == (0, 3, ":2")
    assert [row[0] for row in people()] == ["1"]


def test_receivers_hear_of_a_batch_once_and_only_when_it_is_committed() -> None:
    """T3."""
    heard: list[int] = []

    def hear(rows: int, **_: Any) -> None:
        heard.append(rows)

    batch_applied.connect(hear)
    try:
        wipe()
        run(HEAD + "a,c,,1,A,,\nb,c,,2,B,,\n", as_transaction=False, batch_size=1)
    finally:
        batch_applied.disconnect(hear)

    assert heard == [1, 2]


def test_changes_that_could_not_be_recorded_are_recorded_once() -> None:
    """T3: what the record still held of a batch is forgotten with it."""

    def refuse() -> None:
        raise OperationalError("others are in the way") from _Refusal()

    def records(sql: str, params: Any) -> bool:
        return sql.startswith(("INSERT INTO", "COPY")) and "recordedchange" in sql

    start()
    undisturbed = picture(run(as_transaction=False))
    start()

    with disturbed(records, refuse, skip=1):  # the first one is that of the system
        report = run(as_transaction=False)

    assert picture(report) == undisturbed
    assert report.retries == 1


# --- what an attempt has noted ----------------------------------------------------------------------------------------


def test_accounts_forget_what_a_batch_has_noted(db: None) -> None:
    accounts = Accounts(SyncOptions(on_error="skip"), 1)
    row = Row(2, ("a",), ("1",))
    problem = Problem("missing-reference", "finds nothing", "a", "1")
    accounts.fail(Place(0, 0, 2), row, RowError(problem), {})
    accounts.waiting.add_row(Place(0, 1, 3), row, problem, is_key=False, blocker=None)
    accounts.ledger.wait(Place(0, 1, 3), True)

    mark = accounts.mark([(0, 1, 3)])
    for _ in range(2):
        accounts.fail(Place(0, 2, 4), row, RowError(problem), {})
        accounts.details.note(Place(0, 0, 2), WARNING, problem)
        accounts.waiting.forget_row(Place(0, 1, 3))
        accounts.ledger.wait(Place(0, 1, 3), False)
        accounts.ledger.note(Place(0, 1, 3), OutcomeKind.CREATED)
        accounts.displaced += 1
        accounts.writes = accounts.has_deleted = accounts.writes_across = True
        accounts.written.add("testapp.Person")
        accounts.take_back(mark)
    accounts.keep()

    assert (accounts.failed, accounts.displaced, accounts.written) == (1, 0, set())
    assert [accounts.writes, accounts.has_deleted, accounts.writes_across] == [False] * 3
    assert accounts.ledger.rows(0) == 2
    assert accounts.ledger.waits(Place(0, 1, 3))
    assert [waiting.place for waiting in accounts.waiting.rows()] == [Place(0, 1, 3)]
    assert [(entry.ordinal, len(entry.problems)) for entry in accounts.details.entries()] == [(0, 1)]
    assert len(list(accounts.details.rejects(0))) == 1


def test_accounts_forget_who_waits_since_the_batch(db: None) -> None:
    accounts = Accounts(SyncOptions(), 1)
    mark = accounts.mark([(0, 0, 1)])
    problem = Problem("missing-reference", "finds nothing", "a", "1")
    accounts.waiting.add_row(Place(0, 0, 2), Row(2, ("a",), ("1",)), problem, is_key=False, blocker=None)
    accounts.take_back(mark)
    accounts.keep()

    assert list(accounts.waiting.all()) == []
