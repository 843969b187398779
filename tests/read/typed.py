"""Whatever a source of typed records says row by row, its blocks say as text; and any bytes are rows or an error."""

from __future__ import annotations

import io
from typing import Any

from nsync import SyncOptions
from nsync.errors import NsyncError
from nsync.read.base import Source, open_source
from nsync.read.batches import row_batches
from nsync.read.blocks import Unfit
from nsync.read.records import RecordSource


def opened(content: bytes, kind: str, **options: Any) -> Source:
    return open_source(io.BytesIO(content), SyncOptions(format=kind, **options))


def typed_rows(source: Source) -> list[tuple[int, tuple[Any, ...]]]:
    """Give the values that a source has, before they are text."""
    assert isinstance(source, RecordSource)
    with source.reading() as stream:
        return [(number, tuple(values)) for number, values in source.records(stream)]


def check_blocks(source: Source) -> bool:
    """Compare blocks, and batches of them, with rows; tell whether there are blocks at all."""
    rows = [(row.number, list(row.values)) for row in source]
    try:
        blocks = [
            (number, record.split(source.delimiter) if isinstance(record, str) else list(record))
            for block in source.blocks()
            for number, record in zip(block.lines, block.rows, strict=True)
        ]
    except Unfit:
        return False
    assert blocks == rows
    batches = [(row.number, list(row.values)) for batch in row_batches(source, 3) for _, row in batch]
    assert batches == rows
    return True


def read_all(content: bytes, kind: str, **options: Any) -> None:
    """Read any bytes; whatever is wrong is an error of ours."""
    try:
        source = opened(content, kind, **options)
        try:
            list(source)
            check_blocks(source)
        finally:
            source.close()
    except NsyncError:
        pass
