"""Layout: what each column of a source means; the values that `compiling` makes once per file (C1 to C3)."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from django.db.models import Model

from nsync.decode.keys import KeyCells
from nsync.decode.match import MatchColumn, Node
from nsync.decode.references import RelationColumns
from nsync.errors import Problem
from nsync.options import SyncOptions


class FieldColumn(NamedTuple):
    """A column that holds values of a field."""

    position: int
    header: str
    attname: str
    convert: Callable[[object], object]


class PropertyColumn(NamedTuple):
    """A column that is set with setattr (rule V6)."""

    position: int
    header: str
    name: str


class Layout(NamedTuple):
    """What each column of a source means. Positions count cells; those past the header are constants."""

    model: type[Model]
    system: str
    options: SyncOptions
    width: int  # cells of a whole row, without the constants
    constants: tuple[str, ...]  # --set: cells that follow those of the row
    flags: int | None
    match_on: int | None
    key: KeyCells | None
    fields: tuple[FieldColumn, ...]
    properties: tuple[PropertyColumn, ...]
    relations: tuple[RelationColumns, ...]
    operands: Mapping[str, MatchColumn]  # names that a match expression may use
    default_match: Node | None  # --match-on, parsed
    flag_codes: Mapping[str, str]
    columns: Mapping[str, str]  # attname or property → header
    notes: tuple[Problem, ...]  # columns that are ignored, said once in the report
