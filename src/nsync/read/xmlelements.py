"""What the elements of one record say: a text for each path."""

from __future__ import annotations

from typing import Final, TypeAlias

from nsync.read.records import RECORD_LIMIT
from nsync.read.xmlparsing import DEPTH_LIMIT, Attributes, Parser, Refused, parted
from nsync.read.xmlpaths import Path, Paths

Record: TypeAlias = dict[Path, str | None]

_INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance "
_NIL: Final = _INSTANCE + "nil"
_TRUE: Final = ("true", "1")


class _Element:
    """An element of a record that is open."""

    __slots__ = ("has_elements", "has_text", "is_nil", "path", "start")

    def __init__(self, path: Path, start: int) -> None:
        self.path = path
        self.start = start  # where its text begins, among those of the record
        self.has_elements = False
        self.has_text = False  # of its own, beside its elements, and not only blank
        self.is_nil = False


class RecordHandler:
    """Takes what a parser tells, and gathers records."""

    def __init__(self, parser: Parser, wanted: tuple[str, ...], paths: Paths, separator: str) -> None:
        """
        Begin a pass.

        Args:
            parser: Which tells.
            wanted: The name of the record's element, or the end of its path; (): nothing is a record.
            paths: Of the records; those that are new are added.
            separator: Between the texts of elements that a record has several times.
        """
        self.held_from = -1
        self._expat = parser.expat
        self._wanted = wanted
        self._paths = paths
        self._separator = separator
        self._outer: list[str] = []  # local names of the open elements down to the record
        self._open: list[_Element] = []  # from the record on
        self._texts: list[str] = []
        self._record: Record = {}
        self._repeated: dict[Path, list[str | None]] = {}
        self._mixed = 0  # characters of texts that are there twice
        self.number = 0
        self._done: list[tuple[int, Record]] = []

    def take(self) -> list[tuple[int, Record]]:
        """Take the records that are complete, each with its number."""
        done, self._done = self._done, []
        return done

    def start(self, name: str, attributes: Attributes) -> None:
        """Take the start of an element."""
        if self._open:
            parent = self._open[-1]
            parent.has_elements = True
            path = parent.path.elements.get(name) or self._paths.element(parent.path, name)
        elif self._is_record(name):
            self._begin()
            path = self._paths.root(name)
        else:
            return
        element = _Element(path, len(self._texts))
        self._open.append(element)
        if attributes:
            self._take_attributes(element, attributes)

    def text(self, data: str) -> None:
        """Take some text."""
        if self._open:
            self._texts.append(data)
            if not self._open[-1].has_text:
                self._open[-1].has_text = not data.isspace()

    def end(self, name: str) -> None:
        """Take the end of an element."""
        if not self._open:
            self._outer.pop()
            return
        element = self._open.pop()
        if element.is_nil and self._open:
            self._put(element.path, None)
        elif element.has_text or not (element.has_elements or not self._open):
            text = "".join(self._texts[element.start :])
            if element.has_elements:
                self._check_mixed(len(text))
            self._put(element.path, text)
        if not self._open:
            self._finish()

    def _is_record(self, name: str) -> bool:
        outer, wanted = self._outer, self._wanted
        outer.append(parted(name)[1])
        if len(outer) > DEPTH_LIMIT:
            raise Refused(f"elements are nested deeper than {DEPTH_LIMIT}")
        return bool(wanted) and outer[-1] == wanted[-1] and tuple(outer[-len(wanted) :]) == wanted

    def _begin(self) -> None:
        # The line, as an editor shows it; where several records start on one line, they are counted on from it.
        self.number = max(self._expat.CurrentLineNumber, self.number + 1)
        self.held_from = self._expat.CurrentByteIndex

    def _finish(self) -> None:
        for path, values in self._repeated.items():
            self._record[path] = self._joined(path, values)
        self._done.append((self.number, self._record))
        self._record, self._repeated, self._mixed = {}, {}, 0
        self._texts.clear()
        self._outer.pop()
        self.held_from = -1

    def _take_attributes(self, element: _Element, attributes: Attributes) -> None:
        known = element.path.attributes
        for name, value in attributes.items():
            if not name.startswith(_INSTANCE):
                self._put(known.get(name) or self._paths.attribute(element.path, name), value)
            elif name == _NIL:
                element.is_nil = value.strip() in _TRUE

    def _put(self, path: Path, value: str | None) -> None:
        record = self._record
        if path in record:
            self._repeated.setdefault(path, [record[path]]).append(value)
        else:
            record[path] = value

    def _joined(self, path: Path, values: list[str | None]) -> str | None:
        """Make one cell of the texts of repeated elements, without those that are empty."""
        texts = [value for value in values if value]
        for text in texts if len(texts) > 1 else ():
            if self._separator in text:
                found = f"{self._paths.name(path)} has {self._separator!r} in a value"
                cure = "choose another --list-separator"
                raise Refused(f"{found}, which parts the values of repeated elements", cure, self.number)
        return self._separator.join(texts) or (None if None in values else "")

    def _check_mixed(self, size: int) -> None:
        """The text of elements within text counts for each of them."""
        self._mixed += size
        if self._mixed > RECORD_LIMIT:
            raise Refused(f"a record whose text within text has more than {RECORD_LIMIT:,} characters")
