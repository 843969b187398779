"""Details: what there is to say of the rows that are not plain success; spooled to disk, not held in memory."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any, NamedTuple

from nsync.actions import Place
from nsync.changes import ERROR_CODES
from nsync.errors import Problem
from nsync.record.checkpoint import Block, Veil, blocks_of
from nsync.rows import Row
from nsync.spool import open_spool, pack, unpack

_SCHEMA = """
CREATE TABLE problem (
    source INTEGER, ordinal INTEGER, line INTEGER, level INTEGER,
    code TEXT, column_name TEXT, message TEXT, value TEXT,
    UNIQUE (source, ordinal, level, code, column_name, message));
CREATE TABLE reject (source INTEGER, ordinal INTEGER, row BLOB, PRIMARY KEY (source, ordinal));
"""
ERROR, WARNING, REASON = 0, 1, 2  # in the order in which they are told
# What is wrong with the values of several columns, of which the problem names one and its message all.
_OF_SEVERAL = frozenset({"check", "foreign-key", "refused", "unique", "validation"})
_PROBLEM, _REJECT = "problem", "reject"  # kinds of blocks


class Entry(NamedTuple):
    """What there is to say of one row: its problems, errors first."""

    source: int
    ordinal: int
    line: int
    problems: tuple[Problem, ...]


class Details:
    """Problems and failed rows of a run, in a temporary database of SQLite, which spills to disk by itself."""

    def __init__(self) -> None:
        self._spool = open_spool(_SCHEMA)
        self._known = (0, 0)  # the last problem, and the last failed row, that are not new

    def note(self, place: Place, level: int, problem: Problem) -> None:
        """Keep a problem of a row; the same one of a later phase counts once (rule O1)."""
        # A warning stands once per row and column, whatever its words; of errors every message counts.
        once = (
            ""
            if level == ERROR
            else (
                "WHERE NOT EXISTS (SELECT 1 FROM problem "
                "WHERE source = ?1 AND ordinal = ?2 AND level = ?4 AND code = ?5 AND column_name = ?6)"
            )
        )
        self._spool.execute(
            f"INSERT OR IGNORE INTO problem SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 {once}",
            (*place, level, problem.code, problem.column, _clean(problem.message), _clean(problem.value)),
        )

    def reject(self, place: Place, row: Row) -> None:
        """Keep a failed row as the source gave it."""
        self._spool.execute(
            "INSERT OR REPLACE INTO reject VALUES (?, ?, ?)",
            (place.source, place.ordinal, pack(row)),
        )

    @property
    def is_full(self) -> bool:
        """Whether there was no room on disk: what is held cannot even be read any more."""
        return self._spool.is_full

    def mark(self) -> None:
        """Begin what can be taken back."""
        self._spool.mark()

    def take_back(self) -> None:
        """Forget what was noted since the mark, which stays."""
        self._spool.take_back()

    def keep(self) -> None:
        """Remove the mark."""
        self._spool.keep()

    def counts(self, level: int, source: int | None = None) -> dict[str, int]:
        """Count the problems of a level by code, most frequent first."""
        where = "" if source is None else f" AND source = {source:d}"
        query = f"SELECT code, count(*) FROM problem WHERE level = ?{where} GROUP BY code ORDER BY 2 DESC, 1"
        return dict(self._spool.execute(query, (level,)))

    def rows(self) -> int:
        """Count the rows there is something to say of."""
        query = "SELECT count(*) FROM (SELECT DISTINCT source, ordinal FROM problem)"
        return int(self._spool.execute(query).fetchone()[0])

    def entries(self, code: str | None = None, limit: int = -1) -> Iterator[Entry]:
        """Give the rows there is something to say of, in file order; those of one code only, if asked for."""
        where = "" if code is None else "WHERE code = ?"
        rows = self._spool.execute(
            f"SELECT DISTINCT source, ordinal, line FROM problem {where} ORDER BY source, ordinal LIMIT ?",
            (limit,) if code is None else (code, limit),
        )
        for source, ordinal, line in rows:
            problems = self._spool.execute(
                "SELECT code, message, column_name, value FROM problem WHERE source = ? AND ordinal = ? "
                "ORDER BY level, rowid",
                (source, ordinal),
            )
            yield Entry(source, ordinal, line, tuple(Problem(*values) for values in problems))

    def first(self, level: int, code: str, limit: int) -> Iterator[Entry]:
        """Give the first problems of a level and code, in file order; each entry holds that problem alone."""
        rows = self._spool.execute(
            "SELECT source, ordinal, line, message, column_name, value FROM problem WHERE level = ? AND code = ? "
            "ORDER BY source, ordinal, rowid LIMIT ?",
            (level, code, limit),
        )
        for source, ordinal, line, *texts in rows:
            yield Entry(source, ordinal, line, (Problem(code, *texts),))

    def rejects(self, source: int) -> Iterator[tuple[Row, Problem]]:
        """Give the failed rows of a source, in file order, each with its first error."""
        rows = self._spool.execute("SELECT ordinal, row FROM reject WHERE source = ? ORDER BY ordinal", (source,))
        for ordinal, blob in rows:
            query = (
                "SELECT code, message, column_name, value FROM problem "
                "WHERE source = ? AND ordinal = ? AND level = 0 ORDER BY rowid"
            )
            errors = [Problem(*values) for values in self._spool.execute(query, (source, ordinal))]
            message = "; ".join(f"{f'[{error.column}] ' if error.column else ''}{error.message}" for error in errors)
            yield Row(*unpack(blob)), Problem(errors[0].code, message)

    def news(self, veil: Veil) -> Iterator[Block]:
        """Give what is new since `forget_news`; of failed rows their places alone, for the source has the rows."""
        query = "SELECT source, ordinal, line, level, code, column_name, message, value FROM problem WHERE rowid > ?"
        problems = self._spool.execute(f"{query} ORDER BY rowid", self._known[:1])
        yield from blocks_of(_PROBLEM, (_veiled(row, veil) for row in problems))
        rejects = self._spool.execute("SELECT source, ordinal FROM reject WHERE rowid > ?", self._known[1:])
        yield from blocks_of(_REJECT, rejects)

    def forget_news(self) -> None:
        """From now on nothing is new."""
        last = "SELECT (SELECT max(rowid) FROM problem), (SELECT max(rowid) FROM reject)"
        problem, reject = self._spool.execute(last).fetchone()
        self._known = (problem or 0, reject or 0)

    def put_back(self, block: Block) -> None:
        """Take what `news` gave, if it did; the failed rows are still to be given (`rejected`, `reject`)."""
        rows = zip(*block.columns, strict=True)
        if block.kind == _PROBLEM:
            self._spool.executemany("INSERT OR IGNORE INTO problem VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)
        elif block.kind == _REJECT:
            self._spool.executemany("INSERT OR REPLACE INTO reject VALUES (?, ?, NULL)", rows)

    def rejected(self, source: int) -> Iterator[int]:
        """Give the ordinals of the failed rows of a source."""
        for (ordinal,) in self._spool.execute("SELECT ordinal FROM reject WHERE source = ?", (source,)):
            yield ordinal


def _veiled(row: tuple[Any, ...], veil: Veil) -> tuple[Any, ...]:
    *place, code, column, message, value = row
    problem = veil(row[0], Problem(code, message, column, value))
    return (*place, problem.code, problem.column, problem.message, problem.value)


class VeiledDetails(Details):
    """
    The same problems and rows, without the values of columns that are not to be kept.

    Args:
        details: What it reads.
        hidden: Those columns of each source; "" stands for no column.
    """

    def __init__(self, details: Details, hidden: Sequence[Collection[str]]) -> None:
        self._spool = details._spool
        self._hidden = hidden

    def entries(self, code: str | None = None, limit: int = -1) -> Iterator[Entry]:
        """As of `Details`."""
        return map(self._veiled, super().entries(code, limit))

    def first(self, level: int, code: str, limit: int) -> Iterator[Entry]:
        """As of `Details`."""
        return map(self._veiled, super().first(level, code, limit))

    def _veiled(self, entry: Entry) -> Entry:
        hidden = self._hidden[entry.source]
        return entry._replace(problems=tuple(veiled(problem, hidden) for problem in entry.problems))


def veiled(problem: Problem, hidden: Collection[str]) -> Problem:
    """
    Leave nothing but the code, and what it means, of a problem of a column that is not to be kept.

    Args:
        problem: Of a row.
        hidden: Those columns; "" is among them if the model of the source has one, whether the source has it or not.
    """
    if problem.column not in hidden and not ("" in hidden and problem.code in _OF_SEVERAL):
        return problem
    return problem._replace(value="", message=ERROR_CODES.get(problem.code, ""))


def _clean(text: str) -> str:
    """Lone surrogates (from JSON escapes) have no UTF-8 form, and the spool is UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
