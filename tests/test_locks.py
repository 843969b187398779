"""One run at a time per model: who comes second is refused, or waits, and is told who has it; a crash frees it."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from nsync import locking
from nsync.errors import ConfigError, NsyncError
from nsync.filelocks import drop_file, read_file, take_file
from nsync.locks import DEAD, Holder, Locked, locked, mark_dead, sweep
from nsync.models import Run
from tests.services import TEST_DATABASE
from tests.test_concurrency import elsewhere
from tests.testapp.models import Company, Contractor, Employee, Person, Tag

pytestmark = pytest.mark.django_db(transaction=True)
both = pytest.mark.parametrize("in_transaction", [True, False], ids=["one transaction", "in batches"])
of_files = pytest.mark.database("sqlite")
of_sessions = pytest.mark.database("postgresql", "mariadb")


@pytest.fixture
def using(transactional_db: None, tmp_path: Path) -> Iterator[str]:
    """Give the alias of a database that other processes can reach: of SQLite a file, with no more than is needed."""
    if TEST_DATABASE != "sqlite":
        yield "default"
        return
    memory, settings = connections["default"], connections.databases["default"]
    connections.databases["default"] = {**settings, "NAME": str(tmp_path / "db.sqlite3")}
    connections["default"] = connections.create_connection("default")
    with connections["default"].schema_editor() as editor:
        editor.create_model(Run)
    yield "default"
    connections["default"].close()
    connections["default"], connections.databases["default"] = memory, settings
    assert [path.name for path in tmp_path.iterdir()] == ["db.sqlite3"]


def begin(using: str, *labels: str, **values: Any) -> int:
    values = {"user": "bruce", "host": "cave", "command": "manage.py syncfile", **values}
    return Run.objects.using(using).create(model=", ".join(labels), **values).pk


def ended(using: str) -> dict[int, str]:
    """Give the runs that have ended, and why."""
    over = Run.objects.using(using).exclude(status="running", ended=None)
    return {run.pk: run.error for run in over if (run.status, bool(run.ended)) == ("failed", True)}


@contextmanager
def entered(models: list[Any], using: str, in_transaction: bool = False, **options: Any) -> Iterator[None]:
    """Lock as a run does, inside its transaction if it has one."""
    options = {"run": None, **options}
    with ExitStack() as stack:
        if in_transaction:
            stack.enter_context(transaction.atomic(using=using))
        stack.enter_context(locked(models, using, in_transaction=in_transaction, **options))
        yield


def waiting_for(models: list[Any], using: str, in_transaction: bool = False, **options: Any) -> threading.Thread:
    def take() -> None:
        with entered(models, using, in_transaction, wait=20, **options):
            pass

    return elsewhere(take)


@contextmanager
def held(models: list[Any], using: str, **options: Any) -> Iterator[Callable[[], None]]:
    """Have another connection hold the locks; gives what frees them early."""
    is_held, is_over = threading.Event(), threading.Event()

    def hold() -> None:
        with entered(models, using, **options):
            is_held.set()
            is_over.wait(20)

    thread = elsewhere(hold)

    def free() -> None:
        is_over.set()
        thread.join(20)

    try:
        assert is_held.wait(10)
        yield free
    finally:
        free()


def is_free(models: list[Any], using: str) -> bool:
    """Whether another connection can lock these models."""
    found: list[bool] = []

    def take() -> None:
        try:
            with entered(models, using):
                found.append(True)
        except Locked:
            found.append(False)

    elsewhere(take).join(10)
    (is_got,) = found
    return is_got


# --- who comes second -------------------------------------------------------------------------------------------------


@both
def test_who_comes_second_is_refused_and_told_which_run_has_it(using: str, in_transaction: bool) -> None:
    run = begin(using, "testapp.Tag", "testapp.Person")
    begin(using, "testapp.Person")  # seems to go on, but has no lock
    started = time.monotonic()
    with held([Person, Tag], using, run=run, in_transaction=in_transaction):
        with pytest.raises(Locked) as caught, entered([Person], using, in_transaction):
            raise AssertionError("it is let in")
        took = time.monotonic() - started

    model, holder, _ = caught.value.args
    assert (model, holder[:3]) == ("testapp.Person", (run, "bruce@cave", "manage.py syncfile"))
    text = f"testapp.Person is being synced by run {run} (bruce@cave, manage.py syncfile, since {holder.since:%Y-}"
    assert str(caught.value).startswith(text)
    assert str(caught.value).endswith("); wait for it with --wait SECONDS")
    assert took < 5


def test_a_run_that_waits_too_is_not_taken_for_the_one_that_has_it(using: str) -> None:
    waiting, holding = begin(using, "testapp.Person"), begin(using, "testapp.Person")
    with held([Person], using, run=holding) as free:
        thread = waiting_for([Person], using, run=waiting)
        time.sleep(0.5)
        with pytest.raises(Locked, match=f"run {holding} "), entered([Person], using):
            pass
        free()
        thread.join(10)


def test_a_run_that_nobody_recorded_has_no_name(using: str) -> None:
    begin(using, "testapp.Person")
    with held([Person], using), pytest.raises(Locked) as caught, entered([Person], using):
        pass

    assert str(caught.value) == (
        "testapp.Person is being synced by another process, which keeps no record of it; "
        "wait for it with --wait SECONDS"
    )


def test_a_run_from_code_says_so_and_who_waited_is_told() -> None:
    assert f"(cave, {'x' * 100}…, since " in str(Locked("testapp.Person", Holder(3, "cave", "x" * 101, Run().started)))
    holder = Holder(3, "cave", "", Run().started)
    error = pickle.loads(pickle.dumps(Locked("testapp.Person", holder, 2.5)))

    assert isinstance(error, NsyncError)
    assert "run 3 (cave, code, since 2" in str(error)
    assert str(error).endswith("); waited 2.5 s in vain, --wait takes more")


@both
def test_who_waits_gets_it_when_it_is_free(using: str, in_transaction: bool) -> None:
    with held([Person], using, in_transaction=in_transaction) as free:
        timer = threading.Timer(0.6, free)
        timer.start()
        started = time.monotonic()
        with entered([Person], using, in_transaction, wait=20):
            took = time.monotonic() - started
            assert not is_free([Person], using)
        timer.join()

    assert 0.4 < took < 10


@both
def test_who_waits_too_short_waits_in_vain(using: str, in_transaction: bool) -> None:
    started = time.monotonic()
    with held([Person], using, in_transaction=in_transaction):
        with pytest.raises(Locked, match=r"waited 0.5 s in vain"), entered([Person], using, in_transaction, wait=0.5):
            pass
        took = time.monotonic() - started

    assert 0.5 <= took < 5


@both
def test_other_models_are_free(using: str, in_transaction: bool) -> None:
    with held([Person], using, in_transaction=in_transaction), entered([Tag], using, in_transaction):
        assert not is_free([Tag], using)


# --- freed ------------------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_frees_all(using: str, in_transaction: bool, error: type[BaseException]) -> None:
    def fail() -> None:
        with entered([Person, Tag], using, in_transaction, run=begin(using, "testapp.Person")):
            assert not is_free([Tag], using)
            raise error

    for _ in range(2):
        with pytest.raises(error):
            fail()
        assert is_free([Person, Tag], using)


@both
def test_who_is_refused_one_model_keeps_none(using: str, in_transaction: bool) -> None:
    """In the transaction that goes on, too."""
    with held([Tag], using), transaction.atomic(using=using):
        taking = locked([Person, Tag], using, run=1, in_transaction=in_transaction)
        with pytest.raises(Locked):
            taking.__enter__()
        assert is_free([Person], using)
        assert Run.objects.using(using).count() == 0  # the transaction is not broken


@pytest.mark.database("sqlite", "mariadb")
@both
def test_all_is_freed_in_a_transaction_that_goes_on_or_is_broken(using: str, in_transaction: bool) -> None:
    with transaction.atomic(using=using):
        with locked([Person], using, run=1, in_transaction=in_transaction):
            assert not is_free([Person], using)
        assert is_free([Person], using)
        with locked([Person], using, run=1, in_transaction=in_transaction):
            transaction.set_rollback(True, using=using)  # after an error Django sends nothing until it is over
        assert is_free([Person], using)


@pytest.mark.database("postgresql")
@both
def test_postgresql_frees_with_the_transaction_that_is_open(using: str, in_transaction: bool) -> None:
    """Also with one of somebody else: before its commit nobody sees what was written."""
    with transaction.atomic(using=using):
        with locked([Person], using, run=1, in_transaction=in_transaction):
            pass
        assert not is_free([Person], using)
    assert is_free([Person], using)


@pytest.mark.database("postgresql")
def test_locks_of_a_transaction_that_is_not_there_are_an_error(using: str) -> None:
    """They would be gone at once."""
    with pytest.raises(transaction.TransactionManagementError, match="no transaction"):
        locked([Person], using, run=1, in_transaction=True).__enter__()


@pytest.mark.parametrize("is_known", [True, False])
@of_sessions
def test_a_connection_that_is_gone_frees_all(using: str, is_known: bool) -> None:
    with entered([Person], using, run=begin(using, "testapp.Person")):
        connections[using].close() if is_known else cut(using)
        assert is_free([Person], using)
    connections[using].close()


def cut(using: str) -> None:
    """Let the server end our session."""
    is_named = TEST_DATABASE == "postgresql"
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()" if is_named else "SELECT CONNECTION_ID()")
        (number,) = cursor.fetchone()

    def end() -> None:
        with connections[using].cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)" if is_named else "KILL %s", [number])

    elsewhere(end).join(10)


_HOLD = """
import sys, time
import django
from tests import settings
settings.DATABASES["default"]["NAME"] = sys.argv[1]
django.setup()
from tests.testapp.models import Person
from tests.test_locks import entered
with entered([Person], "default", sys.argv[2] == "True", run=int(sys.argv[3])):
    print("held", flush=True)
    time.sleep(60)
"""


@both
def test_who_is_killed_frees_all_and_the_next_run_says_that_it_is_dead(using: str, in_transaction: bool) -> None:
    run, later = begin(using, "testapp.Person"), begin(using, "testapp.Person")
    arguments = [str(connections[using].settings_dict["NAME"]), str(in_transaction), str(run)]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings", "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _HOLD, *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "held\n"
            with pytest.raises(Locked, match=f"run {run} "), entered([Person], using, in_transaction):
                pass
            assert ended(using) == {}
        finally:
            process.kill()

    with entered([Person], using, in_transaction, run=later, wait=10):
        pass
    assert ended(using) == {run: DEAD}


# --- which models -----------------------------------------------------------------------------------------------------


@both
def test_two_runs_that_name_the_same_models_in_another_order_do_not_wait_for_each_other(
    using: str, in_transaction: bool
) -> None:
    done: list[int] = []

    def take(models: list[Any]) -> None:
        for _ in range(20):
            with entered(models, using, in_transaction, wait=20):
                done.append(1)

    threads = [elsewhere(lambda: take([Person, Tag])), elsewhere(lambda: take([Tag, Person]))]
    for thread in threads:
        thread.join(30)

    assert len(done) == 40


@pytest.mark.parametrize(
    ("first", "second", "label"),
    [
        pytest.param(Contractor, Person, "testapp.Person", id="a proxy is its model"),
        pytest.param(Person, Contractor, "testapp.Person", id="and the model its proxy"),
        pytest.param(Employee, Person, "testapp.Person", id="a child has rows in the parent's table"),
        pytest.param(Contractor, Employee, "testapp.Person", id="and meets a proxy of its parent there"),
    ],
)
def test_models_that_share_a_table_are_one(using: str, first: Any, second: Any, label: str) -> None:
    run = begin(using, first._meta.label)
    with held([first], using, run=run), pytest.raises(Locked) as caught, entered([second], using):
        pass

    assert (caught.value.args[0], caught.value.args[1].run) == (label, run)


def test_a_run_inside_a_run_on_the_same_connection_is_let_in(using: str) -> None:
    outer, inner = begin(using, "testapp.Person"), begin(using, "testapp.Person", "testapp.Tag")
    with entered([Person], using, run=outer):
        with entered([Person, Tag], using, run=inner):
            assert not is_free([Tag], using)
        assert is_free([Tag], using)
        assert not is_free([Person], using)
    assert is_free([Person], using)
    assert ended(using) == {}


# --- dead runs --------------------------------------------------------------------------------------------------------


@both
def test_older_runs_of_the_model_that_are_dead_are_marked(using: str, in_transaction: bool) -> None:
    dead = [begin(using, labels) for labels in ("testapp.Person", "testapp.Tag, testapp.Employee")]
    begin(using, "testapp.Tag")
    begin(using, "gone.Model, nonsense")
    begin(using, "testapp.Person", status="applied")
    waiting = begin(using, "testapp.Person")
    run = begin(using, "testapp.Person")
    begin(using, "testapp.Person")  # younger: it has begun, and locks next

    with held([Company], using, run=waiting), entered([Contractor], using, in_transaction, run=run):
        pass

    assert ended(using) == dict.fromkeys(dead, DEAD)
    assert Run.objects.using(using).filter(status="running").count() == 5


def test_a_run_that_is_not_recorded_marks_nothing(using: str) -> None:
    begin(using, "testapp.Person")
    with entered([Person], using):
        pass

    assert ended(using) == {}


@pytest.mark.database("postgresql", "mariadb")
def test_a_transaction_does_not_keep_others_from_writing_how_they_ended(using: str) -> None:
    """As a run does that was rolled back, and so has no lock any more."""
    older, run = begin(using, "testapp.Person"), begin(using, "testapp.Person")
    with entered([Person], using, True, run=run):
        thread = elsewhere(lambda: Run.objects.filter(pk=older).update(status="rolled back"))
        thread.join(5)
        assert not thread.is_alive()

    assert Run.objects.get(pk=older).status == "rolled back"


@pytest.mark.database("postgresql", "mariadb")
def test_a_dead_run_that_somebody_else_marks_is_not_waited_for(using: str) -> None:
    dead = begin(using, "testapp.Person", "testapp.Tag")
    with transaction.atomic(using=using):
        assert mark_dead(using, ["testapp.Tag"], dead + 1) == [dead]
        found: list[list[int]] = []
        elsewhere(lambda: found.append(sweep(using))).join(5)
        assert found == [[]]

    assert ended(using) == {dead: DEAD}


@both
def test_a_sweep_marks_what_is_dead_and_leaves_what_lives(using: str, in_transaction: bool) -> None:
    dead = [begin(using, "testapp.Tag"), begin(using, "testapp.House, testapp.Tag")]
    mine, theirs = begin(using, "testapp.Company"), begin(using, "testapp.Person")
    with held([Person], using, run=theirs, in_transaction=in_transaction):
        with entered([Company], using, run=mine):
            assert sweep(using) == dead
            assert sweep(using) == []
        assert ended(using) == dict.fromkeys(dead, DEAD)
    assert sweep(using) == [mine, theirs]  # they have not said how they ended


def test_only_older_runs_of_some_models_are_marked_on_demand(using: str) -> None:
    first, _, third = (begin(using, f"testapp.{name}") for name in ("Person", "Tag", "Person"))

    assert mark_dead(using, ["testapp.Person"], third) == [first]
    assert ended(using) == {first: DEAD}


def test_a_mark_that_fails_fails_no_run(using: str, monkeypatch: pytest.MonkeyPatch, caplog: Any) -> None:
    begin(using, "testapp.Person")
    run = begin(using, "testapp.Person")

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        return execute("nonsense" if sql.startswith("UPDATE") else sql, params, many, context)

    for in_transaction in (True, False):
        with connections[using].execute_wrapper(refuse), entered([Person], using, in_transaction, run=run):
            pass

    assert ended(using) == {}
    assert caplog.messages == ["dead runs could not be marked as failed"] * 2
    assert is_free([Person], using)


# --- files and memory -------------------------------------------------------------------------------------------------


@of_files
def test_a_database_in_memory_is_locked_within_the_process(transactional_db: None) -> None:
    run = begin("default", "testapp.Person")
    with held([Person], "default", run=run):
        with pytest.raises(Locked, match=f"run {run} "), entered([Person], "default"):
            pass
        assert sweep("default") == []
    assert is_free([Person], "default")
    assert sweep("default") == [run]


@of_files
def test_a_file_beside_the_database_tells_which_run_has_it(using: str, tmp_path: Path) -> None:
    run = begin(using, "testapp.Person")
    tmp_path.joinpath("db.sqlite3").chmod(0o660)
    with entered([Person], using, run=run):
        files = sorted(tmp_path.glob("db.sqlite3.nsync-*.lock"))
        assert [file.read_text() for file in files] == [str(run)] * 2
        assert [file.stat().st_mode & 0o777 for file in files] == [0o660] * 2


def test_a_lock_that_a_full_disk_keeps_from_saying_whose_it_is_is_free_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    (tmp_path / "database").touch()
    path = str(tmp_path / "lock")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", refuse)
        with pytest.raises(OSError, match="No space"):
            take_file(path, "12", str(tmp_path / "database"))

    file = take_file(path, "13", str(tmp_path / "database"))
    assert file is not None
    assert read_file(path) == "13"
    drop_file(path, file)


@of_files
def test_a_folder_that_takes_no_file_is_an_error_of_the_call(using: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, *_: Any) -> int:
        raise PermissionError(13, "Permission denied", path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)  # root, as whom CI runs, may write everywhere
        with pytest.raises(ConfigError, match=r"no lock can be kept beside the database: .*Permission"):
            entered([Person], using).__enter__()


@of_files
def test_a_run_that_waits_in_its_transaction_lets_the_other_one_commit(using: str) -> None:
    run = begin(using, "testapp.Person")
    with entered([Person], using, True):
        thread = waiting_for([Person], using, True)
        time.sleep(0.3)
        Run.objects.filter(pk=run).update(status="applied")
    thread.join(10)

    assert Run.objects.get(pk=run).status == "applied"


@of_files
@pytest.mark.parametrize(
    ("name", "path"),
    [
        (":memory:", ""),
        ("file::memory:?cache=shared", ""),
        ("file:some?mode=memory&cache=shared", ""),
        ("/some/where.db", "/some/where.db"),
        ("file:/some/wh%20ere.db?mode=rw", "/some/wh ere.db"),
        ("file:///some/where.db", "/some/where.db"),
        ("file:where.db", str(Path.cwd() / "where.db")),
        ("where.db", str(Path.cwd() / "where.db")),
    ],
)
def test_the_file_is_found_by_the_name_of_the_database(name: str, path: str) -> None:
    assert locking._file_of(name) == path


# --- what it costs ----------------------------------------------------------------------------------------------------


@both
def test_locking_takes_few_queries(using: str, in_transaction: bool, django_assert_num_queries: Any) -> None:
    run = begin(using, "testapp.Person")
    expected = {"sqlite": (1, 1), "postgresql": (6, 4), "mariadb": (4, 4)}[TEST_DATABASE][not in_transaction]
    counting = django_assert_num_queries(expected, connection=connections[using])
    taking = locked([Person, Tag], using, run=run, in_transaction=in_transaction)
    with transaction.atomic(using=using) if in_transaction else ExitStack(), counting, taking:
        pass
