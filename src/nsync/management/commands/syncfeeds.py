"""``manage.py syncfeeds``: run all feeds of ``nsync.toml``, those first to which others refer."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from django.core.management.base import CommandError

from nsync.feeds.feed import Feed
from nsync.feeds.ordering import in_order
from nsync.management.endings import INTERRUPTED, TERMINATED, WOULD_WRITE, exit_code
from nsync.management.feeding import FeedCommand, NoFile, worst
from nsync.management.notifying import Notice
from nsync.management.running import as_command_errors

_IS_WELL: Final = (0, 3, WOULD_WRITE)  # what comes after may refer to what was applied


class _Ended(NamedTuple):
    """How a feed ended."""

    line: str  # in a few words
    code: int
    is_well: bool  # so that feeds which refer to its model may run
    notice: Notice


class Command(FeedCommand):
    """Run all feeds, each by itself."""

    help = "Run all feeds that nsync.toml describes, each by itself, those first to whose models others refer."
    positional = ""

    def about(self, given: Mapping[str, Any]) -> str:
        """Name no feed in particular."""
        return ""

    def handle(self, *args: Any, **given: Any) -> None:
        """Run the feeds; raises SystemExit with the exit code that counts of all."""
        if given["report"] or given["rejects"] or given["resume"]:
            raise CommandError("--report, --rejects and --resume go with one feed: syncfeed", returncode=2)
        with as_command_errors():
            feeds = self.read_file().feeds.values()
            order = in_order([feed for feed in feeds if feed.files or not feed.stream])  # others wait for a tap
        for names in order.cycles:
            self._warn(f"{' → '.join(names)}: these refer to each other, so that no order is right")
        ended: dict[str, _Ended] = {}
        try:
            for feed in order.feeds:
                missing = [name for name in order.needs[feed.name] if not ended[name].is_well]
                ended[feed.name] = self._skipped(feed, missing) if missing else self._run_one(feed, given)
                if ended[feed.name].code in (INTERRUPTED, TERMINATED):
                    break
        finally:
            left = [feed.name for feed in order.feeds if feed.name not in ended]
            self._close(ended, left, given["verbosity"])
        if code := worst([one.code for one in ended.values()]):
            raise SystemExit(code)

    def _run_one(self, feed: Feed, given: Mapping[str, Any]) -> _Ended:
        self.notice = Notice()
        if not feed.files:
            return _Ended("names no files", 0, True, self.notice)
        if given["verbosity"]:
            self._say(f"{feed.name}:")
        code, why, is_missing = 0, "", False
        try:
            self.run_feed(feed, (), given)
        except (CommandError, SystemExit) as error:
            code, is_missing = exit_code(error), isinstance(error, NoFile)
            why = str(error) if isinstance(error, CommandError) else ""
        except Exception as error:  # code of the project may raise anything, and the other feeds are to run
            code, why = 1, f"{type(error).__name__}: {error}"
            if given["traceback"]:
                self._warn(traceback.format_exc())
        if why:
            self._warn(f"{feed.name}: {why}", self.style.ERROR)
        if given["verbosity"]:
            self._say("")
        return _Ended(self._result(code, why), code, is_missing or code in _IS_WELL, self.notice)

    def _result(self, code: int, why: str) -> str:
        statuses = [
            f"{report.status}{f' (run {report.run})' if report.run else ''}: {report.sources[0].name}"
            for report in self.reports
            if report.sources
        ]
        if not statuses:
            statuses = [why.splitlines()[0]] if why else ["no file"]
        return f"{'; '.join(statuses)}{f', exit code {code}' if code else ''}"

    def _skipped(self, feed: Feed, missing: Sequence[str]) -> _Ended:
        return _Ended(f"skipped: it refers to {', '.join(missing)}", 0, False, Notice())

    def _close(self, ended: Mapping[str, _Ended], left: Sequence[str], verbosity: int) -> None:
        """Say how all feeds ended, one line each; to the admins too."""
        lines = {name: one.line for name, one in ended.items()} | dict.fromkeys(left, "not run")
        width = max(map(len, lines), default=0)
        summary = [f"  {name:<{width}}  {line}" for name, line in lines.items()]
        failed = [one for one in ended.values() if one.code]

        def told() -> Iterator[str]:
            yield from summary
            for one in failed:
                yield ""
                yield from one.notice.lines()

        if verbosity:
            for line in ["Feeds", *summary]:
                self._say(line)
        skipped = len(lines) - len([one for one in ended.values() if one.is_well or one.code])
        words = [f"{len(failed)} of {len(lines)} feeds failed", f"{skipped} did not run" if skipped else ""]
        self.notice = Notice(", ".join(filter(None, words)), None, told)
