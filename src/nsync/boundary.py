"""BatchBoundary: the transaction around one batch of a run. Part of the conductor."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from django.db import transaction

if TYPE_CHECKING:
    from nsync.record.checkpoint import Where
    from nsync.run import Run


class Aborted(Exception):
    """The transaction around must be rolled back: a dry run, or rows that failed (rule T4)."""


class Keeper(Protocol):
    """Keeps where a run stands, so that it can go on if it is interrupted."""

    def keep(self, where: Where, last: str) -> None:
        """Keep what is new since the last call; in the transaction of the batch. `last` is the last line run."""

    def kept(self) -> None:
        """Take note that the transaction was committed."""


class BatchBoundary:
    """The transaction around one batch, when each batch is committed by itself (rules T3, T4)."""

    def __init__(self, run: Run, last: Callable[[], str], where: Callable[[], Where]) -> None:
        self._run = run
        self._last = last
        self._where = where
        self._atomic = transaction.atomic(using=run.using)
        self._failed = run.executor.accounts.failed

    def __enter__(self) -> None:
        if self._run.commits_batches:  # else it is a dry run, which rolls back at once
            self._run.ending.check()
            self._run.ending.is_in_batch = True
        try:
            self._atomic.__enter__()
        except BaseException:
            self._run.ending.is_in_batch = False
            raise

    def __exit__(self, *error: Any) -> None:
        try:
            self._leave(*error)
        finally:
            self._run.ending.is_in_batch = False

    def _leave(self, *error: Any) -> None:
        try:
            self._end(is_kept=error[0] is None)
        except BaseException as ended:
            self._run.executor.end_batch(is_kept=False)  # what could not be recorded is still held
            self._atomic.__exit__(type(ended), ended, ended.__traceback__)
            raise
        try:
            self._atomic.__exit__(*error)
        except BaseException:
            if self._run.retrying.is_committed:  # a hook of the project has raised
                self._note_last()
            raise
        if error[0] is None:
            self._note_last()

    def _note_last(self) -> None:
        """Take note that the batch is committed."""
        self._run.last_committed = self._last() or self._run.last_committed
        if self._run.keeper is not None:
            self._run.keeper.kept()

    def _end(self, *, is_kept: bool) -> None:
        """Record what was written, before it is committed; raises Aborted if it must not be."""
        executor = self._run.executor
        if is_kept:
            self._run.retrying.check()
        is_refused = executor.accounts.failed > self._failed and self._run.options.on_error != "skip"
        executor.end_batch(is_kept=is_kept and not is_refused)
        if is_kept and is_refused:
            raise Aborted
        if is_kept and self._run.keeper is not None:
            self._run.keeper.keep(self._where(), self._last() or self._run.last_committed)
        if is_kept and self._run.commits_batches:
            self._run.retrying.expect_commit()
