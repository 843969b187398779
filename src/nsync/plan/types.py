"""Whether columns of PostgreSQL have the types that Django gives them: a table may have been made by somebody else."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# As Django writes them → as PostgreSQL's format_type() does.
_SPELLINGS = {"varchar": "character varying", "time": "time without time zone"}


def are_as_declared(fields: Iterable[Any], connection: Any) -> bool:
    """
    Whether each column has the type of its field.

    Queries: one for each table.
    """
    tables: dict[str, dict[str, str]] = {}
    for field in fields:
        table = field.model._meta.db_table
        if table not in tables:
            tables[table] = _types(table, connection)
        if tables[table].get(field.column) != _spelled(field.db_type(connection) or ""):
            return False
    return True


def _types(table: str, connection: Any) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0",
            [connection.ops.quote_name(table)],
        )
        return dict(cursor.fetchall())


def _spelled(kind: str) -> str:
    name, parenthesis, size = kind.partition("(")
    return _SPELLINGS.get(name, name) + parenthesis + size.replace(", ", ",")
