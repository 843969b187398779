"""INSERT statements for many rows, where they cost less than ``bulk_create``: on SQLite and PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import DurationField, Max, Model

from nsync.apply.fold import Values
from nsync.fields import has_db_default, is_plain, is_text, is_untouched, types_taken_as_they_are
from nsync.rowsin import array_type


class OnConflict(NamedTuple):
    """What happens to a row that is there already: nothing, or some of its columns are set."""

    unique: tuple[str, ...] = ()  # fields that tell whether it is there
    updated: tuple[str, ...] = ()  # fields that are set


def can_insert_values(model: type[Model], connection: Any) -> bool:
    """
    Whether `insert_values` can write rows of a model.

    On SQLite, which takes any value as a parameter of its own, unless the database makes the primary key. On
    PostgreSQL, where all values are one JSON text, if their texts mean what the values do.
    """
    if connection.vendor == "sqlite":
        return not has_db_default(model._meta.pk) and all(map(is_untouched, model._meta.local_concrete_fields))
    return connection.vendor == "postgresql" and _has_plain_columns(model)


@cache
def _has_plain_columns(model: type[Model]) -> bool:
    fields = [field for field in model._meta.local_concrete_fields if not field.generated]
    return all(
        (is_plain(field) or (is_text(field) and types_taken_as_they_are(field)))
        and not isinstance(field, DurationField)  # Python and PostgreSQL write them in different ways
        for field in fields
    )


def insert_values(
    model: type[Model], rows: Sequence[dict[str, Any]], using: str, on_conflict: OnConflict | None
) -> list[object]:
    """
    Insert rows with one statement for each set of columns.

    Args:
        model: A model with a table of its own, without parents.
        rows: attname → value, complete but for what the database fills.
        using: Alias of the database.
        on_conflict: What happens to those that are there already; None: an error.

    Returns:
        The primary keys; with on_conflict they mean nothing.
    """
    connection = connections[using]
    if connection.vendor == "sqlite" and on_conflict is None:
        _number(model, rows, using)
    groups: dict[tuple[str, ...], list[int]] = {}
    for position, row in enumerate(rows):
        groups.setdefault(tuple(row), []).append(position)
    pk: Any = model._meta.pk
    pks: list[object] = [row.get(pk.attname) for row in rows]
    for names, positions in groups.items():
        group = [rows[position] for position in positions]
        statement = _head(model, names, connection), _tail(model, connection, on_conflict)
        if connection.vendor == "sqlite":
            _run_many(model, names, group, connection, statement)
        else:
            found = _run_once(model, names, group, connection, statement, on_conflict)
            for position, made in zip(positions, found, strict=on_conflict is None):
                pks[position] = made
    return pks


def _number(model: type[Model], rows: Sequence[dict[str, Any]], using: str) -> None:
    """Give new objects the numbers that SQLite would give them: nobody else writes while this transaction does."""
    numbered = model._meta.auto_field
    if numbered is None or all(numbered.attname in row for row in rows):
        return
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
        last = cursor.fetchone()
    highest = model._base_manager.using(using).aggregate(highest=Max(numbered.attname))["highest"]
    number = max(last[0] if last else 0, highest or 0)
    for row in rows:
        number = max(number, row.setdefault(numbered.attname, number + 1))


def _fields(model: type[Model], names: Sequence[str]) -> list[Any]:
    by_attname = {field.attname: field for field in model._meta.local_concrete_fields}
    return [by_attname[name] for name in names]


def _head(model: type[Model], names: Sequence[str], connection: Any) -> str:
    quote = connection.ops.quote_name
    columns = ", ".join(quote(field.column) for field in _fields(model, names))
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns})"


def _tail(model: type[Model], connection: Any, on_conflict: OnConflict | None) -> str:
    if on_conflict is None:
        return ""
    if not on_conflict.updated:
        return " ON CONFLICT DO NOTHING"
    quote, meta = connection.ops.quote_name, model._meta
    fields: list[list[Any]] = [[meta.get_field(name) for name in names] for names in on_conflict]
    target, updated = ([quote(field.column) for field in some] for some in fields)
    settings = ", ".join(f"{column} = excluded.{column}" for column in updated)
    return f" ON CONFLICT ({', '.join(target)}) DO UPDATE SET {settings}"


def _run_many(
    model: type[Model], names: Sequence[str], rows: Sequence[Values], connection: Any, statement: tuple[str, str]
) -> None:
    """Run one prepared statement for each row, which takes SQLite no time."""
    head, tail = statement
    values = zip(*_columns(model, names, rows, connection), strict=True)
    with connection.cursor() as cursor:
        cursor.executemany(f"{head} VALUES ({', '.join(['%s'] * len(names))}){tail}", list(values))


def _run_once(
    model: type[Model],
    names: Sequence[str],
    rows: Sequence[Values],
    connection: Any,
    statement: tuple[str, str],
    on_conflict: OnConflict | None,
) -> list[object]:
    """
    Give PostgreSQL all rows as one JSON text; it inserts them in order, and gives the keys in that order.

    Not arrays: psycopg needs ten times as long to write them as Python to write JSON.
    """
    head, tail = statement
    pk: Any = model._meta.pk
    places = [f"c{number}" for number in range(len(names))]
    types = [array_type(field, connection) for field in _fields(model, names)]
    columns = ", ".join(f"{place} {kind}" for place, kind in zip(places, types, strict=True))
    returning = "" if on_conflict else f" RETURNING {connection.ops.quote_name(pk.column)}"
    query = f"{head} SELECT * FROM json_to_recordset(%s::json) AS given ({columns}){tail}{returning}"
    values = zip(*_columns(model, names, rows, connection), strict=True)
    given = json.dumps([dict(zip(places, row, strict=True)) for row in values], default=str)
    with connection.cursor() as cursor:
        cursor.execute(query, [given])
        return [] if on_conflict else [row[0] for row in cursor.fetchall()]


def _columns(model: type[Model], names: Sequence[str], rows: Sequence[Values], connection: Any) -> list[list[Any]]:
    return [prepared(field, [row[field.attname] for row in rows], connection) for field in _fields(model, names)]


def prepared(field: Any, values: Sequence[Any], connection: Any) -> list[Any]:
    """Give values of a column as the database driver takes them."""
    taken = types_taken_as_they_are(field)
    return [value if type(value) in taken else field.get_db_prep_save(value, connection) for value in values]
