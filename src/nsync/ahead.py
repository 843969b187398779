"""Ahead: the batches of a source, from some row on, and a look at those that follow. Part of the conductor."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterator
from itertools import islice

from nsync.read.base import Source
from nsync.rows import RowBatch


class Ahead:
    """
    Gives the batches of a source; those that follow can be seen before it is their turn.

    Args:
        batches: Of the source.
        source: The source.
        first: Rows before this one are left out.
    """

    def __init__(self, batches: Iterator[RowBatch], source: Source, first: int = 0) -> None:
        self.position = 0  # in the source, where the batch given last ends
        self._batches = _from(first, batches)
        self._source = source
        self._held: deque[tuple[RowBatch, int]] = deque()

    def __iter__(self) -> Iterator[RowBatch]:
        while self._hold(1):
            batch, self.position = self._held.popleft()
            yield batch

    def go_on_with(self, batches: Iterator[RowBatch]) -> None:
        """Give other batches from now on."""
        self._held.clear()
        self._batches = batches

    def peek(self, count: int) -> list[RowBatch]:
        """Give the next batches: at most so many, and those only that can be read without an error."""
        self._hold(count)
        return [batch for batch, _ in islice(self._held, count) if batch.error is None]

    def _hold(self, count: int) -> bool:
        """Read on until so many batches are held; False if there are none."""
        while len(self._held) < count and (batch := next(self._batches, None)) is not None:
            self._held.append((batch, self._source.position))
        return bool(self._held)


def _from(first: int, batches: Iterator[RowBatch]) -> Iterator[RowBatch]:
    """Leave out rows before one; what ends the source stays."""
    for batch in batches:
        done = bisect_left(batch.ordinals, first)
        if done < len(batch) or batch.error is not None:
            yield batch.part(done, len(batch)) if done else batch
