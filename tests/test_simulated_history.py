"""The simulated park's past in a real InfluxDB."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from field.history import HISTORIC, METER_STEP, STEP, Past, Written, write
from field.plant import SENSORS
from field.signals import DAY, HOUR, MINUTE
from ingest.lines import line
from park.catalogue import Catalogue
from park.readings import Reading
from park.vector import CODES, Stretch
from park.words import Quality
from parkwatch.cli import app
from parkwatch.servers import free_port
from storage import names
from storage.backfill import Backfill, reading_lines
from storage.configuration import load
from storage.flows import Settled, settle, settled
from storage.history import History
from storage.influx import Influx as Connection
from storage.queue import redis_client
from storage.reported import ReportedStore
from tests.servers import Influx, Redis

CONFIG = Path(__file__).resolve().parent.parent / "config"
#: 2026-11-20 00:00 in China.
END = 1_795_104_000_000
WANTED = (
    *("new-materials/hf-plant/hf-101", "new-materials/hf-plant/lel-131", "new-materials/polymer-plant/lel-201"),
    *("riverside/outfall/out-901", "riverside/tank-farm/tank-703", "new-materials/utilities/meter-413"),
    *("new-materials/hf-plant/meter-1006", "new-materials/hf-plant/stock-1091"),
)
FEW = tuple(sensor for sensor in SENSORS if sensor.key in WANTED)


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load(CONFIG)


@pytest.fixture
def database(influx: Influx, influx_db: str) -> Connection:
    connection = Connection(influx.url, influx_db)
    connection.ensure()
    return connection


def counted(database: Connection) -> dict[str, int]:
    found = {}
    for name, field, policy in (
        (names.READING, "q", names.RETENTION_RAW),
        (names.MEAN, "n", names.RETENTION_KEPT),
        (names.TRANSITION, "t", names.RETENTION_KEPT),
    ):
        series = database.query(f'SELECT count("{field}") FROM "{name}"', policy)
        found[name] = series[0]["values"][0][1] if series else 0
    return found


def written_to(database: Connection, past: Past, catalogue: Catalogue) -> Written:
    return write(past, catalogue, Backfill(database), lambda *_: None)


def test_a_past_is_stored_as_it_would_have_been_and_twice_is_once(database: Connection, catalogue: Catalogue) -> None:
    past = Past(1, END - 8 * DAY, END, sensors=FEW)
    written = written_to(database, past, catalogue)
    expected = {
        names.READING: written.readings,
        names.MEAN: written.means,
        names.TRANSITION: written.transitions,
    }
    assert counted(database) == expected
    assert min(expected.values()) > 10
    assert written_to(database, past, catalogue) == written
    assert counted(database) == expected


def test_the_journal_tells_each_incident_from_its_beginning_to_its_end(
    database: Connection, catalogue: Catalogue
) -> None:
    past = Past(1, END - 8 * DAY, END, sensors=FEW)
    written = written_to(database, past, catalogue)
    journal = History(database).journal(past.begin, END)[::-1]
    assert len(journal) == written.transitions
    assert {each.limit for each in journal} >= {"hf-detector", "tank-level-high", "outfall-cod", "gateway-offline"}
    for alarm in {each.alarm for each in journal}:
        events = [each.event.value for each in journal if each.alarm == alarm]
        raised = events.count("raised")
        assert raised == events.count("returned") == events.count("acknowledged") > 0, alarm
        assert events[0] == "raised"
        assert [each.occurrence for each in journal if each.alarm == alarm and each.event.value == "raised"] == list(
            range(1, raised + 1)
        )
    people = {each.by for each in journal if each.event.value == "acknowledged"}
    assert people <= set(catalogue.oncall.people)
    leaks = next(incident for incident in HISTORIC if incident.name == "hf-leak")
    begins = [begin for begin, _ in past.incident_times(leaks)]
    raised_at = [each.t for each in journal if each.series.endswith("hf-101/hf") and each.event.value == "raised"]
    assert len(begins) == len(raised_at) >= 2
    assert all(0 <= at - begin < 10_000 for begin, at in zip(begins, raised_at, strict=True))


def test_a_quiet_past_has_no_alarms(database: Connection, catalogue: Catalogue) -> None:
    written = written_to(database, Past(1, END - DAY, END, incidents=(), sensors=FEW), catalogue)
    assert written.transitions == 0
    assert counted(database)[names.TRANSITION] == 0


def test_hour_means_are_the_means_of_the_readings(database: Connection, catalogue: Catalogue) -> None:
    (detector,) = (sensor for sensor in FEW if sensor.name == "lel-131")
    past = Past(1, END - DAY, END, sensors=(detector,))
    written_to(database, past, catalogue)
    where = f"{names.TAG_SENSOR} = 'lel-131' AND {names.TAG_SPAN} = 'hour'"
    (series,) = database.query(f"SELECT v, valid, n FROM {names.MEAN} WHERE {where}", names.RETENTION_KEPT)
    readings = dict(database.query(f"SELECT v FROM {names.READING} WHERE {names.TAG_SENSOR} = 'lel-131'")[0]["values"])
    assert len(series["values"]) == 23, "the last hour is not over until a later reading says so"
    for begin, mean, valid, slots in series["values"]:
        inside = [value for t, value in readings.items() if begin <= t < begin + HOUR]
        assert (slots, valid) == (12, True)
        assert mean == pytest.approx(math.fsum(inside) / 12)


def test_a_silenced_gateway_leaves_a_gap_and_an_incident_is_seen_closely(catalogue: Catalogue) -> None:
    past = Past(1, END - 12 * DAY, END, sensors=FEW)
    (silent,) = (incident for incident in HISTORIC if incident.silent)
    (leak,) = (incident for incident in HISTORIC if incident.name == "hf-leak")
    behind, detector, far = (
        next(sensor for sensor in FEW if sensor.name == name) for name in ("lel-201", "hf-101", "lel-131")
    )
    t = past.times(behind, behind.series(behind.channels[0]))
    for begin, end in past.incident_times(silent):
        assert not ((t >= begin) & (t < end)).any()
    assert past.incident_times(silent)
    near = past.times(detector, detector.series(detector.channels[0]))
    for begin, end in past.incident_times(leak):
        assert ((near >= begin) & (near < end)).sum() == leak.lasts // detector.interval
    assert np.diff(past.times(far, far.series(far.channels[0]))).max() == STEP
    stretch = past.stretch(detector, detector.channels[0], catalogue)
    assert stretch.value.max() > 4.0


def test_an_incident_that_is_not_over_has_not_happened() -> None:
    (leak,) = (incident for incident in HISTORIC if incident.name == "hf-leak")
    (begin, end), *_ = Past(1, END - 12 * DAY, END).incident_times(leak)
    assert Past(1, begin - HOUR, end + MINUTE).incident_times(leak) == []
    assert Past(1, begin + MINUTE, end + HOUR).incident_times(leak) == []
    assert Past(1, begin - HOUR, end + HOUR).incident_times(leak) == [(begin, end)]


def test_the_past_of_a_meter_goes_on_in_the_present(catalogue: Catalogue) -> None:
    meter = next(sensor for sensor in FEW if sensor.name == "meter-1006")
    longer = Past(1, END - DAY, END, sensors=(meter,)).stretch(meter, meter.channels[0], catalogue)
    shorter = Past(1, END - 6 * HOUR, END, sensors=(meter,)).stretch(meter, meter.channels[0], catalogue)
    known = dict(zip(longer.t.tolist(), longer.value.tolist(), strict=True))
    assert all(known[t] == value for t, value in zip(shorter.t.tolist(), shorter.value.tolist(), strict=True))
    assert len(shorter) >= 6 * HOUR // METER_STEP
    assert np.diff(shorter.t)[-60:].max() <= meter.interval, "the latest half hour is seen closely"


def test_readings_are_written_as_ingest_writes_them() -> None:
    series = "riverside/outfall/out-901/cod"
    qualities = [Quality.GOOD, Quality.FAILURE, Quality.FAILURE]
    values = [27.125, 999.0, math.nan]
    stretch = Stretch(
        np.array([END, END + 1, END + 2]), np.array(values), np.array([CODES[each] for each in qualities], np.int8)
    )
    readings = [
        Reading(series, END + place, None if math.isnan(value) else value, quality, END)
        for place, (value, quality) in enumerate(zip(values, qualities, strict=True))
    ]
    assert list(reading_lines(series, stretch)) == [line(reading) for reading in readings]


# --- the commands ----------------------------------------------------------------------------------------------------


@pytest.fixture
def told(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return CliRunner()


def test_the_command_writes_the_past_and_says_how_much(
    told: CliRunner, influx: Influx, influx_db: str, redis: Redis
) -> None:
    client = redis_client(redis.url)
    settle(client, {"nm-grid": Settled(END, "as ever")})
    done = told.invoke(app, ["simulate", "--history", "3h", "--incidents", "none"])
    assert done.exit_code == 0, done.output
    assert "0 entries of the journal" in done.output
    assert counted(Connection(influx.url, influx_db))[names.READING] > 223 * 18
    assert settled(client) == {}, "what is older than all that was settled is to be settled too"


def test_a_past_is_written_without_redis_and_what_that_means_is_said(
    told: CliRunner, influx: Influx, influx_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARKWATCH_REDIS_URL", f"redis://127.0.0.1:{free_port()}")
    done = told.invoke(app, ["simulate", "--history", "1h"])
    assert done.exit_code == 0, done.output
    assert "write the same past again" in done.output
    assert counted(Connection(influx.url, influx_db))[names.READING] > 0


@pytest.mark.parametrize("length", ["30", "1s", "400d"])
def test_a_length_that_cannot_be_is_refused_with_what_to_write(told: CliRunner, length: str) -> None:
    done = told.invoke(app, ["simulate", "--history", length])
    assert done.exit_code == 2
    assert "write" in done.output


def test_the_demo_gets_its_past_once(told: CliRunner, influx: Influx, influx_db: str) -> None:
    for _ in range(2):
        done = told.invoke(app, ["demo"])
        assert done.exit_code == 0, done.output
    connection = Connection(influx.url, influx_db)
    (only,) = ReportedStore(connection).imports()
    assert only.values > 3_000
    first = connection.query(f"SELECT q FROM {names.READING} ORDER BY time LIMIT 1")[0]["values"][0][0]
    last = connection.query(f"SELECT q FROM {names.READING} ORDER BY time DESC LIMIT 1")[0]["values"][0][0]
    assert 47 * HOUR < last - first <= 2 * DAY
