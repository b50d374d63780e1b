"""Negative list: any detection of a banned substance is an alarm at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.alarms import Event
from park.limits import Kind, Limit
from park.words import Quality
from tests.making import BAD, MISSING, RESTART, SWEEP, Step, Story, limit, many, point, reading, tell
from tests.moving import STEPS, in_one_go, in_pieces, walk


def banned(at: float = 0.02, **changes: Any) -> Limit:
    """Whatever the detector can tell from nothing."""
    return limit("banned", **{"kind": Kind.NEGATIVE_LIST, "set_points": (point("high", at),), **changes})


SLOW = banned(off_delay=300_000)

# A step is (second, what is heard, *what comes of it).
TALES: dict[str, tuple[Limit, list[Step]]] = {
    "the first detection raises": (banned(), [(0, 0.0), (1, 0.021, "raised high"), (2, 0.5)]),
    "what the detector can't tell from nothing is none": (banned(), [(0, 0.02), (1, 0.019), (2, -0.5)]),
    "with no detection limit anything above 0": (banned(0.0), [(0, 0.0), (1, 0.0001, "raised high")]),
    "no delay that somebody has given it holds it back": (banned(on_delay=60_000), [(0, 1.0, "raised high")]),
    "it has gone when nothing was detected for the off-delay": (
        SLOW,
        [(0, 1.0, "raised high"), (10, 0.0), (309, 0.0), (310, 0.0, "returned high")],
    ),
    "a detection in between begins the off-delay anew": (
        SLOW,
        [(0, 1.0, "raised high"), (10, 0.0), (200, 0.03), (210, 0.0), (400, 0.0), (510, 0.0, "returned high")],
    ),
    "bad and missing values neither raise nor clear": (
        banned(),
        [(0, BAD), (1, MISSING), (2, 1.0, "raised high"), (3, BAD), (4, MISSING), (5, 0.0, "returned high")],
    ),
    "silence clears nothing": (SLOW, [(0, 1.0, "raised high"), (10, 0.0), (310, SWEEP), (3600, SWEEP)]),
    "every detection is an occurrence": (
        banned(),
        [(0, 1.0, "raised high"), (1, 0.0, "returned high"), (2, 1.0, "raised high")],
    ),
    "a restart keeps it": (banned(), [(0, 1.0, "raised high"), (1, RESTART), (2, 1.0), (3, 0.0, "returned high")]),
}


@pytest.mark.parametrize("tale", TALES)
def test_negative_list(tale: str) -> None:
    tell(*TALES[tale])


def test_a_detection_has_one_severity() -> None:
    story = tell(banned(), [(0, 99.0, "raised high"), (1, 999.0)])
    assert (story.alarm.level, story.alarm.timers) == (1, ())


@pytest.mark.parametrize("quality", [each for each in Quality if each.usable])
def test_any_usable_value_counts(quality: Quality) -> None:
    assert Story([banned()]).hears(reading(0, 0.5, quality=quality)) == ["raised high"]


@pytest.mark.parametrize("quality", [each for each in Quality if not each.usable])
def test_a_value_that_can_not_be_used_is_no_detection(quality: Quality) -> None:
    assert Story([banned()]).hears(reading(0, 0.5, quality=quality)) == []


def test_a_late_detection_is_journalled_and_pages_nobody() -> None:
    story = tell(banned(), [(100, 0.0)])
    assert story.hears(reading(50, 0.5, late=True)) == ["late high"]
    assert story.pages == []


@given(STEPS, st.lists(st.integers(0, 80), max_size=6))
@many
def test_streaming_is_batch_whatever_the_cuts_and_restarts_and_what_is_told_twice(
    steps: list[tuple[int, int]], cuts: list[int]
) -> None:
    held, readings = banned(50.0, off_delay=60_000), walk(steps)
    whole, pieces = in_one_go(held, readings), in_pieces(held, readings, cuts)

    def current(story: Story) -> list[tuple[int, Event, float | None]]:
        return [(one.t, one.event, one.value) for one in story.transitions if one.event is not Event.LATE]

    assert current(pieces) == current(whole)


@given(STEPS, st.floats(40.0, 60.0), st.floats(0.0, 20.0))
@many
def test_a_stricter_limit_never_alarms_later(steps: list[tuple[int, int]], at: float, more: float) -> None:
    readings = walk(steps)

    def first(threshold: float) -> float:
        raised = (one.t for one in in_one_go(banned(threshold), readings).transitions if one.event is Event.RAISED)
        return min(raised, default=float("inf"))

    assert first(at) <= first(at + more)
