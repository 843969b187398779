"""Which of the unique columns of a model the database really guards: Django leaves out what a database cannot do."""

from __future__ import annotations

from typing import Final

from django.db import connections
from django.db.models import Model

from nsync.fields import field_of
from nsync.plan.claims import unique_columns
from nsync.plan.types import catalogue_name

# Index and column of every unique index of a table, but for indexes of only some rows, and of expressions.
_UNIQUE: Final = {
    "sqlite": (
        "SELECT indexes.name, columns.name"
        " FROM pragma_index_list(%s) AS indexes, pragma_index_info(indexes.name) AS columns"
        ' WHERE indexes."unique" AND NOT indexes.partial'
    ),
    "postgresql": (
        "SELECT indexrelid, attname FROM pg_index"
        " JOIN pg_attribute ON attrelid = indrelid AND attnum = ANY((indkey::int2[])[0:indnkeyatts - 1])"
        " WHERE indrelid = to_regclass(%s)"
        " AND indisunique AND indisvalid AND indpred IS NULL AND indexprs IS NULL"
    ),
    "mysql": (
        "SELECT index_name, column_name FROM information_schema.statistics"
        " WHERE table_schema = database() AND table_name = %s AND NOT non_unique"
    ),
}


def enforced_columns(model: type[Model], using: str) -> tuple[tuple[str, ...], ...]:
    """
    Give the sets of columns, by attname, of which no two objects hold the same values, if none of them is NULL.

    A deferrable constraint is silently none on SQLite and MariaDB, for example, and the table of an unmanaged model is
    what somebody else has made.

    Queries: one, of the database's catalogue; none if the model says of no columns that they are unique.
    """
    declared = unique_columns(model)
    connection = connections[using]
    if not declared or connection.vendor not in _UNIQUE:
        return ()
    indexes: dict[object, set[object]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_UNIQUE[connection.vendor], [catalogue_name(model._meta.db_table, connection)])
        for index, column in cursor.fetchall():
            indexes.setdefault(index, set()).add(column)
    guarded = list(indexes.values())
    return tuple(
        names
        for names in declared
        if names == (model._meta.pk.attname,) or {field_of(model, name).column for name in names} in guarded
    )
