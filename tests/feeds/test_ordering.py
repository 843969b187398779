"""The order of feeds."""

from __future__ import annotations

import pytest

from nsync.feeds.feed import Feed
from nsync.feeds.ordering import in_order
from nsync.options import SyncOptions


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
