"""The alarm state machine as a table of every (state, event) pair, and what people do to it."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park import alarms
from park.actions import Remove, Reset, Restore, Unshelve
from park.alarms import (
    Acknowledgement,
    Alarm,
    Availability,
    Condition,
    Event,
    Notify,
    Refused,
    Removal,
    Shelving,
    StaleAcknowledgement,
    State,
    Timer,
    alarm_id,
    notify_for,
    split_alarm_id,
)
from tests.making import MINUTE, Story, many, reading, shelve_until, two_levels

LIMIT = two_levels()
RULE = "plant-stopped"


class Case(Story):
    """One alarm, to which something happens every 100 s: too seldom to chatter."""

    second: float = 0.0

    def at(self, value: float) -> None:
        self.hears(reading(self.later(), value))

    def later(self) -> float:
        self.second += 100
        return self.second

    def sweeps(self) -> None:
        self.waits(self.later())

    def shelves(self) -> None:
        now = self.later()
        self.acts(now, shelve_until(now + 3600))

    def expires(self) -> None:
        self.second += 3600
        self.sweeps()

    def suppresses(self) -> None:
        self.suppressed = {LIMIT.id: RULE}
        self.sweeps()

    def unsuppresses(self) -> None:
        self.suppressed = {}
        self.sweeps()

    def asks_again(self) -> None:
        self.limits = [msgspec.structs.replace(self.limits[0], re_alarm=MINUTE)]
        self.sweeps()

    def withdraws(self) -> None:
        watched = self.limits
        self.limits = ()
        self.sweeps()
        self.limits = watched


EVENTS: dict[str, Callable[[Case], object]] = {
    "reach 0": lambda case: case.at(5.0),
    "reach 1": lambda case: case.at(15.0),
    "reach 2": lambda case: case.at(25.0),
    "acknowledge": lambda case: case.acknowledges(case.later()),
    "reset": lambda case: case.acts(case.later(), Reset()),
    "re-alarm": Case.asks_again,
    "withdraw": Case.withdraws,
    "shelve": Case.shelves,
    "unshelve": lambda case: case.acts(case.later(), Unshelve()),
    "expire": Case.expires,
    "suppress": Case.suppresses,
    "unsuppress": Case.unsuppresses,
    "remove": lambda case: case.acts(case.later(), Remove()),
    "restore": lambda case: case.acts(case.later(), Restore()),
}

#: What an event is called in the journal; reaching a level has several names.
JOURNALLED = {
    "acknowledge": Event.ACKNOWLEDGED,
    "reset": Event.RESET,
    "re-alarm": Event.REALARMED,
    "withdraw": Event.WITHDRAWN,
    "shelve": Event.SHELVED,
    "unshelve": Event.UNSHELVED,
    "expire": Event.UNSHELVED,
    "suppress": Event.SUPPRESSED,
    "unsuppress": Event.UNSUPPRESSED,
    "remove": Event.REMOVED,
    "restore": Event.RESTORED,
}

PROCESS = {
    "normal": [],
    "normal again": ["reach 1", "reach 0", "acknowledge"],
    "unack high": ["reach 1"],
    "unack high-high": ["reach 2"],
    "acked high": ["reach 1", "acknowledge"],
    "acked high-high": ["reach 2", "acknowledge"],
    "returned": ["reach 1", "reach 0"],
    "latching": ["reach 1"],
    "latched unack": ["reach 1", "reach 0"],
    "latched acked": ["reach 1", "acknowledge", "reach 0"],
}
ASIDE = {"SHLVD": ["shelve"], "DSUPR": ["suppress"], "OOSRV": ["remove"]}

#: Every state an alarm can be in, and a way there.
STATES = (
    PROCESS
    | {
        f"{name} {process}": PROCESS[process] + way
        for name, way in ASIDE.items()
        for process in ("normal", "unack high", "acked high", "returned", "latched unack", "latched acked")
    }
    | {
        "SHLVD+DSUPR unack high": ["reach 1", "shelve", "suppress"],
        "SHLVD+OOSRV unack high": ["reach 1", "shelve", "remove"],
        "DSUPR+OOSRV unack high": ["reach 1", "suppress", "remove"],
        "SHLVD+DSUPR+OOSRV unack high": ["reach 1", "shelve", "suppress", "remove"],
        "SHLVD+DSUPR+OOSRV normal": ["remove", "suppress", "shelve"],
    }
)

# A cell is the state after and, for a level that is reached, the event; "!" is a page, "~" a notice, neither is for the
# journal only. "-": nothing happens. "refused": it can't be asked for.
TABLES = (
    """
state                         reach 0          reach 1        reach 2           acknowledge  reset    re-alarm  withdraw
normal                        -                UNACK raised!  UNACK raised!     -            refused  -         -
normal again                  -                UNACK raised!  UNACK raised!     -            refused  -         -
unack high                    RTNUN returned~  -              UNACK escalated!  ACKED        refused  -         NORM~
unack high-high               RTNUN returned~  UNACK eased    -                 ACKED        refused  -         NORM~
acked high                    NORM returned~   -              UNACK escalated!  -            refused  UNACK!    NORM~
acked high-high               NORM returned~   ACKED eased    -                 -            refused  UNACK!    NORM~
returned                      -                UNACK raised!  UNACK raised!     NORM         refused  -         NORM~
latching                      UNACK returned~  -              UNACK escalated!  ACKED        refused  -         NORM~
latched unack                 -                UNACK raised!  UNACK raised!     ACKED        refused  -         NORM~
latched acked                 -                UNACK raised!  UNACK raised!     -            NORM     -         NORM~
SHLVD normal                  -                SHLVD raised   UNACK raised!     -            refused  -         NORM
SHLVD unack high              SHLVD returned   -              UNACK escalated!  SHLVD        refused  -         NORM
SHLVD acked high              SHLVD returned   -              UNACK escalated!  -            refused  -         NORM
SHLVD returned                -                SHLVD raised   UNACK raised!     SHLVD        refused  -         NORM
SHLVD latched unack           -                SHLVD raised   UNACK raised!     SHLVD        refused  -         NORM
SHLVD latched acked           -                SHLVD raised   UNACK raised!     -            SHLVD    -         NORM
DSUPR normal                  -                DSUPR raised   DSUPR raised      -            refused  -         NORM
DSUPR unack high              DSUPR returned   -              DSUPR escalated   DSUPR        refused  -         NORM
DSUPR acked high              DSUPR returned   -              DSUPR escalated   -            refused  -         NORM
DSUPR returned                -                DSUPR raised   DSUPR raised      DSUPR        refused  -         NORM
DSUPR latched unack           -                DSUPR raised   DSUPR raised      DSUPR        refused  -         NORM
DSUPR latched acked           -                DSUPR raised   DSUPR raised      -            DSUPR    -         NORM
OOSRV normal                  -                OOSRV raised   OOSRV raised      -            refused  -         NORM
OOSRV unack high              OOSRV returned   -              OOSRV escalated   OOSRV        refused  -         NORM
OOSRV acked high              OOSRV returned   -              OOSRV escalated   -            refused  -         NORM
OOSRV returned                -                OOSRV raised   OOSRV raised      OOSRV        refused  -         NORM
OOSRV latched unack           -                OOSRV raised   OOSRV raised      OOSRV        refused  -         NORM
OOSRV latched acked           -                OOSRV raised   OOSRV raised      -            OOSRV    -         NORM
SHLVD+DSUPR unack high        DSUPR returned   -              DSUPR escalated   DSUPR        refused  -         NORM
SHLVD+OOSRV unack high        OOSRV returned   -              OOSRV escalated   OOSRV        refused  -         NORM
DSUPR+OOSRV unack high        OOSRV returned   -              OOSRV escalated   OOSRV        refused  -         NORM
SHLVD+DSUPR+OOSRV unack high  OOSRV returned   -              OOSRV escalated   OOSRV        refused  -         NORM
SHLVD+DSUPR+OOSRV normal      -                OOSRV raised   OOSRV raised      -            refused  -         NORM
""",
    """
state                         shelve  unshelve  expire  suppress  unsuppress  remove   restore
normal                        SHLVD   refused   -       DSUPR     -           OOSRV    refused
normal again                  SHLVD   refused   -       DSUPR     -           OOSRV    refused
unack high                    SHLVD   refused   -       DSUPR     -           OOSRV    refused
unack high-high               SHLVD   refused   -       DSUPR     -           OOSRV    refused
acked high                    SHLVD   refused   -       DSUPR     -           OOSRV    refused
acked high-high               SHLVD   refused   -       DSUPR     -           OOSRV    refused
returned                      SHLVD   refused   -       DSUPR     -           OOSRV    refused
latching                      SHLVD   refused   -       DSUPR     -           OOSRV    refused
latched unack                 SHLVD   refused   -       DSUPR     -           OOSRV    refused
latched acked                 SHLVD   refused   -       DSUPR     -           OOSRV    refused
SHLVD normal                  SHLVD   NORM      NORM    DSUPR     -           OOSRV    refused
SHLVD unack high              SHLVD   UNACK!    UNACK!  DSUPR     -           OOSRV    refused
SHLVD acked high              SHLVD   UNACK!    UNACK!  DSUPR     -           OOSRV    refused
SHLVD returned                SHLVD   RTNUN     RTNUN   DSUPR     -           OOSRV    refused
SHLVD latched unack           SHLVD   UNACK!    UNACK!  DSUPR     -           OOSRV    refused
SHLVD latched acked           SHLVD   ACKED     ACKED   DSUPR     -           OOSRV    refused
DSUPR normal                  DSUPR   refused   -       -         NORM        OOSRV    refused
DSUPR unack high              DSUPR   refused   -       -         UNACK!      OOSRV    refused
DSUPR acked high              DSUPR   refused   -       -         UNACK!      OOSRV    refused
DSUPR returned                DSUPR   refused   -       -         RTNUN       OOSRV    refused
DSUPR latched unack           DSUPR   refused   -       -         UNACK!      OOSRV    refused
DSUPR latched acked           DSUPR   refused   -       -         ACKED       OOSRV    refused
OOSRV normal                  OOSRV   refused   -       OOSRV     -           refused  NORM
OOSRV unack high              OOSRV   refused   -       OOSRV     -           refused  UNACK!
OOSRV acked high              OOSRV   refused   -       OOSRV     -           refused  UNACK!
OOSRV returned                OOSRV   refused   -       OOSRV     -           refused  RTNUN
OOSRV latched unack           OOSRV   refused   -       OOSRV     -           refused  UNACK!
OOSRV latched acked           OOSRV   refused   -       OOSRV     -           refused  ACKED
SHLVD+DSUPR unack high        DSUPR   DSUPR     DSUPR   -         SHLVD       OOSRV    refused
SHLVD+OOSRV unack high        OOSRV   OOSRV     OOSRV   OOSRV     -           refused  SHLVD
DSUPR+OOSRV unack high        OOSRV   refused   -       -         OOSRV       refused  DSUPR
SHLVD+DSUPR+OOSRV unack high  OOSRV   OOSRV     OOSRV   -         OOSRV       refused  DSUPR
SHLVD+DSUPR+OOSRV normal      OOSRV   OOSRV     OOSRV   -         OOSRV       refused  DSUPR
""",
)


def cells(table: str) -> dict[tuple[str, str], str]:
    """Read a table: (state, event) -> cell."""
    head, *lines = (re.split(r"\s{2,}", line) for line in table.strip().splitlines())
    return {(line[0], event): cell for line in lines for event, cell in zip(head[1:], line[1:], strict=True)}


TABLE = {key: cell for table in TABLES for key, cell in cells(table).items()}


def in_state(name: str) -> Case:
    """Return an alarm in a state of the table."""
    case = Case([msgspec.structs.replace(LIMIT, latching="latch" in name)], silent_after=10_000 * MINUTE)
    for event in STATES[name]:
        EVENTS[event](case)
    return case


def test_the_table_has_every_pair_of_state_and_event() -> None:
    assert set(TABLE) == {(state, event) for state in STATES for event in EVENTS}
    assert sum(len(cells(table)) for table in TABLES) == len(TABLE)


@pytest.mark.parametrize("name", STATES)
def test_states_are_what_they_are_called(name: str) -> None:
    alarm = in_state(name).alarm
    strongest = [state for state in ("OOSRV", "DSUPR", "SHLVD") if state in name]
    plain = {"normal": "NORM", "unack": "UNACK", "acked": "ACKED", "returned": "RTNUN", "latching": "UNACK"}
    words = [plain[word] for word in name.split() if word in plain]
    assert alarm.state.value == (strongest or words)[0]
    assert {bool(alarm.shelved), bool(alarm.suppressed), bool(alarm.out_of_service)} >= {bool(strongest)}
    assert alarm.latched == ("latched" in name)


@pytest.mark.parametrize(("name", "event"), TABLE)
def test_state_and_event(name: str, event: str) -> None:
    case = in_state(name)
    before, known = case.alarm, len(case.transitions)
    expected = TABLE[name, event]
    if expected == "refused":
        with pytest.raises(Refused):
            EVENTS[event](case)
    else:
        EVENTS[event](case)
    found = case.transitions[known:]
    if expected in {"-", "refused"}:
        assert (found, case.alarm.state) == ([], before.state)
        return
    (entry,) = found
    marks = {Notify.PAGE: "!", Notify.NOTICE: "~", Notify.NONE: ""}
    what = "" if event in JOURNALLED else f" {entry.event.value}"
    assert f"{case.alarm.state.value}{what}{marks[entry.notify]}" == expected
    assert entry.event is JOURNALLED.get(event, entry.event)
    assert (entry.before, entry.after) == (before.state, case.alarm.state)
    assert entry.version == case.alarm.version == before.version + 1
    assert case.alarm.occurrence == before.occurrence + (entry.event is Event.RAISED)


@pytest.mark.parametrize(("name", "event"), [key for key, cell in TABLE.items() if cell.endswith("!")])
def test_page_is_remembered_until_it_is_acknowledged_or_nobody_may_hear_of_it(name: str, event: str) -> None:
    case = in_state(name)
    EVENTS[event](case)
    assert (case.alarm.paged, case.alarm.unacknowledged) == (case.alarm.version, True)
    for end in ("acknowledge", "shelve", "suppress", "remove"):
        after = copy.copy(case)
        EVENTS[end](after)
        assert (after.alarm.paged, after.alarm.collapsed) == (0, 0)


@pytest.mark.parametrize("name", STATES)
def test_repeated_acknowledgement_is_a_no_op(name: str) -> None:
    case = in_state(name)
    seen = case.alarm
    case.acknowledges(case.later())
    asked = (seen.occurrence, seen.version)
    assert acknowledge(case.alarm, *asked) is None
    assert acknowledge(case.alarm, case.alarm.occurrence, case.alarm.version) is None


# --- acknowledgement ---------------------------------------------------------------------------------------------


def acknowledge(alarm: Alarm, occurrence: int, version: int) -> Alarm | None:
    """Acknowledge what somebody saw."""
    change = alarms.acknowledge(alarm, occurrence=occurrence, version=version, by="li", at=3000)
    return change.alarm if change else None


def moved(alarm: Alarm, level: int) -> Alarm:
    """Return the alarm at another level."""
    return alarms.reach(alarm, level, t=1000, at=2000, value=12.0).alarm


def acked(alarm: Alarm) -> Alarm:
    """Return the alarm acknowledged as it stands."""
    after = acknowledge(alarm, alarm.occurrence, alarm.version)
    assert after is not None
    return after


NEW = Alarm()
HIGH = moved(NEW, 1)
HIGH_HIGH = moved(NEW, 2)


@pytest.mark.parametrize("level", [0, 1, 2])
def test_the_same_level_is_no_change(level: int) -> None:
    alarm = moved(NEW, level) if level else NEW
    with pytest.raises(ValueError, match="already"):
        alarms.reach(alarm, level, t=1, at=2, value=None)


def test_acknowledgement_says_who_when_and_of_what() -> None:
    after = acked(HIGH)
    assert (after.acknowledged_by, after.acknowledged_at, after.acknowledged_version) == ("li", 3000, HIGH.version)
    assert (after.version, after.occurrence, after.level) == (HIGH.version + 1, HIGH.occurrence, HIGH.level)


def test_acknowledgement_is_still_a_repetition_after_the_alarm_has_eased_or_returned() -> None:
    after = acked(HIGH_HIGH)
    for later in (moved(after, 1), moved(after, 0)):
        assert acknowledge(later, 1, HIGH_HIGH.version) is None


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
        acknowledge(there, seen.occurrence, seen.version)
    assert refused.value.current == there
    assert f"occurrence {there.occurrence}, version {there.version}" in str(refused.value)


def test_a_version_nobody_has_seen_is_refused() -> None:
    with pytest.raises(StaleAcknowledgement):
        acknowledge(HIGH, 1, 99)


@pytest.mark.parametrize("there", [HIGH, acked(HIGH)])
def test_another_occurrence_is_refused_although_the_version_is_right(there: Alarm) -> None:
    with pytest.raises(StaleAcknowledgement):
        acknowledge(there, 7, HIGH.version)


def test_occurrence_keeps_its_times_through_escalation_and_return() -> None:
    raised = alarms.reach(NEW, 1, t=10, at=11, value=1.0).alarm
    escalated = alarms.reach(raised, 2, t=20, at=21, value=2.0).alarm
    returned = alarms.reach(escalated, 0, t=30, at=31, value=3.0).alarm
    assert {(each.raised_t, each.raised_at) for each in (raised, escalated, returned)} == {(10, 11)}
    again = alarms.reach(returned, 1, t=40, at=41, value=4.0).alarm
    assert (again.raised_t, again.raised_at, again.occurrence, again.version) == (40, 41, 2, 4)


# --- axes --------------------------------------------------------------------------------------------------------

SHELVED = {"shelved": Shelving("li", "noise", 9000, 1)}
SUPPRESSED = {"suppressed": RULE}
REMOVED = {"out_of_service": Removal("li", "calibration", 1)}


@pytest.mark.parametrize(
    ("kept", "availability", "state"),
    [
        (SHELVED, Availability.SHELVED, State.SHLVD),
        (SUPPRESSED, Availability.SUPPRESSED, State.DSUPR),
        (REMOVED, Availability.OUT_OF_SERVICE, State.OOSRV),
        (SHELVED | SUPPRESSED, Availability.SUPPRESSED, State.DSUPR),
        (SHELVED | REMOVED, Availability.OUT_OF_SERVICE, State.OOSRV),
        (SUPPRESSED | REMOVED, Availability.OUT_OF_SERVICE, State.OOSRV),
        (SHELVED | SUPPRESSED | REMOVED, Availability.OUT_OF_SERVICE, State.OOSRV),
    ],
)
@pytest.mark.parametrize("name", PROCESS)
def test_alarm_that_is_not_in_service_shows_the_strongest_reason_and_reaches_nobody(
    name: str, kept: dict[str, object], availability: Availability, state: State
) -> None:
    alarm = msgspec.structs.replace(in_state(name).alarm, **kept)
    assert (alarm.availability, alarm.state) == (availability, state)
    assert {notify_for(event, alarm) for event in Event} == {Notify.NONE}


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


@pytest.mark.parametrize("timers", [(), (BEGUN,)])
def test_latched_alarm_is_latched_whatever_is_on_its_way(timers: tuple[Timer | None, ...]) -> None:
    assert Alarm(latched=True, timers=timers).condition is Condition.LATCHED


def test_idle_is_normal_without_a_timer() -> None:
    assert {name for name in STATES if in_state(name).alarm.idle} == {"normal", "normal again"}
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
            alarm = moved(alarm, event)
        elif event == "acknowledge" and waiting:
            alarm = acked(alarm)
        assert alarm.version == before.version + (alarm is not before)
        assert alarm.occurrence - before.occurrence == (before.level == 0 and alarm.level > 0)
        # Whoever gets worse wants to be looked at again; nobody is acknowledged who isn't active.
        if alarm.level > before.level:
            assert alarm.state is State.UNACK
        if not alarm.level:
            assert alarm.acknowledgement is not Acknowledgement.ACKNOWLEDGED
