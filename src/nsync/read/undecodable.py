"""A byte that does not decode: its line, and the encodings that could read it (rule C6)."""

from __future__ import annotations

import codecs
import io
import re
from typing import Final

from nsync.errors import SourceError
from nsync.read.firstbytes import plain_name
from nsync.read.streams import BUFFER_SIZE, Content

_CANDIDATES: Final = ("utf-8", "cp1252", "cp1250")  # what CSV files that are not what they claim to be usually are
_CELL_ENDS: Final = rb"[,;|\t\r\n\"]"
_CELL_REACH: Final = 30  # bytes shown on either side of the bad one, at most


def undecodable_byte(content: Content, encoding: str) -> SourceError:
    """
    Find the first byte that does not decode, and make the error that names its line.

    Cost: reads the content once more, up to that byte.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    lines = io.IncrementalNewlineDecoder(decoder, translate=True)
    number, before = 1, b""
    with content.open() as stream:
        while True:
            chunk = stream.read(BUFFER_SIZE)
            state = lines.getstate()
            try:
                number += lines.decode(chunk, final=not chunk).count("\n")
            except UnicodeDecodeError:
                lines.setstate(state)
                number, bad, end = _step_to_bad_byte(lines, chunk, number)
                nearby = before + chunk
                return _describe(content.name, encoding, number, bad, nearby, end + len(before))
            if not chunk:  # it decodes now: the file was changed under our hands
                return SourceError("the file changed while it was being read; run again", content.name)
            before = chunk[-_CELL_REACH:]


def _step_to_bad_byte(lines: io.IncrementalNewlineDecoder, chunk: bytes, number: int) -> tuple[int, bytes, int]:
    """Decode byte by byte; give the line, the bad bytes, and where in the chunk they end."""
    for offset in range(len(chunk) + 1):
        try:
            number += lines.decode(chunk[offset : offset + 1], final=offset == len(chunk)).count("\n")
        except UnicodeDecodeError as error:
            held_return = lines.getstate()[1] & 1  # a "\r" that waits for its "\n" ends a line all the same
            end = min(offset + 1, len(chunk)) - (len(error.object) - error.end)
            return number + held_return, error.object[error.start : error.end], end
    raise AssertionError("a chunk that does not decode at once decodes byte by byte")


def _describe(name: str, encoding: str, number: int, bad: bytes, nearby: bytes, end: int) -> SourceError:
    shown = " ".join(f"0x{byte:02x}" for byte in bad)
    what = f"byte{'s' if len(bad) > 1 else ''} {shown} cannot be read as {plain_name(encoding)}"
    left = re.split(_CELL_ENDS, nearby[max(0, end - _CELL_REACH) : end])[-1]
    right = re.split(_CELL_ENDS, nearby[end : end + _CELL_REACH])[0]
    cell = left + right
    readings = _readings(cell, encoding) if cell.strip() and b"\0" not in cell else []
    if readings:
        return SourceError(f"{what}; {', '.join(readings)}", name, number)
    return SourceError(f"{what}; ask whoever wrote the file for its encoding, or mend that line", name, number)


def _readings(cell: bytes, encoding: str) -> list[str]:
    """Say how other encodings would read a cell, each reading once."""
    readings: dict[str, str] = {}  # {"Café": "cp1252"}
    for candidate in _CANDIDATES:
        if candidate != plain_name(encoding):
            try:
                readings.setdefault(cell.decode(candidate), candidate)
            except UnicodeDecodeError:
                continue
    return [f"--encoding {candidate} would read {text!r}" for text, candidate in readings.items()]
