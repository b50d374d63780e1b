"""Late readings: their hour, and a day that is over, are made again from what is stored, and marked so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
import redis

from park.means import DAY, HOUR, MINUTE, Span
from storage import names
from storage.directory import Directory
from storage.influx import Influx
from storage.queue import redis_client
from storage.results import Results
from tests import servers
from tests.making import SERIES, catalogue, recently, sensor
from workers.corrections import Corrections

#: A day that is over.
DAY0 = Span.DAY.begin(recently()) - DAY
HOUR0 = DAY0 + 5 * HOUR
CATALOGUE = catalogue()


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def store(influx: servers.Influx, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield made


def put(store: Influx, begin: int, values: list[float | None]) -> None:
    """Store one reading a minute from ``begin`` on; ``None`` is a failure."""
    zone, site, device, quantity = SERIES.split("/")
    tags = f"reading,zone={zone},site={site},sensor={device},quantity={quantity}"
    lines = [
        f'{tags} raw=1,q="failure" {begin + n * MINUTE}'
        if value is None
        else f'{tags} v={value},q="good" {begin + n * MINUTE}'
        for n, value in enumerate(values)
    ]
    store.write("\n".join(lines).encode())


def kept(store: Influx, span: Span) -> list[tuple[int, float | None, bool, str]]:
    """Return beginning, value, validity and flag of every block of ``span`` that is kept."""
    text = f"SELECT v, valid, flag FROM mean WHERE span = '{span.value}'"
    return [(int(t), v, ok, flag) for s in store.query(text, names.RETENTION_KEPT) for t, v, ok, flag in s["values"]]


def test_an_hour_and_its_day_are_made_again(client: redis.Redis, store: Influx) -> None:
    Directory(client).put(sensor(interval=MINUTE))
    results = Results(store)
    corrections = Corrections(client, results)
    # Twenty hours of the day, the sixth of which was short of readings when it closed.
    for hour in range(20):
        short = hour == 5
        put(store, DAY0 + hour * HOUR, [2.0] * (10 if short else 60))
        client.hset(names.CORRECTIONS, f"{SERIES} {DAY0 + hour * HOUR}", 0)
    now = DAY0 + 2 * DAY
    assert corrections.work(CATALOGUE, now) == 20
    assert (HOUR0, 2.0, False, "corrected") in kept(store, Span.HOUR)
    assert [(ok, flag) for _, _, ok, flag in kept(store, Span.DAY)] == [(False, "corrected")]
    put(store, HOUR0 + 10 * MINUTE, [8.0] * 50)
    client.hset(names.CORRECTIONS, f"{SERIES} {HOUR0}", now)
    assert corrections.work(CATALOGUE, now + 30_000) == 0, "more may come"
    assert corrections.work(CATALOGUE, now + 60_000) == 1
    assert (HOUR0, 7.0, True, "corrected") in kept(store, Span.HOUR)
    ((begin, value, valid, flag),) = kept(store, Span.DAY)
    assert (begin, value, valid, flag) == (DAY0, (19 * 2 + 7) / 20, True, "corrected")
    assert client.hlen(names.CORRECTIONS) == 0
    assert client.hget(names.COUNTERS, "results.corrected") == b"21"


def test_what_is_no_value_is_not_in_the_mean(client: redis.Redis, store: Influx) -> None:
    Directory(client).put(sensor(interval=MINUTE))
    put(store, HOUR0, [4.0] * 50 + [None] * 10)
    client.hset(names.CORRECTIONS, f"{SERIES} {HOUR0}", 0)
    assert Corrections(client, Results(store)).work(CATALOGUE, HOUR0 + HOUR) == 1
    assert kept(store, Span.HOUR) == [(HOUR0, 4.0, True, "corrected")]
