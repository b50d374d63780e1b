"""What the console's pages make of plain data: times, trends, what may be done. Pure."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from alerts import words
from alerts.console.views import text, times
from alerts.console.views.alarms import Shown, matches, show
from alerts.console.views.detail import SHIFT, doable, shelve_choices, shelve_until
from alerts.console.views.trend import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Level, draw
from park.alarms import Acknowledgement, Alarm, Availability, Condition, Event, Removal, Shelving, State, reach
from park.words import Location, Quality
from storage.states import snapshot
from storage.trends import Point, Trend
from storage.users import Role
from tests.alerting import NOW, catalogue, limit, sensor, transition

MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def shown(**changes: Any) -> Shown:
    """The HF alarm as the console shows it; ``changes`` to the alarm go on top."""
    raised = reach(Alarm(), 1, t=NOW - 40, at=NOW, value=5100.0).alarm
    alarm = msgspec.structs.replace(raised, **changes)
    return show(snapshot(transition(), alarm, limit()), catalogue(), lambda _: sensor(), "http://park.example")


# --- times ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ms", "zh", "en"),
    [
        (-5, "0 秒", "0 s"),
        (119_999, "119 秒", "119 s"),
        (120_000, "2 分钟", "2 min"),
        (2 * HOUR - 1, "119 分钟", "119 min"),
        (2 * HOUR, "2 小时 0 分", "2 h 0 min"),
        (47 * HOUR + 59 * MINUTE, "47 小时 59 分", "47 h 59 min"),
        (2 * DAY + 4 * HOUR, "2 天 4 小时", "2 d 4 h"),
    ],
)
def test_ages_are_told_in_units_that_tell(ms: int, zh: str, en: str) -> None:
    assert times.age(ms).zh == zh
    assert times.age(ms).en == en


@pytest.mark.parametrize(
    ("ago", "clock"),
    [(0, "03:12:05"), (3 * HOUR, "00:12:05"), (4 * HOUR, "2026-01-01 23:12"), (2 * DAY, "2025-12-31 03:12")],
)
def test_the_day_is_told_unless_it_is_today(ago: int, clock: str) -> None:
    told = times.moment(NOW - ago, NOW)
    assert told.clock == clock.removeprefix("2026-")
    assert told.ms == NOW - ago


@pytest.mark.parametrize(("hour", "left"), [(0, 8), (7.999, 0.001), (8, 8), (15, 1), (16, 8), (23, 1)])
def test_a_shift_ends_at_8_16_and_24_by_the_parks_clock(hour: float, left: float) -> None:
    midnight = NOW - 3 * HOUR - 12 * MINUTE - 5_000
    now = midnight + round(hour * HOUR)
    assert times.end_of_shift(now) - now == round(left * HOUR)


# --- words ---------------------------------------------------------------------------------------------------------


def test_everything_that_can_happen_has_words_and_a_shape() -> None:
    assert set(words.EVENTS) == set(Event)
    assert set(text.STATES) == set(words.STATE_SIGNS) == set(State)
    assert set(text.CONDITIONS) == set(Condition)
    assert set(text.AVAILABILITIES) == set(Availability)
    assert set(text.ACKNOWLEDGEMENTS) == set(Acknowledgement)
    assert set(text.QUALITIES) == set(Quality)
    assert set(text.LOCATIONS) == set(Location)
    signs = list(words.STATE_SIGNS.values())
    assert len(set(signs)) == len(signs)


@pytest.mark.parametrize("table", [text.WORDS, text.REFUSALS], ids=["words", "refusals"])
def test_every_word_is_there_in_both_languages(table: dict[str, Any]) -> None:
    for key, names in table.items():
        assert names.zh, key
        assert names.en, key
        assert not any("\u4e00" <= char <= "\u9fff" for char in names.en), key


# --- search and what may be done -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("search", "found"),
    [("", True), ("hf-01", True), ("氟化氢一号", True), ("DETECTOR leak", True), ("detector chlorine", False)],
)
def test_a_search_wants_every_word_somewhere(search: str, *, found: bool) -> None:
    assert matches(shown(), search) is found


def test_what_may_be_done_depends_on_role_and_state() -> None:
    active = shown()
    assert not doable(active, Role.VIEWER).something
    operator = doable(active, Role.OPERATOR)
    assert (operator.acknowledge, operator.shelve, operator.unshelve) == (True, True, False)
    assert (operator.remove, operator.restore, operator.reset) == (False, False, False)
    assert doable(active, Role.ENGINEER).remove
    shelved = doable(shown(shelved=Shelving("li", "why", NOW + HOUR, NOW)), Role.OPERATOR)
    assert shelved.unshelve
    removed = doable(shown(out_of_service=Removal("wang", "why", NOW)), Role.ENGINEER)
    assert (removed.shelve, removed.remove, removed.restore) == (False, False, True)
    settled = {"level": 0, "latched": True, "acknowledgement": Acknowledgement.ACKNOWLEDGED}
    assert doable(shown(**settled), Role.OPERATOR).reset


def test_the_choices_of_shelving_end_where_they_may() -> None:
    values = [choice.value for choice in shelve_choices(8 * HOUR, "en", NOW)]
    assert values == ["15", "60", "240", SHIFT]
    assert [choice.value for choice in shelve_choices(HOUR, "en", NOW)] == ["15", "60"]
    assert shelve_until("60", NOW) == NOW + HOUR
    assert shelve_until(SHIFT, NOW) == times.end_of_shift(NOW)
    assert shelve_until("61", NOW) is None
    assert shelve_until("", NOW) is None


# --- trends --------------------------------------------------------------------------------------------------------

STEP = 10_000


def trend(*points: Point, steps: int = 360) -> Trend:
    return Trend(NOW, NOW + steps * STEP, STEP, points)


def at(step: int, value: float | None, bad: int = 0) -> Point:
    return Point(NOW + step * STEP, value, value, bad)


def test_a_line_breaks_where_data_is_missing() -> None:
    found = draw(trend(at(0, 1.0), at(1, 1.0), at(2, 1.0), at(30, 1.0), at(31, 1.0)), 1.0, (), "mg/m3", 100_000)
    assert [len(line.split()) for line in found.lines] == [3, 2]
    assert not found.dots


def test_a_slow_sensor_is_no_gap() -> None:
    found = draw(trend(at(0, 1.0), at(30, 1.0), at(60, 1.0)), 1.0, (), "mg/m3", 900_000)
    assert [len(line.split()) for line in found.lines] == [3]


def test_a_lone_value_is_a_dot() -> None:
    found = draw(trend(at(0, 1.0), at(100, 2.0)), 1.0, (), "mg/m3", 30_000)
    assert not found.lines
    assert len(found.dots) == 2


def test_the_frame_holds_every_value_and_set_point() -> None:
    levels = [Level(4.0, "high", "4"), Level(8.0, "high-high", "8")]
    found = draw(trend(at(0, 0.1), at(1, 2_000.0)), 0.001, levels, "mg/m3", 30_000)
    places = [tuple(map(float, point.split(","))) for point in found.lines[0].split()]
    assert all(LEFT <= x <= WIDTH - RIGHT and TOP <= y <= HEIGHT - BOTTOM for x, y in places)
    assert all(TOP <= line.y <= HEIGHT - BOTTOM for line in found.set_points)
    assert found.set_points[0].y > found.set_points[1].y
    assert places[1][1] < places[0][1]


def test_words_of_set_points_that_lie_close_do_not_stand_on_each_other() -> None:
    levels = [Level(4.0, "high", "4"), Level(4.01, "high-high", "4.01")]
    low, high = draw(trend(at(0, 100.0)), 1.0, levels, "mg/m3", 30_000).set_points
    assert low.word_y - high.word_y >= 14


def test_doubtful_data_is_marked_where_it_is() -> None:
    found = draw(trend(at(0, 1.0), at(1, None, 1), at(2, None, 3), at(50, 1.0, 1)), 1.0, (), "mg/m3", 30_000)
    assert len(found.doubtful) == 2
    assert found.doubtful[0].x < found.doubtful[1].x
    assert found.doubtful[0].width > found.doubtful[1].width


def test_an_empty_trend_is_said_to_be_empty() -> None:
    found = draw(trend(), 1.0, (), "mg/m3", 30_000)
    assert found.empty
    assert found.summary == ""


@pytest.mark.parametrize(("steps", "first"), [(360, "03:20"), (8 * 360, "04:00"), (24 * 360, "04:00")])
def test_the_ticks_are_round_hours_of_the_park(steps: int, first: str) -> None:
    found = draw(trend(at(0, 1.0), steps=steps), 1.0, (), "mg/m3", 30_000)
    assert found.x_ticks[0].word == first
    assert 4 <= len(found.x_ticks) <= 10


@pytest.mark.parametrize("value", [0.0, 5.0, -3.0, 1e-6, 250_000.0])
def test_a_constant_has_a_frame_too(value: float) -> None:
    found = draw(trend(at(0, value), at(1, value)), 1.0, (), "mg/m3", 30_000)
    assert len(found.lines) == 1
    assert 2 <= len(found.y_ticks) <= 8
