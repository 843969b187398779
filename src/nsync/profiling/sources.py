"""Opening a file to look at it: one that can be looked at column by column."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from nsync.errors import SourceError
from nsync.identities import Identities
from nsync.opening import Input, check_systems, open_input
from nsync.options import SyncOptions
from nsync.read.base import Source

MOST_COLUMNS: Final = 10_000  # each takes some kilobytes


@contextmanager
def opened(given: Input, options: SyncOptions, using: str) -> Iterator[Source]:
    """
    Open a source until the block ends.

    Raises:
        ConfigError, SourceError: As `check_systems` and `open_input`; or it has more columns than any table can have.
    """
    check_systems([given], options, Identities(using))
    source = open_input(given, options)
    try:
        if len(source.header) > MOST_COLUMNS:
            reason = f"has {len(source.header):,} columns, of which at most {MOST_COLUMNS:,} are looked at"
            raise SourceError(f"{reason}; is the delimiter right, and the line end?", source.name)
        yield source
    finally:
        source.close()
