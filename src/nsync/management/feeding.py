"""What the commands of feeds do: choose the files, claim each, sync it as the feed says, and move it."""

from __future__ import annotations

from argparse import SUPPRESS
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from django.core.management.base import CommandError, CommandParser

from nsync.conductor import Policy
from nsync.conf import settings
from nsync.errors import HeaderError, SourceError
from nsync.feeds.choosing import read_feeds, told_undecided
from nsync.feeds.feed import ON_MISSING_FILE, OPTION_KEYS, Feed
from nsync.feeds.files import check_folders, claimed, files_of, newest
from nsync.feeds.reading import FeedFile, with_failed
from nsync.locks import LOCKED
from nsync.management.disposing import Disposal
from nsync.management.endings import WOULD_WRITE, exit_code
from nsync.management.options import add_switch, to_sync_options
from nsync.management.readers import seconds
from nsync.management.running import SyncingCommand, as_command_errors
from nsync.options import SyncOptions
from nsync.places import is_place
from nsync.policies import BasicSyncPolicy
from nsync.record.report import Report

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

# Of several exit codes the first counts; one that is not here ends everything (rule T7).
_STRONGEST_FIRST: Final = (2, 1, 4, LOCKED, 3, WOULD_WRITE, 0)
_GOES_ON: Final = (0, 3, WOULD_WRITE)  # after which a feed goes on with its next file


class FeedCommand(SyncingCommand):
    """A command that runs feeds. A subclass says which."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.disposal: Disposal | None = None  # of the file that is being synced
        self.reports: list[Report] = []
        self.file: FeedFile  # that describes the feeds

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what a feed says, without defaults: what is not given is as the feed says."""
        self.add_feed_arguments(parser.add_argument_group("feeds"))
        super().add_arguments(parser)
        for action in parser._actions:
            if action.dest in (*OPTION_KEYS, "map", "policy"):
                action.default = SUPPRESS

    def add_feed_arguments(self, group: _ArgumentGroup) -> None:
        """Add what is no option of other commands."""
        text = "Sync all files that fit, in order of their names, each in a run of its own; else the newest alone."
        add_switch(group, "all_files", False, text)
        for name, text in (("archive", "applied"), ("failed", "not applied")):
            text = f"Folder to which files are moved that were {text}; '' leaves them where they are."
            group.add_argument(f"--{name}", default=SUPPRESS, metavar="FOLDER", help=text)
        text = "Leave files alone that were written to less than SECONDS ago."
        group.add_argument("--min-age", type=seconds, default=SUPPRESS, metavar="SECONDS", help=text)
        text = "Whether it is an error if no file fits. Default: warn."
        group.add_argument("--on-missing-file", choices=ON_MISSING_FILE, default=SUPPRESS, help=text)
        for action in group._group_actions:
            action.default = SUPPRESS

    def default_policy(self, given: Mapping[str, Any]) -> Policy:
        """Give the basic policy."""
        return BasicSyncPolicy

    def read_file(self, name: str = "") -> FeedFile:
        """
        Read the file of feeds.

        Args:
            name: Of the one feed that must be all right; "": all.

        Raises:
            ConfigError: Something is wrong.
        """
        self.file = read_feeds(str(settings.FEEDS), name)
        return self.file

    def run_feed(self, feed: Feed, names: Sequence[str], given: Mapping[str, Any]) -> None:
        """
        Run a feed with the files named, or with those that it finds.

        Raises:
            CommandError, SystemExit: As `sync` does.
        """
        self.reports = []
        if given["verbosity"] and (undecided := told_undecided(self.file, feed.name)):
            self._warn(undecided)
        feed = overridden(feed, given)
        options = to_sync_options(given, feed.options)
        given = {**given, "policy": given.get("policy") or feed.policy}
        with as_command_errors():
            if not options.dry_run:
                check_folders(feed)
        if names:
            self._sync_in_turn(feed, names, options, given)
        elif is_place(feed.files):
            self._sync_in_turn(feed, [feed.files], options, given)
        elif not feed.files:
            raise CommandError(f"{feed.name}: the feed names no files; name a FILE, or --files", returncode=2)
        elif feed.all_files:
            self._sync_in_turn(feed, [str(path) for path in self._found(feed, given)], options, given)
        else:
            self._sync_newest(feed, options, given)

    def _found(self, feed: Feed, given: Mapping[str, Any]) -> list[Path]:
        found = files_of(feed)
        if not found and feed.on_missing_file == "error":
            raise CommandError(f"{feed.name}: no file fits {feed.files}")
        if not found and given["verbosity"]:
            self._say(f"{feed.name}: no file fits {feed.files}")
        return found

    def _sync_newest(self, feed: Feed, options: SyncOptions, given: Mapping[str, Any]) -> None:
        while found := self._found(feed, given):
            path = newest(found)
            older = [one for one in found if one != path]
            if self._sync_one(feed, path, options, given, older):
                return

    def _sync_in_turn(self, feed: Feed, names: Sequence[str], options: SyncOptions, given: Mapping[str, Any]) -> None:
        if len(names) > 1 and (given["report"] or given["rejects"] or options.resume):
            raise CommandError("--report, --rejects and --resume go with one file", returncode=2)
        codes = []
        for number, name in enumerate(names, start=1):
            try:
                if not self._sync_one(feed, name if name == "-" or is_place(name) else Path(name), options, given):
                    self._say(f"{name}: another run has just moved it")
            except (CommandError, SystemExit) as error:
                codes.append(exit_code(error))
                left = names[number:]
                if left and codes[-1] not in _GOES_ON:
                    self._warn(f"{feed.name}: left alone after that: {', '.join(left)}")
                if not left or codes[-1] not in _GOES_ON:
                    raise
        if code := worst(codes):
            raise SystemExit(code)

    def _sync_one(
        self,
        feed: Feed,
        path: Path | str,
        options: SyncOptions,
        given: Mapping[str, Any],
        older: Sequence[Path] = (),
    ) -> bool:
        """Sync a file, if it is still there when it is ours; raises as `sync` does."""
        if isinstance(path, str) or options.dry_run or not path.exists():
            self.sync(feed.inputs(path), options, given)
            return True
        with as_command_errors():
            claim = claimed(path, is_moved=bool(feed.archive or feed.failed))
            with claim as is_ours:
                if not is_ours:
                    raise CommandError(f"{path} is being synced by another process", returncode=LOCKED)
                if not path.exists():
                    return False
                self.disposal = Disposal(feed, path, older)
                try:
                    self.sync(feed.inputs(str(path)), options, given)
                except CommandError as error:
                    if isinstance(error.__cause__, SourceError | HeaderError):
                        self._refused(self.disposal, error)
                    raise
                finally:
                    self.disposal = None
        return True

    def _refused(self, disposal: Disposal, error: CommandError) -> None:
        """Move a file that cannot be read, and of which there is no report."""
        trouble = disposal.refuse(str(error))
        for line in filter(None, [trouble, *disposal.told]):
            self._warn(line)

    def write_files(self, report: Report, report_file: Path | None, rejects: list[Path]) -> tuple[str, list[str]]:
        """Write the files asked for, and move the one that was synced."""
        self.reports.append(report)
        trouble, filled = super().write_files(report, report_file, rejects)
        is_cut_short = self._ending.is_asked and report.error  # by SIGTERM
        is_kept = is_cut_short or report.is_transient  # it is not the file that has failed: it is for the next call
        if self.disposal is not None and not is_kept:
            trouble = "; ".join(filter(None, [trouble, self.disposal.dispose(report)]))
            filled += self.disposal.rejects
        return trouble, filled

    def tell(self, report: Report, rejects: Sequence[str], verbosity: int) -> None:
        """Say what became of the run, and where its file is now."""
        super().tell(report, rejects, verbosity)
        if verbosity and self.disposal is not None:
            for line in self.disposal.told:
                self._say(line)


def worst(codes: Sequence[int]) -> int:
    """Give the exit code that counts of several."""
    return min(codes, key=lambda code: _STRONGEST_FIRST.index(code) if code in _STRONGEST_FIRST else -1, default=0)


def overridden(feed: Feed, given: Mapping[str, Any]) -> Feed:
    """Give a feed with what a command says otherwise; paths in a command are as seen from where it is called."""
    said = {key: given[key] for key in ("system", "model", "files", "on_missing_file", "all_files") if key in given}
    said |= {key: Path(given[key]) if given[key] else None for key in ("archive", "failed") if key in given}
    if "min_age" in given:
        said["min_age"] = float(given["min_age"])
    found = replace(feed, **said)
    return with_failed(found) if said.get("archive") and feed.archive is None and "failed" not in said else found
