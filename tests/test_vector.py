"""The quick way through a history against the engine itself, reading by reading."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.backtest import Course, Following
from park.limits import Kind, Limit
from park.means import DAY, HOUR, MINUTE, Method
from park.statistics import Statistic
from park.vector import CODES, Blocks, Stretch, joined, ordered, weighted
from park.words import Quality
from tests.making import SERIES, T0, limit, low, many, point, quality_limit, two_levels

SILENT_AFTER = 180_000

LIMITS = [
    limit(),
    low(),
    limit(deadband=2.0),
    limit(on_delay=60_000, off_delay=120_000),
    limit(on_delay=90_000, deadband=1.0),
    two_levels(deadband=3.0, off_delay=90_000),
    two_levels(on_delay=60_000, off_delay=200_000, deadband=1.0),
    low(on_delay=30_000, off_delay=45_000, deadband=2.0),
    limit(latching=True, off_delay=60_000),
    limit(kind=Kind.NEGATIVE_LIST, off_delay=60_000),
    limit(kind=Kind.MEAN, of=Statistic.MINUTE, deadband=1.0),
    limit(kind=Kind.MEAN, of=Statistic.MINUTE, on_delay=60_000, off_delay=90_000),
    limit(kind=Kind.RATE, window=120_000, set_points=(point("high", 2.0),)),
    quality_limit(),
    quality_limit(on_delay=60_000, off_delay=30_000),
]

QUALITIES = st.sampled_from([Quality.GOOD] * 6 + list(Quality))
#: Values around the set-points, those themselves among them.
VALUES = st.one_of(st.sampled_from([4.0, 5.0, 8.0, 9.0, 10.0, 11.0, 17.0, 20.0, 21.0]), st.floats(0.0, 30.0))
STEPS = st.sampled_from([0, 1_000, 30_000, 60_000, 60_000, 60_000, 90_000, 180_000, 180_001, 600_000])


@st.composite
def histories(draw: st.DrawFn, most: int = 40) -> Stretch:
    """Readings in order, some bad, some at the same time, some after a gap."""
    rows = draw(st.lists(st.tuples(STEPS, st.none() | VALUES, QUALITIES), max_size=most))
    t = T0 + np.cumsum([step for step, _, _ in rows], dtype=np.int64)
    # What has no number is no measurement (park/grading.py).
    quality = [CODES[Quality.FAILURE if value is None else quality] for _, value, quality in rows]
    values = [np.nan if value is None else value for _, value, _ in rows]
    return Stretch(np.array(t, np.int64), np.array(values, np.float64), np.array(quality, np.int8))


def parts(stretch: Stretch, cuts: list[int]) -> list[Stretch]:
    """Cut a stretch at ``cuts``."""
    places = sorted({min(cut, len(stretch)) for cut in cuts} | {0, len(stretch)})
    return [stretch.part(begin, end) for begin, end in itertools.pairwise(places)]


def course(rule: Limit, stretches: list[Stretch], *, skip: bool) -> Course:
    """Run one limit to half an hour after the last reading."""
    found = Course(SERIES, rule, SILENT_AFTER, skip=skip)
    for stretch in stretches:
        found.take(stretch)
    last = max((int(stretch.t[-1]) for stretch in stretches if len(stretch)), default=T0)
    found.finish(last + 1_800_000)
    return found


@pytest.mark.parametrize("rule", LIMITS, ids=range(len(LIMITS)))
@given(stretch=histories(), cuts=st.lists(st.integers(0, 40), max_size=3))
@many
def test_skipping_readings_changes_nothing(rule: Limit, stretch: Stretch, cuts: list[int]) -> None:
    engine = course(rule, [stretch], skip=False)
    quick = course(rule, parts(stretch, cuts), skip=True)
    assert quick.occurrences == engine.occurrences
    assert quick.outcome == engine.outcome
    assert quick.paged == engine.paged


def test_skipping_skips() -> None:
    # Otherwise the comparison above would compare the engine with itself.
    rule, seen = limit(), []

    class Watched(Stretch):
        def reading(self, series: str, index: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
            seen.append(index)
            return super().reading(series, index)

    values = np.array([1.0] * 50 + [11.0] * 50 + [1.0] * 50)
    stretch = Watched(T0 + np.arange(150) * MINUTE, values, np.zeros(150, np.int8))
    found = course(rule, [stretch], skip=True)
    assert [(each.begin, each.end) for each in found.occurrences] == [(T0 + 50 * MINUTE, T0 + 100 * MINUTE)]
    assert seen == [49, 50, 99, 100, 149]


# --- means ---------------------------------------------------------------------------------------------------

EVERY = {statistic: {10.0} for statistic in Statistic}


@dataclass(frozen=True)
class Made:
    """How often a series speaks and what it says over some days."""

    method: Method
    stretch: Stretch


@st.composite
def made(draw: st.DrawFn) -> Made:
    interval = draw(st.sampled_from([20_000, MINUTE, 5 * MINUTE, HOUR, 2 * HOUR, 30 * HOUR]))
    strict = draw(st.booleans())
    seed, count = draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 3000 if interval < HOUR else 200))
    chance = np.random.default_rng(seed)
    t = T0 + draw(st.integers(0, DAY)) + np.arange(count, dtype=np.int64) * interval
    t += chance.integers(0, max(1, interval // 2), count)
    # Gaps, of readings and of hours.
    kept = chance.random(count) > draw(st.sampled_from([0.0, 0.02, 0.3]))
    kept &= np.floor(np.arange(count) / 70) % 7 != draw(st.integers(0, 9))
    quality = np.where(chance.random(count) < draw(st.sampled_from([0.0, 0.02, 0.3])), CODES[Quality.FAILURE], 0)
    values = np.where(chance.random(count) < 0.1, 10.0, chance.normal(10.0, 3.0, count))
    values = np.where(chance.random() < 0.1, 10.0, values)
    stretch = Stretch(t[kept], values[kept], quality[kept].astype(np.int8))
    if draw(st.booleans()):
        flow_t = np.sort(T0 + chance.integers(0, max(1, count) * interval, count // 2))
        flow_quality = np.where(chance.random(len(flow_t)) < 0.1, CODES[Quality.FAILURE], 0).astype(np.int8)
        flow = Stretch(flow_t, np.maximum(-1.0, chance.normal(100.0, 80.0, len(flow_t))), flow_quality)
        stretch = weighted(stretch, flow)
    return Made(Method(interval=interval, strict=strict), stretch)


def results_of(maker: Blocks | Following, stretches: list[Stretch]) -> dict[Statistic, Stretch]:
    """Run a history through and put the results of each statistic together."""
    found: dict[Statistic, Stretch] = {}
    for each in [*(maker.take(stretch) for stretch in stretches), maker.finish()]:
        for statistic, results in each.items():
            found[statistic] = joined(found[statistic], results) if statistic in found else results
    return {statistic: results for statistic, results in found.items() if len(results)}


@given(case=made(), cuts=st.lists(st.integers(0, 3000), max_size=4))
@many
def test_means_made_in_bulk_are_those_of_the_engine(case: Made, cuts: list[int]) -> None:
    engine = results_of(Following(case.method, EVERY), [case.stretch])
    bulk = results_of(Blocks(case.method, EVERY), parts(case.stretch, cuts))
    assert bulk.keys() == engine.keys()
    for statistic, expected in engine.items():
        found = bulk[statistic]
        np.testing.assert_array_equal(found.t, expected.t)
        np.testing.assert_array_equal(found.quality, expected.quality)
        # Above, below or equal is the same to the last bit, and so is everything that is not rolling over minutes.
        np.testing.assert_array_equal(np.sign(found.value - 10.0), np.sign(expected.value - 10.0))
        exact = statistic not in {Statistic.ROLLING_15_MIN, Statistic.ROLLING_8_H}
        np.testing.assert_allclose(found.value, expected.value, rtol=0.0 if exact else 1e-9)


def test_readings_are_put_in_order() -> None:
    stretch = ordered(np.array([3, 1, 2, 1]), np.array([30.0, 10.0, 20.0, 11.0]), np.zeros(4, np.int8))
    assert stretch.t.tolist() == [1, 1, 2, 3]
    assert stretch.value.tolist() == [10.0, 11.0, 20.0, 30.0]
