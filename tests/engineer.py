"""An engineer at the MQTT broker, and a park of real pieces that several tests of one file share."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import msgspec
import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from park.alarms import alarm_id
from park.topics import FEEDBACK
from storage import names
from storage.quarantine import Entry, Quarantine
from tests.catchers import Catcher
from tests.conftest import environment_of
from tests.pieces import Spawn
from tests.servers import Influx, Mosquitto, Redis, ServerError, eventually
from tests.whole import Whole

SITE = "riverside/air-station"
#: mg/m3, above the limit of NO2 in ambient air: whoever evaluates it raises an alarm at once.
HIGH = 0.25
LIMIT = "ambient-no2"
_numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Heard:
    """A message from parkwatch."""

    topic: str
    content: Any


class Engineer:
    """A client of the broker that publishes and hears what parkwatch answers."""

    def __init__(self, url: str, protocol: MQTTProtocolVersion = MQTTProtocolVersion.MQTTv311) -> None:
        self.heard: list[Heard] = []
        address = urlsplit(url)
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=protocol)
        self._client.max_inflight_messages_set(500)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_message = self._received
        self._listens = False
        self._client.connect(address.hostname or "", address.port or 0)
        self._client.loop_start()

    def publish(self, topic: str, payload: object, *, qos: int = 1, retain: bool = False) -> None:
        """Publish bytes as they are and anything else as JSON; return when the broker has it."""
        self.send(topic, payload, qos=qos, retain=retain).wait_for_publish(15)

    def send(self, topic: str, payload: object, *, qos: int = 1, retain: bool = False) -> mqtt.MQTTMessageInfo:
        """Publish without waiting for the broker."""
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        return self._client.publish(topic, content, qos=qos, retain=retain)

    def answers(self, event: str, about: str) -> list[Heard]:
        """What parkwatch has said: ``rejected`` about a topic, ``registered`` about a sensor."""
        key = {"rejected": "topic", "registered": "sensor"}[event]
        return [heard for heard in self.heard if heard.content["event"] == event and heard.content[key] == about]

    def answer(self, event: str, about: str) -> Heard:
        """Wait for an answer and return the latest one."""
        eventually(lambda: self.answers(event, about), why=lambda: f"no {event} about {about}: {self.heard[-5:]}")
        return self.answers(event, about)[-1]

    def __enter__(self) -> Self:
        eventually(lambda: self._listens, why="the broker does not let us listen")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"{FEEDBACK}/#", qos=1)

    def _subscribed(self, *_: object) -> None:
        self._listens = True

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.heard.append(Heard(message.topic, json.loads(message.payload)))


class Park:
    """Pieces at work on servers of their own, and an engineer who publishes to them."""

    def __init__(self, whole: Whole, engineer: Engineer, influx: Influx) -> None:
        self.whole = whole
        self.engineer = engineer
        self.redis = whole.redis
        self._influx = influx

    def new_sensor(self) -> str:
        """The name of a sensor that nobody has heard of."""
        return f"s-{next(_numbers)}"

    def stored(self, sensor: str, field: str = names.FIELD_VALUE) -> list[Any]:
        """The stored values of a sensor at ``SITE``, by time."""
        try:
            rows = self._influx.query(
                self.whole.environment["PARKWATCH_INFLUX_DB"],
                f"SELECT {field} FROM {names.RETENTION_RAW}.{names.READING} WHERE {names.TAG_SENSOR} = '{sensor}'",
            )
        except ServerError as error:
            # Ingest makes the database and its retention policy with the first reading.
            if "not found" in str(error):
                return []
            raise
        return [row[field] for row in rows]

    def alarm(self, sensor: str, limit: str = LIMIT, quantity: str = "no2") -> dict[str, Any] | None:
        """The alarm of a sensor at ``SITE`` if it is not normal."""
        found = self.redis.hget(names.ALARMS, alarm_id(f"{SITE}/{sensor}/{quantity}", limit))
        return None if found is None else dict(json.loads(found))

    def is_taken(self, sensor: str) -> bool:
        """Whether the sensor's high reading is stored and evaluated."""
        return HIGH in self.stored(sensor) and self.alarm(sensor) is not None

    def expect_taken(self, sensor: str) -> None:
        """Wait until the sensor's high reading is stored and evaluated."""
        eventually(lambda: self.is_taken(sensor), pause=0.05, why=lambda: f"{sensor}: {self.said()}")

    def counts(self) -> dict[str, int]:
        """Quarantined messages by code."""
        return Quarantine(self.redis).counts()

    def quarantined(self, topic: str) -> list[Entry]:
        """The quarantined messages of a topic, newest first."""
        return [entry for entry in Quarantine(self.redis).newest(10_000) if entry.topic == topic]

    def heartbeat(self, piece: str) -> dict[str, Any]:
        """A piece's latest sign of life; empty if there is none."""
        found = self.redis.get(names.heartbeat(piece))
        return {} if found is None else dict(msgspec.json.decode(found))

    def wait_until_acknowledged(self, ident: str = "0") -> None:
        """Wait until ingest has acknowledged all that was published before."""
        begun = time.time_ns() // 1_000_000

        def settled() -> bool:
            state = self.heartbeat(f"ingest.{ident}")
            return bool(state) and state["at"] > begun and state["outstanding"] == 0

        eventually(settled, why=self.said)

    def said(self) -> str:
        """What the pieces have logged."""
        return "\n".join(f"{name}: {piece.output}" for name, piece in self.whole.pieces.items())


@contextmanager
def running(folder: Path, influx: Influx, *pieces: str) -> Iterator[Park]:
    """Start a broker, a Redis and ``pieces`` (all of :class:`Whole` if none are named), in a database of its own."""
    influx.start()
    servers = [_made(Mosquitto, folder), _made(Redis, folder)]
    mosquitto, redis = servers
    database = f"park_{folder.name.replace('-', '_')}"
    spawn = Spawn()
    try:
        for server in servers:
            server.start()
        assert isinstance(mosquitto, Mosquitto)
        assert isinstance(redis, Redis)
        environment = environment_of(mosquitto, redis, influx, database, _folder(folder, "home"))
        with Catcher() as catcher, Engineer(mosquitto.url) as engineer:
            whole = Whole(environment, spawn, influx, catcher)
            whole.start(*pieces)
            yield Park(whole, engineer, influx)
            whole.redis.close()
        spawn.end()
    finally:
        for piece in spawn.pieces:
            piece.kill()
        for server in servers:
            server.kill()
        influx.drop(database)


def _made(kind: type[Mosquitto | Redis], folder: Path) -> Mosquitto | Redis:
    return kind(_folder(folder, kind.name))


def _folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
