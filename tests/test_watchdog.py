"""The watchdog: canaries, what is fresh, the auditor, the pulse; and that stopping any one piece stops the pulse."""

from __future__ import annotations

import dataclasses
import json
import logging
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import paho.mqtt.client as mqtt
import pytest
import redis as redis_library
from paho.mqtt.enums import CallbackAPIVersion

from alerts.watchdog.auditor import LATE_AFTER, Auditor, by_zone
from alerts.watchdog.canary import descriptors
from alerts.watchdog.checks import Bounds, Seen, checks
from alerts.watchdog.pulse import TIMEOUT, Pulse
from alerts.watchdog.service import Times, Watchdog
from park.actions import Acknowledge, Shelve
from park.catalogue import Catalogue
from park.oncall import Chain, OnCall, Step
from park.words import Location, Priority
from parkwatch.servers import free_port
from storage import names, watch
from storage.configuration import load
from storage.directory import Directory
from storage.influx import Influx as InfluxClient
from storage.queue import redis_client
from storage.recent import newest_canaries
from storage.settings import Settings
from storage.states import ParkStates, encode_batch
from storage.watch import Check, Fault, Kind, Problem
from tests import making
from tests.catchers import Catcher
from tests.conftest import ROOT
from tests.hearing import Hearing
from tests.making import SHARD, T0, StoppedClock, reading
from tests.servers import Influx, Mosquitto, Redis, eventually
from workers.evaluator import Evaluator

ALARM = "north.unit-1.gd-01.h2s.h2s-high"
NOW = T0
WELL = Check(Kind.CANARY, "north", 1_000, well=True)
OLD = Check(Kind.CANARY, "south", 31_000, well=False)


# --- what is fresh -------------------------------------------------------------------------------------------------


def _unwell(seen: Seen, **bounds: int) -> set[tuple[str, str]]:
    found = checks(seen, ("north", "south"), ("beat", "console"), NOW, Bounds(**bounds))
    assert len(found) == 6
    return {(check.kind.value, check.of) for check in found if not check.well}


def _seen(**ages: dict[str, int]) -> Seen:
    return Seen(**{what: {of: NOW - age for of, age in known.items()} for what, known in ages.items()})


ALL = {"north": 0, "south": 0}
BOTH = {"beat": 0, "console": 0}


@pytest.mark.parametrize(
    ("ages", "unwell"),
    [
        ({"delivered": ALL, "stored": ALL, "alive": BOTH}, set()),
        ({"delivered": {"north": 30_000, "south": 0}, "stored": ALL, "alive": {"beat": 15_000, "console": 0}}, set()),
        ({"delivered": {"north": 30_001, "south": 0}, "stored": ALL, "alive": BOTH}, {("canary", "north")}),
        ({"delivered": {"south": 0}, "stored": ALL, "alive": BOTH}, {("canary", "north")}),
        ({"delivered": ALL, "stored": {"north": 0, "south": 40_000}, "alive": BOTH}, {("stored", "south")}),
        ({"delivered": ALL, "stored": ALL, "alive": {"beat": 0, "console": 15_001}}, {("alive", "console")}),
        ({"delivered": ALL, "stored": ALL, "alive": {"console": 0}}, {("alive", "beat")}),
        # A clock that was put back: what seems to come from the future proves nothing of the present.
        ({"delivered": {"north": -3_600_000, "south": -900}, "stored": ALL, "alive": BOTH}, {("canary", "north")}),
    ],
)
def test_every_zone_and_every_piece_has_to_be_fresh(
    ages: dict[str, dict[str, int]], unwell: set[tuple[str, str]]
) -> None:
    assert _unwell(_seen(**ages)) == unwell


def test_a_park_of_which_nothing_is_known_is_not_well() -> None:
    assert len(_unwell(Seen())) == 6


def test_the_pulse_ends_within_a_minute_of_any_stop() -> None:
    bounds = Times().bounds
    # Ages are taken when the pulse is decided on, and it has so long to get out.
    assert max(bounds.canary, bounds.alive) / 1000 + TIMEOUT < 60


# --- the pulse -----------------------------------------------------------------------------------------------------


@pytest.fixture
def pulse(catcher: Catcher) -> Iterator[Pulse]:
    one = Pulse(f"{catcher.url}/ping/s3cret")
    yield one
    one.close()


def test_the_pulse_goes_out_while_all_is_well_and_not_otherwise(pulse: Pulse, catcher: Catcher) -> None:
    pulse.beat([WELL], NOW)
    assert [(request.method, request.path) for request in catcher.requests] == [("GET", "/ping/s3cret")]
    assert pulse.state == watch.Pulse(wanted=True, sent=NOW)
    pulse.beat([WELL, OLD], NOW + 10_000)
    assert len(catcher.requests) == 1
    assert pulse.state == watch.Pulse(
        wanted=True, sent=NOW, reason="canary of south: 31 s old", reason_zh="south 的自检读数：31 秒前"
    )
    pulse.beat([WELL], NOW + 20_000)
    assert len(catcher.requests) == 2
    assert pulse.state == watch.Pulse(wanted=True, sent=NOW + 20_000)


def test_why_there_is_no_pulse_is_said_once_per_change(
    pulse: Pulse, catcher: Catcher, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "parkwatch.watchdog")
    older = msgspec.structs.replace(OLD, age=41_000)
    other = Check(Kind.ALIVE, "beat", None, well=False)
    for found in ([WELL], [OLD], [older], [older, other], [WELL], [WELL]):
        pulse.beat(found, NOW)
    assert [record.message for record in caplog.records] == [
        "every canary is fresh; the pulse goes to 127.0.0.1",
        "no pulse: canary of south: 31 s old",
        "no pulse: canary of south: 41 s old; sign of life from beat: none",
        "the pulse goes out again",
    ]
    assert "s3cret" not in caplog.text
    assert len(catcher.requests) == 3


def test_a_pulse_that_does_not_get_out_is_told_once_and_without_its_address(
    pulse: Pulse, catcher: Catcher, caplog: pytest.LogCaptureFixture
) -> None:
    catcher.answer(503)
    for _ in range(2):
        pulse.beat([WELL], NOW)
    assert pulse.state == watch.Pulse(wanted=True, reason="127.0.0.1 answers 503", reason_zh="127.0.0.1 返回 503")
    catcher.redirect(f"{catcher.url}/elsewhere")
    pulse.beat([WELL], NOW)
    assert [record.message for record in caplog.records] == [
        f"the pulse does not get out: 127.0.0.1 answers {status}" for status in (503, 307)
    ]
    assert {request.path for request in catcher.requests} == {"/ping/s3cret"}


def test_a_receiver_that_is_away_is_told_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    one = Pulse(f"http://127.0.0.1:{free_port()}/s3cret")
    one.beat([WELL], NOW)
    one.close()
    assert one.state.reason == "127.0.0.1 does not answer (ConnectError)"
    assert one.state.why("zh") == "127.0.0.1 无响应（ConnectError）"
    assert "s3cret" not in caplog.text


def test_after_a_start_the_others_are_given_time(caplog: pytest.LogCaptureFixture) -> None:
    one = Pulse(None, patience=30_000)
    caplog.clear()
    for seconds in (0, 10, 20):
        one.beat([OLD], NOW + seconds * 1000)
    assert caplog.text == ""
    assert one.state.reason
    one.beat([OLD], NOW + 30_000)
    assert "no pulse: canary of south" in caplog.text
    assert one.state.why("en").startswith("canary of south")
    assert one.state.why("zh").startswith("south 的自检读数：")
    one.close()


def test_without_an_address_nothing_is_sent_and_that_is_said(caplog: pytest.LogCaptureFixture) -> None:
    one = Pulse(None)
    one.beat([WELL], NOW)
    one.close()
    assert one.state == watch.Pulse(wanted=False)
    assert "PARKWATCH_PULSE_URL is not set" in caplog.text


# --- the watchdog's own sensors --------------------------------------------------------------------------------------


def test_the_park_knows_the_watchdogs_sensors_and_limits() -> None:
    hearing = Hearing(load(ROOT / "config"))
    for message in descriptors(("riverside",), 10_000):
        hearing.hear(message.topic, message.payload, NOW)
    assert {key: (sensor.location, sensor.interval) for key, sensor in hearing.sensors.items()} == {
        "riverside/parkwatch/canary": (Location.SYSTEM, 10_000),
        "riverside/parkwatch/watchdog": (Location.SYSTEM, 10_000),
    }
    topic = "park/riverside/parkwatch/watchdog/overdue-steps"
    for second, count in enumerate((0, 2, 3)):
        t = NOW + second * 1000
        hearing.hear(topic, msgspec.json.encode({"v": count, "t": t}), t)
    [raised] = hearing.raised("overdue-steps")
    assert (raised.value, raised.priority) == (2.0, Priority.CRITICAL)


def test_a_gateway_that_comes_and_goes_is_one_alarm() -> None:
    hearing = Hearing(load(ROOT / "config"))
    for second, online in ((0, 1), (10, 0), (15, 1), (20, 0), (100, 1), (110, 0)):
        t = NOW + second * 1000
        hearing.hear("park/riverside/parkwatch/gw-1/online", msgspec.json.encode({"v": online, "t": t}), t)
    assert [each.t for each in hearing.raised("gateway-offline")] == [NOW + 10_000]


def test_the_newest_stored_canary_of_each_zone_is_found(influx: Influx, influx_db: str) -> None:
    now = time.time_ns() // 1_000_000
    client = InfluxClient(influx.url, influx_db)
    client.ensure()
    for zone, sensor, age in (("a", "canary", 20_000), ("a", "canary", 9_000), ("b", "canary", 700_000), ("a", "x", 1)):
        client.write(f"reading,zone={zone},site=parkwatch,sensor={sensor},quantity=canary v=1 {now - age}".encode())
    assert newest_canaries(client, now, 600_000) == {"a": now - 9_000}
    client.close()


# --- the auditor -----------------------------------------------------------------------------------------------------


def _catalogue(*chains: Chain) -> Catalogue:
    plain = making.catalogue(making.limit())
    return dataclasses.replace(plain, oncall=OnCall(chains=chains)) if chains else plain


CHAIN = Chain("all", making._NAMES, (Step(tell=("person:li",)),))


class Park:
    """One shard whose alarms the auditor looks at; nobody delivers."""

    def __init__(self, client: redis_library.Redis, catalogue: Catalogue) -> None:
        self.client = client
        self.clock = StoppedClock(T0)
        self.states = ParkStates(client, catalogue)
        self.evaluator = Evaluator(client, catalogue, SHARD, self.clock)
        self.auditor = Auditor(client, catalogue)

    def hears(self, second: float, value: float) -> None:
        self.clock.time = T0 + round(second * 1000)
        self.client.rpush(names.inbox(SHARD), encode_batch([reading(second, value)]))
        self.evaluator.drain()

    def forgets(self) -> None:
        """Lose the outbox."""
        self.client.delete(names.OUTBOX, names.OUTBOX_ITEMS)

    def audits(self, second: float = 0) -> tuple[Problem, ...]:
        """Look twice, as it takes to be sure."""
        now = T0 + round(second * 1000)
        self.auditor.audit(now)
        return self.auditor.audit(now)

    @property
    def version(self) -> int:
        alarm = self.states.alarm(ALARM)
        assert alarm is not None
        return alarm.paged


@pytest.fixture
def park(redis: Redis) -> Iterator[Park]:
    with redis_client(redis.url) as client:
        yield Park(client, _catalogue(CHAIN))


def test_an_alarm_whose_page_or_next_call_waits_is_in_order(park: Park) -> None:
    assert park.audits() == ()
    park.hears(0, 15.0)
    assert park.audits() == ()
    park.forgets()
    park.client.zadd(names.OUTBOX, {f"step:{ALARM}:1:{park.version}:3": T0 + 600_000})
    assert park.audits() == ()


def test_an_alarm_whose_call_is_lost_is_found_at_the_second_look(park: Park) -> None:
    park.hears(0, 15.0)
    park.forgets()
    assert park.auditor.audit(T0) == ()
    found = park.auditor.audit(T0)
    assert found == (Problem(Fault.MISSING, "north", ALARM),)
    assert by_zone(found) == {"north": 1}
    # A message that is on its way is no promise of another one.
    park.client.zadd(names.OUTBOX, {f"send:{ALARM}:1:{park.version}:0:li.phone": T0 + 600_000})
    assert park.audits() == found


def test_the_call_of_an_older_page_is_not_the_one_that_is_missing(park: Park) -> None:
    park.hears(0, 15.0)
    park.forgets()
    park.client.zadd(names.OUTBOX, {f"step:{ALARM}:1:{park.version - 1}:1": T0 + 600_000})
    assert [problem.fault for problem in park.audits()] == [Fault.MISSING]


def test_nothing_is_owed_for_a_chain_that_has_come_to_its_end(park: Park) -> None:
    park.hears(0, 15.0)
    park.forgets()
    stopped = {"version": park.version, "why": "every call was made", "at": T0}
    park.client.hset(names.CHAINS, ALARM, json.dumps(stopped))
    assert park.audits() == ()
    park.client.hset(names.CHAINS, ALARM, json.dumps({**stopped, "version": park.version - 1}))
    assert [problem.fault for problem in park.audits()] == [Fault.MISSING]


def test_nothing_is_owed_for_an_alarm_that_somebody_has_taken_up_or_put_aside(park: Park) -> None:
    park.hears(0, 15.0)
    park.forgets()
    alarm = park.states.alarm(ALARM)
    assert alarm is not None
    park.states.act(ALARM, Acknowledge(alarm.occurrence, alarm.version), by="li", why="", now=T0)
    assert park.audits() == ()
    park.hears(1, 1.0)
    park.hears(2, 15.0)
    park.forgets()
    assert len(park.audits()) == 1
    park.states.act(ALARM, Shelve(T0 + 60_000), by="li", why="test", now=T0 + 2_000)
    assert park.audits() == ()


def test_how_a_chain_ended_is_forgotten_with_its_alarm(park: Park) -> None:
    """There are never more of them than alarms that stand."""
    stopped = json.dumps({"version": 1, "why": "exhausted", "at": T0})

    def known() -> list[Any]:
        return park.client.hkeys(names.CHAINS)

    park.hears(0, 15.0)
    park.client.hset(names.CHAINS, ALARM, stopped)
    park.hears(1, 1.0)
    assert known() == [ALARM.encode()], "nobody has acknowledged it: the auditor has to know"
    park.client.hset(names.CHAINS, "north.unit-1.gd-09.h2s.h2s-high", stopped)
    alarm = park.states.alarm(ALARM)
    assert alarm is not None
    park.states.act(ALARM, Acknowledge(alarm.occurrence, alarm.version), by="li", why="", now=T0 + 1_500)
    assert known() == [b"north.unit-1.gd-09.h2s.h2s-high"], "only that of the alarm that is over"
    park.hears(2, 15.0)
    park.client.hset(names.CHAINS, ALARM, stopped)
    park.states.act(ALARM, Shelve(T0 + 60_000), by="li", why="test", now=T0 + 2_000)
    assert len(known()) == 1


def test_nothing_is_owed_where_no_chain_is_configured(redis: Redis) -> None:
    elsewhere = msgspec.structs.replace(CHAIN, zones=("south",))
    for catalogue in (_catalogue(), _catalogue(elsewhere)):
        redis.flush()
        with redis_client(redis.url) as client:
            park = Park(client, catalogue)
            park.hears(0, 15.0)
            park.forgets()
            assert park.audits() == ()


def test_what_nobody_takes_up_in_time_is_found_canaries_apart(park: Park) -> None:
    due = {
        "page:south.unit.s.h2s.l:1:1": T0,
        "group:north:li.phone:7": T0 - 5_000,
        "canary:north": T0 - 500_000,
        "send:north.unit.s.h2s.l:1:1:duty": T0 + 1,
    }
    park.client.zadd(names.OUTBOX, due)
    found = park.auditor.audit(T0 + LATE_AFTER)
    assert found == (Problem(Fault.OVERDUE, "north", "group:north:li.phone:7", LATE_AFTER + 5_000),)
    found = park.auditor.audit(T0 + LATE_AFTER + 1)
    late = {problem.zone: problem.late for problem in found}
    assert late == {"north": LATE_AFTER + 5_001, "south": LATE_AFTER + 1}


# --- the process -------------------------------------------------------------------------------------------------

SHARDS = ("new-materials.0", "riverside.0")
PIECES = ("beat", "delivery", "office", "console", *(f"worker.{shard}" for shard in SHARDS), "ingest.0", "ingest.1")


class Rehearsal:
    """A watchdog that looks at what is put before it."""

    def __init__(self, environment: dict[str, str], client: redis_library.Redis, influx: InfluxClient) -> None:
        self.settings = Settings.from_environment(environment)
        self.catalogue = load(self.settings.config)
        self.client = client
        self.clock = StoppedClock(time.time_ns() // 1_000_000)
        self.dog = Watchdog(self.settings, self.catalogue, clock=self.clock)
        now = self.clock.now()
        influx.ensure()
        for zone in self.catalogue.zones:
            client.hset(names.CANARIES, zone, json.dumps({"t": now, "at": now + 1, "delivered": now + 2}))
            influx.write(f"reading,zone={zone},site=parkwatch,sensor=canary,quantity=canary v=1 {now}".encode())
            for ident in (0, 1):
                client.hset(names.SENSORS, f"{zone}/parkwatch/ingest-{ident}", "{}")
        for piece in PIECES:
            client.set(names.heartbeat(piece), json.dumps({"at": now, "connected": True}))

    def unwell(self) -> set[str]:
        return {f"{check.kind.value} {check.of}" for check in self.dog.look() if not check.well}


@pytest.fixture
def rehearsal(environment: dict[str, str]) -> Iterator[Rehearsal]:
    influx = InfluxClient(environment["PARKWATCH_INFLUX_URL"], environment["PARKWATCH_INFLUX_DB"])
    with redis_client(environment["PARKWATCH_REDIS_URL"]) as client:
        yield Rehearsal(environment, client, influx)
    influx.close()


def test_the_watchdog_looks_at_every_zone_worker_and_ingest_process(rehearsal: Rehearsal) -> None:
    assert rehearsal.unwell() == set()
    for piece in PIECES:
        beat = rehearsal.client.getdel(names.heartbeat(piece))
        assert isinstance(beat, bytes)
        assert rehearsal.unwell() == {f"alive {piece}"}
        rehearsal.client.set(names.heartbeat(piece), beat)
    rehearsal.client.hdel(names.CANARIES, "riverside")
    assert rehearsal.unwell() == {"canary riverside"}
    rehearsal.clock.advance(31_000)
    zones, alive = ("new-materials", "riverside"), {f"alive {piece}" for piece in PIECES}
    assert rehearsal.unwell() == {f"{kind} {zone}" for kind in ("canary", "stored") for zone in zones} | alive


def test_an_ingest_process_that_was_taken_away_for_good_is_not_missed(rehearsal: Rehearsal) -> None:
    rehearsal.client.delete(names.heartbeat("ingest.1"))
    assert rehearsal.unwell() == {"alive ingest.1"}
    for zone in rehearsal.catalogue.zones:
        Directory(rehearsal.client).forget(f"{zone}/parkwatch/ingest-1")
    assert rehearsal.unwell() == set()


def test_a_park_without_any_ingest_process_is_not_well(rehearsal: Rehearsal) -> None:
    rehearsal.client.delete(names.SENSORS, names.heartbeat("ingest.0"))
    assert rehearsal.unwell() == {"alive ingest.0"}


def test_servers_that_are_away_are_findings(environment: dict[str, str]) -> None:
    nowhere = free_port()
    influx = {**environment, "PARKWATCH_INFLUX_URL": f"http://127.0.0.1:{nowhere}"}
    settings = Settings.from_environment(influx)
    found = Watchdog(settings, load(settings.config)).look()
    assert {check.kind for check in found if not check.well} == {Kind.CANARY, Kind.STORED, Kind.ALIVE}
    settings = Settings.from_environment({**influx, "PARKWATCH_REDIS_URL": f"redis://127.0.0.1:{nowhere}/0"})
    assert Watchdog(settings, load(settings.config)).look() == (Check(Kind.REDIS, "redis", None, well=False),)


def test_a_defect_in_one_duty_ends_the_watchdog(rehearsal: Rehearsal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something that only looks alive would be worse than nothing."""
    monkeypatch.setattr(rehearsal.dog, "_look", lambda: 1 / 0)
    monkeypatch.setattr(rehearsal.dog, "_times", Times(canary=0.1))
    with pytest.raises(ZeroDivisionError):
        rehearsal.dog.run(threading.Event())


def test_the_watchdog_sings_and_tells_what_it_finds(
    rehearsal: Rehearsal, mosquitto: Mosquitto, catcher: Catcher
) -> None:
    settings = dataclasses.replace(rehearsal.settings, pulse_url=catcher.url)
    dog = Watchdog(settings, rehearsal.catalogue, Times(canary=0.2, audit=0.1), rehearsal.clock)
    stop = threading.Event()
    rehearsal.client.zadd(names.OUTBOX, {"page:riverside.a.b.h2s.l:1:1": rehearsal.clock.now() - 40_000})
    heard = Listener(mosquitto.url)
    thread = threading.Thread(target=dog.run, args=(stop,))
    thread.start()
    try:
        sung = heard.until("park/riverside/parkwatch/canary/canary", 3)
        counted = heard.until("park/riverside/parkwatch/watchdog/overdue-steps", 2)
        assert heard.until("park/new-materials/parkwatch/canary/$meta", 1)
        # It says what it did and then has its own sign of life looked for.
        catcher.wait_for(1)
        eventually(lambda: watch.get(rehearsal.client) is not None and rehearsal.client.exists("pw:heartbeat:watchdog"))
        watched = watch.get(rehearsal.client)
    finally:
        stop.set()
        thread.join(20)
        heard.close()
    numbers = [message["v"] for message in sung]
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert {message["t"] for message in sung} == {rehearsal.clock.now()}
    assert counted[-1]["v"] == 1
    assert watched is not None
    assert watched.well
    assert [(problem.fault, problem.zone) for problem in watched.problems] == [(Fault.OVERDUE, "riverside")]
    assert watched.pulse.wanted
    assert 0 < rehearsal.client.ttl(names.WATCHDOG) <= watch.SECONDS


class Listener:
    """Hears everything below ``park/``."""

    def __init__(self, url: str) -> None:
        self._heard: dict[str, list[Any]] = {}
        address = urlsplit(url)
        subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2)
        self._client.on_subscribe = lambda *_: subscribed.set()
        self._client.on_message = self._hear
        self._client.connect(address.hostname or "", address.port or 0)
        self._client.loop_start()
        self._client.subscribe("park/#", qos=1)
        assert subscribed.wait(10)

    def _hear(self, _client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self._heard.setdefault(message.topic, []).append(json.loads(message.payload))

    def until(self, topic: str, count: int) -> list[Any]:
        """Wait for so many messages on ``topic``."""
        eventually(lambda: len(self._heard.get(topic, [])) >= count, within=20, why=lambda: str(self._heard))
        return list(self._heard[topic])

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()
