"""The summary that people read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from nsync.record.report import Report
from nsync.record.text import headline, plain, rows_told, summary
from tests.many import listening
from tests.testapp.models import Parcel, Person

HEADER = "external_key,action_flags,match_on,first_name,employee_id,age\n"


def told(report: Report) -> str:
    return "\n".join(summary(report))


@pytest.mark.parametrize(
    ("rows", "options", "said"),
    [
        ("1,cu*,employee_id,Homer,E1,39\n", {}, "Applied."),
        ("1,u*,employee_id,Homer,E1,39\n", {}, "Applied: there was nothing to change."),
        ("1,cu*,employee_id,Homer,E1,x\n", {}, "Nothing was committed: 1 of 1 row failed."),
        (
            "1,cu*,employee_id,Homer,E1,x\n",
            {"on_error": "stop"},
            "Nothing was committed: stopped at the first row error (--on-error stop)",
        ),
        ("1,cu*,employee_id,Homer,E1,x\n", {"dry_run": True}, "Nothing was written (dry run); 1 of 1 row failed."),
        (
            "1,cu*,employee_id,Homer,E1,x\n2,cu*,employee_id,Bart,E2,10\n",
            {"on_error": "skip"},
            "Applied, but 1 of 2 rows failed and were left out.",
        ),
        ('1,cu*,employee_id,"Homer,E1,x\n', {}, "Nothing was committed: <stream>:2: a quote that opens"),
    ],
)
def test_the_first_words_say_what_happened(
    sync_text: Callable[..., Report], rows: str, options: dict[str, object], said: str
) -> None:
    """O2."""
    report = sync_text(HEADER + rows, **options)

    assert headline(report).startswith(said)
    assert told(report).startswith(said)


def test_each_code_is_told_with_its_count_and_the_first_rows(sync_text: Callable[..., Report]) -> None:
    """O2."""
    report = sync_text(HEADER + "".join(f"{n},cu*,employee_id,Homer,E{n},x{n}\n" for n in range(1, 6)))

    assert (
        "Errors:\n"
        "  invalid-integer  5  The cell is not a whole number.\n"
        "    <stream>:2 [age] not a whole number; write one such as 42: 'x1'\n"
        "    <stream>:3 [age] not a whole number; write one such as 42: 'x2'\n"
        "    <stream>:4 [age] not a whole number; write one such as 42: 'x3'\n"
        "    and 2 more\n"
    ) in told(report)


def test_after_a_rollback_the_counts_say_what_would_have_become(sync_text: Callable[..., Report]) -> None:
    """O2."""
    text = told(sync_text(HEADER + "1,cu*,employee_id,Homer,E1,39\n2,cu*,employee_id,Bart,E2,x\n"))

    assert "What the rows would have become:\n  failed   1\n  created  1\n" in text
    assert "To commit the good rows and leave out the failed ones: --on-error skip." in text
    assert "--rejects FILE." in text


def test_displaced_objects_are_told(sync_text: Callable[..., Report]) -> None:
    """A4."""
    sync_text(HEADER + "1,c,employee_id,Homer,E1,39\n")
    Person.objects.create(first_name="Impostor", employee_id="E9")

    text = told(sync_text(HEADER + "1,u*,employee_id,Homer,E9,39\n"))

    assert "updated    1\n  displaced  1  objects that forced updates removed" in text


def test_ignored_columns_are_told_once(sync_text: Callable[..., Report]) -> None:
    """C3."""
    text = told(sync_text("action_flags,match_on,first_name,fist_name\nc,first_name,A,x\nc,first_name,B,x\n"))

    assert "Ignored columns:\n  fist_name: no such field on Person; did you mean first_name?\n" in text


def test_rows_are_told_with_all_their_problems(sync_text: Callable[..., Report]) -> None:
    report = sync_text("action_flags,match_on,first_name,age,birthday\nc,first_name,A,x,y\n")

    assert list(rows_told(report))[:4] == [
        "",
        "Rows",
        "  <stream>:2: failed",
        "    invalid-integer: [age] not a whole number; write one such as 42: 'x'",
    ]


def test_a_file_cannot_steer_the_terminal(sync_text: Callable[..., Report]) -> None:
    """A cell may hold anything: signs that are not printable are shown, not sent."""
    report = sync_text("action_flags,match_on,first_name,age\nc,first_name,A,\x1b[2Jx\n")

    assert "\x1b" not in told(report) + "".join(rows_told(report))
    assert plain("a\x1b[2J\nb") == "a\\x1b[2J\\nb"
    assert len(plain("x" * 1000)) == 301


PARCEL = "external_key,action_flags,match_on,code,label\nk1,cu*,code,1,A\n"
PERSON = HEADER + "1,cu*,employee_id,Homer,E1,39\n"
HINT = "testapp.Person has parents or children by inheritance"
DRY_RUN_HINT = "a dry run tells what changes, row by row"
RECEIVER = "post_save of testapp.Parcel has receivers"


def engine_lines(report: Report) -> list[str]:
    """Give the lines below the one that names the engine."""
    _, _, rest = told(report).partition(f", engine: {report.engine}\n")
    return rest.partition("\n\n")[0].splitlines()


@pytest.mark.parametrize(
    ("model", "text", "options", "engine", "said"),
    [
        pytest.param(Parcel, PARCEL, {}, "columns", [], id="nothing in the way"),
        pytest.param(
            Person,
            PERSON,
            {},
            "bulk",
            ["read and written in batches, each row planned by itself, because", f"  {HINT}"],
            id="not by columns",
        ),
        pytest.param(Person, PERSON, {"engine": "bulk"}, "bulk", [], id="bulk as asked"),
        pytest.param(
            Parcel,
            PARCEL,
            {"dry_run": True},
            "bulk",
            ["read in batches, each row planned by itself, because", f"  {DRY_RUN_HINT}"],
            id="a dry run",
        ),
    ],
)
def test_a_run_that_is_not_the_fastest_says_why(
    sync_text: Callable[..., Report],
    model: type[Any],
    text: str,
    options: dict[str, Any],
    engine: str,
    said: list[str],
) -> None:
    """O2, T10."""
    report = sync_text(text, model, **options)

    assert (report.engine, engine_lines(report)) == (engine, said)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, ["read in batches, and each object that changes saved by itself, because", f"  {RECEIVER}"]),
        (
            {"engine": "bulk"},
            ["written in bulk, as --engine bulk asks; the project's own code was not called:", f"  {RECEIVER}"],
        ),
        (
            {"engine": "columns"},
            ["written by columns, as --engine columns asks; the project's own code was not called:", f"  {RECEIVER}"],
        ),
        (
            {"engine": "columns", "dry_run": True},
            [
                "written in bulk, as --engine columns asks; the project's own code was not called:",
                f"  {RECEIVER}",
                "read in batches, each row planned by itself, because",
                f"  {DRY_RUN_HINT}",
            ],
        ),
    ],
)
def test_code_that_is_called_or_passed_over_is_named(
    sync_text: Callable[..., Report], options: dict[str, Any], said: list[str]
) -> None:
    """O2, T10."""
    with listening(Parcel):
        report = sync_text(PARCEL, Parcel, **options)

    assert engine_lines(report) == said


def test_each_source_says_why_under_its_name(sync_texts: Callable[..., Report]) -> None:
    """O2, T10."""
    report = sync_texts(("HR", "testapp.Person", PERSON), ("HR", "testapp.Parcel", PARCEL))

    name = report.sources[0].name
    title = f"{name}: read and written in batches, each row planned by itself, because"
    assert report.engine == "bulk, columns"
    assert engine_lines(report) == [title, f"  {HINT}"]
