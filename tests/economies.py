"""Builders: a park of two zones with every kind of flow, on the shipped indicators, and amounts and reports for it."""

from __future__ import annotations

import dataclasses
import datetime as dt
import functools
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
import pytest

from park import figure_building, flow_building, indicator_building
from park.draft import Draft
from park.economy import Economy
from park.figures import Book, Reported
from park.flows import OUTSIDE, Amount, Enterprise, Flow, Reads
from park.indicator_terms import Benchmarks, Crossing, Indicator, Scope, Term
from park.rows import CHINA
from park.stretches import Length, Stretch
from park.words import Names
from storage.configuration import contents
from tests.conftest import ROOT

DAY = 86_400_000
WORDS = Names("某", "some")


def at(text: str) -> int:
    """Return a Chinese day or moment (``2026-03-01``, ``2026-03-01T08:00``) in ms."""
    return round(dt.datetime.fromisoformat(text).replace(tzinfo=CHINA).timestamp() * 1000)


def near(value: float, rel: float | None = None, abs: float | None = None) -> Any:  # noqa: A002 - pytest's word
    """Return what equals ``value`` but for rounding, wherever a number is expected."""
    return pytest.approx(value, rel=rel, abs=abs)


MARCH = Stretch(Length.MONTH, at("2026-03-01"), at("2026-04-01"), over=True)
NORTH, SOUTH, WORKS, BOILER, MILL = (
    Scope("north"),
    Scope("south"),
    Scope("north", "works"),
    Scope("north", "boiler"),
    Scope("south", "mill"),
)

#: id -> kind, from, to, what it carries in March.
STREAMS: dict[str, tuple[str, str, str, float]] = {
    "gas": ("natural-gas", OUTSIDE, "north/boiler", 400_000.0),
    "grid": ("electricity", OUTSIDE, "north/works", 2_000_000.0),
    "grid-mill": ("electricity", OUTSIDE, "south/mill", 500_000.0),
    "solar": ("renewable-electricity", OUTSIDE, "north/boiler", 300_000.0),
    "power": ("electricity", "north/boiler", "north/works", 100_000.0),
    "steam": ("steam", "north/boiler", "north/works", 1_000.0),
    "steam-mill": ("steam", "north/boiler", "south/mill", 200.0),
    "fresh-works": ("fresh-water", OUTSIDE, "north/works", 50_000.0),
    "fresh-boiler": ("fresh-water", OUTSIDE, "north/boiler", 10_000.0),
    "fresh-mill": ("fresh-water", OUTSIDE, "south/mill", 4_000.0),
    "circulating": ("reused-water", "north/works", "north/works", 300_000.0),
    "sewage": ("wastewater", "north/works", "north/treatment", 30_000.0),
    "reclaimed": ("reclaimed-water", "north/treatment", "north/boiler", 9_000.0),
    "outfall": ("discharge", "north/treatment", OUTSIDE, 20_000.0),
    "ore": ("raw-material", OUTSIDE, "north/works", 8_000.0),
    "ore-mill": ("raw-material", OUTSIDE, "south/mill", 900.0),
    "paper": ("renewable-material", OUTSIDE, "north/works", 500.0),
    "scrap": ("recycled-material", OUTSIDE, "north/works", 1_000.0),
    "acid": ("by-product", "north/works", "south/mill", 600.0),
    "acid-sold": ("by-product", "north/works", OUTSIDE, 400.0),
    "goods": ("product", "north/works", OUTSIDE, 7_000.0),
    "goods-mill": ("product", "south/mill", OUTSIDE, 1_400.0),
    "landfill": ("solid-waste", "north/works", OUTSIDE, 300.0),
    "cement": ("solid-waste-used", "north/works", OUTSIDE, 700.0),
    "poison": ("hazardous-waste", "north/works", OUTSIDE, 100.0),
    "heat": ("waste-heat", "north/works", "north/boiler", 2_000.0),
    "heat-lost": ("waste-heat-lost", "north/works", OUTSIDE, 3_000.0),
}
#: enterprise -> its sites.
ENTERPRISES = {
    "ge": ("north/works",),
    "re": ("north/boiler",),
    "shui": ("north/treatment",),
    "mo": ("south/mill",),
}
#: What they report for March, in the figures' units: 10k CNY, mu, t, m3.
REPORTS: dict[str, dict[str, float]] = {
    "ge": {
        "value-added": 6_000.0,
        "output-value": 20_000.0,
        "sales": 22_000.0,
        "built-land": 300.0,
        "waste-from-stock": 50.0,
        "products-recycled": 140.0,
        "products-reused": 70.0,
        "returned-to-nature": 35.0,
    },
    "re": {"value-added": 500.0, "output-value": 1_500.0, "sales": 1_600.0, "built-land": 60.0},
    "shui": {
        "value-added": 100.0,
        "output-value": 300.0,
        "sales": 310.0,
        "built-land": 90.0,
        "compliant-discharge": 19_500.0,
    },
    "mo": {"value-added": 1_400.0, "output-value": 4_200.0, "sales": 4_000.0, "built-land": 150.0},
}


def flow(id_: str, kind: str, source: str, target: str, reads: Reads = Reads.TOTAL) -> Flow:
    """Return a flow with a meter of its own."""
    zone = (source if source != OUTSIDE else target).partition("/")[0]
    return Flow(id_, WORDS, kind, source, target, f"{zone}/a/{id_}/quantity", reads, most=1e9)


def economy(**changes: Any) -> Economy:
    """Return the shipped kinds, figures, indicators, benchmarks and factors on the park above."""
    made = dataclasses.replace(
        _shipped(),
        enterprises={
            name: Enterprise(name, WORDS, sites[0].partition("/")[0], sites) for name, sites in ENTERPRISES.items()
        },
        flows={id_: flow(id_, kind, source, target) for id_, (kind, source, target, _) in STREAMS.items()},
    )
    return dataclasses.replace(made, **changes)


@functools.cache
def _shipped() -> Economy:
    draft = Draft(contents(ROOT / "config"))
    kinds, figures = flow_building.kinds(draft), figure_building.figures(draft)
    factors = indicator_building.factors(draft, kinds)
    indicators = indicator_building.indicators(draft, kinds, figures, factors)
    benchmarks = indicator_building.benchmarks(draft, indicators)
    assert not draft.problems
    return Economy(kinds=kinds, figures=figures, factors=factors, indicators=indicators, benchmarks=benchmarks)


def amounts(
    over: Stretch, carried: Mapping[str, float] | None = None, share: float = 1.0
) -> dict[str, dict[int, Amount]]:
    """Return what the flows carried in a stretch, spread over its days, ``share`` of each measured."""
    found = {id_: carried_ for id_, (_, _, _, carried_) in STREAMS.items()} if carried is None else carried
    return {
        id_: {
            begin: Amount(id_, begin, end, amount * (end - begin) / (over.end - over.begin), share)
            for begin, end in _days(over)
        }
        for id_, amount in found.items()
    }


def _days(over: Stretch) -> list[tuple[int, int]]:
    return [(begin, min(begin + DAY, over.end)) for begin in range(over.begin, over.end, DAY)]


def book(made: Economy, over: Stretch, reports: Mapping[str, Mapping[str, float]] = REPORTS) -> Book:
    """Return reports of enterprises for a stretch."""
    return Book(made.figures, reported(over, reports))


def reported(over: Stretch, reports: Mapping[str, Mapping[str, float]] = REPORTS) -> Iterable[Reported]:
    """Return reports of enterprises for a stretch, one by one."""
    for enterprise, figures in reports.items():
        for figure, value in figures.items():
            yield Reported(enterprise, figure, over.begin, over.end, value)


def indicator(numerator: Term, *denominator: Term, **changes: Any) -> Indicator:
    """Return an indicator of one's own, computed for everything."""
    parts = {"numerator": (numerator,)} | ({"denominator": denominator} if denominator else {})
    some = next(iter(_shipped().indicators.values()))
    return msgspec.structs.replace(some, **({"name": "own", "scale": 1.0, "parts": parts} | changes))


def flows_of(*kinds: str, crossing: Crossing = Crossing.IN, **changes: Any) -> Term:
    """Return a term of flows."""
    return Term(kinds=kinds, crossing=crossing, **changes)


def only(benchmarks: Benchmarks, **changes: Any) -> Benchmarks:
    """Return benchmarks with something else changed."""
    return msgspec.structs.replace(benchmarks, **changes)
