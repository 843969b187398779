"""What is refused before anything is read or written (rule C6), with words that help."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User

from nsync import SyncOptions, sync, sync_all
from nsync.errors import ConfigError, NsyncError, SourceError
from nsync.models import ExternalSystem
from nsync.record.report import Report
from tests.telling import notes, outcomes
from tests.testapp.models import AbstractThing, House, Person

CU = {"action_flags": "cu", "match_on": "first_name"}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("tesstapp.Person", ["tesstapp", "testapp"]),
        ("Person", ["'Person'", "testapp"]),
        ("testapp.Prson", ["Prson", "Person", "House"]),
        ("testapp.", ["testapp"]),
        ("testapp.AbstractThing", ["AbstractThing"]),
        (AbstractThing, ["abstract"]),
    ],
)
def test_a_model_that_cannot_be_synced_is_refused(
    sync_text: Callable[..., Report], model: Any, words: list[str]
) -> None:
    """C6: and the message names those that can."""
    with pytest.raises(ConfigError) as caught:
        sync_text("first_name\nBruce\n", model, **CU)

    assert [word for word in words if word not in str(caught.value)] == []
    assert not ExternalSystem.objects.exists()


def test_the_name_of_a_model_is_read_in_any_case(sync_text: Callable[..., Report]) -> None:
    """C6: file names are rarely in camel case."""
    assert outcomes(sync_text("first_name\nBruce\n", "testapp.person", **CU)) == {"created": 1}


def test_a_swapped_out_model_is_refused(sync_text: Callable[..., Report], settings: Any) -> None:
    """C6: the message names the one in its place."""
    settings.AUTH_USER_MODEL = "testapp.Person"

    with pytest.raises(ConfigError, match=r"swapped.*testapp\.Person"):
        sync_text("username\nbruce\n", User, action_flags="cu", match_on="username")


def test_an_unknown_system_is_refused_if_it_is_not_to_be_created(sync_text: Callable[..., Report]) -> None:
    """C6: --no-create-external-system."""
    ExternalSystem.objects.create(name="ERP")

    with pytest.raises(ConfigError, match=r"'HR'.*ERP"):
        sync_text("first_name\nBruce\n", create_external_system=False, **CU)
    assert not Person.objects.exists()
    assert set(ExternalSystem.objects.values_list("name", flat=True)) == {"ERP"}

    assert outcomes(sync_text("first_name\nBruce\n", system="ERP", create_external_system=False, **CU)) == {
        "created": 1
    }


@pytest.mark.parametrize("system", ["", "  ", "x" * 101])
def test_a_name_that_no_system_can_have_is_refused(sync_text: Callable[..., Report], system: str) -> None:
    """C6, M1."""
    with pytest.raises(ConfigError, match="external system"):
        sync_text("first_name\nBruce\n", system=system, **CU)


@pytest.mark.parametrize(
    ("text", "options", "words"),
    [
        ("action_flags,match_on\nc,\n", {}, ["no column", "Person"]),
        ("action_flags,nmae,agge\nc,Bruce,1\n", {}, ["nmae", "did you mean age?"]),
        ("first_name;age\nBruce;41\n", {"action_flags": "c"}, ["first_name;age", "--delimiter"]),
        ("Bruce,41\nDick,20\n", {"action_flags": "c"}, ["Bruce", "--header"]),
        ("id,modified\n1,\n", {"action_flags": "c"}, ["id", "modified"]),
        ("first_name,age\nBruce,41\n", {"action_flags": "c", "map": (("first_name", ""), ("age", ""))}, ["no column"]),
        (",,\nBruce,41,\n", {"action_flags": "c"}, ["no column"]),
        ("first_name\nBruce\n", {"match_on": "first_name"}, ["action_flags", "--action-flags"]),
        (
            "first_name,action_flags\nBruce,cu\n",
            {"match_on": "first_name", "action_flags_column": "op"},
            ["'op'", "--action-flags"],
        ),
        ("first_name,first_name\nBruce,Dick\n", CU, ["'first_name'", "twice", "--map"]),
        ("first_name, first_name \nBruce,Dick\n", CU, ["'first_name'", "twice"]),
        ("first_name,external_key,external_key\nBruce,1,2\n", CU, ["'external_key'", "twice"]),
        ("first_name,action_flags,action_flags\nBruce,c,u\n", CU, ["'action_flags'", "twice"]),
        ("first_name,match_on,match_on\nBruce,,\n", CU, ["'match_on'", "twice"]),
        ("first_name,company=>name,company=>name\nBruce,A,B\n", CU, ["'company=>name'", "twice"]),
        ("Name,Name\nBruce,Dick\n", {**CU, "map": (("Name", "first_name"),)}, ["'Name'", "twice"]),
        ("full,first_name,first_name\nB,B,B\n", {**CU, "map": (("full", "last_name"),)}, ["'first_name'", "twice"]),
        ("first_name,company,company_id\nBruce,1,2\n", {**CU, "only_columns": ("nmae",)}, ["--only-columns", "nmae"]),
        ("first_name\nBruce\n", {**CU, "map": (("Naem", "first_name"),)}, ["--map", "'Naem'", "first_name"]),
        ("first_name,Name\nBruce,Dick\n", {**CU, "map": (("Name", "first_name"),)}, ["'first_name'", "'Name'"]),
        ("pk,id\n1,2\n", {**CU, "map": (("pk", "pk"), ("id", "id"))}, ["'pk'", "'id'"]),
        ("first_name,age\nBruce,1\n", {**CU, "set": (("age", "2"),)}, ["age"]),
        ("first_name\nBruce\n", {**CU, "external_key_column": "firstname"}, ["--external-key-column", "first_name?"]),
        (
            "first_name,no\nBruce,1\n",
            {**CU, "external_key_column": "no", "map": (("no", ""),)},
            ["--external-key-column", "--map"],
        ),
        ("first_name\nBruce\n", {**CU, "match_on": "last_name"}, ["--match-on", "'last_name'", "first_name"]),
        ("Name\nB\n", {**CU, "match_on": "Name", "map": (("Name", "first_name"),)}, ["--match-on", "'Name'"]),
        ("first_name\nBruce\n", {**CU, "match_on": "first_name |"}, ["--match-on", "|"]),
        ("first_name\nBruce\n", {**CU, "action_flags": "cd"}, ["--action-flags"]),
        ("first_name\nBruce\n", {**CU, "flag_map": (("I", "x"),)}, ["--flag-map"]),
    ],
)
def test_what_header_and_options_show_to_be_wrong_is_refused(
    sync_text: Callable[..., Report], text: str, options: dict[str, Any], words: list[str]
) -> None:
    """C6: before anything is written, the external system included."""
    with pytest.raises(ConfigError) as caught:
        sync_text(text, **options)

    assert [word for word in words if word not in str(caught.value)] == []
    assert not ExternalSystem.objects.exists()
    assert not Person.objects.exists()


@pytest.mark.parametrize(
    ("text", "options", "noted"),
    [
        ("first_name,note,note\nBruce,x,y\n", {}, ["note"]),
        ("first_name,,\nBruce,x,y\n", {}, []),
        ("first_name,age,age\nBruce,x,y\n", {"map": (("age", ""),)}, []),
        ("first_name,action_flags,action_flags\nBruce,x,y\n", {"map": (("action_flags", ""),)}, []),
        ("first_name,nsync_line,nsync_line\nBruce,x,y\n", {}, []),
        ("first_name,note,Note\nBruce,x,y\n", {}, []),
    ],
    ids=["unknown", "unnamed", "dropped", "dropped control", "of a rejects file", "another case"],
)
def test_a_name_that_stands_twice_and_is_no_column_of_the_run_is_ignored_and_said(
    sync_text: Callable[..., Report], text: str, options: dict[str, Any], noted: list[str]
) -> None:
    """C6: --map 'Header=' drops all of that name."""
    report = sync_text(text, **CU, **options)

    assert outcomes(report) == {"created": 1}
    assert [column for code, column in notes(report) if code == "duplicate-ignored"] == noted
    assert Person.objects.get().age is None


def test_a_key_alone_is_a_usable_column(sync_text: Callable[..., Report]) -> None:
    """C6, A5: a file of keys can delete."""
    sync_text("external_key,first_name\n1,Bruce\n", **CU)

    assert outcomes(sync_text("external_key\n1\n", action_flags="d")) == {"deleted": 1}


@pytest.mark.django_db
@pytest.mark.parametrize("content", [None, b"", b"\xef\xbb\xbf"], ids=["missing", "zero bytes", "only a mark"])
def test_a_file_that_is_missing_or_empty_is_a_source_error(tmp_path: Path, content: bytes | None) -> None:
    """C4, C6."""
    path = tmp_path / "persons.csv"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises((SourceError, ConfigError), match=r"persons\.csv"):
        sync(path, Person, system="HR", options=SyncOptions(**CU))
    assert not ExternalSystem.objects.exists()


@pytest.mark.django_db
def test_a_folder_is_a_source_error(tmp_path: Path) -> None:
    """C6: unreadable, not a traceback."""
    with pytest.raises(NsyncError):
        sync(tmp_path, Person, system="HR", options=SyncOptions(**CU))


@pytest.mark.django_db
@pytest.mark.parametrize("rows", [0, 60], ids=["among the first bytes", "later"])
@pytest.mark.parametrize("on_error", ["rollback", "skip"])
def test_an_undecodable_byte_writes_nothing_and_is_told_with_its_line(rows: int, on_error: Any) -> None:
    """C6: what the first bytes show is refused; what shows later ends the run as --on-error stop does."""
    data = b"first_name,note\n" + b"".join(b"P%d,%s\n" % (number, b"x" * 20_000) for number in range(rows))
    source = io.BytesIO(data + b"M\xfcller,x\n" + b"Dick,x\n")
    options = SyncOptions(**CU, on_error=on_error)

    try:
        report = sync(source, Person, system="HR", options=options)
        error, exit_code = report.error, report.exit_code
    except SourceError as refused:
        error, exit_code = str(refused), 1

    assert f":{rows + 2}" in error or f"line {rows + 2}" in error
    assert exit_code == 1
    assert not Person.objects.exists()
    assert not ExternalSystem.objects.exists()


def test_one_bad_header_of_several_stops_all_before_the_first_row(sync_texts: Callable[..., Report]) -> None:
    """C6: and the message names the source."""
    with pytest.raises(ConfigError, match="adress"):
        sync_texts(("HR", Person, "first_name\nBruce\n"), ("HR", House, "adress\nManor\n"), action_flags="c")
    assert not Person.objects.exists()


@pytest.mark.django_db
def test_nothing_to_sync_is_refused() -> None:
    """C6."""
    with pytest.raises(ConfigError, match="nothing to sync"):
        sync_all([])
