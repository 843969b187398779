"""
Kill runs with SIGKILL: after every batch, before some statements, and at random times; let each go on, and compare.

``python -m tests.killed_runs DATABASE FOLDER SEED`` prints JSON: for each run that was killed where that was, how many
checkpoints it left, and what is wrong with what it was after ``--resume``: nothing, if all is well.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

ROWS = 42
RANDOM = 2  # moments of each kind, others each time


class Scenario(NamedTuple):
    """One call of a command, which fails some rows and lets others wait."""

    name: str
    command: tuple[str, ...]  # with the names of files


class Moment(NamedTuple):
    """When a process is killed."""

    kind: str  # "batch": after it was committed; "statement": before it is sent; "time": as a part of the whole
    number: float


NEVER = Moment("never", 0)
SCENARIOS = (
    Scenario("one file", ("syncfile", "HR", "testapp", "Person", "HR_testapp_Person.csv", "--batch-size", "6")),
    Scenario("files in phases", ("syncfiles", "HR_testapp_Person.csv", "HR_testapp_House.csv", "--batch-size", "14")),
    Scenario(
        "mostly unchanged",  # what the proofs find, they find anew
        ("syncfile", "HR", "testapp", "House", "again.csv", "--batch-size", "6"),
    ),
)
FIXED = ("--no-as-transaction", "--on-error", "skip", "--record", "changes", "--no-progress", "-v", "0", "--wait", "10")


def write_files(folder: Path) -> None:
    """Write the files: managers and owners that come later, cells that do not fit, objects that go, keys that meet."""
    persons = ["external_key,action_flags,match_on,employee_id,first_name,age,manager=>employee_id,tags=>+name"]
    homes = ["external_key,action_flags,match_on,address,floors,owner=>employee_id"]
    for number in range(ROWS):
        age = "old" if number % 11 == 3 else str(20 + number)
        flags = "d*" if number % 13 == 7 else "cu*" if number % 3 else "cu"
        manager, tags = f"E{number * 7 % (ROWS + 3)}", "|".join("xyz"[: number % 4])
        persons.append(f"k{number % 40},{flags},employee_id,E{number},First {number},{age},{manager},{tags}")
        floors = "many" if number % 17 == 5 else str(number % 4 + (number % 9 == 0))
        homes.append(f"h{number},{'d' if number % 10 == 9 else 'cu*'},address,Street {number},{floors},E{number * 5}")
    again = ["external_key,action_flags,match_on,address,floors"]
    again += [f"h{number},cu*,address,Street {number},{number % 4 + (number % 3 == 0)}" for number in range(ROWS)]
    (folder / "again.csv").write_text("\n".join(again) + "\n")
    (folder / "HR_testapp_Person.csv").write_text("\n".join(persons) + "\n")
    (folder / "HR_testapp_House.csv").write_text("\n".join(homes) + "\n")


def make_start() -> None:
    """Make what is there before a run."""
    from tests.agreeing import Ref, Thing, _make

    # With numbers, by which pictures know them; far from those that a database gives.
    tags = [Thing("Tag", {"id": 70_000 + number, "name": name}) for number, name in enumerate("xyz")]
    keys = {number: (("HR", f"k{number}"),) if number % 2 else () for number in range(0, ROWS, 4)}
    persons = [
        Thing("Person", {"id": 70_000 + number, "employee_id": f"E{number}", "tags": [Ref(0)]}, found)
        for number, found in keys.items()
    ]
    homes = [
        Thing("House", {"id": 70_000 + number, "address": f"Street {number}", "floors": number % 4}, _key(number))
        for number in range(ROWS)
    ]
    _make((*tags, *persons, *homes))


def _key(number: int) -> tuple[tuple[str, str], ...]:
    return (("HR", f"h{number}"),)


def clear() -> None:
    """Empty the tables."""
    from django.db import connection, transaction

    from nsync import models
    from tests.testapp.models import House, Person, Tag

    between: Any = Person.tags.through
    every = (models.Checkpoint, models.RecordedChange, models.RowOutcome, models.Run, models.ExternalKeyMapping)
    with connection.constraint_checks_disabled(), transaction.atomic():
        for model in (*every, models.ExternalSystem, between, House, Person, Tag):
            model._base_manager.all()._raw_delete("default")


@contextmanager
def killing(moment: Moment | None, told: Path) -> Iterator[None]:
    """Kill this process at a moment; else write down how many batches and statements there were."""
    from django.db import connection

    from nsync.signals import batch_applied

    counts = {"batch": 0, "statement": 0}

    def count(kind: str) -> None:
        counts[kind] += 1
        if moment == (kind, counts[kind]):
            os.kill(os.getpid(), signal.SIGKILL)

    def hear(**sent: Any) -> None:
        count("batch")

    def see(execute: Any, *given: Any) -> Any:
        count("statement")
        return execute(*given)

    if moment is None or moment.kind == "batch":  # who listens forbids the proofs
        batch_applied.connect(hear)
    started = time.monotonic()
    with connection.execute_wrapper(see):
        yield
    batch_applied.disconnect(hear)
    told.write_text(json.dumps({**counts, "time": time.monotonic() - started}))


def fork(act: Callable[[], int], kill_after: float | None = None) -> int:
    """Let another process act; give its exit code, or the negative number of the signal that has ended it."""
    from django.db import connections

    connections.close_all()
    pid = os.fork()
    if not pid:
        code = 99
        try:
            code = act()
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)  # of a process that has ended, but is not waited for, it does nothing
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Trial:
    """One scenario, from the same start again and again."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        from tests.pictures import Photographer

        self.scenario = scenario
        self.folder = folder
        self.camera = Photographer(("Person", "House", "Tag"))
        self.told = folder / "told.json"
        (folder / "rejects").mkdir(exist_ok=True)
        self.begin()
        self.exit_code = self.run(None)  # here, so that what is imported is there for all
        self.wanted, self.files = self.camera.shoot(), self.written()
        batches = json.loads(self.told.read_text())["batch"]
        self.begin()
        fork(lambda: self.run(NEVER))
        self.counts = {**json.loads(self.told.read_text()), "batch": batches}

    def begin(self) -> None:
        """Start anew."""
        clear()
        make_start()
        self.camera.begin()
        for path in [*self.folder.glob("rejects/*"), *self.folder.glob("*.json")]:
            path.unlink()

    def run(self, moment: Moment | None, *more: str) -> int:
        """Run the command in this process; gives its exit code."""
        from django.core.management import call_command

        given = [str(self.folder / one) if one.endswith(".csv") else one for one in self.scenario.command]
        files = ("--report", str(self.folder / "report.json"), "--rejects", f"{self.folder / 'rejects'}{os.sep}")
        with open(os.devnull, "w") as nowhere, killing(moment, self.told):
            try:
                call_command(*given, *FIXED, *files, *more, stdout=nowhere, stderr=nowhere)
            except SystemExit as error:
                return int(error.code or 0)
        return 0

    def written(self) -> dict[str, Any]:
        """Give what the command has written to files, but for costs and numbers."""
        report = json.loads((self.folder / "report.json").read_text())
        kept = {key: value for key, value in report.items() if key not in ("seconds", "queries", "run", "resumed")}
        return {"report": kept, **{path.name: path.read_text() for path in sorted(self.folder.glob("rejects/*"))}}

    def try_out(self, moment: Moment) -> dict[str, Any]:
        """Kill a run, let it go on, compare, and take it back."""
        from nsync.models import Checkpoint, Run
        from nsync.undo import undo
        from tests.undoing import differences, tables

        self.begin()
        before = tables()
        is_time = moment.kind == "time"
        after = moment.number * self.counts["time"] if is_time else None
        ended = fork(lambda: self.run(moment), after)
        found = Run.objects.order_by("-pk").first()
        told = {"scenario": self.scenario.name, "kind": moment.kind, "moment": round(moment.number, 3), "ended": ended}
        told |= {"status": found.status if found else "", "checkpoints": Checkpoint.objects.count(), "wrong": ""}
        if ended != -signal.SIGKILL:
            return told  # it was over before
        resume = ("--resume", str(found.pk)) if found else ()
        is_finished = found is not None and found.status.startswith("applied")
        code = fork(lambda: self.run(NEVER, *resume))
        told["wrong"] = self.wanted.difference(self.camera.shoot())
        if not is_finished and (code != self.exit_code or self.written() != self.files):
            told["wrong"] += f"exit code {code}, not {self.exit_code}; or other files: {self.written()}"
        left = undo(Run.objects.latest("pk").pk).left
        told["wrong"] += "\n".join([*map(str, left), differences(before, tables())])
        if Checkpoint.objects.exists():
            told["wrong"] += "checkpoints are left"
        return told


def moments(counts: dict[str, Any], chance: random.Random) -> Iterator[Moment]:
    """Give every batch, and some of the statements and times."""
    yield from (Moment("batch", number) for number in range(1, counts["batch"] + 1))
    statements = range(1, counts["statement"] + 1)
    yield from (Moment("statement", number) for number in sorted(chance.sample(statements, RANDOM)))
    yield from (Moment("time", chance.random()) for _ in range(RANDOM))


@contextmanager
def database_of_its_own(database: str, folder: Path) -> Iterator[None]:
    """Set up Django with the models of the tests and an empty database, until the block ends."""
    import django
    from django.conf import settings

    from tests import settings as of_tests
    from tests.services import database_settings

    chosen = {name: getattr(of_tests, name) for name in dir(of_tests) if name.isupper()}
    given: dict[str, Any] = database_settings(database)
    test = {**given.get("TEST", {}), "NAME": str(folder / "db.sqlite3")}
    if database == "sqlite":
        given["OPTIONS"] = {"init_command": "PRAGMA synchronous = OFF"}  # it is processes that die, not the machine
    else:
        test["NAME"] = f"test_{given['NAME']}_killed"
    settings.configure(**{**chosen, "DATABASES": {"default": {**given, "TEST": test}}})
    django.setup()
    from django.db import connection

    name = connection.settings_dict["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


def main(database: str, folder: Path, seed: int) -> None:
    with database_of_its_own(database, folder):
        write_files(folder)
        chance = random.Random(seed)
        found = []
        for scenario in SCENARIOS:
            trial = Trial(scenario, folder)
            found += [trial.try_out(moment) for moment in moments(trial.counts, chance)]
        print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
