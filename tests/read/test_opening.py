"""What can be opened, and what is said of what cannot (rule C6)."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import sys
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from nsync.errors import ConfigError, SourceError
from nsync.options import SyncOptions
from nsync.read.base import Source, open_source
from nsync.read.formats import FORMATS, suffixes
from nsync.read.streams import check_read_once

from .conftest import OpenBytes


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(zipfile.ZipInfo(name), "a,b\n1,2\n")
    return file.getvalue()


def values(source: Source) -> list[tuple[object, ...]]:
    return [row.values for row in source]


def test_csv_is_registered() -> None:
    assert "csv" in FORMATS
    assert ".csv" in suffixes()


@pytest.mark.parametrize("name", ["houses.csv", "HOUSES.CSV", "airports.dat", "houses", ".csv", "a.b.c"])
def test_an_unknown_suffix_or_none_means_csv(open_bytes: OpenBytes, name: str) -> None:
    source = open_bytes("a,b\n1,2\n", name=name)

    assert values(source) == [("1", "2")]
    assert source.name.endswith(name)


def test_an_unknown_format_is_an_error_that_lists_the_known_ones(open_bytes: OpenBytes) -> None:
    with pytest.raises(ConfigError, match=r"--format cvs: no such format; did you mean csv\? There are: .*csv"):
        open_bytes("a\n1\n", format="cvs")


def test_standard_input_can_be_read_twice() -> None:
    source = open_source("-", SyncOptions(), stdin=io.BytesIO(b"a,b\n1,2\n"))

    assert source.name == "<stdin>"
    assert values(source) == values(source) == [("1", "2")]
    assert source.position == source.size == 8
    source.close()


class Trickle(io.RawIOBase):
    """A stream that gives a few bytes at a time, and counts them."""

    def __init__(self, content: Iterable[bytes]) -> None:
        self.given = 0
        self._parts = iter(content)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        part = next(self._parts, b"")
        self.given += len(part)
        return part


def endless(head: bytes) -> Trickle:
    return Trickle(itertools.chain([head], itertools.repeat(b"1,2\n" * 1000)))


def opened(stream: Trickle, **options: Any) -> Source:
    return open_source(stream, SyncOptions(**options))  # type: ignore[arg-type]


def test_a_stream_is_read_no_further_than_its_rows_are_asked_for() -> None:
    stream = endless(b"a,b\n")
    source = opened(stream)
    rows = iter(source)

    assert [next(rows).values for _ in range(5000)] == [("1", "2")] * 5000
    assert stream.given < 2_000_000
    assert source.size == 0
    source.close()


@pytest.mark.parametrize("head", [b"%PDF-1.7\n", zipped("houses.csv"), bytes(2000), "a,b\n".encode("utf-16")])
def test_a_stream_is_refused_for_its_first_bytes_alone(head: bytes) -> None:
    stream = endless(head)

    with pytest.raises(SourceError):
        opened(stream)
    assert stream.given < 100_000


@pytest.mark.parametrize("taken", [0, 1, 2, 250])
def test_a_pass_over_a_stream_that_is_broken_off_leaves_every_row_to_the_next(taken: int) -> None:
    content = [b"a,b\n", *(f"{number},é\n".encode() for number in range(500))]
    source = opened(Trickle(content))
    broken_off = iter(source)

    assert len([next(broken_off) for _ in range(taken)]) == taken
    broken_off.close()  # type: ignore[attr-defined]

    for _ in range(3):
        assert values(source) == [(str(number), "é") for number in range(500)]
    assert source.size == len(b"".join(content))
    source.close()


def test_two_passes_over_a_stream_may_go_on_at_once() -> None:
    source = opened(Trickle([b"a\n", b"1\n", b"2\n", b"3\n"]))

    assert [(one.values, other.values) for one, other in zip(source, source, strict=True)] == [
        ((number,), (number,)) for number in "123"
    ]
    source.close()


def test_a_stream_that_breaks_off_later_tells_each_pass_so() -> None:
    def parts() -> Iterator[bytes]:
        yield b"a\n" + b"1\n" * 1000
        raise OSError(5, "Input/output error")

    source = opened(Trickle(parts()))

    for _ in range(2):
        with pytest.raises(SourceError, match="<stream>: cannot be read: Input/output error"):
            list(source)
    source.close()


def test_a_long_text_file_is_read_whole() -> None:
    text = "a\n" + "Zoë\n" * 200_000
    source = open_source(io.StringIO(text), SyncOptions())

    assert sum(1 for row in source if row.values == ("Zoë",)) == 200_000
    assert source.size == len(text.encode())
    source.close()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_temporary_folder_without_room_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **kwargs: open("/dev/full", "wb", buffering=0))

    with pytest.raises(SourceError, match=r"cannot be copied to .*No space left.*set TMPDIR"):
        open_source("-", SyncOptions(), stdin=io.BytesIO(b"a\n1\n"))


def test_a_temporary_folder_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")

    with pytest.raises(SourceError, match=r"<stdin>: cannot be copied to /nonexistent \(No such file.*set TMPDIR"):
        open_source("-", SyncOptions(), stdin=io.BytesIO(b"a\n1\n"))


@pytest.mark.parametrize("path", ["/dev/zero", "/dev/random"])
@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="needs devices")
def test_a_device_is_no_source(path: str) -> None:
    with pytest.raises(SourceError, match="is a device, not a file; name a file, a pipe, or - for standard input"):
        open_source(path, SyncOptions())


def test_one_stream_cannot_be_two_sources(tmp_path: Path) -> None:
    stream = io.BytesIO(b"a\n1\n")
    check_read_once(["-", stream, io.BytesIO(), "houses.csv", "houses.csv", tmp_path, "a\0b"])

    for twice in ("-", stream):
        with pytest.raises(ConfigError, match=r"<(stdin|stream)> is named twice, but can be read only once"):
            check_read_once([twice, twice])


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_one_named_pipe_cannot_be_two_sources(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    with pytest.raises(ConfigError, match="pipe is named twice"):
        check_read_once([path, str(path)])


@pytest.mark.parametrize("stdin", [io.TextIOWrapper(io.BytesIO(b"a\n1\n")), io.StringIO("a\n1\n")])
def test_standard_input_is_the_process_s_own_by_default(monkeypatch: pytest.MonkeyPatch, stdin: IO[Any]) -> None:
    monkeypatch.setattr(sys, "stdin", stdin)

    source = open_source("-", SyncOptions())

    assert values(source) == [("1",)]
    source.close()


def test_a_process_without_standard_input_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)

    with pytest.raises(SourceError, match="<stdin>: there is no standard input"):
        open_source("-", SyncOptions())


def test_an_open_binary_file_is_read_and_left_open(tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    path.write_bytes("a,b\nZoë,2\n".encode("cp1252"))
    with path.open("rb") as file:
        source = open_source(file, SyncOptions(encoding="cp1252"))

        assert source.name == str(path)
        assert values(source) == values(source) == [("Zoë", "2")]
        source.close()
        assert not file.closed


def test_a_file_that_is_closed_too_early_is_an_error() -> None:
    file = io.BytesIO(b"a\n" + b"1\n" * 200_000)
    source = open_source(file, SyncOptions())
    file.close()

    with pytest.raises(SourceError, match="<stream>: cannot be read: I/O operation on closed file"):
        list(source)
    source.close()


def test_an_open_text_file_is_read_whatever_the_encoding_option_says() -> None:
    source = open_source(io.StringIO("a,b\nZoë,2\n"), SyncOptions(encoding="utf-16"))

    assert source.name == "<stream>"
    assert source.dialect.encoding == "utf-8"
    assert values(source) == [("Zoë", "2")]
    source.close()


def test_a_text_file_opened_in_the_wrong_encoding_is_an_error() -> None:
    stream = io.TextIOWrapper(io.BytesIO(b"a\n\xff\n"), encoding="utf-8")

    with pytest.raises(SourceError, match="open it in binary mode"):
        open_source(stream, SyncOptions())


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_named_pipe_can_be_read_twice(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(b"a,b\n1,2\n",))
    writer.start()
    source = open_source(path, SyncOptions())
    writer.join()

    assert values(source) == values(source) == [("1", "2")]
    source.close()


def test_many_sources_do_not_hold_their_files_open(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    (tmp_path / "houses.csv").write_text("a\n1\n")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 128), hard))
    try:
        sources = [open_source(tmp_path / "houses.csv", SyncOptions()) for _ in range(200)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert len(sources) == 200


def test_a_file_that_is_replaced_between_two_passes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    path.write_text("a\n1\n")
    source = open_source(path, SyncOptions())
    assert values(source) == [("1",)]
    (tmp_path / "new").write_text("a\n2\n3\n")
    os.replace(tmp_path / "new", path)

    with pytest.raises(SourceError, match="changed while it was being read"):
        list(source)


def test_a_file_that_grows_while_it_is_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    path.write_text("a\n1\n")
    rows = iter(open_source(path, SyncOptions()))
    next(rows)
    with path.open("a") as file:
        file.write("2\n")

    with pytest.raises(SourceError, match="changed while it was being read"):
        list(rows)


def test_a_file_that_is_removed_between_two_passes_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "houses.csv"
    path.write_text("a\n1\n")
    source = open_source(path, SyncOptions())
    path.unlink()

    with pytest.raises(SourceError, match="no such file"):
        list(source)


def test_a_missing_file_names_the_nearest_one_in_its_folder(tmp_path: Path) -> None:
    (tmp_path / "Houses.csv").write_text("a\n")

    with pytest.raises(SourceError, match=r"no such file; did you mean '.*Houses\.csv'\?"):
        open_source(tmp_path / "house.csv", SyncOptions())


def test_a_missing_file_like_no_other_names_the_folder_looked_in(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"qqq\.csv: no such file in '/.*'"):
        open_source(tmp_path / "qqq.csv", SyncOptions())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no such file: there is no folder '.*nowhere'"):
        open_source(str(tmp_path / "nowhere" / "houses.csv"), SyncOptions())


def test_a_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"is a folder; name the files in it, for example .*\*\.csv"):
        open_source(tmp_path, SyncOptions())


def test_a_file_that_may_not_be_read_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **kwargs: object) -> None:  # chmod does not refuse root
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)

    with pytest.raises(SourceError, match="permission denied; give the user"):
        open_source("houses.csv", SyncOptions())


def test_a_stream_that_breaks_off_is_an_error() -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> bytes:
            raise OSError(5, "Input/output error")

    with pytest.raises(SourceError, match="<stream>: cannot be read: Input/output error"):
        open_source(Broken(), SyncOptions())  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["houses\0.csv", "x" * 5000])
def test_an_impossible_path_is_an_error_not_a_traceback(path: str) -> None:
    with pytest.raises(SourceError, match="cannot be read: "):
        open_source(path, SyncOptions())


def test_c4_zero_bytes_are_an_error(open_bytes: OpenBytes) -> None:
    with pytest.raises(
        SourceError, match=r"is empty \(0 bytes\).*: ask for the export again, or check how it was made"
    ):
        open_bytes(b"")
    with pytest.raises(SourceError, match="<stdin>: is empty"):
        open_source("-", SyncOptions(), stdin=io.BytesIO())
    with pytest.raises(SourceError, match="is empty"):
        open_bytes(b"", header=("a",))


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            gzip.compress(b"a,b\n", mtime=0),
            r"compressed with gzip, not text; it is read if its name ends in \.gz$",
        ),
        (bz2.compress(b"a,b\n"), r"compressed with bzip2.*\.bz2$"),
        (bz2.compress(b""), r"compressed with bzip2.*\.bz2$"),
        (lzma.compress(b"a,b\n"), r"compressed with xz.*\.xz$"),
        (bytes.fromhex("28b52ffd") + bytes(9), r"compressed with zstd.*\.zst$"),
        (zipped("houses.csv"), r"a zip archive.*\.zip, or with --member on standard input$"),
        (zipped(), "a zip archive"),
        (zipped("[Content_Types].xml", "xl/workbook.xml"), "an Excel workbook.*say --format xlsx"),
        (bytes.fromhex("d0cf11e0a1b11ae1") + bytes(100), "an old Excel workbook.*save it as .xlsx"),
        (b"PAR1\x15\x04", "a Parquet file"),
        (b"\n<!DOCTYPE html>\n<html>", "a web page.*download the file again"),
    ],
)
def test_a_file_that_is_no_text_is_named_for_what_it_is(open_bytes: OpenBytes, content: bytes, what: str) -> None:
    with pytest.raises(SourceError, match=what):
        open_bytes(content)


@pytest.mark.parametrize(
    ("written", "options", "advice"),
    [
        ("utf-16", {}, "byte order mark of UTF-16, not of utf-8; say --encoding utf-16$"),
        ("utf-16", {"encoding": "cp1252"}, "say --encoding utf-16$"),
        ("utf-32", {}, "say --encoding utf-32$"),
        ("utf-32", {"encoding": "utf-16"}, "say --encoding utf-32$"),
        ("utf-8-sig", {"encoding": "cp1252"}, "byte order mark of UTF-8, not of cp1252; say --encoding utf-8$"),
        ("utf-16-le", {}, "has NUL bytes.*say --encoding utf-16-le"),
        ("utf-16-be", {}, "has NUL bytes.*say --encoding utf-16-be"),
        ("utf-16-le", {"encoding": "utf-16"}, "no UTF-16 byte order mark; say --encoding utf-16-le"),
        ("utf-16-be", {"encoding": "utf-16"}, "no UTF-16 byte order mark; say --encoding utf-16-be"),
        ("utf-8", {"encoding": "utf-16"}, "no UTF-16 byte order mark; say --encoding utf-8"),
    ],
)
def test_the_first_bytes_tell_of_a_wrong_encoding(
    open_bytes: OpenBytes, written: str, options: dict[str, str], advice: str
) -> None:
    with pytest.raises(SourceError, match=advice):
        open_bytes("key,name\n1,Zoë\n".encode(written), **options)


def test_utf_16_shows_even_in_a_header_without_ascii_letters(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError, match="--encoding utf-16-le"):
        open_bytes("名\n日\n".encode("utf-16-le"))


@pytest.mark.parametrize(
    "content", [bytes(range(256)) * 100, bytes(2000), b"\x7fELF\x02\x01\x01" + bytes(20), b"a\0,b\n" + b"1,2\n" * 9]
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_c6_bytes_that_are_no_text_are_not_taken_for_utf_16(
    open_bytes: OpenBytes, content: bytes, encoding: str
) -> None:
    with pytest.raises(SourceError, match="is not text: it has NUL bytes in its first line; ask for the data as CSV"):
        open_bytes(content, encoding=encoding)


def test_only_encodings_of_text_are_suggested(open_bytes: OpenBytes) -> None:
    for name in ("base64", "bz2", "zip", "rot13", "uu", "quopri"):
        with pytest.raises(ConfigError, match="no such encoding; ") as caught:
            open_bytes("a\n1\n", encoding=name)
        assert "codec" not in str(caught.value)
    with pytest.raises(ConfigError, match=r"did you mean cp1252\?"):
        open_bytes("a\n1\n", encoding="cp-1252x")


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "undefined", "punycode", "", "utf-8\0"])
def test_an_unknown_encoding_is_a_config_error(open_bytes: OpenBytes, encoding: str) -> None:
    with pytest.raises(ConfigError, match=r"--encoding .*: no such encoding; (did you mean|try utf-8)"):
        open_bytes("a\n1\n", encoding=encoding)


@pytest.mark.parametrize(
    ("content", "line", "byte"),
    [
        (b"a,b\n1,2\nCaf\xe9,3\n", 3, "0xe9"),
        (b"a,b\r1,2\r\xff,3\r", 3, "0xff"),
        (b"a,b\r\n1,2\r\n\r\n\xff,3\r\n", 4, "0xff"),
        (b'a,b\n1,"2\n3\n\xff"\n', 4, "0xff"),
        (b"a,\xe9\n", 1, "0xe9"),
        (b"a\n" + b"x" * 20 + b"\xe2\x82", 2, "0xe2 0x82"),
        (b"a\n" + b"1\r\n" * 300_000 + b"\xe9\n" + b"1\n" * 10_000, 300_002, "0xe9"),
        (b"a\n" + b"1\n" * 131_071 + b"\xe9\n", 131_073, "0xe9"),  # the first byte of the second chunk
        (b"a\n" + b"1\n" * 131_070 + b"1\xe9\n", 131_072, "0xe9"),  # the last byte of the first chunk
        (b"a" + b"\r" * 262_143 + b"\xe9\n", 262_144, "0xe9"),
    ],
)
def test_c6_an_undecodable_byte_is_an_error_with_its_line(
    open_bytes: OpenBytes, content: bytes, line: int, byte: str
) -> None:
    with pytest.raises(SourceError, match=f"bytes? {byte} cannot be read as utf-8;") as caught:
        list(open_bytes(content))

    assert caught.value.args[2] == line


def test_c6_an_undecodable_byte_shows_what_other_encodings_read(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError, match=r"; --encoding cp1252 would read 'Zoë'$"):
        list(open_bytes("a,b\n1,Zoë\n".encode("cp1252")))


@pytest.mark.parametrize(
    ("content", "encoding", "line"),
    [
        (b"a,b\n1,\x81\n", "cp1252", 2),
        ("a,b\n1,2\n".encode("utf-16") + b"\x00\xd8\x0a\x00", "utf-16", 3),
        ("a,b\n1,2\n3".encode("utf-16")[:-1], "utf-16", 3),
        ("a,b\n1,日\n".encode("shift_jis") + b"\x80\n", "shift_jis", 3),
    ],
)
def test_c6_undecodable_bytes_are_found_in_other_encodings_too(
    open_bytes: OpenBytes, content: bytes, encoding: str, line: int
) -> None:
    with pytest.raises(SourceError, match=f"cannot be read as {encoding}") as caught:
        list(open_bytes(content, encoding=encoding))

    assert caught.value.args[2] == line


def test_a_closed_source_cannot_be_read() -> None:
    source = open_source(io.BytesIO(b"a\n1\n2\n"), SyncOptions())
    rows = iter(source)
    next(rows)

    source.close()

    with pytest.raises(ValueError, match="closed file"):
        next(rows)
    with pytest.raises(ValueError, match="closed file"):
        list(source)
