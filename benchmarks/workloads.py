"""
What is measured: for each workload its file, what the database holds before, and what must come of it.

Person number n has the key ``K<n>`` and the employee id ``E<n>``. Files are in the order of n; houses refer to people
in no order that an index or a cache would like.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from operator import itemgetter
from pathlib import Path

Row = tuple[str, ...]

KEYS = ("external_key", "action_flags", "match_on")
PERSON = ("employee_id", "first_name", "last_name", "age", "email")
HOUSE = ("address", "floors")
PAIR = ("series", "number", "amount")
WIDE = (
    "code",
    *(f"text_{number}" for number in range(1, 31)),
    *(f"number_{number}" for number in range(1, 21)),
    *(f"day_{number}" for number in range(1, 10)),
)
OWNER_KEY = "owner=>external_key"


@dataclass(frozen=True)
class Workload:
    """One thing to measure; ``size`` is the size asked for, and ``rows`` the number of rows of the file."""

    name: str
    model: str  # a model of benchmarks.app
    header: Row
    row: Callable[[int, int], Row]  # (n, rows) → the n-th row
    outcomes: Callable[[int], dict[str, int]]  # rows → outcome → number of rows
    before: str = ""  # what the database holds: a name of benchmarks.states; as many objects as the file has rows
    system: str = "HR"
    share: int = 1  # the file has size / share rows
    saved: Callable[[int], int] = lambda rows: 0  # rows → calls of the receiver
    with_match: tuple[Row, Callable[[int, int], Row]] | None = None  # the same file for a peer that needs a match

    @property
    def slug(self) -> str:
        """Its name as a file name."""
        return "".join(letter if letter.isalnum() else "-" for letter in self.name)

    def rows(self, size: int) -> int:
        """Give the number of rows of the file."""
        return max(size // self.share, 1)

    @property
    def columns(self) -> Row:
        """Columns of the file that hold values."""
        return tuple(column for column in self.header if column not in KEYS)

    @property
    def deletes(self) -> bool:
        """Whether nothing is left in the end."""
        return "deleted" in self.outcomes(1)


def write(workload: Workload, rows: int, path: Path, *, with_match: bool) -> None:
    """Write the file of a workload."""
    header, row = workload.with_match if with_match and workload.with_match else (workload.header, workload.row)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(row(number, rows) for number in range(rows))


def read(path: Path, columns: Row) -> Iterator[Row]:
    """Read columns of a file again, two at least, to check what came of it."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        header = next(rows)
        yield from map(itemgetter(*map(header.index, columns)), rows)


def owner(number: int, rows: int) -> int:
    """Give the number of the person that owns a house; 7919 is a prime number, so that almost all own one."""
    return number * 7919 % rows


def _values(number: int, older: int = 0) -> Row:
    return f"E{number}", f"First {number}", f"Last {number}", str(number % 90 + older), f"{number}@x.org"


def _person(number: int, rows: int) -> Row:
    return f"K{number}", "cu*", "employee_id", *_values(number)


def _person_changed(every: int) -> Callable[[int, int], Row]:
    return lambda number, rows: (f"K{number}", "cu*", "employee_id", *_values(number, int(number % every == 0)))


def _person_of_erp(number: int, rows: int) -> Row:
    return f"P{number}", "cu*", "employee_id", *_values(number)


def _person_unforced(number: int, rows: int) -> Row:
    return f"K{number}", "u", "employee_id", *_values(number)


def _house(prefix: str) -> Callable[[int, int], Row]:
    return lambda number, rows: (
        *(f"H{number}", "cu*", "address"),
        *(f"{number} Main Street", str(number % 9 + 1), f"{prefix}{owner(number, rows)}"),
    )


def _pair(number: int, rows: int) -> Row:
    return "cu*", "series number", f"S{number - number % 1000}", f"N{number % 1000}", str(number % 90)


def _wide(number: int, rows: int) -> Row:
    first = date(2000, 1, 1)
    return (
        *(f"W{number}", "cu*", "code", f"C{number}"),
        *(f"Text {number} of {column}" for column in range(1, 31)),
        *(str(number + column) for column in range(1, 21)),
        *((first + timedelta(days=(number + column) % 9000)).isoformat() for column in range(1, 10)),
    )


def _all(outcome: str) -> Callable[[int], dict[str, int]]:
    return lambda rows: {outcome: rows}


def _one_in(every: int) -> Callable[[int], dict[str, int]]:
    """One row in so many is updated, beginning with the first."""
    return lambda rows: _present({"updated": -(-rows // every), "unchanged": rows - -(-rows // every)})


def _present(counts: dict[str, int]) -> dict[str, int]:
    return {outcome: count for outcome, count in counts.items() if count}


_PEOPLE = (*KEYS, *PERSON)
WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload("new", "Person", _PEOPLE, _person, _all("created")),
        Workload("again", "Person", _PEOPLE, _person, _all("unchanged"), "people"),
        Workload("10 % changed", "Person", _PEOPLE, _person_changed(10), _one_in(10), "people"),
        Workload("references", "House", (*KEYS, *HOUSE, "owner=>employee_id"), _house("E"), _all("created"), "people"),
        Workload("keys", "House", (*KEYS, *HOUSE, OWNER_KEY), _house("K"), _all("created"), "people"),
        Workload(
            "deletes",
            "Person",
            ("external_key", "action_flags"),
            lambda number, rows: (f"K{number}", "d"),
            _all("deleted"),
            "people",
            with_match=(
                (*KEYS, "employee_id"),
                lambda number, rows: (f"K{number}", "d", "employee_id", f"E{number}"),
            ),
        ),
        Workload("two systems", "Person", _PEOPLE, _person_of_erp, _all("linked"), "people", system="ERP"),
        Workload("wide", "Wide", (*KEYS, *WIDE), _wide, _all("created"), share=5),
        Workload("uuid", "UUIDPerson", _PEOPLE, _person, _all("created")),
        Workload("receiver again", "ReceivedPerson", _PEOPLE, _person, _all("unchanged"), "received people"),
        Workload(
            "receiver 1 % changed",
            "ReceivedPerson",
            _PEOPLE,
            _person_changed(100),
            _one_in(100),
            "received people",
            saved=lambda rows: -(-rows // 100),
        ),
        Workload("two fields no key", "Pair", ("action_flags", "match_on", *PAIR), _pair, _all("unchanged"), "pairs"),
        Workload("half-blank", "Person", _PEOPLE, _person_unforced, _all("updated"), "half-blank people"),
    )
}
