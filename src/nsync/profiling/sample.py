"""A sample of a file, column by column: enough to tell what each column is, in memory that does not grow with it."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Final

from nsync.decode.cells import text_of
from nsync.read.base import Source
from nsync.rows import MISSING, BadCell

MOST_ROWS: Final = 100_000
MOST_CELLS: Final = 4_000_000  # of which each takes eight bytes
MOST_VALUES: Final = 2_000  # different values of a column that are kept, and rows whose cells are
_OF_ALL_COLUMNS: Final = 200_000  # of these, in files of many columns
# Text that nobody writes but to say that there is nothing; N/A or NA may be a value: NA is Namibia.
NULL_MARKERS: Final = ("\\N", "NULL", "(null)", "#N/A")

_NUMBER: Final = re.compile(r"[+-]?[0-9]+([.,][0-9]+)*")
_MOSTLY: Final = 0.9


class SampledColumn:
    """One column of a sample. An empty cell is one that is blank, or a null marker."""

    def __init__(self, position: int, header: str, kept: int) -> None:
        self._kept = kept  # values, and cells
        self.position = position
        self.header = header
        self.filled = 0
        self.longest = 0  # characters
        self.first_empty = 0  # line; 0: there is none
        self.hashes = array("q")  # of each row; of an empty cell, that of ""
        self.values: dict[str, int] = {}  # the first different ones → the line where each stands first
        self.cells: list[str] = []  # of the first rows

    def add(self, text: str, line: int) -> None:
        """Take in a cell."""
        self.hashes.append(hash(text))
        if len(self.cells) < self._kept:
            self.cells.append(text)
        if not text:
            self.first_empty = self.first_empty or line
            return
        self.filled += 1
        self.longest = max(self.longest, len(text))
        if len(self.values) < self._kept:
            self.values.setdefault(text, line)

    @property
    def empty(self) -> int:
        """How many cells are empty."""
        return len(self.hashes) - self.filled

    @property
    def is_unique(self) -> bool:
        """Whether no two filled cells are equal."""
        distinct = len(set(self.hashes)) - (1 if self.empty else 0)
        return self.filled > 0 and distinct == self.filled

    @property
    def examples(self) -> str:
        """Show some of its values."""
        shown = [repr(value if len(value) <= 20 else f"{value[:20]}…") for value in list(self.values)[:3]]
        return f"such as {', '.join(shown)}" if shown else "it is empty in all rows"

    def looks_like_data(self) -> bool:
        """Whether its header might be a cell like those below it."""
        if self.header in self.values:
            return True
        numbers = sum(bool(_NUMBER.fullmatch(value)) for value in self.values)
        return bool(_NUMBER.fullmatch(self.header)) and numbers >= _MOSTLY * len(self.values) > 0


class Sample:
    """The first rows of a source, at most MOST_ROWS."""

    def __init__(self, source: Source, null_marker: str | None) -> None:
        """Read them; raises SourceError."""
        markers = frozenset(NULL_MARKERS if null_marker is None else (null_marker,))
        kept = max(20, min(MOST_VALUES, _OF_ALL_COLUMNS // max(1, len(source.header))))
        self.columns = [SampledColumn(position, header, kept) for position, header in enumerate(source.header)]
        self.markers: dict[str, tuple[int, int, str]] = {}  # marker → how often, first line, its column
        self.rows = 0
        self.repeated: list[int] = []  # lines that are the header once more; they are no rows of the sample
        self.is_whole = True
        most = min(MOST_ROWS, MOST_CELLS // max(1, len(self.columns)))
        for row in source:
            if self.rows + len(self.repeated) == most:
                self.is_whole = False
                break
            texts = [_text(cell) for cell in row.values]
            if len(texts) > 1 and texts[0].strip() == source.header[0] and _stripped(texts) == source.header:
                self.repeated.append(row.number)
                continue
            self.rows += 1
            for column, text in zip(self.columns, texts, strict=False):
                if text in markers:
                    count, line, header = self.markers.get(text, (0, row.number, column.header))
                    self.markers[text] = (count + 1, line, header)
                    text = ""
                column.add(text, row.number)

    @property
    def told(self) -> str:
        """Say how much was looked at."""
        if not self.is_whole:
            return f"the first {self.rows:,} rows"
        return {0: "no row", 1: "the one row"}.get(self.rows, f"all {self.rows:,} rows")

    def are_unique(self, columns: Sequence[SampledColumn]) -> bool:
        """Whether no two rows have equal cells in all of these columns."""
        if not self.rows:
            return False
        some = [column.hashes[:MOST_VALUES] for column in columns]
        if len(set(zip(*some, strict=True))) < len(some[0]):
            return False
        return len(set(zip(*(column.hashes for column in columns), strict=True))) == self.rows

    def take_header_as_row(self, null_marker: str | None) -> None:
        """Let the header be a row, and lines like it too, and number the columns."""
        markers = frozenset(NULL_MARKERS if null_marker is None else (null_marker,))
        lines = (1, *self.repeated)
        self.rows += len(lines)
        self.repeated = []
        for column in self.columns:
            for line in lines:
                column.add("" if column.header in markers else column.header, line)
            column.header = f"column {column.position + 1}"

    def lacks_header(self, names: Iterable[str]) -> list[SampledColumn]:
        """
        Give the columns that show that the first row is one of data; none if it is a header.

        Args:
            names: Headers that are known to be such.
        """
        known = set(names)
        found = [column for column in self.columns if column.header and column.looks_like_data()]
        return found if len(found) > sum(column.header in known for column in self.columns) else []


def _stripped(texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(text.strip() for text in texts)


def _text(cell: Any) -> str:
    if cell is MISSING or cell is None:
        return ""
    text = cell.text if isinstance(cell, BadCell) else text_of(cell)
    return "" if text.isspace() else text
