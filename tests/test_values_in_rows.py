"""Empty and absent cells, and what a column cannot hold: the same on every database (rules V1, V3, V4)."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from nsync.policies import OrderedSyncPolicy
from nsync.record.report import Report
from tests.telling import codes, noting_saves, outcomes
from tests.testapp.models import Asset, DbDefault, Person, Price, Product, Recipe, Room

NOTHING: Any = object()  # the column is absent
FILLED: dict[str, Any] = {
    "name": "Lamp",
    "price": Decimal("1.50"),
    "status": "sale",
    "priority": 3,
    "metadata": {"a": 1},
    "notes": "x",
    "weight": 1.5,
    "released": datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC),
    "opens": datetime.time(8, 30),
    "duration": datetime.timedelta(hours=1),
    "ref": uuid.UUID(int=1),
    "quantity": 7,
    "big": 2**40,
    "is_public": False,
    "slug": "lamp",
}
TEXTS = ("name", "slug")
NULLABLE = ("price", "notes", "weight", "released", "opens", "duration", "ref", "big", "is_public")
NEITHER = {"priority": 2, "metadata": {}, "quantity": 0}  # field → default
ABSENT = {**dict.fromkeys(TEXTS, ""), **dict.fromkeys(NULLABLE), **NEITHER, "status": "draft"}
EMPTY = {**ABSENT, "status": ""}  # it holds text, so '' comes before its default


def products(text: str, sync_text: Callable[..., Report], flags: str, **options: Any) -> Report:
    return sync_text(text, Product, action_flags=flags, match_on="sku", **options)


# --- V3: empty and absent, on create --------------------------------------------------------------------------------


@pytest.mark.parametrize("flags", ["c", "cu", "cu*"])
def test_empty_cells_on_create(sync_text: Callable[..., Report], flags: str) -> None:
    """V3, A1: NULL where nullable, else '' for text, else the default; a forced second run changes nothing (A7)."""
    text = f"sku,{','.join(FILLED)}\nS1{',' * len(FILLED)}\n"

    assert outcomes(products(text, sync_text, flags)) == {"created": 1}
    assert Product.objects.values(*EMPTY).get() == EMPTY
    with noting_saves() as saved:
        assert outcomes(products(text, sync_text, flags)) == {"unchanged": 1}
    assert saved == []


@pytest.mark.parametrize("flags", ["c", "cu", "cu*"])
@pytest.mark.parametrize("text", ["sku\nS1\n", f"sku,{','.join(FILLED)}\nS1\n"], ids=["columns", "cells"])
def test_absent_columns_and_cells_on_create(sync_text: Callable[..., Report], flags: str, text: str) -> None:
    """V3, C4: the default, else NULL if nullable, else '' for text, whatever ``blank`` says."""
    report = products(text, sync_text, flags)

    assert (outcomes(report), codes(report)) == ({"created": 1}, [])
    assert Product.objects.values(*ABSENT).get() == ABSENT


def test_a_default_comes_before_null_and_the_empty_text_where_a_column_is_absent(
    sync_text: Callable[..., Report],
) -> None:
    """V3: hair_colour has a default; first_name may not be blank, and is '' all the same."""
    report = sync_text("external_key\nK\n", action_flags="c")

    assert outcomes(report) == {"created": 1}
    names = ("first_name", "hair_colour", "nickname", "active")
    assert Person.objects.values_list(*names).get() == ("", "Unknown", None, True)


@pytest.mark.parametrize(
    ("model", "text", "columns"),
    [
        (Room, "name\nHall\n", ["house"]),
        (Room, "name,house=>address\nHall,\n", ["house=>address"]),
        (Price, "currency=>code,amount\n,\n,1\n", ["currency=>code", "product", "amount"]),
    ],
    ids=["absent", "empty", "several, each by its header"],
)
def test_what_has_neither_value_nor_default_is_a_row_error(
    sync_text: Callable[..., Report], model: type[Any], text: str, columns: list[str]
) -> None:
    """V3: required, for every such column at once."""
    report = sync_text("external_key," + text.replace("\n", "\nK,", 1), model, action_flags="cu*", on_error="skip")

    found = [(code, column) for line, code, column in codes(report) if line == 2]
    assert sorted(found) == sorted(("required", column) for column in columns)


# --- V3: empty and absent, on update --------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [None, OrderedSyncPolicy], ids=["basic", "ordered"])
def test_empty_cells_on_a_forced_update(sync_text: Callable[..., Report], policy: Any) -> None:
    """V3, A3: what cannot be empty stays, with the warning empty-kept; the second run changes nothing."""
    Product.objects.create(sku="S1", **FILLED)
    text = f"sku,{','.join(FILLED)}\nS1{',' * len(FILLED)}\n"

    report = products(text, sync_text, "u*", policy=policy)

    expected = {**EMPTY, **{name: FILLED[name] for name in NEITHER}}
    assert outcomes(report) == {"updated": 1}
    assert Product.objects.values(*expected).get() == expected
    assert sorted(codes(report)) == sorted((2, "empty-kept", name) for name in NEITHER)
    assert report.warnings == {"empty-kept": len(NEITHER)}
    with noting_saves() as saved:
        assert outcomes(products(text, sync_text, "u*", policy=policy)) == {"unchanged": 1}
    assert saved == []


@pytest.mark.parametrize("flags", ["u", "cu", "c"])
def test_empty_cells_in_an_unforced_update_empty_nothing(sync_text: Callable[..., Report], flags: str) -> None:
    """V3, A3."""
    Product.objects.create(sku="S1", **FILLED)

    with noting_saves() as saved:
        report = products(f"sku,{','.join(FILLED)}\nS1{',' * len(FILLED)}\n", sync_text, flags)

    assert outcomes(report) == {"unchanged": 1}
    assert saved == []


def test_absent_columns_and_cells_on_update_are_left(sync_text: Callable[..., Report]) -> None:
    """C4, A3: not even a default is written."""
    Product.objects.create(sku="S1", **FILLED)

    assert outcomes(products("sku,quantity,status\nS1\n", sync_text, "cu*")) == {"unchanged": 1}
    assert Product.objects.values(*FILLED).get() == FILLED


def test_an_unforced_update_fills_what_is_empty(sync_text: Callable[..., Report]) -> None:
    """A3: None and '' are empty; 0, False, and an empty object are values."""
    Product.objects.create(sku="S1", **{**EMPTY, "is_public": False, "weight": 0})
    text = "sku,name,price,quantity,metadata,is_public,weight,notes\nS1,Lamp,1.5,7,{},yes,2,x\n"

    report = products(text.replace("{}", '"{""a"": 1}"'), sync_text, "u")

    assert outcomes(report) == {"updated": 1}
    assert Product.objects.values_list(
        "name", "price", "quantity", "metadata", "is_public", "weight", "notes"
    ).get() == ("Lamp", Decimal("1.50"), 0, {}, False, 0.0, "x")


@pytest.mark.parametrize("stored", ["", None])
def test_in_nullable_text_null_and_the_empty_text_are_one(sync_text: Callable[..., Report], stored: str | None) -> None:
    """A7, V3: an empty cell changes neither into the other."""
    bruce = Person.objects.create(first_name="Bruce", nickname=stored)

    with noting_saves() as saved:
        report = sync_text("first_name,nickname\nBruce,\n", action_flags="cu*", match_on="first_name")

    bruce.refresh_from_db()
    assert (outcomes(report), saved, bruce.nickname) == ({"unchanged": 1}, [], stored)


# --- V3: columns that fill themselves -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "colour"),
    [("name", "grey"), ("name,colour,created", "")],
    ids=["absent", "empty"],
)
@pytest.mark.parametrize("flags", ["c", "cu", "cu*"])
def test_what_the_database_fills(sync_text: Callable[..., Report], columns: str, colour: str, flags: str) -> None:
    """V3: db_default is a default; text is '' if its cell is empty."""
    text = f"{columns}\nx{',' * columns.count(',')}\n"
    options = {"action_flags": flags, "match_on": "name"}

    assert outcomes(sync_text(text, DbDefault, **options)) == {"created": 1}
    made = DbDefault.objects.get()
    assert (made.colour, made.quantity, made.doubled) == (colour, 1, 2)
    assert made.created is not None
    with noting_saves() as saved:
        assert outcomes(sync_text(text, DbDefault, **options)) == {"unchanged": 1}
    assert saved == []


def test_generated_and_stamped_columns_are_ignored_and_said(sync_text: Callable[..., Report]) -> None:
    """C3, V3: what Django or the database fills whatever is assigned."""
    report = sync_text("name,quantity,doubled\nx,4,99\n", DbDefault, action_flags="cu*", match_on="name")

    assert outcomes(report) == {"created": 1}
    assert DbDefault.objects.values_list("quantity", "doubled").get() == (4, 8)
    assert [problem.column for problem in report.sources[0].columns] == ["doubled"]

    sync_text("first_name,modified\nBruce,2001-01-01\n", action_flags="cu*", match_on="first_name")
    assert Person.objects.get().modified.year > 2020


def test_auto_now_moves_only_when_something_changes(sync_text: Callable[..., Report]) -> None:
    """A7."""
    Person.objects.create(first_name="Bruce", age=40)
    long_ago = datetime.datetime(2001, 1, 1, tzinfo=datetime.UTC)
    Person.objects.update(modified=long_ago)
    options = {"action_flags": "cu*", "match_on": "first_name"}

    sync_text("first_name,age\nBruce,40\n", **options)
    assert Person.objects.get().modified == long_ago
    sync_text("first_name,age\nBruce,41\n", **options)
    assert Person.objects.get().modified > long_ago


@pytest.mark.parametrize("text", ["name\nx\n", "name,id\nx,\n"], ids=["absent", "empty"])
def test_a_uuid_key_takes_its_default_and_keeps_it(sync_text: Callable[..., Report], text: str) -> None:
    """V3, C3."""
    options = {"action_flags": "cu*", "match_on": "name"}

    assert outcomes(sync_text(text, Asset, **options)) == {"created": 1}
    key = Asset.objects.get().pk
    assert outcomes(sync_text(text, Asset, **options)) == {"unchanged": 1}
    assert Asset.objects.get().pk == key


@pytest.mark.parametrize(
    ("text", "ingredients"),
    [("name\nx\n", []), ("name,ingredients\nx,\n", []), ('name,ingredients\nx,"eggs, flour"\n', ["eggs", "flour"])],
    ids=["absent", "empty", "filled"],
)
@pytest.mark.parametrize("flags", ["cu", "cu*"])
def test_a_field_of_the_projects_own(
    sync_text: Callable[..., Report], text: str, ingredients: list[str], flags: str
) -> None:
    """V3, A7: its values are lists; the same file again changes nothing."""
    options = {"action_flags": flags, "match_on": "name"}

    assert outcomes(sync_text(text, Recipe, **options)) == {"created": 1}
    assert Recipe.objects.get().ingredients == ingredients
    with noting_saves() as saved:
        assert outcomes(sync_text(text, Recipe, **options)) == {"unchanged": 1}
    assert saved == []


def test_a_field_of_the_projects_own_is_emptied(sync_text: Callable[..., Report]) -> None:
    """V3, A7."""
    Recipe.objects.create(name="x", ingredients=["eggs"])
    options = {"action_flags": "u*", "match_on": "name"}

    assert outcomes(sync_text("name,ingredients\nx,\n", Recipe, **options)) == {"updated": 1}
    assert Recipe.objects.get().ingredients == []
    assert outcomes(sync_text("name,ingredients\nx,\n", Recipe, **options)) == {"unchanged": 1}


# --- V1: which cells are read ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flags", "columns", "row", "found"),
    [
        ("u", "first_name,age", "Bruce,forty", [(2, "invalid-integer", "age")]),  # its age is set already
        ("c", "first_name,age", "Bruce,forty", [(2, "invalid-integer", "age")]),
        ("u*", "first_name,age", "Nobody,forty", [(2, "invalid-integer", "age")]),
        (
            "u*",
            "first_name,age,active",
            "Bruce,x,y?",
            [(2, "invalid-integer", "age"), (2, "invalid-boolean", "active")],
        ),
        ("u", "first_name,company=>id", "Bruce,x", [(2, "invalid-integer", "company=>id")]),
        ("d*", "first_name,age,company=>id", "Bruce,forty,x", []),
        ("d*", "age,first_name", "forty,Bruce", [(2, "invalid-integer", "age")]),  # matched by age
    ],
)
def test_every_present_cell_of_a_create_or_update_row_is_read(
    sync_text: Callable[..., Report], flags: str, columns: str, row: str, found: list[Any]
) -> None:
    """V1: set or not; in a delete row only key and match."""
    Person.objects.create(first_name="Bruce", age=40)

    report = sync_text(f"{columns}\n{row}\n", action_flags=flags, match_on=columns.split(",")[0])

    assert codes(report) == found
    assert outcomes(report) == {"failed" if found else "deleted": 1}


# --- V4: what a column cannot hold ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "cell", "code"),
    [
        ("name", "x" * 101, "too-long"),
        ("name", "ü" * 101, "too-long"),
        ("sku", "x" * 21, "too-long"),
        ("slug", "x" * 51, "too-long"),
        ("status", "x" * 11, "invalid-choice"),
        ("name", "a\0b", "nul-character"),
        ("notes", "a\0b", "nul-character"),
        ("metadata", '"{""a"": ""x\\u0000""}"', "nul-character"),
        ("priority", "2147483648", "invalid-choice"),
        ("quantity", "-1", "out-of-range"),
        ("quantity", "65536", "out-of-range"),
        ("big", "9223372036854775808", "out-of-range"),
        ("weight", "1e999", "out-of-range"),
        ("price", "1234567.5", "too-many-digits"),
        ("price", "1.505", "decimals-lost"),
        ("weight", "nan", "invalid-float"),
        ("price", "inf", "invalid-decimal"),
    ],
)
@pytest.mark.parametrize("flags", ["cu*", "u"])
def test_what_the_column_cannot_hold_is_an_error_on_every_database(
    sync_text: Callable[..., Report], column: str, cell: str, code: str, flags: str
) -> None:
    """V4: the same codes, whatever the database would do."""
    if column == "sku":
        report = sync_text(f"external_key,sku\nK,{cell}\n", Product, action_flags=flags)
    else:
        report = products(f"sku,{column}\nS1,{cell}\n", sync_text, flags)

    assert codes(report) == [(2, code, column)]
    assert outcomes(report) == {"failed": 1}
    assert not Product.objects.exists()


@pytest.mark.parametrize(
    ("column", "cell", "value"),
    [
        ("name", "ü" * 100, "ü" * 100),
        ("name", "\U0001f980" * 100, "\U0001f980" * 100),
        ("quantity", "32767", 32767),
        ("big", "-9223372036854775808", -(2**63)),
        ("price", "999999.99", Decimal("999999.99")),
        ("price", "1.500", Decimal("1.50")),
        ("price", "-0", Decimal(0)),
        ("weight", "1e-300", 1e-300),
        ("released", "2024-01-02T03:04:05.123456Z", datetime.datetime(2024, 1, 2, 3, 4, 5, 123456, datetime.UTC)),
        ("released", "2024-01-02 03:04", datetime.datetime(2024, 1, 2, 2, 4, tzinfo=datetime.UTC)),
        ("opens", "23:59:59.999999", datetime.time(23, 59, 59, 999999)),
        ("duration", "100 00:00:00.000001", datetime.timedelta(days=100, microseconds=1)),
        ("metadata", '"{""b"": [1, 1.5, null, true, ""ü""], ""a"": {}}"', {"b": [1, 1.5, None, True, "ü"], "a": {}}),
        ("status", "On sale", "sale"),
        ("notes", '" a\n b "', " a\n b "),
        ("ref", "{00000000-0000-0000-0000-000000000001}", uuid.UUID(int=1)),
    ],
)
def test_what_the_column_can_hold_comes_back_and_is_the_same_the_second_time(
    sync_text: Callable[..., Report], column: str, cell: str, value: object
) -> None:
    """V1, V4, A7: on every database."""
    text = f"sku,{column}\nS1,{cell}\n"

    assert outcomes(products(text, sync_text, "cu*")) == {"created": 1}
    assert Product.objects.values_list(column, flat=True).get() == value
    with noting_saves() as saved:
        assert outcomes(products(text, sync_text, "cu*")) == {"unchanged": 1}
    assert saved == []


def test_rounded_decimals_are_the_same_the_second_time(sync_text: Callable[..., Report]) -> None:
    """V4, A7: --round-decimals rounds half-even; --decimal-comma."""
    text = 'sku;price\nS1;"1.234,565"\nS2;0,575\n'
    options = {"round_decimals": True, "decimal_comma": True, "delimiter": ";"}

    assert outcomes(products(text, sync_text, "cu*", **options)) == {"created": 2}
    assert list(Product.objects.order_by("sku").values_list("price", flat=True)) == [
        Decimal("1234.56"),
        Decimal("0.58"),
    ]
    assert outcomes(products(text, sync_text, "cu*", **options)) == {"unchanged": 2}
