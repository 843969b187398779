"""CSV: cells parted by a delimiter, quoted with double quotes (RFC 4180), streamed."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, ClassVar, Final

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.base import Dialect
from nsync.read.blocks import BYTE_ORDER_MARK, Block, Unfit, blocks
from nsync.read.delimiter import (
    AUTO,
    SAMPLE_SIZE,
    likelier_delimiter,
    parse_delimiter,
    sniff_delimiter,
    spell_delimiter,
)
from nsync.read.firstbytes import AUTO as AUTO_ENCODING
from nsync.read.streams import Content, digest_of
from nsync.read.textlines import RECORD_LIMIT, text_encoding
from nsync.read.undecodable import undecodable_byte
from nsync.rows import BAD_MARK, MISSING, REJECTS_COLUMNS, BadCell, Row, fit

_JSON: Final = re.compile(r'\s*(?:\{\s*(?:"|$)|\[\s*(?:\{|$))')  # [id], too, is the name of a column


class CsvSource:
    """A CSV file; what is read is only ever one record long."""

    default_delimiter: ClassVar[str] = ","
    expected = 0  # nobody knows

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """
        Check the first bytes, and read the header.

        Raises:
            ConfigError: Unknown encoding, bad delimiter.
            SourceError: Not text, not in this encoding, or without a header.
        """
        self.name = content.name
        self._content = content
        self._stream: BinaryIO | None = None  # of the current pass
        self._position = 0  # where the last pass ended; 0 before the first
        self._delimiter = parse_delimiter(self.default_delimiter if options.delimiter is None else options.delimiter)
        self._encoding, written_in, notes = text_encoding(content, options)
        self.notes: tuple[str, ...] = (*content.notes, *notes)
        if self._delimiter == AUTO:
            self._delimiter = self._sniff()
        line_ending = self._read_header(options.header)
        is_rejects = self.header[-len(REJECTS_COLUMNS) :] == REJECTS_COLUMNS
        if (
            options.encoding == AUTO_ENCODING and written_in != "utf-8"
        ):  # of some rows nobody could tell it again without a mark
            written_in = "utf-8-sig"
        self.dialect = Dialect(written_in, self._delimiter, line_ending, is_rejects)
        self._position = 0

    @property
    def delimiter(self) -> str:
        """What parts its cells."""
        return self._delimiter

    @property
    def size(self) -> int:
        """In bytes; 0 while nobody knows."""
        return self._content.size

    @property
    def position(self) -> int:
        """Bytes read so far in the current pass, in steps of some kilobytes."""
        return self._content.position(self._stream) if self._stream else self._position

    def digest(self) -> str:
        """Give the SHA-256 of its bytes; "" of a stream that was not read to its end. Raises SourceError."""
        return digest_of(self._content)

    def close(self) -> None:
        """End the current pass and remove what was spooled."""
        if self._stream:
            self._stream.close()
            self._stream = None
        self._content.close()

    def __iter__(self) -> Iterator[Row]:
        """
        Read the rows, from the first.

        Raises:
            SourceError: A byte that does not decode, a quote that is not closed, a record beyond RECORD_LIMIT: the
                error names the line.
        """
        header, width, is_rejects = self.header, len(self.header), self.dialect.is_rejects
        with self._pass() as lines:
            records = _records(lines, self._delimiter)
            if self._has_header:
                next(records, None)
            for number, cells in records:
                values: list[Any] = [_unguard(cell) for cell in cells] if is_rejects else cells
                yield Row(number, header, fit(values, width))

    def blocks(self) -> Iterator[Block]:
        """
        Read the rows in large pieces, from the first; for files that are not rejects.

        Raises:
            Unfit: They cannot be read so, or there is an error in them, which reading them one by one tells.
        """
        if self.dialect.is_rejects:
            raise Unfit
        width = len(self.header)
        try:
            with self._pass() as lines:
                yield from blocks(
                    lines.text,
                    self._delimiter,
                    width,
                    has_header=self._has_header,
                    limit=RECORD_LIMIT,
                    is_live=not self.size,
                )
        except SourceError as error:
            raise Unfit from error

    def _read_header(self, given: tuple[str, ...]) -> str:
        """Set the header, and give the line ending; rejects have a header whatever is given (rule O3)."""
        with self._pass() as lines:
            first = next(_records(lines, self._delimiter), None)
        line_ending = "\r\n" if lines.first.endswith("\r\n") else "\n"
        names = () if first is None else tuple(_bare_name(name) for name in first[1])
        self._has_header = not given or names[-len(REJECTS_COLUMNS) :] == REJECTS_COLUMNS
        if not self._has_header:
            self.header = tuple(_bare_name(name) for name in given)
            return line_ending
        if first is None:
            raise SourceError("has no header row, only blank lines", self.name)
        if _JSON.match(lines.first):
            reason = "begins like JSON, not CSV; say --format jsonl (one object per line) or --format json (an array)"
            raise SourceError(reason, self.name, first[0])
        self.header = names
        if len(self.header) == 1 and (likelier := likelier_delimiter(self.header[0])):
            spelled = spell_delimiter(likelier)
            self.notes += (f"the header is a single cell that looks parted by {spelled}: say --delimiter {spelled}",)
        return line_ending

    def _sniff(self) -> str:
        with self._pass() as lines:
            found = sniff_delimiter(lines.sample(), self.name)
        self.notes += (f"delimiter: {spell_delimiter(found)} (found by sniffing)",)
        return found

    @contextmanager
    def _pass(self) -> Iterator[_Lines]:
        """Open the file from its start, and give errors their line."""
        stream = self._stream = self._content.open()
        text = io.TextIOWrapper(stream, encoding=self._encoding, newline="")  # newline="": cells keep theirs
        lines = _Lines(text, self.name)
        try:
            yield lines
            self._content.check_unchanged(stream)
        except UnicodeDecodeError as error:
            raise undecodable_byte(self._content, self._encoding) from error
        except csv.Error as error:
            raise SourceError(_explain(error, lines), self.name, lines.record_start) from error
        except OSError as error:
            reason = f"cannot be read on: {error.strerror or error}"
            raise SourceError(reason, self.name, lines.record_start) from error
        finally:
            if self._stream is stream:
                self._position, self._stream = self._content.position(stream), None
            text.close()


class TsvSource(CsvSource):
    """A CSV file whose cells are parted by tabs, if ``--delimiter`` does not say otherwise."""

    default_delimiter = "\t"


class _Lines:
    """The lines of one pass, with their ends; none is read further than the limit."""

    def __init__(self, text: io.TextIOWrapper, name: str) -> None:
        self.first = ""  # as it was, with its end
        self.number = 0  # of the line read last
        self.taken = 0  # characters since the current record's start
        self.record_start = 1  # its line
        self.text = text  # whoever reads it himself leaves the lines alone
        self._name = name

    def __iter__(self) -> Iterator[str]:
        readline = self.text.readline
        line = self.first = readline(RECORD_LIMIT + 1).lstrip(BYTE_ORDER_MARK)
        while line:
            self.number += 1
            self.taken += len(line)
            if self.taken > RECORD_LIMIT:
                reason = f"a record of more than {RECORD_LIMIT:,} characters starts here; is a quote not closed?"
                raise SourceError(reason, self._name, self.record_start)
            yield line
            line = readline(RECORD_LIMIT + 1)

    def sample(self) -> str:
        """Read the first characters, to sniff at."""
        return self.text.read(SAMPLE_SIZE).lstrip(BYTE_ORDER_MARK)


def _records(lines: _Lines, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Give each record that is not blank (rule C4) with the line where it starts."""
    if csv.field_size_limit() < RECORD_LIMIT:  # of the whole process, and 128 KiB at first; never made smaller
        csv.field_size_limit(RECORD_LIMIT)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    for cells in reader:
        number, lines.record_start = lines.record_start, reader.line_num + 1
        lines.taken = 0
        if cells and (cells[0].strip() or any(map(str.strip, cells))):
            yield number, cells


def _unguard(cell: str) -> Any:
    """Undo what the rejects writer does to a cell (rule O3): it guards with "'", and writes "'" for an absent one."""
    if cell == "'":
        return MISSING
    if cell.startswith(BAD_MARK):
        return BadCell(cell.removeprefix(BAD_MARK), "still has no value; write one, or empty the cell")
    return cell.removeprefix("'")


def _bare_name(name: str) -> str:
    return name.strip().strip(BYTE_ORDER_MARK).strip()


def _explain(error: csv.Error, lines: _Lines) -> str:
    """Put the csv module's message in words that say what would work."""
    message = str(error)
    if "unexpected end of data" in message:
        return 'a quote that opens in this record is never closed; within a quoted cell a quote is written twice, ""'
    if "expected after" in message:
        where = f" on line {lines.number}" if lines.number != lines.record_start else ""
        return f'text follows a closing quote{where}; within a quoted cell a quote is written twice, ""'
    return message
