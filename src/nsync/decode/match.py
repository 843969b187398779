"""Match expressions: parsed once per text, bound to the values of each row (rules I2, I3)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from nsync.actions import EMPTY, Combined, Condition, Lookup, Match, Operand
from nsync.decode.conditions import condition, read_key
from nsync.decode.paths import Path
from nsync.errors import NsyncError
from nsync.rows import MISSING

OPERATORS: Final = ("|", "&", "~")


class MatchError(NsyncError):
    """A match expression is malformed, or names what is no column of the file."""


class MatchColumn(NamedTuple):
    """A column that a match expression may name."""

    position: int
    header: str
    prefix: str  # relation and "__" for a reference column, else ""
    path: Path | None  # None: a key of `lookup`'s system
    key_lookup: Callable[[str], Lookup] | None = None  # gives the reference of a key


Node = str | tuple["Node", ...]  # a column's name, or an operator with its operands


def parse(text: str, names: Mapping[str, MatchColumn]) -> Node | None:
    """
    Parse a match expression: names (ANDed), or postfix with ``|``, ``&`` and ``~``.

    Returns:
        A name, or ``(operator, operand, …)``; None for a blank text.

    Raises:
        MatchError: It is malformed, or a name is no column.
    """
    stack: list[Node] = []
    words = text.split()
    for word in words:
        if word not in OPERATORS:
            if word not in names:
                raise MatchError(f"{word!r} is no column to match on; there are {', '.join(sorted(names)) or 'none'}")
            stack.append(word)
            continue
        wanted = 1 if word == "~" else 2
        if len(stack) < wanted:
            raise MatchError(f"{text!r}: {word} needs {wanted} operand(s) before it, as in 'first_name last_name |'")
        operands = stack[-wanted:]
        del stack[-wanted:]
        stack.append((word, *operands))
    if len(stack) > 1 and any(word in OPERATORS for word in words):
        raise MatchError(f"{text!r}: an operator is missing: in postfix, 'a b |' means a or b, 'a b &' a and b")
    while len(stack) > 1:  # no operator at all: every name must fit
        right, left = stack.pop(), stack.pop()
        stack.append(("&", left, right))
    return stack[0] if stack else None


def bind(node: Node, names: Mapping[str, MatchColumn], cells: Sequence[object]) -> tuple[Match | None, bool]:
    """
    Put a row's values into a parsed expression.

    Returns:
        The expression, and whether any of its values is not empty. An operand of ``|`` whose value is
        empty is left out (rule I3). A ``|`` that has lost all of them is None, and ``&`` with such a ``|``
        finds nothing: to leave it out would let the row mean more objects than it says.

    Raises:
        RowError: A value does not convert.
    """
    if isinstance(node, str):
        return _bind_column(names[node], cells)
    operator, *operands = node
    bound = [bind(operand, names, cells) for operand in operands]
    has_value = any(filled for _, filled in bound)
    parts = [part for part, filled in bound if part is not None and (filled or operator != "|")]
    if not parts:
        return None, False
    if operator == "&" and len(parts) < len(bound):
        return Combined("|", ()), has_value
    if operator == "~":
        return Combined("~", (parts[0],)), has_value
    if len(parts) == 1:
        return parts[0], has_value
    return Combined("|" if operator == "|" else "&", tuple(parts)), has_value


def _bind_column(column: MatchColumn, cells: Sequence[object]) -> tuple[Match, bool]:
    cell = cells[column.position]
    if cell is MISSING:
        cell = ""  # an absent cell has no value to match by
    if column.path is not None:
        found = condition(column.path, column.prefix, cell, column.header)
        return Operand(found), found.value is not EMPTY
    key = read_key(cell, column.header)
    relation = column.prefix.removesuffix("__")
    if not key or column.key_lookup is None:
        # No object of the relation at all: that is what an empty key can match.
        return Operand(Condition(relation, "isnull", True, False, column.header)), False
    return Operand(Condition(relation, "in", None, False, column.header), column.key_lookup(key)), True
