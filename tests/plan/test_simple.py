"""Which comparisons Python makes as the database does, so that many rows can ask them together."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import models

from nsync.actions import EMPTY, Combined, Condition, Lookup, Operand
from nsync.fields import is_plain
from nsync.plan.simple import alternatives, canonical, first_columns, path_of, shape_of
from tests.testapp.models import (
    Asset,
    Contractor,
    Currency,
    Employee,
    Folded,
    House,
    Person,
    Price,
    Product,
    Recipe,
    Room,
    Stock,
)


class Trimmed(models.CharField):  # type: ignore[type-arg]
    """A field that reads otherwise than it writes."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        return value.strip()


class Labelled(models.CharField):  # type: ignore[type-arg]
    """A subclass that changes nothing of its values."""

    description = "a label"


class Citext(models.CharField):  # type: ignore[type-arg]
    """Text of a type that folds case."""

    def db_type(self, connection: Any) -> str:
        return "citext"


class Odd(models.IntegerField):  # type: ignore[type-arg]
    """A field whose ``exact`` is its own."""


@Odd.register_lookup
class OddExact(models.lookups.Exact):  # type: ignore[name-defined,type-arg]
    lookup_name = "exact"


def of(model: type[models.Model], name: str) -> Any:
    return model._meta.get_field(name)


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        pytest.param(of(Person, "first_name"), True, id="text"),
        pytest.param(of(Person, "email"), True, id="email"),
        pytest.param(of(Person, "age"), True, id="integer"),
        pytest.param(of(Person, "id"), True, id="numbered"),
        pytest.param(of(Person, "birthday"), True, id="date"),
        pytest.param(of(Person, "salary"), True, id="decimal"),
        pytest.param(of(Person, "active"), True, id="boolean"),
        pytest.param(of(Asset, "id"), True, id="UUID"),
        pytest.param(of(Product, "quantity"), True, id="small positive integer"),
        pytest.param(of(Product, "big"), True, id="big integer"),
        pytest.param(of(Product, "released"), True, id="datetime"),
        pytest.param(of(Product, "opens"), True, id="time"),
        pytest.param(of(Product, "duration"), True, id="duration"),
        pytest.param(of(Product, "slug"), True, id="slug"),
        pytest.param(of(Product, "weight"), True, id="float"),
        pytest.param(of(Product, "notes"), True, id="long text"),
        pytest.param(Labelled(max_length=5), True, id="a subclass that changes nothing"),
        pytest.param(of(House, "owner"), True, id="foreign key to a number"),
        pytest.param(of(Price, "currency"), True, id="foreign key to text"),
        pytest.param(of(Price, "product"), True, id="foreign key to another column"),  # holds plain text all the same
        pytest.param(of(Product, "metadata"), False, id="JSON"),
        pytest.param(models.BinaryField(), False, id="bytes"),
        pytest.param(models.GenericIPAddressField(), False, id="address"),
        pytest.param(models.FileField(), False, id="file"),
        pytest.param(of(Folded, "name"), False, id="a collation"),
        pytest.param(of(Recipe, "ingredients"), False, id="a type of the project"),
        pytest.param(Trimmed(max_length=5), False, id="from_db_value"),
        pytest.param(Citext(max_length=5), False, id="db_type"),
        pytest.param(Odd(), False, id="an exact of its own"),
        pytest.param(models.DecimalField(max_digits=15, decimal_places=2), True, id="15 digits"),
        pytest.param(models.DecimalField(max_digits=16, decimal_places=2), False, id="16 digits"),  # SQLite loses some
    ],
)
def test_a_plain_field_holds_what_it_was_given_and_compares_as_python_does(field: Any, expected: bool) -> None:
    assert is_plain(field) is expected


@pytest.mark.parametrize(
    ("model", "path", "columns"),
    [
        pytest.param(Person, "first_name", ["first_name"], id="a column"),
        pytest.param(Person, "pk", ["id"], id="the primary key"),
        pytest.param(Contractor, "age", ["age"], id="of a proxy"),
        pytest.param(House, "owner", ["owner_id"], id="a foreign key"),
        pytest.param(House, "owner_id", ["owner_id"], id="its column"),
        pytest.param(House, "owner__pk", ["owner_id"], id="the primary key behind it"),
        pytest.param(House, "owner__id", ["owner_id"], id="by its name"),
        pytest.param(House, "owner__first_name", ["owner_id", "first_name"], id="a column behind it"),
        pytest.param(Room, "house__owner__age", ["house_id", "owner_id", "age"], id="two of them"),
        pytest.param(Price, "product__name", None, id="to_field"),
        pytest.param(Price, "product", ["product_id"], id="what to_field points by"),
        pytest.param(Person, "houses__address", None, id="a reverse side"),
        pytest.param(Person, "tags__name", None, id="many-to-many"),
        pytest.param(Product, "metadata__colour", None, id="a key of JSON"),
        pytest.param(Product, "released__year", None, id="a transform"),
        pytest.param(Folded, "name", None, id="folded text"),
        pytest.param(Recipe, "ingredients", None, id="a type of the project"),
        pytest.param(Employee, "staff_number", ["staff_number"], id="of a child"),
    ],
)
def test_a_path_is_followed_through_foreign_keys_to_primary_keys(
    model: type[models.Model], path: str, columns: list[str] | None
) -> None:
    found = path_of(model, path)

    assert (None if found is None else [step.attname for step in found]) == columns


def condition(path: str, value: object, lookup: str = "exact") -> Condition:
    return Condition(path, lookup, value, True, path)


def test_comparisons_of_one_shape_differ_only_in_their_values() -> None:
    """They can be asked for together; an empty value is part of the shape."""
    first = shape_of(Person, [condition("first_name", "A"), condition("age", 1), condition("nickname", EMPTY)])
    second = shape_of(Person, [condition("first_name", "B"), condition("age", 2), condition("nickname", EMPTY)])

    assert first is not None
    assert second is not None
    assert first[0] == second[0]
    assert (first[1], second[1]) == (("A", 1), ("B", 2))
    assert first[0].paths == ("first_name", "age")
    assert [empty.path for empty in first[0].empties] == ["nickname"]


@pytest.mark.parametrize(
    ("model", "conditions"),
    [
        pytest.param(Person, [condition("first_name", "a", "iexact")], id="a lookup"),
        pytest.param(Folded, [condition("name", "a")], id="folded text"),
        pytest.param(Person, [condition("first_name", "a"), condition("tags__name", "t")], id="another table"),
        pytest.param(Person, [condition("first_name", "a\0")], id="a NUL character"),
    ],
)
def test_other_comparisons_have_no_shape(model: type[models.Model], conditions: list[Condition]) -> None:
    """Only the database can make them."""
    assert shape_of(model, conditions) is None


def operand(name: str) -> Operand:
    return Operand(condition(name, name))


def no_references(lookup: Lookup) -> tuple[()]:
    return ()


A, B, C, D = map(operand, "abcd")


@pytest.mark.parametrize(
    ("match", "groups"),
    [
        pytest.param(A, ["a"], id="one"),
        pytest.param(Combined("&", (A, B)), ["ab"], id="and"),
        pytest.param(Combined("|", (A, B)), ["a", "b"], id="or"),
        pytest.param(Combined("|", ()), [], id="or, of nothing"),  # finds nothing
        pytest.param(Combined("&", (A, Combined("|", (B, C)))), ["ab", "ac"], id="and, or"),
        pytest.param(
            Combined("&", (Combined("|", (A, B)), Combined("|", (C, D)))), ["ac", "ad", "bc", "bd"], id="or, and, or"
        ),
        pytest.param(Combined("~", (A,)), None, id="not"),
        pytest.param(Combined("|", (A, Combined("~", (B,)))), None, id="or not"),
        pytest.param(Combined("|", (A,) * 17), None, id="too many"),
    ],
)
def test_an_expression_is_given_as_alternatives(match: Any, groups: list[str] | None) -> None:
    """I2: one of the groups must hold, and of a group all."""
    found = alternatives(match, no_references)

    assert (None if found is None else ["".join(one.path for one in group) for group in found]) == groups


def test_first_columns_are_those_of_the_model_itself() -> None:
    conditions = [condition("owner__first_name", "x"), condition("address", "y"), condition("rooms__name", "z")]

    assert first_columns(House, conditions) == {"owner_id", "address"}


BERLIN = ZoneInfo("Europe/Berlin")
TWICE = datetime.datetime(2024, 10, 27, 2, 30, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (None, "", True),
        (None, EMPTY, True),
        (0, EMPTY, False),
        (False, EMPTY, False),
        (Decimal("1.50"), Decimal("1.5"), True),
        ("a", "A", False),
        ("é", "e\u0301", False),
        (TWICE, TWICE.astimezone(datetime.UTC), True),
        (TWICE, TWICE.replace(fold=1).astimezone(datetime.UTC), False),
    ],
    ids=["null", "null, empty", "zero", "false", "decimals", "case", "accents", "the first of two", "the second"],
)
def test_values_that_the_database_takes_for_equal_are_equal_in_a_dictionary(
    one: object, other: object, equal: bool
) -> None:
    """I3."""
    assert (canonical(other) in {canonical(one): 1}) is equal


@pytest.mark.parametrize("model", [Stock, Currency, Person])
def test_every_column_of_ordinary_models_is_plain(model: type[models.Model]) -> None:
    fields: list[Any] = list(model._meta.concrete_fields)

    assert [field.name for field in fields if not is_plain(field)] == []
