"""What a report and the mappings say, in the plainest form, so that a test can compare it in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import Model
from django.db.models.signals import post_save

from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.record.report import Report


def outcomes(report: Report) -> dict[str, int]:
    """Give the counts of a report by plain names: ``{"created": 2}``."""
    return {kind.value: count for kind, count in report.counts.items()}


def codes(report: Report) -> list[tuple[int, str, str]]:
    """Give every problem that a report tells: line, code, column."""
    return [(entry.line, problem.code, problem.column) for entry in report.details() for problem in entry.problems]


def keys_of(target: Any) -> set[tuple[str, str]]:
    """Give the mappings of an object: system, key."""
    content_type = ContentType.objects.get_for_model(type(target))
    rows = ExternalKeyMapping.objects.filter(content_type=content_type, object_id=str(target.pk))
    return set(rows.values_list("external_system__name", "external_key"))


def notes(report: Report) -> list[tuple[str, str]]:
    """Give what a report says of columns: code, column."""
    return [(problem.code, problem.column) for source in report.sources for problem in source.columns]


@contextmanager
def noting_saves() -> Iterator[list[Model]]:
    """Collect what is saved with a signal, but for the external system; nothing if a run changes nothing (A7)."""
    saved: list[Model] = []

    def note(instance: Model, **_: Any) -> None:
        if not isinstance(instance, ExternalSystem):
            saved.append(instance)

    post_save.connect(note)
    try:
        yield saved
    finally:
        post_save.disconnect(note)
