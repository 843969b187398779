"""Many-to-many relations: add, remove, set to exactly these; from both sides, and symmetrical ones (rule R3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db.models.signals import m2m_changed

from nsync.record.report import Report
from tests.plan.known import link, row
from tests.telling import codes, outcomes
from tests.testapp.models import Person, Signalled, Tag, Tree

Sync = Callable[..., Report]


@pytest.fixture
def tags(db: None) -> dict[str, Tag]:
    return {name: Tag.objects.create(name=name) for name in ("a", "b", "c", "a,b", "x y")}


def tag_names(person: Person) -> set[str]:
    return {tag.name for tag in person.tags.all()}


@contextmanager
def m2m_signals(through: Any) -> Iterator[list[str]]:
    """Collect the m2m_changed signals of a relation."""
    heard: list[str] = []

    def hear(action: str, **_: Any) -> None:
        heard.append(action)

    m2m_changed.connect(hear, sender=through)
    try:
        yield heard
    finally:
        m2m_changed.disconnect(hear, sender=through)


@pytest.mark.parametrize(
    ("header", "cell", "before", "after"),
    [
        pytest.param("tags=>+name", "c", "ab", "abc", id="add"),
        pytest.param("tags=>+name", "a", "ab", "ab", id="add what is there"),
        pytest.param("tags=>+name", "a|c", "ab", "abc", id="add several"),
        pytest.param("tags=>-name", "a", "ab", "b", id="remove"),
        pytest.param("tags=>-name", "c", "ab", "ab", id="remove what is not there"),
        pytest.param("tags=>-name", "a|b|c", "ab", "", id="remove several"),
        pytest.param("tags=>=name", "c", "ab", "c", id="set"),
        pytest.param("tags=>=name", "b|c", "ab", "bc", id="set several"),
        pytest.param("tags=>=name", "b|a", "ab", "ab", id="set what is there, in another order"),
        pytest.param("tags=>=name", "c|c||c|", "ab", "c", id="repeated and empty parts"),
        pytest.param("tags=>=name", "||", "ab", "ab", id="only empty parts"),
        pytest.param("tags=>=name", "", "ab", "ab", id="an empty cell"),
        pytest.param("tags=>=name__iexact", "C", "ab", "c", id="a lookup"),
        pytest.param("tags=>+persons__first_name", "Only C", "ab", "abc", id="a path"),
        pytest.param("tags=>=external_key", "key-c|key-b", "ab", "bc", id="keys"),
        pytest.param("tags=>=name", "a|nothing", "bc", "bc", id="one of a list is not found, set"),
        pytest.param("tags=>+name", "a|nothing", "bc", "bc", id="one of a list is not found, add"),
        pytest.param("tags=>-name", "b|nothing", "bc", "bc", id="one of a list is not found, remove"),
    ],
)
def test_a_forced_update_adds_removes_or_sets(
    sync_text: Sync, tags: dict[str, Tag], header: str, cell: str, before: str, after: str
) -> None:
    """R3, R1, R5, O1: a row is updated only if the relation changes."""
    bruce, other = Person.objects.create(first_name="Bruce"), Person.objects.create(first_name="Only C")
    bruce.tags.set(tags[name] for name in before)
    other.tags.set([tags["c"]])
    link(tags["b"], "key-b")
    link(tags["c"], "key-c")

    report = sync_text(row({"action_flags": "u*", "match_on": "first_name", "first_name": "Bruce", header: cell}))

    assert tag_names(bruce) == set(after)
    assert tag_names(other) == {"c"}
    assert outcomes(report) == {"unchanged" if before == after else "updated": 1}
    assert codes(report) == ([(2, "missing-reference", header)] if "nothing" in cell else [])


@pytest.mark.parametrize(
    ("options", "cell", "names"),
    [
        ({}, "a|b", {"a", "b"}),
        ({}, "a,b", {"a,b"}),
        ({"list_separator": ","}, "a,b", {"a", "b"}),
        ({"list_separator": ";"}, "a;c", {"a", "c"}),
        ({"list_separator": " / "}, "a / x y / b", {"a", "x y", "b"}),
    ],
)
def test_the_separator_of_lists_can_be_chosen(
    sync_text: Sync, tags: dict[str, Tag], options: dict[str, str], cell: str, names: set[str]
) -> None:
    """R3: --list-separator."""
    sync_text(row({"action_flags": "c", "match_on": "first_name", "first_name": "Tim", "tags=>+name": cell}), **options)

    assert tag_names(Person.objects.get()) == names


def test_with_two_columns_a_cell_is_one_value(sync_text: Sync, tags: dict[str, Tag]) -> None:
    """R3: there are lists only when the relation has one column; several columns are ANDed (R1)."""
    odd = Tag.objects.create(name="a|b")

    report = sync_text(
        "action_flags,match_on,first_name,tags=>+name,tags=>+pk\n"
        f"c,first_name,Tim,a|b,{odd.pk}\n"
        f"c,first_name,Tom,a,{tags['b'].pk}\n"
        f"c,first_name,Ted,,{tags['b'].pk}\n"
    )

    assert [tag_names(Person.objects.get(first_name=name)) for name in ("Tim", "Tom", "Ted")] == [{"a|b"}, set(), {"b"}]
    assert codes(report) == [(3, "missing-reference", "tags=>+name")]


def test_the_relation_is_set_from_its_other_side(sync_text: Sync, tags: dict[str, Tag]) -> None:
    """R3: by names of persons; a new tag gets its persons after it is written (R7)."""
    bruce, dick = (Person.objects.create(first_name=name) for name in ("Bruce", "Dick"))
    bruce.tags.add(tags["a"])

    report = sync_text(
        "action_flags,match_on,name,persons=>=first_name\nu*,name,a,Dick\ncu*,name,new,Bruce|Dick\n", Tag
    )

    assert (tag_names(bruce), tag_names(dick)) == ({"new"}, {"a", "new"})
    assert outcomes(report) == {"created": 1, "updated": 1}


@pytest.mark.parametrize("flags", ["c", "cu", "cu*"])
@pytest.mark.parametrize("sign", ["+", "="])
def test_a_new_object_gets_its_relations_after_it_is_written(
    sync_text: Sync, tags: dict[str, Tag], flags: str, sign: str
) -> None:
    """R7."""
    report = sync_text(f"action_flags,match_on,first_name,tags=>{sign}name\n{flags},first_name,Tim,a|b\n")

    assert tag_names(Person.objects.get()) == {"a", "b"}
    assert outcomes(report) == {"created": 1}


def test_a_removal_of_a_new_object_is_nothing(sync_text: Sync, tags: dict[str, Tag]) -> None:
    """R3, R7."""
    report = sync_text("action_flags,match_on,first_name,tags=>-name\ncu*,first_name,Tim,a\n")

    assert tag_names(Person.objects.get()) == set()
    assert outcomes(report) == {"created": 1}


@pytest.mark.parametrize(
    ("sign", "cell", "after"),
    [("+", "", {"a"}), ("-", "", {"a"}), ("=", "", {"a"}), ("+", "~", {"a"}), ("-", "~", {"a"}), ("=", "~", set())],
)
def test_the_null_marker_empties_what_is_set_exactly(
    sync_text: Sync, tags: dict[str, Tag], sign: str, cell: str, after: set[str]
) -> None:
    """C5, R3: an empty cell never does."""
    bruce = Person.objects.create(first_name="Bruce")
    bruce.tags.add(tags["a"])

    sync_text(f"action_flags,match_on,first_name,tags=>{sign}name\nu*,first_name,Bruce,{cell}\n", null_marker="~")

    assert tag_names(bruce) == after


def test_rows_after_each_other_add_and_remove(sync_text: Sync, tags: dict[str, Tag]) -> None:
    """R3, T1, R4: the third row is not forced, and finds the relation filled."""
    report = sync_text(
        "action_flags,match_on,first_name,tags=>+name\ncu*,first_name,Tim,a\nu*,first_name,Tim,b\nu,first_name,Tim,c\n"
    )

    assert tag_names(Person.objects.get()) == {"a", "b"}
    assert outcomes(report) == {"created": 1, "updated": 1, "unchanged": 1}


def test_only_what_changes_is_signalled(sync_text: Sync, tags: dict[str, Tag]) -> None:
    """A7, R3: m2m_changed is sent as the application would send it, and not at all the second time."""
    Signalled.objects.create(name="s").tags.set([tags["a"], tags["b"]])
    text = "action_flags,match_on,name,tags=>=name\nu*,name,s,b|c\n"

    with m2m_signals(Signalled.tags.through) as heard:
        sync_text(text, Signalled)
        first = list(heard)
        sync_text(text, Signalled)

    assert sorted(first) == ["post_add", "post_remove", "pre_add", "pre_remove"]
    assert heard == first


# --- symmetrical, and to itself -------------------------------------------------------------------------------------


def neighbours() -> dict[str, set[str]]:
    return {tree.name: {other.name for other in tree.neighbours.all()} for tree in Tree.objects.all()}


def test_a_symmetrical_relation_is_set_on_both_sides(sync_text: Sync) -> None:
    """R3."""
    report = sync_text(
        "action_flags,match_on,name,neighbours=>=name\n"
        "c,name,oak,\n"
        "cu*,name,elm,oak\n"
        "cu*,name,ash,oak|elm\n"
        "u*,name,oak,elm\n"  # not the ash any more
        "u*,name,elm,oak|ash\n",  # as it is
        Tree,
    )

    assert neighbours() == {"oak": {"elm"}, "elm": {"oak", "ash"}, "ash": {"elm"}}
    assert outcomes(report) == {"created": 3, "updated": 1, "unchanged": 1}


def test_a_symmetrical_relation_is_removed_on_both_sides(sync_text: Sync) -> None:
    """R3."""
    oak, elm = Tree.objects.create(name="oak"), Tree.objects.create(name="elm")
    oak.neighbours.add(elm)

    sync_text("action_flags,match_on,name,neighbours=>-name\nu*,name,elm,oak\n", Tree)

    assert neighbours() == {"oak": set(), "elm": set()}


def test_an_object_may_be_related_to_itself(sync_text: Sync) -> None:
    """R3, R6: a new object is found once it is written; read again it changes nothing."""
    text = "action_flags,match_on,name,neighbours=>=name\ncu*,name,oak,oak\n"

    report, again = sync_text(text, Tree), sync_text(text, Tree)

    assert neighbours() == {"oak": {"oak"}}
    assert codes(report) == []
    assert (outcomes(report), outcomes(again)) == ({"created": 1}, {"unchanged": 1})


def test_an_asymmetrical_relation_to_the_same_model_has_two_sides(sync_text: Sync) -> None:
    """R3."""
    for name in ("oak", "elm", "ash"):
        Tree.objects.create(name=name)

    sync_text("action_flags,match_on,name,seedlings=>+name\nu*,name,oak,elm\n", Tree)
    sync_text("action_flags,match_on,name,parents=>+name\nu*,name,ash,oak\n", Tree)

    seedlings = {tree.name: sorted(other.name for other in tree.seedlings.all()) for tree in Tree.objects.all()}
    assert seedlings == {"oak": ["ash", "elm"], "elm": [], "ash": []}
