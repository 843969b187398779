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
from nsync.errors import ConfigError, HeaderError, SourceError
from nsync.feeds.checking import check_feed
from nsync.feeds.choosing import read_feeds, told_undecided
from nsync.feeds.feed import ON_MISSING_FILE, OPTION_KEYS, Feed
from nsync.feeds.files import check_folders, claimed, files_of, is_newest, newest, shared
from nsync.feeds.reading import FeedFile, with_failed
from nsync.locks import LOCKED
from nsync.management.disposing import Disposal
from nsync.management.endings import WOULD_WRITE, exit_code
from nsync.management.options import add_switch, to_sync_options
from nsync.management.readers import seconds
from nsync.management.running import SyncingCommand, as_command_errors
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
        self.is_clear = True  # whether the next file of the feed may follow
        self.file: FeedFile  # of all feeds
        self.reports: list[Report] = []

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
        written = feed
        feed = overridden(feed, given)
        options = to_sync_options(given, feed.options)
        feed = replace(feed, options=options, policy=given.get("policy") or feed.policy)
        given = {**given, "policy": feed.policy}
        with as_command_errors():
            if feed != written:
                self._check(feed)
            if not options.dry_run:
                check_folders(feed)
        if names:
            self._sync_in_turn(feed, [name if _is_elsewhere(name) else Path(name) for name in names], given)
        elif is_place(feed.files):
            self._sync_in_turn(feed, [feed.files], given)
        elif not feed.files:
            raise CommandError(f"{feed.name}: the feed names no files; name a FILE, or --files", returncode=2)
        elif feed.all_files:
            self._sync_in_turn(feed, self._found(feed, given), given, is_named=False)
        else:
            self._sync_newest(feed, given)

    def _check(self, feed: Feed) -> None:
        """Refuse what a call says otherwise than the feed, and cannot be; else the file would be blamed for it."""
        wrong = dict.fromkeys(problem.message for problem in check_feed(self.file, feed))
        if wrong:
            raise ConfigError("\n".join(f"{feed.name}: {message}" for message in wrong))

    def _found(self, feed: Feed, given: Mapping[str, Any]) -> list[Path]:
        found = files_of(feed)
        if not found and feed.on_missing_file == "error":
            raise NoFile(f"{feed.name}: no file fits {feed.files}")
        if not found and given["verbosity"]:
            self._say(f"{feed.name}: no file fits {feed.files}")
        return found

    def _sync_newest(self, feed: Feed, given: Mapping[str, Any]) -> None:
        while found := self._found(feed, given):
            if self._sync_one(feed, newest(found), given, is_named=False):
                return

    def _sync_in_turn(
        self, feed: Feed, paths: Sequence[Path | str], given: Mapping[str, Any], *, is_named: bool = True
    ) -> None:
        if len(paths) > 1 and (given["report"] or given["rejects"] or feed.options.resume):
            raise CommandError("--report, --rejects and --resume go with one file", returncode=2)
        codes = []
        for number, path in enumerate(paths, start=1):
            left = paths[number:]
            is_clear = True
            try:
                if not self._sync_one(feed, path, given, left, is_named=is_named):
                    self._say(f"{path}: another run has just moved it")
                    is_clear = not feed.all_files  # nobody here knows what became of it
                else:
                    is_clear = self.is_clear
            except (CommandError, SystemExit) as error:
                codes.append(exit_code(error))
                is_clear = self.is_clear and codes[-1] in _GOES_ON
                if codes[-1] not in _GOES_ON:
                    self._say_left(feed, left)
                    raise
            if not is_clear:
                self._say_left(feed, left)
                break
        if code := worst(codes):
            raise SystemExit(code)

    def _say_left(self, feed: Feed, left: Sequence[Path | str]) -> None:
        if left:
            self._warn(f"{feed.name}: left alone after that: {', '.join(map(str, left))}")

    def _sync_one(
        self,
        feed: Feed,
        path: Path | str,
        given: Mapping[str, Any],
        later: Sequence[Path | str] = (),
        *,
        is_named: bool,
    ) -> bool:
        """Sync a file, if it is still there, and the newest if it was taken for that; raises as `sync` does."""
        self.is_clear = True
        if isinstance(path, str):
            self.sync(feed.inputs(path), feed.options, given)
            return True
        if not path.exists() and not is_named:
            return False
        disposal = Disposal(feed, path, [one for one in later if isinstance(one, Path)])
        with as_command_errors():
            self._check_shared(feed, [path, *disposal.older()])
        if feed.options.dry_run or not path.is_file():  # what is read once, such as a pipe, cannot be moved
            self.sync(feed.inputs(path), feed.options, given)
            return True
        with as_command_errors(), claimed(path, is_moved=feed.archive is not None) as is_ours:
            if not is_ours:
                raise CommandError(f"{path} is being synced by another process", returncode=LOCKED)
            if not path.exists() or not (is_named or feed.all_files or is_newest(feed, path)):
                return False
            self._sync_claimed(feed, Disposal(feed, path, disposal.later), given)
        return True

    def _check_shared(self, feed: Feed, paths: Sequence[Path]) -> None:
        if found := shared(paths, feed, self.file.feeds.values()):
            path, other = found
            what = f"{path} fits the files of both {feed.name} ({feed.files}) and {other.name} ({other.files})"
            raise ConfigError(f"{what}, and who is first moves it; let each name its own")

    def _sync_claimed(self, feed: Feed, disposal: Disposal, given: Mapping[str, Any]) -> None:
        for older in disposal.older():
            with claimed(older, is_moved=True) as is_free:
                if not is_free:  # and would be applied after this one
                    raise CommandError(
                        f"{older}, which is older, is being synced by another process", returncode=LOCKED
                    )
        self.disposal, self.is_clear = disposal, False
        try:
            self.sync(feed.inputs(str(disposal.path)), feed.options, given)
        except CommandError as error:
            if isinstance(error.__cause__, SourceError | HeaderError):
                self._refused(disposal, error)
            raise
        finally:
            self.is_clear, self.disposal = disposal.is_clear, None

    def _refused(self, disposal: Disposal, error: CommandError) -> None:
        """Move a file that cannot be read, and of which there is no report."""
        trouble = disposal.refuse(str(error))
        for line in filter(None, [trouble, *disposal.told]):
            self._warn(line)

    def after(self, report: Report, rejects: list[str]) -> str:
        """Move the file that was synced."""
        self.reports.append(report)
        if self.disposal is None:
            return ""
        is_cut_short = bool(self._ending.is_asked and report.error)  # by SIGTERM
        trouble = self.disposal.dispose(report, is_kept=is_cut_short or report.is_transient)
        rejects += self.disposal.rejects
        return trouble

    def tell(self, report: Report, rejects: Sequence[str], verbosity: int) -> None:
        """Say what became of the run, and where its file is now."""
        super().tell(report, rejects, verbosity)
        if verbosity and self.disposal is not None:
            for line in self.disposal.told:
                self._say(line)


class NoFile(CommandError):
    """No file fits a feed for which that is an error."""


def _is_elsewhere(name: str) -> bool:
    return name == "-" or is_place(name)


def worst(codes: Sequence[int]) -> int:
    """Give the exit code that counts of several."""
    return min(codes, key=lambda code: _STRONGEST_FIRST.index(code) if code in _STRONGEST_FIRST else -1, default=0)


def overridden(feed: Feed, given: Mapping[str, Any]) -> Feed:
    """Give a feed with what a command says otherwise; paths in a command are as seen from where it is called."""
    said = {key: given[key] for key in ("system", "model", "files", "on_missing_file", "all_files") if key in given}
    said |= {key: Path(given[key]) if given[key] else None for key in ("archive", "failed") if key in given}
    if "min_age" in given:
        said["min_age"] = float(given["min_age"])
    if "archive" in said and said["archive"] is None and with_failed(replace(feed, failed=None)) == feed:
        said.setdefault("failed", None)  # which came with the archive
    found = replace(feed, **said)
    return with_failed(found) if said.get("archive") and feed.archive is None and "failed" not in said else found
