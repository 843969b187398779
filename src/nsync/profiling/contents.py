"""Which field or reference a column is, by its values: those that the database has already."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, NamedTuple

from django.db.models import Count, Model

from nsync.actions import EMPTY
from nsync.decode.cells import CellError
from nsync.decode.values import converter
from nsync.fields import concrete_model, is_numbered_key, is_text
from nsync.options import SyncOptions
from nsync.profiling.sample import SampledColumn

_VALUES: Final = 1_000  # of a column that are looked for
_AT_ONCE: Final = 500
_FEWEST: Final = 3  # different values; fewer agree by chance
_FEWEST_ROWS: Final = 20  # that are compared with their objects
_NEAR: Final = 0.01  # numbers that differ by less than this part are measured differently
_BY_CHANCE: Final = 0.5  # of these; if more are near those of other objects, nearness says nothing


class Share(NamedTuple):
    """How far a column is what a field holds."""

    column: SampledColumn
    field: Any
    share: float  # from 0 to 1
    compared: int

    def __str__(self) -> str:
        return f"{self.share * 100:.0f} %"


class Stored:
    """
    Compares the columns of a sample with one database.

    Queries: one for each 500 of at most 1,000 values of a column and each unique field; nothing is written.
    """

    def __init__(self, using: str, options: SyncOptions) -> None:
        self._using = using
        self.options = options  # how values are written, as far as that is known

    def has_rows(self, model: type[Model]) -> bool:
        """Whether there is any object."""
        return bool(self._objects(model).exists())

    def found(self, columns: Sequence[SampledColumn], field: Any, fewest: int = _FEWEST) -> list[Share]:
        """
        Say of each column which share of its different values a unique field of a model holds; the best first.

        Args:
            columns: Those that may be it.
            field: Of the model.
            fewest: Different values, without which a column says nothing.
        """
        shares = [self._found(column, field, fewest) for column in columns]
        return sorted((one for one in shares if one is not None), key=lambda one: -one.share)

    def repeats(self, model: type[Model], names: Sequence[str]) -> bool:
        """Whether several objects have equal values in all of these fields."""
        rows = self._objects(model).values(*names).annotate(times=Count("*")).filter(times__gt=1)
        return bool(rows.exists())

    def agreeing(
        self, model: type[Model], match: tuple[SampledColumn, Any], columns: Sequence[SampledColumn], fields: Any
    ) -> list[Share]:
        """
        Say how often columns hold what the objects of their rows hold.

        Args:
            model: Whose objects they are.
            match: The column that says which object a row is, and its unique field.
            columns: To be compared.
            fields: With which they are compared.

        Returns:
            Of each column and each field that are somewhat alike; the best first.
        """
        key, key_field = match
        values = self._converted(key.cells, key_field)
        stored = self._stored(model, key_field, [value for value in values if value is not EMPTY], fields)
        objects = [None if value is EMPTY else stored.get(value) for value in values]
        shares = []
        for number, field in enumerate(fields):
            for column in columns:
                cells = self._converted(column.cells, field)
                pairs = [
                    (cell, held[number])
                    for cell, held in zip(cells, objects, strict=True)
                    if cell is not EMPTY and held is not None and held[number] not in (None, "")
                ]
                if share := _agreement(column, field, pairs):
                    shares.append(share)
        return sorted(shares, key=lambda one: -one.share)

    def _objects(self, model: type[Model]) -> Any:
        return concrete_model(model)._base_manager.using(self._using).order_by()

    def _found(self, column: SampledColumn, field: Any, fewest: int) -> Share | None:
        values = set(self._converted(list(column.values)[:_VALUES], field)) - {EMPTY}
        if len(values) < fewest or len(values) * 2 < min(len(column.values), _VALUES):
            return None
        wanted, found = list(values), 0
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            rows = self._objects(field.model).filter(**{f"{field.name}__in": some})
            found += len(values.intersection(rows.values_list(field.attname, flat=True)))  # some databases fold case
        return Share(column, field, found / len(values), len(values)) if found else None

    def _stored(
        self, model: type[Model], key_field: Any, values: Sequence[Any], fields: Sequence[Any]
    ) -> Mapping[object, tuple[Any, ...]]:
        names = [field.attname for field in fields]
        found = {}
        for start in range(0, len(values), _AT_ONCE):
            some = values[start : start + _AT_ONCE]
            rows = self._objects(model).filter(**{f"{key_field.name}__in": some})
            found.update({key: tuple(held) for key, *held in rows.values_list(key_field.attname, *names)})
        return found

    def _converted(self, cells: Sequence[str], field: Any) -> list[Any]:
        """Give the values of cells; EMPTY for those that are none of the field."""
        convert = converter(field, self.options)
        return [_value(convert, cell) for cell in cells]


def unique_fields(model: type[Model]) -> Iterator[Any]:
    """Give the fields by which an object is known outside of the database."""
    for field in concrete_model(model)._meta.concrete_fields:
        if field.unique and not is_numbered_key(field) and not field.is_relation:
            yield field


def constrained_sets(model: type[Model]) -> Iterator[tuple[str, ...]]:
    """Give the names of fields that the model says are unique together."""
    meta = concrete_model(model)._meta
    yield from (tuple(names) for names in meta.unique_together)
    yield from (tuple(constraint.fields) for constraint in meta.total_unique_constraints)


def is_telling(field: Any) -> bool:
    """Whether equal values say much: numbers of two tables are often equal by chance."""
    return is_text(field)


def _value(convert: Any, cell: str) -> Any:
    try:
        value = convert(cell)
        hash(value)
    except (CellError, TypeError):
        return EMPTY
    return value


def _agreement(column: SampledColumn, field: Any, pairs: Sequence[tuple[Any, Any]]) -> Share | None:
    few = len({cell for cell, _ in pairs}) < _FEWEST or len({repr(held) for _, held in pairs}) < _FEWEST  # JSON: lists
    if len(pairs) < _FEWEST_ROWS or few:
        return None
    found = sum(_is_same(cell, held) for cell, held in pairs)
    if any(_is_broken(cell) for cell, _ in pairs) and any(_is_broken(held) for _, held in pairs):
        found = max(found, _near(pairs))
    return Share(column, field, found / len(pairs), len(pairs)) if found else None


def _near(pairs: Sequence[tuple[Any, Any]]) -> int:
    """Count numbers that are nearly equal; 0 if many are near those of other objects too, as temperatures are."""
    half = len(pairs) // 2
    others = [held for _, held in (*pairs[half:], *pairs[:half])]
    near = sum(_is_near(cell, held) for cell, held in pairs)
    by_chance = sum(_is_near(cell, held) for (cell, _), held in zip(pairs, others, strict=True))
    return near if by_chance <= _BY_CHANCE * near else 0


def _is_broken(value: Any) -> bool:
    """Whether it is a number with decimals: whole ones, such as years, are often nearly equal by chance."""
    if isinstance(value, Decimal):
        return value != value.to_integral_value()
    return isinstance(value, float) and not value.is_integer()


def _is_near(cell: Any, held: Any) -> bool:
    if not (isinstance(cell, int | float | Decimal) and isinstance(held, int | float | Decimal)):
        return False
    return abs(float(cell) - float(held)) <= _NEAR * max(1, abs(float(held)))


def _is_same(cell: Any, held: Any) -> bool:
    if isinstance(cell, datetime.datetime) and isinstance(held, datetime.datetime):
        return cell.timestamp() == held.timestamp()
    return bool(cell == held)
