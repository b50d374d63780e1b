"""Exact sums: against rational arithmetic."""

from __future__ import annotations

import math
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from park.exact import NOTHING, added

values = st.lists(st.floats(-1e12, 1e12, allow_subnormal=False), max_size=60)


def total(summands: list[float]) -> tuple[float, ...]:
    found = NOTHING
    for each in summands:
        found = added(found, each)
    return found


@given(values)
def test_nothing_is_lost(summands: list[float]) -> None:
    assert sum(map(Fraction, total(summands))) == sum(map(Fraction, summands))


@given(values.flatmap(lambda each: st.tuples(st.just(each), st.permutations(each))))
def test_the_order_does_not_matter(case: tuple[list[float], list[float]]) -> None:
    one, other = case
    assert math.fsum(total(one)) == math.fsum(total(other)) == math.fsum(one)


def test_what_is_much_smaller_is_kept() -> None:
    assert math.fsum(total([1e12, 1e-9, -1e12])) == 1e-9


@given(st.lists(st.floats(1e-6, 1e6), max_size=600))
def test_what_sensors_measure_needs_few_floats(summands: list[float]) -> None:
    assert len(total(summands)) <= 6
