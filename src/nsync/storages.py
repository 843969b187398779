"""Storages of Django as places of sources: ``storage:alias:path``. Part of the conductor."""

from __future__ import annotations

import os
import shutil
from difflib import get_close_matches
from functools import partial
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.core.files.storage import InvalidStorageError, storages

from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.places import Place, veil_urls
from nsync.read.fetched import FetchedContent, check_length, is_full
from nsync.read.streams import BUFFER_SIZE, no_room


def open_storage(place: Place) -> FetchedContent:
    """
    Copy a file out of a storage.

    Raises:
        ConfigError: ``STORAGES`` has no such alias, or one that cannot be made.
        SourceError: There is no such file, or it cannot be read, or not all of it.
    """
    name = f"storage:{place.alias}:{place.rest}"
    return FetchedContent(name, partial(_fetch, _storage(place.alias, name), place.rest, name))


def _storage(alias: str, name: str) -> Any:
    try:
        return storages[alias]
    except InvalidStorageError as error:
        known = list(storages.backends)
        if alias in known:
            raise ConfigError(f"{name}: {error}") from error
        close = get_close_matches(alias, known, n=1)
        hint = f"did you mean {close[0]!r}? There" if close else "there"
        raise ConfigError(f"{name}: STORAGES has no {alias!r}; {hint} are {', '.join(known)}") from None


def _fetch(storage: Any, path: str, name: str, target: str) -> None:
    try:
        with storage.open(path, "rb") as stream, open(target, "wb") as copy:
            shutil.copyfileobj(stream, copy, BUFFER_SIZE)
        check_length(name, os.path.getsize(target), _size(storage, path))
    except NsyncError:
        raise
    except FileNotFoundError:
        raise SourceError("there is no such file in the storage; check the path", name) from None
    except IsADirectoryError:
        raise SourceError("is a folder; name a file in it", name) from None
    except SuspiciousOperation as error:
        raise SourceError(f"lies outside the storage ({error})", name) from None
    except Exception as error:  # a storage has errors of its own
        if is_full(error):
            raise no_room(error, name) from None
        words = veil_urls(str(error)) or type(error).__name__
        raise SourceError(f"cannot be read from the storage: {words}", name) from None


def _size(storage: Any, path: str) -> int | None:
    try:
        return int(storage.size(path))
    except NotImplementedError:
        return None
