"""What is kept of a run is given back as it was, in pieces that fit into a statement."""

from __future__ import annotations

import random

import pytest

from nsync.changes import OutcomeKind
from nsync.history import insert_into
from nsync.models import Checkpoint, Run
from nsync.record.checkpoint import blocks_of, forget, keep, kept_blocks, last_position
from nsync.record.ledger import Ledger

pytestmark = pytest.mark.django_db


def test_the_last_position_counts_and_blocks_come_in_their_order() -> None:
    run, other = Run.objects.create().pk, Run.objects.create().pk
    insert = insert_into("default")
    assert last_position(run, "default") is None

    keep(run, insert, blocks_of("a", [(1, "x"), (2, "\0")]), {"row": 2})
    keep(other, insert, [], {"row": 9})
    keep(run, insert, blocks_of("b", [(None, "\ud800")]), {"row": 3})

    assert last_position(run, "default") == {"row": 3}
    found = [(block.kind, list(zip(*block.columns, strict=True))) for block in kept_blocks(run, "default")]
    assert found == [("a", [(1, "x"), (2, "\0")]), ("b", [(None, "\ud800")])]
    forget(run, "default")
    assert set(Checkpoint.objects.values_list("run", flat=True)) == {other}


def test_what_is_too_long_for_one_statement_is_split() -> None:
    run = Run.objects.create().pk
    rows = [(number, random.Random(number).randbytes(1_500_000).hex()) for number in range(4)]

    keep(run, insert_into("default"), blocks_of("a", rows), {})

    assert Checkpoint.objects.filter(run=run, kind="a").count() > 1
    assert max(map(len, Checkpoint.objects.values_list("content", flat=True))) < 5_000_000
    found = [row for block in kept_blocks(run, "default") for row in zip(*block.columns, strict=True)]
    assert found == rows


def test_of_a_ledger_only_what_is_new_is_given() -> None:
    ledger, copy = Ledger(2), Ledger(2)

    def tell() -> list[tuple[int, int, int]]:
        news = list(ledger.news())
        for one in news:
            copy.put_back(*one)
        ledger.forget_news()
        return [(source, first, len(noted)) for source, first, noted in news]

    ledger.note_all(0, 0, 100, OutcomeKind.CREATED)
    assert tell() == [(0, 0, 100)]
    assert tell() == []
    ledger.note_all(0, 100, 103, OutcomeKind.UPDATED)
    ledger.see_many(1, 5)
    assert tell() == [(0, 100, 3), (1, 4, 1)]
    ledger.note_all(0, 7, 8, OutcomeKind.DELETED)
    assert tell() == [(0, 7, 1)]
    assert [copy.counts(source) for source in (0, 1)] == [ledger.counts(source) for source in (0, 1)]
    assert (copy.rows(0), copy.rows(1)) == (103, 5)
