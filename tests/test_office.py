"""The office: the journal reaches InfluxDB whole, and the KPIs follow it, whatever is away in between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
import redis
from celery import Celery

from park.alarms import Acknowledgement, Alarm, Event, Transition
from park.kpis import DAY, HOUR, MINUTE, PARK, day_of
from storage import names, stored
from storage.clock import SystemClock
from storage.figures import FigureStore, latest_kpis
from storage.history import History, point_time
from storage.influx import Influx
from storage.queue import redis_client
from storage.settings import Settings
from storage.states import snapshot
from tests import servers
from tests.alerting import NOW, StoppedClock, catalogue, limit, numbered, transition
from tests.conftest import environment_of
from tests.pieces import Spawn
from tests.servers import eventually
from workers.office import office_app

CATALOGUE = catalogue()
ZONE = "new-materials"
#: Noon of a day in China, to the minute.
NOON = day_of(NOW) + 12 * HOUR


def settings_of(redis: servers.Redis, influx: servers.Influx, database: str, home: Path) -> Settings:
    return Settings.from_environment(environment_of(servers.Mosquitto(home), redis, influx, database, home))


@pytest.fixture
def settings(redis: servers.Redis, influx: servers.Influx, influx_db: str, home: Path) -> Settings:
    return settings_of(redis, influx, influx_db, home)


@pytest.fixture
def client(redis: servers.Redis) -> Iterator[redis.Redis]:
    with redis_client(redis.url) as made:
        yield made


@pytest.fixture
def influx_client(settings: Settings) -> Iterator[Influx]:
    with closing(Influx(settings.influx_url, settings.influx_db)) as made:
        made.ensure()
        yield made


@pytest.fixture
def history(influx_client: Influx) -> History:
    return History(influx_client)


@pytest.fixture
def office(settings: Settings) -> Iterator[Celery]:
    with office_app(settings, CATALOGUE, StoppedClock(NOON)) as app:
        yield app


def copy(app: Celery) -> None:
    """Ring for the journal."""
    app.tasks[names.TASK_JOURNAL]()


def reckon(app: Celery) -> None:
    """Ring for the KPIs."""
    app.tasks[names.TASK_KPIS]()


def put(client: redis.Redis, at: int, *transitions: Transition) -> None:
    """Journal transitions in the same ms, as one commit does."""
    for entry in transitions:
        client.xadd(names.JOURNAL, {"transition": msgspec.json.encode(entry)}, id=f"{at}-*")


def counted(client: redis.Redis) -> dict[str, int]:
    counts = stored.everything(client, names.COUNTERS)
    return {key.decode(): int(value) for key, value in counts.items()}


def kept(history: History) -> list[Transition]:
    """Everything that InfluxDB holds, oldest first."""
    return [entry for _, entry in reversed(history.entries(0, f"{NOW * 2}-0"))]


def refuse(line: str, reason: str) -> None:
    raise AssertionError(f"refused: {line}: {reason}")


# --- the journal -------------------------------------------------------------------------------------------------


def test_new_entries_are_copied_once(office: Celery, client: redis.Redis, history: History) -> None:
    first = [numbered(n) for n in range(5)]
    put(client, NOON, *first)
    copy(office)
    assert kept(history) == first
    copy(office)
    later = transition(Event.ACKNOWLEDGED, by="李伟", why='says "ok"\n')
    put(client, NOON + 1, later)
    copy(office)
    assert kept(history) == [*first, later]
    assert counted(client) == {"journal.kept": 6}


def test_more_than_a_page_is_copied_in_one_go(office: Celery, client: redis.Redis, history: History) -> None:
    pipe = client.pipeline(transaction=False)
    for n in range(4_500):
        pipe.xadd(names.JOURNAL, {"transition": msgspec.json.encode(numbered(n))}, id=f"{NOON + n // 1000}-*")
    pipe.execute()
    copy(office)
    assert kept(history) == [numbered(n) for n in range(4_500)]


def test_an_office_that_died_before_it_moved_its_cursor_writes_the_same_again(
    office: Celery, client: redis.Redis, history: History
) -> None:
    put(client, NOON, *[numbered(n) for n in range(3)])
    copy(office)
    client.delete(names.JOURNAL_KEPT)
    put(client, NOON + 1, numbered(3))
    copy(office)
    assert kept(history) == [numbered(n) for n in range(4)]


def test_what_was_trimmed_before_it_was_kept_is_counted(
    office: Celery, client: redis.Redis, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    put(client, NOON, *[numbered(n) for n in range(4)])
    copy(office)
    put(client, NOON + 1, *[numbered(n) for n in range(4, 8)])
    # What has been kept may go.
    client.xtrim(names.JOURNAL, maxlen=4, approximate=False)
    copy(office)
    assert counted(client) == {"journal.kept": 8}
    put(client, NOON + 2, *[numbered(n) for n in range(8, 12)])
    client.xtrim(names.JOURNAL, maxlen=1, approximate=False)
    copy(office)
    copy(office)
    assert counted(client) == {"journal.kept": 9, "journal.lost": 3}
    assert caplog.text.count("3 entries of the journal left Redis before") == 1
    assert kept(history) == [*[numbered(n) for n in range(8)], numbered(11)]


def test_everything_trimmed_before_it_was_kept_is_counted(office: Celery, client: redis.Redis) -> None:
    put(client, NOON, numbered(1), numbered(2))
    client.xtrim(names.JOURNAL, maxlen=0, approximate=False)
    copy(office)
    copy(office)
    assert counted(client) == {"journal.lost": 2}


def test_a_journal_that_begins_anew_is_copied_from_its_beginning(
    office: Celery, client: redis.Redis, history: History
) -> None:
    put(client, NOON, numbered(1), numbered(2))
    copy(office)
    client.delete(names.JOURNAL)
    copy(office)
    put(client, NOON - HOUR, numbered(3))
    copy(office)
    assert kept(history) == [numbered(3), numbered(1), numbered(2)]


def test_an_entry_that_can_not_be_kept_holds_up_no_other(
    office: Celery, client: redis.Redis, history: History, influx_client: Influx, caplog: pytest.LogCaptureFixture
) -> None:
    # The field has another type there: InfluxDB refuses every line that has it, for good.
    influx_client.write(b'transition value="text" %d' % point_time(f"{NOON}-0"), names.RETENTION_KEPT, "ns")
    bare = [msgspec.structs.replace(numbered(n), value=None) for n in range(3)]
    put(client, NOON, bare[0], numbered(7), bare[1])
    client.xadd(names.JOURNAL, {"transition": b"{not JSON"}, id=f"{NOON}-*")
    put(client, NOON, bare[2])
    copy(office)
    assert history.journal(NOON, NOON + 1, ZONE)[::-1] == bare
    assert counted(client) == {"journal.kept": 3, "journal.rejected": 2}
    assert caplog.text.count("can't be kept in InfluxDB") == 2


def test_influxdb_away_is_said_once_and_loses_nothing(
    redis: servers.Redis,
    own_influx: servers.Influx,
    home: Path,
    client: redis.Redis,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    chosen = settings_of(redis, own_influx, "park", home)
    with office_app(chosen, CATALOGUE, StoppedClock(NOON)) as app, closing(Influx(own_influx.url, "park")) as influx:
        put(client, NOON, numbered(1))
        copy(app)
        own_influx.kill()
        put(client, NOON + 1, numbered(2))
        for _ in range(3):
            copy(app)
            reckon(app)
        beat = msgspec.json.decode(client.get(names.heartbeat(names.OFFICE)) or b"{}")
        assert beat == {"at": NOON, "waiting": 1, "influx": False}
        assert caplog.text.count("the journal waits in Redis") == 1
        own_influx.start()

        def caught_up() -> bool:
            copy(app)
            return counted(client) == {"journal.kept": 2}

        eventually(caught_up, within=30)
        assert caplog.text.count("InfluxDB is back") == 1
        assert kept(History(influx)) == [numbered(1), numbered(2)]


def test_redis_away_is_said_once_and_waited_for(
    own_redis: servers.Redis, settings: Settings, home: Path, history: History, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    environment = {"PARKWATCH_INFLUX_URL": settings.influx_url, "PARKWATCH_INFLUX_DB": settings.influx_db}
    chosen = Settings.from_environment(
        {**environment, "PARKWATCH_HOME": str(home), "PARKWATCH_REDIS_URL": own_redis.url}
    )
    with office_app(chosen, CATALOGUE, StoppedClock(NOON)) as app, redis_client(own_redis.url) as client:
        put(client, NOON, numbered(1))
        own_redis.stop()
        for _ in range(3):
            copy(app)
            reckon(app)
        assert caplog.text.count("Redis is away") == 1
        own_redis.start()
        copy(app)
        assert caplog.text.count("Redis is back") == 1
        assert kept(history) == [numbered(1)]


# --- KPIs --------------------------------------------------------------------------------------------------------


def told(at: int, number: int = 1, event: Event = Event.RAISED, **changes: Any) -> Transition:
    return msgspec.structs.replace(numbered(number), event=event, at=at, t=at, **changes)


def test_the_newest_kpis_stand_in_redis_and_all_of_them_in_influxdb(
    office: Celery, client: redis.Redis, influx_client: Influx
) -> None:
    put(client, NOON - 5 * MINUTE, *(told(NOON - 5 * MINUTE, n) for n in range(11)))
    reckon(office)
    latest = latest_kpis(client)
    assert latest is not None
    assert latest.at == NOON
    assert set(latest.zones) == {ZONE, PARK}
    assert {window: each.announced for window, each in latest.zones[ZONE].items()} == {
        "10m": 11,
        "1h": 11,
        "24h": 11,
        "7d": 11,
        "30d": 11,
    }
    assert latest.zones[PARK]["10m"].floods == 1
    # The limit's own time to respond, 2 min.
    assert latest.zones[ZONE]["1h"].overdue == 11
    [hour] = influx_client.query(
        "SELECT announced, maximum, operators FROM alarm_kpi WHERE \"window\" = '1h' AND zone = '_park'", "kept"
    )
    assert hour["values"] == [[NOON, 11, 11, 1]]
    days = FigureStore(influx_client).days(ZONE, 0)
    # All that the ledger knows whole: thirty days with today.
    assert [day.announced for day in days] == [11, *[0] * 29]
    assert days[0].since == day_of(NOON)
    assert days[0].until == NOON


def test_older_days_are_read_from_influxdb(office: Celery, client: redis.Redis, history: History) -> None:
    older = [told(NOON - n * DAY, n) for n in range(1, 41)]
    history.keep([(f"{each.at}-0", each) for each in older], refuse)
    # What Redis still holds has been kept too: it counts once.
    put(client, older[0].at, older[0])
    put(client, NOON - 1, told(NOON - 1, 100))
    reckon(office)
    latest = latest_kpis(client)
    assert latest is not None
    month = latest.zones[ZONE]["30d"]
    assert (month.announced, latest.zones[ZONE]["7d"].announced) == (31, 8)
    # Then from Redis only.
    put(client, NOON - 1, told(NOON - 1, 101))
    reckon(office)
    latest = latest_kpis(client)
    assert latest is not None
    assert latest.zones[ZONE]["30d"].announced == 32


def test_alarms_older_than_the_journal_stand_all_the_same(office: Celery, client: redis.Redis) -> None:
    since = NOON - 40 * DAY
    entry = told(since)
    alarm = Alarm(
        level=1,
        acknowledgement=Acknowledgement.UNACKNOWLEDGED,
        occurrence=1,
        version=1,
        raised_t=since,
        raised_at=since,
    )
    client.hset(names.ALARMS, entry.alarm, msgspec.json.encode(snapshot(entry, alarm, limit())))
    reckon(office)
    latest = latest_kpis(client)
    assert latest is not None
    [stale] = latest.zones[ZONE]["10m"].stale_alarms
    assert (stale.alarm, stale.duration) == (entry.alarm, 40 * DAY)


def test_kpis_without_influxdb_are_of_what_redis_holds_until_it_answers(
    redis: servers.Redis, own_influx: servers.Influx, home: Path, client: redis.Redis
) -> None:
    with closing(Influx(own_influx.url, "park")) as influx:
        influx.ensure()
        older = told(NOON - 3 * DAY, 1)
        History(influx).keep([(f"{older.at}-0", older)], refuse)
    own_influx.kill()
    put(client, NOON - HOUR, told(NOON - HOUR, 2))
    with office_app(settings_of(redis, own_influx, "park", home), CATALOGUE, StoppedClock(NOON)) as app:
        reckon(app)
        latest = latest_kpis(client)
        assert latest is not None
        assert (latest.since, latest.zones[ZONE]["7d"].announced) == (NOON - HOUR, 1)
        own_influx.start()

        def complete() -> bool:
            reckon(app)
            found = latest_kpis(client)
            return found is not None and found.zones[ZONE]["7d"].announced == 2

        eventually(complete, within=30)


def test_kpis_go_on_when_the_journal_begins_anew(office: Celery, client: redis.Redis) -> None:
    put(client, NOON - MINUTE, told(NOON - MINUTE, 1))
    copy(office)
    reckon(office)
    client.delete(names.JOURNAL)
    put(client, NOON - 30_000, told(NOON - 30_000, 2))
    reckon(office)
    client.delete(names.JOURNAL)
    put(client, NOON - 40_000, told(NOON - 40_000, 3))
    reckon(office)
    latest = latest_kpis(client)
    assert latest is not None
    # The second had not been kept: it is gone with its Redis.
    assert latest.zones[ZONE]["1h"].announced == 2


# --- the process -------------------------------------------------------------------------------------------------


def test_the_office_is_rung_for_outlives_its_servers_and_stops_when_asked(
    own_redis: servers.Redis, own_influx: servers.Influx, home: Path, spawn_piece: Spawn
) -> None:
    environment = environment_of(servers.Mosquitto(home), own_redis, own_influx, "park", home)
    with redis_client(own_redis.url) as client, closing(Influx(own_influx.url, "park")) as influx:
        now = SystemClock().now()
        history = History(influx)
        spawn_piece(("run", "beat"), environment)
        office = spawn_piece(("run", "office"), environment)
        office.wait_for("the office is open", within=30)
        put(client, now, told(now, 1))
        eventually(lambda: counted(client).get("journal.kept") == 1, within=30)
        eventually(lambda: client.exists(names.heartbeat(names.OFFICE), names.KPIS) == 2, within=30)

        own_influx.kill()
        put(client, now + 1, told(now + 1, 2))
        office.wait_for("the journal waits in Redis", within=30)
        office.kill()
        office = spawn_piece(("run", "office"), environment)
        office.wait_for("the journal waits in Redis", within=30)
        own_influx.start()
        eventually(lambda: counted(client).get("journal.kept") == 2, within=30)
        assert [each.series for each in kept(history)] == [numbered(1).series, numbered(2).series]

        own_redis.stop()
        office.wait_for("Redis is away", within=30)
        own_redis.start()
        office.wait_for("Redis is back", within=30)
        put(client, now + 2, told(now + 2, 3))
        eventually(lambda: counted(client).get("journal.kept") == 3, within=30)
        own_influx.kill()
        assert office.stop() == 0
