"""Mappings: written and removed, many at once."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Model

from nsync.apply.fold import Named
from nsync.apply.inserting import insert_rows
from nsync.apply.removing import raw_delete
from nsync.apply.statements import OnConflict
from nsync.changes import KeyMapping
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping
from nsync.rowsin import RowsIn, slices

_KEY = ("external_system", "content_type", "external_key")


def write_mappings(mappings: Iterable[tuple[Named | KeyMapping, object]], identities: Identities) -> None:
    """
    Point keys to objects, given by primary key: keys that are new, and those that pointed elsewhere.

    Queries: one (as `insert_rows`).
    """
    types: dict[type[Model], int] = {}  # Django takes its time to look one up
    rows = []
    for mapping, pk in mappings:
        if mapping.model not in types:
            types[mapping.model] = identities.content_type(mapping.model)
        row = {"external_system_id": identities.system(mapping.system), "content_type_id": types[mapping.model]}
        rows.append({**row, "external_key": mapping.key, "object_id": str(pk)})
    insert_rows(ExternalKeyMapping, rows, identities.using, OnConflict(_KEY, ("object_id",)))


def delete_mappings(mappings: Iterable[Named], identities: Identities) -> None:
    """
    Remove keys.

    Queries: one for each system and model.
    """
    groups: dict[tuple[int, int], list[tuple[object, ...]]] = {}
    for mapping in mappings:
        place = (identities.system(mapping.system), identities.content_type(mapping.model))
        groups.setdefault(place, []).append((mapping.key,))
    field = ExternalKeyMapping._meta.get_field("external_key")
    for (system, content_type), rows in groups.items():
        for part in slices(rows, [field], identities.using):
            found = ExternalKeyMapping._base_manager.using(identities.using).filter(
                RowsIn(["external_key"], [field], part), external_system_id=system, content_type_id=content_type
            )
            raw_delete(found, identities.using)
