r"""
Every example in README.rst and docs/ runs, and every option, setting, code and rule is documented.

How a page is run. A page is ``README.rst`` or any ``docs/**/*.rst``. It has a folder of its own (with a copy of
``example_project/data/`` in ``data/``), an empty database with the models of ``example_project/myapp``, and one Python
namespace. Its blocks run from top to bottom; what one leaves, the next one finds.

======================================================= ==============================================================
``.. code-block:: text`` (or ``csv``, or any other)     writes the file ``houses.csv`` into the page's folder.
with ``:caption: houses.csv``                           (``tab`` characters: write them as they are.)
``.. code-block:: python`` with ``:caption:``           must be found in that file of the example project, if there is
a path such as ``myapp/models.py``                      one (``…`` on a line of its own leaves out lines); else it is
                                                        written into the folder, from where it can be imported.
``.. code-block:: python`` with                         runs; the upper-case names that it assigns become settings for
``:caption: settings.py``                               the rest of the page (INSTALLED_APPS and DATABASES do not).
``.. code-block:: python``                              runs. With ``>>>`` (or as ``pycon``, or as a bare ``>>>``
                                                        paragraph) it runs as a doctest.
``.. code-block:: console``                             runs each ``$ command``; the lines up to the next ``$`` are all
                                                        that it prints, standard error included. ``\`` at its end
                                                        continues a command. ``$ python manage.py …`` runs with the
                                                        example project. ``$ echo $?`` shows the exit code of the
                                                        command before it. Others (``cat``, ``head``, ``gzip``, pipes
                                                        into ``python manage.py``) run in a shell.
``:name:`` instead of ``:caption:``                     does the same; README.rst needs it, because PyPI and GitHub
                                                        know no captions.
``.. not run: REASON`` before a block                   leaves that block out (``pip install``, a server, a crontab).
``.. fresh database``                                   empties the database; files and names stay.
``.. setup`` and an indented body                       runs Python that readers do not see. Use it rarely.
any other ``code-block`` without caption                is not run (``json``, ``ini``, ``text`` …).
======================================================= ==============================================================

In expected output ``…`` stands for anything inside a line, and on a line of its own for any number of lines.
``0.1 s``, ``95 rows/s`` and ``12 queries`` may have any number. Blank lines at both ends, and blanks at the end of a
line, do not count. ``::`` blocks and shells other than ``console`` are refused, since they would escape the tests.

What the reference must hold. Options: each option string (``--on-error``, ``--no-strict`` …) somewhere in
``docs/reference/*.rst``; a literal such as ````--x```` anywhere must be a real option. Settings: each key of ``NSYNC``
there too. Codes: in ``docs/reference/codes.rst`` each code is a literal that begins a line, list item or table row;
no other literal does (names of outcomes may). Rules: in ``docs/reference/semantics.rst`` each rule begins a line or a
list item with its name in bold, ``**A3**`` or ``**A3 update.**``; each is named in the docstring or name of a test.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import load_command_class
from django.core.management.base import BaseCommand

import nsync
from nsync.changes import ERROR_CODES, NOTE_CODES, REASON_CODES, WARNING_CODES, OutcomeKind
from nsync.conf import known_keys
from nsync.feeds.feed import KEYS
from tests.doc_blocks import Form, parse
from tests.doc_runner import matches

PACKAGE = Path(nsync.__file__).parent
ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
REFERENCE = DOCS / "reference"
EXAMPLE = ROOT / "example_project"
TESTS = ROOT / "tests"
PAGES = [ROOT / "README.rst", *sorted(page for page in DOCS.rglob("*.rst") if "_build" not in page.parts)]
CODES = {*ERROR_CODES, *WARNING_CODES, *REASON_CODES, *NOTE_CODES}
COMMANDS = sorted(path.stem for path in (PACKAGE / "management" / "commands").glob("[!_]*.py"))
PLACEHOLDERS = {"--x", "--no-x"}  # stand for any switch (rule T5)
RULE = re.compile(r"\b([CSFIAVRTOPMG][1-9][0-9]?)\b")


# --- every example runs ---------------------------------------------------------------------------------------------


def environment(database: Path) -> dict[str, str]:
    """Give the environment in which a page is run."""
    paths = [str(path) for path in (ROOT, EXAMPLE)]
    if (ROOT / "src").as_posix() in sys.path:  # not when the built wheel is tested
        paths.append(str(ROOT / "src"))
    return {
        **os.environ,
        "COLUMNS": "80",
        "DJANGO_SETTINGS_MODULE": "tests.doc_settings",
        "NSYNC_PAGE_DATABASE": str(database),
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONIOENCODING": "utf-8",
        "PYTHONPATH": os.pathsep.join(paths),
    }


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make the empty database of which every page gets a copy."""
    path = tmp_path_factory.mktemp("docs") / "template.sqlite3"
    command = [sys.executable, "-m", "django", "migrate", "--verbosity", "0"]
    subprocess.run(command, env=environment(path), check=True, timeout=120)
    return path


@pytest.mark.database("sqlite")
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_example_of_a_page_runs_and_shows_what_the_page_says(
    page: Path, empty_database: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.doc_runner", str(page), str(empty_database)],
        cwd=tmp_path,
        env=environment(tmp_path / "page.sqlite3"),
        capture_output=True,
        encoding="utf-8",
        timeout=120,
    )

    assert done.returncode == 0, done.stderr
    failures = json.loads(done.stdout.splitlines()[-1])
    if failures:
        pytest.fail("\n\n".join(readable(page, failure) for failure in failures), pytrace=False)


@pytest.mark.database("sqlite")
def test_the_demo_runs_and_runs_again(tmp_path: Path) -> None:
    copy = tmp_path / "example_project"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("*.sqlite3", "out", "__pycache__"))

    shown = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, str(copy / "demo.py")],
            env=environment(tmp_path / "unused.sqlite3"),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        shown.append(done.stdout)

    assert matches(shown[0], shown[1])
    for word in ("updated", "unmatched", "released", "held-by", "invalid-decimal", "nsync_line"):
        assert word in shown[0]


def readable(page: Path, failure: dict[str, Any]) -> str:
    """Give a failure as a text that says where, what was expected, and what came."""
    where = f"{page.relative_to(ROOT).as_posix()}:{failure['line']}: {failure['what']}"
    parts = [where]
    if failure["expected"] or failure["what"].startswith("$ "):
        parts += ["expected:", indented(failure["expected"])]
    if failure["got"]:
        parts += ["got:", indented(failure["got"])]
    return "\n".join(parts)


def indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in (text.rstrip() or "(nothing)").splitlines())


def test_dots_stand_for_anything_inside_a_line_and_for_any_number_of_lines() -> None:
    assert matches("3 rows\n…\ndone", "3 rows\na\nb\ndone\n")
    assert matches("3 rows\n…\ndone", "3 rows\ndone\n")
    assert matches("… rows in 0.1 s", "3 rows in 12 s\n")
    assert matches("", "")
    assert not matches("3 rows", "4 rows\n")
    assert not matches("3 rows", "3 rows\nand more\n")
    assert not matches("", "something\n")


@pytest.mark.parametrize(
    ("text", "forms"),
    [
        (".. code-block:: csv\n   :caption: a.csv\n\n   a,b\n", [Form.FILE]),
        (".. code-block:: text\n\n   a,b\n", [Form.SKIPPED]),
        (".. code-block:: python\n\n   >>> 1 + 1\n   2\n", [Form.DOCTEST]),
        ("Text.\n\n>>> 1 + 1\n2\n\nText.", [Form.DOCTEST]),
        (".. setup\n\n   a = 1\n\n.. code-block:: python\n\n   a\n", [Form.PYTHON, Form.PYTHON]),
        (".. not run: it needs a network\n\n.. code-block:: console\n\n   $ pip install x\n", [Form.SKIPPED]),
        (".. not run: it needs a network\n\nText.\n", [Form.REFUSED]),
        (".. code-block:: bash\n\n   ls\n", [Form.REFUSED]),
        ("An example::\n\n   manage.py\n", [Form.REFUSED]),
        ("- .. code-block:: python\n\n     1\n", [Form.REFUSED]),
    ],
)
def test_no_example_escapes_the_tests(text: str, forms: list[Form]) -> None:
    assert [block.form for block in parse(text)] == forms


@pytest.mark.parametrize("name", ["README.rst", "CHANGELOG.rst"])
def test_what_pypi_shows_uses_only_what_pypi_knows(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")

    assert re.findall(r":caption:|:(?:doc|ref|py:\w+|term):`|\.\. (?:toctree|versionadded|seealso)::", text) == []


# --- everything is documented ---------------------------------------------------------------------------------------


def option_strings(parser: ArgumentParser) -> set[str]:
    """Give every spelling of every option, ``--no-…`` and old spellings included."""
    return {text for action in parser._actions for text in action.option_strings}


def command_options(command: str) -> set[str]:
    """Give the options that a command of ours adds to those of Django."""
    ours = load_command_class("nsync", command).create_parser("manage.py", command)
    return option_strings(ours) - django_options()


def django_options() -> set[str]:
    return option_strings(BaseCommand().create_parser("manage.py", "command"))


def text_of(folder: Path) -> str:
    return "\n".join(page.read_text(encoding="utf-8") for page in sorted(folder.rglob("*.rst")))


def test_there_are_commands() -> None:
    assert {"syncfile", "syncfiles"} <= set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_of_a_command_is_in_the_reference(command: str) -> None:
    words = set(re.findall(r"(?<![\w-])--?[a-zA-Z][\w-]*", text_of(REFERENCE)))

    missing = sorted(command_options(command) - words)
    assert not missing, f"not in docs/reference: {', '.join(missing)}"


def test_no_page_names_an_option_that_no_command_has() -> None:
    real = PLACEHOLDERS.union(django_options(), *map(command_options, COMMANDS))
    named = {
        (page.relative_to(ROOT).as_posix(), option)
        for page in PAGES
        for option in re.findall(r"``(--[a-z][\w-]*)", page.read_text(encoding="utf-8"))
    }

    unreal = sorted(f"{page}: {option}" for page, option in named if option not in real)
    assert not unreal, "\n".join(unreal)


@pytest.mark.parametrize("key", known_keys())
def test_every_setting_is_in_the_reference(key: str) -> None:
    assert re.search(rf"\b{key}\b", text_of(REFERENCE))


@pytest.mark.parametrize("key", KEYS)
def test_every_key_of_a_feed_is_in_the_reference(key: str) -> None:
    assert f"``{key}``" in (REFERENCE / "feeds.rst").read_text(encoding="utf-8")


def test_every_code_is_explained_and_no_other() -> None:
    text = (REFERENCE / "codes.rst").read_text(encoding="utf-8")
    explained = set(re.findall(r"^[ *|-]*``([a-z]+(?:-[a-z]+)*)``", text, re.MULTILINE))

    missing = sorted(CODES - explained)
    assert not missing, f"not in docs/reference/codes.rst: {', '.join(missing)}"
    unreal = sorted(explained - CODES - {kind.value for kind in OutcomeKind})
    assert not unreal, f"in docs/reference/codes.rst, but no code: {', '.join(unreal)}"


# --- every rule is documented and tested ----------------------------------------------------------------------------


def documented_rules() -> set[str]:
    text = (REFERENCE / "semantics.rst").read_text(encoding="utf-8")
    return set(re.findall(rf"^[ *|-]*\*\*{RULE.pattern}", text, re.MULTILINE))


def cited_by_tests() -> dict[str, str]:
    """Give the rules that names and docstrings of tests name, each with a place: ``{"A3": "tests/test_sync.py:9"}``."""
    found: dict[str, str] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        if path != Path(__file__):
            for line, text in titles(path):
                for rule in RULE.findall(text):
                    found.setdefault(rule, f"{path.relative_to(ROOT).as_posix()}:{line}")
    return found


def titles(path: Path) -> Iterator[tuple[int, str]]:
    """Give the docstrings of a module, and the words of the names of its test functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    yield 1, ast.get_docstring(tree) or ""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.lineno, ast.get_docstring(node) or ""
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            yield node.lineno, " ".join(word.upper() for word in node.name.split("_") if RULE.fullmatch(word.upper()))


def test_every_rule_is_proved_by_a_test() -> None:
    rules = documented_rules()
    assert rules

    unproved = sorted(rules - cited_by_tests().keys())
    assert not unproved, f"no test names {', '.join(unproved)} in its name or docstring"


def test_every_rule_that_a_test_names_is_documented() -> None:
    rules = documented_rules()

    unknown = sorted(f"{place}: {rule}" for rule, place in cited_by_tests().items() if rule not in rules)
    assert not unknown, "\n".join(["no such rule in docs/reference/semantics.rst:", *unknown])


def test_every_rule_that_the_code_names_is_documented() -> None:
    named = {
        (path.relative_to(PACKAGE).as_posix(), rule)
        for path in sorted(PACKAGE.rglob("*.py"))
        for rules in re.findall(r"\b[Rr]ules? ((?:[A-Z]\d+(?:, | and | to )?)+)", path.read_text(encoding="utf-8"))
        for rule in RULE.findall(rules)
    }
    assert named

    rules = documented_rules()
    unknown = sorted(f"{path}: {rule}" for path, rule in named if rule not in rules)
    assert not unknown, "\n".join(["no such rule in docs/reference/semantics.rst:", *unknown])
