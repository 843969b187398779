"""Parquet: what its types become, how it is read, and what is wrong with it."""

from __future__ import annotations

import io
import os
import threading
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from nsync import SyncOptions
from nsync.errors import ConfigError, SourceError
from nsync.read.base import Source, open_source
from nsync.read.blocks import Unfit
from nsync.rows import BadCell
from tests.read.conftest import OpenBytes
from tests.read.typed import check_blocks, opened, read_all, typed_rows

_EXAMPLES = int(100 * float(os.environ.get("NSYNC_EXAMPLES", "1")))


def written(columns: Any, **options: Any) -> bytes:
    table = columns if isinstance(columns, pa.Table) else pa.table(columns)
    file = io.BytesIO()
    parquet.write_table(table, file, **options)
    return file.getvalue()


def column(values: Any, kind: Any = None) -> list[object]:
    """Give the cells of a column; the other is there so that no record is blank."""
    source = opened(written({"a": pa.array(values, kind), "b": [1] * len(values)}), "parquet")
    return [cells[0] for _, cells in typed_rows(source)]


def test_each_record_is_a_row_with_its_number(open_bytes: OpenBytes) -> None:
    content = written({"a": ["x", None, "y"], "b": [1, None, 3]})
    source = open_bytes(content, name="houses.PQ")

    assert source.header == ("a", "b")
    assert typed_rows(source) == typed_rows(source) == [(1, ("x", 1)), (3, ("y", 3))]
    assert (source.position, source.size, source.expected) == (len(content), len(content), 3)
    assert len(source.digest()) == 64


VIENNA = pa.timestamp("us", "Europe/Vienna")


@pytest.mark.parametrize(
    ("values", "kind", "cells"),
    [
        ([1, None, -(2**63)], pa.int64(), [1, None, -(2**63)]),
        ([2**64 - 1], pa.uint64(), [2**64 - 1]),
        ([12345.0, 0.5, None, -1e300, 2.0**53], pa.float64(), [12345, 0.5, None, -1e300, 2**53]),
        ([0.1, 3.0, None, 1e30], pa.float32(), [0.1, 3, None, 1e30]),
        ([0.5, 3.0], pa.float16(), [0.5, 3]),
        ([True, False, None], None, [True, False, None]),
        ([Decimal("1.50"), None], pa.decimal128(9, 2), [Decimal("1.50"), None]),
        ([Decimal(10) ** 50, Decimal("-2.00")], pa.decimal256(60, 2), [10**50, -2]),
        (["0012", " x ", ""], None, ["0012", " x ", ""]),
        (["x"], pa.large_string(), ["x"]),
        ([date(2024, 2, 29)], None, [date(2024, 2, 29)]),
        ([2**30], pa.date32(), ["1073741824 days since 1970-01-01, out of range"]),
        (
            [datetime.fromisoformat("2024-01-02T03:04:05.000006")],
            pa.timestamp("us"),
            [datetime.fromisoformat("2024-01-02T03:04:05.000006")],
        ),
        ([datetime(2024, 1, 2, tzinfo=UTC)], VIENNA, [datetime(2024, 1, 2, tzinfo=UTC)]),
        ([1_000], pa.timestamp("ms", "No/Where"), [datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)]),
        ([2**62], pa.timestamp("us"), ["4611686018427387904 us, out of range"]),
        ([time(1, 2, 3, 4)], pa.time64("us"), [time(1, 2, 3, 4)]),
        ([3_000], pa.time32("ms"), [time(0, 0, 3)]),
        ([timedelta(days=-1, seconds=1)], pa.duration("us"), ["-1 00:00:01.000000"]),
        ([b"\0\xff", None, b""], pa.binary(), ["AP8=", None, ""]),
        ([b"12"], pa.binary(2), ["MTI="]),
        ([[1, None], []], None, ["[1, null]", "[]"]),
        ([{"x": "é", "y": date(2024, 1, 1)}], None, ['{"x": "é", "y": "2024-01-01"}']),
        ([{"x": Decimal("0.1"), "y": b"1"}], None, ['{"x": "0.1", "y": "MQ=="}']),
        (
            [[("k", 1)], [("k", 1), ("k", 2)], None],
            pa.map_(pa.string(), pa.int64()),
            ['{"k": 1}', '[["k", 1], ["k", 2]]', None],
        ),
        ([None, None], pa.null(), [None, None]),
    ],
)
def test_each_type_has_its_cells(values: Any, kind: Any, cells: list[object]) -> None:
    found = column(values, kind)

    assert found == cells
    assert list(map(type, found)) == list(map(type, cells))


def test_nanoseconds_are_not_cut_in_silence() -> None:
    """V2: what no column holds is text that no reader of times takes."""
    assert column([1_000, 1], pa.timestamp("ns")) == [
        datetime.fromisoformat("1970-01-01T00:00:00.000001"),
        "1970-01-01T00:00:00.000000001 (nanoseconds)",
    ]
    assert column([1], pa.timestamp("ns", "UTC")) == ["1970-01-01T00:00:00.000000001+00:00 (nanoseconds)"]
    assert column([1], pa.time64("ns")) == ["00:00:00.000000001 (nanoseconds)"]
    assert column([1], pa.duration("ns")) == ["0 00:00:00.000000001 (nanoseconds)"]


def test_a_float_that_is_no_number_is_not_a_null() -> None:
    (cell,) = column([float("nan")])

    assert isinstance(cell, BadCell)
    assert str(cell) == "nan"


def test_categories_are_what_they_stand_for_and_uuids_are_text() -> None:
    one = UUID("3f2504e0-4f89-41d3-9a0c-0305e82c3301")
    ids = pa.ExtensionArray.from_storage(pa.uuid(), pa.array([one.bytes], pa.binary(16)))

    assert column(pa.array(["x", "y", "x", None]).dictionary_encode()) == ["x", "y", "x", None]
    assert column(ids) == [str(one)]


def test_bytes_are_told_of() -> None:
    """Some old programs write texts so."""
    assert opened(written({"a": [b"x"]}), "parquet").notes == (
        "columns of bytes, not marked as text, read as Base64: a",
    )


def test_the_unnamed_index_of_a_data_frame_is_no_column() -> None:
    source = opened(written({"a": [1], "__index_level_0__": [5]}), "parquet")

    assert (source.header, source.notes) == (("a",), ("columns not read: __index_level_0__",))


def test_the_header_option_says_which_columns_are_read() -> None:
    content = written({"a": [1], "a.b": [2], "c": [3]})

    assert typed_rows(opened(content, "parquet", header=("c", "a.b"))) == [(1, (3, 2))]
    with pytest.raises(ConfigError, match=r"--header x: .* has no such column; there are a, a\.b, c"):
        opened(content, "parquet", header=("x",))


def test_columns_of_one_name_stay_apart() -> None:
    source = opened(written(pa.table([[1], [2]], names=["a", "a"])), "parquet")

    assert (source.header, typed_rows(source)) == (("a", "a"), [(1, (1, 2))])


def test_thousands_of_columns_are_read() -> None:
    source = opened(written({f"c{number}": [number, None] for number in range(3_000)}), "parquet")

    assert typed_rows(source) == [(1, tuple(range(3_000)))]


def test_no_records_are_no_rows() -> None:
    source = opened(written({"a": pa.array([], pa.int64())}), "parquet")

    assert (typed_rows(source), list(source.blocks()), source.position) == ([], [], 0)


def test_a_pipe_is_read_to_its_end_first() -> None:
    content = written({"a": range(40_000)})
    reading_end, writing_end = os.pipe()
    with os.fdopen(reading_end, "rb") as stream, os.fdopen(writing_end, "wb") as feed:
        thread = threading.Thread(target=lambda: (feed.write(content), feed.close()))
        thread.start()
        source = open_source(stream, SyncOptions(format="parquet"))
        assert sum(1 for _ in source) == 40_000
        assert check_blocks(source)
        source.close()
        thread.join()


def test_batches_of_wide_records_are_small() -> None:
    """Memory: a batch has some megabytes, however large a group of records is."""
    wide = opened(
        written({"a": ["x" * 100_000 + str(number) for number in range(200)]}, use_dictionary=False), "parquet"
    )

    assert wide._at_once < 100
    assert sum(1 for _ in wide) == 200


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n", r"is no Parquet file, which begins with PAR1; if it is CSV, say --format csv"),
        (b'[{"a": 1}]', r"is no Parquet file"),
        (b"PAR1", r"is damaged, or has what cannot be read here"),
        (b"PARE" + bytes(50), r"is an encrypted Parquet file"),
        (b"PAR1" + b"\xff" * 100 + b"PAR1", r"is damaged, or has"),
        (written({"a": list(range(1000))})[:-300], r"is damaged, or has"),
        (written(pa.table({"a": [1]}).select([])), r"has no columns"),
    ],
)
def test_what_cannot_be_read_says_why(content: bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        opened(content, "parquet")


def test_a_record_beyond_16_mb_is_refused_before_it_is_read() -> None:
    content = written({"a": ["x" * 17_000_000]}, use_dictionary=False, compression="zstd", write_statistics=False)
    assert len(content) < 10_000

    with pytest.raises(SourceError, match=r"its records have 17,0\d\d,\d{3} bytes each, and more than 16,777,216"):
        opened(content, "parquet")


def test_a_damaged_page_is_an_error_and_its_blocks_are_none() -> None:
    content = bytearray(written({"a": list(range(1000))}, write_page_checksum=True, compression="none"))
    content[200:210] = bytes(10)
    source = opened(bytes(content), "parquet")

    with pytest.raises(SourceError, match="is damaged"):
        list(source)
    assert not list(check_if_read(source))


def check_if_read(source: Source) -> list[object]:
    try:
        return list(source.blocks())
    except Unfit:
        return []


def test_a_parquet_file_of_another_name_says_its_format(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError, match="is a Parquet file, not text; say --format parquet"):
        open_bytes(written({"a": [1]}), name="houses.csv")


_COLUMNS = {
    "s": (
        st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(["", " ", "\x1f", '"', "\n"]),
        pa.string(),
    ),
    "i": (st.integers(-(2**63), 2**63 - 1), pa.int64()),
    "f": (st.floats(), pa.float64()),
    "b": (st.booleans(), pa.bool_()),
    "d": (st.integers(-(2**31), 2**31 - 1), pa.date32()),
    "m": (st.integers(-(2**63), 2**63 - 1), pa.timestamp("ns")),
    "u": (st.integers(-(2**62), 2**62), pa.timestamp("us", "UTC")),
    "t": (st.integers(0, 86_399_999_999), pa.time64("us")),
    "n": (st.decimals(-999, 999, places=8), pa.decimal128(12, 8)),
    "l": (st.lists(st.integers(0, 9), max_size=2), pa.list_(pa.int64())),
    "x": (st.binary(max_size=3), pa.binary()),
}


@st.composite
def files(draw: st.DrawFn) -> bytes:
    count = draw(st.integers(0, 8))
    names = draw(st.lists(st.sampled_from(sorted(_COLUMNS)), min_size=1, unique=True))
    columns = {
        name: pa.array(draw(st.lists(_COLUMNS[name][0] | st.none(), min_size=count, max_size=count)), _COLUMNS[name][1])
        for name in names
    }
    return written(columns, compression=draw(st.sampled_from(["none", "snappy"])), row_group_size=3)


@settings(max_examples=_EXAMPLES)
@given(content=files())
def test_blocks_hold_the_texts_of_the_rows(content: bytes) -> None:
    source = opened(content, "parquet")
    has_bad_cells = any(isinstance(cell, BadCell) for row in source for cell in row.values)

    assert check_blocks(source) is not has_bad_cells


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(files()))
    for _ in range(draw(st.integers(1, 4))):
        content[draw(st.integers(0, len(content) - 1))] = draw(st.integers(0, 255))
    return bytes(content)


@settings(max_examples=_EXAMPLES)
@given(
    content=st.binary(min_size=1, max_size=60)
    | st.binary(max_size=60).map(lambda some: b"PAR1" + some + b"PAR1")
    | damaged()
)
def test_any_bytes_are_rows_or_an_error_of_ours(content: bytes) -> None:
    read_all(content, "parquet")
