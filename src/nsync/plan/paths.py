"""Paths of field names such as ``owner__company__name``: the fields on them, and the models."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from nsync.actions import Lookup
from nsync.fields import concrete_model, family

if TYPE_CHECKING:
    from django.db.models import Model

MAPPINGS = "nsync.ExternalKeyMapping"


def fields_on(model: type[Model], path: str) -> list[Any]:
    """Give the fields that a path of names goes through."""
    fields = []
    for name in path.split("__"):
        field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
        fields.append(field)
        if field.is_relation:
            model = field.related_model
    return fields


def final_field(model: type[Model], path: str) -> Any:
    """Give the field at the end of a path."""
    return fields_on(model, path)[-1]


def models_of(lookup: Lookup) -> frozenset[str]:
    """Give the labels of the models whose objects decide what a reference finds."""
    labels = frozenset({MAPPINGS} if lookup.key else ())
    return labels.union(_labels(lookup.model), *(_labels_on(lookup.model, one.path) for one in lookup.conditions))


@cache
def _labels_on(model: type[Model], path: str) -> frozenset[str]:
    related = [field.related_model for field in fields_on(model, path) if field.is_relation]
    return frozenset().union(*map(_labels, related))


@cache
def _labels(model: type[Model]) -> frozenset[str]:
    concrete = concrete_model(model)
    return frozenset(one._meta.label for one in (concrete, *family(concrete)))
