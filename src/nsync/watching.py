"""Watch: whether what a row wrote, where code of the project has a hand in it, is what was planned for it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.apps import apps
from django.db import connections
from django.db.models import Model

from nsync.changes import Change, ChangeKind, New
from nsync.fields import are_kin, field_of, prepared
from nsync.models import Checkpoint, ExternalKeyMapping, RecordedChange, RowOutcome, Run

_HISTORY = frozenset({Checkpoint, RecordedChange, RowOutcome, Run})
_NAME = r'("[^"]+"|`[^`]+`)'
_HARMLESS = re.compile(
    r'(SELECT (DISTINCT )?(["`]|1 AS |%s AS |(COUNT|MAX|MIN|SUM|AVG)\()|BEGIN|(RELEASE )?SAVEPOINT )[^;]*'
    r"|SET CONSTRAINTS ALL (IMMEDIATE|DEFERRED)(; SET CONSTRAINTS ALL DEFERRED)?"
)
_INSERT = re.compile(rf"INSERT INTO {_NAME} \(([^()]*)\) VALUES \((%s(?:, %s)*)\)( RETURNING [^;]*)?")
_UPDATE = re.compile(rf"UPDATE {_NAME} SET (.*) WHERE (\S+) = %s", re.DOTALL)
_SETTING = re.compile(rf"{_NAME} = (%s|NULL)")


class Written(NamedTuple):
    """One statement that writes one row."""

    kind: ChangeKind
    table: str
    values: Mapping[str, object]  # column → what it gets
    key: str  # UPDATE: the column that finds the row
    pk: object  # UPDATE: and its value


class Watch:
    """
    Sees the statements of a run, those of the project's code too.

    What was planned for a row is known; a receiver, or a ``save()`` of the project's own, may do anything besides. As
    long as a row writes its object and its mapping as planned, and other columns of the object however it likes, and
    adds to or changes tables that the source has nothing to do with (a log, say), no other row sees a difference.

    Args:
        using: Alias of the database of the run. What goes to it past the statements of Django's connection is not seen,
            such as ``callproc`` or another alias, nor is what triggers and functions of the database do.
        model: The concrete model of the source.
        match: Attnames of the columns by which its rows may find objects.
        others: Models that its rows refer to.
        commits: Each batch is committed, with what was to be done then.

    Queries: none.
    """

    def __init__(
        self, using: str, model: type[Model], match: Sequence[str], others: Iterable[type[Model]], *, commits: bool
    ) -> None:
        self.is_disturbed = False
        self._was_disturbed = False  # before the row that is being written
        self.is_on = False
        self._commits = commits
        self._connection = connections[using]
        self._model = model
        self._match = match
        own = (model, *others)
        every = apps.get_models(include_auto_created=True)
        near = {model._meta.db_table for model in every if _is_near(model, own)}
        self._table = model._meta.db_table
        mappings = self._connection.ops.quote_name(ExternalKeyMapping._meta.db_table)
        self._maps = f"INSERT INTO {mappings} "
        kept = [self._connection.ops.quote_name(one._meta.db_table) for one in (RecordedChange, Checkpoint)]
        self._record = tuple(f"{how} {table} " for table in kept for how in ("INSERT INTO", "COPY"))
        # Not views, which may write anywhere.
        self._elsewhere = {other._meta.db_table for other in every if other._meta.managed} - near
        self._seen: list[Written] = []
        self._mapped = 0  # statements; the mappings of a row are written by one

    @contextmanager
    def watching(self) -> Iterator[None]:
        """See what is sent to the database meanwhile."""
        with self._connection.execute_wrapper(self._see):
            self.is_on = True
            try:
                yield
            finally:
                self.is_on = False

    def start_anew(self) -> None:
        """What was done until now is known: only what follows can disturb."""
        self.is_disturbed = self._was_disturbed = False
        self.forget()

    def forget(self) -> None:
        """What was done since the last time is undone."""
        self._seen, self._mapped = [], 0
        self.is_disturbed = self._was_disturbed

    def judge(self, changes: Sequence[Change] = ()) -> None:
        """Compare what was written since the last time with what was planned; more or other than that disturbs."""
        seen, mapped = self._seen, self._mapped
        self._seen, self._mapped = [], 0
        self._compare(seen, mapped, changes)
        self._was_disturbed = self.is_disturbed

    def _compare(self, seen: Sequence[Written], mapped: int, changes: Sequence[Change]) -> None:
        if self._commits and self._connection.run_on_commit:
            self.is_disturbed = True
        if self.is_disturbed or not (seen or mapped or changes):
            return
        planned = Counter(change.kind for change in changes)
        found = Counter(one.kind for one in seen)
        by_kind = {change.kind: change for change in changes if change.target.model is self._model}
        moved = [change for change in by_kind.values() if not change.after.keys().isdisjoint(self._match)]
        self.is_disturbed = (
            mapped > min(planned[ChangeKind.MAP], 1)
            or any(found[kind] > planned[kind] for kind in found)
            or any(found[change.kind] < planned[change.kind] for change in moved)
            or not all(one.kind in by_kind and self._is_planned(one, by_kind[one.kind]) for one in seen)
        )

    def _see(self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not self.is_disturbed:
            self._note(sql if isinstance(sql, str) else "", params, many)
        try:
            return execute(sql, params, many, context)
        except BaseException:
            self._doubt()
            raise

    def _doubt(self) -> None:
        """What a row has written may be undone without its end: its own code caught what the database refused."""
        if self._seen or self._mapped:
            self.is_disturbed = True

    def _note(self, sql: str, params: Any, many: bool) -> None:
        if _HARMLESS.fullmatch(sql) or sql.startswith(self._record):
            return
        if sql.startswith("ROLLBACK TO SAVEPOINT "):
            self._doubt()
            return
        if sql.startswith(self._maps):
            self._mapped += 1
            return
        written = None if many else _parsed(sql, params)
        if written is not None and written.table == self._table:
            self._seen.append(written)
        elif written is None or written.table not in self._elsewhere:
            self.is_disturbed = True

    def _is_planned(self, written: Written, change: Change) -> bool:
        """Whether a row of the model is the one that was planned, and its match values are."""
        pk: Any = self._model._meta.pk
        is_update = written.kind is ChangeKind.UPDATE
        if is_update and (written.key != pk.column or not self._is_same(pk, change.target.pk, written.pk)):
            return False
        for name in self._match:
            field = field_of(self._model, name)
            if field.column not in written.values:
                if is_update and name not in change.after:
                    continue
                return False
            known = change.after if name in change.after else change.stored
            if name not in known or not self._is_same(field, known[name], written.values[field.column]):
                return False
        return True

    def _is_same(self, field: Any, value: object, sent: object) -> bool:
        return not isinstance(value, New) and [sent] == list(prepared(field, [value], self._connection))


def _is_near(model: type[Model], own: Sequence[type[Model]]) -> bool:
    """Whether rows of a model are part of what rows of the source mean: parts by inheritance, mappings and systems."""
    if model in _HISTORY:
        return False
    return model._meta.app_label in ("nsync", "contenttypes") or any(are_kin(model, one) for one in own)


def _parsed(sql: str, params: Any) -> Written | None:
    """Read a statement that Django has made of plain values; None: it is another one."""
    if not isinstance(params, list | tuple):
        return None
    if insert := _INSERT.fullmatch(sql):
        columns = [name.strip()[1:-1] for name in insert[2].split(",")]
        if len(columns) != len(params):
            return None
        return Written(ChangeKind.INSERT, insert[1][1:-1], dict(zip(columns, params, strict=True)), "", None)
    if update := _UPDATE.fullmatch(sql):
        settings = _SETTING.findall(update[2])
        is_plain = ", ".join(f"{name} = {value}" for name, value in settings) == update[2]
        if not is_plain or sum(value == "%s" for _, value in settings) + 1 != len(params):
            return None
        key = update[3].rpartition(".")[2][1:-1]
        given = iter(params)
        values = {name[1:-1]: next(given) if value == "%s" else None for name, value in settings}
        return Written(ChangeKind.UPDATE, update[1][1:-1], values, key, params[-1])
    return None
