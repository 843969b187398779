"""
Runs the examples of one page: ``python -m tests.doc_runner PAGE TEMPLATE``, in the page's folder.

It prints a JSON list of failures, each with ``line``, ``what``, ``expected`` and ``got``. TEMPLATE is a migrated,
empty SQLite database; the page's own is a copy of it, at ``NSYNC_PAGE_DATABASE``. See tests/test_docs.py.
"""

from __future__ import annotations

import contextlib
import doctest
import importlib
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import django
from django.conf import settings
from django.core.management import execute_from_command_line
from django.db import connections

from tests.doc_blocks import Block, Form, parse

EXAMPLE = Path(__file__).resolve().parents[1] / "example_project"
_SHELL_SIGNS = re.compile(r"[|<>;&`$*?]")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_SHELL_COMMANDS = frozenset(
    {"bzip2", "cat", "cp", "diff", "echo", "grep", "gunzip", "gzip", "head", "iconv", "ls", "mkdir", "mv", "printf"}
    | {"python", "rm", "sed", "sort", "tail", "tar", "wc", "xz", "zcat", "zip"}
)
_VARIABLE = (
    (re.compile(r"\b[\d,]+(?:\.\d+)? s\b"), "# s"),
    (re.compile(r"\b[\d,]+ rows/s\b"), "# rows/s"),
    (re.compile(r"\b[\d,]+ quer(?:y|ies)\b"), "# queries"),
    (re.compile(r'"(seconds|queries)": [\d.]+'), r'"\1": #'),
)
_FIXED_SETTINGS = frozenset({"INSTALLED_APPS", "DATABASES"})


class Failure(NamedTuple):
    """An example that does not do what the page says."""

    line: int
    what: str
    expected: str = ""
    got: str = ""


class Command(NamedTuple):
    """A line of a console block, and what the page says that it prints."""

    line: int
    text: str
    expected: str


def matches(expected: str, got: str) -> bool:
    """Tell whether an output is what the page shows; ``…`` stands for anything."""
    pattern = ""
    for line in _plain(expected).split("\n"):
        whole = line.strip() == "…"
        pattern += r"(?:.*\n)*?" if whole else re.escape(line).replace("…", ".*?") + r"\n"
    return re.fullmatch(pattern, _plain(got) + "\n") is not None or not (_plain(expected) or _plain(got))


def _plain(text: str) -> str:
    """Take out what differs from run to run, and blanks that nobody sees."""
    for variable, constant in _VARIABLE:
        text = variable.sub(constant, text)
    return "\n".join(line.rstrip() for line in text.split("\n")).strip("\n")


def commands(block: Block) -> Iterator[Command]:
    """Give the commands of a console block."""
    lines = block.text.rstrip("\n").split("\n")
    number = 0
    while number < len(lines):
        start = number
        text = lines[number].removeprefix("$ ")
        while text.endswith("\\") and number + 1 < len(lines):
            number += 1
            text = text[:-1].rstrip() + " " + lines[number].removeprefix(">").strip()
        number += 1
        first = number
        while number < len(lines) and not lines[number].startswith("$ "):
            number += 1
        yield Command(block.line + start, text, "\n".join(lines[first:number]))


class _Checker(doctest.OutputChecker):
    def check_output(self, want: str, got: str, optionflags: int) -> bool:
        return matches(want, got)


class Page:
    """One page being run: its namespace, its database, and the exit code of its last command."""

    def __init__(self, path: Path, template: Path) -> None:
        self.path = path
        self.template = template
        self.namespace: dict[str, Any] = {"__name__": "page"}
        self.code = 0
        self.failures: list[Failure] = []

    def run(self) -> list[Failure]:
        """Run the page from top to bottom; a failure does not end it."""
        self._empty_database()
        for block in parse(self.path.read_text(encoding="utf-8")):
            self._run(block)
        return self.failures

    def _run(self, block: Block) -> None:
        match block.form:
            case Form.FILE:
                self._file(block)
            case Form.PYTHON:
                self._python(block, self.namespace)
            case Form.SETTINGS:
                self._settings(block)
            case Form.DOCTEST:
                self._doctest(block)
            case Form.CONSOLE:
                self._console(block)
            case Form.FRESH:
                self._empty_database()
            case Form.REFUSED:
                self.failures.append(Failure(block.line, block.text))

    def _empty_database(self) -> None:
        connections.close_all()
        shutil.copy(self.template, settings.DATABASES["default"]["NAME"])

    def _file(self, block: Block) -> None:
        original = EXAMPLE / block.caption
        if original.suffix == ".py" and original.exists():
            lines = [
                r"(?:.*\n)*?" if line.strip() in ("…", "# …") else re.escape(line) + r"\n"
                for line in block.text.splitlines()
            ]
            if not re.search("^" + "".join(lines), original.read_text(encoding="utf-8"), re.MULTILINE):
                what = f"{block.caption} of the example project does not hold this"
                self.failures.append(Failure(block.line, what, got=block.text))
            return
        path = Path(block.caption)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8", newline="")
        importlib.invalidate_caches()

    def _python(self, block: Block, namespace: dict[str, Any]) -> None:
        try:
            code = compile("\n" * (block.line - 1) + block.text, str(self.path), "exec")
            with contextlib.redirect_stdout(io.StringIO()):
                exec(code, namespace)
        except Exception:
            self.failures.append(Failure(block.line, "this Python code raises", got=traceback.format_exc(limit=-3)))

    def _settings(self, block: Block) -> None:
        names: dict[str, Any] = {}
        self._python(block, names)
        for name, value in names.items():
            if name.isupper() and name not in _FIXED_SETTINGS:
                setattr(settings, name, value)

    def _doctest(self, block: Block) -> None:
        example = doctest.DocTestParser().get_doctest(
            block.text, self.namespace, self.path.name, str(self.path), block.line - 1
        )
        example.globs = self.namespace  # not the copy: blocks share their names
        output = io.StringIO()
        doctest.DocTestRunner(_Checker(), verbose=False).run(example, out=output.write, clear_globs=False)
        if output.getvalue():
            self.failures.append(Failure(block.line, "this doctest fails", got=output.getvalue()))

    def _console(self, block: Block) -> None:
        if not block.text.startswith("$ "):
            self.failures.append(Failure(block.line, "a console block begins with `$ command`", got=block.text))
            return
        for command in commands(block):
            got = self._output(command.text)
            if not matches(command.expected, got):
                self.failures.append(Failure(command.line, f"$ {command.text}", command.expected, got))

    def _output(self, command: str) -> str:
        """Run a command and give what it prints; its exit code is kept."""
        if command.strip() == "echo $?":
            return str(self.code)
        if command.startswith("python manage.py ") and not _SHELL_SIGNS.search(_QUOTED.sub("", command)):
            return self._manage(shlex.split(command)[1:])
        name = command.split()[0]
        if name not in _SHELL_COMMANDS:
            return f"pages do not run {name}: put `.. not run: REASON` before the block"
        connections.close_all()
        done = subprocess.run(["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.code = done.returncode
        return done.stdout.replace("\ufeff", "")  # a byte order mark, which no terminal shows

    def _manage(self, arguments: list[str]) -> str:
        """Run a command of the example project in this process: a new one would take a second each time."""
        output = io.StringIO()
        self.code = 0
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
            try:
                execute_from_command_line(arguments)
            except SystemExit as end:
                self.code = end.code if isinstance(end.code, int) else int(end.code is not None)
            except Exception:
                self.code = 1
                traceback.print_exc()
        return output.getvalue()


def main(page: str, template: str) -> None:
    """Run a page in the current folder and print its failures."""
    sys.path.insert(0, os.getcwd())
    shutil.copy(EXAMPLE / "manage.py", "manage.py")
    if (EXAMPLE / "data").is_dir():
        shutil.copytree(EXAMPLE / "data", "data")
    django.setup()
    failures = Page(Path(page), Path(template)).run()
    print(json.dumps([failure._asdict() for failure in failures]))


if __name__ == "__main__":
    main(*sys.argv[1:])
