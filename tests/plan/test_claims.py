"""Which changes of a batch must not be written together, because the order of writing decides (T1)."""

from __future__ import annotations

import pytest

from nsync.changes import Change, ChangeKind, New, ObjectId
from nsync.plan.touched import Barrier
from tests.plan.planned import BRUCE, DICK, MANOR, ROBIN, STORED, after, delete, insert, of, record, update
from tests.testapp.models import Passport, Person, Product, Stock

SHELF = ObjectId(Stock, 1)
OTHER = ObjectId(Stock, 2)
ON_SHELF = of(Stock, id=1, shelf="s", article="a", quantity=1, label="L", in_use=True)
ON_OTHER = of(Stock, id=2, shelf="s", article="b", quantity=1, label="M", in_use=True)

CONFLICTS: dict[str, list[Change]] = {  # the last of them cannot be written with those before
    "a unique value that another gave up": [update(BRUCE, employee_id="9"), update(DICK, line=3, employee_id="1")],
    "a unique value that a new object takes from another": [
        update(BRUCE, employee_id="9"),
        insert(ROBIN, line=3, first_name="R", employee_id="1"),
    ],
    "a unique value that two want": [update(BRUCE, employee_id="9"), update(DICK, line=3, employee_id="9")],
    "a unique value of an object that went": [delete(BRUCE), update(DICK, line=3, employee_id="1")],
    "a value unique together with another": [
        update(SHELF, stored=ON_SHELF, article="c"),
        update(OTHER, line=3, stored=ON_OTHER, article="a"),
    ],
    "a unique value written twice": [
        update(BRUCE, employee_id="8"),
        update(BRUCE, line=3, stored={**STORED[BRUCE], "employee_id": "8"}, employee_id="9"),
    ],
    "a checked value written twice": [
        update(SHELF, stored=ON_SHELF, quantity=-1),
        update(SHELF, line=3, stored={**ON_SHELF, "quantity": -1}, quantity=2),
    ],
    "values of a constraint with a condition": [
        update(SHELF, stored=ON_SHELF, in_use=False),
        update(OTHER, line=3, stored=ON_OTHER, label="L"),
    ],
    "an object that points to one that went": [delete(BRUCE), update(MANOR, line=3, owner_id=2)],
}


@pytest.mark.parametrize("name", CONFLICTS)
def test_changes_that_depend_on_the_order_of_writing_are_not_written_together(name: str) -> None:
    """T1, A4."""
    changes = CONFLICTS[name]
    state = after({}, *changes[:-1])

    with pytest.raises(Barrier):
        state.absorb(changes[-1:])


TOGETHER: dict[str, list[Change]] = {
    "other columns of one object": [
        update(BRUCE, age=4),
        update(BRUCE, line=3, stored={**STORED[BRUCE], "age": 4}, age=5),
    ],
    "unique values that nobody had": [update(BRUCE, employee_id="8"), update(DICK, line=3, employee_id="9")],
    "unique values that are empty": [update(BRUCE, employee_id=None), update(DICK, line=3, employee_id=None)],
    "checked values of two objects": [
        update(SHELF, stored=ON_SHELF, quantity=2),
        update(OTHER, line=3, stored=ON_OTHER, quantity=3),
    ],
    "new objects with their own values": [
        insert(ROBIN, first_name="R", employee_id="7"),
        insert(ObjectId(Person, New(0, 10)), line=3, first_name="S", employee_id="8"),
    ],
}


@pytest.mark.parametrize("name", TOGETHER)
def test_other_changes_are_written_together(name: str) -> None:
    """T1."""
    state = after({}, *TOGETHER[name])

    assert not state.is_pristine


PRODUCT = ObjectId(Product, 1)
PASSPORT = ObjectId(Passport, 1)
HELD = of(Passport, id=1, number="N", person_id=1)

ALONE: dict[str, tuple[list[Change], bool]] = {
    "a deletion with its mapping": ([delete(BRUCE), record(ChangeKind.UNMAP, "k", BRUCE)], False),
    "a displaced object and an update": ([delete(DICK), update(BRUCE, employee_id="2")], True),
    "an update": ([update(BRUCE, employee_id="9")], False),
    "a new object and its mapping": ([insert(ROBIN, first_name="R"), record(ChangeKind.MAP, "k", ROBIN)], False),
    "what one object gives to another": (
        [
            update(PASSPORT, stored=HELD, person_id=None),
            update(ObjectId(Passport, 2), stored=of(Passport, id=2, number="M"), person_id=1),
        ],
        True,
    ),
    "a value that foreign keys hold": (
        [update(PRODUCT, stored=of(Product, id=1, sku="a"), sku="b")],
        True,
    ),
    "another value of such an object": ([update(PRODUCT, stored=of(Product, id=1, sku="a"), name="b")], False),
}


@pytest.mark.parametrize("name", ALONE)
def test_some_rows_are_written_by_themselves(name: str) -> None:
    """A4, R3: what they do depends on the order in which it is done, or changes other tables too."""
    changes, expected = ALONE[name]

    assert after({}).stands_alone(changes, ()) is expected
