"""What a database refuses is an error of its row, said so that it can be mended (rules T4, A4, V3)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync.record.report import Report
from tests.plan.known import link
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Employee, Folded, Hidden, House, Person, Room, Stock

Sync = Callable[..., Report]


def messages(report: Report) -> list[str]:
    """Give the message of the first problem of each row that has one."""
    return [entry.problems[0].message for entry in report.details()]


@pytest.mark.parametrize("flags", ["c", "u*"])
def test_a_unique_value_that_another_object_has_names_it(sync_text: Sync, flags: str) -> None:
    """A4, T4: the holder, its key, the column as the file calls it; the rows around it are applied."""
    holder = Person.objects.create(first_name="Anna", employee_id="E1")
    link(holder, "k-1", "ERP")
    Person.objects.create(first_name="Ben", employee_id="E2")
    name = "Cat" if flags == "c" else "Ben"

    report = sync_text(
        "action_flags,match_on,first_name,Number\n"
        f"c,first_name,Dan,E8\n{flags},first_name,{name},E1\nc,first_name,Eve,E9\n",
        map=(("Number", "employee_id"),),
        on_error="skip",
    )

    assert outcomes(report) == {"failed": 1, "created": 2}
    assert codes(report) == [(3, "unique", "Number")]
    (message,) = messages(report)
    assert f"person {holder.pk}" in message
    assert "'k-1' of ERP" in message
    assert "E1" in message


def test_values_that_are_unique_together_are_named_together(sync_text: Sync) -> None:
    """T4: unique_together, on a create and on an update that changes only one of them."""
    holder = Stock.objects.create(shelf="A", article="x")
    Stock.objects.create(shelf="B", article="x", label="b")

    report = sync_text(
        "action_flags,match_on,label,shelf,article\nc,label,new,A,x\nu*,label,b,A,\nu*,label,b,A,x\n",
        Stock,
        on_error="skip",
    )

    assert outcomes(report) == {"failed": 2, "updated": 1}
    assert [code for _, code, _ in codes(report)] == ["unique", "unique"]
    for message in messages(report):
        assert f"stock {holder.pk}" in message
        assert "shelf 'A' and article 'x'" in message


def test_a_unique_value_of_the_parent_table_names_its_holder(sync_text: Sync) -> None:
    """T4: multi-table inheritance; the holder is no employee."""
    holder = Person.objects.create(first_name="Anna", employee_id="E1")
    link(holder, "k-1")

    report = sync_text(
        "action_flags,match_on,staff_number,employee_id\nc,staff_number,S1,E1\n", Employee, on_error="skip"
    )

    assert codes(report) == [(2, "unique", "employee_id")]
    assert f"person {holder.pk}" in messages(report)[0]
    assert "'k-1' of HR" in messages(report)[0]
    assert Person.objects.count() == 1


def test_a_hidden_holder_of_a_unique_value_is_named(sync_text: Sync) -> None:
    """T4."""
    holder = Hidden.objects.create(name="a", is_hidden=True)

    report = sync_text("external_key,action_flags,name\n1,c,a\n", Hidden, on_error="skip")

    assert codes(report) == [(2, "unique", "name")]
    assert f"hidden {holder.pk}" in messages(report)[0]


def test_a_holder_that_only_the_collation_takes_for_the_same_is_named(sync_text: Sync) -> None:
    """T4: the key says two objects, the column's collation says one value."""
    holder = Folded.objects.create(name="anna")

    report = sync_text("external_key,action_flags,name\n1,c,ANNA\n", Folded, on_error="skip")

    assert codes(report) == [(2, "unique", "name")]
    assert f"folded {holder.pk}" in messages(report)[0]


@pytest.mark.database("sqlite", "postgresql")
def test_a_conditional_unique_constraint_is_an_error_of_its_row(sync_text: Sync) -> None:
    """T4: MariaDB has none."""
    Stock.objects.create(shelf="A", article="x", label="red")

    report = sync_text(
        "action_flags,match_on,shelf,article,label,in_use\n"
        "c,shelf article,A,y,red,no\nc,shelf article,A,z,red,yes\nu*,shelf article,A,y,red,yes\n",
        Stock,
        on_error="skip",
    )

    assert outcomes(report) == {"failed": 2, "created": 1}
    assert [code for _, code, _ in codes(report)] == ["unique", "unique"]
    assert all("label" in message for message in messages(report))


@pytest.mark.parametrize(("flags", "article"), [("c", "new"), ("u*", "x"), ("cu*", "new"), ("cu*", "x")])
def test_a_check_constraint_is_an_error_of_its_row(sync_text: Sync, flags: str, article: str) -> None:
    """T4: its name stands in the message; the mapping is not made, and the rows after it are applied."""
    Stock.objects.create(shelf="A", article="x", quantity=1)

    report = sync_text(
        "external_key,action_flags,match_on,shelf,article,quantity\n"
        f"1,{flags},shelf article,A,{article},-1\n2,c,shelf article,A,last,0\n",
        Stock,
        on_error="skip",
    )

    assert outcomes(report) == {"failed": 1, "created": 1}
    assert codes(report) == [(2, "check", "")]
    assert "stock_quantity_not_negative" in messages(report)[0]
    assert list(Stock.objects.order_by("article").values_list("article", "quantity")) == [("last", 0), ("x", 1)]
    assert [keys_of(stock) for stock in Stock.objects.order_by("article")] == [{("HR", "2")}, set()]


def test_a_foreign_key_to_nothing_is_an_error_of_its_row(sync_text: Sync) -> None:
    """T4, R1: a required one waits and fails as missing; the row leaves nothing behind."""
    house = House.objects.create(address="Manor")

    report = sync_text(
        f"external_key,action_flags,name,house\n1,c,Lab,987654\n2,c,Hall,{house.pk}\n", Room, on_error="skip"
    )

    assert outcomes(report) == {"failed": 1, "created": 1}
    assert codes(report) == [(2, "missing-reference", "house")]
    assert list(Room.objects.values_list("name", flat=True)) == ["Hall"]


def test_a_refusal_rolls_all_back_by_default(sync_text: Sync) -> None:
    """T4: every bad row is told, none of the good ones is kept."""
    report = sync_text(
        "external_key,action_flags,shelf,article,quantity\n1,c,A,x,1\n2,c,A,x,1\n3,c,B,x,-1\n4,c,C,x,1\n", Stock
    )

    assert not report.committed
    assert outcomes(report) == {"failed": 2, "created": 2}
    assert [(line, code) for line, code, _ in codes(report)] == [(3, "unique"), (4, "check")]
    assert not Stock.objects.exists()
