"""Bytes → Row. Knows formats, not Django; one registry line per format."""

import nsync.read.csvfile  # noqa: F401
