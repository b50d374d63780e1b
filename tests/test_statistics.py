"""The statistics of a series: all of them from one stream of samples."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.means import DAY, HOUR, MINUTE, Flag, Mean, Method, Sample, Span
from park.statistics import Result, Statistic, Statistics, block_result, elapse, follow, provisional
from tests.making import many

#: Midnight in China.
MIDNIGHT = 1_767_196_800_000


def results(samples: list[Sample], method: Method) -> list[Result]:
    """Return every result of a history, the last ones closed as well."""
    statistics, found = Statistics(), []
    for sample in samples:
        statistics, closed, _ = follow(statistics, sample, method)
        found += closed
    return found + elapse(statistics, samples[-1].t + 2 * DAY + method.allowance, method)[1]


def samples(count: int, interval: int, value: float = 1.0) -> list[Sample]:
    """Return equal samples from midnight on."""
    return [Sample(MIDNIGHT + number * interval, value) for number in range(count)]


def statistics_of(found: list[Result]) -> set[Statistic]:
    return {result.statistic for result in found}


@pytest.mark.parametrize(
    ("interval", "expected"),
    [
        (MINUTE, set(Statistic)),
        (HOUR, {Statistic.HOUR, Statistic.DAY, Statistic.ROLLING_8_H, Statistic.GREATEST_8_H}),
        (2 * HOUR, {Statistic.DAY}),
    ],
)
def test_what_there_is_depends_on_how_often_the_sensor_speaks(interval: int, expected: set[Statistic]) -> None:
    assert statistics_of(results(samples(DAY // interval, interval), Method(interval=interval))) == expected


@pytest.mark.parametrize("interval", [MINUTE, HOUR])
def test_no_result_is_told_twice(interval: int) -> None:
    found = results(samples(3 * DAY // interval, interval), Method(interval=interval))
    places = [(result.statistic, result.end) for result in found]
    assert len(places) == len(set(places))
    assert sum(result.statistic is Statistic.GREATEST_8_H for result in found) == 3


def test_the_greatest_of_a_day_is_told_when_the_day_closes() -> None:
    # Later it would be late data, and page nobody.
    method = Method(interval=HOUR)
    statistics = Statistics()
    for sample in samples(24, HOUR, 7.0):
        statistics, _, _ = follow(statistics, sample, method)
    statistics, found = elapse(statistics, MIDNIGHT + DAY + method.allowance, method)
    day = next(result for result in found if result.statistic is Statistic.GREATEST_8_H)
    # The first five have no six hours behind them.
    assert (day.begin, day.end, day.value, day.valid, day.count) == (MIDNIGHT, MIDNIGHT + DAY, 7.0, True, 19)


def test_every_minute_has_its_own_and_two_rolling_means() -> None:
    found = results([Sample(MIDNIGHT + n * MINUTE, float(n)) for n in range(16)], Method())
    end = MIDNIGHT + 3 * MINUTE
    assert [result for result in found if result.end == end] == [
        Result(Statistic.MINUTE, MIDNIGHT + 2 * MINUTE, end, 2.0, valid=True, count=1, share=1.0),
        Result(Statistic.ROLLING_15_MIN, end - 15 * MINUTE, end, 1.0, valid=False, count=3, share=0.2),
        Result(Statistic.ROLLING_8_H, end - 8 * HOUR, end, 1.0, valid=False, count=3, share=3 / 480),
    ]
    end = MIDNIGHT + 16 * MINUTE
    assert [result for result in found if result.end == end] == [
        Result(Statistic.MINUTE, MIDNIGHT + 15 * MINUTE, end, 15.0, valid=True, count=1, share=1.0),
        Result(Statistic.ROLLING_15_MIN, MIDNIGHT + MINUTE, end, 8.0, valid=True, count=15, share=1.0),
        Result(Statistic.ROLLING_8_H, end - 8 * HOUR, end, 7.5, valid=False, count=16, share=16 / 480),
    ]


def test_a_shift_of_minutes_is_valid_after_six_hours() -> None:
    found = results(samples(480, MINUTE, 4.0), Method())
    shifts = [result for result in found if result.statistic is Statistic.ROLLING_8_H]
    assert [(result.valid, result.count) for result in shifts] == [(n >= 360, n) for n in range(1, 481)]
    assert shifts[-1] == Result(
        Statistic.ROLLING_8_H, MIDNIGHT, MIDNIGHT + 8 * HOUR, 4.0, valid=True, count=480, share=1.0
    )


@pytest.mark.parametrize(("hours", "count", "valid"), [(19, 14, True), (18, 13, False)])
def test_the_greatest_of_a_day_needs_14(hours: int, count: int, valid: bool) -> None:  # noqa: FBT001
    found = results([*samples(hours, HOUR, 7.0), Sample(MIDNIGHT + DAY, 1.0)], Method(interval=HOUR))
    [day] = [result for result in found if result.statistic is Statistic.GREATEST_8_H]
    assert day == Result(Statistic.GREATEST_8_H, MIDNIGHT, MIDNIGHT + DAY, 7.0, valid, count, count / 24)


@pytest.mark.parametrize("flag", Flag)
@pytest.mark.parametrize("span", Span)
def test_a_block_is_a_result_with_all_that_is_known_of_it(span: Span, flag: Flag) -> None:
    mean = Mean(span, MIDNIGHT, 4.5, valid=False, count=7, share=0.25, least=1.0, most=8.0, weight=2.0, flag=flag)
    assert block_result(mean) == Result(
        Statistic(span.value), MIDNIGHT, MIDNIGHT + span.ms, 4.5, valid=False, count=7, share=0.25, flag=flag
    )


def test_what_is_open_is_told_as_it_stands() -> None:
    method = Method()
    assert provisional(Statistics(), method) == []
    statistics = Statistics()
    for sample in samples(64, MINUTE, 3.0):
        statistics, _, _ = follow(statistics, sample, method)
    now = [(each.statistic, each.begin, each.value, each.count, each.flag) for each in provisional(statistics, method)]
    # The hour that has closed is the day's first; of the next, the minute that is still open is missing.
    assert now == [
        (Statistic.HOUR, MIDNIGHT + HOUR, 3.0, 1, Flag.PROVISIONAL),
        (Statistic.DAY, MIDNIGHT, 3.0, 1, Flag.PROVISIONAL),
    ]


def test_a_sample_that_comes_too_late_is_told() -> None:
    method = Method(interval=HOUR)
    statistics, _ = elapse(Statistics(), MIDNIGHT + HOUR + method.allowance, method)
    assert follow(statistics, Sample(MIDNIGHT, 1.0), method) == (statistics, [], True)


# --- whatever the order, the cuts and the restarts -----------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """A history in the order in which it comes, and after how many samples what is remembered is written down."""

    method: Method
    in_order: list[Sample]
    arriving: list[tuple[int, Sample]]
    restarts: set[int]
    looks: set[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    interval = draw(st.sampled_from([20_000, MINUTE, 10 * MINUTE, HOUR]))
    allowance = draw(st.sampled_from([0, 2 * MINUTE, HOUR]))
    count = draw(st.integers(0, 300 if interval <= MINUTE else 100))
    chance = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    steps = np.where(chance.random(count) < 0.05, 40, 1) * interval
    t = MIDNIGHT - draw(st.integers(0, DAY)) + np.cumsum(steps)
    bad = chance.random(count) < draw(st.sampled_from([0.0, 0.1, 0.4]))
    values = chance.normal(10.0, 3.0, count)
    in_order = [
        Sample(int(at), None if spoiled else float(value)) for at, spoiled, value in zip(t, bad, values, strict=True)
    ]
    delays = chance.integers(0, allowance + 1, count).tolist()
    arriving = sorted(
        ((sample.t + delay, sample) for delay, sample in zip(delays, in_order, strict=True)), key=lambda pair: pair[0]
    )
    method = Method(interval=interval, allowance=allowance, strict=draw(st.booleans()))
    indices = st.sets(st.integers(0, 299), max_size=6)
    return Case(method, in_order, arriving, draw(indices), draw(indices))


def streamed(case: Case) -> list[Result]:
    """Take the samples as they come, closing and restarting in between."""
    statistics, found = Statistics(), []
    for index, (at, sample) in enumerate(case.arriving):
        if index in case.restarts:
            statistics = msgspec.json.decode(msgspec.json.encode(statistics), type=Statistics)
        if index in case.looks:
            statistics, closed = elapse(statistics, at, case.method)
            found += closed
        statistics, closed, late = follow(statistics, sample, case.method)
        assert not late
        found += closed
    last = max((sample.t for sample in case.in_order), default=0)
    return found + elapse(statistics, last + 2 * DAY + case.method.allowance, case.method)[1]


@given(case=cases())
@many
def test_results_are_the_same_whatever_the_order_the_cuts_and_the_restarts(case: Case) -> None:
    found = streamed(case)
    expected = results(case.in_order, case.method) if case.in_order else []
    for statistic in Statistic:
        # Each statistic comes in order of time, which is the order in which it is held against limits.
        assert [each for each in found if each.statistic is statistic] == [
            each for each in expected if each.statistic is statistic
        ]


@given(case=cases())
@many
def test_what_is_remembered_is_bounded(case: Case) -> None:
    statistics = Statistics()
    for _, sample in case.arriving:
        statistics, _, _ = follow(statistics, sample, case.method)
        assert len(statistics.stel.values) <= 15
        assert len(statistics.twa.values) <= 480
        assert len(statistics.eight_hours.values) <= 8
        slots = itertools.chain.from_iterable(statistics.averages.blocks.values())
        assert sum(block.count + block.bad for block in slots) <= 2 * (60 + 24) + case.method.allowance // 20_000 + 4
