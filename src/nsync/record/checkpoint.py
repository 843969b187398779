"""Checkpoint: where an interrupted run goes on. Each committed batch adds what is new since the one before."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, NamedTuple

from django.db.models import QuerySet

from nsync.errors import Problem
from nsync.models import Checkpoint
from nsync.record.blocks import pack_columns, unpack_columns
from nsync.record.journal import Insert
from nsync.record.values import to_json

Veil = Callable[[int, Problem], Problem]  # the source of a problem; leaves out values that are not to be kept

_COLUMNS = ("run_id", "kind", "content")
_POSITION = "position"
_AT_ONCE = 5_000  # rows in a block
_LONGEST = 4_000_000  # characters in a statement: MariaDB limits its length, by default to 16 MB
_READ = 50  # checkpoints that are held in memory while they are read


class Where(NamedTuple):
    """Where a run stands: what it has to do next."""

    phase: int
    source: int
    row: int  # ordinal; all rows before it are done
    key: str = ""  # of a snapshot: what it has done last


class Block(NamedTuple):
    """What is new of one kind, column by column, as JSON has it. Who gives a block takes it back."""

    kind: str
    columns: Sequence[Sequence[Any]]


def blocks_of(kind: str, rows: Iterable[Sequence[Any]]) -> Iterator[Block]:
    """Give rows as blocks."""
    left = iter(rows)
    while part := list(islice(left, _AT_ONCE)):
        yield Block(kind, list(zip(*part, strict=True)))


def keep(run: int, insert: Insert, blocks: Iterable[Block], position: Mapping[str, object]) -> None:
    """
    Keep what is new, and where the run stands now; in the transaction of the batch that has brought it about.

    Args:
        run: Primary key of the run.
        insert: Inserts rows.
        blocks: What is new.
        position: Where the run stands, as JSON has it.

    Queries: one, as a rule; one for every four million characters.
    """
    parts = ((block.kind, text) for block in blocks for text in _texts(block.columns))
    held: list[tuple[int, str, str]] = []
    length = 0
    for kind, content in chain(parts, [(_POSITION, to_json(position))]):
        if held and length + len(content) > _LONGEST:
            insert(Checkpoint, _COLUMNS, list(zip(*held, strict=True)))
            held, length = [], 0
        held.append((run, kind, content))
        length += len(content)
    insert(Checkpoint, _COLUMNS, list(zip(*held, strict=True)))


def _texts(columns: Sequence[Sequence[Any]]) -> Iterator[str]:
    """Pack columns; in halves where a statement would be too long."""
    text, count = pack_columns(columns), len(columns[0])
    if len(text) <= _LONGEST or count == 1:
        yield text
        return
    for half in (slice(count // 2), slice(count // 2, None)):
        yield from _texts([column[half] for column in columns])


def last_position(run: int, using: str) -> dict[str, Any] | None:
    """Give where a run stood after the last batch that it has committed; None: there was none, or it is finished."""
    last = _checkpoints(run, using).filter(kind=_POSITION).order_by("-pk").first()
    position: dict[str, Any] | None = None if last is None else json.loads(last.content)
    return position


def kept_blocks(run: int, using: str) -> Iterator[Block]:
    """Give what was kept of a run, in the order in which it was."""
    kept = _checkpoints(run, using).exclude(kind=_POSITION).order_by("pk")
    for checkpoint in kept.iterator(chunk_size=_READ):
        yield Block(checkpoint.kind, unpack_columns(checkpoint.content))


def forget(run: int, using: str) -> None:
    """Remove what was kept of a run: it is finished."""
    checkpoints: Any = _checkpoints(run, using)
    checkpoints._raw_delete(using)  # no signal, and nothing hangs on them


def _checkpoints(run: int, using: str) -> QuerySet[Checkpoint]:
    return Checkpoint._base_manager.using(using).filter(run=run)
