"""
What a database holds before a measurement.

The database computes it from the numbers 0, 1, 2 … with SQL of its own: a million people take seconds, and no contender
has a part in it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from django.contrib.contenttypes.models import ContentType
from django.db import connection, transaction

from benchmarks.app import models

_SERIES = {
    "sqlite": "(WITH RECURSIVE numbers(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM numbers WHERE n < {last})"
    " SELECT n FROM numbers) AS numbers",
    "postgresql": "generate_series(0, {last}) AS numbers(n)",
    "mysql": "(SELECT seq AS n FROM seq_0_to_{last}) AS numbers",
}


class State(NamedTuple):
    """Objects of one model, and the columns that they have."""

    model: Any
    columns: dict[str, str]  # column → its value, as SQL of n
    key: str = ""  # SQL of n: the key in the system HR; none: no mapping


_PERSON = {
    "employee_id": "'E' || n",
    "first_name": "'First ' || n",
    "last_name": "'Last ' || n",
    "age": "n % 90",
    "email": "n || '@x.org'",
}
_PAIR = {"series": "'S' || (n - n % 1000)", "number": "'N' || (n % 1000)", "amount": "n % 90"}
STATES = {
    "people": State(models.Person, _PERSON, "'K' || n"),
    "half-blank people": State(models.Person, {**_PERSON, "age": "NULL", "email": "''"}, "'K' || n"),
    "received people": State(models.ReceivedPerson, _PERSON, "'K' || n"),
    "pairs": State(models.Pair, _PAIR),
}


def fill(name: str, rows: int, *, maps: bool) -> None:
    """Make so many objects of a state; ``maps``: and their mappings, for a contender that keeps some."""
    state = STATES[name]
    quote = connection.ops.quote_name
    series = _SERIES[connection.vendor].format(last=rows - 1)
    with transaction.atomic(), connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL session_replication_role = replica")  # no checks of foreign keys; by a superuser
        elif connection.vendor == "mysql":
            cursor.execute("SET SESSION sql_mode = CONCAT(@@sql_mode, ',PIPES_AS_CONCAT')")
        cursor.execute(
            f"INSERT INTO {quote(state.model._meta.db_table)} ({', '.join(map(quote, state.columns))})"
            f" SELECT {', '.join(state.columns.values())} FROM {series}"
        )
        if maps and state.key:
            _map(cursor, state, series)


def _map(cursor: Any, state: State, series: str) -> None:
    """Give each object its key. django-nsync 0.4 stores the primary key as a number, nsync as text."""
    from nsync.models import ExternalKeyMapping, ExternalSystem

    is_number = ExternalKeyMapping._meta.get_field("object_id").get_internal_type() == "PositiveIntegerField"
    object_id = "id" if is_number else "id || ''"
    table = connection.ops.quote_name(state.model._meta.db_table)
    cursor.execute(
        "INSERT INTO nsync_externalkeymapping (external_system_id, content_type_id, external_key, object_id)"
        f" SELECT %s, %s, {state.key.replace('%', '%%')}, {object_id}"
        f" FROM {series} JOIN {table} ON employee_id = {state.columns['employee_id']}",
        [
            ExternalSystem.objects.create(name="HR", description="HR").pk,
            ContentType.objects.get_for_model(state.model).pk,
        ],
    )


def settle() -> None:
    """
    Let the database finish what the preparation began, so that no measurement pays for it, and runs are comparable.

    PostgreSQL: statistics, visibility and a checkpoint; MariaDB: statistics. SQLite has written all when it commits,
    and gets no statistics, since hardly any project makes them.
    """
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
            cursor.execute("CHECKPOINT")  # by a superuser or a member of pg_checkpoint
        elif connection.vendor == "mysql":
            tables = connection.introspection.table_names(cursor)
            cursor.execute(f"ANALYZE TABLE {', '.join(map(connection.ops.quote_name, tables))}")
            cursor.fetchall()
