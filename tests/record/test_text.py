"""The summary that people read."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync.record.report import Report
from nsync.record.text import headline, plain, rows_told, summary
from tests.testapp.models import Person

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
