"""How far a run has come, as a terminal or a log sees it."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from typing import Any

import pytest
from django.core.management.base import OutputWrapper

from nsync import sync
from nsync.management.progress import FIRST, Bar, PlainLines, choose_display, duration
from nsync.policies import OrderedSyncPolicy


def test_a_plain_line_every_ten_seconds() -> None:
    lines: list[str] = []
    now = 100.0
    display = PlainLines(lines.append, clock=lambda: now)

    for second in range(35):
        now = 100.0 + second
        display(second * 1000, second * 10, 400)

    assert lines == [
        "10,000 rows, 25%, 1,000 rows/s, about 30 s left",
        "20,000 rows, 50%, 1,000 rows/s, about 20 s left",
        "30,000 rows, 75%, 1,000 rows/s, about 10 s left",
    ]


def test_a_short_run_shows_nothing() -> None:
    lines: list[str] = []
    display = PlainLines(lines.append, clock=lambda: 0.0)

    display(1000, 10, 20)
    display.close()

    assert lines == []


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_and_a_file_gets_lines() -> None:
    pytest.importorskip("tqdm")

    assert isinstance(choose_display(OutputWrapper(Terminal()), print), Bar)
    assert isinstance(choose_display(OutputWrapper(io.StringIO()), print), PlainLines)


@pytest.mark.skipif(not hasattr(os, "openpty"), reason="needs terminals as Unix has them")
def test_a_terminal_without_a_size_gets_lines() -> None:
    """A bar would be 0 columns wide."""
    main, side = os.openpty()
    with open(side, "w") as terminal:
        assert isinstance(choose_display(OutputWrapper(terminal), print), PlainLines)
    os.close(main)


def test_on_a_terminal_the_first_line_comes_soon() -> None:
    lines: list[str] = []
    now = 0.0
    display = PlainLines(lines.append, clock=lambda: now, first=FIRST)

    for second in range(15):
        now = float(second)
        display(second, second, 15)

    assert [line.split(" rows,")[0] for line in lines] == ["2", "12"]


@pytest.mark.django_db
def test_rows_count_once_in_a_run_of_several_phases() -> None:
    told: list[int] = []
    text = "action_flags,match_on,first_name\n" + "".join(f"c,first_name,P{number}\n" for number in range(100))

    def note(rows: int, done: int, total: int) -> None:
        told.append(rows)

    sync(io.StringIO(text), "testapp.Person", system="HR", policy=OrderedSyncPolicy, progress=note)

    assert told == [100, 100, 100]


def test_a_bar_shows_rows_and_leaves_nothing_behind() -> None:
    tqdm = pytest.importorskip("tqdm").tqdm
    terminal = Terminal()

    def at_once(**given: Any) -> Any:
        return tqdm(**{**given, "delay": 0, "mininterval": 0, "dynamic_ncols": False, "ncols": 80})

    display = Bar(at_once, terminal)
    display(100, 50, 200)
    display(200, 100, 200)
    display.close()

    assert " 25 % |" in terminal.getvalue()
    assert "200 rows" in terminal.getvalue()
    assert terminal.getvalue().endswith("\r")


@pytest.mark.parametrize(("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (200, "3 min 20 s"), (7500, "2 h 5 min")])
def test_durations_are_said_as_people_say_them(seconds: float, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize("options", [{}, {"progress": False}, {"verbosity": 0}])
def test_a_run_of_a_moment_says_nothing_on_standard_error(
    command: Callable[..., Any], in_folder: Any, options: dict[str, object]
) -> None:
    (in_folder / "persons.csv").write_text("action_flags,match_on,first_name\nc,first_name,Homer\n")

    assert command("syncfile", "HR", "testapp", "Person", "persons.csv", **options).err == ""
