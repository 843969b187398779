"""Which feed takes which stream of a tap, and with which options."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import islice
from typing import Final

from nsync.errors import ConfigError
from nsync.feeds.checking import check_feed
from nsync.feeds.feed import Feed
from nsync.feeds.reading import FeedFile, FeedProblem
from nsync.options import SyncOptions
from nsync.read.singer import Schema
from nsync.read.singerpieces import DELETED_AT, JOINT

FLAGS: Final = "cu*"  # what records ask for if the feed does not say
_SHOWN: Final = 30  # columns of a feed that is proposed
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)


class Streams:
    """
    Finds the feeds of streams.

    Args:
        file: All feeds.
        system: Of the tap.
        named: What the call says: pairs of a stream and a feed; the stream "" stands for the only one of the tap.
        adapt: Gives a feed with what the call says otherwise.

    Raises:
        ConfigError: There is no such feed, or one that is named has mistakes.
    """

    def __init__(
        self,
        file: FeedFile,
        system: str,
        named: Sequence[tuple[str, str]] = (),
        adapt: Callable[[Feed], Feed] = lambda feed: feed,
    ) -> None:
        self._file = file
        self._adapt = adapt
        self.system = system
        self._named = dict(named)
        self._only = ""  # the stream that "" stands for
        _raise(file, [problem for problem in file.problems if not problem.feed])
        for name in self._named.values():
            if name not in file.names:
                close = get_close_matches(name, file.names, n=1)
                hint = f"did you mean {close[0]!r}? There are" if close else "there are"
                raise ConfigError(f"{file.path}: no feed {name!r}; {hint} {', '.join(file.names) or 'none'}")

    def find(self, stream: str) -> Feed | None:
        """
        Give the feed of a stream: the one that the call names; else the one of the system for that stream.

        Raises:
            ConfigError: There are several, or it has mistakes; or there is none, and others have mistakes.
        """
        name = self._named.get(stream) or self._name_of_only(stream)
        if name:
            return replace(self._checked(name), system=self.system)
        own = [feed for feed in self._file.feeds.values() if feed.system == self.system]
        found = [feed.name for feed in own if feed.stream == stream]
        found = found or [feed.name for feed in own if feed.name == stream and not feed.stream]
        if len(found) > 1:
            names = " and ".join(map(repr, found))
            raise ConfigError(f"{self._file.path}: the feeds {names} are both for the stream {stream!r}; say --feed")
        if not found:  # one of those with mistakes may be meant
            _raise(self._file, self._file.problems)
        return self._checked(found[0]) if found else None

    def _name_of_only(self, stream: str) -> str:
        name = self._named.get("", "")
        if name and self._only and stream != self._only:
            raise ConfigError(
                f"--feed {name}: the tap has more than one stream, {self._only!r} and {stream!r}; "
                f"say which one it is for: --feed {self._only}={name}"
            )
        self._only = self._only or stream
        return name

    def _checked(self, name: str) -> Feed:
        _raise(self._file, [problem for problem in self._file.problems if problem.feed == name])
        feed = self._file.feeds[name]
        _raise(self._file, list(check_feed(self._file, feed)))
        return self._adapt(feed)


def _raise(file: FeedFile, problems: Sequence[FeedProblem]) -> None:
    if problems:
        raise ConfigError("\n".join(map(file.told, problems)))


def proposal(schema: Schema, system: str) -> str:
    """Write a feed for a stream, of which somebody has to say what it is synced to."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", schema.stream).strip("-") or "stream"
    lines = [f"[feeds.{name}]", f"system = {_quoted(system)}", f"stream = {_quoted(schema.stream)}"]
    lines.append('model = "app.Model"')
    if schema.properties:
        lines += ["", f"[feeds.{name}.columns]"]
        lines += [f'{_key(one)} = ""' for one in islice(schema.properties, _SHOWN) if one not in schema.keys]
    return "\n".join(lines)


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _quoted(name)


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")  # as TOML has it


def key_of(schema: Schema) -> str | None:
    """Give the properties of a stream's key as ``--external-key-column`` takes them; None: it has none."""
    if not schema.keys:
        return None
    if len(schema.keys) == 1:
        return schema.keys[0]
    if any(brace in name for name in schema.keys for brace in "{}"):
        names = ", ".join(map(repr, schema.keys))
        raise ConfigError(
            f"the key of the stream {schema.stream!r} is made of {names}, which have braces in their names"
        )
    return JOINT.join(f"{{{name}}}" for name in schema.keys)


def joined_by(feed: Feed, schema: Schema) -> tuple[str, ...]:
    """Name the properties that `key_of` joins; none if the feed says what the key is."""
    return () if feed.options.external_key_column or len(schema.keys) < 2 else schema.keys


def options_for(feed: Feed, schema: Schema, *, deletes: bool) -> SyncOptions:
    """
    Give the options of a run with records of a stream: those of its feed, and what the tap says.

    Args:
        feed: Of the stream.
        schema: The latest.
        deletes: Whether records that are marked as deleted ask for that.
    """
    options = feed.options
    has_flags = options.action_flags is not None or options.action_flags_column in schema.properties
    return replace(
        options,
        action_flags=options.action_flags if has_flags else FLAGS,
        external_key_column=options.external_key_column or key_of(schema),
        flag_map=(*options.flag_map, (DELETED_AT, "d")) if deletes and options.flag_map else options.flag_map,
        # What a version of the stream lacks is taken away when the tap says that it is whole: `nsync.singer.versions`.
        snapshot=False,
        snapshot_action="delete",
        snapshot_despite_errors=False,
    )


def wanted_by(options: SyncOptions) -> frozenset[str]:
    """Name the columns that options name."""
    named = {header.strip() for header, target in options.map} | {name.strip() for name in options.only_columns}
    return frozenset(named | {options.action_flags_column, options.external_key_column or ""})
