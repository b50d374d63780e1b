"""The command line: what each command prints, and how it says no."""

from __future__ import annotations

import csv
import io
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
import redis as redis_library
from paho.mqtt.enums import CallbackAPIVersion
from typer.testing import CliRunner, Result

from park.readings import Reading
from park.sensors import Channel, Sensor
from park.words import Location, Names, Quality
from parkwatch.cli import app
from parkwatch.servers import free_port
from storage import names
from storage.clock import SystemClock
from storage.configuration import load
from storage.directory import Directory
from storage.quarantine import Entry, Quarantine
from storage.queue import redis_client
from storage.states import encode_batch
from tests.conftest import ROOT
from tests.pieces import Spawn
from tests.servers import Mosquitto, Redis, eventually
from tests.whole import EXCERPT, MAP
from workers.evaluator import Evaluator

SHARD = "riverside.0"
SENSOR = "riverside/air-station/aq-1"
ALARM = "riverside.air-station.aq-1.no2.ambient-no2"


class Terminal:
    """Types ``parkwatch ...`` against servers of which only Redis runs."""

    def __init__(self, environment: dict[str, str], client: redis_library.Redis) -> None:
        self.environment = environment
        self.client = client
        # Wide enough for a table to keep its words in one line.
        self.columns = 250

    def __call__(self, *arguments: str, status: int = 0) -> str:
        """Run a command that ends with ``status``; return what it printed, both streams."""
        environment = {**self.environment, "COLUMNS": str(self.columns)}
        result: Result = CliRunner().invoke(app, arguments, env=environment)
        assert result.exit_code == status, f"{result.output}\n{result.exception!r}"
        return result.output

    def json(self, *arguments: str, status: int = 0) -> Any:
        """Run a command that prints JSON."""
        return json.loads(self(*arguments, "--json", status=status))


@pytest.fixture
def environment_here(redis: Redis, home: Path) -> dict[str, str]:
    nowhere = free_port()
    return {
        "PARKWATCH_HOME": str(home),
        "PARKWATCH_CONFIG": str(ROOT / "config"),
        "PARKWATCH_MQTT_URL": f"mqtt://127.0.0.1:{nowhere}",
        "PARKWATCH_REDIS_URL": redis.url,
        "PARKWATCH_INFLUX_URL": f"http://127.0.0.1:{nowhere}",
        "PARKWATCH_INFLUX_DB": "park",
    }


@pytest.fixture
def parkwatch(environment_here: dict[str, str]) -> Iterator[Terminal]:
    with redis_client(environment_here["PARKWATCH_REDIS_URL"]) as client:
        yield Terminal(environment_here, client)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A copy of the configuration, to be broken."""
    folder = tmp_path / "config"
    shutil.copytree(ROOT / "config", folder)
    return folder


def _evaluate(parkwatch: Terminal, *values: float) -> None:
    """Hand NO2 readings (mg/m3) of ``SENSOR`` to the worker's evaluator, one after the other."""
    evaluator = Evaluator(parkwatch.client, load(ROOT / "config"), SHARD, SystemClock())
    for value in values:
        now = time.time_ns() // 1_000_000
        reading = Reading(f"{SENSOR}/no2", now, value, Quality.GOOD, now)
        parkwatch.client.rpush(names.inbox(SHARD), encode_batch([reading]))
        evaluator.drain()
        # Readings of the same event time may raise, never clear.
        eventually(lambda now=now: time.time_ns() // 1_000_000 > now)  # type: ignore[misc]


# --- check -------------------------------------------------------------------------------------------------------


def test_check_says_what_is_configured(parkwatch: Terminal) -> None:
    said = parkwatch("check")
    assert f"{ROOT / 'config'}: 2 zones" in said
    assert "no problems (version " in said


def test_check_tells_every_problem_of_every_file_with_its_line(parkwatch: Terminal, config: Path) -> None:
    zones, tanks = config / "zones.yaml", config / "limits" / "tanks.yaml"
    zones.write_text(zones.read_text(encoding="utf-8").replace("shards: 1", "shards: none", 1), encoding="utf-8")
    tanks.write_text(tanks.read_text(encoding="utf-8").replace("deadband:", "deadbnd:", 1), encoding="utf-8")
    line = next(number for number, text in enumerate(zones.read_text().splitlines(), 1) if "shards: none" in text)
    parkwatch.environment["PARKWATCH_CONFIG"] = str(config)
    for command in (("check",), ("run", "ingest"), ("run", "worker", "--shard", SHARD), ("alarms",)):
        said = parkwatch(*command, status=2)
        assert f"{zones}:{line}: " in said
        assert "did you mean 'deadband'?" in said
        assert f"problems in {config}; nothing was started" in said


def test_check_of_no_folder(parkwatch: Terminal, tmp_path: Path) -> None:
    parkwatch.environment["PARKWATCH_CONFIG"] = str(tmp_path / "nowhere")
    assert "write the path of a configuration folder in PARKWATCH_CONFIG" in parkwatch("check", status=2)


# --- sensors -----------------------------------------------------------------------------------------------------


@pytest.fixture
def registered(parkwatch: Terminal) -> Directory:
    directory = Directory(parkwatch.client)
    directory.put(
        Sensor(
            SENSOR,
            registered=1,
            names=Names("一号站", "Station 1"),
            interval=10_000,
            location=Location.AMBIENT,
            gateway="gw-1",
            channels={"no2": Channel("ug/m3", 0, 1000)},
            described=True,
        )
    )
    directory.register(Sensor("new-materials/outfall/cod-1", registered=2))
    return directory


@pytest.mark.usefixtures("registered")
def test_sensors_are_listed(parkwatch: Terminal) -> None:
    said = parkwatch("sensors")
    assert "2 sensors" in said
    rows = {SENSOR: ("一号站 / Station 1", "ambient", "10 s", "gw-1", "no2"), "cod-1": ("(no $meta)",)}
    for key, words in rows.items():
        [row] = [line for line in said.splitlines() if key in line]
        assert all(word in row for word in words), row
    assert "cod-1" not in parkwatch("sensors", "--zone", "riverside")
    described, bare = parkwatch.json("sensors")[::-1]
    assert (described["key"], described["channels"]["no2"]["unit"]) == (SENSOR, "ug/m3")
    assert (bare["key"], bare["described"]) == ("new-materials/outfall/cod-1", False)


def test_a_forgotten_sensor_goes_with_its_alarms(parkwatch: Terminal, registered: Directory) -> None:
    _evaluate(parkwatch, 0.25)
    assert [alarm["alarm"] for alarm in parkwatch.json("alarms")] == [ALARM]
    assert "is forgotten" in parkwatch("sensors", "--forget", SENSOR)
    assert registered.get(SENSOR) is None
    assert parkwatch.json("alarms") == []
    assert not parkwatch.client.hexists(names.series(SHARD), f"{SENSOR}/no2")
    for unknown in (SENSOR, "nonsense", "a/b/c/d"):
        assert f"no sensor {unknown} is registered" in parkwatch("sensors", "--forget", unknown, status=1)


# --- quarantine --------------------------------------------------------------------------------------------------


def test_quarantine_shows_reason_and_fix(parkwatch: Terminal) -> None:
    assert "counts: none" in parkwatch("quarantine")
    assert parkwatch.json("quarantine") == {"counts": {}, "newest": []}
    entries = [
        Entry(f"park/a/b/c/{number}", "unit", "unit [bold]x[/] is not known", "send ppm", "[1]", 1_750_000_000_000)
        for number in range(3)
    ]
    Quarantine(parkwatch.client).put(entries)
    said = parkwatch("quarantine", "--most", "2")
    assert "park/a/b/c/2" in said
    assert "park/a/b/c/0" not in said
    assert all(word in said for word in ("{'unit': 3}", "unit [bold]x[/] is not known", "send ppm", "[1]"))
    found = parkwatch.json("quarantine")
    assert found["counts"] == {"unit": 3}
    assert [entry["topic"] for entry in found["newest"]] == ["park/a/b/c/2", "park/a/b/c/1", "park/a/b/c/0"]


# --- alarms ------------------------------------------------------------------------------------------------------


def test_alarms_are_listed_in_the_unit_of_their_limit(parkwatch: Terminal) -> None:
    assert parkwatch("alarms") == "no alarms\n"
    _evaluate(parkwatch, 0.25)
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
    _evaluate(parkwatch, 0.25, 0.01, 0.26)
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
    _evaluate(parkwatch, 0.25)
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
    _evaluate(parkwatch, 0.25, 0.01, 0.26)
    said = parkwatch("ack", ALARM, "--by", "Li Wei", "--occurrence", "1", "--version", "1", status=1)
    assert "the alarm is at occurrence 2, version 3, state UNACK" in said
    assert parkwatch.json("alarms")[0]["state"] == "UNACK"


@pytest.mark.parametrize("alarm", ["nonsense", "a.b.c.d.e", ALARM])
def test_an_alarm_that_is_not_there_can_not_be_acknowledged(parkwatch: Terminal, alarm: str) -> None:
    assert f"no alarm {alarm} waits" in parkwatch("ack", alarm, "--by", "Li Wei", status=1)


# --- replay and simulate -----------------------------------------------------------------------------------------


def test_replay_refuses_what_it_can_not_read(parkwatch: Terminal, tmp_path: Path) -> None:
    missing = tmp_path / "missing.csv"
    assert str(missing) in parkwatch("replay", str(missing), "--map", str(MAP), status=2)
    assert str(missing) in parkwatch("replay", str(EXCERPT), "--map", str(missing), status=2)
    bad = tmp_path / "map.yaml"
    bad.write_text(MAP.read_text(encoding="utf-8").replace("quantity: no2", "quantity: no22"), encoding="utf-8")
    said = parkwatch("replay", str(EXCERPT), "--map", str(bad), status=2)
    line = next(number for number, text in enumerate(bad.read_text().splitlines(), 1) if "no22" in text)
    assert f"{bad}:{line}: " in said
    assert "did you mean 'no2'?" in said
    assert "rate" in parkwatch("replay", str(EXCERPT), "--map", str(MAP), "--rate", "0", status=2)
    assert "Missing option '--map'" in parkwatch("replay", str(EXCERPT), status=2)


def test_simulate_knows_its_incidents(parkwatch: Terminal) -> None:
    said = parkwatch("simulate", "--incidents", "earthquake", status=2)
    assert "earthquake" in said
    assert "hf-leak" in said


def test_simulate_without_incidents_publishes_until_it_is_told_to_stop(
    mosquitto: Mosquitto, environment_here: dict[str, str], spawn_piece: Spawn
) -> None:
    heard: set[str] = set()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.on_message = lambda _client, _data, message: heard.add(message.topic)
    client.connect("127.0.0.1", mosquitto.port)
    client.subscribe("park/#")
    client.loop_start()
    piece = spawn_piece(["simulate", "--incidents", "none"], {**environment_here, "PARKWATCH_MQTT_URL": mosquitto.url})
    eventually(lambda: any(not topic.endswith(("$meta", "$state")) for topic in heard), within=20)
    assert {topic.split("/")[1] for topic in heard} == {"new-materials", "riverside"}
    assert piece.stop() == 0
    client.disconnect()
    client.loop_stop()
    assert "published " in piece.output
    assert "simulated park:" not in piece.output


# --- doctor ------------------------------------------------------------------------------------------------------


def test_doctor_names_everything_that_is_away_with_what_to_do(parkwatch: Terminal) -> None:
    findings = {finding["what"]: finding for finding in parkwatch.json("doctor", status=1)}
    unwell = {what: finding["advice"] for what, finding in findings.items() if not finding["well"]}
    assert unwell.keys() == {
        "MQTT broker",
        "InfluxDB",
        "beat",
        "delivery",
        "console",
        "ingest",
        "worker.new-materials.0",
        "worker.riverside.0",
    }
    assert unwell["delivery"] == "start `parkwatch run delivery`"
    assert "start `parkwatch run worker --shard riverside.0`" in unwell["worker.riverside.0"]
    assert "start beat first" in unwell["worker.riverside.0"]
    assert findings["configuration"]["well"]
    assert findings["Redis"]["well"]
    table = parkwatch("doctor", status=1)
    assert all(what in table for what in findings)


@pytest.mark.parametrize(("channels", "state"), [([], "none: pages reach NOBODY"), (["duty", "env"], "duty, env")])
def test_doctor_says_who_would_be_told(parkwatch: Terminal, channels: list[str], state: str) -> None:
    parkwatch.client.set(names.heartbeat("delivery"), json.dumps({"channels": channels}))
    [finding] = [found for found in parkwatch.json("doctor", status=1) if found["what"] == "channels"]
    assert (finding["well"], finding["state"]) == (bool(channels), state)


def test_doctor_sees_what_lags(parkwatch: Terminal) -> None:
    parkwatch.client.rpush(names.inbox(SHARD), *[b"x"] * 300)
    parkwatch.client.zadd(names.OUTBOX, {"page:x:1:1": time.time() * 1000 - 60_000, "page:y:1:1": 9e15})
    Quarantine(parkwatch.client).put([Entry("park/x", "topic", "short", "longer", "1", 1)])
    findings = {finding["what"]: finding for finding in parkwatch.json("doctor", status=1)}
    assert (findings[f"inbox {SHARD}"]["well"], findings[f"inbox {SHARD}"]["state"]) == (False, "300 batches wait")
    assert "shards" in findings[f"inbox {SHARD}"]["advice"]
    assert findings["inbox new-materials.0"]["well"]
    assert (findings["outbox"]["well"], findings["outbox"]["state"]) == (False, "2 wait, 1 of them overdue")
    assert (findings["quarantine"]["well"], findings["quarantine"]["state"]) == (True, "topic 1")


def test_doctor_looks_on_when_the_configuration_is_broken(parkwatch: Terminal, config: Path) -> None:
    (config / "zones.yaml").unlink()
    parkwatch.environment["PARKWATCH_CONFIG"] = str(config)
    findings = {finding["what"]: finding for finding in parkwatch.json("doctor", status=1)}
    assert not findings["configuration"]["well"]
    assert "parkwatch check" in findings["configuration"]["advice"]
    assert findings["Redis"]["well"]
    assert not findings["delivery"]["well"]


# --- what stands in the way of any command -------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["sensors", "quarantine", "alarms"])
def test_commands_say_that_redis_is_away(parkwatch: Terminal, command: str) -> None:
    parkwatch.environment["PARKWATCH_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    said = parkwatch(command, status=1)
    assert "Redis does not answer" in said
    assert "`parkwatch doctor` says more" in said


def test_doctor_says_that_redis_is_away(parkwatch: Terminal) -> None:
    parkwatch.environment["PARKWATCH_REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    findings = {finding["what"]: finding for finding in parkwatch.json("doctor", status=1)}
    assert findings["Redis"]["state"].startswith("away: ")
    assert "readings wait at the broker" in findings["Redis"]["advice"]


def test_a_shard_that_is_not_configured_has_no_worker(parkwatch: Terminal) -> None:
    said = parkwatch("run", "worker", "--shard", "riverside.7", status=2)
    assert "there is no shard riverside.7; write one of new-materials.0, riverside.0" in said


def test_a_secret_file_that_is_not_there_is_named(parkwatch: Terminal, tmp_path: Path) -> None:
    parkwatch.environment["PARKWATCH_WEBHOOK_SECRET_FILE"] = str(tmp_path / "nowhere")
    said = parkwatch("check", status=2)
    assert f"PARKWATCH_WEBHOOK_SECRET_FILE names {tmp_path / 'nowhere'}" in said


def test_a_second_terminal_finds_what_runs_by_its_env_file(parkwatch: Terminal, home: Path) -> None:
    (home / "env").write_text(f"PARKWATCH_REDIS_URL={parkwatch.environment.pop('PARKWATCH_REDIS_URL')}\n")
    assert parkwatch.json("alarms") == []
