"""
Rows that are saved one by one, because code of the project runs then, are planned together while it does nothing else.

What they leave is what the row-by-row engine leaves (rule T1), whatever that code does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import Model
from django.db.models.signals import post_save, pre_save
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nsync import SyncOptions, sync
from tests.agreeing import Example, File, Run, Thing, Variant, check
from tests.many import listening
from tests.plan.known import link
from tests.test_proofs_watched import HEAD, LOUD, QUIET, lines, receiving
from tests.testapp.models import Depot, Parcel, Ticket

pytestmark = pytest.mark.django_db

MODELS = ("Depot", "Parcel", "Shelf", "Crate")
WHOLE = [Variant("auto", 50), Variant("auto", 5)]  # one batch, which is not proved; three, which are


@contextmanager
def heard(act: Callable[[Parcel], object]) -> Iterator[None]:
    """Let something happen before any parcel is saved."""

    def hear(instance: Parcel, raw: bool = False, **_: Any) -> None:
        if not raw:
            act(instance)

    pre_save.connect(hear, sender=Parcel)
    try:
        yield
    finally:
        pre_save.disconnect(hear, sender=Parcel)


def kinds(queries: CaptureQueriesContext) -> Counter[str]:
    """Count statements by their first words."""
    starts = ("SELECT", "UPDATE", "INSERT", "SAVEPOINT", "RELEASE SAVEPOINT", "SET CONSTRAINTS")
    texts = [query["sql"].removeprefix("1 times: ") for query in queries]  # as Django tells of executemany()
    return Counter(next((one for one in starts if text.startswith(one)), "other") for text in texts)


def asked(path: Path, text: str) -> Counter[str]:
    """Sync a text of parcels; count what is asked of the database."""
    path.write_text(text)
    with CaptureQueriesContext(connection) as queries:
        sync(path, Parcel, system="HR", options=SyncOptions(action_flags="cu*", match_on="code"))
    return kinds(queries)


@pytest.mark.parametrize("position", ["changed", "new"])
def test_a_row_more_costs_one_save_and_reads_nothing_but_its_object_again(tmp_path: Path, position: str) -> None:
    """T8: what is changed is read again, under a lock where there is one."""
    path = tmp_path / "parcels.csv"
    for number in range(1, 41):
        link(Parcel.objects.create(code=str(number), label="A"), f"k{number}")
    more = [lines(*range(1, 11), count=40), lines(*range(1, 31), count=40)]
    if position == "new":
        more = [lines(count=50), lines(count=70)]
    with receiving(lambda parcel: None):
        few, many = asked(path, more[0]), asked(path, more[1])
    ten = Counter({kind: count for kind, count in (many - few).items() if count})
    expected = {"SAVEPOINT": 10, "RELEASE SAVEPOINT": 10, "SELECT": 10, "UPDATE": 10}
    if position == "new":
        expected = {"SAVEPOINT": 10, "RELEASE SAVEPOINT": 10, "INSERT": 20}
    ten.pop("SET CONSTRAINTS", None)
    assert ten == expected


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the documentation tells the figures of SQLite")
@pytest.mark.parametrize(("changed", "expected"), [(0, 3), (1, 7), (100, 403), (1000, 4003)])
def test_a_thousand_rows_cost_what_the_documentation_says(tmp_path: Path, changed: int, expected: int) -> None:
    path = tmp_path / "parcels.csv"
    for number in range(1, 1001):
        link(Parcel.objects.create(code=str(number), label="A"), f"k{number}")
    numbers = range(1, 1001, 1000 // changed) if changed else ()
    with receiving(lambda parcel: None):
        at_start = asked(path, HEAD).total()
        assert asked(path, lines(*numbers, count=1000)).total() - at_start == expected


START = [
    Thing("Depot", {"name": "a"}),
    Thing("Depot", {"name": "b"}),
    *[Thing("Parcel", {"code": str(n), "label": "A", "pieces": n}, (("HR", f"k{n}"),)) for n in range(1, 7)],
    *[Thing("Parcel", {"code": str(n), "label": "A"}) for n in range(7, 10)],
]


def agree(text: str, *, variants: list[Variant] = WHOLE, files: int = 1, **options: Any) -> None:
    given = {"on_error": "skip", "action_flags": "cu*", "match_on": "code", **options}
    check(Example(tuple(START), (Run((File("Parcel", text),) * files, given),)), MODELS, variants)


def test_rows_see_what_the_rows_before_them_have_saved() -> None:
    """T1: codes go from one parcel to the next, and keys come to parcels that earlier rows have made or renamed."""
    text = HEAD + "k1,21,A\nk9,1,B\nk2,9,A\nk21,21,B\nk22,22,B\nk23,22,C\nk22,22,D\nk1,21,E\nk1,7,E\n"
    with heard(lambda parcel: None):
        agree(text)
        agree(text, action_flags="cu")
        agree(text, files=2)
        agree(HEAD + ",20,A\n,20,A\n", action_flags="c")


def test_a_row_sees_what_code_of_the_project_has_made_of_a_row_before() -> None:
    """A7: a second row of the same object is compared with what is stored, not with what was planned."""

    def shout(parcel: Parcel) -> None:
        parcel.label = parcel.label.upper()
        parcel.remark = parcel.remark or "seen"

    text = "external_key,code,label,remark\n"
    text += "k1,1,b,\nk2,2,c,x\nk1,1,b,\nk1,1,B,\nk30,30,d,\nk30,30,d,\nk30,30,D,y\nk31,30,D,\n"
    with heard(shout):
        for flags in ("cu*", "cu", "u*"):
            agree(text, action_flags=flags)


def test_a_code_that_is_saved_otherwise_is_found_as_it_was_saved() -> None:
    """T1."""

    def pad(parcel: Parcel) -> None:
        parcel.code = f"{parcel.code:0>3}" if parcel.code and len(parcel.code) < 3 else parcel.code

    text = HEAD + "k1,1,B\nk2,002,B\nk40,40,B\n,040,C\nk3,33,A\n,033,D\n,33,E\n"
    with heard(pad):
        agree(text)
        agree(text, match_on="label")


def test_a_code_that_is_not_saved_is_not_found() -> None:
    """T1: a receiver puts the old code back."""

    def keep(parcel: Parcel) -> None:
        if parcel.pk and parcel.pieces:
            parcel.code = str(parcel.pieces)

    text = "external_key,label,code\nk1,B,21\n,C,21\nk2,B,2\nk3,B,31\n,C,3\n"
    with heard(keep):
        agree(text)


@pytest.mark.parametrize("leaves", ["everything", "the code"])
def test_a_code_is_not_found_that_a_save_of_the_project_leaves_out(
    monkeypatch: pytest.MonkeyPatch, leaves: str
) -> None:
    """T1."""

    def save(self: Parcel, **kwargs: Any) -> None:
        if self.pk is None:
            Model.save(self, **kwargs)
        elif leaves == "the code":
            Model.save(self, update_fields=["label"])

    monkeypatch.setattr(Parcel, "save", save)
    text = "external_key,label,code\nk1,B,21\n,C,21\nk2,B,2\nk3,B,31\n,C,3\n"
    for match in ("code", "label"):
        agree(text, match_on=match)


DEPOTS = [Thing("Depot", {"name": f"N{n}", "city": f"L{n}"}, (("HR", f"k{n}"),)) for n in range(1, 7)]


class Refused(Exception):
    """Raised to undo what a save has done."""


def save_and_undo(self: Depot, **kwargs: Any) -> None:
    try:
        with transaction.atomic():
            Model.save(self, **kwargs)
            if self.city == "M":
                raise Refused
    except Refused:
        pass


def save_and_swallow(self: Depot, **kwargs: Any) -> None:
    try:
        with transaction.atomic():
            Model.save(self, **kwargs)
    except IntegrityError:
        pass


def save_and_roll_back(self: Depot, **kwargs: Any) -> None:
    before = transaction.savepoint()
    Model.save(self, **kwargs)
    if self.city == "M":
        transaction.savepoint_rollback(before)
    else:
        transaction.savepoint_commit(before)


@pytest.mark.parametrize("save", [save_and_undo, save_and_swallow, save_and_roll_back])
@pytest.mark.parametrize(
    "text",
    [
        "k1,N1,M,cu*\n,X,L1,cu*\n",
        "k1,N2,M,cu*\n,X,L1,cu*\n",
        "k1,N1,M,cu*\n,X,M,c\n",
        "k31,X,M,cu*\n,Y,M,cu*\n,Z,M,cu*\n",
        "k1,N1,M,cu*\n,X,L1,cu*\n" + "".join(f"k{n},N{n},L{n},cu*\n" for n in range(2, 7)),
    ],
)
def test_what_a_save_takes_back_is_not_found(monkeypatch: pytest.MonkeyPatch, save: Any, text: str) -> None:
    """T1: the statement was sent, and is undone by the time the next row is looked at."""
    monkeypatch.setattr(Depot, "save", save)
    given = {"on_error": "skip", "match_on": "city"}
    runs = (Run((File("Depot", "external_key,name,city,action_flags\n" + text),), given),)
    check(Example(tuple(DEPOTS), runs), MODELS, [Variant("auto", 50), Variant("auto", 3)])


def test_a_default_of_the_project_sees_the_objects_of_the_rows_before() -> None:
    """T1, V3: also where the column is there, and its cell is empty."""
    for text in ("title\nA\nB\nC\n", "title,number\nA,\nB,7\nC,\nD,\n"):
        for listens in (True, False):
            example = Example((), (Run((File("Ticket", text),), {"action_flags": "c", "match_on": "title"}),))
            with receiving(lambda parcel: None), listening(Ticket) if listens else nullcontext():
                check(example, ["Ticket"], [Variant("auto", 50), Variant("auto", 2)])


def test_a_save_that_writes_every_column_is_as_planned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Django writes NULL as a word in the statement."""
    monkeypatch.setattr(Parcel, "save", lambda self, **kwargs: Model.save(self))
    path = tmp_path / "parcels.csv"
    for number in range(1, 31):
        link(Parcel.objects.create(code=str(number), label="A"), f"k{number}")
    few, many = asked(path, lines(*range(1, 11), count=30)), asked(path, lines(*range(1, 31), count=30))
    assert (many - few)["SELECT"] == 10


def test_references_are_found_as_code_of_the_project_leaves_them() -> None:
    """R1."""

    def rename(parcel: Parcel) -> None:
        if parcel.label == "B":
            Depot.objects.filter(name="a").update(name="z")

    text = "external_key,code,label,depot=>name\nk1,1,A,a\nk2,2,C,a\nk3,3,B,\nk4,4,A,a\nk5,5,A,z\nk6,6,A,b\n"
    with heard(rename):
        agree(text)
        agree(text, match_on="depot")


def test_a_row_that_is_refused_changes_nothing_for_the_rows_after_it() -> None:
    """T4."""

    def refuse(parcel: Parcel) -> None:
        if parcel.label == "B":
            raise ValueError("no")

    text = HEAD + "k1,1,C\nk2,22,B\n,22,C\nk3,2,C\nk2,2,D\nk44,44,B\n,44,D\nk44,44,D\n"
    with heard(refuse):
        agree(text)
        agree(text, on_error="rollback")
        agree(text, max_errors=1)


def test_displaced_and_deleted_objects_are_gone_for_the_rows_after_them() -> None:
    """A4, A5, A6."""
    text = (
        "external_key,action_flags,code,label\nk1,cu*,7,B\nk2,cu*,8,B\nk3,d,3,\nk3,c,3,B\n,d*,9,\n,c,9,B\nk1,cu*,9,\n"
    )
    with heard(lambda parcel: None):
        agree(text, action_flags=None)


CELLS = {
    "key": st.sampled_from(["", *(f"k{n}" for n in range(1, 10))]),
    "code": st.sampled_from(["", *map(str, range(1, 11))]),
    "label": st.sampled_from("ABZ"),
    "pieces": st.sampled_from(["", "1", "2", "x"]),
    "depot": st.sampled_from(["", "a", "b", "z"]),
}
HEARD = {**QUIET, **LOUD, "it shouts": (lambda parcel: setattr(parcel, "label", parcel.label * 2), pre_save)}


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    rows=st.lists(st.tuples(*CELLS.values()), min_size=3, max_size=12),
    act=st.sampled_from(sorted(HEARD)),
    flags=st.sampled_from(["cu*", "cu", "u*", "c", "d", ""]),
    match=st.sampled_from(["code", "label", "", "depot", "code label"]),
    policy=st.sampled_from(["basic", "ordered"]),
)
def test_whatever_is_done_rows_end_as_they_do_one_by_one(
    rows: list[tuple[str, ...]], act: str, flags: str, match: str, policy: str
) -> None:
    text = "external_key,code,label,pieces,depot=>name\n" + "".join(",".join(row) + "\n" for row in rows)
    if not flags:  # each row asks for something else
        asks = ("cu*", "d", "c", "u", "d*", "u*")
        text = "external_key,code,label,pieces,depot=>name,action_flags\n" + "".join(
            f"{','.join(row)},{asks[number % 6]}\n" for number, row in enumerate(rows)
        )
    given = {"on_error": "skip", "action_flags": flags or None, "match_on": match}
    do, signal = HEARD[act]
    example = Example(tuple(START), (Run((File("Parcel", text),), given, policy),))
    with receiving(do, signal):
        check(example, MODELS, [Variant("auto", 50), Variant("auto", 3)])


def test_post_save_receivers_are_called_once_for_each_row_that_changes() -> None:
    """A7."""
    calls: list[str] = []

    def hear(instance: Parcel, **_: Any) -> None:
        calls.append(str(instance.code))

    with receiving(lambda parcel: None):
        post_save.connect(hear, sender=Parcel)
        try:
            agree(lines(2, 5, 9), variants=[Variant("auto", 50)])
        finally:
            post_save.disconnect(hear, sender=Parcel)
    saved = ["2", "5", "9", "10", "11", "12"]
    assert [code for code in calls if code in saved][-6:] == sorted(saved, key=int)
