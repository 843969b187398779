"""Proposal: what a feed for a file may look like, and why; values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple


class Said(NamedTuple):
    """One line of a feed."""

    key: str
    value: str | int | list[str]  # of int also bool
    why: str = ""
    is_proven: bool = True  # else it is something to decide: the line does not count yet


@dataclass(frozen=True, slots=True)
class Proposal:
    """A feed, line by line."""

    system: str
    model: str
    source: str
    told: str  # what was looked at: "all 48,184 rows"
    lines: list[Said] = field(default_factory=list)
    columns: list[Said] = field(default_factory=list)  # header → target or targets
