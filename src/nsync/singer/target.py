"""A Singer target: cuts what a tap writes into pieces, lets each be synced, and gives back the states that are safe."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from typing import Final, Protocol

from nsync.decode.keys import DEFAULT as KEY
from nsync.errors import ConfigError, SourceError
from nsync.feeds.feed import Feed
from nsync.feeds.ordering import in_order
from nsync.options import SyncOptions
from nsync.read.base import Source
from nsync.read.singer import ActivateVersion, Message, Record, Schema, State, misfit
from nsync.read.singerpieces import DELETED_AT, Piece
from nsync.record.report import Report
from nsync.singer.earlier import was_begun
from nsync.singer.streams import Streams, joined_by, options_for, proposal, wanted_by
from nsync.singer.versions import Versions

WITHOUT_STATE: Final = 10  # times the records after which a state ends a piece: so many end it without one
LARGEST: Final = 256 * 1024 * 1024  # bytes of records; these do, too
SKIPPED: Final = "records were skipped: there is no feed for it"
MARKED: Final = f"records are marked as deleted ({DELETED_AT}), and were kept; --hard-delete deletes what they name"
UNHEEDED: Final = "whole versions took nothing away; --snapshot takes away what they lack"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cuts:
    """How what a tap writes is cut into pieces, and what is minded in it."""

    records: int = 10_000  # after so many the next state ends a piece
    seconds: float = 60  # and after so long
    skips_streams: bool = False  # those for which there is no feed
    checks_types: bool = True  # of records, against their schema
    deletes: bool = False  # what records say that are marked as deleted


class Sync(Protocol):
    """Syncs a source of a feed; raises what ends all, if it is not committed as it should be."""

    def __call__(self, feed: Feed, source: Source, options: SyncOptions) -> Report:
        """Sync; options are those of the feed, as the stream has them."""


@dataclass(slots=True)
class Stream:
    """What is known of a stream, and what of it waits to be synced."""

    schema: Schema
    feed: Feed | None = None  # None: its records are skipped
    options: SyncOptions = field(default_factory=SyncOptions)  # of the runs that sync them
    wanted: frozenset[str] = frozenset()  # columns that those name
    joined: tuple[str, ...] = ()  # properties whose values are joined to a key
    versions: Versions | None = None  # if the feed says that what a whole version lacks is taken away
    piece: Piece | None = None
    is_whole: bool = False  # whether its version is, once the piece is synced
    notes: Counter[str] = field(default_factory=Counter)  # what was left undone, and how often


class Target:
    """
    Takes the messages of a tap, one after the other.

    A state is given back once all records before it are committed, of whichever stream. So a tap that begins anew with
    the last state misses no record, and may send some again, which changes nothing. Records wait on disk.

    Args:
        name: Of the tap's output, in errors.
        streams: Finds the feed of each stream.
        cuts: How pieces are cut.
        sync: Syncs a piece.
        give_back: Takes the JSON of a state.
        clock: Gives seconds.
    """

    def __init__(
        self,
        name: str,
        streams: Streams,
        cuts: Cuts,
        sync: Sync,
        give_back: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.streams: dict[str, Stream] = {}
        self.others: Counter[str] = Counter()  # types of messages that are nobody's business
        self._name = name
        self._find = streams
        self._cuts = cuts
        self._sync = sync
        self._give_back = give_back
        self._clock = clock
        self._state: State | None = None  # the last one that waits for the records before it
        self._begun: float | None = None  # when its first record came
        self._waiting = 0  # records
        self._size = 0  # of them, in bytes

    def take(self, message: Message) -> None:
        """
        Take a message.

        Raises:
            SourceError, ConfigError: It cannot be; what waits is left.
            Exception: What `sync` raises.
        """
        if isinstance(message, Record):
            self._take_record(message)
        elif isinstance(message, State):
            self._take_state(message)
        elif isinstance(message, Schema):
            self._take_schema(message)
        elif isinstance(message, ActivateVersion):
            self._activate(message)
        else:
            self.others[message.type] += 1

    def end(self) -> None:
        """Sync what waits: the tap has nothing more to say. Errors as those of `take`."""
        self._end_piece()
        for stream in self.streams.values():
            if stream.versions is not None and (why := stream.versions.left_over()):
                stream.notes[why] += 1

    def close(self) -> None:
        """Let go of what waits."""
        for stream in self.streams.values():
            for held in (stream.piece, stream.versions):
                if held is not None:
                    held.close()

    def _take_schema(self, schema: Schema) -> None:
        stream = self.streams.get(schema.stream)
        if stream is None:
            stream = self.streams[schema.stream] = self._new_stream(schema)
        elif stream.schema.keys != schema.keys:
            reason = f"another SCHEMA of {schema.stream!r}, with another key: a key that changes names other objects"
            raise SourceError(reason, self._name, schema.line)
        elif stream.schema.properties != schema.properties and stream.piece is not None:
            self._end_piece()  # the columns of a piece are those of one schema
        stream.schema = schema
        if stream.feed is not None:
            stream.options = options_for(stream.feed, schema, deletes=self._cuts.deletes)
            stream.wanted = wanted_by(stream.options)
            stream.joined = joined_by(stream.feed, schema)

    def _new_stream(self, schema: Schema) -> Stream:
        feed = self._find.find(schema.stream)
        if feed is not None:
            return Stream(schema, feed, versions=self._new_versions(schema, feed))
        if self._cuts.skips_streams:
            return Stream(schema)
        what = f"{self._name}:{schema.line}: there is no feed of {self._find.system!r} for the stream"
        raise ConfigError(
            f"{what} {schema.stream!r}; --skip-streams leaves it out, and a feed takes it, such as:\n\n"
            f"{proposal(schema, self._find.system)}"
        )

    def _new_versions(self, schema: Schema, feed: Feed) -> Versions | None:
        if not feed.options.snapshot:
            return None
        if not (schema.keys or feed.options.external_key_column or KEY in schema.properties):
            raise ConfigError(f"{feed.name}: --snapshot needs keys, and the stream {schema.stream!r} has none")
        for stream, known in self.streams.items():
            if known.feed is not None and known.feed.name == feed.name:
                what = f"{feed.name}: the feed is for {stream!r} and for {schema.stream!r}"
                raise ConfigError(f"{what}, and with --snapshot each would take away what the other has")
        return Versions(schema.stream, feed)

    def _take_record(self, record: Record) -> None:
        stream = self._known(record)
        if self._cuts.checks_types and (why := misfit(record.record, stream.schema.properties)):
            raise SourceError(f"a RECORD of {record.stream!r} whose {why}", self._name, record.line)
        if stream.feed is None:
            stream.notes[SKIPPED] += 1
            return
        if stream.versions is not None:
            if stream.versions.is_new(record, self._name):
                if stream.piece is not None or stream.is_whole:
                    self._end_piece()
                stream.versions.begin(record.version)
            stream.versions.add(record, stream.options, stream.joined)
        if stream.piece is None:
            stream.piece = self._new_piece(stream)
        stream.piece.add(record.line, record.record, record.text)
        if not self._cuts.deletes and record.record.get(DELETED_AT) is not None and DELETED_AT not in stream.wanted:
            stream.notes[MARKED] += 1
        if self._begun is None:
            self._begun = self._clock()
        self._waiting += 1
        self._size += len(record.text)
        if self._waiting >= WITHOUT_STATE * self._cuts.records or self._size >= LARGEST:
            self._end_piece()

    def _known(self, message: Record | ActivateVersion) -> Stream:
        if message.stream not in self.streams:
            kind = "a RECORD" if isinstance(message, Record) else "an ACTIVATE_VERSION"
            raise SourceError(f"{kind} of {message.stream!r} before its SCHEMA", self._name, message.line)
        return self.streams[message.stream]

    def _new_piece(self, stream: Stream) -> Piece:
        name = stream.schema.stream if stream.versions is None else stream.versions.name
        piece = Piece(name, stream.options, stream.wanted, deletes=self._cuts.deletes, joined=stream.joined)
        piece.name_columns((*stream.schema.properties, *stream.schema.keys))
        return piece

    def _take_state(self, state: State) -> None:
        self._state = state
        is_long = self._begun is None or self._clock() - self._begun >= self._cuts.seconds
        if is_long or self._waiting >= self._cuts.records:
            self._end_piece()

    def _activate(self, message: ActivateVersion) -> None:
        stream = self._known(message)
        if stream.versions is not None:
            if stream.versions.announced(message):
                stream.is_whole = True
        elif stream.feed is not None:
            stream.notes[UNHEEDED] += 1

    def _end_piece(self) -> None:
        """
        Sync what waits, and take away what whole versions lack; then give back the state that came last.

        Streams come first to whose models others refer; what is taken away goes the other way round.
        """
        busy = [stream for stream in self.streams.values() if stream.piece is not None or stream.is_whole]
        feeds = {stream.feed.name: stream.feed for stream in busy if stream.feed is not None}
        names = [feed.name for feed in in_order(list(feeds.values())).feeds]
        busy.sort(key=lambda stream: names.index(stream.feed.name) if stream.feed is not None else 0)
        for stream in busy:
            self._sync_piece(stream)
        for stream in reversed(busy):
            self._take_away(stream)
        if self._state is not None:
            self._give_back(self._state.value)
        self._state, self._begun, self._waiting, self._size = None, None, 0, 0

    def _sync_piece(self, stream: Stream) -> None:
        piece, stream.piece = stream.piece, None
        if piece is None or stream.feed is None:
            return
        with closing(piece):
            report = self._sync(stream.feed, piece, stream.options)
        if stream.versions is not None:
            stream.versions.note_run(report.run, report.failed)

    def _take_away(self, stream: Stream) -> None:
        is_whole, stream.is_whole = stream.is_whole, False
        feed = stream.feed
        if not is_whole or feed is None or stream.versions is None:
            return
        keys, why = stream.versions.whole(lambda name, version, run: was_begun(name, version, feed, run))
        if keys is not None:
            with closing(keys):
                self._sync(feed, keys, keys.options)
        elif why:
            stream.notes[why] += 1
