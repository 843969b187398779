"""A database of django-nsync 0.4 becomes one of today, and loses nothing (rule M2)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.core.management import call_command
from django.db import IntegrityError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from nsync.errors import ConfigError
from nsync.models import ExternalKeyMapping, ExternalSystem
from tests import schema_0_4
from tests.testapp.models import House, Person

TABLES = ("nsync_externalkeymapping", "nsync_externalsystem")


def migrate(name: str | None) -> None:
    executor = MigrationExecutor(connection)
    executor.migrate([("nsync", name)])


def migrate_to_latest() -> None:
    call_command("migrate", verbosity=0)


def forget_tables() -> None:
    """Drop the tables of nsync, whatever state a test left them in."""
    with connection.constraint_checks_disabled(), connection.cursor() as cursor:
        names = [name for name in connection.introspection.table_names(cursor) if name.startswith("nsync_")]
        for name in names:
            cascade = " CASCADE" if connection.vendor == "postgresql" else ""
            cursor.execute(f"DROP TABLE {connection.ops.quote_name(name)}{cascade}")
    MigrationRecorder(connection).migration_qs.filter(app="nsync").delete()


def create_tables_of_0_4(django_version: str) -> None:
    with connection.cursor() as cursor:
        for statement in schema_0_4.statements(connection.vendor, django_version):
            cursor.execute(statement)
    MigrationRecorder(connection).record_applied("nsync", "0001_initial")


def describe() -> dict[str, Any]:
    """Everything about the two tables that a database can tell."""
    description = {}
    with connection.cursor() as cursor:
        for table in TABLES:
            constraints = connection.introspection.get_constraints(cursor, table)
            description[table] = {
                "columns": sorted(map(str, connection.introspection.get_table_description(cursor, table))),
                "constraints": {
                    name: {key: value for key, value in constraint.items() if key != "definition"}
                    for name, constraint in constraints.items()
                },
            }
    return description


def indexed_columns() -> list[tuple[tuple[str, ...], bool]]:
    """The indexes of the mappings: their columns, and whether they are unique."""
    constraints = describe()["nsync_externalkeymapping"]["constraints"].values()
    return sorted(
        (tuple(constraint["columns"]), constraint["unique"])
        for constraint in constraints
        if (constraint["index"] or constraint["unique"]) and not constraint["primary_key"]
    )


@pytest.fixture
def no_tables(transactional_db: None) -> Iterator[None]:
    """Start without tables of nsync; leave those of today. No transaction: MariaDB knows none around its DDL."""
    forget_tables()
    yield
    forget_tables()
    migrate_to_latest()


on_every_django_of_0_4 = pytest.mark.parametrize("database_of_0_4", schema_0_4.DJANGO_VERSIONS, indirect=True)


@pytest.fixture
def database_of_0_4(request: pytest.FixtureRequest, no_tables: None) -> Callable[..., int]:
    """Start with the tables of 0.4; gives a function that stores a system's mapping in them."""
    create_tables_of_0_4(getattr(request, "param", "4.2"))
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO nsync_externalsystem (name, description) VALUES ('HR', 'The staff office')")
        cursor.execute("SELECT id FROM nsync_externalsystem")
        system_id = cursor.fetchone()[0]

    def store(model: type, key: str, object_id: int) -> int:
        content_type = ContentType.objects.get_for_model(model)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO nsync_externalkeymapping"
                " (external_system_id, content_type_id, external_key, object_id) VALUES (%s, %s, %s, %s)",
                [system_id, content_type.pk, key, object_id],
            )
            cursor.execute("SELECT max(id) FROM nsync_externalkeymapping")
            return cursor.fetchone()[0]

    return store


def stored() -> dict[int, tuple[str, str, str]]:
    """The mappings: {id: (model, key, object id)}."""
    rows = ExternalKeyMapping.objects.values_list("pk", "content_type__model", "external_key", "object_id")
    return {pk: (model, key, object_id) for pk, model, key, object_id in rows}


def test_0001_makes_the_tables_of_0_4(no_tables: None) -> None:
    create_tables_of_0_4("4.2")
    made_by_0_4 = describe()
    forget_tables()

    migrate("0001_initial")

    assert describe() == made_by_0_4


@on_every_django_of_0_4
def test_an_upgrade_keeps_the_data_and_strips_the_keys(database_of_0_4: Callable[..., int]) -> None:
    plain = database_of_0_4(Person, "A1", 1)
    padded = database_of_0_4(Person, " A 2\t", 2_000_000_000)

    migrate_to_latest()

    system = ExternalSystem.objects.get()
    assert (system.name, system.description) == ("HR", "The staff office")
    assert stored() == {plain: ("person", "A1", "1"), padded: ("person", "A 2", "2000000000")}


def test_an_upgraded_database_has_the_tables_of_a_new_one(database_of_0_4: Callable[..., int]) -> None:
    database_of_0_4(Person, "A1", 1)
    migrate_to_latest()
    upgraded = describe()
    forget_tables()

    migrate_to_latest()

    assert upgraded == describe()


@on_every_django_of_0_4
def test_after_an_upgrade_new_rows_get_new_ids(database_of_0_4: Callable[..., int]) -> None:
    old = database_of_0_4(Person, "A1", 1)

    migrate_to_latest()

    person = ContentType.objects.get_for_model(Person)
    system = ExternalSystem.objects.create(name="a name of more than the thirty characters that 0.4 allowed")
    mapping = ExternalKeyMapping.objects.create(
        external_system=system, content_type=person, external_key="k" * 255, object_id="o" * 255
    )
    assert mapping.pk > old


@on_every_django_of_0_4
def test_an_upgrade_leaves_one_constraint_and_one_index_beside_the_primary_key(
    database_of_0_4: Callable[..., int],
) -> None:
    """M1: no index that these two make redundant."""
    migrate_to_latest()

    assert indexed_columns() == [
        (("content_type_id", "object_id"), False),
        (("external_system_id", "content_type_id", "external_key"), True),
    ]


def test_one_key_may_mean_a_person_and_a_house_after_the_upgrade(database_of_0_4: Callable[..., int]) -> None:
    """I1: keys are scoped per model; under 0.4 they could not both have been ``1``."""
    person = database_of_0_4(Person, "1", 5)
    house = database_of_0_4(House, " 1", 6)

    migrate_to_latest()

    assert stored() == {person: ("person", "1", "5"), house: ("house", "1", "6")}


def test_keys_that_stripping_would_make_one_stop_the_upgrade_and_name_the_cure(
    database_of_0_4: Callable[..., int],
) -> None:
    kept = database_of_0_4(Person, "B7", 1)
    doubtful = database_of_0_4(Person, " B7", 2)
    blameless = database_of_0_4(Person, " C8 ", 3)

    with pytest.raises(ConfigError) as error:
        migrate_to_latest()

    assert f"id {kept}: system 'HR'" in str(error.value)
    assert f"id {doubtful}: system 'HR'" in str(error.value)
    assert f"id {blameless}:" not in str(error.value)
    assert stored()[blameless] == ("person", " C8 ", "3")

    ExternalKeyMapping.objects.filter(pk__in=[doubtful]).delete()  # as the message says
    migrate_to_latest()
    assert stored() == {kept: ("person", "B7", "1"), blameless: ("person", "C8", "3")}


def test_a_key_of_blanks_stops_the_upgrade(database_of_0_4: Callable[..., int]) -> None:
    """I1: a blank key is no key, and a mapping without one would be lost."""
    blank = database_of_0_4(Person, "  ", 1)

    with pytest.raises(ConfigError, match="would have a blank key"):
        migrate_to_latest()

    assert stored() == {blank: ("person", "  ", "1")}


def test_many_padded_keys_are_stripped(database_of_0_4: Callable[..., int]) -> None:
    for number in range(1_001):  # more than one statement takes
        database_of_0_4(Person, f" {number}", number)

    migrate_to_latest()

    assert {(key, object_id) for _, key, object_id in stored().values()} == {(str(n), str(n)) for n in range(1_001)}


def test_keys_and_object_ids_are_compared_exactly(database_of_0_4: Callable[..., int]) -> None:
    """I1: case and accents count, on every database."""
    migrate_to_latest()
    system = ExternalSystem.objects.get()
    person = ContentType.objects.get_for_model(Person)

    for text in ("a", "A", "ä", "á"):
        ExternalKeyMapping.objects.create(
            external_system=system, content_type=person, external_key=text, object_id=text
        )

    assert ExternalKeyMapping.objects.get(external_key="ä").object_id == "ä"
    assert ExternalKeyMapping.objects.get(object_id="A").external_key == "A"
    with pytest.raises(IntegrityError), transaction.atomic():
        ExternalKeyMapping.objects.create(external_system=system, content_type=person, external_key="ä", object_id="1")


def test_the_upgrade_can_be_taken_back(database_of_0_4: Callable[..., int]) -> None:
    number = database_of_0_4(Person, "A1", 1)
    migrate_to_latest()

    migrate("0001_initial")

    with connection.cursor() as cursor:
        cursor.execute("SELECT id, external_key, object_id FROM nsync_externalkeymapping")
        assert cursor.fetchall() in ([(number, "A1", 1)], ((number, "A1", 1),))
    assert (("external_system_id", "external_key"), True) in indexed_columns()
    migrate_to_latest()
    assert stored() == {number: ("person", "A1", "1")}


@pytest.mark.django_db
def test_the_models_need_no_further_migration() -> None:
    changes = StringIO()

    call_command("makemigrations", "nsync", dry_run=True, stdout=changes)

    assert "No changes detected in app 'nsync'" in changes.getvalue()
