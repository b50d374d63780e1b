"""How it stands now, out of what Redis holds: points for Grafana (storage/present.py). Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from alerts import words
from alerts.console.views.text import LOCATIONS
from alerts.messages import number, tidy
from park.alarms import Acknowledgement, Availability, Condition
from park.catalogue import Catalogue, Site, Zone
from park.evaluate import Record
from park.limits import Kind, Limit
from park.quantities import Quantity
from park.sensors import Sensor
from park.votes import VOTING
from park.words import Location, Names, Priority, Quality
from storage.present import (
    EVERY_VALUE,
    SILENT,
    Look,
    Named,
    SensorState,
    SetPointInForce,
    Standing,
    ZoneState,
)
from storage.states import Snapshot

_STANDS = frozenset({Condition.ACTIVE, Condition.PENDING_OFF, Condition.LATCHED})
#: What a sensor's readings are worth, the worst first.
_QUALITIES = (
    *(Quality.FAILURE.value, SILENT, Quality.FUNCTION_CHECK.value, Quality.CLOCK.value),
    *(Quality.OUT_OF_SPECIFICATION.value, Quality.MAINTENANCE_REQUIRED.value, Quality.GOOD.value),
)
_UNUSABLE = frozenset({SILENT, *(quality.value for quality in Quality if not quality.usable)})
_NOTHING = Names("", "")
_VOTES = Names("多探头表决", "voting of detectors")
_LOAD = Names("排放量", "load")
_LOAD_PREFIX = "load-"
#: Degrees between sensors that are drawn around their site because nobody has said where they are: about 25 m.
_APART = 0.00022
_GOLDEN = math.pi * (3 - math.sqrt(5))
_PER_MINUTE = "/min"


@dataclass(frozen=True, slots=True)
class Known:
    """What Redis holds: sensors by ``zone/site/sensor``, records by series, alarms that are not normal."""

    sensors: Mapping[str, Sensor]
    records: Mapping[str, Record]
    alarms: Sequence[Snapshot]
    now: int


@dataclass(slots=True)
class _Alarms:
    """The alarms of one sensor, or of one zone."""

    standing: list[Snapshot] = field(default_factory=list)
    unacknowledged: int = 0
    aside: int = 0
    hidden: int = 0

    def add(self, alarm: Snapshot) -> None:
        stands = alarm.condition in _STANDS
        if alarm.availability != Availability.IN_SERVICE:
            self.aside += 1
            self.hidden += stands
            return
        self.unacknowledged += alarm.acknowledgement == Acknowledgement.UNACKNOWLEDGED
        if stands:
            self.standing.append(alarm)

    @property
    def worst(self) -> Snapshot | None:
        return min(self.standing, key=lambda alarm: (alarm.priority.rank, -alarm.raised_at), default=None)


def rank(priority: Priority) -> int:
    """Return 1 (low) to 4 (critical)."""
    return len(Priority) - priority.rank


# --- sensors and zones -------------------------------------------------------------------------------------------


def sensor_states(known: Known, catalogue: Catalogue) -> list[SensorState]:
    """Return how every registered sensor stands."""
    alarms = _gathered(known.alarms, lambda alarm: f"{alarm.zone}/{alarm.site}/{alarm.sensor}")
    records = _by_sensor(known.records, catalogue)
    places = _places(known.sensors, catalogue)
    return [
        _sensor_state(sensor, alarms.get(key, _Alarms()), records.get(key, {}), places.get(key), known.now, catalogue)
        for key, sensor in known.sensors.items()
    ]


def _sensor_state(
    sensor: Sensor,
    alarms: _Alarms,
    records: Mapping[str, Record],
    place: tuple[float, float] | None,
    now: int,
    catalogue: Catalogue,
) -> SensorState:
    zone, site, name = sensor.key.split("/")
    worst = alarms.worst
    quality = _quality(sensor, records, now, catalogue)
    return SensorState(
        zone=zone,
        site=site,
        sensor=name,
        location=_location(sensor, records, catalogue),
        rank=rank(worst.priority) if worst else 0,
        look=_look(alarms, quality, catalogue),
        state=_worst_state(alarms),
        quality=quality,
        alarms=len(alarms.standing),
        unacknowledged=alarms.unacknowledged,
        aside=alarms.aside,
        names=sensor.names or Names(name, name),
        site_names=_site_names(catalogue, zone, site),
        worst=_in_words(worst, catalogue) if worst else _NOTHING,
        latitude=place[0] if place else None,
        longitude=place[1] if place else None,
        placed=sensor.latitude is not None and sensor.longitude is not None,
        seen=max((record.t for record in records.values()), default=0),
    )


def _look(alarms: _Alarms, quality: str, catalogue: Catalogue) -> Look:
    worst = alarms.worst
    if worst and not all(_is_quality(alarm, catalogue) for alarm in alarms.standing):
        return Look(rank(worst.priority))
    if worst or quality in _UNUSABLE:
        return Look.UNUSABLE
    return Look.ASIDE if alarms.hidden else Look.NORMAL


def _is_quality(alarm: Snapshot, catalogue: Catalogue) -> bool:
    limit = _limit(catalogue, alarm.limit)
    return limit is not None and limit.kind is Kind.QUALITY


def _worst_state(alarms: _Alarms) -> str:
    if alarms.worst:
        return "UNACK" if any(_waits(alarm) for alarm in alarms.standing) else "ACKED"
    if alarms.unacknowledged:
        return "RTNUN"
    return "ASIDE" if alarms.aside else "NORM"


def _waits(alarm: Snapshot) -> bool:
    return alarm.acknowledgement == Acknowledgement.UNACKNOWLEDGED


def _quality(sensor: Sensor, records: Mapping[str, Record], now: int, catalogue: Catalogue) -> str:
    patience = (sensor.interval or catalogue.settings.interval) * catalogue.settings.stale_after_intervals
    found = {SILENT if now - record.received > patience else record.quality.value for record in records.values()}
    if not records or sensor.channels.keys() - records.keys():
        # What it has promised and never sent; it may still be about to.
        found |= {SILENT} if now - sensor.registered > patience else set()
    return next((quality for quality in _QUALITIES if quality in found), Quality.GOOD.value)


def _location(sensor: Sensor, records: Mapping[str, Record], catalogue: Catalogue) -> str:
    if sensor.location:
        return sensor.location.value
    quantities = (catalogue.quantities.get(name) for name in (*sensor.channels, *records))
    return next((quantity.location.value for quantity in quantities if quantity), Location.PROCESS.value)


def zone_states(known: Known, states: Iterable[SensorState], catalogue: Catalogue) -> list[ZoneState]:
    """Return how every zone stands."""
    alarms = _gathered(known.alarms, lambda alarm: alarm.zone)
    sensors: dict[str, list[SensorState]] = {}
    for state in states:
        sensors.setdefault(state.zone, []).append(state)
    zones = catalogue.zones.values()
    return [_zone_state(zone, alarms.get(zone.name, _Alarms()), sensors.get(zone.name, [])) for zone in zones]


def _zone_state(zone: Zone, alarms: _Alarms, sensors: list[SensorState]) -> ZoneState:
    ranks = Counter(rank(alarm.priority) for alarm in alarms.standing)
    middle = _middle(zone)
    return ZoneState(
        zone=zone.name,
        names=zone.names,
        rank=max(ranks, default=0),
        alarms=len(alarms.standing),
        unacknowledged=alarms.unacknowledged,
        critical=ranks[4],
        high=ranks[3],
        medium=ranks[2],
        low=ranks[1],
        aside=alarms.aside,
        sensors=len(sensors),
        silent=sum(state.quality == SILENT for state in sensors),
        unusable=sum(state.quality in _UNUSABLE for state in sensors),
        latitude=middle[0] if middle else None,
        longitude=middle[1] if middle else None,
    )


def _middle(zone: Zone) -> tuple[float, float] | None:
    sites = zone.sites.values()
    if not sites:
        return None
    return sum(site.latitude for site in sites) / len(sites), sum(site.longitude for site in sites) / len(sites)


# --- alarms ------------------------------------------------------------------------------------------------------


def standing(known: Known, catalogue: Catalogue) -> list[Standing]:
    """Return every alarm that is not normal."""
    return [_standing(alarm, known, catalogue) for alarm in known.alarms]


def _standing(alarm: Snapshot, known: Known, catalogue: Catalogue) -> Standing:
    limit = _limit(catalogue, alarm.limit)
    sensor = known.sensors.get(f"{alarm.zone}/{alarm.site}/{alarm.sensor}")
    quantity = catalogue.quantities.get(alarm.quantity)
    return Standing(
        zone=alarm.zone,
        site=alarm.site,
        sensor=alarm.sensor,
        quantity=alarm.quantity,
        limit=alarm.limit,
        alarm=alarm.alarm,
        state=alarm.state.value,
        rank=rank(alarm.priority),
        priority=alarm.priority.value,
        severity=alarm.severity,
        condition=alarm.condition,
        availability=alarm.availability,
        acknowledgement=alarm.acknowledgement,
        stands=alarm.condition in _STANDS,
        value=None if alarm.value is None else tidy(alarm.value),
        unit=alarm.unit,
        set_point=None if alarm.set_point is None else tidy(alarm.set_point),
        raised_at=alarm.raised_at,
        age=max(0, known.now - alarm.raised_at) // 1000,
        occurrence=alarm.occurrence,
        version=alarm.version,
        acknowledged_by=alarm.acknowledged_by,
        why=alarm.why,
        until=alarm.shelved.until if alarm.shelved else 0,
        first_up=alarm.first_up,
        chattering=alarm.chattering,
        group=alarm.group,
        location=_location_of(sensor, quantity),
        source=limit.source if limit else "",
        sensor_names=_sensor_names(alarm.sensor, sensor),
        site_names=_site_names(catalogue, alarm.zone, alarm.site),
        quantity_names=quantity_names(catalogue, alarm.quantity),
        limit_names=limit.names if limit else Names(alarm.limit, alarm.limit),
        clause=limit.clause if limit else _NOTHING,
    )


def _location_of(sensor: Sensor | None, quantity: Quantity | None) -> str:
    location = (sensor.location if sensor else None) or (quantity.location if quantity else Location.PROCESS)
    return location.value


def _in_words(alarm: Snapshot, catalogue: Catalogue) -> Names:
    """Say an alarm in one line: what, how bad, how much."""
    quantity, severity = quantity_names(catalogue, alarm.quantity), words.severity(alarm.severity)
    much = "" if alarm.value is None else f" {number(tidy(alarm.value))} {alarm.unit}".rstrip()
    return Names(f"{quantity.zh} {severity.zh}{much}", f"{quantity.en} {severity.en}{much}")


# --- set-points --------------------------------------------------------------------------------------------------


def set_points(series: Mapping[str, Location], catalogue: Catalogue, now: int) -> Iterator[SetPointInForce]:
    """Yield every set-point that holds ``now`` (ms) for one of ``series`` (with their location classes)."""
    for name, location in series.items():
        for limit in catalogue.limits_for(name, location, now):
            if limit.kind is not Kind.QUALITY:
                yield from _points(name, location, limit, catalogue)


def _points(series: str, location: Location, limit: Limit, catalogue: Catalogue) -> Iterator[SetPointInForce]:
    zone, site, sensor, quantity = series.split("/")
    for point in limit.set_points:
        yield SetPointInForce(
            zone=zone,
            site=site,
            sensor=sensor,
            quantity=quantity,
            location=location.value,
            limit=limit.id,
            severity=point.severity,
            span=span_of(limit),
            at=point.at,
            unit=_canonical(limit, catalogue.quantities[quantity].unit),
            shown=tidy(limit.shown(point.at)),
            shown_unit=limit.unit,
            side=limit.side.value,
            kind=limit.kind.value,
            rank=rank(point.priority),
            source=limit.source,
            names=limit.names,
            clause=limit.clause,
        )


def span_of(limit: Limit) -> str:
    """Return what is held against a limit: every value, a statistic, a budget's period, or what its kind makes."""
    if limit.kind in {Kind.THRESHOLD, Kind.NEGATIVE_LIST}:
        return EVERY_VALUE
    if limit.of:
        return limit.of.value
    return limit.period.value if limit.period else limit.kind.value


def _canonical(limit: Limit, unit: str) -> str:
    match limit.kind:
        case Kind.BUDGET:
            return "kg"
        case Kind.RATE:
            return f"{unit}{_PER_MINUTE}"
        case Kind.FLATLINE:
            return "ms"
        case _:
            return unit


# --- names -------------------------------------------------------------------------------------------------------


def named(sensors: Mapping[str, Sensor], catalogue: Catalogue) -> Iterator[Named]:
    """Yield the names of everything that a dashboard lets people choose."""
    for zone in catalogue.zones.values():
        yield Named("zone", zone.name, zone.names, zone.name)
        for site in zone.sites.values():
            yield Named("site", site.name, site.names, zone.name, site.name)
    for sensor in sensors.values():
        zone_name, site_name, name = sensor.key.split("/")
        yield Named("sensor", name, _sensor_names(name, sensor), zone_name, site_name)
    for quantity in catalogue.quantities.values():
        yield Named("quantity", quantity.name, quantity.names, unit=quantity.unit)
    for limit in catalogue.limits:
        yield Named("limit", limit.id, limit.names, unit=limit.unit)
    for location in Location:
        yield Named("location", location.value, LOCATIONS[location])
    yield from _economy_named(catalogue)


def _economy_named(catalogue: Catalogue) -> Iterator[Named]:
    for enterprise in catalogue.economy.enterprises.values():
        yield Named("enterprise", enterprise.name, enterprise.names)
    for kind in catalogue.economy.kinds.values():
        yield Named("flow-kind", kind.name, kind.names, unit=kind.unit)
    for flow in catalogue.economy.flows.values():
        yield Named("flow", flow.id, flow.names)
    for indicator in catalogue.economy.indicators.values():
        yield Named("indicator", indicator.name, indicator.names, unit=indicator.unit)
        unit = Names(indicator.unit_zh or indicator.unit, indicator.unit)
        yield Named("indicator-unit", indicator.name, unit)
        full = Names(f"{indicator.names.zh}（{unit.zh}）", f"{indicator.names.en} ({unit.en})")
        yield Named("indicator-in-unit", indicator.name, full)
    for benchmark in catalogue.economy.benchmarks.sets.values():
        yield Named("benchmark", benchmark.name, benchmark.names)
    for scheme in catalogue.economy.schemes.values():
        yield Named("scheme", scheme.name, scheme.names)
        for term in scheme.terms:
            yield Named("term", term.id, term.names, unit=term.unit)


def quantity_names(catalogue: Catalogue, quantity: str) -> Names:
    """Return the names of a quantity, of votes and loads too."""
    known = catalogue.quantities.get(quantity)
    if known:
        return known.names
    source = catalogue.quantities.get(quantity.removeprefix(_LOAD_PREFIX))
    if quantity.startswith(_LOAD_PREFIX) and source:
        return Names(f"{source.names.zh}{_LOAD.zh}", f"{source.names.en} {_LOAD.en}")
    limit = _limit(catalogue, quantity)
    return limit.names if limit else Names(quantity, quantity)


def _sensor_names(name: str, sensor: Sensor | None) -> Names:
    if sensor and sensor.names:
        return sensor.names
    return _VOTES if name == VOTING else Names(name, name)


def _site_names(catalogue: Catalogue, zone: str, site: str) -> Names:
    known = _site(catalogue, zone, site)
    return known.names if known else Names(site, site)


def _site(catalogue: Catalogue, zone: str, site: str) -> Site | None:
    known = catalogue.zones.get(zone)
    return known.sites.get(site) if known else None


def _limit(catalogue: Catalogue, name: str) -> Limit | None:
    try:
        return catalogue.limit(name)
    except KeyError:
        # Taken out of the configuration while its alarm stood.
        return None


# --- places ------------------------------------------------------------------------------------------------------


def _places(sensors: Mapping[str, Sensor], catalogue: Catalogue) -> dict[str, tuple[float, float]]:
    """Return where sensors are drawn; those that have not said it stand in a spiral around their site's place."""
    found, without = {}, Counter[str]()
    for key in sorted(sensors):
        sensor = sensors[key]
        zone, site, _ = key.split("/")
        if sensor.latitude is not None and sensor.longitude is not None:
            found[key] = (sensor.latitude, sensor.longitude)
        elif known := _site(catalogue, zone, site):
            found[key] = _around(known, without[f"{zone}/{site}"])
            without[f"{zone}/{site}"] += 1
    return found


def _around(site: Site, index: int) -> tuple[float, float]:
    radius, angle = _APART * math.sqrt(index), index * _GOLDEN
    # A degree of longitude is shorter than one of latitude.
    across = radius * math.sin(angle) / math.cos(math.radians(site.latitude))
    return round(site.latitude + radius * math.cos(angle), 6), round(site.longitude + across, 6)


# --- details -----------------------------------------------------------------------------------------------------


def _gathered(alarms: Iterable[Snapshot], key: Callable[[Snapshot], str]) -> dict[str, _Alarms]:
    found: dict[str, _Alarms] = {}
    for alarm in alarms:
        found.setdefault(key(alarm), _Alarms()).add(alarm)
    return found


def _by_sensor(records: Mapping[str, Record], catalogue: Catalogue) -> dict[str, dict[str, Record]]:
    """Return the records of every sensor by quantity, without those of what no sensor sends."""
    found: dict[str, dict[str, Record]] = {}
    for series, record in records.items():
        key, _, quantity = series.rpartition("/")
        if quantity in catalogue.quantities:
            found.setdefault(key, {})[quantity] = record
    return found
