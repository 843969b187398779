"""``synclint`` finds the rows that a run would refuse, and no others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.contrib.contenttypes.models import ContentType

import nsync
from nsync import Input, SyncOptions
from nsync.models import ExternalSystem
from nsync.policies import BasicSyncPolicy
from nsync.profiling.findings import Linted
from nsync.profiling.lint import lint
from tests.commands.conftest import Ran
from tests.testapp.models import Badge, Company, House, Node, Person, Room

Command = Callable[..., Ran]
pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def objects(in_folder: Path) -> None:
    homer = Person.objects.create(employee_id="1", first_name="Homer")
    Person.objects.create(employee_id="2", first_name="Homer")
    Company.objects.create(name="Acme")
    root = Node.objects.create(code="root", name="Root")
    Node.objects.create(code="kid", name="Kid", parent=root)
    house = House.objects.create(address="Evergreen Terrace")
    Room.objects.create(name="Kitchen", house=house)
    Badge.objects.create(code="old", person=homer)
    hr = ExternalSystem.objects.create(name="HR")
    nsync.sync(_put("k,code,name\nmapped,kid,Kid\n"), "testapp.Node", system=hr.name, options=_options(match_on="code"))


def _put(text: str) -> str:
    Path("rows.csv").write_text(text, encoding="utf-8")
    return "rows.csv"


def _options(**given: Any) -> SyncOptions:
    return SyncOptions(**{"action_flags": "cu*", "external_key_column": "k", "contract": "any", **given})


def _both(model: str, text: str, given: dict[str, Any]) -> tuple[Linted, int]:
    """Give what lint says, and how many rows a dry run refuses."""
    source = Input(_put(text), f"testapp.{model}", "HR")
    options = _options(**given)
    if "k," not in text and not text.startswith("k"):
        options = replace(options, external_key_column=None)
    found = lint(source, options)
    report = nsync.sync_all([source], options=replace(options, dry_run=True, on_error="skip"))
    assert not report.error
    return found, report.failed


def _errors(found: Linted) -> dict[tuple[str, str], int]:
    return {(one.column, one.code): one.times for one in found.findings if one.is_error}


REFUSED: dict[str, Any] = {"match_on": "code", "on_missing_reference": "error"}


@pytest.mark.parametrize(
    ("model", "text", "given", "errors"),
    [
        # V1: a unique value that several objects would have
        ("Node", "k,code,name\n1,A,x\n2,A,y\n3,B,z\n", {}, {("code", "repeated-unique"): 1}),
        ("Person", "first_name,Nr\na,7\nb,7\nc,7\n",
         {"match_on": "first_name", "map": (("Nr", "employee_id"),)}, {("Nr", "repeated-unique"): 1}),
        ("Badge", "code,person=>employee_id\nA,2\nB,2\n", {"match_on": "code"},
         {("person=>employee_id", "repeated-unique"): 1}),
        ("Node", "k,code,name\n1,A,x\n2,A,y\n", {"match_on": "code"}, {}),
        ("Person", "k,first_name,employee_id\n1,a,7\n2,a,7\n", {"match_on": "first_name"}, {}),
        ("Node", "k,code,name\n1,A,x\n1,A,y\n", {}, {}),
        ("Person", "k,first_name,employee_id\n5,a,\n6,b,\n", {}, {}),
        # I3, A5, A6: nothing to know an object by
        ("Node", "k,code,name\n1,,x\nmapped,,y\n", {"match_on": "code", "action_flags": "u*"},
         {("", "empty-match"): 1}),
        ("Node", "k,code,name\n1,,x\nmapped,,y\n", {"match_on": "code", "action_flags": "u"}, {("", "empty-match"): 1}),
        ("Node", "k,code\n1,\nmapped,\n", {"match_on": "code", "action_flags": "d*"}, {("", "empty-match"): 1}),
        ("Node", "k,code\n1,\nmapped,\n", {"match_on": "code", "action_flags": "d"}, {}),
        ("Node", "code,name\n,x\nkid,x\n", {"match_on": "code", "action_flags": "d"}, {("", "empty-match"): 1}),
        ("Node", "k,code,name\n,,x\n,kid,x\n", {"match_on": "code", "action_flags": "d"}, {("", "empty-match"): 1}),
        ("Person", "k,employee_id,first_name\n9,,x\n", {"match_on": "employee_id", "action_flags": "c"}, {}),
        # V3: what a new object needs
        ("Room", "name,house=>address\nBath,\nKitchen,\n", {"match_on": "name", "action_flags": "c"},
         {("house=>address", "required"): 1}),
        ("Room", "name\nBath\nKitchen\n", {"match_on": "name", "action_flags": "c"}, {("house", "required"): 1}),
        ("Room", "name,house=>address\nBath,\nKitchen,\n", {"match_on": "name"}, {("house=>address", "required"): 1}),
        ("Room", "name,house=>address\nBath,Evergreen Terrace\nBath,\n", {"match_on": "name"}, {}),
        # R5: references that are not found
        ("Node", "code,name,parent=>code\nA,x,gone\nB,y,root\nC,z,gone\n", REFUSED,
         {("parent=>code", "missing-reference"): 2}),
        ("House", "address,owner=>first_name\nX,Homer\n", {**REFUSED, "match_on": "address"}, {}),
        ("Room", "name,house=>address\nBath,gone\nKitchen,gone\n", {"match_on": "name"},
         {("house=>address", "missing-reference"): 1}),
        ("Room", "name,house=>address\nKitchen,gone\n", {"match_on": "name", "action_flags": "u*"}, {}),
        ("Node", "code,parent=>code\nnew,gone\n", {**REFUSED, "action_flags": "u*"}, {}),
        ("Node", "code,parent=>code\nkid,gone\n", {**REFUSED, "action_flags": "c"}, {}),
        ("Person", "employee_id,tags=>+name\n1,a|b\n", {**REFUSED, "match_on": "employee_id"},
         {("tags=>+name", "missing-reference"): 1}),
        # R6: what the file brings itself
        ("Node", "code,name,parent=>code\nB,x,A\nA,y,\n", REFUSED, {}),
        ("Node", "code,name,parent=>code\nB,x,B\n", REFUSED, {("parent=>code", "missing-reference"): 1}),
        ("Node", "code,name,parent=>code\nB,x,B\n", {"match_on": "code"}, {}),
        ("Node", "code,name,parent=>code\nkid,x,A\nA,y,\n", {**REFUSED, "action_flags": "u*"},
         {("parent=>code", "missing-reference"): 1}),
        ("Node", "code,name,parent=>code,action_flags\nB,x,A,cu*\nA,y,,d*\n", REFUSED,
         {("parent=>code", "missing-reference"): 1}),
        ("Node", "k,code,name,parent=>external_key\n1,B,x,2\n2,A,y,\n", {**REFUSED, "match_on": None}, {}),
        ("Node", "k,code,name,parent=>external_key,action_flags\n1,B,x,2,cu*\n2,,,,d*\n",
         {**REFUSED, "match_on": None}, {("parent=>external_key", "missing-reference"): 1}),
        ("Node", "code,name,parent=>code__iexact\nB,x,a\nA,y,\n", REFUSED, {}),
    ],
)  # fmt: skip
def test_rows_are_told_that_a_run_refuses_and_no_others(
    model: str, text: str, given: dict[str, Any], errors: dict[tuple[str, str], int]
) -> None:
    found, failed = _both(model, text, given)

    assert _errors(found) == errors
    assert found.failing == failed


def test_a_row_with_several_faults_counts_once() -> None:
    found, failed = _both(
        "Node", "k,code,name,parent=>code\n1,A,x,gone\n2,A,y,gone\n3,C,z,gone\n", {**REFUSED, "match_on": None}
    )

    assert _errors(found) == {("parent=>code", "missing-reference"): 3, ("code", "repeated-unique"): 1}
    assert found.failing == failed == 3


def test_unique_values_that_move_between_objects_are_only_to_be_looked_at() -> None:
    """The policy decides: row by row it is possible, creates first it is not."""
    found, _ = _both("Node", "k,code,name\n1,A,x\n1,B,x\n2,A,y\n", {})
    report = nsync.sync_all(
        [Input("rows.csv", "testapp.Node", "HR")], options=_options(on_error="skip"), policy=BasicSyncPolicy
    )

    assert report.failed == 0
    assert found.failing == 0
    assert [(one.code, one.is_error) for one in found.findings] == [("repeated-key", False), ("repeated-unique", False)]


def test_unique_values_of_rows_with_and_without_a_key_are_only_to_be_looked_at() -> None:
    """They may be of one object."""
    found, _ = _both("Node", "k,code,name\nmapped,kid,x\n,kid,Kid\n", {"match_on": "name"})

    assert ("code", "repeated-unique", False) in [(one.column, one.code, one.is_error) for one in found.findings]


def test_a_file_that_says_nowhere_what_rows_ask_for_is_refused(command: Command) -> None:
    """F1: the rest is looked at all the same."""
    _put("employee_id,age\n1,old\n")
    arguments = ["synclint", "HR", "testapp", "Person", "rows.csv", "--match-on", "employee_id"]

    ran = command(*arguments)

    assert ran.code == 1
    assert "action_flags: missing-column" in ran.out
    assert "age: invalid-integer: 1 row" in ran.out
    assert "action_flags: missing-column" not in command(*arguments, "--action-flags", "cu*").out


def test_without_the_database_what_a_run_may_refuse_is_only_to_be_looked_at() -> None:
    source = Input(_put("name,house=>address\nBath,\n"), "testapp.Room", "HR")
    options = SyncOptions(match_on="name", action_flags="cu*")

    (required,) = lint(source, options, looks_up=False).findings
    assert (required.code, required.is_error) == ("required", False)
    (required,) = lint(source, replace(options, action_flags="c"), looks_up=False).findings
    assert (required.code, required.is_error) == ("required", True)


def test_columns_that_are_matched_by_are_called_as_the_file_calls_them() -> None:
    text = "Vorname,Nachname,match\nHomer,Simpson,1\nHomer,Simpson,2\n"
    given = {"match_on": "first_name last_name", "map": (("Vorname", "first_name"), ("Nachname", "last_name"))}

    found, _ = _both("Person", text, given)

    assert ("Vorname, Nachname", "repeated-match") in [(one.column, one.code) for one in found.findings]


def test_rows_in_doubt_are_asked_for_in_a_few_queries_and_nothing_is_written(
    django_assert_max_num_queries: Callable[..., Any],
) -> None:
    """Not even a content type, which asking for mappings could make."""
    ContentType.objects.filter(app_label="testapp").delete()
    ContentType.objects.clear_cache()
    text = "".join(f"{number},,gone\n" for number in range(3_000))
    source = Input(_put(f"k,code,parent=>external_key\n{text}"), "testapp.Node", "HR")

    with django_assert_max_num_queries(30):
        found = lint(source, _options(match_on="code", action_flags="u*", on_missing_reference="error"))

    assert found.failing == 3_000
    assert not ContentType.objects.filter(app_label="testapp").exists()


def test_what_a_run_refuses_for_the_objects_of_the_database_is_left_to_a_dry_run() -> None:
    found, failed = _both("Node", "k,code,name\n1,root,x\n", {})

    assert (found.failing, failed) == (0, 1)
