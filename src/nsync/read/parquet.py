"""Parquet (https://parquet.apache.org), read some thousand records at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO, Final

from nsync.errors import ConfigError, SourceError
from nsync.options import SyncOptions
from nsync.read.blocks import Block
from nsync.read.firstbytes import HEAD_SIZE
from nsync.read.formats import optional
from nsync.read.parquetcells import cells_of, holds_bytes, joined
from nsync.read.records import DELIMITER, RECORD_LIMIT, RecordSource, as_block, is_blank, plain_block
from nsync.read.streams import Content

_parquet: Any = optional("pyarrow.parquet", "parquet")

_MAGIC: Final = b"PAR1"
_ENCRYPTED: Final = b"PARE"
_RECORDS: Final = 2_000  # of a batch, at most
_CELLS: Final = 100_000
_BYTES: Final = 8 * 1024 * 1024
_BUFFER: Final = 256 * 1024  # bytes of a column, so that a group of a million records need not be in memory
_LISTED: Final = 20  # columns that a message names
_INDEX: Final = re.compile(r"__index_level_[0-9]+__")  # numbers of rows that pandas adds


class ParquetSource(RecordSource):
    """A Parquet file; `Row.number` is the number of the record, from 1."""

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """
        Read what the end of the file says of its columns.

        Raises:
            ConfigError: ``--header`` names a column that it does not have.
            SourceError: It is no Parquet file, or it is damaged, encrypted, or without columns.
        """
        super().__init__(content, options)
        self._done = 0  # records
        with self.reading() as stream, self._told():
            _check_first_bytes(stream.read(HEAD_SIZE), self.name)
            file = _opened(stream)
            self._metadata, schema = file.metadata, file.schema_arrow
            self._names: list[str] = list(schema.names)
            with_bytes = {field.name for field in schema if holds_bytes(field.type)}
            self._at_once = self._records_at_once()
        self._positions = self._chosen(options.header)
        read = [self._names[position] for position in self._positions]
        self.header = tuple(map(str.strip, read))
        self._note("not read", [name for name in self._names if name not in read])
        self._note("of bytes, not marked as text, read as Base64", [name for name in read if name in with_bytes])

    @property
    def expected(self) -> int:
        """How many records it says that it has."""
        return int(self._metadata.num_rows)

    @property
    def position(self) -> int:
        """Bytes read so far, by the number of records: in the file each column lies by itself."""
        return self.size * min(self._done, self.expected) // max(self.expected, 1)

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of each record with its number."""
        for first, columns in self._batches(stream):
            yield from self._records(first, columns)

    def blocks_of(self, stream: BinaryIO) -> Iterator[Block]:
        """Let Arrow join the cells, of which Python then makes no object each."""
        width = len(self.header)
        for first, columns in self._batches(stream):
            with self._told():
                text = joined(columns, DELIMITER)
            if block := plain_block(first, text, len(columns[0]), width):
                yield block
            elif records := list(self._records(first, columns)):
                yield as_block(records, width)

    def _records(self, first: int, columns: Sequence[Any]) -> Iterator[tuple[int, Sequence[Any]]]:
        with self._told():
            cells = list(map(cells_of, columns))
        for number, values in enumerate(zip(*cells, strict=True), start=first):
            if not is_blank(values):
                yield number, values

    def _batches(self, stream: BinaryIO) -> Iterator[tuple[int, list[Any]]]:
        """Give the arrays of some records by column, with the number of the first."""
        self._done = 0
        # Names choose columns, unless two have one name: then all of them are read.
        names = [self._names[position] for position in self._positions]
        has_all = len(set(self._names)) < len(self._names)
        with self._told():
            file = _opened(stream, self._metadata)
            batches = file.iter_batches(self._at_once, columns=None if has_all else names, use_threads=False)
        while True:
            with self._told():
                batch = next(batches, None)
                columns = [] if batch is None else [*map(batch.column, self._positions if has_all else names)]
            if not columns:
                return
            if len(columns[0]):
                yield self._done + 1, columns
            self._done += len(columns[0])

    def _records_at_once(self) -> int:
        """
        Choose how many records to read at once, so that they need little memory.

        Raises:
            SourceError: A single one needs much.
        """
        metadata = self._metadata
        groups = [metadata.row_group(number) for number in range(metadata.num_row_groups)]
        longest = max((group.total_byte_size // max(group.num_rows, 1) for group in groups), default=0)
        if longest > RECORD_LIMIT:
            raise SourceError(f"its records have {longest:,} bytes each, and more than {RECORD_LIMIT:,}", self.name)
        return int(max(min(_RECORDS, _CELLS // max(metadata.num_columns, 1), _BYTES // max(longest, 1)), 1))

    def _chosen(self, wanted: Sequence[str]) -> list[int]:
        """Give the positions of the columns to read."""
        for name in wanted:
            if name not in self._names:
                shown = ", ".join(self._names[:_LISTED])
                raise ConfigError(f"--header {name}: {self.name} has no such column; there are {shown}")
        if wanted:
            return [self._names.index(name) for name in wanted]
        chosen = [position for position, name in enumerate(self._names) if not _INDEX.fullmatch(name)]
        if not chosen:
            raise SourceError("has no columns; look at how it was written", self.name)
        return chosen

    def _note(self, what: str, names: Sequence[str]) -> None:
        if names:
            more = f" and {len(names) - _LISTED:,} more" if len(names) > _LISTED else ""
            self.notes += (f"columns {what}: {', '.join(names[:_LISTED])}{more}",)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Say in an error of ours what pyarrow cannot do, which it says in errors of many kinds."""
        try:
            yield
        except SourceError:
            raise
        except MemoryError:
            raise SourceError("needs more memory than there is; is it damaged?", self.name) from None
        except Exception as error:
            told = " ".join(str(error).split())[:200] or type(error).__name__
            reason = "is encrypted, or damaged" if "ncrypt" in told or "ecrypt" in told else "is damaged"
            raise SourceError(f"{reason}, or has what cannot be read here: {told}", self.name) from error


def _opened(stream: BinaryIO, metadata: Any = None) -> Any:
    """Open a Parquet file; what is known of its end is not read again."""
    return _parquet.ParquetFile(
        stream, metadata=metadata, buffer_size=_BUFFER, pre_buffer=False, page_checksum_verification=True
    )


def _check_first_bytes(head: bytes, name: str) -> None:
    if head.startswith(_ENCRYPTED):
        raise SourceError("is an encrypted Parquet file; decrypt it first", name)
    if not head.startswith(_MAGIC):
        raise SourceError("is no Parquet file, which begins with PAR1; if it is CSV, say --format csv", name)
