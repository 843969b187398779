"""Dates, times, datetimes and durations (rule V2)."""

from __future__ import annotations

import datetime
from datetime import UTC, timedelta

import pytest
from django.conf import settings
from django.db import models
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from nsync.decode import moments, values
from nsync.decode.values import CellError
from nsync.errors import ConfigError
from nsync.options import SyncOptions

pytestmark = pytest.mark.filterwarnings("error")
BERLIN = SyncOptions(timezone="Europe/Berlin")


def read(field, text, **options):
    options.setdefault("timezone", "Europe/Berlin")
    try:
        return values.converter(field, SyncOptions(**options))(text)
    except CellError as error:
        return error.code


def read_date(text, **options):
    return read(models.DateField(), text, **options)


def read_datetime(text, **options):
    return read(models.DateTimeField(), text, **options)


def utc(*parts):
    return datetime.datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31",
        "20240131",
        "2024-1-31",
        "2024/01/31",
        "2024.01.31",
        "2024. 01. 31.",
        " 31.1.2024 ",
        "31.01.2024",
        "31 01 2024",
        "01/31/2024",
        "31 Jan 2024",
        "31. January 2024",
        "31jan2024",
        "Jan 31, 2024",
        "January 31st, 2024",
        "31st of January 2024",
        "Wed, 31 Jan 2024",
        "Wednesday, January 31, 2024",
        "2024-Jan-31",
        "2024-01-31T00:00:00",
        "2024-01-31 00:00:00Z",
        "31/01/2024 00:00",
        "31/01/2024 12:00 am",
    ],
)
def test_a_date_is_read_as_people_write_it(text):
    """V2"""
    assert read_date(text) == datetime.date(2024, 1, 31)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10", "invalid-date"),
        ("1.5", "invalid-date"),
        ("Jan", "invalid-date"),
        ("Monday", "invalid-date"),
        ("Tue Jan 2024", "invalid-date"),
        ("Jan 2024", "invalid-date"),
        ("31 Jan", "invalid-date"),
        ("2024", "invalid-date"),
        ("2024-01", "invalid-date"),
        ("AD", "invalid-date"),
        ("today", "invalid-date"),
        ("2.5 Jan 2024", "invalid-date"),
        ("31.1,2024", "invalid-date"),
        ("31/01-2024", "invalid-date"),
        ("10 12 Jan", "invalid-date"),
        ("1 Jan Feb 2024", "invalid-date"),
        ("2024-02-30", "invalid-date"),
        ("20240230", "invalid-date"),
        ("30/02/2024", "invalid-date"),
        ("13/13/2024", "invalid-date"),
        ("0000-01-01", "invalid-date"),
        ("10000-01-01", "invalid-date"),
        ("01/01/0000", "invalid-date"),
        ("2024-W05-3", "invalid-date"),
        ("2024-W05", "invalid-date"),
        ("2024-031", "invalid-date"),
        ("240131", "invalid-date"),
        ("٢٠٢٤-٠١-٣١", "invalid-date"),
        ("²/01/2024", "invalid-date"),
        ("2024_01_31", "invalid-date"),
        ("45322", "invalid-date"),
        ("99999999999999999999 Jan 2024", "invalid-date"),
        ("1/" * 5_000, "invalid-date"),
        ("Monday, 31 Jan 2024", "invalid-date"),
        ("31 Jan 2024 EST", "invalid-date"),
        ("2024-01-31T24:00", "invalid-date"),
        ("2024-01-31T10:30", "time-in-date"),
        ("31 Jan 2024 1 am", "time-in-date"),
        ("31 Jan 2024 00:00 EST", "unknown-zone"),
        ("01/02/2024", "ambiguous-date"),
        ("1-2-2024", "ambiguous-date"),
        ("10-Jul-12", "ambiguous-date"),
        ("31-JAN-24", "ambiguous-date"),
        ("31/12/24", "ambiguous-date"),
    ],
)
def test_what_is_no_date_or_two_dates_is_an_error(text, expected):
    """V2"""
    assert read_date(text) == expected


@pytest.mark.parametrize(
    ("order", "text", "expected"),
    [
        ("dmy", "01/02/2024", (2024, 2, 1)),
        ("mdy", "01/02/2024", (2024, 1, 2)),
        ("ymd", "01/02/2024", "invalid-date"),
        ("dmy", "01/02/24", (2024, 2, 1)),
        ("ymd", "24/02/01", (2024, 2, 1)),
        ("dmy", "2024/02/01", (2024, 2, 1)),
        ("dmy", "2024-02-01", (2024, 2, 1)),
        ("mdy", "31/01/2024", "invalid-date"),
        ("dmy", "01/31/2024", "invalid-date"),
        ("ymd", "10-Jul-12", (2010, 7, 12)),
        ("dmy", "10-Jul-12", (2012, 7, 10)),
        ("mdy", "10-Jul-12", (2012, 7, 10)),
        ("ymd", "10-Jul-2012", (2012, 7, 10)),
    ],
)
def test_date_order_decides_and_is_not_departed_from(order, text, expected):
    """V2"""
    expected = expected if isinstance(expected, str) else datetime.date(*expected)
    assert read_date(text, date_order=order) == expected


def test_a_date_that_reads_the_same_both_ways_is_not_ambiguous():
    """V2"""
    assert read_date("02/02/2024") == datetime.date(2024, 2, 2)


def test_the_message_of_an_ambiguous_date_names_both():
    """V2"""
    with pytest.raises(CellError, match=r"2024-01-02 or as 2024-02-01.*--date-order"):
        values.converter(models.DateField(), BERLIN)("01/02/2024")


@given(st.dates())
def test_every_iso_date_round_trips(day):
    """V2"""
    assert read_date(day.isoformat()) == day
    assert read_date(day.strftime("%d %B ") + f"{day.year:04}") == day


@pytest.mark.parametrize(
    "text",
    [
        "2024-01-31T10:30:00+01:00",
        "2024-01-31T09:30:00Z",
        "2024-01-31t09:30z",
        "20240131T093000Z",
        "2024-01-31 10:30",
        "20240131103000",
        "202401311030",
        "2024-1-31T10:30",
        "2024-01-31 09:30 UTC",
        "2024-01-31 10:30:00 +01:00",
        "2024-01-31 10:30:00 +1",
        "2024-01-31 15:00 +0530",
        "Wed, 31 Jan 2024 09:30:00 +0000",
        "Wed Jan 31 10:30:00 2024",
        "Wed Jan 31 09:30:00 UTC 2024",
        "1/31/2024, 10:30:00 AM",
        "1/31/2024, 10:30:00\u202fAM",
        "10:30 31.1.2024",
        "31 January 2024 at 10h30",
        "31.01.2024 10:30:00.000",
    ],
)
def test_a_datetime_is_read_as_people_write_it(text):
    """V2"""
    assert read_datetime(text) == utc(2024, 1, 31, 9, 30)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-01-31", utc(2024, 1, 30, 23)),
        ("2024-01-31T10", utc(2024, 1, 31, 9)),
        ("31 Jan 2024 12 pm", utc(2024, 1, 31, 11)),
        ("31 Jan 2024 12:30 a.m.", utc(2024, 1, 30, 23, 30)),
        ("2024-01-31T10:30:15.123456789Z", utc(2024, 1, 31, 10, 30, 15, 123456)),
        ("2024-01-31 10:30 EST", "unknown-zone"),
        ("2024-01-31 10:30 CET", "unknown-zone"),
        ("2024-01-31 10:30 GMT", "unknown-zone"),
        ("2024-01-31 10:30EST", "unknown-zone"),
        ("2024-01-31 10:30 UTC+3", "unknown-zone"),
        ("2024-01-31 10:30 GMT-5", "unknown-zone"),
        ("2024-01-31T10:30 Europe/Berlin", "unknown-zone"),
        ("2024-01-31T10:30+01:00[Europe/Berlin]", "unknown-zone"),
        ("2024-01-31 10:30 +25", "unknown-zone"),
        ("Wed Jan 31 10:30:00 CET 2024", "unknown-zone"),
        ("2024-01-31 24:00", "invalid-datetime"),
        ("2024-01-31T24:00:00", "invalid-datetime"),
        ("2024-01-31 10:60", "invalid-datetime"),
        ("2024-01-31 10:30:60", "invalid-datetime"),
        ("2024-01-31 13:00 pm", "invalid-datetime"),
        ("2024-01-31 0:30 am", "invalid-datetime"),
        ("2024-01-31 10:30.5", "invalid-datetime"),
        ("2024-01-31x10:30", "invalid-datetime"),
        ("202401312112 00", "invalid-datetime"),
        ("2024-01-31 10:30 11:30", "invalid-datetime"),
        ("10:30", "invalid-datetime"),
        ("Jan 2024 10:30", "invalid-datetime"),
        ("31/01/24 2024", "invalid-datetime"),
        ("31.01.2024 1030", "invalid-datetime"),
        ("01/02/2024 10:30", "ambiguous-date"),
        ("2024-03-31 02:30", "nonexistent-time"),
        ("2024-10-27 02:30", "ambiguous-time"),
        ("2024-10-27 02:30+02:00", utc(2024, 10, 27, 0, 30)),
        ("0001-01-01T00:00+14:00", "out-of-range"),
        ("9999-12-31T23:59-12:00", "out-of-range"),
    ],
)
def test_datetimes_and_their_errors(text, expected):
    """V2"""
    assert read_datetime(text) == expected


def test_a_datetime_without_zone_is_in_the_current_time_zone():
    """V2"""
    with timezone.override("Asia/Tokyo"):
        assert read_datetime("2024-01-31 09:00", timezone="") == utc(2024, 1, 31)
    assert read_datetime("2024-01-31 09:00", timezone="America/New_York") == utc(2024, 1, 31, 14)


def test_without_use_tz_a_naive_datetime_stays_and_an_aware_one_becomes_local():
    """V2"""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(settings, "USE_TZ", False)
        local = timezone.get_default_timezone()

        assert read_datetime("2024-10-27 02:30", timezone="") == utc(2024, 10, 27, 2, 30).replace(tzinfo=None)
        expected = utc(2024, 1, 31, 9, 30).astimezone(local).replace(tzinfo=None)
        assert read_datetime("2024-01-31 09:30Z", timezone="") == expected
        assert read_datetime("2024-01-31 18:30", timezone="Asia/Tokyo") == expected


@given(st.datetimes(timezones=st.just(UTC)))
def test_every_iso_datetime_round_trips(moment):
    """V2"""
    assert read_datetime(moment.isoformat()) == moment
    assert values.converter(models.DateTimeField(), BERLIN)(moment) == moment


@pytest.mark.parametrize("name", ["Europe/Berln", "EST5FOO", "../etc/passwd", "Europe", "/", "Nowhere", "\0"])
def test_an_unknown_time_zone_is_an_error_of_the_call(name):
    """V2"""
    with pytest.raises(ConfigError, match="--timezone"):
        moments.zone(SyncOptions(timezone=name))


def test_a_misspelt_time_zone_is_told_the_closest():
    """V2"""
    with pytest.raises(ConfigError, match=r"did you mean Europe/Berlin\?"):
        moments.zone(SyncOptions(timezone="Europe/Berln"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10:30", (10, 30)),
        ("1030", (10, 30)),
        ("9:05", (9, 5)),
        ("10:30:15.5", (10, 30, 15, 500_000)),
        ("10:30:15,123456789", (10, 30, 15, 123_456)),
        ("10 pm", (22,)),
        ("10:30 P.M.", (22, 30)),
        ("12 am", (0,)),
        ("12:00\u00a0pm", (12,)),
        ("10h30", (10, 30)),
        ("00:00", (0,)),
    ],
)
def test_a_time_is_read_as_people_write_it(text, expected):
    """V2"""
    assert read(models.TimeField(), text) == datetime.time(*expected)


@pytest.mark.parametrize(
    "text",
    [
        *("10", "24:00", "10:60", "30m", "25 am", "0 pm", "10.30", "-10:30", "10:30.5", "10:30:15:123", "١٠:٣٠"),
        *("10:30Z", "10:30 EST", "10:30+01:00", "2024-01-31 10:30", "Mon 10:30", "1" * 10_000),
    ],
)
def test_what_is_no_time_of_day_is_an_error(text):
    """V2"""
    assert read(models.TimeField(), text) == "invalid-time"


@given(st.times())
def test_every_time_round_trips(clock):
    """V2"""
    assert read(models.TimeField(), clock.isoformat()) == clock


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3 04:05:06", timedelta(3, 6, hours=4, minutes=5)),
        ("P3DT4H5M6S", timedelta(3, 6, hours=4, minutes=5)),
        ("3 days 04:05:06", timedelta(3, 6, hours=4, minutes=5)),
        ("90", timedelta(seconds=90)),
        ("-P1D", timedelta(-1)),
        ("P", "invalid-duration"),
        ("PT", "invalid-duration"),
        ("-", "invalid-duration"),
        ("soon", "invalid-duration"),
        ("P1Y", "invalid-duration"),
        ("٣", "invalid-duration"),
        ("P106751991D", timedelta(106_751_991)),
        ("P106751992D", "out-of-range"),
        ("-P106751992D", "out-of-range"),
        ("9" * 10_000, "out-of-range"),
    ],
)
def test_durations_and_their_errors(text, expected):
    """V1, V4"""
    assert read(models.DurationField(), text) == expected


@given(st.timedeltas(timedelta(-100_000_000), timedelta(100_000_000)))
def test_every_duration_round_trips(duration):
    """V1"""
    assert values.converter(models.DurationField(), BERLIN)(duration) == duration
