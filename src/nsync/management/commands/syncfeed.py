"""``manage.py syncfeed NAME [FILE ...]``: sync what a feed of ``nsync.toml`` describes."""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from django.core.management.base import CommandParser

from nsync.feeds.choosing import choose_feed
from nsync.management.feeding import FeedCommand
from nsync.management.running import as_command_errors

if TYPE_CHECKING:
    from argparse import _ArgumentGroup


class Command(FeedCommand):
    """Run one feed."""

    help = "Sync the newest file of a feed, or the files named, as nsync.toml describes the feed."
    positional = "NAME [FILE ...]"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the feed and its files."""
        parser.add_argument("feed", metavar="NAME", help="Name of the feed.")
        text = "Files to sync, each in a run of its own; - is standard input. Default: as the feed says."
        parser.add_argument("file_names", metavar="FILE", nargs="*", default=[], help=text)
        super().add_arguments(parser)

    def add_feed_arguments(self, group: _ArgumentGroup) -> None:
        """Add what makes sense for one feed alone."""
        super().add_feed_arguments(group)
        text = "Name of the external system that has the keys."
        group.add_argument("--system", default=SUPPRESS, metavar="NAME", help=text)
        group.add_argument("--model", default=SUPPRESS, metavar="APP.MODEL", help="The model that is synced.")
        group.add_argument("--files", default=SUPPRESS, metavar="PATTERN", help="Which files there may be.")

    def about(self, given: Mapping[str, Any]) -> str:
        """Name the feed."""
        return str(given["feed"])

    def handle(self, *args: Any, **given: Any) -> None:
        """Run the feed; raises what `sync` raises."""
        name = given["feed"]
        with as_command_errors():
            feed = choose_feed(self.read_file(name), name)
        self.run_feed(feed, given["file_names"], given)
