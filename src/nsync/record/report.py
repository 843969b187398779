"""Report: what a run did, as values; `nsync.record.text` and `nsync.record.files` show it (rules O1, O2)."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import Any, NamedTuple

from nsync.actions import Place
from nsync.changes import WARNING_CODES, OutcomeKind
from nsync.conf import hidden_columns
from nsync.errors import Problem
from nsync.record.details import ERROR, REASON, WARNING, Details, Entry, VeiledDetails
from nsync.record.ledger import Ledger

APPLIED = "applied"
WITH_REJECTS = "applied with rejects"
ROLLED_BACK = "rolled back"  # row errors, nothing committed
STOPPED = "stopped by guard"  # it would have deleted or changed too much
FAILED = "failed"  # a source, the database or a constraint ended the run
DRY_RUN = "dry run"
VEILED = 'an error, whose text may hold values that NSYNC["REDACT"] hides; standard error has it'
FINISHED = "finished before"  # the run that was to go on has nothing left to do


class SourceReport(NamedTuple):
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
    hidden: frozenset[str] = frozenset()  # columns whose values are not to be kept; "" stands for no column


class FieldDiff(NamedTuple):
    """What a dry run would write into one field of one object (rule O4)."""

    source: int
    line: int
    target: str  # "person 7"
    field: str
    old: object
    new: object


@dataclass(frozen=True, eq=False)
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
    retries: int = 0  # how often the run, or one of its batches, was done again because others were in the way
    last_committed: str = ""  # "persons.csv:5001", when earlier batches were committed (rule T4)
    writes: bool = False  # whether anything was (or would have been) written: objects, relations, mappings
    diffs: tuple[FieldDiff, ...] = ()  # dry run: of the first rows
    changed_fields: dict[str, int] = field(default_factory=dict)  # dry run: field → objects that would change in it
    skips_errors: bool = False  # failed rows are left out, and the others committed (--on-error skip)
    would_keep_batches: bool = False  # dry run: batches would be committed, even if the run ends early (rule T4)
    unforeseen: tuple[str, ...] = ()  # dry run: what it cannot know (rule O4)
    snapshots: tuple[SourceReport, ...] = ()  # what became of the keys that snapshots do not name
    guard: str = ""  # which limit was exceeded
    withheld: bool = False  # snapshots took nothing away, because rows failed
    run: int | None = None  # its number in the history, if it has one
    is_resumed: bool = False  # it went on with a run that was interrupted
    can_resume: bool = False  # it ended early, after committed batches, and can go on after them
    is_transient: bool = False  # what ended it early is not in the sources: the database, or the project's code
    is_whole: bool = False  # all rows were run, and committed, even if what the project does after that failed

    @property
    def counts(self) -> dict[OutcomeKind, int]:
        """Outcome → number of rows; only those that occur, strongest first (rule O1)."""
        found: Counter[OutcomeKind] = Counter()
        for source in self.sources:
            found.update(source.outcomes)
        return {kind: found[kind] for kind in OutcomeKind if found[kind]}

    @property
    def all_sources(self) -> tuple[SourceReport, ...]:
        """The sources, then the snapshots: as entries and the history count them."""
        return (*self.sources, *self.snapshots)

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
        """Rows that failed, and keys that a snapshot could not take away."""
        return sum(source.outcomes.get(OutcomeKind.FAILED, 0) for source in self.all_sources)

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
        return next(iter(self.first_errors(1)), None)

    def first_errors(self, limit: int) -> list[Entry]:
        """Give the first errors of rows, in file order, each by itself."""
        return sorted(chain.from_iterable(self.spool.first(ERROR, code, limit) for code in self.errors))[:limit]

    def veiled(self) -> "Report":
        """Give the same without values of columns that are not to be kept, for others than who runs the command."""
        if not hidden_columns():
            return self
        hidden = [source.hidden for source in self.all_sources]
        error = VEILED if self.error and any(hidden) else self.error
        return replace(self, spool=VeiledDetails(self.spool, hidden), error=error, diffs=())

    def outcome(self, entry: Entry) -> OutcomeKind | None:
        """Give what became of the row of an entry."""
        return self.ledger.kind(Place(entry.source, entry.ordinal, entry.line))

    def is_partly_applied(self, entry: Entry) -> bool:
        """Whether the row of an entry failed after an earlier phase of it was applied (rule T2)."""
        return self.ledger.is_partly_applied(entry.source, entry.ordinal)

    @property
    def exit_code(self) -> int:
        """Give the exit code of a command that ends with this report (rule T7; 2, 5 and 6 are the command's)."""
        skips = (self.dry_run or bool(self.guard)) and self.skips_errors and not self.error
        would_commit = self.committed or self.would_keep_batches or skips
        if (self.error or self.failed) and not would_commit:
            return 1
        if self.guard:
            return 4
        return 3 if self.error or self.failed else 0
