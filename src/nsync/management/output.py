"""What all commands do with a stream that may not take what they write."""

from __future__ import annotations

import os

from django.core.management.base import OutputWrapper


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
