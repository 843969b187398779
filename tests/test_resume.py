"""T11: an interrupted run that commits each batch goes on after the last one, and ends as if nothing had happened."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from hypothesis import given, settings
from hypothesis import strategies as st

from nsync import ConfigError, Input, SyncOptions, sync, sync_all
from nsync.ending import EndRequest
from nsync.locks import Locked
from nsync.models import Checkpoint, RowOutcome
from nsync.models import Run as RunRecord
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.pruning import prune
from nsync.record.report import FINISHED, Report
from nsync.signals import batch_applied
from nsync.undo import undo
from tests.agreeing import Example, File, Ref, Run, Thing, Variant
from tests.crowded_worlds import CROWDED
from tests.old_policies import OldOrderedPolicy
from tests.resuming import Killed, check_resumed, killed_before
from tests.services import TEST_DATABASE
from tests.small_worlds import WORLDS
from tests.strategies import examples, repeated
from tests.test_engines_agree import _CHECKS, _EXAMPLES, _PHASES
from tests.test_locks import held
from tests.testapp.models import House, Lease, Parcel, Person

pytestmark = pytest.mark.django_db
_FEW = max(1, _EXAMPLES // 4)  # each is run, interrupted, gone on with, and undone, twice

STAFF = """external_key,action_flags,match_on,employee_id,first_name,age,manager=>employee_id,tags=>+name
a,cu*,employee_id,E1,Ann,30,E7,x
b,cu*,employee_id,E2,Bob,old,E1,x|y
c,cu*,employee_id,E3,Cid,31,E9,y
d,cu,employee_id,E4,Dot,32,E3,
,d*,employee_id,E5,,,,
e,cu*,employee_id,E6,Eve,33,E6,x
f,cu*,employee_id,E7,Fay,,E2,
z,d,,,,,,
g,cu*,employee_id,E1,Gus,34,,z
a,u*,employee_id,E8,Ann,35,,
"""
HOMES = """external_key,action_flags,match_on,address,floors,owner=>employee_id
1,cu*,address,Manor,3,E3
2,cu*,address,Cave,three,E1
3,cu,address,Tower,9,E99
4,c,address,Hut,1,E8
,d,address,Old,,
5,d*,address,Shed,,
"""
START = (
    Thing("Tag", {"name": "x"}),
    Thing("Tag", {"name": "y"}),
    Thing("Person", {"first_name": "Five", "employee_id": "E5"}, (("HR", "z"),)),
    Thing("Person", {"first_name": "Four", "employee_id": "E4", "age": 1, "tags": [Ref(0)]}, (("HR", "d"),)),
    Thing("House", {"address": "Old", "owner": Ref(2)}),
    Thing("House", {"address": "Shed"}, (("HR", "5"),)),
)
MODELS = ("Person", "House", "Tag", "Room", "Passport", "Badge", "Contract", "Lease", "Company")


def _evenly(sent: int) -> list[list[int]]:
    """Give some moments; real processes are killed at more (see below)."""
    return [[number] for number in range(sent % 7 + 1, sent, sent // 7)]


def example(policy: str, **options: Any) -> Example:
    files = (File("Person", STAFF), File("House", HOMES))
    return Example(START, (Run(files, {"on_error": "skip", **options}, policy),))


@pytest.mark.parametrize("variant", [Variant("auto", 1), Variant("auto", 2), Variant("objects", 3)], ids=str)
@pytest.mark.parametrize("policy", ["basic", "ordered"])
def test_a_run_goes_on_whatever_the_moment_it_was_interrupted(policy: str, variant: Variant, tmp_path: Path) -> None:
    assert len(check_resumed(example(policy), MODELS, variant, tmp_path, _evenly)) > 5


def test_a_run_goes_on_that_is_interrupted_again_and_again(tmp_path: Path) -> None:
    def moments(sent: int) -> list[list[int]]:
        return [[sent // part] * 5 for part in (2, 3, 4, 5, 7)]

    assert check_resumed(example("ordered"), MODELS, Variant("auto", 2), tmp_path, moments)


def test_a_row_that_waits_gives_way_to_a_later_row_that_comes_after_the_interruption(tmp_path: Path) -> None:
    rows = ("a,E1,E9", "a,E1,E2", "b,E2,E8", "i,E9,", "h,E8,")  # the first manager is superseded, the third is found
    text = "".join(f"{row}\n" for row in ("external_key,employee_id,manager=>employee_id", *rows))
    options = {"on_error": "skip", "action_flags": "cu*", "match_on": "employee_id"}
    start = (Thing("Person", {"first_name": "Two", "employee_id": "E2"}),)
    tried = Example(start, (Run((File("Person", text),), options),))

    def moments(sent: int) -> list[list[int]]:
        return [[number] for number in range(2, sent, 4)]

    assert check_resumed(tried, MODELS, Variant("auto", 1), tmp_path, moments)


@pytest.mark.parametrize("on_error", ["rollback", "stop"])
def test_a_run_that_rows_end_early_ends_there_again(on_error: str, tmp_path: Path) -> None:
    tried = example("basic", on_error=on_error)

    assert check_resumed(tried, MODELS, Variant("auto", 1), tmp_path, _evenly)


# Twice one moment, or two, as parts of a thousand.
MOMENTS = st.lists(st.lists(st.integers(0, 1_000), min_size=1, max_size=2), min_size=2, max_size=2)


def _moments(parts: list[list[int]]) -> Any:
    return lambda sent: [[part * sent // 1_000 + 1 for part in one] for one in parts]


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("world", WORLDS)
@settings(max_examples=_FEW, suppress_health_check=_CHECKS, phases=_PHASES)
@given(data=st.data())
def test_random_runs_go_on(data: Any, world: str, policy: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    engine = data.draw(st.sampled_from(("auto", "objects")))
    variant = Variant(engine, data.draw(st.integers(1, 3)))
    tried = _without_dry_run(data.draw(examples(WORLDS[world], policy)))
    check_resumed(tried, WORLDS[world].models, variant, tmp_path_factory.mktemp("files"), _moments(data.draw(MOMENTS)))


@pytest.mark.database("sqlite", "postgresql")  # others prove nothing
@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("world", CROWDED)
@settings(max_examples=2 * _FEW, suppress_health_check=_CHECKS, phases=_PHASES)
@given(data=st.data())
def test_random_runs_go_on_most_rows_of_which_are_proved_unchanged(
    data: Any, world: str, policy: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    variant = Variant("auto", data.draw(st.integers(2, 3)))
    tried = _without_dry_run(data.draw(repeated(WORLDS[world], policy)))
    check_resumed(tried, WORLDS[world].models, variant, tmp_path_factory.mktemp("files"), _moments(data.draw(MOMENTS)))


def _without_dry_run(tried: Example) -> Example:
    *earlier, last = tried.runs
    options = {name: value for name, value in last.options.items() if name != "dry_run"}
    return Example(tried.start, (*earlier, Run(last.files, options, last.policy)))


# --- one file of houses, of which the third has a bad cell ----------------------------------------------------------

HOUSES = "external_key,action_flags,match_on,address,floors\n" + "".join(
    f"h{number},cu*,address,Street {number},{number if number != 3 else 'three'}\n" for number in range(1, 8)
)


def options_of(**given: Any) -> SyncOptions:
    return SyncOptions(**{"as_transaction": False, "batch_size": 2, "on_error": "skip", "record": "changes", **given})


def run(path: Path, resume: int | None = None, model: Any = House, system: str = "HR", **given: Any) -> Report:
    policy = {"policy": given.pop("policy")} if "policy" in given else {}
    return sync(path, model, system=system, options=options_of(resume=resume, **given), **policy)


def interrupted(path: Path, batches: int = 2, **given: Any) -> int:
    """Run, and interrupt it after some batches; gives the number of the run."""
    done = []

    def stop(**sent: Any) -> None:
        done.append(sent["rows"])
        if len(done) == batches:
            raise Killed

    batch_applied.connect(stop)
    try:
        with pytest.raises(Killed):
            run(path, **given)
    finally:
        batch_applied.disconnect(stop)
    return int(RunRecord.objects.latest("pk").pk)


@pytest.fixture
def houses(tmp_path: Path) -> Path:
    path = tmp_path / "houses.csv"
    path.write_text(HOUSES)
    return path


def command(path: Path, *given: str) -> None:
    fixed = ("--no-as-transaction", "--batch-size", "2", "--on-error", "skip", "--no-progress", "--record", "changes")
    call_command("syncfile", "HR", "testapp", "House", str(path), *fixed, *given)


def test_the_report_is_of_the_whole_run(houses: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = interrupted(houses)
    assert House.objects.count() == 3
    assert Checkpoint.objects.filter(run=number).exists()
    rejects = tmp_path / "rejects.csv"

    with pytest.raises(SystemExit) as ended:
        command(houses, "--resume", str(number), "--rejects", str(rejects))

    assert ended.value.code == 3
    told = capsys.readouterr().out
    assert told.startswith(f"Run {number}, resumed: Applied, but 1 of 7 rows failed and were left out.")
    assert [row["external_key"] for row in csv.DictReader(rejects.open())] == ["h3"]
    record = RunRecord.objects.get()
    assert (record.status, record.outcomes) == ("applied with rejects", {"failed": 1, "created": 6})
    assert record.sources[0]["rows"] == 7
    assert RowOutcome.objects.values_list("line", "code").get() == (4, "invalid-integer")
    assert not Checkpoint.objects.exists()
    assert House.objects.count() == 6


def test_a_finished_run_is_left_alone_with_what_it_wrote(
    houses: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rejects = tmp_path / "rejects.csv"
    with pytest.raises(SystemExit):
        command(houses, "--rejects", str(rejects))
    number, written = RunRecord.objects.get().pk, rejects.read_text()
    House.objects.filter(address="Street 1").update(floors=100)
    capsys.readouterr()

    command(houses, "--resume", str(number), "--rejects", str(rejects))

    assert capsys.readouterr().out == f"Run {number} is finished already: there was nothing left to do.\n"
    assert rejects.read_text() == written
    assert House.objects.filter(floors=100).count() == RunRecord.objects.count() == 1
    report = run(houses, number)
    assert (report.status, report.exit_code, report.run) == (FINISHED, 0, number)


def test_a_run_in_one_transaction_that_is_finished_is_left_alone_too(houses: Path) -> None:
    run(houses, as_transaction=True)

    assert run(houses, RunRecord.objects.get().pk, as_transaction=True).status == FINISHED


def test_a_run_that_was_interrupted_before_its_first_commit_begins_anew(houses: Path) -> None:
    with pytest.raises(Killed), killed_before(8):
        run(houses)
    assert not Checkpoint.objects.exists()

    report = run(houses, RunRecord.objects.get().pk)

    assert (report.rows, report.is_resumed) == (7, True)
    assert House.objects.count() == 6


def test_a_run_that_a_row_has_ended_goes_on_once_such_rows_may_be_left_out(
    houses: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        command(houses, "--on-error", "rollback")
    number = RunRecord.objects.get().pk
    assert ended.value.code == 3
    assert f"the same command with --resume {number}." in capsys.readouterr().out

    again = run(houses, number, on_error="rollback")
    assert (again.last_committed, again.can_resume, again.rows) == (f"{houses}:3", True, 4)
    report = run(houses, number)

    assert (report.failed, report.rows, report.last_committed) == (1, 7, "")
    assert House.objects.count() == 6


# --- guards and snapshots ---------------------------------------------------------------------------------------------

GONE = "external_key,action_flags\n"


def deletes(*numbers: int) -> str:
    return "".join(f"h{number},d\n" for number in numbers)


@pytest.fixture
def mapped(houses: Path) -> Path:
    """Six houses that HR maps, and a file that deletes them."""
    run(houses, record="summary")
    path = houses.with_name("gone.csv")
    path.write_text(GONE + deletes(1, 2, 4, 5, 6, 7))
    return path


def test_a_run_that_a_guard_has_stopped_is_judged_again(mapped: Path) -> None:
    """G1: nothing of it was committed."""
    stopped = run(mapped, max_deletes="5")
    assert (stopped.exit_code, House.objects.count()) == (4, 6)

    again = run(mapped, stopped.run, max_deletes="5")
    assert (again.exit_code, again.status, House.objects.count()) == (4, "stopped by guard", 6)
    allowed = run(mapped, stopped.run, max_deletes="6")

    assert (allowed.exit_code, allowed.is_resumed, House.objects.count()) == (0, True, 0)


def test_a_run_that_ended_while_it_was_rehearsed_is_judged(mapped: Path) -> None:
    number = interrupted(mapped, 1, max_deletes="5")

    assert (run(mapped, number, max_deletes="5").exit_code, House.objects.count()) == (4, 6)


def test_what_no_guard_has_judged_is_not_done(mapped: Path) -> None:
    """G1: a row has ended the rehearsal, too, before the guards have seen what follows."""
    mapped.write_text(GONE + deletes(1, 2) + "h3,zz\n" + deletes(4, 5, 6, 7))
    ended = run(mapped, max_deletes="3", on_error="rollback")
    assert (ended.exit_code, House.objects.count(), ended.can_resume) == (3, 4, False)

    with pytest.raises(ConfigError, match=r"guards have not judged what run \d+ has left to do.*--allow-deletes"):
        run(mapped, ended.run, max_deletes="3")
    report = run(mapped, ended.run, max_deletes="3", allow_deletes=True)

    assert (report.exit_code, report.failed, House.objects.count()) == (3, 1, 0)


def test_a_run_that_the_guards_have_let_pass_goes_on(mapped: Path) -> None:
    number = interrupted(mapped, 4, max_deletes="6")  # three batches are rehearsed
    assert House.objects.count() == 4

    assert (run(mapped, number, max_deletes="6").exit_code, House.objects.count()) == (0, 0)


@pytest.mark.parametrize("action", ["delete", "release", "set:floors=99"])
def test_a_snapshot_goes_on_with_what_it_has_not_taken_away_yet(houses: Path, action: str) -> None:
    houses.write_text(HOUSES.replace("three", "3"))
    run(houses)
    houses.write_text("".join(HOUSES.splitlines(keepends=True)[:2]))
    how = {"snapshot": True, "snapshot_action": action, "allow_deletes": True}
    wanted = {"delete": "deleted", "release": "released"}.get(action, "updated")

    number = interrupted(houses, 3, **how)
    report = run(houses, number, **how)

    (snapshot,) = report.snapshots
    assert ({kind.value: count for kind, count in snapshot.outcomes.items()}, snapshot.rows) == ({wanted: 6}, 6)
    assert (House.objects.filter(floors=99).count(), House.objects.count()) == {
        "deleted": (0, 1),
        "released": (0, 7),
        "updated": (6, 7),
    }[wanted]


def test_what_a_snapshot_had_put_off_counts_once(houses: Path) -> None:
    houses.write_text(HOUSES.replace("three", "3"))
    run(houses)
    Lease.objects.create(house=House.objects.get(address="Street 2"), tenant="T")
    houses.write_text("".join(HOUSES.splitlines(keepends=True)[:2]))

    number = interrupted(houses, 3, snapshot=True, allow_deletes=True)
    (snapshot,) = run(houses, number, snapshot=True, allow_deletes=True).snapshots

    counts = {kind.value: count for kind, count in snapshot.outcomes.items()}
    assert (counts, snapshot.rows) == ({"deleted": 5, "released": 1}, 6)


def test_a_snapshot_that_is_interrupted_after_rows_that_change_nothing_has_committed_something(tmp_path: Path) -> None:
    """T4: all rows are proved unchanged, so that none of them is in a batch."""
    path = tmp_path / "parcels.csv"
    how: dict[str, Any] = {"model": Parcel, "action_flags": "cu*", "match_on": "code"}
    rows = [f"k{number},{number}\n" for number in range(100)]
    path.write_text("".join(["external_key,code\n", *rows]))
    run(path, **how)
    path.write_text("".join(["external_key,code\n", *rows[:94]]))
    ending = EndRequest("asked to end")

    def end(source: str, **_: Any) -> None:
        if source.startswith("snapshot"):
            ending.ask()

    batch_applied.connect(end)
    try:
        options = options_of(snapshot=True, allow_deletes=True, action_flags="cu*", match_on="code")
        inputs = [Input(path, Parcel, "HR")]
        report = sync_all(inputs, options=options, policy=BasicSyncPolicy, ending=ending)
    finally:
        batch_applied.disconnect(end)

    assert (report.committed, report.exit_code, Parcel.objects.count()) == (True, 3, 98)
    assert (report.last_committed, report.can_resume, report.error) == ("snapshot of HR", True, "asked to end")


# --- its record -------------------------------------------------------------------------------------------------------


def test_the_history_tells_that_a_run_can_go_on(houses: Path, capsys: pytest.CaptureFixture[str]) -> None:
    number = interrupted(houses)
    RunRecord.objects.update(status="failed")
    call_command("syncruns", str(number))
    assert f"--resume {number} goes on after {houses}:5\n" in capsys.readouterr().out

    undo(number)
    call_command("syncruns", str(number))
    assert "--resume" not in capsys.readouterr().out


def test_checkpoints_are_pruned_with_their_run(houses: Path) -> None:
    interrupted(houses)
    RunRecord.objects.update(status="failed")

    prune("default", None, 1, changes_only=False)
    assert Checkpoint.objects.exists()
    RunRecord.objects.create(status="applied")
    prune("default", None, 1, changes_only=False)

    assert not Checkpoint.objects.exists()
    assert RunRecord.objects.get().status == "applied"


@pytest.mark.parametrize("record", ["changes", "rows", "summary"])
def test_batches_may_be_smaller_when_a_run_goes_on(houses: Path, record: str) -> None:
    number = interrupted(houses, batches=1, batch_size=3, record=record)

    assert run(houses, number, batch_size=1).rows == 7
    assert sorted(House.objects.values_list("floors", flat=True)) == [1, 2, 4, 5, 6, 7]


def test_what_is_kept_of_a_run_stays_what_it_was(houses: Path) -> None:
    number = interrupted(houses)

    run(houses, number, record="summary")

    assert RunRecord.objects.get().recorded == "changes"
    undo(number)
    assert not House.objects.exists()


def test_checkpoints_hold_no_rows_and_nothing_of_redacted_fields(houses: Path, settings: Any) -> None:
    from nsync.record.checkpoint import kept_blocks

    for redacted, is_told in (([], True), (["testapp.House.floors"], False)):
        settings.NSYNC = {"REDACT": redacted}
        number = interrupted(houses)
        kept = str(list(kept_blocks(number, "default")))
        assert ("three" in kept) is is_told
        assert "invalid-integer" in kept
        assert "Street" not in kept
        assert run(houses, number).failed == 1


def test_a_run_that_goes_on_says_who_has_it_now(houses: Path) -> None:
    number = interrupted(houses)
    RunRecord.objects.filter(pk=number).update(host="elsewhere", status="failed", error="lost")

    run(houses, number)

    record = RunRecord.objects.get()
    assert (record.host == "elsewhere", record.error, record.status) == (False, "", "applied with rejects")


# --- what is refused ------------------------------------------------------------------------------------------------


def refused(path: Path, number: int, message: str, **given: Any) -> None:
    before = list(RunRecord.objects.values("pk", "status"))
    with pytest.raises(ConfigError, match=message):
        run(path, number, **given)
    assert list(RunRecord.objects.values("pk", "status")) == before


def test_another_file_is_refused(houses: Path) -> None:
    number = interrupted(houses)
    houses.write_text(HOUSES.replace("Street 7", "Street 8"))

    refused(houses, number, rf"houses.csv is not the file of run {number} \(SHA-256 [0-9a-f]{{12}}… then, [0-9a-f]")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"match_on": "address"}, 'match_on was not given and is "address"'),
        ({"on_displaced": "keep"}, 'on_displaced was not given and is "keep"'),
        ({"engine": "objects"}, "other options: engine"),
        ({"system": "ERP"}, "had the system HR, and this is ERP"),
        ({"model": Person, "external_key_column": None}, "had the model testapp.House, and this is testapp.Person"),
        ({"policy": OrderedSyncPolicy}, "had the policy nsync.policies.BasicSyncPolicy"),
        ({"as_transaction": True}, "take --no-as-transaction"),
        ({"dry_run": True}, "a dry run writes nothing"),
    ],
)
def test_what_would_mean_something_else_is_refused(houses: Path, given: Any, message: str) -> None:
    refused(houses, interrupted(houses), message, **given)


def test_another_constant_that_is_not_kept_is_refused(houses: Path, settings: Any) -> None:
    settings.NSYNC = {"REDACT": ["testapp.House.floors"]}
    houses.write_text(HOUSES.replace("floors", "old"))
    number = interrupted(houses, set=(("floors", "987654321"),))

    with pytest.raises(ConfigError, match="another value for a field") as refused:
        run(houses, number, set=(("floors", "987654322"),))
    assert run(houses, number, set=(("floors", "987654321"),)).exit_code == 0

    assert "98765432" not in str(refused.value)
    assert House.objects.filter(floors=987654321).count() == 7


def test_another_number_of_files_is_refused(houses: Path, tmp_path: Path) -> None:
    for name in ("HR_testapp_House.csv", "HR_testapp_Person.csv"):
        (tmp_path / name).write_text("action_flags,match_on,address,first_name\n")
    number = interrupted(houses, policy=OrderedSyncPolicy)
    fixed = ("--no-as-transaction", "--batch-size", "2", "--on-error", "skip")

    with pytest.raises(CommandError, match="had 1 sources, and here are 2") as ended:
        call_command("syncfiles", *map(str, sorted(tmp_path.glob("HR*"))), *fixed, "--resume", str(number))

    assert ended.value.returncode == 1


def test_an_unknown_run_is_refused(houses: Path) -> None:
    refused(houses, 12, "there is no run 12: none is kept")


def test_a_run_in_one_transaction_is_refused(houses: Path) -> None:
    with pytest.raises(Killed), killed_before(8):
        run(houses, as_transaction=True)

    refused(houses, RunRecord.objects.get().pk, "is one transaction, of which nothing stays")


def test_an_undone_run_is_refused_and_so_is_an_undo(houses: Path) -> None:
    number = interrupted(houses)
    RunRecord.objects.update(status="failed")
    first = undo(number)
    refused(houses, number, "was undone since")
    refused(houses, first.undo or 0, "is an undo")
    undo(first.undo or 0)

    refused(houses, number, "was undone since")


def test_a_stream_is_refused(houses: Path) -> None:
    number = interrupted(houses)

    with houses.open("rb") as stream, pytest.raises(ConfigError, match="a stream is gone once it is read"):
        sync(stream, House, system="HR", options=options_of(resume=number))
    refused("-", number, "a stream is gone once it is read")  # type: ignore[arg-type]


def test_a_run_of_a_stream_is_refused(houses: Path) -> None:
    with pytest.raises(Killed), killed_before(20):
        sync(io.BytesIO(HOUSES.encode() + b"\n" * 500_000), House, system="HR", options=options_of())

    refused(houses, RunRecord.objects.get().pk, "read <stream> from a stream, which cannot be resumed")


def test_a_policy_that_walks_is_one_transaction_and_refused(houses: Path) -> None:
    with pytest.raises(Killed), killed_before(20):
        run(houses, policy=OldOrderedPolicy)
    assert not Checkpoint.objects.exists()

    refused(houses, RunRecord.objects.get().pk, "is one transaction", policy=OldOrderedPolicy)


def test_a_run_of_another_version_is_refused(houses: Path) -> None:
    number = interrupted(houses)
    last = Checkpoint.objects.filter(run=number, kind="position").latest("pk")
    Checkpoint.objects.filter(pk=last.pk).update(content=last.content.replace('"format":1', '"format":0'))

    refused(houses, number, "was begun by another version of nsync")


@pytest.mark.django_db(transaction=True)
@pytest.mark.database("postgresql", "mariadb")
def test_a_run_that_still_goes_on_is_left_alone(houses: Path) -> None:
    number = interrupted(houses)
    RunRecord.objects.filter(pk=number).update(user="bruce", host="cave")

    with held([House], "default", run=number):
        with pytest.raises(Locked, match=rf"run {number} \(bruce@cave, .* still goes on; wait for it with --wait"):
            run(houses, number)
        assert RunRecord.objects.get().status == "running"
        with pytest.raises(CommandError) as ended:
            command(houses, "--resume", str(number))
        assert ended.value.returncode == 6
    assert run(houses, number).rows == 7


# --- real processes -------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_killed_processes_go_on(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    given = [TEST_DATABASE, str(tmp_path), str(random.randrange(1_000_000))]
    done = subprocess.run(
        [sys.executable, "-m", "tests.killed_runs", *given],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)

    assert [one for one in found if one["wrong"]] == [], f"python -m tests.killed_runs {' '.join(given)}"
    killed = [one for one in found if one["ended"] == -signal.SIGKILL]
    assert {one["kind"] for one in killed} == {"batch", "statement", "time"}
    assert sum(one["checkpoints"] > 0 for one in killed) > len(killed) // 2
    assert all(one in killed for one in found if one["kind"] == "batch")
