"""Deletes of models with peculiar keys, managers, parents and methods (rules A5, A6, A8)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db.models.signals import post_delete

from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.plan.known import all_keys, exists, link, row
from tests.telling import keys_of, outcomes
from tests.testapp.models import (
    Asset,
    Contractor,
    Currency,
    Employee,
    Hidden,
    House,
    Person,
    Price,
    Product,
)

Sync = Callable[..., Report]

HEADER = "external_key,action_flags,match_on,first_name\n"


@pytest.fixture
def anna(db: None) -> Person:
    """Give a person whom HR calls 1."""
    person = Person.objects.create(first_name="Anna")
    link(person, "1")
    return person


@pytest.mark.parametrize("flags", ["d", "d*"])
@pytest.mark.parametrize("model", [Asset, Currency])
def test_objects_with_text_and_uuid_keys_are_deleted(sync_text: Sync, flags: str, model: Any) -> None:
    """A5, A6, A8, M1: with what hangs on them."""
    target = model.objects.create(name="x", **({"code": "EUR"} if model is Currency else {}))
    kept = model.objects.create(name="y", **({"code": "USD"} if model is Currency else {}))
    link(target, "1")
    link(kept, "2")
    if model is Currency:
        price = Price.objects.create(currency=target, product=Product.objects.create(sku="S"), amount=1)
        link(price, "p")

    report = sync_text(row({"external_key": "1", "action_flags": flags, "match_on": "name", "name": "x"}), model)

    assert outcomes(report) == {"deleted": 1}
    assert (exists(target), set(all_keys())) == (False, {("HR", model.__name__.lower(), "2")})


def test_what_refers_by_another_field_goes_along(sync_text: Sync) -> None:
    """A5, A8: a foreign key with to_field."""
    product = Product.objects.create(sku="S")
    price = Price.objects.create(currency=Currency.objects.create(code="EUR"), product=product, amount=1)
    link(price, "p", "ERP")

    report = sync_text("action_flags,match_on,sku\nd*,sku,S\n", Product)

    assert outcomes(report) == {"deleted": 1}
    assert (exists(price), all_keys()) == (False, {})


def test_a_proxy_deletes_as_its_concrete_model(sync_text: Sync, anna: Person) -> None:
    """A6, I1: keys and mappings are the concrete model's; receivers of the proxy hear of it."""
    ben = Person.objects.create(first_name="Ben")
    link(ben, "2")
    link(ben, "A", "ERP")
    heard: list[str] = []

    def on_delete(sender: Any, **kwargs: Any) -> None:
        heard.append(sender.__name__)

    post_delete.connect(on_delete, sender=Contractor)
    try:
        report = sync_text(f"{HEADER}1,d,,\n2,d,,\n", Contractor)
    finally:
        post_delete.disconnect(on_delete, sender=Contractor)

    assert outcomes(report) == {"deleted": 1, "released": 1}
    assert (exists(anna), keys_of(ben)) == (False, {("ERP", "A")})
    assert heard == ["Contractor"]


def test_a_child_goes_with_its_parent_row_and_the_mappings_of_both(sync_text: Sync) -> None:
    """A5, A8."""
    employee = Employee.objects.create(first_name="Anna", staff_number="S1")
    link(employee, "1")
    link(employee, "p", "ERP", model=Person)

    report = sync_text("external_key,action_flags\n1,d*\n", Employee)

    assert outcomes(report) == {"deleted": 1}
    assert (Person.objects.count(), all_keys()) == (0, {})


def test_a_hidden_row_is_deleted(sync_text: Sync) -> None:
    """A5: by key and by match, though the default manager does not show it."""
    for name in "ab":
        Hidden.objects.create(name=name, is_hidden=True)
    link(Hidden._base_manager.get(name="a"), "1")

    report = sync_text("external_key,action_flags,match_on,name\n1,d,name,a\n,d*,name,b\n", Hidden)

    assert outcomes(report) == {"deleted": 2}
    assert not Hidden._base_manager.exists()
    assert all_keys() == {}


@pytest.mark.parametrize("flags", ["d", "d*"])
def test_a_model_deletes_in_its_own_way(sync_text: Sync, monkeypatch: pytest.MonkeyPatch, flags: str) -> None:
    """A5, A6, A8: an overridden delete() is called, with nothing that it may not take; the mapping goes in any case."""
    house = House.objects.create(address="Cave")
    link(house, "1")

    def archive(self: House) -> None:
        House.objects.filter(pk=self.pk).update(country="archive")

    monkeypatch.setattr(House, "delete", archive)
    report = sync_text(f"external_key,action_flags\n1,{flags}\n", House)

    house.refresh_from_db()
    assert outcomes(report) == {"deleted": 1}
    assert (house.country, all_keys()) == ("archive", {})


def test_a_delete_that_the_models_own_code_refuses_is_a_row_error(
    sync_text: Sync, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A5, T4: the mapping stays."""
    house = House.objects.create(address="Cave")
    link(house, "1")

    def refuse(self: House) -> None:
        raise RuntimeError("listed building")

    monkeypatch.setattr(House, "delete", refuse)
    report = sync_text("external_key,action_flags\n1,d*\n", House, on_error="skip")

    (entry,) = report.details()
    assert entry.problems[0].code == "refused"
    assert "listed building" in entry.problems[0].message
    assert keys_of(house) == {("HR", "1")}


def test_rows_after_a_delete_see_that_the_object_is_gone(sync_text: Sync, anna: Person) -> None:
    """A5, T1: and the key may mean a new object in the same file."""
    report = sync_text(f"{HEADER}1,d*,,\n1,u*,,Ann\n1,d,,\n1,c,first_name,Anna\n")

    assert outcomes(report) == {"created": 1, "deleted": 1, "unmatched": 2}
    assert all_keys() == {("HR", "person", "1"): str(Person.objects.get().pk)}


def test_mappings_of_models_that_are_gone_do_no_harm(sync_text: Sync, anna: Person) -> None:
    """A8: a content type that an app left behind may hold the same object id."""
    mapping = link(anna, "A", "ERP")
    left_behind = ContentType.objects.create(app_label="gone", model="thing")
    ExternalKeyMapping.objects.filter(pk=mapping.pk).update(content_type=left_behind)

    report = sync_text(f"{HEADER}1,d,,\n")

    assert outcomes(report) == {"deleted": 1}
    assert set(all_keys()) == {("ERP", "thing", "A")}
