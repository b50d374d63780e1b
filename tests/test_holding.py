"""Means, votes and loads held against their limits, without a worker."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from park.alarms import Event, Notify, Timer, Transition
from park.evaluate import Record, Watch, hold_derived, hold_results
from park.limits import Kind, Limit
from park.means import HOUR, MINUTE
from park.readings import Reading
from park.statistics import Result, Statistic
from park.words import Quality
from tests.making import SERIES, T0, Story, limit, point, quality_limit, reading, two_levels

HOURLY = limit("h2s-hour", kind=Kind.MEAN, of=Statistic.HOUR)
DAILY = limit("h2s-day", kind=Kind.MEAN, of=Statistic.DAY, set_points=(point("high", 5.0),))
ALLOWED = 5 * MINUTE
"""How late a mean may come."""


def hour(number: int, value: float | None, **changes: Any) -> Result:
    """Return a valid mean of the hour that ends ``number`` hours after ``T0``."""
    end = T0 + number * HOUR
    return msgspec.structs.replace(
        Result(Statistic.HOUR, end - HOUR, end, value, valid=True, count=60, share=1.0), **changes
    )


def hold(
    results: list[Result], *limits: Limit, record: Record | None = None, after: int = 0
) -> tuple[Record, list[Transition]]:
    """Hold ``results`` ``after`` ms after the end of the last one."""
    watch = Watch(SERIES, limits or (HOURLY,), 180_000, T0)
    return hold_results(record or Record(), watch, results, results[-1].end + after, ALLOWED)


def test_a_mean_is_held_at_its_end_and_says_so() -> None:
    record, (raised,) = hold([hour(1, 10.5)], after=120_000)
    assert (raised.event, raised.notify, raised.severity) == (Event.RAISED, Notify.PAGE, "high")
    assert (raised.series, raised.limit, raised.value, raised.set_point) == (SERIES, "h2s-hour", 10.5, 10.0)
    assert (raised.t, raised.at) == (T0 + HOUR, T0 + HOUR + 120_000)
    alarm = record.alarms["h2s-hour"]
    assert (alarm.level, alarm.raised_t, alarm.raised_at) == (1, T0 + HOUR, T0 + HOUR + 120_000)


def test_a_mean_at_its_limit_is_not_beyond_it() -> None:
    assert hold([hour(1, 10.0)])[1] == []


def test_means_are_held_in_order_and_only_the_latest_pages() -> None:
    record, told = hold([hour(1, 11.0), hour(2, 9.0), hour(3, 12.0), hour(4, 13.0)], after=MINUTE)
    assert [(each.event, each.t, each.value) for each in told] == [
        (Event.LATE, T0 + HOUR, 11.0),
        (Event.RAISED, T0 + 3 * HOUR, 12.0),
    ]
    assert record.alarms["h2s-hour"].occurrence == 1


def _hourly() -> dict[str, Any]:
    return {"kind": Kind.MEAN, "of": Statistic.HOUR}


def test_an_alarm_on_means_escalates_eases_and_returns_with_them() -> None:
    held, record, told = two_levels(**_hourly()), Record(), []
    for number, value in enumerate([11.0, 25.0, 11.0, 9.0], start=1):
        record, found = hold([hour(number, value)], held, record=record, after=MINUTE)
        told += [(each.event, each.severity, each.t) for each in found]
    assert told == [
        (Event.RAISED, "high", T0 + HOUR),
        (Event.ESCALATED, "high-high", T0 + 2 * HOUR),
        (Event.EASED, "high", T0 + 3 * HOUR),
        (Event.RETURNED, "high", T0 + 4 * HOUR),
    ]


@pytest.mark.parametrize(("value", "valid"), [(99.0, False), (None, True), (None, False), (1.0, False)])
def test_a_mean_that_is_not_valid_neither_raises_nor_returns(value: float | None, valid: bool) -> None:  # noqa: FBT001
    assert hold([hour(1, value, valid=valid)]) == (Record(), [])
    record, _ = hold([hour(1, 99.0)])
    assert hold([hour(2, value, valid=valid)], record=record) == (record, [])


def test_one_that_is_not_valid_does_not_hide_the_next() -> None:
    _, told = hold([hour(1, 99.0, valid=False), hour(2, 99.0)])
    assert [each.t for each in told] == [T0 + 2 * HOUR]


def test_each_limit_is_held_against_its_own_statistic() -> None:
    threshold, quality = limit("h2s-high"), quality_limit()
    record, told = hold([hour(1, 99.0)], threshold, quality, DAILY, HOURLY)
    assert [each.limit for each in told] == ["h2s-hour"]
    assert [*record.alarms] == ["h2s-hour"]
    # A threshold that names a statistic by mistake is still one of readings.
    assert hold([hour(1, 99.0)], limit("odd", of=Statistic.HOUR))[1] == []


def test_all_limits_on_a_statistic_are_held() -> None:
    strict = limit("strict", kind=Kind.MEAN, of=Statistic.HOUR, set_points=(point("high", 1.0),))
    record, told = hold([hour(1, 99.0)], HOURLY, strict)
    assert [each.limit for each in told] == ["h2s-hour", "strict"]
    assert [*record.alarms] == ["h2s-hour", "strict"]


def test_a_mean_that_comes_later_than_its_own_length_and_what_is_allowed_pages_nobody() -> None:
    _, (in_time,) = hold([hour(1, 99.0)], after=HOUR + ALLOWED)
    assert in_time.event is Event.RAISED
    record, (late,) = hold([hour(1, 99.0)], after=HOUR + ALLOWED + 1)
    assert (late.event, late.notify, late.why) == (Event.LATE, Notify.NONE, "late-data")
    assert (late.t, late.value, late.series, late.limit) == (T0 + HOUR, 99.0, SERIES, "h2s-hour")
    assert late.at == T0 + HOUR + HOUR + ALLOWED + 1
    assert record == Record()


def test_a_late_mean_below_its_limit_is_no_news_and_returns_nothing() -> None:
    record, _ = hold([hour(2, 99.0)])
    assert hold([hour(1, 1.0)], record=record, after=9 * HOUR) == (record, [])
    assert hold([hour(3, 1.0)], record=record, after=9 * HOUR) == (record, [])


def test_a_late_mean_that_its_alarm_covers_is_known() -> None:
    record, _ = hold([hour(2, 99.0)])
    assert hold([hour(2, 99.0)], record=record, after=9 * HOUR)[1] == []
    assert hold([hour(3, 99.0)], record=record, after=9 * HOUR)[1] == []
    assert [each.event for each in hold([hour(1, 99.0)], record=record, after=9 * HOUR)[1]] == [Event.LATE]


def test_the_same_mean_again_changes_nothing() -> None:
    for value in (99.0, 1.0):
        record, _ = hold([hour(1, value)])
        assert hold([hour(1, value)], record=record) == (record, [])


@pytest.mark.parametrize("kind", [Kind.MEAN, Kind.VOTE, Kind.BUDGET])
def test_what_is_held_against_results_is_not_held_against_readings(kind: Kind) -> None:
    held = limit("derived", kind=kind, of=Statistic.HOUR)
    story = Story([held])
    assert story.hears(reading(0, 99.0)) == []
    story.record, _ = hold([hour(1, 99.0)], HOURLY)
    story.limits = [HOURLY]
    assert story.hears(reading(7200, 1.0)) == [], "nor does a reading return it"


def test_a_timer_that_a_mean_starts_has_both_clocks() -> None:
    record, _ = hold([hour(1, 99.0)], limit("h2s-hour", kind=Kind.MEAN, of=Statistic.HOUR, on_delay=1), after=MINUTE)
    assert record.alarms["h2s-hour"].timers == (Timer(T0 + HOUR, T0 + HOUR + MINUTE),)


def test_a_record_that_a_mean_does_not_change_is_the_same_one() -> None:
    record, _ = hold([hour(1, 99.0)])
    assert hold([hour(2, 99.0)], record=record)[0] is record


def test_a_mean_leaves_alone_what_is_remembered_of_readings() -> None:
    before = Record(T0, T0, 3.0, Quality.OUT_OF_SPECIFICATION, {}, 7, {"x": (1.0,)})
    after, _ = hold([hour(1, 99.0)], record=before)
    assert msgspec.structs.replace(after, alarms={}) == before


def test_a_value_of_a_derived_series_is_held_and_remembered() -> None:
    series = "north/unit-1/voting/two"
    vote = limit("two", kind=Kind.VOTE, set_points=(point("high", 1.5),), unit="")
    other = limit("three", kind=Kind.VOTE, set_points=(point("high", 2.5),), unit="")
    watch = Watch(series, (vote, other), 180_000, T0)
    record, told = hold_derived(Record(), watch, Reading(series, T0, 2.0, Quality.GOOD, T0 + 1), T0 + 2)
    assert [(each.event, each.series, each.limit, each.value, each.t, each.at) for each in told] == [
        (Event.RAISED, series, "two", 2.0, T0, T0 + 2)
    ]
    assert (record.t, record.received, record.value, record.quality) == (T0, T0 + 1, 2.0, Quality.GOOD)
    second = Reading(series, T0 + 5, 3.0, Quality.OUT_OF_SPECIFICATION, T0 + 6)
    record, told = hold_derived(record, watch, second, T0 + 7)
    assert [(each.event, each.limit) for each in told] == [(Event.RAISED, "three")]
    assert (record.t, record.received, record.value, record.quality) == (
        T0 + 5,
        T0 + 6,
        3.0,
        Quality.OUT_OF_SPECIFICATION,
    )
    record, told = hold_derived(record, watch, Reading(series, T0 + 9, 0.0, Quality.GOOD, T0 + 9), T0 + 9)
    assert [(each.event, each.limit) for each in told] == [(Event.RETURNED, "two"), (Event.RETURNED, "three")]


def test_a_vote_may_return_in_the_very_ms_in_which_it_was_raised() -> None:
    # Votes are counted by parkwatch's own clock, which several counts may share.
    series = "north/unit-1/voting/two"
    watch = Watch(series, (limit("two", kind=Kind.VOTE, set_points=(point("high", 1.5),)),), 180_000, T0)
    record, _ = hold_derived(Record(), watch, Reading(series, T0, 2.0, Quality.GOOD, T0), T0)
    _, told = hold_derived(record, watch, Reading(series, T0, 1.0, Quality.GOOD, T0), T0)
    assert [each.event for each in told] == [Event.RETURNED]
