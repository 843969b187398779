"""A snapshot is the whole truth of its system: what the system maps and the file does not name is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.db.models.signals import pre_delete

from nsync import Input, SyncOptions, sync_all
from nsync.errors import ConfigError
from nsync.models import ExternalKeyMapping
from nsync.models import Run as RunRecord
from nsync.record.report import Report
from nsync.signals import batch_applied
from nsync.undo import undo
from tests.old_policies import OldPolicy
from tests.testapp.models import Company, Contract, Folded, House, Node, Parcel, Person, Room

pytestmark = pytest.mark.django_db
Sync = Callable[..., Report]

PEOPLE = "external_key,employee_id,first_name\n"
ALL = PEOPLE + "k1,1,Ann\nk2,2,Bob\nk3,3,Cy\n"
SOME = PEOPLE + "k1,1,Ann\n"
AS_UPSERT: dict[str, Any] = {"action_flags": "cu*", "match_on": "employee_id"}
SNAPSHOT: dict[str, Any] = {**AS_UPSERT, "snapshot": True}


def names() -> list[str]:
    """Give the first names of all people."""
    return list(Person.objects.order_by("first_name").values_list("first_name", flat=True))


def keys(system: str = "HR") -> list[str]:
    """Give the keys of a system."""
    mappings = ExternalKeyMapping.objects.filter(external_system__name=system)
    return sorted(mappings.values_list("external_key", flat=True))


def taken(report: Report) -> dict[str, int]:
    """Give what became of the keys that a snapshot does not name."""
    (snapshot,) = report.snapshots
    return {kind.value: count for kind, count in snapshot.outcomes.items()}


@pytest.fixture(params=["auto", "bulk", "objects"])
def engine(request: pytest.FixtureRequest) -> str:
    """Name an engine."""
    return str(request.param)


@pytest.mark.parametrize("as_transaction", [True, False])
@pytest.mark.parametrize("batch_size", [1, 2, 5_000])
def test_what_the_file_does_not_name_is_deleted_with_its_mapping(
    sync_text: Sync, engine: str, batch_size: int, as_transaction: bool
) -> None:
    """Rule G2."""
    sync_text(ALL, **AS_UPSERT)
    how = {"engine": engine, "batch_size": batch_size, "as_transaction": as_transaction}
    report = sync_text(SOME, **SNAPSHOT, **how)
    assert (names(), keys()) == (["Ann"], ["k1"])
    assert (taken(report), report.exit_code) == ({"deleted": 2}, 0)
    assert {kind.value: count for kind, count in report.counts.items()} == {"unchanged": 1}


@pytest.mark.parametrize("batch_size", [3, 5_000])
def test_many_objects_go_by_columns_and_those_that_are_held_stay(sync_text: Sync, batch_size: int) -> None:
    head = "external_key,code\n"
    rows = [f"k{number},{number}\n" for number in range(40)]
    how: dict[str, Any] = {"action_flags": "cu*", "match_on": "code"}
    sync_text(head + "".join(rows), Parcel, **how)
    sync_text(head + rows[7] + rows[23], Parcel, system="ERP", **how)
    report = sync_text(head + "".join(rows[:5]), Parcel, **how, snapshot=True, batch_size=batch_size, engine="columns")
    assert taken(report) == {"deleted": 33, "released": 2}
    assert report.snapshots[0].engine == "columns"
    assert sorted(Parcel.objects.values_list("code", flat=True), key=int) == ["0", "1", "2", "3", "4", "7", "23"]


def test_a_dry_run_tells_what_would_be_taken_away_and_takes_nothing(sync_text: Sync) -> None:
    sync_text(ALL, **AS_UPSERT)
    report = sync_text(SOME, **SNAPSHOT, dry_run=True)
    assert (names(), keys()) == (["Ann", "Bob", "Cy"], ["k1", "k2", "k3"])
    assert taken(report) == {"deleted": 2}
    assert report.writes


def test_what_another_system_maps_is_released_and_stays(sync_text: Sync, engine: str) -> None:
    sync_text(ALL, **AS_UPSERT)
    sync_text(PEOPLE + "e2,2,Bob\n", system="ERP", **AS_UPSERT)
    report = sync_text(SOME, **SNAPSHOT, engine=engine)
    assert names() == ["Ann", "Bob"]
    assert (keys(), keys("ERP")) == (["k1"], ["e2"])
    assert taken(report) == {"deleted": 1, "released": 1}
    assert report.warnings == {"held-by": 1}


def test_objects_and_keys_of_other_systems_and_models_are_not_touched(sync_text: Sync) -> None:
    sync_text(ALL, system="ERP", **AS_UPSERT)
    sync_text("external_key,name\nk1,Acme\n", Company, action_flags="cu*", match_on="name")
    Person.objects.create(first_name="Ours", employee_id="9")
    sync_text(SOME, **SNAPSHOT)
    sync_text(PEOPLE + "k2,2,Bob\n", **SNAPSHOT)
    assert names() == ["Ann", "Bob", "Cy", "Ours"]
    assert (keys(), keys("ERP")) == (["k1", "k2"], ["k1", "k2", "k3"])


def test_a_key_counts_as_named_whatever_became_of_its_row(sync_text: Sync) -> None:
    """Here: it failed, it is ignored, its row is short, it has too many cells, and it asks for a delete in vain."""
    sync_text(ALL + "k4,4,Di\nk5,5,Eva\n", **AS_UPSERT)
    text = "external_key,action_flags,employee_id,age\nk1,cu*,1,old\nk2,,2,\nk3\nk4,cu*,4,1,more\nk5,d,9,\n"
    how = {**SNAPSHOT, "on_error": "skip", "snapshot_despite_errors": True}
    report = sync_text(text, **how)
    assert report.failed == 2
    assert names() == ["Ann", "Bob", "Cy", "Di", "Eva"]
    assert keys() == ["k1", "k2", "k3", "k4"]
    assert taken(report) == {}


def test_every_row_needs_a_key(sync_text: Sync, engine: str) -> None:
    """Rule no-key: also one that asks for nothing, and one with the null marker."""
    sync_text(ALL, **AS_UPSERT)
    text = "external_key,action_flags,employee_id,first_name\nk1,cu*,1,Ann\n ,cu*,2,Bob\n,,3,\n-,cu*,3,Cy\n"
    report = sync_text(text, match_on="employee_id", snapshot=True, null_marker="-", engine=engine)
    assert (report.exit_code, report.errors) == (1, {"no-key": 3})
    assert [entry.line for entry in report.details()] == [3, 4, 5]
    assert (names(), keys()) == (["Ann", "Bob", "Cy"], ["k1", "k2", "k3"])


def test_a_source_without_keys_is_refused_before_anything_is_read(sync_text: Sync) -> None:
    with pytest.raises(ConfigError, match="--external-key-column"):
        sync_text("employee_id\n1\n", **SNAPSHOT)


@pytest.mark.parametrize("text", [PEOPLE, PEOPLE + "\n,,\n"])
def test_a_snapshot_without_rows_is_refused(sync_text: Sync, text: str) -> None:
    """Rule empty-snapshot, even if deletes are allowed."""
    sync_text(ALL, **AS_UPSERT)
    report = sync_text(text, **SNAPSHOT, allow_deletes=True)
    assert (report.exit_code, report.committed, keys()) == (1, False, ["k1", "k2", "k3"])
    assert "empty-snapshot" in report.error
    assert (RunRecord.objects.latest("pk").status, names()) == ("failed", ["Ann", "Bob", "Cy"])


def test_one_of_several_sources_without_rows_is_refused(sync_texts: Sync) -> None:
    sync_texts(("HR", Person, ALL), **AS_UPSERT)
    report = sync_texts(("HR", Person, ALL), ("HR", Person, PEOPLE), **SNAPSHOT)
    assert (report.exit_code, keys()) == (1, ["k1", "k2", "k3"])


def test_a_row_error_anywhere_withholds_what_would_be_taken_away(sync_texts: Sync) -> None:
    sync_texts(("HR", Person, ALL), **AS_UPSERT)
    bad = "external_key,employee_id,age\nk1,1,old\n"
    report = sync_texts(("HR", Person, SOME), ("ERP", Person, bad), **SNAPSHOT, on_error="skip")
    assert (report.exit_code, report.withheld, names()) == (3, True, ["Ann", "Bob", "Cy"])


def test_a_source_that_cannot_be_read_to_its_end_takes_nothing_away(sync_text: Sync, tmp_path: Path) -> None:
    sync_text(ALL, **AS_UPSERT)
    path = tmp_path / "people.csv"
    path.write_bytes(SOME.encode() + b"k1,1,Ann\n" * 6_000 + b"k2,2,B\xff\n")
    options = SyncOptions(**SNAPSHOT, as_transaction=False)
    report = sync_all([Input(path, Person, "HR")], options=options)
    assert (report.exit_code, keys()) == (3, ["k1", "k2", "k3"])


def test_the_files_of_one_system_and_model_are_one_snapshot(sync_texts: Sync) -> None:
    sync_texts(("HR", Person, ALL), **AS_UPSERT)
    report = sync_texts(("HR", Person, SOME), ("HR", "testapp.Person", PEOPLE + "k3,3,Cy\n"), **SNAPSHOT)
    assert (names(), taken(report)) == (["Ann", "Cy"], {"deleted": 1})


def test_what_django_refuses_to_delete_is_released_with_a_warning(sync_text: Sync, engine: str) -> None:
    sync_text(ALL, **AS_UPSERT)
    Contract.objects.create(person=Person.objects.get(employee_id="2"), title="ours")
    report = sync_text(SOME, **SNAPSHOT, engine=engine)
    assert (names(), keys()) == (["Ann", "Bob"], ["k1"])
    assert taken(report) == {"deleted": 1, "released": 1}
    assert (report.warnings, report.exit_code) == ({"protected": 1}, 0)


def test_what_protects_an_object_may_go_in_the_same_run(sync_texts: Sync) -> None:
    """The company is protected by its staff, which another snapshot of the run takes away."""
    company = "external_key,name\nc1,Acme\nc2,Bolt\n"
    staff = "external_key,employee_id,company=>external_key\nk1,1,c1\nk2,2,c2\n"
    how = {"action_flags": "cu*"}
    sync_texts(("HR", Company, company), ("HR", Person, staff), **how)
    left = (("HR", Company, "external_key,name\nc1,Acme\n"), ("HR", Person, staff.replace("k2,2,c2\n", "")))
    report = sync_texts(*left, **how, snapshot=True)
    assert [dict(source.outcomes) for source in report.snapshots] == [{"deleted": 1}, {"deleted": 1}]
    assert (Company.objects.count(), Person.objects.count(), report.warnings) == (1, 1, {})


def test_what_goes_with_another_object_is_not_asked_for_twice(sync_text: Sync, engine: str) -> None:
    """The children of a node go with it, and their keys with them."""
    tree = "external_key,code,name,parent=>code\nn0,0,root,\nn1,1,a,0\nn2,2,b,1\nn3,3,c,2\n"
    sync_text(tree, Node, action_flags="cu*", match_on="code")
    report = sync_text(
        "external_key,code,name\nn0,0,root\n", Node, action_flags="u", match_on="code", snapshot=True, engine=engine
    )
    assert (Node.objects.count(), keys()) == (1, ["n0"])
    assert report.reasons == {}
    assert report.exit_code == 0


@pytest.mark.parametrize("as_transaction", [True, False])
def test_what_would_take_along_an_object_that_the_file_names_stays(
    sync_text: Sync, engine: str, as_transaction: bool
) -> None:
    """Node 1 is not named, but 2, which hangs on it, is; 4 goes with 3."""
    tree = "external_key,code,name,parent=>code\nn0,0,root,\nn1,1,a,0\nn2,2,b,1\nn3,3,c,0\nn4,4,d,3\n"
    sync_text(tree, Node, action_flags="cu*", match_on="code")
    how: dict[str, Any] = {"action_flags": "cu*", "match_on": "code", "engine": engine, "snapshot": True}
    report = sync_text("external_key,code\nn0,0\nn2,2\n", Node, **how, as_transaction=as_transaction)
    assert sorted(Node.objects.values_list("code", flat=True)) == ["0", "1", "2"]
    assert (keys(), report.warnings) == (["n0", "n2"], {"held-by": 1})
    assert taken(report)["released"] == 1


def test_what_would_take_along_an_object_that_another_snapshot_names_stays(sync_texts: Sync, engine: str) -> None:
    people = PEOPLE + "k1,1,Ann\nk2,2,Bob\nk3,3,Cy\n"
    houses = "external_key,address,owner=>external_key\nh2,A,k2\nh3,B,k3\n"
    sync_texts(("HR", Person, people), ("HR", House, houses), action_flags="cu*")
    left = ("HR", Person, SOME), ("HR", House, "external_key,address\nh2,A\n")
    report = sync_texts(*left, action_flags="cu*", snapshot=True, engine=engine)
    assert (names(), list(House.objects.values_list("address", flat=True))) == (["Ann", "Bob"], ["A"])
    assert (keys(), report.warnings) == (["h2", "k1"], {"held-by": 1})


@pytest.mark.parametrize("spelling", ["K1", "k1 ", "kä", "k'1", 'k"1', "k\\1", "k%s", "\u00a0k1\u3000x"])
def test_keys_are_compared_exactly(sync_text: Sync, spelling: str) -> None:
    """Rule I1: case, accents and signs count on every database; surrounding blanks do not."""
    known = f'external_key,name\nk1,a\nka,b\n"{spelling.replace(chr(34), chr(34) * 2)}",c\n'
    sync_text(known, Folded, action_flags="cu*")
    line = f'"{spelling.replace(chr(34), chr(34) * 2)}",c\n'
    sync_text(f"external_key,name\n{line}", Folded, action_flags="cu*", snapshot=True)
    assert keys() == [spelling.strip()]


@pytest.mark.parametrize("action", ["delete", "release", "set:active=no"])
def test_a_mapping_without_a_key_is_left(sync_text: Sync, engine: str, action: str) -> None:
    """No row could name it: somebody has made it by hand."""
    sync_text(ALL, **AS_UPSERT)
    ExternalKeyMapping.objects.filter(external_key="k2").update(external_key="")
    report = sync_text(SOME, **SNAPSHOT, engine=engine, snapshot_action=action)
    assert (report.exit_code, sum(taken(report).values()), "" in keys()) == (0, 1, True)


def test_release_removes_the_mappings_alone(sync_text: Sync, engine: str) -> None:
    sync_text(ALL, **AS_UPSERT)
    report = sync_text(SOME, **SNAPSHOT, snapshot_action="release", engine=engine)
    assert (names(), keys(), taken(report)) == (["Ann", "Bob", "Cy"], ["k1"], {"released": 2})


@pytest.mark.parametrize("engine", ["auto", "columns", "bulk", "objects"])
def test_release_removes_no_object_that_columns_could_delete(sync_text: Sync, engine: str) -> None:
    how: dict[str, Any] = {"action_flags": "cu*", "match_on": "code", "engine": engine}
    rows = [f"k{number},{number}\n" for number in range(40)]
    sync_text("external_key,code\n" + "".join(rows), Parcel, **how)
    text = "external_key,code\n" + "".join(rows[:35])
    report = sync_text(text, Parcel, **how, snapshot=True, snapshot_action="release")
    assert (Parcel.objects.count(), len(keys()), taken(report)) == (40, 35, {"released": 5})


def test_set_writes_a_field_once_and_leaves_object_and_mapping(sync_text: Sync, engine: str) -> None:
    sync_text(ALL, **AS_UPSERT)
    how = {**SNAPSHOT, "snapshot_action": "set:active=no", "engine": engine}
    report = sync_text(SOME, **how)
    assert taken(report) == {"updated": 2}
    assert list(Person.objects.order_by("pk").values_list("active", flat=True)) == [True, False, False]
    assert taken(sync_text(SOME, **how)) == {"unchanged": 2}
    assert keys() == ["k1", "k2", "k3"]


@pytest.mark.parametrize(
    ("action", "message"),
    [("set:activ=no", "did you mean active"), ("set:active=perhaps", "truth value"), ("set:pk=1", "primary")],
)
def test_an_action_that_cannot_be_done_is_an_error_before_anything_is_read(
    sync_text: Sync, action: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=rf"--snapshot-action {action}: .*{message}"):
        sync_text(ALL, **SNAPSHOT, snapshot_action=action)


@pytest.mark.parametrize("action", ["", "remove", "set:", "set:active", "delete:now"])
def test_an_action_that_there_is_not_is_refused(action: str) -> None:
    with pytest.raises(ConfigError, match="'set:field=value'"):
        SyncOptions(snapshot_action=action)
    with pytest.raises(CommandError, match="set:FIELD=VALUE"):
        call_command("syncfile", "HR", "testapp", "Person", "-", snapshot=True, snapshot_action=action)


def test_options_that_go_with_a_snapshot_alone_are_refused_without_one() -> None:
    with pytest.raises(CommandError, match="goes with --snapshot"):
        call_command("syncfile", "HR", "testapp", "Person", "-", snapshot_action="release")
    with pytest.raises(CommandError, match="goes with --snapshot and --on-error skip"):
        call_command("syncfile", "HR", "testapp", "Person", "-", snapshot=True, snapshot_despite_errors=True)


def test_what_a_snapshot_took_away_comes_back_with_undo(sync_text: Sync) -> None:
    sync_text(ALL, **AS_UPSERT)
    house = House.objects.create(address="A", owner=Person.objects.get(employee_id="2"))
    Room.objects.create(house=house, name="kitchen")
    before = list(Person.objects.order_by("pk").values()), list(Room.objects.values()), keys()
    sync_text(SOME, **SNAPSHOT, record="changes")
    assert Room.objects.count() == 0
    undo(RunRecord.objects.latest("pk").pk)
    assert (list(Person.objects.order_by("pk").values()), list(Room.objects.values()), keys()) == before


def test_the_history_tells_that_a_snapshot_took_an_object_away(sync_text: Sync) -> None:
    sync_text(ALL, **AS_UPSERT)
    sync_text(SOME, **SNAPSHOT, record="changes")
    run = RunRecord.objects.latest("pk")
    assert [source["name"] for source in run.sources][1:] == ["snapshot of HR"]
    assert {change.source for change in run.changes.all()} == {1}


def test_the_history_tells_what_was_released_and_why(sync_text: Sync) -> None:
    sync_text(ALL, **AS_UPSERT)
    sync_text(PEOPLE + "e2,2,Bob\n", system="ERP", **AS_UPSERT)
    sync_text(SOME, **SNAPSHOT, record="rows")
    outcomes = RunRecord.objects.latest("pk").row_outcomes.values_list("source", "outcome", "code", "value")
    assert list(outcomes) == [(1, "released", "held-by", "k2")]


def test_a_policy_that_walks_its_actions_takes_away_too(sync_text: Sync) -> None:
    sync_text(ALL, **AS_UPSERT)
    report = sync_text(SOME, policy=OldPolicy, **SNAPSHOT)
    assert (names(), taken(report)) == (["Ann"], {"deleted": 2})


@pytest.mark.parametrize("bad", [",2,Bob\n", "k2,2,Bob,more\n"])
def test_rows_that_a_policy_leaves_unread_are_looked_at(sync_text: Sync, bad: str) -> None:
    """It ends after the first action; the last row has no key, or a cell too many."""

    class Lazy(OldPolicy):
        def execute(self) -> None:
            next(iter(self.actions)).execute()

    sync_text(ALL, **AS_UPSERT)
    report = sync_text(SOME + bad, policy=Lazy, **SNAPSHOT)
    assert (report.exit_code, report.failed, report.rows, names()) == (1, 1, 2, ["Ann", "Bob", "Cy"])
    report = sync_text(SOME + "k3,3,Cy\n", policy=Lazy, **SNAPSHOT)
    assert (report.reasons, names()) == ({"not-executed": 1}, ["Ann", "Cy"])


@pytest.mark.parametrize("engine", ["columns", "bulk", "objects"])
def test_a_snapshot_that_is_cut_off_goes_on_with_what_is_left(tmp_path: Path, engine: str) -> None:
    """And counts on, as if nothing had happened."""
    path = tmp_path / "parcels.csv"
    how: dict[str, Any] = {"action_flags": "cu*", "match_on": "code", "engine": engine, "as_transaction": False}
    text = "external_key,code\n" + "".join(f"k{number},{number}\n" for number in range(9))
    path.write_text(text)
    sync_all([Input(path, Parcel, "HR")], options=SyncOptions(**how))
    path.write_text(text[: text.index("k1")])
    options = SyncOptions(**how, snapshot=True, batch_size=2, record="changes", max_deletes="none")

    def cut_off(source: str, rows: int, **_: Any) -> None:
        if source.startswith("snapshot") and rows == 4:
            raise KeyboardInterrupt

    batch_applied.connect(cut_off)
    with pytest.raises(KeyboardInterrupt):
        sync_all([Input(path, Parcel, "HR")], options=options)
    batch_applied.disconnect(cut_off)
    assert Parcel.objects.count() == 5
    run = RunRecord.objects.latest("pk").pk
    report = sync_all([Input(path, Parcel, "HR")], options=replace(options, resume=run))
    assert (taken(report), report.exit_code, Parcel.objects.count()) == ({"deleted": 8}, 0, 1)
    assert undo(run).left == []
    assert (Parcel.objects.count(), len(keys())) == (9, 9)


@pytest.fixture
def deleted() -> Iterator[list[str]]:
    """Hear of deleted people: then each is deleted by itself."""
    heard: list[str] = []

    def listen(instance: models.Model, **_: Any) -> None:
        heard.append(str(instance))

    pre_delete.connect(listen, sender=Person)
    yield heard
    pre_delete.disconnect(listen, sender=Person)


def test_receivers_hear_of_what_is_taken_away(sync_text: Sync, deleted: list[str]) -> None:
    sync_text(ALL, **AS_UPSERT)
    sync_text(SOME, **SNAPSHOT)
    assert len(deleted) == 2


def test_a_receiver_that_refuses_makes_the_run_fail(sync_text: Sync) -> None:
    """It is not Django that refuses: somebody must decide."""

    def refuse(**_: Any) -> None:
        raise RuntimeError("not today")

    sync_text(ALL, **AS_UPSERT)
    pre_delete.connect(refuse, sender=Person)
    try:
        report = sync_text(SOME, **SNAPSHOT)
    finally:
        pre_delete.disconnect(refuse, sender=Person)
    assert (report.exit_code, report.committed, report.failed) == (1, False, 2)
    assert (names(), keys()) == (["Ann", "Bob", "Cy"], ["k1", "k2", "k3"])


def test_the_summary_says_what_was_taken_away(sync_text: Sync, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    sync_text(ALL, **AS_UPSERT)
    path = tmp_path / "people.csv"
    path.write_text(SOME)
    report = tmp_path / "report.json"
    how = {"action_flags": "cu*", "match_on": "employee_id", "snapshot": True, "report": str(report)}
    call_command("syncfile", "HR", "testapp", "Person", str(path), **how)
    assert "snapshot of HR (testapp.Person): 2 deleted" in capsys.readouterr().out
    assert '"name": "snapshot of HR"' in report.read_text()


def test_the_database_keeps_no_table_of_a_snapshot(sync_text: Sync) -> None:
    sync_text(ALL, **AS_UPSERT)
    for _ in range(2):
        sync_text(SOME, **SNAPSHOT)
    table = {"postgresql": "pg_temp.nsync_named_1", "sqlite": "temp.nsync_named_1"}.get(
        connection.vendor, "nsync_named_1"
    )
    with connection.cursor() as cursor, pytest.raises(Exception, match="nsync_named_1"):
        cursor.execute(f"SELECT * FROM {table}")
