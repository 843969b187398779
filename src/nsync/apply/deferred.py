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
    if not connection.features.can_defer_constraint_checks:
        return
    if connection.vendor == "postgresql" and getattr(connection.connection, "prepare_threshold", None) is None:
        with connection.cursor() as cursor:  # as check_constraints(), in one round trip; unless psycopg prepares it
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        return
    tables = _unguarded_tables(changes)
    if tables or connection.vendor == "postgresql":  # SQLite scans the tables that are named: they must be few
        connection.check_constraints(table_names=tables)


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
