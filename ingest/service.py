"""The ingest process: one loop that reads, decodes, hands over and acknowledges; a thread that stores.

The order is the promise: a reading is handed to its zone's worker first, then stored, and only then is its
message acknowledged. Whatever dies on the way, the broker delivers the message again.
"""

from __future__ import annotations

import contextlib
import logging
import select
import socket
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import msgspec

from ingest import descriptors, gateways
from ingest.connection import BulkSocket, Connection, Message
from ingest.decoder import Decoder
from ingest.feedback import Feedback
from ingest.handover import Handover, HandoverFailed
from ingest.late import LateMeters
from ingest.lines import lines
from ingest.onboarding import Onboarding
from ingest.store import Parcel, Store, Token
from ingest.topics_of import ALONE, SHARED
from park import topics
from park.catalogue import Catalogue
from park.readings import Reading
from park.sensors import Channel, Sensor
from park.topics import Rejected
from park.words import Location, Names
from storage import names
from storage.backoff import Backoff
from storage.clock import Clock, SystemClock
from storage.directory import Directory
from storage.influx import Influx
from storage.quarantine import Entry, Quarantine, readable, rejected_entry
from storage.queue import AWAY, producer_app, redis_client
from storage.reload import CatalogueWatch
from storage.settings import Settings
from storage.spool import Spool

log = logging.getLogger("parkwatch.ingest")

#: Hand over at most once in this many seconds: messages that come meanwhile make one batch. After a quiet
#: time the first message goes at once.
WINDOW = 0.02
#: Messages taken in one turn, and messages that may wait for storage before we stop reading. What we don't
#: read stays with the broker.
MOST_PER_TURN = 2_000
MOST_OUTSTANDING = 20_000
#: ms between parkwatch's own readings of itself.
OWN_INTERVAL = 10_000


@dataclass(slots=True)
class Taken:
    """What one turn took from the broker, on its way."""

    readings: list[Reading] = field(default_factory=list)
    rejected: list[Entry] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)


class Ingest:
    """One ingest process, alone or (``shared``) one of several, each under an id of its own."""

    def __init__(
        self, settings: Settings, catalogue: Catalogue, ident: str, *, shared: bool = False, clock: Clock | None = None
    ) -> None:
        self._catalogue = catalogue
        self._ident = ident
        self._clock = clock or SystemClock()
        self._redis = redis_client(settings.redis_url)
        self._directory = Directory(self._redis)
        self._watch = CatalogueWatch(settings.config, catalogue, self._redis, f"ingest.{ident}")
        self._quarantine = Quarantine(self._redis, catalogue.settings.quarantine_size)
        self._handover = Handover(self._redis, producer_app(settings.redis_url, catalogue.shards), catalogue)
        self._onboarding = Onboarding(catalogue, self._clock)
        self._decoder = Decoder(catalogue, self._onboarding.peek, self._onboarding.sensor)
        self._store = Store(
            Influx(settings.influx_url, settings.influx_db, settings.influx_token),
            lambda: Spool(settings.home / "spool" / f"ingest-{ident}.sqlite"),
            self._stored,
            self._refused,
            LateMeters(self._redis, self._clock, lambda: self._catalogue).note,
        )
        own, former = (SHARED, ALONE) if shared else (ALONE, SHARED)
        client = f"parkwatch-ingest-{ident}"
        self._connection = Connection(settings.mqtt_url, client, own, former, self._arrive, settings.mqtt_ca)
        self._feedback = Feedback(self._connection.publish, self._clock)
        self._arrived: list[Message] = []
        self._outgoing: deque[Taken] = deque()
        self._done: deque[list[Token]] = deque()
        self._refusals: deque[Entry] = deque()
        self._outstanding = 0
        self._taken = 0
        self._wake_out, self._wake_in = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.settimeout(0)
        # Short: a restarted Mosquitto keeps nothing for a shared subscription before we are back.
        self._connect_backoff = Backoff(most=1.0)
        self._connect_at = 0.0
        self._told_away = False
        self._redis_backoff = Backoff()
        self._redis_at = 0.0
        self._forwarded_at = 0.0
        self._maintain_at = 0.0
        self._own_at = 0
        self._told_dropped = 0

    def run(self, stop: threading.Event) -> None:
        """Work until ``stop`` is set, then finish what was taken, within two seconds."""
        self._store.start()
        self._learn(stop)
        while not stop.is_set():
            self._turn()
        self._finish()

    # One turn

    def _turn(self) -> None:
        self._connect()
        self._wait()
        self._read()
        self._take()
        self._forward()
        self._acknowledge()
        self._maintain()

    def _learn(self, stop: threading.Event) -> None:
        """Learn the directory before the first message: a descriptor decides how a value is read."""
        backoff = Backoff()
        while not stop.is_set():
            try:
                self._onboarding.load(self._directory)
            except AWAY as error:
                if not backoff.failures:
                    log.error("Redis does not answer (%s); waiting for it", error)
                stop.wait(backoff.next())
                continue
            self._describe_ourselves()
            return

    def _connect(self) -> None:
        if self._connection.connected:
            self._connect_backoff.succeeded()
            self._told_away = False
        if self._connection.socket() is not None or time.monotonic() < self._connect_at:
            return
        # Whatever becomes of it, a refusal included: the next try waits, until a connection stands.
        self._connect_at = time.monotonic() + self._connect_backoff.next()
        try:
            self._connection.open()
        except OSError as error:
            if not self._told_away:
                log.error("the MQTT broker at %s does not answer (%s); trying again", self._connection.where, error)
            self._told_away = True

    def _wait(self) -> None:
        sock = self._connection.socket()
        sources: list[socket.socket | BulkSocket] = [self._wake_in]
        if sock is not None and not self._full:
            if not sock.drained:
                return
            sources.append(sock)
        select.select(sources, [], [], self._patience())

    def _patience(self) -> float:
        """Seconds until something is due without anybody waking us."""
        now = time.monotonic()
        due = [self._maintain_at]
        if self._outgoing:
            due.append(self._redis_at)
        if self._connection.socket() is None:
            due.append(self._connect_at)
        return max(min(due) - now, 0.0)

    @property
    def _full(self) -> bool:
        return self._outstanding >= MOST_OUTSTANDING

    def _read(self) -> None:
        if self._full or self._connection.socket() is None:
            return
        # The broker goes on sending into the socket's buffer meanwhile: one wake-up then takes it all.
        rest = self._forwarded_at + WINDOW - time.monotonic()
        if rest > 0:
            time.sleep(rest)
        self._connection.read(MOST_PER_TURN, lambda: len(self._arrived))

    def _arrive(self, message: Message) -> None:
        self._arrived.append(message)

    def _take(self) -> None:
        if not self._arrived:
            return
        arrived, self._arrived = self._arrived, []
        received = self._clock.now()
        taken = Taken()
        for message in arrived:
            self._decode(message, received, taken)
            if message.mid:
                taken.tokens.append((message.mid, message.generation))
        self._outstanding += len(arrived)
        # A message at QoS 0 needs no acknowledgement but counts until it is stored all the same.
        taken.tokens += [(0, 0)] * (len(arrived) - len(taken.tokens))
        self._outgoing.append(taken)

    def _decode(self, message: Message, received: int, taken: Taken) -> None:
        topic, payload = message.topic, message.payload
        try:
            address = self._decoder.address(topic)
            if isinstance(address, topics.Values):
                taken.readings += self._decoder.readings(address, payload, received, retained=message.retained)
            elif isinstance(address, topics.Meta):
                self._describe(address, payload)
            else:
                self._gateway(address, payload, received, taken)
        except Rejected as problem:
            self._reject(topic, payload, received, problem, taken)
        except Exception as error:
            # A fault of ours must not hold up the next message; it is as visible as a fault of theirs.
            log.exception("a message on %r could not be decoded", topic)
            why = repr(error)[:250]
            reason = Names(f"parkwatch 处理该消息时出错（{why}）", f"parkwatch failed on this message ({why})")
            fault = Rejected("internal", reason, Names("请反馈此问题", "please report it"))
            self._reject(topic, payload, received, fault, taken)

    def _reject(self, topic: str | bytes, payload: bytes, received: int, problem: Rejected, taken: Taken) -> None:
        shown = topic if isinstance(topic, str) else topic.decode("utf-8", "backslashreplace")
        shown = readable(shown.encode("utf-8", "backslashreplace"))
        taken.rejected.append(rejected_entry(shown, problem, payload, received))
        self._feedback.rejected(shown, problem)

    def _describe(self, place: topics.Meta, payload: bytes) -> None:
        if not payload:
            # An empty retained message takes a descriptor back; what it said stays known until another one comes.
            return
        key = f"{place.zone}/{place.site}/{place.sensor}"
        described = descriptors.describe(key, payload, self._onboarding.peek(key), self._catalogue)
        if self._onboarding.describe(described):
            self._decoder.forget(key)

    def _gateway(self, place: topics.GatewayState, payload: bytes, received: int, taken: Taken) -> None:
        state = gateways.state_of(payload)
        self._onboarding.gateway(f"{place.zone}/{place.gateway}", state)
        if names.GATEWAY_QUANTITY in self._catalogue.quantities:
            known = self._onboarding.peek(gateways.key_of(place))
            self._onboarding.describe(gateways.sensor_of(place, known))
            taken.readings.append(gateways.reading_of(place, state, received))

    # Handing over, storing, acknowledging

    def _forward(self) -> None:
        while self._refusals:
            self._outgoing.append(Taken(rejected=[self._refusals.popleft()]))
        if not self._outgoing or time.monotonic() < self._redis_at:
            return
        self._forwarded_at = time.monotonic()
        fresh = self._onboarding.fresh()
        try:
            self._onboarding.save(self._directory)
            self._tell_registered(fresh)
            while self._outgoing:
                self._hand_over(self._outgoing[0])
                self._outgoing.popleft()
        except (HandoverFailed, *AWAY) as error:
            if not self._redis_backoff.failures:
                log.error("Redis does not take readings (%s); they wait, the broker keeps what we don't take", error)
            self._redis_at = time.monotonic() + self._redis_backoff.next()
            return
        if self._redis_backoff.succeeded():
            log.warning("Redis is back")

    def _hand_over(self, taken: Taken) -> None:
        if taken.rejected:
            self._quarantine.put(taken.rejected)
            # Handing over may still fail and come again: these must not be counted twice.
            rejected, taken.rejected = taken.rejected, []
            quarantined = _quarantine_lines(rejected)
        else:
            quarantined = []
        self._handover.send(taken.readings)
        self._taken += len(taken.readings)
        stored = [lines(taken.readings)] if taken.readings else []
        self._store.put(Parcel(b"\n".join(stored + quarantined), len(taken.readings), taken.tokens))

    def _tell_registered(self, fresh: list[Sensor]) -> None:
        if not fresh:
            return
        quantities = {sensor.key: set(sensor.channels) for sensor in fresh}
        for taken in self._outgoing:
            for reading in taken.readings:
                key, _, quantity = reading.series.rpartition("/")
                if key in quantities:
                    quantities[key].add(quantity)
        for sensor in fresh:
            limits = {name: self._onboarding.limits_of(sensor, name) for name in sorted(quantities[sensor.key])}
            self._feedback.registered(sensor, limits)

    def _stored(self, tokens: list[Token]) -> None:
        """Called by the storing thread."""
        self._done.append(tokens)
        try:
            self._wake_out.send(b"1")
        except BlockingIOError:
            # The pipe is full of wake-ups already.
            return

    def _refused(self, line: str, reason: str) -> None:
        """Called by the storing thread: InfluxDB will never take this line."""
        log.error("InfluxDB refuses a line: %s (%s)", line, reason)
        fix = "the line was evaluated but not stored; a field of another type under the same name is the usual cause"
        fix_zh = "该行已参与计算但未能存储；常见原因是同名字段在 InfluxDB 中类型不同"
        now = self._clock.now()
        entry = Entry(
            line[:200], "influx", reason[:300], fix, line[:1024], now, f"InfluxDB 拒收：{reason[:300]}", fix_zh
        )
        self._refusals.append(entry)

    def _acknowledge(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._wake_in.recv(4096)
        while self._done:
            tokens = self._done.popleft()
            for mid, generation in tokens:
                if mid:
                    self._connection.acknowledge(mid, generation)
            self._outstanding -= len(tokens)
        self._connection.flush()

    # Keeping alive

    def _maintain(self) -> None:
        now = time.monotonic()
        if now < self._maintain_at:
            return
        self._maintain_at = now + 1.0
        self._connection.maintain()
        if not self._store.alive:
            raise RuntimeError("the storing thread has died; see the log above")
        self._beat()
        self._tell_about_ourselves()

    def _beat(self) -> None:
        state = {
            "at": self._clock.now(),
            "connected": self._connection.connected,
            "outstanding": self._outstanding,
            "spooled": self._store.waiting,
            "dropped": self._store.dropped,
            "readings": self._taken,
        }
        if time.monotonic() < self._redis_at:
            return
        try:
            piece = names.heartbeat(f"ingest.{self._ident}")
            self._redis.set(piece, msgspec.json.encode(state), ex=names.HEARTBEAT_SECONDS)
            for key in self._onboarding.follow(self._directory):
                self._decoder.forget(key)
            self._adopt(self._watch.current())
        except AWAY as error:
            log.debug("no heartbeat: %s", error)

    def _adopt(self, catalogue: Catalogue) -> None:
        """Work by the catalogue that is in force; queues stay as they were at start."""
        if catalogue is not self._catalogue:
            self._catalogue = catalogue
            self._onboarding.adopt(catalogue)
            self._decoder.adopt(catalogue)

    def _describe_ourselves(self) -> None:
        """Parkwatch watches itself with its own alarms: each ingest process is a sensor in every zone."""
        title = Names(zh=f"parkwatch 接收进程 {self._ident}", en=f"parkwatch ingest {self._ident}")
        for zone in self._catalogue.zones:
            key = self._own_key(zone)
            known = self._onboarding.peek(key)
            described = msgspec.structs.replace(
                known,
                names=title,
                interval=OWN_INTERVAL,
                location=Location.SYSTEM,
                channels={name: Channel() for name in ("spool-waiting", "spool-dropped")},
                described=True,
            )
            self._onboarding.describe(described)

    def _tell_about_ourselves(self) -> None:
        """Over MQTT like any sensor, so that these readings prove the whole way."""
        now = self._clock.now()
        if now - self._own_at < OWN_INTERVAL or not self._connection.connected:
            return
        self._own_at = now
        dropped, self._told_dropped = self._store.dropped - self._told_dropped, self._store.dropped
        payload = msgspec.json.encode({"v": {"spool-waiting": self._store.waiting, "spool-dropped": dropped}})
        for zone in self._catalogue.zones:
            self._connection.publish(f"{topics.PREFIX}/{self._own_key(zone)}", payload)
        self._connection.flush()

    def _own_key(self, zone: str) -> str:
        return f"{zone}/{names.OWN_SITE}/ingest-{self._ident}"

    def _finish(self) -> None:
        self._forward()
        self._store.stop(1.5)
        self._acknowledge()
        self._connection.close()


def _quarantine_lines(entries: list[Entry]) -> list[bytes]:
    counts = Counter((entry.code, entry.at) for entry in entries)
    return [f"{names.QUARANTINED},code={code} n={n}i {at}".encode() for (code, at), n in counts.items()]
