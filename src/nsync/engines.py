"""Engine: how the rows of a source are read and written, and why. Part of the conductor."""

from collections.abc import Sequence
from typing import NamedTuple

from nsync.apply import columns as apply_columns
from nsync.apply.base import blockers, fillers, obstacles, related_blockers, related_obstacles
from nsync.decode import columns as decode_columns
from nsync.decode.layout import Layout
from nsync.errors import ConfigError
from nsync.fields import concrete_model
from nsync.options import SyncOptions
from nsync.plan import columns as plan_columns
from nsync.policies import Phase, kinds_of


class Engine(NamedTuple):
    """How the rows of one source are synced."""

    name: str  # as reports call it
    reads_batches: bool = False  # the questions of many rows are asked together
    writes_bulk: bool = False  # many objects are written together, without save() and signals
    writes_columns: bool = False  # ordinary rows are decided and written by whole columns
    can_prove: bool = False  # rows that change nothing may be found by the database
    hint: str = ""  # why not by columns
    reasons: tuple[str, ...] = ()  # why objects are written one by one; of bulk by request: what is passed over


ROW_BY_ROW = Engine("objects")


def choose_engine(layout: Layout, options: SyncOptions, phases: Sequence[Phase] | None) -> Engine:
    """
    Give the engine of a source.

    Args:
        layout: Of the source.
        options: What the run is asked to do.
        phases: Of the policy; None: it applies action by action (rule P1).

    Raises:
        ConfigError: ``--engine bulk`` or ``columns``, and the model cannot be written so.
    """
    wants_bulk = options.engine in ("bulk", "columns")
    if phases is None and wants_bulk:
        message = "the policy applies its actions one by one; use auto, or a policy with phases"
        raise ConfigError(f"--engine {options.engine}: {message}")
    if phases is None:
        return Engine("objects", reasons=("the policy applies its actions one by one",))
    if options.engine == "objects":
        return ROW_BY_ROW
    hindered = _hindrances(layout, options)
    blocked = _blockers(layout)
    label = layout.model._meta.label
    if wants_bulk and hindered and not options.dry_run:
        raise ConfigError(f"--engine {options.engine} cannot write {label}: {'; '.join(hindered)}; use auto")
    unfit = _why_not_decided(layout, phases)
    can_prove = not unfit and options.engine != "bulk" and not options.validate
    if not wants_bulk and (reasons := tuple(dict.fromkeys(hindered if options.dry_run else [*hindered, *blocked]))):
        return Engine("batches", reads_batches=True, can_prove=can_prove, reasons=reasons)
    passed_over = tuple(blocked) if wants_bulk else ()
    hint = "" if options.engine == "bulk" else unfit or _why_not_written(layout, options)
    if options.engine == "columns" and hint and not options.dry_run:
        raise ConfigError(f"--engine columns cannot write {label}: {hint}; use auto or bulk")
    is_written = options.engine != "bulk" and not hint
    return Engine(
        "columns" if is_written else "bulk",
        reads_batches=True,
        writes_bulk=is_written or not hindered,
        writes_columns=is_written,
        can_prove=can_prove,
        hint=hint,
        reasons=passed_over,
    )


def _why_not_decided(layout: Layout, phases: Sequence[Phase]) -> str:
    """Say why rows cannot be decided by whole columns; "" if they can."""
    if kinds_of(phases) is None:
        return "the policy chooses the phase of each action"
    model = concrete_model(layout.model)
    references = []
    for group in layout.relations:
        path = group.columns[0].path
        references.append((group.relation, path.fields if path else ""))
    attnames = [column.attname for column in layout.fields]
    return decode_columns.unfit(layout) or plan_columns.unfit(model, attnames, references)


def _why_not_written(layout: Layout, options: SyncOptions) -> str:
    if options.dry_run:
        return "a dry run tells what changes, row by row"
    return apply_columns.unfit(concrete_model(layout.model))


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
