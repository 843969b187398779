"""Where a key stands in a TOML file."""

from __future__ import annotations

import pytest

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
