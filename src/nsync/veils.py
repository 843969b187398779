"""Veils: values given as options that are not to be kept, because ``NSYNC["REDACT"]`` names their fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from nsync.conf import settings
from nsync.places import veil_urls

NOT_KEPT: Final = "(not kept)"
_SETS: Final = r"--(?:set?|snapshot-a[a-z]*)"  # argparse takes beginnings of options, too
_PARTS: Final = r"(?s)((?:--[a-z-]+=)?(?:set:)?\s*([^=\s]+?)\s*(?:=>[^=]*)?=)(.*)"


def veil_arguments(arguments: Iterable[str]) -> Iterator[str]:
    """
    Give the words of a command line without what is not to be kept.

    Passwords and tokens in URLs are hidden; in place of a value that ``--set`` gives a redacted field: `NOT_KEPT`.
    """
    arguments = map(veil_urls, arguments)
    if not settings.REDACT:
        yield from arguments
        return
    before = ""
    for argument in arguments:
        is_setting = re.fullmatch(_SETS, before) or re.fullmatch(_SETS, argument.partition("=")[0])
        yield veil_setting(argument) if is_setting else argument
        before = argument


def veil_setting(text: str) -> str:
    """Veil the value in ``field=value`` or ``set:field=value``, if the field is redacted."""
    found = re.fullmatch(_PARTS, text) if settings.REDACT else None
    if found is None or not is_redacted(found[2]):
        return text
    return f"{found[1]}{NOT_KEPT}"


def is_redacted(target: str) -> bool:
    """Whether a field of this name, of whatever model, is redacted; ``owner`` is ``owner_id`` and ``owner=>name``."""
    name = target.partition("=>")[0].strip()
    names = {entry.rpartition(".")[2] for entry in settings.REDACT}
    return name in names or name.removesuffix("_id") in names
