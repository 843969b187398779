"""What all commands do: say how they were called, and write to a stream that may not take it."""

from __future__ import annotations

import os
import shlex
import sys
from typing import Any

from django.core.management.base import OutputWrapper

from nsync.veils import veil_arguments


def command_line(command: Any) -> str:
    """Give the command line, for the history, without values that are not to be kept; "" if code calls the command."""
    is_ours = getattr(command, "_called_from_command_line", False)  # Django sets it where it reads the line
    return shlex.join(veil_arguments(sys.argv)) if is_ours else ""


def in_signs_of(stream: OutputWrapper, text: str) -> str:
    """Give text in signs that the terminal or file has."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        text = text.replace("→", "->").replace("…", "...")
        return text.encode(encoding, "backslashreplace").decode(encoding)
    return text


def silence(stream: OutputWrapper) -> None:
    """Let a broken stream lead nowhere, so that what waits in its buffer does no harm when Python ends."""
    try:
        number = stream.fileno()
    except (AttributeError, OSError, ValueError):
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
