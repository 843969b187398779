"""Where whole columns and rows taken one by one once disagreed: what a table lacks, and what only a database knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
from django.db import connection, connections

from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.agreeing import EVERY, Example, File, Run, Thing, Variant, check
from tests.telling import codes, outcomes
from tests.testapp.models import Arrival, Asset, Depot, Mistaken

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

BY_COLUMNS = (Variant("columns", 2), Variant("columns", 5_000))
ENGINES = ("objects", "bulk", "columns")


def agree(models: Sequence[str], start: Sequence[Thing], model: str, text: str, flags: str, match_on: str) -> None:
    """Run a file with every engine, from what is there."""
    options = {"on_error": "skip", "action_flags": flags, "match_on": match_on}
    check(Example(tuple(start), (Run((File(model, text),), options),)), models, (*BY_COLUMNS, *EVERY))


def test_a_row_finds_its_object_though_the_table_lacks_the_unique_constraint() -> None:
    """T1, A2: SQLite and MariaDB have no deferrable constraints, and so nothing that refuses a second object."""
    rows = "n1,c1,A\nn2,c2,A\nn3,c3,A\nn4,there,A\n"

    agree(["Turn"], [Thing("Turn", {"code": "there"})], "Turn", f"external_key,code,label\n{rows}", "cu*", "code")


@pytest.mark.parametrize("column", ["currency=>name", "product=>name"])
def test_an_unforced_update_leaves_a_reference_that_holds_an_empty_text(column: str) -> None:
    """R4, A2: it names an object, whose key is ''; so only the mapping is new."""
    start = [
        *(Thing("Currency", {"code": code, "name": f"n{code}"}) for code in ("", "EUR")),
        *(Thing("Product", {"sku": sku, "name": f"n{sku}"}) for sku in ("", "s")),
        Thing("Price", {"amount": 5, "currency_id": "", "product_id": ""}),
    ]
    text = f"external_key,amount,{column}\nk1,5,{'nEUR' if column.startswith('currency') else 'ns'}\n"

    agree(["Currency", "Product", "Price"], start, "Price", text, "cu", "amount")


# --- defaults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES)
def test_a_default_may_be_an_expression(sync_text: Sync, engine: str) -> None:
    """V3: the database computes it."""
    text = "external_key,code\nk1,a\nk2,b\nk3,c\n"

    report = sync_text(text, Arrival, engine=engine, action_flags="cu*", match_on="code")

    assert outcomes(report) == {"created": 3}
    assert [at is not None for at in Arrival.objects.values_list("at", flat=True)] == [True] * 3


@pytest.mark.parametrize("engine", ENGINES)
def test_a_default_that_its_field_refuses_is_an_error_of_each_row(sync_text: Sync, engine: str) -> None:
    """T4: ``refused``; no traceback."""
    text = "external_key,code\nk1,a\nk2,b\nk3,c\n"

    report = sync_text(text, Mistaken, engine=engine, action_flags="cu*", match_on="code", on_error="skip")

    assert codes(report) == [(line, "refused", "") for line in (2, 3, 4)]
    assert not Mistaken.objects.exists()


# --- keys that the database gives, or holds otherwise ---------------------------------------------------------------


@pytest.fixture
def uuids_as_text(db: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let MariaDB be one that has no UUIDs: Django writes their digits into a column of text."""

    def forget() -> None:
        connections["default"].__dict__.pop("data_types", None)

    monkeypatch.setattr(connection.features, "has_native_uuid_field", False)
    forget()
    table = Asset._meta.db_table
    with connection.cursor() as cursor:  # a temporary table hides the one of that name
        cursor.execute(
            f"CREATE TEMPORARY TABLE {table} (id char(32) PRIMARY KEY, name varchar(50) NOT NULL, parent_id char(32))"
        )
    yield
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TEMPORARY TABLE {table}")
    monkeypatch.undo()
    forget()


@pytest.mark.database("mariadb")
@pytest.mark.usefixtures("uuids_as_text")
@pytest.mark.parametrize("engine", ENGINES)
def test_a_key_means_a_uuid_as_python_writes_it_however_a_column_holds_it(sync_text: Sync, engine: str) -> None:
    """I1, M1: with its dashes, so that every other row, engine and system finds the object."""
    sync_text("external_key,name\nk1,A\nk2,B\n", Asset, engine=engine, action_flags="cu*")

    found = dict(ExternalKeyMapping.objects.values_list("object_id", "external_key"))
    assert found == {str(pk): f"k{'AB'.index(name) + 1}" for pk, name in Asset.objects.values_list("pk", "name")}


# What gives the depots their numbers, from 1000; the first is what Django makes.
SEQUENCES: dict[str, tuple[str, ...]] = {
    "of an identity": ("ALTER TABLE testapp_depot ALTER id RESTART WITH 1000",),
    "of an identity, with a name of its own": (
        "ALTER TABLE testapp_depot ALTER id DROP IDENTITY",
        """ALTER TABLE testapp_depot ALTER id ADD GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "It's" START 1000)""",
    ),
    "of another table": (
        "ALTER TABLE testapp_depot ALTER id DROP IDENTITY",
        "CREATE SEQUENCE owned_numbers OWNED BY testapp_depot.id",
        "CREATE SEQUENCE shared_numbers START 1000",
        "ALTER TABLE testapp_depot ALTER id SET DEFAULT nextval('shared_numbers')",
    ),
    "of another table, with an odd name": (
        "ALTER TABLE testapp_depot ALTER id DROP IDENTITY",
        "CREATE SEQUENCE owned_numbers OWNED BY testapp_depot.id",
        """CREATE SEQUENCE "Everybody's numbers" START 1000""",
        """ALTER TABLE testapp_depot ALTER id SET DEFAULT nextval('"Everybody''s numbers"')""",
    ),
}


@pytest.mark.database("postgresql")
@pytest.mark.parametrize("name", SEQUENCES)
def test_new_objects_are_numbered_as_the_database_numbers_them(sync_text: Sync, name: str) -> None:
    """T1: a column may take its numbers from another sequence than the one that it owns."""
    with connection.cursor() as cursor:
        for statement in SEQUENCES[name]:
            cursor.execute(statement)
    for engine in (*ENGINES, "objects"):
        count = Depot.objects.count()
        text = f"external_key,name\nk{count},{count}\nk{count + 1},{count + 1}\n"
        sync_text(text, Depot, engine=engine, action_flags="cu*", match_on="name")

    numbers = [(pk, int(name)) for pk, name in Depot.objects.values_list("pk", "name")]
    assert sorted(numbers) == [(1000 + number, number) for number in range(8)]


@pytest.mark.parametrize("flags", ["d", "d*"])
def test_a_key_that_differs_by_a_blank_is_another_key(flags: str) -> None:
    """I1, A5, A6: MariaDB takes the two for the same."""
    start = (Thing("Depot", {"name": "1"}, (("HR", "k1 "),)), Thing("Depot", {"name": "2"}, (("HR", "k2"),)))
    file = File("Depot", "external_key\nk1\nk2\n")
    check(Example(start, (Run((file,), {"action_flags": flags}),)), ["Depot"], EVERY)
