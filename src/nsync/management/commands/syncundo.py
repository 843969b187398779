"""``manage.py syncundo RUN``: take back what a run wrote."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from contextlib import closing, nullcontext
from typing import Any

from django.core.management.base import CommandParser

from nsync.management.endings import ended_by_ctrl_c, ended_by_sigterm
from nsync.management.history import HistoryCommand
from nsync.management.notifying import HELP as NOTIFY_HELP
from nsync.management.notifying import Notice, NotifyingCommand
from nsync.management.output import command_line
from nsync.management.progress import choose_display
from nsync.management.readers import seconds
from nsync.record.text import plain
from nsync.undo import DONE, UndoReport, told, undo

_SHOWN = 20  # of what was left
_LONGEST = 5_000  # characters of a line


class Command(NotifyingCommand, HistoryCommand):
    """Undo a run."""

    positional = "RUN"

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
        add("--notify", action="store_true", help=NOTIFY_HELP)
        add("--no-progress", action="store_false", dest="progress", help="Do not show how far it has come.")
        super().add_arguments(parser)

    def about(self, given: Mapping[str, Any]) -> str:
        """Name the run."""
        return str(given["run"])

    def tell(self, using: str, given: Mapping[str, Any]) -> None:
        """
        Undo.

        Raises:
            NsyncError: Nothing was written.
            SystemExit: 3: something was left; 130, 143: a signal has ended it.
        """
        is_quiet = given["verbosity"] == 0 or not given["progress"]
        shown = nullcontext() if is_quiet else closing(choose_display(self.stderr, self._warn))
        with ended_by_ctrl_c(self, self._warn), ended_by_sigterm(self._warn), shown as display:
            report = undo(
                given["run"],
                database=using,
                force=given["force"],
                dry_run=given["dry_run"],
                only=given["only"],
                wait=given["wait"],
                progress=None if display is None else lambda done, total: display(done, done, total),
                command=command_line(self),
            )
        self.notice = Notice("something was left", report.undo, lambda: _told(report.veiled(), 1))
        if given["verbosity"]:
            self.say(_told(report, given["verbosity"]))
        if report.exit_code:
            raise SystemExit(report.exit_code)

    def _warn(self, line: str) -> None:
        self.stderr.write(line, style_func=str)


def _told(report: UndoReport, verbosity: int) -> Iterator[str]:
    if report.is_dry_run:
        yield f"Dry run: nothing was changed. Undoing run {report.run} would do this:"
    else:
        yield f"Run {report.run} is undone, by run {report.undo}."
    for label, counts in report.done.items():
        yield f"  {label}: {', '.join(f'{counts[what]} {what}' for what in DONE.values() if counts[what])}"
    if not report.left:
        return
    yield f"Left as it is: {len(report.left)}"
    shown = report.left if verbosity > 1 else report.left[:_SHOWN]
    for one in shown:
        yield f"  {plain(told(one), _LONGEST)}"
    if len(shown) < len(report.left):
        yield f"  … and {len(report.left) - len(shown)} more; -v 2 shows all"


def _object(text: str) -> tuple[str, str]:
    label, colon, pk = text.partition(":")
    if not (colon and pk and label.count(".") == 1):
        raise ArgumentTypeError(f"{text!r}: write it as myapp.Person:7")
    return label, pk
