"""How each database locks a name, so that a crash frees it by itself. Part of the conductor."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from django.db import Error, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from nsync.errors import ConfigError
from nsync.filelocks import drop_file, read_file, take_file


def choose_locks(connection: BaseDatabaseWrapper, run: str, in_transaction: bool) -> Locks:
    """
    Give the locks of a database.

    Args:
        connection: Whose session locks.
        run: Its number; "" if it has none.
        in_transaction: Whether a transaction is open that lasts as long as the run.
    """
    if connection.vendor == "postgresql":
        return _Advisory(connection, in_transaction)
    if connection.vendor == "mysql":
        return _Named(connection)
    return _Files(connection, run) if connection.vendor == "sqlite" else Locks(connection)


class Locks:
    """Locks of one run; these are of a database that has none."""

    is_sure = False  # whether a lock that nobody holds says that a run is dead

    def __init__(self, connection: BaseDatabaseWrapper) -> None:
        self.connection = connection

    def all_or_none(self) -> AbstractContextManager[Any]:
        """Surround the getting of several locks; an error frees what cannot be released one by one."""
        return nullcontext()

    def get(self, name: str) -> bool:
        """Get a lock if nobody else has it."""
        return True

    def release(self, name: str) -> None:
        """Release a lock once, in whatever state the connection is; never fails."""

    def owner(self, name: str) -> object:
        """Give what is the same for all locks of one run, and of no other; None: nobody has the lock."""
        return None

    def forget(self, name: str) -> None:
        """Remove what somebody who died has left of a lock."""

    def _ask(self, sql: str, *params: str | int) -> Any:
        with self.connection.cursor() as cursor:
            cursor.execute(sql, params)
            row = cursor.fetchone()
        return row[0] if row else None

    def _say(self, sql: str, *params: str | int) -> None:
        """Go past Django, which sends nothing after an error in an atomic block, and would connect anew."""
        if self.connection.connection is None:  # the server has released it
            return
        with suppress(Error), self.connection.wrap_database_errors, closing(self.connection.connection.cursor()) as raw:
            raw.execute(sql, params)


class _Advisory(Locks):
    """Advisory locks of PostgreSQL, which each database has for itself; a transaction frees its own."""

    is_sure = True

    def __init__(self, connection: BaseDatabaseWrapper, in_transaction: bool) -> None:
        super().__init__(connection)
        self._in_transaction = in_transaction
        self._function = "pg_try_advisory_xact_lock" if in_transaction else "pg_try_advisory_lock"

    def all_or_none(self) -> AbstractContextManager[Any]:
        if not self._in_transaction:
            return nullcontext()
        if not self.connection.in_atomic_block and self.connection.get_autocommit():
            raise transaction.TransactionManagementError("there is no transaction to which the locks could belong")
        # A transaction's lock cannot be released, but goes with the savepoint after which it was got.
        return transaction.atomic(using=self.connection.alias)

    def get(self, name: str) -> bool:
        return bool(self._ask(f"SELECT {self._function}(%s)", _key(name)))

    def release(self, name: str) -> None:
        if not self._in_transaction:
            self._say("SELECT pg_advisory_unlock(%s)", _key(name))

    def owner(self, name: str) -> object:
        # A key of 64 bits is shown as two halves, with objsubid 1 (PostgreSQL's documentation of pg_locks).
        sql = (
            "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 AND classid::bigint = %s"
            " AND objid::bigint = %s AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return self._ask(sql, _key(name) >> 32 & 0xFFFFFFFF, _key(name) & 0xFFFFFFFF)


def _key(name: str) -> int:
    """Give a number of 64 bits, with its sign."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)


class _Named(Locks):
    """Locks of a session of MariaDB or MySQL; the server has them, so that the database is part of the name."""

    is_sure = True

    def get(self, name: str) -> bool:
        return bool(self._ask("SELECT GET_LOCK(%s, 0)", self._full(name)))

    def release(self, name: str) -> None:
        self._say("SELECT RELEASE_LOCK(%s)", self._full(name))

    def owner(self, name: str) -> object:
        return self._ask("SELECT IS_USED_LOCK(%s)", self._full(name))

    def _full(self, name: str) -> str:
        """MySQL takes 64 characters."""
        return f"nsync-{_digest(self.connection.settings_dict['NAME'], name)}"


def _digest(*parts: object) -> str:
    return hashlib.sha256("\0".join(map(str, parts)).encode()).hexdigest()[:32]


@dataclass(slots=True, eq=False, repr=False)
class _Hold:
    """A lock that this process has."""

    connection: BaseDatabaseWrapper
    run: str
    file: int | None  # its descriptor
    count: int = 1  # a run inside a run, on the same connection, gets it once more


_holds: dict[tuple[int, str], _Hold] = {}  # process, place → hold; a fork has a copy of what is not its own
_guard = threading.Lock()


class _Files(Locks):
    """
    Locks on files beside an SQLite database; if that is in memory, within the process.

    A file is called as the database, with ``.nsync-<hash>.lock``; it says which run has it. It is removed with its
    lock, except on Windows, and except by a run that is killed: what that leaves is removed by the next run of the
    model, and by whoever marks the run as failed. On a network drive it is as good as the locks of SQLite itself.
    """

    is_sure = True

    def __init__(self, connection: BaseDatabaseWrapper, run: str) -> None:
        super().__init__(connection)
        self._run = run
        self._database = _file_of(str(connection.settings_dict["NAME"]))

    def get(self, name: str) -> bool:
        key = os.getpid(), self._place(name)
        with _guard, _blaming_file():
            hold = _holds.get(key)
            if hold is not None:
                is_ours = hold.connection is self.connection
                hold.count += is_ours
                return is_ours
            file = take_file(key[1], self._run, self._database) if self._database else None
            if file is None and self._database:
                return False
            _holds[key] = _Hold(self.connection, self._run, file)
            return True

    def release(self, name: str) -> None:
        key = os.getpid(), self._place(name)
        with _guard:
            hold = _holds[key]
            hold.count -= 1
            if hold.count:
                return
            del _holds[key]
            if hold.file is not None:
                drop_file(key[1], hold.file)

    def owner(self, name: str) -> object:
        key = os.getpid(), self._place(name)
        with _guard, _blaming_file():
            hold = _holds.get(key)
            if hold is not None:
                return hold.run
            return read_file(key[1]) if self._database else None

    def forget(self, name: str) -> None:
        if self._database and os.path.exists(self._place(name)) and self.get(name):
            self.release(name)

    def _place(self, name: str) -> str:
        database = self._database or str(self.connection.settings_dict["NAME"])
        return f"{database}.nsync-{_digest(name)}.lock"


def _file_of(name: str) -> str:
    """
    Give the path of a database, of which its name may be a URI (https://www.sqlite.org/uri.html); "" if in memory.

    SQLite is not asked: a transaction that has read, and waits, would keep the one it waits for from its commit.
    """
    path = name
    if name.startswith("file:"):
        from urllib.parse import urlsplit
        from urllib.request import url2pathname  # it brings along all of HTTP, which takes its time

        parts = urlsplit(name)
        path = "" if "mode=memory" in parts.query else url2pathname(parts.path)
    return "" if path in ("", ":memory:") else os.path.realpath(path)


@contextmanager
def _blaming_file() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ConfigError(f"no lock can be kept beside the database: {error}") from error
