"""nsync with the same rows as Parquet; `nsync_itself` has them as CSV."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.contenders import nsync_itself
from benchmarks.formats import converted
from benchmarks.workloads import Workload

LARGEST = 0
LARGEST_QUICK = 0
REPEATS = True
SAVES_CHANGES_ONLY = True
MAPS = True
NEEDS_MATCH = False
UNDOES = False

cannot = nsync_itself.cannot
told = nsync_itself.told


def load(workload: Workload, path: Path) -> Callable[[], dict[str, Any]]:
    """Write the file, which is not measured; prepare one call of ``sync()``."""
    import nsync.read.parquet  # noqa: F401  # and so pyarrow: not measured, as Django is not

    return nsync_itself.load(workload, converted(path, ".parquet"))
