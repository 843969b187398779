"""Referenced: what columns of references find, asked for many batches of rows together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from django.core.exceptions import FieldError

from nsync.actions import EMPTY
from nsync.columns import Wanted

AHEAD: Final = 9  # batches that are asked for with the one at hand

Found = dict[object, object]  # value → what the foreign key will hold
Ask = Callable[[Wanted, Sequence[object]], Found]
Later = Callable[[int], Iterable[Sequence[Wanted]]]


class Referenced:
    """
    Asks for references of the rows at hand and, on PostgreSQL, of those that follow.

    Looked up five thousand at a time in no order, a million references make PostgreSQL read, and write back, nearly the
    whole table for each batch; fifty thousand at a time, it reads the table once for all of them. What batches in
    between write, objects of the model of the source and their mappings, changes nothing of it: that refers to another
    model. Whoever lets other rows be run must have it forgotten.

    Args:
        ask: Asks the database for values of one column of references.
    """

    def __init__(self, ask: Ask) -> None:
        self.found: list[Found] = []  # per column of references
        self._ask = ask
        self._asked: list[set[object]] = []
        self._left = 0  # batches that may still go by what is known

    def forget(self) -> None:
        """Ask anew for the next batch."""
        self._left = 0

    def foresee(self, wanted: Sequence[Wanted], later: Later | None) -> None:
        """
        Have `found` know all values of a batch.

        Args:
            wanted: Its columns of references.
            later: Gives those of at most so many batches that follow; None: these are not to be asked for.
        """
        own = list(map(_values, wanted))
        self._left -= 1
        if self._left > 0 and all(map(set.issubset, own, self._asked)):
            return
        if later is None or not wanted:
            self._know(wanted, own)
            return
        ahead = [list(map(_values, batch)) for batch in later(AHEAD)]
        try:
            self._know(wanted, [set().union(*column) for column in zip(own, *ahead, strict=True)])
            self._left = AHEAD + 1
        except (FieldError, OverflowError, ValueError):  # a value of a later row that no database can be asked for
            self._know(wanted, own)

    def _know(self, wanted: Sequence[Wanted], asked: list[set[object]]) -> None:
        self._left = 0
        self.found = [self._ask(one, list(values)) for one, values in zip(wanted, asked, strict=True)]
        self._asked = asked


def _values(wanted: Wanted) -> set[object]:
    """Give the values that name something; those of refused cells are None."""
    return set(wanted.values) - {EMPTY, None}
