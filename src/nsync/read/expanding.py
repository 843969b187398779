"""Expanding: compressed bytes as they were before, a piece at a time, and no more than limits allow."""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable
from functools import partial
from typing import Any, BinaryIO, Final, NamedTuple, Protocol, cast

from nsync.conf import settings
from nsync.errors import ConfigError, SourceError
from nsync.limits import is_expansion_limit
from nsync.read.firstbytes import COMPRESSIONS, LONGEST_START
from nsync.read.formats import optional

_PACKED_SIZE: Final = 32 * 1024  # bytes taken from a compressed file at once
_XZ_MEMORY: Final = 256 * 1024 * 1024  # bytes; what xz -9 has written needs 65 MiB
_GRACE: Final = 100 * 1024 * 1024  # bytes that may come of a few: they exhaust nothing
_FETCH: Final = "fetch or pack it again"


class Decompressor(Protocol):
    """What the modules of Python's library have in common."""

    @property
    def eof(self) -> bool:
        """Whether the end of the compressed data was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether nothing more can be expanded without more data."""

    @property
    def unused_data(self) -> bytes:
        """What was given beyond the end."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Expand more data, to at most so many bytes; what is left of it is kept."""


class Method(NamedTuple):
    """A way in which data is compressed."""

    name: str
    start: Callable[[], Decompressor]
    failure: type[Exception]  # raised for data that is not valid


class Limits(NamedTuple):
    """How far a file may expand: ``NSYNC["MAX_EXPANDED"]`` and ``NSYNC["MAX_EXPANDED_RATIO"]``."""

    size: int | None
    ratio: int | None

    def check(self, taken: int, given: int, name: str) -> None:
        """Raise SourceError if so many bytes must not come of so many."""
        if self.size is not None and given > self.size:
            raise _too_large(f"more than {self.size:,} bytes", "MAX_EXPANDED", name)
        if self.ratio is not None and given > max(_GRACE, taken * self.ratio):
            raise _too_large(f"more than {self.ratio:,} times its size", "MAX_EXPANDED_RATIO", name)


def _too_large(what: str, key: str, name: str) -> SourceError:
    return SourceError(f'expands to {what}; if it is meant to, raise the limit NSYNC["{key}"]', name)


def read_limits() -> Limits:
    """
    Read the settings.

    Raises:
        ConfigError: One is no limit.
    """
    for key in ("MAX_EXPANDED", "MAX_EXPANDED_RATIO"):
        if not is_expansion_limit(value := getattr(settings, key)):
            raise ConfigError(f'NSYNC["{key}"] is {value!r}; write a whole number, or None for no limit')
    return Limits(settings.MAX_EXPANDED, settings.MAX_EXPANDED_RATIO)


def gzip() -> Method:
    """Give the method of ``.gz``."""
    return Method("gzip", partial(_Inflating, zlib.MAX_WBITS + 16), zlib.error)


def deflate() -> Method:
    """Give the method of most zip archives."""
    return Method("deflate", partial(_Inflating, -zlib.MAX_WBITS), zlib.error)


def bzip2() -> Method:
    """Give the method of ``.bz2``."""
    from bz2 import BZ2Decompressor

    return Method("bzip2", BZ2Decompressor, OSError)


def xz() -> Method:
    """Give the method of ``.xz``."""
    from lzma import FORMAT_XZ, LZMADecompressor, LZMAError

    return Method("xz", partial(LZMADecompressor, FORMAT_XZ, memlimit=_XZ_MEMORY), LZMAError)


def zstd() -> Method:
    """Give the method of ``.zst``, which Python has in its library since 3.14."""
    try:
        from compression import zstd as module  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        module = optional("backports.zstd", "zst")
    return Method("zstd", module.ZstdDecompressor, module.ZstdError)


METHODS: Final = {".bz2": bzip2, ".gz": gzip, ".xz": xz, ".zst": zstd}


class Expanding(io.RawIOBase):
    """
    One pass over compressed data.

    Several streams in a row are one, as ``cat a.gz b.gz`` makes them, and zero bytes may fill up the end.

    Args:
        packed: Where the data is read from; closed together with this.
        method: How it is compressed.
        name: Of the source.
        limits: How far it may expand.
        suffix: By which the method is known; "": there is a single stream.
        length: Of the data, in bytes; None: it ends where its file ends.
    """

    def __init__(
        self, packed: BinaryIO, method: Method, name: str, limits: Limits, suffix: str, length: int | None = None
    ) -> None:
        self.packed = packed
        self.source_name = name
        self.taken = 0  # compressed bytes
        self.given = 0  # expanded bytes
        self._method = method
        self._limits = limits
        self._start = COMPRESSIONS[suffix].start if suffix else b""
        self._left = length
        self._held = b""  # taken, and not yet given to the decompressor
        self._decompressor: Decompressor | None = None if suffix else method.start()
        self._is_over = False

    def readable(self) -> bool:
        """It can be read."""
        return True

    def tell(self) -> int:
        """Give the number of expanded bytes."""
        return self.given

    def readinto(self, buffer: Any) -> int:
        """
        Expand the next bytes.

        Raises:
            SourceError: The data is damaged, incomplete, or expands too far.
        """
        while not self._is_over:
            if part := self._step(len(buffer)):
                self.given += len(part)
                self._limits.check(self.taken, self.given, self.source_name)
                buffer[: len(part)] = part
                return len(part)
        return 0

    def close(self) -> None:
        """End the pass."""
        self.packed.close()
        super().close()

    def _step(self, size: int) -> bytes:
        one = self._decompressor
        if one is None:
            self._begin()
            return b""
        if one.eof:
            self._held += one.unused_data
            self._end()
            return b""
        data = b""
        if one.needs_input:
            data, self._held = self._held or self._more(), b""
            if not data:
                reason = f"is incomplete: its {self._method.name} data breaks off after {self.taken:,} bytes"
                raise self.error(f"{reason}; {_FETCH}")
        try:
            return one.decompress(data, size)
        except self._method.failure as error:
            reason = f"is damaged: {self._method.name} data that is not valid ({error}), in its first {self.taken:,}"
            raise self.error(f"{reason} bytes; {_FETCH}") from error

    def _begin(self) -> None:
        """Begin with the next stream, if there is one."""
        self._held = self._held.lstrip(b"\0")
        while len(self._held) < LONGEST_START and (more := self._more()):
            self._held = (self._held + more).lstrip(b"\0")
        if not self._held:
            self._is_over = True
        elif not re.match(self._start, self._held):
            raise self.error(f"goes on after the end of its {self._method.name} data with something else; {_FETCH}")
        else:
            self._decompressor = self._method.start()

    def _end(self) -> None:
        """A stream has ended."""
        if self._start:
            self._decompressor = None
            return
        if self._held or self._left:
            raise self.error(f"is damaged: its {self._method.name} data ends too early; {_FETCH}")
        self._is_over = True

    def _more(self) -> bytes:
        size = _PACKED_SIZE if self._left is None else min(self._left, _PACKED_SIZE)
        # read1() gives what a pipe holds now.
        data = cast(io.BufferedReader, self.packed).read1(size) if size else b""
        self.taken += len(data)
        if self._left is not None:
            self._left -= len(data)
        return data

    def error(self, reason: str) -> SourceError:
        """Make an error that names the source."""
        return SourceError(reason, self.source_name)


class _Inflating:
    """A decompressor of zlib, with what those of the other modules have."""

    def __init__(self, window: int) -> None:
        self._one = zlib.decompressobj(window)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._one.eof

    @property
    def unused_data(self) -> bytes:
        return self._one.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        part = self._one.decompress(self._one.unconsumed_tail + data, max_length)
        # With as many bytes as may be, there may be more to come of what was given.
        self.needs_input = len(part) < max_length and not self._one.unconsumed_tail
        return part
