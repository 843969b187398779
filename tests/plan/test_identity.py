"""Which object a row means: its key, its match, or neither (rules I1, I4, I5, I6)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from nsync.models import ExternalKeyMapping
from nsync.record.report import Report
from tests.plan.known import all_keys, link, link_gone, row, table
from tests.telling import codes, keys_of, outcomes
from tests.testapp.models import Asset, Contractor, Currency, Employee, Hidden, House, Person

Sync = Callable[..., Report]


def test_one_key_means_another_object_in_each_model_and_system(sync_texts: Sync) -> None:
    """I1: keys are scoped per system and model."""
    sync_texts(
        ("HR", "testapp.Person", "external_key,action_flags,first_name\n1,c,Bruce\n"),
        ("HR", "testapp.House", "external_key,action_flags,address\n1,c,Wayne Manor\n"),
        ("ERP", "testapp.Person", "external_key,action_flags,first_name\n1,c,Alfred\n"),
    )

    bruce, alfred = Person.objects.get(first_name="Bruce"), Person.objects.get(first_name="Alfred")
    assert all_keys() == {
        ("HR", "person", "1"): str(bruce.pk),
        ("HR", "house", "1"): str(House.objects.get().pk),
        ("ERP", "person", "1"): str(alfred.pk),
    }


def test_a_key_of_one_model_never_deletes_an_object_of_another(sync_text: Sync) -> None:
    """I1, A5: the house with the primary key and the key of the person stays."""
    bruce = Person.objects.create(pk=7, first_name="Bruce")
    house = House.objects.create(pk=7, address="Wayne Manor")
    link(bruce, "1")
    link(house, "1")

    report = sync_text("external_key,action_flags\n1,d*\n")

    assert outcomes(report) == {"deleted": 1}
    assert not Person.objects.exists()
    assert keys_of(house) == {("HR", "1")}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("abc", "ABC"),
        ("a", "ä"),
        ("e\u0301", "\u00e9"),
        ("a b", "ab"),
        ("a b", "a  b"),
        ("ss", "ß"),
        ("1", "01"),
        ("1", "1.0"),
        ("a", "\U0001f600"),
        ("\U0001f600", "\U0001f601"),
        ("x_1", "x%1"),
    ],
)
def test_keys_that_differ_mean_two_objects(sync_text: Sync, first: str, second: str) -> None:
    """I1: case, accents and inner blanks count, on every database; and found again the second time."""
    text = table(["external_key", "action_flags", "first_name"], [first, "cu*", "Anna"], [second, "cu*", "Ben"])

    created, again = sync_text(text), sync_text(text)

    assert outcomes(created) == {"created": 2}
    assert outcomes(again) == {"unchanged": 2}
    assert {person.first_name: keys_of(person) for person in Person.objects.all()} == {
        "Anna": {("HR", first)},
        "Ben": {("HR", second)},
    }


@pytest.mark.parametrize("written", [" 7", "7 ", "\t7\t", "\u00a07", " 7\n"], ids=ascii)
def test_blanks_around_a_key_do_not_count(sync_text: Sync, written: str) -> None:
    """I1."""
    anna = Person.objects.create(first_name="Anna")
    link(anna, "7")

    report = sync_text(row({"external_key": written, "action_flags": "u*", "first_name": "Ann"}))

    assert outcomes(report) == {"updated": 1}
    assert keys_of(anna) == {("HR", "7")}


@pytest.mark.parametrize("key", ["", "   ", "\t", "\u00a0"], ids=ascii)
@pytest.mark.parametrize("flags", ["c", "u", "u*", "d*"])
def test_a_blank_key_is_no_key(sync_text: Sync, key: str, flags: str) -> None:
    """I1, I5: without a match the row has no identity, whatever it asks for."""
    Person.objects.create(first_name="Anna")

    report = sync_text(row({"external_key": key, "action_flags": flags, "first_name": "Anna"}), on_error="skip")

    assert codes(report) == [(2, "no-identity", "")]
    assert Person.objects.count() == 1
    assert all_keys() == {}


def test_a_blank_key_records_no_mapping(sync_text: Sync) -> None:
    """I1, A1."""
    report = sync_text(row({"external_key": " ", "action_flags": "cu", "match_on": "first_name", "first_name": "Anna"}))

    assert outcomes(report) == {"created": 1}
    assert all_keys() == {}


def test_a_key_that_no_mapping_can_hold_is_an_error_of_its_row(sync_text: Sync) -> None:
    """I1, V4: 255 characters are held, 256 are not, on every database."""
    text = table(["external_key", "action_flags", "first_name"], ["k" * 255, "c", "Anna"], ["k" * 256, "c", "Ben"])

    report = sync_text(text, on_error="skip")

    assert codes(report) == [(3, "too-long", "external_key")]
    assert keys_of(Person.objects.get()) == {("HR", "k" * 255)}


def test_a_stale_mapping_counts_as_absent_and_is_pointed_anew(sync_text: Sync) -> None:
    """I1, A1, A2: by a create that makes the object, one that finds it, and an update that finds it."""
    for key in ("new", "found", "updated", "nowhere"):
        link_gone(Person, key)
    ben = Person.objects.create(first_name="Ben")
    cat = Person.objects.create(first_name="Cat")

    report = sync_text(
        "external_key,action_flags,match_on,first_name\n"
        "new,c,first_name,Anna\nfound,c,first_name,Ben\nupdated,u,first_name,Cat\nnowhere,u,first_name,Dan\n"
    )

    assert outcomes(report) == {"created": 1, "linked": 2, "unmatched": 1}
    assert all_keys() == {
        ("HR", "person", "new"): str(Person.objects.get(first_name="Anna").pk),
        ("HR", "person", "found"): str(ben.pk),
        ("HR", "person", "updated"): str(cat.pk),
        ("HR", "person", "nowhere"): "987654",
    }


@pytest.mark.parametrize(
    ("model", "object_id"), [(Person, "EUR"), (Person, ""), (Person, "9" * 30), (Asset, "7"), (Currency, "EUROS")]
)
def test_a_mapping_to_what_can_be_no_primary_key_is_stale(sync_text: Sync, model: type, object_id: str) -> None:
    """I1: the type of a primary key may have changed since; the row is applied all the same."""
    link_gone(model, "K", object_id=object_id)
    values = {"code": "EUR"} if model is Currency else {"first_name": "Anna"} if model is Person else {"name": "Lamp"}

    report = sync_text(row({"external_key": "K", "action_flags": "c", **values}), model)

    assert outcomes(report) == {"created": 1}
    assert keys_of(model.objects.get()) == {("HR", "K")}  # type: ignore[attr-defined]


def test_a_mapping_carries_the_concrete_model_that_the_command_names(sync_texts: Sync) -> None:
    """I1: a proxy's keys are its concrete model's; a child's are its own, and not its parent's."""
    report = sync_texts(
        ("HR", "testapp.Person", "external_key,action_flags,first_name\n1,c,Anna\n"),
        ("HR", "testapp.Contractor", "external_key,action_flags,first_name\n1,u*,Ann\n2,c,Ben\n"),
        ("HR", "testapp.Employee", "external_key,action_flags,first_name,staff_number\n1,c,Cat,S1\n"),
        ("HR", "testapp.Person", "external_key,action_flags,first_name\n2,u*,Benny\n"),
    )

    assert outcomes(report) == {"created": 3, "updated": 2}
    assert Contractor.objects.filter(first_name__in=["Ann", "Benny"]).count() == 2
    assert all_keys() == {
        ("HR", "person", "1"): str(Person.objects.get(first_name="Ann").pk),
        ("HR", "person", "2"): str(Person.objects.get(first_name="Benny").pk),
        ("HR", "employee", "1"): str(Employee.objects.get().pk),
    }


@pytest.mark.parametrize("flags", ["c", "u", "u*", "cu*", "d*"])
def test_several_matches_and_no_linked_object_are_ambiguous(sync_text: Sync, flags: str) -> None:
    """I4: nothing is touched, and no mapping is made."""
    Person.objects.create(first_name="Anna", last_name="Ode")
    Person.objects.create(first_name="Anna", last_name="Bell")
    before = list(Person.objects.order_by("pk").values())

    report = sync_text(f"external_key,action_flags,match_on,first_name,age\nK,{flags},first_name,Anna,30\n")

    assert outcomes(report) == {"ambiguous": 1}
    assert codes(report) == [(2, "several-matches", "")]
    assert list(Person.objects.order_by("pk").values()) == before
    assert all_keys() == {}


def test_a_row_with_a_key_needs_no_match(sync_text: Sync) -> None:
    """I5: identity is then the mapping alone: an equal object that is not mapped is another one."""
    Person.objects.create(first_name="Anna")

    text = "external_key,action_flags,match_on,first_name\nK,cu*,,Anna\n"

    assert outcomes(sync_text(text)) == {"created": 1}
    assert outcomes(sync_text(text)) == {"unchanged": 1}
    assert Person.objects.filter(first_name="Anna").count() == 2


@pytest.mark.parametrize(
    ("flags", "code"), [("u", "no-match"), ("u*", "no-match"), ("d*", "no-match"), ("d", "no-mapping")]
)
def test_a_key_alone_that_is_not_mapped_finds_nothing(sync_text: Sync, flags: str, code: str) -> None:
    """I5, A2, A5, A6."""
    Person.objects.create(first_name="Anna")

    report = sync_text(f"external_key,action_flags,first_name\nK,{flags},Anna\n")

    assert outcomes(report) == {"unmatched": 1}
    assert codes(report) == [(2, code, "")]
    assert all_keys() == {}


@pytest.mark.parametrize(
    ("flags", "key", "expected"),
    [
        ("c", "K", "created"),
        ("cu*", "K", "created"),
        ("u", "K", "empty-match"),
        ("u*", "K", "empty-match"),
        ("d*", "K", "empty-match"),
        ("c", "", "empty-match"),
        ("cu*", "", "empty-match"),
        ("u*", "", "empty-match"),
        ("d*", "", "empty-match"),
        ("c", "linked", "unchanged"),
        ("u", "linked", "unchanged"),
        ("u*", "linked", "updated"),
        ("d*", "linked", "deleted"),
        ("d", "linked", "deleted"),
    ],
)
def test_a_match_whose_values_are_all_empty_is_no_match(sync_text: Sync, flags: str, key: str, expected: str) -> None:
    """I3, I5: a linked object needs none; a key with create goes by its key alone; all else is an error."""
    link(Person.objects.create(first_name="Anna", email="a@example.org"), "linked")
    nameless = Person.objects.create(first_name="", nickname=None)

    report = sync_text(
        f"external_key,action_flags,match_on,first_name,nickname,email\n{key},{flags},first_name nickname |,,,\n",
        on_error="skip",
    )

    if expected == "empty-match":
        assert codes(report) == [(2, "empty-match", "")]
    else:
        assert outcomes(report) == {expected: 1}
    assert Person.objects.filter(pk=nameless.pk).exists()
    assert keys_of(nameless) == set()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("c", {"unchanged": 1}), ("u", {"updated": 1}), ("cu", {"updated": 1}), ("d*", {"deleted": 1})],
)
@pytest.mark.parametrize("others", [0, 1, 2])
def test_the_linked_object_is_the_object_whatever_the_match_finds(
    sync_text: Sync, flags: str, expected: dict[str, int], others: int
) -> None:
    """I6: nothing, another one, or several."""
    anna = Person.objects.create(first_name="Anna", last_name="")
    link(anna, "K")
    matched = [Person.objects.create(first_name="Ben", last_name="") for _ in range(others)]

    report = sync_text(f"external_key,action_flags,match_on,first_name,last_name\nK,{flags},first_name,Ben,Ode\n")

    assert outcomes(report) == expected
    assert all(Person.objects.filter(pk=other.pk, last_name="").exists() for other in matched)
    if flags == "d*":
        assert not Person.objects.filter(pk=anna.pk).exists()
    else:
        anna.refresh_from_db()
        assert (anna.first_name, anna.last_name) == ("Anna", "Ode" if "u" in flags else "")


def test_rows_that_a_default_manager_hides_are_found(sync_text: Sync) -> None:
    """I1, I2: by key and by match; a second one is not made."""
    linked = Hidden.objects.create(name="a", is_hidden=True)
    Hidden.objects.create(name="b", is_hidden=True)
    link(linked, "1")

    report = sync_text(
        "external_key,action_flags,match_on,name,value\n1,cu*,name,a,x\n2,cu*,name,b,y\n", "testapp.Hidden"
    )

    assert outcomes(report) == {"updated": 2}
    hidden = Hidden._base_manager.order_by("name").values_list("name", "value", "is_hidden")
    assert list(hidden) == [("a", "x", True), ("b", "y", True)]


def test_mappings_of_text_and_uuid_keys_hold_them_as_text(sync_text: Sync) -> None:
    """I1, M1: and find their objects again."""
    assets = "external_key,action_flags,name\nA1,cu*,Lamp\n"
    currencies = "external_key,action_flags,code,name\nC1,cu*,EUR,Euro\n"

    for text, model in ((assets, Asset), (currencies, Currency)):
        assert outcomes(sync_text(text, model)) == {"created": 1}
        assert outcomes(sync_text(text, model)) == {"unchanged": 1}

    ids = set(ExternalKeyMapping.objects.values_list("object_id", flat=True))
    assert ids == {str(Asset.objects.get().pk), "EUR"}
