"""Which field or reference each column is: by its name, by its values, by what the database has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from django.db.models import CharField, Model

from nsync.options import SyncOptions
from nsync.profiling.contents import Share, Stored, is_telling, unique_fields
from nsync.profiling.naming import by_name, fields_to_fill, folded, is_akin
from nsync.profiling.proposal import Said
from nsync.profiling.sample import SampledColumn
from nsync.profiling.written import date_order, decimal_comma, unfit_values

_MISFITS: Final = 0.05  # of the values of a column; with more, its name means something else
_AKIN: Final = 0.2  # of the values of a column, if its name says what it refers to
_STRANGE: Final = 0.95  # if it does not
_AGREES: Final = 0.5
_AGREES_SOMEWHAT: Final = 0.2


class Target(NamedTuple):
    """What a column is."""

    name: str  # of a field, or a reference: "country=>code"
    why: str


@dataclass(slots=True)
class Assigned:
    """What is known of the columns, by their positions."""

    fields: dict[int, Any] = field(default_factory=dict)  # model fields
    references: dict[int, Any] = field(default_factory=dict)  # foreign keys
    targets: dict[int, list[Target]] = field(default_factory=dict)  # what they are taken as
    doubts: dict[int, Target] = field(default_factory=dict)  # what they may be
    ways: list[Said] = field(default_factory=list)  # how values are written

    def take(self, position: int, model_field: Any, why: str) -> None:
        """Take a column as a field."""
        self.fields[position] = model_field
        self.targets.setdefault(position, []).append(Target(model_field.name, why))
        self.doubts.pop(position, None)
        for other, doubt in list(self.doubts.items()):
            if doubt.name == model_field.name:
                del self.doubts[other]

    def refer(self, position: int, relation: Any, target: Target) -> None:
        """Take a column as a reference."""
        self.references[position] = relation
        self.targets.setdefault(position, []).append(target)
        self.doubts.pop(position, None)

    def doubt(self, position: int, target: Target) -> None:
        """Note what a column may be, if nothing else is known of it that may be."""
        self.doubts.setdefault(position, target)


class Assigner:
    """
    Says what the columns of a sample are.

    Args:
        model: To which they are synced.
        columns: Those that have a name of their own.
        options: What is known of the file.
        system: Whose file it is.
        stored: What the database has.
    """

    def __init__(
        self, model: type[Model], columns: Sequence[SampledColumn], options: SyncOptions, system: str, stored: Stored
    ) -> None:
        self._model = model
        self._columns = columns
        self._stored = stored
        fields = fields_to_fill(model, options, system)
        self._fields = [one for one in fields if not one.is_relation]
        self._relations = [one for one in fields if one.is_relation]
        self.options = options
        self.found = Assigned()

    def assign(self) -> Assigned:
        """Say it, as far as it can be told without knowing which object a row means."""
        self._by_name()
        for unique in self._free_uniques():
            self._find_stored(unique)
        for relation in self._relations:
            self._refer(relation)
        for unique in self._free_uniques():
            self._find_formed(unique)
        return self.found

    def agree(self, match: SampledColumn) -> None:
        """Take columns as the fields that hold the same in the objects of their rows; which these are, `match` says."""
        fields, columns = self._free_fields(), self._free_columns()
        if not (fields and columns) or not self._stored.has_rows(self._model):
            return
        pair = (match, self.found.fields[match.position])
        for share in self._stored.agreeing(self._model, pair, columns, fields):
            is_free = share.column in self._free_columns() and share.field in self._free_fields()
            why = f"{share} of {share.compared:,} rows agree with what is stored"
            if is_free and share.share >= _AGREES:
                self.found.take(share.column.position, share.field, why)
            elif is_free and share.share >= _AGREES_SOMEWHAT:
                self.found.doubt(share.column.position, Target(share.field.name, f"only {why}"))

    def _free_fields(self) -> list[Any]:
        taken = {one.name for one in self.found.fields.values()}
        return [one for one in self._fields if one.name not in taken]

    def _free_columns(self) -> list[SampledColumn]:
        return [column for column in self._columns if column.position not in self.found.targets]

    def _by_name(self) -> None:
        relations = {folded(name) for one in self._relations for name in (one.name, one.attname)}
        columns = [column for column in self._columns if folded(column.header) not in relations]
        named = by_name(columns, self._fields)
        by_position = {column.position: column for column in columns}
        self._find_ways([(by_position[position], one.field) for position, one in named.items()])
        for position, one in named.items():
            column = by_position[position]
            unfit = unfit_values(column, one.field, self.options)
            misfits = [each for each in unfit if each.code != "ambiguous-date"]
            told = f"{len(misfits):,} of {len(column.values):,} different values do not fit" if misfits else ""
            if not one.is_sure or len(misfits) > _MISFITS * len(column.values):
                but = f", but {told}: {misfits[0]}" if misfits else ""
                self.found.doubt(position, Target(one.field.name, one.why + but))
            else:
                self.found.take(position, one.field, one.why + (f"; {told}: {misfits[0]}" if misfits else ""))

    def _find_ways(self, pairs: Sequence[tuple[SampledColumn, Any]]) -> None:
        """Find out how dates and numbers are written."""
        if way := decimal_comma(pairs, self.options):
            self.options = way.options
            self.found.ways.append(Said("decimal_comma", True, way.why, not way.candidates))
        if way := date_order(pairs, self.options):
            self.options = way.options
            order = way.candidates[0] if way.candidates else way.options.date_order
            others = f"; or {', '.join(way.candidates[1:])}" if len(way.candidates) > 1 else ""
            self.found.ways.append(Said("date_order", order, way.why + others, not way.candidates))
        self._stored.options = self.options

    def _refer(self, relation: Any) -> None:
        """Find the column that refers by a unique field."""
        related = relation.related_model
        named = [column for column in self._columns if is_akin(column.header, relation)]
        targets = list(unique_fields(related))
        if not targets or not self._stored.has_rows(related):
            why = f"{related._meta.object_name} has no rows yet, so that nothing proves it"
            why = why if targets else f"{related._meta.object_name} has no unique field: say by what it is found"
            for column in named[:1]:
                path = targets[0].name if targets else "…"
                self.found.doubt(column.position, Target(f"{relation.name}=>{path}", why))
            return
        others = [column for column in self._columns if column not in named]
        shares = [share for target in targets for share in self._stored.found(named, target, fewest=1)]
        shares += [share for target in targets if is_telling(target) for share in self._stored.found(others, target)]
        best = max(shares, key=lambda one: (one.column in named, one.share), default=None)
        if best is not None:
            self._take_reference(relation, best, is_named=best.column in named)
        elif exact := [one for one in named if folded(one.header) == folded(relation.name)]:
            why = f"none of its values is found, {exact[0].examples}"
            self.found.doubt(exact[0].position, Target(f"{relation.name}=>{targets[0].name}", why))

    def _take_reference(self, relation: Any, best: Share, *, is_named: bool) -> None:
        position = best.column.position
        where = f"{relation.related_model._meta.object_name}.{best.field.name}"
        why = f"{best} of {best.compared:,} different values are found in {where}"
        target = Target(f"{relation.name}=>{best.field.name}", why)
        is_strange = best.share >= _STRANGE and position not in self.found.fields
        if (is_named and best.share >= _AKIN) or is_strange:
            self.found.refer(position, relation, target)
        elif is_named or best.share >= _AGREES:
            self.found.doubt(position, target)

    def _free_uniques(self) -> list[Any]:
        free = self._free_fields()
        return [unique for unique in unique_fields(self._model) if unique in free]

    def _find_stored(self, unique: Any) -> None:
        """Find the column of a unique field by values that are stored."""
        if not is_telling(unique):
            return
        free = [one for one in self._free_columns() if one.is_unique and not self._is_akin(one)]
        shares = self._stored.found(free, unique)
        if shares and shares[0].share >= _AGREES:
            why = f"{shares[0]} of {shares[0].compared:,} different values are stored in it"
            self.found.take(shares[0].column.position, unique, why)

    def _is_akin(self, column: SampledColumn) -> bool:
        return any(is_akin(column.header, relation) for relation in self._relations)

    def _find_formed(self, unique: Any) -> None:
        """Find the column of a unique field by the form of its values, where there is but one."""
        most = unique.max_length if isinstance(unique, CharField) else None
        free = [one for one in self._free_columns() if one.is_unique and not one.empty]
        fitting = [one for one in free if most and one.longest <= most]
        exact = [one for one in fitting if {len(value) for value in one.values} == {most}]
        if len(exact) == 1:
            why = f"the only unique column of which each value has {most} characters"
            self.found.take(exact[0].position, unique, why)
        elif len(fitting) == 1:
            why = f"the only column left that is unique and fits its {most} characters"
            self.found.doubt(fitting[0].position, Target(unique.name, why))
