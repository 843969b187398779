"""A proposed feed as text of ``nsync.toml``, and how it is added to what the file has."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from glob import escape
from pathlib import Path
from shlex import quote
from typing import Final

from nsync.errors import ConfigError
from nsync.feeds.reading import TABLE
from nsync.feeds.undecided import MARK
from nsync.profiling.proposal import Proposal, Said

_BARE: Final = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9][0-9_.:-]*[0-9]|[0-9]")
_MARK_OF_BYTES: Final = b"\xef\xbb\xbf"


def feed_text(proposal: Proposal, name: str, files: str) -> str:
    """
    Give a feed as TOML, with a comment on each line that says why it is so.

    Args:
        proposal: The feed.
        name: Of the feed.
        files: A pattern that might fit its files; "": the file has no name.
    """
    table = f"{TABLE}.{_key(name)}"
    lines = [f"# As {_plain(proposal.source)} looks, {proposal.told} of it.", f"[{table}]"]
    lines += [f"system = {_value(proposal.system)}", f"model = {_value(proposal.model)}"]
    if files:
        why = f"which files are meant; until then name them: syncfeed {quote(name)} FILE"
        lines.append(_line(Said("files", files, why, is_proven=False)))
    lines += map(_line, proposal.lines)
    if proposal.columns:
        lines += ["", f"[{table}.columns]", *(_line(_quoted(said)) for said in proposal.columns)]
    return "\n".join(lines) + "\n"


def pattern_for(source: str, folder: Path) -> str:
    """Give a pattern of files that are called as this one but for numbers and dates, as seen from a folder."""
    path = Path(source)
    if not path.is_file():
        return ""
    pattern = _DIGITS.sub("*", escape(path.name))
    beside = os.path.relpath(path.absolute().parent, folder.absolute())
    if beside.startswith(os.pardir):
        beside = str(path.absolute().parent)
    return pattern if beside == os.curdir else os.path.join(escape(beside), pattern)


def add_feed(path: Path, name: str, text: str) -> None:
    """
    Add a feed at the end of a file of feeds, which is made if there is none. What is in it stays, to the last byte.

    Raises:
        ConfigError: It has a feed of this name, is no TOML, or cannot be written.
    """
    try:
        before = path.read_bytes() if path.exists() else b""
        added = _separated(before, text)
        _check(path, name, before, before + added)
        with path.open("ab") as file:
            try:
                file.write(added)
                file.flush()
            except OSError:
                with suppress(OSError):
                    os.truncate(path, len(before))
                raise
    except (OSError, UnicodeError) as error:
        raise ConfigError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error


def has_feed(path: Path, name: str) -> bool:
    """Whether a file has a feed of this name; what is no TOML, has none."""
    try:
        return name in _feeds(path.read_bytes())
    except (OSError, UnicodeError, tomllib.TOMLDecodeError):
        return False


def _separated(before: bytes, text: str) -> bytes:
    """Give what is to be added: with the line ends of the file, and a blank line before it."""
    if not before.removeprefix(_MARK_OF_BYTES).strip():
        return text.encode()
    end = "\r\n" if b"\r\n" in before else "\n"
    gap = end if before.endswith(b"\n") else end * 2
    return (gap + text.replace("\n", end)).encode()


def _check(path: Path, name: str, before: bytes, after: bytes) -> None:
    """Refuse what would not leave all other feeds as they are."""
    try:
        old = _feeds(before)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: is no TOML: {error}; mend it first") from None
    if name in old:
        raise ConfigError(f"{path}: there is a feed {name!r} already; choose another --name")
    try:
        new = _feeds(after)
    except tomllib.TOMLDecodeError as error:
        reason = "feeds are not tables such as [feeds.persons] in it, so that none can be added at its end"
        raise ConfigError(f"{path}: {reason} ({error})") from None
    if {key: value for key, value in new.items() if key != name} != old or name not in new:
        raise ConfigError(f"{path}: the feed cannot be added at its end; add it by hand")


def _feeds(content: bytes) -> dict[str, object]:
    found = tomllib.loads(content.decode("utf-8-sig")).get(TABLE, {})
    return found if isinstance(found, dict) else {}


def _line(said: Said) -> str:
    why = f"  # {_plain(said.why)}" if said.why else ""
    if not said.key:
        return why.strip()
    line = f"{said.key} = {_value(said.value)}{why}"
    return line if said.is_proven else f"{MARK} {line}"


def _quoted(said: Said) -> Said:
    return said._replace(key=_key(said.key)) if said.key else said


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _value(name)


def _value(value: str | int | list[str]) -> str:
    if isinstance(value, int):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(_value, value))}]"
    text = value.encode("utf-8", "replace").decode()  # JSON may hold half characters, TOML may not
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _plain(text: str) -> str:
    """Give text that a comment may hold."""
    return "".join(_signs(text))


def _signs(text: str) -> Iterator[str]:
    for sign in text:
        yield sign if sign.isprintable() else repr(sign)[1:-1]
