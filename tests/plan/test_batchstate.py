"""What memory can tell of the rows that a batch has planned so far, and where the database must be asked (T1)."""

from __future__ import annotations

from typing import Any

import pytest

from nsync.actions import EMPTY, Combined, Condition, Lookup, Place, Relation
from nsync.changes import Change, ChangeKind, New, ObjectId
from nsync.plan.state import (
    Cascade,
    CascadeOf,
    Emptied,
    Found,
    Linked,
    MappingsOf,
    Matched,
    Related,
    Stored,
    Unanswered,
)
from nsync.plan.touched import Barrier
from tests.plan.planned import (
    ALFRED,
    BRUCE,
    DICK,
    MANOR,
    RED,
    ROBIN,
    STORED,
    after,
    delete,
    found,
    insert,
    mapping,
    matched,
    of,
    record,
    update,
    where,
)
from tests.testapp.models import Company, Employee, Folded, House, Person, Recipe, Slugged, Tag

# --- what memory tells ----------------------------------------------------------------------------------------------


def test_before_any_change_the_database_is_believed() -> None:
    question = matched("first_name", "b", "iexact")

    assert after({question: (BRUCE,)})[question] == (BRUCE,)


def test_what_nobody_knows_must_be_asked() -> None:
    with pytest.raises(Unanswered) as raised:
        after({})[Linked("HR", Person, "k")]
    assert raised.value.question == Linked("HR", Person, "k")


TELLS: dict[str, tuple[list[Change], Any, Any, Any]] = {  # changes, question, what the database says, what is so
    "a key that was mapped": (
        [record(ChangeKind.MAP, "k", BRUCE)],
        Linked("HR", Person, "k"),
        None,
        mapping("k", BRUCE),
    ),
    "a key that was taken off": (
        [record(ChangeKind.UNMAP, "k", BRUCE)],
        Linked("HR", Person, "k"),
        mapping("k", BRUCE),
        None,
    ),
    "a key that went and came": (
        [record(ChangeKind.UNMAP, "k", BRUCE), record(ChangeKind.MAP, "k", DICK)],
        Linked("HR", Person, "k"),
        mapping("k", BRUCE),
        mapping("k", DICK),
    ),
    "mappings of an object": (
        [record(ChangeKind.UNMAP, "k", BRUCE), record(ChangeKind.MAP, "n", BRUCE)],
        MappingsOf(BRUCE),
        (mapping("k", BRUCE), mapping("e", BRUCE, "ERP")),
        (mapping("e", BRUCE, "ERP"), mapping("n", BRUCE)),
    ),
    "mappings of a new object": (
        [insert(ROBIN, first_name="R"), record(ChangeKind.MAP, "n", ROBIN)],
        MappingsOf(ROBIN),
        None,
        (mapping("n", ROBIN),),
    ),
    "a match that a new object makes": ([insert(ROBIN, first_name="R")], matched("first_name", "R"), (), (ROBIN,)),
    "a match that a change makes": ([update(DICK, first_name="R")], matched("first_name", "R"), (), (DICK,)),
    "a match that a change unmakes": ([update(DICK, first_name="R")], matched("first_name", "Dick"), (DICK,), ()),
    "a match that a change leaves": ([update(DICK, age=4)], matched("first_name", "Dick"), (DICK,), (DICK,)),
    "a match that became ambiguous": (
        [update(DICK, first_name="Bruce")],
        matched("first_name", "Bruce"),
        (BRUCE,),
        (BRUCE, DICK),
    ),
    "a match of an empty value": ([update(BRUCE, employee_id=None)], matched("employee_id", EMPTY), (), (BRUCE,)),
    "a match of a removed object": ([delete(DICK)], matched("first_name", "Dick"), (DICK,), ()),
    "a match of another model": ([update(DICK, first_name="R")], matched("name", "V", model=Company), (), ()),
    "a lookup of a column that nobody wrote": (
        [update(DICK, age=4)],
        matched("first_name", "dick", "iexact"),
        (DICK,),
        (DICK,),
    ),
    "a match by what a foreign key leads to": (
        [update(DICK, manager_id=3)],
        matched("manager__first_name", "Alfred"),
        (),
        (DICK,),
    ),
    "a reference to a new object": ([insert(ROBIN, first_name="R")], found(Person, "first_name", "R"), (), (ROBIN,)),
    "a reference to an object that the row removes": (
        [update(ALFRED, age=4)],
        found(Person, "first_name", "Dick", DICK),
        (DICK,),
        (),
    ),
    "a reference through a key that was mapped": (
        [insert(ObjectId(Company, New(0, 9)), name="V"), record(ChangeKind.MAP, "c", ObjectId(Company, New(0, 9)))],
        Found(Lookup(Company, (), "HR", "c")),
        (),
        (ObjectId(Company, New(0, 9)),),
    ),
}


@pytest.mark.parametrize("name", TELLS)
def test_memory_tells(name: str) -> None:
    """T1: as if the rows before were written."""
    changes, question, database, expected = TELLS[name]
    asked = Found(question.lookup) if isinstance(question, Found) else question

    assert after({asked: database}, *changes)[question] == expected


def test_memory_tells_what_a_changed_object_holds() -> None:
    changed = {**STORED[BRUCE], "first_name": "B"}
    state = after({}, update(BRUCE, first_name="B"), update(BRUCE, line=3, stored=changed, age=4))

    values = state[Stored(BRUCE)]
    assert (values["first_name"], values["age"], values["employee_id"]) == ("B", 4, "1")


def test_memory_tells_what_a_deletion_empties() -> None:
    """A5: SET_NULL, also of objects that the batch did not touch."""
    gone = Cascade((BRUCE,), (), emptied=(Emptied(Person, "manager_id", frozenset({1})),))
    state = after({CascadeOf(BRUCE): gone}, delete(BRUCE))

    assert state[Stored(BRUCE)] is None
    assert state[Stored(DICK)]["manager_id"] is None
    assert state[Stored(DICK)]["first_name"] == "Dick"


OWNER = House._meta.get_field("owner")
HOUSES = Relation("houses", "reverse", Person, House, OWNER, "houses", ("houses=>address",))
TAGS = Relation(
    "tags",
    "many",
    Person,
    Tag,
    Person._meta.get_field("tags"),
    "tags",
    ("tags=>+name",),
    Person.tags.through,
    "person",
    "tag",
)


def relate(kind: ChangeKind, target: ObjectId, *others: ObjectId) -> Change:
    return Change(kind, target, Place(0, 2, 2), Person, relation=TAGS, others=others)


def test_memory_tells_who_owns_what_a_row_gave_away() -> None:
    """R3."""
    before = {Related(BRUCE, HOUSES): frozenset({MANOR}), Related(DICK, HOUSES): frozenset()}
    state = after(before, update(MANOR, owner_id=2))

    assert state[Related(BRUCE, HOUSES)] == frozenset()
    assert state[Related(DICK, HOUSES)] == {MANOR}


def test_memory_tells_the_pairs_that_rows_added_and_removed() -> None:
    """R3."""
    blue = ObjectId(Tag, 6)
    before = {Related(BRUCE, TAGS): frozenset({RED}), Related(DICK, TAGS): frozenset({RED})}
    state = after(before, relate(ChangeKind.UNRELATE, BRUCE, RED), relate(ChangeKind.RELATE, BRUCE, blue))

    assert state[Related(BRUCE, TAGS)] == {blue}
    assert state[Related(DICK, TAGS)] == {RED}


def test_memory_tells_what_goes_with_an_object_after_others_went() -> None:
    """A5: the house went before its owner does."""
    cascade = Cascade((BRUCE, MANOR), (mapping("k", BRUCE),))
    state = after({CascadeOf(BRUCE): cascade}, delete(MANOR), record(ChangeKind.MAP, "n", BRUCE))

    assert state[CascadeOf(BRUCE)] == Cascade((BRUCE,), (mapping("k", BRUCE), mapping("n", BRUCE)))


# --- where memory cannot tell ---------------------------------------------------------------------------------------

EMPLOYEE = ObjectId(Employee, 1)
STAFF = of(Employee, id=1, person_ptr_id=1, staff_number="S", first_name="Bruce")
RECIPE = ObjectId(Recipe, 1)
SLUGGED = ObjectId(Slugged, 1)

BARRIERS: dict[str, tuple[list[Change], Any, Any]] = {  # changes, question, what the database says
    "a lookup of a column that was written": (
        [update(DICK, first_name="R")],
        matched("first_name", "r", "iexact"),
        (),
    ),
    "a lookup after an insert": ([insert(ROBIN, first_name="R")], matched("first_name", "r", "iexact"), ()),
    "a lookup after a deletion": ([delete(DICK)], matched("first_name", "d", "istartswith"), (DICK,)),
    "an expression with ~": (
        [update(DICK, first_name="R")],
        Matched(Person, Combined("~", (where("first_name", "R"),))),
        (),
    ),
    "text that the database folds": (
        [insert(ObjectId(Folded, New(0, 9)), name="a")],
        matched("name", "A", model=Folded),
        (),
    ),
    "the last of several that the database found": (
        [update(BRUCE, first_name="R")],
        matched("first_name", "Bruce"),
        (BRUCE, DICK),  # two stand for two or more
    ),
    "several references, one of them removed by the row": (
        [update(ALFRED, age=4)],
        found(Person, "first_name", "Bruce", BRUCE),
        (BRUCE, DICK),
    ),
    "a path through an object that changed": (
        [update(BRUCE, first_name="R")],
        matched("manager__first_name", "R"),
        (),
    ),
    "a path through an object that went": ([delete(BRUCE)], matched("manager__first_name", "Bruce"), (DICK,)),
    "a path to the other side": (
        [update(MANOR, address="M")],
        matched("houses__address", "Manor"),
        (BRUCE,),
    ),
    "a mapping whose object went": ([delete(DICK)], Linked("ERP", Person, "e"), mapping("e", DICK, "ERP")),
    "a reference by key to an object that went": ([delete(DICK)], Found(Lookup(Person, (), "ERP", "e")), (DICK,)),
    "a reference by key and more": (
        [update(DICK, age=4)],
        Found(Lookup(Person, (Condition("first_name", "exact", "Dick", True, "x"),), "HR", "k")),
        (DICK,),
    ),
    "a value that is read otherwise than written": (
        [update(RECIPE, stored=of(Recipe, id=1, name="r", ingredients=["a"]), ingredients=["b"])],
        Stored(RECIPE),
        None,
    ),
    "a value that its field makes": (
        [update(SLUGGED, stored=of(Slugged, id=1, title="a", slug="a"), title="b")],
        Stored(SLUGGED),
        None,
    ),
    "the parent of a child that changed": ([update(EMPLOYEE, stored=STAFF, staff_number="T")], Stored(BRUCE), None),
    "the child of a parent that changed": ([update(BRUCE, age=4)], Stored(EMPLOYEE), STAFF),
    "what goes with a new object": ([insert(ROBIN, first_name="R")], CascadeOf(ROBIN), None),
    "what refused a deletion": ([update(DICK, age=4)], CascadeOf(BRUCE), Cascade((), (), refusal="is needed")),
    "what goes with an object that changed": ([update(BRUCE, age=4)], CascadeOf(BRUCE), Cascade((BRUCE,), ())),
    "what goes with an object that another was given to": (
        [update(MANOR, owner_id=2)],
        CascadeOf(DICK),
        Cascade((DICK,), ()),
    ),
    "what goes with an object that got a tag": (
        [relate(ChangeKind.RELATE, BRUCE, RED)],
        CascadeOf(BRUCE),
        Cascade((BRUCE,), ()),
    ),
}


@pytest.mark.parametrize("name", BARRIERS)
def test_memory_cannot_tell(name: str) -> None:
    """T1: what is planned must be written before the next row is."""
    changes, question, database = BARRIERS[name]
    asked = Found(question.lookup) if isinstance(question, Found) else question
    state = after({asked: database}, *changes)

    with pytest.raises(Barrier):
        state[question]
