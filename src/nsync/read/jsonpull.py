"""JSON read piece by piece: values are decoded where they stand, and never more of the text is held than one needs."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final, NoReturn

from nsync.read.blocks import BYTE_ORDER_MARK
from nsync.read.records import RECORD_LIMIT

PIECE: Final = 64 * 1024  # characters
_BLANKS: Final = re.compile(r"[ \t\n\r]*")
_TAIL: Final = 16  # characters: where the text that is held ends within one thing, an error is no further from its end


class Malformed(ValueError):
    """The text is not JSON, or a value is too long; says what is wrong, and where."""


class Pull:
    """
    A text of JSON, from its start.

    Args:
        text: What to read.
        decode: ``raw_decode`` of a `json.JSONDecoder`.
        piece: Characters to read at once.
    """

    def __init__(
        self, text: io.TextIOWrapper, decode: Callable[[str, int], tuple[Any, int]], piece: int = PIECE
    ) -> None:
        self._text = text
        self._decode = decode
        self._piece = piece
        self._held = text.read(self._piece).lstrip(BYTE_ORDER_MARK)
        self._at = 0
        self._is_whole = False  # all of the text was read
        self._taken = 0  # characters that are not held any more

    def next(self) -> str:
        """Give the next character that is not blank; "" at the end."""
        while True:
            self._at = _BLANKS.match(self._held, self._at).end()  # type: ignore[union-attr]  # it matches anything
            if self._at < len(self._held):
                return self._held[self._at]
            if not self._grow():
                return ""

    def take(self, character: str) -> None:
        """Go past a character that must come now. Raises Malformed."""
        found = self.next()
        if found != character:
            self._fail(f"{character!r} is expected, and not {found!r}")
        self._at += 1

    def is_taken(self, character: str) -> bool:
        """Go past a character if it comes now."""
        if self.next() != character:
            return False
        self._at += 1
        return True

    def value(self) -> Any:
        """
        Decode the value that comes now.

        Raises:
            ValueError: There is none (Malformed), or a hook of the decoder refuses it.
            RecursionError: It is nested too deep.
        """
        self.next()
        while True:
            try:
                found, end = self._decode(self._held, self._at)
            except json.JSONDecodeError as error:
                place = error.pos - self._at
                is_cut = len(self._held) - error.pos < _TAIL or error.msg.startswith("Unterminated string")
                if not (is_cut and self._grow()):
                    self._at += place
                    self._fail(error.msg.removesuffix(" starting at"))
            else:
                place = end - self._at
                # A number may go on: 1, 1. and 1e+ begin 1.5 and 1e+5.
                if len(self._held) - end > 2 or not self._grow():
                    self._at += place
                    return found

    def skip(self) -> None:
        """Go past a value, of any length. Raises as `value`."""
        if self.is_taken("["):
            for _ in self.items():
                self.skip()
        elif self.is_taken("{"):
            for _ in self.members():
                self.skip()
        else:
            self.value()

    def items(self) -> Iterator[None]:
        """Stop before each item of an array whose bracket was taken; whoever iterates takes the item."""
        if self.is_taken("]"):
            return
        yield
        while not self.is_taken("]"):
            self.take(",")
            yield

    def members(self) -> Iterator[str]:
        """Give each key of an object whose brace was taken; whoever iterates takes the value."""
        if self.is_taken("}"):
            return
        yield self._key()
        while not self.is_taken("}"):
            self.take(",")
            yield self._key()

    def _key(self) -> str:
        if self.next() != '"':
            self._fail("a key is expected, in double quotes")
        key: str = self.value()
        self.take(":")
        return key

    def _grow(self) -> bool:
        """Read more, as much as is held, so that long values are not decoded too often; tell whether there is more."""
        if self._is_whole:
            return False
        self._taken += self._at
        self._held, self._at = self._held[self._at :], 0
        if len(self._held) > RECORD_LIMIT:
            raise Malformed(f"a value of more than {RECORD_LIMIT:,} characters starts {self._place()}")
        more = self._text.read(max(self._piece, len(self._held)))
        self._held += more
        self._is_whole = not more
        return bool(more)

    def _fail(self, reason: str) -> NoReturn:
        """Raise an error for the place where the text was read to."""
        if self._at >= len(self._held) and self._is_whole:
            reason = "it ends too early"
        raise Malformed(f"not JSON: {reason}, {self._place()}")

    def _place(self) -> str:
        return f"at character {self._taken + self._at + 1:,} of the text"
