"""In which order rows act: phases of policies, policies of one's own, and those of old (rules T2, P1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.actions import Kind
from nsync.models import ExternalKeyMapping
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy, SyncPolicy
from nsync.record.report import Report
from tests.old_policies import OldOrderedPolicy, OldPolicy, OldTransactionPolicy
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import House, Person

Sync = Callable[..., Report]


class DeletesFirst(SyncPolicy):
    phases = (Kind.DELETE, Kind.CREATE, Kind.UPDATE)


class OnlyUpdates(SyncPolicy):
    phases = (Kind.UPDATE,)


class MinorsLast(SyncPolicy):
    """Two phases that are predicates: what an action says decides."""

    phases = (lambda action: (action.values.get("age") or 99) >= 18, lambda action: True)


FIGHT = (
    "external_key,action_flags,match_on,first_name,age\n"
    "1,d*,first_name,Bruce,\n"
    "2,u*,first_name,Bruce,41\n"
    "3,c,first_name,Bruce,40\n"
)


@pytest.mark.parametrize(
    ("policy", "left", "expected"),
    [
        pytest.param(BasicSyncPolicy, [40], ["unmatched", "unmatched", "created"], id="basic"),
        pytest.param(OldPolicy, [40], ["unmatched", "unmatched", "created"], id="old"),
        pytest.param(DeletesFirst, [41], ["unmatched", "updated", "created"], id="deletes first"),
        pytest.param(OnlyUpdates, [], ["ignored", "unmatched", "ignored"], id="only updates"),
    ],
)
def test_a_policy_says_in_which_order_rows_act(
    sync_text: Sync, policy: Any, left: list[int], expected: list[str]
) -> None:
    """T2, P1."""
    report = sync_text(FIGHT, policy=policy)

    assert list(Person.objects.values_list("age", flat=True)) == left
    assert sorted(outcomes(report).items()) == sorted((name, expected.count(name)) for name in set(expected))


@pytest.mark.parametrize("policy", [OrderedSyncPolicy, OldOrderedPolicy, OldTransactionPolicy])
def test_the_ordered_policies_create_then_update_then_delete(sync_text: Sync, policy: Any) -> None:
    """T2, P1, A8: Bruce is created and shared by two keys; then the first row deletes him, with all mappings."""
    report = sync_text(FIGHT, policy=policy)

    assert not Person.objects.exists()
    assert not ExternalKeyMapping.objects.exists()
    assert outcomes(report)["deleted"] == 1
    assert sum(report.counts.values()) == 3


@pytest.mark.parametrize("policy", [None, OrderedSyncPolicy, OldOrderedPolicy])
def test_the_ordered_policy_goes_over_all_files_before_the_next_phase(sync_texts: Sync, policy: Any) -> None:
    """T2: it is the default of several files; the house finds its owner, whose file comes later."""
    report = sync_texts(
        ("A", House, "action_flags,match_on,address,owner=>first_name\nu*,address,Manor,Bruce\n"),
        ("B", House, "action_flags,match_on,address\nc,address,Manor\n"),
        ("C", Person, "action_flags,match_on,first_name\nc,first_name,Bruce\n"),
        policy=policy,
    )

    assert House.objects.get().owner == Person.objects.get()
    assert outcomes(report) == {"created": 2, "updated": 1}
    assert codes(report) == []


def test_the_basic_policy_goes_file_by_file(sync_texts: Sync) -> None:
    """T2: the update comes before the object."""
    report = sync_texts(
        ("A", House, "action_flags,match_on,address\nu*,address,Manor\n"),
        ("B", House, "action_flags,match_on,address\nc,address,Manor\n"),
        policy=BasicSyncPolicy,
    )

    assert outcomes(report) == {"created": 1, "unmatched": 1}


def test_predicates_choose_the_actions_of_a_phase(sync_text: Sync) -> None:
    """T2: an action belongs to the first phase that takes it; R6: what waits is settled after the last of them."""
    report = sync_text(
        "action_flags,match_on,first_name,age,manager=>first_name\n"
        "cu*,first_name,Damian,10,Bruce\n"
        "cu*,first_name,Bruce,40,Alfred\n"
        "cu*,first_name,Alfred,70,\n",
        policy=MinorsLast,
    )

    assert list(Person.objects.order_by("pk").values_list("first_name", "manager__first_name")) == [
        ("Bruce", "Alfred"),
        ("Alfred", None),
        ("Damian", "Bruce"),
    ]
    assert outcomes(report) == {"created": 3}
    assert codes(report) == []


def test_rows_that_no_phase_takes_are_ignored(sync_text: Sync) -> None:
    """P1: with the reason; nothing of them is applied."""
    Person.objects.create(first_name="Bruce")

    report = sync_text(
        "action_flags,match_on,first_name,age\nu,first_name,Bruce,40\nc,first_name,Dick,\nd*,first_name,Bruce,\n",
        policy=OnlyUpdates,
    )

    assert list(Person.objects.values_list("first_name", "age")) == [("Bruce", 40)]
    assert outcomes(report) == {"updated": 1, "ignored": 2}
    assert codes(report) == [(3, "not-executed", ""), (4, "not-executed", "")]


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy, OldPolicy, OldOrderedPolicy, OnlyUpdates])
def test_a_row_that_asks_for_nothing_says_so_under_every_policy(sync_text: Sync, policy: Any) -> None:
    """F2: it is ignored because of its flags, not because of the policy."""
    report = sync_text("action_flags,match_on,first_name\n,first_name,Bruce\n", policy=policy)

    assert outcomes(report) == {"ignored": 1}
    assert codes(report) == [(2, "no-action", "")]


# --- a row whose phases fail ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy, OldPolicy, OldOrderedPolicy, DeletesFirst])
def test_a_row_with_a_bad_cell_takes_part_in_no_phase(sync_text: Sync, policy: Any) -> None:
    """T2, P1, T4: reported once."""
    report = sync_text(
        "action_flags,match_on,first_name,age\ncu*,first_name,Bruce,old\nc,first_name,Dick,20\n",
        policy=policy,
        on_error="skip",
    )

    assert list(Person.objects.values_list("first_name", flat=True)) == ["Dick"]
    assert outcomes(report) == {"created": 1, "failed": 1}
    assert codes(report) == [(2, "invalid-integer", "age")]


def test_in_the_basic_policy_a_row_is_all_or_nothing(sync_text: Sync) -> None:
    """T2: a refused create takes the rest of the row along: no update, no mapping."""
    Person.objects.create(first_name="Alfred", employee_id="1")

    report = sync_text(
        "external_key,action_flags,match_on,first_name,employee_id\nk,cu*,first_name,Bruce,1\n", on_error="skip"
    )

    assert dict(Person.objects.values_list("first_name", "employee_id")) == {"Alfred": "1"}
    assert not ExternalKeyMapping.objects.exists()
    assert outcomes(report) == {"failed": 1}


# All creates come first, so that the last row creates Bruce with the id 5. Then the first two rows act: Bruce gets
# another id, Alfred gets the 5. The update of the last row wants the 5 back.
LATE_FAILURE = (
    "external_key,action_flags,match_on,first_name,employee_id\n"
    "k,u*,,Bruce,6\n"
    ",u*,first_name,Alfred,5\n"
    "k,cu*,,Bruce,5\n"
)


@pytest.mark.parametrize("policy", [OrderedSyncPolicy, OldOrderedPolicy])
def test_in_the_ordered_policy_a_later_phase_that_fails_leaves_the_earlier_one(sync_text: Sync, policy: Any) -> None:
    """T2, O1: the row counts as failed alone, and is marked."""
    Person.objects.create(first_name="Alfred", employee_id="1")

    report = sync_text(LATE_FAILURE, policy=policy, on_error="skip")

    assert dict(Person.objects.values_list("first_name", "employee_id")) == {"Alfred": "5", "Bruce": "6"}
    assert keys_of(Person.objects.get(first_name="Bruce")) == {("HR", "k")}
    assert outcomes(report) == {"updated": 2, "failed": 1}
    assert codes(report) == [(4, "unique", "employee_id")]
    (entry,) = report.details()
    assert report.is_partly_applied(entry)


def test_a_row_that_fails_before_anything_of_it_was_applied_is_not_marked(sync_text: Sync) -> None:
    """T2: in the basic policy no row ever is."""
    Person.objects.create(first_name="Alfred", employee_id="1")

    for policy in (BasicSyncPolicy, OrderedSyncPolicy):
        report = sync_text("action_flags,first_name,age\ncu*,Bruce,old\n", policy=policy, on_error="skip")

        (entry,) = report.details()
        assert not report.is_partly_applied(entry)
