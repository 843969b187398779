"""A cell that says "nothing": ``--null-marker`` (rule C5), in every kind of column and reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.record.report import Report
from tests.telling import codes, keys_of, noting_saves, outcomes
from tests.testapp.models import (
    Badge,
    Company,
    Contract,
    Currency,
    House,
    Passport,
    Person,
    Price,
    Product,
    Profile,
    Tag,
)

NULL = {"null_marker": r"\N"}
FORCED = {"action_flags": "u*", "match_on": "first_name", **NULL}


@pytest.fixture
def bruce(db: None) -> Person:
    """Give a person who has one of everything."""
    acme = Company.objects.create(name="Acme")
    bruce = Person.objects.create(
        first_name="Bruce", last_name="Wayne", age=40, nickname="Bat", hair_colour="Black", company=acme
    )
    bruce.tags.set([Tag.objects.create(name="bat"), Tag.objects.create(name="rich")])
    for address in ("Manor", "Cave"):
        House.objects.create(address=address, owner=bruce)
    Passport.objects.create(number="P1", person=bruce)
    Contract.objects.create(title="Board", person=bruce)
    Badge.objects.create(code="B1", person=bruce)
    return bruce


@pytest.mark.parametrize(
    ("column", "value", "warning"),
    [
        ("age", None, ""),
        ("nickname", None, ""),
        ("last_name", "", ""),
        ("hair_colour", "", ""),  # text: a default counts only where a column is absent
        ("active", True, "empty-kept"),
    ],
)
def test_a_marked_cell_is_an_empty_cell(
    sync_text: Callable[..., Report], bruce: Person, column: str, value: object, warning: str
) -> None:
    """C5, V3: as if nothing stood there; without the option the text means itself."""
    text = f"first_name,{column}\nBruce,\\N\n"

    report = sync_text(text, **FORCED)
    bruce.refresh_from_db()

    assert getattr(bruce, column) == value
    assert codes(report) == ([(2, warning, column)] if warning else [])
    assert outcomes(report) == {"unchanged" if warning else "updated": 1}
    assert outcomes(sync_text(text, **FORCED)) == {"unchanged": 1}


@pytest.mark.parametrize("cell", [r" \N", r"\n", r"\N\N", ""])
def test_only_a_cell_equal_to_the_marker_is_marked(sync_text: Callable[..., Report], bruce: Person, cell: str) -> None:
    """C5: compared as it stands; an empty cell empties a field, and leaves a relation alone (R1)."""
    sync_text(f'first_name,last_name,company=>name\nBruce,"{cell}","{cell}"\n', **FORCED)

    bruce.refresh_from_db()
    assert bruce.last_name == cell
    assert bruce.company is not None


def test_the_marker_is_off_by_default(sync_text: Callable[..., Report], bruce: Person) -> None:
    """C5: texts that usually mean nothing are texts."""
    for cell in (r"\N", "NULL", "None"):
        sync_text(f"first_name,last_name\nBruce,{cell}\n", action_flags="u*", match_on="first_name")
        bruce.refresh_from_db()
        assert bruce.last_name == cell


def test_a_marked_key_is_no_key(sync_text: Callable[..., Report], bruce: Person) -> None:
    """C5, I1, I5: the row goes by its match; without one it has no identity."""
    report = sync_text("external_key,first_name,age\n\\N,Bruce,41\n", **FORCED)
    assert outcomes(report) == {"updated": 1}
    assert keys_of(bruce) == set()

    report = sync_text("external_key,action_flags,first_name\n\\N,cu,Dick\n", **NULL)
    assert codes(report) == [(2, "no-identity", "")]


def test_marked_flags_ask_for_nothing(sync_text: Callable[..., Report], bruce: Person) -> None:
    """C5, F2: with a flag map too."""
    for options in ({}, {"flag_map": (("U", "u*"),)}):
        report = sync_text(
            "action_flags,match_on,first_name,age\n\\N,first_name,Bruce,41\n", action_flags="u*", **NULL, **options
        )
        assert outcomes(report) == {"ignored": 1}


@pytest.mark.parametrize(
    ("text", "outcome", "code"),
    [
        ("external_key,match_on,first_name\nK,\\N,Dick\n", "created", ""),
        ("match_on,first_name\n\\N,Bruce\n", "failed", "no-identity"),
        ("external_key,match_on,employee_id,first_name\nK,employee_id,\\N,Dick\n", "created", ""),
        ("match_on,employee_id,first_name\nemployee_id,\\N,Dick\n", "failed", "empty-match"),
        ("match_on,employee_id,first_name\nemployee_id first_name,\\N,Bruce\n", "unchanged", ""),
        ("match_on,employee_id,first_name\nemployee_id first_name |,\\N,Bruce\n", "unchanged", ""),
        ("match_on,company=>name,first_name\ncompany=>name first_name |,\\N,Bruce\n", "unchanged", ""),
    ],
    ids=[
        "match_on itself, with a key",
        "match_on itself, without",
        "the only value, with a key",
        "the only value, without",
        "one of two",
        "an operand of |",
        "a reference",
    ],
)
def test_a_marked_match_value_is_an_empty_one(
    sync_text: Callable[..., Report], bruce: Person, text: str, outcome: str, code: str
) -> None:
    """C5, I3, I5."""
    report = sync_text(text, action_flags="c", **NULL)

    assert outcomes(report) == {outcome: 1}
    assert [found for _, found, _ in codes(report)] == ([code] if code else [])


# --- references -----------------------------------------------------------------------------------------------------


def related(bruce: Person) -> dict[str, Any]:
    """Tell what a person has."""
    return {
        "company": Person.objects.values_list("company__name", flat=True).get(pk=bruce.pk),
        "houses": bruce.houses.count(),
        "tags": bruce.tags.count(),
        "passport": Passport.objects.filter(person=bruce).count(),
        "contracts": bruce.contracts.count(),
        "badge": Badge.objects.filter(person=bruce).count(),
    }


ALL = {"company": "Acme", "houses": 2, "tags": 2, "passport": 1, "contracts": 1, "badge": 1}


@pytest.mark.parametrize(
    ("column", "changed", "warning"),
    [
        ("company=>name", {"company": None}, ""),
        ("company=>external_key", {"company": None}, ""),
        ("company", {"company": None}, ""),
        ("company_id", {"company": None}, ""),
        ("houses=>address", {"houses": 0}, ""),
        ("passport=>number", {"passport": 0}, ""),
        ("tags=>=name", {"tags": 0}, ""),
        ("tags=>+name", {}, ""),
        ("tags=>-name", {}, ""),
        ("contracts=>title", {}, "empty-kept"),  # cannot be without their person
        ("badge=>code", {}, "empty-kept"),
    ],
)
@pytest.mark.parametrize("flags", ["u", "u*", "cu", "cu*", "c"])
def test_a_marked_reference_clears_a_relation_that_the_row_may_overwrite(
    sync_text: Callable[..., Report], bruce: Person, flags: str, column: str, changed: dict[str, Any], warning: str
) -> None:
    """C5, R3, R4: objects on the other side stay; a second run changes nothing."""
    text = f"first_name,{column}\nBruce,\\N\n"
    options = {**FORCED, "action_flags": flags}
    is_forced = "*" in flags

    report = sync_text(text, **options)

    assert related(bruce) == {**ALL, **(changed if is_forced else {})}
    assert outcomes(report) == {"updated" if changed and is_forced else "unchanged": 1}
    assert codes(report) == ([(2, warning, column)] if warning and is_forced else [])
    assert (House.objects.count(), Tag.objects.count(), Passport.objects.count()) == (2, 2, 1)
    with noting_saves() as saved:
        assert outcomes(sync_text(text, **options)) == {"unchanged": 1}
    assert saved == []


def test_a_relation_is_cleared_only_if_all_of_its_columns_say_nothing(
    sync_text: Callable[..., Report], bruce: Person
) -> None:
    """C5, R1: one filled column still finds an object; one marked cell beside an empty one clears."""
    other = Company.objects.create(name="Other", city="Gotham")

    sync_text("first_name,company=>name,company=>city\nBruce,\\N,Gotham\n", **FORCED)
    bruce.refresh_from_db()
    assert bruce.company == other

    sync_text("first_name,company=>name,company=>city\nBruce,,\\N\n", **FORCED)
    bruce.refresh_from_db()
    assert bruce.company is None


def test_a_marked_reference_on_create(sync_text: Callable[..., Report]) -> None:
    """C5, V3: a relation that may be missing is; one that may not is a row error."""
    Product.objects.create(sku="S1")
    Currency.objects.create(code="CHF")

    report = sync_text(
        "first_name,company=>name,tags=>=name,houses=>address\nDick,\\N,\\N,\\N\n", **{**FORCED, "action_flags": "cu*"}
    )
    assert outcomes(report) == {"created": 1}
    assert codes(report) == []

    report = sync_text(
        "amount,product=>sku,currency=>code\n1.50,S1,\\N\n", Price, action_flags="c", match_on="amount", **NULL
    )
    assert codes(report) == [(2, "required", "currency=>code")]


def test_a_required_relation_is_kept_on_update(sync_text: Callable[..., Report]) -> None:
    """C5, V3: empty-kept, as for any column that cannot be empty."""
    product, currency = Product.objects.create(sku="S1"), Currency.objects.create(code="CHF")
    price = Price.objects.create(product=product, currency=currency, amount="1.50")

    report = sync_text("amount,currency=>code\n1.50,\\N\n", Price, action_flags="u*", match_on="amount", **NULL)

    price.refresh_from_db()
    assert price.currency == currency
    assert (outcomes(report), codes(report)) == ({"unchanged": 1}, [(2, "empty-kept", "currency=>code")])


def test_a_marked_property_cell_is_empty(sync_text: Callable[..., Report]) -> None:
    """C5, V6."""
    Profile.objects.create(login="bw", first_name="Bruce", last_name="Wayne")

    report = sync_text("login,full_name\nbw,\\N\n", Profile, action_flags="u*", match_on="login", **NULL)

    assert outcomes(report) == {"updated": 1}
    assert Profile.objects.values_list("first_name", "last_name").get() == ("", "")


def test_a_constant_may_be_the_marker(sync_text: Callable[..., Report], bruce: Person) -> None:
    """C5, C2: in every column, and --set makes one."""
    sync_text("first_name\nBruce\n", set=((("company=>name"), r"\N"), ("nickname", r"\N")), **FORCED)

    bruce.refresh_from_db()
    assert bruce.company is None
    assert bruce.nickname is None


def test_a_marked_cell_is_still_a_cell(sync_text: Callable[..., Report]) -> None:
    """C4, C5: a line of markers is a row, and a marker too many is one cell too many."""
    report = sync_text("first_name,age\n\\N,\\N\nDick,20,\\N\n", **{**FORCED, "action_flags": "cu"})

    assert codes(report)[0] == (2, "empty-match", "")


@pytest.mark.parametrize("engine", ["objects", "bulk"])
@pytest.mark.parametrize("marker", ["", None])
def test_an_empty_marker_marks_nothing(
    sync_text: Callable[..., Report], bruce: Person, marker: str | None, engine: str
) -> None:
    """C5, R1: an empty cell of a reference leaves it; to clear it, the file needs a marker."""
    text = "first_name,age,company=>name\nBruce,41,\n"

    report = sync_text(text, **{**FORCED, "null_marker": marker, "engine": engine})

    bruce.refresh_from_db()
    assert (bruce.age, bruce.company_id is None) == (41, False)
    assert report.sources[0].engine == engine
