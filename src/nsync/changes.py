"""Change: what will happen to one object. Outcome: what became of a row. And the codes that explain it."""

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from django.db.models import Model

from nsync.actions import Place, Relation
from nsync.errors import Problem


class New(NamedTuple):
    """Stands for the primary key of an object that is not in the database yet: the row that creates it."""

    source: int  # as Place
    ordinal: int

    def __str__(self) -> str:
        return f"(new, of data row {self.ordinal + 1})"


class ObjectId(NamedTuple):
    """Which object: its concrete model and primary key."""

    model: type[Model]
    pk: object  # or New


class KeyMapping(NamedTuple):
    """One row of ExternalKeyMapping, as planning sees it."""

    system: str
    model: type[Model]  # concrete model of its content type
    key: str
    target: ObjectId | None  # None: the object is gone (stale)


class ChangeKind(Enum):
    """What a change does."""

    INSERT = "insert"
    UPDATE = "update"
    DELETE = "delete"
    MAP = "map"  # record a mapping, or point it to another object
    UNMAP = "unmap"
    RELATE = "relate"  # add rows to a many-to-many relation
    UNRELATE = "unrelate"


class Change(NamedTuple):
    """What will happen to one object, one mapping or one relation. Made by the planner, never altered."""

    kind: ChangeKind
    target: ObjectId  # MAP, UNMAP: the object that the mapping points to
    place: Place
    model: type[Model]  # the class to act through: the proxy that the command names, or target.model
    before: Mapping[str, object] = {}  # attname → value; for DELETE and UPDATE those that the change replaces
    after: Mapping[str, object] = {}  # attname → value; may hold New
    properties: Mapping[str, str] = {}  # INSERT, UPDATE: set with setattr, after the fields (rule V6)
    stored: Mapping[str, object] = {}  # UPDATE, DELETE: the whole object as it was when planned (rule T8)
    mapping: KeyMapping | None = None  # MAP: as it will be; UNMAP: as it was
    relation: Relation | None = None  # RELATE, UNRELATE
    others: tuple[ObjectId, ...] = ()  # RELATE, UNRELATE


class OutcomeKind(str, Enum):
    """What became of a row, strongest first: a row with several takes the first (rule O1)."""

    FAILED = "failed"
    CREATED = "created"
    DELETED = "deleted"
    UPDATED = "updated"
    RELEASED = "released"
    LINKED = "linked"
    UNCHANGED = "unchanged"
    AMBIGUOUS = "ambiguous"
    UNMATCHED = "unmatched"
    IGNORED = "ignored"


class Outcome(NamedTuple):
    """What became of one row (in one phase): its kind, why, and the warnings beside it."""

    place: Place
    kind: OutcomeKind
    problems: tuple[Problem, ...] = ()  # for FAILED the errors; else warnings and reasons
    displaced: int = 0  # objects removed by rule A4


# Every code that a report can show. Stable: users filter by them. docs/reference/codes.rst explains each.
ERROR_CODES: dict[str, str] = {
    "ambiguous-date": "A date that can be read in two ways.",
    "ambiguous-reference": "A required reference finds several objects.",
    "ambiguous-time": "A local time that exists twice, because the clock was put back.",
    "bad-flags": "The flags cell is not one that nsync understands.",
    "bad-match": "The match expression of the row is malformed or names no column.",
    "check": "A check constraint of the database refuses the row.",
    "decimals-lost": "The number has more decimals than the column keeps.",
    "displaced": "A forced update would remove another object, and --on-displaced error forbids it.",
    "empty-match": "All values to match by are empty.",
    "empty-snapshot": "A snapshot without rows: it would take away all that the system maps.",
    "extra-cells": "The row has more cells than the header.",
    "foreign-key": "The database refuses the row because of a reference.",
    "invalid-boolean": "The cell is not a truth value.",
    "invalid-choice": "The cell is neither a value nor a label of the field's choices.",
    "invalid-date": "The cell is not a date.",
    "invalid-datetime": "The cell is not a date and time.",
    "invalid-decimal": "The cell is not a decimal number.",
    "invalid-duration": "The cell is not a duration.",
    "invalid-float": "The cell is not a number.",
    "invalid-integer": "The cell is not a whole number.",
    "invalid-json": "The cell is not JSON.",
    "invalid-time": "The cell is not a time.",
    "invalid-uuid": "The cell is not a UUID.",
    "invalid-value": "The field does not accept the cell.",
    "missing-reference": "A required reference finds no object.",
    "no-identity": "The row has neither a key nor a match.",
    "no-key": "A row of a snapshot has no key.",
    "nonexistent-time": "A local time that the clock skipped.",
    "nul-character": "Text with a NUL character, which a database cannot hold.",
    "out-of-range": "The number is too large or too small for the column.",
    "primary-key": "An update would change a primary key.",
    "protected": "Django refuses the deletion (PROTECT, RESTRICT).",
    "refused": "The database or the model's own code refuses the row.",
    "required": "A value is missing that the object needs.",
    "time-in-date": "A time of day other than midnight in a date column.",
    "too-long": "The text is longer than the column.",
    "too-many-digits": "The number has more digits than the column.",
    "unique": "Another object has this unique value.",
    "unknown-zone": "A time zone that is not Z, UTC or a numeric offset.",
    "validation": "The model's full_clean() refuses the object (--validate).",
}
WARNING_CODES: dict[str, str] = {
    "ambiguous-match": "The match finds several objects.",
    "ambiguous-reference": "A reference finds several objects; the relation was left.",
    "displaced-kept": "A displaced object was kept (--on-displaced keep).",
    "empty-kept": "An empty cell, but the field cannot be empty: its value stays.",
    "held-by": "The object was kept: another mapping holds it or something that would go with it.",
    "match-differs": "The match finds nothing or another object: the linked object was kept.",
    "match-held": "The matched object belongs to another key of this system; it was not displaced.",
    "missing-reference": "A reference finds no object; the relation was left.",
    "no-rows": "The source has a header and no row.",
    "protected": "Django refuses the deletion that a snapshot asks for: the object was kept, its mapping removed.",
    "shared-object": "Two keys of one system now point to one object.",
}
REASON_CODES: dict[str, str] = {
    "delete-without-key": "An unforced delete needs a key.",
    "no-action": "The flags cell is empty: the row asks for nothing.",
    "no-mapping": "An unforced delete whose key is not mapped.",
    "no-match": "No object fits the row.",
    "not-executed": "The policy ran none of the row's actions.",
    "several-matches": "Several objects fit the row.",
    "stale-mapping": "The mapping's object was gone already; the mapping was removed.",
}
NOTE_CODES: dict[str, str] = {
    "column-gone": "A column that --map names and the source lacks (--contract any).",
    "filled-by-django": "A column that Django or the database fills itself; ignored.",
    "primary-key-ignored": "A primary key that the database numbers; ignored unless --map names it.",
    "duplicate-ignored": "A header that stands twice and is no column of the run; ignored.",
    "unknown-column": "A column that is neither a field nor a property; ignored.",
}
