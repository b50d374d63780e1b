"""Replay: a recording goes out over MQTT as if it happened now.

Row ``i`` gets the event time ``start + i / rate``, so that every reading has a time of its own, rising from row to
row, and none is published before its time has come. When publishing can't keep up (a broker that was away), the
rows that are left move to later times rather than arrive late.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from field.clock import Clock, SystemClock
from field.descriptor import describe
from field.recording import Recording
from field.replay_map import Column
from field.simulated import encode
from park.topics import PREFIX
from storage.mqtt import Broker, BrokerSettings, Connection, Outage

#: Rows per second at most: event times are whole milliseconds, and each row has its own.
MAX_RATE = 1000.0

#: Rows per message at most, so that a message stays well under the size that ingest takes.
MAX_PER_MESSAGE = 1000

# Several ingest processes share the load: each has to learn of the sensors before the first reading comes.
_SETTLE = 1000
_BEHIND = 2000
_REPORT_EVERY = 100


@dataclass(frozen=True)
class Pace:
    """How fast: ``rate`` rows per second (at most 1000), ``per_message`` rows in one message.

    With one row per message every reading is a message of its own on its quantity's topic; with more, each
    sensor's rows travel as an array. Raises ``ValueError`` with what to write instead.
    """

    rate: float = 100.0
    per_message: int = 1

    def __post_init__(self) -> None:
        if not 0 < self.rate <= MAX_RATE:
            raise ValueError(f"a rate of {self.rate:g} rows per second can't be; write more than 0, at most 1000")
        if not 1 <= self.per_message <= MAX_PER_MESSAGE:
            raise ValueError(f"{self.per_message} rows per message can't be; write 1 to {MAX_PER_MESSAGE}")

    def offset(self, row: int) -> int:
        """Time of ``row`` after the start, ms."""
        return int(row * 1000 / self.rate)


@dataclass(frozen=True)
class Progress:
    """How far the replay is, in rows, and how many readings have gone out."""

    rows: int
    of_rows: int
    readings: int


@dataclass(frozen=True)
class Summary:
    """What has been published and acknowledged.

    ``by_quantity`` counts readings, ``missing`` those of them that hold the map's word for "no value".
    ``first_t`` and ``last_t`` are the event times (ms) of the first and the last row.
    """

    rows: int
    readings: int
    messages: int
    by_quantity: Mapping[str, int]
    missing: Mapping[str, int]
    seconds: float
    first_t: int
    last_t: int


class Publisher(Protocol):
    """What the replay needs of a connection."""

    def publish(self, topic: str, payload: bytes, stop: threading.Event, *, retain: bool = False) -> None:
        """Publish at QoS 1; waits while too much is unanswered."""

    def drain(self, stop: threading.Event) -> None:
        """Wait for every acknowledgement."""


def replay(
    recording: Recording,
    settings: BrokerSettings,
    pace: Pace,
    report: Callable[[Progress], None],
    stop: threading.Event | None = None,
    clock: Clock | None = None,
) -> Summary:
    """Publish ``recording`` and wait until the broker has acknowledged all of it.

    A broker that is away is waited for. Raises :class:`storage.mqtt.Stopped` when ``stop`` is set before the
    end, :class:`storage.mqtt.RefusedError` if the broker does not want us, ``ValueError`` for its address.
    """
    broker = Broker.of(settings)
    connection = Connection(broker, "parkwatch-replay", Outage(broker.where))
    stopping = stop or threading.Event()
    connection.open()
    try:
        connection.wait_until_up(stopping)
        return play(recording, connection, pace, report, stopping, clock or SystemClock())
    finally:
        connection.close()
        connection.join()


def play(
    recording: Recording,
    publisher: Publisher,
    pace: Pace,
    report: Callable[[Progress], None],
    stop: threading.Event,
    clock: Clock,
) -> Summary:
    """As :func:`replay`, over a connection that stands."""
    began = clock.now_ms()
    for sensor, descriptor in recording.map.descriptors().items():
        publisher.publish(f"{PREFIX}/{sensor}/$meta", encode(describe(descriptor)), stop, retain=True)
    publisher.drain(stop)
    clock.wait(_SETTLE, stop)
    player = _Player(recording, publisher, pace, stop, clock)
    player.play(report)
    publisher.drain(stop)
    return player.summary((clock.now_ms() - began) / 1000)


class _Player:
    """Publishes the rows in their time."""

    def __init__(
        self, recording: Recording, publisher: Publisher, pace: Pace, stop: threading.Event, clock: Clock
    ) -> None:
        self._recording = recording
        self._publisher = publisher
        self._pace = pace
        self._stop = stop
        self._clock = clock
        self._start = clock.now_ms()
        self._first: int | None = None
        self._last = 0
        self._messages = 0
        self._readings: Counter[str] = Counter()
        self._missing: Counter[str] = Counter()

    def play(self, report: Callable[[Progress], None]) -> None:
        """Publish every row; ``report`` hears about it several times a second."""
        total = len(self._recording.rows)
        reported = self._start - _REPORT_EVERY
        step = self._pace.per_message
        for begin in range(0, total, step):
            batch = range(begin, min(begin + step, total))
            times = self._times(batch)
            self._publish(batch, times)
            now = self._clock.now_ms()
            if now - reported >= _REPORT_EVERY or batch.stop == total:
                report(Progress(batch.stop, total, self._readings.total()))
                reported = now

    def summary(self, seconds: float) -> Summary:
        """Return what has been published."""
        return Summary(
            rows=len(self._recording.rows),
            readings=self._readings.total(),
            messages=self._messages,
            by_quantity=dict(self._readings),
            missing=dict(self._missing),
            seconds=seconds,
            first_t=self._first or 0,
            last_t=self._last,
        )

    def _times(self, batch: range) -> list[int]:
        """Wait until the whole batch has happened; return the event time of each row."""
        last = batch[-1]
        self._catch_up(self._start + self._pace.offset(last))
        due = self._start + self._pace.offset(last)
        while (left := due - self._clock.now_ms()) > 0:
            self._clock.wait(left, self._stop)
            if self._stop.is_set():
                break
        times = [self._start + self._pace.offset(row) for row in batch]
        self._first = times[0] if self._first is None else self._first
        self._last = times[-1]
        return times

    def _catch_up(self, due: int) -> None:
        """Move what is left to the present if its time is long gone."""
        behind = self._clock.now_ms() - due
        if behind > _BEHIND:
            self._start += behind

    def _publish(self, batch: range, times: list[int]) -> None:
        if self._pace.per_message == 1:
            self._one_by_one(batch[0], times[0])
            return
        by_sensor: dict[str, list[dict[str, object]]] = {}
        for row, t in zip(batch, times, strict=True):
            for sensor, moment in self._moments(row, t).items():
                by_sensor.setdefault(sensor, []).append(moment)
        for sensor, moments in by_sensor.items():
            self._send(f"{PREFIX}/{sensor}", encode(moments))

    def _one_by_one(self, row: int, t: int) -> None:
        for column, value in self._values(row):
            payload = {"v": value, "t": t, "u": column.own.unit}
            self._send(f"{PREFIX}/{column.sensor}/{column.quantity}", encode(payload))

    def _moments(self, row: int, t: int) -> dict[str, dict[str, object]]:
        """Return one object per sensor with all its values at ``t``."""
        values: dict[str, dict[str, float]] = {}
        sent_in: dict[str, dict[str, str]] = {}
        for column, value in self._values(row):
            values.setdefault(column.sensor, {})[column.quantity] = value
            sent_in.setdefault(column.sensor, {})[column.quantity] = column.own.unit
        return {sensor: {"t": t, "v": own, "u": sent_in[sensor]} for sensor, own in values.items()}

    def _values(self, row: int) -> list[tuple[Column, float]]:
        """Return the row's values, and count them."""
        replay_map = self._recording.map
        cells = zip(replay_map.columns, self._recording.rows[row], strict=True)
        found = [(column, value) for column, value in cells if value is not None]
        for column, value in found:
            self._readings[column.quantity] += 1
            self._missing[column.quantity] += value in replay_map.missing
        return found

    def _send(self, topic: str, payload: bytes) -> None:
        self._publisher.publish(topic, payload, self._stop)
        self._messages += 1
