"""JSON: an array of objects, at the top or within other objects, streamed."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from typing import Any, Final

from nsync.errors import SourceError
from nsync.options import SyncOptions
from nsync.read.blocks import LIVE
from nsync.read.jsonpull import PIECE, Pull
from nsync.read.jsonrecords import SHOWN, JsonSource, check_object, decoder, told
from nsync.read.streams import Content

_LISTED: Final = 10  # keys that a message names
_LINES_HINT: Final = "; is it one object per line? say --format jsonl"


class JsonArraySource(JsonSource):
    """
    A file with an array of JSON objects: at the top, or where ``--records`` says.

    `Row.number` is the number of the object in the array, from 1.
    """

    example = '[{"name": "Wayne"}]'

    def __init__(self, content: Content, options: SyncOptions) -> None:
        """Look at the first objects; the errors are those of `JsonSource`, and SourceError if there is no array."""
        self._decode = decoder().raw_decode
        self._path = options.records.split(".") if options.records else []
        super().__init__(content, options)

    def decoded(self, text: io.TextIOWrapper) -> Iterator[tuple[int, dict[str, Any]]]:
        """Give each object of the array, and look at all that follows."""
        number = 0
        try:
            pull = Pull(text, self._decode, PIECE if self.size else LIVE)
            for _ in self._items(pull, self._path):
                number += 1
                yield number, check_object(pull.value(), self.name, number)
            if pull.next():
                raise SourceError(f"text follows the end of the JSON value{_LINES_HINT}", self.name)
        except UnicodeDecodeError:
            raise
        except (ValueError, RecursionError) as error:
            raise SourceError(told(error), self.name, number) from None

    def _items(self, pull: Pull, path: Sequence[str]) -> Iterator[None]:
        """Stop before each item of the array at a path, and go past all else."""
        if not path:
            if not pull.is_taken("["):
                self._refuse(pull)
            yield from pull.items()
            return
        if not pull.is_taken("{"):
            raise SourceError(f"{self._named()} there is no object that holds {path[0]!r}", self.name)
        is_found = False
        for key in pull.members():
            if key != path[0]:
                pull.skip()
                continue
            if is_found:
                raise SourceError(f"the key {key[:SHOWN]!r} is there twice", self.name)
            is_found = True
            yield from self._items(pull, path[1:])
        if not is_found:
            raise SourceError(f"{self._named()} there is no key {path[0]!r}", self.name)

    def _named(self) -> str:
        return f"--records {self.options.records}:"

    def _refuse(self, pull: Pull) -> None:
        """Say what is there instead of an array, and what would work."""
        found = pull.next()
        arrays = self._arrays(pull) if found == "{" else []
        if self._path:
            hint = f"an object, and no array of them{_hint(self.options.records, arrays)}"
            raise SourceError(f"{self._named()} there is {hint if found == '{' else 'no array'}", self.name)
        if found != "{":
            pull.value()
            raise SourceError(f"is not an array of objects, such as {self.example}", self.name)
        if pull.next():
            raise SourceError(f"is more than one JSON value{_LINES_HINT}", self.name)
        raise SourceError(f"is one object, and not an array of them{_hint('', arrays)}", self.name)

    def _arrays(self, pull: Pull) -> list[str]:
        """Give the keys of an object that hold arrays, or objects with such keys."""
        found: list[str] = []
        pull.take("{")
        for key in pull.members():
            first = pull.next()
            if first == "{":
                found += [f"{key}.{inner}" for inner in self._arrays(pull)]
            else:
                found += [key] if first == "[" else []
                pull.skip()
            del found[_LISTED:]
        return found


def _hint(before: str, paths: Sequence[str]) -> str:
    if not paths:
        return "; none of its keys holds an array"
    named = " or ".join(f"--records {f'{before}.{path}' if before else path}"[:SHOWN] for path in paths)
    return f"; say {named}"
