"""Hand-over: in order, in pieces, into the inbox of the right shard, and a doorbell where one is needed."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import redis
from celery import Celery

from ingest.handover import BATCH, Handover, HandoverFailed
from park.readings import Reading
from park.sharding import queue_of, shard_of
from storage import names, stored
from storage.queue import celery_app, redis_client
from storage.states import ShardStates, Work, decode_batch
from tests import servers
from tests.making import SERIES, SHARD, T0, catalogue, reading

CATALOGUE = catalogue()
THREE = catalogue(shards=3)


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def app(redis: servers.Redis) -> Iterator[Celery]:
    with celery_app(redis.url, THREE.shards) as made:
        yield made


@pytest.fixture
def handover(client: redis.Redis, app: Celery) -> Handover:
    return Handover(client, app, CATALOGUE)


def batches(client: redis.Redis, shard: str = SHARD) -> list[list[Reading]]:
    """What waits in the shard's inbox."""
    return [decode_batch(batch) for batch in stored.head(client, names.inbox(shard), 10_000)]


def rings(client: redis.Redis, shard: str = SHARD) -> list[str]:
    """Tasks that wait in the shard's queue, by name."""
    return [json.loads(message)["headers"]["task"] for message in client.lrange(queue_of(shard), 0, -1)]


def test_readings_arrive_whole_and_in_order(handover: Handover, client: redis.Redis) -> None:
    readings = [reading(second, float(second)) for second in range(20)]
    handover.send(readings)
    assert batches(client) == [readings]


@pytest.mark.parametrize(
    ("count", "sizes"),
    [(1, [1]), (BATCH, [BATCH]), (BATCH + 1, [BATCH, 1]), (2 * BATCH + 7, [BATCH, BATCH, 7])],
)
def test_batches_are_cut_and_stay_in_order(
    handover: Handover, client: redis.Redis, count: int, sizes: list[int]
) -> None:
    readings = [reading(second, 1.0) for second in range(count)]
    handover.send(readings)
    found = batches(client)
    assert [len(batch) for batch in found] == sizes
    assert [each for batch in found for each in batch] == readings


def test_nothing_to_hand_over_is_nothing(handover: Handover, client: redis.Redis) -> None:
    handover.send([])
    assert client.dbsize() == 0


def test_whole_sites_go_to_their_shard_in_order(client: redis.Redis, app: Celery) -> None:
    sites = [f"unit-{n}" for n in range(12)]
    readings = [reading(second, 1.0, series=f"north/{site}/gd-01/h2s") for second in range(3) for site in sites] + [
        reading(9, 1.0, series="south/unit-1/gd-01/h2s")
    ]
    Handover(client, app, THREE).send(readings)
    found = {shard: [each for batch in batches(client, shard) for each in batch] for shard in THREE.shards}
    by_shard: dict[str, list[Reading]] = {shard: [] for shard in THREE.shards}
    for each in readings:
        zone, site, _, _ = each.series.split("/")
        by_shard[shard_of(zone, site, THREE.zones[zone].shards)].append(each)
    assert found == by_shard
    assert all(found.values())
    assert {shard: len(rings(client, shard)) for shard in THREE.shards} == dict.fromkeys(THREE.shards, 1)


def test_doorbell_rings_only_where_the_inbox_was_empty(handover: Handover, client: redis.Redis) -> None:
    handover.send([reading(0, 1.0)])
    assert rings(client) == [names.TASK_EVALUATE]
    handover.send([reading(1, 1.0)])
    assert len(rings(client)) == 1
    ShardStates(client, SHARD).commit(Work(take=2, consumed=0), CATALOGUE, T0)
    handover.send([reading(second, 1.0) for second in range(2, 2 + BATCH + 1)])
    assert len(rings(client)) == 2


def test_doorbell_does_not_ring_for_a_worker_that_is_at_its_inbox(handover: Handover, client: redis.Redis) -> None:
    states = ShardStates(client, SHARD)
    states.attend(60_000)
    handover.send([reading(0, 1.0)])
    assert rings(client) == []
    states.commit(Work(take=1, consumed=0), CATALOGUE, T0)
    states.attend(0)
    handover.send([reading(1, 1.0)])
    assert len(rings(client)) == 1


def test_redis_away_fails_and_the_same_again_succeeds(own_redis: servers.Redis) -> None:
    with redis_client(own_redis.url) as client, celery_app(own_redis.url, CATALOGUE.shards) as app:
        handover = Handover(client, app, CATALOGUE)
        handover.send([reading(0, 1.0)])
        own_redis.stop()
        with pytest.raises(HandoverFailed, match="refused"):
            handover.send([reading(1, 2.0)])
        own_redis.start()
        handover.send([reading(1, 2.0)])
        assert [each.value for batch in batches(client) for each in batch][-1] == 2.0


def test_readings_wait_although_the_doorbell_could_not_ring(client: redis.Redis, own_redis: servers.Redis) -> None:
    own_redis.kill()
    soon = {"max_retries": 1, "interval_start": 0.0}
    with celery_app(own_redis.url, CATALOGUE.shards, broker_transport_options=soon) as app:
        handover = Handover(client, app, CATALOGUE)
        with pytest.raises(HandoverFailed):
            handover.send([reading(0, 1.0)])
    # Whoever hands it over again leaves it there twice, which is harmless; the sweep looks without a doorbell.
    assert batches(client) == [[reading(0, 1.0)]]
    assert batches(client)[0][0].series == SERIES
