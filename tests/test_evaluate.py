"""Evaluation of a series: order, repetition, lateness."""

from __future__ import annotations

import dataclasses
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.alarms import Event, Notify, State, Transition
from park.evaluate import LATE_EPISODE, Record
from park.limits import Limit
from park.readings import Reading
from park.words import Quality
from tests.making import MINUTE, T0, Story, limit, low, many, quality_limit, reading, two_levels

LIMIT = limit()
EPISODE = LATE_EPISODE / 1000


def late(second: float, value: float, **changes: Any) -> Reading:
    """Return a reading that comes an hour after its time."""
    return reading(second, value, late=True, received=T0 + 3_600_000, **changes)


def state(story: Story) -> State:
    """Return the state of the plain limit's alarm."""
    return story.record.alarms[LIMIT.id].state


# --- order -------------------------------------------------------------------------------------------------------


def test_older_reading_neither_raises_nor_clears() -> None:
    story = Story([LIMIT])
    assert story.hears(reading(10, 11.0)) == ["raised high"]
    assert story.hears(reading(9, 1.0)) == []
    assert state(story) is State.UNACK
    assert story.hears(reading(11, 1.0)) == ["returned high"]
    assert story.hears(reading(10.5, 11.0)) == ["late high"]
    assert state(story) is State.RTNUN


def test_at_the_same_event_time_a_reading_may_raise() -> None:
    assert Story([LIMIT]).hears(reading(10, 9.0), reading(10, 11.0)) == ["raised high"]


def test_at_the_same_event_time_a_reading_may_escalate_but_not_ease() -> None:
    story = Story([two_levels()])
    assert story.hears(reading(10, 15.0), reading(10, 25.0), reading(10, 15.0)) == [
        "raised high",
        "escalated high-high",
    ]


def test_at_the_same_event_time_a_reading_never_clears() -> None:
    story = Story([LIMIT, quality_limit()])
    story.hears(reading(10, 11.0, quality=Quality.OUT_OF_SPECIFICATION))
    assert story.hears(reading(10, 1.0)) == []
    assert story.hears(reading(10.001, 1.0)) == ["returned high", "returned bad"]


def test_a_limit_that_a_reading_does_not_concern_hides_no_other() -> None:
    story = Story([LIMIT, low(), quality_limit()])
    assert story.hears(reading(0, 7.0, quality=Quality.OUT_OF_SPECIFICATION)) == ["raised low", "raised bad"]


def test_newest_reading_is_remembered() -> None:
    story = Story([LIMIT])
    story.hears(reading(10, 4.0, received=T0 + 10_250), reading(5, 3.0))
    record = story.record
    assert (record.t, record.received, record.value, record.quality) == (T0 + 10_000, T0 + 10_250, 4.0, Quality.GOOD)


def test_normal_readings_leave_no_alarm_in_the_record() -> None:
    story = Story([LIMIT, quality_limit()])
    story.hears(reading(0, 1.0), reading(1, 2.0))
    assert story.record.alarms == {}


# --- late data ---------------------------------------------------------------------------------------------------


def test_late_reading_beyond_a_limit_is_journalled_and_nothing_else() -> None:
    story = Story([LIMIT])
    story.hears(reading(100, 1.0))
    before = story.record
    assert story.hears(late(50, 11.0)) == ["late high"]
    (transition,) = story.transitions
    assert (transition.notify, transition.why, transition.t) == (Notify.NONE, "late-data", T0 + 50_000)
    assert (transition.before, transition.after, transition.occurrence) == (State.NORM, State.NORM, 0)
    assert (transition.value, transition.set_point) == (11.0, 10.0)
    assert msgspec.structs.replace(story.record, late_t=0) == before


# Late readings as (second, value), and how many episodes the journal has of them.
EPISODES: dict[str, tuple[list[tuple[float, float]], int]] = {
    "none of them beyond the limit": ([(0, 1.0), (10, 10.0)], 0),
    "a whole minute is one": ([(second, 11.0) for second in range(60)], 1),
    "readings closer than an episode are one, however long it lasts": (
        [(n * EPISODE, 11.0) for n in range(5)],
        1,
    ),
    "farther apart are several": ([(0, 11.0), (EPISODE + 0.001, 11.0)], 2),
    "good ones in between do not make several": ([(0, 11.0), (1, 9.0), (2, 11.0)], 1),
    "the same ones twice are one": ([(0, 11.0), (1, 11.0), (0, 11.0), (1, 11.0)], 1),
}


@pytest.mark.parametrize("case", EPISODES)
def test_late_readings_are_journalled_once_per_episode(case: str) -> None:
    readings, count = EPISODES[case]
    story = Story([LIMIT])
    story.hears(reading(1000, 1.0))
    assert story.hears(*(late(second, value) for second, value in readings)) == ["late high"] * count


def test_late_readings_of_an_active_occurrence_are_known_already() -> None:
    story = Story([LIMIT])
    story.hears(reading(10, 11.0), reading(30, 11.0))
    assert story.hears(late(20, 12.0)) == []
    assert story.hears(late(9, 12.0)) == ["late high"]


def test_late_readings_say_nothing_of_quality() -> None:
    story = Story([quality_limit()])
    assert story.hears(late(0, 1.0, quality=Quality.FAILURE)) == []


def test_late_readings_that_are_bad_say_nothing() -> None:
    assert Story([LIMIT]).hears(late(0, 999.0, quality=Quality.FAILURE)) == []


def test_late_readings_at_a_limit_are_not_beyond_it() -> None:
    assert Story([LIMIT]).hears(late(0, 10.0)) == []
    assert Story([low()]).hears(late(0, 10.0)) == []
    assert Story([low()]).hears(late(0, 9.9)) == ["late low"]


def test_reading_marked_late_does_not_page_even_if_it_is_the_newest() -> None:
    story = Story([LIMIT])
    story.hears(reading(0, 1.0))
    assert story.hears(late(10, 11.0)) == ["late high"]
    assert story.hears(reading(11, 11.0)) == ["raised high"]


def test_reading_marked_late_does_not_clear_even_if_it_is_the_newest() -> None:
    story = Story([LIMIT])
    story.hears(reading(0, 11.0))
    assert story.hears(late(10, 1.0)) == []
    assert story.record.alarms["h2s-high"].state is State.UNACK


# --- whatever the order, the cut and the repetition ----------------------------------------------------------------

LIMITS = st.tuples(
    st.builds(
        two_levels,
        deadband=st.sampled_from([0.0, 2.0]),
        on_delay=st.sampled_from([0, 1000, 3000]),
        off_delay=st.sampled_from([0, 1000, 3000]),
    ),
    st.builds(low, deadband=st.just(1.0), on_delay=st.sampled_from([0, 2000])),
    st.builds(quality_limit, on_delay=st.sampled_from([0, 2000]), off_delay=st.sampled_from([0, 2000])),
)


@st.composite
def one_reading(draw: st.DrawFn) -> Reading:
    second = draw(st.integers(0, 20))
    value = draw(st.sampled_from([1.0, 9.0, 10.0, 15.0, 19.0, 25.0]))
    quality = draw(st.sampled_from([Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.FAILURE]))
    delay = draw(st.integers(0, 300))
    return reading(second, value, quality=quality, received=T0 + second * 1000 + delay, late=draw(st.booleans()))


def in_order(readings: list[Reading]) -> list[Reading]:
    """Return the readings as most sensors send them: in order and on time."""
    return sorted((msgspec.structs.replace(each, late=False) for each in readings), key=lambda each: each.t)


STREAMS = st.one_of(
    st.lists(one_reading(), min_size=1, max_size=30).map(in_order), st.lists(one_reading(), min_size=1, max_size=30)
)


@dataclasses.dataclass
class Ending:
    """What there is in the end, apart from the journal of late data."""

    record: Record
    transitions: list[Transition]


def ending(story: Story) -> Ending:
    """Return how a story ended; what was journalled as late changes no alarm."""
    transitions = [msgspec.structs.replace(each, at=0) for each in story.transitions if each.event is not Event.LATE]
    # When we were told depends on the cut, what is true does not.
    alarms = {
        name: msgspec.structs.replace(each, raised_at=0, risen_at=0) for name, each in story.record.alarms.items()
    }
    return Ending(msgspec.structs.replace(story.record, late_t=0, alarms=alarms), transitions)


@given(LIMITS, STREAMS, st.data())
@many
def test_streaming_equals_batch_whatever_the_cut(
    limits: tuple[Limit, ...], readings: list[Reading], data: st.DataObject
) -> None:
    whole, cut = Story(limits), Story(limits)
    whole.hears(*readings)
    rest = readings
    while rest:
        size = data.draw(st.integers(1, len(rest)))
        cut.hears(*rest[:size])
        rest = rest[size:]
    assert ending(cut) == ending(whole)
    assert cut.record.late_t == whole.record.late_t
    assert len(cut.transitions) == len(whole.transitions)


@given(LIMITS, STREAMS, st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)), max_size=6))
@many
def test_redelivery_changes_nothing(
    limits: tuple[Limit, ...], readings: list[Reading], restarts: list[tuple[int, int]]
) -> None:
    """As a broker redelivers: at some point it goes back, and everything from there on comes again, in order."""
    once, again = Story(limits), Story(limits)
    once.hears(*readings)
    back_at = {at: back for at, back in restarts if back <= at}
    for index, each in enumerate(readings):
        again.hears(each)
        if index in back_at:
            again.hears(*readings[back_at[index] : index + 1])
    assert ending(again) == ending(once)


@given(LIMITS, STREAMS)
@many
def test_record_survives_being_written_down_at_any_moment(limits: tuple[Limit, ...], readings: list[Reading]) -> None:
    once, restarted = Story(limits), Story(limits)
    for each in readings:
        once.hears(each)
        restarted.hears(each)
        restarted.restarts()
    assert restarted.record == once.record
    assert restarted.transitions == once.transitions


@given(LIMITS, STREAMS)
@many
def test_transitions_tell_the_whole_story(limits: tuple[Limit, ...], readings: list[Reading]) -> None:
    """Before and after fit together, versions and occurrences have no gap."""
    story = Story(limits)
    story.hears(*readings)
    story.waits(60)
    for one in limits:
        state, version, occurrence = State.NORM, 0, 0
        for each in (x for x in story.transitions if x.limit == one.id and x.event is not Event.LATE):
            assert (each.before, each.version) == (state, version + 1)
            assert each.occurrence == occurrence + (each.event is Event.RAISED)
            state, version, occurrence = each.after, each.version, each.occurrence
        alarm = story.record.alarms.get(one.id)
        assert (alarm.state if alarm else State.NORM) is state


@given(STREAMS)
@many
def test_late_data_alone_never_pages(readings: list[Reading]) -> None:
    story = Story([two_levels(), low(), quality_limit()], silent_after=60 * MINUTE)
    story.hears(*(msgspec.structs.replace(each, late=True) for each in readings))
    story.waits(60)
    assert {each.notify for each in story.transitions} <= {Notify.NONE}
    assert {each.event for each in story.transitions} <= {Event.LATE}
