"""
Rows that change nothing, found by the database and passed over: never one that the planner would act upon (T1).

Each case says how many rows are passed over; None: nothing is proved, or so little that all rows are looked at.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db.models.signals import post_save

from nsync import SyncOptions, sync
from nsync.record.report import Report
from tests.agreeing import File, Stale, Thing
from tests.many import listening, rows
from tests.plan.known import link
from tests.proving import (
    ANY,
    BARE_SAME,
    BY_KEY,
    BY_LABEL,
    BY_OPTIONS,
    CROWD,
    LABELLED,
    LABELS,
    PIECES,
    SAME,
    SIX,
    both,
    case,
    cells,
    first,
    parcels,
    passed_over,
    proofs,
)
from tests.telling import outcomes
from tests.testapp.models import Hidden, Parcel

pytestmark = pytest.mark.django_db

# --- rows that get into each other's way ----------------------------------------------------------------------------

WAYS: dict[str, tuple[list[Thing | Stale], str, str, dict[str, Any], int | None, int | None]] = {
    "the same key": ([], BARE_SAME, "k2,2,X", BY_OPTIONS, 5, 5),
    "the same key, with blanks around": ([], BARE_SAME, " k2 ,2,X", BY_OPTIONS, 5, 5),
    "the same key, and a new match value": ([], BARE_SAME, "k2,Y,A", BY_OPTIONS, 5, 5),
    "a new key and the same match value": ([], BARE_SAME, "n1,2,X", BY_OPTIONS, 5, 5),
    "no key and the same match value": ([], BARE_SAME, ",2,X", BY_OPTIONS, 5, 5),
    "another key of the object": (
        [Thing("Parcel", {"code": "7", "label": "A"}, (("HR", "k7"), ("HR", "o7")))],
        BARE_SAME + "k7,7,A\n",
        "o7,Y,A",
        BY_OPTIONS,
        6,
        6,
    ),
    "a stale key": ([Stale("Parcel", "HR", "s1")], BARE_SAME, "s1,2,X", BY_OPTIONS, 5, 5),
    "an object to be displaced": (
        [Thing("Parcel", {"code": "7", "label": "A"})],
        BARE_SAME,
        "k2,7,A",
        BY_OPTIONS,
        5,
        5,
    ),
    "an object of another key to be displaced": ([], BARE_SAME, "k2,3,A", BY_OPTIONS, 4, 4),
    "a new object with the same label": ([], LABELS, "n1,B,Y", BY_LABEL, 5, 5),
    "an object gets the same label": ([], LABELS, "k3,B,3", BY_KEY, 5, 5),
    "an object gets the same label, which is matched by": ([], LABELS, "k3,B,3", BY_LABEL, 4, 4),
    "two objects have the label": ([Thing("Parcel", {"code": "7", "label": "B"})], LABELS, "k1,A,1", BY_LABEL, 6, 6),
    "a row that lacks a cell changes the object": ([], BARE_SAME, "k2,Y", BY_OPTIONS, None, None),
    "a row with an empty surplus cell changes the object": ([], BARE_SAME, "k2,Y,A,", BY_OPTIONS, 5, 5),
    "a row with a surplus cell": ([], BARE_SAME, "k2,Y,A,Z", BY_OPTIONS, 6, 6),
    "a row with a bad cell": ([], PIECES, "k2,2,x", BY_OPTIONS, 5, 5),
    "a row that deletes": ([], SAME, "k2,d,code,2,A", {}, None, None),
    "a row that deletes by force": ([], SAME, "k2,d*,code,2,A", {}, None, None),
    "a row that does not force": ([], SAME, "k2,u,code,2,X", {}, None, None),
    "a row that asks for nothing": ([], SAME, "k2,,code,2,X", {}, 5, 5),
    "a row with bad flags": ([], SAME, "k2,zz,code,2,X", {}, 5, 5),
    "a row that matches by something else": ([], SAME, "k2,cu*,label,2,A", {}, None, None),
}


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("name", WAYS)
def test_a_row_that_another_row_touches_is_looked_at(name: str, policy: str) -> None:
    """T1: wherever the other row stands."""
    more, text, row, options, before, after = WAYS[name]
    start = [*(LABELLED if text is LABELS else parcels(6)), *more]
    earlier, later = both(text, row)
    case(start, earlier, passed=before, policy=policy, **options).check(CROWD)
    case(start, later, passed=after, policy=policy, **options).check(CROWD)


# --- how a file is written ------------------------------------------------------------------------------------------

LINES = BARE_SAME.split("\n", 1)[1]
CHANGED = BARE_SAME.replace("k3,3,A", "k3,3,B")
DOTS = [Thing("Depot", {"name": name}) for name in ("a", "b", "\\.", "d", "e")]
FILES: dict[str, tuple[str | bytes, dict[str, Any], int | None]] = {
    "unchanged": (BARE_SAME, {}, 6),
    "one changed": (CHANGED, {}, 5),
    "lines of Windows": (CHANGED.replace("\n", "\r\n"), {}, 5),
    "lines of Windows, with quotes": (CHANGED.replace("\n", "\r\n").replace("A", '"A"'), {}, ANY),
    "lines of an old Macintosh": (CHANGED.replace("\n", "\r"), {}, ANY),
    "a lone return": (CHANGED.replace("k5,5", "k5\r,5"), {}, ANY),
    "no newline at the end": (CHANGED[:-1], {}, 5),
    "a byte order mark": (("\ufeff" + CHANGED).encode(), {}, 5),
    "a byte order mark in plain UTF-8": (("\ufeff" + CHANGED).encode(), {"encoding": "utf-8"}, 5),
    "a byte order mark before a blank line": (("\ufeff\n" + CHANGED).encode(), {"encoding": "utf-8"}, ANY),
    "two byte order marks before a blank line": (("\ufeff\ufeff\n" + CHANGED).encode(), {}, ANY),
    "a byte order mark and no header": (
        ("\ufeff" + CHANGED.split("\n", 1)[1]).encode(),
        {"header": ("external_key", "code", "label")},
        5,
    ),
    "UTF-16": (CHANGED.encode("utf-16"), {"encoding": "utf-16"}, ANY),
    "Latin 1": (CHANGED.replace("3,B", "3,\u00e9").encode("latin-1"), {"encoding": "latin-1"}, 5),
    "a byte that is none": (CHANGED.replace("6,A", "6,\u00e9").encode("latin-1"), {}, None),
    "blank lines": (CHANGED.replace("k4", "\n\n  \n\t\nk4"), {}, 5),
    "blank lines before the header": ("\n \n,,\n" + CHANGED, {}, 5),
    "lines of empty cells": (CHANGED.replace("k4", ",,,\n,,\n , \nk4"), {}, 5),
    "a short row and a long one": (CHANGED.replace("k4,4,A", "k4,4").replace("k5,5,A", "k5,5,A,"), {}, ANY),
    "a row that lacks a cell": (CHANGED.replace("k4,4,A", "k4,4"), {}, None),
    "a row with a surplus cell": (CHANGED.replace("k4,4,A", "k4,4,A,x"), {}, 4),
    "quotes": (CHANGED.replace("A", '"A"'), {}, 5),
    "a quote within a cell": (CHANGED.replace("4,A", '4,A"'), {}, 4),
    "a quote that is not closed": (CHANGED.replace("5,A", '5,"A'), {}, None),
    "text after a quote": (CHANGED.replace("5,A", '5,"A"x'), {}, None),
    "a bad row before a line that cannot be read": (CHANGED.replace("2,A", "2,").replace("5,A", '5,"A"x'), {}, None),
    "semicolons": (CHANGED.replace(",", ";"), {"delimiter": ";"}, 5),
    "tabs": (CHANGED.replace(",", "\t"), {"delimiter": "tab"}, 5),
    "a delimiter that is found": (CHANGED.replace(",", "|"), {"delimiter": "auto"}, 5),
    "no header": (CHANGED.split("\n", 1)[1], {"header": ("external_key", "code", "label")}, 5),
    "other headers": (
        CHANGED.replace("external_key,code,label", "Id,Code,Name"),
        {"external_key_column": "Id", "map": (("Code", "code"), ("Name", "label"))},
        5,
    ),
    "a header for two columns": (CHANGED, {"map": (("label", "label"), ("label", "note"))}, None),
    "a column that is dropped": (CHANGED, {"map": (("label", ""),)}, 6),
    "a constant": (CHANGED, {"set": (("remark", ""),)}, 5),
    "a constant that is not stored": (CHANGED, {"set": (("remark", "x"),)}, None),
    "a nul": (CHANGED.replace("4,A", "4,A\0"), {}, None),
}


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("name", FILES)
def test_however_a_file_is_written_its_rows_are_told_alike(name: str, policy: str) -> None:
    """T1, C4."""
    text, options, passed = FILES[name]
    case(SIX, File("Parcel", text), passed=passed, policy=policy, **{**BY_OPTIONS, **options}).check(CROWD)


@pytest.mark.parametrize("after", ["", "new\n"])
def test_a_line_that_ends_the_input_of_copy_is_a_row_as_any_other(after: str) -> None:
    """O1: each row has an outcome."""
    text = "name\na\nb\n\\.\nd\ne\n" + after
    case(DOTS, File("Depot", text), passed=ANY, action_flags="cu*", match_on="name").check(CROWD)


def test_signs_that_mean_something_to_sql_are_text() -> None:
    """T1: in constants, flags and what is stored."""
    note = "100%s %(a)s 'b' \"c\" \\ %%;--"
    text = "".join(line.replace(",", ",C U *,", 1) + "\n" for line in LINES.splitlines())
    text = "external_key,action_flags,code,label\n" + text
    options: dict[str, Any] = {"match_on": "code", "set": (("note", note),)}
    case(parcels(6, note=note), text, passed=6, **options).check(CROWD)
    case(parcels(6, note=note), first(text, "n1,cu*,1,%s'"), passed=ANY, **options).check(CROWD)


# --- runs -----------------------------------------------------------------------------------------------------------

WITH_BAD = "external_key,code,pieces\nk1,1,\nk2,2,\nk3,3,x\nk4,4,\nk5,5,\nk6,6,x\nk7,7,\nk8,8,1\n"
EIGHT = parcels(8)
OTHER = cells("label", "B", "A", "A", "A", "A", "A")
RUNS: dict[str, tuple[tuple[str, ...], dict[str, Any], int | None]] = {
    "stop at a bad row": ((WITH_BAD,), {"on_error": "stop"}, 5),
    "one bad row too many": ((WITH_BAD,), {"on_error": "rollback", "max_errors": 1}, 5),
    "two bad rows too many": ((WITH_BAD,), {"on_error": "rollback", "max_errors": 2}, 5),
    "roll back": ((WITH_BAD,), {"on_error": "rollback"}, 5),
    "commit batches": ((WITH_BAD,), {"as_transaction": False}, 5),
    "a dry run": ((WITH_BAD,), {"dry_run": True}, 5),
    "a dry run of nothing": ((BARE_SAME,), {"dry_run": True}, 6),
    "another file changes what is proved": ((BARE_SAME, OTHER, BARE_SAME), {}, 6),
    "stop in the next file": ((BARE_SAME, WITH_BAD), {"on_error": "stop"}, 6),
    "only create": ((BARE_SAME,), {"action_flags": "c"}, 6),
    "only update": ((BARE_SAME, OTHER), {"action_flags": "u*"}, 6),
    "only update, and stop": ((BARE_SAME, WITH_BAD), {"action_flags": "u*", "on_error": "stop"}, 6),
    "only update, and stop in the file": ((WITH_BAD,), {"action_flags": "u*", "on_error": "stop"}, 5),
    "only update, and one bad row too many": (
        (WITH_BAD,),
        {"action_flags": "u*", "on_error": "rollback", "max_errors": 1},
        5,
    ),
}


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("name", RUNS)
def test_rows_are_counted_alike_however_a_run_goes(name: str, policy: str) -> None:
    """O1, T2 to T4."""
    texts, options, passed = RUNS[name]
    case(EIGHT, *texts, passed=passed, policy=policy, **{**BY_OPTIONS, **options}).check(CROWD)


def test_receivers_hear_nothing_of_rows_that_change_nothing() -> None:
    """A7."""
    case(SIX, BARE_SAME, passed=6, **BY_OPTIONS).check(CROWD, listens=True)
    case(SIX, CHANGED, passed=5, **BY_OPTIONS).check(CROWD, listens=True)


Sync = Callable[..., Report]


def test_a_proof_that_was_given_up_leaves_nothing_behind(sync_text: Sync) -> None:
    """The connection lives on: a table left in it would forbid every later proof."""
    sync_text(SAME, Parcel)
    sync_text(SAME + "k2,d,code,2,A\n", Parcel, batch_size=2)
    sync_text(SAME, Parcel)
    with proofs() as found:
        report = sync_text(SAME.replace("3,A", "3,B"), Parcel, batch_size=2)

    assert outcomes(report) == {"updated": 1, "unchanged": 5}
    assert [passed_over(proof) for proof in found] == [5]


def test_a_file_that_changes_while_it_is_read_ends_the_run_with_an_error(tmp_path: Any, sync_text: Sync) -> None:
    """C6: an error, never a traceback."""
    sync_text(SAME, Parcel)
    path = tmp_path / "parcels.csv"
    path.write_text(SAME.replace("2,A", "2,B").replace("4,A", "4,B").replace("6,A", "6,B"))

    def write_on(**_: Any) -> None:
        path.write_text(path.read_text() + "k7,cu*,code,7,A\n")

    post_save.connect(write_on, sender=Parcel)
    try:
        with proofs() as found:
            report = sync(path, Parcel, system="HR", options=SyncOptions(batch_size=2))
    finally:
        post_save.disconnect(write_on, sender=Parcel)

    assert [passed_over(proof) for proof in found] == [3]
    assert (report.committed, "changed while it was being read" in report.error) == (False, True)


def test_objects_that_the_base_manager_hides_are_not_there(monkeypatch: pytest.MonkeyPatch, sync_text: Sync) -> None:
    """T1: all engines see the same objects."""
    for number in range(1, 7):
        link(Hidden._base_manager.create(name=str(number), value="v", is_hidden=number == 3), f"k{number}")
    monkeypatch.setattr(Hidden._meta, "base_manager_name", "objects")
    Hidden._meta.__dict__.pop("base_manager", None)
    text = SAME.replace("code", "name").replace("label", "value").replace(",A", ",v")
    try:
        found = [
            outcomes(sync_text(text, Hidden, batch_size=2, engine=name, dry_run=True)) for name in ("objects", "auto")
        ]
    finally:
        monkeypatch.undo()
        Hidden._meta.__dict__.pop("base_manager", None)

    assert found[0] == found[1] != {"unchanged": 6}


@pytest.mark.parametrize("count", [100, 1_000])
def test_rows_that_change_nothing_cost_a_fixed_number_of_queries(sync_text: Sync, count: int) -> None:
    """On SQLite a few more: it takes 5,000 rows in one statement."""
    text = rows({"external_key": "k{}", "code": "c{}", "label": "A"}, range(count))
    sync_text(text, Parcel, **BY_OPTIONS)
    with listening(Parcel) as heard, proofs() as found:
        report = sync_text(text, Parcel, batch_size=50, **BY_OPTIONS)

    assert (outcomes(report), heard, passed_over(found[0])) == ({"unchanged": count}, [], count)
    assert report.queries < 40
