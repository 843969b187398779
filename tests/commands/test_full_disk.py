"""No room for temporary files: what is kept of rows, and the copy of a stream; each is a process of its own."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from tests.commands.conftest import Project

pytestmark = [
    pytest.mark.database("sqlite"),  # each project has a file, whatever database the other tests have
    pytest.mark.skipif(sys.platform == "win32", reason="needs ulimit"),
]
SYNC = ("syncfile", "TestSystem", "testapp", "Person")
LIMIT = 2_000  # KB of a file; the database has a tenth of that
HEAD = "external_key,action_flags,match_on,first_name,employee_id,age\n"
GOOD = "".join(f"{number},cu*,employee_id,Homer,E{number},39\n" for number in range(20))
BAD = "".join(f"b{number},cu*,employee_id,{'Bruce' * 9},B{number},forty\n" for number in range(30_000))


def run(project: Project, line: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell that lets no file grow; a write then fails as it does on a full disk."""
    django = shlex.join([sys.executable, "-m", "django", *SYNC])
    return subprocess.run(
        ["bash", "-c", f"ulimit -f {LIMIT}; {line.format(sync=django)}"],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "count"), [("", 1, 0), ("--no-as-transaction --batch-size 20", 3, 20)], ids=["one", "batches"]
)
def test_the_run_ends_when_what_is_to_be_said_of_rows_cannot_be_kept(
    project: Project, arguments: str, code: int, count: int
) -> None:
    """T4, T7: no traceback; what was committed stays."""
    project.write("persons.csv", HEAD + GOOD + BAD)

    ran = run(project, "{sync} persons.csv --on-error skip " + arguments)

    assert ran.returncode == code, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "set SQLITE_TMPDIR to a folder with room" in ran.stderr
    assert len(project.persons()) == count


def test_the_run_ends_when_a_stream_cannot_be_copied(project: Project) -> None:
    """C6: no traceback."""
    project.write("persons.csv", HEAD.strip() + ",unknown\n" + f"1,cu*,employee_id,Homer,E1,39,{'x' * 20_000}\n" * 200)

    ran = run(project, "cat persons.csv | {sync} -")

    assert ran.returncode == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert "set TMPDIR to a folder with room" in ran.stderr
    assert project.persons() == []
