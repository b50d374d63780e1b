"""The MQTT connection: paho's client over a socket that reads and writes in bulk.

paho reads a packet byte by byte and writes every acknowledgement with a system call of its own. Over this
socket a burst of messages costs one read and their acknowledgements one write, for us and for the broker.
MQTT 3.1.1, because paho spends twice the CPU on MQTT 5 packets; publishers may speak either.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger("parkwatch.ingest")

_READ = 262_144
_KEEPALIVE = 30


class Plain(Protocol):
    """What is needed of the socket below."""

    def recv(self, size: int, /) -> bytes:
        """As of a socket."""

    def send(self, data: bytes | bytearray, /) -> int:
        """As of a socket."""

    def fileno(self) -> int:
        """As of a socket."""

    def close(self) -> None:
        """As of a socket."""

    def setblocking(self, flag: bool, /) -> None:  # noqa: FBT001 - the socket interface
        """As of a socket."""

    def settimeout(self, seconds: float | None, /) -> None:
        """As of a socket."""


class BulkSocket:
    """A connected socket with a read buffer, and a write buffer that :meth:`flush` empties.

    Offers what paho uses of a socket. ``drained`` tells that the last read found nothing more.
    """

    def __init__(self, sock: Plain) -> None:
        self._sock = sock
        self._input = b""
        self._position = 0
        self._output = bytearray()
        self.drained = False

    def recv(self, size: int) -> bytes:
        """Read up to ``size`` bytes; raises ``BlockingIOError`` when nothing is there."""
        end = self._position + size
        data = self._input[self._position : end]
        if data:
            self._position = end
            return data
        try:
            self._input = self._sock.recv(_READ)
        except (BlockingIOError, ssl.SSLWantReadError):
            self._input, self._position, self.drained = b"", 0, True
            raise
        self.drained = False
        self._position = size
        return self._input[:size]

    def send(self, data: bytes | bytearray) -> int:
        """Put ``data`` into the write buffer."""
        self._output += data
        return len(data)

    def flush(self) -> bool:
        """Send what is buffered; false if the network has not taken everything yet. Raises ``OSError``."""
        while self._output:
            try:
                sent = self._sock.send(self._output)
            except (BlockingIOError, ssl.SSLWantWriteError):
                return False
            del self._output[:sent]
        return True

    @property
    def unread(self) -> bool:
        """Whether bytes wait in the read buffer (or in TLS), where ``select`` does not see them."""
        pending = self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0
        return self._position < len(self._input) or pending > 0

    def fileno(self) -> int:
        """The socket's file descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the socket, after a last try to send what is buffered (paho closes right behind DISCONNECT)."""
        with contextlib.suppress(OSError):
            self.flush()
        self._sock.close()

    def setblocking(self, flag: bool) -> None:  # noqa: FBT001 - the socket interface
        """As of a socket."""
        self._sock.setblocking(flag)

    def settimeout(self, seconds: float | None) -> None:
        """As of a socket."""
        self._sock.settimeout(seconds)


class _BulkClient(mqtt.Client):
    """paho's client with its connected socket wrapped."""

    bulk: BulkSocket | None = None

    def _create_socket(self) -> BulkSocket:
        self.bulk = BulkSocket(cast("Plain", super()._create_socket()))
        return self.bulk


class Message(NamedTuple):
    """A message as it came: ``mid`` is 0 at QoS 0, ``retained`` ones were published at any time before.

    ``generation`` counts connections: an acknowledgement of an older one is dropped, since the broker delivers
    those messages again, under ids that may by then mean another message. A topic that is no UTF-8 is bytes.
    """

    topic: str | bytes
    payload: bytes
    mid: int
    generation: int
    retained: bool


OnMessage = Callable[[Message], None]


class Connection:
    """A persistent MQTT session that is driven by its owner's loop.

    ``on_message`` gets every :class:`Message`. The session is left with ``subscriptions`` and without ``former``.
    """

    def __init__(
        self,
        url: str,
        client_id: str,
        subscriptions: list[str],
        former: list[str],
        on_message: OnMessage,
        ca: str | None = None,
    ) -> None:
        self._address = urlsplit(url)
        self._subscriptions = [(topic, 1) for topic in subscriptions]
        self._former = former
        self._on_message = on_message
        self.generation = 0
        self.connected = False
        self._client = _BulkClient(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            clean_session=False,
            protocol=mqtt.MQTTv311,
            manual_ack=True,
        )
        if self._address.username:
            self._client.username_pw_set(unquote(self._address.username), unquote(self._address.password or ""))
        if self._address.scheme == "mqtts":
            self._client.tls_set(ca_certs=ca)
        self._client.on_connect = self._connected
        self._client.on_subscribe = self._subscribed
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._received

    @property
    def where(self) -> str:
        """The broker's address, without secrets."""
        return f"{self._address.hostname}:{self._port}"

    @property
    def _port(self) -> int:
        return self._address.port or (8883 if self._address.scheme == "mqtts" else 1883)

    def open(self) -> None:
        """Connect; raises ``OSError``. The session is there when ``connected`` says so."""
        self._client.connect(self._address.hostname or "127.0.0.1", self._port, keepalive=_KEEPALIVE)

    def socket(self) -> BulkSocket | None:
        """The socket to wait on, or ``None`` while there is none."""
        return self._client.bulk if self._client.socket() is not None else None

    def read(self, most: int, count: Callable[[], int]) -> None:
        """Take what is there, until ``count()`` reaches ``most`` messages."""
        bulk = self.socket()
        if bulk is None:
            return
        bulk.drained = False
        while not bulk.drained and count() < most and self._client.loop_read() == MQTTErrorCode.MQTT_ERR_SUCCESS:
            pass
        if self._client.want_write():
            # What a callback sends, such as the SUBSCRIBE after a CONNACK, paho only queues.
            self._client.loop_write()

    def acknowledge(self, mid: int, generation: int) -> None:
        """Acknowledge a message, if it came over the connection that still stands."""
        if generation == self.generation and self.connected:
            self._client.ack(mid, 1)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1; while the broker is away nothing is queued."""
        if self.connected:
            self._client.publish(topic, payload, qos=1)

    def maintain(self) -> None:
        """Keep-alive and writing; call it every second or sooner."""
        self._client.loop_misc()
        self.flush()

    def flush(self) -> None:
        """Send what has been written."""
        bulk = self.socket()
        if bulk is None:
            return
        try:
            bulk.flush()
        except OSError as error:
            self.lose(f"writing failed: {error}")

    def lose(self, why: str) -> None:
        """Give the connection up, as if the network had broken it."""
        log.warning("MQTT connection to %s given up: %s", self.where, why)
        bulk = self.socket()
        if bulk is not None:
            bulk.close()
        self._client.loop_read()

    def close(self) -> None:
        """Disconnect; the broker keeps the session and what it holds for us."""
        self._client.disconnect()

    def _connected(
        self, client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        if code.is_failure:
            log.error("MQTT broker at %s refuses us: %s", self.where, code)
            return
        self.generation += 1
        self.connected = True
        # The session may hold what it subscribed to when it was run in the other way.
        client.unsubscribe(self._former)
        client.subscribe(self._subscriptions)

    def _subscribed(
        self, _client: mqtt.Client, _data: object, _mid: int, codes: list[ReasonCode], _props: object
    ) -> None:
        refused = [topic for (topic, _), code in zip(self._subscriptions, codes, strict=False) if code.is_failure]
        if refused:
            log.error("MQTT broker at %s refuses the subscriptions %s: check its ACL", self.where, refused)
            return
        log.info("connected to the MQTT broker at %s", self.where)

    def _disconnected(
        self, _client: mqtt.Client, _data: object, _flags: object, code: ReasonCode, _props: object
    ) -> None:
        if self.connected and code.is_failure:
            log.warning("MQTT connection to %s lost: %s", self.where, code)
        self.connected = False

    def _received(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        try:
            topic: str | bytes = message.topic
        except UnicodeDecodeError:
            topic = bytes(message._topic)  # noqa: SLF001 - the only way to a topic that is no UTF-8
        mid = message.mid if message.qos else 0
        self._on_message(Message(topic, bytes(message.payload), mid, self.generation, message.retain))
