"""What meters show becomes what went through them: resets, rollovers, replaced meters, glitches, gaps, boundaries."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.flows import Amount, Flow, Reads
from park.metering import SLACK, Portion, added, course, portions, readings, total
from tests.making import many
from tests.metering import HOUR, MINUTE, Pipe, flow, replaced

DAY = 24 * HOUR
RATE: dict[str, Any] = {"reads": Reads.RATE, "meter": "north/unit-1/fm-1/flow-water"}


def amount(flow_: Flow, shown: list[tuple[int, float]], begin: int = 0, end: int = HOUR) -> Portion:
    """Return what went through between ``begin`` and ``end``, given what the meter showed (ms, value)."""
    found = readings([t for t, _ in shown], [value for _, value in shown])
    return portions(course(found, flow_), (begin, end), (0, DAY))[0]


def every_minute(values: list[float], start: int = 0) -> list[tuple[int, float]]:
    return [(start + n * MINUTE, value) for n, value in enumerate(values)]


# --- totalisers --------------------------------------------------------------------------------------------------


def test_a_totaliser_counts_what_went_through() -> None:
    # 2 m3 a minute, read from before the hour until after it.
    shown = every_minute([1000.0 + 2 * n for n in range(-5, 66)], -5 * MINUTE)
    assert amount(flow(), shown) == Portion(0, HOUR, 120.0, 1.0)


def test_what_lies_across_a_boundary_is_shared_by_time() -> None:
    shown = [(-4 * MINUTE, 100.0), (6 * MINUTE, 110.0)]
    part = amount(flow(), shown)
    assert part.amount == pytest.approx(6.0)
    assert part.share == pytest.approx(0.1)


def test_the_factor_brings_the_meter_to_the_kind() -> None:
    # Pulses of ten litres.
    shown = every_minute([50.0 * n for n in range(61)])
    assert amount(flow(factor=0.01), shown).amount == pytest.approx(30.0)


def test_a_reset_counts_what_has_been_shown_since() -> None:
    assert amount(flow(), every_minute([500.0, 504.0, 3.0, 7.0])).amount == pytest.approx(4 + 3 + 4)


def test_a_rollover_counts_both_sides_of_it() -> None:
    shown = every_minute([9996.0, 9999.0, 2.0, 6.0])
    assert amount(flow(rollover=10_000.0), shown).amount == pytest.approx(3 + 3 + 4)


def test_a_fall_that_can_be_no_rollover_is_a_reset() -> None:
    shown = every_minute([5000.0, 5003.0, 2.0])
    assert amount(flow(rollover=10_000.0), shown).amount == pytest.approx(3 + 2)


def test_what_a_flow_can_not_carry_is_no_amount() -> None:
    part = amount(flow(), every_minute([0.0, 1.0, 90_000.0, 90_001.0]))
    assert part.amount == pytest.approx(2.0)
    assert part.share == pytest.approx(2 / 60)
    assert part.steps == 1


def test_a_fall_to_more_than_could_have_gone_through_is_no_amount() -> None:
    part = amount(flow(), every_minute([90_000.0, 90_001.0, 5000.0, 5002.0]))
    assert (part.amount, part.steps) == pytest.approx((3.0, 1))


def test_a_lorry_is_weighed_at_once() -> None:
    # 600 t/h are 10 t in the minute that any step may take, and 10 s more.
    shown = [(0, 0.0), (10_000, 10.0), (20_000, 10.0)]
    assert amount(flow(), shown).amount == pytest.approx(10.0)
    assert amount(flow(), [(0, 0.0), (10_000, 12.0), (20_000, 12.0)]).amount == 0.0


@pytest.mark.parametrize("glitch", [[99_999.0], [0.0], [0.0, 0.0], [99_999.0, 99_999.0], [0.0, 99_999.0]])
def test_a_glitch_is_left_out(glitch: list[float]) -> None:
    true = [10_000.0 + n for n in range(10)]
    part = amount(flow(), every_minute([*true[:4], *glitch, *true[4 + len(glitch) :]]))
    assert part.amount == pytest.approx(9.0)
    assert (part.steps, part.share) == pytest.approx((0, 9 / 60))


def test_rounding_is_no_reset() -> None:
    part = amount(flow(), every_minute([81_234.567, 81_234.566, 81_235.567]))
    assert part.amount == pytest.approx(1.001)


def test_a_replaced_meter_is_known_by_what_both_showed() -> None:
    change = replaced(at=3 * MINUTE, last=7007.0, first=120.0)
    shown = [(0, 7000.0), (2 * MINUTE, 7005.0), (4 * MINUTE, 123.0), (5 * MINUTE, 126.0)]
    part = amount(flow(replacements=(change,)), shown)
    assert part.amount == pytest.approx(5 + 2 + 3 + 3)
    assert part.share == pytest.approx(5 / 60)
    # Without knowing of it, all that can be said of the fall is that it can't be believed.
    unknown = amount(flow(), shown)
    assert (unknown.amount, unknown.steps) == pytest.approx((8.0, 1))


def test_a_replacement_outside_of_what_was_read_says_nothing() -> None:
    change = replaced(at=-HOUR, last=90.0, first=0.0)
    assert amount(flow(replacements=(change,)), every_minute([5.0, 6.0])).amount == pytest.approx(1.0)


def test_values_that_a_totaliser_can_not_show_are_none() -> None:
    part = amount(flow(rollover=1000.0), every_minute([5.0, -3.0, 2000.0, 8.0]))
    assert part.amount == pytest.approx(3.0)
    assert part.steps == 2


# --- gaps and shares ---------------------------------------------------------------------------------------------


def test_a_totaliser_bridges_a_gap_and_nobody_knows_when() -> None:
    shown = [(0, 0.0), (10 * MINUTE, 10.0), (3 * HOUR + 10 * MINUTE, 190.0), (3 * HOUR + 20 * MINUTE, 200.0)]
    found = course(readings([t for t, _ in shown], [v for _, v in shown]), flow())
    hours = portions(found, (0, HOUR, 2 * HOUR, 3 * HOUR, 4 * HOUR), (0, DAY))
    assert [part.amount for part in hours] == pytest.approx([60.0, 60.0, 60.0, 20.0])
    assert [part.share for part in hours] == pytest.approx([1 / 6, 0.0, 0.0, 1 / 6])
    assert [part.bridged for part in hours] == pytest.approx([50 * MINUTE, HOUR, HOUR, 10 * MINUTE])
    # The day knows it all: the gap lies within it.
    day = added(hours, 0, DAY)
    assert (day.amount, day.share) == pytest.approx((200.0, 200 / (24 * 60)))
    assert portions(found, (0, DAY), (0, DAY))[0].share == pytest.approx(day.share)


def test_a_gap_across_midnight_is_not_known_of_either_day() -> None:
    shown = [(DAY - HOUR, 0.0), (DAY + HOUR, 100.0)]
    found = course(readings([t for t, _ in shown], [v for _, v in shown]), flow())
    hours = portions(found, (DAY - HOUR, DAY, DAY + HOUR), (0, DAY, 2 * DAY))
    assert [part.amount for part in hours] == pytest.approx([50.0, 50.0])
    assert [added(hours, day, day + DAY).share for day in (0, DAY)] == [0.0, 0.0]


def test_in_a_gap_of_more_than_a_turn_the_totaliser_tells_only_the_least() -> None:
    # 600 m3/h may turn 1000 m3 twice in four hours.
    part = amount(flow(rollover=1000.0), [(0, 100.0), (4 * HOUR, 300.0)], end=4 * HOUR)
    assert (part.amount, part.share) == pytest.approx((200.0, 0.0))


def test_a_reset_in_a_gap_tells_only_the_least() -> None:
    part = amount(flow(), [(0, 5000.0), (2 * HOUR, 30.0)], end=2 * HOUR)
    assert (part.amount, part.share) == pytest.approx((30.0, 0.0))


def test_nothing_is_known_before_the_first_and_after_the_last_reading() -> None:
    part = amount(flow(), [(30 * MINUTE, 10.0), (45 * MINUTE, 25.0)])
    assert (part.amount, part.share) == pytest.approx((15.0, 0.25))
    assert amount(flow(), [(30 * MINUTE, 10.0)]) == Portion(0, HOUR, 0.0, 0.0)
    assert amount(flow(), []) == Portion(0, HOUR, 0.0, 0.0)


# --- rates -------------------------------------------------------------------------------------------------------


def test_a_rate_is_integrated_by_trapezoids() -> None:
    shown = [(n * 10 * MINUTE, rate) for n, rate in enumerate([0.0, 60.0, 60.0, 0.0])]
    part = amount(flow(**RATE), shown)
    assert part.amount == pytest.approx(5 + 10 + 5)
    assert part.share == pytest.approx(0.5)


def test_a_rate_bridges_nothing() -> None:
    shown = [(0, 60.0), (10 * MINUTE, 60.0), (40 * MINUTE, 60.0), (50 * MINUTE, 60.0)]
    part = amount(flow(**RATE), shown)
    assert (part.amount, part.share) == pytest.approx((20.0, 20 / 60))


def test_a_negative_rate_is_none_and_a_giant_one_is_not_measured() -> None:
    part = amount(flow(**RATE), every_minute([60.0, -30.0, 60.0]))
    assert part.amount == pytest.approx(1.0)
    part = amount(flow(**RATE), every_minute([60.0, 60.0, 601.0, 60.0, 60.0]))
    assert (part.amount, part.share, part.steps) == pytest.approx((2.0, 2 / 60, 1))


# --- sums --------------------------------------------------------------------------------------------------------


def test_what_is_missing_of_a_longer_span_was_not_measured() -> None:
    days = [Amount("water", n * DAY, (n + 1) * DAY, 24.0, share) for n, share in enumerate([1.0, 0.5, 0.0])]
    assert total(days, "water", 0, 4 * DAY) == Amount("water", 0, 4 * DAY, 72.0, 1.5 / 4)
    assert total(days, "water", 0, DAY) == days[0]
    assert total([], "water", 0, DAY) == Amount("water", 0, DAY, 0.0, 0.0)


# --- any sequence ------------------------------------------------------------------------------------------------

ROLLOVER = 10_000.0
MOST = 600.0
_STEP = st.tuples(
    st.integers(5_000, 14 * MINUTE),  # ms
    st.floats(0.0, 1.0),  # of what can flow
    st.sampled_from(["", "", "", "", "reset", "replace", "missing"]),
)


#: A totaliser that showed less than can flow until it is read again may have been reset without a trace, and one that
#: showed nearly a full turn may have rolled over: more than this and less than a turn without it is neither.
_SEEN = 2 * MOST * (2 * 14 * MINUTE + SLACK) / HOUR


class Meter:
    """A totaliser as it is built: it rolls over, and is reset or replaced just after it was read."""

    def __init__(self, start: float) -> None:
        self.value = start
        self.t = 0
        self.shown = [(0, start)]
        self.times = [0]
        self.amounts: list[float] = []
        self.changes: list[tuple[int, float, float]] = []

    def run(self, ms: int, share: float, event: str) -> None:
        went = share * MOST * ms / HOUR
        self.t += ms
        self.times.append(self.t)
        self.amounts.append(went)
        self.value = (self.value + went) % ROLLOVER
        if event == "missing":
            return
        self.shown.append((self.t, self.value))
        if event == "reset" and _SEEN <= self.value <= ROLLOVER - _SEEN:
            self.value = 0.0
        elif event == "replace":
            self.changes.append((self.t + 1, self.value, 77.0))
            self.value = 77.0


@many
@given(st.floats(0.0, ROLLOVER - 1), st.lists(_STEP, min_size=1, max_size=60))
def test_any_sequence_of_resets_rollovers_and_replacements_integrates_to_the_true_amount(
    start: float, steps: list[tuple[int, float, str]]
) -> None:
    meter = Meter(start)
    for ms, share, event in steps:
        # What was read last before a reset must be known: a reset nobody saw loses what went through before it.
        meter.run(ms, share, "" if event == "missing" and meter.shown[-1][0] != meter.t else event)
    meter.run(MINUTE, 0.5, "")
    changes = tuple(replaced(*change) for change in meter.changes)
    told = flow(most=MOST, rollover=ROLLOVER, replacements=changes, gap=HOUR)
    found = course(readings([t for t, _ in meter.shown], [value for _, value in meter.shown]), told)
    pipe = Pipe(meter.times, meter.amounts)
    [whole] = portions(found, (0, meter.t), (0, meter.t))
    assert whole.amount == pytest.approx(pipe.until(meter.t), abs=1e-6)
    assert (whole.share, whole.steps) == pytest.approx((1.0, 0))
    # And up to every reading.
    for (begin, _), (end, _) in pairwise(meter.shown):
        [part] = portions(found, (begin, end), ())
        assert part.amount == pytest.approx(pipe.until(end) - pipe.until(begin), abs=1e-6)


@many
@given(
    st.lists(st.tuples(st.integers(1_000, 4 * HOUR), st.floats(-1e6, 1e12)), max_size=60),
    st.sampled_from(list(Reads)),
    st.sampled_from([None, 1e4]),
)
def test_whatever_a_meter_shows_no_amount_is_negative_or_giant(
    shown: list[tuple[int, float]], reads: Reads, rollover: float | None
) -> None:
    times = [sum(ms for ms, _ in shown[: n + 1]) for n in range(len(shown))]
    told = flow(most=MOST, reads=reads, rollover=rollover if reads is Reads.TOTAL else None)
    found = course(readings(times, [value for _, value in shown]), told)
    bounds = list(range(0, 300 * HOUR, HOUR))
    hours = portions(found, bounds, (0, 300 * HOUR))
    assert all(part.amount >= 0.0 and 0.0 <= part.share <= 1.0 and part.bridged >= 0.0 for part in hours)
    # Each step may carry what flows in a minute more than it took.
    length = (times[-1] - times[0]) if times else 0
    assert math.fsum(part.amount for part in hours) <= MOST * (length + SLACK * len(times)) / HOUR * (1 + 1e-9)


@many
@given(st.lists(_STEP, min_size=1, max_size=40), st.lists(st.integers(1, 9 * HOUR), min_size=1, max_size=20))
def test_portions_add_up_however_time_is_cut(steps: list[tuple[int, float, str]], cuts: list[int]) -> None:
    meter = Meter(0.0)
    for ms, share, event in steps:
        meter.run(ms, share, event)
    changes = tuple(replaced(*change) for change in meter.changes)
    told = flow(most=MOST, rollover=ROLLOVER, replacements=changes)
    found = course(readings([t for t, _ in meter.shown], [value for _, value in meter.shown]), told)
    end = max(meter.t, *cuts) + 1
    bounds = sorted({0, end, *cuts})
    parts = portions(found, bounds, (0, end))
    [whole] = portions(found, (0, end), (0, end))
    assert math.fsum(part.amount for part in parts) == pytest.approx(whole.amount, abs=1e-6)
    assert added(parts, 0, end).share == pytest.approx(whole.share, abs=1e-9)
    assert sum(part.steps for part in parts) == whole.steps
