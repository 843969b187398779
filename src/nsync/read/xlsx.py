"""
XLSX: workbooks of Excel (ECMA-376, also its strict variant), one sheet streamed.

Read by code of our own on top of zipfile and expat, since what the libraries leave out loses data or takes the process
down (looked at: openpyxl 3.1.5 read-only, python-calamine 0.9.1). openpyxl gives the same None for a formula that was
never calculated as for an empty cell, keeps all shared texts and an element of each row in memory, takes the tree of a
row apart however large it is, drops ``x005F_`` from texts and leaves ``_x000D_`` in them. calamine holds the whole
sheet as a matrix, so that a file of two kilobytes with a cell in A1 and one in XFD1048576 aborts the interpreter.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from nsync.errors import SourceError
from nsync.read.packages import Package
from nsync.read.serials import DATE, NUMBER, read_moment, read_number
from nsync.read.sheets import MOST_COLUMNS, MOST_ROWS, Cells, SheetSource, error_cell, uncalculated_cell, where
from nsync.read.xlsxparts import MAIN, Texts, Workbook, read_workbook, unescaped
from nsync.read.xmlparsing import DEPTH_LIMIT, Attributes, Refused
from nsync.read.xmlparts import TOO_DEEP, PartReader, read_part
from nsync.rows import BadCell

_DIGITS: Final = "0123456789"
_TAGS: Final = {
    f"{namespace} {name}": name for namespace in MAIN for name in ("sheetData", "row", "c", "v", "f", "t", "is", "rPh")
}
_BOOLEANS: Final = {"1": True, "0": False, "true": True, "false": False}


class XlsxSource(SheetSource):
    """One sheet of an Excel workbook."""

    def open(self, stream: BinaryIO) -> None:
        """Read what the workbook is made of, and choose the sheet."""
        self._book = read_workbook(self._package(stream))
        sheets = self._book.sheets
        chosen = self.choose([sheet.name for sheet in sheets], [sheet.is_hidden for sheet in sheets])
        self._part = sheets[chosen].part

    def rows(self, stream: BinaryIO) -> Iterator[Cells]:
        """Give the rows of the sheet."""
        package = self._package(stream)
        texts = Texts(package, self._book.texts)
        given = 0
        try:
            reader = _SheetReader(self._book, self.width, self.sheet, self.name)
            for number, cells, shared in read_part(package, self._part, reader):
                before = given
                for position in shared:  # row by row, since a few bytes of a sheet may name many long texts
                    text = cells[position] = texts[cells[position]]
                    given += len(text)
                    self.check_length(given - before, number)
                package.check_given(given)
                yield number, cells
        finally:
            texts.close()

    def _package(self, stream: BinaryIO) -> Package:
        return Package(stream, self.name, ".xlsx")


class _SheetReader(PartReader):
    """Finds the rows of a sheet: number, cells, and positions of those that name a text by its number."""

    def __init__(self, book: Workbook, width: int, sheet: str, name: str) -> None:
        super().__init__()
        self._book = book
        self._width = width
        self._sheet = sheet
        self._name = name
        self._columns: dict[str, int] = {}  # {"AB": 28}
        self._row = 0
        self._is_in_row = False
        self._cells: list[Any] = []
        self._shared: list[int] = []
        self._column = 0
        self._given: Attributes = {}  # of the cell
        self._pieces: list[str] = []
        self._is_text = False  # within what holds the value
        self._is_skipped = False  # how a text is pronounced
        self._has_formula = False

    def start(self, name: str, attributes: Attributes) -> None:
        """Take a start tag."""
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise Refused(TOO_DEEP)
        tag = _TAGS.get(name)
        if tag == "c":
            if not self._is_in_row:
                raise Refused("a cell that is in no row")
            self._given = attributes
            self._pieces = []
            self._has_formula = False
        elif tag == "v" or tag == "t":
            self._is_text = not self._is_skipped
        elif tag == "f":
            self._has_formula = True
        elif tag == "row":
            self._start_row(attributes)
        elif tag == "rPh":
            self._is_skipped = True

    def end(self, name: str) -> None:
        """Take an end tag."""
        self.depth -= 1
        tag = _TAGS.get(name)
        if tag == "v" or tag == "t":
            self._is_text = False
        elif tag == "c":
            self._end_cell()
        elif tag == "row":
            self.found.append((self._row, self._cells, self._shared))
            self._is_in_row = False
            self.end_record()
        elif tag == "rPh":
            self._is_skipped = False
        elif tag == "sheetData":
            self.parser.stop()

    def text(self, data: str) -> None:
        """Take text between tags."""
        if self._is_text:
            self._pieces.append(data)

    def _start_row(self, attributes: Attributes) -> None:
        if self._is_in_row:
            raise Refused("a row within a row")
        self._is_in_row = True
        given = attributes.get("r")
        number = self._row + 1 if given is None else _row_number(given)
        if number > MOST_ROWS:
            raise SourceError(f"has more than {MOST_ROWS:,} rows, which no program can show", self._name)
        if number <= self._row:
            raise SourceError(f"is damaged: its row {given or number} follows row {self._row}", self._name)
        self._row, self._cells, self._shared, self._column = number, [], [], 0

    def _end_cell(self) -> None:
        given, cells = self._given, self._cells
        reference = given.get("r")
        column = self._column + 1 if reference is None else self._column_of(reference)
        if column <= self._column:
            raise SourceError(f"is damaged: the cells of row {self._row} are not in order", self._name)
        self._column = column
        if self._pieces or self._has_formula:
            missing = column - 1 - len(cells)
            if missing:
                cells += [None] * min(missing, self._width - len(cells))  # none if it is beyond the header
            cells.append(self._value(given, "".join(self._pieces)))

    def _column_of(self, reference: str) -> int:
        letters = reference.rstrip(_DIGITS)
        column = self._columns.get(letters)
        if column is None:
            column = 0
            for letter in letters[:4]:
                column = column * 26 + ord(letter.upper()) - ord("A") + 1 if "A" <= letter.upper() <= "Z" else -1
            if not 1 <= column <= MOST_COLUMNS:
                raise SourceError(f"is damaged: there is no cell {reference[:20]!r}", self._name)
            self._columns[letters] = column
        return column

    def _value(self, given: Attributes, text: str) -> Any:
        kind = given.get("t", "n")
        if self._has_formula and (self._book.is_uncalculated or not (text or kind == "str")):
            return uncalculated_cell(self._where)
        if not text:
            return None
        if kind == "s" and text.isascii() and text.isdigit() and len(text) < 10:
            self._shared.append(len(self._cells))
            return int(text)
        if kind == "inlineStr" or kind == "str":
            return unescaped(text)
        if kind == "e":
            return error_cell(text, self._where)
        try:
            return self._read(kind, given, text)
        except (KeyError, ValueError) as error:
            reason = str(error) if isinstance(error, ValueError) else "holds nothing that its type allows for"
            return BadCell(text, f"{self._where} {reason}; mend it, or empty it")

    @property
    def _where(self) -> str:
        return where(self._sheet, self._column, self._row)

    def _read(self, kind: str, given: Attributes, text: str) -> Any:
        """Read a value; raises KeyError if it is none, or ValueError, which says why."""
        if kind == "n":
            return self._number(given, text)
        if kind == "b":
            return _BOOLEANS[text]
        if kind == "d":
            return self._moment(given, text)
        raise KeyError(kind)

    def _number(self, given: Attributes, text: str) -> Any:
        value = read_number(text)
        shown = self._shown(given)
        return value if shown == NUMBER else read_moment(value, shown, is_1904=self._book.is_1904)

    def _moment(self, given: Attributes, text: str) -> Any:
        """Read a cell of the type "d", which few programs write."""
        try:
            moment = datetime.datetime.fromisoformat(text)
        except ValueError:
            raise KeyError(text) from None
        is_date = len(text) == 10 or (self._shown(given) == DATE and moment.time() == datetime.time())
        return moment.date() if is_date else moment

    def _shown(self, given: Attributes) -> int:
        style = given.get("s", "0")
        shown = self._book.shown
        if style.isascii() and style.isdigit() and len(style) < 10 and int(style) < len(shown):
            return shown[int(style)]
        return NUMBER


def _row_number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0
