"""Rows read as columns: what most of them say, with the values that a Decoder gives; the others are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsync.actions import EMPTY, Flags, Kind, Place
from nsync.columns import Columns
from nsync.decode.columns import ColumnReader, unfit
from nsync.decode.compiling import compile_layout
from nsync.decode.decoder import Decoder
from nsync.options import SyncOptions
from nsync.rows import MISSING, Row, RowBatch
from tests.testapp.models import Parcel

_PLAIN = ("external_key", "action_flags", "match_on", "code", "label", "pieces")


def decoder(header: Sequence[str], **options: Any) -> Decoder:
    return Decoder(compile_layout(Parcel, header, "HR", ("HR",), SyncOptions(**options)))


def rows_of(cells: Sequence[Sequence[Any]], header: Sequence[str]) -> RowBatch:
    rows = [Row(ordinal + 2, tuple(header), tuple(row)) for ordinal, row in enumerate(cells)]
    return RowBatch.of(list(enumerate(rows)), tuple(header))


def as_texts(cells: Sequence[Sequence[str]], header: Sequence[str]) -> RowBatch:
    """Give rows of cells that need no quotes."""
    count = len(cells)
    return RowBatch(tuple(header), range(count), range(2, count + 2), ["\t".join(row) for row in cells], "\t")


def listed(columns: Columns | None) -> dict[str, Any] | None:
    """All that columns say, so that two of them can be compared."""
    return {**asdict(columns), "values": [list(values) for values in columns.values]} if columns else None


def read(cells: Sequence[Sequence[Any]], header: Sequence[str] = _PLAIN, **options: Any) -> Columns | None:
    return ColumnReader(decoder(header, **options)).read(rows_of(cells, header))


def peculiar(cells: Sequence[Sequence[Any]], header: Sequence[str] = _PLAIN, **options: Any) -> set[int]:
    columns = read(cells, header, **options)
    assert columns is not None
    return columns.peculiar


def usual(count: int) -> list[list[Any]]:
    return [[f"k{number}", "cu*", "code", f"{number}", "L", f"{number}"] for number in range(count)]


def test_rows_that_say_the_same_are_columns() -> None:
    """F1, I2, V1: flags and match once, values by column, keys without surrounding blanks."""
    cells = usual(3)
    cells[1][0] = "  k1\t"
    cells[2][5] = ""

    columns = read(cells)

    assert columns is not None
    assert (columns.count, columns.flags, columns.match) == (3, Flags(True, True, False, True), ("code",))
    assert (list(columns.keys), columns.names) == (["k0", "k1", "k2"], ("code", "label", "pieces"))
    assert [list(column) for column in columns.values] == [["0", "1", "2"], ["L"] * 3, [0, 1, EMPTY]]
    assert (columns.has_empty, columns.peculiar, columns.wanted) == ([False, False, True], set(), ())


def test_references_are_columns_of_what_is_wanted() -> None:
    """R1, R2: empty ones want nothing."""
    for column, path, system in (
        ("depot=>name", "name", ""),
        ("depot=>external_key", "", "HR"),
        ("depot=>external_key@HR", "", "HR"),
    ):
        columns = read([[*row, value] for row, value in zip(usual(3), ("V", "", "W"), strict=True)], (*_PLAIN, column))

        assert columns is not None
        (wanted,) = columns.wanted
        assert (wanted.relation.name, wanted.path, wanted.system) == ("depot", path, system)
        assert list(wanted.values) == ["V", EMPTY, "W"]


def test_constants_are_columns_too() -> None:
    """C2: of values, and of what most rows would say themselves."""
    columns = read(
        [["1", "x"], ["2", "y"]], ("code", "note"), set=(("pieces", "07"),), match_on="code", action_flags="u"
    )

    assert columns is not None
    assert (columns.names, columns.keys, columns.match) == (("code", "note", "pieces"), (), ("code",))
    assert [list(column) for column in columns.values] == [["1", "2"], ["x", "y"], [7, 7]]
    assert columns.flags == Flags(False, True, False, False)


PECULIAR: dict[str, list[Any]] = {
    "a bad cell": ["k", "cu*", "code", "x", "L", "many"],
    "a text that is too long": ["k", "cu*", "code", "x" * 21, "L", "1"],
    "a NUL": ["k", "cu*", "code", "x", "a\0b", "1"],
    "a short row": ["k", "cu*", "code", "x"],
    "a missing cell": ["k", "cu*", "code", "x", "L", MISSING],
    "a cell too many": ["k", "cu*", "code", "x", "L", "1", "surplus"],
    "a value that is no text": ["k", "cu*", "code", "x", "L", 1],
    "a key that is no text": [7, "cu*", "code", "x", "L", "1"],
    "no key": ["", "cu*", "code", "x", "L", "1"],
    "a blank key": [" ", "cu*", "code", "x", "L", "1"],
    "a key that is too long": ["k" * 256, "cu*", "code", "x", "L", "1"],
    "a key with a NUL": ["k\0", "cu*", "code", "x", "L", "1"],
    "other flags": ["k", "c", "code", "x", "L", "1"],
    "bad flags": ["k", "cd", "code", "x", "L", "1"],
    "no flags": ["k", "", "code", "x", "L", "1"],
    "another match": ["k", "cu*", "label", "x", "L", "1"],
    "no match": ["k", "cu*", "", "x", "L", "1"],
    "an empty match value": ["k", "cu*", "code", "", "L", "1"],
    "a null marker": ["k", "cu*", "code", "x", "-", "1"],
    "a null marker as key": ["-", "cu*", "code", "x", "L", "1"],
}


@pytest.mark.parametrize("name", PECULIAR)
def test_a_row_that_is_like_no_other_is_named_and_nothing_else_changes(name: str) -> None:
    """C4, C5, F2, I2, I3, V4: the first, in the middle, or the last."""
    for place in (0, 2, 5):
        cells = [*usual(5)[:place], PECULIAR[name], *usual(5)[place:]]
        columns = read(cells, null_marker="-")

        assert columns is not None
        assert columns.peculiar == {place}
        others = [number for number in range(6) if number != place]
        assert [columns.keys[number] for number in others] == [row[0] for row in usual(5)]
        assert [columns.values[2][number] for number in others] == [0, 1, 2, 3, 4]


def test_without_a_marker_its_text_is_a_text() -> None:
    """C5."""
    assert peculiar([*usual(2), PECULIAR["a null marker"]]) == set()


@pytest.mark.parametrize(
    "common",
    [
        pytest.param(["k", "", "code", "x", "L", "1"], id="that asks for nothing"),
        pytest.param(["k", "cx", "code", "x", "L", "1"], id="with bad flags"),
        pytest.param(["k", "cu*", "code |", "x", "L", "1"], id="with a bad match"),
        pytest.param(["k", "cu*", "code label |", "x", "L", "1"], id="with alternatives"),
        pytest.param(["k", "cu*", "code ~", "x", "L", "1"], id="with a negation"),
        pytest.param(["k", "cu*", "nonsense", "x", "L", "1"], id="with a match by no column"),
    ],
)
def test_rows_of_which_most_are_of_a_kind_that_columns_cannot_tell_are_no_columns(common: list[str]) -> None:
    """F2, I2."""
    assert read([common, common, *usual(1)]) is None


def test_rows_without_key_and_match_are_no_columns() -> None:
    """I5: each of them fails."""
    assert read([["cu*", "1"]], ("action_flags", "code")) is None
    assert read([["k", "cu*", "1"]], ("external_key", "action_flags", "code")) is not None


@pytest.mark.parametrize("match", ["label code", "code label &", "label code &", "label code label & &"])
def test_a_match_by_several_columns_is_one_of_all_of_them(match: str) -> None:
    """I2: whatever stands between them."""
    columns = read([["k", "cu*", match, "1", "L", "1"], ["l", "cu*", match, "2", "L", "1"]])

    assert columns is not None
    assert sorted(columns.match) == ["code", "label"]


_CELLS = {
    "external_key": st.sampled_from(["a", "b", " c ", "", "-", "x" * 256]),
    "action_flags": st.sampled_from(["cu*"] * 9 + ["cu", "", "d", "x"]),
    "match_on": st.sampled_from(["code"] * 9 + ["label", "", "code label", "code |"]),
    "code": st.sampled_from(["1", "2", "é", "", "-", "x" * 21]),
    "label": st.sampled_from(["L", "", "a\rb", "-", "x\0"]),
    "pieces": st.sampled_from(["1", "07", " 3 ", "", "-", "x", "99999", "1.0"]),
}


@settings(max_examples=150)
@given(cells=st.lists(st.tuples(*_CELLS.values()), min_size=1, max_size=6), marker=st.sampled_from([None, "", "-"]))
def test_rows_that_are_not_named_say_what_a_decoder_says(cells: list[tuple[str, ...]], marker: str | None) -> None:
    """V1 to V4, C5, F1, I1 to I3: for any rows, as cells or as texts."""
    columns = read(cells, null_marker=marker)
    assert listed(ColumnReader(decoder(_PLAIN, null_marker=marker)).read(as_texts(cells, _PLAIN))) == listed(columns)
    one = decoder(_PLAIN, null_marker=marker)
    if columns is None or columns.flags.delete:
        return
    for number, row in rows_of(cells, _PLAIN):
        if number in columns.peculiar:
            continue
        actions = one.decode(row, Place(0, number, row.number))  # raises RowError if it is not all right
        flags = columns.flags
        assert [one.kind for one in actions] == [Kind.CREATE] * flags.create + [Kind.UPDATE] * flags.update
        for action in actions:
            assert (action.flags, action.key) == (columns.flags, columns.keys[number])
            assert action.values == {
                name: column[number] for name, column in zip(columns.names, columns.values, strict=True)
            }
            assert action.match is not None or not columns.match


@pytest.mark.parametrize(
    ("column", "why"),
    [
        ("depot=>name", ""),
        ("depot=>external_key", ""),
        ("depot", ""),
        ("depot=>name__iexact", "depot=>name__iexact has a lookup"),
    ],
)
def test_what_the_layout_has_that_columns_do_not_is_said(column: str, why: str) -> None:
    """T10."""
    found = unfit(decoder((*_PLAIN, column)).layout)

    assert (why in found) if why else (found == "")
