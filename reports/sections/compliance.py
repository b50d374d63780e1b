"""Compliance: every outlet's means against the limits that a regulator counts."""

from __future__ import annotations

import msgspec

from park.compliance import Compliance, comply
from park.coverage import due_since
from park.limits import Limit
from park.words import Location, Names
from reports.material import Material, Outlet

#: In which order outlets are told.
_ORDER = (Location.OUTFALL, Location.STACK, Location.FENCELINE, Location.AMBIENT)


class Line(msgspec.Struct, frozen=True):
    """A series against a limit."""

    location: Location
    place: Names
    sensor: Names
    quantity: Names
    limit: Limit
    result: Compliance


class Point(msgspec.Struct, frozen=True):
    """The lines of a measuring point (``zone/site/sensor``)."""

    key: str
    place: Names
    sensor: Names
    lines: tuple[Line, ...]


class Group(msgspec.Struct, frozen=True):
    """The measuring points of one kind of outlet, those with exceedances first."""

    location: Location
    points: tuple[Point, ...]

    @property
    def lines(self) -> tuple[Line, ...]:
        """All their lines."""
        return tuple(line for point in self.points for line in point.lines)


class Exceedance(msgspec.Struct, frozen=True):
    """A valid mean beyond its limit; ``value`` in the limit's unit."""

    line: Line
    begin: int
    end: int
    value: float


class ComplianceSection(msgspec.Struct, frozen=True):
    """The section; sums over all lines. ``unlisted`` exceedances are counted and not told one by one.

    ``limits`` are those of all lines, each once; ``numbers`` is where a limit stands among them, from 1 on, by its id.
    """

    groups: tuple[Group, ...]
    limits: tuple[Limit, ...]
    numbers: dict[str, int]
    due: int
    valid: int
    beyond: int
    exceedances: tuple[Exceedance, ...]
    unlisted: int

    @property
    def share(self) -> float | None:
        """Which share of what was due is valid."""
        return self.valid / self.due if self.due else None


_MOST = 30


def compliance(material: Material) -> ComplianceSection:
    """Return the figures of the section."""
    lines = [line for outlet in material.outlets for line in _lines(material, outlet)]
    groups = [Group(location, _points([line for line in lines if line.location is location])) for location in _ORDER]
    shown = [line.limit for group in groups for line in group.lines]
    limits = tuple({limit.id: limit for limit in shown}.values())
    beyond = sorted(
        (
            Exceedance(line, each.begin, each.end, line.limit.shown(each.value or 0.0))
            for line in lines
            for each in line.result.passed
        ),
        key=lambda each: each.begin,
    )
    return ComplianceSection(
        groups=tuple(group for group in groups if group.points),
        limits=limits,
        numbers={limit.id: number for number, limit in enumerate(limits, 1)},
        due=sum(line.result.due for line in lines),
        valid=sum(line.result.valid for line in lines),
        beyond=sum(line.result.beyond for line in lines),
        exceedances=tuple(beyond[:_MOST]),
        unlisted=max(0, len(beyond) - _MOST),
    )


def _lines(material: Material, outlet: Outlet) -> list[Line]:
    series = outlet.series
    question, labels = material.question, material.labels
    sensor = material.sensors.get(series.rsplit("/", 1)[0])
    recorded = material.recorded.get(series)
    since = due_since(
        question.begin,
        sensor.registered if sensor else None,
        series in material.earlier,
        recorded.first if recorded else None,
    )
    if since is None:
        return []
    return [
        Line(
            location=outlet.location,
            place=labels.site(series),
            sensor=labels.sensor(series.rsplit("/", 1)[0]),
            quantity=labels.quantity(series.rsplit("/", 1)[1]),
            limit=limit,
            result=comply(
                series,
                limit,
                statistic,
                material.results.get((series, statistic), ()),
                since=since,
                until=question.until,
                now=question.now,
            ),
        )
        for limit, statistic in outlet.limits
    ]


def _points(lines: list[Line]) -> tuple[Point, ...]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.result.series.rsplit("/", 1)[0], []).append(line)
    points = [Point(key, theirs[0].place, theirs[0].sensor, tuple(theirs)) for key, theirs in found.items()]
    # Those that need somebody first, the others by place.
    return tuple(sorted(points, key=lambda point: (-sum(line.result.beyond for line in point.lines), point.key)))
