"""What Redis holds of every series and of one alarm, for people who look: last readings, normal alarms, traces.

Everything here is read only. The streams are read backwards and no further than a page needs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TypeVar, cast

import msgspec
import redis

from park.alarms import Alarm, Event, split_alarm_id
from park.catalogue import Catalogue
from park.evaluate import Record
from park.limits import Limit
from park.readings import split_series
from park.sensors import Sensor
from park.sharding import shard_of
from park.words import Location
from storage import names, stored
from storage.directory import Directory
from storage.states import Snapshot, decode_transition, snapshot_at

_RECORD = msgspec.json.Decoder(Record)
_SENSOR = msgspec.json.Decoder(Sensor)

T = TypeVar("T")

_CHUNK = 1_000
_FARTHEST = 20_000
"""How many entries of a stream are looked at for one alarm."""


class Told(msgspec.Struct, frozen=True):
    """What became of one message, as far as the console shows it: an entry of ``pw:delivered`` (times in ms).

    ``person`` is empty for a channel that is nobody's own; ``step`` is the number of the call in its chain.
    """

    result: str
    alarm: str = ""
    occurrence: int = 0
    version: int = 0
    channel: str = ""
    person: str = ""
    step: int | None = None
    attempts: int = 0
    reason: str = ""
    queued: int = 0
    claimed: int = 0
    ended: int = 0


_TOLD = msgspec.json.Decoder(Told)


class Overview:
    """The park as Redis holds it; every method raises ``redis.RedisError`` while Redis is away."""

    def __init__(self, client: redis.Redis, catalogue: Catalogue) -> None:
        self.client = client
        self.catalogue = catalogue
        self.directory = Directory(client)

    def records(self) -> dict[str, Record]:
        """The record of every series of every shard."""
        found = (stored.everything(self.client, names.series(shard)) for shard in self.catalogue.shards)
        return {key.decode(): _decode(value) for shard in found for key, value in shard.items()}

    def record(self, series: str) -> Record | None:
        """The record of one series, ``None`` if it never sent anything or there can't be one."""
        zone, site, _, _ = split_series(series)
        if zone not in self.catalogue.zones:
            return None
        shard = shard_of(zone, site, self.catalogue.zones[zone].shards)
        value = stored.some(self.client, names.series(shard), [series])[0]
        return None if value is None else _decode(value)

    def sensors(self, keys: set[str]) -> dict[str, Sensor]:
        """Those of the sensors ``zone/site/sensor`` that are registered; one look for all."""
        wanted = sorted(keys)
        found = stored.some(self.client, names.SENSORS, wanted) if wanted else []
        return {key: _SENSOR.decode(value) for key, value in zip(wanted, found, strict=True) if value is not None}

    def normal(self, alarm: str) -> Snapshot:
        """Return the snapshot of an alarm that is normal; raises ``KeyError`` for one that there can't be."""
        series, limit = self._possible(alarm)
        record = self.record(series)
        sensor = self.directory.get(series.rpartition("/")[0])
        if record is None or sensor is None or not _covers(limit, series, self._location(series, sensor)):
            raise KeyError(alarm)
        known = record.alarms.get(limit.id, Alarm())
        return snapshot_at(series, limit, known, t=record.t, at=record.received)

    def _possible(self, alarm: str) -> tuple[str, Limit]:
        try:
            series, limit = split_alarm_id(alarm)
        except ValueError as error:
            raise KeyError(alarm) from error
        if series.rpartition("/")[2] not in self.catalogue.quantities:
            raise KeyError(alarm)
        return series, self.catalogue.limit(limit)

    def _location(self, series: str, sensor: Sensor) -> Location:
        return sensor.location or self.catalogue.quantities[series.rpartition("/")[2]].location

    def told_of(self, alarm: str, most: int) -> list[Told]:
        """What became of the latest messages about ``alarm``, newest first."""
        found = (_TOLD.decode(entry) for entry in self._holding(names.DELIVERED, b"delivery", f'"{alarm}"'))
        return _first((entry for entry in found if entry.alarm == alarm), most)

    def suppressed_since(self, alarms: set[str]) -> dict[str, int]:
        """Since when (server time, ms) those of ``alarms`` are suppressed of which the newest of the journal tell."""
        found: dict[str, int] = {}
        for entry in self._holding(names.JOURNAL, b"transition", f'"{Event.SUPPRESSED.value}"'):
            if len(found) == len(alarms):
                break
            transition = decode_transition(entry)
            if transition.event is Event.SUPPRESSED and transition.alarm in alarms:
                found.setdefault(transition.alarm, transition.at)
        return found

    def _holding(self, stream: str, field: bytes, text: str) -> Iterator[bytes]:
        """Entries that hold ``text`` somewhere, newest first: few are worth decoding."""
        needle = text.encode()
        last = "+"
        for _ in range(_FARTHEST // _CHUNK):
            entries = cast(
                "list[tuple[bytes, dict[bytes, bytes]]]", self.client.xrevrange(stream, last, "-", count=_CHUNK)
            )
            yield from (fields[field] for _, fields in entries if needle in fields[field])
            if len(entries) < _CHUNK:
                return
            last = f"({entries[-1][0].decode()}"


def _decode(value: bytes) -> Record:
    return _RECORD.decode(value.partition(b" ")[2])


def _first(entries: Iterator[T], most: int) -> list[T]:
    return list(itertools.islice(entries, most))


def _covers(limit: Limit, series: str, location: Location) -> bool:
    zone, site, sensor, quantity = split_series(series)
    return limit.match.covers(zone, site, sensor, quantity, location)
