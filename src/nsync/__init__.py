"""nsync: keeps Django models in sync with N external systems."""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "1.0.0.dev0"

_PUBLIC = {  # name → module; imported when asked for, so that this package is safe before apps are ready
    "ActionFactory": "nsync.factory",
    "ConfigError": "nsync.errors",
    "Feed": "nsync.feeds.feed",
    "Input": "nsync.opening",
    "Kind": "nsync.actions",
    "NsyncError": "nsync.errors",
    "OutcomeKind": "nsync.changes",
    "Report": "nsync.record.report",
    "RowError": "nsync.errors",
    "SourceError": "nsync.errors",
    "SyncActions": "nsync.actions",
    "SyncOptions": "nsync.options",
    "TransientError": "nsync.errors",
    "load_feeds": "nsync.feeds.reading",
    "sync": "nsync.conductor",
    "sync_all": "nsync.conductor",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for."""
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)
