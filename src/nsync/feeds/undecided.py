"""What a feed leaves to decide: lines of ``nsync.toml`` that are commented out, and say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, NamedTuple

MARK: Final = "# decide:"


class Undecided(NamedTuple):
    """One such line."""

    line: int
    key: str  # what it would set, if it counted


def undecided_in(text: str, tables: Mapping[str, int]) -> dict[str, list[Undecided]]:
    """
    Give what is left to decide, by feed.

    Args:
        text: Of the file.
        tables: Name of each feed → the line where its first table begins, in the order of the file.
    """
    found: dict[str, list[Undecided]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.lstrip().startswith(MARK):
            above = [name for name, start in tables.items() if 0 < start <= number]
            if above:
                feed = max(above, key=lambda name: tables[name])
                key = line.lstrip().removeprefix(MARK).partition(" = ")[0].strip()
                found.setdefault(feed, []).append(Undecided(number, key))
    return found
