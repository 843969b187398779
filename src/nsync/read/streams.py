"""Where bytes come from, so that they can be read as often as a policy asks."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Protocol, TextIO, cast

from nsync.errors import ConfigError, SourceError
from nsync.places import scheme_of, shown

STDIN_NAME: Final = "<stdin>"
BUFFER_SIZE: Final = 256 * 1024  # bytes asked of the operating system at once
_NAMES_LOOKED_AT: Final = 10_000  # of a missing file's folder, for a suggestion


class Content(Protocol):
    """Bytes with a name, which can be read again and again."""

    @property
    def name(self) -> str:
        """As the user named it."""

    @property
    def size(self) -> int:
        """In bytes; 0 while nobody knows."""

    @property
    def is_empty(self) -> bool:
        """Whether there is not a single byte."""

    @property
    def encoding(self) -> str:
        """What the bytes are for certain; "" when the options must say."""

    @property
    def notes(self) -> tuple[str, ...]:
        """What was found out about it, for the report."""

    @property
    def packed(self) -> Content:
        """As it is stored: itself, unless it is compressed."""

    def open(self) -> BinaryIO:
        """Start a pass at the first byte; the caller closes it."""

    def position(self, stream: BinaryIO) -> int:
        """Give how many bytes of its size a pass has read."""

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Raise SourceError if the content is no longer what it was when it was opened."""

    def close(self) -> None:
        """Let go of it."""


class FileContent:
    """
    A regular file, opened anew for each pass: a run over a thousand files does not hold a thousand of them open.

    A file that changes meanwhile would show each pass something else, and a file that is still being written ends
    in half a row; both are errors.
    """

    encoding = ""
    notes = ()

    def __init__(self, path: str, stream: BinaryIO, name: str = "") -> None:
        self.name = name or path
        self._path = path
        self._stamp = _stamp(stream)
        self.size = os.fstat(stream.fileno()).st_size
        self.is_empty = self.size == 0

    def open(self) -> BinaryIO:
        """Start a pass at the first byte."""
        with _named_errors(self.name):
            stream = open(self._path, "rb", buffering=BUFFER_SIZE)
        try:
            self.check_unchanged(stream)
        except SourceError:
            stream.close()
            raise
        return stream

    @property
    def packed(self) -> Content:
        """Itself."""
        return self

    def position(self, stream: BinaryIO) -> int:
        """Give how many bytes a pass has read."""
        return stream.tell()

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Compare the open file with the one that was opened first."""
        if _stamp(stream) != self._stamp:
            raise SourceError("the file changed while it was being read; run again when it is complete", self.name)

    def close(self) -> None:
        """Nothing is held between passes."""


class SpooledContent:
    """
    A stream that can be read only once, copied as it is read to a temporary file, which nobody else can see or change.

    The first pass copies; a later one reads the copy, and goes on copying where the passes before it ended.
    """

    notes = ()

    def __init__(self, name: str, stream: IO[bytes] | IO[str], *, is_ours: bool = False) -> None:
        self.name = name
        self.encoding = ""
        self._stream = stream
        self._is_ours = is_ours  # opened by us, so closed by us
        try:
            self._file = tempfile.TemporaryFile(prefix="nsync-", buffering=0)
        except OSError as error:
            if is_ours:
                stream.close()
            raise no_room(error, name) from error
        self._copied = 0  # bytes
        self._is_complete = False
        self._failure: SourceError | None = None  # told again by each pass that gets there
        try:
            self.copy_on()
        except BaseException:
            self.close()
            raise
        self.is_empty = self._is_complete

    @property
    def size(self) -> int:
        """In bytes; 0 until the stream was read to its end."""
        return self._copied if self._is_complete else 0

    def open(self) -> BinaryIO:
        """Start a pass at the first byte."""
        return cast(BinaryIO, io.BufferedReader(SharedReader(self), BUFFER_SIZE))

    @property
    def packed(self) -> Content:
        """Itself."""
        return self

    def position(self, stream: BinaryIO) -> int:
        """Give how many bytes a pass has read."""
        return stream.tell()

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Nobody else can reach the copy."""

    def close(self) -> None:
        """Remove the copy."""
        self._file.close()
        if self._is_ours:
            self._stream.close()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Give bytes from an offset on: of the copy, or, at its end, of the stream."""
        while offset >= self._copied and not self._is_complete:
            self.copy_on()
        self._file.seek(offset)
        return self._file.readinto(buffer[: max(self._copied - offset, 0)])

    def copy_all(self) -> int:
        """Copy the rest of the stream; give the number of all bytes."""
        while not self._is_complete:
            self.copy_on()
        return self._copied

    def copy_on(self) -> None:
        """Copy the next bytes of the stream."""
        if self._failure is not None:
            raise self._failure
        try:
            part = self._next_part()
            self._write(part)
        except SourceError as error:
            self._failure = error
            raise
        self._copied += len(part)
        self._is_complete = not part

    def _next_part(self) -> bytes:
        stream: IO[Any] = self._stream
        # read1() gives what a pipe holds now; read() would wait until there are that many bytes.
        read = stream.read1 if isinstance(stream, io.BufferedIOBase) else stream.read
        with _named_errors(self.name):
            try:
                part = read(BUFFER_SIZE)
                if not isinstance(part, str):
                    return part or b""
                self.encoding = "utf-8"
                return part.encode()
            except UnicodeError as error:
                reason = f"is a text stream that does not decode ({error})"
                raise SourceError(f"{reason}; open it in binary mode and name its encoding", self.name) from error

    def _write(self, part: bytes) -> None:
        rest = memoryview(part)
        try:
            self._file.seek(self._copied)
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise no_room(error, self.name) from error


class SharedContent(Protocol):
    """A copy of which any part can be read at any time."""

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Give bytes from an offset on, and how many."""

    def copy_all(self) -> int:
        """Make the copy whole; give the number of all bytes."""


class SharedReader(io.RawIOBase):
    """One pass over a copy that several passes share: it keeps a position of its own."""

    def __init__(self, content: SharedContent) -> None:
        self._content = content
        self._offset = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """To any place."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a byte; counted from the end, all is copied first."""
        if whence == io.SEEK_END:
            offset += self._content.copy_all()
        elif whence == io.SEEK_CUR:
            offset += self._offset
        if offset < 0:
            raise ValueError(f"there is no byte {offset}")
        self._offset = offset
        return self._offset

    def readinto(self, buffer: Any) -> int:
        """Read the next bytes."""
        count = self._content.read_into(memoryview(buffer), self._offset)
        self._offset += count
        return count

    def tell(self) -> int:
        """Give how many bytes lie before."""
        return self._offset


def no_room(error: OSError, name: str) -> SourceError:
    """Say that a copy of a source cannot be written."""
    where = tempfile.tempdir or "a temporary file"  # None: no folder was found for one
    reason = f"cannot be copied to {where} ({error.strerror or error}); set TMPDIR to a folder with room"
    return SourceError(reason, name)


def digest_of(content: Content) -> str:
    """Give the SHA-256 of all bytes as stored, in hexadecimal; "" of a stream that was not read to its end."""
    if not content.size:
        return ""
    with content.packed.open() as stream:
        return hashlib.file_digest(cast(Any, stream), "sha256").hexdigest()


def content_name(path: str | os.PathLike[str] | BinaryIO | TextIO) -> str:
    """Give the name under which a source is spoken of; of a URL, without passwords and tokens."""
    if isinstance(path, str):
        return STDIN_NAME if path == "-" else shown(path)
    if isinstance(path, os.PathLike):
        return os.fspath(path)
    name = getattr(path, "name", None)
    return shown(name) if isinstance(name, str) else "<stream>"


def open_content(path: str | os.PathLike[str] | BinaryIO | TextIO, stdin: BinaryIO | None = None) -> Content:
    """
    Make a path, a URL, ``"-"`` or an open file readable again and again.

    Raises:
        ConfigError: Nothing that is installed reads URLs of this kind.
        SourceError: There is no such file, or it cannot be read (rule C6).
    """
    name = content_name(path)
    if not isinstance(path, (str, os.PathLike)):
        return SpooledContent(name, path)
    if path == "-":
        return SpooledContent(name, stdin or _standard_input())
    if isinstance(path, str) and scheme_of(path):
        from nsync.read.remote import open_url  # few runs fetch anything

        return open_url(path)
    with _named_errors(name):
        # Opened before it is looked at: a named pipe that is opened twice loses its first reader's bytes.
        stream = open(name, "rb", buffering=BUFFER_SIZE)
    status = os.fstat(stream.fileno())
    if stat.S_ISFIFO(status.st_mode) or _is_standard_input(status):
        return SpooledContent(name, stream, is_ours=True)
    with stream:
        if not stat.S_ISREG(status.st_mode):
            raise SourceError("is a device, not a file; name a file, a pipe, or - for standard input", name)
        return FileContent(name, stream)


def check_read_once(paths: Iterable[str | os.PathLike[str] | BinaryIO | TextIO]) -> None:
    """
    Refuse a stream that is named twice: each of its sources would get a part of it.

    Raises:
        ConfigError: It is.
    """
    seen: set[str | int] = set()
    for path in paths:
        if not isinstance(path, (str, os.PathLike)):
            stream: str | int = id(path)
        elif path == "-" or _is_pipe(path):
            stream = os.fspath(path)
        else:
            continue
        if stream in seen:
            raise ConfigError(f"{content_name(path)} is named twice, but can be read only once; copy it to a file")
        seen.add(stream)


def _is_pipe(path: str | os.PathLike[str]) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):  # opening it will say what is wrong with it
        return False


def _is_standard_input(status: os.stat_result) -> bool:
    """Tell whether a path such as /dev/stdin was opened; it may be a terminal, which is a device."""
    try:
        return not stat.S_ISREG(status.st_mode) and os.path.samestat(status, os.fstat(0))
    except OSError:  # closed
        return False


def _standard_input() -> BinaryIO | TextIO:
    if sys.stdin is None:
        raise SourceError("there is no standard input here; name a file", STDIN_NAME)
    return getattr(sys.stdin, "buffer", sys.stdin)


def _stamp(stream: BinaryIO) -> tuple[int, int, int, int]:
    status = os.fstat(stream.fileno())
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


@contextmanager
def _named_errors(name: str) -> Iterator[None]:
    """Say what the operating system refuses, and what would work."""
    try:
        yield
    except FileNotFoundError as error:
        raise SourceError(_missing_file(name), name) from error
    except IsADirectoryError as error:
        reason = "is a folder; name the files in it, for example " + os.path.join(name, "*.csv")
        raise SourceError(reason, name) from error
    except PermissionError as error:
        reason = "permission denied; give the user who runs this command the right to read the file"
        raise SourceError(reason, name) from error
    except (OSError, ValueError) as error:  # ValueError: a path with a NUL character, a closed stream
        raise SourceError(f"cannot be read: {getattr(error, 'strerror', None) or error}", name) from error


def _missing_file(name: str) -> str:
    folder = Path(name).parent
    try:
        with os.scandir(folder) as entries:
            names = {entry.name.lower(): entry.name for entry in islice(entries, _NAMES_LOOKED_AT)}
    except FileNotFoundError:
        return f"no such file: there is no folder {str(folder)!r}"
    except OSError:
        return "no such file"
    close = get_close_matches(Path(name).name.lower(), names, n=1)
    if close:
        return f"no such file; did you mean {str(folder / names[close[0]])!r}?"
    return f"no such file in {str(folder.absolute())!r}; check the path"
