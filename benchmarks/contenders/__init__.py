"""
Who is measured. Each is a module with these names:

``LARGEST``, ``LARGEST_QUICK``: the most rows that it is measured with (0: as many as asked for).
``REPEATS``: whether it is measured as often as asked for, or once, because it takes so long.
``MAPS``: whether it keeps mappings.
``SAVES_CHANGES_ONLY``: whether a receiver hears of changed objects only.
``NEEDS_MATCH``: whether it needs a match to delete.
``UNDOES``: whether, in the end, the database is as it was before.
``cannot(workload, database)``: why it is left out, or "".
``load(workload, path)``: import what it needs; give the function to measure, which gives what there is to say of it:
its ``engine``, and perhaps its own ``queries`` and ``outcomes``.
``told()``: its versions.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

_MODULES = {
    "nsync": "nsync_itself",
    "jsonl": "nsync_jsonl",
    "json": "nsync_json",
    "parquet": "nsync_parquet",
    "recording": "nsync_recording",
    "undo": "nsync_undo",
    "limit": "limit",
    "nsync04": "nsync04",
    "import-export": "import_export",
}
NAMES = tuple(_MODULES)
LABELS = {
    "nsync": "nsync",
    "jsonl": "nsync, JSON Lines",
    "json": "nsync, JSON",
    "parquet": "nsync, Parquet",
    "recording": "nsync, recording changes",
    "undo": "nsync, undoing",
    "limit": "plain SQL",
    "nsync04": "django-nsync 0.4",
    "import-export": "django-import-export",
}
PEERS = ("nsync04", "import-export")


def contender(name: str) -> Any:
    """Give the module of a contender."""
    return import_module(f"benchmarks.contenders.{_MODULES[name]}")
