"""``syncwhy``: which run, source and line made an object what it is."""

from __future__ import annotations

import io
import json
from collections.abc import Callable

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.test.utils import CaptureQueriesContext

from nsync import SyncOptions, sync
from nsync.models import ExternalKeyMapping, ExternalSystem, RecordedChange, Run
from tests.commands.conftest import Ran
from tests.testapp.models import Asset, Employee, House, Parcel, Person

Command = Callable[..., Ran]
HEADER = "external_key,action_flags,match_on,address,floors\n"


def run_of(text: str, model: str = "testapp.House", system: str = "HR") -> Run:
    """Sync a text, and give the record of that."""
    sync(io.StringIO(text), model, system=system, options=SyncOptions(record="changes"))
    return Run.objects.latest("pk")


def houses(*numbers: int) -> str:
    return HEADER + "".join(f"{number},cu*,address,Street {number},{number}\n" for number in numbers)


def line_of(ran: Ran, name: str) -> str:
    """Give the line of a field."""
    assert ran.code == 0, ran.err
    return next(" ".join(line.split()) for line in ran.out.splitlines() if line.split()[:1] == [name])


def test_a_created_object_says_by_which_row(command: Command) -> None:
    run = run_of(houses(1, 2))
    house = House.objects.get(floors=2)

    ran = command("syncwhy", "testapp.House", str(house.pk))

    assert ran.out.startswith(f"testapp.House {house.pk}\n")
    assert f"Street 2 created by run {run.pk}, HR, <stream>:3, " in line_of(ran, "address")


def test_each_field_says_what_set_it_last_and_what_it_was_before(command: Command) -> None:
    first = run_of(houses(1))
    run_of(f"{HEADER}1,cu*,address,Street 1,5\n")
    third = run_of(f"{HEADER}x,cu*,address,Other,\n1,cu*,address,Street 1,7\n")
    house = House.objects.get(floors=7)

    ran = command("syncwhy", "testapp.House", str(house.pk))

    assert "floors 5 → 7 set by" in line_of(ran, "floors")
    assert f" set by run {third.pk}, HR, <stream>:3, " in line_of(ran, "floors")
    assert f" created by run {first.pk}, HR, <stream>:2, " in line_of(ran, "address")
    assert "(null)" in line_of(ran, "owner")


@pytest.mark.parametrize("name", ["owner", "owner_id"])
def test_one_field_can_be_asked_for(command: Command, name: str) -> None:
    run_of(houses(1))

    ran = command("syncwhy", "testapp.House", str(House.objects.get().pk), name)

    assert "owner" in ran.out
    assert "floors" not in ran.out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("flors", "testapp.Person has no field 'flors'; there are id, first_name"),
        ("frist_name", "testapp.Person has no field 'frist_name'; did you mean first_name?"),
        ("tags", "tags is a many-to-many relation: its rows are objects of testapp.Person_tags, ask for those"),
        ("houses", "testapp.Person has no field 'houses'"),
    ],
)
def test_a_name_that_is_no_field_is_an_error(command: Command, name: str, said: str) -> None:
    person = Person.objects.create(first_name="Homer")

    ran = command("syncwhy", "testapp.Person", str(person.pk), name)

    assert ran.code == 1
    assert ran.err.startswith(said)


def test_an_object_in_a_block_is_found(command: Command) -> None:
    run = run_of(houses(*range(30)))
    assert RecordedChange.objects.filter(model="testapp.House", object_id="").count() == 1
    house = House.objects.get(floors=9)

    ran = command("syncwhy", "testapp.House", str(house.pk))

    assert f"floors 9 created by run {run.pk}, HR, <stream>:11, " in line_of(ran, "floors")
    assert f"HR:9  mapped by run {run.pk}, HR, <stream>:11, " in ran.out


def test_the_text_of_blocks_that_cannot_hold_the_object_is_not_read(command: Command) -> None:
    for start in (0, 30, 60):
        run_of(houses(*range(start, start + 30)))
    house = House.objects.get(floors=70)
    others = {
        block.pk
        for block in RecordedChange.objects.filter(model="testapp.House", object_id="")
        if int(block.last_id) < house.pk
    }
    assert len(others) == 2
    RecordedChange.objects.filter(pk__in=others).update(block="unreadable")

    assert command("syncwhy", "testapp.House", str(house.pk)).code == 0


def test_what_was_before_the_object_was_created_is_not_read(command: Command) -> None:
    run_of(houses(1))
    house = House.objects.get()
    for kind in ("insert", "delete", "insert"):
        change = RecordedChange.objects.filter(model="testapp.House").latest("pk")
        last = change.after or change.before
        change.pk, change.kind = None, kind
        change.before, change.after = (last, "") if kind == "delete" else ("", last)
        change.save(force_insert=True)
    RecordedChange.objects.filter(pk=RecordedChange.objects.filter(model="testapp.House").earliest("pk").pk).update(
        after="unreadable", object_id="0"
    )

    assert "created by" in line_of(command("syncwhy", "testapp.House", str(house.pk)), "floors")


def test_an_object_that_is_gone_says_which_run_deleted_it(command: Command) -> None:
    first = run_of(houses(1, 2))
    pk = House.objects.get(floors=1).pk
    second = run_of(f"{HEADER}1,d*,address,Street 1,\n")
    assert not House.objects.filter(pk=pk).exists()

    ran = command("syncwhy", "testapp.House", str(pk))

    assert ran.out.startswith(f"testapp.House {pk} is gone: deleted by run {second.pk}, HR, <stream>:2, ")
    assert f"Street 1 created by run {first.pk}, HR, <stream>:2, " in line_of(ran, "address")


def test_an_object_that_somebody_else_deleted_says_so(command: Command) -> None:
    run_of(houses(1))
    house = House.objects.get()
    pk = house.pk
    house.delete()

    ran = command("syncwhy", "testapp.House", str(pk))

    assert ran.out.startswith(f"testapp.House {pk} is gone; what deleted it is not kept\n")


def test_an_object_of_which_nothing_is_known_is_an_error(command: Command) -> None:
    run_of(houses(1))

    ran = command("syncwhy", "testapp.House", "999999")

    assert (ran.code, ran.err) == (1, "there is no testapp.House 999999, and no run that is kept changed one")


def test_an_object_that_no_run_wrote_says_so_of_each_field(command: Command) -> None:
    house = House.objects.create(address="Manor")

    ran = command("syncwhy", "testapp.House", str(house.pk))

    assert line_of(ran, "address").split() == ["address", "Manor", *["set", "by", "no", "run", "that", "is", "kept"]]
    assert "No key means it." in ran.out


def test_a_value_that_somebody_else_wrote_since_is_named(command: Command) -> None:
    run = run_of(houses(1))
    House.objects.update(floors=99)

    ran = command("syncwhy", "testapp.House", str(House.objects.get().pk))

    assert f"created by run {run.pk}" in line_of(ran, "floors")
    assert line_of(ran, "floors").endswith("; something else made it 99 since")
    assert "something else" not in line_of(ran, "address")


def test_an_object_that_is_there_again_is_not_explained_by_what_was_deleted(command: Command) -> None:
    run_of(houses(1))
    pk = House.objects.get().pk
    run_of(f"{HEADER}1,d*,address,Street 1,\n")
    House.objects.create(pk=pk, address="Again")

    assert line_of(command("syncwhy", "testapp.House", str(pk)), "address").endswith("set by no run that is kept")


def test_a_child_by_inheritance_is_explained_table_by_table(command: Command) -> None:
    run_of("action_flags,match_on,first_name\ncu*,first_name,Other\n", "testapp.Person")
    first = run_of(
        "external_key,action_flags,match_on,first_name,staff_number\n1,cu*,first_name,Homer,S1\n", "testapp.Employee"
    )
    second = run_of("action_flags,match_on,first_name,age\nu*,first_name,Homer,39\n", "testapp.Person")
    homer = Employee.objects.get()

    ran = command("syncwhy", "testapp.Employee", str(homer.pk))

    assert f" created by run {first.pk}, " in line_of(ran, "staff_number")
    assert "(null) → 39 " in line_of(ran, "age")
    assert f" set by run {second.pk}, " in line_of(ran, "age")
    assert f"HR:1  mapped by run {first.pk}, " in ran.out


def test_a_child_by_inheritance_that_is_gone_is_explained_too(command: Command) -> None:
    text = "external_key,action_flags,match_on,first_name,staff_number\n1,{},first_name,Homer,S1\n"
    first = run_of(text.format("cu*"), "testapp.Employee")
    pk = Employee.objects.get().pk
    second = run_of(text.format("d*"), "testapp.Employee")
    assert not Person.objects.exists()

    ran = command("syncwhy", "testapp.Employee", str(pk))

    assert f"deleted by run {second.pk}, " in ran.out.splitlines()[0]
    assert f" created by run {first.pk}, " in line_of(ran, "first_name")
    assert f" created by run {first.pk}, " in line_of(ran, "staff_number")


def test_a_proxy_means_the_model_behind_it(command: Command) -> None:
    run_of("action_flags,match_on,first_name\ncu*,first_name,Homer\n", "testapp.Person")

    ran = command("syncwhy", "testapp.Contractor", str(Person.objects.get().pk))

    assert ran.out.startswith("testapp.Person ")
    assert "created by" in line_of(ran, "first_name")


def test_keys_say_what_made_them_mean_the_object(command: Command) -> None:
    first = run_of(houses(1))
    second = run_of(f"{HEADER}A,cu*,address,Street 1,1\n", system="CRM")
    house = House.objects.get()
    ExternalKeyMapping.objects.create(
        external_system=ExternalSystem.objects.get(name="CRM"),
        content_type=ContentType.objects.get_for_model(House),
        external_key="by hand",
        object_id=str(house.pk),
    )

    ran = command("syncwhy", "testapp.House", str(house.pk))

    told = ran.out.partition("Keys that mean it\n")[2].splitlines()
    assert [line.split()[0] for line in told] == ["CRM:A", "CRM:by", "HR:1"]
    assert f"mapped by run {second.pk}, CRM, <stream>:2, " in told[0]
    assert told[1].endswith("by no run that is kept")
    assert f"mapped by run {first.pk}, HR, <stream>:2, " in told[2]


def test_a_key_that_was_moved_names_the_run_that_moved_it(command: Command) -> None:
    run_of(houses(1, 2))
    house = House.objects.get(floors=2)
    House.objects.get(floors=1).delete()
    second = run_of(f"{HEADER}1,cu*,address,Street 2,2\n")

    ran = command("syncwhy", "testapp.House", str(house.pk))

    assert f"HR:1  mapped by run {second.pk}, " in ran.out


def test_runs_that_were_undone_are_marked(command: Command) -> None:
    run = run_of(houses(1))
    Run.objects.filter(pk=run.pk).update(status=Run.Status.UNDONE)

    ran = command("syncwhy", "testapp.House", str(House.objects.get().pk))

    assert f"created by run {run.pk} (undone), HR" in line_of(ran, "floors")


def test_what_an_undo_set_names_the_run_that_it_undid(command: Command) -> None:
    run_of(houses(1))
    run = run_of(f"{HEADER}1,cu*,address,Street 1,5\n")
    undo = Run.objects.create(undoes=run, status=Run.Status.APPLIED, system="HR", model="testapp.House")
    change = RecordedChange.objects.get(run=run)
    change.pk, change.run, change.before, change.after = None, undo, change.after, change.before
    change.save(force_insert=True)

    told = line_of(command("syncwhy", "testapp.House", change.object_id), "floors")

    assert f"floors 5 → 1 set by run {undo.pk} (undoes run {run.pk}), HR, <stream>:2, " in told
    assert told.endswith("; something else made it 5 since")


@pytest.mark.parametrize("is_recorded_so", [True, False])
def test_values_that_are_not_kept_are_not_told(command: Command, settings: object, is_recorded_so: bool) -> None:
    redacted = {"REDACT": ["testapp.Person.last_name"]}
    settings.NSYNC = redacted if is_recorded_so else {}  # type: ignore[attr-defined]
    run_of("action_flags,match_on,first_name,last_name\ncu*,first_name,Homer,Secret\n", "testapp.Person")
    settings.NSYNC = redacted  # type: ignore[attr-defined]
    person = Person.objects.get()

    told = command("syncwhy", "testapp.Person", str(person.pk))
    as_json = command("syncwhy", "testapp.Person", str(person.pk), "--json")

    assert "(not kept) " in line_of(told, "last_name")
    assert "created by run" in line_of(told, "last_name")
    assert person.last_name == "Secret"
    assert "Secret" not in told.out + as_json.out


def test_values_of_all_kinds_are_compared_as_the_field_has_them(command: Command) -> None:
    """Nothing else wrote them, so nothing may be said to have."""
    run_of(
        "external_key,action_flags,match_on,code,label,weight,price,due,until,sent,fragile,ref\n"
        "1,cu*,code,A,x,1.5,2.50,2024-02-01,10:00,2024-02-01T10:00:00Z,yes,12345678123456781234567812345678\n",
        "testapp.Parcel",
    )

    ran = command("syncwhy", "testapp.Parcel", str(Parcel.objects.get().pk))

    assert ran.code == 0
    assert ran.out.count("created by run") == len(Parcel._meta.concrete_fields)
    assert "something else" not in ran.out


def test_a_uuid_may_be_spelled_in_any_way(command: Command) -> None:
    run_of("action_flags,match_on,name\n" + "".join(f"cu*,name,Desk {n}\n" for n in range(30)), "testapp.Asset")
    desk = Asset.objects.get(name="Desk 7")

    assert "created by run" in line_of(command("syncwhy", "testapp.Asset", desk.pk.hex.upper()), "name")


def test_json_has_the_same(command: Command) -> None:
    run_of(houses(1))
    run = run_of(f"{HEADER}1,cu*,address,Street 1,5\n")
    house = House.objects.get()

    shown = json.loads(command("syncwhy", "testapp.House", str(house.pk), "--json").out)

    assert (shown["model"], shown["object"], shown["exists"]) == ("testapp.House", str(house.pk), True)
    by = {field["field"]: field["by"] for field in shown["fields"]}["floors"]
    assert (by["run"], by["line"], by["before"], by["after"], by["kind"]) == (run.pk, 2, 1, 5, "update")
    assert [mapping["key"] for mapping in shown["mappings"]] == ["1"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("testapp.Hous", "1"), "app 'testapp' has no model 'Hous'"),
        (("nowhere.House", "1"), "there is no app 'nowhere'"),
        (("testapp.House", "one"), "'one' is no primary key of testapp.House: "),
        (("testapp.Asset", "one"), "'one' is no primary key of testapp.Asset: "),
        (("testapp.Employee", "one"), "'one' is no primary key of testapp.Employee: "),
        (("testapp.House", "9" * 30), f"there is no testapp.House {'9' * 30}, "),
    ],
)
def test_what_names_no_object_is_an_error(command: Command, arguments: tuple[str, str], said: str) -> None:
    ran = command("syncwhy", *arguments)

    assert ran.code == 1
    assert ran.err.startswith(said)


def test_queries_do_not_grow_with_what_other_objects_went_through(
    command: Command, django_assert_max_num_queries: Callable[..., CaptureQueriesContext]
) -> None:
    run_of(houses(*range(40)))
    for number in range(3):
        run_of(HEADER + "".join(f"{key},cu*,address,Street {key},{100 + number}\n" for key in range(30)))
    house = House.objects.get(address="Street 35")

    with django_assert_max_num_queries(11):  # one of them for a content type that may be known already
        call_command("syncwhy", "testapp.House", str(house.pk), stdout=io.StringIO())


def test_what_is_not_known_of_an_object_that_is_gone_is_not_called_empty(command: Command) -> None:
    run = run_of(houses(1))
    pk = House.objects.get().pk
    House.objects.all().delete()
    RecordedChange.objects.filter(model="testapp.House").update(after='{"address":"Street 1"}')

    ran = command("syncwhy", "testapp.House", str(pk))

    assert line_of(ran, "id").startswith(f"id {pk} created by run {run.pk}, ")
    assert line_of(ran, "floors").startswith(f"floors (unknown) created by run {run.pk}, ")
