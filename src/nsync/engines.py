"""Engine: how the rows of a source are read and written, and why. Part of the conductor."""

from __future__ import annotations

from dataclasses import dataclass

from nsync.apply.base import blockers, fillers, obstacles, related_blockers, related_obstacles
from nsync.decode.layout import Layout
from nsync.errors import ConfigError
from nsync.options import SyncOptions


@dataclass(frozen=True)
class Engine:
    """How the rows of one source are synced."""

    name: str  # as reports call it
    reads_batches: bool = False  # the questions of many rows are asked together
    writes_bulk: bool = False  # many objects are written together, without save() and signals
    reasons: tuple[str, ...] = ()  # why objects are written one by one; of bulk by request: what is passed over


ROW_BY_ROW = Engine("objects")


def choose_engine(layout: Layout, options: SyncOptions, *, is_walked: bool) -> Engine:
    """
    Give the engine of a source.

    Args:
        layout: Of the source.
        options: What the run is asked to do.
        is_walked: The policy applies action by action (rule P1).

    Raises:
        ConfigError: ``--engine bulk``, and the model cannot be written so.
    """
    if is_walked and options.engine == "bulk":
        raise ConfigError("--engine bulk: the policy applies its actions one by one; use auto, or a policy with phases")
    if is_walked:
        return Engine("objects", reasons=("the policy applies its actions one by one",))
    if options.engine == "objects":
        return ROW_BY_ROW
    hindered = _hindrances(layout, options)
    blocked = _blockers(layout)
    if options.engine == "bulk":
        if hindered and not options.dry_run:
            raise ConfigError(f"--engine bulk cannot write {layout.model._meta.label}: {'; '.join(hindered)}; use auto")
        return Engine("bulk", reads_batches=True, writes_bulk=not hindered, reasons=tuple(blocked))
    reasons = tuple(dict.fromkeys(hindered if options.dry_run else [*hindered, *blocked]))
    if reasons:
        return Engine("batches", reads_batches=True, reasons=reasons)
    return Engine("bulk", reads_batches=True, writes_bulk=True)


def _hindrances(layout: Layout, options: SyncOptions) -> list[str]:
    """Say why many objects cannot be written at once, whoever asks for it."""
    found = obstacles(layout.model)
    for group in layout.relations:
        found += related_obstacles(group.relation)
    if options.validate:
        found.append("--validate checks each object")
    if not options.dry_run:  # which sets no property
        found += _properties(layout)
    return list(dict.fromkeys(found))


def _blockers(layout: Layout) -> list[str]:
    """Say which code of the project expects to be called for each object."""
    found = [*blockers(layout.model), *fillers(layout.model, {column.attname for column in layout.fields})]
    for group in layout.relations:
        found += related_blockers(group.relation)
    return list(dict.fromkeys(found))


def _properties(layout: Layout) -> list[str]:
    return [f"{layout.model._meta.label}.{column.name} is a property" for column in layout.properties]


def unforeseen(layout: Layout) -> list[str]:
    """Say what a dry run cannot know: what code of the project would do (rule O4)."""
    return [*_blockers(layout), *_properties(layout)]
