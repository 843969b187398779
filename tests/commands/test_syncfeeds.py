"""``syncfeeds``: all feeds, in an order in which what others refer to comes first."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.checks import run_checks
from django.core.mail import EmailMessage
from django.test import override_settings

from nsync.models import Run
from tests.commands.conftest import Ran
from tests.commands.test_notify import ADMINS, OLD_SETTING
from tests.testapp.models import House, Person, Room, Tag

Command = Callable[..., Ran]
FEEDS = """
[feeds.rooms]
system = "Land"
model = "testapp.Room"
files = "rooms.csv"
[feeds.houses]
system = "Land"
model = "testapp.House"
files = "houses.csv"
match_on = "address"
contract = "exact"
columns = {address = "address", besitzer = "owner=>employee_id"}
[feeds.persons]
system = "HR"
model = "testapp.Person"
files = "persons.csv"
[feeds.tags]
system = "HR"
model = "testapp.Tag"
files = "tags.csv"
"""
FILES = {
    "rooms.csv": "action_flags,match_on,name,house=>address\ncu*,name,Kitchen,Evergreen\n",
    "houses.csv": "action_flags,address,besitzer\ncu*,Evergreen,E1\n",
    "persons.csv": "action_flags,match_on,employee_id,first_name\ncu*,employee_id,E1,Homer\n",
    "tags.csv": "action_flags,match_on,name\ncu*,name,old\n",
}


@pytest.fixture(autouse=True)
def feeds(in_folder: Path) -> None:
    (in_folder / "nsync.toml").write_text(FEEDS)
    for name, text in FILES.items():
        (in_folder / name).write_text(text)


def closing(ran: Ran) -> list[str]:
    return ran.out[ran.out.rindex("Feeds\n") :].splitlines()[1:]


def test_feeds_run_each_by_itself_and_what_others_refer_to_first(command: Command) -> None:
    ran = command("syncfeeds")

    assert ran.code == 0, ran.err
    models = [run.model for run in Run.objects.order_by("pk")]
    assert models == ["testapp.Tag", "testapp.Person", "testapp.House", "testapp.Room"]
    assert Room.objects.get().house.owner == Person.objects.get()
    assert [line.split()[1] for line in closing(ran)] == ["applied"] * 4


def test_a_feed_that_another_process_is_at_is_not_waited_for(command: Command) -> None:
    """T7: 6; what refers to it is skipped."""
    lock = Path(".tags.csv.nsync-lock")
    with lock.open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        ran = command("syncfeeds")

    assert ran.code == 6
    lines = [line.split(maxsplit=1) for line in closing(ran)]
    assert lines[0] == ["tags", "tags.csv is being synced by another process, exit code 6"]
    assert lines[1] == ["persons", "skipped: it refers to tags"]


def test_what_depends_on_a_feed_that_failed_is_skipped_and_the_others_run(command: Command) -> None:
    Path("persons.csv").write_text("action_flags,match_on,employee_id,age\ncu*,employee_id,E1,old\n")

    ran = command("syncfeeds")

    assert ran.code == 1
    lines = {line.split()[0]: line.split(maxsplit=1)[1] for line in closing(ran)}
    assert lines["houses"] == "skipped: it refers to persons"
    assert lines["rooms"] == "skipped: it refers to houses"
    assert lines["persons"].startswith("rolled back (run ")
    assert lines["persons"].endswith("persons.csv, exit code 1")
    assert lines["tags"].startswith("applied (run ")
    assert (House.objects.count(), Tag.objects.count()) == (0, 1)


def test_rows_that_were_left_out_stop_no_other_feed(command: Command) -> None:
    """T7: exit code 3."""
    with Path("persons.csv").open("a") as file:
        file.write("cu*,bad,E2,Marge\n")

    ran = command("syncfeeds", "--on-error", "skip")

    assert ran.code == 3
    assert House.objects.get().owner == Person.objects.get()


def test_a_feed_without_a_file_stops_no_other(command: Command) -> None:
    Path("persons.csv").unlink()

    ran = command("syncfeeds")

    assert ran.code == 0
    assert House.objects.get().owner is None
    assert any(line.split() == ["persons", "no", "file"] for line in closing(ran))


def test_a_feed_that_waits_for_a_tap_is_left_alone(command: Command) -> None:
    text = FEEDS.replace('files = "tags.csv"', 'stream = "tags"')
    Path("nsync.toml").write_text(text)

    ran = command("syncfeeds")

    assert ran.code == 0, ran.err
    assert [line.split()[0] for line in closing(ran)] == ["persons", "houses", "rooms"]


def test_the_strongest_exit_code_counts(command: Command) -> None:
    """T7: 1 before 4 before 3."""
    Path("tags.csv").write_text("nonsense\n1\n")
    with Path("persons.csv").open("a") as file:
        file.write("cu*,employee_id,E2,Marge\n")
    text = FEEDS.replace('files = "persons.csv"', 'files = "persons.csv"\nmax_changes = 1')
    Path("nsync.toml").write_text(text)

    assert command("syncfeeds").code == 1
    Path("tags.csv").unlink()
    assert command("syncfeeds").code == 4


def test_a_mistake_in_the_file_lets_nothing_run(command: Command) -> None:
    Path("nsync.toml").write_text(FEEDS.replace("testapp.Tag", "testapp.Tga"))

    ran = command("syncfeeds")

    assert ran.code == 1
    assert "[feeds.tags]" in ran.err
    assert "Did you mean 'testapp.Tag'?" in ran.err
    assert not Run.objects.exists()


def test_feeds_that_refer_to_each_other_are_named_and_run_in_the_order_of_the_file(command: Command) -> None:
    cycle = FEEDS.replace('model = "testapp.Person"', 'model = "testapp.Person"\ncolumns = {x = "houses=>address"}')
    Path("nsync.toml").write_text(cycle)
    Path("persons.csv").write_text("action_flags,match_on,employee_id,x,first_name\ncu*,employee_id,E1,,Homer\n")

    ran = command("syncfeeds")

    assert ran.code == 0, ran.err
    assert "persons → houses → persons: these refer to each other" in ran.err
    (problem,) = run_checks(tags=["nsync"])
    assert problem.id == "nsync.W001"
    assert "persons → houses → persons" in problem.msg


@pytest.mark.parametrize("option", [("--report", "r.json"), ("--rejects", "r.csv"), ("--resume", "1")])
def test_what_goes_with_one_run_is_refused(command: Command, option: tuple[str, str]) -> None:
    """T7."""
    assert command("syncfeeds", *option).code == 2


@OLD_SETTING
def test_the_admins_are_told_of_all_feeds_that_failed(command: Command, mailoutbox: list[EmailMessage]) -> None:
    Path("persons.csv").write_text("action_flags,match_on,employee_id,age\ncu*,employee_id,E1,old\n")

    with override_settings(ADMINS=ADMINS):
        command("syncfeeds", "--notify")

    (message,) = mailoutbox
    assert message.subject == "[Django] syncfeeds: 1 of 4 feeds failed, 2 did not run (exit code 1)"
    assert "skipped: it refers to persons" in message.body
    assert "persons.csv:2 invalid-integer" in message.body


def test_the_checks_tell_each_mistake_with_its_line(in_folder: Path) -> None:
    Path("nsync.toml").write_text(FEEDS.replace("match_on = ", "mach_on = "))

    (problem,) = run_checks(tags=["nsync"])

    assert problem.id == "nsync.E009"
    assert problem.msg == "nsync.toml:10: [feeds.houses] unknown key 'mach_on'"
    assert problem.hint == "Did you mean 'match_on'?"


@pytest.mark.parametrize(
    ("nsync", "said"),
    [
        ({"FEEDS": "gone.toml"}, "gone.toml: no such file"),
        ({"FEEDS": 7}, 'NSYNC["FEEDS"] is 7; it must be a path'),
    ],
)
def test_the_checks_tell_a_file_that_cannot_be_read(nsync: dict[str, object], said: str) -> None:
    with override_settings(NSYNC=nsync):
        (problem,) = run_checks(tags=["nsync"])

    assert problem.id == "nsync.E008"
    assert problem.msg.startswith(said)


def test_a_mistake_in_the_file_of_feeds_stops_no_command_that_has_no_need_of_it(command: Command) -> None:
    Path("nsync.toml").write_text("[")

    assert command("syncfile", "HR", "testapp", "Tag", "tags.csv").code == 0
