"""Whether columns have the types that Django gives them: a table may have been made by somebody else."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, Final

# Column → type, by vendor.
_TYPES: Final = {
    "postgresql": (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = to_regclass(%s) AND attnum > 0"
    ),
    "mysql": (
        "SELECT column_name, column_type FROM information_schema.columns"
        " WHERE table_schema = database() AND table_name = %s"
    ),
}
# As Django writes types → as the database does.
_SPELLINGS: Final = {
    "postgresql": {"varchar": "character varying", "time": "time without time zone"},
    "mysql": {"integer": "int", "bool": "tinyint", "numeric": "decimal"},
}
_DISPLAY_WIDTH = re.compile(r"(?<=int)\(\d+\)")  # which MariaDB adds to the types of whole numbers


def catalogue_name(table: str, connection: Any) -> str:
    """Give a table as questions to the catalogue take it: ``to_regclass`` of PostgreSQL wants a quoted name."""
    return str(connection.ops.quote_name(table)) if connection.vendor == "postgresql" else table


def are_as_declared(fields: Iterable[Any], connection: Any) -> bool:
    """
    Whether each column has the type of its field.

    Args:
        fields: Of the columns.
        connection: To PostgreSQL, MariaDB or MySQL.

    Queries: one for each table.
    """
    spellings = _SPELLINGS[connection.vendor]
    tables: dict[str, dict[str, str]] = {}
    for field in fields:
        table = field.model._meta.db_table
        if table not in tables:
            tables[table] = _types(table, connection)
        if tables[table].get(field.column) != _spelled(field.db_type(connection) or "", spellings):
            return False
    return True


def _types(table: str, connection: Any) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(_TYPES[connection.vendor], [catalogue_name(table, connection)])
        return {name: _DISPLAY_WIDTH.sub("", kind) for name, kind in cursor.fetchall()}


def _spelled(kind: str, spellings: dict[str, str]) -> str:
    name, parenthesis, size = kind.replace(" AUTO_INCREMENT", "").partition("(")
    name, blank, sign = name.partition(" ") if name.endswith(" UNSIGNED") else (name, "", "")
    return spellings.get(name, name) + blank + sign.lower() + parenthesis + size.replace(", ", ",")
