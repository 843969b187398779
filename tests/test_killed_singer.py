"""A target that is killed: no state that came back is ahead of the data, and from it the tap gets to the same end."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.services import TEST_DATABASE


@pytest.mark.slow
@pytest.mark.database("sqlite", "postgresql", "mariadb")
@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
def test_a_tap_goes_on_from_the_last_state_whenever_the_target_was_killed(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[1]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(root), *filter(None, sys.path)])}
    given = [TEST_DATABASE, str(tmp_path), str(random.randrange(1_000_000))]
    command = [sys.executable, "-m", "tests.killed_singer", *given]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[dict[str, Any]] = json.loads(done.stdout)

    assert [one for one in found if one["wrong"]] == [], f"python -m tests.killed_singer {' '.join(given)}"
    killed = [one for one in found if one["ended"] == -signal.SIGKILL]
    assert {one["kind"] for one in killed} >= {"batch", "statement"}
    assert sum(one["state"] > 0 for one in killed) > len(killed) // 4
