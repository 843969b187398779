from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from nsync.options import SyncOptions
from nsync.read.base import Source, open_source

ZSTD: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
OpenBytes = Callable[..., Source]


@pytest.fixture
def open_bytes(tmp_path: Path) -> Iterator[OpenBytes]:
    """Write bytes (or text, as UTF-8) to a file and open it as a source."""
    opened: list[Source] = []

    def write_and_open(content: bytes | str, name: str = "houses.csv", **options: Any) -> Source:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        source = open_source(path, SyncOptions(**options))
        opened.append(source)
        return source

    yield write_and_open
    for source in opened:
        source.close()
