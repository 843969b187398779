"""The queries by which a `Prover` compares rows with what is stored, as MariaDB takes them."""

from __future__ import annotations

from typing import Any

from django.db.models import Model

from nsync.fields import concrete_model, field_of, held_field, is_text
from nsync.models import ExternalKeyMapping
from nsync.plan.paths import final_field
from nsync.plan.proofsql import ROWS, TOUCHED, Comparison
from nsync.plan.texts import EXACT, exact

_CHARACTERS = f"CHARACTER SET utf8mb4 COLLATE {EXACT} NOT NULL"
_KEY = ExternalKeyMapping._meta.get_field("external_key")
_INDEXES = (  # columns that an index begins with, and its name
    "SELECT column_name, index_name FROM information_schema.statistics"
    " WHERE table_schema = database() AND table_name = %s AND seq_in_index = 1"
)
_COLLATIONS = (
    "SELECT column_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = database() AND table_name = %s AND collation_name IS NOT NULL"
)
_PREFIX = 100  # characters of match values in an index, which holds at most 3072 bytes


class MariaComparison(Comparison):
    """
    Makes the statements for one source.

    MariaDB joins row by row, so each join needs an index: a column is compared in the collation that its index has, and
    then letter for letter. Its client would keep a whole answer in memory, so the queries give one page: rows after
    number ``%s``, at most ``%s``.
    """

    _length = "char_length"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._catalogue: dict[tuple[str, str], dict[str, str]] = {}  # query and table → what it says of columns

    def tables(self, width: int) -> list[str]:
        """Give the statements that make the temporary tables; not with CREATE INDEX, which commits."""
        cells = ", ".join(f"c{position} longtext {_CHARACTERS}" for position in range(width))
        values = self.touched_columns[3:]
        texts = "".join(f", {name} longtext {_CHARACTERS}" for name in values)
        index = f", KEY ({', '.join(f'{name}({_PREFIX})' for name in values[:7])})" if values else ""
        return [
            f"CREATE OR REPLACE TEMPORARY TABLE {ROWS} (n integer PRIMARY KEY, {cells})",
            f"CREATE OR REPLACE TEMPORARY TABLE {TOUCHED} (n integer PRIMARY KEY, o varchar(255) {_CHARACTERS}, "
            f"k longtext {_CHARACTERS}{texts}, KEY (o), KEY (k({_PREFIX})){index})",
        ]

    def drops(self) -> list[str]:
        """Give the statements that drop the temporary tables; without TEMPORARY they would commit."""
        return [f"DROP TEMPORARY TABLE IF EXISTS {table}" for table in (TOUCHED, ROWS)]

    def unproved(self) -> str:
        """Give the query, as `Comparison.unproved`, of one page."""
        return self._page(super().unproved())

    def neighbours(self) -> str:
        """Give the query, as `Comparison.neighbours`, of one page."""
        sketch, joins, found = self._sketch, f"LEFT JOIN {TOUCHED} t ON t.n = s.n", []
        if sketch.key is not None:
            table = self._quote(ExternalKeyMapping._meta.db_table)
            joins += f" LEFT JOIN {table} m ON {self._is_mapping('m', self._system, self._model, self._key)}"
            found += [_is_touched({"k": self._key}), _is_touched({"o": "m.object_id"})]
        if sketch.match:
            found.append(_is_touched(dict(zip(self.touched_columns[3:], self._match_cells(), strict=True))))
        return self._page(f"SELECT {self._shown()} FROM {ROWS} s {joins} WHERE t.n IS NULL AND ({' OR '.join(found)})")

    @staticmethod
    def _page(query: str) -> str:
        return f"{query.replace('SELECT', 'SELECT STRAIGHT_JOIN', 1)} AND s.n > %s ORDER BY s.n LIMIT %s"

    def is_as_declared(self) -> bool:
        """
        Whether the columns that are compared have the types that Django gives them, and those that are joined an index.

        Queries: three for each table.
        """
        pk: Any = self._model._meta.pk
        sketch = self._sketch
        joined = [pk] if sketch.key is not None else [field_of(self._model, name) for name in sketch.match]
        if not any(map(self._is_indexed, joined)):
            return False
        for reference in sketch.references:
            if not reference.system:
                field = final_field(concrete_model(reference.relation.related_model), reference.path)
                if not self._is_indexed(field):
                    return False
                joined.append(field)
            joined.append(reference.relation.field)
        joined.append(_KEY)
        return all(map(self._can_be_joined, joined)) and super().is_as_declared()

    def _is_indexed(self, field: Any) -> bool:
        """Whether an index begins with a column."""
        return field.column in self._told(_INDEXES, field)

    def _can_be_joined(self, field: Any) -> bool:
        kind = held_field(field)
        if is_text(kind):
            return self._collation(field).startswith("utf8mb4_")
        return "Integer" in kind.get_internal_type() or "AutoField" in kind.get_internal_type()

    def _collation(self, field: Any) -> str:
        """Give the collation of a column of text."""
        return self._told(_COLLATIONS, field).get(field.column, "")

    def _told(self, query: str, field: Any) -> dict[str, str]:
        """Ask the catalogue for the columns of a field's table. Queries: one for each table, the first time."""
        asked = query, field.model._meta.db_table
        if asked not in self._catalogue:
            with self._connection.cursor() as cursor:
                cursor.execute(query, [asked[1]])
                self._catalogue[asked] = dict(cursor.fetchall())
        return self._catalogue[asked]

    def _is_mapping(self, alias: str, system: str, model: type[Model], key: str) -> str:
        held = f"{alias}.external_key"
        as_stored = f"{key} COLLATE {self._collation(_KEY)}"
        return f"{self._is_of(alias, system, model)} AND {held} = {as_stored} AND {exact(held)} = {exact(key)}"

    def _is_meant(self, alias: str, field: Any, text: str) -> str:
        column = self._column(alias, field)
        if is_text(held_field(field)):
            return f"({column} = {text} COLLATE {self._collation(field)} AND {exact(column)} = {exact(text)})"
        return f"({column} = CAST({text} AS SIGNED) AND {exact(f'CAST({column} AS CHAR)')} = {exact(text)})"

    def _are_alike(self, column: str, other: str, field: Any) -> str:
        return f"{exact(column)} = {exact(other)}" if is_text(held_field(field)) else f"{column} = {other}"


def _is_touched(values: dict[str, str]) -> str:
    """Give the condition that a touched row has some values."""
    same = " AND ".join(f"x.{name} = {exact(value)}" for name, value in values.items())
    return f"EXISTS (SELECT 1 FROM {TOUCHED} x WHERE {same})"
