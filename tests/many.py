"""Files of many rows, and receivers that hear what a run does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from django.db.models import Model
from django.db.models.signals import ModelSignal, post_save


def rows(cells: Mapping[str, str], numbers: Iterable[int]) -> str:
    """Write a CSV text: header → cell, the same in each row but for ``{}``, which stands for the number of the row."""
    lines = [",".join(cells), *(",".join(cells.values()).replace("{}", str(number)) for number in numbers)]
    return "\n".join(lines) + "\n"


class Heard(NamedTuple):
    """One call of a receiver."""

    instance: Model | None  # pre_init has none
    created: bool | None
    update_fields: frozenset[str] | None


@contextmanager
def listening(sender: type[Model], signal: ModelSignal = post_save) -> Iterator[list[Heard]]:
    """Let a receiver hear the signals of a model, and collect them."""
    heard: list[Heard] = []

    def hear(instance: Any = None, created: Any = None, update_fields: Any = None, **_: Any) -> None:
        heard.append(Heard(instance, created, update_fields))

    signal.connect(hear, sender=sender)
    try:
        yield heard
    finally:
        signal.disconnect(hear, sender=sender)
