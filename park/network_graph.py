"""The exchange network as a graph for people, in both languages: sites, what goes between them, and how it stands."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from park.catalogue import Catalogue
from park.flows import OUTSIDE, Amount, Class, Flow
from park.limits import Kind, Side
from park.network import (
    HOUR,
    SHARE,
    Balanced,
    Exchange,
    Habit,
    State,
    Staying,
    exchanges,
    imbalance_of,
    measured,
    over_a_day,
    staying,
)
from park.network import balance as balance_of
from park.wording import short
from park.words import Location, Names

PARK = "park"
"""Stands for all zones together."""

RANKS = {State.WELL: 0, State.IDLE: 1, State.UNKNOWN: 2, State.BROKEN: 3}
"""How much a state asks for attention."""

STATES = {
    State.WELL: Names("正常", "well"),
    State.IDLE: Names("供方停产", "source idle"),
    State.UNKNOWN: Names("无法判断", "no verdict"),
    State.BROKEN: Names("中断", "broken"),
}
CLASSES = {
    Class.WATER: Names("水", "water"),
    Class.MASS: Names("物料", "mass"),
    Class.ENERGY: Names("能量", "energy"),
}
_OUTSIDE = Names("园外", "outside the park")


class Picture(msgspec.Struct, frozen=True):
    """All verdicts at ``at`` (ms): exchanges and balances by id, what flows carried in the last whole hours by flow.

    ``staying`` is by zone and for the park, ``tolerances`` are the set-points (%) that hold for balances, by id.
    """

    at: int
    exchanges: dict[str, Exchange]
    balances: dict[str, Balanced]
    amounts: dict[str, Amount]
    staying: dict[str, list[Staying]]
    tolerances: dict[str, tuple[float | None, float | None]]

    def balance_state(self, balance: str) -> State:
        """Return how a balance stands against its tolerance."""
        imbalance = self.balances[balance].imbalance
        if imbalance is None:
            return State.UNKNOWN
        low, high = self.tolerances[balance]
        beyond = (low is not None and imbalance < low) or (high is not None and imbalance > high)
        return State.BROKEN if beyond else State.WELL


class Node(msgspec.Struct, frozen=True):
    """A site (``zone/site``), or ``outside``; ``arcs`` are the shares of its exchanges that stand so."""

    id: str
    zone: str
    title: Names
    subtitle: Names
    main: Names
    second: Names
    arcs: dict[State, float]


class Edge(msgspec.Struct, frozen=True):
    """A flow between two nodes; amounts are in the kind's unit per hour, ``carried`` over the last whole hours.

    ``state`` is well for what is only shown: a flow of which nothing usual is known is never told to be broken.
    """

    id: str
    source: str
    target: str
    kind: str
    zone: str
    title: Names
    main: Names
    second: Names
    state: State
    carried: float | None
    usual: float | None
    surplus: float | None


def picture(
    catalogue: Catalogue,
    at: int,
    *,
    hours: Mapping[tuple[str, int], Amount],
    levels: Mapping[tuple[str, int], float],
    late: Mapping[str, Amount],
    habits: Mapping[str, Habit],
) -> Picture:
    """Return all verdicts at ``at`` (ms).

    ``hours`` are settled amounts by flow and beginning of the hour, ``levels`` what stocks held, ``late`` what flows
    carried of late, ``habits`` what is known of them from the past.
    """
    economy = catalogue.economy
    amounts = over_a_day(economy, hours, at)
    stay = {zone: staying(economy, amounts, zone) for zone in catalogue.zones}
    return Picture(
        at=at,
        exchanges=exchanges(economy, late, habits),
        balances={name: balance_of(economy, told, hours, levels, at) for name, told in economy.balances.items()},
        amounts=amounts,
        staying={**stay, PARK: staying(economy, amounts)},
        tolerances={name: tolerance(catalogue, imbalance_of(told), at) for name, told in economy.balances.items()},
    )


def tolerance(catalogue: Catalogue, series: str, at: int) -> tuple[float | None, float | None]:
    """Return the set-points that hold below and above for the imbalance ``series`` at ``at`` (ms), in %."""
    limits = [each for each in catalogue.limits_for(series, Location.SYSTEM, at) if each.kind is Kind.THRESHOLD]
    low = [each.set_points[0].at for each in limits if each.side is Side.LOW]
    high = [each.set_points[0].at for each in limits if each.side is Side.HIGH]
    return max(low, default=None), min(high, default=None)


# --- the graph -----------------------------------------------------------------------------------------------------


def edges(catalogue: Catalogue, told: Picture) -> list[Edge]:
    """Return the exchanges, and the residues that leave the park."""
    economy = catalogue.economy
    shown = (
        flow
        for flow in economy.flows.values()
        if flow.is_exchange or (flow.target == OUTSIDE and economy.kinds[flow.kind].residue)
    )
    return [_edge(catalogue, told, flow) for flow in shown]


def _edge(catalogue: Catalogue, told: Picture, flow: Flow) -> Edge:
    kind, found = catalogue.economy.kinds[flow.kind], told.exchanges.get(flow.id)
    carried = hourly(flow, told.amounts.get(flow.id))
    unit = f"{kind.unit}/h"
    shown = "–" if carried is None else f"{short(carried)} {unit}"
    return Edge(
        id=flow.id,
        source=flow.source,
        target=flow.target,
        kind=flow.kind,
        zone=_zone(flow.source) or _zone(flow.target),
        title=flow.names,
        main=Names(f"{kind.names.zh} {shown}", f"{kind.names.en} {shown}"),
        second=_standing(found, unit),
        state=found.state if found else State.WELL,
        carried=carried,
        usual=flow.usual,
        surplus=found.surplus if found else None,
    )


def _standing(found: Exchange | None, unit: str) -> Names:
    if found is None:
        return Names("", "")
    state = STATES[found.state]
    if found.state is not State.BROKEN:
        return state
    surplus = f"{short(found.surplus or 0.0)} {unit}"
    return Names(f"{state.zh}：{surplus} 无接收方", f"{state.en}: {surplus} without a taker")


def nodes(catalogue: Catalogue, told: Picture, shown: Iterable[Edge]) -> list[Node]:
    """Return the ends of ``shown``, and the sites that have balances."""
    drawn = list(shown)
    ends = {end for edge in drawn for end in (edge.source, edge.target)}
    ends |= {each.site for each in catalogue.economy.balances.values()}
    return [_node(catalogue, told, drawn, end) for end in sorted(ends)]


def _node(catalogue: Catalogue, told: Picture, drawn: list[Edge], end: str) -> Node:
    enterprise = catalogue.economy.enterprise_of(end)
    return Node(
        id=end,
        zone=_zone(end),
        title=site_names(catalogue, end),
        subtitle=enterprise.names if enterprise else Names("", ""),
        main=_stays(catalogue, drawn, end),
        second=_balances(catalogue, told, end),
        arcs=_arcs(told, drawn, end),
    )


def _stays(catalogue: Catalogue, drawn: list[Edge], site: str) -> Names:
    """How many of the residues that a site gives away have a taker in the park."""
    kinds = catalogue.economy.kinds
    given = [edge for edge in drawn if edge.source == site and kinds[edge.kind].residue]
    if not given:
        return Names("", "")
    kept = sum(edge.target != OUTSIDE for edge in given)
    return Names(f"{len(given)} 股副产物/废物，{kept} 股园内利用", f"{kept} of {len(given)} residues stay in the park")


def _balances(catalogue: Catalogue, told: Picture, site: str) -> Names:
    parts = [
        (CLASSES[each.of], _percent(told.balances[name].imbalance), STATES[told.balance_state(name)])
        for name, each in catalogue.economy.balances.items()
        if each.site == site and name in told.balances
    ]
    return Names(
        "；".join(f"{of.zh}平衡 {size} {state.zh}".rstrip() for of, size, state in parts),
        "; ".join(f"{of.en} {size} {state.en}".rstrip() for of, size, state in parts),
    )


def _percent(imbalance: float | None) -> str:
    return "–" if imbalance is None else f"{imbalance:+.1f} %"


def _arcs(told: Picture, drawn: list[Edge], end: str) -> dict[State, float]:
    watched = (edge for edge in drawn if edge.id in told.exchanges and end in {edge.source, edge.target})
    here = [told.exchanges[edge.id] for edge in watched]
    # A node without exchanges that are watched has a whole, plain ring.
    share = 1 / len(here) if here else 0.0
    counted = {state: share * sum(each.state is state for each in here) for state in State}
    return counted if here else {**counted, State.WELL: 1.0}


def site_names(catalogue: Catalogue, end: str) -> Names:
    """Return what staff call a site (``zone/site``), or what is outside."""
    if end == OUTSIDE:
        return _OUTSIDE
    zone, name = end.split("/")
    known = catalogue.zones.get(zone)
    site = known.sites.get(name) if known else None
    return site.names if site else Names(end, end)


def giver_and_taker(catalogue: Catalogue, flow: Flow) -> Names:
    """Return who gives and who takes: by enterprise, or by site where both are of one, or of none that is known."""
    economy = catalogue.economy
    ends = [economy.enterprise_of(end) for end in (flow.source, flow.target)]
    if None in ends or ends[0] == ends[1]:
        names = [site_names(catalogue, end) for end in (flow.source, flow.target)]
    else:
        names = [end.names for end in ends if end]
    return Names(f"{names[0].zh} → {names[1].zh}", f"{names[0].en} → {names[1].en}")


def hourly(flow: Flow, amount: Amount | None) -> float | None:
    """Return what a flow carried per hour, or ``None`` if too little of the time was measured."""
    if amount is None or amount.share < SHARE:
        return None
    return measured(flow, amount) * HOUR / (amount.end - amount.begin)


def _zone(end: str) -> str:
    return "" if end == OUTSIDE else end.partition("/")[0]
