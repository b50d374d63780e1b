"""The simulated park: what its sensors say, and when. Pure: the same seed and start always tell the same story."""

from __future__ import annotations

import datetime as dt
import heapq
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import msgspec
import numpy as np

from field.descriptor import Descriptor, Range, describe
from field.economy import MeterSignal
from field.incidents import Incident, Script
from field.plant import SENSORS, Form, SimulatedChannel, SimulatedSensor
from field.signals import Noise, Values
from park.topics import PREFIX

Payload = float | dict[str, object] | list[dict[str, object]]


def encode(payload: Payload) -> bytes:
    """Return the payload as JSON."""
    return msgspec.json.encode(payload)


_SHANGHAI = dt.timezone(dt.timedelta(hours=8))


@dataclass(frozen=True)
class Message:
    """What ``gateway`` (``zone/gateway``) publishes at ``due`` (ms): ``readings`` readings of one sensor."""

    due: int
    topic: str
    payload: Payload
    gateway: str
    readings: int = 1


@dataclass(frozen=True)
class SimulatedPark:
    """The park with its ``incidents``, begun at ``start`` (ms).

    ``speed`` is how many seconds of the park's life pass in a second: days and incidents hurry, but the sensors
    keep their intervals and stamp the true time. What a sensor says at a time depends on nothing but the seed,
    the start, the incidents and that time.
    """

    seed: int
    start: int
    incidents: tuple[Incident, ...] = ()
    speed: float = 1.0
    sensors: tuple[SimulatedSensor, ...] = SENSORS
    _script: Script = field(init=False, repr=False)
    _noise: Noise = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.speed <= 0:
            raise ValueError(f"a speed of {self.speed:g} gets nowhere; write a number above 0, 1 being real time")
        object.__setattr__(self, "_script", Script(self.start, self.incidents))
        object.__setattr__(self, "_noise", Noise(self.seed))

    @property
    def gateways(self) -> tuple[str, ...]:
        """Every gateway, as ``zone/gateway``."""
        return tuple(dict.fromkeys(sensor.gateway_key for sensor in self.sensors))

    def descriptors(self) -> Mapping[str, list[tuple[str, dict[str, object]]]]:
        """Return topic and payload of every ``$meta``, by gateway."""
        found: dict[str, list[tuple[str, dict[str, object]]]] = {gateway: [] for gateway in self.gateways}
        for sensor in self.sensors:
            found[sensor.gateway_key].append((f"{PREFIX}/{sensor.key}/$meta", describe(_descriptor(sensor))))
        return MappingProxyType(found)

    def silent(self, gateway: str, t: int) -> bool:
        """Whether ``gateway`` (``zone/gateway``) has no connection at ``t``."""
        return self._script.silent(gateway, self._park_time(t))

    def incidents_at(self, t: int) -> tuple[str, ...]:
        """Names of the incidents under way at ``t``."""
        return self._script.names_at(self._park_time(t))

    def value(self, sensor: SimulatedSensor, channel: SimulatedChannel, t: int) -> float:
        """Return what the channel reads at ``t``, in the unit it sends, within its range and resolution."""
        key = sensor.series(channel)

        def quiet(moment: int) -> float:
            # Meters keep true time: what they count in an hour is what a process can make in one.
            own = self._true_time(moment) if isinstance(channel.signal, MeterSignal) else moment
            return channel.signal.at(own, key, self._noise)

        measured = self._script.bend(key, quiet, self._park_time(t)) * channel.per_canonical
        return round(min(max(measured, channel.minimum), channel.maximum), channel.digits)

    def values(self, sensor: SimulatedSensor, channel: SimulatedChannel, t: Values) -> Values:
        """Return what the channel reads at the times ``t`` (ms), as :meth:`value` does one by one. In real time only.

        Raises ``ValueError`` for a park that hurries.
        """
        if self.speed != 1.0:
            raise ValueError("a park that hurries has no past of its own; leave its speed at 1")
        key = sensor.series(channel)
        measured = channel.signal.many(t, key, self._noise) * channel.per_canonical
        found: Values = np.clip(measured, channel.minimum, channel.maximum).round(channel.digits)
        for place in np.flatnonzero(self._script.bends(key, t)).tolist():
            found[place] = self.value(sensor, channel, int(t[place]))
        return found

    def readings(self, begin: int, end: int) -> Iterator[Message]:
        """Yield what is due in ``begin <= t < end`` (ms), oldest first; a silent gateway says nothing."""
        streams = (self._of_sensor(sensor, begin, end) for sensor in self.sensors)
        return heapq.merge(*streams, key=lambda message: message.due)

    def _of_sensor(self, sensor: SimulatedSensor, begin: int, end: int) -> Iterator[Message]:
        # Sensors don't tick together; each has its own place in its interval.
        phase = zlib.crc32(sensor.key.encode()) % sensor.spacing
        first = begin + (phase - begin) % sensor.spacing
        for due in range(first, end, sensor.spacing):
            if not self.silent(sensor.gateway_key, due):
                yield from self._say(sensor, due)

    def _say(self, sensor: SimulatedSensor, due: int) -> Iterator[Message]:
        topic = f"{PREFIX}/{sensor.key}"
        if sensor.form in {Form.OBJECT, Form.ARRAY}:
            moments = range(due - (sensor.batch - 1) * sensor.interval, due + 1, sensor.interval)
            objects = [self._all(sensor, moment) for moment in moments]
            payload: Payload = objects if sensor.form is Form.ARRAY else objects[-1]
            yield Message(due, topic, payload, sensor.gateway_key, len(objects) * len(sensor.channels))
            return
        for channel in sensor.channels:
            one = self._one(sensor, channel, due)
            yield Message(due, f"{topic}/{channel.quantity}", one, sensor.gateway_key)

    def _all(self, sensor: SimulatedSensor, t: int) -> dict[str, object]:
        return {"t": t, "v": {channel.quantity: self.value(sensor, channel, t) for channel in sensor.channels}}

    def _one(self, sensor: SimulatedSensor, channel: SimulatedChannel, t: int) -> float | dict[str, object]:
        value = self.value(sensor, channel, t)
        if sensor.form is Form.NUMBER:
            return value
        if sensor.form is Form.RFC3339:
            return {"v": value, "t": _rfc3339(t), "u": channel.unit}
        return {"v": value, "t": t, "u": channel.unit, "q": "good"}

    def _park_time(self, t: int) -> int:
        return self.start + int((t - self.start) * self.speed)

    def _true_time(self, park_time: int) -> int:
        return self.start + round((park_time - self.start) / self.speed)


def _rfc3339(t: int) -> str:
    return dt.datetime.fromtimestamp(t / 1000, _SHANGHAI).isoformat(timespec="milliseconds")


def _descriptor(sensor: SimulatedSensor) -> Descriptor:
    return Descriptor(
        names=sensor.names,
        location=sensor.location,
        interval=sensor.spacing,
        latitude=sensor.latitude,
        longitude=sensor.longitude,
        gateway=sensor.gateway,
        quantities={
            channel.quantity: Range(channel.unit, channel.minimum, channel.maximum) for channel in sensor.channels
        },
    )
