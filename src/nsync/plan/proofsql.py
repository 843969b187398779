"""The queries by which a `Prover` compares rows with what is stored; as PostgreSQL and SQLite take them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db import connections
from django.db.models import Model

from nsync.columns import Cell, Sketch, SketchedReference
from nsync.fields import concrete_model, field_of, held_field, is_text
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping
from nsync.options import SyncOptions
from nsync.plan.enforced import enforced_columns
from nsync.plan.paths import final_field
from nsync.plan.texts import is_trimmed, quoted, same_text, trimmed
from nsync.plan.types import are_as_declared

ROWS = "nsync_rows"  # n: number from 1; c0, c1 …: the cells
_KEY_LENGTH = ExternalKeyMapping._meta.get_field("external_key").max_length
TOUCHED = "nsync_touched"  # n: of a row that is not proved; o: what its key means; k: the key; v0, v1 …: match values


class Comparison:
    """
    Makes the statements for one source.

    Args:
        identities: Knows the database.
        model: The concrete model of the source.
        system: Whose keys the source has.
        sketch: What most rows ask for.
        options: Of the run.
    """

    _length = "length"  # in characters

    def __init__(
        self, identities: Identities, model: type[Model], system: str, sketch: Sketch, options: SyncOptions
    ) -> None:
        self._identities = identities
        self._connection: Any = connections[identities.using]
        self._model = model
        self._system = system
        self._sketch = sketch
        self._options = options
        self._quote: Callable[[str], str] = self._connection.ops.quote_name

    def tables(self, width: int) -> list[str]:
        """Give the statements that make the temporary tables, for rows of so many cells."""
        number = "n integer PRIMARY KEY"
        if self._connection.vendor == "postgresql":
            number = "n integer GENERATED ALWAYS AS IDENTITY"
        cells = ", ".join(f"c{position} text NOT NULL" for position in range(width))
        touched, *names = self.touched_columns
        columns = ", ".join(f"{name} text" for name in names)
        return [
            f"CREATE TEMPORARY TABLE {ROWS} ({number}, {cells})",
            f"CREATE TEMPORARY TABLE {TOUCHED} ({touched} integer PRIMARY KEY, {columns})",
        ]

    def drops(self) -> list[str]:
        """Give the statements that drop the temporary tables."""
        return [f"DROP TABLE {table}" for table in (TOUCHED, ROWS)]

    def unproved(self) -> str:
        """
        Give the query for the rows that may change something.

        Its columns: number, object id that the key means, key, flags, match_on, match cells.
        """
        return f"SELECT {self._shown()} FROM {ROWS} s {self._joins()} WHERE ({self.condition()}) IS NOT TRUE"

    def _shown(self) -> str:
        sketch = self._sketch
        cells = [sketch.flags_cell, sketch.match_cell, *(self._cell_of(name) for name in sketch.match)]
        own = [self._meant(), self._key] if sketch.key is not None else ["''", "''"]
        return ", ".join(["s.n", *own, *(self._cell(cell) if cell is not None else "''" for cell in cells)])

    def _meant(self) -> str:
        """Give the id of the object that a row's key means; the key of a row in doubt may have blanks around it."""
        table = self._quote(ExternalKeyMapping._meta.db_table)
        key = trimmed(self._key, self._connection)
        other = f"SELECT x.object_id FROM {table} x WHERE {self._is_mapping('x', self._system, self._model, key)}"
        return f"CASE WHEN {is_trimmed(self._key, self._connection)} THEN m.object_id ELSE ({other}) END"

    @cached_property
    def _key(self) -> str:
        """Give the cell of a row's key, which is the key if it has no blanks around it (I1)."""
        assert self._sketch.key is not None
        return self._cell(self._sketch.key)

    @property
    def touched_columns(self) -> list[str]:
        """Give the names of the columns of the table of what rows may act upon."""
        return ["n", "o", "k", *(f"v{number}" for number in range(len(self._sketch.match)))]

    def neighbours(self) -> str:
        """Give the query, as `unproved`, for more rows with the key, the match values or the object of touched ones."""
        sketch, parts = self._sketch, []
        joins = f"LEFT JOIN {TOUCHED} t ON t.n = s.n"
        if sketch.key is not None:
            table = self._quote(ExternalKeyMapping._meta.db_table)
            others = (  # in this order: SQLite would go through all mappings for each touched row
                f"SELECT other.external_key FROM {TOUCHED} t CROSS JOIN {table} other "
                f"WHERE {self._is_of('other', self._system, self._model)} AND other.object_id = t.o"
            )
            parts.append(f"SELECT s.* FROM {ROWS} s WHERE {self._key} IN (SELECT k FROM {TOUCHED} UNION {others})")
            joins += f" LEFT JOIN {table} m ON {self._is_mapping('m', self._system, self._model, self._key)}"
        if sketch.match:
            touched = f"SELECT {', '.join(self.touched_columns[3:])} FROM {TOUCHED}"
            parts.append(f"SELECT s.* FROM {ROWS} s WHERE ({', '.join(self._match_cells())}) IN ({touched})")
        return f"SELECT {self._shown()} FROM ({' UNION ALL '.join(parts)}) s {joins} WHERE t.n IS NULL"

    def _match_cells(self) -> list[str]:
        return [self._cell(self._cell_of(name)) for name in self._sketch.match]

    def _cell(self, cell: Cell) -> str:
        return f"s.c{cell.position}" if cell.position >= 0 else quoted(cell.constant, self._connection)

    def _cell_of(self, attname: str) -> Cell:
        return next(cell for cell, name in self._sketch.fields if name == attname)

    def _column(self, alias: str, field: Any) -> str:
        return f"{alias}.{self._quote(field.column)}"

    def _joins(self) -> str:
        pk: Any = self._model._meta.pk
        table = self._quote(self._model._meta.db_table)
        mappings = self._quote(ExternalKeyMapping._meta.db_table)
        joins = []
        if self._sketch.key is not None:
            joins.append(f"LEFT JOIN {mappings} m ON {self._is_mapping('m', self._system, self._model, self._key)}")
            joins.append(f"LEFT JOIN {table} o ON {self._is_meant('o', pk, 'm.object_id')}")
        else:
            matches = " AND ".join(map(self._is_matched, self._sketch.match))
            joins.append(f"LEFT JOIN {table} o ON {matches}")
        if not self._is_alone_anyway():
            names = [self._quote(field_of(self._model, name).column) for name in self._sketch.match]
            listed = ", ".join(names)
            several = f"SELECT {listed} FROM {table} GROUP BY {listed} HAVING count(*) > 1"
            on = " AND ".join(f"several.{name} = o.{name}" for name in names)
            joins.append(f"LEFT JOIN ({several}) several ON {on}")
        for number, reference in enumerate(self._sketch.references):
            joins.append(self._reference_join(number, reference))
        return " ".join(joins)

    def _is_of(self, alias: str, system: str, model: type[Model]) -> str:
        """Give the condition that a mapping is of a system and a model."""
        numbers = self._identities.system(system), self._identities.content_type(model)
        return f"{alias}.external_system_id = {numbers[0]} AND {alias}.content_type_id = {numbers[1]}"

    def _is_mapping(self, alias: str, system: str, model: type[Model], key: str) -> str:
        """Give the condition that a mapping is that of a key."""
        return f"{self._is_of(alias, system, model)} AND {alias}.external_key = {key}"

    def _is_meant(self, alias: str, field: Any, text: str) -> str:
        """Give the condition that a text, of a mapping or a cell, is what a column holds, as an index may find it."""
        column, kind = self._column(alias, field), held_field(field)
        if is_text(kind):
            return f"{column} = {text}"
        if self._connection.vendor == "postgresql":
            return f"{column}::text = {text}"
        if kind.get_internal_type() == "UUIDField":
            return f"({column} = replace({text}, '-', '') AND {text} GLOB '????????-????-????-????-????????????')"
        return f"({column} = CAST({text} AS INTEGER) AND CAST({column} AS TEXT) = {text})"

    def _is_matched(self, attname: str) -> str:
        """Give the condition that a cell says what a column holds, in a form for which there may be an index."""
        field = field_of(self._model, attname)
        if not _is_simple(held_field(field)):
            return self._same(attname)
        return self._is_meant("o", field, self._cell(self._cell_of(attname)))

    def _reference_join(self, number: int, reference: SketchedReference) -> str:
        related = concrete_model(reference.relation.related_model)
        cell = self._cell(reference.cell)
        if reference.system:
            mappings = self._quote(ExternalKeyMapping._meta.db_table)
            on = self._is_mapping(f"r{number}", reference.system, related, cell)
            return f"LEFT JOIN {mappings} r{number} ON {on}"
        table = self._quote(related._meta.db_table)
        return (
            f"LEFT JOIN {table} r{number} ON {self._is_meant(f'r{number}', final_field(related, reference.path), cell)}"
        )

    def _is_alone_anyway(self) -> bool:
        """Whether nobody asks if the match finds another object, or a constraint forbids that."""
        sketch = self._sketch
        is_asked = sketch.key is None or (sketch.flags.update and sketch.flags.force)
        return not (is_asked and sketch.match) or any(set(names) <= set(sketch.match) for names in self._enforced)

    @cached_property
    def _enforced(self) -> tuple[tuple[str, ...], ...]:
        return enforced_columns(self._model, self._identities.using)

    def _same(self, attname: str) -> str:
        field = field_of(self._model, attname)
        cell = self._cell(self._cell_of(attname))
        return same_text(field, self._column("o", field), cell, self._connection, self._options)

    def is_as_declared(self) -> bool:
        """
        Whether the columns that are compared have the types that Django gives them.

        A column of a wider type may hold what no cell may say (V4), and texts of another type mean something else.

        Queries: one for each table; none on SQLite, which has no such types.
        """
        if self._connection.vendor == "sqlite":
            return True
        sketch = self._sketch
        fields = [self._model._meta.pk, *(field_of(self._model, attname) for _, attname in sketch.fields)]
        for reference in sketch.references:
            related = concrete_model(reference.relation.related_model)
            fields += [reference.relation.field, related._meta.pk]
            if reference.path:
                fields.append(final_field(related, reference.path))
        return are_as_declared(fields, self._connection)

    def condition(self) -> str:
        """Give the condition that a row changes nothing; "" if it cannot be said."""
        sketch = self._sketch
        found = [f"{self._column('o', self._model._meta.pk)} IS NOT NULL"]
        if sketch.key is not None:
            found.append(f"{self._key} <> ''")
            found.append(f"{self._length}({self._key}) <= {_KEY_LENGTH}")  # SQLite holds longer ones
            found.append(is_trimmed(self._key, self._connection))
        if sketch.flags_cell is not None:
            found.append(f"{self._cell(sketch.flags_cell)} = {quoted(sketch.flags_text, self._connection)}")
        if sketch.match_cell is not None:
            found.append(f"{self._cell(sketch.match_cell)} = {quoted(sketch.match_text, self._connection)}")
        found += [f"{self._cell(self._cell_of(name))} <> ''" for name in sketch.match]
        if not self._is_alone_anyway():
            first = self._quote(field_of(self._model, sketch.match[0]).column)
            found.append(f"several.{first} IS NULL")
        found += [self._same(attname) for _, attname in sketch.fields]
        found += [self._is_referred_to(number, one) for number, one in enumerate(sketch.references)]
        return " AND ".join(found) if all(found) else ""

    def _is_referred_to(self, number: int, reference: SketchedReference) -> str:
        """Give the condition that the foreign key points to what the cell says; "" if it cannot be said."""
        relation = reference.relation
        related = concrete_model(relation.related_model)
        held = self._column("o", relation.field)
        cell = self._cell(reference.cell)
        pk: Any = related._meta.pk
        if not relation.field.db_constraint:
            return ""
        if reference.system:
            if relation.field.target_field is not pk or not _is_simple(pk):
                return ""
            trimmed_cell = is_trimmed(cell, self._connection)
            is_meant = self._is_meant("o", relation.field, f"r{number}.object_id")
            return f"({cell} = '' OR ({is_meant} AND {trimmed_cell}))"
        field = final_field(related, reference.path)
        if "__" in reference.path or not field.unique or not _is_simple(held_field(field)):
            return ""
        same = same_text(field, self._column(f"r{number}", field), cell, self._connection, self._options)
        target = self._column(f"r{number}", relation.field.target_field)
        return f"({cell} = '' OR ({self._are_alike(held, target, relation.field)} AND {same}))" if same else ""

    def _are_alike(self, column: str, other: str, field: Any) -> str:
        """Give the condition that two columns, of a foreign key and of what it points to, hold the same."""
        return f"{column} = {other}"


def _is_simple(field: Any) -> bool:
    kind = field.get_internal_type()
    return is_text(field) or kind == "UUIDField" or "Integer" in kind or "AutoField" in kind
