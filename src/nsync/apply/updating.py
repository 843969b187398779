"""Updating many objects at once: only the columns that change, and those that fill themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from django.db import connections
from django.db.models import Model

from nsync.apply.fold import Keys, Update, known
from nsync.apply.statements import LISTS_AT_ONCE, as_one_text, can_be_one_text, can_insert_lists
from nsync.changes import ObjectId
from nsync.fields import field_of, held_field, is_refilled, is_stamped, is_text, prepared
from nsync.rowsin import parts_of_text

# Not bulk_update(): it renders one CASE WHEN per row and field, slower than save() in a loop.


def update_objects(model: type[Model], updates: Mapping[ObjectId, Update], keys: Keys, using: str) -> None:
    """
    Write new values of objects.

    Queries: one (``executemany``) for each set of changed columns; one for each object whose values are SQL
    expressions, or whose fields have their own way to stand in a statement.
    """
    refilled = [field for field in model._meta.concrete_fields if is_refilled(field)]
    groups: dict[tuple[Any, ...], list[list[Any]]] = {}
    for target, update in updates.items():
        if not update.after:  # a changed property in a dry run, which calls no setter (rule O4)
            continue
        values = {field_of(model, name): known(value, keys) for name, value in update.after.items()}
        values |= _refill(model, refilled, update, values)
        pk = known(target.pk, keys)
        if any(_needs_django(field, value) for field, value in values.items()):
            named = {field.name: value for field, value in values.items()}
            model._base_manager.using(using).filter(pk=pk).update(**named)
            continue
        groups.setdefault(tuple(values), []).append([*values.values(), pk])
    for fields, rows in groups.items():
        *columns, pks = zip(*rows, strict=True)
        update_columns(model, fields, columns, pks, using)


def update_columns(
    model: type[Model], fields: Sequence[Any], values: Sequence[Sequence[object]], pks: Sequence[object], using: str
) -> None:
    """
    Write new values of the same columns of many objects.

    Args:
        model: One whose rows lie in one table.
        fields: Of the columns.
        values: One sequence per column.
        pks: Of the objects.
        using: Alias of the database.

    Queries: one (``executemany``; on PostgreSQL a join with the rows in one parameter, where their texts mean what they
    do); on MariaDB one per thousand rows or million characters.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    if connection.vendor == "postgresql" and can_be_one_text([*fields, model._meta.pk]):
        _update_once(model, fields, values, pks, connection)
        return
    if can_insert_lists(model, connection) and not is_text(held_field(model._meta.pk)):
        _update_by_lists(model, fields, values, pks, connection)
        return
    columns = ", ".join(f"{quote(field.column)} = %s" for field in fields)
    key = quote(model._meta.pk.column or "")
    pairs = zip((*fields, model._meta.pk), (*values, pks), strict=True)
    values_by_column = [prepared(field, column, connection) for field, column in pairs]
    with connection.cursor() as cursor:
        cursor.executemany(
            f"UPDATE {quote(model._meta.db_table)} SET {columns} WHERE {key} = %s",
            list(zip(*values_by_column, strict=True)),
        )


def _refill(model: type[Model], refilled: list[Any], update: Update, values: Mapping[Any, object]) -> dict[Any, object]:
    """Give the columns that each save fills by itself, such as ``auto_now`` (rule A7)."""
    if all(map(is_stamped, refilled)):
        instance: Any = SimpleNamespace()
    else:
        instance = model()
        for name, value in {**update.stored, **{field.attname: value for field, value in values.items()}}.items():
            setattr(instance, name, value)
    return {field: field.pre_save(instance, add=False) for field in refilled}


def _needs_django(field: Any, value: object) -> bool:
    return (
        hasattr(value, "resolve_expression")
        or hasattr(field, "get_placeholder")
        or hasattr(field, "get_placeholder_sql")
    )


def _update_once(
    model: type[Model],
    fields: Sequence[Any],
    values: Sequence[Sequence[object]],
    pks: Sequence[object],
    connection: Any,
) -> None:
    quote = connection.ops.quote_name
    given = as_one_text((*fields, model._meta.pk), (*values, pks), connection)
    settings = ", ".join(f"{quote(field.column)} = nsync_given.c{number}" for number, field in enumerate(fields))
    key = f"{quote(model._meta.db_table)}.{quote(model._meta.pk.column or '')}"
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {quote(model._meta.db_table)} SET {settings} FROM {given.table} "
            f"WHERE {key} = nsync_given.c{len(fields)}",
            [given.parameter],
        )


def _update_by_lists(
    model: type[Model],
    fields: Sequence[Any],
    values: Sequence[Sequence[object]],
    pks: Sequence[object],
    connection: Any,
) -> None:
    """
    Join with the rows, as a table that gets its names and its types from the one that is updated.

    Its texts are of any character. It has no index, so that ``sql_safe_updates`` would refuse it.
    """
    quote = connection.ops.quote_name
    table, key = quote(model._meta.db_table), quote(model._meta.pk.column or "")
    names = {quote(field.column): field for field in fields}
    settings = ", ".join(f"{table}.{name} = nsync_given.{name}" for name in names)
    typed = (
        f"CONVERT({name} USING utf8mb4) AS {name}" if is_text(held_field(field)) else name
        for name, field in names.items()
    )
    head = f"SELECT {', '.join([key, *typed])} FROM {table} WHERE FALSE UNION ALL VALUES "
    pairs = zip((model._meta.pk, *fields), (pks, *values), strict=True)
    columns = [prepared(field, column, connection) for field, column in pairs]
    one = f"({', '.join(['%s'] * len(columns))})"
    with connection.cursor() as cursor:
        for part in parts_of_text(columns, LISTS_AT_ONCE):
            rows = ", ".join([one] * len(part[0]))
            cursor.execute(
                f"SET STATEMENT sql_safe_updates = 0 FOR UPDATE ({head}{rows}) AS nsync_given"
                f" STRAIGHT_JOIN {table} ON {table}.{key} = nsync_given.{key} SET {settings}",
                [value for row in zip(*part, strict=True) for value in row],
            )
