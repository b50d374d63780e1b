"""The exchange network: who gives what to whom, what of it stays in the park, and what does not add up.

Three verdicts, each of which may be that there is none: too little was measured, and that is never called well.

* A *balance* of a site (:func:`balance`): what came in, less what is known to get lost, less what left, less what the
  stocks gained, over the last :data:`HOURS` whole hours, in % of what went through. Only hours in which every meter and
  every stock was measured count, and there must be :data:`NEEDED` of them.
* An *exchange* (:func:`exchange`): broken when it carries less than a share of what its source makes. What the source
  makes is what the exchange usually carries, as far as the source works (:func:`activity`): one that stands still makes
  nothing, and its taker has not stopped.
* What *stays* in the park (:func:`staying`) of the residues that its sites give away.
"""

from __future__ import annotations

import enum
import statistics
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

import msgspec

from park.economy import Economy
from park.flows import OUTSIDE, Amount, Class, Flow, FlowKind, Reads, SiteBalance
from park.units import ratio
from park.words import Names

HOUR = 3_600_000
#: Whole hours that a balance is made of, and how many of them must have been measured.
HOURS, NEEDED = 24, 12
#: Share of an hour that must have been measured, for a balance.
HOUR_SHARE = 0.9
#: Share of the time that must have been measured for a verdict on an exchange.
SHARE = 0.75
#: ms in which an exchange shows what it carries, at least: a meter that may pause for longer is looked at for longer.
WINDOW = 900_000
#: A source works at most so many times as much as usual: a single meter that leaps makes no giant surplus.
_MOST_ACTIVE = 1.5
#: What went through a site is never taken for less than this share of what its meters can carry: where next to nothing
#: does, every drop is a large share of it.
_FLOOR = 0.01
#: Days, or hours, from which on they tell what is usual.
_ENOUGH = 3
#: A flow that begins or ends more often than this is fitful: about twice a day.
_FEWEST_TURNS, _TURNS_PER_HOUR = 3, 1 / 12

#: Units that amounts of all kinds are told in, and what is measured in them per hour: t/h, m3/h, GJ/h.
SUMS = {"t": "mass", "m3": "volume", "GJ": "energy"}


class State(enum.StrEnum):
    """How an exchange or a balance stands; ``unknown`` is no verdict, for want of measurements."""

    WELL = "well"
    BROKEN = "broken"
    IDLE = "idle"
    UNKNOWN = "unknown"


class Exchange(msgspec.Struct, frozen=True):
    """How an exchange stands; amounts in the kind's unit per hour.

    ``expected`` is what it should carry as far as its source works (``activity``, 1 as usual, ``None`` if nothing
    tells), and ``surplus`` what finds no taker, 0 while all is well. Both are ``None`` without a verdict.
    """

    flow: str
    state: State
    why: Names
    carried: float | None = None
    expected: float | None = None
    surplus: float | None = None
    activity: float | None = None


class Balanced(msgspec.Struct, frozen=True):
    """What a balance comes to, in its unit, over the measured ones of the hours in ``begin <= t < end`` (ms).

    ``imbalance`` is % of what went through: above 0 something is missing, below 0 more left than there was. ``None``
    without a verdict, and then ``why`` says what is not measured.
    """

    balance: str
    begin: int
    end: int
    hours: int
    why: Names
    came_in: float = 0.0
    left: float = 0.0
    lost: float = 0.0
    gained: float = 0.0
    missing: float = 0.0
    imbalance: float | None = None


class Staying(msgspec.Struct, frozen=True):
    """What sites gave away of residues, in ``unit``, and how much of it stays in the park.

    ``share`` is ``None`` if nothing was given. ``measured`` is the share of the time that was.
    """

    unit: str
    given: float
    kept: float
    measured: float

    @property
    def share(self) -> float | None:
        """How much stays, in %."""
        return 100 * self.kept / self.given if self.given > 0 else None


# --- what stays --------------------------------------------------------------------------------------------------


def over_a_day(economy: Economy, hours: Mapping[tuple[str, int], Amount], end: int) -> dict[str, Amount]:
    """Return what each flow carried in the whole hours before ``end`` (ms), as far as any of them is known."""
    begins = whole_hours(end)
    found = {}
    for flow in economy.flows:
        known = [hours[flow, begin] for begin in begins if (flow, begin) in hours]
        if known:
            share = sum(each.share for each in known) / len(begins)
            found[flow] = Amount(flow, begins[0], begins[-1] + HOUR, sum(each.amount for each in known), share)
    return found


def staying(economy: Economy, amounts: Mapping[str, Amount], zone: str | None = None) -> list[Staying]:
    """Return how much stays of what the sites of ``zone`` (or of the park) gave away, mass, volume and energy apart.

    ``amounts`` by flow. A residue that its own site uses again stays; a flow without an amount counts as unmeasured.
    """
    found = []
    for unit in SUMS:
        residues = [flow for flow in economy.flows.values() if _is_residue(economy, flow, unit, zone)]
        if residues:
            found.append(_staying(economy, unit, residues, amounts))
    return found


def _is_residue(economy: Economy, flow: Flow, unit: str, zone: str | None) -> bool:
    kind = economy.kinds[flow.kind]
    here = flow.source != OUTSIDE and (zone is None or flow.source.startswith(f"{zone}/"))
    return here and kind.residue and ratio(kind.unit, unit) is not None


def _staying(economy: Economy, unit: str, flows: Sequence[Flow], amounts: Mapping[str, Amount]) -> Staying:
    given = kept = measured = 0.0
    for flow in flows:
        amount = amounts.get(flow.id)
        if amount is None:
            continue
        size = amount.amount * (ratio(economy.kinds[flow.kind].unit, unit) or 0.0)
        given += size
        kept += size if flow.target != OUTSIDE else 0.0
        measured += amount.share
    return Staying(unit, given, kept, measured / len(flows))


# --- balances ----------------------------------------------------------------------------------------------------

Levels = Mapping[tuple[str, int], float]
"""Readings of stocks (canonical unit) by series and time (ms)."""


def whole_hours(end: int) -> tuple[int, ...]:
    """Return the beginnings of the hours that a balance at ``end`` (ms) is made of, oldest first."""
    last = end - end % HOUR
    return tuple(last - n * HOUR for n in range(HOURS, 0, -1))


def parts(economy: Economy, told: SiteBalance) -> dict[str, float]:
    """Return the flows of a balance, each with what one of its unit is in the balance: above 0 in, below 0 out."""
    found = {}
    for flow in economy.flows.values():
        kind = economy.kinds[flow.kind]
        inward = (flow.target == told.site) - (flow.source == told.site)
        if inward and (flow.kind in told.weights or kind.of is told.of):
            found[flow.id] = inward * told.weights.get(flow.kind, 1.0)
    return found


def balance(
    economy: Economy, told: SiteBalance, hours: Mapping[tuple[str, int], Amount], levels: Levels, end: int
) -> Balanced:
    """Return what a site's balance comes to over the whole hours before ``end`` (ms).

    ``hours`` are settled amounts by flow and beginning of the hour, ``levels`` what the stocks held at the hours' ends.
    """
    weights, begins = parts(economy, told), whole_hours(end)
    unmeasured = {begin: _unmeasured(told, weights, hours, levels, begin) for begin in begins}
    good = [begin for begin in begins if not unmeasured[begin]]
    empty = Balanced(told.id, begins[0], begins[-1] + HOUR, len(good), Names("", ""))
    if len(good) < NEEDED:
        return msgspec.structs.replace(empty, why=_too_few(len(good), unmeasured.values()))
    sizes = [
        (weight, abs(weight) * measured(economy.flows[flow], hours[flow, begin]))
        for flow, weight in weights.items()
        for begin in good
    ]
    gained = sum(
        (levels[stock.series, begin + HOUR] - levels[stock.series, begin]) * stock.factor
        for stock in told.stocks
        for begin in good
    )
    came_in = sum(size for weight, size in sizes if weight > 0)
    left = sum(size for weight, size in sizes if weight < 0)
    lost = told.losses * came_in
    missing = came_in - lost - left - gained
    most = sum(weight * economy.flows[flow].most for flow, weight in weights.items() if weight > 0) * len(good)
    through = max(came_in + max(0.0, -gained), left + max(0.0, gained), _FLOOR * most)
    return msgspec.structs.replace(
        empty,
        came_in=came_in,
        left=left,
        lost=lost,
        gained=gained,
        missing=missing,
        imbalance=100 * missing / through if through else 0.0,
    )


def _unmeasured(
    told: SiteBalance,
    weights: Mapping[str, float],
    hours: Mapping[tuple[str, int], Amount],
    levels: Levels,
    begin: int,
) -> list[str]:
    """Return what was not measured in an hour: flows by their id, stocks by their series."""
    flows = [flow for flow in weights if (flow, begin) not in hours or hours[flow, begin].share < HOUR_SHARE]
    ends = (begin, begin + HOUR)
    return flows + [stock.series for stock in told.stocks if any((stock.series, t) not in levels for t in ends)]


def measured(flow: Flow, amount: Amount) -> float:
    """Return what a flow carried in a span that was measured in most of it."""
    # A counter knows what went through while nobody looked; of a rate only what was measured is known.
    return amount.amount / amount.share if flow.reads is Reads.RATE and amount.share else amount.amount


def _too_few(good: int, unmeasured: Iterable[Sequence[str]]) -> Names:
    missing = sorted({name for names in unmeasured for name in names})
    listed = ", ".join(missing)
    return Names(
        f"{HOURS} h 内只有 {good} h 测全（需要 {NEEDED} h）；有缺测：{listed}",
        f"only {good} of {HOURS} hours were measured in full ({NEEDED} are needed); missing at times: {listed}",
    )


# --- exchanges ---------------------------------------------------------------------------------------------------


def window_of(flow: Flow) -> int:
    """Return in how many ms an exchange shows what it carries."""
    return max(WINDOW, flow.gap)


def watched(economy: Economy) -> list[Flow]:
    """Return the exchanges that can be broken: it is known what is usual, and their source makes it, taken or not.

    Energy is made to order: electricity and steam that nobody takes are not made. Only waste heat is.
    """
    exchanges = (flow for flow in economy.flows.values() if flow.is_exchange and flow.usual is not None)
    return [flow for flow in exchanges if _is_made_anyway(economy.kinds[flow.kind])]


def _is_made_anyway(kind: FlowKind) -> bool:
    return (kind.residue or kind.of is not Class.ENERGY) and surplus_of(kind) is not None


class Habit(msgspec.Struct, frozen=True):
    """What is known of a flow from the past: what it carries per hour on a busy day (``None``: it never did).

    A ``fitful`` one, such as deliveries by lorry, says nothing by carrying nothing just now.
    """

    usual: float | None
    fitful: bool = False


def habit(flow: Flow, hours: Sequence[Amount], days: Sequence[Amount]) -> Habit:
    """Return what past hours and days tell of a flow; both in order of time.

    Days count, of many weeks, so that a plant which has stood still for one is known to stand still; hours where there
    are few days yet. The upper quartile of them is what is usual.
    """
    known = [rates for rates in (_rates(flow, days), _rates(flow, hours)) if len(rates) >= _ENOUGH]
    busy = sorted(rate for rate in (known[0] if known else _rates(flow, hours)) if rate > 0)
    usual = statistics.quantiles(busy, n=4, method="inclusive")[-1] if len(busy) > 1 else next(iter(busy), None)
    running = [each.amount > 0 for each in hours if each.share >= SHARE]
    turns = sum(before is not after for before, after in pairwise(running))
    return Habit(usual, fitful=turns > max(_FEWEST_TURNS, _TURNS_PER_HOUR * len(running)))


def _rates(flow: Flow, amounts: Iterable[Amount]) -> list[float]:
    good = (each for each in amounts if each.share >= SHARE)
    return [measured(flow, each) * HOUR / (each.end - each.begin) for each in good]


def activity(now: Mapping[str, float], habits: Mapping[str, Habit]) -> float | None:
    """Return how much a source works, 1 as usual: the median of what it takes in now, each against its usual.

    ``now`` is per hour, by flow; what is not measured is not in it. Fitful flows have no say. If of none it is known
    what is usual, the source stands still if nothing at all goes in, and else nobody knows: ``None``.
    """
    steady = {flow: rate for flow, rate in now.items() if flow not in habits or not habits[flow].fitful}
    shares = [rate / usual for flow, rate in steady.items() if (usual := habits.get(flow, _UNKNOWN).usual)]
    if shares:
        return min(_MOST_ACTIVE, statistics.median_high(shares))
    return 0.0 if steady and not any(steady.values()) else None


def per_hour(amount: Amount | None) -> float | None:
    """Return what a flow carries per hour, or ``None`` if too little of the time was measured."""
    if amount is None or amount.share < SHARE:
        return None
    return amount.amount * HOUR / ((amount.end - amount.begin) * amount.share)


def exchange(flow: Flow, carried: float | None, works: float | None, taken: float = 0.0) -> Exchange:
    """Judge an exchange that has a ``usual``.

    ``carried`` is what it carries per hour, ``works`` the :func:`activity` of its source (``None``: nothing tells, and
    then the source is taken to work as usual), ``taken`` what others take of it per hour beyond what they usually do.
    """
    if carried is None:
        return Exchange(flow.id, State.UNKNOWN, _NOT_MEASURED, activity=works)
    expected = (flow.usual or 0.0) * (1.0 if works is None else works)
    told = Exchange(flow.id, State.WELL, Names("", ""), carried, expected, 0.0, works)
    little = carried < flow.broken_below * (flow.usual or 0.0)
    if little and works is not None and works < flow.broken_below:
        return msgspec.structs.replace(told, state=State.IDLE, why=_IDLE)
    if carried >= flow.broken_below * expected:
        return told
    why = _BLIND if works is None else _BROKEN
    surplus = max(0.0, expected - carried - taken)
    return msgspec.structs.replace(told, state=State.BROKEN, why=why, surplus=surplus)


def exchanges(economy: Economy, now: Mapping[str, Amount], habits: Mapping[str, Habit]) -> dict[str, Exchange]:
    """Judge all exchanges by what flows carried of late (``now``) and what is known of them from the past, by flow."""
    rates = {flow: rate for flow, amount in now.items() if (rate := per_hour(amount)) is not None}
    found = {}
    for flow in watched(economy):
        works = _activity(economy, flow, rates, habits)
        taken = sum(_beyond_usual(each, rates.get(each.id), works) for each in _siblings(economy, flow))
        found[flow.id] = exchange(flow, rates.get(flow.id), works, taken)
    return found


def concerned(economy: Economy) -> dict[str, int]:
    """Return the flows that verdicts on exchanges need, each with the ms of late in which it has to be known."""
    found: dict[str, int] = {}
    for flow in watched(economy):
        for each in (flow, *_intake(economy, flow)):
            found[each.id] = window_of(each)
    return found


def _activity(economy: Economy, flow: Flow, rates: Mapping[str, float], habits: Mapping[str, Habit]) -> float | None:
    taken_in = {each.id: rates[each.id] for each in _intake(economy, flow) if each.id in rates}
    return activity(taken_in, habits)


def _intake(economy: Economy, flow: Flow) -> list[Flow]:
    """Return what the source of an exchange takes in from elsewhere: it shows whether the source works."""
    site = flow.source
    return [each for each in economy.flows.values() if each.target == site and each.source != site]


def _siblings(economy: Economy, flow: Flow) -> list[Flow]:
    """Return the other exchanges by which the source of ``flow`` gives the same to others."""
    same = (each for each in watched(economy) if each.id != flow.id)
    return [each for each in same if (each.source, each.kind) == (flow.source, flow.kind)]


def _beyond_usual(flow: Flow, carried: float | None, works: float | None) -> float:
    expected = (flow.usual or 0.0) * (1.0 if works is None else works)
    return max(0.0, (carried or 0.0) - expected)


_UNKNOWN = Habit(None)
_NOT_MEASURED = Names(
    "计量数据不足，无法判断：这不等于接收方停用，也不等于正常",
    "too little is measured for a verdict: that is neither a taker that stopped nor a good sign",
)
_IDLE = Names("供方停产或低负荷，没有多少可供", "the source stands still: there is next to nothing to give")
_BROKEN = Names("供方在产，接收方几乎不接收", "the source makes it, and next to nothing is taken")
_BLIND = Names(
    "接收方几乎不接收；供方负荷未知，按平时计",
    "next to nothing is taken; nothing tells what the source makes, so it is taken to be the usual",
)


# --- parkwatch's own sensors for them ------------------------------------------------------------------------------

#: Sensor of a site whose readings are what the site's balances come to.
BALANCE_SENSOR = "balance"
_EXCHANGE = "exchange-"
#: Characters that the id of an exchange may have, as a part of its sensor's name (63 at most).
LONGEST_ID = 63 - len(_EXCHANGE)


def exchange_sensor(flow: Flow) -> str:
    """Return the sensor (``zone/site/sensor``) that tells what of an exchange finds no taker."""
    return f"{flow.source}/{_EXCHANGE}{flow.id}"


def surplus_of(kind: FlowKind) -> tuple[str, float] | None:
    """Return the quantity that tells a surplus of ``kind``, and what one of the kind's unit is in its unit."""
    for unit, name in SUMS.items():
        factor = ratio(kind.unit, unit)
        if factor is not None:
            return f"surplus-{name}", factor
    return None


def unit_of(surplus: str) -> str:
    """Return the unit of a quantity that tells a surplus."""
    return next(f"{unit}/h" for unit, name in SUMS.items() if surplus == f"surplus-{name}")


def imbalance_of(told: SiteBalance) -> str:
    """Return the series (``zone/site/sensor/quantity``) that tells what a balance comes to."""
    return f"{told.site}/{BALANCE_SENSOR}/{told.of.value}-imbalance"
