"""What the watchdog writes of the service for Grafana: every piece, canaries, lag, counts, and what is away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import msgspec
import pytest
import redis as redis_library

from alerts.watchdog.gauges import Gauges, Look, Rates, pulse, seen
from alerts.watchdog.service import Times, Watchdog
from storage import names
from storage.configuration import load
from storage.health import Gauge, HealthLog
from storage.influx import Influx
from storage.quarantine import Entry, Quarantine
from storage.settings import Settings
from storage.states import encode_batch
from storage.watch import Arrived, Check, Fault, Kind, Problem, Pulse
from tests.conftest import ROOT
from tests.making import T0, reading
from tests.servers import Influx as InfluxServer
from tests.servers import Redis

NOW = T0
CHECKS = (
    Check(Kind.ALIVE, "worker.north.0", 1_500, well=True),
    Check(Kind.ALIVE, "ingest.0", 500, well=True),
    Check(Kind.ALIVE, "office", None, well=False),
    Check(Kind.CANARY, "north", 2_000, well=True),
    Check(Kind.STORED, "north", 4_000, well=True),
)


@pytest.fixture
def client(redis: Redis) -> Iterator[redis_library.Redis]:
    with closing(redis_library.Redis.from_url(redis.url)) as made:
        yield made


@pytest.fixture
def influx_client(influx: InfluxServer, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield made


def known(gauges: list[Gauge]) -> dict[str, dict[str, float | None]]:
    """What is known by piece, zone and reason, as InfluxDB unites the points of one time."""
    found: dict[str, dict[str, float | None]] = {}
    for gauge in gauges:
        found.setdefault(" ".join(filter(None, (gauge.piece, gauge.zone, gauge.reason))), {}).update(gauge.values)
    return found


def test_looks_become_numbers() -> None:
    found = known(list(seen(Look(CHECKS))))
    assert found["worker.north.0 north"] == {"up": True, "age_s": 1.5}
    assert found["office"] == {"up": False, "age_s": None}
    assert found["canary north"] == {"age_s": 2.0, "stored_age_s": 4.0}


def test_a_piece_that_has_stopped_is_told_without_an_age() -> None:
    assert Gauge("office", {"up": 0, "age_s": None}).line(5) == b"health,piece=office up=0.0 5"
    assert Gauge("office", {"age_s": None}).line(5) is None


@pytest.mark.parametrize(
    ("state", "values"),
    [
        (Pulse(wanted=False), {"up": False, "age_s": None}),
        (Pulse(wanted=True, sent=NOW - 3_000), {"up": True, "age_s": 3.0}),
        (Pulse(wanted=True, sent=NOW - 3_000, reason="no canary"), {"up": False, "age_s": 3.0}),
    ],
)
def test_the_pulse_becomes_numbers(state: Pulse, values: dict[str, float | None]) -> None:
    assert pulse(state, NOW).values == values


def test_what_waits_for_a_worker_is_counted_and_aged(client: redis_library.Redis) -> None:
    for second in (0, 3):
        client.rpush(names.inbox("north.0"), encode_batch([reading(second, 1.0)]))
    found = known(Gauges(client).read(Look(CHECKS), NOW + 10_000))
    assert found["worker.north.0 north"] == {"up": True, "age_s": 1.5, "inbox": 2, "lag_s": 10.0}
    client.delete(names.inbox("north.0"))
    assert known(Gauges(client).read(Look(CHECKS), NOW))["worker.north.0 north"]["lag_s"] == 0.0


def test_a_batch_that_can_not_be_read_is_no_reason_to_fall_silent(client: redis_library.Redis) -> None:
    client.rpush(names.inbox("north.0"), b"\xc1 no batch")
    assert known(Gauges(client).read(Look(CHECKS), NOW))["worker.north.0 north"]["inbox"] == 1


def test_pieces_tell_of_themselves(client: redis_library.Redis) -> None:
    said = {"at": NOW, "connected": True, "outstanding": 3, "spooled": 7, "dropped": 0, "readings": 1_000}
    client.set(names.heartbeat("ingest.0"), msgspec.json.encode(said))
    client.set(names.heartbeat("office"), msgspec.json.encode({"at": NOW, "waiting": 5, "influx": False}))
    gauges = Gauges(client)
    found = known(gauges.read(Look(CHECKS), NOW))
    assert found["ingest.0"]["spooled"] == 7
    assert found["ingest.0"]["rate"] is None
    assert (found["office"]["waiting"], found["office"]["influx"]) == (5, False)
    client.set(names.heartbeat("ingest.0"), msgspec.json.encode({**said, "at": NOW + 2_000, "readings": 1_300}))
    assert known(gauges.read(Look(CHECKS), NOW))["ingest.0"]["rate"] == 150.0


@pytest.mark.parametrize("beat", [{}, {"at": NOW}, {"at": NOW, "readings": 90}, {"at": NOW + 1_000, "readings": 10}])
def test_there_is_no_rate_without_two_counts_of_the_same_process(beat: dict[str, int]) -> None:
    rates = Rates()
    rates.of({"ingest.0": {"at": NOW, "readings": 90}})
    assert rates.of({"ingest.0": beat}) == {}


def test_canaries_outbox_and_counts(client: redis_library.Redis) -> None:
    client.hset(names.CANARIES, "north", msgspec.json.encode(Arrived(t=NOW, at=NOW + 20, delivered=NOW + 55)))
    client.zadd(names.OUTBOX, {"page:a:1:1": NOW, "page:b:1:1": NOW})
    client.hset(names.COUNTERS, "results.lost", 3)
    Quarantine(client).put([Entry("t", "unit", "reason", "fix", "payload", NOW)] * 2)
    problems = (Problem(Fault.OVERDUE, "north", "page:a", 31_000), Problem(Fault.MISSING, "north", "b"))
    found = known(Gauges(client).read(Look(CHECKS, problems), NOW))
    assert found["canary north"] == {"age_s": 2.0, "stored_age_s": 4.0, "evaluated_ms": 20, "delivered_ms": 55}
    assert found["delivery"] == {"waiting": 2, "late": 31.0, "missing": 1}
    assert found["counter results.lost"] == {"total": 3}
    assert found["quarantine unit"] == {"total": 2}
    memory = found["redis"]["memory_mb"]
    assert memory is not None
    assert memory > 0


# --- in InfluxDB -------------------------------------------------------------------------------------------------


def rows(influx: Influx, piece: str) -> list[dict[str, Any]]:
    found = influx.query(f"SELECT * FROM {names.HEALTH} WHERE piece = '{piece}'")
    return [dict(zip(each["columns"], row, strict=True)) for each in found for row in each["values"]]


def test_what_could_not_be_written_is_written_later(influx_client: Influx, influx: InfluxServer) -> None:
    now = time.time_ns() // 1_000_000
    log = HealthLog(influx_client)
    influx.kill()
    for n in range(3):
        log.write([Gauge("beat", {"up": n})], now + n)
    assert log.failures == 3
    influx.start()
    log.write([Gauge("beat", {"up": 3})], now + 3)
    assert log.failures == 0
    assert [row["up"] for row in rows(influx_client, "beat")] == [0.0, 1.0, 2.0, 3.0]


def test_what_will_never_be_taken_does_not_hold_up_the_rest(influx_client: Influx) -> None:
    now = time.time_ns() // 1_000_000
    influx_client.write(f'{names.HEALTH},piece=other up="a text" {now}'.encode())
    log = HealthLog(influx_client)
    log.write([Gauge("beat", {"up": 1})], now)
    assert log.failures == 1
    log.write([Gauge("beat", {"age_s": 1})], now)
    assert log.failures == 0
    assert [row["age_s"] for row in rows(influx_client, "beat")] == [1.0]


def test_the_watchdog_writes_what_it_knows(environment: dict[str, str], influx_client: Influx) -> None:
    dog = Watchdog(Settings.from_environment(environment), load(ROOT / "config"), Times())
    dog._look()
    dog._tell()
    assert rows(influx_client, "watchdog")[0]["up"] == 1.0
    assert rows(influx_client, "redis")[0]["up"] == 1.0
    assert rows(influx_client, "delivery")[0]["up"] == 0.0
    assert {row["zone"] for row in rows(influx_client, "worker.riverside.0")} == {"riverside"}


def test_while_redis_is_away_that_is_told(environment: dict[str, str], influx_client: Influx, own_redis: Redis) -> None:
    own_redis.kill()
    told = {**environment, "PARKWATCH_REDIS_URL": own_redis.url}
    dog = Watchdog(Settings.from_environment(told), load(ROOT / "config"), Times())
    dog._look()
    dog._tell()
    assert rows(influx_client, "redis")[0]["up"] == 0.0
    assert rows(influx_client, "watchdog")[0]["up"] == 1.0
    assert not rows(influx_client, "delivery")
