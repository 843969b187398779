"""Fixed width: each line a record, each column at the same characters of every line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final, NamedTuple

from nsync.errors import ConfigError, SourceError
from nsync.options import SyncOptions
from nsync.read.records import RECORD_LIMIT, RecordSource, is_blank
from nsync.read.streams import Content
from nsync.read.textlines import text_encoding, text_lines
from nsync.rows import MISSING

_COLUMN: Final = re.compile(
    r"(?:(?P<name>.*):)?\s*(?P<first>[0-9]{1,8})\s*(?P<dash>-?)\s*(?P<last>[0-9]{0,8})", re.DOTALL
)
_EXAMPLE: Final = "such as --fixed-columns 'name:1-10,age:11-13'"
_DOS_END: Final = "\x1a"  # of a file


class Column(NamedTuple):
    """Where a column stands."""

    name: str  # "": the header row says it
    start: int  # its first character, counted from 0
    end: int  # the character after its last


class FixedWidthSource(RecordSource):
    """
    A file of lines whose columns stand where ``--fixed-columns`` says.

    Their names are given there, or by ``--header``, or else stand in the first line that is not blank.
    """

    has_numbers = False

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """
        Check the first bytes, and read the header.

        Raises:
            ConfigError: Unknown encoding, or columns that make no sense.
            SourceError: Not text, not in this encoding, or without a header.
        """
        super().__init__(content, options)
        self._columns = parse_columns(options.fixed_columns)
        names = _given_names(self._columns, options.header)
        self._encoding, _, notes = text_encoding(content, options)
        self.notes += notes
        self._has_header = not names
        self.header = names or self._read_header()
        self._position = 0

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of each line with its number."""
        records = self._records(stream)
        if self._has_header:
            next(records, None)
        return records

    def _read_header(self) -> tuple[str, ...]:
        with self.reading() as stream:
            for _, cells in self._records(stream):
                return tuple(cell or "" for cell in cells[: len(self._columns)])
        raise SourceError("has no header row, only blank lines; name the columns in --fixed-columns", self.name)

    def _records(self, stream: BinaryIO) -> Iterator[tuple[int, list[Any]]]:
        columns = self._columns
        spans = [(column.start, column.end) for column in columns]
        width = columns[-1].end
        cure = "is it really a text of lines?"
        for number, ended in text_lines(stream, self.content, self._encoding, newline=None, cure=cure):
            line = ended.rstrip("\n") if ended.endswith("\n") else self._last_line(ended, number)
            if not line.strip():
                continue
            if "\t" in line:
                reason = "a tab, which leaves no column in its place; replace tabs with blanks: expand FILE"
                raise SourceError(reason, self.name, number)
            length = len(line)
            cells: list[Any] = [line[start:end].strip(" ") if start < length else MISSING for start, end in spans]
            if length > width and (rest := line[width:].strip()):
                cells.append(rest)
            if not is_blank(cells):
                yield number, cells

    def _last_line(self, line: str, number: int) -> str:
        """Give a line that no newline ends; if it stops within a column, the file may have been cut off."""
        bare = line.rstrip(_DOS_END)
        length = len(bare)
        for column in self._columns if bare == line and bare.strip() else ():
            if column.start < length < column.end < RECORD_LIMIT:
                what = f"{column.name or 'the column'} ({column.start + 1}-{column.end})"
                reason = f"the file ends within {what}, without a newline: is it cut off? If not, end its last line"
                raise SourceError(reason, self.name, number)
        return bare


def parse_columns(given: Sequence[str]) -> tuple[Column, ...]:
    """
    Read ``name:1-10``, ``1-10``, ``7`` (one character) and ``11-`` (to the end of the line).

    Raises:
        ConfigError: There is none, or they overlap, or are not in the order of a line.
    """
    if not given:
        raise ConfigError(f"--format fixed: say where the columns are, {_EXAMPLE}")
    columns: list[Column] = []
    for text in given:
        column = _parse_column(text)
        if columns and column.start < columns[-1].end:
            reason = f"starts before {given[len(columns) - 1]!r} ends; name the columns from left to right"
            raise ConfigError(f"--fixed-columns: {text!r} {reason}")
        columns.append(column)
    if 0 < sum(bool(column.name) for column in columns) < len(columns):
        raise ConfigError("--fixed-columns: name all columns, or none; then the first row, or --header, names them")
    return tuple(columns)


def _parse_column(text: str) -> Column:
    match = _COLUMN.fullmatch(text.strip())
    if not match or (match["last"] and not match["dash"]):
        raise ConfigError(f"--fixed-columns: {text!r} is no NAME:FROM-TO, {_EXAMPLE}")
    first, last = int(match["first"]), int(match["last"] or (RECORD_LIMIT if match["dash"] else match["first"]))
    if not 1 <= first <= last <= RECORD_LIMIT:
        raise ConfigError(
            f"--fixed-columns: {text!r} is no range; characters are counted from 1, and TO is not below FROM"
        )
    return Column((match["name"] or "").strip(), first - 1, last)


def _given_names(columns: Sequence[Column], header: Sequence[str]) -> tuple[str, ...]:
    named = tuple(column.name for column in columns if column.name)
    if header and named:
        raise ConfigError("--header and --fixed-columns both name the columns; leave out one")
    if header and len(header) != len(columns):
        raise ConfigError(f"--header names {len(header)} columns, --fixed-columns says where {len(columns)} are")
    return tuple(header) or named
