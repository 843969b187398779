"""Rejects: the failed rows of a run, as files that can be fixed and run again (rule O3)."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from nsync.errors import ConfigError, Problem
from nsync.packing import without_compression
from nsync.places import file_name
from nsync.record.files import check_folder, check_target, guard
from nsync.record.report import Report
from nsync.rows import BAD_MARK, MISSING, REJECTS_COLUMNS, BadCell, Row

_CELLS: Final = (".csv", ".tsv", ".tab", ".txt")  # suffixes of what rejects are: rows of cells, whatever the source is
_ABSENT: Final = "'"  # what stands for an absent cell: no other cell is written like this


def plan_rejects(wanted: str, sources: Sequence[str]) -> list[Path]:
    """
    Say, before the run, where the failed rows of each source will go.

    Args:
        wanted: A file, if there is one source; a folder (which exists, or ends with a slash), if there are several.
        sources: Paths of the sources; ``-`` for standard input.

    Raises:
        ConfigError: It cannot be written, there are several sources and one file, or two sources want one file.
    """
    if not _is_folder(wanted):
        if len(sources) > 1:
            raise ConfigError(
                f"--rejects {wanted}: the run has {len(sources)} sources; name a folder, for example "
                f"{wanted}{os.sep}, and each gets a file of its own in it"
            )
        return [check_target("--rejects", wanted, sources)]
    folder = Path(wanted)
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"--rejects {wanted}: is a file; name a folder")
    check_folder("--rejects", folder if folder.is_dir() else folder.absolute().parent)
    planned: dict[str, Path] = {}
    for source in sources:
        path = folder / rejects_name(source)
        if path.name.casefold() in planned:
            raise ConfigError(f"--rejects {wanted}: two sources want {str(path)!r}; rename one, or sync them in turn")
        planned[path.name.casefold()] = check_target("--rejects", str(path), sources) if folder.is_dir() else path
    return list(planned.values())


def _is_folder(wanted: str) -> bool:
    return wanted.endswith(("/", os.sep)) or os.path.isdir(wanted)


def rejects_name(source: str) -> str:
    """Name the rejects of a source: ``HR_staff_Person.rejects.csv``."""
    path = Path("stdin" if source == "-" else without_compression(file_name(source)))
    return f"{path.stem}.rejects{path.suffix if path.suffix.lower() in _CELLS else '.csv'}"


def write_rejects(report: Report, paths: Sequence[Path]) -> list[Path]:
    """
    Write the failed rows of every source; a source without any gets a file with a header only.

    The file is written even so, because rejects of an earlier run would mislead.

    Returns:
        The files that hold rows.

    Raises:
        OSError: A file cannot be written.
    """
    filled = []
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        if _write(report, number, path):
            filled.append(path)
    return filled


def _write(report: Report, number: int, path: Path) -> bool:
    """Write the rejects of one source; tell whether there are any."""
    source = report.sources[number]
    dialect = source.dialect
    width = len(source.header) - (len(REJECTS_COLUMNS) if dialect.is_rejects else 0)
    has_rows = False
    # What a cell holds came from this encoding; a message may hold what it has no letters for.
    with path.open("w", encoding=dialect.encoding, errors="backslashreplace", newline="") as file:
        file.write(_record([*source.header[:width], *REJECTS_COLUMNS], dialect.delimiter) + dialect.line_ending)
        for row, problem in report.spool.rejects(number):
            cells = list(_cells(row, problem, width, len(source.header)))
            file.write(_record(cells, dialect.delimiter) + dialect.line_ending)
            has_rows = True
    return has_rows


def _cells(row: Row, problem: Problem, width: int, header_width: int) -> Iterator[str]:
    """
    Give the cells of a failed row.

    Args:
        row: As it was read.
        problem: Why it failed.
        width: Columns of the source without those that an earlier run of nsync added.
        header_width: With them. Cells beyond are extra, and come last: the row fails again until they are gone.
    """
    yield from map(_written, row.values[:width])
    yield str(row.number)
    yield problem.code
    yield guard(problem.message)
    for value in row.values[header_width:]:
        yield guard(str(value))


def _written(value: object) -> str:
    """Write a cell so that it is read again as what it was."""
    if value is MISSING:
        return _ABSENT
    if isinstance(value, BadCell):  # whoever does not mend it must not have its text for a value
        return f"{BAD_MARK}{value.text}"
    if isinstance(value, float | Decimal):  # numbers stay numbers only where texts have decimal commas
        return guard(f"{Decimal(str(value)):f}".replace(".", ","))
    return guard("" if value is None else str(value))


def _record(cells: Sequence[str], delimiter: str) -> str:
    return delimiter.join(_quote(cell, delimiter) for cell in cells)


def _quote(cell: str, delimiter: str) -> str:
    """Quote a cell only if it must be. Not csv.writer, which leaves a lone return bare in some versions of Python."""
    if any(character in cell for character in (delimiter, '"', "\r", "\n")):
        return '"' + cell.replace('"', '""') + '"'
    return cell
