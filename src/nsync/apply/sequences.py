"""Sequences of numbered primary keys: moved past the keys that rows bring along (rule C3)."""

from __future__ import annotations

from typing import Any

from django.core.management.color import no_style
from django.db import connections
from django.db.models import Model

from nsync.changes import Change
from nsync.fields import is_numbered_key


def move_sequence(change: Change, instance: Model, using: str) -> None:
    """
    See to it that the database gives nobody the number that an inserted row brought along.

    At once, and not when the run ends: a later row may have none, a run may be broken off after its first
    batches are committed, and sequences stand outside of transactions anyway.

    Queries: one on PostgreSQL for each row that brings its number; none on SQLite and MariaDB, which see to it.
    """
    for field in change.target.model._meta.concrete_fields:  # of a child model: the number is its parent's
        if field.attname in change.after and is_numbered_key(field):
            move_sequence_to(field, getattr(instance, field.attname), using)


def move_sequence_to(field: Any, number: int, using: str) -> None:
    """Do the same for the highest number of many rows."""
    connection = connections[using]
    model = field.model
    if connection.vendor == "postgresql":
        # Only ever forward. Django's sequence_reset_sql() goes to the highest number that this transaction sees:
        # back, perhaps, to numbers that others have taken, or that belonged to rows deleted since.
        move = "SELECT setval(name, %s) FROM pg_get_serial_sequence(%s, %s) AS name WHERE nextval(name) < %s"
        with connection.cursor() as cursor:
            cursor.execute(move, [number, connection.ops.quote_name(model._meta.db_table), field.column, number])
        return
    for statement in connection.ops.sequence_reset_sql(no_style(), [model]):
        with connection.cursor() as cursor:
            cursor.execute(statement)
