"""Which files are compressed, by the suffix of their name."""

import os
from typing import Final

COMPRESSED: Final = (".bz2", ".gz", ".xz", ".zip", ".zst")


def compression_suffix(name: str) -> str:
    """Give the suffix of a compressed file, in lower case; "" if its name has none."""
    suffix = os.path.splitext(name)[1].lower()
    return suffix if suffix in COMPRESSED else ""


def without_compression(name: str) -> str:
    """Take that suffix off: the rest of ``persons.jsonl.gz`` says what format is in it."""
    return name[: len(name) - len(compression_suffix(name))]
