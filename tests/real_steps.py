"""What a project would sync from the public files, step by step; for the tests and the benchmarks that need them."""

from __future__ import annotations

import csv
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsync import SyncOptions
from tests.testapp.models import Airport, Country, Navaid, Runway

_PARTS = 16
_PART = zlib.crc32(rb"\N") % _PARTS  # the part with the one airport of OpenFlights that has no ICAO code


@dataclass(frozen=True)
class Step:
    """One file, what it is synced to, and how."""

    name: str
    path: str  # inside the folder of real data
    model: Any
    system: str
    options: SyncOptions
    airport: tuple[str, ...] = ()  # columns that name the row's airport, first that is not empty; none: no slice

    def sliced(self, data: Path, folder: Path) -> Path:
        """
        Copy the lines that belong to one sixteenth of all airports; give the copy.

        Which sixteenth an airport belongs to depends on its code only, so that the slices of all files fit together.
        """
        if not self.airport:
            return data / self.path
        source = data / self.path
        header = self.options.header or _cells(source.read_text(encoding="utf-8").partition("\n")[0])
        copy = folder / self.path.replace("/", "-")
        with source.open(encoding="utf-8", newline="") as lines, copy.open("w", encoding="utf-8", newline="") as kept:
            if not self.options.header:
                kept.write(next(lines))
            kept.writelines(self._of_part(lines, header))
        return copy

    def _of_part(self, lines: Iterator[str], header: tuple[str, ...]) -> Iterator[str]:
        for line in lines:
            row = dict(zip(header, _cells(line), strict=True))  # no cell of these files contains a line end
            code = next(filter(None, (row[column] for column in self.airport)))
            if zlib.crc32(code.encode()) % _PARTS == _PART:
                yield line


def _cells(line: str) -> tuple[str, ...]:
    return tuple(next(csv.reader([line])))


COUNTRIES = SyncOptions(
    action_flags="cu*",
    match_on="code",
    external_key_column="alpha-2",
    map=(("alpha-2", "code"), ("alpha-3", "alpha3"), ("country-code", "numeric_code")),
)
AIRPORTS = SyncOptions(
    action_flags="cu*",
    match_on="icao",
    external_key_column="icao",
    map=(("icao", "icao"), ("country", "country=>code")),
)
RUNWAYS = SyncOptions(
    action_flags="cu*",
    external_key_column="id",
    map=(
        ("airport_ident", "airport_ident"),
        ("airport_ident", "airport=>icao"),
        ("le_heading_degT", "le_heading_degt"),
        ("he_heading_degT", "he_heading_degt"),
    ),
)
NAVAIDS = SyncOptions(
    action_flags="cu*",
    external_key_column="id",
    map=(
        ("iso_country", "country=>code"),
        ("usageType", "usage_type"),
        ("associated_airport", "associated_airport_ident"),
        ("associated_airport", "airport=>icao"),
    ),
)
OPENFLIGHTS = SyncOptions(
    header=(
        *("id", "name", "city", "country name", "iata", "icao", "lat", "lon"),
        *("altitude", "UTC offset", "DST", "tz", "type", "source"),
    ),
    null_marker=r"\N",
    action_flags="u",
    match_on="icao",
    external_key_column="id",
    map=(("altitude", "elevation"),),
    on_error="skip",
)
_JULY, _AUGUST = "ourairports/2026-07-23", "ourairports/2026-08-22"
_NAVAID = ("associated_airport", "ident")

STEPS = (
    Step("countries", "iso3166/all.csv", Country, "ISO", COUNTRIES),
    Step("airports", "airportsdata/airports.csv", Airport, "airportsdata", AIRPORTS, ("icao",)),
    Step("runways, July", f"{_JULY}/runways.csv", Runway, "OurAirports", RUNWAYS, ("airport_ident",)),
    Step("runways, August", f"{_AUGUST}/runways.csv", Runway, "OurAirports", RUNWAYS, ("airport_ident",)),
    Step("navaids, July", f"{_JULY}/navaids.csv", Navaid, "OurAirports", NAVAIDS, _NAVAID),
    Step("navaids, August", f"{_AUGUST}/navaids.csv", Navaid, "OurAirports", NAVAIDS, _NAVAID),
    Step("OpenFlights", "openflights/airports.dat", Airport, "OpenFlights", OPENFLIGHTS, ("icao",)),
)
