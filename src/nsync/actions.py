"""Action: what a row asks for; with the match and the references that it names. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final, Literal, NamedTuple

from django.db.models import Model

from nsync.rows import Row


class Kind(str, Enum):
    """What an action does to its object."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class Flags(NamedTuple):
    """The letters of an ``action_flags`` cell (rules F1, F2)."""

    create: bool = False
    update: bool = False
    delete: bool = False
    force: bool = False


def kinds_asked(flags: Flags) -> frozenset[Kind]:
    """Give the kinds of actions that flags ask for."""
    asked = ((flags.create, Kind.CREATE), (flags.update, Kind.UPDATE), (flags.delete, Kind.DELETE))
    return frozenset(kind for is_asked, kind in asked if is_asked)


class SyncActions(Flags):
    """
    What is asked for when actions are built in code (rule P2).

    Raises:
        ValueError: A delete cannot go with create or update.
    """

    __slots__ = ()

    def __new__(
        cls, create: bool = False, update: bool = False, delete: bool = False, force: bool = False
    ) -> "SyncActions":
        """Check that the flags go together."""
        if delete and (create or update):
            raise ValueError("a delete cannot go with create or update")
        return super().__new__(cls, create, update, delete, force)


class _Empty(Enum):
    EMPTY = "empty"

    def __repr__(self) -> str:
        return "EMPTY"

    def __bool__(self) -> bool:
        return False


EMPTY: Final = _Empty.EMPTY  # the cell is there and says nothing (rule V3 decides what that means)


class Place(NamedTuple):
    """Where a row stands: enough to find it in the sources of a run."""

    source: int  # index of the source in the run
    ordinal: int  # 0-based number of the row in its source; blank lines do not count
    line: int  # as Row.number


class JsonText(str):
    """Canonical JSON text standing for a JSON value where a hashable value is needed."""

    __slots__ = ()


class Condition(NamedTuple):
    """One comparison: a path of field names, a lookup, and the converted value."""

    path: str  # "first_name", "owner__company__name"
    lookup: str  # "exact", "iexact" …
    value: object  # EMPTY matches '' and NULL as rule I3 says
    is_exact_text: bool  # compared again in Python, because some databases fold case (rule I3)
    column: str  # header of the column it came from, for messages


class Lookup(NamedTuple):
    """Which object of a related model a reference wants: one and only one must fit."""

    model: type[Model]
    conditions: tuple[Condition, ...] = ()  # ANDed
    system: str = ""  # with key: the object must be the one that this system maps (rule R2)
    key: str = ""


class Operand(NamedTuple):
    """A leaf of a match expression: a condition, or a reference through a mapping."""

    condition: Condition
    lookup: Lookup | None = None  # set for ``owner=>external_key``; condition.path is then the relation


class Combined(NamedTuple):
    """An inner node of a match expression."""

    operator: Literal["&", "|", "~"]
    nodes: tuple["Operand | Combined", ...]  # one for "~", two or more for "&"; "|" without any finds nothing


Match = Operand | Combined


@dataclass(slots=True, eq=False, repr=False)
class Relation:
    """A relation that columns of a file name, compiled once per file (rule R3)."""

    name: str  # as the header says it: "owner", "houses"
    kind: Literal["forward", "reverse", "reverse_one", "many"]
    model: type[Model]  # the model on whose objects the row acts
    related_model: type[Model]
    field: Any  # forward: the ForeignKey; reverse: the other model's ForeignKey; many: the ManyToManyField
    accessor: str  # attribute on an object of model
    columns: tuple[str, ...]  # headers, in file order
    through: type[Model] | None = None  # many: the model of the table between
    through_source: str = ""  # many: its foreign key to model
    through_target: str = ""  # many: its foreign key to related_model

    @property
    def attname(self) -> str:
        """Column of the foreign key (on model if forward, else on related_model)."""
        return str(self.field.attname)

    @property
    def target_attname(self) -> str:
        """What the foreign key holds of the object that it points to: its primary key or its to_field."""
        return str(self.field.target_field.attname)

    @property
    def is_required(self) -> bool:
        """Whether an object cannot be created without it."""
        return self.kind == "forward" and not self.field.null and not self.field.has_default()


class Reference(NamedTuple):
    """What one row says of one relation. A relation whose cells are all empty is not in the action at all."""

    relation: Relation
    sign: str  # "+", "-", "=" for many-to-many relations, else ""
    lookups: tuple[Lookup, ...]  # more than one only for lists; none: clear the relation (null marker, C5)
    text: str  # the cells, for messages


class Action(NamedTuple):
    """What a row asks of one object. A row gives zero, one or two (create, then update)."""

    kind: Kind
    flags: Flags  # of the whole row: an update of a row that also creates knows it
    place: Place
    row: Row
    model: type[Model]
    system: str  # name of the run's system for this source
    key: str  # "": no key
    match: Match | None  # None: the row names no match, or all of its values are empty
    is_match_empty: bool  # a match is named, and all of its values are empty (rule I3)
    values: Mapping[str, object]  # attname → converted value, or EMPTY; absent cells are absent
    references: tuple[Reference, ...]
    properties: Mapping[str, str]  # name → the cell's text (rule V6)
    columns: Mapping[str, str]  # attname or property name → header, for messages; one per source


def __getattr__(name: str) -> Any:
    """Give `ActionFactory`, which stands on every room, only to those who ask for it."""
    if name == "ActionFactory":
        from nsync.factory import ActionFactory

        return ActionFactory
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
