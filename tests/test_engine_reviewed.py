"""Where fast ways and rows taken one by one once disagreed: matches by several columns, odd keys, odd models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from nsync.record.report import Report
from tests.agreeing import EVERY, Example, File, Ref, Run, Stale, Thing, check
from tests.telling import outcomes
from tests.testapp.models import Visit

pytestmark = pytest.mark.django_db

SYSTEM = "HR"


def agree(models: Sequence[str], start: Sequence[Thing | Stale], model: str, text: str) -> None:
    """Run a file with every engine, from what is there."""
    check(Example(tuple(start), (Run((File(model, text, SYSTEM),), {"on_error": "skip"}),)), models, EVERY)


@pytest.mark.parametrize(
    "others", [[], [Thing("Parcel", {"label": "Y", "note": "2"})]], ids=["nobody else", "somebody else"]
)
@pytest.mark.parametrize("flags", ["cu", "u"])
def test_half_of_a_match_that_an_unforced_update_fills_is_seen(flags: str, others: list[Thing]) -> None:
    """T1, A3: the object then has one match value of its own and one of the row."""
    start = [Thing("Parcel", {"label": "", "note": "2"}, ((SYSTEM, "k1"),)), *others]
    rows = f"k1,{flags},label note,Y,1\nk2,{flags},label note,Y,2\nk3,{flags},label note,Z,3\n"

    agree(["Parcel"], start, "Parcel", f"external_key,action_flags,match_on,label,note\n{rows}")


def test_a_key_may_be_what_ends_the_input_of_copy() -> None:
    r"""I1, I7: PostgreSQL takes a line of ``\.`` for the end."""
    start = [
        Thing("Parcel", {"code": "1", "label": "a"}, ((SYSTEM, "\\."), (SYSTEM, "k0"))),
        Thing("Parcel", {"code": "2", "label": "a"}, ((SYSTEM, "k1"), (SYSTEM, "k2"))),
        *(Thing("Parcel", {"code": str(n), "label": "a"}, ((SYSTEM, f"k{n}"),)) for n in range(3, 12)),
    ]
    rows = "".join(f"{key},cu*,a\n" for key in ("k0", "k1", *(f"k{n}" for n in range(3, 12))))

    agree(["Parcel"], start, "Parcel", f"external_key,action_flags,label\n\\.,cu*,x\nk2,cu*,y\n{rows}")


@pytest.mark.parametrize("flags", ["c", "u*"])
def test_an_empty_cell_is_matched_as_nothing_and_stored_as_a_default(flags: str) -> None:
    """V3, I4: the row before has made, or kept, what later rows match by."""
    start = [Thing("Crate", {"code": code, "size": 2, "title": "t"}) for code in "YABCDEFG"]
    rows = "".join(f"{flags},code size,{code},2\n" for code in "YABCDEFG")

    agree(["Crate"], start, "Crate", f"action_flags,match_on,code,size\n{flags},code size,Y,\n{rows}")


@pytest.mark.parametrize("engine", ["auto", "columns", "bulk", "objects"])
def test_an_object_may_have_no_value_at_all(sync_text: Callable[..., Report], engine: str) -> None:
    """A1: its key alone makes it."""
    report = sync_text("external_key,action_flags\nk1,c\nk2,c\nk3,cu*\n", Visit, engine=engine)

    assert outcomes(report) == {"created": 3}
    assert Visit.objects.count() == 3


def test_a_reference_that_is_a_primary_key_is_never_changed() -> None:
    """C3: ``primary-key``."""
    start = [
        Thing("Depot", {"name": "A"}),
        Thing("Depot", {"name": "B"}),
        Thing("DepotDetail", {"depot": Ref(0), "text": "t"}, ((SYSTEM, "k1"),)),
    ]
    text = "external_key,action_flags,depot=>name,text\nk1,cu*,B,u\nk1,cu*,A,v\nk2,cu*,B,w\n"

    agree(["Depot", "DepotDetail"], start, "DepotDetail", text)


@pytest.mark.parametrize("policy", ["basic", "ordered"])
def test_a_waiting_relation_that_a_later_row_has_set_needs_no_warning(policy: str) -> None:
    """R5, R6: though no object was written that it might have found."""
    rows = "k1,1,,V,B1\n" * 4 + "k2,1,,V,B1\nk2,2,,W,B1\n"
    file = File("Person", f"external_key,employee_id,age,company=>name,badge=>code\n{rows}", SYSTEM)
    options = {"on_error": "skip", "action_flags": "cu", "match_on": "employee_id"}

    check(
        Example((Thing("Company", {"name": "V", "city": ""}),), (Run((file,), options, policy),)),
        ["Company", "Person", "Badge"],
        EVERY,
    )
