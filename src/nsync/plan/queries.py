"""Match expressions and references as Django queries, exact on every database (rules I2, I3, R1)."""

from __future__ import annotations

import json
from functools import reduce
from operator import and_, or_
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import F, Func, Model, Q, Value
from django.db.models.lookups import Exact

from nsync.actions import EMPTY, Combined, Condition, JsonText, Lookup, Match
from nsync.fields import is_text

if TYPE_CHECKING:
    from collections.abc import Callable

_NOTHING = Q(pk__in=())


class _Bytes(Func):
    """Text as its bytes: compared so, neither case nor accents nor trailing blanks are folded."""

    template = "CAST(CONVERT(%(expressions)s USING utf8mb4) AS BINARY)"


def match_query(match: Match, model: type[Model], using: str, targets: Callable[[Lookup], list[object]]) -> Q:
    """
    Give the query of a match expression.

    Args:
        match: The expression, bound to the values of one row.
        model: On whose objects it acts.
        using: Database alias; some databases need more than an ``=`` to compare exactly.
        targets: Gives the values that a foreign key to the object of a mapped key holds.
    """
    if isinstance(match, Combined):
        parts = [match_query(node, model, using, targets) for node in match.nodes]
        if match.operator == "~":
            return ~parts[0]
        return reduce(and_ if match.operator == "&" else or_, parts)
    if match.lookup is not None:
        return Q(**{f"{match.condition.path}__pk__in": targets(match.lookup)})
    return condition_query(match.condition, model, using)


def condition_query(condition: Condition, model: type[Model], using: str) -> Q:
    """Give the query of one comparison."""
    path, value = condition.path, condition.value
    if value is EMPTY:
        return _empty_query(path, model)
    if isinstance(value, JsonText):
        value = json.loads(value)
    query = Q(**{f"{path}__{condition.lookup}": value})
    if condition.is_exact_text and connections[using].vendor == "mysql":
        # MariaDB and MySQL fold case, accents and trailing blanks; the first half can use an index.
        query &= Q(Exact(_Bytes(F(path)), _Bytes(Value(value))))
    return query


def _empty_query(path: str, model: type[Model]) -> Q:
    """Rule I3: an empty value matches '' in text and NULL where that is possible."""
    field = final_field(model, path)
    is_null = Q(**{f"{path}__isnull": True})
    if is_text(field):
        return Q(**{path: ""}) | is_null if _may_be_null(model, path) else Q(**{path: ""})
    return is_null if _may_be_null(model, path) else _NOTHING


def _fields_on(model: type[Model], path: str) -> list[Any]:
    """Give the fields that a path of names goes through."""
    fields = []
    for name in path.split("__"):
        field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
        fields.append(field)
        if field.is_relation:
            model = field.related_model
    return fields


def final_field(model: type[Model], path: str) -> Any:
    """Give the field at the end of a path such as ``owner__company__name``."""
    return _fields_on(model, path)[-1]


def _may_be_null(model: type[Model], path: str) -> bool:
    """Whether the end of a path can be NULL: it is nullable, or the way to it may be missing."""
    return any(getattr(field, "null", True) for field in _fields_on(model, path))
