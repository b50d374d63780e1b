"""Rolling means over closed blocks, and a day's greatest 8 h mean."""

from __future__ import annotations

import itertools
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.means import DAY, HOUR, MINUTE, Flag, Mean, Span
from park.rolling import EIGHT_HOURS, STEL, TWA, Greatest, Rolled, Rolling, Window, greatest, roll
from tests.making import many

#: Midnight in China.
MIDNIGHT = 1_767_196_800_000


def block(begin: int, value: float | None, *, valid: bool = True, span: Span = Span.MINUTE) -> Mean:
    """Return a closed block."""
    return Mean(span, begin, value, valid and value is not None, 1, 1.0, value, value, 1.0, Flag.FINAL)


def rolled(blocks: list[Mean], window: Window) -> list[Rolled]:
    """Roll over all the blocks."""
    rolling, found = Rolling(), []
    for each in blocks:
        rolling, now = roll(rolling, each, window)
        found.append(now)
    return found


def minutes(*values: float | None) -> list[Mean]:
    """Return a block for each minute."""
    return [block(MIDNIGHT + number * MINUTE, value) for number, value in enumerate(values)]


@pytest.mark.parametrize(("good", "valid"), [(12, True), (11, False)])
def test_15_minutes_need_12(good: int, valid: bool) -> None:  # noqa: FBT001
    last = rolled(minutes(*[2.0] * good, *[None] * (15 - good)), STEL)[-1]
    assert (last.value, last.valid, last.count, last.end) == (2.0, valid, good, MIDNIGHT + 15 * MINUTE)


def test_what_is_older_than_the_window_has_left_it() -> None:
    found = rolled(minutes(100.0, *[1.0] * 14, 1.0), STEL)
    assert found[14].value == pytest.approx(114 / 15)
    assert found[15].value == 1.0


def test_a_gap_empties_the_window() -> None:
    blocks = [*minutes(*[5.0] * 15), block(MIDNIGHT + HOUR, 1.0)]
    last = rolled(blocks, STEL)[-1]
    assert (last.value, last.valid, last.count) == (1.0, False, 1)


def test_a_block_that_is_not_valid_moves_the_window_and_is_not_in_it() -> None:
    blocks = [*minutes(*[5.0] * 15), block(MIDNIGHT + 15 * MINUTE, 100.0, valid=False)]
    last = rolled(blocks, STEL)[-1]
    assert (last.value, last.valid, last.count) == (5.0, True, 14)


@pytest.mark.parametrize(("window", "size", "enough"), [(TWA, 480, 360), (EIGHT_HOURS, 8, 6)])
def test_eight_hours_need_three_quarters(window: Window, size: int, enough: int) -> None:
    step = window.span.ms
    blocks = [block(MIDNIGHT + n * step, 1.0 if n < enough else None, span=window.span) for n in range(size)]
    assert [each.valid for each in rolled(blocks, window)] == [False] * (enough - 1) + [True] * (size - enough + 1)


SMALL = Window(Span.MINUTE, 5, 3)


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([1, 1, 1, 1, 2, 7]), st.none() | st.floats(-1e6, 1e6), st.booleans()), max_size=40
    ),
    restarts=st.sets(st.integers(0, 39), max_size=3),
)
@many
def test_rolling_is_what_an_independent_count_gives_over_restarts(
    rows: list[tuple[int, float | None, bool]], restarts: set[int]
) -> None:
    places = list(itertools.accumulate(step for step, _, _ in rows))
    rolling = Rolling()
    for index, (place, (_, value, valid)) in enumerate(zip(places, rows, strict=True)):
        if index in restarts:
            rolling = msgspec.json.decode(msgspec.json.encode(rolling), type=Rolling)
        rolling, found = roll(rolling, block(MIDNIGHT + place * MINUTE, value, valid=valid), SMALL)
        inside = [
            value
            for other, (_, value, valid) in zip(places[: index + 1], rows, strict=False)
            if valid and value is not None and place - other < 5
        ]
        assert found.value == (math.fsum(inside) / len(inside) if inside else None)
        assert (found.count, found.valid) == (len(inside), len(inside) >= 3)
        assert len(rolling.begins) == len(rolling.values) <= SMALL.size


# --- the greatest of a day ---------------------------------------------------------------------------------------


def days(*ends: tuple[int, float | None]) -> list[Greatest]:
    """Return the days that are finished by 8 h means, given by the hour of their end and their value."""
    state, found = Greatest(), []
    for hour, value in ends:
        end = MIDNIGHT + hour * HOUR
        state, finished = greatest(state, Rolled(end, value, value is not None, 8))
        found += finished
    return found


def test_a_day_is_finished_by_its_last_hour() -> None:
    whole = [(hour, float(hour % 13)) for hour in range(1, 25)]
    assert days(*whole[:-1]) == []
    assert days(*whole) == [Greatest(MIDNIGHT, 12.0, 24)]


def test_a_day_whose_last_hour_is_missing_is_finished_by_the_next() -> None:
    assert days((1, 3.0), (2, 5.0), (30, 1.0)) == [Greatest(MIDNIGHT, 5.0, 2)]
    assert days((23, 3.0), (48, 1.0)) == [Greatest(MIDNIGHT, 3.0, 1), Greatest(MIDNIGHT + DAY, 1.0, 1)]


def test_each_day_is_told_once() -> None:
    found = days(*((hour, 1.0) for hour in range(1, 97)))
    assert [(day.begin - MIDNIGHT) // DAY for day in found] == [0, 1, 2, 3]


def test_the_mean_that_ends_at_midnight_belongs_to_the_day_before() -> None:
    assert days((24, 9.0), (25, 1.0), (48, None)) == [Greatest(MIDNIGHT, 9.0, 1), Greatest(MIDNIGHT + DAY, 1.0, 1)]


def test_what_is_not_valid_is_not_the_greatest() -> None:
    assert days((1, None), (24, None)) == [Greatest(MIDNIGHT, None, 0)]
