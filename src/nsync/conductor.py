"""The conductor: it alone knows the rooms. ``sync()`` and ``sync_all()`` take sources in and give a Report."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from django.apps import apps
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connections, router, transaction
from django.db.models import Model

from nsync.actions import Action
from nsync.apply.base import blockers, related_blockers
from nsync.apply.refusals import lock_cure
from nsync.decode.compiling import check_model, check_names, compile_layout
from nsync.decode.decoder import Decoder
from nsync.errors import ConfigError, NsyncError, Problem
from nsync.executor import Executor, Stop
from nsync.fields import concrete_model
from nsync.identities import Identities
from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.options import SyncOptions
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy, SyncPolicy, TransactionSyncPolicy, is_walked
from nsync.read.base import Source, open_source
from nsync.read.streams import check_read_once
from nsync.record import report as status
from nsync.record.report import Report, SourceReport
from nsync.run import Aborted, Progress, Run, Task
from nsync.signals import run_finished, run_started
from nsync.walking import ExecutableAction, Walk

logger = logging.getLogger(__name__)
# What a policy raises is logged with its traceback: only where the project has set up logging, not on standard error.
logging.getLogger("nsync").addHandler(logging.NullHandler())

Policy = Callable[[Iterable[Any]], Any]  # a policy class, as a rule


@dataclass(frozen=True)
class Input:
    """One source, and what it is synced to."""

    source: str | Path | BinaryIO | TextIO  # a path, "-" for standard input, or an open file
    model: type[Model] | str  # a model, or its "app.Model"
    system: str  # name of the external system


def sync(
    source: str | Path | BinaryIO | TextIO,
    model: type[Model] | str,
    *,
    system: str,
    options: SyncOptions | None = None,
    policy: Policy = BasicSyncPolicy,
    progress: Progress | None = None,
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

    Returns:
        What became of every row. A run that had to stop (a source that cannot be read on, a database that
        gives up) says so in `Report.error`.

    Raises:
        ConfigError: The call, the options or the header are wrong. Nothing was written.
        SourceError: The source cannot be opened. Nothing was written.
    """
    return sync_all([Input(source, model, system)], options=options, policy=policy, progress=progress)


def sync_all(
    inputs: Sequence[Input],
    *,
    options: SyncOptions | None = None,
    policy: Policy = OrderedSyncPolicy,
    progress: Progress | None = None,
) -> Report:
    """
    Sync several sources in one run, as ``manage.py syncfiles`` does.

    Args and errors are those of `sync`; the default policy runs all creates, then all updates, then all deletes.
    """
    options = options or SyncOptions()
    if not inputs:
        raise ConfigError("there is nothing to sync: name at least one source")
    with ExitStack() as stack:
        conductor = _Conductor(inputs, options, policy, progress, stack)
        run_started.send(sender=sync_all, inputs=tuple(inputs), options=options)
        report = conductor.conduct()
    run_finished.send(sender=sync_all, report=report)
    logger.info("%s: %d rows, %.1f s", report.status, report.rows, report.seconds)
    return report


class _Conductor:
    """One run: what was opened and compiled for it, and how it ended."""

    def __init__(
        self,
        inputs: Sequence[Input],
        options: SyncOptions,
        policy: Policy,
        progress: Progress | None,
        stack: ExitStack,
    ) -> None:
        self.options = options
        self.started = time.monotonic()
        models = [find_model(given.model) for given in inputs]
        self.using = _choose_database(models, options)
        self.queries = 0
        stack.enter_context(connections[self.using].execute_wrapper(self._count))
        self.identities = Identities(self.using)
        self._check_systems(inputs)
        self.tasks = self._open(inputs, models, stack)
        self.properties = _properties(self.tasks)
        self.executor = Executor(self.identities, options, self.properties, len(self.tasks))
        self.policy = policy
        phases = () if is_walked(policy) else self._make_policy(()).phases
        self.run = Run(self.tasks, self.executor, options, self.using, phases, progress)
        self.error = ""
        self._was_committed = False

    def _count(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        self.queries += 1
        return execute(sql, params, many, context)

    def _check_systems(self, inputs: Sequence[Input]) -> None:
        """Rule C6: an unknown system, if it is not to be created."""
        length = ExternalSystem._meta.get_field("name").max_length or 0
        for given in inputs:
            if not given.system.strip() or len(given.system) > length:
                raise ConfigError(f"the name of an external system has 1 to {length} characters: {given.system!r}")
            if not self.options.create_external_system and not self.identities.system(given.system):
                raise ConfigError(
                    f"there is no external system {given.system!r}; there are {', '.join(self._systems()) or 'none'}. "
                    "Create it in the admin, or leave out --no-create-external-system"
                )

    def _systems(self) -> list[str]:
        return list(ExternalSystem._base_manager.using(self.using).order_by("name").values_list("name", flat=True))

    def _open(self, inputs: Sequence[Input], models: Sequence[type[Model]], stack: ExitStack) -> list[Task]:
        """Open every source and compile every header before anything is written."""
        check_read_once(given.source for given in inputs)
        sources: list[Source] = []
        for given in inputs:
            source = open_source(given.source, self.options)
            stack.callback(source.close)
            sources.append(source)
        check_names(self.options, [source.header for source in sources])
        systems = {*self._systems(), *(given.system for given in inputs)}
        tasks = []
        for number, (given, model, source) in enumerate(zip(inputs, models, sources, strict=True)):
            try:
                layout = compile_layout(model, source.header, given.system, systems, self.options)
            except ConfigError as error:
                raise ConfigError(" ".join([f"{source.name}: {error}", *map("({})".format, source.notes)])) from None
            tasks.append(Task(number, source, model, given.system, Decoder(layout)))
        return tasks

    def conduct(self) -> Report:
        """Run, commit or roll back, and say what happened."""
        is_committed = False
        try:
            with self._transaction():
                if connections[self.using].in_atomic_block:
                    transaction.on_commit(self._note_commit, using=self.using)
                self._create_systems()
                self._execute()
                self.run.close_accounts()
                if self._must_roll_back():
                    raise Aborted
            is_committed = not self.options.dry_run
        except (Aborted, Stop):
            pass
        except NsyncError as error:
            self.error = str(error)
        except DatabaseError as error:
            self.error = database_error(error)
        except (KeyboardInterrupt, SystemExit) as error:
            if self.run.last_committed:
                error.add_note(f"the last row committed is {self.run.last_committed}")
            raise
        except Exception as error:
            if not self._was_committed:
                raise
            is_committed = True
            self.error = f"committed; but what the project does after a commit failed: {type(error).__name__}: {error}"
        if not is_committed:
            ContentType.objects.clear_cache()  # types first seen in this run are gone with its transaction
        self.run.close_accounts()
        return self._report(is_committed)

    def _note_commit(self) -> None:
        """Runs before the hooks of the project, one of which may raise."""
        self._was_committed = True

    def _create_systems(self) -> None:
        for name in dict.fromkeys(task.system for task in self.tasks):
            if self.identities.system(name):
                continue
            systems = ExternalSystem._base_manager.using(self.using)
            if self.options.dry_run and not systems.filter(name=name).exists():
                systems.bulk_create([ExternalSystem(name=name, description=name)])  # no save(), no signal (rule O4)
            system, _ = systems.get_or_create(name=name, defaults={"description": name})
            if system.name != name:  # MariaDB and MySQL fold case in a unique column
                raise ConfigError(f"this database takes {name!r} and the external system {system.name!r} for one name")

    def _execute(self) -> None:
        try:
            if is_walked(self.policy):
                self._walk()
            else:
                self.run.execute()
        except Stop:
            self.error = self._why_stopped()
            raise

    def _why_stopped(self) -> str:
        if self.options.on_error == "stop":
            return "stopped at the first row error (--on-error stop)"
        return f"stopped after {self.executor.failed} row errors (--max-errors)"

    def _walk(self) -> None:
        """Let a policy apply the actions itself (rule P1)."""

        def make(action: Action) -> ExecutableAction:
            return ExecutableAction(action, self.executor, self.using, lambda: None)

        policy = self._make_policy(Walk(self.run.walk, make))
        with self._blaming_policy("raised"):
            policy.execute()
        self.executor.settle(self.run.decode)

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
            name = f"{self.policy.__module__}.{getattr(self.policy, '__qualname__', self.policy)}"
            message = f"the policy {name} {what} {type(error).__name__}{': ' if str(error) else ''}{error}"
            logger.exception(message)
            raise ConfigError(message) from error

    def _transaction(self) -> AbstractContextManager[Any]:
        """Give the transaction around the run (rule T3), and the policy's own boundary inside it."""
        stack = ExitStack()
        if self.options.dry_run or self.options.as_transaction or is_walked(self.policy):
            stack.enter_context(TransactionSyncPolicy(SyncPolicy()).boundary(self.using))
        if not is_walked(self.policy):
            stack.enter_context(self._make_policy(()).boundary(self.using))
        return stack

    def _must_roll_back(self) -> bool:
        if self.options.dry_run:
            return True
        return bool(self.executor.failed) and self.options.on_error != "skip" and not self.run.commits_batches

    def _report(self, is_committed: bool) -> Report:
        executor = self.executor
        is_partly = bool(self.run.last_committed) and not is_committed
        if self.options.dry_run:
            state = status.DRY_RUN
        elif is_committed or is_partly:
            state = status.WITH_REJECTS if executor.failed or self.error else status.APPLIED
        else:
            state = status.FAILED if self.error else status.ROLLED_BACK
        sources = tuple(self._source_report(task) for task in self.tasks)
        return Report(
            status=state,
            committed=is_committed or is_partly,
            dry_run=self.options.dry_run,
            sources=sources,
            displaced=executor.displaced,
            seconds=time.monotonic() - self.started,
            queries=self.queries,
            engine=executor.writer.name,
            ledger=executor.ledger,
            spool=executor.details,
            error=self.error,
            last_committed=self.run.last_committed if is_partly else "",
            writes=executor.writes,
            diffs=tuple(executor.diffs),
            changed_fields=dict(executor.changed_fields.most_common()),
            unforeseen=self._unforeseen(),
            skips_errors=self.options.on_error == "skip",
        )

    def _source_report(self, task: Task) -> SourceReport:
        layout = task.decoder.layout
        rows = self.executor.ledger.rows(task.number)
        columns = layout.notes
        if not rows and not self.error:
            columns = (*columns, Problem("no-rows", "the source has a header and no row"))
        return SourceReport(
            name=task.source.name,
            system=task.system,
            target=task.model._meta.label,
            size=task.source.size,
            rows=rows,
            outcomes=self.executor.ledger.counts(task.number),
            notes=task.source.notes,
            columns=columns,
            header=task.source.header,
            dialect=task.source.dialect,
        )

    def _unforeseen(self) -> tuple[str, ...]:
        if not self.options.dry_run:
            return ()
        reasons: dict[str, None] = {}
        for task in self.tasks:
            own = blockers(task.model, self.properties.get(concrete_model(task.model), ()))
            reasons.update(dict.fromkeys(own))
            for group in task.decoder.layout.relations:
                reasons.update(dict.fromkeys(related_blockers(group.relation)))
        return tuple(reasons)


def find_model(given: type[Model] | str) -> type[Model]:
    """
    Give a model that exists and whose objects can be written (rule C6).

    Raises:
        ConfigError: There is none of this name, or it cannot be written.
    """
    if not isinstance(given, str):
        check_model(given)
        return given
    label, _, name = given.partition(".")
    try:
        config = apps.get_app_config(label)
    except LookupError:
        labels = ", ".join(sorted(config.label for config in apps.get_app_configs()))
        raise ConfigError(f"there is no app {label!r}; there are {labels}") from None
    try:
        model = config.get_model(name)
    except LookupError:
        names = ", ".join(sorted(model.__name__ for model in config.get_models())) or "none"
        raise ConfigError(f"app {label!r} has no model {name!r}; there are {names}") from None
    check_model(model)
    return model


def database_error(error: Exception, cure: str = "") -> str:
    """Say that the database refuses, and what helps."""
    cure = lock_cure(error) or cure
    return f"the database refuses: {' '.join(str(error).split())}{f' ({cure})' if cure else ''}"


def _choose_database(models: Sequence[type[Model]], options: SyncOptions) -> str:
    """Rule T9: one alias for target models and mappings."""
    using = options.database or router.db_for_write(ExternalKeyMapping)
    if using not in connections:
        raise ConfigError(f"--database: there is no {using!r}; there are {', '.join(connections)}")
    for model in models:
        chosen = router.db_for_write(model)
        if not options.database and chosen != using:
            raise ConfigError(
                f"the router sends {model._meta.label} to {chosen!r} and the mappings to {using!r}; "
                "both must be in one database: say which with --database"
            )
        for needed in (model, ExternalKeyMapping):
            if not router.allow_migrate_model(using, needed):
                raise ConfigError(f"{needed._meta.label} is not in database {using!r}; choose another --database")
    return using


def _properties(tasks: Sequence[Task]) -> dict[type[Model], tuple[str, ...]]:
    """Give the property columns of a run by model."""
    found: dict[type[Model], dict[str, None]] = {}
    for task in tasks:
        names = found.setdefault(concrete_model(task.model), {})
        names.update((column.name, None) for column in task.decoder.layout.properties)
    return {model: tuple(names) for model, names in found.items() if names}
