"""The watchdog's process: it sings, looks, audits and sends the pulse, each in its own time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import cast

import msgspec

from alerts.watchdog.auditor import Auditor, by_zone
from alerts.watchdog.canary import Sensors
from alerts.watchdog.checks import Bounds, Seen, checks
from alerts.watchdog.gauges import Gauges, Look, pulse, seen
from alerts.watchdog.pulse import Pulse
from park.catalogue import Catalogue
from storage import names, stored, watch
from storage.clock import Clock, SystemClock
from storage.health import Gauge, HealthLog
from storage.influx import Influx, InfluxUnavailable, LinesRejected
from storage.queue import AWAY, redis_client
from storage.recent import newest_canaries
from storage.settings import Settings
from storage.watch import Arrived, Check, Kind, Problem, Watched

log = logging.getLogger("parkwatch.watchdog")

#: Pieces of which there is one; workers and ingest processes are known by their shards and sensors.
PIECES = ("beat", "delivery", "office", "console")
_INGEST = "ingest-"
_INFLUX_TIMEOUT = 4_000
#: ms in which the newest stored canary is looked for.
_STORED_WITHIN = 600_000


class _Beat(msgspec.Struct, frozen=True):
    at: int


_ARRIVED = msgspec.json.Decoder(Arrived)
_BEAT = msgspec.json.Decoder(_Beat)


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds between canaries (and looks and pulses), audits and signs of life, and what counts as fresh."""

    canary: float = 10.0
    audit: float = 5.0
    alive: float = 5.0
    bounds: Bounds = field(default_factory=Bounds)


class Watchdog:
    """One watchdog for the park."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, times: Times | None = None, clock: Clock | None = None
    ) -> None:
        self._times = times or Times()
        self._clock = clock or SystemClock()
        self._zones = tuple(catalogue.zones)
        self._shards = catalogue.shards
        self._redis = redis_client(settings.redis_url)
        self._influx = Influx(settings.influx_url, settings.influx_db, settings.influx_token, _INFLUX_TIMEOUT)
        self._sensors = Sensors(settings, self._zones, round(self._times.canary * 1000))
        self._auditor = Auditor(self._redis, catalogue)
        self._pulse = Pulse(settings.pulse_url, self._times.bounds.canary)
        # A connection of its own: while one duty waits for InfluxDB the other must not.
        self._log = Influx(settings.influx_url, settings.influx_db, settings.influx_token, _INFLUX_TIMEOUT)
        self._health = HealthLog(self._log)
        self._gauges = Gauges(self._redis)
        self._found: tuple[Check, ...] = ()
        self._stored: dict[str, int] = {}
        self._problems: tuple[Problem, ...] = ()
        self._audited = 0
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Watch until ``stop`` is set; a defect in any duty ends them all, and with them the pulse."""
        self._stop = stop
        self._sensors.open()
        times = self._times
        duties = (
            (times.canary, 0.0, self._sing),
            # In between: a canary that was sent just now is still on its way.
            (times.canary, times.canary / 2, self._look),
            (times.canary, times.canary * 0.7, self._tell),
            (times.audit, 0.0, self._audit),
            (times.alive, 0.0, self._show_life),
        )
        with ThreadPoolExecutor(len(duties)) as pool:
            running = [pool.submit(_every, seconds, first, duty, stop) for seconds, first, duty in duties]
            try:
                done, _ = wait(running, return_when=FIRST_EXCEPTION)
            finally:
                stop.set()
        self._sensors.close()
        self._pulse.close()
        self._influx.close()
        self._log.close()
        self._redis.close()
        for duty in done:
            duty.result()

    # The duties

    def _sing(self) -> None:
        now = self._clock.now()
        self._sensors.sing(now, self._stop)
        self._sensors.count(by_zone(self._problems), now, self._stop)

    def _look(self) -> None:
        found = self._found = self.look()
        now = self._clock.now()
        self._pulse.beat(found, now)
        watched = Watched(now, found, self._audited, self._problems, self._pulse.state)
        try:
            watch.put(self._redis, watched)
        except AWAY as error:
            log.debug("nobody can be told: %s", error)

    def _audit(self) -> None:
        now = self._clock.now()
        try:
            found = self._auditor.audit(now)
        except AWAY as error:
            log.debug("no audit: %s", error)
            return
        known = {(problem.fault, problem.entry) for problem in self._problems}
        for problem in found:
            if (problem.fault, problem.entry) not in known:
                log.error("the auditor: %s is %s", problem.entry, problem.fault)
        self._problems, self._audited = found, now

    def _tell(self) -> None:
        """Write for Grafana what is known of every piece."""
        now = self._clock.now()
        self._health.write(self._measure(now), now)

    def _measure(self, now: int) -> list[Gauge]:
        look = Look(self._found, self._problems)
        ours = [pulse(self._pulse.state, now), Gauge("influxdb", {"up": not self._health.failures})]
        ours.append(Gauge("watchdog", {"up": 1, "age_s": 0}))
        try:
            return [*self._gauges.read(look, now), *ours]
        except AWAY as error:
            log.debug("Redis tells nothing: %s", error)
            return [*seen(look), Gauge("redis", {"up": 0}), *ours]

    def _show_life(self) -> None:
        state = msgspec.json.encode({"at": self._clock.now()})
        try:
            self._redis.set(names.heartbeat("watchdog"), state, ex=names.HEARTBEAT_SECONDS)
        except AWAY as error:
            log.debug("no sign of life: %s", error)

    # What is looked at

    def look(self) -> tuple[Check, ...]:
        """Look at every canary and sign of life, now."""
        self._look_at_stored()
        try:
            pieces = self._pieces()
            seen = Seen(self._delivered(), self._stored, self._alive(pieces))
        except AWAY:
            return (Check(Kind.REDIS, "redis", None, well=False),)
        return checks(seen, self._zones, pieces, self._clock.now(), self._times.bounds)

    def _look_at_stored(self) -> None:
        """Remember the newest stored canaries; where InfluxDB does not answer, those remembered grow old."""
        try:
            self._stored |= newest_canaries(self._influx, self._clock.now(), _STORED_WITHIN)
        except (InfluxUnavailable, LinesRejected) as error:
            log.debug("no stored canaries: %s", error)

    def _delivered(self) -> dict[str, int]:
        arrived = stored.everything(self._redis, names.CANARIES)
        return {zone.decode(): _ARRIVED.decode(canary).t for zone, canary in arrived.items()}

    def _pieces(self) -> tuple[str, ...]:
        """Every piece there should be; ingest processes by the sensors that they have registered themselves as."""
        sensors = cast("list[bytes]", self._redis.hkeys(names.SENSORS))
        ingests = {ident for sensor in sensors if (ident := _ingest(sensor.decode())) is not None}
        workers = (f"worker.{shard}" for shard in self._shards)
        return (*PIECES, *workers, *(f"ingest.{ident}" for ident in sorted(ingests) or ("0",)))

    def _alive(self, pieces: tuple[str, ...]) -> dict[str, int]:
        beats = cast("list[bytes | None]", self._redis.mget([names.heartbeat(piece) for piece in pieces]))
        return {piece: _BEAT.decode(beat).at for piece, beat in zip(pieces, beats, strict=True) if beat}


def _ingest(sensor: str) -> str | None:
    """Return the ingest process that a sensor stands for, if it is one."""
    _, site, name = sensor.split("/")
    ours = site == names.OWN_SITE and name.startswith(_INGEST)
    return name.removeprefix(_INGEST) if ours else None


def _every(seconds: float, first: float, duty: Callable[[], None], stop: threading.Event) -> None:
    """Do a duty every so many seconds, the first time after ``first``, until ``stop`` is set."""
    pause = first
    while not stop.wait(pause):
        began = time.monotonic()
        duty()
        pause = max(0.0, seconds - (time.monotonic() - began))
