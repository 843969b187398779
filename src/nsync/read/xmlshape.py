"""Which element of an XML file is a record, where nobody says it: the one that its root repeats."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from contextlib import suppress
from itertools import islice
from typing import Final

from nsync.errors import SourceError
from nsync.read.xmlparsing import DEPTH_LIMIT, Attributes, Parser, Refused, parted

_LOOKED_AT: Final = 10_000  # elements
_SHOWN: Final = 8  # candidates, in a message


def find_record_element(pieces: Iterable[bytes], parser: Parser, name: str) -> tuple[str, ...]:
    """
    Find the only child of the root that is repeated, or that there is.

    Args:
        pieces: Of the file.
        parser: Which takes them.
        name: Of the source.

    Returns:
        Its path from the root; () if the root is empty.

    Raises:
        SourceError: Several elements might be meant.
        Refused: It is no XML.
    """
    shape = _Shape()
    with suppress(_Enough):
        deque(parser.parse(pieces, shape), maxlen=0)
    if not shape.children:
        return ()
    repeated = [name for name, count in shape.children.items() if count > 1]
    found, *others = repeated or shape.children
    # What is repeated within a record is part of it; but what is there once need not be a record.
    elsewhere = [path for path in shape.repeated if not repeated or path[:2] != (shape.root, found)]
    if not others and not elsewhere:
        return shape.root, found
    candidates = dict.fromkeys([*((shape.root, name) for name in (found, *others)), *elsewhere])
    shown = ", ".join("/".join(path) for path in islice(candidates, _SHOWN))
    raise SourceError(f"several elements may be its records; say which with --record-element: {shown}", name)


class _Enough(Exception):
    """Enough elements were looked at."""


class _Shape:
    """Takes what a parser tells, and counts which elements are repeated."""

    held_from = -1
    number = 0

    def __init__(self) -> None:
        self.root = ""
        self.children: Counter[str] = Counter()  # of the root
        self.repeated: dict[tuple[str, ...], None] = {}  # paths of elements that one parent has several times
        self._count = 0
        self._path: list[str] = []
        self._counts: list[Counter[str]] = []  # of the children of each open element

    def start(self, name: str, attributes: Attributes) -> None:
        """Count an element."""
        _, local = parted(name)
        self._count += 1
        if self._count > _LOOKED_AT:
            raise _Enough
        if self._counts:
            self._counts[-1][local] += 1
        self._path.append(local)
        if len(self._path) > DEPTH_LIMIT:
            raise Refused(f"elements are nested deeper than {DEPTH_LIMIT}")
        if len(self._path) == 1:
            self.root = local
            self._counts.append(self.children)
            return
        if self._counts[-1][local] == 2:
            self.repeated[tuple(self._path)] = None
        self._counts.append(Counter())

    def end(self, name: str) -> None:
        """Leave an element."""
        self._path.pop()
        self._counts.pop()

    def text(self, data: str) -> None:
        """Text does not count."""
