"""Where bytes come from, so that they can be read as often as a policy asks."""

from __future__ import annotations

import io
import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import IO, Any, BinaryIO, Final, Protocol, TextIO, cast

from nsync.errors import SourceError

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
        """In bytes."""

    @property
    def encoding(self) -> str:
        """What the bytes are for certain; "" when the options must say."""

    def open(self) -> BinaryIO:
        """Start a pass at the first byte; the caller closes it."""

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

    def __init__(self, path: str, stream: BinaryIO) -> None:
        self.name = path
        self._stamp = _stamp(stream)
        self.size = os.fstat(stream.fileno()).st_size

    def open(self) -> BinaryIO:
        """Start a pass at the first byte."""
        with _named_errors(self.name):
            stream = open(self.name, "rb", buffering=BUFFER_SIZE)
        try:
            self.check_unchanged(stream)
        except SourceError:
            stream.close()
            raise
        return stream

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Compare the open file with the one that was opened first."""
        if _stamp(stream) != self._stamp:
            raise SourceError("the file changed while it was being read; run again when it is complete", self.name)

    def close(self) -> None:
        """Nothing is held between passes."""


class SpooledContent:
    """A stream that can be read only once, copied to a temporary file, which nobody else can see or change."""

    def __init__(self, name: str, stream: IO[bytes] | IO[str]) -> None:
        self.name = name
        self.encoding = ""
        self._file: BinaryIO = cast(BinaryIO, tempfile.TemporaryFile(prefix="nsync-"))
        try:
            with _named_errors(name):
                self._copy(stream)
                self.size = self._file.seek(0, os.SEEK_END)
        except BaseException:
            self._file.close()
            raise

    def _copy(self, stream: IO[Any]) -> None:
        try:
            part = stream.read(BUFFER_SIZE)
            if isinstance(part, str):
                self.encoding = "utf-8"
            while part:
                self._file.write(part.encode() if isinstance(part, str) else part)
                part = stream.read(BUFFER_SIZE)
        except UnicodeError as error:
            reason = f"is a text stream that does not decode ({error}); open it in binary mode and name its encoding"
            raise SourceError(reason, self.name) from error

    def open(self) -> BinaryIO:
        """Start a pass at the first byte."""
        return cast(BinaryIO, io.BufferedReader(_SharedReader(self._file), BUFFER_SIZE))

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Nobody else can reach the copy."""

    def close(self) -> None:
        """Remove the copy."""
        self._file.close()


class _SharedReader(io.RawIOBase):
    """One pass over a file that several passes share: it keeps a position of its own."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._offset = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._offset)
        part = self._file.read(len(buffer))
        buffer[: len(part)] = part
        self._offset += len(part)
        return len(part)

    def tell(self) -> int:
        return self._offset


def content_name(path: str | os.PathLike[str] | BinaryIO | TextIO) -> str:
    """Give the name under which a source is spoken of."""
    if isinstance(path, (str, os.PathLike)):
        return STDIN_NAME if path == "-" else os.fspath(path)
    name = getattr(path, "name", None)
    return name if isinstance(name, str) else "<stream>"


def open_content(path: str | os.PathLike[str] | BinaryIO | TextIO, stdin: BinaryIO | None = None) -> Content:
    """
    Make a path, ``"-"`` or an open file readable again and again.

    Raises:
        SourceError: There is no such file, or it cannot be read (rule C6).
    """
    name = content_name(path)
    if not isinstance(path, (str, os.PathLike)):
        return SpooledContent(name, path)
    if path == "-":
        return SpooledContent(name, stdin or _standard_input())
    with _named_errors(name):
        # Opened before it is looked at: a named pipe that is opened twice loses its first reader's bytes.
        stream = open(name, "rb", buffering=BUFFER_SIZE)
    with stream:
        if stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return FileContent(name, stream)
        return SpooledContent(name, stream)


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
