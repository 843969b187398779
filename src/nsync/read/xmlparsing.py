"""
XML of unknown origin, in pieces: a parser that knows no DTD, and tells handlers whose records are bounded.

What makes XML dangerous begins with a DTD: entities that grow (billion laughs, quadratic blowup), and files and
addresses that the parser would fetch. Any DTD is refused as it begins, before it declares anything. The package
defusedxml does that in the same way, but knows no bounds of size and depth, which a stream needs besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, Protocol, TypeAlias
from xml.parsers import expat

from nsync.errors import ConfigError
from nsync.read.firstbytes import check_encoding
from nsync.read.records import RECORD_LIMIT

DEPTH_LIMIT: Final = 200  # elements within each other
SHOWN: Final = 60  # characters of what a message quotes
_NAMES_LIMIT: Final = 50_000  # different names of elements and attributes, which the parser keeps for ever
_NAMESPACE_LIMIT: Final = 1_000  # characters; the parser writes it before each name
_HINTS: Final = {
    "no element found": "is the file cut off?",
    "unclosed token": "is the file cut off?",
    "unclosed CDATA section": "is the file cut off?",
    "undefined entity": "XML by itself knows &amp; &lt; &gt; &quot; and &apos;",
    "unbound prefix": "declare its namespace, xmlns:PREFIX",
    "not well-formed (invalid token)": "if its encoding is another one, say --encoding",
}
Attributes: TypeAlias = dict[str, str]


class Refused(Exception):
    """What a parser or a handler does not take, what helps, and a line if it is not where the parser is."""

    def __init__(self, reason: str, hint: str = "", line: int = 0) -> None:
        super().__init__(reason, hint, line)


class Handler(Protocol):
    """Who is told what the XML holds; names are ``namespace local``, or only ``local`` without a namespace."""

    @property
    def held_from(self) -> int:
        """The byte from which on it holds what it was told; -1: it holds nothing."""

    @property
    def number(self) -> int:
        """The line of that byte; 0: where the parser is."""

    def start(self, name: str, attributes: Attributes) -> None:
        """Take the start of an element."""

    def end(self, name: str) -> None:
        """Take the end of an element."""

    def text(self, data: str) -> None:
        """Take some text."""


class Parser:
    """One pass over some XML; `expat` tells its handler where it is."""

    def __init__(self, encoding: str = "") -> None:
        """
        Prepare a pass.

        Args:
            encoding: What the bytes are, whatever they declare; "": as they declare.
        """
        self._declared = "utf-8"
        self._names: dict[str, str] = {}
        self._is_stopped = False
        self.expat = parser = expat.ParserCreate(encoding or None, " ", self._names)
        parser.buffer_text = True
        parser.XmlDeclHandler = self._declare
        parser.StartDoctypeDeclHandler = self._refuse_dtd
        parser.StartNamespaceDeclHandler = self._check_namespace

    def parse(self, pieces: Iterable[bytes], handler: Handler) -> Iterator[None]:
        """
        Tell a handler what the pieces hold; give control back after each of them.

        Raises:
            Refused: It is not XML, has a DTD, something in it is too large, or the handler refused it.
        """
        parser = self.expat
        parser.StartElementHandler = handler.start
        parser.EndElementHandler = handler.end
        parser.CharacterDataHandler = handler.text
        fed = 0
        try:
            for piece in pieces:
                if self._is_stopped:
                    continue
                parser.Parse(piece)
                fed += len(piece)
                self._check_size(fed, handler)
                yield
            if not self._is_stopped:
                parser.Parse(b"", True)
                yield
        except expat.ExpatError as error:
            raise _explained(error) from None
        except (LookupError, ValueError) as error:
            if self._names:
                raise
            raise self._unknown_encoding() from error  # before the first name: of the encoding that the XML declares

    def stop(self) -> None:
        """Tell the handler nothing any more; pieces are taken to their end all the same, so that damage shows."""
        self._is_stopped = True
        self.expat.StartElementHandler = self.expat.EndElementHandler = self.expat.CharacterDataHandler = None

    def _check_size(self, fed: int, handler: Handler) -> None:
        if len(self._names) > _NAMES_LIMIT:
            raise Refused(
                f"more than {_NAMES_LIMIT:,} different names of elements and attributes", "is it really data?"
            )
        if handler.held_from >= 0 and fed - handler.held_from > RECORD_LIMIT:
            hint = "is it the right element? Say --record-element"
            raise Refused(f"a record of more than {RECORD_LIMIT:,} bytes", hint, handler.number)
        if fed - max(self.expat.CurrentByteIndex, 0) > RECORD_LIMIT:
            raise Refused(f"a tag, or a comment, of more than {RECORD_LIMIT:,} bytes")

    def _declare(self, version: str, encoding: str | None, standalone: int) -> None:
        self._declared = encoding or self._declared

    def _refuse_dtd(self, name: str, system: str | None, public: str | None, has_subset: int) -> None:
        if name.lower() == "html":
            raise Refused("is a web page, not data", "often a login or error page; download the file again")
        reason = f"has a DTD (<!DOCTYPE {name[:SHOWN]} …>), which can make a file endless or fetch others"
        raise Refused(reason, "ask for the file without it")

    def _check_namespace(self, prefix: str | None, uri: str | None) -> None:
        if len(uri or "") > _NAMESPACE_LIMIT:
            raise Refused(f"a namespace of more than {_NAMESPACE_LIMIT:,} characters")

    def _unknown_encoding(self) -> Refused:
        """Say what helps if the parser does not know an encoding; Python may, as those of several bytes."""
        declared = self._declared[:SHOWN]
        try:
            hint = f"say --encoding {check_encoding(declared)}"
        except ConfigError:
            hint = "say with --encoding which one it really has"
        return Refused(f"the parser does not know its encoding, {declared!r}", hint, 1)


def _explained(error: expat.ExpatError) -> Refused:
    message = expat.ErrorString(error.code) or "syntax error"
    return Refused(f"not XML: {message}, at character {error.offset + 1}", _HINTS.get(message, ""), error.lineno)


def parted(name: str) -> tuple[str, str]:
    """Give the namespace, or "", and the local name."""
    namespace, _, local = name.rpartition(" ")
    return namespace, local
