"""What has happened to one alarm: its latest entries from Redis, what is older from InfluxDB."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import redis

from park.alarms import Transition
from storage import names
from storage.history import END, Entry, History, recent
from storage.influx import InfluxUnavailable, LinesRejected
from storage.states import decode_transition

#: How many entries of Redis' journal are looked at for one alarm while InfluxDB does not answer.
_FARTHEST = 20_000


@dataclass(frozen=True, slots=True)
class Trace:
    """Transitions of one alarm, newest first; not ``whole``: InfluxDB did not answer, which may know older ones."""

    transitions: tuple[Transition, ...]
    whole: bool


class Traces:
    """Reads what has happened to alarms."""

    def __init__(self, client: redis.Redis, history: History) -> None:
        self._client = client
        self._history = history

    def of(self, alarm: str, most: int) -> Trace:
        """Return the latest transitions of ``alarm``, at most ``most``. Raises ``redis.RedisError``."""
        latest = self._latest(alarm, most)
        missing, until = most - len(latest), latest[-1][0] if latest else END
        if missing <= 0:
            return Trace(_plain(latest), whole=True)
        try:
            older = self._history.of(alarm, until, missing)
        except (InfluxUnavailable, LinesRejected):
            return Trace(_plain([*latest, *self._held(alarm, until, missing)]), whole=False)
        return Trace(_plain([*latest, *older]), whole=True)

    def _latest(self, alarm: str, most: int) -> list[Entry]:
        """Return the entries that the alarm's own index names, as far as the journal in Redis still has them."""
        ids = [each.decode() for each in cast("list[bytes]", self._client.lrange(names.trace(alarm), 0, most - 1))]
        pipe = self._client.pipeline(transaction=False)
        for each in ids:
            pipe.xrange(names.JOURNAL, each, each)
        found = [entry for entries in pipe.execute() for entry in entries]
        return [(key.decode(), decode_transition(fields[b"transition"])) for key, fields in found]

    def _held(self, alarm: str, until: str, most: int) -> Iterator[Entry]:
        """Yield what else Redis' journal has of the alarm before the entry ``until``."""
        for number, (key, transition) in enumerate(recent(self._client, 0, until)):
            if most <= 0 or number >= _FARTHEST:
                return
            if transition.alarm == alarm:
                most -= 1
                yield key, transition


def _plain(entries: list[Entry]) -> tuple[Transition, ...]:
    return tuple(transition for _, transition in entries)
