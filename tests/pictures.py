"""
Pictures: what a database holds, said without the primary keys that the database gave during a run.

Two engines may number the objects that they create in another order, so an object of a run is known by its columns and
by what it refers to and what refers to it; an object of before the run is known by its primary key.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.apps import apps
from django.db.models import SET_NULL, Model

from nsync.fields import is_refilled
from nsync.models import ExternalKeyMapping

# Primary keys that files of the tests give; far apart, so that what a database numbers after one is no other.
EXPLICIT_KEYS = ("700000000", "800000000", "900000000")
EXPLICIT_UUIDS = ("00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002")
_ROUNDS = 6  # how far around an object its neighbours tell it from another one
_CLOCKS = frozenset({"DbDefault.created"})  # columns that the database fills with the time
_PAIRS = frozenset({"TeamPlace"})  # rows that nothing refers to: like those of any many-to-many relation


class Node(NamedTuple):
    """One row of a table."""

    table: str
    pk: str


Values = dict[str, Any]  # column → value


@dataclass(frozen=True)
class Picture:
    """What the tables held."""

    lines: Counter[str]  # one for each row, in words
    shapes: Counter[str]  # one for each row: what can be reached from it
    own: dict[Node, Values] = field(repr=False)  # no columns that fill themselves or that a deletion elsewhere clears
    stamps: dict[Node, Values] = field(repr=False)  # the columns that fill themselves at each save

    def difference(self, other: Picture) -> str:
        """Say how another picture differs; nothing if it does not."""
        if self.lines != other.lines:
            missing = [f"  - {line}" for line in sorted((self.lines - other.lines).elements())]
            surplus = [f"  + {line}" for line in sorted((other.lines - self.lines).elements())]
            return "\n".join(["the tables differ (- wanted, + found):", *missing, *surplus])
        if self.shapes != other.shapes:
            lines = [f"    {line}" for line in sorted(other.lines.elements())]
            return "\n".join(["of new objects with equal columns, another one is referred to; the rows:", *lines])
        return ""

    def saved(self, before: Picture) -> set[Node]:
        """Give the rows that were there before and were saved since."""
        return {node for node, stamps in self.stamps.items() if before.stamps.get(node, stamps) != stamps}

    def changed(self, before: Picture) -> set[Node]:
        """Give the rows that were there before and hold something else now."""
        return {node for node, values in self.own.items() if before.own.get(node, values) != values}


class _Table:
    """One model, and how a picture shows its columns."""

    def __init__(self, model: type[Model]) -> None:
        meta = model._meta
        self.model = model
        self.name = meta.object_name or ""
        self.is_pair = bool(meta.auto_created) or self.name in _PAIRS
        self.shows_keys = not (meta.auto_field or meta.pk.is_relation or meta.pk.has_default())
        self.columns = [column.attname for column in meta.local_concrete_fields]
        self.stamped = {column.attname for column in meta.local_concrete_fields if is_refilled(column)}
        related = [column for column in meta.local_concrete_fields if column.is_relation]
        self.cleared = {column.attname for column in related if column.remote_field.on_delete is SET_NULL}
        # Reference by another column than the primary key: that column says it all.
        self.references = {
            column.attname: (column.name, column.related_model._meta.object_name or "")
            for column in related
            if column.target_field.primary_key or column.target_field.is_relation
        }
        clocks = {name for name in self.columns if f"{self.name}.{name}" in _CLOCKS}
        self.plain = [
            name for name in self.columns if name not in {meta.pk.attname, *self.references, *self.stamped, *clocks}
        ]

    def rows(self) -> Iterator[tuple[Node, Values]]:
        """Read the table."""
        for values in self.model._base_manager.values_list("pk", *self.columns):
            yield Node(self.name, str(values[0])), dict(zip(self.columns, values[1:], strict=True))


class Photographer:
    """
    Takes pictures of some tables.

    Args:
        models: Names of models of the test app; the tables of their many-to-many relations come by themselves.
    """

    def __init__(self, models: Collection[str]) -> None:
        # A proxy has no table of its own.
        found = (apps.get_model("testapp", name)._meta.concrete_model for name in models)
        named: list[type[Model]] = list(dict.fromkeys(model for model in found if model is not None))
        between = {relation.remote_field.through for model in named for relation in model._meta.local_many_to_many}
        hidden = [model for model in between if model._meta.auto_created]
        every = [*named, *sorted(hidden, key=lambda model: model._meta.label)]
        self._tables = {table.name: table for table in map(_Table, every)}
        self._known: frozenset[Node] = frozenset()  # the rows that a picture calls by their primary keys
        self._rows: dict[Node, Values] = {}
        self._told: dict[Node, Values] = {}  # the columns that a picture shows
        self._edges: dict[Node, list[tuple[str, Node]]] = {}  # row → what it refers to, and by which column

    def begin(self) -> Picture:
        """Take a picture of how things are before a run: what is there now, or was once, keeps its name."""
        self._read()
        self._known = frozenset([*self._rows, *(target for found in self._edges.values() for _, target in found)])
        return self._develop()

    def shoot(self) -> Picture:
        """Take a picture of how things are now."""
        self._read()
        return self._develop()

    def _read(self) -> None:
        self._rows, self._told, self._edges = {}, {}, {}
        for table in self._tables.values():
            for node, values in table.rows():
                self._rows[node] = values
                self._told[node] = {name: values[name] for name in table.plain}
                self._edges[node] = [
                    (name, Node(target, str(values[column])))
                    for column, (name, target) in table.references.items()
                    if values[column] is not None
                ]
        for mapping in ExternalKeyMapping.objects.select_related("external_system", "content_type"):
            model = mapping.content_type.model_class()
            name = f"{mapping.external_system.name} {mapping.content_type.model} {mapping.external_key}"
            node = Node("key", name)
            self._rows[node] = self._told[node] = {}
            self._edges[node] = [("object", Node(model.__name__ if model else "?", mapping.object_id))]

    def _develop(self) -> Picture:
        lines = {node: self._line(node) for node in self._rows}
        around = {node: list(found) for node, found in self._edges.items()}
        for node, found in self._edges.items():
            for name, target in found:
                if target in around:
                    around[target].append((f"{node.table}.{name}", node))
        shapes = lines
        for _ in range(_ROUNDS):
            shapes = {node: self._shape(node, shapes, around[node]) for node in shapes}
        own, stamps = {}, {}
        for node, values in self._rows.items():
            table = self._tables.get(node.table)
            if table is not None:
                filled = table.stamped | table.cleared
                own[node] = {name: value for name, value in values.items() if name not in filled}
                stamps[node] = {name: values[name] for name in table.stamped}
        return Picture(Counter(lines.values()), Counter(shapes.values()), own, stamps)

    def _line(self, node: Node) -> str:
        columns = [f"{name}={value!r}" for name, value in self._told[node].items()]
        columns += [f"{name}={self._name(target)}" for name, target in self._edges[node]]
        return f"{self._name(node)}: {' '.join(columns)}"

    def _shape(self, node: Node, shapes: Mapping[Node, str], around: list[tuple[str, Node]]) -> str:
        seen = sorted(f"{name} {shapes.get(other) or self._name(other)}" for name, other in around)
        return hashlib.md5("\n".join([shapes[node], *seen]).encode()).hexdigest()

    def _name(self, node: Node) -> str:
        """Call a row what it is called in the pictures of every engine."""
        table = self._tables.get(node.table)
        if table is not None and table.is_pair and node in self._rows:
            return node.table
        if node.table == "key" or node in self._known or node.pk in (*EXPLICIT_KEYS, *EXPLICIT_UUIDS):
            return f"{node.table} {node.pk}"
        if table is not None and table.shows_keys:
            return f"{node.table} {node.pk}"
        texts = [str(value) for value in self._told.get(node, {}).values() if isinstance(value, str) and value]
        return f"{node.table} new({'|'.join(texts)})" if node in self._rows else f"{node.table} new, and gone"
