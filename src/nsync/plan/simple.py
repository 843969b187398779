"""Comparisons that Python makes as the database does: many rows can ask them together, and memory can answer them."""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from functools import cache
from itertools import chain, product
from typing import Any, NamedTuple

from django.db.models import Model

from nsync.actions import EMPTY, Combined, Condition, Lookup, Match
from nsync.changes import ObjectId
from nsync.fields import concrete_model, is_plain

_ALTERNATIVES = 16  # of an expression with "|": so many questions are still better than one for each row


class Step(NamedTuple):
    """One column on a path."""

    model: type[Model]
    attname: str


Path = tuple[Step, ...]  # forward foreign keys, then the column: owner__name is House.owner_id, Person.first_name


class Shape(NamedTuple):
    """What ANDed comparisons have in common: all questions of one shape can be asked together."""

    model: type[Model]
    paths: tuple[str, ...]  # compared with a value
    empties: tuple[Condition, ...]  # compared with an empty cell (rule I3)


def shape_of(model: type[Model], conditions: Sequence[Condition]) -> tuple[Shape, tuple[object, ...]] | None:
    """
    Give the shape of ANDed comparisons, and their values; None if only the database can make them.

    That is so with lookups, with text whose collation folds, with types of a project's own, and where a path
    goes through anything but foreign keys to primary keys.
    """
    paths, values, empties = [], [], []
    for condition in conditions:
        if condition.lookup != "exact" or path_of(model, condition.path) is None:
            return None
        if condition.value is EMPTY:
            empties.append(condition)
        elif isinstance(condition.value, str) and "\0" in condition.value:
            return None
        else:
            paths.append(condition.path)
            values.append(canonical(condition.value))
    return Shape(model, tuple(paths), tuple(empties)), tuple(values)


def alternatives(
    match: Match, mapped: Callable[[Lookup], Sequence[ObjectId] | None]
) -> list[tuple[Condition, ...]] | None:
    """
    Give an expression as groups of ANDed comparisons, one of which must hold; None if it cannot be given so.

    Args:
        match: The expression; one with ``~`` cannot be given so.
        mapped: Gives the objects that a key means (``owner=>external_key``), of which the primary key is compared;
            None: nobody knows.
    """
    if not isinstance(match, Combined):
        if match.lookup is None:
            return [(match.condition,)]
        targets = mapped(match.lookup)
        if targets is None or len(targets) > 1:
            return None
        path = f"{match.condition.path}__pk"
        return [(match.condition._replace(path=path, lookup="exact", value=target.pk),) for target in targets]
    if match.operator == "~":
        return None
    parts: list[list[tuple[Condition, ...]]] = []
    for node in match.nodes:
        part = alternatives(node, mapped)
        if part is None:
            return None
        parts.append(part)
    if match.operator == "|":
        found = [conditions for part in parts for conditions in part]
    else:
        found = [tuple(chain(*chosen)) for chosen in product(*parts)]
    return found if len(found) <= _ALTERNATIVES else None


def lookups_in(match: Match) -> list[Lookup]:
    """Give the references through mappings that an expression names."""
    if isinstance(match, Combined):
        return [lookup for node in match.nodes for lookup in lookups_in(node)]
    return [match.lookup] if match.lookup is not None else []


def first_columns(model: type[Model], conditions: Iterable[Condition]) -> frozenset[str]:
    """Give the model's own columns with which comparisons begin, by attname."""
    paths = (path_of(model, condition.path) for condition in conditions)
    return frozenset(path[0].attname for path in paths if path)


@cache
def path_of(model: type[Model], names: str) -> Path | None:
    """Give a path by its columns; None if Python cannot follow it or does not compare its end as the database does."""
    steps: list[Step] = []
    here = concrete_model(model)
    left = names.split("__")
    while left:
        name = left.pop(0)
        field: Any = here._meta.pk if name == "pk" else _column(here, name)
        if field is None:
            return None
        steps.append(Step(here, field.attname))
        if left and (field.remote_field is None or field.target_field is not field.related_model._meta.pk):
            return None
        if left:
            here = concrete_model(field.related_model)
            if left in (["pk"], [here._meta.pk.name]):
                left = []  # what the foreign key holds
        if not left and not is_plain(field):
            return None
    return tuple(steps)


def _column(model: type[Model], name: str) -> Any:
    fields = (field for field in model._meta.concrete_fields if name in (field.name, field.attname))
    return next(fields, None)


def canonical(value: object) -> object:
    """Give a value so that equal ones are equal in a dictionary too; EMPTY for what an empty cell matches (I3)."""
    if value is None or value == "":
        return EMPTY
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC)  # by ==, a local time that exists twice equals nothing in another zone
    return value
