"""Indicators: every shipped formula against an example worked out by hand, and all that can be missing or odd."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from park.economy import Economy
from park.figures import Book, FigureDefinition, FigureKind, Reported
from park.flows import OUTSIDE, Amount, Enterprise, Reads
from park.indicator_terms import (
    PARK,
    Benchmarks,
    BenchmarkSet,
    Better,
    Crossing,
    Factor,
    FactorTable,
    Indicator,
    Scope,
    ScopeKind,
    Target,
    Term,
)
from park.indicators import IndicatorResult, Status, compute, compute_all, counted, scopes_of
from park.stretches import Length, Stretch, stretch, stretches
from storage.configuration import load
from tests.conftest import ROOT
from tests.economies import (
    BOILER,
    DAY,
    MARCH,
    MILL,
    NORTH,
    REPORTS,
    SOUTH,
    STREAMS,
    WORDS,
    WORKS,
    amounts,
    at,
    book,
    economy,
    flow,
    flows_of,
    indicator,
    near,
    only,
    reported,
)
from tests.making import many

HOUR = 3_600_000
#: Factors as the standards print them: kgce and kg CO2 per kWh, kg, m3.
KWH, STEAM, GAS = 0.1229, 0.1286, 1.33
KWH_CO2, STEAM_CO2, GAS_CO2 = 0.5827, 0.2966, 2.1622
SOLID_WASTE = "solid-waste-use-rate"


@pytest.fixture(scope="module")
def made() -> Economy:
    return economy()


def of(
    made: Economy,
    name: str | Indicator,
    scope: Scope = NORTH,
    over: Stretch = MARCH,
    days: Mapping[str, Mapping[int, Amount]] | None = None,
    figures: Book | None = None,
) -> IndicatorResult:
    found = compute(
        made,
        made.indicators[name] if isinstance(name, str) else name,
        scope,
        over,
        amounts(over) if days is None else days,
        book(made, over) if figures is None else figures,
    )
    assert found is not None
    return found


# --- every formula --------------------------------------------------------------------------------------------

# Energy that crosses the boundary, in t of coal equivalent, and its CO2 in t. Of the zone in the north: grid, sun and
# gas in, steam to the mill out; what the boiler gives to the works is inside.
NORTH_TCE = (2_000_000 * KWH + 300_000 * KWH + 400_000 * GAS) / 1000 - 200 * STEAM
SOUTH_TCE = 500_000 * KWH / 1000 + 200 * STEAM
WORKS_TCE = (2_000_000 + 100_000) * KWH / 1000 + 1_000 * STEAM
BOILER_TCE = (300_000 * KWH + 400_000 * GAS - 100_000 * KWH) / 1000 - 1_200 * STEAM
NORTH_CO2 = (2_000_000 * KWH_CO2 + 400_000 * GAS_CO2) / 1000 - 200 * STEAM_CO2
NORTH_IN, NORTH_OUT = 8_000 + 500 + 1_000, 7_000 + 600 + 400 + 300 + 700 + 100


def _circularity_of_the_north() -> float:
    """In tonnes: the formula as the Ellen MacArthur Foundation writes it, E_F 0.9, E_C 0.8, X 1."""
    m = NORTH_IN
    v = m - 1_000 - 0 - 500
    w0 = m - (700 + 140) - (1_000 + 70) - 35
    wc = (1 - 0.8) * (700 + 140)
    wf = (1 - 0.9) * 1_000 / 0.9
    w = w0 + (wf + wc) / 2
    return 1 - 0.9 * (v + w) / (2 * m + (wf - wc) / 2)


EXPECTED: dict[tuple[str, Scope], float] = {
    # 5.1
    ("resource-productivity", NORTH): 21_800 * 10_000 / (8_000 + 500 + 400_000 * 0.717 / 1000),
    ("resource-productivity", PARK): 26_000 * 10_000 / (8_900 + 500 + 400_000 * 0.717 / 1000),
    ("energy-productivity", NORTH): 21_800 / NORTH_TCE,
    ("energy-productivity", MILL): 4_200 / SOUTH_TCE,
    ("water-productivity", NORTH): 6_600 * 10_000 / 60_000,
    ("water-productivity", PARK): 8_000 * 10_000 / 64_000,
    ("land-productivity", NORTH): 21_800 / (450 / 15) * 365 / 31,
    ("land-productivity", WORKS): 20_000 / (300 / 15) * 365 / 31,
    (SOLID_WASTE, NORTH): (700 + 50) / (300 + 700 + 50) * 100,
    ("water-reuse-rate", NORTH): (300_000 + 9_000) / (60_000 + 300_000 + 9_000) * 100,
    ("water-reuse-rate", WORKS): 300_000 / (50_000 + 300_000) * 100,
    ("water-reuse-rate", MILL): 0.0,
    ("reclaimed-water-rate", NORTH): 9_000 / 30_000 * 100,
    ("waste-heat-rate", NORTH): 2_000 / (2_000 + 3_000) * 100,
    # 5.2
    ("energy-per-value-added", NORTH): NORTH_TCE / 6_600,
    ("energy-per-value-added", PARK): (NORTH_TCE + SOUTH_TCE) / 8_000,
    ("energy-per-value-added", WORKS): WORKS_TCE / 6_000,
    ("value-added-per-energy", NORTH): 6_600 / NORTH_TCE,
    ("fresh-water-per-value-added", NORTH): 60_000 / 6_600,
    ("wastewater-per-value-added", NORTH): 20_000 / 6_600,
    ("wastewater-per-value-added", WORKS): 30_000 / 6_000,
    ("renewable-energy-share", NORTH): 300_000 * KWH / 1000 / NORTH_TCE * 100,
    ("clean-energy-share", NORTH): (300_000 * KWH + 400_000 * GAS) / 1000 / NORTH_TCE * 100,
    # 5.3
    ("iso-reused-inflow", SOUTH): 600 / (900 + 600) * 100,
    ("iso-reused-inflow", PARK): 0.0,
    ("iso-recycled-inflow", NORTH): 1_000 / NORTH_IN * 100,
    ("iso-renewable-inflow", NORTH): 500 / NORTH_IN * 100,
    ("iso-reused-outflow", NORTH): (600 + 400 + 70) / NORTH_OUT * 100,
    ("iso-reused-outflow", PARK): (400 + 70) / (NORTH_OUT - 600 + 1_400) * 100,
    ("iso-recycled-outflow", NORTH): (700 + 140) / NORTH_OUT * 100,
    ("iso-biological-outflow", NORTH): 35 / NORTH_OUT * 100,
    ("iso-renewable-energy", NORTH): 300_000 * KWH / 1000 / NORTH_TCE * 100,
    ("iso-circular-water", NORTH): 9_000 / (60_000 + 9_000) * 100,
    ("iso-circular-water", BOILER): 9_000 / (10_000 + 9_000) * 100,
    ("iso-compliant-discharge", NORTH): 19_500 / 20_000 * 100,
    ("iso-onsite-water-reuse", NORTH): 300_000 / (60_000 + 300_000 + 9_000) * 100,
    ("iso-material-productivity", NORTH): (22_000 + 1_600 + 310) * 10_000 / 8_000,
    # 5.4
    ("material-circularity", NORTH): _circularity_of_the_north(),
    # 5.5
    ("energy", NORTH): NORTH_TCE,
    ("energy", SOUTH): SOUTH_TCE,
    ("energy", BOILER): BOILER_TCE,
    ("co2", NORTH): NORTH_CO2,
    ("co2-per-value-added", NORTH): NORTH_CO2 / 6_600,
    ("co2-per-energy", NORTH): NORTH_CO2 / NORTH_TCE,
}


@pytest.mark.parametrize(("name", "scope"), EXPECTED, ids=[f"{name} of {scope.text}" for name, scope in EXPECTED])
def test_a_formula(made: Economy, name: str, scope: Scope) -> None:
    result = of(made, name, scope)
    assert result.value == near(EXPECTED[name, scope], rel=1e-9)
    assert (result.share, result.missing, result.carried, result.provisional) == (near(1.0), (), False, False)


def test_every_shipped_formula_has_an_example(made: Economy) -> None:
    assert {name for name, _ in EXPECTED} == set(made.indicators)


def test_everything_at_once_is_what_each_is_alone(made: Economy) -> None:
    every = compute_all(made, MARCH, amounts(MARCH), book(made, MARCH))
    assert len({(each.indicator, each.scope) for each in every}) == len(every)
    found = {(each.indicator, each.scope): each.value for each in every}
    for key, value in EXPECTED.items():
        assert found[key] == near(value, rel=1e-9)
    for name, scope in found:
        assert scope.kind in made.indicators[name].scopes


def test_a_length_that_an_indicator_is_not_for_is_left_out(made: Economy) -> None:
    day = Stretch(Length.DAY, MARCH.begin, MARCH.begin + DAY, over=True)
    names = {each.indicator for each in compute_all(made, day, amounts(day), book(made, day))}
    assert names == made.indicators.keys() - {"land-productivity"}


# --- what counts where ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("crossing", "signs"),
    [
        (Crossing.IN, {"bought": 1}),
        (Crossing.OUT, {"sold": 1}),
        (Crossing.NET, {"bought": 1, "sold": -1}),
        (Crossing.USED, {"bought": 1, "passed": 1, "loop": 1}),
        (Crossing.GIVEN, {"sold": 1, "passed": 1, "loop": 1}),
        (Crossing.WITHIN, {"passed": 1, "loop": 1}),
        (Crossing.ALL, {"bought": 1, "sold": 1, "passed": 1, "loop": 1}),
    ],
)
def test_which_flows_count_for_a_zone(made: Economy, crossing: Crossing, signs: dict[str, int]) -> None:
    ends = {
        "bought": (OUTSIDE, "a/x"),
        "sold": ("a/x", OUTSIDE),
        "passed": ("a/x", "a/y"),
        "loop": ("a/x", "a/x"),
        "elsewhere": ("b/x", "b/y"),
    }
    flows = {id_: flow(id_, "steam", *each) for id_, each in ends.items()}
    some = dataclasses.replace(made, flows=flows, enterprises={})
    found = counted(some, flows_of("steam", crossing=crossing), Scope("a"))
    assert {each.id: sign for each, sign in found} == signs


def test_energy_that_is_made_inside_counts_once(made: Economy) -> None:
    """Net energy of sites adds up to that of their zones, and of zones to that of the park."""
    sites = [scope for scope in scopes_of(made) if scope.kind is ScopeKind.SITE]
    of_sites = sum(each.value or 0.0 for site in sites if (each := compute_energy(made, site)))
    zones = [of(made, "energy", zone).value or 0.0 for zone in (NORTH, SOUTH)]
    assert of_sites == near(sum(zones))
    assert of(made, "energy", PARK).value == near(sum(zones))
    # Of steam and electricity, only what is bought: neither what the boiler makes of gas, nor what passes inside.
    bought = (2_500_000 + 300_000) * KWH / 1000 + 400_000 * GAS / 1000
    assert of(made, "energy", PARK).value == near(bought)


def compute_energy(made: Economy, scope: Scope) -> IndicatorResult | None:
    return compute(made, made.indicators["energy"], scope, MARCH, amounts(MARCH), book(made, MARCH))


places = st.sampled_from([OUTSIDE, "a/x", "a/y", "b/x", "c/x"])


@many
@given(st.lists(st.tuples(places, places, st.floats(0.0, 1e6)).filter(lambda each: {each[0], each[1]} != {OUTSIDE})))
def test_net_sums_add_up_whatever_flows_where(streams: list[tuple[str, str, float]]) -> None:
    flows = {f"f{number}": flow(f"f{number}", "steam", *each[:2]) for number, each in enumerate(streams)}
    some = Economy(flows=flows)
    days = amounts(MARCH, {f"f{number}": each[2] for number, each in enumerate(streams)})
    own = msgspec.structs.replace(_PLAIN, parts={"numerator": (flows_of("steam", crossing=Crossing.NET),)})
    by_kind = dict.fromkeys(ScopeKind, 0.0)
    for scope in scopes_of(some):
        found = compute(some, own, scope, MARCH, days, Book({}))
        by_kind[scope.kind] += (found.value or 0.0) if found else 0.0
    assert by_kind[ScopeKind.SITE] == near(by_kind[ScopeKind.PARK], abs=1e-3)
    assert by_kind[ScopeKind.ZONE] == near(by_kind[ScopeKind.PARK], abs=1e-3)


_PLAIN = Indicator("own", WORDS, "t", "t", WORDS, {}, "", WORDS, "unverified", scopes=tuple(ScopeKind))


def test_scopes(made: Economy) -> None:
    assert [each.text for each in scopes_of(made)] == [
        "park",
        "north",
        "south",
        "north/boiler",
        "north/treatment",
        "north/works",
        "south/mill",
    ]
    assert scopes_of(Economy()) == []


# --- what does not concern a scope ----------------------------------------------------------------------------


def test_a_site_without_such_flows_is_not_concerned(made: Economy) -> None:
    for name, scope in ((SOLID_WASTE, BOILER), ("waste-heat-rate", MILL), ("energy", Scope("north", "treatment"))):
        assert compute(made, made.indicators[name], scope, MARCH, amounts(MARCH), book(made, MARCH)) is None


def test_a_site_of_an_enterprise_with_several_has_no_figures_of_its_own(made: Economy) -> None:
    two = {"ge": Enterprise("ge", WORDS, "north", ("north/works", "north/boiler"))}
    some = dataclasses.replace(made, enterprises=two)
    intensity = made.indicators["energy-per-value-added"]
    assert compute(some, intensity, WORKS, MARCH, amounts(MARCH), book(made, MARCH)) is None
    assert of(some, intensity, NORTH).value == near(NORTH_TCE / 6_000)
    # What is nothing unless it is reported is nothing there, and no reason to have no value.
    assert of(some, SOLID_WASTE, WORKS).value == near(70.0)


def test_an_enterprise_that_did_not_produce_yet_is_not_asked(made: Economy) -> None:
    later = {**made.enterprises, "xin": Enterprise("xin", WORDS, "north", ("north/new",), since=at("2026-04-01"))}
    result = of(dataclasses.replace(made, enterprises=later), "water-productivity")
    assert (result.missing, result.value) == ((), near(1_100.0))
    sooner = {**later, "xin": msgspec.structs.replace(later["xin"], since=at("2026-03-31"))}
    result = of(dataclasses.replace(made, enterprises=sooner), "water-productivity")
    assert result.missing == ("figure:xin/value-added",)


# --- nothing to divide by, nothing known ----------------------------------------------------------------------


@pytest.mark.parametrize("added", [0.0, -100.0])
def test_nothing_to_divide_by(made: Economy, added: float) -> None:
    reports = {name: {"value-added": added / 3} for name in ("ge", "re", "shui")}
    result = of(made, "energy-per-value-added", figures=book(made, MARCH, reports))
    assert (result.value, result.status) == (None, Status.NO_DENOMINATOR)
    assert (result.numerator, result.denominator) == (near(NORTH_TCE), near(added))
    assert {each.status for each in result.judgements} == {Status.NO_DENOMINATOR}


def test_meters_that_stood_still_are_no_denominator(made: Economy) -> None:
    still = amounts(MARCH, dict.fromkeys(STREAMS, 0.0))
    assert of(made, "waste-heat-rate", days=still).status is Status.NO_DENOMINATOR
    assert of(made, "material-circularity", days=still).status is Status.NO_DENOMINATOR


def test_a_flow_that_nobody_measured_is_named_and_nothing_is_judged(made: Economy) -> None:
    days = amounts(MARCH)
    del days["landfill"]
    result = of(made, SOLID_WASTE, days=days)
    assert (result.missing, result.status) == (("flow:landfill",), Status.PARTIAL)
    assert result.value == near(100.0), "of the rest"
    assert {each.status for each in result.judgements} == {Status.PARTIAL}


def test_a_sum_of_which_nothing_is_known_has_no_value(made: Economy) -> None:
    days = amounts(MARCH)
    del days["circulating"], days["reclaimed"]
    result = of(made, "water-reuse-rate", days=days)
    assert (result.value, result.status) == (None, Status.NO_DATA)
    assert result.missing == ("flow:circulating", "flow:reclaimed")


def test_without_any_amounts_nothing_has_a_value(made: Economy) -> None:
    every = compute_all(made, MARCH, {}, Book(made.figures))
    assert every
    assert {each.value for each in every if each.indicator != "iso-biological-outflow"} == {None}
    assert {each.status for each in every} == {Status.NO_DATA}


def test_an_enterprise_that_did_not_report_is_named(made: Economy) -> None:
    reports = {name: figures for name, figures in REPORTS.items() if name != "re"}
    result = of(made, "water-productivity", figures=book(made, MARCH, reports))
    assert (result.missing, result.status) == (("figure:re/value-added",), Status.PARTIAL)


def test_nobody_reported(made: Economy) -> None:
    result = of(made, "water-productivity", figures=Book(made.figures))
    assert (result.value, result.status) == (None, Status.NO_DATA)


def test_a_figure_that_concerns_some_needs_one_report(made: Economy) -> None:
    assert of(made, "iso-compliant-discharge").missing == ()
    result = of(made, "iso-compliant-discharge", figures=Book(made.figures))
    assert (result.value, result.missing) == (None, ("figure:compliant-discharge",))


# --- how much is known ----------------------------------------------------------------------------------------


def test_what_a_rate_did_not_measure_went_like_what_it_did(made: Economy) -> None:
    rates = {id_: msgspec.structs.replace(each, reads=Reads.RATE) for id_, each in made.flows.items()}
    half = amounts(MARCH, {id_: stream[3] / 2 for id_, stream in STREAMS.items()}, share=0.5)
    result = of(dataclasses.replace(made, flows=rates), "energy-per-value-added", days=half)
    assert result.value == near(NORTH_TCE / 6_600)
    assert result.share == near(0.5)
    assert (result.status, result.judgement("hj-274")) == (Status.PARTIAL, result.judgements[0])
    assert result.judgements[0].status is Status.PARTIAL


@pytest.mark.parametrize(("share", "status"), [(0.7499, Status.PARTIAL), (0.75, Status.MET), (1.0, Status.MET)])
def test_enough_must_be_known_to_judge(made: Economy, share: float, status: Status) -> None:
    result = of(made, "water-reuse-rate", days=amounts(MARCH, share=share))
    assert result.judgements[0].status is status


def test_the_share_is_weighted_by_what_each_flow_carries(made: Economy) -> None:
    days = amounts(MARCH) | amounts(MARCH, {"poison": 1.0}, share=0.01)
    rate = {"poison": msgspec.structs.replace(made.flows["poison"], reads=Reads.RATE)}
    own = indicator(flows_of("product", "hazardous-waste", crossing=Crossing.OUT))
    result = of(dataclasses.replace(made, flows={**made.flows, **rate}), own, WORKS, days=days)
    assert result.value == near(7_000 + 1 / 0.01)
    assert result.share == near((7_000 + 0.01 * 100) / (7_000 + 100))


def test_a_totaliser_knows_what_nobody_read(made: Economy) -> None:
    """From the 10th, noon, to the 12th, noon, nobody read it; the amounts are known, when they went is not."""
    days = amounts(MARCH)
    gone = {at("2026-03-10"): 0.5, at("2026-03-11"): 0.0, at("2026-03-12"): 0.5}
    for begin, share in gone.items():
        days["gas"][begin] = msgspec.structs.replace(days["gas"][begin], share=share)
    own = indicator(flows_of("natural-gas"))
    result = of(made, own, days=days)
    assert result.value == near(400_000)
    assert result.share == near(29 / 31)
    day = Stretch(Length.DAY, at("2026-03-10"), at("2026-03-11"), over=True)
    assert of(made, own, over=day, days=days).value == near(400_000 / 31)


def test_a_totaliser_that_leapt_does_not_know_that_day(made: Economy) -> None:
    """An unbelievable step on the 10th: six hours of it are known by nobody, and the days around it are whole."""
    days = amounts(MARCH)
    tenth = at("2026-03-10")
    days["gas"][tenth] = msgspec.structs.replace(days["gas"][tenth], amount=400_000 / 31 * 0.75, share=0.75)
    day = Stretch(Length.DAY, tenth, tenth + DAY, over=True)
    result = of(made, indicator(flows_of("natural-gas")), over=day, days=days)
    assert (result.value, result.share) == (near(400_000 / 31), near(0.75))


def test_a_meter_that_came_in_the_middle_is_taken_for_the_whole(made: Economy) -> None:
    days = amounts(MARCH)
    days["gas"] = {begin: each for begin, each in days["gas"].items() if begin >= at("2026-03-17")}
    result = of(made, indicator(flows_of("natural-gas")), days=days)
    assert (result.value, result.share) == (near(400_000), near(15 / 31))


def test_a_month_that_is_not_over_is_provisional(made: Economy) -> None:
    now = at("2026-03-16T12:00")
    running = stretch(Length.MONTH, now, now)
    result = of(made, SOLID_WASTE, over=running)
    assert result.provisional
    assert not result.carried
    assert result.judgements[0].status is Status.MET
    assert result.value == near(EXPECTED[SOLID_WASTE, NORTH])


# --- figures --------------------------------------------------------------------------------------------------


def test_figures_are_carried_forward_and_marked(made: Economy) -> None:
    """January is reported; March takes its daily amount, 31 days each."""
    january = stretch(Length.MONTH, at("2026-01-15"), MARCH.end)
    result = of(made, "water-productivity", figures=book(made, january))
    assert result.value == near(1_100.0)
    assert (result.carried, result.provisional, result.missing) == (True, True, ())
    assert result.judgement("green-park") == result.judgements[1]
    assert result.judgements[1].status is Status.MISSED


def test_figures_are_not_carried_for_ever(made: Economy) -> None:
    old = stretch(Length.MONTH, at("2025-01-15"), MARCH.end)
    assert of(made, "water-productivity", figures=book(made, old)).status is Status.NO_DATA


def test_a_day_gets_its_part_of_the_month(made: Economy) -> None:
    day = Stretch(Length.DAY, at("2026-03-08"), at("2026-03-09"), over=True)
    result = of(made, "water-productivity", over=day, days=amounts(MARCH), figures=book(made, MARCH))
    assert result.value == near(1_100.0)
    assert (result.numerator, result.denominator) == (near(6_600 / 31), near(60_000 / 31))


def test_what_was_reported_of_a_part_stands_for_the_whole(made: Economy) -> None:
    """Nothing was reported before the 17th, and nothing can be carried forward to it."""
    late = Stretch(Length.MONTH, at("2026-03-17"), MARCH.end, over=True)
    result = of(made, "water-productivity", figures=book(made, late))
    assert result.value == near(1_100.0 * 31 / 15)
    assert (result.share, result.status) == (near(15 / 31), Status.PARTIAL)


def test_a_stock_that_shrinks_adds_to_what_was_used(made: Economy) -> None:
    """Material used = what came in, less what the stock gained; a stock that loses 1000 t is used up."""
    gained = FigureDefinition("stock-gain", WORDS, FigureKind.FLOW, "t")
    figures = {**made.figures, "stock-gain": gained}
    used = (flows_of("raw-material"), Term(figure="stock-gain", weight=-1.0))
    own = indicator(Term(figure="sales"), *used, scale=10_000.0)
    some = dataclasses.replace(made, figures=figures)
    for change, expected in ((-1_000.0, 9_000.0), (2_000.0, 6_000.0), (9_000.0, None)):
        reports = {"ge": {"sales": 22_000.0, "stock-gain": change}}
        result = of(some, own, WORKS, figures=Book(figures, reported(MARCH, reports)))
        assert result.denominator == near(8_000 - change)
        assert result.value == (None if expected is None else near(22_000 * 10_000 / expected))


def test_a_stock_counts_as_it_was_not_by_the_days(made: Economy) -> None:
    half = stretch(Length.MONTH, MARCH.begin, at("2026-03-16"))
    own = indicator(Term(figure="built-land"))
    assert of(made, own, over=half, figures=book(made, MARCH)).value == near(450.0)


def test_a_year_to_date_is_brought_to_a_whole_year(made: Economy) -> None:
    now = at("2026-04-01")
    year = stretch(Length.YEAR, now - 1, now)
    result = of(made, "land-productivity", WORKS, over=year, figures=book(made, year))
    assert result.value == near(20_000 / 20 * 365 / 90)
    leap = stretch(Length.YEAR, at("2024-06-01"), now)
    assert of(made, "land-productivity", WORKS, over=leap, figures=book(made, leap)).value == near(1_000.0)


# --- factors --------------------------------------------------------------------------------------------------


def test_factors_are_those_of_the_year(made: Economy) -> None:
    by_year = Factor("electricity", ((2023, 0.6), (2025, 0.5)), "", WORDS, "verified")
    some = dataclasses.replace(made, factors={"grid": FactorTable("grid", WORDS, "t", {"electricity": by_year})})
    own = indicator(flows_of("electricity", factor="grid", weight=2.0))
    for year, factor in ((2023, 0.6), (2024, 0.6), (2025, 0.5), (2031, 0.5)):
        over = stretch(Length.MONTH, at(f"{year}-03-01"), at("2032-01-01"))
        assert of(some, own, PARK, over=over).value == near(2_500_000 * factor * 2)
    before = stretch(Length.DAY, at("2022-12-31T23:59"), at("2032-01-01"))
    result = of(some, own, PARK, over=before)
    assert (result.value, result.status, result.missing) == (None, Status.NO_DATA, ("factor:grid/electricity",))


def test_new_year_is_chinese(made: Economy) -> None:
    by_year = Factor("electricity", ((2025, 1.0), (2026, 2.0)), "", WORDS, "verified")
    some = dataclasses.replace(made, factors={"grid": FactorTable("grid", WORDS, "t", {"electricity": by_year})})
    own = indicator(flows_of("electricity", factor="grid"))
    first = stretch(Length.DAY, at("2026-01-01T00:00"), at("2026-02-01"))
    assert of(some, own, PARK, over=first).value == near(5_000_000)
    last = stretch(Length.DAY, at("2025-12-31T23:59"), at("2026-02-01"))
    assert of(some, own, PARK, over=last).value == near(2_500_000)


# --- benchmarks -----------------------------------------------------------------------------------------------


def test_every_set_judges_for_itself(made: Economy) -> None:
    result = of(made, SOLID_WASTE)
    assert [(each.benchmark, each.target, each.status.value) for each in result.judgements] == [
        ("hj-274", 70.0, "met"),
        ("green-park", 95.0, "missed"),
        ("zero-carbon", 80.0, "missed"),
    ]
    assert result.judgement("nobody") is None


def test_the_shipped_targets(made: Economy) -> None:
    """As section 5.2 of the reference has them."""
    targets = {
        name: {target.indicator: target.at for target in each.targets.values()}
        for name, each in made.benchmarks.sets.items()
    }
    assert targets["hj-274"] == {
        "energy-per-value-added": 0.5,
        "fresh-water-per-value-added": 8.0,
        SOLID_WASTE: 70.0,
        "water-reuse-rate": 75.0,
        "reclaimed-water-rate": 10.0,
        "renewable-energy-share": 9.0,
        "wastewater-per-value-added": 7.0,
    }
    assert targets["green-park"] == {
        "value-added-per-energy": 3.0,
        "water-productivity": 1_500.0,
        SOLID_WASTE: 95.0,
        "water-reuse-rate": 90.0,
        "reclaimed-water-rate": 30.0,
        "waste-heat-rate": 60.0,
        "renewable-energy-share": 15.0,
        "wastewater-per-value-added": 5.0,
    }
    assert targets["zero-carbon"] == {
        SOLID_WASTE: 80.0,
        "water-reuse-rate": 80.0,
        "waste-heat-rate": 50.0,
        "clean-energy-share": 90.0,
        "co2-per-energy": 0.2,
    }
    assert made.benchmarks.shown == "hj-274"
    low = {name for name, each in made.indicators.items() if each.better is Better.LOW}
    assert low == {
        "energy-per-value-added",
        "fresh-water-per-value-added",
        "wastewater-per-value-added",
        "co2-per-value-added",
        "co2-per-energy",
    }


@pytest.mark.parametrize(
    ("better", "target", "status"),
    [
        (Better.HIGH, 400_000.0, Status.MET),
        (Better.HIGH, 400_001.0, Status.MISSED),
        (Better.LOW, 400_000.0, Status.MET),
        (Better.LOW, 399_999.0, Status.MISSED),
    ],
)
def test_what_equals_its_target_meets_it(made: Economy, better: Better, target: float, status: Status) -> None:
    own = indicator(flows_of("natural-gas"), better=better)
    wanted = BenchmarkSet("set", WORDS, "", {"own": Target("own", target, WORDS, "verified")})
    days = amounts(MARCH)
    days["gas"] = {MARCH.begin: Amount("gas", MARCH.begin, MARCH.end, 400_000.0, 1.0)}
    some = dataclasses.replace(made, benchmarks=Benchmarks("set", 0.75, {"set": wanted}))
    assert [each.status for each in of(some, own, days=days).judgements] == [status]


def test_without_a_target_nothing_is_judged(made: Economy) -> None:
    result = of(made, "energy")
    assert {each.status for each in result.judgements} == {Status.NO_TARGET}
    assert {each.target for each in result.judgements} == {None}
    assert of(dataclasses.replace(made, benchmarks=Benchmarks()), "energy").judgements == ()


def test_how_much_must_be_known_is_configured(made: Economy) -> None:
    lenient = dataclasses.replace(made, benchmarks=only(made.benchmarks, coverage=0.1))
    assert of(lenient, SOLID_WASTE, days=amounts(MARCH, share=0.2)).judgements[0].status is Status.MET


def test_who_gives_more_energy_than_it_takes_is_not_praised_for_it(made: Economy) -> None:
    streams = {id_: each[3] for id_, each in STREAMS.items()} | {"gas": 0.0}
    result = of(made, "energy-per-value-added", BOILER, days=amounts(MARCH, streams))
    assert result.value is not None
    assert result.value < 0
    assert {each.status for each in result.judgements} == {Status.NET_GIVER}
    nothing = book(made, MARCH, {"re": {"value-added": 0.0}})
    result = of(made, "energy-per-value-added", BOILER, days=amounts(MARCH, streams), figures=nothing)
    assert (result.value, result.status) == (None, Status.NO_DENOMINATOR)


def test_a_loss_is_no_gift(made: Economy) -> None:
    reports = {name: {"value-added": -100.0} for name in ("ge", "re", "shui")}
    result = of(made, "water-productivity", figures=book(made, MARCH, reports))
    judgement = result.judgement("green-park")
    assert judgement is not None
    assert judgement.status is Status.MISSED


def test_more_recovered_than_there_was(made: Economy) -> None:
    streams = {id_: each[3] for id_, each in STREAMS.items()} | {"cement": 20_000.0}
    result = of(made, "material-circularity", days=amounts(MARCH, streams))
    assert (result.value, result.status) == (None, Status.INCONSISTENT)


# --- stretches of time ----------------------------------------------------------------------------------------


def test_stretches_are_chinese() -> None:
    now = at("2026-11-23T12:00")
    moment = at("2026-02-14T23:59")
    assert stretch(Length.DAY, moment, now) == Stretch(Length.DAY, at("2026-02-14"), at("2026-02-15"), over=True)
    assert stretch(Length.MONTH, moment, now) == Stretch(Length.MONTH, at("2026-02-01"), at("2026-03-01"), over=True)
    assert stretch(Length.YEAR, moment, now) == Stretch(Length.YEAR, at("2026-01-01"), now, over=False)
    assert stretch(Length.MONTH, at("2025-12-31T23:59"), now).end == at("2026-01-01")
    assert stretch(Length.YEAR, at("2024-02-29"), now).per_year == 1.0


def test_a_stretch_that_has_not_begun() -> None:
    with pytest.raises(ValueError, match="has not begun"):
        stretch(Length.DAY, at("2026-03-02"), at("2026-03-02"))


def test_days_their_months_and_their_years() -> None:
    now = at("2026-01-02T08:00")
    days = [at("2025-12-30"), at("2025-12-31"), at("2026-01-01"), at("2026-01-02"), at("2026-01-03")]
    found = [(each.length.value, each.begin, each.over) for each in stretches(days, now)]
    assert found == [
        ("day", at("2025-12-30"), True),
        ("day", at("2025-12-31"), True),
        ("day", at("2026-01-01"), True),
        ("day", at("2026-01-02"), False),
        ("month", at("2025-12-01"), True),
        ("month", at("2026-01-01"), False),
        ("year", at("2025-01-01"), True),
        ("year", at("2026-01-01"), False),
    ]


def test_late_data_of_a_day_changes_that_day_its_month_and_its_year_only(made: Economy) -> None:
    now = at("2026-05-01")
    year = stretch(Length.YEAR, now - 1, now)
    before = amounts(year)
    after = {id_: dict(days) for id_, days in before.items()}
    late = at("2026-03-08")
    after["gas"][late] = msgspec.structs.replace(after["gas"][late], amount=99_999.0)
    figures = Book(made.figures, [Reported("ge", "value-added", year.begin, year.end, 9_000.0)])
    every = stretches(range(year.begin, now, DAY), now)
    changed = {
        (over.length.value, over.begin)
        for over in every
        if compute_all(made, over, before, figures) != compute_all(made, over, after, figures)
    }
    assert changed == {("day", late), ("month", at("2026-03-01")), ("year", year.begin)}


# --- the shipped park ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shipped() -> tuple[Economy, list[IndicatorResult]]:
    """A month in which every meter showed a third of what is believable, and every enterprise reported the same."""
    park = load(ROOT / "config").economy
    hours = (MARCH.end - MARCH.begin) / HOUR
    carried = {each.id: (each.usual or each.most / 3) * hours for each in park.flows.values()}
    figures = {name: 10.0 for name, each in park.figures.items() if each.kind in {FigureKind.FLOW, FigureKind.STOCK}}
    reports = dict.fromkeys(park.enterprises, figures)
    return park, compute_all(park, MARCH, amounts(MARCH, carried), Book(park.figures, reported(MARCH, reports)))


def test_every_indicator_of_the_shipped_park_has_a_value(shipped: tuple[Economy, list[IndicatorResult]]) -> None:
    park, every = shipped
    large = [each for each in every if each.scope.kind is not ScopeKind.SITE]
    zones = {site.partition("/")[0] for each in park.enterprises.values() for site in each.sites}
    wanted = {(name, scope) for name in park.indicators for scope in (PARK, *map(Scope, zones))}
    assert {(each.indicator, each.scope) for each in large} == wanted
    assert [each for each in large if each.value is None or each.missing] == []


def test_shares_of_the_shipped_park_are_shares(shipped: tuple[Economy, list[IndicatorResult]]) -> None:
    """But for those of reported figures, which are made up here."""
    park, every = shipped
    made_up = {"iso-reused-outflow", "iso-recycled-outflow", "iso-biological-outflow", "iso-compliant-discharge"}
    shares = [each for each in every if park.indicators[each.indicator].unit == "%" and each.indicator not in made_up]
    assert len(shares) > 50
    assert [each for each in shares if each.value is not None and not 0.0 <= each.value <= 100.0 + 1e-9] == []


def test_energy_of_the_shipped_park_counts_once(shipped: tuple[Economy, list[IndicatorResult]]) -> None:
    _, every = shipped
    for name in ("energy", "co2"):
        sums = dict.fromkeys(ScopeKind, 0.0)
        for each in every:
            sums[each.scope.kind] += (each.value or 0.0) if each.indicator == name else 0.0
        assert sums[ScopeKind.SITE] == near(sums[ScopeKind.PARK])
        assert sums[ScopeKind.ZONE] == near(sums[ScopeKind.PARK])
