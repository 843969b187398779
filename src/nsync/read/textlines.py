"""Text of one record on each line: its encoding, and its lines with their numbers."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO, Final

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.blocks import BYTE_ORDER_MARK
from nsync.read.firstbytes import HEAD_SIZE, check_first_bytes, encoding_of
from nsync.read.streams import Content
from nsync.read.undecodable import undecodable_byte

# Characters of one record, and so of one line and one cell. Far more than any sane cell, and little enough to hold in
# memory.
RECORD_LIMIT: Final = 16 * 1024 * 1024


def text_encoding(content: Content, options: SyncOptions) -> tuple[str, str, tuple[str, ...]]:
    """
    Check the first bytes of a text.

    Returns:
        Its encoding; the one to write its rejected rows in: with a byte order mark if it has one; and what there is to
        say of how it was found.

    Raises:
        ConfigError: Unknown encoding.
        SourceError: Not text, not in this encoding, or in one that cannot be told.
    """
    encoding, notes = encoding_of(content, options.encoding)
    with content.open() as stream:
        return encoding, check_first_bytes(stream.read(HEAD_SIZE), content.name, encoding), notes


def text_lines(
    stream: BinaryIO, content: Content, encoding: str, *, newline: str | None, cure: str
) -> Iterator[tuple[int, str]]:
    r"""
    Give each line with its number, the first without byte order mark.

    Args:
        stream: Of the content, from its start; it is left open.
        content: What is read.
        encoding: Of it.
        newline: As `open()` has it: None takes ``\n``, ``\r\n`` and ``\r``, and makes each ``\n``.
        cure: What would work where a line is longer than RECORD_LIMIT.

    Raises:
        SourceError: A line that is too long, or a byte that does not decode.
    """
    text = io.TextIOWrapper(stream, encoding=encoding, newline=newline)
    number = 0
    try:
        while line := text.readline(RECORD_LIMIT + 1):
            number += 1
            if len(line) > RECORD_LIMIT:
                raise SourceError(f"a line of more than {RECORD_LIMIT:,} characters; {cure}", content.name, number)
            yield number, line.lstrip(BYTE_ORDER_MARK) if number == 1 else line
    except UnicodeDecodeError as error:
        raise undecodable_byte(content, encoding) from error
    finally:
        text.detach()
