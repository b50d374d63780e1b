"""Load budgets, calculated by hand: units, Chinese months and years, what is known, what is to be expected."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import pytest

from park.budgets import (
    Load,
    UnknownMass,
    add,
    begin_of,
    end_of,
    exhausted_at,
    expected,
    kg_per_hour,
    known_share,
)
from park.limits import Period
from park.means import HOUR

_SHANGHAI = ZoneInfo("Asia/Shanghai")
YEAR, MONTH = Period.YEAR, Period.MONTH


def at(year: int, month: int = 1, day: int = 1, hour: int = 0, minute: int = 0) -> int:
    """Return a time by the clocks of China in ms."""
    return int(dt.datetime(year, month, day, hour, minute, tzinfo=_SHANGHAI).timestamp()) * 1000


NEW_YEAR = at(2026)


def running(kg: float, hours: int, passed: int, begin: int = NEW_YEAR) -> Load:
    """Return a load of which ``hours`` of the ``passed`` are known."""
    return Load(begin, kg, hours, begin + passed * HOUR)


# --- mass --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("concentration", "flow", "kg"),
    [
        ((50.0, "mg/L"), (100.0, "m3/h"), 5.0),  # 50 g/m³ in 100 m³
        ((10.0, "mg/L"), (20.0, "L/s"), 0.72),  # 200 mg/s
        ((30.0, "mg/m3"), (100_000.0, "m3/h"), 3.0),  # a stack of 100,000 m³/h
        ((30.0, "mg/m3"), (10.0, "m3/s"), 1.08),  # 300 mg/s
        ((500.0, "ug/m3"), (2e6, "m3/h"), 1.0),  # 1e9 µg
        ((500.0, "ug/m3"), (100.0, "m3/s"), 0.18),  # 50 mg/s
    ],
)
def test_concentration_times_flow_is_mass(concentration: tuple[float, str], flow: tuple[float, str], kg: float) -> None:
    assert concentration[0] * flow[0] * kg_per_hour(concentration[1], flow[1]) == pytest.approx(kg, rel=1e-12)


@pytest.mark.parametrize("units", [("mg/L", "m3/s"), ("m3/h", "mg/L"), ("ppm", "m3/h"), ("mg/m3", "L/s")])
def test_units_that_make_no_mass_are_told_with_those_that_do(units: tuple[str, str]) -> None:
    with pytest.raises(UnknownMass) as refused:
        kg_per_hour(*units)
    assert str(refused.value) == (
        f"{units[0]} times {units[1]} is no mass; a budget needs mg/L with m3/h or L/s, or mg/m3 with m3/h or m3/s"
    )


# --- months and years of China -----------------------------------------------------------------------------------

SPANS: dict[str, tuple[Period, int, int, int]] = {
    "a month of 31 days": (MONTH, at(2026, 7, 19, 13, 30), at(2026, 7), at(2026, 8)),
    "a month of 30 days": (MONTH, at(2026, 6, 30, 23, 59), at(2026, 6), at(2026, 7)),
    "November": (MONTH, at(2026, 11, 30, 23, 59), at(2026, 11), at(2026, 12)),
    "December ends with the year": (MONTH, at(2026, 12, 31, 23, 59), at(2026, 12), at(2027)),
    "January begins with it": (MONTH, at(2027, 1, 1), at(2027), at(2027, 2)),
    "February": (MONTH, at(2026, 2, 28, 23, 59), at(2026, 2), at(2026, 3)),
    "February of a leap year": (MONTH, at(2028, 2, 29, 23, 59), at(2028, 2), at(2028, 3)),
    "the first ms of a year": (YEAR, at(2026), at(2026), at(2027)),
    "the last minute of a year": (YEAR, at(2026, 12, 31, 23, 59), at(2026), at(2027)),
    "a leap year": (YEAR, at(2028, 2, 29, 12), at(2028), at(2029)),
}


@pytest.mark.parametrize("case", SPANS)
def test_a_period_begins_and_ends_at_midnight_in_china(case: str) -> None:
    period, t, begin, end = SPANS[case]
    assert (begin_of(period, t), end_of(period, begin)) == (begin, end)
    # Half open: the last ms belongs to it, the next one to what follows.
    assert (begin_of(period, begin), begin_of(period, end - 1), begin_of(period, end)) == (begin, begin, end)
    assert begin_of(period, begin - 1) < begin


@pytest.mark.parametrize(
    ("period", "begin", "days"),
    [
        (MONTH, at(2026, 2), 28),
        (MONTH, at(2028, 2), 29),
        (MONTH, at(2026, 12), 31),
        (YEAR, at(2026), 365),
        (YEAR, at(2028), 366),
    ],
)
def test_how_long_a_period_is(period: Period, begin: int, days: int) -> None:
    assert end_of(period, begin) - begin == days * 24 * HOUR


def test_the_year_begins_eight_hours_before_that_of_greenwich() -> None:
    # 2025-12-31T16:00Z
    assert NEW_YEAR == 1_767_196_800_000
    assert begin_of(YEAR, 1_767_196_800_000) == 1_767_196_800_000
    assert begin_of(YEAR, 1_767_196_799_999) == at(2025)


# --- adding up ---------------------------------------------------------------------------------------------------


def test_hours_add_up() -> None:
    load = add(Load(), YEAR, NEW_YEAR, 5.0)
    assert load == Load(NEW_YEAR, 5.0, 1, NEW_YEAR + HOUR)
    assert add(load, YEAR, NEW_YEAR + HOUR, 2.5) == Load(NEW_YEAR, 7.5, 2, NEW_YEAR + 2 * HOUR)


def test_a_load_may_begin_in_the_middle_of_its_period() -> None:
    load = add(Load(), MONTH, at(2026, 3, 5, 10), 5.0)
    assert load == Load(at(2026, 3), 5.0, 1, at(2026, 3, 5, 11))


def test_an_hour_counts_once_and_one_that_is_passed_no_more() -> None:
    load = add(add(Load(), YEAR, NEW_YEAR, 5.0), YEAR, NEW_YEAR + 2 * HOUR, 5.0)
    assert (load.kg, load.hours, load.until) == (10.0, 2, NEW_YEAR + 3 * HOUR)
    for passed in range(3):
        assert add(load, YEAR, NEW_YEAR + passed * HOUR, 100.0) == load


@pytest.mark.parametrize(
    ("period", "last", "first"),
    [(YEAR, at(2026, 12, 31, 23), at(2027)), (MONTH, at(2028, 2, 29, 23), at(2028, 3))],
)
def test_a_new_period_begins_with_nothing(period: Period, last: int, first: int) -> None:
    before = add(Load(), period, last, 900.0)
    assert before.until == first
    assert add(before, period, first, 4.0) == Load(first, 4.0, 1, first + HOUR)


def test_the_months_of_a_year_are_one_budget() -> None:
    load = Load()
    for month in range(1, 13):
        load = add(load, YEAR, at(2026, month), 1.0)
    assert load == Load(NEW_YEAR, 12.0, 12, at(2026, 12, 1, 1))


def test_a_load_survives_being_written_down() -> None:
    load = add(Load(), YEAR, NEW_YEAR, 0.1)
    assert msgspec.json.decode(msgspec.json.encode(load), type=Load) == load


# --- what is known, and what is to be expected ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("load", "share"),
    [(Load(), 0.0), (running(9.0, 10, 10), 1.0), (running(9.0, 5, 10), 0.5), (running(9.0, 1, 1), 1.0)],
)
def test_which_share_of_the_hours_is_known(load: Load, share: float) -> None:
    assert known_share(load) == share


@pytest.mark.parametrize(
    ("load", "period", "kg"),
    [
        (running(20.0, 10, 10), YEAR, 2.0 * 8760),
        (running(20.0, 10, 10, at(2028)), YEAR, 2.0 * 8784),
        (running(20.0, 10, 10, at(2026, 2)), MONTH, 2.0 * 672),
        (running(20.0, 10, 10, at(2028, 2)), MONTH, 2.0 * 696),
        (running(20.0, 10, 10, at(2026, 12)), MONTH, 2.0 * 744),
        # The hours that nobody knows of went like the others.
        (running(20.0, 5, 10), YEAR, 4.0 * 8760),
        (running(0.0, 5, 10), YEAR, 0.0),
    ],
)
def test_the_forecast_goes_on_as_so_far(load: Load, period: Period, kg: float) -> None:
    assert expected(load, period) == pytest.approx(kg, rel=1e-12)


def test_before_the_first_hour_nothing_is_expected() -> None:
    assert expected(Load(), YEAR) is None


EXHAUSTED: dict[str, tuple[Load, float, int | None]] = {
    "2 kg/h, and 80 kg are left": (running(20.0, 10, 10), 100.0, at(2026, 1, 3, 2)),
    "3 kg/h, and 10 kg are left": (running(30.0, 10, 10), 40.0, at(2026, 1, 1, 13, 20)),
    "half a kg a day": (running(0.5, 24, 24), 182.5, at(2027)),
    "half of the hours are not known: 4 kg/h, 40 kg so far": (running(20.0, 5, 10), 100.0, at(2026, 1, 2, 1)),
    "not known, but likely gone already": (running(20.0, 5, 10), 30.0, at(2026, 1, 1, 7, 30)),
    "it is gone": (running(100.5, 10, 10), 100.0, at(2026, 1, 1, 10)),
    "it is just gone, by what is known": (running(100.0, 5, 10), 100.0, at(2026, 1, 1, 10)),
    "a leap day in between": (running(24.0, 24, 24, at(2028, 2)), 696.0, at(2028, 3)),
    "nothing goes out": (running(0.0, 10, 10), 100.0, None),
    "nothing is known": (Load(), 100.0, None),
}


@pytest.mark.parametrize("case", EXHAUSTED)
def test_when_the_budget_runs_out(case: str) -> None:
    load, budget, t = EXHAUSTED[case]
    assert exhausted_at(load, budget) == t


def test_the_forecast_and_the_date_agree() -> None:
    load = running(777.0, 70, 100)
    whole = expected(load, YEAR)
    assert whole is not None
    assert exhausted_at(load, whole) == pytest.approx(end_of(YEAR, NEW_YEAR), abs=1)
    assert (exhausted_at(load, whole * 1.01) or 0) > end_of(YEAR, NEW_YEAR) > (exhausted_at(load, whole * 0.99) or 0)
