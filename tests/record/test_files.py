"""Rule O2: the report files that programs and spreadsheets read."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nsync.errors import ConfigError
from nsync.record.files import check_report, write_report
from nsync.record.report import Report
from tests.testapp.models import Parcel, Person


def written(report: Report, folder: Path) -> Any:
    write_report(report, folder / "report.json")
    return json.loads((folder / "report.json").read_text(encoding="utf-8"))


def test_further_problems_of_a_row_stand_under_more(sync_text: Callable[..., Report], tmp_path: Path) -> None:
    """O2: one entry per row."""
    report = sync_text("action_flags,match_on,first_name,age,birthday\nc,first_name,A,x,y\n")

    (detail,) = written(report, tmp_path)["details"]
    assert (detail["column"], detail["code"], detail["value"]) == ("age", "invalid-integer", "x")
    assert [problem["column"] for problem in detail["more"]] == ["birthday"]


def test_a_clean_run_has_no_details(sync_text: Callable[..., Report], tmp_path: Path) -> None:
    report = written(sync_text("action_flags,match_on,first_name\nc,first_name,A\n"), tmp_path)

    assert (report["status"], report["committed"], report["details"]) == ("applied", True, [])
    assert report["outcomes"] == {
        **dict.fromkeys(report["outcomes"], 0),
        "created": 1,
    }
    assert len(report["outcomes"]) == 10


def test_a_source_says_how_its_rows_were_read_and_written(sync_text: Callable[..., Report], tmp_path: Path) -> None:
    """O2, T10: a program finds out why a run was not the fastest."""
    text = "action_flags,match_on,{0}\nc,{0},A\n"
    (person,) = written(sync_text(text.format("first_name"), Person), tmp_path)["sources"]
    (parcel,) = written(sync_text(text.format("code"), Parcel), tmp_path)["sources"]

    hint = "testapp.Person has parents or children by inheritance"
    assert (person["engine"], person["engine_hint"], person["engine_reasons"]) == ("bulk", hint, [])
    assert (parcel["engine"], parcel["engine_hint"], parcel["engine_reasons"]) == ("columns", "", [])


def test_a_row_that_was_applied_in_part_says_so(sync_texts: Callable[..., Report], tmp_path: Path) -> None:
    """T2: in the ordered policy a row whose later phase fails keeps its earlier one."""
    header = "external_key,action_flags,match_on,first_name,employee_id\n"
    Person.objects.create(first_name="Homer", employee_id="E1")
    report = sync_texts(
        ("HR", "testapp.Person", header + "1,cu*,first_name,Homer,E2\n"),
        ("HR", "testapp.Person", header + "2,c,employee_id,Bart,E2\n"),
        on_error="skip",
    )

    (detail,) = written(report, tmp_path)["details"]
    assert (detail["line"], detail["outcome"], detail["code"]) == (2, "failed", "unique")
    assert detail["partly_applied"] is True


def test_a_dry_run_reports_old_and_new_values(sync_text: Callable[..., Report], tmp_path: Path) -> None:
    """O4."""
    homer = Person.objects.create(first_name="Homer", birthday="2000-01-31")
    report = sync_text("action_flags,match_on,first_name,birthday\nu*,first_name,Homer,2001-01-31\n", dry_run=True)

    read = written(report, tmp_path)
    assert (read["dry_run"], read["writes"]) == (True, True)
    assert read["changed_fields"] == {"testapp.Person.birthday": 1}
    assert read["first_changes"] == [
        {
            "source": "<stream>",
            "line": 2,
            "object": f"person {homer.pk}",
            "field": "birthday",
            "old": "2000-01-31",
            "new": "2001-01-31",
        }
    ]


def test_the_suffix_names_the_format(sync_text: Callable[..., Report], tmp_path: Path) -> None:
    """O2: in any case of letters."""
    assert check_report(f"{tmp_path}/R.JSON").name == "R.JSON"
    with pytest.raises(ConfigError, match=r"its suffix must say what it is: \.json or \.csv"):
        check_report(f"{tmp_path}/report.xlsx")


def test_problems_of_a_whole_source_stand_in_the_csv_report(sync_text: Callable[..., Report], tmp_path: Path) -> None:
    """C3, C4."""
    write_report(sync_text("action_flags,match_on,first_name,first_nam\n"), tmp_path / "report.csv")

    assert (tmp_path / "report.csv").read_text().splitlines() == [
        "source,line,outcome,column,code,message,value",
        "<stream>,,,first_nam,unknown-column,no such field on Person; did you mean first_name?,",
        "<stream>,,,,no-rows,the source has a header and no row,",
    ]
