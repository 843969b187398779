"""Decoder: a Row and a Layout give zero, one or two Actions; what a cell says is converted here (F, V)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

from nsync.actions import Action, Flags, Kind, Match, Place, Reference
from nsync.decode.conditions import is_marker, read_cell, read_text, shown
from nsync.decode.flags import decode_flags
from nsync.decode.layout import Layout
from nsync.decode.match import MatchError, Node, bind, parse
from nsync.decode.references import read_reference
from nsync.errors import Problem, RowError
from nsync.rows import MISSING, Row

KEY_LENGTH = 255  # ExternalKeyMapping.external_key (rule M1)
T = TypeVar("T")


class Decoder:
    """Decodes the rows of one source."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._matches: dict[str, Node | None] = {}  # text of a match_on cell → its expression
        self._known_flags: dict[str, Flags] = {}  # text of a flags cell → its flags

    def decode(self, row: Row, place: Place) -> tuple[Action, ...]:
        """
        Give what a row asks for.

        Returns:
            Its actions, create before update; none if its flags cell is empty (rule F2).

        Raises:
            RowError: With every problem of the row, not only the first.
        """
        layout = self.layout
        problems: list[Problem] = []
        cells, nulls = self._cells(row, problems)
        flags = _try(lambda: self._flags(cells), problems) or Flags()
        key = _try(lambda: self._key(cells), problems) or ""
        if layout.options.snapshot and not key and not problems:
            problems.append(self._no_key())
        if not any(flags) and not problems:
            return ()
        is_delete = flags.delete
        match, is_match_empty = _try(lambda: self._match(cells), problems) or (None, False)
        values = {} if is_delete else self._values(cells, problems)
        references = () if is_delete else self._references(cells, nulls, problems)
        properties = {} if is_delete else self._properties(cells, problems)
        if problems:
            raise RowError(*dict.fromkeys(problems))
        said = (flags, place, row, layout.model, layout.system, key, match, is_match_empty, values, references)
        kinds = (Kind.DELETE,) * is_delete + (Kind.CREATE,) * flags.create + (Kind.UPDATE,) * flags.update
        return tuple(Action(kind, *said, properties, layout.columns) for kind in kinds)

    def _cells(self, row: Row, problems: list[Problem]) -> tuple[list[object], frozenset[int]]:
        """Give the cells, constants last, with the null marker read as empty (rules C4, C5)."""
        layout = self.layout
        cells = [*row.values[: layout.width], *layout.constants]
        extra = row.values[layout.width :]
        if extra:
            message = f"{len(extra)} cell(s) more than the header has columns; is there a stray delimiter or a new key?"
            problems.append(Problem("extra-cells", message, "", shown(", ".join(map(str, extra)))))
        marker = layout.options.marker
        nulls: frozenset[int] = frozenset()
        if marker is not None:
            nulls = frozenset(position for position, cell in enumerate(cells) if is_marker(cell, marker))
            cells = ["" if position in nulls else cell for position, cell in enumerate(cells)]
        return cells, nulls

    def _flags(self, cells: list[object]) -> Flags:
        position = self.layout.flags
        cell = MISSING if position is None else cells[position]
        if cell is MISSING:
            return self.default_flags
        return self.flags_in(read_text(cell, self.layout.options.action_flags_column))

    def flags_in(self, text: str) -> Flags:
        """Give what a flags cell asks for; raises RowError ``bad-flags``."""
        if text not in self._known_flags:
            column = "" if self.layout.flags is None else self.layout.options.action_flags_column
            self._known_flags[text] = decode_flags(text, self.layout.flag_codes, column)
        return self._known_flags[text]

    @cached_property
    def default_flags(self) -> Flags:
        """Give what rows ask for that have no flags cell; raises RowError ``bad-flags``."""
        return decode_flags(self.layout.options.action_flags or "", {})

    def _key(self, cells: list[object]) -> str:
        key = self.layout.key.read(cells) if self.layout.key else ""
        if len(key) > KEY_LENGTH:
            column = self.layout.options.external_key_column or "external_key"
            message = f"a key has at most {KEY_LENGTH} characters; shorten it in the system that gives it"
            raise RowError(Problem("too-long", message, column, shown(key)))
        return key

    def _no_key(self) -> Problem:
        column = self.layout.options.external_key_column or "external_key"
        return Problem(
            "no-key", "with --snapshot every row needs a key, which says that its object is still there", column
        )

    def _match(self, cells: list[object]) -> tuple[Match | None, bool]:
        """Give the row's match, and whether one is named whose values are all empty (rules I2, I3)."""
        position = self.layout.match_on
        cell = MISSING if position is None else cells[position]
        node = self.layout.default_match if cell is MISSING else self.match_in(read_text(cell, "match_on"))
        if node is None:
            return None, False
        match, has_value = bind(node, self.layout.operands, cells)
        return (match, False) if has_value else (None, True)

    def match_in(self, text: str) -> Node | None:
        """Give the expression in a match cell; None for an empty one; raises RowError ``bad-match``."""
        if text not in self._matches:
            try:
                self._matches[text] = parse(text, self.layout.operands)
            except MatchError as error:
                raise RowError(Problem("bad-match", str(error), "match_on", shown(text))) from None
        return self._matches[text]

    def _values(self, cells: list[object], problems: list[Problem]) -> dict[str, object]:
        values = {}
        for column in self.layout.fields:
            cell = cells[column.position]
            if cell is MISSING:
                continue
            try:
                values[column.attname] = read_cell(column.convert, cell, column.header)
            except RowError as error:
                problems.extend(error.problems)
        return values

    def _references(self, cells: list[object], nulls: frozenset[int], problems: list[Problem]) -> tuple[Reference, ...]:
        separator = self.layout.options.list_separator
        references = []
        for group in self.layout.relations:
            try:
                reference = read_reference(group, cells, nulls, separator)
            except RowError as error:
                problems.extend(error.problems)
                continue
            if reference is not None:
                references.append(reference)
        return tuple(references)

    def _properties(self, cells: list[object], problems: list[Problem]) -> dict[str, str]:
        values = {}
        for column in self.layout.properties:
            cell = cells[column.position]
            if cell is MISSING:
                continue
            try:
                values[column.name] = read_text(cell, column.header)
            except RowError as error:
                problems.extend(error.problems)
        return values


def _try(read: Callable[[], T], problems: list[Problem]) -> T | None:
    """Read one part of a row; note what is wrong with it and go on to the next part."""
    try:
        return read()
    except RowError as error:
        problems.extend(error.problems)
        return None
