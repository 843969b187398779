"""What the cells of each column hold: how many are filled, how many different ones, the least and the greatest."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from nsync.decode.cells import CellError
from nsync.decode.conditions import shown
from nsync.decode.layout import FieldColumn, Layout
from nsync.profiling.findings import SeenColumn
from nsync.profiling.sketch import Distinct, bound_for
from nsync.rows import MISSING

_ORDERED: Final = (str, int, float, Decimal, datetime.date, datetime.time, datetime.timedelta)


class _Column:
    """What the cells of one column hold so far."""

    __slots__ = ("distinct", "filled", "greatest", "least", "longest")

    def __init__(self, bound: int) -> None:
        self.filled = self.longest = 0
        self.distinct = Distinct(bound)
        self.least: Any = None
        self.greatest: Any = None

    def add(self, text: str, value: Any) -> None:
        self.filled += 1
        self.distinct.add(text)
        self.longest = max(self.longest, len(text))
        if self.least is None:
            if isinstance(value, _ORDERED):
                self.least = self.greatest = value
        elif type(value) is type(self.least):
            if value < self.least:
                self.least = value
            elif value > self.greatest:
                self.greatest = value


class Cells:
    """Counts the cells of a source, column by column; what it holds does not grow with the rows."""

    def __init__(self, header: Sequence[str], layout: Layout) -> None:
        self._header = header
        self._meanings = _meanings(header, layout)
        self._marker = layout.options.null_marker
        self._columns = [_Column(bound_for(len(header))) for _ in header]
        self._fields: dict[int, FieldColumn] = {}
        for column in layout.fields:
            if column.position < len(header):
                self._fields.setdefault(column.position, column)

    def add(self, cells: Sequence[object], read: Mapping[str, object] | None) -> None:
        """
        Take in a row.

        Args:
            cells: As the source gives them.
            read: What was made of them, by attname; None: nothing was made, since something is wrong with the row.
        """
        for position, (column, cell) in enumerate(zip(self._columns, cells, strict=False)):
            if cell is MISSING or cell is None or cell == self._marker:
                continue
            text = cell if isinstance(cell, str) else str(cell)
            if text and not text.isspace():
                column.add(text, self._value(position, text, cell, read))

    def _value(self, position: int, text: str, cell: object, read: Mapping[str, object] | None) -> object:
        """Give what is compared: the value of the field, or the text of a column that is none."""
        field = self._fields.get(position)
        if field is None:
            return text
        if read is not None:
            return read.get(field.attname, None)
        try:
            return field.convert(cell)
        except CellError:
            return None

    def seen(self) -> tuple[SeenColumn, ...]:
        """Give what was counted."""
        return tuple(
            SeenColumn(
                header,
                meaning,
                column.filled,
                column.distinct.count,
                column.distinct.is_exact,
                "" if column.least is None else shown(column.least),
                "" if column.greatest is None else shown(column.greatest),
                column.longest,
            )
            for header, meaning, column in zip(self._header, self._meanings, self._columns, strict=True)
        )


def _meanings(header: Sequence[str], layout: Layout) -> list[str]:
    """Say what each column is to a sync."""
    found: list[dict[str, None]] = [{} for _ in header]

    def add(position: int | None, meaning: str) -> None:
        if position is not None and position < len(header):
            found[position][meaning] = None

    add(layout.flags, "flags")
    add(layout.match_on, "match")
    for position in layout.key.positions if layout.key else ():
        add(position, "key")
    for field in layout.fields:
        add(field.position, field.attname)
    for one in layout.properties:
        add(one.position, one.name)
    for group in layout.relations:
        for column in group.columns:
            path = "external_key" if column.path is None else column.path.fields
            add(column.position, f"{group.relation.name}=>{column.sign}{path}")
    for name, operand in layout.operands.items():
        if operand.position < len(header) and not found[operand.position]:
            add(operand.position, f"{name} (only matched)")
    dropped = {name.strip() for name, target in layout.options.map if not target.strip()}
    for position, name in enumerate(header):
        if not found[position]:
            found[position]["left out" if name in dropped else "ignored"] = None
    return [", ".join(meanings) for meanings in found]


def key_columns(layout: Layout) -> str:
    """Give the headers of the columns that hold the key."""
    return ", ".join(layout.key.names.headers) if layout.key else ""


def match_columns(layout: Layout) -> str:
    """Give the headers of the columns that are matched by; of the column that names them, if there is one."""
    if layout.match_on is not None:
        return "match_on"
    words = (layout.options.match_on or "").split()
    operands = [layout.operands[word] for word in words if word in layout.operands]
    return ", ".join(dict.fromkeys(operand.header for operand in operands)) or "match_on"
