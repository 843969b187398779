"""Unwinding: the recorded changes of a run, taken back from the last to the first. Part of the conductor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from django.db.models import Model, Q

from nsync.apply.images import has_table
from nsync.apply.mappings import mappings_of
from nsync.apply.restoring import Left, Restorer
from nsync.apply.unmaking import unmake
from nsync.changes import ERROR_CODES, ChangeKind
from nsync.fields import concrete_model
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping, ExternalSystem, RecordedChange
from nsync.record.journal import kept_block, kept_pks, kept_rows, model_of, text_of
from nsync.recording import KeptBlock, KeptRow, Recorder

_READ = 200  # changes at once; a block among them may hold five thousand rows
_AT_ONCE = 5_000  # rows that are put back together
_BLOCKS = 4  # of mappings that are held in memory
_RANGES = 20  # of numbers of mappings that are asked about together
_MAPPING, _SYSTEM = ExternalKeyMapping._meta.label, ExternalSystem._meta.label
DONE = {ChangeKind.INSERT: "removed", ChangeKind.DELETE: "brought back", ChangeKind.UPDATE: "set back"}

Progress = Callable[[int, int], None]  # rows done, rows to do


class Unwinding:
    """
    Takes back what a run wrote, inside a transaction.

    Args:
        run: Primary key of the run.
        using: Alias of the database.
        recorder: Is told what is written, if anybody is.
        only: Label and primary key, as text, of the objects that are put back; none: all.
        progress: Told how far it has come.
        force: Values that somebody changed since are overwritten.
    """

    def __init__(
        self,
        run: int,
        using: str,
        recorder: Recorder | None,
        only: Collection[tuple[str, str]],
        progress: Progress | None,
        *,
        force: bool,
    ) -> None:
        self.done: dict[str, Counter[str]] = {}  # label of a model → "removed" … → rows of its table
        self.left: list[Left] = []
        self._using = using
        self._only = {(name.lower(), pk) for label, pk in only for name in _with_parents(label)}
        self._progress = progress
        self._changes = RecordedChange._base_manager.using(using).filter(run_id=run)
        self._identities = Identities(using)
        self._recorder = recorder
        self._restorer = Restorer(self._identities, recorder, force=force, is_held=self._held)
        self._made = _MadeMappings(self._changes)
        self._kept: set[tuple[str, str]] = set()  # label and primary key of created objects that stay
        self._lost: set[tuple[str, str]] = set()  # and of deleted ones that do not return
        self._waiting: dict[tuple[str, object], list[KeptRow]] = {}  # what was done to rows, the last first
        self._children: list[tuple[type[Model], list[KeptRow]]] = []  # created rows that wait for those of parents
        self._parents: list[tuple[type[Model], list[KeptRow]]] = []
        self._holdable: dict[type[Model], bool] = {}
        self._rows = 0
        self._total = sum(self._changes.values_list("count", flat=True)) if progress else 0

    def run(self) -> None:
        """
        Put back objects before keys: what becomes of these depends on whether those stay.

        Keys refer to systems: those that return come first, those that go last.
        """
        systems = self._changes.filter(model=_SYSTEM)
        self._run(systems.filter(kind=ChangeKind.DELETE.value))
        self._run(self._changes.exclude(model__in=(_MAPPING, _SYSTEM)))
        self._run(self._changes.filter(model=_MAPPING))
        self._run(systems.exclude(kind=ChangeKind.DELETE.value))

    def _run(self, changes: Any) -> None:
        for rows in self._groups(changes):
            if isinstance(rows, KeptBlock):
                self._restore_block(rows)
                self._rows += len(rows.pks)
            else:
                self._restore_or_hold(rows)
                self._rows += len(rows)
            if self._progress is not None:
                self._progress(self._rows, self._total)
        self._restore_children(())
        self._retry()

    def _restore_block(self, block: KeptBlock) -> None:
        """Put the rows of a block back: all at once, if they are as the run has left them and nobody refers to them."""
        model = model_of(block.label)
        may_go = not (self._only or self._waiting or self._children or self._kept or self._lost)
        if may_go and model is not None and self._unmake(model, block):
            self.done.setdefault(block.label, Counter())[DONE[block.kind]] += len(block.pks)
        elif rows := [row for row in reversed(block.rows()) if self._is_wanted(row)]:
            self._restore_or_hold(rows)

    def _unmake(self, model: type[Model], block: KeptBlock) -> bool:
        return not self._held(model, block.pks) and unmake(model, block, self._identities, self._recorder)

    def _groups(self, changes: Any) -> Iterator[list[KeptRow] | KeptBlock]:
        """Give rows from the last to the first, those together that can be put back together."""
        group: list[KeptRow] = []
        seen: set[object] = set()
        for row in self._reversed(changes):
            if isinstance(row, KeptBlock):
                if group:
                    yield group
                    group, seen = [], set()
                yield row
                continue
            is_other = bool(group) and (group[0].label, group[0].kind) != (row.label, row.kind)
            if is_other or row.pk in seen or len(group) == _AT_ONCE:
                yield group
                group, seen = [], set()
            group.append(row)
            seen.add(row.pk)
        if group:
            yield group

    def _reversed(self, changes: Any) -> Iterator[KeptRow | KeptBlock]:
        last: int | None = None
        while True:
            part = list((changes if last is None else changes.filter(pk__lt=last)).order_by("-pk")[:_READ])
            for change in part:
                if change.block:
                    yield kept_block(change)
                else:
                    yield from (row for row in kept_rows(change) if self._is_wanted(row))
            if not part:
                return
            last = part[-1].pk

    def _is_wanted(self, row: KeptRow) -> bool:
        """Whether a row is to be put back: with ``--only`` those of the objects named, and their keys."""
        if row.label == _MAPPING and self._is_bound(row):
            return False
        if not self._only:
            return True
        label, pk = self._means(row) if row.label == _MAPPING else (row.label, text_of(row.pk))
        return (label.lower(), pk) in self._only

    def _is_bound(self, row: KeptRow) -> bool:
        """Whether a key stays as it is: what it means stays, or what it would mean does not return."""
        if not (self._kept or self._lost):
            return False  # as in nearly all runs
        is_gone = row.kind is ChangeKind.DELETE
        stays = not is_gone and self._means(row) in self._kept
        return stays or (row.kind is not ChangeKind.INSERT and self._meant(row) in self._lost)

    def _meant(self, row: KeptRow) -> tuple[str, str]:
        """Give label and primary key of the object that a mapping meant before."""
        return self._means(row._replace(after=row.before))

    def _means(self, row: KeptRow) -> tuple[str, str]:
        """Give label and primary key of the object that a mapping means."""
        values = {**row.before, **row.after}
        if "content_type_id" not in values:  # of an update only what changed is kept
            found = ExternalKeyMapping._base_manager.using(self._using).filter(pk=str(row.pk))
            values["content_type_id"] = found.values_list("content_type_id", flat=True).first()
        model = self._identities.model(values.get("content_type_id"))
        return (model._meta.label if model else "", str(values.get("object_id", "")))

    def _restore_or_hold(self, rows: list[KeptRow]) -> None:
        """Put rows back; created rows of children by inheritance stay or go with those of their parents."""
        model = model_of(rows[0].label)
        if rows[0].kind is ChangeKind.INSERT and model is not None:
            parents = [concrete_model(parent) for parent in model._meta.parents]
            if parents and all(has_table(parent, self._using) for parent in parents):
                self._children.append((model, rows))
                return
            if any(model in child._meta.get_parent_list() for child, _ in self._children):
                self._parents.append((model, rows))
                return
        self._restore_children(rows)

    def _restore_children(self, rows: Sequence[KeptRow]) -> None:
        """Put back what was held, and then other rows."""
        going = {(model, row.pk) for model, held in self._children for row in held}
        family = [*self._children, *self._parents]
        self._children, self._parents = [], []
        stays: dict[object, Left] = {}
        for model, held in family if going else ():
            for one in self._restorer.staying(model, held, going):
                stays.setdefault(one.row.pk, one)
        for _, held in family:
            if gone := [row for row in held if row.pk not in stays]:
                self._restore(gone)
            self._leave([stays[row.pk]._replace(row=row) for row in held if row.pk in stays])
        if rows:
            self._restore(rows)

    def _restore(self, rows: Sequence[KeptRow]) -> None:
        """Put rows of one table back; what the database refuses for now waits, with what was done to it before."""
        ready = []
        for row in rows:
            waiting = self._waiting.get((row.label, row.pk))
            if waiting is None:
                ready.append(row)
            else:
                waiting.append(row)
        for refused in self._try(ready) if ready else ():
            self._waiting[refused.row.label, refused.row.pk] = [refused.row]

    def _try(self, rows: Sequence[KeptRow]) -> list[Left]:
        """Put rows back; give those that the database refuses."""
        model = model_of(rows[0].label)
        before = self._restorer.restored
        if model is None:
            left = [Left(row, "gone", "", "its model is gone") for row in rows]
        else:
            left = self._restorer.restore(model, rows)
        if done := self._restorer.restored - before:
            self.done.setdefault(rows[0].label, Counter())[DONE[rows[0].kind]] += done
        refused = [one for one in left if self._may_settle(one)]
        self._leave([one for one in left if not self._may_settle(one)])
        return refused

    def _may_settle(self, left: Left) -> bool:
        """Whether it may go later: the database refuses it, or what refers to it may be waiting itself."""
        return left.code in ERROR_CODES or (left.code == "referred-to" and bool(self._waiting))

    def _leave(self, left: Sequence[Left]) -> None:
        # A system stays with the keys of what stays, of which is told.
        self.left += [one for one in left if one.row.label != _SYSTEM]
        for one in left:
            stays = {ChangeKind.INSERT: self._kept, ChangeKind.DELETE: self._lost}.get(one.row.kind)
            if stays is not None and (one.row.kind is ChangeKind.INSERT or not one.field):
                stays.add((one.row.label, text_of(one.row.pk)))

    def _retry(self) -> None:
        """
        Try again what waits, until that settles nothing: a unique value may be free by now, say.

        At first each change by itself, for one may be there to make room for another; then all changes of a row as one,
        for what was there in between may have no room any more.
        """
        refused = self._try_all()
        if self._waiting:
            self._waiting = {key: [one] for key, rows in self._waiting.items() if (one := folded(rows))}
            refused = self._try_all()
        self._leave(refused)
        self._waiting = {}

    def _try_all(self) -> list[Left]:
        is_moving = True
        refusals: list[Left] = []
        while self._waiting and is_moving:
            is_moving, refusals = False, []
            for key, rows in list(self._waiting.items()):
                refused: list[Left] = []
                while rows and not (refused := self._try(rows[:1])):
                    rows.pop(0)
                    is_moving = True
                refusals += refused
                if not rows:
                    del self._waiting[key]
        return refusals

    def _held(self, model: type[Model], pks: Sequence[object]) -> Mapping[object, str]:
        """Say which keys, of any system, mean created objects, other than those that the run itself made."""
        if not self._may_be_held(model):
            return {}
        found: set[int] = set()
        for mappings in mappings_of(model, pks, self._identities):
            found.update(mappings.values_list("pk", flat=True))
        others = self._made.without(found)
        if not others:
            return {}
        by_text = {str(pk): pk for pk in pks}
        named = ExternalKeyMapping._base_manager.using(self._using).select_related("external_system").in_bulk(others)
        return {
            by_text[mapping.object_id]: f"key {mapping.external_key!r} of {mapping.external_system.name}"
            for mapping in named.values()
            if mapping.object_id in by_text
        }

    def _may_be_held(self, model: type[Model]) -> bool:
        """Whether there is any key for objects of a model, other than those that the run itself made."""
        if model not in self._holdable:
            kind = self._identities.known_content_type(model)
            mappings = ExternalKeyMapping._base_manager.using(self._using).filter(content_type=kind)
            self._holdable[model] = mappings.exclude(self._made.in_ranges()).exists()
        return self._holdable[model]


class _MadeMappings:
    """The mappings that a run made, or pointed elsewhere; blocks are read when they are asked for."""

    def __init__(self, changes: Any) -> None:
        self._changes = changes.filter(model=_MAPPING).exclude(kind=ChangeKind.DELETE.value)
        blocks = self._changes.exclude(first_id="").values_list("pk", "first_id", "last_id", "count")
        self._blocks = [(pk, int(first), int(last)) for pk, first, last, _ in blocks]
        self._ranges = _joined(
            (int(first), int(last)) for _, first, last, count in blocks if _is_whole(first, last, count)
        )
        self._read: dict[int, frozenset[object]] = {}

    def in_ranges(self) -> Q:
        """Give a condition that only mappings fulfil which the run made; others may be its own, too."""
        condition = Q(pk__in=())
        for first, last in self._ranges[:_RANGES]:
            condition |= Q(pk__range=(first, last))
        return condition

    def without(self, pks: Collection[int]) -> list[int]:
        """Give those of some mappings that the run did not make."""
        left = set(pks)
        for block, first, last in self._blocks:
            if left and first <= max(left) and min(left) <= last:
                left -= self._made_in(block)
        if left:
            left -= set(
                map(int, self._changes.filter(object_id__in=map(str, left)).values_list("object_id", flat=True))
            )
        return sorted(left)

    def _made_in(self, block: int) -> frozenset[object]:
        if block not in self._read:
            while len(self._read) >= _BLOCKS:
                del self._read[next(iter(self._read))]
            self._read[block] = frozenset(kept_pks(self._changes.get(pk=block)))
        return self._read[block]


def _is_whole(first: str, last: str, count: int) -> bool:
    """Whether a block has all numbers from its first to its last."""
    return int(last) - int(first) + 1 == count


def _joined(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Join ranges of numbers that follow each other."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first == found[-1][1] + 1:
            found[-1] = (found[-1][0], last)
        else:
            found.append((first, last))
    return found


def _with_parents(label: str) -> list[str]:
    """Give the labels of the tables that hold the rows of an object."""
    model = model_of(label)
    return [label] if model is None else [one._meta.label for one in (model, *model._meta.get_parent_list())]


def folded(rows: Sequence[KeptRow]) -> KeptRow | None:
    """
    Give what was done to one row as one change; None if it is not there at either end.

    Args:
        rows: What was done, the last one first.
    """
    last, first = rows[0], rows[-1]
    was_there, is_there = first.kind is not ChangeKind.INSERT, last.kind is not ChangeKind.DELETE
    before: dict[str, Any] = {}
    after: dict[str, Any] = {}
    for row in rows:  # the first change knows what was before, the last one what is there now
        before.update(row.before)
        after = {**row.after, **after}
    if not (was_there or is_there):
        return None
    hidden = tuple(dict.fromkeys(name for row in rows for name in row.hidden))
    if not is_there:
        return last._replace(before=before, after={}, hidden=hidden)
    if not was_there:
        return first._replace(before={}, after=after, hidden=hidden)
    return last._replace(kind=ChangeKind.UPDATE, before=before, after=after, hidden=hidden)
