"""
Did a contender do the work? Compare what the database holds with the file.

Every workload ends with exactly the objects of its file, or with none, and with the keys of its file. Objects are
compared by the sum of their hashes, so that a million need no memory; this runs after the figures are taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.workloads import OWNER_KEY, Workload, read


def outcome_problem(workload: Workload, rows: int, outcomes: dict[str, int]) -> str:
    """Say how the outcomes that nsync reports differ from those expected; empty if they do not."""
    expected = workload.outcomes(rows)
    return "" if outcomes == expected else f"outcomes {outcomes}, but expected {expected}"


def database_problems(workload: Workload, path: Path, *, maps: bool) -> list[str]:
    """Say how the database differs from what the file asks for; ``maps``: keys are compared too."""
    from benchmarks.app import models

    model = getattr(models, workload.model)
    wanted = _digest(() if workload.deletes else _wanted(workload, path))
    fields = [_field(column) for column in workload.columns]
    found = _digest(tuple(map(_text, values)) for values in model.objects.values_list(*fields or ["pk"]).iterator())
    problems = [] if found == wanted else [f"{found[0]} objects, not those of the file ({wanted[0]})"]
    if maps and "external_key" in workload.header:
        problems += _key_problems(workload, model, path)
    return problems


def undone_problems(workload: Workload, rows: int) -> list[str]:
    """Say how the database differs from what it held before the workload: as many objects and keys as rows, or none."""
    from benchmarks.app import models
    from nsync.models import ExternalKeyMapping

    wanted = rows if workload.before else 0
    found = getattr(models, workload.model).objects.count(), ExternalKeyMapping.objects.count()
    return [] if found == (wanted, wanted) else [f"{found[0]} objects and {found[1]} keys, not {wanted}"]


def _key_problems(workload: Workload, model: Any, path: Path) -> list[str]:
    """Compare which key means which object, and count all mappings of the model."""
    from django.contrib.contenttypes.models import ContentType

    from nsync.models import ExternalKeyMapping

    natural = workload.columns[0] if workload.columns else "pk"
    names = {str(pk): name for pk, name in model.objects.values_list("pk", natural).iterator()}
    mappings = ExternalKeyMapping.objects.filter(content_type=ContentType.objects.get_for_model(model))
    own = mappings.filter(external_system__name=workload.system).values_list("external_key", "object_id")
    pair = ("external_key", natural)
    wanted = _digest(() if workload.deletes else read(path, pair))
    found = _digest((key, names.get(str(pk), "")) for key, pk in own.iterator())
    problems = [] if found == wanted else [f"{found[0]} keys, not those of the file ({wanted[0]})"]
    others = mappings.exclude(external_system__name=workload.system).count()
    # A second system leaves the keys of the first alone.
    if others != (0 if workload.system == "HR" else wanted[0]):
        problems.append(f"{others} keys of other systems")
    return problems


def _digest(tuples: Iterable[tuple[str, ...]]) -> tuple[int, int]:
    """Give the number of tuples and the sum of their hashes, whatever their order; good within one process."""
    count = total = 0
    for values in tuples:
        count += 1
        total += hash(values)
    return count, total


def _field(column: str) -> str:
    return "owner__employee_id" if column == OWNER_KEY else column.replace("=>", "__")


def _wanted(workload: Workload, path: Path) -> Iterator[tuple[str, ...]]:
    """Give the objects that the file asks for; an owner by its employee id, as the database has it."""
    rows = read(path, workload.columns)
    if OWNER_KEY not in workload.columns:
        return rows
    at = workload.columns.index(OWNER_KEY)
    return ((*row[:at], f"E{row[at][1:]}", *row[at + 1 :]) for row in rows)


def _text(value: Any) -> str:
    return "" if value is None else str(value)
