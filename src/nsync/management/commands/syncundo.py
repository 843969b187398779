"""``manage.py syncundo RUN``: take back what a run wrote."""

from __future__ import annotations

from argparse import ArgumentTypeError
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseOrDriverError

from nsync.conductor import database_error
from nsync.errors import NsyncError
from nsync.locks import Locked
from nsync.management.options import seconds
from nsync.management.running import LOCKED, command_line
from nsync.record.text import plain
from nsync.undo import DONE, UndoReport, told, undo

_SHOWN = 20  # of what was left
_LONGEST_ERROR = 5_000  # characters


class Command(BaseCommand):
    """Undo a run."""

    help = (
        "Take back what a run wrote: what it created goes, what it deleted returns, what it changed gets its old "
        "values. What was changed since is left, and said. An undo is a run, and can be undone."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the run, and what is to be put back of it."""
        add = parser.add_argument
        add("run", type=int, metavar="RUN", help="Its number, as syncruns shows it.")
        add("--dry-run", action="store_true", help="Say what would be done, and leave everything as it is.")
        add("--force", action="store_true", help="Overwrite values that were changed since, and remove such objects.")
        add(
            "--only",
            type=_object,
            action="append",
            default=[],
            metavar="APP.MODEL:PK",
            help="Put back this object alone. Repeatable.",
        )
        add("--wait", type=seconds, default=0, metavar="SECONDS", help="How long to wait for another run to end.")
        add("--database", default="", metavar="ALIAS", help="Database of the run, if the router does not say it.")

    def handle(self, *args: Any, **given: Any) -> None:
        """
        Undo.

        Raises:
            CommandError: Nothing was written (exit code 1).
            SystemExit: 3: something was left.
        """
        try:
            report = undo(
                given["run"],
                database=given["database"],
                force=given["force"],
                dry_run=given["dry_run"],
                only=given["only"],
                wait=given["wait"],
                command=command_line(self),
            )
        except NsyncError as error:
            code = LOCKED if isinstance(error, Locked) else 1
            raise CommandError(plain(str(error), _LONGEST_ERROR), returncode=code) from error
        except DatabaseOrDriverError as error:
            raise CommandError(database_error(error, "is it there, and migrated?")) from error
        if given["verbosity"]:
            self._tell(report, given["verbosity"])
        if report.exit_code:
            raise SystemExit(report.exit_code)

    def _tell(self, report: UndoReport, verbosity: int) -> None:
        if report.is_dry_run:
            self.stdout.write(f"Dry run: nothing was changed. Undoing run {report.run} would do this:")
        else:
            self.stdout.write(f"Run {report.run} is undone, by run {report.undo}.")
        for label, counts in report.done.items():
            done = [f"{counts[what]} {what}" for what in DONE.values() if counts[what]]
            self.stdout.write(f"  {label}: {', '.join(done)}")
        if not report.left:
            return
        self.stdout.write(f"Left as it is: {len(report.left)}")
        shown = report.left if verbosity > 1 else report.left[:_SHOWN]
        for one in shown:
            self.stdout.write(f"  {plain(told(one), _LONGEST_ERROR)}")
        if len(shown) < len(report.left):
            self.stdout.write(f"  … and {len(report.left) - len(shown)} more; -v 2 shows all")


def _object(text: str) -> tuple[str, str]:
    label, colon, pk = text.partition(":")
    if not (colon and pk and label.count(".") == 1):
        raise ArgumentTypeError(f"{text!r}: write it as myapp.Person:7")
    return label, pk
