"""References of a file that the database does not have, nor the file itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final, NamedTuple

from nsync.actions import Action, Lookup, Relation
from nsync.decode.layout import Layout
from nsync.decode.references import RelationColumns
from nsync.errors import RowError
from nsync.fields import are_kin, concrete_model
from nsync.plan.resolve import Answers, Resolver
from nsync.plan.state import Found
from nsync.plan.together import Together
from nsync.profiling.failing import Failing
from nsync.profiling.findings import MOST_EXAMPLES, Example
from nsync.profiling.repeats import (
    FIRST_FIELD,
    MAPPED,
    Repeats,
    operands_of,
    pack_text,
    text_of_value,
    unpack_text,
)
from nsync.profiling.standing import Stand, Standing
from nsync.spool import Spool

SCHEMA: Final = """
CREATE TABLE missing (
    relation INTEGER, ordinal INTEGER, line INTEGER, value BLOB, found INTEGER, waits INTEGER, is_error INTEGER,
    kind INTEGER, held BLOB
);
"""
_ADD: Final = "INSERT INTO missing VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
# A row that waits as a whole is no object to which it could refer itself.
_TAKE_HELD: Final = """
DELETE FROM missing WHERE found = 0 AND EXISTS (
    SELECT 1 FROM seen WHERE seen.kind = missing.kind AND seen.value = missing.held
    AND NOT (missing.waits AND seen.times = 1 AND seen.first = missing.line)
)
"""
_TOTALS: Final = """
SELECT relation, found, is_error, count(DISTINCT ordinal) FROM missing
GROUP BY relation, found, is_error ORDER BY relation, found, is_error DESC
"""
_FIRST: Final = """
SELECT min(line), value FROM missing WHERE relation = ? AND found = ? AND is_error = ?
GROUP BY value ORDER BY min(ordinal) LIMIT ?
"""
_FAILED: Final = "SELECT ordinal FROM missing WHERE is_error"
_AT_ONCE: Final = 2_000  # lookups that the database is asked for together
_REMEMBERED: Final = 50_000  # lookups whose answers are known


class _Wanted(NamedTuple):
    """What one row wants of one relation."""

    relation: int
    lookup: Lookup
    text: str
    action: Action


class Unfound:
    """References of one relation that find nothing, or too much."""

    def __init__(
        self, relation: Relation, *, is_ambiguous: bool, is_error: bool, count: int, examples: list[Example]
    ) -> None:
        self.relation = relation
        self.is_ambiguous = is_ambiguous
        self.is_error = is_error  # a sync would refuse the rows
        self.count = count  # rows
        self.examples = examples

    @property
    def column(self) -> str:
        """Their headers."""
        return ", ".join(self.relation.columns)


class Referring:
    """
    Looks up the references of rows, some thousand at once.

    An object that the file itself brings counts as found: rows wait for each other (rule R6).

    Queries: as a run has for its references; nothing is written.
    """

    def __init__(self, layout: Layout, resolver: Resolver, spool: Spool, repeats: Repeats, failing: Failing) -> None:
        self._resolver = resolver
        self._together = Together(resolver)
        self._standing = Standing(resolver)
        self._spool = spool
        self._repeats = repeats
        self._failing = failing
        self._relations = [group.relation for group in layout.relations]
        self._is_refused = layout.options.on_missing_reference == "error"
        self._own_keys = layout.system
        self._model = concrete_model(layout.model)
        self._held = _held_fields(layout)
        self._written = _written_names(layout)
        self._refers_to_keys = any(
            column.path is None
            and column.system == layout.system
            and are_kin(self._model, group.relation.related_model)
            for group in layout.relations
            for column in group.columns
        )
        self._known: dict[Lookup, int] = {}  # how many objects it finds; 2: several
        self._pending: list[_Wanted] = []

    def add(self, action: Action) -> None:
        """Take in what a row refers to; asks the database now and then."""
        for reference in action.references:
            number = self._relations.index(reference.relation)
            for lookup in reference.lookups:
                if self._known.get(lookup) != 1:
                    self._pending.append(_Wanted(number, lookup, _text_of(lookup) or reference.text, action))
        self._hold(action)
        if len(self._pending) >= _AT_ONCE:
            self._ask()

    def _hold(self, action: Action) -> None:
        """Note by what others can refer to the object of a row, if the row makes it so."""
        flags, line = action.flags, action.place.line
        if not (flags.create or flags.update):
            return
        if self._refers_to_keys and action.key and (flags.create or action.match is not None):
            self._repeats.hold(MAPPED, action.key, line)
        # What a row that only updates is matched by, its object has already, or there is none.
        matched = () if flags.create else [one.path for one, _ in operands_of(action.match)]
        for attname, (path, kind) in self._held.items():
            value = action.values.get(attname)
            if value and path not in matched:
                self._repeats.hold(kind, text_of_value(value), line)

    def unfound(self) -> Iterator[Unfound]:
        """Give what was not found; after the last row."""
        self._ask()
        self._spool.execute(_TAKE_HELD)
        self._failing.add_all(_FAILED)
        for number, found, is_error, count in self._spool.execute(_TOTALS).fetchall():
            rows = self._spool.execute(_FIRST, (number, found, is_error, MOST_EXAMPLES)).fetchall()
            examples = [Example(line, unpack_text(value)) for line, value in rows]
            yield Unfound(
                self._relations[number],
                is_ambiguous=found > 1,
                is_error=bool(is_error),
                count=count,
                examples=examples,
            )

    def _ask(self) -> None:
        pending, self._pending = self._pending, []
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        unknown = [wanted.lookup for wanted in pending if wanted.lookup not in self._known]
        self._known.update(self._found(dict.fromkeys(unknown)))
        missing = [wanted for wanted in pending if self._known[wanted.lookup] != 1]
        doubtful = {one.action.place.ordinal: one.action for one in missing if self._may_wait(one)}
        stands = dict(zip(doubtful, self._standing.of(list(doubtful.values())), strict=True))
        for one in missing:
            place, found = one.action.place, self._known[one.lookup]
            waits = place.ordinal in stands and self._waits(one, stands[place.ordinal])
            kind, held, is_sure = self._in_file(one.lookup)
            is_error = waits and (is_sure or found > 1)
            text = pack_text(one.text)
            row = (one.relation, place.ordinal, place.line, text, found, waits, is_error, kind, held)
            self._spool.execute(_ADD, row)

    def _may_wait(self, wanted: _Wanted) -> bool:
        """Whether a row may not be applied without what it does not find (rule R5)."""
        is_refused = self._is_refused and self._known[wanted.lookup] == 0
        return is_refused or (self._relations[wanted.relation].is_required and wanted.action.flags.create)

    def _waits(self, wanted: _Wanted, stand: Stand) -> bool:
        """Whether a row of which that may be does something to an object that needs it."""
        flags = wanted.action.flags
        if flags.create and not stand.is_there:
            return True
        is_refused = self._is_refused and self._known[wanted.lookup] == 0
        return is_refused and flags.update and (stand.is_there or self._repeats.has(wanted.action, times=2))

    def _found(self, lookups: Mapping[Lookup, None]) -> Iterator[tuple[Lookup, int]]:
        """Ask how many objects each finds."""
        answers: Answers = {}
        # Without a content type there is no mapping, and to ask for one would make it.
        asked = {one for one in lookups if not one.key or self._standing.has_mappings(one.model)}
        self._together.answer([Found(lookup) for lookup in asked], answers)
        for lookup in lookups:
            question = Found(lookup)
            if lookup in asked and question not in answers:
                with suppress(RowError):  # no database can be asked so
                    self._resolver.answer(question, answers)
            yield lookup, len(answers.get(question, ()))

    def _in_file(self, lookup: Lookup) -> tuple[int | None, bytes | None, bool]:
        """
        Give where the file itself may hold the object.

        Returns:
            The kind and the value that are noted of its rows, None and None if none is; and whether what is not found
            so is not in the file.
        """
        if not are_kin(self._model, lookup.model):
            return None, None, True
        if lookup.key and not lookup.conditions:
            is_own = lookup.system == self._own_keys
            return (MAPPED, pack_text(lookup.key), True) if is_own else (None, None, True)
        if len(lookup.conditions) == 1 and not lookup.key and lookup.conditions[0].lookup == "exact":
            (condition,) = lookup.conditions
            for path, kind in self._held.values():
                if path == condition.path:
                    return kind, pack_text(text_of_value(condition.value)), True
        return None, None, self._written.isdisjoint(one.path.split("__")[0] for one in lookup.conditions)


def _held_fields(layout: Layout) -> dict[str, tuple[str, int]]:
    """Give the fields by which rows of the file are referred to by others of it: attname → path, kind of value."""
    paths = [_path_to_own(layout, group) for group in layout.relations]
    attnames = {column.attname for column in layout.fields}
    model = concrete_model(layout.model)
    found: dict[str, tuple[str, int]] = {}
    for path in dict.fromkeys(filter(None, paths)):
        field: Any = model._meta.pk if path == "pk" else model._meta.get_field(path)
        attname = str(getattr(field, "attname", ""))
        if attname in attnames:
            found[attname] = (path, FIRST_FIELD + len(found))
    return found


def _written_names(layout: Layout) -> frozenset[str]:
    """Give the names of fields that the file may set."""
    fields = concrete_model(layout.model)._meta.concrete_fields
    if layout.properties:  # they may set any
        return frozenset(name for field in fields for name in (field.name, field.attname))
    attnames = {column.attname for column in layout.fields}
    names = {name for field in fields if field.attname in attnames for name in (field.name, field.attname)}
    return frozenset(names | {group.relation.name for group in layout.relations})


def _path_to_own(layout: Layout, group: RelationColumns) -> str:
    """Give the field of the file's own model by which a relation refers to it; "" if it does otherwise."""
    path = group.columns[0].path
    is_own = are_kin(concrete_model(layout.model), group.relation.related_model)
    if not is_own or path is None or len(group.columns) > 1 or "__" in path.fields:
        return ""
    return path.fields


def _text_of(lookup: Lookup) -> str:
    return lookup.key or ", ".join(text_of_value(condition.value) for condition in lookup.conditions)
