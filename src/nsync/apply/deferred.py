"""Deferred constraints, checked before the next row or batch, so that COMMIT has nothing left to refuse."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.db import connections
from django.db.models import DO_NOTHING

from nsync.changes import Change, ChangeKind
from nsync.fields import relations_to


def check_deferred(changes: Iterable[Change], using: str) -> None:
    """
    Have the database check what it would check at COMMIT.

    Queries: one on PostgreSQL; on SQLite, which must scan for it, none but where something may point to nothing.
    """
    connection = connections[using]
    if connection.vendor == "postgresql":
        check_postgresql(connection)
    elif connection.features.can_defer_constraint_checks and (tables := _unguarded_tables(changes)):
        connection.check_constraints(table_names=tables)  # SQLite scans the tables that are named: they must be few


def check_postgresql(connection: Any) -> None:
    """Have PostgreSQL check at once what it has deferred."""
    if getattr(connection.connection, "prepare_threshold", None) is not None:  # psycopg would prepare two statements
        connection.check_constraints()
        return
    with connection.cursor() as cursor:  # as check_constraints(), in one round trip
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")


def _unguarded_tables(changes: Iterable[Change]) -> list[str]:
    """Name the tables whose rows may point to nothing now: ``DO_NOTHING``, or another value of their ``to_field``."""
    relations: set[Any] = set()
    for change in changes:
        if change.kind is ChangeKind.DELETE:
            for model in {other.model for other in change.others}:
                relations.update(other for other in relations_to(model) if other.on_delete is DO_NOTHING)
        elif change.kind is ChangeKind.UPDATE:
            relations.update(
                other
                for other in relations_to(change.target.model)
                if any(field.attname in change.after for field in other.field.foreign_related_fields)
            )
    return sorted({relation.related_model._meta.db_table for relation in relations})
