"""Mappings: written and removed, many at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Model, QuerySet

from nsync.apply.fold import Named
from nsync.apply.inserting import insert_rows
from nsync.apply.removing import objects_with, raw_delete
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
    groups: dict[tuple[str, type[Model]], list[str]] = {}
    for mapping in mappings:
        groups.setdefault((mapping.system, mapping.model), []).append(mapping.key)
    for (system, model), keys in groups.items():
        delete_keys(system, model, keys, identities)


def delete_keys(system: str, model: type[Model], keys: Sequence[str], identities: Identities) -> None:
    """
    Remove keys of one system and model.

    Queries: one.
    """
    field = ExternalKeyMapping._meta.get_field("external_key")
    mappings = ExternalKeyMapping._base_manager.using(identities.using).filter(
        external_system_id=identities.system(system), content_type_id=identities.content_type(model)
    )
    for part in slices([keys], [field], identities.using):
        raw_delete(mappings.filter(RowsIn(["external_key"], [field], part)), identities.using)


def delete_mappings_with(pks: Sequence[object], identities: Identities) -> None:
    """
    Remove mappings by their primary keys.

    Queries: one.
    """
    for rows in objects_with(ExternalKeyMapping, pks, identities.using):
        raw_delete(rows, identities.using)


def mappings_of(model: type[Model], pks: Sequence[object], identities: Identities) -> Iterator[QuerySet[Any]]:
    """Give the mappings of objects, of any system, in as many querysets as there must be."""
    field = ExternalKeyMapping._meta.get_field("object_id")
    mappings = ExternalKeyMapping._base_manager.using(identities.using).filter(
        content_type_id=identities.known_content_type(model)
    )
    for part in slices([list(map(str, pks))], [field], identities.using):
        yield mappings.filter(RowsIn(["object_id"], [field], part))


def are_mapped(model: type[Model], pks: Sequence[object], identities: Identities) -> bool:
    """
    Whether a key of any system means one of the objects.

    Queries: one.
    """
    return any(rows.exists() for rows in mappings_of(model, pks, identities))
