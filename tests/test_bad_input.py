"""What bad input gets: a reason, an answer, a count, an acknowledgement, and never the next good message's time."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Self

import pytest
from paho.mqtt.enums import MQTTProtocolVersion

from ingest.feedback import QUIET, Feedback
from park.topics import Rejected
from park.words import Names
from parkwatch.servers import free_port
from storage.quarantine import PAYLOAD_KEPT, Quarantine
from storage.queue import redis_client
from tests.alerting import StoppedClock
from tests.engineer import HIGH, SITE, Engineer, Park, running
from tests.pieces import Spawn
from tests.servers import Influx, Redis, eventually

GOOD = {"v": HIGH}
DAY = 86_400_000
NOW = time.time_ns() // 1_000_000


@pytest.fixture(scope="module")
def park(tmp_path_factory: pytest.TempPathFactory, _session_influx: Influx) -> Iterator[Park]:
    with running(tmp_path_factory.mktemp("bad-input"), _session_influx, "ingest", "worker") as park:
        yield park


@dataclass(frozen=True)
class Bad:
    """A bad message; ``{}`` in the topic is the sensor. ``says`` is part of the answer: the reason or the fix."""

    name: str
    payload: bytes
    code: str
    says: str
    topic: str = f"park/{SITE}/{{}}/no2"
    answered: str = f"{SITE}/{{}}"


def _descriptor(name: str, payload: object, says: str, code: str = "descriptor") -> Bad:
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return Bad(f"descriptor-{name}", content, code, says, f"park/{SITE}/{{}}/$meta")


BAD = [
    Bad("empty", b"", "malformed", "no JSON"),
    Bad("truncated", b'{"v": 3.2', "malformed", "no JSON"),
    Bad("text", b"hello", "malformed", "send a number"),
    Bad("not-utf8", b"\xff\xfe\x00\x9f", "malformed", "no JSON"),
    Bad("not-utf8-in-a-string", b'{"v": 1, "u": "\xff"}', "malformed", "no JSON"),
    Bad("binary-zeros", bytes(1000), "malformed", "no JSON"),
    Bad("nested", b"[" * 50_000, "malformed", "no JSON"),
    Bad("many-digits", b"9" * 5_000, "malformed", "no JSON"),
    Bad("half-a-character", b'"\\ud800"', "type", "wrong form"),
    Bad("half-a-character-as-key", b'{"v": 1, "\\ud800": 2}', "type", "wrong form"),
    Bad("truth", b"true", "type", "got `bool`"),
    Bad("number-as-text", b'{"v": "3.2"}', "type", "got `str`"),
    Bad("list-of-numbers", b"[1, 2]", "type", "Expected `object`"),
    Bad("no-value", b"{}", "type", "missing required field `v`"),
    Bad("unknown-key", b'{"v": 1, "value": 2}', "type", "unknown field `value`"),
    Bad("two-quantities-on-a-quantity's-topic", b'{"v": {"no2": 1}}', "type", f"publish to park/{SITE}/"),
    Bad("no-quantity", b"3.2", "type", "names a quantity", f"park/{SITE}/{{}}"),
    Bad("one-good-one-bad-in-an-array", b'[{"v": 999}, {"v": "x"}]', "type", "$[1].v"),
    Bad("huge", b"1" * 2**20, "too-large", "cut the array into several messages"),
    Bad("unit", b'{"v": 1, "u": "parsec"}', "unit", "send mg/m3 or one of"),
    Bad("quality", b'{"v": 1, "q": "splendid"}', "quality", "send one of: good"),
    Bad("time-in-seconds", b'{"v": 1, "t": %d}' % (NOW // 1000), "time", "milliseconds since 1970, not seconds"),
    Bad("time-ahead", b'{"v": 1, "t": %d}' % (NOW + 2 * DAY), "time", "set the sensor's clock"),
    Bad("time-too-old", b'{"v": 1, "t": %d}' % (NOW - 500 * DAY), "time", "not kept"),
    Bad("time-without-zone", b'{"v": 1, "t": "2026-01-01T08:00:00"}', "time", "append Z or +08:00"),
    Bad("time-as-prose", b'{"v": 1, "t": "yesterday"}', "time", "write 2026-01-01T08:00:00+08:00"),
    Bad("time-without-end", b'{"v": 1, "t": 1e999}', "time", "no time"),
    Bad("time-beyond-all-calendars", b'{"v": 1, "t": 1e300}', "time", "more than a day ahead"),
    Bad("zone", b"1", "zone", "publish to one of: new-materials, riverside", "park/atlantis/a/{}/no2", "atlantis/a/{}"),
    Bad("quantity", b"1", "quantity", "did you mean no2", f"park/{SITE}/{{}}/no22"),
    Bad("quantity-in-v", b'{"v": {"no2": 1, "nox9": 2}}', "quantity", "config/quantities.yaml", f"park/{SITE}/{{}}"),
    Bad("capitals", b"1", "topic", "a-z, 0-9 and -", f"park/{SITE}/{{}}-X/no2", SITE),
    Bad("blank", b"1", "topic", "a-z, 0-9 and -", f"park/{SITE}/{{}} x/no2", SITE),
    Bad("chinese", b"1", "topic", "a-z, 0-9 and -", "park/riverside/储罐/{}/no2", "riverside"),
    Bad("right-to-left-override", b"1", "topic", "a-z, 0-9 and -", f"park/{SITE}/{{}}\u202e/no2", SITE),
    Bad("empty-segment", b"1", "topic", "a-z, 0-9 and -", "park/riverside//{}/no2", "riverside"),
    Bad("long-segment", b"1", "topic", "1 to 63", f"park/{SITE}/{{}}-{'x' * 64}/no2", SITE),
    Bad("too-short", b"1", "topic", "publish to park/{zone}", "park/{}", "{}"),
    Bad("too-deep", b"1", "topic", "8 segments", f"park/{SITE}/{{}}/a/b/c/no2"),
    Bad("deepest", b"1", "topic", "200 segments", f"park/{SITE}/{{}}/{'a/' * 195}no2"),
    Bad("unknown-word", b"{}", "topic", "'$config' is not known", f"park/{SITE}/{{}}/$config"),
    Bad("state-of-a-sensor", b"online", "topic", "'$state' is not known", f"park/{SITE}/{{}}/$state"),
    Bad("state", b"asleep", "state", "send online or offline", "park/riverside/{}/$state", "riverside/{}"),
    _descriptor("no-json", b"interval: 10", "wrong form"),
    _descriptor("half-a-character", b'{"names": {"zh": "\\ud800", "en": "x"}}', "wrong form"),
    _descriptor("list", [], "Expected `object`"),
    _descriptor("unknown-key", {"intervall": 10}, "unknown field `intervall`"),
    _descriptor("interval", {"interval": -5}, "interval must be the ms"),
    _descriptor("location", {"location": "moon"}, "write one of workplace"),
    _descriptor("place", {"latitude": 131.7}, "-90 to 90"),
    _descriptor("gateway", {"gateway": "gw/1"}, "a-z, 0-9 and -"),
    _descriptor("quantity", {"quantities": {"no22": {}}}, "did you mean no2"),
    _descriptor("unit", {"quantities": {"no2": {"unit": "parsec"}}}, "is not a unit of no2"),
    _descriptor("range", {"quantities": {"no2": {"minimum": 5, "maximum": 1}}}, "less than maximum"),
    _descriptor("all-at-once", {"interval": 0, "latitude": 99}, "interval must be"),
    _descriptor("huge", b" " * 20_000, "at most 16384", "too-large"),
]


@dataclass(frozen=True)
class Sent:
    """Every bad message, each with a good one of the same sensor right behind it; the counts when all were taken."""

    sensors: dict[str, str]
    counts: dict[str, int]


@pytest.fixture(scope="module")
def sent(park: Park) -> Sent:
    sensors = {bad.name: park.new_sensor() for bad in BAD}
    for bad in BAD:
        park.engineer.send(bad.topic.format(sensors[bad.name]), bad.payload)
        park.engineer.send(f"park/{SITE}/{sensors[bad.name]}/no2", GOOD)
    for sensor in sensors.values():
        park.expect_taken(sensor)
    return Sent(sensors, park.counts())


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_a_bad_message_is_answered_and_kept_and_the_next_good_one_is_taken(park: Park, sent: Sent, bad: Bad) -> None:
    sensor = sent.sensors[bad.name]
    topic = _shown(bad.topic.format(sensor))
    answer = park.engineer.answer("rejected", topic)
    assert answer.topic == f"parkwatch/feedback/{bad.answered.format(sensor)}"
    assert answer.content["code"] == bad.code
    assert bad.says in f"{answer.content['reason']} {answer.content['fix']}"
    [kept] = park.quarantined(topic)
    assert (kept.code, kept.reason, kept.fix) == (bad.code, answer.content["reason"], answer.content["fix"])
    assert (kept.reason_zh, kept.fix_zh) == (answer.content["reason_zh"], answer.content["fix_zh"])
    for said in (kept.reason_zh, kept.fix_zh):
        assert re.search("[\u4e00-\u9fff]", said), said
    assert kept.payload.isprintable()
    assert len(kept.payload) <= 4 * PAYLOAD_KEPT
    assert park.stored(sensor) == [HIGH], "nothing of the bad message may be stored"


def test_every_bad_message_is_counted_once(sent: Sent) -> None:
    assert sent.counts == Counter(bad.code for bad in BAD)


@pytest.mark.parametrize(
    ("qos", "protocol"),
    [
        pytest.param(0, MQTTProtocolVersion.MQTTv311, id="qos-0"),
        pytest.param(1, MQTTProtocolVersion.MQTTv5, id="mqtt-5"),
        pytest.param(2, MQTTProtocolVersion.MQTTv5, id="mqtt-5-qos-2"),
    ],
)
def test_publishers_may_speak_otherwise(park: Park, qos: int, protocol: MQTTProtocolVersion) -> None:
    sensor, before = park.new_sensor(), park.counts()
    topic = f"park/{SITE}/{sensor}/no2"
    with Engineer(park.whole.environment["PARKWATCH_MQTT_URL"], protocol) as engineer:
        engineer.publish(topic, b"bad", qos=qos)
        engineer.publish(topic, GOOD, qos=qos)
        park.expect_taken(sensor)
        assert engineer.answer("rejected", topic).content["code"] == "malformed"
    assert _more(park.counts(), before) == {"malformed": 1}


@pytest.mark.parametrize(
    "topic",
    [
        pytest.param(b"park/riverside/air-station/s\x01/no2", id="control-character"),
        pytest.param(b"park/riverside/air-station/s\n/no2", id="line-feed"),
        pytest.param(b"park/riverside/air-station/s\x00/no2", id="zero"),
        pytest.param("park/riverside/air-station/s\x85/no2".encode(), id="c1-control-character"),
        pytest.param(b"park/riverside/air-station/\xff/no2", id="not-utf8"),
        pytest.param(b"park/riverside/air-station/\xed\xa0\x80/no2", id="half-a-character"),
        pytest.param(b"park/riverside/air-station/+/no2", id="wildcard"),
        pytest.param(b"park/" + b"a/" * 205 + b"no2", id="deeper-than-the-broker-allows"),
        pytest.param(b"", id="none"),
    ],
)
def test_topics_that_mqtt_forbids_end_at_the_broker(park: Park, topic: bytes) -> None:
    sensor, before = park.new_sensor(), park.counts()
    port = int(park.whole.environment["PARKWATCH_MQTT_URL"].rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(_packet(0x10, _text(b"MQTT") + b"\x04\x02\x00\x1e" + _text(b"")))
        assert connection.recv(4) == b"\x20\x02\x00\x00"
        connection.sendall(_packet(0x32, _text(topic) + b"\x00\x01" + b"1"))
        assert connection.recv(4) == b"", "the broker cuts the client off instead of acknowledging"
    park.engineer.publish(f"park/{SITE}/{sensor}/no2", GOOD)
    park.expect_taken(sensor)
    assert park.counts() == before


def test_a_matter_is_answered_once_a_minute(park: Park) -> None:
    sensor = park.new_sensor()
    topic = f"park/{SITE}/{sensor}/no2"
    for _ in range(5):
        park.engineer.publish(topic, b"bad")
    park.engineer.publish(topic, {"v": 1, "u": "parsec"})
    eventually(lambda: len(park.quarantined(topic)) == 6)
    eventually(lambda: len(park.engineer.answers("rejected", topic)) >= 2)
    assert [heard.content["code"] for heard in park.engineer.answers("rejected", topic)] == ["malformed", "unit"]


def test_a_matter_is_answered_again_after_a_minute() -> None:
    said: list[dict[str, Any]] = []
    clock = StoppedClock()
    feedback = Feedback(lambda _topic, payload: said.append(json.loads(payload)), clock)
    problem = Rejected("malformed", Names("不是 JSON", "no JSON"), Names("请发送 JSON", "send JSON"))
    feedback.rejected("park/a/b/c/d", problem)
    clock.advance(QUIET - 1)
    feedback.rejected("park/a/b/c/d", problem)
    assert len(said) == 1
    feedback.rejected("park/a/b/c/e", problem)
    assert len(said) == 2, "another topic is another matter"
    clock.advance(1)
    feedback.rejected("park/a/b/c/d", problem)
    assert [answer["at"] for answer in said] == [clock.time - QUIET, clock.time - 1, clock.time]


def test_bad_messages_are_acknowledged_and_do_not_come_again(park: Park) -> None:
    sensors = [park.new_sensor() for _ in BAD]
    for bad, sensor in zip(BAD, sensors, strict=True):
        park.engineer.send(bad.topic.format(sensor), bad.payload)
    last = park.new_sensor()
    park.engineer.publish(f"park/{SITE}/{last}/no2", GOOD)
    park.expect_taken(last)
    park.wait_until_acknowledged()
    before = park.counts()
    park.whole.pieces["ingest"].kill()
    park.whole.start("ingest")
    # What the broker still held for us would come before this.
    marker = park.new_sensor()
    park.engineer.publish(f"park/{SITE}/{marker}/no2", GOOD)
    park.expect_taken(marker)
    assert park.counts() == before


def test_a_storm_of_bad_messages_costs_no_good_one(park: Park) -> None:
    sensor, before, begun = park.new_sensor(), park.counts(), time.time_ns() // 1_000_000 - 60_000
    topic = f"park/{SITE}/{sensor}/no2"
    storm = [b"bad", b'{"v": "x"}', b'{"v": 1, "u": "parsec"}', b'{"v": 1, "t": 5}']
    for number in range(200):
        for bad in range(10):
            park.engineer.send(topic, storm[bad % 4])
        value = HIGH if number == 199 else 0.01
        park.engineer.send(topic, {"v": value, "t": begun + number})
    eventually(lambda: len(park.stored(sensor)) == 200, within=30, pause=0.1, why=park.said)
    park.expect_taken(sensor)
    assert park.stored(sensor) == [0.01] * 199 + [HIGH]
    expected = {"malformed": 600, "type": 600, "unit": 400, "time": 400}
    eventually(lambda: _more(park.counts(), before) == expected, why=lambda: str(_more(park.counts(), before)))
    assert len(park.engineer.answers("rejected", topic)) == 4


def test_a_topic_that_is_no_utf8_from_a_laxer_broker_is_quarantined_and_acknowledged(
    environment: dict[str, str], redis: Redis, spawn_piece: Spawn
) -> None:
    with LaxBroker(b"park/riverside/air-station/\xff\n/no2") as broker:
        ingest = spawn_piece(["run", "ingest"], {**environment, "PARKWATCH_MQTT_URL": broker.url})
        eventually(lambda: broker.acknowledged, within=20, why=lambda: ingest.output)
        assert ingest.stop() == 0
    with redis_client(redis.url) as client:
        [entry] = Quarantine(client).newest()
    assert (entry.topic, entry.code) == ("park/riverside/air-station/\\xff\\n/no2", "topic")
    answers = [json.loads(payload) for topic, payload in broker.published if topic.endswith(b"riverside/air-station")]
    assert [answer["code"] for answer in answers] == ["topic"]


def _more(counts: dict[str, int], before: dict[str, int]) -> dict[str, int]:
    return {code: n - before.get(code, 0) for code, n in counts.items() if n != before.get(code, 0)}


def _shown(topic: str) -> str:
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in topic)


# --- MQTT by hand --------------------------------------------------------------------------------------------------


def _text(text: bytes) -> bytes:
    return struct.pack("!H", len(text)) + text


def _packet(head: int, body: bytes) -> bytes:
    length, rest = b"", len(body)
    while True:
        rest, digit = divmod(rest, 128)
        length += bytes([digit | (128 if rest else 0)])
        if not rest:
            return bytes([head]) + length + body


@dataclass
class LaxBroker:
    """A broker for one client that sends it one message, on a topic that MQTT forbids."""

    topic: bytes
    acknowledged: bool = False
    published: list[tuple[bytes, bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self._server.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._server = socket.create_server(("127.0.0.1", free_port()))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Wakes the thread if nobody ever came.
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._server.close()

    def _serve(self) -> None:
        # Nobody came, or the client went away in the middle of a word.
        with contextlib.suppress(OSError):
            client, _ = self._server.accept()
            with client, client.makefile("rb") as stream:
                while head := stream.read(1):
                    self._answer(client, head[0], stream.read(_length(stream)))

    def _answer(self, client: socket.socket, head: int, body: bytes) -> None:
        match head >> 4:
            case 1:
                client.sendall(_packet(0x20, b"\x00\x00"))
            case 3:
                size = struct.unpack_from("!H", body)[0] + 2
                self.published.append((body[2:size], body[size + 2 :]))
                client.sendall(_packet(0x40, body[size : size + 2]))
            case 4:
                self.acknowledged = self.acknowledged or body == b"\x00\x07"
            case 8:
                client.sendall(_packet(0x90, body[:2] + b"\x01" * _filters(body)))
                client.sendall(_packet(0x32, _text(self.topic) + b"\x00\x07" + b"1"))
            case 10:
                client.sendall(_packet(0xB0, body[:2]))
            case 12:
                client.sendall(_packet(0xD0, b""))


def _filters(subscribe: bytes) -> int:
    count, position = 0, 2
    while position < len(subscribe):
        position += 2 + struct.unpack_from("!H", subscribe, position)[0] + 1
        count += 1
    return count


def _length(stream: BinaryIO) -> int:
    size = shift = 0
    while True:
        digit = stream.read(1)[0]
        size |= (digit & 127) << shift
        shift += 7
        if digit < 128:
            return size
