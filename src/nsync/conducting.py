"""Conducting: one run from its options to its report; it alone knows the rooms. Part of the conductor."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, DataError, IntegrityError, InterfaceError, connections, transaction

from nsync.accounts import Stop
from nsync.actions import Action
from nsync.apply.refusals import gave_up
from nsync.boundary import Aborted
from nsync.conflicts import is_lost
from nsync.ending import EndRequest
from nsync.engines import choose_engine
from nsync.errors import ConfigError, HeaderError, NsyncError, SourceError, TransientError
from nsync.executor import Executor
from nsync.history import History, told_by
from nsync.identities import Identities
from nsync.locks import Locked, locked
from nsync.opening import Input, check_systems, choose_database, find_model, open_tasks, property_columns
from nsync.options import SyncOptions
from nsync.policies import Policy, SyncPolicy, TransactionSyncPolicy, is_walked
from nsync.record import report as status
from nsync.record.report import Report
from nsync.reporting import database_error, report_of
from nsync.retrying import Retrying
from nsync.run import Progress, Run
from nsync.seldom import (
    check_snapshots,
    guards_of,
    interrupted_run,
    resuming_of,
    snapshot_engines,
    snapshots_of,
)
from nsync.systems import create_systems

logger = logging.getLogger(__name__)


class Conductor:
    """One run: what was opened and compiled for it, and how it ended."""

    def __init__(
        self,
        inputs: Sequence[Input],
        options: SyncOptions,
        policy: Policy,
        progress: Progress | None,
        command: str,
        ending: EndRequest,
        stack: ExitStack,
    ) -> None:
        self.options = options
        self.progress = progress
        self.ending = ending
        self.started = time.monotonic()
        models = [find_model(given.model) for given in inputs]
        self.using = choose_database(models, options)
        self.queries = 0
        stack.enter_context(connections[self.using].execute_wrapper(self._count))
        self.retrying = Retrying(self.using)
        stack.enter_context(connections[self.using].execute_wrapper(self.retrying.see))
        identities = Identities(self.using)
        check_systems(inputs, options, identities)
        found = interrupted_run(inputs, options, self.using)
        self.tasks = open_tasks(inputs, models, options, self.using, stack)
        self.snapshots = snapshots_of(self.tasks, options)
        everything = [*self.tasks, *self.snapshots]
        self.policy = policy
        with self._blaming_policy("cannot be made:"):
            self._is_walked = is_walked(policy)
        phases = None if self._is_walked else self._make_policy(()).phases
        self.phases = phases or ()
        self.engines = [choose_engine(task.decoder.layout, options, phases) for task in self.tasks]
        self.engines += snapshot_engines(self.snapshots, options, phases)
        recorded = found.recorded if found else ""
        self.history = History(self.using, options, everything, _dotted(policy), command, recorded)
        self.guards = guards_of(options, everything, identities)
        self.error = ""
        self.is_transient = False
        self.stopped_by = ""
        self._was_committed = False
        self._is_rehearsed = False  # to the end
        self._inputs = inputs
        self._prepare(options, is_guarded=self.guards is not None and found is None)
        if found is not None and self.resuming is not None:
            self.resuming.check(found)

    def _prepare(self, options: SyncOptions, *, is_guarded: bool) -> None:
        """Make what plans, writes and keeps account, as if nothing had been done yet."""
        self.doing = options
        recorder = None if options.dry_run else self.history.recorder
        self.counted = self.guards.counting(recorder) if is_guarded and self.guards is not None else None
        properties = property_columns([*self.tasks, *self.snapshots])
        self.executor = Executor(Identities(self.using), options, properties, self.engines, self.counted or recorder)
        self.run = Run(
            self.tasks,
            self.executor,
            options,
            self.using,
            self.phases,
            self.progress,
            self.snapshots,
            retrying=self.retrying,
            ending=self.ending,
        )
        self.resuming = resuming_of(
            self._inputs, self.options, self.run, self.history, self.guards, is_walked=self._is_walked
        )

    def _count(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.queries += 1
        return execute(sql, params, many, context)

    def conduct(self) -> Report:
        """Run, commit or roll back, and say what happened."""
        if self.options.resume is None:
            self.history.begin()
        try:
            with self._locked(inside=False):
                if self.options.resume is not None and not self._take_up():
                    return replace(self._report(False), status=status.FINISHED, sources=())
                return self._conduct()
        except Locked as error:
            self._abandon(error, str(error))
            raise

    def _take_up(self) -> bool:
        return self.resuming is not None and self.resuming.take_up()

    def _conduct(self) -> Report:
        is_committed = False
        try:
            with self.history.heeding():
                is_judged = self.resuming is not None and self.resuming.is_judged
                if self.guards is not None and not self._is_one_transaction and not is_judged:
                    self._rehearse()
                may_repeat = self._is_one_transaction and not self._is_walked
                self.retrying.run(self._transact, self._start_again if may_repeat else None)
            is_committed = not self.options.dry_run
        except (Aborted, Stop):
            pass
        except (Locked, KeyboardInterrupt, SystemExit) as error:
            if not isinstance(error, Locked):
                self._note_end(error)
            raise
        except Exception as error:
            self._note_error(error)
            is_committed = self._was_committed
        return self._end(is_committed)

    def _note_error(self, error: Exception) -> None:
        """Say what ended the run early; raises what nobody foresees."""
        if self._was_committed:
            self.error = f"committed; but what the project does after a commit failed: {type(error).__name__}: {error}"
        elif isinstance(error, NsyncError):
            self.error = str(error)
            self.is_transient = isinstance(error, TransientError | ConfigError) and not isinstance(error, HeaderError)
        elif isinstance(error, DatabaseError | InterfaceError):
            self.error = str(gave_up(error)) if is_lost(error) else database_error(error)
            self.is_transient = not isinstance(error, IntegrityError | DataError)  # which are about what is in the rows
        else:
            self._abandon(error, f"{type(error).__name__}: {error}")
            raise error

    def _note_end(self, error: BaseException) -> None:
        """Say where a run stood that a signal has ended."""
        why = [getattr(error, "reason", "interrupted"), *getattr(error, "__notes__", ())]
        if self.run.last_committed and not self.doing.dry_run:
            why.append(f"the last row committed is {self.run.last_committed}")
            error.add_note(f"{why[-1]}{self._how_to_go_on()}")
        self._abandon(error, "; ".join(why))

    def _how_to_go_on(self) -> str:
        run = self.history.run
        return f"; --resume {run.pk} goes on after it" if run is not None and self._can_go_on else ""

    @property
    def _can_go_on(self) -> bool:
        return self.resuming is not None and self.resuming.is_possible

    def _transact(self) -> None:
        """Run, in one transaction or in one per batch; raises Aborted if it must be rolled back."""
        with self._transaction(), self._locked(inside=True):
            if connections[self.using].in_atomic_block:
                transaction.on_commit(self._note_commit, using=self.using)
            self._run_to_the_end()
            self.retrying.check()
            if self._must_roll_back() or self.stopped_by:
                raise Aborted
            self.history.finish(self._report(True))

    def _start_again(self) -> None:
        """Forget what was done and noted: the database has taken it back."""
        self.executor.end_batch(is_kept=False)
        self._prepare(self.doing, is_guarded=self.counted is not None)
        self.error = self.stopped_by = ""

    def _run_to_the_end(self) -> None:
        """Do all that is asked for, and let the guards decide."""
        check_snapshots(self.tasks, self.options)
        if self.counted is not None and self.guards is not None:
            self.guards.look()
        self._create_systems()
        try:
            self._execute()
            self.run.close_accounts()
        finally:
            self._judge()

    def _create_systems(self) -> None:
        create = partial(create_systems, [task.system for task in self.tasks], self.executor)
        if self._is_one_transaction:
            create()
        else:  # each is committed by itself
            self.retrying.run(create, partial(self.executor.end_batch, is_kept=False))

    def _judge(self) -> None:
        """Let the guards decide: on all that would be committed, even if the run ends early."""
        if self.counted is not None and self.guards is not None:
            self.stopped_by = self.guards.verdict(self.counted, self.executor.accounts.ledger)

    def _rehearse(self) -> None:
        """
        Run without leaving anything, so that the guards decide before the first batch is committed.

        Raises:
            Aborted: They stop the run.
            NsyncError, DatabaseError: It cannot be known what they would say.
        """
        self._prepare(replace(self.options, dry_run=True), is_guarded=True)
        try:
            self.retrying.run(self._rehearse_once, self._start_again)
        except (Aborted, Stop, SourceError) as error:  # rows, or a source that ends early, end the run too
            self.error = self.error or str(error)
        ContentType.objects.clear_cache()  # types first seen here are gone with the transaction
        if self.stopped_by:
            raise Aborted
        self.error = ""
        self._prepare(self.options, is_guarded=False)  # what it will write is known
        if self.resuming is not None:
            self.resuming.is_judged = self._is_rehearsed

    def _rehearse_once(self) -> None:
        with self._transaction():
            self._run_to_the_end()
            self._is_rehearsed = True
            raise Aborted

    @property
    def _is_one_transaction(self) -> bool:
        return self.doing.dry_run or self.doing.as_transaction or self._is_walked

    def _abandon(self, error: BaseException, why: str) -> None:
        """Let the history say why there is no report, and whoever hears of the error where to look."""
        ContentType.objects.clear_cache()  # as in `_end`
        self.history.abandon(why)
        if self.history.run is not None:
            error.add_note(told_by(self.history.run))

    def _locked(self, *, inside: bool) -> AbstractContextManager[Any]:
        """Give the locks of the run's models; on PostgreSQL they are its transaction's, if it is one."""
        if inside is not (self._is_one_transaction and connections[self.using].vendor == "postgresql"):
            return nullcontext()
        models = [task.model for task in self.tasks]
        run = self.options.resume if self.history.run is None else self.history.run.pk
        return locked(models, self.using, run=run, wait=self.options.wait, in_transaction=inside)

    def _end(self, is_committed: bool) -> Report:
        """Close the accounts of a run whose transaction is over."""
        if not is_committed:
            ContentType.objects.clear_cache()  # types first seen in this run are gone with its transaction
            self.retrying.renew_connection()
        self._close_accounts()
        report = self._report(is_committed)
        if not is_committed:
            try:
                self.history.finish(report)
            except (DatabaseError, InterfaceError) as error:
                self.history.abandon(str(error))
        return report

    def _close_accounts(self) -> None:
        accounts = self.executor.accounts
        accounts.make_room()
        try:
            self.run.close_accounts()
        except TransientError as error:  # no room on disk for what is to be said
            self.error = self.error or str(error)
            accounts.make_room()
            self.run.close_accounts(is_told=False)

    def _note_commit(self) -> None:
        """Runs before the hooks of the project, one of which may raise."""
        self._was_committed = True
        self.retrying.note_commit()

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
        from nsync.walking import ExecutableAction, Walk  # few policies do

        def make(action: Action) -> ExecutableAction:
            return ExecutableAction(action, self.executor, self.using, lambda: None)

        policy = self._make_policy(Walk(self.run.walk, make))
        with self._blaming_policy("raised"):
            policy.execute()
        self.run.settle()
        self.run.take_away()

    def _make_policy(self, actions: Iterable[Any]) -> Any:
        with self._blaming_policy("cannot be made:"):
            return self.policy(actions)

    @contextmanager
    def _blaming_policy(self, what: str) -> Iterator[None]:
        """Let what a project's own policy raises be an error of the call, not one of nsync."""
        try:
            yield
        except (Stop, NsyncError, DatabaseError, InterfaceError):  # of the run, which goes through the policy
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
        commits_batches = self.run.commits_batches and not self._is_walked
        return bool(self.executor.accounts.failed) and self.options.on_error != "skip" and not commits_batches

    def _report(self, is_committed: bool) -> Report:
        report = report_of(
            self.run,
            self.options,
            self.history,
            self._state(is_committed or (bool(self.run.last_committed) and not self.doing.dry_run)),
            is_committed=is_committed,
            error=self.error,
            guard=self.stopped_by,
            seconds=time.monotonic() - self.started + (self.resuming.seconds if self.resuming else 0),
            queries=self.queries,
        )
        return replace(
            report,
            run=self.options.resume if self.history.run is None else self.history.run.pk,
            is_resumed=self.options.resume is not None and self.history.run is not None,
            can_resume=bool(report.last_committed) and self._can_go_on,
            is_transient=self.is_transient,
            is_whole=is_committed,
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
