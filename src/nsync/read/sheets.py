"""What spreadsheets have in common: which sheet is read, where its header stands, and what its rows are."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO, Final

from nsync.errors import ConfigError, SourceError
from nsync.options import SyncOptions
from nsync.read.records import RECORD_LIMIT, RecordSource, is_blank, text_of
from nsync.read.streams import Content
from nsync.rows import BadCell

MOST_ROWS: Final = 1_048_576  # of a sheet, in Excel and LibreOffice
MOST_COLUMNS: Final = 16_384
_SHOWN: Final = 20  # sheets that a message names
_SHOWN_NAME: Final = 60  # characters of the name of one
EXTRA: Final = 20  # cells beyond the header of which a row's error tells
_LETTERS: Final = 26

_MOST_NAMES: Final = 4_096  # columns of a header: no database has a table of more

Cells = tuple[int, list[Any]]  # the number of a row; its cells from column A on; see SheetSource.rows


class SheetSource(RecordSource):
    """
    One sheet of a workbook.

    A subclass finds the sheet, and gives its rows.
    """

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """
        Find the sheet and read its header.

        Raises:
            ConfigError: Options that exclude each other.
            SourceError: It is no workbook, has no such sheet, or no header.
        """
        super().__init__(content, options)
        if options.header and options.header_row is not None:
            raise ConfigError("--header is for files that have no header row, and --header-row says where it stands")
        if content.encoding:
            raise SourceError("is a text stream, and a workbook is none; open it in binary mode", self.name)
        self.sheet = ""  # its name, as soon as it is known
        self._header_row = 0  # the rows after it are read
        self.width = MOST_COLUMNS  # of the header, as soon as it is known
        with self.reading() as stream:
            self.open(stream)
            self.header = options.header or self._read_header(self.rows(stream))
        self.width = len(self.header)
        self._position = 0

    @abstractmethod
    def open(self, stream: BinaryIO) -> None:
        """Check that it is a workbook, and choose the sheet. Raises SourceError."""

    @abstractmethod
    def rows(self, stream: BinaryIO) -> Iterator[Cells]:
        """
        Give the rows of the sheet, in order; those without a cell may be left out.

        A row ends with its last cell, and has those beyond the header's `width` without the empty ones between them.

        Raises:
            SourceError: The sheet cannot be read any further.
        """

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of each row below the header: an empty cell is empty, never absent."""
        width = self.width
        for number, cells in self.rows(stream):
            if number > self._header_row and not is_blank(cells):
                extra = [cell for cell in cells[width : width + EXTRA] if not is_blank((cell,))]
                yield number, cells[:width] + [None] * (width - len(cells)) + extra
        stream.seek(0, io.SEEK_END)  # a package is not read from its start to its end

    def check_length(self, count: int, row: int) -> None:
        """Raise SourceError if a row has so many characters that it is none."""
        if count > RECORD_LIMIT:
            raise SourceError(f"a row of more than {RECORD_LIMIT:,} characters", self.name, row)

    def _read_header(self, rows: Iterator[Cells]) -> tuple[str, ...]:
        wanted = self.options.header_row
        for number, cells in rows:
            if wanted is not None and number > wanted:
                break
            if not is_blank(cells) and (wanted is None or number == wanted):
                self._header_row = number
                return tuple(self._names(number, cells))
        if wanted is not None:
            raise SourceError(
                f"row {wanted} of the sheet is empty: --header-row says where the header stands", self.name
            )
        raise SourceError("has no header row, only empty cells; another sheet may have: say --sheet NAME", self.name)

    def _names(self, number: int, cells: list[Any]) -> Iterator[str]:
        while is_blank(cells[-1:]):
            cells.pop()
        if len(cells) > _MOST_NAMES:
            where = place(len(cells), number)
            reason = f"the header reaches to cell {where}, and a table has at most {_MOST_NAMES:,} columns"
            raise SourceError(f"{reason}; empty what is no part of it", self.name, number)
        for cell in cells:
            if isinstance(cell, BadCell):
                raise SourceError(f"the header: {cell.reason}", self.name, number)
            yield text_of(cell).strip()

    def choose(self, sheets: Sequence[str], hidden: Sequence[bool]) -> int:
        """
        Choose the sheet that is wanted: by name, else by number, else the first that is not hidden.

        Returns:
            Its position, from 0; its name is `sheet` from now on.

        Raises:
            SourceError: There is none.
        """
        if not sheets:
            raise SourceError("has no sheets with cells", self.name)
        if self.options.sheet:
            chosen = self._wanted(sheets)
        else:
            chosen = list(hidden).index(False) if False in hidden else 0
            self.notes += (f"sheet: {sheets[chosen]}",)
        self.sheet = sheets[chosen]
        return chosen

    def _wanted(self, sheets: Sequence[str]) -> int:
        wanted = self.options.sheet
        for known in (list(sheets), [name.casefold() for name in sheets]):
            if wanted in known or wanted.casefold() in known:
                return known.index(wanted if wanted in known else wanted.casefold())
        if wanted.isascii() and wanted.isdigit() and len(wanted) < 6 and 1 <= int(wanted) <= len(sheets):
            return int(wanted) - 1
        names = ", ".join(map(repr, sheets[:_SHOWN])) + (", …" if len(sheets) > _SHOWN else "")
        raise SourceError(f"has no sheet {wanted!r}; there are {names}", self.name)


def place(column: int, row: int) -> str:
    """Name a cell, as spreadsheets do: the first of all is A1."""
    letters = ""
    while column > 0:
        column, letter = divmod(column - 1, _LETTERS)
        letters = chr(ord("A") + letter) + letters
    return f"{letters}{row}"


def where(sheet: str, column: int, row: int) -> str:
    """Name a cell and its sheet, for a message."""
    return f"cell {place(column, row)} of sheet {sheet[:_SHOWN_NAME]!r}"


def error_cell(text: str, cell: str) -> BadCell:
    """Stand for a cell, as `where` names it, in which a formula has failed."""
    return BadCell(text, f"{cell} holds the error {text}; mend its formula, or empty the cell")


def uncalculated_cell(cell: str) -> BadCell:
    """Stand for a cell with a formula that nobody has calculated."""
    return BadCell(
        "=?",
        f"{cell} has a formula that was not calculated, as in files that no spreadsheet program saved; "
        "open it in Excel, or in LibreOffice with Ctrl+Shift+F9, and save it, or save it as CSV",
    )
