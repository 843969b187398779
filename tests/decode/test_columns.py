"""Which column is what: names, options, short and long rows (rules C1 to C4)."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest

from nsync import sync
from nsync.errors import ConfigError
from nsync.record.report import Report
from tests.telling import codes, keys_of, notes, noting_saves, outcomes
from tests.testapp.models import Company, House, Person, Profile

CU = {"action_flags": "cu*", "match_on": "first_name"}


# --- C1, C2: what the file has, and what the options give -----------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\xef\xbb\xbfexternal_key,action_flags,match_on,first_name\nB1,cu,first_name,Bruce\n",
        b'\xef\xbb\xbf"external_key",action_flags,match_on,first_name\nB1,cu,first_name,Bruce\n',
        b" external_key\t, action_flags , match_on,  first_name  \nB1,cu,first_name,Bruce\n",
        b"first_name,action_flags,external_key,match_on\nBruce,cu,B1,first_name\n",
    ],
    ids=["byte order mark", "quoted after a byte order mark", "blanks", "any order"],
)
@pytest.mark.django_db
def test_headers_are_stripped_of_blanks_and_of_a_byte_order_mark(data: bytes) -> None:
    """C1: a file saved by Excel keeps its keys."""
    report = sync(io.BytesIO(data), Person, system="HR")

    assert outcomes(report) == {"created": 1}
    assert keys_of(Person.objects.get(first_name="Bruce")) == {("HR", "B1")}
    assert notes(report) == []


@pytest.mark.parametrize(
    ("text", "options", "expected"),
    [
        ("first_name,age\nBruce,41\n", CU, {"first_name": "Bruce", "age": 41}),
        ("Name,age\nBruce,41\n", {**CU, "map": (("Name", "first_name"),)}, {"first_name": "Bruce", "age": 41}),
        (
            "Name,age\nBruce,41\n",
            {**CU, "map": (("Name", "first_name"), ("Name", "last_name"), ("age", "nickname"))},
            {"first_name": "Bruce", "last_name": "Bruce", "nickname": "41", "age": None},
        ),
        (
            "first_name,age\nBruce,41\n",
            {**CU, "map": (("age", "nickname"), ("age", "age"))},
            {"nickname": "41", "age": 41},
        ),
        ("first_name,age\nBruce,forty\n", {**CU, "map": (("age", ""),)}, {"age": None}),
        (
            "first_name,last_name\nBruce,Wayne\n",
            {**CU, "map": (("first_name", "last_name"), ("last_name", "first_name"))},
            {"first_name": "Wayne", "last_name": "Bruce"},
        ),
        ("first_name\nBruce\n", {**CU, "set": (("age", "41"), ("nickname", ""))}, {"age": 41, "nickname": None}),
        (
            "first_name\nBruce\n",
            {**CU, "match_on": "first_name last_name", "set": (("last_name", "Wayne"),)},
            {"last_name": "Wayne"},
        ),
        ("first_name,Firm\nBruce,Acme\n", {**CU, "map": (("Firm", "company=>name"),)}, {"company__city": "Gotham"}),
        ("first_name\nBruce\n", {**CU, "set": (("company=>name", "Acme"),)}, {"company__city": "Gotham"}),
        ("first_name,age,\nBruce,41,x\n", {**CU, "map": ((" age ", " nickname "),)}, {"nickname": "41"}),
    ],
    ids=[
        "no control column",
        "mapped",
        "one header, several targets; mapped away from its own name",
        "mapped to its own name too",
        "dropped",
        "exchanged",
        "constants",
        "matched by a constant",
        "mapped to a reference",
        "constant reference",
        "blanks in --map",
    ],
)
def test_options_give_what_the_file_does_not(
    sync_text: Callable[..., Report], text: str, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    """C2; and the same again changes nothing (A7)."""
    Company.objects.create(name="Acme", city="Gotham")

    assert outcomes(sync_text(text, **options)) == {"created": 1}
    assert Person.objects.values(*expected).get() == expected
    assert outcomes(sync_text(text, **options)) == {"unchanged": 1}


@pytest.mark.parametrize(
    ("text", "existing", "outcome"),
    [
        ("first_name,action_flags\nBruce\n", False, "created"),
        ("first_name,action_flags\nBruce,\n", False, "ignored"),
        ("first_name,action_flags\nBruce,u*\n", False, "unmatched"),
        ("first_name,age,match_on\nBruce,41\n", True, "updated"),
        ("external_key,first_name,age,match_on\nB1,Bruce,41,\n", True, "created"),
        ("first_name,age,match_on\nBruce,41,age\n", True, "created"),
    ],
    ids=["flags absent", "flags empty", "flags given", "match absent", "match empty", "match given"],
)
def test_an_absent_control_cell_takes_the_option_and_an_empty_one_does_not(
    sync_text: Callable[..., Report], text: str, existing: bool, outcome: str
) -> None:
    """C2, C4."""
    if existing:
        Person.objects.create(first_name="Bruce", age=40)

    assert outcomes(sync_text(text, **CU)) == {outcome: 1}


def test_the_key_column_is_a_field_too_only_if_it_is_mapped(sync_text: Callable[..., Report]) -> None:
    """C2: --external-key-column."""
    text = "employee_id,first_name\n E1 ,Bruce\n"

    sync_text(text, external_key_column="employee_id", **CU)
    bruce = Person.objects.get()
    assert keys_of(bruce) == {("HR", "E1")}
    assert bruce.employee_id is None

    report = sync_text(text, external_key_column="employee_id", map=(("employee_id", "employee_id"),), **CU)
    bruce.refresh_from_db()
    assert outcomes(report) == {"updated": 1}
    assert bruce.employee_id == " E1 "  # text is kept as it is (V1); a key is stripped (I1)


def test_a_column_that_is_not_the_key_column_is_no_control(sync_text: Callable[..., Report]) -> None:
    """C1, C2: what --external-key-column and --action-flags-column do not name is an ordinary column."""
    report = sync_text(
        "id,external_key,op,action_flags,first_name\n7,X,cu,x,Bruce\n",
        external_key_column="id",
        action_flags_column="op",
        match_on="first_name",
    )

    assert outcomes(report) == {"created": 1}
    assert keys_of(Person.objects.get()) == {("HR", "7")}
    assert notes(report) == [("unknown-column", "external_key"), ("unknown-column", "action_flags")]


@pytest.mark.parametrize("control", ["action_flags", "match_on", "external_key"])
def test_a_dropped_control_column_gives_way_to_its_option(sync_text: Callable[..., Report], control: str) -> None:
    """C2: --map 'Header=' drops a column, whichever it is."""
    report = sync_text(f"{control},first_name\nnonsense,Bruce\n", map=((control, ""),), **CU)

    assert outcomes(report) == {"created": 1}
    assert keys_of(Person.objects.get()) == set()


# --- C3: fields, properties, lookups, and what is none --------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "column", "close"),
    [
        (Person, "frist_name", "did you mean first_name?"),
        (Person, "zzzzzz", ""),
        (Profile, "fullname", "did you mean full_name?"),
        (Profile, "initials", ""),  # a property without a setter; it is no advice to name it
        (Person, "company__name", ""),
        (Person, "first_name__iexcat", ""),
        (Person, "save", ""),
        (Person, "objects", ""),
        (Person, "_meta", ""),
        (Person, "_state", ""),
        (Person, "__class__", ""),
        (Person, "__dict__", ""),
        (Person, "__doc__", ""),
        (Person, "__", ""),
    ],
)
def test_a_column_that_is_neither_field_nor_settable_is_ignored_and_said_once(
    sync_text: Callable[..., Report], model: type[Any], column: str, close: str
) -> None:
    """C3: two rows, one note, with the closest real name."""
    field = "first_name" if model is Person else "login"
    text = f"{field},{column}\na,x\nb,x\n"
    options = {"action_flags": "cu", "match_on": field}

    report = sync_text(text, model, **options)

    assert outcomes(report) == {"created": 2}
    assert notes(report) == [("unknown-column", column)]
    message = report.sources[0].columns[0].message
    assert f"no such field on {model.__name__}" in message
    assert message.endswith(close) if close else f"did you mean {column}" not in message


def test_strict_makes_an_unknown_column_an_error_before_the_first_row(sync_text: Callable[..., Report]) -> None:
    """C3: --strict; dropping the column is a cure, and what Django numbers itself is not unknown."""
    text = "id,first_name,nmae,modified\n1,Bruce,x,2024-01-01\n"

    with pytest.raises(ConfigError, match=r"nmae.*no such field on Person"):
        sync_text(text, strict=True, **CU)
    assert not Person.objects.exists()

    report = sync_text(text, strict=True, map=(("nmae", ""),), **CU)
    assert notes(report) == [("primary-key-ignored", "id"), ("filled-by-django", "modified")]


def test_a_column_with_a_lookup_finds_the_object_and_is_never_written(sync_text: Callable[..., Report]) -> None:
    """C3, I2."""
    Person.objects.create(first_name="Bruce", age=40)
    text = "action_flags,match_on,first_name__iexact,age\ncu*,first_name__iexact,BRUCE,41\n"

    assert outcomes(sync_text(text)) == {"updated": 1}
    assert Person.objects.values("first_name", "age").get() == {"first_name": "Bruce", "age": 41}
    assert outcomes(sync_text(text)) == {"unchanged": 1}

    sync_text("action_flags,match_on,first_name__iexact,last_name\nc,first_name__iexact,DICK,Grayson\n")
    assert Person.objects.get(last_name="Grayson").first_name == ""


@pytest.mark.parametrize("column", ["company", "company_id", "company=>pk", "company=>id"])
def test_a_foreign_key_goes_by_its_field_and_by_its_column(sync_text: Callable[..., Report], column: str) -> None:
    """C3: company_id is a name of the field, not a property."""
    acme = Company.objects.create(name="Acme")
    text = f"first_name,{column}\nBruce,{acme.pk}\nDick,0\n"

    report = sync_text(text, **CU)

    assert Person.objects.get(first_name="Bruce").company == acme
    assert outcomes(report) == {"created": 2}
    assert codes(report) == [(3, "missing-reference", column)]


# --- C4: short and long rows ----------------------------------------------------------------------------------------


def test_an_absent_cell_touches_nothing_and_an_empty_one_empties(sync_text: Callable[..., Report]) -> None:
    """C4, A3."""
    for name in ("Bruce", "Dick"):
        Person.objects.create(first_name=name, age=40, nickname="Bat")

    report = sync_text("first_name,age,nickname\nBruce\nDick,,\n", **CU)

    assert outcomes(report) == {"unchanged": 1, "updated": 1}
    assert Person.objects.values_list("age", "nickname").get(first_name="Bruce") == (40, "Bat")
    assert Person.objects.values_list("age", "nickname").get(first_name="Dick") == (None, None)


@pytest.mark.parametrize(
    ("row", "failed"),
    [("Bruce,41,x", True), ("Bruce,41,,,x", True), ("Bruce,41,", False), ("Bruce,41,,,", False)],
)
def test_extra_cells_are_an_error_unless_all_of_them_are_empty(
    sync_text: Callable[..., Report], row: str, failed: bool
) -> None:
    """C4: extra-cells."""
    report = sync_text(f"first_name,age\n{row}\nDick,20\n", on_error="skip", **CU)

    assert outcomes(report) == ({"failed": 1, "created": 1} if failed else {"created": 2})
    assert codes(report) == ([(2, "extra-cells", "")] if failed else [])


def test_a_column_without_a_name_is_ignored(sync_text: Callable[..., Report]) -> None:
    """C4: several of them too; and no note for them."""
    report = sync_text("first_name,, ,age\nBruce,x,y,41\n", **CU)

    assert outcomes(report) == {"created": 1}
    assert notes(report) == []
    assert Person.objects.get().age == 41


def test_blank_lines_are_no_rows_but_count_as_lines(sync_text: Callable[..., Report]) -> None:
    """C4."""
    report = sync_text('\nfirst_name,age\n\nBruce,41\n,\n"",""\n   \n\nDick,x\n,,,\n', on_error="skip", **CU)

    assert outcomes(report) == {"created": 1, "failed": 1}
    assert codes(report) == [(9, "invalid-integer", "age")]


@pytest.mark.parametrize("text", ["first_name,age\n", "first_name,age", "first_name,age\n\n,\n"])
def test_a_header_and_no_row_is_a_warning(sync_text: Callable[..., Report], text: str) -> None:
    """C4: exit 0, no-rows."""
    report = sync_text(text, **CU)

    assert (report.exit_code, notes(report), outcomes(report)) == (0, [("no-rows", "")], {})


def test_a_second_run_of_a_file_with_all_kinds_of_columns_saves_nothing(sync_text: Callable[..., Report]) -> None:
    """A7, with C2 to C5."""
    Company.objects.create(name="Acme")
    text = "key,Name,age,company=>name,houses=>address,extra\nB1,Bruce,,Acme,Manor,x\nD1,Dick\n"
    House.objects.create(address="Manor")
    options = {
        "external_key_column": "key",
        "map": (("Name", "first_name"), ("Name", "nickname")),
        "set": (("active", "yes"),),
        "null_marker": "NULL",
        **CU,
    }
    sync_text(text, **options)
    with noting_saves() as saved:
        report = sync_text(text, **options)

    assert outcomes(report) == {"unchanged": 2}
    assert saved == []
