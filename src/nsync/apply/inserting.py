"""Inserting many rows at once: keys known afterwards, columns filled as ``save()`` fills them."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from types import SimpleNamespace
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Model, QuerySet, sql

from nsync.apply.fold import Keys, Values, known
from nsync.apply.postgresql import can_copy_rows, copy_rows
from nsync.apply.sequences import move_sequence_to
from nsync.apply.statements import (
    OnConflict,
    can_insert_lists,
    can_insert_values,
    insert_columns,
    insert_lists,
    insert_values,
)
from nsync.changes import New, ObjectId
from nsync.fields import fills_itself, has_db_default, is_numbered_key, is_stamped

_TEXT_AT_ONCE = 1_000_000  # characters in one statement: MariaDB and MySQL limit its length, by default to 16 MB
_ROWS_AT_ONCE = 5_000


def new_instance(model: type[Model], after: Values, keys: Keys, using: str) -> Model:
    """Make an object that is not saved yet."""
    instance = model()
    instance._state.db = using
    for attname, value in after.items():
        setattr(instance, attname, known(value, keys))
    return instance


def insert_objects(model: type[Model], objects: Mapping[ObjectId, Values], keys: dict[New, object], using: str) -> None:
    """
    Insert the objects of one generation, and note their keys.

    Queries: one per five thousand objects or million characters; on SQLite one, and two for the next number. Only
    MySQL, which does not give the keys of many rows back, is asked once for each.
    """
    rows = [{name: known(value, keys) for name, value in after.items()} for after in objects.values()]
    pks = insert_rows(model, rows, using)
    for target, pk in zip(objects, pks, strict=True):
        assert isinstance(target.pk, New)  # an INSERT's target is always new
        keys[target.pk] = pk
    for field in model._meta.concrete_fields:
        if is_numbered_key(field):
            brought: list[Any] = [after[field.attname] for after in objects.values() if field.attname in after]
            if brought:
                move_sequence_to(field, max(brought), using)


def insert_rows(
    model: type[Model], rows: Sequence[Values], using: str, on_conflict: OnConflict | None = None
) -> list[object]:
    """
    Insert rows.

    Args:
        model: A model with a table of its own, without parents.
        rows: attname → value; columns that are absent get what Django or the database gives them.
        using: Alias of the database.
        on_conflict: What happens to those that are there already; None: an error.

    Returns:
        The primary keys; with on_conflict they mean nothing.
    """
    connection = connections[using]
    numbered = model._meta.auto_field
    if can_insert_values(model, connection):
        return insert_values(model, [_filled(model, row) for row in rows], using, on_conflict)
    instances = [new_instance(model, row, {}, using) for row in rows]
    if on_conflict is None and numbered is not None and not connection.features.can_return_rows_from_bulk_insert:
        for instance in instances:
            insert_row(instance, model, using)
    else:
        names_target = connection.features.supports_update_conflicts_with_target
        for part in _parts(instances):
            queryset: Any = QuerySet(model, using=using)
            queryset.bulk_create(
                part,
                ignore_conflicts=on_conflict is not None and not on_conflict.updated,
                update_conflicts=on_conflict is not None and bool(on_conflict.updated),
                update_fields=(on_conflict and on_conflict.updated) or None,
                unique_fields=(names_target and on_conflict and on_conflict.unique) or None,
            )
    return [instance.pk for instance in instances]


class Inserted(NamedTuple):
    """What became of rows that were inserted."""

    pks: Sequence[object]  # if they were wanted; else perhaps none
    is_as_given: bool  # columns that fill themselves hold what was given, and not a later time


def insert_by_columns(
    model: type[Model],
    fields: Sequence[Any],
    columns: Sequence[Sequence[Any]],
    using: str,
    *,
    needs_keys: bool = False,
) -> Inserted:
    """
    Insert rows whose values stand column by column, complete but for what the database fills.

    Args:
        model: A model with a table of its own, without parents.
        fields: Of the columns.
        columns: Their values.
        using: Alias of the database.
        needs_keys: Whether the primary keys are wanted, and not among the columns.

    Queries: one (on MariaDB one per thousand rows or million characters).
    """
    connection = connections[using]
    if can_copy_rows(model, connection) and not needs_keys:
        copy_rows(model, fields, columns, connection)
        return Inserted((), True)
    if connection.vendor == "sqlite" and can_insert_values(model, connection):
        insert_columns(model, fields, columns, using)
        return Inserted((), True)
    if can_insert_lists(model, connection):
        return Inserted(insert_lists(model, fields, columns, connection), True)
    names = [field.attname for field in fields]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    return Inserted(insert_rows(model, rows, using), False)


def _parts(instances: Sequence[Model]) -> Iterator[list[Model]]:
    """Give instances in groups that fit into a statement."""
    part: list[Model] = []
    length = 0
    for instance in instances:
        part.append(instance)
        length += sum(map(_length, vars(instance).values()))
        if len(part) == _ROWS_AT_ONCE or length > _TEXT_AT_ONCE:
            yield part
            part, length = [], 0
    if part:
        yield part


def _length(value: object) -> int:
    """Give about how long a value is in a statement; of numbers and the like nothing, there are never so many."""
    if isinstance(value, str | bytes):
        return len(value)
    return len(str(value)) if isinstance(value, dict | list) else 0


class _Fillers(NamedTuple):
    """The columns of a model that are filled as a row is saved."""

    own: tuple[Any, ...]  # by a pre_save() of the field's own, which may look at the whole object
    stamped: tuple[Any, ...]  # with the time
    absent: tuple[Any, ...]  # with a default, where the row has none


@cache
def _fillers(model: type[Model]) -> _Fillers:
    fields: tuple[Any, ...] = tuple(model._meta.local_concrete_fields)
    own = tuple(field for field in fields if fills_itself(field) and not is_stamped(field))
    stamped = tuple(field for field in fields if is_stamped(field))
    elsewhere = {
        *own,
        *stamped,
        *(one for one in fields if one.generated or has_db_default(one) or is_numbered_key(one)),
    }
    return _Fillers(own, stamped, tuple(field for field in fields if field not in elsewhere))


def _filled(model: type[Model], row: Values) -> dict[str, Any]:
    """Add the columns that saving fills; those that the database fills stay absent."""
    own, stamped, absent = _fillers(model)
    filled = dict(row)
    for field in absent:
        if field.attname not in filled:
            filled[field.attname] = field.get_default()
    for field in stamped:
        filled[field.attname] = field.pre_save(SimpleNamespace(), add=True)
    if own:
        instance = new_instance(model, filled, {}, "")
        for field in own:
            filled[field.attname] = field.pre_save(instance, add=True)
    return filled


def insert_row(instance: Model, model: type[Model], using: str) -> None:
    """Insert the row of one object, the rows of its parents first; sets the primary key that the database gave."""
    meta = model._meta
    for parent, link in meta.parents.items():
        if link is not None:
            insert_row(instance, parent, using)
            setattr(instance, link.attname, getattr(instance, parent._meta.pk.attname))
    numbered = meta.auto_field if meta.auto_field and getattr(instance, meta.auto_field.attname) is None else None
    fields = [field for field in meta.local_concrete_fields if not field.generated and field is not numbered]
    query: Any = sql.InsertQuery(model)
    query.insert_values(fields, [instance])
    rows = query.get_compiler(using=using).execute_sql([numbered] if numbered else [])
    if numbered:
        setattr(instance, numbered.attname, rows[0][0])
