"""Journal: what a run writes, row by row of every table, kept so that it can be explained and taken back."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import IntegerField, Model

from nsync.changes import ChangeKind
from nsync.fields import field_of, held_field, types_taken_as_they_are
from nsync.models import RecordedChange
from nsync.record.blocks import pack_columns, unpack_columns
from nsync.record.values import column_reader, reader, survives, to_json, writer
from nsync.recording import KeptBlock, KeptRow, WrittenRows

Insert = Callable[[type[Model], Sequence[str], Sequence[Sequence[object]]], object]  # model, attnames, columns

_AT_LEAST = 20  # rows that are kept as one block: each by itself is found by an index, many take a tenth of the room
_AT_MOST = 5_000  # rows in a block
_LONGEST = 4_000_000  # characters of a block: MariaDB limits the length of a statement, by default to 16 MB
_BUFFERED = 5_000  # changes that are inserted together
_ID_LENGTH = 255  # of the columns for primary keys
_COLUMNS = (
    *("run_id", "kind", "model", "object_id", "first_id", "last_id", "count"),
    *("source", "line", "before", "after", "block"),
)
HIDDEN = "?"  # among the values of a row: names of the columns whose values are not kept


class Journal:
    """
    Keeps what is written, in the order in which it is.

    Args:
        run: Primary key of the run.
        insert: Inserts rows.
        hidden: Label of a model → attnames of columns whose values are not kept.

    Queries: one for every five thousand updated rows, and one for every block of at most as many inserted or deleted
    ones.
    """

    def __init__(self, run: int, insert: Insert, hidden: Mapping[str, Collection[str]]) -> None:
        self._run = run
        self._insert = insert
        self._hidden = hidden
        self._rows: list[tuple[object, ...]] = []

    def take(self, written: Sequence[WrittenRows]) -> None:
        """Keep what was written; it is in the database after `flush` at the latest."""
        for rows in written:
            if rows.kind is ChangeKind.UPDATE or len(rows.pks) < _AT_LEAST:
                self._rows += self._singly(rows)
            else:
                self.flush()
                self._insert_blocks(rows)
        if len(self._rows) >= _BUFFERED:
            self.flush()

    def flush(self) -> None:
        """Insert what is held."""
        if self._rows:
            self._insert(RecordedChange, _COLUMNS, list(zip(*self._rows, strict=True)))
            self._rows = []

    def discard(self) -> None:
        """Forget what is held: its transaction is rolled back."""
        self._rows = []

    def _singly(self, rows: WrittenRows) -> Iterator[tuple[object, ...]]:
        label, kind = rows.model._meta.label, rows.kind.value
        before, after = self._texts(rows, rows.before), self._texts(rows, rows.after)
        for pk, old, new, line in zip(rows.pks, before, after, rows.lines, strict=True):
            yield self._run, kind, label, text_of(pk), "", "", 1, rows.source, line, old, new, ""

    def _texts(self, rows: WrittenRows, columns: Sequence[Sequence[object]]) -> Sequence[str]:
        if not columns:
            return [""] * len(rows.pks)
        names, written, hidden = self._written(rows, columns)
        if hidden:
            return [to_json({**dict(zip(names, row, strict=True)), HIDDEN: hidden}) for row in _rows_of(written, rows)]
        return [to_json(dict(zip(names, row, strict=True))) for row in _rows_of(written, rows)]

    def _written(
        self, rows: WrittenRows, columns: Sequence[Sequence[object]]
    ) -> tuple[list[str], list[Sequence[object]], list[str]]:
        """
        Give the names and the values that are kept, as JSON has them, and the names of those that are not.

        Nor are values of a field of the project's own that would not be the same again.
        """
        hidden = self._hidden.get(rows.model._meta.label, ())
        names: list[str] = []
        values: list[Sequence[object]] = []
        for name, column in zip(rows.names, columns, strict=True):
            written = () if name in hidden else _as_json(rows.model, name, column)
            if name not in hidden and survives(field_of(rows.model, name), column, written):
                names.append(name)
                values.append(written)
        return names, values, [name for name in rows.names if name not in names]

    def _insert_blocks(self, rows: WrittenRows) -> None:
        names, columns, hidden = self._written(rows, rows.after or rows.before)
        pks = _as_json(rows.model, rows.model._meta.pk.attname, rows.pks)
        head = to_json({"names": names, HIDDEN: hidden})
        whole = [pks, rows.lines, *columns]
        for start in range(0, len(pks), _AT_MOST):
            part = slice(start, start + _AT_MOST)
            self._insert_block(rows, head, whole if len(pks) <= _AT_MOST else [column[part] for column in whole])

    def _insert_block(self, rows: WrittenRows, head: str, columns: Sequence[Sequence[Any]]) -> None:
        """Insert primary keys, lines and values as one block, or as two where a statement would be too long."""
        pks, lines, *_ = columns
        block = pack_columns(columns)
        if len(block) > _LONGEST and len(pks) > 1:
            middle = len(pks) // 2
            self._insert_block(rows, head, [column[:middle] for column in columns])
            self._insert_block(rows, head, [column[middle:] for column in columns])
            return
        what = (self._run, rows.kind.value, rows.model._meta.label, "", *_extent(pks), len(pks))
        row = (*what, rows.source, lines[0], "", head, block)
        self._insert(RecordedChange, _COLUMNS, [[value] for value in row])


def kept_rows(change: RecordedChange) -> list[KeptRow]:
    """Read what a change holds: one row, or those of a block, in the order in which they were written."""
    if change.block:
        return kept_block(change).rows()
    model = model_of(change.model)
    before, after = _values(change.before, model), _values(change.after, model)
    hidden = tuple(after.pop(HIDDEN, before.pop(HIDDEN, ())))
    before.pop(HIDDEN, None)
    pk = _pk_of(change.object_id, {**before, **after}, model)
    kind, source = ChangeKind(change.kind), _source_of(change)
    return [KeptRow(change.pk, kind, change.model, pk, before, after, hidden, source, change.line or 0)]


def kept_block(change: RecordedChange) -> KeptBlock:
    """Read a block."""
    model = model_of(change.model)
    head = json.loads(change.after)
    names = tuple(head["names"])
    written_pks, lines, *written = unpack_columns(change.block)
    columns = [_column_reader(model, name)(column) for name, column in zip(names, written, strict=True)]
    pks = _pk_reader(model)(written_pks)
    kind, hidden = ChangeKind(change.kind), tuple(head[HIDDEN])
    return KeptBlock(change.pk, kind, change.model, pks, names, columns, hidden, _source_of(change), lines)


def _source_of(change: RecordedChange) -> int:
    return -1 if change.source is None else change.source


def kept_pks(change: RecordedChange) -> Sequence[object]:
    """Read the primary keys of the rows of a block."""
    return _pk_reader(model_of(change.model))(unpack_columns(change.block)[0])


def may_hold(change: RecordedChange, pk: str) -> bool:
    """Whether a block may hold an object, given by its primary key as text."""
    model = model_of(change.model)
    if model is None:
        return True  # nobody knows how its keys are ordered
    if isinstance(held_field(model._meta.pk), IntegerField):
        try:
            return int(change.first_id) <= int(pk) <= int(change.last_id)
        except ValueError:
            return False
    return len(change.last_id) == _ID_LENGTH or change.first_id <= pk <= change.last_id


def text_of(pk: object) -> str:
    """Give a primary key as the journal names it."""
    return str(pk)[:_ID_LENGTH]


def _as_json(model: type[Model], name: str, values: Sequence[object]) -> Sequence[object]:
    """Give values of a column as JSON has them; most are already, and to look at each takes time."""
    if types_taken_as_they_are(field_of(model, name)):
        return values  # a number, a text or a truth value, or what such a field makes of its text
    return _writer(model, name)(values)


@cache
def _writer(model: type[Model], name: str) -> Callable[[Sequence[object]], Sequence[object]]:
    return writer(field_of(model, name))


@cache
def _reader(model: type[Model] | None, name: str) -> Callable[[Any], object]:
    """Give what reads a column; as it is written, if the column or its model is gone since."""
    fields = [] if model is None else [field for field in model._meta.concrete_fields if field.attname == name]
    if not fields:
        return lambda written: written
    read = reader(fields[0])

    def read_or_leave(written: Any) -> object:
        try:
            return read(written)
        except (ValidationError, ValueError, TypeError):  # the field has another type since
            return written

    return read_or_leave


@cache
def _column_reader(model: type[Model] | None, name: str) -> Callable[[Sequence[Any]], Sequence[object]]:
    """Give what reads many values of a column; see `_reader`."""
    read_one = _reader(model, name)
    fields = [] if model is None else [field for field in model._meta.concrete_fields if field.attname == name]
    if not fields:
        return lambda written: written
    read = column_reader(fields[0])

    def read_or_leave(written: Sequence[Any]) -> Sequence[object]:
        try:
            return read(written)
        except (ValidationError, ValueError, TypeError):  # the field has another type since, as to some of them
            return list(map(read_one, written))

    return read_or_leave


def _pk_reader(model: type[Model] | None) -> Callable[[Sequence[Any]], Sequence[object]]:
    return _column_reader(model, "" if model is None else str(model._meta.pk.attname))


def _values(text: str, model: type[Model] | None) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(text) if text else {}
    return {name: value if name == HIDDEN else _reader(model, name)(value) for name, value in values.items()}


def _pk_of(text: str, values: Mapping[str, Any], model: type[Model] | None) -> object:
    """Give the primary key of a row: of an update it stands beside the values, perhaps cut."""
    if model is None:
        return text
    name = model._meta.pk.attname
    return values[name] if name in values else _reader(model, name)(text)


def model_of(label: str) -> type[Model] | None:
    """Give a model by its label; None if it is gone since, or the label is none."""
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        return None


def _rows_of(columns: Sequence[Sequence[object]], rows: WrittenRows) -> Iterator[tuple[object, ...]]:
    return iter(zip(*columns, strict=True)) if columns else iter([()] * len(rows.pks))


def _extent(pks: Sequence[Any]) -> tuple[str, str]:
    """Give the lowest and the highest of some primary keys: numbers as numbers, all else as text."""
    if isinstance(pks, range):
        return text_of(pks[0]), text_of(pks[-1])
    if set(map(type, pks)) != {int}:
        pks = list(map(str, pks))
    return text_of(min(pks)), text_of(max(pks))
