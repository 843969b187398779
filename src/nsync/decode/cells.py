"""What a cell is before its field is asked: its text, whether it is empty, and what no column can hold."""

from __future__ import annotations

import datetime
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeAlias

from django.db import models
from django.utils.duration import duration_string

from nsync.actions import EMPTY
from nsync.errors import NsyncError

Field: TypeAlias = "models.Field[Any, Any]"
Converter = Callable[[object], object]  # a cell → the field's value, or EMPTY; raises CellError
Reader = Callable[[str], object]  # a cell's text, never empty, without surrounding blanks → the value


class CellError(NsyncError):
    """A cell does not convert. The decoder adds where the cell stands and what it holds."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)

    @property
    def code(self) -> str:
        """What is wrong, as in `nsync.changes.ERROR_CODES`."""
        return str(self.args[0])

    @property
    def message(self) -> str:
        """What is wrong and what would work."""
        return str(self.args[1])

    def __str__(self) -> str:
        return self.message


def cell_converter(read: Reader, read_text: Reader | None = None) -> Converter:
    """
    Make the converter of a column that does not hold text: surrounding blanks are ignored (rule V1).

    Args:
        read: Reads a cell's text.
        read_text: Reads cells that *are* text, where those are written in another way than typed ones.
    """
    read_text = read_text or read

    def convert(cell: object) -> object:
        if isinstance(cell, str):
            text = str.strip(cell)
            return read_text(text) if text else EMPTY
        return EMPTY if cell is None else read(text_of(cell))

    return convert


def text_of(cell: object) -> str:
    """Give the text of a typed value, as a file would have it, so that one set of rules reads both."""
    if isinstance(cell, str):
        return str.__str__(cell)  # of an enumeration's member the value, not its name
    if isinstance(cell, bool | float | Decimal | uuid.UUID):
        return str(cell)
    if isinstance(cell, int):
        try:
            return int.__repr__(cell)
        except ValueError:  # more digits than Python writes
            raise CellError("out-of-range", "the number is out of range") from None
    if isinstance(cell, datetime.date | datetime.time):  # a datetime is a date
        return cell.isoformat()
    if isinstance(cell, datetime.timedelta):
        return duration_string(cell)
    raise CellError("invalid-value", f"a {type(cell).__name__} is no value of this column; give text or a number")


def check_text(text: str, max_length: int | None = None) -> None:
    """Refuse text that a database does not hold as it is (rule V4)."""
    if "\0" in text:
        raise CellError("nul-character", "the text holds a NUL character, which a database cannot hold; remove it")
    if max_length is not None and len(text) > max_length:
        raise CellError("too-long", f"the text has {len(text)} characters; write at most {max_length}")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise CellError("invalid-value", "the text holds half a character (a lone surrogate); remove it") from None
