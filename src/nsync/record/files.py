"""Report files: ``--report x.json`` and ``--report x.csv`` (rule O2); and where a run may write files at all."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, TextIO

from nsync.changes import OutcomeKind
from nsync.errors import ConfigError, Problem
from nsync.record.details import Entry
from nsync.record.report import Report, SourceReport

CSV_COLUMNS: Final = ("source", "line", "outcome", "column", "code", "message", "value")
_RUN_BY_SPREADSHEETS: Final = ("=", "+", "-", "@", "\t", "\r")
_GUARDED: Final = (*_RUN_BY_SPREADSHEETS, "'")


def guard(cell: str) -> str:
    """Put ``'`` before a cell that a spreadsheet would run, and before one that has it already (rule O3)."""
    return f"'{cell}" if cell.startswith(_GUARDED) else cell


def check_target(option: str, path: str, sources: Iterable[str] = ()) -> Path:
    """
    Check, before the run, that a file can be written after it.

    Args:
        option: The option that names it, for messages.
        path: Where to.
        sources: Paths of the run's sources; ``-`` is none.

    Raises:
        ConfigError: There is no such folder, the file cannot be written, or it is one of the sources.
    """
    target = Path(path)
    if target.is_dir():
        raise ConfigError(f"{option} {path}: is a folder; name a file in it")
    check_folder(option, target.parent)
    if target.exists() and not os.access(target, os.W_OK):
        raise ConfigError(f"{option} {path}: may not be written; choose another file, or give the right to write it")
    for source in sources:
        if target.exists() and source != "-" and os.path.exists(source) and target.samefile(source):
            raise ConfigError(f"{option} {path}: is a source of this run, and would be overwritten; name another file")
    return target


def check_folder(option: str, folder: Path) -> None:
    """
    Check that files can be made in a folder.

    Raises:
        ConfigError: They cannot.
    """
    if not folder.is_dir():
        raise ConfigError(f"{option}: there is no folder {str(folder)!r}; make it, or choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ConfigError(f"{option}: nothing may be written in {str(folder)!r}; choose another folder")


def check_report(path: str, sources: Iterable[str] = ()) -> Path:
    """
    Check, before the run, that a report can be written (its suffix names its format).

    Raises:
        ConfigError: The suffix is none that is known, or the file cannot be written.
    """
    if Path(path).suffix.lower() not in _FORMATS:
        raise ConfigError(f"--report {path}: its suffix must say what it is: {' or '.join(_FORMATS)}")
    return check_target("--report", path, sources)


def write_report(report: Report, path: Path) -> None:
    """
    Write a report, in the format that the file's suffix names. Rows are streamed from disk, not held in memory.

    Raises:
        OSError: The file cannot be written.
    """
    # A file name may hold bytes that are no text; JSON reads what stands for them.
    with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
        _FORMATS[path.suffix.lower()](report, file)


def _write_json(report: Report, file: TextIO) -> None:
    head = json.dumps(_head(report), indent=2, ensure_ascii=False)
    file.write(head.removesuffix("\n}"))
    file.write(',\n  "details": [')
    parting = "\n    "
    for entry in report.details():
        file.write(parting + json.dumps(_detail(report, entry), ensure_ascii=False))
        parting = ",\n    "
    file.write("\n  ]\n}\n")


def _head(report: Report) -> dict[str, Any]:
    """Give all but the rows."""
    head: dict[str, Any] = {
        "status": report.status,
        "committed": report.committed,
        "dry_run": report.dry_run,
        "run": report.run,
        "error": report.error,
        "guard": report.guard,
        "last_committed": report.last_committed,
        "outcomes": _outcomes(report.counts),
        "warnings": report.warnings,
        "errors": report.errors,
        "displaced": report.displaced,
        "sources": [_source(source) for source in report.sources],
        "snapshots": [_snapshot(source) for source in report.snapshots],
        "withheld": report.withheld,
        "seconds": round(report.seconds, 3),
        "queries": report.queries,
        "retries": report.retries,
        "engine": report.engine,
        "resumed": report.is_resumed,
    }
    if report.dry_run:
        head["writes"] = report.writes
        head["changed_fields"] = report.changed_fields
        head["first_changes"] = [
            {
                "source": report.all_sources[diff.source].name,
                "line": diff.line,
                "object": diff.target,
                "field": diff.field,
                "old": _plain(diff.old),
                "new": _plain(diff.new),
            }
            for diff in report.diffs
        ]
        head["unforeseen"] = report.unforeseen
    return head


def _outcomes(counts: dict[OutcomeKind, int]) -> dict[str, int]:
    """Name every outcome, so that a program need not ask whether it occurs."""
    return {kind.value: counts.get(kind, 0) for kind in OutcomeKind}


def _source(source: SourceReport) -> dict[str, Any]:
    return {
        "name": source.name,
        "system": source.system,
        "target": source.target,
        "size": source.size,
        "rows": source.rows,
        "engine": source.engine,
        "engine_hint": source.engine_hint,
        "engine_reasons": source.engine_reasons,
        "outcomes": _outcomes(source.outcomes),
        "notes": source.notes,
        "columns": [
            {"column": problem.column, "code": problem.code, "message": problem.message} for problem in source.columns
        ],
    }


def _snapshot(source: SourceReport) -> dict[str, Any]:
    return {
        "name": source.name,
        "system": source.system,
        "target": source.target,
        "outcomes": _outcomes(source.outcomes),
    }


def _detail(report: Report, entry: Entry) -> dict[str, Any]:
    """Give one row: its first problem, and the others under ``more``."""
    first, *others = entry.problems
    kind = report.outcome(entry)
    detail: dict[str, object] = {
        "source": report.all_sources[entry.source].name,
        "line": entry.line,
        "outcome": kind.value if kind else "",
        **_problem(first),
    }
    if others:
        detail["more"] = [_problem(problem) for problem in others]
    if report.is_partly_applied(entry):
        detail["partly_applied"] = True
    return detail


def _problem(problem: Problem) -> dict[str, str]:
    return {
        "column": problem.column,
        "code": problem.code,
        "message": problem.message,
        "value": problem.value,
    }


def _plain(value: object) -> object:
    """Give a field's value as JSON has it, and what JSON does not know as text."""
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def _write_csv(report: Report, file: TextIO) -> None:
    """One line per problem: first those of whole sources and their columns, then those of rows."""
    writer = csv.writer(file)
    writer.writerow(CSV_COLUMNS)
    for line in _lines(report):
        writer.writerow([guard(cell) for cell in line])


def _lines(report: Report) -> Iterator[Sequence[str]]:
    for source in report.sources:
        for code, message, column, value in source.columns:
            yield source.name, "", "", column, code, message, value
    for entry in report.details():
        kind = report.outcome(entry)
        start = (report.all_sources[entry.source].name, str(entry.line or ""), kind.value if kind else "")
        for code, message, column, value in entry.problems:
            yield *start, column, code, message, value


_FORMATS: Final[dict[str, Callable[[Report, TextIO], None]]] = {".json": _write_json, ".csv": _write_csv}
