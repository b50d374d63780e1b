"""From ``evaluation.yaml`` to the schemes of evaluation, or to everything that is wrong with it."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from park import rows
from park.documents import EVALUATION, Documents, names_of
from park.evaluation import Benchmark, ClassShare, Condition, Fields, Scheme, Term, Unreported
from park.figures import FigureDefinition, FigureKind
from park.rows import CHINA, Path, Problem, Segment, suggestion
from park.smart import SmartTarget

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_Provenance = Literal["verified", "knowledge", "unverified"]
_WHOLE = 100.0
_NEARLY = 1e-6
_NUMBERS = frozenset({FigureKind.FLOW, FigureKind.STOCK})


class BenchmarkRow(rows.Row):
    """What a value is held against; one of the two."""

    at: _Positive | None = Field(default=None, examples=["40"])
    times_mean: _Positive | None = Field(default=None, examples=["2"])


class TermRow(rows.Row):
    """A part of a score."""

    id: Segment = Field(examples=["tax-per-mu"])
    names: rows.NamesRow = Field(examples=["{zh: 亩均税收, en: tax per mu}"])
    over: list[Segment] = Field(min_length=1, examples=["[tax]"])
    under: list[Segment] = Field(min_length=1, examples=["[land]"])
    unit: rows.Text = Field(examples=["10k CNY/mu"])
    unit_zh: rows.Text | None = Field(default=None, examples=["万元/亩"])
    scale: _Positive = Field(default=1.0, examples=["100"])
    weight: _Positive = Field(examples=["45"])
    benchmark: BenchmarkRow = Field(examples=["{times_mean: 2}"])
    most: Annotated[float, Field(ge=1, allow_inf_nan=False)] | None = Field(default=None, examples=["1.5"])
    none_is_best: bool = Field(default=False, examples=["true"])


class ClassRow(rows.Row):
    """A class."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9+-]{1,8}$")] = Field(examples=["A"])
    names: rows.NamesRow = Field(examples=["{zh: 优先发展类, en: to be developed first}"])
    share: Annotated[float, Field(gt=0, le=100)] = Field(examples=["20"])


class ConditionRow(rows.Row):
    """Who is ranked."""

    figure: Segment = Field(examples=["land"])
    at_least: rows.Number | None = Field(default=None, examples=["3"])
    otherwise: rows.NamesRow = Field(examples=["{zh: 用地不足3亩, en: less than 3 mu of land}"])


class FieldsRow(rows.Row):
    """High- and low-yield fields."""

    term: Segment = Field(examples=["tax-per-mu"])
    high: BenchmarkRow = Field(examples=["{times_mean: 2}"])
    low: BenchmarkRow = Field(examples=["{times_mean: 0.5}"])


class SchemeRow(rows.Row):
    """A scheme in ``evaluation.yaml``."""

    names: rows.NamesRow = Field(examples=["{zh: 综合评价, en: comprehensive evaluation}"])
    source: rows.Text = Field(examples=["淮安市 2024"])
    provenance: _Provenance = Field(examples=["unverified"])
    terms: list[TermRow] = Field(min_length=1, examples=["[{id: tax-per-mu, ...}]"])
    classes: list[ClassRow] = Field(min_length=1, examples=["[{name: A, share: 20, ...}]"])
    scope: list[ConditionRow] = Field(default=[], examples=["[{figure: land, at_least: 3, otherwise: {...}}]"])
    whole_years: Annotated[int, Field(ge=0, le=10)] = Field(default=1, examples=["1"])
    unreported: Unreported = Field(default=Unreported.LEFT_OUT, strict=False, examples=["left-out"])
    decimals: Annotated[int, Field(ge=0, le=6)] = Field(default=2, examples=["2"])
    land: Segment = Field(default="land", examples=["land"])
    fields_: FieldsRow | None = Field(
        default=None, alias="fields", examples=["{term: tax-per-mu, high: {times_mean: 2}}"]
    )


class SmartRow(rows.Row):
    """``smart`` in ``evaluation.yaml``."""

    names: rows.NamesRow = Field(examples=["{zh: 智能化装备覆盖率, en: share with smart equipment}"])
    of: Segment = Field(examples=["above-scale"])
    any_of: list[Segment] = Field(min_length=1, examples=["[automated, digital, intelligent]"])
    target: Annotated[float, Field(gt=0, le=100)] = Field(examples=["90"])
    until: rows.Day | None = Field(default=None, examples=["2028-12-31"])
    source: rows.Text = Field(examples=["parkwatch"])
    provenance: _Provenance = Field(examples=["unverified"])


def schemes(building: Documents, figures: Mapping[str, FigureDefinition]) -> dict[str, Scheme]:
    """Return the schemes by name, the default first; none if there is no file."""
    if EVALUATION not in building.documents:
        return {}
    found: dict[str, Scheme] = {}
    for name, value in building.table(EVALUATION, "schemes").items():
        path: Path = (EVALUATION, "schemes", name)
        building.check_segment(path, name)
        row = building.shape(SchemeRow, value, path)
        if row:
            before = len(building.problems)
            building.problems += _scheme_problems(row, figures, path)
            if len(building.problems) == before:
                found[name] = _scheme(name, row)
    return found


def smart(building: Documents, figures: Mapping[str, FigureDefinition]) -> SmartTarget | None:
    """Return what the share of enterprises with smart equipment is to be; ``None`` if nothing is said of it."""
    content = building.documents.get(EVALUATION)
    if not isinstance(content, dict) or "smart" not in content:
        return None
    path: Path = (EVALUATION, "smart")
    row = building.shape(SmartRow, content["smart"], path)
    if row is None:
        return None
    for key, names in (("of", [row.of]), ("any_of", row.any_of)):
        building.problems += _unknown(names, figures, (*path, key), {FigureKind.FLAG})
    # A day is Chinese, and the last one counts.
    until = dt.datetime.combine(row.until, dt.time.min, CHINA) + dt.timedelta(days=1) if row.until else None
    return SmartTarget(
        names=names_of(row.names),
        of=row.of,
        any_of=tuple(row.any_of),
        target=row.target,
        source=row.source,
        provenance=row.provenance,
        until=None if until is None else round(until.timestamp() * 1000),
    )


def _scheme(name: str, row: SchemeRow) -> Scheme:
    return Scheme(
        name=name,
        names=names_of(row.names),
        terms=tuple(map(_term, row.terms)),
        classes=tuple(ClassShare(each.name, each.share, names_of(each.names)) for each in row.classes),
        source=row.source,
        provenance=row.provenance,
        scope=tuple(
            Condition(each.figure, 1.0 if each.at_least is None else each.at_least, names_of(each.otherwise))
            for each in row.scope
        ),
        whole_years=row.whole_years,
        unreported=row.unreported,
        decimals=row.decimals,
        land=row.land,
        fields=Fields(row.fields_.term, _benchmark(row.fields_.high), _benchmark(row.fields_.low))
        if row.fields_
        else None,
    )


def _term(row: TermRow) -> Term:
    return Term(
        id=row.id,
        names=names_of(row.names),
        over=tuple(row.over),
        under=tuple(row.under),
        weight=row.weight,
        benchmark=_benchmark(row.benchmark),
        unit=row.unit,
        unit_zh=row.unit_zh or row.unit,
        scale=row.scale,
        most=row.most,
        none_is_best=row.none_is_best,
    )


def _benchmark(row: BenchmarkRow) -> Benchmark:
    return Benchmark(row.at, row.times_mean)


# --- problems ----------------------------------------------------------------------------------------------------


def _scheme_problems(row: SchemeRow, figures: Mapping[str, FigureDefinition], path: Path) -> Iterator[Problem]:
    yield from _sum_problem("weights", [term.weight for term in row.terms], (*path, "terms"))
    yield from _sum_problem("shares", [each.share for each in row.classes], (*path, "classes"))
    yield from _twice([term.id for term in row.terms], "term", (*path, "terms"))
    yield from _twice([each.name for each in row.classes], "class", (*path, "classes"))
    for index, term in enumerate(row.terms):
        here: Path = (*path, "terms", index)
        yield from _benchmark_problem(term.benchmark, (*here, "benchmark"))
        for key, names in (("over", term.over), ("under", term.under)):
            yield from _unknown(names, figures, (*here, key), _NUMBERS)
            yield from _unit_problem(names, figures, (*here, key))
    for index, condition in enumerate(row.scope):
        yield from _condition_problems(condition, figures, (*path, "scope", index))
    yield from _unknown([row.land], figures, (*path, "land"), {FigureKind.STOCK})
    if row.fields_:
        yield from _fields_problems(row.fields_, [term.id for term in row.terms], (*path, "fields"))


def _sum_problem(what: str, values: list[float], path: Path) -> Iterator[Problem]:
    total = sum(values)
    if abs(total - _WHOLE) > _NEARLY:
        yield Problem(path, f"the {what} add up to {total:g}; they must add up to 100")


def _twice(names: list[str], what: str, path: Path) -> Iterator[Problem]:
    for name, count in Counter(names).items():
        if count > 1:
            yield Problem(path, f"there are {count} rows for the {what} {name!r}; write another name")


def _benchmark_problem(row: BenchmarkRow, path: Path) -> Iterator[Problem]:
    if (row.at is None) == (row.times_mean is None):
        yield Problem(path, "a benchmark is a number or a multiple of the mean; write either at: 40 or times_mean: 2")


def _unknown(
    names: list[str], figures: Mapping[str, FigureDefinition], path: Path, kinds: Collection[FigureKind]
) -> Iterator[Problem]:
    for name in names:
        fitting = [figure.name for figure in figures.values() if figure.kind in kinds]
        if name not in figures:
            yield Problem(path, f"unknown figure {name!r}; {suggestion(name, fitting)}")
        elif figures[name].kind not in kinds:
            yield Problem(path, f"{name!r} is a {figures[name].kind}; write one of {', '.join(fitting)}")


def _unit_problem(names: list[str], figures: Mapping[str, FigureDefinition], path: Path) -> Iterator[Problem]:
    units = sorted({figures[name].unit for name in names if name in figures})
    if len(units) > 1:
        yield Problem(path, f"figures in {' and '.join(units)} don't add up; write figures of one unit")


def _condition_problems(row: ConditionRow, figures: Mapping[str, FigureDefinition], path: Path) -> Iterator[Problem]:
    yield from _unknown([row.figure], figures, (*path, "figure"), {*_NUMBERS, FigureKind.FLAG})
    figure = figures.get(row.figure)
    if figure and figure.kind is FigureKind.FLAG and row.at_least is not None:
        yield Problem((*path, "at_least"), f"{row.figure!r} is a flag, which must be set; leave at_least out")
    if figure and figure.kind in _NUMBERS and row.at_least is None:
        yield Problem((*path, "at_least"), f"'at_least' is missing; write at_least: 3 (in {figure.unit})")


def _fields_problems(row: FieldsRow, terms: list[str], path: Path) -> Iterator[Problem]:
    if row.term not in terms:
        yield Problem((*path, "term"), f"unknown term {row.term!r}; {suggestion(row.term, terms)}")
    yield from _benchmark_problem(row.high, (*path, "high"))
    yield from _benchmark_problem(row.low, (*path, "low"))
    for high, low in ((row.high.at, row.low.at), (row.high.times_mean, row.low.times_mean)):
        if high is not None and low is not None and low >= high:
            yield Problem((*path, "low"), "a low yield is below a high one; swap them")
