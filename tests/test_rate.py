"""Rate of change: how fast a value rises or falls over a window, told step by step and against a plain calculation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.alarms import Event
from park.limits import Kind, Limit, Side
from park.readings import Reading
from park.rules import rate
from tests.making import BAD, MINUTE, MISSING, RESTART, SWEEP, T0, Step, Story, limit, many, point, reading, tell
from tests.moving import STEPS, in_one_go, in_pieces, walk


def rising(**changes: Any) -> Limit:
    """Faster than 5 a minute over two minutes."""
    plain = {"kind": Kind.RATE, "window": 2 * MINUTE, "set_points": (point("high", 5.0),)}
    return limit("rising", **{**plain, **changes})


def falling(**changes: Any) -> Limit:
    """Falls faster than 5 a minute over two minutes."""
    return rising(side=Side.LOW, set_points=(point("low", -5.0),), **changes)


# A step is (second, what is heard, *what comes of it).
TALES: dict[str, tuple[Limit, list[Step]]] = {
    "a slow rise is none": (rising(), [(0, 10.0), (60, 15.0), (120, 20.0), (180, 25.0)]),
    "a fast rise raises once there is a window to look back on": (
        rising(),
        [(0, 10.0), (60, 20.0), (119, 30.0), (120, 30.0, "raised high")],
    ),
    "it is passed beyond its set-point, not at it": (rising(), [(0, 10.0), (120, 20.0), (240, 30.1, "raised high")]),
    "a jump counts at once": (rising(), [(0, 10.0), (60, 10.0), (120, 10.0), (121, 25.0, "raised high")]),
    "a rise that ends returns when the window has passed it": (
        rising(),
        [(0, 10.0), (60, 10.0), (120, 30.0, "raised high"), (180, 30.0), (240, 30.0, "returned high")],
    ),
    "a fall is no rise": (rising(), [(0, 50.0), (60, 30.0), (120, 10.0), (180, 1.0)]),
    "a fall is told on its own side": (falling(), [(0, 50.0), (60, 45.0), (120, 30.0, "raised low")]),
    "a rise is no fall": (falling(), [(0, 10.0), (120, 60.0)]),
    "two severities": (
        rising(set_points=(point("high", 5.0), point("high-high", 10.0))),
        [(0, 10.0), (120, 22.0, "raised high"), (121, 40.0, "escalated high-high")],
    ),
    "the deadband": (
        rising(deadband=2.0),
        [(0, 0.0), (120, 12.0, "raised high"), (240, 20.0), (360, 26.0, "returned high")],
    ),
    "the on-delay": (
        rising(on_delay=30_000),
        [(0, 0.0), (120, 12.0), (140, 14.0), (150, 15.5, "raised high")],
    ),
    "the sweep ends an on-delay": (rising(on_delay=30_000), [(0, 0.0), (120, 12.0), (150, SWEEP, "raised high")]),
    "bad and missing values are no part of it": (
        rising(),
        [(0, 10.0), (60, BAD), (100, MISSING), (120, 12.0), (125, BAD), (240, 24.0, "raised high")],
    ),
    "a gap begins anew and clears nothing": (
        rising(),
        [(0, 0.0), (120, 12.0, "raised high"), (1000, 13.0), (1060, 13.0), (1120, 13.0, "returned high")],
    ),
    "after a gap nothing is made of what was before it": (rising(), [(0, 0.0), (1000, 90.0), (1060, 90.0)]),
    "a sensor that speaks once in a window": (rising(), [(0, 0.0), (130, 5.0), (260, 20.0, "raised high")]),
    "a restart goes on": (rising(), [(0, 10.0), (60, RESTART), (61, 20.0), (120, RESTART), (121, 30.0, "raised high")]),
}


@pytest.mark.parametrize("tale", TALES)
def test_rate(tale: str) -> None:
    tell(*TALES[tale])


def test_what_is_told_is_the_rate() -> None:
    story = tell(rising(), [(0, 10.0), (120, 24.0, "raised high")])
    (raised,) = story.transitions
    assert (raised.value, raised.set_point, raised.t) == (7.0, 5.0, T0 + 120_000)


def test_late_readings_are_no_part_of_it() -> None:
    story = tell(rising(), [(0, 10.0), (60, 10.0)])
    assert story.hears(reading(30, 99.0), reading(59, 99.0, late=True)) == []
    assert story.hears(reading(120, 10.5)) == []


def test_what_a_limit_of_another_kind_remembered_is_forgotten() -> None:
    memory, value = rate.follow(rising(), (float(T0), 7.0, T0 + 600_000.0), reading(601, 9.0))
    assert (memory, value) == ((T0 + 601_000.0, 9.0), None)


def test_what_can_not_be_followed_is_not_remembered() -> None:
    memory = (float(T0), 7.0, T0 + 60_000.0, 8.0)
    assert rate.follow(rising(), memory, reading(120, None)) == (memory, None)
    assert rate.follow(rising(), memory, reading(59, 99.0)) == (memory, None)
    assert rate.follow(rising(), (), reading(120, None)) == ((), None)


def test_two_readings_of_one_time_each_have_a_rate() -> None:
    # Loggers with one-second clocks send such.
    memory, first = rate.follow(rising(), (float(T0), 10.0), reading(120, 20.0))
    assert (memory[-2:], first) == ((T0 + 120_000.0, 20.0), 5.0)
    assert rate.follow(rising(), memory, reading(120, 40.0)) == (memory, 15.0)


@pytest.mark.parametrize(("after", "per_minute"), [(119, None), (120, 3.0), (240, 1.5), (241, None)])
def test_a_rate_is_over_one_window_to_two(after: float, per_minute: float | None) -> None:
    assert rate.follow(rising(), (float(T0), 10.0), reading(after, 16.0))[1] == per_minute


def plainly(held: Limit, readings: Sequence[Reading]) -> list[float | None]:
    """Return the rate at each reading from everything before it: the same definition, without a memory."""
    part = held.window / rate.SLOTS
    firsts: dict[int, Reading] = {}
    found: list[float | None] = []
    for each in readings:
        firsts.setdefault(int(each.t // part), each)
        old = [first for first in firsts.values() if first.t <= each.t - held.window]
        near = old and each.t - old[-1].t <= 2 * held.window
        change = (each.value or 0.0) - (old[-1].value or 0.0) if old else 0.0
        found.append(change / (each.t - old[-1].t) * MINUTE if near else None)
    return found


@given(STEPS)
@many
def test_the_rate_is_what_a_plain_calculation_gives_and_few_readings_are_kept(steps: list[tuple[int, int]]) -> None:
    held, readings = rising(window=140_000), walk(steps)
    memory: tuple[float, ...] = ()
    found = []
    for each in readings:
        memory, value = rate.follow(held, memory, each)
        found.append(value)
        assert len(memory) <= 32
    assert found == plainly(held, readings)


@given(STEPS, st.lists(st.integers(0, 80), max_size=6))
@many
def test_streaming_is_batch_whatever_the_cuts_and_restarts_and_what_is_told_twice(
    steps: list[tuple[int, int]], cuts: list[int]
) -> None:
    held, readings = rising(deadband=0.5, set_points=(point("high", 0.5), point("high-high", 2.0))), walk(steps)
    whole, pieces = in_one_go(held, readings), in_pieces(held, readings, cuts)
    assert [(one.t, one.event, one.severity, one.value) for one in pieces.transitions] == [
        (one.t, one.event, one.severity, one.value) for one in whole.transitions
    ]
    assert pieces.record.memory == whole.record.memory


@given(STEPS, st.floats(0.1, 3.0), st.floats(0.0, 2.0))
@many
def test_a_stricter_limit_never_alarms_later(steps: list[tuple[int, int]], at: float, more: float) -> None:
    readings = walk(steps)

    def first(threshold: float) -> float:
        story: Story = in_one_go(rising(set_points=(point("high", threshold),)), readings)
        return min((one.t for one in story.transitions if one.event is Event.RAISED), default=float("inf"))

    assert first(at) <= first(at + more)
