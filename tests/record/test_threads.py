"""A report outlives the thread of its run, as in a server."""

from __future__ import annotations

import threading

from nsync.actions import Place
from nsync.errors import Problem
from nsync.record.details import WARNING, Details


def test_details_are_told_in_another_thread_than_they_were_noted_in() -> None:
    """O2."""
    made: list[Details] = []

    def note() -> None:
        details = Details()
        details.note(Place(0, 0, 2), WARNING, Problem("held-by", "kept"))
        made.append(details)

    thread = threading.Thread(target=note)
    thread.start()
    thread.join()

    assert [(entry.line, entry.problems[0].code) for entry in made[0].entries()] == [(2, "held-by")]
