"""Columns: what many rows say, column by column, where all of them ask for the same thing. Values only."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from nsync.actions import Flags, Relation


class _Kept(Enum):
    KEPT = "kept"

    def __repr__(self) -> str:
        return "KEPT"

    def __bool__(self) -> bool:
        return False


KEPT: Final = _Kept.KEPT  # the row says nothing of the column: its value stays, or is the default of a new object


class Wanted(NamedTuple):
    """A column of references: which object each row wants."""

    relation: Relation  # a foreign key
    path: str  # what the related object is found by: "employee_id", "company__name"; "" with a system
    system: str  # whose keys the values are; "" with a path
    values: Sequence[object]  # EMPTY: the row says nothing of the relation


@dataclass(slots=True, eq=False, repr=False)
class Columns:
    """
    Consecutive rows, column by column. Rows that are in some way peculiar are named, and their values mean nothing.

    All sequences have one item per row.
    """

    count: int
    flags: Flags  # which all of them share
    keys: Sequence[str]  # none at all: the source has no keys
    names: tuple[str, ...]  # attnames of the columns in `values`
    values: list[Sequence[object]]  # converted, or EMPTY
    has_empty: list[bool]  # whether a column in `values` holds EMPTY
    match: tuple[str, ...]  # attnames of the columns, among `names`, that the objects are found by; none: by key alone
    wanted: tuple[Wanted, ...] = ()
    peculiar: set[int] = field(default_factory=set)


class NewObjects(NamedTuple):
    """Objects to be created, column by column."""

    rows: Sequence[int]  # which row each is for, ascending
    names: tuple[str, ...]
    values: Sequence[Sequence[object]]  # one sequence per name


class ChangedObjects(NamedTuple):
    """Objects that get new values in the same columns."""

    rows: Sequence[int]  # which row each is for, ascending
    pks: Sequence[object]
    names: tuple[str, ...]
    values: Sequence[Sequence[object]]  # per object: its new values
    read: Sequence[Sequence[object]]  # per object: all columns of the source as they were read, for rule T8


class LinkedObjects(NamedTuple):
    """Objects that were there and get a key."""

    rows: Sequence[int]  # which row each is for, ascending
    keys: Sequence[str]
    pks: Sequence[object]


@dataclass(slots=True, eq=False, repr=False)
class Decided:
    """What becomes of consecutive rows, up to the first that is peculiar: those not named here are unchanged."""

    names: tuple[str, ...]  # attnames of the columns of the source
    new: NewObjects
    changed: list[ChangedObjects]
    linked: LinkedObjects
    peculiar: set[int]

    @property
    def changes_something(self) -> bool:
        """Whether there is anything to write."""
        return bool(self.new.rows or self.changed or self.linked.rows)

    def before(self, stop: int) -> "Decided":
        """Give what becomes of the rows before one of them."""
        new, linked = self.new, self.linked
        some = bisect_left(new.rows, stop)
        more = bisect_left(linked.rows, stop)
        changed = []
        for one in self.changed:
            end = bisect_left(one.rows, stop)
            if end:
                changed.append(
                    ChangedObjects(one.rows[:end], one.pks[:end], one.names, one.values[:end], one.read[:end])
                )
        return Decided(
            self.names,
            NewObjects(new.rows[:some], new.names, [values[:some] for values in new.values]),
            changed,
            LinkedObjects(linked.rows[:more], linked.keys[:more], linked.pks[:more]),
            {row for row in self.peculiar if row < stop},
        )


class Removed(NamedTuple):
    """Objects to be deleted with the only mapping that they have."""

    rows: Sequence[int]  # which row each is for, ascending
    keys: Sequence[str]
    pks: Sequence[object]
    read: Sequence[Sequence[object]]  # per object: the columns that are matched by, as they were read, for rule T8


class RemovedAlone(NamedTuple):
    """Objects to be deleted, each with a mapping, unless another mapping means one of them."""

    keys: Sequence[str]
    mappings: Sequence[object]  # their primary keys
    pks: Sequence[object]


class Cell(NamedTuple):
    """Where a value stands in each row of a source."""

    position: int  # of the cell; of a constant -1
    constant: str = ""


class SketchedReference(NamedTuple):
    """A column of references, as `Wanted`."""

    cell: Cell
    relation: Relation
    path: str
    system: str


class Sketch(NamedTuple):
    """What most rows of a source ask for, and where they say it."""

    flags: Flags
    flags_cell: Cell | None  # None: an option says it of all rows
    flags_text: str
    match: tuple[str, ...]  # attnames
    match_cell: Cell | None
    match_text: str
    key: Cell | None
    fields: tuple[tuple[Cell, str], ...]  # attnames
    references: tuple[SketchedReference, ...]
