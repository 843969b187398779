"""Singer messages: what a tap writes, one JSON object on each line (SPEC.md of singer-io/getting-started)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, BinaryIO, Final, NamedTuple, TextIO, TypeGuard

from nsync.errors import SourceError
from nsync.read.blocks import BYTE_ORDER_MARK
from nsync.read.jsonrecords import SHOWN, decoder
from nsync.read.records import RECORD_LIMIT

_TYPES: Final[Mapping[str, frozenset[type]]] = {  # of JSON Schema → of what the decoder gives
    "array": frozenset({list}),
    "boolean": frozenset({bool}),
    "integer": frozenset({int}),
    "null": frozenset({type(None)}),
    "number": frozenset({int, Decimal}),
    "object": frozenset({dict}),
    "string": frozenset({str}),
}
_NAMES: Final = {  # as a message calls a value
    list: "a list",
    bool: "a truth value",
    int: "a whole number",
    type(None): "null",
    Decimal: "a number",
    dict: "an object",
    str: "text",
}
_ANY_OF: Final = ("anyOf", "oneOf")
_BOM: Final = BYTE_ORDER_MARK.encode()

Kinds = frozenset[type] | None  # that a property may have; None: any


class Schema(NamedTuple):
    """A SCHEMA message: what the records of a stream are like from here on."""

    line: int
    stream: str
    properties: dict[str, Kinds]
    keys: tuple[str, ...]  # properties that make the key, in their order; none: there is no key


class Record(NamedTuple):
    """A RECORD message."""

    line: int
    stream: str
    record: dict[str, Any]
    version: int | None  # of the table; None: the stream has no versions
    text: bytes  # the message as it came


class State(NamedTuple):
    """A STATE message: with it the tap will go on after all records before it."""

    line: int
    value: str  # JSON, on one line


class ActivateVersion(NamedTuple):
    """An ACTIVATE_VERSION message: a version of a stream is whole, and the older ones are over."""

    line: int
    stream: str
    version: int


class Other(NamedTuple):
    """A message of a type that the specification does not know, and allows."""

    line: int
    type: str


Message = Schema | Record | State | ActivateVersion | Other


def read_messages(stream: BinaryIO | TextIO, name: str) -> Iterator[Message]:
    """
    Read what a tap writes, line by line.

    Args:
        stream: Of bytes, or of text.
        name: Of the stream, for errors.

    Raises:
        SourceError: A line is no message; it is named.
    """
    decode = decoder().decode
    number = 0
    while line := _next_line(stream, name, number + 1):
        number += 1
        line = line.removeprefix(_BOM) if number == 1 else line
        text = line.strip()
        if not text:
            continue
        try:
            yield _message(decode(text.decode()), number, text)
        except UnicodeDecodeError as error:
            reason = f"byte {error.start + 1} of the line, {text[error.start]:#04x}, is not UTF-8, which JSON is in"
            raise SourceError(reason, name, number) from None
        except json.JSONDecodeError as error:
            cut = "" if line.endswith(b"\n") else "; it is the last line, and has no end: was the tap cut off?"
            raise SourceError(f"not JSON: {error.msg}, at character {error.pos + 1}{cut}", name, number) from None
        except RecursionError:
            raise SourceError("the message is nested too deep to be read", name, number) from None
        except ValueError as error:  # from the hooks of the decoder, and from `_message`
            raise SourceError(f"{error}", name, number) from None


def misfit(record: Mapping[str, Any], properties: Mapping[str, Kinds]) -> str:
    """Say which property of a record is not of a type that its schema allows; "" if all are."""
    for key, value in record.items():
        kinds = properties.get(key)
        if kinds is None or type(value) in kinds or _is_whole(value, kinds):
            continue
        wanted = sorted(name for name, types in _TYPES.items() if types <= kinds)
        shown = f" ({json.dumps(value, ensure_ascii=False, default=str)[:SHOWN]})" if value is not None else ""
        return f"{key[:SHOWN]!r} is {_NAMES[type(value)]}{shown}, and its SCHEMA says {' or '.join(wanted)}"
    return ""


def _is_whole(value: object, kinds: frozenset[type]) -> bool:
    """Whether a number is an integer although it is written as 1.0, as JSON Schema has it."""
    return type(value) is Decimal and int in kinds and value.is_finite() and value == value.to_integral_value()


def _next_line(stream: BinaryIO | TextIO, name: str, number: int) -> bytes:
    try:
        given = stream.readline(RECORD_LIMIT + 1)
        line = given.encode() if isinstance(given, str) else given
    except (OSError, ValueError) as error:  # ValueError: it is closed
        raise SourceError(f"cannot be read on: {getattr(error, 'strerror', None) or error}", name, number) from error
    if len(line) > RECORD_LIMIT:
        raise SourceError(f"a line of more than {RECORD_LIMIT:,} bytes; a message stands on one line", name, number)
    return line


def _message(given: Any, line: int, text: bytes) -> Message:
    """Read a message; raises ValueError, which says what is wrong with it."""
    if type(given) is not dict or not isinstance(given.get("type"), str):
        raise ValueError('is no Singer message: an object such as {"type": "RECORD", "stream": …, "record": …}')
    match given["type"].upper():
        case "RECORD":
            record = _part(given, "a RECORD", "record", dict, "an object")
            version = _version(given, "a RECORD") if given.get("version") is not None else None
            return Record(line, _stream(given, "a RECORD"), record, version, text)
        case "STATE":
            if "value" not in given:
                raise ValueError("a STATE without a 'value'")
            # Python's own decoder: the value is the tap's, and goes back to it as it was.
            return State(line, json.dumps(json.loads(text)["value"]))
        case "SCHEMA":
            properties = _properties(_part(given, "a SCHEMA", "schema", dict, "an object"))
            return Schema(line, _stream(given, "a SCHEMA"), properties, _keys(given.get("key_properties")))
        case "ACTIVATE_VERSION":
            return ActivateVersion(line, _stream(given, "an ACTIVATE_VERSION"), _version(given, "an ACTIVATE_VERSION"))
        case "BATCH":
            raise ValueError("a BATCH names files with records; let the tap write RECORDs: leave out its batch_config")
        case other:
            return Other(line, other)


def _part(given: Mapping[str, Any], kind: str, name: str, wanted: type, told: str) -> Any:
    value = given.get(name)
    if type(value) is not wanted:
        raise ValueError(f"{kind} whose {name!r} is {_named(value, given, name)}, and not {told}")
    return value


def _named(value: object, given: Mapping[str, Any], name: str) -> str:
    return _NAMES[type(value)] if name in given else "missing"


def _stream(given: Mapping[str, Any], kind: str) -> str:
    name: str = _part(given, kind, "stream", str, "text")
    if not name.strip():
        raise ValueError(f"{kind} whose 'stream' is blank")
    return name


def _version(given: Mapping[str, Any], kind: str) -> int:
    version: int = _part(given, kind, "version", int, "a whole number")
    return version


def _keys(given: object) -> tuple[str, ...]:
    names = [given] if isinstance(given, str) else given or []
    if not _is_texts(names):
        raise ValueError("a SCHEMA whose 'key_properties' are no list of text")
    return tuple(dict.fromkeys(names))


def _is_texts(given: object) -> TypeGuard[list[str]]:
    return isinstance(given, list) and all(isinstance(name, str) for name in given)


def _properties(schema: Mapping[str, Any]) -> dict[str, Kinds]:
    properties = schema.get("properties") or {}
    if type(properties) is not dict:
        raise ValueError("a SCHEMA whose 'properties' are no object")
    return {name: _kinds(one) for name, one in properties.items()}


def _kinds(schema: object) -> Kinds:
    """Give the types that a property may have; None where the schema does not say, or says more than types."""
    if type(schema) is not dict:
        return None
    types = schema.get("type")
    names = [types] if isinstance(types, str) else types
    if _is_texts(names) and names and _TYPES.keys() >= set(names):
        return frozenset[type]().union(*(_TYPES[name] for name in names))
    parts: list[Any] = (
        next((schema[key] for key in _ANY_OF if type(schema.get(key)) is list), []) if names is None else []
    )
    found = [_kinds(part) for part in parts]
    return frozenset[type]().union(*(kinds or () for kinds in found)) if found and None not in found else None
