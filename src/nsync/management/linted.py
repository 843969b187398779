"""What lint found in a file, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from nsync.profiling.findings import Example, Finding, Linted, SeenColumn
from nsync.record.text import plain

_SHOWN: Final = 24  # characters of the least and the greatest value
_TITLES: Final = ("Column", "is", "filled", "distinct", "least", "greatest", "longest")
_TO_THE_RIGHT: Final = frozenset({"filled", "distinct", "longest"})
_OF_VALUES: Final = frozenset({"repeated-key", "repeated-match", "repeated-unique"})


def linted_told(found: Linted) -> Iterator[str]:
    """Give the lines that tell of a file: its rows, a table of its columns, what is wrong, and what may be."""
    failing = f", of which {found.failing:,} would fail" if found.failing else ""
    rows = f"{found.rows:,} row{'' if found.rows == 1 else 's'}"
    yield f"{plain(found.source)} → {found.model} (system {plain(found.system)}): {rows}{failing}"
    for note in found.notes:
        yield f"Note: {plain(note)}"
    yield ""
    yield from _table([_TITLES, *(_row(column, found.rows) for column in found.columns)])
    for title, is_error in (("Wrong:", True), ("Look at:", False)):
        some = [finding for finding in found.findings if finding.is_error == is_error]
        if some:
            yield ""
            yield title
        for finding in some:
            yield from _finding(finding)


def headline(found: Linted, count: int) -> str:
    """Say in a line that something is wrong."""
    things = f"{count} thing{'' if count == 1 else 's'} to mend or to look at"
    failing = f"{found.failing:,} of {found.rows:,} rows would fail" if found.failing else ""
    return f"{plain(found.source)}: {', '.join(filter(None, [failing, things]))}"


def _row(column: SeenColumn, rows: int) -> Sequence[str]:
    share = f"{column.filled * 100 / rows:.0f} %" if rows else "-"
    if 0 < column.filled < rows and share in ("0 %", "100 %"):
        share = "< 1 %" if share == "0 %" else "> 99 %"
    about = "" if column.is_counted else "about "
    return (
        _cut(column.header or "(no name)"),
        plain(column.meaning),
        share,
        f"{about}{column.distinct:,}",
        _cut(column.minimum),
        _cut(column.maximum),
        f"{column.longest:,}",
    )


def _finding(finding: Finding) -> Iterator[str]:
    what = "value" if finding.code in _OF_VALUES else "row"
    count = f": {finding.times:,} {what}{'' if finding.times == 1 else 's'}" if finding.times else ""
    column = plain(finding.column) or ("(row)" if finding.times else "(file)")
    yield f"  {column}: {finding.code}{count}"
    for example in finding.examples:
        yield f"    {_told(example)}"


def _told(example: Example) -> str:
    value = repr(plain(example.value)) if example.value else ""
    place = f"line {example.line}" if example.line else ""
    return ": ".join(filter(None, [place, value, plain(example.message, 1_000)]))


def _cut(text: str) -> str:
    return plain(text, _SHOWN)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [
            cell.rjust(width) if title in _TO_THE_RIGHT else cell.ljust(width)
            for title, cell, width in zip(_TITLES, row, widths, strict=True)
        ]
        yield "  ".join(cells).rstrip()
