"""
The virtual environments of the peers, made when they are first needed, in ``benchmarks/.venvs``.

django-nsync 0.4.0 is of 2018: Django 3.2 is the newest that it runs on, and Python 3.11 the newest that this runs on.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

FOLDER = Path(__file__).resolve().parent / ".venvs"

# Contender → what to install; those that are not here use the interpreter that runs the benchmarks.
_REQUIREMENTS = {
    "nsync04": ("django-nsync==0.4.0", "Django>=3.2,<4", "psycopg2-binary", "PyMySQL"),
    "import-export": ("django-import-export", f"Django=={version('Django')}", "psycopg[binary]", "PyMySQL"),
}
_OLD_PYTHONS = ("3.11", "3.10", "3.9", "3.8")


class AbsentError(Exception):
    """An environment cannot be made; the text says why."""


def python_of(contender: str) -> Path | None:
    """
    Give the interpreter of a contender; None: the one that runs this.

    Raises:
        AbsentError: There is no fitting Python, or no network to install from.
    """
    if contender not in _REQUIREMENTS:
        return None
    folder = FOLDER / contender
    base = _old_python() if contender == "nsync04" else Path(sys.executable)
    stamp = folder / "made-of.txt"
    made_of = "\n".join((str(base), *_REQUIREMENTS[contender]))
    if not stamp.exists() or stamp.read_text(encoding="utf-8") != made_of:
        _make(folder, base, _REQUIREMENTS[contender])
        stamp.write_text(made_of, encoding="utf-8")
    return folder / "bin" / "python"


def _make(folder: Path, base: Path, requirements: tuple[str, ...]) -> None:
    print(f"making the virtual environment {folder}: {', '.join(requirements)}", flush=True)
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / ".gitignore").write_text("*\n", encoding="utf-8")
    for command in (
        [str(base), "-m", "venv", "--clear", str(folder)],
        [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *requirements],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AbsentError((done.stderr or done.stdout).strip().splitlines()[-1])


def _old_python() -> Path:
    """Find a Python that is old enough, on PATH or of pyenv, and runs: pyenv's shims exist for versions that do not."""
    pyenv = Path.home() / ".pyenv" / "versions"
    for number in _OLD_PYTHONS:
        on_path = shutil.which(f"python{number}")
        candidates = [Path(on_path)] if on_path else []
        candidates += sorted(path / "bin" / f"python{number}" for path in pyenv.glob(f"{number}*"))
        for candidate in candidates:
            if candidate.exists() and _runs(candidate, number):
                return candidate
    raise AbsentError(f"none of Python {', '.join(_OLD_PYTHONS)} is installed")


def _runs(python: Path, number: str) -> bool:
    probe = f"import sys, venv, ensurepip; sys.exit('%d.%d' % sys.version_info[:2] != '{number}')"
    return subprocess.run([str(python), "-c", probe], capture_output=True, check=False).returncode == 0
