"""Voting: which detectors vote, and for how long; told by their alarms."""

from __future__ import annotations

from typing import Any

import pytest

from park.actions import Remove, Restore
from park.alarms import Alarm, Removal, Timer
from park.evaluate import Record
from park.limits import Kind, Match
from park.votes import count, is_votes, of_votes, votes_series
from tests.making import SERIES, T0, Story, limit, point, reading

VOTED = limit("h2s-high")
OTHER = limit("hf-high", match=Match(quantities=("hf",)))
VOTE = limit(
    "leak-two",
    kind=Kind.VOTE,
    match=Match(),
    set_points=(point("high", 1.5),),
    votes=("h2s-high", "hf-high"),
    needs=2,
    window=60_000,
    unit="",
)
UNIT = ("north", "unit-1")

ACTIVE = Alarm(level=1, occurrence=1, raised_t=T0)
RETURNED = Alarm(occurrence=1, raised_t=T0)
PENDING = Alarm(timers=(Timer(T0, T0),))
REMOVED = Alarm(level=1, occurrence=1, raised_t=T0, out_of_service=Removal("li", "test gas", T0))


def known(**detectors: Alarm) -> dict[str, Record]:
    """Return the records of detectors of one site by name (``gd_01``); each has the alarm that is voted on."""
    return {
        f"north/unit-1/{name.replace('_', '-')}/h2s": Record(t=T0, received=T0, alarms={"h2s-high": alarm})
        for name, alarm in detectors.items()
    }


def votes(alarm: Alarm, after: int, **changes: Any) -> bool:
    """Whether a detector with ``alarm`` votes ``after`` ms."""
    return count(limit("v", **{"votes": ("h2s-high",), "window": 60_000, **changes}), known(gd=alarm), T0 + after) != {}


def test_a_detector_votes_while_its_alarm_is_active() -> None:
    assert votes(ACTIVE, 0)
    assert votes(ACTIVE, 10 * 60_000), "however long ago it was raised"
    assert votes(Alarm(level=2, occurrence=1, raised_t=T0), 10 * 60_000), "escalated"


def test_it_votes_on_until_the_window_after_its_alarm_was_raised_is_over() -> None:
    assert votes(RETURNED, 59_999)
    assert votes(RETURNED, 60_000)
    assert not votes(RETURNED, 60_001)
    assert not votes(RETURNED, 60_000, window=59_999)


def test_one_that_has_never_been_raised_does_not_vote() -> None:
    assert not votes(PENDING, 0)
    # Nor at the beginning of time, which is within any window of it.
    assert count(VOTE, known(gd=PENDING), 1000) == {}
    assert count(VOTE, known(gd=Alarm(raised_t=1)), 1000) == {UNIT: 1}


def test_one_that_is_out_of_service_does_not_vote() -> None:
    assert not votes(REMOVED, 0)
    assert not votes(Alarm(raised_t=T0, out_of_service=Removal("li", "test gas", T0)), 1000)


def test_a_detector_without_the_alarm_does_not_vote() -> None:
    assert count(VOTE, {SERIES: Record(t=T0, received=T0)}, T0) == {}
    assert count(VOTE, {SERIES: Record(alarms={"h2s-twa": ACTIVE})}, T0) == {}
    assert count(VOTE, {}, T0) == {}


def test_all_of_the_limits_that_vote_count_and_a_detector_has_one_vote() -> None:
    both = {
        "north/unit-1/gd-01/h2s": Record(alarms={"h2s-high": ACTIVE, "hf-high": ACTIVE}),
        "north/unit-1/gd-01/hf": Record(alarms={"hf-high": ACTIVE}),
        "north/unit-1/gd-02/hf": Record(alarms={"h2s-high": PENDING, "hf-high": ACTIVE}),
    }
    assert count(VOTE, both, T0) == {UNIT: 2}


def test_detectors_are_counted_by_site() -> None:
    places = [
        "north/unit-1/gd-01/h2s",
        "north/unit-1/gd-02/h2s",
        "north/unit-2/gd-01/h2s",
        "south/unit-1/gd-01/h2s",
        "south/unit-1/gd-02/h2s",
        "south/unit-1/gd-03/h2s",
    ]
    records = {series: Record(alarms={"h2s-high": ACTIVE}) for series in places}
    assert count(VOTE, records, T0) == {UNIT: 2, ("north", "unit-2"): 1, ("south", "unit-1"): 3}


@pytest.mark.parametrize(
    ("match", "covered"),
    [
        (Match(), {("north", "unit-1"), ("north", "unit-2"), ("south", "unit-1")}),
        (Match(zones=("north",)), {("north", "unit-1"), ("north", "unit-2")}),
        (Match(sites=("unit-1",)), {("north", "unit-1"), ("south", "unit-1")}),
        (Match(zones=("north",), sites=("unit-1",)), {("north", "unit-1")}),
        (Match(zones=("east",)), set()),
    ],
)
def test_a_vote_is_taken_where_its_limit_says(match: Match, covered: set[tuple[str, str]]) -> None:
    places = ["north/unit-1/gd-01/h2s", "north/unit-2/gd-01/h2s", "south/unit-1/gd-01/h2s"]
    records = {series: Record(alarms={"h2s-high": ACTIVE}) for series in places}
    held = limit("v", kind=Kind.VOTE, match=match, votes=("h2s-high",), window=60_000)
    assert count(held, records, T0) == dict.fromkeys(covered, 1)


def test_a_brief_burst_votes_for_the_window_and_test_gas_not_at_all() -> None:
    # The detector's whole way, in seconds: a reading of two seconds, a calibration, and back.
    story = Story([VOTED])

    def voting(second: float) -> bool:
        return count(VOTE, {SERIES: story.record}, T0 + round(second * 1000)) == {UNIT: 1}

    story.hears(reading(0, 11.0))
    assert voting(0)
    story.hears(reading(2, 1.0))
    assert [voting(2), voting(60), voting(60.001)] == [True, True, False]
    story.acts(100, Remove(), why="calibration")
    story.hears(reading(101, 50.0))
    assert not voting(101)
    story.acts(110, Restore())
    assert voting(110)


def test_votes_are_a_series_of_the_site() -> None:
    series = votes_series(UNIT, VOTE)
    assert series == "north/unit-1/voting/leak-two"
    assert is_votes(series)
    assert not is_votes(SERIES)
    assert not is_votes("north/voting/gd-01/voting"), "a site and a quantity may be called so"


def test_the_limit_of_votes_is_found_again_and_no_other() -> None:
    impostor = limit("leak-two")
    assert of_votes([OTHER, impostor, VOTE], "north/unit-1/voting/leak-two") is VOTE
    assert of_votes([OTHER, impostor], "north/unit-1/voting/leak-two") is None
    assert of_votes([VOTE], "north/unit-1/voting/leak-three") is None
