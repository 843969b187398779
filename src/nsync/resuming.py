"""Resuming: a run that commits each batch keeps where it stands, and goes on there. Part of the conductor."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

from django.utils.crypto import salted_hmac

from nsync.actions import Place
from nsync.errors import ConfigError
from nsync.guards import Guards
from nsync.history import History, asked_for, insert_into
from nsync.models import Run as RunRecord
from nsync.opening import Input, input_name
from nsync.options import SyncOptions
from nsync.places import query_of
from nsync.read.batches import row_batches
from nsync.record import checkpoint
from nsync.record.checkpoint import Block, Where
from nsync.record.reading import find_run
from nsync.record.values import to_json
from nsync.run import Run, Task
from nsync.veils import is_redacted, veil_setting

# Options that may be others when a run goes on: none of them says what a row means.
_FREE: Final = frozenset(
    {"as_transaction", "batch_size", "create_external_system", "database", "max_errors", "on_error", "record", "wait"}
    | {"allow_deletes", "max_changes", "max_deletes"}  # the guards have decided when it began (`take_up`)
)
_LEDGER: Final = "ledger"
_FORMAT: Final = 1  # of what is kept; another one, once a run can no longer go on from what this one has kept
_DIGEST: Final = 12  # characters of a SHA-256 that tell files apart
_UNJUDGED: Final = "sync without --resume; or, to allow it once, lift the limits: --allow-deletes, --max-changes none"
_FINISHED: Final = (RunRecord.Status.APPLIED, RunRecord.Status.WITH_REJECTS)


def find_interrupted(inputs: Sequence[Input], options: SyncOptions, using: str) -> RunRecord | None:
    """
    Give the run that is to go on; None: a new one begins. Nothing is read for that.

    Raises:
        ConfigError: There is no such run, or it cannot go on, whatever the sources hold.
    """
    if options.resume is None:
        return None
    found = find_run(using, options.resume)
    if found.undoes_id is not None:
        raise ConfigError(f"run {found.pk} is an undo, of which nothing stays when it is interrupted: undo again")
    undone = found.undone_by.using(using).filter(status__in=(*_FINISHED, RunRecord.Status.UNDONE))
    if found.status == RunRecord.Status.UNDONE or undone.exists():
        raise ConfigError(f"run {found.pk} was undone since, wholly or in part: sync without --resume")
    if options.dry_run:
        raise ConfigError("a dry run writes nothing and cannot go on with a run; leave out --dry-run or --resume")
    for given in inputs:
        if _is_stream(given):
            is_query = query_of(given.source) is not None
            gone = "a query may give something else now" if is_query else "a stream is gone once it is read"
            what = f"{input_name(given)}: {gone}"
            raise ConfigError(f"{what}, and cannot be resumed; save it to a file, and sync that")
    return found


class Resuming:
    """
    Keeps where a run stands, and lets it go on there if it was interrupted.

    Args:
        inputs: What is synced.
        options: Of the run.
        run: What keeps, or goes on.
        history: Keeps the record of the run.
        is_walked: Whether the policy applies the actions itself: then all is one transaction.
        guards: Its limits.
    """

    def __init__(
        self,
        inputs: Sequence[Input],
        options: SyncOptions,
        run: Run,
        history: History,
        *,
        is_walked: bool,
        guards: Guards | None,
    ) -> None:
        self._inputs = inputs
        self._options = options
        self._run = run
        self._history = history
        self._is_walked = is_walked
        self._guards = guards
        self._accounts = run.executor.accounts
        self._started = time.monotonic()
        self.seconds = 0.0  # that the run has taken before it was interrupted
        self.is_judged = False  # whether the guards have seen all that the run will do
        if run.commits_batches and not is_walked:
            run.keeper = self
            self._accounts.waiting.keeps_news = True

    @property
    def is_possible(self) -> bool:
        """Whether the run could go on if it were interrupted."""
        is_judged = self.is_judged or self._guards is None
        return self._run.keeper is not None and is_judged and not any(map(_is_stream, self._inputs))

    def keep(self, where: Where, last: str) -> None:
        """Keep what is new since the last call, and where the run stands now."""
        assert self._history.run is not None  # who commits batches keeps a record
        accounts, veil = self._accounts, self._history.veil
        noted = [(source, first, text.decode("latin-1")) for source, first, text in accounts.ledger.news()]
        ledger = [Block(_LEDGER, list(zip(*noted, strict=True)))] if noted else []
        position = {
            "format": _FORMAT,
            "where": where,
            "last": last,
            "asked": [sorted(kind.value for kind in self._run.asked(task)) for task in self._run.tasks],
            "figures": accounts.figures(),
            "seconds": self.seconds + time.monotonic() - self._started,
            "judged": self.is_judged,
            "unkept": _unkept(self._options),
        }
        blocks = chain(ledger, accounts.details.news(veil), accounts.waiting.news(veil))
        checkpoint.keep(self._history.run.pk, insert_into(self._run.using), blocks, position)

    def kept(self) -> None:
        """Take note that it was committed."""
        self._accounts.ledger.forget_news()
        self._accounts.details.forget_news()
        self._accounts.waiting.forget_news()

    def check(self, found: RunRecord) -> None:
        """
        Check that the same rows are asked for in the same way.

        Raises:
            ConfigError: They are not, or nobody can tell.
        """
        name = f"run {found.pk}"
        if found.policy != self._history.policy:
            raise ConfigError(f"{name} had the policy {found.policy}, and this is {self._history.policy}: take that")
        was = {key: value for key, value in found.options.items() if key not in _FREE}
        now = {key: value for key, value in asked_for(self._options).items() if key not in _FREE}
        if others := sorted(key for key in {*was, *now} if was.get(key) != now.get(key)):
            told = "; ".join(f"{key} was {_value(was, key)} and is {_value(now, key)}" for key in others)
            raise ConfigError(f"{name} was asked for with other options: {told}. Take the same")
        commits_batches = found.options.get("as_transaction") is False and not self._is_walked
        if not commits_batches and found.status not in _FINISHED:
            message = "is one transaction, of which nothing stays if it is interrupted: sync without --resume"
            raise ConfigError(f"{name} {message}")
        if commits_batches and self._options.as_transaction:
            raise ConfigError(f"{name} commits each batch: take --no-as-transaction, as it did")
        self._check_sources(name, found.sources)

    def _check_sources(self, name: str, sources: Sequence[Mapping[str, Any]]) -> None:
        count = len(sources) - len(self._run.snapshots)
        if count != len(self._run.tasks):
            raise ConfigError(f"{name} had {count} sources, and here are {len(self._run.tasks)}: name the same")
        for task, was in zip(self._run.tasks, sources, strict=False):  # the snapshots follow
            now = {"system": task.system, "model": task.model._meta.label}
            for key, value in now.items():
                if was.get(key) != value:
                    raise ConfigError(f"{task.source.name}: {name} had the {key} {was.get(key)}, and this is {value}")
            digest, known = self._history.digest(task), was.get("sha256", "")
            if not known:
                raise ConfigError(f"{name} read {was.get('name')} from a stream, which cannot be resumed: sync it anew")
            if digest != known:
                raise ConfigError(
                    f"{task.source.name} is not the file of {name} (SHA-256 {known[:_DIGEST]}… then, "
                    f"{digest[:_DIGEST]}… now): only the same file can go on; sync without --resume"
                )

    def take_up(self) -> bool:
        """
        Let the run go on where it stood after its last committed batch; the caller has its locks.

        Returns:
            Whether there is anything left to do.

        Raises:
            ConfigError: As `find_interrupted` and `check` say: it may have ended, or been undone, meanwhile. Or guards
                have not judged what it has left to do, of which they would see a part only.

        Queries: three for the run, one for its position, one for every fifty checkpoints, and three for its record.
        """
        found = find_interrupted(self._inputs, self._options, self._run.using)
        assert found is not None  # resume is asked for
        self.check(found)
        position = checkpoint.last_position(found.pk, self._run.using)
        if position is None and found.status in _FINISHED:
            return False
        if position is not None:
            if position["format"] != _FORMAT:
                raise ConfigError(f"run {found.pk} was begun by another version of nsync: sync without --resume")
            if position["unkept"] != _unkept(self._options):
                what = f'run {found.pk} was asked for with another value for a field that NSYNC["REDACT"] names'
                raise ConfigError(f"{what} (--set, --snapshot-action): take the same")
            if self._guards is not None and not position["judged"]:
                what = f"the guards have not judged what run {found.pk} has left to do"
                raise ConfigError(f"{what}: {_UNJUDGED}")
            self._put_back(found.pk, position)
        self._history.go_on(found)
        return True

    def _put_back(self, run: int, position: Mapping[str, Any]) -> None:
        accounts = self._accounts
        for block in checkpoint.kept_blocks(run, self._run.using):
            if block.kind == _LEDGER:
                for source, first, text in zip(*block.columns, strict=True):
                    accounts.ledger.put_back(source, first, text.encode("latin-1"))
            accounts.details.put_back(block)
            accounts.waiting.put_back(block)
        accounts.put_back(position["figures"])
        for task in self._run.tasks:
            self._give_rows(task)
        self.kept()
        self._run.go_on(Where(*position["where"]), position["last"], position["asked"])
        self.seconds, self.is_judged = position["seconds"], position["judged"]

    def _give_rows(self, task: Task) -> None:
        """Read again the rows that failed or wait: they were not kept, for the source has them."""
        accounts = self._accounts
        rejected, waiting = set(accounts.details.rejected(task.number)), set(accounts.waiting.ordinals(task.number))
        wanted = bytearray(max(rejected | waiting, default=-1) + 1)
        for ordinal in rejected | waiting:
            wanted[ordinal] = 1
        for batch in row_batches(task.source, self._options.batch_size, wanted) if wanted else ():
            for ordinal, row in batch:
                place = Place(task.number, ordinal, row.number)
                if ordinal in rejected:
                    accounts.details.reject(place, row)
                if ordinal in waiting:
                    accounts.waiting.give_row(place, row)


def _is_stream(given: Input) -> bool:
    """Whether another process cannot read a source again: standard input, a pipe, an open file, a query."""
    source = given.source
    if not isinstance(source, str | os.PathLike) or source == "-" or query_of(source):
        return True
    return os.path.exists(source) and not os.path.isfile(source)


def _unkept(options: SyncOptions) -> str:
    """Give what tells apart the values in options that the history does not keep, and does not tell them."""
    given = [value for target, value in options.set if is_redacted(target)]
    given += [one for one in [options.snapshot_action] if veil_setting(one) != one]
    return salted_hmac("nsync.resuming", to_json(given), algorithm="sha256").hexdigest() if given else ""


def _value(options: Mapping[str, Any], key: str) -> str:
    return to_json(options[key]) if key in options else "not given"
