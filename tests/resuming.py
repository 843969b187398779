"""Whether a run that was interrupted, and goes on, ends as one that was not: the same database, the same report."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.db import connection

from nsync import Input, SyncOptions, sync_all
from nsync.errors import NsyncError
from nsync.models import Checkpoint
from nsync.models import Run as RunRecord
from nsync.record.report import FINISHED
from nsync.undo import undo
from tests.agreeing import POLICIES, Example, Run, Told, Variant, _make, _run, _told, _undone
from tests.pictures import Photographer
from tests.undoing import differences, tables

_SAVEPOINT = re.compile("(RELEASE |ROLLBACK TO )?SAVEPOINT")
Moments = Callable[[int], Sequence[Sequence[int]]]  # of a number of statements


class Killed(BaseException):
    """What ends a run as SIGKILL does: nobody expects it, and nothing is written down."""


@contextmanager
def killed_before(number: int = 0) -> Iterator[list[str]]:
    """
    Raise Killed before a statement is sent, counted from 1, or as soon as it can be; gives the statements. 0: never.

    Where no savepoint is set it would break the transaction of the test: only a real process can be killed there.
    """
    sent: list[str] = []
    left = [number] if number else []

    def see(execute: Any, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not _SAVEPOINT.match(str(sql)):
            sent.append(str(sql))
            if left and len(sent) >= number and None not in connection.savepoint_ids:
                left.clear()
                raise Killed
        return execute(sql, params, many, context)

    with connection.execute_wrapper(see):
        yield sent


def write_files(run: Run, folder: Path) -> list[Input]:
    """Write the files of a run; a stream could not be read again."""
    inputs = []
    for number, file in enumerate(run.files):
        path = folder / f"{number}.csv"
        path.write_bytes(file.text if isinstance(file.text, bytes) else file.text.encode())
        inputs.append(Input(path, f"testapp.{file.model}", file.system))
    return inputs


def check_resumed(
    example: Example, models: Collection[str], variant: Variant, folder: Path, moments: Moments
) -> list[RunRecord]:
    """
    Interrupt the last run of an example, and go on; compare with the same run as if nothing had happened.

    The run is then undone, which leaves what was there before.

    Args:
        example: What is there, and what is run.
        models: Names of all models of the test app whose objects the runs can touch.
        variant: How.
        folder: Where the files are written.
        moments: Given the number of statements of the run, says before which of them it is interrupted: one list for
            each try; the second moment of a list counts the statements of what goes on first.

    Returns:
        The run of each try.
    """
    camera = Photographer(models)
    *earlier, last = example.runs
    asked = {**last.options, "as_transaction": False, "record": "changes"}
    options = SyncOptions(**{**asked, "engine": variant.engine, "batch_size": variant.batch_size})
    inputs = write_files(last, folder)
    found: list[RunRecord] = []

    def run(resume: int | None) -> Told:
        try:
            return _told(sync_all(inputs, options=replace(options, resume=resume), policy=POLICIES[last.policy]))
        except NsyncError as error:
            return Told(f"{type(error).__name__} {error}")

    with _undone():
        _make(example.start)
        camera.begin()
        for one in earlier:
            _run(one, variant)
        before = tables()
        with _undone(), killed_before() as sent:
            wanted, picture = run(None), camera.shoot()
        if wanted.raised:
            return []
        for tries in moments(len(sent)):
            with _undone():
                told = _interrupted(run, tries)
                found.append(RunRecord.objects.filter(undoes=None).latest("pk"))
                if told.status == FINISHED:  # interrupted after its end was written down
                    told = wanted
                difference = wanted.difference(told) or picture.difference(camera.shoot())
                assert not difference, f"{example}\n\n{variant}, interrupted at {tries}:\n{difference}"
                is_finished = not told.is_ended and options.on_error == "skip"
                assert not (is_finished and Checkpoint.objects.filter(run=found[-1].pk).exists())
                if told.committed:
                    left = undo(found[-1].pk).left
                    wrong = [*map(str, left), *differences(before, tables()).splitlines()]
                    assert wrong == [], "\n".join([f"{example}\n\n{variant}, interrupted at {tries}, undone:", *wrong])
    return found


def _interrupted(run: Callable[[int | None], Told], tries: Sequence[int]) -> Told:
    """Begin a run, interrupt it again and again, and let it go on; gives what it tells when it ends."""
    known = set(RunRecord.objects.values_list("pk", flat=True))
    for moment in (*tries, 0):
        begun = RunRecord.objects.exclude(pk__in=known).values_list("pk", flat=True).first()
        try:
            with killed_before(moment):
                return run(begun)
        except Killed:
            continue
    raise AssertionError("the last time nothing interrupts it")
