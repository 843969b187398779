"""What a row error says: what is wrong, and what would work (rules T4, O2)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync.record.report import Report
from nsync.record.text import summary
from tests.testapp.models import Currency, House, Person, Price, Room, Stock

Sync = Callable[..., Report]
LONG = "9" * 300


@pytest.mark.parametrize(
    ("model", "text", "said"),
    [
        (
            Stock,
            "external_key,action_flags,shelf,article,quantity\n1,c,A,x,-1\n",
            "check stock_quantity_not_negative refuses it: quantity -1",
        ),
        (
            Person,
            "external_key,action_flags,first_name,employee_id\n1,c,A,E1\n2,c,B,E1\n",
            "has employee_id 'E1' already; change one of the two",
        ),
        (Room, "external_key,action_flags,name\n1,c,Lab\n", "no default; add the column, or give --set house=…"),
        (Price, "external_key,action_flags,amount\n1,c,\n", "no default; fill the cell, or give --set amount=…"),
        (
            Currency,
            "external_key,action_flags,code,name\n1,c,,x\n",
            "code needs a value, and has no default; fill the cell",
        ),
        (House, f"external_key,action_flags,address\n{LONG},c,x\n", "characters; shorten it in the system"),
    ],
)
def test_an_error_says_what_would_work(sync_text: Sync, model: type, text: str, said: str) -> None:
    report = sync_text(text, model)

    (entry,) = report.details()
    assert any(said in problem.message for problem in entry.problems), entry


def test_a_nul_in_a_cell_is_shown_as_it_would_be_written(sync_text: Sync) -> None:
    """O2: escaped once."""
    report = sync_text("external_key,action_flags,first_name,age\n1,c,J\0s,3\n", Person)

    assert "'J\\x00s'" in "\n".join(summary(report))
    assert "\\\\x00" not in "\n".join(summary(report))
