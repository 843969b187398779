"""Images: the rows that a write may touch, read before and after it; what differs is what was written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connections, models, router
from django.db.models import Model, QuerySet

from nsync.actions import Place
from nsync.apply.fold import Between, Keys, Named, known, pairs_of
from nsync.apply.removing import objects_with
from nsync.changes import Change, ChangeKind, New, ObjectId
from nsync.equality import is_another
from nsync.fields import columns_of, concrete_model, field_of, relations_to
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping
from nsync.recording import WrittenRows
from nsync.rowsin import RowsIn, slices

Row = dict[str, object]  # attname → value; the columns of one table
Rows = dict[ObjectId, Row]  # by the model of the table and primary key
Pair = tuple[object, object]

# What takes rows along or forbids that they go. All else does something to the rows that point to what goes.
_TAKES = {models.CASCADE, models.PROTECT, models.RESTRICT, getattr(models, "DB_CASCADE", models.CASCADE)}


@dataclass
class _Scope:
    """What a write may touch, and which row of a source asks for it."""

    rows: dict[ObjectId, Place] = field(default_factory=dict)  # may be `New`
    removed: dict[ObjectId, Place] = field(default_factory=dict)
    mappings: dict[Named, Place] = field(default_factory=dict)
    pairs: dict[Between, dict[Pair, Place]] = field(default_factory=dict)


class Image:
    """
    Records what a write does to the rows that it is about, whoever does it: nsync, a ``save()``, the database.

    Args:
        changes: What is going to be written.
        identities: Knows the database.

    Queries: before and after, one for each model (and thousand rows, where a statement cannot take more), one for the
    mappings of each system and model, one for each many-to-many relation; before, one for each foreign key that points
    to what is deleted.
    """

    def __init__(self, changes: Sequence[Change], identities: Identities) -> None:
        self._using = identities.using
        self._identities = identities
        self._scope = _scope_of(changes)
        self._places: dict[ObjectId, Place] = {}
        self._locks = connections[self._using].features.has_select_for_update
        self._before = self._read({})
        self._locks = False
        self._before.update(self._pointing())

    def compare(self, keys: Keys) -> list[WrittenRows]:
        """
        Give what was written since the image was taken.

        Args:
            keys: Primary keys of the objects that were created.
        """
        after = self._read(keys)
        left = {target: self._places[target] for target in self._before if target not in after}
        after.update(self._read_objects(left))  # what was found otherwise than by its key
        return list(_differences(self._before, after, self._places))

    def _read(self, keys: Keys) -> Rows:
        scope = self._scope
        wanted: dict[ObjectId, Place] = {}
        for target, place in {**scope.rows, **scope.removed}.items():
            pk = known(target.pk, keys)
            if not isinstance(pk, New):
                wanted[ObjectId(target.model, pk)] = place
        found = self._read_objects(wanted)
        for between, pairs in scope.pairs.items():
            found.update(self._read_pairs(between, pairs, keys))
        found.update(self._read_mappings())
        return found

    def _read_objects(self, wanted: Mapping[ObjectId, Place]) -> Rows:
        """Read objects, and before each the rows of its parents by inheritance."""
        by_model: dict[type[Model], dict[object, Place]] = {}
        for target, place in wanted.items():
            if not is_composite(target.model):
                by_model.setdefault(target.model, {})[target.pk] = place
        found: Rows = {}
        for model, places in by_model.items():
            own: Rows = {}
            for rows in objects_with(model, list(places), self._using):
                own.update(self._rows(rows, model))
            parents = {
                ObjectId(concrete_model(parent), row[link.attname]): places.get(target.pk)
                for target, row in own.items()
                for parent, link in model._meta.parents.items()
                if link is not None
            }
            for target in own:
                self._places.setdefault(target, places[target.pk])
            found.update(self._read_objects({target: place for target, place in parents.items() if place is not None}))
            found.update(own)
        return found

    def _rows(self, rows: QuerySet[Any], model: type[Model]) -> Rows:
        names, pk = columns_of(model), model._meta.pk.attname
        if self._locks:  # nobody else's change is to be taken for one of the run; in one order, as everywhere
            rows = rows.select_for_update().order_by("pk")
        found = (dict(zip(names, values, strict=True)) for values in rows.values_list(*names))
        return {ObjectId(model, row[pk]): row for row in found}

    def _read_pairs(self, between: Between, pairs: Mapping[Pair, Place], keys: Keys) -> Rows:
        through = concrete_model(between.through)
        ends: list[Any] = [through._meta.get_field(name) for name in (between.source, between.target)]
        places = {tuple(known(pk, keys) for pk in pair): place for pair, place in pairs.items()}
        there = [pair for pair in places if not any(isinstance(pk, New) for pk in pair)]
        found: Rows = {}
        if there:
            names = [end.attname for end in ends]
            for part in slices(list(zip(*there, strict=True)), [end.target_field for end in ends], self._using):
                rows = through._base_manager.using(self._using)
                condition = RowsIn(names, [end.target_field for end in ends], part)
                found.update(self._rows(rows.filter(condition), through))
            for target, row in found.items():
                self._places.setdefault(target, places[tuple(row[name] for name in names)])
        return found

    def _read_mappings(self) -> Rows:
        groups: dict[tuple[str, type[Model]], dict[str, Place]] = {}
        for named, place in self._scope.mappings.items():
            groups.setdefault((named.system, named.model), {})[named.key] = place
        found: Rows = {}
        key = ExternalKeyMapping._meta.get_field("external_key")
        for (system, model), places in groups.items():
            mappings = ExternalKeyMapping._base_manager.using(self._using).filter(
                external_system_id=self._identities.system(system),
                content_type_id=self._identities.content_type(model),
            )
            for part in slices([list(places)], [key], self._using):
                rows = self._rows(mappings.filter(RowsIn(["external_key"], [key], part)), ExternalKeyMapping)
                for target, row in rows.items():
                    self._places.setdefault(target, places[str(row["external_key"])])
                found.update(rows)
        return found

    def _pointing(self) -> Rows:
        """Read the rows whose foreign keys to what goes are emptied, or set to something else."""
        gone: dict[type[Model], list[ObjectId]] = {}
        for target in self._scope.removed:
            if target in self._before:
                gone.setdefault(target.model, []).append(target)
        found: Rows = {}
        for model, targets in gone.items():
            for relation in relations_to(model):
                if relation.on_delete not in _TAKES:
                    found.update(self._pointing_by(relation.field, targets))
        return {target: row for target, row in found.items() if target not in self._before}

    def _pointing_by(self, link: Any, targets: Sequence[ObjectId]) -> Rows:
        model = concrete_model(link.model)
        if link not in model._meta.local_concrete_fields or link.target_field.attname not in columns_of(
            targets[0].model
        ):
            return {}  # it is a parent's, by inheritance, whose row is asked for itself
        places = {self._before[target][link.target_field.attname]: self._places[target] for target in targets}
        found: Rows = {}
        for part in slices([list(places)], [link.target_field], self._using):
            rows = model._base_manager.using(self._using).filter(RowsIn([link.attname], [link.target_field], part))
            found.update(self._rows(rows, model))
        for target, row in found.items():
            self._places.setdefault(target, places[row[link.attname]])
        return found


def _scope_of(changes: Iterable[Change]) -> _Scope:
    scope = _Scope()
    for change in changes:
        if change.kind in (ChangeKind.INSERT, ChangeKind.UPDATE):
            scope.rows[change.target] = change.place
        elif change.kind is ChangeKind.DELETE:
            scope.removed.update(dict.fromkeys((change.target, *change.others), change.place))
        elif change.mapping is not None:
            mapping = change.mapping
            scope.mappings[Named(mapping.system, mapping.model, mapping.key)] = change.place
        else:
            for between, pair in pairs_of(change):
                scope.pairs.setdefault(between, {})[pair] = change.place
    return scope


def has_table(model: type[Model], using: str) -> bool:
    """Whether rows of a model can be asked for, and told apart by one column."""
    return model._meta.managed and router.allow_migrate_model(using, model) and not is_composite(model)


def is_composite(model: type[Model]) -> bool:
    """Whether a primary key has several columns (Django 5.2): such rows are not recorded."""
    return not hasattr(model._meta.pk, "column") or model._meta.pk.column is None


def _differences(before: Rows, after: Rows, places: Mapping[ObjectId, Place]) -> Iterator[WrittenRows]:
    """
    Give what was inserted, then what was updated, then what was deleted.

    So what is inserted finds what it refers to, and what is deleted is no longer referred to, in this order; and in
    the opposite one when it is taken back.
    """
    inserts = [target for target in after if target not in before]
    deletes = [target for target in reversed(before) if target not in after]
    yield from _whole(ChangeKind.INSERT, inserts, after, places)
    groups: dict[tuple[type[Model], int, tuple[str, ...]], list[ObjectId]] = {}
    for target, row in after.items():
        if target in before:
            names = tuple(
                name
                for name, value in row.items()
                if is_another(field_of(target.model, name), before[target][name], value)
            )
            if names:
                groups.setdefault((target.model, places[target].source, names), []).append(target)
    for (model, source, names), targets in groups.items():
        yield WrittenRows(
            ChangeKind.UPDATE,
            model,
            names,
            [target.pk for target in targets],
            [[before[target][name] for target in targets] for name in names],
            [[after[target][name] for target in targets] for name in names],
            source,
            [places[target].line for target in targets],
        )
    yield from _whole(ChangeKind.DELETE, deletes, before, places)


def _whole(
    kind: ChangeKind, targets: Iterable[ObjectId], rows: Rows, places: Mapping[ObjectId, Place]
) -> Iterator[WrittenRows]:
    """Give whole rows, those that follow each other and are of one table and source together."""
    group: list[ObjectId] = []
    for target in targets:
        if group and (group[0].model, places[group[0]].source) != (target.model, places[target].source):
            yield _whole_rows(kind, group, rows, places)
            group = []
        group.append(target)
    if group:
        yield _whole_rows(kind, group, rows, places)


def _whole_rows(
    kind: ChangeKind, targets: Sequence[ObjectId], rows: Rows, places: Mapping[ObjectId, Place]
) -> WrittenRows:
    model = targets[0].model
    names = columns_of(model)
    columns = [[rows[target][name] for target in targets] for name in names]
    is_insert = kind is ChangeKind.INSERT
    return WrittenRows(
        kind,
        model,
        names,
        [target.pk for target in targets],
        () if is_insert else columns,
        columns if is_insert else (),
        places[targets[0]].source,
        [places[target].line for target in targets],
    )
