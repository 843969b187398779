"""Columns that are properties: set with setattr when the object is written, once per row (rule V6)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db.models import Model
from django.db.models.signals import post_save
from django.test.utils import isolate_apps

from nsync.errors import ConfigError
from nsync.policies import OrderedSyncPolicy
from nsync.record.report import Report
from tests.telling import codes, notes, noting_saves, outcomes
from tests.testapp.models import Person, Product, Profile

CU = {"action_flags": "cu*", "match_on": "login"}


@pytest.fixture
def set_texts(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, str]]]:
    """Collect what the setters of `Profile` are given; they work as ever."""
    texts: list[tuple[str, str]] = []

    def noting(name: str) -> property:
        plain = Profile.__dict__[name]

        def setter(self: Profile, text: str) -> None:
            texts.append((name, text))
            plain.fset(self, text)

        return property(plain.fget, setter)

    for name in ("full_name", "secret"):
        monkeypatch.setattr(Profile, name, noting(name))
    return texts


def names() -> list[tuple[str, ...]]:
    """Give what the profiles hold."""
    return list(Profile.objects.order_by("login").values_list("login", "first_name", "last_name", "secret_hash"))


@pytest.mark.parametrize("policy", [None, OrderedSyncPolicy], ids=["basic", "ordered"])
@pytest.mark.parametrize("flags", ["c", "cu", "cu*"])
def test_a_new_object_gets_its_properties_once(
    sync_text: Callable[..., Report], set_texts: list[tuple[str, str]], flags: str, policy: Any
) -> None:
    """V6, A1: in the ordered policy too, where create and update are two phases; the second run sets what it must."""
    text = "login,full_name,secret\nbw,Bruce Wayne,abc\ndg,,\n"
    options = {"action_flags": flags, "match_on": "login", "policy": policy}

    report = sync_text(text, Profile, **options)

    assert outcomes(report) == {"created": 2}
    assert names() == [("bw", "Bruce", "Wayne", "cba"), ("dg", "", "", "")]
    assert set_texts == [("full_name", "Bruce Wayne"), ("secret", "abc")]
    with noting_saves() as saved:
        assert outcomes(sync_text(text, Profile, **options)) == {"unchanged": 2}
    assert saved == []
    # Without a getter nobody knows whether the secret is the same: it is set, and no field differs.
    assert set_texts[2:] == ([("secret", "abc")] if flags != "c" else [])


@pytest.mark.parametrize("policy", [None, OrderedSyncPolicy], ids=["basic", "ordered"])
@pytest.mark.parametrize(
    ("flags", "stored", "cell", "outcome", "after"),
    [
        ("u*", ("Bruce", "Wayne"), "Bruce Wayne", "unchanged", ("Bruce", "Wayne")),
        ("u*", ("Bruce", "Wayne"), "Bat Man", "updated", ("Bat", "Man")),
        ("cu*", ("Bruce", "Wayne"), "Bruce Banner", "updated", ("Bruce", "Banner")),
        ("u*", ("Bruce", "Wayne"), "", "updated", ("", "")),
        ("u*", ("", ""), "", "unchanged", ("", "")),
        ("u*", ("", ""), "Bat Man", "updated", ("Bat", "Man")),
        ("u", ("Bruce", "Wayne"), "Bat Man", "unchanged", ("Bruce", "Wayne")),
        ("cu", ("Bruce", "Wayne"), "Bat Man", "unchanged", ("Bruce", "Wayne")),
        ("u", ("Bruce", "Wayne"), "", "unchanged", ("Bruce", "Wayne")),
        ("u", ("", ""), "Bat Man", "updated", ("Bat", "Man")),  # A3: its text is empty
        ("u", ("", ""), "", "unchanged", ("", "")),
        ("c", ("Bruce", "Wayne"), "Bat Man", "unchanged", ("Bruce", "Wayne")),
    ],
)
def test_a_property_with_a_getter_changes_when_its_text_differs(
    sync_text: Callable[..., Report],
    set_texts: list[tuple[str, str]],
    flags: str,
    stored: tuple[str, str],
    cell: str,
    outcome: str,
    after: tuple[str, str],
    policy: Any,
) -> None:
    """V6, A3, A7: and only then is its setter called."""
    Profile.objects.create(login="bw", first_name=stored[0], last_name=stored[1])

    with noting_saves() as saved:
        report = sync_text(
            f"login,full_name\nbw,{cell}\n", Profile, action_flags=flags, match_on="login", policy=policy
        )

    assert outcomes(report) == {outcome: 1}
    assert names() == [("bw", *after, "")]
    assert set_texts == ([("full_name", cell)] if outcome == "updated" else [])
    assert len(saved) == (outcome == "updated")


@pytest.mark.parametrize(
    ("flags", "cell", "outcome", "secret_hash", "calls"),
    [
        ("u*", "cba", "unchanged", "abc", 1),
        ("u*", "xyz", "updated", "zyx", 1),
        ("u", "xyz", "updated", "zyx", 1),  # no getter: nobody can say that it is set already
        ("u*", "", "unchanged", "abc", 0),
        ("u", "", "unchanged", "abc", 0),
        ("c", "xyz", "unchanged", "abc", 0),
    ],
)
def test_a_property_without_a_getter_is_set_when_its_cell_is_not_empty(
    sync_text: Callable[..., Report],
    set_texts: list[tuple[str, str]],
    flags: str,
    cell: str,
    outcome: str,
    secret_hash: str,
    calls: int,
) -> None:
    """V6: what is saved are the fields that then differ; if none does, the row is unchanged."""
    Profile.objects.create(login="bw", secret_hash="abc")

    with noting_saves() as saved:
        report = sync_text(f"login,secret\nbw,{cell}\n", Profile, action_flags=flags, match_on="login")

    assert outcomes(report) == {outcome: 1}
    assert names() == [("bw", "", "", secret_hash)]
    assert len(set_texts) == calls
    assert len(saved) == (outcome == "updated")


def test_only_the_fields_that_differ_are_saved(sync_text: Callable[..., Report]) -> None:
    """V6, A7."""
    Profile.objects.create(login="bw", first_name="Bruce", last_name="Wayne")
    saved: list[Any] = []

    def note(sender: type[Model], update_fields: Any, **_: Any) -> None:
        if sender is Profile:
            saved.append(set(update_fields))

    post_save.connect(note)
    try:
        sync_text("login,full_name,secret\nbw,Bruce Banner,abc\n", Profile, **CU)
    finally:
        post_save.disconnect(note)

    assert saved == [{"last_name", "secret_hash"}]


def test_an_absent_cell_sets_nothing(sync_text: Callable[..., Report], set_texts: list[tuple[str, str]]) -> None:
    """V6, C4."""
    Profile.objects.create(login="bw", first_name="Bruce")

    report = sync_text("login,full_name,secret\nbw\nnew\n", Profile, **CU)

    assert outcomes(report) == {"unchanged": 1, "created": 1}
    assert set_texts == []


def test_a_property_is_set_after_the_fields_of_its_row(sync_text: Callable[..., Report]) -> None:
    """V6: "when it is written": a field and a property that speak of the same column give the property's."""
    report = sync_text("login,full_name,first_name\nbw,Bruce Wayne,Dick\n", Profile, **CU)

    assert outcomes(report) == {"created": 1}
    assert names() == [("bw", "Bruce", "Wayne", "")]


@pytest.mark.parametrize("existing", [False, True])
@pytest.mark.parametrize("flags", ["cu*", "cu"])
def test_a_dry_run_never_calls_a_setter(
    sync_text: Callable[..., Report], set_texts: list[tuple[str, str]], existing: bool, flags: str
) -> None:
    """V6, O4: a changed property counts as updated; nothing is left."""
    if existing:
        Profile.objects.create(login="bw")
    before = names()

    report = sync_text(
        "login,full_name,secret\nbw,Bruce Wayne,abc\n", Profile, action_flags=flags, match_on="login", dry_run=True
    )

    assert outcomes(report) == {"updated" if existing else "created": 1}
    assert set_texts == []
    assert names() == before
    assert any("full_name" in reason for reason in report.unforeseen)


def test_two_rows_of_one_object_are_two_rows(
    sync_text: Callable[..., Report], set_texts: list[tuple[str, str]]
) -> None:
    """V6, T1: each row sees what the rows before it did."""
    report = sync_text("login,full_name\nbw,Bruce Wayne\nbw,Bruce Wayne\nbw,Bat Man\n", Profile, **CU)

    assert outcomes(report) == {"created": 1, "unchanged": 1, "updated": 1}
    assert [text for _, text in set_texts] == ["Bruce Wayne", "Bat Man"]


def test_a_delete_row_sets_nothing(sync_text: Callable[..., Report], set_texts: list[tuple[str, str]]) -> None:
    """V6, A5."""
    Profile.objects.create(login="bw")

    report = sync_text("login,secret\nbw,abc\n", Profile, action_flags="d*", match_on="login")

    assert outcomes(report) == {"deleted": 1}
    assert set_texts == []


@pytest.mark.parametrize("on_error", ["rollback", "skip"])
def test_a_setter_that_raises_fails_its_row_only(
    sync_text: Callable[..., Report], monkeypatch: pytest.MonkeyPatch, on_error: str
) -> None:
    """V6, T4: the model's own code refuses the row."""

    def refuse(self: Profile, text: str) -> None:
        self.first_name = "half done"
        if text == "bad":
            raise ValueError("no such name")

    monkeypatch.setattr(Profile, "full_name", property(lambda self: self.first_name, refuse))

    report = sync_text("login,full_name\nx,good\ny,bad\nz,good\n", Profile, on_error=on_error, **CU)

    assert outcomes(report) == {"created": 2, "failed": 1}
    assert codes(report) == [(3, "refused", "")]
    (entry,) = report.details()
    assert "no such name" in entry.problems[0].message
    assert [login for login, *_ in names()] == (["x", "z"] if on_error == "skip" else [])


def test_a_property_without_a_setter_is_no_column(sync_text: Callable[..., Report]) -> None:
    """C3: ignored and said; --strict refuses it."""
    report = sync_text("login,initials\nbw,BW\n", Profile, **CU)

    assert outcomes(report) == {"created": 1}
    assert notes(report) == [("unknown-column", "initials")]
    with pytest.raises(ConfigError, match="initials"):
        sync_text("login,initials\nbw,BW\n", Profile, strict=True, **CU)


def test_a_property_cannot_be_matched(sync_text: Callable[..., Report]) -> None:
    """I2, C3: the database knows nothing of it."""
    with pytest.raises(ConfigError, match="full_name"):
        sync_text("login,full_name\nbw,x\n", Profile, action_flags="c", match_on="full_name")

    report = sync_text("login,full_name,match_on\nbw,x,full_name\n", Profile, action_flags="c")
    assert codes(report) == [(2, "bad-match", "match_on")]


def test_a_property_may_be_mapped_and_constant(sync_text: Callable[..., Report]) -> None:
    """C2, V6."""
    report = sync_text(
        "login,Name\nbw,Bruce Wayne\n", Profile, map=(("Name", "full_name"),), set=(("secret", "abc"),), **CU
    )

    assert outcomes(report) == {"created": 1}
    assert names() == [("bw", "Bruce", "Wayne", "cba")]


@isolate_apps("tests.testapp")
@pytest.mark.parametrize(("cell", "outcome"), [("red", "unchanged"), ("blue", "updated")])
def test_a_setter_may_change_a_value_in_place(sync_text: Callable[..., Report], cell: str, outcome: str) -> None:
    """V6: the fields that differ are told by their values, not by whether they were assigned."""

    class Painted(Product):
        class Meta:
            proxy = True
            app_label = "testapp"

        @property
        def colour(self) -> str | None:
            return self.metadata.get("colour")

        @colour.setter
        def colour(self, text: str) -> None:
            self.metadata["colour"] = text

    Product.objects.create(sku="S1", metadata={"colour": "red"})

    report = sync_text(f"sku,colour\nS1,{cell}\n", Painted, action_flags="u*", match_on="sku")

    assert outcomes(report) == {outcome: 1}
    assert Product.objects.get().metadata == {"colour": cell}


@isolate_apps("tests.testapp")
@pytest.mark.parametrize(
    ("flags", "cell", "outcome", "nickname"),
    [
        ("u", "x", "updated", "x"),
        ("u*", "x", "updated", "x"),
        ("u*", "", "unchanged", None),
        ("cu*", "0", "updated", "0"),
    ],
)
def test_a_getter_that_says_none_is_empty(
    sync_text: Callable[..., Report], flags: str, cell: str, outcome: str, nickname: str | None
) -> None:
    """V6: changed when the cell is not empty."""

    class Named(Person):
        class Meta:
            proxy = True
            app_label = "testapp"

        @property
        def alias(self) -> str | None:
            return self.nickname or None

        @alias.setter
        def alias(self, text: str) -> None:
            self.nickname = text

    Person.objects.create(first_name="Bruce")

    report = sync_text(f"first_name,alias\nBruce,{cell}\n", Named, action_flags=flags, match_on="first_name")

    assert outcomes(report) == {outcome: 1}
    assert Person.objects.get().nickname == nickname


@isolate_apps("tests.testapp")
def test_a_getter_that_gives_no_text_is_compared_by_its_text(sync_text: Callable[..., Report]) -> None:
    """V6: "its getter's text"."""

    class Aged(Person):
        class Meta:
            proxy = True
            app_label = "testapp"

        @property
        def years(self) -> int | None:
            return self.age

        @years.setter
        def years(self, text: str) -> None:
            self.age = int(text)

    text = "first_name,years\nBruce,41\n"
    options = {"action_flags": "cu*", "match_on": "first_name"}

    assert outcomes(sync_text(text, Aged, **options)) == {"created": 1}
    with noting_saves() as saved:
        assert outcomes(sync_text(text, Aged, **options)) == {"unchanged": 1}
    assert saved == []
    assert Person.objects.get().age == 41


@pytest.mark.parametrize("exists", [False, True], ids=["create", "update"])
def test_what_a_setter_makes_too_long_is_a_row_error_on_every_database(
    sync_text: Callable[..., Report], exists: bool
) -> None:
    """V4, V6."""
    if exists:
        Profile.objects.create(login="bw", first_name="Bruce")

    report = sync_text(f"action_flags,match_on,login,full_name\ncu*,login,bw,{'x' * 51}\n", "testapp.Profile")

    assert codes(report) == [(2, "too-long", "first_name")]
    assert [profile.first_name for profile in Profile.objects.all()] == ["Bruce"] * exists
