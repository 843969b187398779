"""
Proofs where code of the project runs as objects are saved: they hold until it does something that nobody has planned.

Whatever it does, the outcome is that of the row-by-row engine (rules T1, A7).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from django.db import connection, transaction
from django.db.models import F
from django.db.models.signals import ModelSignal, post_save, pre_save
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync import SyncOptions, sync
from nsync.models import ExternalKeyMapping
from nsync.policies import BasicSyncPolicy, OrderedSyncPolicy
from nsync.proofs import Proofs
from nsync.record.report import Report
from nsync.signals import batch_applied
from tests.agreeing import File, Thing
from tests.plan.known import link
from tests.proving import BY_KEY, BY_OPTIONS, CROWD, case, parcels
from tests.telling import outcomes
from tests.testapp.models import Crate, Depot, Parcel, Shelf

pytestmark = pytest.mark.django_db

HEAD = "external_key,code,label\n"
START = parcels(12)


def lines(*changed: int, count: int = 12, more: str = "") -> str:
    """Write a file of parcels, of which some get the label B."""
    return HEAD + "".join(f"k{n},{n},{'B' if n in changed else 'A'}\n" for n in range(1, count + 1)) + more


@contextmanager
def receiving(act: Callable[[Parcel], object], signal: ModelSignal = post_save) -> Iterator[None]:
    """Let something happen as a parcel with the label B is saved."""

    def hear(instance: Parcel, raw: bool = False, **_: Any) -> None:
        if instance.label == "B" and not raw:
            act(instance)

    signal.connect(hear, sender=Parcel)
    try:
        yield
    finally:
        signal.disconnect(hear, sender=Parcel)


@contextmanager
def given_up() -> Iterator[list[int]]:
    """Collect from which row on proofs are given up."""
    found: list[int] = []
    give_up = Proofs.give_up

    def spy(self: Proofs, start: int) -> Any:
        found.append(start)
        return give_up(self, start)

    with mock.patch.object(Proofs, "give_up", spy):
        yield found


def look_around(parcel: Parcel) -> None:
    """Read, as receivers do."""
    assert Parcel.objects.filter(label="A").exists()
    assert Parcel.objects.values_list("code").distinct().count()
    list(Parcel.objects.select_related("depot"))


def keep_a_log(parcel: Parcel) -> None:
    """Write where no row of the file has a part."""
    Crate.objects.create(code=str(parcel.code), label="log")
    Crate.objects.filter(label="log").update(title="seen")


def count_up(parcel: Parcel) -> None:
    """Set another column of the object that is saved; in ``pre_save``, so that the save writes it or not."""
    parcel.note = "counted"


QUIET = {
    "it reads": (look_around, post_save),
    "it keeps a log": (keep_a_log, post_save),
    "it sets another column": (count_up, pre_save),
    "it opens a savepoint": (lambda parcel: transaction.savepoint_commit(transaction.savepoint()), post_save),
}


@pytest.mark.parametrize("name", QUIET)
def test_rows_stay_proved_where_code_of_the_project_touches_none_of_them(name: str) -> None:
    act, signal = QUIET[name]
    text = lines(2, 3, 9, more="k13,13,B\nk14,14,A\n")
    with receiving(act, signal), given_up() as found:
        case(START, text, passed=9, **BY_OPTIONS).check((*CROWD, "Crate"))
    assert found == []


def others(parcel: Parcel) -> Any:
    """Give the parcels that are not being saved."""
    return Parcel.objects.exclude(pk=parcel.pk)


def execute(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)


def execute_many(sql: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(sql, [params])


TABLE = Parcel._meta.db_table
AT_ONCE = "SAVEPOINT a; " if connection.vendor == "postgresql" else ""  # only PostgreSQL takes two
LOUD: dict[str, tuple[Callable[[Parcel], object], ModelSignal]] = {
    "it updates others": (lambda parcel: others(parcel).filter(code="6").update(label="Z"), post_save),
    "it updates all": (lambda parcel: Parcel.objects.update(note="all"), post_save),
    "it updates by an expression": (lambda parcel: others(parcel).update(pieces=F("pieces") + 1), post_save),
    "it saves another": (lambda parcel: Parcel.objects.get(code="6").save(), post_save),
    "it deletes another": (lambda parcel: Parcel.objects.filter(code="6").delete(), post_save),
    "it makes another": (lambda parcel: Parcel.objects.get_or_create(code="20", label="C"), post_save),
    "it changes a match value": (lambda parcel: others(parcel).filter(code="6").update(code="66"), post_save),
    "it changes its own match value": (lambda parcel: setattr(parcel, "code", f"{parcel.code}x"), pre_save),
    "it takes a key away": (lambda parcel: ExternalKeyMapping.objects.filter(external_key="k6").delete(), post_save),
    "it moves a key": (
        lambda parcel: ExternalKeyMapping.objects.filter(external_key="k6").update(object_id=str(parcel.pk)),
        post_save,
    ),
    "it gives a key": (
        lambda parcel: ExternalKeyMapping.objects.filter(external_key="new").exists() or link(parcel, "new"),
        post_save,
    ),
    "it deletes elsewhere": (lambda parcel: Crate.objects.all().delete(), post_save),
    "it writes many": (lambda parcel: Parcel.objects.bulk_update([Parcel.objects.get(code="7")], ["note"]), post_save),
    "it executes": (lambda parcel: execute(f"UPDATE {TABLE} SET label = 'Z' WHERE code = '6'"), post_save),
    "it executes many": (
        lambda parcel: execute_many(f"UPDATE {TABLE} SET label = %s WHERE code = %s", "Z", "6"),
        post_save,
    ),
    "it executes in lower case": (
        lambda parcel: execute(f"update {TABLE} set label = 'Z' where code = '6'"),
        post_save,
    ),
    "it does two things at once": (
        lambda parcel: execute(f"{AT_ONCE}UPDATE {TABLE} SET label = 'Z' WHERE code = '6'"),
        post_save,
    ),
    "it hides what it does": (
        lambda parcel: execute(f"/* SELECT */ UPDATE {TABLE} SET label = 'Z' WHERE code = '6'"),
        post_save,
    ),
}


@pytest.mark.parametrize("name", LOUD)
@pytest.mark.parametrize("changed", [(2,), (2, 3, 9), (5,)], ids=str)
def test_a_proof_is_given_up_from_the_row_on_at_which_something_else_is_done(
    name: str, changed: tuple[int, ...]
) -> None:
    act, signal = LOUD[name]
    with receiving(act, signal), given_up() as found:
        case(START, lines(*changed), passed=12 - len(changed), **BY_OPTIONS).check((*CROWD, "Crate"))
    is_saved_with_it = name == "it changes its own match value"  # which an update of the label alone does not write
    assert found[:1] == ([] if is_saved_with_it else [changed[0]])


@pytest.mark.parametrize("name", LOUD)
def test_new_rows_do_the_same(name: str) -> None:
    act, signal = LOUD[name]
    text = HEAD + "k13,13,B\n" + lines().removeprefix(HEAD)
    with receiving(act, signal), given_up() as found:
        case(START, text, passed=12, **BY_OPTIONS).check((*CROWD, "Crate"))
    assert found[:1] == [1]


def test_a_match_value_that_is_saved_otherwise_disturbs() -> None:
    """A receiver may change the column that another row matches by, in the statement that was planned."""
    text = "external_key,label,code\n" + "".join(f"k{n},{n},{n if n > 2 else n + 20}\n" for n in range(1, 9))
    start = [Thing("Parcel", {"code": str(n), "label": str(n)}, (("HR", f"k{n}"),)) for n in range(1, 9)]

    def take(instance: Parcel, **_: Any) -> None:
        if instance.code == "21":
            instance.code = "30"

    pre_save.connect(take, sender=Parcel)
    try:
        with given_up() as found:
            case(start, text + "k9,9,30\n", passed=6, action_flags="cu*", match_on="label").check(CROWD)
            case(start, text + "k9,9,30\n", passed=6, **BY_KEY).check(CROWD)
    finally:
        pre_save.disconnect(take, sender=Parcel)
    assert found == []  # the match is another column, or there is none; what the database refuses is undone


def test_rows_that_refer_to_what_is_changed_are_looked_at() -> None:
    """R1."""
    start = [Thing("Depot", {"name": "a"}), Thing("Depot", {"name": "b"}), *START]
    text = "external_key,code,label,depot=>name\n" + "".join(
        f"k{n},{n},{'B' if n == 2 else 'A'},{'a' if n == 9 else ''}\n" for n in range(1, 13)
    )

    def rename(parcel: Parcel) -> None:
        Depot.objects.filter(name="a").update(name="z")
        Shelf.objects.count()

    with receiving(rename), given_up() as found:
        case(start, text, passed=10, **BY_OPTIONS).check(CROWD)
    assert found == [2]


@pytest.mark.parametrize("policy", ["basic", "ordered"])
@pytest.mark.parametrize("transactions", [True, False])
def test_every_policy_and_way_to_commit_sees_it(policy: str, transactions: bool) -> None:
    """T2, T3."""
    text = lines(2, 9, more="k13,13,B\nk14,14,A\n")
    for name in ("it updates others", "it deletes another", "it makes another"):
        with receiving(LOUD[name][0]):
            options = {**BY_OPTIONS, "as_transaction": transactions}
            case(START, text, passed=-1, policy=policy, **options).check(CROWD)
        with receiving(LOUD[name][0]):
            several = (File("Parcel", text), File("Parcel", lines(6)))
            case(START, *several, passed=-1, policy=policy, **options).check(CROWD)


def link_all() -> None:
    """Make the parcels of `START`, with their keys."""
    for number in range(1, 13):
        link(Parcel.objects.create(code=str(number), label="A"), f"k{number}")


def label_of_6() -> str:
    return str(Parcel.objects.get(code="6").label)


def once() -> Callable[..., None]:
    """Give what changes parcel 6 when it is called first."""
    left = [True]

    def act(*_: Any, **__: Any) -> None:
        if left:
            left.pop()
            Parcel.objects.filter(code="6").update(label="Z")

    return act


Run = Callable[..., Report]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Give what syncs a text of parcels."""

    def run(text: str, *, policy: Any = BasicSyncPolicy, progress: Any = None, **options: Any) -> Report:
        path = tmp_path / "parcels.csv"
        path.write_text(text)
        given = SyncOptions(**{"batch_size": 2, **BY_OPTIONS, **options})
        return sync(path, Parcel, system="HR", options=given, policy=policy, progress=progress)

    return run


@pytest.mark.parametrize("listens", [True, False], ids=["a receiver listens", "none does"])
@pytest.mark.parametrize("changed", [(), (2,), (2, 9)], ids=str)
@pytest.mark.parametrize("policy", [BasicSyncPolicy, OrderedSyncPolicy])
def test_what_receivers_of_batch_applied_write_is_seen(
    run: Run, listens: bool, changed: tuple[int, ...], policy: Any
) -> None:
    """T1: they may write after each batch, and so after each phase."""
    link_all()
    act = once()
    batch_applied.connect(act)
    try:
        with receiving(look_around) if listens else nullcontext():
            report = run(lines(*changed), policy=policy)
    finally:
        batch_applied.disconnect(act)
    is_over = policy is BasicSyncPolicy and not changed  # there is one batch, of all rows
    assert label_of_6() == ("Z" if is_over else "A")
    assert outcomes(report).get("updated", 0) == len(changed) + (not is_over)


@pytest.mark.django_db(transaction=True)
def test_what_is_done_on_commit_is_seen(run: Run) -> None:
    """T3."""
    link_all()
    act = once()
    with receiving(lambda parcel: transaction.on_commit(act)), given_up() as found:
        report = run(lines(2, 9), as_transaction=False)
    assert found == [2]
    assert (label_of_6(), outcomes(report)) == ("A", {"updated": 3, "unchanged": 9})


@pytest.mark.django_db(transaction=True)
def test_the_last_line_that_was_committed_is_the_last_that_was_run(run: Run) -> None:
    """T4."""
    link_all()

    def act(parcel: Parcel) -> None:
        if parcel.code == "4":
            raise ValueError("no")
        Parcel.objects.filter(code="6").update(note="seen")

    with receiving(act), given_up() as found:
        report = run(lines(2, 4, 9), as_transaction=False, on_error="stop", batch_size=3)
    assert found == [2]
    assert report.last_committed.endswith(":3")
    assert list(Parcel.objects.filter(label="B").values_list("code", flat=True)) == ["2"]


@pytest.mark.parametrize("record", ["summary", "changes"])
@pytest.mark.django_db(transaction=True)
def test_a_proof_holds_where_each_batch_is_committed(run: Run, record: str) -> None:
    """T3."""
    link_all()
    with receiving(look_around), given_up() as found:
        report = run(lines(2, 9), as_transaction=False, record=record)
    assert (found, outcomes(report)) == ([], {"updated": 2, "unchanged": 10})


def test_a_row_that_fails_disturbs_nothing(run: Run) -> None:
    """T4: what it did is undone."""
    link_all()
    with receiving(look_around), receiving(lambda parcel: 1 / (parcel.code != "2"), pre_save), given_up() as found:
        report = run(lines(2, 9), on_error="skip")
    assert (found, outcomes(report)) == ([], {"failed": 1, "updated": 1, "unchanged": 10})


def test_a_row_that_does_something_else_and_fails_ends_as_one_by_one() -> None:
    """T4."""

    def act(parcel: Parcel) -> None:
        Parcel.objects.filter(code="7").update(note="seen")
        if parcel.code == "2":
            raise ValueError("no")

    with receiving(act):
        case(START, lines(2, 9), passed=10, **BY_OPTIONS).check(CROWD)


def test_progress_never_goes_back(run: Run) -> None:
    """The source is read again from its start when a proof is given up."""
    count, told = 3_000, []
    made = Parcel.objects.bulk_create([Parcel(code=str(n), label="A") for n in range(1, count + 1)])
    for parcel in made[:1]:
        link(parcel, f"k{parcel.code}")
    first = ExternalKeyMapping.objects.get()
    ExternalKeyMapping.objects.bulk_create(
        ExternalKeyMapping(
            external_system=first.external_system,
            content_type=first.content_type,
            external_key=f"k{parcel.code}",
            object_id=str(parcel.pk),
        )
        for parcel in made[1:]
    )
    with receiving(once()), given_up() as found:
        text = lines(*range(100, count, 100), count=count)
        run(text, batch_size=20, progress=lambda rows, done, total: told.append((rows, done)))
    assert found == [100]
    assert len(told) > 20
    assert told == sorted(told)
    assert all(done <= len(text) for _, done in told)


ACTS = sorted(QUIET.keys() | LOUD.keys())


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    labels=st.lists(st.sampled_from("AAAAAAABZ"), min_size=12, max_size=12),
    more=st.lists(st.tuples(st.integers(1, 15), st.integers(1, 15), st.sampled_from("ABZ")), max_size=4),
    act=st.sampled_from(ACTS),
    flags=st.sampled_from(["cu*", "cu", "u*"]),
)
def test_whatever_is_done_rows_end_as_they_do_one_by_one(
    labels: list[str], more: list[tuple[int, int, str]], act: str, flags: str
) -> None:
    text = HEAD + "".join(f"k{n},{n},{label}\n" for n, label in enumerate(labels, 1))
    text += "".join(f"k{key},{code},{label}\n" for key, code, label in more)
    do, signal = (QUIET | LOUD)[act]
    with receiving(do, signal):
        case(START, text, passed=-1, action_flags=flags, match_on="code").check((*CROWD, "Crate"))
