"""The sensor directory in Redis: who sends what, from where, how often."""

from __future__ import annotations

import secrets
from typing import cast

import msgspec
import redis

from park.catalogue import Catalogue
from park.sensors import Sensor
from park.words import Location
from storage import names, stored

_SENSOR = msgspec.json.Decoder(Sensor)


OFFLINE = "offline"


class Gateway(msgspec.Struct, frozen=True):
    """What a gateway last said of itself (``online``/``offline``), and when (server time, ms)."""

    state: str
    at: int


_GATEWAY = msgspec.json.Decoder(Gateway)


class Directory:
    """Registered sensors and the state of gateways."""

    def __init__(self, client: redis.Redis) -> None:
        self.client = client

    def all(self) -> dict[str, Sensor]:
        """Every registered sensor, by ``zone/site/sensor``."""
        sensors = stored.everything(self.client, names.SENSORS)
        return {key.decode(): _SENSOR.decode(value) for key, value in sensors.items()}

    def get(self, key: str) -> Sensor | None:
        """One sensor, or ``None``."""
        sensor = self.client.hget(names.SENSORS, key)
        return None if sensor is None else _SENSOR.decode(sensor)

    def put(self, sensor: Sensor) -> None:
        """Store a descriptor and tell the zone's workers."""
        zone = sensor.key.split("/", 1)[0]
        pipe = self.client.pipeline(transaction=True)
        pipe.hset(names.SENSORS, sensor.key, msgspec.json.encode(sensor))
        pipe.hincrby(names.SENSORS_REVISION, zone, 1)
        pipe.execute()

    def register(self, sensor: Sensor) -> bool:
        """Store a sensor that was not known; false if somebody else did so first."""
        if not self.client.hsetnx(names.SENSORS, sensor.key, msgspec.json.encode(sensor)):
            return False
        self.client.hincrby(names.SENSORS_REVISION, sensor.key.split("/", 1)[0], 1)
        return True

    def forget(self, key: str) -> bool:
        """Remove a sensor; false if it was not there."""
        removed = self.client.hdel(names.SENSORS, key)
        self.client.hincrby(names.SENSORS_REVISION, key.split("/", 1)[0], 1)
        return bool(removed)

    def era(self) -> str:
        """Return a word that changes when Redis has lost everything."""
        self.client.set(names.ERA, secrets.token_hex(8), nx=True)
        return cast("bytes", self.client.get(names.ERA) or b"").decode()

    def revision(self, zone: str) -> int:
        """A number that changes whenever a sensor of the zone does."""
        return int(self.client.hget(names.SENSORS_REVISION, zone) or 0)

    def gateway(self, key: str, state: str, at: int) -> None:
        """Record a gateway's state (``online``/``offline``) at server time ``at`` (ms)."""
        self.client.hset(names.GATEWAYS, key, msgspec.json.encode(Gateway(state, at)))

    def series(self, catalogue: Catalogue) -> dict[str, Location]:
        """Every series that a registered sensor promises or has sent, with its location class."""
        sensors = self.all()
        known = {f"{key}/{quantity}" for key, sensor in sensors.items() for quantity in sensor.channels}
        for shard in catalogue.shards:
            known |= {name.decode() for name in stored.keys(self.client, names.series(shard))}
        found = {}
        for name in sorted(known):
            key, quantity = name.rsplit("/", 1)
            if key in sensors and quantity in catalogue.quantities:
                found[name] = sensors[key].location or catalogue.quantities[quantity].location
        return found

    def gateways(self) -> dict[str, Gateway]:
        """State of every gateway that ever spoke, by ``zone/gateway``."""
        states = stored.everything(self.client, names.GATEWAYS)
        return {key.decode(): _GATEWAY.decode(value) for key, value in states.items()}
