"""A sensor's way in: registered by its first reading, described by $meta, watched from then on."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from park.sensors import Sensor
from storage.directory import Directory
from tests.engineer import HIGH, SITE, Park, running
from tests.servers import Influx, eventually

#: ms; with three missed intervals a sensor is stale, so that a sweep soon says so.
SOON = 200
NMHC_WORKPLACE = "nmhc-in-plant"


@pytest.fixture(scope="module")
def park(tmp_path_factory: pytest.TempPathFactory, _session_influx: Influx) -> Iterator[Park]:
    with running(tmp_path_factory.mktemp("onboarding"), _session_influx, "ingest", "worker", "beat") as park:
        yield park


def _registered(park: Park, sensor: str) -> Sensor | None:
    return Directory(park.redis).get(f"{SITE}/{sensor}")


def _describe(park: Park, sensor: str, **descriptor: Any) -> None:
    park.engineer.publish(f"park/{SITE}/{sensor}/$meta", descriptor, retain=True)
    eventually(lambda: (found := _registered(park, sensor)) and found.described, why=park.said)


def test_a_reading_on_a_new_topic_registers_its_sensor_and_says_which_limits_hold(park: Park) -> None:
    sensor, begun = park.new_sensor(), time.time_ns() // 1_000_000
    park.engineer.publish(f"park/{SITE}/{sensor}", {"v": {"o3": 0.01, "wind-speed": 0.02}})
    answer = park.engineer.answer("registered", f"{SITE}/{sensor}")
    assert answer.topic == f"parkwatch/feedback/{SITE}/{sensor}"
    assert answer.content["at"] >= begun
    assert answer.content["limits"] == {
        "o3": ["ambient-o3", "ambient-o3-8h", "environment-data"],
        "wind-speed": ["environment-data"],
    }
    eventually(lambda: park.stored(sensor) == [0.01, 0.02], pause=0.05, why=park.said)
    found = _registered(park, sensor)
    assert found is not None
    assert begun <= found.registered <= answer.content["at"]
    assert not found.described
    assert len(park.engineer.answers("registered", f"{SITE}/{sensor}")) == 1


def test_a_descriptor_is_kept_and_repeated_is_nothing_new(park: Park) -> None:
    sensor = park.new_sensor()
    descriptor = {
        "names": {"zh": "一号探头", "en": "Detector 1"},
        "location": "workplace",
        "interval": 10_000,
        "latitude": 31.75,
        "longitude": 120.97,
        "gateway": "gw-1",
        "quantities": {"nmhc": {"unit": "ug/m3", "minimum": 0, "maximum": 90_000}},
    }
    _describe(park, sensor, **descriptor)
    found = _registered(park, sensor)
    assert found is not None
    assert found.names is not None
    assert (found.names.zh, found.names.en, found.location, found.interval) == (
        "一号探头",
        "Detector 1",
        "workplace",
        10_000,
    )
    assert (found.latitude, found.longitude, found.gateway) == (31.75, 120.97, "gw-1")
    assert [(name, own.unit, own.minimum, own.maximum) for name, own in found.channels.items()] == [
        ("nmhc", "ug/m3", 0, 90_000)
    ]
    answer = park.engineer.answer("registered", f"{SITE}/{sensor}")
    assert answer.content["limits"] == {"nmhc": ["detector-data", NMHC_WORKPLACE, f"{NMHC_WORKPLACE}-hour"]}
    park.engineer.publish(f"park/{SITE}/{sensor}/$meta", descriptor)
    park.wait_until_acknowledged()
    assert len(park.engineer.answers("registered", f"{SITE}/{sensor}")) == 1
    park.engineer.publish(f"park/{SITE}/{sensor}/$meta", {"interval": 20_000})
    eventually(lambda: (new := _registered(park, sensor)) and new.interval == 20_000, why=park.said)
    again = _registered(park, sensor)
    assert again is not None
    assert again.names == found.names, "what a descriptor does not say stays as it was"


def test_the_location_decides_the_limits(park: Park) -> None:
    """45 mg/m3 of NMHC: beyond the limit in the plant (20), nothing on a stack."""
    plant, stack = park.new_sensor(), park.new_sensor()
    for sensor, location in ((plant, "workplace"), (stack, "stack")):
        _describe(park, sensor, location=location, quantities={"nmhc": {}})
    begun = time.time_ns() // 1_000_000 - 40_000
    for t in (begun, begun + 35_000):
        # The limit has an on-delay of 30 s, by the sensor's clock.
        for sensor in (stack, plant):
            park.engineer.publish(f"park/{SITE}/{sensor}/nmhc", {"v": 45, "t": t})
    eventually(lambda: park.alarm(plant, NMHC_WORKPLACE, "nmhc"), why=park.said)
    # What came before the plant's reading has been evaluated before it.
    assert park.alarm(stack, NMHC_WORKPLACE, "nmhc") is None


def test_a_new_location_changes_the_limits_of_a_sensor_that_has_spoken(park: Park) -> None:
    sensor, marker = park.new_sensor(), park.new_sensor()
    _describe(park, sensor, location="stack", quantities={"no2": {}})
    topic = f"park/{SITE}/{sensor}/no2"
    park.engineer.publish(topic, {"v": HIGH})
    park.engineer.publish(f"park/{SITE}/{marker}/no2", {"v": HIGH})
    park.expect_taken(marker)
    assert park.alarm(sensor) is None, "no limit of the ambient air holds on a stack"
    park.engineer.publish(f"park/{SITE}/{sensor}/$meta", {"location": "ambient"}, retain=True)

    def speaks() -> bool:
        # The sweep tells the worker within a second; the sensor goes on meanwhile.
        park.engineer.publish(topic, {"v": HIGH})
        return park.alarm(sensor) is not None

    eventually(speaks, pause=0.2, why=park.said)


def test_units_and_ranges_are_the_descriptors_and_values_are_stored_in_the_canonical_unit(park: Park) -> None:
    sensor = park.new_sensor()
    _describe(park, sensor, location="ambient", quantities={"no2": {"unit": "ppm", "minimum": 0, "maximum": 5}})
    now = time.time_ns() // 1_000_000
    readings = [
        {"v": 0.01, "t": now - 4},
        {"v": 10, "u": "ug/m3", "t": now - 3},
        {"v": 0.02, "u": "mg/m3", "t": now - 2},
        {"v": 50, "t": now - 1},
        {"v": -999, "t": now},
    ]
    park.engineer.publish(f"park/{SITE}/{sensor}/no2", readings)
    # 46.006 g/mol at 25 °C, 24.465 L/mol.
    expected = [0.01 * 46.006 / 24.465, 0.01, 0.02]
    eventually(lambda: park.stored(sensor) == pytest.approx(expected), pause=0.05, why=lambda: str(park.stored(sensor)))
    eventually(lambda: park.stored(sensor, "q") == ["good", "good", "good", "failure", "failure"], pause=0.05)


def test_a_sensor_that_falls_silent_raises_a_stale_alarm_and_its_return_clears_it(park: Park) -> None:
    sensor, now = park.new_sensor(), time.time_ns() // 1_000_000
    topic = f"park/{SITE}/{sensor}/h2s"

    def events() -> list[tuple[str, str]]:
        mine = [one for one in park.whole.journal() if one.series == f"{SITE}/{sensor}/h2s"]
        assert {one.limit for one in mine} <= {"detector-data"}
        return [(one.event.value, one.why) for one in mine]

    park.engineer.publish(topic, {"v": 1, "t": now - 60_000})
    eventually(lambda: park.stored(sensor) == [1], pause=0.05, why=park.said)
    _describe(park, sensor, location="workplace", interval=SOON, quantities={"h2s": {}})
    eventually(lambda: events() == [("raised", "stale")], why=park.said)
    # The alarm's off-delay is 10 s, by the sensor's clock.
    park.engineer.publish(topic, [{"v": 1, "t": now - 15_000}, {"v": 1, "t": now}])
    eventually(lambda: events()[:2] == [("raised", "stale"), ("returned", "good")], why=lambda: str(events()))


def test_a_sensor_that_is_described_and_never_speaks_raises_an_alarm(park: Park) -> None:
    sensor = park.new_sensor()
    _describe(park, sensor, location="workplace", interval=SOON, quantities={"h2s": {}})
    eventually(lambda: park.alarm(sensor, "detector-data", "h2s"), why=park.said)
    alarm = park.alarm(sensor, "detector-data", "h2s")
    assert alarm is not None
    assert (alarm["state"], alarm["why"], alarm["value"]) == ("UNACK", "never-seen", None)


def test_a_gateway_says_that_it_is_there_and_its_will_that_it_is_not(park: Park) -> None:
    topic = "park/riverside/gw-will/$state"

    def state() -> object:
        known = Directory(park.redis).gateways().get("riverside/gw-will")
        return known and known.state

    port = int(park.whole.environment["PARKWATCH_MQTT_URL"].rsplit(":", 1)[1])
    gateway = mqtt.Client(CallbackAPIVersion.VERSION2, "gw-will", protocol=mqtt.MQTTv311)
    gateway.will_set(topic, b"offline", qos=1, retain=True)
    gateway.connect("127.0.0.1", port)
    gateway.loop_start()
    gateway.publish(topic, b"online", qos=1, retain=True).wait_for_publish(10)
    eventually(lambda: state() == "online", why=park.said)
    sock = gateway.socket()
    assert isinstance(sock, socket.socket)
    # No DISCONNECT: the broker misses it and says its last will.
    gateway.loop_stop()
    sock.close()
    eventually(lambda: state() == "offline", why=park.said)
    park.engineer.publish(topic, b'"ONLINE"\n', retain=True)
    eventually(lambda: state() == "online", why=park.said)


def test_a_forgotten_sensor_registers_anew_when_it_speaks(park: Park) -> None:
    sensor = park.new_sensor()
    key = f"{SITE}/{sensor}"
    park.engineer.publish(f"park/{key}/no2", {"v": 0.25})
    park.expect_taken(sensor)
    first = park.engineer.answer("registered", key)
    assert park.whole.command("sensors", "--forget", key).wait() == 0
    assert _registered(park, sensor) is None
    assert park.alarm(sensor) is None, "its alarms go with it"

    def speaks() -> bool:
        # Ingest looks into the directory once a second; the sensor goes on meanwhile.
        park.engineer.publish(f"park/{key}/no2", {"v": 0.01})
        return _registered(park, sensor) is not None

    eventually(speaks, pause=0.2, why=park.said)
    eventually(lambda: len(park.engineer.answers("registered", key)) == 2, why=park.said)
    assert park.engineer.answer("registered", key).content["at"] > first.content["at"]


def test_a_forgotten_sensor_still_speaks_in_the_unit_that_it_described(park: Park) -> None:
    sensor = park.new_sensor()
    key = f"{SITE}/{sensor}"
    _describe(park, sensor, location="ambient", quantities={"no2": {"unit": "ug/m3"}})
    park.engineer.publish(f"park/{key}/$meta", b"", retain=True)
    assert park.whole.command("sensors", "--forget", key).wait() == 0

    def speaks() -> bool:
        park.engineer.publish(f"park/{key}/no2", 10)
        return _registered(park, sensor) is not None

    eventually(speaks, pause=0.2, why=park.said)
    park.wait_until_acknowledged()
    assert set(park.stored(sensor)) == {0.01}
    found = _registered(park, sensor)
    assert found is not None
    assert found.channels["no2"].unit == "ug/m3"


def test_a_redis_that_has_lost_everything_is_told_again(park: Park) -> None:
    sensor = park.new_sensor()
    _describe(park, sensor, location="ambient", quantities={"no2": {"unit": "ug/m3"}})
    before = _registered(park, sensor)
    park.wait_until_acknowledged()
    park.redis.flushall()

    def speaks() -> bool:
        park.engineer.publish(f"park/{SITE}/{sensor}/no2", 1000 * HIGH)
        return _registered(park, sensor) == before

    eventually(speaks, pause=0.2, why=park.said)
    park.expect_taken(sensor)
