"""Objects, mappings and history lie on one database: the one that is asked for, or that routers choose (rule T9)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.db import connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

from nsync import ActionFactory, SyncActions, SyncOptions
from nsync.errors import ConfigError
from nsync.models import ExternalKeyMapping, ExternalSystem
from nsync.policies import BasicSyncPolicy, TransactionSyncPolicy
from nsync.record.report import Report
from tests.telling import codes, outcomes
from tests.testapp.models import Employee, House, Node, Person, Profile, Saved, SavedBare, Tag

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db(databases=["default", "other"])


class _Router:
    """Sends each app to the database that it names."""

    homes: dict[str, str] = {}

    def db_for_write(self, model: Any, **_: Any) -> str | None:
        return self.homes.get(model._meta.app_label)

    db_for_read = db_for_write


class Separating(_Router):
    homes = {"testapp": "other"}


class SendingBoth(_Router):
    homes = {"testapp": "other", "nsync": "other", "contenttypes": "other"}


class WithoutMappings(SendingBoth):
    """No table of nsync is on the other database."""

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return False if (db, app_label) == ("other", "nsync") else None


class WithoutModels(_Router):
    """No table of the tests' app is on the other database."""

    def allow_migrate(self, db: str, app_label: str, **_: Any) -> bool | None:
        return False if (db, app_label) == ("other", "testapp") else None


def route(router: type) -> Any:
    return override_settings(DATABASE_ROUTERS=[f"{__name__}.{router.__name__}"])


TEXTS = {
    "objects and keys": (Person, "external_key,action_flags,first_name,age\n1,cu*,Bruce,40\n2,cu*,Dick,20\n"),
    "relations": (
        Node,
        "external_key,action_flags,code,name,parent=>external_key\n1,cu*,1,a,2\n2,cu*,2,b,\n3,cu*,3,c,3\n",
    ),
    "a child model": (Employee, "external_key,action_flags,first_name,staff_number\n1,cu*,Alfred,S1\n"),
    "an own save()": (Saved, "external_key,action_flags,name,value\n1,cu*,a,x\n"),
    "a bare save()": (SavedBare, "external_key,action_flags,name,value\n1,cu*,a,x\n"),
    "a property": (Profile, "external_key,action_flags,login,full_name\n1,cu*,a,Alfred Pennyworth\n"),
}


@pytest.mark.parametrize(("model", "text"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("options", [{}, {"as_transaction": False}, {"dry_run": True}, {"validate": True}], ids=str)
def test_a_run_on_another_database_leaves_the_default_one_alone(
    sync_text: Sync, model: Any, text: str, options: dict[str, Any]
) -> None:
    """T9: --database; not one query goes to the default database."""
    with CaptureQueriesContext(connections["default"]) as queries:
        report = sync_text(text, model, database="other", **options)

    assert len(queries) == 0, queries.captured_queries
    count = 0 if "dry_run" in options else len(text.splitlines()) - 1
    assert outcomes(report) == {"created": len(text.splitlines()) - 1}
    assert (report.errors, report.error) == ({}, "")
    assert model.objects.using("other").count() == count
    assert ExternalKeyMapping.objects.using("other").count() == count
    assert ExternalSystem.objects.using("other").count() == bool(count)
    assert not model.objects.exists()
    assert not ExternalKeyMapping.objects.exists()
    assert not ExternalSystem.objects.exists()


def test_updates_relations_and_deletions_stay_there_too(sync_text: Sync) -> None:
    """T9, A3, A5, R3, R6: and objects of the default database with the same keys and values are not seen."""
    for using in ("default", "other"):
        bruce = Person.objects.using(using).create(first_name="Bruce")
        House.objects.using(using).create(address="Manor", owner=bruce)
        Tag.objects.using(using).create(name="hero")

    with CaptureQueriesContext(connections["default"]) as queries:
        report = sync_text(
            "external_key,action_flags,match_on,first_name,age,tags=>=name,houses=>address,manager=>first_name\n"
            "1,u*,first_name,Bruce,40,hero,Manor,\n2,cu*,first_name,Dick,20,hero,,Jason\n"
            "3,c,first_name,Jason,,,,\n1,d*,first_name,Bruce,,,,\n",
            database="other",
        )

    assert len(queries) == 0, queries.captured_queries
    assert outcomes(report) == {"created": 2, "updated": 1, "deleted": 1}
    assert codes(report) == []
    dick = Person.objects.using("other").get(first_name="Dick")
    assert (dick.tags.count(), dick.manager.first_name) == (1, "Jason")
    assert not House.objects.using("other").exists()
    assert Person.objects.get().age is None
    assert House.objects.exists()


def test_validation_does_not_look_into_the_default_database(sync_text: Sync) -> None:
    """T9, V5: a unique value may be there; here it is refused only if it is taken here."""
    Saved.objects.using("default").create(name="A")
    Saved.objects.using("other").create(name="B")

    report = sync_text("action_flags,match_on,name\nc,name,A\n", Saved, database="other", validate=True)
    refused = sync_text("external_key,action_flags,name\n1,c,B\n", Saved, database="other", validate=True)

    assert outcomes(report) == {"created": 1}
    assert [code for _, code, _ in codes(refused)] == ["unique"]


def test_content_types_are_those_of_the_other_database(sync_text: Sync) -> None:
    """T9, M1: the same model may have another number there."""
    ContentType.objects.using("other").filter(app_label="testapp").delete()
    ContentType.objects.clear_cache()

    sync_text(TEXTS["objects and keys"][1], database="other")
    again = sync_text(TEXTS["objects and keys"][1], database="other")

    found = ContentType.objects.using("other").get(app_label="testapp", model="person")
    assert set(ExternalKeyMapping.objects.using("other").values_list("content_type", flat=True)) == {found.pk}
    assert outcomes(again) == {"unchanged": 2}


def test_a_failed_run_rolls_the_other_database_back(sync_text: Sync) -> None:
    """T9, T4."""
    report = sync_text("external_key,action_flags,first_name,age\n1,c,A,1\n2,c,B,old\n", database="other")

    assert not report.committed
    assert not Person.objects.using("other").exists()
    assert not ExternalSystem.objects.using("other").exists()


def test_actions_built_in_code_may_act_there(sync_text: Sync) -> None:
    """T9, P2."""
    system = ExternalSystem.objects.using("other").create(name="HR")
    factory = ActionFactory(Person, system, SyncOptions(database="other"))
    actions = factory.build(SyncActions(create=True), "", "1", {"first_name": "Bruce"})

    TransactionSyncPolicy(BasicSyncPolicy(actions), using="other").execute()

    assert Person.objects.using("other").count() == 1
    assert not Person.objects.exists()


# --- routers --------------------------------------------------------------------------------------------------------


def test_a_router_that_separates_them_is_a_configuration_error(sync_text: Sync) -> None:
    """T9: the message names both, and what would work."""
    with route(Separating), pytest.raises(ConfigError, match=r"'other'.*'default'.*--database"):
        sync_text(TEXTS["objects and keys"][1])


def test_with_a_database_that_is_asked_for_the_router_is_not(sync_text: Sync) -> None:
    """T9."""
    with route(Separating):
        sync_text(TEXTS["objects and keys"][1], database="other")

    assert Person.objects.using("other").count() == ExternalKeyMapping.objects.using("other").count() == 2


def test_a_router_that_sends_both_elsewhere_is_followed(sync_text: Sync) -> None:
    """T9."""
    with route(SendingBoth):
        sync_text(TEXTS["relations"][1], Node)

    assert Node.objects.using("other").count() == ExternalKeyMapping.objects.using("other").count() == 3
    assert not Node.objects.using("default").exists()


@pytest.mark.parametrize(
    ("router", "options"),
    [(WithoutMappings, {}), (WithoutMappings, {"database": "other"}), (WithoutModels, {"database": "other"})],
)
def test_a_database_without_the_tables_is_a_configuration_error(
    sync_text: Sync, router: type, options: dict[str, Any]
) -> None:
    """T9, C6: not a traceback."""
    with route(router), pytest.raises(ConfigError, match="other"):
        sync_text(TEXTS["objects and keys"][1], **options)


def test_an_unknown_database_is_a_configuration_error(sync_text: Sync) -> None:
    """T9: the message names those there are."""
    with pytest.raises(ConfigError, match="default, other"):
        sync_text(TEXTS["objects and keys"][1], database="othre")
