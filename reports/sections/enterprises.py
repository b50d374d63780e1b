"""Output per mu: how enterprises are classed and what moved them; and the share of smart enterprises."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from park.evaluation import Evaluation, FieldSum, Result, Scheme, evaluate, fields, moved
from park.flows import Enterprise
from park.periods import year_of
from park.smart import SmartShare, SmartTarget, smart_share
from reports.material import Material


class Ranking(msgspec.Struct, frozen=True):
    """A scheme in ``year``: results of the zones asked about, ranked among all of the park; and its fields.

    ``counts`` are those asked about by class, ``before`` the same in the year before (of those that had a class).
    """

    scheme: Scheme
    year: int
    results: tuple[Result, ...]
    ranked: int
    counts: dict[str, int]
    before: dict[str, int]
    fields: tuple[FieldSum, ...]

    @property
    def moved(self) -> tuple[Result, ...]:
        """Those whose class is another one than the year before."""
        return tuple(each for each in self.results if each.movement and each.movement.better)


class EvaluationSection(msgspec.Struct, frozen=True):
    """The section; ``reporting`` of ``enterprises`` have ever reported anything."""

    rankings: tuple[Ranking, ...]
    enterprises: int
    reporting: int
    configured: bool


class SmartSection(msgspec.Struct, frozen=True):
    """The share of smart enterprises; ``share`` is ``None`` if no target is configured."""

    target: SmartTarget | None
    share: SmartShare | None


def evaluation_section(material: Material) -> EvaluationSection:
    """Return the figures of the section."""
    economy = material.catalogue.economy
    theirs = _theirs(material)
    reporting = sum(each.name in material.book.enterprises for each in theirs)
    rankings = [_ranking(material, scheme) for scheme in economy.schemes.values()] if reporting else []
    return EvaluationSection(tuple(rankings), len(theirs), reporting, bool(economy.schemes))


def smart_section(material: Material) -> SmartSection:
    """Return the figures of the section."""
    target = material.catalogue.economy.smart
    if target is None:
        return SmartSection(None, None)
    question = material.question
    return SmartSection(target, smart_share(target, _theirs(material), material.book, question.begin, question.until))


def _theirs(material: Material) -> list[Enterprise]:
    return [each for each in material.catalogue.economy.enterprises.values() if each.zone in material.question.zones]


def _ranking(material: Material, scheme: Scheme) -> Ranking:
    every = list(material.catalogue.economy.enterprises.values())
    year = year_of(material.question.begin)
    found = evaluate(scheme, year, every, material.book)
    if not any(each.share > 0.0 for each in found.ranked):
        # Nobody has reported anything of this year: the last one is the latest that there is.
        year -= 1
        found = evaluate(scheme, year, every, material.book)
    before = evaluate(scheme, year - 1, every, material.book)
    if any(each.share > 0.0 for each in before.ranked):
        found = moved(scheme, before, found)
    zones = material.question.zones
    results = tuple(each for each in found.results if each.zone in zones)
    return Ranking(
        scheme=scheme,
        year=year,
        results=results,
        ranked=len(found.ranked),
        counts=_counts(scheme, [each.class_ for each in results]),
        before=_counts(scheme, [each.movement.class_ for each in results if each.movement]),
        fields=tuple(_fields(scheme, found)),
    )


def _counts(scheme: Scheme, classes: Sequence[str]) -> dict[str, int]:
    return {each.name: classes.count(each.name) for each in scheme.classes}


def _fields(scheme: Scheme, found: Evaluation) -> list[FieldSum]:
    return fields(scheme, found) if found.ranked else []
