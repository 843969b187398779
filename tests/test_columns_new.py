"""Batches that are expected to be all new: written without asking, and asked about when the database refuses (T1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from django.db import connection

from nsync.plan.columnfacts import ColumnFacts
from nsync.record.report import Report
from tests.agreed_examples import thing
from tests.agreeing import Example, File, Run, Stale, Thing, Variant, check
from tests.many import rows
from tests.testapp.models import Parcel

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

HEAD = "external_key,code,label\n"
NEW = "".join(f"n{number},c{number},L{number}\n" for number in range(1, 7))
BY_CODE = {"action_flags": "cu*", "match_on": "code"}
BY_LABEL = {"action_flags": "cu*", "match_on": "label"}
BY_KEY = {"action_flags": "cu*", "match_on": ""}
BY_BOTH = {"action_flags": "cu*", "match_on": "code label"}
START = [thing("Parcel", "k1", code="1", label="A"), Thing("Parcel", {"code": "2", "label": "B"})]


@contextmanager
def assumptions() -> Iterator[list[int]]:
    """Collect the sizes of the batches that were assumed to be new."""
    found: list[int] = []
    assume = ColumnFacts.assume_new

    def spy(self: ColumnFacts, columns: Any) -> Any:
        found.append(columns.count)
        return assume(self, columns)

    with mock.patch.object(ColumnFacts, "assume_new", spy):
        yield found


# the rows after those that are all new, options, whether they are assumed to be new too
LATER: dict[str, tuple[str, dict[str, str], bool]] = {
    "all new": ("n7,c7,A\nn8,c8,A\n", BY_CODE, True),
    "a key that is there": ("n7,c7,A\nk1,c8,A\n", BY_CODE, True),
    "a key that is there, and nothing else new": ("k1,1,B\nn7,c7,A\n", BY_CODE, True),
    "a key with blanks that is there": (" k1 ,c8,A\nn7,c7,A\n", BY_CODE, True),
    "a match value that is there": ("n7,2,A\nn8,c8,A\n", BY_CODE, True),
    "a match value that another key means": ("n7,1,X\nn8,c8,A\n", BY_CODE, True),
    "a row of an earlier batch": ("n7,c7,A\nn2,c2,L2\n", BY_CODE, True),
    "an earlier key with another match value": ("n2,c9,A\nn7,c7,A\n", BY_CODE, True),
    "an earlier match value with another key": ("n9,c2,A\nn7,c7,A\n", BY_CODE, True),
    "two rows alike": ("n7,c7,A\nn7,c7,B\n", BY_CODE, True),
    "two rows of one match value": ("n7,c7,A\nn8,c7,B\n", BY_CODE, True),
    "a stale key": ("s1,c7,A\nn8,c8,A\n", BY_CODE, True),
    "a stale key and a match value that is there": ("s1,2,A\nn8,c8,A\n", BY_CODE, True),
    "no key": (",c7,A\nn8,c8,A\n", BY_CODE, True),
    "no key, but a match value": (",2,X\nn8,c8,A\n", BY_CODE, True),
    "no match value": ("n7,,A\nn8,,B\n", BY_CODE, True),
    "a match value in capitals": ("n7,C2,A\nn8,c8,A\n", BY_CODE, True),
    "a bad cell": ("n7,c7," + "x" * 51 + "\nn8,c8,A\n", BY_CODE, True),
    "a row that lacks a cell": ("n7,c7\nn8,c8,A\n", BY_CODE, True),
    "all again": (NEW, BY_CODE, True),
    "by key alone, a key that is there": ("n7,c7,A\nk1,c8,A\n", BY_KEY, True),
    "by key alone, a unique value that is there": ("n7,c7,A\nn8,2,A\n", BY_KEY, True),
    "by key alone, a stale key": ("s1,c7,A\nn8,c8,A\n", BY_KEY, True),
    "by more than is unique": ("n7,2,B\nn8,c8,A\n", BY_BOTH, True),
    "by more than is unique, and not all of it": ("n7,2,X\nn8,c8,A\n", BY_BOTH, True),
    "a match value that need not be unique": ("n7,c7,B\nn8,c8,X\n", BY_LABEL, False),
    "a match value of an earlier batch that need not be unique": ("n7,c7,L2\nn8,c8,X\n", BY_LABEL, False),
}


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("name", LATER)
def test_what_is_not_new_after_all_is_found_out(name: str, policy: str) -> None:
    """T1: three batches that are all new, then one that is not; and one that only creates or updates."""
    later, options, is_assumed = LATER[name]
    start = (*START, Stale("Parcel", "HR", "s1"))
    file = File("Parcel", HEAD + NEW + later + "n10,c10,A\nn11,c11,A\n")
    for flags in ("cu*", "c") if policy == "basic" else ("cu*", "cu"):
        run = Run((file,), {"on_error": "skip", **options, "action_flags": flags}, policy)
        with assumptions() as found:
            check(Example(start, (run,)), ("Depot", "Parcel", "Shelf"), [Variant("auto", 2)])
        assert bool(found) == is_assumed


def test_references_of_rows_that_are_assumed_to_be_new_are_found() -> None:
    """R1, R5: one that finds nothing is told; one that must be there waits."""
    start = (Thing("Depot", {"name": "V"}, (("HR", "d1"),)),)
    for header, last in (("depot=>name", "V,W,,V"), ("depot=>external_key", "d1,d2,,d1")):
        cells = last.split(",")
        text = f"external_key,code,label,{header}\n" + "".join(
            f"n{number},c{number},L,{cells[0] if number < 6 else cells[number - 6]}\n" for number in range(1, 10)
        )
        with assumptions() as found:
            check(
                Example(start, (Run((File("Parcel", text),), {"on_error": "skip", **BY_CODE}),)),
                ("Depot", "Parcel", "Shelf"),
                [Variant("auto", 2)],
            )
        assert found
    text = "external_key,number,depot=>name\n" + "".join(f"s{n},{n},{'V' if n < 6 else 'W'}\n" for n in range(1, 10))
    run = Run((File("Shelf", text), File("Depot", "external_key,name\nd3,W\n")), {"on_error": "skip", **BY_KEY})
    check(Example((*start, *START), (run,)), ("Depot", "Parcel", "Shelf"), [Variant("auto", 2)])


def test_new_rows_are_not_asked_about(sync_text: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    """
    The first batch is; each later one saves at least the questions for its keys and its match.

    One question, asked once, is what the database guards: without that, nothing may be assumed.
    """
    cells = {"external_key": "k{}", "code": "c{}", "label": "A"}
    sync_text(rows(cells, range(200, 201)), Parcel, **BY_CODE)  # the system is known from then on
    with assumptions() as found:
        assumed = sync_text(rows(cells, range(100)), Parcel, batch_size=10, **BY_CODE)
    monkeypatch.setattr(ColumnFacts, "can_assume_new", lambda self, columns: False)
    asked = sync_text(rows(cells, range(100, 200)), Parcel, batch_size=10, **BY_CODE)

    assert found == [10] * 9
    assert assumed.queries <= asked.queries - 2 * 9 + 1


@pytest.mark.database("postgresql")
def test_new_objects_and_their_keys_go_in_by_copy(sync_text: Sync) -> None:
    """One COPY for the objects of a batch and one for their keys, with numbers that one query took."""
    statements: list[str] = []

    def listen(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        statements.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(listen):
        sync_text(HEAD + NEW, Parcel, batch_size=3, **BY_CODE)

    copies = [sql.split()[1] for sql in statements if sql.startswith("COPY")]
    inserts = [sql.split()[2] for sql in statements if sql.startswith("INSERT")]
    assert copies == ['"testapp_parcel"', '"nsync_externalkeymapping"'] * 2
    assert inserts == ['"nsync_run"', '"nsync_externalsystem"']
    assert sum("generate_series" in sql for sql in statements) == 2
