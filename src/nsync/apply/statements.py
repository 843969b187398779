"""INSERT statements for many rows, where they cost less than ``bulk_create``: on SQLite and PostgreSQL."""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import DateTimeField, DurationField, Max, Model

from nsync.apply.fold import Values
from nsync.fields import has_db_default, is_plain, is_text, is_untouched, prepared, types_taken_as_they_are
from nsync.rowsin import array_type, parts_of_text

LISTS_AT_ONCE = 1_000


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
    return can_be_one_text([field for field in model._meta.local_concrete_fields if not field.generated])


def can_be_one_text(fields: Sequence[Any]) -> bool:
    """Whether the values of columns can be given to PostgreSQL as one JSON text (see `as_one_text`)."""
    return all(
        (is_plain(field) or _is_plain_text(field) or (isinstance(field, DateTimeField) and is_untouched(field)))
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
    number = last_number(numbered, using)
    for row in rows:
        number = max(number, row.setdefault(numbered.attname, number + 1))


def last_number(numbered: Any, using: str) -> int:
    """
    Give the highest number that SQLite has given an object: nobody else writes while this transaction does.

    Queries: two.
    """
    model = numbered.model
    with connections[using].cursor() as cursor:
        cursor.execute("SELECT seq FROM sqlite_sequence WHERE name = %s", [model._meta.db_table])
        last = cursor.fetchone()
    highest = model._base_manager.using(using).aggregate(highest=Max(numbered.attname))["highest"]
    return max(last[0] if last else 0, highest or 0)


def insert_columns(model: type[Model], fields: Sequence[Any], values: Sequence[Sequence[Any]], using: str) -> None:
    """
    Insert rows into a table of SQLite.

    Args:
        model: One that `can_insert_values`.
        fields: Of the columns.
        values: One sequence per column.
        using: Alias of the database.

    Queries: one (``executemany``).
    """
    connection = connections[using]
    columns = [prepared(field, column, connection) for field, column in zip(fields, values, strict=True)]
    head = _head(model, [field.attname for field in fields], connection)
    with connection.cursor() as cursor:
        cursor.executemany(f"{head} VALUES ({', '.join(['%s'] * len(fields))})", list(zip(*columns, strict=True)))


def can_insert_lists(model: type[Model], connection: Any) -> bool:
    """Whether `insert_lists` can write rows of a model: on MariaDB, which gives primary keys back, unlike MySQL."""
    returns_keys = connection.features.can_return_rows_from_bulk_insert
    return connection.vendor == "mysql" and returns_keys and all(map(is_untouched, model._meta.local_concrete_fields))


def insert_lists(
    model: type[Model], fields: Sequence[Any], values: Sequence[Sequence[Any]], connection: Any
) -> list[object]:
    """
    Insert rows into a table of MariaDB.

    Args:
        model: One that `can_insert_lists`.
        fields: Of the columns.
        values: One sequence per column.
        connection: To the database.

    Returns:
        The primary keys.

    Queries: one per thousand rows or million characters.
    """
    columns = [prepared(field, column, connection) for field, column in zip(fields, values, strict=True)]
    head = _head(model, [field.attname for field in fields], connection)
    one = f"({', '.join(['%s'] * len(fields))})"
    returning = f"RETURNING {connection.ops.quote_name(model._meta.pk.column or '')}"
    pks: list[object] = []
    with connection.cursor() as cursor:
        for part in parts_of_text(columns, LISTS_AT_ONCE):
            given = [value for row in zip(*part, strict=True) for value in row]
            cursor.execute(f"{head} VALUES {', '.join([one] * len(part[0]))} {returning}", given)
            pks += [pk for (pk,) in cursor.fetchall()]
    return pks


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
    """Give PostgreSQL all rows as one JSON text; it inserts them in order, and gives the keys in that order."""
    head, tail = statement
    pk: Any = model._meta.pk
    fields = _fields(model, names)
    given = as_one_text(fields, [[row[field.attname] for row in rows] for field in fields], connection)
    returning = "" if on_conflict else f" RETURNING {connection.ops.quote_name(pk.column)}"
    with connection.cursor() as cursor:
        cursor.execute(f"{head} SELECT * FROM {given.table}{tail}{returning}", [given.parameter])
        return [] if on_conflict else [row[0] for row in cursor.fetchall()]


def _is_plain_text(field: Any) -> bool:
    return is_text(field) and bool(types_taken_as_they_are(field))


class OneText(NamedTuple):
    """Many rows as one parameter of a statement."""

    table: str  # in SQL, called "nsync_given", with columns c0, c1 …
    parameter: str


def as_one_text(fields: Sequence[Any], values: Sequence[Sequence[Any]], connection: Any) -> OneText:
    """
    Give rows to PostgreSQL as one JSON text.

    Not arrays: psycopg needs ten times as long to write them as Python to write JSON.

    Args:
        fields: Of the columns.
        values: One sequence per column.
        connection: To the database.
    """
    places = [f"c{number}" for number in range(len(fields))]
    types = [array_type(field, connection) for field in fields]
    columns = ", ".join(f"{place} {kind}" for place, kind in zip(places, types, strict=True))
    rows = zip(
        *(prepared(field, column, connection) for field, column in zip(fields, values, strict=True)), strict=True
    )
    text = json.dumps([dict(zip(places, row, strict=True)) for row in rows], default=str)
    return OneText(f"json_to_recordset(%s::json) AS nsync_given ({columns})", text)


def _columns(model: type[Model], names: Sequence[str], rows: Sequence[Values], connection: Any) -> list[Sequence[Any]]:
    return [prepared(field, [row[field.attname] for row in rows], connection) for field in _fields(model, names)]
