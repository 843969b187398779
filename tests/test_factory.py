"""Actions from something other than a file: built in code, run by a policy or by hand (rule P2)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from nsync import ActionFactory, ConfigError, RowError, SyncActions, SyncOptions
from nsync.actions import ActionFactory as FromActions
from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy, SyncPolicy, TransactionSyncPolicy
from tests.telling import keys_of
from tests.testapp.models import Company, Contractor, House, Person, Tag

pytestmark = pytest.mark.django_db
CREATE_UPDATE = SyncActions(create=True, update=True, force=True)


@pytest.fixture
def system(db: None) -> ExternalSystem:
    return ExternalSystem.objects.create(name="HR")


def counts(factory: ActionFactory) -> dict[str, int]:
    return {kind.value: count for kind, count in factory.counts.items()}


def codes(factory: ActionFactory) -> list[str]:
    return [problem.code for entry in factory.details() for problem in entry.problems]


@pytest.mark.parametrize(
    ("flags", "kinds"),
    [
        ({}, []),
        ({"create": True}, ["create"]),
        ({"update": True, "force": True}, ["update"]),
        ({"create": True, "update": True}, ["create", "update"]),
        ({"delete": True}, ["delete"]),
        ({"delete": True, "force": True}, ["delete"]),
    ],
    ids=str,
)
def test_flags_say_which_actions_are_built(flags: dict[str, bool], kinds: list[str]) -> None:
    """P2, F1: none, one or two; nothing is applied by building them."""
    built = ActionFactory(Person).build(SyncActions(**flags), ["first_name"], None, {"first_name": "Bruce"})

    assert [action.type for action in built] == kinds
    assert not Person.objects.exists()


@pytest.mark.parametrize("other", ["create", "update"])
def test_a_delete_goes_with_nothing_else(other: str) -> None:
    """P2, F2."""
    with pytest.raises(ValueError, match="delete"):
        SyncActions(delete=True, **{other: True})


def test_the_factory_has_its_old_home_too() -> None:
    """P2."""
    assert FromActions is ActionFactory


def test_an_action_executed_by_hand_gives_the_object(system: ExternalSystem) -> None:
    """P2, P1: created, with its mapping; then updated; then None, once it is gone."""
    factory = ActionFactory(Person, system)

    create, update = factory.build(CREATE_UPDATE, ["first_name"], "b1", {"first_name": "Bruce", "age": 40})
    made = create.execute()
    assert made == update.execute() == Person.objects.get()
    assert keys_of(made) == {("HR", "b1")}

    (delete,) = factory.build(SyncActions(delete=True, force=True), [], "b1", {})
    assert delete.execute() is None
    assert not Person.objects.exists()
    assert not ExternalKeyMapping.objects.exists()
    assert counts(factory) == {"created": 1, "deleted": 1}


def test_values_may_be_typed_or_text() -> None:
    """P2, V1: what a database, JSON or a form gives."""
    fields = {
        "first_name": "Bruce",
        "age": 40,
        "salary": Decimal("1.50"),
        "birthday": datetime.date(1984, 2, 19),
        "active": False,
        "nickname": None,
        "email": "",
    }
    text = {**fields, "age": "40", "salary": "1.50", "birthday": "1984-02-19", "active": "no", "nickname": ""}

    for number, given in enumerate((fields, text)):
        for action in ActionFactory(Person).build(CREATE_UPDATE, "employee_id", "", {**given, "employee_id": number}):
            action.execute()

    first, second = Person.objects.order_by("employee_id").values(*fields)
    assert first == second == {**fields, "nickname": None}


@pytest.mark.parametrize("match_on", [["first_name", "last_name"], "first_name last_name", "first_name last_name &"])
def test_a_match_is_a_list_of_names_or_an_expression(match_on: str | Sequence[str]) -> None:
    """P2, I2."""
    wayne = Person.objects.create(first_name="Bruce", last_name="Wayne")
    Person.objects.create(first_name="Bruce", last_name="Banner")

    (update,) = ActionFactory("testapp.Person").build(
        SyncActions(update=True, force=True), match_on, None, {"first_name": "Bruce", "last_name": "Wayne", "age": 1}
    )

    assert update.execute() == wayne
    assert Person.objects.get(age=1) == wayne


def test_references_and_relations_are_fields_too(system: ExternalSystem) -> None:
    """P2, R1, R3."""
    Company.objects.create(name="Wayne Enterprises")
    for name in "ab":
        Tag.objects.create(name=name)

    for action in ActionFactory(Person, system).build(
        CREATE_UPDATE,
        ["first_name"],
        "b1",
        {"first_name": "Bruce", "company=>name": "Wayne Enterprises", "tags=>+name": "a|b"},
    ):
        bruce = action.execute()

    assert bruce is not None
    assert bruce.company.name == "Wayne Enterprises"
    assert bruce.tags.count() == 2


@pytest.mark.parametrize(
    ("fields", "match_on", "key"),
    [
        pytest.param({"nobody=>name": "x"}, "", "k", id="no such relation"),
        pytest.param({"first_name": "x"}, "", "k", id="a key without a system"),
    ],
)
def test_a_wrong_name_is_a_configuration_error(fields: dict[str, Any], match_on: str, key: str) -> None:
    """P2, C6."""
    with pytest.raises(ConfigError):
        ActionFactory(Person).build(CREATE_UPDATE, match_on, key, fields)


def test_a_value_that_does_not_convert_is_an_error_when_it_is_built() -> None:
    """P2, V1."""
    with pytest.raises(RowError, match="age"):
        ActionFactory(Person).build(CREATE_UPDATE, "first_name", None, {"first_name": "Bruce", "age": "old"})


def test_a_row_that_fails_is_recorded_and_raises_nothing() -> None:
    """P1, P2."""
    Person.objects.create(first_name="Alfred", employee_id="1")
    factory = ActionFactory(Person)

    (create,) = factory.build(SyncActions(create=True), "first_name", "", {"first_name": "Bruce", "employee_id": "1"})

    assert create.execute() is None
    assert counts(factory) == {"failed": 1}
    assert codes(factory) == ["unique"]
    assert Person.objects.count() == 1


def rows(system: ExternalSystem) -> tuple[ActionFactory, ActionFactory, list[Any]]:
    """Build rows of two models, in an order that only the ordered policy, or waiting, makes good."""
    houses, persons = ActionFactory(House, system), ActionFactory(Person, system)
    actions = [
        *houses.build(SyncActions(update=True, force=True), "address", "", {"address": "Cave", "floors": 9}),
        *houses.build(CREATE_UPDATE, "address", "h1", {"address": "Cave", "owner=>external_key": "p1"}),
        *persons.build(SyncActions(delete=True, force=True), "first_name", "", {"first_name": "Jason"}),
        *persons.build(SyncActions(create=True), "first_name", "p1", {"first_name": "Bruce"}),
        *persons.build(SyncActions(create=True), "first_name", "p2", {"first_name": "Jason"}),
    ]
    return houses, persons, actions


@pytest.mark.parametrize(
    ("policy", "floors", "left"),
    [
        pytest.param(BasicSyncPolicy, None, {"Bruce", "Jason"}, id="basic"),
        pytest.param(SyncPolicy, None, {"Bruce", "Jason"}, id="base"),
        pytest.param(OrderedSyncPolicy, 9, {"Bruce"}, id="ordered"),
        pytest.param(
            lambda actions: TransactionSyncPolicy(OrderedSyncPolicy(actions)), 9, {"Bruce"}, id="in a transaction"
        ),
    ],
)
def test_policies_execute_actions_that_were_built(
    system: ExternalSystem, policy: Any, floors: int | None, left: set[str]
) -> None:
    """P2, T2, R6: in their order, over several models; the house's owner, who comes later, is set at the end."""
    houses, _, actions = rows(system)

    policy(actions).execute()

    assert House.objects.get().floors == floors
    assert House.objects.get().owner.first_name == "Bruce"
    assert set(Person.objects.values_list("first_name", flat=True)) == left
    assert codes(houses) == (["no-match"] if floors is None else [])


def test_a_policy_that_ends_in_an_error_keeps_nothing_in_a_transaction(system: ExternalSystem) -> None:
    """P2: TransactionSyncPolicy."""
    _, _, actions = rows(system)

    class Broken(BasicSyncPolicy):
        def execute(self) -> None:
            super().execute()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        TransactionSyncPolicy(Broken(actions)).execute()

    assert not House.objects.exists()
    assert not Person.objects.exists()


def test_actions_may_be_generated_one_by_one() -> None:
    """P2, P1: a policy that walks once needs no list."""
    factory = ActionFactory(Person)

    def generated() -> Iterator[Any]:
        for name in ("Bruce", "Bruce", "Dick"):
            yield from factory.build(CREATE_UPDATE, ["first_name"], None, {"first_name": name})

    class Plain:
        def __init__(self, actions: Iterator[Any]) -> None:
            self.actions = actions

        def execute(self) -> None:
            for action in self.actions:
                action.execute()

    Plain(generated()).execute()

    assert counts(factory) == {"created": 2, "unchanged": 1}


def test_options_say_how_values_are_read(system: ExternalSystem) -> None:
    """P2, V1, R5."""
    factory = ActionFactory(Person, system, SyncOptions(decimal_comma=True, on_missing_reference="error"))

    fields = {"first_name": "Bruce", "salary": "1.234,5", "company=>name": "Nowhere"}
    BasicSyncPolicy(factory.build(CREATE_UPDATE, "first_name", "b1", fields)).execute()
    BasicSyncPolicy(factory.build(CREATE_UPDATE, "first_name", "b1", {**fields, "company=>name": ""})).execute()

    assert Person.objects.get().salary == Decimal("1234.50")
    assert counts(factory) == {"failed": 1, "created": 1}


def test_a_proxy_is_given_back_as_a_proxy(system: ExternalSystem) -> None:
    """P2, I1: its mapping is that of the model behind it."""
    (create,) = ActionFactory(Contractor, system).build(SyncActions(create=True), "", "c1", {"first_name": "Bob"})

    made = create.execute()

    assert type(made) is Contractor
    assert keys_of(Person.objects.get()) == {("HR", "c1")}


@pytest.mark.parametrize("control", ["match_on", "action_flags", "external_key"])
def test_a_field_of_a_control_column_s_name_is_no_field(system: ExternalSystem, control: str) -> None:
    """P2, C1: what build() is told by its arguments cannot be told by fields as well."""
    with pytest.raises(ConfigError, match=control):
        ActionFactory(Person, system).build(CREATE_UPDATE, "first_name", "k", {"first_name": "A", control: "x"})
