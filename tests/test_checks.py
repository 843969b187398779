"""The system checks of the setting NSYNC."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.checks import run_checks
from django.test import override_settings

from nsync.conf import known_keys, settings


def found(nsync: object) -> list[tuple[str, str, str]]:
    """Run the checks with NSYNC set; give the id, message and hint of each problem."""
    with override_settings(NSYNC=nsync):
        return [(problem.id or "", problem.msg, problem.hint or "") for problem in run_checks(tags=["nsync"])]


def test_a_project_without_settings_has_no_complaint() -> None:
    assert found({}) == []
    assert settings.NEVER_WRITE == ()


def test_a_setting_is_read_when_it_is_asked_for() -> None:
    with override_settings(NSYNC={"NEVER_WRITE": ["testapp.Person.salary"]}):
        assert settings.NEVER_WRITE == ["testapp.Person.salary"]
    assert settings.NEVER_WRITE == ()


def test_every_setting_is_a_known_key() -> None:
    assert "NEVER_WRITE" in known_keys()


@pytest.mark.parametrize("entry", ["testapp.Person.salary", "testapp.Profile.secret", "auth.User.groups"])
def test_a_field_a_property_and_a_relation_may_be_closed(entry: str) -> None:
    assert found({"NEVER_WRITE": [entry]}) == []


@pytest.mark.parametrize(
    ("nsync", "code", "message", "hint"),
    [
        ([], "E001", "NSYNC is a list", "NSYNC = {"),
        ({"NEVER_WRIT": []}, "E002", "unknown key: 'NEVER_WRIT'", "Did you mean 'NEVER_WRITE'?"),
        ({"never_write": []}, "E002", "unknown key: 'never_write'", "Did you mean 'NEVER_WRITE'?"),
        ({"COLOUR": 1}, "E002", "unknown key: 'COLOUR'", "Known keys: FEEDS, KEEP"),
        ({"NEVER_WRITE": "auth.User.email"}, "E003", "is a str", '"app.Model.field"'),
        ({"NEVER_WRITE": ["salary"]}, "E003", "malformed entry 'salary'", '"app.Model.field"'),
        ({"NEVER_WRITE": ["testapp.Person."]}, "E003", "malformed entry", '"app.Model.field"'),
        ({"NEVER_WRITE": [7]}, "E003", "malformed entry 7", '"app.Model.field"'),
        ({"NEVER_WRITE": ["zoo.Person.salary"]}, "E003", "'zoo'", '"app.Model.field"'),
        ({"NEVER_WRITE": ["testapp.Persn.salary"]}, "E003", "'Persn'", '"app.Model.field"'),
        (
            {"NEVER_WRITE": ["testapp.Person.salry"]},
            "E003",
            "testapp.Person has no field or property 'salry'",
            "Did you mean 'salary'?",
        ),
        ({"MAX_EXPANDED": "16G"}, "E007", "is '16G'", "None means no limit"),
        ({"MAX_EXPANDED_RATIO": 0}, "E007", "is 0", "None means no limit"),
        ({"MAX_EXPANDED_RATIO": True}, "E007", "is True", "None means no limit"),
        ({"KEEP": "90d"}, "E006", "is a str; it must be a dict", '{"changes": "90d", "runs": "2y"}'),
        ({"KEEP": None}, "E006", "is a NoneType; it must be a dict", "None is for ever"),
        ({"KEEP": {"change": "90d"}}, "E006", "unknown key: 'change'", "Did you mean 'changes'?"),
        ({"KEEP": {"Runs": None}}, "E006", "unknown key: 'Runs'", "Did you mean 'runs'?"),
        ({"KEEP": {"changes": "90"}}, "E006", "has 'changes': '90' is no time; write hours", "None is for ever"),
        ({"KEEP": {"runs": 90}}, "E006", "has 'runs': 90 is no time", "None is for ever"),
        ({"KEEP": {"runs": timedelta(-1)}}, "E006", "is no time", "None is for ever"),
        ({"KEEP": {"changes": "3y"}}, "E006", 'keeps changes longer than runs, with which they go; let "runs"', ""),
        ({"KEEP": {"changes": None}}, "E006", "keeps changes longer than runs", ""),
    ],
)
def test_a_mistake_is_named_with_its_cure(nsync: object, code: str, message: str, hint: str) -> None:
    (problem,) = found(nsync)

    assert problem[0] == f"nsync.{code}"
    assert message in problem[1]
    assert hint in problem[2]


@pytest.mark.parametrize(
    "keep", [{}, {"changes": "90d"}, {"runs": None}, {"changes": None, "runs": None}, {"runs": timedelta(days=30)}]
)
def test_ages_and_none_say_how_long_history_is_kept(keep: object) -> None:
    assert found({"KEEP": keep}) == []


def test_each_bad_entry_is_named() -> None:
    problems = found({"NEVER_WRITE": ["a", "testapp.Person.age", "b"], "X": 1})

    assert [problem[0] for problem in problems] == ["nsync.E002", "nsync.E003", "nsync.E003"]
