"""A server that is away, at start or later: one clear line, a finding of the doctor, nothing lost, no restart."""

from __future__ import annotations

import json
import re
import shutil
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from parkwatch.doctor import Finding, examine
from parkwatch.servers import free_port
from storage import names
from storage.settings import Settings
from tests.catchers import Catcher
from tests.conftest import ROOT, environment_of
from tests.engineer import HIGH, LIMIT, SITE, Engineer, Park
from tests.logins import write_users
from tests.pieces import Piece, Spawn
from tests.servers import Influx, Mosquitto, Redis, Server, eventually
from tests.whole import SHARD, Whole

#: What each piece says, once, of a server that is away.
LINES = {
    "redis": {
        "ingest": "Redis does not",
        "worker": "Redis is away",
        "beat": "Redis is away",
        "delivery": "Redis does not answer",
        "office": "Redis is away",
        "console": "Redis does not answer",
        "watchdog": "no pulse: Redis does not answer",
    },
    "influx": {"ingest": "readings go to the spool on disk until it is back"},
    "mosquitto": {"ingest": "); trying again"},
}
PIECES = {
    "ingest": "ingest.0",
    "worker": "worker.riverside.0",
    "beat": "beat",
    "delivery": "delivery",
    "office": "office",
    "console": "console",
    "watchdog": "watchdog",
}
#: The watchdog in a hurry: it is to say soon that Redis is away, and to find stale only what has long been away.
ARGUMENTS = {"worker": ("--shard", SHARD), "watchdog": ("--every", "1", "--fresh", "600", "--alive", "600")}
ZONES = """\
zones:
  riverside:
    names: {zh: 江边, en: Riverside}
    shards: 1
    sites:
      air-station:
        names: {zh: 空气站, en: Air station}
        latitude: 31.7490
        longitude: 120.9718
"""


class Scene:
    """Every piece of a park of one zone, on servers that can be taken away."""

    def __init__(self, whole: Whole, spawn: Spawn, mosquitto: Mosquitto, redis: Redis, influx: Influx) -> None:
        self.whole = whole
        self.mosquitto = mosquitto
        self.redis = redis
        self.influx = influx
        self._spawn = spawn

    @property
    def servers(self) -> dict[str, Server]:
        """The servers by name."""
        return {server.name: server for server in (self.mosquitto, self.redis, self.influx)}

    def start(self, *pieces: str) -> None:
        """Start pieces; unlike :class:`Whole`, don't wait until they are at work."""
        for piece in pieces or PIECES:
            command = ["run", piece, *ARGUMENTS.get(piece, ())]
            self.whole.pieces[piece] = self._spawn(command, self.whole.environment)

    def wait_until_at_work(self) -> None:
        """Wait until every piece shows life, and ingest hears the broker."""
        for piece, sign in PIECES.items():
            if piece in self.whole.pieces:
                eventually(
                    lambda sign=sign: self.whole.redis.exists(names.heartbeat(sign)),  # type: ignore[misc]
                    within=20,
                    why=lambda piece=piece: f"{piece}: {self.whole.pieces[piece].output}",  # type: ignore[misc]
                )
        self.whole.pieces["ingest"].wait_for("connected to the MQTT broker")

    def said(self, server: str) -> dict[str, int]:
        """How many lines each piece has written about the server being away."""
        return {
            piece: self.whole.pieces[piece].output.count(line)
            for piece, line in LINES[server].items()
            if piece in self.whole.pieces
        }

    def wait_until_said(self, server: str, times: int = 1) -> None:
        """Wait until every piece that uses the server has noticed, ``times`` times, that it is away."""
        eventually(lambda: min(self.said(server).values()) >= times, within=20, why=lambda: str(self.said(server)))

    def doctor(self) -> tuple[int, dict[str, Any]]:
        """The doctor's exit status, and its findings by what they are about."""
        piece = self.whole.command("doctor", "--json")
        status = piece.wait(30)
        return status, {finding["what"]: finding for finding in json.loads(piece.output)}


@pytest.fixture
def scene(tmp_path: Path, spawn_piece: Spawn, catcher: Catcher) -> Iterator[Scene]:
    """Servers of the test's own, none of them running."""
    for name in ("mosquitto", "redis", "influx"):
        (tmp_path / name).mkdir()
    mosquitto, redis = Mosquitto(tmp_path / "mosquitto"), Redis(tmp_path / "redis")
    influx = Influx(tmp_path / "influx")
    config = tmp_path / "config"
    shutil.copytree(ROOT / "config", config)
    (config / "zones.yaml").write_text(ZONES, encoding="utf-8")
    # The roster, the economy and some limits are for zones and sites that are no more.
    for name in ("oncall", "enterprises", "flows", "figures", "indicators", "evaluation", "access"):
        (config / f"{name}.yaml").unlink()
    for name in ("budgets", "fluorochemicals", "negative-list", "reactors", "stuck"):
        (config / "limits" / f"{name}.yaml").unlink()
    environment = environment_of(mosquitto, redis, influx, "park", tmp_path / "home")
    (tmp_path / "home").mkdir()
    write_users(tmp_path / "home" / "users.json")
    whole = Whole({**environment, "PARKWATCH_CONFIG": str(config)}, spawn_piece, influx, catcher)
    scene = Scene(whole, spawn_piece, mosquitto, redis, influx)
    yield scene
    whole.redis.close()
    for server in scene.servers.values():
        server.kill()


def _lasts(seconds: float = 1.5) -> None:
    """An outage lasts, through several attempts; there is nothing to wait for during it."""
    time.sleep(seconds)


def _expect_evaluated(park: Park, *sensors: str) -> None:
    """Wait until the high readings of ``sensors`` are evaluated and paged, each once."""
    eventually(lambda: all(park.alarm(sensor) for sensor in sensors), within=30, why=park.said)
    eventually(lambda: park.whole.pages() == {LIMIT: len(sensors)}, within=30, why=park.said)
    assert park.whole.raised() == {LIMIT: len(sensors)}


def _expect_stored(park: Park, *sensors: str) -> None:
    """Wait until the high readings of ``sensors`` are stored, each once."""
    for sensor in sensors:
        eventually(lambda sensor=sensor: park.stored(sensor) == [HIGH], within=30, why=park.said)  # type: ignore[misc]


def _publish(park: Park, sensor: str) -> None:
    park.engineer.publish(f"park/{SITE}/{sensor}/no2", {"v": HIGH})


def test_redis_away_at_start_and_later_costs_a_line_each_and_no_reading(scene: Scene) -> None:
    scene.mosquitto.start()
    scene.influx.start()
    scene.start("ingest", "worker", "beat", "delivery")
    scene.wait_until_said("redis")
    _lasts()
    scene.redis.start()
    scene.wait_until_at_work()
    with Engineer(scene.mosquitto.url) as engineer:
        park = Park(scene.whole, engineer, scene.influx)
        _publish(park, "first")
        _expect_evaluated(park, "first")

        scene.redis.kill()
        _publish(park, "second")
        scene.wait_until_said("redis", 2)
        _lasts()
        _publish(park, "third")
        scene.redis.start()
        _expect_evaluated(park, "first", "second", "third")
        _expect_stored(park, "first", "second", "third")
    assert scene.said("redis") == dict.fromkeys(["ingest", "worker", "beat", "delivery"], 2)


def test_influxdb_away_at_start_and_later_costs_a_line_each_and_no_reading(scene: Scene) -> None:
    scene.mosquitto.start()
    scene.redis.start()
    scene.start("ingest", "worker", "beat", "delivery")
    scene.wait_until_at_work()
    with Engineer(scene.mosquitto.url) as engineer:
        park = Park(scene.whole, engineer, scene.influx)
        _publish(park, "first")
        # Safety does not wait for the database.
        _expect_evaluated(park, "first")
        scene.wait_until_said("influx")
        _lasts()
        scene.influx.start()
        _expect_stored(park, "first")
        # A write may be stored although its answer came too late: the outage ends when ingest says so.
        scene.whole.pieces["ingest"].wait_for("InfluxDB is back", within=30)

        scene.influx.kill()
        _publish(park, "second")
        _expect_evaluated(park, "first", "second")
        scene.wait_until_said("influx", 2)
        _lasts()
        scene.influx.start()
        _expect_stored(park, "first", "second")
        scene.whole.pieces["ingest"].wait_for("the spool is empty again")
    assert scene.said("influx") == {"ingest": 2}


def test_broker_away_at_start_and_later_costs_a_line_each_and_no_reading_and_everything_stops(scene: Scene) -> None:
    scene.redis.start()
    scene.influx.start()
    scene.start("ingest", "worker", "beat", "delivery")
    scene.wait_until_said("mosquitto")
    _lasts()
    scene.mosquitto.start()
    scene.wait_until_at_work()
    with Engineer(scene.mosquitto.url) as engineer:
        park = Park(scene.whole, engineer, scene.influx)
        _publish(park, "first")
        _expect_evaluated(park, "first")

    # SIGTERM, so that it saves what it holds; what a kill -9 costs is another test's subject.
    scene.mosquitto.stop()
    scene.wait_until_said("mosquitto", 2)
    _lasts()
    scene.mosquitto.start()
    ingest = scene.whole.pieces["ingest"]
    eventually(lambda: ingest.output.count("connected to the MQTT broker") == 2, within=20, why=lambda: ingest.output)
    with Engineer(scene.mosquitto.url) as engineer:
        park = Park(scene.whole, engineer, scene.influx)
        _publish(park, "second")
        _expect_evaluated(park, "first", "second")
        _expect_stored(park, "first", "second")
    assert scene.said("mosquitto") == {"ingest": 2}
    for server in scene.servers.values():
        server.kill()
    scene.wait_until_said("mosquitto", 3)
    assert _stopped(scene) == dict.fromkeys(["ingest", "worker", "beat", "delivery"], 0)


def test_the_doctor_names_what_is_away_and_what_waits_and_then_everything_stops(scene: Scene) -> None:
    for server in scene.servers.values():
        server.start()
    scene.start()
    scene.wait_until_at_work()
    with Engineer(scene.mosquitto.url) as engineer:
        park = Park(scene.whole, engineer, scene.influx)
        eventually(lambda: not _unwell(scene), within=20, why=lambda: str(_unwell(scene)))
        assert scene.doctor()[0] == 0

        scene.influx.kill()
        _publish(park, "spooled")
        eventually(lambda: park.heartbeat("ingest.0")["spooled"] >= 1, why=park.said)
        status, findings = scene.doctor()
        assert status == 1
        assert {what for what, finding in findings.items() if not finding["well"]} == {"InfluxDB", "ingest.0"}
        assert "go to the spool" in findings["InfluxDB"]["advice"]
        # The watchdog's readings come meanwhile as well.
        assert re.search(r"\bspooled [1-9]", findings["ingest.0"]["state"])
        scene.influx.start()
        eventually(lambda: park.heartbeat("ingest.0")["spooled"] == 0, within=30, why=park.said)
        _expect_stored(park, "spooled")

        scene.mosquitto.stop()
        eventually(lambda: park.heartbeat("ingest.0")["connected"] is False, why=park.said)
        found = _unwell(scene)
        assert found.keys() == {"MQTT broker", "ingest.0"}
        assert "start it" in found["MQTT broker"].advice
        scene.mosquitto.start()
        eventually(lambda: park.heartbeat("ingest.0")["connected"] is True, why=park.said)

        scene.redis.kill()
        found = _unwell(scene)
        assert found.keys() == {"Redis"}
        assert "start it" in found["Redis"].advice
        scene.redis.start()
    eventually(lambda: not _unwell(scene), within=30, why=lambda: str(_unwell(scene)))
    assert _stopped(scene) == dict.fromkeys(PIECES, 0)


def _unwell(scene: Scene) -> dict[str, Finding]:
    findings = examine(Settings.from_environment(scene.whole.environment))
    return {finding.what: finding for finding in findings if not finding.well}


def _stopped(scene: Scene) -> dict[str, int]:
    """Stop every piece, all at the same time, each within ten seconds; return the exit statuses."""
    with ThreadPoolExecutor() as pool:
        return dict(zip(scene.whole.pieces, pool.map(Piece.stop, scene.whole.pieces.values()), strict=True))


def test_every_piece_stops_while_it_waits_for_servers_that_never_came(scene: Scene) -> None:
    scene.start()
    scene.wait_until_said("redis")
    assert _stopped(scene) == dict.fromkeys(PIECES, 0)
    assert scene.said("redis") == dict.fromkeys(PIECES, 1)


def test_a_second_beat_waits_for_the_first_and_takes_over(scene: Scene) -> None:
    scene.redis.start()
    scene.start("beat")
    first = scene.whole.pieces["beat"]
    eventually(lambda: scene.whole.redis.exists(names.heartbeat("beat")), why=lambda: first.output)
    scene.start("beat")
    second = scene.whole.pieces["beat"]
    scene.start("beat")
    third = scene.whole.pieces["beat"]
    second.wait_for("waits for the other beat", within=20)
    third.wait_for("waits for the other beat", within=20)
    assert third.stop() == 0, "one that waits can be stopped"
    assert first.stop() == 0
    scene.whole.redis.delete(names.heartbeat("beat"))
    eventually(lambda: scene.whole.redis.exists(names.heartbeat("beat")), why=lambda: second.output)
    assert second.stop() == 0


def test_a_broker_that_refuses_costs_one_line_and_is_asked_again(
    environment: dict[str, str], spawn_piece: Spawn
) -> None:
    refusal = b"\x20\x02\x00\x05"
    with socket.create_server(("127.0.0.1", free_port())) as door:
        url = f"mqtt://127.0.0.1:{door.getsockname()[1]}"
        ingest = spawn_piece(["run", "ingest"], {**environment, "PARKWATCH_MQTT_URL": url})
        for _ in range(4):
            client, _ = door.accept()
            with client:
                client.recv(1024)
                client.sendall(refusal)
        assert ingest.stop() == 0
    assert ingest.output.count("refuses us: Not authorized; trying again") == 1
