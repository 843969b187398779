"""System checks of the setting ``NSYNC``: a mistyped key must not leave a column open that was meant to be closed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from os import PathLike
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings as django_settings
from django.core import checks
from django.core.checks import CheckMessage, Error

from nsync.conf import known_keys, settings
from nsync.errors import ConfigError
from nsync.kept import Kept, keep_problems
from nsync.limits import is_expansion_limit, read_limit
from nsync.options import CHOICES


def check_settings(**kwargs: Any) -> list[CheckMessage]:
    """
    Check that every key of ``NSYNC`` is known and that every value can be used.

    Returns:
        ``nsync.E001``: not a dict; ``nsync.E002``: an unknown key; ``nsync.E003``: a malformed or dangling
        ``NEVER_WRITE``; ``nsync.E004``: ``RECORD`` is none of its values; ``nsync.E005``: a malformed or dangling
        ``REDACT``; ``nsync.E006``: a malformed ``KEEP``; ``nsync.E007``: a limit that is none. Errors, not warnings:
        what they find would silently protect nothing, or keep nothing.
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
    return [
        *_unknown_keys(raw),
        *_bad_never_write(),
        *_bad_record(),
        *_bad_redact(),
        *_bad_keep(),
        *_bad_limits(),
    ]


def check_feeds(**kwargs: Any) -> list[CheckMessage]:
    """
    Check the file of feeds, if there is one, or ``NSYNC["FEEDS"]`` says that there is.

    Returns:
        ``nsync.E008``: the file cannot be read; ``nsync.E009``: something in it is wrong; ``nsync.W001``: feeds refer
        to each other, so that no order is right.
    """
    raw = getattr(django_settings, "NSYNC", {})
    path = settings.FEEDS if isinstance(raw, dict) else None
    if not isinstance(path, str | PathLike):
        return [Error(f'NSYNC["FEEDS"] is {path!r}; it must be a path.', id="nsync.E008")] if "FEEDS" in raw else []
    if "FEEDS" not in raw and not Path(path).exists():
        return []
    from nsync.feeds.checking import problems_of  # few projects have feeds
    from nsync.feeds.ordering import in_order
    from nsync.feeds.reading import FeedFile

    try:
        file = FeedFile(str(path))
    except ConfigError as error:
        return [Error(f"{error}.", id="nsync.E008")]
    problems = problems_of(file)
    if problems:
        return [Error(file.told(one._replace(hint="")), hint=one.hint or None, id="nsync.E009") for one in problems]
    return [
        checks.Warning(
            f"{file.path}: feeds refer to each other: {' → '.join(names)}.",
            hint="syncfeeds runs them in the order of the file; what one cannot find yet, it finds the next time.",
            id="nsync.W001",
        )
        for names in in_order(list(file.feeds.values())).cycles
    ]


def _unknown_keys(raw: Iterable[object]) -> Iterator[Error]:
    known = known_keys()
    for key in raw:
        if key not in known:
            hint = _did_you_mean(str(key).upper(), known) or f"Known keys: {', '.join(known)}."
            yield Error(f"NSYNC has an unknown key: {key!r}.", hint=hint, id="nsync.E002")


def _bad_never_write() -> Iterator[Error]:
    return _bad_fields("NEVER_WRITE", settings.NEVER_WRITE, "nsync.E003", takes_properties=True)


def _bad_redact() -> Iterator[Error]:
    return _bad_fields("REDACT", settings.REDACT, "nsync.E005", takes_properties=False)


def _bad_record() -> Iterator[Error]:
    kept = [choice for choice in CHOICES["record"] if choice]
    if settings.RECORD not in kept:
        hint = _did_you_mean(str(settings.RECORD), kept) or f"One of {', '.join(kept)}."
        yield Error(f'NSYNC["RECORD"] is {settings.RECORD!r}.', hint=hint, id="nsync.E004")


def _bad_limits() -> Iterator[Error]:
    for key in ("MAX_CHANGES", "MAX_DELETES", "SNAPSHOT_MAX_DELETES"):
        try:
            read_limit(getattr(settings, key))
        except ValueError as error:
            yield Error(f'NSYNC["{key}"]: {error}.', hint="None means no limit.", id="nsync.E007")
    for key in ("MAX_EXPANDED", "MAX_EXPANDED_RATIO"):
        if not is_expansion_limit(value := getattr(settings, key)):
            hint = "Write a whole number of at least 1; None means no limit."
            yield Error(f'NSYNC["{key}"] is {value!r}.', hint=hint, id="nsync.E007")
    smallest = settings.SNAPSHOT_MINIMUM
    if not isinstance(smallest, int) or isinstance(smallest, bool) or smallest < 0:
        hint = "Write a whole number of objects, such as 100; 0: the limit of a snapshot always holds."
        yield Error(f'NSYNC["SNAPSHOT_MINIMUM"] is {smallest!r}.', hint=hint, id="nsync.E007")


def _bad_keep() -> Iterator[Error]:
    for what, mistyped in keep_problems():
        hint = _did_you_mean(mistyped.lower(), list(Kept._fields)) if mistyped else ""
        hint = hint or 'Write {"changes": "90d", "runs": "2y"}; an age of None is for ever.'
        yield Error(f'NSYNC["KEEP"] {what}', hint=hint, id="nsync.E006")


def _bad_fields(key: str, entries: object, code: str, *, takes_properties: bool) -> Iterator[Error]:
    """Find what a list of fields, as ``app.Model.field``, names and is not there."""

    def error(what: str, hint: str) -> Error:
        hint = hint or 'Each entry is "app.Model.field", for example "auth.User.email".'
        return Error(f'NSYNC["{key}"] {what}', hint=hint, id=code)

    if not isinstance(entries, (list, tuple, set, frozenset)):
        yield error(f"is a {type(entries).__name__}; it must be a list.", "")
        return
    for entry in entries:
        parts = entry.split(".") if isinstance(entry, str) else ()
        if len(parts) != 3 or not all(parts):
            yield error(f"has the malformed entry {entry!r}.", "")
            continue
        app_label, model_name, field_name = parts
        try:
            model = apps.get_model(app_label, model_name)
        except LookupError as missing:
            yield error(f"names {entry!r}: {str(missing).rstrip('.')}.", "")
            continue
        names = [field.name for field in model._meta.get_fields()]
        is_property = takes_properties and isinstance(getattr(model, field_name, None), property)
        if field_name not in names and not is_property:
            what = "field or property" if takes_properties else "field"
            yield error(
                f"names {entry!r}: {model._meta.label} has no {what} {field_name!r}.",
                _did_you_mean(field_name, names),
            )


def _did_you_mean(name: str, names: list[str]) -> str:
    close = get_close_matches(name, names, n=1)
    return f"Did you mean {close[0]!r}?" if close else ""
