"""Unmaking: rows that a run inserted together go together, if nothing has happened to them since."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from django.db import connections
from django.db.models import JSONField, Model

from nsync.apply.images import has_table
from nsync.apply.refusals import all_or_nothing
from nsync.apply.removing import objects_with, raw_delete
from nsync.changes import ChangeKind
from nsync.errors import RowError
from nsync.fields import columns_of, concrete_model, family, relations_to
from nsync.identities import Identities
from nsync.recording import KeptBlock, Recorder, WrittenRows
from nsync.rowsin import RowsIn, slices


def unmake(model: type[Model], block: KeptBlock, identities: Identities, recorder: Recorder | None) -> bool:
    """
    Remove all rows of a block that were inserted together, if each is still as it was, and no other row points to one.

    Whole columns are compared, not row by row: that is what undoing a first load comes to.

    Args:
        model: Of the table.
        block: The rows; that no key of a system holds one is for the caller to know.
        identities: Knows the database.
        recorder: Is told what is written, if anybody is.

    Returns:
        Whether they are gone; else nothing was done, and each must be judged by itself.

    Queries: one to read and lock the rows, one to delete them, one for each foreign key that points to the table.
    """
    names = columns_of(model)
    if block.kind is not ChangeKind.INSERT or set(block.names) != set(names) or family(model) or holds_json(model):
        return False
    columns = {name: block.columns[block.names.index(name)] for name in names}
    made = dict(zip(block.pks, zip(*columns.values(), strict=True), strict=True))
    if made != rows_now(model, block.pks, identities.using) or _is_pointed_at(model, columns, made, identities.using):
        return False
    try:
        with all_or_nothing(identities):
            for objects in objects_with(model, block.pks, identities.using):
                raw_delete(objects, identities.using)
            if recorder is not None:
                before = list(columns.values())
                lines = [0] * len(block.pks)
                recorder.take([WrittenRows(ChangeKind.DELETE, model, names, block.pks, before, (), -1, lines)])
    except RowError:
        return False
    return True


@cache
def holds_json(model: type[Model]) -> bool:
    """Whether values that are equal in Python may be two values of a column: 1 and true."""
    return any(isinstance(field, JSONField) for field in model._meta.concrete_fields)


def rows_now(model: type[Model], pks: Sequence[object], using: str) -> dict[object, tuple[Any, ...]]:
    """Read rows of a model's own table as they are now, by primary key, and lock them where the database can."""
    names = columns_of(model)
    pk = names.index(model._meta.pk.attname)
    found: dict[object, tuple[Any, ...]] = {}
    for objects in objects_with(model, pks, using):
        if connections[using].features.has_select_for_update:
            objects = objects.select_for_update().order_by("pk")
        found.update((row[pk], row) for row in objects.values_list(*names))
    return found


def pointers_to(model: type[Model], using: str) -> Iterator[tuple[Any, type[Model]]]:
    """Give the foreign keys that point to a model, each with the model whose table has its column."""
    for relation in relations_to(model):
        other = concrete_model(relation.field.model)
        if relation.field in other._meta.local_concrete_fields and has_table(other, using):
            yield relation.field, other


def _is_pointed_at(
    model: type[Model], columns: Mapping[str, Sequence[object]], going: Collection[object], using: str
) -> bool:
    """Whether rows that stay point to some that go."""
    for link, other in pointers_to(model, using):
        targets = [value for value in columns[link.target_field.attname] if value is not None]
        for part in slices([targets], [link.target_field], using):
            rows = other._base_manager.using(using).filter(RowsIn([link.attname], [link.target_field], part))
            if other is not model and rows.exists():
                return True
            if other is model and not all(pk in going for pk in rows.values_list("pk", flat=True)):
                return True
    return False
