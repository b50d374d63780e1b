"""Single series, loads and votes as they stand: points for Grafana (storage/channels.py), out of what Redis holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from park import budgets, votes
from park.catalogue import Catalogue
from park.evaluate import Record
from park.limits import Kind, Limit, Period, Side
from park.quantities import Quantity
from park.readings import split_series
from park.sensors import Sensor
from park.words import Location, Names, Quality
from storage.channels import Channel, LoadState, VoteState, encode_channel, encode_load, encode_vote
from storage.present import SILENT
from workers.composing import Known
from workers.derived import MEMORY, load_series

_STANDS_FROM = 1


def lines(known: Known, series: Mapping[str, Location], park: Catalogue) -> list[bytes]:
    """Return all lines (times in ms) of what is known; ``series`` with their location classes."""
    records, now = known.records, known.now
    return [
        *(encode_channel(each, now) for each in channels(known, series, park)),
        *(encode_load(each, now) for each in loads(records, series, park, now)),
        *(encode_vote(each, now) for each in groups(records, series, park, now)),
    ]


def channels(known: Known, series: Mapping[str, Location], park: Catalogue) -> Iterator[Channel]:
    """Yield every series that a sensor promises or has sent."""
    for name, location in series.items():
        sensor = known.sensors.get(name.rsplit("/", 1)[0])
        if sensor:
            yield _channel(name, location, sensor, known.records.get(name, Record()), park, known.now)


def _channel(name: str, location: Location, sensor: Sensor, record: Record, park: Catalogue, now: int) -> Channel:
    zone, site, id_, quantity_name = split_series(name)
    quantity = park.quantities[quantity_name]
    least, most = _range(sensor, quantity)
    limits = park.limits_for(name, location, now)
    value = record.value if record.t and record.quality.usable else None
    return Channel(
        zone=zone,
        site=site,
        sensor=id_,
        quantity=quantity_name,
        location=location.value,
        value=None if value is None else float(value),
        share=_share(value, limits),
        rank=_rank(record, limits),
        quality=_quality(sensor, record, park, now),
        unit=quantity.unit,
        minimum=least,
        maximum=most,
        interval=float(sensor.interval or park.settings.interval),
        seen=record.t,
        names=quantity.names,
        sensor_names=sensor.names or Names(id_, id_),
        site_names=_site_names(park, zone, site),
    )


def _range(sensor: Sensor, quantity: Quantity) -> tuple[float, float]:
    """Return what can be believed: the sensor's own range if it is in the canonical unit, else the quantity's."""
    own = sensor.channels.get(quantity.name)
    if own is None or own.unit not in {None, quantity.unit}:
        return quantity.minimum, quantity.maximum
    least = quantity.minimum if own.minimum is None else own.minimum
    return least, quantity.maximum if own.maximum is None else own.maximum


def _share(value: float | None, limits: tuple[Limit, ...]) -> float | None:
    """Return the value in % of the lowest set-point that single values must not pass upwards."""
    at = [
        limit.set_points[0].at
        for limit in limits
        if limit.kind is Kind.THRESHOLD and limit.side is Side.HIGH and limit.set_points[0].at > 0
    ]
    return None if value is None or not at else 100 * value / min(at)


def _rank(record: Record, limits: tuple[Limit, ...]) -> int:
    """Return the priority of the worst alarm that stands: 0 none, 1 low to 4 critical."""
    by_id = {limit.id: limit for limit in limits}
    return max(
        (
            4 - by_id[id_].point(alarm.level).priority.rank
            for id_, alarm in record.alarms.items()
            if id_ in by_id and alarm.level >= _STANDS_FROM
        ),
        default=0,
    )


def _quality(sensor: Sensor, record: Record, park: Catalogue, now: int) -> str:
    patience = (sensor.interval or park.settings.interval) * park.settings.stale_after_intervals
    heard = record.received or sensor.registered
    if now - heard > patience:
        return SILENT
    return record.quality.value if record.t else Quality.GOOD.value


def _site_names(park: Catalogue, zone: str, site: str) -> Names:
    known = park.zones[zone].sites.get(site) if zone in park.zones else None
    return known.names if known else Names(site, site)


# --- loads and votes ---------------------------------------------------------------------------------------------


def loads(
    records: Mapping[str, Record], series: Mapping[str, Location], park: Catalogue, now: int
) -> Iterator[LoadState]:
    """Yield every load budget of a series; of one that has just begun nothing is known yet."""
    for name, location in series.items():
        for limit in park.limits_for(name, location, now):
            if limit.kind is Kind.BUDGET:
                memory = records.get(load_series(name), Record()).memory.get(MEMORY, ())
                yield _load(name, limit, budgets.load_of(memory))


def _load(series: str, limit: Limit, load: budgets.Load) -> LoadState:
    zone, site, sensor, quantity = split_series(series)
    period, budget = limit.period or Period.YEAR, limit.set_points[-1].at
    out = budgets.exhausted_at(load, budget)
    return LoadState(
        zone=zone,
        site=site,
        sensor=sensor,
        quantity=quantity,
        limit=limit.id,
        period=period.value,
        mass=load.kg,
        warn=limit.set_points[0].at,
        budget=budget,
        share=budgets.known_share(load),
        forecast=budgets.expected(load, period),
        runs_out=out if out is not None and out < budgets.end_of(period, load.begin) else None,
        names=limit.names,
    )


def groups(
    records: Mapping[str, Record], series: Mapping[str, Location], park: Catalogue, now: int
) -> Iterator[VoteState]:
    """Yield every voting group of a site that has detectors enough for it."""
    for limit in park.limits:
        if limit.kind is not Kind.VOTE or not limit.valid_at(now):
            continue
        voting = votes.count(limit, records, now)
        for place, detectors in _detectors(limit, series, park, now).items():
            if detectors >= limit.needs:
                yield _group(limit, place, detectors, voting.get(place, 0), park)


def _group(limit: Limit, place: votes.Site, detectors: int, voting: int, park: Catalogue) -> VoteState:
    zone, site = place
    return VoteState(zone, site, limit.id, voting, limit.needs, detectors, limit.names, _site_names(park, zone, site))


def _detectors(limit: Limit, series: Mapping[str, Location], park: Catalogue, now: int) -> dict[votes.Site, int]:
    """Return how many detectors of each site have a limit that votes."""
    wanted = frozenset(limit.votes)
    found: dict[votes.Site, set[str]] = {}
    for name, location in series.items():
        zone, site, sensor, _ = split_series(name)
        if _covers(limit, zone, site) and any(each.id in wanted for each in park.limits_for(name, location, now)):
            found.setdefault((zone, site), set()).add(sensor)
    return {place: len(sensors) for place, sensors in found.items()}


def _covers(limit: Limit, zone: str, site: str) -> bool:
    match = limit.match
    return (not match.zones or zone in match.zones) and (not match.sites or site in match.sites)
