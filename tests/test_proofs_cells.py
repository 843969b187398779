"""Cells that do not say what is stored: their rows are never passed over, whatever they look like (V1 to V4)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import connection, connections

from tests.agreeing import File, Ref, Stale, Thing
from tests.proving import (
    ANY,
    BARE_SAME,
    BY_KEY,
    BY_OPTIONS,
    CROWD,
    case,
    cells,
    parcels,
)
from tests.testapp.models import Parcel

pytestmark = pytest.mark.django_db

# --- cells ----------------------------------------------------------------------------------------------------------

MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)
FRACTION = datetime(2024, 1, 2, 3, 4, 5, 600000, tzinfo=UTC)
REF = "0000abcd-0000-4000-8000-000000000003"
NUMBERS = None if connection.vendor == "sqlite" else 5  # which holds decimals as floating point numbers
WEIGHTS = 5 if connection.vendor == "postgresql" else None
# column → what is stored, the cell that five rows have, the cell of the last row, options, how many are passed over
CELLS: dict[str, tuple[str, Any, str, str, dict[str, Any], int | None]] = {
    "a number with a zero before it": ("pieces", 42, "42", "042", {}, 5),
    "a number with blanks around": ("pieces", 42, "42", " 42 ", {}, 5),
    "a number with a sign": ("pieces", 42, "42", "+42", {}, 5),
    "another number": ("pieces", 42, "42", "43", {}, 5),
    "yes and no": ("fragile", True, "yes", "TRUE", {}, 6),
    "yes with a blank": ("fragile", True, "yes", "yes ", {}, 5),
    "no for yes": ("fragile", True, "yes", "no", {}, 5),
    "a boolean that is none": ("fragile", True, "1", "2", {}, 5),
    "an empty boolean": ("fragile", True, "1", "", {}, 5),
    "a price with fewer places": ("price", "12.50", "12.50", "12.5", {}, NUMBERS and 6),
    "a price with more places": ("price", "12.50", "12.50", "12.500", {}, NUMBERS),
    "a price with a comma": ("price", "12.50", "12,5", "12.5", {"decimal_comma": True}, None),
    "a whole price": ("price", "100", "100", "1E2", {}, NUMBERS),
    "NaN": ("price", "1.50", "1.5", "NaN", {}, NUMBERS),
    "a weight that is nearly the same": ("weight", 0.3, "0.3", "0.30000000000000004", {}, WEIGHTS),
    "an infinite weight": ("weight", 0.5, "0.5", "Infinity", {}, WEIGHTS),
    "a weight written large": ("weight", 1e20, "1e+20", "100000000000000000000", {}, WEIGHTS),
    "a day in other words": ("due", MOMENT.date(), "2024-01-02", "2 January 2024", {}, 5),
    "a day that reads two ways": ("due", MOMENT.date(), "2024-01-02", "01/02/2024", {}, 5),
    "a day and midnight": ("due", MOMENT.date(), "2024-01-02", "2024-01-02T00:00:00", {}, 5),
    "an early day": ("due", "0999-12-31", "0999-12-31", "999-12-31", {}, 5),
    "a time without seconds": ("until", "10:00", "10:00:00", "10:00", {}, 5),
    "a time with a fraction": ("until", "10:00", "10:00:00", "10:00:00.5", {}, 5),
    "a moment in another zone": ("sent", MOMENT, "2024-01-02T03:04:05Z", "2024-01-02T04:04:05+01:00", {}, 5),
    "a moment without a zone": ("sent", MOMENT, "2024-01-02 03:04:05+00:00", "2024-01-02T04:04:05", {}, 5),
    "a moment of another zone": ("sent", MOMENT, "2024-01-02T03:04:05Z", "2024-01-02T03:04:05", {}, 5),
    "a moment with a fraction": ("sent", FRACTION, "2024-01-02T03:04:05.600000Z", "2024-01-02T03:04:05.6Z", {}, 5),
    "a moment without its fraction": ("sent", FRACTION, "2024-01-02T03:04:05.600000Z", "2024-01-02T03:04:05Z", {}, 5),
    "a UUID in capitals": ("ref", REF, REF, REF.upper(), {}, 5),
    "a UUID without dashes": ("ref", REF, REF, REF.replace("-", ""), {}, 5),
    "a UUID with its dashes elsewhere": ("ref", REF, REF, "0000-abcd000040008000-0000-0000000-00003", {}, 5),
    "text with a blank": ("note", "a", "a", " a", {}, 5),
    "text in capitals": ("note", "a", "a", "A", {}, 5),
    "text with another accent": ("note", "\u00e9", "\u00e9", "e\u0301", {}, 5),
    "empty text": ("note", "", "", " ", {}, 5),
    "empty text for null": ("remark", None, "", "", {}, 6),
    "null for empty text": ("remark", "", "", "", {}, 6),
    "text for null": ("remark", None, "", "x", {}, 5),
    "nothing for a number": ("pieces", None, "", "0", {}, 5),
    "a choice by its label": ("status", "sent", "sent", "On its way", {}, 5),
    "a choice that is none": ("status", "sent", "sent", "gone", {}, 5),
    "a choice in capitals": ("status", "sent", "sent", "SENT", {}, 5),
    "an empty choice": ("status", "sent", "sent", "", {}, 5),
    "a choice that is no longer one": ("status", "gone", "gone", "gone", {}, None),
    "a null marker": ("note", "a", "a", "-", {"null_marker": "-"}, None),
    "a quote": ("note", 'a"b', '"a""b"', "a", {}, 5),
    "a delimiter": ("note", "a,b", '"a,b"', '"a,c"', {}, 5),
    "a newline": ("note", "a\nb", '"a\nb"', '"a\n"', {}, 5),
    "a newline of Windows for a newline": ("remark", "a\nb", '"a\nb"', '"a\r\nb"', {}, 5),
    "a newline of Windows": ("remark", "a\r\nb", '"a\r\nb"', "x", {}, ANY),
    "a return": ("remark", "a\rb", '"a\rb"', '"a\nb"', {}, 5),
    "a backslash and a dot": ("note", "\\.", "\\.", "\\N", {}, 5),
    "percent signs": ("note", "%s%%", "%s%%", "%s%", {}, 5),
    "a line separator": ("note", "a\u2028b\x0bc\x85d", "a\u2028b\x0bc\x85d", "a", {}, 5),
}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_that_does_not_say_what_is_stored_is_looked_at(name: str) -> None:
    """T1, V1 to V4, A7: the last row is as the others, but for this cell."""
    column, stored, usual, last, options, passed = CELLS[name]
    start = parcels(6, **{column: stored})
    text = cells(column, *[usual] * 5, last)
    case(start, text, passed=passed, **BY_OPTIONS, **options).check(CROWD)
    unforced = {**BY_OPTIONS, **options, "action_flags": "cu"}
    case(start, text, passed=passed, **unforced).check(CROWD)


@pytest.mark.database("sqlite")
@pytest.mark.parametrize(
    ("column", "stored"), [("note", "x" * 51), ("pieces", "99999"), ("pieces", "-1"), ("remark", "a\0b")]
)
def test_what_sqlite_should_not_hold_is_looked_at(column: str, stored: str) -> None:
    """V4: the row says what is stored, and fails all the same."""
    start = [*parcels(11), Thing("Parcel", {"code": "12", "label": "A", column: stored}, (("HR", "k12"),))]
    more = parcels(30)[12:]  # so many are known that a proof is worth while, though the long cell makes the file large
    case([*start, *more], cells(column, *[""] * 11, stored), passed=ANY, **BY_OPTIONS).check(CROWD)


@pytest.mark.database("sqlite")
def test_a_reference_that_is_too_long_fails_though_sqlite_holds_it() -> None:
    """V4, R1."""
    name = "V" * 51
    start = [Thing("Depot", {"name": name}), *parcels(6, depot=Ref(0))]
    case(start, cells("depot=>name", *[name] * 6), passed=ANY, **BY_OPTIONS).check(CROWD)


@pytest.mark.database("sqlite")
def test_a_key_that_is_too_long_fails_though_sqlite_holds_it() -> None:
    """V4."""
    key = "k" * 256
    start = [*parcels(30), Thing("Parcel", {"code": "x", "label": "A"}, (("HR", key),))]
    case(start, f"{BARE_SAME}{key},x,A\n", passed=ANY, **BY_OPTIONS).check(CROWD)


CHOICES: dict[str, tuple[list[Any], str, int | None]] = {
    "none at all": ([], "gone", 6),
    "nothing, with a label": ([(None, "---"), ("sent", "On its way")], "None", None),
    "one that has a percent sign and a quote": ([("%s'\"%", "x"), ("b", "y")], "%s'\"%", 6),
    "in groups": ([("group", [("sent", "x"), ("b", "y")])], "sent", 6),
    "one that is the label of another": ([("a", "b"), ("b", "c")], "b", 6),
    "no longer": ([("sent", "On its way")], "gone", None),
}


@pytest.mark.parametrize("name", CHOICES)
def test_a_cell_must_be_a_choice(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """V1: the row says what is stored, but that may be no choice."""
    choices, stored, passed = CHOICES[name]
    monkeypatch.setattr(Parcel._meta.get_field("status"), "choices", choices)
    text = cells("status", *['"' + stored.replace('"', '""') + '"'] * 6)
    case(parcels(6, status=stored), text, passed=passed, **BY_OPTIONS).check(CROWD)


@pytest.fixture
def local_times(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the database hold local times, as the setting ``DATABASES[…]["TIME_ZONE"]`` says of databases of others."""

    def forget() -> None:
        for name in ("timezone", "timezone_name"):
            connections["default"].__dict__.pop(name, None)

    monkeypatch.setitem(connection.settings_dict, "TIME_ZONE", "Europe/Berlin")
    forget()
    yield
    monkeypatch.undo()
    forget()


@pytest.mark.database("sqlite")
@pytest.mark.usefixtures("local_times")
def test_a_moment_may_be_stored_as_local_time() -> None:
    """A7: what is stored looks like the cell, and is another moment."""
    text = cells("sent", *["2024-01-02T04:04:05Z"] * 6)
    case(parcels(6, sent=MOMENT), text, passed=ANY, **BY_OPTIONS).check(CROWD)


# --- references -----------------------------------------------------------------------------------------------------

DEPOTS = [
    Thing("Depot", {"name": "V"}, (("HR", "V"), ("ERP", "E"))),
    Thing("Depot", {"name": "W"}, (("HR", "W"),)),
    Stale("Depot", "HR", "gone"),
]
STORED = [Thing("Parcel", {**it.values, "depot": Ref(0)}, it.keys) for it in parcels(6)]
# header → what five rows have, what the last has, options, passed over
REFERENCES: dict[str, tuple[str, str, str, dict[str, Any], int | None]] = {
    "another, by a unique column": ("depot=>name", "V", "W", {}, 5),
    "none, by a unique column": ("depot=>name", "V", "Q", {}, 5),
    "none, and the row waits": ("depot=>name", "V", "Q", {"on_missing_reference": "error"}, 5),
    "with a blank, by a unique column": ("depot=>name", "V", "V ", {}, 5),
    "empty, by a unique column": ("depot=>name", "V", "", {}, 6),
    "another, by key": ("depot=>external_key", "V", "W", {}, 5),
    "none, by key": ("depot=>external_key", "V", "Q", {}, 5),
    "stale, by key": ("depot=>external_key", "V", "gone", {}, 5),
    "with a blank, by key": ("depot=>external_key", "V", " V", {}, 5),
    "empty, by key": ("depot=>external_key", "V", "", {}, 6),
    "none, by key of another system": ("depot=>external_key@ERP", "E", "V", {}, 5),
    "by a column that is not unique": ("depot=>city", "", "", {}, None),
    "a null marker": ("depot=>name", "V", "-", {"null_marker": "-"}, None),
    "a number that is none": ("depot", "", "x", {}, 5),
    "a number of nothing": ("depot", "", "987654321", {}, 5),
}


@pytest.mark.parametrize("name", REFERENCES)
def test_a_reference_that_does_not_say_what_is_stored_is_looked_at(name: str) -> None:
    """T1, R1, R2, R5: the last row is as the others, but for this cell."""
    header, usual, last, options, passed = REFERENCES[name]
    text = cells(header, *[usual] * 5, last)
    case([*DEPOTS, *STORED], text, passed=passed, **BY_OPTIONS, **options).check(CROWD)
    case([*DEPOTS, *STORED], text, passed=passed, **{**BY_OPTIONS, "action_flags": "u"}, **options).check(CROWD)


def test_rows_of_an_earlier_file_that_wait_for_a_relation_are_not_overtaken() -> None:
    """R6: a later row that names the relation, even if it changes nothing, is the last word."""
    waits = File("Parcel", "external_key,code,depot=>name\nk2,2,N\n")
    again = File("Parcel", cells("depot=>name", *["V"] * 6))
    late = File("Depot", "external_key,name\nn,N\n")
    case([*DEPOTS, *STORED], waits, again, late, passed=None, **BY_KEY).check(CROWD)
    case([*DEPOTS, *STORED], waits, again, late, passed=6, policy="ordered", **BY_KEY).check(CROWD)
