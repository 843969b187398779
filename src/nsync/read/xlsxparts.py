"""The parts of an XLSX workbook beside its sheets: which sheets there are, how numbers are shown, and the texts."""

from __future__ import annotations

import posixpath
import re
import tempfile
from array import array
from collections.abc import Iterator
from typing import Final, NamedTuple

from nsync.errors import SourceError
from nsync.read.packages import Package
from nsync.read.serials import BUILT_IN, NUMBER, shown_by
from nsync.read.xmlparsing import DEPTH_LIMIT, Attributes, Refused
from nsync.read.xmlparts import TOO_DEEP, PartReader, read_part, start_tags

_ROOT: Final = "_rels/.rels"
_MOST_TEXTS: Final = 20_000_000
_IN_MEMORY: Final = 4 * 1024 * 1024  # bytes of texts; more are in a temporary file
_KEPT: Final = 10_000  # texts that were asked for last, at hand
_SHORT: Final = 200  # characters of a text that is worth it
_TRUE: Final = ("1", "true", "on")

MAIN: Final = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",  # "strict", as Excel writes it on demand
)
_ESCAPED: Final = re.compile("_x([0-9A-Fa-f]{4})_")


class Sheet(NamedTuple):
    """One table of a workbook."""

    name: str
    part: str
    is_hidden: bool


class Workbook(NamedTuple):
    """What must be known to read any sheet."""

    sheets: tuple[Sheet, ...]
    shown: tuple[int, ...]  # by number of a cell's style: what its format shows, as `serials` names it
    texts: str  # part that holds the texts; "" if there are none
    is_1904: bool  # days are counted from 1904, as on old Macs
    is_uncalculated: bool  # the results of formulas are not to be trusted: Excel is to calculate them on opening


def read_workbook(package: Package) -> Workbook:
    """Read all but texts and cells. Raises SourceError."""
    if "xl/workbook.bin" in package:
        raise SourceError("is a binary workbook (.xlsb); save it as .xlsx", package.name)
    if "mimetype" in package and "content.xml" in package:
        raise SourceError("is an OpenDocument file; say --format ods", package.name)
    by_kind, _ = _relations(package, _ROOT, "")
    if "officeDocument" not in by_kind:
        raise SourceError("is an archive, but no workbook", package.name)
    book = by_kind["officeDocument"]
    folder, base = posixpath.split(book)
    by_kind, by_id = _relations(package, f"{folder}/_rels/{base}.rels".lstrip("/"), folder)
    sheets, is_1904, is_uncalculated = [], False, False
    for tag, given in start_tags(package, book):
        if tag == "sheet":
            target = by_id.get(next((value for key, value in given.items() if key.endswith(" id")), ""))
            if target is not None:  # a chart is none
                sheets.append(Sheet(given.get("name", ""), target, given.get("state", "visible") != "visible"))
        elif tag == "workbookPr":
            is_1904 = given.get("date1904") in _TRUE
        elif tag == "calcPr":
            is_uncalculated = given.get("fullCalcOnLoad") in _TRUE
    shown = _formats(package, by_kind["styles"]) if by_kind.get("styles", "") in package else ()
    texts = by_kind.get("sharedStrings", "")
    return Workbook(tuple(sheets), shown, texts if texts in package else "", is_1904, is_uncalculated)


def _relations(package: Package, part: str, folder: str) -> tuple[dict[str, str], dict[str, str]]:
    """Give the parts that a part names: by kind (the last of each), and the worksheets by id."""
    by_kind: dict[str, str] = {}
    by_id: dict[str, str] = {}
    for tag, given in start_tags(package, part):
        kind = given.get("Type", "").rpartition("/")[2]
        if tag != "Relationship" or given.get("TargetMode") == "External":
            continue
        target = posixpath.normpath(posixpath.join("/", folder, given.get("Target", ""))).lstrip("/")
        if kind == "worksheet":
            by_id[given.get("Id", "")] = target
        elif kind in ("officeDocument", "styles", "sharedStrings"):
            by_kind[kind] = target
    return by_kind, by_id


def _formats(package: Package, part: str) -> tuple[int, ...]:
    codes: dict[str, str] = {}
    shown: list[int] = []
    known: dict[str, int] = {}
    is_cells = False
    for tag, given in start_tags(package, part):
        if tag in ("cellStyleXfs", "cellXfs", "cellStyles"):
            is_cells = tag == "cellXfs"
        elif tag == "numFmt":
            codes.setdefault(given.get("numFmtId", ""), given.get("formatCode", ""))  # later ones are of conditions
        elif tag == "xf" and is_cells:
            number = given.get("numFmtId", "0")
            if number not in known:
                known[number] = _shown(number, codes.get(number))
            shown.append(known[number])
    return tuple(shown)


def _shown(number: str, code: str | None) -> int:
    if code is not None:
        return shown_by(code)
    return BUILT_IN.get(int(number), NUMBER) if number.isascii() and number.isdigit() and len(number) < 5 else NUMBER


class _TextReader(PartReader):
    """Finds the texts of the table: each ``si``, of one piece or of several that are formatted in different ways."""

    def __init__(self) -> None:
        super().__init__()
        self._pieces: list[str] = []
        self._is_text = False
        self._in_phonetic = False  # how it is pronounced

    def start(self, name: str, attributes: Attributes) -> None:
        self.depth += 1
        if self.depth > DEPTH_LIMIT:
            raise Refused(TOO_DEEP)
        local = name.rpartition(" ")[2]
        if local == "t":
            self._is_text = not self._in_phonetic
        elif local == "rPh":
            self._in_phonetic = True

    def end(self, name: str) -> None:
        self.depth -= 1
        local = name.rpartition(" ")[2]
        if local == "t":
            self._is_text = False
        elif local == "rPh":
            self._in_phonetic = False
        elif local == "si":
            self.found.append(unescaped("".join(self._pieces)))
            self._pieces = []
            self.end_record()

    def text(self, data: str) -> None:
        if self._is_text:
            self._pieces.append(data)


def unescaped(text: str) -> str:
    """Replace what stands for characters that XML does not have, such as ``_x000D_`` for a carriage return."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


class Texts:
    """
    The texts that cells name by number, of one pass.

    They are read only as far as they are asked for: programs write them in the order of the cells. A table that is
    large is kept in a temporary file.
    """

    def __init__(self, package: Package, part: str) -> None:
        self._name = package.name
        self._unread: Iterator[str] = iter(())
        if part:
            self._unread = read_part(package, part, _TextReader())
        self._ends = array("Q", [0])  # in the file, in UTF-8
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)
        self._known: dict[int, str] = {}

    def close(self) -> None:
        """Remove the temporary file."""
        self._file.close()

    def __getitem__(self, number: int) -> str:
        """Give a text. Raises SourceError if there is none."""
        text = self._known.get(number)
        return self._look_up(number) if text is None else text

    def _look_up(self, number: int) -> str:
        if number >= len(self._ends) - 1:
            return self._read_up_to(number)
        self._file.seek(self._ends[number])
        text = self._file.read(self._ends[number + 1] - self._ends[number]).decode("utf-8", "surrogatepass")
        return self._keep(number, text)

    def _read_up_to(self, number: int) -> str:
        ends, text = self._ends, ""
        self._file.seek(ends[-1])
        while len(ends) <= number + 1:
            found = next(self._unread, None)
            if found is None:
                reason = f"is damaged: a cell names text number {number:,}, which is not there"
                raise SourceError(reason, self._name)
            if len(ends) > _MOST_TEXTS:
                raise SourceError(f"has more than {_MOST_TEXTS:,} texts; save it as CSV", self._name)
            text = found
            ends.append(ends[-1] + self._file.write(text.encode("utf-8", "surrogatepass")))
        return self._keep(number, text)

    def _keep(self, number: int, text: str) -> str:
        if len(text) <= _SHORT:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[number] = text
        return text
