"""A parkwatch without servers: messages in, readings and transitions out, by the pure parts alone."""

from __future__ import annotations

from dataclasses import dataclass, field

from ingest.decoder import Decoder
from ingest.descriptors import describe
from park.alarms import Transition
from park.catalogue import Catalogue
from park.evaluate import Record, Watch, evaluate
from park.limits import Limit
from park.readings import Reading, split_series
from park.sensors import Sensor
from park.topics import Meta, Values, parse

DAY = 86_400_000


@dataclass
class Hearing:
    """Hears messages as ingest and a worker would, in one go.

    ``limits`` stand in for the catalogue's own, if given.
    """

    catalogue: Catalogue
    limits: tuple[Limit, ...] | None = None
    readings: list[Reading] = field(default_factory=list)
    transitions: list[Transition] = field(default_factory=list)
    sensors: dict[str, Sensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._decoder = Decoder(self.catalogue, self._sensor, self._sensor)
        self._records: dict[str, Record] = {}

    def hear(self, topic: str, payload: bytes, received: int) -> None:
        """Take a message; raises ``park.topics.Rejected``."""
        place = parse(topic)
        if isinstance(place, Meta):
            key = f"{place.zone}/{place.site}/{place.sensor}"
            self.sensors[key] = describe(key, payload, self._sensor(key), self.catalogue)
            self._decoder.forget(key)
        elif isinstance(place, Values):
            readings = self._decoder.readings(place, payload, received)
            self.readings += readings
            for reading in readings:
                self._evaluate(reading, received)

    def raised(self, limit: str) -> list[Transition]:
        """Occurrences of ``limit``'s alarms."""
        return [one for one in self.transitions if one.limit == limit and one.event == "raised"]

    def _sensor(self, key: str) -> Sensor:
        return self.sensors.setdefault(key, Sensor(key=key, registered=0))

    def _evaluate(self, reading: Reading, now: int) -> None:
        record = self._records.get(reading.series, Record())
        watch = Watch(reading.series, self._limits(reading.series, now), DAY)
        self._records[reading.series], transitions = evaluate(record, watch, [reading], now)
        self.transitions += transitions

    def _limits(self, series: str, now: int) -> tuple[Limit, ...]:
        zone, site, sensor, quantity = split_series(series)
        location = self.sensors[f"{zone}/{site}/{sensor}"].location or self.catalogue.quantities[quantity].location
        if self.limits is None:
            return self.catalogue.limits_for(series, location, now)
        return tuple(x for x in self.limits if x.match.covers(zone, site, sensor, quantity, location))
