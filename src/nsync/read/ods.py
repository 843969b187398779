"""
ODS: OpenDocument spreadsheets (ISO/IEC 26300), one sheet streamed.

Read by code of our own on top of zipfile and expat (looked at: odfpy 1.4.1, python-calamine 0.9.1). odfpy builds a tree
of Python objects of the whole document, some 20 kB for each row. calamine holds the whole sheet as a matrix, of up to a
hundred million cells, which a file of two kilobytes can ask for.
"""

from __future__ import annotations

import datetime
import re
from abc import abstractmethod
from collections.abc import Iterator
from itertools import repeat
from typing import Any, BinaryIO, Final

from nsync.errors import SourceError
from nsync.read.packages import Package
from nsync.read.records import RECORD_LIMIT
from nsync.read.serials import read_number
from nsync.read.sheets import EXTRA, MOST_COLUMNS, MOST_ROWS, Cells, SheetSource, error_cell, uncalculated_cell, where
from nsync.read.xmlparsing import DEPTH_LIMIT, Attributes, Refused
from nsync.read.xmlparts import TOO_DEEP, PartReader, read_part
from nsync.rows import BadCell

_CONTENT: Final = "content.xml"
_MANIFEST: Final = "META-INF/manifest.xml"
_OASIS: Final = "urn:oasis:names:tc:opendocument:xmlns:"
_OFFICE, _TABLE, _TEXT, _STYLE = (f"{_OASIS}{name}:1.0 " for name in ("office", "table", "text", "style"))
_CALC: Final = "urn:org:documentfoundation:names:experimental:calc:xmlns:calcext:1.0 "
_CELLS: Final = (f"{_TABLE}table-cell", f"{_TABLE}covered-table-cell")
_ROW, _SHEET, _SHEETS = f"{_TABLE}table-row", f"{_TABLE}table", f"{_OFFICE}spreadsheet"
_PARAGRAPH: Final = f"{_TEXT}p"
# What parts of a paragraph stand for, that are no text themselves.
_SPACE, _CHARACTERS = f"{_TEXT}s", {f"{_TEXT}tab": "\t", f"{_TEXT}line-break": "\n"}
_IN_TEXT: Final = frozenset({f"{_TEXT}{name}" for name in ("span", "a", "meta", "meta-field")})
_ERRORS: Final = re.compile(r"#(?:N/A|REF!|DIV/0!|VALUE!|NAME\?|NUM!|NULL!)|Err:[0-9]{3}")
_DURATION: Final = re.compile(
    r"(-?)P(?:([0-9]{1,7})D)?T(?:([0-9]{1,9})H)?(?:([0-9]{1,9})M)?(?:([0-9]{1,9}(?:\.[0-9]+)?)S)?"
)
_MIDNIGHT: Final = datetime.datetime(1904, 1, 1)  # noqa: DTZ001  # of any day
_MOST_SPACES: Final = 65_536
_MOST_SHEETS: Final = 10_000


class OdsSource(SheetSource):
    """One sheet of an OpenDocument spreadsheet."""

    def open(self, stream: BinaryIO) -> None:
        """Look through the sheets' names, and choose one."""
        package = self._package(stream)
        package.check_password(_MANIFEST, rb"encryption-data|encrypted-package")
        if _CONTENT not in package:
            other = (
                "an Excel workbook; say --format xlsx" if "xl/workbook.xml" in package else "not made of a content.xml"
            )
            raise SourceError(f"is an archive, but no OpenDocument spreadsheet: it is {other}", self.name)
        sheets: list[tuple[str, bool]] = []
        for name, is_hidden in read_part(package, _CONTENT, _NameReader()):
            sheets.append((name, is_hidden))
            if not (is_hidden or self.options.sheet):
                break  # the first that is not hidden
        self._number = self.choose([name for name, _ in sheets], [is_hidden for _, is_hidden in sheets])

    def rows(self, stream: BinaryIO) -> Iterator[Cells]:
        """Give the rows of the sheet; a row that is there many times is stored once."""
        package = self._package(stream)
        reader = _SheetReader(self._number, self.sheet, self.width, self.name)
        given = 0
        for number, times, cells in read_part(package, _CONTENT, reader):
            length = sum(len(cell) for cell in cells if type(cell) is str)
            self.check_length(length, number)
            given += (times - 1) * length
            package.check_given(given)
            yield from zip(range(number, number + times), repeat(cells), strict=False)

    def _package(self, stream: BinaryIO) -> Package:
        return Package(stream, self.name, ".ods")


class _TableReader(PartReader):
    """Knows which sheet is open. A sheet stands in the document's body, and tables elsewhere are none."""

    def __init__(self) -> None:
        super().__init__()
        self._body = -1  # how deep the sheets' parent is
        self._sheet = -1  # the number of the sheet, from 0 on

    def start(self, name: str, attributes: Attributes) -> None:
        """Take a start tag."""
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise Refused(TOO_DEEP)
        if name == _SHEETS:
            self._body = self.depth
        elif name == _SHEET and self.depth == self._body + 1:
            self._sheet += 1
            self.start_sheet(attributes)
        else:
            self.start_other(name, attributes)

    def end(self, name: str) -> None:
        """Take an end tag."""
        self.end_other(name)
        self.depth -= 1
        if name == _ROW:
            self.end_record()

    @abstractmethod
    def start_sheet(self, attributes: Attributes) -> None:
        """Take a sheet's start tag."""

    def start_other(self, name: str, attributes: Attributes) -> None:
        """Take another start tag."""

    def end_other(self, name: str) -> None:
        """Take an end tag, whose element counts among the open ones yet."""

    def text(self, data: str) -> None:
        """Take text between tags."""


class _NameReader(_TableReader):
    """Finds the name of each sheet, and whether it is hidden."""

    def __init__(self) -> None:
        super().__init__()
        self._style = ""
        self._hidden: set[str] = set()  # styles

    def start_other(self, name: str, attributes: Attributes) -> None:
        """Note the styles that hide a sheet."""
        if name == f"{_STYLE}style":
            self._style = attributes.get(f"{_STYLE}name", "")
        elif name == f"{_STYLE}table-properties" and attributes.get(f"{_TABLE}display") == "false":
            self._hidden.add(self._style)

    def start_sheet(self, attributes: Attributes) -> None:
        """Note a sheet."""
        if self._sheet == _MOST_SHEETS:
            raise Refused(f"more than {_MOST_SHEETS:,} sheets")
        self.found.append((attributes.get(f"{_TABLE}name", ""), attributes.get(f"{_TABLE}style-name") in self._hidden))


class _SheetReader(_TableReader):
    """Finds the rows of one sheet: number, how many times, cells."""

    def __init__(self, wanted: int, sheet: str, width: int, name: str) -> None:
        super().__init__()
        self._wanted = wanted
        self._sheet_name = sheet
        self._width = width
        self._name = name
        self._row, self._times = 0, 1  # the number of the row, and of rows like it
        self._is_in_row = False
        self._cells: list[Any] = []
        self._column = 0  # columns before the cell
        self._given: Attributes | None = None  # of the cell that is open
        self._cell_depth = 0
        self._pieces: list[str] = []
        self._is_shown = False  # the cell has a paragraph, be it empty
        self._length = 0  # of the pieces of the row's cells, in characters
        self._text_depth = 0  # of the innermost part of a paragraph that is open; 0: none

    def start_sheet(self, attributes: Attributes) -> None:
        """See whether it is the one, or the next."""
        if self._sheet > self._wanted:
            self.parser.stop()

    def start_other(self, name: str, attributes: Attributes) -> None:
        """Take a start tag."""
        if self._sheet != self._wanted:
            return
        if self._given is not None:
            self._start_in_cell(name, attributes)
        elif name in _CELLS:
            if not self._is_in_row:
                raise Refused("a cell that is in no row")
            self._given, self._cell_depth, self._pieces = attributes, self.depth, []
            self._is_shown, self._text_depth = False, 0
        elif name == _ROW:
            if self._is_in_row:
                raise Refused("a row within a row")
            self._is_in_row = True
            self._row += self._times
            self._times = _times(attributes.get(f"{_TABLE}number-rows-repeated"))
            self._cells, self._column, self._length = [], 0, 0

    def end_other(self, name: str) -> None:
        """Take an end tag."""
        if self._given is not None:
            if self.depth == self._cell_depth:
                self._end_cell(self._given)
                self._given = None
            elif self.depth == self._text_depth:
                self._text_depth = 0 if name == _PARAGRAPH else self._text_depth - 1
        elif name == _ROW and self._sheet == self._wanted:
            self._is_in_row = False
            if self._cells and self._row + self._times - 1 > MOST_ROWS:
                raise SourceError(f"has more than {MOST_ROWS:,} rows, which no program can show", self._name)
            if self._cells:
                self.found.append((self._row, self._times, self._cells))

    def text(self, data: str) -> None:
        """Take text between tags: of a cell's paragraphs, but not of what else hangs on it, such as a comment."""
        if self._text_depth and self._text_depth == self.depth:
            self._add(data)

    def _add(self, text: str) -> None:
        self._length += len(text)
        if self._length > RECORD_LIMIT:
            raise SourceError(f"a row of more than {RECORD_LIMIT:,} characters", self._name, self._row)
        self._pieces.append(text)

    def _start_in_cell(self, name: str, attributes: Attributes) -> None:
        depth = self.depth
        if name == _PARAGRAPH and depth == self._cell_depth + 1:
            if self._is_shown:
                self._add("\n")
            self._is_shown, self._text_depth = True, depth
        elif self._text_depth and depth == self._text_depth + 1:
            if name in _IN_TEXT:
                self._text_depth = depth
            elif name == _SPACE:
                self._add(" " * min(_times(attributes.get(f"{_TEXT}c")), _MOST_SPACES))
            elif name in _CHARACTERS:
                self._add(_CHARACTERS[name])

    def _end_cell(self, given: Attributes) -> None:
        times = _times(given.get(f"{_TABLE}number-columns-repeated"))
        value = self._value(given, "".join(self._pieces))
        if value is not None and value != "":
            if self._column + times > MOST_COLUMNS:
                raise SourceError(f"has more than {MOST_COLUMNS:,} columns", self._name, self._row)
            missing = min(self._column, self._width) - len(self._cells)  # none if it is beyond the header
            self._cells += [None] * missing + [value] * min(times, max(self._width - self._column, 0) + EXTRA)
        self._column = min(self._column + times, MOST_COLUMNS)

    def _value(self, given: Attributes, shown: str) -> Any:
        kind = given.get(f"{_OFFICE}value-type", "")
        has_formula = f"{_TABLE}formula" in given
        if given.get(f"{_CALC}value-type") == "error" or (has_formula and _ERRORS.fullmatch(shown)):
            return error_cell(shown, self._where)
        if has_formula and not kind and not self._is_shown:
            return uncalculated_cell(self._where)
        if kind in ("", "string"):
            return given.get(f"{_OFFICE}string-value", shown)
        try:
            return _typed(kind, given, shown)
        except (KeyError, ValueError, OverflowError):
            return BadCell(shown, f"{self._where} has no value of its type, {kind[:20]}; mend it, or empty it")

    @property
    def _where(self) -> str:
        return where(self._sheet_name, self._column + 1, self._row)


def _typed(kind: str, given: Attributes, shown: str) -> Any:
    """Read a value that is no text; raises KeyError or ValueError if there is none."""
    if kind in ("float", "percentage", "currency"):
        return read_number(given[f"{_OFFICE}value"])
    if kind == "boolean":
        return {"true": True, "false": False}[given[f"{_OFFICE}boolean-value"]]
    if kind == "date":
        text = given[f"{_OFFICE}date-value"]
        moment = datetime.datetime.fromisoformat(text)
        # A midnight that is not shown is a date: some programs write a time to every date.
        is_date = "T" not in text or (moment.time() == datetime.time() and ":" not in shown)
        return moment.date() if is_date else moment
    if kind == "time":
        return _time(given[f"{_OFFICE}time-value"])
    raise ValueError(kind)


def _time(text: str) -> datetime.time | datetime.timedelta:
    """Read a time of day, or, if it is none, a duration: both are stored in the same way."""
    parts = _DURATION.fullmatch(text)
    if parts is None:
        raise ValueError(text)
    sign, days, hours, minutes, seconds = parts.groups(default="")
    duration = datetime.timedelta(
        days=int(days or 0),
        hours=int(hours or 0),
        minutes=int(minutes or 0),
        milliseconds=round(float(seconds or 0) * 1000),
    )
    if sign:
        return -duration
    if duration < datetime.timedelta(days=1):
        return (_MIDNIGHT + duration).time()
    return duration


def _times(text: str | None) -> int:
    """Read how many times something is repeated: as often as a sheet has rows, at most."""
    if text is None or not (text.isascii() and text.isdigit()):
        return 1
    return min(int(text[:9]), MOST_ROWS) if int(text[:9]) else 1
