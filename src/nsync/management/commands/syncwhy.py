"""``manage.py syncwhy APP.MODEL PK [FIELD]``: which run, source and line made an object what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from nsync.management.history import HistoryCommand
from nsync.opening import find_model
from nsync.record.exported import as_json, explanation_values
from nsync.record.told import explanation_told
from nsync.record.why import explain


class Command(HistoryCommand):
    """Say why an object is as it is."""

    help = "Say which run, source and line last set each field of an object, and made each of its keys mean it."
    positional = "APP.MODEL PK [FIELD]"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what names the object."""
        parser.add_argument("model", metavar="APP.MODEL", help="Model of the object, such as myapp.House.")
        parser.add_argument("object", metavar="PK", help="Its primary key. The object may be gone.")
        parser.add_argument("field", metavar="FIELD", nargs="?", default="", help="The one field. Default: all.")
        parser.add_argument("--json", action="store_true", help="Write JSON.")
        super().add_arguments(parser)

    def tell(self, using: str, given: Mapping[str, Any]) -> None:
        """Say it."""
        found = explain(find_model(given["model"]), str(given["object"]), using, given["field"] or "")
        self.say([as_json(explanation_values(found))] if given["json"] else explanation_told(found))
