"""The table for the documentation, as reStructuredText."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from benchmarks.contenders import LABELS, PEERS
from benchmarks.figures import Line, times

_HEADS = ("Workload", "Database", "Rows", "Contender", "Seconds", "Rows/s", "÷ limit")


def table(lines: Sequence[Line]) -> Iterator[str]:
    """Give the lines of one table, without ratios that no line has."""
    peers = [peer for peer in PEERS if any(line.of_peers[peer] is not None for line in lines)]
    yield from (".. list-table::", "   :header-rows: 1", "")
    yield from _row([*_HEADS, *(f"× {LABELS[peer]}" for peer in peers), "MB", "Queries"])
    for line in lines:
        yield from _row(
            [
                *(line.workload, line.database, f"{line.rows:,}", LABELS[line.contender]),
                *(f"{line.seconds:,.2f}", f"{line.rows_per_second:,.0f}", times(line.of_limit)),
                *(times(line.of_peers[peer]) for peer in peers),
                *(f"{line.peak:.0f}", f"{line.queries:,}"),
            ]
        )


def _row(cells: Sequence[str]) -> Iterator[str]:
    for number, cell in enumerate(cells):
        yield f"   {' ' if number else '*'} - {cell}"
