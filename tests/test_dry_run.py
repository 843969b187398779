"""A dry run leaves nothing, does nothing that the application could notice, and foresees the real one (rule O4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.apps import apps
from django.db import models
from django.db.models import signals

from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.foreseeing import everything
from tests.old_policies import OldOrderedPolicy
from tests.scenarios import SCENARIOS, Scenario, a_family, displaceable, person, profiles
from tests.telling import codes, outcomes
from tests.testapp.models import Employee, House, Node, Person, Profile, Room, Saved, Signalled, Tag, Trimmed

Sync = Callable[..., Report]
EVERY = pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
POLICIES = pytest.mark.parametrize(
    "policy", [BasicSyncPolicy, OrderedSyncPolicy, OldOrderedPolicy], ids=["basic", "ordered", "old"]
)


def told(report: Report) -> dict[str, Any]:
    """Give what a report says of the rows, but for what names new primary keys."""
    return {
        "outcomes": outcomes(report),
        "codes": codes(report),
        "displaced": report.displaced,
        "writes": report.writes,
        "warnings": report.warnings,
        "errors": report.errors,
        "error": report.error,
        "sources": [source.outcomes for source in report.sources],
    }


@EVERY
@POLICIES
def test_a_dry_run_leaves_nothing_and_foresees_the_real_run(sync_texts: Sync, policy: Any, scenario: Scenario) -> None:
    """O4."""
    scenario.arrange()
    before = everything()

    dry = sync_texts(*scenario.inputs, policy=policy, **scenario.chosen(dry_run=True))
    after = everything()
    real = sync_texts(*scenario.inputs, policy=policy, **scenario.chosen())

    assert after == before
    assert told(dry) == told(real)
    assert (dry.status, dry.dry_run, dry.committed) == ("dry run", True, False)


@contextmanager
def noticed() -> Iterator[list[str]]:
    """Collect every signal of a model."""
    heard: list[str] = []
    receivers = {}
    for name in ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed"):

        def hear(sender: Any, name: str = name, **_: Any) -> None:
            heard.append(f"{name} of {sender._meta.label}")

        receivers[name] = hear
        getattr(signals, name).connect(hear)
    try:
        yield heard
    finally:
        for name, hear in receivers.items():
            getattr(signals, name).disconnect(hear)


@EVERY
def test_nothing_but_the_database_notices_a_dry_run(
    sync_texts: Sync,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: Any,
    scenario: Scenario,
) -> None:
    """O4: no save(), no delete(), no signal, no setter, no on_commit."""
    scenario.arrange()
    called: list[str] = []

    def forbid(cls: type, name: str) -> None:
        monkeypatch.setattr(cls, name, lambda self, *_, **__: called.append(f"{type(self).__name__}.{name}()"))

    for model in [models.Model, *apps.get_app_config("testapp").get_models()]:
        for name in ("save", "delete", "save_base"):
            if name in vars(model):
                forbid(model, name)
    monkeypatch.setattr(
        Profile, "full_name", Profile.full_name.setter(lambda self, text: called.append(f"full_name = {text}"))
    )
    monkeypatch.setattr(Profile, "secret", property(None, lambda self, text: called.append(f"secret = {text}")))

    with noticed() as heard, django_capture_on_commit_callbacks() as callbacks:
        sync_texts(*scenario.inputs, **scenario.chosen(dry_run=True))

    assert called == []
    assert heard == []
    assert callbacks == []


def test_what_would_change_is_shown_field_by_field(sync_text: Sync) -> None:
    """O4: old → new, with the line and the object; unchanged fields and rows are not."""
    bruce = person("Bruce", "1", age=40)
    dick = person("Dick", "2", age=20)

    report = sync_text(
        "action_flags,match_on,employee_id,first_name,age,manager=>employee_id\n"
        "u*,employee_id,1,Bruce,41,\nu*,employee_id,2,Dick,20,1\ncu*,employee_id,3,New,1,\nu*,employee_id,2,Dick,20,\n",
        dry_run=True,
    )

    told = [(diff.line, diff.target, diff.field, diff.old, diff.new) for diff in report.diffs]
    assert told == [
        (2, f"person {bruce.pk}", "age", 40, 41),
        (3, f"person {dick.pk}", "manager_id", None, bruce.pk),
    ]
    assert report.changed_fields == {"testapp.Person.age": 1, "testapp.Person.manager_id": 1}


def test_what_a_field_makes_of_a_value_is_shown(sync_text: Sync) -> None:
    """O4: not what the file says."""
    Trimmed.objects.create(name="A", code="x")

    report = sync_text("action_flags,match_on,name,code\nu*,name,A,  ABC \n", Trimmed, dry_run=True)

    assert [(diff.field, diff.old, diff.new) for diff in report.diffs] == [("code", "x", "abc")]


def test_a_later_row_differs_from_what_an_earlier_one_would_write(sync_text: Sync) -> None:
    """O4, T1: rows see the rows before them, in a dry run too."""
    person("Bruce", "1", age=40)

    report = sync_text(
        "action_flags,match_on,employee_id,age\nu*,employee_id,1,41\nu*,employee_id,1,41\nu*,employee_id,1,42\n",
        dry_run=True,
    )

    assert [(diff.old, diff.new) for diff in report.diffs] == [(40, 41), (41, 42)]
    assert outcomes(report) == {"updated": 2, "unchanged": 1}
    assert Person.objects.get().age == 40


def test_many_changes_are_counted_and_the_first_are_shown(sync_text: Sync) -> None:
    """O4: memory does not grow with the file."""
    for number in range(50):
        person("A", str(number))
    lines = "".join(f"u*,employee_id,{number},{number}\n" for number in range(50))

    report = sync_text("action_flags,match_on,employee_id,age\n" + lines, dry_run=True)

    assert 0 < len(report.diffs) < 50
    assert report.changed_fields == {"testapp.Person.age": 50}


def receive(**_: Any) -> None:
    """Hear a signal, and do nothing."""


@pytest.mark.parametrize(
    ("model", "text", "signal", "named"),
    [
        pytest.param(Saved, "action_flags,match_on,name\nc,name,a\n", None, "Saved.save()", id="an own save()"),
        pytest.param(
            Signalled, "action_flags,match_on,name\nc,name,a\n", signals.pre_save, "pre_save", id="a receiver"
        ),
        pytest.param(
            Profile, "action_flags,match_on,login,full_name\nc,login,a,A B\n", None, "full_name", id="a property"
        ),
        pytest.param(
            Person,
            "action_flags,match_on,first_name,houses=>address\nc,first_name,a,x\n",
            None,
            "",
            id="nothing of the kind",
        ),
    ],
)
def test_what_cannot_be_foreseen_is_named(sync_text: Sync, model: Any, text: str, signal: Any, named: str) -> None:
    """O4: and only in a dry run."""
    if signal:
        signal.connect(receive, sender=model)
    try:
        dry, real = sync_text(text, model, dry_run=True), sync_text(text, model)
    finally:
        if signal:
            signal.disconnect(receive, sender=model)

    assert any(named in reason for reason in dry.unforeseen) if named else dry.unforeseen == ()
    assert real.unforeseen == ()


@pytest.mark.parametrize(
    ("signal", "sender", "header", "model"),
    [
        pytest.param(signals.post_save, House, "houses=>address", Person, id="an object on the other side"),
        pytest.param(signals.m2m_changed, Person.tags.through, "tags=>+name", Person, id="a many-to-many relation"),
        pytest.param(signals.pre_delete, Room, "last_name", Person, id="what a deletion takes along"),
        pytest.param(signals.post_delete, Person, "last_name", Employee, id="the parent row"),
    ],
)
def test_receivers_of_related_models_are_named_too(
    sync_text: Sync, signal: Any, sender: Any, header: str, model: Any
) -> None:
    """O4: once each."""
    signal.connect(receive, sender=sender)
    try:
        report = sync_text(f"action_flags,match_on,first_name,{header}\nu*,first_name,a,x\n", model, dry_run=True)
    finally:
        signal.disconnect(receive, sender=sender)

    (reason,) = report.unforeseen
    assert sender._meta.label in reason


def test_a_changed_property_counts_as_updated(sync_text: Sync) -> None:
    """O4, V6: what its setter would make of it is not known."""
    profiles()

    report = sync_text(
        "action_flags,match_on,login,full_name\nu*,login,a,Ann New\nu*,login,b,Bob Same\n", Profile, dry_run=True
    )

    assert outcomes(report) == {"updated": 1, "unchanged": 1}
    assert [(diff.field, diff.old, diff.new) for diff in report.diffs] == [("full_name", "Ann Old", "Ann New")]


@pytest.mark.parametrize("policy", [None, OrderedSyncPolicy])
def test_a_dry_run_can_be_repeated(sync_text: Sync, policy: Any) -> None:
    """O4: the second says what the first said; sequences may advance, and do no harm."""
    a_family()
    text = "external_key,action_flags,match_on,first_name,manager=>external_key\nk1,d*,,,\nn,cu*,first_name,New,k2\n"

    first, second = (sync_text(text, policy=policy, dry_run=True) for _ in range(2))

    assert told(first) == told(second)
    assert Person.objects.count() == 2


@pytest.mark.parametrize("options", [{"as_transaction": False, "batch_size": 1}, {"on_error": "skip"}], ids=str)
def test_a_dry_run_commits_no_batch(sync_text: Sync, options: dict[str, Any]) -> None:
    """O4, T3."""
    report = sync_text("external_key,action_flags,first_name\n1,c,A\n2,c,B\n", dry_run=True, **options)

    assert outcomes(report) == {"created": 2}
    assert not Person.objects.exists()
    assert (report.committed, report.last_committed, report.exit_code) == (False, "", 0)


@pytest.mark.parametrize(
    ("text", "writes"),
    [
        ("external_key,action_flags,match_on,employee_id,age\n,u*,employee_id,1,40\n", False),
        ("external_key,action_flags,match_on,employee_id,age\n,u*,employee_id,1,41\n", True),
        ("external_key,action_flags,match_on,employee_id,age\nk,u*,employee_id,1,40\n", True),
        ("external_key,action_flags,match_on,employee_id,age\n,d*,employee_id,9,\n", False),
        ("external_key,action_flags,match_on,employee_id,tags=>+name\n,u*,employee_id,1,t\n", True),
        ("external_key,action_flags,match_on,employee_id,tags=>-name\n,u*,employee_id,1,t\n", False),
    ],
    ids=["the same", "a field", "a mapping", "nothing to delete", "a relation", "no such relation"],
)
def test_a_dry_run_says_whether_anything_would_be_written(sync_text: Sync, text: str, writes: bool) -> None:
    """T7, O4: for --check: an object, a relation or a mapping."""
    person("Bruce", "1", age=40)
    Tag.objects.create(name="t")

    assert sync_text(text, dry_run=True).writes is writes


@pytest.mark.parametrize("size", [1, 2, 10])
@pytest.mark.parametrize("options", [{}, {"on_error": "skip"}, {"on_error": "stop"}, {"max_errors": 1}], ids=str)
@pytest.mark.parametrize(
    "policy", [BasicSyncPolicy, OrderedSyncPolicy, OldOrderedPolicy], ids=["basic", "ordered", "old"]
)
def test_a_dry_run_ends_at_the_batch_where_the_real_run_would(
    sync_text: Sync, policy: Any, options: dict[str, Any], size: int
) -> None:
    """O4, T3, T4: with the same exit code; it commits none of the batches before."""
    text = "external_key,action_flags,first_name,age\na,c,A,1\nb,c,B,2\nc,c,C,old\nd,c,D,4\n"
    chosen = {"as_transaction": False, "batch_size": size, "policy": policy, **options}

    dry = sync_text(text, dry_run=True, **chosen)
    after = list(Person.objects.all())
    real = sync_text(text, **chosen)

    assert after == []
    assert (dry.committed, dry.last_committed) == (False, "")
    assert told(dry) == told(real)
    assert dry.exit_code == real.exit_code


def test_a_dry_run_ends_where_the_real_run_would(sync_text: Sync) -> None:
    """O4, T4."""
    displaceable()
    text = "action_flags,match_on,code,name\nc,code,1,a\nx,code,2,b\nc,code,3,c\n"

    dry, real = (sync_text(text, Node, on_error="stop", dry_run=dry_run) for dry_run in (True, False))

    assert told(dry) == told(real)
    assert (dry.exit_code, real.exit_code) == (1, 1)
