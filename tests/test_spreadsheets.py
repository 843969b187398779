"""Spreadsheets that are synced: typed cells reach their fields as they show, cells without a value reach none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nsync import SyncOptions, sync
from nsync.changes import OutcomeKind
from nsync.record.rejects import write_rejects
from nsync.record.report import Report
from tests.read.workbooks import text_row, xlsx
from tests.testapp.models import Company, Person, Profile, Tag

pytestmark = pytest.mark.django_db

HEADER = ("external_key", "action_flags", "match_on", "employee_id", "first_name", "company=>name", "tags=>+name")
ERROR = '<c t="e"><v>#N/A</v></c>'


def run(folder: Path, rows: str, model: Any = Person, **options: Any) -> Report:
    path = folder / "staff.xlsx"
    path.write_bytes(xlsx(rows, formats={14: ""}))
    return sync(path, model, system="HR", options=SyncOptions(on_error="skip", **options))


def told(report: Report) -> list[tuple[int, str, str, str]]:
    return [
        (entry.line, problem.column, problem.code, problem.value)
        for entry in report.spool.entries()
        for problem in entry.problems
    ]


def text(value: str) -> str:
    return f'<c t="inlineStr"><is><t>{value}</t></is></c>'


def test_a_number_is_a_key_as_excel_shows_it_and_text_keeps_its_zeros(tmp_path: Path) -> None:
    run(
        tmp_path,
        text_row("external_key", "employee_id", "first_name")
        + f"<row><c><v>12345.0</v></c><c><v>12345.0</v></c>{text('A')}</row>"
        + text_row("00123", "0012", "B")
        + f'<row><c><v>1E5</v></c><c s="1"><v>45322</v></c>{text("C")}</row>',
        action_flags="c",
    )

    assert sorted(Person.objects.values_list("employee_id", flat=True)) == ["0012", "12345", "2024-01-31"]
    rows = text_row("12345", "X") + text_row("00123", "Y") + text_row("100000", "Z")
    again = run(tmp_path, text_row("external_key", "first_name") + rows, action_flags="u*")
    assert again.counts == {OutcomeKind.UPDATED: 3}


@pytest.mark.parametrize("options", [{}, {"engine": "objects"}], ids=["auto", "objects"])
@pytest.mark.parametrize("column", range(len(HEADER)))
def test_a_cell_without_a_value_fails_its_row_wherever_it_is(
    tmp_path: Path, column: int, options: dict[str, Any]
) -> None:
    Company.objects.create(name="Wayne")
    Tag.objects.create(name="new")
    cells = [text(value) for value in ("K1", "cu*", "employee_id", "1", "Bruce", "Wayne", "new")]
    cells[column] = ERROR
    good = text_row("K2", "cu*", "employee_id", "2", "Zoë", "Wayne", "new")

    report = run(tmp_path, text_row(*HEADER) + good + f"<row>{''.join(cells)}</row>", **options)

    assert told(report) == [(3, HEADER[column], "invalid-value", "#N/A")]
    assert f"cell {'ABCDEFG'[column]}3 of sheet 'One' holds the error #N/A" in str(
        [problem.message for entry in report.spool.entries() for problem in entry.problems]
    )
    assert list(Person.objects.values_list("first_name", flat=True)) == ["Zoë"]


def test_a_cell_without_a_value_is_not_set_as_a_property_either(tmp_path: Path) -> None:
    """V6."""
    rows = text_row("login", "full_name") + f"<row>{text('bat')}{ERROR}</row>"

    assert told(run(tmp_path, rows, Profile, action_flags="c", match_on="login")) == [
        (2, "full_name", "invalid-value", "#N/A")
    ]
    assert not Profile.objects.exists()


def test_a_cell_without_a_value_in_a_column_that_is_ignored_does_no_harm(tmp_path: Path) -> None:
    row = f"<row>{text('Zoë')}{ERROR}</row>"

    assert told(run(tmp_path, text_row("first_name", "nothing") + row, action_flags="c", match_on="first_name")) == []


def test_a_formula_that_was_not_calculated_is_no_empty_cell_even_where_nothing_else_changed(tmp_path: Path) -> None:
    header = text_row("employee_id", "nickname")
    known = "".join(text_row(str(number), "") for number in range(20))
    options: dict[str, Any] = {"action_flags": "cu*", "match_on": "employee_id", "batch_size": 5}
    run(tmp_path, header + known, **options)

    last = text_row("19", "")
    changed = known.replace(last, f"<row>{text('19')}<c><f>A1</f></c></row>")
    report = run(tmp_path, header + changed, **options)

    assert told(report) == [(21, "nickname", "invalid-value", "=?")]


def test_the_null_marker_may_be_an_error_that_is_then_an_empty_cell(tmp_path: Path) -> None:
    """C5."""
    Person.objects.create(employee_id="1", age=40)
    rows = text_row("employee_id", "age") + f"<row>{text('1')}{ERROR}</row>"
    rows += f"<row>{text('2')}{ERROR.replace('#N/A', '#REF!')}</row>"

    report = run(tmp_path, rows, action_flags="cu*", match_on="employee_id", null_marker="#N/A")

    assert told(report) == [(3, "age", "invalid-value", "#REF!")]
    assert list(Person.objects.values_list("age", flat=True)) == [None]


def test_rejects_of_a_workbook_are_csv_with_what_its_cells_show(tmp_path: Path) -> None:
    """O3."""
    rows = text_row("employee_id", "first_name", "age") + f"<row><c><v>7</v></c>{text('Zoë')}{ERROR}</row>"
    report = run(tmp_path, rows, action_flags="c", match_on="employee_id")
    path = tmp_path / "rejects.csv"

    write_rejects(report, [path])

    assert path.read_text(encoding="utf-8-sig").splitlines()[1].startswith("7,Zoë,'##N/A,2,invalid-value,")
