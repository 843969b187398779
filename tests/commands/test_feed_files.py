"""What becomes of the files of a feed: none is lost, none comes back, none is blamed for what is not its fault."""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.checks import run_checks
from django.db import ProgrammingError, transaction
from django.dispatch import Signal

from nsync.signals import batch_applied, run_started
from tests.commands.conftest import Ran
from tests.commands.test_syncfeed import FEED, HEADER, persons, put, say, tree
from tests.testapp.models import Person, Tag

Command = Callable[..., Ran]
WITHOUT_ARCHIVE = FEED.replace('archive = "done/"', 'failed = "bad"')


@pytest.fixture(autouse=True)
def folder(in_folder: Path) -> Path:
    (in_folder / "inbox").mkdir()
    (in_folder / "nsync.toml").write_text(FEED)
    return in_folder


@contextmanager
def during(signal: Signal, act: Callable[[], object]) -> Iterator[None]:
    """Do something each time that a signal of a run is sent."""

    def receive(**_: Any) -> None:
        act()

    signal.connect(receive)
    try:
        yield
    finally:
        signal.disconnect(receive)


@contextmanager
def taken(name: str) -> Iterator[None]:
    """Have another process claim a file of the inbox."""
    with Path(f"inbox/.{name}.nsync-lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def raise_(error: BaseException) -> None:
    raise error


# --- what was read is what is moved ---------------------------------------------------------------------------------


def test_a_file_that_is_replaced_during_its_run_stays_and_is_synced_by_the_next_call(command: Command) -> None:
    put("persons.csv", "1,Homer,39\n")

    def replace() -> None:
        Path("new").write_text(f"{HEADER}1,Homer,40\n")
        Path("new").replace("inbox/persons.csv")

    with during(batch_applied, replace):
        ran = command("syncfeed", "persons")

    assert (ran.code, persons(), tree()) == (0, {"1": 39}, ["inbox/persons.csv"])
    assert "inbox/persons.csv was replaced or written to meanwhile, and stays for the next call" in ran.out
    assert command("syncfeed", "persons").code == 0
    assert (persons(), tree()) == ({"1": 40}, ["done/persons.csv"])


def test_a_file_that_is_still_being_written_has_not_failed(command: Command) -> None:
    path = put("persons.csv", "1,Homer,39\n")

    def append() -> None:
        with path.open("a") as file:
            file.write("2,Marge,34\n")

    with during(run_started, append):
        assert command("syncfeed", "persons").code == 1

    assert tree() == ["inbox/persons.csv"]
    assert command("syncfeed", "persons").code == 0
    assert persons() == {"1": 39, "2": 34}


# --- no older file comes back ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("moves", [0, 1, 2])
def test_who_is_ended_among_its_moves_leaves_no_older_file_to_come_back(
    command: Command, monkeypatch: pytest.MonkeyPatch, moves: int
) -> None:
    for number in (1, 2, 3):
        put(f"persons-{number}.csv", f"1,Homer,{36 + number}\n", age=10 - number)
    replace, done = os.replace, []

    def end(*arguments: Any) -> None:
        if len(done) == moves:
            raise KeyboardInterrupt
        done.append(arguments)
        replace(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", end)
        with pytest.raises(KeyboardInterrupt):
            command("syncfeed", "persons")

    assert command("syncfeed", "persons").code == 0
    assert command("syncfeed", "persons").out.startswith("persons: no file fits")
    assert persons() == {"1": 39}
    assert tree() == ["done/older/persons-1.csv", "done/older/persons-2.csv", "done/persons-3.csv"]


def test_nothing_is_done_while_another_process_has_an_older_file(command: Command) -> None:
    """It would apply that after the newer one."""
    put("persons-1.csv", "1,Homer,38\n", age=10)
    put("persons-2.csv", "1,Homer,39\n")

    with taken("persons-1.csv"):
        ran = command("syncfeed", "persons")

    assert (ran.code, persons()) == (6, {})
    assert "inbox/persons-1.csv, which is older, is being synced by another process" in ran.err


def test_an_older_file_that_another_process_takes_meanwhile_keeps_the_newest_where_it_is(command: Command) -> None:
    """T7: exit code 3."""
    put("persons-1.csv", "1,Homer,38\n", age=10)
    put("persons-2.csv", "1,Homer,39\n")

    with ExitStack() as stack, during(batch_applied, lambda: stack.enter_context(taken("persons-1.csv"))):
        ran = command("syncfeed", "persons")

    assert (ran.code, persons()) == (3, {"1": 39})
    assert "inbox/persons-1.csv is older and cannot be set aside in done/older: another process has it" in ran.err
    assert command("syncfeed", "persons").code == 0
    assert (persons(), tree()) == ({"1": 39}, ["done/older/persons-1.csv", "done/persons-2.csv"])


def test_an_older_file_that_cannot_be_set_aside_keeps_the_newest_where_it_is(command: Command) -> None:
    """T7: exit code 3."""
    put("persons-1.csv", "1,Homer,38\n", age=10)
    put("persons-2.csv", "1,Homer,39\n")

    def block() -> None:
        Path("done").mkdir()
        Path("done/older").touch()

    with during(batch_applied, block):
        ran = command("syncfeed", "persons")

    assert ran.code == 3
    assert "inbox/persons-1.csv is older and cannot be set aside in done/older: File exists" in ran.err
    assert {"inbox/persons-1.csv", "inbox/persons-2.csv"} < set(tree())
    ran = command("syncfeed", "persons")
    assert (ran.code, persons()) == (1, {"1": 39})
    assert "archive: done/older is no folder" in ran.err
    Path("done/older").unlink()
    assert command("syncfeed", "persons").code == 0
    assert (persons(), tree()) == ({"1": 39}, ["done/older/persons-1.csv", "done/persons-2.csv"])


def test_an_older_file_does_not_come_back_after_the_newest_has_failed(command: Command) -> None:
    put("persons-1.csv", "1,Homer,38\n", age=10)
    put("persons-2.csv", "1,Homer,young\n")

    assert command("syncfeed", "persons").code == 1
    assert [name for name in tree() if "report" not in name and "rejects" not in name] == [
        "done/older/persons-1.csv",
        "failed/persons-2.csv",
    ]
    Path("failed/persons-2.csv").write_text(f"{HEADER}1,Homer,39\n")
    assert command("syncfeed", "persons", "failed/persons-2.csv").code == 0
    assert command("syncfeed", "persons").out.startswith("persons: no file fits")
    assert persons() == {"1": 39}


def test_a_file_that_is_named_and_fits_makes_older_ones_needless_too(command: Command) -> None:
    put("persons-1.csv", "1,Homer,38\n", age=10)
    put("persons-2.csv", "1,Homer,39\n")
    put("persons-3.csv", "1,Homer,40\n", age=-10)

    assert command("syncfeed", "persons", "inbox/persons-2.csv").code == 0
    assert tree() == ["done/older/persons-1.csv", "done/persons-2.csv", "inbox/persons-3.csv"]


def test_files_that_are_named_in_one_call_are_all_synced(command: Command) -> None:
    put("persons-1.csv", "1,Homer,38\n", age=10)
    put("persons-2.csv", "1,Homer,39\n")

    ran = command("syncfeed", "persons", "inbox/persons-2.csv", "inbox/persons-1.csv")

    assert (ran.code, persons(), tree()) == (0, {"1": 38}, ["done/persons-1.csv", "done/persons-2.csv"])


def test_without_an_archive_a_file_that_failed_stays_the_newest(command: Command) -> None:
    Path("nsync.toml").write_text(WITHOUT_ARCHIVE)
    put("persons-1.csv", "1,Homer,38\n", age=10)
    put("persons-2.csv", "1,Homer,young\n")

    for _ in range(2):
        assert command("syncfeed", "persons").code == 1

    assert persons() == {}
    assert tree() == [
        "bad/persons-2.rejects.csv",
        "bad/persons-2.report.json",
        "inbox/persons-1.csv",
        "inbox/persons-2.csv",
    ]


# --- all files ------------------------------------------------------------------------------------------------------


def test_a_file_that_failed_keeps_those_after_it_from_every_call(command: Command) -> None:
    say("all_files = true")
    put("persons-1.csv", "1,Homer,young\n")
    put("persons-2.csv", "1,Homer,39\n")

    for _ in range(2):
        assert command("syncfeed", "persons").code == 1

    assert persons() == {}
    assert tree() == [
        "failed/persons-1.rejects.csv",
        "failed/persons-1.report.json",
        "inbox/persons-1.csv",
        "inbox/persons-2.csv",
    ]


def test_a_file_that_is_too_young_keeps_those_after_it(command: Command) -> None:
    say("all_files = true", "min_age = 60")
    for name, age in (("persons-1.csv", 90), ("persons-2.csv", 0), ("persons-3.csv", 90)):
        put(name, f"{name[8]},Homer,39\n", age=age)

    assert command("syncfeed", "persons").code == 0
    assert persons() == {"1": 39}


def test_a_file_that_is_gone_when_its_turn_comes_is_no_error_and_keeps_those_after_it(command: Command) -> None:
    """Whoever has taken it knows what became of it: the next call goes on."""
    say("all_files = true")
    for number in (1, 2, 3):
        put(f"persons-{number}.csv", f"{number},Homer,39\n")

    with during(batch_applied, lambda: Path("inbox/persons-2.csv").unlink(missing_ok=True)):
        ran = command("syncfeed", "persons")

    assert (ran.code, persons()) == (0, {"1": 39})
    assert "inbox/persons-2.csv: another run has just moved it" in ran.out
    assert command("syncfeed", "persons").code == 0
    assert persons() == {"1": 39, "3": 39}


def test_a_file_that_ended_early_keeps_those_after_it_though_batches_of_it_stay(command: Command) -> None:
    """T4, T7: exit code 3, as that of rows that were left out, after which the next file has its turn."""
    say("all_files = true", "as_transaction = false", "batch_size = 1")
    put("persons-1.csv", "1,Homer,39\n2,Marge,young\n")
    put("persons-2.csv", "1,Homer,40\n")

    ran = command("syncfeed", "persons")

    assert (ran.code, persons()) == (3, {"1": 39})
    assert "persons: left alone after that: inbox/persons-2.csv" in ran.err


def test_of_all_files_the_strongest_exit_code_counts(command: Command) -> None:
    """T7: 3 before 5."""
    say("all_files = true", 'on_error = "skip"')
    put("persons-1.csv", "1,Homer,39\n2,Marge,young\n")
    put("persons-2.csv", "1,Homer,40\n")

    assert command("syncfeed", "persons", "--dry-run", "--check").code == 3


# --- what is written beside a file ----------------------------------------------------------------------------------


@pytest.mark.parametrize("second", ["guard", "undecodable"])
def test_rejects_of_another_day_are_kept(command: Command, second: str) -> None:
    say('on_error = "skip"')
    put("persons.csv", "1,Homer,39\n2,Marge,young\n")
    assert command("syncfeed", "persons").code == 3
    kept = Path("failed/persons.rejects.csv").read_text()

    path = put("persons.csv", "3,Bart,10\n4,Lisa,old\n")
    if second == "undecodable":
        path.write_bytes(path.read_bytes() + b"5,\xff\xfe,3\n")
    assert command("syncfeed", "persons", "--max-changes", "0").code in (1, 4)

    assert Path("failed/persons.rejects.csv").read_text() == kept
    assert "failed/persons_2.csv" in tree()


def test_a_file_that_fails_again_where_it_is_has_its_rejects_anew(command: Command) -> None:
    put("persons.csv", "2,Marge,young\n3,Bart,small\n")
    assert command("syncfeed", "persons").code == 1
    Path("failed/persons.csv").write_text(f"{HEADER}2,Marge,34\n3,Bart,small\n")

    assert command("syncfeed", "persons", "failed/persons.csv").code == 1

    assert tree() == ["failed/persons.csv", "failed/persons.rejects.csv", "failed/persons.report.json"]
    assert len(Path("failed/persons.rejects.csv").read_text().splitlines()) == 2


def test_a_file_that_stays_has_its_rejects_once_unless_somebody_has_written_to_them(command: Command) -> None:
    Path("nsync.toml").write_text(WITHOUT_ARCHIVE + '[feeds.persons.flag_map]\nx = "cu"\n')
    put("persons.csv", "1,Homer,39\n2,Marge,young\n")
    for _ in range(3):
        assert command("syncfeed", "persons", "--on-error", "skip").code == 3
    first = ["bad/persons.rejects.csv", "bad/persons.report.json"]
    assert tree() == [*first, "inbox/persons.csv"]

    Path(first[0]).write_text("being mended")
    assert command("syncfeed", "persons", "--on-error", "skip").code == 3

    assert Path(first[0]).read_text() == "being mended"
    assert {"bad/persons_2.rejects.csv", "bad/persons_2.report.json"} < set(tree())


# --- not the fault of the file --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ("--map", "Vorname=frst_name"),
            "persons: Vorname → frst_name: no such field on Person; did you mean first_name",
        ),
        (("--timezone", "Nope/X"), "no such time zone"),
        (("--set", "nope=1"), "no such field"),
        (("--match-on", "nope"), "no column to match on"),
        (("--model", "testapp.House"), "no such field on House"),
        (("--archive", "."), "holds the files of the feed too"),
    ],
)
def test_a_call_that_cannot_be_blames_no_file(command: Command, options: tuple[str, ...], said: str) -> None:
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeed", "persons", *options)

    assert (ran.code, tree()) == (1, ["inbox/persons.csv"])
    assert said in ran.err


def test_a_database_that_refuses_all_blames_no_file(command: Command) -> None:
    put("persons.csv", "1,Homer,39\n")

    with during(batch_applied, lambda: raise_(ProgrammingError("no such table: x"))):
        ran = command("syncfeed", "persons")

    assert (ran.code, tree()) == (1, ["inbox/persons.csv"])
    assert "no such table: x" in ran.err


@pytest.mark.parametrize("policy", ["Raises", "CannotBeMade"])
def test_a_policy_that_raises_blames_no_file(command: Command, policy: str) -> None:
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeed", "persons", "--policy", f"tests.commands.policies.{policy}")

    assert (ran.code, tree()) == (1, ["inbox/persons.csv"])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("error", [RuntimeError("mail"), ProgrammingError("no such table: log")])
def test_a_file_after_whose_commit_something_fails_was_applied(command: Command, error: Exception) -> None:
    """T7: exit code 3."""
    put("persons.csv", "1,Homer,39\n")

    with during(batch_applied, lambda: transaction.on_commit(lambda: raise_(error))):
        ran = command("syncfeed", "persons")

    assert (ran.code, persons(), tree()) == (3, {"1": 39}, ["done/persons.csv"])


def test_a_snapshot_without_its_key_is_the_fault_of_the_file(command: Command) -> None:
    text = FEED.replace('external_key_column = "Nr"', 'snapshot = true\ncontract = "any"')
    Path("nsync.toml").write_text(text)
    Path("inbox/persons.csv").write_text(f"{HEADER}1,Homer,39\n")

    assert command("syncfeed", "persons").code == 1
    assert tree() == ["failed/persons.csv", "failed/persons.error.txt"]


# --- several feeds --------------------------------------------------------------------------------------------------

TAGS = """
[feeds.tags]
system = "HR"
model = "testapp.Tag"
files = "inbox/persons_tags*.csv"
action_flags = "cu*"
match_on = "name"
archive = "done/"
"""


@pytest.mark.parametrize("name", ["persons", "tags"])
def test_a_file_that_two_feeds_take_for_theirs_is_moved_by_none(command: Command, name: str) -> None:
    Path("nsync.toml").write_text(FEED + TAGS)
    put("persons.csv", "1,Homer,39\n")
    Path("inbox/persons_tags.csv").write_text("name\nold\n")

    ran = command("syncfeed", name)

    assert (ran.code, Tag.objects.count(), Person.objects.count(), len(tree())) == (1, 0, 0, 2)
    assert "inbox/persons_tags.csv fits the files of both" in ran.err
    assert "inbox/persons*.csv" in ran.err
    assert "inbox/persons_tags*.csv" in ran.err


def test_a_file_of_another_feed_may_be_named(command: Command) -> None:
    Path("nsync.toml").write_text(FEED + TAGS.replace("persons_tags", "tags"))
    put("tags.csv", "1,Homer,39\n")

    assert command("syncfeed", "persons", "inbox/tags.csv").code == 0
    assert tree() == ["done/tags.csv"]


def test_feeds_that_move_nothing_may_share_a_file(command: Command) -> None:
    one = FEED.replace('archive = "done/"', "")
    Path("nsync.toml").write_text(one + one.replace("feeds.persons", "feeds.again"))
    put("persons.csv", "1,Homer,39\n")

    assert command("syncfeeds").code == 0


def test_the_checks_tell_feeds_of_which_one_would_move_the_files_of_the_other() -> None:
    Path("nsync.toml").write_text(FEED + TAGS.replace("persons_tags*", "../inbox/persons*"))

    (problem,) = run_checks(tags=["nsync"])

    assert problem.id == "nsync.E009"
    assert "[feeds.tags] files: [feeds.persons] has the same, and who is first moves them" in problem.msg


@pytest.mark.parametrize(
    ("old", "new"), [("done/", "."), ("done/", "inbox"), ("done/", "./inbox/../"), ("inbox/persons", "failed/*/x")]
)
def test_the_checks_tell_a_folder_for_done_files_in_which_all_files_are(old: str, new: str) -> None:
    Path("nsync.toml").write_text(FEED.replace(old, new))

    (problem,) = run_checks(tags=["nsync"])

    assert problem.id == "nsync.E009"
    assert "holds the files of the feed too, so that none would ever fit" in problem.msg


def test_a_feed_that_names_no_files_is_left_out_when_all_run(command: Command) -> None:
    Path("nsync.toml").write_text(FEED + TAGS.replace('files = "inbox/persons_tags*.csv"\n', ""))
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeeds")

    assert ran.code == 0, ran.err
    assert "  tags     names no files\n" in ran.out
    assert persons() == {"1": 39}


def test_a_feed_whose_missing_file_is_an_error_stops_no_other(command: Command) -> None:
    refers = (
        TAGS.replace("testapp.Tag", "testapp.House").replace('"name"', '"address"').replace("persons_tags", "houses")
    )
    say('on_missing_file = "error"')
    Path("nsync.toml").write_text(Path("nsync.toml").read_text() + refers)
    Path("inbox/houses.csv").write_text("address\nEvergreen\n")

    ran = command("syncfeeds")

    assert ran.code == 1
    assert "persons: no file fits inbox/persons*.csv" in ran.err
    assert "skipped" not in ran.out


# --- the rest -------------------------------------------------------------------------------------------------------


def test_who_switches_the_archive_off_switches_off_what_comes_with_it(command: Command) -> None:
    put("persons.csv", "1,Homer,young\n")

    assert command("syncfeed", "persons", "--archive", "").code == 1
    assert tree() == ["inbox/persons.csv"]


def test_a_link_that_is_moved_leads_to_the_same_file(command: Command) -> None:
    put("persons.csv", "1,Homer,39\n").rename("data.csv")
    Path("inbox/persons.csv").symlink_to("../data.csv")

    assert command("syncfeed", "persons").code == 0
    assert Path("done/persons.csv").read_text() == Path("data.csv").read_text()
    assert tree() == ["data.csv", "done/persons.csv"]


@pytest.mark.parametrize("age", ["39", "old"])
def test_a_file_with_a_very_long_name_is_synced_and_moved(command: Command, age: str) -> None:
    name = f"persons{'x' * 244}.csv"
    for _ in range(2):
        put(name, f"1,Homer,{age}\n")
        assert command("syncfeed", "persons").code == (0 if age == "39" else 1)

    assert not list(Path("inbox").iterdir())
    assert len(tree()) == (2 if age == "39" else 6)


def test_a_pipe_is_read_and_not_moved(command: Command) -> None:
    os.mkfifo("persons.csv")
    writer = threading.Thread(target=lambda: Path("persons.csv").write_text(f"{HEADER}1,Homer,39\n"))
    writer.start()

    ran = command("syncfeed", "persons", "persons.csv")

    writer.join(20)
    assert (ran.code, persons()) == (0, {"1": 39})
    assert "meanwhile" not in ran.out
    assert Path("persons.csv").is_fifo()
