"""The office tells Grafana how it stands now: points in InfluxDB (storage/present.py), rung for every other second.

Alarms are written every 10 s and whenever one changes, sensors when they change and every 5 minutes, set-points and
names when they change and every hour. While InfluxDB is away nothing is kept: what is written next is true then.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

import redis

from park.catalogue import Catalogue
from storage import names
from storage.influx import Influx
from storage.overview import Overview
from storage.present import Point, PresentStore, SensorState
from storage.states import ParkStates
from workers import channels, composing

log = logging.getLogger("parkwatch.office")

#: ms between looks when no alarm changes, and between points that have not changed.
LOOK_EVERY = 10_000
SENSORS_EVERY = 300_000
TERMS_EVERY = 3_600_000
CHANNELS_EVERY = 60_000


class Archive(Protocol):
    """InfluxDB with patience."""

    def attempt(self, work: Callable[[], object]) -> bool:
        """Do ``work`` unless InfluxDB is known to be away; return whether it was done."""


class Present:
    """Writes how it stands; counts ``present.rejected``."""

    def __init__(self, client: redis.Redis, influx: Influx) -> None:
        self._client = client
        self._store = PresentStore(influx)
        self._looked: int | None = None
        self._alarms: frozenset[tuple[str, int]] = frozenset()
        self._sensors: dict[str, SensorState] = {}
        self._sensors_at: int | None = None
        self._terms: tuple[str, int, int] | None = None
        self._terms_at: int | None = None
        self._channels_at: int | None = None

    def look(self, catalogue: Catalogue, archive: Archive, now: int) -> bool:
        """Write what is due at ``now`` (ms); return whether anything was. Raises ``redis.RedisError``."""
        alarms = ParkStates(self._client, catalogue).alarms()
        versions = frozenset((alarm.alarm, alarm.version) for alarm in alarms)
        if versions == self._alarms and not _due(self._looked, now, LOOK_EVERY):
            return False
        overview = Overview(self._client, catalogue)
        known = composing.Known(overview.directory.all(), overview.records(), alarms, now)
        states = {_key(state): state for state in composing.sensor_states(known, catalogue)}
        terms = (catalogue.version, len(known.sensors), len(known.records))
        all_sensors = _due(self._sensors_at, now, SENSORS_EVERY)
        all_terms = terms != self._terms or _due(self._terms_at, now, TERMS_EVERY)
        all_channels = _due(self._channels_at, now, CHANNELS_EVERY)
        more = channels.lines(known, overview.directory.series(catalogue), catalogue) if all_channels else []
        points: list[Point] = [
            *composing.zone_states(known, states.values(), catalogue),
            *composing.standing(known, catalogue),
            *(states.values() if all_sensors else self._changed(states)),
            *(self._all_terms(known, catalogue) if all_terms else ()),
        ]
        if not archive.attempt(lambda: self._store.write(points, now, self._reject, more)):
            return False
        self._looked, self._alarms, self._sensors = now, versions, states
        if all_sensors:
            self._sensors_at = now
        if all_terms:
            self._terms, self._terms_at = terms, now
        if all_channels:
            self._channels_at = now
        return True

    def _changed(self, states: Mapping[str, SensorState]) -> list[SensorState]:
        before = self._sensors
        return [state for key, state in states.items() if _matters(state) != _matters(before.get(key))]

    def _all_terms(self, known: composing.Known, catalogue: Catalogue) -> Iterator[Point]:
        """Yield set-points and names: what changes only with the configuration and with what there is."""
        locations = Overview(self._client, catalogue).directory.series(catalogue)
        yield from composing.set_points(locations, catalogue, known.now)
        yield from composing.named(known.sensors, catalogue)

    def _reject(self, line: str, why: str) -> None:
        log.error("a point for Grafana can't be kept in InfluxDB: %s: %s", why, line[:500])
        self._client.hincrby(names.COUNTERS, "present.rejected", 1)


def _due(before: int | None, now: int, every: int) -> bool:
    # A clock that was put back must not stop it.
    return before is None or not 0 <= now - before < every


def _key(state: SensorState) -> str:
    return f"{state.zone}/{state.site}/{state.sensor}"


def _matters(state: SensorState | None) -> SensorState | None:
    """Return a state without when it was seen last, which changes all the time."""
    return None if state is None else dataclasses.replace(state, seen=0)
