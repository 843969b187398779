"""Which character parts the cells: as the options say, or as a sample of the file shows."""

from __future__ import annotations

import csv
import re
from typing import Final

from nsync.errors import ConfigError, SourceError

AUTO: Final = "auto"
SAMPLE_SIZE: Final = 64 * 1024  # characters; hundreds of lines, sniffed in milliseconds
CANDIDATES: Final = ",;\t|:"

_SPELLINGS: Final = {"\\t": "\t", "tab": "\t"}
_QUOTED_CELL: Final = re.compile(r'"(?:[^"]|"")*(?:"|\Z)')


def parse_delimiter(text: str) -> str:
    """
    Give the character that ``--delimiter`` means, or ``"auto"``.

    Raises:
        ConfigError: It is not one character, or one that CSV uses otherwise.
    """
    if text == AUTO:
        return AUTO
    delimiter = _SPELLINGS.get(text.lower(), text)
    if len(delimiter) != 1 or delimiter in '"\r\n\ufeff\0':
        raise ConfigError(f"--delimiter {text!r}: must be one character, such as ',' or ';', or tab, or auto")
    return delimiter


def sniff_delimiter(sample: str, source: str) -> str:
    """
    Find the delimiter that a file's first lines use.

    Args:
        sample: The first SAMPLE_SIZE characters; the last line may be cut.
        source: Name of the source, for the error.

    Raises:
        SourceError: No delimiter parts the header in two or more cells, none is used alike in all lines, or several
            are.
    """
    lines = _bare_lines(sample)
    try:
        found = csv.Sniffer().sniff("\n".join(lines), CANDIDATES).delimiter
    except csv.Error:
        found = ""
    parted = [one for one in CANDIDATES if one in lines[0]]
    if (
        not found
        and len(parted) == 1
        and parted == [one for one in CANDIDATES if any(one in line for line in lines[1:])]
    ):
        found = parted[0]  # some lines are short, but there is no other
    alike = [one for one in CANDIDATES if lines[0].count(one) and len({line.count(one) for line in lines}) == 1]
    if not found or found not in lines[0] or (len(lines) > 1 and alike and alike != [found]):
        shown = ", ".join(f"{spell_delimiter(one)} parts the first line in {lines[0].count(one) + 1}" for one in parted)
        reason = f"cannot tell which character parts its cells{f': {shown}' if shown else ''}"
        cure = f"say which, for example --delimiter {spell_delimiter((parted or ';')[0])}"
        raise SourceError(f"{reason}; {cure} (any of them, for a file with a single column)", source)
    return found


def spell_delimiter(delimiter: str) -> str:
    """Show a delimiter as a user would write it."""
    return "tab" if delimiter == "\t" else repr(delimiter)


def likelier_delimiter(header: str) -> str:
    """Give the delimiter that a header line seems to use when it was read as a single cell, or ""."""
    counts = {candidate: header.count(candidate) for candidate in ";\t|,"}
    likeliest = max(counts, key=lambda candidate: counts[candidate])
    return likeliest if counts[likeliest] else ""


def _bare_lines(sample: str) -> list[str]:
    # Quoted cells and apostrophes are taken out first: Sniffer believes any quoting that it sees ('O'Brien, D'Arcy'
    # too), does not know quoted newlines, and takes quadratic time over long quoted cells.
    complete = sample if len(sample) < SAMPLE_SIZE else sample[: max(sample.rfind("\n"), sample.rfind("\r")) + 1]
    bare = _QUOTED_CELL.sub("", complete or sample).replace("'", "")
    return [line for line in re.split(r"\r\n|\r|\n", bare) if line.strip()] or [""]
