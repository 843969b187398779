"""The plan that a dry run shows is what the run then does: whatever the files, on every database (rule O4)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.agreeing import BULK, Example, File, Run, Thing, Variant
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


@pytest.mark.parametrize(
    ("text", "system"),
    [
        pytest.param("external_key,action_flags,match_on,code\nk9,cu,code,1\n", "ERP", id="a key"),
        pytest.param("external_key,action_flags,match_on\nk1,d,\n", "HR", id="a key that is given up"),
        pytest.param("action_flags,match_on,code,name\nu*,code,1,A\n", "HR", id="nothing"),
        pytest.param("action_flags,match_on,code,name\nu*,code,9,A\n", "CRM", id="only a system"),
        pytest.param(
            "action_flags,match_on,code,name\nu*,code,1,B\nu*,code,1,A\n", "HR", id="a value, and it is taken back"
        ),
        pytest.param("action_flags,match_on,code,parent=>code\nu*,code,1,2\n", "HR", id="a reference"),
    ],
)
def test_whether_a_run_writes_anything_is_foreseen(text: str, system: str) -> None:
    """T7, O4: where it is little."""
    start = (
        Thing("Node", {"code": "1", "name": "A"}, (("HR", "k1"), ("ERP", "k1"))),
        Thing("Node", {"code": "2", "name": "B"}),
    )
    check_dry_run(Example(start, (Run((File("Node", text, system),)),)), ["Node"], [OBJECTS, AUTO, PAIRS])


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
