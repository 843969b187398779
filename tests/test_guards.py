"""Guards (rule G1): a run that would delete or change more than it should commits nothing, and exits with 4."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.models.signals import post_save
from django.test import override_settings

from nsync import sync
from nsync.errors import ConfigError
from nsync.models import ExternalKeyMapping, RowOutcome
from nsync.models import Run as RunRecord
from nsync.options import SyncOptions
from nsync.record.report import Report
from nsync.signals import batch_applied
from tests.old_policies import OldPolicy
from tests.testapp.models import Company, House, Membership, Parcel, Person, Room, Signalled, Tag

pytestmark = pytest.mark.django_db
Sync = Callable[..., Report]

HEAD = "external_key,action_flags,employee_id,first_name\n"
BY_ID: dict[str, Any] = {"match_on": "employee_id"}


def people(count: int, flags: str = "cu*", name: str = "Ann", first: int = 1) -> str:
    """Give rows of people."""
    return "".join(f"k{number},{flags},{number},{name}\n" for number in range(first, first + count))


@pytest.fixture
def ten(sync_text: Sync) -> None:
    """Ten people that HR maps, and one that nobody does."""
    sync_text(HEAD + people(10), **BY_ID)
    Person.objects.create(first_name="Ours", employee_id="99")


@pytest.fixture(params=["auto", "bulk", "objects"])
def engine(request: pytest.FixtureRequest) -> str:
    """Name an engine."""
    return str(request.param)


@pytest.mark.usefixtures("ten")
@pytest.mark.parametrize("flags", ["d", "d*"])
@pytest.mark.parametrize("limit", ["2", "29.9%", "0", "0%"])
@pytest.mark.parametrize("as_transaction", [True, False])
def test_more_deletes_than_the_limit_commit_nothing(
    sync_text: Sync, engine: str, flags: str, limit: str, as_transaction: bool
) -> None:
    """Rule G1."""
    text = HEAD + people(3, flags) + "k11,c,11,New\n"
    how = {"engine": engine, "max_deletes": limit, "as_transaction": as_transaction, "batch_size": 1}
    report = sync_text(text, **BY_ID, **how)
    assert (report.status, report.exit_code, report.committed) == ("stopped by guard", 4, False)
    assert Person.objects.count() == 11
    assert ExternalKeyMapping.objects.count() == 10
    run = RunRecord.objects.latest("pk")
    assert (run.status, run.error) == ("stopped by guard", report.guard)
    assert run.outcomes == {"created": 1, "deleted": 3}


@pytest.mark.usefixtures("ten")
@pytest.mark.parametrize("limit", ["3", "30%", "none", "100%", ""])
@pytest.mark.parametrize("as_transaction", [True, False])
def test_as_many_deletes_as_the_limit_are_committed(sync_text: Sync, limit: str, as_transaction: bool) -> None:
    report = sync_text(HEAD + people(3, "d"), **BY_ID, max_deletes=limit, as_transaction=as_transaction, batch_size=1)
    assert (report.status, report.exit_code, Person.objects.count()) == ("applied", 0, 8)


@pytest.mark.usefixtures("ten")
def test_the_message_says_the_numbers_and_how_to_allow_it_once(sync_text: Sync) -> None:
    report = sync_text(HEAD + people(3, "d"), **BY_ID, max_deletes="20%")
    assert report.guard == (
        "3 deletes of 10 objects that HR maps in testapp.Person (30.0 %) are more than --max-deletes 20% allows; "
        "to allow them once: --allow-deletes"
    )
    assert sync_text(HEAD + people(3, "d"), **BY_ID, max_deletes="2").guard == (
        "3 deletes in all are more than --max-deletes 2 allows; to allow them once: --allow-deletes"
    )
    report = sync_text(HEAD + people(3, "d"), **BY_ID, max_deletes="2", allow_deletes=True)
    assert (report.exit_code, Person.objects.count()) == (0, 8)


@pytest.mark.usefixtures("ten")
def test_objects_that_a_deletion_takes_along_count_and_rows_of_relations_do_not(sync_text: Sync, engine: str) -> None:
    """A house with two rooms goes with its owner; a membership of a club, a tag and mappings are no objects."""
    owner = Person.objects.get(employee_id="1")
    house = House.objects.create(address="A", owner=owner)
    Room.objects.bulk_create([Room(house=house, name=name) for name in "ab"])
    owner.tags.add(Tag.objects.create(name="t"))
    stopped = sync_text(HEAD + people(1, "d"), **BY_ID, max_deletes="3", engine=engine)
    assert stopped.guard.startswith("4 deletes in all")
    assert sync_text(HEAD + people(1, "d"), **BY_ID, max_deletes="4", engine=engine).exit_code == 0
    assert Room.objects.count() == 0


@pytest.mark.usefixtures("ten")
def test_displaced_objects_count_as_deletes(sync_text: Sync, engine: str) -> None:
    """Rule A4: the person whom nobody maps has the match values of the row."""
    text = HEAD + "k1,u*,99,Ann\n"
    assert sync_text(text, **BY_ID, max_deletes="0", engine=engine).guard.startswith("1 deletes in all")
    assert sync_text(text, **BY_ID, max_deletes="1", engine=engine).displaced == 1


def test_deleted_pairs_count_where_they_are_what_the_file_is_of(sync_text: Sync) -> None:
    from tests.testapp.models import Club

    club = Club.objects.create(name="c")
    person = Person.objects.create(first_name="A", employee_id="1")
    Membership.objects.create(club=club, person=person, since="2024-01-01")
    text = "action_flags,since\nd*,2024-01-01\n"
    assert sync_text(text, Membership, match_on="since", max_deletes="0").exit_code == 4


@pytest.mark.parametrize("change", ["created", "updated", "tagged", "deleted"])
def test_created_updated_and_deleted_objects_are_changes(sync_text: Sync, engine: str, change: str, ten: None) -> None:
    Tag.objects.create(name="t")
    text = {
        "created": HEAD + people(3, first=50),
        "updated": HEAD + people(3, name="Bob"),
        "tagged": "external_key,action_flags,tags=>+name\nk1,u,t\nk2,u,t\nk3,u,t\n",
        "deleted": HEAD + people(3, "d"),
    }[change]
    stopped = sync_text(text, match_on="" if change == "tagged" else "employee_id", max_changes="2", engine=engine)
    assert stopped.exit_code == 4
    assert (
        stopped.guard == "3 changes in all are more than --max-changes 2 allows; to allow them once: --max-changes none"
    )
    how = {"match_on": "" if change == "tagged" else "employee_id", "max_changes": "30%", "engine": engine}
    assert sync_text(text, **how).exit_code == 0


@pytest.mark.usefixtures("ten")
def test_an_object_that_changes_twice_is_one_change(sync_text: Sync, engine: str) -> None:
    text = HEAD + people(1, name="Bob") + people(1, name="Cy") + people(1, "d")
    assert sync_text(text, **BY_ID, max_changes="1", engine=engine).exit_code == 0


@pytest.mark.usefixtures("ten")
def test_what_does_not_change_is_no_change(sync_text: Sync) -> None:
    assert sync_text(HEAD + people(10), **BY_ID, max_changes="0").exit_code == 0


def test_of_nothing_every_change_is_too_much(sync_text: Sync) -> None:
    """A first load under a limit of a share: it takes --max-changes none."""
    assert sync_text(HEAD + people(1), **BY_ID, max_changes="50%").exit_code == 4
    assert sync_text(HEAD + people(1), **BY_ID, max_changes="none").exit_code == 0


def test_each_system_and_model_is_judged_by_its_own_share(sync_texts: Sync) -> None:
    """The loss of a small model must not hide behind a large one; a number is of the whole run."""
    companies = "external_key,action_flags,match_on,name\n"
    sync_texts(("HR", Person, HEAD + people(20)), ("HR", Company, companies + "c1,c,name,A\nc2,c,name,B\n"))
    small = ("HR", Company, companies + "c1,d,name,A\n")
    assert "2 objects that HR maps in testapp.Company" in sync_texts(small, max_deletes="20%").guard
    inputs = (("HR", Person, HEAD + people(2, "d")), small)
    assert "testapp.Company" in sync_texts(*inputs, max_deletes="20%").guard
    assert sync_texts(*inputs, max_deletes="2").guard.startswith("3 deletes in all")
    assert sync_texts(*inputs, max_deletes="3").exit_code == 0


@pytest.mark.usefixtures("ten")
def test_row_errors_come_first_and_failed_rows_that_are_skipped_do_not(sync_text: Sync) -> None:
    """Rule T7: 1 before 4 before 3."""
    text = HEAD + people(3, "d") + "k4,cu*,4," + "x" * 60 + "\n"
    assert sync_text(text, **BY_ID, max_deletes="1").exit_code == 1
    stopped = sync_text(text, **BY_ID, max_deletes="1", on_error="skip")
    assert (stopped.exit_code, stopped.status) == (4, "stopped by guard")
    assert sync_text(text, **BY_ID, max_deletes="3", on_error="skip").exit_code == 3


@pytest.mark.usefixtures("ten")
def test_a_dry_run_tells_that_a_guard_would_stop_the_run(sync_text: Sync) -> None:
    report = sync_text(HEAD + people(3, "d"), **BY_ID, max_deletes="1", dry_run=True)
    assert (report.status, report.exit_code) == ("dry run", 4)
    assert report.guard.startswith("3 deletes")


@pytest.mark.usefixtures("ten")
def test_a_run_that_commits_batches_leaves_nothing_when_it_is_stopped(sync_text: Sync) -> None:
    """It is rehearsed first: not even a new system, a type or a batch stays; and it is counted once."""
    how = {"as_transaction": False, "batch_size": 2, "max_changes": "3"}
    report = sync_text(HEAD + people(4, first=50), system="New", **BY_ID, **how)
    assert (report.exit_code, report.last_committed, Person.objects.count()) == (4, "", 11)
    assert not ExternalKeyMapping.objects.filter(external_system__name="New").exists()
    report = sync_text(HEAD + people(3, first=50), system="New", **BY_ID, **how)
    assert (report.exit_code, Person.objects.count(), report.rows) == (0, 14, 3)
    assert {kind.value: count for kind, count in report.counts.items()} == {"created": 3}
    assert not RowOutcome.objects.exists()


@pytest.mark.usefixtures("ten")
def test_a_batch_that_would_be_rolled_back_does_not_count(sync_text: Sync) -> None:
    """The second batch has a bad row, where the run ends; the first has two deletes."""
    text = HEAD + people(3, "d") + "k4,cu*,4," + "x" * 60 + "\n"
    how = {"as_transaction": False, "batch_size": 2, "match_on": "employee_id"}
    stopped = sync_text(text, **how, max_deletes="1")
    assert (stopped.exit_code, stopped.committed, Person.objects.count()) == (1, False, 11)  # rule T7: 1 before 4
    assert sync_text(text, **how, max_deletes="1", dry_run=True).exit_code == 1
    assert sync_text(text, **how, max_deletes="2", dry_run=True).exit_code == 3
    report = sync_text(text, **how, max_deletes="2", max_changes="2")
    assert (report.exit_code, Person.objects.count()) == (3, 9)


@pytest.mark.usefixtures("ten")
def test_a_run_that_was_stopped_is_stopped_again_when_it_is_to_go_on(sync_text: Sync, tmp_path: Path) -> None:
    """Nothing of it was committed: it begins anew, and is judged anew."""
    path = tmp_path / "people.csv"
    path.write_text(HEAD + people(4, "d"))
    how: dict[str, Any] = {"match_on": "employee_id", "as_transaction": False, "batch_size": 2, "max_deletes": "3"}
    stopped = sync(path, Person, system="HR", options=SyncOptions(**how))
    assert stopped.exit_code == 4
    again = sync(path, Person, system="HR", options=SyncOptions(**how, resume=stopped.run))
    assert (again.exit_code, again.run, Person.objects.count()) == (4, stopped.run, 11)
    allowed = sync(path, Person, system="HR", options=SyncOptions(**how, allow_deletes=True, resume=stopped.run))
    assert (allowed.exit_code, Person.objects.count()) == (0, 7)


@pytest.mark.usefixtures("ten")
def test_a_rehearsal_calls_no_code_of_the_project(sync_text: Sync) -> None:
    heard: list[str] = []

    def listen(instance: Any, **_: Any) -> None:
        heard.append(instance.name)

    post_save.connect(listen, sender=Signalled)
    try:
        text = "action_flags,match_on,name,value\ncu*,name,a,1\ncu*,name,b,1\n"
        assert sync_text(text, Signalled, as_transaction=False, max_changes="1").exit_code == 4
        assert heard == []
        assert sync_text(text, Signalled, as_transaction=False, max_changes="2").exit_code == 0
    finally:
        post_save.disconnect(listen, sender=Signalled)
    assert heard == ["a", "b"]


@pytest.mark.usefixtures("ten")
def test_limits_can_stand_in_the_settings_and_options_go_before_them(sync_text: Sync) -> None:
    text = HEAD + people(3, "d")
    with override_settings(NSYNC={"MAX_DELETES": "20%"}):
        assert 'NSYNC["MAX_DELETES"] 20%' in sync_text(text, **BY_ID).guard
        assert sync_text(text, **BY_ID, dry_run=True, max_deletes="30%").exit_code == 0
        assert sync_text(text, **BY_ID, dry_run=True, max_deletes="none").exit_code == 0
        assert sync_text(text, **BY_ID, dry_run=True, allow_deletes=True).exit_code == 0
    with override_settings(NSYNC={"MAX_CHANGES": 2}):
        assert 'NSYNC["MAX_CHANGES"] 2' in sync_text(text, **BY_ID).guard
        assert sync_text(text, **BY_ID, max_changes="none").exit_code == 0


def parcels(count: int) -> str:
    """Give parcels with keys."""
    return "external_key,code\n" + "".join(f"k{number},{number}\n" for number in range(count))


UPSERT: dict[str, Any] = {"action_flags": "cu*", "match_on": "code"}


@pytest.mark.parametrize("action", ["delete", "release", "set:label=gone"])
def test_a_snapshot_takes_not_more_than_a_fifth_away_unless_it_is_told_to(sync_text: Sync, action: str) -> None:
    sync_text(parcels(100), Parcel, **UPSERT)
    how = {**UPSERT, "snapshot": True, "snapshot_action": action}
    stopped = sync_text(parcels(79), Parcel, **how)
    assert (stopped.exit_code, Parcel.objects.filter(label="").count()) == (4, 100)
    assert 'NSYNC["SNAPSHOT_MAX_DELETES"] 20%' in stopped.guard
    assert sync_text(parcels(80), Parcel, **how, dry_run=True).exit_code == 0
    assert sync_text(parcels(79), Parcel, **how, dry_run=True, max_deletes="21").exit_code == 0
    assert sync_text(parcels(79), Parcel, **how, dry_run=True, max_deletes="20").exit_code == 4
    assert sync_text(parcels(79), Parcel, **how, dry_run=True, max_deletes="21%").exit_code == 0
    assert sync_text(parcels(1), Parcel, **how, dry_run=True, max_deletes="none").exit_code == 0
    with override_settings(NSYNC={"MAX_DELETES": 5_000}):
        assert sync_text(parcels(79), Parcel, **how, dry_run=True).exit_code == 4
    with override_settings(NSYNC={"SNAPSHOT_MAX_DELETES": None}):
        assert sync_text(parcels(1), Parcel, **how, dry_run=True).exit_code == 0
    assert sync_text(parcels(1), Parcel, **how, allow_deletes=True).exit_code == 0


def test_a_share_of_few_objects_says_nothing_of_a_snapshot(sync_text: Sync) -> None:
    sync_text(parcels(99), Parcel, **UPSERT)
    assert sync_text(parcels(1), Parcel, **UPSERT, snapshot=True, dry_run=True).exit_code == 0
    with override_settings(NSYNC={"SNAPSHOT_MINIMUM": 99}):
        assert sync_text(parcels(1), Parcel, **UPSERT, snapshot=True, dry_run=True).exit_code == 4


def test_rows_that_ask_for_deletes_are_not_limited_by_the_guard_of_snapshots(sync_text: Sync) -> None:
    sync_text(parcels(100), Parcel, **UPSERT)
    rows = "".join(f"k{number},{number},{'d' if number < 50 else 'cu*'}\n" for number in range(90))
    text = "external_key,code,action_flags\n" + rows
    report = sync_text(text, Parcel, match_on="code", snapshot=True)
    assert (report.exit_code, Parcel.objects.count()) == (0, 40)


def test_the_command_says_it_and_exits_with_4(
    sync_text: Sync, ten: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, report = tmp_path / "people.csv", tmp_path / "report.json"
    path.write_text(HEAD + people(3, "d"))
    args = ("syncfile", "HR", "testapp", "Person", str(path))
    with pytest.raises(SystemExit) as ended:
        call_command(*args, match_on="employee_id", max_deletes="2", report=str(report))
    assert ended.value.code == 4
    out, err = capsys.readouterr()
    assert out.startswith("Nothing was committed, a guard stopped the run: 3 deletes in all")
    assert "--allow-deletes" in err
    told = json.loads(report.read_text())
    assert (told["status"], told["guard"][:17]) == ("stopped by guard", "3 deletes in all ")
    call_command(*args, match_on="employee_id", max_deletes="2", allow_deletes=True)
    assert Person.objects.count() == 8


@pytest.mark.parametrize("limit", ["-1", "1.5", "many", "20 %%", "1e3", "²"])
def test_a_limit_that_is_none_is_refused(limit: str) -> None:
    with pytest.raises(ConfigError, match="'20%' or 'none'"):
        SyncOptions(max_deletes=limit)
    with pytest.raises(CommandError, match="a share such as 20%") as error:
        call_command("syncfile", "HR", "testapp", "Person", "-", max_changes=limit)
    assert error.value.returncode == 2


@pytest.mark.parametrize("end", ["k41,zz\n", "k41,\udcff\n"])
@pytest.mark.parametrize("on_error", ["rollback", "stop", "skip"])
def test_what_comes_before_the_row_that_ends_a_run_of_batches_counts(
    sync_text: Sync, tmp_path: Path, end: str, on_error: str
) -> None:
    """A row with a bad flag, a byte that cannot be read: two batches before it would be committed."""
    sync_text(parcels(11_000), Parcel, **UPSERT)
    path = tmp_path / "parcels.csv"
    rows = "".join(f"k{number},d\n" for number in range(11_000))
    path.write_bytes(f"external_key,action_flags\n{rows}{end}".encode(errors="surrogateescape"))
    options = SyncOptions(max_deletes="300", as_transaction=False, on_error=on_error)
    report = sync(path, Parcel, system="HR", options=options)
    assert "deletes in all are more than --max-deletes 300" in report.guard
    assert (report.committed, Parcel.objects.count()) == (False, 11_000)
    # Rule T7: 1 before 4. Only a row that is skipped is no error that ends the run.
    assert report.exit_code == (4 if on_error == "skip" and "zz" in end else 1)
    assert bool(report.error) == ("zz" not in end or on_error == "stop")


@pytest.mark.usefixtures("ten")
@pytest.mark.parametrize("as_transaction", [True, False])
def test_a_policy_that_walks_its_actions_is_guarded(sync_text: Sync, as_transaction: bool) -> None:
    text = HEAD + people(3, "d")
    how = {**BY_ID, "max_deletes": "2", "as_transaction": as_transaction}
    assert (sync_text(text, policy=OldPolicy, **how).exit_code, Person.objects.count()) == (4, 11)


@pytest.mark.usefixtures("ten")
def test_what_a_rehearsal_could_not_foresee_is_not_said_to_have_been_stopped() -> None:
    """A receiver gives the second person a house, so that more goes with her; her batch is committed all the same."""

    def listen(instance: Person, **_: Any) -> None:
        if instance.employee_id == "1":
            House.objects.create(address="A", owner=Person.objects.get(employee_id="2"))

    text = HEAD + people(1, name="Zoe") + people(1, "d", first=2)
    post_save.connect(listen, sender=Person)
    try:
        options = SyncOptions(**BY_ID, as_transaction=False, batch_size=1, max_deletes="1")
        report = sync(io.StringIO(text), Person, system="HR", options=options)
    finally:
        post_save.disconnect(listen, sender=Person)
    assert (report.status, report.guard, report.exit_code) == ("applied", "", 0)
    assert not House.objects.exists()


@pytest.mark.usefixtures("ten")
def test_the_history_tells_of_a_rehearsal_that_was_interrupted(sync_text: Sync) -> None:
    def interrupt(**_: Any) -> None:
        raise KeyboardInterrupt

    batch_applied.connect(interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            sync_text(HEAD + people(3, "d"), **BY_ID, as_transaction=False, max_deletes="3")
    finally:
        batch_applied.disconnect(interrupt)
    run = RunRecord.objects.latest("pk")
    assert (run.status, run.error, Person.objects.count()) == ("failed", "interrupted", 11)


@pytest.mark.usefixtures("ten")
def test_a_database_that_gives_up_during_a_rehearsal_ends_the_run(sync_text: Sync) -> None:
    """Nobody has counted what the run would do, so that it must not go on."""
    heard: list[int] = []

    def fail(**_: Any) -> None:
        heard.append(1)
        if len(heard) == 1:
            raise OperationalError("gone away")

    batch_applied.connect(fail)
    try:
        report = sync_text(HEAD + people(3, "d"), **BY_ID, as_transaction=False, max_deletes="2")
    finally:
        batch_applied.disconnect(fail)
    assert (report.exit_code, report.status, Person.objects.count()) == (1, "failed", 11)
    assert "gone away" in report.error


@pytest.mark.parametrize("model", ["Contractor", "Employee"])
def test_an_object_of_several_tables_or_of_a_proxy_counts_once(sync_text: Sync, model: str) -> None:
    """An employee is a row of its own and one of Person; a contractor is a person by another name."""
    text = HEAD + people(3)
    target = f"testapp.{model}"
    if model == "Employee":
        text = text.replace("employee_id", "staff_number")
    how = {"match_on": "staff_number" if model == "Employee" else "employee_id"}
    sync_text(text, target, **how)
    gone = "external_key,action_flags\nk1,d\nk2,d*\n"
    for limit in ({"max_deletes": "1"}, {"max_changes": "1"}):
        assert sync_text(gone, target, **limit).guard.startswith("2 ")
    for limit in ({"max_deletes": "50%"}, {"max_changes": "50%"}):
        assert " of 3 objects" in sync_text(gone, target, **limit).guard
    assert sync_text(gone, target, max_deletes="2", max_changes="2").exit_code == 0
