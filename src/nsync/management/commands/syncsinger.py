"""``manage.py syncsinger SYSTEM``: sync what a Singer tap writes to standard output."""

from __future__ import annotations

import re
import sys
from argparse import SUPPRESS, ArgumentTypeError
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TextIO

from django.core.management.base import CommandError, CommandParser
from django.db import Error as DatabaseOrDriverError
from django.db import close_old_connections

from nsync.conductor import database_error
from nsync.conf import settings
from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.feeds.feed import Feed
from nsync.feeds.files import check_folders
from nsync.feeds.moving import place_in
from nsync.feeds.reading import FeedFile
from nsync.locks import LOCKED, Locked
from nsync.management.endings import WOULD_WRITE, ended_by_ctrl_c, ended_by_sigterm
from nsync.management.feeding import FeedCommand, overridden
from nsync.management.notifying import Notice
from nsync.management.options import add_switch, to_sync_options
from nsync.management.output import silence
from nsync.management.readers import number, seconds
from nsync.opening import Input
from nsync.options import SyncOptions
from nsync.policies import BasicSyncPolicy, load_policy
from nsync.read.base import Source
from nsync.read.singer import read_messages
from nsync.record.files import write_report
from nsync.record.rejects import write_rejects
from nsync.record.report import Report
from nsync.record.text import plain
from nsync.singer.streams import Streams
from nsync.singer.target import Cuts, Target
from nsync.singer.telling import Tally

if TYPE_CHECKING:
    from argparse import _ArgumentGroup

_CUTS: Final = Cuts()
_STDIN: Final = "<stdin>"
_LONGEST_ERROR: Final = 5_000  # characters of a line
_LONGEST_NAME: Final = 100  # characters of a stream, in the names of files
_FOR_ONE_RUN: Final = ("report", "rejects", "resume")
_FOR_FILES: Final = ("format", "encoding", "delimiter")


class _Ended(Exception):
    """A run was not committed as it should be, and what comes after it waits for another call."""

    def __init__(self, report: Report) -> None:
        super().__init__(report)
        self.report = report


class Command(FeedCommand):
    """Sync the streams of a tap, each as its feed says; write its states to standard output, and all else to stderr."""

    help = (
        "Sync what a Singer tap writes to standard output, as the feeds of nsync.toml say that are called as its "
        "streams. States are written to standard output once the records before them are committed; all that is said "
        "goes to standard error."
    )
    positional = "SYSTEM"

    def add_arguments(self, parser: CommandParser) -> None:
        """Add the system."""
        text = "Name of the external system that has the keys; its feeds take the streams."
        parser.add_argument("system", metavar="SYSTEM", help=text)
        super().add_arguments(parser)

    def add_feed_arguments(self, group: _ArgumentGroup) -> None:
        """Add what says which feed takes which stream, and when what comes is committed."""
        group.title = "streams"
        add = group.add_argument
        text = (
            "Feed of a stream, of any system; without STREAM= that of the only stream of the tap. By default a stream "
            "has the feed of SYSTEM that names it as its stream, or is called as it is. Repeatable."
        )
        add("--feed", type=_stream_and_feed, action="append", default=[], metavar="[STREAM=]NAME", help=text)
        text = "Leave out streams for which there is no feed. Default: they are an error."
        add_switch(group, "skip_streams", _CUTS.skips_streams, text)
        text = f"Commit at the first STATE after N records. Default: {_CUTS.records}."
        add("--commit-every", type=number, default=_CUTS.records, metavar="N", help=text)
        text = f"Commit at a STATE if the first record has waited so long. Default: {_CUTS.seconds:.0f}."
        add("--commit-after", type=seconds, default=_CUTS.seconds, metavar="SECONDS", help=text)
        text = "Refuse a record whose values are not of the types that its SCHEMA says. Default: yes."
        add_switch(group, "check_types", _CUTS.checks_types, text)
        text = "Delete, as unforced deletes do, what records name that have a value for _sdc_deleted_at."
        add_switch(group, "hard_delete", _CUTS.deletes, text)
        text = "Folder for the rejects and the report of runs in which records failed."
        add("--failed", default=SUPPRESS, metavar="FOLDER", help=text)

    def about(self, given: Mapping[str, Any]) -> str:
        """Name the system."""
        return str(given["system"])

    def handle(self, *args: Any, **given: Any) -> None:
        """
        Sync until the tap has nothing more to say.

        Raises:
            CommandError: Nothing was committed (exit code 1, 6), or the command line makes no sense (2).
            SystemExit: With one of the other exit codes that are not 0.
        """
        _refuse(given)
        self._given = given
        self._tally = Tally()
        why, code = "", 0
        with ended_by_ctrl_c(self, self._warn), ended_by_sigterm(self._warn):
            try:
                self._run_target()
            except _Ended as ended:
                why, code = self._blame(ended.report), ended.report.exit_code
            except NsyncError as error:
                why, code = _lines(error), LOCKED if isinstance(error, Locked) else 1
            except DatabaseOrDriverError as error:
                why, code = database_error(error, "is it there, and migrated?"), 1
            except BaseException:  # a signal, or whatever code of the project raises
                why = "ended early"
                raise
            finally:
                self._close(why)
        self._end(why, code)

    def _run_target(self) -> None:
        given = self._given
        cuts = Cuts(
            records=given["commit_every"],
            seconds=given["commit_after"],
            skips_streams=given["skip_streams"],
            checks_types=given["check_types"],
            deletes=given["hard_delete"],
        )
        streams = Streams(FeedFile(str(settings.FEEDS)), given["system"], _pairs(given["feed"]), self._overridden)
        target = Target(_STDIN, streams, cuts, self._sync_source, self._give_back)
        self._tally.streams, self._tally.others = target.streams, target.others
        with closing(target):
            for message in read_messages(_standard_input(), _STDIN):
                target.take(message)
            target.end()

    def _overridden(self, feed: Feed) -> Feed:
        """Give a feed with what the command line says otherwise."""
        found = overridden(feed, self._given)
        found = replace(found, options=to_sync_options(self._given, feed.options))
        if not found.options.dry_run:
            check_folders(found)
        return found

    def _sync_source(self, feed: Feed, source: Source, options: SyncOptions) -> Report:
        """Sync a piece; raises _Ended if it ends all, and SourceError if what failed in it would be lost."""
        given = self._given
        policy = given.get("policy") or feed.policy
        chosen = load_policy(policy) if policy and not options.snapshot else BasicSyncPolicy
        if self._called_from_command_line:  # else there may be a transaction of the caller
            close_old_connections()  # a tap may have taken long, and the database given up
        try:
            report = self._run([Input(source, feed.model, feed.system)], options, chosen, given)
        except ConfigError as error:
            raise error if str(error).startswith(source.name) else ConfigError(f"{source.name}: {error}") from error
        self._tally.add(report)
        has_failed = bool(report.failed or report.error or report.guard)
        rejects = _write_failed(feed, report) if feed.failed and report.failed and not report.dry_run else []
        if given["verbosity"] > (0 if has_failed else 1):
            self.tell(report, rejects, given["verbosity"])
            self._say("")
        # Batches before it may be committed, and what comes after it is not.
        is_cut_short = bool(report.failed) and not report.skips_errors and not report.dry_run
        if report.error or report.guard or is_cut_short or report.exit_code not in (0, 3):
            raise _Ended(report)
        return report

    def _give_back(self, state: str) -> None:
        """Write a state, whose records are committed. In a dry run they are not."""
        if self._given.get("dry_run"):
            return
        try:
            self.stdout.write(state, style_func=str)
            self.stdout.flush()
        except (AttributeError, OSError, ValueError) as error:
            if self._called_from_command_line:
                silence(self.stdout)
            raise SourceError(f"a state cannot be written: {error}", "<stdout>") from error

    def _say(self, line: str, style: Any = str) -> None:
        """Write a line to standard error: standard output is for states."""
        self._warn(line, style)

    def _close(self, why: str) -> None:
        """Say what became of all streams, here and in the mail."""
        lines = list(self._tally.lines(why))
        self.notice = Notice(self._tally.status(why), self._tally.last_run, lambda: [*why.splitlines(), "", *lines])
        if self._given["verbosity"]:
            for line in lines:
                self._say(line)

    def _end(self, why: str, code: int) -> None:
        """Rule T7: once a run is committed, an error of a later one is 3."""
        if code and self._tally.is_committed:
            code = 3
        if code in (1, LOCKED):
            raise CommandError(why, returncode=code)
        if why:
            self._warn(why, self.style.ERROR)
        code = code or self._tally.exit_code
        if not code and self._given["check"] and self._tally.writes:
            code = WOULD_WRITE
        if code:
            raise SystemExit(code)


def _write_failed(feed: Feed, report: Report) -> list[str]:
    """Write the failed records of a run, and its report; give the file of records."""
    assert feed.failed is not None  # the caller has asked
    name = re.sub(r"[^\w .-]", "_", report.sources[0].name)[:_LONGEST_NAME]
    try:
        rejects = place_in(feed.failed, f"{name}.rejects.csv")
        filled = write_rejects(report, [rejects])
        write_report(report, place_in(feed.failed, f"{name}.report.json"))
    except OSError as error:
        raise SourceError(f"failed records cannot be kept: {error.strerror or error}", str(feed.failed)) from error
    return [str(path) for path in filled]


def _refuse(given: Mapping[str, Any]) -> None:
    for name in _FOR_ONE_RUN:
        if given.get(name):
            raise CommandError(f"--{name} goes with one run, and a tap has many; see --failed", returncode=2)
    for name in _FOR_FILES:
        if name in given:
            raise CommandError(f"--{name} is for files: a tap writes JSON, in UTF-8", returncode=2)


def _stream_and_feed(text: str) -> tuple[str, str]:
    """Read ``STREAM=NAME``, or a name."""
    stream, equals, name = text.rpartition("=")
    if not name.strip() or (equals and not stream.strip()):
        raise ArgumentTypeError(f"{text!r} is no name of a feed, nor STREAM=NAME")
    return stream.strip(), name.strip()


def _pairs(given: Iterable[Any]) -> list[tuple[str, str]]:
    """Give pairs of a stream and a feed; call_command() may give them as text."""
    return [_stream_and_feed(one) if isinstance(one, str) else (one[0], one[1]) for one in given]


def _standard_input() -> BinaryIO | TextIO:
    if sys.stdin is None:
        raise SourceError("there is no standard input here; let a tap write to it", _STDIN)
    return getattr(sys.stdin, "buffer", sys.stdin)


def _lines(error: NsyncError) -> str:
    return "\n".join(plain(line, _LONGEST_ERROR) for line in str(error).splitlines())
