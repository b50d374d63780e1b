"""From ``access.yaml`` to what zones say to projects, and from a project's file to the project."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from park import rows, units
from park.admission import (
    Access,
    BannedSubstance,
    Basis,
    Process,
    ProcessRule,
    Project,
    ProjectKind,
    Substance,
    Threshold,
    ZoneAccess,
    cas_error,
)
from park.documents import ACCESS, ZONES, Documents, names_of
from park.figures import FigureDefinition, FigureKind, plain
from park.quantities import Quantity
from park.rows import NamesRow, Path, Problem, Segment, shortened, suggestion
from park.words import Location, Names

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Provenance = Literal["verified", "knowledge", "unverified"]
_NUMBERS = frozenset({FigureKind.FLOW, FigureKind.STOCK})
_AMOUNT = re.compile(
    r"(?P<number>[+-]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:[eE][+-]?\d+)?)(?P<unit>\s+\S.*|[^\s\d,.].*)?"
)
_NAMES = Field(examples=["{zh: 光气, en: phosgene}"])
_LOAD = Quantity("a load", Names("排放量", "load"), "kg", Location.OUTFALL, 0.0, 1e15)


def _cas(value: object) -> str:
    text = value if isinstance(value, str) else ""
    wrong = cas_error(text) if text else f"{shortened(value)} is no CAS number; write one in quotes, such as '75-44-5'"
    if wrong:
        raise ValueError(wrong)
    return text


_Cas = Annotated[str, BeforeValidator(_cas)]


class BasisRow(rows.Row):
    """Who says so, and where."""

    source: rows.Text = Field(examples=["长江保护法"])
    clause: rows.Clause = Field(examples=['{zh: "第二十六条", en: "article 26"}'])
    provenance: _Provenance = Field(examples=["unverified"])


class PlanRow(rows.Row):
    """A number that only plans have."""

    names: NamesRow = Field(examples=["{zh: 总投资, en: investment}"])
    unit: rows.Text = Field(examples=["10k CNY"])
    unit_zh: rows.Text | None = Field(default=None, examples=["万元"])
    units: dict[str, _Positive] = Field(default={}, examples=["{亿元: 10000}"])
    minimum: rows.Number | None = Field(default=None, examples=["0"])


class ProcessRow(rows.Row):
    """A process."""

    names: NamesRow = Field(examples=["{zh: 硝化工艺, en: nitration}"])
    also: list[rows.Text] = Field(default=[], examples=["[硝化]"])


class SubstanceRuleRow(BasisRow):
    """A substance on a negative list."""

    names: NamesRow = _NAMES
    cas: list[_Cas] = Field(default=[], examples=["['75-44-5']"])
    also: list[rows.Text] = Field(default=[], examples=["[碳酰氯]"])
    at_most: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(default=0.0, examples=["10"])
    condition: NamesRow | None = Field(default=None, examples=["{zh: 仅限作原料, en: as a feedstock only}"])


class ProcessRuleRow(BasisRow):
    """What a zone says to a process."""

    process: Segment = Field(examples=["nitration"])
    condition: NamesRow | None = Field(default=None, examples=["{zh: 须全流程自动化, en: fully automated only}"])


class MeanRow(rows.Row):
    """A multiple of the mean of the zone's enterprises."""

    times_mean: _Positive = Field(examples=["1"])


class ThresholdRow(BasisRow):
    """An access threshold."""

    id: Segment = Field(examples=["investment-per-mu"])
    names: NamesRow = Field(examples=["{zh: 亩均投资, en: investment per mu}"])
    over: list[Segment] = Field(min_length=1, examples=["[investment]"])
    under: list[Segment] = Field(default=[], examples=["[land]"])
    scale: _Positive = Field(default=1.0, examples=["100"])
    unit: rows.Text = Field(examples=["10k CNY/mu"])
    unit_zh: rows.Text | None = Field(default=None, examples=["万元/亩"])
    at_least: rows.Number | MeanRow | None = Field(default=None, examples=["500"])
    at_most: rows.Number | MeanRow | None = Field(default=None, examples=["0.5"])
    kinds: list[Annotated[ProjectKind, Field(strict=False)]] = Field(default=[], examples=["[new, expansion]"])
    condition: NamesRow | None = Field(default=None, examples=["{zh: 须专题论证, en: needs a study}"])


class ZoneRow(rows.Row):
    """What a zone says."""

    substances: list[Any] = Field(default=[], examples=["[{names: ..., cas: ['75-44-5'], ...}]"])
    processes: list[Any] = Field(default=[], examples=["[{process: nitration, ...}]"])
    thresholds: list[Any] = Field(default=[], examples=["[{id: investment-per-mu, ...}]"])


class SubstanceRow(rows.Row):
    """A substance of a project."""

    name: rows.Text = Field(examples=["四氟乙烯"])
    cas: _Cas | None = Field(default=None, examples=["'116-14-3'"])
    role: Literal["raw", "auxiliary", "intermediate", "product", "waste"] | None = Field(
        default=None, examples=["product"]
    )
    amount: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = Field(default=None, examples=["5000"])


class ProjectRow(rows.Row):
    """A project's file."""

    names: NamesRow = Field(examples=["{zh: 含氟聚合物扩建项目, en: fluoropolymer expansion}"])
    zone: Segment = Field(examples=["new-materials"])
    kind: ProjectKind = Field(strict=False, examples=["new"])
    substances: list[Any] = Field(examples=["[{name: 四氟乙烯, cas: '116-14-3', role: product, amount: 5000}]"])
    processes: list[rows.Text] = Field(examples=["[polymerisation]"])
    plan: dict[str, Any] = Field(examples=["{investment: 6 亿元, land: 45}"])
    loads: dict[str, Any] = Field(default={}, examples=["{cod: 3.2 t, nh3-n: 160 kg}"])


def access(building: Documents, figures: Mapping[str, FigureDefinition]) -> Access:
    """Return what zones say to projects; nothing if there is no file."""
    if ACCESS not in building.documents:
        return Access()
    plan = {name: each for name, each in figures.items() if each.kind in _NUMBERS} | _plan(building, figures)
    processes = _processes(building)
    zones: dict[str, ZoneAccess] = {}
    for name, value in building.table(ACCESS, "zones").items():
        path: Path = (ACCESS, "zones", name)
        known = building.known(ZONES, "zones")
        if name not in known:
            building.report(path, f"unknown zone {name!r}; {suggestion(name, known)}")
        row = building.shape(ZoneRow, value, path)
        if row:
            zones[name] = ZoneAccess(
                substances=tuple(_substances(building, row, (*path, "substances"))),
                processes=tuple(_process_rules(building, row, processes, (*path, "processes"))),
                thresholds=tuple(_thresholds(building, row, plan, figures, (*path, "thresholds"))),
            )
    return Access(zones, processes, plan)


def _plan(building: Documents, figures: Mapping[str, FigureDefinition]) -> dict[str, FigureDefinition]:
    found = {}
    for name, value in building.table(ACCESS, "plan").items():
        path: Path = (ACCESS, "plan", name)
        building.check_segment(path, name)
        row = building.shape(PlanRow, value, path)
        if name in figures:
            building.report(path, f"{name!r} is a figure already (figures.yaml); leave it out here")
        elif row:
            found[name] = FigureDefinition(
                name=name,
                names=names_of(row.names),
                kind=FigureKind.FLOW,
                unit=row.unit,
                unit_zh=row.unit_zh or row.unit,
                units=row.units,
                minimum=row.minimum,
            )
    return found


def _processes(building: Documents) -> dict[str, Process]:
    found = {}
    for name, value in building.table(ACCESS, "processes").items():
        path: Path = (ACCESS, "processes", name)
        building.check_segment(path, name)
        row = building.shape(ProcessRow, value, path)
        if row:
            found[name] = Process(name, names_of(row.names), tuple(row.also))
    return found


def _substances(building: Documents, zone: ZoneRow, path: Path) -> Iterator[BannedSubstance]:
    for index, value in enumerate(zone.substances):
        row = building.shape(SubstanceRuleRow, value, (*path, index))
        if row:
            yield BannedSubstance(
                names=names_of(row.names),
                basis=_basis(row),
                cas=tuple(row.cas),
                also=tuple(row.also),
                at_most=row.at_most,
                condition=names_of(row.condition) if row.condition else None,
            )


def _process_rules(
    building: Documents, zone: ZoneRow, processes: Mapping[str, Process], path: Path
) -> Iterator[ProcessRule]:
    seen: set[str] = set()
    for index, value in enumerate(zone.processes):
        row = building.shape(ProcessRuleRow, value, (*path, index))
        if row is None:
            continue
        if row.process not in processes:
            words = suggestion(row.process, processes)
            building.report((*path, index, "process"), f"unknown process {row.process!r}; {words}")
        if row.process in seen:
            building.report((*path, index, "process"), f"there is a rule for {row.process!r} already; keep one of them")
        seen.add(row.process)
        yield ProcessRule(row.process, _basis(row), names_of(row.condition) if row.condition else None)


def _thresholds(
    building: Documents, zone: ZoneRow, plan: Mapping[str, FigureDefinition], figures: Collection[str], path: Path
) -> Iterator[Threshold]:
    seen: set[str] = set()
    for index, value in enumerate(zone.thresholds):
        here: Path = (*path, index)
        row = building.shape(ThresholdRow, value, here)
        if row is None:
            continue
        building.problems += _threshold_problems(row, plan, figures, here)
        if row.id in seen:
            building.report((*here, "id"), f"there is a threshold {row.id!r} already; write another id")
        seen.add(row.id)
        bound = row.at_least if row.at_least is not None else row.at_most
        if bound is not None:
            yield _threshold(row, bound)


def _threshold(row: ThresholdRow, bound: float | MeanRow) -> Threshold:
    return Threshold(
        id=row.id,
        names=names_of(row.names),
        over=tuple(row.over),
        bound=bound.times_mean if isinstance(bound, MeanRow) else bound,
        basis=_basis(row),
        upper=row.at_least is None,
        of_mean=isinstance(bound, MeanRow),
        under=tuple(row.under),
        scale=row.scale,
        unit=row.unit,
        unit_zh=row.unit_zh or row.unit,
        kinds=tuple(row.kinds),
        condition=names_of(row.condition) if row.condition else None,
    )


def _threshold_problems(
    row: ThresholdRow, plan: Mapping[str, FigureDefinition], figures: Collection[str], path: Path
) -> Iterator[Problem]:
    if (row.at_least is None) == (row.at_most is None):
        yield Problem(path, "a threshold bounds one side; write either at_least or at_most")
    of_mean = isinstance(row.at_least, MeanRow) or isinstance(row.at_most, MeanRow)
    for key, names in (("over", row.over), ("under", row.under)):
        for index, name in enumerate(names):
            if name not in plan:
                yield Problem((*path, key, index), f"unknown number {name!r}; {suggestion(name, plan)}")
        found = sorted({plan[name].unit for name in names if name in plan})
        if len(found) > 1:
            yield Problem((*path, key), f"numbers in {' and '.join(found)} don't add up; write numbers of one unit")
    for name in (*row.over, *row.under):
        if of_mean and name in plan and name not in figures:
            yield Problem(path, f"{name!r} is not reported, so there is no mean of it; write a number")
    if of_mean and not row.under:
        yield Problem((*path, "under"), "a mean is a ratio; write under: [land], for example")


def _basis(row: BasisRow) -> Basis:
    return Basis(row.source, names_of(row.clause), row.provenance)


# --- a project's file --------------------------------------------------------------------------------------------


def project(
    content: object, rules: Access, zones: Collection[str], quantities: Collection[str]
) -> tuple[Project | None, list[Problem]]:
    """Return the project that a file describes, or all that is wrong with it; paths begin with ``project``."""
    building = Documents({"project": content})
    row = building.shape(ProjectRow, content, ("project",))
    if row is None:
        return None, building.problems
    if row.zone not in zones:
        building.report(("project", "zone"), f"unknown zone {row.zone!r}; {suggestion(row.zone, zones)}")
    found = Project(
        names=names_of(row.names),
        zone=row.zone,
        kind=row.kind,
        substances=tuple(_project_substances(building, row)),
        processes=tuple(_project_processes(building, row, rules)),
        plan=dict(_project_plan(building, row, rules)),
        loads=dict(_project_loads(building, row, quantities)),
    )
    return (None if building.problems else found), building.problems


def _project_substances(building: Documents, project_row: ProjectRow) -> Iterator[Substance]:
    for index, value in enumerate(project_row.substances):
        row = building.shape(SubstanceRow, value, ("project", "substances", index))
        if row:
            yield Substance(row.name, row.cas or "", row.role or "", row.amount)


def _project_processes(building: Documents, row: ProjectRow, rules: Access) -> Iterator[str]:
    known = {
        plain(word): name
        for name, process in rules.processes.items()
        for word in (name, process.names.zh, process.names.en, *process.also)
    }
    for index, word in enumerate(row.processes):
        name = known.get(plain(word))
        if name is None:
            words = suggestion(word, rules.processes)
            building.report(("project", "processes", index), f"unknown process {shortened(word)}; {words}")
        else:
            yield name


def _project_plan(building: Documents, row: ProjectRow, rules: Access) -> Iterator[tuple[str, float]]:
    for name, value in row.plan.items():
        path: Path = ("project", "plan", name)
        if name not in rules.plan:
            building.report(path, f"unknown number {name!r}; {suggestion(name, rules.plan)}")
            continue
        try:
            yield name, _number(value, rules.plan[name])
        except ValueError as error:
            building.report(path, str(error))


def _number(value: object, definition: FigureDefinition) -> float:
    """Return a planned number in the unit of its definition; raises ``ValueError`` with what to write instead."""
    units_ = {definition.unit: 1.0, definition.unit_zh: 1.0, **definition.units}
    accepted = ", ".join(dict.fromkeys(units_))
    number, unit = _amount(value, f"write a number in {definition.unit}, or one with a unit ({accepted})")
    sizes = {"".join(name.split()).casefold(): size for name, size in units_.items()}
    size = 1.0 if unit is None else sizes.get("".join(unit.split()).casefold())
    if size is None:
        raise ValueError(f"{unit!r} is not a unit of {definition.name}; write one of {accepted}")
    if definition.minimum is not None and number * size < definition.minimum:
        raise ValueError(f"{shortened(value)} can't be; {definition.name} is at least {definition.minimum:g}")
    return number * size


def _project_loads(building: Documents, row: ProjectRow, quantities: Collection[str]) -> Iterator[tuple[str, float]]:
    for name, value in row.loads.items():
        path: Path = ("project", "loads", name)
        if name not in quantities:
            building.report(path, f"unknown quantity {name!r}; {suggestion(name, quantities)}")
            continue
        try:
            number, unit = _amount(value, "write the mass of a year with its unit, such as 3.2 t")
            if unit is None and number:
                raise ValueError(f"{shortened(value)} has no unit; write the mass of a year, such as 3.2 t")  # noqa: TRY301
            kg = units.conversion(_LOAD, unit, _LOAD.location).canonical(number)
            if kg < 0.0:
                raise ValueError(f"{shortened(value)} can't be; a load is at least 0")  # noqa: TRY301
            yield name, kg
        except ValueError as error:
            building.report(path, str(error).replace("; send ", "; write "))


def _amount(value: object, instead: str) -> tuple[float, str | None]:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _finite(float(value), instead), None
    found = _AMOUNT.fullmatch(value.strip()) if isinstance(value, str) else None
    if not found:
        raise ValueError(f"{shortened(value)} is no amount; {instead}")
    unit = found["unit"]
    return _finite(float(found["number"].replace(",", "")), instead), unit.strip() if unit else None


def _finite(number: float, instead: str) -> float:
    if not math.isfinite(number):
        raise ValueError(f"{number} is no amount; {instead}")
    return number
