"""What a row must say that is to become an object: what it is known by, and values without which there is none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nsync.actions import EMPTY, Action
from nsync.decode.layout import Layout
from nsync.errors import Problem
from nsync.fields import concrete_model, fills_itself, has_db_default, is_numbered_key, is_parent_link, is_text

NO_COLUMN: Final = "no column has it, and no object can be made without it"


def is_needed(field: Any) -> bool:
    """Whether no object can be made without a value for the field (rule V3)."""
    is_filled = field.null or field.has_default() or has_db_default(field) or fills_itself(field) or field.generated
    return not (is_filled or is_text(field) or is_numbered_key(field) or is_parent_link(field))


class Needed:
    """Knows what the columns of one source must say."""

    def __init__(self, layout: Layout) -> None:
        needed = {field.attname: field for field in concrete_model(layout.model)._meta.concrete_fields}
        needed = {attname: field for attname, field in needed.items() if is_needed(field)}
        self._columns = {one.attname: one.header for one in layout.fields if one.attname in needed}
        self._relations = [group.relation for group in layout.relations if group.relation.is_required]
        given = {*self._columns, *(relation.attname for relation in self._relations)}
        # A property may set any field, and so fill these.
        self.absent = [] if layout.properties else [one.name for name, one in needed.items() if name not in given]

    def missing(self, action: Action) -> Iterator[tuple[str, str]]:
        """Give the headers of empty cells without which a row cannot become an object; and fields without a column."""
        empty = "empty, and no object can be made without it"
        for attname, header in self._columns.items():
            if action.values.get(attname, EMPTY) is EMPTY:
                yield header, empty
        if self._relations:
            named = [reference.relation for reference in action.references]
            yield from ((", ".join(relation.columns), empty) for relation in self._relations if relation not in named)
        if not action.flags.update:  # of others it is said once, of the file
            yield from ((name, NO_COLUMN) for name in self.absent)


def unidentified(action: Action) -> Problem | None:
    """Say why a row that has no key means no object (rules I3, I5, A6); None if it means one."""
    if action.key or action.match is not None:
        return None
    if action.is_match_empty:
        return Problem("empty-match", "all values to match by are empty, and there is no key")
    return Problem("no-identity", "neither a key nor a match")


def needs_mapping(action: Action) -> bool:
    """Whether a row means an object only if its key is mapped (rules I3, A5)."""
    is_released = action.flags.delete and not action.flags.force
    return bool(action.key) and action.is_match_empty and not action.flags.create and not is_released
