"""What is fetched from elsewhere before it is read: one copy for all passes, which is whole or an error."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable
from typing import Final, TypeGuard

from nsync.errors import SourceError
from nsync.read.streams import FileContent, no_room

TIMEOUT: Final = 60.0  # seconds in which a server must say something


class FetchedContent(FileContent):
    """
    A file that was copied to a temporary folder, which goes with it.

    All of it is there before the first row is read: no transaction waits for a network, and what breaks off leaves
    nothing half done.
    """

    def __init__(self, name: str, fetch: Callable[[str], object]) -> None:
        """
        Fetch it.

        Args:
            name: As it is spoken of.
            fetch: Makes the file of this path.

        Raises:
            SourceError: As `fetch` does, or there is no room.
        """
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="nsync-", ignore_cleanup_errors=True)
        except OSError as error:
            raise no_room(error, name) from error
        try:
            path = os.path.join(self._folder.name, "content")
            fetch(path)
            with open(path, "rb") as stream:
                super().__init__(path, stream, name)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Remove the copy."""
        self._folder.cleanup()


def check_length(name: str, found: int, announced: int | None) -> None:
    """Raise SourceError if a copy is not as long as the place said that the file is."""
    if announced is not None and found != announced:
        raise cut_off(name, f"{found:,} of {announced:,} bytes came")


def cut_off(name: str, why: str) -> SourceError:
    """Say that only a part of a file came: rows that are missing must not be taken for rows that are gone."""
    return SourceError(f"was cut off: {why}; nothing was read, run again", name)


def is_full(error: BaseException) -> TypeGuard[OSError]:
    """Whether a disk is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
