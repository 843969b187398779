"""What an undo puts back, what it leaves, and what it says of that."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection
from django.db.models import Model
from django.db.models.signals import post_save, pre_save

from nsync import SyncOptions, sync
from nsync.errors import ConfigError
from nsync.models import ExternalKeyMapping, RecordedChange, RowOutcome
from nsync.models import Run as RunRecord
from nsync.record.journal import kept_rows
from nsync.undo import UndoReport, undo
from tests import killed_runs
from tests.plan.known import link
from tests.testapp.models import Company, Crate, Depot, Employee, House, Parcel, Person, Tag
from tests.undoing import differences, tables

pytestmark = pytest.mark.django_db

MANY = 60  # rows: they are kept as blocks


def run(text: str, model: Any = Person, **options: Any) -> int:
    """Sync a text, and give the number of the run."""
    given = SyncOptions(**{"record": "changes", **options})
    sync(io.StringIO(text), model, system="HR", options=given)
    return RunRecord.objects.latest("pk").pk


def people(numbers: range, flags: str = "cu*", name: str = "A", *, keys: bool = True) -> str:
    """Write a file of persons."""
    head = "external_key,action_flags,match_on,employee_id,first_name\n"
    rows = (f"{f'k{n}' if keys else ''},{flags},employee_id,{n},{name}\n" for n in numbers)
    return head + "".join(rows)


def parcels(flags: str = "cu*", label: str = "A", *, keys: bool = True) -> str:
    """Write a file of parcels, which every engine can write."""
    rows = (f"{f'k{n}' if keys else ''},{flags},code,{n},{label}\n" for n in range(MANY))
    return "external_key,action_flags,match_on,code,label\n" + "".join(rows)


def left(report: UndoReport) -> list[tuple[str, str, str]]:
    """Give what was left: model, code, column."""
    return [(one.row.label.removeprefix("testapp."), one.code, one.field) for one in report.left]


@pytest.mark.database("postgresql")
def test_objects_go_whose_numbers_do_not_follow_each_other() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE testapp_parcel ALTER id SET INCREMENT BY 3")
    before = tables()
    number = run(parcels(), Parcel, engine="columns")
    pks = sorted(Parcel.objects.values_list("pk", flat=True))
    assert pks == list(range(pks[0], pks[0] + 3 * MANY, 3))
    report = undo(number)
    assert not differences(before, tables())
    assert report.done["testapp.Parcel"] == {"removed": MANY}


def test_defaults_of_other_types_are_recorded_as_the_columns_hold_them() -> None:
    number = run("external_key,action_flags,code\n" + "".join(f"k{n},c,{n}\n" for n in range(MANY)), Crate)
    columns = ("code", "status", "size", "label", "title")
    recorded = [
        tuple(row.after[name] for name in columns)
        for change in RecordedChange.objects.filter(run=number, model="testapp.Crate")
        for row in kept_rows(change)
    ]
    assert len(recorded) == MANY
    assert sorted(recorded) == sorted(Crate.objects.values_list(*columns))
    assert {type(value) for row in recorded for value in row} == {str, int}
    assert undo(number).done["testapp.Crate"] == {"removed": MANY}
    assert not Crate.objects.exists()


@pytest.mark.parametrize("engine", ["objects", "bulk", "columns"])
@pytest.mark.parametrize("keys", [True, False])
def test_many_objects_that_were_created_go(engine: str, keys: bool) -> None:
    before = tables()
    report = undo(run(parcels(keys=keys), Parcel, engine=engine))
    assert not differences(before, tables())
    assert report.done["testapp.Parcel"] == {"removed": MANY}


@pytest.mark.parametrize("engine", ["objects", "bulk", "columns"])
@pytest.mark.parametrize("flags", ["d", "d*"])
def test_many_objects_that_were_deleted_return(engine: str, flags: str) -> None:
    """A5, A6, A8."""
    run(parcels(), Parcel)
    before = tables()
    report = undo(run(parcels(flags), Parcel, engine=engine))
    assert not differences(before, tables())
    assert report.done["testapp.Parcel"] == {"brought back": MANY}
    assert report.done["nsync.ExternalKeyMapping"] == {"brought back": MANY}


@pytest.mark.parametrize("engine", ["objects", "bulk", "columns"])
def test_many_objects_that_were_changed_get_their_old_values(engine: str) -> None:
    """A7: the time of the last change, too."""
    run(parcels(), Parcel)
    before = tables()
    report = undo(run(parcels(label="B"), Parcel, engine=engine))
    assert not differences(before, tables())
    assert report.done == {"testapp.Parcel": {"set back": MANY}}


def test_an_undo_that_is_undone_leaves_what_the_run_left() -> None:
    run(people(range(40)))
    number = run(people(range(20, MANY), name="B") + people(range(10), "d*").partition("\n")[2])
    after = tables()
    first = undo(number)
    assert RunRecord.objects.get(pk=number).status == "undone"
    undo(int(first.undo or 0))
    assert not differences(after, tables())
    assert RunRecord.objects.get(pk=number).status == "applied"
    assert RunRecord.objects.get(pk=first.undo).status == "undone"


def test_a_system_that_a_run_created_goes_with_its_keys_and_returns_before_them() -> None:
    before = tables()
    number = run(people(range(2)))
    after = tables()
    first = undo(number)
    assert not differences(before, tables())
    second = undo(int(first.undo or 0))
    assert left(second) == []
    assert not differences(after, tables())
    undo(int(second.undo or 0))
    assert not differences(before, tables())


@pytest.mark.parametrize("count", [3, MANY])
def test_the_undo_of_a_first_load_can_be_undone(count: int) -> None:
    """It made the system too, to which the keys refer."""
    number = run(people(range(count)))
    after = tables()
    report = undo(int(undo(number).undo or 0))
    assert not report.left
    assert not differences(after, tables())


def test_references_and_keys_of_other_systems_return_with_a_deleted_object() -> None:
    """A5, A8: what a cascade took along, emptied and unmapped."""
    company = Company.objects.create(name="Wayne")
    person = Person.objects.create(first_name="Bruce", employee_id="1", company=company)
    House.objects.create(address="Manor", owner=person)
    link(person, "k1")
    link(person, "e1", "ERP")
    before = tables()
    undo(run(people(range(1, 2), "d*")))
    assert not differences(before, tables())


def test_a_dry_run_says_what_an_undo_does_and_does_nothing() -> None:
    number = run(people(range(MANY)))
    after, runs = tables(), RunRecord.objects.count()
    report = undo(number, dry_run=True)
    assert report.is_dry_run
    assert report.done["testapp.Person"] == {"removed": MANY}
    assert (differences(after, tables()), RunRecord.objects.count()) == ("", runs)
    assert undo(number).done == report.done


def test_a_value_that_somebody_changed_since_is_left_and_said() -> None:
    run(people(range(1, 4)))
    number = run(people(range(1, 4), name="B"))
    Person.objects.filter(employee_id="2").update(first_name="C")
    report = undo(number)
    assert left(report) == [("Person", "changed-since", "first_name")]
    assert report.exit_code == 3
    assert sorted(Person.objects.values_list("first_name", flat=True)) == ["A", "A", "C"]
    assert RunRecord.objects.get(pk=number).status == "applied"
    assert RowOutcome.objects.get(run_id=report.undo).code == "changed-since"
    forced = undo(number, force=True)
    assert (left(forced), set(Person.objects.values_list("first_name", flat=True))) == ([], {"A"})
    assert RunRecord.objects.get(pk=number).status == "undone"


@pytest.mark.parametrize("count", [3, MANY])
def test_a_created_object_that_somebody_changed_since_is_kept_with_its_keys(count: int) -> None:
    number = run(people(range(count)))
    Person.objects.filter(employee_id="2").update(last_name="C")
    report = undo(number)
    assert left(report) == [("Person", "changed-since", "last_name")]
    assert (Person.objects.get().employee_id, ExternalKeyMapping.objects.get().external_key) == ("2", "k2")
    assert left(undo(number, force=True)) == []
    assert not Person.objects.exists()
    assert not ExternalKeyMapping.objects.exists()


@pytest.mark.parametrize("count", [3, MANY])
def test_a_created_object_to_which_others_refer_by_now_is_kept(count: int) -> None:
    number = run(people(range(count)))
    House.objects.create(address="Manor", owner=Person.objects.get(employee_id="1"))
    link(Person.objects.get(employee_id="2"), "e2", "ERP")
    for force in (False, True):
        report = undo(number, force=force)
        assert left(report) == [("Person", "referred-to", "")] * 2
    assert sorted(Person.objects.values_list("employee_id", flat=True)) == ["1", "2"]
    assert sorted(ExternalKeyMapping.objects.values_list("external_key", flat=True)) == ["e2", "k1", "k2"]


def test_created_objects_that_refer_to_each_other_go_together() -> None:
    """R1: managers of managers."""
    text = "external_key,action_flags,employee_id,first_name,manager=>employee_id\n"
    text += "".join(f"k{n},cu*,{n},A,{n - 1 if n else ''}\n" for n in range(MANY))
    before = tables()
    number = run(text)
    undo(number)
    assert not differences(before, tables())


def test_who_is_kept_keeps_those_to_whom_it_refers() -> None:
    text = "external_key,action_flags,employee_id,first_name,manager=>employee_id\nk1,c,1,A,\nk2,c,2,A,1\nk3,c,3,A,2\n"
    number = run(text)
    House.objects.create(address="Manor", owner=Person.objects.get(employee_id="2"))
    undo(number)
    assert sorted(Person.objects.values_list("employee_id", flat=True)) == ["1", "2"]


@pytest.mark.parametrize("how", ["changed", "referred to"])
def test_a_child_by_inheritance_is_kept_whole(how: str) -> None:
    head = "external_key,action_flags,employee_id,first_name,staff_number\n"
    number = run(f"{head}k1,c,1,A,7\nk2,c,2,B,8\n", Employee)
    employee = Employee.objects.get(employee_id="1")
    if how == "changed":
        Person.objects.filter(pk=employee.pk).update(first_name="Z")
    else:
        House.objects.create(address="Manor", owner=employee)
    assert left(undo(number))[0][:2] == ("Employee", "changed-since" if how == "changed" else "referred-to")
    assert [one.pk for one in Employee.objects.all()] == [one.pk for one in Person.objects.all()] == [employee.pk]
    assert ExternalKeyMapping.objects.get().external_key == "k1"


def test_only_a_child_by_inheritance_is_put_back_with_its_parent_and_key() -> None:
    head = "external_key,action_flags,employee_id,first_name,staff_number\n"
    run(f"{head}k1,c,1,A,7\nk2,c,2,B,8\n", Employee)
    pk = Employee.objects.get(employee_id="1").pk
    number = run(f"{head}k1,d*,1,,\nk2,d*,2,,\n", Employee)
    assert left(undo(number, only=[("testapp.Employee", str(pk))])) == []
    assert (Employee.objects.get().first_name, ExternalKeyMapping.objects.get().external_key) == ("A", "k1")
    with pytest.raises(ConfigError, match=r"did nothing to testapp\.Nonsense:1"):
        undo(number, only=[("testapp.Nonsense", "1")])


def test_the_keys_of_who_cannot_return_do_not_return_to_somebody_else() -> None:
    run(people(range(1, 3)))
    first = Person.objects.get(employee_id="1")
    number = run(people(range(1, 3), "d*"))
    Person.objects.create(pk=first.pk, first_name="Stranger", employee_id="9")
    Person.objects.create(first_name="Y", employee_id="2")
    undo(number)
    assert not ExternalKeyMapping.objects.exists()


def test_what_would_refer_to_nothing_does_not_return() -> None:
    company = Company.objects.create(name="Wayne")
    tag = Tag.objects.create(name="t")
    for number in ("1", "2"):
        person = Person.objects.create(first_name="A", employee_id=number, company=company if number == "1" else None)
        person.tags.add(tag)
        link(person, f"k{number}")
    number_of_run = run(people(range(1, 3), "d*"))
    company.delete()
    Person.objects.create(first_name="Y", employee_id="2")
    report = undo(number_of_run)
    found = [one for one in left(report) if one[0] == "Person"]
    assert sorted(found) == [("Person", "foreign-key", ""), ("Person", "unique", "")]
    assert list(Person.objects.values_list("first_name", flat=True)) == ["Y"]
    assert not Person.tags.through.objects.exists()
    connection.check_constraints()


@pytest.mark.django_db(transaction=True)
def test_a_run_that_was_interrupted_after_a_batch_can_be_undone() -> None:
    """T3."""

    def interrupt(instance: Parcel, **_: Any) -> None:
        if instance.code == "6":
            raise KeyboardInterrupt

    text = "external_key,code,label\n" + "".join(f"k{n},{n},A\n" for n in range(1, 9))
    post_save.connect(interrupt, sender=Parcel)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(text, Parcel, action_flags="cu*", match_on="code", as_transaction=False, batch_size=2)
    finally:
        post_save.disconnect(interrupt, sender=Parcel)
    found = RunRecord.objects.get()
    assert (found.status, Parcel.objects.count()) == ("failed", 4)
    assert left(undo(found.pk)) == []
    assert not Parcel.objects.exists()


def test_a_deleted_object_does_not_return_where_another_has_its_place() -> None:
    run(people(range(1, 3)))
    person = Person.objects.get(employee_id="1")
    number = run(people(range(1, 3), "d*"))
    Person.objects.create(pk=person.pk, first_name="X", employee_id="9")
    Person.objects.create(first_name="Y", employee_id="2")
    report = undo(number)
    assert sorted(left(report)) == [("Person", "taken", ""), ("Person", "unique", "")]
    assert sorted(Person.objects.values_list("employee_id", flat=True)) == ["2", "9"]


def test_only_the_object_that_is_named_is_put_back() -> None:
    run(people(range(1, 4)))
    number = run(people(range(1, 4), "d*"))
    pk = RecordedChange.objects.filter(run_id=number, model="testapp.Person").latest("pk").object_id
    undo(number, only=[("testapp.person", pk)])
    assert [str(person.pk) for person in Person.objects.all()] == [pk]
    assert ExternalKeyMapping.objects.get().object_id == pk
    assert RunRecord.objects.get(pk=number).status == "applied"
    assert left(undo(number)) == []
    assert (Person.objects.count(), RunRecord.objects.get(pk=number).status) == (3, "undone")


def test_values_that_are_not_kept_are_not_put_back(settings: Any) -> None:
    settings.NSYNC = {"REDACT": ["testapp.Person.first_name"]}
    run(people(range(1, 3)))
    number = run(people(range(1, 2), name="Secret") + people(range(2, 3), "d*").partition("\n")[2])
    kept = RecordedChange.objects.values_list("before", "after", "block")
    assert not any("Secret" in text for texts in kept for text in texts)
    report = undo(number)
    assert sorted(left(report)) == [("Person", "not-kept", "first_name")] * 2
    assert sorted(Person.objects.values_list("employee_id", "first_name")) == [("1", "Secret"), ("2", "")]


def test_an_undo_keeps_no_value_that_is_not_to_be_kept(settings: Any) -> None:
    """A field that was named after the run."""
    run(people(range(1, 2)))
    number = run(people(range(1, 2), name="B"))
    Person.objects.update(first_name="Secret")
    settings.NSYNC = {"REDACT": ["testapp.Person.first_name"]}
    report = undo(number)
    assert left(report) == [("Person", "changed-since", "first_name")]
    assert "Secret" not in RowOutcome.objects.get(run_id=report.undo).message


def test_nor_what_code_of_the_project_says_when_it_ends_the_undo(settings: Any) -> None:
    settings.NSYNC = {"REDACT": ["testapp.Person.first_name"]}
    number = run(people(range(1, 2)))

    def fail(*_: Any) -> None:
        raise ZeroDivisionError("Secret by 0")

    with pytest.raises(ZeroDivisionError):
        undo(number, progress=fail)

    assert RunRecord.objects.latest("pk").error.endswith("standard error has it")


@contextmanager
def heard() -> Iterator[list[tuple[str, bool]]]:
    """Collect what receivers hear of parcels."""
    found: list[tuple[str, bool]] = []

    def hear_before(instance: Model, raw: bool, **_: Any) -> None:
        found.append(("before", raw))

    def hear_after(instance: Model, raw: bool, created: bool, **_: Any) -> None:
        found.append(("created" if created else "saved", raw))

    pre_save.connect(hear_before, sender=Parcel)
    post_save.connect(hear_after, sender=Parcel)
    try:
        yield found
    finally:
        pre_save.disconnect(hear_before, sender=Parcel)
        post_save.disconnect(hear_after, sender=Parcel)


def test_receivers_hear_that_it_is_raw() -> None:
    head = "external_key,action_flags,code,label\n"
    run(head + "k1,c,1,A\nk2,c,2,A\n", Parcel)
    number = run(head + "k1,u*,1,B\nk2,d*,,\n", Parcel)
    before = Parcel.objects.get(code="1").modified
    with heard() as found:
        undo(number)
    assert sorted(found) == [("before", True)] * 2 + [("created", True), ("saved", True)]
    assert Parcel.objects.get(code="1").modified < before


def test_what_a_save_of_the_project_has_put_into_other_columns_is_set_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def save(self: Depot, **kwargs: Any) -> None:
        Model.save(self, **kwargs)
        Depot.objects.filter(pk=self.pk).update(city=f"{self.name}-town")

    run("external_key,action_flags,name,city\nk1,c,a,x\nk2,c,b,x\n", Depot)
    monkeypatch.setattr(Depot, "save", save)
    before = tables()
    number = run("external_key,action_flags,name\nk1,u*,c\nk3,c,d\n", Depot)
    assert sorted(Depot.objects.values_list("city", flat=True)) == ["c-town", "d-town", "x"]
    assert left(undo(number)) == []
    assert not differences(before, tables())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": "rows"}, "not recorded, or is pruned: only rows"),
        ({"record": "summary"}, "not recorded, or is pruned: only summary"),
    ],
)
def test_a_run_whose_changes_are_not_kept_cannot_be_undone(options: dict[str, Any], message: str) -> None:
    number = run(people(range(2)), **options)
    with pytest.raises(ConfigError, match=message):
        undo(number)


def test_what_cannot_be_undone_is_said() -> None:
    with pytest.raises(ConfigError, match="there is no run 7; there are none"):
        undo(7)
    number = run(people(range(2)))
    with pytest.raises(ConfigError, match=f"there is no run {number + 1}; the last is {number}"):
        undo(number + 1)
    undo(number)
    with pytest.raises(ConfigError, match="is undone already, by run"):
        undo(number)
    failed = run(people(range(1)) + "k9,cu*,employee_id,9,\x00\n")
    with pytest.raises(ConfigError, match="is rolled back: it left nothing to undo"):
        undo(failed)
    RunRecord.objects.filter(pk=failed).update(status="running")
    with pytest.raises(ConfigError, match="is still running"):
        undo(failed)
    with pytest.raises(ConfigError, match="there is no 'nowhere'"):
        undo(number, database="nowhere")


def test_the_command_says_what_it_did_and_what_it_left(capsys: pytest.CaptureFixture[str]) -> None:
    """T7."""
    number = run(people(range(1, 4)))
    call_command("syncundo", number, dry_run=True)
    assert "Dry run: nothing was changed" in capsys.readouterr().out
    Person.objects.filter(employee_id="2").update(last_name="C")
    with pytest.raises(SystemExit) as ended:
        call_command("syncundo", number)
    out = capsys.readouterr().out
    assert ended.value.code == 3
    assert "testapp.Person: 2 removed" in out
    assert "Left as it is: 1" in out
    assert "last_name: is 'C' now; the object was kept" in out
    call_command("syncundo", number, force=True, verbosity=0)
    assert capsys.readouterr().out == ""
    with pytest.raises(CommandError, match="is undone already"):
        call_command("syncundo", number)
    with pytest.raises(CommandError, match=r"write it as myapp\.Person:7"):
        call_command("syncundo", number, "--only", "Person")


def test_an_undo_tells_how_far_it_has_come() -> None:
    """In rows of tables: twice as many as rows of the file, each with an object and a key; and the new system."""
    told: list[tuple[int, int]] = []
    undo(run(parcels(), Parcel), progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] > 0


@pytest.mark.parametrize("batch_size", [6, 5_000])
def test_objects_that_wait_for_each_other_to_be_put_back_all_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, batch_size: int
) -> None:
    """Persons created, renumbered, made each other's managers and deleted: what refers to one may wait itself."""
    monkeypatch.setattr(killed_runs, "ROWS", 200)
    killed_runs.write_files(tmp_path)
    killed_runs.make_start()
    before = tables()
    options = SyncOptions(on_error="skip", record="changes", batch_size=batch_size)
    report = sync(tmp_path / "HR_testapp_Person.csv", Person, system="HR", options=options)
    assert left(undo(int(report.run or 0))) == []
    assert not differences(before, tables())
