"""
The arrows: who may import whom, who may touch the database, and how large a file may grow.

    management, admin → singer → feeds → the conductor → read, decode, plan, apply, record → the vocabulary

Rooms import the vocabulary and themselves, never each other; only the conductor knows the rooms.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import nsync

PACKAGE = Path(nsync.__file__).parent
LARGEST_MODULE = 400
LONGEST_FUNCTION = 50

ROOMS = frozenset({"read", "decode", "plan", "apply", "record"})
VOCABULARY = frozenset(
    {
        "actions",
        "changes",
        "columns",
        "conf",
        "conflicts",
        "copying",
        "ending",
        "equality",
        "errors",
        "fields",
        "filelocks",
        "identities",
        "kept",
        "limits",
        "loading",
        "models",
        "options",
        "packing",
        "pgtext",
        "places",
        "recording",
        "rows",
        "rowsin",
        "signals",
        "spool",
        "veils",
    }
)
CONDUCTOR = frozenset(
    {
        "accounts",
        "ahead",
        "batches",
        "beforehand",
        "boundary",
        "bycolumns",
        "conducting",
        "conductor",
        "engines",
        "executor",
        "expiring",
        "factory",
        "guards",
        "history",
        "locking",
        "locks",
        "opening",
        "profiling",
        "proofs",
        "querying",
        "reporting",
        "resuming",
        "retrying",
        "run",
        "seldom",
        "settling",
        "singly",
        "snapshots",
        "steps",
        "storages",
        "systems",
        "undo",
        "unwinding",
        "waiting",
        "walking",
        "watching",
    }
)
# What stands above and beside them, and what each may import beyond the vocabulary.
OTHERS: dict[str, frozenset[str]] = {
    "__init__": frozenset(),  # its names are imported when they are asked for
    "admin": frozenset(),
    "apps": frozenset({"checks"}),  # to register them
    "checks": frozenset({"feeds"}),
    "feeds": frozenset({"beforehand", "feeds", "opening", "policies", "profiling"}),
    "management": frozenset(
        {"conductor", "feeds", "locks", "management", "opening", "policies", "profiling", "singer", "undo"}
    ),
    "migrations": frozenset(),
    "policies": frozenset(),
    "singer": frozenset({"feeds", "opening", "singer"}),
}
# Single exceptions: (importer, imported) → why.
EXCEPTIONS = {
    ("actions", "factory"): "django-nsync 0.4 had ActionFactory there; imported only when it is asked for",
    ("management.running", "record.files"): "the command is told where the report goes, and writes it",
    ("management.running", "record.rejects"): "and so for the rejects",
    ("management.running", "record.report"): "the type of what sync_all() gives",
    ("management.running", "record.text"): "and it prints the summary",
    ("management.notifying", "record.text"): "a mail has no control characters either",
    ("management.feeding", "record.report"): "a feed moves a file as its report says",
    ("management.disposing", "record.report"): "which report that is",
    ("management.disposing", "record.files"): "and writes it beside a file that failed",
    ("management.disposing", "record.rejects"): "with the rejects",
    ("management.linted", "record.text"): "nor has what lint shows",
    ("management.history", "record.text"): "what a terminal shows has no control characters",
    ("management.commands.syncundo", "record.text"): "and so here",
    ("management.commands.syncruns", "record.exported"): "it prints what is recorded, as JSON and CSV",
    ("management.commands.syncruns", "record.reading"): "which it reads",
    ("management.commands.syncruns", "record.told"): "and in words",
    ("management.commands.syncwhy", "record.exported"): "the same",
    ("management.commands.syncwhy", "record.told"): "and again",
    ("management.commands.syncwhy", "record.why"): "and asks what changed an object",
    ("management.commands.syncprune", "record.pruning"): "it removes what is recorded",
    ("management.commands.syncsinger", "read.base"): "the type of what it syncs",
    ("management.commands.syncsinger", "read.singer"): "it reads standard input",
    ("management.commands.syncsinger", "record.files"): "and writes the reports of runs with failed records",
    ("management.commands.syncsinger", "record.rejects"): "with these",
    ("management.commands.syncsinger", "record.report"): "the type of what sync_all() gives",
    ("management.commands.syncsinger", "record.text"): "an error has no control characters",
    ("singer.earlier", "history"): "names are asked for as it keeps them",
    ("singer.streams", "read.singer"): "a stream is what its messages say",
    ("singer.streams", "read.singerpieces"): "and the mark of deleted records is known there, and what joins a key",
    ("singer.target", "decode.keys"): "what the column of a key is called",
    ("singer.target", "read.base"): "the type of what is synced",
    ("singer.target", "read.singer"): "it takes messages",
    ("singer.target", "read.singerpieces"): "and cuts them into pieces",
    ("singer.target", "record.report"): "the type of what becomes of one",
    ("singer.telling", "record.report"): "which are added up",
    ("singer.telling", "record.text"): "without control characters",
    ("singer.versions", "decode.keys"): "a key may be made of several columns",
    ("singer.versions", "read.singer"): "records have versions",
    ("singer.versions", "read.singerpieces"): "whose keys are a source",
    ("management.commands.syncfiles", "read.names"): "only file names given on a command line say what a file is for",
}
# The modules that query, or hold a connection or a transaction → why.
AT_THE_DATABASE = {
    "apply": "writes",
    "boundary": "the transaction around a batch",
    "conducting": "begins the transaction",
    "expiring": "asks whether a transaction of the caller is open",
    "factory": "builds actions from code, against a database",
    "guards": "counts what a system maps",
    "history": "keeps the record of a run",
    "identities": "numbers of systems and content types",
    "locking": "asks the database for locks",
    "locks": "marks runs that are dead",
    "migrations": "change the tables",
    "opening": "chooses the database, and looks for systems",
    "plan.cascade": "asks Django what a deletion takes along",
    "plan.columnfacts": "asks for what whole columns of rows want to know",
    "plan.compiled": "asks simple questions in statements that it keeps",
    "plan.enforced": "asks for the indexes of a table",
    "plan.namedkeys": "has the database compare keys",
    "plan.proofsql": "its statements are written for the database that is connected",
    "plan.proving": "has the database compare the rows of a source with what is stored",
    "plan.queries": "asks which database compares how",
    "plan.resolve": "asks for what one row wants to know",
    "plan.together": "asks for what the rows of a batch want to know",
    "policies": "the transaction around a run",
    "profiling.contents": "compares a sample with what is stored",
    "proofs": "counts what is there, to know whether a proof is worth its time",
    "querying": "asks other databases for what is to be synced",
    "record.checkpoint": "reads where a run stood, and removes it",
    "record.pruning": "removes what is recorded",
    "record.reading": "reads what is recorded",
    "record.why": "reads what is recorded of one object",
    "retrying": "notes commits, and sees what has ended a transaction",
    "rowsin": "asks which database takes many values as one parameter",
    "singer.earlier": "asks the history for runs of a version",
    "systems": "creates external systems",
    "undo": "the transaction around an undo",
    "unwinding": "reads what a run wrote",
    "walking": "gives a policy the object that it has just written",
    "watching": "sees what is sent to the database",
}
_CONNECTIONS = frozenset({"connection", "connections", "router", "transaction"})
_MANAGERS = frozenset({"objects", "_base_manager", "_default_manager"})


class Module(NamedTuple):
    """One file of the package."""

    name: str  # without "nsync.": "plan.resolve"
    path: Path
    tree: ast.Module

    @property
    def top(self) -> str:
        """The room, or the module at the top."""
        return self.name.split(".")[0]


def read_modules() -> list[Module]:
    modules = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        name = ".".join(parts if len(parts) == 1 or parts[-1] != "__init__" else parts[:-1])
        modules.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return modules


MODULES = read_modules()
NAMES = frozenset(module.name for module in MODULES)


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Give the modules that a module imports, those inside functions and for type checkers too."""
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module.path}:{node.lineno}: imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield node.lineno, whole if whole.removeprefix("nsync.") in NAMES else node.module or ""


def imports_of_nsync(module: Module) -> Iterator[tuple[int, str]]:
    for line, name in imports(module):
        if name == "nsync" or name.startswith("nsync."):
            yield line, name.removeprefix("nsync.") if name != "nsync" else "__init__"


def may_import(importer: Module, imported: str) -> bool:
    top = imported.split(".")[0]
    if top in VOCABULARY or (importer.name, imported) in EXCEPTIONS:
        return True
    if importer.top in ROOMS:
        return top == importer.top
    if importer.top in CONDUCTOR:
        return top in ROOMS | CONDUCTOR | {"policies"}
    return top in OTHERS.get(importer.top, frozenset())


def test_every_module_has_its_place() -> None:
    assert {module.top for module in MODULES} - ROOMS - VOCABULARY - CONDUCTOR - OTHERS.keys() == set()


def test_imports_follow_the_arrows() -> None:
    found = [(module, line, name) for module in MODULES for line, name in imports_of_nsync(module)]
    assert len(found) > 100

    wrong = [
        f"{module.path}:{line}: {module.name} imports {name}"
        for module, line, name in found
        if not may_import(module, name)
    ]

    assert wrong == []


def test_every_exception_is_needed() -> None:
    found = {(module.name, name) for module in MODULES for _, name in imports_of_nsync(module)}

    assert EXCEPTIONS.keys() - found == set()


def test_core_never_imports_contrib() -> None:
    core = [module for module in MODULES if module.top != "contrib"]

    assert [module.name for module in core for _, name in imports(module) if name.startswith("nsync.contrib")] == []


def test_reading_knows_formats_and_not_django() -> None:
    rooms = [module for module in MODULES if module.top == "read"]
    assert rooms

    assert [module.name for module in rooms for _, name in imports(module) if name.split(".")[0] == "django"] == []


def database_uses(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom) and node.module == "django.db":
            names = _CONNECTIONS.intersection(alias.name for alias in node.names)
            yield from (f"{module.path}:{node.lineno}: imports {name}" for name in sorted(names))
        elif isinstance(node, ast.Attribute) and node.attr in _MANAGERS:
            yield f"{module.path}:{node.lineno}: uses {node.attr}"


def is_at_the_database(module: Module) -> bool:
    return module.name in AT_THE_DATABASE or module.top in AT_THE_DATABASE


def test_only_some_modules_touch_the_database() -> None:
    assert any(use for module in MODULES for use in database_uses(module))

    assert [use for module in MODULES if not is_at_the_database(module) for use in database_uses(module)] == []


def test_every_module_that_may_touch_the_database_does() -> None:
    users = {name for module in MODULES if any(database_uses(module)) for name in (module.name, module.top)}

    assert AT_THE_DATABASE.keys() - users == set()


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.name)
def test_a_module_has_one_reason_to_exist_and_a_function_fits_on_a_screen(module: Module) -> None:
    assert len(module.path.read_text(encoding="utf-8").splitlines()) <= LARGEST_MODULE
    functions = [node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    long = {
        f"{node.name} (line {node.lineno})": size
        for node in functions
        if (size := (node.end_lineno or node.lineno) - node.lineno + 1) > LONGEST_FUNCTION
    }
    assert long == {}


def run_python(code: str, **environment: str) -> str:
    """Run code in a Python that has Django's settings, and so its apps, only if they are given."""
    inherited = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    paths = os.pathsep.join(map(str, [PACKAGE.parent, Path(__file__).resolve().parent.parent]))
    environment = {**inherited, "PYTHONPATH": paths, **environment}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_nsync_before_apps_are_ready_is_safe_and_cheap() -> None:
    loaded = run_python(
        "import sys, nsync; print(*sorted(name for name in sys.modules if name.startswith(('nsync', 'django'))))"
    )

    assert loaded == "nsync"


def test_errors_and_options_can_be_had_without_django() -> None:
    assert (
        run_python("import sys; from nsync import ConfigError, SyncOptions; print('django' in sys.modules)") == "False"
    )


def test_every_public_name_can_be_imported() -> None:
    assert nsync.__all__

    assert [name for name in nsync.__all__ if getattr(nsync, name, None) is None] == []


def run_with_command(code: str) -> str:
    """Run code in a Python that has imported the command, in the project of the tests."""
    code = f"import django, sys; django.setup(); import nsync.management.commands.syncfile; {code}"
    return run_python(code, DJANGO_SETTINGS_MODULE="tests.settings")


def test_a_command_imports_only_what_every_run_needs() -> None:
    """What dates, rows that are planned, and proofs need, small files of ordinary rows do not wait for."""
    late = ("dateutil", "nsync.decode.moments", "nsync.batches", "nsync.apply.bulk", "nsync.plan.proving", "tqdm")
    late += ("nsync.feeds", "nsync.profiling", "nsync.read.detection", "tomllib")
    late += ("nsync.read.remote", "nsync.read.fetched", "nsync.storages", "nsync.querying", "fsspec")

    assert run_with_command(f"print([name for name in {late} if name in sys.modules])") == "[]"


def test_named_tuples_that_every_run_defines_do_not_postpone_their_annotations() -> None:
    """``typing.NamedTuple`` compiles each postponed annotation by itself, which takes longer than all else it does."""
    names = run_with_command("print(*(name for name in sys.modules if name.startswith('nsync.')))").split()
    texts = {name: PACKAGE.parent.joinpath(*name.split(".")).with_suffix(".py") for name in names}
    defining = {
        name: text for name, path in texts.items() if path.is_file() and "(NamedTuple)" in (text := path.read_text())
    }

    assert len(defining) > 10
    assert [name for name, text in defining.items() if "import annotations" in text] == []
