"""Paths of names such as ``company__name`` or ``email__iexact``: checked against the model, once per file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from nsync.decode.values import converter, lookup_converter
from nsync.errors import ConfigError
from nsync.fields import is_exact_text
from nsync.options import SyncOptions

_UNFIT = frozenset({"in", "range"})  # lookups that need more than one value (rule I2)


@dataclass(slots=True, eq=False, repr=False)
class Path:
    """A checked path: where it leads, and how its values are converted."""

    fields: str  # names up to the field: "company__name"
    lookup: str  # "exact", or what follows the field: "iexact", "year__gte"
    passed: tuple[Any, ...]  # fields and reverse relations on the way, for rule S1
    convert: Callable[[object], object]

    @property
    def is_exact_text(self) -> bool:
        """Whether Python compares what the database found (rule I3)."""
        return self.lookup == "exact" and is_exact_text(self.passed[-1])


def compile_path(model: type[Model], text: str, options: SyncOptions) -> Path:
    """
    Check a path.

    Raises:
        ConfigError: A name on it is no field, or a lookup does not exist or does not fit.
    """
    passed, rest = follow(model, text)
    if not passed:
        raise ConfigError(f"{model._meta.label} has no field {rest[0]!r}")
    names = text.split("__")
    fields = "__".join(names[: len(names) - len(rest)])
    final = passed[-1]
    if final.is_relation:
        final = final.target_field if final.concrete and not final.many_to_many else final.related_model._meta.pk
    if not rest:
        return Path(fields, "exact", tuple(passed), converter(final, options))
    lookup = "__".join(rest)
    if passed[-1].is_relation and not passed[-1].concrete and lookup != "isnull":
        raise ConfigError(f"{text!r}: name a field of {passed[-1].related_model._meta.label} before {lookup!r}")
    _check_lookup(final, rest, text)
    return Path(fields, lookup, tuple(passed), lookup_converter(final, lookup, options))


def follow(model: type[Model], text: str) -> tuple[list[Any], list[str]]:
    """Go along a path of names as far as they are fields; give the fields and the names that are left."""
    names = text.split("__")
    passed: list[Any] = []
    while names:
        try:
            field: Any = model._meta.pk if names[0] == "pk" else model._meta.get_field(names[0])
        except FieldDoesNotExist:
            break
        passed.append(field)
        names.pop(0)
        if not field.is_relation or field.related_model is None:
            break
        model = field.related_model
    return passed, names


def _check_lookup(field: Any, names: list[str], text: str) -> None:
    """Refuse lookups that do not exist, or that take several values."""
    *transforms, lookup = names
    if lookup in _UNFIT:
        raise ConfigError(f"{text!r}: the lookup {lookup!r} needs several values; a cell has one")
    for name in transforms:
        transform = field.get_transform(name)
        if transform is None:
            raise ConfigError(f"{text!r}: {field.name} has no lookup {name!r}")
        field = transform(field.cached_col).output_field
    if field.get_lookup(lookup) is None and field.get_transform(lookup) is None:
        raise ConfigError(f"{text!r}: {getattr(field, 'name', 'it')} has no lookup {lookup!r}")
