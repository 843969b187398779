"""The XML in packages: what a reader finds in a part, and the tags of a part that is no table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, Final

from nsync.errors import SourceError
from nsync.read.packages import Package
from nsync.read.xmlparsing import DEPTH_LIMIT, Attributes, Parser, Refused, parted

_MOST_ELEMENTS: Final = 500_000  # of a part that is no table; Excel knows some 65,000 formats of cells
TOO_DEEP: Final = f"elements are nested deeper than {DEPTH_LIMIT}"


class PartReader(ABC):
    """
    A `Handler` that finds something in a part.

    It puts what it has found in `found`. A subclass counts `depth`, how many tags are open.
    """

    number = 0

    def __init__(self) -> None:
        self.found: list[Any] = []
        self.depth = 0
        self.held_from = 0  # all since the last record, or since the beginning
        self.parser = Parser()

    @abstractmethod
    def start(self, name: str, attributes: Attributes) -> None:
        """Take the start of an element."""

    @abstractmethod
    def end(self, name: str) -> None:
        """Take the end of an element."""

    @abstractmethod
    def text(self, data: str) -> None:
        """Take some text."""

    def end_record(self) -> None:
        """Hold nothing of what came before here."""
        self.held_from = self.parser.expat.CurrentByteIndex


def read_part(package: Package, part: str, reader: PartReader) -> Iterator[Any]:
    """
    Give what a reader finds in a part.

    Raises:
        SourceError: There is no such part, it is damaged, no sound XML, or not of sane size.
    """
    try:
        for _ in reader.parser.parse(package.chunks(part), reader):
            found, reader.found = reader.found[::-1], []
            while found:  # what is given is not held
                yield found.pop()
    except Refused as refusal:
        raise SourceError(f"its part {part}: {refusal.args[0]}; save the file anew", package.name) from None


class _StartTags(PartReader):
    def __init__(self) -> None:
        super().__init__()
        self.held_from = -1
        self._count = 0

    def start(self, name: str, attributes: Attributes) -> None:
        self.depth += 1
        self._count += 1
        if self.depth > DEPTH_LIMIT:
            raise Refused(TOO_DEEP)
        if self._count > _MOST_ELEMENTS:
            raise Refused(f"more than {_MOST_ELEMENTS:,} elements")
        self.found.append((parted(name)[1], attributes))

    def end(self, name: str) -> None:
        self.depth -= 1

    def text(self, data: str) -> None:
        """Text says nothing here."""


def start_tags(package: Package, part: str) -> Iterator[tuple[str, Attributes]]:
    """Give the name of each tag of a part, without its namespace, with its attributes. Raises SourceError."""
    return read_part(package, part, _StartTags())
