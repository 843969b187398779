"""
Three systems hold the same objects: by unforced deletes none of them takes what another one still holds (A6).

A machine of Hypothesis runs files of theirs in any order; after every run it looks at who holds what.
"""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Collection
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NamedTuple

import pytest
from django.db import transaction
from django.db.models import ProtectedError
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from nsync.models import Run as RunRecord
from nsync.undo import undo
from tests.agreeing import File, Run, Told, Variant, _make, _model, _run, _undone
from tests.holding import (
    HELD,
    MATCHED,
    Ask,
    Deletes,
    Key,
    Object,
    Sight,
    foresee_deletes,
    foresee_displacing,
    look,
)
from tests.plan.known import table
from tests.strategies import KEYS, starts, texts
from tests.test_engines_agree import _CHECKS, _EXAMPLES, _PHASES
from tests.undoing import differences

SYSTEMS = ("HR", "ERP", "CRM")
VARIANTS = st.sampled_from([Variant("auto", 5_000), Variant("auto", 2), Variant("objects", 5_000)])
# What the rows of one file ask for: no deletion is forced.
_FLAGS = (
    ("cu*",),
    ("cu",),
    ("c", "cu*", "u*"),
    ("cu*", "u", "d"),
    ("cu", "u*", "d"),
    ("c", "d", "d"),
    ("d",),
)


@st.composite
def files(draw: Any, systems: Collection[str] = SYSTEMS) -> File:
    """Draw a file of one of some systems."""
    model = draw(st.sampled_from(sorted(HELD.sheets)))
    return File(model, draw(texts(HELD.sheets[model], _FLAGS)), draw(st.sampled_from(sorted(systems))))


@st.composite
def runs(draw: Any) -> Run:
    """Draw one to three files, mostly of one system, and what is asked for."""
    systems = draw(st.sampled_from([*((name,) for name in SYSTEMS), SYSTEMS]))
    options = {
        "on_error": draw(st.sampled_from(("skip",) * 4 + ("rollback",))),
        "on_displaced": draw(st.sampled_from(("keep", "error", "delete"))),
    }
    chosen = draw(st.lists(files(systems), min_size=1, max_size=3))
    return Run(tuple(chosen), options, draw(st.sampled_from(("basic", "ordered"))))


@st.composite
def deletes(draw: Any, sight: Sight) -> Deletes:
    """Draw a file that deletes: rows with keys that the system has, as a rule, and with the match of an object."""
    live = sorted(key for key in sight.keys.keys() - sight.stale if key.model in MATCHED)
    drawn = Key(draw(st.sampled_from(SYSTEMS)), draw(st.sampled_from(sorted(MATCHED))), "")
    system, model, _ = draw(st.sampled_from([*live, drawn]))
    own = [key.key for key in sight.keys if (key.system, key.model) == (system, model)]
    values = [value for value in HELD.kinds[model].values[MATCHED[model]] if value]
    key, match = st.sampled_from((*own * 4, *KEYS, "")), st.sampled_from([None, None, None, "", *values])
    asks = draw(st.lists(st.builds(Ask, key, match), min_size=1, max_size=4))
    return Deletes(system, model, tuple(asks), draw(st.sampled_from((False, False, True))))


def _has_keys(file: File) -> bool:
    return "external_key" in str(file.text).partition("\n")[0].split(",")


class Done(NamedTuple):
    """A run that was made: what there was before and after it, and what it told."""

    run: Run
    before: Sight
    after: Sight
    told: Told

    @property
    def lost(self) -> set[Object]:
        """Give the objects that are gone."""
        return self.before.objects - self.after.objects

    @property
    def outcomes(self) -> list[str]:
        """Give what became of each row."""
        return [self.told.rows[place][0] for place in sorted(self.told.rows)]

    @property
    def deleting(self) -> set[str]:
        """Give the systems that have deleted something: what is theirs may have gone along."""
        if "snapshot" in self.run.options:
            return {file.system for file in self.run.files}
        rows = self.told.rows.items()
        return {self.run.files[source].system for (source, _), (outcome, *_) in rows if outcome == "deleted"}

    @property
    def given_up(self) -> set[Key]:
        """Give the keys that a system itself gave up."""
        asked = {Key(file.system, file.model, key) for file in self.run.files for key in _deleted_keys(file)}
        return asked | self.unnamed if "snapshot" in self.run.options else asked

    @property
    def unnamed(self) -> set[Key]:
        """Give the keys that a run's files, each of them the whole truth, do not name."""
        named = {Key(file.system, file.model, key) for file in self.run.files for key in _named_keys(file)}
        feeds = {(file.system, file.model) for file in self.run.files}
        return {key for key in self.before.keys if (key.system, key.model) in feeds} - named


def _deleted_keys(file: File) -> set[str]:
    rows = csv.DictReader(io.StringIO(str(file.text)))
    return {row["external_key"] for row in rows if row.get("external_key") and "d" in (row["action_flags"] or "")}


def _named_keys(file: File) -> set[str]:
    return {(row.get("external_key") or "").strip() for row in csv.DictReader(io.StringIO(str(file.text)))}


class _Last(NamedTuple):
    """The run that was made last, and what there was before it."""

    number: int
    before: Sight
    stale: set[Key]


class ThreeSystems(RuleBasedStateMachine):
    """What the systems may do, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.stale: set[Key] = set()  # keys whose objects the application has deleted
        self.last: _Last | None = None
        self._stack = ExitStack()
        self._stack.enter_context(_undone())

    def teardown(self) -> None:
        self._stack.close()

    @initialize(start=starts(HELD))
    def begin(self, start: Any) -> None:
        """Two of the systems have keys before the first run, some of them stale."""
        _make(start)
        self.stale = look().stale

    @rule(run=runs(), variant=VARIANTS)
    def run_files(self, run: Run, variant: Variant) -> None:
        """Any files: what another system holds is there afterwards, unless a forced update has displaced it."""
        done = self.make(run, variant)
        if not done.told.displaced:
            _check_held(done)

    @rule(data=st.data(), variant=VARIANTS)
    def delete(self, data: Any, variant: Variant) -> None:
        """A file of deletions leaves what the rules A5 and A6 say, and says so of each row."""
        file = data.draw(deletes(look()))
        outcomes, expected = foresee_deletes(file)
        done = self.make(Run((file.file,), {"on_error": "skip"}), variant)
        assert done.outcomes == outcomes
        assert not expected.difference(done.after)
        if not file.is_forced:
            _check_held(done)

    @rule(file=files().filter(_has_keys), action=st.sampled_from(("delete", "delete", "release")), variant=VARIANTS)
    def take_as_the_whole_truth(self, file: File, action: str, variant: Variant) -> None:
        """A snapshot leaves its system the keys that it names, and takes nothing that another system holds (G2)."""
        options = {"snapshot": True, "snapshot_action": action, "allow_deletes": True, "on_displaced": "keep"}
        skipping = {"on_error": "skip", "snapshot_despite_errors": True}
        done = self.make(Run((file,), {**options, **skipping}), variant)
        _check_held(done)
        if done.told.committed:
            assert not done.unnamed & done.after.keys.keys()

    @rule(data=st.data(), variant=VARIANTS)
    def displace(self, data: Any, variant: Variant) -> None:
        """A forced update removes what has its match values, unless its own system holds that (A4)."""
        sight = look()
        live = sorted(key for key in sight.keys.keys() - sight.stale if key.model in MATCHED)
        if not live:
            return
        key = data.draw(st.sampled_from(live))
        value = data.draw(st.sampled_from([one for one in HELD.kinds[key.model].values[MATCHED[key.model]] if one]))
        outcome, displaced, expected = foresee_displacing(key, value)
        column = MATCHED[key.model]
        text = table(("external_key", "action_flags", "match_on", column), (key.key, "u*", column, value))
        done = self.make(Run((File(key.model, text, key.system),), {"on_error": "skip"}), variant)
        assert (done.outcomes, done.told.displaced) == ([outcome], displaced)
        assert not expected.difference(done.after)

    @rule(model=st.sampled_from(sorted(MATCHED)), number=st.integers(0, 2))
    def delete_by_the_application(self, model: str, number: int) -> None:
        """The application deletes an object, whoever holds it: keys become stale."""
        objects = list(_model(model)._base_manager.order_by("pk"))
        if number < len(objects):
            try:
                with transaction.atomic():
                    objects[number].delete()
            except ProtectedError:
                return
            self.stale, self.last = look().stale, None

    @precondition(lambda self: self.last is not None)
    @rule()
    def take_back(self) -> None:
        """Right after a run, or an undo, all is as it was before it."""
        assert self.last is not None
        number, before, stale = self.last
        there, stale_there = look(), self.stale
        report = undo(number)
        after = look()
        assert report.left == []
        assert not differences(before.tables, after.tables)
        self.last = _Last(RunRecord.objects.latest("pk").pk, there, stale_there)
        self.stale = stale

    def make(self, run: Run, variant: Variant) -> Done:
        """Make a run, and check what is true of every run."""
        before = look()
        told = _run(replace(run, options={**run.options, "record": "changes"}), variant)
        done = Done(run, before, look(), told)
        assert not told.raised
        assert done.after.stale <= self.stale, "a key means nothing, though only this run has deleted objects"
        if not told.committed:
            assert not differences(before.tables, done.after.tables)
            return done
        _check_counts(done)
        self.last = _Last(RunRecord.objects.latest("pk").pk, before, self.stale)
        self.stale = done.after.stale
        return done


def _check_held(done: Done) -> None:
    """
    What a system holds is there as long as it holds it (A6).

    A system may give up a key, by a row that deletes; and with an object that it deletes goes what it alone holds.
    """
    before, after = done.before, done.after
    there = after.objects
    for key in before.keys.keys() - before.stale:
        target = before.keys[key]
        if after.keys.get(key) == target and target in there:
            continue
        is_gone = target not in there
        goes_along = is_gone and key not in after.keys and key.system in done.deleting
        assert goes_along or key in done.given_up, f"{key} meant {target}, which is {'gone' if is_gone else 'there'}"


def _check_counts(done: Done) -> None:
    """What is deleted or displaced is counted, and so is what is new."""
    counts = Counter(done.outcomes)
    own = {_model(name)._meta.label for name in HELD.models}
    lost = {target for target in done.lost if target[0] in own}
    if "snapshot" in done.run.options:
        return  # what it takes away is no row
    if lost:
        assert counts["deleted"] or done.told.displaced, f"gone, and not counted: {sorted(lost)}"
        return
    new = {target for target in done.after.objects - done.before.objects if target[0] in own}
    employees = {pk for label, pk in new if label == "testapp.Employee"}
    new -= {("testapp.Person", pk) for pk in employees}
    is_partly = any(partly for _, partly, _ in done.told.rows.values())
    if not counts["deleted"] and not done.told.displaced and not is_partly:
        assert len(new) == counts["created"]


@pytest.mark.django_db
def test_no_system_takes_what_another_holds() -> None:
    """A4 to A6, A8, I1, M1: whatever the order of files and runs."""
    chosen = settings(max_examples=2 * _EXAMPLES, stateful_step_count=12, suppress_health_check=_CHECKS, phases=_PHASES)
    run_state_machine_as_test(ThreeSystems, settings=chosen)
