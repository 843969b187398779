"""A file in blocks: the same rows, with the same lines, as one by one; or none at all."""

from __future__ import annotations

import io
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync import SyncOptions
from nsync.errors import SourceError
from nsync.read import blocks
from nsync.read.base import open_source
from nsync.read.batches import row_batches
from nsync.read.blocks import Unfit
from nsync.rows import Row

_EXAMPLES = int(300 * float(os.environ.get("NSYNC_EXAMPLES", "1")))
_MARK = "\ufeff"


def by_blocks(text: str, **options: Any) -> list[tuple[int, Row]] | None:
    """Give all rows; None if they must be read one by one."""
    source = open_source(io.BytesIO(text.encode()), SyncOptions(**options))
    try:
        count = sum(map(len, source.blocks()))
        found = [pair for batch in row_batches(source, 3) for pair in batch]
        assert len(found) == count
        some = bytearray(ordinal % 3 > 0 for ordinal in range(count))
        chosen = [pair for batch in row_batches(source, 3, some) for pair in batch]
        assert chosen == [pair for pair in found if some[pair[0]]]
        return found
    except Unfit:
        return None
    finally:
        source.close()


def one_by_one(text: str, **options: Any) -> list[tuple[int, Row]]:
    source = open_source(io.BytesIO(text.encode()), SyncOptions(**options))
    try:
        return list(enumerate(source))
    finally:
        source.close()


TEXTS = {
    "plain": "a,b\n1,2\n3,4\n",
    "no newline at the end": "a,b\n1,2\n3,4",
    "lines of Windows": "a,b\r\n1,2\r\n3,4\r\n",
    "blank lines": "\n \na,b\n\n1,2\n \t\n,\n3,4\n\n",
    "a line of one cell that is blank": "a\n1\n\n \n2\n",
    "quotes": 'a,b\n1,"2\n""3"\n4,5\n',
    "quotes in the header": '"a\nx",b\n1,2\n3,4\n',
    "quotes later": 'a,b\n1,2\n3,4\n5,"6\n7"\n8,9\n',
    "a newline of Windows in a cell": 'a,b\n1,"2\r\n3"\n4,5\n',
    "short and long rows": "a,b\n1\n2,3,4\n5,6,\n7,8\n",
    "a byte order mark": _MARK + "a,b\n1,2\n",
    "two byte order marks": _MARK * 2 + "a,b\n1,2\n",
    "byte order marks before a blank line": _MARK * 2 + "\na,b\n1,2\n3,4\n",
    "lines of an old Macintosh": "a,b\r1,2\r",
    "a lone return after quotes": 'a,b\n1,"2"\n3,4\r5\n',
    "other line ends": "a,b\n1\x0b,2\x0c\n3\x85,4\u2028\n",
}


@pytest.mark.parametrize("size", [1, 7, blocks.SIZE])
@pytest.mark.parametrize("name", TEXTS)
def test_blocks_give_the_rows_of_a_file(monkeypatch: pytest.MonkeyPatch, name: str, size: int) -> None:
    """C4: the same cells, lines and ordinals."""
    monkeypatch.setattr(blocks, "SIZE", size)

    found = by_blocks(TEXTS[name])

    assert found == one_by_one(TEXTS[name]) or (found is None and "\r" in TEXTS[name] and '"' in TEXTS[name])


@pytest.mark.parametrize("text", ["a,b\n1\r2,3\n", "a,b\n1,2\0\n", 'a,b\n1,"2\n', 'a,b\n1,"2"3\n'])
def test_what_blocks_do_not_give_is_read_one_by_one(text: str) -> None:
    assert by_blocks(text) is None


def test_what_blocks_do_not_give_may_come_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """V4: a NUL character after a block with quotes is one all the same."""
    monkeypatch.setattr(blocks, "SIZE", 12)

    assert by_blocks('a,b\n1,"2"\n3,4\0\n') is None


_PIECES = st.sampled_from(
    (
        "1",
        "2",
        "x y",
        ",",
        ",",
        ",",
        "\n",
        "\n",
        "\r\n",
        '"',
        '"a"',
        '"a,b"',
        '"a\nb"',
        '"a\r\nb"',
        '""',
        " ",
        "\t",
        "\u00e9",
    )
)


@settings(max_examples=_EXAMPLES, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    head=st.sampled_from(("a,b\n", "a,b\r\n", "\na,b\n", "a\n", '"a",b\n', _MARK + "a,b\n")),
    pieces=st.lists(_PIECES, max_size=30),
    size=st.sampled_from((1, 3, 10, blocks.SIZE)),
)
def test_blocks_give_the_rows_of_any_file(
    monkeypatch: pytest.MonkeyPatch, head: str, pieces: list[str], size: int
) -> None:
    """C4: whatever is in it."""
    monkeypatch.setattr(blocks, "SIZE", size)
    text = head + "".join(pieces)

    found = by_blocks(text)

    if found is None:
        return
    try:
        assert found == one_by_one(text)
    except SourceError as error:
        raise AssertionError(f"blocks read what is an error: {error}") from error


def test_rows_of_a_stream_are_given_before_it_ends() -> None:
    """T3: what is committed batch by batch need not wait for the whole of a slow feed."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(writing, "wb", buffering=0) as feed:
        feed.write(b"a,b\n" + b"".join(b"%d,%s\n" % (number, b"x" * 1000) for number in range(40)))
        source = open_source(stream, SyncOptions())
        batch = next(row_batches(source, 5))  # would wait for ever, if it wanted more than is there
        source.close()

    assert [row.values[0] for _, row in batch] == ["0", "1", "2", "3", "4"]
