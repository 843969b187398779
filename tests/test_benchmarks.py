"""The benchmarks run, and notice when a contender does something else than it should."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import checks, start
from benchmarks.__main__ import main
from benchmarks.chart import charts
from benchmarks.contenders import contender
from benchmarks.figures import Figure, lines
from benchmarks.workloads import WORKLOADS, read, write

ROOT = Path(__file__).resolve().parent.parent
SIZE = 200


def _measured(folder: Path, *arguments: str) -> dict:
    command = [sys.executable, "-m", "benchmarks", "people", "--databases", "sqlite", "--sizes", str(SIZE), *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [*command, "--json", str(folder / "told.json"), "--chart", str(folder)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**environment, "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "told.json").read_text())


@pytest.mark.slow
@pytest.mark.database("sqlite")
def test_smoke_run_measures_every_workload_and_finds_the_expected_rows(tmp_path):
    told = _measured(tmp_path, "--only", "nsync,limit")

    assert told["failures"] == []
    outcomes = {one["workload"]: one["outcomes"] for one in told["measurements"] if one["contender"] == "nsync"}
    assert outcomes == {name: one.outcomes(one.rows(SIZE)) for name, one in WORKLOADS.items()}
    with_script = [one for one in WORKLOADS.values() if not contender("limit").cannot(one, "sqlite")]
    limit = [one["workload"] for one in told["measurements"] if one["contender"] == "limit"]
    assert limit == [one.name for one in with_script]
    assert all(one["seconds"] > 0 and one["peak"] > 10 and one["queries"] > 0 for one in told["measurements"])
    assert {path.name for path in tmp_path.glob("*.svg")} == {"rows-per-second.svg", "memory.svg"}


@pytest.mark.slow
@pytest.mark.database("sqlite")
def test_each_format_is_measured_with_the_same_rows(tmp_path):
    told = _measured(tmp_path, "--only", "nsync,jsonl,json,parquet", "--workloads", "again")

    assert told["failures"] == []
    assert [one["contender"] for one in told["measurements"]] == ["nsync", "jsonl", "json", "parquet"]
    assert {str(one["outcomes"]) for one in told["measurements"]} == {"{'unchanged': 200}"}


def test_every_workload_expects_as_many_outcomes_as_rows():
    assert len(WORKLOADS) == 13
    for workload in WORKLOADS.values():
        rows = workload.rows(1_003)
        assert sum(workload.outcomes(rows).values()) == rows


def test_other_outcomes_than_expected_are_a_problem():
    workload = WORKLOADS["10 % changed"]

    assert checks.outcome_problem(workload, 100, {"updated": 10, "unchanged": 90}) == ""
    assert "expected" in checks.outcome_problem(workload, 100, {"updated": 9, "unchanged": 91})


@pytest.mark.parametrize("changed", [1, 2, 3])
def test_digest_tells_other_objects_apart(tmp_path, changed):
    workload, path = WORKLOADS["new"], tmp_path / "people.csv"
    write(workload, 3, path, with_match=False)
    texts = path.read_text().splitlines()
    texts[changed] = texts[changed].replace("First", "Other")

    rows = list(read(path, workload.columns))
    path.write_text("\n".join(texts) + "\n")
    others = list(read(path, workload.columns))

    assert checks._digest(rows) == checks._digest(reversed(rows))
    assert checks._digest(rows) != checks._digest(others)


FIGURE = Figure(
    workload="new",
    database="sqlite",
    contender="nsync",
    size=10_000,
    rows=10_000,
    seconds=2.0,
    all_seconds=[2.0],
    cpu=1.0,
    peak=50.0,
    queries=10,
    engine="bulk",
)


def test_table_scales_a_peer_that_was_measured_with_fewer_rows():
    peer = replace(FIGURE, contender="nsync04", size=1_000, rows=1_000, seconds=3.0, queries=9_000, engine="objects")
    limit = replace(FIGURE, contender="limit", seconds=0.5, engine="SQL")

    table = list(lines([peer, limit, FIGURE], [1_000, 10_000]))

    assert [(line.rows, line.contender) for line in table] == [
        (1_000, "nsync04"),
        (10_000, "nsync"),
        (10_000, "limit"),
        (10_000, "nsync04"),
    ]
    nsync, scaled = table[1], table[3]
    assert (nsync.of_limit, nsync.of_peers) == (4.0, {"nsync04": 15.0, "import-export": None})
    assert (scaled.seconds, scaled.queries, scaled.rows_per_second) == (30.0, 90_000, pytest.approx(1_000 / 3))
    assert "scaled from 1,000 rows" in scaled.note
    assert "scaled" not in nsync.note


def test_charts_show_each_contender_that_was_measured():
    both = [FIGURE, replace(FIGURE, contender="limit"), replace(FIGURE, size=100, rows=100, seconds=0.1)]

    drawn = dict(charts(both))

    assert set(drawn) == {"rows-per-second", "memory"}
    assert all("plain SQL" in svg and "0.4" not in svg for svg in drawn.values())


@pytest.mark.slow
@pytest.mark.database("sqlite")
def test_results_of_several_runs_become_one_table(tmp_path):
    for name, workload in (("one", "new"), ("two", "again")):
        (tmp_path / name).mkdir()
        _measured(tmp_path / name, "--only", "nsync", "--workloads", workload)
    paths = [str(tmp_path / name / "told.json") for name in ("one", "two")]
    both = ["--json", str(tmp_path / "both.json"), "--rst", str(tmp_path / "both.rst")]

    assert main(["--read", *paths, *both]) == 0

    told = json.loads((tmp_path / "both.json").read_text())
    assert [one["workload"] for one in told["measurements"]] == ["new", "again"]
    assert told["command"].count("python -m benchmarks people") == 2
    rows = (tmp_path / "both.rst").read_text().split("   * - ")[1:]
    assert [row.split("\n")[0] for row in rows] == ["Workload", "new", "again"]
    assert len({row.count("\n") for row in rows}) == 1  # as many cells in each


@pytest.mark.slow
@pytest.mark.database("sqlite")
def test_starting_is_measured_as_whole_commands(tmp_path):
    measured = list(start.figures(tmp_path, turns=2))

    assert [one.workload for one in measured] == ["start: Django alone", "start: all new", "start: all unchanged"]
    assert all(one.rows == 100 and len(one.all_seconds) == 2 and one.cpu > 0 for one in measured)
    assert len(list(lines(measured, [10_000]))) == 3
