"""``manage.py syncprune --older-than 90d --keep 100``: remove history that nobody needs any more."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.utils import timezone

from nsync.kept import read_age
from nsync.management.history import HistoryCommand
from nsync.management.readers import number
from nsync.record.pruning import Pruned, prune


class Command(HistoryCommand):
    """Remove runs and what is kept of them; those that still go on stay."""

    help = "Remove what is kept of old runs, a little at a time. With both options, a run must be old and not among N."
    positional = ""

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what says which runs go, and what of them."""
        add = parser.add_argument
        add(
            "--older-than", type=age, metavar="AGE", help="Remove runs that began longer ago, such as 12h, 90d, 8w, 2y."
        )
        add("--keep", type=number, metavar="N", help="Remove all runs but the newest N.")
        text = "Remove what the runs changed, which takes most room, and keep the runs and their row outcomes."
        add("--changes-only", action="store_true", help=text)
        add("--dry-run", action="store_true", help="Remove nothing, and say what would be removed.")
        super().add_arguments(parser)

    def tell(self, using: str, given: Mapping[str, Any]) -> None:
        """Remove, and say what was removed."""
        if given["older_than"] is None and given["keep"] is None:
            raise CommandError("say which runs are to go: --older-than 90d, --keep 100, or both", returncode=2)
        before, keep = _read(given)
        is_trial, is_told = given["dry_run"], given["verbosity"] > 1
        progress = (lambda done: self._tell_progress(done, is_trial)) if is_told else None
        done = prune(using, before, keep, changes_only=given["changes_only"], dry_run=is_trial, progress=progress)
        if given["verbosity"] > 0:
            self.say([_told_all(done, is_trial, given["changes_only"])])

    def _tell_progress(self, done: Pruned, is_trial: bool) -> None:
        self.stderr.write(f"{'found' if is_trial else 'removed'} {_told(done)} so far", style_func=str)


def _read(given: Mapping[str, Any]) -> tuple[datetime | None, int | None]:
    """Give what the options mean, whether they came from the command line or from ``call_command()``."""
    older_than, keep = given["older_than"], given["keep"]
    try:
        before = timezone.now() - age(older_than) if older_than is not None else None
        return before, None if keep is None else number(str(keep))
    except ArgumentTypeError as error:
        raise CommandError(str(error), returncode=2) from None
    except OverflowError:
        raise CommandError("--older-than: there was no such time; give less", returncode=2) from None


def age(given: object) -> timedelta:
    """Read a time such as ``90d``, for argparse."""
    try:
        return read_age(given)
    except ValueError as error:
        raise ArgumentTypeError(str(error)) from None


def _told_all(done: Pruned, is_trial: bool, changes_only: bool) -> str:
    start = "Would remove" if is_trial else "Removed"
    if changes_only:
        return f"{start} {_count(done.changes, 'change')} of {_count(done.runs, 'run')}; the runs stay."
    return f"{start} {_told(done)}."


def _told(done: Pruned) -> str:
    return f"{_count(done.runs, 'run')}, {_count(done.outcomes, 'row outcome')} and {_count(done.changes, 'change')}"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
