"""
Charts as SVG: rows per second by size, and memory by size; a panel for each workload and database.

Only what was measured is drawn, at the size it was measured with. Both axes are logarithmic.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape
from typing import NamedTuple

from benchmarks.contenders import LABELS
from benchmarks.figures import Figure

_WORKLOADS = ("new", "again", "10 % changed", "references", "deletes")
# Told apart by colour-blind people too (Okabe and Ito), and by their marks.
_COLOURS = {"nsync": "#0072b2", "limit": "#555555", "nsync04": "#d55e00", "import-export": "#009e73"}
_WIDTH, _HEIGHT = 200, 130  # of a panel
_NARROWEST = 560  # what the legend needs
_LEFT, _TOP, _BETWEEN, _BELOW = 64, 62, 62, 46


class _Scale(NamedTuple):
    """Where a value stands on a logarithmic axis: 0 at its start, 1 at its end."""

    least: float
    most: float

    @classmethod
    def of(cls, values: Sequence[float]) -> _Scale:
        return cls(min(values) / 1.4, max(values) * 1.4)

    def at(self, value: float) -> float:
        return (math.log(value) - math.log(self.least)) / (math.log(self.most) - math.log(self.least))

    def ticks(self) -> list[float]:
        """Give round numbers: powers of ten, or 1, 2, 5 times those where there are few."""
        powers = range(math.floor(math.log10(self.least)), math.ceil(math.log10(self.most)) + 1)
        for digits in ((1,), (1, 2, 5)):
            ticks = [digit * 10.0**power for power in powers for digit in digits]
            if len(inside := [tick for tick in ticks if self.least <= tick <= self.most]) > 2:
                break
        return inside


def charts(figures: Sequence[Figure]) -> Iterator[tuple[str, str]]:
    """Give the name and the SVG of each chart; none without figures of the workloads."""
    shown = [one for one in figures if one.workload in _WORKLOADS and one.contender in _COLOURS]
    if shown:
        yield "rows-per-second", _chart(shown, "Rows per second, by rows of the file", lambda one: one.rate)
        yield "memory", _chart(shown, "Peak memory of the process in MB, by rows of the file", lambda one: one.peak)


def _chart(figures: Sequence[Figure], title: str, value: Callable[[Figure], float]) -> str:
    workloads = [name for name in _WORKLOADS if any(one.workload == name for one in figures)]
    databases = list(dict.fromkeys(one.database for one in figures))
    across, down = _Scale.of([one.rows for one in figures]), _Scale.of([value(one) for one in figures])
    width = max(_LEFT + len(databases) * (_WIDTH + _BETWEEN), _NARROWEST)
    height = _TOP + len(workloads) * (_HEIGHT + _BELOW)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}"'
        ' font-family="sans-serif" font-size="11" fill="#222">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="white"/>',
        _text(_LEFT, 18, title, 'font-size="14" font-weight="bold"'),
        *_legend([name for name in _COLOURS if any(one.contender == name for one in figures)]),
    ]
    for row, workload in enumerate(workloads):
        for column, database in enumerate(databases):
            x, y = _LEFT + column * (_WIDTH + _BETWEEN), _TOP + row * (_HEIGHT + _BELOW)
            own = [one for one in figures if (one.workload, one.database) == (workload, database)]
            parts += [f'<g transform="translate({x} {y})">', _text(0, -6, f"{workload}, {database}")]
            parts += [*_axes(across, down), *_curves(own, across, down, value), "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"


def _legend(names: Sequence[str]) -> Iterator[str]:
    x = float(_LEFT)
    for name in names:
        yield _mark(name, x + 4, 32)
        yield _text(x + 14, 36, LABELS[name])
        x += 32 + 6.2 * len(LABELS[name])


def _axes(across: _Scale, down: _Scale) -> Iterator[str]:
    for tick in across.ticks():
        x = across.at(tick) * _WIDTH
        yield f'<path d="M{x:.1f} 0V{_HEIGHT}" stroke="#e4e4e4"/>'
        yield _text(x, _HEIGHT + 15, _short(tick), 'text-anchor="middle"')
    for tick in down.ticks():
        y = _HEIGHT - down.at(tick) * _HEIGHT
        yield f'<path d="M0 {y:.1f}H{_WIDTH}" stroke="#e4e4e4"/>'
        yield _text(-6, y + 4, _short(tick), 'text-anchor="end"')
    yield f'<path d="M0 0V{_HEIGHT}H{_WIDTH}" fill="none" stroke="#888"/>'


def _curves(figures: Sequence[Figure], across: _Scale, down: _Scale, value: Callable[[Figure], float]) -> Iterator[str]:
    for name in _COLOURS:
        own = sorted((one for one in figures if one.contender == name), key=lambda one: one.rows)
        points = [(across.at(one.rows) * _WIDTH, _HEIGHT - down.at(value(one)) * _HEIGHT) for one in own]
        if len(points) > 1:
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
            yield f'<path d="M{path}" fill="none" stroke="{_COLOURS[name]}" stroke-width="1.8"/>'
        yield from (_mark(name, x, y) for x, y in points)


def _mark(name: str, x: float, y: float) -> str:
    colour = f'fill="{_COLOURS[name]}"'
    if name == "nsync":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" {colour}/>'
    if name == "limit":
        return f'<rect x="{x - 3:.1f}" y="{y - 3:.1f}" width="6" height="6" {colour}/>'
    turn = "l4 7h-8z" if name == "nsync04" else "l4 4l-4 4l-4 -4z"
    return f'<path d="M{x:.1f} {y - 4:.1f}{turn}" {colour}/>'


def _text(x: float, y: float, text: str, more: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {more}>{escape(text)}</text>'.replace(" >", ">")


def _short(number: float) -> str:
    if number >= 1_000_000:
        return f"{number / 1_000_000:g}M"
    return f"{number / 1_000:g}k" if number >= 1_000 else f"{number:g}"
