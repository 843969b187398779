"""Whether a new value differs from the one that is stored (rule A7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import models

from nsync.fields import attnames, field_of, is_text


def same(field: models.Field[Any, Any], old: object, new: object) -> bool:
    """
    Tell whether writing ``new`` over ``old`` would change nothing (rule A7).

    Args:
        field: The field that both are values of.
        old: What the database holds, as Django gives it.
        new: What the row gives, converted.

    Returns:
        In nullable text, NULL and ``''`` are the same. JSON is compared by type too (1, 1.0 and true differ), the
        order of an object's keys does not count. Aware datetimes are compared by instant. Values whose ``==``
        raises differ.
    """
    try:
        if isinstance(field, models.JSONField):
            return _same_json(old, new)
        if field.null and is_text(field):
            old, new = _text(old), _text(new)
        if isinstance(old, datetime) and isinstance(new, datetime) and old.tzinfo and new.tzinfo:
            # By ==, a local time that exists twice equals nothing in another zone (PEP 495).
            return old.astimezone(UTC) == new.astimezone(UTC)
        return bool(old == new)
    except Exception:  # a custom type may raise anything; to write once too often does no harm
        return False


def is_another(field: models.Field[Any, Any], old: object, new: object) -> bool:
    """Whether a column holds another value now: as `same`, but NULL is not ``''``, and NaN is what it is."""
    is_same = (old is None) is (new is None) and same(field, old, new)
    return not is_same and repr(old) != repr(new)


def _text(value: object) -> object:
    """Give '' for what nullable text holds when it is empty; a FieldFile stands for its name."""
    if isinstance(value, models.fields.files.FieldFile):
        value = value.name
    return "" if value is None else value


def _same_json(old: object, new: object) -> bool:
    """Compare two JSON values: 1, 1.0 and true are equal in Python and three values in JSON."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same_json(value, new[name]) for name, value in old.items())
    if isinstance(old, list | tuple) and isinstance(new, list | tuple):
        return len(old) == len(new) and all(map(_same_json, old, new))
    return type(old) is type(new) and bool(old == new)


def is_as_planned(model: type[models.Model], planned: Mapping[str, object], found: Mapping[str, object]) -> bool:
    """
    Tell whether an object that was read again holds what the planner saw (rule T8).

    Args:
        model: The model of the object.
        planned: What the planner saw, by attname; may hold texts of properties too.
        found: What was read, by attname.
    """
    names = [name for name in attnames(model) if name in planned]
    return all(_is_same_again(field_of(model, name), planned[name], found.get(name)) for name in names)


def _is_same_again(field: Any, old: object, new: object) -> bool:
    """Compare as `same`; but NaN, and types without an ``==`` of their own, equal nothing, not even themselves."""
    return same(field, old, new) or repr(field.get_prep_value(old)) == repr(field.get_prep_value(new))
