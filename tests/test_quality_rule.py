"""Quality and silence: one alarm for data that can't be trusted, and none that is talked away by it."""

from __future__ import annotations

import pytest

from park.alarms import Event, State
from park.limits import Limit
from park.readings import Reading
from park.words import Quality
from tests.making import BAD, DEAF, MISSING, RESTART, SWEEP, T0, Step, Story, limit, quality_limit, reading, tell

QUALITY = quality_limit()
SLOW = quality_limit(on_delay=60_000, off_delay=30_000)
SILENT_AFTER = 180  # seconds

# A step is (second, what is heard, *what comes of it).
TALES: dict[str, tuple[Limit, list[Step]]] = {
    "bad data raises once": (QUALITY, [(0, 1.0), (1, BAD, "raised bad"), (2, BAD), (3, MISSING)]),
    "a good reading returns it": (QUALITY, [(0, BAD, "raised bad"), (1, 1.0, "returned bad")]),
    "bad data has to last for the on-delay": (
        SLOW,
        [(0, BAD), (59, BAD), (60, BAD, "raised bad")],
    ),
    "a good reading in between begins the on-delay anew": (SLOW, [(0, BAD), (30, 1.0), (31, BAD), (60, BAD)]),
    "good data has to last for the off-delay": (
        SLOW,
        [(0, BAD), (60, BAD, "raised bad"), (70, 1.0), (99, 1.0), (100, 1.0, "returned bad")],
    ),
    "bad data in between begins the off-delay anew": (
        SLOW,
        [(0, BAD), (60, BAD, "raised bad"), (70, 1.0), (80, BAD), (81, 1.0), (110, 1.0), (111, 1.0, "returned bad")],
    ),
    "the sweep ends the on-delay": (SLOW, [(0, BAD), (59, SWEEP), (60, SWEEP, "raised bad")]),
    "the on-delay resumes after a restart": (SLOW, [(0, BAD), (59, RESTART), (60, SWEEP, "raised bad")]),
    "only a good reading ends the off-delay, not the sweep": (
        SLOW,
        [(0, BAD), (60, BAD, "raised bad"), (70, 1.0), (150, SWEEP), (151, 1.0, "returned bad")],
    ),
    "a silent sensor is stale, once, and at once": (
        SLOW,
        [(0, 1.0), (SILENT_AFTER, SWEEP), (SILENT_AFTER + 0.001, SWEEP, "raised bad"), (9999, SWEEP)],
    ),
    "a sensor that speaks again with bad data stays bad": (
        QUALITY,
        [(0, 1.0), (181, SWEEP, "raised bad"), (200, BAD), (201, MISSING), (202, 1.0, "returned bad")],
    ),
    "silence does not return what bad data raised": (QUALITY, [(0, BAD, "raised bad"), (181, SWEEP), (999, SWEEP)]),
    "a sensor that never spoke": (QUALITY, [(SILENT_AFTER, SWEEP), (SILENT_AFTER + 0.001, SWEEP, "raised bad")]),
    "nobody is called silent while parkwatch is deaf": (
        QUALITY,
        [(0, 1.0), (181, DEAF), (999, DEAF), (1000, SWEEP, "raised bad")],
    ),
    "nobody is called never seen while parkwatch is deaf": (QUALITY, [(999, DEAF)]),
}


@pytest.mark.parametrize("tale", TALES)
def test_quality(tale: str) -> None:
    tell(*TALES[tale], silent_after=SILENT_AFTER * 1000)


@pytest.mark.parametrize("quality", [each for each in Quality if each is not Quality.GOOD])
def test_everything_but_good_raises_and_is_the_reason(quality: Quality) -> None:
    story = Story([QUALITY])
    assert story.hears(reading(0, 1.0, quality=quality)) == ["raised bad"]
    assert story.transitions[0].why == quality.value
    assert story.transitions[0].set_point is None


@pytest.mark.parametrize(("heard", "why"), [([reading(0, 1.0)], "stale"), ([], "never-seen")])
def test_silence_says_which_it_is(heard: list[Reading], why: str) -> None:
    story = Story([QUALITY])
    for each in heard:
        story.hears(each)
    story.waits(181)
    (raised,) = story.transitions
    assert (raised.why, raised.t, raised.at) == (why, T0 + 181_000, T0 + 181_000)


def test_silence_counts_from_when_parkwatch_began_to_hear() -> None:
    story = Story([QUALITY], since=T0 + 600_000)
    story.hears(reading(0, 1.0))
    assert story.waits(780) == []
    assert story.waits(780.001) == ["raised bad"]


def test_active_alarm_stays_active_through_an_hour_of_silence() -> None:
    story = Story([limit(off_delay=300_000), QUALITY])
    story.hears(reading(0, 11.0), reading(10, 9.0))
    for second in range(11, 3611):
        story.waits(second)
    assert [(each.limit, each.event) for each in story.transitions] == [
        ("h2s-high", Event.RAISED),
        ("data-quality", Event.RAISED),
    ]
    assert story.record.alarms["h2s-high"].state is State.UNACK
    assert story.hears(reading(3611, 9.0)) == ["returned high", "returned bad"]


def test_good_reading_after_silence_that_is_still_beyond_keeps_the_alarm() -> None:
    tell(
        [limit(), QUALITY],
        [
            (0, 11.0, "raised high"),
            (181, SWEEP, "raised bad"),
            (200, 12.0, "returned bad"),
            (201, 9.0, "returned high"),
        ],
    )


def test_late_readings_do_not_break_silence() -> None:
    story = Story([QUALITY])
    story.hears(reading(0, 1.0))
    assert story.hears(reading(100, 1.0, late=True, received=T0 + 300_000)) == []
    assert story.waits(301) == ["raised bad"]
    assert story.hears(reading(200, 1.0, late=True, received=T0 + 302_000)) == []
    assert story.hears(reading(303, 1.0)) == ["returned bad"]
