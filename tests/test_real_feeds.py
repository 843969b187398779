"""The public files as five feeds: loaded in order by one call; and proposed by ``syncinit`` as a person wrote them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from django.core.management import call_command

from nsync import Feed, load_feeds, sync
from nsync.feeds.checking import problems_of
from nsync.feeds.reading import FeedFile
from nsync.models import Run
from tests.commands.conftest import Ran, command, in_folder
from tests.real_steps import AIRPORTS, COUNTRIES, STEPS
from tests.testapp.models import Airport, Country, Navaid, Runway

__all__ = ["command", "in_folder"]  # fixtures

pytestmark = [pytest.mark.realdata, pytest.mark.django_db]

WRITTEN = Path(__file__).with_name("real_feeds.toml")
FILES = {
    "countries": ("ISO", "iso3166/all.csv"),
    "airports": ("airportsdata", "airportsdata/airports.csv"),
    "runways": ("OurAirports", "ourairports/2026-08-22/runways.csv"),
    "navaids": ("OurAirports", "ourairports/2026-08-22/navaids.csv"),
    "openflights": ("OpenFlights", "openflights/airports.dat"),
}


def put_files(real_data: Path, folder: Path, month: str) -> None:
    """Put the lines of a sixteenth of all airports into the folder that the feeds look into."""
    for step in STEPS:
        if month in step.name or "," not in step.name:
            path = step.sliced(real_data, folder)
            if path.parent != folder:
                shutil.copy(path, folder / step.path.replace("/", "-"))


def test_one_call_loads_all_feeds_in_order_and_a_second_one_changes_nothing(
    command: Callable[..., Ran], real_data: Path, in_folder: Path
) -> None:
    shutil.copy(WRITTEN, "nsync.toml")
    (in_folder / "inbox").mkdir()
    put_files(real_data, in_folder / "inbox", "July")

    ran = command("syncfeeds")

    assert ran.code == 3, ran.err  # one airport of OpenFlights has no ICAO code
    runs = list(Run.objects.order_by("pk"))
    assert [run.system for run in runs] == ["ISO", "airportsdata", "OpenFlights", "OurAirports", "OurAirports"]
    assert Country.objects.count() == 249
    assert Airport.objects.filter(country=None).count() < 20
    assert Runway.objects.exclude(airport=None).count() > 1_000
    assert Navaid.objects.exclude(airport=None).count() > 300

    ran = command("syncfeeds")
    assert ran.code == 3
    again = {kind for run in Run.objects.filter(pk__gt=runs[-1].pk) for kind in run.outcomes}
    assert again == {"unchanged", "unmatched", "failed"}
    assert Run.objects.count() == 2 * len(runs)


def propose(name: str, real_data: Path) -> tuple[Feed, Feed]:
    """Let a feed be proposed for an untouched file; give it, and the one that a person wrote."""
    system, path = FILES[name]
    written = load_feeds(WRITTEN)[name]
    call_command("syncinit", system, written.model, str(real_data / path), name=name, write=True)
    file = FeedFile("nsync.toml")
    assert problems_of(file) == []
    return file.feeds[name], written


def places(feed: Feed) -> dict[str, int | str]:
    """Give the places of columns that have no names of their own; else their names."""
    return {header: number for number, header in enumerate(feed.options.header)}


def assert_like(proposed: Feed, written: Feed) -> None:
    here, there = places(proposed), places(written)

    def columns(feed: Feed, where: dict[str, int | str]) -> set[tuple[int | str, str]]:
        return {(where.get(header, header), target) for header, target in feed.options.map if target}

    mine, theirs = columns(proposed, here), columns(written, there)
    key = proposed.options.external_key_column or ""
    chosen_key = written.options.external_key_column or ""
    assert here.get(key, key) == there.get(chosen_key, chosen_key)
    assert proposed.options.match_on == written.options.match_on
    assert len(mine & theirs) >= 0.8 * len(theirs), theirs - mine
    assert mine <= theirs  # nothing that a person would not have
    assert proposed.options.null_marker == written.options.null_marker
    assert proposed.options.action_flags == "cu*"


@pytest.mark.database("sqlite")
def test_what_is_proposed_for_each_untouched_file_is_what_a_person_wrote(real_data: Path, in_folder: Path) -> None:
    assert_like(*propose("countries", real_data))
    sync(real_data / FILES["countries"][1], Country, system="ISO", options=COUNTRIES)
    assert_like(*propose("airports", real_data))
    sync(real_data / FILES["airports"][1], Airport, system="airportsdata", options=AIRPORTS)

    for name in ("runways", "navaids", "openflights"):
        assert_like(*propose(name, real_data))
