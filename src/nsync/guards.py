"""Guards: a run that would delete or change more than it should is stopped before it commits. Part of the conductor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from nsync.changes import ChangeKind, OutcomeKind
from nsync.conf import settings
from nsync.fields import concrete_model, is_between
from nsync.identities import Identities
from nsync.limits import NONE, Limit, read_limit
from nsync.models import ExternalKeyMapping
from nsync.options import SyncOptions
from nsync.recording import Recorder, WrittenRows
from nsync.spool import open_spool

if TYPE_CHECKING:
    from django.db.models import Model

    from nsync.record.ledger import Ledger
    from nsync.run import Task

_SCHEMA = """
CREATE TABLE changed (feed INTEGER, name TEXT, pk TEXT, batch INTEGER, PRIMARY KEY (name, pk, feed)) WITHOUT ROWID;
"""
_AWAY = {"release": OutcomeKind.RELEASED, "set": OutcomeKind.UPDATED}  # what a snapshot does instead of deleting


class _Guard(NamedTuple):
    """One limit, and how it is lifted."""

    limit: Limit
    what: str  # deletes, changes
    name: str  # of the option or the setting that sets it
    cure: str  # how to allow it once


class Guards:
    """
    Counts what a run deletes and changes, and says whether that is too much.

    Deleted objects are those of any model, cascaded and displaced ones included; changed ones are created, updated and
    deleted. Mappings and the rows of many-to-many relations are no objects, but an object whose many-to-many relation
    changes is changed. An object counts as changed once, however often it is. A share is of the objects that a system
    maps in a model before the run: each system and model of the run is judged by itself, so that the loss of a small
    model does not hide behind a large one. A number of objects is judged over the whole run.

    Args:
        options: Of the run.
        tasks: Its sources, and what its snapshots lack.
        identities: Knows the database.

    Queries: one for each system and model, if a limit is a share.
    """

    def __init__(self, options: SyncOptions, tasks: Sequence[Task], identities: Identities) -> None:
        self._identities = identities
        self._feeds = list(dict.fromkeys((task.system, concrete_model(task.model)) for task in tasks))
        self._feed_of = [self._feeds.index((task.system, concrete_model(task.model))) for task in tasks]
        self._away = _AWAY.get(options.snapshot_action.partition(":")[0])
        self._snapshots = {task.number for task in tasks if task.is_snapshot}
        self._deletes = _deletes_guard(options)
        self._changes = _changes_guard(options)
        is_guarded = bool(self._snapshots) and not (options.max_deletes or options.allow_deletes)
        self._snapshot = _snapshot_guard(options) if is_guarded else None
        self._populations: list[int] = []

    @property
    def is_needed(self) -> bool:
        """Whether there is a limit."""
        return any(guard is not None for guard in self._all())

    def _all(self) -> tuple[_Guard | None, ...]:
        return self._deletes, self._snapshot, self._changes

    def counting(self, inner: Recorder | None) -> Counting:
        """
        Give what writers tell what they write, so that it is counted.

        Args:
            inner: Is told it too.
        """
        return Counting(inner, self._feeds, self._feed_of, self._snapshots, counts_changes=self._changes is not None)

    def look(self) -> None:
        """Count what is there before the run, if a limit is a share of that."""
        needs = any(guard is not None and guard.limit.is_share for guard in self._all())
        self._populations = [self._population(*feed) if needs else 0 for feed in self._feeds]

    def _population(self, system: str, model: type[Model]) -> int:
        """Count the objects that a system maps in a model."""
        number, kind = self._identities.system(system), self._identities.known_content_type(model)
        if not number or not kind:
            return 0
        mappings = ExternalKeyMapping._base_manager.using(self._identities.using)
        return mappings.filter(external_system=number, content_type=kind).values("object_id").distinct().count()

    def verdict(self, counted: Counting, ledger: Ledger) -> str:
        """Say which limit a run exceeds, by how much, and how to allow it once; "" if none."""
        away = Counter[int]()
        if self._away is not None:
            for number in self._snapshots:
                away[self._feed_of[number]] += ledger.counts(number).get(self._away, 0)
        in_all = counted.deletes + away
        by_snapshot = counted.snapshot_deletes + away
        return (
            self._judged(self._deletes, in_all, sum(in_all.values()))
            or self._judged_snapshot(by_snapshot)
            or self._judged(self._changes, counted.changes(), counted.changed_in_all())
        )

    def _judged_snapshot(self, counts: Counter[int]) -> str:
        """A share of a handful of objects says nothing: the guard of the settings leaves them alone."""
        smallest = settings.SNAPSHOT_MINIMUM
        large = {feed: count for feed, count in counts.items() if self._populations[feed] >= smallest}
        return self._judged(self._snapshot, Counter(large), sum(counts.values()))

    def _judged(self, guard: _Guard | None, counts: Counter[int], total: int) -> str:
        if guard is None:
            return ""
        limit, what, name, cure = guard
        if not limit.is_share:
            told = f"{total:,} {what} in all"
            return f"{told} are more than {name} {limit} allows; {cure}" if limit.is_exceeded(total, 0) else ""
        for feed, count in sorted(counts.items()):
            population = self._populations[feed]
            if limit.is_exceeded(count, population):
                system, model = self._feeds[feed]
                share = f" ({100 * count / population:.1f} %)" if population else ""
                of = f"{population:,} objects that {system} maps in {model._meta.label}"
                return f"{count:,} {what} of {of}{share} are more than {name} {limit} allows; {cure}"
        return ""


def _deletes_guard(options: SyncOptions) -> _Guard | None:
    limit, name = _chosen(options.max_deletes, "max_deletes")
    if limit is None or options.allow_deletes:
        return None
    return _Guard(limit, "deletes", name, "to allow them once: --allow-deletes")


def _snapshot_guard(options: SyncOptions) -> _Guard | None:
    limit = read_limit(settings.SNAPSHOT_MAX_DELETES)
    if limit is None:
        return None
    what = "deletes" if options.snapshot_action == "delete" else "objects that the snapshot does not name, out"
    return _Guard(limit, what, 'NSYNC["SNAPSHOT_MAX_DELETES"]', "to allow them once: --allow-deletes")


def _changes_guard(options: SyncOptions) -> _Guard | None:
    limit, name = _chosen(options.max_changes, "max_changes")
    if limit is None:
        return None
    return _Guard(limit, "changes", name, f"to allow them once: --max-changes {NONE}")


def _chosen(given: str, name: str) -> tuple[Limit | None, str]:
    """Give the limit of an option, or else of the setting of the same name, and how it is called."""
    if given:
        return read_limit(given), f"--{name.replace('_', '-')}"
    return read_limit(getattr(settings, name.upper())), f'NSYNC["{name.upper()}"]'


class Counting:
    """
    A recorder that counts the objects which are deleted and changed.

    Args:
        inner: Is told what is written, too.
        feeds: System and concrete model, of each that the run syncs.
        feed_of: Source → feed.
        snapshots: Sources that are what a snapshot lacks.
        counts_changes: Whether anybody asks for changed objects; their names are kept on disk.
    """

    def __init__(
        self,
        inner: Recorder | None,
        feeds: Sequence[tuple[str, type[Model]]],
        feed_of: Sequence[int],
        snapshots: set[int],
        *,
        counts_changes: bool,
    ) -> None:
        self.deletes = Counter[int]()  # by feed
        self.snapshot_deletes = Counter[int]()  # those of them that a snapshot asks for
        self._inner = inner
        self._feeds = feeds
        self._feed_of = feed_of
        self._snapshots = snapshots
        self._targets = {model for _, model in feeds}
        self._spool = open_spool(_SCHEMA) if counts_changes else None
        self._batch = 0
        self._before: tuple[Counter[int], Counter[int]] = (Counter(), Counter())  # deletes before the batch

    def take(self, written: Sequence[WrittenRows]) -> None:
        """Count what was written; see `nsync.recording.Recorder`."""
        for rows in written:
            if rows.source >= 0:  # else it is a new system
                self._count(rows)
        if self._inner is not None:
            self._inner.take(written)

    def flush(self) -> None:
        """Write what is held in memory."""
        self._batch += 1
        self._before = self.deletes.copy(), self.snapshot_deletes.copy()
        if self._inner is not None:
            self._inner.flush()

    def discard(self) -> None:
        """Forget what was counted since, and what is held in memory: the batch is rolled back."""
        self.deletes, self.snapshot_deletes = (counts.copy() for counts in self._before)
        if self._spool is not None:
            self._spool.execute("DELETE FROM changed WHERE batch = ?", (self._batch,))
        if self._inner is not None:
            self._inner.discard()

    def _count(self, rows: WrittenRows) -> None:
        if rows.model is ExternalKeyMapping:
            return
        feed = self._feed_of[rows.source]
        if is_between(rows.model) and rows.model not in self._targets:
            self._keep(feed, self._owners(rows, self._feeds[feed][1]))
            return
        # Of an object with parents by inheritance, all rows go: it is counted by the one that has none above it.
        if rows.kind is ChangeKind.DELETE and not rows.model._meta.parents:
            self.deletes[feed] += len(rows.pks)
            if rows.source in self._snapshots:
                self.snapshot_deletes[feed] += len(rows.pks)
        self._keep(feed, ((rows.model, pk) for pk in rows.pks))

    @staticmethod
    def _owners(rows: WrittenRows, model: type[Model]) -> Iterator[tuple[type[Model], object]]:
        """Give the objects whose many-to-many relation changes: those on the side that the file is of."""
        family = {model, *model._meta.get_parent_list()}
        values: dict[str, Sequence[Any]] = dict(zip(rows.names, rows.after or rows.before, strict=True))
        for field in rows.model._meta.concrete_fields:
            if field.related_model is not None and concrete_model(field.related_model) in family:
                for pk in values.get(field.attname, ()):
                    yield model, pk
                return

    def _keep(self, feed: int, changed: Iterator[tuple[type[Model], object]]) -> None:
        if self._spool is not None:
            rows = ((feed, _root(model)._meta.label, str(pk), self._batch) for model, pk in changed)
            self._spool.executemany("INSERT OR IGNORE INTO changed VALUES (?, ?, ?, ?)", rows)

    def changes(self) -> Counter[int]:
        """Count the changed objects of each feed."""
        if self._spool is None:
            return Counter()
        return Counter(dict(self._spool.execute("SELECT feed, count(*) FROM changed GROUP BY feed")))

    def changed_in_all(self) -> int:
        """Count the changed objects of the run, each once."""
        if self._spool is None:
            return 0
        query = "SELECT count(*) FROM (SELECT DISTINCT name, pk FROM changed)"
        return int(self._spool.execute(query).fetchone()[0])


def _root(model: type[Model]) -> type[Model]:
    """Give the model whose table has a row for each object, whichever child by inheritance it is."""
    return ([model, *model._meta.get_parent_list()])[-1]
