"""How a command ends: its exit code, and what a signal leaves (rule T7)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

from django.core.management.base import CommandError

from nsync.ending import EndRequest

WOULD_WRITE: Final = 5
INTERRUPTED: Final = 130
TERMINATED: Final = 143
BY_SIGTERM: Final = "ended by SIGTERM"

Warn = Callable[[str], object]


def exit_code(error: BaseException) -> int:
    """Give the exit code of a command that ends with an error."""
    if isinstance(error, CommandError):
        return error.returncode
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


@contextmanager
def ended_by_sigterm(warn: Warn, ending: EndRequest | None = None) -> Iterator[None]:
    """
    Let SIGTERM end the block as an exception does, so that its transaction rolls back.

    A run that commits batch by batch is asked to end when its batch is committed (rule T7); the second time it ends as
    any other. Not where the process handles the signal itself, as a worker does, or where Python forbids it: in a
    thread.

    Args:
        warn: Takes a line that says what the signal left.
        ending: Asks the run for its end.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        yield
        return

    def end(number: int, frame: FrameType | None) -> None:
        if ending is None or not ending.ask():
            raise _Terminated(TERMINATED)

    signal.signal(signal.SIGTERM, end)
    try:
        yield
    except _Terminated as error:
        warn(_ending("SIGTERM", error))
        raise
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


@contextmanager
def ended_by_ctrl_c(command: Any, warn: Warn) -> Iterator[None]:
    """
    Say what Ctrl-C left, in place of a traceback; code that calls the command catches it by itself.

    Args:
        command: Whose block it is.
        warn: Takes a line that says so.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        if not command._called_from_command_line:  # Django's: whether this is a process of its own
            raise
        warn(_ending("Ctrl-C", error))
        raise SystemExit(INTERRUPTED) from error


def notes_of(error: BaseException | None) -> list[str]:
    """Give what was noted on an error, and on what it came from."""
    found: list[str] = []
    while error is not None:
        found += getattr(error, "__notes__", ())
        error = error.__cause__
    return found


def _ending(by: str, error: BaseException) -> str:
    """Say what a signal left; the conductor notes the last committed row."""
    return "; ".join([f"ended by {by}", "what was not committed yet was rolled back", *notes_of(error)])


class _Terminated(SystemExit):
    """SIGTERM came."""

    reason = BY_SIGTERM
