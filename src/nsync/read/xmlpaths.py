"""The columns of XML records: paths of elements and attributes, such as ``address/city`` and ``price/@currency``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from nsync.read.xmlparsing import DEPTH_LIMIT, SHOWN, Refused, parted

_PATHS_LIMIT: Final = 10_000  # different ones within records
_LENGTH_LIMIT: Final = 2_000  # characters of one
_OWN_TEXT: Final = "."  # the path of the record's own text, as XPath has it


class Path:
    """An element or an attribute of records, by the names on the way to it."""

    __slots__ = ("attributes", "depth", "elements", "full", "local")

    def __init__(self, local: str, full: str, depth: int) -> None:
        self.local = local  # without namespaces
        self.full = full  # with those that are not the record's own, as {namespace}name
        self.depth = depth
        self.elements: dict[str, Path] = {}  # by the parser's names
        self.attributes: dict[str, Path] = {}


class Paths:
    """
    The paths that records have; those of the first records become columns, once.

    A path is called by its local names. Only where two paths differ in nothing but namespaces, those that are not the
    record's own are part of the name. What is beyond all measure is `Refused`.
    """

    def __init__(self) -> None:
        self.columns: list[Path | None] = []  # one for each name of the header; None: not found yet
        self._header: tuple[str, ...] = ()
        self._root: Path | None = None
        self._root_name = ""
        self._namespace = ""  # of the records
        self._found: list[Path] = []
        self._sharing: Counter[str] = Counter()  # local path → how many paths have it

    def root(self, name: str) -> Path:
        """Give the path of a record."""
        if self._root is None:
            self._root_name, (self._namespace, _) = name, parted(name)
            self._root = Path(_OWN_TEXT, _OWN_TEXT, 0)
            self._add(self._root)
        elif name != self._root_name:
            raise Refused(f"the record elements are of two namespaces: {self._root_name!r} and {name!r}")
        return self._root

    def element(self, parent: Path, name: str) -> Path:
        """Give the path of an element that was not found in this parent before."""
        namespace, local = parted(name)
        full = local if namespace == self._namespace else f"{{{namespace}}}{local}"
        path = parent.elements[name] = self._under(parent, local, full)
        return path

    def attribute(self, parent: Path, name: str) -> Path:
        """Give the path of an attribute that was not found in this element before."""
        namespace, local = parted(name)
        full = f"@{{{namespace}}}{local}" if namespace else f"@{local}"
        path = parent.attributes[name] = self._under(parent, f"@{local}", full)
        return path

    def name(self, path: Path) -> str:
        """Give what a path is called."""
        return path.local if self._sharing[path.local] == 1 else path.full

    def settle(self, used: Sequence[Path]) -> tuple[str, ...]:
        """Make columns of the paths that the first records use, in this order, and give their names."""
        self.columns = list(used)
        return tuple(map(self.name, used))

    def settle_by(self, header: tuple[str, ...]) -> None:
        """Make columns of names; some may be found only later."""
        self._header = header
        named = {path.full: path for path in self._found} | {self.name(path): path for path in self._found}
        self.columns = [named.get(name) for name in header]

    def _under(self, parent: Path, local: str, full: str) -> Path:
        if parent is not self._root:
            local, full = f"{parent.local}/{local}", f"{parent.full}/{full}"
        if len(full) > _LENGTH_LIMIT or parent.depth == DEPTH_LIMIT:
            raise Refused(f"elements within each other, or with names, beyond all measure: {full[:SHOWN]}…")
        path = Path(local, full, parent.depth + 1)
        self._add(path)
        return path

    def _add(self, path: Path) -> None:
        if len(self._found) == _PATHS_LIMIT:
            raise Refused(
                f"records with more than {_PATHS_LIMIT:,} different elements", "--record-element says what a record is"
            )
        self._found.append(path)
        self._sharing[path.local] += 1
        for position in self._places(path):
            self.columns[position] = path

    def _places(self, path: Path) -> Iterator[int]:
        """Give the columns that a path found late is for."""
        for position, name in enumerate(self._header):
            if self.columns[position] is None and name in (path.full, self.name(path)):
                yield position
