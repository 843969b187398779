"""A proposed feed as text, and how it is added to nsync.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from nsync.errors import ConfigError
from nsync.feeds.reading import FeedFile
from nsync.feeds.writing import add_feed, feed_text, pattern_for
from nsync.profiling.proposal import Proposal, Said

NEW = '[feeds.new]\nsystem = "HR"\nmodel = "app.Model"\n'


def proposal(*lines: Said, columns: tuple[Said, ...] = ()) -> Proposal:
    return Proposal("HR", "app.Model", "x.csv", "all 2 rows", list(lines), list(columns))


def test_every_text_comes_back_as_it_was() -> None:
    odd = ('"', "\\N", "\t", "a\nb", "Straße = ]", "\x7f\x01", "", "# decide:")
    columns = tuple(Said(text, text, f"why {text}") for text in odd if text)

    text = feed_text(proposal(Said("header", list(odd)), Said("decimal_comma", True), columns=columns), "a.b c", "")

    feed = tomllib.loads(text)["feeds"]["a.b c"]
    assert feed["columns"] == {one: one for one in odd if one}
    assert feed["header"] == list(odd)
    assert feed["decimal_comma"] is True


def test_what_is_left_to_decide_does_not_count_and_is_found_again(tmp_path: Path) -> None:
    path = tmp_path / "nsync.toml"
    first = proposal(Said("date_order", "dmy", "or mdy", False), columns=(Said("A b", "", "what is it?", False),))
    add_feed(path, "one", feed_text(first, "one", ""))
    add_feed(path, "two", feed_text(proposal(Said("match_on", "x", "?", False)), "two", "two*.csv"))

    file = FeedFile(path)

    assert [feed.options.date_order for feed in file.feeds.values()] == ["", ""]
    assert [(one.line, one.key) for one in file.undecided("one")] == [(5, "date_order"), (8, '"A b"')]
    assert [one.key for one in file.undecided("two")] == ["files", "match_on"]


def test_a_file_of_feeds_without_anything_to_decide_has_nothing(tmp_path: Path) -> None:
    path = tmp_path / "nsync.toml"
    add_feed(path, "new", NEW)

    assert FeedFile(path).undecided("new") == []


@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"\xef\xbb\xbf",
        b"# only a comment",
        b'[feeds.old]\r\nsystem = "X" # kept\r\nmodel = "a.B"\r\n',
        b'[feeds]\nold.system = "X"\nold.model = "a.B"\n',
        b"other = 1\n\n\n",
    ],
)
def test_a_feed_is_added_and_every_byte_before_it_stays(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "nsync.toml"
    path.write_bytes(before)

    add_feed(path, "new", NEW)

    after = path.read_bytes()
    assert after.startswith(before)
    old = tomllib.loads(before.decode("utf-8-sig")).get("feeds", {})
    assert tomllib.loads(after.decode("utf-8-sig"))["feeds"] == {**old, "new": {"system": "HR", "model": "app.Model"}}
    assert b"\r\n" not in before or b"\n" not in after.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    ("before", "said"),
    [
        (b'feeds = {old = {system = "X", model = "a.B"}}\n', "cannot|none can be added"),
        (b"[feeds.new]\n", "there is a feed 'new' already"),
        (b"[feeds\n", "is no TOML"),
        (b"\xff\xfe", "cannot be written"),
        (b"feeds = 1\n", "none can be added"),
    ],
)
def test_a_file_to_which_none_can_be_added_stays_as_it_is(tmp_path: Path, before: bytes, said: str) -> None:
    path = tmp_path / "nsync.toml"
    path.write_bytes(before)

    with pytest.raises(ConfigError, match=said):
        add_feed(path, "new", NEW)

    assert path.read_bytes() == before


def test_a_pattern_fits_files_of_other_days_too(tmp_path: Path) -> None:
    (tmp_path / "in[1]").mkdir()
    for name in ("persons-2024-01-31.csv", "persons_1.v2.csv", "persons.csv", "in[1]/x.csv"):
        (tmp_path / name).touch()

    def pattern(name: str, folder: Path = tmp_path) -> str:
        return pattern_for(str(tmp_path / name), folder)

    assert pattern("persons-2024-01-31.csv") == "persons-*.csv"
    assert pattern("persons.csv") == "persons.csv"
    assert pattern("in[1]/x.csv") == "in[[]1]/x.csv"
    assert pattern("persons.csv", tmp_path / "in[1]") == f"{tmp_path}/persons.csv"
    assert pattern_for("-", tmp_path) == ""
