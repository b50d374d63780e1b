"""Numbers, times and plots of the report: what people read is neither more nor less than what is known."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.compliance import LENGTHS
from park.evaluation import Status as RankStatus
from park.evaluation import Yield
from park.indicators import Status
from park.means import DAY, Flag
from park.network import SUMS, State
from park.words import Location, Priority
from reports import plots, words
from reports.forms import day, duration, moment, month_names, number, percent, unit, whole_moment
from reports.plots import Dot, Ribbon
from reports.sections.indicators import Held
from tests.making import many
from tests.months import china

OCTOBER = china(2026, 10)
DAYS = tuple(OCTOBER + n * DAY for n in range(31))


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (0.0, "0"),
        (-0.0001, "-0.0001"),
        (0.00012345, "0.000123"),
        (0.5, "0.5"),
        (1.23456, "1.235"),
        (49.996, "50"),
        (123.45, "123.5"),
        (1234.5, "1,234"),
        (2_107_760.4, "2,107,760"),
        (-4.327, "-4.327"),
    ],
)
def test_numbers_have_four_digits_that_count(value: float | None, told: str) -> None:
    assert number(value) == told


@many
@given(st.floats(-1e9, 1e9))
def test_a_number_is_never_far_from_what_it_says(value: float) -> None:
    assert float(number(value).replace(",", "")) == pytest.approx(value, rel=6e-3, abs=1e-12)


def test_what_is_short_of_all_is_not_told_to_be_all() -> None:
    assert percent(1.0) == "100.0 %"
    assert percent(0.99999) == "> 99.9 %"
    assert percent(0.9994) == "99.9 %"
    assert percent(0.0) == "0.0 %"
    assert percent(None) == "–"


def test_times_are_the_parks() -> None:
    t = china(2026, 10, 1, 8)
    assert (moment(t), day(t), whole_moment(t)) == ("10-01 08:00", "2026-10-01", "2026-10-01 08:00 (UTC+8)")
    assert moment(None) == "–"
    assert month_names(t).zh == "2026 年 10 月"
    assert month_names(t).en == "October 2026"


def test_durations_have_their_two_largest_parts() -> None:
    assert duration(2 * 3_600_000 + 5 * 60_000 + 9_000, "en") == "2 h 5 min"
    assert duration(86_400_000 + 1_000, "zh") == "1 天 1 秒"
    assert (duration(0, "en"), duration(400, "zh"), duration(None, "en")) == ("0 s", "0 秒", "–")
    assert duration(59_600, "en") == "1 min"


def test_units_have_their_powers_raised() -> None:
    assert [unit(text) for text in ("mg/m3", "ug/m3", "m3/h", "kWh")] == ["mg/m³", "µg/m³", "m³/h", "kWh"]


def test_a_day_without_a_value_is_drawn_as_missing_and_a_doubtful_one_hollow() -> None:
    dots = [Dot(each, 20.0, n != 3) for n, each in enumerate(DAYS) if n not in {10, 11}]
    drawn = str(plots.days_line(DAYS, dots, [(50.0, "≤ 50 mg/L")], "COD", "mg/L"))
    assert drawn.count(f'fill="{plots.GROUND}"') == 2
    assert drawn.count('fill="#ffffff"') == 1
    assert drawn.count("<polyline") == 2, "no line over the gap"
    assert "≤ 50 mg/L" in drawn


def test_a_value_beyond_the_limit_is_drawn_above_it() -> None:
    drawn = str(plots.days_line(DAYS[:1], [Dot(DAYS[0], 60.0)], [(50.0, "50")], "COD", "mg/L"))
    dot = re.search(r'<circle cx="[\d.]+" cy="([\d.]+)"', drawn)
    line = re.search(r'y1="([\d.]+)" y2="[\d.]+" stroke="[^"]+" stroke-dasharray="5 3"', drawn)
    assert dot
    assert line
    assert float(dot[1]) < float(line[1])


def test_bars_stand_on_each_other() -> None:
    counts = {priority.value: [0] * 31 for priority in Priority}
    counts["critical"][0], counts["low"][0] = 1, 3
    drawn = str(plots.stacked_days(DAYS, counts, "alarms"))
    bars = re.findall(r'<rect x="[\d.]+" y="([\d.]+)" width="[\d.]+" height="([\d.]+)" fill="(#\w+)"', drawn)
    (low, critical) = [(float(y), float(tall), colour) for y, tall, colour in bars]
    assert (low[2], critical[2]) == (plots.COLOURS["low"], plots.COLOURS["critical"])
    assert low[1] == pytest.approx(3 * critical[1], abs=0.3)
    assert critical[0] + critical[1] == pytest.approx(low[0], abs=0.2)


def test_names_can_not_become_markup() -> None:
    name = '<b onload="x">'
    drawn = str(plots.ribbons([Ribbon(name, name, 1.0, plots.KEPT, name)], name))
    assert "<b " not in drawn
    assert 'onload="x"' not in drawn


def test_ribbons_are_as_wide_as_what_they_carry() -> None:
    flows = [Ribbon("a", "c", 100.0, plots.KEPT, "1"), Ribbon("b", "c", 50.0, plots.LEFT, "2")]
    widths = re.findall(r'stroke-width="([\d.]+)"', str(plots.ribbons(flows, "t")))
    assert float(widths[0]) == pytest.approx(2 * float(widths[1]), rel=0.02)
    assert "<svg" in plots.ribbons([], "nothing")


def test_a_budget_that_is_overdrawn_stays_in_the_picture() -> None:
    drawn = str(plots.bullet(1.4, 7.0, 0.8, "budget"))
    places = [float(x) for x in re.findall(r'x1="([\d.]+)"', drawn)]
    assert max(places) <= 250
    assert plots.LIMIT in drawn


def test_an_unknown_share_is_an_empty_bar() -> None:
    assert "stroke-dasharray" in plots.share_bar(None, "unknown")
    assert plots.LIMIT in plots.share_bar(0.2, "little")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_every_status_has_a_word(language: str) -> None:
    for kind in (Status, RankStatus, Yield, State, Priority, Location):
        assert all(words.word(each, language) for each in kind), kind
    assert all(words.word(each, language) for each in LENGTHS)
    assert all(words.word(each, language) for each in SUMS)
    assert [words.word(each, language) for each in Flag if words.word(each, language)]


def test_the_verdict_is_the_years_where_there_is_one() -> None:
    assert Held(None, Status.MET, Status.MISSED).verdict is Status.MISSED
    assert Held(None, Status.MET, Status.PARTIAL).verdict is Status.MET
    assert Held(None, Status.MET, Status.PARTIAL).of_month
    assert Held(None, Status.NO_DATA, Status.PARTIAL).verdict is Status.PARTIAL
    assert Held(None, Status.MET, None).verdict is Status.MET
    assert Held(None, None, None).verdict is None
