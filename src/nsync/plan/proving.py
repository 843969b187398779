"""
Prover: which rows of a source change nothing, found by the database before any of them is planned.

The rows are put into a temporary table as they stand in the file, and compared with what is stored. A row is proved if

- it asks for what most rows ask for: create, update or both, by the same match;
- its key, cell for cell, has a mapping to an object that is there (without keys: its match finds an object);
- each cell says, in text compared exactly, what the object's column holds; so the match finds that object; and for a
  forced update, or without keys, it finds no other (I6, A4);
- each reference is empty, or finds one object, which the foreign key points to.

The planner would call it unchanged (A1, A3, A7), in the state of the moment. But it might meet another state, if rows
before it change something: those that are not proved. So a row that has the key or the match values of such a row, or
whose object another key of such a row means, is not proved either. What else can those do to it? They write objects of
this model and mappings, nothing else, and ask for the same kind of action: they change their own object, linked or
matched, create one with match values that no proved row has, or remove a matched one (A4). What goes along with that
may be other objects of this model, or objects that rows refer to: if a foreign key makes that possible, no row is
proved unless all are. Nor is one if a row asks for anything else, or code of the project may be called.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, Protocol

from django.core.exceptions import ValidationError
from django.db import DatabaseError, connections, transaction
from django.db.models import Model

from nsync.columns import Sketch
from nsync.copying import can_copy, copy_in
from nsync.fields import concrete_model, relations_to
from nsync.identities import Identities
from nsync.loading import can_load, load
from nsync.options import SyncOptions
from nsync.plan.proofmaria import MariaComparison
from nsync.plan.proofsql import ROWS, TOUCHED, Comparison
from nsync.plan.texts import quoted

_AT_ONCE = 5_000  # rows
_TEXTS = {str}  # types of cells that are there; an absent one is of its own
_LEAST_SHARE = 2  # if more than one of so many rows may change something, to look at all costs less


class UnprovableRow(Exception):
    """A row lacks cells, so that it may act but says less than columns of a table can hold; or the table lacks rows."""


class Rows(Protocol):
    """A piece of a file (`nsync.read.blocks.Block`)."""

    def __len__(self) -> int:
        """Give the number of rows."""

    @property
    def text(self) -> str:
        """Lines without quotes, or "" if there are only records."""

    @property
    def records(self) -> Sequence[tuple[int, Sequence[str]]]:
        """Lines and cells."""


class _Counted:
    """Pieces of a file, and how many rows they have."""

    def __init__(self, blocks: Iterable[Rows]) -> None:
        self.count = 0
        self._blocks = blocks

    def __iter__(self) -> Iterator[Rows]:
        for block in self._blocks:
            self.count += len(block)
            yield block


class Unproved(NamedTuple):
    """Rows that may change something, column by column."""

    keys: Sequence[str]
    flags: Sequence[str]
    match_on: Sequence[str]
    cells: Sequence[Sequence[str]]  # one sequence for each column that is matched by


class Proof(NamedTuple):
    """What was proved of the rows of a source."""

    unproved: bytearray  # one byte per row: 1 if it may change something


# Gives what rows that are not proved may act upon: keys, and one column each of what they match by, as texts of what is
# stored; None: of one of them, that may be anything.
Touches = Callable[[Unproved], list[Sequence[str]] | None]


class Prover:
    """
    Proves rows of one source.

    Args:
        identities: Knows the database.
        model: The concrete model of the source.
        system: Whose keys the source has.
        sketch: What most rows ask for.
        options: Of the run.

    Queries: one each to make a table, to fill it (on SQLite for each 5,000 rows), to compare, and to drop it; about as
    many again if some rows are not proved.
    """

    def __init__(
        self, identities: Identities, model: type[Model], system: str, sketch: Sketch, options: SyncOptions
    ) -> None:
        self._using = identities.using
        self._connection: Any = connections[identities.using]
        self._model = model
        self._sketch = sketch
        comparison = MariaComparison if self._connection.vendor == "mysql" else Comparison
        self._comparison = comparison(identities, model, system, sketch, options)

    @property
    def can_prove(self) -> bool:
        """Whether each column can be compared."""
        return bool(self._comparison.condition()) and self._comparison.is_as_declared()

    def prove(self, blocks: Iterable[Rows], delimiter: str, width: int, touches: Touches | None) -> Proof | None:
        """
        Compare the rows of a source with what is stored.

        Args:
            blocks: All rows.
            delimiter: Between the cells of plain text.
            width: Cells of a whole row.
            touches: Says what rows that are not proved may act upon; None: no row is proved unless all are.

        Returns:
            Which rows may change something; None if most of them may, or the database does not take them.
        """
        try:
            with transaction.atomic(using=self._using):
                self._execute_all(self._comparison.tables(width))
                count = self._fill(blocks, delimiter, width)
                with self._whole_joins():
                    unproved = self._unproved(count, touches)
                if self._connection.features.can_rollback_ddl:
                    self._execute_all(self._comparison.drops())
        except (DatabaseError, UnprovableRow, UnicodeError, OSError):
            return None  # UnicodeError: a lone surrogate is no text for a database; OSError: no room for a file
        finally:
            if not self._connection.features.can_rollback_ddl:
                with suppress(DatabaseError):  # what has ended the connection is worth telling, not this
                    self._execute_all(self._comparison.drops())
        return None if unproved is None else Proof(unproved)

    def _execute_all(self, statements: Iterable[str]) -> None:
        with self._connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    @contextmanager
    def _whole_joins(self) -> Iterator[None]:
        """
        Keep PostgreSQL from joining row by row, from compiling what takes a second, and from rounding numbers.

        Of tables that were filled a moment ago it knows nothing, and would go through a million rows a million times.
        """
        if self._connection.vendor != "postgresql":
            yield
            return
        change = "SELECT set_config(%s, %s, true)"
        wanted = {"enable_nestloop": "off", "jit": "off", "extra_float_digits": "1"}  # numbers to their last digit
        with self._connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(f"current_setting('{name}')" for name in wanted))
            before = dict(zip(wanted, cursor.fetchone(), strict=True))
            for name, value in wanted.items():
                cursor.execute(change, [name, value])
            yield  # if it fails, the savepoint around is rolled back, and this with it
            for name, value in before.items():
                cursor.execute(change, [name, value])

    def _fill(self, blocks: Iterable[Rows], delimiter: str, width: int) -> int:
        """Put the rows into the table, numbered from 1; give their number."""
        names = [f"c{position}" for position in range(width)]
        counted = _Counted(blocks)
        if can_copy(self._connection):
            listed = ", ".join(names)
            how = f"FORMAT csv, DELIMITER {quoted(delimiter, self._connection)}, FORCE_NOT_NULL ({listed})".replace(
                "%%", "%"
            )
            statement = f"COPY {ROWS} ({listed}) FROM STDIN ({how})"
            copy_in(self._connection, statement, _pieces(counted, delimiter, width))
        elif can_load(self._connection):
            load(self._connection, ROWS, names, map(partial(_loadable, width=width), counted), delimiter)
        elif self._connection.vendor == "mysql":
            rows = enumerate(_records(counted, delimiter, width), start=1)
            self._insert(ROWS, ["n", *names], ([str(number), *cells] for number, cells in rows))
        else:
            self._insert(ROWS, names, _records(counted, delimiter, width))
        with self._connection.cursor() as cursor:
            cursor.execute(f"SELECT coalesce(max(n), 0) FROM {ROWS}")
            if cursor.fetchone()[0] != counted.count:  # to PostgreSQL, a line of "\." ends the file
                raise UnprovableRow
        return counted.count

    def _unproved(self, count: int, touches: Touches | None) -> bytearray | None:
        """Mark the rows that may change something, and those that these may act upon; None if that may be any."""
        if touches is not None and self._may_reach_further():
            touches = None
        known = bytearray(count)
        found = self._look(self._comparison.unproved(), known, touches)
        while found:
            found = self._look(self._comparison.neighbours(), known, touches)
        return None if found is None else known

    def _look(self, query: str, known: bytearray, touches: Touches | None) -> int | None:
        """
        Mark the rows that are worth a look; what they may act upon goes into the table for it.

        Returns:
            How many rows are new; None if there are too many, or they may act upon anything.
        """
        count, before = 0, known.count(1)
        for rows in self._pages(query):
            new = {}
            for row in rows:  # a mapping that means several objects, or two reasons, give a row twice
                if not known[row[0] - 1]:
                    known[row[0] - 1] = 1
                    new[row[0]] = row
            if not new:
                continue
            numbers, targets, keys, flags, match_on, *cells = zip(*new.values(), strict=True)
            count += len(new)
            if touches is None or (before + count) * _LEAST_SHARE > len(known):
                return None
            touched = touches(Unproved(keys, flags, match_on, cells))
            if touched is None:
                return None
            if not self._are_canonical(targets):
                return None
            meant = [target or "" for target in targets]
            names = self._comparison.touched_columns
            self._insert(TOUCHED, names, zip(map(str, numbers), meant, *touched, strict=True))
        return count

    def _pages(self, query: str) -> Iterator[Sequence[Any]]:
        """Run a query; give its rows, some at a time, while others may be written: all at once would need memory."""
        if self._connection.vendor == "mysql":  # its client keeps an answer until all of it was read
            last = 0
            with self._connection.cursor() as cursor:
                rows: Sequence[Any] = [()]
                while rows:
                    cursor.execute(query, [last, _AT_ONCE])
                    if rows := cursor.fetchall():
                        last = rows[-1][0]
                        yield rows
            return
        with self._connection.chunked_cursor() as cursor:
            cursor.execute(query, [])
            while rows := cursor.fetchmany(_AT_ONCE):
                yield rows

    def _are_canonical(self, targets: Iterable[str | None]) -> bool:
        """Whether mappings name objects in the one way in which others are found that name the same."""
        pk: Any = self._model._meta.pk
        try:
            return all(str(pk.to_python(text)) == text for text in targets if text)
        except ValidationError:  # of another type of primary key
            return False

    def _insert(self, table: str, names: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Put rows of texts into a table."""
        listed = ", ".join(names)
        if can_copy(self._connection):
            text = io.StringIO()
            csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL).writerows(rows)
            how = f"FORMAT csv, FORCE_NOT_NULL ({listed})"
            copy_in(self._connection, f"COPY {table} ({listed}) FROM STDIN ({how})", [text.getvalue()])
            return
        places = ", ".join(["%s"] * len(names))
        left = iter(rows)
        with self._connection.cursor() as cursor:
            while part := list(islice(left, _AT_ONCE)):  # Django would keep what it is given until all is written
                cursor.executemany(f"INSERT INTO {table} ({listed}) VALUES ({places})", part)

    def _may_reach_further(self) -> bool:
        """Whether what a row removes or changes may take along objects that other rows mean or refer to."""
        left, reached = [self._model], {self._model}
        while left:
            model = left.pop()
            if any(hasattr(field, "bulk_related_objects") for field in model._meta.private_fields):
                return True  # a generic relation
            for relation in relations_to(model):
                other = concrete_model(relation.related_model)
                if other is self._model:
                    return True
                if other not in reached:
                    reached.add(other)
                    left.append(other)
        return any(concrete_model(one.relation.related_model) in reached for one in self._sketch.references)


def _whole(records: Sequence[tuple[int, Sequence[str]]], width: int) -> Iterator[Sequence[str]]:
    """Give the cells of records; of one that has too many and so fails (rule C4), such as prove nothing."""
    for _, cells in records:
        if len(cells) < width or set(map(type, cells)) != _TEXTS:
            raise UnprovableRow
        more = cells[width:]
        yield [""] * width if any(map(str.strip, more)) else cells[:width]


def _pieces(blocks: Iterable[Rows], delimiter: str, width: int) -> Iterator[str]:
    """Give the rows as CSV without a header."""
    for block in blocks:
        if block.text:
            yield block.text
            continue
        text = io.StringIO()
        # All of them quoted: before Python 3.13 a lone return is not, and PostgreSQL refuses that.
        rows = csv.writer(text, delimiter=delimiter, lineterminator="\n", quoting=csv.QUOTE_ALL)
        rows.writerows(_whole(block.records, width))
        yield text.getvalue()


def _loadable(block: Rows, width: int) -> str | list[Sequence[str]]:
    return block.text or list(_whole(block.records, width))


def _records(blocks: Iterable[Rows], delimiter: str, width: int) -> Iterator[Sequence[str]]:
    for block in blocks:
        if block.text:
            yield from csv.reader(io.StringIO(block.text), delimiter=delimiter)
        else:
            yield from _whole(block.records, width)
