"""``manage.py synclint NAME [FILE]``: check a whole file as its feed would sync it, and write nothing."""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.core.management.base import CommandError, CommandParser

from nsync.conf import settings
from nsync.feeds.choosing import choose_feed, read_feeds
from nsync.feeds.feed import OPTION_KEYS
from nsync.feeds.files import files_of, newest
from nsync.management.history import HistoryCommand
from nsync.management.linted import headline, linted_told
from nsync.management.options import add_decoding_options, add_on_missing_reference, add_switch, to_sync_options
from nsync.opening import Input
from nsync.options import SyncOptions
from nsync.profiling.lint import lint

_EXIT_CODES = (
    "Exit codes: 0 nothing is wrong; 1 something is, or the file cannot be read; 2 the command line cannot be "
    "understood."
)


class Command(HistoryCommand):
    """Check a file."""

    help = "Read a whole file as a sync would, and say what is in its columns, and what is wrong. Nothing is written."
    positional = "NAME [FILE] | SYSTEM APP MODEL FILE"

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Let the help end with the exit codes."""
        return super().create_parser(prog_name, subcommand, epilog=_EXIT_CODES, **kwargs)

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what a feed says too, without defaults: what is not given is as the feed says."""
        text = (
            "A feed, and the file (by default the newest that fits); or, without a feed, system, app, model and file, "
            "as syncfile takes them. - is standard input."
        )
        parser.add_argument("what", metavar="NAME", nargs="+", help=text)
        add_decoding_options(parser)
        group = parser.add_argument_group("what is looked for")
        add_on_missing_reference(group)
        for action in parser._actions:
            if action.dest in (*OPTION_KEYS, "map"):
                action.default = SUPPRESS
        text = "Look in the database for what the rows mean and refer to. Default: yes."
        add_switch(group, "references", True, text)
        group.add_argument(
            "--fail-on",
            choices=("error", "warning"),
            default="error",
            help="What makes the exit code 1: an error, for which a sync would refuse the file or a row of it; or also "
            "what is only to be looked at, such as a key that stands twice. Default: error.",
        )
        group.add_argument(
            "--database", default="", metavar="ALIAS", help="Database of the objects. Default: as of a sync."
        )

    def tell(self, using: str, given: Mapping[str, Any]) -> None:
        """
        Check the file.

        Raises:
            CommandError: Something is wrong with it.
        """
        source, options = self._asked(given)
        if given["database"]:
            options = replace(options, database=given["database"])
        found = lint(source, options, looks_up=given["references"])
        if given["verbosity"]:
            self.say(linted_told(found))
        count = found.errors if given["fail_on"] == "error" else len(found.findings)
        if count:
            self.stdout.flush()
            raise CommandError(headline(found, count))

    def _asked(self, given: Mapping[str, Any]) -> tuple[Input, SyncOptions]:
        """Give the file, and how it is read."""
        said = {key: value for key, value in given.items() if key != "database"}
        match given["what"]:
            case [name]:
                feed = choose_feed(read_feeds(str(settings.FEEDS), name), name)
                if not feed.files:
                    raise CommandError(f"{name}: the feed names no files; name a FILE", returncode=2)
                found = files_of(feed)
                if not found:
                    raise CommandError(f"{name}: no file fits {feed.files}")
                return feed.inputs(newest(found))[0], to_sync_options(said, feed.options)
            case [name, path]:
                feed = choose_feed(read_feeds(str(settings.FEEDS), name), name)
                return feed.inputs(path)[0], to_sync_options(said, feed.options)
            case [system, app, model, path]:
                return Input(path, f"{app}.{model}", system), to_sync_options(said)
            case _:
                raise CommandError("name a feed, and perhaps a file; or system, app, model and file", returncode=2)
