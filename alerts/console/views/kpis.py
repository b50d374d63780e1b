"""The figures of the alarm system with their targets, met or not. Pure."""

from __future__ import annotations

import msgspec

from alerts.console.views import text
from park.catalogue import Catalogue
from park.kpis import KPIS, PARK, Figures, Kpi, Latest, target_text, value_text
from park.words import Names

WINDOWS = {
    "10m": Names("10 分钟", "10 min"),
    "1h": Names("1 小时", "1 h"),
    "24h": Names("24 小时", "24 h"),
    "7d": Names("7 天", "7 d"),
    "30d": Names("30 天", "30 d"),
}


class Cell(msgspec.Struct, frozen=True):
    """A figure of one window: its value, and whether the target is met (no sign: there is none)."""

    value: str
    sign: str
    word: str
    trouble: bool


class Line(msgspec.Struct, frozen=True):
    """A figure over all windows."""

    name: str
    target: str
    source: str
    cells: tuple[Cell, ...]


class Often(msgspec.Struct, frozen=True):
    """An alarm that came often."""

    alarm: str
    count: int


class Scope(msgspec.Struct, frozen=True):
    """A zone that has figures, or the whole park."""

    name: str
    word: str


def scopes(latest: Latest, catalogue: Catalogue, language: str) -> tuple[Scope, ...]:
    """Return what has figures: the park first, then its zones in their order."""
    whole = Scope(PARK, text.WORDS["all_zones"].get(language))
    zones = (Scope(name, zone.names.get(language)) for name, zone in catalogue.zones.items() if name in latest.zones)
    return (*((whole,) if PARK in latest.zones else ()), *zones)


def windows(latest: Latest, scope: str) -> tuple[str, ...]:
    """Return the windows that ``scope`` has figures of, the shortest first."""
    return tuple(window for window in WINDOWS if window in latest.zones.get(scope, {}))


def lines(latest: Latest, scope: str, language: str) -> tuple[Line, ...]:
    """Return every figure of ``scope`` over its windows."""
    figures = [latest.zones[scope][window] for window in windows(latest, scope)]
    return tuple(_line(kpi, figures, language) for kpi in KPIS)


def _line(kpi: Kpi, figures: list[Figures], language: str) -> Line:
    cells = tuple(_cell(kpi, each, language) for each in figures)
    return Line(kpi.names.get(language), _words(target_text(kpi), kpi, language), kpi.source, cells)


_UNITS = {" h": " 小时", " min": " 分", " s": " 秒"}


def _words(told: str, kpi: Kpi, language: str) -> str:
    """Return a figure or target in ``language``; durations are told in English units."""
    if language != "zh" or kpi.unit != "duration":
        return told
    for unit, word in _UNITS.items():
        told = told.replace(unit, word)
    return told


def _cell(kpi: Kpi, figures: Figures, language: str) -> Cell:
    value = _words(value_text(kpi, kpi.value(figures)), kpi, language)
    met = kpi.met(figures)
    if met is None:
        return Cell(value, "", "", trouble=False)
    sign, key = ("✓", "met") if met else ("✕", "not_met")
    return Cell(value, sign, text.WORDS[key].get(language), trouble=not met)


def most_often(latest: Latest, scope: str) -> tuple[Often, ...]:
    """Return the alarms that came most often in the last day."""
    figures = latest.zones[scope].get("24h")
    return tuple(Often(each.alarm, each.count) for each in figures.top) if figures else ()
