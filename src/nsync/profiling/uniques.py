"""Values of unique fields that rows of one file give to several objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from nsync.actions import EMPTY, Action
from nsync.decode.layout import Layout
from nsync.fields import concrete_model
from nsync.profiling.failing import Failing
from nsync.profiling.findings import MOST_EXAMPLES
from nsync.profiling.repeats import (
    KEY,
    MATCH,
    Repeat,
    operands_of,
    pack_text,
    text_of_match,
    text_of_value,
    unpack_text,
)
from nsync.spool import Spool

SCHEMA: Final = """
CREATE TABLE unique_values (
    field INTEGER, value BLOB, ordinal INTEGER, line INTEGER,
    kind INTEGER, identity BLOB, matched BLOB, creates INTEGER,
    PRIMARY KEY (field, value, ordinal)
) WITHOUT ROWID;
CREATE TABLE shared_values (
    field INTEGER, value BLOB, first INTEGER, last INTEGER, times INTEGER, is_sure INTEGER, PRIMARY KEY (field, value)
) WITHOUT ROWID;
"""
_ADD: Final = "INSERT OR IGNORE INTO unique_values VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
# Several objects: other keys and, where there are matches, other matches too: two keys may be of one object. Where an
# object stands in several rows, the value may have been another's before.
_SHARE: Final = """
INSERT INTO shared_values
SELECT field, value, min(line), max(line), count(*), min(creates) AND min(kind) = max(kind) AND NOT EXISTS (
    SELECT 1 FROM unique_values AS one JOIN seen ON seen.kind = one.kind AND seen.value = one.identity
    WHERE one.field = unique_values.field AND one.value = unique_values.value AND seen.times > 1
) FROM unique_values GROUP BY field, value
HAVING count(*) > 1 AND count(DISTINCT identity) > 1
AND (count(DISTINCT matched) > 1 OR length(max(matched)) = 0)
"""
_FAILED: Final = """
SELECT ordinal FROM shared_values JOIN unique_values USING (field, value) WHERE is_sure AND identity <> (
    SELECT identity FROM unique_values AS one WHERE one.field = shared_values.field AND one.value = shared_values.value
    ORDER BY ordinal LIMIT 1
)
"""
_TOTALS: Final = "SELECT field, is_sure, count(*) FROM shared_values GROUP BY field, is_sure"
_FIRST: Final = """
SELECT value, first, last, times FROM shared_values WHERE field = ? AND is_sure = ? ORDER BY first LIMIT ?
"""


class Shared(NamedTuple):
    """Values of one unique field that several objects would have."""

    header: str
    is_sure: bool  # all but one would fail
    values: int  # how many
    examples: list[Repeat]


class Uniques:
    """Notes the values of unique fields by which rows are not matched, on disk."""

    def __init__(self, layout: Layout, spool: Spool, failing: Failing) -> None:
        self._spool = spool
        self._failing = failing
        unique = {one.attname: one.name for one in concrete_model(layout.model)._meta.concrete_fields if one.unique}
        self._fields = [
            (one.attname, unique[one.attname], one.header) for one in layout.fields if one.attname in unique
        ]
        relations = [group.relation for group in layout.relations if group.relation.kind == "forward"]
        self._relations = [one for one in relations if one.attname in unique]

    def add(self, action: Action) -> None:
        """Note what a row gives its object."""
        flags = action.flags
        if not (self._fields or self._relations) or not (flags.create or (flags.update and flags.force)):
            return
        matched = {one.path.split("__")[0] for one, _ in operands_of(action.match)}
        for number, (attname, name, _) in enumerate(self._fields):
            value = action.values.get(attname)
            if value not in (None, EMPTY, "") and name not in matched:
                self._hold(action, number, text_of_value(value))
        for reference in action.references:
            if reference.relation in self._relations and reference.lookups and reference.relation.name not in matched:
                number = len(self._fields) + self._relations.index(reference.relation)
                self._hold(action, number, reference.text)

    def shared(self) -> Iterator[Shared]:
        """Give the values that several objects would have; after the last row."""
        self._spool.execute(_SHARE)
        self._failing.add_all(_FAILED)
        headers = [header for _, _, header in self._fields]
        headers += [", ".join(relation.columns) for relation in self._relations]
        for field, is_sure, count in self._spool.execute(_TOTALS).fetchall():
            rows = self._spool.execute(_FIRST, (field, is_sure, MOST_EXAMPLES)).fetchall()
            examples = [Repeat(unpack_text(value), *rest) for value, *rest in rows]
            yield Shared(headers[field], bool(is_sure), count, examples)

    def _hold(self, action: Action, field: int, value: str) -> None:
        match = text_of_match(action.match)
        who = (KEY, action.key) if action.key else (MATCH, match)
        kind, identity, matched = who[0], pack_text(who[1]), pack_text(match)
        place = action.place
        row = (field, pack_text(value), place.ordinal, place.line, kind, identity, matched, action.flags.create)
        self._spool.execute(_ADD, row)
