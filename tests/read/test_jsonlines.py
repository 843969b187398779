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
from tests.read.typed import check_blocks, typed_rows


@pytest.fixture
def read(open_bytes: OpenBytes) -> Any:
    def opened(text: str, **options: Any) -> Source:
        return open_bytes(text, name="houses.jsonl", **options)

    return opened


def test_each_object_is_a_row_by_the_keys_of_all(read: Any) -> None:
    source = read('{"a": "x", "b": 1}\n\n{"b": 2.50, "c": true, "a": null}\n')

    assert source.header == ("a", "b", "c")
    assert typed_rows(source) == [(1, ("x", 1, MISSING)), (3, (None, Decimal("2.50"), True))]


def test_a_key_that_is_not_there_is_an_absent_cell_and_null_an_empty_one(read: Any) -> None:
    """C4."""
    assert typed_rows(read('{"a": 1, "b": 2}\n{"a": null, "b": 1}\n{"b": 1}'))[1:] == [
        (2, (None, 1)),
        (3, (MISSING, 1)),
    ]


def test_a_record_that_says_nothing_is_no_row(read: Any) -> None:
    """C4."""
    assert typed_rows(read('{"a": 1}\n{}\n{"a": null}\n{"a": " "}\n')) == [(1, (1,))]


def test_numbers_are_read_to_their_last_digit(read: Any) -> None:
    long = "0." + "1234567890" * 5

    assert typed_rows(read(f'{{"a": {long}, "b": {"9" * 4_000}}}')) == [(1, (Decimal(long), int("9" * 4_000)))]


def test_a_whole_number_is_one_however_it_is_written(read: Any) -> None:
    """V1: of a column in which a number is missing, many programs write all others with a point."""
    text = '{"a": 12345.0}\n{"a": 12345.50}\n{"a": -0.0}\n'
    source = read(text)

    assert typed_rows(source) == [(1, (12345,)), (2, (Decimal("12345.50"),)), (3, (0,))]
    assert [list(block.rows) for block in source.blocks()] == [["12345", "12345.50", "0"]]


def test_a_number_beyond_all_columns_is_a_cell_that_is_none(read: Any) -> None:
    """T4: its row fails, and the others do not."""
    assert typed_rows(read(f'{{"a": {"9" * 5_000}, "b": 1e{"9" * 20}}}')) == [(1, ("9" * 5_000, "1e" + "9" * 20))]


def test_names_of_columns_have_no_blanks_around_them(read: Any) -> None:
    """C1."""
    source = read('{" a ": 1}')

    assert (source.header, typed_rows(source)) == (("a",), [(1, (1,))])


def test_what_is_nested_is_json_text(read: Any) -> None:
    source = read('{"a": {"b": [1, 2.5, "é"]}, "c": []}')

    assert typed_rows(source) == [(1, ('{"b": [1, 2.5, "é"]}', "[]"))]


def test_the_header_option_says_which_keys_are_columns(read: Any) -> None:
    source = read('{"a": 1, "b": 2, "c": 3}', header=("c", "a"))

    assert (source.header, typed_rows(source)) == (("c", "a"), [(1, (3, 1))])


def test_a_key_that_appears_late_is_a_cell_too_many(read: Any) -> None:
    """C4: nothing is lost in silence."""
    source = read('{"a": 1}\n' * 1_000 + '{"a": 1, "late": "x"}\n')

    assert typed_rows(source)[-1] == (1_001, (1, "late: x"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": 1}\n{"a": }', r"houses\.jsonl:2: not JSON: Expecting value, at character 7"),
        ('{"a": 1}\n[1]', r":2: is a list, and not an object such as"),
        ('{"a": 1}\n7', r":2: is a number or a truth value"),
        ('{"a": 1}\n{"a": NaN}', r":2: NaN is no JSON value"),
        ('{"a": 1}\n{"a": 1, "a": 2}', r":2: the key 'a' is there twice"),
        ('{"a": 1}\n{"a": ' + "[" * 200_000 + "}", r":2: is nested too deep to be read"),
        ("[\n", r":1: not JSON: .*; is it a JSON array\? say --format json"),
        ('[{"a": 1}]', r":1: is a list, .*; is it a JSON array\? say --format json"),
        ('{\n"a": 1}', r":1: not JSON: .*; each line holds a whole object"),
        ("\n\n", r"has no object with keys; .*; if there may be none, name the columns: --header"),
        ("{}\n", r"has no object with keys"),
    ],
)
def test_what_cannot_be_read_names_its_line(read: Any, text: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        typed_rows(read(text))


def test_a_line_without_end_is_not_read_into_memory(read: Any) -> None:
    with pytest.raises(SourceError, match=r":1: a line of more than 16,777,216 characters"):
        read('{"a": "' + "x" * 17_000_000)


def test_blocks_hold_the_texts_of_the_same_rows(read: Any) -> None:
    text = '{"a": "x", "b": 1}\n\n{"b": 2.50, "a": null}\n{"b": true}\n'
    (block,) = read(text).blocks()

    assert list(block.lines) == [1, 3, 4]
    assert list(block.rows) == [["x", "1"], ["", "2.50"], [MISSING, "true"]]


def test_lines_of_another_shape_are_among_those_of_one(read: Any) -> None:
    """Blocks: what stands in an unusual order, or must be unescaped, and what is blank, stays in its place."""
    lines = ['{"a": "x", "b": 1, "c": true}'] * 3
    odd = ['{"b":2,"a":"y"}', "", " ", '{"a": "\\u00e9", "b": 3, "c": null}', '{"a": "", "b": null, "c": null}', "{}"]
    source = read("\r\n".join([*lines, *odd, *lines, ""]))
    (block,) = source.blocks()

    assert list(block.lines) == [1, 2, 3, 4, 7, 10, 11, 12]
    assert list(block.rows)[2:6] == [["x", "1", "true"], ["y", "2", MISSING], ["é", "3", ""], ["x", "1", "true"]]
    assert check_blocks(source)


def test_lines_that_are_alike_are_plain_text(read: Any) -> None:
    (block,) = read('{"a": "x", "b": 1.5, "c": false}\n{"a":null,"b":-7,"c":null}\n').blocks()

    assert block.text == "x\x1f1.5\x1ffalse\n\x1f-7\x1f\n"


def test_the_number_of_rows_is_about_known(read: Any) -> None:
    """It tells whether so many rows are known that it is worth asking which of them are unchanged (T10)."""
    assert 9_000 < read('{"name": "x", "age": 1}\n' * 10_000).expected < 11_000


def test_rows_have_the_text_of_each_value_as_blocks_have(read: Any) -> None:
    """Else a key, a null marker or a JSON column would depend on how a file happens to be read."""
    source = read('{"a": 1.50, "b": true, "c": null, "d": [1]}\n{"a": 7}')

    assert [row.values for row in source] == [("1.50", "true", "", "[1]"), ("7", MISSING, MISSING, MISSING)]


def test_with_decimal_commas_numbers_are_not_taken_for_texts(read: Any) -> None:
    """V1: 1.5 as a number is one and a half, as a text fifteen."""
    with pytest.raises(Unfit):
        next(read('{"a": 1.5}', decimal_comma=True).blocks())
    assert [row.values for row in read('{"a": 1.5, "b": true}', decimal_comma=True)] == [(Decimal("1.5"), "true")]


def test_it_can_be_read_again_and_tells_how_far_it_is(read: Any) -> None:
    source = read('{"a": 1}\n{"a": 2}\n')

    assert typed_rows(source) == typed_rows(source) == [(1, (1,)), (2, (2,))]
    assert source.position == source.size == 18
    assert len(source.digest()) == 64
