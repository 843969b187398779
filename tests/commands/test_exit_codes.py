"""Rule T7: what a shell sees; each is a process of its own."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.commands.conftest import Project

GOOD = "external_key,action_flags,match_on,first_name,employee_id,age\n1,cu*,employee_id,Homer,E1,39\n"
BAD = GOOD + "2,cu*,employee_id,Bruce,E2,forty\n"
POLICIES = "tests.commands.policies"
pytestmark = pytest.mark.database("sqlite")  # each project has a file, whatever database the other tests have
SYNC = ("syncfile", "TestSystem", "testapp", "Person")


def test_0_when_everything_was_applied(project: Project) -> None:
    ran = project.run(*SYNC, project.write("persons.csv", GOOD))

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("Applied.\npersons.csv → testapp.Person (system TestSystem): 1 row\n")
    assert project.persons() == ["Homer"]


def test_0_when_rows_matched_nothing(project: Project) -> None:
    text = "action_flags,match_on,first_name,age\nu*,first_name,Nobody,3\n"

    ran = project.run(*SYNC, project.write("persons.csv", text))

    assert (ran.code, ran.err) == (0, "")
    assert "unmatched  1" in ran.out


def test_1_when_a_row_fails_and_nothing_is_committed(project: Project) -> None:
    ran = project.run(*SYNC, project.write("persons.csv", BAD))

    assert ran.code == 1
    assert ran.out.startswith("Nothing was committed: 1 of 2 rows failed.\n")
    assert ran.err == (
        "CommandError: Nothing was committed: 1 of 2 rows failed. "
        "The first: persons.csv:3 [age]: not a whole number; write one such as 42\n"
    )
    assert project.persons() == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("TestSystem", "testapp", "Person", "persons.csv", "--timezone", "Mars/Olympus"), "no such time zone"),
        (("TestSystem", "testapp", "Person", "persons.csv", "--format", "cvs"), "did you mean csv? There are: "),
        (("TestSystem", "testapp", "Person", "persons.csv", "--policy", f"{POLICIES}.CannotBeMade"), "no luck"),
        (("TestSystem", "testapp", "Person", "persons.cvs"), "did you mean 'persons.csv'?"),
        (("TestSystem", "testap", "Person", "persons.csv"), "there is no app 'testap'"),
        (("TestSystem", "testapp", "Persona", "persons.csv"), "has no model 'Persona'"),
        (("TestSystem", "testapp", "AbstractThing", "persons.csv"), "has no model 'AbstractThing'"),
        (("T", "testapp", "Person", "persons.csv", "--no-create-external-system"), "no external system 'T'"),
        (("T", "testapp", "Person", "persons.csv", "--create_external_system", "False"), "no external system 'T'"),
        (("T", "testapp", "Person", "persons.csv", "--strict", "--map", "age=aeg"), "did you mean age?"),
        (("T", "testapp", "Person", "persons.csv", "--database", "elsewhere"), "there is no 'elsewhere'"),
    ],
)
def test_1_without_a_traceback_when_the_call_is_wrong(project: Project, arguments: tuple[str, ...], said: str) -> None:
    """C6."""
    project.write("persons.csv", GOOD)

    ran = project.run("syncfile", *arguments)

    assert (ran.code, ran.out) == (1, "")
    assert ran.err.startswith("CommandError: ")
    assert ran.err.count("\n") == 1
    assert said in ran.err


def test_1_without_a_traceback_when_the_database_has_no_tables(project: Project) -> None:
    project.database.unlink()

    ran = project.run(*SYNC, project.write("persons.csv", GOOD))

    assert ran.code == 1
    assert ran.err.startswith("CommandError: the database refuses: no such table")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--as_transaction", "Maybe"),
        ("--as_transaction",),
        ("--on-error", "ignore"),
        ("--max-errors", "-1"),
        ("--batch-size", "0"),
        ("--batch-size", "many"),
        ("--list-separator", ""),
        ("--map", "no equals sign"),
        ("--set", "=value"),
        ("--check",),
        ("--no-such-option",),
    ],
)
def test_2_when_the_command_line_cannot_be_understood(project: Project, arguments: tuple[str, ...]) -> None:
    ran = project.run(*SYNC, project.write("persons.csv", GOOD), *arguments)

    assert (ran.code, ran.out) == (2, "")
    assert "Traceback" not in ran.err
    assert project.persons() == []


def test_3_when_failed_rows_were_left_out(project: Project) -> None:
    ran = project.run(*SYNC, project.write("persons.csv", BAD), "--on-error", "skip")

    assert ran.code == 3
    assert ran.out.startswith("Applied, but 1 of 2 rows failed and were left out.\n")
    assert project.persons() == ["Homer"]


def test_3_when_the_run_ended_after_batches_were_committed(project: Project) -> None:
    """T4."""
    path = project.write("persons.csv", BAD)

    ran = project.run(*SYNC, path, "--no-as-transaction", "--batch-size", "1")

    assert ran.code == 3
    assert ran.out.startswith("Applied in part, up to persons.csv:2; then 1 of 2 rows failed\n")
    assert project.persons() == ["Homer"]


def test_5_when_a_dry_run_would_write_something(project: Project) -> None:
    path = project.write("persons.csv", GOOD)

    before = project.run(*SYNC, path, "--dry-run", "--check")
    project.run(*SYNC, path)
    after = project.run(*SYNC, path, "--dry-run", "--check")

    assert before.code == 5
    assert before.out.startswith("Nothing was written (dry run).\n")
    assert after.code == 0
    assert "There is nothing to write." in after.out


def test_errors_come_before_what_a_dry_run_would_write(project: Project) -> None:
    """Where several apply: 1, 3, 5."""
    path = project.write("persons.csv", BAD)

    assert project.run(*SYNC, path, "--dry-run", "--check").code == 1
    assert project.run(*SYNC, path, "--dry-run", "--check", "--on-error", "skip").code == 3
    assert project.persons() == []


def test_143_when_sigterm_ends_it_and_nothing_is_committed(project: Project) -> None:
    paused = project.folder / "paused"
    path = project.write("persons.csv", GOOD)
    policy = "tests.commands.policies.PausesAfterEach"

    with project.start(*SYNC, path, "--policy", policy, NSYNC_TEST_PAUSED=str(paused)) as process:
        _wait_for(paused)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 143
    assert err == "ended by SIGTERM; what was not committed yet was rolled back; syncruns 1 tells what is kept of it\n"
    assert project.persons() == []
    assert _records(project) == [("failed", "ended by SIGTERM")]


THREE = GOOD + "2,cu*,employee_id,Bruce,E2,40\n3,cu*,employee_id,Clark,E3,41\n"


def _records(project: Project) -> list[tuple[str, str]]:
    """Give how the runs ended."""
    with sqlite3.connect(project.database) as connection:
        return list(connection.execute("SELECT status, error FROM nsync_run"))


@pytest.mark.parametrize(
    ("text", "names", "out", "err", "record"),
    [
        pytest.param(
            THREE,
            ["Homer", "Bruce"],
            "Applied in part, up to persons.csv:3; then ended by SIGTERM\n",
            "ended by SIGTERM; the last row committed is persons.csv:3\n",
            ("applied with rejects", "ended by SIGTERM"),
            id="rows are left",
        ),
        pytest.param(
            THREE.rpartition("3,cu*")[0],
            ["Homer", "Bruce"],
            "Applied.\n",
            "ended by SIGTERM; Applied.\n",
            ("applied", ""),
            id="it was the last batch",
        ),
    ],
)
def test_143_when_sigterm_comes_in_a_batch_which_is_finished_and_committed(
    project: Project, text: str, names: list[str], out: str, err: str, record: tuple[str, str]
) -> None:
    """T7."""
    paused = project.folder / "paused"
    arguments = ("--policy", f"{POLICIES}.WaitsAtTheSecond", "--no-as-transaction", "--batch-size", "1")

    with project.start(*SYNC, project.write("persons.csv", text), *arguments, NSYNC_TEST_PAUSED=str(paused)) as process:
        _wait_for(paused)
        process.send_signal(signal.SIGTERM)
        paused.with_suffix(".go").touch()
        said, told = process.communicate(timeout=30)

    assert process.returncode == 143
    assert said.startswith(out)
    assert told == err
    assert project.persons() == names
    assert _records(project) == [record]


@pytest.mark.parametrize(("sent", "code", "by"), [(signal.SIGTERM, 143, "SIGTERM"), (signal.SIGINT, 130, "Ctrl-C")])
def test_ctrl_c_or_a_second_sigterm_ends_it_at_once_and_says_what_was_committed(
    project: Project, sent: signal.Signals, code: int, by: str
) -> None:
    """T7."""
    paused = project.folder / "paused"
    arguments = ("--policy", f"{POLICIES}.PausesAtTheSecond", "--no-as-transaction", "--batch-size", "1")

    with project.start(
        *SYNC, project.write("persons.csv", THREE), *arguments, NSYNC_TEST_PAUSED=str(paused)
    ) as process:
        _wait_for(paused)
        process.send_signal(sent)
        if sent == signal.SIGTERM:
            time.sleep(0.5)  # so that it gets both, and does not take them for one
            process.send_signal(sent)
        _, err = process.communicate(timeout=30)

    assert process.returncode == code
    assert err == (
        f"ended by {by}; what was not committed yet was rolled back; the last row committed is persons.csv:2; "
        "--resume 1 goes on after it; syncruns 1 tells what is kept of it\n"
    )
    assert project.persons() == ["Homer"]
    reason = f"ended by {by}" if sent == signal.SIGTERM else "interrupted"
    assert _records(project) == [("failed", f"{reason}; the last row committed is persons.csv:2")]


def test_130_when_ctrl_c_ends_it_and_nothing_is_committed(project: Project) -> None:
    paused = project.folder / "paused"
    path = project.write("persons.csv", GOOD)

    with project.start(
        *SYNC, path, "--policy", f"{POLICIES}.PausesAfterEach", NSYNC_TEST_PAUSED=str(paused)
    ) as process:
        _wait_for(paused)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)

    assert process.returncode == 130
    assert err == "ended by Ctrl-C; what was not committed yet was rolled back; syncruns 1 tells what is kept of it\n"
    assert project.persons() == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    "away", ["| true", "> /dev/full", ">&-", "-v 3 | head -2", "> /dev/full 2> /dev/full", ">&- 2>&-"]
)
@pytest.mark.parametrize(("text", "arguments", "code"), [(GOOD, "", 0), (BAD * 99, "--on-error skip", 3)])
def test_the_code_says_what_was_committed_even_if_nobody_can_read_the_summary(
    project: Project, away: str, text: str, arguments: str, code: int
) -> None:
    """T7: 1 would mean that nothing was committed."""
    path = project.write("persons.csv", text)
    line = f"{sys.executable} -m django {' '.join(SYNC)} {path} --verbosity 3 {arguments}"

    ran = subprocess.run(
        ["bash", "-c", f"{line} {away}; exit ${{PIPESTATUS[0]}}"],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )

    assert ran.returncode == code
    assert "Traceback" not in ran.stderr
    assert "Exception" not in ran.stderr
    assert project.persons()[0] == "Homer"


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs terminals as Unix has them")
def test_a_terminal_reads_the_headline_once(project: Project) -> None:
    main, side = os.openpty()
    command = [sys.executable, "-m", "django", *SYNC, project.write("persons.csv", BAD)]

    ran = subprocess.run(command, cwd=project.folder, env=project.environment, stdout=side, stderr=side)
    os.close(side)

    assert ran.returncode == 1
    assert os.read(main, 10_000).count(b"Nothing was committed") == 1
    os.close(main)


@pytest.mark.parametrize("arguments", [(), ("--traceback",)])
def test_1_when_a_policy_raises_and_nothing_is_committed(project: Project, arguments: tuple[str, ...]) -> None:
    """P1: --traceback shows where."""
    path = project.write("persons.csv", GOOD)

    ran = project.run(*SYNC, path, "--policy", f"{POLICIES}.Raises", *arguments)

    assert ran.code == 1
    said = f"Nothing was committed: the policy {POLICIES}.Raises raised RuntimeError: boom"
    assert ran.out.startswith(f"{said}\n")
    assert said in ran.err
    assert ("Traceback" in ran.err) == bool(arguments)
    assert ('raise RuntimeError("boom")' in ran.err) == bool(arguments)
    assert project.persons() == []


@pytest.mark.parametrize("is_new", [True, False])
def test_a_locked_database_says_to_run_again(project: Project, is_new: bool) -> None:
    path = project.write("persons.csv", GOOD)
    if not is_new:
        project.run(*SYNC, path)
    settings = project.folder / "project_settings.py"
    settings.write_text(settings.read_text() + 'DATABASES["default"]["OPTIONS"] = {"timeout": 0.1}\n')
    other = sqlite3.connect(project.database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE" if is_new else "BEGIN IMMEDIATE")

    ran = project.run(*SYNC, project.write("persons.csv", GOOD.replace("Homer", "Bart").replace("1,", "2,")))
    other.close()

    assert ran.code == 1
    assert "database is locked" in ran.err
    assert "another process is writing; run again when it is done" in ran.err
    assert "migrated" not in ran.err


def test_the_first_error_begins_a_sentence(project: Project) -> None:
    path = project.write("persons.csv", BAD)

    assert "(--max-errors). The first: " in project.run(*SYNC, path, "--max-errors", "1").err


def test_columns_are_named_in_the_order_of_the_file(project: Project) -> None:
    path = project.write("persons.csv", GOOD)

    ran = project.run(*SYNC, path, "--only-columns", "qqqq")

    assert "there are external_key, action_flags, match_on, first_name, employee_id, age" in ran.err


def test_standard_input_is_a_source(project: Project) -> None:
    ran = project.run(*SYNC, "-", text=GOOD)

    assert ran.code == 0
    assert "<stdin> → testapp.Person" in ran.out
    assert project.persons() == ["Homer"]


def test_a_terminal_without_arrows_gets_plain_letters(project: Project) -> None:
    ran = project.run(*SYNC, project.write("persons.csv", GOOD), PYTHONIOENCODING="ascii")

    assert ran.code == 0
    assert "persons.csv -> testapp.Person" in ran.out


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < deadline, "the process has not come to its pause"
        time.sleep(0.05)
