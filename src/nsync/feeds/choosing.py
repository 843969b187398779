"""Which feed a command means: all right, and by its name."""

from __future__ import annotations

from difflib import get_close_matches
from pathlib import Path

from nsync.errors import ConfigError
from nsync.feeds.checking import problems_of
from nsync.feeds.feed import Feed
from nsync.feeds.reading import FeedFile


def read_feeds(path: str | Path, name: str = "") -> FeedFile:
    """
    Read a file of feeds.

    Args:
        path: Of the file.
        name: Of the one feed that must be all right; "": all.

    Raises:
        ConfigError: Something is wrong.
    """
    file = FeedFile(path)
    wrong = problems_of(file, name)
    if wrong:
        raise ConfigError("\n".join(map(file.told, wrong)))
    return file


def choose_feed(file: FeedFile, name: str) -> Feed:
    """Give the feed of this name; raises ConfigError if there is none."""
    if name not in file.feeds:
        close = get_close_matches(name, file.feeds, n=1)
        hint = f"did you mean {close[0]!r}? There are" if close else "there are"
        raise ConfigError(f"{file.path}: no feed {name!r}; {hint} {', '.join(file.names) or 'none'}")
    return file.feeds[name]


def told_undecided(file: FeedFile, name: str) -> str:
    """Say what a feed leaves to decide, with the lines; "" if that is nothing."""
    undecided = file.undecided(name)
    if not undecided:
        return ""
    keys = ", ".join(f"{one.key} (line {one.line})" for one in undecided)
    return f"{file.path}:{undecided[0].line}: [feeds.{name}] leaves to decide: {keys}"
