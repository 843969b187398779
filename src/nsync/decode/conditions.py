"""One cell through its converter, with column and value in the error; and one condition of a match or a reference."""

from __future__ import annotations

import json
from collections.abc import Callable

from nsync.actions import Condition, JsonText
from nsync.decode.cells import CellError
from nsync.decode.paths import Path
from nsync.errors import Problem, RowError
from nsync.rows import MISSING, BadCell

_SHOWN = 100  # characters of a cell that a message shows


def read_cell(convert: Callable[[object], object], cell: object, column: str) -> object:
    """Convert a cell; raises RowError with column and value where the converter only knows what is wrong."""
    check_cell(cell, column)
    try:
        return convert(cell)
    except CellError as error:
        raise RowError(Problem(error.code, error.message, column, shown(cell))) from None


def check_cell(cell: object, column: str) -> None:
    """Raise RowError for a cell that holds no value: its text must not pass for one."""
    if isinstance(cell, BadCell):
        raise RowError(Problem("invalid-value", cell.reason, column, shown(cell)))


def is_marker(cell: object, marker: str) -> bool:
    """Whether a cell of any type is written as the null marker."""
    return cell is not MISSING and str(cell) == marker


def read_text(cell: object, column: str) -> str:
    """Give a cell as text; raises RowError if it holds no value."""
    check_cell(cell, column)
    return "" if cell is None else str(cell)


def read_key(cell: object, column: str) -> str:
    """Give the key of a system that a cell holds (rules I1, R2); raises RowError for what no database can compare."""
    key = read_text(cell, column).strip()
    if "\0" in key:
        raise RowError(Problem("nul-character", "a key cannot hold a NUL character", column, shown(key)))
    return key


def shown(cell: object) -> str:
    """Give a cell's text as messages show it: not longer than a line."""
    text = str(cell)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


def condition(path: Path, prefix: str, cell: object, column: str) -> Condition:
    """
    Give the comparison that a cell asks for.

    Args:
        path: What is compared.
        prefix: Relation through which it is reached, with its ``__``; "" for the object's own fields.
        cell: The value to compare with.
        column: Header of the cell.

    Raises:
        RowError: The cell does not convert, or its value cannot be compared.
    """
    value = read_cell(path.convert, cell, column)
    if isinstance(value, (dict, list)):
        value = JsonText(json.dumps(value, sort_keys=True))
    try:
        hash(value)
    except TypeError:
        raise RowError(Problem("bad-match", "values of this field cannot be matched", column, shown(cell))) from None
    return Condition(prefix + path.fields, path.lookup, value, path.is_exact_text, column)
