"""ColumnReader: the rows of a batch as columns, where the layout is simple enough; the same values as a Decoder's."""

from collections import Counter
from collections.abc import Callable, Sequence
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

from nsync.actions import EMPTY, Flags, Relation
from nsync.columns import Cell, Columns, Sketch, SketchedReference, Wanted
from nsync.decode.cells import CellError
from nsync.decode.conditions import read_key
from nsync.decode.decoder import KEY_LENGTH, Decoder
from nsync.decode.layout import Layout
from nsync.decode.match import Node
from nsync.decode.references import RelationColumns
from nsync.decode.wholecolumns import ColumnConverter, Converted, column_converter, distinct_converter
from nsync.errors import RowError
from nsync.fields import concrete_model, field_of, holds_null, is_text
from nsync.options import SyncOptions
from nsync.rows import RowBatch

_NO_FLAGS = Flags()
_TEXTS = frozenset({str, int, UUID, NoneType, type(EMPTY)})  # types with one text for each value


class _Field(NamedTuple):
    position: int
    attname: str
    convert: ColumnConverter


class _Reference(NamedTuple):
    position: int
    relation: Relation
    path: str
    system: str
    convert: ColumnConverter


def unfit(layout: Layout) -> str:
    """Say why the rows of a source cannot be read as columns; "" if they can."""
    if layout.properties:
        return f"the column {layout.properties[0].header} is a property"
    for group in layout.relations:
        name = ", ".join(column.header for column in group.columns)
        if group.relation.kind != "forward":
            return f"the column {name} is no foreign key of the object's own"
        if len(group.columns) > 1:
            return f"the columns {name} name one relation together"
        path = group.columns[0].path
        if path is not None and path.lookup != "exact":
            return f"the column {name} has a lookup"
    return ""


class ColumnReader:
    """
    Reads rows of one source as columns.

    Args:
        decoder: Of the source, whose layout is not `unfit`.
    """

    def __init__(self, decoder: Decoder) -> None:
        layout = decoder.layout
        self._decoder = decoder
        self._layout = layout
        model = concrete_model(layout.model)
        self._fields = tuple(
            _Field(
                one.position,
                one.attname,
                column_converter(field_of(model, one.attname), one.convert, layout.options),
            )
            for one in layout.fields
        )
        self._references = tuple(_reference(group, layout.options) for group in layout.relations)
        attnames = {one.position: one.attname for one in layout.fields}
        self._match_names = {
            name: attnames[column.position]
            for name, column in layout.operands.items()
            if not column.prefix and column.path is not None and column.path.lookup == "exact"
            # A header may be mapped to several targets: the operand's field is the one that its column holds.
            if column.position in attnames and column.path.fields == _name_of(model, attnames[column.position])
        }

    def read(self, rows: RowBatch) -> Columns | None:
        """
        Read rows as columns.

        Returns:
            The columns; rows that are not as most of them, or that have a bad cell, are peculiar. None: what they ask
            for cannot be told by columns.
        """
        peculiar: set[int] = set()
        cells = self._cells(rows, peculiar)
        flags = self._flags(cells, peculiar)
        match = self._match(cells, peculiar)
        if flags is None or match is None:
            return None
        keys = self._keys(cells, peculiar)
        if not keys and not match:
            return None
        # Of a row that deletes, only key and match are read (rule V1).
        fields = [one for one in self._fields if one.attname in match] if flags.delete else self._fields
        converted = [_convert(one.convert, cells[one.position], peculiar) for one in fields]
        names = tuple(one.attname for one in fields)
        for name in match:
            column = converted[names.index(name)]
            if column.has_empty:
                peculiar.update(position for position, value in enumerate(column.values) if value is EMPTY)
        wanted = () if flags.delete else self._wanted(cells, peculiar)
        return Columns(
            count=len(rows),
            flags=flags,
            keys=keys,
            names=names,
            values=[column.values for column in converted],
            has_empty=[column.has_empty for column in converted],
            match=match,
            wanted=wanted,
            peculiar=peculiar,
        )

    def wanted(self, rows: RowBatch) -> tuple[Wanted, ...]:
        """Read the references alone; of a row that is peculiar, they mean nothing."""
        return self._wanted(self._cells(rows, set()), set())

    def _wanted(self, cells: list[Sequence[Any]], peculiar: set[int]) -> tuple[Wanted, ...]:
        return tuple(
            Wanted(one.relation, one.path, one.system, _convert(one.convert, cells[one.position], peculiar).values)
            for one in self._references
        )

    def sketch(self, rows: RowBatch) -> Sketch | None:
        """Say what most of the first rows ask for, and where it stands; None if that cannot be told by columns."""
        layout = self._layout
        if layout.options.marker is not None or (layout.key is not None and layout.key.is_joined):
            return None
        cells = self._cells(rows, set())
        flags, match = self._flags(cells, set()), self._match(cells, set())
        if flags is None or match is None or (layout.key is None and not match):
            return None
        return Sketch(
            flags=flags,
            flags_cell=self._cell(layout.flags),
            flags_text="" if layout.flags is None else _commonest(cells[layout.flags], set()),
            match=match,
            match_cell=self._cell(layout.match_on),
            match_text="" if layout.match_on is None else _commonest(cells[layout.match_on], set()),
            key=self._place(layout.key.positions[0]) if layout.key else None,
            fields=tuple((self._place(one.position), one.attname) for one in self._fields),
            references=tuple(
                SketchedReference(self._place(one.position), one.relation, one.path, one.system)
                for one in self._references
            ),
        )

    def asks_alike(self, sketch: Sketch, flags: str, match: str) -> bool:
        """Whether a row with these cells asks for what most rows ask for, or for nothing at all."""
        try:
            if sketch.flags_cell is not None and self._decoder.flags_in(flags) not in (sketch.flags, _NO_FLAGS):
                return False
            return sketch.match_cell is None or self._named(self._decoder.match_in(match)) == sketch.match
        except RowError:  # it fails, and does nothing
            return True

    def match_texts(self, sketch: Sketch, cells: Sequence[Sequence[str]]) -> list[Sequence[str]] | None:
        """
        Give the texts of what rows match by as its columns hold it; None if there is no one text for it.

        Args:
            sketch: Of the source.
            cells: One sequence for each column that is matched by.

        A cell that does not convert makes its row fail: it matches nothing.
        """
        texts: list[Sequence[str]] = []
        for name, column in zip(sketch.match, cells, strict=True):
            convert = next(one.convert for one in self._fields if one.attname == name)
            converted = convert(column)
            values: list[object] = list(converted.values)
            for position in converted.refused:
                values[position] = None
            if not _TEXTS.issuperset(map(type, values)) or (EMPTY in values and not self._holds_empty(name)):
                return None
            texts.append(["" if value is None or value is EMPTY else str(value) for value in values])
        return texts

    def _holds_empty(self, attname: str) -> bool:
        """Whether a column holds an empty cell as such, and not its default or what it held before (rule V3)."""
        field = field_of(concrete_model(self._layout.model), attname)
        return holds_null(field) or is_text(field)

    def _cell(self, position: int | None) -> Cell | None:
        return None if position is None else self._place(position)

    def _place(self, position: int) -> Cell:
        width = self._layout.width
        return Cell(position) if position < width else Cell(-1, self._layout.constants[position - width])

    def _cells(self, rows: RowBatch, peculiar: set[int]) -> list[Sequence[Any]]:
        """Give the cells by column, constants last; rows of another width, or with a null marker, are peculiar."""
        layout = self._layout
        columns = rows.columns()
        if columns is None:
            columns = self._parted(rows, peculiar)
        columns += [(constant,) * len(rows) for constant in layout.constants]
        marker = layout.options.marker
        if marker is not None:
            for column in columns:
                if marker in column:
                    peculiar.update(position for position, cell in enumerate(column) if cell == marker)
        return columns

    def _parted(self, rows: RowBatch, peculiar: set[int]) -> list[Sequence[Any]]:
        width = self._layout.width
        values = rows.records
        if set(map(len, values)) != {width}:
            peculiar.update(position for position, row in enumerate(values) if len(row) != width)
            blank = ("",) * width
            values = [row if len(row) == width else blank for row in values]
        columns: list[Sequence[Any]] = list(zip(*values, strict=True))
        for number, column in enumerate(columns):
            if set(map(type, column)) != {str}:
                peculiar.update(position for position, cell in enumerate(column) if type(cell) is not str)
                columns[number] = [cell if type(cell) is str else "" for cell in column]
        return columns

    def _flags(self, cells: list[Sequence[Any]], peculiar: set[int]) -> Flags | None:
        """Give what most rows ask for; None if that is nothing, or bad."""
        position = self._layout.flags
        try:
            if position is None:
                flags = self._decoder.default_flags
            else:
                flags = self._decoder.flags_in(_commonest(cells[position], peculiar))
        except RowError:
            return None
        return flags if any(flags) else None

    def _match(self, cells: list[Sequence[Any]], peculiar: set[int]) -> tuple[str, ...] | None:
        """Give what most rows match by; None if that is no mere list of columns."""
        position = self._layout.match_on
        try:
            if position is None:
                node = self._layout.default_match
            else:
                node = self._decoder.match_in(_commonest(cells[position], peculiar))
        except RowError:
            return None
        return self._named(node)

    def _named(self, node: Node | None) -> tuple[str, ...] | None:
        """Give the attnames that an expression ANDs; None if it does more."""
        names = _anded(node)
        if names is None or not all(name in self._match_names for name in names):
            return None
        return tuple(dict.fromkeys(self._match_names[name] for name in names))

    def _keys(self, cells: list[Sequence[Any]], peculiar: set[int]) -> Sequence[str]:
        key = self._layout.key
        if key is None:
            return ()
        keys = key.join([cells[position] for position in key.positions])
        if "" in keys:
            peculiar.update(number for number, key in enumerate(keys) if not key)
        if max(map(len, keys)) > KEY_LENGTH or "\0" in "".join(keys):
            peculiar.update(number for number, key in enumerate(keys) if len(key) > KEY_LENGTH or "\0" in key)
        return keys


def _name_of(model: Any, attname: str) -> str:
    return str(field_of(model, attname).name)


def _reference(group: RelationColumns, options: SyncOptions) -> _Reference:
    column = group.columns[0]
    if column.path is None:
        return _Reference(column.position, group.relation, "", column.system, distinct_converter(_key_reader(column)))
    held = column.path.passed[-1]
    convert = column_converter(held, column.path.convert, options)
    return _Reference(column.position, group.relation, column.path.fields, "", convert)


def _key_reader(column: Any) -> Callable[[object], object]:
    def read(cell: object) -> object:
        try:
            return read_key(cell, column.header) or EMPTY
        except RowError as error:
            raise CellError(error.problems[0].code, error.problems[0].message) from None

    return read


def _convert(convert: ColumnConverter, cells: Sequence[str], peculiar: set[int]) -> Converted:
    converted = convert(cells)
    peculiar.update(converted.refused)
    return converted


def _commonest(cells: Sequence[str], peculiar: set[int]) -> str:
    """Give the text of most cells; rows with another are peculiar."""
    if cells.count(cells[0]) == len(cells):
        return cells[0]
    common = Counter(cells).most_common(1)[0][0]
    peculiar.update(position for position, cell in enumerate(cells) if cell != common)
    return common


def _anded(node: Node | None) -> tuple[str, ...] | None:
    """Give the names of an expression that only ANDs them."""
    if node is None:
        return ()
    if isinstance(node, str):
        return (node,)
    operator, *operands = node
    if operator != "&":
        return None
    parts = [_anded(operand) for operand in operands]
    return None if any(part is None for part in parts) else tuple(name for part in parts for name in part or ())
