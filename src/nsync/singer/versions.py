"""Versions of a stream: what a whole one does not name goes, as with a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any, Final

from nsync.decode.keys import split_key
from nsync.errors import SourceError
from nsync.feeds.feed import Feed
from nsync.options import SyncOptions
from nsync.read.singer import ActivateVersion, Record
from nsync.read.singerpieces import Piece, as_text

_NAMES_ONLY: Final = "u"  # an update without columns changes nothing, and a key that is not known is let be
_AFRESH: Final = "to take it away, run the tap without its state, so that it begins a version"
_NEXT: Final = "the next version takes it away, if this run is still in the history"


class Versions:
    """
    Keeps the keys of the version that a stream is at, on disk, until the tap says that it is whole.

    Args:
        stream: Whose.
        feed: Of the stream; its options say what is taken away, and how much of it at most.
    """

    def __init__(self, stream: str, feed: Feed) -> None:
        self._stream = stream
        self._feed = feed
        self._version: int | None = None
        self._activated: int | None = None
        self._announced: int | None = None  # that was said to be whole last
        self._keys: Piece | None = None
        self._first: int | None = None  # the run that had the first records of the version
        self._failed = 0  # records of the version
        self._came = self._was_given = False  # whether there were records; and versions

    @property
    def name(self) -> str:
        """Give the name of what has records of this version."""
        return self._stream if self._version is None else name_of(self._stream, self._version)

    def is_new(self, record: Record, name: str) -> bool:
        """
        Whether a record begins another version.

        Args:
            record: It.
            name: Of the tap's output.

        Raises:
            SourceError: Its version is over.
        """
        if self._version is not None and (record.version is None or record.version < self._version):
            what = "none" if record.version is None else str(record.version)
            reason = f"a record of {self._stream!r} of version {what}, after those of version {self._version}"
            raise SourceError(reason, name, record.line)
        return record.version != self._version

    def begin(self, version: int | None) -> None:
        """Begin another version: all that waited is synced."""
        self.close()
        self._version, self._first, self._failed = version, None, 0
        self._was_given = True

    def add(self, record: Record, options: SyncOptions, joined: Collection[str]) -> None:
        """
        Keep the key of a record of this version.

        Args:
            record: It.
            options: Of the run that it will be in.
            joined: Properties that are joined to a key.
        """
        self._came = True
        if self._version is None or self._version == self._activated:
            return
        if self._keys is None:
            self._keys = Piece(self.name, _closing(self._feed, options), joined=joined)
        names = split_key(options.external_key_column, list(record.record)).headers
        key: Mapping[str, Any] = {one: record.record[one] for one in names if one in record.record}
        self._keys.add(record.line, key, as_text(key))

    def note_run(self, run: int | None, failed: int) -> None:
        """Take note of a run that had records of the version."""
        self._first = self._first or run
        self._failed += failed

    def announced(self, message: ActivateVersion) -> bool:
        """Whether a version that is said to be whole is the one whose keys are kept: taps do so before it, too."""
        self._announced = message.version
        return self._announced == self._version and self._keys is not None

    def whole(self, was_begun: Callable[[str, int, int | None], bool | None]) -> tuple[Piece | None, str]:
        """
        Give what names the keys of a version that is whole, for a run that takes away all others; or why there is none.

        Args:
            was_begun: Tells whether a run before one had records of a version of a stream; None: nobody knows.
        """
        assert self._version is not None  # else there are no keys
        if self._failed and not self._feed.options.snapshot_despite_errors:
            cure = "fix them, or say --on-error skip --snapshot-despite-errors"
            return None, f"{self._failed} of its records failed, so that nothing was taken away: {cure}"
        is_begun = was_begun(self._stream, self._version, self._first)
        if is_begun:
            what = f"version {self._version} was begun in a run before, whose records are not known here"
            return None, f"{what}, so that nothing was taken away; {_AFRESH}"
        if is_begun is None:
            what = f"no run of an older version is left to show that no run before had records of {self._version}"
            return None, f"{what}, so that nothing was taken away; {_NEXT}"
        self._activated = self._version
        keys, self._keys = self._keys, None
        return keys, ""

    def left_over(self) -> str:
        """Say, at the end, what the tap has left open; "" if nothing."""
        if self._announced is not None and self._announced != self._version:
            return f"no record of version {self._announced} has come; as of an empty snapshot, nothing was taken away"
        if self._keys is not None and self._announced != self._version:
            return f"version {self._version} was not activated, so that nothing was taken away"
        if self._came and not self._was_given:
            return "its records have no version, so that nothing was taken away"
        return ""

    def close(self) -> None:
        """Forget the keys."""
        if self._keys is not None:
            self._keys.close()
            self._keys = None


def name_of(stream: str, version: int | str) -> str:
    """Give the name of what has records of a version; of the version "": how such names begin."""
    return f"{stream} version {version}"


def _closing(feed: Feed, options: SyncOptions) -> SyncOptions:
    """Give the options of a run whose rows do nothing but name keys."""
    return replace(
        options,
        header=(),
        action_flags=_NAMES_ONLY,
        flag_map=(),
        match_on=None,
        map=(),
        set=(),
        only_columns=(),
        strict=False,
        contract="any",
        snapshot=True,
        snapshot_action=feed.options.snapshot_action,
        snapshot_despite_errors=feed.options.snapshot_despite_errors,
    )
