"""``parkwatch indicators``: what is computed and how, and how the park stands."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import typer

from park.catalogue import Catalogue
from park.economy import Economy
from park.flows import OUTSIDE
from park.indicator_terms import (
    PARK,
    Better,
    Crossing,
    Factor,
    FactorTable,
    Indicator,
    Method,
    Scope,
    ScopeKind,
    Target,
    Term,
)
from park.indicators import Status, counted, scopes_of
from park.rows import CHINA, day, suggestion
from park.stretches import Length, stretch
from park.wording import short
from park.words import Names
from parkwatch.desk import UNUSABLE, catalogue, database, out, settings, stop
from storage.clock import SystemClock
from storage.indicators import NO_BENCHMARK, IndicatorStore, StoredIndicator

indicators = typer.Typer(no_args_is_help=True)

_Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_Scope = Annotated[str | None, typer.Option(help="park, a zone, or zone/site.")]
_On = Annotated[str | None, typer.Option("--on", help="The day, month or year that holds this day, as 2026-11-01.")]
_NONE = "no indicators are configured: config/indicators.yaml is not there, or has none"
_SIGNS = {Better.LOW: "<=", Better.HIGH: ">="}
_MET = {Status.MET: "+", Status.MISSED: "-"}


class Shown(msgspec.Struct):
    """An indicator, as ``indicators list --json`` prints it; ``targets`` by benchmark set."""

    name: str
    names: Names
    unit: str
    unit_zh: str
    formula: Names
    better: Better | None
    method: Method
    annual: bool
    scopes: tuple[ScopeKind, ...]
    lengths: tuple[Length, ...]
    source: str
    clause: Names
    provenance: str
    targets: dict[str, Target]


class Counted(msgspec.Struct):
    """A flow that a term counts: ``times`` its amount, with the factor ``None`` if the year has none."""

    flow: str
    names: Names
    kind: str
    source: str
    target: str
    unit: str
    times: float | None


class Explained(msgspec.Struct):
    """A term of a part: its flows, or its figure and the enterprises that are asked for it."""

    part: str
    term: Term
    flows: list[Counted] = []
    enterprises: list[str] = []


@indicators.command(name="list")
def list_indicators(as_json: _Json = False) -> None:  # noqa: FBT002 - a flag
    """List the indicators: unit, formula, targets, and who says so."""
    economy = _economy(catalogue(settings()))
    found = [_shown(economy, each) for each in economy.indicators.values()]
    if as_json:
        _print_json({"shown": economy.benchmarks.shown, "indicators": found})
        return
    for each in found:
        _line(f"{each.name}  {_both(each.names)}  [{_unit(each.unit, each.unit_zh)}]")
        _line(f"    {_both(each.formula)}")
        clause = f", {_both(each.clause)}" if each.clause.en else ""
        _line(f"    {each.source}{clause} ({each.provenance})")
        for benchmark, target in each.targets.items():
            mark = "*" if benchmark == economy.benchmarks.shown else " "
            _line(f"   {mark}{benchmark}: {_target(each.better, target.at)} ({target.provenance})")
    shown = economy.benchmarks.shown or "none"
    _line(f"{len(found)} indicators; held against {shown} (*)")


@indicators.command()
def explain(
    name: Annotated[str, typer.Argument(help="An indicator; `parkwatch indicators list` names them.")],
    scope: _Scope = None,
    on: _On = None,
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Say what an indicator is made of: which flows count and how often, which factors, whose figures."""
    economy = _economy(catalogue(settings()))
    indicator = _indicator(economy, name)
    place = _scope(economy, scope or "park")
    year = stretch(Length.YEAR, _moment(on), SystemClock().now()).year
    found = [_explained(economy, part, term, place, year) for part, terms in indicator.parts.items() for term in terms]
    if as_json:
        _print_json({"indicator": _shown(economy, indicator), "scope": place, "year": year, "terms": found})
        return
    _line(f"{indicator.name}  {_both(indicator.names)}  [{_unit(indicator.unit, indicator.unit_zh)}]")
    _line(f"    {_both(indicator.formula)}")
    if place.kind not in indicator.scopes:
        _line(f"    not computed for a {place.kind.value}, only for: {', '.join(indicator.scopes)}")
    for each in found:
        _print_term(economy, each, place, year)
    if indicator.method is Method.CIRCULARITY:
        terms = indicator.terms
        _line(
            f"constants: feedstock_efficiency {terms.feedstock:g}, collected_efficiency {terms.collected:g}, "
            f"lifetime {terms.lifetime:g}, intensity {terms.intensity:g}"
        )
    _line(f"times {indicator.scale:g}{', of a whole year' if indicator.annual else ''}")


@indicators.command()
def show(
    length: Annotated[Length, typer.Option(help="day, month or year.")] = Length.MONTH,
    on: _On = None,
    scope: _Scope = None,
    indicator: Annotated[str | None, typer.Option(help="Only this indicator.")] = None,
    benchmark: Annotated[str | None, typer.Option(help="Held against this set.")] = None,
    as_json: _Json = False,  # noqa: FBT002 - a flag
) -> None:
    """Show how the park stands: values, targets, how much of it is known, and what is missing."""
    chosen = settings()
    economy = _economy(catalogue(chosen))
    if indicator:
        _indicator(economy, indicator)
    held = _benchmark(economy, benchmark)
    place = _scope(economy, scope) if scope else None
    begin = stretch(length, _moment(on), SystemClock().now()).begin
    with database(chosen) as influx:
        found = IndicatorStore(influx).read(length, begin, begin + 1, held, place, indicator or "")
    ordered = sorted(found, key=lambda each: _rank(economy, each))
    if as_json:
        _print_json(ordered)
        return
    _line(f"{length.value} of {datetime.fromtimestamp(begin / 1000, CHINA):%Y-%m-%d}, held against {held}")
    for each in ordered:
        _print_stored(economy, each)
    _line(f"{len(ordered)} values")


# --- details -----------------------------------------------------------------------------------------------


def _economy(park: Catalogue) -> Economy:
    if not park.economy.indicators:
        raise stop(_NONE)
    return park.economy


def _indicator(economy: Economy, name: str) -> Indicator:
    if name not in economy.indicators:
        raise stop(f"unknown indicator {name!r}; {suggestion(name, economy.indicators)}", UNUSABLE)
    return economy.indicators[name]


def _benchmark(economy: Economy, name: str | None) -> str:
    sets = economy.benchmarks.sets
    if name is not None and name not in sets:
        raise stop(f"unknown benchmark set {name!r}; {suggestion(name, sets)}", UNUSABLE)
    return name or economy.benchmarks.shown or NO_BENCHMARK


def _scope(economy: Economy, text: str) -> Scope:
    known = {each.text: each for each in [PARK, *scopes_of(economy)]}
    if text not in known:
        raise stop(f"nothing is known of {text!r}; {suggestion(text, known)}", UNUSABLE)
    return known[text]


def _moment(on: str | None) -> int:
    """Return the first moment (ms) of a day; raises what ends the command for one that has not begun."""
    now = SystemClock().now()
    if on is None:
        return now
    try:
        first = datetime.combine(day(on), datetime.min.time(), CHINA)
    except ValueError as error:
        raise stop(f"--on {error}", UNUSABLE) from error
    begin = round(first.timestamp() * 1000)
    if begin >= now:
        yesterday = datetime.fromtimestamp(now / 1000, CHINA) - timedelta(days=1)
        raise stop(f"--on {on} has not begun; write an earlier day, such as {yesterday:%Y-%m-%d}", UNUSABLE)
    return begin


def _shown(economy: Economy, indicator: Indicator) -> Shown:
    sets = economy.benchmarks.sets.values()
    return Shown(
        name=indicator.name,
        names=indicator.names,
        unit=indicator.unit,
        unit_zh=indicator.unit_zh,
        formula=indicator.formula,
        better=indicator.better,
        method=indicator.method,
        annual=indicator.annual,
        scopes=indicator.scopes,
        lengths=indicator.lengths,
        source=indicator.source,
        clause=indicator.clause,
        provenance=indicator.provenance,
        targets={each.name: each.targets[indicator.name] for each in sets if indicator.name in each.targets},
    )


def _explained(economy: Economy, part: str, term: Term, scope: Scope, year: int) -> Explained:
    if term.figure:
        return Explained(
            part, term, enterprises=[each.name for each in scope.enterprises(economy.enterprises.values())]
        )
    return Explained(part, term, flows=list(_flows(economy, term, scope, year)))


def _flows(economy: Economy, term: Term, scope: Scope, year: int) -> Iterator[Counted]:
    for flow, sign in counted(economy, term, scope):
        factor = economy.factors[term.factor].factors[flow.kind].of(year) if term.factor else 1.0
        yield Counted(
            flow=flow.id,
            names=flow.names,
            kind=flow.kind,
            source=flow.source,
            target=flow.target,
            unit=economy.kinds[flow.kind].unit,
            times=None if factor is None else sign * term.weight * factor,
        )


def _print_term(economy: Economy, each: Explained, scope: Scope, year: int) -> None:
    term = each.term
    if term.figure:
        figure = economy.figures[term.figure]
        _line(f"{each.part}: {term.weight:g} x figure {term.figure}  {_both(figure.names)}  [{figure.unit}]")
        _line(f"    of {', '.join(each.enterprises) or 'nobody: no enterprise has only this site'}")
        for words in _unreported(term):
            _line(f"    {words}")
        return
    _line(f"{each.part}: {term.weight:g} x {', '.join(term.kinds)} ({_CROSSINGS[term.crossing].format(scope.text)})")
    if term.factor:
        _print_factors(economy.factors[term.factor], term.kinds, year)
    for flow in each.flows:
        times = "no factor for this year" if flow.times is None else f"{flow.times:+g} per {flow.unit}"
        _line(f"    {flow.flow}  {_both(flow.names)}  {_end(flow.source)} -> {_end(flow.target)}  {times}")
    if not each.flows:
        _line("    no flows")


_CROSSINGS = {
    Crossing.IN: "into {} from elsewhere",
    Crossing.OUT: "out of {} to elsewhere",
    Crossing.NET: "into {} less out of it",
    Crossing.USED: "all that ends in {}",
    Crossing.GIVEN: "all that begins in {}",
    Crossing.WITHIN: "from {} to itself",
    Crossing.ALL: "all that begins or ends in {}",
}


def _unreported(term: Term) -> Iterator[str]:
    if term.otherwise is not None:
        yield f"{term.otherwise:g} of those who have never reported it"
    if term.concerns_some:
        yield "those who have never reported it have none"


def _print_factors(table: FactorTable, kinds: Iterable[str], year: int) -> None:
    for kind in kinds:
        factor = table.factors[kind]
        _line(f"    factor {table.name} of {kind}: {_factor(factor, year)} ({factor.source}, {factor.provenance})")


def _factor(factor: Factor, year: int) -> str:
    found = factor.of(year)
    return f"none for {year}" if found is None else f"{found:g} in {year}"


def _end(place: str) -> str:
    return "outside" if place == OUTSIDE else place


def _rank(economy: Economy, each: StoredIndicator) -> tuple[int, str, int, str]:
    order = list(economy.indicators)
    # One that is no longer configured comes last.
    place = order.index(each.indicator) if each.indicator in economy.indicators else len(order)
    return place, each.indicator, list(ScopeKind)[::-1].index(each.scope.kind), each.scope.text


def _print_stored(economy: Economy, each: StoredIndicator) -> None:
    known = economy.indicators.get(each.indicator)
    names = f"  {_both(known.names)}" if known else "  (no longer configured)"
    value = "-" if each.value is None else short(each.value)
    unit = f" {known.unit}" if known and each.value is not None and known.unit != "1" else ""
    target = "" if each.target is None else f" ({_target(known.better if known else None, each.target)})"
    mark = _MET.get(each.status, " ")
    _line(
        f"{mark} {each.scope.text:32}  {each.indicator}{names}: {value}{unit}{target}  {each.status.value}, "
        f"{each.share:.0%} known, {each.flag.value}"
    )
    if each.missing:
        _line(f"      missing: {', '.join(each.missing)}")


def _target(better: Better | None, at: float) -> str:
    return f"{_SIGNS[better]} {at:g}" if better else f"{at:g}"


def _unit(unit: str, unit_zh: str) -> str:
    return unit if unit == unit_zh else f"{unit_zh} / {unit}"


def _both(names: Names) -> str:
    return names.zh if names.zh == names.en else f"{names.zh} / {names.en}"


def _print_json(content: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(content), indent=2).decode() + "\n")


def _line(text: str) -> None:
    out.print(text, markup=False, highlight=False, soft_wrap=True)
