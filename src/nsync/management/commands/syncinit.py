"""``manage.py syncinit SYSTEM APP.MODEL FILE``: propose a feed for a file, and say why."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser
from django.utils.text import slugify

from nsync.conf import settings
from nsync.feeds.undecided import MARK
from nsync.feeds.writing import add_feed, feed_text, has_feed, pattern_for
from nsync.management.history import HistoryCommand
from nsync.management.options import add_notation_options, to_sync_options
from nsync.opening import Input, find_model
from nsync.profiling.proposing import propose


class Command(HistoryCommand):
    """Propose a feed."""

    help = "Look at a file, and propose a feed for it: a table for nsync.toml, in which each line says why it is so."
    positional = "SYSTEM APP.MODEL FILE"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the file, what it is for, and what is known of it."""
        parser.add_argument("system", metavar="SYSTEM", help="Name of the external system that the file is from.")
        parser.add_argument("model", metavar="APP.MODEL", help="Model that it is for, such as myapp.House.")
        parser.add_argument("file_name", metavar="FILE", help="The file to look at; - is standard input.")
        parser.add_argument("--name", default="", help="Name of the feed. Default: the plural of the model's name.")
        text = "Add the feed to nsync.toml; what is in it stays."
        parser.add_argument("--write", action="store_true", help=text)
        add_notation_options(parser)
        parser.set_defaults(encoding="auto", delimiter="auto")
        text = "Database of the objects. Default: as of a sync."
        parser.add_argument("--database", default="", metavar="ALIAS", help=text)

    def tell(self, using: str, given: Mapping[str, Any]) -> None:
        """Print the feed, or add it to the file; raises ConfigError or SourceError."""
        path = Path(str(settings.FEEDS))
        options = to_sync_options(given)
        proposal = propose(Input(given["file_name"], given["model"], given["system"]), options)
        name = given["name"] or self._name(path, given)
        text = feed_text(proposal, name, pattern_for(given["file_name"], path.parent))
        if not given["write"]:
            self.write(text)
            return
        add_feed(path, name, text)
        left = text.count(f"\n{MARK}")
        decide = f"; {left} line{' is' if left == 1 else 's are'} left to decide" if left else ""
        self.say([f"{path}: added [feeds.{name}]{decide}"])

    def _name(self, path: Path, given: Mapping[str, Any]) -> str:
        meta = find_model(given["model"])._meta
        name = slugify(str(meta.verbose_name_plural)) or str(meta.model_name)
        return f"{name}-{slugify(given['system'])}".strip("-") if has_feed(path, name) else name
