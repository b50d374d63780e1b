"""The simulated park on a real broker: one connection per gateway, so that its last will is a real one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from field.clock import Clock, SystemClock
from field.incidents import Incident
from field.simulated import SimulatedPark, encode
from park.topics import PREFIX
from storage.mqtt import Announcement, Broker, BrokerSettings, Connection, Outage, Stopped

log = logging.getLogger("parkwatch.field")

_TICK = 50
_REPORT_EVERY = 1000
# Several ingest processes share the load: each has to learn of the sensors before the first reading comes.
_SETTLE = 1000
# A gateway keeps no more than this for the time when the broker is back.
_IN_FLIGHT = 100

#: A live sensor doesn't send what is older than this (ms): after an outage the park goes on with the present.
BEHIND = 5000


@dataclass(frozen=True)
class Progress:
    """How the simulation stands: what has been published, skipped during outages, and what is going wrong."""

    readings: int = 0
    messages: int = 0
    skipped_ms: int = 0
    incidents: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()


class Link(Protocol):
    """A gateway's connection, as far as the simulation needs it."""

    def open(self) -> None:
        """Begin to connect."""

    def wait_until_up(self, stop: threading.Event) -> None:
        """Wait for the connection."""

    def publish(self, topic: str, payload: bytes, stop: threading.Event) -> None:
        """Publish; waits while too much is unanswered."""

    def close(self, farewell: Announcement | None = None) -> None:
        """Say ``farewell`` and begin to disconnect."""

    def join(self) -> None:
        """Wait until the connection is closed."""

    def vanish(self) -> None:
        """Break the connection without a goodbye."""


class Dial(Protocol):
    """How a gateway gets a new connection."""

    def __call__(self, gateway: str, announcements: list[Announcement], will: Announcement) -> Link:
        """Return a connection that is not open yet."""


@dataclass(frozen=True)
class Simulation:
    """What to simulate: the seed, the incidents, and how many seconds of the park pass in one of ours."""

    seed: int = 1
    incidents: tuple[Incident, ...] = ()
    speed: float = 1.0


def simulate(
    settings: BrokerSettings,
    simulation: Simulation,
    stop: threading.Event,
    report: Callable[[Progress], None],
    *,
    clock: Clock | None = None,
) -> Progress:
    """Publish the simulated park until ``stop`` is set; ``report`` hears about once a second how it goes.

    A broker that is away is waited for. Raises ``ValueError`` for settings that can't be used and
    :class:`storage.mqtt.RefusedError` if the broker does not want us.
    """
    broker = Broker.of(settings)
    outage = Outage(broker.where)

    def dial(gateway: str, announcements: list[Announcement], will: Announcement) -> Connection:
        name = f"parkwatch-sim-{gateway.replace('/', '-')}"
        return Connection(broker, name, outage, announcements=announcements, will=will, in_flight=_IN_FLIGHT)

    return run(simulation, dial, stop, report, clock or SystemClock())


def run(
    simulation: Simulation, dial: Dial, stop: threading.Event, report: Callable[[Progress], None], clock: Clock
) -> Progress:
    """As :func:`simulate`, over the connections that ``dial`` makes."""
    gateways = _Gateways(dial, stop)
    try:
        # The script begins when there is somebody to hear it.
        gateways.connect(SimulatedPark(simulation.seed, clock.now_ms()))
        clock.wait(_SETTLE, stop)
        park = SimulatedPark(simulation.seed, clock.now_ms(), simulation.incidents, simulation.speed)
        return _Run(park, gateways, stop, report, clock).until_stopped()
    except Stopped:
        return Progress()
    finally:
        gateways.close()


class _Gateways:
    """The gateways' connections, by ``zone/gateway``; the silent ones have none."""

    def __init__(self, dial: Dial, stop: threading.Event) -> None:
        self._dial = dial
        self._stop = stop
        self._descriptors: dict[str, list[Announcement]] = {}
        self._links: dict[str, Link] = {}

    def connect(self, park: SimulatedPark) -> None:
        """Connect every gateway of ``park``."""
        for gateway, described in park.descriptors().items():
            self._descriptors[gateway] = [Announcement(topic, encode(payload)) for topic, payload in described]
            self._open(gateway)
        for link in self._links.values():
            link.wait_until_up(self._stop)

    def publish(self, gateway: str, topic: str, payload: bytes) -> None:
        """Publish through ``gateway``; a silent one keeps silent."""
        link = self._links.get(gateway)
        if link is not None:
            link.publish(topic, payload, self._stop)

    def follow(self, park: SimulatedPark, now: int) -> tuple[str, ...]:
        """Cut and mend connections as the incidents want them; return who is silent."""
        silent = tuple(gateway for gateway in park.gateways if park.silent(gateway, now))
        for gateway in silent:
            link = self._links.pop(gateway, None)
            if link is not None:
                log.info("incident: gateway %s loses its connection", gateway)
                link.vanish()
        for gateway in park.gateways:
            if gateway not in silent and gateway not in self._links:
                log.info("incident over: gateway %s connects again", gateway)
                self._open(gateway)
        return silent

    def close(self) -> None:
        """Sign every gateway off."""
        for gateway, link in self._links.items():
            link.close(_state(gateway, "offline"))
        for link in self._links.values():
            link.join()
        self._links.clear()

    def _open(self, gateway: str) -> None:
        announcements = [_state(gateway, "online"), *self._descriptors[gateway]]
        self._links[gateway] = self._dial(gateway, announcements, _state(gateway, "offline"))
        self._links[gateway].open()


def _state(gateway: str, state: str) -> Announcement:
    return Announcement(f"{PREFIX}/{gateway}/$state", state.encode())


class _Run:
    """One run of the park, tick by tick."""

    def __init__(
        self,
        park: SimulatedPark,
        gateways: _Gateways,
        stop: threading.Event,
        report: Callable[[Progress], None],
        clock: Clock,
    ) -> None:
        self._park = park
        self._gateways = gateways
        self._stop = stop
        self._report = report
        self._clock = clock
        self._cursor = park.start
        self._readings = 0
        self._messages = 0
        self._skipped = 0

    def until_stopped(self) -> Progress:
        """Tick until told to stop; return how it stood then."""
        progress = Progress()
        reported = self._cursor - _REPORT_EVERY
        while not self._stop.is_set():
            try:
                progress = self._tick(self._clock.now_ms())
            except Stopped:
                break
            if self._cursor - reported >= _REPORT_EVERY:
                self._report(progress)
                reported = self._cursor
            self._clock.wait(_TICK, self._stop)
        return progress

    def _tick(self, now: int) -> Progress:
        if now - self._cursor > BEHIND:
            self._skip_to(now)
        silent = self._gateways.follow(self._park, now)
        for message in self._park.readings(self._cursor, now):
            self._gateways.publish(message.gateway, message.topic, encode(message.payload))
            self._messages += 1
            self._readings += message.readings
        self._cursor = max(self._cursor, now)
        return Progress(self._readings, self._messages, self._skipped, self._park.incidents_at(now), silent)

    def _skip_to(self, now: int) -> None:
        skipped = now - self._cursor
        log.warning("the simulated park could not speak for %.1f s and goes on with the present", skipped / 1000)
        self._skipped += skipped
        self._cursor = now
