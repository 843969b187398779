"""JSON arrays: what their objects say, where they may be, and what is wrong with them."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest

from nsync.errors import ConfigError, SourceError
from nsync.read.base import Source
from nsync.read.jsonpull import Pull
from nsync.read.jsonrecords import decoder
from nsync.rows import MISSING
from tests.read.conftest import OpenBytes
from tests.read.typed import typed_rows


@pytest.fixture
def read(open_bytes: OpenBytes) -> Any:
    def opened_as_json(text: str | bytes, **options: Any) -> Source:
        return open_bytes(text, name="houses.json", **options)

    return opened_as_json


def test_each_object_of_an_array_is_a_row_with_its_number(read: Any) -> None:
    source = read('[{"a": "x", "b": 1},\n {},\n {"b": 2.50, "c": [true], "a": null}]\n')

    assert source.header == ("a", "b", "c")
    assert typed_rows(source) == [(1, ("x", 1, MISSING)), (3, (None, Decimal("2.50"), "[true]"))]


def test_the_array_may_be_within_objects(read: Any) -> None:
    text = '{"meta": {"pages": [1, {"x": []}], "n": "]"}, "data": {"items": [{"a": 1}, {"a": 2}]}, "next": null}'

    assert typed_rows(read(text, records="data.items")) == [(1, (1,)), (2, (2,))]


@pytest.mark.parametrize("size", [1, 2, 5, 11, 1_000])
def test_where_the_text_is_cut_as_it_is_read_makes_no_difference(size: int) -> None:
    text = (
        r'{"n": 12345, "x": [-1.5e3, "a\"b"], "r": [{"a": "é\u00e9 \ud83d\ude00]}", "b": 1e+5}, -0.25, true, null]}  '
    )
    pull = Pull(io.TextIOWrapper(io.BytesIO(text.encode()), "utf-8"), decoder().raw_decode, size)

    assert pull.is_taken("{")
    members = []
    for key in pull.members():
        if key == "x":
            pull.skip()
        else:
            members.append((key, pull.value()))
    assert pull.next() == ""
    assert members == [("n", 12345), ("r", [{"a": "éé 😀]}", "b": Decimal("1e5")}, Decimal("-0.25"), True, None])]


def test_any_encoding_is_read(read: Any) -> None:
    assert typed_rows(read('[{"a": "é"}]'.encode("utf-16"), encoding="utf-16")) == [(1, ("é",))]
    assert typed_rows(read('\ufeff[{"a": "é"}]')) == [(1, ("é",))]


def test_no_records_are_no_rows_where_the_columns_are_named(read: Any) -> None:
    assert typed_rows(read("[]", header=("a",))) == []


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ('[{"a": 1},]', {}, r"houses\.json:2: not JSON: Expecting value, at character 11"),
        ('[{"a": 1} {"a": 2}]', {}, r":1: not JSON: ',' is expected, and not '\{', at character 11"),
        ('[{"a": 1}, {"a": "x', {}, r":2: not JSON: Unterminated string"),
        ('[{"a": 1},', {}, r":2: not JSON: it ends too early"),
        ('[{"a": 1}, [2]]', {}, r":2: is a list, and not an object such as"),
        ('[{"a": 1}, {"a": NaN}]', {}, r":2: NaN is no JSON value"),
        ('[{"a": 1}, {"a": 1, "a": 2}]', {}, r":2: the key 'a' is there twice"),
        ('[{"a": 1}, {"a": x}' + " " * 40_000_000, {}, r":2: not JSON: Expecting value, at character 18 of the text"),
        ('[{"a": 1}, {"a": "x\ty"}' + " " * 40_000_000, {}, r":2: not JSON: Invalid control character at, at char"),
        ("[" * 200_000, {}, r":1: is nested too deep"),
        ('{"a":' * 200_000, {"records": "b"}, r"json: is nested too deep"),
        ('[{"a": "' + "x" * 40_000_000, {}, r":1: a value of more than 16,777,216 characters starts at character 2"),
        ('[{"a": 1}]\n[{"a": 2}]', {}, r"text follows the end .*; is it one object per line\? say --format jsonl"),
        ('{"a": 1}\n{"a": 2}', {}, r"is more than one JSON value; .* say --format jsonl"),
        ("3", {}, r"is not an array of objects"),
        ("[]", {}, r"has no object with keys; it holds some, .*name the columns: --header"),
        ('{"a": 1}', {}, r"is one object, .*; none of its keys holds an array"),
        ('{"d": {"i": [1], "j": 2}, "k": []}', {}, r"is one object, .*; say --records d\.i or --records k"),
        ('{"d": {"i": [1]}}', {"records": "d"}, r"--records d: there is an object, .*; say --records d\.i"),
        ('{"d": {"i": [1]}}', {"records": "x"}, r"--records x: there is no key 'x'"),
        ('{"d": 1}', {"records": "d"}, r"--records d: there is no array"),
        ('{"d": 1}', {"records": "d.e"}, r"--records d\.e: there is no object that holds 'e'"),
        ('{"d": [{"a": 1}], "d": [{"a": 2}]}', {"records": "d"}, r"the key 'd' is there twice"),
        (b'[{"a": "\xfc"}]', {}, r"byte 0xfc cannot be read as utf-8; --encoding cp1252 would"),
    ],
)
def test_what_cannot_be_read_says_where_and_why(read: Any, text: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(SourceError, match=said):
        typed_rows(read(text, **options))


def test_records_are_somewhere_in_json_only(open_bytes: OpenBytes) -> None:
    with pytest.raises(ConfigError, match="--records is for json, and this is csv; leave it out"):
        open_bytes("a\n1\n", name="houses.csv", records="data")
