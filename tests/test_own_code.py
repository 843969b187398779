"""The project's own code in the way: ``save()``, property getters, hooks; it loses no data and ends in no traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import transaction
from django.db.models.signals import post_save

from nsync.record.report import Report
from tests.telling import codes, outcomes
from tests.testapp.models import Product, Profile, Saved, Signalled

Sync = Callable[..., Report]


def test_a_create_never_overwrites_an_object_with_the_same_primary_key(sync_text: Sync) -> None:
    """A1, C3: also where the model's own save() does not take force_insert."""
    Saved.objects.create(id=1, name="OLD", value="precious")

    report = sync_text("action_flags,match_on,id,name,value\nc,name,1,NEW,x\n", Saved, map=(("id", "id"),))

    assert codes(report) == [(2, "unique", "id")]
    assert list(Saved.objects.values_list("name", "value")) == [("OLD", "precious")]


def test_a_getter_that_fails_is_an_error_of_its_row(sync_text: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    """V6, T4."""

    def broken(profile: Profile) -> str:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(Profile, "full_name", property(broken, lambda profile, text: None))
    Profile.objects.create(login="bw")

    report = sync_text(
        "action_flags,match_on,login,full_name\nu*,login,bw,Bruce Wayne\nc,login,hs,\n",
        "testapp.Profile",
        on_error="skip",
    )

    assert codes(report) == [(2, "refused", "full_name")]
    assert outcomes(report) == {"failed": 1, "created": 1}


def test_a_save_that_saves_nothing_is_an_error_of_its_row(sync_text: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    """A1: no mapping to an object that does not exist."""
    monkeypatch.setattr(Saved, "save", lambda saved: None)

    report = sync_text("external_key,action_flags,name\nk,c,x\n", Saved)

    assert codes(report) == [(2, "refused", "")]


@pytest.fixture
def failing_hook() -> Iterator[None]:
    """Have the project do something after each commit that fails."""

    def hook() -> None:
        raise ZeroDivisionError("division by zero")

    def receiver(**_: Any) -> None:
        transaction.on_commit(hook)

    post_save.connect(receiver, sender=Signalled)
    yield
    post_save.disconnect(receiver, sender=Signalled)


@pytest.mark.django_db(transaction=True)
def test_a_hook_that_fails_after_the_commit_does_not_hide_that_it_was_committed(
    failing_hook: None, sync_text: Sync
) -> None:
    """T7: rows are in the database, so the exit code is not the one that says that none is."""
    report = sync_text("action_flags,match_on,name\nc,name,x\n", Signalled)

    assert report.committed
    assert "ZeroDivisionError" in report.error
    assert report.exit_code == 3
    assert Signalled.objects.count() == 1


@pytest.mark.database("postgresql")
def test_an_object_that_holds_nan_can_be_updated(sync_text: Sync) -> None:
    """T8: not a number equals nothing, but nobody changed it."""
    Product.objects.create(sku="x", weight=float("nan"))

    report = sync_text("action_flags,match_on,sku,name\nu*,sku,x,Lamp\n", Product)

    assert outcomes(report) == {"updated": 1}
