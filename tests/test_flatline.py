"""Flatline: a value that does not move is told, and one that moves or is not heard of is not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerts.console.views.alarms import compared, measured, show
from alerts.console.views.detail import detail, journal
from alerts.messages import Addresses, Stuck, compose, line
from field.incidents import choose
from field.plant import SENSORS
from field.simulated import SimulatedPark
from park.alarms import Event, Transition
from park.evaluate import Record
from park.limits import Kind, Limit
from park.readings import Reading
from park.rules import flatline
from storage.states import snapshot
from tests.making import (
    BAD,
    MINUTE,
    MISSING,
    RESTART,
    SWEEP,
    T0,
    Step,
    Story,
    catalogue,
    limit,
    many,
    point,
    reading,
    tell,
)
from tests.moving import STEPS, in_one_go, in_pieces, walk


def stuck(**changes: Any) -> Limit:
    """Unchanged by more than 0.1 for more than ten minutes."""
    plain = {"kind": Kind.FLATLINE, "window": 10 * MINUTE, "tolerance": 0.1, "unit": "min"}
    points = (point("high", 600_000.0),)
    return limit("stuck", **{**plain, "set_points": points, "shown_per_canonical": 1 / MINUTE, **changes})


# A step is (second, what is heard, *what comes of it).
TALES: dict[str, tuple[Limit, list[Step]]] = {
    "equal readings only": (stuck(), [(0, 7.0), (300, 7.0), (600, 7.0), (601, 7.0, "raised high"), (900, 7.0)]),
    "zero is a value like any other": (stuck(tolerance=0.0), [(0, 0.0), (400, 0.0), (700, 0.0, "raised high")]),
    "within the tolerance nothing moves": (stuck(), [(0, 7.0), (300, 7.09), (500, 6.91), (601, 7.05, "raised high")]),
    "a creeping value moves": (stuck(), [(0, 7.0), (300, 7.09), (500, 7.18), (601, 7.27), (1000, 7.3), (1090, 7.27)]),
    "a change begins anew": (stuck(), [(0, 7.0), (500, 8.0), (601, 8.0), (1100, 8.0), (1101, 8.0, "raised high")]),
    "a change returns it": (stuck(), [(0, 7.0), (300, 7.0), (601, 7.0, "raised high"), (700, 7.5, "returned high")]),
    "the off-delay": (
        stuck(off_delay=60_000),
        [(0, 7.0), (300, 7.0), (601, 7.0, "raised high"), (700, 7.5), (759, 7.6), (760, 7.7, "returned high")],
    ),
    "bad and missing values neither move nor stand still": (
        stuck(),
        [(0, 7.0), (300, 7.0), (400, BAD), (500, MISSING), (601, 7.0, "raised high"), (650, BAD)],
    ),
    "silence is no standstill": (
        stuck(),
        [(0, 7.0), (601, 7.0), (700, SWEEP), (1200, 7.0), (1202, 7.0, "raised high")],
    ),
    "the sweep raises nothing: somebody has to say that it is still so": (
        stuck(),
        [(0, 7.0), (300, 7.0), (899, SWEEP)],
    ),
    "a restart goes on": (stuck(), [(0, 7.0), (300, 7.0), (301, RESTART), (601, 7.0, "raised high")]),
}


@pytest.mark.parametrize("tale", TALES)
def test_flatline(tale: str) -> None:
    tell(*TALES[tale], silent_after=3_600_000)


def test_what_is_told_is_for_how_long_and_since_when() -> None:
    held = stuck()
    story = tell(held, [(0, 7.0), (300, 7.0), (660, 7.0, "raised high")])
    (raised,) = story.transitions
    assert (raised.t, raised.value, raised.stuck_at) == (T0 + 660_000, 660_000.0, 7.0)
    assert held.shown(660_000.0) == pytest.approx(11.0)


def test_what_is_told_of_a_return_is_what_it_moves_to() -> None:
    steps: list[Step] = [(0, 7.0), (300, 7.0), (601, 7.0, "raised high"), (700, 7.5, "returned high")]
    returned = tell(stuck(), steps).transitions[-1]
    assert (returned.value, returned.stuck_at) == (0.0, 7.5)


def test_a_delay_that_time_ends_quotes_no_measured_value_as_a_time() -> None:
    steps: list[Step] = [(0, 7.0), (300, 7.0), (601, 7.0, "raised high"), (700, 7.5), (760, SWEEP, "returned high")]
    returned = tell(stuck(off_delay=60_000), steps, silent_after=3_600_000).transitions[-1]
    assert (returned.value, returned.stuck_at) == (None, 7.5)


# --- in the words of people --------------------------------------------------------------------------------------

PARK = catalogue(stuck())
ADDRESSES = Addresses("http://127.0.0.1:8100")


def told() -> list[Transition]:
    """Return the transitions of a sensor that is stuck for eleven minutes, and moves again."""
    return tell(stuck(), [(0, 7.0), (300, 7.0), (660, 7.0, "raised high"), (700, 7.5, "returned high")]).transitions


@pytest.mark.parametrize(
    ("language", "texts"),
    [
        ("zh", ("7 mg/m3，已 11 分钟未变化", "7.5 mg/m3，已恢复变化")),
        ("en", ("7 mg/m3, unchanged for 11 min", "7.5 mg/m3, which moves again")),
    ],
)
def test_a_page_says_the_value_that_is_stuck_and_for_how_long(language: str, texts: tuple[str, str]) -> None:
    for transition, said in zip(told(), texts, strict=True):
        message = compose(transition, PARK, sensor=None, since=None, addresses=ADDRESSES)
        assert message.text(language).title.endswith(said)
        assert said in message.text(language).text
    raised = compose(told()[0], PARK, sensor=None, since=None, addresses=ADDRESSES)
    assert raised.stuck == Stuck(7.0, "mg/m3", 660)
    assert (raised.value, raised.set_point, raised.unit) == (11.0, 10.0, "min")
    assert "unchanged for 11 min" in line(raised)


def test_the_console_says_so_in_its_list_on_the_alarms_page_and_in_its_journal() -> None:
    raised = told()[0]
    alarm = tell(stuck(), [(0, 7.0), (300, 7.0), (660, 7.0, "raised high")]).record.alarms["stuck"]
    shown = show(snapshot(raised, alarm, stuck()), PARK, lambda _: None, "http://127.0.0.1:8100")
    assert (measured(shown, "en"), compared(shown)) == ("7 mg/m3, unchanged for 11 min", "> 10 min")
    page = detail(shown, Record(T0, T0, 7.0), PARK, "zh", T0 + 720_000)
    assert page.value == "7 mg/m3，已 11 分钟未变化"
    # What the sensor says now is a measured value, not a time.
    assert page.latest.startswith("7 mg/m3")
    assert [entry.measured for entry in journal(told(), PARK, "en", T0)] == [
        "7 mg/m3, unchanged for 11 min",
        "7.5 mg/m3",
    ]


def test_the_stuck_sensor_of_the_simulated_park_is_told_and_its_neighbour_is_not() -> None:
    park = SimulatedPark(1, T0, choose("stuck-sensor"))
    held = stuck(window=20 * MINUTE, tolerance=0.01, set_points=(point("high", 20.0 * MINUTE),))
    raised = {}
    for name in ("reactor-202", "reactor-203"):
        sensor = next(each for each in SENSORS if each.name == name)
        story = Story([held])
        for second in range(0, 45 * 60, 5):
            story.hears(reading(second, park.value(sensor, sensor.channels[0], T0 + second * 1000)))
        raised[name] = [(each.event.value, (each.t - T0) // MINUTE) for each in story.transitions]
    # It is stuck from minute 8 to 38.
    assert raised == {"reactor-202": [("raised", 28), ("returned", 38)], "reactor-203": []}


def test_what_can_not_be_followed_is_not_remembered() -> None:
    memory = (float(T0), 7.0, T0 + 60_000.0)
    assert flatline.follow(stuck(), memory, reading(120, None)) == (memory, None)
    assert flatline.follow(stuck(), memory, reading(59, 99.0)) == (memory, None)
    assert flatline.follow(stuck(), (), reading(120, None)) == ((), None)
    assert flatline.follow(stuck(), (1.0,), reading(120, None)) == ((), None)


def test_what_a_limit_of_another_kind_remembered_is_forgotten() -> None:
    memory, value = flatline.follow(stuck(), (float(T0), 7.0), reading(601, 7.0))
    assert (memory, value) == ((T0 + 601_000.0, 7.0, T0 + 601_000.0), 0.0)


def plainly(held: Limit, readings: Sequence[Reading]) -> list[float]:
    """Return the time unchanged at each reading, from everything before it."""
    found: list[float] = []
    begin = 0
    for index, each in enumerate(readings):
        anchor, before = readings[begin], readings[max(index - 1, begin)]
        moved = abs((each.value or 0.0) - (anchor.value or 0.0)) > held.tolerance
        if moved or each.t - before.t > held.window:
            begin = index
        found.append(float(each.t - readings[begin].t))
    return found


@given(STEPS)
@many
def test_the_time_unchanged_is_what_a_plain_calculation_gives(steps: list[tuple[int, int]]) -> None:
    held, readings = stuck(window=MINUTE, tolerance=1.5), walk(steps)
    memory: tuple[float, ...] = ()
    found = []
    for each in readings:
        memory, value = flatline.follow(held, memory, each)
        found.append(value)
        assert len(memory) == 3
    assert found == plainly(held, readings)


@given(STEPS, st.lists(st.integers(0, 80), max_size=6))
@many
def test_streaming_is_batch_whatever_the_cuts_and_restarts_and_what_is_told_twice(
    steps: list[tuple[int, int]], cuts: list[int]
) -> None:
    held, readings = stuck(tolerance=2.0, window=3 * MINUTE, set_points=(point("high", 3.0 * MINUTE),)), walk(steps)
    whole, pieces = in_one_go(held, readings), in_pieces(held, readings, cuts)
    assert [(one.t, one.event, one.value) for one in pieces.transitions] == [
        (one.t, one.event, one.value) for one in whole.transitions
    ]
    assert pieces.record.memory == whole.record.memory


@given(STEPS, st.integers(1, 20), st.integers(0, 20))
@many
def test_a_stricter_limit_never_alarms_later(steps: list[tuple[int, int]], minutes: int, more: int) -> None:
    readings = walk(steps)

    def first(longest: int) -> float:
        # The same window: how long a silence may be is another question.
        held = stuck(tolerance=2.0, window=40 * MINUTE, set_points=(point("high", float(longest * MINUTE)),))
        raised = (one.t for one in in_one_go(held, readings).transitions if one.event is Event.RAISED)
        return min(raised, default=float("inf"))

    assert first(minutes) <= first(minutes + more)
