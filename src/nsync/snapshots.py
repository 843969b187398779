"""Snapshots: a file that is the whole truth of its system; what it does not name goes. Part of the conductor."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from django.db import DatabaseError

from nsync.accounts import Accounts
from nsync.actions import Action, Kind, Place
from nsync.changes import KeyMapping, OutcomeKind
from nsync.decode.compiling import compile_layout
from nsync.decode.decoder import KEY_LENGTH, Decoder
from nsync.engines import Engine, choose_engine
from nsync.errors import ConfigError, HeaderError, Problem, RowError, SourceError
from nsync.fields import concrete_model, field_of
from nsync.identities import Identities
from nsync.options import SyncOptions
from nsync.plan.namedkeys import NamedKeys
from nsync.plan.planner import plan_release
from nsync.plan.rowplan import Plan
from nsync.plan.state import State
from nsync.policies import Phase
from nsync.read.base import Dialect
from nsync.read.batches import row_batches
from nsync.read.blocks import Block, Unfit
from nsync.record.checkpoint import Where
from nsync.rows import MISSING, Row, RowBatch
from nsync.run import Run, Task
from nsync.signals import batch_applied
from nsync.steps import RowStep
from nsync.veils import veil_setting

if TYPE_CHECKING:
    from django.db.models import Model

    from nsync.bycolumns import ByColumns

_HEADER = ("external_key",)


def open_snapshots(tasks: Sequence[Task], systems: Collection[str], options: SyncOptions) -> list[Task]:
    """
    Give a task for what each system and model of a run will turn out to lack: its rows are the keys to take away.

    Args:
        tasks: The sources; those of one system and model are one snapshot.
        systems: Names of the external systems.
        options: Of the run.

    Raises:
        ConfigError: A source has no keys, or the ``--snapshot-action`` cannot be done.
    """
    parts: dict[tuple[str, type[Model]], list[Task]] = {}
    for task in tasks:
        if task.decoder.layout.key is None:
            raise HeaderError(
                f"{task.source.name}: --snapshot needs a key in every row: name its column with --external-key-column"
            )
        parts.setdefault((task.system, concrete_model(task.model)), []).append(task)
    found = []
    for number, ((system, model), own) in enumerate(parts.items(), start=len(tasks)):
        decoder = snapshot_decoder(own[0].model, system, systems, options)
        source = _Unnamed(system, model, own, options)
        found.append(Task(number, source, own[0].model, system, decoder, is_snapshot=True))
    return found


def choose_snapshot_engine(task: Task, options: SyncOptions, phases: Sequence[Phase] | None) -> Engine:
    """Give the engine of a snapshot: that of its sources, as far as keys alone can be written so."""
    layout = task.decoder.layout
    # Its rows read as those of a delete, which whole columns would do (rule A6): to release is for rows alone.
    is_release = options.snapshot_action == "release"
    try:
        engine = choose_engine(layout, options, phases)
    except ConfigError:
        if options.engine != "columns":
            raise
        engine = choose_engine(layout, replace(options, engine="bulk"), phases)
    return engine._replace(name="bulk", writes_columns=False) if is_release and engine.writes_columns else engine


def snapshot_decoder(model: type[Model], system: str, systems: Collection[str], options: SyncOptions) -> Decoder:
    """Give what reads a key as what the ``--snapshot-action`` asks for; raises ConfigError."""
    what, _, setting = options.snapshot_action.partition(":")
    field, _, value = setting.partition("=")
    own = replace(
        options,
        snapshot=False,
        action_flags="u*" if what == "set" else "d",
        match_on=None,
        external_key_column=None,
        map=(),
        set=((field.strip(), value),) if what == "set" else (),
        only_columns=(),
        null_marker=None,
    )
    try:
        layout = compile_layout(model, _HEADER, system, systems, own)
        if any(field_of(concrete_model(model), column.attname).primary_key for column in layout.fields):
            raise ConfigError("a primary key stays as it is; set another field")
        decoder = Decoder(layout)
        decoder.decode(Row(0, _HEADER, ("key",)), Place(0, 0, 0))
    except (ConfigError, RowError) as error:
        raise ConfigError(f"--snapshot-action {veil_setting(options.snapshot_action)}: {error}") from None
    return decoder


def check_filled(tasks: Sequence[Task]) -> None:
    """
    Refuse a snapshot without rows: an export that went wrong would take away all that its system maps.

    Raises:
        SourceError: A source has none.
    """
    for task in tasks:
        if next(iter(task.source), None) is None:
            what = f"all that {task.system} maps in {task.model._meta.label}"
            cure = "ask for the export again; without --snapshot, a file without rows does nothing"
            raise SourceError(
                f"has no rows; as a snapshot it would take away {what} (empty-snapshot); {cure}", task.source.name
            )


class _Unnamed:
    """
    The keys of a system that no row of its sources names, as a source of rows.

    A key is named by whatever row has it, also by one that failed.
    """

    header = _HEADER
    notes: tuple[str, ...] = ()
    size = position = expected = 0
    delimiter = ","
    dialect = Dialect("utf-8", ",", "\n", is_rejects=False)

    def __init__(self, system: str, model: type[Model], parts: Sequence[Task], options: SyncOptions) -> None:
        self.name = f"snapshot of {system}"
        self._system = system
        self._model = model
        self._parts = parts
        self._options = options
        self._keys: NamedKeys | None = None

    @contextmanager
    def compared(self, identities: Identities, number: int, after: str | None) -> Iterator[None]:
        """Read the sources once more, and compare; in the block rows can be read: those after a key, or none (None)."""
        self._keys = keys = NamedKeys(identities, number)
        keys.make()
        try:
            for task in self._parts:
                for batch in row_batches(task.source, self._options.batch_size):
                    keys.add(_keys_in(batch, task))
                    if batch.error is not None:
                        raise batch.error
            if after is not None:
                keys.compare(self._system, self._model, after)
            yield
        finally:
            with suppress(DatabaseError):  # what has ended the run is worth telling, not this
                keys.drop()

    def __iter__(self) -> Iterator[Row]:
        """Give a row for each key that is not named."""
        assert self._keys is not None  # compared() comes first
        return (Row(0, _HEADER, (key,)) for key in self._keys.unnamed())

    def named(self, keys: Sequence[str]) -> set[str]:
        """Give those of some keys that the sources name."""
        assert self._keys is not None  # as above
        return self._keys.named(keys)

    def blocks(self) -> Iterator[Block]:
        """It has none."""
        raise Unfit

    def digest(self) -> str:
        """It has no bytes."""
        return ""

    def close(self) -> None:
        """It holds nothing."""


def _keys_in(batch: RowBatch, task: Task) -> list[str]:
    """Give the keys that rows name, whatever else is wrong with them."""
    layout = task.decoder.layout
    assert layout.key is not None  # open_snapshots() has asked
    columns = batch.columns()
    marker = layout.options.marker
    parts = []
    for position in layout.key.positions:
        cells: Sequence[object] = [row.values[position] for _, row in batch] if columns is None else columns[position]
        parts.append(["" if cell is MISSING or cell is None or str(cell) == marker else str(cell) for cell in cells])
    # What no mapping can hold is no key of one (rule M1).
    return [key for key in layout.key.join(parts) if key and len(key) <= KEY_LENGTH and "\0" not in key]


class _TakenAway(RowStep):
    """
    A key that a snapshot does not name: its object goes as by an unforced delete, or what else was asked for.

    Args:
        accounts: Of the run.
        place: Of the key among those not named.
        row: It.
        actions: What is asked for.
        named: Gives one of some mappings that a snapshot of the run names, if there is one.
        is_last: Whether what Django refuses to delete will not be tried again, but released.
    """

    def __init__(
        self,
        accounts: Accounts,
        place: Place,
        row: Row,
        actions: Sequence[Action],
        named: Callable[[Sequence[KeyMapping]], KeyMapping | None],
        *,
        is_last: bool,
    ) -> None:
        super().__init__(accounts, place, row, actions)
        self.is_put_off = False
        self._named = named
        self._is_last = is_last

    def plan(self, state: State) -> Plan:
        """Plan what becomes of the key."""
        plan = self._plan(state)
        if plan.outcome is OutcomeKind.UNMATCHED:  # it went with another object of the snapshot
            return plan._replace(problems=())
        return plan

    def _plan(self, state: State) -> Plan:
        options = self.accounts.options
        if options.snapshot_action == "release":
            return plan_release(self.actions[0], state, options)
        if options.snapshot_action == "delete" and (holder := self._holder(state)) is not None:
            name = holder.model._meta.verbose_name
            message = f"kept: the snapshot of {holder.system} names {name} {holder.key!r}, which would go along"
            return plan_release(self.actions[0], state, options, Problem("held-by", message, value=self.actions[0].key))
        try:
            return super().plan(state)
        except RowError as error:
            if not (self._is_last and _is_protected(error)):
                raise
            warning = error.problems[0]._replace(value=self.actions[0].key)
            return plan_release(self.actions[0], state, options, warning)

    def _holder(self, state: State) -> KeyMapping | None:
        """Give the key, named by a snapshot, of another object that would go along."""
        action = self.actions[0]
        mapping = state.linked(action.system, concrete_model(action.model), action.key)
        if mapping is None or mapping.target is None:
            return None
        others = [other for other in state.cascade_of(mapping.target).mappings if other.target != mapping.target]
        return self._named(others) if others else None

    def failed(self, error: RowError) -> None:
        """Put off what is protected: it may go when others have gone. Keep account of what cannot be helped."""
        if _is_protected(error) and not self._is_last:
            self.is_put_off = True
        else:
            super().failed(error)


def _is_protected(error: RowError) -> bool:
    return error.problems[0].code == "protected"


def take_away(run: Run, tasks: Sequence[Task]) -> bool:
    """
    Take away what snapshots do not name, unless rows failed: those may be what it misses.

    Objects that Django refuses to delete because of others are tried again when those have gone, whichever snapshot
    they belong to; what is refused still is released, with the warning ``protected``.

    Args:
        run: All its sources were read to their ends, and applied.
        tasks: What `open_snapshots` gives.

    Returns:
        Whether it was done.

    Raises:
        Stop: One key too many could not be taken away.
        Aborted, SourceError, TransientError: As `Run.execute`.

    Queries: those of `nsync.plan.namedkeys.NamedKeys`, and of the deletes. Memory: a byte for each key to take away.
    """
    if not run.phases:  # a policy that walks may have left rows unread, which may be wrong, too
        deque(run.walk(), maxlen=0)
    is_despite = run.options.on_error == "skip" and run.options.snapshot_despite_errors
    if run.executor.accounts.failed and not is_despite:
        return False
    with ExitStack() as stack:
        for task in tasks:
            identities, after = run.executor.resolver.identities, _last_done(run, task)
            stack.enter_context(_unnamed(task).compared(identities, task.number, after))
        # A run that goes on finds those alone that it has not taken away yet, and counts on.
        firsts = {task: run.executor.accounts.ledger.rows(task.number) for task in tasks}
        left: dict[Task, bytearray | None] = dict.fromkeys(tasks)
        count, is_last = -1, False
        while left:
            put_off = {task: _take_away(run, task, firsts[task], keys, is_last=is_last) for task, keys in left.items()}
            left = {task: keys for task, keys in put_off.items() if any(keys)}
            before, count = count, sum(keys.count(1) for keys in put_off.values())
            is_last = count == before
    return True


def _last_done(run: Run, task: Task) -> str | None:
    """Give the key after which a run that goes on takes up a snapshot; None: it is done."""
    _, source, _, key = run.start
    removes = not run.options.snapshot_action.startswith("set:")  # what is done is not found again
    if removes or source < task.number:
        return ""
    return key if source == task.number else None


def _unnamed(task: Task) -> _Unnamed:
    assert isinstance(task.source, _Unnamed)
    return task.source


def _take_away(run: Run, task: Task, first: int, keys: bytearray | None, *, is_last: bool) -> bytearray:
    """
    Take away the keys of one snapshot; mark those that must be put off.

    Args:
        run: Which.
        task: The keys.
        first: Ordinal of the first.
        keys: Which; None: all.
        is_last: Whether nothing can be put off any more.
    """
    put_off = bytearray()
    by_columns = run.by_columns(task) if keys is None and run.executor.engines[task.number].writes_columns else None
    if by_columns is not None:
        by_columns.start(None)
    for batch in row_batches(task.source, run.options.batch_size, keys):
        put_off.extend(bytes(batch.ordinals[-1] + 1 - len(put_off)))
        numbered = replace(batch, ordinals=[first + ordinal for ordinal in batch.ordinals])
        for place in _commit(run, task, numbered, by_columns, is_last=is_last):
            put_off[place.ordinal - first] = 1
        batch_applied.send(sender=Run, source=task.source.name, rows=len(put_off), phase=len(run.phases))
    return put_off


def _commit(run: Run, task: Task, batch: RowBatch, by_columns: ByColumns | None, *, is_last: bool) -> list[Place]:
    """Take away some keys, in a transaction if each batch has one of its own, which is tried again after a conflict."""
    where = Where(len(run.phases), task.number, 0, batch.records[-1][0])

    def attempt() -> list[Place]:
        # Where nothing changes in the sources themselves, nothing else is named that was committed.
        with run.boundary(lambda: run.last_committed or task.source.name, lambda: where):
            return _run_batch(run, task, batch, by_columns, is_last=is_last)

    def forget() -> None:
        if by_columns is not None:
            by_columns.start(None)

    return run.committed(attempt, [(task.number, batch.ordinals[0], batch.ordinals[-1] + 1)], forget)


def _run_batch(run: Run, task: Task, batch: RowBatch, by_columns: ByColumns | None, *, is_last: bool) -> list[Place]:
    """Take away some keys; give the places of those that must be put off."""
    put_off: list[Place] = []

    def one_by_one(start: int, stop: int) -> None:
        steps = [_step(run, task, ordinal, row, is_last=is_last) for ordinal, row in batch.part(start, stop)]
        run.executor.run(steps)
        put_off.extend(step.place for step in steps if step.is_put_off)

    if by_columns is None:
        one_by_one(0, len(batch))
    else:
        by_columns.run(batch, frozenset(Kind), one_by_one, lambda count: None)
    return put_off


def _step(run: Run, task: Task, ordinal: int, row: Row, *, is_last: bool) -> _TakenAway:
    place = Place(task.number, ordinal, row.number)
    actions = task.decoder.decode(row, place)
    return _TakenAway(run.executor.accounts, place, row, actions, partial(_named, run.snapshots), is_last=is_last)


def _named(tasks: Sequence[Task], mappings: Sequence[KeyMapping]) -> KeyMapping | None:
    for task in tasks:
        owner = task.system, concrete_model(task.model)
        keys = {mapping.key: mapping for mapping in mappings if (mapping.system, mapping.model) == owner}
        for key in _unnamed(task).named(list(keys)) if keys else ():
            return keys[key]
    return None
