"""The MQTT connection: paho's client over a socket that reads and writes in bulk.

paho reads a packet byte by byte and writes every acknowledgement with a system call of its own. Over this
socket a burst of messages costs one read and their acknowledgements one write, for us and for the broker.
MQTT 3.1.1, because paho spends twice the CPU on MQTT 5 packets; publishers may speak either.
"""

from __future__ import annotations

import contextlib
import logging
import ssl
import time
from collections.abc import Callable
from typing import NamedTuple, Protocol, cast
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.exception import MalformedPacket
from paho.mqtt.reasoncodes import ReasonCode

log = logging.getLogger("parkwatch.ingest")

_READ = 262_144
#: MQTT 3.1.1: the kind of a packet and PUBLISH's flags in its first byte, the bytes of its length, PUBACK's head.
_KIND, _PUBLISH, _QOS, _RETAINED = 0xF0, 0x30, 0x06, 0x01
_LENGTH_DIGITS, _MORE_DIGITS = 4, 0x80
_PUBACK = b"\x40\x02"
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
        """As of a socket; packets are taken by :meth:`packet`."""
        return self._sock.recv(size)

    def packet(self) -> tuple[int, bytes] | None:
        """Take the next whole MQTT packet: its first byte, and what follows its length.

        ``None`` if it is not all there yet. Raises ``ConnectionError`` when the other side has closed, other
        ``OSError`` when the network breaks, ``ValueError`` for a length that MQTT does not know.
        """
        while (packet := self._whole()) is None:
            try:
                more = self._sock.recv(_READ)
            except (BlockingIOError, ssl.SSLWantReadError):
                self.drained = True
                return None
            if not more:
                raise ConnectionResetError("the broker has closed the connection")
            self._input = self._input[self._position :] + more
            self._position = 0
        return packet

    def _whole(self) -> tuple[int, bytes] | None:
        data, start = self._input, self._position
        length = 0
        for digit in range(_LENGTH_DIGITS):
            at = start + 1 + digit
            if at >= len(data):
                return None
            length |= (data[at] & 0x7F) << 7 * digit
            if data[at] < _MORE_DIGITS:
                end = at + 1 + length
                if end > len(data):
                    return None
                self._position = end
                return data[start], data[at + 1 : end]
        raise ValueError("the length of an MQTT packet has at most four digits")

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


class _BulkClient(mqtt.Client):
    """paho's client over a :class:`BulkSocket`, with a short way for PUBLISH, which is nearly all that comes.

    paho takes a packet in byte by byte, decodes its topic three times and matches it against filters that nobody
    has set: more than half of what a message costs. Everything but PUBLISH goes paho's own way.
    """

    bulk: BulkSocket | None = None
    generation = 0
    on_publication: OnMessage

    def _create_socket(self) -> BulkSocket:
        self.bulk = BulkSocket(cast("Plain", super()._create_socket()))
        return self.bulk

    def _packet_read(self) -> MQTTErrorCode:
        try:
            packet = self.bulk.packet() if self.bulk else None
        except ValueError:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        except OSError:
            return MQTTErrorCode.MQTT_ERR_CONN_LOST
        return self._take(*packet) if packet else MQTTErrorCode.MQTT_ERR_AGAIN

    def _take(self, head: int, body: bytes) -> MQTTErrorCode:
        self._last_bytes_received = time.monotonic()
        if head & _KIND == _PUBLISH:
            return self._publication(head, body)
        self._in_packet["command"] = head
        self._in_packet["packet"] = bytearray(body)
        self._in_packet["remaining_length"] = len(body)
        self._in_packet["pos"] = 0
        try:
            return self._packet_handle()
        except MalformedPacket:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL

    def _publication(self, head: int, body: bytes) -> MQTTErrorCode:
        """PUBLISH: the topic behind its length, the id unless QoS 0, the payload."""
        end = 2 + int.from_bytes(body[:2], "big")
        rest = end + 2 if head & _QOS else end
        if len(body) < rest:
            return MQTTErrorCode.MQTT_ERR_PROTOCOL
        raw = body[2:end]
        try:
            topic: str | bytes = raw.decode()
        except UnicodeDecodeError:
            topic = raw
        mid = int.from_bytes(body[end:rest], "big")
        self.on_publication(Message(topic, body[rest:], mid, self.generation, bool(head & _RETAINED)))
        return MQTTErrorCode.MQTT_ERR_SUCCESS


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
        self.connected = False
        self._refusal = ""
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
        self._client.on_publication = on_message

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
        if generation == self._client.generation and self.connected and self._client.bulk:
            self._client.bulk.send(_PUBACK + mid.to_bytes(2, "big"))

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
            if self._refusal != str(code):
                log.error("MQTT broker at %s refuses us: %s; trying again", self.where, code)
            self._refusal = str(code)
            return
        self._refusal = ""
        self._client.generation += 1
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
