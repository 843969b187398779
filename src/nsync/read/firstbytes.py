"""Encodings: is the name one, and is the file what its encoding says it is (rule C6)."""

import codecs
import encodings.aliases
import io
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final, NamedTuple

from nsync.errors import ConfigError, SourceError

if TYPE_CHECKING:
    from nsync.read.streams import Content

AUTO: Final = "auto"
HEAD_SIZE: Final = 1024


class Compression(NamedTuple):
    """How compressed data is spoken of, and what it begins with."""

    name: str
    start: bytes  # a regular expression


COMPRESSIONS: Final = {  # by suffix
    ".bz2": Compression("bzip2", rb"BZh[1-9](1AY&SY|\x17rE8P\x90)"),
    ".gz": Compression("gzip", rb"\x1f\x8b"),
    ".xz": Compression("xz", rb"\xfd7zXZ\x00"),
    ".zip": Compression("zip", rb"PK\x03\x04|PK\x05\x06"),
    ".zst": Compression("zstd", rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18"),
}
LONGEST_START: Final = 10  # bytes
_READ_IF: Final = "it is read if its name ends in"
_EXPORT: Final = "save it as CSV (UTF-8) and name that file"
_RESAVE: Final = "save it as .xlsx, without a password, and name that file"
_SIGNATURES: Final = (  # (pattern, what it is, what would work); the first that fits
    (rb"PK\x03\x04.*(xl/|\[Content_Types\]\.xml)", "an Excel workbook", "say --format xlsx"),
    (
        rb"PK\x03\x04.{26}mimetypeapplication/vnd\.oasis",
        "an OpenDocument file",
        "say --format ods if it is a spreadsheet",
    ),
    (COMPRESSIONS[".zip"].start, "a zip archive", f"{_READ_IF} .zip, or with --member on standard input"),
    *((one.start, f"compressed with {one.name}", f"{_READ_IF} {suffix}") for suffix, one in COMPRESSIONS.items()),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", "unpack it first"),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel workbook (.xls), or one with a password", _RESAVE),
    (rb"PAR1", "a Parquet file", "say --format parquet"),
    (rb"%PDF-", "a PDF", "ask for the data as CSV"),
    (rb"\s*(?i:<(!doctype )?html)", "a web page", "often a login or error page; download the file again"),
)
_XML: Final = rb"(\xef\xbb\xbf)?\s*<\?xml\s"

_BYTE_ORDER_MARKS: Final = (  # UTF-32 first: its mark begins with UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32", ("utf-32", "utf-32-le")),
    (codecs.BOM_UTF32_BE, "utf-32", ("utf-32", "utf-32-be")),
    (codecs.BOM_UTF8, "utf-8", ("utf-8", "utf-8-sig")),
    (codecs.BOM_UTF16_LE, "utf-16", ("utf-16", "utf-16-le")),
    (codecs.BOM_UTF16_BE, "utf-16", ("utf-16", "utf-16-be")),
)
_HOST_NAMES_ONLY: Final = ("idna", "punycode")  # text encodings to Python, but not of files


def check_encoding(name: str) -> str:
    """
    Give the canonical name of an encoding, or ``"auto"``.

    Raises:
        ConfigError: It is unknown, or none that turns bytes into text.
    """
    if name == AUTO:
        return AUTO
    try:
        return _look_up(name)
    except (LookupError, ValueError) as error:  # ValueError: a NUL character in the name
        close = get_close_matches(name.lower().replace("-", "_"), encodings.aliases.aliases.values())
        fitting = next(filter(_is_text_encoding, close), "")
        hint = f"did you mean {fitting.replace('_', '-')}?" if fitting else "try utf-8, utf-16 or cp1252"
        raise ConfigError(f"--encoding {name}: no such encoding; {hint}") from error


def _look_up(name: str) -> str:
    canonical = codecs.lookup(name).name
    if canonical in _HOST_NAMES_ONLY:
        raise LookupError(name)
    io.TextIOWrapper(io.BytesIO(), encoding=canonical).read()  # refuses base64 and its like
    return canonical


def _is_text_encoding(name: str) -> bool:
    try:
        return bool(_look_up(name))
    except LookupError:
        return False


def encoding_of(content: "Content", wanted: str) -> tuple[str, tuple[str, ...]]:
    """
    Give the encoding of a content, in its canonical spelling, and what there is to say of how it was found.

    Raises:
        ConfigError: As `check_encoding`.
        SourceError: ``auto`` is wanted, and its bytes do not tell.
    """
    name = content.encoding or check_encoding(wanted)
    if name != AUTO:
        return name, ()
    from nsync.read.detection import detect_encoding  # few sources need it

    found = detect_encoding(content)
    return found.name, (found.note,)


def encoding_shown_by(head: bytes) -> str:
    """Give the encoding that the first bytes of a file prove: by a byte order mark, or as UTF-16 without; else ""."""
    for mark, family, _ in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            return "utf-8-sig" if family == "utf-8" else family
    return _guess_utf_16(head) if b"\0" in head[: head.find(b"\n") + 2 or None] else ""


def plain_name(encoding: str) -> str:
    """Name an encoding in a message; whether it allows for a byte order mark is of no interest there."""
    return encoding.removesuffix("-sig")


def what_it_is(head: bytes) -> tuple[str, str] | None:
    """Say what a file is by its first bytes, and what would work; None for what may be text."""
    return next(((what, cure) for pattern, what, cure in _SIGNATURES if re.match(pattern, head, re.DOTALL)), None)


def check_first_bytes(head: bytes, name: str, encoding: str) -> str:
    """
    Check that a file is the text that its encoding says it is (rule C6).

    Args:
        head: The first bytes, at most HEAD_SIZE.
        name: Of the source.
        encoding: In its canonical spelling.

    Returns:
        The encoding to write its rejected rows in: with a byte order mark if it has one.

    Raises:
        SourceError: It is an archive, a workbook, XML, or text in another encoding.
    """
    refuse_other_kinds(head, name)
    return check_marks(head, name, encoding)


def check_marks(head: bytes, name: str, encoding: str) -> str:
    """Check that a file has the byte order mark of its encoding, if any, and give what `check_first_bytes` gives."""
    for mark, family, fitting in _BYTE_ORDER_MARKS:
        if head.startswith(mark):
            if encoding not in fitting:
                reason = f"begins with the byte order mark of {family.upper()}, not of {plain_name(encoding)}"
                raise SourceError(f"{reason}; say --encoding {family}", name)
            return "utf-8-sig" if family == "utf-8" else encoding
    if encoding in ("utf-16", "utf-32"):
        _refuse_without_mark(head, name, encoding)
    if not encoding.startswith(("utf-16", "utf-32")):
        _refuse_nul_bytes(head, name, encoding)
    return "utf-8" if encoding == "utf-8-sig" else encoding


def compression_of(head: bytes, *, zipped: bool = False) -> str:
    """
    Give the suffix that compressed data is known by, from its first bytes; "" if it is none.

    Args:
        head: The first bytes, at least LONGEST_START if there are so many.
        zipped: Whether a zip archive counts; workbooks are some, too.
    """
    fitting = (suffix for suffix, one in COMPRESSIONS.items() if re.match(one.start, head))
    return next((suffix for suffix in fitting if zipped or suffix != ".zip"), "")


def refuse_other_kinds(head: bytes, name: str) -> None:
    """Raise SourceError for a file that is no text at all, such as an archive or a workbook."""
    if known := what_it_is(head):
        raise SourceError("is {}, not text; {}".format(*known), name)
    if re.match(_XML, head):
        raise SourceError("is XML; say --format xml", name)


def _refuse_without_mark(head: bytes, name: str, encoding: str) -> None:
    if b"\0" not in head:
        hint = "say --encoding utf-8, or cp1252 for a file saved by Excel on Windows"
    else:
        hint = f"say --encoding {encoding}-{'be' if head.startswith(bytes(1)) else 'le'}"
    raise SourceError(f"has no {encoding.upper()} byte order mark; {hint}", name)


def _refuse_nul_bytes(head: bytes, name: str, encoding: str) -> None:
    # UTF-16 shows in the first line, since its delimiters and its newline ("\n\0" or "\0\n") hold a NUL byte.
    # A NUL byte further down is a bad cell, which the decoder reports with its row (rule V4).
    end = head.find(b"\n") + 1 or len(head)
    if b"\0" not in head[: end + 1]:
        return
    guess = _guess_utf_16(head)
    if not guess and b"\0" not in head[:end]:
        return
    if not guess:
        raise SourceError("is not text: it has NUL bytes in its first line; ask for the data as CSV", name)
    hint = f"it looks like UTF-16 without a byte order mark: say --encoding {guess}"
    raise SourceError(f"has NUL bytes in its first line, so it is not {plain_name(encoding)} text; {hint}", name)


def _guess_utf_16(head: bytes) -> str:
    """Tell the byte order from the NUL bytes: in UTF-16 they are many, and nearly all in the same half of the pairs."""
    first, second = head[::2].count(0), head[1::2].count(0)
    many, few = max(first, second), min(first, second)
    # A fifth of the pairs: in Chinese or Japanese only delimiters, digits and newlines have one.
    if many * 10 < len(head) or few * 4 > many:
        return ""
    return "utf-16-be" if first > second else "utf-16-le"
