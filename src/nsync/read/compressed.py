"""Compressed sources: what is in them, expanded anew for each pass."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any, BinaryIO, Final, cast

from nsync.errors import ConfigError, SourceError
from nsync.packing import compression_suffix, without_compression
from nsync.read.expanding import METHODS, Expanding, read_limits
from nsync.read.firstbytes import COMPRESSIONS, LONGEST_START, compression_of
from nsync.read.streams import BUFFER_SIZE, Content, SpooledContent

_ONE_LAYER: Final = "only one layer of compression is taken off: unpack it once, and name what comes of it"


class CompressedContent:
    """
    What a compressed file expands to.

    Its size is that of the file, so that progress and history speak of the file that the user knows. Nothing is kept of
    a pass, unless it does not go from the start to the end, as some formats must: then all is copied to a temporary
    file, once.

    Args:
        packed: The file.
        start: Begins a pass over an open file.
        length: Of the compressed data, in bytes, if it is a part of the file only.
        note: For the report.

    Raises:
        SourceError: What is in it is compressed again, or its first bytes cannot be expanded.
    """

    encoding = ""

    def __init__(
        self, packed: Content, start: Callable[[BinaryIO], Expanding], length: int = 0, note: str = ""
    ) -> None:
        self.name = packed.name
        self.packed = packed
        self.notes = (*packed.notes, *filter(None, [note]))
        self._start = start
        self._length = length
        self._copy: SpooledContent | None = None
        with self.open() as stream:
            head = stream.read(LONGEST_START)
        self.is_empty = not head
        if again := compression_of(head):
            raise SourceError(f"holds data that is compressed with {COMPRESSIONS[again].name}; {_ONE_LAYER}", self.name)

    @property
    def size(self) -> int:
        """Of the file, in bytes; 0 while nobody knows."""
        return self.packed.size

    def open(self) -> BinaryIO:
        """Start a pass at the first expanded byte."""
        return cast(BinaryIO, io.BufferedReader(_Pass(self, self._expand()), BUFFER_SIZE))

    def _expand(self) -> Expanding:
        stream = self.packed.open()
        try:
            return self._start(stream)
        except BaseException:
            stream.close()
            raise

    def copy(self) -> SpooledContent:
        """Give all of it as a temporary file."""
        if self._copy is None:
            expanded = io.BufferedReader(self._expand(), BUFFER_SIZE)
            self._copy = SpooledContent(self.name, expanded, is_ours=True)
        self._copy.copy_all()
        return self._copy

    def position(self, stream: BinaryIO) -> int:
        """Give how many of the file's bytes a pass has taken; of a member of an archive, or of a copy, their share."""
        one = _pass(stream)
        if one.copied:
            return one.tell() * self.size // one.copied
        taken = one.expanding.taken
        return taken * self.size // self._length if self._length else taken

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Raise SourceError if the file has changed."""
        self.packed.check_unchanged(_pass(stream).expanding.packed)

    def close(self) -> None:
        """Let go of the file, and remove the copy."""
        if self._copy is not None:
            self._copy.close()
        self.packed.close()


class _Pass(io.RawIOBase):
    """One pass; from the first jump on it reads the copy."""

    def __init__(self, content: CompressedContent, expanding: Expanding) -> None:
        self.expanding = expanding
        self.copied = 0  # bytes of the copy, once that is read
        self._content = content
        self._stream: Expanding | io.BufferedReader = expanding

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._stream.readinto(buffer)

    def tell(self) -> int:
        return self._stream.tell()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        here = self.tell()
        if whence != io.SEEK_END and offset == (here if whence == io.SEEK_SET else 0):
            return here
        if not self.copied:
            copy = self._content.copy()
            self.copied = copy.size
            self._stream = cast(io.BufferedReader, copy.open())
            self._stream.seek(here)
        return self._stream.seek(offset, whence)

    def close(self) -> None:
        self.expanding.close()
        super().close()


def _pass(stream: BinaryIO) -> _Pass:
    return cast(_Pass, cast(io.BufferedReader, stream).raw)


def unpack(content: Content, name: str, suffix: str, member: str) -> tuple[Content, str]:
    """
    Give what is in a compressed file, and the name that says its format.

    Args:
        content: The file.
        name: Its name, whose suffixes say what is in it.
        suffix: How it is compressed; as its name ends, or as its first bytes say.
        member: ``--member``, or "".

    Raises:
        ConfigError: A library is missing, ``--member`` makes no sense, or a limit is none.
        SourceError: It is not what its name says, it is damaged, or it has not exactly one member that fits.
    """
    inner = without_compression(name)
    if compression_suffix(inner):
        raise SourceError(f"is compressed twice, by its name; {_ONE_LAYER}", content.name)
    with content.open() as stream:
        _check_start(stream.read(LONGEST_START), suffix, name, content.name)
    if suffix == ".zip":
        from nsync.read.zipped import find_member, start_of

        found = find_member(content, member)
        if compression_suffix(found.name):
            raise SourceError(f"holds {found.name!r}, which is compressed itself; {_ONE_LAYER}", content.name)
        note = f"read from the archive: {found.name!r}"
        return CompressedContent(content, start_of(found, content.name), found.length, note), found.name
    if member:
        raise ConfigError(f"--member {member}: {content.name} is no zip archive; leave it out")
    method, limits = METHODS[suffix](), read_limits()
    note = "" if compression_suffix(name) else f"compressed with {method.name}, as its first bytes say"
    return (
        CompressedContent(content, lambda stream: Expanding(stream, method, content.name, limits, suffix), note=note),
        inner,
    )


def _check_start(head: bytes, suffix: str, name: str, told: str) -> None:
    """Check that a file is compressed as its name says; of a stream the first bytes have said it."""
    wanted = COMPRESSIONS[suffix]
    found = compression_of(head, zipped=True)
    if found == suffix:
        return
    if found:
        what = f"is compressed with {COMPRESSIONS[found].name}; let its name end in {found}"
    else:
        what = f"if it is not compressed, name it {os.path.basename(without_compression(name))}"
    raise SourceError(f"does not begin as {wanted.name} does, although its name ends in {suffix}: {what}", told)
