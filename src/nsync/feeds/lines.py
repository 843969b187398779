"""Where a key stands in a TOML file, which tomllib does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, Final

Path = tuple[str, ...]

_DEEPEST: Final = 4  # parts of a path: feeds, a name, a key, and what a table at that key holds
# What a bracket, a quote or an end of line may be part of, and what is none of them.
_PIECE: Final = re.compile(
    r'"""(?:\\.|[^\\])*?"{3,5}'
    r"|'''.*?'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[^][{}\"'#\n]+"
    r"|.",
    re.DOTALL,
)


def lines_of(text: str) -> dict[Path, int]:
    """
    Give the line of each table and each key of a text that is known to be TOML.

    Returns:
        Path → line, from 1: ``{("feeds",): 1, ("feeds", "persons"): 1, ("feeds", "persons", "system"): 2}``. Paths of
        more than four parts are left out.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        is_table = statement.startswith("[")
        paths = list(_paths(tomllib.loads(statement), () if is_table else table))
        if is_table:
            table = paths[-1]
        for path in paths:
            found.setdefault(path, line)
    return found


def line_of(lines: Mapping[Path, int], *path: str) -> int:
    """Give the line of a key, or of the innermost table around it that has one; 0 if none has."""
    return next((lines[path[:end]] for end in range(len(path), 0, -1) if path[:end] in lines), 0)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Give what stands by itself, a key with its value or the head of a table, with its first line."""
    parts: list[str] = []
    first = number = 1
    depth = 0  # of brackets: within them, a line goes on
    for piece in _PIECE.findall(f"{text}\n"):
        number += piece.count("\n")
        if piece != "\n" or depth:
            parts.append(piece)
            depth += (piece in ("[", "{")) - (piece in ("]", "}"))
            continue
        statement = "".join(parts).strip()
        if statement and not statement.startswith("#"):
            yield first, statement
        parts.clear()
        first = number


def _paths(parsed: Mapping[str, Any], above: Path) -> Iterator[Path]:
    """Give the path of each key, the outer ones first."""
    for key, value in parsed.items():
        path = (*above, key)
        yield path
        if isinstance(value, list) and value and isinstance(value[0], dict):  # a table in an array of them
            value = value[0]
        if isinstance(value, dict) and len(path) < _DEEPEST:
            yield from _paths(value, path)
