"""The order of feeds."""

from __future__ import annotations

import pytest
from django.db import models
from django.test.utils import isolate_apps

from nsync.feeds.feed import Feed
from nsync.feeds.ordering import in_order
from nsync.options import SyncOptions
from tests.testapp.models import Person


def feed(name: str, model: str, *targets: str, contract: str = "at-least") -> Feed:
    columns = tuple((str(number), target) for number, target in enumerate(targets))
    options = SyncOptions(map=columns, contract=contract)  # type: ignore[arg-type]
    return Feed(name=name, system="S", model=f"testapp.{model}", options=options)


@pytest.mark.parametrize(
    ("feeds", "order"),
    [
        ([feed("rooms", "Room"), feed("houses", "House"), feed("persons", "Person")], "persons houses rooms"),
        ([feed("a", "Tag"), feed("b", "Company")], "a b"),
        ([feed("hr", "Person"), feed("erp", "Person"), feed("tags", "Tag")], "tags hr erp"),
        ([feed("hr", "Person"), feed("erp", "Person", contract="exact"), feed("tags", "Tag")], "tags hr erp"),
        ([feed("houses", "House", contract="exact"), feed("persons", "Person")], "houses persons"),
        ([feed("houses", "House", "owner=>age", contract="exact"), feed("persons", "Person")], "persons houses"),
        ([feed("houses", "House", "owner_id", contract="exact"), feed("persons", "Person")], "persons houses"),
    ],
)
def test_what_others_refer_to_comes_first_and_else_the_order_stays(feeds: list[Feed], order: str) -> None:
    assert " ".join(one.name for one in in_order(feeds).feeds) == order


def test_a_relation_that_a_column_names_counts_more_than_one_that_a_file_may_name() -> None:
    """A person may name its houses, and a house its owner."""
    found = in_order([feed("houses", "House", contract="any"), feed("persons", "Person", "houses=>address")])

    assert [one.name for one in found.feeds] == ["houses", "persons"]
    assert found.cycles == []


def test_feeds_that_name_each_other_are_a_cycle_that_is_named() -> None:
    found = in_order(
        [feed("tags", "Tag"), feed("houses", "House", "owner=>age"), feed("persons", "Person", "houses=>address")]
    )

    assert found.cycles == [["persons", "houses", "persons"]]
    assert [one.name for one in found.feeds] == ["tags", "persons", "houses"]


def test_a_feed_that_refers_to_its_own_model_needs_no_other() -> None:
    assert in_order([feed("persons", "Person", "manager=>employee_id")]).needs == {"persons": []}


@pytest.mark.parametrize(
    "options",
    [
        SyncOptions(only_columns=("address", "owner=>employee_id")),
        SyncOptions(only_columns=("address", " owner_id ")),
        SyncOptions(header=("address", "owner=>employee_id")),
        SyncOptions(match_on="address owner=>employee_id", contract="exact"),
        SyncOptions(set=(("owner=>employee_id", "1"),), contract="exact"),
    ],
)
def test_whatever_names_a_column_names_what_it_refers_to(options: SyncOptions) -> None:
    houses = Feed(name="houses", system="S", model="testapp.House", options=options)

    found = in_order([houses, feed("persons", "Person")])

    assert [one.name for one in found.feeds] == ["persons", "houses"]


@pytest.mark.parametrize("target", ["owner=>company__name", "owner => company__name", "owner__company__name__iexact"])
def test_what_is_on_the_way_of_a_reference_comes_first_too(target: str) -> None:
    found = in_order([feed("houses", "House", target, contract="exact"), feed("companies", "Company")])

    assert [one.name for one in found.feeds] == ["companies", "houses"]


def test_the_way_of_a_signed_reference_is_followed() -> None:
    found = in_order([feed("tags", "Tag", "persons=>+company__name", contract="exact"), feed("companies", "Company")])

    assert [one.name for one in found.feeds] == ["companies", "tags"]


def test_a_column_that_is_mapped_to_something_else_names_no_relation() -> None:
    options = SyncOptions(map=(("owner", "country"),), only_columns=("owner",))
    houses = Feed(name="houses", system="S", model="testapp.House", options=options)

    assert in_order([houses, feed("persons", "Person")]).needs == {"houses": [], "persons": []}


@isolate_apps("tests.testapp")
def test_a_foreign_key_may_be_called_like_the_column_of_one() -> None:
    class Deal(models.Model):
        legal_id = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="+")

        class Meta:
            app_label = "testapp"

    options = SyncOptions(map=(("Nr", "legal_id=>age"),), contract="exact")
    deals = Feed(name="deals", system="S", model=Deal, options=options)  # type: ignore[arg-type]  # not among the apps

    found = in_order([deals, feed("persons", "Person")])

    assert [one.name for one in found.feeds] == ["persons", "deals"]
