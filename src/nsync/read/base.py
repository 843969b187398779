"""What a source is, and how one is opened."""

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TextIO, TypeGuard

from nsync.errors import ConfigError, SourceError
from nsync.options import SyncOptions
from nsync.packing import compression_suffix
from nsync.places import file_name
from nsync.read.blocks import Block
from nsync.read.firstbytes import LONGEST_START, compression_of
from nsync.read.formats import DEFAULT_FORMAT, check_options, format_of, is_rejects, names_rejects, source_class
from nsync.read.streams import Content, FileContent, content_name, open_content
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
    def delimiter(self) -> str:
        """What parts the cells of its blocks that are plain text."""

    @property
    def expected(self) -> int:
        """About how many rows it has; 0 while nobody knows."""

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


def is_source(given: object) -> TypeGuard[Source]:
    """Whether code has made a source by itself, which is open."""
    return hasattr(given, "blocks")


def open_source(path: str | Path | BinaryIO | TextIO, options: SyncOptions, stdin: BinaryIO | None = None) -> Source:
    """
    Open a file or stream, check all that its first bytes show, and read its header.

    Args:
        path: A path, a URL, ``"-"`` for standard input, or an open text or binary file, which is read from where it
            stands and left open; it must stay open for as long as the source is read. What cannot be read twice is
            copied to a temporary file as it is read.
        options: Its ``format`` names the format; without one the suffix does, and an unknown suffix means CSV. A suffix
            such as .gz says that it is compressed; of a stream or a download the first bytes do.
        stdin: Stands in for ``sys.stdin.buffer``.

    Raises:
        ConfigError: Unknown format, encoding or delimiter, an option that this format does not take, or a URL that
            nothing reads.
        SourceError: Missing, unreadable, empty, or not what the options say it is (rule C6).
    """
    name = file_name(path) if isinstance(path, str) else content_name(path)
    format_of(name, options.format)  # refuses an unknown one before a stream is waited for
    return source_of(open_content(path, stdin), name, options)


def source_of(content: Content, name: str, options: SyncOptions) -> Source:
    """
    Make a source of what was opened, of which it takes care from then on.

    Args:
        content: Its bytes.
        name: Of the file, whose suffixes say what is in it.
        options: As those of `open_source`; the errors, too.
    """
    try:
        _refuse_empty(content)
        content, name = _unpacked(content, name, options.member)
        _refuse_empty(content)
        known = format_of(name, options.format)
        if is_rejects(name, known):
            known, options = DEFAULT_FORMAT, SyncOptions()  # as such rejects are written, whatever the source was
        if not names_rejects(name):  # which may be read with the options of the first run
            check_options(known, options)
        source: Source = source_class(known)(content, options)
        return source
    except BaseException:
        content.close()
        raise


def _refuse_empty(content: Content) -> None:
    if content.is_empty:
        cure = "ask for the export again, or check how it was made"
        raise SourceError(f"is empty (0 bytes); a source has at least a header row: {cure}", content.name)


def _unpacked(content: Content, name: str, member: str) -> tuple[Content, str]:
    """Give what is to be read, expanded if it is compressed, and the name that says its format."""
    suffix = _compression(content, name, member)
    if suffix:
        from nsync.read.compressed import unpack  # most sources are not compressed

        return unpack(content, name, suffix, member)
    if member:
        raise ConfigError(f"--member {member}: {content.name} is no zip archive; leave it out")
    return content, name


def _compression(content: Content, name: str, member: str) -> str:
    """
    Tell how a source is compressed: a local file by its name, anything else by its first bytes.

    The name of a stream or a download may say nothing, or what was true before a server unpacked it.
    """
    suffix = compression_suffix(name)
    if type(content) is FileContent:
        return suffix
    if content.encoding:  # a stream of text
        return ""
    with content.open() as stream:
        # The first bytes of workbooks, too, are those of a zip archive.
        return compression_of(stream.read(LONGEST_START), zipped=bool(suffix == ".zip" or member))
