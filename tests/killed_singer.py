"""
Kill ``syncsinger`` with SIGKILL, start the tap again from the last state that came back, and compare.

``python -m tests.killed_singer DATABASE FOLDER SEED`` prints JSON: for each process that was killed where that was, the
state that had come back, and what is wrong: with what was committed by then, and with what there was in the end.
"""

from __future__ import annotations

import io
import json
import os
import random
import signal
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tests.killed_runs import NEVER, Moment, clear, database_of_its_own, fork, killing, moments

RECORDS = 36
BATCHES = 5  # after which processes are killed, others each time
FEEDS = """
[feeds.persons]
system = "HR"
model = "testapp.Person"
match_on = "employee_id"
columns = {nr = "employee_id", name = "first_name", boss = "manager=>employee_id"}

[feeds.homes]
system = "HR"
model = "testapp.House"
columns = {owner = "owner=>employee_id"}
"""
IN_BATCHES = FEEDS.replace('model = "testapp.House"', 'model = "testapp.House"\nas_transaction = false\nbatch_size = 2')


def schema(stream: str, key: str, *names: str) -> dict[str, Any]:
    properties = {name: {"type": ["null", "string", "integer"]} for name in (key, *names)}
    return {"type": "SCHEMA", "stream": stream, "schema": {"properties": properties}, "key_properties": [key]}


SCHEMAS = (schema("persons", "nr", "name", "boss", "age"), schema("homes", "no", "address", "floors", "owner"))


def changes() -> list[dict[str, Any]]:
    """Give what a log holds: records of both streams in turns, the same ones again and again, and some deletes."""
    found = []
    for number in range(RECORDS):
        nr, boss = f"E{number % 13}", f"E{number * 5 % (number % 13 + 1)}"
        deleted = "2024-01-31" if number % 13 == 7 else None
        person = {"nr": nr, "name": f"Name {number}", "boss": boss, "age": 20 + number, "_sdc_deleted_at": deleted}
        house = {"no": number % 17, "address": f"Street {number}", "floors": number % 5, "owner": nr}
        found += [{"type": "RECORD", "stream": "persons", "record": person}]
        found += [{"type": "RECORD", "stream": "homes", "record": house}] if number % 3 else []
    return found


def log_based(state: int, attempt: int) -> list[dict[str, Any]]:
    """Go on after the records that a state counts, and tell a state after every third record."""
    messages: list[dict[str, Any]] = [*SCHEMAS]
    for number, record in enumerate(changes()[state:], start=state + 1):
        messages.append(record)
        if number % 3 == 0:
            messages.append({"type": "STATE", "value": number})
    return messages


def full_table(state: int, attempt: int) -> list[dict[str, Any]]:
    """Give whole tables, of which a version is begun anew each time; the state tells how many are done."""
    messages: list[dict[str, Any]] = []
    for number, own in enumerate(SCHEMAS, start=1):
        stream = own["stream"]
        records = [one for one in changes() if one["stream"] == stream]
        latest = {one["record"][own["key_properties"][0]]: one for one in records if not _is_gone(one["record"])}
        versions = {"stream": stream, "version": 100 + attempt}
        if number > state:
            messages += [own, *({**one, **versions} for one in latest.values())]
            messages += [{"type": "ACTIVATE_VERSION", **versions}, {"type": "STATE", "value": number}]
    return messages


def _is_gone(record: dict[str, Any]) -> bool:
    """Whether a table no longer has a record, of which there was one before."""
    return record.get("nr", record.get("owner")) in ("E0", "E3", "E8") or record.get("no") in (1, 4)


class Scenario(NamedTuple):
    """A tap, and how it is synced."""

    name: str
    tap: Callable[[int, int], list[dict[str, Any]]]
    feeds: str
    options: tuple[str, ...]


SCENARIOS = (
    Scenario("log", log_based, FEEDS, ("--hard-delete",)),
    Scenario("log, in batches", log_based, IN_BATCHES, ("--hard-delete",)),
    Scenario("whole tables", full_table, FEEDS, ("--snapshot", "--allow-deletes")),
)
FIXED = ("--commit-every", "5", "--no-progress", "--wait", "10", "-v", "0")


class Trial:
    """One scenario, from an empty database, or one that holds what a whole table no longer has."""

    def __init__(self, scenario: Scenario, folder: Path) -> None:
        from nsync.models import Run
        from tests.pictures import Photographer

        self.scenario = scenario
        self.folder = folder
        self.camera = Photographer(("Person", "House"))
        self.told = folder / "told.json"
        (folder / "nsync.toml").write_text(scenario.feeds)
        self.begin()
        assert self.run(None, 0, 0) == 0  # here, so that what is imported is there for all
        self.wanted = self.camera.shoot()
        assert (scenario.tap is full_table) == (Run.objects.filter(sources__1__rows__gt=0).count() == 2)  # takes away
        batches = json.loads(self.told.read_text())["batch"]
        self.begin()
        fork(lambda: self.run(NEVER, 0, 0))
        self.counts = {**json.loads(self.told.read_text()), "batch": batches}

    @property
    def states(self) -> Path:
        return self.folder / "states.jsonl"

    def begin(self) -> None:
        clear()
        self.states.write_text("")
        self.camera.begin()  # so that all objects are known by what they hold, not by their numbers
        if self.scenario.tap is full_table:
            older = [{**one, "version": 1} for one in changes()[:12]]
            sync_messages([*SCHEMAS, *older], (*FIXED, *self.scenario.options), io.StringIO())

    def run(self, moment: Moment | None, state: int, attempt: int) -> int:
        """Run the command in this process; gives its exit code."""
        messages = self.scenario.tap(state, attempt)
        with self.states.open("a") as states, killing(moment, self.told):
            return sync_messages(messages, (*FIXED, *self.scenario.options), states)

    def last_state(self) -> int:
        """Give the last state that has come back whole."""
        return max([0, *(int(line) for line in self.states.read_text().splitlines(keepends=True) if line[-1] == "\n")])

    def try_out(self, moment: Moment) -> dict[str, Any]:
        """Kill it, see that no state is ahead, begin the tap again, and compare."""
        self.begin()
        after = moment.number * self.counts["time"] if moment.kind == "time" else None
        ended = fork(lambda: self.run(moment, 0, 1), after)
        state = self.last_state()
        told = {"scenario": self.scenario.name, "kind": moment.kind, "moment": round(moment.number, 3), "ended": ended}
        told |= {"state": state, "wrong": self.is_ahead(state)}
        code = fork(lambda: self.run(NEVER, state, 2))
        told["wrong"] += f"exit code {code}" if code else ""
        told["wrong"] += self.wanted.difference(self.camera.shoot())
        return told

    def is_ahead(self, state: int) -> str:
        """Say which records before a state are not there."""
        from tests.testapp.models import House, Person

        if self.scenario.tap is full_table:
            found = Person.objects.count(), House.objects.count()
            wanted = [sum(line.startswith(table) for line in self.wanted.lines) for table in ("Person", "House")]
            missing = [one for one, count, whole in zip(SCHEMAS, found, wanted, strict=True) if count < whole]
            return f"ahead: {missing[0]['stream']}" if missing and state > SCHEMAS.index(missing[0]) else ""
        before = [one["record"] for one in changes()[:state]]
        names = {one["nr"]: one["name"] for one in before if "nr" in one and not one["_sdc_deleted_at"]}
        there = dict(Person.objects.values_list("employee_id", "first_name"))
        late = [nr for nr, name in names.items() if _number(there.get(nr)) < _number(name)]
        return f"state {state} is ahead of {late}" if late else ""


def _number(name: str | None) -> int:
    return int(name.removeprefix("Name ")) if name else -1


def _some(every: Iterable[Moment], chance: random.Random) -> list[Moment]:
    """Leave out most batches."""
    found = list(every)
    batches = [moment for moment in found if moment.kind == "batch"]
    return [*chance.sample(batches, min(BATCHES, len(batches))), *(one for one in found if one.kind != "batch")]


def sync_messages(messages: list[dict[str, Any]], options: tuple[str, ...], states: Any) -> int:
    from django.core.management import call_command

    sys.stdin = io.StringIO("".join(f"{json.dumps(message)}\n" for message in messages))
    try:
        call_command("syncsinger", "HR", *options, stdout=states)
    except SystemExit as error:
        return int(error.code or 0)
    return 0


def main(database: str, folder: Path, seed: int) -> None:
    os.chdir(folder)
    with database_of_its_own(database, folder):
        chance = random.Random(seed)
        found = []
        for scenario in SCENARIOS:
            trial = Trial(scenario, folder)
            found += [trial.try_out(moment) for moment in _some(moments(trial.counts, chance), chance)]
        print(json.dumps(found))


if __name__ == "__main__":
    assert hasattr(signal, "SIGKILL")
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
