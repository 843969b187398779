"""
Engines agree: whatever the files, each leaves what the row-by-row engine leaves, and says the same of each row (T1).

``NSYNC_EXAMPLES=50`` tries fifty times as many random files; what fails once, Hypothesis tries first the next time.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.agreed_findings import FINDINGS, PECULIAR
from tests.agreed_relations import EXAMPLES as AGREED
from tests.agreeing import AUTO, EVERY, POLICIES, Example, Variant, check
from tests.crowded_worlds import CROWDED
from tests.services import TEST_DATABASE
from tests.small_worlds import WORLDS
from tests.strategies import examples, repeated

pytestmark = pytest.mark.django_db

# Each is run by every variant; the other databases are slower, and their differences are few.
_EXAMPLES = max(1, int((12 if TEST_DATABASE == "sqlite" else 3) * float(os.environ.get("NSYNC_EXAMPLES", "1"))))
_PHASES = set(Phase) - {Phase.explain}  # tracing costs more than the runs, and what is traced is the engines
_CHECKS = (HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large)

EXAMPLES = {**AGREED, **FINDINGS}
MODELS = {**{name: world.models for name, world in WORLDS.items()}, **PECULIAR}


def with_policy(example: Example, policy: str) -> Example:
    return replace(example, runs=tuple(replace(run, policy=policy) for run in example.runs))


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("world", WORLDS)
@settings(max_examples=_EXAMPLES, suppress_health_check=_CHECKS, phases=_PHASES)
@given(data=st.data())
def test_engines_agree_on_random_files(data: Any, world: str, policy: str) -> None:
    """T1."""
    example = data.draw(examples(WORLDS[world], policy))
    check(example, WORLDS[world].models, EVERY if WORLDS[world].is_bulk else AUTO)


@pytest.mark.database("sqlite", "postgresql")  # others prove nothing
@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("world", CROWDED)
@settings(max_examples=4 * _EXAMPLES, suppress_health_check=_CHECKS, phases=_PHASES)
@given(data=st.data())
def test_engines_agree_on_files_that_come_again(data: Any, world: str, policy: str) -> None:
    """T1: most rows change nothing, and are passed over where the database proves that."""
    example = data.draw(repeated(WORLDS[world], policy))
    check(example, WORLDS[world].models, [Variant("auto", size) for size in (2, 3)])


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_engines_agree(name: str, policy: str) -> None:
    """T1: where rows of one batch get into each other's way."""
    world, example = EXAMPLES[name]
    check(with_policy(example, policy), MODELS[world], EVERY)


@pytest.mark.database("sqlite")  # row by row the database has no part in it
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("name", EXAMPLES)
def test_receivers_hear_the_same(name: str, policy: str) -> None:
    """T1: what the project itself does when objects are saved forbids every short cut."""
    world, example = EXAMPLES[name]
    check(with_policy(example, policy), MODELS[world], AUTO, listens=True)


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("name", EXAMPLES)
def test_engines_agree_under_a_policy_that_walks(name: str) -> None:
    """P1, T1: a policy as projects wrote them for django-nsync 0.4."""
    world, example = EXAMPLES[name]
    check(with_policy(example, "old"), MODELS[world], AUTO)
