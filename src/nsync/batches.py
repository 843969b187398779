"""Batches: many rows planned together and written together, as if one after the other. Part of the conductor."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from nsync.apply.base import Changed, Written
from nsync.changes import ObjectId
from nsync.errors import RowError
from nsync.plan.batchstate import BatchState
from nsync.plan.resolve import Answers, Resolver
from nsync.plan.rowplan import Plan, Wait
from nsync.plan.state import Question, State, Stored, Unanswered
from nsync.plan.together import Together
from nsync.plan.touched import Barrier
from nsync.singly import Singly, is_computed, is_own, is_seen

if TYPE_CHECKING:
    from nsync.apply.bulk import BulkWriter
    from nsync.steps import Step

_WAVES = 3  # of likely questions: keys, then matches and references, then what hangs on the matched objects
_AT_LEAST = 4  # rows that are looked ahead of
_FEW = 6  # changing steps that cost less one by one than halved again
_ATTEMPTS = 5  # how often a batch is planned anew because somebody else changed its objects (rule T8)

Result = Plan | RowError | Wait | None  # None: there was nothing to plan


class _Part(NamedTuple):
    """Steps that are still to be run."""

    start: int
    end: int
    attempts: int = 0  # how often somebody else has changed their objects since they were planned
    is_single: bool = False  # each that changes something is written by itself


@dataclass
class _Segment:
    """Steps that were planned together."""

    start: int
    is_single: bool = False
    is_watched: bool = False  # each that changes something is written by itself, and seen to do as planned
    results: list[Result] = field(default_factory=list)
    changing: list[int] = field(default_factory=list)  # which of the steps change something
    stands_alone: bool = False  # the last of them must be written by itself

    @property
    def stop(self) -> int:
        return self.start + len(self.results)


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """
    Keep Python from looking for cycles among the values of a batch, all of which are needed until it is written.

    It would spend a seventh of the time on that (200,000 people, CPython 3.13).
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class Batches:
    """
    Runs the steps of a batch.

    Args:
        resolver: Asks the database.
        singly: Writes steps by themselves.
        writer: Writes many steps at once; None: each that changes something is written by itself.
        size: How many rows a batch has at most.
    """

    def __init__(
        self,
        resolver: Resolver,
        singly: Singly,
        writer: BulkWriter | None,
        size: int,
    ) -> None:
        self._resolver = resolver
        self._together = Together(resolver)
        self._singly = singly
        self._writer = writer
        self._size = size
        self._stretch = size  # steps that are planned together to be written one by one
        self._window = size  # rows whose questions are asked together; fewer where they are soon out of date
        self._foreseen = 0  # up to this step
        self._answers: Answers = {}
        self._reach: dict[type, int] = {}  # how many steps are planned ahead for a question of a kind

    def run(self, steps: Sequence[Step], tell: Callable[[], None], is_over: Callable[[], bool] | None = None) -> None:
        """
        Plan and write steps, in order: all that they ask for, as if each were written before the next is planned.

        Args:
            steps: Of the batch.
            tell: Called after each step.
            is_over: Asked after steps were written, whether those after them are to be left.

        Raises:
            Stop: One row too many failed.
            TransientError: The database gave up.
        """
        with _no_garbage_collection() if self._writer is not None else nullcontext():
            self._run(steps, tell, is_over)

    def _run(self, steps: Sequence[Step], tell: Callable[[], None], is_over: Callable[[], bool] | None) -> None:
        self._forget(0)
        left = [_Part(0, len(steps))]  # the next one last
        while left:
            part = left.pop()
            segment = self._plan(steps, part, ends_when_disturbed=is_over is not None)
            if segment.stop < part.end:
                left.append(part._replace(start=segment.stop, attempts=0))
            try:
                stop = self._write(steps, segment, tell)
            except Changed:
                self._forget(part.start)
                if part.attempts < _ATTEMPTS:
                    left.append(part._replace(end=segment.stop, attempts=part.attempts + 1))
                else:
                    self._isolate(steps, segment, left, tell)
            except RowError:
                self._isolate(steps, segment, left, tell)
            else:
                if stop < segment.stop:
                    left.append(_Part(stop, segment.stop))
                if is_over is not None and is_over():
                    return

    def _forget(self, start: int) -> None:
        """The database has changed: what it said before no longer counts."""
        self._answers = {}
        self._foreseen = start

    def _begin(self, part: _Part, *, ends_when_disturbed: bool) -> _Segment:
        watch = self._singly.watch if self._writer is None else None
        if watch is not None and watch.is_on and not ends_when_disturbed:
            watch.start_anew()  # what was done until now is what the database is asked about
        is_watched = watch is not None and watch.is_on and not watch.is_disturbed
        return _Segment(part.start, part.is_single or (self._writer is None and not is_watched), is_watched)

    def _plan(self, steps: Sequence[Step], part: _Part, *, ends_when_disturbed: bool) -> _Segment:
        """Plan steps until memory cannot tell what the next one would see."""
        segment = self._begin(part, ends_when_disturbed=ends_when_disturbed)
        state = BatchState(self._answers, folds_text=self._resolver.folds_text, knows_values=not segment.is_watched)
        end = min(part.end, part.start + self._stretch) if segment.is_watched else part.end
        for index in range(part.start, end):
            if index >= self._foreseen:
                self._foresee(steps, index, end)
            try:
                result = self._plan_one(steps, index, state)
                if isinstance(result, Plan) and not self._absorb(segment, state, steps[index], result):
                    break
            except RowError as error:
                result = error
            except Barrier:
                if segment.changing:
                    break
                result, segment.stands_alone = None, True  # nothing to write first: the database itself must be asked
            segment.results.append(result)
            if segment.stands_alone:
                break
        self._adapt(segment, end)
        return segment

    def _absorb(self, segment: _Segment, state: BatchState, step: Step, plan: Plan) -> bool:
        """Let later steps see a plan; False if it cannot be written together with those before."""
        if segment.is_watched and segment.changing and not is_own(plan, step.place):
            return False
        if not plan.changes:
            return True
        stands_alone = (
            segment.is_single
            or (segment.is_watched and not is_seen(plan))
            or is_computed(step, plan, was_asked_for=self._writer is not None)
            or self._stands_alone(state, step, plan)
        )
        if stands_alone and segment.changing:
            return False
        if not stands_alone:
            state.absorb(plan.changes)
        segment.changing.append(segment.stop)
        segment.stands_alone = stands_alone
        return True

    def _stands_alone(self, state: BatchState, step: Step, plan: Plan) -> bool:
        given = {attname for action in step.actions for attname in action.values}
        while True:
            try:
                return state.stands_alone(plan.changes, given)
            except Unanswered as unanswered:
                self._resolver.answer(unanswered.question, self._answers)

    def _adapt(self, segment: _Segment, end: int) -> None:
        """Look as far ahead as the last segment was long: answers are worth nothing after the next write."""
        if segment.stop < end:
            self._window = max(_AT_LEAST, min(self._size, 2 * len(segment.results)))
        else:
            self._window = min(self._size, 4 * self._window)

    def _plan_one(self, steps: Sequence[Step], index: int, state: BatchState) -> Result:
        step = steps[index]
        if step.is_idle:
            return None
        while True:
            try:
                return step.plan(State(state))
            except Unanswered as unanswered:
                try:
                    self._answer(unanswered.question, steps, index, state)
                except RowError as error:
                    return error
            except (RowError, Wait) as refused:
                return refused

    def _answer(self, question: Question, steps: Sequence[Step], index: int, state: BatchState) -> None:
        """Ask the database, and with it what the next steps want to know."""
        kind = type(question)
        reach = self._reach.get(kind, self._size)
        questions = {question: None}
        for step in steps[index + 1 : min(self._foreseen, index + 1 + reach)]:
            if step.is_idle:
                continue
            try:
                step.plan(State(state))
            except Unanswered as unanswered:
                questions[unanswered.question] = None
            except (RowError, Wait, Barrier):
                continue
        self._together.answer(questions, self._answers)
        # To plan ahead is worth its time only where many steps ask what can be answered together.
        is_worth_it = question in self._answers and len(questions) * 4 > reach
        self._reach[kind] = min(self._size, reach * 2 + _AT_LEAST) if is_worth_it else reach // 4
        if question not in self._answers:
            self._resolver.answer(question, self._answers)

    def _foresee(self, steps: Sequence[Step], index: int, end: int) -> None:
        """Ask together what the next steps will surely want to know."""
        self._foreseen = min(end, index + self._window)
        ahead = [step for step in steps[index : self._foreseen] if not step.is_idle]
        for _ in range(_WAVES):
            asked: dict[Question, None] = {}
            curious = []
            for step in ahead:
                questions = [one for one in step.likely_questions(self._answers) if one not in self._answers]
                if questions:
                    asked.update(dict.fromkeys(questions))
                    curious.append(step)
            if not asked:
                break
            self._together.answer(asked, self._answers)
            ahead = curious

    def _write(self, steps: Sequence[Step], segment: _Segment, tell: Callable[[], None]) -> int:
        """
        Write a segment, and keep account of it.

        Returns:
            Up to which step: those after it are to be planned anew.

        Raises:
            RowError, Changed: It cannot be written so. Nothing was.
        """
        if segment.stands_alone:
            self._write_last_alone(steps, segment, tell)
            return segment.stop
        if segment.is_watched:
            return self._write_one_by_one(steps, segment, tell)
        written = Written({}, ())
        if segment.changing:
            assert self._writer is not None  # without one, the first step that changes something stands alone
            plans: list[Any] = [segment.results[index - segment.start] for index in segment.changing]
            written = self._writer.write([change for plan in plans for change in plan.changes], self._seen)
            self._forget(segment.stop)
        self._keep_account(steps, segment, segment.start, segment.stop, written, tell)
        return segment.stop

    def _write_one_by_one(self, steps: Sequence[Step], segment: _Segment, tell: Callable[[], None]) -> int:
        """Write steps as they were planned, until one does something else, or is refused."""
        done = segment.start
        is_changed = False
        plans: list[Any] = [segment.results[index - segment.start] for index in segment.changing]
        with self._singly.recorded([change for plan in plans for change in plan.changes]) as keys:
            for index, plan in zip(segment.changing, plans, strict=True):
                self._keep_account(steps, segment, done, index, Written({}, ()), tell)
                done = index
                try:
                    is_as_planned = self._singly.as_planned(steps[index], plan, keys)
                except Changed:
                    is_changed = True
                    break
                done = index + 1
                tell()
                if not is_as_planned:
                    break
            else:
                self._keep_account(steps, segment, done, segment.stop, Written({}, ()), tell)
                done = segment.stop
        if is_changed:
            self._singly.alone(steps[done])
            tell()
            done += 1
        if done < segment.stop:
            self._stretch = max(1, done - segment.start)
        else:
            self._stretch = min(self._size, 4 * self._stretch)
        if segment.changing:
            self._forget(done)
        return done

    def _seen(self, target: ObjectId) -> Mapping[str, object]:
        """Give an object as the database had it when it was asked."""
        return self._answers.get(Stored(target)) or {}

    def _write_last_alone(self, steps: Sequence[Step], segment: _Segment, tell: Callable[[], None]) -> None:
        last = segment.stop - 1
        self._keep_account(steps, segment, segment.start, last, Written({}, ()), tell)
        plan = segment.results[-1]
        self._singly.alone(steps[last], plan if isinstance(plan, Plan) else None)
        tell()
        self._forget(segment.stop)

    def _isolate(self, steps: Sequence[Step], segment: _Segment, left: list[_Part], tell: Callable[[], None]) -> None:
        """Halve what the database refused; blame the row that is left (the architecture calls this isolating)."""
        if len(segment.changing) > _FEW:
            middle = segment.changing[len(segment.changing) // 2]
            left += [_Part(middle, segment.stop), _Part(segment.start, middle)]
            return
        if len(segment.changing) > 1:
            left.append(_Part(segment.start, segment.stop, is_single=True))
            return
        guilty = segment.changing[0]
        self._keep_account(steps, segment, segment.start, guilty, Written({}, ()), tell)
        self._singly.alone(steps[guilty])
        tell()
        self._forget(guilty + 1)
        if guilty + 1 < segment.stop:
            left.append(_Part(guilty + 1, segment.stop))

    def _keep_account(
        self,
        steps: Sequence[Step],
        segment: _Segment,
        start: int,
        stop: int,
        written: Written,
        tell: Callable[[], None],
    ) -> None:
        """Say to the steps from one to another how they ended."""
        for step, result in zip(
            steps[start:stop], segment.results[start - segment.start : stop - segment.start], strict=True
        ):
            if result is None:
                step.idle()
            elif isinstance(result, Plan):
                step.applied(result, Written(written.keys, result.changes))
            elif isinstance(result, RowError):
                step.failed(result)
            else:
                step.waits(result)
            tell()
