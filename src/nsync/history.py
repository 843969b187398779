"""History: what is kept of a run once it is over, and while it goes. Part of the conductor."""

from __future__ import annotations

import getpass
import logging
import socket
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from typing import Any

from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import Model
from django.utils import timezone

from nsync.accounts import Stop
from nsync.apply.inserting import insert_by_columns, insert_row
from nsync.boundary import Aborted
from nsync.conf import hidden_columns, settings
from nsync.errors import NsyncError, Problem, SourceError
from nsync.fields import concrete_model, field_of
from nsync.models import RowOutcome
from nsync.models import Run as RunRecord
from nsync.options import SyncOptions
from nsync.record.checkpoint import forget
from nsync.record.details import veiled
from nsync.record.journal import Insert, Journal
from nsync.record.report import VEILED, Report
from nsync.recording import Recorder, WrittenRows
from nsync.run import Task
from nsync.veils import NOT_KEPT, is_redacted, veil_setting

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

logger = logging.getLogger(__name__)

_AT_ONCE = 5_000  # row outcomes that are inserted together
_OUTCOME = ("run_id", "source", "line", "outcome", "code", "column", "value", "message")


class History:
    """
    Keeps the record of one run: what was asked for, how it ended, and what it wrote.

    Args:
        using: Alias of the database.
        options: Of the run; its `record` says how much is kept.
        tasks: The sources.
        policy: Its dotted name.
        command: The command line; "" if code asked for the run.
        recorded: How much is kept of a run that goes on; "": as the options or the settings say.

    Queries: two for the run; those of `nsync.record.journal.Journal`; one for every five thousand row outcomes.
    """

    def __init__(
        self,
        using: str,
        options: SyncOptions,
        tasks: Sequence[Task],
        policy: str,
        command: str,
        recorded: str = "",
    ) -> None:
        self._using = using
        self._options = options
        self._tasks = tasks
        self.policy = policy[: _length("policy")]
        self._command = command
        self._hidden = hidden_columns()
        self._digests: dict[int, str] = {}
        self._hidden_headers: dict[int, frozenset[str]] = {}
        self._mode = "" if options.dry_run else recorded or options.record or settings.RECORD
        self._journal: Journal | None = None
        self._hides_error = False  # that has ended the run
        self.run: RunRecord | None = None

    @property
    def recorder(self) -> Recorder | None:
        """What writers tell what they write; None: nobody wants to know."""
        return self if self._mode == "changes" else None

    def begin(self) -> None:
        """Say that the run has begun; before its transaction, so that this stays whatever becomes of it."""
        if not self._mode:
            return
        self.run = start_run(
            self._using,
            command=self._command,
            policy=self.policy,
            system=", ".join(dict.fromkeys(task.system for task in self._tasks)),
            model=", ".join(dict.fromkeys(task.model._meta.label for task in self._tasks)),
            options=asked_for(self._options),
            recorded=self._mode,
            # What a run that is interrupted goes on with must be known before; else it is said at the end.
            sources=[] if self._options.as_transaction else [self._identity(task) for task in self._tasks],
        )
        self._journal = Journal(self.run.pk, insert_into(self._using), self._hidden)

    def go_on(self, run: RunRecord) -> None:
        """
        Say, in place of `begin`, that a run which was interrupted goes on.

        What was kept of rows when it was interrupted goes: when the run ends it is kept anew, and whole.
        """
        runs: Any = RunRecord._base_manager.using(self._using).filter(pk=run.pk)
        outcomes: Any = RowOutcome._base_manager.using(self._using).filter(run=run.pk)
        asked = {"command": clean(self._command), "options": asked_for(self._options)}
        with transaction.atomic(using=self._using):
            outcomes._raw_delete(self._using)  # no signal, and nothing hangs on them
            runs.update(status=RunRecord.Status.RUNNING, ended=None, error="", **asked, **_asker())
        self.run = run
        self._journal = Journal(run.pk, insert_into(self._using), self._hidden)

    def take(self, written: Sequence[WrittenRows]) -> None:
        """Keep what was written; see `nsync.recording.Recorder`."""
        assert self._journal is not None  # begin() comes first
        self._journal.take(written)

    def flush(self) -> None:
        """Write what is held in memory."""
        assert self._journal is not None  # as above
        self._journal.flush()

    def discard(self) -> None:
        """Forget what is held in memory."""
        assert self._journal is not None  # as above
        self._journal.discard()

    def finish(self, report: Report) -> None:
        """
        Say how the run ended: within its transaction if that is going to be committed.

        Args:
            report: What the run did, as far as it is known.
        """
        if self.run is None:
            return
        with transaction.atomic(using=self._using, savepoint=not report.committed):
            if report.committed:
                self.flush() if self.recorder else None
            if self._mode != "summary":
                keep_outcomes(self._using, self._outcomes(report))
            if report.committed and not report.last_committed and not self._options.as_transaction:
                forget(self.run.pk, self._using)  # it is finished
            self._end(report.status, error=self._told(report.error) or report.guard, **self._figures(report))

    @contextmanager
    def heeding(self) -> Iterator[None]:
        """See what ends the run: words that are not ours may hold values that are not to be kept."""
        try:
            yield
        except Exception as error:
            self._hides_error = is_of_others(error) and any(map(self.hidden_headers, self._tasks))
            raise

    def _told(self, error: str) -> str:
        return VEILED if error and self._hides_error else error

    def abandon(self, error: str) -> None:
        """Say that the run ended without a report: by a signal, or by an error that nobody expected."""
        if self.run is None:
            return
        try:
            self._end(RunRecord.Status.FAILED, error=self._told(error))
        except (DatabaseError, InterfaceError):  # the connection is gone; the next run says that this one has failed
            logger.warning("the end of run %s could not be recorded", self.run.pk, exc_info=True)

    def hidden_headers(self, task: Task) -> frozenset[str]:
        """Name the columns of a source whose values are not to be kept."""
        if task.number not in self._hidden_headers:  # it is asked for every problem of a row
            self._hidden_headers[task.number] = frozenset(_hidden_headers(task, self._hidden))
        return self._hidden_headers[task.number]

    def _end(self, status: str, **values: Any) -> None:
        assert self.run is not None  # asked before
        end_run(self.run.pk, self._using, status, **values)

    def _figures(self, report: Report) -> dict[str, Any]:
        return {
            "sources": [
                {
                    **self._identity(task),
                    "rows": source.rows,
                    "engine": source.engine,
                    "outcomes": {kind.value: count for kind, count in source.outcomes.items() if count},
                }
                for task, source in zip(self._tasks, report.all_sources, strict=True)
            ],
            "outcomes": {kind.value: count for kind, count in report.counts.items()},
            "warnings": report.warnings,
            "displaced": report.displaced,
            "seconds": report.seconds,
            "queries": report.queries,
        }

    def _outcomes(self, report: Report) -> Iterator[tuple[object, ...]]:
        """Give what there is to say of rows; of columns that are not to be kept the code alone."""
        assert self.run is not None  # asked before
        for entry in report.details():
            outcome = report.outcome(entry)
            place = (self.run.pk, entry.source, entry.line, outcome.value if outcome else "")
            for problem in entry.problems:
                _, message, column, value = self.veil(entry.source, problem)
                yield (*place, problem.code, *map(clean, (column, value, message)))

    def veil(self, source: int, problem: Problem) -> Problem:
        """Leave out what a problem says of a column that is not to be kept."""
        return veiled(problem, self.hidden_headers(self._tasks[source]))

    def digest(self, task: Task) -> str:
        """Give the SHA-256 of a source; "" of a stream that was not read to its end."""
        if not self._digests.get(task.number):
            self._digests[task.number] = _digest(task)
        return self._digests[task.number]

    def _identity(self, task: Task) -> dict[str, Any]:
        source = task.source
        named = {"name": source.name, "size": source.size, "sha256": self.digest(task)}
        return {**named, "system": task.system, "model": task.model._meta.label}


def is_of_others(error: BaseException | None) -> bool:
    """Whether an error comes from the database, or from code of the project: its words may hold any value."""
    while error is not None:
        if not isinstance(error, NsyncError | Stop | Aborted | KeyboardInterrupt | SystemExit):
            return True
        error = error.__cause__
    return False


def start_run(using: str, **values: Any) -> RunRecord:
    """Say that a run begins: who asks for it, and what `values` of the `nsync.models.Run` tell of it."""
    kept = {name: value if name == "undoes" else clean(value) for name, value in values.items()}
    run = RunRecord(**_asker(), **kept)
    insert_row(run, RunRecord, using)  # no signal: receivers of every model are not meant to hear of the history
    return run


def end_run(run: int, using: str, status: str, **values: Any) -> None:
    """Say how a run ended."""
    runs = RunRecord._base_manager.using(using)
    kept = {name: clean(value) for name, value in values.items()}
    runs.filter(pk=run).update(status=status, ended=timezone.now(), peak_memory=_peak_memory(), **kept)


def told_by(run: RunRecord) -> str:
    """Say where to look for what is kept of a run."""
    return f"syncruns {run.pk} tells what is kept of it"


def keep_outcomes(using: str, rows: Iterable[tuple[object, ...]]) -> None:
    """
    Keep what there is to say of rows.

    Args:
        using: Alias of the database.
        rows: Run, source, line, outcome, code, column, value and message of each.

    Queries: one for every five thousand.
    """
    left, insert = iter(rows), insert_into(using)
    while part := list(islice(left, _AT_ONCE)):
        insert(RowOutcome, _OUTCOME, list(zip(*part, strict=True)))


def insert_into(using: str) -> Insert:
    """Give what inserts rows of the history into a database."""

    def insert(model: type[Model], names: Sequence[str], columns: Sequence[Sequence[object]]) -> None:
        insert_by_columns(model, [field_of(model, name) for name in names], columns, using)

    return insert


def clean(value: Any) -> Any:
    """Give text that every database holds, in lists and dicts too: no NUL character, and no half of a character."""
    if isinstance(value, str):
        text = value.replace("\0", "\N{REPLACEMENT CHARACTER}")
        return text.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {clean(key): clean(one) for key, one in value.items()}
    return list(map(clean, value)) if isinstance(value, list | tuple) else value


def _hidden_headers(task: Task, hidden: Mapping[str, frozenset[str]]) -> set[str]:
    """Name the columns of a source that hold values of fields that are not to be kept; "" stands for no column."""
    model = concrete_model(task.model)
    attnames = {name for one in (model, *model._meta.get_parent_list()) for name in hidden.get(one._meta.label, ())}
    layout = task.decoder.layout
    headers = {header for name, header in layout.columns.items() if name in attnames}
    for group in layout.relations:
        for column in group.columns:
            final: Any = column.path.passed[-1] if column.path is not None else None
            is_hidden = final is not None and getattr(final, "attname", "") in hidden.get(final.model._meta.label, ())
            if is_hidden or group.relation.attname in attnames:
                headers.add(column.header)
    return headers | {""} if attnames else headers


def asked_for(options: SyncOptions) -> dict[str, Any]:
    """Give the options that are not the default, as the history has them; that a run goes on is none of its own."""
    default = SyncOptions()
    named = {field.name: getattr(options, field.name) for field in fields(options) if field.name != "resume"}
    named["set"] = tuple((target, NOT_KEPT if is_redacted(target) else value) for target, value in options.set)
    named["snapshot_action"] = veil_setting(options.snapshot_action)
    kept: dict[str, Any] = clean({name: value for name, value in named.items() if value != getattr(default, name)})
    return kept


def _digest(task: Task) -> str:
    try:
        return task.source.digest()
    except SourceError:  # it changed, or is gone: the run says so where it matters
        return ""


def _asker() -> dict[str, str]:
    """Say who asks for a run, and where."""
    return {"user": clean(_user()[: _length("user")]), "host": socket.gethostname()[: _length("host")]}


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container without a name for its user
        return ""


def _length(name: str) -> int:
    return field_of(RunRecord, name).max_length or 0


def _peak_memory() -> int | None:
    """Give the most bytes that this process has held: Linux tells kilobytes, macOS bytes, Windows nothing."""
    if resource is None:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
