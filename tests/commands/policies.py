"""Policies that tests name with ``--policy``."""

from __future__ import annotations

import os
import time
from pathlib import Path

from nsync.actions import Kind
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


NOT_A_CLASS = "text"
