"""XML: each element of one name is a record, streamed."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, BinaryIO, Final

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.firstbytes import AUTO, HEAD_SIZE, check_encoding, check_marks, what_it_is
from nsync.read.records import RecordSource, is_blank
from nsync.read.streams import BUFFER_SIZE, Content
from nsync.read.undecodable import undecodable_byte
from nsync.read.xmlelements import Record, RecordHandler
from nsync.read.xmlparsing import SHOWN, Parser, Refused
from nsync.read.xmlpaths import Path, Paths
from nsync.read.xmlshape import find_record_element
from nsync.rows import MISSING

LOOKED_AT: Final = 1_000  # records whose paths are the columns
_BEGINNING: Final = re.compile(rb"(\xef\xbb\xbf)?\s*(<|\Z)|\xff\xfe|\xfe\xff|.?\0", re.DOTALL)


class XmlSource(RecordSource):
    """
    A file of XML.

    Its columns are the paths of the elements and attributes of the first records, in the order in which they appear;
    or, with ``--header``, those that it names.
    """

    has_numbers = False

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """
        Check the first bytes, find out which element is a record, and read the paths of the first records.

        Raises:
            ConfigError: Unknown encoding.
            SourceError: Not XML, or it has a DTD, or it does not show what its records are.
        """
        super().__init__(content, options)
        self._encoding = self._chosen_encoding()
        self._check_beginning()
        self._wanted = _local_names(options.record_element) or self._found_element()
        self._paths = Paths()
        self.header = self._read_header()
        self._position = 0

    def records(self, stream: BinaryIO) -> Iterator[tuple[int, Sequence[Any]]]:
        """Give the cells of each record with the number of its line."""
        columns: Sequence[Any] = self._paths.columns
        known = frozenset(columns)
        takes_all = not self.options.header
        for number, record in self._records(stream):
            cells = [record.get(path, MISSING) for path in columns]
            if takes_all and not known.issuperset(record):
                cells += self._extra_cells(record, known)
            if not is_blank(cells):
                yield number, cells

    def _chosen_encoding(self) -> str:
        """Give the encoding that the options say; "": the file declares it itself."""
        encoding = self.options.encoding
        is_declared = encoding in (AUTO, SyncOptions().encoding)
        return self.content.encoding or ("" if is_declared else check_encoding(encoding))

    def _check_beginning(self) -> None:
        with self.content.open() as stream:
            head = stream.read(HEAD_SIZE)
        if known := what_it_is(head):
            raise SourceError("is {}, not XML; {}".format(*known), self.name)
        if self._encoding:
            check_marks(head, self.name, self._encoding)
        elif not _BEGINNING.match(head):
            raise SourceError("is not XML, which begins with <; say with --format what it is, such as csv", self.name)

    def _found_element(self) -> tuple[str, ...]:
        parser = self._parser()
        with self.reading() as stream, self._refusals(parser):
            found = find_record_element(self._pieces(stream), parser, self.name)
        if found:
            self.notes += (f"record element: {'/'.join(found)} (found; --record-element says another)",)
        return found

    def _read_header(self) -> tuple[str, ...]:
        used: dict[Path, None] = {}
        with self.reading() as stream:
            for _, record in islice(self._records(stream), LOOKED_AT):
                used.update(dict.fromkeys(record))
        if self.options.header:
            self._paths.settle_by(self.options.header)
            return self.options.header
        if not used:
            what = f"no record <{'/'.join(self._wanted)}> with text" if self._wanted else "no element but its root"
            cure = "of a file that may be without records --header names the columns"
            raise SourceError(f"has {what}; {cure}", self.name)
        return self._paths.settle(tuple(used))

    def _records(self, stream: BinaryIO) -> Iterator[tuple[int, Record]]:
        parser = self._parser()
        handler = RecordHandler(parser, self._wanted, self._paths, self.options.list_separator)
        with self._refusals(parser):
            try:
                for _ in parser.parse(self._pieces(stream), handler):
                    yield from handler.take()
            except (Refused, SourceError):
                yield from handler.take()
                raise

    def _parser(self) -> Parser:
        return Parser("utf-8" if self._encoding else "")

    def _pieces(self, stream: Any) -> Iterator[bytes]:
        """Give the bytes that come; in UTF-8, if the options say the encoding."""
        decode = codecs.getincrementaldecoder(self._encoding)().decode if self._encoding else None
        try:
            while part := stream.read1(BUFFER_SIZE):
                piece = decode(part).encode("utf-8", "surrogatepass") if decode else part
                if piece:
                    yield piece
            if decode and (rest := decode(b"", True)):
                yield rest.encode("utf-8", "surrogatepass")
        except UnicodeDecodeError as error:
            raise undecodable_byte(self.content, self._encoding) from error

    @contextmanager
    def _refusals(self, parser: Parser) -> Iterator[None]:
        """Tell with its line what the parser, or who it tells, does not take."""
        try:
            yield
        except Refused as refusal:
            reason, hint, line = refusal.args
            said = f"{reason}; {hint}" if hint else reason
            raise SourceError(said, self.name, line or parser.expat.CurrentLineNumber) from None

    def _extra_cells(self, record: Record, known: frozenset[Path]) -> Iterator[str]:
        for path, value in record.items():
            if path not in known and value and value.strip():
                yield f"{self._paths.name(path)}: {value}"[:SHOWN]


def _local_names(path: str) -> tuple[str, ...]:
    """Give the names that a path is made of, without the prefixes of namespaces, which mean nothing by themselves."""
    return tuple(name.rpartition(":")[2] for name in path.strip().split("/") if name)
