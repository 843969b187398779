"""Bytes → Row. Knows formats, not Django; one registry line per format."""
