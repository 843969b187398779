"""Which field a column is, by its name: as it is, folded, by its verbose name, or nearly."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from typing import Any, Final, NamedTuple

from django.db.models import Model

from nsync.beforehand import check_target
from nsync.errors import ConfigError
from nsync.fields import is_numbered_key, is_parent_link, is_stamped
from nsync.options import SyncOptions
from nsync.profiling.sample import SampledColumn

_SURE: Final = 0.99  # of 1
_NEARLY: Final = 0.6  # worth a thought, and no more: le_ident is nearly he_ident


class Named(NamedTuple):
    """A field that a column seems to be."""

    field: Any
    why: str
    is_sure: bool  # else it is only like it


def fields_to_fill(model: type[Model], options: SyncOptions, system: str) -> list[Any]:
    """Give the fields of a model that a file may fill: none that fills itself, or that hands out power (rule S1)."""
    return [
        field
        for field in model._meta.concrete_fields
        if not (is_numbered_key(field) or is_parent_link(field) or field.generated or is_stamped(field))
        and may_be(model, field.name, field.name, options, system)
    ]


def may_be(model: type[Model], header: str, target: str, options: SyncOptions, system: str) -> bool:
    """Whether a column may be taken as this."""
    try:
        check_target(model, header, target, options, system)
    except ConfigError:
        return False
    return True


def by_name(columns: Sequence[SampledColumn], fields: Sequence[Any]) -> dict[int, Named]:
    """
    Say which columns are fields, as far as names tell.

    Returns:
        Position of the column → the field. A field is that of one column, the most similar one.
    """
    found: dict[int, Named] = {}
    taken: set[str] = set()
    ways = (_exact, _folded, _nearly)
    for way in ways:
        pairs = [
            (likeness, column, field, why)
            for column in columns
            if column.position not in found and column.header
            for field in fields
            if field.name not in taken
            for likeness, why in way(column.header, field)
        ]
        for likeness, column, field, why in sorted(pairs, key=lambda pair: -pair[0]):
            if column.position not in found and field.name not in taken:
                found[column.position] = Named(field, why, likeness >= _SURE)
                taken.add(field.name)
    return found


def folded(name: str) -> str:
    """Give a name without case, accents, blanks and punctuation."""
    apart = unicodedata.normalize("NFKD", name.casefold())
    return "".join(sign for sign in apart if sign.isalnum())


def is_akin(header: str, field: Any) -> bool:
    """Whether a header has the name of a relation, or of the model to which it leads, in it."""
    name = folded(header)
    return folded(field.name) in name or folded(str(field.related_model._meta.model_name)) in name


def _exact(header: str, field: Any) -> Iterator[tuple[float, str]]:
    if header in (field.name, field.attname):
        yield 1, "so it is called"


def _folded(header: str, field: Any) -> Iterator[tuple[float, str]]:
    if folded(header) == folded(field.name):
        yield 1, "so it is called, but for case and punctuation"
    elif folded(header) == folded(str(field.verbose_name)):
        yield 0.99, f"its verbose name is {str(field.verbose_name)!r}"


def _nearly(header: str, field: Any) -> Iterator[tuple[float, str]]:
    name = folded(header)
    likeness = max(_likeness(name, folded(field.name)), _likeness(name, folded(str(field.verbose_name))))
    if likeness >= _NEARLY:
        yield min(likeness, 0.98), "so it is nearly called"


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one, other).ratio() if one and other else 0
