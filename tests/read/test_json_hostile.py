"""JSON that is made to do harm, or is what its suffix does not say: an error of ours, in little memory."""

from __future__ import annotations

import json
import os
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync import SyncOptions
from nsync.errors import SourceError
from nsync.read.base import Source, open_source
from nsync.read.blocks import Unfit
from nsync.read.records import RECORD_LIMIT
from tests.read.conftest import OpenBytes
from tests.read.typed import check_blocks, opened, read_all

_EXAMPLES = int(200 * float(os.environ.get("NSYNC_EXAMPLES", "1")))


@contextmanager
def traced() -> Iterator[Callable[[], int]]:
    """Give what tells the peak of memory since the start, in bytes."""
    tracemalloc.start()
    try:
        yield lambda: tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def written(path: Path, kind: str, count: int) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.write("[" if kind == "json" else "")
        for number in range(count):
            file.write(json.dumps({"key": f"K{number}", "name": "x" * 40, "age": number}))
            file.write("\n" if kind == "jsonl" else "]" if number == count - 1 else ",")
    return path


def row_by_row(source: Source) -> int:
    return sum(1 for _ in source)


def in_blocks(source: Source) -> int:
    return sum(len(block) for block in source.blocks())


@pytest.mark.parametrize(
    ("kind", "read", "some"),
    [
        ("json", row_by_row, 3_000),
        ("jsonl", row_by_row, 3_000),
        ("json", in_blocks, 4_000),
        ("jsonl", in_blocks, 9_000),
    ],
)
def test_rows_that_were_read_are_not_kept_in_memory(
    tmp_path: Path, kind: str, read: Callable[[Source], int], some: int
) -> None:
    peaks = []
    for count in (some, 2 * some):
        source = open_source(written(tmp_path / f"a.{kind}", kind, count), SyncOptions())
        with traced() as peak:
            assert read(source) == count
            peaks.append(peak())

    assert peaks[1] < 1.2 * peaks[0] + 200_000


@pytest.mark.parametrize(
    ("name", "start", "said"),
    [
        ("a.jsonl", b'{"a": 1}\n{"a": "', r":2: a line of more than 16,777,216 characters"),
        ("a.json", b'[{"a": 1},\n{"a": "', r":2: not JSON: Invalid control character"),
        ("a.json", b"[\n[", r":1: not JSON: Expecting value"),
    ],
)
def test_one_value_of_300_mb_is_an_error_and_never_in_memory(
    tmp_path: Path, name: str, start: bytes, said: str
) -> None:
    path = tmp_path / name
    with path.open("wb") as file:
        file.write(start)
        file.truncate(300_000_000)  # NUL bytes, which take no room on disk
    with traced() as peak:
        with pytest.raises(SourceError, match=said):
            list(open_source(path, SyncOptions()))
        assert peak() < 8 * RECORD_LIMIT


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", '{"a": 1}\n{"a": 2}\n', r":1: begins like JSON, not CSV; say --format jsonl .* or --format json"),
        ("a.csv", '[\n  {"a": 1}\n]\n', r":1: begins like JSON, not CSV"),
        ("a.tsv", '{\n  "a": 1\n}\n', r":1: begins like JSON, not CSV"),
        ("a.json", "a,b\n1,2\n", r"not JSON: Expecting value, at character 1"),
        ("a.jsonl", "a,b\n1,2\n", r":1: not JSON: Expecting value, at character 1; each line holds a whole object"),
        ("a.jsonl", b"\x1f\x8b\x08\0", r"is compressed with gzip"),
        ("a.json", b"PAR1\0\0", r"is a Parquet file, not text; say --format parquet"),
    ],
)
def test_a_wrong_suffix_is_said(open_bytes: OpenBytes, name: str, content: str | bytes, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        open_bytes(content, name=name)


@pytest.mark.parametrize("cut", ["", ",", ', {"a": 2', "]", '], "x'])
def test_an_array_that_is_cut_off_gives_its_rows_and_an_error(cut: str) -> None:
    source = opened(('{"r": [' + ", ".join(['{"a": 1}'] * 2_000) + cut).encode(), "json", records="r")
    rows = iter(source)

    assert sum(1 for _ in zip(range(2_000), rows, strict=False)) == 2_000
    with pytest.raises(SourceError, match="not JSON"):
        next(rows)
    with pytest.raises(Unfit):
        list(source.blocks())


_KEYS = st.sampled_from(["a", "b", "é", 'x"y', "c d", " a", ""])
_TEXTS = st.text(st.characters(codec="utf-8"), max_size=4) | st.sampled_from(
    ["", " ", "\x1f", '"', "a\nb", "\r", "007", "\\N", "\ud800"]
)
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.decimals(allow_nan=False, allow_infinity=False, places=2).map(float),
    _TEXTS,
    st.lists(st.integers(), max_size=2),
)
_FLAT = st.fixed_dictionaries(
    {
        "a": _TEXTS | st.none(),
        "b": st.integers() | st.none() | st.floats(-9, 9).map(round).map(float),
        "c": st.booleans() | st.none(),
        "d": st.floats(-9, 9),
    }
)
_RECORDS = st.lists(st.dictionaries(_KEYS, _VALUES, max_size=4), max_size=8) | st.lists(_FLAT, max_size=8)
_FIRST = '{"a": "x", "b": 1, "c": true, "d": 0.5}'


@st.composite
def json_lines(draw: st.DrawFn) -> bytes:
    """Lines in the styles of several writers, blank lines between some."""
    style = draw(st.sampled_from([(", ", ": "), (",", ":"), (", ", " : ")]))
    end = draw(st.sampled_from(["\n", "\r\n", "\n\n", " \n"]))
    is_ascii = draw(st.booleans())
    lines = [_FIRST, *(json.dumps(one, separators=style, ensure_ascii=is_ascii) for one in draw(_RECORDS))]
    return end.join(lines).encode("utf-8", "replace")


@settings(max_examples=_EXAMPLES)
@given(content=json_lines())
def test_blocks_of_json_lines_hold_the_texts_of_the_rows(content: bytes) -> None:
    assert check_blocks(opened(content, "jsonl"))


@settings(max_examples=_EXAMPLES)
@given(records=_RECORDS)
def test_blocks_of_an_array_hold_the_texts_of_the_rows(records: list[Any]) -> None:
    assert check_blocks(opened(json.dumps([{"a": 1}, *records]).encode(), "json"))


@st.composite
def damaged(draw: st.DrawFn, valid: st.SearchStrategy[bytes]) -> bytes:
    """A valid text, some bytes of which are others."""
    content = bytearray(draw(valid))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, max(len(content) - 1, 0)))
        content[at : at + draw(st.integers(0, 3))] = draw(
            st.sampled_from(
                [b"{", b"}", b"[", b'"', b",", b"\\", b"\n", b"1", b"\xff", b"\0", b"e", b":", b"NaN", b"9" * 5_000]
            )
        )
    return bytes(content)


@settings(max_examples=_EXAMPLES, suppress_health_check=[HealthCheck.too_slow])
@given(content=st.binary(min_size=1, max_size=40) | damaged(json_lines()))
def test_any_bytes_are_rows_or_an_error_of_ours(content: bytes) -> None:
    read_all(content, "jsonl")
    read_all(content, "json")
    read_all(b'{"a":' + content, "json", records="a.b")
    read_all(b"[" + b",".join(content.splitlines()) + b"]", "json")
