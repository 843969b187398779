"""Keys of several columns: C2, I1."""

from __future__ import annotations

import io
from collections.abc import Callable

import pytest

from nsync import ConfigError, SyncOptions, sync
from nsync.decode.keys import split_key
from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.testapp.models import Parcel, Person

Sync = Callable[..., Report]
KEY = "{site}-{id}"
OPTIONS = {"external_key_column": KEY, "action_flags": "cu*", "match_on": "employee_id"}
PARCELS = {**OPTIONS, "match_on": "code"}
ENGINES = ("objects", "bulk", "columns")


def keys() -> list[str]:
    return sorted(ExternalKeyMapping.objects.values_list("external_key", flat=True))


@pytest.mark.parametrize("engine", ENGINES)
def test_several_columns_make_the_key_and_are_no_fields_of_their_own(sync_text: Sync, engine: str) -> None:
    """C2, I1."""
    text = "site,id,code,label\nA,1,P1,Homer\n B , 1 ,P2,Marge\n"

    report = sync_text(text, "testapp.Parcel", engine=engine, **PARCELS)
    again = sync_text(text.replace("Homer", "Bart"), "testapp.Parcel", engine=engine, **PARCELS)

    assert keys() == ["A-1", "B-1"]
    assert [note.code for note in report.sources[0].columns] == []
    assert {kind.value: count for kind, count in again.counts.items()} == {"updated": 1, "unchanged": 1}
    assert sorted(Parcel.objects.values_list("label", flat=True)) == ["Bart", "Marge"]


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("row", ["A,,P1,x", " ,1,P1,x", "NULL,1,P1,x"])
def test_a_key_of_which_a_part_is_blank_is_no_key(sync_text: Sync, engine: str, row: str) -> None:
    """I1: half a key would mean another object."""
    text = f"site,id,code,label\n{row}\nA,1,P2,x\n"

    report = sync_text(text, "testapp.Parcel", engine=engine, null_marker="NULL", **PARCELS)

    assert report.exit_code == 0
    assert keys() == ["A-1"]
    assert Parcel.objects.count() == 2


def test_a_row_that_is_cut_short_has_no_key(sync_text: Sync) -> None:
    """C4."""
    sync_text("employee_id,first_name,site,id\nE1,Homer,A\n", **OPTIONS)

    assert (Person.objects.count(), keys()) == (1, [])


def test_numbers_of_json_are_joined_as_they_are_written(db: None) -> None:
    source = io.StringIO('{"site": 7, "id": 12, "employee_id": "E1", "first_name": "Homer"}\n')

    sync(source, "testapp.Person", system="HR", options=SyncOptions(format="jsonl", **OPTIONS))  # type: ignore[arg-type]

    assert keys() == ["7-12"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_snapshot_takes_away_what_no_joined_key_names(sync_text: Sync, engine: str) -> None:
    """G2."""
    options = {**PARCELS, "engine": engine, "snapshot": True, "allow_deletes": True}
    sync_text("site,id,code,label\nA,1,P1,x\nA,2,P2,x\n", "testapp.Parcel", **options)

    report = sync_text("site,id,code,label\nA,2,P2,x\n", "testapp.Parcel", **options)

    assert report.exit_code == 0, report.error
    assert keys() == ["A-2"]
    assert Parcel.objects.get().code == "P2"


def test_a_snapshot_needs_every_part_of_every_key(sync_text: Sync) -> None:
    """G2."""
    report = sync_text("site,id,employee_id,first_name\nA,,E1,Homer\n", snapshot=True, **OPTIONS)

    assert report.errors == {"no-key": 1}


def test_rows_without_a_match_are_found_by_their_joined_key(sync_text: Sync) -> None:
    """I1, I5."""
    header = "site,id,employee_id,first_name\n"
    sync_text(f"{header}A,1,E1,Homer\n", **OPTIONS)

    sync_text(f"{header}A,1,E9,Homer\n", external_key_column=KEY, action_flags="u*")

    assert Person.objects.get().employee_id == "E9"


def test_a_part_is_a_field_too_if_an_option_says_so(sync_text: Sync) -> None:
    """C2."""
    sync_text("site,id,first_name\nA,1,Homer\n", **{**OPTIONS, "map": (("id", "employee_id"),)})

    assert (keys(), Person.objects.get().employee_id) == (["A-1"], "1")


def test_a_column_may_be_called_like_a_joined_key(sync_text: Sync) -> None:
    sync_text("{site}-{id},employee_id,first_name\nx,E1,Homer\n", **OPTIONS)

    assert keys() == ["x"]


def test_a_joined_key_that_is_too_long_fails_its_row(sync_text: Sync) -> None:
    """M1."""
    report = sync_text(f"site,id,employee_id,first_name\n{'A' * 200},{'1' * 60},E1,Homer\n", **OPTIONS)

    assert report.errors == {"too-long": 1}


@pytest.mark.parametrize(
    ("option", "mapped", "said"),
    [
        ("{site}-{idd}", (), "no column 'idd'; did you mean id?"),
        ("{site}-{id", (), "write each column in braces"),
        ("{site}-{}", (), "write each column in braces"),
        ("{site}-{id}", (("id", ""),), "contradict each other"),
        ("{site}\0{id}", (), "no key can have a NUL character in it"),
    ],
)
def test_a_joined_key_that_cannot_be_is_an_error_before_anything_is_read(
    sync_text: Sync, option: str, mapped: tuple[tuple[str, str], ...], said: str
) -> None:
    """C2."""
    with pytest.raises(ConfigError, match="--external-key-column") as caught:
        sync_text("site,id,first_name\nA,1,Homer\n", action_flags="c", external_key_column=option, map=mapped)

    assert said in str(caught.value)


def test_text_may_stand_before_and_after_the_columns() -> None:
    assert split_key("x{ a }:{b}y", ()) == (("a", "b"), ("x", ":", "y"))


@pytest.mark.parametrize("option", [" {site}-{id} ", "\u00a0{site}-{id}\t"])
@pytest.mark.parametrize("engine", ENGINES)
def test_blanks_around_a_joined_key_do_not_count(sync_text: Sync, engine: str, option: str) -> None:
    """I1."""
    options = {**PARCELS, "external_key_column": option}

    sync_text("site,id,code,label\nA,1,P1,x\n", "testapp.Parcel", engine=engine, **options)

    assert keys() == ["A-1"]


def test_blanks_around_the_name_of_a_key_column_do_not_count(sync_text: Sync) -> None:
    sync_text("id,employee_id,first_name\n1,E1,Homer\n", **{**OPTIONS, "external_key_column": " id "})

    assert keys() == ["1"]


@pytest.mark.parametrize("option", ["OP", "{OP}-{id}"])
def test_the_column_of_the_flags_is_no_part_of_a_key(sync_text: Sync, option: str) -> None:
    """C2."""
    options = {"match_on": "employee_id", "action_flags_column": "OP", "external_key_column": option}

    with pytest.raises(ConfigError, match="--external-key-column 'OP': the column holds the flags"):
        sync_text("OP,id,employee_id,first_name\nc,1,E1,Homer\n", **options)


def test_without_text_between_them_two_rows_may_have_one_key(sync_text: Sync) -> None:
    """I1: site 1, number 12 and site 11, number 2."""
    sync_text(
        "site,id,employee_id,first_name\n1,12,E1,Homer\n11,2,E2,Marge\n",
        **{**OPTIONS, "external_key_column": "{site}{id}"},
    )

    assert keys() == ["112"]
