"""Queries of databases as sources."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from nsync import ConfigError, SourceError, SyncOptions, sync
from nsync.changes import OutcomeKind
from nsync.models import Run as RunRecord
from nsync.opening import Input, open_input
from nsync.policies import OrderedSyncPolicy
from nsync.read.base import Source
from nsync.rows import Row
from nsync.signals import batch_applied
from tests.read.typed import typed_rows
from tests.services import TEST_DATABASE
from tests.testapp.models import Company, Person

pytestmark = pytest.mark.django_db(transaction=True, databases=["default", "other"])
ZONE = datetime.UTC


@pytest.fixture
def asked() -> Iterator[Callable[..., Source]]:
    """Give a function that opens a query of the database that is written, or of another one."""
    opened: list[Source] = []

    def ask(query: str, alias: str = "default", **options: Any) -> Source:
        opened.append(open_input(Input(f"sql+{alias}:{query}", "testapp.Person", "HR"), SyncOptions(**options)))
        return opened[-1]

    yield ask
    for source in opened:
        source.close()


@pytest.fixture
def staff() -> Iterator[str]:
    """Make a table of another system in another database."""
    with connections["other"].cursor() as cursor:
        cursor.execute("CREATE TABLE staff (id integer, name varchar(50), salary decimal(10, 2), left_on date)")
        cursor.executemany(
            "INSERT INTO staff VALUES (%s, %s, %s, %s)",
            [(number, f"Name {number}", "1234.5", "2024-01-31") for number in range(2_500)],
        )
    yield "SELECT 'S' || id AS external_key, 'cu*' AS action_flags, name AS first_name, salary FROM staff ORDER BY id"
    with connections["other"].cursor() as cursor:
        cursor.execute("DROP TABLE staff")


def rows(source: Source) -> list[tuple[int, tuple[object, ...]]]:
    return typed_rows(source)


def test_another_database_is_synced_as_a_file_is(staff: str) -> None:
    report = sync(f"sql+other:{staff}", Person, system="ERP")
    again = sync(f"sql+other:{staff};\n", Person, system="ERP")

    assert (report.rows, Person.objects.count()) == (2_500, 2_500)
    assert Person.objects.get(first_name="Name 2499").salary == Decimal("1234.50")
    assert {kind.value: count for kind, count in again.counts.items() if count} == {"unchanged": 2_500}
    assert report.sources[0].name == "sql+other:" + staff[:99] + "…"


def test_the_database_that_is_written_can_be_read() -> None:
    Company.objects.create(name="Wayne")
    Company.objects.create(name="Kent")
    query = "SELECT name AS external_key, name AS first_name FROM testapp_company"
    report = sync(f"sql+default:{query}", Person, system="HR", options=SyncOptions(action_flags="cu"))

    assert report.committed
    assert set(Person.objects.values_list("first_name", flat=True)) == {"Wayne", "Kent"}


def test_an_ordered_run_reads_the_same_records_in_every_pass(staff: str) -> None:
    """T2: three times, while somebody else writes."""

    def disturb(**given: Any) -> None:
        with connections["other"].cursor() as cursor:
            cursor.execute("DELETE FROM staff WHERE id < 1250")
            cursor.execute("UPDATE staff SET name = 'changed'")

    batch_applied.connect(disturb)
    try:
        report = sync(
            f"sql+other:{staff}",
            Person,
            system="ERP",
            policy=OrderedSyncPolicy,
            options=SyncOptions(batch_size=1_000, as_transaction=False),
        )
    finally:
        batch_applied.disconnect(disturb)

    assert report.rows == report.counts[OutcomeKind.CREATED] == 2_500
    assert Person.objects.filter(first_name__startswith="Name").count() == 2_500


def test_records_have_numbers_and_the_names_that_the_query_gives_them(asked: Callable[..., Source]) -> None:
    source = asked("SELECT 1 AS a, 'x' AS b UNION ALL SELECT NULL, NULL UNION ALL SELECT 3, ' y '")

    assert source.header == ("a", "b")
    assert rows(source) == rows(source) == [(1, (1, "x")), (3, (3, " y "))]
    assert 0 < source.size == source.position
    assert source.digest() == ""


def test_the_header_option_names_the_columns(asked: Callable[..., Source]) -> None:
    """C2."""
    assert next(iter(asked("SELECT 1, 2", header=("a", "b")))) == Row(1, ("a", "b"), ("1", "2"))


def test_a_query_without_records_is_a_source_without_rows(asked: Callable[..., Source]) -> None:
    source = asked("SELECT name, id FROM testapp_company WHERE 1 = 0")

    assert (source.header, rows(source)) == (("name", "id"), [])


def test_values_have_the_types_of_their_columns(asked: Callable[..., Source]) -> None:
    moment = datetime.datetime(2024, 1, 31, 10, 30, tzinfo=ZONE)
    Person.objects.create(
        first_name="Zoë", age=41, salary=Decimal("1234.50"), active=True, birthday=datetime.date(1984, 2, 29)
    )
    run = RunRecord.objects.create(started=moment, options={"a": [1, "é"]})
    (person,) = rows(asked("SELECT first_name, age, salary, active, birthday FROM testapp_person"))
    ((_, (started, options)),) = rows(asked(f"SELECT started, options FROM nsync_run WHERE id = {run.pk}"))

    assert person[1] == ("Zoë", 41, Decimal("1234.50"), True, datetime.date(1984, 2, 29))
    assert started == RunRecord.objects.get().started
    assert timezone.is_aware(started)
    assert options == '{"a": [1, "é"]}' or options == r'{"a": [1, "\u00e9"]}'


@pytest.mark.database("postgresql")
def test_types_of_postgresql_alone_are_text(asked: Callable[..., Source]) -> None:
    query = """
        SELECT '00000000-0000-0000-0000-000000000001'::uuid, ARRAY[1, 2], '{"a": 1}'::json, interval '1 day 2 hours',
               '10.0.0.1'::inet, 'x'::bytea, 12345::float8, 0.5::float8, timestamp '2024-01-31 10:00'
    """
    ((_, values),) = rows(asked(query, header=tuple("abcdefghi")))

    assert [*map(str, values)] == [
        "00000000-0000-0000-0000-000000000001",
        "[1, 2]",
        '{"a": 1}',
        "1 02:00:00",
        "10.0.0.1",
        "x",
        "12345",
        "0.5",
        "2024-01-31 10:00:00",
    ]


def test_a_whole_number_is_no_fraction(asked: Callable[..., Source]) -> None:
    """A key must not become 12345.0."""
    ((_, values),) = rows(asked("SELECT 12345e0 AS a, 0.5e0 AS b"))

    assert [*map(str, values)] == ["12345", "0.5"]


def test_bytes_that_are_no_text_name_their_column(asked: Callable[..., Source]) -> None:
    binary = {"postgresql": r"'\xff'::bytea", "mariadb": "x'ff'"}.get(TEST_DATABASE, "x'ff'")

    with pytest.raises(SourceError, match="column b holds bytes that are no text"):
        asked(f"SELECT 1e0 AS a, {binary} AS b")


@pytest.mark.parametrize(
    "query",
    [
        "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
        "(SELECT 1 AS x)",
        "-- a comment; with a semicolon\nSELECT 1 AS x",
        "/* DELETE; */ SELECT ';' AS x",
        "select 'it''s; ' AS x ;  ",
        "SELECT '50%' AS x WHERE 'a' LIKE '%a' OR 1 = 1",
    ],
)
def test_one_statement_that_reads_is_a_query(asked: Callable[..., Source], query: str) -> None:
    if query.startswith("(") and TEST_DATABASE == "sqlite":
        pytest.skip("SQLite has no statements in brackets")
    assert len(rows(asked(query))) == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("DELETE FROM testapp_company", "does not begin with SELECT or WITH"),
        ("/* SELECT */ DELETE FROM testapp_company", "does not begin with SELECT or WITH"),
        ("", "does not begin with SELECT or WITH"),
        ("SELECT 1; DELETE FROM testapp_company", "more than one statement"),
        ("SELECT 'a' ';'; DELETE FROM testapp_company", "more than one statement"),
    ],
)
def test_what_is_no_query_is_refused(asked: Callable[..., Source], query: str, said: str) -> None:
    Company.objects.create(name="Wayne")
    with pytest.raises(ConfigError, match=said):
        asked(query)
    assert Company.objects.count() == 1


def test_a_query_cannot_write(asked: Callable[..., Source]) -> None:
    Company.objects.create(name="Wayne")
    query = {
        "sqlite": "WITH a AS (SELECT 1) DELETE FROM testapp_company",
        "postgresql": "WITH a AS (SELECT 1) SELECT setval('testapp_company_id_seq', 1000)",
        "mariadb": "SELECT id FROM testapp_company FOR UPDATE",
    }[TEST_DATABASE]

    with pytest.raises(SourceError, match=r"(?i)read.?only"):
        asked(query)
    assert Company.objects.count() == 1


def test_the_connection_that_writes_is_another_one(asked: Callable[..., Source]) -> None:
    asked("SELECT 1 AS a")
    Company.objects.create(name="Wayne")

    assert connections["default"].get_autocommit()
    assert Company.objects.count() == 1


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT x FROM no_such_table", "no_such_table"),
        ("SELECT FROM WHERE", "says: .*WHERE|says: .*syntax"),
    ],
)
def test_what_the_database_does_not_take_is_told_in_its_words(
    asked: Callable[..., Source], query: str, said: str
) -> None:
    with pytest.raises(SourceError, match=rf"^sql\+default:{query}: the database says: .*") as caught:
        asked(query)
    assert re.search(said, str(caught.value))


def test_an_unknown_database_is_an_error_that_lists_the_known_ones(asked: Callable[..., Source]) -> None:
    with pytest.raises(ConfigError, match="there is no database 'erp'; there are default, other"):
        asked("SELECT 1", alias="erp")


def test_a_database_that_does_not_answer_is_an_error(
    asked: Callable[..., Source], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    connections["default"].ensure_connection()
    monkeypatch.setitem(connections["default"].settings_dict, "PORT", "1")
    if TEST_DATABASE == "sqlite":
        monkeypatch.setitem(connections["default"].settings_dict, "NAME", str(tmp_path / "none" / "db.sqlite3"))

    with pytest.raises(SourceError, match=r"^sql\+default:SELECT 1: the database says: "):
        asked("SELECT 1")


@pytest.mark.parametrize("options", [{"format": "csv"}, {"member": "*.csv"}])
def test_what_is_for_files_makes_no_sense(asked: Callable[..., Source], options: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"--(format|member) \S+ is for files; leave it out"):
        asked("SELECT 1", **options)


def test_a_run_that_reads_a_query_cannot_go_on(staff: str) -> None:
    """T11: who knows what the query gives now."""
    options = {"as_transaction": False, "batch_size": 1_000}
    report = sync(f"sql+other:{staff}", Person, system="ERP", options=SyncOptions(**options))

    assert RunRecord.objects.get().sources[0]["sha256"] == ""
    with pytest.raises(ConfigError, match="a query may give something else now, and cannot be resumed"):
        sync(f"sql+other:{staff}", Person, system="ERP", options=SyncOptions(**options, resume=report.run))


@pytest.mark.database("postgresql")
def test_the_server_holds_the_records_until_they_are_fetched(asked: Callable[..., Source]) -> None:
    source = asked("SELECT name FROM pg_cursors")

    assert len(rows(source)) == 1


def test_many_records_are_read_in_batches(asked: Callable[..., Source]) -> None:
    query = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 4001) SELECT x AS a FROM n"
    if TEST_DATABASE == "mariadb":
        query = "SELECT seq AS a FROM seq_1_to_4001"

    assert [number for number, _ in rows(asked(query))] == [*range(1, 4_002)]
