"""``syncsinger``: what a tap writes, which feed takes it, and which states come back."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.mail import EmailMessage
from django.core.management import call_command
from django.test import override_settings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync.models import ExternalKeyMapping, Run
from tests.commands.conftest import ROOT, Project, Ran
from tests.commands.test_notify import ADMINS, OLD_SETTING
from tests.doc_blocks import parse
from tests.test_locks import held
from tests.testapp.models import House, Person

Tap = Callable[..., Ran]
TAPS = Path(__file__).resolve().parents[1] / "taps"
FEEDS = """
[feeds.persons]
system = "HR"
model = "testapp.Person"
match_on = "employee_id"

[feeds.persons.columns]
nr = "employee_id"
name = "first_name"
boss = "manager=>employee_id"

[feeds.homes]
system = "HR"
model = "testapp.House"
stream = "public-houses"

[feeds.homes.columns]
owner = "owner=>employee_id"
"""
PERSONS = {
    "type": "SCHEMA",
    "stream": "persons",
    "schema": {
        "properties": {
            "nr": {"type": "string"},
            "name": {"type": ["null", "string"]},
            "boss": {"type": ["null", "string"]},
            "age": {"type": ["null", "integer"]},
        }
    },
    "key_properties": ["nr"],
}
HOUSES = {
    "type": "SCHEMA",
    "stream": "public-houses",
    "schema": {
        "properties": {name: {"type": ["null", "string", "integer"]} for name in ("site", "no", "address", "owner")}
    },
    "key_properties": ["site", "no"],
}


def person(nr: Any, name: str = "Ann", **more: Any) -> dict[str, Any]:
    version = {"version": more.pop("version")} if "version" in more else {}
    return {"type": "RECORD", "stream": "persons", "record": {"nr": nr, "name": name, **more}, **version}


def house(site: str, no: int, **more: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": "public-houses", "record": {"site": site, "no": no, **more}}


def state(value: Any) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def activate(version: int, stream: str = "persons") -> dict[str, Any]:
    return {"type": "ACTIVATE_VERSION", "stream": stream, "version": version}


def text_of(*messages: Any) -> str:
    return "".join(f"{one if isinstance(one, str) else json.dumps(one)}\n" for one in messages)


@pytest.fixture(autouse=True)
def feeds(in_folder: Path) -> Path:
    (in_folder / "nsync.toml").write_text(FEEDS)
    return in_folder


@pytest.fixture
def tap(command: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> Tap:
    """Give a function that calls the command with messages (or lines) on standard input."""

    def run(*messages: Any, options: tuple[str, ...] = (), system: str = "HR") -> Ran:
        stdin = io.TextIOWrapper(io.BytesIO(text_of(*messages).encode("utf-8", "surrogatepass")))
        monkeypatch.setattr(sys, "stdin", stdin)
        return command("syncsinger", system, *options)

    return run


def states(ran: Ran) -> list[Any]:
    return [json.loads(line) for line in ran.out.splitlines()]


def say(feed: str, *lines: str) -> None:
    """Add lines to a feed's own table."""
    text = Path("nsync.toml").read_text()
    Path("nsync.toml").write_text(text.replace(f"[feeds.{feed}]\n", f"[feeds.{feed}]\n" + "\n".join(lines) + "\n"))


def people() -> dict[str, str]:
    return dict(Person.objects.order_by("employee_id").values_list("employee_id", "first_name"))


def keys() -> list[str]:
    return sorted(ExternalKeyMapping.objects.values_list("external_key", flat=True))


# --- what comes in, and what comes back -------------------------------------------------------------------------------


def test_records_are_synced_and_the_last_state_comes_back(tap: Tap) -> None:
    ran = tap(PERSONS, person("1"), state({"at": 1}), person("2", "Bob", boss="1", age=7), state({"at": 2}))

    assert (ran.code, states(ran)) == (0, [{"at": 2}])
    assert people() == {"1": "Ann", "2": "Bob"}
    assert Person.objects.get(employee_id="2").manager == Person.objects.get(employee_id="1")
    assert keys() == ["1", "2"]
    assert ran.err.splitlines()[0].startswith("Applied (run ")
    assert "persons → testapp.Person (system HR): 2 records in 1 run: 2 created" in ran.err


def test_each_piece_is_a_run_whose_state_comes_back_when_it_is_committed(tap: Tap) -> None:
    given = (PERSONS, person("1"), state(1), person("2"), state(2), person("3"), state(3))

    ran = tap(*given, options=("--commit-every", "2"))

    assert states(ran) == [2, 3]
    assert [run.sources[0]["rows"] for run in Run.objects.order_by("pk")] == [2, 1]
    assert states(tap(*given, options=("--commit-after", "0"))) == [1, 2, 3]
    assert Run.objects.count() == 5


def test_records_without_a_state_are_committed_in_the_end_and_before_they_are_too_many(tap: Tap) -> None:
    ran = tap(PERSONS, state(0), *(person(str(number)) for number in range(25)), options=("--commit-every", "1"))

    assert states(ran) == [0]
    assert [run.sources[0]["rows"] for run in Run.objects.order_by("pk")] == [10, 10, 5]


def test_a_state_that_no_record_waits_for_comes_back_at_once(tap: Tap) -> None:
    ran = tap(state(1), PERSONS, state(2), '{"type": "RECORD"}')

    assert (ran.code, states(ran)) == (1, [1, 2])


def test_streams_come_in_the_order_of_their_references_whatever_that_of_the_tap(tap: Tap) -> None:
    ran = tap(HOUSES, house("N", 1, address="Manor", owner="1"), PERSONS, person("1"), state(1))

    assert (ran.code, states(ran)) == (0, [1])
    assert House.objects.get().owner == Person.objects.get()
    assert [run.model for run in Run.objects.order_by("pk")] == ["testapp.Person", "testapp.House"]
    assert keys() == ["1", "N|1"]


def test_what_comes_again_changes_nothing(tap: Tap) -> None:
    given = (PERSONS, person("1"), HOUSES, house("N", 1, address="Manor"), state(1))
    tap(*given)

    ran = tap(*given)

    assert "Applied: there was nothing to change" in ran.err
    assert (Person.objects.count(), House.objects.count()) == (1, 1)


def test_the_feed_says_what_the_key_is_and_what_rows_ask_for(tap: Tap) -> None:
    say("homes", 'external_key_column = "{no}/{site}"', 'action_flags = "c"')
    tap(HOUSES, house("N", 1, address="Manor"))
    tap(HOUSES, house("N", 1, address="Cave"))

    assert keys() == ["1/N"]
    assert House.objects.get().address == "Manor"


@pytest.mark.parametrize("engine", [(), ("--on-error", "skip")])
def test_a_part_of_a_key_that_could_be_that_of_another_record_fails(tap: Tap, engine: tuple[str, ...]) -> None:
    """Both keys would be a|b|c, and the second record would overwrite the first."""
    houses = {**HOUSES, "key_properties": ["site", "address"]}
    given = (houses, house("a|b", 1, address="c"), house("a", 2, address="b|c"), house("d", 3, address="e"), state(1))

    ran = tap(*given, options=engine)

    assert ran.code == (3 if engine else 1)
    assert keys() == (["d|e"] if engine else [])
    assert "public-houses:2 [site] holds '|', which joins the parts of the key, so that another record" in ran.err
    assert "public-houses:3 [address] holds '|'" in ran.err


def test_a_version_whose_keys_cannot_be_told_apart_takes_away_only_what_no_other_names(tap: Tap) -> None:
    def version(number: int) -> tuple[dict[str, Any], ...]:
        houses = (house("a", 1, address="Manor"), house("a|b", 1, address="Cave"))
        return (HOUSES, *({**one, "version": number} for one in houses), activate(number, "public-houses"))

    say("homes", "snapshot = true", 'on_error = "skip"', "snapshot_despite_errors = true")
    tap(HOUSES, {**house("b", 1, address="Hut"), "version": 1})

    assert tap(*version(2)).code == 3
    assert keys() == ["a|1"]


def test_a_key_of_one_property_or_as_the_feed_says_may_hold_anything(tap: Tap) -> None:
    say("homes", 'external_key_column = "{site}/{no}"')

    ran = tap(PERSONS, person("1|2"), HOUSES, house("a|b", 1, address="Manor"))

    assert (ran.code, keys()) == (0, ["1|2", "a|b/1"])


def test_a_stream_may_have_flags_of_its_own(tap: Tap) -> None:
    tap(PERSONS, person("1"), person("2"))
    flags = {**PERSONS["schema"]["properties"], "action_flags": {}}  # type: ignore[dict-item]

    ran = tap({**PERSONS, "schema": {"properties": flags}}, person("1", action_flags="d"))

    assert ran.code == 0, ran.err
    assert people() == {"2": "Ann"}


def test_properties_that_no_schema_names_are_columns_too(tap: Tap) -> None:
    ran = tap({**PERSONS, "schema": {}}, person("1", age=30, boss=None), person("2", height=1))

    assert ran.code == 0
    assert Person.objects.get(employee_id="1").age == 30
    assert "ignored column height: no such field on Person" in ran.err


def test_a_column_of_the_feed_that_the_stream_lacks_is_an_error(tap: Tap) -> None:
    ran = tap({**PERSONS, "schema": {}}, person("1"))

    assert ran.code == 1
    assert "persons: --map: no column 'boss'; there are nr, name" in ran.err


def test_another_schema_begins_another_piece(tap: Tap) -> None:
    more = {**PERSONS, "schema": {"properties": {**PERSONS["schema"]["properties"], "hair_colour": {}}}}  # type: ignore[dict-item]

    ran = tap(PERSONS, person("1"), PERSONS, person("2"), more, person("3", hair_colour="red"), state(1))

    assert states(ran) == [1]
    assert [run.sources[0]["rows"] for run in Run.objects.order_by("pk")] == [2, 1]


def test_messages_of_other_types_are_ignored_and_said(tap: Tap) -> None:
    ran = tap(PERSONS, '{"type": "LOG", "x": 1}', person("1"), '{"type": "log"}')

    assert ran.code == 0
    assert "Messages of the type LOG were ignored (2)." in ran.err


def test_nothing_at_all_is_said_to_be_nothing(tap: Tap) -> None:
    ran = tap()

    assert (ran.code, ran.out) == (0, "")
    assert "There was no record to apply." in ran.err


def test_nothing_is_said_if_nothing_is_to_be_said(tap: Tap) -> None:
    ran = tap(PERSONS, person("1"), state(1), options=("-v", "0"))

    assert (ran.code, ran.out, ran.err) == (0, "1\n", "")


def test_more_is_said_of_each_run_if_it_is_asked_for(tap: Tap) -> None:
    ran = tap(PERSONS, person("1"), state(1), options=("-v", "2"))

    assert ran.out == "1\n"
    assert "persons → testapp.Person (system HR): 1 row\n" in ran.err


# --- which feed -------------------------------------------------------------------------------------------------------


def test_a_stream_for_which_there_is_no_feed_is_an_error_that_shows_one(tap: Tap, feeds: Path) -> None:
    unknown = {**PERSONS, "stream": "public/Leute", "key_properties": ["nr"]}

    ran = tap(PERSONS, person("1"), unknown)

    assert ran.code == 1
    assert "<stdin>:3: there is no feed of 'HR' for the stream 'public/Leute'; --skip-streams leaves it out" in ran.err
    assert not Person.objects.exists()
    proposed = ran.err[ran.err.index("[feeds.") :].replace("app.Model", "testapp.Person")
    with (feeds / "nsync.toml").open("a") as file:
        file.write(proposed)
    ran = tap(unknown, {**person("7"), "stream": "public/Leute"})
    assert ran.code == 0, ran.err
    assert keys() == ["7"]


def test_streams_for_which_there_is_no_feed_can_be_left_out(tap: Tap) -> None:
    unknown = {**person("2"), "stream": "x"}

    ran = tap({**PERSONS, "stream": "x"}, unknown, unknown, PERSONS, person("1"), state(1), options=("--skip-streams",))

    assert (ran.code, states(ran), people()) == (0, [1], {"1": "Ann"})
    assert "x: records were skipped: there is no feed for it (2)" in ran.err


def test_feeds_of_other_systems_take_nothing(tap: Tap) -> None:
    ran = tap(PERSONS, system="Land")

    assert ran.code == 1
    assert "there is no feed of 'Land' for the stream 'persons'" in ran.err


def test_the_call_says_which_feed_takes_a_stream(tap: Tap) -> None:
    people_ = {**PERSONS, "stream": "people"}
    ann = {**person("1"), "stream": "people"}

    assert tap(people_, ann, options=("--feed", "persons"), system="Land").code == 0
    assert tap(people_, ann, PERSONS, person("2"), options=("--feed", "people=persons")).code == 0

    assert sorted(ExternalKeyMapping.objects.values_list("external_system__name", "external_key")) == [
        ("HR", "1"),
        ("HR", "2"),
        ("Land", "1"),
    ]


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--feed", "person"), 1, "no feed 'person'; did you mean 'persons'? There are persons, homes"),
        (("--feed", "homes"), 1, "the tap has more than one stream, 'persons' and 'other'; say which one it is for"),
        (("--report", "r.json"), 2, "--report goes with one run, and a tap has many; see --failed"),
        (("--rejects", "r.csv"), 2, "--rejects goes with one run"),
        (("--resume", "3"), 2, "--resume goes with one run"),
        (("--delimiter", ";"), 2, "--delimiter is for files: a tap writes JSON, in UTF-8"),
        (("--check",), 2, "--check goes with --dry-run"),
        (("--snapshot-despite-errors",), 2, "--snapshot-despite-errors goes with --snapshot"),
    ],
)
def test_a_call_that_makes_no_sense_is_refused(tap: Tap, options: tuple[str, ...], code: int, said: str) -> None:
    """T7."""
    ran = tap(PERSONS, person("1"), {**PERSONS, "stream": "other"}, options=options)

    assert ran.code == code
    assert said in ran.err
    assert not Person.objects.exists()


def test_two_feeds_for_a_stream_are_an_error(tap: Tap) -> None:
    with Path("nsync.toml").open("a") as file:
        file.write('\n[feeds.more]\nsystem = "HR"\nmodel = "testapp.House"\nstream = "public-houses"\n')

    ran = tap(HOUSES)

    assert ran.code == 1
    assert "the feeds 'homes' and 'more' are both for the stream 'public-houses'; say --feed" in ran.err


@pytest.mark.parametrize("stream", ["persons", "unknown"])
def test_mistakes_in_the_feeds_are_told_also_if_streams_are_left_out(tap: Tap, stream: str) -> None:
    say("persons", "strit = true")

    ran = tap({**PERSONS, "stream": stream}, options=("--skip-streams",))

    assert ran.code == 1
    assert "nsync.toml:3: [feeds.persons] unknown key 'strit'. Did you mean 'strict'?" in ran.err


def test_the_call_overrides_the_feed(tap: Tap) -> None:
    ran = tap(PERSONS, person("1"), options=("--map", "name=last_name", "--set", "first_name=Eve"))

    assert ran.code == 0, ran.err
    assert Person.objects.values_list("first_name", "last_name").get() == ("Eve", "Ann")


def test_what_is_not_given_to_the_command_stays_as_the_feed_says(tap: Tap) -> None:
    say("persons", 'on_error = "skip"', 'null_marker = "NULL"')

    ran = tap(PERSONS, person("1", boss="NULL"), person("2", age=10**12), state(1))

    assert (ran.code, states(ran), people()) == (3, [1], {"1": "Ann"})


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "<stdin>:6: not JSON: "),
        (house("N", 1), "<stdin>:6: a RECORD of 'public-houses' before its SCHEMA"),
        (activate(1, "x"), "<stdin>:6: an ACTIVATE_VERSION of 'x' before its SCHEMA"),
        (person(3), "<stdin>:6: a RECORD of 'persons' whose 'nr' is a whole number (3), and its SCHEMA says string"),
        (
            {**PERSONS, "key_properties": ["name"]},
            "<stdin>:6: another SCHEMA of 'persons', with another key: a key that changes names other objects",
        ),
    ],
)
def test_what_cannot_be_names_its_line_and_leaves_what_was_committed(tap: Tap, line: Any, said: str) -> None:
    """T7: 3 once something is committed, else 1."""
    given = (PERSONS, person("1"), state(1), person("2"), state(2), line, person("3"), state(3))
    first = tap(*given)
    assert (first.code, first.out, people()) == (1, "", {})
    assert said in first.err

    ran = tap(*given, options=("--commit-after", "0"))

    assert (ran.code, states(ran), people()) == (3, [1, 2], {"1": "Ann", "2": "Ann"})
    assert said in ran.err
    assert "Applied in part (runs " in ran.err


def test_types_need_not_be_checked(tap: Tap) -> None:
    ran = tap(PERSONS, person(3), options=("--no-check-types",))

    assert (ran.code, people()) == (0, {"3": "Ann"})


def test_a_row_that_fails_names_the_line_of_the_tap_and_its_piece_is_taken_back(tap: Tap) -> None:
    given = (PERSONS, person("1"), state(1), person("2"), person("3", age=10**12), state(2), person("4"), state(3))

    ran = tap(*given, options=("--commit-after", "0"))

    assert (ran.code, states(ran), people()) == (3, [1], {"1": "Ann"})
    assert "persons:5 [age] " in ran.err
    assert "1 of 2 rows failed" in ran.err
    assert tap(*given).code == 1


def test_a_row_that_fails_after_batches_were_committed_ends_all_and_its_state_does_not_come_back(tap: Tap) -> None:
    """T4, T7: the records after it have not come in, and the tap has to send them again."""
    given = (PERSONS, person("1"), person("2", age=10**12), person("3"), state(1), person("4"), state(2))
    options = ("--no-as-transaction", "--batch-size", "1", "--commit-every", "3")

    ran = tap(*given, options=options)

    assert (ran.code, ran.out, people()) == (3, "", {"1": "Ann"})
    assert "Applied in part (run " in ran.err
    assert "left out" not in ran.err
    skipping = tap(*given, options=(*options, "--on-error", "skip"))
    assert (skipping.code, states(skipping), list(people())) == (3, [1, 2], ["1", "3", "4"])


def test_failed_records_are_kept_in_a_folder(tap: Tap) -> None:
    given = (PERSONS, person("1"), person("2", age=10**12), state(1))
    options = ("--on-error", "skip", "--failed", "bad")

    ran = tap(*given, options=options)
    tap(*given, options=options)

    assert (ran.code, states(ran), people()) == (3, [1], {"1": "Ann"})
    names = ["persons.rejects.csv", "persons.report.json", "persons_2.rejects.csv", "persons_2.report.json"]
    assert sorted(path.name for path in Path("bad").iterdir()) == names
    header, row = Path("bad/persons.rejects.csv").read_text("utf-8-sig").splitlines()
    assert header == "nr,name,boss,age,nsync_line,nsync_code,nsync_message"
    assert row.startswith("2,Ann,',1000000000000,3,")
    assert "bad/persons.rejects.csv" in ran.err


def test_no_state_is_ahead_of_failed_records_that_cannot_be_kept(tap: Tap) -> None:
    Path("bad").symlink_to("nowhere/at/all")

    ran = tap(PERSONS, person("1", age=10**12), state(1), options=("--on-error", "skip", "--failed", "bad"))

    assert (ran.code, ran.out) == (3, "")
    assert "bad: failed records cannot be kept: File exists" in ran.err


def test_a_stream_may_have_any_name(tap: Tap) -> None:
    say("persons", 'failed = "bad"', 'on_error = "skip"')
    name = "../\x00\ud800" + "é" * 300

    ran = tap(
        {**PERSONS, "stream": name},
        {**person("1", age=10**12), "stream": name},
        options=("--feed", "persons", "-v", "0"),
    )

    assert ran.code == 3, ran.err
    assert len(list(Path("bad").iterdir())) == 2


def test_a_folder_that_cannot_be_is_refused_before_anything_is_written(tap: Tap) -> None:
    Path("bad").write_text("")

    ran = tap(PERSONS, person("1"), options=("--failed", "bad"))

    assert ran.code == 1
    assert "failed: bad is no folder" in ran.err


def test_a_guard_stops_a_piece(tap: Tap) -> None:
    """T7: 4 if nothing was committed."""
    options = ("--max-changes", "1")
    given = (PERSONS, person("1"), state(1), person("2"), person("3"), state(2))

    first = tap(*given, options=options)
    ran = tap(*given, options=(*options, "--commit-after", "0"))

    assert (first.code, first.out) == (4, "")
    assert (ran.code, states(ran), people()) == (3, [1], {"1": "Ann"})
    assert "are more than --max-changes 1 allows" in ran.err


def test_a_dry_run_writes_nothing_and_gives_no_state_back(tap: Tap) -> None:
    """O4, T7: 5 if anything would be written."""
    given = (PERSONS, person("1"), state(1))

    ran = tap(*given, options=("--dry-run",))

    assert (ran.code, ran.out, people()) == (0, "", {})
    assert "Nothing was written (dry run)." in ran.err
    assert tap(*given, options=("--dry-run", "--check")).code == 5
    tap(*given)
    assert tap(*given, options=("--dry-run", "--check")).code == 0


def test_a_dry_run_ends_as_the_run_would(tap: Tap) -> None:
    given = (PERSONS, person("1"), state(1), person("2", age=10**12), state(2))

    assert tap(*given, options=("--dry-run",)).code == 1
    assert tap(*given, options=("--dry-run", "--commit-after", "0")).code == 3
    assert tap(*given, options=("--dry-run", "--on-error", "skip")).code == 3
    assert not Run.objects.exists()


@OLD_SETTING
def test_the_admins_are_told(tap: Tap, mailoutbox: list[EmailMessage]) -> None:
    given = (PERSONS, person("1"), state(1), person("2", age=10**12))

    with override_settings(ADMINS=ADMINS):
        tap(*given, options=("--notify", "--commit-after", "0"))
        tap(PERSONS, options=("--notify",))

    (message,) = mailoutbox
    assert message.subject == "[Django] syncsinger HR: applied in part (exit code 3)"
    assert "persons:4 [age]" in message.body
    assert "persons → testapp.Person (system HR): 2 records in 2 runs: 1 created, 1 failed" in message.body


@pytest.mark.usefixtures("db")
def test_a_state_that_cannot_be_written_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """T7: its records are committed, and come again, so the code is 3."""

    class Full(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(sys, "stdin", io.StringIO(text_of(PERSONS, person("1"), state(1), person("2"), state(2))))
    err = io.StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("syncsinger", "HR", "--commit-after", "0", stdout=Full(), stderr=err)

    assert ended.value.code == 3
    assert "<stdout>: a state cannot be written: [Errno 28] No space left on device" in err.getvalue()
    assert people() == {"1": "Ann"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.database("postgresql", "mariadb")
def test_another_run_at_the_model_is_not_waited_for(tap: Tap) -> None:
    """T7: 6."""
    with held([Person], "default"):
        ran = tap(PERSONS, person("1"), state(1))

    assert (ran.code, ran.out) == (6, "")


# --- deletes ----------------------------------------------------------------------------------------------------------


def test_records_that_are_marked_as_deleted_are_kept_and_said(tap: Tap) -> None:
    tap(PERSONS, person("1"), person("2"))

    ran = tap(PERSONS, person("1", _sdc_deleted_at="2024-01-31"), person("2", _sdc_deleted_at=None), state(1))

    assert (ran.code, list(people())) == (0, ["1", "2"])
    assert "persons: records are marked as deleted (_sdc_deleted_at), and were kept; --hard-delete deletes" in ran.err


def test_records_that_are_marked_as_deleted_can_be_deleted(tap: Tap) -> None:
    """A6."""
    tap(PERSONS, person("1"), person("2"), person("3"))
    gone = {"type": "RECORD", "stream": "persons", "record": {"nr": "1", "_sdc_deleted_at": "2024-01-31"}}

    ran = tap(PERSONS, gone, person("2", _sdc_deleted_at=None), options=("--hard-delete",))

    assert (ran.code, list(people())) == (0, ["2", "3"])
    assert "1 deleted" in ran.err
    stopped = tap(PERSONS, person("2", _sdc_deleted_at="x"), options=("--hard-delete", "--max-deletes", "0"))
    assert (stopped.code, list(people())) == (4, ["2", "3"])


def test_codes_of_a_feed_for_flags_do_not_hinder_deletes(tap: Tap) -> None:
    say("persons", 'action_flags_column = "op"', 'flag_map = {I = "cu*"}')
    tap(PERSONS, person("1", op="I"), person("2", op="I"))

    ran = tap(PERSONS, person("1", op="I", _sdc_deleted_at="x"), person("2", op="I"), options=("--hard-delete",))

    assert (ran.code, list(people())) == (0, ["2"])


def test_the_mark_may_be_a_field(tap: Tap) -> None:
    say("persons.columns", '_sdc_deleted_at = "nickname"')

    ran = tap(PERSONS, person("1", _sdc_deleted_at="2024-01-31"))

    assert ran.code == 0
    assert Person.objects.get().nickname == "2024-01-31"
    assert "marked as deleted" not in ran.err


# --- versions ---------------------------------------------------------------------------------------------------------


SNAPSHOT = ("--snapshot",)


@pytest.fixture
def _four(tap: Tap) -> None:
    given = (*(person(str(number), version=1) for number in range(1, 5)), activate(1))
    tap(PERSONS, *given, state(1), options=SNAPSHOT)


@pytest.mark.usefixtures("_four")
def test_what_a_whole_version_lacks_is_kept_and_said(tap: Tap) -> None:
    ran = tap(PERSONS, person("1", version=2), activate(2), state(2))

    assert (ran.code, list(people())) == (0, ["1", "2", "3", "4"])
    assert "persons: whole versions took nothing away; --snapshot takes away what they lack" in ran.err


@pytest.mark.usefixtures("_four")
def test_what_a_whole_version_lacks_goes_if_that_is_asked_for(tap: Tap) -> None:
    """The records of a version may be in many pieces, and what is taken away is a run of its own."""
    given = (PERSONS, activate(2), person("1", version=2), state(2), person("3", version=2), activate(2), state(3))

    ran = tap(*given, options=("--snapshot", "--commit-after", "0"))

    assert (ran.code, states(ran), list(people())) == (0, [2, 3], ["1", "3"])
    assert "snapshot of HR → testapp.Person (system HR): 2 records in 1 run: 2 deleted" in ran.err
    assert [run.outcomes for run in Run.objects.order_by("pk")][2:] == [{"unchanged": 1}, {"unchanged": 2}]


@pytest.mark.usefixtures("_four")
def test_the_feed_says_what_becomes_of_it(tap: Tap) -> None:
    say("persons", "snapshot = true", 'snapshot_action = "set:active=false"')

    ran = tap(PERSONS, person("1", version=2), activate(2), state(2))

    assert (ran.code, states(ran)) == (0, [2])
    assert list(Person.objects.filter(active=True).values_list("employee_id", flat=True)) == ["1"]


@pytest.mark.usefixtures("_four")
@override_settings(NSYNC={"SNAPSHOT_MINIMUM": 2})
def test_a_version_that_lacks_too_much_is_stopped_by_a_guard(tap: Tap) -> None:
    """T7: its records are committed, so the code is 3; its state does not come back."""
    given = (PERSONS, person("1", "Eve", version=2), person("2", version=2), activate(2), state(2))

    ran = tap(*given, options=SNAPSHOT)

    assert (ran.code, ran.out, people()) == (3, "", {"1": "Eve", "2": "Ann", "3": "Ann", "4": "Ann"})
    assert "2 deletes of 4 objects that HR maps in testapp.Person (50.0 %) are more than" in ran.err
    given = tuple({**one, "version": 3} if "version" in one else one for one in given)
    assert tap(*given, options=(*SNAPSHOT, "--allow-deletes")).code == 0
    assert list(people()) == ["1", "2"]


@pytest.mark.usefixtures("_four")
@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ((activate(2),), "no record of version 2 has come; as of an empty snapshot, nothing was taken away"),
        ((person("1", version=2), activate(3)), "no record of version 3 has come; as of an empty snapshot"),
        ((person("1", version=2),), "version 2 was not activated, so that nothing was taken away"),
        ((person("1"),), "its records have no version, so that nothing was taken away"),
        ((person("1", version=1), activate(1)), "version 1 was begun in a run before, whose records are not known"),
    ],
)
def test_a_version_of_which_not_all_is_known_takes_nothing_away(tap: Tap, messages: Any, said: str) -> None:
    if "version 1 " in said:  # the tap goes on in the middle of it, from a state
        tap(PERSONS, person("2", version=1), options=SNAPSHOT)

    ran = tap(PERSONS, *messages, state(1), options=SNAPSHOT)

    assert (ran.code, states(ran), list(people())) == (0, [1], ["1", "2", "3", "4"])
    assert f"persons: {said}" in ran.err


@pytest.mark.usefixtures("_four")
@pytest.mark.parametrize("record", ["changes", "rows", "summary"])
def test_a_version_that_a_pruned_run_may_have_begun_takes_nothing_away(tap: Tap, record: str) -> None:
    """Only a run of an older version shows that none before had records of this one."""
    options = (*SNAPSHOT, "--record", record)
    tap(PERSONS, person("1", version=7), state(1), options=options)
    tap(HOUSES, house("N", 1, address="Manor"))
    call_command("syncprune", "--keep", "1", verbosity=0)

    ran = tap(PERSONS, person("3", version=7), activate(7), state(2), options=options)

    assert (ran.code, states(ran), list(people())) == (0, [2], ["1", "2", "3", "4"])
    assert "persons: no run of an older version is left to show that no run before had records of 7, so that" in ran.err
    ran = tap(PERSONS, person("3", version=8), activate(8), state(3), options=options)
    assert (ran.code, list(people())) == (0, ["3"])


@pytest.mark.usefixtures("_four")
def test_a_version_of_which_a_run_without_snapshot_may_have_had_records_takes_nothing_away(tap: Tap) -> None:
    tap(PERSONS, person("1", version=7), state(1))

    ran = tap(PERSONS, person("3", version=7), activate(7), options=SNAPSHOT)

    assert (ran.code, list(people())) == (0, ["1", "2", "3", "4"])
    assert "no run of an older version is left" in ran.err


@pytest.mark.parametrize("stream", ["123", "null", '"a"', "50%_\\", "\ud800é\0", "a version 6"])
def test_versions_are_told_apart_whatever_the_name_of_the_stream(tap: Tap, stream: str) -> None:
    def call(*numbers: str, version: int, whole: bool = True) -> list[str]:
        named = [{**person(number, version=version), "stream": stream} for number in numbers]
        end = [activate(version, stream)] if whole else []
        ran = tap({**PERSONS, "stream": stream}, *named, *end, options=(*SNAPSHOT, "--feed", "persons"))
        assert ran.code == 0, ran.err
        return list(people())

    assert call("1", "2", "3", version=6) == ["1", "2", "3"]
    call("1", version=7, whole=False)
    assert call("2", version=7) == ["1", "2", "3"]
    assert call("3", version=8) == ["3"]
    tap({**PERSONS, "stream": stream}, {**person("4"), "stream": stream}, options=("--feed", "persons"))
    assert call("1", version=9) == ["1", "3", "4"]
    assert call("1", version=10) == ["1"]


@pytest.mark.usefixtures("_four")
def test_a_version_begun_in_a_run_that_left_nothing_counts_as_whole(tap: Tap) -> None:
    assert tap(PERSONS, person("2", version=2, age=10**12), options=SNAPSHOT).code == 1

    assert tap(PERSONS, person("1", version=2), activate(2), options=SNAPSHOT).code == 0
    assert list(people()) == ["1"]


@pytest.mark.usefixtures("_four")
def test_a_version_with_records_that_failed_takes_nothing_away(tap: Tap) -> None:
    """Also if they were in another piece; and those records name their keys."""
    given = (PERSONS, person("1", version=2, age=10**12), state(1), person("2", version=2), activate(2), state(2))
    options = ("--snapshot", "--on-error", "skip", "--commit-after", "0")

    ran = tap(*given, options=options)
    assert (ran.code, list(people())) == (3, ["1", "2", "3", "4"])
    assert "persons: 1 of its records failed, so that nothing was taken away: fix them, or say" in ran.err

    given = tuple({**one, "version": 3} if "version" in one else one for one in given)
    tap(*given, options=(*options, "--snapshot-despite-errors"))
    assert list(people()) == ["1", "2"]


def test_a_version_after_which_an_older_one_comes_is_an_error(tap: Tap) -> None:
    ran = tap(PERSONS, person("1", version=2), person("2", version=1), options=SNAPSHOT)

    assert ran.code == 1
    assert "<stdin>:3: a record of 'persons' of version 1, after those of version 2" in ran.err


def test_versions_follow_each_other_in_one_call(tap: Tap) -> None:
    first = (person("1", version=1), person("2", version=1), activate(1))

    ran = tap(PERSONS, *first, person("2", version=2), activate(2), activate(2), state(1), options=SNAPSHOT)

    assert (ran.code, states(ran), list(people())) == (0, [1], ["2"])


def test_what_others_refer_to_is_taken_away_last(tap: Tap) -> None:
    say("persons", "snapshot = true")
    say("homes", "snapshot = true")
    manor = {**house("N", 1, address="Manor", owner="1"), "version": 1}
    other = {**house("N", 2, address="Cave"), "version": 2}
    tap(PERSONS, person("1", version=1), HOUSES, manor)

    ran = tap(PERSONS, person("2", version=2), activate(2), HOUSES, other, activate(2, "public-houses"), state(1))

    assert (ran.code, states(ran)) == (0, [1])
    assert (list(people()), House.objects.get().address) == (["2"], "Cave")
    assert "held-by" not in ran.err


def test_a_snapshot_needs_a_key_and_a_feed_of_its_own(tap: Tap) -> None:
    ran = tap({**PERSONS, "key_properties": []}, options=SNAPSHOT)
    assert "persons: --snapshot needs keys, and the stream 'persons' has none" in ran.err

    ran = tap(PERSONS, {**PERSONS, "stream": "more"}, options=(*SNAPSHOT, "--feed", "more=persons"))
    assert "persons: the feed is for 'persons' and for 'more', and with --snapshot each would take away" in ran.err


# --- real taps --------------------------------------------------------------------------------------------------------
#
# What is in tests/taps was written by these, on a database with two tables (`public.person`, `public.house`), and a
# CSV file:
#
# postgres.jsonl             meltanolabs-tap-postgres 0.10.0: tap-postgres --config c.json --catalog catalog.json
# postgres_versions_1.jsonl  pipelinewise-tap-postgres 1.8.4: tap-postgres --config c.json --properties catalog.json
# postgres_versions_2.jsonl  the same with --state, after one house was deleted and one person renamed
# spreadsheets.jsonl         tap-spreadsheets 1.1.2: tap-spreadsheets --config c.json
#
# Streams were selected, with the replication method FULL_TABLE.

REAL = """
[feeds.persons]
system = "HR"
stream = "public-person"
model = "testapp.Person"
match_on = "employee_id"
contract = "exact"
snapshot = true

[feeds.persons.columns]
nr = "employee_id"
name = "first_name"
birthday = "birthday"
salary = "salary"
active = "active"
extra = "nickname"

[feeds.public-house]
system = "HR"
model = "testapp.House"
snapshot = true

[feeds.public-house.columns]
owner = "owner=>employee_id"
"""
FIELDS = ("employee_id", "first_name", "birthday", "salary", "active", "nickname")


def recorded(name: str) -> list[str]:
    return (TAPS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()


def described() -> list[tuple[str, ...]]:
    return [tuple(map(str, row)) for row in Person.objects.order_by("employee_id").values_list(*FIELDS)]


BOB = ("E2", "Bób", "None", "None", "False", "None")
CID = ("E3", "Cid", "None", "0.10", "True", "[]")


def test_a_tap_of_the_meltano_sdk_is_synced(tap: Tap) -> None:
    Path("nsync.toml").write_text(REAL)

    ran = tap(*recorded("postgres"))

    assert ran.code == 0, ran.err
    assert states(ran) == [{"bookmarks": {"public-house": {}, "public-person": {}}}]
    ann = ("E1", "Ann", "1980-02-29", "1234.50", "True", '{"a": [1, 2.5]}')
    assert described() == [ann, BOB, CID]
    owned = House.objects.order_by("address").values_list("address", "owner__employee_id")
    assert list(owned) == [("Cave", "E2"), ("Hut", None), ("Manor", "E1")]
    assert keys() == ["E1", "E2", "E3", "N|1", "N|2", "S|1"]


def test_a_tap_with_versions_takes_away_what_is_gone(tap: Tap) -> None:
    Path("nsync.toml").write_text(REAL)
    first = tap(*recorded("postgres_versions_1"))
    assert first.code == 0, first.err
    assert states(first)[-1]["currently_syncing"] is None
    assert keys() == ["E1", "E2", "E3", "N|1", "N|2", "S|1"]

    ran = tap(*recorded("postgres_versions_2"))

    assert ran.code == 0, ran.err
    assert described() == [("E1", "Anne", "1980-02-29", "1234.50", "True", '{"a": [1, 2.5]}'), BOB, CID]
    assert keys() == ["E1", "E2", "E3", "N|1", "S|1"]
    assert list(House.objects.order_by("address").values_list("address", flat=True)) == ["Hut", "Manor"]


def test_a_tap_that_reads_csv_is_synced(tap: Tap) -> None:
    Path("nsync.toml").write_text(FEEDS.replace('boss = "manager=>employee_id"', 'since = "birthday"'))

    ran = tap(*recorded("spreadsheets"))

    assert ran.code == 0, ran.err
    values = Person.objects.order_by("employee_id").values_list("employee_id", "first_name", "age", "birthday")
    assert [tuple(map(str, row)) for row in values] == [
        ("E1", "Ann", "30", "2024-01-31"),
        ("E2", "Bób", "None", "2024-02-01"),
        ("E3", "Cid", "41", "None"),
    ]
    assert "ignored" not in ran.err  # what Singer adds


# --- hostile taps -----------------------------------------------------------------------------------------------------

VALUES = st.sampled_from(["1", "2", "x" * 300, "a\0b", "\ud800", None, 1, 1.5, True, [], {"a": 1}, 10**30])
RECORDS = st.builds(
    lambda nr, name, version: person(nr, name, **({"version": version} if version else {})),
    VALUES,
    VALUES,
    st.sampled_from([0, 0, 0, 1, 2]),
)
LINES = st.one_of(
    RECORDS,
    RECORDS,
    st.builds(state, st.integers(0, 9)),
    st.just(PERSONS),
    st.just({**PERSONS, "schema": {}}),
    st.builds(activate, st.integers(1, 2)),
    st.text(max_size=9),
    st.dictionaries(st.sampled_from(["type", "stream", "record"]), VALUES),
)


def numbered(messages: list[Any]) -> list[Any]:
    """Let each state say how many lines came before it."""
    is_state = [isinstance(one, dict) and one.get("type") == "STATE" for one in messages]
    return [state(number) if found else one for number, (one, found) in enumerate(zip(messages, is_state, strict=True))]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(
    st.lists(LINES, max_size=8),
    st.lists(st.sampled_from(["--snapshot", "--hard-delete", "--no-check-types", "--on-error=skip"]), unique=True),
    st.sampled_from(["0", "60"]),
)
def test_whatever_comes_is_synced_or_an_error_and_no_state_is_ahead(
    tap: Tap, lines: list[Any], options: list[str], after: str
) -> None:
    Person.objects.all().delete()
    ExternalKeyMapping.objects.all().delete()
    Run.objects.all().delete()
    messages = numbered([PERSONS, *lines])

    ran = tap(*messages, options=("--commit-after", after, *options))

    assert ran.code in (0, 1, 3), ran.err
    assert "Traceback" not in ran.err
    safe = states(ran)
    assert safe == sorted(safe)
    before = [one for one in messages[: max(safe, default=0)] if isinstance(one, dict) and one.get("type") == "RECORD"]
    named = {one["record"]["nr"] for one in before if isinstance(one["record"]["nr"], str)}
    if "--on-error=skip" not in options and "--snapshot" not in options:
        assert named <= set(keys())


# --- real processes ---------------------------------------------------------------------------------------------------


def test_a_tap_is_waited_for_and_a_signal_leaves_what_was_committed(project: Project) -> None:
    """T7: 143; the state of what was committed has come back."""
    project.write("nsync.toml", FEEDS)
    with project.start("syncsinger", "HR", "--commit-after", "0", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(text_of(PERSONS, person("1"), state(1), person("2")))
        process.stdin.flush()
        assert process.stdout.readline() == "1\n"
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)

    assert (process.returncode, out) == (143, "")
    assert "Applied in part (run 1)." in err
    assert "ended by SIGTERM; what was not committed yet was rolled back" in err
    assert project.persons() == ["Ann"]


def nightly(project: Project, tap: str, *messages: Any) -> tuple[int, str, str]:
    """Run the script that docs/howto/singer.rst shows; `tap` is the shell code of its tap, for which messages wait."""
    page = (ROOT / "docs" / "howto" / "singer.rst").read_text(encoding="utf-8")
    (script,) = [block.text for block in parse(page) if block.caption == "nightly.sh"]
    python = f'#!/bin/sh\nshift\nexec "{sys.executable}" -m django "$@"\n'
    for name, text in (("venv-tap/bin/tap-x", f"#!/bin/sh\n{tap}\n"), ("venv/bin/python", python)):
        (project.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (project.folder / project.write(name, text)).chmod(0o755)
    project.write("messages", text_of(*messages))
    script = script.replace("syncsinger ERP", "syncsinger HR")
    called = ["bash", str(project.folder / project.write("nightly.sh", script))]
    done = subprocess.run(called, cwd="/", env=project.environment, capture_output=True, text=True, check=False)
    kept = project.folder / "state.json"
    return done.returncode, kept.read_text() if kept.exists() else "", done.stderr


@pytest.mark.skipif(os.name != "posix", reason="it is a script for bash")
def test_the_script_of_the_documentation_keeps_the_last_state_and_the_exit_code(project: Project) -> None:
    """T7."""
    project.write("nsync.toml", FEEDS)
    first = (PERSONS, person("1"), state({"at": 1}), person("2"), state({"at": 2}))

    # A tap that fails when it has written all that.
    code, kept, err = nightly(project, '[ "$*" = "--config config.json" ] && cat messages; exit 7', *first)
    assert (code, kept) == (7, '{"at": 2}\n'), err
    # One that begins with that state, and has a record that fails.
    reading = '[ "$*" = "--config config.json --state state.json" ] && cat messages'
    code, kept, err = nightly(project, reading, PERSONS, person("4", age=10**12), state({"at": 4}))
    assert (code, kept) == (1, '{"at": 2}\n'), err
    assert "persons:2 [age]" in err
    assert project.persons() == ["Ann", "Ann"]
