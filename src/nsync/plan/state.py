"""State: the slice of the database that one row knows, as answers to questions; absorbs what the row plans."""

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from django.db.models import Model

from nsync.actions import Lookup, Match, Relation
from nsync.changes import Change, ChangeKind, KeyMapping, ObjectId

# Each question ends with a word of its own: tuples that hold the same are equal, whatever their class.


class Linked(NamedTuple):
    """Which mapping has this key? → KeyMapping | None."""

    system: str
    model: type[Model]
    key: str
    asks: Literal["linked"] = "linked"


class Matched(NamedTuple):
    """Which objects fit this match? → tuple[ObjectId, ...]; two stand for two or more."""

    model: type[Model]
    match: Match
    asks: Literal["matched"] = "matched"


class Found(NamedTuple):
    """Which objects does this reference mean? → tuple[ObjectId, ...]; two stand for two or more."""

    lookup: Lookup
    without: frozenset[ObjectId] = frozenset()  # objects that the row removes
    asks: Literal["found"] = "found"


class Stored(NamedTuple):
    """What does the object hold? → attname (or property name) → value; None: there is no such object."""

    target: ObjectId
    asks: Literal["stored"] = "stored"


class Related(NamedTuple):
    """Which objects does this relation reach from this object? → frozenset[ObjectId]."""

    target: ObjectId
    relation: Relation
    asks: Literal["related"] = "related"


class MappingsOf(NamedTuple):
    """Which mappings point to the object, or to its parent or child rows? → tuple[KeyMapping, ...]."""

    target: ObjectId
    asks: Literal["mappings"] = "mappings"


class CascadeOf(NamedTuple):
    """What goes when the object goes? → Cascade."""

    target: ObjectId
    asks: Literal["cascade"] = "cascade"


Question = Linked | Matched | Found | Stored | Related | MappingsOf | CascadeOf


class Emptied(NamedTuple):
    """A foreign key that a deletion sets to NULL where it holds one of these values."""

    model: type[Model]
    attname: str
    values: frozenset[object]


class Cascade(NamedTuple):
    """What the deletion of one object takes along."""

    removed: tuple[ObjectId, ...]  # the object itself among them; parent and child rows too
    mappings: tuple[KeyMapping, ...]  # all that point to any of them
    refusal: str = ""  # why Django refuses (PROTECT, RESTRICT), naming what stands in the way
    emptied: tuple[Emptied, ...] = ()


class Unanswered(Exception):
    """The planner needs an answer that nobody has asked the database for yet."""

    def __init__(self, question: Question) -> None:
        super().__init__(question)
        self.question = question


class State:
    """
    Answers to the planner's questions: what the database said, overlaid by what the row plans already.

    The planner makes no query. A question without an answer raises `Unanswered`; the conductor has
    `plan.resolve` answer it, and plans the row again.
    """

    def __init__(self, answers: Mapping[Question, Any]) -> None:
        self._answers = answers  # what the database said
        self._planned: dict[Question, Any] = {}  # what it will say once the planned changes are written
        self._inserted: set[ObjectId] = set()
        self._removed: set[ObjectId] = set()
        self._emptied: list[Emptied] = []

    def _ask(self, question: Question) -> Any:
        if question in self._planned:
            return self._planned[question]
        try:
            return self._answers[question]
        except KeyError:
            raise Unanswered(question) from None

    def linked(self, system: str, model: type[Model], key: str) -> KeyMapping | None:
        """Give the mapping of a key; a stale one has no target. Without a key: None."""
        mapping: KeyMapping | None = self._ask(Linked(system, model, key)) if key else None
        return mapping

    def matched(self, model: type[Model], match: Match) -> tuple[ObjectId, ...]:
        """Give the objects that fit a match."""
        objects: tuple[ObjectId, ...] = self._ask(Matched(model, match))
        return objects

    def found(self, lookup: Lookup) -> tuple[ObjectId, ...]:
        """Give the objects that a reference means."""
        objects: tuple[ObjectId, ...] = self._ask(Found(lookup, frozenset(self._removed)))
        return objects

    def stored(self, target: ObjectId) -> Mapping[str, object] | None:
        """Give the values of an object, None if it is gone."""
        question = Stored(target)
        values: Mapping[str, object] | None = self._ask(question)
        if values is None or question in self._planned:
            return values
        emptied = {
            attname: None
            for model, attname, held in self._emptied
            if issubclass(target.model, model) and values[attname] in held
        }
        return {**values, **emptied} if emptied else values

    def values(self, target: ObjectId) -> Mapping[str, object]:
        """Give the values of an object that is known to exist."""
        return self.stored(target) or {}

    def related(self, target: ObjectId, relation: Relation) -> frozenset[ObjectId]:
        """Give the objects that a relation reaches; none for an object that is not written yet."""
        question = Related(target, relation)
        if target in self._inserted and question not in self._planned:
            return frozenset()
        objects: frozenset[ObjectId] = self._ask(question)
        return objects - self._removed

    def mappings_of(self, target: ObjectId) -> tuple[KeyMapping, ...]:
        """Give the mappings of an object and of its parent and child rows."""
        if target in self._inserted:
            return ()
        mappings: tuple[KeyMapping, ...] = self._ask(MappingsOf(target))
        return mappings

    def cascade_of(self, target: ObjectId) -> Cascade:
        """Give what the deletion of an object takes along."""
        cascade: Cascade = self._ask(CascadeOf(target))
        return cascade

    def absorb(self, change: Change) -> None:
        """Let later questions see a planned change."""
        if change.kind is ChangeKind.INSERT:
            self._inserted.add(change.target)
            self._planned[Stored(change.target)] = {**change.after, **change.properties}
        elif change.kind is ChangeKind.UPDATE:
            self._planned[Stored(change.target)] = {
                **self.values(change.target),
                **change.after,
                **change.properties,
            }
        elif change.kind is ChangeKind.DELETE:
            self._absorb_removal(change)
        elif change.kind in (ChangeKind.MAP, ChangeKind.UNMAP):
            self._absorb_mapping(change)
        else:
            self._absorb_relation(change)

    def _absorb_removal(self, change: Change) -> None:
        self._removed.update(change.others)
        self._emptied.extend(self.cascade_of(change.target).emptied)
        self._planned.update(dict.fromkeys(Stored(other) for other in change.others))

    def _absorb_mapping(self, change: Change) -> None:
        mapping = change.mapping
        assert mapping is not None  # every MAP and UNMAP carries one
        is_kept = change.kind is ChangeKind.MAP
        self._planned[Linked(mapping.system, mapping.model, mapping.key)] = mapping if is_kept else None

    def _absorb_relation(self, change: Change) -> None:
        assert change.relation is not None  # every RELATE and UNRELATE carries one
        now = self.related(change.target, change.relation)
        others = frozenset(change.others)
        later = now | others if change.kind is ChangeKind.RELATE else now - others
        self._planned[Related(change.target, change.relation)] = later
