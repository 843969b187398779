"""How many different values there are."""

from __future__ import annotations

import pytest

from nsync.profiling.sketch import Distinct, bound_for


def test_up_to_the_bound_values_are_counted() -> None:
    distinct = Distinct(100)
    for number in range(1_000):
        distinct.add(str(number % 100))

    assert (distinct.count, distinct.is_exact) == (100, True)


@pytest.mark.parametrize("kind", [str, int])
def test_beyond_the_bound_they_are_estimated(kind: type) -> None:
    distinct = Distinct(1_000)
    for _ in range(2):
        for number in range(20_000):
            distinct.add(kind(number))

    assert not distinct.is_exact
    assert 16_000 < distinct.count < 24_000  # six times the usual error


def test_all_columns_together_stay_small() -> None:
    assert bound_for(1) == bound_for(40) == 10_000
    assert bound_for(1_000) == 400
    assert bound_for(1_000_000) == 64
