"""The alarm state machine as a table, and what people do to it."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.alarms import (
    Acknowledgement,
    Alarm,
    Availability,
    Condition,
    Event,
    Notify,
    StaleAcknowledgement,
    State,
    Timer,
    acknowledge,
    alarm_id,
    notify_for,
    reach,
    split_alarm_id,
)
from tests.making import many


def moved(alarm: Alarm, level: int) -> Alarm:
    """Return the alarm at another level."""
    return reach(alarm, level, t=1000, at=2000, value=12.0)[0]


def acked(alarm: Alarm) -> Alarm:
    """Return the alarm acknowledged as it stands."""
    after = acknowledge(alarm, occurrence=alarm.occurrence, version=alarm.version, by="li")
    assert after is not None
    return after


NEW = Alarm()
HIGH = moved(NEW, 1)
HIGH_HIGH = moved(NEW, 2)

#: Every state an alarm can be in (with its level), and a way there.
STATES = {
    "NORM": NEW,
    "NORM again": acked(moved(HIGH, 0)),
    "UNACK high": HIGH,
    "UNACK high-high": HIGH_HIGH,
    "ACKED high": acked(HIGH),
    "ACKED high-high": acked(HIGH_HIGH),
    "RTNUN": moved(HIGH, 0),
}

PAGE, NOTICE, QUIET = Notify.PAGE, Notify.NOTICE, Notify.NONE

# (state, level reached): (state after, event, what people hear)
LEVELS = {
    ("NORM", 1): (State.UNACK, Event.RAISED, PAGE),
    ("NORM", 2): (State.UNACK, Event.RAISED, PAGE),
    ("NORM again", 1): (State.UNACK, Event.RAISED, PAGE),
    ("NORM again", 2): (State.UNACK, Event.RAISED, PAGE),
    ("UNACK high", 0): (State.RTNUN, Event.RETURNED, NOTICE),
    ("UNACK high", 2): (State.UNACK, Event.ESCALATED, PAGE),
    ("UNACK high-high", 0): (State.RTNUN, Event.RETURNED, NOTICE),
    ("UNACK high-high", 1): (State.UNACK, Event.EASED, QUIET),
    ("ACKED high", 0): (State.NORM, Event.RETURNED, NOTICE),
    ("ACKED high", 2): (State.UNACK, Event.ESCALATED, PAGE),
    ("ACKED high-high", 0): (State.NORM, Event.RETURNED, NOTICE),
    ("ACKED high-high", 1): (State.ACKED, Event.EASED, QUIET),
    ("RTNUN", 1): (State.UNACK, Event.RAISED, PAGE),
    ("RTNUN", 2): (State.UNACK, Event.RAISED, PAGE),
}

# state: state after an acknowledgement of what is there; None: there is nothing to acknowledge
ACKNOWLEDGEMENTS = {
    "NORM": None,
    "NORM again": None,
    "UNACK high": State.ACKED,
    "UNACK high-high": State.ACKED,
    "ACKED high": None,
    "ACKED high-high": None,
    "RTNUN": State.NORM,
}


def test_the_tables_are_complete() -> None:
    moves = {(name, level) for name, alarm in STATES.items() for level in (0, 1, 2) if level != alarm.level}
    assert set(LEVELS) == moves
    assert set(ACKNOWLEDGEMENTS) == set(STATES)


@pytest.mark.parametrize("name", STATES)
def test_states_are_what_they_are_called(name: str) -> None:
    assert STATES[name].state.value == name.split(maxsplit=1)[0]


@pytest.mark.parametrize(("name", "level"), LEVELS)
def test_level_change(name: str, level: int) -> None:
    before = STATES[name]
    after, event = reach(before, level, t=1000, at=2000, value=12.0)
    assert (after.state, event, notify_for(event, after.availability)) == LEVELS[name, level]
    assert (after.level, after.value) == (level, 12.0)
    assert after.version == before.version + 1
    assert after.occurrence == before.occurrence + (event is Event.RAISED)


@pytest.mark.parametrize("name", STATES)
def test_the_same_level_is_no_change(name: str) -> None:
    with pytest.raises(ValueError, match="already"):
        reach(STATES[name], STATES[name].level, t=1, at=2, value=None)


@pytest.mark.parametrize("name", ACKNOWLEDGEMENTS)
def test_acknowledgement(name: str) -> None:
    before, expected = STATES[name], ACKNOWLEDGEMENTS[name]
    if expected is None:
        # The version of the last acknowledgement is one behind: the acknowledgement itself counts.
        with pytest.raises(StaleAcknowledgement):
            acknowledge(before, occurrence=before.occurrence, version=before.version + 1, by="wang")
        return
    after = acknowledge(before, occurrence=before.occurrence, version=before.version, by="wang")
    assert after is not None
    assert (after.state, after.acknowledged_by) == (expected, "wang")
    assert (after.version, after.occurrence, after.level) == (before.version + 1, before.occurrence, before.level)


@pytest.mark.parametrize("name", [name for name, state in ACKNOWLEDGEMENTS.items() if state])
def test_repeated_acknowledgement_is_a_no_op(name: str) -> None:
    seen = STATES[name]
    after = acked(seen)
    assert acknowledge(after, occurrence=seen.occurrence, version=seen.version, by="zhao") is None


def test_acknowledgement_is_still_a_repetition_after_the_alarm_has_eased_or_returned() -> None:
    after = acked(HIGH_HIGH)
    for later in (moved(after, 1), moved(after, 0)):
        assert acknowledge(later, occurrence=1, version=HIGH_HIGH.version, by="li") is None


# What the person saw, what is there by then.
STALE = {
    "the severity has risen since": (HIGH, moved(HIGH, 2)),
    "it has returned since": (HIGH, moved(HIGH, 0)),
    "it has eased since": (HIGH_HIGH, moved(HIGH_HIGH, 1)),
    "it was acknowledged, and then rose": (HIGH, moved(acked(HIGH), 2)),
    "it was acknowledged, returned and came again": (HIGH, moved(moved(acked(HIGH), 0), 1)),
    "it came again while unacknowledged": (moved(HIGH, 0), moved(moved(HIGH, 0), 1)),
    "somebody else acknowledged what came before, and it returned": (moved(HIGH, 0), moved(acked(HIGH), 0)),
}


@pytest.mark.parametrize("case", STALE)
def test_stale_acknowledgement_is_refused_and_shows_what_is_there(case: str) -> None:
    seen, there = STALE[case]
    with pytest.raises(StaleAcknowledgement) as refused:
        acknowledge(there, occurrence=seen.occurrence, version=seen.version, by="li")
    assert refused.value.current == there
    assert f"occurrence {there.occurrence}, version {there.version}" in str(refused.value)


def test_a_version_nobody_has_seen_is_refused() -> None:
    with pytest.raises(StaleAcknowledgement):
        acknowledge(HIGH, occurrence=1, version=99, by="li")


@pytest.mark.parametrize("there", [HIGH, acked(HIGH)])
def test_another_occurrence_is_refused_although_the_version_is_right(there: Alarm) -> None:
    with pytest.raises(StaleAcknowledgement):
        acknowledge(there, occurrence=7, version=HIGH.version, by="li")


def test_occurrence_keeps_its_times_through_escalation_and_return() -> None:
    raised, _ = reach(NEW, 1, t=10, at=11, value=1.0)
    escalated, _ = reach(raised, 2, t=20, at=21, value=2.0)
    returned, _ = reach(escalated, 0, t=30, at=31, value=3.0)
    assert {(each.raised_t, each.raised_at) for each in (raised, escalated, returned)} == {(10, 11)}
    again, _ = reach(returned, 1, t=40, at=41, value=4.0)
    assert (again.raised_t, again.raised_at, again.occurrence, again.version) == (40, 41, 2, 4)


@pytest.mark.parametrize(
    ("availability", "state"),
    [
        (Availability.SHELVED, State.SHLVD),
        (Availability.SUPPRESSED, State.DSUPR),
        (Availability.OUT_OF_SERVICE, State.OOSRV),
    ],
)
@pytest.mark.parametrize("name", STATES)
def test_alarm_that_is_not_in_service_shows_it_and_reaches_nobody(
    name: str, availability: Availability, state: State
) -> None:
    assert msgspec.structs.replace(STATES[name], availability=availability).state is state
    assert {notify_for(event, availability) for event in Event} == {Notify.NONE}


BEGUN = Timer(1, 2)


@pytest.mark.parametrize(
    ("level", "timers", "condition"),
    [
        (0, (), Condition.INACTIVE),
        (0, (BEGUN, None), Condition.PENDING_ON),
        (1, (), Condition.ACTIVE),
        (1, (None, BEGUN), Condition.ACTIVE),
        (1, (BEGUN, None), Condition.PENDING_OFF),
        (2, (None, BEGUN), Condition.ACTIVE),
        (2, (BEGUN, BEGUN), Condition.PENDING_OFF),
    ],
)
def test_condition(level: int, timers: tuple[Timer | None, ...], condition: Condition) -> None:
    assert Alarm(level=level, timers=timers).condition is condition


def test_idle_is_normal_without_a_timer() -> None:
    assert NEW.idle
    assert STATES["NORM again"].idle
    assert not any(STATES[name].idle for name in STATES if not name.startswith("NORM"))
    assert not Alarm(timers=(BEGUN,)).idle


SEGMENT = st.from_regex(r"[a-z0-9][a-z0-9-]{0,10}", fullmatch=True)


@given(st.lists(SEGMENT, min_size=5, max_size=5))
@many
def test_alarm_ids_split_into_what_they_were_joined_from(words: list[str]) -> None:
    *place, limit = words
    assert split_alarm_id(alarm_id("/".join(place), limit)) == ("/".join(place), limit)


@pytest.mark.parametrize("text", ["", "a.b.c.d", "a.b.c.d.e.f", "a.b..d.e", "a/b/c/d.e", ".b.c.d.e"])
def test_what_is_no_alarm_id_is_refused_with_its_form(text: str) -> None:
    with pytest.raises(ValueError, match=r"zone\.site\.sensor\.quantity\.limit"):
        split_alarm_id(text)


@given(st.lists(st.sampled_from([0, 1, 2, "acknowledge"]), max_size=30))
@many
def test_axes_stay_consistent_whatever_happens(events: list[int | str]) -> None:
    alarm = NEW
    for event in events:
        before = alarm
        waiting = alarm.acknowledgement is Acknowledgement.UNACKNOWLEDGED
        if isinstance(event, int) and event != alarm.level:
            alarm, _ = reach(alarm, event, t=1, at=2, value=0.0)
        elif event == "acknowledge" and waiting:
            alarm = acked(alarm)
        assert alarm.version == before.version + (alarm is not before)
        assert alarm.occurrence - before.occurrence == (before.level == 0 and alarm.level > 0)
        # Whoever gets worse wants to be looked at again; nobody is acknowledged who isn't active.
        if alarm.level > before.level:
            assert alarm.state is State.UNACK
        if not alarm.level:
            assert alarm.acknowledgement is not Acknowledgement.ACKNOWLEDGED
