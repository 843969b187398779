"""
Zip archives: which member is the source, and its data.

The module ``zipfile`` reads the list of members; their data is read here, because ``zipfile`` expands more at once than
memory may hold, where data is compressed with bzip2.
"""

from __future__ import annotations

import struct
import zipfile
import zlib
from collections.abc import Callable, Sequence
from fnmatch import fnmatchcase
from functools import partial
from typing import Any, BinaryIO, Final, NamedTuple

from nsync.errors import SourceError
from nsync.read.expanding import Decompressor, Expanding, Limits, Method, bzip2, deflate, read_limits, zstd
from nsync.read.streams import Content

_LIST_SIZE: Final = 4 * 1024 * 1024  # bytes of the list of members; some ten thousand
_SHOWN: Final = 10  # members in a message
_SHOWN_NAME: Final = 80  # characters
_METHODS: Final[dict[int, Callable[[], Method]]] = {8: deflate, 12: bzip2, 93: zstd}
_STORED: Final = 0
_OTHER_METHODS: Final = {9: "Deflate64", 14: "LZMA", 95: "xz", 99: "AES encryption"}
_ENCRYPTED: Final = 0x41  # bits of the flags: by the usual way, and by the strong one
_HEADER: Final = struct.Struct("<4s2xH18xHH")  # before a member's data: signature, flags, lengths of name and extra
_MALFORMED: Final = (
    zipfile.BadZipFile,
    NotImplementedError,  # a newer version of the format
    ValueError,  # a name that does not decode; a position below 0
    OverflowError,
    OSError,  # a position that is none
    struct.error,
    IndexError,
)
_FETCH: Final = "fetch or pack it again"


class Member(NamedTuple):
    """A file in an archive."""

    name: str
    method: Method
    start: int  # of its data, in the archive
    length: int  # of its data
    size: int  # expanded
    checksum: int


def find_member(content: Content, pattern: str) -> Member:
    """
    Find the file in an archive that is the source: the only one, or the only one that fits a pattern.

    Nothing is ever written to where a member's name points; folders, and what macOS keeps beside files in
    ``__MACOSX/``, are none.

    Raises:
        SourceError: There is none, there are several, it is encrypted, or the archive is damaged.
    """
    name = content.name
    with content.open() as stream:
        try:
            listed = zipfile.ZipFile(_Listed(stream, name)).infolist()
        except _MALFORMED as error:
            reason = f"is damaged: its list of members cannot be read ({error or type(error).__name__}); {_FETCH}"
            raise SourceError(reason, name) from error
        files = [one for one in listed if not one.filename.endswith("/") and not one.filename.startswith("__MACOSX/")]
        found = _only(files, pattern, name)
        method = _method(found, name)
        if found.flag_bits & _ENCRYPTED:
            raise _encrypted(found, name)
        read_limits().check(content.size, found.file_size, name)
        return Member(
            found.filename, method, _data_start(stream, found, name), found.compress_size, found.file_size, found.CRC
        )


def start_of(member: Member, name: str) -> Callable[[BinaryIO], Expanding]:
    """Give what begins a pass over a member."""
    limits = read_limits()
    return lambda stream: _Expanding(stream, member, name, limits)


class _Expanding(Expanding):
    """One pass over a member; at its end, its size and checksum are compared with those in the list."""

    def __init__(self, packed: BinaryIO, member: Member, name: str, limits: Limits) -> None:
        super().__init__(packed, member.method, name, limits, "", member.length)
        self._member = member
        self._checksum = 0
        packed.seek(member.start)

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        self._checksum = zlib.crc32(buffer[:count], self._checksum)
        is_right = self.given <= self._member.size if count else self._is_as_listed()
        if not is_right:
            raise self.error(f"is damaged: {self._member.name!r} is not what the list of members says; {_FETCH}")
        return count

    def _is_as_listed(self) -> bool:
        return (self.given, self._checksum) == (self._member.size, self._member.checksum)


class _Stored:
    """The decompressor of what is not compressed."""

    needs_input = True
    unused_data = b""

    def __init__(self, length: int) -> None:
        self._left = length
        self._held = b""

    @property
    def eof(self) -> bool:
        return not self._left

    def decompress(self, data: bytes, max_length: int) -> bytes:
        self._held += data
        part, self._held = self._held[:max_length], self._held[max_length:]
        self.needs_input = not self._held
        self._left -= len(part)
        return part


class _Listed:
    """An archive whose list of members is read: all of it at once, so it must not be too long."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self.seek = stream.seek
        self.tell = stream.tell
        self._stream = stream
        self._name = name

    def read(self, size: int = -1) -> bytes:
        if size > _LIST_SIZE:
            reason = f"has a list of members of more than {_LIST_SIZE:,} bytes; pack the file that is meant by itself"
            raise SourceError(reason, self._name)
        return self._stream.read(size)


def _only(files: Sequence[zipfile.ZipInfo], pattern: str, name: str) -> zipfile.ZipInfo:
    fitting = [one for one in files if not pattern or one.filename == pattern or fnmatchcase(one.filename, pattern)]
    if len(fitting) == 1:
        return fitting[0]
    if not files:
        raise SourceError("is an archive without a file in it; ask for it again, or check how it was made", name)
    if not fitting:
        raise SourceError(f"has no file that fits --member {pattern!r}; there are {_shown(files)}", name)
    if len({one.filename for one in fitting}) == 1:
        reason = f"has {len(fitting)} files of the same name, {_shown(fitting[:1])}; {_FETCH}"
        raise SourceError(reason, name)
    what = f"that fit --member {pattern!r}" if pattern else "in it"
    raise SourceError(f"has {len(fitting)} files {what}; name one with --member: {_shown(fitting)}", name)


def _shown(files: Sequence[zipfile.ZipInfo]) -> str:
    names = [one.filename for one in files[:_SHOWN]]
    text = ", ".join(repr(name if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]}…") for name in names)
    return f"{text} and {len(files) - _SHOWN} more" if len(files) > _SHOWN else text


def _method(info: zipfile.ZipInfo, name: str) -> Method:
    if info.compress_type == _STORED:
        start: Callable[[], Decompressor] = partial(_Stored, info.compress_size)
        return Method("stored", start, zlib.error)
    if info.compress_type in _METHODS:
        return _METHODS[info.compress_type]()
    what = _OTHER_METHODS.get(info.compress_type, f"method {info.compress_type}")
    raise SourceError(f"has {_shown([info])} compressed with {what}; pack it with Deflate, as zip does", name)


def _data_start(stream: BinaryIO, info: zipfile.ZipInfo, name: str) -> int:
    try:
        stream.seek(info.header_offset)
        signature, flags, name_length, extra_length = _HEADER.unpack(stream.read(_HEADER.size))
    except _MALFORMED as error:
        raise SourceError(f"is incomplete: {_shown([info])} is not where its list says; {_FETCH}", name) from error
    if signature != b"PK\x03\x04":
        raise SourceError(f"is damaged: {_shown([info])} is not where its list says; {_FETCH}", name)
    if flags & _ENCRYPTED:
        raise _encrypted(info, name)
    return int(info.header_offset + _HEADER.size + name_length + extra_length)


def _encrypted(info: zipfile.ZipInfo, name: str) -> SourceError:
    return SourceError(f"has {_shown([info])} encrypted; unpack it with its password, and name what comes of it", name)
