"""Queries of other databases as sources: ``sql+alias:SELECT …``. Part of the conductor."""

from __future__ import annotations

import datetime
import json
import pickle
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from decimal import Decimal
from functools import partial
from itertools import chain
from math import isfinite
from typing import Any, BinaryIO, Final

from django.db import Error, connections
from django.utils.connection import ConnectionDoesNotExist
from django.utils.duration import duration_string

from nsync.errors import ConfigError, SourceError
from nsync.options import SyncOptions
from nsync.places import Place, shown
from nsync.read.fetched import FetchedContent, is_full
from nsync.read.records import RecordSource, is_blank
from nsync.read.streams import Content, no_room
from nsync.rows import BadCell

_AT_ONCE: Final = 2_000  # records that are fetched together
_EXACT: Final = 2**53  # below it a float that is whole is that number
_FIRST: Final = re.compile(r"[\s(]*(select|with|values|table)\b", re.IGNORECASE)
_ASIDE: Final = (
    r"\"[^\"]*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$"  # names, comments, dollar quotes
)
_TEXT: Final = r"'(?:[^']|'')*'"
_ESCAPED_TEXT: Final = r"'(?:[^'\\]|''|\\.)*'|\#[^\n]*"
_PLAIN: Final = frozenset({str, int, bool, Decimal, datetime.date, datetime.time, type(None)})
_UNCHANGED: Final = _PLAIN - {Decimal}  # which may be no number

Record = Sequence[Any]
Records = tuple[list[str], Iterator[Sequence[Record]]]  # the names of the columns; the records, in batches


class QuerySource(RecordSource):
    """
    The records that a query has given, once, for all passes.

    What the same query gives another time may be something else, so it has no digest, and cannot be resumed.
    """

    def __init__(self, content: Content, options: SyncOptions) -> None:
        super().__init__(content, options)
        with self.reading() as stream:
            given = tuple(pickle.load(stream))  # noqa: S301  # as below
        self.header = options.header or given
        if len(self.header) != len(given):
            found = f"--header names {len(self.header)} columns, and the query gives {len(given)}"
            raise ConfigError(f"{self.name}: {found}: {', '.join(given)}")
        self._position = 0

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of each record with its number."""
        pickle.load(stream)  # noqa: S301  # the header; `_fetch` wrote it, in this process
        number = 0
        while batch := pickle.load(stream):  # noqa: S301  # as above
            for cells in batch:
                number += 1
                if not is_blank(cells):
                    yield number, cells

    def digest(self) -> str:
        """Nobody knows whether the query gives the same another time."""
        return ""


def open_query(place: Place, options: SyncOptions) -> QuerySource:
    """
    Run a query, on a connection of its own, and keep what it gives in a temporary file.

    Raises:
        ConfigError: There is no such database, or the query is none.
        SourceError: The database does not take it, or cannot be asked.
    """
    name = shown(f"sql+{place.alias}:{place.rest}")
    for option, value in (("--format", options.format), ("--member", options.member)):
        if value:
            raise ConfigError(f"{name}: {option} {value} is for files; leave it out")
    try:
        # Another connection than the one that writes: what it is told (to write nothing) is told to nobody else.
        connection = connections[place.alias].copy()
    except ConnectionDoesNotExist:
        raise ConfigError(f"{name}: there is no database {place.alias!r}; there are {', '.join(connections)}") from None
    query = _checked(place.rest, connection.vendor, name)
    content = FetchedContent(name, partial(_fetch, connection, query, name))
    try:
        return QuerySource(content, options)
    except BaseException:
        content.close()
        raise


def _checked(query: str, vendor: str, name: str) -> str:
    """Give the one statement that a query is, if it reads. Raises ConfigError."""
    text = _ESCAPED_TEXT if vendor == "mysql" else _TEXT
    bare = re.sub(f"{text}|{_ASIDE}", " ", query, flags=re.DOTALL).rstrip().rstrip(";")
    if ";" in bare:
        raise ConfigError(f"{name}: is more than one statement; a query is one SELECT")
    if not _FIRST.match(bare):
        raise ConfigError(f"{name}: does not begin with SELECT or WITH; a query only reads")
    return query.rstrip().rstrip(";")


def _fetch(connection: Any, query: str, name: str, path: str) -> None:
    """Write the header, and the records in batches, the last of which is empty."""
    try:
        with closing(connection), connection.wrap_database_errors, open(path, "wb") as file:
            connection.ensure_connection()
            header, records = _READERS.get(connection.vendor, _read)(connection, query)
            pickle.dump(header, file)
            convert = partial(_cells, header=header, zone=_zone(connection), name=name)
            for batch in chain(records, [[]]):
                pickle.dump([*map(convert, batch)], file)
    except Error as error:
        words = " ".join(str(error.args[-1] if error.args else "").split()) or type(error).__name__
        raise SourceError(f"the database says: {words}", name) from error
    except OSError as error:
        raise (no_room(error, name) if is_full(error) else SourceError(f"cannot be read: {error}", name)) from error
    except ValueError as error:  # a driver cannot make a value of what is stored
        raise SourceError(f"holds what cannot be read: {error}", name) from error


def _read_postgresql(connection: Any, query: str) -> Records:
    """Read through a cursor that the server holds, in a transaction that cannot write."""
    connection.set_autocommit(False)
    # Of this transaction only: a pool may give the connection to somebody else afterwards.
    connection.cursor().execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    return _run(connection.chunked_cursor(), query)


def _read_mysql(connection: Any, query: str) -> Records:
    """Read as the server sends, which other cursors do not; in a transaction that cannot write."""
    connection.cursor().execute("START TRANSACTION READ ONLY")
    return _run(connection.connection.cursor(connection.Database.cursors.SSCursor), query)


def _read_sqlite(connection: Any, query: str) -> Records:
    connection.cursor().execute("PRAGMA query_only = ON")
    return _run(connection.cursor(), query)


def _read(connection: Any, query: str) -> Records:
    connection.set_autocommit(False)
    return _run(connection.chunked_cursor(), query)


def _run(cursor: Any, query: str) -> Records:
    cursor.execute(query)
    first = cursor.fetchmany(_AT_ONCE)  # a cursor that the server holds knows its columns by now
    return [column[0] for column in cursor.description], _batches(first, cursor)


def _batches(batch: Sequence[Record], cursor: Any) -> Iterator[Sequence[Record]]:
    while batch:
        yield batch
        batch = cursor.fetchmany(_AT_ONCE)


_READERS: Final[dict[str, Callable[[Any, str], Records]]] = {
    "postgresql": _read_postgresql,
    "mysql": _read_mysql,
    "sqlite": _read_sqlite,
}


def _zone(connection: Any) -> datetime.tzinfo | None:
    """Give the zone of stored times that name none, as Django has it; None: the database knows zones itself."""
    zone: datetime.tzinfo | None = connection.timezone
    return None if connection.features.supports_timezones else zone


def _cells(record: Sequence[Any], header: Sequence[str], zone: datetime.tzinfo | None, name: str) -> tuple[Any, ...]:
    if _UNCHANGED.issuperset(map(type, record)):
        return tuple(record)
    try:
        return tuple(_cell(value, zone) for value in record)
    except UnicodeDecodeError:
        bad = next(one for one, value in zip(header, record, strict=True) if _is_binary(value))
        raise SourceError(
            f"column {bad} holds bytes that are no text; leave it out, or select it as text", name
        ) from None


def _cell(value: Any, zone: datetime.tzinfo | None) -> Any:
    """Give a value of one of the types that cells have."""
    kind = type(value)
    if kind in (float, Decimal) and not isfinite(value):
        return BadCell(str(value), "is no number; let the query give NULL")
    if kind in _PLAIN:
        return value
    if kind is float:
        return int(value) if value.is_integer() and abs(value) < _EXACT else value
    if kind is datetime.datetime:
        return value.replace(tzinfo=zone) if zone is not None and value.tzinfo is None else value
    if kind is datetime.timedelta:
        return duration_string(value)
    if _is_binary(value):
        return bytes(value).decode()
    if isinstance(value, dict | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)  # a UUID, an address, a range


def _is_binary(value: Any) -> bool:
    return isinstance(value, bytes | bytearray | memoryview)
