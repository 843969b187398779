"""Blocks: a CSV file in large pieces, for those who look at its rows without a Python object for each."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

BYTE_ORDER_MARK: Final = "\ufeff"
SIZE: Final = 512 * 1024  # characters
LIVE: Final = 8 * 1024  # characters, of a stream that nobody has read to its end yet
_ROWS: Final = 5_000  # parsed at once, where text must be parsed


@dataclass(slots=True, eq=False, repr=False)
class Block:
    """
    Some records of a file, one after the other; blank ones are left out (rule C4).

    Either plain text, in which each line, ended by a newline, is a record without quotes, and all of them together have
    as many cells as they should; or records that were parsed, each with the line where it starts.
    """

    first_line: int
    text: str = ""
    records: Sequence[tuple[int, Sequence[str]]] = ()

    def __len__(self) -> int:
        """Give the number of records."""
        return self.text.count("\n") if self.text else len(self.records)

    @property
    def lines(self) -> Sequence[int]:
        """Give the line where each record starts."""
        if self.text:
            return range(self.first_line, self.first_line + len(self))
        return [line for line, _ in self.records]

    @property
    def rows(self) -> Sequence[str] | Sequence[Sequence[str]]:
        """Give each record: of plain text as such, else its cells."""
        if self.text:
            return self.text.split("\n")[:-1]
        return [cells for _, cells in self.records]


class Unfit(Exception):
    """The text cannot be taken in blocks: read it record by record."""


def blocks(
    text: io.TextIOWrapper, delimiter: str, width: int, *, has_header: bool, limit: int, is_live: bool
) -> Iterator[Block]:
    """
    Give the records of a text in blocks.

    Args:
        text: From its first character; its line ends as they are.
        delimiter: Between the cells of a record.
        width: Cells of a whole record.
        has_header: The first record that is not blank is none of them.
        limit: Characters of a record.
        is_live: The text may be written as it is read: then its rows come in small pieces, not late in large ones.

    Raises:
        Unfit: It has line ends that are not newlines, NUL characters, or longer records.
        csv.Error, UnicodeDecodeError: As `CsvSource`.
    """
    line, rest = 1, ""
    if not has_header:
        while (rest := text.read(1)) == BYTE_ORDER_MARK:
            pass
        if rest == "\0":
            raise Unfit
    else:
        lines = chain([text.readline().lstrip(BYTE_ORDER_MARK)], iter(text.readline, ""))
        reader = csv.reader(lines, delimiter=delimiter, strict=True)
        while (cells := next(reader, None)) is not None and not any(map(str.strip, cells)):
            pass
        line += reader.line_num
    # Found fast, since each begins with a plain character: most files have no line that begins with an empty cell.
    empty = re.compile(rf"\n[\s{re.escape(delimiter)}]")
    pieces = bodies(text, rest, limit, min(LIVE, SIZE) if is_live else SIZE)
    for body in pieces:
        if '"' in body:
            yield from _parsed(chain([body], pieces), line, delimiter)
            return
        body = _with_newlines(body)
        count = body.count("\n")
        is_whole = body.count(delimiter) == count * (width - 1)
        if is_whole and not empty.search(body) and not empty.match("\n" + body[:1]):
            yield Block(line, text=body)
        else:
            yield from _parsed(iter([body]), line, delimiter)
        line += count


def bodies(text: io.TextIOWrapper, rest: str, limit: int, size: int) -> Iterator[str]:
    """
    Give the rest of a text in pieces that end with a newline.

    Args:
        text: Read up to here.
        rest: What was read of it, but not taken.
        limit: Characters of a line.
        size: Characters to read at once.

    Raises:
        Unfit: It has NUL characters, or longer lines.
    """
    while more := text.read(size):
        if "\0" in more:
            raise Unfit
        rest += more
        end = rest.rfind("\n") + 1
        if not end and len(rest) > limit:
            raise Unfit
        if end:
            yield rest[:end]
            rest = rest[end:]
    if rest:
        yield rest + "\n"


def _with_newlines(text: str) -> str:
    if "\r" not in text:
        return text
    text = text.replace("\r\n", "\n")
    if "\r" in text:
        raise Unfit
    return text


def _parsed(bodies: Iterator[str], line: int, delimiter: str) -> Iterator[Block]:
    """Parse text; a record may go on in the next piece."""
    # Line ends within a cell stay as they are.
    lines = chain.from_iterable(io.StringIO(body, newline="") for body in bodies)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    records: list[tuple[int, Sequence[str]]] = []
    start = line
    for cells in reader:
        if any(map(str.strip, cells)):
            records.append((start, cells))
        start = line + reader.line_num
        if len(records) == _ROWS:
            yield Block(records[0][0], records=records)
            records = []
    if records:
        yield Block(records[0][0], records=records)
