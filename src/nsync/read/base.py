"""What a source is, and how one is opened."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TextIO

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.blocks import Block
from nsync.read.formats import format_of, source_class
from nsync.read.streams import content_name, open_content
from nsync.rows import Row


class Dialect(NamedTuple):
    """How a source is written, so that its rejected rows can be written the same way (rule O3)."""

    encoding: str
    delimiter: str
    line_ending: str  # "\r\n" or "\n", as the first line ends
    is_rejects: bool  # written by --rejects: cells lost one leading "'" when they were read


class Source(Protocol):
    """A file or stream of rows. Opening it has checked its first bytes and read its header."""

    @property
    def name(self) -> str:
        """As the user named it; ``<stdin>`` for ``-``."""

    @property
    def size(self) -> int:
        """In bytes; 0 while nobody knows: a stream was not read to its end yet."""

    @property
    def header(self) -> tuple[str, ...]:
        """The columns' names, without surrounding blanks and byte order mark (rule C1)."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out about the source, for the report."""

    @property
    def position(self) -> int:
        """Bytes read so far in the current pass; cheap, for progress."""

    @property
    def dialect(self) -> Dialect:
        """How the source is written."""

    def __iter__(self) -> Iterator[Row]:
        """Read the rows from the first; may be called again: an ordered policy reads three times."""

    def blocks(self) -> Iterator[Block]:
        """Read the rows in large pieces, from the first; raises Unfit where they must be read one by one."""

    def digest(self) -> str:
        """Give the SHA-256 of its bytes; "" while they are not all known. Raises SourceError."""

    def close(self) -> None:
        """Let go of files; the source cannot be read any more."""


def open_source(path: str | Path | BinaryIO | TextIO, options: SyncOptions, stdin: BinaryIO | None = None) -> Source:
    """
    Open a file or stream, check all that its first bytes show, and read its header.

    Args:
        path: A path, ``"-"`` for standard input, or an open text or binary file, which is read from where it
            stands and left open; it must stay open for as long as the source is read. What cannot be read twice is
            copied to a temporary file as it is read.
        options: Its ``format`` names the format; without one the suffix does, and an unknown suffix means CSV.
        stdin: Stands in for ``sys.stdin.buffer``.

    Raises:
        ConfigError: Unknown format, encoding or delimiter.
        SourceError: Missing, unreadable, empty, or not what the options say it is (rule C6).
    """
    kind = format_of(content_name(path), options.format)
    content = open_content(path, stdin)
    try:
        if content.is_empty:
            cure = "ask for the export again, or check how it was made"
            raise SourceError(f"is empty (0 bytes); a source has at least a header row: {cure}", content.name)
        source: Source = source_class(kind)(content, options)
        return source
    except BaseException:
        content.close()
        raise
