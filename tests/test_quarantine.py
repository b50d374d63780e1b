"""The quarantine keeps about as many messages as it is told to, and counts all."""

from __future__ import annotations

from storage.quarantine import Entry, Quarantine
from storage.queue import redis_client
from tests.servers import Redis


def test_only_the_newest_are_kept_and_all_are_counted(redis: Redis) -> None:
    with redis_client(redis.url) as client:
        shelf = Quarantine(client, size=100)
        shelf.put(Entry("park/x", "topic", "short", "longer", str(number), 1) for number in range(1_000))
        kept = shelf.newest(10_000)
        counts = shelf.counts()
    # Redis drops whole nodes of its stream, of a hundred entries each.
    assert 100 <= len(kept) <= 200
    assert kept[0].payload == "999"
    assert counts == {"topic": 1_000}
