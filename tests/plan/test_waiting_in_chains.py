"""Waiting rows that depend on each other, and what supersedes what (rules R6, I7, A4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nsync.policies import BasicSyncPolicy
from nsync.record.report import Report
from tests.plan.known import link
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Company, Employee, House, Node, Person, Tag

Sync = Callable[..., Report]


def renumber(sync_text: Sync, count: int) -> tuple[Report, int]:
    """Give every node the code of the next one, in the order in which no row but the last can be applied."""
    Node.objects.all().delete()
    for number in range(count):
        link(Node.objects.create(name="n", code=f"{count}-{number}"), f"k{count}-{number}")
    rows = "".join(f"k{count}-{number},u*,code,{count}-{number + 1}\n" for number in range(count))
    with CaptureQueriesContext(connection) as queries:
        report = sync_text(f"external_key,action_flags,match_on,code\n{rows}", Node)
    return report, len(queries)


def test_a_chain_in_the_wrong_order_costs_as_much_per_row_as_a_short_one(sync_text: Sync) -> None:
    """A4, R6: the last row frees a value for the one before it, and so on."""
    short, queries_of_short = renumber(sync_text, 10)
    long, queries_of_long = renumber(sync_text, 60)

    assert outcomes(short) == {"updated": 10}
    assert outcomes(long) == {"updated": 60}
    assert sorted(Node.objects.values_list("code", flat=True)) == sorted(f"60-{number}" for number in range(1, 61))
    assert queries_of_long < 8 * queries_of_short


@pytest.mark.parametrize(
    ("sign", "before", "after"), [("+", [], ["a", "b"]), ("-", ["a", "b"], [])], ids=["additions", "removals"]
)
def test_a_later_addition_does_not_supersede_a_waiting_one(
    sync_texts: Sync, sign: str, before: list[str], after: list[str]
) -> None:
    """R6, R3: one tag on each line is the usual form of such a file."""
    bart = Person.objects.create(first_name="Bart")
    for name in before or ["b"]:
        Tag.objects.create(name=name)
    bart.tags.set(Tag.objects.filter(name__in=before))
    column = f"action_flags,match_on,first_name,tags=>{sign}name\n"

    report = sync_texts(
        ("HR", Person, f"{column}u*,first_name,Bart,a\nu*,first_name,Bart,b\n"),
        ("HR", Tag, "action_flags,match_on,name\nc,name,a\nc,name,b\n"),
        policy=BasicSyncPolicy,
    )

    assert sorted(bart.tags.values_list("name", flat=True)) == after
    assert codes(report) == []


def test_a_later_row_of_the_child_model_supersedes_one_of_the_parent_model(sync_texts: Sync) -> None:
    """R6: in multi-table inheritance both rows are one object."""
    Employee.objects.create(first_name="Bart", staff_number="S1")
    Company.objects.create(name="Globex")

    sync_texts(
        ("HR", Person, "action_flags,match_on,first_name,company=>name\nu*,first_name,Bart,Acme\n"),
        ("HR", Employee, "action_flags,match_on,staff_number,company=>name\nu*,staff_number,S1,Globex\n"),
        ("HR", Company, "action_flags,match_on,name\nc,name,Acme\n"),
        policy=BasicSyncPolicy,
    )

    assert Person.objects.get().company == Company.objects.get(name="Globex")


def test_a_row_that_waits_for_a_key_and_for_a_reference_gets_both(sync_texts: Sync) -> None:
    """I7, R5, R6."""
    bob = Person.objects.create(first_name="Bob")
    link(bob, "K1")
    link(Company.objects.create(name="Acme"), "C1")

    report = sync_texts(
        (
            "HR",
            Person,
            "external_key,action_flags,match_on,first_name,company=>external_key\nK2,u*,first_name,Bob,C2\n",
        ),
        ("HR", Company, "external_key,action_flags,match_on,name\nC2,c,name,Acme\n"),
        policy=BasicSyncPolicy,
        on_missing_reference="error",
    )

    assert report.committed
    assert keys_of(bob) == {("HR", "K1"), ("HR", "K2")}
    bob.refresh_from_db()
    assert bob.company == Company.objects.get()
    assert {code for _, code, _ in codes(report)} == {"shared-object"}


def test_two_relations_of_one_row_that_fail_at_the_end_are_one_failed_row(sync_texts: Sync) -> None:
    """R6, T4: the limit counts rows."""
    texts: tuple[Any, ...] = (
        ("HR", House, "action_flags,match_on,address\nc,address,Manor\n"),
        (
            "HR",
            "testapp.Passport",
            "action_flags,match_on,number,person=>first_name\nc,number,N1,Late\nc,number,N2,Late\n",
        ),
        ("HR", Person, "action_flags,match_on,first_name\nc,first_name,Late\n"),
    )

    report = sync_texts(*texts, policy=BasicSyncPolicy, on_error="skip")

    assert outcomes(report) == {"failed": 1, "created": 3}
    assert [code for _, code, _ in codes(report)] == ["unique"]
