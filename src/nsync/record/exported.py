"""Exported: what is kept of runs, for programs: as JSON, and changes as CSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from nsync.models import RowOutcome, Run
from nsync.record.files import guard
from nsync.record.told import source_of, system_of
from nsync.record.values import to_json
from nsync.record.why import Cause, Explanation
from nsync.recording import KeptRow
from nsync.veils import NOT_KEPT

CSV_COLUMNS: Final = ("run", "change", "kind", "model", "object", "field", "before", "after", "source", "line")
_NULL: Final = r"\N"  # apart from the empty text, which an empty cell is


def run_values(run: Run) -> dict[str, Any]:
    """Give all that the record of a run itself holds."""
    return {field.attname.removesuffix("_id"): getattr(run, field.attname) for field in run._meta.concrete_fields}


def outcome_values(run: Run, outcome: RowOutcome) -> dict[str, Any]:
    """Give what there is to say of one row of a run, as a report has it."""
    names = ("line", "outcome", "code", "column", "value", "message")
    return {"source": source_of(run, outcome.source), **{name: getattr(outcome, name) for name in names}}


def change_values(run: Run, row: KeptRow) -> dict[str, Any]:
    """Give one change."""
    return {
        "change": row.change,
        "kind": row.kind.value,
        "model": row.label,
        "object": row.pk,
        "before": row.before,
        "after": row.after,
        "not_kept": row.hidden,
        "source": source_of(run, row.source),
        "line": row.line,
    }


def explanation_values(found: Explanation) -> dict[str, Any]:
    """Give why an object is as it is."""
    return {
        "model": found.label,
        "object": found.pk,
        "exists": found.is_there,
        "deleted": _cause(found.deletion, found),
        "fields": [
            {
                "field": field.name,
                "model": field.label,
                "present": None if field.is_hidden else field.present,
                "kept": not field.is_hidden,
                "changed_since": field.is_later,
                "by": _cause(field.cause, found, field.attname),
            }
            for field in found.fields
        ],
        "mappings": [
            {
                "system": mapping.system,
                "key": mapping.key,
                "model": mapping.label,
                "by": _cause(mapping.cause, found),
            }
            for mapping in found.mappings
        ],
    }


def _cause(cause: Cause | None, found: Explanation, name: str = "") -> dict[str, Any] | None:
    if cause is None:
        return None
    run, row = cause
    values = {side: part[name] for side, part in (("before", row.before), ("after", row.after)) if name in part}
    return {
        "run": run.pk,
        "undone": run.pk in found.undone,
        "undoes": run.undoes_id,
        "kind": row.kind.value,
        "system": system_of(run, row.source),
        "source": source_of(run, row.source),
        "line": row.line,
        "time": run.started,
        **values,
    }


def as_json(value: object) -> str:
    """Give a value as JSON, in ASCII, so that it can be written everywhere."""
    return json.dumps(value, default=_plain, indent=2)


def json_parts(head: Mapping[str, object], lists: Mapping[str, Iterable[object]]) -> Iterator[str]:
    """
    Give one JSON object, piece by piece.

    Args:
        head: Its first members.
        lists: Its last ones, arrays that may be too long to be held in memory.
    """
    yield as_json(head).removesuffix("\n}")
    for name, values in lists.items():
        yield f',\n  "{name}": ['
        parting = "\n    "
        for value in values:
            yield parting + json.dumps(value, default=_plain)
            parting = ",\n    "
        yield "\n  ]"
    yield "\n}\n"


def csv_lines(run: Run, rows: Iterable[KeptRow]) -> Iterator[str]:
    """Give changes as CSV, one line for each field."""
    line = _Line()
    writer = csv.writer(line)
    writer.writerow(CSV_COLUMNS)
    yield line.text
    for row in rows:
        for cells in _cells(run, row):
            writer.writerow(cells)
            yield line.text


def _cells(run: Run, row: KeptRow) -> Iterator[Sequence[str]]:
    start = (str(run.pk), str(row.change), row.kind.value, row.label, _cell(row.pk))
    end = (guard(source_of(run, row.source)), str(row.line or ""))
    for name in dict.fromkeys((*row.before, *row.after)):
        yield *start, name, *(_cell(side[name]) if name in side else "" for side in (row.before, row.after)), *end
    for name in row.hidden:
        yield *start, name, NOT_KEPT, NOT_KEPT, *end


def _cell(value: object) -> str:
    """Give a value as a cell that no spreadsheet runs (rule O3)."""
    if value is None:
        return _NULL
    if isinstance(value, dict | list):
        return to_json(value)
    text = str(_plain(value))
    return guard(text) if isinstance(value, str) else text


def _plain(value: Any) -> object:
    """Give what JSON does not know as text."""
    if isinstance(value, bytes | bytearray | memoryview):
        return value.hex()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


class _Line:
    """Takes one line from a `csv.writer`."""

    text = ""

    def write(self, text: str) -> None:
        self.text = text
