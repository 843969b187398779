"""Spreadsheets that are damaged, not what they are called, or made to do harm: an error, soon, and little memory."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import textwrap
import tracemalloc
import zipfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync import SyncOptions
from nsync.errors import NsyncError, SourceError
from nsync.read.base import Source, open_source
from nsync.read.batches import row_batches
from tests.read.conftest import OpenBytes
from tests.read.typed import typed_rows
from tests.read.workbooks import ods, ods_parts, ods_row, ods_text, text_row, xlsx, xlsx_parts, zipped

FILES = Path(__file__).parent / "files"
_EXAMPLES = int(100 * float(os.environ.get("NSYNC_EXAMPLES", "1")))
_MEGABYTES = 100  # beyond what the modules take
_BOMB = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
_OLE = bytes.fromhex("d0cf11e0a1b11ae1")


def ole(entry: str) -> bytes:
    """Give the beginning of an OLE container, whose directory is in its third sector."""
    head = _OLE + bytes(22) + struct.pack("<H", 9) + bytes(16) + struct.pack("<I", 2) + bytes(460)
    return head + bytes(2 * 512) + entry.encode("utf-16-le").ljust(512, b"\0")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("x.xlsx", b"a,b\n1,2\n", r"is no \.xlsx file but text; if it is CSV, say --format csv"),
        ("x.ods", b"a,b\n1,2\n", r"is no \.ods file but text; if it is CSV, say --format csv"),
        ("x.xlsx", bytes(300), r"is no \.xlsx file but something else; check how it was made"),
        ("x.xlsx", b"<html><table>", r"is no \.xlsx file but a web page; .*download the file again"),
        ("x.xlsx", ole("Workbook"), r"but an old Excel workbook \(\.xls\), or one with a password; save it as \.xlsx"),
        ("x.xlsx", ole("EncryptedPackage"), "has a password; open it, take the password off, and save it again"),
        ("x.xlsx", _OLE, r"but an old Excel workbook"),
        ("x.xlsx", (FILES / "libreoffice.xls").read_bytes(), r"but an old Excel workbook \(\.xls\)"),
        ("x.xlsx", (FILES / "libreoffice.ods").read_bytes(), "is an OpenDocument file; say --format ods"),
        ("x.ods", (FILES / "libreoffice.xlsx").read_bytes(), "it is an Excel workbook; say --format xlsx"),
        ("x.csv", (FILES / "libreoffice.xlsx").read_bytes(), "is an Excel workbook, not text; say --format xlsx"),
        ("x.csv", (FILES / "libreoffice.ods").read_bytes(), "is an OpenDocument file, not text; say --format ods"),
        ("x.jsonl", (FILES / "libreoffice.xlsx").read_bytes(), "is an Excel workbook, not text; say --format xlsx"),
        ("x.xlsx", zipped({"xl/workbook.bin": ""}), r"is a binary workbook \(\.xlsb\); save it as \.xlsx"),
        ("x.xlsx", zipped({"a.csv": "a,b"}), r"has no part _rels/\.rels: is damaged"),
        ("x.xlsx", zipped({"_rels/.rels": "<x/>"}), "is an archive, but no workbook"),
        ("x.ods", zipped({"a.csv": "a,b"}), "is an archive, but no OpenDocument spreadsheet"),
        (
            "x.ods",
            zipped({"content.xml": "?", "META-INF/manifest.xml": "<manifest:encryption-data>"}),
            "has a password; open it, take the password off",
        ),
        ("x.ods", zipped({"content.xml": "<a/>"}), "has no sheets with cells"),
        ("x.xlsx", zipped({"_rels/.rels": "<x/>"}, zipfile.ZIP_BZIP2), "is packed in a way that spreadsheets are not"),
    ],
)
def test_a_file_that_is_something_else_is_named_for_what_it_is(
    open_bytes: OpenBytes, name: str, content: bytes, said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        open_bytes(content, name=name)


def test_a_stream_of_text_is_no_workbook() -> None:
    with pytest.raises(SourceError, match="is a text stream, and a workbook is none; open it in binary mode"):
        open_source(io.StringIO("PK"), SyncOptions(format="xlsx"))


@pytest.mark.parametrize("suffix", ["xlsx", "ods"])
def test_a_file_that_was_cut_off_anywhere_is_an_error(open_bytes: OpenBytes, suffix: str) -> None:
    content = (FILES / f"libreoffice.{suffix}").read_bytes()

    for length in range(1, len(content) - 1, 97):
        with pytest.raises(SourceError):
            list(open_bytes(content[:length], name=f"x.{suffix}"))


def test_damage_within_a_part_shows_though_the_rows_before_it_are_read(open_bytes: OpenBytes) -> None:
    content = bytearray(zipped(xlsx_parts(text_row("a") + text_row("x") * 9), zipfile.ZIP_STORED))
    content[content.index(b"</sheetData>") + 14] ^= 1

    with pytest.raises(SourceError, match=r"is damaged, or was not written to its end; copy or download it again.*CRC"):
        list(open_bytes(bytes(content), name="x.xlsx"))


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ('<row r="3"/><row r="3"/>', "is damaged: its row 3 follows row 3"),
        ('<row r="1048577"/>', "has more than 1,048,576 rows"),
        ('<row r="-1"/>', "is damaged: its row -1 follows row 0"),
        ('<row><c r="XFE1"><v>1</v></c></row>', "is damaged: there is no cell 'XFE1'"),
        ('<row><c r="AAAAAAAAA1"><v>1</v></c></row>', "is damaged: there is no cell 'AAAAAAAAA1'"),
        ('<row><c r="1"><v>1</v></c></row>', "is damaged: there is no cell '1'"),
        ('<row><c r="B1"><v>1</v></c><c r="A1"><v>1</v></c></row>', "is damaged: the cells of row 1 are not in order"),
        ('<row><c t="s"><v>7</v></c></row>', "is damaged: a cell names text number 7, which is not there"),
        ("<row><row/></row>", "its part xl/worksheets/sheet1.xml: a row within a row"),
        ("<row/><c><v>1</v></c>", "its part xl/worksheets/sheet1.xml: a cell that is in no row"),
        ("<row></c>", "its part xl/worksheets/sheet1.xml: not XML: mismatched tag"),
        ("<x>" * 300, "its part xl/worksheets/sheet1.xml: elements are nested deeper than 200"),
        ("<row>" + "<c>" * 300, "its part xl/worksheets/sheet1.xml: elements are nested deeper than 200"),
    ],
)
def test_a_sheet_that_no_program_writes_is_an_error(open_bytes: OpenBytes, rows: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        open_bytes(xlsx(rows), name="x.xlsx")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("<table:table-row><table:table-row/></table:table-row>", "its part content.xml: a row within a row"),
        ("<table:table-row/><table:table-cell/>", "its part content.xml: a cell that is in no row"),
    ],
)
def test_a_sheet_of_ods_that_no_program_writes_is_an_error(open_bytes: OpenBytes, rows: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        open_bytes(ods(rows), name="x.ods")


def with_bomb(parts: dict[str, str], part: str) -> dict[str, str | bytes]:
    return {**parts, part: _BOMB + parts[part].replace("<", "<", 1).encode()}


@pytest.mark.parametrize("part", ["xl/worksheets/sheet1.xml", "xl/sharedStrings.xml", "xl/styles.xml", "_rels/.rels"])
def test_entities_are_refused_in_any_part(open_bytes: OpenBytes, part: str) -> None:
    row = text_row("a") + '<row><c t="s"><v>0</v></c></row>'

    with pytest.raises(SourceError, match=rf"its part {part}: has a DTD \(<!DOCTYPE x …>\), which can make"):
        list(open_bytes(zipped(with_bomb(xlsx_parts(row, "<si><t>x</t></si>"), part)), name="x.xlsx"))


def test_entities_are_refused_in_ods(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError, match=r"its part content\.xml: has a DTD"):
        open_bytes(zipped(with_bomb(ods_parts(""), "content.xml")), name="x.ods")


@pytest.mark.parametrize("encoding", ["shift_jis", "utf-7", "base64", "undefined", "no-such"])
def test_an_encoding_that_the_parser_does_not_know_is_an_error(open_bytes: OpenBytes, encoding: str) -> None:
    parts = xlsx_parts(text_row("a"))
    parts["xl/workbook.xml"] = f'<?xml version="1.0" encoding="{encoding}"?>' + parts["xl/workbook.xml"]

    with pytest.raises(SourceError, match=r"its part xl/workbook\.xml: the parser does not know its encoding"):
        open_bytes(zipped(parts), name="x.xlsx")


def repeated(part: str, parts: dict[str, str], piece: bytes, megabytes: int = 70) -> bytes:
    """Put a piece into a part again and again, where ``@`` stands in it."""
    before, _, after = parts[part].encode().partition(b"@")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, content in parts.items():
            if name != part:
                archive.writestr(name, content)
        with archive.open(part, "w") as stream:
            stream.write(before)
            block = piece * (1_000_000 // len(piece))
            for _ in range(megabytes):
                stream.write(block)
            stream.write(after)
    return file.getvalue()


_SHEET = "xl/worksheets/sheet1.xml"
_ROW = '<row><c t="s"><v>0</v></c></row>'
_PADDING = b"x" * 3_000  # makes fewer, longer tags, which take less time
_TOO_LARGE = "a record of more than 16,777,216 bytes"
_TOO_MUCH = "unpacks to more than 64 MB"
# What is repeated where, to 70 MB or until it is refused, and what is said.
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a cell": (lambda: repeated(_SHEET, xlsx_parts(text_row("a") + text_row("@")), b"a"), _TOO_LARGE),
    "cells": (
        lambda: repeated(_SHEET, xlsx_parts(text_row("a") + "<row>@</row>"), b'<c s="' + _PADDING + b'"/>'),
        _TOO_LARGE,
    ),
    "before the rows": (
        lambda: repeated(_SHEET, {**xlsx_parts(""), _SHEET: "<worksheet>@</worksheet>"}, b"<x>" + _PADDING + b"</x>"),
        _TOO_LARGE,
    ),
    "after the rows": (
        lambda: repeated(
            _SHEET,
            {**xlsx_parts(""), _SHEET: xlsx_parts(text_row("a"))[_SHEET].replace("</worksheet>", "@</worksheet>")},
            b"<x/>",
        ),
        _TOO_MUCH,
    ),
    "texts": (
        lambda: repeated(
            "xl/sharedStrings.xml",
            xlsx_parts(text_row("a") + _ROW.replace("0", "99999999"), "@"),
            b"<si><t>" + _PADDING + b"</t></si>",
        ),
        _TOO_MUCH,
    ),
    "a text": (
        lambda: repeated("xl/sharedStrings.xml", xlsx_parts(_ROW, "<si><t>@</t></si>"), b"x"),
        _TOO_LARGE,
    ),
    "styles": (
        lambda: repeated(
            "xl/styles.xml", {**xlsx_parts(_ROW), "xl/styles.xml": "<s><cellXfs>@</cellXfs></s>"}, b"<xf/>", 4
        ),
        "more than 500,000 elements",
    ),
    "ods rows": (
        lambda: repeated(
            "content.xml",
            ods_parts(f"<table:table>{ods_row(ods_text('a'))}@</table:table>"),
            b'<table:table-row table:x="' + _PADDING + b'"/>',
        ),
        _TOO_MUCH,
    ),
    "ods sheets": (lambda: repeated("content.xml", ods_parts("@"), b"<table:table/>", 1), "has no header row"),
    "ods spaces": (
        lambda: repeated(
            "content.xml",
            ods_parts(f"<table:table>{ods_row(ods_text('a'))}{ods_row(ods_text('@'))}</table:table>"),
            b'<text:s text:c="99999"/>',
            1,
        ),
        "a row of more than 16,777,216 characters",
    ),
}


# In a process of its own, so that what it takes can be told.
_READ = """
    import resource, sys
    from nsync.errors import SourceError
    from nsync.options import SyncOptions
    from nsync.read.base import open_source
    from nsync.read import ods, xlsx
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        print(sum(1 for _ in open_source(sys.argv[1], SyncOptions())), "rows")
    except SourceError as error:
        print(error)
    print("MB", (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


def read_sparingly(path: Path) -> str:
    """Read a file; give what is said, after a look at how much memory it took."""
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_READ), str(path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    said, _, megabytes = run.stdout.rpartition("MB ")
    assert megabytes, run.stderr
    assert int(megabytes) < _MEGABYTES, run.stdout
    return said


@pytest.mark.parametrize("kind", BOMBS)
def test_what_unpacks_to_far_too_much_is_refused_soon(tmp_path: Path, kind: str) -> None:
    make, said = BOMBS[kind]
    path = tmp_path / ("x.ods" if kind.startswith("ods") else "x.xlsx")
    path.write_bytes(make())
    assert path.stat().st_size < 1_000_000

    assert said in read_sparingly(path)


def peak_of(source: Source) -> tuple[int, int]:
    """Read a source; give how many rows it has, and the most memory in bytes that this took."""
    tracemalloc.start()
    try:
        return sum(1 for _ in source), tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_sheet_that_is_formatted_far_beyond_its_end_takes_no_memory(open_bytes: OpenBytes) -> None:
    formatted = "".join(f'<row r="{number}" s="1"><c r="A{number}" s="1"/></row>' for number in range(3, 20_000))
    source = open_bytes(xlsx(text_row("a") + text_row("x") + formatted), name="x.xlsx")

    count, peak = peak_of(source)

    assert (count, peak < 2_000_000) == (1, True)


def test_texts_and_rows_take_no_memory_however_many_they_are(open_bytes: OpenBytes) -> None:
    count = 10_000
    texts = "".join(f"<si><t>{number} {'x' * 1_000}</t></si>" for number in range(count))
    rows = "".join(f'<row><c t="s"><v>{number}</v></c></row>' for number in range(count))
    source = open_bytes(xlsx(text_row("a") + rows, texts), name="x.xlsx")

    found, peak = peak_of(source)

    assert (found, peak < 8_000_000) == (count, True)  # 4 MB are kept, and the rest is in a file


def test_a_row_that_is_repeated_with_every_column_filled_takes_no_memory(open_bytes: OpenBytes) -> None:
    wide = f'table:number-columns-repeated="16384" {ods_text("x")}'
    source = open_bytes(ods(ods_row(ods_text("a")) + ods_row(wide, times=5_000)), name="x.ods")

    count, peak = peak_of(source)

    assert (count, peak < 2_000_000) == (5_000, True)


def test_long_texts_that_many_cells_share_are_not_held_for_each(open_bytes: OpenBytes) -> None:
    texts = "".join(f"<si><t>{letter * 8_000_000}</t></si>" for letter in "ab")
    rows = '<row><c t="s"><v>0</v></c></row><row><c t="s"><v>1</v></c></row>'
    source = open_bytes(xlsx(text_row("a") + rows * 50, texts), name="x.xlsx")

    tracemalloc.start()
    try:
        with pytest.raises(SourceError, match=r"more than 64 million characters of text that is stored once"):
            for _ in source:
                pass
        assert tracemalloc.get_traced_memory()[1] < 80_000_000
    finally:
        tracemalloc.stop()


def test_a_row_has_no_more_text_than_any_record(open_bytes: OpenBytes) -> None:
    texts = f"<si><t>{'a' * 8_000_000}</t></si>"
    rows = "<row>" + '<c t="s"><v>0</v></c>' * 3 + "</row>"
    wide = f'table:number-columns-repeated="16" {ods_text("a" * 2_000_000)}'

    with pytest.raises(SourceError, match=r"x\.xlsx:2: a row of more than 16,777,216 characters"):
        list(open_bytes(xlsx(text_row("a", "b", "c") + rows, texts), name="x.xlsx"))
    with pytest.raises(SourceError, match=r"x\.ods:2: a row of more than 16,777,216 characters"):
        list(open_bytes(ods(ods_row(ods_text("a")) + ods_row(wide)), name="x.ods"))


def test_rows_that_are_repeated_have_no_more_text_than_is_sane(open_bytes: OpenBytes) -> None:
    long = ods_row(ods_text("a" * 1_000_000), times=1_000_000)

    with pytest.raises(SourceError, match=r"more than 64 million characters of text that is stored once"):
        list(open_bytes(ods(ods_row(ods_text("a")) + long), name="x.ods"))


def test_cells_far_to_the_right_and_far_below_are_no_matrix(open_bytes: OpenBytes) -> None:
    corners = '<row><c r="XFD2"><v>7</v></c></row><row r="1048576"><c r="A1048576"><v>1</v></c></row>'
    source = open_bytes(xlsx(text_row("a") + corners), name="x.xlsx")

    assert typed_rows(source) == [(2, (None, 7)), (1_048_576, (1,))]
    assert peak_of(source)[1] < 2_000_000


def test_a_header_is_not_wider_than_a_table_can_be(open_bytes: OpenBytes) -> None:
    with pytest.raises(
        SourceError, match=r"the header reaches to cell XFD1, and a table has at most 4,096 columns; empty"
    ):
        open_bytes(xlsx('<row><c r="XFD1"><v>1</v></c></row>'), name="x.xlsx")


def test_more_columns_or_rows_than_there_can_be_are_an_error(open_bytes: OpenBytes) -> None:
    wide = f'table:number-columns-repeated="99999999" {ods_text("x")}'

    with pytest.raises(SourceError, match="has more than 16,384 columns"):
        open_bytes(ods(ods_row(wide)), name="x.ods")
    with pytest.raises(SourceError, match="has more than 1,048,576 rows"):
        list(open_bytes(ods(ods_row(ods_text("a")) + ods_row(ods_text("x"), times=99_999_999)), name="x.ods"))
    below = ods_row(times=1_048_575) + ods_row(ods_text("x"))
    with pytest.raises(SourceError, match="has more than 1,048,576 rows"):
        list(open_bytes(ods(ods_row(ods_text("a")) + below), name="x.ods"))


def test_an_archive_of_a_million_parts_is_refused(open_bytes: OpenBytes) -> None:
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 65_535, 65_535, 17_000_000, 30, 0)

    with pytest.raises(SourceError, match="is an archive of far too many parts"):
        open_bytes(b"PK\3\4" + bytes(17_000_026) + end, name="x.xlsx")


def outcome(content: bytes, suffix: str) -> str:
    """Read a file in all ways; give "read", or the error. Anything but an error of nsync is raised."""
    try:
        source = open_source(io.BytesIO(content), SyncOptions(format=suffix))
    except NsyncError as error:
        return str(error)
    try:
        rows = [row.number for row in source]
        assert rows == sorted(set(rows))
        batches = list(row_batches(source, 3))
        assert [line for batch in batches for line in batch.lines] == rows
        return "read"
    except NsyncError as error:
        return str(error)
    finally:
        source.close()


@cache
def parts_of(suffix: str) -> dict[str, bytes]:
    with zipfile.ZipFile(FILES / f"libreoffice.{suffix}") as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


_CHECKS = [HealthCheck.too_slow, HealthCheck.data_too_large]
_PIECES = [
    *(b"", b"<", b">", b'"', b"&", b"&#0;", b"&x;", b"\0", b"\xff", b"<!--", b"<![CDATA[", b"]]>", b"</row>", b"<row>"),
    *(
        b"-1",
        b"99999999999999999999",
        b"1E999",
        b"nan",
        b"_x0000_",
        b"_xD800_",
        b'r="A0"',
        b't="s"',
        b't="n"',
        b's="1"',
    ),
    *(b"<table:table-row>", b"</table:table-cell>", b'number-rows-repeated="999999999"', b"<text:p>", b"<f>", b"<v>"),
]


@settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=_CHECKS)
@given(st.sampled_from(["xlsx", "ods"]), st.binary(max_size=200), st.booleans())
def test_random_bytes_are_an_error_of_nsync(suffix: str, content: bytes, is_zip: bool) -> None:
    assert outcome((b"PK\3\4" if is_zip else b"x") + content, suffix) != "read"


@settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=_CHECKS)
@given(
    st.sampled_from(["xlsx", "ods"]), st.lists(st.tuples(st.integers(0), st.integers(0, 255)), min_size=1, max_size=5)
)
def test_a_file_with_other_bytes_is_read_or_an_error_of_nsync(suffix: str, changes: list[tuple[int, int]]) -> None:
    content = bytearray((FILES / f"libreoffice.{suffix}").read_bytes())
    for offset, byte in changes:
        content[offset % len(content)] = byte

    outcome(bytes(content), suffix)


@settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=_CHECKS)
@given(st.data())
def test_parts_with_other_contents_are_read_or_an_error_of_nsync(data: Any) -> None:
    suffix = data.draw(st.sampled_from(["xlsx", "ods"]))
    parts = dict(parts_of(suffix))
    names = [name for name in parts if name.endswith((".xml", ".rels"))]
    for _ in range(data.draw(st.integers(1, 4))):
        name = data.draw(st.sampled_from(names))
        content = parts[name]
        start = data.draw(st.integers(0, len(content)))
        removed = data.draw(st.integers(0, 40))
        piece = data.draw(st.sampled_from(_PIECES) | st.binary(max_size=20))
        parts[name] = content[:start] + piece + content[start + removed :]

    outcome(zipped(parts), suffix)


@settings(max_examples=_EXAMPLES // 2, deadline=None, suppress_health_check=_CHECKS)
@given(st.data())
def test_a_sheet_of_random_tags_is_read_or_an_error_of_nsync(data: Any) -> None:
    tags = ["row", "c", "v", "f", "t", "is", "rPh", "sheetData", "x"]
    kinds = ["n", "s", "str", "b", "e", "d", "inlineStr", "?"]
    values = ["0", "1", "-1", "60", "1E9", "45322.5", "9" * 30, "x", "", "2024-01-31", "true", "_x0000_", "日"]

    def tree(depth: int) -> str:
        tag = data.draw(st.sampled_from(tags))
        given = "".join(
            f' {name}="{data.draw(st.sampled_from(choices))}"'
            for name, choices in (("t", kinds), ("s", ["0", "1", "99", "-1"]), ("r", ["A1", "C2", "2", "x", "ZZZ9"]))
            if data.draw(st.booleans())
        )
        inner = "".join(tree(depth + 1) for _ in range(data.draw(st.integers(0, 3)))) if depth < 4 else ""
        return f"<{tag}{given}>{data.draw(st.sampled_from(values))}{inner}</{tag}>"

    outcome(xlsx(text_row("a", "b") + tree(0) + tree(0), "<si/><si><t>x</t></si>", {14: ""}), "xlsx")
