"""Simple queries: Django compiles each of them once per run; then they are asked again with other values."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from operator import and_
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import Manager, Model
from django.db.models.fields.related_lookups import RelatedExact
from django.db.models.lookups import Exact, IntegerFieldExact

from nsync.actions import Condition
from nsync.plan.queries import condition_query, final_field

_LOOKUPS = frozenset({Exact, IntegerFieldExact, RelatedExact})  # the SQL of these depends on the field only …
_TYPES = frozenset({int, str, UUID})
_LARGEST = 2**63 - 1  # … but for a number that no column can hold there is none


class _Statement(NamedTuple):
    sql: str
    fields: tuple[Any, ...]  # one for each condition
    places: tuple[int, ...]  # for each parameter: number of the condition whose value it is
    compiler: Any
    converters: Any  # of the columns that it gives


class CompiledQueries:
    """
    Asks one database for the rows in which some columns have the values given.

    A run asks several such questions for each row of a source. To build and compile one takes Django several times
    as long as a database needs to answer it.

    Args:
        using: Alias of the database.
    """

    def __init__(self, using: str) -> None:
        self.using = using
        self._statements: dict[Any, _Statement | None] = {}  # None: its SQL may depend on the values

    def rows(
        self, model: type[Model], names: tuple[str, ...], conditions: Sequence[Condition]
    ) -> Sequence[Sequence[Any]] | None:
        """
        Give up to two rows (two stand for more) that meet all conditions; None if Django must be asked itself.

        Args:
            model: A concrete model.
            names: Attribute names of the columns to give.
            conditions: Only those are answered that compare a column of the model with text, a number or a UUID.

        Queries: one.
        """
        if not conditions or not all(map(_is_simple, conditions)):
            return None
        shape = (model, names, *((condition.path, condition.is_exact_text) for condition in conditions))
        if shape not in self._statements:
            if len({condition.value for condition in conditions}) < len(conditions):
                return None  # which parameter is whose cannot be told from these values
            self._statements[shape] = self._compile(model, names, conditions)
        statement = self._statements[shape]
        if statement is None:
            return None
        connection = connections[self.using]
        values = [
            _prepared(field, condition.value, connection)
            for field, condition in zip(statement.fields, conditions, strict=True)
        ]
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, [values[place] for place in statement.places])
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return list(statement.compiler.apply_converters(rows, statement.converters)) if statement.converters else rows

    def _compile(
        self, model: type[Model], names: tuple[str, ...], conditions: Sequence[Condition]
    ) -> _Statement | None:
        fields = tuple(final_field(model, condition.path) for condition in conditions)
        # A manager of the project's own may filter, by what is another thing in the next moment.
        if type(model._base_manager) is not Manager or not all(map(_has_plain_lookup, fields)):
            return None
        connection = connections[self.using]
        values = [
            _prepared(field, condition.value, connection) for field, condition in zip(fields, conditions, strict=True)
        ]
        if not all(type(value) in _TYPES for value in values) or len(set(values)) < len(values):
            return None
        query = reduce(and_, (condition_query(condition, model, self.using) for condition in conditions))
        rows = model._base_manager.using(self.using).filter(query).order_by().values_list(*names)[:2]
        compiler: Any = rows.query.get_compiler(self.using)
        sql, parameters = compiler.as_sql()
        if set(parameters) != set(values):
            return None
        converters = compiler.get_converters([column[0] for column in compiler.select])
        return _Statement(sql, fields, tuple(map(values.index, parameters)), compiler, converters)


def _is_simple(condition: Condition) -> bool:
    value = condition.value
    return (
        condition.lookup == "exact"
        and "__" not in condition.path
        and type(value) in _TYPES
        and not (type(value) is int and abs(value) > _LARGEST)
    )


def _has_plain_lookup(field: Any) -> bool:
    return field.concrete and field.get_lookup("exact") in _LOOKUPS


def _prepared(field: Any, value: object, connection: Any) -> Any:
    """Give the parameter that the database gets for a value, as Django's lookup prepares it."""
    field = getattr(field, "target_field", field)
    return field.get_db_prep_value(field.get_prep_value(value), connection, prepared=True)
