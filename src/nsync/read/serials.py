"""Numbers as Excel keeps them: all are floating point, and dates are days since an epoch, shown as dates."""

from __future__ import annotations

import datetime
import re
from typing import Any, Final

NUMBER, DATE, TIME, DATETIME, DURATION = range(5)  # what a number format shows

# ECMA-376 part 1, 18.8.30; those of East Asia among them. 55 and 56 are dates in Japan and times in China.
BUILT_IN: Final[dict[int, int]] = {
    **dict.fromkeys((14, 15, 16, 17, *range(27, 32), 36, *range(50, 55), 57, 58), DATE),
    **dict.fromkeys((18, 19, 20, 21, *range(32, 36), 45, 47), TIME),
    **dict.fromkeys((22, 55, 56), DATETIME),
    46: DURATION,
}

_NUMBER: Final = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_LITERALS: Final = re.compile(r'"[^"]*"?|\\.|_.|\*.|am/pm|a/p', re.IGNORECASE | re.DOTALL)
_ELAPSED: Final = re.compile(r"\[(h+|m+|s+)\]", re.IGNORECASE)
_BRACKETS: Final = re.compile(r"\[[^\]]*\]?")
_DIGITS: Final = 15  # that Excel keeps and shows; what follows is what binary fractions leave (3.3000000000000003)
_LARGEST_INTEGER: Final = 10**15
_EPOCH_1900: Final = datetime.datetime(1899, 12, 30)  # noqa: DTZ001  # spreadsheets know no zones
_EPOCH_1904: Final = datetime.datetime(1904, 1, 1)  # noqa: DTZ001
_LEAP_DAY: Final = 60  # 29 February 1900, which Excel counts and nobody has seen
_MILLISECONDS: Final = 24 * 60 * 60 * 1000


def shown_by(code: str) -> int:
    """Say what a number format shows: its first section counts."""
    bare = _LITERALS.sub("", code).partition(";")[0]
    if _ELAPSED.search(bare):
        return DURATION
    letters = set(_BRACKETS.sub("", bare).lower())
    if "general" in bare.lower():
        return NUMBER
    has_time = bool(letters & {"h", "s"})
    has_date = bool(letters & {"d", "y"}) or ("m" in letters and not has_time)
    return (DATETIME if has_time else DATE) if has_date else TIME if has_time else NUMBER


def read_number(text: str) -> int | float:
    """
    Read a number: to 15 digits, as Excel does; an integer if there are no decimals.

    Raises:
        ValueError: It is none.
    """
    if len(text) < 20 and text.isascii() and text.isdigit():
        return int(text)
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        raise ValueError("is no number")
    if text[1:].isdigit():
        return int(text)  # a sign and digits
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError("is too large a number")
    if len(text) > _DIGITS:
        value = float(f"{value:.{_DIGITS}g}")
    return int(value) if value.is_integer() and abs(value) < _LARGEST_INTEGER else value


def read_moment(days: float, shown: int, *, is_1904: bool) -> Any:
    """
    Read a number that its format shows as a date, a time or a duration.

    Returns:
        A date where a date alone is shown and it is midnight; a time of day on no day; else a datetime.

    Raises:
        ValueError: No calendar has it.
    """
    try:
        if shown == DURATION:
            return datetime.timedelta(milliseconds=round(days * _MILLISECONDS))
        whole, milliseconds = divmod(round(days * _MILLISECONDS), _MILLISECONDS)
        clock = datetime.timedelta(milliseconds=milliseconds)
        if whole == 0 and shown == TIME:
            return (_EPOCH_1904 + clock).time()
        moment = _day(whole, is_1904=is_1904) + clock
    except OverflowError:
        raise ValueError("is no date: its year is not from 1900 to 9999") from None
    return moment.date() if shown == DATE and not milliseconds else moment


def _day(number: int, *, is_1904: bool) -> datetime.datetime:
    if is_1904 and number >= 0:
        return _EPOCH_1904 + datetime.timedelta(number)
    if number == _LEAP_DAY:
        raise ValueError("is 29 February 1900, a day that there was not")
    if number < 1:
        raise ValueError("is no date: Excel knows none before 1900")
    return _EPOCH_1900 + datetime.timedelta(number + (number < _LEAP_DAY))
