"""BulkWriter: the changes of a whole batch in a few statements, without ``save()`` and signals; for any database."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import connections
from django.db.models import Model

from nsync.apply.base import Changed, Written
from nsync.apply.deferred import check_deferred
from nsync.apply.fold import Between, Folded, Keys, Values, fold, known
from nsync.apply.images import Image
from nsync.apply.inserting import insert_objects, insert_rows
from nsync.apply.mappings import delete_mappings, write_mappings
from nsync.apply.refusals import all_or_nothing
from nsync.apply.removing import objects_with, raw_delete, remove_objects
from nsync.apply.statements import OnConflict
from nsync.apply.updating import update_objects
from nsync.changes import Change, New, ObjectId
from nsync.equality import is_as_planned
from nsync.fields import attnames
from nsync.identities import Identities
from nsync.recording import Recorder
from nsync.rowsin import RowsIn, slices


class BulkWriter:
    """
    Writes what many rows change: an object that several of them touch is written once.

    First the new objects, those that others refer to before those that refer; then new values of objects, the rows
    of many-to-many relations, the mappings; then what is deleted, with all that Django deletes along.

    Args:
        identities: Knows the database.
        recorder: Is told what was written, if anybody is; that costs the queries of an `Image`.

    Queries, for any number of rows (up to what a statement can take): a savepoint; one for each model and generation
    of new objects; one for each model whose objects change, to lock and read them again where the database has
    locks, and one for each set of changed columns; one or two for the mappings; for deletions what Django's collector
    needs.
    """

    name = "bulk"

    def __init__(self, identities: Identities, recorder: Recorder | None = None) -> None:
        self.using = identities.using
        self._identities = identities
        self._recorder = recorder

    def write(self, changes: Sequence[Change], seen: Callable[[ObjectId], Values]) -> Written:
        """
        Write the changes of a batch, all of them or none; see `nsync.apply.base.Writer`.

        Args:
            changes: Of all rows, in their order.
            seen: Gives an object as the database had it when the batch was planned, for rule T8.
        """
        folded = fold(changes)
        keys: dict[New, object] = {}
        with all_or_nothing(self._identities):
            self._lock({target: seen(target) for target in folded.present})
            image = None if self._recorder is None else Image(changes, self._identities)
            self._write(folded, keys)
            check_deferred(changes, self.using)
            written = image.compare(keys) if image else ()
        if self._recorder is not None:
            self._recorder.take(written)
        return Written(keys, tuple(changes))

    def _write(self, folded: Folded, keys: dict[New, object]) -> None:
        for generation in folded.generations():
            for model, objects in generation.items():
                insert_objects(model, objects, keys, self.using)
        for model, updates in folded.updates.items():
            update_objects(model, updates, keys, self.using)
        for between, pairs in folded.pairs.items():
            self._change_pairs(between, pairs, keys)
        self._change_mappings(folded, keys)
        for model, targets in folded.deleted.items():
            remove_objects(model, targets, self.using)

    def _lock(self, stored: Mapping[ObjectId, Values]) -> None:
        """
        Read the objects again under a lock, and make sure that they are as planned (rule T8).

        A database without row locks shows one state of itself for as long as a transaction lasts.

        Raises:
            Changed: One of them is gone, or its columns differ.
        """
        if not connections[self.using].features.has_select_for_update:
            return
        by_model: dict[type[Model], dict[object, Values]] = {}
        for target, values in stored.items():
            by_model.setdefault(target.model, {})[target.pk] = values
        for model, planned in by_model.items():
            names = attnames(model)
            found = {}
            for rows in objects_with(model, list(planned), self.using):
                # In one order, so that two runs do not wait for each other.
                locked = rows.select_for_update().order_by("pk").values_list("pk", *names)
                found.update({pk: dict(zip(names, values, strict=True)) for pk, *values in locked})
            for pk, values in planned.items():
                if pk not in found or not is_as_planned(model, values, found[pk]):
                    raise Changed

    def _change_pairs(self, between: Between, pairs: Mapping[tuple[object, object], bool], keys: Keys) -> None:
        columns: list[Any] = [between.through._meta.get_field(name) for name in (between.source, between.target)]
        ends: dict[bool, list[list[object]]] = {True: [], False: []}
        for pair, is_there in pairs.items():
            ends[is_there].append([known(pk, keys) for pk in pair])
        if ends[True]:
            names = [column.attname for column in columns]
            rows = [dict(zip(names, pair_of_keys, strict=True)) for pair_of_keys in ends[True]]
            # As Django does: a table of the project's own may refuse for reasons of its own.
            insert_rows(between.through, rows, self.using, OnConflict() if between.through._meta.auto_created else None)
        if ends[False]:
            self._delete_pairs(between, columns, ends[False])

    def _delete_pairs(self, between: Between, columns: Sequence[Any], pairs: Sequence[Sequence[object]]) -> None:
        fields = [column.target_field for column in columns]
        for part in slices(list(zip(*pairs, strict=True)), fields, self.using):
            rows = between.through._base_manager.using(self.using)
            raw_delete(rows.filter(RowsIn([column.attname for column in columns], fields, part)), self.using)

    def _change_mappings(self, folded: Folded, keys: Keys) -> None:
        kept = [(mapping, known(target.pk, keys)) for mapping, target in folded.mappings.items() if target is not None]
        if kept:
            write_mappings(kept, self._identities)
        gone = [mapping for mapping, target in folded.mappings.items() if target is None]
        if gone:
            delete_mappings(gone, self._identities)
