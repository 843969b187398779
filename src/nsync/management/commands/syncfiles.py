"""``manage.py syncfiles FILE...``: sync several files, whose names say to what."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from django.core.management.base import CommandParser
from django.db.models import Model

from nsync.conductor import Policy
from nsync.errors import ConfigError
from nsync.management.options import add_two_spellings, read_option
from nsync.management.running import SyncCommand
from nsync.opening import Input, find_model
from nsync.places import is_place, query_of, shown
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.read.names import DEFAULT_EXPRESSION, FileTarget, parse_file_name

_PATTERN: Final = re.compile(r"[*?\[]")  # a shell leaves one that fits no file as it is


class Command(SyncCommand):
    """Sync several files in one run: all creates, then all updates, then all deletes (rule T2)."""

    help = (
        "Keep objects in sync with several files of external systems, in one run. The files' names say which system, "
        "app and model each is for: ERP_staff_Person.csv."
    )
    positional = "FILE [FILE ...]"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the files, how their names are read, and in which order their rows are applied."""
        text = "The files to read; also URLs, or storage:ALIAS:PATH."
        parser.add_argument("files", metavar="FILE", nargs="+", help=text)
        group = parser.add_argument_group("several files")
        group.add_argument(
            "--file-name-regex",
            "--file_name_regex",
            metavar="REGEX",
            help="Regular expression that reads system, app and model from a file's name, with the named groups of the "
            f"default: {DEFAULT_EXPRESSION}",
        )
        add_two_spellings(
            group,
            "smart_ordering",
            "Run all creates of all files, then all updates, then all deletes; --no-smart-ordering runs file by file, "
            "row by row. --policy overrides it.",
        )
        super().add_arguments(parser)

    def inputs(self, given: Mapping[str, Any]) -> list[Input]:
        """Read what each file is for from its name, before any file is read (rule T6)."""
        for path in given["files"]:
            if query_of(path):
                what = f"{shown(path)}: no name says which system, app and model a query is for"
                raise ConfigError(f"{what}; sync it with syncfile")
            if _PATTERN.search(path) and not is_place(path) and not Path(path).exists():
                raise ConfigError(f"{shown(path)}: no file fits this pattern")
        targets = [(path, parse_file_name(path, given["file_name_regex"])) for path in given["files"]]
        has_default = given["file_name_regex"] is None
        return [Input(path, _model(path, target, has_default), target.external_system) for path, target in targets]

    def default_policy(self, given: Mapping[str, Any]) -> Policy:
        """Give the ordered policy, or the basic one."""
        return OrderedSyncPolicy if read_option("smart_ordering", given) else BasicSyncPolicy


def _model(path: str, target: FileTarget, has_default: bool) -> type[Model]:
    try:
        return find_model(f"{target.app_name}.{target.model_name}")
    except ConfigError as error:
        hint = "; to read an app label with _ from a name, give --file-name-regex" if has_default else ""
        raise ConfigError(f"{shown(path)}: {error}{hint}") from None
