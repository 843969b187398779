"""``--encoding auto``: what its bytes prove, what charset-normalizer tells apart, and what it does not."""

from __future__ import annotations

import io
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync import SyncOptions, sync
from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.read import detection

from .conftest import OpenBytes

GERMAN = "Müller;Köln\nSchröder;Düsseldorf\nGroß;Saarbrücken\n" * 40
FRENCH = "Hélène;Besançon\nFrançois;Orléans\nZoë;Nîmes\n"
RUSSIAN = "Иван;Москва\nОльга;Санкт-Петербург\nДмитрий;Новосибирск\n"
POLISH = "Łukasz;Łódź\nMałgorzata;Kraków\nGrażyna;Gdańsk\nZdzisław;Wrocław\n"
HEADER = "name;city\n"


def test_auto_takes_what_is_ascii_for_utf_8(open_bytes: OpenBytes) -> None:
    source = open_bytes("name,city\nBruce,Gotham\n", encoding="auto")

    assert source.notes == ("encoding: utf-8 (all of it is ASCII)",)
    assert source.dialect.encoding == "utf-8"


@pytest.mark.parametrize("before", [0, 100, 300_000])
def test_auto_finds_utf_8_wherever_it_shows_and_says_so(open_bytes: OpenBytes, before: int) -> None:
    source = open_bytes("name,city\n" + "Bruce,Gotham\n" * before + "Zoë,Nîmes\n", encoding="auto")

    assert source.notes == ("encoding: utf-8 (1 line with more than ASCII read so)",)
    assert [row.values for row in source][-1] == ("Zoë", "Nîmes")


@pytest.mark.parametrize(
    ("codec", "found"),
    [("utf-8-sig", "utf-8-sig"), ("utf-16", "utf-16"), ("utf-32", "utf-32"), ("utf-16-le", "utf-16-le")],
)
def test_auto_finds_what_the_first_bytes_show(open_bytes: OpenBytes, codec: str, found: str) -> None:
    source = open_bytes("name,city\nZoë,Nîmes\n".encode(codec), encoding="auto")

    assert source.notes == (f"encoding: {found} (its first bytes show it)",)
    assert source.header == ("name", "city")
    assert [row.values for row in source] == [("Zoë", "Nîmes")]


@pytest.mark.parametrize(
    ("text", "codec", "found"),
    [(GERMAN, "cp1252", "cp1252"), (RUSSIAN, "cp1251", "cp1251"), (RUSSIAN, "koi8-r", "koi8_r")],
)
def test_auto_tells_other_encodings_by_their_letters(open_bytes: OpenBytes, text: str, codec: str, found: str) -> None:
    content = (HEADER + text).encode(codec)
    source = open_bytes(content, encoding="auto", delimiter=";")

    assert source.notes[0].startswith(f"encoding: {found} (found by charset-normalizer in ")
    assert [";".join(row.values) for row in source] == text.splitlines()


@pytest.mark.parametrize(("text", "codec"), [(FRENCH, "cp1252"), (POLISH, "iso8859-2"), (POLISH * 40, "iso8859-2")])
def test_auto_asks_and_shows_the_candidates_if_the_letters_do_not_tell(
    open_bytes: OpenBytes, text: str, codec: str
) -> None:
    with pytest.raises(SourceError) as caught:
        open_bytes((HEADER + text).encode(codec), encoding="auto", delimiter=";")

    assert "cannot tell its encoding for sure: " in str(caught.value)
    assert str(caught.value).count("--encoding ") >= 2
    assert f"--encoding {codec.replace('iso8859-2', 'cp1250')} would read " in str(caught.value)


def test_a_letter_cut_at_the_end_of_a_file_is_no_utf_8(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError):
        open_bytes("name\nNî".encode()[:-1] + b"\xc3", encoding="auto")


def test_a_workbook_is_still_told_as_one(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError, match="Excel workbook"):
        open_bytes(b"PK\x03\x04\xff\xfe....xl/", encoding="auto")


def test_a_missing_library_names_the_cure(open_bytes: OpenBytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)

    with pytest.raises(ConfigError, match=r'pip install "django-nsync\[detect\]"'):
        open_bytes((HEADER + GERMAN).encode("cp1252"), encoding="auto")


def test_lines_without_end_are_sampled_in_parts(open_bytes: OpenBytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "SAMPLE_SIZE", 10_000)
    source = open_bytes("name,city\n" + "ü" * 600_000 + ",1\n", encoding="auto")

    assert source.notes[0].startswith("encoding: utf-8 (its first ")


@pytest.mark.django_db
def test_the_report_says_what_was_found() -> None:
    options = SyncOptions(encoding="auto", delimiter="auto", action_flags="c", match_on="first_name")

    report = sync(io.BytesIO("first_name;city\nZoë;x\n".encode()), "testapp.Person", system="HR", options=options)

    assert report.sources[0].notes == (
        "encoding: utf-8 (1 line with more than ASCII read so)",
        "delimiter: ';' (found by sniffing)",
    )


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200))
def test_any_bytes_give_an_encoding_that_reads_them_or_an_error_of_ours(open_bytes: OpenBytes, content: bytes) -> None:
    try:
        source = open_bytes(content, encoding="auto")
        list(source)
    except NsyncError:
        return
    assert source.notes[0].startswith("encoding: ")
