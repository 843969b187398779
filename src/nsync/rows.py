"""Row and RowBatch: what a source says, before anything is interpreted."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, NamedTuple, Self

from nsync.errors import SourceError


class _Missing(Enum):
    MISSING = "missing"

    def __repr__(self) -> str:
        return "MISSING"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing.MISSING  # an absent cell; an empty cell is "" and a database null is None


class BadCell:
    """A cell that holds no value: a row that needs it fails, and says why."""

    __slots__ = ("reason", "text")

    def __init__(self, text: str, reason: str) -> None:
        self.text = text  # as the source shows it
        self.reason = reason  # what is wrong, and what would work

    def __str__(self) -> str:
        return self.text


BAD_MARK: Final = "'#"  # before the text of a BadCell in a rejects file (rule O3)
REJECTS_COLUMNS: Final = ("nsync_line", "nsync_code", "nsync_message")  # last in a rejects file (rule O3)


class Row(NamedTuple):
    """One record as the source gave it; nothing is interpreted yet."""

    number: int  # 1-based, as an editor shows it: the header of a CSV file is line 1
    header: tuple[str, ...]  # for CSV one tuple, shared by every row, so that a row stays small
    values: tuple[object, ...]  # str from CSV; MISSING for an absent cell, or a BadCell; longer: extra cells


def fit(cells: Sequence[Any], width: int) -> tuple[Any, ...]:
    """Pad a short row with MISSING; cut extra cells if all are empty (rule C4)."""
    if len(cells) == width:
        return tuple(cells)
    if len(cells) < width:
        return (*cells, *[MISSING] * (width - len(cells)))
    if any(cell and cell.strip() for cell in cells[width:]):
        return tuple(cells)
    return tuple(cells[:width])


@dataclass(slots=True, eq=False, repr=False)
class RowBatch:
    """
    Some rows of a source, in their order; a `Row` is made only for who asks for it.

    All sequences have one item per row.
    """

    header: tuple[str, ...]
    ordinals: Sequence[int]  # 0: the first row of the source
    lines: Sequence[int]  # `Row.number`
    records: Sequence[Any]  # `Row.values`; with a delimiter texts: as many cells as the header, without quotes
    delimiter: str = ""
    error: SourceError | None = None  # why the source cannot be read any further

    def __len__(self) -> int:
        """Give the number of rows."""
        return len(self.records)

    def __iter__(self) -> Iterator[tuple[int, Row]]:
        """Give each row with its ordinal."""
        for ordinal, line, record in zip(self.ordinals, self.lines, self.records, strict=True):
            cells = record.split(self.delimiter) if self.delimiter else record
            yield ordinal, Row(line, self.header, tuple(cells))

    def part(self, start: int, stop: int) -> "RowBatch":
        """Give some of the rows."""
        some = slice(start, stop)
        return RowBatch(
            self.header, self.ordinals[some], self.lines[some], self.records[some], self.delimiter, self.error
        )

    def columns(self) -> list[Sequence[str]] | None:
        """Give the cells column by column; None if not each row is known to have one text for each column."""
        if not self.delimiter:
            return None
        cells = self.delimiter.join(self.records).split(self.delimiter)
        return [cells[position :: len(self.header)] for position in range(len(self.header))]

    @classmethod
    def of(cls, rows: Sequence[tuple[int, Row]], header: tuple[str, ...], error: SourceError | None = None) -> Self:
        """Make a batch of rows with their ordinals."""
        ordinals = [ordinal for ordinal, _ in rows]
        return cls(header, ordinals, [row.number for _, row in rows], [row.values for _, row in rows], error=error)
