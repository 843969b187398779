"""What is written by whole columns: the same values as object by object, of whatever kind, and only what changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from nsync.record.report import Report
from tests.many import rows
from tests.plan.known import link
from tests.telling import codes, keys_of, outcomes
from tests.test_columns_values import by_each, text_of
from tests.testapp.models import (
    Asset,
    Crate,
    Currency,
    DbDefault,
    Depot,
    Folded,
    Hidden,
    Journal,
    Parcel,
    Price,
    Product,
    Shelf,
    Stock,
)

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

LONG_AGO = datetime(2001, 2, 3, tzinfo=UTC)


# --- columns that the file lacks, constants, options ----------------------------------------------------------------


def test_columns_that_the_file_lacks_get_their_defaults(sync_text: Sync) -> None:
    """V3: a constant, a choice, a callable that is called for each object, the time, and what the database gives."""
    by_each(sync_text, Parcel, rows({"action_flags": "cu*", "match_on": "code", "code": "{}"}, range(5)))
    by_each(sync_text, DbDefault, rows({"action_flags": "c", "match_on": "name", "name": "{}"}, range(5)), "created")
    began = datetime.now(tz=UTC) - timedelta(seconds=1)

    report = sync_text(rows({"external_key": "K{}", "action_flags": "c", "text": "{}"}, range(5)), Journal)

    assert (report.engine, outcomes(report)) == ("columns", {"created": 5})
    assert len(set(Journal.objects.values_list("ref", flat=True))) == 5
    assert all(one.at >= began and one.day >= began.date() for one in Journal.objects.all())


def test_a_default_may_be_of_a_type_of_its_own(sync_text: Sync) -> None:
    """V3: a member of an enumeration, a lazy or a safe text."""
    _, _, found = by_each(sync_text, Crate, rows({"external_key": "K{}", "action_flags": "c", "code": "{}"}, range(5)))

    wanted = {"status": "waiting", "size": 2, "label": "a\\b", "title": "Crate"}
    assert found == [{"code": f"{number}", **wanted} for number in range(5)]


def test_auto_now_is_set_where_something_changes_and_nowhere_else(sync_text: Sync) -> None:
    """A7."""
    cells = {"external_key": "K{}", "action_flags": "cu*", "code": "{}", "note": "a"}
    began = datetime.now(tz=UTC) - timedelta(seconds=1)
    sync_text(rows(cells, range(10)), Parcel)
    assert Parcel.objects.filter(modified__gte=began).count() == 10
    Parcel.objects.update(modified=LONG_AGO)
    Parcel.objects.filter(code__in=["3", "7"]).update(note="b")

    report = sync_text(rows(cells, range(10)), Parcel)

    assert (report.engine, outcomes(report)) == ("columns", {"updated": 2, "unchanged": 8})
    assert set(Parcel.objects.filter(modified__gte=began).values_list("code", flat=True)) == {"3", "7"}


def test_columns_that_the_database_computes_follow(sync_text: Sync) -> None:
    """A7, and what it has a default for stays as it is."""
    cells = {"action_flags": "cu*", "match_on": "name", "name": "{}", "quantity": "{}"}
    sync_text(rows({**cells, "colour": "red"}, range(5)), DbDefault)

    report = sync_text(rows({**cells, "quantity": "1{}"}, range(7)), DbDefault)

    assert (report.engine, outcomes(report)) == ("columns", {"updated": 5, "created": 2})
    found = DbDefault.objects.order_by("quantity").values_list("doubled", "colour")
    assert list(found) == [(2 * (10 + number), "red" if number < 5 else "grey") for number in range(7)]


def test_options_say_what_the_columns_do_not(sync_text: Sync) -> None:
    """C2: constants, other headers, a reference by another header, flags of the feed's own."""
    Depot.objects.create(name="V")
    text = "No,Op,Name,Where,ignored\n" + "".join(f"{number},I,N{number},V,x\n" for number in range(5))
    options: dict[str, Any] = {
        "map": (("No", "code"), ("Name", "label"), ("Where", "depot=>name")),
        "set": (("note", "constant"), ("pieces", "3")),
        "flag_map": (("I", "cu*"), ("D", "d*")),
        "action_flags_column": "Op",
        "match_on": "code",
        "external_key_column": "No",
    }

    first, second = (sync_text(text, Parcel, **options) for _ in range(2))

    assert (first.engine, outcomes(first), outcomes(second)) == ("columns", {"created": 5}, {"unchanged": 5})
    found = Parcel.objects.values_list("code", "label", "note", "pieces", "depot__name")
    assert sorted(found) == [(f"{number}", f"N{number}", "constant", 3, "V") for number in range(5)]
    changed = sync_text(text, Parcel, **{**options, "set": (("note", "another"),)})
    assert (outcomes(changed), set(Parcel.objects.values_list("note", flat=True))) == ({"updated": 5}, {"another"})


def test_a_constant_that_is_bad_or_empty_is_no_other_than_a_cell(sync_text: Sync) -> None:
    """C2, V3, V4."""
    text = rows({"action_flags": "cu*", "match_on": "code", "code": "{}", "label": "L"}, range(5))
    by_each(sync_text, Parcel, text, set=(("note", ""), ("remark", ""), ("pieces", "")))
    counts, told, _ = by_each(sync_text, Parcel, text, set=(("pieces", "x"),), on_error="skip")
    assert (counts, {code for _, code, _ in told}) == ({"failed": 5}, {"invalid-integer"})


def test_an_unforced_update_fills_only_what_is_empty(sync_text: Sync) -> None:
    """A3, R4, V3."""
    depot, other = (Depot.objects.create(name=name) for name in "VW")
    for number, (note, remark, pieces, where) in enumerate(
        [("", None, None, None), ("n", "r", 1, depot), ("", "", 0, None), ("n", None, None, depot)]
    ):
        link(
            Parcel.objects.create(code=f"{number}", note=note, remark=remark, pieces=pieces, depot=where), f"K{number}"
        )
    cells = {"external_key": "K{}", "action_flags": "u", "note": "N", "remark": "R", "pieces": "9", "depot=>name": "W"}

    report = sync_text(rows(cells, range(4)), Parcel)

    assert (report.engine, outcomes(report)) == ("columns", {"updated": 3, "unchanged": 1})
    assert list(Parcel.objects.order_by("code").values_list("note", "remark", "pieces", "depot")) == [
        ("N", "R", 9, other.pk),
        ("n", "r", 1, depot.pk),
        ("N", "R", 0, other.pk),
        ("n", "R", 9, depot.pk),
    ]
    empty = sync_text(rows({**cells, "note": "", "remark": "", "pieces": "", "depot=>name": ""}, range(4)), Parcel)
    assert outcomes(empty) == {"unchanged": 4}


def test_a_forced_update_empties_what_may_be_empty_and_no_reference(sync_text: Sync) -> None:
    """A3, V3, R1."""
    depot = Depot.objects.create(name="V")
    for number in range(4):
        link(Parcel.objects.create(code=f"{number}", note="n", remark="r", pieces=1, depot=depot), f"K{number}")
    cells = {"external_key": "K{}", "action_flags": "u*", "note": "", "remark": "", "pieces": "", "depot=>name": ""}

    report = sync_text(rows(cells, range(4)), Parcel)

    assert (report.engine, outcomes(report)) == ("columns", {"updated": 4})
    assert set(Parcel.objects.values_list("note", "remark", "pieces", "depot")) == {("", None, None, depot.pk)}


# --- references -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("column", ["depot=>name", "depot=>external_key", "depot=>external_key@ERP", "depot"])
def test_references_find_their_objects_by_column_and_by_key(sync_text: Sync, column: str) -> None:
    """R1, R2."""
    depots = [Depot.objects.create(name=f"{number}") for number in range(3)]
    for number, depot in enumerate(depots):
        link(depot, f"{number}", "HR")
        link(depots[number - 1], f"{number}", "ERP")
    lines = [(f"K{number}", "cu*", f"{number}", f"{number % 3}") for number in range(9)]
    if column == "depot":
        lines = [(*line[:3], str(depots[int(line[3])].pk)) for line in lines]
    text = text_of(("external_key", "action_flags", "code", column), *lines)

    first, second = (sync_text(text, Parcel) for _ in range(2))

    assert (first.engine, outcomes(first), outcomes(second)) == ("columns", {"created": 9}, {"unchanged": 9})
    found = dict(Parcel.objects.values_list("code", "depot__name"))
    turn = 1 if "ERP" in column else 0
    assert found == {f"{number}": f"{(number - turn) % 3}" for number in range(9)}


def test_a_foreign_key_may_refer_to_another_column_than_the_primary_key(sync_text: Sync) -> None:
    """R1: ``to_field``, and text as primary key."""
    Currency.objects.create(code="EUR", name="Euro")
    product = Product.objects.create(sku="S1", name="thing")
    cells = {"external_key": "K{}", "action_flags": "cu*", "amount": "{}.5", "currency=>name": "Euro"}

    report = sync_text(rows({**cells, "product=>name": "thing"}, range(5)), Price)

    assert (report.engine, outcomes(report)) == ("columns", {"created": 5})
    assert set(Price.objects.values_list("currency_id", "product_id")) == {("EUR", product.sku)}


def test_a_reference_that_several_objects_answer_sets_nothing_in_its_row_alone(sync_text: Sync) -> None:
    """R5."""
    for name, city in (("V", "X"), ("W", "X"), ("Z", "Y")):
        Depot.objects.create(name=name, city=city)
    lines = [("cu*", "code", f"{number}", "X" if number == 4 else "Y") for number in range(9)]

    report = sync_text(text_of(("action_flags", "match_on", "code", "depot=>city"), *lines), Parcel)

    assert (report.engine, outcomes(report)) == ("columns", {"created": 9})
    assert codes(report) == [(6, "ambiguous-reference", "depot=>city")]
    assert list(Parcel.objects.filter(depot=None).values_list("code", flat=True)) == ["4"]


def test_a_required_reference_that_is_empty_fails_its_row_alone(sync_text: Sync) -> None:
    """R5, V3."""
    Depot.objects.create(name="V")
    lines = [("cu*", "number", f"{number}", "" if number == 4 else "V") for number in range(9)]

    report = sync_text(text_of(("action_flags", "match_on", "number", "depot=>name"), *lines), Shelf, on_error="skip")

    assert (report.engine, outcomes(report)) == ("columns", {"created": 8, "failed": 1})
    assert [(line, code) for line, code, _ in codes(report)] == [(6, "required")]


# --- whose rows are found -------------------------------------------------------------------------------------------


def test_text_that_the_database_folds_is_matched_as_it_folds_it(sync_text: Sync) -> None:
    """I3: also where nothing unique would refuse a second object."""
    for number in range(5):
        Folded.objects.create(name=f"n{number}", alias=f"Alias{number}", value="old")
    cells = {"action_flags": "cu*", "match_on": "alias", "name": "m{}", "alias": "ALIAS{}", "value": "new"}

    report = sync_text(rows(cells, range(5)), Folded)

    assert outcomes(report) == {"updated": 5}
    assert list(Folded.objects.values_list("value", flat=True)) == ["new"] * 5


def test_a_file_of_keys_alone_makes_objects_of_defaults(sync_text: Sync) -> None:
    """A1, V3: beside mappings that are stale, or objects that are there."""
    link(Parcel.objects.create(code="old"), "K1")
    text = rows({"external_key": "K{}"}, range(5))

    counts = outcomes(sync_text(text, Parcel, action_flags="cu*", engine="columns"))

    assert (counts, Parcel.objects.count()) == ({"created": 4, "unchanged": 1}, 5)


def test_a_moment_is_matched_whatever_its_zone(sync_text: Sync) -> None:
    """I3: datetimes are compared by instant."""
    for hour in range(5):
        Parcel.objects.create(label=f"{hour}", sent=datetime(2024, 10, 27, hour, tzinfo=UTC))
    lines = [("u*", "sent", f"2024-10-27T0{hour + 1}:00+01:00", "new") for hour in range(5)]

    report = sync_text(text_of(("action_flags", "match_on", "sent", "note"), *lines), Parcel)

    assert outcomes(report) == {"updated": 5}


def test_objects_that_the_default_manager_hides_are_found(sync_text: Sync) -> None:
    """I2: by match and by key."""
    for number in range(6):
        link(Hidden._base_manager.create(name=f"{number}", is_hidden=number % 2 == 0), f"K{number}")
    cells = {"external_key": "K{}", "action_flags": "cu*", "match_on": "name", "name": "{}", "value": "v"}

    report = sync_text(rows(cells, range(6)), Hidden)

    assert (report.engine, outcomes(report)) == ("columns", {"updated": 6})


def test_a_new_key_for_an_object_that_is_there_makes_a_mapping(sync_text: Sync) -> None:
    """I1, O1: with an update it counts as updated, else as linked."""
    for number in range(6):
        Parcel.objects.create(code=f"{number}", label="new" if number % 2 else "old")
    cells = {"external_key": "K{}", "action_flags": "cu*", "match_on": "code", "code": "{}", "label": "new"}

    report = sync_text(rows(cells, range(6)), Parcel)

    assert (report.engine, outcomes(report)) == ("columns", {"updated": 3, "linked": 3})
    assert all(keys_of(one) == {("HR", f"K{one.code}")} for one in Parcel.objects.all())


# --- numbers --------------------------------------------------------------------------------------------------------


def test_new_objects_are_numbered_as_the_application_numbers_them(sync_text: Sync) -> None:
    """C3: what is created before, between and after by others collides with nothing."""
    cells = {"external_key": "K{}", "action_flags": "c", "code": "{}", "label": "L"}
    first = Parcel.objects.create(code="a")
    sync_text(rows(cells, range(50)), Parcel, engine="columns")
    between = Parcel.objects.create(code="b")
    sync_text(rows({**cells, "action_flags": "cu*", "match_on": "code"}, range(60)), Parcel, engine="columns")
    sync_text(rows({"action_flags": "c", "match_on": "code", "code": "{}"}, range(60, 65)), Parcel, engine="columns")
    last = Parcel.objects.create(code="c")

    pks = [int(pk) for pk in Parcel.objects.values_list("pk", flat=True)]
    assert len(set(pks)) == 68
    assert first.pk < between.pk < last.pk == max(pks)
    assert {key: keys_of(Parcel.objects.get(code=key)) for key in ("0", "59")} == {
        "0": {("HR", "K0")},
        "59": {("HR", "K59")},
    }


def test_numbers_of_objects_that_are_gone_are_not_given_again(sync_text: Sync) -> None:
    """C3, I1: an old mapping would mean a new object."""
    gone = Parcel.objects.create(code="a")
    number = gone.pk
    gone.delete()

    sync_text(rows({"external_key": "K{}", "action_flags": "c", "code": "{}"}, range(5)), Parcel, engine="columns")

    assert all(int(pk) > number for pk in Parcel.objects.values_list("pk", flat=True))


def test_uuids_are_made_by_python(sync_text: Sync) -> None:
    """M1: with keys and without."""
    sync_text(rows({"external_key": "K{}", "action_flags": "c", "name": "{}"}, range(5)), Asset, engine="columns")
    sync_text(rows({"action_flags": "c", "match_on": "name", "name": "{}"}, range(3, 8)), Asset, engine="columns")

    assert sorted(Asset.objects.values_list("name", flat=True)) == [f"{number}" for number in range(8)]
    assert all(
        keys_of(one) == ({("HR", f"K{one.name}")} if int(one.name) < 5 else set()) for one in Asset.objects.all()
    )


def test_unique_values_that_pass_from_one_object_to_another_pass_row_by_row(sync_text: Sync) -> None:
    """T1, A4: a chain of rows of which each takes what the next one gives up."""
    for number in range(5):
        link(Stock.objects.create(shelf="S", article=f"{number}"), f"K{number}")
    lines = [(f"K{number}", "u*", "S", f"{number - 1}") for number in range(5)]

    report = sync_text(text_of(("external_key", "action_flags", "shelf", "article"), *lines), Stock)

    assert (report.engine, outcomes(report)) == ("columns", {"updated": 5})
    assert sorted(Stock.objects.values_list("article", flat=True)) == ["-1", "0", "1", "2", "3"]
