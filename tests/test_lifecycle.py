"""The life of an alarm (ISA-18.2): the cases that control rooms have learnt from, one by one."""

from __future__ import annotations

import msgspec
import pytest

from park import alarms
from park.actions import Acknowledge, Remove, Reset, Restore, Shelve, Unshelve
from park.alarms import CHATTER_REMIND, Condition, Event, Notify, Refused, State
from park.limits import Limit
from park.words import Priority
from tests.making import (
    ACKNOWLEDGE,
    BAD,
    MINUTE,
    RESTART,
    SWEEP,
    T0,
    Step,
    Story,
    limit,
    quality_limit,
    reading,
    shelve_until,
    tell,
    two_levels,
)

HIGH = limit()
LEVELS = two_levels()
SLOW = limit(on_delay=10 * MINUTE)
SLOW_OFF = limit(off_delay=30_000)
LATCHING = two_levels(latching=True)
AGAIN = limit(re_alarm=10 * MINUTE, re_alarm_most=2)
LONG = 10_000 * MINUTE

# A step is (second, what happens, *what comes of it); a number is a good reading.
TALES: dict[str, tuple[Limit, list[Step]]] = {
    # Delays
    "delayed, but the burst was short": (SLOW, [(0, 11.0), (599, 11.0), (599.9, 9.0), (600, SWEEP), (1200, SWEEP)]),
    "time alone ends a delay, without new data": (SLOW, [(0, 11.0), (599.9, SWEEP), (600, SWEEP, "raised high")]),
    "a restart at minute 9 of a 10-minute delay": (
        SLOW,
        [(0, 11.0), (540, RESTART), (599.9, SWEEP), (600, SWEEP, "raised high")],
    ),
    "high-high implies high, once": (
        LEVELS,
        [(0, 25.0, "raised high-high"), (1, 26.0), (2, 24.0), (3, 5.0, "returned high-high")],
    ),
    # Acknowledgement
    "acknowledged, then a lower severity: it stays acknowledged": (
        LEVELS,
        [
            (0, 25.0, "raised high-high"),
            (1, ACKNOWLEDGE, "acknowledged high-high"),
            (2, 15.0, "eased high"),
            (3, 5.0, "returned high"),
            (4, SWEEP),
        ],
    ),
    "acknowledged, then a higher severity: it wants another one": (
        LEVELS,
        [
            (0, 15.0, "raised high"),
            (1, ACKNOWLEDGE, "acknowledged high"),
            (2, 25.0, "escalated high-high"),
            (3, ACKNOWLEDGE, "acknowledged high-high"),
            (4, ACKNOWLEDGE),
        ],
    ),
    "acknowledged while suppressed by maintenance, and heard again after it": (
        HIGH,
        [
            (0, 11.0, "raised high"),
            (1, Remove(), "removed-from-service high"),
            (2, ACKNOWLEDGE, "acknowledged high"),
            (3, Restore(), "restored-to-service high"),
        ],
    ),
    # Shelving
    "shelved in its delay: it is raised, and heard when the shelving expires": (
        SLOW,
        [
            (0, 11.0),
            (60, shelve_until(700), "shelved high"),
            (600, SWEEP, "raised high"),
            (699, SWEEP),
            (700, SWEEP, "unshelved high"),
        ],
    ),
    "shelving expires while normal": (
        HIGH,
        [(0, shelve_until(60), "shelved high"), (59.9, SWEEP), (60, SWEEP, "unshelved high"), (61, SWEEP)],
    ),
    "shelving expires while the worker is down": (
        HIGH,
        [
            (0, 11.0, "raised high"),
            (1, shelve_until(60), "shelved high"),
            (900, RESTART),
            (901, SWEEP, "unshelved high"),
        ],
    ),
    "a shelving that is prolonged ends at the new end": (
        HIGH,
        [
            (0, shelve_until(60), "shelved high"),
            (30, shelve_until(90), "shelved high"),
            (60, SWEEP),
            (90, SWEEP, "unshelved high"),
        ],
    ),
    # Latching
    "latched until it is reset": (
        LATCHING,
        [
            (0, 15.0, "raised high"),
            (1, ACKNOWLEDGE, "acknowledged high"),
            (2, 5.0, "returned high"),
            (99, SWEEP),
            (100, RESTART),
            (101, Reset(), "reset high"),
            (102, 15.0, "raised high"),
        ],
    ),
    "a latched alarm that is raised again wants its own acknowledgement and reset": (
        LATCHING,
        [
            (0, 15.0, "raised high"),
            (1, 5.0, "returned high"),
            (100, 15.0, "raised high"),
            (101, ACKNOWLEDGE, "acknowledged high"),
            (102, 5.0, "returned high"),
            (103, Reset(), "reset high"),
        ],
    ),
    # Re-alarm
    "an acknowledged alarm that lasts asks again, as often as configured": (
        AGAIN,
        [
            (0, 11.0, "raised high"),
            (1, ACKNOWLEDGE, "acknowledged high"),
            (600.9, SWEEP),
            (601, SWEEP, "realarmed high"),
            (1300, SWEEP),
            (1400, ACKNOWLEDGE, "acknowledged high"),
            (2000, SWEEP, "realarmed high"),
            (2001, ACKNOWLEDGE, "acknowledged high"),
            (9999, SWEEP),
        ],
    ),
    "a new occurrence may be asked for as often again": (
        limit(re_alarm=10 * MINUTE, re_alarm_most=1),
        [
            (0, 11.0, "raised high"),
            (1, ACKNOWLEDGE, "acknowledged high"),
            (601, SWEEP, "realarmed high"),
            (602, ACKNOWLEDGE, "acknowledged high"),
            (1500, SWEEP),
            (1501, 9.0, "returned high"),
            (1600, 11.0, "raised high"),
            (1601, ACKNOWLEDGE, "acknowledged high"),
            (2201, SWEEP, "realarmed high"),
        ],
    ),
    "nobody is asked about an acknowledged alarm that has returned": (
        AGAIN,
        [
            (0, 11.0, "raised high"),
            (1, ACKNOWLEDGE, "acknowledged high"),
            (2, 9.0, "returned high"),
            (700, SWEEP),
        ],
    ),
    "nobody is asked about a shelved one, until its shelving expires": (
        AGAIN,
        [
            (0, 11.0, "raised high"),
            (1, ACKNOWLEDGE, "acknowledged high"),
            (2, shelve_until(1000), "shelved high"),
            (700, SWEEP),
            (1000, SWEEP, "unshelved high"),
        ],
    ),
}


@pytest.mark.parametrize("tale", TALES)
def test_tale(tale: str) -> None:
    tell(*TALES[tale], silent_after=LONG)


def entry(story: Story) -> tuple[Event, State, State, Notify, str]:
    """Say of the latest transition what the journal has of it."""
    last = story.transitions[-1]
    return last.event, last.before, last.after, last.notify, last.why


# --- delays, and what ends them otherwise ------------------------------------------------------------------------


def test_delayed_then_disabled_is_never_raised_and_nobody_is_told() -> None:
    """The limit is withdrawn while its on-delay runs, and comes back: it counts from the beginning."""
    story = tell(SLOW, [(0, 11.0), (540, SWEEP)], silent_after=LONG)
    story.limits = []
    story.waits(541)
    assert entry(story) == (Event.WITHDRAWN, State.NORM, State.NORM, Notify.NONE, "limit-withdrawn")
    story.limits = [SLOW]
    assert [story.waits(600), story.waits(1200), story.hears(reading(1201, 11.0)), story.waits(1800)] == [[]] * 4
    assert story.waits(1801) == ["raised high"]


def test_delayed_then_taken_out_of_service_is_raised_quietly_and_heard_once_back() -> None:
    story = tell(SLOW, [(0, 11.0), (540, Remove(), "removed-from-service high")], silent_after=LONG)
    assert story.waits(600) == ["raised high"]
    assert entry(story) == (Event.RAISED, State.OOSRV, State.OOSRV, Notify.NONE, "delay-ended")
    assert story.acts(700, Restore()) == ["restored-to-service high"]
    assert entry(story) == (Event.RESTORED, State.OOSRV, State.UNACK, Notify.PAGE, "work permit 7")


def test_condition_and_shelving_that_end_at_the_same_moment_page_nobody() -> None:
    story = tell(
        SLOW_OFF,
        [(0, 11.0, "raised high"), (1, shelve_until(60), "shelved high"), (30, 9.0)],
        silent_after=LONG,
    )
    assert story.waits(60) == ["returned high", "unshelved high"]
    assert (story.pages, story.alarm.state) == (["raised high"], State.RTNUN)


def test_withdrawn_alarm_that_people_knew_of_is_a_notice_and_its_versions_go_on() -> None:
    story = tell(HIGH, [(0, 11.0, "raised high")])
    story.limits = []
    story.waits(1)
    assert entry(story) == (Event.WITHDRAWN, State.UNACK, State.NORM, Notify.NOTICE, "limit-withdrawn")
    story.limits = [HIGH]
    story.hears(reading(2, 11.0))
    assert [(each.version, each.occurrence) for each in story.transitions] == [(1, 1), (2, 1), (3, 2)]


@pytest.mark.parametrize("action", [shelve_until(600), Remove()])
def test_withdrawn_alarm_that_was_put_aside_tells_nobody(action: Shelve | Remove) -> None:
    story = tell(HIGH, [(0, 11.0, "raised high")])
    story.acts(1, action)
    story.limits = []
    story.waits(2)
    assert (story.transitions[-1].event, story.transitions[-1].notify) == (Event.WITHDRAWN, Notify.NONE)
    # In service again: nobody remembers why it was not.
    story.limits = [HIGH]
    assert story.hears(reading(3, 11.0)) == ["raised high"]
    assert story.transitions[-1].notify is Notify.PAGE


# --- shelving ----------------------------------------------------------------------------------------------------


def test_shelving_that_expires_while_active_pages_and_while_normal_does_not() -> None:
    story = tell(HIGH, [(0, shelve_until(60), "shelved high"), (60, SWEEP, "unshelved high")])
    assert entry(story) == (Event.UNSHELVED, State.SHLVD, State.NORM, Notify.NONE, "shelving-expired")
    story.acts(100, shelve_until(160))
    assert story.hears(reading(110, 11.0)) == ["raised high"]
    assert entry(story) == (Event.RAISED, State.SHLVD, State.SHLVD, Notify.NONE, "")
    assert story.waits(160) == ["unshelved high"]
    assert entry(story) == (Event.UNSHELVED, State.SHLVD, State.UNACK, Notify.PAGE, "shelving-expired")


def test_unshelving_an_alarm_that_was_acknowledged_wants_another_look() -> None:
    story = tell(
        HIGH,
        [(0, 11.0, "raised high"), (1, ACKNOWLEDGE, "acknowledged high"), (2, shelve_until(600), "shelved high")],
    )
    assert story.acts(60, Unshelve()) == ["unshelved high"]
    assert (story.alarm.state, story.alarm.paged) == (State.UNACK, story.alarm.version)


def test_what_is_worse_than_what_was_shelved_ends_the_shelving_and_pages() -> None:
    story = tell(LEVELS, [(0, 15.0, "raised high"), (1, shelve_until(600), "shelved high")])
    assert story.hears(reading(2, 25.0)) == ["escalated high-high"]
    assert entry(story) == (Event.ESCALATED, State.SHLVD, State.UNACK, Notify.PAGE, "worse-than-shelved")
    assert (story.transitions[-1].priority, story.alarm.shelved) == (Priority.CRITICAL, None)


def test_who_shelves_a_normal_alarm_has_said_nothing_of_its_worst() -> None:
    story = tell(
        LEVELS, [(0, shelve_until(600), "shelved high"), (1, 15.0, "raised high"), (2, 25.0, "escalated high-high")]
    )
    assert [each.notify for each in story.transitions] == [Notify.NONE, Notify.NONE, Notify.PAGE]


def test_who_shelves_the_worst_is_left_in_peace_until_the_end() -> None:
    tale = [(0, 25.0, "raised high-high"), (1, shelve_until(60), "shelved high-high"), (2, 15.0, "eased high")]
    story = tell(LEVELS, [*tale, (3, 25.0, "escalated high-high"), (60, SWEEP, "unshelved high-high")])
    assert [each.notify for each in story.transitions[-2:]] == [Notify.NONE, Notify.PAGE]


def test_alarm_that_latched_while_it_was_put_aside_is_heard_of() -> None:
    """It has come and gone, and waits for a reset: somebody has to know that it does."""
    story = tell(
        LATCHING,
        [
            (0, shelve_until(600), "shelved high"),
            (1, 15.0, "raised high"),
            (2, 5.0, "returned high"),
            (600, SWEEP, "unshelved high"),
        ],
        silent_after=LONG,
    )
    assert entry(story) == (Event.UNSHELVED, State.SHLVD, State.UNACK, Notify.PAGE, "shelving-expired")
    assert story.alarm.paged == story.alarm.version


def test_latched_alarm_that_was_acknowledged_comes_back_quietly() -> None:
    story = tell(
        LATCHING,
        [
            (0, 15.0, "raised high"),
            (1, ACKNOWLEDGE, "acknowledged high"),
            (2, 5.0, "returned high"),
            (3, shelve_until(60), "shelved high"),
            (60, SWEEP, "unshelved high"),
        ],
    )
    assert (story.alarm.state, story.transitions[-1].notify) == (State.ACKED, Notify.NONE)


def test_shelving_longer_than_the_cap_is_refused_and_the_cap_named() -> None:
    story = Story([HIGH])
    with pytest.raises(Refused, match=r"8 h at most.*take it out of service"):
        story.acts(0, Shelve(T0 + 480 * MINUTE + 1))
    assert story.acts(0, Shelve(T0 + 480 * MINUTE)) == ["shelved high"]


# What is asked, and what the refusal says to do instead.
REFUSED: dict[str, tuple[list[Step], Shelve | Unshelve | Remove | Restore | Reset, str, str]] = {
    "shelving without a reason": ([], shelve_until(60), " ", "say why"),
    "shelving into the past": ([], shelve_until(5), "noise", "give a time to come"),
    "removal without a reason": ([], Remove(), "", "say why"),
    "removal twice": ([(0, Remove(), "removed-from-service high")], Remove(), "again", "since li took it out"),
    "restoring what is in service": ([], Restore(), "done", "not out of service"),
    "unshelving what is not shelved": ([], Unshelve(), "done", "not shelved"),
    "resetting what is normal": ([], Reset(), "done", "not latched"),
    "resetting what is active": ([(0, 15.0, "raised high")], Reset(), "done", "once its value is back"),
    "resetting what nobody has acknowledged": (
        [(0, 15.0, "raised high"), (1, 5.0, "returned high")],
        Reset(),
        "done",
        "acknowledge it first",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusal_says_what_to_do_instead_and_changes_nothing(case: str) -> None:
    steps, action, why, text = REFUSED[case]
    story = tell(LATCHING, steps)
    before = story.record
    with pytest.raises(Refused, match=text):
        story.acts(10, action, why=why)
    assert story.record == before


def test_action_says_who_and_why_in_the_journal() -> None:
    story = tell(HIGH, [(0, 11.0, "raised high"), (1, shelve_until(60), "shelved high")])
    last = story.transitions[-1]
    assert (last.by, last.why, last.at, last.value) == ("li", "work permit 7", T0 + 1000, 11.0)
    assert story.alarm.shelved is not None
    assert (story.alarm.shelved.by, story.alarm.shelved.why, story.alarm.shelved.until) == (
        "li",
        "work permit 7",
        T0 + 60_000,
    )


# --- availability ------------------------------------------------------------------------------------------------


def test_the_strongest_reason_shows_and_each_ends_for_itself() -> None:
    story = tell(HIGH, [(0, 11.0, "raised high"), (1, shelve_until(600), "shelved high")])
    story.suppressed = {HIGH.id: "plant-stopped"}
    story.waits(2)
    story.acts(3, Remove())
    shown = [each.after for each in story.transitions]
    assert shown == [State.UNACK, State.SHLVD, State.DSUPR, State.OOSRV]
    story.acts(4, Restore())
    story.suppressed = {}
    story.waits(5)
    assert story.alarm.state is State.SHLVD
    story.acts(6, Unshelve())
    assert [each.after for each in story.transitions[4:]] == [State.DSUPR, State.SHLVD, State.UNACK]
    assert story.pages == ["raised high", "unshelved high"]


def test_acknowledged_while_suppressed_and_heard_again_once_that_ends() -> None:
    story = tell(HIGH, [(0, 11.0, "raised high")])
    story.suppressed = {HIGH.id: "plant-stopped"}
    assert story.waits(1) == ["suppressed high"]
    assert story.acknowledges(2) == ["acknowledged high"]
    story.suppressed = {}
    assert story.waits(3) == ["unsuppressed high"]
    assert entry(story) == (Event.UNSUPPRESSED, State.DSUPR, State.UNACK, Notify.PAGE, "plant-stopped")


def test_acknowledgement_of_what_was_there_before_it_was_put_aside_is_stale() -> None:
    story = tell(HIGH, [(0, 11.0, "raised high"), (1, shelve_until(60), "shelved high"), (60, SWEEP, "unshelved high")])
    with pytest.raises(Refused, match="occurrence 1, version 3"):
        story.acts(61, Acknowledge(1, 1))
    assert story.acknowledges(62) == ["acknowledged high"]


# --- latching ----------------------------------------------------------------------------------------------------


def test_latched_alarm_shows_that_it_is_and_how_bad_it_was() -> None:
    story = tell(LATCHING, [(0, 25.0, "raised high-high"), (1, 5.0, "returned high-high")])
    assert (story.alarm.condition, story.alarm.state) == (Condition.LATCHED, State.UNACK)
    assert story.acknowledges(2) == ["acknowledged high-high"]
    assert story.alarm.state is State.ACKED
    assert story.acts(3, Reset()) == ["reset high-high"]
    assert (story.alarm.condition, story.alarm.state) == (Condition.INACTIVE, State.NORM)


def test_latched_alarm_that_is_raised_again_is_latched_no_longer() -> None:
    story = tell(LATCHING, [(0, 15.0, "raised high"), (1, 5.0, "returned high"), (100, 15.0, "raised high")])
    assert (story.alarm.latched, story.alarm.condition) == (False, Condition.ACTIVE)
    story.limits = [LEVELS]
    assert story.hears(reading(101, 5.0)) == ["returned high"]
    assert story.alarm.state is State.RTNUN


def test_limit_that_latches_no_longer_still_lets_its_latched_alarm_be_reset() -> None:
    story = tell(LATCHING, [(0, 15.0, "raised high"), (1, 5.0, "returned high")])
    story.limits = [LEVELS]
    assert story.waits(2) == []
    assert (story.acknowledges(3), story.acts(4, Reset())) == (["acknowledged high"], ["reset high"])


# --- re-alarm ----------------------------------------------------------------------------------------------------


def test_reminder_is_a_page_that_the_old_acknowledgement_does_not_answer() -> None:
    story = tell(
        AGAIN,
        [(0, 11.0, "raised high"), (1, ACKNOWLEDGE, "acknowledged high"), (601, SWEEP, "realarmed high")],
        silent_after=LONG,
    )
    assert entry(story) == (Event.REALARMED, State.ACKED, State.UNACK, Notify.PAGE, "re-alarm")
    assert story.alarm.paged == 3
    with pytest.raises(Refused):
        story.acts(602, Acknowledge(1, 1))


# --- chattering --------------------------------------------------------------------------------------------------


def chatter(*seconds: float, limit: Limit = HIGH, value: float = 11.0) -> Story:
    """Return what comes of activations at ``seconds``, each half a second long but the last."""
    story = Story([limit], LONG)
    for second in seconds[:-1]:
        story.hears(reading(second, value), reading(second + 0.5, 5.0))
    story.hears(reading(seconds[-1], value))
    return story


def test_third_activation_within_exactly_a_minute_is_collapsed() -> None:
    story = chatter(0, 30, 60)
    assert [each.event for each in story.transitions].count(Event.RAISED) == 3
    assert [each.chattering for each in story.transitions if each.event is Event.RAISED] == [False, False, True]
    assert (story.pages, story.alarm.collapsed, story.alarm.state) == (["raised high"] * 2, 1, State.UNACK)


def test_third_activation_after_a_minute_is_paged() -> None:
    story = chatter(0, 30, 60.001)
    assert (story.pages, story.alarm.collapsed) == (["raised high"] * 3, 0)


def test_pages_collapse_and_the_journal_does_not() -> None:
    story = chatter(*range(0, 300, 3))
    events = [each.event for each in story.transitions]
    assert (events.count(Event.RAISED), events.count(Event.RETURNED)) == (100, 99)
    assert story.pages == ["raised high"] * 2
    assert [each.version for each in story.transitions] == list(range(1, 200))
    assert story.alarm.collapsed == 98


def test_chattering_that_settles_active_is_announced() -> None:
    story = chatter(0, 10, 20)
    assert story.waits(80) == []
    assert story.waits(80.001) == ["realarmed high"]
    assert entry(story) == (Event.REALARMED, State.UNACK, State.UNACK, Notify.PAGE, "chattering")
    assert (story.alarm.collapsed, story.waits(200)) == (0, [])


def test_who_has_seen_the_page_acknowledges_a_chattering_alarm() -> None:
    alarm = chatter(*range(0, 30, 3)).alarm
    change = alarms.acknowledge(alarm, occurrence=2, version=alarm.paged, by="li", at=40_000)
    assert change is not None
    assert (change.alarm.state, change.alarm.collapsed, change.alarm.paged) == (State.ACKED, 0, 0)


def test_what_came_before_the_page_or_never_says_nothing_of_a_chattering_alarm() -> None:
    alarm = chatter(*range(0, 30, 3)).alarm
    for version in (alarm.paged - 1, alarm.version + 1):
        with pytest.raises(alarms.StaleAcknowledgement):
            alarms.acknowledge(alarm, occurrence=2, version=version, by="li", at=40_000)


def test_a_chattering_alarm_that_became_worse_than_told_wants_to_be_seen() -> None:
    alarm = chatter(*range(0, 30, 3)).alarm
    worse = msgspec.structs.replace(alarm, level=2, peak=2)
    with pytest.raises(alarms.StaleAcknowledgement):
        alarms.acknowledge(worse, occurrence=2, version=alarm.paged, by="li", at=40_000)


def test_chattering_that_settles_normal_is_not() -> None:
    story = chatter(0, 10, 20)
    story.hears(reading(21, 5.0))
    assert [story.waits(second) for second in range(22, 1000)] == [[]] * 978
    assert story.alarm.state is State.RTNUN


def test_chattering_that_settles_latched_is_announced() -> None:
    """Somebody acknowledged it in between, and it still waits for its reset."""
    story = chatter(0, 10, limit=LATCHING)
    story.acknowledges(11)
    story.hears(reading(12, 5.0), reading(20, 11.0))
    story.hears(reading(21, 5.0))
    assert (story.alarm.collapsed, story.alarm.paged) == (1, 0)
    assert [story.waits(80), story.waits(80.001)] == [[], ["realarmed high"]]


def test_chattering_that_goes_on_is_announced_every_ten_minutes() -> None:
    story = Story([HIGH], LONG)
    for second in range(0, 1900, 10):
        story.hears(reading(second, 11.0), reading(second + 5, 5.0))
        story.waits(second + 6)
    paged = [each.t - T0 for each in story.transitions if each.notify is Notify.PAGE and not each.chattering]
    assert paged == [0, *(10_000 + n * CHATTER_REMIND for n in range(4))]


def test_chattering_that_was_acknowledged_is_announced_if_it_stays() -> None:
    story = chatter(0, 10, 20)
    story.acknowledges(25)
    assert (story.waits(200), story.alarm.state) == ([], State.ACKED)
    story.hears(reading(201, 5.0), reading(202, 11.0))
    assert story.pages[-1] == "raised high"


def test_chattering_after_an_acknowledgement_in_between_is_collapsed_and_announced_at_last() -> None:
    story = chatter(0, 10)
    story.acknowledges(11)
    story.hears(reading(12, 5.0), reading(20, 11.0))
    assert (story.alarm.state, story.alarm.paged, story.alarm.collapsed) == (State.UNACK, 0, 1)
    assert story.waits(80.001) == ["realarmed high"]


def test_what_is_worse_than_people_were_told_is_never_collapsed() -> None:
    """It chatters at high, and then it is high-high at once: that is no chatter, that is a leak."""
    story = chatter(0, 10, 20, limit=LEVELS)
    story.hears(reading(21, 5.0), reading(30, 25.0))
    assert story.pages == ["raised high", "raised high", "raised high-high"]
    story.hears(reading(31, 5.0), reading(40, 11.0), reading(41, 5.0), reading(50, 25.0))
    assert story.pages == ["raised high", "raised high", "raised high-high"]
    assert story.alarm.collapsed == 2


def test_escalation_within_chattering_is_paged() -> None:
    story = chatter(0, 10, 20, limit=LEVELS)
    story.hears(reading(21, 25.0))
    assert (story.pages[-1], story.alarm.collapsed) == ("escalated high-high", 0)


def test_chattering_across_severities_pages_twice_and_then_once_it_settles() -> None:
    story = Story([LEVELS], LONG)
    for second in range(0, 100, 10):
        story.hears(reading(second, 15.0), reading(second + 5, 25.0))
        story.waits(second + 6)
    assert story.pages == ["raised high", "escalated high-high", "escalated high-high"]
    assert [each.event for each in story.transitions].count(Event.ESCALATED) == 10
    assert [story.waits(155), story.waits(155.001)] == [[], ["realarmed high-high"]]


def test_the_end_is_told_to_whoever_was_told_of_the_beginning() -> None:
    story = Story([HIGH], LONG)
    for second in range(0, 611, 10):
        story.hears(reading(second, 11.0), reading(second + 5, 5.0))
    # Activations are told at 0, 10 and, the reminder, 610.
    told_of = [each.t - T0 for each in story.transitions if each.event is Event.RETURNED and not each.chattering]
    assert told_of == [5_000, 15_000, 615_000]


def test_chattering_of_a_shelved_alarm_is_not_counted_as_collapsed() -> None:
    story = chatter(0, 10)
    story.acts(11, shelve_until(40))
    story.hears(reading(12, 5.0), reading(20, 11.0), reading(21, 5.0), reading(30, 11.0))
    assert (story.alarm.collapsed, story.alarm.paged) == (0, 0)
    assert story.waits(40) == ["unshelved high"]
    assert (story.alarm.paged, story.pages[-1]) == (story.alarm.version, "unshelved high")


def test_chattering_survives_a_restart() -> None:
    story = Story([HIGH], LONG)
    for second in (0, 10, 20):
        story.hears(reading(second, 11.0), reading(second + 1, 5.0))
        story.restarts()
    assert story.pages == ["raised high"] * 2


# --- severity ----------------------------------------------------------------------------------------------------


def test_alarm_that_has_returned_unacknowledged_speaks_of_the_worst_it_was() -> None:
    story = tell(
        LEVELS,
        [
            (0, 15.0, "raised high"),
            (1, 25.0, "escalated high-high"),
            (2, 15.0, "eased high"),
            (3, 5.0, "returned high"),
        ],
    )
    assert (story.alarm.state, story.alarm.matters) == (State.RTNUN, 2)
    assert story.acknowledges(4) == ["acknowledged high-high"]
    assert story.alarm.matters == 0


# --- silence -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", [SWEEP, BAD])
def test_neither_silence_nor_bad_data_ends_or_resets_anything(what: str) -> None:
    story = tell(
        [two_levels(off_delay=300_000, latching=True), quality_limit()], [(0, 25.0, "raised high-high"), (9, 5.0)]
    )
    for second in range(10, 3610, 10):
        story.step(second, what)
    assert [each.event for each in story.transitions] == [Event.RAISED, Event.RAISED]
    assert msgspec.structs.replace(story.alarm, timers=()).state is State.UNACK
