"""What a row means, as small CSV texts: the first examples that a reader should open."""

from __future__ import annotations

from collections.abc import Callable

from nsync.record.report import Report
from tests.telling import keys_of, outcomes
from tests.testapp.models import House, Person


def test_an_unforced_update_keeps_an_existing_value(sync_text: Callable[..., Report]) -> None:
    """A3."""
    bruce = Person.objects.create(first_name="Bruce", age=40)

    report = sync_text("action_flags,match_on,first_name,age\nu,first_name,Bruce,41\n")

    bruce.refresh_from_db()
    assert bruce.age == 40
    assert outcomes(report) == {"unchanged": 1}


def test_two_systems_feed_one_model(sync_texts: Callable[..., Report]) -> None:
    """T2, A1, A2, I1: one builds the houses, the other renovates them, and both know them by their own keys."""
    report = sync_texts(
        (
            "AsBuiltDB",
            "testapp.House",
            "external_key,action_flags,match_on,address,country,floors\n"
            "111,cu,address,221B Baker Street,England,1\n"
            "222,cu,address,Wayne Manor,Gotham City,2\n",
        ),
        (
            "RenovationsDB",
            "testapp.House",
            "external_key,action_flags,match_on,address,floors\n"
            "ABC123,u*,address,221B Baker Street,2\n"
            "ABC456,u*,address,Wayne Manor,4\n"
            "FOX123,u*,address,742 Evergreen Terrace,2\n",
        ),
    )

    assert list(House.objects.order_by("pk").values_list("address", "country", "floors")) == [
        ("221B Baker Street", "England", 2),
        ("Wayne Manor", "Gotham City", 4),
    ]
    assert keys_of(House.objects.get(floors=4)) == {("AsBuiltDB", "222"), ("RenovationsDB", "ABC456")}
    assert outcomes(report) == {"created": 2, "updated": 2, "unmatched": 1}
