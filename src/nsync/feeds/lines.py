"""Where a key stands in a TOML file, which tomllib does not tell."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def lines_of(text: str) -> dict[Path, int]:
    """
    Give the line of each table and each key of a text that is known to be TOML.

    Returns:
        Path → line, from 1: ``{("feeds",): 1, ("feeds", "persons"): 1, ("feeds", "persons", "system"): 2}``.
    """
    found: dict[Path, int] = {}
    table: Path = ()
    for line, statement in _statements(text):
        is_table = statement.lstrip().startswith("[")
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
    """Give what stands by itself, with its first line: a line of TOML goes on only while it is none by itself."""
    statement, first = "", 0
    for number, line in enumerate(text.splitlines(keepends=True), start=1):
        if not statement and (not line.strip() or line.lstrip().startswith("#")):
            continue
        first = first if statement else number
        statement += line
        try:
            tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        yield first, statement
        statement = ""


def _paths(parsed: Mapping[str, Any], above: Path) -> Iterator[Path]:
    """Give the path of each key, the outer ones first."""
    for key, value in parsed.items():
        yield (*above, key)
        if isinstance(value, list) and value and isinstance(value[0], dict):  # a table in an array of them
            value = value[0]
        if isinstance(value, dict):
            yield from _paths(value, (*above, key))
