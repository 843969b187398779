"""How many queries one row costs: exact numbers, so that a query too many is seen in review, not in production."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync.record.report import Report
from tests.services import TEST_DATABASE
from tests.telling import outcomes
from tests.testapp.models import Company

pytestmark = pytest.mark.django_db

# A savepoint and its release; PostgreSQL also checks deferred constraints at once, in one round trip.
_SAVEPOINT = 3 if TEST_DATABASE == "postgresql" else 2
_MAPPING = _OBJECT = _MATCH = _REFERENCE = 1  # to look for it
_INSERT = _UPDATE = _MAP = 1
_READ_AGAIN = 1  # under a lock, where there is one (rule T8)

_KEYED = "external_key,action_flags,employee_id,first_name"
_MATCHED = "match_on,action_flags,employee_id,first_name"
_BOTH = "external_key,match_on,action_flags,employee_id,first_name"
_REFERS = "external_key,action_flags,employee_id,first_name,company=>name"


def _text(header: str, flags: str, name: str, numbers: range) -> str:
    """Give one row for each number; the same number stands for the same person."""
    cells = {"match_on": "employee_id", "action_flags": flags, "first_name": name, "company=>name": "Wayne"}
    lines = [header]
    for number in numbers:
        own = {"external_key": f"K{number}", "employee_id": f"E{number}"}
        lines.append(",".join({**cells, **own}[column] for column in header.split(",")))
    return "\n".join(lines) + "\n"


def _cost(sync_text: Callable[..., Report], header: str, flags: str, name: str) -> tuple[str, float]:
    """Give what becomes of each row of a file, and what ten more rows cost, by ten."""
    sync_text(
        _text(header, flags, name, range(1)), engine="objects"
    )  # systems and content types are known from then on
    ten = sync_text(_text(header, flags, name, range(10, 20)), engine="objects")
    twenty = sync_text(_text(header, flags, name, range(20, 40)), engine="objects")
    (outcome,) = outcomes(ten)
    assert (outcomes(ten), outcomes(twenty)) == ({outcome: 10}, {outcome: 20})
    return outcome, (twenty.queries - ten.queries) / 10


@pytest.mark.parametrize(
    ("header", "flags", "name", "outcome", "queries"),
    [
        (_KEYED, "cu*", "Bruce", "unchanged", _MAPPING + _OBJECT),
        (_KEYED, "cu", "Alfred", "unchanged", _MAPPING + _OBJECT),
        (_KEYED, "u*", "Alfred", "updated", _MAPPING + _OBJECT + _SAVEPOINT + _READ_AGAIN + _UPDATE),
        (_MATCHED, "cu*", "Bruce", "unchanged", _MATCH),
        (_MATCHED, "u", "Alfred", "unchanged", _MATCH),
        (_MATCHED, "cu*", "Alfred", "updated", _MATCH + _SAVEPOINT + _READ_AGAIN + _UPDATE),
        (_BOTH, "cu*", "Bruce", "unchanged", _MAPPING + _OBJECT + _MATCH),  # rule A4 wants the match
        (_BOTH, "cu", "Bruce", "unchanged", _MAPPING + _OBJECT),
        (_REFERS, "cu*", "Bruce", "unchanged", _MAPPING + _OBJECT + _REFERENCE),
        (_REFERS, "cu", "Bruce", "unchanged", _MAPPING + _OBJECT),  # rule R4: the relation is not empty
    ],
)
def test_a_row_that_is_known_costs(
    sync_text: Callable[..., Report], header: str, flags: str, name: str, outcome: str, queries: int
) -> None:
    """A7, T8."""
    Company.objects.create(name="Wayne")
    sync_text(_text(_REFERS, "c", "Bruce", range(40)))

    assert _cost(sync_text, header, flags, name) == (outcome, queries)


@pytest.mark.parametrize(
    ("header", "flags", "outcome", "queries"),
    [
        (_KEYED, "cu*", "created", _MAPPING + _SAVEPOINT + _INSERT + _MAP),
        (_MATCHED, "cu*", "created", _MATCH + _SAVEPOINT + _INSERT),
        (_BOTH, "cu*", "created", _MAPPING + _MATCH + _SAVEPOINT + _INSERT + _MAP),
        (_REFERS, "cu*", "created", _MAPPING + _REFERENCE + _SAVEPOINT + _INSERT + _MAP),
        (_KEYED, "u*", "unmatched", _MAPPING),
        (_MATCHED, "u*", "unmatched", _MATCH),
        (_KEYED, "d", "unmatched", _MAPPING),
    ],
)
def test_a_row_that_is_not_known_costs(
    sync_text: Callable[..., Report], header: str, flags: str, outcome: str, queries: int
) -> None:
    """A1, A2."""
    Company.objects.create(name="Wayne")

    assert _cost(sync_text, header, flags, "Bruce") == (outcome, queries)


def test_an_object_that_gets_a_key_costs(sync_text: Callable[..., Report]) -> None:
    """A2, I7: the match, the keys that the object has already, and the new mapping."""
    sync_text(_text(_MATCHED, "c", "Bruce", range(40)))

    queries = _MAPPING + _MATCH + _MAPPING + _SAVEPOINT + _MAP
    assert _cost(sync_text, _BOTH, "u", "Bruce") == ("linked", queries)


def test_a_reference_that_finds_nothing_costs(sync_text: Callable[..., Report]) -> None:
    """R6: at the end its object is read again, and what it refers to is looked for once more."""
    sync_text(_text(_KEYED, "c", "Bruce", range(40)))

    assert _cost(sync_text, _REFERS, "u", "Bruce") == (
        "unchanged",
        _MAPPING + _OBJECT + _REFERENCE + _OBJECT + _REFERENCE,
    )
