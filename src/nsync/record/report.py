"""Report: what a run did, as values; `nsync.record.text` and `nsync.record.files` show it (rules O1, O2)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from nsync.actions import Place
from nsync.changes import WARNING_CODES, OutcomeKind
from nsync.errors import Problem
from nsync.record.details import ERROR, REASON, WARNING, Details, Entry
from nsync.record.ledger import Ledger

APPLIED = "applied"
WITH_REJECTS = "applied with rejects"
ROLLED_BACK = "rolled back"  # row errors, nothing committed
FAILED = "failed"  # a source, the database or a constraint ended the run
DRY_RUN = "dry run"
FINISHED = "finished before"  # the run that was to go on has nothing left to do


@dataclass(frozen=True)
class SourceReport:
    """What became of one source."""

    name: str
    system: str
    target: str  # "app.Model"
    size: int  # bytes
    rows: int
    outcomes: dict[OutcomeKind, int]
    notes: tuple[str, ...]  # what was found out while opening it: "delimiter: ';' (found by sniffing)"
    columns: tuple[Problem, ...]  # columns that were ignored, and why (rule C3); and the warning no-rows
    header: tuple[str, ...] = ()
    dialect: Any = None  # how the source is written (nsync.read.base.Dialect), for the rejects
    engine: str = ""  # how its rows were read and written
    engine_hint: str = ""  # why its rows were not decided by columns
    engine_reasons: tuple[str, ...] = ()  # why so


@dataclass(frozen=True)
class FieldDiff:
    """What a dry run would write into one field of one object (rule O4)."""

    source: int
    line: int
    target: str  # "person 7"
    field: str
    old: object
    new: object


@dataclass(frozen=True)
class Report:
    """What a run did. Counts are of rows; after a rollback they say what the rows would have become."""

    status: str
    committed: bool
    dry_run: bool
    sources: tuple[SourceReport, ...]
    displaced: int  # objects removed by rule A4
    seconds: float
    queries: int
    ledger: Ledger = field(repr=False)
    spool: Details = field(repr=False)
    error: str = ""  # what ended the run early
    last_committed: str = ""  # "persons.csv:5001", when earlier batches were committed (rule T4)
    writes: bool = False  # whether anything was (or would have been) written: objects, relations, mappings
    diffs: tuple[FieldDiff, ...] = ()  # dry run: of the first rows
    changed_fields: dict[str, int] = field(default_factory=dict)  # dry run: field → objects that would change in it
    skips_errors: bool = False  # failed rows are left out, and the others committed (--on-error skip)
    unforeseen: tuple[str, ...] = ()  # dry run: what it cannot know (rule O4)
    run: int | None = None  # its number in the history
    is_resumed: bool = False  # it went on with a run that was interrupted
    can_resume: bool = False  # it ended early, after committed batches, and can go on after them

    @property
    def counts(self) -> dict[OutcomeKind, int]:
        """Outcome → number of rows; only those that occur, strongest first (rule O1)."""
        return self.ledger.counts()

    @property
    def engine(self) -> str:
        """How rows were read and written; several ways, if sources differ, in the order of the sources."""
        return ", ".join(dict.fromkeys(source.engine for source in self.sources))

    @property
    def rows(self) -> int:
        """Rows read, over all sources."""
        return sum(source.rows for source in self.sources)

    @property
    def failed(self) -> int:
        """Rows that failed."""
        return self.counts.get(OutcomeKind.FAILED, 0)

    @property
    def warnings(self) -> dict[str, int]:
        """Code → number of warnings, most frequent first; those of a whole source (``no-rows``) come last."""
        of_sources = Counter(
            problem.code for source in self.sources for problem in source.columns if problem.code in WARNING_CODES
        )
        return {**self.spool.counts(WARNING), **of_sources}

    @property
    def errors(self) -> dict[str, int]:
        """Code → number of errors in failed rows, most frequent first."""
        return self.spool.counts(ERROR)

    @property
    def reasons(self) -> dict[str, int]:
        """Code → number of rows that were left alone for it, most frequent first."""
        return self.spool.counts(REASON)

    def details(self, code: str | None = None, limit: int = -1) -> Iterator[Entry]:
        """Give the rows that are not plain success, in file order, from disk (rule O2)."""
        return self.spool.entries(code, limit)

    def first_error(self) -> Entry | None:
        """Give the first row that failed, with its first error alone."""
        return min((entry for code in self.errors for entry in self.spool.first(ERROR, code, 1)), default=None)

    def outcome(self, entry: Entry) -> OutcomeKind | None:
        """Give what became of the row of an entry."""
        return self.ledger.kind(Place(entry.source, entry.ordinal, entry.line))

    def is_partly_applied(self, entry: Entry) -> bool:
        """Whether the row of an entry failed after an earlier phase of it was applied (rule T2)."""
        return self.ledger.is_partly_applied(entry.source, entry.ordinal)

    @property
    def exit_code(self) -> int:
        """Give the exit code of a command that ends with this report (rule T7; 2, 5 and 6 are the command's)."""
        would_commit = self.committed or (self.dry_run and self.skips_errors and not self.error)
        if (self.error or self.failed) and not would_commit:
            return 1
        return 3 if self.error or self.failed else 0
