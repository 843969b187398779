"""Policies that tests name with ``--policy``."""

from __future__ import annotations

import os
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nsync.actions import Action, Kind
from nsync.policies import SyncPolicy


class DeletesFirst(SyncPolicy):
    phases = (Kind.DELETE, Kind.CREATE, Kind.UPDATE)


class PausesAfterEach(SyncPolicy):
    """Applies an action, says so by making a file, and then takes its time."""

    def execute(self) -> None:
        for action in self.actions:
            action.execute()
            Path(os.environ["NSYNC_TEST_PAUSED"]).touch()
            time.sleep(30)


def _pauses_at_the_second(action: Action) -> bool:
    if action.key == "2":
        Path(os.environ["NSYNC_TEST_PAUSED"]).touch()
        time.sleep(30)
    return True


class PausesAtTheSecond(SyncPolicy):
    """Takes its time over the row whose key is 2."""

    phases = (_pauses_at_the_second,)


def _waits_at_the_second(action: Action) -> bool:
    if action.key == "2":
        paused = Path(os.environ["NSYNC_TEST_PAUSED"])
        paused.touch()
        while not paused.with_suffix(".go").exists():
            time.sleep(0.05)
    return True


class WaitsAtTheSecond(SyncPolicy):
    """Says by making a file that the row whose key is 2 has its turn, and goes on when there is another file."""

    phases = (_waits_at_the_second,)


class CannotBeMade(SyncPolicy):
    def __init__(self, actions: object = ()) -> None:
        raise RuntimeError("no luck")


class Raises(SyncPolicy):
    """Applies an action, and then breaks."""

    def execute(self) -> None:
        for action in self.actions:
            action.execute()
            raise RuntimeError("boom")


class BreaksItsBoundary(SyncPolicy):
    """Raises where it is nobody's row error."""

    def boundary(self, using: str) -> AbstractContextManager[Any]:
        raise ZeroDivisionError("39 by 0")


NOT_A_CLASS = "text"
