"""ColumnWriter: what was decided by columns, written by columns; for any database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

from django.db import connections
from django.db.models import Model

from nsync.apply.base import Changed, obstacles
from nsync.apply.deferred import check_postgresql
from nsync.apply.inserting import insert_rows
from nsync.apply.mappings import are_mapped, delete_keys, delete_mappings_with
from nsync.apply.postgresql import can_copy_rows, copy_rows, next_numbers, sequence_of
from nsync.apply.refusals import all_or_nothing
from nsync.apply.removing import objects_with, raw_delete
from nsync.apply.statements import can_insert_lists, can_insert_values, insert_columns, insert_lists, last_number
from nsync.apply.updating import update_columns
from nsync.columns import ChangedObjects, Decided, Removed, RemovedAlone
from nsync.fields import field_of, fills_itself, has_db_default, is_refilled, is_stamped
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping

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

    Queries, for any number of rows (up to what a statement can take): a savepoint; one each for new objects, for
    mappings, and for each set of changed columns; on SQLite two, on PostgreSQL one for the numbers of new objects; one
    to lock and read again the objects that change, where the database has locks; on PostgreSQL one for what it has
    deferred.
    """

    def __init__(self, identities: Identities, model: type[Model], system: str) -> None:
        self._using = identities.using
        self._identities = identities
        self._model = model
        self._system = system
        self._sequence: str | None = None  # of the model's primary key, on PostgreSQL; None: not asked yet

    def write(self, decided: Decided, keys: Sequence[str]) -> None:
        """
        Write what was decided, all of it or nothing.

        Args:
            decided: About consecutive rows.
            keys: Of those rows; none at all: the source has no keys.

        Raises:
            Changed: Somebody changed an object since it was read.
            RowError: The database refuses something; whose row it is shows when they are planned one by one.
            TransientError: The database gave up.
        """
        with all_or_nothing(self._identities):
            self._write(decided, keys)
            self._check_deferred()

    def remove(self, removed: Removed, names: Sequence[str]) -> None:
        """
        Delete objects to which nothing refers, and their mappings: all of them or nothing.

        Raises:
            Changed, RowError, TransientError: As `write`.

        Queries: a savepoint, one to lock and read the objects again where the database has locks, one for the mappings,
        one for the objects.
        """
        with all_or_nothing(self._identities):
            self._lock(removed.pks, removed.read, names)
            delete_keys(self._system, self._model, removed.keys, self._identities)
            for objects in objects_with(self._model, removed.pks, self._using):
                raw_delete(objects, self._using)
            self._check_deferred()

    def remove_alone(self, removed: RemovedAlone) -> None:
        """
        Delete objects and their mappings, if no other mapping means one of them: all of them or nothing.

        Raises:
            Changed: One has another mapping, or something is gone already.
            RowError, TransientError: As `write`.

        Queries: a savepoint, one for the mappings, one to look for others, one for the objects.
        """
        with all_or_nothing(self._identities):
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

    def _write(self, decided: Decided, keys: Sequence[str]) -> None:
        pks = [pk for changed in decided.changed for pk in changed.pks]
        read = [values for changed in decided.changed for values in changed.read]
        self._lock(pks, read, decided.names)
        new = decided.new
        if new.rows:
            new_pks = self._insert(self._model, new.names, new.values, bool(keys))
            if keys:
                self._map([keys[row] for row in new.rows] if len(new.rows) < len(keys) else keys, new_pks)
        for changed in decided.changed:
            self._update(changed)
        if decided.linked.rows:
            self._map(decided.linked.keys, decided.linked.pks)

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

    def _insert(self, model: type[Model], names: Sequence[str], values: Values, needs_keys: bool) -> Sequence[object]:
        """Insert rows; give their primary keys, if they are needed."""
        connection = connections[self._using]
        fields, columns = _with_stamps(model, names, values, is_stamped, is_new=True)
        pks: Sequence[object] = ()
        numbered: Any = model._meta.auto_field
        if needs_keys and numbered is None:
            pks = columns[fields.index(model._meta.pk)]
        elif needs_keys and (pks := self._numbers(model, len(values[0]))):
            fields.append(numbered)
            columns.append(pks)
        if can_copy_rows(model, connection) and bool(pks) is needs_keys:
            copy_rows(model, fields, columns, connection)
        elif connection.vendor == "sqlite" and can_insert_values(model, connection):
            insert_columns(model, fields, columns, self._using)
        elif can_insert_lists(model, connection):
            made = insert_lists(model, fields, columns, connection)
            pks = pks or made  # what came with the rows is as Python has it, and not as the driver
        else:
            rows = [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]
            pks = insert_rows(model, rows, self._using)
        return pks

    def _numbers(self, model: type[Model], count: int) -> Sequence[object]:
        """Give numbers to new objects; none if only the database can."""
        connection = connections[self._using]
        numbered: Any = model._meta.auto_field
        if can_copy_rows(model, connection):
            if self._sequence is None:
                self._sequence = sequence_of(numbered, connection)
            return next_numbers(self._sequence, count, connection) if self._sequence else ()
        if connection.vendor == "sqlite" and can_insert_values(model, connection):
            first = last_number(numbered, self._using) + 1
            return range(first, first + count)
        return ()

    def _map(self, keys: Sequence[str], pks: Sequence[object]) -> None:
        """Record mappings of keys that have none."""
        count = len(keys)
        system, model = self._identities.system(self._system), self._identities.content_type(self._model)
        values = [[system] * count, [model] * count, keys, list(map(str, pks))]
        self._insert(ExternalKeyMapping, _MAPPING, values, False)

    def _update(self, changed: ChangedObjects) -> None:
        values = list(zip(*changed.values, strict=True))
        fields, columns = _with_stamps(self._model, changed.names, values, is_refilled, is_new=False)
        update_columns(self._model, fields, columns, changed.pks, self._using)


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
