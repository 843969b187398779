"""Rule O3: failed rows as a file that can be fixed and run again."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsync.actions import Place
from nsync.errors import ConfigError, Problem
from nsync.options import SyncOptions
from nsync.read.base import Dialect, open_source
from nsync.record.details import ERROR, Details
from nsync.record.ledger import Ledger
from nsync.record.rejects import plan_rejects, write_rejects
from nsync.record.report import ROLLED_BACK, Report, SourceReport
from nsync.rows import MISSING, REJECTS_COLUMNS, Row

HEADER = ("action_flags", "name", "age")


def report_of(rows: list[tuple[Any, ...]], dialect: Dialect, header: tuple[str, ...] = HEADER) -> Report:
    """Give the report of a run whose rows all failed."""
    details = Details()
    for ordinal, cells in enumerate(rows):
        place = Place(0, ordinal, ordinal + 2)
        details.note(place, ERROR, Problem("invalid-integer", "no number", "age", "x"))
        details.reject(place, Row(ordinal + 2, header, cells))
    source = SourceReport("x.csv", "HR", "testapp.Person", 1, len(rows), {}, (), (), header, dialect)
    return Report(
        status=ROLLED_BACK,
        committed=False,
        dry_run=False,
        sources=(source,),
        displaced=0,
        seconds=1.0,
        queries=1,
        ledger=Ledger(1),
        spool=details,
    )


def dialect(**given: Any) -> Dialect:
    return Dialect(**{"encoding": "utf-8", "delimiter": ",", "line_ending": "\n", "is_rejects": False, **given})


def read_again(path: Path, dialect: Dialect) -> list[tuple[Any, ...]]:
    source = open_source(path, SyncOptions(encoding=dialect.encoding, delimiter=dialect.delimiter))
    try:
        assert source.dialect.is_rejects
        return [row.values for row in source]
    finally:
        source.close()


CELLS = st.text(st.characters(codec="utf-8"), max_size=6) | st.text("=+-@'\t\r\n\",; a", max_size=4)
ROWS = st.lists(st.lists(CELLS, min_size=1, max_size=6), max_size=5)
DIALECTS = st.builds(
    dialect,
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le"]),
    delimiter=st.sampled_from(",;\t|'= "),
    line_ending=st.sampled_from(["\n", "\r\n"]),
)


@given(rows=ROWS, written=DIALECTS)
def test_failed_rows_are_read_again_as_they_were(rows: list[list[str]], written: Dialect) -> None:
    """O3: any cells, short rows and extra cells, in any dialect; and so again when they fail again."""
    failed = [(*cells, *[MISSING] * (len(HEADER) - len(cells))) for cells in rows]
    expected = [tuple(cells[:3]) for cells in failed]
    extra = [tuple(cells[3:]) if any(cell.strip() for cell in cells[3:]) else () for cells in failed]

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "first.csv")
        write_rejects(report_of(failed, written), [path])
        first = read_again(path, written)
        again = Dialect(written.encoding, written.delimiter, written.line_ending, is_rejects=True)
        write_rejects(report_of(first, again, (*HEADER, *REJECTS_COLUMNS)), [path])
        second = read_again(path, written)

    for read in (first, second):
        assert [cells[:3] for cells in read] == expected
        assert [cells[6:] for cells in read] == extra


def test_a_rejects_file_is_written_as_its_source_is(tmp_path: Path) -> None:
    """O3: encoding, delimiter, line ending and order of columns, with minimal quoting."""
    written = dialect(encoding="cp1252", delimiter=";", line_ending="\r\n")
    path = tmp_path / "rejects.csv"

    write_rejects(report_of([("c", "Müller; Söhne", "4,5"), ("c", 'the "best"', MISSING)], written), [path])

    assert path.read_bytes() == (
        "action_flags;name;age;nsync_line;nsync_code;nsync_message\r\n"
        'c;"Müller; Söhne";4,5;2;invalid-integer;[age] no number\r\n'
        'c;"the ""best""";\';3;invalid-integer;[age] no number\r\n'
    ).encode("cp1252")


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "'x", "'"])
def test_a_cell_that_a_spreadsheet_would_run_is_guarded(tmp_path: Path, cell: str) -> None:
    """O3."""
    path = tmp_path / "rejects.csv"

    write_rejects(report_of([("c", cell, "1")], dialect()), [path])

    assert f"'{cell}" in path.read_bytes().decode()


def test_rejects_of_rejects_do_not_repeat_our_columns(tmp_path: Path) -> None:
    """O3."""
    path = tmp_path / "rejects.csv"
    row = ("c", "Homer", "x", "17", "too-long", "an old message")

    write_rejects(report_of([row], dialect(is_rejects=True), (*HEADER, *REJECTS_COLUMNS)), [path])

    assert path.read_text() == (
        "action_flags,name,age,nsync_line,nsync_code,nsync_message\nc,Homer,x,2,invalid-integer,[age] no number\n"
    )


def test_only_files_that_hold_rows_are_told(tmp_path: Path) -> None:
    path = tmp_path / "rejects.csv"

    assert write_rejects(report_of([], dialect()), [path]) == []
    assert write_rejects(report_of([("c", "a", "b")], dialect()), [path]) == [path]


def test_one_source_may_have_a_folder_too(tmp_path: Path) -> None:
    folder = f"{tmp_path}/new/"

    assert plan_rejects(folder, ["in/HR_staff_Person.csv"]) == [tmp_path / "new" / "HR_staff_Person.rejects.csv"]
    assert plan_rejects(folder, ["-"]) == [tmp_path / "new" / "stdin.rejects.csv"]


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("in/HR_staff_Person.csv.gz", "HR_staff_Person.rejects.csv"),
        ("HR_staff_Person.CSV.ZST", "HR_staff_Person.rejects.CSV"),
        ("HR_staff_Person.tsv.bz2", "HR_staff_Person.rejects.tsv"),
        ("HR_staff_Person.zip", "HR_staff_Person.rejects.csv"),
        ("./houses", "houses.rejects.csv"),
        ("houses.jsonl", "houses.rejects.csv"),
        ("houses.xlsx", "houses.rejects.csv"),
    ],
)
def test_rejects_of_any_file_are_plain_rows_of_cells_and_named_so(tmp_path: Path, source: str, name: str) -> None:
    assert plan_rejects(f"{tmp_path}/", [source]) == [tmp_path / name]


def test_a_null_is_an_empty_cell_in_rejects(tmp_path: Path) -> None:
    """O3."""
    write_rejects(report_of([("c", None, 41)], dialect()), [tmp_path / "a.rejects.csv"])
    assert read_again(tmp_path / "a.rejects.csv", dialect())[0][:3] == ("c", "", "41")


def test_a_folder_within_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no folder"):
        plan_rejects(f"{tmp_path}/a/b/", ["x.csv"])


def test_a_rejects_file_in_a_folder_never_overwrites_a_source(tmp_path: Path) -> None:
    source = tmp_path / "x.rejects.csv"
    source.write_text("a\n")

    with pytest.raises(ConfigError, match="is a source of this run"):
        plan_rejects(str(tmp_path), [str(tmp_path / "x.csv"), str(source)])


def test_the_cell_values_of_a_real_run_come_back(sync_text: Callable[..., Report], tmp_path: Path) -> None:
    """O3, C4: a short row stays short."""
    path = tmp_path / "rejects.csv"
    report = sync_text("action_flags,match_on,first_name,age,email\ncu,first_name,Homer,x\n", on_error="skip")

    write_rejects(report, [path])

    assert read_again(path, dialect())[0][:5] == ("cu", "first_name", "Homer", "x", MISSING)
