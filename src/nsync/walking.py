"""Actions that execute themselves, for policies that walk them and for actions built in code (rules P1, P2)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.db.models import Model

from nsync.actions import Action
from nsync.executor import Executor


class ExecutableAction:
    """
    One action, ready to be applied by a policy.

    Attributes:
        type: ``"create"``, ``"update"`` or ``"delete"``.
        model: The model on whose objects it acts.
        external_key: Its key; "" if it has none.
        fields: Header → cell, as the source gives it.
    """

    def __init__(self, action: Action, executor: Executor, using: str, settle: Callable[[], None]) -> None:
        self.action = action
        self.executor = executor
        self._using = using
        self._settle = settle

    @property
    def type(self) -> str:
        """What the action does."""
        return self.action.kind.value

    @property
    def model(self) -> Any:
        """The model on whose objects it acts."""
        return self.action.model

    @property
    def external_key(self) -> str:
        """The key of the row."""
        return self.action.key

    @property
    def fields(self) -> dict[str, object]:
        """Header → cell."""
        return dict(zip(self.action.row.header, self.action.row.values, strict=False))

    def execute(self) -> Model | None:
        """
        Apply the action at once.

        Returns:
            The object, as the database has it now; None if there is none. A row error is recorded, not raised.
        """
        target = self.executor.apply([self.action])
        if target is None:
            return None
        return self.action.model._base_manager.using(self._using).filter(pk=target.pk).first()

    def settle(self) -> None:
        """Try again what waits for a later row (rule R6)."""
        self._settle()

    def __repr__(self) -> str:
        return f"<{self.type} {self.action.model._meta.label} {self.external_key or self.fields}>"


class Walk(Iterable[ExecutableAction]):
    """The actions of a run; may be walked several times, and is read anew each time."""

    def __init__(self, walk: Callable[[], Iterator[Action]], make: Callable[[Action], ExecutableAction]) -> None:
        self._walk = walk
        self._make = make

    def __iter__(self) -> Iterator[ExecutableAction]:
        return (self._make(action) for action in self._walk())
