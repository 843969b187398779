"""The rows of a source in batches: from its blocks where it has them, else one by one."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import compress, islice, repeat
from typing import Any

from nsync.errors import SourceError
from nsync.read.base import Source
from nsync.read.blocks import Block, Unfit
from nsync.rows import Row, RowBatch, fit


def row_batches(source: Source, size: int, is_wanted: bytearray | None = None) -> Generator[RowBatch, None, None]:
    """
    Give the rows of a source in batches.

    Args:
        source: The source.
        size: Rows of a batch; the last may have fewer.
        is_wanted: One byte per row, whether it is wanted; rows past the end are not. None: all rows.

    What ends the source before its last row is the `RowBatch.error` of the last batch, with the rows before it: these
    count as any others (rule T4).
    """
    done = 0
    try:
        for batch in _from_blocks(source, size, is_wanted):
            yield batch
            done = batch.ordinals[-1] + 1
    except Unfit:
        yield from _one_by_one(source, size, is_wanted, done)


def _one_by_one(source: Source, size: int, is_wanted: bytearray | None, done: int) -> Iterator[RowBatch]:
    rows: Iterator[tuple[int, Row]] = islice(enumerate(source), done, None)
    if is_wanted is not None:
        rows = _wanted(rows, is_wanted)
    while True:
        batch: list[tuple[int, Row]] = []
        error = None
        try:
            batch.extend(islice(rows, size))
        except SourceError as reason:
            error = reason
        if batch or error:
            yield RowBatch.of(batch, source.header, error)
        if error or len(batch) < size:
            return


def _wanted(rows: Iterable[tuple[int, Row]], is_wanted: bytearray) -> Iterator[tuple[int, Row]]:
    count = len(is_wanted)
    return ((ordinal, row) for ordinal, row in rows if ordinal < count and is_wanted[ordinal])


def _from_blocks(source: Source, size: int, is_wanted: bytearray | None) -> Iterator[RowBatch]:
    gathered = _Gathered(source.header, source.delimiter)
    first = 0
    for block in source.blocks():
        count = len(block)
        wanted = None if is_wanted is None else is_wanted[first : first + count]
        if wanted is None or any(wanted):
            gathered.add(block, first, wanted)
        first += count
        while len(gathered) >= size:
            yield gathered.take(size)
    if len(gathered):
        yield gathered.take(size)


class _Gathered:
    """Rows of blocks that no batch has yet: as texts, or, if one of them must be parsed, as cells."""

    def __init__(self, header: tuple[str, ...], delimiter: str) -> None:
        self._header = header
        self._delimiter = delimiter
        self._ordinals: list[int] = []
        self._lines: list[int] = []
        self._records: list[Any] = []
        self._is_text = True

    def __len__(self) -> int:
        return len(self._records)

    def add(self, block: Block, first: int, is_wanted: bytearray | None) -> None:
        """Add rows of a block, all or those wanted; its first row has this ordinal."""
        self._ordinals += _chosen(range(first, first + len(block)), is_wanted)
        self._lines += _chosen(block.lines, is_wanted)
        records = list(_chosen(block.rows, is_wanted))
        if not (block.text and self._is_text and self._are_whole(records)):
            records = self._cells(records)
            if self._is_text:
                self._records, self._is_text = self._cells(self._records), False
        self._records += records

    def take(self, size: int) -> RowBatch:
        """Take out the first rows."""
        delimiter = self._delimiter if self._is_text else ""
        batch = RowBatch(self._header, self._ordinals[:size], self._lines[:size], self._records[:size], delimiter)
        del self._ordinals[:size], self._lines[:size], self._records[:size]
        self._is_text = self._is_text or not self._records
        return batch

    def _are_whole(self, texts: Sequence[str]) -> bool:
        """Whether each text has as many cells as the header."""
        return set(map(str.count, texts, repeat(self._delimiter))) == {len(self._header) - 1}

    def _cells(self, records: Sequence[Any]) -> list[tuple[object, ...]]:
        width = len(self._header)
        return [fit(one.split(self._delimiter) if isinstance(one, str) else one, width) for one in records]


def _chosen(items: Sequence[Any], is_wanted: bytearray | None) -> Iterable[Any]:
    return items if is_wanted is None else compress(items, is_wanted)
