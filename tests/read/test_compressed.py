"""Compressed sources: what is read, and what is said of those that cannot be."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import lzma
import os
import random
import subprocess
import sys
import threading
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.options import SyncOptions
from nsync.packing import compression_suffix, without_compression
from nsync.read.base import Source, open_source
from nsync.read.compressed import unpack
from nsync.read.streams import open_content
from tests.read.conftest import ZSTD, OpenBytes

_EXAMPLES = int(150 * float(os.environ.get("NSYNC_EXAMPLES", "1")))
TEXT: Final = b"a,b\n" + b"".join(b"%d,Zo\xc3\xab\n" % number for number in range(3_000))
STREAMS: Final[dict[str, Callable[[bytes], bytes]]] = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": ZSTD.compress,
}
MEMBER: Final = ("houses.csv", b"a,b\n1,2\n")
each_stream = pytest.mark.parametrize("suffix", STREAMS)


def archive(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as packed:
        for name, content in members:
            packed.writestr(zipfile.ZipInfo(name), content, method)
    return file.getvalue()


def packed(suffix: str, content: bytes) -> bytes:
    return STREAMS[suffix](content) if suffix in STREAMS else archive(("houses.csv", content))


@contextmanager
def little_memory() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 20_000_000  # dictionaries of xz are large


def values(source: Source) -> list[tuple[object, ...]]:
    return [row.values for row in source]


# --- what is read -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [*STREAMS, ".zip", ".GZ"])
def test_what_is_in_a_compressed_file_is_read_as_often_as_is_asked_for(open_bytes: OpenBytes, suffix: str) -> None:
    content = packed(suffix.lower(), TEXT)
    source = open_bytes(content, name=f"houses.csv{suffix}")

    for _ in range(3):
        assert values(source) == [(str(number), "Zoë") for number in range(3_000)]
    assert [str(block.text) for block in source.blocks()] == [TEXT.decode().removeprefix("a,b\n")]
    assert source.size == source.position == len(content)
    assert source.digest() == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.jsonl.gz", "jsonl"), ("a.ndjson.GZ", "jsonl"), ("a.b.csv.gz", "csv"), ("a.gz", "csv"), ("jsonl.gz", "csv")],
)
def test_the_name_without_its_last_suffix_says_the_format(open_bytes: OpenBytes, name: str, kind: str) -> None:
    content = {"jsonl": b'{"a": "1"}\n', "csv": b"a\n1\n"}[kind]

    assert values(open_bytes(gzip.compress(content), name=name)) == [("1",)]
    assert values(open_bytes(gzip.compress(b"a\n1\n"), name=name, format="csv")) == [("1",)]


def test_in_an_archive_the_name_of_the_file_says_it(open_bytes: OpenBytes) -> None:
    source = open_bytes(archive(("out/houses.JSONL", b'{"a": 1}\n')), name="houses.csv.zip")

    assert values(source) == [("1",)]
    assert source.notes == ("read from the archive: 'out/houses.JSONL'",)


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2])
@pytest.mark.parametrize("content", [TEXT, b"a\n", b"a\n" + b"1\n" * 70_000])
def test_archives_may_be_packed_by_the_usual_methods(open_bytes: OpenBytes, method: int, content: bytes) -> None:
    source = open_bytes(archive(("houses.csv", content), method=method), name="houses.zip")

    assert len(values(source)) == content.count(b"\n") - 1
    assert source.position == source.size


@each_stream
@pytest.mark.parametrize("between", [b"", bytes(512)])
def test_several_streams_in_a_row_are_one(open_bytes: OpenBytes, suffix: str, between: bytes) -> None:
    """As ``cat a.gz b.gz`` makes them; tapes fill up with zero bytes."""
    parts = [b"a,b\n1,", b"", b"2\n", b"3,4\n" * 40_000]
    content = b"".join(STREAMS[suffix](part) + between for part in parts)

    assert len(values(open_bytes(content, name=f"houses.csv{suffix}"))) == 40_001


def test_frames_that_zstd_skips_are_skipped(open_bytes: OpenBytes) -> None:
    content = b"\x50\x2a\x4d\x18\x04\0\0\0abcd" + ZSTD.compress(b"a\n1\n")

    assert values(open_bytes(content, name="houses.csv.zst")) == [("1",)]


def test_an_archive_may_be_of_the_kind_for_large_files(open_bytes: OpenBytes) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as large, large.open("houses.csv", "w", force_zip64=True) as member:
        member.write(b"a\n1\n")

    assert values(open_bytes(file.getvalue(), name="houses.zip")) == [("1",)]


def test_a_file_that_does_not_decode_is_told_with_its_line(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError, match="byte 0xe9 cannot be read as utf-8") as caught:
        list(open_bytes(gzip.compress(b"a,b\n1,2\nCaf\xe9,3\n"), name="houses.csv.gz"))
    assert caught.value.args[2] == 3


def test_it_tells_how_far_it_is_in_bytes_of_the_file(open_bytes: OpenBytes) -> None:
    rows = b"".join(b"%d,%d\n" % (number, random.Random(number).random() * 10**15) for number in range(30_000))
    for suffix in (".gz", ".zip"):
        source = open_bytes(packed(suffix, b"a,b\n" + rows), name=f"houses.csv{suffix}")
        positions = [source.position for row in source if row.number % 3_000 == 0]

        assert positions == sorted(positions)
        assert 0 < positions[0] < source.size / 3
        assert positions[-1] <= source.position == source.size


@pytest.mark.parametrize("suffix", [*STREAMS, ".zip"])
def test_a_format_that_jumps_about_reads_a_copy(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"houses.csv{suffix}"
    path.write_bytes(packed(suffix, TEXT))
    content, name = unpack(open_content(path), path.name, suffix, "")
    places = random.Random(1)
    for _ in range(2):
        with content.open() as stream:
            assert stream.read(5) == TEXT[:5]
            assert stream.seek(5) == stream.tell() == 5
            for start in [7, 0, *(places.randrange(len(TEXT)) for _ in range(50)), len(TEXT) + 1]:
                stream.seek(start)
                assert stream.read(9) == TEXT[start : start + 9]
            assert stream.seek(-3, io.SEEK_END) == len(TEXT) - 3
            assert stream.seek(-3, io.SEEK_CUR) == len(TEXT) - 6
            assert stream.read() == TEXT[-6:]
            content.check_unchanged(stream)
            assert content.position(stream) == content.size
    assert os.path.basename(name) == "houses.csv"
    content.close()


# --- streams ----------------------------------------------------------------------------------------------------------


@each_stream
def test_of_a_stream_the_first_bytes_say_it_and_the_report_says_so(suffix: str) -> None:
    source = open_source("-", SyncOptions(), stdin=io.BytesIO(STREAMS[suffix](TEXT)))

    assert len(values(source)) == len(values(source)) == 3_000
    assert len(source.notes) == 1
    assert source.notes[0].startswith("compressed with ")
    assert source.notes[0].endswith(", as its first bytes say")
    source.close()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_so_it_is_with_a_named_pipe_whatever_its_name(tmp_path: Path) -> None:
    for name, content in {"a.csv": gzip.compress(b"a\n1\n"), "b.csv.gz": b"a\n1\n"}.items():
        os.mkfifo(tmp_path / name)
        writer = threading.Thread(target=(tmp_path / name).write_bytes, args=(content,))
        writer.start()
        source = open_source(tmp_path / name, SyncOptions())
        writer.join()

        assert values(source) == [("1",)]
        source.close()


def test_an_open_file_may_be_compressed_or_expand_itself(tmp_path: Path) -> None:
    path = tmp_path / "houses.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n'))
    for opened in (path.open("rb"), gzip.open(path), gzip.open(path, "rt")):
        with opened as file:
            source = open_source(file, SyncOptions())
            assert values(source) == [("1",)]
            source.close()


@pytest.mark.parametrize(("name", "options"), [("a.zip", {}), ("a.dat", {"member": "*.csv"})])
def test_an_archive_can_be_a_stream_if_its_name_or_the_options_say_so(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    path = tmp_path / name
    path.write_bytes(archive(MEMBER))
    with path.open("rb") as file:
        source = open_source(file, SyncOptions(**options))

        assert values(source) == values(source) == [("1", "2")]
        source.close()


def test_a_stream_that_may_be_a_workbook_is_not_taken_for_an_archive() -> None:
    with pytest.raises(SourceError, match=r"<stdin>: is a zip archive.*with --member on standard input"):
        open_source("-", SyncOptions(), stdin=io.BytesIO(archive(MEMBER)))


def test_a_compressed_stream_is_read_no_further_than_its_rows_are_asked_for() -> None:
    class Live(io.RawIOBase):
        given = 0

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            part = next(parts, b"")
            self.given += 1
            buffer[: len(part)] = part
            return len(part)

    parts = iter([gzip.compress(b"a\n1\n")] + [gzip.compress(b"2\n" * 5_000)] * 100)
    stream = Live()
    source = open_source(io.BufferedReader(stream), SyncOptions())

    assert next(iter(source)).values == ("1",)
    assert stream.given < 10
    source.close()


# --- archives ---------------------------------------------------------------------------------------------------------

SEVERAL: Final = archive(("b.csv", b"a\n2\n"), ("data/a.csv", b"a\n1\n"), ("data/a.txt", b"no"), ("[x].csv", b"a\n3\n"))


@pytest.mark.parametrize(("pattern", "value"), [("data/*.csv", "1"), ("b*", "2"), ("b.csv", "2"), ("[x].csv", "3")])
def test_a_pattern_names_the_file_in_an_archive(open_bytes: OpenBytes, pattern: str, value: str) -> None:
    assert values(open_bytes(SEVERAL, name="houses.zip", member=pattern)) == [(value,)]


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("", r"has 4 files in it; name one with --member: 'b\.csv', 'data/a\.csv', 'data/a\.txt', '\[x\]\.csv'$"),
        ("*.csv", r"has 3 files that fit --member '\*\.csv'; name one with --member: 'b\.csv', 'data/a\.csv', "),
        ("*.CSV", r"has no file that fits --member '\*\.CSV'; there are 'b\.csv', "),
    ],
)
def test_none_or_several_that_fit_are_an_error_that_lists_what_is_there(
    open_bytes: OpenBytes, member: str, said: str
) -> None:
    with pytest.raises(SourceError, match=rf"houses\.zip: {said}"):
        open_bytes(SEVERAL, name="houses.zip", member=member)


def test_a_long_list_is_cut_short(open_bytes: OpenBytes) -> None:
    members = [(f"{number}{'x' * 200}\n", b"") for number in range(30)]

    with pytest.raises(SourceError, match=r"has 30 files in it.* and 20 more$") as caught:
        open_bytes(archive(*members), name="houses.zip")
    assert len(str(caught.value)) < 1_500
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["../../etc/houses.csv", "/etc/houses.csv", "C:\\houses.csv", "\n\x1b[2J.csv", "é.csv"]
)
def test_odd_names_are_names_and_nothing_is_written_to_where_they_point(open_bytes: OpenBytes, name: str) -> None:
    source = open_bytes(archive((name, b"a\n1\n")), name="houses.zip")

    assert values(source) == [("1",)]
    assert all(note.isprintable() for note in source.notes)


def test_folders_and_what_macos_adds_are_no_files(open_bytes: OpenBytes) -> None:
    content = archive(("data/", b""), ("data/houses.csv", b"a\n1\n"), ("__MACOSX/data/._houses.csv", b"\0\5"))

    assert values(open_bytes(content, name="houses.zip")) == [("1",)]
    with pytest.raises(SourceError, match="is an archive without a file in it"):
        open_bytes(archive(("data/", b"")), name="houses.zip")
    with pytest.raises(SourceError, match="is an archive without a file in it"):
        open_bytes(archive(), name="houses.zip")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_an_error(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError, match=r"has 2 files of the same name, 'houses\.csv'"):
        open_bytes(archive(MEMBER, MEMBER), name="houses.zip", member="houses.csv")


def patched(content: bytes, field: int, value: bytes) -> bytes:
    """Change a field in the list of members."""
    start = content.index(b"PK\x01\x02") + field
    return content[:start] + value + content[start + len(value) :]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (patched(archive(MEMBER), 8, b"\x01\0"), r"has 'houses\.csv' encrypted; unpack it with its password"),
        (archive(MEMBER)[:6] + b"\x01" + archive(MEMBER)[7:], "encrypted"),
        (patched(archive(MEMBER), 10, b"\x09\0"), r"'houses\.csv' compressed with Deflate64; pack it with Deflate"),
        (patched(archive(MEMBER), 10, b"\x0e\0"), "compressed with LZMA"),
        (patched(archive(MEMBER), 10, b"\x63\0"), "compressed with AES encryption"),
        (patched(archive(MEMBER), 10, b"\x07\0"), "compressed with method 7"),
        (patched(archive(MEMBER), 16, b"\0\0\0\0"), r"'houses\.csv' is not what the list of members says"),
        (patched(archive(MEMBER), 24, b"\x07\0\0\0"), "is not what the list of members says"),
        (patched(archive(MEMBER), 24, b"\x09\0\0\0"), "is not what the list of members says"),
        (patched(archive(MEMBER), 20, b"\x05\0\0\0"), "is incomplete: its deflate data breaks off after 5 bytes"),
        (patched(archive(MEMBER), 20, b"\x0c\0\0\0"), "is damaged: its deflate data ends too early"),
        (patched(archive(MEMBER), 42, b"\x01\0\0\0"), r"is damaged: 'houses\.csv' is not where its list says"),
        (patched(archive(MEMBER), 42, b"\xff\xff\0\0"), r"is incomplete: 'houses\.csv' is not where its list says"),
        (patched(archive(MEMBER), 6, b"\xff\0"), "is damaged: its list of members cannot be read"),
        (archive(MEMBER)[:-30], "is damaged: its list of members cannot be read"),
        (archive(MEMBER)[:35], "is damaged: its list of members cannot be read"),
        (archive(("a.csv.gz", b"")), r"holds 'a\.csv\.gz', which is compressed itself"),
        (archive(("a.csv", gzip.compress(b"a"))), "holds data that is compressed with gzip"),
        (archive(("a.csv", archive(MEMBER))), r"houses\.zip: is a zip archive, not text"),
        (archive(("a.csv", b"")), r"is empty \(0 bytes\)"),
    ],
)
def test_an_archive_that_cannot_be_read_is_an_error_that_says_why(
    open_bytes: OpenBytes, content: bytes, said: str
) -> None:
    with pytest.raises(SourceError, match=said):
        list(open_bytes(content, name="houses.zip"))


def test_an_endless_list_of_members_is_not_read_into_memory(open_bytes: OpenBytes) -> None:
    content = archive(*((f"{number:0200}", b"") for number in range(18_000)))

    with pytest.raises(SourceError, match="has a list of members of more than 4,194,304 bytes"):
        open_bytes(content, name="houses.zip")


def test_only_archives_have_members(open_bytes: OpenBytes) -> None:
    for name, content in {"houses.csv": b"a\n1\n", "houses.csv.gz": gzip.compress(b"a\n1\n")}.items():
        with pytest.raises(ConfigError, match=r"--member x: .*houses\.csv.* is no zip archive; leave it out"):
            open_bytes(content, name=name, member="x")


# --- what is no such file, or not all of it ---------------------------------------------------------------------------


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="Python has zstd in its library")
def test_without_its_library_zstd_says_what_to_install(open_bytes: OpenBytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "backports.zstd", None)

    with pytest.raises(ConfigError, match=r'pip install "django-nsync\[zst\]"'):
        open_bytes(ZSTD.compress(b"a\n1\n"), name="houses.csv.zst")


def test_what_is_not_compressed_imports_nothing_for_it() -> None:
    code = "import io, sys; from nsync.read.base import open_source; from nsync.options import SyncOptions; "
    code += "open_source(io.BytesIO(b'a,b\\n'), SyncOptions()); "
    code += "print([name for name in sys.modules if name in ('zipfile', 'nsync.read.expanding')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"


@each_stream
def test_a_file_that_breaks_off_is_an_error(open_bytes: OpenBytes, suffix: str) -> None:
    content = STREAMS[suffix](random.Random(1).randbytes(40_000).hex().encode())
    for length in (1, 5, 12, 30_000, len(content) - 20, len(content) - 1):
        with pytest.raises(SourceError, match=r"breaks off after [0-9,]+ bytes; fetch or pack it again|does not begin"):
            list(open_bytes(content[:length], name=f"houses.csv{suffix}"))


@each_stream
def test_a_byte_that_is_wrong_is_an_error(open_bytes: OpenBytes, suffix: str) -> None:
    content = bytearray(STREAMS[suffix](TEXT))
    if suffix == ".zst":  # it has a checksum if it is asked for
        content = bytearray(ZSTD.compress(TEXT, options={ZSTD.CompressionParameter.checksum_flag: 1}))
    for place in (len(content) // 2, len(content) - 3):
        content[place] ^= 0xFF
        with pytest.raises(SourceError, match=r"is damaged|is incomplete|cannot be read as utf-8"):
            list(open_bytes(bytes(content), name=f"houses.csv{suffix}"))
        content[place] ^= 0xFF


@each_stream
@pytest.mark.parametrize("more", [b"x", b"\0\0x", b"1,2\n" * 50_000, archive(MEMBER)])
def test_something_else_after_the_end_is_an_error(open_bytes: OpenBytes, suffix: str, more: bytes) -> None:
    with pytest.raises(SourceError, match=r"goes on after the end of its .* data with something else"):
        list(open_bytes(STREAMS[suffix](TEXT) + more, name=f"houses.csv{suffix}"))


@pytest.mark.parametrize("suffix", [*STREAMS, ".zip"])
def test_a_wrong_suffix_is_an_error_that_says_the_right_one(open_bytes: OpenBytes, suffix: str) -> None:
    with pytest.raises(SourceError, match=r"does not begin as .*: if it is not compressed, name it houses\.csv$"):
        open_bytes("a\n1\n", name=f"houses.csv{suffix}")
    for other in {*STREAMS, ".zip"} - {suffix}:
        with pytest.raises(SourceError, match=rf"is compressed with .*; let its name end in \{other}$"):
            open_bytes(packed(other, TEXT), name=f"houses.csv{suffix}")


@each_stream
def test_what_is_compressed_twice_is_expanded_once(open_bytes: OpenBytes, suffix: str) -> None:
    twice = STREAMS[suffix](gzip.compress(TEXT))

    with pytest.raises(SourceError, match="is compressed twice, by its name; only one layer"):
        open_bytes(twice, name=f"houses.csv.gz{suffix}")
    with pytest.raises(SourceError, match="holds data that is compressed with gzip; only one layer"):
        open_bytes(twice, name=f"houses.csv{suffix}")


@each_stream
def test_c4_nothing_in_it_is_an_error_too(open_bytes: OpenBytes, suffix: str) -> None:
    for content in (b"", STREAMS[suffix](b"")):
        with pytest.raises(SourceError, match=r"is empty \(0 bytes\)"):
            open_bytes(content, name=f"houses.csv{suffix}")


def test_a_file_that_changes_is_an_error(open_bytes: OpenBytes, tmp_path: Path) -> None:
    rows = iter(open_bytes(gzip.compress(TEXT), name="houses.csv.gz"))
    next(rows)
    with (tmp_path / "houses.csv.gz").open("ab") as file:
        file.write(b"\0")

    with pytest.raises(SourceError, match="changed while it was being read"):
        list(rows)


def test_xz_and_zstd_that_ask_for_much_memory_are_refused(open_bytes: OpenBytes) -> None:
    head = bytearray(lzma.compress(b"a\n1\n"))
    head[16] = 40  # a dictionary of 4 GiB
    head[20:24] = zlib.crc32(head[12:20]).to_bytes(4, "little")
    with pytest.raises(SourceError, match=r"is damaged: xz data that is not valid .*[Mm]emory"):
        open_bytes(bytes(head), name="houses.csv.xz")
    with pytest.raises(SourceError, match=r"is damaged: zstd data that is not valid .*memory"):
        open_bytes(bytes.fromhex("28b52ffd00a8") + b"\0" * 9, name="houses.csv.zst")


# --- bombs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [*STREAMS, ".zip"])
def test_how_far_a_file_expands_has_a_limit_that_a_setting_names(open_bytes: OpenBytes, suffix: str) -> None:
    content = packed(suffix, b"a\n" + (b"1" * 99 + b"\n") * 10_000)
    name = f"houses.csv{suffix}"

    said = r'expands to more than 1,000,001 bytes; .* NSYNC\["MAX_EXPANDED"\]$'
    with override_settings(NSYNC={"MAX_EXPANDED": 1_000_001}), pytest.raises(SourceError, match=said):
        list(open_bytes(content, name=name))
    for limit in (1_000_002, None):
        with override_settings(NSYNC={"MAX_EXPANDED": limit, "MAX_EXPANDED_RATIO": None}):
            assert sum(1 for _ in open_bytes(content, name=name)) == 10_000


@pytest.mark.parametrize("suffix", [".bz2", ".gz", ".xz", ".zip", ".zst"])
def test_a_bomb_is_seen_by_its_ratio_in_little_memory(open_bytes: OpenBytes, suffix: str) -> None:
    lines = (b"1" * 10_000 + b"\n") * 11_000  # 105 MiB: a hundred are allowed, whatever they come of
    content = packed(suffix, b"a\n" + lines)
    assert len(content) < 1 << 20
    said = r'more than 90 times its size; .*NSYNC\["MAX_EXPANDED_RATIO"\]$'
    with override_settings(NSYNC={"MAX_EXPANDED_RATIO": 90}), pytest.raises(SourceError, match=said), little_memory():
        for _ in open_bytes(content, name=f"houses.csv{suffix}"):
            pass


def test_what_an_archive_says_of_its_size_is_believed_if_it_is_too_much(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError, match=r'expands to more than 1,000 times its size; .*RATIO"\]$'):
        open_bytes(patched(archive(MEMBER), 24, b"\0\0\0\x40"), name="houses.zip")


@pytest.mark.parametrize("key", ["MAX_EXPANDED", "MAX_EXPANDED_RATIO"])
@pytest.mark.parametrize("value", ["16G", 0, True, 1.5])
def test_a_limit_that_is_none_is_a_config_error(open_bytes: OpenBytes, key: str, value: object) -> None:
    with override_settings(NSYNC={key: value}), pytest.raises(ConfigError, match=rf'NSYNC\["{key}"\] is '):
        open_bytes(gzip.compress(b"a\n"), name="houses.csv.gz")


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "suffix", "rest"),
    [
        ("a.csv.gz", ".gz", "a.csv"),
        ("a.CSV.GZ", ".gz", "a.CSV"),
        ("x.gz/a.csv", "", "x.gz/a.csv"),
        (".gz", "", ".gz"),
        ("a.zip", ".zip", "a"),
        ("", "", ""),
    ],
)
def test_the_suffix_of_a_compressed_file_can_be_taken_off(name: str, suffix: str, rest: str) -> None:
    assert (compression_suffix(name), without_compression(name)) == (suffix, rest)


# --- anything ---------------------------------------------------------------------------------------------------------


def mutated() -> Iterator[st.SearchStrategy[tuple[str, bytes]]]:
    """Give valid files with some bytes changed, cut out, or put in; and bytes that only begin right."""
    heads = {".gz": b"\x1f\x8b\x08", ".bz2": b"BZh91AY&SY", ".xz": b"\xfd7zXZ\0", ".zst": b"\x28\xb5\x2f\xfd"}
    several = archive(("a.csv", TEXT[:300]), ("b/c.jsonl", b'{"a": 1}\n'))
    valid = [*((suffix, pack(TEXT[:300])) for suffix, pack in STREAMS.items()), (".zip", several)]
    valid += [(".zip", archive(("a.csv", TEXT[:99]), method=method)) for method in (0, 12)]
    edits = st.lists(st.tuples(st.integers(0, 700), st.integers(0, 4), st.binary(max_size=4)), max_size=4)

    def edited(whole: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
        for start, length, new in changes:
            start %= len(whole) + 1
            whole = whole[:start] + new + whole[start + length :]
        return whole

    for suffix, content in valid:
        yield edits.map(lambda changes, suffix=suffix, content=content: (suffix, edited(content, changes)))  # type: ignore[misc]
    for suffix, head in {**heads, ".zip": b"PK\x03\x04"}.items():
        yield st.binary(max_size=200).map(lambda rest, suffix=suffix, head=head: (suffix, head + rest))  # type: ignore[misc]


@given(st.one_of(*mutated()), st.sampled_from(["", "*.csv", "a.csv"]), st.booleans())
@settings(max_examples=_EXAMPLES)
def test_whatever_is_in_a_compressed_file_only_errors_of_ours_come_of_it(
    file: tuple[str, bytes], member: str, is_stream: bool
) -> None:
    suffix, content = file
    stream = io.BytesIO(content)
    stream.name = f"houses.csv{suffix}"  # type: ignore[attr-defined]
    try:
        source = open_source(stream, SyncOptions(member=member if suffix == ".zip" else ""))
    except NsyncError:
        return
    try:
        rows = list(source)
        assert list(source) == rows
    except NsyncError:
        pass
    finally:
        source.close()
