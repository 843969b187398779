from __future__ import annotations

import io
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = """
import os
from tests.settings import *

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": os.environ["NSYNC_TEST_FILE"]}}
"""


@dataclass
class Ran:
    """What a command left: its exit code, and what it said."""

    code: int
    out: str
    err: str


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, so that names of files are short."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def command(db: None, in_folder: Path) -> Callable[..., Ran]:
    """Give a function that calls a command as ``manage.py`` would, in this process."""

    def run(*arguments: str, **options: Any) -> Ran:
        out, err = io.StringIO(), io.StringIO()
        try:
            call_command(*arguments, stdout=out, stderr=err, **options)
        except CommandError as error:
            return Ran(error.returncode, out.getvalue(), err.getvalue() + str(error))
        except SystemExit as exit_:
            return Ran(int(exit_.code or 0), out.getvalue(), err.getvalue())
        return Ran(0, out.getvalue(), err.getvalue())

    return run


class Project:
    """A database in a file, and processes that run commands on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = folder / "db.sqlite3"
        (folder / "project_settings.py").write_text(SETTINGS)
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "project_settings",
            "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "src"), str(ROOT)]),
            "NSYNC_TEST_DB": "sqlite",
            "NSYNC_TEST_FILE": str(self.database),
            "PYTHONIOENCODING": "utf-8",
        }

    def start(self, *arguments: str, stdin: Any = subprocess.DEVNULL, **environment: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "django", *arguments],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def run(self, *arguments: str, text: str | None = None, **environment: str) -> Ran:
        with self.start(*arguments, stdin=subprocess.PIPE, **environment) as process:
            out, err = process.communicate(text, timeout=60)
        return Ran(process.returncode, out, err)

    def write(self, name: str, text: str) -> str:
        (self.folder / name).write_text(text, encoding="utf-8")
        return name

    def persons(self) -> list[str]:
        with sqlite3.connect(self.database) as connection:
            return [name for (name,) in connection.execute("SELECT first_name FROM testapp_person ORDER BY id")]


@pytest.fixture(scope="session")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Migrate a database once; each test gets a copy."""
    project = Project(tmp_path_factory.mktemp("migrated"))
    ran = project.run("migrate", "--run-syncdb", "--verbosity", "0")
    assert ran.code == 0, ran.err
    return project.database


@pytest.fixture
def project(tmp_path: Path, migrated: Path) -> Project:
    """Give a project with an empty database."""
    project = Project(tmp_path)
    shutil.copy(migrated, project.database)
    return project
