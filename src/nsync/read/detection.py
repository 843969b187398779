"""Which encoding a file is in, where ``--encoding auto`` asks: as its bytes prove, or as charset-normalizer tells."""

from __future__ import annotations

import codecs
import re
from importlib import import_module
from typing import Any, Final, NamedTuple

from nsync.errors import ConfigError, SourceError
from nsync.read.firstbytes import HEAD_SIZE, encoding_shown_by, refuse_other_kinds
from nsync.read.streams import BUFFER_SIZE, Content

SAMPLE_SIZE: Final = 256 * 1024  # bytes of lines that hold more than ASCII; the rest of a file is not looked at
# What files that are neither ASCII nor UTF nearly always are; of several that read a sample alike, the first is taken.
CANDIDATES: Final = (
    *("cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "cp1257", "iso8859_2", "iso8859_15", "koi8_r", "mac_roman"),
    *("cp850", "cp852", "cp437", "cp866", "cp932", "gb18030", "big5", "cp949", "euc_jp"),
)
# How far another reading must be behind the best one, as charset-normalizer weighs them (both from 0 to 1): with less,
# Polish in ISO 8859-2 passes for cp1250, and German in cp1252 for Mac Roman.
_MORE_CHAOS: Final = 0.1
_LESS_COHERENCE: Final = 0.3
_LONGEST_LINE: Final = 64 * 1024  # bytes; a longer one is cut
_SHOWN: Final = 30  # bytes of a cell
_MOST_SHOWN: Final = 6  # readings


class Encoding(NamedTuple):
    """An encoding, and how it was found."""

    name: str
    note: str


class _Sample(NamedTuple):
    """The lines of a file that hold more than ASCII."""

    lines: list[bytes]
    is_whole: bool  # the file was read to its end
    is_utf8: bool

    @property
    def told(self) -> str:
        """Say how much was looked at."""
        count = f"{len(self.lines):,} line{'s' if len(self.lines) > 1 else ''} with more than ASCII"
        return count if self.is_whole else f"its first {count}"


def detect_encoding(content: Content) -> Encoding:
    """
    Find out the encoding of a file.

    A byte order mark, UTF-16, ASCII and UTF-8 prove themselves. For others charset-normalizer is asked.

    Cost: reads the file once more, up to SAMPLE_SIZE bytes of lines that hold more than ASCII.

    Raises:
        SourceError: There are several encodings that it may be in; the message shows how they read it.
        ConfigError: charset-normalizer is needed, and is not installed.
    """
    with content.open() as stream:
        head = stream.read(HEAD_SIZE)
    refuse_other_kinds(head, content.name)
    shown = encoding_shown_by(head)
    if shown:
        return Encoding(shown, f"encoding: {shown} (its first bytes show it)")
    sample = _sample(content)
    if not sample.lines:
        return Encoding("utf-8", "encoding: utf-8 (all of it is ASCII)")
    if sample.is_utf8:
        return Encoding("utf-8", f"encoding: utf-8 ({sample.told} read so)")
    return _told_apart(sample, content.name)


def _sample(content: Content) -> _Sample:
    decoder = codecs.getincrementaldecoder("utf-8")()
    is_utf8, lines, size, rest = True, [], 0, b""
    with content.open() as stream:
        while size < SAMPLE_SIZE:
            chunk = stream.read(BUFFER_SIZE)
            if is_utf8:
                try:
                    decoder.decode(chunk, final=not chunk)
                except UnicodeDecodeError:
                    is_utf8 = False
            part = rest + chunk
            end = max(part.rfind(b"\n"), part.rfind(b"\r")) + 1
            if not chunk or len(part) - end > _LONGEST_LINE:
                end = len(part)
            part, rest = part[:end], part[end:]
            if not part.isascii():
                found = [line for line in part.splitlines() if not line.isascii()]
                lines += found
                size += sum(map(len, found))
            if not chunk:
                return _Sample(lines, True, is_utf8)
    return _Sample(lines, False, is_utf8)


def _told_apart(sample: _Sample, name: str) -> Encoding:
    text = b"\n".join(sample.lines)[:SAMPLE_SIZE]
    weighed = {"steps": 10, "chunk_size": 1024, "enable_fallback": False}
    matches = list(_library().from_bytes(text, cp_isolation=list(CANDIDATES), **weighed))
    if not matches:
        raise SourceError(f"no known encoding reads {sample.told}; ask whoever wrote the file, say --encoding", name)
    best = matches[0]
    rivals = [
        other
        for other in matches[1:]
        if other.chaos < best.chaos + _MORE_CHAOS and other.coherence > best.coherence - _LESS_COHERENCE
    ]
    if rivals:
        readings = ", ".join(_readings(sample.lines, [_names(match) for match in (best, *rivals)]))
        raise SourceError(f"cannot tell its encoding for sure: {readings}. Say which", name)
    chosen, *alike = _names(best)
    others = f"; {', '.join(alike)} read it alike" if alike else ""
    return Encoding(chosen, f"encoding: {chosen} (found by charset-normalizer in {sample.told}{others})")


def _names(match: Any) -> list[str]:
    """Give all encodings that read the sample as a match does, the most usual one first."""
    return sorted(set(match.could_be_from_charset).intersection(CANDIDATES), key=CANDIDATES.index)


def _readings(lines: list[bytes], groups: list[list[str]]) -> list[str]:
    """Say how encodings read a cell that they read in different ways; one of each that read all alike."""
    names = sorted((group[0] for group in groups), key=CANDIDATES.index)[:_MOST_SHOWN]
    cells = [cell for line in lines for cell in re.split(rb"[,;|\t\"]", line) if not cell.isascii()]
    apart = max(cells[:1_000], key=lambda cell: len({cell[:_SHOWN].decode(name, "replace") for name in names}))
    return [f"--encoding {name} would read {apart[:_SHOWN].decode(name, 'replace')!r}" for name in names]


def _library() -> Any:
    try:
        return import_module("charset_normalizer")
    except ImportError as error:
        cure = 'pip install "django-nsync[detect]", or say --encoding'
        what = "the file is no UTF-8, and charset-normalizer is not installed"
        raise ConfigError(f"--encoding auto: {what}: {cure}") from error
