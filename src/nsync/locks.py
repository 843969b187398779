"""One run at a time per model, whatever the system: locks that a crash frees by itself. Part of the conductor."""

import logging
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import NamedTuple

from django.apps import apps
from django.db import DatabaseError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Model, QuerySet
from django.utils import timezone

from nsync.errors import NsyncError
from nsync.fields import concrete_model
from nsync.locking import Locks, choose_locks
from nsync.models import Run as RunRecord

logger = logging.getLogger(__name__)

LOCKED = 6  # the exit code of a command that another run keeps out (rule T7)
DEAD = "ended without a word: killed, or its connection was lost"
_PAUSE = 0.1  # seconds between two tries
_GRACE = 1.0  # seconds: a lock that is refused although nobody holds it is tried so much longer
_LONGEST = 100  # characters of a command line that a message tells


class Holder(NamedTuple):
    """The run that holds a lock."""

    run: int
    who: str  # user@host
    command: str
    since: datetime


class Locked(NsyncError):
    """Another run has this model: run again when it is over, or wait for it. Nothing was written."""

    def __init__(self, model: str, holder: Holder | None = None, waited: float = 0) -> None:
        super().__init__(model, holder, waited)

    def __str__(self) -> str:
        model, holder, waited = self.args
        cure = f"waited {waited:g} s in vain, --wait takes more" if waited else "wait for it with --wait SECONDS"
        if holder is not None and model == f"run {holder.run}":
            return f"{_describe(holder)} still goes on; {cure}"
        return f"{model} is being synced by {_describe(holder)}; {cure}"


def _describe(holder: Holder | None) -> str:
    if holder is None:
        return "another process, which keeps no record of it"
    since = timezone.localtime(holder.since) if timezone.is_aware(holder.since) else holder.since
    command = holder.command if len(holder.command) <= _LONGEST else f"{holder.command[:_LONGEST]}…"
    told = (holder.who, command or "code", f"since {since:%Y-%m-%d %H:%M:%S}")
    return f"run {holder.run} ({', '.join(filter(None, told))})"


@contextmanager
def locked(
    models: Iterable[type[Model]], using: str, *, run: int | None, wait: float = 0, in_transaction: bool
) -> Iterator[None]:
    """
    Let no other run at some models for the time of the block.

    A proxy is its concrete model; a child by multi-table inheritance takes its parents along, whose tables have its
    rows. Beside its models a run locks its own number, which tells others that it lives, even while it waits. A run
    inside a run, on the same connection, is let in.

    Who is killed leaves no lock behind: the server frees those of a session when it notices that the session is gone,
    which is at once if it is idle, and after its statement if it has one. On SQLite the operating system frees the
    lock on a file; what stays there are small files beside the database that mean nothing (see `nsync.locking`).
    Databases of other kinds have no lock.

    Runs that are dead, but not known to be, are marked (see `mark_dead`): at the start of the block, or, in a
    transaction, at its end. Before the commit nobody would see the mark, and a run that has just been rolled back
    could not write down how it ended while the transaction holds its row.

    Args:
        models: What the run syncs.
        using: Alias of the database.
        run: Primary key of the run's own record, which is committed; None: nothing is recorded.
        wait: For so many seconds; 0: do not.
        in_transaction: Whether the caller's transaction lasts as long as the run does. Only PostgreSQL cares: the
            locks are then the transaction's and end with it, not with the block, which works behind a pooler in
            transaction mode, too. They are also those of a transaction that is open anyway.

    Raises:
        Locked: Another run has one of the models. No lock is kept.
        ConfigError: SQLite: no file can be made beside the database.

    Queries: one for every lock; one to free it, which Django does not count, or on PostgreSQL in a transaction a
    savepoint around all; on SQLite none. One for the runs that seem to go on, and what `mark_dead` asks for. While
    waiting one every tenth of a second.
    """
    connection = connections[using]
    labels = _tables(models)
    is_open = connection.in_atomic_block or not connection.get_autocommit()
    locks = choose_locks(connection, "" if run is None else str(run), in_transaction or is_open)
    with ExitStack() as held:
        with locks.all_or_none():
            _get_all(locks, held, using, labels, run, wait)
        if not is_open:
            _mark_older(using, labels, run)
        yield
        if is_open and not connection.needs_rollback:
            _mark_older(using, labels, run)


def _get_all(locks: Locks, held: ExitStack, using: str, labels: list[str], run: int | None, wait: float) -> None:
    until = time.monotonic() + wait
    names = {_run_name(run): f"run {run}"} if run is not None else {}
    names |= {_model_name(label): label for label in labels}
    for name, label in names.items():
        if not _get(locks, name, until):
            raise Locked(label, _find_holder(locks, using, label, run), wait)
        held.callback(locks.release, name)


def _get(locks: Locks, name: str, until: float) -> bool:
    """Get one lock; a look of somebody else at who holds it, which may be a lock for a moment, is no refusal."""
    while not locks.get(name):
        left = until - time.monotonic()
        if left <= -_GRACE or (left <= 0 and locks.owner(name) is not None):
            return False
        time.sleep(min(_PAUSE, max(left, _PAUSE / 10)))
    return True


def _find_holder(locks: Locks, using: str, label: str, run: int | None) -> Holder | None:
    """Find the run whose model it is: not one that waits for it too, and not one that is dead."""
    owner = locks.owner(_model_name(label))
    is_own = label == f"run {run}"  # a run that somebody wants to go on with
    for found in _running(using, None if is_own else [label]) if owner is not None else ():
        if (found.pk == run) is is_own and locks.owner(_run_name(found.pk)) == owner:
            return Holder(found.pk, "@".join(filter(None, (found.user, found.host))), found.command, found.started)
    return None


def _mark_older(using: str, labels: list[str], run: int | None) -> None:
    if run is not None:
        mark_dead(using, labels, run)


def mark_dead(using: str, labels: Iterable[str], before: int) -> list[int]:
    """
    Mark runs as failed that are dead: nobody holds the lock that a run has on its own number as long as it lives.

    Args:
        using: Alias of the database.
        labels: Of models, parents included; only runs that had one of them locked.
        before: Only runs with a lower primary key.

    Returns:
        Primary keys of the runs that are marked now.

    Queries: one; one for every run that seems to go on; two in a transaction if one of them is dead.
    """
    return _mark(using, [run.pk for run in _running(using, labels) if run.pk < before])


def sweep(using: str) -> list[int]:
    """
    Mark all runs as failed that are dead, whatever their models; gets in no run's way.

    Args, result and queries are those of `mark_dead`.
    """
    return _mark(using, [run.pk for run in _running(using)])


def _mark(using: str, running: list[int]) -> list[int]:
    connection = connections[using]
    locks = choose_locks(connection, "", connection.in_atomic_block)
    dead = [pk for pk in running if locks.is_sure and locks.owner(_run_name(pk)) is None]
    if not dead:
        return []
    try:
        with transaction.atomic(using=using):
            pks = _fail(using, dead)
    except DatabaseError:  # such as SQLite, while somebody else writes; there is a next time
        logger.warning("dead runs could not be marked as failed", exc_info=True)
        return []
    for pk in dead:
        locks.forget(_run_name(pk))
    return pks


def _fail(using: str, dead: list[int]) -> list[int]:
    """Mark these runs, except one that has ended since it was asked for."""
    runs = RunRecord._base_manager.using(using)
    found = runs.filter(pk__in=dead, status=RunRecord.Status.RUNNING)
    pks = list(_unlocked(found, connections[using]).values_list("pk", flat=True))
    if pks:
        runs.filter(pk__in=pks).update(status=RunRecord.Status.FAILED, ended=timezone.now(), error=DEAD)
    return pks


def _unlocked(rows: QuerySet[RunRecord], connection: BaseDatabaseWrapper) -> QuerySet[RunRecord]:
    """Leave out rows that another transaction holds: it marks them, or is the run, which writes how it ended."""
    can_skip = connection.features.has_select_for_update_skip_locked
    return rows.select_for_update(skip_locked=True) if can_skip else rows


def _running(using: str, labels: Iterable[str] | None = None) -> list[RunRecord]:
    """Give the runs that seem to go on, the oldest first; of some models only."""
    wanted = None if labels is None else set(labels)
    runs = RunRecord._base_manager.using(using).filter(status=RunRecord.Status.RUNNING).order_by("pk")
    found = runs.only("model", "user", "host", "command", "started")
    return [run for run in found if wanted is None or not wanted.isdisjoint(_tables_of(run.model))]


def _tables_of(text: str) -> set[str]:
    """Give the labels of the models that a run locks whose record has this text."""
    found: set[str] = set()
    for label in text.split(", "):
        try:
            found.update(_tables([apps.get_model(label)]))
        except (LookupError, ValueError):  # the model is gone
            found.add(label)
    return found


def _tables(models: Iterable[type[Model]]) -> list[str]:
    """Give the labels of what is locked, sorted: two runs that share models never wait for each other."""
    found: set[type[Model]] = set()
    for model in models:
        owner = concrete_model(model)
        found.update((owner, *map(concrete_model, owner._meta.get_parent_list())))
    return sorted(model._meta.label for model in found)


def _model_name(label: str) -> str:
    return f"nsync {label}"


def _run_name(run: int) -> str:
    return f"nsync run {run}"
