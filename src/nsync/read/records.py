"""What formats have in common whose records are values of some type, not text that a delimiter parts."""

from __future__ import annotations

import datetime
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO, Final

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read import textlines
from nsync.read.base import Dialect
from nsync.read.blocks import Block, Unfit
from nsync.read.streams import Content, digest_of
from nsync.rows import MISSING, BadCell, Row

RECORD_LIMIT: Final = textlines.RECORD_LIMIT
DELIMITER: Final = "\x1f"  # of blocks that are plain text: the unit separator of ASCII, which hardly any cell has
_BLOCK: Final = 2_000  # records
_NUMBERS: Final = frozenset({int, float, Decimal})
_NOT_TEXT: Final[frozenset[type]] = frozenset({BadCell})
_MOMENTS: Final = frozenset({datetime.date, datetime.time, datetime.datetime})
_QUOTED: Final = ('"', "\r", "\0")  # what a cell of plain text cannot hold, beside newlines and the delimiter
_INDENTED: Final = re.compile(r"\n\s")  # found fast, since it begins with a plain character; the delimiter is a blank
_BLANK_LINE: Final = re.compile(r"^[^\S\n]*+\n", re.MULTILINE)
_REJECTS: Final = Dialect("utf-8-sig", ",", "\n", is_rejects=False)  # rejects of any format are CSV


class RecordSource(ABC):
    """
    A source of records.

    A subclass reads the header in its ``__init__``, after this one's, and gives the records. Their values are text,
    numbers, truth values, dates and times; None for a null; MISSING where a record does not have the column at all
    (rule C4). Rows and blocks have the text of each, so that it is the same whichever of them is read.
    """

    dialect = _REJECTS
    has_numbers = True  # not all values are text
    delimiter = DELIMITER
    header: tuple[str, ...] = ()

    def __init__(self, content: Content, options: SyncOptions) -> None:
        self.name = content.name
        self.notes = content.notes
        self.options = options
        self.content = content
        self._stream: BinaryIO | None = None  # of the current pass
        self._position = 0  # where the last pass ended; 0 before the first

    @abstractmethod
    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """
        Give the number of each record that is not blank, as `Row.number`, and its values, one for each column.

        Raises:
            SourceError: The source cannot be read any further.
        """

    @property
    def expected(self) -> int:
        """About how many rows it has; 0 while nobody knows."""
        return 0

    @property
    def size(self) -> int:
        """In bytes; 0 while nobody knows."""
        return self.content.size

    @property
    def position(self) -> int:
        """Bytes read so far in the current pass."""
        return self.content.position(self._stream) if self._stream else self._position

    def digest(self) -> str:
        """Give the SHA-256 of its bytes; "" of a stream that was not read to its end. Raises SourceError."""
        return digest_of(self.content)

    def close(self) -> None:
        """End the current pass and remove what was spooled."""
        if self._stream:
            self._stream.close()
            self._stream = None
        self.content.close()

    def __iter__(self) -> Iterator[Row]:
        """
        Read the rows, from the first; their cells are text, but for numbers with ``--decimal-comma``, which are none.

        Raises:
            SourceError: The source cannot be read any further.
        """
        header = self.header
        kept = _NOT_TEXT | _NUMBERS if self.options.decimal_comma else _NOT_TEXT
        with self.reading() as stream:
            for number, values in self.records(stream):
                yield Row(number, header, tuple([each if type(each) in kept else text_of(each) for each in values]))

    def blocks(self) -> Iterator[Block]:
        """
        Read the rows in large pieces, from the first: their values as the text that the converters make of them.

        Raises:
            Unfit: Numbers are not text (``--decimal-comma`` reads the two in different ways), or there is an error,
                which reading the rows one by one tells.
        """
        if self.has_numbers and self.options.decimal_comma:
            raise Unfit
        try:
            with self.reading() as stream:
                yield from self.blocks_of(stream)
        except SourceError as error:
            raise Unfit from error

    def blocks_of(self, stream: BinaryIO) -> Iterator[Block]:
        """Give the records in blocks; a format that need not make values of texts does that faster. Raises Unfit."""
        records = self.records(stream)
        while some := list(islice(records, _BLOCK)):
            yield as_block(some, len(self.header))

    @contextmanager
    def reading(self) -> Iterator[BinaryIO]:
        """Open the source from its start, for one pass."""
        stream = self._stream = self.content.open()
        try:
            yield stream
            self.content.check_unchanged(stream)
        except OSError as error:
            raise SourceError(f"cannot be read on: {error.strerror or error}", self.name) from error
        finally:
            if self._stream is stream:
                self._position, self._stream = self.content.position(stream), None
            stream.close()


def plain_block(first: int, text: str, count: int, width: int) -> Block | None:
    """
    Give records that were joined to lines as a block.

    Args:
        first: Number of the first; those of the others follow one by one.
        text: A line for each record, ended by a newline; the cells parted by DELIMITER.
        count: Of the records.
        width: Cells of each.

    Returns:
        None if it is no plain text (a cell holds what would have to be quoted), or a record is blank.
    """
    if text.count("\n") != count or text.count(DELIMITER) != count * (width - 1):
        return None
    if any(character in text for character in _QUOTED):
        return None
    if (text[:1].isspace() or _INDENTED.search(text)) and _BLANK_LINE.search(text):
        return None
    return Block(first, text=text)


def as_block(records: Sequence[tuple[int, Sequence[Any]]], width: int) -> Block:
    """
    Give records, at least one and none of them blank, as a block: of plain text if they can be that.

    Raises:
        Unfit: As `text_of`.
    """
    rows = [(number, [*map(text_of, values)]) for number, values in records]
    first, last = rows[0][0], rows[-1][0]
    if last - first == len(rows) - 1 and all(len(cells) == width for _, cells in rows):
        try:
            text = "".join([DELIMITER.join(cells) + "\n" for _, cells in rows])
        except TypeError:  # a cell is absent
            return Block(first, records=rows)
        return plain_block(first, text, len(rows), width) or Block(first, records=rows)
    return Block(first, records=rows)


def text_of(value: Any) -> Any:
    """
    Give the text that stands for a value, as converters read it (rule V1); of an absent cell: MISSING.

    Raises:
        Unfit: It is of a type whose text is not known here, or a BadCell, which must not pass for its text.
    """
    kind = type(value)
    if kind is str or value is MISSING:
        return value
    if value is None:
        return ""
    if kind in _NUMBERS:
        return str(value)
    if kind is bool:
        return "true" if value else "false"  # as JSON has it, for JSON columns too
    if kind in _MOMENTS:
        return value.isoformat()
    if kind is datetime.timedelta:
        return _duration(value)
    raise Unfit


def _duration(value: datetime.timedelta) -> str:
    """Write a duration as Django does: ``3 04:05:06``."""
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{value.days} " if value.days else ""
    fraction = f".{value.microseconds:06}" if value.microseconds else ""
    return f"{days}{hours:02}:{minutes:02}:{seconds:02}{fraction}"


def is_blank(values: Sequence[Any]) -> bool:
    """Whether a record says nothing at all, and is no row (rule C4)."""
    return all(value is None or value is MISSING or (type(value) is str and not value.strip()) for value in values)
