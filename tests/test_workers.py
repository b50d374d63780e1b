"""Workers: the tasks of a shard, and a worker process that is rung for, stopped, killed and left without Redis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
import redis
from celery import Celery

from ingest.handover import Handover
from ingest.lines import lines
from park.alarms import Event
from park.catalogue import Catalogue
from park.readings import Reading
from park.sharding import queue_of
from park.words import Location
from storage import names
from storage.clock import SystemClock
from storage.configuration import load
from storage.directory import Directory
from storage.influx import Influx
from storage.queue import celery_app, redis_client
from storage.settings import Settings
from storage.states import ParkStates, encode_batch
from tests import servers
from tests.conftest import ROOT, environment_of
from tests.making import SHARD, T0, StoppedClock, catalogue, limit, reading, sensor
from tests.pieces import Piece, Spawn
from tests.servers import eventually
from workers.app import beat_app, worker_app

CATALOGUE = catalogue(limit())


@pytest.fixture
def settings(redis: servers.Redis, influx: servers.Influx, influx_db: str, tmp_path: Path) -> Settings:
    return Settings.from_environment(
        {
            "PARKWATCH_HOME": str(tmp_path),
            "PARKWATCH_REDIS_URL": redis.url,
            "PARKWATCH_INFLUX_URL": influx.url,
            "PARKWATCH_INFLUX_DB": influx_db,
        }
    )


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


def put(client: redis.Redis, *readings: Reading) -> None:
    client.rpush(names.inbox(SHARD), encode_batch(readings))


def run(app: Celery, task: str) -> None:
    """Run a task as the worker would."""
    app.tasks[task]()


def events(client: redis.Redis) -> list[Event]:
    """Everything journalled, oldest first."""
    return [each.event for each in ParkStates(client, CATALOGUE).journal()[::-1]]


def swept_at(client: redis.Redis) -> int | None:
    """When the shard's worker last gave its sign of life."""
    beat = client.get(names.heartbeat(f"worker.{SHARD}"))
    return None if beat is None else int(msgspec.json.decode(beat)["at"])


# --- tasks -------------------------------------------------------------------------------------------------------


def test_evaluate_empties_the_inbox(settings: Settings, client: redis.Redis) -> None:
    with worker_app(settings, CATALOGUE, SHARD, StoppedClock(T0)) as app:
        put(client, reading(0, 15.0))
        put(client, reading(1, 1.0))
        run(app, names.TASK_EVALUATE)
    assert events(client) == [Event.RAISED, Event.RETURNED]
    assert client.llen(names.inbox(SHARD)) == 0


def test_sweep_evaluates_what_nobody_rang_for_and_gives_a_sign_of_life(settings: Settings, client: redis.Redis) -> None:
    with worker_app(settings, CATALOGUE, SHARD, StoppedClock(T0)) as app:
        put(client, reading(0, 15.0))
        run(app, names.TASK_SWEEP)
    assert events(client) == [Event.RAISED]
    assert swept_at(client) == T0
    assert 0 < client.ttl(names.heartbeat(f"worker.{SHARD}")) <= names.HEARTBEAT_SECONDS


def test_sweeps_that_have_piled_up_are_one(settings: Settings, client: redis.Redis) -> None:
    clock = StoppedClock(T0)
    with worker_app(settings, CATALOGUE, SHARD, clock) as app:
        run(app, names.TASK_SWEEP)
        clock.advance(499)
        run(app, names.TASK_SWEEP)
        assert swept_at(client) == T0
        clock.advance(1)
        run(app, names.TASK_SWEEP)
        assert swept_at(client) == T0 + 500


def test_clock_that_is_put_back_stops_no_sweep(settings: Settings, client: redis.Redis) -> None:
    clock = StoppedClock(T0)
    with worker_app(settings, CATALOGUE, SHARD, clock) as app:
        run(app, names.TASK_SWEEP)
        clock.advance(-3_600_000)
        run(app, names.TASK_SWEEP)
    assert swept_at(client) == T0 - 3_600_000


def test_redis_away_is_said_once_and_waited_for(
    settings: Settings, own_redis: servers.Redis, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    clock = StoppedClock(T0)
    chosen = Settings.from_environment({"PARKWATCH_HOME": str(settings.home), "PARKWATCH_REDIS_URL": own_redis.url})
    with worker_app(chosen, CATALOGUE, SHARD, clock) as app, redis_client(own_redis.url) as client:
        put(client, reading(0, 15.0))
        own_redis.stop()
        for _ in range(3):
            clock.advance(1000)
            run(app, names.TASK_EVALUATE)
            run(app, names.TASK_SWEEP)
        assert caplog.text.count("Redis is away") == 1
        own_redis.start()
        run(app, names.TASK_EVALUATE)
        assert caplog.text.count("Redis is back") == 1
        assert events(client) == [Event.RAISED]


def test_worker_without_state_begins_with_the_readings_in_influxdb(settings: Settings, client: redis.Redis) -> None:
    now = SystemClock().now()
    with closing(Influx(settings.influx_url, settings.influx_db)) as influx:
        influx.ensure()
        influx.write(lines([reading(-20, 1.0, now), reading(-10, 15.0, now)]))
    Directory(client).register(sensor())
    with worker_app(settings, CATALOGUE, SHARD) as app:
        run(app, names.TASK_SWEEP)
    (raised,) = ParkStates(client, CATALOGUE).journal()
    assert (raised.event, raised.value, raised.t) == (Event.RAISED, 15.0, now - 10_000)
    assert client.zcard(names.OUTBOX) == 1


def test_beat_sweeps_every_shard_in_its_own_queue(settings: Settings) -> None:
    park = catalogue(shards=3)
    with beat_app(settings, park) as app:
        schedule = app.conf.beat_schedule.values()
    queues = [entry["options"]["queue"] for entry in schedule if entry["task"] == names.TASK_SWEEP]
    assert sorted(queues) == sorted(queue_of(shard) for shard in park.shards)


def test_beat_rings_for_the_office(settings: Settings) -> None:
    with beat_app(settings, catalogue()) as app:
        schedule = app.conf.beat_schedule.values()
    office = {entry["task"]: entry["schedule"] for entry in schedule if entry["options"]["queue"] == names.OFFICE}
    assert office == {
        names.TASK_JOURNAL: 2.0,
        names.TASK_KPIS: 60.0,
        names.TASK_ACCOUNTS: 10.0,
        names.TASK_PRESENT: 2.0,
    }


# --- processes ---------------------------------------------------------------------------------------------------

STATION, WORKER = "riverside/unit-1/aq-01", ("run", "worker", "--shard", "riverside.0")


class Post:
    """A worker process, the readings handed to it, and what it has journalled."""

    def __init__(self, environment: dict[str, str], spawn: Spawn) -> None:
        self.catalogue: Catalogue = load(ROOT / "config")
        self.client = redis_client(environment["PARKWATCH_REDIS_URL"])
        self.app = celery_app(environment["PARKWATCH_REDIS_URL"], self.catalogue.shards)
        self._handover = Handover(self.client, self.app, self.catalogue)
        self._start = SystemClock().now() - 60_000
        self._spawn = spawn
        self._environment = environment
        # Its limits have neither deadband nor delays.
        Directory(self.client).register(sensor(STATION, location=Location.AMBIENT))
        self.worker = self._begin()

    def again(self) -> None:
        """Start another worker."""
        self.worker = self._begin()

    def hand_over(self, *numbers: int) -> None:
        """Hand over readings of NO2 in ambient air: beyond the limit at odd numbers, not so at even ones."""
        for number in numbers:
            value = 100.0 if number % 2 else 0.0
            self._handover.send([reading(number / 10, value, self._start, series=f"{STATION}/no2")])

    def journal(self) -> list[tuple[Event, int]]:
        """Event and occurrence of everything that was journalled, oldest first.

        Without late data: what comes twice and lies beyond a limit is noted as that.
        """
        found = ParkStates(self.client, self.catalogue).journal()[::-1]
        return [(each.event, each.occurrence) for each in found if each.event is not Event.LATE]

    def resting(self) -> bool:
        """Whether the worker has left its inbox to the doorbell."""
        return not self.client.exists(names.attended("riverside.0"))

    def close(self) -> None:
        self.app.close()
        self.client.close()

    def _begin(self) -> Piece:
        piece = self._spawn(WORKER, self._environment)
        piece.wait_for("is ready")
        return piece


def occurrences(count: int) -> list[tuple[Event, int]]:
    """What so many occurrences journal."""
    return [(event, n) for n in range(1, count + 1) for event in (Event.RAISED, Event.RETURNED)]


@pytest.fixture
def post(
    own_redis: servers.Redis, influx: servers.Influx, influx_db: str, home: Path, spawn_piece: Spawn
) -> Iterator[Post]:
    """A worker at work on a Redis of its own; no broker is needed."""
    environment = environment_of(servers.Mosquitto(home), own_redis, influx, influx_db, home)
    with closing(Post(environment, spawn_piece)) as made:
        yield made


def test_worker_is_rung_for_and_stops_when_asked(post: Post) -> None:
    post.hand_over(0, 1)
    eventually(lambda: post.journal() == [(Event.RAISED, 1)])
    eventually(post.resting)
    post.hand_over(2)
    eventually(lambda: post.journal() == occurrences(1))
    assert post.worker.stop() == 0


def test_worker_that_is_killed_leaves_nothing_out_and_does_nothing_twice(post: Post) -> None:
    post.hand_over(*range(1, 101))
    eventually(lambda: len(post.journal()) > 10)
    post.worker.kill()
    post.hand_over(*range(90, 201))
    post.again()
    eventually(lambda: not post.client.llen(names.inbox("riverside.0")))
    assert post.journal() == occurrences(100)


def test_worker_outlives_redis(post: Post, own_redis: servers.Redis) -> None:
    post.hand_over(1)
    eventually(lambda: post.journal() == [(Event.RAISED, 1)])
    own_redis.stop()
    post.worker.wait_for("Redis is away")
    own_redis.start()
    post.worker.wait_for("Redis is back")
    eventually(post.resting)
    post.hand_over(2)
    eventually(lambda: post.journal() == occurrences(1))
    assert post.worker.stop() == 0
