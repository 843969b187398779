"""References of a file that the database does not have, nor the file itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from django.db.models import Model

from nsync.actions import Action, Lookup, Relation
from nsync.decode.layout import Layout
from nsync.decode.references import RelationColumns
from nsync.errors import RowError
from nsync.fields import concrete_model
from nsync.identities import Identities
from nsync.plan.resolve import Answers, Resolver
from nsync.plan.state import Found
from nsync.plan.together import Together
from nsync.profiling.findings import MOST_EXAMPLES, Example
from nsync.profiling.repeats import FIRST_FIELD, KEY, Repeats, pack_text, text_of_value, unpack_text
from nsync.spool import Spool

SCHEMA: Final = """
CREATE TABLE missing (
    relation INTEGER, value BLOB, found INTEGER, kind INTEGER, held BLOB, first INTEGER, times INTEGER,
    PRIMARY KEY (relation, value, found)
) WITHOUT ROWID;
"""
_ADD: Final = """
INSERT INTO missing VALUES (?, ?, ?, ?, ?, ?, 1) ON CONFLICT (relation, value, found) DO UPDATE SET times = times + 1
"""
_TAKE_HELD: Final = "DELETE FROM missing WHERE found = 0 AND (kind, held) IN (SELECT kind, value FROM seen)"
_TOTALS: Final = "SELECT relation, found, sum(times) FROM missing GROUP BY relation, found ORDER BY relation, found"
_FIRST: Final = "SELECT first, value FROM missing WHERE relation = ? AND found = ? ORDER BY first LIMIT ?"
_AT_ONCE: Final = 2_000  # lookups that the database is asked for together
_REMEMBERED: Final = 50_000  # lookups whose answers are known


class Unfound:
    """References of one relation that find nothing, or too much."""

    def __init__(self, relation: Relation, found: int, count: int, examples: list[Example]) -> None:
        self.relation = relation
        self.is_ambiguous = found > 1
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

    def __init__(self, layout: Layout, using: str, spool: Spool, repeats: Repeats) -> None:
        self._resolver = Resolver(Identities(using), {})
        self._together = Together(self._resolver)
        self._spool = spool
        self._repeats = repeats
        self._relations = [group.relation for group in layout.relations]
        self._own_keys = layout.system
        self._model = concrete_model(layout.model)
        self._held = _held_fields(layout)
        self._known: dict[Lookup, int] = {}  # how many objects it finds; 2: several
        self._pending: list[tuple[int, Lookup, str, int]] = []  # relation, lookup, text, line

    def add(self, action: Action) -> None:
        """Take in what a row refers to; asks the database now and then."""
        for reference in action.references:
            number = self._relations.index(reference.relation)
            for lookup in reference.lookups:
                if self._known.get(lookup) != 1:
                    self._pending.append((number, lookup, _text_of(lookup) or reference.text, action.place.line))
        for attname, (path, kind) in self._held.items():
            value = action.values.get(attname)
            if path and value:
                self._repeats.hold(kind, text_of_value(value), action.place.line)
        if len(self._pending) >= _AT_ONCE:
            self._ask()

    def unfound(self) -> Iterator[Unfound]:
        """Give what was not found; after the last row."""
        self._ask()
        self._spool.execute(_TAKE_HELD)
        for number, found, count in self._spool.execute(_TOTALS).fetchall():
            rows = self._spool.execute(_FIRST, (number, found, MOST_EXAMPLES)).fetchall()
            examples = [Example(line, unpack_text(value)) for line, value in rows]
            yield Unfound(self._relations[number], found, count, examples)

    def _ask(self) -> None:
        pending, self._pending = self._pending, []
        if len(self._known) > _REMEMBERED:
            self._known.clear()
        unknown = [lookup for _, lookup, _, _ in pending if lookup not in self._known]
        self._known.update(self._found(dict.fromkeys(unknown)))
        for number, lookup, text, line in pending:
            found = self._known[lookup]
            if found != 1:
                kind, held = self._in_file(lookup)
                self._spool.execute(_ADD, (number, pack_text(text), found, kind, held, line))

    def _found(self, lookups: Mapping[Lookup, None]) -> Iterator[tuple[Lookup, int]]:
        """Ask how many objects each finds."""
        answers: Answers = {}
        # Without a content type there is no mapping, and to ask for one would make it.
        asked = {one for one in lookups if not one.key or self._has_mappings(one.model)}
        self._together.answer([Found(lookup) for lookup in asked], answers)
        for lookup in lookups:
            question = Found(lookup)
            if lookup in asked and question not in answers:
                with suppress(RowError):  # no database can be asked so
                    self._resolver.answer(question, answers)
            yield lookup, len(answers.get(question, ()))

    def _has_mappings(self, model: type[Model]) -> bool:
        return bool(self._resolver.identities.known_content_type(model))

    def _in_file(self, lookup: Lookup) -> tuple[int | None, bytes | None]:
        """Give where the file itself may hold the object: the kind and the value that are noted of its rows."""
        if not _is_kin(self._model, lookup.model):
            return None, None
        if lookup.key:
            return (KEY, pack_text(lookup.key)) if lookup.system == self._own_keys else (None, None)
        if len(lookup.conditions) == 1 and lookup.conditions[0].lookup == "exact":
            (condition,) = lookup.conditions
            for path, kind in self._held.values():
                if path == condition.path:
                    return kind, pack_text(text_of_value(condition.value))
        return None, None


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


def _path_to_own(layout: Layout, group: RelationColumns) -> str:
    """Give the field of the file's own model by which a relation refers to it; "" if it does otherwise."""
    path = group.columns[0].path
    is_own = _is_kin(concrete_model(layout.model), group.relation.related_model)
    if not is_own or path is None or len(group.columns) > 1 or "__" in path.fields:
        return ""
    return path.fields


def _is_kin(model: type[Model], related: type[Model]) -> bool:
    return issubclass(model, related) or issubclass(related, model)


def _text_of(lookup: Lookup) -> str:
    return lookup.key or ", ".join(text_of_value(condition.value) for condition in lookup.conditions)
