"""Conflicts: errors by which a database takes back what was done, because others were in the way; lost connections."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.db import Error

# PostgreSQL, SQLSTATE: serialization_failure, deadlock_detected (appendix A of its manual).
_STATES = frozenset({"40001", "40P01"})
# MariaDB and MySQL, by number (error reference): ER_LOCK_DEADLOCK, with which InnoDB rolls back the whole transaction,
# and ER_CHECKREAD, by which a snapshot is found to be out of date (MariaDB: innodb_snapshot_isolation).
_NUMBERS = frozenset({1213, 1020})
# ER_LOCK_WAIT_TIMEOUT: by default it takes back one statement only (innodb_rollback_on_timeout).
_WAITED_IN_VAIN = 1205
# ER_SP_DOES_NOT_EXIST, of a savepoint: the server has ended its transaction, and code of the project did not say so.
_NO_SAVEPOINT = 1305
_SQLITE_BUSY = 5  # the low byte of SQLITE_BUSY, SQLITE_BUSY_SNAPSHOT and others (https://www.sqlite.org/rescode.html)
# PostgreSQL: connection exceptions, and admin_shutdown, crash_shutdown, cannot_connect_now; or, of its client, a text.
_LOST_STATES = ("08", "57P01", "57P02", "57P03")
_LOST = r"(?i)(closed|terminating) the connection|connection (is|already|has been) (closed|lost)"
# MariaDB and MySQL: CR_SERVER_GONE_ERROR, CR_SERVER_LOST, CR_SERVER_LOST_EXTENDED of the client, ER_CONNECTION_KILLED,
# and what PyMySQL says of a connection that is closed already.
_LOST_NUMBERS = frozenset({2006, 2013, 2055, 1927, 0})


def conflict_in(error: BaseException) -> BaseException | None:
    """
    Find what says that the same may succeed when it is tried again: a deadlock, a serialization failure, a lock.

    Args:
        error: Of a driver, or one that was raised from it.

    Returns:
        The first error of the chain of causes that says so; None if none does.
    """
    return next((one for one in _causes(error) if _is_end(one) or _number(one) == _WAITED_IN_VAIN), None)


def ends_transaction(error: BaseException) -> bool:
    """Whether an error, or one from which it was raised, says that its transaction is over, or worth nothing."""
    return any(map(_is_end, _causes(error)))


def is_lost(error: BaseException) -> bool:
    """Whether an error, or one from which it was raised, says that the connection is gone."""
    return any(
        _state(one).startswith(_LOST_STATES) or _number(one) in _LOST_NUMBERS or re.search(_LOST, str(one))
        for one in _causes(error)
    )


def _is_end(error: BaseException) -> bool:
    if _state(error) in _STATES:
        return True
    number = _number(error)
    if number in _NUMBERS or (number == _NO_SAVEPOINT and "SAVEPOINT" in str(error)):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(code, int) and code & 0xFF == _SQLITE_BUSY


def _state(error: BaseException) -> str:
    """Give the SQLSTATE, as psycopg 3 or psycopg 2 calls it; "" if there is none."""
    return str(getattr(error, "sqlstate", None) or getattr(error, "pgcode", None) or "")


def _number(error: BaseException) -> int | None:
    """Give the number that drivers of MariaDB and MySQL put first, and Django after them."""
    is_numbered = isinstance(error, Error) and bool(error.args) and type(error.args[0]) is int
    return error.args[0] if is_numbered else None


def _causes(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__
