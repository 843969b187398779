"""Keys: a column, or several with text between them, hold the key of each row (rules C2, I1)."""

import difflib
import re
from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from nsync.decode.conditions import read_key
from nsync.errors import ConfigError
from nsync.rows import MISSING

DEFAULT: Final = "external_key"
_PART: Final = re.compile(r"\{([^{}]*)\}")


class KeyNames(NamedTuple):
    """Which columns a key is made of."""

    headers: tuple[str, ...]
    texts: tuple[str, ...]  # before, between and after them


class KeyCells(NamedTuple):
    """Where the parts of a key stand in a row."""

    names: KeyNames
    positions: tuple[int, ...]

    @property
    def is_joined(self) -> bool:
        """Whether the key is more than one cell as it is."""
        return len(self.positions) > 1 or any(self.names.texts)

    def read(self, cells: Sequence[object]) -> str:
        """Give the key of a row, "" if a part of it is blank or absent; raises RowError as `read_key`."""
        parts = []
        for position, header in zip(self.positions, self.names.headers, strict=True):
            cell = cells[position]
            part = "" if cell is MISSING or cell is None else read_key(cell, header)
            if not part:
                return ""
            parts.append(part)
        return self._template.format(*parts)

    def join(self, columns: Sequence[Sequence[str]]) -> list[str]:
        """Give the keys of rows, of whose parts there is one column each; "" where a part is blank."""
        parts = [list(map(str.strip, column)) for column in columns]
        if not self.is_joined:
            return parts[0]
        template = self._template
        return ["" if "" in row else template.format(*row) for row in zip(*parts, strict=True)]

    @property
    def _template(self) -> str:
        return "{}".join(self.names.texts)  # `split_key` lets no brace into the texts


def split_key(option: str | None, header: Collection[str]) -> KeyNames:
    """
    Read ``--external-key-column``: a column, or several as in ``"{site}-{id}"``.

    Args:
        option: Its value; None: the column ``external_key``.
        header: The source's columns; one that is called as the whole option is meant.

    Raises:
        ConfigError: A brace has no other, a column no name, or the text between them is none that a key can have.
    """
    given = (DEFAULT if option is None else option).strip()  # blanks around a key do not count (rule I1)
    if option is None or given in header or not {"{", "}"}.intersection(given):
        return KeyNames((given,), ("", ""))
    texts = _PART.split(given)
    headers = tuple(name.strip() for name in texts[1::2])
    texts = texts[::2]
    if not all(headers) or any(brace in text for text in texts for brace in "{}"):
        raise ConfigError(f"--external-key-column {option!r}: write each column in braces, such as '{{site}}-{{id}}'")
    if any("\0" in text for text in texts):
        raise ConfigError(f"--external-key-column {option!r}: no key can have a NUL character in it")
    return KeyNames(headers, tuple(texts))


def check_key(option: str | None, header: Sequence[str], dropped: Collection[str], flags: str) -> KeyNames:
    """
    Give the columns of a key, of which each must be there; that of a key that no option names may be absent.

    Args:
        option: The value of ``--external-key-column``.
        header: The source's columns.
        dropped: Those that ``--map`` drops.
        flags: The column of the flags.

    Raises:
        ConfigError: One is not there, ``--map`` drops it, or it holds the flags.
    """
    names = split_key(option, header)
    for name in names.headers if option is not None else ():
        if name == flags:
            raise ConfigError(f"--external-key-column {name!r}: the column holds the flags (--action-flags-column)")
        if name not in header:
            raise ConfigError(f"--external-key-column: no column {name!r}{nearest(name, header)}")
        if name in dropped:
            raise ConfigError(f"--external-key-column {name!r} and --map '{name}=' contradict each other")
    return names


def nearest(name: str, names: Iterable[str]) -> str:
    """Give ``; did you mean …?`` if some name is close."""
    close = difflib.get_close_matches(name, list(names), 1)
    return f"; did you mean {close[0]}?" if close else ""
