"""Figures: what was measured, and the one table that puts them side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, NamedTuple

from benchmarks.contenders import NAMES, PEERS

FILES = "files"  # the workloads of real files are named so: "files: airports, first"
START = "start"  # and so those of whole commands: "start: all new"


@dataclass(frozen=True)
class Figure:
    """One contender, measured with one workload on one database; the median, where it was measured several times."""

    workload: str
    database: str
    contender: str
    size: int  # what was asked for, and what the contender was measured with, if that is less
    rows: int  # of the file
    seconds: float
    all_seconds: list[float]
    cpu: float  # seconds of this process alone
    peak: float  # MB
    queries: int
    engine: str
    outcomes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)  # what it did wrong; none in a run that counts

    @classmethod
    def of(cls, names: tuple[str, str, str, int, int], told: list[dict[str, Any]]) -> Figure:
        """Take the medians of what the processes told."""

        def middle(key: str) -> float:
            return median(one[key] for one in told)

        first = told[0]
        return cls(
            *names,
            seconds=middle("seconds"),
            all_seconds=[one["seconds"] for one in told],
            cpu=middle("cpu"),
            peak=middle("peak"),
            queries=first["queries"],
            engine=first["engine"],
            outcomes=first.get("outcomes", {}),
            problems=[problem for one in told for problem in one.get("problems", [])],
        )

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What was measured."""
        return self.workload, self.database, self.contender, self.size

    @property
    def rate(self) -> float:
        """Rows per second."""
        return self.rows / self.seconds


class Line(NamedTuple):
    """One line of the table; what a contender cannot be compared with is None."""

    workload: str
    database: str
    rows: int
    contender: str
    seconds: float
    rows_per_second: float
    of_limit: float | None  # times the seconds of the limit
    of_peers: dict[str, float | None]  # peer → how many times as long the peer takes
    peak: float
    queries: int
    note: str

    def as_json(self) -> dict[str, Any]:
        """Give it with names."""
        return self._asdict()


def lines(figures: Iterable[Figure], sizes: Iterable[int]) -> Iterator[Line]:
    """Give the table: for each size the workloads, databases and contenders, in the order of their measurements."""
    all_figures = list(figures)
    alone = [one for one in all_figures if one.workload.startswith((f"{FILES}:", f"{START}:"))]
    keys = dict.fromkeys((one.workload, one.database) for one in all_figures if one not in alone)
    for size in sizes:
        for workload, database in keys:
            fitting = {
                one.contender: one
                for one in sorted(all_figures, key=lambda one: one.size)
                if (one.workload, one.database) == (workload, database) and one.size <= size
            }
            # Peers are measured small, and scaled; nsync and the limit are measured at every size.
            present = [fitting[name] for name in NAMES if name in fitting]
            if any(one.size == size for one in present):
                yield from (_line(one, size, fitting) for one in present if one.size == size or _is_scaled(one))
    yield from (_line(one, one.size, {}) for one in alone)


def _is_scaled(figure: Figure) -> bool:
    """Whether a figure may be scaled to a larger size: only those of peers."""
    return figure.contender in PEERS


def _line(figure: Figure, size: int, others: dict[str, Figure]) -> Line:
    factor = size / figure.size
    seconds = figure.seconds * factor
    limit = others.get("limit")
    return Line(
        workload=figure.workload,
        database=figure.database,
        rows=round(figure.rows * factor),
        contender=figure.contender,
        seconds=seconds,
        rows_per_second=figure.rate,
        of_limit=seconds / (limit.seconds * size / limit.size) if limit else None,
        of_peers={
            peer: (others[peer].seconds * size / others[peer].size) / seconds if peer in others else None
            for peer in PEERS
        },
        peak=figure.peak,
        queries=round(figure.queries * factor),
        note="; ".join(
            filter(
                None,
                (
                    figure.engine,
                    f"scaled from {figure.rows:,} rows, whose memory it is" if factor > 1 else "",
                    *figure.problems,
                ),
            )
        ),
    )


def text(table: list[Line]) -> Iterator[str]:
    """Give the table as lines of text."""
    heads = ("workload", "database", "rows", "contender", "seconds", "rows/s", "/limit", *(f"{p}/" for p in PEERS))
    cells = [(*heads, "MB", "queries", "engine")]
    cells += [
        (
            *(line.workload, line.database, f"{line.rows:,}", line.contender),
            *(f"{line.seconds:,.2f}", f"{line.rows_per_second:,.0f}", times(line.of_limit)),
            *(times(line.of_peers[peer]) for peer in PEERS),
            *(f"{line.peak:.0f}", f"{line.queries:,}", line.note),
        )
        for line in table
    ]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    left = {0, 1, 3, len(widths) - 1}
    for row in cells:
        yield "  ".join(
            cell.ljust(width) if at in left else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()


def legend() -> str:
    """Say what the ratios are."""
    return (
        "/limit: how many times the seconds of the plain SQL; "
        + ", ".join(f"{peer}/" for peer in PEERS)
        + ": how many times as long that peer takes. A peer's seconds are scaled to the size where it says so."
    )


def times(ratio: float | None) -> str:
    """Give a ratio as text."""
    return "–" if ratio is None else f"{ratio:,.1f}" if ratio < 100 else f"{ratio:,.0f}"


def as_json(figures: Iterable[Figure]) -> list[dict[str, Any]]:
    """Give the figures for a file."""
    return [{**asdict(one), "rows_per_second": one.rate} for one in figures]


def from_json(told: Iterable[dict[str, Any]]) -> list[Figure]:
    """Give the figures of a file."""
    return [Figure(**{key: value for key, value in one.items() if key != "rows_per_second"}) for one in told]
