"""
django-nsync 0.4.0 of 2018, through its command, unpatched.

It needs an old Django, and so has a virtual environment of its own. It makes several queries for each row, so it is
measured with few, and once; its time grows with the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.workloads import OWNER_KEY, Workload

LARGEST = 10_000
LARGEST_QUICK = 200
REPEATS = False
SAVES_CHANGES_ONLY = False
MAPS = True
NEEDS_MATCH = True  # its deletes find the object by its match, so their file has that too
UNDOES = False


def cannot(workload: Workload, database: str) -> str:
    """Say what 0.4 has no way to express."""
    if workload.model == "UUIDPerson":
        return "its mappings hold numbers only"
    if OWNER_KEY in workload.header:
        return "it has no references by key"
    return ""


def load(workload: Workload, path: Path) -> Callable[[], dict[str, Any]]:
    """Prepare one call of ``syncfile``."""
    from django.core.management import call_command

    from nsync.management.commands import syncfile

    def run() -> dict[str, Any]:
        call_command(syncfile.Command(), workload.system, "benchmarks", workload.model, str(path))
        return {"engine": "objects"}

    return run


def told() -> str:
    """Give its version, and what it runs on."""
    import platform
    from importlib.metadata import version

    return f"django-nsync {version('django-nsync')} on Django {version('Django')}, Python {platform.python_version()}"
