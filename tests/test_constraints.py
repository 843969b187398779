"""What a database refuses is the error of a row, on every database and whenever the database looks (rule T4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection
from django.db.models.signals import ModelSignal, post_delete, post_save, pre_delete, pre_save

from nsync.models import ExternalKeyMapping
from nsync.policies import OrderedSyncPolicy
from nsync.record.report import Report
from tests.plan.known import link
from tests.telling import codes, outcomes
from tests.testapp.models import (
    Contract,
    Currency,
    House,
    Lease,
    LooseNote,
    Person,
    Price,
    Product,
    Signalled,
    Stock,
)

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db(transaction=True)  # so that what is deferred to COMMIT is seen there
IN_ONE_OR_MANY = pytest.mark.parametrize(
    "options",
    [{}, {"as_transaction": False, "batch_size": 1}, {"as_transaction": False}],
    ids=["one transaction", "one per row", "one per batch"],
)


@contextmanager
def receiver(signal: ModelSignal, sender: Any, receive: Callable[..., None]) -> Iterator[None]:
    signal.connect(receive, sender=sender)
    try:
        yield
    finally:
        signal.disconnect(receive, sender=sender)


def unique_value() -> None:
    Person.objects.create(first_name="A", employee_id="1")


def unique_together() -> None:
    Stock.objects.create(shelf="s", article="a", label="x")


def protected() -> None:
    Contract.objects.create(person=Person.objects.create(first_name="A"), title="t")


def restricted() -> None:
    Lease.objects.create(house=House.objects.create(address="bad"), tenant="t")


def loose() -> None:
    LooseNote.objects.create(house=House.objects.create(address="bad"), text="t")


def referred_to() -> None:
    product = Product.objects.create(sku="1", name="bad")
    Price.objects.create(product=product, currency=Currency.objects.create(code="EUR"), amount=1)


REFUSED = {
    "unique": (
        unique_value,
        "Person",
        "action_flags,match_on,first_name,employee_id\nc,first_name,good,2\nc,first_name,bad,1\nc,first_name,also,3\n",
        ("unique", "employee_id"),
    ),
    "unique, on update": (
        unique_value,
        "Person",
        "action_flags,match_on,first_name,employee_id\nc,first_name,good,2\nu*,first_name,good,1\nc,first_name,also,3\n",
        ("unique", "employee_id"),
    ),
    "unique together": (
        unique_together,
        "Stock",
        "action_flags,match_on,label,shelf,article\nc,label,good,s,b\nc,label,bad,s,a\nc,label,also,s,c\n",
        ("unique", "shelf"),
    ),
    "check": (
        lambda: None,
        "Stock",
        "action_flags,match_on,label,shelf,article,quantity\n"
        "c,label,good,s,b,1\nc,label,bad,s,a,-1\nc,label,also,s,c,0\n",
        ("check", None),
    ),
    "PROTECT": (
        protected,
        "Person",
        "action_flags,match_on,first_name\nc,first_name,good\nd*,first_name,A\nc,first_name,also\n",
        ("protected", ""),
    ),
    "RESTRICT": (
        restricted,
        "House",
        "action_flags,match_on,address\nc,address,good\nd*,address,bad\nc,address,also\n",
        ("protected", ""),
    ),
    "DO_NOTHING": (
        loose,
        "House",
        "action_flags,match_on,address\nc,address,good\nd*,address,bad\nc,address,also\n",
        ("foreign-key", ""),
    ),
    "to_field": (
        referred_to,
        "Product",
        "action_flags,match_on,name,sku\nc,name,good,2\nu*,name,bad,9\nc,name,also,3\n",
        ("foreign-key", None),
    ),
}


@pytest.mark.parametrize(("arrange", "model", "text", "expected"), REFUSED.values(), ids=REFUSED)
@IN_ONE_OR_MANY
@pytest.mark.parametrize("policy", [None, OrderedSyncPolicy], ids=["basic", "ordered"])
def test_what_the_database_refuses_is_the_error_of_that_row(
    sync_text: Sync,
    policy: Any,
    options: dict[str, Any],
    arrange: Callable[[], None],
    model: str,
    text: str,
    expected: tuple[str, str | None],
) -> None:
    """T4, O2: the rows around it are applied, whenever the database looks."""
    arrange()

    report = sync_text(text, f"testapp.{model}", policy=policy, on_error="skip", **options)

    ((line, code, column),) = codes(report)
    assert (line, code) == (3, expected[0])
    assert expected[1] in (None, column)
    assert outcomes(report) in ({"created": 2, "failed": 1}, {"created": 3, "failed": 1})
    assert report.error == ""
    assert (report.committed, report.exit_code) == (True, 3)


@pytest.mark.parametrize(("arrange", "model", "text", "expected"), REFUSED.values(), ids=REFUSED)
def test_by_default_a_refused_row_rolls_all_back(
    sync_text: Sync, arrange: Callable[[], None], model: str, text: str, expected: tuple[str, str | None]
) -> None:
    """T4."""
    arrange()

    report = sync_text(text, f"testapp.{model}")

    assert [code for _, code, _ in codes(report)] == [expected[0]]
    assert (report.committed, report.exit_code) == (False, 1)
    for target in (Person, Stock, House, Product):
        names = {str(value) for values in target.objects.values_list() for value in values}
        assert not names & {"good", "also"}


def test_the_holder_of_a_unique_value_is_named(sync_text: Sync) -> None:
    """A4, O2: with its key, if it has one."""
    alfred = Person.objects.create(first_name="Alfred", employee_id="1")
    link(alfred, "a1", "ERP")

    report = sync_text("action_flags,match_on,first_name,employee_id\nc,first_name,Bruce,1\n")

    (entry,) = report.details()
    (problem,) = entry.problems
    assert f"person {alfred.pk}" in problem.message
    assert "'a1' of ERP" in problem.message
    assert problem.value == "1"


@pytest.mark.database("sqlite", "postgresql")  # MariaDB has no conditional constraints, and Django creates none there
def test_a_conditional_constraint_is_the_error_of_its_row(sync_text: Sync) -> None:
    """T4."""
    Stock.objects.create(shelf="s", article="a", label="x")

    report = sync_text("action_flags,match_on,shelf,article,label\nc,shelf article,s,b,x\n", Stock)

    assert [code for _, code, _ in codes(report)] == ["unique"]


@IN_ONE_OR_MANY
def test_a_deletion_that_takes_along_what_others_need_is_refused_whole(
    sync_text: Sync, options: dict[str, Any]
) -> None:
    """T4, A5, A8: the person's house has a note that nobody deletes; person, house and mappings stay."""
    bruce = Person.objects.create(first_name="Bruce")
    house = House.objects.create(address="Manor", owner=bruce)
    LooseNote.objects.create(house=house, text="t")
    link(bruce, "b")
    link(house, "h")

    report = sync_text("external_key,action_flags\nb,d*\n", on_error="skip", **options)

    assert codes(report) == [(2, "foreign-key", "")]
    assert Person.objects.count() == House.objects.count() == 1
    assert ExternalKeyMapping.objects.count() == 2


def test_a_row_that_fails_leaves_nothing_of_itself(sync_text: Sync) -> None:
    """T2, T4: the object was saved and related before its mapping or its relation was refused."""
    Person.objects.create(first_name="Alfred")

    def refuse(**_: Any) -> None:
        raise ValueError("not today")

    with receiver(post_save, Person, refuse):
        report = sync_text("external_key,action_flags,first_name\n1,c,Bruce\n", on_error="skip")

    assert list(Person.objects.values_list("first_name", flat=True)) == ["Alfred"]
    assert not ExternalKeyMapping.objects.exists()
    assert codes(report) == [(2, "refused", "")]


@pytest.mark.parametrize("signal", [pre_save, post_save, pre_delete, post_delete])
@pytest.mark.parametrize("error", [ValueError("not today"), KeyError("x"), RuntimeError("not today")], ids=repr)
def test_what_the_application_s_own_code_refuses_is_the_error_of_that_row(
    sync_text: Sync, signal: ModelSignal, error: Exception
) -> None:
    """T4: it never escapes as a traceback."""
    Signalled.objects.create(name="old")

    def refuse(instance: Signalled, **_: Any) -> None:
        if instance.name in ("bad", "old"):
            raise error

    with receiver(signal, Signalled, refuse):
        report = sync_text(
            "action_flags,match_on,name,value\nc,name,good,\nc,name,bad,\nu*,name,old,x\nd*,name,old,\nc,name,also,\n",
            Signalled,
            on_error="skip",
        )

    assert outcomes(report)["failed"] == (1 if signal in (pre_delete, post_delete) else 2)
    assert {code for _, code, _ in codes(report)} == {"refused"}
    assert Signalled.objects.filter(name__in=["good", "also"]).count() == 2
    assert report.exit_code == 3


@IN_ONE_OR_MANY
def test_a_reference_that_the_application_s_code_breaks_never_escapes(sync_text: Sync, options: dict[str, Any]) -> None:
    """T4: a receiver sets a foreign key to nothing; some databases look only at COMMIT."""

    def break_it(instance: House, **_: Any) -> None:
        if instance.address == "bad":
            instance.owner_id = 987654

    with receiver(pre_save, House, break_it):
        report = sync_text("action_flags,match_on,address\nc,address,good\nc,address,bad\n", House, **options)

    assert report.exit_code in (1, 3)
    assert not House.objects.filter(address="bad").exists()
    assert sum(outcomes(report).values()) == report.rows == 2
    connection.check_constraints()
