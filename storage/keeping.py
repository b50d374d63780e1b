"""Streams of Redis on their way to InfluxDB: copied behind a cursor, counted, nothing dropped unseen."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod

import msgspec
import redis

from storage import names, stored

log = logging.getLogger("parkwatch.storage")

_PAGE = 2_000


class Cursor(msgspec.Struct, frozen=True):
    """How far the journal has been copied: the id of the last entry, and its number since the stream began."""

    last: str = "0-0"
    number: int = 0


class StreamKeeper(ABC):
    """Copies a stream, behind a cursor that only moves once InfluxDB has taken an entry.

    Entries that Redis has trimmed before they could be copied are counted as ``<name>.lost``, those that InfluxDB will
    never take as ``<name>.rejected``, and logged. ``waiting`` is how many were left at the last look.
    """

    def __init__(self, client: redis.Redis, stream: str, cursor: str, name: str) -> None:
        self._client = client
        self._stream = stream
        self._cursor = cursor
        self._name = name
        self.waiting = 0

    @abstractmethod
    def keep(self, entries: list[stored.StreamEntry], refused: list[str]) -> None:
        """Write ``entries``; what will never be taken is told by :meth:`refuse`. Raises ``InfluxUnavailable``."""

    def copy(self, most: int = _PAGE) -> int:
        """Copy the next entries, at most ``most``; return how many.

        Raises ``redis.RedisError`` or :class:`storage.influx.InfluxUnavailable`: they come again.
        """
        cursor, info, entries = self._next(most)
        lost = max(0, info.trimmed - cursor.number)
        number = cursor.number + lost
        self.waiting = info.added - number
        if lost:
            log.error("%d entries of the %s left Redis before InfluxDB had taken them: they are lost", lost, self._name)
        refused: list[str] = []
        self.keep(entries, refused)
        if entries or lost:
            last = entries[-1][0] if entries else cursor.last
            moved = Cursor(last, number + len(entries))
            self._move(moved, {"kept": len(entries) - len(refused), "rejected": len(refused), "lost": lost})
            self.waiting -= len(entries)
        return len(entries)

    def refuse(self, refused: list[str], line: str, why: str) -> None:
        """Say that a line will never be taken."""
        log.error("an entry of the %s can't be kept in InfluxDB: %s: %s", self._name, why, line[:500])
        refused.append(line)

    def _next(self, most: int) -> tuple[Cursor, stored.StreamInfo, list[stored.StreamEntry]]:
        found = self._client.get(self._cursor)
        cursor = msgspec.json.decode(found, type=Cursor) if found else Cursor()
        info, entries = stored.after(self._client, self._stream, cursor.last, most)
        if info.added < cursor.number:
            # Another stream, begun anew.
            cursor = Cursor()
            info, entries = stored.after(self._client, self._stream, cursor.last, most)
        return cursor, info, entries

    def _move(self, cursor: Cursor, counts: dict[str, int]) -> None:
        pipe = self._client.pipeline(transaction=True)
        pipe.set(self._cursor, msgspec.json.encode(cursor))
        for name, count in counts.items():
            if count:
                pipe.hincrby(names.COUNTERS, f"{self._name}.{name}", count)
        pipe.execute()
