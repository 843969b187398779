"""
How long do the public files take, and how much memory?

Each file is synced twice: the second time nothing changes.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

DATA = Path(os.environ.get("NSYNC_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
_TURNS = ("first", "again")


def steps() -> list[str]:
    """Name the measurements."""
    from tests.real_steps import STEPS

    return [f"{step.name}, {turn}" for step in STEPS for turn in _TURNS]


def run(name: str) -> Any:
    """Sync one file; give the report."""
    from dataclasses import replace

    from nsync import sync
    from tests.real_steps import STEPS

    step = next(step for step in STEPS if name.rpartition(", ")[0] == step.name)
    options = replace(step.options, engine=os.environ.get("NSYNC_BENCH_ENGINE", "auto"))
    return sync(DATA / step.path, step.model, system=step.system, options=options)
