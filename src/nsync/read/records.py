"""What formats have in common whose records are values of some type, not text that a delimiter parts."""

from __future__ import annotations

import datetime
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
from nsync.rows import MISSING, Row

RECORD_LIMIT: Final = textlines.RECORD_LIMIT
_BLOCK: Final = 2_000  # records
_NUMBERS: Final = frozenset({int, float, bool, Decimal})
_MOMENTS: Final = frozenset({datetime.date, datetime.time, datetime.datetime})
_REJECTS: Final = Dialect("utf-8", ",", "\n", is_rejects=False)  # rejects of any format are CSV


class RecordSource(ABC):
    """
    A source of records.

    A subclass reads the header in its ``__init__``, after this one's, and gives the records. Their values are text,
    numbers, truth values, dates and times; None for a null; MISSING where a record does not have the column at all
    (rule C4).
    """

    dialect = _REJECTS
    has_numbers = True  # not all values are text
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
        """Read the rows, from the first. Raises SourceError."""
        header = self.header
        with self.reading() as stream:
            for number, values in self.records(stream):
                yield Row(number, header, tuple(values))

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
                records = self.records(stream)
                while some := list(islice(records, _BLOCK)):
                    yield Block(some[0][0], records=[(number, [*map(text_of, values)]) for number, values in some])
        except SourceError as error:
            raise Unfit from error

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
