"""ColumnWriter: what was decided by columns, written by columns; for any database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

from django.db import connections
from django.db.models import Model

from nsync.apply.base import Changed, obstacles
from nsync.apply.deferred import check_postgresql
from nsync.apply.inserting import insert_by_columns
from nsync.apply.mappings import are_mapped, delete_keys, delete_mappings_with, mappings_of
from nsync.apply.postgresql import can_copy_rows, next_numbers, sequence_of
from nsync.apply.refusals import all_or_nothing
from nsync.apply.removing import objects_with, raw_delete
from nsync.apply.statements import can_insert_values, last_number
from nsync.apply.updating import update_columns
from nsync.changes import ChangeKind
from nsync.columns import ChangedObjects, Decided, Removed, RemovedAlone
from nsync.fields import columns_of, field_of, fills_itself, has_db_default, is_refilled, is_stamped
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping
from nsync.recording import Recorder, WrittenRows

Values = Sequence[Sequence[object]]  # one sequence per column

_MAPPING = ("external_system_id", "content_type_id", "external_key", "object_id")


def unfit(model: type[Model]) -> str:
    """Say why objects of a model cannot be written by columns; "" if they can."""
    found = obstacles(model)
    if found:
        return found[0]
    if has_db_default(model._meta.pk):
        return f"the database makes the primary key of {model._meta.label}"
    for field in model._meta.concrete_fields:
        if fills_itself(field) and not is_stamped(field):
            return f"{model._meta.label}.{field.name} has a pre_save() of its own"
    return ""


class ColumnWriter:
    """
    Writes the objects and the mappings of one source.

    Args:
        identities: Knows the database.
        model: The concrete model of the source, which is not `unfit`.
        system: Whose keys the source has.
        source: Its number in the run.
        recorder: Is told what was written, if anybody is.

    Queries, for any number of rows (up to what a statement can take): a savepoint; one each for new objects, for
    mappings, and for each set of changed columns; on SQLite two, on PostgreSQL one for the numbers of new objects; one
    to lock and read again the objects that change, where the database has locks; on PostgreSQL one for what it has
    deferred.
    """

    def __init__(
        self, identities: Identities, model: type[Model], system: str, source: int, recorder: Recorder | None
    ) -> None:
        self._using = identities.using
        self._identities = identities
        self._model = model
        self._system = system
        self._source = source
        self._recorder = recorder
        self._written: list[WrittenRows] = []  # by the present call
        self._sequences: dict[type[Model], str] = {}  # of primary keys, on PostgreSQL

    def write(self, decided: Decided, keys: Sequence[str], lines: Sequence[int]) -> None:
        """
        Write what was decided, all of it or nothing.

        Args:
            decided: About consecutive rows.
            keys: Of those rows; none at all: the source has no keys.
            lines: Of those rows, for the record.

        Raises:
            Changed: Somebody changed an object since it was read.
            RowError: The database refuses something; whose row it is shows when they are planned one by one.
            TransientError: The database gave up.
        """
        with self._recording(), all_or_nothing(self._identities):
            self._write(decided, keys, lines)
            self._check_deferred()

    @contextmanager
    def _recording(self) -> Iterator[None]:
        """Hand over what was written, once it is certain; kept any longer it would stand where the next rows go."""
        try:
            yield
            if self._recorder is not None:
                self._recorder.take(self._written)
        finally:
            self._written = []

    def remove(self, removed: Removed, names: Sequence[str], lines: Sequence[int]) -> None:
        """
        Delete objects to which nothing refers, and their mappings: all of them or nothing.

        Raises:
            Changed, RowError, TransientError: As `write`.

        Queries: a savepoint, one to lock and read the objects again where the database has locks, one for the mappings,
        one for the objects.
        """
        with self._recording(), all_or_nothing(self._identities):
            self._lock(removed.pks, removed.read, names)
            self._note_removed(removed.pks, [lines[row] for row in removed.rows])
            delete_keys(self._system, self._model, removed.keys, self._identities)
            for objects in objects_with(self._model, removed.pks, self._using):
                raw_delete(objects, self._using)
            self._check_deferred()

    def remove_alone(self, removed: RemovedAlone, lines: Sequence[int]) -> None:
        """
        Delete objects and their mappings, if no other mapping means one of them: all of them or nothing.

        Args:
            removed: The objects.
            lines: For each of them, for the record.

        Raises:
            Changed: One has another mapping, or something is gone already.
            RowError, TransientError: As `write`.

        Queries: a savepoint, one for the mappings, one to look for others, one for the objects.
        """
        with self._recording(), all_or_nothing(self._identities):
            self._note_removed(removed.pks, lines)
            delete_mappings_with(removed.mappings, self._identities)
            if are_mapped(self._model, removed.pks, self._identities):
                raise Changed
            found = sum(raw_delete(rows, self._using) for rows in objects_with(self._model, removed.pks, self._using))
            if found != len(removed.pks):
                raise Changed
            self._check_deferred()

    def _check_deferred(self) -> None:
        if connections[self._using].vendor == "postgresql":
            check_postgresql(connections[self._using])

    def _write(self, decided: Decided, keys: Sequence[str], lines: Sequence[int]) -> None:
        pks = [pk for changed in decided.changed for pk in changed.pks]
        read = [values for changed in decided.changed for values in changed.read]
        self._lock(pks, read, decided.names)
        new = decided.new
        if new.rows:
            own = _picked(lines, new.rows)
            made = self._insert(self._model, new.names, new.values, own, needs_keys=bool(keys))
            if keys:
                self._map(_picked(keys, new.rows), made, own)
        for changed in decided.changed:
            self._update(changed, decided.names, _picked(lines, changed.rows))
        if decided.linked.rows:
            self._map(decided.linked.keys, decided.linked.pks, _picked(lines, decided.linked.rows))

    def _lock(self, pks: Sequence[object], read: Sequence[Sequence[object]], names: Sequence[str]) -> None:
        """Read objects again under a lock, and make sure that they are as they were read before (rule T8)."""
        if not connections[self._using].features.has_select_for_update:
            return
        found = {}
        for rows in objects_with(self._model, pks, self._using):
            # In one order, so that two runs do not wait for each other.
            locked = rows.select_for_update().order_by("pk").values_list("pk", *names)
            found.update({row[0]: row[1:] for row in locked})
        if any(found.get(pk) != values for pk, values in zip(pks, read, strict=True)):
            raise Changed

    def _insert(
        self, model: type[Model], names: tuple[str, ...], values: Values, lines: Sequence[int], *, needs_keys: bool
    ) -> Sequence[object]:
        """Insert rows; give their primary keys, if they are needed."""
        needs_keys = needs_keys or self._recorder is not None
        fields, columns = _with_stamps(model, names, values, is_stamped, is_new=True)
        pks: Sequence[object] = ()
        numbered: Any = model._meta.auto_field
        if needs_keys and numbered is None:
            pks = columns[fields.index(model._meta.pk)]
        elif needs_keys and (pks := self._numbers(model, len(values[0]))):
            fields.append(numbered)
            columns.append(pks)
        # What came with the rows is as Python has it, and not as the driver.
        made = insert_by_columns(model, fields, columns, self._using, needs_keys=needs_keys and not pks)
        pks = pks or made.pks
        if self._recorder is not None:
            attnames = tuple(field.attname for field in fields) if made.is_as_given else names
            others = tuple(name for name in columns_of(model) if name not in attnames)  # the database has filled them
            columns = [*columns[: len(attnames)], *self._read(model, others, pks)]
            self._note(ChangeKind.INSERT, model, (*attnames, *others), pks, (), columns, lines)
        return pks

    def _note(
        self,
        kind: ChangeKind,
        model: type[Model],
        names: tuple[str, ...],
        pks: Sequence[object],
        before: Values,
        after: Values,
        lines: Sequence[int],
    ) -> None:
        self._written.append(WrittenRows(kind, model, names, pks, before, after, self._source, lines))

    def _note_removed(self, pks: Sequence[object], lines: Sequence[int]) -> None:
        """Read what is about to be deleted: objects, and the mappings that mean them."""
        if self._recorder is None:
            return
        places = dict(zip(map(str, pks), lines, strict=True))
        mappings = mappings_of(self._model, pks, self._identities)
        objects = objects_with(self._model, pks, self._using)
        for model, found, name in (
            (ExternalKeyMapping, mappings, "object_id"),
            (self._model, objects, self._model._meta.pk.attname),
        ):
            names = columns_of(model)
            columns = list(zip(*(row for rows in found for row in rows.values_list(*names)), strict=True))
            if columns:
                pk = columns[names.index(model._meta.pk.attname)]
                own = [places[str(value)] for value in columns[names.index(name)]]
                self._note(ChangeKind.DELETE, model, names, pk, columns, (), own)

    def _numbers(self, model: type[Model], count: int) -> Sequence[object]:
        """Give numbers to new objects; none if only the database can."""
        connection = connections[self._using]
        numbered: Any = model._meta.auto_field
        if can_copy_rows(model, connection):
            if model not in self._sequences:
                self._sequences[model] = sequence_of(numbered, connection)
            sequence = self._sequences[model]
            return next_numbers(sequence, count, connection) if sequence else ()
        if connection.vendor == "sqlite" and can_insert_values(model, connection):
            first = last_number(numbered, self._using) + 1
            return range(first, first + count)
        return ()

    def _map(self, keys: Sequence[str], pks: Sequence[object], lines: Sequence[int]) -> None:
        """Record mappings of keys that have none."""
        count = len(keys)
        system, model = self._identities.system(self._system), self._identities.content_type(self._model)
        values = [[system] * count, [model] * count, keys, list(map(str, pks))]
        self._insert(ExternalKeyMapping, _MAPPING, values, lines, needs_keys=False)

    def _update(self, changed: ChangedObjects, names: Sequence[str], lines: Sequence[int]) -> None:
        values = list(zip(*changed.values, strict=True))
        fields, columns = _with_stamps(self._model, changed.names, values, is_refilled, is_new=False)
        if self._recorder is not None:
            attnames = tuple(field.attname for field in fields)
            before: list[Sequence[object]] = []
            before += [[row[names.index(name)] for row in changed.read] for name in changed.names]
            before += self._read(self._model, attnames[len(changed.names) :], changed.pks)
            self._note(ChangeKind.UPDATE, self._model, attnames, changed.pks, before, columns, lines)
        update_columns(self._model, fields, columns, changed.pks, self._using)

    def _read(self, model: type[Model], names: Sequence[str], pks: Sequence[object]) -> Values:
        """Give columns of rows."""
        if not names:
            return ()
        if tuple(names) == (model._meta.pk.attname,):
            return [pks]
        found: dict[object, tuple[object, ...]] = {}
        for rows in objects_with(model, pks, self._using):
            found.update({row[0]: row[1:] for row in rows.values_list("pk", *names)})
        return list(zip(*(found[pk] for pk in pks), strict=True))


def _picked(values: Sequence[Any], rows: Sequence[int]) -> Sequence[Any]:
    """Give the values of some rows."""
    return values if len(rows) == len(values) else [values[row] for row in rows]


def _with_stamps(
    model: type[Model], names: Sequence[str], values: Values, is_filled: Callable[[Any], bool], *, is_new: bool
) -> tuple[list[Any], list[Sequence[object]]]:
    """Give columns, by their fields, and with them those that are stamped with the time (other fillers are `unfit`)."""
    fields: list[Any] = [field_of(model, name) for name in names]
    columns = list(values)
    nobody: Any = SimpleNamespace()
    for field in model._meta.local_concrete_fields:
        if is_filled(field):
            fields.append(field)
            columns.append([field.pre_save(nobody, add=is_new)] * len(values[0]))
    return fields, columns
