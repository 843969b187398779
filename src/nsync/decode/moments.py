"""Readers of dates, times, datetimes and durations, and the zone that local times are in (rule V2)."""

from __future__ import annotations

import difflib
import re
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from django.conf import settings
from django.utils import timezone
from django.utils.dateparse import parse_duration

from nsync.decode.cells import CellError, Reader
from nsync.decode.written import Moment, invalid, read_clock, read_written
from nsync.errors import ConfigError
from nsync.options import SyncOptions

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{8}"
_HOUR, _SIXTY, _PART = "(?:[01][0-9]|2[0-3])", "[0-5][0-9]", "(?:[.,][0-9]+)?"
_CLOCK = f"{_HOUR}(?::{_SIXTY}(?::{_SIXTY}{_PART})?|{_SIXTY}(?:{_SIXTY}{_PART})?)"
_ZONE = rf"[Zz]|[+-]{_HOUR}(?::?{_SIXTY}(?::{_SIXTY}(?:\.[0-9]+)?)?)?"
# Stricter than fromisoformat(), which also reads 2024-W01, takes any character between date and time, and reads
# 24:00 in some versions of Python only.
_ISO_DATE = re.compile(_DATE)
_ISO_CLOCK = re.compile(_CLOCK)
_ISO_MOMENT = re.compile(f"(?:{_DATE})[Tt ](?:{_CLOCK}|{_HOUR})(?:{_ZONE})?")
_DIGITS = re.compile("([0-9]{8})([0-9]{4}|[0-9]{6})")  # 20240131143015


def zone(options: SyncOptions) -> tzinfo:
    """
    Give the zone of datetimes that name none: ``--timezone``, else the current time zone.

    Raises:
        ConfigError: There is no such zone.
    """
    if not options.timezone:
        return timezone.get_current_timezone()
    try:
        return zoneinfo.ZoneInfo(options.timezone)
    except (KeyError, ValueError, OSError):
        near = difflib.get_close_matches(options.timezone, sorted(zoneinfo.available_timezones()), n=1)
        hint = f"did you mean {near[0]}?" if near else "give a name such as Europe/Berlin"
        raise ConfigError(f"--timezone {options.timezone}: no such time zone; {hint}") from None


def date_reader(options: SyncOptions) -> Reader:
    """Read dates. A time of day in the cell must be midnight."""
    order = options.date_order

    def read(text: str) -> date:
        moment = _read_moment(text, order, "invalid-date")
        if moment.clock is not None and moment.clock != time(0):
            raise CellError("time-in-date", "the column holds a date; write it without a time of day")
        return moment.day

    return read


def datetime_reader(options: SyncOptions) -> Reader:
    """
    Read datetimes. A date alone is its midnight.

    What is read is in UTC; or, where ``USE_TZ`` is false, naive and in the time zone of the settings.
    """
    order, local = options.date_order, zone(options)
    is_aware, stored = settings.USE_TZ, timezone.get_default_timezone()

    def read(text: str) -> datetime:
        moment = _read_moment(text, order, "invalid-datetime")
        naive = datetime.combine(moment.day, moment.clock or time(0))
        if moment.zone is None and not is_aware and not options.timezone:
            return naive
        aware = _place(naive, local) if moment.zone is None else naive.replace(tzinfo=moment.zone)
        try:
            return aware.astimezone(UTC) if is_aware else aware.astimezone(stored).replace(tzinfo=None, fold=0)
        except (OverflowError, ValueError):
            raise CellError("out-of-range", "in the database's time zone its year is not from 1 to 9999") from None

    return read


def read_time(text: str) -> time:
    """Read a time of day, which has neither a date nor a zone."""
    return time.fromisoformat(text) if _ISO_CLOCK.fullmatch(text) else read_clock(text)


def read_duration(text: str) -> timedelta:
    """Read a duration whose microseconds fit 64 bits: so most databases keep it."""
    out_of_range = "the column holds durations of at most 106751991 days"
    duration = None
    try:
        if text.isascii() and any(map(str.isdigit, text)):  # Django reads "P" as no time at all
            duration = parse_duration(text)
    except OverflowError:
        raise CellError("out-of-range", out_of_range) from None
    if duration is None:
        raise CellError("invalid-duration", "not a duration; write one such as 3 04:05:06 (3 days) or P3DT4H5M6S")
    if not -(2**63) <= duration // timedelta(microseconds=1) < 2**63:
        raise CellError("out-of-range", out_of_range)
    return duration


def _read_moment(text: str, order: str, code: str) -> Moment:
    """Read ISO 8601, else what people write."""
    digits = _DIGITS.fullmatch(text)
    if digits:
        text = f"{digits[1]}T{digits[2]}"
    try:
        if _ISO_DATE.fullmatch(text):
            return Moment(date.fromisoformat(text))
        if _ISO_MOMENT.fullmatch(text):
            moment = datetime.fromisoformat(text.upper())
            return Moment(moment.date(), moment.time(), moment.tzinfo)
    except ValueError:  # the 30th of February
        raise invalid(code) from None
    return read_written(text, order, code)


def _place(naive: datetime, local: tzinfo) -> datetime:
    """Place a local time in its zone, if the clocks there showed it, and only once (PEP 495)."""
    early, late = naive.replace(tzinfo=local, fold=0), naive.replace(tzinfo=local, fold=1)
    try:
        first, second = early.utcoffset(), late.utcoffset()
    except (OverflowError, ValueError):
        raise CellError("out-of-range", f"{local} does not reach to this year") from None
    if first == second or first is None or second is None:
        return early
    if first < second:
        raise CellError(
            "nonexistent-time", f"the clocks of {local} skipped this time; write it with an offset (+01:00)"
        )
    raise CellError("ambiguous-time", f"the clocks of {local} showed this time twice; write it with an offset (+01:00)")
