"""How many queries a batch costs: the same few, however many rows it has. Exact numbers, to be seen in review."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.test.utils import CaptureQueriesContext

from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.record.report import Report
from tests.many import listening, rows
from tests.services import LOCKS, TEST_DATABASE
from tests.telling import outcomes
from tests.testapp.models import Company, Node, Person, Stock

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

SIZES = (10, 500, 3_000)

# Which systems there are, the id of the run's system, the run's transaction and its end, its record at both ends.
_RUN = 6 + LOCKS
_KEYS = 2  # the mappings, and the objects that they point to
_MATCH = 1
_COMPANY = 1  # the one company that all rows refer to
_SAVEPOINT = 3 if TEST_DATABASE == "postgresql" else 2  # its release; PostgreSQL also checks deferred constraints
_LOCK = 0 if TEST_DATABASE == "sqlite" else 1  # rows are read again under a lock, where there is one (rule T8)
_INSERT = 3 if TEST_DATABASE == "sqlite" else 1  # SQLite must be asked for the next number: two queries
_UPDATE = _MAP = _UNMAP = 1
_READ = 1  # objects that are to be deleted, for Django's collector
_SYSTEM_NAME = 1  # of the system whose mappings go along
_PARENTS = 1  # asked for once, and not found: they are new too

_KEYED = {"external_key": "K{}", "action_flags": "cu*", "employee_id": "E{}", "first_name": "Bruce"}
_MATCHED = {"match_on": "employee_id", "action_flags": "cu*", "employee_id": "E{}", "first_name": "Bruce"}
_ALL = {**_KEYED, "match_on": "employee_id", "company=>name": "Wayne"}
_REFERS = {**_KEYED, "company=>name": "Wayne"}


def statements(size: int, columns: int = 1) -> int:
    """Say how many statements ask for so many rows: MariaDB takes 980 values in one, the others one long parameter."""
    return ceil(size / (980 // columns)) if TEST_DATABASE == "mariadb" else 1


def costs(sync_text: Sync, cells: dict[str, str], outcome: str, engine: str = "bulk") -> dict[int, int]:
    """Run files of several sizes, whose rows all end alike; give the number of queries of each."""
    found = {}
    for size in SIZES:
        report = sync_text(rows(cells, range(size)))
        assert (outcomes(report), report.engine) == ({outcome: size}, engine)
        found[size] = report.queries
    return found


@pytest.fixture
def people(db: None) -> None:
    """Have as many persons as the longest file has rows."""
    company = Company.objects.create(name="Wayne")
    people = [Person(first_name="Bruce", employee_id=f"E{number}", company=company) for number in range(max(SIZES))]
    owner = ExternalSystem.objects.create(name="HR")
    content_type = ContentType.objects.get_for_model(Person)
    Person.objects.bulk_create(people)
    ExternalKeyMapping.objects.bulk_create(
        ExternalKeyMapping(
            external_system=owner, content_type=content_type, external_key=f"K{number}", object_id=str(person.pk)
        )
        for number, person in enumerate(people)
    )


@pytest.mark.parametrize(
    ("cells", "lookups", "single"),
    [
        pytest.param(_KEYED, _KEYS, 0, id="keyed"),
        pytest.param(_MATCHED, _MATCH, 0, id="matched"),
        pytest.param(_REFERS, _KEYS, _COMPANY, id="keyed, with a reference"),
        pytest.param(_ALL, _KEYS + _MATCH, _COMPANY, id="keyed, matched, with a reference"),  # rule A4 wants the match
        pytest.param({**_KEYED, "action_flags": "cu"}, _KEYS, 0, id="keyed, unforced"),
        pytest.param({**_MATCHED, "action_flags": "u", "first_name": "X"}, _MATCH, 0, id="matched, unforced"),
        pytest.param({**_ALL, "action_flags": "cu"}, _KEYS, 0, id="unforced"),  # rule R4: the relation is not empty
    ],
)
def test_unchanged_rows_cost_the_same_however_many_they_are(
    sync_text: Sync, people: None, cells: dict[str, str], lookups: int, single: int
) -> None:
    """A7: also where a receiver waits for what is saved."""
    wanted = {size: _RUN + lookups * statements(size) + single for size in SIZES}

    assert costs(sync_text, cells, "unchanged") == wanted
    with listening(Person) as heard:
        assert costs(sync_text, cells, "unchanged", "batches") == wanted
    assert heard == []


@pytest.mark.database("sqlite", "mariadb")  # PostgreSQL may well scan tables of which it has no statistics yet
def test_lookups_go_through_an_index(sync_text: Sync, people: None) -> None:
    """A few rows of a file must not cost a walk through a table of millions."""
    with CaptureQueriesContext(connection) as queries:
        sync_text(rows({**_ALL, "first_name": "Alfred"}, range(10)))
    large = ("testapp_person", "nsync_externalkeymapping")
    asked = [query["sql"] for query in queries.captured_queries if query["sql"].startswith("SELECT")]
    asked = [sql for sql in asked if sql.replace('"', "`").partition(" FROM `")[2].startswith(large)]

    assert len(asked) == _KEYS + _MATCH + _LOCK
    assert [sql for sql in asked if is_scan(sql)] == []


def is_scan(sql: str) -> bool:
    """Whether the database would walk through a whole table, or a whole index."""
    with connection.cursor() as cursor:
        cursor.execute(f"{'EXPLAIN QUERY PLAN' if connection.vendor == 'sqlite' else 'EXPLAIN'} {sql}")
        if connection.vendor == "sqlite":
            return any(detail.startswith("SCAN") and "json_each" not in detail for *_, detail in cursor.fetchall())
        return any(plan[3] in ("ALL", "index") for plan in cursor.fetchall())


def test_a_file_of_several_batches_costs_as_much_as_each_of_them(sync_text: Sync, people: None) -> None:
    """A7."""
    report = sync_text(rows(_ALL, range(1_500)), batch_size=500)

    assert outcomes(report) == {"unchanged": 1_500}
    assert report.queries == _RUN + 3 * (_KEYS + _MATCH + _COMPANY)


def test_values_that_are_no_single_parameter_are_asked_for_many_at_once(sync_text: Sync) -> None:
    """A7: dates, which SQLite's JSON does not have."""
    cells = {"match_on": "birthday first_name", "action_flags": "cu*", "first_name": "P{}", "birthday": "1970-01-02"}
    sync_text(rows(cells, range(1_500)))

    report = sync_text(rows(cells, range(1_500)))

    assert outcomes(report) == {"unchanged": 1_500}
    assert report.queries <= _RUN + 4


@pytest.mark.parametrize(
    ("cells", "lookups", "single", "writes"),
    [
        pytest.param(_KEYED, 1, 0, _INSERT + _MAP, id="keyed"),  # no mapping, so no object to read
        pytest.param(_MATCHED, _MATCH, 0, _INSERT, id="matched"),
        pytest.param(_ALL, 1 + _MATCH, _COMPANY, _INSERT + _MAP, id="keyed, matched, with a reference"),
    ],
)
def test_new_rows_cost_the_same_however_many_they_are(
    sync_text: Sync, cells: dict[str, str], lookups: int, single: int, writes: int
) -> None:
    """A1."""
    Company.objects.create(name="Wayne")
    sync_text(rows({**cells, "action_flags": "u"}, range(1)))  # the system and the content type are known from then on
    found = {}
    for number, size in enumerate(SIZES, start=1):
        report = sync_text(rows(cells, range(number * 10_000, number * 10_000 + size)))
        assert outcomes(report) == {"created": size}
        found[size] = report.queries

    assert found == {size: _RUN + lookups * statements(size) + single + _SAVEPOINT + writes for size in SIZES}


@pytest.mark.parametrize(
    ("cells", "lookups", "single"),
    [
        pytest.param(_KEYED, _KEYS, 0, id="keyed"),
        pytest.param(_MATCHED, _MATCH, 0, id="matched"),
        pytest.param(_ALL, _KEYS + _MATCH, _COMPANY, id="keyed, matched, with a reference"),
    ],
)
def test_changed_rows_cost_the_same_however_many_they_are(
    sync_text: Sync, people: None, cells: dict[str, str], lookups: int, single: int
) -> None:
    """A7, T8."""
    found = {}
    for size in SIZES:
        report = sync_text(rows({**cells, "first_name": f"Name {size}"}, range(size)))
        assert outcomes(report) == {"updated": size}
        found[size] = report.queries

    wanted = {}
    for size in SIZES:
        updates = ceil(size / 1_000) if TEST_DATABASE == "mariadb" else _UPDATE
        wanted[size] = _RUN + (lookups + _LOCK) * statements(size) + single + _SAVEPOINT + updates
    assert found == wanted


_SHELVED = {"external_key": "K{}", "match_on": "shelf article", "shelf": "S", "article": "A{}"}


@pytest.mark.parametrize(
    ("flags", "matches", "mappings"),
    [
        pytest.param("d", _MATCH, 2, id="unforced"),  # who else maps the object, and what goes along with it
        pytest.param("d*", 0, 1, id="forced"),
    ],
)
def test_deleted_rows_cost_little_more_if_they_are_many(
    sync_text: Sync, flags: str, matches: int, mappings: int
) -> None:
    """A5, A6: nothing refers to the objects. Django deletes a hundred in one statement."""
    found, wanted = {}, {}
    for size in SIZES:
        sync_text(rows({**_SHELVED, "action_flags": "c"}, range(size)), Stock)
        report = sync_text(rows({**_SHELVED, "action_flags": flags}, range(size)), Stock, engine="bulk")
        assert (outcomes(report), report.engine) == ({"deleted": size}, "bulk")
        found[size] = report.queries
        per_statement = _KEYS + _LOCK + _UNMAP + _READ
        wanted[size] = _RUN + per_statement * statements(size) + matches * statements(size, columns=2)
        wanted[size] += mappings * ceil(size / 1_000) + _SYSTEM_NAME + _SAVEPOINT + ceil(size / 100)

    assert found == wanted


@pytest.mark.parametrize("flags", ["d", "d*"])
def test_deleted_rows_cost_the_same_by_columns_however_many_they_are(sync_text: Sync, flags: str) -> None:
    """A5, A6: but for databases that look up a thousand values in one statement."""
    found = {}
    for size in SIZES:
        sync_text(rows({**_SHELVED, "action_flags": "c"}, range(size)), Stock)
        report = sync_text(rows({**_SHELVED, "action_flags": flags}, range(size)), Stock, engine="columns")
        assert outcomes(report) == {"deleted": size}
        found[size] = report.queries

    looked_up = 6  # keys, match or objects, their mappings, the lock; then mappings and objects go
    assert found[10] <= 17 + LOCKS
    assert all(found[size] <= found[10] + looked_up * (statements(size, columns=2) - 1) for size in SIZES)


def test_nodes_that_refer_to_each_other_cost_one_insert_for_each_generation(sync_text: Sync) -> None:
    """T1, R1: each row refers to an earlier one of the same file; the roots have none."""
    sync_text("match_on,action_flags,code\ncode,u,x\n", Node)  # the system is known from then on
    generations, trees = 7, 100
    lines = ["match_on,action_flags,code,name,parent=>code"]
    for age in range(generations):
        lines += [f"code,cu*,{age}/{tree},n,{f'{age - 1}/{tree}' if age else ''}" for tree in range(trees)]

    report = sync_text("\n".join(lines) + "\n", Node)

    assert outcomes(report) == {"created": generations * trees}
    assert report.queries == _RUN + _MATCH + _PARENTS + _SAVEPOINT + generations * _INSERT
    assert Node.objects.filter(parent__parent__parent__parent__parent__parent__code="0/99").count() == 1
