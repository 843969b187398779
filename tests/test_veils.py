"""Values of redacted fields that stand in the command line or in options are not kept either."""

from __future__ import annotations

import io

import pytest
from django.test import override_settings

from nsync import SyncOptions, sync
from nsync.models import Run as RunRecord
from nsync.veils import veil_arguments
from tests.testapp.models import Person

REDACTED = override_settings(NSYNC={"REDACT": ["testapp.Person.salary", "testapp.Person.manager"]})


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--set", "salary=5000"], ["--set", "salary=(not kept)"]),
        (["--set=salary=50=00"], ["--set=salary=(not kept)"]),
        (["--se", " salary =5 000\n"], ["--se", " salary =(not kept)"]),
        (["--set", "manager_id=7", "--set", "manager=>first_name=Ann"], ["--set", "manager_id=(not kept)"] * 1),
        (["--snapshot-action", "set:salary=0"], ["--snapshot-action", "set:salary=(not kept)"]),
        (["--set", "first_name=Ann"], ["--set", "first_name=Ann"]),
        (["--map", "salary=salary", "salary=5.csv"], ["--map", "salary=salary", "salary=5.csv"]),
    ],
)
@REDACTED
def test_a_command_line_is_kept_without_values_of_redacted_fields(given: list[str], kept: list[str]) -> None:
    assert list(veil_arguments(given))[: len(kept)] == kept


@REDACTED
def test_no_word_after_set_shows_a_redacted_reference() -> None:
    assert list(veil_arguments(["--set", "manager=>first_name=Ann"])) == ["--set", "manager=>first_name=(not kept)"]


def test_without_redacted_fields_a_command_line_is_kept_as_it_is() -> None:
    assert list(veil_arguments(["--set", "salary=5000"])) == ["--set", "salary=5000"]


@pytest.mark.django_db
@REDACTED
def test_options_are_kept_without_values_of_redacted_fields() -> None:
    options = SyncOptions(action_flags="c", set=(("salary", "5000"), ("age", "3")), record="summary")
    sync(io.StringIO("external_key,first_name\nk,Ann\n"), Person, system="HR", options=options)
    assert RunRecord.objects.get().options["set"] == [["salary", "(not kept)"], ["age", "3"]]
