"""The admin pages of systems and key mappings."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse

from nsync.models import ExternalKeyMapping, ExternalSystem
from tests.testapp.models import House, Person

MAPPINGS = "admin:nsync_externalkeymapping_changelist"


@pytest.fixture
def system(db: None) -> ExternalSystem:
    return ExternalSystem.objects.create(name="HR", description="The staff office")


def map_object(system: ExternalSystem, key: str, model: type, object_id: object) -> ExternalKeyMapping:
    content_type = ContentType.objects.get_for_model(model)
    return ExternalKeyMapping.objects.create(
        external_system=system, content_type=content_type, external_key=key, object_id=str(object_id)
    )


def keys_shown(client: Client, **query: Any) -> list[str]:
    """The keys that the list of mappings shows."""
    response = client.get(reverse(MAPPINGS), query)
    assert response.status_code == 200, response.headers
    return sorted(mapping.external_key for mapping in response.context["cl"].result_list)


def test_a_mapping_links_to_the_admin_page_of_its_object(admin_client: Client, system: ExternalSystem) -> None:
    person = Person.objects.create(first_name="Bruce")
    map_object(system, "P1", Person, person.pk)

    page = admin_client.get(reverse(MAPPINGS)).content.decode()

    link = re.search(rf'<a href="([^"]+)">person {person.pk}</a>', page)
    assert link
    assert admin_client.get(link[1]).context["original"] == person


def test_an_object_id_with_a_slash_is_linked_too(admin_client: Client, system: ExternalSystem) -> None:
    """M1: object ids are text."""
    mapping = map_object(system, "P1", Person, "a/b")

    page = admin_client.get(reverse("admin:nsync_externalkeymapping_change", args=[mapping.pk])).content.decode()

    assert '<a href="/admin/testapp/person/a_2Fb/change/">person a/b</a>' in page


def test_a_mapping_to_a_model_without_an_admin_page_names_its_object(
    admin_client: Client, system: ExternalSystem
) -> None:
    map_object(system, "H1", House, 7)

    page = admin_client.get(reverse(MAPPINGS)).content.decode()

    assert "house 7" in page
    assert ">house 7</a>" not in page


def test_a_mapping_to_a_model_that_is_gone_is_shown(admin_client: Client, system: ExternalSystem) -> None:
    gone = ContentType.objects.create(app_label="zoo", model="dodo")
    ExternalKeyMapping.objects.create(external_system=system, content_type=gone, external_key="D1", object_id="3")

    page = admin_client.get(reverse(MAPPINGS)).content.decode()

    assert "zoo.dodo 3" in page


def test_mappings_are_found_by_key_and_by_object_id(admin_client: Client, system: ExternalSystem) -> None:
    map_object(system, "ABC-1", Person, 11)
    map_object(system, "ABC-2", Person, 12)

    assert keys_shown(admin_client, q="ABC") == ["ABC-1", "ABC-2"]
    assert keys_shown(admin_client, q="BC-2") == ["ABC-2"]
    assert keys_shown(admin_client, q="11") == ["ABC-1"]


def test_mappings_are_filtered_by_system_and_by_model(admin_client: Client, system: ExternalSystem) -> None:
    other = ExternalSystem.objects.create(name="ERP")
    map_object(system, "P1", Person, 1)
    map_object(system, "H1", House, 1)
    map_object(other, "P2", Person, 1)
    person = ContentType.objects.get_for_model(Person)

    assert keys_shown(admin_client, external_system__id__exact=other.pk) == ["P2"]
    assert keys_shown(admin_client, content_type__id__exact=person.pk) == ["P1", "P2"]


def test_the_list_of_mappings_takes_as_many_queries_for_fifty_as_for_one(
    admin_client: Client, system: ExternalSystem, django_assert_max_num_queries: Any
) -> None:
    map_object(system, "P0", Person, 0)
    with django_assert_max_num_queries(20) as for_one:
        keys_shown(admin_client)
    for number in range(1, 50):
        map_object(ExternalSystem.objects.create(name=f"S{number}"), f"P{number}", Person, number)

    with django_assert_max_num_queries(len(for_one)):
        assert len(keys_shown(admin_client)) == 50


def test_a_system_links_to_its_mappings(admin_client: Client, system: ExternalSystem) -> None:
    map_object(system, "P1", Person, 1)
    map_object(ExternalSystem.objects.create(name="ERP"), "P2", Person, 1)

    page = admin_client.get(reverse("admin:nsync_externalsystem_changelist"), {"q": "HR"}).content.decode()

    link = re.search(r'<a href="([^"]+externalkeymapping[^"]+)">show</a>', page)
    assert link
    response = admin_client.get(link[1])
    assert [mapping.external_key for mapping in response.context["cl"].result_list] == ["P1"]


def test_a_mapping_is_added_by_hand(admin_client: Client, system: ExternalSystem) -> None:
    page = reverse("admin:nsync_externalkeymapping_add")
    assert admin_client.get(page).status_code == 200
    person = ContentType.objects.get_for_model(Person)
    values = {"external_system": system.pk, "content_type": person.pk, "external_key": "P1", "object_id": "5"}

    assert admin_client.post(page, values).status_code == 302

    assert str(ExternalKeyMapping.objects.get()) == "HR:P1-Person:5"
