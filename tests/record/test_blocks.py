"""Blocks hold columns of values in little room, and give back the same values of the same types."""

from __future__ import annotations

from enum import Enum
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsync.record.blocks import pack_columns, unpack_columns

SIZE = 12
_NUMBERS = st.integers(-20, 10**12).map(lambda first: list(range(first, first + SIZE)))
_COLUMNS = st.one_of(
    st.lists(
        st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.floats(allow_nan=False)),
        min_size=SIZE,
        max_size=SIZE,
    ),
    st.lists(st.text("0\n9é\ud800", max_size=3), min_size=SIZE, max_size=SIZE),
    _NUMBERS,
    _NUMBERS.map(lambda column: list(map(str, column))),
    _NUMBERS.map(lambda column: [f"0{number}" for number in column]),
    st.one_of(st.none(), st.booleans(), st.integers(0, 1), st.text(max_size=3)).map(lambda value: [value] * SIZE),
    st.lists(st.sampled_from([1, True, 1.0]), min_size=SIZE, max_size=SIZE),
)


class Colour(str, Enum):
    """Texts of a type of their own, as choices are."""

    RED = "red"
    BLUE = "blue"


@given(st.lists(_COLUMNS, min_size=1, max_size=4))
@settings(max_examples=300)
def test_columns_come_back_as_they_were(columns: list[list[Any]]) -> None:
    found = unpack_columns(pack_columns(columns))
    assert found == columns
    assert [list(map(type, column)) for column in found] == [list(map(type, column)) for column in columns]


@pytest.mark.parametrize("column", [["7"] * 5_000, [7] * 5_000, list(range(5_000)), list(map(str, range(5_000)))])
def test_what_can_be_said_in_a_word_takes_no_more(column: list[Any]) -> None:
    assert len(pack_columns([column])) < 100


def test_a_column_may_have_no_or_one_value() -> None:
    assert unpack_columns(pack_columns([[], []])) == [[], []]
    assert unpack_columns(pack_columns([["5"], [5], [None], [True]])) == [["5"], [5], [None], [True]]


def test_numbers_may_come_as_a_range() -> None:
    columns = [range(7, 19), range(0, 24, 2), range(1, 2), range(0)]
    assert unpack_columns(pack_columns(columns)) == [list(column) for column in columns]


def test_texts_of_another_type_come_back_as_texts() -> None:
    found = unpack_columns(pack_columns([[Colour.RED, Colour.BLUE], [Colour.RED, Colour.RED], [Colour.RED, None]]))
    assert found == [["red", "blue"], ["red", "red"], ["red", None]]
    assert {type(value) for column in found for value in column} == {str, type(None)}
