"""Whether two engines agree: the same rows, from the same start, leave the same database and the same outcomes (T1)."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.db.models import signals

from nsync import Input, SyncOptions, sync_all
from nsync.actions import Place
from nsync.errors import NsyncError
from nsync.models import ExternalSystem
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.record.report import Report
from tests.old_policies import OldOrderedPolicy
from tests.pictures import Photographer, Picture
from tests.plan.known import link, link_gone

POLICIES = {"basic": BasicSyncPolicy, "ordered": OrderedSyncPolicy, "old": OldOrderedPolicy}
_SHOWN_DIFFS = 20  # a dry run shows no more, and which ones is not said


class Variant(NamedTuple):
    """One way to run the same rows."""

    engine: str
    batch_size: int

    def __str__(self) -> str:
        return f"engine={self.engine!r}, batch_size={self.batch_size}"


REFERENCE = Variant("objects", 5_000)
AUTO = tuple(Variant("auto", size) for size in (5_000, 2, 7))
BULK = tuple(Variant("bulk", size) for size in (1, 2, 7, 5_000))
EVERY = (*BULK, *AUTO)


class Ref(NamedTuple):
    """Stands for an object of the start, in the values of a later one."""

    number: int  # in the list of things


class Thing(NamedTuple):
    """An object that is there before the first run, and the keys that mean it."""

    model: str
    values: Mapping[str, Any]
    keys: tuple[tuple[str, str], ...] = ()  # (system, key)


class Stale(NamedTuple):
    """A key whose object is gone."""

    model: str
    system: str
    key: str


class File(NamedTuple):
    """One source."""

    model: str
    text: str | bytes
    system: str = "HR"


@dataclass(frozen=True)
class Run:
    """The files of one run, and what was asked for."""

    files: tuple[File, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    policy: str = "basic"


@dataclass(frozen=True)
class Example:
    """What is there, and one run after the other."""

    start: tuple[Thing | Stale, ...]
    runs: tuple[Run, ...]

    def __str__(self) -> str:
        lines = ["start:", *(f"  {number}: {thing!r}" for number, thing in enumerate(self.start))]
        for number, run in enumerate(self.runs, start=1):
            lines.append(f"run {number}: policy {run.policy}, {dict(run.options)}")
            for file in run.files:
                lines += [f"  {file.system} {file.model}:", *(f"    {line!s}" for line in file.text.splitlines())]
        return "\n".join(lines)


class Told(NamedTuple):
    """What a run says of itself, but for messages, times and numbers of queries."""

    raised: str
    status: str = ""
    committed: bool = False
    exit_code: int = 0
    is_ended: bool = False  # before its last row
    displaced: int = 0
    writes: bool = False
    # (source, ordinal) → outcome, whether it is partly applied, (code, column) of what is said of it
    rows: Mapping[tuple[int, int], tuple[str, bool, tuple[tuple[str, str], ...]]] = {}
    columns: tuple[Any, ...] = ()  # per source: (code, column)
    foreseen: Any = None  # dry run: object.field → how often; (source, line, field) of each
    constraints: str = ""  # what COMMIT would have refused
    heard: tuple[str, ...] = ()  # by receivers of signals, if there are any

    def difference(self, other: Told) -> str:
        """Name the first thing that another run tells otherwise; nothing if it tells the same."""
        for place in sorted({*self.rows, *other.rows}):
            mine, its = self.rows.get(place), other.rows.get(place)
            if mine != its:
                return f"file {place[0] + 1}, data row {place[1] + 1}: wanted {mine}, found {its}"
        for name, mine, its in zip(self._fields, self, other, strict=True):
            if mine != its:
                return f"{name}: wanted {mine!r}, found {its!r}"
        return ""


class Step(NamedTuple):
    """What one run told and left."""

    told: Told
    picture: Picture


def check(
    example: Example, models: Collection[str], variants: Sequence[Variant] = EVERY, *, listens: bool = False
) -> None:
    """
    Run an example with every variant, each from the same start, and compare with the engine that is always right.

    Everything is undone again. Needs a test that may use the database.

    Args:
        example: What is there, and what is run.
        models: Names of all models of the test app whose objects the runs can touch.
        variants: What is compared with `REFERENCE`.
        listens: Let all models have receivers of all signals, which must hear the same.
    """
    camera = Photographer(models)
    with _undone():
        _make(example.start)
        start = camera.begin()
        with _undone():
            wanted = list(_steps(example, REFERENCE, camera, listens))
        for number, step in enumerate(wanted):
            before = wanted[number - 1].picture if number else start
            if not step.told.committed:
                _agree(example, REFERENCE, number, before.difference(step.picture), "though nothing was committed")
        for variant in _differing(variants, example):
            with _undone():
                steps = _steps(example, variant, camera, listens)
                for number, (step, found) in enumerate(zip(wanted, steps, strict=True)):
                    _agree(example, variant, number, step.told.difference(found.told), "told otherwise")
                    _agree(example, variant, number, step.picture.difference(found.picture), "left otherwise")
                    _agree(example, variant, number, _wrongly_saved(start, step, found), "saved otherwise")


def _differing(variants: Sequence[Variant], example: Example) -> Iterator[Variant]:
    """Leave out all but one of the variants whose batches hold all rows of a run, and all relations that wait."""
    most = max(sum(_rows_and_relations(file, run) for file in run.files) for run in example.runs)
    yield from {(variant.engine, min(variant.batch_size, most)): variant for variant in variants}.values()


def _rows_and_relations(file: File, run: Run) -> int:
    text = file.text.decode("latin-1") if isinstance(file.text, bytes) else file.text
    lines = text.splitlines() or [""]
    return len(lines) * (1 + lines[0].count("=>") + str(run.options).count("=>"))


def _agree(example: Example, variant: Variant, number: int, difference: str, what: str) -> None:
    if difference:
        raise AssertionError(f"{example}\n\n{variant}, run {number + 1}, {what} ({REFERENCE}):\n{difference}")


@contextmanager
def _undone() -> Iterator[None]:
    """Undo what happens inside."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _make(start: Sequence[Thing | Stale]) -> None:
    """Make the objects and the keys of a start; what the database refuses is left out."""
    for name in ("HR", "ERP"):
        ExternalSystem.objects.create(name=name)
    made: list[Any] = []
    for thing in start:
        if isinstance(thing, Stale):
            _try(lambda thing=thing: link_gone(_model(thing.model), thing.key, thing.system))
        made.append(None if isinstance(thing, Stale) else _try(lambda thing=thing: _create(thing, made)))
        if made[-1] is not None:
            for system, key in thing.keys:
                _try(lambda: link(made[-1], key, system))  # noqa: B023  # it is called at once


def _model(name: str) -> Any:
    return apps.get_model("testapp", name)


def _try(act: Callable[[], Any]) -> Any:
    try:
        with transaction.atomic():
            return act()
    except DatabaseError:
        return None


def _create(thing: Thing, made: Sequence[Any]) -> Any:
    def known(value: Any) -> Any:
        return made[value.number] if isinstance(value, Ref) else value

    model = _model(thing.model)
    several = {relation.name for relation in model._meta.many_to_many}
    target = model(**{name: known(value) for name, value in thing.values.items() if name not in several})
    target.save()
    for name in several & thing.values.keys():
        getattr(target, name).set([other for other in map(known, thing.values[name]) if other is not None])
    return target


def _steps(example: Example, variant: Variant, camera: Photographer, listens: bool) -> Iterator[Step]:
    for run in example.runs:
        with _heard() if listens else nullcontext(()) as heard:
            told = _run(run, variant)
        yield Step(told._replace(heard=tuple(heard)), camera.shoot())


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Collect the signals of all models but those of nsync."""
    heard: list[str] = []
    receivers = {}
    for name in ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed"):

        def hear(sender: Any, name: str = name, **sent: Any) -> None:
            if sender._meta.app_label == "testapp":
                what = [str(sent[key]) for key in ("created", "action", "reverse") if key in sent]
                heard.append(" ".join([name, sender.__name__, *what]))

        receivers[name] = hear
        getattr(signals, name).connect(hear)
    try:
        yield heard
    finally:
        for name, hear in receivers.items():
            getattr(signals, name).disconnect(hear)


def _run(run: Run, variant: Variant) -> Told:
    try:
        return _told(_report(run, variant))
    except NsyncError as error:
        return Told(type(error).__name__)


def _report(run: Run, variant: Variant) -> Report:
    inputs = [Input(_opened(file.text), f"testapp.{file.model}", file.system) for file in run.files]
    options = SyncOptions(**{**run.options, "engine": variant.engine, "batch_size": variant.batch_size})
    return sync_all(inputs, options=options, policy=POLICIES[run.policy])


def _opened(text: str | bytes) -> io.StringIO | io.BytesIO:
    return io.BytesIO(text) if isinstance(text, bytes) else io.StringIO(text)


def _told(report: Report) -> Told:
    said: dict[tuple[int, int], set[tuple[str, str]]] = {}
    lines: dict[tuple[int, int], int] = {}
    for entry in report.details():
        said[entry.source, entry.ordinal] = {(problem.code, problem.column) for problem in entry.problems}
        lines[entry.source, entry.ordinal] = entry.line
    rows = {}
    for source, told in enumerate(report.sources):
        for ordinal in range(told.rows):
            kind = report.ledger.kind(Place(source, ordinal, 0))
            partly = report.ledger.is_partly_applied(source, ordinal)
            rows[source, ordinal] = (kind.value if kind else "", partly, tuple(sorted(said.get((source, ordinal), ()))))
    diffs = sorted((diff.source, diff.line, diff.field) for diff in report.diffs)
    return Told(
        raised="",
        status=report.status,
        committed=report.committed,
        exit_code=report.exit_code,
        is_ended=bool(report.error),
        displaced=report.displaced,
        writes=report.writes,
        rows=rows,
        columns=tuple(sorted((it.code, it.column) for it in source.columns) for source in report.sources),
        foreseen=(report.changed_fields, diffs if len(diffs) < _SHOWN_DIFFS else None),
        constraints=_refused_later() if report.committed else "",
    )


def _refused_later() -> str:
    """Say what COMMIT would refuse, on databases that leave something to it."""
    if not connection.features.can_defer_constraint_checks:
        return ""
    try:
        with transaction.atomic():
            connection.check_constraints()
    except DatabaseError as error:
        return type(error).__name__
    return ""


def _wrongly_saved(start: Picture, wanted: Step, found: Step) -> str:
    """
    Say which objects were saved and should not have been, or the other way round (rule A7).

    An object that is as it was at the start may have been saved and saved back, or folded to nothing.
    """
    expected, saved = wanted.picture.saved(start), found.picture.saved(start)
    changed = wanted.picture.changed(start)
    surplus, missing = sorted(saved - expected), sorted((expected - saved) & changed)
    return f"saved in vain: {surplus}; changed and not saved: {missing}" if surplus or missing else ""
