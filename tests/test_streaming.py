"""Memory is that of one batch, however long the file: whole runs, each in a process of its own."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands.conftest import Project

# It takes half a minute, as the public files do; the database has no part in what is measured.
pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.database("sqlite")]

SHORT, LONG = 10_000, 60_000
ALLOWED = 8 * 1024  # KB: 160 bytes for each more row. It takes some twenty, with what Python and SQLite keep for reuse


def run(folder: Path, count: int) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-m", "tests.streaming_run", str(folder), str(count)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process")
def test_a_file_six_times_as_long_needs_no_more_memory(tmp_path: Path) -> None:
    """The file is new, then unchanged; both are synced as everybody syncs: in one transaction, with no option."""
    short, long = run(tmp_path, SHORT), run(tmp_path, LONG)

    for count, found in ((SHORT, short), (LONG, long)):
        assert (found["new"]["outcomes"], found["again"]["outcomes"]) == ({"created": count}, {"unchanged": count})
        assert found["new"]["engine"] == "bulk"
    assert long["new"]["peak"] - short["new"]["peak"] < ALLOWED
    assert long["again"]["peak"] - short["again"]["peak"] < ALLOWED


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak of a process")
def test_a_tap_that_writes_six_times_as_much_needs_no_more_memory(tmp_path: Path) -> None:
    """Without a state in between, and with the keys of a version that must be kept until it is whole."""
    short, long = tap(tmp_path / "short", SHORT), tap(tmp_path / "long", LONG)

    assert long - short < ALLOWED


def tap(folder: Path, count: int) -> int:
    """Sync what a tap writes, in a process of its own; give the most memory that this had, in KB."""
    folder.mkdir()
    project = Project(folder)
    project.run("migrate", "--run-syncdb", "--verbosity", "0")
    project.write("nsync.toml", '[feeds.tags]\nsystem = "HR"\nmodel = "testapp.Tag"\nsnapshot = true\n')
    schema = {"type": "SCHEMA", "stream": "tags", "schema": {"properties": {"name": {}}}, "key_properties": ["nr"]}
    with project.start("syncsinger", "HR", "--commit-every", "2000", stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write(f"{json.dumps(schema)}\n")
        for number in range(count):
            record = {"nr": number, "name": f"Tag {number}"}
            process.stdin.write(f"{json.dumps({'type': 'RECORD', 'stream': 'tags', 'record': record, 'version': 1})}\n")
        process.stdin.write(f"{json.dumps({'type': 'ACTIVATE_VERSION', 'stream': 'tags', 'version': 1})}\n")
        _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err
    with sqlite3.connect(project.database) as connection:
        ((found, peak),) = connection.execute(
            "SELECT (SELECT count(*) FROM testapp_tag), max(peak_memory) / 1024 FROM nsync_run"
        )
    assert found == count
    return int(peak)
