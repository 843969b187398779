"""Touched: the objects that earlier rows of a batch write, with the values that they will have; found by value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any

from nsync.actions import EMPTY
from nsync.changes import Change, ChangeKind, New, ObjectId
from nsync.fields import family, field_of, fills_itself, is_plain, is_untouched
from nsync.plan.simple import Path, canonical
from nsync.plan.state import Emptied, Stored, Unanswered

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.db.models import Model

    Values = Mapping[str, object]


class Barrier(Exception):
    """Memory cannot tell what the database will say: what is planned must be written first."""


class Touched:
    """
    The objects that a batch has written so far, and those that it has removed.

    Args:
        ask: Gives the values of an object that the batch did not touch; raises `Unanswered` if nobody knows them.
    """

    def __init__(self, ask: Callable[[Stored], Values | None]) -> None:
        self._ask = ask
        self.values: dict[ObjectId, Values] = {}
        self.removed: set[ObjectId] = set()
        self.emptied: dict[tuple[type[Model], str], set[object]] = {}  # foreign keys set to NULL where they hold these
        self._written: dict[type[Model], dict[ObjectId, frozenset[str] | None]] = {}  # None: all columns, it is new
        self._stirred: set[type[Model]] = set()  # all models whose objects were written, removed or emptied
        self._removed_models: set[type[Model]] = set()
        self._inserted: set[type[Model]] = set()
        self._updated: dict[type[Model], set[str]] = {}  # columns of objects that were there before
        self._unknown: dict[ObjectId, frozenset[str]] = {}  # columns that only the database can tell
        self._numbers: dict[New, object] = {}  # primary keys that rows bring along
        # {path of columns: {their values: objects}}, made when somebody asks, and kept up to date
        self._indexes: dict[tuple[Path, ...], dict[tuple[object, ...], dict[ObjectId, None]]] = {}
        self._indexed: dict[tuple[Path, ...], dict[ObjectId, tuple[object, ...]]] = {}

    def absorb(self, change: Change, before: Values, emptied: Iterable[Emptied] = ()) -> None:
        """Take note of an INSERT, UPDATE or DELETE; before: the values of the object until now."""
        target, model = change.target, change.target.model
        self._stirred.add(model)
        if change.kind is ChangeKind.DELETE:
            self._remove(change.others, emptied)
            return
        columns = frozenset(change.after)
        filled = _filled_later(model)
        written = self._written.setdefault(model, {})
        if change.kind is ChangeKind.INSERT:
            written[target] = None
            self._inserted.add(model)
            pk = model._meta.pk.attname
            if isinstance(target.pk, New) and pk in change.after:
                self._numbers[target.pk] = change.after[pk]
            filled = filled | _unsure(model, columns) | (frozenset(_columns(model)) - columns - {pk})
        else:
            earlier = written.get(target, frozenset())
            written[target] = None if earlier is None else earlier | columns | filled
            self._updated.setdefault(model, set()).update(columns | filled)
            filled = filled | _unsure(model, columns) | (self._unknown.get(target, frozenset()) - columns)
        if filled:
            self._unknown[target] = filled
        key = {model._meta.pk.attname: target.pk} if isinstance(target.pk, New) else {}
        self.values[target] = {**key, **before, **change.after, **change.properties}
        self._index_anew(target)

    def _remove(self, targets: Sequence[ObjectId], emptied: Iterable[Emptied]) -> None:
        self.removed.update(targets)
        self._removed_models.update(target.model for target in targets)
        self._stirred |= self._removed_models
        for model, attname, values in emptied:
            self._stirred.add(model)
            self.emptied.setdefault((model, attname), set()).update(values)
        for target in targets:
            self.values.pop(target, None)
            self._written.get(target.model, {}).pop(target, None)
            self._index_anew(target)

    def is_unknown(self, target: ObjectId) -> bool:
        """Whether only the database can tell a value that a later row may compare or replace."""
        unknown = self._unknown.get(target)
        return bool(unknown) and not unknown <= _computed(target.model)  # type: ignore[operator]  # None is False

    def is_stale(self, target: ObjectId, columns: frozenset[str]) -> bool:
        """Whether the database, asked before the batch, said something of these columns that no longer holds."""
        if target in self.removed:
            return True
        written = self._written.get(target.model, {})
        if target not in written:
            return False
        changed = written[target]
        return changed is None or bool(changed & columns)

    def has_written(self, model: type[Model]) -> bool:
        """Whether objects of the model were created or changed."""
        return bool(self._written.get(model))

    def is_still(self, model: type[Model]) -> bool:
        """Whether the batch did nothing to any object of the model, or of its parents and children."""
        return model not in self._stirred and not self.has_stirred_relatives(model)

    def has_stirred_relatives(self, model: type[Model]) -> bool:
        """Whether the batch did something to the rows that an object has in other tables (inheritance)."""
        relatives = family(model)
        return bool(relatives) and not relatives.isdisjoint(self._stirred)

    def concerns(self, model: type[Model], names: Iterable[str]) -> bool:
        """Whether the batch did anything that may change which objects fit a comparison of these fields."""
        columns = {field.attname for field in model._meta.concrete_fields if {field.name, field.attname} & {*names}}
        if "pk" in names:
            columns.add(model._meta.pk.attname)
        return (
            model in self._inserted
            or not columns.isdisjoint(self._updated.get(model, ()))
            or model in self._removed_models
            or any((model, column) in self.emptied for column in columns)
        )

    def has_moved(self, path: Path) -> bool:
        """Whether what a path leads to may be another now, for objects that nobody touched."""
        if (path[0].model, path[0].attname) in self.emptied:
            return True
        return any(
            step.attname in self._updated.get(step.model, ())
            or (step.model, step.attname) in self.emptied
            or step.model in self._removed_models
            for step in path[1:]
        )

    def holding(self, paths: tuple[Path, ...], values: tuple[object, ...]) -> Iterable[ObjectId]:
        """
        Give the touched objects in which paths end in these values (see `canonical`).

        Raises:
            Barrier: Some value is known only to the database.
        """
        if paths not in self._indexes:
            written = self._written.get(paths[0][0].model, {})
            ends = {target: tuple(self._end(target, path) for path in paths) for target in written}
            index: dict[tuple[object, ...], dict[ObjectId, None]] = {}
            for target, held in ends.items():
                index.setdefault(held, {})[target] = None
            self._indexes[paths], self._indexed[paths] = index, ends
        return self._indexes[paths].get(values, ())

    def _index_anew(self, target: ObjectId) -> None:
        for paths in list(self._indexes):
            if paths[0][0].model is not target.model:
                continue
            old = self._indexed[paths].pop(target, None)
            if old is not None:
                del self._indexes[paths][old][target]
            if target not in self.values:
                continue
            try:
                held = tuple(self._end(target, path) for path in paths)
            except (Barrier, Unanswered):  # whoever asks next is told
                del self._indexes[paths], self._indexed[paths]
                continue
            self._indexes[paths].setdefault(held, {})[target] = None
            self._indexed[paths][target] = held

    def _end(self, target: ObjectId, path: Path) -> object:
        """Follow a path to its value."""
        for number, step in enumerate(path):
            if step.attname in self._unknown.get(target, ()):
                raise Barrier
            values = self.values.get(target) or self._ask(Stored(target)) or {}
            value = values.get(step.attname)
            if number == len(path) - 1:
                if isinstance(value, New) and value == target.pk and value not in self._numbers:
                    raise Barrier  # which number it will get is for the database to say
                return self.number(value)
            if value is None:
                return EMPTY
            target = ObjectId(path[number + 1].model, value)
        raise AssertionError("a path has at least one step")

    def number(self, value: object) -> object:
        """Give a value as it is compared; of a new object the primary key that its row brought along."""
        return canonical(self._numbers.get(value, value) if isinstance(value, New) else value)


def _columns(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


@cache
def _filled_later(model: type[Model]) -> frozenset[str]:
    """Give the columns that each save changes by itself."""
    return frozenset(field.attname for field in model._meta.concrete_fields if field.generated or fills_itself(field))


@cache
def _computed(model: type[Model]) -> frozenset[str]:
    """Give the columns that no row can set, so that it does not matter to a row what they hold."""
    return frozenset(
        field.attname
        for field in model._meta.concrete_fields
        if field.generated or getattr(field, "auto_now", False) or getattr(field, "auto_now_add", False)
    )


@cache
def _unsure(model: type[Model], columns: frozenset[str]) -> frozenset[str]:
    """Give those columns whose values may be read otherwise than they were written."""
    return frozenset(
        name for name in columns if not is_plain(field_of(model, name)) and not _is_text_column(field_of(model, name))
    )


def _is_text_column(field: Any) -> bool:
    """Text with a collation of its own is read as it was written, though it compares otherwise."""
    return is_untouched(field) and field.get_internal_type() in ("CharField", "TextField", "SlugField")
