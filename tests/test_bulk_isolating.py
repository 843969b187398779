"""One bad row among many: it fails, and it alone; what the database refuses is halved until a row is left to blame."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pytest

from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.many import rows
from tests.telling import codes, outcomes
from tests.testapp.models import CommaListField, Recipe, Stock

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

MANY = 1_000
ALL_BAD = 250  # each costs as much as any other
_CELLS = {"external_key": "K{}", "action_flags": "cu*", "shelf": "A", "article": "{}", "quantity": "1"}
_TAKEN = {"shelf": "X", "article": "1"}  # by an object that no row means
_NEGATIVE = {"quantity": "-1"}  # a check constraint refuses it


def file(bad: Collection[int], cells: dict[str, str], count: int = MANY, **others: str) -> str:
    """Write many rows, some of which are bad."""
    good = rows({**_CELLS, **others}, range(count)).splitlines()
    wrong = rows({**_CELLS, **cells}, range(count)).splitlines()
    return "\n".join([good[0], *(wrong[n + 1] if n in bad else good[n + 1] for n in range(count))]) + "\n"


@pytest.fixture
def taken(db: None) -> Stock:
    return Stock.objects.create(**_TAKEN)


BAD = {
    "one": [437],
    "the first": [0],
    "the last": [MANY - 1],
    "several": [0, 100, 101, 500, MANY - 1],
    "one in fifty": range(7, MANY, 50),
}


@pytest.mark.parametrize("engine", ["bulk", "columns"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize(("cells", "code"), [(_TAKEN, "unique"), (_NEGATIVE, "check")], ids=["unique", "check"])
def test_just_the_bad_rows_among_new_ones_fail(
    sync_text: Sync, taken: Stock, cells: dict[str, str], code: str, bad: Collection[int], engine: str
) -> None:
    """T4: the others are applied; each bad row costs a few dozen queries, not one for each row."""
    report = sync_text(file(bad, cells), Stock, on_error="skip", engine=engine)

    assert (outcomes(report), report.engine) == ({"failed": len(bad), "created": MANY - len(bad)}, engine)
    assert [(line, found) for line, found, _ in codes(report)] == [(number + 2, code) for number in bad]
    assert set(Stock.objects.filter(shelf="A").values_list("article", flat=True)) == {
        str(number) for number in range(MANY) if number not in bad
    }
    assert ExternalKeyMapping.objects.count() == MANY - len(bad)
    assert report.queries < 50 + 150 * len(bad)


@pytest.mark.parametrize("engine", ["bulk", "columns"])
@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
@pytest.mark.parametrize(("cells", "code"), [(_TAKEN, "unique"), (_NEGATIVE, "check")], ids=["unique", "check"])
def test_just_the_bad_rows_among_changes_fail(
    sync_text: Sync, taken: Stock, cells: dict[str, str], code: str, bad: Collection[int], engine: str
) -> None:
    """T4: objects of bad rows stay as they were."""
    sync_text(file((), {}), Stock)

    report = sync_text(file(bad, cells, quantity="2"), Stock, on_error="skip", engine=engine)

    assert (outcomes(report), report.engine) == ({"failed": len(bad), "updated": MANY - len(bad)}, engine)
    assert [(line, found) for line, found, _ in codes(report)] == [(number + 2, code) for number in bad]
    untouched = Stock.objects.filter(shelf="A", quantity=1).values_list("article", flat=True)
    assert sorted(map(int, untouched)) == sorted(bad)
    assert Stock.objects.filter(shelf="A", quantity=2).count() == MANY - len(bad)
    assert report.queries < 50 + 150 * len(bad)


@pytest.mark.parametrize("engine", ["bulk", "columns"])
@pytest.mark.parametrize(("cells", "code"), [(_TAKEN, "unique"), (_NEGATIVE, "check")], ids=["unique", "check"])
def test_rows_that_are_all_bad_all_fail(
    sync_text: Sync, taken: Stock, cells: dict[str, str], code: str, engine: str
) -> None:
    """T4: each for itself, and nothing is left."""
    report = sync_text(file(range(ALL_BAD), cells, ALL_BAD), Stock, on_error="skip", engine=engine)

    assert outcomes(report) == {"failed": ALL_BAD}
    assert report.errors == {code: ALL_BAD}
    assert Stock.objects.get() == taken
    assert not ExternalKeyMapping.objects.exists()
    assert report.queries < 25 * ALL_BAD


@pytest.mark.parametrize("engine", ["bulk", "columns"])
@pytest.mark.parametrize(
    ("options", "counts", "committed"),
    [
        pytest.param({}, {"failed": 1, "created": MANY - 1}, False, id="rollback"),
        pytest.param({"on_error": "skip"}, {"failed": 1, "created": MANY - 1}, True, id="skip"),
        pytest.param({"on_error": "stop"}, {"failed": 1, "created": 437, "ignored": MANY - 438}, False, id="stop"),
        pytest.param({"max_errors": 1}, {"failed": 1, "created": 437, "ignored": MANY - 438}, False, id="max errors"),
    ],
)
def test_a_bad_row_has_the_consequences_that_it_has_row_by_row(
    sync_text: Sync, taken: Stock, options: dict[str, Any], counts: dict[str, int], committed: bool, engine: str
) -> None:
    """T4: the rows before it were planned and written, those after it were not, as the outcomes say."""
    report = sync_text(file([437], _TAKEN), Stock, engine=engine, **options)
    by_row = sync_text(file([437], _TAKEN), Stock, engine="objects", dry_run=True, **options)

    assert (report.engine, report.committed) == (engine, committed)
    assert Stock.objects.count() == (counts["created"] + 1 if committed else 1)
    told = {kind: count for kind, count in outcomes(report).items() if kind != "ignored"}
    assert told == {kind: count for kind, count in counts.items() if kind != "ignored"}
    if not committed:
        assert outcomes(report) == outcomes(by_row)


@pytest.mark.parametrize("engine", ["bulk", "columns"])
def test_rows_that_see_a_bad_row_are_planned_as_if_it_were_not_there(
    sync_text: Sync, taken: Stock, engine: str
) -> None:
    """T1: the first two fail; for the third there is then nothing to update, and the fourth creates."""
    text = (
        "external_key,action_flags,match_on,shelf,article,quantity\n"
        "k1,c,,X,1,1\n"
        "k2,c,,A,2,-1\n"
        ",u*,shelf article,A,2,3\n"
        "k2,cu*,,A,2,4\n"
        "k1,u*,,A,9,9\n"
    )

    report = sync_text(text, Stock, on_error="skip", engine=engine)

    assert [(line, code) for line, code, _ in codes(report)] == [
        (2, "unique"),
        (3, "check"),
        (4, "no-match"),
        (6, "no-match"),
    ]
    assert outcomes(report) == {"failed": 2, "created": 1, "unmatched": 2}
    assert list(Stock.objects.filter(shelf="A").values_list("article", "quantity")) == [("2", 4)]


@pytest.mark.parametrize("method", ["pre_save", "get_db_prep_save"])
@pytest.mark.parametrize("engine", ["objects", "bulk"])
def test_a_field_that_raises_fails_its_row_alone(
    sync_text: Sync, monkeypatch: pytest.MonkeyPatch, engine: str, method: str
) -> None:
    """T4: a field is the project's own code too; its error is no traceback."""
    original = getattr(CommaListField, method)

    def raising(*args: Any, **kwargs: Any) -> Any:
        found = original(*args, **kwargs)
        if found in ("bad", ["bad"]):
            raise ZeroDivisionError("division by zero")
        return found

    monkeypatch.setattr(CommaListField, method, raising)
    text = "action_flags,match_on,name,ingredients\nc,name,a,x\nc,name,b,bad\nc,name,c,y\n"

    report = sync_text(text, Recipe, engine=engine, on_error="skip")

    assert [(line, code) for line, code, _ in codes(report)] == [(3, "refused")]
    assert sorted(Recipe.objects.values_list("name", flat=True)) == ["a", "c"]
