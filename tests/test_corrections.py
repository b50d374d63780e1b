"""Late readings: their hour, and a day that is over, are made again from what is stored, and marked so."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from contextlib import closing

import pytest
import redis

from park.means import DAY, HOUR, MINUTE, Span
from park.words import Location
from storage import names
from storage.directory import Directory
from storage.influx import Influx
from storage.queue import redis_client
from storage.results import Results
from tests import servers
from tests.making import SERIES, catalogue, quantity, recently, sensor
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


def put(store: Influx, begin: int, values: Sequence[float | None], series: str = SERIES) -> None:
    """Store one reading a minute from ``begin`` on; ``None`` is a failure."""
    zone, site, device, quantity = series.split("/")
    tags = f"reading,zone={zone},site={site},sensor={device},quantity={quantity}"
    lines = [
        f'{tags} raw=1,q="failure" {begin + n * MINUTE}'
        if value is None
        else f'{tags} v={value},q="good" {begin + n * MINUTE}'
        for n, value in enumerate(values)
    ]
    store.write("\n".join(lines).encode())


def kept(store: Influx, span: Span, series: str = SERIES) -> list[tuple[int, float | None, bool, str]]:
    """Return beginning, value, validity and flag of every block of ``span`` that is kept."""
    quantity = series.rpartition("/")[2]
    text = f"SELECT v, valid, flag FROM mean WHERE span = '{span.value}' AND quantity = '{quantity}'"
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


OUTLET = "north/unit-1/out-1"
COD, FLOW = f"{OUTLET}/cod", f"{OUTLET}/flow-water"
WASTEWATER = dataclasses.replace(
    CATALOGUE,
    quantities={
        "cod": quantity("cod", unit="mg/L", location=Location.OUTFALL, minimum=0.0, maximum=10_000.0),
        "flow-water": quantity("flow-water", unit="m3/h", location=Location.OUTFALL, minimum=0.0, maximum=10_000.0),
    },
)


def correct(client: redis.Redis, store: Influx, *series: str, hour: int = HOUR0) -> None:
    for each in series:
        client.hset(names.CORRECTIONS, f"{each} {hour}", 0)
    assert Corrections(client, Results(store)).work(WASTEWATER, DAY0 + 2 * DAY) == len(series)


def test_wastewater_is_weighted_by_the_flow_when_it_is_made_again(client: redis.Redis, store: Influx) -> None:
    Directory(client).put(sensor(OUTLET, interval=MINUTE, location=Location.OUTFALL))
    put(store, HOUR0, [10.0] * 30 + [90.0] * 30, COD)
    put(store, HOUR0 - MINUTE, [300.0] * 21 + [None] * 10 + [100.0] * 20, FLOW)
    correct(client, store, COD)
    [(_, value, valid, _)] = kept(store, Span.HOUR, COD)
    assert valid
    assert value == pytest.approx((10 * 300 + 90 * 100) / 400)


def test_wastewater_whose_flow_is_not_known_is_not_valid_when_it_is_made_again(
    client: redis.Redis, store: Influx
) -> None:
    Directory(client).put(sensor(OUTLET, interval=MINUTE, location=Location.OUTFALL))
    put(store, HOUR0, [10.0] * 60, COD)
    put(store, HOUR0, [None] * 59 + [100.0], FLOW)
    correct(client, store, COD)
    [(_, value, valid, _)] = kept(store, Span.HOUR, COD)
    assert (value, valid) == (10.0, False)


def test_a_day_of_wastewater_is_weighted_by_the_hours_of_the_flow(client: redis.Redis, store: Influx) -> None:
    Directory(client).put(sensor(OUTLET, interval=HOUR, location=Location.OUTFALL))
    for hour in range(24):
        begin = DAY0 + hour * HOUR
        put(store, begin, [10.0 if hour < 12 else 90.0], COD)
        put(store, begin, [300.0 if hour < 12 else 100.0], FLOW)
        correct(client, store, FLOW, COD, hour=begin)
    [(_, value, valid, _)] = kept(store, Span.DAY, COD)
    assert valid
    assert value == pytest.approx((10 * 300 + 90 * 100) / 400)
