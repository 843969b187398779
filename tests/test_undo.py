"""An undo leaves every table as it was before the run: whatever the files, on every database."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agreeing import Variant
from tests.small_worlds import WORLDS
from tests.strategies import examples
from tests.test_engines_agree import _CHECKS, _EXAMPLES, _PHASES, EXAMPLES, with_policy
from tests.undoing import check_undo

pytestmark = pytest.mark.django_db

VARIANTS = [Variant("objects", 5_000), Variant("auto", 5_000), Variant("auto", 2)]
_FEW = max(1, _EXAMPLES // 4)  # each is run, undone, and that undone, twice


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("name", EXAMPLES)
def test_a_run_is_undone(name: str, policy: str) -> None:
    _, example = EXAMPLES[name]
    check_undo(with_policy(example, policy), VARIANTS[1:2])


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("world", WORLDS)
@settings(max_examples=_FEW, suppress_health_check=_CHECKS, phases=_PHASES)
@given(data=st.data())
def test_random_runs_are_undone(data: Any, world: str, policy: str) -> None:
    check_undo(data.draw(examples(WORLDS[world], policy)), [data.draw(st.sampled_from(VARIANTS))])
