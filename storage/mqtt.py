"""A publisher's MQTT connection (paho-mqtt 2, MQTT 3.1.1, QoS 1) with a bounded number of unanswered messages.

The simulated park, the replay and the watchdog publish over it; ingest, which reads in bulk, has one of its own.
"""

from __future__ import annotations

import logging
import secrets
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger("parkwatch.mqtt")

#: Messages that may wait for their PUBACK before the next one has to wait.
IN_FLIGHT = 500

_KEEPALIVE = 15
_SLOWEST = 30
_LOOK = 0.2
# Ten gateways on a broker that hangs must still say goodbye within two seconds.
_PATIENCE = 0.15

# Reason codes that no waiting will change: client identifier, user or password, authorisation.
_NOT_WANTED = frozenset({0x85, 0x86, 0x87})


class BrokerSettings(Protocol):
    """The part of the settings that a publisher needs."""

    @property
    def mqtt_url(self) -> str:
        """``mqtt://`` or ``mqtts://``, user and password if wanted, host, port."""

    @property
    def mqtt_ca(self) -> str | None:
        """File of the certificate authority for ``mqtts://``; ``None`` is the system's."""


class Stopped(Exception):
    """The work was told to stop before it was done."""


class RefusedError(Exception):
    """The broker answers but will not have us; the text says why and what to set."""


@dataclass(frozen=True)
class Announcement:
    """A retained message that goes out every time the connection is made."""

    topic: str
    payload: bytes


class Outage:
    """Says once that the broker is away, and once that it is back, for all the connections that share it."""

    def __init__(self, where: str) -> None:
        self._where = where
        self._lock = threading.Lock()
        self._away = False

    def away(self, why: str) -> None:
        """Log that the broker can't be reached, unless that is known."""
        with self._lock:
            if not self._away:
                log.warning("the MQTT broker at %s is away (%s); trying again until it is back", self._where, why)
            self._away = True

    def back(self) -> None:
        """Log that the broker answers again, if it was away."""
        with self._lock:
            if self._away:
                log.info("the MQTT broker at %s is back", self._where)
            self._away = False


@dataclass(frozen=True)
class Broker:
    """Where the broker is and how to speak to it."""

    host: str
    port: int
    tls: bool
    ca: str | None
    user: str | None
    password: str | None

    @classmethod
    def of(cls, settings: BrokerSettings) -> Broker:
        """Read the address from ``settings``; raises ``ValueError`` with what to write instead."""
        url = urlsplit(settings.mqtt_url)
        if url.scheme not in {"mqtt", "mqtts"} or not url.hostname:
            raise ValueError("the MQTT address can't be used; write PARKWATCH_MQTT_URL as mqtt://host:1883")
        tls = url.scheme == "mqtts"
        return cls(
            host=url.hostname,
            port=url.port or (8883 if tls else 1883),
            tls=tls,
            ca=settings.mqtt_ca,
            user=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
        )

    @property
    def where(self) -> str:
        """The address for people, without secrets."""
        return f"{self.host}:{self.port}"


class Connection:
    """A client's connection: publishes at QoS 1, waits while too much is unanswered, and comes back by itself.

    What is published while the broker is away is kept (as far as the window allows) and sent when it is back.
    ``announcements`` are published, retained, whenever the connection is made; ``will`` is what the broker says,
    retained, when the connection breaks without a goodbye. ``slowest`` is the most seconds between two attempts.
    """

    def __init__(
        self,
        broker: Broker,
        name: str,
        outage: Outage,
        *,
        announcements: Sequence[Announcement] = (),
        will: Announcement | None = None,
        in_flight: int = IN_FLIGHT,
        slowest: int = _SLOWEST,
    ) -> None:
        self._broker = broker
        self._outage = outage
        self._announcements = announcements
        self._in_flight = in_flight
        self._unanswered = 0
        self._answered = threading.Condition()
        self._up = threading.Event()
        self._refusal: str | None = None
        self._vanishing = False
        self._client = self._new_client(name, will)
        # Seconds between attempts to connect: from one, doubled.
        self._client.reconnect_delay_set(1, slowest)

    def open(self) -> None:
        """Begin to connect, in the background, until it works."""
        self._client.connect_async(self._broker.host, self._broker.port, keepalive=_KEEPALIVE)
        self._client.loop_start()

    @property
    def up(self) -> bool:
        """Whether the connection stands."""
        return self._up.is_set()

    @property
    def unanswered(self) -> int:
        """Messages without a PUBACK."""
        return self._unanswered

    @property
    def refusal(self) -> str | None:
        """Why the broker will not have us, and what to do; ``None`` if it has not said so."""
        return self._refusal

    def wait_until_up(self, stop: threading.Event) -> None:
        """Wait for the connection. Raises :class:`Stopped`, or :class:`RefusedError` if the broker declines."""
        while not self._up.wait(_LOOK):
            self._check(stop)

    def publish(self, topic: str, payload: bytes, stop: threading.Event, *, retain: bool = False) -> None:
        """Publish at QoS 1; waits while the window is full. Raises as :meth:`wait_until_up`."""
        with self._answered:
            while self._unanswered >= self._in_flight:
                self._check(stop)
                self._answered.wait(_LOOK)
        self._send(topic, payload, retain=retain)

    def drain(self, stop: threading.Event) -> None:
        """Wait for every PUBACK. Raises as :meth:`wait_until_up`."""
        with self._answered:
            while self._unanswered:
                self._check(stop)
                self._answered.wait(_LOOK)

    def close(self, farewell: Announcement | None = None) -> None:
        """Say ``farewell``, wait a moment for the answers and disconnect; :meth:`join` waits for the rest."""
        if self.up:
            if farewell is not None:
                self._send(farewell.topic, farewell.payload, retain=True)
            with self._answered:
                self._answered.wait_for(lambda: not self._unanswered, _PATIENCE)
        self._client.disconnect()

    def join(self) -> None:
        """Wait for the network thread to end after :meth:`close`: about a second if the broker is away."""
        self._client.loop_stop()

    def vanish(self) -> None:
        """Break the connection without a goodbye, as when a cable is cut: the broker publishes the will."""
        self._vanishing = True
        sock = self._client.socket()
        if isinstance(sock, socket.socket):
            # The peer may have closed it a moment earlier.
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        else:
            self._client.disconnect()
        self._client.loop_stop()

    def _new_client(self, name: str, will: Announcement | None) -> mqtt.Client:
        broker = self._broker
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            # Two simulators must not throw each other out.
            client_id=f"{name}-{secrets.token_hex(4)}",
            clean_session=True,
            protocol=mqtt.MQTTv311,
        )
        # The window is ours: paho's own would count what it has not sent yet.
        client.max_inflight_messages_set(0)
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if broker.tls:
            client.tls_set(ca_certs=broker.ca)
        if will is not None:
            client.will_set(will.topic, will.payload, qos=1, retain=True)
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_disconnect = self._disconnected
        client.on_publish = self._acknowledged
        return client

    def _send(self, topic: str, payload: bytes, *, retain: bool) -> None:
        with self._answered:
            self._unanswered += 1
        self._client.publish(topic, payload, qos=1, retain=retain)

    def _check(self, stop: threading.Event) -> None:
        if self._refusal is not None:
            raise RefusedError(self._refusal)
        if stop.is_set():
            raise Stopped

    def _connected(
        self, client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _properties: Properties | None
    ) -> None:
        del client
        if code.is_failure:
            self._declined(code)
            return
        self._refusal = None
        self._outage.back()
        for announcement in self._announcements:
            self._send(announcement.topic, announcement.payload, retain=True)
        self._up.set()

    def _declined(self, code: ReasonCode) -> None:
        if code.value not in _NOT_WANTED:
            self._outage.away(str(code))
            return
        self._refusal = (
            f"the MQTT broker at {self._broker.where} refuses the connection ({code}); "
            "put a user and password that it knows into PARKWATCH_MQTT_URL"
        )

    def _unreachable(self, _client: mqtt.Client, _data: object) -> None:
        self._outage.away("no connection")

    def _disconnected(
        self, client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _properties: Properties | None
    ) -> None:
        self._up.clear()
        if self._vanishing:
            # The socket is gone, so this sends nothing: it only ends paho's attempts to reconnect.
            client.disconnect()
        elif code.is_failure and self._refusal is None:
            self._outage.away(str(code))

    def _acknowledged(
        self, _client: mqtt.Client, _data: object, _mid: int, _code: ReasonCode, _properties: Properties | None
    ) -> None:
        with self._answered:
            self._unanswered -= 1
            self._answered.notify_all()
