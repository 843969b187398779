"""Columns of Arrow as cells, and as text: numbers and moments exact, what is nested as JSON text, bytes as Base64."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from typing import Any, Final
from uuid import UUID

from nsync.read.formats import optional
from nsync.read.records import text_of
from nsync.rows import BadCell

pa: Any = optional("pyarrow", "parquet")
_compute: Any = optional("pyarrow.compute", "parquet")
_types: Any = optional("pyarrow.types", "parquet")

_WHOLE: Final = 2**53  # up to here a float holds each whole number
_DAY: Final = timedelta(days=1)
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001  # times without a zone have none
_NANOSECONDS: Final = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_TOO_FINE: Final = " (nanoseconds)"  # so that nobody reads it as a time, and cuts it

Cells = Sequence[Any]


def cells_of(column: Any) -> Cells:
    """
    Give the cells of an array: text, numbers, truth values, dates and times; None for a null.

    What Python's types do not hold, such as nanoseconds and years beyond 9999, is text that no converter of them reads.

    Raises:
        Exception: What pyarrow raises for data that it cannot read.
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        if kind.extension_name == "arrow.uuid":
            return [value and str(UUID(bytes=value)) for value in column.storage.to_pylist()]
        return cells_of(column.storage)
    if _types.is_dictionary(kind):
        return cells_of(column.dictionary_decode())
    for is_kind, convert in _CONVERTERS:
        if is_kind(kind):
            return convert(column)
    return _plain(column)


def joined(columns: Sequence[Any], delimiter: str) -> str:
    """
    Give the records of some arrays as lines of text, as `nsync.read.records.text_of` has the text of each cell.

    Args:
        columns: At least one, of one length, at least 1.
        delimiter: What parts the cells. Whoever reads the text sees to it that none has this, or a newline.

    Raises:
        Exception: As `cells_of`.
    """
    lines = _compute.binary_join_element_wise(*map(_texts, columns), delimiter, null_handling="replace")
    whole = pa.ListArray.from_arrays(pa.array([0, len(lines)], pa.int32()), lines)
    text: str = _compute.binary_join(whole, "\n")[0].as_py()
    return text + "\n"


def _texts(column: Any) -> Any:
    """Give the texts of an array as one of strings; nulls stay."""
    kind = column.type
    if _types.is_string(kind):
        return column
    if _types.is_integer(kind) or _types.is_boolean(kind) or _types.is_large_string(kind):
        return column.cast(pa.string())
    if _types.is_dictionary(kind):
        return _texts(column.dictionary_decode())
    return pa.array([text_of(cell) for cell in cells_of(column)], pa.string())


def holds_bytes(kind: Any) -> bool:
    """Whether a type is one of bytes, which become Base64."""
    if _types.is_dictionary(kind):
        kind = kind.value_type
    return bool(_is_bytes(kind))


def _plain(column: Any) -> Cells:
    cells: Cells = column.to_pylist()
    return cells


def _dates(column: Any) -> Cells:
    try:
        return _plain(column)
    except (OverflowError, ValueError):  # a year that Python does not know
        days = column.cast(pa.date32()).cast(pa.int32()).to_pylist()
        return [None if day is None else _date(day) for day in days]


def _date(day: int) -> Any:
    try:
        return (_EPOCH + timedelta(days=day)).date()
    except OverflowError:
        return f"{day} days since 1970-01-01, out of range"


def _floats(column: Any) -> Cells:
    """Give whole numbers as such: a data frame holds a column of them as floats if one of them is missing."""
    if _types.is_float32(column.type):  # 0.1 is meant, and not 0.10000000149011612
        column = column.cast(pa.string()).cast(pa.float64())
    return [value if value is None else _float(value) for value in column.to_pylist()]


def _float(value: float) -> Any:
    if not isfinite(value):  # as a key or a text it would pass for a value, and be the same for many rows
        return BadCell(str(value), "is no number; leave the cell empty where there is none")
    return int(value) if value.is_integer() and -_WHOLE <= value <= _WHOLE else value


def _decimals(column: Any) -> Cells:
    """Give whole numbers as such, as of floats."""
    return [
        int(value) if value is not None and value == value.to_integral_value() else value
        for value in column.to_pylist()
    ]


def _bytes(column: Any) -> Cells:
    return [None if value is None else b64encode(value).decode() for value in column.to_pylist()]


def _nested(column: Any) -> Cells:
    return [None if value is None else _json(value) for value in column.to_pylist()]


def _maps(column: Any) -> Cells:
    """Give maps as objects if their keys are texts, each there once; else as lists of pairs."""
    return [None if pairs is None else _json(_object(pairs)) for pairs in column.to_pylist()]


def _object(pairs: list[tuple[Any, Any]]) -> Any:
    found = dict(pairs) if all(type(key) is str for key, _ in pairs) else {}
    return found if len(found) == len(pairs) else pairs


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=_in_json)


def _in_json(value: Any) -> Any:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return str(value)  # a decimal, to its last digit


def _integers(column: Any) -> list[int | None]:
    is_short = column.type.bit_width == 32
    values: list[int | None] = column.view(pa.int32() if is_short else pa.int64()).to_pylist()
    return values


def _in_units(column: Any, convert: Callable[[timedelta], Any], finer: Callable[[Any, int], str]) -> Cells:
    """Convert counts of a unit; `finer` gives the text of what has nanoseconds beyond the microseconds."""
    factor, unit = _NANOSECONDS[column.type.unit], column.type.unit

    def cell(value: int) -> Any:
        microseconds, rest = divmod(value * factor, 1_000)
        try:
            converted = convert(timedelta(microseconds=microseconds))
        except OverflowError:
            return f"{value} {unit}, out of range"
        return finer(converted, rest) if rest else converted

    return [None if value is None else cell(value) for value in _integers(column)]


def _moments(column: Any) -> Cells:
    epoch = _EPOCH.replace(tzinfo=UTC) if column.type.tz else _EPOCH
    return _in_units(column, epoch.__add__, _fine_moment)


def _times(column: Any) -> Cells:
    def time_of(since_midnight: timedelta) -> Any:
        if not timedelta(0) <= since_midnight < _DAY:
            raise OverflowError
        return (_EPOCH + since_midnight).time()

    return _in_units(column, time_of, _fine_moment)


def _durations(column: Any) -> Cells:
    return _in_units(column, _duration_text, lambda text, rest: f"{text}{rest:03}{_TOO_FINE}")


def _fine_moment(moment: Any, rest: int) -> str:
    zone = "+00:00" if isinstance(moment, datetime) and moment.tzinfo else ""
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}{rest:03}{zone}{_TOO_FINE}"


def _duration_text(duration: timedelta) -> str:
    minutes, seconds = divmod(duration.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{duration.days} {hours:02}:{minutes:02}:{seconds:02}.{duration.microseconds:06}"


def _is_bytes(kind: Any) -> bool:
    return any(
        is_kind(kind)
        for is_kind in (_types.is_binary, _types.is_large_binary, _types.is_fixed_size_binary, _is_binary_view)
    )


def _is_binary_view(kind: Any) -> bool:
    return str(kind) == "binary_view"


_CONVERTERS: Final[tuple[tuple[Callable[[Any], bool], Callable[[Any], Cells]], ...]] = (
    (_types.is_floating, _floats),
    (_types.is_decimal, _decimals),
    (_types.is_timestamp, _moments),
    (_types.is_time, _times),
    (_types.is_duration, _durations),
    (_is_bytes, _bytes),
    (_types.is_date, _dates),
    (_types.is_map, _maps),  # before the others that are nested
    (_types.is_nested, _nested),
)
