"""Indicators of the circular economy: ratios of weighted sums of flows and reported figures, against benchmarks.

What an indicator is made of is configured (``config/indicators.yaml``). Here its sums are taken of a site, a zone or
the park, over a day, a month or a year to date, and the ratio is held against every benchmark set.

What was not measured of a flow is taken to have gone like what was: otherwise a sum of half a day would be divided by
one of a whole day. How much was measured is told (``share``); below :attr:`Benchmarks.coverage`, or with a flow that
nobody measured at all, the value is shown but not judged.
"""

from __future__ import annotations

import enum
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import msgspec

from park import circularity
from park.circularity import Feedstock, Inconsistent, Recovery
from park.economy import Economy
from park.figures import Book, FigureKind, Known
from park.flows import OUTSIDE, Amount, Flow, Reads
from park.indicator_terms import (
    DENOMINATOR,
    FEEDSTOCK,
    MASS,
    NUMERATOR,
    PARK,
    RECOVERY,
    Benchmarks,
    Better,
    Crossing,
    Indicator,
    Method,
    Scope,
    Term,
)
from park.stretches import Stretch

_DAY = 86_400_000
#: More than this share of a day is all of it.
_WHOLE = 0.999


def scopes_of(economy: Economy) -> list[Scope]:
    """Return the park, its zones and its sites that have flows or enterprises, the largest first."""
    places = {place for flow in economy.flows.values() for place in (flow.source, flow.target)} - {OUTSIDE}
    places |= {site for each in economy.enterprises.values() for site in each.sites}
    zones = {place.partition("/")[0] for place in places} | {each.zone for each in economy.enterprises.values()}
    sites = [Scope(zone, site) for zone, _, site in (place.partition("/") for place in sorted(places))]
    return [PARK, *(Scope(zone) for zone in sorted(zones)), *sites] if zones else []


# --- what comes out ----------------------------------------------------------------------------------------------


class Status(enum.StrEnum):
    """What a value says of a target, or why it says nothing."""

    MET = "met"
    MISSED = "missed"
    NO_TARGET = "no-target"
    #: Too little was measured or reported to judge.
    PARTIAL = "partial"
    #: Nothing was.
    NO_DATA = "no-data"
    #: What it is per is nothing.
    NO_DENOMINATOR = "no-denominator"
    #: More was recovered than there was.
    INCONSISTENT = "inconsistent"
    #: It gives more than it takes in: a boiler house, of its neighbours' energy.
    NET_GIVER = "net-giver"

    @property
    def judged(self) -> bool:
        """Whether a target was held against the value."""
        return self in {Status.MET, Status.MISSED}

    @property
    def has_value(self) -> bool:
        """Whether there is a value."""
        return self not in {Status.NO_DATA, Status.NO_DENOMINATOR, Status.INCONSISTENT}


class Judgement(msgspec.Struct, frozen=True):
    """What a benchmark set says."""

    benchmark: str
    target: float | None
    status: Status


class IndicatorResult(msgspec.Struct, frozen=True):
    """An indicator of a scope over a stretch of time.

    ``numerator`` and ``denominator`` are its sums as ``parts`` say (for a material circularity indicator: the linear
    flow index, and the mass). ``share`` of the time, and of the figures, is known, weighted by what each contributes.
    ``carried``: figures were taken from an earlier period. ``provisional``: that, or the stretch is not over.
    ``missing`` names what nothing is known of: ``flow:<id>``, ``figure:<enterprise>/<figure>`` (or ``figure:<figure>``,
    if any enterprise's would do), ``factor:<table>/<kind>``. ``judgements`` has one entry per benchmark set.
    """

    indicator: str
    scope: Scope
    stretch: Stretch
    value: float | None
    numerator: float | None
    denominator: float | None
    share: float
    carried: bool
    missing: tuple[str, ...]
    status: Status
    judgements: tuple[Judgement, ...]

    @property
    def provisional(self) -> bool:
        """Whether it may still change without anything being corrected."""
        return self.carried or not self.stretch.over

    def judgement(self, benchmark: str) -> Judgement | None:
        """Return what a benchmark set says."""
        return next((each for each in self.judgements if each.benchmark == benchmark), None)


class Measured(NamedTuple):
    """What a flow carried in a whole stretch, in its kind's unit, and the share of it that was measured."""

    amount: float
    share: float


Days = Mapping[str, Mapping[int, Amount]]
"""Amounts of days by flow and by the beginning of the day (ms)."""


def measured(economy: Economy, days: Days, over: Stretch) -> dict[str, Measured]:
    """Return what each flow carried in a stretch; flows of which nothing was measured are not there."""
    found = ((flow.id, _measured(flow, days.get(flow.id, {}), over)) for flow in economy.flows.values())
    return {name: each for name, each in found if each is not None}


def compute(
    economy: Economy, indicator: Indicator, scope: Scope, over: Stretch, days: Days, figures: Book
) -> IndicatorResult | None:
    """Return the indicator of ``scope`` over a stretch; ``None`` if it does not concern the scope.

    An indicator concerns a scope if at least one of its flows does, and enterprises of its figures lie in it.
    """
    ground = _Ground(economy, over, measured(economy, days, over), figures)
    return _compute(ground, indicator, _Place(economy, scope))


def compute_all(economy: Economy, over: Stretch, days: Days, figures: Book) -> list[IndicatorResult]:
    """Return every indicator of every scope it concerns, over a stretch."""
    ground = _Ground(economy, over, measured(economy, days, over), figures)
    places = [_Place(economy, scope) for scope in scopes_of(economy)]
    found = (
        _compute(ground, indicator, place)
        for indicator in economy.indicators.values()
        if over.length in indicator.lengths
        for place in places
        if place.scope.kind in indicator.scopes
    )
    return [each for each in found if each is not None]


def counted(economy: Economy, term: Term, scope: Scope) -> list[tuple[Flow, int]]:
    """Return the flows that a term counts for ``scope``, each with 1, or with -1 where it is taken off."""
    return _Place(economy, scope).counted(term)


def _compute(ground: _Ground, indicator: Indicator, place: _Place) -> IndicatorResult | None:
    sums = {name: _sum(ground, place, terms) for name, terms in indicator.parts.items()}
    return _result(ground, indicator, place.scope, sums) if _concerns(indicator, sums) else None


# --- sums --------------------------------------------------------------------------------------------------------


class _Place:
    """A scope, with the flows that touch it and the enterprises that lie in it, found once."""

    def __init__(self, economy: Economy, scope: Scope) -> None:
        self.scope = scope
        self.enterprises = scope.enterprises(economy.enterprises.values())
        self._flows: defaultdict[str, list[tuple[Flow, bool, bool]]] = defaultdict(list)
        for flow in economy.flows.values():
            source, target = scope.holds(flow.source), scope.holds(flow.target)
            if source or target:
                self._flows[flow.kind].append((flow, source, target))

    def counted(self, term: Term) -> list[tuple[Flow, int]]:
        signed = (
            (flow, term.crossing.sign(source=source, target=target))
            for kind in term.kinds
            for flow, source, target in self._flows.get(kind, ())
        )
        return [(flow, sign) for flow, sign in signed if sign]


class _Ground:
    """What sums are made of over a stretch: amounts of flows, and figures, each looked up once."""

    def __init__(self, economy: Economy, over: Stretch, amounts: Mapping[str, Measured], figures: Book) -> None:
        self.economy = economy
        self.over = over
        self.amounts = amounts
        self._figures = figures
        self._known: dict[tuple[str, str], Known] = {}

    def is_flow(self, figure: str) -> bool:
        return self._figures.definitions[figure].kind is FigureKind.FLOW

    def known(self, enterprise: str, figure: str) -> Known:
        key = enterprise, figure
        if key not in self._known:
            self._known[key] = self._figures.over(figure, enterprise, self.over.begin, self.over.end)
        return self._known[key]


class _Piece(NamedTuple):
    """A contribution to a sum: ``None`` if nothing is known of it; ``assumed`` if it was never reported."""

    name: str
    value: float | None
    share: float = 1.0
    carried: bool = False
    assumed: bool = False


class _Sum(NamedTuple):
    """A part of an indicator: ``value`` is ``None`` if pieces are missing and of the others nothing is but assumed.

    ``homeless``: it needs figures, and no enterprise lies in the scope.
    """

    value: float | None
    share: float
    carried: bool
    missing: tuple[str, ...]
    flows: int
    wants_flows: bool
    homeless: bool


def _sum(ground: _Ground, place: _Place, terms: tuple[Term, ...]) -> _Sum:
    flows = [piece for term in terms if term.kinds for piece in _flow_pieces(ground, place, term)]
    figures = [piece for term in terms if term.figure for piece in _figure_pieces(ground, place, term)]
    pieces = [*flows, *figures]
    known = [piece for piece in pieces if piece.value is not None]
    missing = tuple(dict.fromkeys(piece.name for piece in pieces if piece.value is None))
    unknown = bool(missing) and all(piece.assumed for piece in known)
    return _Sum(
        value=None if unknown else sum(piece.value or 0.0 for piece in known),
        share=_share(known) if pieces else 1.0,
        carried=any(piece.carried for piece in pieces),
        missing=missing,
        flows=len(flows),
        wants_flows=any(term.kinds for term in terms),
        homeless=not figures and any(term.figure and term.otherwise is None for term in terms),
    )


def _share(known: Iterable[_Piece]) -> float:
    """Return which share is known, each piece weighted by what it contributes."""
    weights = [(abs(piece.value or 0.0), piece.share) for piece in known]
    total = sum(weight for weight, _ in weights)
    if not total:
        return min((share for _, share in weights), default=0.0)
    return sum(weight * share for weight, share in weights) / total


def _flow_pieces(ground: _Ground, place: _Place, term: Term) -> Iterator[_Piece]:
    for flow, sign in place.counted(term):
        factor = _factor(ground, term.factor, flow.kind)
        found = ground.amounts.get(flow.id)
        if factor is None:
            yield _Piece(f"factor:{term.factor}/{flow.kind}", None)
        elif found is None:
            yield _Piece(f"flow:{flow.id}", None)
        else:
            yield _Piece(f"flow:{flow.id}", sign * term.weight * factor * found.amount, found.share)


def _factor(ground: _Ground, table: str, kind: str) -> float | None:
    return ground.economy.factors[table].factors[kind].of(ground.over.year) if table else 1.0


def _figure_pieces(ground: _Ground, place: _Place, term: Term) -> list[_Piece]:
    pieces = [
        _figure_piece(ground, term, enterprise.name)
        for enterprise in place.enterprises
        if enterprise.since is None or enterprise.since < ground.over.end
    ]
    if term.concerns_some and pieces:
        return [piece for piece in pieces if piece.value is not None] or [_Piece(f"figure:{term.figure}", None)]
    return pieces


def _figure_piece(ground: _Ground, term: Term, enterprise: str) -> _Piece:
    known = ground.known(enterprise, term.figure)
    name = f"figure:{enterprise}/{term.figure}"
    if known.value is None:
        return _Piece(name, None if term.otherwise is None else term.weight * term.otherwise, assumed=True)
    if known.carried:
        return _Piece(name, term.weight * known.value, carried=True)
    # What was not reported of a flow is taken to have gone like what was, as with meters.
    part = known.share if ground.is_flow(term.figure) else 1.0
    return _Piece(name, term.weight * known.value / part, known.share)


def _measured(flow: Flow, days: Mapping[int, Amount], over: Stretch) -> Measured | None:
    """Return what a flow carried in all of a stretch, given what was measured of it."""
    found = [amount for day, amount in days.items() if over.begin <= day < over.end]
    read = [day for day, amount in days.items() if amount.share > 0.0] if flow.reads is Reads.TOTAL else []
    between = (min(read), max(read)) if read else (over.end, over.begin)
    told = sum(each.share * (each.end - each.begin) for each in found)
    known = sum((1.0 if _bridged(days, each, between) else each.share) * (each.end - each.begin) for each in found)
    if known <= 0.0:
        return None
    whole = over.end - over.begin
    return Measured(sum(each.amount for each in found) * max(1.0, whole / known), min(1.0, told / whole))


def _bridged(days: Mapping[int, Amount], of: Amount, between: tuple[int, int]) -> bool:
    """Whether a totaliser knows all of a day: what nobody read lies across a midnight, ``between`` days that were read.

    Time that was not read within a day is told in its share, unless the amount is not known either.
    """
    if not between[0] < of.begin < between[1]:
        return False
    neighbours = (days.get(of.begin - _DAY), days.get(of.begin + _DAY))
    return any(each is None or each.share < _WHOLE for each in neighbours)


# --- values ------------------------------------------------------------------------------------------------------


def _concerns(indicator: Indicator, sums: Mapping[str, _Sum]) -> bool:
    if any(each.homeless for each in sums.values()):
        return False
    bottom = sums.get(indicator.bottom)
    if bottom is not None and bottom.wants_flows and not bottom.flows:
        return False
    return any(each.flows for each in sums.values()) or not any(each.wants_flows for each in sums.values())


def _result(ground: _Ground, indicator: Indicator, scope: Scope, sums: Mapping[str, _Sum]) -> IndicatorResult:
    benchmarks = ground.economy.benchmarks
    missing = tuple(dict.fromkeys(name for each in sums.values() for name in each.missing))
    share = min(each.share for each in sums.values())
    made = _value(indicator, {name: each.value for name, each in sums.items()}, ground.over)
    status = made.status
    if made.value is not None and (missing or share < benchmarks.coverage):
        status = Status.PARTIAL
    elif made.value is not None and (made.numerator or 0.0) < 0.0 and _may_give(indicator):
        status = Status.NET_GIVER
    return IndicatorResult(
        indicator=indicator.name,
        scope=scope,
        stretch=ground.over,
        value=made.value,
        numerator=made.numerator,
        denominator=made.denominator,
        share=share,
        carried=any(each.carried for each in sums.values()),
        missing=missing,
        status=status,
        judgements=tuple(_judgements(benchmarks, indicator, made.value, status)),
    )


def _judgements(
    benchmarks: Benchmarks, indicator: Indicator, value: float | None, status: Status
) -> Iterator[Judgement]:
    for each in benchmarks.sets.values():
        target = each.targets.get(indicator.name)
        if target is None or value is None or status is not Status.NO_TARGET:
            yield Judgement(each.name, target.at if target else None, status)
            continue
        met = value <= target.at if indicator.better is Better.LOW else value >= target.at
        yield Judgement(each.name, target.at, Status.MET if met else Status.MISSED)


def _may_give(indicator: Indicator) -> bool:
    return any(term.kinds and term.crossing is Crossing.NET for term in indicator.parts.get(NUMERATOR, ()))


class _Made(NamedTuple):
    value: float | None
    numerator: float | None
    denominator: float | None
    status: Status


def _value(indicator: Indicator, sums: Mapping[str, float | None], over: Stretch) -> _Made:
    if indicator.method is Method.CIRCULARITY:
        return _circularity(indicator, sums)
    scale = indicator.scale * (over.per_year if indicator.annual else 1.0)
    numerator = sums[NUMERATOR]
    if not indicator.bottom:
        value = None if numerator is None else numerator * scale
        return _Made(value, numerator, None, Status.NO_DATA if value is None else Status.NO_TARGET)
    denominator = sums[DENOMINATOR]
    if numerator is None or denominator is None:
        return _Made(None, numerator, denominator, Status.NO_DATA)
    if denominator <= 0.0:
        return _Made(None, numerator, denominator, Status.NO_DENOMINATOR)
    return _Made(scale * numerator / denominator, numerator, denominator, Status.NO_TARGET)


def _circularity(indicator: Indicator, sums: Mapping[str, float | None]) -> _Made:
    mass = sums[MASS]
    if mass is None or any(value is None for value in sums.values()):
        return _Made(None, None, mass, Status.NO_DATA)
    if mass <= 0.0:
        return _Made(None, None, mass, Status.NO_DENOMINATOR)
    made_of = Feedstock(*((sums.get(name) or 0.0) / mass for name in FEEDSTOCK))
    becomes = Recovery(*((sums.get(name) or 0.0) / mass for name in RECOVERY))
    try:
        found = circularity.circularity(made_of, becomes, indicator.terms)
    except Inconsistent:
        return _Made(None, None, mass, Status.INCONSISTENT)
    return _Made(found.indicator * indicator.scale, found.linear_flow, mass, Status.NO_TARGET)
