"""Rows that wait for a later row, kept on disk, not in memory (rule R6). Part of the conductor."""

import heapq
from collections.abc import Collection, Iterable, Iterator
from typing import Any, NamedTuple

from django.apps import apps

from nsync.actions import Place
from nsync.changes import ObjectId
from nsync.errors import Problem
from nsync.plan.rowplan import Pending
from nsync.record.checkpoint import Block, Veil, blocks_of
from nsync.record.values import reader, writer
from nsync.rows import Row
from nsync.spool import Spool, open_spool, pack, unpack

_SCHEMA = """
CREATE TABLE waiting_row (
    source INTEGER, ordinal INTEGER, line INTEGER, row BLOB, is_key INTEGER, blocker TEXT, problem BLOB,
    PRIMARY KEY (source, ordinal));
CREATE INDEX waiting_blocker ON waiting_row (blocker);
CREATE TABLE waiting_relation (
    source INTEGER, ordinal INTEGER, line INTEGER, row BLOB, target BLOB, target_name TEXT, relation TEXT,
    sign TEXT, force INTEGER, superseded INTEGER DEFAULT 0, problem BLOB, models TEXT,
    PRIMARY KEY (source, ordinal, relation));
CREATE INDEX waiting_target ON waiting_relation (target_name, relation);
CREATE INDEX waiting_models ON waiting_relation (models);
"""
# What waits, or waits otherwise, or no longer does, since `WaitingRoom.forget_news`: every statement is noted.
_NEWS = "CREATE TABLE news (source INTEGER, ordinal INTEGER, relation TEXT);" + "".join(
    f"CREATE TRIGGER {table}_{event} AFTER {event} ON {table} "
    f"BEGIN INSERT INTO news VALUES ({row}.source, {row}.ordinal, {relation}); END;"
    for event, row in (("INSERT", "new"), ("UPDATE", "new"), ("DELETE", "old"))
    for table, relation in (("waiting_row", "''"), ("waiting_relation", f"{row}.relation"))
)
_TABLES = ("waiting_row", "waiting_relation")
_ROW, _RELATION, _GONE = "waiting", "relation", "settled"  # kinds of blocks


class Waiting(NamedTuple):
    """That something waits, not yet what."""

    place: Place
    is_row: bool  # whole; else one of its relations
    relation: str


class WaitingRow(NamedTuple):
    """A row that was not applied: it will do all that it asks for."""

    place: Place
    row: Row
    is_key: bool  # rule I7
    problem: Problem


class WaitingRelation(NamedTuple):
    """A relation that an applied row left alone: the row will set that relation and nothing else."""

    place: Place
    row: Row
    target: ObjectId
    relation: str
    force: bool
    superseded: bool  # a later row named the relation: this one no longer sets it
    problem: Problem


class WaitingRoom:
    """Keeps what waits in a temporary database of SQLite, which spills to disk by itself."""

    def __init__(self) -> None:
        self._spool: Spool | None = None  # most runs keep nobody waiting
        self._relations: set[str] = set()  # names of relations that somebody waits for
        self._marked: tuple[Spool | None, set[str]] = (None, set())
        self.keeps_news = False  # said before anything waits

    @property
    def is_empty(self) -> bool:
        """Whether nobody has ever waited."""
        return self._spool is None

    def mark(self) -> None:
        """Begin what can be taken back."""
        self._marked = self._spool, self._relations.copy()
        if self._spool is not None:
            self._spool.mark()

    def take_back(self) -> None:
        """Let wait who waited at the mark, which stays."""
        spool, relations = self._marked
        self._spool, self._relations = spool, relations.copy()
        if spool is not None:
            spool.take_back()

    def keep(self) -> None:
        """Remove the mark."""
        spool, _ = self._marked
        if spool is not None:
            spool.keep()

    def _open(self) -> Spool:
        if self._spool is None:
            self._spool = open_spool(_SCHEMA + (_NEWS if self.keeps_news else ""))
        return self._spool

    def add_row(self, place: Place, row: Row, problem: Problem, *, is_key: bool, blocker: ObjectId | None) -> None:
        """Let a row wait whole; what it may have been waiting for before is forgotten."""
        self._open().execute(
            # Not REPLACE: a new row would be met again by whoever is going through them.
            "INSERT INTO waiting_row VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET "
            "is_key = excluded.is_key, blocker = excluded.blocker, problem = excluded.problem",
            (*place, pack(row), is_key, name_of(blocker) if blocker else "", pack(problem)),
        )

    def add_relation(self, place: Place, row: Row, target: ObjectId, pending: Pending) -> None:
        """Let a relation of an applied row wait; the target has its real primary key."""
        self._relations.add(pending.relation)
        self._open().execute(
            "INSERT INTO waiting_relation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?, ?) "
            "ON CONFLICT DO UPDATE SET force = force OR excluded.force, problem = excluded.problem, "
            "target = excluded.target, target_name = excluded.target_name, models = excluded.models",
            (
                *place,
                pack(row),
                pack(target),
                name_of(target),
                pending.relation,
                pending.sign,
                pending.force,
                pack(pending.problem),
                " ".join(sorted(pending.models)),
            ),
        )

    def knows(self, relation: str) -> bool:
        """Whether somebody has waited for a relation of this name."""
        return relation in self._relations

    def hear(self, place: Place, target: ObjectId, relation: str, sign: str) -> None:
        """
        Take note that a row named a relation of an object.

        What the same row waited for is settled (it is added again if not). Other rows no longer set the
        relation, unless both only add to it, or both only remove: these do not contradict each other.
        """
        if self._spool is None or relation not in self._relations:
            return
        where = "WHERE target_name = ? AND relation = ?"
        query = f"SELECT 1 FROM waiting_relation {where} LIMIT 1"
        if self._spool.execute(query, (name_of(target), relation)).fetchone() is None:
            return
        self._spool.execute(
            f"DELETE FROM waiting_relation {where} AND source = ? AND ordinal = ?",
            (name_of(target), relation, place.source, place.ordinal),
        )
        self._spool.execute(
            f"UPDATE waiting_relation SET superseded = 1 {where} AND NOT (sign = ? AND sign IN ('+', '-'))",
            (name_of(target), relation, sign),
        )

    def all(self, written: Collection[str] | None = None) -> Iterator[Waiting]:
        """
        Give what waits, in file order. It may be settled while this goes on.

        Args:
            written: Labels of the models of which objects were written: relations that wait for objects of other
                models, and that no later row has named, are left out. None: all are given.
        """
        rows = self._find("SELECT source, ordinal, line, 1, '' FROM waiting_row")
        where, values = "", ()
        if written is not None and self._spool is not None:
            found = (names for (names,) in self._spool.execute("SELECT DISTINCT models FROM waiting_relation"))
            values = tuple(names for names in found if not {*names.split()}.isdisjoint(written))
            where = f"WHERE superseded OR models IN ({', '.join('?' * len(values))})"
        relations = self._find(f"SELECT source, ordinal, line, 0, relation FROM waiting_relation {where}", values)
        return heapq.merge(rows, relations, key=lambda waiting: waiting.place)

    def blocked_by(self, names: Collection[str]) -> Iterator[Waiting]:
        """Give the rows that wait for one of these objects to change (see `name_of`), in file order."""
        places = ", ".join("?" * len(names))
        where = f"WHERE blocker IN ({places})"
        return self._find(f"SELECT source, ordinal, line, 1, '' FROM waiting_row {where}", names)

    def keys(self) -> Iterator[Waiting]:
        """Give the rows that wait because another key links their object (rule I7), in file order."""
        return self._find("SELECT source, ordinal, line, 1, '' FROM waiting_row WHERE is_key")

    def _find(self, query: str, values: Collection[str] = ()) -> Iterator[Waiting]:
        if self._spool is None:
            return
        for source, ordinal, line, is_row, relation in self._spool.execute(f"{query} ORDER BY 1, 2, 5", tuple(values)):
            yield Waiting(Place(source, ordinal, line), bool(is_row), relation)

    def row(self, place: Place) -> WaitingRow | None:
        """Give a row that waits whole; None if it no longer does."""
        where = "WHERE source = ? AND ordinal = ?"
        names = "line, row, is_key, problem"
        values = self._open().execute(f"SELECT {names} FROM waiting_row {where}", place[:2]).fetchone()
        if values is None:
            return None
        line, row, is_key, problem = values
        return WaitingRow(Place(*place[:2], line), _row(row), bool(is_key), Problem(*unpack(problem)))

    def relation(self, place: Place, relation: str) -> WaitingRelation | None:
        """Give a relation that waits; None if it no longer does."""
        where = "WHERE source = ? AND ordinal = ? AND relation = ?"
        names = "line, row, target, force, superseded, problem"
        query = f"SELECT {names} FROM waiting_relation {where}"
        values = self._open().execute(query, (*place[:2], relation)).fetchone()
        if values is None:
            return None
        line, row, target, force, superseded, problem = values
        place = Place(*place[:2], line)
        is_superseded = bool(superseded)
        told = Problem(*unpack(problem))
        return WaitingRelation(place, _row(row), ObjectId(*unpack(target)), relation, bool(force), is_superseded, told)

    def rows(self) -> Iterator[WaitingRow]:
        """Give the rows that wait whole, in file order. They may be forgotten while this goes on."""
        found = (self.row(waiting.place) for waiting in self.all() if waiting.is_row)
        return (row for row in found if row is not None)

    def give_up(self) -> Iterator[tuple[Place, Problem]]:
        """Give what is to be said of each relation that still waits, in file order; then nothing waits any more."""
        if self._spool is None:
            return
        query = "SELECT source, ordinal, line, problem FROM waiting_relation ORDER BY source, ordinal, relation"
        for source, ordinal, line, problem in self._spool.execute(query):
            yield Place(source, ordinal, line), Problem(*unpack(problem))
        self._spool.execute("DELETE FROM waiting_relation")

    def forget_row(self, place: Place) -> None:
        """A row that waited is settled."""
        self._open().execute("DELETE FROM waiting_row WHERE source = ? AND ordinal = ?", (place.source, place.ordinal))

    def forget_relation(self, place: Place, relation: str) -> None:
        """A relation that waited is settled."""
        self._open().execute(
            "DELETE FROM waiting_relation WHERE source = ? AND ordinal = ? AND relation = ?",
            (place.source, place.ordinal, relation),
        )

    def news(self, veil: Veil) -> Iterator[Block]:
        """Give what is new since `forget_news`; not the rows, for the source has them."""
        if self._spool is None:
            return
        # CROSS JOIN: what is new is looked up, so that a batch does not cost more because many rows wait.
        rows = self._spool.execute(
            "SELECT source, ordinal, line, is_key, blocker, problem FROM "
            "(SELECT DISTINCT source, ordinal FROM news WHERE relation = '') CROSS JOIN waiting_row "
            "USING (source, ordinal) ORDER BY source, ordinal"
        )
        yield from blocks_of(_ROW, ((*row, *_told(row[0], problem, veil)) for *row, problem in rows))
        relations = self._spool.execute(
            "SELECT source, ordinal, line, target_name, relation, sign, force, superseded, models, target, problem "
            "FROM (SELECT DISTINCT source, ordinal, relation FROM news) CROSS JOIN waiting_relation "
            "USING (source, ordinal, relation) ORDER BY source, ordinal, relation"
        )
        told = ((*row, *_written(target), *_told(row[0], problem, veil)) for *row, target, problem in relations)
        yield from blocks_of(_RELATION, told)
        gone = self._spool.execute(
            "SELECT DISTINCT source, ordinal, relation FROM news WHERE NOT EXISTS "
            "(SELECT 1 FROM waiting_row AS it WHERE (it.source, it.ordinal, '') = (news.source, news.ordinal, "
            "news.relation)) AND NOT EXISTS (SELECT 1 FROM waiting_relation AS it WHERE "
            "(it.source, it.ordinal, it.relation) = (news.source, news.ordinal, news.relation))"
        )
        yield from blocks_of(_GONE, gone)

    def forget_news(self) -> None:
        """From now on nothing is new."""
        if self._spool is not None:
            self._spool.execute("DELETE FROM news")

    def put_back(self, block: Block) -> None:
        """Take what `news` gave, if it did; the rows are still to be given (`ordinals`, `give_row`)."""
        rows = zip(*block.columns, strict=True)
        if block.kind == _ROW:
            packed = ((*row, pack(problem)) for *row, problem in _split(rows))
            names = "source, ordinal, line, is_key, blocker, problem"
            self._open().executemany(f"INSERT OR REPLACE INTO waiting_row ({names}) VALUES (?, ?, ?, ?, ?, ?)", packed)
        elif block.kind == _RELATION:
            self._relations.update(block.columns[4])
            names = "source, ordinal, line, target_name, relation, sign, force, superseded, models, target, problem"
            places = ", ".join("?" * 11)
            told = ((*row, pack(_read(label, pk)), pack(problem)) for *row, label, pk, problem in _split(rows))
            self._open().executemany(f"INSERT OR REPLACE INTO waiting_relation ({names}) VALUES ({places})", told)
        elif block.kind == _GONE:
            where = "WHERE source = ?1 AND ordinal = ?2"
            for row in rows:
                self._open().execute(f"DELETE FROM waiting_row {where} AND ?3 = ''", row)
                self._open().execute(f"DELETE FROM waiting_relation {where} AND relation = ?3", row)

    def ordinals(self, source: int) -> Iterator[int]:
        """Give the ordinals of the rows of a source that wait, whole or with a relation."""
        if self._spool is not None:
            query = " UNION ".join(f"SELECT ordinal FROM {table} WHERE source = ?1" for table in _TABLES)
            for (ordinal,) in self._spool.execute(query, (source,)):
                yield ordinal

    def give_row(self, place: Place, row: Row) -> None:
        """Take the row itself, if it waits."""
        for table in _TABLES if self._spool is not None else ():
            query = f"UPDATE {table} SET row = ? WHERE source = ? AND ordinal = ?"
            self._open().execute(query, (pack(row), place.source, place.ordinal))


def name_of(target: ObjectId) -> str:
    """Name an object in a word; a child row and its parent row (multi-table inheritance) are one object."""
    parents = target.model._meta.get_parent_list()
    return f"{(parents or [target.model])[-1]._meta.label}:{target.pk}"


def _row(blob: bytes) -> Row:
    return Row(*unpack(blob))


def _told(source: int, problem: bytes, veil: Veil) -> tuple[str, ...]:
    return tuple(veil(source, Problem(*unpack(problem))))


def _split(rows: Iterable[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    """Make a problem again of the last four values."""
    return ((*row[:-4], Problem(*row[-4:])) for row in rows)


def _written(target: bytes) -> tuple[str, object]:
    """Give the label of a model and a primary key, as JSON has them."""
    model, pk = unpack(target)
    return model._meta.label, writer(model._meta.pk)([pk])[0]


def _read(label: str, pk: object) -> ObjectId:
    model = apps.get_model(label)
    return ObjectId(model, reader(model._meta.pk)(pk))
