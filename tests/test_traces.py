"""What has happened to one alarm: from its own index in Redis, from InfluxDB, and from Redis alone if need be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
import redis

from park.alarms import Transition
from storage import names
from storage.history import History, Keeper
from storage.influx import Influx
from storage.queue import redis_client
from storage.states import decode_transition
from storage.traces import Trace, Traces
from tests import servers
from tests.making import T0, reading
from tests.shifts import ALARM, OTHER, Shift


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def history(influx: servers.Influx, influx_db: str) -> Iterator[History]:
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield History(made)


@pytest.fixture
def away() -> Iterator[History]:
    # Nobody listens there.
    with closing(Influx("http://127.0.0.1:9", "parkwatch", timeout_ms=1_000)) as made:
        yield History(made)


def swings(shift: Shift, count: int, first: int = 0) -> None:
    """Let the alarm of a sensor be raised and return, ``count`` transitions in all, and another one's beside it."""
    for number in range(first, first + count):
        shift.clock.time = T0 + number * 120_000
        value = 15.0 if number % 2 == 0 else 1.0
        shift.hears(reading(number * 120, value), reading(number * 120, value, series=OTHER))


def of_journal(client: redis.Redis, alarm: str = ALARM) -> tuple[Transition, ...]:
    """Return what the whole journal in Redis has of the alarm, newest first."""
    entries: Any = client.xrevrange(names.JOURNAL)
    every = [decode_transition(fields[b"transition"]) for _, fields in entries]
    return tuple(each for each in every if each.alarm == alarm)


def test_the_latest_come_from_the_alarms_own_index(client: redis.Redis, away: History) -> None:
    swings(Shift(client), 6)
    expected = of_journal(client)
    assert len(expected) == 6
    commands = client.info("commandstats")
    trace = Traces(client, away).of(ALARM, 4)
    assert trace == Trace(expected[:4], whole=True)
    assert "cmdstat_xrevrange" not in commands or (
        client.info("commandstats")["cmdstat_xrevrange"]["calls"] == commands["cmdstat_xrevrange"]["calls"]
    ), "the journal is not searched"


def test_older_ones_come_from_influxdb_each_once(client: redis.Redis, history: History) -> None:
    shift = Shift(client)
    swings(shift, 6)
    expected = of_journal(client)
    Keeper(client, history).copy()
    swings(shift, 2, first=6)
    expected = (*of_journal(client)[:2], *expected)
    # The index has only the latest three of eight, two of which InfluxDB does not have yet.
    client.ltrim(names.trace(ALARM), 0, 2)
    traces = Traces(client, history)
    assert traces.of(ALARM, 50) == Trace(expected, whole=True)
    assert traces.of(ALARM, 5) == Trace(expected[:5], whole=True)
    # And none of it, once Redis has lost everything.
    client.flushall()
    assert traces.of(ALARM, 50) == Trace(expected[2:], whole=True)


def test_without_influxdb_redis_is_searched_and_that_is_said(client: redis.Redis, away: History) -> None:
    swings(Shift(client), 6)
    client.ltrim(names.trace(ALARM), 0, 1)
    assert Traces(client, away).of(ALARM, 50) == Trace(of_journal(client), whole=False)
    client.delete(names.trace(ALARM))
    assert Traces(client, away).of(ALARM, 3) == Trace(of_journal(client)[:3], whole=False)


def test_an_alarm_that_nothing_has_happened_to_has_no_trace(client: redis.Redis, history: History) -> None:
    assert Traces(client, history).of(f"{ALARM}-never", 50) == Trace((), whole=True)


def test_what_the_journal_has_dropped_is_left_out(client: redis.Redis, away: History) -> None:
    swings(Shift(client), 4)
    client.xtrim(names.JOURNAL, maxlen=3, approximate=False)
    assert Traces(client, away).of(ALARM, 50).transitions == of_journal(client) != ()


def test_an_index_is_short_and_expires(client: redis.Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "TRACE_LENGTH", 5)
    swings(Shift(client), 8)
    assert client.llen(names.trace(ALARM)) == 5
    assert 0 < int(client.ttl(names.trace(ALARM))) <= names.TRACE_SECONDS
