"""The settings of nsync: one dict, ``NSYNC = {...}``; ``from nsync.conf import settings``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from django.apps import apps
from django.conf import settings as django_settings
from django.core.exceptions import FieldDoesNotExist

T = TypeVar("T")


class Setting(Generic[T]):
    """One key of the dict. It is read each time it is asked for, so that tests may override it."""

    def __init__(self, default: T) -> None:
        self.default = default

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type | None = None) -> T:
        value: T = getattr(django_settings, "NSYNC", {}).get(self.name, self.default)
        return value


class Settings:
    """What ``NSYNC`` may hold: each attribute is the key of the same name."""

    FEEDS = Setting[object]("nsync.toml")
    """Path of the file that describes the feeds (`nsync.feeds`)."""

    KEEP = Setting[Mapping[str, object]]({})
    """How long history is kept, such as ``{"changes": "90d", "runs": "2y"}`` (`nsync.kept`)."""

    MAX_CHANGES = Setting[object](None)
    """How many objects a run may change, as ``--max-changes`` takes it; None: any number."""

    MAX_DELETES = Setting[object](None)
    """How many objects a run may delete, as ``--max-deletes`` takes it; None: any number."""

    MAX_EXPANDED = Setting[int | None](16 * 1024**3)
    """
    To how many bytes a compressed file may expand; None: any number.

    Each pass expands anew and keeps nothing, so what a bomb can take is time, not memory or disk: these are minutes. It
    is more than what is known from elsewhere (Apache POI: 4 GiB for a part of a workbook), since a feed is read row by
    row, and tables of some gigabytes are ordinary.
    """

    MAX_EXPANDED_RATIO = Setting[int | None](1_000)
    """
    To how many times its size, once that is more than 100 MiB; None: any number.

    Deflate (gzip, zip) cannot do much more than a thousand times, and does that with one byte repeated. Apache POI
    allows 100, but a table whose rows are much alike comes close to that in bzip2, xz and zstd.
    """

    NEVER_WRITE = Setting[Sequence[str]](())
    """Fields that no file may write, match or follow, as ``app.Model.field`` (rule S1)."""

    RECORD = Setting[str]("changes")
    """How much is kept of each run: ``changes``, ``rows`` or ``summary``."""

    REDACT = Setting[Sequence[str]](())
    """Fields whose values are never kept in the history, as ``app.Model.field``."""

    SNAPSHOT_MAX_DELETES = Setting[object]("20%")
    """How many objects a snapshot may take away, unless ``--max-deletes`` says so; None: any number."""

    SNAPSHOT_MINIMUM = Setting[int](100)
    """Of how few objects of a system that share says nothing, so that it is not applied."""


settings = Settings()


def hidden_columns() -> dict[str, frozenset[str]]:
    """Give the columns of ``REDACT`` by the label of their model, by attname; what names nothing is left out."""
    found: dict[str, set[str]] = {}
    for entry in settings.REDACT:
        label, _, name = entry.rpartition(".")
        try:
            model = apps.get_model(label)
            field = model._meta.get_field(name)
        except (LookupError, FieldDoesNotExist, ValueError):
            continue
        if getattr(field, "concrete", False) and not field.many_to_many:
            found.setdefault(field.model._meta.label, set()).add(str(getattr(field, "attname", name)))
    return {label: frozenset(names) for label, names in found.items()}


def known_keys() -> list[str]:
    """Name the keys that ``NSYNC`` may hold."""
    return [name for name, value in vars(Settings).items() if isinstance(value, Setting)]
