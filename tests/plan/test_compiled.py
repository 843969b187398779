"""Queries that are compiled once answer as Django does, and those that could not are left to Django."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db import models
from django.test.utils import isolate_apps

from nsync.actions import EMPTY, Condition
from nsync.plan.compiled import CompiledQueries
from tests.testapp.models import Asset, Company, DbDefault, Folded, Person, Product, Recipe, Stock

pytestmark = pytest.mark.django_db


def _where(**wanted: object) -> list[Condition]:
    """Give conditions as the decoder does: text is compared exactly."""
    return [Condition(name, "exact", value, isinstance(value, str), name) for name, value in wanted.items()]


def _names(rows: Any) -> list[Any]:
    return sorted(row[0] for row in rows)


def test_text_is_compared_exactly_on_every_database() -> None:
    """I3."""
    written = ("Wayne", "WAYNE", "Wáyne")
    Person.objects.bulk_create(Person(first_name=name) for name in written)
    queries = CompiledQueries("default")

    for name in (*written, "wayne", "Wayne ", "%", "' OR 1=1 --"):
        rows = queries.rows(Person, ("first_name",), _where(first_name=name))
        assert _names(rows) == ([name] if name in written else [])


def test_a_statement_is_used_again_with_other_values_in_the_same_places() -> None:
    wayne, stark = (Company.objects.create(name=name) for name in ("Wayne", "Stark"))
    for name, company in (("Bruce", wayne), ("Tony", stark)):
        Person.objects.create(first_name=name, last_name=name, age=40, company=company)
    queries = CompiledQueries("default")

    def found(first: str, last: str, company: int) -> list[Any]:
        wanted = _where(first_name=first, last_name=last, age=40, company=company)
        return _names(queries.rows(Person, ("first_name", "company_id"), wanted) or ())

    assert queries.rows(Person, ("first_name",), _where(first_name="Tony", last_name="Tony")) is None  # which is which?
    assert found("Bruce", "Wayne", wayne.pk) == []
    assert found("Bruce", "Bruce", wayne.pk) == ["Bruce"]
    assert found("Tony", "Tony", stark.pk) == ["Tony"]
    assert found("Tony", "Tony", wayne.pk) == []


def test_two_rows_stand_for_more() -> None:
    Person.objects.bulk_create(Person(first_name="Bruce") for _ in range(3))

    assert len(CompiledQueries("default").rows(Person, ("id",), _where(first_name="Bruce")) or ()) == 2


def test_values_come_as_django_gives_them() -> None:
    """Booleans, decimals, JSON, UUIDs, and what a field's own ``from_db_value()`` makes of a column."""
    asset = Asset.objects.create(name="Batmobile")
    product = Product.objects.create(
        sku="S1", price="9.50", metadata={"a": [1, True]}, ref=uuid.uuid4(), is_public=True
    )
    recipe = Recipe.objects.create(name="Tea", ingredients=["water", "leaves"])
    filled = DbDefault.objects.create(name="A", quantity=4)
    queries = CompiledQueries("default")

    for instance, wanted in (
        (asset, _where(pk=asset.pk)),
        (product, _where(sku="S1")),
        (recipe, _where(name="Tea")),
        (filled, _where(name="A")),
    ):
        model = type(instance)
        names = tuple(field.attname for field in model._meta.concrete_fields)
        for _ in range(2):  # when it is compiled, and when it is used again
            (row,) = queries.rows(model, names, wanted) or ()
            assert tuple(row) == model.objects.values_list(*names).get()


@pytest.mark.parametrize(
    ("model", "conditions"),
    [
        (Person, []),
        (Person, _where(company__name="Wayne")),
        (Person, [Condition("first_name", "iexact", "bruce", False, "first_name")]),
        (Person, _where(nickname=EMPTY)),
        (Person, _where(nickname=None)),
        (Person, _where(age=2**63)),
        (Person, _where(active=True)),
        (Product, _where(metadata="x")),
    ],
)
def test_what_may_need_another_statement_for_another_value_is_left_to_django(
    model: Any, conditions: list[Condition]
) -> None:
    assert CompiledQueries("default").rows(model, ("id",), conditions) is None


def test_a_number_beyond_its_column_finds_nothing() -> None:
    Stock.objects.create(shelf="A", article="B", quantity=1)
    queries = CompiledQueries("default")

    assert len(queries.rows(Stock, ("id",), _where(quantity=1)) or ()) == 1
    for number in (2**31, -(2**31) - 1, 2**62, -(2**63) + 1):
        assert list(queries.rows(Stock, ("id",), _where(quantity=number)) or ()) == []


def test_a_column_with_a_collation_of_its_own_compares_by_it() -> None:
    """I3."""
    Folded.objects.create(name="Wayne")
    wanted = [Condition("name", "exact", "WAYNE", False, "name")]

    assert len(CompiledQueries("default").rows(Folded, ("id",), wanted) or ()) == 1


@isolate_apps("tests.testapp")
def test_a_manager_of_the_projects_own_is_asked_each_time() -> None:
    """It may filter by the moment, or by who is asking."""

    class Tenant(models.Manager):  # type: ignore[type-arg]  # it takes arguments only in the stubs
        pass

    class Narrow(models.Model):
        name = models.CharField(max_length=50)

        tenant = Tenant()

        class Meta:
            app_label = "testapp"
            base_manager_name = "tenant"

    assert CompiledQueries("default").rows(Narrow, ("id",), _where(name="Wayne")) is None
