"""Whatever a file holds, lint and proposals tell of it, or say in our words why they cannot."""

from __future__ import annotations

import io
import tomllib

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync import Input, NsyncError, SourceError, SyncOptions
from nsync.feeds.checking import problems_of
from nsync.feeds.reading import FeedFile
from nsync.feeds.writing import feed_text
from nsync.profiling.lint import lint
from nsync.profiling.proposing import propose

pytestmark = pytest.mark.django_db

NAMES = st.sampled_from(
    ["employee_id", "First Name", "birthday", "salary", "company", "tags", "id", "pk", "", "x", "a=>b", "active", "#"]
)
CELLS = st.one_of(
    st.sampled_from(["1", "01/02/2024", "31/01/2024", "1,5", "1.5", "NULL", "\\N", "", " ", "true", "Homer", "\x00"]),
    st.text(max_size=5),
)
TABLES = st.tuples(st.lists(NAMES, min_size=1, max_size=6), st.lists(st.lists(CELLS, max_size=7), max_size=6))
ANY = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def csv_of(header: list[str], rows: list[list[str]]) -> bytes:
    def line(cells: list[str]) -> str:
        return ",".join('"{}"'.format(cell.replace('"', '""')) for cell in cells) + "\n"

    return "".join(map(line, [header, *rows])).encode("utf-8", "replace")


def source(content: bytes) -> Input:
    return Input(io.BytesIO(content), "testapp.Person", "HR")


@ANY
@given(table=TABLES)
def test_any_table_is_told(table: tuple[list[str], list[list[str]]], db: None) -> None:
    try:
        found = lint(source(csv_of(*table)), SyncOptions(match_on=None))
    except NsyncError:
        return
    assert found.failing <= found.rows
    assert all(column.filled <= found.rows for column in found.columns)


@ANY
@given(table=TABLES)
def test_what_is_proposed_for_any_table_is_a_feed_without_mistakes(
    table: tuple[list[str], list[list[str]]], db: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        proposal = propose(source(csv_of(*table)), SyncOptions(encoding="auto"))
    except NsyncError:
        return
    text = feed_text(proposal, "x", "")
    path = tmp_path_factory.mktemp("feeds") / "nsync.toml"
    path.write_text(text, encoding="utf-8")

    assert tomllib.loads(text)["feeds"]["x"]["action_flags"] == "cu*"
    assert [problem.message for problem in problems_of(FeedFile(path))] == []


@ANY
@given(content=st.binary(max_size=300))
def test_any_bytes_are_told_or_refused(content: bytes, db: None) -> None:
    for look in (lint, propose):
        try:
            look(source(content), SyncOptions())
        except NsyncError:
            continue


def test_a_table_of_absurdly_many_columns_is_refused(db: None) -> None:
    content = (",".join(f"c{number}" for number in range(10_001)) + "\n").encode()

    for look in (lint, propose):
        with pytest.raises(SourceError, match="10,001 columns"):
            look(source(content), SyncOptions())
