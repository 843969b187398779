"""What is decided of ordinary rows by whole columns, and which rows are named as none; the database is not asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from nsync.actions import EMPTY, Flags
from nsync.columns import Columns, Decided
from nsync.plan.columnfacts import SEVERAL, Facts
from nsync.plan.columns import ColumnRules, unfit
from tests.testapp.models import Depot, Parcel, Person, Port, Product, Recipe, Shelf, Slugged, Stock

_KEYS = ("a", "b", "c")
_NAMES = ("code", "note", "pieces")


def decide(
    rows: Sequence[tuple[Any, ...]],
    *,
    keys: Sequence[str] = (),
    flags: str = "cu*",
    match: tuple[str, ...] = (),
    linked: Mapping[str, Any] | None = None,
    stored: Mapping[Any, tuple[Any, ...]] | None = None,
    found: Mapping[tuple[Any, ...], Any] | None = None,
    held: Collection[Any] = (),
    peculiar: Collection[int] = (),
    model: Any = Parcel,
    names: tuple[str, ...] = _NAMES,
    folds_text: bool = False,
) -> Decided:
    """Decide rows of codes, notes and pieces."""
    values = [list(column) for column in zip(*rows, strict=True)]
    columns = Columns(
        count=len(rows),
        flags=Flags("c" in flags, "u" in flags, False, "*" in flags),
        keys=keys,
        names=names,
        values=values,  # type: ignore[arg-type]  # lists of any values
        has_empty=[EMPTY in column for column in values],
        match=match,
        peculiar=set(peculiar),
    )
    facts = Facts(linked or {}, stored or {}, found or {}, held, ())
    rules = ColumnRules(model, folds_text=folds_text)
    return rules.decide(columns, facts, creates="c" in flags, updates="u" in flags)


def changes(decided: Decided) -> list[tuple[int, Any, dict[str, Any]]]:
    """Give which rows give which objects new values."""
    return [
        (row, pk, dict(zip(changed.names, values, strict=True)))
        for changed in decided.changed
        for row, pk, values in zip(changed.rows, changed.pks, changed.values, strict=True)
    ]


def new(decided: Decided) -> list[dict[str, Any]]:
    """Give the columns of the new objects that the rows name."""
    columns = dict(zip(decided.new.names, decided.new.values, strict=True))
    return [{name: columns[name][number] for name in _NAMES} for number in range(len(decided.new.rows))]


_THREE = [("1", "x", 1), ("2", "y", 2), ("3", "z", EMPTY)]


def test_rows_that_are_not_known_make_new_objects_with_every_column() -> None:
    """A1, V3: empty cells are NULL where the column holds it; columns that the file lacks get their defaults."""
    decided = decide(_THREE, keys=_KEYS)

    assert (list(decided.new.rows), decided.changed, decided.peculiar) == ([0, 1, 2], [], set())
    assert [tuple(one.values()) for one in new(decided)] == [("1", "x", 1), ("2", "y", 2), ("3", "z", None)]
    columns = dict(zip(decided.new.names, decided.new.values, strict=True))
    assert (columns["status"], columns["fragile"], columns["label"]) == (["waiting"] * 3, [False] * 3, [""] * 3)
    assert not {"id", "modified"} & set(decided.new.names)


def test_rows_that_may_not_create_are_none_for_columns() -> None:
    """A2: they are unmatched, which is said of each."""
    assert decide(_THREE, keys=_KEYS, flags="u*").peculiar == {0, 1, 2}
    some = decide(_THREE, keys=_KEYS, flags="u*", linked={"b": 7}, stored={7: ("2", "y", 2)})
    assert (some.peculiar, list(some.new.rows)) == ({0, 2}, [])


def test_an_object_without_a_value_that_it_must_have_is_none_for_columns() -> None:
    """V3: the row fails."""
    assert decide([(1,), (2,)], names=("number",), keys=_KEYS[:2], model=Shelf).peculiar == {0, 1}


def test_linked_objects_get_what_differs_and_nothing_else() -> None:
    """A2, A7, I1."""
    linked = {"a": 11, "b": 12, "c": 13}
    stored = {11: ("1", "x", 1), 12: ("2", "old", 1), 13: ("3", "z", 3)}

    decided = decide(_THREE, keys=_KEYS, linked=linked, stored=stored)

    assert changes(decided) == [(1, 12, {"note": "y", "pieces": 2}), (2, 13, {"pieces": None})]
    assert ([changed.read for changed in decided.changed]) == [(stored[12],), (stored[13],)]  # rule T8
    assert (list(decided.new.rows), list(decided.linked.rows), decided.peculiar) == ([], [], set())


def test_unforced_updates_fill_what_is_empty() -> None:
    """A3: and write nothing that is empty."""
    linked = {"a": 11, "b": 12, "c": 13}
    stored = {11: ("1", "", None), 12: ("2", "old", None), 13: ("3", "", 3)}

    decided = decide(_THREE, keys=_KEYS, flags="cu", linked=linked, stored=stored)

    assert changes(decided) == [
        (0, 11, {"note": "x", "pieces": 1}),
        (1, 12, {"pieces": 2}),
        (2, 13, {"note": "z"}),
    ]


def test_rows_that_only_create_change_no_object() -> None:
    """A1."""
    decided = decide(_THREE, keys=_KEYS, flags="c", linked={"a": 11}, stored={11: ("1", "old", 9)})

    assert (decided.changed, list(decided.new.rows)) == ([], [1, 2])


@pytest.mark.parametrize(
    ("old", "given", "is_changed"),
    [
        pytest.param(datetime(2024, 1, 1, 10, tzinfo=UTC), datetime(2024, 1, 1, 10, tzinfo=UTC), False, id="same"),
        pytest.param(
            datetime(2024, 1, 1, 10, tzinfo=UTC),
            datetime(2024, 1, 1, 11, tzinfo=timezone(timedelta(hours=1))),
            False,
            id="same instant",
        ),
        pytest.param(datetime(2024, 1, 1, 10, tzinfo=UTC), datetime(2024, 1, 1, 11, tzinfo=UTC), True, id="another"),
        pytest.param(None, EMPTY, False, id="nothing and nothing"),
        pytest.param(datetime(2024, 1, 1, 10, tzinfo=UTC), EMPTY, True, id="nothing now"),
    ],
)
def test_moments_are_compared_by_instant(old: Any, given: Any, is_changed: bool) -> None:
    """A7."""
    decided = decide([(given,)], names=("sent",), keys=["a"], linked={"a": 1}, stored={1: (old,)})

    assert bool(decided.changed) == is_changed


def test_null_and_empty_text_are_equal_in_a_nullable_column() -> None:
    """A7."""
    rows = [(EMPTY,), (EMPTY,)]
    stored = {1: ("",), 2: (None,)}

    assert decide(rows, names=("remark",), keys=["a", "b"], linked={"a": 1, "b": 2}, stored=stored).changed == []


def test_matched_objects_are_updated_and_get_the_key() -> None:
    """I1, I2, A2."""
    found = {("1",): 11, ("2",): 12}
    stored = {11: ("1", "x", 1), 12: ("2", "old", 2)}

    decided = decide(_THREE, keys=_KEYS, match=("code",), found=found, stored=stored)

    assert (list(decided.linked.keys), list(decided.linked.pks)) == (["a", "b"], [11, 12])
    assert changes(decided) == [(1, 12, {"note": "y"})]
    assert list(decided.new.rows) == [2]
    without_keys = decide(_THREE, match=("code",), found=found, stored=stored)
    assert (list(without_keys.linked.rows), changes(without_keys)) == ([], [(1, 12, {"note": "y"})])


PECULIAR: dict[str, tuple[set[int], dict[str, Any]]] = {
    "a stale mapping": ({1}, {"keys": _KEYS, "linked": {"b": 12}}),
    "a mapping of something that is no key": ({1}, {"keys": _KEYS, "linked": {"b": None}}),
    "a key twice": ({2}, {"keys": ("a", "b", "a")}),
    "an object of another key": (
        {1},
        {"keys": _KEYS, "match": ("code",), "found": {("2",): 12}, "stored": {12: ("2", "", 0)}, "held": {12}},
    ),
    "an object of two keys of the file": (
        {2},
        {"keys": _KEYS, "linked": {"a": 1, "c": 1}, "stored": {1: ("1", "x", 1)}},
    ),
    "an object that a forced update displaces": (
        {1},
        {
            "keys": _KEYS,
            "match": ("code",),
            "linked": {"b": 1},
            "found": {("2",): 2},
            "stored": {1: ("9", "", 0), 2: ("2", "", 0)},
        },
    ),
    "several objects that match": (
        {0},
        {"match": ("code",), "found": {("1",): SEVERAL}, "stored": {1: ("1", "", 0)}},
    ),
    "several objects that match beside the linked one": (
        {0},
        {
            "keys": _KEYS,
            "match": ("code",),
            "linked": {"a": 1},
            "found": {("1",): SEVERAL},
            "stored": {1: ("1", "", 0)},
        },
    ),
    "a unique value that changes": ({0}, {"keys": _KEYS, "linked": {"a": 1}, "stored": {1: ("9", "x", 1)}}),
    "what the reader has named": ({0, 2}, {"keys": _KEYS, "peculiar": {0, 2}}),
}


@pytest.mark.parametrize("name", PECULIAR)
def test_rows_that_are_not_ordinary_are_named_and_only_they(name: str) -> None:
    """T1: the planner has the rules for them."""
    wanted, known = PECULIAR[name]

    decided = decide(_THREE, **known)

    assert decided.peculiar == wanted
    assert not wanted & {*decided.new.rows, *decided.linked.rows, *(row for row, _, _ in changes(decided))}


@pytest.mark.parametrize("flags", ["c", "cu", "u"])
def test_only_a_forced_update_displaces(flags: str) -> None:
    """A4: else the linked object is the object, whatever the match finds (I6)."""
    known: dict[str, Any] = {"linked": {"a": 1, "b": 2, "c": 3}, "found": {("2",): 9}}
    stored = {1: ("1", "x", 1), 2: ("7", "y", 2), 3: ("3", "z", None), 9: ("2", "", 0)}

    decided = decide(_THREE, keys=_KEYS, flags=flags, match=("code",), stored=stored, **known)

    assert (decided.peculiar, decided.changed) == (set(), [])


def test_match_values_that_stand_twice_belong_to_the_first_row() -> None:
    """T1: the second one sees what the first one made."""
    assert decide([("1", "x", 1), ("1", "x", 1), ("2", "x", 1)], match=("code",)).peculiar == {1}
    rows = [("1", "x", 1), ("1", "y", 1), ("2", "x", 1), ("2", "x", 5)]
    assert decide(rows, match=("code", "note")).peculiar == {3}


def test_an_empty_cell_in_a_column_that_holds_no_emptiness_is_none_for_columns() -> None:
    """V3: a default, a warning or an error."""
    rows = [(True,), (EMPTY,), (False,)]

    assert decide(rows, names=("fragile",), keys=_KEYS).peculiar == {1}


def test_what_constraints_compare_changes_row_by_row() -> None:
    """T1: also columns of a constraint of several, or with a condition."""
    stored = {1: ("s", "a", "L", 1)}
    for row, wanted in (
        (("t", "a", "L", 1), {0}),
        (("s", "b", "L", 1), {0}),
        (("s", "a", "M", 1), {0}),
        (("s", "a", "L", 2), set()),
    ):
        names = ("shelf", "article", "label", "quantity")
        decided = decide([row], names=names, keys=["k"], linked={"k": 1}, stored=stored, model=Stock)
        assert (decided.peculiar, bool(decided.changed)) == (wanted, not wanted)


def test_what_foreign_keys_refer_to_changes_row_by_row() -> None:
    """T1: ``to_field``."""
    known: dict[str, Any] = {"keys": ["k"], "linked": {"k": 1}, "stored": {1: ("old", "n")}, "model": Product}

    assert decide([("new", "n")], names=("sku", "name"), **known).peculiar == {0}
    assert decide([("old", "m")], names=("sku", "name"), **known).peculiar == set()


def test_rows_after_a_peculiar_one_can_be_left_out() -> None:
    """T1: of everything that was decided."""
    rows = [(f"{number}", "x", 1) for number in range(6)]
    keys = [f"k{number}" for number in range(6)]
    known: dict[str, Any] = {
        "linked": {"k0": 10, "k4": 14},
        "found": {("1",): 11, ("5",): 15},
        "stored": {10: ("0", "old", 1), 11: ("1", "x", 1), 14: ("4", "old", 1), 15: ("5", "x", 1)},
    }
    decided = decide(rows, keys=keys, match=("code",), peculiar={3}, **known)

    before = decided.before(3)

    assert (list(decided.new.rows), list(before.new.rows)) == ([2], [2])
    assert [row for row, _, _ in changes(decided)] == [0, 4]
    assert [row for row, _, _ in changes(before)] == [0]
    assert (list(decided.linked.keys), list(before.linked.keys)) == (["k1", "k5"], ["k1"])
    assert (decided.peculiar, before.peculiar) == ({3}, set())
    nothing = decided.before(0)
    assert (list(nothing.new.rows), nothing.changed, list(nothing.linked.rows)) == ([], [], [])
    assert all(len(column) == 0 for column in nothing.new.values)


@pytest.mark.parametrize(
    ("model", "columns", "why"),
    [
        (Parcel, ("code", "label", "sent", "price", "ref", "weight"), ""),
        (Depot, ("name",), ""),
        (Product, ("sku", "name", "notes"), ""),
        (Person, ("first_name",), "parents or children by inheritance"),
        (Port, ("code",), "gives testapp.Port its primary key"),
        (Product, ("sku", "metadata"), "testapp.Product.metadata holds values that are not compared by columns"),
        (Recipe, ("ingredients",), "testapp.Recipe.ingredients holds values that are not compared"),
        (Slugged, ("title", "slug"), "testapp.Slugged.slug holds values that are not compared"),
    ],
)
def test_columns_that_python_does_not_compare_are_unfit(model: Any, columns: tuple[str, ...], why: str) -> None:
    """T10."""
    found = unfit(model, columns, [])

    assert (why in found) if why else (found == "")
