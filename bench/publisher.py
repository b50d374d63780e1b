"""A publisher that costs little, so that what is measured is the service: MQTT 3.1.1 over a bare socket, QoS 1.

Readings go out in even steps of 5 ms. Now and then one of them crosses a limit: a probe, on a sensor of its own.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

STEP = 0.005


@dataclass(frozen=True, slots=True)
class Load:
    """What is published: ``rate`` readings/s over ``sensors`` sensors, ``probes`` crossings/s, for ``seconds``.

    ``per_message`` readings travel in one message (an array of the contract). ``probe_value`` (mg/m³ of H2S) is what
    crosses.
    """

    rate: int
    seconds: float
    sensors: int = 500
    probes: float = 10.0
    per_message: int = 1
    probe_value: float = 50.0


@dataclass(slots=True)
class Sent:
    """What went out: count of readings, and the moment (ns) of each probe by its sensor."""

    readings: int = 0
    probes: dict[str, int] = field(default_factory=dict)


class Publisher:
    """One connection; acknowledgements are read and thrown away by a thread."""

    def __init__(self, url: str) -> None:
        address = urlsplit(url)
        self._socket = socket.create_connection((address.hostname, address.port))
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connect = b"\x00\x04MQTT\x04\x02\x00\x00" + _text("parkwatch-bench")
        self._socket.sendall(b"\x10" + _length(len(connect)) + connect)
        self._socket.recv(4)
        self._mid = 0
        threading.Thread(target=self._swallow, daemon=True).start()

    def publish(self, load: Load, zones: list[str], run: int) -> Sent:
        """Publish ``load`` evenly and say what went out."""
        sent = Sent()
        begin = time.perf_counter()
        step = 0
        probes = 0
        while (now := time.perf_counter() - begin) < load.seconds:
            due = int(now * load.rate)
            packets = bytearray()
            while sent.readings < due:
                packets += self._reading(load, zones, sent.readings)
                sent.readings += load.per_message
            if load.probes and now >= (probes + 1) / load.probes:
                probes += 1
                name = f"probe-{run}-{probes}"
                packets += self._packet(
                    f"park/{zones[probes % len(zones)]}/bench/{name}/h2s", _sample(load.probe_value)
                )
                sent.probes[name] = time.time_ns()
                sent.readings += 1
            self._socket.sendall(packets)
            step += 1
            time.sleep(max(begin + step * STEP - time.perf_counter(), 0))
        return sent

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def _reading(self, load: Load, zones: list[str], number: int) -> bytes:
        sensor = (number // load.per_message) % load.sensors
        place = f"park/{zones[sensor % len(zones)]}/site-{sensor % 10}/sensor-{sensor}"
        if load.per_message == 1:
            return self._packet(f"{place}/h2s", _sample(1.0 + number % 7 / 10))
        now = time.time_ns() // 1_000_000
        samples = [{"v": {"h2s": 1.0 + k / 10}, "t": now - load.per_message + k} for k in range(load.per_message)]
        return self._packet(place, json.dumps(samples).encode())

    def _packet(self, topic: str, payload: bytes) -> bytes:
        self._mid = self._mid % 65_535 + 1
        body = _text(topic) + self._mid.to_bytes(2, "big") + payload
        return b"\x32" + _length(len(body)) + body

    def _swallow(self) -> None:
        try:
            while self._socket.recv(65_536):
                pass
        except OSError:
            return


def _sample(value: float) -> bytes:
    return b'{"v":%.1f,"t":%d}' % (value, time.time_ns() // 1_000_000)


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _length(length: int) -> bytes:
    encoded = bytearray()
    while True:
        length, digit = divmod(length, 128)
        encoded.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(encoded)
