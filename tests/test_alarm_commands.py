"""``parkwatch alarms`` and what people do to an alarm, as typed at a terminal."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest

from park.alarms import Event
from park.kpis import DAY, KPIS, PARK, ROLLING, Latest, Ledger, day_span, rolling_spans
from park.sensors import Sensor
from park.words import Location
from storage.directory import Directory
from storage.figures import FigureStore, publish_kpis
from storage.history import History, recent
from storage.influx import Influx
from storage.queue import redis_client
from tests import servers
from tests.alerting import transition
from tests.conftest import environment_of
from tests.terminal import ALARM, SENSOR, Terminal, evaluate


@pytest.fixture
def influx_client(influx: servers.Influx, influx_db: str) -> Iterator[Influx]:
    with closing(Influx(influx.url, influx_db)) as made:
        made.ensure()
        yield made


@pytest.fixture
def parkwatch(redis: servers.Redis, influx: servers.Influx, influx_client: Influx, home: Path) -> Iterator[Terminal]:
    environment = environment_of(servers.Mosquitto(home), redis, influx, influx_client.database, home)
    with redis_client(redis.url) as client:
        yield Terminal(environment, client)


def refuse(line: str, reason: str) -> None:
    raise AssertionError(f"refused: {line}: {reason}")


def now() -> int:
    return time.time_ns() // 1_000_000


# --- alarms ------------------------------------------------------------------------------------------------------


def test_alarms_are_listed_in_the_unit_of_their_limit(parkwatch: Terminal) -> None:
    assert parkwatch("alarms") == "no alarms\n"
    evaluate(parkwatch, 0.25)
    first, second, last = parkwatch("alarms").splitlines()
    assert first.split() == ["low", "UNACK", ALARM]
    assert all(words in second for words in ("250 ug/m3, set-point 200 ug/m3; since 2", "occurrence 1, version 1"))
    assert last == "1 alarms"
    [alarm] = parkwatch.json("alarms")
    assert (alarm["state"], alarm["occurrence"], alarm["version"], alarm["set_point"]) == ("UNACK", 1, 1, 200.0)
    assert parkwatch.json("alarms", "--zone", "new-materials") == []
    assert parkwatch.json("alarms", "--zone", "riverside") == [alarm]
    parkwatch.columns = 80
    assert ALARM in parkwatch("alarms"), "what has to be copied is never cut"


def test_the_journal_is_told_newest_first(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25, 0.01, 0.26)
    events = ["raised", "returned", "raised"]
    assert [one["event"] for one in parkwatch.json("alarms", "--journal")] == events
    assert [one["occurrence"] for one in parkwatch.json("alarms", "--journal")] == [2, 1, 1]
    assert len(parkwatch.json("alarms", "--journal", "--most", "1")) == 1
    assert parkwatch.json("alarms", "--journal", "--zone", "new-materials") == []
    said = parkwatch("alarms", "--journal")
    assert "3 transitions" in said
    assert said.count(ALARM) == 3
    rows = list(csv.DictReader(io.StringIO(parkwatch("alarms", "--journal", "--csv"))))
    assert [(row["alarm"], row["event"], row["before"], row["after"]) for row in rows] == [
        (ALARM, "raised", "RTNUN", "UNACK"),
        (ALARM, "returned", "UNACK", "RTNUN"),
        (ALARM, "raised", "NORM", "UNACK"),
    ]


# --- ack ---------------------------------------------------------------------------------------------------------


def test_an_alarm_is_acknowledged_once(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25)
    assert f"{ALARM}: ACKED" in parkwatch("ack", ALARM, "--by", "Li Wei", "--comment", "on my way")
    [alarm] = parkwatch.json("alarms")
    assert (alarm["state"], alarm["acknowledged_by"]) == ("ACKED", "Li Wei")
    newest = parkwatch.json("alarms", "--journal")[0]
    assert (newest["event"], newest["by"], newest["why"]) == ("acknowledged", "Li Wei", "on my way")

    assert "had been acknowledged" in parkwatch("ack", ALARM, "--by", "Wang")
    assert "had been acknowledged" in parkwatch("ack", ALARM, "--by", "Wang", "--occurrence", "1", "--version", "1")
    assert parkwatch.json("alarms")[0]["acknowledged_by"] == "Li Wei"
    assert len(parkwatch.json("alarms", "--journal")) == 2


def test_an_acknowledgement_of_something_older_is_refused(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25, 0.01, 0.26)
    said = parkwatch("ack", ALARM, "--by", "Li Wei", "--occurrence", "1", "--version", "1", status=1)
    assert "the alarm is at occurrence 2, version 3, state UNACK" in said
    assert parkwatch.json("alarms")[0]["state"] == "UNACK"


@pytest.mark.parametrize("alarm", ["nonsense", "a.b.c.d.e", ALARM])
def test_an_alarm_that_is_not_there_can_not_be_acknowledged(parkwatch: Terminal, alarm: str) -> None:
    assert f"no alarm {alarm} waits" in parkwatch("ack", alarm, "--by", "Li Wei", status=1)


# --- the journal, from both stores -------------------------------------------------------------------------------


def test_the_journal_shows_everything_of_a_transition(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25)
    [raised] = parkwatch.json("alarms", "--journal")
    assert (raised["value"], raised["set_point"], raised["unit"]) == (250.0, 200.0, "ug/m3")
    assert raised["source"]
    assert raised["clause"]["zh"]
    assert raised["limit_version"]
    assert (raised["before"], raised["after"], raised["by"]) == ("NORM", "UNACK", "parkwatch")
    [row] = csv.DictReader(io.StringIO(parkwatch("alarms", "--journal", "--csv")))
    assert (row["value"], row["set_point"], row["unit"]) == ("250.0", "200.0", "ug/m3")
    assert (row["source"], row["clause_zh"]) == (raised["source"], raised["clause"]["zh"])
    for column in ("at", "t"):
        assert datetime.fromisoformat(row[column]).timestamp() * 1000 == pytest.approx(raised[column])
    [line, _] = parkwatch("alarms", "--journal").splitlines()
    assert "250 ug/m3" in line


def test_what_is_older_than_redis_comes_from_influxdb(parkwatch: Terminal, influx_client: Influx) -> None:
    begin = now() - 3 * 86_400_000
    older = [transition(Event.SHELVED, by="王芳", why=f"第{n}次，\n检修", at=begin + n) for n in range(5)]
    History(influx_client).keep([(f"{begin + n}-0", each) for n, each in enumerate(older)], refuse)
    evaluate(parkwatch, 0.25, 0.01)
    # Part of what Redis holds has been kept too.
    here = list(recent(parkwatch.client, 0))
    History(influx_client).keep(here[-1:], refuse)
    found = parkwatch.json("alarms", "--journal", "--since", "7d")
    assert [one["event"] for one in found] == ["returned", "raised", *["shelved"] * 5]
    assert [one["why"] for one in found[2:]] == [each.why for each in older[::-1]]
    assert len(parkwatch.json("alarms", "--journal", "--since", "24h")) == 2
    assert len(parkwatch.json("alarms", "--journal", "--since", "24")) == 2
    assert len(parkwatch.json("alarms", "--journal", "--since", "2020-01-01", "--event", "shelved")) == 5
    assert len(parkwatch.json("alarms", "--journal", "--since", "7d", "--zone", "riverside")) == 2
    assert len(parkwatch.json("alarms", "--journal", "--since", "7d", "--zone", "new-materials")) == 5
    assert len(parkwatch.json("alarms", "--journal", "--since", "7d", "--most", "3")) == 3
    assert "3 transitions (there are more: --most 15)" in parkwatch(
        "alarms", "--journal", "--since", "7d", "--most", "3"
    )
    moment = datetime.fromtimestamp((begin + 3) / 1000).astimezone().isoformat()
    assert len(parkwatch.json("alarms", "--journal", "--since", moment, "--event", "shelved")) == 2


def test_the_journal_says_what_it_can_not_read(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25)
    parkwatch.environment["PARKWATCH_INFLUX_URL"] = "http://127.0.0.1:1"
    said = parkwatch("alarms", "--journal", status=1)
    assert ALARM in said
    assert "what is older than this is there and can't be read now" in said
    assert len(parkwatch.json("alarms", "--journal", status=1)) == 1


def test_nothing_kept_yet_is_no_failure(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25)
    parkwatch.environment["PARKWATCH_INFLUX_DB"] = "another"
    assert len(parkwatch.json("alarms", "--journal")) == 1
    assert "InfluxDB holds no journal yet" in parkwatch("alarms", "--journal")


@pytest.mark.parametrize(
    ("since", "text"),
    [("yesterday", "write 24h, 7d, 2026-11-01"), ("", "write 24h"), ("2999-01-01", "lies in the future")],
)
def test_a_since_that_can_not_be_read_is_told_what_to_write(parkwatch: Terminal, since: str, text: str) -> None:
    assert text in parkwatch("alarms", "--journal", "--since", since, status=2)


# --- shelve, out of service, reset -------------------------------------------------------------------------------


def test_an_alarm_is_shelved_and_taken_back(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25)
    assert f"{ALARM}: SHLVD" in parkwatch("shelve", ALARM, "--for", "2h", "--by", "Li Wei", "--why", "calibration")
    [alarm] = parkwatch.json("alarms")
    assert alarm["state"] == "SHLVD"
    assert alarm["shelved"][:2] == ["Li Wei", "calibration"]
    assert 0 < alarm["shelved"][2] - now() <= 2 * 3_600_000
    assert "by Li Wei: calibration" in parkwatch("alarms")
    assert f"{ALARM}: UNACK" in parkwatch("unshelve", ALARM, "--by", "Li Wei")
    assert "the alarm is not shelved" in parkwatch("unshelve", ALARM, "--by", "Li Wei", status=1)
    events = [(one["event"], one["by"], one["why"]) for one in parkwatch.json("alarms", "--journal")[:2]]
    assert events == [("unshelved", "Li Wei", ""), ("shelved", "Li Wei", "calibration")]


def test_an_alarm_is_taken_out_of_service_and_put_back(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25)
    assert f"{ALARM}: OOSRV" in parkwatch("out-of-service", ALARM, "--by", "Li Wei", "--why", "pump is out")
    assert "out of service by Li Wei: pump is out" in parkwatch("alarms")
    assert "is out of service already" in parkwatch("out-of-service", ALARM, "--by", "W", "--why", "too", status=1)
    assert f"{ALARM}: UNACK" in parkwatch("back-in-service", ALARM, "--by", "Li Wei", "--why", "mended")


def test_an_alarm_that_is_normal_can_be_shelved(parkwatch: Terminal) -> None:
    Directory(parkwatch.client).register(Sensor(SENSOR, registered=1, location=Location.AMBIENT))
    evaluate(parkwatch, 0.01)
    assert f"{ALARM}: SHLVD" in parkwatch("shelve", ALARM, "--for", "30m", "--by", "Li Wei", "--why", "calibration")


def test_what_can_not_be_done_is_refused_with_what_to_do(parkwatch: Terminal) -> None:
    evaluate(parkwatch, 0.25)
    shelve = ("shelve", ALARM, "--by", "Li Wei", "--why", "calibration")
    assert "shelved for 8 h at most" in parkwatch(*shelve, "--for", "9h", status=1)
    assert "write 30m, 2h or 1d" in parkwatch(*shelve, "--for", "long", status=2)
    assert "takes a reason" in parkwatch("shelve", ALARM, "--by", "Li", "--why", " ", "--for", "1h", status=1)
    assert "say who" in parkwatch("shelve", ALARM, "--by", " ", "--why", "x", "--for", "1h", status=2)
    assert "the condition is still there" in parkwatch("reset", ALARM, "--by", "Li Wei", status=1)
    assert parkwatch.json("alarms")[0]["state"] == "UNACK"


@pytest.mark.parametrize("alarm", ["nonsense", "a.b.c.d.e", ALARM.replace("no2", "so2"), f"{ALARM}s"])
@pytest.mark.parametrize("action", ["unshelve", "back-in-service", "reset"])
def test_an_alarm_that_can_not_be_is_named(parkwatch: Terminal, action: str, alarm: str) -> None:
    assert f"there can be no alarm {alarm}" in parkwatch(action, alarm, "--by", "Li Wei", status=1)


# --- KPIs --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reckoned(parkwatch: Terminal, influx_client: Influx) -> None:
    """The KPIs of a journal with two announcements today, as the office leaves them."""
    evaluate(parkwatch, 0.25, 0.01, 0.26)
    ledger, at = Ledger(now() - 31 * DAY), now() + 60_000
    ledger.add(each for _, each in reversed(list(recent(parkwatch.client, 0))))
    every = {zone: ledger.figures(zone, rolling_spans(at), 1, {}) for zone in ("riverside", "new-materials", PARK)}
    zones = {zone: {each.window: each for each in found} for zone, found in every.items()}
    publish_kpis(parkwatch.client, Latest(at, ledger.begin, zones))
    days = [day_span(at - n * DAY, at) for n in range(3)]
    FigureStore(influx_client).write([each for zone in zones for each in ledger.figures(zone, days, 1, {})], refuse)


@pytest.mark.usefixtures("reckoned")
def test_kpis_are_shown_with_their_targets(parkwatch: Terminal) -> None:
    said = parkwatch("alarms", "kpi")
    assert said.index("全园区") < said.index("riverside: 1 operator")
    for kpi in KPIS:
        assert kpi.names.zh in said
    found = parkwatch.json("alarms", "kpi", "--days", "3")
    assert set(found["zones"]) == {PARK, "riverside", "new-materials"}
    riverside = found["zones"]["riverside"]
    assert list(riverside["rolling"]) == list(ROLLING)
    assert riverside["rolling"]["1h"]["announced"] == 2
    assert riverside["rolling"]["24h"]["top"] == [{"alarm": ALARM, "count": 2}]
    assert [day["announced"] for day in riverside["days"]][-1] == 0
    assert sum(day["announced"] for day in riverside["days"]) == 2
    assert {target["name"] for target in found["targets"]} == {kpi.name for kpi in KPIS}
    assert list(parkwatch.json("alarms", "kpi", "--zone", "riverside")["zones"]) == ["riverside"]
    assert parkwatch.json("alarms", "kpi", "--days", "0")["zones"]["riverside"]["days"] == []
    assert f"2 x {ALARM}" in parkwatch("alarms", "kpi", "--zone", "riverside")
    assert "write one of" in parkwatch("alarms", "kpi", "--zone", "nowhere", status=1)


@pytest.mark.usefixtures("reckoned")
def test_kpis_without_influxdb_lack_the_days(parkwatch: Terminal) -> None:
    parkwatch.environment["PARKWATCH_INFLUX_URL"] = "http://127.0.0.1:1"
    said = parkwatch("alarms", "kpi", status=1)
    assert "全园区" in said
    assert "the days are not shown" in said


def test_no_kpis_yet(parkwatch: Terminal) -> None:
    assert "`parkwatch run office`" in parkwatch("alarms", "kpi", status=1)
