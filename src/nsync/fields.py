"""What a Django field holds and who fills it: questions about ``model._meta`` that several rooms ask."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import models
from django.db.models.fields import NOT_PROVIDED

# Fields whose pre_save() only does what their own options say; any other override fills the field itself.
_PLAIN_PRE_SAVE = {
    cls.pre_save for cls in (models.Field, models.DateField, models.DateTimeField, models.TimeField, models.FileField)
}
_TEXT_CLASSES = (models.CharField, models.TextField, models.FileField, models.FilePathField)
_TEXT_TYPES = frozenset({"CharField", "FileField", "FilePathField", "SlugField", "TextField"})


def concrete_model(model: type[models.Model]) -> type[models.Model]:
    """Give the model that owns the table: of a proxy, the model behind it."""
    concrete: type[models.Model] = model._meta.concrete_model or model
    return concrete


@cache
def attnames(model: type[models.Model]) -> tuple[str, ...]:
    """Give the attribute names of all columns of a model, inherited ones too, in the order of ``_meta``."""
    return tuple(field.attname for field in model._meta.concrete_fields)


@cache
def field_of(model: type[models.Model], attname: str) -> Any:
    """Give the concrete field behind an attribute name."""
    return next(field for field in model._meta.concrete_fields if field.attname == attname)


def is_text(field: Any) -> bool:
    """Whether the field holds text, so that the empty string is a value of its column (rule V3)."""
    return isinstance(field, _TEXT_CLASSES) or field.get_internal_type() in _TEXT_TYPES


def empty_text(field: Any) -> object:
    """Give the empty text as the field gives it back: ``''``, unless its class has a type of its own."""
    try:
        value = field.to_python("")
    except Exception:  # the code is not ours; its column holds text all the same
        return ""
    return "" if value is None else value


def is_exact_text(field: Any) -> bool:
    """
    Whether the field holds text that compares exactly (rule I3).

    A ``db_collation``, or a column type of the field's own, says that folding case or accents is meant.
    """
    while field.remote_field and not field.many_to_many:  # a foreign key holds what it points to
        field = field.target_field
    return field.get_internal_type() in _TEXT_TYPES and not getattr(field, "db_collation", None)


def has_db_default(field: Any) -> bool:
    """Whether the database has a default for the column (``db_default``)."""
    return field.db_default is not NOT_PROVIDED


def is_numbered_key(field: Any) -> bool:
    """Whether the database numbers the field: ``AutoField`` and its like (rule C3)."""
    return isinstance(field, models.AutoField) or "AutoField" in field.get_internal_type()


def is_parent_link(field: Any) -> bool:
    """Whether the field ties a child row to its parent row in multi-table inheritance."""
    return bool(field.remote_field and getattr(field.remote_field, "parent_link", False))


def fills_itself(field: Any) -> bool:
    """Whether saving fills the field: ``auto_now``, ``auto_now_add``, or a ``pre_save()`` of its own."""
    return is_stamped(field) or type(field).pre_save not in _PLAIN_PRE_SAVE


def is_stamped(field: Any) -> bool:
    """Whether Django stamps the time into the field, whatever is assigned (``auto_now``, ``auto_now_add``)."""
    return bool(getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False))


def is_refilled(field: Any) -> bool:
    """Whether each later save fills the field again, as ``auto_now`` does (rule A7)."""
    return fills_itself(field) and not field.primary_key and not getattr(field, "auto_now_add", False)


def is_empty(value: object) -> bool:
    """Whether an unforced update may set the field (rule A3)."""
    return value is None or value == ""
