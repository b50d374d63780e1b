"""From ``indicators.yaml`` to indicators, benchmark sets and factors, or to everything that is wrong with them.

The file is optional: a park without it has no indicators.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from park import indicator_rows as rows
from park.circularity import Terms
from park.documents import FIGURES, FLOWS, INDICATORS, Documents, names_of
from park.figures import FigureDefinition, FigureKind
from park.flows import FlowKind
from park.indicator_terms import (
    CIRCULARITY_PARTS,
    DENOMINATOR,
    NUMERATOR,
    Benchmarks,
    BenchmarkSet,
    Crossing,
    Factor,
    FactorTable,
    Indicator,
    Method,
    Target,
    Term,
)
from park.rows import NamesRow, Path, Problem, suggestion
from park.units import normalise
from park.words import Names

_NO_CLAUSE = Names("", "")


# --- factors -----------------------------------------------------------------------------------------------


def factors(building: Documents, kinds: Mapping[str, FlowKind]) -> dict[str, FactorTable]:
    """Return the tables of factors by name; everything wrong with them is reported."""
    found = {}
    for name, value in building.table(INDICATORS, "factors").items():
        path: Path = (INDICATORS, "factors", name)
        building.check_segment(path, name)
        row = building.shape(rows.TableRow, value, path)
        if row:
            of = dict(_factors(building, row.of, kinds, (*path, "of")))
            found[name] = FactorTable(name, names_of(row.names), row.unit, of)
    return found


def _factors(
    building: Documents, table: Mapping[str, Any], kinds: Mapping[str, FlowKind], path: Path
) -> Iterator[tuple[str, Factor]]:
    known = building.known(FLOWS, "kinds")
    for kind, value in table.items():
        row = building.shape(rows.FactorRow, value, (*path, kind))
        if kind not in known:
            building.report((*path, kind), f"unknown kind of flow {kind!r}; {suggestion(kind, known)}")
        if row is None:
            continue
        if kind in kinds and normalise(row.per) != normalise(kinds[kind].unit):
            building.report(
                (*path, kind, "per"),
                f"flows of {kind} are in {kinds[kind].unit}; write the factors per {kinds[kind].unit}, and "
                f"per: {kinds[kind].unit}",
            )
        yield kind, Factor(kind, tuple(sorted(row.since.items())), row.source, _clause(row.clause), row.provenance)


# --- indicators --------------------------------------------------------------------------------------------


def indicators(
    building: Documents,
    kinds: Mapping[str, FlowKind],
    figures: Mapping[str, FigureDefinition],
    tables: Mapping[str, FactorTable],
) -> dict[str, Indicator]:
    """Return the indicators by name; everything wrong with them is reported."""
    found = {}
    check = _TermCheck(building, kinds, figures, tables)
    for name, value in building.table(INDICATORS, "indicators").items():
        path: Path = (INDICATORS, "indicators", name)
        building.check_segment(path, name)
        row = building.shape(rows.IndicatorRow, value, path)
        if row:
            building.problems += _form_problems(row, path)
            for part, terms, where in _parts(row):
                for index, term in enumerate(terms):
                    building.problems += check.problems(term, (*path, *where, part, index))
            found[name] = _indicator(name, row)
    return found


def _form_problems(row: rows.IndicatorRow, path: Path) -> Iterator[Problem]:
    if row.circularity is None and row.numerator is None:
        yield Problem(
            (*path, "numerator"), "'numerator' is missing; write numerator: [{flow: steam, crossing: in}], for example"
        )
    if row.circularity is None:
        return
    for key in (NUMERATOR, DENOMINATOR):
        if getattr(row, key) is not None:
            yield Problem((*path, key), f"a circularity has parts of its own; leave {key!r} or circularity: out")
    if row.annual:
        yield Problem((*path, "annual"), "a circularity is no amount per year; leave 'annual' out")


def _parts(row: rows.IndicatorRow) -> Iterator[tuple[str, list[rows.TermRow], Path]]:
    """Yield the parts of an indicator by name, and where in the row they are."""
    for name in (NUMERATOR, DENOMINATOR):
        if terms := getattr(row, name):
            yield name, terms, ()
    if row.circularity:
        for name in CIRCULARITY_PARTS:
            if terms := getattr(row.circularity, name):
                yield name, terms, ("circularity",)


def _indicator(name: str, row: rows.IndicatorRow) -> Indicator:
    constants = row.circularity
    return Indicator(
        name=name,
        names=names_of(row.names),
        unit=row.unit,
        unit_zh=row.unit_zh or row.unit,
        formula=names_of(row.formula),
        parts={part: tuple(map(_term, terms)) for part, terms, _ in _parts(row)},
        source=row.source,
        clause=_clause(row.clause),
        provenance=row.provenance,
        better=row.better,
        method=Method.CIRCULARITY if constants else Method.RATIO,
        scale=row.scale,
        annual=row.annual,
        scopes=tuple(row.scopes),
        lengths=tuple(row.lengths),
        terms=_constants(constants) if constants else Terms(),
    )


def _constants(row: rows.CircularityRow) -> Terms:
    return Terms(row.feedstock_efficiency, row.collected_efficiency, row.lifetime, row.intensity)


def _term(row: rows.TermRow) -> Term:
    return Term(
        kinds=tuple(row.flow or ()),
        crossing=row.crossing or Crossing.NET,
        figure=row.figure or "",
        weight=row.weight,
        factor=row.factor or "",
        otherwise=row.otherwise,
        concerns_some=row.concerns == "some",
    )


class _TermCheck:
    """What can be wrong with a term, given what there is."""

    def __init__(
        self,
        building: Documents,
        kinds: Mapping[str, FlowKind],
        figures: Mapping[str, FigureDefinition],
        tables: Mapping[str, FactorTable],
    ) -> None:
        self._known_kinds = building.known(FLOWS, "kinds")
        # Without the file there are no figures; a term that needs one could never be computed.
        self._known_figures: Collection[str] = (
            building.known(FIGURES, "figures") if FIGURES in building.documents else ()
        )
        self._known_tables = building.known(INDICATORS, "factors")
        self._written = building.table(INDICATORS, "factors")
        self._kinds = kinds
        self._figures = figures
        self._tables = tables

    def problems(self, row: rows.TermRow, path: Path) -> Iterator[Problem]:
        """Yield what is wrong with a term."""
        if (row.flow is None) == (row.figure is None):
            yield Problem(
                path, "a term is of flows or of a figure; write {flow: steam, crossing: in} or {figure: value-added}"
            )
            return
        if row.weight == 0.0:
            yield Problem((*path, "weight"), "a term that weighs 0 does not count; leave it out, or write weight: 1")
        yield from self._figure(row, row.figure, path) if row.figure else self._flows(row, row.flow or [], path)

    def _figure(self, row: rows.TermRow, figure: str, path: Path) -> Iterator[Problem]:
        for key in ("crossing", "factor"):
            if getattr(row, key) is not None:
                yield Problem((*path, key), f"a figure has no {key}; leave {key!r} out")
        if figure not in self._known_figures:
            yield Problem((*path, "figure"), f"unknown figure {figure!r}; {suggestion(figure, self._known_figures)}")
        elif figure in self._figures and self._figures[figure].kind is FigureKind.CHOICE:
            yield Problem(
                (*path, "figure"), f"{figure} is a choice, which does not add up; write a flow, stock or flag"
            )
        if row.concerns == "some" and row.otherwise is not None:
            yield Problem(
                (*path, "otherwise"),
                "who has none of what concerns some only counts for nothing; leave 'otherwise' or 'concerns' out",
            )

    def _flows(self, row: rows.TermRow, kinds: list[str], path: Path) -> Iterator[Problem]:
        for key in ("otherwise", "concerns"):
            if getattr(row, key) is not None:
                yield Problem((*path, key), f"only a figure can be left unreported; leave {key!r} out")
        if row.crossing is None:
            words = ", ".join(Crossing)
            yield Problem(path, f"'crossing' is missing, which says where the flows count; write one of {words}")
        for index, kind in enumerate(kinds):
            if kind not in self._known_kinds:
                unknown = f"unknown kind of flow {kind!r}; {suggestion(kind, self._known_kinds)}"
                yield Problem((*path, "flow", index), unknown)
            elif kind in kinds[:index]:
                yield Problem((*path, "flow", index), f"{kind} would count twice; write it once")
        if row.factor is None:
            yield from self._units(kinds, path)
        elif row.factor not in self._known_tables:
            unknown = f"unknown factors {row.factor!r}; {suggestion(row.factor, self._known_tables)}"
            yield Problem((*path, "factor"), unknown)
        elif row.factor in self._tables:
            yield from self._listed(self._tables[row.factor], kinds, path)

    def _units(self, kinds: list[str], path: Path) -> Iterator[Problem]:
        units = {kind: self._kinds[kind].unit for kind in kinds if kind in self._kinds}
        if len({normalise(unit) for unit in units.values()}) > 1:
            told = ", ".join(f"{kind} is in {unit}" for kind, unit in units.items())
            yield Problem((*path, "flow"), f"{told}: they don't add up; write a factor:, or a term for each unit")

    def _listed(self, table: FactorTable, kinds: list[str], path: Path) -> Iterator[Problem]:
        # One that is written but wrong is told where it stands.
        written = self._written[table.name]["of"]
        without = [kind for kind in kinds if kind not in written and kind in self._kinds]
        if without:
            yield Problem(
                (*path, "factor"),
                f"the factors {table.name} have none of {', '.join(without)}; write them into factors.{table.name}.of",
            )


# --- benchmarks --------------------------------------------------------------------------------------------


def benchmarks(building: Documents, found: Mapping[str, Indicator]) -> Benchmarks:
    """Return the benchmark sets; everything wrong with them is reported. ``found``: the indicators that are sound."""
    content = building.table(INDICATORS, "benchmarks")
    row = building.shape(rows.BenchmarksRow, content, (INDICATORS, "benchmarks")) if content else None
    if row is None:
        return Benchmarks()
    path: Path = (INDICATORS, "benchmarks")
    sets = dict(_sets(building, row.sets, found, (*path, "sets")))
    if row.shown not in row.sets:
        building.report((*path, "shown"), f"unknown benchmark set {row.shown!r}; {suggestion(row.shown, row.sets)}")
    return Benchmarks(row.shown, row.coverage, sets)


def _sets(
    building: Documents, sets: Mapping[str, Any], found: Mapping[str, Indicator], path: Path
) -> Iterator[tuple[str, BenchmarkSet]]:
    for name, value in sets.items():
        building.check_segment((*path, name), name)
        row = building.shape(rows.SetRow, value, (*path, name))
        if row:
            targets = dict(_targets(building, row, found, (*path, name, "targets")))
            yield name, BenchmarkSet(name, names_of(row.names), row.source, targets)


def _targets(
    building: Documents, of: rows.SetRow, found: Mapping[str, Indicator], path: Path
) -> Iterator[tuple[str, Target]]:
    known = building.known(INDICATORS, "indicators")
    for indicator, value in of.targets.items():
        here: Path = (*path, indicator)
        row = building.shape(rows.TargetRow, value, here)
        if indicator not in known:
            building.report(here, f"unknown indicator {indicator!r}; {suggestion(indicator, known)}")
        elif indicator in found and found[indicator].better is None:
            building.report(here, f"nothing tells which way is good; write better: low or high for {indicator}")
        if row:
            yield indicator, Target(indicator, row.at, _clause(row.clause), row.provenance or of.provenance)


def _clause(row: NamesRow | None) -> Names:
    return _NO_CLAUSE if row is None else names_of(row)
