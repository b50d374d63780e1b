"""The exchange network: who gave what to whom, what stayed in the park, what broke, and whether sites balance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from park.flows import OUTSIDE, Amount, Flow, FlowKind, SiteBalance
from park.indicator_terms import ScopeKind
from park.indicators import Measured, measured
from park.network import Staying, exchange_sensor, imbalance_of, parts, staying
from park.network_graph import giver_and_taker, site_names, tolerance
from park.readings import split_series
from park.review import Told, told
from park.stretches import Stretch
from park.units import ratio
from park.words import Names
from reports.material import Material
from reports.sections.indicators import stretches_of

#: Share of the month's time that a flow must have been measured for a balance of the month.
BALANCE_SHARE = 0.9


class Carried(msgspec.Struct, frozen=True):
    """A flow: what it carried in the month, in its kind's unit, as if what was not measured had gone like what was.

    ``amount`` is ``None`` if nothing was measured; ``share`` of the time was. ``usual`` is what an exchange carries
    when all is well. ``tonnes`` is the amount as a mass, of flows that have one.
    """

    flow: Flow
    kind: FlowKind
    ends: Names
    amount: float | None
    share: float
    usual: float | None
    tonnes: float | None


class Broken(msgspec.Struct, frozen=True):
    """An exchange that was broken: since when until when (ms), and the surplus that was first seen."""

    flow: Flow
    ends: Names
    alarm: Told


class Balance(msgspec.Struct, frozen=True):
    """A site's balance over the month, in ``unit``; ``imbalance`` in % of what came in.

    ``None``: there is no verdict, because of ``unmeasured``. ``broken`` times the daily balance raised an alarm.
    """

    told: SiteBalance
    site: Names
    came_in: float
    left: float
    gained: float
    lost: float
    imbalance: float | None
    low: float | None
    high: float | None
    unmeasured: Names
    broken: int

    @property
    def within(self) -> bool | None:
        """Whether it is within its tolerance; ``None`` without a verdict, or a tolerance."""
        if self.imbalance is None or (self.low is None and self.high is None):
            return None
        return (self.low is None or self.imbalance >= self.low) and (self.high is None or self.imbalance <= self.high)


class Network(msgspec.Struct, frozen=True):
    """The section; ``leaving`` are residues that left the park, ``drawn`` the flows of mass that the drawing shows."""

    exchanges: tuple[Carried, ...]
    leaving: tuple[Carried, ...]
    stays: tuple[Staying, ...]
    broken: tuple[Broken, ...]
    balances: tuple[Balance, ...]
    drawn: tuple[Carried, ...]
    configured: bool
    corrected_days: int

    @property
    def measured(self) -> bool:
        """Whether anything is known of any exchange."""
        return any(each.amount is not None for each in self.exchanges)


def network(material: Material) -> Network:
    """Return the figures of the section."""
    economy, question = material.catalogue.economy, material.question
    month, _ = stretches_of(question)
    amounts = measured(economy, material.amounts, month)
    theirs = [
        flow for flow in economy.flows.values() if any(question.covers(end) for end in (flow.source, flow.target))
    ]
    exchanges = _ranked(_carried(material, flow, amounts, month) for flow in theirs if flow.is_exchange)
    residues = [flow for flow in theirs if flow.target == OUTSIDE and economy.kinds[flow.kind].residue]
    leaving = _ranked(_carried(material, flow, amounts, month) for flow in residues)
    zone = None if question.scope.kind is ScopeKind.PARK else question.scope.zone
    whole = {flow: Amount(flow, month.begin, month.end, each.amount, each.share) for flow, each in amounts.items()}
    return Network(
        exchanges=exchanges,
        leaving=leaving,
        stays=tuple(staying(economy, whole, zone)),
        broken=tuple(_broken(material)),
        balances=tuple(_balance(material, each, amounts) for each in question.balances),
        drawn=tuple(each for each in (*exchanges, *leaving) if each.tonnes),
        configured=bool(theirs),
        corrected_days=material.corrected_days,
    )


def _carried(material: Material, flow: Flow, amounts: Mapping[str, Measured], month: Stretch) -> Carried:
    economy = material.catalogue.economy
    kind, found = economy.kinds[flow.kind], amounts.get(flow.id)
    hours = (month.end - month.begin) / 3_600_000
    per_tonne = ratio(kind.unit, "t")
    return Carried(
        flow=flow,
        kind=kind,
        ends=giver_and_taker(material.catalogue, flow),
        amount=found.amount if found else None,
        share=found.share if found else 0.0,
        usual=None if flow.usual is None else flow.usual * hours,
        tonnes=found.amount * per_tonne if found and per_tonne is not None else None,
    )


def _ranked(found: Iterable[Carried]) -> tuple[Carried, ...]:
    return tuple(sorted(found, key=lambda each: (each.kind.unit, each.kind.name, -(each.amount or 0.0))))


def _broken(material: Material) -> list[Broken]:
    question, economy = material.question, material.catalogue.economy
    by_sensor = {exchange_sensor(flow): flow for flow in economy.flows.values() if flow.is_exchange}
    found = []
    for alarm in told(material.journal, question.begin, question.until):
        zone, site, sensor, quantity = split_series(alarm.series)
        flow = by_sensor.get(f"{zone}/{site}/{sensor}")
        if flow is not None and quantity.startswith("surplus-"):
            found.append(Broken(flow, giver_and_taker(material.catalogue, flow), alarm))
    return found


def _balance(material: Material, told_: SiteBalance, amounts: Mapping[str, Measured]) -> Balance:
    question, economy = material.question, material.catalogue.economy
    weights = parts(economy, told_)
    missing = [
        economy.flows[flow].names for flow in weights if flow not in amounts or amounts[flow].share < BALANCE_SHARE
    ]
    ends = (question.begin, question.until)
    missing += [
        material.labels.series(stock.series)
        for stock in told_.stocks
        if any((stock.series, t) not in material.levels for t in ends)
    ]
    gained = sum(
        (material.levels[stock.series, ends[1]] - material.levels[stock.series, ends[0]]) * stock.factor
        for stock in told_.stocks
        if all((stock.series, t) in material.levels for t in ends)
    )
    sizes = [(weight, abs(weight) * amounts[flow].amount) for flow, weight in weights.items() if flow in amounts]
    came_in = sum(size for weight, size in sizes if weight > 0)
    left = sum(size for weight, size in sizes if weight < 0)
    lost = told_.losses * came_in
    through = max(came_in + max(0.0, -gained), left + max(0.0, gained))
    series = imbalance_of(told_)
    low, high = tolerance(material.catalogue, series, question.until - 1)
    return Balance(
        told=told_,
        site=site_names(material.catalogue, told_.site),
        came_in=came_in,
        left=left,
        gained=gained,
        lost=lost,
        imbalance=None if missing or not through else 100 * (came_in - lost - left - gained) / through,
        low=low,
        high=high,
        unmeasured=Names("、".join(each.zh for each in missing), ", ".join(each.en for each in missing)),
        broken=sum(alarm.series == series for alarm in told(material.journal, question.begin, question.until)),
    )
