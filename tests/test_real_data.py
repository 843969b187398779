"""
The public files of ``tests.real_steps``, as their publishers ship them, synced in the order in which a project would.

What must become of their rows is worked out here a second time, with the standard library and without nsync.
At full size the files take minutes, so they are synced whole on SQLite only, once each. Every database, SQLite too,
syncs the lines of a sixteenth of all airports, each file twice. Seconds and memory are for ``make bench`` to measure.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection

from nsync import sync
from nsync.models import ExternalKeyMapping
from tests.real_steps import STEPS, Step
from tests.telling import outcomes
from tests.testapp.models import Airport, Country, Navaid, Runway

pytestmark = [pytest.mark.realdata, pytest.mark.django_db]

Cells = Mapping[str, str]
Values = dict[str, Any]
Expected = tuple[Counter[str], Counter[str]]  # outcomes, warnings
_WRITES = ("INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "COPY", "TRUNCATE")


def _number(text: str) -> float | None:
    return float(text) if text else None


def _whole(text: str) -> int | None:
    return int(text) if text else None


def _is_one(text: str) -> bool:
    return {"1": True, "0": False}[text]


# Field → column and what its text means.
_COUNTRY: dict[str, tuple[str, Callable[[str], Any]]] = {
    "code": ("alpha-2", str),
    "name": ("name", str),
    "alpha3": ("alpha-3", str),
    "numeric_code": ("country-code", str),
    "region": ("region", str),
}
_AIRPORT = {
    **{name: (name, str) for name in ("icao", "iata", "name", "city", "subd", "tz", "lid")},
    **{name: (name, _number) for name in ("elevation", "lat", "lon")},
}
_RUNWAY = {
    **{name: (name, str) for name in ("airport_ident", "surface", "le_ident", "he_ident")},
    **{name: (name, _whole) for name in ("length_ft", "width_ft")},
    **{name: (name, _is_one) for name in ("lighted", "closed")},
    **{
        f"{end}_{name}".lower(): (f"{end}_{name}", _number)
        for end in ("le", "he")
        for name in ("latitude_deg", "longitude_deg", "elevation_ft", "heading_degT", "displaced_threshold_ft")
    },
}
_NAVAID = {
    **{name: (name, str) for name in ("filename", "ident", "name", "type", "dme_channel", "power")},
    **{name: (name, _whole) for name in ("frequency_khz", "elevation_ft", "dme_frequency_khz", "dme_elevation_ft")},
    **{
        name: (name, _number)
        for name in (
            *("latitude_deg", "longitude_deg", "dme_latitude_deg", "dme_longitude_deg"),
            *("slaved_variation_deg", "magnetic_variation_deg"),
        )
    },
    "usage_type": ("usageType", str),
    "associated_airport_ident": ("associated_airport", str),
}


class World:
    """What the database must hold after the steps so far: key → values, with relations as codes."""

    def __init__(self) -> None:
        self.countries: dict[str, Values] = {}
        self.airports: dict[str, Values] = {}
        self.runways: dict[str, Values] = {}
        self.navaids: dict[str, Values] = {}
        self.openflights: dict[str, Values] = {}  # its key → one of airports

    def expect(self, step: Step, path: Path) -> Expected:
        """Take in a file; give what must become of its rows."""
        with path.open(encoding="utf-8", newline="") as lines:
            rows = list(csv.DictReader(lines, fieldnames=step.options.header or None))
        if step.model is Country:
            return self._forced(rows, "alpha-2", self.countries, _COUNTRY, {})
        if step.model is Runway:
            return self._forced(rows, "id", self.runways, _RUNWAY, {"airport": ("airport_ident", self.airports)})
        if step.model is Navaid:
            relations = {
                "country": ("iso_country", self.countries),
                "airport": ("associated_airport", self.airports),
            }
            return self._forced(rows, "id", self.navaids, _NAVAID, relations)
        if step.system == "OpenFlights":
            return self._blanks(rows)
        return self._forced(rows, "icao", self.airports, _AIRPORT, {"country": ("country", self.countries)})

    def held(self, step: Step) -> dict[str, Values]:
        """Give what the keys of the step's system must mean."""
        if step.system == "OpenFlights":
            return self.openflights
        by_model = {Country: self.countries, Airport: self.airports, Runway: self.runways, Navaid: self.navaids}
        return by_model[step.model]

    def _forced(
        self,
        rows: list[dict[str, str]],
        key: str,
        held: dict[str, Values],
        fields: Mapping[str, tuple[str, Callable[[str], Any]]],
        relations: Mapping[str, tuple[str, Mapping[str, Values]]],
    ) -> Expected:
        """Rules A1, A3, R5: every column is set; a relation whose target is missing is left, with a warning."""
        kinds: Counter[str] = Counter()
        warnings: Counter[str] = Counter()
        for row in rows:
            old = held.get(row[key])
            new = {name: read(row[column]) for name, (column, read) in fields.items()}
            for name, (column, targets) in relations.items():
                code = row[column]
                is_there = code in targets
                warnings["missing-reference"] += bool(code) and not is_there
                new[name] = code if is_there else (old or {}).get(name)
            kinds["created" if old is None else "unchanged" if new == old else "updated"] += 1
            held[row[key]] = new
        return kinds, +warnings

    def _blanks(self, rows: list[dict[str, str]]) -> Expected:
        """Rule A3, unforced: only what is empty is filled; a row without an ICAO code cannot be matched (I3)."""
        kinds: Counter[str] = Counter()
        texts, numbers = ("name", "city", "iata", "tz"), {"lat": "lat", "lon": "lon", "elevation": "altitude"}
        for row in rows:
            cells = {name: "" if text == r"\N" else text for name, text in row.items()}
            airport = self.airports.get(cells["icao"])
            if airport is None:
                kinds["unmatched" if cells["icao"] else "failed"] += 1
                continue
            given = {name: cells[name] for name in texts} | {
                name: _number(cells[column]) for name, column in numbers.items()
            }
            filled = {name: value for name, value in given.items() if airport[name] in (None, "") and value != ""}
            airport.update(filled)
            is_linked = row["id"] in self.openflights
            self.openflights[row["id"]] = airport
            kinds["updated" if filled else "unchanged" if is_linked else "linked"] += 1
        return kinds, Counter()


def _held(step: Step) -> dict[str, Values]:
    """Give what the keys of the step's system mean, read back from the database."""
    relations = {"country": "country__code", "airport": "airport__icao"}
    names = [field.name for field in step.model._meta.fields if field.name != "id"]
    rows = step.model.objects.values_list("id", *(relations.get(name, name) for name in names))
    objects = {str(pk): dict(zip(names, values, strict=True)) for pk, *values in rows}
    mappings = ExternalKeyMapping.objects.filter(
        external_system__name=step.system, content_type=ContentType.objects.get_for_model(step.model)
    )
    return {key: objects[object_id] for key, object_id in mappings.values_list("external_key", "object_id")}


def _sync_as_expected(step: Step, path: Path, world: World) -> None:
    expected, warnings = world.expect(step, path)

    report = sync(path, step.model, system=step.system, options=step.options)

    assert (report.error, report.committed) == ("", True)
    assert outcomes(report) == dict(expected)
    assert report.warnings == dict(warnings)
    assert _held(step) == world.held(step)


def _sync_again(step: Step, path: Path, world: World) -> None:
    """The same file a second time: nothing to do, and not one statement that writes (rule A7)."""
    expected, warnings = world.expect(step, path)
    written: list[str] = []

    def watch(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.lstrip().upper().startswith(_WRITES) and "nsync_run" not in sql:  # that there was a run is kept
            written.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(watch):
        report = sync(path, step.model, system=step.system, options=step.options)

    assert written == []
    assert not report.writes
    assert outcomes(report) == dict(expected)
    assert expected.keys() <= {"unchanged", "unmatched", "failed"}
    assert report.warnings == dict(warnings)


def test_the_files_of_a_sixteenth_of_all_airports_leave_what_they_say_and_a_second_run_writes_nothing(
    real_data: Path, tmp_path: Path
) -> None:
    """A1, A3, A7, C2, I1, I3, O1, R5."""
    world = World()
    for step in STEPS:
        path = step.sliced(real_data, tmp_path)
        _sync_as_expected(step, path, world)
        _sync_again(step, path, world)

    assert Country.objects.count() == 249
    assert Airport.objects.count() == len(world.airports) > 1_500
    assert Runway.objects.count() == len(world.runways) > 2_500


@pytest.mark.slow
@pytest.mark.database("sqlite")
def test_the_whole_files_leave_what_they_say(real_data: Path) -> None:
    """A1, A3, C2, I1, I3, O1, R5: at full size; the totals are those that the folder's README counts."""
    world = World()
    for step in STEPS:
        _sync_as_expected(step, real_data / step.path, world)

    assert (Country.objects.count(), Airport.objects.count()) == (249, 28_291)
    assert _with_airport("runways", real_data) == (26_197, 48_184)
    assert _with_airport("navaids", real_data) == (7_068, 11_008)
    assert ExternalKeyMapping.objects.filter(external_system__name="OpenFlights").count() == 7_321


def _with_airport(name: str, real_data: Path) -> tuple[int, int]:
    """Count what the August file names and has an airport in the database, and all that it names."""
    step = next(step for step in STEPS if step.name == f"{name}, August")
    with (real_data / step.path).open(encoding="utf-8", newline="") as lines:
        keys = [row["id"] for row in csv.DictReader(lines)]
    held = _held(step)
    return sum(held[key]["airport"] is not None for key in keys), len(keys)
