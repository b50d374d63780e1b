"""Hand-over: readings into the inbox of their shard, and the doorbell where the inbox was empty."""

from __future__ import annotations

import time
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
#: Seconds after which a worker is rung for again that has not come to its inbox.
_RING_AGAIN = 1.0


class HandoverFailed(Exception):
    """Redis did not take it; nothing is lost, hand it over again (a batch that arrives twice is harmless)."""


class Handover:
    """Hands readings to the workers of their shards."""

    def __init__(self, client: redis.Redis, app: Celery, catalogue: Catalogue) -> None:
        self._client = client
        self._app = app
        self._catalogue = catalogue
        self._shards: dict[str, str] = {}
        self._rung: dict[str, float] = {}

    def send(self, readings: Iterable[Reading]) -> None:
        """Put ``readings`` into the inboxes, in order, at most ``BATCH`` a piece; raises :class:`HandoverFailed`."""
        by_shard: defaultdict[str, list[Reading]] = defaultdict(list)
        for reading in readings:
            by_shard[self._shard(reading.series)].append(reading)
        batches = {shard: [encode_batch(part) for part in _cut(theirs)] for shard, theirs in by_shard.items()}
        try:
            for shard in self._put(batches):
                ring(self._app, shard)
                self._rung[shard] = time.monotonic()
        except (*AWAY, OperationalError) as error:
            raise HandoverFailed(str(error)) from error

    def _put(self, batches: dict[str, list[bytes]]) -> list[str]:
        """Put the batches into their inboxes and return the shards whose worker has to be rung for.

        A worker at its inbox needs no doorbell, and one whose inbox was not empty has been rung for; but a doorbell can
        be lost with Redis, so it is rung again every second.
        """
        pipe = self._client.pipeline(transaction=False)
        for shard, theirs in batches.items():
            pipe.rpush(names.inbox(shard), *theirs)
            pipe.exists(names.attended(shard))
        answers = iter(pipe.execute()) if batches else iter(())
        return [
            shard
            for shard, length, attended in zip(batches, answers, answers, strict=True)
            if not attended and (length == len(batches[shard]) or self._long_ago(shard))
        ]

    def _long_ago(self, shard: str) -> bool:
        return time.monotonic() - self._rung.get(shard, -_RING_AGAIN) >= _RING_AGAIN

    def _shard(self, series: str) -> str:
        known = self._shards.get(series)
        if known is None:
            zone, site, _, _ = split_series(series)
            known = self._shards[series] = shard_of(zone, site, self._catalogue.zones[zone].shards)
        return known


def _cut(readings: Sequence[Reading]) -> Iterator[Sequence[Reading]]:
    return (readings[start : start + BATCH] for start in range(0, len(readings), BATCH))
