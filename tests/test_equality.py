"""Whether writing a value would change anything (rule A7)."""

from __future__ import annotations

import datetime
from datetime import UTC
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.db import models
from django.db.models.fields.files import FieldFile
from hypothesis import given
from hypothesis import strategies as st

from nsync.equality import same

JSON = models.JSONField(null=True)
TEXT = models.TextField(null=True)
BERLIN = ZoneInfo("Europe/Berlin")


class Quarrelsome:
    __hash__ = None

    def __eq__(self, other):
        raise ArithmeticError


@pytest.mark.parametrize(
    ("field", "old", "new", "expected"),
    [
        (TEXT, None, "", True),
        (TEXT, "", None, True),
        (TEXT, "a", "A", False),
        (TEXT, None, "a", False),
        (models.TextField(), None, "", False),
        (models.FileField(null=True), FieldFile(None, models.FileField(), None), "", True),
        (models.FileField(null=True), FieldFile(None, models.FileField(), "a.txt"), "a.txt", True),
        (models.IntegerField(null=True), None, 0, False),
        (models.IntegerField(null=True), None, None, True),
        (models.BooleanField(), 1, True, True),
        (models.DecimalField(), Decimal("1.5"), Decimal("1.50"), True),
        (models.DecimalField(), Decimal("sNaN"), Decimal(1), False),
        (models.BinaryField(), memoryview(b"ab"), b"ab", True),
        (models.IntegerField(), Quarrelsome(), 1, False),
        (JSON, 1, 1.0, False),
        (JSON, 1, True, False),
        (JSON, [0], [False], False),
        (JSON, {"a": {"b": 1}}, {"a": {"b": 1.0}}, False),
        (JSON, {"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (JSON, [1, 2], [2, 1], False),
        (JSON, [1], [1, 2], False),
        (JSON, [1], (1,), True),
        (JSON, {"a": None}, {}, False),
        (JSON, None, {}, False),
        (JSON, None, None, True),
        (JSON, "", None, False),
    ],
)
def test_what_counts_as_a_change(field, old, new, expected):
    """A7"""
    assert same(field, old, new) is expected


def test_aware_datetimes_are_compared_by_instant():
    """A7"""
    field = models.DateTimeField()
    moment = datetime.datetime(2024, 10, 27, 0, 30, tzinfo=UTC)

    assert same(field, moment, moment.astimezone(BERLIN))  # a local time that exists twice
    assert not same(field, moment, moment.astimezone(BERLIN).replace(fold=1))
    assert not same(field, moment, moment.replace(tzinfo=None))


def test_json_nested_deeper_than_python_recurses_differs():
    """A7"""
    deep = []
    for _ in range(100_000):
        deep = [deep]

    assert same(JSON, deep, [deep]) is False


DOCUMENTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(DOCUMENTS)
def test_every_json_value_is_the_same_as_itself(document):
    """A7"""
    assert same(JSON, document, document)
    assert not same(JSON, document, [document])
