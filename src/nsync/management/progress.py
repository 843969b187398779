"""How far a run has come: a bar on a terminal, else a plain line every ten seconds."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

EVERY: Final = 10.0  # seconds between two plain lines; a shorter run shows none
FIRST: Final = 2.0  # seconds before the first on a terminal, where somebody is waiting
_BAR_AFTER: Final = 1.0  # seconds; a bar that flashes up for less tells nothing
_BAR: Final = "{percentage:3.0f} % |{bar}|{postfix}, {elapsed} elapsed, {remaining} left"


class ProgressDisplay(Protocol):
    """Told now and then how far a run has come."""

    def __call__(self, rows: int, done: int, total: int) -> None:
        """Take note of rows read, bytes read, and bytes to read: 0 while nobody knows how many."""

    def close(self) -> None:
        """Clear the display."""


class PlainLines:
    """
    Writes a line every ten seconds.

    Args:
        write: Takes a line.
        clock: Gives seconds.
        first: Seconds before the first line.
    """

    def __init__(
        self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic, first: float = EVERY
    ) -> None:
        self._write = write
        self._clock = clock
        self._started = clock()
        self._next = self._started + first

    def __call__(self, rows: int, done: int, total: int) -> None:
        """Write a line if it is time."""
        now = self._clock()
        if now < self._next:
            return
        self._next = now + EVERY
        elapsed = now - self._started
        parts = [f"{rows:,} rows", f"{rows / elapsed:,.0f} rows/s"]
        if 0 < done <= total:
            parts.insert(1, f"{done / total:.0%}")
            parts.append(f"about {duration(elapsed * (total - done) / done)} left")
        self._write(", ".join(parts))

    def close(self) -> None:
        """Nothing is left to clear: lines stay."""


class Bar:
    """A progress bar of tqdm, measured in bytes, because nobody knows how many rows there are."""

    def __init__(self, tqdm: Any, stream: Any) -> None:
        self._tqdm = tqdm
        self._stream = stream
        self._bar: Any = None
        self._started = time.monotonic()

    def __call__(self, rows: int, done: int, total: int) -> None:
        """Move the bar."""
        if self._bar is None:
            self._bar = self._tqdm(
                total=total,
                miniters=0,  # else it waits for as many bytes as came at first
                file=self._stream,
                leave=False,
                dynamic_ncols=True,
                delay=_BAR_AFTER,
                bar_format=_BAR,
            )
        self._bar.total = total  # of a stream it is known once its end was reached
        elapsed = max(time.monotonic() - self._started, 0.001)
        self._bar.set_postfix_str(f"{rows:,} rows, {rows / elapsed:,.0f} rows/s", refresh=False)
        self._bar.update(min(done, total) - self._bar.n)

    def close(self) -> None:
        """Take the bar away, so that the summary stands alone."""
        if self._bar is not None:
            self._bar.close()


def choose_display(stderr: Any, write: Callable[[str], object]) -> ProgressDisplay:
    """
    Give a bar if standard error is a terminal and tqdm is installed (``django-nsync[progress]``), else lines.

    Args:
        stderr: Standard error.
        write: Takes a line.
    """
    if not stderr.isatty():
        return PlainLines(write)
    if _has_width(stderr):
        try:
            from tqdm import tqdm
        except ImportError:
            pass
        else:
            # Not Django's wrapper: it ends whatever it writes with a newline.
            return Bar(tqdm, sys.stderr)
    return PlainLines(write, first=FIRST)


def _has_width(stderr: Any) -> bool:
    """Tell whether a terminal has room for a bar: one that nobody gave a size has 0 columns."""
    try:
        return os.get_terminal_size(stderr.fileno()).columns > 0
    except (AttributeError, OSError, ValueError):  # not a terminal of the system, but one that somebody plays
        return True


def duration(seconds: float) -> str:
    """Say how long something takes: ``45 s``, ``3 min 20 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
