"""Hand-over: readings into the inbox of their shard, and the doorbell where the inbox was empty."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

import redis
from celery import Celery
from kombu.exceptions import OperationalError

from park.catalogue import Catalogue
from park.readings import Reading, split_series
from park.sharding import shard_of
from storage import names
from storage.queue import AWAY, ring
from storage.states import encode_batch

BATCH = 500


class HandoverFailed(Exception):
    """Redis did not take it; nothing is lost, hand it over again (a batch that arrives twice is harmless)."""


class Handover:
    """Hands readings to the workers of their shards."""

    def __init__(self, client: redis.Redis, app: Celery, catalogue: Catalogue) -> None:
        self._client = client
        self._app = app
        self._catalogue = catalogue
        self._shards: dict[str, str] = {}

    def send(self, readings: Iterable[Reading]) -> None:
        """Put ``readings`` into the inboxes, in order, at most ``BATCH`` a piece; raises :class:`HandoverFailed`."""
        by_shard: defaultdict[str, list[Reading]] = defaultdict(list)
        for reading in readings:
            by_shard[self._shard(reading.series)].append(reading)
        try:
            for shard, theirs in by_shard.items():
                batches = [encode_batch(part) for part in _cut(theirs)]
                pipe = self._client.pipeline(transaction=True)
                pipe.rpush(names.inbox(shard), *batches)
                pipe.exists(names.attended(shard))
                length, attended = pipe.execute()
                # A worker at its inbox needs no doorbell, and one that found an inbox full has been rung for.
                # Should a doorbell be lost, the sweep looks into the inbox too.
                if length == len(batches) and not attended:
                    ring(self._app, shard)
        except (*AWAY, OperationalError) as error:
            raise HandoverFailed(f"Redis does not take readings ({error})") from error

    def _shard(self, series: str) -> str:
        known = self._shards.get(series)
        if known is None:
            zone, site, _, _ = split_series(series)
            known = self._shards[series] = shard_of(zone, site, self._catalogue.zones[zone].shards)
        return known


def _cut(readings: Sequence[Reading]) -> Iterator[Sequence[Reading]]:
    return (readings[start : start + BATCH] for start in range(0, len(readings), BATCH))
