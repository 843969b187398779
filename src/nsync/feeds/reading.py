"""Reading ``nsync.toml``: the feeds that it describes, and what is wrong with them, with the line."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date, datetime, time
from decimal import Decimal
from difflib import get_close_matches
from glob import escape
from pathlib import Path
from typing import Any, Final, NamedTuple

from nsync.errors import ConfigError
from nsync.feeds.feed import KEYS, ON_MISSING_FILE, OPTION_KEYS, Feed
from nsync.feeds.lines import line_of, lines_of
from nsync.feeds.undecided import MARK, Undecided, undecided_in
from nsync.options import CHOICES, SyncOptions, is_time
from nsync.places import is_place

TABLE: Final = "feeds"
_MAPPINGS: Final = ("set", "flag_map")
_MEANT: Final = {"map": "columns", "key": "external_key_column", "flags": "action_flags", "match": "match_on"}


class FeedProblem(NamedTuple):
    """What is wrong in the file."""

    feed: str  # its name; "" if it is the file as a whole
    line: int  # 0 if nobody knows
    message: str
    hint: str = ""  # what would work


class _Wrong(Exception):
    """A value makes no sense."""


class FeedFile:
    """
    A file of feeds. A feed with which something is wrong is left out of `feeds`, and told in `problems`.

    Raises:
        ConfigError: It cannot be read, or is no TOML.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        text = _read(self.path)
        self._lines: dict[tuple[str, ...], int] | None = None
        self._text = text
        self.feeds: dict[str, Feed] = {}
        self.problems: list[FeedProblem] = []
        try:
            tables = tomllib.loads(text, parse_float=Decimal)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise ConfigError(f"{self.path}: is no TOML: {error}") from None
        except ValueError:
            raise ConfigError(f"{self.path}: a number has more digits than Python reads; write a smaller one") from None
        for key, value in tables.items():
            if key != TABLE or not isinstance(value, dict):
                self._note("", f"{key!r} is no table of feeds", f"Write [{TABLE}.NAME], and below it what it is.", key)
                continue
            for name, given in value.items():
                self._read_feed(name, given)

    @property
    def names(self) -> list[str]:
        """All feeds, in the order of the file, those with problems too."""
        return list(dict.fromkeys([*self.feeds, *(problem.feed for problem in self.problems if problem.feed)]))

    def line(self, *path: str) -> int:
        """Give the line of a key, of which only problems have need."""
        if self._lines is None:
            self._lines = lines_of(self._text)
        return line_of(self._lines, *path)

    def undecided(self, feed: str) -> list[Undecided]:
        """Give what a feed leaves to decide."""
        if MARK not in self._text:
            return []
        return undecided_in(self._text, {name: self.line(TABLE, name) for name in self.names}).get(feed, [])

    def told(self, problem: FeedProblem) -> str:
        """Say where a problem is, what it is, and what would work."""
        place = f"{self.path}:{problem.line}" if problem.line else str(self.path)
        table = f" [{TABLE}.{problem.feed}]" if problem.feed else ""
        message = problem.message.rstrip(".")
        return f"{place}:{table} {message}{f'. {problem.hint}' if problem.hint else ''}"

    def problem(self, feed: str, message: str, hint: str, *path: str) -> FeedProblem:
        """Make a problem of a feed, whose line is that of a key of it."""
        return FeedProblem(feed, self.line(TABLE, feed, *path), message, hint)

    def _note(self, feed: str, message: str, hint: str, *path: str) -> None:
        self.problems.append(FeedProblem(feed, self.line(*path), message, hint))

    def _read_feed(self, name: str, given: object) -> None:
        if not isinstance(given, dict) or not name.strip():
            self._note(name, "is no table", f"Write [{TABLE}.NAME], and below it what it is.", TABLE, name)
            return
        if "contract" not in given and given.get("columns") in CHOICES["contract"]:
            given = {key: value for key, value in given.items() if key != "columns"} | {"contract": given["columns"]}
        before = len(self.problems)
        found: dict[str, Any] = {}
        for key, value in given.items():
            if key not in KEYS:
                close = [_MEANT[key]] if key in _MEANT else get_close_matches(key, KEYS, n=1)
                hint = f"Did you mean {close[0]!r}?" if close else f"Known keys: {', '.join(sorted(KEYS))}."
                self._note(name, f"unknown key {key!r}", hint, TABLE, name, key)
                continue
            try:
                found[key] = _value(key, value, has_comma=given.get("decimal_comma") is True)
            except _Wrong as error:
                self._note(name, f"{key}: {error}", "", TABLE, name, key)
        for key in ("system", "model"):
            if key not in given:
                self._note(name, f"{key!r} is missing", 'Write system = "HR" and model = "app.Model".', TABLE, name)
        if len(self.problems) == before:
            self.feeds[name] = _make(name, found, self.path.parent)


def load_feeds(path: str | Path) -> dict[str, Feed]:
    """
    Read a file of feeds.

    Returns:
        Name → feed, in the order of the file. Whether there are such models and fields, `nsync.feeds.checking` knows.

    Raises:
        ConfigError: The file cannot be read, or something in it is wrong; all of it is named.
    """
    file = FeedFile(path)
    if file.problems:
        raise ConfigError("\n".join(map(file.told, file.problems)))
    return file.feeds


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        cure = 'make one that describes feeds, or say where it is: NSYNC["FEEDS"]'
        raise ConfigError(f"{path}: no such file; {cure}") from None
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _make(name: str, found: dict[str, Any], folder: Path) -> Feed:
    options = {key: found.pop(key) for key in OPTION_KEYS if key in found}
    columns = found.pop("columns", ())
    says_failed = "failed" in found
    for key in ("archive", "failed"):
        found[key] = folder / found[key] if found.get(key) else None
    if found.get("files"):
        found["files"] = pattern_in(folder, found["files"])
    feed = Feed(name=name, options=SyncOptions(map=columns, **options), **found)
    return feed if says_failed else with_failed(feed)


def pattern_in(folder: Path, pattern: str) -> str:
    """Give a pattern that means files in a folder, whatever the folder is called; a place elsewhere as it is."""
    if is_place(pattern):
        return pattern
    return str(Path(escape(str(folder))) / pattern)


def with_failed(feed: Feed) -> Feed:
    """Give a feed a folder for files that fail, beside that for the others, if it has none."""
    if feed.archive is None or feed.failed is not None:
        return feed
    return replace(feed, failed=feed.archive.parent / "failed")


def _value(key: str, given: object, *, has_comma: bool) -> object:
    """Give the value of an attribute of `Feed` or `SyncOptions`; raises _Wrong."""
    if key == "columns":
        alone = f"or alone the contract: {', '.join(CHOICES['contract'])}"
        return tuple(_columns(_table(given, f'"Header" = "field"; {alone}')))
    if key in _MAPPINGS:
        table = _table(given, '"name" = "value"')
        return tuple((name, _text(value, has_comma=has_comma)) for name, value in table.items())
    if key in OPTION_KEYS:
        return _option(key, given)
    if key == "on_missing_file":
        if given not in ON_MISSING_FILE:
            raise _Wrong(f"{given!r} is none of {', '.join(ON_MISSING_FILE)}")
        return given
    if key == "all_files":
        if not isinstance(given, bool):
            raise _Wrong(f"{given!r} is neither true nor false")
        return given
    if key == "min_age":
        if not is_time(seconds := float(given) if isinstance(given, Decimal) else given):
            raise _Wrong(f"{_shown(given)} is no number of seconds")
        return float(seconds)
    if not isinstance(given, str) or (key not in ("archive", "failed") and not given.strip()):
        raise _Wrong(f"{given!r} is no text that says something")
    return given


def _option(key: str, given: object) -> object:
    value: Any = tuple(given) if isinstance(given, list) else float(given) if isinstance(given, Decimal) else given
    if key in ("max_changes", "max_deletes") and isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    try:
        SyncOptions(**{key: value})
    except ConfigError as error:
        _, _, wanted = str(error).partition(" must be ")
        raise _Wrong(f"must be {_as_toml(wanted)}, not {_shown(given)}") from None
    return value


def _shown(given: object) -> str:
    return str(given) if isinstance(given, Decimal) else repr(given)


def _as_toml(wanted: str) -> str:
    """Say as in TOML what an option must be, which is said as in Python."""
    for python, toml in (("True or False", "true or false"), ("a tuple of text", 'a list of text, such as ["a", "b"]')):
        if wanted.startswith(python):
            return toml
    return wanted


def _table(given: object, example: str) -> Mapping[str, object]:
    if not isinstance(given, dict):
        raise _Wrong(f"must be a table, of lines such as {example}")
    return given


def _columns(table: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for header, targets in table.items():
        if targets == []:
            raise _Wrong(f'{header!r} has an empty list; "" leaves the column out')
        for target in targets if isinstance(targets, list) else [targets]:
            if not isinstance(target, str):
                raise _Wrong(f'{header!r} must be a field or a reference; "" leaves the column out')
            yield header, target


def _text(value: object, *, has_comma: bool) -> str:
    """Give a constant as a cell holds it; a number so that it is read as what it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal) and has_comma:
        return str(value).replace(".", ",")
    if isinstance(value, str | int | Decimal):
        return str(value)
    raise _Wrong(f"{value!r} is no single value")
