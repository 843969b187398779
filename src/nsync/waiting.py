"""Rows that wait for a later row, kept on disk, not in memory (rule R6). Part of the conductor."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from typing import NamedTuple

from nsync.actions import Place
from nsync.changes import ObjectId
from nsync.errors import Problem
from nsync.rows import Row
from nsync.spool import open_spool, pack, unpack

_SCHEMA = """
CREATE TABLE waiting_row (
    source INTEGER, ordinal INTEGER, line INTEGER, row BLOB, is_key INTEGER, blocker TEXT, problem BLOB,
    PRIMARY KEY (source, ordinal));
CREATE INDEX waiting_blocker ON waiting_row (blocker);
CREATE TABLE waiting_relation (
    source INTEGER, ordinal INTEGER, line INTEGER, row BLOB, target BLOB, target_name TEXT, relation TEXT,
    sign TEXT, force INTEGER, superseded INTEGER DEFAULT 0, problem BLOB,
    PRIMARY KEY (source, ordinal, relation));
CREATE INDEX waiting_target ON waiting_relation (target_name, relation);
"""


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
        self._spool: sqlite3.Connection | None = None  # most runs keep nobody waiting
        self._relations: set[str] = set()  # names of relations that somebody waits for

    def _open(self) -> sqlite3.Connection:
        if self._spool is None:
            self._spool = open_spool(_SCHEMA)
        return self._spool

    def add_row(self, place: Place, row: Row, problem: Problem, *, is_key: bool, blocker: ObjectId | None) -> None:
        """Let a row wait whole; what it may have been waiting for before is forgotten."""
        self._open().execute(
            "INSERT OR REPLACE INTO waiting_row VALUES (?, ?, ?, ?, ?, ?, ?)",
            (*place, pack(row), is_key, name_of(blocker) if blocker else "", pack(problem)),
        )

    def add_relation(
        self, place: Place, row: Row, target: ObjectId, relation: str, sign: str, force: bool, problem: Problem
    ) -> None:
        """Let a relation of an applied row wait."""
        self._relations.add(relation)
        self._open().execute(
            "INSERT INTO waiting_relation VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?) "
            "ON CONFLICT DO UPDATE SET force = force OR excluded.force, problem = excluded.problem, "
            "target = excluded.target, target_name = excluded.target_name",
            (
                *place,
                pack(row),
                pack(target),
                name_of(target),
                relation,
                sign,
                force,
                pack(problem),
            ),
        )

    def hear(self, place: Place, target: ObjectId, relation: str, sign: str) -> None:
        """
        Take note that a row named a relation of an object.

        What the same row waited for is settled (it is added again if not). Other rows no longer set the
        relation, unless both only add to it, or both only remove: these do not contradict each other.
        """
        if self._spool is None or relation not in self._relations:
            return
        where = "WHERE target_name = ? AND relation = ?"
        self._spool.execute(
            f"DELETE FROM waiting_relation {where} AND source = ? AND ordinal = ?",
            (name_of(target), relation, place.source, place.ordinal),
        )
        self._spool.execute(
            f"UPDATE waiting_relation SET superseded = 1 {where} AND NOT (sign = ? AND sign IN ('+', '-'))",
            (name_of(target), relation, sign),
        )

    def rows(self, blockers: Collection[str] | None = None) -> Iterator[WaitingRow]:
        """
        Give the rows that wait whole, in file order. They may be forgotten while this goes on.

        Args:
            blockers: Only rows that wait for one of these objects to change (see `name_of`); None: all.
        """
        if self._spool is None:
            return
        names = list(blockers or ())
        where = "" if blockers is None else f"WHERE blocker IN ({', '.join('?' * len(names))})"
        found = self._spool.execute(f"SELECT source, ordinal FROM waiting_row {where} ORDER BY source, ordinal", names)
        for number in found:
            query = "SELECT * FROM waiting_row WHERE source = ? AND ordinal = ?"
            values = self._spool.execute(query, number).fetchone()
            if values is None:
                continue
            source, ordinal, line, row, is_key, _, problem = values
            yield WaitingRow(Place(source, ordinal, line), _row(row), bool(is_key), Problem(*unpack(problem)))

    def relations(self) -> Iterator[WaitingRelation]:
        """Give the relations that wait, in file order. They may be forgotten while this goes on."""
        if self._spool is None:
            return
        found = self._spool.execute("SELECT rowid FROM waiting_relation ORDER BY source, ordinal, relation")
        for number in found:
            values = self._spool.execute("SELECT * FROM waiting_relation WHERE rowid = ?", number).fetchone()
            if values is None:  # settled or superseded by a row before it
                continue
            source, ordinal, line, row, target, _, relation, _, force, superseded, problem = values
            yield WaitingRelation(
                Place(source, ordinal, line),
                _row(row),
                ObjectId(*unpack(target)),
                relation,
                bool(force),
                bool(superseded),
                Problem(*unpack(problem)),
            )

    def forget_row(self, place: Place) -> None:
        """A row that waited is settled."""
        self._open().execute("DELETE FROM waiting_row WHERE source = ? AND ordinal = ?", (place.source, place.ordinal))

    def forget_relation(self, place: Place, relation: str) -> None:
        """A relation that waited is settled."""
        self._open().execute(
            "DELETE FROM waiting_relation WHERE source = ? AND ordinal = ? AND relation = ?",
            (place.source, place.ordinal, relation),
        )


def name_of(target: ObjectId) -> str:
    """Name an object in a word; a child row and its parent row (multi-table inheritance) are one object."""
    parents = target.model._meta.get_parent_list()
    return f"{(parents or [target.model])[-1]._meta.label}:{target.pk}"


def _row(blob: bytes) -> Row:
    return Row(*unpack(blob))
