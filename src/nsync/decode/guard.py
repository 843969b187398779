"""Columns that a file may not name, because they hand out power (rule S1)."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Model

from nsync.conf import settings
from nsync.errors import ConfigError

_POWER = ("password", "is_superuser", "is_staff", "groups", "user_permissions")


class Guard:
    """
    Knows the fields that a run may neither write, nor match, nor follow.

    A relation counts from both of its sides, and so does the table between.

    Args:
        allowed: ``--allow-column``: headers, targets or ``app.Model.field`` that may be named all the same.
    """

    def __init__(self, allowed: Collection[str]) -> None:
        self._allowed = frozenset(allowed)
        self._fields = frozenset(_guarded_fields())
        self._throughs = frozenset(
            field.remote_field.through for field in self._fields if getattr(field, "many_to_many", False)
        )

    def check(self, fields: Iterable[Any], *names: str) -> None:
        """
        Refuse a column that names a guarded field.

        Args:
            fields: What the column passes through: fields, and reverse relations.
            names: The column as the file and ``--map`` call it.

        Raises:
            ConfigError: The column is guarded and not allowed.
        """
        for field in fields:
            forward = _forward(field)
            through = self._through_of(field)
            if forward not in self._fields and through is None:
                continue
            label = f"{(through or forward.model)._meta.label}.{forward.name}"
            if not self._allowed.intersection((*names, label)):
                drop = "" if names[0].startswith("--set ") else f"drop it with --map '{names[0]}=', or "
                raise ConfigError(
                    f"column {names[0]!r}: {label} hands out power and is not written, matched or followed; "
                    f"{drop}allow it with --allow-column {label}"
                )

    def _through_of(self, field: Any) -> type[Model] | None:
        """Give the guarded table between two models that a field belongs to or leads to."""
        for model in (getattr(field, "model", None), getattr(field, "related_model", None)):
            if model in self._throughs:
                return model
        return None


def _forward(field: Any) -> Any:
    """Give the field itself, where a relation is named from its other side."""
    return getattr(field, "field", field) if getattr(field, "auto_created", False) else field


def _guarded_fields() -> Iterable[Any]:
    if apps.is_installed("django.contrib.auth"):
        user = apps.get_model(django_settings.AUTH_USER_MODEL)
        yield from (field for field in user._meta.get_fields() if field.name in _POWER)
        yield apps.get_model("auth", "Group")._meta.get_field("permissions")
    for label in settings.NEVER_WRITE:
        app_model, _, name = label.rpartition(".")
        try:
            yield _forward(apps.get_model(app_model)._meta.get_field(name))
        except (ValueError, LookupError, FieldDoesNotExist) as error:
            raise ConfigError(f'NSYNC["NEVER_WRITE"]: {label!r} is no app.Model.field ({error})') from None
