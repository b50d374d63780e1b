"""Thresholds: when a limit raises, escalates, eases and returns, told step by step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.alarms import Event
from park.limits import Limit
from park.words import Quality
from tests.making import (
    BAD,
    DEAF,
    MISSING,
    RESTART,
    SWEEP,
    T0,
    Step,
    Story,
    limit,
    low,
    many,
    point,
    quality_limit,
    reading,
    tell,
    two_levels,
)
from tests.occurrences import MISSING as NO_VALUE
from tests.occurrences import count_values

DEADBAND = limit(deadband=2.0)
SLOW_ON = limit(on_delay=30_000)
SLOW_OFF = limit(off_delay=30_000)
TEN_MINUTES = limit(on_delay=600_000)
SLOW_LEVELS = two_levels(on_delay=30_000, off_delay=60_000)

# A step is (second, what is heard, *what comes of it); a number is a good reading.
TALES: dict[str, tuple[Limit, list[Step]]] = {
    "a high limit is passed beyond its set-point, not at it": (
        limit(),
        [(0, 9.9), (1, 10.0), (2, 10.001, "raised high"), (3, 12.0), (4, 10.0, "returned high")],
    ),
    "a low limit is passed below its set-point, not at it": (
        low(),
        [(0, 10.1), (1, 10.0), (2, 9.999, "raised low"), (3, 8.0), (4, 10.0, "returned low")],
    ),
    "the first reading ever may raise": (limit(), [(0, 11.0, "raised high")]),
    "every passing is an occurrence": (
        limit(),
        [(0, 11.0, "raised high"), (1, 9.0, "returned high"), (2, 11.0, "raised high")],
    ),
    "inside the deadband nothing returns": (
        DEADBAND,
        [(0, 11.0, "raised high"), (1, 9.9), (2, 8.001), (3, 10.5), (4, 8.0, "returned high")],
    ),
    "the deadband does not make raising harder": (DEADBAND, [(0, 8.5), (1, 10.1, "raised high")]),
    "the deadband of a low limit lies above it": (
        low(deadband=2.0),
        [(0, 9.0, "raised low"), (1, 10.1), (2, 11.999), (3, 12.0, "returned low")],
    ),
    "high-high direct from normal is one raise": (
        two_levels(),
        [(0, 1.0), (1, 25.0, "raised high-high"), (2, 26.0), (3, 5.0, "returned high-high")],
    ),
    "low-low direct from normal is one raise": (low(), [(0, 50.0), (1, 4.0, "raised low-low")]),
    "high, then high-high is an escalation": (
        two_levels(),
        [(0, 15.0, "raised high"), (1, 20.0), (2, 20.1, "escalated high-high"), (3, 21.0)],
    ),
    "high-high back to high eases and is no return": (
        two_levels(),
        [(0, 25.0, "raised high-high"), (1, 15.0, "eased high"), (2, 16.0), (3, 9.0, "returned high")],
    ),
    "low-low back to low eases": (
        low(),
        [(0, 4.0, "raised low-low"), (1, 6.0, "eased low"), (2, 11.0, "returned low")],
    ),
    "an eased alarm escalates again": (
        two_levels(),
        [(0, 25.0, "raised high-high"), (1, 15.0, "eased high"), (2, 25.0, "escalated high-high")],
    ),
    "each severity has the deadband for itself": (
        two_levels(deadband=2.0),
        [(0, 25.0, "raised high-high"), (1, 18.1), (2, 18.0, "eased high"), (3, 8.1), (4, 8.0, "returned high")],
    ),
    "a burst shorter than the on-delay gives nothing": (SLOW_ON, [(0, 11.0), (29, 11.0), (30, 9.0), (99, SWEEP)]),
    "exactly the on-delay is enough": (SLOW_ON, [(0, 11.0), (29.999, 11.0), (30, 11.0, "raised high")]),
    "a burst that is interrupted begins anew": (
        SLOW_ON,
        [(0, 11.0), (20, 9.0), (21, 11.0), (50.999, 11.0), (51, 11.0, "raised high")],
    ),
    "at the set-point a burst is interrupted too: the deadband is for returning": (
        limit(on_delay=30_000, deadband=2.0),
        [(0, 11.0), (20, 10.0), (21, 11.0), (40, 11.0), (51, 11.0, "raised high")],
    ),
    "exactly the off-delay is enough": (
        SLOW_OFF,
        [(0, 11.0, "raised high"), (10, 9.0), (39.999, 9.0), (40, 9.0, "returned high")],
    ),
    "an off-delay that is interrupted begins anew": (
        SLOW_OFF,
        [(0, 11.0, "raised high"), (10, 9.0), (30, 10.1), (31, 9.0), (60, 9.0), (61, 9.0, "returned high")],
    ),
    "within the deadband an off-delay is interrupted too": (
        limit(off_delay=30_000, deadband=2.0),
        [(0, 11.0, "raised high"), (10, 8.0), (30, 9.0), (31, 8.0), (40, 8.0), (61, 8.0, "returned high")],
    ),
    "a late arrival at high-high has its own on-delay": (
        SLOW_LEVELS,
        [(0, 15.0), (20, 25.0), (30, 25.0, "raised high"), (49, 25.0), (50, 25.0, "escalated high-high")],
    ),
    "high-high for the whole on-delay is one raise": (SLOW_LEVELS, [(0, 25.0), (30, 25.0, "raised high-high")]),
    "high-high eases after its off-delay, high goes on with its own": (
        SLOW_LEVELS,
        [
            (0, 25.0),
            (30, 25.0, "raised high-high"),
            (40, 15.0),
            (70, 9.0),
            (99, 9.0),
            (100, 9.0, "eased high"),
            (129, 9.0),
            (130, 9.0, "returned high"),
        ],
    ),
    "all the way back for the off-delay is one return": (
        SLOW_LEVELS,
        [(0, 25.0), (30, 25.0, "raised high-high"), (40, 5.0), (100, 5.0, "returned high-high")],
    ),
    "the sweep ends an on-delay without new data": (
        TEN_MINUTES,
        [(0, 11.0), (599.999, SWEEP), (600, SWEEP, "raised high"), (601, SWEEP)],
    ),
    "minute 9 of 10, a restart, minute 10": (
        TEN_MINUTES,
        [(0, 11.0), (540, RESTART), (541, SWEEP), (600, SWEEP, "raised high")],
    ),
    "a restart goes on counting with new data too": (
        TEN_MINUTES,
        [(0, 11.0), (540, RESTART), (541, 11.0), (600, 11.0, "raised high")],
    ),
    "a restart keeps an active alarm active and its off-delay running": (
        SLOW_OFF,
        [
            (0, 11.0, "raised high"),
            (1, RESTART),
            (2, 11.0),
            (10, 9.0),
            (20, RESTART),
            (39, SWEEP),
            (40, SWEEP, "returned high"),
        ],
    ),
    "a sensor that falls silent above the limit raises when the on-delay ends": (
        TEN_MINUTES,
        [(0, 11.0), (400, SWEEP), (600, SWEEP, "raised high")],
    ),
    "the on-delay ends although parkwatch is deaf": (SLOW_ON, [(0, 11.0), (30, DEAF, "raised high")]),
    "the sweep ends an off-delay while the sensor still speaks": (
        SLOW_OFF,
        [(0, 11.0, "raised high"), (10, 9.0), (39, SWEEP), (40, SWEEP, "returned high")],
    ),
    "the sweep ends no off-delay of a silent sensor; its next reading does": (
        limit(off_delay=300_000),
        [(0, 11.0, "raised high"), (10, 9.0), (310, SWEEP), (3600, SWEEP), (3601, 9.0, "returned high")],
    ),
    "the sweep ends no off-delay while parkwatch is deaf": (
        SLOW_OFF,
        [(0, 11.0, "raised high"), (10, 9.0), (40, DEAF), (41, SWEEP, "returned high")],
    ),
    "the sweep ends no off-delay on bad data": (
        SLOW_OFF,
        [(0, 11.0, "raised high"), (10, 9.0), (20, BAD), (50, MISSING), (60, SWEEP), (61, 9.0, "returned high")],
    ),
    "the sweep reaches both severities at once": (SLOW_LEVELS, [(0, 25.0), (31, SWEEP, "raised high-high")]),
    "bad and missing values raise nothing": (limit(), [(0, BAD), (1, MISSING), (2, 9.0)]),
    "bad and missing values clear nothing": (
        limit(),
        [(0, 11.0, "raised high"), (1, MISSING), (2, BAD), (3, 11.0), (4, 9.0, "returned high")],
    ),
    "bad and missing values reset no on-delay": (
        SLOW_ON,
        [(0, 11.0), (10, BAD), (20, MISSING), (30, 11.0, "raised high")],
    ),
    "bad and missing values reset no off-delay": (
        SLOW_OFF,
        [(0, 11.0, "raised high"), (10, 9.0), (20, BAD), (30, MISSING), (40, 9.0, "returned high")],
    ),
    "bad values begin no on-delay": (SLOW_ON, [(0, BAD), (30, 11.0), (59, SWEEP), (60, 11.0, "raised high")]),
}


@pytest.mark.parametrize("tale", TALES)
def test_threshold(tale: str) -> None:
    tell(*TALES[tale])


def test_two_limits_on_one_series_go_their_own_ways() -> None:
    tell(
        [limit(), low("h2s-low", set_points=(point("low", 5.0),))],
        [(0, 11.0, "raised high"), (1, 4.0, "returned high", "raised low"), (2, 7.0, "returned low")],
    )


def test_transition_says_value_set_point_times_and_version() -> None:
    story = tell(limit(version="7", deadband=2.0), [(5, 12.5, "raised high"), (9, 7.5, "returned high")])
    raised, returned = story.transitions
    assert (raised.t, raised.at, raised.value, raised.set_point) == (T0 + 5000, T0 + 5000, 12.5, 10.0)
    assert (raised.occurrence, raised.version, raised.limit_version) == (1, 1, "7")
    assert (returned.t, returned.value, returned.set_point, returned.occurrence) == (T0 + 9000, 7.5, 10.0, 1)


def test_raise_by_the_sweep_quotes_the_last_value_and_its_time() -> None:
    story = tell(TEN_MINUTES, [(0, 11.0), (60, 12.0), (600, SWEEP, "raised high")])
    (raised,) = story.transitions
    assert (raised.value, raised.t, raised.at, raised.why) == (12.0, T0 + 60_000, T0 + 600_000, "delay-ended")


def test_raise_by_the_sweep_never_quotes_a_bad_value() -> None:
    story = tell(SLOW_ON, [(0, 11.0), (20, BAD), (30, SWEEP, "raised high")])
    assert story.transitions[0].value is None


@pytest.mark.parametrize("quality", [each for each in Quality if each.usable and each is not Quality.GOOD])
def test_doubtful_but_usable_value_raises(quality: Quality) -> None:
    assert Story([limit()]).hears(reading(0, 11.0, quality=quality)) == ["raised high"]


def test_a_saturated_detector_is_a_leak_and_bad_data() -> None:
    story = Story([limit(), quality_limit()])
    assert story.hears(reading(0, 1010.0, quality=Quality.OUT_OF_SPECIFICATION)) == ["raised high", "raised bad"]


def test_severity_taken_out_of_the_configuration_still_returns() -> None:
    story = tell(two_levels(), [(0, 25.0, "raised high-high")])
    story.limits = [limit()]
    assert story.waits(1) == []
    assert story.hears(reading(2, 9.0)) == ["returned high"]


def test_severity_added_to_the_configuration_works_with_timers_that_run() -> None:
    story = tell(SLOW_ON, [(0, 25.0)])
    story.limits = [two_levels(on_delay=30_000)]
    assert story.waits(20) == []
    assert story.hears(reading(30, 25.0)) == ["raised high"]
    assert story.hears(reading(60, 25.0)) == ["escalated high-high"]


def test_severity_taken_out_while_its_on_delay_runs_is_not_reached() -> None:
    story = tell(two_levels(on_delay=30_000), [(0, 25.0)])
    story.limits = [SLOW_ON]
    assert story.waits(30) == ["raised high"]
    assert story.record.alarms["h2s-high"].level == 1


VALUES = st.one_of(
    st.sampled_from([NO_VALUE, 9.0, 10.0, 10.5]), st.floats(-100, 100, allow_nan=False).filter(lambda v: v != NO_VALUE)
)


@given(st.lists(VALUES, max_size=60))
@many
def test_without_deadband_and_delay_occurrences_are_what_an_independent_count_gives(values: list[float]) -> None:
    story = Story([limit()])
    for second, value in enumerate(values):
        missing = value == NO_VALUE
        quality = Quality.FAILURE if missing else Quality.GOOD
        story.hears(reading(second, None if missing else value, quality=quality))
    raised = sum(each.event is Event.RAISED for each in story.transitions)
    assert raised == count_values(values, 10.0).occurrences
