"""ColumnFacts: asks the database what whole columns of keys, match values and references find."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import Enum
from functools import cached_property
from typing import Any, Final, NamedTuple

from django.core.exceptions import ValidationError
from django.db import connections
from django.db.models import Model, QuerySet

from nsync.columns import Columns, RemovedAlone, Wanted
from nsync.fields import concrete_model, held_field, relations_to
from nsync.models import ExternalKeyMapping
from nsync.plan.enforced import enforced_columns
from nsync.plan.paths import final_field
from nsync.plan.referenced import Later, Referenced
from nsync.plan.resolve import Resolver, pk_of
from nsync.rowsin import RowsIn, by_index, can_hold, slices

_KEY = ExternalKeyMapping._meta.get_field("external_key")
_OBJECT = ExternalKeyMapping._meta.get_field("object_id")

Values = tuple[object, ...]


class _Several(Enum):
    SEVERAL = "several"


SEVERAL: Final = _Several.SEVERAL


class Facts(NamedTuple):
    """What the database holds of the rows of some columns."""

    linked: Mapping[str, object]  # key → primary key that its mapping names, whether or not there is such an object
    stored: Mapping[object, Values]  # primary key → its values of the columns, then of the foreign keys
    found: Mapping[Values, object]  # match values → primary key, or SEVERAL
    held: Collection[object]  # primary keys of found objects that some key of the system means (rule I7)
    references: Sequence[Mapping[object, object]]  # per column of references: value → what the foreign key will hold


class RemovalFacts(NamedTuple):
    """What the database holds of rows that delete."""

    linked: Mapping[str, object]  # as in `Facts`
    stored: Mapping[object, Values]  # primary key → its values of the columns that are matched by
    found: Mapping[Values, object]  # as in `Facts`
    held: Collection[object]  # primary keys of objects that other keys mean, or other objects refer to


class ColumnFacts:
    """
    Asks what is known of columns.

    Args:
        resolver: Knows the database.
        model: The concrete model of the source.
        system: Whose keys the source has.

    Queries, for any number of rows (up to what a statement can take): one for the mappings, one for the match, one for
    the linked objects that the match did not find, one for the mappings of objects that are not linked yet. On
    PostgreSQL two more, to have indexes used.
    """

    def __init__(self, resolver: Resolver, model: type[Model], system: str) -> None:
        self._resolver = resolver
        self._identities = resolver.identities
        self._using = resolver.using
        self._model = model
        self._system = system
        self._referenced = Referenced(self._references)

    @property
    def looks_ahead(self) -> bool:
        """Whether it pays to ask for references of rows that follow."""
        return connections[self._using].vendor == "postgresql"

    def foresee(self, wanted: Sequence[Wanted], later: Later | None) -> None:
        """
        Have the references of rows known before `assume_new` or `ask`.

        Args:
            wanted: The columns of references.
            later: Gives those of at most so many batches of rows that follow; None: only these are asked for.

        Queries: one for each column of references, two if it holds keys; on PostgreSQL only for every tenth batch.
        """
        self._referenced.foresee(wanted, later)

    def forget(self) -> None:
        """Other rows may have changed what references find."""
        self._referenced.forget()

    def can_assume_new(self, columns: Columns) -> bool:
        """Whether the database would refuse what is made for rows that are not new: then they need no asking."""
        if not columns.keys or not columns.match:
            return bool(columns.keys)
        return any(set(names) <= set(columns.match) for names in self._enforced)

    @cached_property
    def _enforced(self) -> tuple[tuple[str, ...], ...]:
        return enforced_columns(self._model, self._using)

    def assume_new(self, columns: Columns) -> Facts:
        """Give what there is to know of rows that are new: their references."""
        return Facts({}, {}, {}, (), self._referenced.found)

    def ask(self, columns: Columns) -> Facts:
        """Give what the database holds of rows that are not peculiar."""
        with by_index(self._using):
            return self._ask(columns)

    def _ask(self, columns: Columns) -> Facts:
        rows = _ordinary(columns)
        keys = [columns.keys[row] for row in rows] if columns.keys else []
        linked = self._linked(self._system, self._model, keys)
        stored: dict[object, Values] = {}
        found: dict[Values, object] = {}
        names = (*columns.names, *(wanted.relation.attname for wanted in columns.wanted))
        displaces = columns.flags.update and columns.flags.force
        if columns.match and (displaces or len(linked) < len(rows)):
            found = self._find(columns, rows, names, stored)
        missing = [pk for pk in linked.values() if pk not in stored and pk is not None]
        self._load(missing, names, stored)
        own = set(linked.values())
        adopted = [pk for pk in found.values() if pk is not SEVERAL and pk not in own] if keys else []
        return Facts(linked, stored, found, own | self._held(adopted), self._referenced.found)

    def ask_of_lone(self, columns: Columns) -> RemovedAlone | None:
        """
        Give what rows delete by key alone, if each key means another object, and no other object refers to those.

        Whether they are there, and whether other keys mean them, is not asked.

        Queries: one for the mappings, and one for each foreign key that points to the model.
        """
        with by_index(self._using):
            rows = self._mappings(self._system, self._model).values_list("pk", "external_key", "object_id")
            found = {
                key: (mapping, object_id)
                for part in slices([columns.keys], [_KEY], self._using)
                for mapping, key, object_id in rows.filter(RowsIn(["external_key"], [_KEY], part))
            }
            if found.keys() != set(columns.keys) or len(found) < columns.count:  # MariaDB takes "k " for "k"
                return None
            mappings, ids = zip(*found.values(), strict=True)
            try:
                pks = list(map(self._model._meta.pk.to_python, ids))
            except ValidationError:  # one is stale: the type of the primary key is another now
                return None
            is_plain = len(set(ids)) == len(ids) == len(self._holdable(self._model, pks))
            if not is_plain or list(map(str, pks)) != list(ids) or self._referred_to(pks):
                return None
            return RemovedAlone(list(found), mappings, pks)

    def ask_of_removed(self, columns: Columns) -> RemovalFacts:
        """
        Give what the database holds of rows that delete, and are not peculiar.

        Queries: as `ask`, and one for each foreign key that points to the model.
        """
        with by_index(self._using):
            return self._ask_of_removed(columns)

    def _ask_of_removed(self, columns: Columns) -> RemovalFacts:
        rows = _ordinary(columns)
        linked = self._linked(self._system, self._model, [columns.keys[row] for row in rows])
        stored: dict[object, Values] = {}
        found: dict[Values, object] = {}
        if columns.match and not columns.flags.force:
            found = self._find(columns, rows, columns.names, stored)
        self._load([pk for pk in linked.values() if pk not in stored and pk is not None], columns.names, stored)
        pks = list(dict.fromkeys(pk for pk in linked.values() if pk in stored))
        return RemovalFacts(linked, stored, found, self._mapped_again(pks) | self._referred_to(pks))

    def _mapped_again(self, pks: Sequence[object]) -> set[object]:
        """Give the objects that not just one key, of any system, means."""
        names = {str(pk): pk for pk in pks}
        found: dict[str, int] = {}
        rows = ExternalKeyMapping._base_manager.using(self._using).filter(
            content_type_id=self._identities.content_type(self._model)
        )
        for part in slices([list(names)], [_OBJECT], self._using):
            for object_id in rows.filter(RowsIn(["object_id"], [_OBJECT], part)).values_list("object_id", flat=True):
                found[object_id] = found.get(object_id, 0) + 1
        return {pk for name, pk in names.items() if found.get(name) != 1}

    def _referred_to(self, pks: Sequence[object]) -> set[object]:
        """Give the objects that others refer to."""
        found: set[object] = set()
        for relation in relations_to(self._model):
            name = relation.field.attname
            field = held_field(relation.field)
            rows = relation.related_model._base_manager.using(self._using).order_by()
            for part in slices([pks], [field], self._using):
                found.update(rows.filter(RowsIn([name], [field], part)).values_list(name, flat=True))
        return found

    def _mappings(self, system: str, model: type[Model]) -> QuerySet[ExternalKeyMapping]:
        return ExternalKeyMapping._base_manager.using(self._using).filter(
            external_system_id=self._identities.system(system), content_type_id=self._identities.content_type(model)
        )

    def _linked(self, system: str, model: type[Model], keys: Sequence[str]) -> dict[str, object]:
        """Give the primary keys that the keys of a system mean."""
        found: dict[str, object] = {}
        rows = self._mappings(system, model).values_list("external_key", "object_id")
        for part in slices([keys], [_KEY], self._using):
            for key, object_id in rows.filter(RowsIn(["external_key"], [_KEY], part)):
                found[key] = pk_of(model, object_id)
        return found

    def _find(
        self, columns: Columns, rows: Sequence[int], names: Sequence[str], stored: dict[object, Values]
    ) -> dict[Values, object]:
        """Give the objects that the match values of rows find."""
        found: dict[Values, object] = {}
        compared = [columns.values[columns.names.index(name)] for name in columns.match]
        if len(rows) < columns.count:
            compared = [[values[row] for row in rows] for values in compared]
        width = len(columns.match)
        for row in self._objects(self._model, columns.match, compared, ("pk", *columns.match, *names)):
            pk, match = row[0], row[1 : width + 1]
            stored[pk] = row[width + 1 :]
            found[match] = SEVERAL if match in found else pk
        return found

    def _objects(
        self, model: type[Model], paths: Sequence[str], values: Sequence[Sequence[object]], names: Sequence[str]
    ) -> Iterable[Any]:
        """Give columns of the objects in which others hold one of many combinations of values, one list for each."""
        fields = [held_field(final_field(model, path)) for path in paths]
        for part in slices(values, fields, self._using):
            yield from self._resolver.objects(model).filter(RowsIn(paths, fields, part)).values_list(*names)

    def _load(self, pks: Sequence[object], names: Sequence[str], stored: dict[object, Values]) -> None:
        for row in self._objects(self._model, ("pk",), [self._holdable(self._model, pks)], ("pk", *names)):
            stored[row[0]] = row[1:]

    def _holdable(self, model: type[Model], pks: Iterable[object]) -> list[object]:
        """Give primary keys, which mappings name as text, without those that no object can have."""
        known = [pk for pk in pks if pk is not None]
        numbers = [pk for pk in known if type(pk) is int]
        field = held_field(model._meta.pk)
        if not numbers or (can_hold(field, min(numbers), self._using) and can_hold(field, max(numbers), self._using)):
            return known
        return [pk for pk in known if can_hold(field, pk, self._using)]

    def _held(self, pks: Sequence[object]) -> set[object]:
        """Rule I7: give the objects that a key of the system means."""
        held: set[object] = set()
        ids = self._mappings(self._system, self._model).values_list("object_id", flat=True)
        for part in slices([list(map(str, pks))], [_OBJECT], self._using):
            held.update(pk_of(self._model, one) for one in ids.filter(RowsIn(["object_id"], [_OBJECT], part)))
        return held

    def _references(self, wanted: Wanted, values: Sequence[object]) -> dict[object, object]:
        """Give what each value of a column of references finds, if that is one object."""
        model = concrete_model(wanted.relation.related_model)
        target = wanted.relation.target_attname
        if wanted.system:
            linked = self._linked(wanted.system, model, [str(value) for value in values])
            pks = self._holdable(model, set(linked.values()))
            stored = dict(self._objects(model, ("pk",), [pks], ("pk", target)))
            return {key: stored[pk] for key, pk in linked.items() if pk in stored}
        found: dict[object, object] = {}
        several = set()
        rows_found = self._objects(model, (wanted.path,), [values], (wanted.path, target))
        for value, held in rows_found:
            if value in found:
                several.add(value)
            found[value] = held
        return {value: held for value, held in found.items() if value not in several}


def _ordinary(columns: Columns) -> Sequence[int]:
    if not columns.peculiar:
        return range(columns.count)
    return [row for row in range(columns.count) if row not in columns.peculiar]
