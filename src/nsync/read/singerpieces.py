"""Pieces: records of one Singer stream that wait on disk to be synced together, as a source of rows."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Final, cast

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.jsonrecords import cells_of, decoder
from nsync.read.records import RecordSource, is_blank
from nsync.read.streams import BUFFER_SIZE, Content, SharedReader
from nsync.rows import MISSING, BadCell

DELETED_AT: Final = "_sdc_deleted_at"  # a tap that reads a log sets it in records of what was deleted
JOINT: Final = "|"  # between the parts of a key that is made of several properties
_ADDED: Final = "_sdc_"  # properties that Singer adds to those of the source
_DELETE: Final = "d"
_AMBIGUOUS: Final = (
    f"holds {JOINT!r}, which joins the parts of the key, so that another record could have the same; let "
    "external_key_column of the feed join them by other text"
)


class Piece(RecordSource):
    """
    Records of a stream, in the order in which they came. The line of a row is that of the tap's output.

    Its columns are the properties of the schema, then those that only records have; without those that Singer adds,
    unless they are wanted.

    Args:
        name: What it is called in reports.
        options: Of its run; its `header` says which properties are columns.
        wanted: Properties that Singer adds and the run names.
        deletes: Whether a record that is marked as deleted asks for that: by the flag ``d``, or, if the run has codes
            of its own for flags, by the code ``_sdc_deleted_at``.
        joined: Properties that are joined to a key, by JOINT: a record fails in which one holds that, since its key
            could be that of another.
    """

    def __init__(
        self,
        name: str,
        options: SyncOptions,
        wanted: Collection[str] = (),
        *,
        deletes: bool = False,
        joined: Collection[str] = (),
    ) -> None:
        self._spool = Spool(name)
        super().__init__(self._spool, options)
        self._decode = decoder().decode
        self._wanted = wanted
        self._deletes = deletes
        self._joined = joined
        self._properties: dict[str, None] = {}
        self._width = 0  # columns that are properties
        self.rows = 0

    def name_columns(self, properties: Iterable[str]) -> None:
        """Take properties as columns, whether or not a record has them."""
        self._properties.update(dict.fromkeys(properties))
        self.header = self._columns()

    def add(self, line: int, record: Mapping[str, Any], text: bytes) -> None:
        """
        Take a record.

        Args:
            line: Of the tap's output.
            record: It.
            text: The message that it came in; or any JSON object on one line that has it as its ``record``.

        Raises:
            SourceError: There is no room for it.
        """
        if not record.keys() <= self._properties.keys():
            self.name_columns(record)
        self._spool.write(b"%d %b\n" % (line, text))
        self.rows += 1

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of each record with its line."""
        header, decode = self.header, self._decode
        properties, width = header[: self._width], self._width
        more = [MISSING] * (len(header) - width)
        parts = [position for position, name in enumerate(properties) if name in self._joined]
        flags = header.index(self.options.action_flags_column) if self._deletes else -1
        delete = DELETED_AT if self.options.flag_map else _DELETE
        for text in stream:
            line, _, message = text.partition(b" ")
            record = decode(message.decode())["record"]
            cells = cells_of(record, properties)[:width]
            if is_blank(cells):
                continue
            for position in parts:
                if type(cells[position]) is str and JOINT in cells[position]:
                    cells[position] = BadCell(cells[position], _AMBIGUOUS)
            cells += more
            if self._deletes and record.get(DELETED_AT) is not None:
                cells[flags] = delete
            yield int(line), cells

    def digest(self) -> str:
        """It has none: which records came together is a matter of chance."""
        return ""

    def _columns(self) -> tuple[str, ...]:
        found = self.options.header or tuple(
            name for name in self._properties if not name.startswith(_ADDED) or name in self._wanted
        )
        self._width = len(found)
        flags = self.options.action_flags_column
        return (*found, flags) if self._deletes and flags not in found else found


def as_text(record: Mapping[str, Any]) -> bytes:
    """Write a record as `Piece.add` takes it."""
    return json.dumps({"record": record}, default=str).encode()


class Spool:
    """Lines in a temporary file that nobody else can see, as the content of a source."""

    encoding = "utf-8"
    notes: tuple[str, ...] = ()

    def __init__(self, name: str) -> None:
        self.name = name
        self.size = 0  # bytes
        try:
            self._file = tempfile.TemporaryFile(prefix="nsync-", buffering=BUFFER_SIZE)
        except OSError as error:
            raise self._no_room(error) from error

    @property
    def is_empty(self) -> bool:
        """Whether nothing was written."""
        return not self.size

    @property
    def packed(self) -> Content:
        """Itself."""
        return self

    def write(self, line: bytes) -> None:
        """Add a line; all are written before the first pass. Raises SourceError."""
        try:
            self._file.write(line)
        except OSError as error:
            raise self._no_room(error) from error
        self.size += len(line)

    def open(self) -> BinaryIO:
        """Start a pass at the first byte. Raises SourceError."""
        try:
            self._file.flush()
        except OSError as error:
            raise self._no_room(error) from error
        return cast(BinaryIO, io.BufferedReader(SharedReader(self), BUFFER_SIZE))

    def position(self, stream: BinaryIO) -> int:
        """Give the bytes that a pass has read."""
        return stream.tell()

    def check_unchanged(self, stream: BinaryIO) -> None:
        """Nobody else can reach it."""

    def close(self) -> None:
        """Remove the file."""
        with suppress(OSError):  # what it holds is wanted no more
            self._file.close()

    def read_into(self, buffer: memoryview, offset: int) -> int:
        """Give bytes from an offset on."""
        self._file.seek(offset)
        part = self._file.read(len(buffer))
        buffer[: len(part)] = part
        return len(part)

    def copy_all(self) -> int:
        """All of it is there."""
        return self.size

    def _no_room(self, error: OSError) -> SourceError:
        where = f"cannot be kept in {tempfile.gettempdir()} ({error.strerror or error})"
        return SourceError(f"{where}; set TMPDIR to a folder with room", self.name)
