"""Indicators of the circular economy: the month and the year to date, against every benchmark set."""

from __future__ import annotations

import msgspec

from park.indicator_terms import BenchmarkSet, Indicator, Target
from park.indicators import IndicatorResult, Status, compute
from park.stretches import Length, Stretch
from park.words import Names
from reports.material import Material, Question


class Held(msgspec.Struct, frozen=True):
    """What a benchmark set says: of the month, and of the year to date."""

    target: Target | None
    month: Status | None
    year: Status | None

    @property
    def verdict(self) -> Status | None:
        """The year's if it is judged, else the month's if that is; else why neither is."""
        told = [each for each in (self.year, self.month) if each is not None]
        return next((each for each in told if each.judged), told[0] if told else None)

    @property
    def of_month(self) -> bool:
        """Whether the verdict is the month's."""
        return self.verdict is not self.year


class Line(msgspec.Struct, frozen=True):
    """An indicator; ``month`` or ``year`` is ``None`` if it is not computed for it. ``held`` is by benchmark set."""

    indicator: Indicator
    month: IndicatorResult | None
    year: IndicatorResult | None
    held: tuple[Held, ...]

    @property
    def known(self) -> bool:
        """Whether there is any value."""
        return any(each is not None and each.value is not None for each in (self.month, self.year))


class Indicators(msgspec.Struct, frozen=True):
    """The section. ``sets`` are the benchmark sets, ``shown`` the one that the park is held against.

    ``met`` of ``judged`` indicators reach the target of that set, by the year to date (by the month where that is not
    judged). ``silent`` are the names of those without any value, each with what is missing.
    """

    sets: tuple[BenchmarkSet, ...]
    shown: str
    lines: tuple[Line, ...]
    met: int
    judged: int
    missed: tuple[Line, ...]
    silent: tuple[Line, ...]
    configured: bool


def stretches_of(question: Question) -> tuple[Stretch, Stretch]:
    """Return the month, and the year as far as it had come when the month ended."""
    month = Stretch(Length.MONTH, question.begin, question.until, question.over)
    # To date is all that is asked of the year: it is final when the month is.
    year = Stretch(Length.YEAR, question.year_begin, question.until, question.over)
    return month, year


def indicators(material: Material) -> Indicators:
    """Return the figures of the section."""
    economy = material.catalogue.economy
    month, year = stretches_of(material.question)
    sets = tuple(economy.benchmarks.sets.values())
    found = [_line(material, each, month, year, sets) for each in economy.indicators.values()]
    lines = tuple(line for line in found if line.month is not None or line.year is not None)
    place = next((index for index, each in enumerate(sets) if each.name == economy.benchmarks.shown), None)
    verdicts = [(line, _verdict(line.held[place])) for line in lines] if place is not None else []
    return Indicators(
        sets=sets,
        shown=economy.benchmarks.shown,
        lines=tuple(line for line in lines if line.known),
        met=sum(verdict is Status.MET for _, verdict in verdicts),
        judged=sum(verdict is not None for _, verdict in verdicts),
        missed=tuple(line for line, verdict in verdicts if verdict is Status.MISSED),
        silent=tuple(line for line in lines if not line.known),
        configured=bool(economy.indicators),
    )


def _verdict(held: Held) -> Status | None:
    return held.verdict if held.verdict is not None and held.verdict.judged else None


def _line(
    material: Material, indicator: Indicator, month: Stretch, year: Stretch, sets: tuple[BenchmarkSet, ...]
) -> Line:
    found = {
        over.length: compute(
            material.catalogue.economy, indicator, material.question.scope, over, material.amounts, material.book
        )
        for over in (month, year)
        if over.length in indicator.lengths and material.question.scope.kind in indicator.scopes
    }
    ofmonth, ofyear = found.get(Length.MONTH), found.get(Length.YEAR)
    return Line(
        indicator=indicator,
        month=ofmonth,
        year=ofyear,
        held=tuple(
            Held(each.targets.get(indicator.name), _status(ofmonth, each.name), _status(ofyear, each.name))
            for each in sets
        ),
    )


def _status(result: IndicatorResult | None, benchmark: str) -> Status | None:
    judgement = result.judgement(benchmark) if result else None
    return judgement.status if judgement else None


def missing_names(material: Material, result: IndicatorResult | None) -> Names:
    """Return what nothing is known of, in words."""
    told = [_missing(material, name) for name in (result.missing if result else ())]
    return Names("、".join(each.zh for each in told), ", ".join(each.en for each in told))


def _missing(material: Material, name: str) -> Names:
    economy = material.catalogue.economy
    kind, _, rest = name.partition(":")
    if kind == "flow" and rest in economy.flows:
        return economy.flows[rest].names
    if kind == "figure":
        enterprise, _, figure = rest.partition("/")
        who, what = economy.enterprises.get(enterprise), economy.figures.get(figure)
        if who and what:
            return Names(f"{who.names.zh}：{what.names.zh}", f"{who.names.en}: {what.names.en}")
    return Names(rest, rest)
