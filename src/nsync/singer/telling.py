"""What became of the streams of a tap, over all runs that it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from nsync.changes import WARNING_CODES
from nsync.record.report import Report, SourceReport
from nsync.record.text import plain
from nsync.singer.target import Stream

_INDENT: Final = "  "


@dataclass(slots=True)
class _Told:
    """What is known of one stream, or of what a snapshot takes away."""

    target: str
    system: str
    rows: int = 0
    runs: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    columns: dict[str, str] = field(default_factory=dict)  # that were ignored → why


class Tally:
    """Adds up the reports of many runs, in counts alone."""

    def __init__(self) -> None:
        self.streams: Mapping[str, Stream] = {}
        self.others: Mapping[str, int] = {}
        self.is_committed = False  # whether anything was; in a dry run, would be
        self.writes = False
        self.first_run: int | None = None
        self.last_run: int | None = None
        self._is_dry = False
        self._failed = 0
        self._told: dict[tuple[str, str], _Told] = {}  # by name and model
        self._warnings: Counter[str] = Counter()

    def add(self, report: Report) -> None:
        """Take note of a run."""
        is_good = report.dry_run and report.exit_code in (0, 3)
        self.is_committed = self.is_committed or report.committed or is_good
        self.writes = self.writes or report.writes
        self.first_run = self.first_run or report.run
        self.last_run = report.run or self.last_run
        self._is_dry = report.dry_run
        self._failed += report.failed
        self._warnings.update(report.warnings)
        for source in report.snapshots or report.sources:  # the rows of a snapshot are keys, each of which was told
            if source.rows or not report.snapshots:
                self._add_source(source)

    def _add_source(self, source: SourceReport) -> None:
        told = self._told.setdefault((source.name, source.target), _Told(source.target, source.system))
        told.rows += source.rows
        told.runs += 1
        told.outcomes.update({kind.value: count for kind, count in source.outcomes.items()})
        told.columns.update({one.column: one.message for one in source.columns if one.code not in WARNING_CODES})

    @property
    def exit_code(self) -> int:
        """Give the exit code of a call that no error has ended (rule T7)."""
        return 3 if self._failed else 0

    def status(self, why: str) -> str:
        """
        Say in a few words what became of all.

        Args:
            why: What has ended it early; "": nothing.
        """
        if self._is_dry:
            return "nothing was written (dry run)"
        if why:
            return "applied in part" if self.is_committed else "nothing was committed"
        if self._failed:
            return f"applied, but {_count(self._failed, 'failed record')} left out"
        if not self._told:
            return "there was no record to apply"
        return "applied" if self.writes else "applied: there was nothing to change"

    def lines(self, why: str) -> Iterator[str]:
        """Tell it all."""
        status = self.status(why)
        runs = f" ({self._runs()})" if self.first_run else ""
        yield f"{status[0].upper()}{status[1:]}{runs}."
        for (name, _), told in self._told.items():
            outcomes = ", ".join(f"{count:,} {kind}" for kind, count in told.outcomes.items() if count) or "none"
            what = f"{plain(name)} → {told.target} (system {plain(told.system)}): {_count(told.rows, 'record')}"
            yield f"{what} in {_count(told.runs, 'run')}: {outcomes}"
            for column, message in told.columns.items():
                yield f"{_INDENT}ignored column {plain(column)}: {plain(message)}"
        for code, count in self._warnings.most_common():
            yield f"{_INDENT}warning {code}: {count:,}"
        for name, stream in self.streams.items():
            for note, count in stream.notes.items():
                yield f"{plain(name)}: {note}{f' ({count:,})' if count > 1 else ''}"
        for kind, count in self.others.items():
            yield f"Messages of the type {plain(kind)} were ignored ({count:,})."

    def _runs(self) -> str:
        if self.first_run == self.last_run:
            return f"run {self.first_run}"
        return f"runs {self.first_run} to {self.last_run}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
