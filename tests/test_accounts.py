"""The books of the circular economy as the office keeps them: whatever is late, or away, nothing is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
import redis
from celery import Celery

from ingest.late import LateMeters
from ingest.lines import line, lines
from ingest.store import Parcel, Store
from park.means import HOUR, MINUTE, Flag, Span
from park.readings import Reading
from park.stretches import Length
from park.words import Quality
from storage import names, stored
from storage.flows import FlowStore, begin_anew
from storage.indicators import NO_BENCHMARK, IndicatorStore
from storage.influx import Influx
from storage.queue import redis_client
from storage.settings import Settings
from storage.spool import Spool
from tests import servers
from tests.alerting import StoppedClock
from tests.conftest import environment_of
from tests.making import recently
from tests.metering import SERIES
from tests.servers import eventually
from tests.shifts import Shift
from tests.test_settling import INDICATOR, OTHER, PRODUCT, WATER, park
from workers.office import office_app

CATALOGUE = park(WATER, PRODUCT, indicators={INDICATOR.name: INDICATOR})
#: The beginning of an hour, long ago.
HOUR0 = Span.DAY.begin(recently()) - 5 * 24 * HOUR + 8 * HOUR


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


def settings_of(redis_url: str, influx: servers.Influx, database: str, home: Path) -> Settings:
    environment = environment_of(servers.Mosquitto(home), servers.Redis(home), influx, database, home)
    return Settings.from_environment({**environment, "PARKWATCH_REDIS_URL": redis_url})


class Office:
    """An office by a clock that stands, and what meters have shown it."""

    def __init__(self, app: Celery, clock: StoppedClock, influx: Influx) -> None:
        self._app = app
        self.clock = clock
        self.influx = influx

    def rings(self, at: int) -> None:
        """Ring for a slice of the books."""
        self.clock.time = at
        self._app.tasks[names.TASK_ACCOUNTS]()

    def shows(self, begin: int, end: int, rate: float = 1.0, series: str = SERIES) -> None:
        """Let a totaliser run on evenly, a reading each minute."""
        told = [
            Reading(series, t, 1000 + rate * (t - HOUR0) / MINUTE, Quality.GOOD, t) for t in range(begin, end, MINUTE)
        ]
        self.influx.write(lines(told))

    def hour(self, begin: int) -> tuple[float, float, str] | None:
        """What is kept of an hour of the water."""
        found = FlowStore(self.influx).entries(Span.HOUR, begin, begin + 1, {WATER.id: WATER})
        entry = found.get(WATER.id, {}).get(begin)
        if entry is None:
            return None
        return round(entry.portion.amount, 6), round(entry.portion.share, 4), entry.flag.value


Opens = Callable[[str, servers.Influx, str], Office]


@pytest.fixture
def opens(home: Path) -> Iterator[Opens]:
    """Open an office that works with these servers."""
    open_: list[Celery] = []
    connections: list[Influx] = []

    def start(redis_url: str, influx: servers.Influx, database: str) -> Office:
        clock = StoppedClock(HOUR0)
        app = office_app(settings_of(redis_url, influx, database, home), CATALOGUE, clock)
        open_.append(app)
        connections.append(Influx(influx.url, database))
        connections[-1].ensure()
        return Office(app, clock, connections[-1])

    yield start
    for app in open_:
        app.close()
    for connection in connections:
        connection.close()


@pytest.fixture
def office(opens: Opens, redis: servers.Redis, influx: servers.Influx, influx_db: str) -> Office:
    return opens(redis.url, influx, influx_db)


def test_the_office_keeps_the_books(office: Office, client: redis.Redis) -> None:
    office.shows(HOUR0, HOUR0 + HOUR + 3 * MINUTE)
    office.shows(HOUR0, HOUR0 + HOUR + 3 * MINUTE, 0.5, OTHER)
    office.rings(HOUR0 + HOUR + 3 * MINUTE)
    assert office.hour(HOUR0) == (60.0, 1.0, "final")
    [day] = IndicatorStore(office.influx).read(Length.DAY, HOUR0 - 24 * HOUR, HOUR0 + HOUR, NO_BENCHMARK)
    assert day.value == pytest.approx(2.0)
    assert day.flag is Flag.PROVISIONAL
    assert client.exists(names.heartbeat(names.OFFICE))


def test_late_readings_are_noted_by_the_worker_and_corrected_by_the_office(office: Office, client: redis.Redis) -> None:
    office.shows(HOUR0, HOUR0 + 20 * MINUTE)
    office.shows(HOUR0 + 70 * MINUTE, HOUR0 + 2 * HOUR)
    now = HOUR0 + 2 * HOUR + 3 * MINUTE
    office.rings(now)
    assert office.hour(HOUR0) == (60.0, round(19 / 60, 4), "final")
    assert office.hour(HOUR0 + HOUR) == (59.0, round(49 / 60, 4), "provisional")
    # The gateway had them all the time: nothing went through for a while, and then twice as much.
    late = [
        Reading(SERIES, HOUR0 + n * MINUTE, 1019.0 + 2 * max(0, n - 45), Quality.GOOD, now, late=True)
        for n in range(20, 70)
    ]
    shift = Shift(client)
    shift.restarts(CATALOGUE)
    shift.clock.time = now
    office.influx.write(lines(late))
    shift.put(*late)
    shift.evaluator.drain()
    hours = {f"{SERIES} {hour}".encode() for hour in (HOUR0, HOUR0 + HOUR)}
    assert set(stored.keys(client, names.FLOWS_LATE)) == hours
    office.rings(now + MINUTE)
    assert client.hlen(names.FLOWS_LATE) == 0
    assert office.hour(HOUR0) == (49.0, 1.0, "corrected")
    # Of the hour after it the meter has said nothing more: it is waited for.
    office.rings(now + 14 * MINUTE)
    assert office.hour(HOUR0 + HOUR) == (70.0, round(59 / 60, 4), "final")


def test_readings_out_of_the_spool_are_noted_and_corrected(
    opens: Opens, redis: servers.Redis, own_influx: servers.Influx, client: redis.Redis, tmp_path: Path
) -> None:
    office = opens(redis.url, own_influx, "park")
    office.shows(HOUR0, HOUR0 + 20 * MINUTE)
    now = HOUR0 + HOUR + 17 * MINUTE
    office.rings(now)
    assert office.hour(HOUR0) == (19.0, round(19 / 60, 4), "final")
    own_influx.kill()
    notes = LateMeters(client, office.clock, lambda: CATALOGUE)
    store = Store(
        Influx(own_influx.url, "park"),
        lambda: Spool(tmp_path / "ingest-0.sqlite"),
        lambda _: None,
        lambda text, why: pytest.fail(f"{text}: {why}"),
        notes.note,
    )
    store.start()
    told = [Reading(SERIES, HOUR0 + n * MINUTE, 1000.0 + n, Quality.GOOD, now) for n in range(20, 61)]
    other = Reading("north/unit-1/tt-1/temperature", HOUR0, 20.0, Quality.GOOD, now)
    store.put(Parcel("\n".join(map(line, [*told, other])).encode(), 42, [(1, 1)]))
    eventually(lambda: store.waiting == 42, within=30)
    assert client.hlen(names.FLOWS_LATE) == 0
    own_influx.start()
    eventually(lambda: store.waiting == 0, within=60)
    store.stop(10.0)
    # The hour after it is not over for long enough to have been settled.
    assert stored.keys(client, names.FLOWS_LATE) == [f"{SERIES} {HOUR0}".encode()]
    with closing(Influx(own_influx.url, "park")) as influx:
        office.influx = influx

        def corrected() -> bool:
            # The office leaves an InfluxDB alone for a while that was away.
            office.rings(now + MINUTE)
            return office.hour(HOUR0) == (60.0, 1.0, "corrected")

        eventually(corrected, within=30)


def test_what_is_drained_while_redis_is_away_stays_in_the_spool_until_it_is_noted(
    own_redis: servers.Redis, influx: servers.Influx, influx_db: str, tmp_path: Path
) -> None:
    path = tmp_path / "ingest-0.sqlite"
    with closing(Spool(path)) as spool:
        spool.add(line(Reading(SERIES, HOUR0, 1.0, Quality.GOOD, HOUR0)).encode(), 1)
    own_redis.stop()
    with redis_client(own_redis.url) as client, closing(Influx(influx.url, influx_db)) as reader:
        notes = LateMeters(client, StoppedClock(HOUR0 + 3 * HOUR), lambda: CATALOGUE)
        store = Store(Influx(influx.url, influx_db), lambda: Spool(path), lambda _: None, lambda *_: None, notes.note)
        store.start()
        kept = FlowStore(reader)
        eventually(lambda: len(kept.after(SERIES, HOUR0, HOUR0 + 1).t) == 1, within=30)
        eventually(lambda: store.waiting == 1, within=30)
        own_redis.start()
        eventually(lambda: store.waiting == 0, within=30)
        store.stop(10.0)
        assert stored.keys(client, names.FLOWS_LATE) == [f"{SERIES} {HOUR0}".encode()]


def test_influxdb_away_is_said_once_and_the_books_are_kept_on(
    opens: Opens, redis: servers.Redis, own_influx: servers.Influx, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    office = opens(redis.url, own_influx, "park")
    office.shows(HOUR0, HOUR0 + HOUR + 3 * MINUTE)
    own_influx.kill()
    for _ in range(3):
        office.rings(HOUR0 + HOUR + 3 * MINUTE)
    assert caplog.text.count("the accounts of flows wait until it does") == 1
    own_influx.start()
    with closing(Influx(own_influx.url, "park")) as influx:
        office.influx = influx

        def kept() -> bool:
            office.rings(HOUR0 + HOUR + 3 * MINUTE)
            return office.hour(HOUR0) == (60.0, 1.0, "final")

        eventually(kept, within=30)
    assert caplog.text.count("the accounts are kept on") == 1


def test_redis_away_is_said_once_and_waited_for(
    opens: Opens, own_redis: servers.Redis, influx: servers.Influx, influx_db: str, caplog: pytest.LogCaptureFixture
) -> None:
    office = opens(own_redis.url, influx, influx_db)
    office.shows(HOUR0, HOUR0 + HOUR + 3 * MINUTE)
    own_redis.stop()
    for _ in range(3):
        office.rings(HOUR0 + HOUR + 3 * MINUTE)
    assert caplog.text.count("Redis is away") == 1
    assert office.hour(HOUR0) is None
    own_redis.start()
    office.rings(HOUR0 + HOUR + 3 * MINUTE)
    assert office.hour(HOUR0) == (60.0, 1.0, "final")


def test_a_past_that_is_written_afterwards_is_settled_when_the_books_begin_anew(
    office: Office, client: redis.Redis
) -> None:
    office.shows(HOUR0, HOUR0 + HOUR + 3 * MINUTE)
    office.rings(HOUR0 + HOUR + 3 * MINUTE)
    office.shows(HOUR0 - 3 * HOUR, HOUR0)
    office.rings(HOUR0 + HOUR + 4 * MINUTE)
    assert office.hour(HOUR0 - HOUR) is None
    begin_anew(client)
    office.rings(HOUR0 + HOUR + 5 * MINUTE)
    assert office.hour(HOUR0 - HOUR) == (60.0, 1.0, "final")


def test_a_text_that_looks_like_a_reading_of_a_meter_is_none(client: redis.Redis) -> None:
    notes = LateMeters(client, StoppedClock(HOUR0 + 3 * HOUR), lambda: CATALOGUE)
    known = line(Reading(SERIES, HOUR0, 1.0, Quality.GOOD, HOUR0))
    notes.note(f'quarantined,zone=north text="a\n{known}x"\n{known[:-3]}1.5'.encode())
    assert client.hlen(names.FLOWS_LATE) == 0
    notes.note(known.encode())
    assert client.hlen(names.FLOWS_LATE) == 1
