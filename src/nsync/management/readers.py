"""Readers of options: each gives the value that a text stands for, or raises ArgumentTypeError with what would work."""

from __future__ import annotations

import csv
import re
from argparse import ArgumentTypeError
from typing import Final

from nsync.limits import read_limit
from nsync.options import SyncOptions, is_snapshot_action, is_time

# The first "=" that is no part of a reference's own sign: "country=country=>code", "tags=>=name=".
_PARTING: Final = re.compile(r"(?<!=>)=(?!>)")


def truth(text: str) -> bool:
    """Read the value of a switch in its old spelling (rule T5)."""
    values = {"true": True, "false": False}
    if text.lower() not in values:
        raise ArgumentTypeError(f"{text!r} is neither True nor False")
    return values[text.lower()]


def number(text: str) -> int:
    """Read a number of rows."""
    if not re.fullmatch("[0-9]{1,18}", text, re.ASCII) or int(text) < 1:
        raise ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def seconds(text: str) -> float:
    """Read a time to wait."""
    if not re.fullmatch(r"[0-9]+(\.[0-9]+)?", text, re.ASCII) or not is_time(float(text)):
        raise ArgumentTypeError(f"{text!r} is not a number of seconds")
    return float(text)


def limit(text: str) -> str:
    """Read how many objects a run may delete or change."""
    try:
        read_limit(text)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None
    return text


def snapshot_action(text: str) -> str:
    """Read what becomes of what a snapshot does not name."""
    if not is_snapshot_action(text):
        raise ArgumentTypeError(f"{text!r} is none of delete, release and set:FIELD=VALUE")
    return text


def separator(text: str) -> str:
    """Read what parts the values of a list."""
    if not text:
        raise ArgumentTypeError(f"'' parts nothing; give a character, such as {SyncOptions().list_separator!r}")
    return text


def names(text: str) -> tuple[str, ...]:
    """Read a line of CSV."""
    try:
        cells = next(csv.reader([text], strict=True), [])
    except csv.Error as error:
        raise ArgumentTypeError(f"{text!r} is no line of CSV: {error}") from None
    if not any(cell.strip() for cell in cells):
        raise ArgumentTypeError("name at least one column")
    return tuple(cell.strip() for cell in cells)


def header(text: str) -> tuple[str, ...]:
    """Read the names of columns; of none, the source has a header row."""
    return names(text) if text.strip() else ()


def pair(text: str) -> tuple[str, str]:
    """Split ``Header=target``; the target may be a reference, and so may the header (rule C2)."""
    parting = _PARTING.search(text)
    if parting is None or not text[: parting.start()].strip():
        raise ArgumentTypeError(f"{text!r} must have a name, then '=', then what it stands for")
    return text[: parting.start()].strip(), text[parting.end() :]


def codes(text: str) -> tuple[tuple[str, str], ...]:
    """Read ``I=c,U=u*``."""
    return tuple(pair(part) for part in names(text))
