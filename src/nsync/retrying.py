"""Retrying: what the database takes back because others were in the way is done again. Part of the conductor."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

from django.contrib.contenttypes.models import ContentType
from django.db import connections, transaction

from nsync.apply.refusals import gave_up
from nsync.conflicts import conflict_in, ends_transaction

logger = logging.getLogger(__name__)

RETRIES: Final = 3
_PAUSE: Final = 0.1  # seconds before the first; before each other twice as long
_HARMLESS: Final = ("ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT")
_T = TypeVar("_T")


class Retrying:
    """
    Tries a transaction again that met a conflict (see `nsync.conflicts`); and keeps others from going on in it.

    After a deadlock the server of MariaDB has rolled back all of a transaction, and takes the next statement for the
    first of a new one. Whoever catches such an error, code of the project perhaps, must not be able to go on: until the
    transaction is over, no statement but the ends of savepoints reaches the server.

    Args:
        using: Alias of the database.
    """

    def __init__(self, using: str) -> None:
        self.retries = 0  # how often something was tried again
        self._using = using
        self._connection: Any = connections[using]
        self._end: BaseException | None = None  # what has ended the present transaction
        self._is_nested = False  # the transaction is somebody else's
        self.is_committed = False  # what is being tried

    def see(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        """Let a statement pass, unless its transaction is over; an execute wrapper."""
        if self._end is not None and not str(sql).startswith(_HARMLESS):
            self.check()
        try:
            return execute(sql, params, many, context)
        except Exception as error:
            if self._connection.in_atomic_block and self._end is None and self._is_over(error):
                self._end = error
            raise

    def _is_over(self, error: BaseException) -> bool:
        """Whether a statement has ended its transaction; SQLite says that itself (a full disk, for example)."""
        if isinstance(error, transaction.TransactionManagementError):
            return False  # of Django, which has sent nothing
        return ends_transaction(error) or not getattr(self._connection.connection, "in_transaction", True)

    def check(self) -> None:
        """Raise TransientError if the server has ended the transaction; before it is committed, and nothing is."""
        if self._end is not None:
            raise gave_up(self._end) from self._end

    def expect_commit(self) -> None:
        """Note the commit that comes next, before the hooks of the project, one of which may raise."""
        if not self._is_nested:
            transaction.on_commit(self.note_commit, using=self._using)
            hooks = self._connection.run_on_commit
            hooks.insert(0, hooks.pop())

    def note_commit(self) -> None:
        """What is being tried is committed."""
        self.is_committed = True

    def run(self, attempt: Callable[[], _T], take_back: Callable[[], None] | None) -> _T:
        """
        Run a transaction; after a conflict again, after a short pause, three times at most.

        Args:
            attempt: Begins it, and ends it.
            take_back: Forgets what an attempt has noted; None: it must not be tried again.

        Raises:
            TransientError: It still meets a conflict, or it must not be tried again: within a transaction of the
                caller's, who has to begin that anew.
        """
        connection = self._connection
        self._is_nested = connection.in_atomic_block or not connection.get_autocommit()
        tried = 0
        while True:
            tried += 1
            self._end, self.is_committed = None, False
            try:
                return attempt()
            except Exception as error:
                conflict = conflict_in(self._end or error)
                may_retry = take_back is not None and not self._is_nested and not self.is_committed
                if conflict is None or not (may_retry or self._end):
                    raise
                if take_back is None or not may_retry or tried > RETRIES:
                    raise gave_up(conflict, tried) from error
                ContentType.objects.clear_cache()  # a type first seen in this attempt is gone
                take_back()
                self._pause(tried, conflict)
            finally:
                self._end = None

    def _pause(self, tried: int, conflict: BaseException) -> None:
        self.retries += 1
        logger.warning("trying again, %d of %d: %s", tried, RETRIES, gave_up(conflict))
        time.sleep(random.uniform(0.5, 1.5) * _PAUSE * 2 ** (tried - 1))  # noqa: S311  # nobody must not guess it

    def renew_connection(self) -> None:
        """Let go of a connection that the server has ended, so that the next query gets another."""
        raw = self._connection.connection
        is_lost = raw is not None and (getattr(raw, "closed", False) or not getattr(raw, "open", True))
        if is_lost and not self._connection.in_atomic_block:
            self._connection.close()
