"""The settings of nsync: one dict, ``NSYNC = {...}``; ``from nsync.conf import settings``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, TypeVar

from django.conf import settings as django_settings

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

    NEVER_WRITE = Setting[Sequence[str]](())
    """Fields that no file may write, match or follow, as ``app.Model.field`` (rule S1)."""


settings = Settings()


def known_keys() -> list[str]:
    """Name the keys that ``NSYNC`` may hold."""
    return [name for name, value in vars(Settings).items() if isinstance(value, Setting)]
