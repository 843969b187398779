"""Policies written the old way: they walk their actions and execute each (rule P1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from nsync.policies import OrderedSyncPolicy, TransactionSyncPolicy
from nsync.record.report import Report
from tests.old_policies import OldOrderedPolicy, OldPolicy, OldTransactionPolicy
from tests.telling import codes, outcomes
from tests.testapp.models import House, Person, Room

Sync = Callable[..., Report]


class Recorder:
    """An old policy that looks at what it is given."""

    seen: list[tuple[str, Any]] = []

    def __init__(self, actions: Any) -> None:
        self.actions = actions

    def execute(self) -> None:
        self.seen.clear()
        for action in self.actions:
            self.seen.append((action.type, action.execute()))


def test_an_action_says_what_it_is_and_gives_its_object(sync_text: Sync) -> None:
    """P1: create, update or delete; the object as it is then, or None. A row that fails raises nothing."""
    Person.objects.create(first_name="Dick", employee_id="1")

    report = sync_text(
        "action_flags,match_on,first_name,employee_id,age\n"
        "cu*,first_name,Bruce,2,40\n"
        "u,first_name,Nobody,,1\n"
        "u*,first_name,Dick,2,20\n"
        "d*,first_name,Bruce,,\n"
        ",first_name,Bruce,,\n"
        "c,first_name,Jason,3,young\n",
        policy=Recorder,
        on_error="skip",
    )

    kinds = [kind for kind, _ in Recorder.seen]
    names = [getattr(found, "first_name", None) for _, found in Recorder.seen]
    assert kinds == ["create", "update", "update", "update", "delete"]
    assert names == ["Bruce", "Bruce", None, None, None]
    assert Recorder.seen[1][1].age == 40
    assert outcomes(report) == {"failed": 2, "created": 1, "deleted": 1, "unmatched": 1, "ignored": 1}
    assert [code for _, code, _ in codes(report)] == ["no-match", "unique", "no-action", "invalid-integer"]


def test_what_an_action_did_is_there_for_the_next_one(sync_text: Sync) -> None:
    """P1: execute() applies at once."""
    counts = []

    class Counting(Recorder):
        def execute(self) -> None:
            for action in self.actions:
                action.execute()
                counts.append(Person.objects.count())

    sync_text("action_flags,match_on,first_name\nc,first_name,A\nc,first_name,B\nd*,first_name,A\n", policy=Counting)

    assert counts == [1, 2, 1]


@pytest.mark.parametrize("policy", [OldPolicy, OldOrderedPolicy, OldTransactionPolicy])
def test_what_waits_is_tried_after_an_old_policy_has_run(sync_texts: Sync, policy: Any) -> None:
    """P1, R6: relations, and rows that wait whole."""
    report = sync_texts(
        ("HR", Room, "action_flags,match_on,name,house=>address\ncu*,name,Hall,Manor\n"),
        ("HR", House, "action_flags,match_on,address,owner=>first_name\ncu*,address,Manor,Bruce\n"),
        ("HR", Person, "action_flags,match_on,first_name\ncu*,first_name,Bruce\n"),
        policy=policy,
    )

    assert Room.objects.get().house.owner == Person.objects.get()
    assert outcomes(report) == {"created": 3}
    assert codes(report) == []


def test_an_action_that_waits_gives_no_object_yet(sync_texts: Sync) -> None:
    """P1, R6."""
    report = sync_texts(
        ("HR", Room, "action_flags,match_on,name,house=>address\nc,name,Hall,Manor\n"),
        ("HR", House, "action_flags,match_on,address\nc,address,Manor\n"),
        policy=Recorder,
    )

    assert Recorder.seen[0] == ("create", None)
    assert Recorder.seen[1][1] == House.objects.get()
    assert outcomes(report) == {"created": 2}


def test_an_old_policy_may_pass_over_actions(sync_text: Sync) -> None:
    """P1: rows of which it ran none are ignored; of the others it may run some."""

    class NoDeletes(Recorder):
        def execute(self) -> None:
            for action in self.actions:
                if action.type == "create":
                    action.execute()

    report = sync_text(
        "action_flags,match_on,first_name,age\ncu*,first_name,A,1\nu*,first_name,A,2\nd*,first_name,A,\n",
        policy=NoDeletes,
    )

    assert list(Person.objects.values_list("first_name", "age")) == [("A", 1)]
    assert outcomes(report) == {"created": 1, "ignored": 2}
    assert codes(report) == [(3, "not-executed", ""), (4, "not-executed", "")]


@pytest.mark.parametrize("method", [list, tuple, lambda actions: sorted(actions, key=lambda action: action.type)])
def test_an_old_policy_may_collect_the_actions_first(sync_text: Sync, method: Callable[[Iterable[Any]], Any]) -> None:
    """P1: as a list, sorted, as it likes."""

    class Collecting(Recorder):
        def execute(self) -> None:
            for action in method(self.actions):
                action.execute()

    report = sync_text("action_flags,match_on,first_name\nc,first_name,A\nc,first_name,B\n", policy=Collecting)

    assert outcomes(report) == {"created": 2}


def test_an_old_policy_that_executes_an_action_twice_does_no_harm(sync_text: Sync) -> None:
    """P1, A1: the second time the object is there."""

    class Twice(Recorder):
        def execute(self) -> None:
            for action in self.actions:
                action.execute()
                action.execute()

    report = sync_text("external_key,action_flags,first_name,age\n1,cu*,A,1\n", policy=Twice)

    assert Person.objects.count() == 1
    assert outcomes(report) == {"created": 1}


@pytest.mark.parametrize("policy", [OldPolicy, OldTransactionPolicy])
def test_a_failed_row_rolls_an_old_policy_back(sync_text: Sync, policy: Any) -> None:
    """P1, T4: as with any policy."""
    report = sync_text("action_flags,first_name,age\nc,A,1\nc,B,old\n", match_on="first_name", policy=policy)

    assert not Person.objects.exists()
    assert not report.committed
    assert outcomes(report) == {"created": 1, "failed": 1}


def test_a_policy_in_a_transaction_of_its_own(sync_text: Sync) -> None:
    """P2: the wrapper of old still wraps."""
    report = sync_text(
        "action_flags,match_on,first_name\nc,first_name,A\n",
        policy=lambda actions: TransactionSyncPolicy(OrderedSyncPolicy(actions)),
        as_transaction=False,
    )

    assert outcomes(report) == {"created": 1}
    assert Person.objects.exists()


def test_an_error_of_the_policy_itself_is_not_hidden(sync_text: Sync) -> None:
    """P1: and nothing is committed."""

    class Broken(Recorder):
        def execute(self) -> None:
            for action in self.actions:
                action.execute()
            raise ZeroDivisionError

    report = sync_text("action_flags,match_on,first_name\nc,first_name,A\n", policy=Broken)

    assert report.error.endswith("Broken raised ZeroDivisionError")
    assert report.exit_code == 1
    assert not Person.objects.exists()
