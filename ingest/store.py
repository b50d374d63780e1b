"""Storing: lines go to InfluxDB, or to the spool while it is away, in a thread of its own.

Only what is in InfluxDB or safely on disk is reported as done, and only what is done is acknowledged.
"""

from __future__ import annotations

import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from storage.backoff import Backoff
from storage.influx import Influx, InfluxUnavailable, LinesRejected, write_divided
from storage.queue import AWAY
from storage.spool import Chunk, Spool

log = logging.getLogger("parkwatch.ingest")

#: Seconds to let lines gather before a write: InfluxDB and we pay per request more than per line.
GATHER = 0.2
_MOST_LINES = 5_000
_DRAIN_PER_TURN = 4

Token = tuple[int, int]


@dataclass(slots=True)
class Parcel:
    """Lines, how many readings they are, and the messages to acknowledge once they are stored."""

    lines: bytes
    readings: int
    tokens: list[Token] = field(default_factory=list)


class Store:
    """Writes parcels in the order they are put in.

    ``stored(tokens)`` is called, from the storing thread, for what is safe; ``rejected(line, reason)`` for a
    line that InfluxDB will never take; ``late(lines)`` for what has come to InfluxDB out of the spool, which stays
    there until Redis has taken a note of it.
    """

    def __init__(
        self,
        influx: Influx,
        open_spool: Callable[[], Spool],
        stored: Callable[[list[Token]], None],
        rejected: Callable[[str, str], None],
        late: Callable[[bytes], None] = lambda _: None,
    ) -> None:
        self._influx = influx
        self._open_spool = open_spool
        self._stored = stored
        self._rejected = rejected
        self._late = late
        self._written: int | None = None
        self._parcels: queue.Queue[Parcel] = queue.Queue()
        self._stopping = threading.Event()
        self._backoff = Backoff(first=0.5, most=15.0)
        self._retry_at = 0.0
        self._ensured = False
        self.waiting = 0
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="store", daemon=True)

    def start(self) -> None:
        """Begin to store."""
        self._thread.start()

    def put(self, parcel: Parcel) -> None:
        """Store ``parcel`` soon."""
        self._parcels.put(parcel)

    def stop(self, seconds: float) -> None:
        """Finish what was put in, for at most ``seconds``; what isn't done then was never acknowledged."""
        self._stopping.set()
        self._thread.join(seconds)

    @property
    def alive(self) -> bool:
        """Whether the thread still works (it should until it is told to stop)."""
        return self._thread.is_alive()

    def _run(self) -> None:
        spool = self._open_spool()
        try:
            while not (self._stopping.is_set() and self._parcels.empty()):
                parcel = self._gather()
                if parcel:
                    self._keep(spool, parcel)
                self._drain(spool)
                self.waiting = spool.waiting
        finally:
            spool.close()
            self._influx.close()

    def _gather(self) -> Parcel | None:
        try:
            parcel = self._parcels.get(timeout=0.25)
        except queue.Empty:
            return None
        if not self._stopping.is_set():
            self._stopping.wait(GATHER)
        parts = [parcel.lines] if parcel.lines else []
        while parcel.readings < _MOST_LINES:
            try:
                more = self._parcels.get_nowait()
            except queue.Empty:
                break
            if more.lines:
                parts.append(more.lines)
            parcel.readings += more.readings
            parcel.tokens += more.tokens
        parcel.lines = b"\n".join(parts)
        return parcel

    def _keep(self, spool: Spool, parcel: Parcel) -> None:
        if parcel.lines and not self._write(parcel.lines):
            self._spool(spool, parcel)
        self._stored(parcel.tokens)

    def _write(self, lines: bytes) -> bool:
        """Write to InfluxDB; false if it is away."""
        if time.monotonic() < self._retry_at:
            return False
        try:
            self._ensure()
            self._write_or_split(lines)
        except InfluxUnavailable as error:
            if not self._backoff.failures:
                log.error("%s; readings go to the spool on disk until it is back", error)
            self._ensured = False
            self._retry_at = time.monotonic() + self._backoff.next()
            return False
        if self._backoff.succeeded():
            log.warning("InfluxDB is back; the spool drains")
        return True

    def _ensure(self) -> None:
        if not self._ensured:
            self._influx.ensure()
            self._ensured = True

    def _write_or_split(self, lines: bytes) -> None:
        try:
            self._influx.write(lines)
        except LinesRejected:
            write_divided(self._influx.write, lines.split(b"\n"), self._rejected)

    def _spool(self, spool: Spool, parcel: Parcel) -> None:
        backoff = Backoff()
        while True:
            try:
                dropped = spool.add(parcel.lines, parcel.readings)
            except sqlite3.Error as error:
                # A full disk: nothing is acknowledged meanwhile, so the broker keeps what comes.
                log.error("the spool %s can't be written (%s); trying again", spool.path, error)
                if self._stopping.wait(backoff.next()):
                    raise
                continue
            break
        if dropped:
            self.dropped += dropped
            log.error("the spool is full: %d of the oldest readings were dropped", dropped)

    def _drain(self, spool: Spool) -> None:
        try:
            for _ in range(_DRAIN_PER_TURN):
                chunk = spool.oldest() if spool.waiting else None
                if chunk is None or not self._brought(chunk):
                    return
                spool.done(chunk)
                if not spool.waiting:
                    log.info("the spool is empty again")
        except sqlite3.Error as error:
            # What could not be removed is written again, which changes nothing.
            log.error("the spool %s can't be emptied (%s); trying again", spool.path, error)

    def _brought(self, chunk: Chunk) -> bool:
        """Whether a chunk has been written, and it is known that it came late."""
        if chunk.id != self._written and not self._write(chunk.lines):
            return False
        self._written = chunk.id
        try:
            self._late(chunk.lines)
        except AWAY:
            # Whoever hands over says that Redis is away.
            return False
        return True
