"""COPY: many rows to PostgreSQL in one stream, which Django does not know."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache, partial
from typing import Any


def can_copy(connection: Any) -> bool:
    """Whether `copy_in` works on a connection: it needs PostgreSQL and psycopg 3."""
    return connection.vendor == "postgresql" and _has_psycopg3()


@cache
def _has_psycopg3() -> bool:
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    return bool(is_psycopg3)


def copy_in(connection: Any, statement: str, pieces: Iterable[str]) -> None:
    """
    Run a ``COPY … FROM STDIN`` with the text that it reads.

    Raises:
        DatabaseError: As for any statement.

    Queries: one, which execute wrappers are told of.
    """
    run: Any = _copy
    for wrapper in reversed(connection.execute_wrappers):
        run = partial(wrapper, run)
    with connection.cursor() as cursor, connection.wrap_database_errors:
        run(statement, pieces, False, {"connection": connection, "cursor": cursor})


def _copy(statement: str, pieces: Iterable[str], many: bool, context: Any) -> None:
    with context["cursor"].copy(statement) as copy:
        for piece in pieces:
            copy.write(piece)
