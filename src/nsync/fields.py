"""What a Django field holds and who fills it: questions about ``model._meta`` that several rooms ask."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from types import NoneType
from typing import Any

from django.db import models
from django.db.models.fields import NOT_PROVIDED
from django.db.models.lookups import Exact, IntegerFieldExact

# Fields whose pre_save() only does what their own options say; any other override fills the field itself.
_PLAIN_PRE_SAVE = {
    cls.pre_save for cls in (models.Field, models.DateField, models.DateTimeField, models.TimeField, models.FileField)
}
# What decides what becomes of a value on its way to the database and back.
_DECIDES = (
    *("from_db_value", "get_prep_value", "get_db_prep_value", "get_db_prep_save", "db_type", "to_python", "pre_save"),
    *("get_placeholder", "get_placeholder_sql", "descriptor_class", "contribute_to_class"),
)
_PLAIN_CLASSES = (
    models.IntegerField,
    models.CharField,
    models.TextField,
    models.UUIDField,
    models.DateField,
    models.TimeField,
    models.DurationField,
    models.BooleanField,
    models.DecimalField,
    models.FloatField,
)
# Where the functions come from that give defaults without a look at the database: uuid4, now, dict …
_HARMLESS = frozenset({"builtins", "collections", "datetime", "decimal", "django", "random", "secrets", "time", "uuid"})
_DIGITS = 15  # SQLite keeps decimals as floating point numbers, which have so many
_TEXT_CLASSES = (models.CharField, models.TextField, models.FileField, models.FilePathField)
_TEXT_TYPES = frozenset({"CharField", "FileField", "FilePathField", "SlugField", "TextField"})


def concrete_model(model: type[models.Model]) -> type[models.Model]:
    """Give the model that owns the table: of a proxy, the model behind it."""
    concrete: type[models.Model] = model._meta.concrete_model or model
    return concrete


def are_kin(model: type[models.Model], other: type[models.Model]) -> bool:
    """Whether objects of one model can be objects of the other: it is the same, a parent or a child."""
    return issubclass(model, other) or issubclass(other, model)


@cache
def attnames(model: type[models.Model]) -> tuple[str, ...]:
    """Give the attribute names of all columns of a model, inherited ones too, in the order of ``_meta``."""
    return tuple(field.attname for field in model._meta.concrete_fields)


@cache
def columns_of(model: type[models.Model]) -> tuple[str, ...]:
    """Give the attnames of the columns of a model's own table, those that the database computes excepted."""
    return tuple(field.attname for field in model._meta.local_concrete_fields if not field.generated)


@cache
def field_of(model: type[models.Model], attname: str) -> Any:
    """Give the concrete field behind an attribute name."""
    return next(field for field in model._meta.concrete_fields if field.attname == attname)


def is_text(field: Any) -> bool:
    """Whether the field holds text, so that the empty string is a value of its column (rule V3)."""
    return isinstance(field, _TEXT_CLASSES) or field.get_internal_type() in _TEXT_TYPES


def holds_null(field: Any) -> bool:
    """Whether an empty cell is NULL in the column (rule V3); Django itself writes '' for a file that there is not."""
    return bool(field.null) and not isinstance(field, models.FileField)


def empty_text(field: Any) -> object:
    """Give the empty text as the field gives it back: ``''``, unless its class has a type of its own."""
    try:
        value = field.to_python("")
    except Exception:  # the code is not ours; its column holds text all the same
        return ""
    return "" if value is None else value


def held_field(field: Any) -> Any:
    """Give the field whose values a field holds: a foreign key holds what it points to, any other its own."""
    while field.remote_field is not None:
        field = field.target_field
    return field


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


@cache
def has_computed_default(field: Any) -> bool:
    """Whether code of the project gives the field's default: it may look at the database."""
    return callable(field.default) and _home(field.default).partition(".")[0] not in _HARMLESS


@cache
def computed_defaults(model: type[models.Model]) -> tuple[str, ...]:
    """Give the columns whose default code of the project computes, by attname."""
    return tuple(field.attname for field in model._meta.concrete_fields if has_computed_default(field))


def _home(function: Any) -> str:
    """Give the module that a function comes from; of a method of a built-in type, that of the type."""
    function = getattr(function, "func", function)  # of a partial, what it calls
    module = getattr(function, "__module__", None)
    owner = getattr(function, "__self__", None)
    if module is None and owner is not None:
        module = (owner if isinstance(owner, type) else type(owner)).__module__
    return str(module or "")


def is_empty(value: object) -> bool:
    """Whether an unforced update may set the field (rule A3)."""
    return value is None or value == ""


@cache
def is_untouched(field: Any) -> bool:
    """Whether the field converts and stores values as one of Django's own classes, and not in a way of its own."""
    kind = _django_class(field)
    return kind is not None and all(getattr(type(field), name, None) == getattr(kind, name, None) for name in _DECIDES)


@cache
def is_assigned_as_given(field: Any) -> bool:
    """Whether an object holds the value that is assigned to it, not what a descriptor of the project's makes of it."""
    kind = _django_class(field)
    names = ("descriptor_class", "contribute_to_class")
    return kind is not None and all(getattr(type(field), name, None) == getattr(kind, name, None) for name in names)


def _django_class(field: Any) -> type | None:
    return next((cls for cls in type(field).__mro__ if cls.__module__.startswith("django.db.models.fields")), None)


@cache
def is_plain(field: Any) -> bool:
    """Whether a value of the field is the same after it was written and read, and compares as in the database."""
    field = held_field(field)
    if not isinstance(field, _PLAIN_CLASSES) or not is_untouched(field):
        return False
    if field.get_lookup("exact") not in (Exact, IntegerFieldExact):
        return False
    if is_text(field):
        return is_exact_text(field)
    return not isinstance(field, models.DecimalField) or (field.max_digits or _DIGITS + 1) <= _DIGITS


@cache
def types_taken_as_they_are(field: Any) -> frozenset[type]:
    """Give the types of values that Django hands to the database driver unchanged; for all others, ask the field."""
    field = held_field(field)
    if not is_untouched(field):
        return frozenset()
    if isinstance(field, models.BooleanField):
        return frozenset({bool, NoneType})
    if isinstance(field, models.FloatField):
        return frozenset({float, NoneType})
    if isinstance(field, models.IntegerField):
        return frozenset({int, NoneType})
    return frozenset({str, NoneType} if isinstance(field, models.CharField | models.TextField) else ())


def prepared(field: Any, values: Sequence[Any], connection: Any) -> Sequence[Any]:
    """Give values of a column as the database driver takes them."""
    taken = types_taken_as_they_are(field)
    if taken.issuperset(map(type, values)):
        return values
    return [value if type(value) in taken else field.get_db_prep_save(value, connection) for value in values]


@cache
def relations_to(model: type[models.Model]) -> tuple[Any, ...]:
    """Give the foreign keys that point to a model, also those without a name on its side, as their other sides."""
    return tuple(
        field
        for field in model._meta.get_fields(include_hidden=True)
        if field.auto_created and not field.concrete and (field.one_to_many or field.one_to_one)
    )


def children(model: type[models.Model]) -> list[type[models.Model]]:
    """Give the models that extend this one by multi-table inheritance, at any depth."""
    found = []
    for relation in model._meta.related_objects:
        if relation.parent_link and relation.related_model is not model:
            found += [relation.related_model, *children(relation.related_model)]
    return found


@cache
def family(model: type[models.Model]) -> frozenset[type[models.Model]]:
    """Give the other models whose rows are part of the same objects: parents and children by inheritance."""
    found = {*model._meta.get_parent_list(), *children(model)}
    return frozenset(concrete_model(other) for other in found) - {concrete_model(model)}


@cache
def is_between(model: type[models.Model]) -> bool:
    """Whether a many-to-many relation keeps its pairs in the model's table."""
    ends = [field.related_model for field in model._meta.concrete_fields if field.is_relation]
    found = [field for end in ends if end is not None for field in end._meta.get_fields(include_hidden=True)]
    return any(getattr(field, "through", None) is model for field in found if field.many_to_many) or any(
        field.remote_field.through is model for field in found if isinstance(field, models.ManyToManyField)
    )
