"""Restoring: rows of a table become what they were before a run, raw: no ``save()``, no ``auto_now``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from django.db import connections
from django.db.models import Model
from django.db.models.signals import ModelSignal, post_save, pre_save

from nsync.apply.deferred import check_postgresql
from nsync.apply.inserting import insert_by_columns
from nsync.apply.refusals import all_or_nothing
from nsync.apply.removing import objects_with, raw_delete
from nsync.apply.unmaking import holds_json, pointers_to, rows_now
from nsync.apply.updating import update_columns
from nsync.changes import ChangeKind
from nsync.equality import is_another
from nsync.errors import Problem, RowError
from nsync.fields import columns_of, field_of
from nsync.identities import Identities
from nsync.recording import KeptRow, Recorder, WrittenRows
from nsync.rowsin import RowsIn, slices

Row = dict[str, Any]


class Left(NamedTuple):
    """Something that was not put back, and why."""

    row: KeptRow
    code: str
    field: str  # attname; "" if it is the whole row
    reason: str


class Restorer:
    """
    Puts rows of one table back, many at once.

    Args:
        identities: Knows the database.
        recorder: Is told what was written, if anybody is.
        force: Values that somebody changed since are overwritten.
        is_held: Says who else holds objects that were created, by primary key; "" for nobody.

    Queries: one to read and lock the rows; one for each set of columns to write them; to remove rows, one for each
    foreign key that points to the table. Where the database refuses something, several for each row.
    """

    def __init__(
        self,
        identities: Identities,
        recorder: Recorder | None,
        *,
        force: bool,
        is_held: Callable[[type[Model], Sequence[object]], Mapping[object, str]],
    ) -> None:
        self._using = identities.using
        self._identities = identities
        self._recorder = recorder
        self._force = force
        self._is_held = is_held
        self.restored = 0  # rows, by all calls

    def restore(self, model: type[Model], rows: Sequence[KeptRow]) -> list[Left]:
        """
        Take back what was done to rows.

        Args:
            model: Of the table.
            rows: All inserted, all updated or all deleted, each once, the last one first.

        Returns:
            What had to be left.
        """
        if rows[0].kind is ChangeKind.INSERT:
            return self._remove(model, rows)
        if rows[0].kind is ChangeKind.DELETE:
            return self._bring_back(model, rows)
        return self._set_back(model, rows)

    def _current(self, model: type[Model], rows: Iterable[KeptRow]) -> dict[object, Row]:
        """Read rows as they are now, and lock them where the database can."""
        names = columns_of(model)
        found = rows_now(model, [row.pk for row in rows], self._using)
        return {pk: dict(zip(names, values, strict=True)) for pk, values in found.items()}

    # What was created goes.

    def staying(
        self, model: type[Model], rows: Sequence[KeptRow], children: Collection[tuple[type[Model], object]]
    ) -> list[Left]:
        """
        Say which created rows stay.

        Args:
            model: Of the table.
            rows: All inserted.
            children: Rows of children by inheritance that go with them, if they go.
        """
        return self._staying(model, rows, self._current(model, rows), children)

    def _staying(
        self,
        model: type[Model],
        rows: Sequence[KeptRow],
        current: Mapping[object, Row],
        children: Collection[tuple[type[Model], object]] = (),
    ) -> list[Left]:
        there = {row.pk: row for row in rows if row.pk in current}
        left = [] if self._force else self._edited(model, there.values(), current)
        for one in left:
            there.pop(one.row.pk, None)
        return left + self._held(model, there, current, children)

    def _remove(self, model: type[Model], rows: Sequence[KeptRow]) -> list[Left]:
        current = self._current(model, rows)
        left = self._staying(model, rows, current)
        stays = {one.row.pk for one in left}
        gone = [row for row in rows if row.pk in current and row.pk not in stays]
        return left + self._write(gone, partial(self._delete, model, current))

    def _edited(self, model: type[Model], rows: Iterable[KeptRow], current: Mapping[object, Row]) -> list[Left]:
        found = []
        for row in rows:
            now = current[row.pk]
            if row.after.items() <= now.items() and not holds_json(model):
                continue  # as nearly all
            names = [name for name, value in row.after.items() if name in now and _differs(model, name, value, now)]
            if names:
                found.append(Left(row, "changed-since", names[0], f"is {now[names[0]]!r} now; the object was kept"))
        return found

    def _held(
        self,
        model: type[Model],
        there: dict[object, KeptRow],
        current: Mapping[object, Row],
        children: Collection[tuple[type[Model], object]],
    ) -> list[Left]:
        """Take out of rows those that others refer to, and then those that they refer to."""
        found: list[Left] = []
        while there:
            holders = {**self._is_held(model, list(there)), **self._referring(model, there, current, children)}
            if not holders:
                break
            for pk, holder in holders.items():
                row = there.pop(pk)
                found.append(Left(row, "referred-to", "", f"{holder} refers to it; the object was kept"))
        return found

    def _referring(
        self,
        model: type[Model],
        there: Mapping[object, KeptRow],
        current: Mapping[object, Row],
        children: Collection[tuple[type[Model], object]],
    ) -> dict[object, str]:
        """Say which rows of other tables, or of this one that stay, point to rows."""
        found: dict[object, str] = {}
        for link, other in pointers_to(model, self._using):
            name = link.target_field.attname
            targets = {current[pk][name]: pk for pk in there if current[pk].get(name) is not None}
            pk = other._meta.pk.attname
            for part in slices([list(targets)], [link.target_field], self._using):
                holders = other._base_manager.using(self._using).filter(
                    RowsIn([link.attname], [link.target_field], part)
                )
                for value, holder in holders.values_list(link.attname, pk):
                    goes_too = (other is model and holder in there) or (other, holder) in children
                    if value in targets and not goes_too:
                        found.setdefault(targets[value], f"{other._meta.verbose_name} {holder}")
        return found

    def _delete(self, model: type[Model], current: Mapping[object, Row], rows: Sequence[KeptRow]) -> None:
        pks = [row.pk for row in rows]
        for objects in objects_with(model, pks, self._using):
            raw_delete(objects, self._using)
        names = columns_of(model)
        before = [[current[pk][name] for pk in pks] for name in names]
        self._note(ChangeKind.DELETE, model, names, pks, before, ())

    # What was deleted comes back.

    def _bring_back(self, model: type[Model], rows: Sequence[KeptRow]) -> list[Left]:
        current = self._current(model, rows)
        left, gone = [], []
        for row in rows:
            now = current.get(row.pk)
            if now is None:
                gone.append(row)
            elif any(_differs(model, name, value, now) for name, value in row.before.items() if name in now):
                left.append(Left(row, "taken", "", "another object has its primary key now"))
        left += [Left(row, "not-kept", name, "its value was not kept") for row in gone for name in row.hidden]
        return left + self._write(gone, partial(self._insert, model))

    def _insert(self, model: type[Model], rows: Sequence[KeptRow]) -> None:
        names = columns_of(model)
        columns = [[_value(model, name, row) for row in rows] for name in names]
        instances = self._raw_instances(model, names, columns)
        _send(pre_save, model, instances, self._using, created=None, names=None)
        insert_by_columns(model, [field_of(model, name) for name in names], columns, self._using)
        self._check_references(model, names, columns)
        _send(post_save, model, instances, self._using, created=True, names=None)
        self._note(ChangeKind.INSERT, model, names, [row.pk for row in rows], (), columns)

    # What was changed gets its old values.

    def _set_back(self, model: type[Model], rows: Sequence[KeptRow]) -> list[Left]:
        current = self._current(model, rows)
        left: list[Left] = []
        groups: dict[tuple[str, ...], list[KeptRow]] = {}
        for row in rows:
            now = current.get(row.pk)
            if now is None:
                left.append(Left(row, "gone", "", "the object is gone"))
                continue
            names, others = self._to_set(model, row, now)
            left += others
            if names:
                groups.setdefault(tuple(names), []).append(row)
        for fixed, part in groups.items():
            left += self._write(part, partial(self._update, model, current, fixed))
        return left

    def _to_set(self, model: type[Model], row: KeptRow, now: Row) -> tuple[list[str], list[Left]]:
        """Name the columns that get their old values, and say which do not."""
        left = [Left(row, "not-kept", name, "its value was not kept") for name in row.hidden]
        names = []
        for name, old in row.before.items():
            if name not in now or not _differs(model, name, old, now):
                continue  # the column is gone, or holds its old value already
            if self._force or not _differs(model, name, row.after.get(name), now):
                names.append(name)
            else:
                left.append(Left(row, "changed-since", name, f"is {now[name]!r} now, not {row.after.get(name)!r}"))
        return names, left

    def _update(
        self, model: type[Model], current: Mapping[object, Row], names: Sequence[str], rows: Sequence[KeptRow]
    ) -> None:
        pks = [row.pk for row in rows]
        after = [[row.before[name] for row in rows] for name in names]
        before = [[current[pk][name] for pk in pks] for name in names]
        whole = [{**current[row.pk], **{name: row.before[name] for name in names}} for row in rows]
        instances = self._raw_instances(
            model, columns_of(model), [[row[name] for row in whole] for name in columns_of(model)]
        )
        _send(pre_save, model, instances, self._using, created=None, names=names)
        update_columns(model, [field_of(model, name) for name in names], after, pks, self._using)
        self._check_references(model, names, after)
        _send(post_save, model, instances, self._using, created=False, names=names)
        self._note(ChangeKind.UPDATE, model, tuple(names), pks, before, after)

    def _check_references(self, model: type[Model], names: Sequence[str], columns: Sequence[Sequence[object]]) -> None:
        """Refuse now what the database would refuse at the end: a foreign key to something that is gone."""
        connection = connections[self._using]
        if connection.vendor == "postgresql":
            check_postgresql(connection)
        if connection.vendor != "sqlite":
            return
        for name, column in zip(names, columns, strict=True):
            link = field_of(model, name)
            if not link.remote_field or not link.db_constraint:
                continue
            wanted = {value for value in column if value is not None}
            target = link.target_field
            rows = link.related_model._base_manager.using(self._using)
            for part in slices([list(wanted)], [target], self._using):
                found = rows.filter(RowsIn([target.attname], [target], part))
                wanted -= set(found.values_list(target.attname, flat=True))
            if wanted:
                message = f"{link.name} refers to {link.related_model._meta.verbose_name} {min(wanted, key=str)}: gone"
                raise RowError(Problem("foreign-key", message, name))

    # Together, and where the database refuses that, one by one.

    def _write(self, rows: Sequence[KeptRow], write: Callable[[Sequence[KeptRow]], None]) -> list[Left]:
        if not rows:
            return []
        try:
            with all_or_nothing(self._identities):
                write(rows)
        except RowError:
            return self._write_singly(rows, write)
        self.restored += len(rows)
        return []

    def _write_singly(self, rows: Sequence[KeptRow], write: Callable[[Sequence[KeptRow]], None]) -> list[Left]:
        """Write row by row, again until that settles nothing: one may be in the way of another."""
        waiting = list(rows)
        left: list[Left] = []
        is_moving = True
        while waiting and is_moving:
            left = []
            for row in waiting:
                try:
                    with all_or_nothing(self._identities):
                        write([row])
                except RowError as error:
                    left.append(Left(row, error.problems[0].code, "", error.problems[0].message))
                else:
                    self.restored += 1
            is_moving = len(left) < len(waiting)
            waiting = [one.row for one in left]
        return left

    def _raw_instances(
        self, model: type[Model], names: Sequence[str], columns: Sequence[Sequence[object]]
    ) -> Collection[Model]:
        """Make objects for the receivers of a model; none where nobody listens."""
        if (
            self._recorder is None
            or model._meta.parents
            or not any(signal.has_listeners(model) for signal in (pre_save, post_save))
        ):
            return ()
        return [model.from_db(self._using, names, values) for values in zip(*columns, strict=True)]

    def _note(
        self,
        kind: ChangeKind,
        model: type[Model],
        names: tuple[str, ...],
        pks: Sequence[object],
        before: Sequence[Sequence[object]],
        after: Sequence[Sequence[object]],
    ) -> None:
        if self._recorder is not None:
            self._recorder.take([WrittenRows(kind, model, names, pks, before, after, -1, [0] * len(pks))])


def _send(
    signal: ModelSignal,
    model: type[Model],
    instances: Collection[Model],
    using: str,
    *,
    created: bool | None,
    names: Sequence[str] | None,
) -> None:
    """Tell receivers, as ``loaddata`` does: with ``raw=True`` they leave the database alone."""
    more = {} if created is None else {"created": created}
    fields = None if names is None else frozenset(field_of(model, name).name for name in names)
    for instance in instances:
        signal.send(sender=model, instance=instance, raw=True, using=using, update_fields=fields, **more)


def _differs(model: type[Model], name: str, value: object, now: Row) -> bool:
    return is_another(field_of(model, name), value, now[name])


def _value(model: type[Model], name: str, row: KeptRow) -> object:
    """Give what a column of a row gets that comes back; what is not known gets its default."""
    if name in row.before:
        return row.before[name]
    return row.pk if name == model._meta.pk.attname else field_of(model, name).get_default()
