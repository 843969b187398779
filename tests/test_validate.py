"""``--validate``: the model's ``full_clean()`` before each object is written (rule V5)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.record.report import Report
from tests.telling import codes, outcomes
from tests.testapp.models import House, Person, Stock


@pytest.mark.parametrize("dry_run", [False, True], ids=["real", "dry run"])
def test_validate_runs_the_models_own_checks_on_each_object_that_is_written(
    sync_text: Callable[..., Report], dry_run: bool
) -> None:
    """V5: its messages are row errors at the column of the file; without it the rows are good."""
    Person.objects.create(first_name="Alfred", email="no address")
    text = "Name,email\nBruce,b@example.org\n,nobody@example.org\nDick,no address\nAlfred,no address\n"
    options: dict[str, Any] = {"map": (("Name", "first_name"),), "action_flags": "cu*", "match_on": "email"}

    report = sync_text(text, validate=True, on_error="skip", dry_run=dry_run, **options)

    assert outcomes(report) == {"created": 1, "failed": 2, "unchanged": 1}
    assert codes(report) == [(3, "validation", "Name"), (4, "validation", "email")]
    assert Person.objects.filter(first_name="Bruce").exists() is not dry_run
    if not dry_run:
        assert outcomes(sync_text(text, on_error="skip", **options)) == {"created": 1, "unchanged": 1, "updated": 2}


def test_validation_sees_the_rows_before_and_the_models_unique_checks(sync_text: Callable[..., Report]) -> None:
    """V5, T1: row by row."""
    text = "shelf,article,quantity,label\nA,1,1,x\nA,2,1,x\nA,3,-1,\nA,4,0,\n"

    report = sync_text(text, Stock, validate=True, on_error="skip", action_flags="cu*", match_on="shelf article")

    assert outcomes(report) == {"created": 2, "failed": 2}
    assert [(line, code) for line, code, _ in codes(report)] == [(3, "validation"), (4, "validation")]


def test_without_validate_the_databases_constraints_speak(sync_text: Callable[..., Report]) -> None:
    """V5, T4: unique and check, by their codes."""
    text = "shelf,article,quantity\nA,1,1\nA,2,-1\n"

    report = sync_text(text, Stock, on_error="skip", action_flags="c", match_on="article")

    assert codes(report) == [(3, "check", "")]


def test_validate_leaves_unchanged_objects_and_columns_of_other_rows_alone(sync_text: Callable[..., Report]) -> None:
    """V5, A7: an object that is not written is not looked at; one that is written is looked at as a whole."""
    Person.objects.create(first_name="Bruce", email="no address", age=40)
    options: dict[str, Any] = {"action_flags": "u*", "match_on": "first_name", "validate": True}

    assert outcomes(sync_text("first_name,age\nBruce,40\n", **options)) == {"unchanged": 1}
    report = sync_text("first_name,age\nBruce,41\n", **options)
    assert codes(report) == [(2, "validation", "email")]
    assert Person.objects.get().age == 40


def test_a_validated_row_may_refer_to_what_an_earlier_row_made(sync_texts: Callable[..., Report]) -> None:
    """V5, R1."""
    report = sync_texts(
        ("HR", Person, "external_key,first_name\n1,Bruce\n"),
        ("HR", House, "external_key,address,owner=>external_key\n1,Manor,1\n"),
        action_flags="cu*",
        validate=True,
    )

    assert outcomes(report) == {"created": 2}
    assert House.objects.get().owner == Person.objects.get()
