"""The flags cell: ``cu*`` and its like, or a feed's own operation codes (rules F1, F2, C2)."""

from __future__ import annotations

from collections.abc import Mapping

from nsync.actions import Flags
from nsync.errors import ConfigError, Problem, RowError

_WORDS = {"c": "create", "u": "update", "d": "delete", "*": "force"}
_WORKS = "write c, u, d, cu, cu*, u* or d*"


def decode_flags(text: str, codes: Mapping[str, str], column: str = "") -> Flags:
    """
    Read a flags cell.

    Args:
        text: The cell. Case and blanks do not matter.
        codes: Operation codes of the feed → flags (``--flag-map``); empty: the cell holds flags.
        column: Header of the cell, for the message.

    Returns:
        The flags; all false for an empty cell, whose row asks for nothing.

    Raises:
        RowError: ``bad-flags``.
    """
    letters = "".join(text.split()).lower()
    if codes and letters:
        code = text.strip()
        if code not in codes:
            raise RowError(_bad(text, column, f"no such code in --flag-map; it has {', '.join(codes)}"))
        letters = codes[code]
    unknown = sorted(set(letters) - set(_WORDS))
    if unknown:
        raise RowError(_bad(text, column, f"no such flag: {''.join(unknown)}; {_WORKS}"))
    flags = Flags(**{word: letter in letters for letter, word in _WORDS.items()})
    if flags.delete and (flags.create or flags.update):
        raise RowError(_bad(text, column, f"a delete cannot go with create or update; {_WORKS}"))
    if flags.force and not (flags.create or flags.update or flags.delete):
        raise RowError(_bad(text, column, f"there is nothing to force; {_WORKS}"))
    return flags


def _bad(text: str, column: str, message: str) -> Problem:
    return Problem("bad-flags", message, column, text)


def check_codes(codes: Mapping[str, str]) -> dict[str, str]:
    """Give ``--flag-map`` as code → letters; raises ConfigError if one is no flag."""
    checked = {}
    for code, letters in codes.items():
        try:
            decode_flags(letters, {})
        except RowError as error:
            raise ConfigError(f"--flag-map: {code}={letters}: {error}") from None
        checked[code] = "".join(letters.split()).lower()
    return checked
