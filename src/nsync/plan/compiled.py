"""Simple queries: Django compiles each of them once per run; then they are asked again with other values."""

from collections.abc import Sequence
from functools import cache, reduce
from operator import and_
from typing import Any, NamedTuple
from uuid import UUID

from django.db import connections
from django.db.models import CharField, Field, IntegerField, Manager, Model, TextField, UUIDField
from django.db.models.fields.related_lookups import RelatedExact
from django.db.models.lookups import Exact, IntegerFieldExact

from nsync.actions import Condition
from nsync.plan.paths import final_field
from nsync.plan.queries import condition_query

_LOOKUPS = frozenset({Exact, IntegerFieldExact, RelatedExact})  # the SQL of these does not depend on the value
_KINDS: "dict[type, type[Field[Any, Any]] | tuple[type[Field[Any, Any]], ...]]" = {
    int: IntegerField,
    str: (CharField, TextField),
    UUID: UUIDField,
}


class _Statement(NamedTuple):
    sql: str
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
        connection = connections[self.using]
        fields = [_compared_field(model, condition.path) for condition in conditions]
        given = [condition.value for condition in conditions]
        if not all(_can_hold(connection, *pair) for pair in zip(fields, given, strict=True)):
            return None
        values = [_prepared(connection, *pair) for pair in zip(fields, given, strict=True)]
        shape = (model, names, *((condition.path, condition.is_exact_text) for condition in conditions))
        if shape not in self._statements:
            if len(set(given)) < len(given):
                return None  # which parameter is whose cannot be told from these values
            self._statements[shape] = self._compile(model, names, conditions, values)
        statement = self._statements[shape]
        if statement is None:
            return None
        with connection.cursor() as cursor:
            cursor.execute(statement.sql, [values[place] for place in statement.places])
            rows: Sequence[Sequence[Any]] = cursor.fetchall()
        return list(statement.compiler.apply_converters(rows, statement.converters)) if statement.converters else rows

    def _compile(
        self, model: type[Model], names: tuple[str, ...], conditions: Sequence[Condition], values: list[Any]
    ) -> _Statement | None:
        # A manager of the project's own may filter, by what is another thing in the next moment.
        if type(model._base_manager) is not Manager:
            return None
        query = reduce(and_, (condition_query(condition, model, self.using) for condition in conditions))
        rows = model._base_manager.using(self.using).filter(query).order_by().values_list(*names)[:2]
        compiler: Any = rows.query.get_compiler(self.using)
        sql, parameters = compiler.as_sql()
        if not all(parameter in values for parameter in parameters):
            return None
        places = tuple(map(values.index, parameters))
        if len(set(places)) < len(values):
            return None
        converters = compiler.get_converters([column[0] for column in compiler.select])
        return _Statement(sql, places, compiler, converters)


def _is_simple(condition: Condition) -> bool:
    return condition.lookup == "exact" and "__" not in condition.path and type(condition.value) in _KINDS


@cache
def _compared_field(model: type[Model], path: str) -> Any:
    """Give the field that prepares values for a comparison; None if its lookup is not one of those above."""
    field = final_field(model, path)
    if not field.concrete or field.get_lookup("exact") not in _LOOKUPS:
        return None
    return getattr(field, "target_field", field)  # a foreign key holds what it points to


def _can_hold(connection: Any, field: Any, value: Any) -> bool:
    """Whether a column can hold the value; if not, Django answers without asking the database."""
    if not isinstance(field, _KINDS[type(value)]):
        return False
    if type(value) is not int:
        return True
    low, high = connection.ops.integer_field_range(field.get_internal_type())
    return bool(low <= value <= high)


def _prepared(connection: Any, field: Any, value: object) -> Any:
    """Give the parameter that Django's lookup would make of a value."""
    return field.get_db_prep_value(field.get_prep_value(value), connection, prepared=True)
