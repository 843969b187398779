"""What is found in a file: values that the check of a file gives, and who prints them reads."""

from typing import NamedTuple

MOST_EXAMPLES = 3


class Example(NamedTuple):
    """Where something is wrong, or may be."""

    line: int  # 0: not of one line
    value: str = ""
    message: str = ""


class Finding(NamedTuple):
    """One thing that is wrong, or may be, with one column or with rows as a whole."""

    column: str  # its header; "" of rows as a whole
    code: str  # as a run would say it; or a word of lint alone, which its reference explains
    is_error: bool  # a sync would fail, or a row of it
    times: int  # rows; of repeated keys and matches: values; 0: neither
    examples: tuple[Example, ...] = ()


class SeenColumn(NamedTuple):
    """What a column of a file holds."""

    header: str
    meaning: str  # what it is to a sync: "key, employee_id", "owner=>name", "left out"
    filled: int  # cells that are not empty
    distinct: int
    is_counted: bool  # else `distinct` is an estimate
    minimum: str
    maximum: str
    longest: int  # characters


class Linted(NamedTuple):
    """A file as it was found."""

    source: str
    model: str
    system: str
    rows: int
    failing: int  # rows that a sync would refuse
    notes: tuple[str, ...]  # how it is read, and what is passed over on purpose
    columns: tuple[SeenColumn, ...]
    findings: tuple[Finding, ...]  # errors first

    @property
    def errors(self) -> int:
        """How many findings are errors."""
        return sum(finding.is_error for finding in self.findings)


class Notebook:
    """Collects findings of many rows: how often each occurs, with the first examples."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str, bool], int] = {}
        self._examples: dict[tuple[str, str, bool], list[Example]] = {}

    def note(self, column: str, code: str, example: Example, *, is_error: bool, count: int = 1) -> None:
        """Note that something occurs."""
        found = (column, code, is_error)
        self._counts[found] = self._counts.get(found, 0) + count
        examples = self._examples.setdefault(found, [])
        if len(examples) < MOST_EXAMPLES:
            examples.append(example)

    def findings(self) -> tuple[Finding, ...]:
        """Give what was noted: errors first, and else as it was found first."""
        found = [
            Finding(column, code, is_error, count, tuple(self._examples[column, code, is_error]))
            for (column, code, is_error), count in self._counts.items()
        ]
        return tuple(sorted(found, key=lambda finding: not finding.is_error))
