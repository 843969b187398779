"""Match expressions and references as Django queries, exact on every database (rules I2, I3, R1)."""

from __future__ import annotations

import json
from functools import reduce
from itertools import chain
from operator import and_, or_
from typing import TYPE_CHECKING

from django.db import connections
from django.db.models import F, Func, Model, Q, Value
from django.db.models.lookups import Exact

from nsync.actions import EMPTY, Combined, Condition, JsonText, Lookup, Match, Operand
from nsync.fields import held_field, is_text
from nsync.plan.paths import fields_on, final_field

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
        parts = [match_query(node, model, using, targets) for node in match.nodes] or [_NOTHING]
        if match.operator == "~":
            return ~parts[0]
        return reduce(and_ if match.operator == "&" else or_, parts)
    if match.lookup is not None:
        return Q(**{f"{match.condition.path}__pk__in": targets(match.lookup)})
    return condition_query(match.condition, model, using)


def anded(match: Match) -> tuple[Condition, ...]:
    """Give the conditions of an expression that only ANDs columns of the model; none if it does more."""
    if isinstance(match, Operand):
        return () if match.lookup is not None else (match.condition,)
    parts = [anded(node) for node in match.nodes]
    return tuple(chain(*parts)) if match.operator == "&" and all(parts) else ()


def condition_query(condition: Condition, model: type[Model], using: str) -> Q:
    """Give the query of one comparison."""
    path, value = condition.path, condition.value
    if value is EMPTY:
        return _empty_query(condition, model, using)
    if isinstance(value, JsonText):
        value = json.loads(value)
    return _exactly(condition, value, Q(**{f"{path}__{condition.lookup}": value}), model, using)


def _exactly(condition: Condition, value: object, query: Q, model: type[Model], using: str) -> Q:
    """Compare text as bytes too where the database folds it (rule I3)."""
    # MariaDB and MySQL fold case, accents and trailing blanks; the first half can use an index.
    if condition.is_exact_text and connections[using].vendor == "mysql":
        text = held_field(final_field(model, condition.path)).get_prep_value(value)
        query &= Q(Exact(_Bytes(F(condition.path)), _Bytes(Value(text))))
    return query


def _empty_query(condition: Condition, model: type[Model], using: str) -> Q:
    """Rule I3: an empty value matches '' in text and NULL where that is possible."""
    path = condition.path
    is_null = Q(**{f"{path}__isnull": True}) if _may_be_null(model, path) else _NOTHING
    if is_text(final_field(model, path)):
        return _exactly(condition, "", Q(**{path: ""}), model, using) | is_null
    return is_null


def _may_be_null(model: type[Model], path: str) -> bool:
    """Whether the end of a path can be NULL: it is nullable, or the way to it may be missing."""
    return any(getattr(field, "null", True) for field in fields_on(model, path))
