"""Two ingest processes share the load; one is killed and comes back; both know every descriptor."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from storage import names
from tests.engineer import HIGH, LIMIT, SITE, Park, running
from tests.servers import Influx, eventually


@pytest.fixture(scope="module")
def park(tmp_path_factory: pytest.TempPathFactory, _session_influx: Influx) -> Iterator[Park]:
    with running(tmp_path_factory.mktemp("shared-load"), _session_influx, "ingest-shared", "worker") as park:
        _start_second(park)
        yield park


def _start_second(park: Park) -> None:
    second = park.whole.command("run", "ingest", "--id", "1", "--shared")
    park.whole.pieces["ingest-1"] = second
    second.wait_for("connected to the MQTT broker")
    eventually(lambda: park.heartbeat("ingest.1"), why=park.said)


def _publish_many(park: Park, sensor: str, count: int, value: float) -> None:
    begun = time.time_ns() // 1_000_000 - 60_000
    topic = f"park/{SITE}/{sensor}/no2"
    sent = [park.engineer.send(topic, {"v": value, "t": begun + number}) for number in range(count)]
    for message in sent:
        message.wait_for_publish(15)


def test_a_killed_one_keeps_its_share_until_it_is_back_and_nothing_is_lost(park: Park) -> None:
    sensor = park.new_sensor()
    _publish_many(park, sensor, 100, 0.01)
    eventually(lambda: len(park.stored(sensor)) == 100, why=park.said)

    park.whole.pieces["ingest-1"].kill()
    orphan = park.new_sensor()
    _publish_many(park, orphan, 300, 0.01)
    park.wait_until_acknowledged("0")
    share = len(park.stored(orphan))
    assert 0 < share < 300, "the broker keeps the share of the one that is away"

    _start_second(park)
    eventually(lambda: len(park.stored(orphan)) == 300, within=20, why=park.said)
    last = park.new_sensor()
    park.engineer.publish(f"park/{SITE}/{last}/no2", {"v": HIGH})
    park.expect_taken(last)


def test_killed_in_the_middle_of_readings_nothing_is_lost_and_no_occurrence_changes(park: Park) -> None:
    before = park.whole.raised()[LIMIT]
    sensors = [park.new_sensor() for _ in range(10)]
    for sensor in sensors[:5]:
        _publish_many(park, sensor, 40, HIGH)
    park.whole.pieces["ingest-1"].kill()
    for sensor in sensors[5:]:
        _publish_many(park, sensor, 40, HIGH)
    _start_second(park)
    for sensor in sensors:
        eventually(lambda sensor=sensor: len(park.stored(sensor)) == 40, within=20, why=park.said)  # type: ignore[misc]
    eventually(lambda: all(park.alarm(sensor) for sensor in sensors), why=park.said)
    eventually(lambda: not park.redis.llen(names.inbox("riverside.0")))
    assert park.whole.raised()[LIMIT] - before == len(sensors)


@pytest.mark.parametrize("retain", [True, False], ids=["retained", "not-retained"])
def test_a_descriptor_reaches_both(park: Park, retain: bool) -> None:  # noqa: FBT001 - a parameter of the test
    sensor = park.new_sensor()
    descriptor = {"location": "ambient", "quantities": {"no2": {"unit": "ug/m3", "minimum": 0, "maximum": 1000}}}
    park.engineer.publish(f"park/{SITE}/{sensor}/$meta", descriptor, retain=retain)
    park.engineer.answer("registered", f"{SITE}/{sensor}")
    park.wait_until_acknowledged("0")
    park.wait_until_acknowledged("1")
    _publish_many(park, sensor, 50, 50.0)
    eventually(lambda: len(park.stored(sensor)) == 50, why=park.said)
    assert set(park.stored(sensor)) == {0.05}, "whoever takes a reading knows its unit"


def test_one_that_starts_later_knows_the_descriptors(park: Park) -> None:
    park.whole.pieces["ingest-1"].stop()
    sensor = park.new_sensor()
    descriptor = {"location": "ambient", "quantities": {"no2": {"unit": "ug/m3"}}}
    park.engineer.publish(f"park/{SITE}/{sensor}/$meta", descriptor, retain=True)
    park.engineer.answer("registered", f"{SITE}/{sensor}")
    _publish_many(park, sensor, 50, 50.0)
    _start_second(park)
    eventually(lambda: len(park.stored(sensor)) == 50, why=park.said)
    assert set(park.stored(sensor)) == {0.05}
