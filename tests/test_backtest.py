"""Backtest: what would have alarmed over a history, in event time."""

from __future__ import annotations

import csv
import dataclasses
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from field.past import RecordedPast
from field.recording import prepare
from park.backtest import Backtest, Course, Day, Outcome, Park, Report, Subject, Which, day_text
from park.catalogue import Catalogue
from park.limits import Kind, Limit, Match
from park.means import DAY, HOUR, MINUTE
from park.statistics import Statistic
from park.vector import CODES, Stretch
from park.words import Location, Quality
from storage.configuration import load
from tests.conftest import ROOT
from tests.making import SERIES, T0, catalogue, limit, many, point, quality_limit, two_levels
from tests.occurrences import MISSING, count
from tests.test_vector import course, histories

EXCERPT = ROOT / "tests" / "fixtures" / "air_quality_uci_excerpt.csv"
WHOLE = ROOT.parent / "shared" / "data" / "air_quality_uci.csv"
MAP = ROOT / "config" / "maps" / "air_quality_uci.yaml"
#: Midnight in China.
MIDNIGHT = 1_767_196_800_000


def stretch(*values: float | None, begin: int = MIDNIGHT, step: int = MINUTE) -> Stretch:
    """Return a reading every ``step`` ms; ``None`` is a failure."""
    quality = [CODES[Quality.FAILURE if value is None else Quality.GOOD] for value in values]
    numbers = [np.nan if value is None else value for value in values]
    return Stretch(begin + np.arange(len(values), dtype=np.int64) * step, np.array(numbers), np.array(quality, np.int8))


def trial(*limits: Limit, new: tuple[Limit, ...] | None = None, skip: bool = True) -> Backtest:
    before = Park(catalogue(*limits), T0)
    return Backtest(before, Park(catalogue(*(limits if new is None else new)), T0), keep=True, skip=skip)


def run(backtest: Backtest, *parts: Stretch, series: str = SERIES, until: int | None = None) -> Report:
    """Run one series and return the report."""
    end = int(parts[-1].t[-1]) + MINUTE if until is None else until
    backtest.run(Subject(series, Location.WORKPLACE, MINUTE), parts, end)
    return backtest.report(int(parts[0].t[0]), end, lambda _: 1)


def outcome(report: Report) -> Outcome:
    """Return what the only limit in force did."""
    [row] = report.rows
    assert row.in_force
    return row.in_force.outcome


# --- event time --------------------------------------------------------------------------------------------------


@pytest.fixture(params=[True, False], ids=["skipping", "every reading"])
def skip(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


def test_an_occurrence_has_begin_end_peak_and_severity(skip: bool) -> None:  # noqa: FBT001
    report = run(trial(two_levels(), skip=skip), stretch(1.0, 12.0, 25.0, 18.0, 3.0, 11.0))
    found = report.occurrences[Which.IN_FORCE]
    minutes = [(each.severity, (each.begin - MIDNIGHT) // MINUTE, each.end, each.peak) for each in found]
    assert minutes == [("high-high", 1, MIDNIGHT + 4 * MINUTE, 25.0), ("high", 5, None, 11.0)]
    total = outcome(report)
    assert (total.occurrences, total.standing, total.above, total.judged) == (2, 1, 4, 6)
    assert (total.duration, total.longest) == (4 * MINUTE, 3 * MINUTE)


def test_a_delay_ends_between_two_readings(skip: bool) -> None:  # noqa: FBT001
    rule = limit(on_delay=30_000, off_delay=90_000)
    report = run(trial(rule, skip=skip), stretch(1.0, 12.0, 1.0, 1.0, 1.0))
    [found] = report.occurrences[Which.IN_FORCE]
    assert (found.begin, found.end) == (MIDNIGHT + MINUTE + 30_000, MIDNIGHT + 2 * MINUTE + 90_000)


def test_at_the_end_of_a_delay_a_reading_goes_first(skip: bool) -> None:  # noqa: FBT001
    report = run(trial(limit(on_delay=MINUTE), skip=skip), stretch(1.0, 12.0, 1.0, 12.0, 12.0, 1.0))
    [found] = report.occurrences[Which.IN_FORCE]
    assert (found.begin, found.end) == (MIDNIGHT + 4 * MINUTE, MIDNIGHT + 5 * MINUTE)


def test_a_delay_that_bad_data_held_up_ends_after_a_good_reading(skip: bool) -> None:  # noqa: FBT001
    # The last two are of the same time, at which a reading never clears.
    t = MIDNIGHT + np.array([0, 1_000, 2_000, 61_000, 61_000, 90_000])
    quality = [CODES[Quality.FAILURE if bad else Quality.GOOD] for bad in (0, 0, 1, 1, 0, 0)]
    history = Stretch(t, np.array([11.0, 4.0, 4.0, 4.0, 4.0, 4.0]), np.array(quality, np.int8))
    [found] = run(trial(limit(off_delay=58_000), skip=skip), history).occurrences[Which.IN_FORCE]
    assert found.end == MIDNIGHT + 61_001


def test_silence_alarms_when_it_is_one_and_at_the_end(skip: bool) -> None:  # noqa: FBT001
    parts = stretch(1.0, 1.0), stretch(1.0, 1.0, begin=MIDNIGHT + HOUR)
    report = run(trial(quality_limit(), skip=skip), *parts, until=MIDNIGHT + 2 * HOUR)
    found = report.occurrences[Which.IN_FORCE]
    silent = 3 * MINUTE + 1
    assert [(each.begin - MIDNIGHT, each.end) for each in found] == [
        (MINUTE + silent, MIDNIGHT + HOUR),
        (HOUR + MINUTE + silent, None),
    ]


def test_bad_data_neither_raises_nor_clears(skip: bool) -> None:  # noqa: FBT001
    report = run(trial(limit(), skip=skip), stretch(12.0, None, None, 12.0, 1.0))
    total = outcome(report)
    assert (total.occurrences, total.duration, total.judged, total.values) == (1, 4 * MINUTE, 3, 5)


def test_an_occurrence_over_midnight_counts_on_both_days(skip: bool) -> None:  # noqa: FBT001
    report = run(trial(limit(), skip=skip), stretch(12.0, 12.0, 12.0, 1.0, begin=MIDNIGHT - 2 * HOUR, step=HOUR))
    days = outcome(report).days
    assert {day_text(begin): day for begin, day in days.items()} == {
        "2025-12-31": Day(1, 2 * HOUR, 2),
        "2026-01-01": Day(0, HOUR, 1),
    }


def test_a_mean_counts_from_the_end_of_its_block_and_for_the_day_that_it_is_of(skip: bool) -> None:  # noqa: FBT001
    rule = limit(kind=Kind.MEAN, of=Statistic.HOUR)
    values = [1.0] * 60 + [30.0] * 60 + [1.0] * 60
    report = run(trial(rule, skip=skip), stretch(*values, begin=MIDNIGHT - 2 * HOUR))
    [found] = report.occurrences[Which.IN_FORCE]
    assert (found.begin, found.end, found.peak) == (MIDNIGHT, MIDNIGHT + HOUR, 30.0)
    assert outcome(report).days[MIDNIGHT - DAY].above == 1
    assert outcome(report).days[MIDNIGHT] == Day(1, HOUR, 0)


def test_hours_that_are_not_valid_are_not_judged(skip: bool) -> None:  # noqa: FBT001
    rule = limit(kind=Kind.MEAN, of=Statistic.HOUR)
    total = outcome(run(trial(rule, skip=skip), stretch(*[30.0] * 44, *[None] * 16, *[None] * 60)))
    assert (total.values, total.judged, total.above, total.occurrences) == (1, 0, 0, 0)


def test_a_rule_that_follows_readings_sees_every_one() -> None:
    rule = limit(kind=Kind.FLATLINE, window=10 * MINUTE, tolerance=0.1, set_points=(point("high", 600_000.0),))
    values = [1.0, 2.0] * 10 + [5.0] * 15 + [1.0]
    total = outcome(run(trial(rule), stretch(*values)))
    assert (total.occurrences, total.above) == (1, None)


def test_means_of_an_outfall_are_weighted_by_the_flow_that_was_known(skip: bool) -> None:  # noqa: FBT001
    rule = limit("cod-day", kind=Kind.MEAN, of=Statistic.DAY, set_points=(point("high", 50.0),))
    backtest = trial(rule, skip=skip)
    values = [10.0] * 20 + [100.0] * 4
    flows = [stretch(*[1.0] * 20, *[10.0] * 2, step=HOUR), stretch(10.0, 10.0, begin=MIDNIGHT + 22 * HOUR, step=HOUR)]
    subject = Subject(SERIES, Location.OUTFALL, HOUR)
    hours = [stretch(*values[:12], step=HOUR), stretch(*values[12:], begin=MIDNIGHT + 12 * HOUR, step=HOUR)]
    backtest.run(subject, hours, MIDNIGHT + DAY, lambda: flows)
    [found] = backtest.report(MIDNIGHT, MIDNIGHT + DAY, lambda _: 1).occurrences[Which.NEW]
    # 20 h of 10 with a flow of 1, and 4 h of 100 with a flow of 10; of all hours alike it would be 25.
    assert found.peak == pytest.approx((20 * 10 + 4 * 100 * 10) / 60)


# --- floods ------------------------------------------------------------------------------------------------------


def test_floods_are_those_of_a_zone() -> None:
    backtest = trial(limit(), new=(limit(set_points=(point("high", 50.0),)),))
    for number in range(12):
        history = stretch(1.0, *[1.0] * (number // 2), 20.0, *[1.0] * 10)
        backtest.run(Subject(f"north/unit-1/gd-{number}/h2s", Location.WORKPLACE, MINUTE), [history], MIDNIGHT + HOUR)
    [zone] = backtest.report(MIDNIGHT, MIDNIGHT + HOUR, lambda _: 1).zones
    assert (zone.zone, zone.in_force.announced, zone.in_force.most, len(zone.in_force.floods)) == ("north", 12, 12, 1)
    assert (zone.new.announced, zone.new.floods) == (0, [])


# --- the limits in force beside others ---------------------------------------------------------------------------


def test_limits_are_compared_one_by_one() -> None:
    stricter = limit(set_points=(point("high", 5.0),))
    added = limit("h2s-more", set_points=(point("high", 6.0),))
    gone = limit("h2s-gone")
    report = run(trial(limit(), gone, quality_limit(), new=(stricter, added, quality_limit())), stretch(1.0, 7.0, 12.0))
    rows = {row.limit: row for row in report.rows}
    counts = {name: [each and each.outcome.above for each in (row.in_force, row.new)] for name, row in rows.items()}
    assert counts == {"h2s-high": [1, 2], "h2s-gone": [1, None], "data-quality": [0, 0], "h2s-more": [None, 2]}
    assert {name for name, row in rows.items() if row.changed} == {"h2s-high", "h2s-gone", "h2s-more"}


def test_a_limit_counts_as_it_stands_on_the_day_asked_for() -> None:
    later = limit("h2s-later", valid_from=T0 + DAY)
    park = catalogue(limit(), later)
    backtest = Backtest(Park(park, T0), Park(park, T0 + DAY))
    rows = {row.limit: row for row in run(backtest, stretch(12.0)).rows}
    assert rows["h2s-later"].in_force is None
    assert rows["h2s-later"].new
    assert rows["h2s-later"].changed


def test_a_limit_for_a_zone_does_not_apply_in_another() -> None:
    report = run(trial(limit(match=Match(zones=("south",)))), stretch(12.0))
    assert (report.rows, report.series, report.readings) == ([], 1, 1)


def test_a_load_budget_is_left_out_and_named() -> None:
    budget = limit("h2s-load", kind=Kind.BUDGET, flow="flow-water")
    report = run(trial(limit(), budget), stretch(12.0))
    assert report.left_out == ["h2s-load"]
    assert [row.limit for row in report.rows] == ["h2s-high"]


VOTE = limit(
    "h2s-vote",
    kind=Kind.VOTE,
    match=Match(zones=("north",)),
    set_points=(point("high", 1.0),),
    votes=("h2s-high",),
    window=5 * MINUTE,
)


def voted(*histories: Stretch, vote: Limit = VOTE) -> list[tuple[int, int | None, float | None]]:
    """Return begin and end in minutes, and the most votes, where each detector of a site has a history."""
    backtest = trial(limit(), vote)
    for number, history in enumerate(histories):
        subject = Subject(f"north/unit-1/gd-{number}/h2s", Location.WORKPLACE, MINUTE)
        backtest.run(subject, [history], MIDNIGHT + HOUR)
    found = backtest.report(MIDNIGHT, MIDNIGHT + HOUR, lambda _: 1).occurrences[Which.NEW]
    return [
        ((each.begin - MIDNIGHT) // MINUTE, each.end and (each.end - MIDNIGHT) // MINUTE, each.peak)
        for each in found
        if each.limit == "h2s-vote"
    ]


def test_detectors_that_alarm_together_are_a_vote() -> None:
    long, short, quiet = stretch(*[12.0] * 20, 1.0), stretch(*[1.0] * 7, *[12.0] * 8, 1.0), stretch(*[1.0] * 30)
    assert voted(long, short, quiet) == [(7, 15, 2.0)]
    assert voted(long, quiet) == []
    assert voted(long, short, quiet, vote=msgspec.structs.replace(VOTE, match=Match(zones=("south",)))) == []


def test_a_detector_votes_for_the_window_after_its_alarm_was_raised() -> None:
    first, then, late = stretch(12.0, *[1.0] * 9), stretch(*[1.0] * 4, 12.0, 1.0), stretch(*[1.0] * 6, 12.0, 1.0)
    assert voted(first, then) == [(4, 5, 2.0)]
    assert voted(first, late) == []


def test_a_vote_that_goes_on_stands() -> None:
    assert voted(stretch(12.0, *[12.0] * 59), stretch(*[1.0] * 9, *[12.0] * 51)) == [(9, None, 2.0)]


def test_a_detector_votes_once() -> None:
    again = stretch(12.0, 1.0, 12.0, 1.0, 12.0)
    assert voted(again) == []


# --- a stricter limit never alarms later -------------------------------------------------------------------------


RULES: list[dict[str, Any]] = [
    {},
    {"deadband": 2.0},
    {"on_delay": 60_000, "off_delay": 120_000},
    {"kind": Kind.NEGATIVE_LIST, "off_delay": 60_000},
    {"kind": Kind.MEAN, "of": Statistic.MINUTE},
]


@pytest.mark.parametrize("changes", RULES, ids=range(len(RULES)))
@given(history=histories(), lower=st.sampled_from([0.0, 1.0, 6.0]), shorter=st.booleans())
@many
def test_a_stricter_limit_never_alarms_later(
    changes: dict[str, Any], history: Stretch, lower: float, *, shorter: bool
) -> None:
    lax = limit(**changes)
    strict = limit(**changes, set_points=(point("high", 10.0 - lower),))
    if shorter:
        strict = msgspec.structs.replace(strict, on_delay=lax.on_delay // 2, off_delay=lax.off_delay * 2)
    spans = {each: spans_of(course(each, [history], skip=False)) for each in (lax, strict)}
    for begin, end in spans[lax]:
        assert any(other <= begin and end <= until for other, until in spans[strict])


def spans_of(found: Course) -> list[tuple[int, float]]:
    return [(each.begin, float("inf") if each.end is None else each.end) for each in found.occurrences]


# --- a year of a real station ------------------------------------------------------------------------------------


def uci(mean: str, quantity: str, at: float) -> Limit:
    """Return a limit in mg/m3 on a mean."""
    match, points = Match(quantities=(quantity,)), (point("high", at),)
    return limit(f"{quantity}-{mean}", kind=Kind.MEAN, of=Statistic(mean), match=match, set_points=points)


UCI = (uci("hour", "no2", 0.2), uci("hour", "co", 10.0), uci("hour", "benzene", 0.03), uci("day", "no2", 0.08))


def replayed(file: Path, *, skip: bool) -> dict[str, Outcome]:
    """Return what the means of the UCI station would have done."""
    park = load(ROOT / "config")
    past = RecordedPast(prepare(file, MAP, park), park)
    means = Park(only(park), T0)
    backtest = Backtest(means, means, skip=skip)
    for subject in past.subjects():
        backtest.run(subject, past.stretches(subject), past.end)
    rows = backtest.report(past.begin, past.end, lambda _: 1).rows
    return {row.limit: row.new.outcome for row in rows if row.new}


def only(park: Catalogue) -> Catalogue:
    return dataclasses.replace(park, limits=UCI)


def day_means(path: Path, column: str) -> list[tuple[int, float]]:
    """Average the days of a column by hand: how many hours each has, and their mean."""
    days = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as lines:
        for row in csv.DictReader(lines):
            if float(row[column]) != MISSING:
                days[datetime.fromisoformat(row["time"]).date()].append(float(row[column]))
    return [(len(values), sum(values) / len(values)) for values in days.values()]


def test_means_of_an_excerpt_are_what_an_independent_count_gives(skip: bool) -> None:  # noqa: FBT001
    found = replayed(EXCERPT, skip=skip)
    for name, column, threshold in (
        ("no2-hour", "NO2(GT)", 200.0),
        ("co-hour", "CO(GT)", 10.0),
        ("benzene-hour", "C6H6(GT)", 30.0),
    ):
        expected = count(EXCERPT, column, threshold)
        assert (found[name].occurrences, found[name].judged) == (expected.occurrences, expected.good)
        with EXCERPT.open(encoding="utf-8", newline="") as lines:
            above = sum(float(row[column]) > threshold for row in csv.DictReader(lines))
        assert found[name].above == above
    days = day_means(EXCERPT, "NO2(GT)")
    valid = [mean for hours, mean in days if hours >= 20]
    assert (found["no2-day"].values, found["no2-day"].judged) == (len(days), len(valid))
    assert found["no2-day"].above == sum(mean > 80 for mean in valid)
    assert found["no2-day"].above


@pytest.mark.skipif(not WHOLE.is_file(), reason="the whole data set is not there (data set 360 of UCI)")
def test_means_of_the_whole_year() -> None:
    found = replayed(WHOLE, skip=True)
    hours = {name: (each.above, each.occurrences) for name, each in found.items() if name.endswith("hour")}
    assert hours == {"no2-hour": (388, 137), "co-hour": (5, 3), "benzene-hour": (185, 114)}
    assert (found["no2-day"].judged, found["no2-day"].values, found["no2-day"].above) == (321, 357, 273)
