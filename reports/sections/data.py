"""Data coverage: how much of the data that was due there is, by site, and where most of it is missing."""

from __future__ import annotations

import msgspec

from park.coverage import Coverage, Recorded, Together, by_sensor, by_site, coverage, due_since, whole
from park.words import Names
from reports.material import Material, statistic_for

_WORST = 10


class Place(msgspec.Struct, frozen=True):
    """A site or a sensor, with its name."""

    names: Names
    site: Names
    together: Together


class DataSection(msgspec.Struct, frozen=True):
    """The section; ``young`` series began in the month, ``worst`` are sensors of which something is missing."""

    sites: tuple[Place, ...]
    worst: tuple[Place, ...]
    share: float | None
    missing_hours: int
    corrected: int
    young: int
    series: int


def data_section(material: Material) -> DataSection:
    """Return the figures of the section."""
    labels = material.labels
    found = [each for each in (_coverage(material, series) for series in material.series) if each]
    sensors = [each for each in by_sensor(found) if each.missing_hours or (each.share or 0.0) < 1.0]
    return DataSection(
        sites=tuple(Place(labels.site(each.key), labels.zone(each.key.split("/")[0]), each) for each in by_site(found)),
        worst=tuple(Place(labels.sensor(each.key), labels.site(each.key), each) for each in sensors[:_WORST]),
        share=whole(found),
        missing_hours=sum(each.missing_hours for each in found),
        corrected=sum(each.corrected for each in found),
        young=sum(each.since > material.question.begin for each in found),
        series=len(found),
    )


def _coverage(material: Material, series: str) -> Coverage | None:
    question = material.question
    recorded = material.recorded.get(series, Recorded())
    sensor = material.sensors.get(series.rsplit("/", 1)[0])
    since = due_since(question.begin, sensor.registered if sensor else None, series in material.earlier, recorded.first)
    if since is None:
        return None
    statistic = statistic_for(material.interval(series))
    return coverage(series, statistic, recorded, since=since, until=question.until, now=question.now)
