"""Proofs on MariaDB, whose texts, joins and temporary tables have ways of their own (rules T1, I1, I3)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import DatabaseError, connection

from nsync import SyncOptions, sync
from nsync.apply.updating import update_columns
from nsync.errors import SourceError
from nsync.loading import can_load
from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.record.report import Report
from tests.agreeing import File, Ref, Thing
from tests.proving import (
    ANY,
    BARE_SAME,
    BY_LABEL,
    BY_OPTIONS,
    CROWD,
    LABELLED,
    case,
    cells,
    parcels,
    passed_over,
    proofs,
)
from tests.telling import outcomes
from tests.testapp.models import Parcel

pytestmark = [pytest.mark.django_db, pytest.mark.database("mariadb")]

Sync = Callable[..., Report]


@pytest.fixture
def run(tmp_path: Path) -> Sync:
    """Give what syncs a text of parcels."""

    def run(text: str, **options: Any) -> Report:
        path = tmp_path / "parcels.csv"
        path.write_text(text, encoding="utf-8", errors="surrogatepass")
        return sync(path, Parcel, system="HR", options=SyncOptions(**{"batch_size": 2, **BY_OPTIONS, **options}))

    return run


def make(count: int) -> None:
    """Make parcels as a run would have."""
    made = Parcel.objects.bulk_create([Parcel(code=str(n), label="A") for n in range(1, count + 1)])
    system = ExternalSystem.objects.create(name="HR")
    content_type = ContentType.objects.get_for_model(Parcel)
    ExternalKeyMapping.objects.bulk_create(
        ExternalKeyMapping(
            external_system=system, content_type=content_type, external_key=f"k{parcel.code}", object_id=str(parcel.pk)
        )
        for parcel in made
    )


@pytest.fixture(params=[True, False], ids=["LOAD DATA LOCAL", "inserts"])
def loads(request: pytest.FixtureRequest) -> Iterator[bool]:
    """Allow nsync to load files, or not."""
    options = connection.settings_dict["OPTIONS"]
    before = options.get("local_infile")
    options["local_infile"] = request.param
    yield request.param
    options["local_infile"] = before


TEXTS = [
    "NULL",
    "\\N",
    "\\",
    "a\\",
    "\\t",
    "'",
    "%s",
    "''",
    "\U0001f600",
    "e\u0301",
    "#",
    "null",
    ".",
    "-- x",
    "\u2028",
]


@pytest.mark.parametrize("quoted", [False, True], ids=["plain lines", "quoted cells"])
def test_texts_are_compared_as_they_stand_however_they_come_to_the_database(loads: bool, quoted: bool) -> None:
    assert can_load(connection) is loads
    texts = [f'"{text}"' if quoted else text for text in TEXTS]
    start = [
        Thing("Parcel", {"code": str(n), "label": "A", "note": text}, (("HR", f"k{n}"),))
        for n, text in enumerate(TEXTS, 1)
    ]
    case(start, cells("note", *texts), passed=len(TEXTS), **BY_OPTIONS).check(CROWD)


@pytest.mark.parametrize(
    ("stored", "cell"),
    [
        ("a", "A"),
        ("a", "a "),
        ("a ", "a"),
        ("e", "\u00e9"),
        ("ss", "\u00df"),
        ("", " "),
        ("a\t", "a"),
        ("a\\b", "a\\\\b"),
    ],
)
def test_what_a_collation_takes_for_the_same_is_looked_at(loads: bool, stored: str, cell: str) -> None:
    """V1, A7: also blanks at the end, which MariaDB's older collations ignore."""
    case(parcels(6, note=stored), cells("note", *[stored.strip(" ")] * 5, cell), passed=ANY, **BY_OPTIONS).check(CROWD)


@pytest.mark.parametrize("key", ["K1", "k1 ", "\u212a1", " k1", "k1\t", "\u3000k1"])
def test_a_key_in_other_letters_or_with_blanks_around_is_looked_at(key: str) -> None:
    """I1."""
    case(parcels(6), f"{BARE_SAME}{key},1,A\n", passed=ANY, **BY_OPTIONS).check(CROWD)


def test_a_key_with_blanks_around_touches_what_it_means() -> None:
    """Another key of its object is looked at too."""
    start = [*parcels(6), Thing("Parcel", {"code": "7", "label": "A"}, (("HR", "k7"), ("HR", "o7")))]
    text = f"{BARE_SAME}\u3000k7 ,7,X\no7,7,A\n"
    case(start, text, passed=6, **BY_OPTIONS).check(CROWD)


@pytest.mark.parametrize("name", ["North", "NORTH", "north ", "nörth"])
def test_a_reference_in_other_letters_is_looked_at(name: str) -> None:
    """I3, R1."""
    start = [Thing("Depot", {"name": "north"}), *parcels(6, depot=Ref(0))]
    case(start, cells("depot=>name", *["north"] * 5, name), passed=5, **BY_OPTIONS).check(CROWD)


def test_nothing_is_proved_without_keys_where_no_index_finds_the_objects() -> None:
    """MariaDB would go through the table once for each row."""
    text = "label,code\n" + "".join(f"{x},{n}\n" for n, x in enumerate("ABCDEF", 1))
    case(LABELLED, text, passed=None, **BY_LABEL).check(CROWD)


@pytest.mark.parametrize(
    ("column", "stored", "cell", "passed"),
    [
        ("price", "100.00", "100", 6),
        ("price", "100.00", "100.00", 6),
        ("price", "100.00", "100.0", None),
        ("price", "0.00", "0", 6),
        ("until", "10:00:00", "10:00:00.000000", 6),
        ("sent", datetime(999, 1, 2, 3, 4, 5, tzinfo=UTC), "0999-01-02T03:04:05Z", 6),
        ("fragile", True, "TRUE", 6),
        ("weight", 0.5, "0.5", None),
    ],
)
def test_what_is_proved_of_other_types(column: str, stored: Any, cell: str, passed: int | None) -> None:
    """V2, V4."""
    case(parcels(6, **{column: stored}), cells(column, *[cell] * 6), passed=passed, **BY_OPTIONS).check(CROWD)


@pytest.mark.parametrize(
    ("column", "stored", "cell"), [("due", "0000-00-00", "0000-00-00"), ("until", "-10:00:00", "-10:00:00")]
)
def test_dates_and_times_that_python_does_not_have_prove_nothing(
    run: Sync, column: str, stored: str, cell: str
) -> None:
    """V4: the row says what is stored, and is looked at."""
    with connection.cursor() as cursor:
        cursor.execute("SET @before = @@sql_mode, sql_mode = 'ALLOW_INVALID_DATES'")
        try:
            make(6)
            cursor.execute(f"UPDATE testapp_parcel SET {column} = %s", [stored])
        finally:
            cursor.execute("SET sql_mode = @before")
    with proofs() as found:
        run(cells(column, *[stored] * 6), on_error="skip")
    assert [passed_over(proof) for proof in found] == [None]


@pytest.mark.parametrize("number", [32_767, 32_768, 65_535])
def test_a_number_that_no_cell_may_say_is_looked_at(number: int) -> None:
    """V4: the unsigned columns of MariaDB hold twice as many."""
    case(parcels(6, pieces=number), cells("pieces", *[str(number)] * 6), passed=ANY, **BY_OPTIONS).check(CROWD)


@pytest.mark.parametrize("header", ["currency=>code", "currency"])
@pytest.mark.parametrize(("currency", "sku"), [("EUR", "S"), ("eur", "S"), ("EUR", "s")])
def test_a_foreign_key_that_says_it_in_other_letters_is_looked_at(header: str, currency: str, sku: str) -> None:
    """A7: MariaDB lets such a foreign key be."""
    start = [Thing("Currency", {"code": "EUR", "name": "x"}), Thing("Product", {"sku": "S"})]
    start += [
        Thing("Price", {"currency_id": currency, "product_id": sku, "amount": "1.00"}, (("HR", f"k{n}"),))
        for n in range(6)
    ]
    text = f"external_key,{header},product=>sku,amount\n" + "".join(f"k{n},EUR,S,1.00\n" for n in range(6))
    case(start, File("Price", text), passed=ANY, action_flags="cu*", match_on="").check(
        ("Currency", "Product", "Price")
    )


ENDS = {"a proof": "k6,6,", "a row that is too short": "k6", "a return": "k6,6,a\rb", "an open quote": 'k6,6,"a'}


@pytest.mark.parametrize("end", [*ENDS, "text after a quote", "a NUL"])
def test_no_temporary_table_is_left(run: Sync, loads: bool, end: str) -> None:
    """Whatever ends the try."""
    make(6)
    more = {"text after a quote": 'k6,6,"a"x', "a NUL": "k6,6,\0"}
    with proofs() as found, suppress(SourceError):
        run(f"{cells('note', *[''] * 5)}{(ENDS | more)[end]}\n")
    assert [passed_over(proof) for proof in found] == [6 if end == "a proof" else None]
    with connection.cursor() as cursor:
        for table in ("nsync_rows", "nsync_touched"):
            cursor.execute(f"CREATE TEMPORARY TABLE {table} (n integer)")
            cursor.execute(f"DROP TEMPORARY TABLE {table}")


def test_a_proof_ends_no_transaction(run: Sync) -> None:
    """T4: what the run has done before can still be rolled back."""
    make(30)
    with proofs() as found:
        report = run(f"{BARE_SAME}n1,9,{'x' * 51}\n", on_error="rollback")
    assert [passed_over(proof) for proof in found] == [6]
    assert not report.committed
    assert connection.in_atomic_block
    connection.check_constraints()


def test_more_changes_than_one_page_holds_are_found(run: Sync) -> None:
    """Pages of 5,000 rows."""
    count = 13_000
    make(count)
    text = "external_key,code,label\n" + "".join(f"k{n},{n},{'BA'[n % 2]}\n" for n in range(1, count + 1))
    with proofs() as found:
        report = run(text, batch_size=6_500)
    assert [passed_over(proof) for proof in found] == [count // 2]
    assert outcomes(report) == {"updated": count // 2, "unchanged": count // 2}
    assert Parcel.objects.filter(label="B").count() == count // 2


# --- updates ---------------------------------------------------------------------------------------------------------


def test_texts_are_written_into_columns_of_other_character_sets() -> None:
    """V4: what the column cannot hold is refused, and nothing else."""
    pks = [1, 2, 3]
    note = Parcel._meta.get_field("note")
    with connection.cursor() as cursor:
        # A temporary table hides the other of its name.
        cursor.execute("CREATE TEMPORARY TABLE testapp_parcel (id bigint PRIMARY KEY, note varchar(50) CHARSET latin1)")
        try:
            cursor.execute("INSERT INTO testapp_parcel VALUES (1, 'x'), (2, 'x'), (3, 'x')")
            update_columns(Parcel, [note], [["\u00fc", "u", "\u20ac"]], pks, "default")
            found = list(Parcel.objects.order_by("pk").values_list("note", flat=True))
            with pytest.raises(DatabaseError):
                update_columns(Parcel, [note], [["\u4e2d"]], pks[:1], "default")
        finally:
            cursor.execute("DROP TEMPORARY TABLE testapp_parcel")
    assert found == ["\u00fc", "u", "\u20ac"]


def test_many_rows_are_updated_where_updates_must_be_safe() -> None:
    """A server may refuse updates that walk through a table."""
    pks = [Parcel.objects.create(code=str(n), label="A").pk for n in range(3)]
    with connection.cursor() as cursor:
        cursor.execute("SET sql_safe_updates = 1")
        try:
            update_columns(Parcel, [Parcel._meta.get_field("note")], [["a", "b", "c"]], pks, "default")
        finally:
            cursor.execute("SET sql_safe_updates = 0")
    assert list(Parcel.objects.order_by("pk").values_list("note", flat=True)) == ["a", "b", "c"]
