"""Readings of meters that reach InfluxDB out of the spool, long after they reached us: their hours are made again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

import redis

from ingest.lines import head
from park.catalogue import Catalogue
from park.means import HOUR, MINUTE, Span
from storage.clock import Clock
from storage.flows import note_late

#: ms after its end in which an hour is not settled for certain: what is stored until then needs no mark.
_ON_ITS_WAY = MINUTE


class LateMeters:
    """Notes which hours of meters are in lines that have only now been stored."""

    def __init__(self, client: redis.Redis, clock: Clock, catalogue: Callable[[], Catalogue]) -> None:
        self._client = client
        self._clock = clock
        self._catalogue = catalogue
        self._known: Catalogue | None = None
        self._meters: Mapping[bytes, str] = {}

    def note(self, lines: bytes) -> None:
        """Note the hours of meters that are in ``lines`` and may have been settled. Raises ``redis.RedisError``."""
        now = self._clock.now()
        for series, hours in self._hours(lines).items():
            over = {hour for hour in hours if hour + HOUR + _ON_ITS_WAY <= now}
            note_late(self._client, sorted(over), now, series)

    def _hours(self, lines: bytes) -> dict[str, set[int]]:
        meters = self._heads()
        found: defaultdict[str, set[int]] = defaultdict(set)
        for line in lines.split(b"\n") if meters else ():
            series, t = meters.get(line[: line.find(b" ") + 1]), line[line.rfind(b" ") + 1 :]
            # A text of somebody else's may look like the beginning of one of our lines.
            if series is not None and t.isdigit():
                found[series].add(Span.HOUR.begin(int(t)))
        return found

    def _heads(self) -> Mapping[bytes, str]:
        catalogue = self._catalogue()
        if catalogue is not self._known:
            self._meters = {head(flow.meter).encode(): flow.meter for flow in catalogue.economy.flows.values()}
            self._known = catalogue
        return self._meters
