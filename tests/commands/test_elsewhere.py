"""Commands whose files are elsewhere."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands.conftest import Ran
from tests.servers import ROWS, Web, with_secrets
from tests.testapp.models import Person


def test_files_of_a_server_are_named_as_local_ones_are(web: Web, command: Callable[..., Ran]) -> None:
    """T6."""
    ran = command("syncfiles", with_secrets(web, "HR_testapp_Person.csv"), "--rejects", "out/", "--report", "r.json")

    assert (ran.code, Person.objects.count()) == (0, 50)
    assert [path.name for path in Path("out").iterdir()] == ["HR_testapp_Person.rejects.csv"]
    assert not [secret for secret in ("s3cret", "t0ken") if secret in ran.out + ran.err + Path("r.json").read_text()]


def test_the_name_of_a_compressed_file_of_a_server_says_what_is_in_it(web: Web, command: Callable[..., Ran]) -> None:
    """T6."""
    web.files["/HR_testapp_Person.csv.gz"] = gzip.compress(ROWS)
    ran = command("syncfiles", with_secrets(web, "HR_testapp_Person.csv.gz"), "--rejects", "out/")

    assert (ran.code, Person.objects.count()) == (0, 50)
    assert [path.name for path in Path("out").iterdir()] == ["HR_testapp_Person.rejects.csv"]


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("missing.csv", "does not fit"),
        ("HR_testapp_Nobody.csv", "has no model"),
        ("HR_testapp_House_x.csv", "no such file"),
    ],
)
def test_what_a_command_says_of_a_url_holds_no_password(
    web: Web,
    command: Callable[..., Ran],
    path: str,
    said: str,
) -> None:
    ran = command("syncfiles", with_secrets(web, path))

    assert ran.code == 1
    assert said in ran.err
    assert not [secret for secret in ("s3cret", "t0ken", "ann:") if secret in ran.out + ran.err]


def test_a_query_has_no_name_that_says_what_its_rows_are(command: Callable[..., Ran]) -> None:
    ran = command("syncfiles", "sql+other:SELECT 1")

    assert (ran.code, "sync it with syncfile" in ran.err) == (1, True)


@pytest.mark.parametrize("named", ["in the feed", "in the call"])
def test_a_feed_takes_what_is_elsewhere_and_moves_nothing(web: Web, command: Callable[..., Ran], named: str) -> None:
    url = with_secrets(web, "HR_testapp_Person.csv")
    feed = ["[feeds.persons]", 'system = "HR"', 'model = "testapp.Person"', 'archive = "done"']
    Path("nsync.toml").write_text("\n".join([*feed, f'files = "{url}"' if named == "in the feed" else ""]))

    ran = command("syncfeed", "persons", *([url] if named == "in the call" else []))

    assert (ran.code, Person.objects.count(), Path("done").exists()) == (0, 50, False)
    assert not [secret for secret in ("s3cret", "t0ken") if secret in ran.out + ran.err]
