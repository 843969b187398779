"""Objects of JSON as records, for JSON Lines and arrays: numbers exact, nothing taken that JSON does not know."""

from __future__ import annotations

import decimal
import io
import json
import re
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from itertools import islice
from typing import Any, BinaryIO, Final, NoReturn

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.firstbytes import HEAD_SIZE, check_first_bytes, encoding_of
from nsync.read.records import RecordSource, is_blank
from nsync.read.streams import Content
from nsync.read.undecodable import undecodable_byte
from nsync.rows import MISSING

SHOWN: Final = 60  # characters of what a message quotes
_LOOKED_AT: Final = 1_000  # records whose keys are the columns
_NESTED: Final = frozenset({dict, list})
# Many programs write all numbers of a column so if one of them has decimals, or is missing.
_WHOLE: Final = re.compile(r"(-?[0-9]{1,18})\.0+")


class JsonSource(RecordSource):
    """
    A source of JSON objects.

    Its columns are the keys of the first records, in the order in which they appear; or, with ``--header``, those that
    it names. A key that appears only later gives its record a cell too many (rule C4).
    """

    example: str  # what it should hold, for messages

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """
        Check the first bytes, and look at the first records.

        Raises:
            ConfigError: Unknown encoding.
            SourceError: Not text, not in this encoding, or its first records are no JSON.
        """
        super().__init__(content, options)
        self._encoding, notes = encoding_of(content, options.encoding)
        self.notes += notes
        self.kinds: dict[str, set[type]] = {}  # {"age": {int, NoneType}}: keys of the first records, types of values
        self._expected = 0
        with content.open() as stream:
            check_first_bytes(stream.read(HEAD_SIZE), self.name, self._encoding)
        self._look()
        self._keys = options.header or tuple(self.kinds)
        if not self._keys:
            hint = f"it holds some, such as {self.example}; if there may be none, name the columns: --header name,…"
            raise SourceError(f"has no object with keys; {hint}", self.name)
        self.header = tuple(map(str.strip, self._keys))
        self._position = 0

    @property
    def expected(self) -> int:
        """About how many rows it has, by the length of the first."""
        return self._expected

    @abstractmethod
    def decoded(self, text: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give each object of a text with its number, as `Row.number`. Raises SourceError."""

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of each object with its number."""
        with self.text(stream) as text:
            for number, record in self.decoded(text):
                cells = self.cells(record)
                if not is_blank(cells):
                    yield number, cells

    def cells(self, record: Mapping[str, Any]) -> list[Any]:
        """Give the cells of an object: MISSING for a key that it lacks; what is nested as JSON text."""
        cells = cells_of(record, self._keys)
        if not self.options.header and len(record) > len(cells) - cells.count(MISSING):
            cells += [f"{key}: {value}"[:SHOWN] for key, value in record.items() if key not in self.kinds]
        return cells

    @contextmanager
    def text(self, stream: BinaryIO) -> Iterator[io.TextIOWrapper]:
        """Read a pass as text, with line ends as they are."""
        text = io.TextIOWrapper(stream, encoding=self._encoding, newline="\n")
        try:
            yield text
        except UnicodeDecodeError as error:
            raise undecodable_byte(self.content, self._encoding) from error
        finally:
            text.detach()

    def _look(self) -> None:
        """Take down the keys of the first records, and how long they are."""
        count = 0
        with self.reading() as stream, self.text(stream) as text:
            for _, record in islice(self.decoded(text), _LOOKED_AT):
                count += 1
                for key, value in record.items():
                    self.kinds.setdefault(key, set()).add(type(value))
            self._expected = self.size * count // max(self.content.position(stream), 1)


def cells_of(record: Mapping[str, Any], keys: Sequence[str]) -> list[Any]:
    """Give the cells of an object for some keys: MISSING for one that it lacks; what is nested as JSON text."""
    cells = [record.get(key, MISSING) for key in keys]
    if not _NESTED.isdisjoint(map(type, cells)):
        cells = [_text(cell) if type(cell) in _NESTED else cell for cell in cells]
    return cells


def decoder() -> json.JSONDecoder:
    """Make a decoder that refuses doubled keys and NaN; see `told`."""
    return json.JSONDecoder(
        parse_int=_integer, parse_float=_number, parse_constant=_refuse, object_pairs_hook=_without_doubles
    )


def check_object(record: Any, name: str, number: int, hint: str = "") -> dict[str, Any]:
    """Give a record that is an object; raise SourceError if it is none."""
    if type(record) is not dict:
        kind = {list: "a list", str: "text", type(None): "null"}.get(type(record), "a number or a truth value")
        raise SourceError(f'is {kind}, and not an object such as {{"name": "Wayne"}}{hint}', name, number)
    return record


def told(error: ValueError | RecursionError) -> str:
    """Say what a decoder found wrong."""
    if isinstance(error, RecursionError):
        return "is nested too deep to be read"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg.removesuffix(' starting at')}, at character {error.pos + 1:,}"
    return str(error)


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=float)  # as a JSON column reads numbers with decimals


def _integer(text: str) -> int | str:
    try:
        return int(text)
    except ValueError:  # more digits than Python reads: no number of any column, but a row that can be named
        return text


def _number(text: str) -> int | Decimal | str:
    whole = _WHOLE.fullmatch(text)
    try:
        return int(whole[1]) if whole else Decimal(text)
    except decimal.InvalidOperation:  # an exponent of more digits than Decimal reads
        return text


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        double = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {double[:SHOWN]!r} is there twice")
    return found
