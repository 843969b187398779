"""The plan that a dry run shows is what the run then does: whatever the files, on every database (rule O4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agreeing import BULK, Variant
from tests.foreseeing import check_dry_run
from tests.small_worlds import OWN_CODE, WORLDS
from tests.strategies import World, examples
from tests.test_engines_agree import _CHECKS, _EXAMPLES, _PHASES, EXAMPLES, MODELS, with_policy

pytestmark = pytest.mark.django_db

_FEW = max(1, _EXAMPLES // 4)  # each is run twice by two engines, and every table read

OBJECTS, AUTO, PAIRS = Variant("objects", 3), Variant("auto", 5_000), Variant("auto", 2)
_OWN = frozenset({"Saved", "SavedBare", "Profile"})  # what their own code does is not foreseen

_UNSEEN = {"a value that the database writes otherwise"}  # by the SQL of a field of the project's own


def _foreseen(world: World) -> World:
    """Leave out models of which a dry run says that it does not know what they do."""
    return replace(world, sheets={name: sheet for name, sheet in world.sheets.items() if name not in _OWN})


FORESEEN = {**WORLDS, "own code": _foreseen(OWN_CODE)}


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - _UNSEEN))
def test_a_dry_run_shows_what_the_run_does(name: str, policy: str) -> None:
    """O4: where rows get into each other's way."""
    world, example = EXAMPLES[name]
    check_dry_run(with_policy(example, policy), MODELS[world], [OBJECTS, AUTO] if policy == "basic" else [OBJECTS])


@pytest.mark.parametrize("policy", ["basic", "ordered", "old"])
@pytest.mark.parametrize("world", FORESEEN)
@settings(max_examples=_FEW, suppress_health_check=_CHECKS, phases=_PHASES)
@given(data=st.data())
def test_a_dry_run_shows_what_a_random_run_does(data: Any, world: str, policy: str) -> None:
    """O4: row by row to the last field; of rows that are written together, what they make of each object."""
    example = data.draw(examples(FORESEEN[world], policy))
    if data.draw(st.integers(0, 4)) == 0:  # each batch is committed by itself
        *earlier, last = example.runs
        options = {**last.options, "as_transaction": False}
        example = replace(example, runs=(*earlier, replace(last, options=options)))
    together = [AUTO, PAIRS, *BULK] if FORESEEN[world].is_bulk and policy != "old" else [AUTO, PAIRS]
    check_dry_run(example, FORESEEN[world].models, [OBJECTS, data.draw(st.sampled_from(together))])
