"""Which batches of a source come next, and how many rows of the present one were run. Part of the conductor."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator
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


class Told:
    """
    How many rows of a batch were run, in order; called with a number of more rows.

    The whole batch is read before its first row is run: progress goes evenly over its rows, from one position in the
    source to the other.
    """

    def __init__(self, tell: Callable[[int, int], None], start: int, stop: int, count: int) -> None:
        self.rows = 0
        self.stop = stop
        self._tell = tell
        self._start = start
        self._step = (stop - start) / max(count, 1)

    def __call__(self, rows: int = 1) -> None:
        """Count rows that were run."""
        self.rows += rows
        self._tell(rows, self._start + round(self.rows * self._step))


def _from(first: int, batches: Iterator[RowBatch]) -> Iterator[RowBatch]:
    """Leave out rows before one; what ends the source stays."""
    for batch in batches:
        done = bisect_left(batch.ordinals, first)
        if done < len(batch) or batch.error is not None:
            yield batch.part(done, len(batch)) if done else batch
