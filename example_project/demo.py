"""
Shows what nsync does: ``make demo``, or ``python example_project/demo.py`` where nsync is installed.

It begins with an empty database each time, and runs the real commands on the files in ``data/``.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import django

HERE = Path(__file__).resolve().parent
OUT = HERE / "out"


def main() -> None:
    """Run the steps."""
    begin()
    two_systems()
    a_reference()
    unforced_and_forced()
    a_delete_held_back()
    a_rejected_row()
    print("\nTo look around: cd example_project; ../.venv/bin/python manage.py shell")
    print("The files are in example_project/data, the rules in docs/reference/semantics.rst.")


def begin() -> None:
    """Start with an empty database."""
    os.chdir(HERE)
    os.environ["DJANGO_SETTINGS_MODULE"] = "project.settings"
    Path("db.sqlite3").unlink(missing_ok=True)
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    say("The database is new, and so are the tables.")
    manage("migrate", "-v", "0")
    django.setup()


def two_systems() -> None:
    """Show several files in one run, and the keys of two systems."""
    files = ("data/AsBuiltDB_myapp_House.csv", "data/RenovationsDB_myapp_House.csv")
    say("Two systems feed one model: one builds houses, the other renovates them, each with keys of its own.")
    show_files(*files)
    manage("syncfiles", *files)
    show_houses()
    show_keys()


def a_reference() -> None:
    """Show a foreign key that a file fills by another field of the other model."""
    files = ("data/HR_myapp_Person.csv", "data/LandRegistry_myapp_House.csv")
    say("A column `owner=>employee_id` finds the owner of a house by employee number, and both files go in one run.")
    show_files(*files)
    manage("syncfiles", *files)
    show_houses()


def unforced_and_forced() -> None:
    """Show an update that only fills gaps, then one that sets what it says."""
    columns = ("--match-on", "employee_id", "--action-flags")
    say("An update without force fills only what is empty: the age of Sherlock, and nothing else.")
    show_files("data/survey.csv")
    manage("syncfile", "Survey", "myapp", "Person", "data/survey.csv", *columns, "u")
    show_persons()
    say("The same file with force sets every column that it has.")
    manage("syncfile", "Survey", "myapp", "Person", "data/survey.csv", *columns, "u*")
    show_persons()


def a_delete_held_back() -> None:
    """Show that a system lets go of an object that another one still maps."""
    say("AsBuiltDB deletes a house that other systems still map: it loses its key, and the house stays.")
    show_files("data/demolished.csv")
    manage("syncfile", "AsBuiltDB", "myapp", "House", "data/demolished.csv")
    show_houses()
    show_keys()


def a_rejected_row() -> None:
    """Show what becomes of a row that cannot be applied."""
    say("A row with a bad cell is left out, and written to a file where it can be fixed and synced again.")
    show_files("data/cars.csv")
    outputs = ("--on-error", "skip", "--rejects", "out/rejects.csv", "--report", "out/report.json")
    manage("syncfile", "Garage", "myapp", "Car", "data/cars.csv", *outputs)
    show_files("out/rejects.csv")
    say("The report has the same, and more, for programs.")
    report = json.loads(Path("out/report.json").read_text(encoding="utf-8"))
    shown = {name: report[name] for name in ("status", "committed", "errors", "details")}
    print(json.dumps(shown, indent=2))


def manage(*arguments: str) -> None:
    """Show a command and run it."""
    print(f"\n$ python manage.py {' '.join(map(shlex.quote, arguments))}", flush=True)
    done = subprocess.run([sys.executable, "manage.py", *arguments])
    if done.returncode:
        print(f"(exit code {done.returncode})", flush=True)
    if done.returncode not in (0, 3):  # 3: applied, but rows failed; one step is about that
        sys.exit(f"the demo ends here: {arguments[0]} should not have failed")


def say(sentence: str) -> None:
    """Begin a step."""
    print(f"\n--- {sentence}", flush=True)


def show_files(*names: str) -> None:
    """Show files as they are."""
    for name in names:
        text = Path(name).read_text(encoding="utf-8")
        print(f"\n{name}\n" + "".join(f"  {line}\n" for line in text.splitlines()), end="")


def show_houses() -> None:
    """Show the houses."""
    from myapp.models import House

    names = ("address", "country", "floors", "owner__first_name")
    show_table("House", names, House.objects.order_by("pk").values_list(*names))


def show_persons() -> None:
    """Show the persons."""
    from myapp.models import Person

    names = ("employee_id", "first_name", "age", "hair_colour")
    show_table("Person", names, Person.objects.order_by("pk").values_list(*names))


def show_keys() -> None:
    """Show which key of which system means which house."""
    from myapp.models import House

    from nsync.models import ExternalKeyMapping

    rows = [
        (mapping.external_system.name, mapping.external_key, str(mapping.content_object))
        for mapping in ExternalKeyMapping.objects.select_related("external_system").order_by("pk")
        if mapping.content_type.model_class() is House
    ]
    show_table("ExternalKeyMapping", ("system", "key", "house"), rows)


def show_table(title: str, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Show rows in columns."""
    table = [header, *(["(null)" if cell is None else str(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    print(f"\n{title}")
    for row in table:
        print("  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
