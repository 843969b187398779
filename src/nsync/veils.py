"""Veils: values given as options that are not to be kept, because ``NSYNC["REDACT"]`` names their fields."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final

from nsync.conf import settings

NOT_KEPT: Final = "(not kept)"
_SETS: Final = re.compile(r"--(?:set?|snapshot-a[a-z]*)")  # argparse takes beginnings of options, too
_PARTS: Final = re.compile(r"((?:--[a-z-]+=)?(?:set:)?\s*([^=\s]+?)\s*(?:=>[^=]*)?=)(.*)", re.DOTALL)


def veil_arguments(arguments: Iterable[str]) -> Iterator[str]:
    """Give the words of a command line; in place of a value that ``--set`` gives a redacted field: `NOT_KEPT`."""
    before = ""
    for argument in arguments:
        is_setting = _SETS.fullmatch(before) or _SETS.fullmatch(argument.partition("=")[0])
        yield veil_setting(argument) if is_setting else argument
        before = argument


def veil_setting(text: str) -> str:
    """Veil the value in ``field=value`` or ``set:field=value``, if the field is redacted."""
    found = _PARTS.fullmatch(text)
    if found is None or not is_redacted(found[2]):
        return text
    return f"{found[1]}{NOT_KEPT}"


def is_redacted(target: str) -> bool:
    """Whether a field of this name, of whatever model, is redacted; ``owner`` is ``owner_id`` and ``owner=>name``."""
    name = target.partition("=>")[0].strip()
    names = {entry.rpartition(".")[2] for entry in settings.REDACT}
    return name in names or name.removesuffix("_id") in names
