"""Limits of every kind: what their rows become, and what is wrong with one is told with file, line and remedy."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from park.building import build
from park.catalogue import Catalogue
from park.limits import Kind, Limit, Period, Side
from park.statistics import Statistic
from park.words import Location
from storage import configuration
from tests.making import many
from tests.test_configuration import DEFAULT, edit, problems
from tests.test_configuration import SMALL as PARK

QUANTITIES, GAS, KINDS = "quantities.yaml", "limits/gas.yaml", "limits/kinds.yaml"
REST = """\
    source: parkwatch
    clause: {zh: 建议值，非标准规定, en: "Suggestion, not law"}
    provenance: unverified
    guidance: leak
"""

#: The small park of the tests of configuration, with a limit of each kind.
SMALL = {
    **PARK,
    QUANTITIES: PARK[QUANTITIES]
    + """\
  cod:
    names: {zh: 化学需氧量, en: COD}
    unit: mg/L
    location: outfall
    minimum: 0
    maximum: 500
  flow-water:
    names: {zh: 污水流量, en: Flow}
    unit: m3/h
    location: outfall
    minimum: 0
    maximum: 1000
""",
    KINDS: f"""\
limits:
  - id: h2s-hour
    kind: mean
    of: hour
    names: {{zh: 小时均值, en: Hour mean}}
    match: {{quantities: [h2s], locations: [stack]}}
    side: high
    unit: mg/m3
    set_points: [{{severity: high, at: 9, priority: low}}]
{REST}\
  - id: level-rising
    kind: rate
    names: {{zh: 上升过快, en: Rises fast}}
    match: {{quantities: [level]}}
    side: high
    window: 10min
    per: h
    set_points:
      - {{severity: high, at: 30, priority: low}}
      - {{severity: high-high, at: 60, priority: medium}}
    deadband: 6
{REST}\
  - id: level-falling
    kind: rate
    names: {{zh: 下降过快, en: Falls fast}}
    match: {{quantities: [level]}}
    side: low
    window: 1min
    per: min
    set_points:
      - {{severity: low, at: 5, priority: low}}
      - {{severity: low-low, at: 8, priority: low}}
    on_delay: 10s
{REST}\
  - id: level-stuck
    kind: flatline
    names: {{zh: 不变, en: Does not move}}
    match: {{quantities: [level]}}
    window: 2h
    tolerance: 0.01
    set_points: [{{severity: high, priority: low}}]
{REST}\
  - id: h2s-release
    kind: vote
    names: {{zh: 泄漏, en: Release}}
    match: {{zones: [riverside]}}
    votes: [h2s-detector]
    needs: 2
    window: 60s
    set_points: [{{severity: high, priority: critical}}]
{REST}\
  - id: cod-load
    kind: budget
    names: {{zh: 总量, en: Load}}
    match: {{quantities: [cod], locations: [outfall]}}
    flow: flow-water
    period: year
    unit: t
    set_points:
      - {{severity: high, at: 16, priority: low}}
      - {{severity: high-high, at: 20, priority: medium}}
{REST}\
  - id: h2s-banned
    kind: negative-list
    names: {{zh: 禁限物质, en: Banned}}
    match: {{quantities: [h2s], zones: [riverside], locations: [workplace]}}
    unit: ppm
    set_points: [{{severity: high, at: 0.1, priority: high}}]
    off_delay: 5min
{REST}""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in SMALL.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def small(folder: Path) -> Catalogue:
    return configuration.load(folder)


# --- what becomes of them --------------------------------------------------------------------------------------


def ats(limit: Limit) -> list[float]:
    return [point.at for point in limit.set_points]


def test_a_mean(small: Catalogue) -> None:
    limit = small.limit("h2s-hour")
    assert (limit.kind, limit.of, limit.side, ats(limit)) == (Kind.MEAN, Statistic.HOUR, Side.HIGH, [9.0])
    assert (limit.deadband, limit.on_delay, limit.off_delay) == (0.0, 0, 0)


def test_a_rate_is_kept_per_minute_and_shown_as_it_was_written(small: Catalogue) -> None:
    limit = small.limit("level-rising")
    assert (limit.window, ats(limit), limit.deadband) == (600_000, [0.5, 1.0], 0.1)
    assert (limit.unit, [limit.shown(at) for at in ats(limit)]) == ("%/h", [30.0, 60.0])


def test_a_rate_of_falling_is_negative(small: Catalogue) -> None:
    limit = small.limit("level-falling")
    assert (limit.side, ats(limit), limit.unit, limit.on_delay) == (Side.LOW, [-5.0, -8.0], "%/min", 10_000)
    assert limit.shown(-5.0) == -5.0


def test_a_flatline_is_held_against_its_window(small: Catalogue) -> None:
    limit = small.limit("level-stuck")
    assert (limit.window, limit.tolerance, ats(limit)) == (7_200_000, 0.01, [7_200_000.0])
    assert limit.shown(7_200_000.0) == pytest.approx(2.0)
    assert limit.unit == "h"


def test_a_vote_is_passed_by_as_many_as_it_needs(small: Catalogue) -> None:
    limit = small.limit("h2s-release")
    assert (limit.votes, limit.needs, limit.window) == (("h2s-detector",), 2, 60_000)
    assert limit.set_points[0].at < 2 <= limit.set_points[0].at + 1
    applying = small.limits_for("riverside/tank-farm/gd-1/h2s", Location.WORKPLACE, 0)
    assert limit not in applying, "it is on the site, not on one detector"


def test_a_budget_is_kept_in_kg(small: Catalogue) -> None:
    limit = small.limit("cod-load")
    assert (limit.flow, limit.period, ats(limit)) == ("flow-water", Period.YEAR, [16_000.0, 20_000.0])
    assert (limit.unit, limit.shown(20_000.0)) == ("t", 20.0)


def test_a_negative_list_has_the_detection_limit_in_its_own_unit(small: Catalogue) -> None:
    limit = small.limit("h2s-banned")
    assert ats(limit) == [pytest.approx(0.1 * 34.081 / 24.055)]
    assert (limit.side, limit.deadband, limit.on_delay, limit.off_delay) == (Side.HIGH, 0.0, 0, 300_000)


def test_a_negative_list_without_a_detection_limit_begins_at_nothing(folder: Path) -> None:
    edit(folder, KINDS, ("    unit: ppm\n", ""), ("at: 0.1, ", ""))
    assert ats(configuration.load(folder).limit("h2s-banned")) == [0.0]


def test_means_and_rates_are_converted_where_they_are_measured(folder: Path) -> None:
    edit(
        folder,
        KINDS,
        ("unit: mg/m3\n    set_points: [{severity: high, at: 9", "unit: ppm\n    set_points: [{severity: high, at: 9"),
    )
    assert ats(configuration.load(folder).limit("h2s-hour")) == [pytest.approx(9 * 34.081 / 22.4)]
    gas = "match: {quantities: [h2s], locations: [workplace]}\n    side: high\n    unit: ppm\n    window: 10min"
    edit(folder, KINDS, ("match: {quantities: [level]}\n    side: high\n    window: 10min", gas))
    limit = configuration.load(folder).limit("level-rising")
    assert ats(limit) == [pytest.approx(0.5 * 34.081 / 24.055), pytest.approx(34.081 / 24.055)]
    assert limit.unit == "ppm/h"
    assert limit.shown(limit.set_points[0].at) == pytest.approx(30.0)


@given(st.floats(0.001, 900.0), st.sampled_from(["min", "h"]), st.sampled_from(["mg/m3", "ug/m3", "ppm"]))
@many
def test_a_rate_comes_back_as_it_was_written(at: float, per: str, unit: str) -> None:
    loaded = built(at, per, unit)
    assert loaded.shown(loaded.set_points[0].at) == pytest.approx(at)


_DOCUMENTS = {name: YAML(typ="safe", pure=True).load(text) for name, text in PARK.items()}
_RATE = YAML(typ="safe", pure=True).load(SMALL[KINDS])["limits"][1]


def built(at: float, per: str, unit: str) -> Limit:
    points = [{"severity": "high", "at": at, "priority": "low"}]
    where = {"quantities": ["h2s"], "locations": ["workplace"]}
    row = {**_RATE, "match": where, "unit": unit, "window": "1min", "per": per, "set_points": points, "deadband": 0}
    catalogue, told = build({**_DOCUMENTS, KINDS: {"limits": [row]}})
    assert catalogue is not None, told
    return catalogue.limit("level-rising")


# --- what is wrong with them -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """``old`` becomes ``new``; the line with ``#!`` is told with ``told``."""

    old: str
    new: str
    told: str


CASES = {
    "mean of nothing": Case("    of: hour\n", "", "'of' is missing; write of: hour"),
    "mean of a week": Case("of: hour", "of: week #!", "write one of day, greatest-8h, hour, minute"),
    "mean that is misspelt": Case("of: hour", "of: houer #!", "did you mean 'hour'?"),
    "mean with a window": Case("    of: hour\n", "    of: hour\n    window: 1h #!\n", "a mean limit has no 'window'"),
    "mean that is never passed": Case("at: 9,", "at: 9000,", "believable only up to 1500 mg/m3"),
    "mean in another unit": Case("unit: mg/m3\n", "unit: mg/L #!\n", "write mg/m3 or one of"),
    "mean of what": Case(
        "match: {quantities: [h2s], locations: [stack]}", "match: {} #!", "a mean needs its quantities"
    ),
    "rate of what": Case(
        "match: {quantities: [level]}\n    side: high", "match: {} #!\n    side: high", "a rate needs its quantities"
    ),
    "rate without a window": Case("    window: 10min\n", "", "'window' is missing; write window: 10min"),
    "rate per what": Case("    per: h\n", "", "'per' is missing; write per: min"),
    "rate per day": Case("per: h", "per: day #!", "write one of h, min"),
    "rate over nothing": Case("window: 10min", "window: 0s #!", "greater than 0"),
    "rate in minutes": Case("window: 10min", "window: 10 #!", "such as 30s, 5min or 2h"),
    "rate of no side": Case("    side: high\n    window: 10min", "    window: 10min", "side: high or side: low"),
    "rate below zero": Case("at: 5, priority: low}", "at: -5, priority: low} #!", "a positive number, not -5"),
    "rate of falling, order": Case("at: 8, priority: low}", "at: 3, priority: low} #!", "is not above low at 5"),
    "rate of falling, side": Case("severity: low, at: 5", "severity: high, at: 5", "is not on side low"),
    "rate that can't be": Case("at: 60,", "at: 700,", "can't change that much within the window: at most 600 %/h"),
    "rate that never clears": Case("deadband: 6", "deadband: 31 #!", "never clears the alarm; write at most 30"),
    "rate of kelvin": Case(
        "match: {quantities: [level]}\n    side: high",
        "match: {quantities: [temperature]}\n    unit: K #!\n    side: high",
        "in °C",
    ),
    "flatline with a value": Case(
        "tolerance: 0.01\n    set_points: [{severity: high, priority",
        "tolerance: 0.01\n    set_points: [{severity: high, at: 1, priority",
        "leave 'at' out and write tolerance and window",
    ),
    "flatline without tolerance": Case("    tolerance: 0.01\n", "", "write tolerance: 0.01"),
    "flatline of everything": Case("tolerance: 0.01", "tolerance: 100 #!", "it would always alarm"),
    "flatline with a side": Case(
        "    window: 2h\n", "    window: 2h\n    side: high #!\n", "a flatline limit has no 'side'; leave it out"
    ),
    "flatline with a delay": Case(
        "    window: 2h\n", "    window: 2h\n    on_delay: 2s #!\n", "has no 'on_delay'; leave it out"
    ),
    "flatline severity": Case(
        "tolerance: 0.01\n    set_points: [{severity: high,",
        "tolerance: 0.01\n    set_points: [{severity: bad,",
        "one set-point; write severity: high",
    ),
    "vote of nobody": Case("    votes: [h2s-detector]\n", "", "write votes: [hf-detector]"),
    "vote of a stranger": Case("votes: [h2s-detector]", "votes: [h2s-detektor] #!", "did you mean 'h2s-detector'?"),
    "vote of votes": Case("votes: [h2s-detector]", "votes: [h2s-release] #!", "is a vote limit"),
    "vote of a sensor without data": Case("votes: [h2s-detector]", "votes: [no-data] #!", "is a quality limit"),
    "vote twice": Case("votes: [h2s-detector]", "votes: [h2s-detector, h2s-detector] #!", "named twice"),
    "vote of how many": Case("    needs: 2\n", "", "write needs: 2"),
    "vote of none": Case("needs: 2", "needs: 0 #!", "greater than or equal to 1"),
    "vote on a quantity": Case(
        "match: {zones: [riverside]}", "match: {quantities: [h2s]} #!", "leave quantities out and write votes"
    ),
    "vote with a value": Case(
        "60s\n    set_points: [{severity: high, ",
        "60s\n    set_points: [{severity: high, at: 2, ",
        "leave 'at' out and write needs: 2",
    ),
    "budget without flow": Case("    flow: flow-water\n", "", "write flow: flow-water"),
    "budget with an unknown flow": Case("flow: flow-water", "flow: flow-watr #!", "did you mean 'flow-water'?"),
    "budget with a flow that is none": Case("flow: flow-water", "flow: level", "mg/L times % is no mass"),
    "budget without a period": Case("    period: year\n", "", "write period: year"),
    "budget of a day": Case("period: year", "period: day #!", "write one of month, year"),
    "budget without a unit": Case("    unit: t\n", "", "'unit' is missing"),
    "budget in litres": Case("unit: t\n", "unit: L #!\n", "'L' is not a unit of a budget; write kg or one of kg, g, t"),
    "budget of nothing": Case("at: 16,", "at: 0,", "write the mass that may"),
    "budget, order": Case("at: 20,", "at: 10,", "is not above high at 16"),
    "budget, severity": Case(
        "severity: high, at: 16", "severity: low, at: 16", "of a budget limit; write high then high-high"
    ),
    "negative list of no zone": Case("zones: [riverside], locations", "locations", "write match: {zones: [...]}"),
    "negative list of nothing": Case(
        "match: {quantities: [h2s], zones: [riverside], locations: [workplace]}",
        "match: {zones: [riverside]} #!",
        "write match: {quantities: [...]}",
    ),
    "negative list that waits": Case(
        "    off_delay: 5min\n", "    off_delay: 5min\n    on_delay: 5s #!\n", "has no 'on_delay'; leave it out"
    ),
    "negative list below nothing": Case("at: 0.1,", "at: -0.1,", "is not below 0"),
    "unknown kind": Case("kind: flatline", "kind: flat-line #!", "did you mean 'flatline'?"),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_what_is_wrong_is_told_with_file_line_and_remedy(folder: Path, case: Case) -> None:
    text = SMALL[KINDS]
    assert case.old in text, case
    broken = text.replace(case.old, case.new, 1)
    (folder / KINDS).write_text(broken, encoding="utf-8")
    line = next((number for number, each in enumerate(broken.splitlines(), 1) if "#!" in each), None)
    told = problems(folder)
    matching = [problem for problem in told if case.told in problem.message]
    assert matching, told
    assert {problem.file for problem in told} == {str(folder / KINDS)}, told
    assert line in {None, *(problem.line for problem in matching)}, told


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        ("of: hour", "mean"),
        ("per: min", "rate"),
        ("tolerance: 1", "flatline"),
        ("needs: 2", "vote"),
        ("flow: level", "budget"),
    ],
)
def test_a_key_of_another_kind_says_which(folder: Path, key: str, kind: str) -> None:
    edit(folder, GAS, ("    deadband: 1\n", f"    deadband: 1\n    {key}\n"))
    (only,) = problems(folder)
    assert f"leave it out, or write kind: {kind}" in only.message
    assert only.line == 14


def test_a_threshold_needs_its_delays(folder: Path) -> None:
    edit(folder, GAS, ("    on_delay: 0s\n    off_delay: 30s\n", ""))
    assert [problem.message for problem in problems(folder)] == [
        "'off_delay' is missing; write off_delay: 30s",
        "'on_delay' is missing; write on_delay: 2s",
    ]


# --- a limit in the place of another ---------------------------------------------------------------------------

OWN = PARK[GAS].removeprefix("limits:\n").replace("id: h2s-detector", "id: own\n    replaces: [h2s-detector]")


@pytest.mark.parametrize(
    ("changes", "refused"),
    [
        ([], False),
        ([("at: 10,", "at: 9,")], False),
        ([("at: 10,", "at: 11,")], True),
        ([("at: 20,", "at: 25,")], True),
        ([("    side: high", "    laxer: true\n    side: high"), ("at: 10,", "at: 11,")], False),
        (
            [
                ("severity: high, at: 10", "severity: low, at: 5"),
                ("severity: high-high, at: 20", "severity: low-low, at: 2"),
                ("side: high", "side: low"),
            ],
            False,
        ),
    ],
)
def test_what_replaces_a_limit_is_stricter_or_says_that_it_is_not(
    *, folder: Path, changes: list[tuple[str, str]], refused: bool
) -> None:
    own = OWN
    for old, new in changes:
        own = own.replace(old, new)
    (folder / GAS).write_text(PARK[GAS] + own, encoding="utf-8")
    if not refused:
        assert configuration.load(folder).limit("own").id == "own"
        return
    (only,) = problems(folder)
    assert "allows more than 'h2s-detector' (high > 10 mg/m3 (high)" in only.message
    assert "laxer: true" in only.message
    assert only.line == 21


# --- the default park ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def default() -> Catalogue:
    return configuration.load(DEFAULT)


@pytest.mark.parametrize(
    ("name", "of", "numbers"),
    [
        ("nh3-stel", Statistic.ROLLING_15_MIN, [30]),
        ("nh3-twa", Statistic.ROLLING_8_H, [20]),
        ("benzene-stel", Statistic.ROLLING_15_MIN, [6]),
        ("ethylene-oxide-peak", Statistic.ROLLING_15_MIN, [6, 10]),
        ("stack-nmhc", Statistic.HOUR, [60]),
        ("stack-fluoride", Statistic.HOUR, [3]),
        ("fenceline-hcl", Statistic.HOUR, [0.05]),
        ("fenceline-nh3", Statistic.HOUR, [1.5]),
        ("nmhc-in-plant-hour", Statistic.HOUR, [6]),
        ("ambient-no2-hour", Statistic.HOUR, [200]),
        ("ambient-no2-day", Statistic.DAY, [80]),
        ("ambient-co-day", Statistic.DAY, [4]),
        ("ambient-o3-8h", Statistic.GREATEST_8_H, [160]),
        ("outfall-cod-day", Statistic.DAY, [50]),
        ("outfall-tp-day", Statistic.DAY, [0.5]),
        ("outfall-fluoride-water-day", Statistic.DAY, [8]),
        ("hcfc-22-twa", Statistic.ROLLING_8_H, [3500]),
    ],
)
def test_default_means(default: Catalogue, name: str, of: Statistic, numbers: list[float]) -> None:
    limit = default.limit(name)
    assert limit.of is of
    assert [limit.shown(point.at) for point in limit.set_points] == pytest.approx(numbers)


DAYS = {"2026-02-28": 75, "2026-03-01": 60, "2030-12-31": 60, "2031-01-01": 50}


@pytest.mark.parametrize(("day", "limit"), DAYS.items())
def test_the_day_mean_of_fine_dust_tightens_in_two_steps(default: Catalogue, day: str, limit: float) -> None:
    at = midday(day)
    means = [
        x
        for x in default.limits_for("riverside/air-station/air-951/pm25", Location.AMBIENT, at)
        if x.of is Statistic.DAY
    ]
    assert [round(each.shown(each.set_points[0].at)) for each in means] == [limit]


def midday(day: str) -> int:
    return round(dt.datetime.fromisoformat(f"{day}T12:00:00+08:00").timestamp() * 1000)


@pytest.mark.parametrize("quantity", ["no2", "co", "o3", "so2"])
@pytest.mark.parametrize("day", ["2026-06-01", "2031-06-01"])
def test_an_hour_of_ambient_air_is_held_against_a_limit_once(default: Catalogue, quantity: str, day: str) -> None:
    hourly, often = (
        [
            limit
            for limit in default.limits_for(f"riverside/air-station/{sensor}/{quantity}", Location.AMBIENT, midday(day))
            if limit.kind is Kind.THRESHOLD or limit.of is Statistic.HOUR
        ]
        for sensor in ("aq-uci", "air-952")
    )
    assert [limit.kind for limit in hourly] == [Kind.THRESHOLD]
    assert [limit.kind for limit in often] == [Kind.MEAN]
    assert hourly[0].set_points[0].at == often[0].set_points[0].at


def test_nothing_is_measured_twice_by_the_same_measure(default: Catalogue) -> None:
    """No series has two limits of one kind, mean and side with the same number: that would be one alarm told twice."""
    for quantity in default.quantities:
        for location in Location:
            for zone in default.zones:
                found = default.limits_for(f"{zone}/outfall/any/{quantity}", location, midday("2026-06-01"))
                measures = [(x.kind, x.of, x.side, tuple(point.at for point in x.set_points)) for x in found]
                assert len(set(measures)) == len(measures), [x.id for x in found]


def test_what_is_unsure_or_an_example_says_so(default: Catalogue) -> None:
    for limit in default.limits:
        if limit.provenance == "unverified" and limit.source != "parkwatch":
            assert "未核实" in limit.names.zh + limit.clause.zh or "建议" in limit.names.zh + limit.clause.zh, limit.id
            assert "verified" in limit.names.en + limit.clause.en or "uggest" in limit.names.en + limit.clause.en, (
                limit.id
            )
        if limit.kind in {Kind.BUDGET, Kind.NEGATIVE_LIST}:
            assert limit.provenance == "unverified"
            assert limit.clause.en.startswith("Example")
            assert limit.clause.zh.startswith("示例")


def test_every_kind_ships(default: Catalogue) -> None:
    assert {limit.kind for limit in default.limits} == set(Kind)
    for quantity in ("cod", "nh3-n", "tn", "tp"):
        for zone in default.zones:
            found = default.limits_for(f"{zone}/outfall/x/{quantity}", Location.OUTFALL, midday("2026-06-01"))
            assert {Kind.THRESHOLD, Kind.MEAN, Kind.BUDGET} <= {limit.kind for limit in found}


def test_a_site_gets_no_votes_without_voters(default: Catalogue) -> None:
    for limit in default.limits:
        if limit.kind is Kind.VOTE:
            voters = [default.limit(name) for name in limit.votes]
            assert all(Location.WORKPLACE in voter.match.locations for voter in voters)
            assert limit.needs == 2
