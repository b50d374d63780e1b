"""On-call: every moment has one person, whatever the clocks do; chains and quiet hours say who, when and how often."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from park.channels import ChannelKind, ChannelRoute, Reference, ReferenceKind
from park.oncall import (
    Call,
    Chain,
    Handover,
    OnCall,
    Override,
    Person,
    QuietHours,
    Rota,
    Shift,
    Step,
    calls,
    chain_for,
    day_of,
    moment,
    on_duty,
    operators,
    people_of,
    quiet_until,
    shift_at,
    shifts,
    week_at,
)
from park.words import Names, Priority
from tests.making import many

HOUR = 3_600_000
DAY = 24 * HOUR
WEEK = 7 * DAY
MONDAY_8 = Handover(0, 8 * 60)
NAMES = Names("值班", "duty")
SHANGHAI, BERLIN = "Asia/Shanghai", "Europe/Berlin"

# Without summer time; an hour of it; half an hour of it; a change at midnight; a day that was left out (2011-12-30).
ZONES = (
    SHANGHAI,
    BERLIN,
    "America/New_York",
    "Australia/Lord_Howe",
    "America/Asuncion",
    "Africa/Cairo",
    "Pacific/Apia",
)


def ms(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp() * 1000)


def wall(at: int, timezone: str) -> dt.datetime:
    return dt.datetime.fromtimestamp(at / 1000, ZoneInfo(timezone)).replace(tzinfo=None)


def make(**changes: Any) -> Rota:
    plain = Rota("duty", NAMES, SHANGHAI, MONDAY_8, dt.date(2026, 1, 5), ("zhang", "wang", "li"))
    return msgspec.structs.replace(plain, **changes)


MOMENTS = st.integers(ms("2005-01-01T00:00Z"), ms("2035-01-01T00:00Z"))


@st.composite
def overrides(draw: st.DrawFn) -> tuple[Override, ...]:
    """Draw overrides in order that don't overlap, some of them longer than a week, some of them touching."""
    begin = draw(MOMENTS)
    found = []
    for number in range(draw(st.integers(0, 5))):
        begin += draw(st.sampled_from([0, 1, HOUR, 3 * DAY, WEEK]))
        end = begin + draw(st.sampled_from([1, 90 * 60_000, DAY, 2 * WEEK]))
        found.append(Override("duty", begin, end, f"stand-in-{number}", "why"))
        begin = end
    return tuple(found)


@st.composite
def rotas(draw: st.DrawFn, *, with_overrides: bool = True) -> Rota:
    return make(
        timezone=draw(st.sampled_from(ZONES)),
        handover=Handover(draw(st.integers(0, 6)), draw(st.integers(0, 24 * 60 - 1))),
        start=draw(st.dates(dt.date(2005, 1, 1), dt.date(2034, 1, 1))),
        people=tuple("abcde"[: draw(st.integers(1, 5))]),
        overrides=draw(overrides()) if with_overrides else (),
    )


def moments_near(rota: Rota, at: int) -> list[int]:
    """``at``, and the moments around which something may go wrong: overrides, and the ends of the week."""
    week = week_at(rota, at)
    edges = [at, week.begin, week.end, *(edge for one in rota.overrides for edge in (one.begin, one.end))]
    return [edge + shift for edge in edges for shift in (-1, 0, 1)]


# --- rotas -------------------------------------------------------------------------------------------------


@many
@given(rotas(), MOMENTS)
def test_every_moment_has_one_person(rota: Rota, at: int) -> None:
    for moment_ in moments_near(rota, at):
        shift = shift_at(rota, moment_)
        assert shift.begin <= moment_ < shift.end
        assert on_duty(rota, moment_) == shift.person
        assert shift_at(rota, shift.begin) == shift_at(rota, shift.end - 1) == shift
        active = [one.person for one in rota.overrides if one.begin <= moment_ < one.end]
        assert [shift.person] == (active or [week_at(rota, moment_).person])
        assert bool(shift.why) == bool(active)


@many
@given(rotas(), MOMENTS, st.integers(0, 9 * WEEK))
def test_shifts_tile_the_time(rota: Rota, begin: int, length: int) -> None:
    if rota.overrides:
        begin = rota.overrides[0].begin - length // 2
    found = shifts(rota, begin, begin + length)
    assert bool(found) == bool(length)
    edges = [edge for shift in found for edge in (shift.begin, shift.end)]
    assert edges[:1] + edges[-1:] == ([begin, begin + length] if length else [])
    assert all(one.end == other.begin for one, other in pairwise(found))
    for shift in found:
        assert shift.begin < shift.end
        assert {on_duty(rota, at) for at in (shift.begin, (shift.begin + shift.end) // 2, shift.end - 1)} == {
            shift.person
        }


@many
@given(rotas(with_overrides=False), st.integers(-60, 60))
def test_the_duty_changes_hands_at_the_wall_clock_time_and_in_turn(rota: Rota, number: int) -> None:
    monday = rota.start - dt.timedelta(days=rota.start.weekday())
    day = monday + dt.timedelta(days=rota.handover.weekday, weeks=number)
    due = dt.datetime.combine(day, dt.time(rota.handover.minute // 60, rota.handover.minute % 60))
    begin = moment(day, rota.handover.minute, rota.timezone)
    # A time that the change to summer time leaves out has its own test.
    assume(wall(begin, rota.timezone) == due)
    assert on_duty(rota, begin) == rota.people[number % len(rota.people)]
    assert on_duty(rota, begin - 1) == rota.people[(number - 1) % len(rota.people)]
    assert wall(begin - 1, rota.timezone) < due


def test_the_hand_over_is_exact() -> None:
    rota, due = make(), ms("2026-01-12T08:00+08:00")
    assert [on_duty(rota, at) for at in (due - WEEK, due - 1, due, due + WEEK, due + 2 * WEEK)] == [
        "zhang",
        "zhang",
        "wang",
        "li",
        "zhang",
    ]
    assert on_duty(rota, ms("2026-01-12T00:00+08:00")) == "zhang", "on the day of the hand-over the minute decides"
    assert on_duty(rota, due - WEEK - 1) == "li", "the turns go on backwards"


def test_the_first_turn_begins_in_the_week_of_the_start() -> None:
    friday = make(handover=Handover(4, 18 * 60), start=dt.date(2026, 1, 6))
    assert on_duty(friday, ms("2026-01-09T18:00+08:00")) == "zhang"
    assert on_duty(friday, ms("2026-01-09T17:59+08:00")) == "li"


@pytest.mark.parametrize(
    ("handover", "begins", "hours"),
    [
        # 2026-03-29: 02:00 CET becomes 03:00 CEST.
        (MONDAY_8, "2026-03-23T08:00+01:00", 167),
        (Handover(6, 2 * 60 + 30), "2026-03-29T03:30+02:00", 167),
        (Handover(6, 3 * 60), "2026-03-29T03:00+02:00", 168),
        # 2026-10-25: 03:00 CEST becomes 02:00 CET; what comes twice counts the first time.
        (MONDAY_8, "2026-10-19T08:00+02:00", 169),
        (Handover(6, 2 * 60 + 30), "2026-10-25T02:30+02:00", 169),
        (Handover(6, 3 * 60), "2026-10-25T03:00+01:00", 168),
    ],
)
def test_a_week_in_which_the_clocks_change(handover: Handover, begins: str, hours: int) -> None:
    rota = make(timezone=BERLIN, handover=handover)
    begin = ms(begins)
    shift = shift_at(rota, begin)
    assert (shift.begin, shift.end - shift.begin) == (begin, hours * HOUR)
    assert on_duty(rota, begin - 1) != shift.person
    assert on_duty(rota, shift.end) != shift.person


def test_overrides_are_cut_into_the_weeks() -> None:
    begin, end = ms("2026-01-10T08:00+08:00"), ms("2026-01-13T20:00+08:00")
    rota = make(overrides=(Override("duty", begin, end, "chen", "swapped"),))
    first, last = ms("2026-01-05T08:00+08:00"), ms("2026-01-19T08:00+08:00")
    assert shifts(rota, first, last) == (
        Shift(first, begin, "zhang"),
        Shift(begin, end, "chen", "swapped"),
        Shift(end, last, "wang"),
    )
    assert shift_at(rota, begin - 1) == Shift(first, begin, "zhang")


# --- chains ------------------------------------------------------------------------------------------------


def person(name: str, *contacts: str) -> Person:
    url = Reference(ReferenceKind.TEXT, "")
    routes = tuple(ChannelRoute(f"{name}.{contact}", ChannelKind.TERMINAL, url) for contact in contacts)
    return Person(name, Names(name, name), contacts=routes)


def roster(*chains: Chain, **more: Any) -> OnCall:
    names = ("zhang", "wang", "li", "chen")
    riverside = make(name="riverside", people=("li", "chen"))
    return OnCall(
        {name: person(name, "phone") for name in names}, {"duty": make(), "riverside": riverside}, chains, **more
    )


def chain(*steps: Step, id_: str = "chain", **more: Any) -> Chain:
    return Chain(id_, NAMES, steps, **more)


MINUTE = 60_000
DUTY, LEADER = Step(("rota:duty",), 0, 2 * MINUTE, 2), Step(("person:chen",), 3 * MINUTE)


def test_calls_come_in_the_order_of_their_times() -> None:
    assert calls(chain(DUTY, LEADER)) == (
        Call(0, 0, 0),
        Call(2 * MINUTE, 0, 1),
        Call(3 * MINUTE, 1, 0),
        Call(4 * MINUTE, 0, 2),
    )
    same = calls(chain(DUTY, Step(("person:chen",), 2 * MINUTE)))
    assert same[1:3] == (Call(2 * MINUTE, 0, 1), Call(2 * MINUTE, 1, 0)), "the earlier step first"


STEPS = st.lists(
    st.builds(Step, st.just(("rota:duty",)), st.integers(0, DAY), st.integers(1, HOUR), st.integers(0, 20)),
    min_size=1,
    max_size=5,
)


@many
@given(STEPS)
def test_every_repetition_of_every_step_is_a_call(steps: list[Step]) -> None:
    found = calls(chain(*steps))
    assert [call.after for call in found] == sorted(call.after for call in found)
    assert len({(call.step, call.repeat) for call in found}) == len(found) == sum(step.repeat + 1 for step in steps)
    assert all(call.after == steps[call.step].after + call.repeat * steps[call.step].every for call in found)


def test_the_first_chain_that_fits_counts() -> None:
    river = chain(DUTY, id_="river", zones=("riverside",), priorities=(Priority.CRITICAL, Priority.HIGH))
    rest = chain(DUTY, id_="rest", priorities=(Priority.CRITICAL,))
    found = roster(river, rest)
    assert chain_for(found, "riverside", Priority.CRITICAL) == river
    assert chain_for(found, "riverside", Priority.HIGH) == river
    assert chain_for(found, "harbour", Priority.CRITICAL) == rest
    assert chain_for(found, "harbour", Priority.HIGH) is None
    assert chain_for(OnCall(), "harbour", Priority.CRITICAL) is None


def test_a_step_tells_everybody_once_and_whoever_has_the_duty_then() -> None:
    at = ms("2026-01-12T08:00+08:00")
    step = Step(("person:chen", "rota:duty", "rota:riverside", "person:wang"))
    found = roster(chain(step))
    assert [one.name for one in people_of(found, step, at)] == ["chen", "wang"]
    assert [one.name for one in people_of(found, step, at - 1)] == ["chen", "zhang", "li", "wang"]
    assert [contact.name for contact in people_of(found, step, at)[0].contacts] == ["chen.phone"]
    with pytest.raises(KeyError):
        people_of(found, Step(("person:nobody",)), at)


def test_operators_are_the_people_told_first() -> None:
    at = ms("2026-01-05T08:00+08:00")
    every = chain(DUTY, LEADER, priorities=(Priority.LOW,))
    river = chain(Step(("rota:riverside", "rota:duty")), LEADER, id_="river", zones=("riverside",))
    found = roster(river, every)
    assert operators(found, "riverside", at) == 2
    assert operators(found, "harbour", at) == 1
    assert operators(OnCall(), "harbour", at) == 1, "somebody sits in the control room, roster or not"


# --- quiet hours -------------------------------------------------------------------------------------------


def night(begin: str = "22:00", end: str = "07:00", timezone: str = SHANGHAI, **more: Any) -> QuietHours:
    minutes = [int(text[:2]) * 60 + int(text[3:]) for text in (begin, end)]
    return QuietHours(timezone, minutes[0], minutes[1], **{"priorities": (Priority.LOW,), **more})


def held(at: str, *hours: QuietHours, zone: str = "riverside", priority: Priority = Priority.LOW) -> int | None:
    return quiet_until(OnCall(quiet_hours=hours), zone, priority, ms(at))


def test_quiet_hours_pass_midnight() -> None:
    end = ms("2026-01-06T07:00+08:00")
    assert held("2026-01-05T21:59:59.999+08:00", night()) is None
    assert held("2026-01-05T22:00+08:00", night()) == end
    assert held("2026-01-06T00:00+08:00", night()) == end
    assert held("2026-01-06T06:59:59.999+08:00", night()) == end
    assert held("2026-01-06T07:00+08:00", night()) is None


def test_quiet_hours_within_a_day_end_on_it() -> None:
    noon = night("12:00", "13:30")
    assert held("2026-01-05T13:00+08:00", noon) == ms("2026-01-05T13:30+08:00")
    assert held("2026-01-05T13:30+08:00", noon) is None
    assert held("2026-01-05T11:59+08:00", noon) is None


def test_quiet_hours_are_for_their_priorities_and_zones() -> None:
    at = "2026-01-05T23:00+08:00"
    assert held(at, night(), priority=Priority.MEDIUM) is None
    assert held(at, night(priorities=(Priority.LOW, Priority.MEDIUM)), priority=Priority.MEDIUM)
    assert held(at, night(zones=("harbour",))) is None
    assert held(at, night(zones=("harbour", "riverside")))


def test_quiet_hours_that_follow_each_other_are_one() -> None:
    both = (night("06:00", "08:00"), night(), night("12:00", "13:00"))
    assert held("2026-01-05T22:30+08:00", *both) == ms("2026-01-06T08:00+08:00")
    assert held("2026-01-05T22:30+08:00", night("07:00", "08:00"), night()) == ms("2026-01-06T08:00+08:00")


def test_quiet_hours_when_the_clocks_change() -> None:
    spring, autumn = night(timezone=BERLIN), night("22:00", "02:30", timezone=BERLIN)
    assert held("2026-03-28T23:00+01:00", spring) == ms("2026-03-29T07:00+02:00")
    assert held("2026-10-25T02:15+02:00", autumn) == ms("2026-10-25T02:30+02:00")
    assert held("2026-10-25T02:15+01:00", autumn) is None, "the night ended at the first 02:30"


@many
@given(
    st.lists(st.tuples(st.sampled_from(ZONES), st.integers(0, 1439), st.integers(1, 4 * 60)), min_size=1, max_size=5),
    MOMENTS,
)
def test_after_quiet_hours_nothing_is_quiet(hours: list[tuple[str, int, int]], at: int) -> None:
    found = tuple(
        QuietHours(timezone, begin, (begin + length) % 1440, (Priority.LOW,)) for timezone, begin, length in hours
    )
    quiet = OnCall(quiet_hours=found)
    moments = [at, *(moment(day_of(at, one.timezone), one.begin, one.timezone) for one in found)]
    for then in moments:
        end = quiet_until(quiet, "riverside", Priority.LOW, then)
        if end is not None:
            assert then < end <= then + 2 * DAY
            assert quiet_until(quiet, "riverside", Priority.LOW, end) is None
            assert quiet_until(quiet, "riverside", Priority.LOW, end - 1) == end
    assert quiet_until(quiet, "riverside", Priority.MEDIUM, at) is None
