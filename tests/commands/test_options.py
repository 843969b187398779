"""``SyncOptions`` from Python: what makes no sense is refused, not taken for something else."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import load_command_class

from nsync import ActionFactory, ConfigError, SyncOptions, sync
from nsync.options import CHOICES


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 0},
        {"batch_size": True},
        {"batch_size": None},
        {"batch_size": 10**400},
        {"wait": float("inf")},
        {"wait": float("nan")},
        {"wait": 10**400},
        {"max_errors": "x"},
        {"max_errors": 0},
        {"on_displaced": "Keep"},
        {"on_error": ""},
        {"engine": ["auto"]},
        {"list_separator": ""},
        {"map": {"a": "b"}},
        {"map": ("a", "b")},
        {"set": (("a", 1),)},
        {"flag_map": "I=c"},
        {"header": "abc"},
        {"allow_columns": "password"},
        {"only_columns": None},
        {"dry_run": "no"},
        {"action_flags": True},
        {"encoding": None},
    ],
)
def test_a_value_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    (name,) = options

    with pytest.raises(ConfigError, match=f"SyncOptions: {name}=.* must be "):
        SyncOptions(**options)


@pytest.mark.parametrize(
    "options",
    [
        {"max_errors": None},
        {"max_errors": 1},
        {"map": [["a", "b"]]},
        {"header": ["a"]},
        {"action_flags": None},
        *({name: choice} for name, choices in CHOICES.items() for choice in choices),
    ],
)
def test_a_value_that_makes_sense_is_taken(options: dict[str, Any]) -> None:
    (name,) = options

    assert getattr(SyncOptions(**options), name) == options[name]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["testapp.Nope", "nope", "nope.Nope"])
def test_a_model_that_does_not_exist_is_refused_the_same_way_everywhere(name: str) -> None:
    """C6."""
    for call in (lambda: ActionFactory(name), lambda: sync("persons.csv", name, system="HR")):
        with pytest.raises(ConfigError, match=r"there is no app|has no model"):
            call()


@pytest.mark.parametrize("name", ["syncfile", "syncfiles", "syncfeed", "syncfeeds", "syncsinger"])
def test_the_help_of_a_command_can_be_shown(name: str) -> None:
    """A lone per cent sign would break it."""
    text = load_command_class("nsync", name).create_parser("manage.py", name).format_help()

    assert "not more than 20 % of it" in " ".join(text.split())
