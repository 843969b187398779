"""NamedKeys: the keys that a snapshot names, and the mappings of its system that it does not."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db import connections

from nsync.copying import can_copy, copy_in
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping

_AT_ONCE = 5_000  # rows that are sent, or asked for, together
_ASKED = 500  # keys that are asked about together


class NamedKeys:
    """
    Compares the keys of a snapshot with the mappings of its system, in two temporary tables of the database.

    In the database, and not here, because a million keys would fill the memory.

    Args:
        identities: Knows the database.
        number: Tells the tables of several snapshots apart.

    Queries: two to make the tables, one or two to drop each; one for the keys, or, where there is no COPY, one for each
    five thousand; one to three to compare; one for each five thousand keys that are not named; one for each five
    hundred that are asked about.
    """

    def __init__(self, identities: Identities, number: int) -> None:
        self._identities = identities
        self._connection: Any = connections[identities.using]
        self._named = f"nsync_named_{number}"
        self._unnamed = f"nsync_unnamed_{number}"

    def make(self) -> None:
        """Make the tables."""
        text, counter = _types(self._connection)
        self.drop()
        unique = "" if self._connection.vendor == "postgresql" else " PRIMARY KEY"  # COPY knows no IGNORE
        self._execute(f"CREATE TEMPORARY TABLE {self._named} (k {text} NOT NULL{unique})")
        self._execute(f"CREATE TEMPORARY TABLE {self._unnamed} (n {counter}, k {text} NOT NULL)")

    def drop(self) -> None:
        """Remove the tables, if they are there."""
        schema = {"postgresql": "pg_temp.", "sqlite": "temp."}.get(self._connection.vendor, "")
        temporary = "TEMPORARY " if self._connection.vendor == "mysql" else ""  # which commits nothing
        for table in (self._named, self._unnamed):
            self._execute(f"DROP {temporary}TABLE IF EXISTS {schema}{table}")

    def add(self, keys: Sequence[str]) -> None:
        """Take note of keys that are named."""
        if not keys:
            return
        if can_copy(self._connection):
            copy_in(self._connection, f"COPY {self._named} (k) FROM STDIN", [_copied(keys)])
            return
        # Of PostgreSQL, the table has no key (see `make`).
        ignoring = {"sqlite": "INSERT OR IGNORE", "postgresql": "INSERT"}.get(self._connection.vendor, "INSERT IGNORE")
        with self._connection.cursor() as cursor:
            for start in range(0, len(keys), _AT_ONCE):
                rows = [(key,) for key in keys[start : start + _AT_ONCE]]
                cursor.executemany(f"{ignoring} INTO {self._named} (k) VALUES (%s)", rows)

    def compare(self, system: str, model: Any, after: str = "") -> None:
        """
        Find the mappings of a system and a concrete model that are not named, once for all.

        Without those whose key is empty: no row could name them.

        Args:
            system, model: Whose mappings.
            after: Only those whose key comes after this one, as the database sorts them; they are given in that order.
        """
        numbers = self._identities.system(system), self._identities.known_content_type(model)
        if not all(numbers):
            return
        if self._connection.vendor == "postgresql":
            # It would rather hash; but where it takes the mappings for few, it would read all names for each of them.
            self._execute(f"CREATE INDEX ON {self._named} (k)")
            self._execute(f"ANALYZE {self._named}")  # a new table is taken for a small one
        mappings = self._connection.ops.quote_name(ExternalKeyMapping._meta.db_table)
        self._execute(
            f"INSERT INTO {self._unnamed} (k) SELECT m.external_key FROM {mappings} m "
            "WHERE m.external_system_id = %s AND m.content_type_id = %s AND m.external_key <> '' "
            f"{'AND m.external_key > %s ' if after else ''}"
            f"AND NOT EXISTS (SELECT 1 FROM {self._named} named WHERE named.k = m.external_key) "
            "ORDER BY m.external_key",
            (*numbers, after) if after else numbers,
        )

    def unnamed(self) -> Iterator[str]:
        """Give the keys that were found; what they map may be removed while this goes on."""
        last = 0
        query = f"SELECT n, k FROM {self._unnamed} WHERE n > %s ORDER BY n LIMIT {_AT_ONCE}"
        while True:
            with self._connection.cursor() as cursor:
                cursor.execute(query, [last])
                rows = cursor.fetchall()
            yield from (key for _, key in rows)
            if len(rows) < _AT_ONCE:
                return
            last = rows[-1][0]

    def named(self, keys: Sequence[str]) -> set[str]:
        """Give those of some keys that are named."""
        found: set[str] = set()
        for start in range(0, len(keys), _ASKED):
            part = keys[start : start + _ASKED]
            with self._connection.cursor() as cursor:
                marks = ", ".join(["%s"] * len(part))
                cursor.execute(f"SELECT k FROM {self._named} WHERE k IN ({marks})", part)
                found.update(key for (key,) in cursor.fetchall())
        return found

    def _execute(self, sql: str, params: Iterable[object] = ()) -> None:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, list(params) or None)


def _types(connection: Any) -> tuple[str, str]:
    """Give the column types of a key, compared exactly (rule I1), and of a counter."""
    length = ExternalKeyMapping._meta.get_field("external_key").max_length
    if connection.vendor == "postgresql":
        return "text", "bigserial PRIMARY KEY"
    if connection.vendor == "mysql":
        text = f"varchar({length}) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin"
        return text, "bigint AUTO_INCREMENT PRIMARY KEY"
    return "text", "integer PRIMARY KEY"


def _copied(keys: Iterable[str]) -> str:
    """Give keys as lines of PostgreSQL's text format (https://www.postgresql.org/docs/current/sql-copy.html)."""
    marks = str.maketrans({"\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"})
    return "".join(f"{key.translate(marks)}\n" for key in keys)
