"""Proofs: rows that change nothing are found by the database, and passed over. Part of the conductor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any

from django.db import connections
from django.db.models import Manager, Model

from nsync.actions import Kind, kinds_asked
from nsync.changes import OutcomeKind
from nsync.columns import Sketch
from nsync.copying import can_copy
from nsync.decode.columns import ColumnReader
from nsync.decode.decoder import Decoder
from nsync.decode.layout import Layout
from nsync.executor import Executor
from nsync.fields import concrete_model
from nsync.models import ExternalKeyMapping
from nsync.plan.columns import can_match
from nsync.read.base import Source
from nsync.read.batches import row_batches
from nsync.read.blocks import Unfit
from nsync.rows import RowBatch
from nsync.signals import batch_applied

if TYPE_CHECKING:
    from nsync.plan.proving import Proof, Touches, Unproved
    from nsync.watching import Watch

_LEAST_SHARE = 2  # one of so many rows must be known, or a proof is not worth its time


class Proofs:
    """
    Finds out which rows of one source are worth looking at.

    Args:
        number: Of the source in the run.
        source: The source.
        decoder: Its decoder.
        executor: Of the run.
        is_only: The run has no other source: a proof holds for all of its phases.
    """

    def __init__(self, number: int, source: Source, decoder: Decoder, executor: Executor, *, is_only: bool) -> None:
        self._number = number
        self._source = source
        self._decoder = decoder
        self._executor = executor
        self._is_only = is_only
        self._proof: Proof | None = None
        self._watch: Watch | None = None  # where code of the project may do anything as rows are written
        self.depends = False  # whether what is proved holds only until the watch is disturbed
        self._is_tried = False
        self._is_run = False  # whether this phase does what proved rows ask for
        self.asked: set[Kind] = set()  # what proved rows have asked for
        self._noted = 0  # rows whose outcome is noted, in this phase

    def start(self, kinds: frozenset[Kind], first: int = 0) -> Iterator[RowBatch]:
        """Give the rows that a phase must look at, in batches; those before the first are done."""
        self._noted = first
        is_watched = self._watch is not None and self._proof is not None
        may_differ = not self._is_only or is_watched or batch_applied.has_listeners()
        if may_differ or not self._is_tried:
            self._watch, self.depends = None, False
            self._proof = self._prove() if self._can_prove(kinds) else None
            self._is_tried = True
        if self._watch is None and self._can_watch(kinds):
            self._watch = _watch_over(self._executor.resolver.using, self._decoder.layout)
        self._executor.watch = self._watch
        self._is_run = not self.asked.isdisjoint(kinds)
        return self._batches()

    def _batches(self) -> Iterator[RowBatch]:
        size = self._executor.options.batch_size
        if self._proof is None:
            return row_batches(self._source, size)
        return row_batches(self._source, size, self._proof.unproved) if any(self._proof.unproved) else iter(())

    def watching(self) -> AbstractContextManager[None]:
        """See what the rows do that are not proved, if code of the project has a hand in it."""
        return nullcontext() if self._watch is None else self._watch.watching()

    def is_disturbed(self) -> bool:
        """Whether something was done that was not planned, so that rows which were proved may change something."""
        if self._watch is None or not self.depends:
            return False
        self._watch.judge()
        return self._watch.is_disturbed

    def give_up(self, start: int) -> Iterator[RowBatch]:
        """Take all rows from one on, before which all are done, for unproved; give them in batches."""
        assert self._proof is not None
        self.depends = False
        self._is_tried = False  # the next phase proves anew
        done = bytearray(start)
        self._proof = self._proof._replace(unproved=done.ljust(len(self._proof.unproved), b"\1"))
        return self._batches()

    @property
    def noted(self) -> int:
        """Before which row all are run, or proved, in this phase."""
        return self._noted

    def take_back(self, noted: int) -> None:
        """The rows from one on are to be run again."""
        self._noted = noted

    def note(self, ordinals: Sequence[int]) -> int:
        """
        Keep account of the proved rows before and among those that were run.

        Returns:
            How many these are.
        """
        if self._proof is None:
            self._noted = ordinals[-1] + 1 if ordinals else self._noted
            return 0
        count = 0
        for ordinal in ordinals:
            count += self._note_until(ordinal)
            self._noted = ordinal + 1
        return count

    def note_rest(self) -> int:
        """Keep account of the proved rows after the last that was run."""
        return 0 if self._proof is None else self._note_until(len(self._proof.unproved))

    def _note_until(self, stop: int) -> int:
        count = stop - self._noted
        if count <= 0:
            return 0
        ledger = self._executor.accounts.ledger
        if self._is_run:
            ledger.note_all(self._number, self._noted, stop, OutcomeKind.UNCHANGED)
        else:
            ledger.see_many(self._number, stop)
        self._noted = stop
        return count

    def _can_prove(self, kinds: frozenset[Kind]) -> bool:
        engine = self._executor.engines[self._number]
        connection: Any = connections[self._executor.resolver.using]
        is_mariadb = connection.vendor == "mysql" and connection.mysql_is_mariadb
        has_way = can_copy(connection) or connection.vendor == "sqlite" or is_mariadb
        return engine.can_prove and has_way and not kinds.isdisjoint({Kind.CREATE, Kind.UPDATE})

    def _can_watch(self, kinds: frozenset[Kind]) -> bool:
        """Whether rows that are written one by one may be planned together as long as they do what was planned."""
        engine = self._executor.engines[self._number]
        asks = not kinds.isdisjoint({Kind.CREATE, Kind.UPDATE})
        return engine.reads_batches and engine.can_prove and not engine.writes_bulk and asks

    def _prove(self) -> Proof | None:
        options = self._executor.options
        with closing(row_batches(self._source, options.batch_size + 1)) as batches:
            rows = next(batches, None)
        if rows is None or len(rows) <= options.batch_size:
            return None  # one batch is soon read
        from nsync.plan.proving import Prover  # takes its time, which small files need not wait for

        reader = ColumnReader(self._decoder)
        sketch = reader.sketch(rows)
        if sketch is None or sketch.flags.delete or not self._is_worth_it(sketch, rows):
            return None
        layout = self._decoder.layout
        model = concrete_model(layout.model)
        if not all(
            map(_shows_all, [model, *(concrete_model(one.relation.related_model) for one in sketch.references)])
        ):
            return None
        waiting = self._executor.accounts.waiting
        if any(waiting.knows(reference.relation.name) for reference in sketch.references):
            return None
        if not can_match(model, sketch.match):
            return None
        prover = Prover(self._executor.resolver.identities, model, layout.system, sketch, options)
        if not prover.can_prove:
            return None
        # Receivers may write as soon as a batch is done, in which proved rows lie between others.
        touches = None if batch_applied.has_listeners() else _touches(reader, sketch)
        try:
            delimiter = self._source.delimiter
            proof = prover.prove(self._source.blocks(), delimiter, len(self._source.header), touches)
        except Unfit:
            return None
        if proof is not None:
            self.asked |= kinds_asked(sketch.flags)
            is_partial = b"\0" in proof.unproved and b"\1" in proof.unproved
            if is_partial and not self._executor.engines[self._number].writes_bulk:
                self._watch = _watch(self._executor.resolver.using, model, sketch, commits=not options.as_transaction)
                self.depends = True
        return proof

    def _is_worth_it(self, sketch: Sketch, rows: RowBatch) -> bool:
        """Whether so many rows may be known already that most of them may be unchanged."""
        layout = self._decoder.layout
        model, using = concrete_model(layout.model), self._executor.resolver.using
        if sketch.key is None:
            known = model._base_manager.using(using).count()
        else:
            identities = self._executor.resolver.identities
            known = (
                ExternalKeyMapping._base_manager.using(using)
                .filter(
                    external_system_id=identities.system(layout.system),
                    content_type_id=identities.content_type(model),
                )
                .count()
            )
        return known * _LEAST_SHARE >= max(self._source.expected or _rows_about(self._source, rows), len(rows))


def _rows_about(source: Source, some: RowBatch) -> float:
    """Tell from the lengths of some rows about how many there are in a file of text."""
    length = sum(len(row.values) + sum(map(len, map(str, row.values))) for _, row in some) / len(some)
    return source.size / length


def _shows_all(model: type[Model]) -> bool:
    """Whether the manager through which all else asks gives every row of the table."""
    return type(model._base_manager) is Manager


def _watch(using: str, model: type[Model], sketch: Sketch, *, commits: bool) -> Watch:
    from nsync.watching import Watch

    others = [one.relation.related_model for one in sketch.references]
    return Watch(using, model, sketch.match, others, commits=commits)


def _watch_over(using: str, layout: Layout) -> Watch | None:
    """Give a watch over everything that rows of a layout may look at; None if they look further than it sees."""
    from nsync.watching import Watch

    model = concrete_model(layout.model)
    relations = [group.relation for group in layout.relations]
    paths = [column.path for group in layout.relations for column in group.columns]
    paths += [operand.path for operand in layout.operands.values()]
    passed = [field for path in paths if path is not None for field in path.passed]
    others = [field.related_model for field in passed if field.is_relation]
    others += [relation.related_model for relation in relations]
    is_seen = all(not field.is_relation or (field.concrete and not field.many_to_many) for field in passed)
    if not is_seen or not all(map(_shows_all, [model, *map(concrete_model, others)])):
        return None
    attnames = [column.attname for column in layout.fields] + [relation.attname for relation in relations]
    attnames += [field.attname for field in passed if field.model is model]
    return Watch(using, model, list(dict.fromkeys(attnames)), others, commits=False)


def _touches(reader: ColumnReader, sketch: Sketch) -> Touches:
    def touches(rows: Unproved) -> list[Sequence[str]] | None:
        asked = set(zip(rows.flags, rows.match_on, strict=True))
        if not all(reader.asks_alike(sketch, flags, match) for flags, match in asked):
            return None
        values = reader.match_texts(sketch, rows.cells)
        return None if values is None else [list(map(str.strip, rows.keys)), *values]

    return touches
