"""Which engine a source gets, why, and that the project's own code is called where it waits for each object."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Model, signals

from nsync.actions import Kind
from nsync.errors import ConfigError
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy, SyncPolicy, TransactionSyncPolicy
from nsync.record.report import Report
from nsync.record.text import summary
from tests.many import listening, rows
from tests.old_policies import OldOrderedPolicy, OldPolicy
from tests.telling import outcomes
from tests.testapp.models import (
    Contractor,
    Employee,
    House,
    Person,
    Profile,
    Room,
    Saved,
    Signalled,
    Slugged,
    Tag,
    Team,
    TeamPlace,
)

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

MANY = 1_000
_FILE = {"external_key": "K{}", "action_flags": "cu*", "match_on": "name", "name": "N{}", "value": "old"}
_BY_NAME = "external_key,action_flags,match_on,first_name,age\nk,{},first_name,Bruce,{}\n"


@pytest.fixture
def signalled(sync_text: Sync) -> None:
    """Have many objects, which the file makes."""
    sync_text(rows(_FILE, range(MANY)), Signalled)


# --- signals --------------------------------------------------------------------------------------------------------


def test_an_unchanged_file_sends_no_signal_and_costs_what_it_costs_in_bulk(sync_text: Sync, signalled: None) -> None:
    """A7."""
    in_bulk = sync_text(rows(_FILE, range(MANY)), Signalled, engine="bulk")
    with listening(Signalled) as heard:
        report = sync_text(rows(_FILE, range(MANY)), Signalled)

    assert outcomes(report) == {"unchanged": MANY}
    assert heard == []
    assert (in_bulk.engine, report.engine) == ("bulk", "batches")
    assert report.queries == in_bulk.queries


def test_a_file_in_which_little_changes_sends_the_signals_of_just_that(sync_text: Sync, signalled: None) -> None:
    """A7, T1: in file order; each names the columns that changed."""
    lines = rows(_FILE, range(MANY)).splitlines()
    changed = range(50, MANY, 100)
    for number in changed:
        lines[number + 1] = lines[number + 1].replace("old", "new")

    with listening(Signalled) as heard:
        report = sync_text("\n".join(lines) + "\n", Signalled)

    assert outcomes(report) == {"updated": 10, "unchanged": MANY - 10}
    assert [one.instance.name for one in heard] == [f"N{number}" for number in changed]  # type: ignore[attr-defined]
    assert {(one.created, one.update_fields) for one in heard} == {(False, frozenset({"value"}))}
    assert Signalled.objects.filter(value="new").count() == 10


def test_what_a_receiver_changes_is_seen_by_later_rows_of_the_batch(sync_text: Sync) -> None:
    """T1: the first row's receiver fills what the second, unforced, would have filled."""
    dick = Signalled.objects.create(name="Dick")

    def fill(instance: Signalled, **_: Any) -> None:
        Signalled.objects.filter(pk=dick.pk).update(value="filled")

    signals.post_save.connect(fill, sender=Signalled)
    try:
        report = sync_text("action_flags,match_on,name,value\ncu*,name,Bruce,x\nu,name,Dick,y\n", Signalled)
    finally:
        signals.post_save.disconnect(fill, sender=Signalled)

    dick.refresh_from_db()
    assert dick.value == "filled"
    assert outcomes(report) == {"created": 1, "unchanged": 1}


# --- why an engine is taken -----------------------------------------------------------------------------------------


def receiving(signal: Any, sender: Any) -> Callable[[], AbstractContextManager[Any]]:
    return lambda: listening(sender, signal)


def overriding(model: type[Model], method: str) -> Callable[[], AbstractContextManager[Any]]:
    """Give a model a method of its own for a while, which does what it did."""

    @contextmanager
    def overridden() -> Iterator[None]:
        original = getattr(model, method)
        setattr(model, method, lambda self, *args, **kwargs: original(self, *args, **kwargs))
        try:
            yield
        finally:
            delattr(model, method)

    return overridden


_PERSON = "action_flags,match_on,first_name,age\ncu*,first_name,Bruce,40\n"
_BLOCKED = {
    "save() overridden": (nullcontext, Saved, "action_flags,match_on,name\ncu*,name,X\n", "Saved.save() is overridden"),
    "a pre_save() of a field's own": (
        nullcontext,
        Slugged,
        "action_flags,match_on,title\ncu*,title,x\n",
        "testapp.Slugged.slug has a pre_save() of its own",
    ),
    "save_base() overridden": (overriding(Person, "save_base"), Person, _PERSON, "Person.save_base() is overridden"),
    "delete() overridden": (overriding(Person, "delete"), Person, _PERSON, "Person.delete() is overridden"),
    **{
        name: (receiving(getattr(signals, name), Person), Person, _PERSON, f"{name} of testapp.Person has receivers")
        for name in ("pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete")
    },
    "a receiver for every model": (receiving(signals.post_save, None), Person, _PERSON, "post_save of testapp.Person"),
    "a receiver of a proxy": (receiving(signals.post_save, Contractor), Contractor, _PERSON, "of testapp.Contractor"),
    "a delete receiver along a cascade": (
        receiving(signals.post_delete, Room),
        Person,
        _PERSON,
        "post_delete of testapp.Room has receivers",
    ),
    "m2m_changed": (
        receiving(signals.m2m_changed, Person.tags.through),
        Person,
        "action_flags,match_on,first_name,tags=>+name\ncu*,first_name,Bruce,t\n",
        "m2m_changed of testapp.Person_tags has receivers",
    ),
    "m2m_changed of a table of one's own": (
        receiving(signals.m2m_changed, TeamPlace),
        Person,
        "action_flags,match_on,first_name,teams=>+name\ncu*,first_name,Bruce,t\n",
        "m2m_changed of testapp.TeamPlace has receivers",
    ),
    "save() of a related model overridden": (
        overriding(House, "save"),
        Person,
        "action_flags,match_on,first_name,houses=>address\ncu*,first_name,Bruce,m\n",
        "testapp.House.save() is overridden",
    ),
    "a receiver of a related model": (
        receiving(signals.pre_save, House),
        Person,
        "action_flags,match_on,first_name,houses=>address\ncu*,first_name,Bruce,m\n",
        "pre_save of testapp.House has receivers",
    ),
}


@pytest.mark.parametrize("name", _BLOCKED)
def test_code_that_waits_for_each_object_is_called_and_named(sync_text: Sync, name: str) -> None:
    """The report and its summary name the reason."""
    circumstances, model, text, reason = _BLOCKED[name]
    Tag.objects.create(name="t")
    Team.objects.create(name="t")
    House.objects.create(address="m")

    with circumstances():
        report = sync_text(text, model)

    assert outcomes(report) == {"created": 1}
    assert report.sources[0].engine == "batches"
    assert [reason in given for given in report.sources[0].engine_reasons] == [True]
    lines = list(summary(report))
    assert "read in batches, and each object that changes saved by itself, because" in lines
    assert f"  {report.sources[0].engine_reasons[0]}" in lines


@pytest.mark.parametrize(
    ("circumstances", "text"),
    [
        pytest.param(receiving(signals.post_save, Person), "address\nm\n", id="of a model that is only referred to"),
        pytest.param(receiving(signals.post_save, Room), "address\nm\n", id="of a model that only goes along"),
        pytest.param(receiving(signals.m2m_changed, Person.tags.through), "address\nm\n", id="of another relation"),
        pytest.param(overriding(Person, "save"), "address,owner=>first_name\nm,Bruce\n", id="of a forward relation"),
    ],
)
def test_code_that_the_run_would_not_call_hinders_nothing(
    sync_text: Sync, circumstances: Callable[[], AbstractContextManager[Any]], text: str
) -> None:
    """Only what the columns write counts."""
    engine = "bulk" if "=>" in text else "columns"  # House refers to Person, which has children by inheritance
    with circumstances():
        report = sync_text(text, House, action_flags="cu*", match_on="address")

    assert (report.engine, report.sources[0].engine_reasons) == (engine, ())
    assert not any("saved by itself" in line for line in summary(report))


def test_each_source_has_an_engine_of_its_own(sync_texts: Sync) -> None:
    """And its own reasons."""
    report = sync_texts(
        ("HR", Person, _PERSON),
        ("HR", Saved, "action_flags,match_on,name\ncu*,name,x\n"),
        ("HR", House, "action_flags,match_on,address,owner=>first_name\ncu*,address,m,Bruce\n"),
    )

    assert [source.engine for source in report.sources] == ["bulk", "batches", "bulk"]
    assert report.engine == "bulk, batches"
    assert Saved.objects.get().name == "X"
    assert House.objects.get().owner == Person.objects.get()


def test_an_overridden_delete_is_called_for_each_object(sync_text: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    """A5."""
    gone = []

    def delete(person: Person, **kwargs: Any) -> Any:
        gone.append(person.first_name)
        return Model.delete(person, **kwargs)

    cells = {"action_flags": "c", "match_on": "first_name", "first_name": "P{}"}
    sync_text(rows(cells, range(20)))
    monkeypatch.setattr(Person, "delete", delete)
    report = sync_text(rows({**cells, "action_flags": "d*"}, range(5, 8)))

    assert (report.engine, outcomes(report)) == ("batches", {"deleted": 3})
    assert gone == ["P5", "P6", "P7"]
    assert Person.objects.count() == 17


def test_receivers_hear_of_what_goes_along(sync_text: Sync) -> None:
    """A5."""
    person = Person.objects.create(first_name="Bruce")
    house = House.objects.create(address="Manor", owner=person)
    Room.objects.create(house=house, name="Hall")

    with listening(Room, signals.post_delete) as heard:
        report = sync_text("action_flags,match_on,first_name\nd*,first_name,Bruce\n")

    assert outcomes(report) == {"deleted": 1}
    assert [one.instance.name for one in heard] == ["Hall"]  # type: ignore[attr-defined]


# --- what hinders bulk, whoever asks for it -------------------------------------------------------------------------

_HINDERED: dict[str, tuple[type[Model], str, dict[str, Any], str]] = {
    "several tables": (
        Employee,
        "action_flags,match_on,staff_number,first_name\ncu*,staff_number,1,Bruce\n",
        {},
        "testapp.Employee has rows in several tables",
    ),
    "a property column": (
        Profile,
        "action_flags,match_on,login,full_name\ncu*,login,bw,Bruce Wayne\n",
        {},
        "testapp.Profile.full_name is a property",
    ),
    "--validate": (Person, _PERSON, {"validate": True}, "--validate checks each object"),
}


@pytest.mark.parametrize("name", _HINDERED)
def test_objects_that_cannot_be_written_in_bulk_are_saved_one_by_one(sync_text: Sync, name: str) -> None:
    """The same file again changes nothing."""
    model, text, options, reason = _HINDERED[name]

    first, second = sync_text(text, model, **options), sync_text(text, model, **options)

    assert (outcomes(first), outcomes(second)) == ({"created": 1}, {"unchanged": 1})
    assert [report.engine for report in (first, second)] == ["batches", "batches"]
    assert [given.startswith(reason) for given in first.sources[0].engine_reasons] == [True]
    assert any(line.startswith(f"  {reason}") for line in summary(first))


@pytest.mark.parametrize("name", _HINDERED)
def test_bulk_by_request_is_refused_where_it_cannot_be(sync_text: Sync, name: str) -> None:
    """C6: with the reason and the cure; nothing is written."""
    model, text, options, reason = _HINDERED[name]

    with pytest.raises(ConfigError, match=rf"--engine bulk cannot write .*{reason}.*use auto") as error:
        sync_text(text, model, engine="bulk", **options)

    assert model._meta.label in str(error.value)
    assert not model._base_manager.exists()


@pytest.mark.parametrize("name", _HINDERED)
def test_a_dry_run_in_bulk_says_what_the_real_run_would_do(sync_text: Sync, name: str) -> None:
    """O4: it writes nothing that lasts, so nothing hinders it."""
    model, text, options, _ = _HINDERED[name]

    report = sync_text(text, model, engine="bulk", dry_run=True, **options)

    assert outcomes(report) == {"created": 1}
    assert not model._base_manager.exists()


def test_bulk_by_request_calls_no_code_of_the_project_and_says_so(sync_text: Sync, signalled: None) -> None:
    """The reasons are named all the same."""
    with listening(Signalled) as heard, listening(Signalled, signals.pre_delete) as heard_gone:
        report = sync_text(rows({**_FILE, "value": "new"}, range(20)), Signalled, engine="bulk")
        gone = sync_text(rows({**_FILE, "action_flags": "d*"}, range(20, 30)), Signalled, engine="bulk")

    assert (outcomes(report), outcomes(gone)) == ({"updated": 20}, {"deleted": 10})
    assert (heard, heard_gone) == ([], [])
    assert report.engine == "bulk"
    reasons = ("post_save of testapp.Signalled has receivers", "pre_delete of testapp.Signalled has receivers")
    assert report.sources[0].engine_reasons == reasons
    lines = list(summary(report))
    title = "written in bulk, as --engine bulk asks; the project's own code was not called:"
    assert lines[lines.index(title) + 1 :][:2] == [f"  {reason}" for reason in reasons]


# --- policies -------------------------------------------------------------------------------------------------------


class DeletesFirst(SyncPolicy):
    phases = (Kind.DELETE, Kind.CREATE, Kind.UPDATE)


class Bounded(BasicSyncPolicy):
    def boundary(self, using: str) -> AbstractContextManager[Any]:
        return transaction.atomic(using=using)


class Executed(BasicSyncPolicy):
    def execute(self) -> None:
        for action in self.actions:
            action.execute()


def wrapped(actions: Any) -> TransactionSyncPolicy:
    return TransactionSyncPolicy(OrderedSyncPolicy(actions))


def wrapped_old(actions: Any) -> TransactionSyncPolicy:
    return TransactionSyncPolicy(OldPolicy(actions))


@pytest.mark.parametrize(
    ("policy", "engine"),
    [
        pytest.param(BasicSyncPolicy, "bulk", id="basic"),
        pytest.param(OrderedSyncPolicy, "bulk", id="ordered"),
        pytest.param(DeletesFirst, "bulk", id="phases of its own"),
        pytest.param(Bounded, "bulk", id="a boundary of its own"),
        pytest.param(Executed, "objects", id="execute() overridden"),
        pytest.param(OldPolicy, "objects", id="as of old"),
        pytest.param(OldOrderedPolicy, "objects", id="ordered, as of old"),
        pytest.param(wrapped, "bulk", id="wrapped in a transaction"),
        pytest.param(wrapped_old, "objects", id="as of old, wrapped in a transaction"),
    ],
)
def test_a_policy_that_walks_its_actions_goes_row_by_row(sync_text: Sync, policy: Any, engine: str) -> None:
    """T10, P1: any other keeps the engine of the source, whatever its phases, also wrapped in another policy."""
    report = sync_text(_BY_NAME.format("cu*", 40), policy=policy)

    assert (report.sources[0].engine, outcomes(report)) == (engine, {"created": 1})


def test_objects_by_request_go_row_by_row(sync_text: Sync) -> None:
    """With nothing to explain."""
    report = sync_text(_BY_NAME.format("cu*", 40), engine="objects")

    assert (report.engine, report.sources[0].engine_reasons) == ("objects", ())
    assert not any("because" in line for line in summary(report))


def test_a_policy_that_walks_its_actions_is_named_as_the_reason(sync_text: Sync) -> None:
    """T10, P1; and it cannot be had in bulk."""
    report = sync_text(_BY_NAME.format("cu*", 40), policy=OldPolicy)

    assert any("the policy applies its actions one by one" in line for line in summary(report))
    with pytest.raises(ConfigError, match="--engine bulk: the policy applies its actions one by one; use auto"):
        sync_text(_BY_NAME.format("cu*", 40), policy=OldPolicy, engine="bulk")
