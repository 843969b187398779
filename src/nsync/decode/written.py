"""
Moments as people write them: ``2 Jan 2024 10:30 pm``, ``31/12/2024, 10:30:15 +0100`` (rule V2).

The names of months and weekdays and the century of two-digit years are python-dateutil's. Its parser is not asked:
it fills in what a cell does not say, reads ``2.5 Jan 2024`` as the 2nd and ``13/01/2024`` as a day first whatever
order it is told, turns ``UTC+3`` round, and drops ``EST`` with a warning.
"""

import re
from datetime import UTC, date, time, timedelta, timezone, tzinfo
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from nsync.decode.cells import CellError

if TYPE_CHECKING:
    from dateutil.parser import parserinfo

# 9:05, 10:30:15.5, 10h30, 10:30 pm, 9 a.m.
_HALF = r"\s?(?P<half{}>[ap])(?:m|\.m\.)"
_CLOCK = re.compile(
    r"(?<![\w.:/+-])(?P<hour>[0-9]{1,2})"
    r"(?:[:h](?P<minute>[0-9]{1,2})(?::(?P<second>[0-9]{1,2})(?:[.,](?P<fraction>[0-9]+))?)?"
    rf"(?:{_HALF.format('')})?|{_HALF.format('_alone')})(?![0-9:])",
    re.ASCII | re.IGNORECASE,
)
_ZONE = re.compile(
    r"\s?(?:z|utc|(?P<sign>[+-])(?P<hours>[0-9]{1,2}?)(?::?(?P<minutes>[0-5][0-9]))?)(?![\w:+-])",
    re.ASCII | re.IGNORECASE,
)
_WORD = re.compile(r"[A-Za-z]+|[0-9]+")
_GAP = re.compile(r"\s*[-/.,]?\s*")
_FILLERS = frozenset({"at", "of", "on"})
_ORDINALS = frozenset({"st", "nd", "rd", "th"})
# Where the month's name stands → the orders that people use.
_ORDERS: dict[int | None, tuple[str, ...]] = {None: ("dmy", "mdy", "ymd"), 0: ("mdy",), 1: ("dmy", "ymd"), 2: ()}
_LONGEST = 100  # characters; no moment is longer, and long texts make expressions slow

_EXAMPLES = {
    "invalid-date": "not a date with day, month and year; write one such as 2024-01-31",
    "invalid-datetime": "not a date and time; write one such as 2024-01-31 14:30:15",
    "invalid-time": "not a time of day; write one such as 14:30 or 14:30:15, without date and zone",
}


class Moment(NamedTuple):
    """What a cell says, before a zone is chosen where it names none."""

    day: date
    clock: time | None = None
    zone: tzinfo | None = None


class _Words(NamedTuple):
    """The words of a date: day, month and year in the order in which they stand."""

    parts: list[str]  # numbers as written; the month as a number where it is named
    gaps: set[str]  # what stands between numbers
    month_at: int | None  # index of the part that is a month's name
    weekday: int | None


@cache
def _names() -> "parserinfo":
    """Give what python-dateutil knows; it is imported when a file has such dates, since that takes a while."""
    from dateutil.parser import parserinfo

    return parserinfo()


def invalid(code: str) -> CellError:
    """Make the error of a cell that is no moment of its kind."""
    return CellError(code, _EXAMPLES[code])


def read_clock(text: str) -> time:
    """Read a time of day that stands alone."""
    match = _CLOCK.fullmatch(" ".join(text.split())) if len(text) <= _LONGEST else None
    if not match:
        raise invalid("invalid-time")
    return _clock(match, "invalid-time")


def read_written(text: str, order: str, code: str) -> Moment:
    """
    Read a date with perhaps a time and a zone, in any usual order.

    Args:
        text: The cell.
        order: ``--date-order``, or "".
        code: Error of a text that is no such thing: "invalid-date" or "invalid-datetime".
    """
    if len(text) > _LONGEST:
        raise invalid(code)
    text = " ".join(text.split())  # also the narrow blank before AM and PM
    if not text.isascii():
        raise invalid(code)
    text = re.sub("(?<=[0-9])[Tt](?=[0-9])", " ", text)  # 2024-1-31T14:30
    clock = offset = None
    match = _CLOCK.search(text)
    if match:
        clock = _clock(match, code)
        zone = _ZONE.match(text, match.end())
        offset = _offset(zone) if zone else None
        text = f"{text[: match.start()]} {text[zone.end() if zone else match.end() :]}"
    words = _words(text.strip(" ,."), code, is_zone_likely=clock is not None)
    day = _day(words, order, code)
    if words.weekday not in (None, day.weekday()):
        raise CellError(code, f"{day} is a {day:%A}; correct the date or leave out the day of the week")
    return Moment(day, clock, offset)


def _clock(match: re.Match[str], code: str) -> time:
    hour, half = int(match["hour"]), (match["half"] or match["half_alone"] or "").lower()
    if half and not 1 <= hour <= 12:
        raise invalid(code)
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    fraction = (match["fraction"] or "").ljust(6, "0")[:6]
    try:
        return time(hour, int(match["minute"] or 0), int(match["second"] or 0), int(fraction))
    except ValueError:
        raise invalid(code) from None


def _offset(match: re.Match[str]) -> tzinfo:
    if not match["sign"]:
        return UTC
    offset = timedelta(hours=int(match["hours"]), minutes=int(match["minutes"] or 0))
    try:
        return timezone(-offset if match["sign"] == "-" else offset)
    except ValueError:
        raise _unknown_zone(match[0].strip()) from None


def _unknown_zone(name: str) -> CellError:
    return CellError("unknown-zone", f"{name} is not a known offset from UTC; write Z, UTC or an offset such as +01:00")


def _words(text: str, code: str, *, is_zone_likely: bool) -> _Words:
    """Take a date apart, refusing every word that is no part of one."""
    if is_zone_likely and (region := re.search(r"[A-Za-z_]+(?:/[A-Za-z_]+)+", text)):
        raise _unknown_zone(region[0])
    parts: list[str] = []
    gaps: set[str] = set()
    month_at = weekday = None
    end, was_number = 0, False
    for match in _WORD.finditer(text):
        word, gap = match[0].lower(), text[end : match.start()]
        if not (_GAP.fullmatch(gap) if end else gap == ""):
            raise invalid(code)
        if word.isdigit():
            if was_number:
                gaps.add(gap.strip())
            parts.append(word)
        elif (month := _names().month(word)) is not None and month_at is None:
            month_at = len(parts)
            parts.append(str(month))
        elif _names().weekday(word) is not None and weekday is None:
            weekday = _names().weekday(word)
        elif not (word in _FILLERS or (word in _ORDINALS and was_number and not gap)):
            if is_zone_likely and (match[0].isupper() or word in ("utc", "gmt")):
                raise _unknown_zone(match[0])
            raise invalid(code)
        end, was_number = match.end(), word.isdigit()
    if end != len(text):
        raise invalid(code)
    return _Words(parts, gaps, month_at, weekday)


def _day(words: _Words, order: str, code: str) -> date:
    """Find the one date that day, month and year give, whichever of them comes first."""
    parts, month_at = words.parts, words.month_at
    if len(parts) != 3 or (month_at is None and (len(words.gaps) != 1 or "," in words.gaps)):
        raise invalid(code)
    orders = _ORDERS[month_at]
    if order and month_at is None and len(parts[0]) != 4:  # a year of four digits in front says enough
        orders = (order,)
    found = {each: day for each in orders if (day := _date(dict(zip(each, parts, strict=True)))) is not None}
    days = sorted(set(found.values()))
    if not days and orders == (order,):
        raise CellError(code, f"not a date in the order {order} (--date-order); write one such as 2024-01-31")
    if not days:
        raise invalid(code)
    if len(days) == 1:
        return days[0]
    if order:  # only 10-Jul-12 comes here: the month is where it is, the year may lead
        return found["ymd" if order == "ymd" else "dmy"]
    raise CellError(
        "ambiguous-date",
        f"reads as {' or as '.join(map(str, days))}; write it so, or give --date-order dmy, mdy or ymd",
    )


def _date(named: dict[str, str]) -> date | None:
    """Make a date of numbers as written, if they are one."""
    year, month, day = named["y"], named["m"], named["d"]
    if len(year) not in (2, 4) or len(month) > 2 or len(day) > 2:
        return None
    try:
        return date(_names().convertyear(int(year)) if len(year) == 2 else int(year), int(month), int(day))
    except ValueError:
        return None
