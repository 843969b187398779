"""Sources that are elsewhere: how they are named, what is told of them, and what a run makes of them."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.core.files.storage import FileSystemStorage, storages
from django.test import override_settings

from nsync import ConfigError, SourceError, SyncOptions, sync
from nsync.models import Run as RunRecord
from nsync.places import file_name, is_place, query_of, scheme_of, shown
from nsync.veils import veil_arguments
from tests.servers import ROWS, Web, with_secrets
from tests.testapp.models import Person


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("houses.csv", "houses.csv"),
        ("C:/houses.csv", "C:/houses.csv"),
        ("folder/a@b?c=d#e.csv", "folder/a@b?c=d#e.csv"),
        ("simplecache::https://ann:s3cret@h/a.csv?s3cret", "simplecache::https://***@h/a.csv?***"),
        ("https://h/a.csv", "https://h/a.csv"),
        ("https://h/a.csv?sig=s3cret&day=1#s3cret", "https://h/a.csv?sig=***&day=***"),
        ("https://h/a.csv?s3cret", "https://h/a.csv?***"),
        ("https://s3cret@h/a.csv", "https://***@h/a.csv"),
        ("https://ann:s3cret@h:8/a.csv", "https://***@h:8/a.csv"),
        ("https://ann:s3c@s3cret@h/a.csv", "https://***@h/a.csv"),
        ("sftp://ann:s3cret/s3cret@h/a.csv", "sftp://***@h/a.csv"),
        ("sftp://ann:s3cret?s3cret@h/a.csv", "sftp://***@h/a.csv"),
        ("sftp://ann:s3cret#s3cret@h/a.csv", "sftp://***@h/a.csv"),
        ("s3://bucket/a@b.csv", "s3://bucket/a@b.csv"),
        ("storage:default:a/b.csv", "storage:default:a/b.csv"),
        ("sql+erp:SELECT a,\n  b FROM c", "sql+erp:SELECT a, b FROM c"),
        ("sql+erp:SELECT * FROM dblink('http://ann:s3cret@h/')", "sql+erp:SELECT * FROM dblink('http://***@h/')"),
        ("sql+erp:SELECT " + "x" * 200, "sql+erp:SELECT " + "x" * 92 + "…"),
    ],
)
def test_what_is_shown_of_a_name_holds_no_password_and_no_token(name: str, told: str) -> None:
    assert shown(name) == told
    assert "s3c" not in told


@pytest.mark.parametrize(
    ("name", "scheme"),
    [("https://h", "https"), ("S3://b/a", "s3"), ("a+b.c-1://x", "a+b.c-1"), ("sql+a://b", "sql+a"), ("s3:/b", "")],
)
def test_what_stands_before_colon_and_slashes_is_the_scheme(name: str, scheme: str) -> None:
    assert scheme_of(name) == scheme
    assert query_of(name) is None


@pytest.mark.parametrize(
    ("name", "last"),
    [
        ("in/houses.csv", "houses.csv"),
        ("https://h/in/houses.jsonl?as=a/b.csv#/c.csv", "houses.jsonl"),
        ("https://h/in/two%20words.csv", "two words.csv"),
        ("https://h", ""),
        ("https://[/a.csv?b", "a.csv"),
        ("storage:default:in/houses.tsv", "houses.tsv"),
        ("storage:default:houses.tsv", "houses.tsv"),
        ("sql+erp:SELECT 1/2", "erp.csv"),
    ],
)
def test_the_name_of_the_file_is_the_last_part_of_the_path(name: str, last: str) -> None:
    assert file_name(name) == last


@pytest.mark.parametrize(
    "name",
    [
        *("houses.csv", "-", "storage.csv", "C:/a", "C://a", "sql.csv", "storage:a", "./storage:a:b", "a/b://c"),
        *("1a://b", "://b", "é://b", Path("https://h/a")),
    ],
)
def test_a_path_is_no_place(name: Any) -> None:
    assert not is_place(name)


def test_a_command_line_is_kept_without_passwords_and_tokens() -> None:
    given = ["syncfile", "https://ann:s3cret@h/a b.csv?sig=s3 cret", "--report=sftp://ann:s3cret@h/x.json", "a@b"]

    assert list(veil_arguments(given)) == [
        "syncfile",
        "https://***@h/a b.csv?sig=***",
        "--report=sftp://***@h/x.json",
        "a@b",
    ]


@pytest.mark.django_db
def test_a_download_that_was_cut_off_is_never_taken_for_the_whole_truth(web: Web) -> None:
    """G2: what a snapshot does not name is taken away."""
    sync(f"{web.url}/HR_testapp_Person.csv", Person, system="HR")

    with pytest.raises(SourceError, match="was cut off"):
        sync(f"{web.url}/cut.csv", Person, system="HR", options=SyncOptions(snapshot=True, allow_deletes=True))
    assert Person.objects.count() == 50


@pytest.mark.django_db
def test_neither_history_nor_report_tell_a_password(web: Web) -> None:
    report = sync(
        with_secrets(web, "HR_testapp_Person.csv"), Person, system="HR", options=SyncOptions(record="changes")
    )

    name = f"http://***@{web.address}/HR_testapp_Person.csv?sig=***"
    (source,) = RunRecord.objects.get().sources
    assert (source["name"], source["size"], len(source["sha256"])) == (name, len(ROWS), 64)
    assert report.sources[0].name == name
    kept = json.dumps(list(RunRecord.objects.values()), default=str)
    assert not [secret for secret in ("s3cret", "t0ken", "ann:") if secret in kept + repr(report)]


@pytest.mark.django_db
def test_an_open_file_that_is_named_by_a_url_tells_no_password() -> None:
    """As libraries that open URLs name their files."""
    file = io.BytesIO(ROWS)
    file.name = "https://ann:s3cret@h/a.csv?sig=t0ken"  # type: ignore[attr-defined]

    assert sync(file, Person, system="HR").sources[0].name == "https://***@h/a.csv?sig=***"


@pytest.mark.django_db
def test_a_run_that_was_interrupted_goes_on_with_what_the_server_still_has(web: Web) -> None:
    """T11."""
    url, options = f"{web.url}/HR_testapp_Person.csv", {"as_transaction": False, "batch_size": 10}
    report = sync(url, Person, system="HR", options=SyncOptions(**options))

    again = sync(url, Person, system="HR", options=SyncOptions(**options, resume=report.run))
    assert again.status == "finished before"
    web.files["/HR_testapp_Person.csv"] += b"K,cu*,New\n"
    with pytest.raises(ConfigError, match="is not the file of run"):
        sync(url, Person, system="HR", options=SyncOptions(**options, resume=report.run))


# --- storages -------------------------------------------------------------------------------------------------------


@pytest.fixture
def exports(tmp_path: Path) -> Iterator[Path]:
    """Give the folder of the storage ``exports``."""
    folder = tmp_path / "exports"
    folder.mkdir()
    (folder / "in").mkdir()
    settings = {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        "exports": {"BACKEND": "django.core.files.storage.FileSystemStorage", "OPTIONS": {"location": str(folder)}},
        "short": {"BACKEND": "tests.test_places.Short", "OPTIONS": {"location": str(folder)}},
        "wrong": {"BACKEND": "tests.nowhere.Storage"},
    }
    with override_settings(STORAGES=settings):
        yield folder


class Short(FileSystemStorage):
    """Gives less than it says."""

    def size(self, name: str) -> int:
        return super().size(name) + 1


@pytest.mark.django_db
@pytest.mark.parametrize("alias", ["default", "exports"])
def test_a_file_of_a_storage_is_synced(exports: Path, alias: str) -> None:
    storages[alias].save("in/people.tsv", ContentFile(ROWS.replace(b",", b"\t")))
    report = sync(f"storage:{alias}:in/people.tsv", Person, system="HR")

    assert (report.rows, Person.objects.count()) == (50, 50)
    assert report.sources[0].name == f"storage:{alias}:in/people.tsv"


@pytest.mark.django_db
def test_a_file_of_a_storage_may_be_compressed(exports: Path) -> None:
    (exports / "in" / "people.csv.gz").write_bytes(gzip.compress(ROWS))
    with zipfile.ZipFile(exports / "in" / "people.zip", "w") as archive:
        archive.writestr("a.csv", ROWS)
        archive.writestr("b.csv", b"")

    for name, member in {"people.csv.gz": "", "people.zip": "a*"}.items():
        assert sync(f"storage:exports:in/{name}", Person, system="HR", options=SyncOptions(member=member)).rows == 50


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("place", "error", "said"),
    [
        ("storage:exports:missing.csv", SourceError, "there is no such file in the storage"),
        ("storage:exports:in", SourceError, "is a folder"),
        ("storage:exports:../secret.csv", SourceError, "lies outside the storage"),
        ("storage:exports:a\0.csv", SourceError, "cannot be read from the storage"),
        ("storage:short:people.csv", SourceError, "was cut off: 817 of 818 bytes came"),
        ("storage:export:a.csv", ConfigError, r"STORAGES has no 'export'; did you mean 'exports'\? There are default,"),
        ("storage:wrong:a.csv", ConfigError, "tests.nowhere"),
    ],
)
def test_what_a_storage_does_not_give_is_an_error(exports: Path, place: str, error: type[Exception], said: str) -> None:
    (exports / "people.csv").write_bytes(ROWS)
    with pytest.raises(error, match=said):
        sync(place, Person, system="HR")
    assert Person.objects.count() == 0
