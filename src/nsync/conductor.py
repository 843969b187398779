"""The conductor: it alone knows the rooms. ``sync()`` and ``sync_all()`` take sources in and give a Report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connections, transaction
from django.db.models import Model

from nsync.accounts import Stop
from nsync.actions import Action
from nsync.apply.refusals import lock_cure
from nsync.engines import Engine, choose_engine
from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.executor import Executor
from nsync.expiring import expire
from nsync.guards import Guards
from nsync.history import History, new_system, told_by
from nsync.identities import Identities
from nsync.locks import Locked, locked
from nsync.models import ExternalSystem
from nsync.opening import Input, check_systems, choose_database, find_model, open_tasks, property_columns
from nsync.options import SyncOptions
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy, SyncPolicy, TransactionSyncPolicy, is_walked
from nsync.record import report as status
from nsync.record.report import Report
from nsync.reporting import report_of
from nsync.run import Aborted, Progress, Run, Task
from nsync.settling import settle
from nsync.signals import run_finished, run_started
from nsync.walking import ExecutableAction, Walk

logger = logging.getLogger(__name__)
# What a policy raises is logged with its traceback: only where the project has set up logging, not on standard error.
logging.getLogger("nsync").addHandler(logging.NullHandler())

Policy = Callable[[Iterable[Any]], Any]  # a policy class, as a rule


def sync(
    source: str | Path | BinaryIO | TextIO,
    model: type[Model] | str,
    *,
    system: str,
    options: SyncOptions | None = None,
    policy: Policy = BasicSyncPolicy,
    progress: Progress | None = None,
    command: str = "",
) -> Report:
    """
    Sync one source to one model, as ``manage.py syncfile`` does.

    Args:
        source: A path, ``"-"`` for standard input, or an open file.
        model: The model, or its ``"app.Model"``.
        system: Name of the external system that the keys belong to; created if there is none.
        options: What the run is asked to do; see `SyncOptions`.
        policy: In which order; see `nsync.policies`.
        progress: Called every hundred rows with rows read, bytes read, and bytes to read (0 while nobody knows).
        command: What the history of runs tells of how the run was asked for.

    Returns:
        What became of every row. A run that had to stop (a source that cannot be read on, a database that
        gives up) says so in `Report.error`.

    Raises:
        ConfigError: The call, the options or the header are wrong. Nothing was written.
        Locked: Another run has one of the models (`nsync.locks`). Nothing was written.
        SourceError: The source cannot be opened. Nothing was written.
    """
    inputs = [Input(source, model, system)]
    return sync_all(inputs, options=options, policy=policy, progress=progress, command=command)


def sync_all(
    inputs: Sequence[Input],
    *,
    options: SyncOptions | None = None,
    policy: Policy = OrderedSyncPolicy,
    progress: Progress | None = None,
    command: str = "",
) -> Report:
    """
    Sync several sources in one run, as ``manage.py syncfiles`` does.

    Args and errors are those of `sync`; the default policy runs all creates, then all updates, then all deletes.
    """
    options = options or SyncOptions()
    if not inputs:
        raise ConfigError("there is nothing to sync: name at least one source")
    with ExitStack() as stack:
        conductor = _Conductor(inputs, options, policy, progress, command, stack)
        run_started.send(sender=sync_all, inputs=tuple(inputs), options=options)
        report = conductor.conduct()
    run_finished.send(sender=sync_all, report=report)
    logger.info("%s: %d rows, %.1f s", report.status, report.rows, report.seconds)
    if not options.dry_run:
        expire(conductor.using, report.seconds)
    return report


class _Conductor:
    """One run: what was opened and compiled for it, and how it ended."""

    def __init__(
        self,
        inputs: Sequence[Input],
        options: SyncOptions,
        policy: Policy,
        progress: Progress | None,
        command: str,
        stack: ExitStack,
    ) -> None:
        self.options = options
        self.started = time.monotonic()
        models = [find_model(given.model) for given in inputs]
        self.using = choose_database(models, options)
        self.queries = 0
        stack.enter_context(connections[self.using].execute_wrapper(self._count))
        identities = Identities(self.using)
        check_systems(inputs, options, identities)
        self.tasks = open_tasks(inputs, models, options, self.using, stack)
        self.snapshots = self._open_snapshots()
        everything = [*self.tasks, *self.snapshots]
        self.policy = policy
        with self._blaming_policy("cannot be made:"):
            self._is_walked = is_walked(policy)
        phases = None if self._is_walked else self._make_policy(()).phases
        self.phases = phases or ()
        self.progress = progress
        self.engines = [choose_engine(task.decoder.layout, options, phases) for task in self.tasks]
        self.engines += self._snapshot_engines()
        self.history = History(self.using, options, everything, _dotted(policy), command)
        self.guards = Guards(options, everything, identities)
        self.error = ""
        self.stopped_by = ""
        self._was_committed = False

    def _open_snapshots(self) -> list[Task]:
        if not self.options.snapshot:
            return []
        from nsync.snapshots import open_snapshots  # most runs have none

        return open_snapshots(self.tasks, [task.system for task in self.tasks], self.options)

    def _snapshot_engines(self) -> list[Engine]:
        if not self.snapshots:
            return []
        from nsync.snapshots import choose_snapshot_engine  # as above

        phases = None if self._is_walked else self.phases
        return [choose_snapshot_engine(task, self.options, phases) for task in self.snapshots]

    def _prepare(self, options: SyncOptions) -> None:
        """Make what plans, writes and keeps account, as if nothing had been done yet."""
        self.doing = options
        recorder = None if options.dry_run else self.history.recorder
        self.counted = self.guards.counting(recorder) if self.guards.is_needed else None
        properties = property_columns([*self.tasks, *self.snapshots])
        self.executor = Executor(Identities(self.using), options, properties, self.engines, self.counted or recorder)
        self.run = Run(self.tasks, self.executor, options, self.using, self.phases, self.progress, self.snapshots)

    def _count(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.queries += 1
        return execute(sql, params, many, context)

    def conduct(self) -> Report:
        """Run, commit or roll back, and say what happened."""
        self.history.begin()
        self._prepare(self.options)
        try:
            with self._locked(inside=False):
                if self.guards.is_needed and not self._is_one_transaction:
                    self._rehearse()
                return self._end(False) if self.stopped_by or self.error else self._conduct()
        except Locked as error:
            self._abandon(error)
            raise

    def _conduct(self) -> Report:
        is_committed = False
        try:
            with self._transaction(), self._locked(inside=True):
                if connections[self.using].in_atomic_block:
                    transaction.on_commit(self._note_commit, using=self.using)
                self._run_to_the_end()
                if self._is_one_transaction:  # else the rehearsal has decided
                    self._judge()
                if self._must_roll_back() or self.stopped_by:
                    raise Aborted
                self.history.finish(self._report(True))
            is_committed = not self.options.dry_run
        except (Aborted, Stop):
            pass
        except Locked:
            raise
        except NsyncError as error:
            self.error = str(error)
        except DatabaseError as error:
            self.error = database_error(error)
        except (KeyboardInterrupt, SystemExit) as error:
            if self.run.last_committed:
                error.add_note(f"the last row committed is {self.run.last_committed}")
            self._abandon(error)
            raise
        except Exception as error:
            if not self._was_committed:
                self._abandon(error)
                raise
            is_committed = True
            self.error = f"committed; but what the project does after a commit failed: {type(error).__name__}: {error}"
        return self._end(is_committed)

    def _run_to_the_end(self) -> None:
        """Do all that is asked for."""
        if self.snapshots:
            from nsync.snapshots import check_filled  # most runs have none

            check_filled(self.tasks)
        if self.counted is not None:
            self.guards.look()
        self._create_systems()
        self._execute()
        self.run.close_accounts()

    def _judge(self) -> None:
        if self.counted is not None:
            self.stopped_by = self.guards.verdict(self.counted, self.executor.accounts.ledger)

    def _rehearse(self) -> None:
        """
        Run without leaving anything, so that the guards decide before the first batch is committed.

        What ends it early ends the run, too; if it is a source or a row, after the batches before it, which count.
        """
        self._prepare(replace(self.options, dry_run=True))
        try:
            with self._transaction():
                self._run_to_the_end()
                raise Aborted
        except (Aborted, Stop, SourceError) as error:
            self._judge()
            self.error = (self.error or str(error)) if self.stopped_by else ""
        except NsyncError as error:
            self.error = str(error)
        except DatabaseError as error:
            self.error = database_error(error)
        except BaseException as error:
            self._abandon(error)
            raise
        ContentType.objects.clear_cache()  # types first seen here are gone with the transaction
        if not (self.stopped_by or self.error):
            self._prepare(self.options)

    @property
    def _is_one_transaction(self) -> bool:
        return self.doing.dry_run or self.doing.as_transaction or self._is_walked

    def _abandon(self, error: BaseException) -> None:
        """Let the history say why there is no report, and whoever hears of the error where to look."""
        why = str(error) if isinstance(error, Locked) else f"{type(error).__name__}: {error}"
        self.history.abandon(why if isinstance(error, Exception) else "interrupted")
        if self.history.run is not None:
            error.add_note(told_by(self.history.run))

    def _locked(self, *, inside: bool) -> AbstractContextManager[Any]:
        """Give the locks of the run's models; on PostgreSQL they are its transaction's, if it is one."""
        if inside is not (self._is_one_transaction and connections[self.using].vendor == "postgresql"):
            return nullcontext()
        models = [task.model for task in self.tasks]
        run = None if self.history.run is None else self.history.run.pk
        return locked(models, self.using, run=run, wait=self.options.wait, in_transaction=inside)

    def _end(self, is_committed: bool) -> Report:
        """Close the accounts of a run whose transaction is over."""
        if not is_committed:
            ContentType.objects.clear_cache()  # types first seen in this run are gone with its transaction
        self.run.close_accounts()
        report = self._report(is_committed)
        if not is_committed:
            try:
                self.history.finish(report)
            except DatabaseError as error:
                self.history.abandon(str(error))
        return report

    def _note_commit(self) -> None:
        """Runs before the hooks of the project, one of which may raise."""
        self._was_committed = True

    def _create_systems(self) -> None:
        for name in dict.fromkeys(task.system for task in self.tasks):
            if self.executor.resolver.identities.system(name):
                continue
            systems = ExternalSystem._base_manager.using(self.using)
            if self.doing.dry_run and not systems.filter(name=name).exists():
                systems.bulk_create([ExternalSystem(name=name, description=name)])  # no save(), no signal (rule O4)
            system, is_new = systems.get_or_create(name=name, defaults={"description": name})
            if is_new and self.executor.recorder is not None:
                self.executor.recorder.take([new_system(system)])
            if system.name != name:  # MariaDB and MySQL fold case in a unique column
                raise ConfigError(f"this database takes {name!r} and the external system {system.name!r} for one name")

    def _execute(self) -> None:
        try:
            if self._is_walked:
                self._walk()
            else:
                self.run.execute()
        except Stop:
            self.error = self._why_stopped()
            raise

    def _why_stopped(self) -> str:
        if self.options.on_error == "stop":
            return "stopped at the first row error (--on-error stop)"
        return f"stopped after {self.executor.accounts.failed} row errors (--max-errors)"

    def _walk(self) -> None:
        """Let a policy apply the actions itself (rule P1)."""

        def make(action: Action) -> ExecutableAction:
            return ExecutableAction(action, self.executor, self.using, lambda: None)

        policy = self._make_policy(Walk(self.run.walk, make))
        with self._blaming_policy("raised"):
            policy.execute()
        settle(self.executor, self.run.decode)
        self.run.take_away()

    def _make_policy(self, actions: Iterable[Any]) -> Any:
        with self._blaming_policy("cannot be made:"):
            return self.policy(actions)

    @contextmanager
    def _blaming_policy(self, what: str) -> Iterator[None]:
        """Let what a project's own policy raises be an error of the call, not one of nsync."""
        try:
            yield
        except (Stop, NsyncError, DatabaseError):  # of the run, which goes through the policy
            raise
        except Exception as error:
            message = (
                f"the policy {_dotted(self.policy)} {what} {type(error).__name__}{': ' if str(error) else ''}{error}"
            )
            logger.exception(message)
            raise ConfigError(message) from error

    def _transaction(self) -> AbstractContextManager[Any]:
        """Give the transaction around the run (rule T3), and the policy's own boundary inside it."""
        with ExitStack() as stack:
            if self._is_one_transaction:
                stack.enter_context(TransactionSyncPolicy(SyncPolicy()).boundary(self.using))
            if not self._is_walked:
                stack.enter_context(self._make_policy(()).boundary(self.using))
            return stack.pop_all()

    def _must_roll_back(self) -> bool:
        if self.options.dry_run:
            return True
        return bool(self.executor.accounts.failed) and self.options.on_error != "skip" and not self.run.commits_batches

    def _report(self, is_committed: bool) -> Report:
        return report_of(
            self.run,
            self.options,
            self.history,
            self._state(is_committed or bool(self.run.last_committed)),
            is_committed=is_committed,
            error=self.error,
            guard=self.stopped_by,
            seconds=time.monotonic() - self.started,
            queries=self.queries,
        )

    def _state(self, is_committed: bool) -> str:
        if self.options.dry_run:
            return status.DRY_RUN
        if is_committed:
            return status.WITH_REJECTS if self.executor.accounts.failed or self.error else status.APPLIED
        if self.stopped_by and not (self.error or self._must_roll_back()):
            return status.STOPPED
        return status.FAILED if self.error else status.ROLLED_BACK


def _dotted(policy: Policy) -> str:
    return f"{policy.__module__}.{getattr(policy, '__qualname__', policy)}"


def database_error(error: Exception, cure: str = "") -> str:
    """Say that the database refuses, and what helps."""
    cure = lock_cure(error) or cure
    return f"the database refuses: {' '.join(str(error).split())}{f' ({cure})' if cure else ''}"
