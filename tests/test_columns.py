"""Rows by whole columns: which sources get them, what they cost, and that peculiar rows are dealt with as ever (T1)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import Any

import pytest

from nsync import steps
from nsync.actions import Kind
from nsync.errors import ConfigError
from nsync.models import ExternalKeyMapping
from nsync.policies import OrderedSyncPolicy, SyncPolicy
from nsync.record.report import Report
from tests.agreed_examples import thing
from tests.agreeing import Example, File, Ref, Run, Stale, Thing, Variant, check
from tests.many import listening, rows
from tests.services import LOCKS, TEST_DATABASE
from tests.telling import codes, outcomes
from tests.testapp.models import Asset, Depot, House, Node, Parcel, Person, Port, Product, Profile, Signalled, Stock

Sync = Callable[..., Report]
pytestmark = pytest.mark.django_db

_TEXT = "external_key,action_flags,match_on,code,label\nk1,cu*,code,1,A\n"


# --- which sources --------------------------------------------------------------------------------------------------


def test_nothing_in_the_way_means_columns(sync_text: Sync) -> None:
    """T10: nobody has to ask for it."""
    report = sync_text(_TEXT, Parcel)

    (source,) = report.sources
    assert (report.engine, source.engine, source.engine_hint, source.engine_reasons) == ("columns", "columns", "", ())
    assert outcomes(report) == {"created": 1}


class Chosen(SyncPolicy):
    """Its phases depend on the action, so nobody knows them beforehand."""

    phases = (lambda action: action.flags.force, Kind.CREATE, Kind.UPDATE)


HINDERED: dict[str, tuple[type[Any], str, dict[str, Any], str]] = {
    "many-to-many": (Signalled, "action_flags,match_on,name,tags=>+name\nc,name,a,\n", {}, "no foreign key of the obj"),
    "another side": (Depot, "action_flags,match_on,name,parcels=>code\nc,name,a,\n", {}, "no foreign key of the obj"),
    "two columns of one relation": (
        Parcel,
        "action_flags,match_on,code,depot=>name,depot=>city\nc,code,1,,\n",
        {},
        "name one relation together",
    ),
    "a lookup in a reference": (
        Parcel,
        "action_flags,match_on,code,depot=>name__iexact\nc,code,1,\n",
        {},
        "depot=>name__iexact has a lookup",
    ),
    "a reference to its own kind": (
        Node,
        "action_flags,match_on,code,parent=>code\nc,code,1,\n",
        {},
        "testapp.Node.parent refers to testapp.Node itself",
    ),
    "a reference to a model with children": (
        House,
        "action_flags,match_on,address,owner=>first_name\nc,address,m,\n",
        {},
        "testapp.House.owner refers to",
    ),
    "JSON": (Product, "action_flags,match_on,sku,metadata\nc,sku,1,{}\n", {}, "testapp.Product.metadata holds values"),
    "a primary key": (Port, "action_flags,match_on,code\nc,code,1\n", {}, "gives testapp.Port its primary key"),
    "a primary key that the database numbers": (
        Parcel,
        "id,action_flags,match_on,code\n700,c,code,1\n",
        {"map": (("id", "id"),)},
        "gives testapp.Parcel its primary key",
    ),
    "children by inheritance": (
        Person,
        "action_flags,match_on,first_name\nc,first_name,A\n",
        {},
        "testapp.Person has parents or children by inheritance",
    ),
    "phases that depend on the action": (Parcel, _TEXT, {"policy": Chosen}, "the policy chooses the phase of each"),
}


@pytest.mark.parametrize("name", HINDERED)
def test_what_hinders_columns_is_said_and_the_rows_are_written_in_bulk(sync_text: Sync, name: str) -> None:
    """T10: the hint is for whoever wonders; whoever demands columns gets an error, before anything is written (C6)."""
    model, text, options, hint = HINDERED[name]
    with pytest.raises(ConfigError, match=r"--engine columns cannot write .*; use auto or bulk") as error:
        sync_text(text, model, engine="columns", **options)
    assert hint in str(error.value)
    assert not model._base_manager.exists()

    report = sync_text(text, model, **options)

    assert (report.engine, outcomes(report)) == ("bulk", {"created": 1})
    assert hint in report.sources[0].engine_hint
    assert "\n" not in report.sources[0].engine_hint


def test_a_property_is_set_on_each_object_and_so_never_by_columns(sync_text: Sync) -> None:
    """V6."""
    text = "action_flags,match_on,login,full_name\ncu*,login,bw,Bruce Wayne\n"
    with pytest.raises(ConfigError, match=r"--engine columns cannot write .*full_name is a property"):
        sync_text(text, Profile, engine="columns")

    report = sync_text(text, Profile)

    assert report.engine == "batches"
    assert any("full_name is a property" in reason for reason in report.sources[0].engine_reasons)


def test_a_dry_run_tells_row_by_row_what_changes(sync_text: Sync) -> None:
    """O4: so it is not by columns; but it tells what the run by columns would do."""
    sync_text(_TEXT, Parcel)
    changed = _TEXT.replace(",A\n", ",B\n")

    report = sync_text(changed, Parcel, dry_run=True)

    assert (report.engine, outcomes(report)) == ("bulk", {"updated": 1})
    assert "dry run" in report.sources[0].engine_hint
    assert [(diff.field, diff.old, diff.new) for diff in report.diffs] == [("label", "A", "B")]
    assert outcomes(sync_text(changed, Parcel)) == {"updated": 1}


def test_code_of_the_project_goes_before_columns_unless_columns_are_demanded(sync_text: Sync) -> None:
    """T10."""
    with listening(Parcel) as heard:
        report = sync_text(_TEXT, Parcel)
        assert (report.engine, len(heard)) == ("batches", 1)

        demanded = sync_text(_TEXT.replace("A", "B"), Parcel, engine="columns")

    assert (demanded.engine, outcomes(demanded), len(heard)) == ("columns", {"updated": 1}, 1)
    assert demanded.sources[0].engine_reasons == ("post_save of testapp.Parcel has receivers",)


def test_bulk_by_request_is_not_by_columns(sync_text: Sync) -> None:
    """T10: it plans every row."""
    report = sync_text(_TEXT, Parcel, engine="bulk")

    assert (report.engine, report.sources[0].engine_hint) == ("bulk", "")


# --- what they cost -------------------------------------------------------------------------------------------------

SIZES = (10, 500, 3_000)
_KEYED = {"external_key": "K{}", "action_flags": "cu*", "code": "E{}", "label": "L"}
_ALL = {**_KEYED, "match_on": "code", "depot=>name": "V"}
_MATCHED = {"action_flags": "cu*", "match_on": "code", "code": "E{}", "label": "L"}
_KINDS_OF_FILES = {"by key": _KEYED, "by match": _MATCHED, "by both, with a reference": _ALL}


def statements(size: int, queries: int) -> int:
    """Say how many queries so many rows may cost: MariaDB takes 980 values in one statement, and has no COPY."""
    return queries if TEST_DATABASE != "mariadb" else queries * ceil(size / 980) + 5


@pytest.mark.parametrize("cells", _KINDS_OF_FILES.values(), ids=_KINDS_OF_FILES)
def test_new_changed_and_unchanged_rows_cost_the_same_however_many_they_are(
    sync_text: Sync, cells: dict[str, str]
) -> None:
    """A1, A7, T10."""
    Depot.objects.create(name="V")
    sync_text(rows({**cells, "action_flags": "u"}, range(1)), Parcel)  # the system is known from then on
    found: dict[str, list[int]] = {"created": [], "unchanged": [], "updated": []}
    for number, size in enumerate(SIZES, start=1):
        some = range(number * 10_000, number * 10_000 + size)
        for outcome, label in (("created", "L"), ("unchanged", "L"), ("updated", "M")):
            report = sync_text(rows({**cells, "label": label}, some), Parcel)
            assert (outcomes(report), report.engine) == ({outcome: size}, "columns")
            found[outcome].append(report.queries)

    for queries in found.values():
        assert all(count <= statements(size, queries[0]) for size, count in zip(SIZES, queries, strict=True))
    assert found["unchanged"][0] < min(found["created"][0], found["updated"][0])
    assert max(found["created"][0], found["updated"][0]) <= 18 + LOCKS


@contextmanager
def planning(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """Collect the ordinals of the rows that the planner is asked about, each once."""
    planned: list[int] = []
    original = steps.plan_row

    def plan(actions: Any, *others: Any) -> Any:
        ordinal = actions[0].place.ordinal
        if ordinal not in planned:
            planned.append(ordinal)
        return original(actions, *others)

    with monkeypatch.context() as patch:
        patch.setattr(steps, "plan_row", plan)
        yield planned


@pytest.mark.parametrize(
    ("odd", "planned"),
    [
        pytest.param([], [], id="none"),
        pytest.param([0], [0], id="the first"),
        pytest.param([500], [500], id="one in the middle"),
        pytest.param([999], [999], id="the last"),
        pytest.param([400, 410], range(400, 411), id="from one to another"),
        pytest.param(range(0, 1_000, 100), range(901), id="one in a hundred"),
        pytest.param(range(0, 1_000, 90), range(1_000), id="more than one in a hundred"),
    ],
)
def test_only_rows_between_peculiar_ones_are_planned(
    sync_text: Sync, monkeypatch: pytest.MonkeyPatch, odd: Any, planned: Any
) -> None:
    """T1, T10: an object of theirs is already known by another key."""
    lines = rows({**_MATCHED, "external_key": "K{}", "label": "L"}, range(1_000)).splitlines()
    sync_text(rows({**_KEYED, "external_key": "X{}", "match_on": ""}, odd), Parcel)

    with planning(monkeypatch) as found:
        report = sync_text("\n".join(lines) + "\n", Parcel)

    assert sorted(found) == list(planned)
    assert outcomes(report) == {kind: n for kind, n in (("created", 1_000 - len(odd)), ("linked", len(odd))) if n}
    assert report.warnings == ({"shared-object": len(odd)} if odd else {})


# --- peculiar rows --------------------------------------------------------------------------------------------------

MODELS = ("Depot", "Parcel", "Shelf")
BY_COLUMNS = (Variant("columns", 5_000),)
IN_SMALL_BATCHES = (*BY_COLUMNS, Variant("columns", 4))
_HEADER = "external_key,action_flags,match_on,code,label,pieces,depot=>name"
_START: list[Thing | Stale] = [
    thing("Depot", name="V"),
    thing("Depot", name="W"),
    # Half of the objects of the usual rows are there, some without key; others than those are in the way.
    *(thing("Parcel", f"k{n}", code=f"{n}", label="old", depot=Ref(0)) for n in range(4)),
    *(thing("Parcel", code=f"{n}", label="old") for n in range(4, 6)),
    thing("Parcel", "held", code="h", label="held"),
    thing("Parcel", "displacer", code="d", label="A"),
    thing("Parcel", code="e", label="A"),
    *(thing("Parcel", label="twice", code=code) for code in ("t1", "t2")),
    Stale("Parcel", "HR", "stale"),
]
_USUAL = [f"k{n},cu*,code,{n},new,{n},{'W' if n % 2 else 'V'}" for n in range(9)]
PECULIAR = {
    "a bad cell": "p,cu*,code,p,A,many,V",
    "two bad cells": f"p,cu*,code,{'x' * 21},A,-1,V",
    "an empty text": "p,cu*,code,p,,1,V",
    "a short row": "p,cu*,code,p",
    "a row with a cell too many": "p,cu*,code,p,A,1,V,surplus",
    "a row with an empty cell too many": "p,cu*,code,p,A,1,V,",
    "a missing reference": "p,cu*,code,p,A,1,nowhere",
    "no reference": "p,cu*,code,p,A,1,",
    "a forced row that displaces": "displacer,cu*,code,e,B,1,V",
    "an ambiguous match": "p,cu*,label,p,twice,1,V",
    "a match held by another key": "p,cu*,code,h,B,1,V",
    "a match held by the key of an earlier row": "p,cu*,code,1,B,1,V",
    "a key twice": "k2,cu*,code,2,B,7,V",
    "a key twice, for something else": "k2,cu*,code,p,B,7,V",
    "a match value twice": "p,cu*,code,3,B,7,V",
    "a row without key": ",cu*,code,4,B,7,V",
    "a row without key or match": ",cu*,,p,B,7,V",
    "a blank key": " ,cu*,code,p,B,7,V",
    "a key of other case": "K2,cu*,code,p,B,7,V",
    "a key that is too long": f"{'k' * 256},cu*,code,p,B,7,V",
    "a stale mapping": "stale,cu*,code,p,B,7,V",
    "a stale mapping whose match is there": "stale,cu*,code,5,B,7,V",
    "an empty match value": "p,cu*,code,,B,7,V",
    "another match": "p,cu*,label,p,held,7,V",
    "no match": "p,cu*,,p,B,7,V",
    "a bad match": "p,cu*,nonsense,p,B,7,V",
    "unforced": "held,cu,code,h,B,7,V",
    "only update": "p,u*,code,p,B,7,V",
    "only create": "held,c,code,h,B,7,V",
    "other spelling of flags": "held, CU* ,code,h,B,7,V",
    "no flags": "p,,code,p,B,7,V",
    "bad flags": "p,xyz,code,p,B,7,V",
    "a forced deletion": "held,d*,code,h,,,",
    "a deletion of what another row makes": "k8,d*,code,8,,,",
    "a deletion of what another row changes": "k1,d,code,1,,,",
    "a null marker": "k1,cu*,code,1,-,-,-",
    "a unique value that changes": "held,cu*,,h2,B,7,V",
    "a unique value that is taken": "held,cu*,,e,B,7,V",
}


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("name", PECULIAR)
def test_a_peculiar_row_leaves_what_it_leaves_row_by_row(name: str, policy: str) -> None:
    """T1: it is the first, in the middle, or the last; and what is said of each row is the same (O1, O2)."""
    middle, last = len(_USUAL) // 2, len(_USUAL)
    for place in (0, middle, last) if policy == "basic" else (middle,):
        text = "\n".join([_HEADER, *_USUAL[:place], PECULIAR[name], *_USUAL[place:]]) + "\n"
        run = Run((File("Parcel", text),), {"on_error": "skip", "null_marker": "-"}, policy)
        check(Example(tuple(_START), (run, run)), MODELS, BY_COLUMNS if place == middle else IN_SMALL_BATCHES)


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("on_error", ["rollback", "stop"])
def test_a_peculiar_row_ends_a_run_as_it_does_row_by_row(on_error: str, policy: str) -> None:
    """T4."""
    for place in (0, len(_USUAL) // 2, len(_USUAL)):
        text = "\n".join([_HEADER, *_USUAL[:place], PECULIAR["a bad cell"], *_USUAL[place:]]) + "\n"
        run = Run((File("Parcel", text),), {"on_error": on_error}, policy)
        check(Example(tuple(_START), (run,)), MODELS, IN_SMALL_BATCHES)


def test_rows_that_wait_for_a_required_object_are_settled_beside_columns() -> None:
    """R5, R6: the depot comes in a later file."""
    shelves = "".join(f"s{number},cu*,number,{number},{'Z' if number == 4 else 'V'}\n" for number in range(9))
    files = (
        File("Shelf", f"external_key,action_flags,match_on,number,depot=>name\n{shelves}"),
        File("Depot", "external_key,action_flags,match_on,name\nz,cu*,name,Z\n"),
    )
    for policy in ("basic", "ordered"):
        check(Example(tuple(_START), (Run(files, {}, policy), Run(files, {}, policy))), MODELS, IN_SMALL_BATCHES)


def test_a_row_that_names_a_relation_which_an_earlier_row_waits_for_has_the_last_word() -> None:
    """R6: the second file's rows are ordinary, but one speaks of the same object."""
    waits = "k1,cu*,code,1,new,1,Z"
    first = "\n".join([_HEADER, _USUAL[0], waits, *_USUAL[2:]]) + "\n"
    second = "\n".join([_HEADER, *_USUAL]) + "\n"
    depots = "external_key,action_flags,match_on,name\nz,cu*,name,Z\n"
    for policy in ("basic", "ordered"):
        files = (File("Parcel", first), File("Parcel", second), File("Depot", depots))
        check(Example(tuple(_START), (Run(files, {}, policy),)), MODELS, IN_SMALL_BATCHES)


# --- phases, constraints --------------------------------------------------------------------------------------------


def test_two_phases_count_each_row_once(sync_text: Sync) -> None:
    """O1, T2: what is created in the first phase is not unchanged in the second."""
    cells = {**_KEYED, "match_on": "code"}
    sync_text(rows({**cells, "label": "old"}, range(40)), Parcel)
    ExternalKeyMapping.objects.filter(external_key__in=[f"K{number}" for number in range(10)]).delete()

    report = sync_text(rows({**cells, "label": "L"}, range(60)), Parcel, policy=OrderedSyncPolicy)

    assert (report.engine, outcomes(report)) == ("columns", {"created": 20, "updated": 40})
    again = sync_text(rows({**cells, "label": "L"}, range(60)), Parcel, policy=OrderedSyncPolicy)
    assert (outcomes(again), again.sources[0].rows) == ({"unchanged": 60}, 60)


def test_a_row_that_a_constraint_refuses_is_found_and_is_the_only_one_to_fail(sync_text: Sync) -> None:
    """T4: also if the value is taken by an object that no row means, or if the database computes the check."""
    Stock.objects.create(shelf="S", article="A77", label="taken", quantity=1)
    cells = {"external_key": "K{}", "action_flags": "c", "shelf": "S", "article": "A{}", "quantity": "1"}
    lines = rows(cells, range(200)).splitlines()
    lines[151] = lines[151].removesuffix(",1") + ",-1"

    report = sync_text("\n".join(lines) + "\n", Stock, on_error="skip")

    assert (report.engine, outcomes(report)) == ("columns", {"created": 198, "failed": 2})
    assert [(line, code) for line, code, _ in codes(report)] == [(79, "unique"), (152, "check")]
    assert Stock.objects.count() == 199
    assert ExternalKeyMapping.objects.count() == 198


def test_ordinary_rows_may_have_keys_of_any_kind_of_object(sync_text: Sync) -> None:
    """M1: UUIDs too; each row's key means its own object."""
    report = sync_text(rows({"external_key": "K{}", "action_flags": "cu*", "name": "N{}"}, range(50)), Asset)

    assert (report.engine, outcomes(report)) == ("columns", {"created": 50})
    names = {str(pk): name for pk, name in Asset.objects.values_list("pk", "name")}
    keys = dict(ExternalKeyMapping.objects.values_list("external_key", "object_id"))
    assert {key: names[pk] for key, pk in keys.items()} == {f"K{number}": f"N{number}" for number in range(50)}
