"""``syncfeed``: a feed of ``nsync.toml``, its files, and where they go."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from nsync.models import ExternalKeyMapping, Run
from tests.commands.conftest import Project, Ran
from tests.testapp.models import House, Person

Command = Callable[..., Ran]
FEED = """
[feeds.persons]
system = "HR"
model = "testapp.Person"
files = "inbox/persons*.csv"
action_flags = "cu*"
match_on = "employee_id"
external_key_column = "Nr"
archive = "done/"

[feeds.persons.columns]
Nr = "employee_id"
Vorname = "first_name"
Alter = "age"
"""
HEADER = "Nr,Vorname,Alter\n"


@pytest.fixture(autouse=True)
def folder(in_folder: Path) -> Path:
    (in_folder / "inbox").mkdir()
    (in_folder / "nsync.toml").write_text(FEED)
    return in_folder


def put(name: str, rows: str, age: float = 0) -> Path:
    path = Path("inbox") / name
    path.write_text(HEADER + rows)
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def say(*lines: str) -> None:
    """Add lines to the feed's own table."""
    Path("nsync.toml").write_text(FEED.replace("[feeds.persons]\n", "[feeds.persons]\n" + "\n".join(lines) + "\n"))


def tree() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file() and path.name != "nsync.toml")


def persons() -> dict[str | None, int | None]:
    return dict(Person.objects.order_by("employee_id").values_list("employee_id", "age"))


def test_a_file_is_synced_as_its_feed_says_and_moved_to_the_archive(command: Command) -> None:
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeed", "persons")

    assert ran.code == 0, ran.err
    assert ran.out.startswith("Applied.\ninbox/persons.csv → testapp.Person (system HR): 1 row\n")
    assert ran.out.endswith("inbox/persons.csv → done/persons.csv\n")
    assert Person.objects.get().first_name == "Homer"
    assert ExternalKeyMapping.objects.get().external_key == "1"
    assert tree() == ["done/persons.csv"]


def test_the_newest_file_counts_and_older_ones_are_set_aside(command: Command) -> None:
    """Else the next call would take an older one as the newest, and bring back what was."""
    put("persons-1.csv", "1,Homer,38\n", age=10)
    put("persons-2.csv", "1,Homer,39\n")
    put("persons-3.csv", "1,Homer,37\n", age=20)

    assert command("syncfeed", "persons").code == 0
    assert persons() == {"1": 39}
    assert tree() == ["done/older/persons-1.csv", "done/older/persons-3.csv", "done/persons-2.csv"]
    assert command("syncfeed", "persons").out == "persons: no file fits inbox/persons*.csv\n"


def test_all_files_are_synced_one_after_the_other_in_order_of_their_names(command: Command) -> None:
    put("persons-1.csv", "1,Homer,38\n")
    put("persons-2.csv", "1,Homer,39\n", age=20)

    ran = command("syncfeed", "persons", "--all-files")

    assert (ran.code, persons()) == (0, {"1": 39})
    assert [run.sources[0]["name"] for run in Run.objects.order_by("pk")] == [
        "inbox/persons-1.csv",
        "inbox/persons-2.csv",
    ]
    assert tree() == ["done/persons-1.csv", "done/persons-2.csv"]


def test_what_comes_after_a_file_that_failed_is_left_alone(command: Command) -> None:
    """It may build on what the failed one would have said."""
    say("all_files = true")
    put("persons-1.csv", "1,Homer,38\n")
    put("persons-2.csv", "2,Marge,young\n")
    put("persons-3.csv", "3,Bart,10\n")

    ran = command("syncfeed", "persons")

    assert (ran.code, persons()) == (1, {"1": 38})
    assert "persons: left alone after that: inbox/persons-3.csv" in ran.err
    assert tree() == [
        "done/persons-1.csv",
        "failed/persons-2.rejects.csv",
        "failed/persons-2.report.json",
        "inbox/persons-2.csv",
        "inbox/persons-3.csv",
    ]


def test_files_may_be_named(command: Command) -> None:
    put("other.csv", "1,Homer,38\n")
    put("persons.csv", "2,Marge,34\n")

    assert command("syncfeed", "persons", "inbox/other.csv").code == 0
    assert persons() == {"1": 38}
    assert tree() == ["done/other.csv", "inbox/persons.csv"]


def test_a_file_that_failed_has_its_rejects_and_its_report_beside_it(command: Command) -> None:
    put("persons.csv", "1,Homer,39\n2,Marge,young\n")

    ran = command("syncfeed", "persons")

    assert ran.code == 1
    assert "inbox/persons.csv → failed/persons.csv" in ran.out
    assert Path("failed/persons.rejects.csv").read_text().splitlines()[1].startswith("2,Marge,young,3,invalid-integer")
    assert '"status": "rolled back"' in Path("failed/persons.report.json").read_text()
    assert not Person.objects.exists()


def test_a_failed_file_that_is_mended_goes_to_the_archive(command: Command) -> None:
    put("persons.csv", "2,Marge,young\n")
    assert command("syncfeed", "persons").code == 1
    Path("failed/persons.csv").write_text(HEADER + "2,Marge,34\n")

    assert command("syncfeed", "persons", "failed/persons.csv").code == 0
    assert persons() == {"2": 34}
    assert "done/persons.csv" in tree()


def test_a_file_of_which_only_some_rows_failed_was_applied(command: Command) -> None:
    """T7: exit code 3; the rejects of each day are kept."""
    say('on_error = "skip"')
    for number in ("1", "2"):
        put("persons.csv", f"{number},Homer,39\n9,Marge,young\n")
        assert command("syncfeed", "persons").code == 3

    assert persons() == {"1": 39, "2": 39}
    assert tree() == [
        "done/persons.csv",
        "done/persons_2.csv",
        "failed/persons.rejects.csv",
        "failed/persons.report.json",
        "failed/persons_2.rejects.csv",
        "failed/persons_2.report.json",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [("Nr,Name,Alter\n1,Homer,39\n", "no column 'Vorname'"), ("", "is empty"), ("PK\3\4xxxxxxxxxx", "")],
)
def test_a_file_that_is_none_of_the_feed_goes_with_the_reason_beside_it(
    command: Command, content: str, said: str
) -> None:
    Path("inbox/persons.csv").write_text(content)

    ran = command("syncfeed", "persons")

    assert ran.code == 1
    assert said in ran.err
    assert tree() == ["failed/persons.csv", "failed/persons.error.txt"]
    assert said in Path("failed/persons.error.txt").read_text()


def test_a_file_that_a_guard_stops_has_failed(command: Command) -> None:
    """G1."""
    say("max_changes = 1")
    put("persons.csv", "1,Homer,39\n2,Marge,34\n")

    assert command("syncfeed", "persons").code == 4
    assert tree() == ["failed/persons.csv", "failed/persons.report.json"]
    assert command("syncfeed", "persons", "failed/persons.csv", "--max-changes", "none").code == 0
    assert "done/persons.csv" in tree()


def test_a_feed_without_an_archive_leaves_its_files_where_they_are(command: Command) -> None:
    Path("nsync.toml").write_text(FEED.replace('archive = "done/"\n', ""))
    put("persons.csv", "1,Homer,39\n")

    assert command("syncfeed", "persons").code == 0
    assert "nothing to change" in command("syncfeed", "persons").out
    assert tree() == ["inbox/persons.csv"]


def test_a_dry_run_moves_and_writes_nothing(command: Command) -> None:
    """O4."""
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeed", "persons", "--dry-run", "--check")

    assert (ran.code, Person.objects.count(), tree()) == (5, 0, ["inbox/persons.csv"])


def test_the_command_line_overrides_what_the_feed_says(command: Command) -> None:
    put("persons.csv", "1,Homer,39\n")
    Path("other.csv").write_text("Nr;Vorname;Alter\n7;Bart;10\n")
    options = ("--system", "ERP", "--files", "oth*.csv", "--delimiter", ";", "--archive", "old", "--failed", "bad")

    ran = command("syncfeed", "persons", *options, "--map", "Alter=", "--set", "age=11", "--set", "last_name=S")

    assert ran.code == 0, ran.err
    assert (persons(), Person.objects.get().last_name, Person.objects.get().first_name) == ({"7": 11}, "S", "Bart")
    assert ExternalKeyMapping.objects.get().external_system.name == "ERP"
    assert tree() == ["inbox/persons.csv", "old/other.csv"]


def test_options_of_code_override_what_the_feed_says(command: Command) -> None:
    put("persons.csv", "1,Homer,39\n")

    assert command("syncfeed", "persons", action_flags="c", archive="", strict=True).code == 0
    assert tree() == ["inbox/persons.csv"]


@pytest.mark.parametrize(("how", "code"), [("warn", 0), ("error", 1)])
def test_a_feed_without_a_file_is_an_error_if_it_says_so(command: Command, how: str, code: int) -> None:
    say(f'on_missing_file = "{how}"')

    ran = command("syncfeed", "persons")

    assert ran.code == code
    assert "persons: no file fits inbox/persons*.csv" in ran.out + ran.err


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("person",), 1, "no feed 'person'; did you mean 'persons'?"),
        (("persons", "inbox/gone.csv"), 1, "no such file"),
        (("persons", "a.csv", "b.csv", "--report", "r.json"), 2, "go with one file"),
        (("persons", "--model", "testapp.Persn"), 1, "has no model 'Persn'"),
        (("persons", "--snapshot-action", "release"), 2, "--snapshot-action goes with --snapshot"),
    ],
)
def test_a_call_that_makes_no_sense_moves_nothing(
    command: Command, arguments: tuple[str, ...], code: int, said: str
) -> None:
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeed", *arguments)

    assert ran.code == code
    assert said in ran.err
    assert tree() == ["inbox/persons.csv"]


def test_a_mistake_in_another_feed_does_not_matter(command: Command) -> None:
    Path("nsync.toml").write_text(FEED + '\n[feeds.other]\nsystem = "HR"\nmodel = "testapp.Tag"\nmtch_on = ""\n')
    put("persons.csv", "1,Homer,39\n")

    assert command("syncfeed", "persons").code == 0
    ran = command("syncfeed", "other")
    assert ran.code == 1
    assert ran.err.startswith("nsync.toml:19: [feeds.other] unknown key 'mtch_on'. Did you mean 'match_on'?")


def test_the_file_of_feeds_may_be_elsewhere_and_its_paths_are_seen_from_there(command: Command) -> None:
    Path("conf").mkdir()
    Path("nsync.toml").rename("conf/feeds.toml")
    Path("inbox").rename("conf/inbox")
    Path("conf/inbox/persons.csv").write_text(f"{HEADER}1,Homer,39\n")

    with override_settings(NSYNC={"FEEDS": "conf/feeds.toml"}):
        assert command("syncfeed", "persons").code == 0
    assert tree() == ["conf/done/persons.csv", "conf/feeds.toml"]


def test_standard_input_is_read_and_not_moved(project: Project) -> None:
    ran = project.run("syncfeed", "persons", "-", text=f"{HEADER}1,Homer,39\n")

    assert ran.code == 0, ran.err
    assert project.persons() == ["Homer"]


def test_a_file_that_cannot_be_moved_is_told_and_does_no_harm_the_next_time(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The run is committed before: exit code 3."""
    put("persons.csv", "1,Homer,39\n")

    def refuse(*arguments: Any, **more: Any) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", refuse)
        patch.setattr("shutil.copy2", refuse)
        ran = command("syncfeed", "persons")

    assert ran.code == 3
    assert "inbox/persons.csv was applied, and cannot be moved to done: Permission denied" in ran.err
    assert (persons(), tree()) == ({"1": 39}, ["inbox/persons.csv"])
    assert "nothing to change" in command("syncfeed", "persons").out
    assert tree() == ["done/persons.csv"]


def test_an_archive_that_cannot_be_is_told_before_anything_is_written(command: Command) -> None:
    put("persons.csv", "1,Homer,39\n")
    Path("done").write_text("")

    ran = command("syncfeed", "persons")

    assert ran.code == 1
    assert "archive: done is no folder" in ran.err
    assert not Person.objects.exists()


@pytest.fixture
def busy(folder: Path, project: Project) -> Path:
    """Give a file whose run takes its time: its source is a feed of many rows."""
    path = folder / "inbox" / "persons.csv"
    path.write_text(HEADER + "".join(f"{number},P{number},39\n" for number in range(40_000)))
    return path


@pytest.mark.usefixtures("busy")
def test_a_file_that_is_being_synced_is_not_taken_by_another_process(project: Project, folder: Path) -> None:
    lock = folder / "inbox" / ".persons.csv.nsync-lock"
    with project.start("syncfeed", "persons", "--engine", "objects", "-v", "0") as first:
        wait_for(lock.exists)
        second = project.run("syncfeed", "persons")
        first.kill()

    assert second.code == 6
    assert "inbox/persons.csv is being synced by another process" in second.err
    assert (folder / "inbox" / "persons.csv").exists()

    # What was killed has left its lock, which is free.
    (folder / "inbox" / "persons.csv").write_text(f"{HEADER}1,Homer,39\n")
    assert lock.exists()
    third = project.run("syncfeed", "persons")
    assert third.code == 0, third.err
    assert [path.name for path in (folder / "inbox").iterdir()] == []
    assert project.persons() == ["Homer"]


@pytest.mark.usefixtures("busy")
def test_a_file_whose_run_is_ended_by_a_signal_stays(project: Project, folder: Path) -> None:
    """T7: it is not the file that has failed."""
    options = ("--no-as-transaction", "--batch-size", "100", "--engine", "objects", "-v", "0")
    with project.start("syncfeed", "persons", *options) as process:
        wait_for(project.persons)
        process.terminate()
        _, err = process.communicate(timeout=60)

    assert process.returncode == 143
    assert "the last row committed is" in err
    assert [path.name for path in (folder / "inbox").iterdir()] == ["persons.csv"]
    assert not (folder / "failed").exists()


def test_a_file_whose_run_cannot_begin_stays(project: Project, folder: Path, busy: Path) -> None:
    """T7: another run has the model (6), or SQLite lets nobody else write (1)."""
    big = folder / "big.csv"
    busy.rename(big)
    (folder / "inbox" / "persons.csv").write_text(f"{HEADER}1,Homer,39\n")
    options = ("--map", "Vorname=first_name", "--action-flags", "c", "--external-key-column", "Nr")
    with project.start("syncfile", "HR", "testapp", "Person", "big.csv", *options, "--engine", "objects") as first:
        wait_for(lambda: any(folder.glob("db.sqlite3.nsync-*.lock")))
        second = project.run("syncfeed", "persons")
        first.kill()

    assert second.code in (1, 6)
    assert "is being synced by" in second.err or "the database refuses" in second.err
    assert [path.name for path in (folder / "inbox").iterdir()] == ["persons.csv"]


def test_two_processes_at_once_apply_a_file_once(project: Project, folder: Path) -> None:
    """Whoever comes second finds it claimed or gone; never is it applied twice, nor is it lost."""
    for turn in range(3):
        (folder / "inbox" / "persons.csv").write_text(f"{HEADER}{turn},Homer,39\n")
        started = [project.start("syncfeed", "persons", "--wait", "20") for _ in range(2)]
        outputs = [process.communicate(timeout=60) for process in started]

        assert sum("Applied." in out for out, _ in outputs) == 1, outputs
        assert all(process.returncode in (0, 6) for process in started), outputs
        assert len(list((folder / "done").iterdir())) == turn + 1
    assert project.persons() == ["Homer"] * 3


def test_a_file_that_vanishes_between_its_choice_and_its_claim_was_taken(command: Command) -> None:
    """The lock of who has moved it is gone by then: the next newest file is looked for."""
    path = put("persons.csv", "1,Homer,39\n")
    lock = path.with_name(".persons.csv.nsync-lock")
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        assert command("syncfeed", "persons").code == 6
    path.rename("done.csv")

    assert command("syncfeed", "persons").out.startswith("persons: no file fits")


def wait_for(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def mend(path: str, wrong: str, right: str) -> None:
    text = Path(path).read_text()
    assert wrong in text
    Path(path).write_text(text.replace(wrong, right))


@pytest.mark.parametrize("arguments", [(), ("--header", "")])
def test_rejects_of_a_feed_whose_files_have_no_header_row_are_read_by_their_own(
    command: Command, arguments: tuple[str, ...]
) -> None:
    """O3."""
    say('on_error = "skip"', 'header = ["Nr", "Vorname", "Alter"]')
    Path("inbox/persons.csv").write_text("1,Homer,39\n2,Marge,young\n")
    assert command("syncfeed", "persons").code == 3
    mend("failed/persons.rejects.csv", ",young,", ",36,")

    ran = command("syncfeed", "persons", "failed/persons.rejects.csv", *arguments)

    assert (ran.code, persons()) == (0, {"1": 39, "2": 36})


def test_rejects_of_a_feed_in_another_format_are_read_as_what_they_are(command: Command) -> None:
    """O3: its encoding and its delimiter are those of the feed's files, not of its rejects."""
    say('on_error = "skip"', 'format = "jsonl"', 'encoding = "cp1252"', 'header = ["Nr", "Vorname", "Alter"]')
    text = '{"Nr": "1", "Vorname": "Bjørn", "Alter": 39}\n{"Nr": "2", "Vorname": "Märge", "Alter": "young"}\n'
    Path("inbox/persons.csv").write_text(text, encoding="cp1252")
    assert command("syncfeed", "persons").code == 3
    mend("failed/persons.rejects.csv", ",young,", ",36,")

    ran = command("syncfeed", "persons", "failed/persons.rejects.csv")

    assert (ran.code, persons()) == (0, {"1": 39, "2": 36})
    assert Person.objects.get(employee_id="2").first_name == "Märge"


def test_an_empty_header_on_the_command_line_takes_that_of_the_feed_away(command: Command) -> None:
    say('header = ["Vorname", "Nr", "Alter"]')
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeed", "persons", "--header", "")

    assert (ran.code, persons()) == (0, {"1": 39})


def test_each_mistake_in_the_feed_is_told_on_a_line_of_its_own(command: Command) -> None:
    say('sytem = "HR"', "wait = -1", 'date_order = "\\u001b[31m"')

    ran = command("syncfeed", "persons")

    assert ran.code == 1
    lines = ran.err.splitlines()
    assert [line.partition(" ")[0] for line in lines] == ["nsync.toml:3:", "nsync.toml:4:", "nsync.toml:5:"]


def test_an_empty_null_marker_on_the_command_line_takes_that_of_the_feed_away(command: Command) -> None:
    """C5: an empty cell is then one that is empty, which says nothing of a reference."""
    Path("nsync.toml").write_text(
        """[feeds.houses]
system = "Land"
model = "testapp.House"
files = "inbox/*.csv"
action_flags = "cu*"
match_on = "address"
null_marker = "NULL"
columns = {Owner = "owner=>employee_id"}
"""
    )
    House.objects.create(address="E", owner=Person.objects.create(employee_id="1"))
    Path("inbox/houses.csv").write_text("address,country,Owner\nE,NULL,\n")

    ran = command("syncfeed", "houses", "--null-marker", "")

    assert ran.code == 0, ran.err
    house = House.objects.get()
    assert (house.country, house.owner_id is None) == ("NULL", False)


@pytest.mark.parametrize(
    ("codes", "given", "left"),
    [
        ('I = "cu*"', "i=d", (("i", "d"),)),
        ('I = "cu*", i = "u"', "i=d", (("I", "cu*"), ("i", "d"))),
        ('I = "cu*", D = "d"', "I=c", (("D", "d"), ("I", "c"))),
    ],
)
def test_a_code_that_the_command_line_names_in_another_case_is_that_of_the_feed(
    command: Command, codes: str, given: str, left: tuple[tuple[str, str], ...]
) -> None:
    say(f"flag_map = {{{codes}}}")
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeed", "persons", "--flag-map", given)

    assert ran.code == 0, ran.err
    assert dict(Run.objects.get().options["flag_map"]) == dict(left)


@pytest.mark.parametrize("option", ["--min-age", "--wait", "--batch-size", "--max-errors"])
def test_a_number_that_is_beyond_all_measure_is_refused(command: Command, option: str) -> None:
    put("persons.csv", "1,Homer,39\n")

    ran = command("syncfeed", "persons", option, "9" * 5_000)

    assert f"argument {option}: " in ran.err
    assert (persons(), tree()) == ({}, ["inbox/persons.csv"])
