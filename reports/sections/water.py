"""Water to the river: what each measuring point of an outfall measured day by day, how much water, and what in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import msgspec

from park.budgets import UnknownMass
from park.compliance import due
from park.coverage import due_since
from park.discharges import VOLUMES, Sum, mass, valid_hours, volume
from park.limits import Limit
from park.means import HOUR, Flag
from park.statistics import Result, Statistic
from park.words import Location, Names
from reports.material import Material


class Pollutant(msgspec.Struct, frozen=True):
    """What one quantity did: day means (canonical unit), their limit, and the mass that left (kg).

    ``mean`` and ``greatest`` are of the valid days; ``mass`` is ``None`` where quantity and flow make none.
    """

    series: str
    names: Names
    unit: str
    days: tuple[Result, ...]
    mean: float | None
    greatest: float | None
    limit: Limit | None
    mass: Sum | None


class Point(msgspec.Struct, frozen=True):
    """A measuring point of an outfall; ``flow`` in m3, ``None`` if it measures none."""

    key: str
    site: Names
    sensor: Names
    flow: Sum | None
    flow_days: tuple[Result, ...]
    flow_unit: str
    pollutants: tuple[Pollutant, ...]


def water(material: Material) -> tuple[Point, ...]:
    """Return the figures of the section."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for series, location in material.series.items():
        if location is Location.OUTFALL:
            key, _, quantity = series.rpartition("/")
            found[key].append(quantity)
    points = [_point(material, key, quantities) for key, quantities in sorted(found.items())]
    return tuple(point for point in points if point.flow or any(each.days for each in point.pollutants))


def _point(material: Material, key: str, quantities: list[str]) -> Point:
    labels = material.labels
    flow = next((name for name in quantities if labels.unit(name) in VOLUMES), None)
    series = f"{key}/{flow}"
    hours = valid_hours(material.results.get((series, Statistic.HOUR), ())) if flow else {}
    count = _due(material, series) if flow else 0
    days = material.question.days
    return Point(
        key=key,
        site=labels.site(key),
        sensor=labels.sensor(key),
        flow=volume(hours, labels.unit(flow), days, count) if flow and hours else None,
        flow_days=_days(material, series),
        flow_unit=labels.unit(flow) if flow else "",
        pollutants=tuple(
            _pollutant(material, f"{key}/{name}", flow, hours) for name in sorted(quantities) if name != flow
        ),
    )


def _pollutant(material: Material, series: str, flow: str | None, hours: Mapping[int, float]) -> Pollutant:
    labels, quantity = material.labels, series.rsplit("/", 1)[1]
    days = _days(material, series)
    over = [each for each in days if each.flag is not Flag.PROVISIONAL]
    good = [each.value for each in over if each.valid and each.value is not None]
    return Pollutant(
        series=series,
        names=labels.quantity(quantity),
        unit=labels.unit(quantity),
        days=days,
        mean=sum(good) / len(good) if good else None,
        greatest=max(good, default=None),
        limit=_limit(material, series),
        mass=_mass(material, series, flow, hours),
    )


def _mass(material: Material, series: str, flow: str | None, hours: Mapping[int, float]) -> Sum | None:
    if not flow or not hours:
        return None
    concentration = valid_hours(material.results.get((series, Statistic.HOUR), ()))
    units = (material.labels.unit(series.rsplit("/", 1)[1]), material.labels.unit(flow))
    try:
        return mass(concentration, hours, units, material.question.days, _due(material, series))
    except UnknownMass:
        return None


def _limit(material: Material, series: str) -> Limit | None:
    outlet = next((each for each in material.outlets if each.series == series), None)
    limits = outlet.limits if outlet else ()
    return next((limit for limit, statistic in limits if statistic is Statistic.DAY), None)


def _days(material: Material, series: str) -> tuple[Result, ...]:
    return tuple(sorted(material.results.get((series, Statistic.DAY), ()), key=lambda each: each.begin))


def _due(material: Material, series: str) -> int:
    question = material.question
    sensor = material.sensors.get(series.rsplit("/", 1)[0])
    recorded = material.recorded.get(series)
    since = due_since(
        question.begin,
        sensor.registered if sensor else None,
        series in material.earlier,
        recorded.first if recorded else None,
    )
    if since is None:
        return 0
    return due(Statistic.HOUR, since, question.until - question.until % HOUR, question.now)
