"""From the configuration's documents to the :class:`~park.economy.Economy`; each file has a module that reads it."""

from __future__ import annotations

from park import (
    admission_building,
    evaluation_building,
    figure_building,
    flow_building,
    indicator_building,
    network_building,
)
from park.draft import Draft
from park.economy import Economy


def economy(building: Draft) -> Economy:
    """Return what is configured of the circular economy, and report what is wrong with it."""
    kinds = flow_building.kinds(building)
    flows = flow_building.flows(building, kinds)
    network_building.check(building, kinds, flows)
    figures = figure_building.figures(building)
    factors = indicator_building.factors(building, kinds)
    indicators = indicator_building.indicators(building, kinds, figures, factors)
    return Economy(
        enterprises=flow_building.enterprises(building),
        kinds=kinds,
        flows=flows,
        balances=flow_building.balances(building, kinds, flows),
        figures=figures,
        indicators=indicators,
        benchmarks=indicator_building.benchmarks(building, indicators),
        factors=factors,
        schemes=evaluation_building.schemes(building, figures),
        smart=evaluation_building.smart(building, figures),
        access=admission_building.access(building, figures),
    )
