"""Policies: in which order the actions of a run are applied, and inside which transaction (rules T2, T3, P1)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, ClassVar, Final

from django.db import transaction
from django.utils.module_loading import import_string

from nsync.actions import Action, Kind
from nsync.errors import ConfigError

EXAMPLES: Final = "nsync.policies.BasicSyncPolicy or nsync.policies.OrderedSyncPolicy"
Policy = Callable[[Iterable[Any]], Any]  # a policy class, as a rule
Phase = Kind | Callable[[Action], bool]


def takes(phase: Phase, action: Action) -> bool:
    """Whether a phase runs an action."""
    return action.kind is phase if isinstance(phase, Kind) else phase(action)


def phase_of(phases: Sequence[Phase], action: Action) -> int | None:
    """Give the number of the first phase that takes an action; None if none does."""
    return next((number for number, phase in enumerate(phases) if takes(phase, action)), None)


def settling_phase(phases: Sequence[Phase]) -> int:
    """Give the number of the last phase that can create or update: waiting rows are tried after it (rule R6)."""
    numbers = [number for number, phase in enumerate(phases) if phase is not Kind.DELETE]
    return numbers[-1] if numbers else len(phases) - 1


def _any(action: Action) -> bool:
    return True


def kinds_of(phases: Sequence[Phase]) -> list[frozenset[Kind]] | None:
    """Give the kinds of actions that each phase runs; None if that is not a matter of their kinds."""
    if tuple(phases) == SyncPolicy.phases:
        return [frozenset(Kind)]
    kinds: list[frozenset[Kind]] = []
    for phase in phases:
        if not isinstance(phase, Kind):
            return None
        kinds.append(frozenset({phase}).difference(*kinds))  # an action belongs to the first phase that takes it
    return kinds


class SyncPolicy:
    """
    Base of all policies. A subclass names `phases`; an action belongs to the first phase that takes it.

    A policy that overrides `execute` instead, and walks ``self.actions`` calling ``action.execute()``, works
    as it did with django-nsync 0.4.

    Args:
        actions: What to apply; may be walked several times.
    """

    phases: ClassVar[Sequence[Phase]] = (_any,)

    def __init__(self, actions: Iterable[Any] = ()) -> None:
        self.actions = actions

    def execute(self) -> None:
        """Apply the actions, phase by phase, then try again those that wait for a later row."""
        settled = settling_phase(self.phases)
        for number in range(len(self.phases)):
            for action in self.actions:
                if phase_of(self.phases, action.action) == number:
                    action.execute()
            if number == settled:
                self._settle()

    def _settle(self) -> None:
        one_each = {id(action.executor): action for action in self.actions}
        for action in one_each.values():
            action.settle()

    def boundary(self, using: str) -> AbstractContextManager[Any]:
        """Give the transaction around the whole run on a database; none by default."""
        return nullcontext()


class BasicSyncPolicy(SyncPolicy):
    """File order; create before update within a row."""


class OrderedSyncPolicy(SyncPolicy):
    """All creates of all files, then all updates, then all deletes."""

    phases = (Kind.CREATE, Kind.UPDATE, Kind.DELETE)


class TransactionSyncPolicy(SyncPolicy):
    """
    Wraps another policy in one transaction.

    Args:
        policy: The policy that says what happens inside.
        using: Alias of the database, when the policy is executed by hand.
    """

    def __init__(self, policy: Any, using: str | None = None) -> None:
        super().__init__(getattr(policy, "actions", ()))
        self.policy = policy
        self._using = using
        self.phases = getattr(policy, "phases", SyncPolicy.phases)  # type: ignore[misc]  # those of what it wraps

    def execute(self) -> None:
        """Execute the wrapped policy: all of it is kept, or nothing."""
        with transaction.atomic(using=self._using):
            self.policy.execute()

    @contextmanager
    def boundary(self, using: str) -> Iterator[None]:
        """Give the transaction, and inside it the boundary of what it wraps."""
        inner = self.policy.boundary(using) if isinstance(self.policy, SyncPolicy) else nullcontext()
        with transaction.atomic(using=using), inner:
            yield


def is_walked(policy: Callable[[Iterable[Any]], Any]) -> bool:
    """
    Whether a policy applies its actions itself, as those of django-nsync 0.4 did (rule P1).

    Args:
        policy: The class, or a function that makes one; called with no actions if only what it makes can tell.
    """
    if isinstance(policy, type):
        if not issubclass(policy, SyncPolicy):
            return True
        if policy.execute not in (SyncPolicy.execute, TransactionSyncPolicy.execute):
            return True
    made = policy(())
    while isinstance(made, TransactionSyncPolicy) and type(made).execute is TransactionSyncPolicy.execute:
        made = made.policy
    return not (isinstance(made, SyncPolicy) and type(made).execute is SyncPolicy.execute)


def load_policy(path: str) -> Policy:
    """
    Import the class that ``--policy`` names.

    Raises:
        ConfigError: There is none, or it is no policy.
    """
    try:
        policy: Any = import_string(path)
    except ImportError as error:
        raise ConfigError(f"--policy {path}: {error}; name a class, such as {EXAMPLES}") from error
    except Exception as error:  # the module is the project's own, and may raise anything
        raise ConfigError(f"--policy {path}: its module cannot be imported: {type(error).__name__}: {error}") from error
    if not isinstance(policy, type) or not callable(getattr(policy, "execute", None)):
        raise ConfigError(f"--policy {path}: is no class with an execute() method; name one, such as {EXAMPLES}")
    if policy is TransactionSyncPolicy:
        raise ConfigError(f"--policy {path}: it wraps another policy, as --as-transaction does; leave --policy out")
    return policy
