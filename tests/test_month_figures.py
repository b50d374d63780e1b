"""What a month comes to: alarms, compliance, discharges, coverage, each against numbers worked out by hand."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.alarms import Event, Notify, State, Transition
from park.budgets import UnknownMass
from park.compliance import SETTLED_AFTER, comply, due, passes, statistic_of
from park.coverage import Recorded, by_sensor, by_site, coverage, due_since, merged, whole
from park.discharges import load, mass, valid_hours, volume
from park.limits import Kind, Match, Period, Side
from park.means import DAY, HOUR, Flag
from park.review import Told, by_priority, per_day, told
from park.statistics import Result, Statistic
from park.words import Location, Priority
from tests.alerting import transition
from tests.making import limit, low, many, point
from tests.months import china

SERIES = "north/outfall/out-1/cod"
OCTOBER, NOVEMBER = china(2026, 10), china(2026, 11)
LATER = NOVEMBER + DAY
MINUTE = 60_000


def hour(n: int, value: float | None, *, valid: bool = True, flag: Flag = Flag.FINAL, begin: int = OCTOBER) -> Result:
    """Return the mean of the ``n``-th hour since ``begin``."""
    at = begin + n * HOUR
    return Result(Statistic.HOUR, at, at + HOUR, value, valid, 60, 1.0, flag)


# --- compliance --------------------------------------------------------------------------------------------------

COD = limit("cod", kind=Kind.MEAN, of=Statistic.HOUR, set_points=(point("high", 50.0), point("high-high", 100.0)))


def cod(*results: Result, until: int = NOVEMBER, now: int = LATER, since: int = OCTOBER, **changes: object):  # type: ignore[no-untyped-def]  # noqa: ANN201
    judged = msgspec.structs.replace(COD, **changes)
    return comply(SERIES, judged, Statistic.HOUR, results, since=since, until=until, now=now)


def test_october_has_744_hours_and_31_days() -> None:
    assert due(Statistic.HOUR, OCTOBER, NOVEMBER, LATER) == 744
    assert due(Statistic.DAY, OCTOBER, NOVEMBER, LATER) == 31
    assert due(Statistic.GREATEST_8_H, OCTOBER, NOVEMBER, LATER) == 31


def test_only_whole_blocks_that_are_settled_are_due() -> None:
    now = OCTOBER + 10 * HOUR
    assert due(Statistic.HOUR, OCTOBER, now, now) == 9, "the tenth has ended just now"
    assert due(Statistic.HOUR, OCTOBER, now, now + SETTLED_AFTER) == 10
    assert due(Statistic.HOUR, OCTOBER + 1, now, LATER) == 9, "the first is not whole"
    assert due(Statistic.DAY, OCTOBER + HOUR, NOVEMBER, LATER) == 30
    assert due(Statistic.DAY, OCTOBER, OCTOBER + 23 * HOUR, LATER) == 0


def test_due_valid_and_beyond_are_counted_apart() -> None:
    found = cod(
        hour(0, 40.0),
        hour(1, 50.0),  # on the limit is not beyond it
        hour(2, 50.1),
        hour(3, 900.0, valid=False),  # proves nothing
        hour(4, None, valid=False),
        hour(5, 61.0, flag=Flag.CORRECTED),
        hour(6, 70.0, flag=Flag.PROVISIONAL),  # still runs
    )
    assert (found.due, found.valid, found.beyond, found.corrected) == (744, 4, 2, 1)
    assert found.share == 4 / 744
    assert [each.value for each in found.passed] == [50.1, 61.0]
    assert found.greatest is not None
    assert found.greatest.value == 61.0


def test_what_lies_outside_the_time_is_not_counted() -> None:
    found = cod(hour(-1, 99.0), hour(0, 99.0), hour(9, 99.0), hour(10, 99.0), until=OCTOBER + 10 * HOUR)
    assert (found.due, found.beyond) == (10, 2)


def test_a_limit_counts_only_while_it_is_in_force() -> None:
    found = cod(*(hour(n, 60.0) for n in range(10)), until=OCTOBER + 10 * HOUR, valid_from=OCTOBER + 4 * HOUR)
    assert (found.due, found.valid, found.beyond) == (6, 6, 6)


def test_nothing_valid_is_no_greatest_and_nothing_due_is_no_share() -> None:
    nothing = cod(until=OCTOBER, now=OCTOBER)
    assert (nothing.due, nothing.share, nothing.greatest) == (0, None, None)
    assert cod(hour(0, 3.0, valid=False)).greatest is None


def test_of_a_low_limit_the_least_is_the_worst() -> None:
    found = comply(
        SERIES,
        low("ph", kind=Kind.MEAN, of=Statistic.HOUR, set_points=(point("low", 6.0),)),
        Statistic.HOUR,
        [hour(0, 7.0), hour(1, 5.9), hour(2, 6.0)],
        since=OCTOBER,
        until=NOVEMBER,
        now=LATER,
    )
    assert found.beyond == 1
    assert found.greatest is not None
    assert found.greatest.value == 5.9


def test_which_limits_a_regulator_counts() -> None:
    assert statistic_of(COD, MINUTE) is Statistic.HOUR
    assert statistic_of(msgspec.structs.replace(COD, of=Statistic.ROLLING_15_MIN), MINUTE) is None
    single = limit(match=Match(locations=(Location.AMBIENT,)))
    assert statistic_of(single, MINUTE) is None
    assert statistic_of(single, HOUR) is Statistic.HOUR, "a station that sends hour means"
    assert statistic_of(limit(match=Match(locations=(Location.OUTFALL,))), HOUR) is None
    assert not passes(limit(side=Side.HIGH), 10.0)


@many
@given(st.lists(st.floats(0, 100), max_size=50), st.floats(0, 100))
def test_beyond_is_what_a_plain_count_says(values: list[float], at: float) -> None:
    found = cod(*(hour(n, value) for n, value in enumerate(values)), set_points=(point("high", at),))
    assert found.beyond == sum(value > at for value in values)
    assert found.valid == len(values)


# --- discharges ----------------------------------------------------------------------------------------------------

DAYS = (OCTOBER, OCTOBER + DAY)


def test_volume_and_mass_of_two_days() -> None:
    running = hour(26, 9.0, flag=Flag.PROVISIONAL)
    flow = valid_hours([hour(0, 100.0), hour(1, 50.0), hour(24, 200.0), hour(25, 10.0, valid=False), running])
    concentration = valid_hours([hour(0, 30.0), hour(2, 30.0), hour(24, 20.0)])
    water = volume(flow, "m3/h", DAYS, 48)
    assert (water.amount, water.hours, water.share) == (350.0, 3, 3 / 48)
    assert water.days == {OCTOBER: (150.0, 2), OCTOBER + DAY: (200.0, 1)}
    # 30 g/m3 x 100 m3 = 3 kg; 20 g/m3 x 200 m3 = 4 kg; the hours 1 and 2 have only one of the two.
    cod_ = mass(concentration, flow, ("mg/L", "m3/h"), DAYS, 48)
    assert cod_.amount == pytest.approx(7.0)
    assert (cod_.hours, cod_.days[OCTOBER][1]) == (2, 1)


def test_litres_per_second_are_3_6_cubic_metres_per_hour() -> None:
    assert volume({OCTOBER: 10.0}, "L/s", DAYS, 48).amount == pytest.approx(36.0)
    assert mass({OCTOBER: 100.0}, {OCTOBER: 10.0}, ("mg/L", "L/s"), DAYS, 48).amount == pytest.approx(3.6)


def test_what_makes_no_mass_says_so() -> None:
    with pytest.raises(UnknownMass):
        mass({}, {}, ("pH", "m3/h"), DAYS, 48)


def test_no_hours_are_nothing_known_not_nothing() -> None:
    nothing = volume({}, "m3/h", DAYS, 48)
    assert (nothing.amount, nothing.hours, nothing.share, nothing.days) == (0.0, 0, 0.0, {})
    assert volume({}, "m3/h", (), 0).share is None


def test_a_load_ends_with_the_month() -> None:
    begin = china(2026, 9, 30, 23)
    hours = {begin + n * HOUR: 10.0 for n in range(4)}
    flow = dict.fromkeys(hours, 100.0)
    # 10 g/m3 x 100 m3 = 1 kg an hour: one hour of September, two of October until two o'clock.
    monthly = load(hours, flow, ("mg/L", "m3/h"), Period.MONTH, OCTOBER + 2 * HOUR)
    yearly = load(hours, flow, ("mg/L", "m3/h"), Period.YEAR, OCTOBER + 2 * HOUR)
    assert (monthly.begin, monthly.hours) == (OCTOBER, 2)
    assert monthly.kg == pytest.approx(2.0)
    assert (yearly.begin, yearly.hours) == (china(2026, 1), 3)
    assert yearly.kg == pytest.approx(3.0)


# --- coverage ------------------------------------------------------------------------------------------------------


def test_a_series_of_half_its_readings() -> None:
    found = coverage(SERIES, Statistic.HOUR, Recorded(40, 36.5, 30), since=OCTOBER, until=OCTOBER + 3 * DAY, now=LATER)
    assert (found.due, found.valid, found.share, found.missing_hours) == (72, 30, 36.5 / 72, 42)
    slow = coverage(SERIES, Statistic.DAY, Recorded(2, 1.5, 1), since=OCTOBER, until=OCTOBER + 3 * DAY, now=LATER)
    assert (slow.due, slow.share, slow.missing_hours) == (3, 0.5, 48)


def test_sites_and_sensors_are_weighted_by_what_was_due_of_them() -> None:
    def of(series: str, due_: int, share: float, valid: int):  # type: ignore[no-untyped-def]  # noqa: ANN202
        recorded = Recorded(due_, share * due_, valid)
        return coverage(series, Statistic.HOUR, recorded, since=OCTOBER, until=OCTOBER + due_ * HOUR, now=LATER)

    found = [of("z/s/a/cod", 100, 1.0, 100), of("z/s/a/ph", 100, 0.8, 70), of("z/s/b/cod", 50, 0.0, 0)]
    sensors = by_sensor(found)
    assert [each.key for each in sensors] == ["z/s/b", "z/s/a"]
    assert [each.missing_hours for each in sensors] == [50, 30]
    (site,) = by_site(found)
    assert (site.key, site.series, site.due) == ("z/s", 3, 250)
    assert site.share == pytest.approx((100 * 1.0 + 100 * 0.8 + 0) / 250)
    assert whole(found) == site.share
    assert whole([]) is None


def test_since_when_a_series_was_due() -> None:
    assert due_since(OCTOBER, OCTOBER - 1, before=False, first=None) == OCTOBER, "registered, and silent all month"
    assert due_since(OCTOBER, LATER, before=True, first=OCTOBER + DAY) == OCTOBER
    assert due_since(OCTOBER, LATER, before=False, first=OCTOBER + DAY) == OCTOBER + DAY
    assert due_since(OCTOBER, OCTOBER + HOUR, before=False, first=OCTOBER + DAY) == OCTOBER + HOUR
    assert due_since(OCTOBER, None, before=False, first=None) is None


def test_what_several_questions_found_is_one() -> None:
    found = merged(
        [{"a": Recorded(4, 3.5)}, {"a": Recorded(valid=3), "b": Recorded(first=9)}, {"a": Recorded(first=7)}]
    )
    assert found == {"a": Recorded(4, 3.5, 3, 0, 7), "b": Recorded(first=9)}


# --- alarms --------------------------------------------------------------------------------------------------------


def at(minute: float, event: Event = Event.RAISED, **changes: object) -> Transition:
    """Return a transition so many minutes into October."""
    t = OCTOBER + round(minute * MINUTE)
    plain = {Event.ACKNOWLEDGED: {"notify": Notify.NONE, "after": State.ACKED, "by": "李伟"}}.get(event, {})
    return transition(event, **{"t": t, "at": t, **plain, **changes})


def only(*entries: Transition) -> Told:
    (found,) = told(entries, OCTOBER, NOVEMBER)
    return found


def test_an_alarm_is_told_with_its_answer_and_its_end() -> None:
    found = only(at(0), at(4, Event.ACKNOWLEDGED, why="已派人"), at(9, Event.RETURNED, after=State.NORM))
    assert (found.first, found.wait, found.by, found.why) == (OCTOBER, 4 * MINUTE, "李伟", "已派人")
    assert found.ended == OCTOBER + 9 * MINUTE
    assert found.timely(2 * MINUTE, LATER) is False
    assert found.timely(4 * MINUTE, LATER) is True
    assert found.timely(None, LATER) is None


def test_what_became_critical_waits_from_then_on() -> None:
    found = only(
        at(0, version=1),
        at(3, Event.ACKNOWLEDGED),
        at(5, Event.ESCALATED, priority=Priority.CRITICAL, severity="high-high", value=9000.0, version=3),
        at(6, Event.ACKNOWLEDGED),
    )
    assert (found.priority, found.value, found.pages) == (Priority.CRITICAL, 9000.0, 2)
    assert (found.first, found.at, found.wait) == (OCTOBER, OCTOBER + 5 * MINUTE, MINUTE)


def test_an_alarm_that_asks_again_is_the_same_one() -> None:
    found = only(at(0), at(2, Event.ACKNOWLEDGED), at(30, Event.REALARMED, version=3), at(50, Event.ACKNOWLEDGED))
    assert (found.pages, found.wait) == (2, 2 * MINUTE)


def test_nobody_answers_for_what_was_put_aside() -> None:
    found = only(at(0), at(1, Event.SHELVED, notify=Notify.NONE, after=State.SHLVD), at(60, Event.ACKNOWLEDGED))
    assert (found.wait, found.aside) == (None, OCTOBER + MINUTE)
    assert found.timely(2 * MINUTE, LATER) is None, "it was put aside in time"
    assert found.timely(MINUTE // 2, LATER) is False


def test_what_was_put_aside_and_came_back_waits_anew() -> None:
    found = only(
        at(0),
        at(1, Event.SHELVED, notify=Notify.NONE, after=State.SHLVD),
        at(240, Event.UNSHELVED, version=3),
        at(242, Event.ACKNOWLEDGED),
    )
    assert (found.first, found.wait, found.pages, found.aside) == (OCTOBER, 2 * MINUTE, 2, None)


def test_chattering_and_what_was_only_journalled_is_not_told() -> None:
    assert told([at(0, chattering=True), at(1, notify=Notify.NONE)], OCTOBER, NOVEMBER) == []


def test_an_alarm_belongs_to_the_month_in_which_it_was_first_told() -> None:
    entries = [at(-1), at(2, Event.ESCALATED, priority=Priority.CRITICAL), at(10, occurrence=2)]
    assert [each.occurrence for each in told(entries, OCTOBER, NOVEMBER)] == [2]
    assert [each.occurrence for each in told(entries, OCTOBER - DAY, OCTOBER)] == [1]


def test_priorities_are_summed_up() -> None:
    alarms = told(
        [
            at(0, occurrence=1, priority=Priority.CRITICAL),
            at(1, Event.ACKNOWLEDGED),
            at(10, occurrence=2, priority=Priority.CRITICAL),
            at(14, Event.ACKNOWLEDGED),
            at(20, occurrence=3, priority=Priority.CRITICAL),
            at(30, occurrence=4, priority=Priority.LOW, alarm="n.s.x.hf.other"),
        ],
        OCTOBER,
        NOVEMBER,
    )
    lines = {line.priority: line for line in by_priority(alarms, {"hf-high": 2 * MINUTE}, LATER)}
    critical = lines[Priority.CRITICAL]
    assert (critical.count, critical.kinds, critical.open) == (3, 1, 1)
    assert (critical.median, critical.longest, critical.late) == (2.5 * MINUTE, 4 * MINUTE, 2)
    assert (lines[Priority.LOW].count, lines[Priority.HIGH].count, lines[Priority.HIGH].median) == (1, 0, None)


def test_days_are_the_parks() -> None:
    alarms = told([at(0), at(24 * 60 - 1, occurrence=2), at(24 * 60, occurrence=3)], OCTOBER, NOVEMBER)
    assert per_day(alarms, DAYS)[Priority.HIGH] == [2, 1]
    assert math.isclose(sum(map(sum, per_day(alarms, DAYS).values())), 3)
