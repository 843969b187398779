"""Limit: how many objects a run may delete or change before a guard stops it."""

import re
from decimal import Decimal
from typing import NamedTuple

_FORM = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(%?)", re.ASCII)
NONE = "none"  # written where a limit is asked for: there is none


class Limit(NamedTuple):
    """A number of objects, or a share of those that a system maps."""

    number: Decimal
    is_share: bool  # the number is per cent

    def is_exceeded(self, count: int, population: int) -> bool:
        """
        Whether a number of objects is too many.

        Args:
            count: Objects.
            population: What a share is of; of nothing, any object is too many.
        """
        return count * 100 > self.number * population if self.is_share else count > self.number

    def __str__(self) -> str:
        return f"{self.number:f}{'%' if self.is_share else ''}"


def is_expansion_limit(value: object) -> bool:
    """Whether a setting says how far a file may expand: a number of at least 1, or None."""
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)


def read_limit(text: object) -> Limit | None:
    """
    Read a limit as options and settings write it: ``20``, ``20%``, or ``none``.

    Returns:
        The limit; None if there is none.

    Raises:
        ValueError: It is none of these; its text says what would work.
    """
    if text is None or text in ("", NONE):
        return None
    found = _FORM.fullmatch(str(text).strip())
    if found is None or (not found[2] and "." in found[1]):
        raise ValueError(f"{text!r} is no limit; write a number of objects such as 20, a share such as 20%, or {NONE}")
    return Limit(Decimal(found[1]), bool(found[2]))
