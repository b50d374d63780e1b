"""What the journal says, line by line and whole; what a refusal tells to do instead."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import pytest

from park import alarms
from park.actions import Acknowledge, Action, Asked, Remove, Reset, Restore, Shelve, Unshelve, act
from park.alarms import (
    CHATTER_REMIND,
    Acknowledgement,
    Alarm,
    Change,
    Event,
    Notify,
    Refused,
    Removal,
    Shelving,
    State,
    Transition,
    alarm_id,
)
from park.evaluate import GATEWAY_OFFLINE, Record, Watch, pass_time
from park.words import Names, Priority, Quality
from tests.making import BAD, MINUTE, SERIES, T0, Story, limit, low, point, quality_limit, reading, two_levels

LIMIT = limit(set_points=(point("high", 10.0, Priority.MEDIUM),), clause=Names("第一条", "clause 1"))
ID = alarm_id(SERIES, "h2s-high")
DAY = 24 * 60 * MINUTE


def entry(story: Story, event: Event) -> Transition:
    """Return the only entry of ``event``."""
    (found,) = [each for each in story.transitions if each.event is event]
    return found


# --- refusals ------------------------------------------------------------------------------------------------------

INSTEAD = "shelve it for less, or have an engineer take it out of service"
LATCHED = Alarm(latched=True, acknowledgement=Acknowledgement.UNACKNOWLEDGED, occurrence=1, version=2)

REFUSALS: dict[str, tuple[Alarm, Action, dict[str, Any], str]] = {
    "nothing to reset": (Alarm(), Reset(), {}, "the alarm is not latched: there is nothing to reset"),
    "still there": (
        Alarm(level=1),
        Reset(),
        {},
        "the condition is still there: an alarm can be reset once its value is back inside the limit",
    ),
    "not acknowledged": (
        LATCHED,
        Reset(),
        {},
        "nobody has acknowledged the alarm: acknowledge it first, then reset it",
    ),
    "not shelved": (Alarm(), Unshelve(), {}, "the alarm is not shelved"),
    "in service": (Alarm(), Restore(), {}, "the alarm is not out of service"),
    "out of service without a reason": (
        Alarm(),
        Remove(),
        {"why": " "},
        "to take an alarm out of service takes a reason; say why",
    ),
    "shelved without a reason": (
        Alarm(),
        Shelve(T0 + 1),
        {"why": ""},
        "to shelve an alarm takes a reason; say why",
    ),
    "shelved until now": (
        Alarm(),
        Shelve(T0),
        {},
        "the shelving would end before it begins; give a time to come",
    ),
    "shelved until before": (
        Alarm(),
        Shelve(T0 - 1),
        {},
        "the shelving would end before it begins; give a time to come",
    ),
    **{
        f"shelved for longer than {text}": (
            Alarm(),
            Shelve(T0 + DAY),
            {"shelve_at_most": most},
            f"an alarm can be shelved for {text} at most; {INSTEAD}",
        )
        for most, text in (
            (8 * 60 * MINUTE, "8 h"),
            (90 * MINUTE, "1.5 h"),
            (60 * MINUTE, "1 h"),
            (59 * MINUTE, "59 min"),
            (MINUTE // 2, "0.5 min"),
        )
    },
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal_says_why_and_what_to_do_instead(case: str) -> None:
    alarm, action, changes, text = REFUSALS[case]
    asked = msgspec.structs.replace(Asked(action, by="li", why="permit 7", at=T0, shelve_at_most=DAY // 3), **changes)
    with pytest.raises(Refused) as refused:
        act(SERIES, LIMIT, alarm, asked)
    assert str(refused.value) == refused.value.texts.en == text
    assert re.search("[\u4e00-\u9fff]", refused.value.texts.zh)


# --- what people do --------------------------------------------------------------------------------------------------


def test_what_a_person_does_is_one_whole_line() -> None:
    story = Story([LIMIT])
    story.hears(reading(0, 12.0))
    story.acts(30, Remove(), why="calibration")
    assert entry(story, Event.REMOVED) == Transition(
        alarm=ID,
        series=SERIES,
        limit="h2s-high",
        limit_version="1",
        event=Event.REMOVED,
        notify=Notify.NONE,
        before=State.UNACK,
        after=State.OOSRV,
        severity="high",
        priority=Priority.MEDIUM,
        occurrence=1,
        version=2,
        t=T0 + 30_000,
        at=T0 + 30_000,
        value=12.0,
        set_point=10.0,
        by="li",
        why="calibration",
        unit="mg/m3",
        scale=1.0,
        source="test",
        clause=Names("第一条", "clause 1"),
    )


def test_what_is_taken_back_pages_as_of_then() -> None:
    story = Story([LIMIT])
    story.hears(reading(0, 12.0))
    story.acts(1, Shelve(T0 + 60 * MINUTE))
    assert story.alarm.paged == 0
    story.acts(30, Unshelve())
    assert entry(story, Event.UNSHELVED).notify is Notify.PAGE
    assert (story.alarm.paged, story.alarm.paged_t) == (story.alarm.version, T0 + 30_000)


def test_an_alarm_that_is_over_needs_no_acknowledgement_any_more() -> None:
    story = Story([LIMIT])
    story.hears(reading(0, 12.0))
    story.acknowledges(1)
    found = [story.alarm.acknowledgement]
    story.hears(reading(2, 1.0))
    found.append(story.alarm.acknowledgement)
    assert found == [Acknowledgement.ACKNOWLEDGED, Acknowledgement.NONE_NEEDED]
    latched = Story([limit(latching=True)])
    latched.hears(reading(0, 12.0), reading(1, 1.0))
    latched.acknowledges(2)
    latched.acts(3, Reset())
    assert (latched.alarm.latched, latched.alarm.acknowledgement) == (False, Acknowledgement.NONE_NEEDED)


def test_an_acknowledgement_ends_what_was_to_be_told() -> None:
    waiting = Alarm(level=1, occurrence=1, version=4, paged=1, collapsed=3)
    waiting = msgspec.structs.replace(waiting, acknowledgement=Acknowledgement.UNACKNOWLEDGED)
    asked = Asked(Acknowledge(1, 4), by="li", why="", at=T0, shelve_at_most=DAY)
    done = act(SERIES, LIMIT, waiting, asked)
    assert done is not None
    assert (done[0].paged, done[0].collapsed) == (0, 0)


def test_one_that_chatters_on_is_announced_again_just_when_it_is_due() -> None:
    chattering = Alarm(
        level=1,
        acknowledgement=Acknowledgement.UNACKNOWLEDGED,
        collapsed=2,
        paged_t=T0,
        risen_at=T0 + CHATTER_REMIND - 1000,
    )
    assert alarms.wants_realarm(chattering, LIMIT, T0 + CHATTER_REMIND - 1) == ""
    assert alarms.wants_realarm(chattering, LIMIT, T0 + CHATTER_REMIND) == "chattering"


# --- what time does --------------------------------------------------------------------------------------------------


def test_suppression_is_told_with_its_rule_the_time_and_the_last_value() -> None:
    story = Story([LIMIT])
    story.hears(reading(0, 12.0))
    story.suppressed = {"h2s-high": "planned"}
    assert story.waits(5) == ["suppressed high"]
    told = entry(story, Event.SUPPRESSED)
    assert (told.why, told.t, told.at, told.value, told.notify) == (
        "planned",
        T0 + 5000,
        T0 + 5000,
        12.0,
        Notify.NONE,
    )
    assert (told.alarm, told.before, told.after) == (ID, State.UNACK, State.DSUPR)
    story.suppressed = {}
    assert story.waits(9) == ["unsuppressed high"]
    told = entry(story, Event.UNSUPPRESSED)
    assert (told.why, told.t, told.at, told.value, told.notify) == ("planned", T0 + 9000, T0 + 9000, 12.0, Notify.PAGE)


def test_a_gateway_that_is_off_explains_a_silence_and_nothing_before_it() -> None:
    story = Story([quality_limit()])
    story.hears(reading(0, 1.0))
    story.suppressed = {"data-quality": GATEWAY_OFFLINE}
    assert story.waits(100) == [], "nothing to be kept quiet yet"
    assert story.waits(181) == ["suppressed bad", "raised bad"]
    assert [each.notify for each in story.transitions] == [Notify.NONE, Notify.NONE]
    story.hears(reading(200, 1.0))
    assert story.alarm.level == 0
    assert story.waits(201) == [], "it is still off"
    story.suppressed = {}
    assert story.waits(202) == ["unsuppressed bad"]


def test_another_rule_suppresses_what_is_not_there_yet() -> None:
    story = Story([LIMIT])
    story.hears(reading(0, 1.0))
    story.suppressed = {"h2s-high": "planned"}
    assert story.waits(1) == ["suppressed high"]


@pytest.mark.parametrize(("until", "why"), [(T0, "shelving-expired"), (0, "shelving-unreadable")])
def test_the_end_of_a_shelving_says_why(until: int, why: str) -> None:
    story = Story([LIMIT])
    story.record = Record(T0, T0, 1.0, alarms={"h2s-high": Alarm(shelved=Shelving("li", "permit 7", until, T0))})
    assert story.waits(0) == ["unshelved high"]
    assert entry(story, Event.UNSHELVED).why == why


def test_each_occurrence_is_the_first_of_its_group_anew_or_not() -> None:
    again = alarms.reach(Alarm(occurrence=1, first_up=True), 1, t=T0, at=T0, value=11.0)
    assert (again.alarm.occurrence, again.alarm.first_up) == (2, False)


@pytest.mark.parametrize("removed", [None, Removal("li", "test gas", T0)])
def test_the_third_activation_of_a_minute_is_marked_in_service_or_not(removed: Removal | None) -> None:
    alarm = Alarm(out_of_service=removed, paged_level=1, paged_t=T0, recent=(T0, T0 + 1))
    third = alarms.reach(alarm, 1, t=T0 + 2, at=T0 + 2, value=11.0)
    assert third.chattering is True
    assert third.alarm.collapsed == (0 if removed else 1)


@pytest.mark.parametrize(("after", "chatters"), [(0, True), (30_000, True), (60_000, True), (60_001, False)])
def test_an_alarm_chatters_for_a_minute_after_the_latest_of_three(after: int, chatters: bool) -> None:  # noqa: FBT001
    alarm = Alarm(recent=(T0, T0 + 1, T0 + 60_000))
    assert alarm.chatters(T0 + 60_000 + after) is chatters


def test_an_entry_has_the_scale_of_its_limit_and_the_mark_of_its_alarm() -> None:
    raised = Alarm(level=1, occurrence=1, version=1, first_up=True)
    change = Change(raised, Event.RAISED)
    told = alarms.transition(SERIES, limit(shown_per_canonical=0.001), Alarm(), change, t=T0, at=T0, value=11.0)
    assert (told.scale, told.first_up, told.why, told.by) == (0.001, True, "", "parkwatch")


def test_silence_is_told_unless_somebody_says_that_parkwatch_is_deaf() -> None:
    watch = Watch(SERIES, (quality_limit(),), 180_000, T0)
    heard = Record(t=T0, received=T0)
    _, told = pass_time(heard, watch, T0 + 180_001)
    assert [each.why for each in told] == ["stale"]
    assert pass_time(heard, watch, T0 + 180_001, hearing=False) == (heard, [])


def test_a_record_that_time_does_not_change_is_the_same_one() -> None:
    # What is the same one is not written down again.
    story = Story([LIMIT])
    story.hears(reading(0, 12.0))
    watch = Watch(SERIES, (LIMIT,), 180_000, T0)
    assert pass_time(story.record, watch, T0 + 1)[0] is story.record


def test_an_alarm_remembers_why_it_moved_and_no_timer_that_has_ended() -> None:
    story = Story([limit(on_delay=30_000, off_delay=10_000)])
    story.hears(reading(0, 12.0))
    assert [each and each.t for each in story.alarm.timers] == [T0]
    story.waits(30)
    assert (story.alarm.level, story.alarm.why, story.alarm.timers) == (1, "delay-ended", ())
    story.hears(reading(40, 1.0), reading(50, 1.0))
    assert (story.alarm.level, story.alarm.why, story.alarm.timers) == (0, "", ())
    brief = Story([limit(on_delay=30_000)])
    brief.hears(reading(0, 12.0), reading(1, 1.0))
    assert brief.alarm == Alarm()


def test_the_end_of_a_limit_is_one_whole_line() -> None:
    story = Story([LIMIT])
    story.hears(reading(0, 12.0))
    story.limits = []
    story.waits(30)
    assert entry(story, Event.WITHDRAWN) == Transition(
        alarm=ID,
        series=SERIES,
        limit="h2s-high",
        limit_version="",
        event=Event.WITHDRAWN,
        notify=Notify.NOTICE,
        before=State.UNACK,
        after=State.NORM,
        severity="",
        priority=Priority.LOW,
        occurrence=1,
        version=2,
        t=T0,
        at=T0 + 30_000,
        value=None,
        set_point=None,
        why="limit-withdrawn",
    )
    assert story.record.alarms["h2s-high"] == Alarm(occurrence=1, version=2)
    assert story.waits(60) == [], "once"


# --- late data -------------------------------------------------------------------------------------------------------


def late(second: float, value: float) -> Transition:
    """Return the entry of a value that comes a day late, on the newer of which an alarm of two levels is active."""
    story = Story([two_levels(clause=Names("第一条", "clause 1"))])
    story.hears(reading(1000, 25.0))
    story.hears(reading(second, value, late=True, received=T0 + DAY))
    return entry(story, Event.LATE)


def test_late_data_is_one_whole_line_about_the_mildest_set_point() -> None:
    assert late(500, 30.0) == Transition(
        alarm=ID,
        series=SERIES,
        limit="h2s-high",
        limit_version="1",
        event=Event.LATE,
        notify=Notify.NONE,
        before=State.UNACK,
        after=State.UNACK,
        severity="high",
        priority=Priority.HIGH,
        occurrence=1,
        version=1,
        t=T0 + 500_000,
        at=T0 + DAY,
        value=30.0,
        set_point=10.0,
        why="late-data",
        unit="mg/m3",
        source="test",
        clause=Names("第一条", "clause 1"),
    )


def test_late_data_of_the_very_time_of_the_alarm_is_known() -> None:
    story = Story([two_levels()])
    story.hears(reading(1000, 25.0))
    assert story.hears(reading(1000, 30.0, late=True, received=T0 + DAY)) == []
    assert story.hears(reading(999.999, 30.0, late=True, received=T0 + DAY)) == ["late high"]


def test_late_data_of_several_limits_is_told_of_each() -> None:
    story = Story([LIMIT, low(set_points=(point("low", 20.0),)), quality_limit()])
    story.hears(reading(1000, 9.0, quality=Quality.FAILURE))
    assert story.hears(reading(500, 15.0, late=True)) == ["late high", "late low"]
    assert story.step(1001, BAD) == []
