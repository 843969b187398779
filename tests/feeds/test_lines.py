"""Where a key stands in a TOML file."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsync.feeds.lines import line_of, lines_of

TEXT = '''# feeds
[feeds]

[feeds.persons]  # [feeds.houses]
system = "HR"
columns.Vorname = """
system = "no"
[feeds.no]
"""
flag_map = {I = "c", "b.d" = "d"}
only_columns = [
  "a", # x = 1
  "b",
]
wait = 3

[feeds."a.b".columns]
"Straße = x" = "address"
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("feeds",), 2),
        (("feeds", "persons"), 4),
        (("feeds", "persons", "system"), 5),
        (("feeds", "persons", "columns", "Vorname"), 6),
        (("feeds", "persons", "flag_map", "b.d"), 10),
        (("feeds", "persons", "only_columns"), 11),
        (("feeds", "persons", "wait"), 15),
        (("feeds", "a.b", "columns"), 17),
        (("feeds", "a.b", "columns", "Straße = x"), 18),
        (("feeds", "persons", "absent"), 4),
        (("absent",), 0),
    ],
)
def test_each_key_has_its_line_and_one_that_is_absent_that_of_its_table(path: tuple[str, ...], line: int) -> None:
    assert line_of(lines_of(TEXT), *path) == line


def test_lines_of_a_file_from_windows_are_counted_alike() -> None:
    assert lines_of("a = 1\r\n[b]\r\nc = 2\r\n") == {("a",): 1, ("b",): 2, ("b", "c"): 3}


@pytest.mark.parametrize(
    "value",
    [
        '"a\u2028b\u2029c\x85"',
        '"""a\nb["""""',
        "'''a\n[b]''''",
        '"""\\"""[ # "\n"""',
        '[ # "[\n "]", \'[\',\n [1,\n 2]]',
        '{a = "}", b = [\n1]} # {',
        '"#" # "[',
    ],
)
def test_a_value_ends_where_toml_says_so(value: str) -> None:
    text = f"a = {value}\nb = 1\n"

    assert tomllib.loads(text)["b"] == 1
    assert lines_of(text)[("b",)] == text.count("\n")


@given(
    st.lists(
        st.sampled_from(
            ["", "# [x", "  ", "KEY = 1", "KEY = [\n1, # ]\n2]", 'KEY = """\n[a]\n"""', 'KEY."a b" = {c = [{d = 1}]}']
        )
    )
)
def test_each_line_of_any_file_is_found(pieces: list[str]) -> None:
    text, wanted = "[t]\r\n", {("t",): 1}
    for number, piece in enumerate(pieces):
        if "KEY" in piece:
            wanted[("t", f"k{number}")] = text.count("\n") + 1
        text += piece.replace("KEY", f"k{number}") + "\r\n"

    found = lines_of(text)

    assert {path: line for path, line in found.items() if len(path) <= 2} == wanted


def test_a_value_of_many_lines_is_read_once() -> None:
    """To try after each line whether the value is whole would take minutes."""
    text = "a = [\n" + "  1,\n" * 50_000 + "]\nb = 1\n"

    assert lines_of(text) == {("a",): 1, ("b",): 50_003}


def test_only_keys_that_a_feed_may_have_are_looked_for() -> None:
    """Others may be nested as deep as they like."""
    assert lines_of(".".join("a" * 3_000) + " = 1\nb = 2\n")[("b",)] == 2
