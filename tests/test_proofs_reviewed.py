"""Where a proof once said too much: rows were passed over though they, or those around them, needed a look (T1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection

from nsync.record.report import Report
from nsync.signals import batch_applied
from tests.agreeing import File, Ref, Thing
from tests.many import rows
from tests.plan.known import link, link_gone
from tests.proving import ANY, BY_KEY, BY_OPTIONS, CROWD, case, cells, first, parcels, passed_over, proofs
from tests.telling import outcomes
from tests.testapp.models import Parcel

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

EIGHT = parcels(8)
SAME = rows({"external_key": "k{}", "code": "{}", "label": "A"}, range(1, 9))
CHANGED = SAME.replace("1,A", "1,B")
EARLIER = "OLD"  # a system that is there before an example begins
SURROGATE = "\ud800"  # half a character: no database holds it


# --- how a file is written ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["objects", "bulk", "auto"])
def test_an_unreadable_row_near_the_start_does_not_lose_the_rows_before_it(sync_text: Sync, engine: str) -> None:
    """T3, T4: the batch before it is committed, and is the last that was."""
    for number in range(1, 9):
        link(Parcel.objects.create(code=str(number), label="A"), f"k{number}")
    text = SAME.replace("1,A", "1,B").replace("2,A", "2,B").replace("k3,3,A", 'k3,"3"x,A')

    report = sync_text(text, Parcel, engine=engine, batch_size=2, as_transaction=False, **BY_OPTIONS)

    assert list(Parcel.objects.order_by("code").values_list("label", flat=True)) == list("BBAAAAAA")
    assert (report.exit_code, report.committed, outcomes(report)) == (3, True, {"updated": 2})


MARKS: dict[str, tuple[str, str]] = {
    "two": ("\ufeff\ufeff", "utf-8"),
    "three, of which the decoder takes one": ("\ufeff\ufeff\ufeff", "utf-8-sig"),
    "two and a line of empty cells": ("\ufeff\ufeff,,\n", "utf-8"),
    "three and a blank line": ("\ufeff\ufeff\ufeff\n", "utf-8-sig"),
}


@pytest.mark.parametrize("name", MARKS)
def test_byte_order_marks_before_the_first_row_are_no_part_of_its_key(name: str) -> None:
    """C1, T1: the header is an option, so the first line is a row."""
    marks, encoding = MARKS[name]
    text = (marks + CHANGED.split("\n", 1)[1]).encode()
    options = {**BY_OPTIONS, "header": ("external_key", "code", "label"), "encoding": encoding}
    case(EIGHT, File("Parcel", text), passed=ANY, **options).check(CROWD)


HALVES: dict[str, tuple[str | bytes, dict[str, Any]]] = {
    "in UTF-7": (SAME.replace("8,A", "8,+2AA-").encode(), {"encoding": "utf-7"}),
    "in a constant": (SAME, {"set": (("note", SURROGATE),)}),
}


@pytest.mark.parametrize("name", HALVES)
def test_half_a_character_ends_a_run_by_no_traceback(name: str) -> None:
    """C6, V4: it is told as of rows that are taken one by one."""
    text, options = HALVES[name]
    case(EIGHT, File("Parcel", text), passed=ANY, **BY_OPTIONS, **options).check(CROWD)


# --- keys and what they mean ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["0{}", " {}", "+{}"])
def test_another_key_of_an_object_whose_number_is_written_otherwise_means_it_too(written: str) -> None:
    """I1, T1: so the row of its usual key is not the last word, nor the only one."""
    start = [
        Thing("Parcel", {"id": 7000 + n, "code": str(n), "label": "A"}, ((EARLIER, f"k{n}"),)) for n in range(1, 9)
    ]
    link_gone(Parcel, "z2", EARLIER, written.format(7002))
    case(start, File("Parcel", first(SAME, "z2,2,X"), EARLIER), passed=ANY, **BY_KEY).check(CROWD)


@pytest.mark.parametrize("key", [" k8", "k8 ", "\tk8", "k8\u3000"])
def test_a_key_that_was_recorded_with_blanks_around_it_is_another_key(key: str) -> None:
    """I1: keys of rows lose theirs, so the row gives its object a new one."""
    start = [*parcels(7), Thing("Parcel", {"code": "8", "label": "A"}, (("HR", key),))]
    case(start, SAME.replace("k8", key), passed=ANY, **BY_OPTIONS).check(CROWD)


def test_what_a_displaced_object_takes_along_by_a_generic_relation_is_no_longer_there() -> None:
    """A4, R1: the letter goes with its folder, and with it what other folders say of it."""
    start = [
        Thing("Folder", {"code": "99"}),
        Thing("Letter", {"name": "V", "target": Ref(0)}),
        *(Thing("Folder", {"code": str(n), "label": "A", "best": Ref(1)}, (("HR", f"k{n}"),)) for n in range(2, 9)),
        Thing("Folder", {"code": "1", "label": "A"}, (("HR", "k1"),)),
    ]
    same = rows({"external_key": "k{}", "code": "{}", "label": "A", "best=>name": "V"}, range(2, 9))
    case(start, File("Folder", first(same, "k1,99,A,")), passed=ANY, **BY_OPTIONS).check(["Folder", "Letter"])


# --- tables that are not as their models say ------------------------------------------------------------------------


def execute(statement: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement)


def drop_unique() -> None:
    """Take from the table of parcels, which is empty yet, what guards their codes."""
    table = Parcel._meta.db_table
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT sql FROM sqlite_master WHERE name = %s", [table])
            (statement,) = cursor.fetchone()
            assert " UNIQUE" in statement
            cursor.execute(f"DROP TABLE {table}")
            cursor.execute(statement.replace(" UNIQUE", ""))
            return
        constraints = connection.introspection.get_constraints(cursor, table)
        (name,) = [name for name, one in constraints.items() if one["unique"] and one["columns"] == ["code"]]
        cursor.execute(f"ALTER TABLE {table} DROP CONSTRAINT {name}")


TWICE = Thing("Parcel", {"code": "8", "label": "B"})


@pytest.mark.database("sqlite", "postgresql")  # elsewhere a table that is altered stays so
@pytest.mark.parametrize(
    "index",
    ["", "CREATE UNIQUE INDEX some_codes ON testapp_parcel (code) WHERE label = 'A'"],
    ids=["no index", "an index of some rows"],
)
def test_a_match_may_find_two_objects_where_the_table_lacks_its_unique_index(index: str) -> None:
    """I4: also where an index guards only some rows."""
    drop_unique()
    if index:
        execute(index)
    case([*EIGHT, TWICE], SAME, passed=ANY, **BY_OPTIONS).check(CROWD)


WIDER: dict[str, tuple[str, str, Any]] = {
    "a larger number": ("pieces", "bigint", 99999),
    "more decimals": ("price", "numeric(12, 4)", "1.2345"),
    "a longer text": ("note", "text", "x" * 51),
}


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("name", WIDER)
def test_what_only_a_wider_column_holds_fails(name: str) -> None:
    """V4: the row says what is stored, and its field cannot hold it."""
    column, kind, stored = WIDER[name]
    execute(f"ALTER TABLE testapp_parcel ALTER {column} TYPE {kind}")
    start = [*parcels(29), Thing("Parcel", {"code": "30", "label": "A", column: stored}, (("HR", "k30"),))]
    case(start, cells(column, *[""] * 29, str(stored)), passed=ANY, **BY_OPTIONS).check(CROWD)


DATES: dict[str, tuple[str, str, str]] = {
    "never": ("due", "infinity", ""),
    "always": ("due", "-infinity", ""),
    "a day before Christ": ("due", "0044-03-15 BC", "0044-03-15"),
    "a moment before Christ": ("sent", "0044-03-15 12:00:00+00 BC", "0044-03-15T12:00:00Z"),
}


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("name", DATES)
def test_a_date_that_python_has_not_is_never_passed_over(sync_text: Sync, name: str) -> None:
    """T1, C6: nobody can read its object, so the run fails as it does row by row."""
    column, stored, cell = DATES[name]
    sync_text(SAME, Parcel, **BY_OPTIONS)
    execute(f"UPDATE testapp_parcel SET {column} = '{stored}' WHERE code = '8'")
    with proofs() as found:
        report = sync_text(cells(column, *[""] * 7, cell), Parcel, batch_size=2, **BY_OPTIONS)

    assert [passed_over(proof) for proof in found] == [7]
    assert (report.status, report.committed) == ("failed", False)


# --- what is told of rows -------------------------------------------------------------------------------------------


def test_rows_that_a_stopped_run_did_not_come_to_are_not_told_as_unchanged() -> None:
    """T4, O1: neither those after the bad row, nor those of the batch that it ended."""
    text = SAME.replace("k2,2,A", "k2,8,A").replace("7,A", "7,B")
    options = {**BY_KEY, "action_flags": "u*", "on_error": "stop"}
    case(EIGHT, text, passed=ANY, policy="ordered", **options).check(CROWD)


@contextmanager
def batches() -> Iterator[list[int]]:
    """Collect how many rows each batch says were read."""
    heard: list[int] = []

    def hear(rows: int, **_: Any) -> None:
        heard.append(rows)

    batch_applied.connect(hear)
    try:
        yield heard
    finally:
        batch_applied.disconnect(hear)


@pytest.mark.parametrize(
    ("label", "passed", "told"), [("A", 8, [8]), ("B", None, [2, 4, 6, 8])], ids=["all are unchanged", "one changes"]
)
def test_a_batch_says_how_many_rows_were_read_with_those_that_were_passed_over(
    sync_text: Sync, label: str, passed: int | None, told: list[int]
) -> None:
    """``batch_applied``, ``rows``: read so far from the source. Its receivers may write: all are proved, or none."""
    sync_text(SAME, Parcel, **BY_OPTIONS)
    with batches() as heard, proofs() as found:
        sync_text(SAME.replace("4,A", f"4,{label}"), Parcel, batch_size=2, **BY_OPTIONS)

    assert [passed_over(proof) for proof in found] == [passed]
    assert heard == told


@pytest.mark.parametrize("options", [BY_KEY, BY_OPTIONS], ids=["by key", "by key and match"])
def test_a_row_is_looked_at_if_another_key_of_its_object_has_blanks_around_it(options: dict[str, Any]) -> None:
    """I1, I7, T1: the first row changes what the second, by another key, has as it was."""
    two = [Thing("Parcel", {"code": "1", "label": "A"}, (("HR", "k1"), ("HR", "k1b"))), *parcels(8)[1:]]
    same = "".join(f"k{number},{number},A\n" for number in range(2, 9))
    case(
        two,
        f"external_key,code,label\n k1 ,1,New\nk1b,1,A\n{same}",
        passed=7,
        **options,
    ).check(CROWD)


@pytest.mark.parametrize("match", ["", "code"])
@pytest.mark.parametrize("key", ["", " ", "\u3000"])
def test_a_mapping_with_a_blank_key_proves_nothing(match: str, key: str) -> None:
    """I1, I5: such a row has no key."""
    start = [*EIGHT[:5], Thing("Parcel", {"code": "6", "label": "A"}, (("HR", ""),))]
    text = "".join(f"k{n},{n},A\n" for n in range(1, 6))
    text = f"external_key,code,label\n{text}{key},6,A\n"
    case(start, text, passed=ANY, action_flags="cu*", match_on=match).check(CROWD)
