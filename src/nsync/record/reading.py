"""Reading: runs that are kept, and what they changed, asked of the database part by part."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db.models import QuerySet, Sum

from nsync.conf import hidden_columns
from nsync.errors import ConfigError
from nsync.fields import concrete_model
from nsync.models import RecordedChange, RowOutcome, Run
from nsync.record.checkpoint import last_position
from nsync.record.journal import kept_rows, may_hold, text_of
from nsync.recording import KeptRow

_AT_ONCE = 200  # changes read together: each may be a block of five thousand rows
_NAMED = 10  # runs that a message names


class ChangeCount(NamedTuple):
    """How many rows of a table a run changed in one way."""

    label: str  # of the model of the table
    kind: str
    rows: int


def find_runs(using: str, *, system: str = "", model: str = "", status: str = "", limit: int = 20) -> list[Run]:
    """
    Give runs, newest first.

    Args:
        using: Alias of the database.
        system: Only those that synced this system; "": all.
        model: Only those that synced this model, such as ``myapp.Person``; "": all.
        status: Only those that ended so; "": all.
        limit: How many.
    """
    runs = Run._base_manager.using(using).order_by("-pk")
    if status:
        runs = runs.filter(status=status)
    if system:
        runs = runs.filter(system__contains=system)
    if model:
        runs = runs.filter(model__icontains=model)
    found = (run for run in runs.iterator(_AT_ONCE) if _names(run.system, system) and _names(run.model, model, True))
    return list(islice(found, limit))


def _names(listed: str, name: str, folds: bool = False) -> bool:
    """Whether ``A, B`` holds a name; any does if none is given."""
    if folds:
        listed, name = listed.lower(), name.lower()
    return not name or f", {name}, " in f", {listed}, "


def find_run(using: str, pk: int) -> Run:
    """
    Give one run.

    Raises:
        ConfigError: There is none; the message says which there are.
    """
    runs = Run._base_manager.using(using)
    run = runs.select_related("undoes__undoes").filter(pk=pk).first()  # the sources of an undo are those of the run
    if run is not None:
        return run
    newest = list(runs.order_by("-pk").values_list("pk", flat=True)[: _NAMED + 1])
    if not newest:
        raise ConfigError(f"there is no run {pk}: none is kept")
    more = f" and {runs.count() - _NAMED:,} older ones" if len(newest) > _NAMED else ""
    raise ConfigError(f"there is no run {pk}; there are {', '.join(map(str, newest[:_NAMED]))}{more}")


def undoers(run: Run, using: str) -> list[int]:
    """Give the undos of a run that are in force."""
    in_force = (Run.Status.APPLIED, Run.Status.WITH_REJECTS)
    undos = Run._base_manager.using(using).filter(undoes=run.pk, status__in=in_force)
    return list(undos.order_by("pk").values_list("pk", flat=True))


def stood_after(run: Run, using: str) -> str:
    """Give the last row of an interrupted run that is committed, after which it can go on; "" if it cannot."""
    if run.status in (Run.Status.RUNNING, Run.Status.UNDONE):
        return ""
    position = last_position(run.pk, using)
    return "" if position is None else str(position["last"])


def row_outcomes(run: Run, using: str, limit: int | None = None) -> Iterator[RowOutcome]:
    """Give what there is to say of the rows of a run, in their order."""
    outcomes = RowOutcome._base_manager.using(using).filter(run=run.pk).order_by("pk")
    yield from islice(_paged(outcomes), limit)


def count_outcomes(run: Run, using: str) -> int:
    """Count what `row_outcomes` gives."""
    return RowOutcome._base_manager.using(using).filter(run=run.pk).count()


def count_changes(run: Run, using: str) -> list[ChangeCount]:
    """Count the rows that a run changed, by model and kind."""
    rows = _changes(using).filter(run=run.pk).values_list("model", "kind").annotate(rows=Sum("count"))
    return [ChangeCount(*row) for row in rows.order_by("model", "kind")]


def find_label(given: str, counts: Sequence[ChangeCount], run: Run) -> str:
    """
    Give the label of a model, as the changes of a run have it.

    Raises:
        ConfigError: The run changed nothing of this model.
    """
    try:
        wanted = concrete_model(apps.get_model(given))._meta.label
    except (LookupError, ValueError):
        wanted = given  # the model may be gone by now
    labels = {count.label.lower(): count.label for count in counts}
    if wanted.lower() not in labels:
        there = f"it changed {', '.join(labels.values())}" if labels else "no changes of it are kept"
        raise ConfigError(f"run {run.pk} changed no {given}: {there}")
    return labels[wanted.lower()]


def pk_text(label: str, given: str) -> str:
    """Give a primary key as the journal names it: of an UUID, say, in the one spelling."""
    try:
        return text_of(concrete_model(apps.get_model(label))._meta.pk.to_python(given))
    except (LookupError, ValueError, ValidationError):
        return given


def changes_of_run(run: Run, using: str, label: str = "", pk: str = "") -> Iterator[KeptRow]:
    """
    Give the rows that a run changed, in the order in which it did.

    Args:
        run: Which.
        using: Alias of the database.
        label: Only those of this model's table; "": all.
        pk: Only that with this primary key, as text; "": all.

    Queries: one for every two hundred changes; the text of a block that cannot hold the row is not read.
    """
    changes = _changes(using).filter(run=run.pk)
    if label:
        changes = changes.filter(model=label)
    if not pk:
        for change in _paged(changes):
            yield from rows_of(change)
        return
    for change in _by_pk(_may_be_of(changes, pk), using):
        yield from (row for row in rows_of(change) if text_of(row.pk) == pk)


def changes_of_row(label: str, pk: str, using: str) -> Iterator[tuple[int, KeptRow]]:
    """
    Give what runs did to one row of a table, the newest first, each with the run.

    Queries: two, and one for each twenty of the changes that are asked for; as `changes_of_run`.
    """
    found = _may_be_of(_changes(using).filter(model=label), pk)
    for change in _by_pk(found[::-1], using, 20):
        yield from ((change.run_id, row) for row in reversed(rows_of(change)) if text_of(row.pk) == pk)


def rows_of(change: RecordedChange) -> list[KeptRow]:
    """
    Give what a change holds, but for values that are not to be kept any more.

    Raises:
        ConfigError: Somebody else wrote into the history.
    """
    try:
        rows = kept_rows(change)
    except (ValueError, TypeError, KeyError, zlib.error) as error:
        place = f"change {change.pk} of run {change.run_id}, of {change.model},"
        raise ConfigError(f"{place} cannot be read: it is damaged ({error})") from error
    hidden = hidden_columns().get(change.model)
    return [_without(row, hidden) for row in rows] if hidden else rows


def _without(row: KeptRow, hidden: Collection[str]) -> KeptRow:
    """Leave out values that were kept before the settings said that they are not to be."""
    sides = ({name: value for name, value in side.items() if name not in hidden} for side in (row.before, row.after))
    before, after = sides
    names = (name for name in (*row.before, *row.after) if name in hidden)
    return row._replace(before=before, after=after, hidden=tuple(dict.fromkeys((*row.hidden, *names))))


def _changes(using: str) -> QuerySet[RecordedChange]:
    return RecordedChange._base_manager.using(using)


def _may_be_of(changes: QuerySet[RecordedChange], pk: str) -> list[int]:
    """Give the primary keys of the changes that are of a row, or may be as blocks, in their order."""
    single = changes.filter(object_id=pk).values_list("pk", flat=True)
    blocks = changes.filter(object_id="").only("object_id", "first_id", "last_id").order_by()
    return sorted({*single, *(block.pk for block in blocks.iterator() if may_hold(block, pk))})


def _by_pk(pks: Sequence[int], using: str, at_once: int = _AT_ONCE) -> Iterator[RecordedChange]:
    for start in range(0, len(pks), at_once):
        part = pks[start : start + at_once]
        found = _changes(using).in_bulk(part)
        yield from (found[pk] for pk in part if pk in found)  # perhaps pruned meanwhile


def _paged(rows: QuerySet[Any]) -> Iterator[Any]:
    """Read rows in the order of their keys. Not iterator(): MariaDB's driver holds all that it is asked for."""
    last = 0
    while part := list(rows.filter(pk__gt=last).order_by("pk")[:_AT_ONCE]):
        yield from part
        last = part[-1].pk
