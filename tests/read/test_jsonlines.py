"""JSON Lines: what its objects say, and what is wrong with them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from nsync.errors import SourceError
from nsync.read.base import Source
from nsync.read.blocks import Unfit
from nsync.rows import MISSING
from tests.read.conftest import OpenBytes


@pytest.fixture
def read(open_bytes: OpenBytes) -> Any:
    def opened(text: str, **options: Any) -> Source:
        return open_bytes(text, name="houses.jsonl", **options)

    return opened


def rows(source: Source) -> list[tuple[int, tuple[object, ...]]]:
    return [(row.number, row.values) for row in source]


def test_each_object_is_a_row_by_the_keys_of_all(read: Any) -> None:
    source = read('{"a": "x", "b": 1}\n\n{"b": 2.50, "c": true, "a": null}\n')

    assert source.header == ("a", "b", "c")
    assert rows(source) == [(1, ("x", 1, MISSING)), (3, (None, Decimal("2.50"), True))]


def test_a_key_that_is_not_there_is_an_absent_cell_and_null_an_empty_one(read: Any) -> None:
    """C4."""
    assert rows(read('{"a": 1, "b": 2}\n{"a": null, "b": 1}\n{"b": 1}'))[1:] == [(2, (None, 1)), (3, (MISSING, 1))]


def test_a_record_that_says_nothing_is_no_row(read: Any) -> None:
    """C4."""
    assert rows(read('{"a": 1}\n{}\n{"a": null}\n{"a": " "}\n')) == [(1, (1,))]


def test_what_is_nested_is_json_text(read: Any) -> None:
    source = read('{"a": {"b": [1, 2.5, "é"]}, "c": []}')

    assert rows(source) == [(1, ('{"b": [1, 2.5, "é"]}', "[]"))]


def test_the_header_option_says_which_keys_are_columns(read: Any) -> None:
    source = read('{"a": 1, "b": 2, "c": 3}', header=("c", "a"))

    assert (source.header, rows(source)) == (("c", "a"), [(1, (3, 1))])


def test_a_key_that_appears_late_is_a_cell_too_many(read: Any) -> None:
    """C4: nothing is lost in silence."""
    source = read('{"a": 1}\n' * 1_000 + '{"a": 1, "late": "x"}\n')

    assert rows(source)[-1] == (1_001, (1, "late: x"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}\n{"a": }', r"houses\.jsonl:2: not JSON: Expecting value, at character 7"),
        ('{"a": 1}\n[1]', r":2: is a list, and not an object such as"),
        ('{"a": 1}\n7', r":2: is a number or a truth value"),
        ('{"a": 1}\n{"a": NaN}', r":2: NaN is no JSON value"),
        ('{"a": 1}\n{"a": 1, "a": 2}', r":2: the key 'a' is there twice"),
        ('{"a": 1}\n{"a": ' + "9" * 5_000 + "}", r":2: the number 9+… has 5,000 digits"),
        ('{"a": 1}\n{"a": ' + "[" * 200_000 + "}", r":2: the object is nested too deep"),
        ("[\n", r":1: not JSON: .*; is it a JSON array\? say --format json"),
        ("\n\n", r"has no object with keys"),
        ("{}\n", r"has no object with keys"),
    ],
)
def test_what_cannot_be_read_names_its_line(read: Any, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        rows(read(text))


def test_a_line_without_end_is_not_read_into_memory(read: Any) -> None:
    with pytest.raises(SourceError, match=r":1: a line of more than 16,777,216 characters"):
        read('{"a": "' + "x" * 17_000_000)


def test_blocks_hold_the_texts_of_the_same_rows(read: Any) -> None:
    text = '{"a": "x", "b": 1}\n\n{"b": 2.50, "a": null}\n{"b": true}\n'
    (block,) = read(text).blocks()

    assert list(block.lines) == [1, 3, 4]
    assert list(block.rows) == [["x", "1"], ["", "2.50"], [MISSING, "True"]]


def test_with_decimal_commas_numbers_are_not_taken_for_texts(read: Any) -> None:
    """V1: 1.5 as a number is one and a half, as a text fifteen."""
    with pytest.raises(Unfit):
        next(read('{"a": 1.5}', decimal_comma=True).blocks())


def test_it_can_be_read_again_and_tells_how_far_it_is(read: Any) -> None:
    source = read('{"a": 1}\n{"a": 2}\n')

    assert rows(source) == rows(source) == [(1, (1,)), (2, (2,))]
    assert source.position == source.size == 18
    assert len(source.digest()) == 64
