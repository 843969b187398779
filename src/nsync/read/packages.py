"""Packages: the zip archives that spreadsheets are, read part by part and never further than is sane."""

from __future__ import annotations

import io
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, Final, cast

from nsync.errors import SourceError
from nsync.read.firstbytes import HEAD_SIZE, what_it_is

_SIGNATURE: Final = b"PK\x03\x04"
_CHUNK: Final = 64 * 1024  # bytes unpacked at once
# XML packs to a tenth or a twentieth, and to no less than a hundredth if there is nothing but empty cells; zip reaches
# a thousandth. Small parts may be anything.
_LARGEST_RATIO: Final = 200
_HARMLESS: Final = 64 * 1024 * 1024
_LARGEST_DIRECTORY: Final = 16 * 1024 * 1024  # bytes: what lists the parts is read as a whole
_PACKED_AS: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # the only ones that the standards know
# What zipfile raises on what is no sound archive; an OSError when it is told to read before the first byte.
_BROKEN: Final = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    ValueError,
)
_DAMAGED: Final = "is damaged, or was not written to its end; copy or download it again, or save it anew"
# OLE containers: where the directory is, and a name in it that says that the workbook is encrypted.
_OLE: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_ENCRYPTED: Final = "EncryptedPackage".encode("utf-16-le")
_LOCKED: Final = "has a password; open it, take the password off, and save it again"


class Package:
    """An archive of named parts."""

    def __init__(self, stream: BinaryIO, name: str, suffix: str) -> None:
        """
        Read the list of the parts.

        Args:
            stream: Can be read from any place.
            name: Of the source.
            suffix: Of the format, for messages.

        Raises:
            SourceError: It is no archive, or a damaged one.
        """
        self.name = name
        self._size = stream.seek(0, io.SEEK_END)
        _check_signature(stream, name, suffix)
        with self._sound():
            self._archive = zipfile.ZipFile(cast(BinaryIO, _Measured(stream, name)))
        self._parts = {info.filename.replace("\\", "/").lower(): info for info in self._archive.infolist()}

    def __contains__(self, part: str) -> bool:
        return part.lower() in self._parts

    def check_given(self, count: int) -> None:
        """Raise SourceError if cells share so many characters of text that it can only be meant to do harm."""
        limit = max(_HARMLESS, _LARGEST_RATIO * self._size)
        if count > limit:
            raise SourceError(
                f"its cells have more than {limit >> 20:,} million characters of text that is stored once, "
                f"{_LARGEST_RATIO} times the size of the file; save it as CSV",
                self.name,
            )

    def check_password(self, part: str, pattern: bytes) -> None:
        """Raise SourceError if a part, which need not exist, says that the others are encrypted."""
        if part in self and re.search(pattern, next(self.chunks(part), b"")):
            raise SourceError(_LOCKED, self.name)

    def chunks(self, part: str) -> Iterator[bytes]:
        """
        Unpack a part, piece by piece.

        Raises:
            SourceError: There is no such part, it is damaged, or so well packed that it can only be meant to do harm.
        """
        info = self._parts.get(part.lower())
        if info is None:
            raise SourceError(f"has no part {part}: {_DAMAGED}", self.name)
        if info.compress_type not in _PACKED_AS:
            raise SourceError(f"its part {part} is packed in a way that spreadsheets are not; save it anew", self.name)
        limit = max(_HARMLESS, _LARGEST_RATIO * min(info.compress_size, self._size))
        unpacked = 0
        with self._sound(), self._archive.open(info) as file:
            while chunk := file.read(_CHUNK):
                unpacked += len(chunk)
                if unpacked > limit:
                    raise SourceError(
                        f"its part {part} unpacks to more than {limit >> 20:,} MB, {_LARGEST_RATIO} times what is "
                        "stored: no spreadsheet program writes that; save it anew, or as CSV",
                        self.name,
                    )
                yield chunk

    @contextmanager
    def _sound(self) -> Iterator[None]:
        try:
            yield
        except _BROKEN as error:
            raise SourceError(f"{_DAMAGED} ({error})", self.name) from error


class _Measured:
    """A file of which no more is read at once than the list of an archive's parts may be long."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        self._stream = stream
        self._name = name

    def read(self, size: int = -1) -> bytes:
        if size > _LARGEST_DIRECTORY:
            raise SourceError(f"is an archive of far too many parts; {_DAMAGED}", self._name)
        return self._stream.read(size)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _check_signature(stream: BinaryIO, name: str, suffix: str) -> None:
    """Raise SourceError for what is no archive at all, saying what it is."""
    stream.seek(0)
    head = stream.read(HEAD_SIZE)
    if head.startswith(_SIGNATURE):
        return
    if head.startswith(_OLE):
        sector = 1 << min(int.from_bytes(head[30:32], "little"), 12)
        stream.seek(sector * (1 + int.from_bytes(head[48:52], "little")))
        if _ENCRYPTED in stream.read(sector):
            raise SourceError(_LOCKED, name)
    text = "something else", "check how it was made"
    if b"\0" not in head:
        text = "text", "if it is CSV, say --format csv"
    what, cure = what_it_is(head) or text
    raise SourceError(f"is no {suffix} file but {what}; {cure}", name)
