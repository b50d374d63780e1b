"""Means, votes and loads through a shard's worker: what alarms, what is kept, what a restart changes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import pytest
import redis

from park.alarms import Event, alarm_id
from park.budgets import begin_of
from park.limits import Kind, Limit, Match, Period, SetPoint
from park.means import DAY, HOUR, MINUTE, Flag, Span
from park.readings import Reading
from park.statistics import Result, Statistic
from park.words import Location, Priority, Quality
from storage import names
from storage.queue import redis_client
from tests import servers
from tests.making import SERIES, T0, catalogue, limit, quality_limit, quantity, sensor
from tests.shifts import Shift

#: The beginning of an hour.
H0 = T0 - T0 % HOUR + HOUR
HOUR_MEAN = limit("h2s-hour", kind=Kind.MEAN, of=Statistic.HOUR, set_points=(SetPoint("high", 5.0, Priority.LOW),))
VOTED = limit("h2s-high", set_points=(SetPoint("high", 10.0, Priority.HIGH),))
VOTE = limit(
    "h2s-two",
    kind=Kind.VOTE,
    match=Match(),
    set_points=(SetPoint("high", 1.5, Priority.CRITICAL),),
    votes=("h2s-high",),
    needs=2,
    window=60_000,
    unit="",
)


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


def shift_of(client: redis.Redis, *limits: Limit, start: int = H0) -> Shift:
    """Return a shard at work under ``limits`` whose sensors speak every minute, at ``start``."""
    shift = Shift(client)
    for number in (1, 2, 3):
        shift.directory.put(sensor(f"north/unit-1/gd-0{number}", interval=MINUTE, location=Location.WORKPLACE))
    shift.clock.time = start
    shift.restarts(catalogue(*limits, quality_limit()))
    return shift


def at(t: int, value: float, series: str = SERIES, **changes: Any) -> Reading:
    return msgspec.structs.replace(Reading(series, t, value, Quality.GOOD, t), **changes)


def minutes(shift: Shift, first: int, values: list[float]) -> list[str]:
    """Hear one reading a minute, at the minute's half, and say what came of them."""
    told: list[str] = []
    for number, value in enumerate(values):
        t = H0 + (first + number) * MINUTE + MINUTE // 2
        shift.clock.time = t
        shift.beats()
        told += shift.hears(at(t, value))
        shift.evaluator.sweep()
    return told


def results(client: redis.Redis, statistic: Statistic, *, provisional: bool = False) -> list[Result]:
    """Return what was completed for ``SERIES``, or stood so far, oldest first."""
    entries: Any = client.xrange(names.RESULTS)
    decoded = [msgspec.json.decode(fields[b"results"], type=dict[str, list[Result]]) for _, fields in entries]
    found = [each for entry in decoded for each in entry.get(SERIES, ()) if each.statistic is statistic]
    return [each for each in found if (each.flag is Flag.PROVISIONAL) == provisional]


def raised(shift: Shift, name: str) -> list[tuple[int, float | None]]:
    return [(each.t, each.value) for each in shift.journal() if each.limit == name and each.event is Event.RAISED]


def test_an_hour_above_its_limit_alarms_once_it_is_closed_and_valid(client: redis.Redis) -> None:
    shift = shift_of(client, HOUR_MEAN)
    minutes(shift, 0, [6.0] * 60)
    assert raised(shift, "h2s-hour") == []
    minutes(shift, 60, [1.0] * 3)
    assert raised(shift, "h2s-hour") == [(H0 + HOUR, 6.0)]
    (hour,) = results(client, Statistic.HOUR)
    assert (hour.begin, hour.value, hour.valid, hour.count, hour.share) == (H0, 6.0, True, 60, 1.0)


def test_an_hour_with_too_few_minutes_says_so_and_alarms_nobody(client: redis.Redis) -> None:
    shift = shift_of(client, HOUR_MEAN)
    minutes(shift, 0, [6.0] * 44)
    minutes(shift, 60, [1.0] * 3)
    assert raised(shift, "h2s-hour") == []
    (hour,) = results(client, Statistic.HOUR)
    assert (hour.value, hour.valid, hour.count) == (6.0, False, 44)


def test_an_open_hour_is_told_as_it_stands(client: redis.Redis) -> None:
    shift = shift_of(client, HOUR_MEAN)
    minutes(shift, 0, [6.0] * 33)
    *_, latest = results(client, Statistic.HOUR, provisional=True)
    # Two minutes are open for what comes late.
    assert (latest.begin, latest.value, latest.count, latest.valid) == (H0, 6.0, 30, False)
    assert raised(shift, "h2s-hour") == []


def test_a_mean_returns_with_the_next_hour_below_and_not_by_silence(client: redis.Redis) -> None:
    shift = shift_of(client, HOUR_MEAN)
    minutes(shift, 0, [6.0] * 60)
    for later in (HOUR + 3 * MINUTE, 2 * HOUR, 3 * HOUR):
        shift.clock.time = H0 + later
        shift.beats()
        shift.evaluator.sweep()
    events = [each.event for each in shift.journal() if each.limit == "h2s-hour"]
    assert events == [Event.RAISED], "three hours later, without a reading"
    minutes(shift, 240, [1.0] * 63)
    events = [each.event for each in shift.journal() if each.limit == "h2s-hour"]
    assert events == [Event.RAISED, Event.RETURNED]


def test_a_restart_in_the_middle_of_an_hour_changes_nothing(client: redis.Redis) -> None:
    shift = shift_of(client, HOUR_MEAN)
    for first in range(0, 60, 10):
        minutes(shift, first, [float(first)] * 10)
        # The sweep saves what has changed every few seconds.
        shift.clock.time += 11_000
        shift.beats()
        shift.evaluator.sweep()
        shift.restarts(shift.park)
    minutes(shift, 60, [1.0] * 3)
    (hour,) = results(client, Statistic.HOUR)
    assert (hour.value, hour.count, hour.valid) == (25.0, 60, True)


def test_a_reading_too_late_for_its_hour_is_noted_for_a_correction(client: redis.Redis) -> None:
    shift = shift_of(client, HOUR_MEAN)
    minutes(shift, 0, [6.0] * 64)
    shift.hears(at(H0 + 90_000, 600.0, received=shift.clock.time, late=True))
    assert client.hkeys(names.CORRECTIONS) == [f"{SERIES} {H0}".encode()]
    assert raised(shift, "h2s-hour") == [(H0 + HOUR, 6.0)]


def test_two_detectors_of_a_site_within_a_minute_are_a_vote(client: redis.Redis) -> None:
    shift = shift_of(client, VOTED, VOTE)
    second = SERIES.replace("gd-01", "gd-02")
    shift.hears(at(H0, 11.0))
    assert raised(shift, "h2s-two") == []
    shift.clock.time = H0 + 30_000
    shift.hears(at(H0 + 30_000, 12.0, second))
    votes = "north/unit-1/voting/h2s-two"
    assert raised(shift, "h2s-two") == [(H0 + 30_000, 2.0)]
    shown = shift.states.alarm(alarm_id(votes, "h2s-two"))
    assert shown is not None
    assert (shown.priority, shown.site) == (Priority.CRITICAL, "unit-1")


def test_votes_that_come_too_far_apart_do_not_add_up(client: redis.Redis) -> None:
    shift = shift_of(client, VOTED, VOTE)
    shift.hears(at(H0, 11.0), at(H0 + 1000, 1.0))
    shift.clock.time = H0 + 70_000
    shift.beats()
    shift.evaluator.sweep()
    shift.hears(at(H0 + 70_000, 12.0, SERIES.replace("gd-01", "gd-02")))
    assert raised(shift, "h2s-two") == []


def test_a_vote_ends_when_one_detector_is_back_and_the_window_has_passed(client: redis.Redis) -> None:
    shift = shift_of(client, VOTED, VOTE)
    second = SERIES.replace("gd-01", "gd-02")
    shift.hears(at(H0, 11.0), at(H0, 12.0, second))
    shift.clock.time = H0 + 120_000
    shift.beats()
    shift.hears(at(H0 + 120_000, 11.0), at(H0 + 120_000, 1.0, second))
    shift.evaluator.sweep()
    events = [each.event for each in shift.journal() if each.limit == "h2s-two"]
    assert events == [Event.RAISED, Event.RETURNED]


def test_months_and_years_are_chinese() -> None:
    # 2025-12-31T16:00Z is New Year in China.
    new_year = 1_767_196_800_000
    assert begin_of(Period.YEAR, new_year) == new_year
    assert begin_of(Period.MONTH, new_year - 1) == new_year - 31 * 24 * HOUR


OUTLET = "north/unit-1/out-01"
BUDGET = limit(
    "cod-budget",
    kind=Kind.BUDGET,
    match=Match(quantities=("cod",)),
    set_points=(SetPoint("high", 9.0, Priority.MEDIUM), SetPoint("high-high", 14.0, Priority.HIGH)),
    flow="flow-water",
    period=Period.YEAR,
    unit="kg",
)


def outlet(client: redis.Redis, *limits: Limit) -> Shift:
    """Return a shard with an outfall that speaks once an hour."""
    shift = Shift(client)
    shift.directory.put(sensor(OUTLET, interval=HOUR, location=Location.OUTFALL))
    park = catalogue(*limits)
    water = {
        "cod": quantity("cod", unit="mg/L", location=Location.OUTFALL, minimum=0.0, maximum=10_000.0),
        "flow-water": quantity("flow-water", unit="m3/h", location=Location.OUTFALL, minimum=0.0, maximum=10_000.0),
    }
    shift.clock.time = H0
    shift.restarts(dataclasses.replace(park, quantities={**park.quantities, **water}))
    return shift


def hourly(shift: Shift, values: Sequence[tuple[float | None, float]], first: int = 0) -> None:
    """Hear the flow and the COD of each hour; a COD of ``None`` is a failure."""
    for number, (cod, flow) in enumerate(values):
        t = H0 + (first + number) * HOUR
        shift.clock.time = t
        shift.beats()
        quality = Quality.GOOD if cod is not None else Quality.FAILURE
        shift.hears(at(t, flow, f"{OUTLET}/flow-water"), Reading(f"{OUTLET}/cod", t, cod, quality, t))
        shift.clock.time = t + HOUR - 1
        shift.beats()
        shift.evaluator.sweep()


def test_a_load_adds_up_and_warns_before_the_budget_is_gone(client: redis.Redis) -> None:
    shift = outlet(client, BUDGET)
    # 50 mg/L in 100 m3/h is 5 kg/h.
    hourly(shift, [(50.0, 100.0)] * 5)
    # An hour closes two minutes after its end.
    assert raised(shift, "cod-budget") == [(H0 + 2 * HOUR, 10.0)]
    events = [each.event for each in shift.journal() if each.limit == "cod-budget"]
    assert events == [Event.RAISED, Event.ESCALATED]


def test_an_hour_without_a_value_adds_nothing_and_a_restart_loses_none(client: redis.Redis) -> None:
    shift = outlet(client, BUDGET)
    hourly(shift, [(50.0, 100.0), (None, 100.0)])
    shift.restarts(shift.park)
    hourly(shift, [(50.0, 100.0), (50.0, 100.0)], first=2)
    assert raised(shift, "cod-budget") == [(H0 + 3 * HOUR, 10.0)]


def test_the_day_mean_of_an_outfall_is_weighted_by_its_flow_and_spoilt_by_one_abnormal_hour(
    client: redis.Redis,
) -> None:
    shift = outlet(client, BUDGET)
    midnight = Span.DAY.begin(H0) + DAY
    first = (midnight - H0) // HOUR
    hourly(
        shift,
        [(10.0, 300.0)] * 12 + [(90.0, 100.0)] * 12 + [(10.0, 1.0)] * 23 + [(None, 1.0)] + [(1.0, 1.0)] * 2,
        first,
    )
    entries: Any = client.xrange(names.RESULTS)
    decoded = [msgspec.json.decode(fields[b"results"], type=dict[str, list[Result]]) for _, fields in entries]
    told = [each for entry in decoded for each in entry.get(f"{OUTLET}/cod", ()) if each.flag is Flag.FINAL]
    days = [each for each in told if each.statistic is Statistic.DAY]
    assert [(day.begin, day.valid) for day in days] == [(midnight, True), (midnight + DAY, False)]
    assert [day.value for day in days] == pytest.approx([(10 * 300 + 90 * 100) / 400, 10.0])


def _hour_of(client: redis.Redis, series: str, begin: int) -> Result:
    entries: Any = client.xrange(names.RESULTS)
    decoded = [msgspec.json.decode(fields[b"results"], type=dict[str, list[Result]]) for _, fields in entries]
    told = [each for entry in decoded for each in entry.get(series, ()) if each.flag is Flag.FINAL]
    [hour] = [each for each in told if each.statistic is Statistic.HOUR and each.begin == begin]
    return hour


def every_minute(shift: Shift, first: int, values: Sequence[tuple[float, float | None]]) -> None:
    """Hear COD and flow, of the same sensor, minute by minute; a flow of ``None`` is a failure."""
    shift.directory.put(sensor(OUTLET, interval=MINUTE, location=Location.OUTFALL))
    for number, (cod, flow) in enumerate(values):
        t = shift.clock.time = first + number * MINUTE
        quality = Quality.GOOD if flow is not None else Quality.FAILURE
        shift.hears(at(t, cod, f"{OUTLET}/cod"), Reading(f"{OUTLET}/flow-water", t, flow, quality, t))
        if number % 30 == 29:
            shift.beats()
            shift.evaluator.sweep()
            shift.restarts(shift.park)
    shift.sweeps((first + len(values) * MINUTE + 3 * MINUTE - T0) / 1000)


def test_where_the_flow_is_bad_the_last_good_one_weighs(client: redis.Redis) -> None:
    shift = outlet(client, BUDGET)
    every_minute(shift, H0, [(10.0, 300.0)] * 20 + [(10.0, None)] * 10 + [(90.0, 100.0)] * 10 + [(90.0, None)] * 20)
    hour = _hour_of(client, f"{OUTLET}/cod", H0)
    assert (hour.valid, hour.count) == (True, 60)
    assert hour.value == pytest.approx((30 * 10 * 300 + 30 * 90 * 100) / (30 * 300 + 30 * 100))


def test_what_no_flow_of_the_last_hour_stands_for_spoils_the_mean_of_wastewater(client: redis.Redis) -> None:
    shift = outlet(client, BUDGET)
    every_minute(shift, H0, [(10.0, 300.0)] * 31 + [(10.0, None)] * 89)
    first, second = (_hour_of(client, f"{OUTLET}/cod", H0 + n * HOUR) for n in range(2))
    assert (first.valid, first.count) == (True, 60)
    # The last good flow is that of minute 30: the 31st minute of the next hour is the first without.
    assert (second.valid, second.count) == (False, 31)


def test_an_outfall_without_a_flow_meter_weighs_every_value_alike(client: redis.Redis) -> None:
    shift = outlet(client, BUDGET)
    shift.directory.put(sensor(OUTLET, interval=MINUTE, location=Location.OUTFALL))
    for number, cod in enumerate([10.0] * 20 + [40.0] * 40):
        shift.clock.time = H0 + number * MINUTE
        shift.hears(at(shift.clock.time, cod, f"{OUTLET}/cod"))
    shift.sweeps((H0 + HOUR + 3 * MINUTE - T0) / 1000)
    hour = _hour_of(client, f"{OUTLET}/cod", H0)
    assert hour.valid
    assert hour.value == pytest.approx(30.0)


def test_batches_that_are_delivered_again_change_no_mean(client: redis.Redis) -> None:
    shift = outlet(client, BUDGET)
    shift.directory.put(sensor(OUTLET, interval=5 * MINUTE, location=Location.OUTFALL))
    for number in range(12):
        t = shift.clock.time = H0 + number * 5 * MINUTE
        batch = (at(t, 100.0, f"{OUTLET}/flow-water"), at(t, float(number), f"{OUTLET}/cod"))
        shift.hears(*batch)
        shift.hears(*batch)
        if number % 4 == 3:
            shift.beats()
            shift.evaluator.sweep()
            shift.restarts(shift.park)
            shift.hears(*batch)
    shift.sweeps((H0 + HOUR + 3 * MINUTE - T0) / 1000)
    hour = _hour_of(client, f"{OUTLET}/cod", H0)
    assert hour.count == 12
    assert hour.value == pytest.approx(5.5)
