"""--delimiter: its spellings, and what sniffing finds."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from nsync.conductor import sync
from nsync.errors import ConfigError, SourceError
from nsync.options import SyncOptions
from nsync.policies import OrderedSyncPolicy
from nsync.read.base import open_source

from .conftest import OpenBytes


@pytest.mark.parametrize(
    ("option", "character"),
    [(",", ","), (";", ";"), ("\t", "\t"), ("\\t", "\t"), ("tab", "\t"), ("TAB", "\t"), ("§", "§")],
)
def test_a_delimiter_is_one_character_or_tab(open_bytes: OpenBytes, option: str, character: str) -> None:
    source = open_bytes(f"a{character}b\n1{character}2\n", delimiter=option)

    assert source.header == ("a", "b")
    assert [row.values for row in source] == [("1", "2")]
    assert source.dialect.delimiter == character


@pytest.mark.parametrize("option", ["", ";;", '"', "\n", "\r", "semicolon"])
def test_any_other_delimiter_is_a_config_error(open_bytes: OpenBytes, option: str) -> None:
    with pytest.raises(ConfigError, match=r"--delimiter .* must be one character"):
        open_bytes("a,b\n1,2\n", delimiter=option)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("character", "shown"), [(",", "','"), (";", "';'"), ("\t", "tab"), ("|", "'|'"), (":", "':'")]
)
def test_auto_finds_the_delimiter_and_says_so(open_bytes: OpenBytes, character: str, shown: str, end: str) -> None:
    lines = [["name", "city"], ["Bruce", "Gotham"], ["Homer", "Springfield"]]
    source = open_bytes(end.join(character.join(line) for line in lines), delimiter="auto")

    assert source.dialect.delimiter == character
    assert source.notes == (f"delimiter: {shown} (found by sniffing)",)
    assert [row.values for row in source] == [("Bruce", "Gotham"), ("Homer", "Springfield")]


@pytest.mark.parametrize(
    "content",
    [
        "name;price\nbread;1,50\nmilk;2,75\n",
        "name;at\nBruce;12:30\nHomer;13:45\n",
        "name;note\nO'Brien;it's, well, 'fine'\nD'Arcy;'tis, too\n",
        'name;note\nBruce;"a, b, c\nd, ""e"" | f"\nHomer;"x, y"\n',
        "\ufeff" + "".join(f'{number};"{number}, {number}"\n' for number in range(20_000)),
        "name;city",
        "name;city;age\nBruce\nHomer;Springfield\n",
    ],
    ids=["decimal commas", "times", "apostrophes", "quoted cells", "long", "header only", "short lines"],
)
def test_auto_is_not_misled(open_bytes: OpenBytes, content: str) -> None:
    assert open_bytes(content, delimiter="auto").dialect.delimiter == ";"


def test_auto_takes_no_time_over_one_long_quoted_cell(open_bytes: OpenBytes) -> None:
    source = open_bytes('a;b\n1;"' + 'it\'s, ""so"" ' * 20_000 + '"\n2;3\n', delimiter="auto")

    assert source.dialect.delimiter == ";"


@pytest.mark.parametrize("content", ["name\nBruce\nHomer\n", "at\n12:30\n13:45\n"])
def test_auto_asks_when_it_cannot_tell(open_bytes: OpenBytes, content: str) -> None:
    with pytest.raises(SourceError, match=r"cannot tell which character parts its cells; .*--delimiter ';'"):
        open_bytes(content, delimiter="auto")


def test_auto_shows_the_candidates_if_several_part_all_lines_alike(open_bytes: OpenBytes) -> None:
    with pytest.raises(SourceError) as caught:
        open_bytes("name;born,died\nHomer;1955,\nBruce;1939,\n", delimiter="auto")

    assert "cells: ',' parts the first line in 2, ';' parts the first line in 2; say which" in str(caught.value)


def test_a_header_that_seems_to_use_another_delimiter_is_noted(open_bytes: OpenBytes) -> None:
    source = open_bytes("name;city\nBruce;Gotham\n")

    assert source.header == ("name;city",)
    assert source.notes == ("the header is a single cell that looks parted by ';': say --delimiter ';'",)


@pytest.mark.django_db
def test_c6_a_header_of_no_known_column_is_told_with_the_delimiter_that_would_work() -> None:
    with pytest.raises(ConfigError) as caught:
        sync(io.BytesIO(b"name;city\nBruce;Gotham\n"), "testapp.Person", system="HR")

    assert str(caught.value).count("name;city") == 1
    assert str(caught.value).endswith("(the header is a single cell that looks parted by ';': say --delimiter ';')")


@pytest.mark.django_db
def test_the_progress_of_a_stream_has_no_total_until_its_end_was_reached() -> None:
    told: list[tuple[int, int, int]] = []
    content = b"first_name,last_name\n" + b"Bruce,Wayne\n" * 25_000
    options = SyncOptions(action_flags="", batch_size=1000, dry_run=True)

    sync(io.BytesIO(content), "testapp.Person", system="HR", options=options, progress=lambda *now: told.append(now))

    assert {total for _, _, total in told} == {0}
    told.clear()
    sync(
        io.BytesIO(content),
        "testapp.Person",
        system="HR",
        options=options,
        policy=OrderedSyncPolicy,
        progress=lambda *now: told.append(now),
    )
    assert {total for _, _, total in told} == {0, 3 * len(content)}
    assert told[-1][1:] == (3 * len(content), 3 * len(content))


def test_an_ordinary_file_has_no_notes(open_bytes: OpenBytes) -> None:
    assert open_bytes("name,city\n1,2\n").notes == ()


@pytest.mark.parametrize(
    ("name", "delimiter", "character"),
    [
        ("a.csv", None, ","),
        ("a.tsv", None, "\t"),
        ("a.tab", None, "\t"),
        ("a.tsv", ",", ","),
        ("a.tsv", ";", ";"),
        ("a.csv", "tab", "\t"),
    ],
)
def test_a_delimiter_that_is_given_counts_whatever_the_file_is_called(
    tmp_path: Path, name: str, delimiter: str | None, character: str
) -> None:
    (tmp_path / name).write_text(f"a{character}b\n1{character}2\n")

    assert open_source(tmp_path / name, SyncOptions(delimiter=delimiter)).header == ("a", "b")
