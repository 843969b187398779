"""JSON Lines: one object per line (https://jsonlines.org), streamed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from operator import itemgetter
from typing import Any, BinaryIO, Final

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.blocks import BYTE_ORDER_MARK, LIVE, Block, bodies
from nsync.read.jsonrecords import JsonSource, check_object, decoder, told
from nsync.read.jsonshape import WIDEST, Shape
from nsync.read.records import DELIMITER, RECORD_LIMIT, as_block, is_blank, plain_block
from nsync.read.streams import Content

_SIZE: Final = 128 * 1024  # characters; their values are then still in the processor's cache when they are joined
_VALUES: Final = itemgetter(slice(-1))
_LAST: Final = itemgetter(-1)


class JsonLinesSource(JsonSource):
    """A file of JSON objects, one on each line; `Row.number` is the number of the line."""

    example = '{"name": "Wayne"}'

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """Look at the first lines; the errors are those of `JsonSource`."""
        self._decode = decoder().decode
        super().__init__(content, options)
        is_shaped = not options.header and len(self.kinds) <= WIDEST
        self._shape = Shape(self.kinds) if is_shaped else None

    def decoded(self, text: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give the object of each line that is not blank."""
        number = 0
        while line := text.readline(RECORD_LIMIT + 1):
            number += 1
            if len(line) > RECORD_LIMIT:
                reason = f"a line of more than {RECORD_LIMIT:,} characters; write one object on each line"
                raise SourceError(reason, self.name, number)
            record = self._object(number, line)
            if record is not None:
                yield number, record

    def blocks_of(self, stream: BinaryIO) -> Iterator[Block]:
        """Give the lines in blocks; of those that are much alike, the texts of values are taken at once."""
        first = 1
        with self.text(stream) as text:
            for lines in bodies(text, "", RECORD_LIMIT, _SIZE if self.size else LIVE):
                yield from self._blocks(first, lines)
                first += lines.count("\n")

    def _blocks(self, first: int, lines: str) -> Iterator[Block]:
        width = len(self.header)
        rows = self._shape.texts(lines) if self._shape else [(line,) for line in lines.split("\n")[:-1]]
        if self._shape and not any(map(_LAST, rows)):
            text = "\n".join(map(DELIMITER.join, map(_VALUES, rows))) + "\n"
            if block := plain_block(first, text, len(rows), width):
                yield block
                return
        records = list(self._records(first, rows))
        if records:
            yield as_block(records, width)

    def _records(self, first: int, rows: Sequence[Sequence[str]]) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of rows as `Shape.texts` gives them, of those that are not blank, with the line of each."""
        for number, (*texts, line) in enumerate(rows, start=first):
            record = self._object(number, line) if line else None
            cells = texts if record is None else self.cells(record)
            if not is_blank(cells):
                yield number, cells

    def _object(self, number: int, line: str) -> dict[str, Any] | None:
        """Decode a line; None for a blank one. Raises SourceError."""
        line = line.lstrip(BYTE_ORDER_MARK).strip() if number == 1 else line.strip()
        if not line:
            return None
        hint = ""
        if number == 1:
            is_list = line.startswith("[")
            hint = "; is it a JSON array? say --format json" if is_list else "; each line holds a whole object"
        try:
            record = self._decode(line)
        except (ValueError, RecursionError) as error:
            raise SourceError(f"{told(error)}{hint}", self.name, number) from None
        return check_object(record, self.name, number, hint)
