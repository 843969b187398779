"""Told: what is kept of runs, as lines that people read."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.utils import timezone

from nsync.models import RowOutcome, Run
from nsync.record.reading import ChangeCount
from nsync.record.text import plain
from nsync.record.values import to_json
from nsync.record.why import Cause, Explanation, FieldCause
from nsync.recording import KeptRow
from nsync.veils import NOT_KEPT

_DIGEST: Final = 12  # characters of a SHA-256 that tell files apart
_LONGEST_ERROR: Final = 5_000
_KEPT: Final = {"part": "part of the changes"}  # in words
_INDENT: Final = "  "


def runs_told(runs: Iterable[Run]) -> list[str]:
    """Give one line for each run."""
    rows = (
        [
            str(run.pk),
            run.status,
            moment(run.started),
            _seconds(run),
            plain(_who(run)),
            f"{plain(run.system)} → {plain(run.model)}",
            _counts(run.outcomes) or plain(run.error),
        ]
        for run in runs
    )
    return _table(rows, (0, 3))


def run_told(run: Run, undoers: Sequence[int], stood_after: str = "") -> Iterator[str]:
    """Tell all that the record of a run itself holds, line by line; and after which row it can go on, if it can."""
    yield f"Run {run.pk}: {run.status}{_undone_by(run, undoers)}"
    if run.undoes_id:
        yield f"It undoes run {run.undoes_id}."
    yield from _told({"began": moment(run.started), "ended": moment(run.ended), "took": _seconds(run), "by": _who(run)})
    yield from _told({"command": run.command, "policy": run.policy, "options": _named(run.options)})
    if run.queries is not None:
        yield from _told({"queries": f"{run.queries:,}"})
    if run.peak_memory:
        yield from _told({"memory": f"{run.peak_memory / 1e6:,.0f} MB at most"})
    yield from _told({"kept": _KEPT.get(run.recorded, run.recorded), "error": plain(run.error, _LONGEST_ERROR)})
    if stood_after and not undoers:
        yield from _told({"resume": f"--resume {run.pk} goes on after {stood_after}"})
    if run.sources:
        yield from ("", "Sources", *map(_source, run.sources))
    else:  # an undo; or a run that has not ended by itself
        yield from ("", f"{_INDENT}{plain(run.system)} → {plain(run.model)}")
    outcomes = {**run.outcomes, **({"displaced": run.displaced} if run.displaced else {})}
    for title, counts in (("Outcomes", outcomes), ("Warnings", run.warnings)):
        if counts:
            yield from ("", title, *_table(([name, f"{count:,}"] for name, count in counts.items()), (1,)))


def outcomes_told(run: Run, outcomes: Iterable[RowOutcome], more: int) -> Iterator[str]:
    """
    Tell of the rows of a run, line by line.

    Args:
        run: Which.
        outcomes: Those that are told.
        more: How many there are beside.
    """
    for number, outcome in enumerate(outcomes):
        if number == 0:
            yield from ("", "Rows")
        column = f"[{plain(outcome.column)}] " if outcome.column else ""
        value = f": {plain(outcome.value)!r}" if outcome.value and repr(outcome.value) not in outcome.message else ""
        place = place_of(run, outcome.source, outcome.line)
        start = ": ".join(filter(None, (place, outcome.outcome, outcome.code)))
        yield f"{_INDENT}{start}: {column}{plain(outcome.message)}{value}"
    if more:
        yield f"{_INDENT}and {more:,} more: -v 2 shows all"


def counts_told(run: Run, counts: Sequence[ChangeCount]) -> list[str]:
    """Say how many rows of which tables a run changed, and how."""
    if counts:
        rows = ([count.label, count.kind, f"{count.rows:,}"] for count in counts)
        return ["", "Changes", *_table(rows, (2,))]
    if run.recorded == "changes":
        return ["", "It changed nothing."]
    return ["", "What it changed is not kept."]


def change_told(run: Run, row: KeptRow) -> str:
    """Tell one change; of a row that was created or deleted the values that are not empty."""
    names = dict.fromkeys((*row.before, *row.after, *row.hidden))
    is_update = row.kind.value == "update"
    texts = [f"{name}: {told}" for name in names if (told := _change(row, name, is_update))]
    place = place_of(run, row.source, row.line)
    parts = (f"{row.kind.value} {row.label} {plain(str(row.pk))}", ", ".join(texts), f"({place})" if place else "")
    return f"{_INDENT}{_INDENT.join(filter(None, parts))}"


def _change(row: KeptRow, name: str, is_update: bool) -> str:
    if name in row.hidden:
        return NOT_KEPT
    if is_update:
        return f"{value_told(row.before.get(name))} → {value_told(row.after.get(name))}"
    value = row.before.get(name, row.after.get(name))
    return "" if value in (None, "") else value_told(value)


def explanation_told(found: Explanation) -> Iterator[str]:
    """Tell why an object is as it is, line by line."""
    head = f"{found.label} {plain(found.pk)}"
    if found.is_there:
        yield head
    elif found.deletion is None:
        yield f"{head} is gone; what deleted it is not kept"
    else:
        yield f"{head} is gone: deleted by {_cause(found.deletion, found.undone)}"
    yield from _table([field.name, _values(field, found.is_there), _why(field, found.undone)] for field in found.fields)
    if not found.is_there and not found.mappings:
        return
    yield from ("", "Keys that mean it" if found.mappings else "No key means it.")
    yield from _table(
        [
            f"{plain(mapping.system)}:{plain(mapping.key)}",
            mapping.label if mapping.label != found.label else "",
            "by no run that is kept" if mapping.cause is None else _by(mapping.cause, found.undone, "mapped"),
        ]
        for mapping in found.mappings
    )


def _values(field: FieldCause, is_there: bool) -> str:
    """Give the values that a field had before and after the run that set it; the present one if none did."""
    if field.is_hidden:
        return NOT_KEPT
    row = None if field.cause is None else field.cause.row
    if row is None or field.attname not in row.after:  # what a database numbers need not be known
        return value_told(field.present) if is_there or field.present is not None else "(unknown)"
    after = value_told(row.after[field.attname])
    return f"{value_told(row.before.get(field.attname))} → {after}" if row.kind.value == "update" else after


def _why(field: FieldCause, undone: Collection[int]) -> str:
    if field.cause is None:
        return "set by no run that is kept"
    is_insert = field.cause.row.kind.value == "insert"
    text = _by(field.cause, undone, "created" if is_insert else "set")
    if not field.is_later:
        return text
    return f"{text}; something else made it {NOT_KEPT if field.is_hidden else value_told(field.present)} since"


def _by(cause: Cause, undone: Collection[int], verb: str) -> str:
    return f"{verb} by {_cause(cause, undone)}"


def _cause(cause: Cause, undone: Collection[int]) -> str:
    run, row = cause
    name = f"run {run.pk}"
    if run.pk in undone:
        name += " (undone)"
    if run.undoes_id:
        name += f" (undoes run {run.undoes_id})"
    place = place_of(run, row.source, row.line)
    return ", ".join(filter(None, (name, plain(system_of(run, row.source)), place, moment(run.started))))


def system_of(run: Run, source: int) -> str:
    """Name the system of a source of a run."""
    sources = _sources(run)
    return str(sources[source].get("system", "")) if 0 <= source < len(sources) else run.system


def source_of(run: Run, source: int) -> str:
    """Name a source of a run; "" if a change is of none."""
    if source < 0:
        return ""
    sources = _sources(run)
    return str(sources[source].get("name", "")) if source < len(sources) else f"source {source + 1}"


def _sources(run: Run) -> list[dict[str, Any]]:
    """Give what is known of the sources: a run says it when it ends, and an undo has those of the run."""
    while not run.sources and run.undoes is not None:
        run = run.undoes
    sources: list[dict[str, Any]] = run.sources
    return sources


def place_of(run: Run, source: int, line: int) -> str:
    """Say where a row stands: ``houses.csv:41``."""
    name = plain(source_of(run, source))
    return f"{name}:{line}" if name and line else name


def value_told(value: object) -> str:
    """Give a value on one line, and so that NULL and the empty text are apart."""
    if value is None:
        return "(null)"
    if isinstance(value, dict | list):
        return plain(to_json(value))
    if isinstance(value, datetime) and timezone.is_aware(value):
        value = timezone.localtime(value)
    if isinstance(value, bytes | bytearray | memoryview):
        value = value.hex()
    return plain(str(value)) or "(empty)"


def moment(when: datetime | None) -> str:
    """Give a time as clocks here show it."""
    if when is None:
        return ""
    return f"{timezone.localtime(when) if timezone.is_aware(when) else when:%Y-%m-%d %H:%M:%S}"


def _source(source: Mapping[str, Any]) -> str:
    digest = source.get("sha256", "")[:_DIGEST]
    facts = [
        f"{source.get('rows', 0):,} row{'' if source.get('rows') == 1 else 's'}",
        f"{source.get('size', 0):,} bytes",
        f"SHA-256 {digest}…" if digest else "",
        f"engine: {source['engine']}" if source.get("engine") else "",
        _counts(source.get("outcomes", {})),
    ]
    target = f"{source.get('model', '')} (system {plain(source.get('system', ''))})"
    return f"{_INDENT}{plain(source.get('name', ''))} → {target}: {', '.join(filter(None, facts))}"


def _told(facts: Mapping[str, str]) -> Iterator[str]:
    """Give the facts that are known."""
    for name, text in facts.items():
        if text:
            yield f"{_INDENT}{name + ':':9}{plain(text, _LONGEST_ERROR)}"


def _named(options: Mapping[str, object]) -> str:
    return ", ".join(f"{name}={value if isinstance(value, str) else to_json(value)}" for name, value in options.items())


def _undone_by(run: Run, undoers: Sequence[int]) -> str:
    if not undoers:
        return ""
    partly = "" if run.status == Run.Status.UNDONE else "partly undone "
    return f", {partly}by run {', '.join(map(str, undoers))}"


def _who(run: Run) -> str:
    return f"{run.user}@{run.host}" if run.user and run.host else run.user or run.host


def _seconds(run: Run) -> str:
    return "" if run.seconds is None else f"{run.seconds:,.2f} s"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items())


def _table(rows: Iterable[Sequence[str]], numbers: Collection[int] = ()) -> list[str]:
    """Align columns: those of numbers to the right, all others to the left; those that are empty are left out."""
    columns = [(number, column) for number, column in enumerate(zip(*rows, strict=True)) if any(column)]
    aligned = []
    for number, column in columns:
        width = max(map(len, column))
        aligned.append([cell.rjust(width) if number in numbers else cell.ljust(width) for cell in column])
    return [f"{_INDENT}{_INDENT.join(row)}".rstrip() for row in zip(*aligned, strict=True)]
