"""Settling: what waits is tried again until a pass settles nothing (rule R6). Part of the conductor."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from itertools import islice

from nsync.accounts import MANY
from nsync.actions import Action, Place
from nsync.errors import RowError
from nsync.executor import Executor
from nsync.record.details import WARNING
from nsync.rows import Row
from nsync.steps import RetriedRelation, RetriedRow
from nsync.waiting import Waiting

Decode = Callable[[Row, Place], Sequence[Action]]


def settle(executor: Executor, decode: Decode) -> None:
    """
    Try again what waits, in file order; then say what is left.

    Args:
        executor: Of the run.
        decode: Gives the create and update actions of a row.

    Raises:
        Stop: One row too many failed.
        TransientError: The database gave up.
    """
    _Settling(executor, decode).settle()


class _Settling:
    def __init__(self, executor: Executor, decode: Decode) -> None:
        self._executor = executor
        self._accounts = executor.accounts
        self._waiting = executor.accounts.waiting
        self._decode = decode

    def settle(self) -> None:
        self._accounts.changed = set()
        self._pass_until_still(accept_shared=False)
        if self._accept_shared():
            self._pass_until_still(accept_shared=True)
        self._accounts.changed = None
        for waiting in self._waiting.rows():
            self._waiting.forget_row(waiting.place)
            self._accounts.fail(waiting.place, waiting.row, RowError(waiting.problem), {})
        for place, problem in self._waiting.give_up():
            self._accounts.details.note(place, WARNING, problem)

    def _pass_until_still(self, *, accept_shared: bool) -> None:
        """
        Pass over all that waits until that settles nothing.

        In between, only the rows whose blocker has just changed: a chain of rows in the wrong order would
        otherwise cost a pass over everything for each of its links.
        """
        changed = self._accounts.changed
        assert changed is not None  # settle() listens
        is_moving = True
        while is_moving:
            changed.clear()
            is_moving = self._try(self._waiting.all(self._written()), accept_shared=accept_shared)
            while 0 < len(changed) <= MANY:
                blockers = changed.copy()
                changed.clear()
                self._try(self._waiting.blocked_by(blockers), accept_shared=accept_shared)

    def _written(self) -> set[str] | None:
        """
        Give the labels of the models that the run has written: what waits for objects of others waits in vain.

        None: a deletion, code of the project that runs when an object is saved, or a relation named from its other
        side may have written to any.
        """
        accounts = self._accounts
        is_known = all(engine.writes_bulk for engine in self._executor.engines)
        return accounts.written if is_known and not accounts.has_deleted and not accounts.writes_across else None

    def _accept_shared(self) -> bool:
        """Rule I7, at the end: the object gets both keys."""
        return self._try(self._waiting.keys(), accept_shared=True)

    def _try(self, waiting: Iterable[Waiting], *, accept_shared: bool) -> bool:
        """Try again what waits, batch by batch; tell whether that settled anything."""
        left = iter(waiting)
        is_moving = False
        while batch := list(islice(left, self._executor.options.batch_size)):
            is_moving |= self._try_batch(batch, accept_shared=accept_shared)
        return is_moving

    def _try_batch(self, batch: Collection[Waiting], *, accept_shared: bool) -> bool:
        """Rows and relations take turns: what a row does decides whether a relation is still to be set."""
        is_moving = False
        steps: list[RetriedRow | RetriedRelation] = []
        for one in batch:
            if steps and one.is_row != isinstance(steps[0], RetriedRow):
                is_moving |= self._run(steps)
                steps = []
            steps += self._step(one, accept_shared=accept_shared)
        return self._run(steps) or is_moving

    def _step(self, waiting: Waiting, *, accept_shared: bool) -> list[RetriedRow | RetriedRelation]:
        """Give what is to be done; nothing if it no longer waits."""
        if waiting.is_row:
            row = self._waiting.row(waiting.place)
            if row is None:
                return []
            return [RetriedRow(self._accounts, row, self._decode(row.row, row.place), accept_shared=accept_shared)]
        relation = self._waiting.relation(waiting.place, waiting.relation)
        if relation is None:
            return []
        return [RetriedRelation(self._accounts, relation, self._decode(relation.row, relation.place)[-1])]

    def _run(self, steps: Sequence[RetriedRow | RetriedRelation]) -> bool:
        self._executor.run(steps)
        return any(step.is_settled for step in steps)
