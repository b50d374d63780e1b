"""The flow that a value of wastewater stands for: the last good one of at most an hour before."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park import carrying, vector
from park.carrying import OLDEST, Flows, flow_at, noted, weighted
from park.means import HOUR, MINUTE, Sample
from park.vector import CODES, Stretch
from park.words import Quality
from tests.making import T0, many


def flows(*values: tuple[int, float]) -> Flows:
    """Return what is remembered of flows, each (minutes after ``T0``, value)."""
    known = carrying.NONE
    for minute, value in values:
        known = noted(known, T0 + minute * MINUTE, value)
    return known


def test_the_last_flow_before_a_value_counts() -> None:
    known = flows((0, 10.0), (1, 20.0), (2, 30.0))
    assert [flow_at(known, T0 + t) for t in (0, MINUTE - 1, MINUTE, 2 * MINUTE, HOUR)] == [10.0, 10.0, 20.0, 30.0, 30.0]


@pytest.mark.parametrize(("age", "flow"), [(OLDEST, 10.0), (OLDEST + 1, None)])
def test_a_flow_of_more_than_an_hour_ago_says_nothing(age: int, flow: float | None) -> None:
    known = flows((0, 10.0))
    assert flow_at(known, T0 + age) == flow
    assert weighted(T0 + age, 5.0, known) == Sample(T0 + age, None if flow is None else 5.0, flow or 1.0)


def test_without_any_flow_a_value_can_not_be_used() -> None:
    assert weighted(T0, 5.0, carrying.NONE) == Sample(T0, None)


def test_water_does_not_flow_backwards() -> None:
    assert weighted(T0, 5.0, flows((0, -3.0))) == Sample(T0, 5.0, 0.0)


def test_what_comes_a_little_before_the_first_flow_stands_for_that() -> None:
    assert flow_at(flows((3, 30.0), (1, 10.0)), T0) == 10.0
    assert flow_at(flows((3, 30.0)), T0) is None


def test_flows_may_come_in_any_order() -> None:
    assert flows((2, 20.0), (0, 5.0), (1, 10.0)) == flows((0, 5.0), (1, 10.0), (2, 20.0))


def test_of_two_flows_at_the_same_time_one_counts() -> None:
    assert flows((0, 10.0), (1, 20.0), (0, 99.0)) == flows((0, 10.0), (1, 20.0))


def test_little_is_remembered() -> None:
    known = flows(*((minute, float(minute)) for minute in range(600)))
    assert len(known) <= 64
    assert [flow_at(known, T0 + minute * MINUTE) for minute in (560, 598, 599)] == [560.0, 598.0, 599.0]


def test_of_a_flow_that_comes_every_second_little_is_remembered() -> None:
    known = carrying.NONE
    for second in range(2 * 3600):
        known = noted(known, T0 + second * 1000, float(second))
    assert len(known) <= 62 + 121
    assert flow_at(known, T0 + 7150_000) == 7150.0
    assert flow_at(known, T0 + 5000_000) == pytest.approx(5000.0, abs=60)


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, float, Quality]]]:
    times = st.lists(st.integers(0, 4 * HOUR), unique=True, max_size=30).map(sorted)
    rows = st.tuples(st.floats(-5.0, 100.0), st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.FAILURE]))
    return draw(times), [(t, *draw(rows)) for t in draw(times)]


@given(history=histories())
@many
def test_a_history_in_arrays_is_weighted_as_readings_are(
    history: tuple[list[int], list[tuple[int, float, Quality]]],
) -> None:
    times, rows = history
    good = np.full(len(times), CODES[Quality.GOOD], np.int8)
    values = Stretch(np.array(times, np.int64), np.ones(len(times)), good)
    flow = Stretch(
        np.array([t for t, *_ in rows], np.int64),
        np.array([value for _, value, _ in rows], np.float64),
        np.array([CODES[quality] for *_, quality in rows], np.int8),
    )
    found = vector.weighted(values, vector.good(flow))
    known = tuple((t, value) for t, value, quality in rows if quality.usable)
    assert found.weight is not None
    for t, weight, averaged in zip(times, found.weight.tolist(), found.averaged.tolist(), strict=True):
        before = any(each <= t for each, _ in known)
        expected = weighted(t, 1.0, known) if before else Sample(t, None)
        if expected.value is None:
            assert math.isnan(weight)
            assert math.isnan(averaged)
        else:
            assert (weight, averaged) == (expected.weight, 1.0)
