"""
The rules of synchronisation for whole columns of ordinary rows: such as create an object, update one, or need nothing.

What is not ordinary is named, and left to `nsync.plan.planner`, which has all the rules: rows that fail, wait, warn or
displace; references that find nothing; rows that touch what an earlier one has touched. So there are few rules here:

- A key that is linked to an object that is there means that object (I1, I6); a forced update then needs a match that
  finds no other (A4).
- A key without mapping, or a row without key, means the object that the match finds, if it finds one (I2); a key then
  gets a mapping, unless another key of the system means the object (I7).
- Where nothing is found, a row that may create makes a new object with every column (A1).
- An update sets the columns that differ (A7), an unforced one only those that are empty now (A3).

Rows that are decided together do not see each other, and need not: no two of them have the same key, match values or
object, all refer to objects of other models only, and none gives an object a new value that a constraint compares with
those of other objects. What new objects must not share, the database refuses.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.models import DateTimeField, Model

from nsync.actions import EMPTY, Relation
from nsync.columns import KEPT, ChangedObjects, Columns, Decided, LinkedObjects, NewObjects
from nsync.equality import same
from nsync.fields import (
    concrete_model,
    empty_text,
    family,
    field_of,
    has_computed_default,
    holds_null,
    is_empty,
    is_plain,
    is_text,
    is_untouched,
    relations_to,
    types_taken_as_they_are,
)
from nsync.plan.claims import compared_columns
from nsync.plan.columnfacts import Facts
from nsync.plan.filling import absent_columns
from nsync.plan.rowplan import LEAVE
from nsync.plan.simple import path_of

Values = tuple[object, ...]


def unfit(model: type[Model], attnames: Iterable[str], references: Iterable[tuple[Relation, str]]) -> str:
    """
    Say why rows cannot be decided by columns; "" if they can.

    Args:
        model: The concrete model of the source.
        attnames: Of the columns that it writes.
        references: Its foreign keys, and the paths by which their objects are found.
    """
    label = model._meta.label
    if family(model):
        return f"{label} has parents or children by inheritance"
    if path_of(model, "pk") is None:
        return f"{label} has a primary key that Python does not compare as the database does"
    for attname in attnames:
        field = field_of(model, attname)
        if field.primary_key:
            return f"the source gives {label} its primary key"
        if not _is_compared(field):
            return f"{label}.{field.name} holds values that are not compared by columns"
    for relation, path in references:
        related = concrete_model(relation.related_model)
        if related is model or family(related):
            return f"{label}.{relation.name} refers to {label} itself, or to a model with parents or children"
        steps = path_of(related, path or "pk")
        if steps is None or any(step.model is model for step in steps) or path_of(related, "pk") is None:
            return f"{label}.{relation.name} is found by a comparison that only the database makes"
        if relation.field.primary_key or not _is_compared(relation.field):
            return f"{label}.{relation.name} holds values that are not compared by columns"
    return ""


def can_match(model: type[Model], attnames: Iterable[str]) -> bool:
    """Whether Python tells, by these columns, which objects a match finds."""
    return all(path_of(model, attname) is not None for attname in attnames)


def _is_compared(field: Any) -> bool:
    """Whether two values of a field that are equal in Python are the same in its column."""
    if not is_untouched(field):
        return False
    is_plain_text = is_text(field) and bool(types_taken_as_they_are(field))
    return is_plain(field) or is_plain_text or isinstance(field, DateTimeField)


class ColumnRules:
    """
    Decides what becomes of ordinary rows of one source.

    Args:
        model: The concrete model of the source.
        folds_text: The database takes text that differs in case or accents for the same.
    """

    def __init__(self, model: type[Model], *, folds_text: bool) -> None:
        self._model = model
        self._compared = compared_columns(model, folds_text=folds_text) | {
            relation.field.target_field.attname for relation in relations_to(model)
        }

    def decide(self, columns: Columns, facts: Facts, *, creates: bool, updates: bool) -> Decided:
        """
        Decide, as if one row after the other; rows that are not ordinary are named.

        Args:
            columns: What the rows say.
            facts: What the database holds of them.
            creates: This phase creates, for rows whose flags ask for it.
            updates: This phase updates, likewise.

        Queries: none.
        """
        rows = _Rows(self._model, columns, facts, creates=creates, updates=updates, compared=self._compared)
        rows.decide()
        return rows.decided()


class _Rows:
    """The rows of one call; thrown away when they are decided."""

    def __init__(
        self,
        model: type[Model],
        columns: Columns,
        facts: Facts,
        *,
        creates: bool,
        updates: bool,
        compared: frozenset[str],
    ) -> None:
        self.model = model
        self.columns = columns
        self.facts = facts
        self.creates = creates
        self.updates = updates
        self.force = columns.flags.force
        self.names = (*columns.names, *(wanted.relation.attname for wanted in columns.wanted))
        self.peculiar = set(columns.peculiar)
        self.new: list[int] = []
        self.linked: list[tuple[int, str, object]] = []
        self.changed: dict[tuple[int, ...], list[tuple[int, object, Values, Values]]] = {}
        self._fields = [field_of(model, name) for name in self.names]
        self._is_compared = [name in compared for name in self.names]
        self._values = [self._column(number) for number in range(len(columns.names))]
        self._values += [self._references(number) for number in range(len(columns.wanted))]
        self._absent = absent_columns(model)
        self._match = self._matches()
        self._can_make = self._may_make()
        self._targets: set[object] = set()

    def _column(self, number: int) -> Sequence[object]:
        """Give a column with empty cells as the column holds them (rule V3)."""
        values = self.columns.values[number]
        if not self.columns.has_empty[number]:
            return values
        field = self._fields[number]
        if holds_null(field):
            empty = None
        elif is_text(field):
            empty = empty_text(field)
        else:
            self.peculiar.update(row for row, value in enumerate(values) if value is EMPTY)
            return values
        return [empty if value is EMPTY else value for value in values]

    def _references(self, number: int) -> Sequence[object]:
        """Give what the foreign keys will hold."""
        found = {**self.facts.references[number], EMPTY: KEPT}
        values = [found.get(value) for value in self.columns.wanted[number].values]
        if None in values:
            self.peculiar.update(row for row, value in enumerate(values) if value is None)
        return values

    def _matches(self) -> Sequence[Values]:
        """Give the match values of each row; a row that has those of an earlier one, or its key, is peculiar."""
        self._note_repeated(self.columns.keys)
        if not self.columns.match:
            return ()
        compared = [self.columns.values[self.columns.names.index(name)] for name in self.columns.match]
        values = list(zip(*compared, strict=True))
        self._note_repeated(values)
        return values

    def _note_repeated(self, values: Sequence[object]) -> None:
        if len(set(values)) == len(values):
            return
        seen = set()
        for row, value in enumerate(values):
            if value in seen:
                self.peculiar.add(row)
            seen.add(value)

    def decide(self) -> None:
        """Go through the rows."""
        if not (self.facts.linked or self.facts.found):
            self._make_all()
            return
        keys, linked, found = self.columns.keys, self.facts.linked, self.facts.found
        stored, displaces = self.facts.stored, self.updates and self.force and bool(self._match)
        rows = list(zip(*self._values, strict=True)) if self._values else [()] * self.columns.count
        for row, values in enumerate(rows):
            if row in self.peculiar:
                continue
            is_linked = bool(keys) and keys[row] in linked
            matched = found.get(self._match[row]) if self._match else None
            target = linked[keys[row]] if is_linked else matched
            if target is None and not is_linked:
                self._make(row)
            elif target not in stored or (is_linked and displaces and matched not in (None, target)):
                self.peculiar.add(row)  # stale, several, or to be displaced
            elif target in self._targets or not (is_linked or self._link(row, target)):
                self.peculiar.add(row)
            else:
                self._targets.add(target)
                if self.updates and stored[target] != values:
                    self._update(row, target, stored[target], values)

    def _make_all(self) -> None:
        self.new = [row for row in range(self.columns.count) if row not in self.peculiar]
        if not self._can_make:
            self.peculiar.update(self.new)
            self.new = []

    def _may_make(self) -> bool:
        """Whether rows may create, and every column that must have a value gets one."""
        absent = [get for name, get in self._absent.items() if name not in self.names]
        if not self.creates or None in absent:
            return False
        return bool(self.names) or any(get is not None and get() is not LEAVE for get in absent)

    def _make(self, row: int) -> None:
        if self._can_make:
            self.new.append(row)
        else:
            self.peculiar.add(row)

    def _link(self, row: int, target: object) -> bool:
        """Let the row's key, if it has one, mean the matched object (rule I7)."""
        if self.columns.keys:
            if target in self.facts.held:
                return False
            self.linked.append((row, self.columns.keys[row], target))
        return True

    def _update(self, row: int, target: object, stored: Values, values: Values) -> None:
        """Rules A3 and A7."""
        changed = []
        for number, (old, new) in enumerate(zip(stored, values, strict=True)):
            if new is KEPT or old == new:
                continue
            # Of a relation only NULL is empty (R4): text that it holds, even '', names an object.
            is_free = is_empty(old) if number < len(self.columns.names) else old is None
            if not self.force and (is_empty(new) or not is_free):
                continue
            if same(self._fields[number], old, new):
                continue
            # A match by several columns may then find what is neither the object's old values nor the row's.
            is_half_matched = (
                not self.force and len(self.columns.match) > 1 and self.names[number] in self.columns.match
            )
            if self._is_compared[number] or is_half_matched:
                self.peculiar.add(row)
                return
            changed.append(number)
        if not changed:
            return
        new = tuple(values[number] for number in changed)
        self.changed.setdefault(tuple(changed), []).append((row, target, new, stored))

    def decided(self) -> Decided:
        """Give what was decided."""
        new = self._new_objects()
        changed = []
        for numbers, found in self.changed.items():
            rows, pks, values, read = zip(*found, strict=True)
            changed.append(ChangedObjects(rows, pks, tuple(self.names[number] for number in numbers), values, read))
        linked = LinkedObjects(*(zip(*self.linked, strict=True) if self.linked else ((), (), ())))
        return Decided(self.names, new, changed, linked, self.peculiar)

    def _new_objects(self) -> NewObjects:
        """Give every column of the new objects (rules A1, V3)."""
        values = {name: self._defaulted(name, column) for name, column in zip(self.names, self._values, strict=True)}
        rows = [row for row in self.new if row not in self.peculiar] if self.peculiar else self.new
        if len(rows) < self.columns.count:
            values = {name: [column[row] for row in rows] for name, column in values.items()}
        for name, get in self._absent.items():
            if name not in values and get is not None:
                column = [get() for _ in rows]
                if any(hasattr(value, "resolve_expression") for value in column):  # such as Now()
                    self.peculiar.update(rows)
                elif LEAVE not in column:
                    values[name] = column
        return NewObjects(rows, tuple(values), list(values.values()))

    def _defaulted(self, name: str, column: Sequence[object]) -> Sequence[object]:
        """Give a column with the default of the field where a row says nothing of it; peculiar, if there is none."""
        if KEPT not in column:
            return column
        get = self._absent[name]
        if get is None or has_computed_default(field_of(self.model, name)) or get() is LEAVE:
            self.peculiar.update(row for row in self.new if column[row] is KEPT)
            return column
        return [get() if value is KEPT else value for value in column]
