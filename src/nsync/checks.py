"""System checks of the setting ``NSYNC``: a mistyped key must not leave a column open that was meant to be closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import CheckMessage, Error

from nsync.conf import known_keys, settings


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """
    Check that every key of ``NSYNC`` is known and that every value can be used.

    Returns:
        ``nsync.E001``: not a dict; ``nsync.E002``: an unknown key; ``nsync.E003``: a malformed or dangling
        ``NEVER_WRITE``. Errors, not warnings: what they find would silently protect nothing.
    """
    raw = getattr(django_settings, "NSYNC", {})
    if not isinstance(raw, dict):
        return [
            Error(
                f"NSYNC is a {type(raw).__name__}; it must be a dict.",
                hint='Write NSYNC = {"NEVER_WRITE": [...]}, or leave it out.',
                id="nsync.E001",
            )
        ]
    return [*_unknown_keys(raw), *_bad_never_write()]


def _unknown_keys(raw: Iterable[object]) -> Iterator[Error]:
    known = known_keys()
    for key in raw:
        if key not in known:
            hint = _did_you_mean(str(key).upper(), known) or f"Known keys: {', '.join(known)}."
            yield Error(f"NSYNC has an unknown key: {key!r}.", hint=hint, id="nsync.E002")


def _bad_never_write() -> Iterator[Error]:
    entries: object = settings.NEVER_WRITE
    if not isinstance(entries, (list, tuple, set, frozenset)):
        yield _never_write_error(f"is a {type(entries).__name__}; it must be a list.", "")
        return
    for entry in entries:
        parts = entry.split(".") if isinstance(entry, str) else ()
        if len(parts) != 3 or not all(parts):
            yield _never_write_error(f"has the malformed entry {entry!r}.", "")
            continue
        app_label, model_name, field_name = parts
        try:
            model = apps.get_model(app_label, model_name)
        except LookupError as error:
            yield _never_write_error(f"names {entry!r}: {str(error).rstrip('.')}.", "")
            continue
        names = [field.name for field in model._meta.get_fields()]
        if field_name not in names and not isinstance(getattr(model, field_name, None), property):
            yield _never_write_error(
                f"names {entry!r}: {model._meta.label} has no field or property {field_name!r}.",
                _did_you_mean(field_name, names),
            )


def _never_write_error(what: str, hint: str) -> Error:
    return Error(
        f'NSYNC["NEVER_WRITE"] {what}',
        hint=hint or 'Each entry is "app.Model.field", for example "auth.User.email".',
        id="nsync.E003",
    )


def _did_you_mean(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
