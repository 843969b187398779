"""What ``match_on`` finds: expressions, values, empty ones, lookups, references, exact text (rules I2, I3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync import ConfigError
from nsync.record.report import Report
from tests.plan.known import all_keys, link, row
from tests.telling import codes, outcomes
from tests.testapp.models import Company, Folded, House, Person, Stock

Sync = Callable[..., Report]
Find = Callable[..., str]
Cells = tuple[str, ...]


@pytest.fixture
def find(sync_text: Sync) -> Find:
    """
    Give a function that tells what a match finds.

    A create with a key changes nothing but the mapping when its match finds an object (A1): so the mapping names it.
    ``none`` means that the row made a new object.
    """

    def run(model: type, expression: str, cells: dict[str, str]) -> str:
        known = set(model.objects.values_list("pk", flat=True))  # type: ignore[attr-defined]
        report = sync_text(row({"external_key": "K", "action_flags": "c", "match_on": expression, **cells}), model)
        (outcome,) = outcomes(report)
        if outcome != "linked":
            return "none" if outcome == "created" else outcome
        object_id = all_keys()["HR", model.__name__.lower(), "K"]
        assert object_id in map(str, known)
        return str(model.objects.get(pk=object_id))  # type: ignore[attr-defined]

    return run


@pytest.fixture
def people(db: None) -> None:
    """Two persons of one first name, two of one last name, one with neither last name nor age."""
    Person.objects.create(first_name="Anna", last_name="Ode", age=30, nickname=None)
    Person.objects.create(first_name="Anna", last_name="Bell", age=40, nickname="")
    Person.objects.create(first_name="Ben", last_name="", age=None, nickname="Benny")
    Person.objects.create(first_name="Zoë", last_name="Ode", age=30, nickname="zo")


FIRST_LAST = ("first_name", "last_name")

EXPRESSIONS = [
    ("first_name", ("first_name",), ("Ben",), "Ben"),
    ("first_name", ("first_name",), ("Anna",), "ambiguous"),
    ("first_name", ("first_name",), ("Nobody",), "none"),
    # Names alone are ANDed.
    ("first_name last_name", FIRST_LAST, ("Anna", "Bell"), "Anna Bell"),
    ("  first_name \t last_name ", FIRST_LAST, ("Anna", "Bell"), "Anna Bell"),
    ("first_name last_name", FIRST_LAST, ("Ben", "Bell"), "none"),
    ("first_name last_name age", (*FIRST_LAST, "age"), ("Anna", "Ode", "30"), "Anna Ode"),
    # Postfix.
    ("first_name last_name &", FIRST_LAST, ("Anna", "Bell"), "Anna Bell"),
    ("first_name last_name |", FIRST_LAST, ("Nobody", "Bell"), "Anna Bell"),
    ("first_name last_name |", FIRST_LAST, ("Ben", "Nobody"), "Ben"),
    ("first_name last_name |", FIRST_LAST, ("Ben", "Bell"), "ambiguous"),
    ("first_name last_name |", FIRST_LAST, ("Zoë", "Bell"), "ambiguous"),
    ("first_name ~ last_name &", FIRST_LAST, ("Anna", "Ode"), "Zoë Ode"),
    ("last_name first_name ~ &", FIRST_LAST, ("Anna", "Ode"), "Zoë Ode"),
    ("first_name last_name | ~", FIRST_LAST, ("Anna", "Ode"), "Ben"),
    ("first_name ~ ~", ("first_name",), ("Ben",), "Ben"),
    ("first_name last_name | age &", (*FIRST_LAST, "age"), ("Ben", "Bell", "40"), "Anna Bell"),
    ("first_name last_name & age ~ |", (*FIRST_LAST, "age"), ("Nobody", "Ode", "30"), "ambiguous"),
    ("first_name last_name & age |", (*FIRST_LAST, "age"), ("Zoë", "Ode", "99"), "Zoë Ode"),
    ("first_name last_name & age | ~", (*FIRST_LAST, "age"), ("Anna", "Bell", "30"), "Ben"),
    ("first_name first_name |", ("first_name",), ("Ben",), "Ben"),
    # NULL is not the value that is negated.
    ("nickname ~ first_name & last_name &", ("nickname", *FIRST_LAST), ("Benny", "Anna", "Ode"), "Anna Ode"),
    ("age ~ nickname &", ("age", "nickname"), ("30", "Benny"), "Ben"),
]


@pytest.mark.parametrize(("expression", "columns", "cells", "expected"), EXPRESSIONS)
def test_expressions_find_what_they_say(
    find: Find, people: None, expression: str, columns: Cells, cells: Cells, expected: str
) -> None:
    """I2."""
    assert find(Person, expression, dict(zip(columns, cells, strict=True))) == expected


EMPTY_VALUES = [
    ("first_name last_name", FIRST_LAST, ("Ben", ""), "Ben"),
    ("first_name last_name", FIRST_LAST, ("Anna", ""), "none"),
    ("first_name age", ("first_name", "age"), ("Ben", ""), "Ben"),
    ("last_name age", ("last_name", "age"), ("Ode", ""), "none"),
    ("nickname last_name", ("nickname", "last_name"), ("", "Ode"), "Anna Ode"),
    ("nickname last_name", ("nickname", "last_name"), ("", "Bell"), "Anna Bell"),
    ("nickname first_name", ("nickname", "first_name"), ("", "Anna"), "ambiguous"),
    # Left out of |, at whichever depth.
    ("first_name last_name |", FIRST_LAST, ("Ben", ""), "Ben"),
    ("first_name last_name |", FIRST_LAST, ("", "Bell"), "Anna Bell"),
    ("nickname age | first_name |", ("nickname", "age", "first_name"), ("", "", "Ben"), "Ben"),
    ("nickname age & first_name |", ("nickname", "age", "first_name"), ("", "", "Ben"), "Ben"),
    ("last_name ~ first_name |", FIRST_LAST, ("Ben", ""), "Ben"),
    ("first_name last_name | age &", (*FIRST_LAST, "age"), ("", "Ode", "40"), "none"),
    ("first_name last_name | age &", (*FIRST_LAST, "age"), ("", "Bell", "40"), "Anna Bell"),
    # A | that has lost all its operands finds nothing; what else is asked for must not be enough.
    ("first_name last_name | age &", (*FIRST_LAST, "age"), ("", "", "40"), "none"),
    ("first_name last_name | ~ age &", (*FIRST_LAST, "age"), ("", "", "40"), "none"),
    # Not left out of &: empty has to be empty, and ~ of it has to be filled.
    ("last_name ~ age &", ("last_name", "age"), ("", "40"), "Anna Bell"),
    ("last_name ~ first_name &", FIRST_LAST, ("Ben", ""), "none"),
    ("nickname ~ last_name &", ("nickname", "last_name"), ("", "Ode"), "Zoë Ode"),
    ("first_name last_name & age |", (*FIRST_LAST, "age"), ("Ben", "", "40"), "ambiguous"),
    # Blanks are text, but no number.
    ("first_name age", ("first_name", "age"), ("Ben", "  "), "Ben"),
    ("first_name last_name", FIRST_LAST, ("Ben", " "), "none"),
]


@pytest.mark.parametrize(("expression", "columns", "cells", "expected"), EMPTY_VALUES)
def test_an_empty_value_matches_empty_and_is_left_out_of_an_or(
    find: Find, people: None, expression: str, columns: Cells, cells: Cells, expected: str
) -> None:
    """I3."""
    assert find(Person, expression, dict(zip(columns, cells, strict=True))) == expected


def test_an_empty_value_of_a_number_that_cannot_be_null_matches_nothing(sync_text: Sync) -> None:
    """I3: zero is not empty."""
    Stock.objects.create(shelf="A", article="x", quantity=0)

    report = sync_text("action_flags,match_on,shelf,quantity\nu,shelf quantity,A,\n", "testapp.Stock")

    assert outcomes(report) == {"unmatched": 1}


def test_an_absent_cell_has_no_value_to_match_by(sync_text: Sync) -> None:
    """I3, C4: as if it were empty."""
    ben = Person.objects.create(first_name="Ben", age=None)
    Person.objects.create(first_name="Ben", age=5)

    report = sync_text("external_key,action_flags,match_on,first_name,age\nK,c,first_name age,Ben\n")

    assert outcomes(report) == {"linked": 1}
    assert all_keys() == {("HR", "person", "K"): str(ben.pk)}


LOOKUPS = [
    ("first_name__iexact", "BEN", "Ben"),
    ("first_name__startswith", "Zo", "Zoë Ode"),
    ("last_name__icontains", "EL", "Anna Bell"),
    ("age__gte", "40", "Anna Bell"),
    ("age__gte", " 30 ", "ambiguous"),
    ("age__isnull", "true", "Ben"),
    ("nickname__regex", "^z.$", "Zoë Ode"),
    ("birthday__year", "1990", "none"),
]


@pytest.mark.parametrize(("column", "cell", "expected"), LOOKUPS)
def test_a_lookup_compares_as_django_does(find: Find, people: None, column: str, cell: str, expected: str) -> None:
    """I2, I3: its value is converted by the lookup, and the column is never written (C3)."""
    assert find(Person, column, {column: cell}) == expected


@pytest.mark.parametrize("lookup", ["in", "range", "nonsense"])
def test_lookups_that_no_cell_can_fill_are_refused(sync_text: Sync, lookup: str) -> None:
    """I2: in the options it is a ConfigError."""
    with pytest.raises(ConfigError, match=lookup):
        sync_text(f"action_flags,age__{lookup}\nu,1\n", match_on=f"age__{lookup}")


@pytest.mark.parametrize(
    "expression",
    [
        "|",
        "~",
        "first_name |",
        "first_name last_name | |",
        "first_name last_name age |",
        "first_name & last_name",
        "nonsense",
        "first_name,last_name",
        "First_Name",
        "action_flags",
        "external_key",
    ],
)
def test_a_malformed_expression_is_the_rows_error_or_the_calls(sync_text: Sync, expression: str) -> None:
    """I2: `bad-match` if it stands in the row, ConfigError if it comes from an option."""
    person = Person.objects.create(first_name="Anna", last_name="Ode", age=30)
    cells = {"external_key": "K", "action_flags": "u*", "first_name": "Anna", "last_name": "Ode", "age": "31"}

    report = sync_text(row({**cells, "match_on": expression}), on_error="skip")

    assert [code for _, code, _ in codes(report)] == ["bad-match"]
    person.refresh_from_db()
    assert person.age == 30
    with pytest.raises(ConfigError):
        sync_text(row(cells), match_on=expression)


def test_a_match_value_is_converted_by_its_field(sync_text: Sync) -> None:
    """I3: blanks around a number, a spelling of a date, a decimal's zeros."""
    Person.objects.create(first_name="A", age=40)
    Person.objects.create(first_name="B", birthday="1990-02-13")
    Person.objects.create(first_name="C", salary="12.50")

    report = sync_text(
        "external_key,action_flags,match_on,age,birthday,salary\n"
        "1,c,age, 40 ,,\n2,c,birthday,,13 February 1990,\n3,c,salary,,,12.5\n"
    )

    assert outcomes(report) == {"linked": 3}


def test_a_match_value_that_does_not_convert_is_a_row_error(sync_text: Sync) -> None:
    """I3, V1: in deletes too."""
    report = sync_text(
        "action_flags,match_on,age\nc,age,old\nd*,age,old\nu,age,99999999999999999999\n", on_error="skip"
    )

    assert codes(report) == [(2, "invalid-integer", "age"), (3, "invalid-integer", "age"), (4, "out-of-range", "age")]


EXACT_TEXT = [
    ("first_name", ("Anna",), "Anna"),
    ("first_name", ("anna",), "none"),
    ("first_name", ("ANNA",), "none"),
    ("first_name", ("Änna",), "none"),
    ("first_name", ("Anna ",), "none"),
    ("first_name", (" Anna",), "none"),
    ("first_name", ("Tim",), "none"),
    ("first_name", ("Tim ",), "Tim"),
    ("first_name", ("Tim  ",), "none"),
    ("first_name", ("Zoë",), "Zoë"),
    ("first_name", ("Zoe",), "none"),
    ("first_name", ("Zoe\u0308",), "none"),
    ("first_name", ("\U0001f600",), "\U0001f600"),
    ("first_name", ("\U0001f601",), "none"),
    ("first_name", ("50%",), "none"),
    ("first_name", ("A_na",), "none"),
    ("first_name nickname &", ("Anna", ""), "none"),  # it is one blank
    ("first_name nickname &", ("Anna", " "), "Anna"),
    ("first_name nickname &", ("Anna", "  "), "none"),
    ("first_name ~ nickname &", ("ANNA", " "), "Anna"),
    ("first_name ~ nickname &", ("Anna ", " "), "Anna"),
    ("first_name ~ nickname &", ("Änna", " "), "Anna"),
    ("first_name ~ nickname &", ("Anna", " "), "none"),
    ("first_name nickname ~ &", ("Anna", ""), "Anna"),
    ("first_name nickname |", ("tim ", "ZO"), "none"),
    ("first_name nickname |", ("tim ", "zo"), "Zoë"),
    ("first_name nickname | ~ last_name &", ("ANNA", "ZO", "x"), "ambiguous"),
]


@pytest.mark.parametrize(("expression", "cells", "expected"), EXACT_TEXT)
def test_text_is_compared_exactly_on_every_database(find: Find, expression: str, cells: Cells, expected: str) -> None:
    """I3: case, accents, composition and blanks at the end count, negated too."""
    Person.objects.create(first_name="Anna", nickname=" ", last_name="x")
    Person.objects.create(first_name="Tim ", nickname=None, last_name="y")
    Person.objects.create(first_name="Zoë", nickname="zo", last_name="x")
    Person.objects.create(first_name="\U0001f600", nickname=None, last_name="z")
    columns = dict(zip(("first_name", "nickname", "last_name"), cells, strict=False))

    found = find(Person, expression, columns)

    assert found.removesuffix(" x").removesuffix(" y").removesuffix(" z").strip() == expected.strip()


@pytest.mark.parametrize(("cell", "expected"), [("ANNA", "linked"), ("anna", "linked"), ("Ännä", "created")])
def test_a_field_with_a_collation_compares_as_its_collation_does(sync_text: Sync, cell: str, expected: str) -> None:
    """I3: `Folded.name` ignores case; what is unique to the database is one object to the match."""
    Folded.objects.create(name="Anna")
    if expected == "created":
        cell = "Bert"

    report = sync_text(row({"action_flags": "cu*", "match_on": "name", "external_key": "K", "name": cell}), Folded)

    assert (outcomes(report) == {"created": 1}) == (expected == "created")
    assert Folded.objects.count() == (2 if expected == "created" else 1)


REFERENCES = [
    ("owner=>employee_id", {"owner=>employee_id": "E1"}, "Manor"),
    ("owner=>employee_id", {"owner=>employee_id": "e1"}, "none"),
    ("owner=>employee_id", {"owner=>employee_id": "E9"}, "none"),
    ("owner=>first_name", {"owner=>first_name": "Bruce"}, "Manor"),
    ("owner=>first_name", {"owner=>first_name": "bruce "}, "none"),
    ("owner=>company__name", {"owner=>company__name": "Wayne"}, "Manor"),
    ("owner=>first_name__iexact", {"owner=>first_name__iexact": "BRUCE"}, "Manor"),
    ("owner=>external_key", {"owner=>external_key": "B"}, "Manor"),
    ("owner=>external_key", {"owner=>external_key": "b"}, "none"),
    ("owner=>external_key", {"owner=>external_key": "nobody"}, "none"),
    ("owner=>external_key@ERP", {"owner=>external_key@ERP": "C-1"}, "Cave"),
    ("owner=>external_key address", {"owner=>external_key": "", "address": "Empty"}, "Empty"),
    ("owner=>external_key address", {"owner=>external_key": "", "address": "Manor"}, "none"),
    ("owner=>external_key address |", {"owner=>external_key": "", "address": "Manor"}, "Manor"),
    ("owner=>external_key ~ address &", {"owner=>external_key": "B", "address": "Cave"}, "Cave"),
    ("owner=>external_key ~ address &", {"owner=>external_key": "B", "address": "Empty"}, "Empty"),
    ("owner=>external_key ~ address &", {"owner=>external_key": "B", "address": "Manor"}, "none"),
    ("owner=>employee_id ~ address &", {"owner=>employee_id": "E1", "address": "Empty"}, "Empty"),
    ("owner=>employee_id address |", {"owner=>employee_id": "E1", "address": "Cave"}, "ambiguous"),
    ("owner=>employee_id address", {"owner=>employee_id": "", "address": "Empty"}, "Empty"),
    ("owner=>employee_id address", {"owner=>employee_id": "", "address": "Cave"}, "Cave"),
]


@pytest.mark.parametrize(("expression", "cells", "expected"), REFERENCES)
def test_a_reference_column_serves_as_a_match(
    find: Find, expression: str, cells: dict[str, str], expected: str
) -> None:
    """I2, I3, R2: by a field of the other object, or by its key; empty means no such object, or none at all."""
    company = Company.objects.create(name="Wayne")
    bruce = Person.objects.create(first_name="Bruce", employee_id="E1", company=company)
    clark = Person.objects.create(first_name="Clark", employee_id=None)
    link(bruce, "B")
    link(clark, "C-1", "ERP")
    for address, owner in (("Manor", bruce), ("Cave", clark), ("Empty", None)):
        House.objects.create(address=address, owner=owner)

    assert find(House, expression, cells) == expected


@pytest.mark.parametrize("flags", ["c", "u*", "d*"])
def test_a_key_that_no_database_can_compare_is_an_error_of_its_row(sync_text: Sync, flags: str) -> None:
    """I1, R2, V4: a NUL character, in the row's key and in a reference to one; the other rows are applied."""
    report = sync_text(
        "external_key,action_flags,match_on,owner=>external_key,address\n"
        f"1,{flags},owner=>external_key,a\0b,Manor\na\0b,{flags},address,,Cave\n3,c,,,Hut\n",
        House,
        on_error="skip",
    )

    assert outcomes(report) == {"failed": 2, "created": 1}
    assert codes(report) == [(2, "nul-character", "owner=>external_key"), (3, "nul-character", "external_key")]


def test_a_match_through_a_key_finds_what_an_earlier_row_linked(sync_texts: Sync) -> None:
    """I2, R2, T1: the second file's match goes by the mapping that the first has just made."""
    texts = (
        ("HR", "testapp.Person", "external_key,action_flags,first_name\nB,c,Bruce\n"),
        (
            "HR",
            "testapp.House",
            "external_key,action_flags,match_on,owner=>external_key,address,floors\n"
            "1,cu*,owner=>external_key,B,Manor,2\n2,cu*,owner=>external_key address,B,Cave,1\n",
        ),
    )

    assert outcomes(sync_texts(*texts)) == {"created": 3}
    assert outcomes(sync_texts(*texts)) == {"unchanged": 3}


def test_names_in_a_match_are_those_after_map(sync_text: Sync) -> None:
    """I2, C2."""
    anna = Person.objects.create(first_name="Anna")

    report = sync_text(
        "Key,Vorname,Alter\nK,Anna,30\n",
        external_key_column="Key",
        map=(("Vorname", "first_name"), ("Alter", "age")),
        match_on="first_name",
        action_flags="u*",
    )

    anna.refresh_from_db()
    assert outcomes(report) == {"updated": 1}
    assert anna.age == 30
