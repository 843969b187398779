"""JSON Lines: one object per line (https://jsonlines.org), streamed."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, BinaryIO, Final

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.blocks import BYTE_ORDER_MARK
from nsync.read.firstbytes import HEAD_SIZE, check_first_bytes, encoding_of
from nsync.read.jsonvalues import cells_of, check_object, decoder
from nsync.read.records import RECORD_LIMIT, RecordSource, is_blank
from nsync.read.streams import Content
from nsync.read.undecodable import undecodable_byte

LOOKED_AT: Final = 1_000  # records whose keys are the columns


class JsonLinesSource(RecordSource):
    """
    A file of JSON objects, one on each line.

    Its columns are the keys of the first records, in the order in which they appear; or, with ``--header``, those that
    it names.
    """

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """
        Check the first bytes, and read the keys of the first records.

        Raises:
            ConfigError: Unknown encoding.
            SourceError: Not text, not in this encoding, or its first records are no JSON.
        """
        super().__init__(content, options)
        self._encoding, notes = encoding_of(content, options.encoding)
        self.notes += notes
        self._decode = decoder().decode
        with content.open() as stream:
            check_first_bytes(stream.read(HEAD_SIZE), self.name, self._encoding)
        self.header = options.header or self._keys()
        self._takes_all = not options.header
        self._position = 0

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of each object with the number of its line."""
        header, width, takes_all = self.header, len(self.header), self._takes_all
        for number, record in self._objects(stream):
            cells = cells_of(record, header)
            if not is_blank(cells):
                yield number, cells if takes_all else cells[:width]

    def _keys(self) -> tuple[str, ...]:
        keys: dict[str, None] = {}
        with self.reading() as stream:
            for _, record in islice(self._objects(stream), LOOKED_AT):
                keys.update(dict.fromkeys(record))
        if not keys:
            raise SourceError('has no object with keys; each line holds one, such as {"name": "Wayne"}', self.name)
        return tuple(keys)

    def _objects(self, stream: BinaryIO) -> Iterator[tuple[int, Any]]:
        text = io.TextIOWrapper(stream, encoding=self._encoding, newline="\n")
        number, decode = 0, self._decode
        try:
            while line := text.readline(RECORD_LIMIT + 1):
                number += 1
                if len(line) > RECORD_LIMIT:
                    reason = f"a line of more than {RECORD_LIMIT:,} characters; write one object on each line"
                    raise SourceError(reason, self.name, number)
                line = line.strip().strip(BYTE_ORDER_MARK) if number == 1 else line.strip()
                if line:
                    record = decode(line)
                    check_object(record, self.name, number)
                    yield number, record
        except UnicodeDecodeError as error:
            raise undecodable_byte(self.content, self._encoding) from error
        except json.JSONDecodeError as error:
            hint = "; is it a JSON array? say --format json" if number == 1 and error.doc == "[" else ""
            raise SourceError(f"not JSON: {error.msg}, at character {error.pos + 1}{hint}", self.name, number) from None
        except RecursionError:
            raise SourceError("the object is nested too deep to be read", self.name, number) from None
        except ValueError as error:  # from the hooks of the decoder
            raise SourceError(f"{error}", self.name, number) from None
        finally:
            text.detach()
