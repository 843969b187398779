"""``manage.py syncfile SYSTEM APP MODEL FILE``: sync one file to one model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from nsync.conductor import Policy
from nsync.management.running import SyncCommand
from nsync.opening import Input
from nsync.policies import BasicSyncPolicy


class Command(SyncCommand):
    """Sync one file, in file order (rule T2)."""

    help = "Keep the objects of one model in sync with a file of an external system."
    positional = "SYSTEM APP MODEL FILE"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what says where the rows come from and go to."""
        # The names of the destinations are those of django-nsync 0.4.
        parser.add_argument("ext_system_name", metavar="SYSTEM", help="Name of the external system that has the keys.")
        parser.add_argument("app_label", metavar="APP", help="Label of the app that has the model.")
        parser.add_argument("model_name", metavar="MODEL", help="Name of the model.")
        text = "The file to read; also a URL, storage:ALIAS:PATH, or 'sql+ALIAS:SELECT …'; - is standard input."
        parser.add_argument("file_name", metavar="FILE", help=text)
        super().add_arguments(parser)

    def inputs(self, given: Mapping[str, Any]) -> list[Input]:
        """Give the one source."""
        model = f"{given['app_label']}.{given['model_name']}"
        return [Input(given["file_name"], model, given["ext_system_name"])]

    def default_policy(self, given: Mapping[str, Any]) -> Policy:
        """Give the basic policy."""
        return BasicSyncPolicy
