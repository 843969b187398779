"""The summary of a run that people read: its first words say what happened (rules O1, O2, O4)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nsync.changes import ERROR_CODES, REASON_CODES, WARNING_CODES, OutcomeKind
from nsync.errors import Problem
from nsync.record.details import ERROR, WARNING, Entry
from nsync.record.report import APPLIED, DRY_RUN, FINISHED, ROLLED_BACK, STOPPED, WITH_REJECTS, Report, SourceReport

ROWS_SHOWN: Final = 50  # with -v 2; -v 3 shows all
_EXAMPLES: Final = 3  # rows shown of each code
_CHANGES: Final = 10  # rows of old and new values shown
_LONGEST: Final = 300  # characters of one cell or message
_INDENT: Final = "  "


def summary(report: Report, rejects: Sequence[str] = ()) -> Iterator[str]:
    """
    Tell what a run did, line by line.

    Args:
        report: Of the run.
        rejects: Names of the files that hold its failed rows.
    """
    if report.status == FINISHED:
        yield headline(report)
        return
    sections = [
        [headline(report), *_sources(report)],
        _outcomes(report),
        list(_snapshots(report)),
        _changes(report),
        _problems(report, "Errors", ERROR, report.errors),
        _problems(report, "Warnings", WARNING, report.warnings),
        _reasons(report),
        _columns(report),
        _unforeseen(report),
        [*_retries(report), _cost(report), *_engines(report)],
        list(_next_steps(report, rejects)),
    ]
    for number, section in enumerate(filter(None, sections)):
        if number:
            yield ""
        yield from section


def headline(report: Report) -> str:
    """Say what happened, in one line."""
    return f"Run {report.run}, resumed: {_headline(report)}" if report.is_resumed else _headline(report)


def _headline(report: Report) -> str:
    failed = f"{report.failed:,} of {_count(report.rows, 'row')} failed"
    if report.status == STOPPED:
        return f"Nothing was committed, a guard stopped the run: {plain(report.guard)}."
    if report.status == DRY_RUN:
        if report.guard:
            return f"Nothing was written (dry run), and a guard would stop the run: {plain(report.guard)}."
        if report.error:
            return f"Nothing was written (dry run), and the run would end early: {plain(report.error)}"
        return f"Nothing was written (dry run){f'; {failed}' if report.failed else ''}."
    if report.status == FINISHED:
        return f"Run {report.run} is finished already: there was nothing left to do."
    if report.status == ROLLED_BACK:
        return f"Nothing was committed: {failed}."
    if report.status == APPLIED:
        return "Applied." if report.writes else "Applied: there was nothing to change."
    if report.status == WITH_REJECTS:
        if not report.last_committed:
            return f"Applied, but {failed} and were left out."
        return f"Applied in part, up to {plain(report.last_committed)}; then {plain(report.error) or failed}"
    return f"Nothing was committed: {plain(report.error)}"


def rows_told(report: Report, limit: int | None = ROWS_SHOWN) -> Iterator[str]:
    """
    Tell of each row that is not plain success, line by line.

    Args:
        report: Of the run.
        limit: How many rows; None: all.
    """
    entries = report.details(limit=-1 if limit is None else limit + 1)
    for number, entry in enumerate(entries):
        if number == 0:
            yield from ("", "Rows")
        if number == limit:
            more = _count(report.spool.rows() - number, "more row")
            yield f"{_INDENT}and {more}: -v 3 shows all, --report FILE keeps them"
            return
        kind = report.outcome(entry)
        partly = ", partly applied" if report.is_partly_applied(entry) else ""
        yield f"{_INDENT}{_place(report, entry)}: {kind.value if kind else 'no outcome'}{partly}"
        for problem in entry.problems:
            yield f"{_INDENT * 2}{problem.code}: {_told(problem)}"


def errors_told(report: Report, limit: int = ROWS_SHOWN) -> Iterator[str]:
    """
    Tell what is wrong with the first rows that failed, line by line.

    Args:
        report: Of the run.
        limit: How many errors.
    """
    for number, entry in enumerate(report.first_errors(limit)):
        if number == 0:
            yield from ("", "The first rows that failed")
        problem = entry.problems[0]
        yield f"{_INDENT}{_place(report, entry)} {problem.code}: {_told(problem)}"


def _sources(report: Report) -> list[str]:
    """Say what was synced to what; of several sources also what became of the rows of each."""
    lines = []
    for source in report.sources:
        line = f"{plain(source.name)} → {source.target} (system {plain(source.system)}): {_count(source.rows, 'row')}"
        if len(report.sources) > 1 and source.outcomes:
            line += f", {', '.join(f'{count:,} {kind.value}' for kind, count in source.outcomes.items())}"
        lines.append(line)
    if len(report.sources) > 1:
        lines.append(f"{len(report.sources):,} sources: {_count(report.rows, 'row')}")
    return lines


def _outcomes(report: Report) -> list[str]:
    counts: dict[str, int] = {kind.value: count for kind, count in report.counts.items()}
    if report.displaced:
        counts["displaced"] = report.displaced
    lines = _table([name, f"{count:,}"] for name, count in counts.items())
    if report.displaced:
        lines[-1] += "  objects that forced updates removed, because they had the match values of another one"
    if not lines or report.status == APPLIED or (report.status == WITH_REJECTS and not report.last_committed):
        return lines
    if report.last_committed:
        return ["What became of the rows, also of those that were not committed:", *lines]
    would = "become" if report.dry_run else "have become"
    return [f"What the rows would {would}:", *lines]


def _snapshots(report: Report) -> Iterator[str]:
    """Say what became of what snapshots do not name."""
    if report.withheld:
        cure = "fix them, or say --on-error skip --snapshot-despite-errors"
        yield f"The snapshot took nothing away, because rows failed: {cure}."
        return
    for source in report.snapshots if not report.error else ():
        counts = {kind: count for kind, count in source.outcomes.items() if kind is not OutcomeKind.UNMATCHED}
        told = ", ".join(f"{count:,} {kind.value}" for kind, count in counts.items()) or "names all of them"
        yield f"{plain(source.name)} ({source.target}): {told}"


def _changes(report: Report) -> list[str]:
    """Rule O4: which fields a dry run would change, and the first old and new values."""
    lines = []
    if report.changed_fields:
        lines += ["Fields that would change, and in how many objects:"]
        lines += _table([name, f"{count:,}"] for name, count in report.changed_fields.items())
    if report.diffs:
        shown = report.diffs[:_CHANGES]
        lines += ["", "The first changes:"]
        lines += _table(
            [
                f"{plain(report.all_sources[diff.source].name)}:{diff.line}",
                plain(diff.target),
                diff.field,
                f"{_value(diff.old)} → {_value(diff.new)}",
            ]
            for diff in shown
        )
    return lines


def _value(value: object) -> str:
    if value is None:
        return "(null)"
    return plain(str(value)) or "(empty)"


def _problems(report: Report, title: str, level: int, counts: dict[str, int]) -> list[str]:
    """Give problems by code, each with the first few rows that have it."""
    lines = []
    for code, count in counts.items():
        lines.append(f"{_INDENT}{code}  {count:,}  {(ERROR_CODES if level == ERROR else WARNING_CODES).get(code, '')}")
        shown = 0
        for entry in report.spool.first(level, code, _EXAMPLES):
            lines.append(f"{_INDENT * 2}{_place(report, entry)} {_told(entry.problems[0])}")
            shown += 1
        for source in report.sources:
            of_source = [problem for problem in source.columns if problem.code == code]
            lines += [f"{_INDENT * 2}{plain(source.name)} {_told(problem)}" for problem in of_source]
            shown += len(of_source)
        if count > shown:
            lines.append(f"{_INDENT * 2}and {count - shown:,} more")
    return [f"{title}:", *lines] if lines else []


def _reasons(report: Report) -> list[str]:
    """Say why rows were left alone."""
    rows = [[code, f"{count:,}", REASON_CODES.get(code, "")] for code, count in report.reasons.items()]
    return ["Why rows were left alone:", *_table(rows)] if rows else []


def _columns(report: Report) -> list[str]:
    """Say which columns were ignored (rule C3), and what was found out about the sources."""
    lines = []
    for source in report.sources:
        name = f"{plain(source.name)}: " if len(report.sources) > 1 else ""
        ignored = [problem for problem in source.columns if problem.code not in WARNING_CODES]
        lines += [f"{_INDENT}{name}{plain(problem.column)}: {plain(problem.message)}" for problem in ignored]
    notes = [f"Note: {plain(source.name)}: {plain(note)}" for source in report.sources for note in source.notes]
    return [*(["Ignored columns:", *lines] if lines else []), *notes]


def _unforeseen(report: Report) -> list[str]:
    if not report.unforeseen:
        return []
    title = "A dry run does not call the project's own code, and cannot foresee what it would do:"
    return [title, *(f"{_INDENT}{plain(reason)}" for reason in report.unforeseen)]


def _engines(report: Report) -> list[str]:
    """Say why rows were read and written as they were, unless nothing hindered the fastest way."""
    lines = []
    for source in report.sources:
        name = f"{plain(source.name)}: " if len(report.sources) > 1 else ""
        if source.engine_reasons:
            lines.append(f"{name}{_way(source)}")
            lines += [f"{_INDENT}{plain(reason)}" for reason in source.engine_reasons]
        if source.engine_hint:
            read = "read" if report.dry_run else "read and written"
            lines.append(f"{name}{read} in batches, each row planned by itself, because")
            lines.append(f"{_INDENT}{plain(source.engine_hint)}")
    return lines


def _way(source: SourceReport) -> str:
    """Say how objects were written, as a line to which the reasons belong."""
    if source.engine == "objects":
        return "read and written row by row, because"
    if source.engine == "batches":
        return "read in batches, and each object that changes saved by itself, because"
    way = "by columns" if source.engine == "columns" else "in bulk"
    asked = "columns" if source.engine == "columns" or source.engine_hint else "bulk"  # a dry run is never by columns
    return f"written {way}, as --engine {asked} asks; the project's own code was not called:"


def _retries(report: Report) -> list[str]:
    if not report.retries:
        return []
    return [f"Tried again {_count(report.retries, 'time')}: others were in the way (a deadlock or a lock)."]


def _cost(report: Report) -> str:
    rate = report.rows / report.seconds if report.seconds else 0
    seconds = f"{report.seconds:.2f}" if report.seconds < 10 else f"{report.seconds:,.0f}"
    return f"{seconds} s, {rate:,.0f} rows/s, {report.queries:,} queries, engine: {report.engine}"


def _next_steps(report: Report, rejects: Sequence[str]) -> Iterator[str]:
    """Say what the reader may want to do now."""
    failed = report.failed
    if rejects:
        fix = "fix them there and sync that file" if report.committed else "they say what to fix"
        yield f"The failed rows are in {', '.join(map(plain, rejects))}: {fix}."
    if 0 < failed < report.rows and not report.committed and not report.skips_errors:
        yield "To commit the good rows and leave out the failed ones: --on-error skip."
    if failed and not rejects:
        yield "To get the failed rows as a file that can be fixed and synced again: --rejects FILE."
    if report.can_resume:
        yield f"To go on after {plain(report.last_committed)}: the same command with --resume {report.run}."
    if report.dry_run and not (failed or report.error or report.guard):
        yield "To write it, leave out --dry-run." if report.writes else "There is nothing to write."


def _place(report: Report, entry: Entry) -> str:
    """Say where a row stands: ``houses.csv:41``."""
    source: SourceReport = report.all_sources[entry.source]
    return f"{plain(source.name)}:{entry.line}" if entry.line else plain(source.name)


def _told(problem: Problem) -> str:
    """Give column, message, and the cell unless the message has it."""
    column = f"[{plain(problem.column)}] " if problem.column else ""
    value = _shortened(problem.value)
    message = plain(problem.message)
    shown = f": {value!r}" if value and repr(value) not in message else ""
    return f"{column}{message}{shown}"


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Align columns: numbers to the right, all else to the left."""
    cells = [list(row) for row in rows]
    if not cells:
        return []
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = []
    for row in cells:
        parts = [
            cell.rjust(width) if cell.replace(",", "").isdigit() else cell.ljust(width)
            for cell, width in zip(row, widths, strict=True)
        ]
        lines.append(f"{_INDENT}{_INDENT.join(parts)}".rstrip())
    return lines


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def plain(text: str, longest: int = _LONGEST) -> str:
    """Make text of a file fit to be shown: on one line, not endless, and without signs that steer a terminal."""
    text = _shortened(text, longest)
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in text)


def _shortened(text: str, longest: int = _LONGEST) -> str:
    return f"{text[:longest]}…" if len(text) > longest else text
