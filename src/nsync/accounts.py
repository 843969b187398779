"""Accounts: what became of each row, what it says beside that, and what waits. Part of the conductor."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.db.models import Model

from nsync.actions import Action, Place
from nsync.apply.base import Written
from nsync.changes import REASON_CODES, Change, ChangeKind, New, ObjectId, Outcome, OutcomeKind
from nsync.columns import Decided
from nsync.errors import Problem, RowError
from nsync.fields import concrete_model
from nsync.options import SyncOptions
from nsync.plan.paths import MAPPINGS
from nsync.plan.rowplan import Plan, Wait
from nsync.record.details import ERROR, REASON, WARNING, Details
from nsync.record.ledger import Ledger, Part, number_of
from nsync.record.report import FieldDiff
from nsync.rows import Row
from nsync.waiting import WaitingRoom, name_of

MANY = 500  # objects whose names are kept: of more, all that waits is tried again
_MAPPINGS = {MAPPINGS}
_DIFFS = 20  # fields that a dry run shows old → new
_FIGURES = ("displaced", "failed", "writes", "has_deleted", "writes_across")


class Stop(Exception):
    """Enough rows have failed: the run ends (rule T4)."""


class Mark(NamedTuple):
    """What accounts were before a batch that may have to be taken back."""

    rows: tuple[Part, ...]  # that the batch may touch
    figures: dict[str, Any]


class Accounts:
    """
    Keeps account of the rows of a run.

    Args:
        options: What the run was asked to do.
        sources: How many sources the run has.
    """

    def __init__(self, options: SyncOptions, sources: int) -> None:
        self.options = options
        self.ledger = Ledger(sources)
        self.details = Details()
        self.waiting = WaitingRoom()
        self.displaced = 0
        self.failed = 0
        self.writes = False
        self.has_deleted = False
        self.written: set[str] = set()  # labels of the models of which objects were written
        self.writes_across = False  # objects of another model than the row's own
        self.changed: set[str] | None = None  # names of the objects that were written lately, while somebody listens
        self.diffs: list[FieldDiff] = []
        self.changed_fields: Counter[str] = Counter()

    def mark(self, rows: Iterable[tuple[int, int, int]]) -> Mark:
        """
        Begin a batch that is committed by itself.

        Args:
            rows: Source, first ordinal and the one after the last of the rows that it may touch.
        """
        self.details.mark()
        self.waiting.mark()
        return Mark(tuple(self.ledger.copy(*part) for part in rows), self.figures())

    def take_back(self, mark: Mark) -> None:
        """Forget what the batch has done: the database has taken it back."""
        self.details.take_back()
        self.waiting.take_back()
        for part in mark.rows:
            self.ledger.restore(part)
        self.put_back(mark.figures)
        self.changed = None

    def keep(self) -> None:
        """End the batch, however it ended."""
        self.details.keep()
        self.waiting.keep()

    def make_room(self) -> None:
        """Where the disk is full, forget what was to be said of rows: the counts are left."""
        if self.details.is_full:
            self.details = Details()

    def is_out(self, place: Place) -> bool:
        """Whether a row takes no part in what comes: it failed, or it waits whole."""
        return self.ledger.kind(place) is OutcomeKind.FAILED or self.ledger.waits(place)

    def was_created(self, place: Place) -> bool:
        """Whether an earlier phase of a row has created its object."""
        return self.ledger.kind(place) is OutcomeKind.CREATED

    def ignore(self, place: Place, code: str, message: str) -> None:
        """Keep account of a row that nothing was done for."""
        self.ledger.note(place, OutcomeKind.IGNORED)
        self.details.note(place, REASON, Problem(code, message))

    def let_wait(self, action: Action, wait: Wait) -> None:
        """Let a row wait whole."""
        problem = _told(wait.problem, action.columns)
        self.ledger.wait(action.place, True)
        self.waiting.add_row(action.place, action.row, problem, is_key=wait.is_key, blocker=wait.blocker)

    def note(self, action: Action, plan: Plan, written: Written) -> ObjectId | None:
        """
        Keep account of an applied row.

        Returns:
            The object that the row stands for, if there is one now.
        """
        place = action.place
        self._note(Outcome(place, _real_outcome(plan, written), plan.problems, plan.displaced))
        own = New(place.source, place.ordinal)
        for target, relation, sign in plan.named:
            if target.pk == own:
                continue  # nobody else has spoken of the object yet
            self.waiting.hear(place, _real(target, written), relation, sign)
        for pending in plan.pending:
            target = _real(pending.target, written)
            self.waiting.add_relation(place, action.row, target, pending)
        own_model = concrete_model(action.model)
        for change in written.changes:
            self._note_change(change, written)
            self.writes_across |= change.kind is ChangeKind.UPDATE and change.target.model is not own_model
        return _real(plan.result, written) if plan.result else None

    def _note(self, outcome: Outcome) -> None:
        """Hand an outcome over to the ledger and the details."""
        self.ledger.note(outcome.place, outcome.kind)
        for problem in outcome.problems:
            level = REASON if problem.code in REASON_CODES else WARNING
            self.details.note(outcome.place, ERROR if outcome.kind is OutcomeKind.FAILED else level, problem)
        self.displaced += outcome.displaced

    def _note_change(self, change: Change, written: Written) -> None:
        self.writes = True
        self.has_deleted |= change.kind is ChangeKind.DELETE
        self.written |= _written_by(change)
        if self.changed is not None and len(self.changed) <= MANY:
            self.changed.add(name_of(change.target))
        if not self.options.dry_run or change.kind is not ChangeKind.UPDATE:
            return
        for name, new in {**change.after, **change.properties}.items():
            label = change.target.model._meta.label
            self.changed_fields[f"{label}.{name}"] += 1
            if len(self.diffs) < _DIFFS:
                target = f"{change.target.model._meta.verbose_name} {_real(change.target, written).pk}"
                value = written.keys[new] if isinstance(new, New) else new
                place = change.place
                self.diffs.append(FieldDiff(place.source, place.line, target, name, change.before.get(name), value))

    def note_columns(self, source: int, ordinals: Sequence[int], decided: Decided, model: type[Model]) -> None:
        """Keep account of rows that were decided and written by columns."""
        kinds = bytearray([number_of(OutcomeKind.UNCHANGED)]) * len(ordinals)
        groups = [(OutcomeKind.CREATED, decided.new.rows), (OutcomeKind.LINKED, decided.linked.rows)]
        groups += [(OutcomeKind.UPDATED, changed.rows) for changed in decided.changed]
        for kind, rows in groups:
            number = number_of(kind)
            for row in rows:
                kinds[row] = number
        self.ledger.note_many(source, ordinals, kinds)
        if decided.changes_something:
            self.writes = True
            self.written |= {model._meta.label, MAPPINGS}

    def note_removed(self, source: int, ordinals: Sequence[int], model: type[Model]) -> None:
        """Keep account of rows whose objects were deleted, by columns."""
        self.ledger.note_many(source, ordinals, bytearray([number_of(OutcomeKind.DELETED)]) * len(ordinals))
        self.writes = self.has_deleted = True
        self.written |= {model._meta.label, MAPPINGS}

    def figures(self) -> dict[str, Any]:
        """Give what is counted beside the rows, as JSON has it; of a run that writes."""
        return {**{name: getattr(self, name) for name in _FIGURES}, "written": sorted(self.written)}

    def put_back(self, figures: Mapping[str, Any]) -> None:
        """Take what `figures` gave."""
        for name in _FIGURES:
            setattr(self, name, figures[name])
        self.written = set(figures["written"])

    def fail(self, place: Place, row: Row, error: RowError, columns: Mapping[str, str]) -> None:
        """
        Keep account of a row that cannot be applied.

        Raises:
            Stop: It was one too many (rule T4).
        """
        problems = tuple(_told(problem, columns) for problem in error.problems)
        self._note(Outcome(place, OutcomeKind.FAILED, problems))
        self.ledger.wait(place, False)
        self.details.reject(place, row)
        self.failed += 1
        limit = self.options.error_limit
        if self.options.on_error == "stop" or (limit is not None and self.failed >= limit):
            raise Stop


def _written_by(change: Change) -> set[str]:
    """Give the labels of the models whose objects or rows a change writes."""
    if change.kind in (ChangeKind.MAP, ChangeKind.UNMAP):
        return _MAPPINGS
    if change.kind in (ChangeKind.RELATE, ChangeKind.UNRELATE):
        return {other.model._meta.label for other in (change.target, *change.others)}
    return {change.target.model._meta.label}


def _told(problem: Problem, columns: Mapping[str, str]) -> Problem:
    """Name the column as the file does: planning and databases know only fields."""
    header = columns.get(problem.column) or columns.get(f"{problem.column}_id") or problem.column
    return problem._replace(column=header)


def _real(target: ObjectId, written: Written) -> ObjectId:
    """Give an object by the primary key that it got."""
    return ObjectId(target.model, written.keys[target.pk]) if isinstance(target.pk, New) else target


def _real_outcome(plan: Plan, written: Written) -> OutcomeKind:
    """Rule V6: a property that was set may have changed no field; then nothing was saved."""
    if plan.outcome is not OutcomeKind.UPDATED or plan.displaced:
        return plan.outcome
    kinds = {change.kind for change in written.changes}
    if kinds - {ChangeKind.MAP}:
        return plan.outcome
    return OutcomeKind.LINKED if kinds else OutcomeKind.UNCHANGED
