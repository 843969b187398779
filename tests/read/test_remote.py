"""Files that are fetched: whole, once, and without a word of passwords."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import logging
import os
import socket
import ssl
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.options import SyncOptions
from nsync.read.base import Source, open_source
from nsync.read.remote import open_url
from tests.servers import CSV, Requests, Sftp, Web, web_server

pytest.importorskip("aiohttp")
pytest.importorskip("fsspec")

FILES = {
    "/houses.csv": CSV,
    "/houses.jsonl": b'{"a": 1}\n',
    "/two words.csv": b"a\nspaced\n",
    "/two%20words.csv": b"a\nspaced\n",
    "/empty.csv": b"",
    "/login": b"<!DOCTYPE html><html>",
    "/login.csv.gz": b"<!DOCTYPE html><html>",
}
SECRETS = ("s3cret", "t0ken", "ann:", "p@ss", "p%40ss", "ss/word")


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ask the loopback interface without a proxy; look for temporary files in a folder of one's own."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))


def left_behind(tmp_path: Path) -> list[str]:
    return os.listdir(tmp_path / "temporary")


@pytest.fixture
def web() -> Iterator[Web]:
    calls: list[str] = []

    def cut(request: Requests) -> None:
        request.give(CSV[: len(CSV) // 2], length=len(CSV))

    def cut_chunk(request: Requests) -> None:
        request.send_response(200)
        request.send_header("Transfer-Encoding", "chunked")
        request.end_headers()
        request.wfile.write(b"%x\r\n%b\r\n" % (1_000, CSV[:1_000]))
        request.close_connection = True

    def say_nothing(request: Requests) -> None:
        request.connection.settimeout(5)
        request.rfile.read(1)

    def change(request: Requests) -> None:
        calls.append(request.path)
        request.give(b"a\n%d\n" % len(calls))

    answers = {
        "/moved": lambda request: request.give(b"", status=302, Location="/houses.csv"),
        "/round": lambda request: request.give(b"", status=302, Location="/round"),
        "/elsewhere": lambda request: request.give(
            b"",
            status=302,
            Location=f"http://localhost:{request.server.server_port}/houses.csv",  # type: ignore[attr-defined]
        ),
        "/cut": cut,
        "/cut-chunk": cut_chunk,
        "/silent": say_nothing,
        "/changing.csv": change,
        "/broken": lambda request: request.give(b"no", status=500),
        "/private": lambda request: request.give(b"no", status=401),
        "/forbidden": lambda request: request.give(b"no", status=403),
        "/teapot": lambda request: request.give(b"no", status=418),
    }
    with web_server(answers) as server:
        server.files.update(FILES)
        yield server


def rows(source: Source) -> list[tuple[object, ...]]:
    return [row.values for row in source]


def opened(url: str, **options: Any) -> Source:
    return open_source(url, SyncOptions(**options))


def test_a_file_of_a_web_server_is_read_as_any_other(web: Web, tmp_path: Path) -> None:
    source = opened(f"{web.url}/houses.csv")

    assert source.header == ("external_key", "first_name")
    assert len(rows(source)) == 20_000
    assert source.size == source.position == len(CSV)
    assert len(source.digest()) == 64
    source.close()
    assert left_behind(tmp_path) == []


def test_the_suffix_is_that_of_the_path(web: Web) -> None:
    source = opened(f"{web.url}/houses.jsonl?as=x.csv#y.csv")

    assert rows(source) == [("1",)]


def test_a_redirection_is_followed(web: Web) -> None:
    assert len(rows(opened(f"{web.url}/moved", format="csv"))) == 20_000


@pytest.mark.parametrize("name", ["two words.csv", "two%20words.csv"])
def test_blanks_in_an_address_may_be_written_either_way(web: Web, name: str) -> None:
    assert rows(opened(f"{web.url}/{name}")) == [("spaced",)]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("houses.csv.gz", gzip.compress(CSV)),
        ("houses.csv.bz2", bz2.compress(CSV)),
        ("houses.csv.gz", CSV),  # a proxy may unpack it on the way
        ("export", gzip.compress(CSV)),
    ],
)
def test_a_file_that_is_fetched_may_be_compressed_and_its_first_bytes_say_it(
    web: Web, name: str, content: bytes
) -> None:
    web.files[f"/{name}"] = content
    source = opened(f"{web.url}/{name}?of=a.jsonl")

    assert len(rows(source)) == len(rows(source)) == 20_000
    assert (source.size, source.digest()) == (len(content), hashlib.sha256(content).hexdigest())
    assert source.notes == (("compressed with gzip, as its first bytes say",) if name == "export" else ())


@pytest.mark.parametrize("options", [{}, {"member": "h*"}])
def test_an_archive_that_is_fetched_is_known_by_its_name_or_the_options(web: Web, options: dict[str, str]) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("houses.jsonl", b'{"a": 1}\n')
    name = "export" if options else "export.zip"
    web.files[f"/{name}"] = file.getvalue()

    assert rows(opened(f"{web.url}/{name}", **options)) == [("1",)]


@pytest.mark.parametrize("name", ["houses.csv", "houses.csv.gz"])
def test_what_a_server_compresses_on_its_own_is_unpacked_where_there_is_a_limit(web: Web, name: str) -> None:
    def give(request: Requests) -> None:
        request.give(gzip.compress(CSV), Content_Encoding="gzip")

    with web_server({f"/{name}": give}) as other:
        assert len(rows(opened(f"{other.url}/{name}"))) == 20_000
        with override_settings(NSYNC={"MAX_EXPANDED": 100_000}), pytest.raises(SourceError, match="MAX_EXPANDED"):
            rows(opened(f"{other.url}/{name}"))


def test_a_compressed_file_that_is_cut_off_is_an_error_before_it_is_expanded(web: Web, tmp_path: Path) -> None:
    content = gzip.compress(CSV)
    answers = {"/a.csv.gz": lambda request: request.give(content[:-9], length=len(content))}

    with web_server(answers) as other, pytest.raises(SourceError, match=r"a\.csv\.gz: was cut off"):
        opened(f"{other.url}/a.csv.gz")
    assert left_behind(tmp_path) == []


def test_all_passes_read_what_came_once(web: Web) -> None:
    """A file that changes meanwhile cannot mix two versions."""
    source = opened(f"{web.url}/changing.csv")

    assert rows(source) == rows(source) == [("1",)]
    assert len(web.seen) == 1


def test_the_password_in_a_url_is_sent_to_its_host_alone(web: Web) -> None:
    address = web.url.replace("http://", "http://ann:s3cret@")
    opened(f"{address}/elsewhere").close()

    assert [bool(sent) for _, sent in web.seen] == [True, False]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing.csv", "there is no such file at this place"),
        ("cut", "was cut off: .*; nothing was read"),
        ("cut-chunk", "was cut off: .*; nothing was read"),
        ("broken", "the server answers HTTP 500 .*; try again later"),
        ("private", r"may not be read \(HTTP 401\); check the name and password"),
        ("forbidden", r"may not be read \(HTTP 403\)"),
        ("teapot", "the server answers HTTP 418 .*; check the address"),
        ("round", "the server sends us round in circles"),
        ("empty.csv", "is empty"),
        ("login", "is a web page"),
        ("login.csv.gz", "is a web page"),
    ],
)
def test_what_cannot_be_fetched_says_why_and_nothing_of_passwords(
    web: Web, tmp_path: Path, path: str, said: str
) -> None:
    address = web.url.replace("http://", "http://ann:s3cret@")
    with pytest.raises(SourceError, match=said) as caught:
        opened(f"{address}/{path}?key=t0ken")

    assert str(caught.value).startswith(f"http://***@{web.address}/{path}?key=***: ")
    assert not [secret for secret in SECRETS if secret in str(caught.value)]
    assert left_behind(tmp_path) == []


def test_a_server_that_says_nothing_is_not_waited_for(web: Web) -> None:
    start = time.monotonic()
    with pytest.raises(SourceError, match="does not answer in time"):
        open_url(f"{web.url}/silent", timeout=0.3)

    assert time.monotonic() - start < 4


def test_a_host_that_does_not_exist_is_named() -> None:
    with pytest.raises(SourceError, match=r"https://nowhere\.invalid/a\.csv: there is no such host"):
        opened("https://nowhere.invalid/a.csv")


@pytest.fixture
def silent_port() -> int:
    """Give a port where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        return int(unused.getsockname()[1])


@pytest.mark.parametrize("scheme", ["http", "https", "sftp"])
def test_a_port_where_nobody_listens_is_an_error(scheme: str, silent_port: int) -> None:
    with pytest.raises(SourceError, match="nobody answers at this address; check it, and whether the server runs"):
        opened(f"{scheme}://ann:s3cret@127.0.0.1:{silent_port}/a.csv")


@pytest.mark.parametrize("url", ["http://[/a.csv", "http:///a.csv", "http://127.0.0.1:99999/a.csv", "https://ü\0/"])
def test_an_address_that_is_none_is_an_error(url: str) -> None:
    with pytest.raises(NsyncError):
        opened(url)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trustme = pytest.importorskip("trustme")
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with web_server({"/houses.csv": lambda request: request.give(CSV)}, context) as web:
        with pytest.raises(SourceError, match=r"the server cannot be trusted: TLS: .*certificate"):
            opened(f"{web.url}/houses.csv")
        assert web.seen == []


@pytest.mark.parametrize(
    ("scheme", "said"),
    [
        ("https", r"does not speak TLS with us \(.*\); check the address: is it http://\?"),
        ("sftp", "no SSH server answers at this address"),
    ],
)
def test_a_server_of_another_kind_is_told_as_one(web: Web, scheme: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        opened(f"{scheme}://{web.address}/houses.csv")


def test_nothing_is_said_by_the_library_itself(web: Web) -> None:
    """It logs tracebacks, and Python prints them if nobody handles them."""
    with pytest.raises(SourceError):
        opened(f"sftp://{web.address}/houses.csv")

    assert any(isinstance(handler, logging.NullHandler) for handler in logging.getLogger("paramiko").handlers)


def test_no_room_for_the_copy_is_said(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")

    with pytest.raises(SourceError, match=r"cannot be copied to /nonexistent .*; set TMPDIR"):
        opened(f"{web.url}/houses.csv")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("htps://h/a.csv", r"nothing reads htps://; did you mean https?://\?"),
        ("sfpt://ann:s3cret@h/a.csv", r"sfpt://\*\*\*@h/a\.csv: nothing reads sfpt://; did you mean sftp://\?"),
        ("qqqqqqqqqq://h/a.csv", r"nothing reads qqqqqqqqqq://; there are http, https, s3"),
    ],
)
def test_an_unknown_scheme_is_an_error_of_the_call(url: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        opened(url)


@pytest.mark.parametrize(
    ("url", "missing", "said"),
    [
        (
            "https://ann:s3cret@h/a.csv",
            "fsspec",
            r'https://\*\*\*@h/a\.csv: fsspec .*pip install "django-nsync\[http\]"',
        ),
        ("http://h/a.csv", "aiohttp", r'aiohttp is not installed, which reads http://: .*"django-nsync\[http\]"'),
        ("s3://b/a.csv", "s3fs", r'"django-nsync\[s3\]"'),
        ("sftp://h/a.csv", "paramiko", r'"django-nsync\[sftp\]"'),
        ("gs://b/a.csv", "gcsfs", r"gs://b/a\.csv: what reads gs:// is not installed: .*gcsfs"),
        ("ftp://h/a.csv", "fsspec", r"which reads ftp://: pip install fsspec; did you mean sftp://\?"),
    ],
)
def test_a_missing_library_is_named_with_the_extra_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, url: str, missing: str, said: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(ConfigError, match=said):
        opened(url)


def test_any_file_system_of_fsspec_can_be_named() -> None:
    import fsspec

    with fsspec.open("memory://folder/a.csv", "wb") as file:
        file.write(b"a\n1\n")

    assert rows(opened("memory://folder/a.csv")) == [("1",)]
    with pytest.raises(SourceError, match="is a folder"):
        opened("memory://folder")


# --- SFTP -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def sftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sftp]:
    pytest.importorskip("paramiko")
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "houses.csv").write_bytes(CSV)
    (folder / "folder").mkdir()
    server = Sftp(folder)
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "known_hosts").write_text(server.known_hosts())
    monkeypatch.setenv("HOME", str(home))
    yield server
    server.close()


def of(server: Sftp, path: str, user: str = "ann:p%40ss%2Fword") -> str:
    return f"sftp://{user}@127.0.0.1:{server.port}/{path}"


def test_a_file_of_an_sftp_server_is_read(sftp: Sftp) -> None:
    source = opened(of(sftp, "houses.csv"))

    assert source.name == f"sftp://***@127.0.0.1:{sftp.port}/houses.csv"
    assert len(rows(source)) == 20_000


@pytest.mark.parametrize(
    ("path", "user", "said"),
    [
        ("missing.csv", "ann:p%40ss%2Fword", "there is no such file"),
        ("folder", "ann:p%40ss%2Fword", "is a folder"),
        ("houses.csv", "ann", r"may not be read \(.*\); check the name and password"),
        ("houses.csv", "ann:wrong", r"may not be read \(.*\); check the name and password"),
    ],
)
def test_what_an_sftp_server_refuses_is_said(sftp: Sftp, path: str, user: str, said: str) -> None:
    with pytest.raises(SourceError, match=said) as caught:
        opened(of(sftp, path, user))

    assert not [secret for secret in SECRETS if secret in str(caught.value)]


def test_no_password_is_sent_to_a_server_that_is_not_known(sftp: Sftp, tmp_path: Path) -> None:
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text("")

    with pytest.raises(SourceError, match=r"cannot be trusted: .*not found in known_hosts; .*ssh-keyscan"):
        opened(of(sftp, "houses.csv"))


def test_a_server_with_another_key_than_before_is_not_trusted(sftp: Sftp, tmp_path: Path) -> None:
    other = Sftp(sftp.folder)
    known = other.known_hosts().replace(str(other.port), str(sftp.port))
    (tmp_path / "home" / ".ssh" / "known_hosts").write_text(known)
    other.close()

    with pytest.raises(SourceError, match="cannot be trusted"):
        opened(of(sftp, "houses.csv"))


def test_a_connection_that_breaks_leaves_nothing_half_read(sftp: Sftp, tmp_path: Path) -> None:
    sftp.stops_after = len(CSV) // 2

    with pytest.raises(SourceError, match=r"was cut off: .*; nothing was read, run again"):
        opened(of(sftp, "houses.csv"))
    assert left_behind(tmp_path) == []


def test_a_file_that_is_still_being_written_is_an_error(sftp: Sftp) -> None:
    sftp.grows = True

    with pytest.raises(SourceError, match="changed while it was being fetched"):
        opened(of(sftp, "houses.csv"))


# --- Buckets --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    pytest.importorskip("s3fs")
    server = pytest.importorskip("moto.server").ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Fill a bucket, and let the environment say where it is, as for all tools of AWS."""
    import s3fs

    environment = {
        "AWS_ENDPOINT_URL": s3_server,
        "AWS_ACCESS_KEY_ID": "t0ken",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    if not files.exists("exports"):
        files.mkdir("exports")
    files.pipe("exports/daily/houses.csv", CSV)
    return s3_server


def test_an_object_of_a_bucket_is_read(s3: str) -> None:
    source = opened("s3://exports/daily/houses.csv")

    assert source.name == "s3://exports/daily/houses.csv"
    assert len(rows(source)) == 20_000


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("s3://exports/missing.csv", "there is no such file"),
        ("s3://no-such-bucket/a.csv", "there is no such file"),
        ("s3://exports/daily", "is a folder"),
    ],
)
def test_what_a_bucket_does_not_have_is_said(s3: str, url: str, said: str) -> None:
    with pytest.raises(SourceError, match=said):
        opened(url)


def test_an_object_may_be_compressed(s3: str) -> None:
    import s3fs

    s3fs.S3FileSystem(skip_instance_cache=True).pipe("exports/daily/houses.csv.gz", gzip.compress(CSV))

    assert len(rows(opened("s3://exports/daily/houses.csv.gz"))) == 20_000


def test_an_object_store_that_does_not_answer_is_an_error(
    s3: str, monkeypatch: pytest.MonkeyPatch, silent_port: int
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent_port}")

    with pytest.raises(SourceError, match="nobody answers at this address"):
        opened("s3://exports/daily/houses.csv")


def test_a_bucket_without_credentials_is_an_error(s3: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    with pytest.raises(SourceError, match="may not be read"):
        opened("s3://exports/daily/houses.csv")
