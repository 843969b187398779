"""Expiring: once a run is over, history goes that was kept long enough. Part of the conductor."""

from __future__ import annotations

import logging
import time
from datetime import datetime, timedelta
from functools import partial
from typing import Final

from django.db import Error as DatabaseOrDriverError
from django.db import connections, transaction
from django.utils import timezone

from nsync.errors import ConfigError
from nsync.kept import kept_for
from nsync.record.pruning import prune_expired

logger = logging.getLogger(__name__)

_LEAST: Final = 2.0  # seconds
_SHARE: Final = 0.2  # of the time that the run took: who writes much has much to remove, sooner or later
_MOST: Final = 60.0


def expire(using: str, seconds: float) -> None:
    """
    Remove history that is older than ``NSYNC["KEEP"]`` allows; what goes wrong is logged, not raised.

    It takes a fifth of the time that the run took at most, but two seconds in any case, and never more than a minute,
    give or take one batch. What is left then waits for the next run, or for ``syncprune``.

    Within a transaction of the caller it waits for the commit: what it locks, or spoils, must not be the caller's.
    Where the caller ends transactions without Django's help nothing is removed.

    Args:
        using: Alias of the database.
        seconds: How long the run took.

    Queries: one if nothing is that old; else those of `nsync.record.pruning.prune_expired`.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        transaction.on_commit(partial(_expire, using, seconds), using=using, robust=True)
    elif connection.autocommit:  # not get_autocommit(), which connects: the connection may be what ended the run
        _expire(using, seconds)


def _expire(using: str, seconds: float) -> None:
    until = time.monotonic() + min(max(_LEAST, seconds * _SHARE), _MOST)
    try:
        kept = kept_for()
        before = _ago(kept.changes), _ago(kept.runs)
        if not prune_expired(using, *before, is_enough=lambda: time.monotonic() >= until):
            logger.info("there is more history to remove than there was time for: syncprune does the rest")
    except ConfigError as error:
        logger.warning("no history is removed: %s", error)
    except DatabaseOrDriverError:  # such as SQLite, while somebody else writes; there is a next time
        logger.warning("old history could not be removed", exc_info=True)
    except (KeyboardInterrupt, SystemExit) as error:
        error.add_note("the run itself had ended before; old history was being removed")
        raise


def _ago(age: timedelta | None) -> datetime | None:
    """Give the time so long ago; None: there was none."""
    try:
        return None if age is None else timezone.now() - age
    except OverflowError:
        return None
