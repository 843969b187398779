"""Singer messages: what they say, and what is wrong with them; and pieces, which are sources of rows."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.base import is_source
from nsync.read.batches import row_batches
from nsync.read.records import RECORD_LIMIT
from nsync.read.singer import ActivateVersion, Message, Other, Record, Schema, State, misfit, read_messages
from nsync.read.singerpieces import Piece, as_text
from nsync.rows import MISSING
from tests.read.typed import typed_rows

SCHEMA = '{"type": "SCHEMA", "stream": "a", "schema": {}, "key_properties": []}'


def read(text: str | bytes) -> list[Message]:
    return list(read_messages(io.BytesIO(text.encode() if isinstance(text, str) else text), "<stdin>"))


def only(text: str) -> Any:
    (message,) = read(text)
    return message


# --- messages ---------------------------------------------------------------------------------------------------------


def test_each_line_is_a_message_and_blank_ones_are_none() -> None:
    record = '{"type": "record", "stream": "a", "record": {"x": 1.50}}'

    found = read(f'\ufeff{record}\r\n\n{{"type": "state", "value": [1, 2.5]}}\n{{"type": "Log"}}')

    assert found == [
        Record(1, "a", {"x": Decimal("1.50")}, None, record.encode()),
        State(3, "[1, 2.5]"),
        Other(4, "LOG"),
    ]


def test_a_schema_says_of_which_types_properties_are() -> None:
    properties = {
        "a": {"type": "string"},
        "b": {"type": ["null", "integer"]},
        "c": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
        "d": {},
        "e": {"oneOf": [{"type": "string"}, {"$ref": "#/definitions/x"}]},
        "f": {"type": "decimal"},
        "g": True,
    }
    text = {"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}, "key_properties": ["a", "b"]}

    schema = only(json.dumps(text))

    kinds = {"a": {str}, "b": {int, type(None)}, "c": {str, type(None)}, "d": None, "e": None, "f": None, "g": None}
    assert schema == Schema(1, "s", kinds, ("a", "b"))


@pytest.mark.parametrize("keys", ['"key_properties": []', '"key_properties": null', '"bookmark_properties": []'])
def test_a_stream_may_have_no_key(keys: str) -> None:
    assert only(f'{{"type": "SCHEMA", "stream": "s", "schema": {{}}, {keys}}}') == Schema(1, "s", {}, ())


def test_versions_are_numbers() -> None:
    assert only('{"type": "ACTIVATE_VERSION", "stream": "s", "version": 7}') == ActivateVersion(1, "s", 7)
    assert only('{"type": "RECORD", "stream": "s", "record": {}, "version": 7}').version == 7


def test_a_state_stays_as_it_is() -> None:
    assert only('{"type": "STATE", "value": {"é": 1e3, "a": "\\u2028", "b": 0.1}}').value == (
        '{"\\u00e9": 1000.0, "a": "\\u2028", "b": 0.1}'
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nonsense", "2: not JSON: Expecting value, at character 1; it is the last line, and has no end: was the tap"),
        ("{}\n", '2: is no Singer message: an object such as {"type": "RECORD"'),
        ("[1]\n", "2: is no Singer message"),
        ('{"type": 1}\n', "2: is no Singer message"),
        ('{"type": "RECORD", "stream": "a"}\n', "2: a RECORD whose 'record' is missing, and not an object"),
        (
            '{"type": "RECORD", "stream": "a", "record": [1]}\n',
            "2: a RECORD whose 'record' is a list, and not an object",
        ),
        ('{"type": "RECORD", "record": {}}\n', "2: a RECORD whose 'stream' is missing, and not text"),
        ('{"type": "RECORD", "stream": " ", "record": {}}\n', "2: a RECORD whose 'stream' is blank"),
        ('{"type": "RECORD", "stream": "a", "record": {"a": 1, "a": 2}}\n', "2: the key 'a' is there twice"),
        ('{"type": "RECORD", "stream": "a", "record": {"a": NaN}}\n', "2: NaN is no JSON value"),
        ('{"type": "RECORD", "stream": "a", "record": {}, "version": "7"}\n', "2: a RECORD whose 'version' is text"),
        (
            '{"type": "RECORD", "stream": "a", "record": {}, "version": true}\n',
            "2: a RECORD whose 'version' is a truth",
        ),
        ('{"type": "STATE"}\n', "2: a STATE without a 'value'"),
        ('{"type": "SCHEMA", "stream": "a"}\n', "2: a SCHEMA whose 'schema' is missing"),
        ('{"type": "SCHEMA", "stream": "a", "schema": {"properties": 1}}\n', "2: a SCHEMA whose 'properties' are no"),
        (
            '{"type": "SCHEMA", "stream": "a", "schema": {}, "key_properties": [1]}\n',
            "whose 'key_properties' are no list",
        ),
        ('{"type": "ACTIVATE_VERSION", "stream": "a"}\n', "2: an ACTIVATE_VERSION whose 'version' is missing"),
        (
            '{"type": "BATCH", "stream": "a", "manifest": []}\n',
            "2: a BATCH names files with records; let the tap write",
        ),
        ('{"type": "RECORD", "x": ' + "[" * 100_000 + "\n", "2: the message is nested too deep"),
    ],
)
def test_what_is_no_message_names_its_line(line: str, said: str) -> None:
    with pytest.raises(SourceError) as refused:
        read(f"{SCHEMA}\n{line}")

    assert str(refused.value).startswith("<stdin>:2: ")
    assert said in str(refused.value)


def test_a_byte_that_is_no_utf8_names_its_line() -> None:
    with pytest.raises(SourceError, match=r"<stdin>:2: byte 3 of the line, 0xff, is not UTF-8"):
        read(SCHEMA.encode() + b'\n{"\xff": 1}\n')


def test_a_line_without_end_is_refused_before_memory_is_full() -> None:
    class Endless(io.RawIOBase):
        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            buffer[:] = b"x" * len(buffer)
            return len(buffer)

    with pytest.raises(SourceError, match=rf"<stdin>:1: a line of more than {RECORD_LIMIT:,} bytes"):
        next(read_messages(io.BufferedReader(Endless()), "<stdin>"))  # type: ignore[type-var]


def test_a_stream_that_breaks_off_is_an_error() -> None:
    stream = io.BytesIO()
    stream.close()

    with pytest.raises(SourceError, match="<stdin>:1: cannot be read on: I/O operation on closed file"):
        next(read_messages(stream, "<stdin>"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
KEYS = st.sampled_from(["type", "stream", "record", "schema", "value", "version", "key_properties", "properties"])
TYPES = st.sampled_from(["RECORD", "SCHEMA", "STATE", "ACTIVATE_VERSION", "BATCH", "x"])
MESSAGES = st.builds(lambda kind, rest: {"type": kind, **rest}, TYPES, st.dictionaries(KEYS, JSON, max_size=5))


@given(st.binary(max_size=200) | MESSAGES.map(lambda message: json.dumps(message).encode()) | JSON.map(json.dumps))
@example(b'{"type": "SCHEMA", "stream": "a", "schema": {"properties": {"a": {"type": [[]]}}}}')
@example(b'{"type": "RECORD", "stream": "a", "record": {"a": 1e999999999}}')
@example(b'{"type": "STATE", "value": "\\ud800"}')
def test_any_bytes_are_messages_or_an_error_that_says_where(given_: bytes | str) -> None:
    found, said = [], "<stdin>:"
    try:
        found = read(given_)
    except SourceError as error:
        said = str(error)
    assert said.startswith("<stdin>:")
    for message in found:
        if isinstance(message, Schema):
            assert misfit({}, message.properties) == ""
        if isinstance(message, Record):
            assert misfit(message.record, {}) == ""


# --- types ------------------------------------------------------------------------------------------------------------


def schema(**types: Any) -> Any:
    properties = {name: {"type": one} for name, one in types.items()}
    text = json.dumps({"type": "SCHEMA", "stream": "s", "schema": {"properties": properties}, "key_properties": []})
    return only(text).properties


@pytest.mark.parametrize(
    ("wanted", "value", "said"),
    [
        ("integer", "1", ""),
        ("integer", "1.0", ""),
        ("integer", "1.5", "'x' is a number (\"1.5\"), and its SCHEMA says integer"),
        ("integer", '"1"', "'x' is text (\"1\"), and its SCHEMA says integer"),
        ("integer", "true", "'x' is a truth value (true), and its SCHEMA says integer"),
        ("number", "1", ""),
        ("number", "1e400", ""),
        (["null", "string"], "null", ""),
        ("string", "null", "'x' is null, and its SCHEMA says string"),
        (["null", "string"], "7", "'x' is a whole number (7), and its SCHEMA says null or string"),
        ("object", "[]", "'x' is a list ([]), and its SCHEMA says object"),
        (["array", "object"], "{}", ""),
        ("nonsense", "{}", ""),
    ],
)
def test_a_value_that_is_not_of_its_type_is_told(wanted: Any, value: str, said: str) -> None:
    record = only(f'{{"type": "RECORD", "stream": "s", "record": {{"x": {value}}}}}').record

    assert misfit(record, schema(x=wanted)) == said


def test_a_property_that_no_schema_names_may_be_anything() -> None:
    assert misfit({"y": 1}, schema(x="string")) == ""


# --- pieces -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def pieces() -> Iterator[list[Piece]]:
    made: list[Piece] = []
    yield made
    for piece in made:
        piece.close()


def piece_of(pieces: list[Piece], *records: dict[str, Any], **given: Any) -> Piece:
    deletes = given.pop("deletes", False)
    wanted = given.pop("wanted", ())
    piece = Piece("s", SyncOptions(**given), wanted, deletes=deletes)
    for number, record in enumerate(records):
        piece.add(10 * number, record, as_text(record))
    pieces.append(piece)
    return piece


def rows(piece: Piece) -> list[tuple[int, tuple[object, ...]]]:
    return typed_rows(piece)


def test_a_piece_is_a_source_that_can_be_read_again_and_in_turns(pieces: list[Piece]) -> None:
    piece = piece_of(pieces, {"a": 1}, {"b": "x"}, {"a": None, "b": {"c": 1}})
    wanted = [(0, (1, MISSING)), (10, (MISSING, "x")), (20, (None, '{"c": 1}'))]

    assert is_source(piece)
    assert piece.header == ("a", "b")
    assert rows(piece) == wanted
    first, second = iter(piece), iter(piece)
    assert [next(first), next(second), next(first), next(second)][2:] == [next(iter([*piece][1:]))] * 2
    assert [batch.lines for batch in row_batches(piece, 2)] == [[0, 10], [20]]
    assert piece.digest() == ""


def test_what_singer_adds_is_no_column_unless_it_is_wanted(pieces: list[Piece]) -> None:
    record = {"a": 1, "_sdc_deleted_at": "2024-01-31", "_sdc_x": 1}

    assert piece_of(pieces, record).header == ("a",)
    assert rows(piece_of(pieces, record)) == [(0, (1,))]
    assert piece_of(pieces, record, wanted=("_sdc_deleted_at",)).header == ("a", "_sdc_deleted_at")


def test_the_header_option_says_which_properties_are_columns(pieces: list[Piece]) -> None:
    piece = piece_of(pieces, {"a": 1, "b": 2, "c": 3}, header=("c", "a"))

    assert (piece.header, rows(piece)) == (("c", "a"), [(0, (3, 1))])


def test_records_that_are_marked_as_deleted_ask_for_that(pieces: list[Piece]) -> None:
    records = ({"a": 1, "_sdc_deleted_at": None}, {"a": 2, "_sdc_deleted_at": "2024-01-31"}, {"a": 3})

    piece = piece_of(pieces, *records, deletes=True)

    assert piece.header == ("a", "action_flags")
    assert rows(piece) == [(0, (1, MISSING)), (10, (2, "d")), (20, (3, MISSING))]


def test_a_mark_overrides_flags_that_the_stream_has_itself(pieces: list[Piece]) -> None:
    records = ({"op": "I", "a": 1}, {"op": "I", "a": 2, "_sdc_deleted_at": "x"})
    options = {"action_flags_column": "op", "flag_map": (("I", "c"), ("_sdc_deleted_at", "d"))}

    piece = piece_of(pieces, *records, deletes=True, **options)

    assert (piece.header, rows(piece)) == (("op", "a"), [(0, ("I", 1)), (10, ("_sdc_deleted_at", 2))])


def test_a_record_that_says_nothing_is_no_row(pieces: list[Piece]) -> None:
    """C4."""
    assert rows(piece_of(pieces, {}, {"a": None}, {"a": 1})) == [(20, (1,))]
