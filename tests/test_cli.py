"""The command line: what each command prints, and how it says no."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from park.sensors import Channel, Sensor
from park.words import Location, Names
from parkwatch.servers import free_port
from storage import names, watch
from storage.directory import Directory
from storage.quarantine import Entry, Quarantine
from storage.queue import redis_client
from tests.conftest import ROOT
from tests.pieces import Spawn
from tests.servers import Mosquitto, Redis, eventually
from tests.terminal import ALARM, SENSOR, SHARD, Terminal, evaluate
from tests.whole import EXCERPT, MAP


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
    evaluate(parkwatch, 0.25)
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
        "office",
        "console",
        "watchdog",
        "canaries",
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


def _watched(now: int, **changes: Any) -> watch.Watched:
    checks = (
        watch.Check(watch.Kind.CANARY, "riverside", 4_400, well=True),
        watch.Check(watch.Kind.STORED, "riverside", 41_000, well=False),
        watch.Check(watch.Kind.ALIVE, "beat", 1_000, well=True),
    )
    plain = watch.Watched(now, checks, now, (), watch.Pulse(wanted=True, sent=now - 12_000))
    return msgspec.structs.replace(plain, **changes)


def _findings(parkwatch: Terminal) -> dict[str, tuple[bool, str]]:
    """What the doctor says of what the watchdog has found."""
    findings = parkwatch.json("doctor", status=1)
    return {finding["what"]: (finding["well"], finding["state"]) for finding in findings}


def test_doctor_tells_what_the_watchdog_has_found(parkwatch: Terminal) -> None:
    now = time.time_ns() // 1_000_000
    watch.put(parkwatch.client, _watched(now))
    found = _findings(parkwatch)
    assert found["canary riverside"] == (True, "4 s old")
    assert found["stored riverside"] == (False, "41 s old")
    assert found["pulse"][0]
    assert re.fullmatch(r"last sent 1\d s ago", found["pulse"][1])
    assert found["auditor"] == (True, "no call is overdue or missing")
    assert "canaries" not in found
    problems = (
        watch.Problem(watch.Fault.MISSING, "riverside", ALARM),
        *(watch.Problem(watch.Fault.OVERDUE, "riverside", f"page:x:1:{number}", 45_000) for number in range(6)),
    )
    silent = watch.Pulse(wanted=True, reason="sign of life from beat: none")
    watch.put(parkwatch.client, _watched(now, problems=problems, pulse=silent))
    found = _findings(parkwatch)
    assert found["pulse"] == (False, "never sent; not now: sign of life from beat: none")
    well, state = found["auditor"]
    assert not well
    assert state.startswith(f"{ALARM} missing, page:x:1:0 overdue (45 s), ")
    assert state.endswith(", and 2 more")
    watch.put(parkwatch.client, _watched(now, audited=now - 60_000, pulse=watch.Pulse(wanted=False)))
    found = _findings(parkwatch)
    assert not found["auditor"][0]
    # It is nobody's duty to have an address outside.
    assert found["pulse"] == (True, "no address")


def test_doctor_says_who_can_log_in(parkwatch: Terminal) -> None:
    parkwatch.client.set(names.heartbeat("console"), json.dumps({"at": 1, "users": 0, "links": False}))
    found = _findings(parkwatch)
    assert found["log-in"] == (False, "no users: NOBODY can log in")
    assert found["one-tap links"] == (True, "none: there is no secret key")
    parkwatch.client.set(names.heartbeat("console"), json.dumps({"at": 1, "users": 3, "links": True}))
    found = _findings(parkwatch)
    assert (found["log-in"], found["one-tap links"]) == ((True, "3 users"), (True, "signed"))


def test_doctor_says_whom_the_roster_reaches(parkwatch: Terminal, config: Path) -> None:
    well, state = _findings(parkwatch)["on-call"]
    assert well
    assert "on the terminal of delivery only: " in state
    assert "zhang-lei" in state
    (config / "oncall.yaml").unlink()
    parkwatch.environment["PARKWATCH_CONFIG"] = str(config)
    assert _findings(parkwatch)["on-call"] == (True, "no roster: pages go to the channels only")


def test_doctor_counts_what_has_gone_wrong_with_messages(parkwatch: Terminal) -> None:
    assert _findings(parkwatch)["delivered"] == (True, "0 sent")
    for name, count in (("sent", 12), ("failed", 2), ("exhausted", 1)):
        parkwatch.client.hset(names.COUNTERS, f"delivery.{name}", count)
    assert _findings(parkwatch)["delivered"] == (True, "12 sent, 2 failed, 1 chains that nobody answered")


def test_doctor_sees_what_lags(parkwatch: Terminal) -> None:
    parkwatch.client.rpush(names.inbox(SHARD), *[b"x"] * 300)
    parkwatch.client.zadd(names.OUTBOX, {"page:x:1:1": time.time() * 1000 - 60_000, "page:y:1:1": 9e15})
    Quarantine(parkwatch.client).put([Entry("park/x", "topic", "short", "longer", "1", 1)])
    findings = {finding["what"]: finding for finding in parkwatch.json("doctor", status=1)}
    assert (findings[f"inbox {SHARD}"]["well"], findings[f"inbox {SHARD}"]["state"]) == (False, "300 batches wait")
    assert "shards" in findings[f"inbox {SHARD}"]["advice"]
    assert findings["inbox new-materials.0"]["well"]
    assert (findings["outbox"]["well"], findings["outbox"]["state"]) == (False, "2 wait, 1 of them due, 1 overdue")
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
