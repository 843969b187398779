"""What a file may not do: columns that hand out power (rule S1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.test.utils import isolate_apps

from nsync.errors import ConfigError
from nsync.models import ExternalSystem
from nsync.record.report import Report
from tests.telling import keys_of, notes, outcomes
from tests.testapp.models import Contractor, Employee, House, Passport, Person, Profile, Room, Tag, TeamPlace

UserGroup = User.groups.through
GroupPermission = Group.permissions.through


def refused(sync_text: Callable[..., Report], model: type[Any], column: str, **options: Any) -> str:
    """Give the message with which a file that has a column is refused; nothing is written."""
    with pytest.raises(ConfigError) as caught:
        sync_text(f"external_key,{column}\nK,1\n", model, action_flags="cu*", **options)
    assert not ExternalSystem.objects.exists()
    return str(caught.value)


@pytest.mark.parametrize(
    ("model", "column", "field"),
    [
        # the user's own columns
        (User, "password", "auth.User.password"),
        (User, "is_superuser", "auth.User.is_superuser"),
        (User, "is_staff", "auth.User.is_staff"),
        (User, " is_staff ", "auth.User.is_staff"),
        (User, "groups=>+name", "auth.User.groups"),
        (User, "groups=>=external_key", "auth.User.groups"),
        (User, "groups=>-external_key@HR", "auth.User.groups"),
        (User, "groups", "auth.User.groups"),
        (User, "user_permissions=>+codename", "auth.User.user_permissions"),
        (User, "user_permissions", "auth.User.user_permissions"),
        # matched
        (User, "password__startswith", "auth.User.password"),
        (User, "is_staff__exact", "auth.User.is_staff"),
        (User, "groups__name__iexact", "auth.User.groups"),
        (User, "groups__isnull", "auth.User.groups"),
        # followed
        (LogEntry, "user=>password", "auth.User.password"),
        (LogEntry, "user=>is_superuser", "auth.User.is_superuser"),
        (LogEntry, "user=>password__startswith", "auth.User.password"),
        (LogEntry, "user=>groups__name", "auth.User.groups"),
        (LogEntry, "user__password__startswith", "auth.User.password"),
        (LogEntry, "user=>User_groups+__group__name", "auth.User_groups.user"),  # a name that Django hides
        (LogEntry, "content_type=>permission__group__name", "auth.Group.permissions"),
        (LogEntry, "content_type=>permission__user__username", "auth.User.user_permissions"),
        # from the other side
        (Group, "user=>+username", "auth.User.groups"),
        (Group, "user_set=>=username", "auth.User.groups"),
        (Group, "user", "auth.User.groups"),
        (Group, "user__username__iexact", "auth.User.groups"),
        (Group, "permissions=>+codename", "auth.Group.permissions"),
        (Group, "permissions", "auth.Group.permissions"),
        (Permission, "user=>+username", "auth.User.user_permissions"),
        (Permission, "user_set=>+username", "auth.User.user_permissions"),
        (Permission, "group=>+name", "auth.Group.permissions"),
        (Permission, "group_set=>+name", "auth.Group.permissions"),
        # the tables between
        (UserGroup, "user=>username", "auth.User_groups.user"),
        (UserGroup, "user", "auth.User_groups.user"),
        (UserGroup, "user_id", "auth.User_groups.user"),
        (UserGroup, "group=>name", "auth.User_groups.group"),
        (UserGroup, "id__gte", "auth.User_groups.id"),
        (GroupPermission, "permission=>codename", "auth.Group_permissions.permission"),
        (User.user_permissions.through, "permission_id", "auth.User_user_permissions.permission"),
    ],
)
def test_columns_that_hand_out_power_are_refused_and_the_message_names_the_cures(
    sync_text: Callable[..., Report], model: type[Any], column: str, field: str
) -> None:
    """S1: neither written nor matched nor followed."""
    message = refused(sync_text, model, column)

    assert f"column {column.strip()!r}" in message
    assert field in message
    assert f"--map '{column.strip()}='" in message
    assert f"--allow-column {field}" in message


@pytest.mark.parametrize("target", ["is_superuser", "password", "groups=>+name", "password__startswith"])
def test_another_header_hides_nothing(sync_text: Callable[..., Report], target: str) -> None:
    """S1, C2: the target of --map counts."""
    assert "hands out power" in refused(sync_text, User, "Note", map=(("Note", target),))


@pytest.mark.parametrize("target", ["is_superuser", "groups=>+name"])
def test_a_constant_is_refused_too(sync_text: Callable[..., Report], target: str) -> None:
    """S1, C2: --set."""
    assert "hands out power" in refused(sync_text, User, "username", set=((target, "1"),))


@isolate_apps("tests.testapp")
@pytest.mark.parametrize("column", ["is_superuser", "groups=>+name"])
def test_a_proxy_of_the_user_model_is_guarded_as_it_is(sync_text: Callable[..., Report], column: str) -> None:
    """S1: the same columns under another name."""

    class Staff(User):
        class Meta:
            proxy = True
            app_label = "testapp"

    assert "hands out power" in refused(sync_text, Staff, column)


def test_other_columns_of_users_are_synced(sync_text: Callable[..., Report]) -> None:
    """S1: a user may be referred to, and a group named."""
    text = "external_key,username,email,is_active\nB1,bruce,b@example.org,yes\n"
    assert outcomes(sync_text(text, User, action_flags="c", set=(("last_login", ""),))) == {"created": 1}
    bruce = User.objects.get()
    assert (bruce.is_superuser, bruce.is_staff, bruce.password) == (False, False, "")
    assert keys_of(bruce) == {("HR", "B1")}

    assert outcomes(sync_text("name\nOps\n", Group, action_flags="c", match_on="name")) == {"created": 1}
    kind = ContentType.objects.get_for_model(Person).pk
    text = f"action_flag,object_repr,content_type,change_message,user=>external_key\n1,x,{kind},y,B1\n"
    assert outcomes(sync_text(text, LogEntry, action_flags="c", match_on="object_repr")) == {"created": 1}
    assert LogEntry.objects.get().user == bruce


# --- the cures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{"map": (("is_superuser", ""),)}, {"only_columns": ("username", "email")}])
def test_a_column_that_the_run_leaves_out_is_no_danger(
    sync_text: Callable[..., Report], options: dict[str, Any]
) -> None:
    """S1, C2: dropped, or not among --only-columns."""
    text = "external_key,username,email,is_superuser\nB1,bruce,b@example.org,yes\n"

    report = sync_text(text, User, action_flags="c", **options)

    assert outcomes(report) == {"created": 1}
    assert User.objects.values_list("email", "is_superuser").get() == ("b@example.org", False)


def test_only_columns_limits_the_run_and_keeps_the_control_columns(sync_text: Callable[..., Report]) -> None:
    """S1: --only-columns names headers or targets; what is left out can neither be written nor matched."""
    text = (
        "external_key,action_flags,match_on,first_name,Years,nickname,company=>name\nB1,c,first_name,Bruce,41,Bat,A\n"
    )
    options = {"map": (("Years", "age"),), "only_columns": ("first_name", "age")}

    report = sync_text(text, **options)

    assert outcomes(report) == {"created": 1}
    assert Person.objects.values_list("first_name", "age", "nickname").get() == ("Bruce", 41, None)
    assert keys_of(Person.objects.get()) == {("HR", "B1")}
    assert notes(report) == []
    with pytest.raises(ConfigError, match="nickname"):
        sync_text(text, match_on="nickname", **options)


@pytest.mark.parametrize("allowed", ["is_staff", "auth.User.is_staff"])
def test_an_allowed_column_is_written_matched_and_followed(sync_text: Callable[..., Report], allowed: str) -> None:
    """S1: --allow-column; the others stay refused."""
    text = "username,is_staff\nbruce,yes\n"
    options = {"action_flags": "cu*", "match_on": "username is_staff", "allow_columns": (allowed,)}

    assert outcomes(sync_text(text, User, **options)) == {"created": 1}
    assert User.objects.get().is_staff
    assert outcomes(sync_text(text, User, **options)) == {"unchanged": 1}
    with pytest.raises(ConfigError, match="is_superuser"):
        sync_text("username,is_staff,is_superuser\nbruce,no,yes\n", User, **options)
    assert User.objects.get().is_staff


@pytest.mark.parametrize(
    ("model", "text", "options"),
    [
        (User, "username,Power\nbruce,yes\n", {"map": (("Power", "is_superuser"),), "match_on": "username"}),
        (User, "username,groups=>+name\nbruce,Ops\n", {"match_on": "username"}),
        (Group, "name,user=>+username\nOps,bruce\n", {"match_on": "name"}),
        (Group, "name,permissions=>=codename\nOps,add_person\n", {"match_on": "name"}),
        (Permission, "codename,group_set=>+name\nadd_person,Ops\n", {"match_on": "codename"}),
    ],
    ids=["mapped", "groups", "the group's users", "the group's permissions", "the permission's groups"],
)
def test_the_cure_that_the_message_names_works(
    sync_text: Callable[..., Report], model: type[Any], text: str, options: dict[str, Any]
) -> None:
    """S1: --allow-column takes what the message says, and it is then written."""
    User.objects.create(username="bruce")
    Group.objects.create(name="Ops")
    options = {"action_flags": "u*", **options}
    with pytest.raises(ConfigError) as caught:
        sync_text(text, model, **options)
    cure = re.search(r"--allow-column (\S+)", str(caught.value))
    assert cure is not None

    assert outcomes(sync_text(text, model, allow_columns=(cure[1],), **options)) == {"updated": 1}
    assert outcomes(sync_text(text, model, allow_columns=(cure[1],), **options)) == {"unchanged": 1}


def test_a_table_between_needs_each_of_its_columns_allowed(sync_text: Callable[..., Report]) -> None:
    """S1: as a target model."""
    bruce, ops = User.objects.create(username="bruce"), Group.objects.create(name="Ops")
    text = "external_key,user=>username,group=>name\n1,bruce,Ops\n"

    with pytest.raises(ConfigError, match="group"):
        sync_text(text, UserGroup, action_flags="c", allow_columns=("auth.User_groups.user",))
    both = ("auth.User_groups.user", "auth.User_groups.group")
    assert outcomes(sync_text(text, UserGroup, action_flags="c", allow_columns=both)) == {"created": 1}
    assert set(bruce.groups.all()) == {ops}


# --- NSYNC["NEVER_WRITE"] -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("never", "model", "column"),
    [
        ("testapp.Person.age", Person, "age"),
        ("testapp.Person.age", Contractor, "age"),
        ("testapp.Person.age", Employee, "age__gte"),
        ("testapp.Employee.age", Person, "age"),
        ("testapp.Contractor.age", Person, "age"),
        ("testapp.Person.age", House, "owner=>age"),
        ("testapp.Person.age", Room, "house=>owner__age"),
        ("testapp.Person.age", Passport, "person__age__gte"),
        ("testapp.House.owner", House, "owner"),
        ("testapp.House.owner", House, "owner_id"),
        ("testapp.House.owner_id", House, "owner=>first_name"),
        ("testapp.House.owner", House, "owner__first_name__iexact"),
        ("testapp.House.owner", Room, "house=>owner__first_name"),
        ("testapp.House.owner", Room, "house=>owner"),
        ("testapp.House.owner", Person, "houses=>address"),
        ("testapp.House.owner", Person, "houses"),
        ("testapp.House.owner", Employee, "houses=>address"),
        ("testapp.Person.houses", Person, "houses=>address"),
        ("testapp.Person.houses", House, "owner=>first_name"),
        ("testapp.Passport.person", Person, "passport=>number"),
        ("testapp.Person.tags", Person, "tags=>+name"),
        ("testapp.Person.tags", Tag, "persons=>+first_name"),
        ("testapp.Tag.persons", Person, "tags=>+name"),
        ("testapp.Person.tags", Person.tags.through, "tag=>name"),
        ("testapp.Team.members", Person, "teams=>+name"),
        ("testapp.Team.members", TeamPlace, "person=>first_name"),
        ("testapp.Team.members", TeamPlace, "role"),
        ("testapp.Team.members", Person, "teamplace=>role"),
        ("testapp.Person.id", Person, "pk"),
        ("testapp.person.id", Person, "id"),
        ("testapp.Person.modified", Person, "modified"),
    ],
)
def test_a_project_may_guard_fields_of_its_own(
    sync_text: Callable[..., Report], settings: Any, never: str, model: type[Any], column: str
) -> None:
    """S1: NEVER_WRITE guards a relation from both sides, its table between, and what leads through it."""
    settings.NSYNC = {"NEVER_WRITE": [never]}

    assert "hands out power" in refused(sync_text, model, column)


def test_never_write_is_lifted_by_allow_column_and_touches_nothing_else(
    sync_text: Callable[..., Report], settings: Any
) -> None:
    """S1."""
    settings.NSYNC = {"NEVER_WRITE": ["testapp.Person.age"]}
    options = {"action_flags": "cu*", "match_on": "first_name"}

    assert outcomes(sync_text("first_name,nickname\nBruce,Bat\n", **options)) == {"created": 1}
    report = sync_text("first_name,age\nBruce,41\n", allow_columns=("testapp.Person.age",), **options)
    assert outcomes(report) == {"updated": 1}


@pytest.mark.parametrize(
    "label", ["age", "Person.age", "testapp.Prson.age", "testapp.Person.agge", "nope.Person.age", ""]
)
def test_a_guard_that_guards_nothing_is_refused(sync_text: Callable[..., Report], settings: Any, label: str) -> None:
    """S1: a typing error in NEVER_WRITE must not leave a door open."""
    settings.NSYNC = {"NEVER_WRITE": [label]}

    with pytest.raises(ConfigError, match="NEVER_WRITE"):
        sync_text("first_name\nBruce\n", action_flags="c", match_on="first_name")


def test_a_user_model_of_ones_own_is_guarded(sync_text: Callable[..., Report], settings: Any) -> None:
    """S1: the user model is the one that AUTH_USER_MODEL names."""
    settings.AUTH_USER_MODEL = "testapp.Profile"
    settings.NSYNC = {"NEVER_WRITE": ["testapp.Profile.secret_hash"]}

    assert "hands out power" in refused(sync_text, Profile, "secret_hash")
