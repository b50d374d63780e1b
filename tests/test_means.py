"""Means of a minute, an hour and a day, as regulators define them."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.means import (
    DAY,
    HOUR,
    MINUTE,
    Averages,
    Flag,
    Mean,
    Method,
    Sample,
    Span,
    again,
    close,
    means_of,
    running,
    take,
)
from tests.making import many

#: Midnight in China, a Thursday.
MIDNIGHT = 1_767_196_800_000
MINUTES = Method()
HOURS = Method(interval=HOUR)


def minutes(*values: float | None, begin: int = MIDNIGHT) -> list[Sample]:
    """Return a sample for each minute."""
    return [Sample(begin + number * MINUTE, value) for number, value in enumerate(values)]


def hours(*values: float | None, begin: int = MIDNIGHT) -> list[Sample]:
    """Return a sample for each hour."""
    return [Sample(begin + number * HOUR, value) for number, value in enumerate(values)]


def only(span: Span, samples: list[Sample], method: Method) -> list[Mean]:
    """Return the means of one span."""
    return [mean for mean in means_of(samples, method) if mean.span is span]


# --- what counts -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("good", "valid"), [(45, True), (44, False), (60, True)])
def test_an_hour_needs_45_minutes(good: int, valid: bool) -> None:  # noqa: FBT001
    [hour] = only(Span.HOUR, minutes(*[4.0] * good, *[None] * (60 - good)), MINUTES)
    assert (hour.value, hour.valid, hour.count, hour.share) == (4.0, valid, good, good / 60)


@pytest.mark.parametrize(("good", "valid"), [(20, True), (19, False)])
def test_a_day_needs_20_hours(good: int, valid: bool) -> None:  # noqa: FBT001
    [day] = only(Span.DAY, hours(*[4.0] * good, *[None] * (24 - good)), HOURS)
    assert (day.value, day.valid, day.count) == (4.0, valid, good)


def test_an_hour_that_is_not_valid_is_missing_from_its_day() -> None:
    samples = minutes(*[1.0] * 60, *[100.0] * 44, *[None] * 16, *[3.0] * 60)
    [day] = only(Span.DAY, samples, MINUTES)
    assert (day.value, day.count, day.valid) == (2.0, 2, False)


def test_a_mean_of_a_minute_is_of_its_samples() -> None:
    method = Method(interval=15_000)
    [minute] = only(Span.MINUTE, [Sample(MIDNIGHT + n * 15_000, float(n)) for n in range(3)], method)
    assert (minute.value, minute.valid, minute.least, minute.most) == (1.0, True, 0.0, 2.0)
    [minute] = only(Span.MINUTE, [Sample(MIDNIGHT + n * 15_000, float(n)) for n in range(2)], method)
    assert not minute.valid


def test_a_day_begins_at_midnight_in_china() -> None:
    first, second = only(Span.DAY, hours(1.0, 2.0, begin=MIDNIGHT - HOUR), HOURS)
    assert (first.begin, first.value) == (MIDNIGHT - DAY, 1.0)
    assert (second.begin, second.value) == (MIDNIGHT, 2.0)


def test_a_sensor_that_speaks_every_five_minutes_needs_nine_for_an_hour() -> None:
    method = Method(interval=5 * MINUTE)
    assert method.spans == (Span.HOUR, Span.DAY)
    samples = [Sample(MIDNIGHT + n * 5 * MINUTE, 1.0 if n < 9 else None) for n in range(12)]
    [hour] = only(Span.HOUR, samples, method)
    assert hour.valid
    [hour] = only(Span.HOUR, [*samples[1:9], *samples[9:]], method)
    assert not hour.valid


@pytest.mark.parametrize("interval", [7 * HOUR, DAY, 7 * DAY])
def test_a_sensor_that_seldom_speaks_has_days(interval: int) -> None:
    method = Method(interval=interval)
    assert method.spans == (Span.DAY,)
    [day] = only(Span.DAY, [Sample(MIDNIGHT + n * interval, 3.0) for n in range(max(1, DAY // interval))], method)
    assert (day.value, day.valid) == (3.0, True)


def test_one_abnormal_value_spoils_the_period_of_wastewater() -> None:
    strict = Method(strict=True)
    [hour] = only(Span.HOUR, minutes(*[4.0] * 59, None), strict)
    assert (hour.value, hour.valid) == (4.0, False)
    [day] = only(Span.DAY, minutes(*[4.0] * 59, None, *[4.0] * 60 * 23), strict)
    assert not day.valid


def test_a_mean_is_weighted_by_flow() -> None:
    samples = [Sample(MIDNIGHT, 10.0, 1.0), Sample(MIDNIGHT + HOUR, 40.0, 2.0)]
    [day] = only(Span.DAY, samples, Method(interval=HOUR, day_hours=2))
    assert (day.value, day.valid, day.weight) == (30.0, True, 1.5)


def test_without_flow_every_value_counts_the_same() -> None:
    samples = [Sample(MIDNIGHT, 10.0, 0.0), Sample(MIDNIGHT + HOUR, 40.0, 0.0)]
    [day] = only(Span.DAY, samples, Method(interval=HOUR, day_hours=2))
    assert (day.value, day.weight) == (25.0, 0.0)


def test_nothing_usable_is_no_value() -> None:
    [hour] = only(Span.HOUR, minutes(*[None] * 60), MINUTES)
    assert (hour.value, hour.valid, hour.count, hour.least) == (None, False, 0, None)


def test_nothing_usable_has_no_flow() -> None:
    [hour] = only(Span.HOUR, minutes(*[None] * 60), MINUTES)
    assert hour.weight == 0.0


def test_slots_are_whole() -> None:
    # Three times seven hours fit into a day.
    method = Method(interval=7 * HOUR)
    assert (method.slots(Span.DAY), method.enough(Span.DAY)) == (3, 3)
    [day] = only(Span.DAY, [Sample(MIDNIGHT, 1.0)], method)
    assert day.share == 1 / 3


def test_more_than_all_is_all() -> None:
    method = Method(interval=5 * MINUTE)
    [hour] = only(Span.HOUR, [Sample(MIDNIGHT + n * MINUTE, 1.0) for n in range(60)], method)
    assert (hour.count, hour.share) == (60, 1.0)


def test_abnormal_slots_are_counted_while_a_block_is_open() -> None:
    averages = Averages()
    for sample in minutes(None, None, 1.0):
        averages, _, _ = take(averages, sample, HOURS)
    [block] = averages.blocks[Span.HOUR]
    assert (block.bad, block.count, block.values) == (2, 1, (1.0,))


def test_a_block_made_again_is_what_it_would_have_been_and_says_so() -> None:
    slots: list[tuple[float | None, float]] = [(10.0, 1.0), (None, 1.0), (40.0, 2.0)]
    strict = Method(interval=HOUR, day_hours=2, strict=True)
    lenient = Method(interval=HOUR, day_hours=2)
    samples = [Sample(MIDNIGHT + n * HOUR, value, weight) for n, (value, weight) in enumerate(slots)]
    for method in (strict, lenient):
        made = again(Span.DAY, MIDNIGHT, slots, method)
        assert made == Mean(Span.DAY, MIDNIGHT, 30.0, method is lenient, 2, 2 / 24, 10.0, 40.0, 1.5, Flag.CORRECTED)
        [day] = only(Span.DAY, samples, lenient)
        assert (day.value, day.count, day.weight) == (made.value, made.count, made.weight)
    assert again(Span.DAY, MIDNIGHT, slots[:2], lenient).valid is False


def test_a_block_made_again_of_nothing_has_no_value() -> None:
    made = again(Span.HOUR, MIDNIGHT, [(None, 1.0)], MINUTES)
    assert (made.value, made.valid, made.count, made.flag) == (None, False, 0, Flag.CORRECTED)


def test_the_last_blocks_of_a_history_are_closed_however_long_the_allowance() -> None:
    found = means_of(hours(*[1.0] * 24), Method(interval=HOUR, allowance=DAY))
    assert [mean.span for mean in found] == [Span.HOUR] * 24 + [Span.DAY]


def test_a_block_in_which_nothing_came_is_not_there() -> None:
    found = only(Span.HOUR, [*hours(1.0), *hours(2.0, begin=MIDNIGHT + 5 * HOUR)], HOURS)
    assert [mean.begin for mean in found] == [MIDNIGHT, MIDNIGHT + 5 * HOUR]


# --- when it closes ----------------------------------------------------------------------------------------------


def test_a_block_stays_open_for_the_allowance() -> None:
    averages, found, late = take(Averages(), Sample(MIDNIGHT, 1.0), HOURS)
    averages, found = close(averages, MIDNIGHT + HOUR + HOURS.allowance - 1, HOURS)
    assert not found
    averages, found, late = take(averages, Sample(MIDNIGHT + HOUR - 1, 3.0), HOURS)
    assert not late
    averages, found = close(averages, MIDNIGHT + HOUR + HOURS.allowance, HOURS)
    assert [(mean.span, mean.value, mean.flag) for mean in found] == [(Span.HOUR, 2.0, Flag.FINAL)]
    assert close(averages, MIDNIGHT + HOUR + HOURS.allowance, HOURS)[1] == []


def test_a_block_stays_open_for_two_minutes_unless_somebody_says_otherwise() -> None:
    averages, _, _ = take(Averages(), Sample(MIDNIGHT, 1.0), Method())
    assert close(averages, MIDNIGHT + 3 * MINUTE - 1, Method())[1] == []
    assert [mean.span for mean in close(averages, MIDNIGHT + 3 * MINUTE, Method())[1]] == [Span.MINUTE]


def test_what_comes_after_the_allowance_is_told_and_changes_nothing() -> None:
    averages, _ = close(Averages(), MIDNIGHT + HOUR + HOURS.allowance, HOURS)
    after, found, late = take(averages, Sample(MIDNIGHT + HOUR - 1, 3.0), HOURS)
    assert (after, found, late) == (averages, [], True)


@pytest.mark.parametrize("interval", [10_000, MINUTE, 5 * MINUTE, HOUR])
def test_a_sample_that_is_delivered_twice_is_one_slot(interval: int) -> None:
    method = Method(interval=interval)
    span = method.spans[0]
    samples = [Sample(MIDNIGHT + n * interval, float(n)) for n in range(method.slots(span) // 2 or 1)]
    [mean] = only(span, samples, method)
    assert only(span, [*samples, *samples], method) == [mean]
    assert only(span, [sample for sample in samples for _ in range(2)], method) == [mean]


def test_a_sample_that_comes_late_in_between_is_one_slot_too() -> None:
    method = Method(interval=5 * MINUTE)
    first, second, third = (Sample(MIDNIGHT + n * 5 * MINUTE, float(n)) for n in range(3))
    [hour] = only(Span.HOUR, [first, third, second, third, second, first], method)
    assert (hour.count, hour.value) == (3, 1.0)


def test_the_running_mean_is_provisional() -> None:
    averages = Averages()
    assert running(averages, Span.HOUR, HOURS) is None
    for sample in minutes(1.0, 3.0):
        averages, _, _ = take(averages, sample, Method(interval=2 * MINUTE))
    mean = running(averages, Span.HOUR, Method(interval=2 * MINUTE))
    assert mean
    assert (mean.value, mean.flag, mean.valid) == (2.0, Flag.PROVISIONAL, False)


# --- whatever the order, the cuts and the restarts ---------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """Samples with how much later (ms) each comes than it was taken, and where what is remembered is written down."""

    method: Method
    samples: list[Sample]
    delays: list[int]
    restarts: set[int]
    looks: set[int]


@st.composite
def cases(draw: st.DrawFn) -> Case:
    interval = draw(st.sampled_from([10_000, MINUTE, 10 * MINUTE, HOUR, 3 * HOUR]))
    method = Method(
        interval=interval, allowance=draw(st.sampled_from([0, 2 * MINUTE, 2 * HOUR])), strict=draw(st.booleans())
    )
    values = st.none() | st.floats(-1e6, 1e6) | st.sampled_from([0.1, 0.2, 0.3])
    weights = st.sampled_from([0.0, 1.0, 1.0, 0.1, 7.3])
    steps = st.sampled_from([1, 1, 1, 1, 2, 30])
    rows = draw(st.lists(st.tuples(steps, values, weights, st.integers(0, method.allowance)), max_size=60))
    times = itertools.accumulate((step * interval for step, *_ in rows), initial=MIDNIGHT - 3 * HOUR)
    samples = [Sample(t, value, weight) for t, (_, value, weight, _) in zip(times, rows, strict=False)]
    indices = st.sets(st.integers(0, 59), max_size=5)
    return Case(method, samples, [delay for *_, delay in rows], draw(indices), draw(indices))


def streamed(case: Case) -> list[Mean]:
    """Take the samples as they come, closing and restarting in between."""
    arrivals = sorted(zip(case.samples, case.delays, strict=True), key=lambda pair: pair[0].t + pair[1])
    averages, found = Averages(), []
    for index, (sample, delay) in enumerate(arrivals):
        if index in case.restarts:
            averages = msgspec.json.decode(msgspec.json.encode(averages), type=Averages)
        if index in case.looks:
            averages, closed = close(averages, sample.t + delay, case.method)
            found += closed
        averages, closed, late = take(averages, sample, case.method)
        assert not late
        found += closed
    last = max((sample.t for sample in case.samples), default=0)
    return found + close(averages, last + 2 * DAY + case.method.allowance, case.method)[1]


def counted(samples: list[Sample], method: Method) -> dict[tuple[Span, int], tuple[float | None, bool, int]]:
    """Average by hand, all at once and apart from the code under test: value, valid, count by span and beginning."""
    found: dict[tuple[Span, int], tuple[float | None, bool, int]] = {}
    slots = [(sample.t, sample.value, sample.weight) for sample in samples]
    for span, length, within in (
        (Span.MINUTE, 60_000, 0),
        (Span.HOUR, 3_600_000, 60_000),
        (Span.DAY, 86_400_000, 3_600_000),
    ):
        if length < method.interval:
            continue
        slot = max(within, method.interval)
        needed = 20 if span is Span.DAY and slot == HOUR else max(1, math.ceil((length // slot) * 0.75))
        blocks = defaultdict(list)
        for t, value, weight in slots:
            blocks[(t + 28_800_000) // length * length - 28_800_000].append((value, weight))
        slots = []
        for begin, each in sorted(blocks.items()):
            usable = [(value, weight) for value, weight in each if value is not None]
            flow = math.fsum(weight for _, weight in usable)
            weights = [weight if flow > 0 else 1.0 for _, weight in usable]
            total = math.fsum(value * weight for (value, _), weight in zip(usable, weights, strict=True))
            mean = total / math.fsum(weights) if usable else None
            valid = len(usable) >= needed and not (method.strict and len(usable) < len(each))
            found[span, begin] = (mean, valid, len(usable))
            slots.append((begin, mean if valid else None, flow / len(usable) if usable else 0.0))
    return found


def _place(mean: Mean) -> tuple[Span, int]:
    return mean.span, mean.begin


@given(case=cases())
@many
def test_means_are_the_same_whatever_the_order_the_cuts_and_the_restarts(case: Case) -> None:
    found = streamed(case)
    in_order = means_of(case.samples, case.method)
    assert sorted(found, key=_place) == sorted(in_order, key=_place)


@given(case=cases(), again=st.lists(st.tuples(st.integers(0, 59), st.integers(0, 59)), min_size=1, max_size=8))
@many
def test_samples_that_are_delivered_again_change_nothing(case: Case, again: list[tuple[int, int]]) -> None:
    once, twice = Averages(), Averages()
    repeats = defaultdict(list)
    for index, after in again:
        repeats[max(index, after)].append(min(index, after))
    for index, sample in enumerate(case.samples):
        once, closed, _ = take(once, sample, case.method)
        twice, closed_too, _ = take(twice, sample, case.method)
        assert closed_too == closed
        for earlier in repeats[index]:
            before = twice
            twice, nothing, _ = take(twice, case.samples[earlier], case.method)
            assert (twice, nothing) == (before, [])
        twice = msgspec.json.decode(msgspec.json.encode(twice), type=Averages) if index in case.restarts else twice
    assert twice == once


@given(case=cases())
@many
def test_means_are_what_an_independent_count_gives(case: Case) -> None:
    found = {(mean.span, mean.begin): (mean.value, mean.valid, mean.count) for mean in streamed(case)}
    assert found == counted(case.samples, case.method)


@given(case=cases())
@many
def test_blocks_close_in_order_and_once(case: Case) -> None:
    found = streamed(case)
    for span in Span:
        begins = [mean.begin for mean in found if mean.span is span]
        assert begins == sorted(set(begins))
