"""What alarms mean to each other, without a worker: groups, causes, places."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from park.alarms import Alarm, Event, Notify, Removal, State, Transition, alarm_id
from park.evaluate import Record
from park.limits import Side
from park.readings import split_series
from park.relations import (
    Known,
    Suppression,
    Which,
    WhileAlarm,
    WhileState,
    first_ups,
    group_of,
    holds,
    in_circle,
    standing_groups,
)
from park.words import Names, Priority, Quality
from tests.making import SERIES, T0, limit

LEAK = limit("h2s-high", group="leak")
HOT = limit("hot", group="leak")
FIRE = limit("smoke", group="fire", latching=True)
LONE = limit("lone")
GROUPED = {each.id: each for each in (LEAK, HOT, FIRE)}
UNIT = ("north", "unit-1")
LEAKS = (*UNIT, "leak")
OTHER = "north/unit-1/gd-02/h2s"
ELSEWHERE = "north/unit-2/gd-01/h2s"
ACTIVE = Alarm(level=1, occurrence=1, raised_t=T0)
REMOVED = msgspec.structs.replace(ACTIVE, out_of_service=Removal("li", "test gas", T0))
ONE = alarm_id(SERIES, "h2s-high")


# --- which alarms --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("which", "covered"),
    [
        (Which(), True),
        (Which(limits=("h2s-high",)), True),
        (Which(limits=("other", "h2s-high")), True),
        (Which(limits=("other",)), False),
        (Which(zones=("north",)), True),
        (Which(zones=("unit-1",)), False),
        (Which(sites=("unit-1",)), True),
        (Which(sites=("north",)), False),
        (Which(sensors=("gd-01",)), True),
        (Which(sensors=("h2s",)), False),
        (Which(("h2s-high",), ("north",), ("unit-1",), ("gd-01",)), True),
        (Which(("other",), ("north",), ("unit-1",), ("gd-01",)), False),
        (Which(("h2s-high",), ("south",), ("unit-1",), ("gd-01",)), False),
        (Which(("h2s-high",), ("north",), ("unit-2",), ("gd-01",)), False),
        (Which(("h2s-high",), ("north",), ("unit-1",), ("gd-02",)), False),
    ],
)
def test_alarms_are_told_by_limit_and_place(which: Which, covered: bool) -> None:  # noqa: FBT001
    assert which.covers(SERIES, "h2s-high") is covered


# --- groups --------------------------------------------------------------------------------------------------------


def test_a_group_is_of_one_site() -> None:
    assert group_of(SERIES, "leak") == ("north", "unit-1", "leak")


def test_what_stands_in_a_group_is_active_or_latched_and_in_service() -> None:
    known = {
        SERIES: Record(alarms={"h2s-high": ACTIVE, "hot": ACTIVE, "lone": ACTIVE}),
        OTHER: Record(alarms={"h2s-high": Alarm(latched=True), "hot": Alarm(), "smoke": ACTIVE}),
        "north/unit-1/gd-03/h2s": Record(alarms={"h2s-high": REMOVED}),
        ELSEWHERE: Record(alarms={"h2s-high": ACTIVE}),
        "south/unit-1/gd-01/h2s": Record(alarms={"hot": Alarm()}),
    }
    assert standing_groups(known, GROUPED) == {
        LEAKS: {ONE, alarm_id(SERIES, "hot"), alarm_id(OTHER, "h2s-high")},
        (*UNIT, "fire"): {alarm_id(OTHER, "smoke")},
        ("north", "unit-2", "leak"): {alarm_id(ELSEWHERE, "h2s-high")},
    }
    assert standing_groups({}, GROUPED) == {}
    assert standing_groups(known, {}) == {}


def entry(event: Event, t: int, name: str = "h2s-high", series: str = SERIES, **changes: Any) -> Transition:
    """Return an entry of the journal, ``t`` ms after ``T0``."""
    plain = Transition(
        alarm=alarm_id(series, name),
        series=series,
        limit=name,
        limit_version="1",
        event=event,
        notify=Notify.PAGE,
        before=State.NORM,
        after=State.UNACK,
        severity="high",
        priority=Priority.HIGH,
        occurrence=1,
        version=1,
        t=T0 + t,
        at=T0 + t,
        value=11.0,
        set_point=10.0,
    )
    return msgspec.structs.replace(plain, **changes)


RAISED, RETURNED = Event.RAISED, Event.RETURNED
TWO = alarm_id(OTHER, "h2s-high")

FIRSTS: dict[str, tuple[list[Transition], dict[tuple[str, str, str], set[str]], set[tuple[str, int]]]] = {
    "nothing": ([], {}, set()),
    "one alone": ([entry(RAISED, 0)], {}, {(ONE, 1)}),
    "its occurrence is told": ([entry(RAISED, 0, occurrence=7)], {}, {(ONE, 7)}),
    "one of no group": ([entry(RAISED, 0, "lone")], {}, set()),
    "the earlier of two": ([entry(RAISED, 5, series=OTHER), entry(RAISED, 3)], {}, {(ONE, 1)}),
    "one of two of a time": ([entry(RAISED, 3), entry(RAISED, 3, series=OTHER)], {}, {(ONE, 1)}),
    "another stands": ([entry(RAISED, 0)], {LEAKS: {TWO}}, set()),
    "another stands in another group": ([entry(RAISED, 0)], {(*UNIT, "fire"): {TWO}}, {(ONE, 1)}),
    "another stands elsewhere": ([entry(RAISED, 0)], {("north", "unit-2", "leak"): {TWO}}, {(ONE, 1)}),
    "elsewhere too": ([entry(RAISED, 0), entry(RAISED, 1, series=ELSEWHERE)], {}, {
        (ONE, 1), (alarm_id(ELSEWHERE, "h2s-high"), 1),
    }),
    "the other returns before": ([entry(RETURNED, 0, series=OTHER), entry(RAISED, 1)], {LEAKS: {TWO}}, {(ONE, 1)}),
    "the other returns after": ([entry(RETURNED, 2, series=OTHER), entry(RAISED, 1)], {LEAKS: {TWO}}, set()),
    "one that did not stand returns": ([entry(RETURNED, 0), entry(RAISED, 1)], {}, {(ONE, 1)}),
    "a latched one stands on when it returns": (
        [entry(RETURNED, 0, "smoke", OTHER), entry(RAISED, 1, "smoke")],
        {(*UNIT, "fire"): {alarm_id(OTHER, "smoke")}},
        set(),
    ),
    "what is out of service is nobody's cause": (
        [entry(RAISED, 0, series=OTHER, after=State.OOSRV), entry(RAISED, 1)], {}, {(ONE, 1)},
    ),
    "other events are none": ([entry(Event.ESCALATED, 0), entry(Event.ACKNOWLEDGED, 1)], {}, set()),
    "an escalation is no return": ([entry(Event.EASED, 0, series=OTHER), entry(RAISED, 1)], {LEAKS: {TWO}}, set()),
    "raised, returned, raised": (
        [entry(RAISED, 0), entry(RETURNED, 1), entry(RAISED, 2, occurrence=2)], {}, {(ONE, 1), (ONE, 2)},
    ),
    "one of no group in between": ([entry(RAISED, 0, "lone"), entry(RAISED, 1)], {}, {(ONE, 1)}),
}  # fmt: skip


@pytest.mark.parametrize("case", FIRSTS)
def test_first_of_a_group(case: str) -> None:
    entries, standing, firsts = FIRSTS[case]
    before = {group: set(alarms) for group, alarms in standing.items()}
    assert first_ups(entries, standing, GROUPED) == firsts
    assert standing == before, "what stood is not touched"


# --- causes --------------------------------------------------------------------------------------------------------

HIGH = WhileAlarm(("h2s-high", "hot"))
STOPPED = WhileState("gd-01", "h2s", Side.LOW, 5.0)
RUNNING = WhileState("gd-01", "h2s", Side.HIGH, 5.0)
GOOD = Record(t=T0, received=T0, value=4.0, alarms={"h2s-high": ACTIVE})

CAUSES: dict[str, tuple[WhileAlarm | WhileState, Known, bool]] = {
    "an alarm": (HIGH, Known(SERIES, GOOD), True),
    "the other of two": (HIGH, Known(SERIES, Record(alarms={"hot": ACTIVE})), True),
    "an alarm of a sensor that is named": (WhileAlarm(("h2s-high",), ("gd-01",)), Known(SERIES, GOOD), True),
    "of another sensor": (WhileAlarm(("h2s-high",), ("gd-02",)), Known(SERIES, GOOD), False),
    "another alarm": (WhileAlarm(("hot",)), Known(SERIES, GOOD), False),
    "an alarm that is not active": (HIGH, Known(SERIES, Record(alarms={"h2s-high": Alarm(latched=True)})), False),
    "an alarm of the second level": (HIGH, Known(SERIES, Record(alarms={"h2s-high": Alarm(level=2)})), True),
    "an alarm out of service": (HIGH, Known(SERIES, Record(alarms={"h2s-high": REMOVED})), False),
    "no alarm": (HIGH, Known(SERIES, Record()), False),
    "silent": (HIGH, Known(SERIES, GOOD, fresh=False), False),
    "bad": (HIGH, Known(SERIES, msgspec.structs.replace(GOOD, quality=Quality.FAILURE)), False),
    "a state": (STOPPED, Known(SERIES, GOOD), True),
    "at it": (STOPPED, Known(SERIES, Record(value=5.0)), False),
    "beyond it": (STOPPED, Known(SERIES, Record(value=6.0)), False),
    "the other side": (RUNNING, Known(SERIES, Record(value=6.0)), True),
    "at it, from the other side": (RUNNING, Known(SERIES, Record(value=5.0)), False),
    "below it": (RUNNING, Known(SERIES, GOOD), False),
    "no value": (STOPPED, Known(SERIES, Record()), False),
    "a state of another sensor": (STOPPED, Known(OTHER, GOOD), False),
    "another quantity": (STOPPED, Known("north/unit-1/gd-01/hf", GOOD), False),
    "a state that is silent": (STOPPED, Known(SERIES, GOOD, fresh=False), False),
    "a state that is bad": (STOPPED, Known(SERIES, Record(value=4.0, quality=Quality.FAILURE)), False),
}


@pytest.mark.parametrize("case", CAUSES)
def test_cause(case: str) -> None:
    cause, known, there = CAUSES[case]
    assert holds(cause, [known]) == ({split_series(known.series)[:2]} if there else set())


def test_places_are_told_once_and_apart() -> None:
    known = [Known(SERIES, GOOD), Known(OTHER, Record()), Known(OTHER, GOOD), Known(ELSEWHERE, GOOD)]
    assert holds(HIGH, known) == {UNIT, ("north", "unit-2")}


# --- circles -------------------------------------------------------------------------------------------------------


def rules(*pairs: tuple[str, str]) -> list[Suppression]:
    """Return rules by which the first of each pair suppresses the second; a ``state`` is none of a limit."""
    names = Names("规则", "rule")
    return [
        Suppression(f"{a}-{b}", names, Which(limits=(b,)), STOPPED if a == "state" else WhileAlarm((a,)))
        for a, b in pairs
    ]


@pytest.mark.parametrize(
    ("pairs", "circle"),
    [
        ([("a", "b"), ("b", "c"), ("c", "d"), ("d", "b")], {"b", "c", "d"}),
        ([("a", "b"), ("a", "c"), ("c", "a"), ("b", "d")], {"a", "c"}),
        ([("a", "b"), ("c", "d"), ("d", "c"), ("b", "a")], {"a", "b", "c", "d"}),
        ([("state", "a"), ("a", "b"), ("b", "b")], {"b"}),
        ([("state", "state")], set()),
    ],
)
def test_limits_that_would_suppress_themselves_are_found(pairs: list[tuple[str, str]], circle: set[str]) -> None:
    assert in_circle(rules(*pairs)) == circle
