"""The circular economy of the park as it is configured: enterprises, flows, figures, indicators, schemes, access."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from park.admission import Access
from park.evaluation import Scheme
from park.figures import FigureDefinition
from park.flows import Enterprise, Flow, FlowKind, SiteBalance
from park.indicator_terms import Benchmarks, FactorTable, Indicator
from park.smart import SmartTarget


@dataclasses.dataclass(frozen=True)
class Economy:
    """Everything that ``config/`` says of the circular economy; empty where nothing is configured."""

    enterprises: Mapping[str, Enterprise] = dataclasses.field(default_factory=dict)
    kinds: Mapping[str, FlowKind] = dataclasses.field(default_factory=dict)
    flows: Mapping[str, Flow] = dataclasses.field(default_factory=dict)
    balances: Mapping[str, SiteBalance] = dataclasses.field(default_factory=dict)
    figures: Mapping[str, FigureDefinition] = dataclasses.field(default_factory=dict)
    indicators: Mapping[str, Indicator] = dataclasses.field(default_factory=dict)
    benchmarks: Benchmarks = dataclasses.field(default_factory=Benchmarks)
    factors: Mapping[str, FactorTable] = dataclasses.field(default_factory=dict)
    schemes: Mapping[str, Scheme] = dataclasses.field(default_factory=dict)
    smart: SmartTarget | None = None
    access: Access = dataclasses.field(default_factory=Access)

    def enterprise_of(self, site: str) -> Enterprise | None:
        """Return the enterprise that runs ``site`` (``zone/site``)."""
        return next((each for each in self.enterprises.values() if site in each.sites), None)
