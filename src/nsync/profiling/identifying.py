"""Which columns say which object a row means: the key of the system, and the match."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, Final

from django.db.models import BooleanField, DateField, DecimalField, FloatField, JSONField, Model

from nsync.profiling.assigning import Assigned
from nsync.profiling.contents import Stored, constrained_sets
from nsync.profiling.naming import folded
from nsync.profiling.proposal import Said
from nsync.profiling.sample import Sample, SampledColumn

_KEYS: Final = frozenset({"id", "key", "externalkey", "externalid", "uuid", "guid", "pk"})
_LIKE_KEYS: Final = re.compile(r"(?:id|no|nr|num|number|nummer|key|code|ref|uuid)$")
_MEASURES: Final = (BooleanField, DecimalField, FloatField, JSONField)  # that two objects may well share
_NO_KEYS: Final = (*_MEASURES, DateField)
_NATURAL: Final = 1  # rank of a key by which the model knows its objects
_LARGEST_SET: Final = 3
_MOST_COLUMNS: Final = 15  # of which sets are made
_ENOUGH: Final = 500  # rows; what is unique in fewer is often so by chance
_FILLED: Final = 0.9


class Match:
    """What tells an object by its fields."""

    def __init__(self, said: Said, columns: Sequence[SampledColumn]) -> None:
        self.said = said
        self.columns = columns


def choose_key(
    sample: Sample, columns: Sequence[SampledColumn], assigned: Assigned, match: Sequence[SampledColumn]
) -> Said:
    """Choose, of some columns, the one that holds the key: it is unique, and filled in every row."""
    fitting = [column for column in columns if column.is_unique and not column.empty]
    if fitting:
        rank, _, best = min((_rank(one, assigned), one.position, one) for one in fitting)
        others = [column.header for column in fitting if column is not best]
        also = f"; so {'is' if len(others) == 1 else 'are'} {', '.join(others)}" if others else ""
        doubt = "" if rank <= _NATURAL else _doubt(sample)
        return Said("external_key_column", best.header, f"unique, and filled in {sample.told}{doubt}{also}", not doubt)
    joined = "-".join(f"{{{column.header}}}" for column in match)
    why = "no column is unique and filled in every row; without a key, rows go by their match alone"
    return Said("external_key_column", joined or "…", why, is_proven=False)


def choose_match(sample: Sample, assigned: Assigned, model: type[Model], stored: Stored) -> Match:
    """Choose the smallest set of columns that is unique in the file and in the database."""
    named = (*assigned.fields.items(), *assigned.references.items())
    columns = {one.name: sample.columns[position] for position, one in named}
    operands = _operands(assigned)
    for names in _promised(model, columns):
        some = [columns[name] for name in names]
        if _is_unique(sample, some):
            words = "the model says that it is unique" if len(names) == 1 else "the model says that they are unique"
            return Match(Said("match_on", _spelled(names, operands), f"{words}, and so {_told(sample, some)}"), some)
    for names in _sets(assigned, columns):
        some = [columns[name] for name in names]
        if _is_unique(sample, some) and not any(column.empty for column in some) and not stored.repeats(model, names):
            why = f"unique in {sample.told}, and in the database; the model promises nothing"
            doubt = _doubt(sample)
            return Match(Said("match_on", _spelled(names, operands), why + doubt, not doubt), [] if doubt else some)
    if not columns:
        why = "no column is known as a field yet; once you have decided which are, say which of them tell an object"
        return Match(Said("match_on", "…", why, is_proven=False), [])
    why = "of the columns that are known as fields, no set of up to three is filled and unique here and in the database"
    return Match(Said("", "", f"match_on: {why}; rows go by their key alone"), [])


def _doubt(sample: Sample) -> str:
    """Say why what is unique in a sample may be so by chance; "" if it is not."""
    if not sample.is_whole:
        return "; synclint tells whether it is so in the others too"
    return "" if sample.rows >= _ENOUGH else "; so few rows prove little"


def _rank(column: SampledColumn, assigned: Assigned) -> int:
    """Say how much a unique column looks like a key; the least is best."""
    name = folded(column.header)
    if name in _KEYS:
        return 0
    found = assigned.fields.get(column.position)
    if found is not None and found.unique:
        return _NATURAL
    if _LIKE_KEYS.search(name):
        return 2
    return 3 if found is None or not isinstance(found, _NO_KEYS) else 4


def _promised(model: type[Model], columns: dict[str, SampledColumn]) -> Iterator[tuple[str, ...]]:
    """Give the names that the model says are unique, alone before together, and that the file has."""
    singles = [(one.name,) for one in model._meta.concrete_fields if one.unique]
    for names in (*singles, *constrained_sets(model)):
        if all(name in columns for name in names):
            yield names


def _sets(assigned: Assigned, columns: dict[str, SampledColumn]) -> Iterator[tuple[str, ...]]:
    """Give the sets of names that may tell an object, the smallest ones first."""
    measures = {one.name for one in assigned.fields.values() if isinstance(one, _MEASURES)}
    names = [name for name, column in columns.items() if name not in measures and not column.empty]
    names = sorted(names, key=lambda name: columns[name].position)[:_MOST_COLUMNS]
    for size in range(1, _LARGEST_SET + 1):
        yield from combinations(names, size)


def _is_unique(sample: Sample, columns: Sequence[SampledColumn]) -> bool:
    if len(columns) == 1:
        return columns[0].is_unique and columns[0].filled >= _FILLED * sample.rows
    return sample.are_unique(columns)


def _told(sample: Sample, columns: Sequence[SampledColumn]) -> str:
    words = "it is" if len(columns) == 1 else "they are"
    empty = [column for column in columns if column.empty]
    but = f", but empty in {empty[0].empty:,} of them, first in line {empty[0].first_empty}" if empty else ""
    return f"{words} in {sample.told}{but}"


def _operands(assigned: Assigned) -> dict[str, str]:
    """Give what a match calls fields and relations: ``country=>code``."""
    found = {one.name: one.name for one in assigned.fields.values()}
    for position, relation in assigned.references.items():
        target = next(target for target in assigned.targets[position] if "=>" in target.name)
        found[relation.name] = target.name
    return found


def _spelled(names: Sequence[str], operands: dict[str, Any]) -> str:
    return " ".join(str(operands[name]) for name in names)
